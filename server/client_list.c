/* See client.h: looking at clients. */
#include "server/client.h"

#include "server/base/clock.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/batch.h"
#include "server/blocked.h"
#include "server/dispatch.h"
#include "server/output.h"
#include "server/pubsub.h"
#include "server/push.h"
#include "server/server.h"
#include "server/tracking.h"

#include <stdlib.h>

struct client *client_by_id(uint64_t id) {
    for (struct client *c = server.clients; c; c = c->next) {
        if (c->id == id) return c;
    }
    return NULL;
}

size_t client_close_service(bool held_only) {
    size_t n = 0;
    struct client *next;
    for (struct client *c = server.clients; c; c = next) {
        next = c->next;
        if (c->control || (held_only && !output_held_bytes(c))) continue;
        client_close(c);
        n++;
    }
    return n;
}

size_t client_input_bytes(const struct client *c) {
    size_t n = 0;
    for (const struct batch *b = c->pending; b; b = b->next) n += buf_len(&b->bytes);
    return n + (c->thread ? atomic_load_explicit(&c->conn.in_bytes, memory_order_relaxed)
                          : buf_len(&c->conn.in));
}

size_t client_output_bytes(const struct client *c) {
    uint64_t out = client_made_total(c) - c->sent_total;
    if (c->thread)
        out += c->sent_total - atomic_load_explicit(&c->conn.written_total, memory_order_relaxed);
    return (size_t)out;
}

static size_t input_capacity(const struct client *c) {
    return c->thread ? atomic_load_explicit(&c->conn.in_cap, memory_order_relaxed) : c->conn.in.cap;
}

uint64_t client_active_ns(const struct client *c) {
    uint64_t ns = atomic_load_explicit(&c->conn.active_ns, memory_order_relaxed);
    return ns > c->active_ns ? ns : c->active_ns;
}

static size_t batches_memory(const struct batch *b) {
    size_t n = 0;
    for (; b; b = b->next) n += batch_memory(b);
    return n;
}

enum config_class client_class(const struct client *c) {
    return pubsub_is_subscriber(c) ? CLASS_PUBSUB : CLASS_NORMAL;
}

size_t client_memory(const struct client *c) {
    size_t n = sizeof *c + c->out.cap + multi_memory(c) + input_capacity(c) + push_memory(c);
    n += batches_memory(c->pending) + batches_memory(c->finished);
    if (c->thread) return n + atomic_load_explicit(&c->conn.memory, memory_order_relaxed);
    return n + c->conn.parser.saved.cap * sizeof(struct bytes) + stream_memory(c->conn.stream);
}

static void flags_text(const struct client *c, char *out) {
    unsigned tracking;
    bool tracks = tracking_flags(c, &tracking);
    if (c->push && c->push->monitor) *out++ = 'O';
    if (pubsub_is_subscriber(c)) *out++ = 'P';
    if (multi_active(c)) *out++ = 'x';
    if (c->stall == STALL_WAIT || c->stall == STALL_PAUSE || c->blocked) *out++ = 'b';
    if (tracks) *out++ = 't';
    if (tracking & TRACKING_BROKEN) *out++ = 'R';
    if (tracking & TRACKING_BCAST) *out++ = 'B';
    if (c->close_after_reply) *out++ = 'c';
    if (c->unix_socket) *out++ = 'U';
    if (c->no_evict) *out++ = 'e';
    *out = '\0';
}

static int events_of(const struct client *c) {
    if (c->thread) return atomic_load_explicit(&c->conn.wanted, memory_order_relaxed);
    return c->conn.io ? loop_io_wanted(c->conn.io) : 0;
}

size_t client_asking_bytes;

void client_describe(const struct client *c, struct buf *out) {
    char peer[128] = "?:0", local[128] = "?:0", flags[16];
    uint64_t now = loop_now_ns(server.loop), active = client_active_ns(c);
    size_t in = client_input_bytes(c), in_cap = input_capacity(c);
    if (!c->closed) {
        sock_peer_name(c->fd, peer, sizeof peer);
        sock_local_name(c->fd, local, sizeof local);
    }
    if (c->executing) in += client_asking_bytes;
    flags_text(c, flags);
    size_t out_bytes = client_output_bytes(c);
    size_t listed = out_bytes > OUTPUT_FREE_BYTES ? out_bytes - OUTPUT_FREE_BYTES : 0;
    int events = events_of(c);
    buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s db=%d",
               (unsigned long long)c->id, peer, local, c->fd, c->name ? c->name : "",
               (unsigned long long)((now - c->created_ns) / NS_PER_S),
               (unsigned long long)(now > active ? (now - active) / NS_PER_S : 0),
               *flags ? flags : "N", c->db);
    buf_printf(
        out,
        " sub=%zu psub=%zu ssub=%zu multi=%ld qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu "
        "rbs=%zu rbp=%zu obl=%zu oll=%zu omem=%zu tot-mem=%zu events=%s%s",
        pubsub_count(c, PUBSUB_CHANNEL), pubsub_count(c, PUBSUB_PATTERN),
        pubsub_count(c, PUBSUB_SHARD), multi_active(c) ? (long)multi_queued(c) : -1L, in,
        in_cap > in ? in_cap - in : 0, multi_memory(c), c->out.cap, c->out.cap, out_bytes - listed,
        (listed + OUTPUT_FREE_BYTES - 1) / OUTPUT_FREE_BYTES, listed, client_memory(c),
        events & LOOP_READ ? "r" : "", events & LOOP_WRITE ? "w" : "");
    buf_printf(out, " cmd=%s user=%s redir=%lld resp=%d\n",
               c->last_command ? c->last_command->name : "NULL",
               c->authenticated ? "default" : "(superuser)", (long long)tracking_target(c),
               c->resp);
}
