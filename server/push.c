/* See push.h. */
#include "server/push.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/monitor.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/pubsub.h"
#include "server/server.h"
#include "server/tracking.h"

#include <stdlib.h>
#include <string.h>

static struct buf aside;   /* pushes to the client whose command runs and gets no reply */
static struct buf nowhere; /* of a client that is too slow */

struct shared *shared_new(const char *p, size_t n) {
    struct shared *s = xmalloc(sizeof *s + n);
    atomic_init(&s->users, 1);
    s->len = n;
    memcpy(s->bytes, p, n);
    return s;
}

void shared_release(struct shared *s) {
    if (s && atomic_fetch_sub_explicit(&s->users, 1, memory_order_acq_rel) == 1) free(s);
}

struct push *push_of(struct client *c) {
    if (!c->push) c->push = xcalloc(1, sizeof *c->push);
    return c->push;
}

void push_reset(struct client *c) {
    if (!c->push) return;
    pubsub_forget(c);
    monitor_forget(c);
    tracking_off(c);
}

void push_forget(struct client *c) {
    struct push *p = c->push;
    if (!p) return;
    push_reset(c);
    tracking_target_gone(c);
    while (p->count) push_part_done(c);
    free(p->parts);
    free(p);
    c->push = NULL;
}

static bool gets_pushes(const struct push *p) {
    return p && (p->sub || p->tracker || p->monitor || p->is_target);
}

void push_end_all(void) {
    struct client *next;
    if (!pair_on()) return;
    for (struct client *c = server.clients; c; c = next) {
        next = c->next;
        if (!c->control && gets_pushes(c->push)) client_close(c);
    }
}

void server_refresh_spies(void) {
    server.spies = monitor_count || tracking_count;
}

/* ---- Adding ---------------------------------------------------------------------------------- */

static bool is_muted(const struct client *c) {
    return c->executing && (c->reply_off || c->reply_skip);
}

/* A command may publish without end within a turn; who cannot keep up must not take the memory meanwhile. */
static bool is_too_slow(struct client *c) {
    if (c->push->too_slow) return true;
    if (!output_over_hard_limit(c)) return false;
    c->push->too_slow = true;
    output_push(c);
    return true;
}

bool push_reply_too_big(struct call *call) {
    struct client *c = call->client;
    if (call->out != &c->out || !output_over_hard_limit(c)) return false;
    push_of(c)->too_slow = true;
    output_push(c);
    return true;
}

struct buf *push_begin(struct client *c) {
    if (__builtin_expect(is_muted(c), 0)) return &aside;
    if (__builtin_expect(is_too_slow(c), 0)) {
        buf_clear(&nowhere);
        return &nowhere;
    }
    return &c->out;
}

void push_end(struct client *c) {
    c->push->fresh = true;
    output_push(c);
}

void push_bytes(struct client *c, const char *p, size_t n) {
    buf_add(push_begin(c), p, n);
    push_end(c);
}

static void grow(struct push *p) {
    uint32_t cap = p->cap ? p->cap * 2 : 4;
    struct part *bigger = xmalloc(cap * sizeof *bigger);
    for (uint32_t i = 0; i < p->count; i++) bigger[i] = p->parts[(p->first + i) & (p->cap - 1)];
    free(p->parts);
    p->parts = bigger;
    p->cap = cap;
    p->first = 0;
}

void push_shared(struct client *c, struct shared *s) {
    struct push *p = c->push;
    struct buf *to = push_begin(c);
    if (to != &c->out || c->executing) { /* its reply may still get a header in front */
        buf_add(to, s->bytes, s->len);
        push_end(c);
        return;
    }
    if (p->count == p->cap) grow(p);
    atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
    p->parts[(p->first + p->count++) & (p->cap - 1)] = (struct part){client_made_total(c), s, 0};
    p->shared_bytes += s->len;
    push_end(c);
}

void push_part_done(struct client *c) {
    struct push *p = c->push;
    struct part *part = push_part(c);
    p->shared_bytes -= part->s->len - part->sent;
    shared_release(part->s);
    p->first++;
    if (--p->count) return;
    free(p->parts);
    p->parts = NULL;
    p->first = p->cap = 0;
}

void push_after_mute(struct client *c) {
    if (!buf_len(&aside)) return;
    buf_add(&c->out, buf_head(&aside), buf_len(&aside));
    buf_clear(&aside);
    buf_trim(&aside, CONN_KEEP_BYTES);
}

size_t push_memory(const struct client *c) {
    const struct push *p = c->push;
    if (!p) return 0;
    return sizeof *p + p->cap * sizeof *p->parts + p->shared_bytes + pubsub_memory(c) +
           tracking_memory(c);
}
