/* See conn.h: the connections that the executor reads and writes itself. */
#include "server/conn.h"

#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/stream.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/output.h"
#include "server/push.h"
#include "server/server.h"

#include <string.h>

_Static_assert((int)CONN_READ_MIN_BYTES >= (int)STREAM_ROOM_BYTES,
               "a read leaves nothing in the stream");

/* A client that waits is read up to here, so that its end is noticed. */
enum { STALLED_READ_BYTES = 64 * 1024 };

static char first_scratch[CONN_READ_BYTES];
static char *scratch = first_scratch; /* used within one read only */

static void input_over(struct conn *k, size_t used) {
    buf_eat(&k->in, used);
    if (!buf_len(&k->in)) buf_free(&k->in);
}

static bool input_too_big(struct client *c) {
    if (buf_len(&c->conn.in) <= server.config.query_limit_bytes) return false;
    log_warning("closing client %llu: it sent a request of more than %llu bytes "
                "(client-query-buffer-limit)",
                (unsigned long long)c->id, (unsigned long long)server.config.query_limit_bytes);
    client_close(c);
    return true;
}

static void count_input(struct client *c, size_t n) {
    server.stats.reads++;
    server.stats.net_in += n;
    c->active_ns = loop_now_ns(server.loop);
}

/* The connection could be read no further: the peer went, or there was nothing. */
static bool read_failed(struct client *c, long n) {
    if (n > 0) return false;
    if (n == STREAM_AGAIN) return true;
    if (n == STREAM_FAILED) log_debug("client %llu: %m", (unsigned long long)c->id);
    client_close(c);
    return true;
}

/* Bytes of an unfinished request are there already, or the client waits: read behind them. */
static void read_more(struct client *c) {
    struct conn *k = &c->conn;
    size_t want = k->parser.need + 2;
    if (want < CONN_READ_MIN_BYTES) want = CONN_READ_MIN_BYTES;
    if (want > CONN_READ_MAX_BYTES) want = CONN_READ_MAX_BYTES;
    char *to = buf_room(&k->in, want);
    long n = stream_read(k->stream, to, buf_spare(&k->in));
    if (read_failed(c, n)) return;
    buf_added(&k->in, (size_t)n);
    count_input(c, (size_t)n);
    if (c->stall)
        conn_update(c);
    else
        input_over(k, dispatch_input(c, buf_head(&k->in), buf_len(&k->in)));
    input_too_big(c);
}

static void read_fresh(struct client *c) {
    long n = stream_read(c->conn.stream, scratch, CONN_READ_BYTES);
    if (read_failed(c, n)) return;
    count_input(c, (size_t)n);
    const char *data = scratch; /* it is put aside and comes back while a script runs */
    size_t used = dispatch_input(c, data, (size_t)n);
    if (used < (size_t)n && !c->closed && !c->close_after_reply)
        buf_add(&c->conn.in, data + used, (size_t)n - used);
}

static bool is_full(const struct client *c) {
    return c->stall && buf_len(&c->conn.in) >= STALLED_READ_BYTES;
}

char *conn_use_scratch(char *other) {
    char *old = scratch;
    scratch = other;
    return old;
}

void conn_ready(struct client *c, int revents) {
    revents = stream_event(c->conn.stream, revents);
    if (!revents) conn_update(c);
    if (revents & LOOP_WRITE) output_writable(c);
    if (!(revents & LOOP_READ) || c->closed || c->close_after_reply || c->again || is_full(c))
        return;
    if (c->stall || c->pending || buf_len(&c->conn.in))
        read_more(c);
    else
        read_fresh(c);
}

static void on_io(struct loop *l, void *arg, int revents) {
    (void)l;
    conn_ready(arg, revents);
}

void conn_start(struct client *c) {
    c->conn.io = loop_io_new(server.loop, c->fd, on_io, c);
    conn_update(c);
}

void conn_update(struct client *c) {
    struct conn *k = &c->conn;
    if (!k->io) return;
    int want = 0;
    if (!c->close_after_reply && !is_full(c)) want |= LOOP_READ;
    if (c->blocked_write) want |= LOOP_WRITE;
    loop_io_want(k->io, stream_watch(k->stream, want));
}

void conn_go_on(struct client *c) {
    struct conn *k = &c->conn;
    if (buf_len(&k->in) && !c->close_after_reply)
        input_over(k, dispatch_input(c, buf_head(&k->in), buf_len(&k->in)));
    if (!c->closed) conn_update(c);
}

/* -1: there was trouble, the client is closed. */
static long send_bytes(struct client *c, const char *p, size_t n) {
    long done = stream_write(c->conn.stream, p, n);
    if (done == STREAM_AGAIN) done = 0;
    if (done < 0) {
        client_close(c);
        return -1;
    }
    server.stats.writes++;
    server.stats.net_out += (uint64_t)done;
    c->sent_total += (uint64_t)done;
    return done;
}

/* Up to n bytes of the shared message that is next. */
static long send_part(struct client *c, struct part *part, size_t n) {
    size_t left = part->s->len - part->sent;
    long done = send_bytes(c, part->s->bytes + part->sent, left < n ? left : n);
    if (done <= 0) return done;
    part->sent += (size_t)done;
    c->push->shared_bytes -= (size_t)done;
    if (part->sent == part->s->len) push_part_done(c);
    return done;
}

/* The bytes of c->out with the shared messages between them, as long as the socket takes all of each. */
static long send_mixed(struct client *c, size_t n) {
    size_t sent = 0;
    while (sent < n) {
        struct part *part = push_part(c);
        size_t want = n - sent;
        long done;
        if (part && (part->sent || part->at == c->sent_total)) {
            size_t left = part->s->len - part->sent;
            if (want > left) want = left;
            done = send_part(c, part, want);
        } else {
            if (part && want > part->at - c->sent_total) want = (size_t)(part->at - c->sent_total);
            done = send_bytes(c, buf_head(&c->out), want);
            if (done > 0) buf_eat(&c->out, (size_t)done);
        }
        if (done < 0) return -1;
        sent += (size_t)done;
        if ((size_t)done < want) break;
    }
    return (long)sent;
}

void conn_write(struct client *c, size_t n) {
    long done;
    if (__builtin_expect(push_part(c) != NULL, 0)) {
        done = send_mixed(c, n);
    } else {
        done = send_bytes(c, buf_head(&c->out), n);
        if (done > 0) buf_eat(&c->out, (size_t)done);
    }
    if (done < 0) return;
    if (buf_len(&c->out) || push_part(c)) {
        c->blocked_write = (size_t)done < n;
        conn_update(c);
        return;
    }
    buf_trim(&c->out, CONN_KEEP_BYTES);
    c->blocked_write = false;
    if (c->close_after_reply)
        client_close(c);
    else
        conn_update(c);
}
