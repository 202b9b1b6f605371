/* See output.h. */
#include "server/output.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/batch.h"
#include "server/client.h"
#include "server/io.h"
#include "server/pair.h"
#include "server/push.h"
#include "server/scripts.h"
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>

/* A reply is held up to offset; then everything up to total may go. */
struct mark {
    struct client *client;
    uint64_t offset, total, bytes, made_ns;
    uint32_t replies;
};

static struct mark *marks; /* a ring */
static size_t marks_cap, marks_first, marks_count;
static uint64_t held_replies, held_bytes;
bool output_crowded;

static struct client *queue, **queue_end = &queue;
static struct client *pushes, **pushes_end = &pushes;
static size_t over_soft; /* clients that are over the soft limit */

static void grow_marks(void) {
    size_t cap = marks_cap ? marks_cap * 2 : 1024;
    struct mark *bigger = xmalloc(cap * sizeof *bigger);
    for (size_t i = 0; i < marks_count; i++) bigger[i] = marks[(marks_first + i) & (marks_cap - 1)];
    free(marks);
    marks = bigger;
    marks_cap = cap;
    marks_first = 0;
}

static void hold(struct client *c, uint64_t total) {
    if (marks_count == marks_cap) grow_marks();
    struct mark *m = &marks[(marks_first + marks_count++) & (marks_cap - 1)];
    uint64_t bytes = total - c->marked_total;
    *m = (struct mark){c, c->reply_offset, total, bytes, loop_now_ns(server.loop), c->replies};
    held_replies += c->replies;
    held_bytes += sizeof *m + bytes;
    if (held_bytes > OUTPUT_ALL_HELD_LIMIT_BYTES) output_crowded = true;
    c->replies = 0;
    c->marks++;
    c->marked_total = total;
}

void output_queue(struct client *c) {
    if (c->queued || c->closed) return;
    c->queued = true;
    c->next_queued = NULL;
    *queue_end = c;
    queue_end = &c->next_queued;
}

void output_push(struct client *c) {
    struct push *p = c->push;
    if (p->queued || c->closed) return;
    p->queued = true;
    p->next_queued = NULL;
    *pushes_end = c;
    pushes_end = &p->next_queued;
}

bool output_any_pushes(void) {
    return pushes != NULL;
}

static void forget_pushes(struct client *c) {
    if (!c->push || !c->push->queued) return;
    struct client **at = &pushes;
    while (*at != c) at = &(*at)->push->next_queued;
    *at = c->push->next_queued;
    if (pushes_end == &c->push->next_queued) pushes_end = at;
    c->push->queued = false;
}

void output_forget(struct client *c) {
    over_soft -= c->over_soft_ns != 0;
    c->over_soft_ns = 0;
    forget_pushes(c);
    if (!c->queued) return;
    for (struct client **at = &queue; *at; at = &(*at)->next_queued) {
        if (*at != c) continue;
        *at = c->next_queued;
        if (queue_end == &c->next_queued) queue_end = at;
        break;
    }
    c->queued = false;
}

uint64_t output_held_bytes(const struct client *c) {
    return c->marks ? client_made_total(c) - c->release_total : 0;
}

uint64_t output_all_held_bytes(void) {
    return held_bytes;
}

bool output_holds_much(const struct client *c) {
    uint64_t bytes = client_made_total(c) - c->release_total;
    return bytes + c->marks * sizeof(struct mark) > OUTPUT_HELD_LIMIT_BYTES;
}

bool output_holds_little(const struct client *c) {
    uint64_t bytes = output_held_bytes(c) + c->marks * sizeof(struct mark);
    return bytes < OUTPUT_HELD_LIMIT_BYTES / 2 && !output_crowded;
}

void output_wait_for(struct client *c, uint64_t offset) {
    if (offset > c->reply_offset) c->reply_offset = offset;
}

uint64_t output_held_count(void) {
    return held_replies;
}

uint64_t output_oldest_held_ns(void) {
    return marks_count ? marks[marks_first & (marks_cap - 1)].made_ns : 0;
}

/* What counts: a little does not, which in Redis stands in a buffer that each client has anyway. */
static uint64_t counted(const struct client *c) {
    uint64_t pending = client_output_bytes(c);
    return pending > OUTPUT_FREE_BYTES ? pending : 0;
}

bool output_over_hard_limit(const struct client *c) {
    uint64_t hard = server.config.output[client_class(c)].hard_bytes;
    return hard && !c->control && counted(c) >= hard;
}

static bool over_limit(struct client *c) {
    const struct config_output_limit *l = &server.config.output[client_class(c)];
    if (c->push && c->push->too_slow) return true;
    if (!(l->hard_bytes | l->soft_bytes | c->over_soft_ns) || c->control) return false;
    uint64_t pending = counted(c), now = loop_now_ns(server.loop);
    if (l->hard_bytes && pending >= l->hard_bytes) return true;
    if (!l->soft_bytes || pending < l->soft_bytes) {
        over_soft -= c->over_soft_ns != 0;
        c->over_soft_ns = 0;
        return false;
    }
    if (!c->over_soft_ns) {
        c->over_soft_ns = now;
        over_soft++;
    }
    return now - c->over_soft_ns > (uint64_t)l->soft_s * NS_PER_S;
}

static void close_if_over_limit(struct client *c) {
    if (!over_limit(c)) return;
    log_warning("closing client %llu: it left %zu bytes of replies unread "
                "(client-output-buffer-limit %s)",
                (unsigned long long)c->id, client_output_bytes(c),
                client_class(c) == CLASS_PUBSUB ? "pubsub" : "normal");
    server.stats.output_limit_disconnects++;
    client_close(c);
}

void output_check_limits(void) {
    struct client *next;
    if (!over_soft) return;
    for (struct client *c = server.clients; c; c = next) {
        next = c->next;
        if (c->over_soft_ns) close_if_over_limit(c);
    }
}

/* Writes what was released, as much as the socket takes. */
static void write_some(struct client *c) {
    size_t n = (size_t)(c->release_total - c->sent_total);
    if (!n) return;
    if (!c->control && !c->handshake && !pair_may_serve()) {
        if (!c->stall) client_stall(c, STALL_LEASE);
        return;
    }
    conn_write(c, n);
}

void output_writable(struct client *c) {
    if (!c->closed) write_some(c);
}

/* Puts the first n bytes of c->out into the empty b->out: the buffer itself when they are all. */
static void move_out(struct client *c, struct batch *b, size_t n) {
    if (n < buf_len(&c->out)) {
        buf_add(&b->out, buf_head(&c->out), n);
        buf_eat(&c->out, n);
        return;
    }
    struct buf empty = b->out;
    b->out = c->out;
    c->out = empty;
    buf_trim(&c->out, 0);
}

/* The shared messages among what was released, and what stands before them. */
static void hand_over_parts(struct client *c) {
    struct part *part;
    while ((part = push_part(c)) && part->at < c->release_total) {
        struct batch *b = batch_new();
        size_t before = (size_t)(part->at - c->sent_total);
        if (before) move_out(c, b, before);
        atomic_fetch_add_explicit(&part->s->users, 1, memory_order_relaxed);
        b->shared = part->s;
        b->needs_lease = pair_needs_lease();
        c->sent_total += before + part->s->len;
        part->sent = part->s->len;
        c->push->shared_bytes -= part->s->len;
        push_part_done(c);
        io_send(c, b);
    }
}

/* Gives what was released to the client's thread, with the answers to the batches that were run. */
static void hand_over(struct client *c) {
    if (c->moving) return;
    if (c->push) hand_over_parts(c);
    size_t n = (size_t)(c->release_total - c->sent_total);
    bool last = c->close_after_reply && !c->said_last && c->sent_total + n == client_made_total(c);
    struct batch *b = c->finished;
    c->finished = NULL;
    while (b && b->next) {
        struct batch *next = b->next;
        io_send(c, b);
        b = next;
    }
    if (!b && !n && !last) return;
    if (!b) b = batch_new();
    if (n) move_out(c, b, n);
    c->sent_total += n;
    b->needs_lease = n && !c->handshake && pair_needs_lease();
    b->last = last;
    c->said_last = c->said_last || last;
    io_send(c, b);
}

/* Pushes tell of what others did, whose effects may have entered the stream behind them. */
static void settle_pushes(struct client *c) {
    c->push->fresh = false;
    if (server.repl) output_wait_for(c, repl_reply_offset(server.repl, true));
}

/* Decides whether the client's new bytes may go, then writes. */
static void flush_client(struct client *c, uint64_t released) {
    uint64_t total = client_made_total(c);
    if (c->push && c->push->fresh) settle_pushes(c);
    close_if_over_limit(c); /* what is too much is not even begun */
    if (c->closed) return;
    bool free_to_go = c->control || c->handshake || c->reply_offset <= released;
    if (!c->marks && free_to_go)
        c->release_total = c->marked_total = total;
    else if (total > c->marked_total)
        hold(c, total);
    c->replies = 0;
    if (c->thread)
        hand_over(c);
    else
        write_some(c);
    if (c->closed) return;
    /* what the peer had sent before it went is run as far as it may be */
    if (c->ended && (!c->pending || c->stall)) client_close(c);
}

/* A full copy began another line at a smaller offset: what waits for one of the old line would wait for ever.
 * (A master that was deposed has closed what it held before.) */
static void leave_old_line(uint64_t end) {
    for (size_t i = 0; i < marks_count; i++) {
        struct mark *m = &marks[(marks_first + i) & (marks_cap - 1)];
        if (m->offset > end) m->offset = end;
    }
    for (struct client *c = server.clients; c; c = c->next) {
        if (c->reply_offset > end) c->reply_offset = end;
    }
}

static uint64_t release_now(void) {
    static uint64_t last_end;
    if (!server.repl) return UINT64_MAX;
    uint64_t end = repl_offset(server.repl);
    if (__builtin_expect(end < last_end, 0)) leave_old_line(end);
    last_end = end;
    return repl_release_offset(server.repl);
}

void output_release(void) {
    uint64_t released = release_now();
    while (marks_count) {
        struct mark *m = &marks[marks_first & (marks_cap - 1)];
        struct client *c = m->client;
        if (m->offset > released && !c->closed) break;
        c->marks--;
        held_replies -= m->replies;
        held_bytes -= sizeof *m + m->bytes;
        if (held_bytes < OUTPUT_ALL_HELD_LIMIT_BYTES / 2) output_crowded = false;
        marks_first++;
        marks_count--;
        if (c->closed) continue;
        c->release_total = m->total;
        output_queue(c);
    }
}

/* From inside a slow script, its own client waits: it may be in the middle of a reply. */
static struct client *put_off;

static void flush_or_put_off(struct client *c, uint64_t released) {
    if (__builtin_expect(c->executing, 0))
        put_off = c;
    else
        flush_client(c, released);
}

static void flush_pushes(uint64_t released) {
    enum { LOOK_AT_CLOCK = 16, FOR_NS = 2000000 };
    uint64_t began_ns = pushes ? clock_boot_ns() : 0;
    for (unsigned n = 1; pushes; n++) {
        struct client *c = pushes;
        pushes = c->push->next_queued;
        if (!pushes) pushes_end = &pushes;
        c->push->queued = false;
        flush_or_put_off(c, released);
        if (n % LOOK_AT_CLOCK == 0 && clock_boot_ns() - began_ns > FOR_NS) return;
    }
}

void output_early(void) {
    if (!repl_has_much(server.repl) || scripts_nested) return;
    repl_send_early(server.repl);
    output_flush();
    io_wake();
}

void output_flush(void) {
    uint64_t released = release_now();
    output_release();
    while (queue) {
        struct client *c = queue;
        queue = c->next_queued;
        if (!queue) queue_end = &queue;
        c->queued = false;
        flush_or_put_off(c, released);
    }
    flush_pushes(released);
    if (put_off) output_queue(put_off);
    put_off = NULL;
}
