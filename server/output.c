/* See output.h. */
#include "server/output.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/stream.h"
#include "server/client.h"
#include "server/pair.h"
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>

enum { OUT_KEEP_BYTES = 16 * 1024 }; /* an empty reply buffer keeps at most this much */

/* A reply is held up to offset; then everything up to total may go. */
struct mark {
    struct client *client;
    uint64_t offset, total, made_ns;
    uint32_t replies;
};

static struct mark *marks; /* a ring */
static size_t marks_cap, marks_first, marks_count;
static uint64_t held_replies;

static struct client *queue, **queue_end = &queue;

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
    *m = (struct mark){c, c->reply_offset, total, loop_now_ns(server.loop), c->replies};
    held_replies += c->replies;
    c->replies = 0;
    c->marks++;
    c->marked_total = total;
}

void output_queue(struct client *c) {
    if (c->queued || !c->stream) return;
    c->queued = true;
    c->next_queued = NULL;
    *queue_end = c;
    queue_end = &c->next_queued;
}

void output_forget(struct client *c) {
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
    return c->marks ? c->sent_total + buf_len(&c->out) - c->release_total : 0;
}

uint64_t output_held_count(void) {
    return held_replies;
}

uint64_t output_oldest_held_ns(void) {
    return marks_count ? marks[marks_first & (marks_cap - 1)].made_ns : 0;
}

static bool over_limit(struct client *c) {
    const struct config_output_limit *l = &server.config.output[CLASS_NORMAL];
    uint64_t pending = buf_len(&c->out), now = loop_now_ns(server.loop);
    if (c->control) return false;
    if (l->hard_bytes && pending > l->hard_bytes) return true;
    if (!l->soft_bytes || pending <= l->soft_bytes) {
        c->over_soft_ns = 0;
        return false;
    }
    if (!c->over_soft_ns) c->over_soft_ns = now;
    return now - c->over_soft_ns > (uint64_t)l->soft_s * NS_PER_S;
}

static void written_all(struct client *c) {
    buf_trim(&c->out, OUT_KEEP_BYTES);
    c->blocked_write = false;
    if (c->close_after_reply)
        client_close(c);
    else
        client_update_io(c);
}

/* Writes what was released, as much as the socket takes. */
static void write_some(struct client *c) {
    size_t n = (size_t)(c->release_total - c->sent_total);
    if (!n) return;
    if (!c->control && !c->handshake && !pair_may_serve()) {
        if (!c->stall) client_stall(c, STALL_LEASE);
        return;
    }
    long done = stream_write(c->stream, buf_head(&c->out), n);
    if (done == STREAM_AGAIN) done = 0;
    if (done < 0) {
        client_close(c);
        return;
    }
    server.stats.writes++;
    server.stats.net_out += (uint64_t)done;
    c->sent_total += (uint64_t)done;
    buf_eat(&c->out, (size_t)done);
    if (!buf_len(&c->out)) {
        written_all(c);
        return;
    }
    c->blocked_write = (size_t)done < n;
    client_update_io(c);
}

void output_writable(struct client *c) {
    if (c->stream) write_some(c);
}

/* Decides whether the client's new bytes may go, then writes. */
static void flush_client(struct client *c, uint64_t released) {
    uint64_t total = c->sent_total + buf_len(&c->out);
    bool free_to_go = c->control || c->handshake || c->reply_offset <= released;
    if (!c->marks && free_to_go)
        c->release_total = c->marked_total = total;
    else if (total > c->marked_total)
        hold(c, total);
    c->replies = 0;
    write_some(c);
    if (!c->stream || !over_limit(c)) return;
    log_warning("closing client %llu: it left %zu bytes of replies unread "
                "(client-output-buffer-limit normal)",
                (unsigned long long)c->id, buf_len(&c->out));
    server.stats.output_limit_disconnects++;
    client_close(c);
}

static uint64_t release_now(void) {
    return server.repl ? repl_release_offset(server.repl) : UINT64_MAX;
}

void output_release(void) {
    uint64_t released = release_now();
    while (marks_count) {
        struct mark *m = &marks[marks_first & (marks_cap - 1)];
        struct client *c = m->client;
        if (m->offset > released && c->stream) break;
        c->marks--;
        held_replies -= m->replies;
        marks_first++;
        marks_count--;
        if (!c->stream) continue;
        c->release_total = m->total;
        output_queue(c);
    }
}

void output_flush(void) {
    uint64_t released = release_now();
    output_release();
    while (queue) {
        struct client *c = queue;
        queue = c->next_queued;
        if (!queue) queue_end = &queue;
        c->queued = false;
        flush_client(c, released);
    }
}
