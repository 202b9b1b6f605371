/* See io.h: a thread's side. It touches struct client only by its conn, and the id and the name of
 * nothing else. */
#include "server/io_inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/stream.h"
#include "server/batch.h"
#include "server/client.h"
#include "server/pair.h"
#include "server/push.h"

#include <stdlib.h>

enum {
    BATCH_REQUESTS = 512,         /* in one batch; what is left of a read makes the next one */
    READ_AHEAD_BYTES = 64 * 1024, /* while the executor has IO_UNDER_WAY batches */
    POOL_BATCHES = 256,           /* kept for the next ones */
    TAKE_WHOLE_BYTES = 16 * 1024, /* a batch of so many bytes takes the buffer, not a copy */
    WAKE_AFTER = 16,              /* batches: then the executor is woken before the turn's end */
    LEASE_LOOK_MS = 5
};

static inline void count(_Atomic uint64_t *counter, uint64_t n) {
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

/* --- to the executor --- */

static void wake_executor(struct io_thread *t) {
    if (t->said && sleeper_must_wake(&io_shared.executor)) loop_wake(io_shared.executor_wake);
    t->said = 0;
}

static void say(struct io_thread *t, enum io_up what, void *p) {
    ring_put(&t->up, what, p);
    if (++t->said == WAKE_AFTER) wake_executor(t);
}

/* The connection is of no more use: what comes for it is dropped, until it is closed. */
static void end(struct io_thread *t, struct client *c) {
    if (c->conn.ended) return;
    c->conn.ended = true;
    say(t, UP_ENDED, c);
}

/* --- batches --- */

static struct batch *pool_take(struct io_thread *t) {
    struct batch *b = t->pool;
    if (!b) return batch_new();
    t->pool = b->next;
    t->pool_count--;
    return b;
}

static void pool_put(struct io_thread *t, struct batch *b) {
    if (t->pool_count == POOL_BATCHES) {
        batch_free(b);
        return;
    }
    batch_clear(b, CONN_KEEP_BYTES);
    b->next = t->pool;
    t->pool = b;
    t->pool_count++;
}

/* --- reading --- */

static bool may_send_up(const struct conn *k) {
    return !k->deaf && !k->ended && k->under_way < (k->authenticated ? IO_UNDER_WAY : 1);
}

/* While the executor has all it may, a little is read ahead: so the end of a client that waits is
 * noticed. */
static bool may_read(const struct conn *k) {
    if (k->deaf || k->ended) return false;
    if (!k->more && may_send_up(k)) return true;
    return buf_len(&k->in) < READ_AHEAD_BYTES;
}

/* Sets the loop's interest by the connection's state, and shows that state to the executor. */
static void settle(struct client *c) {
    struct conn *k = &c->conn;
    int want = 0;
    if (may_read(k)) want |= LOOP_READ;
    if (buf_len(&k->out) && !k->waits && !k->ended) want |= LOOP_WRITE;
    loop_io_want(k->io, k->ended ? 0 : stream_watch(k->stream, want));
    atomic_store_explicit(&k->wanted, want, memory_order_relaxed);
    atomic_store_explicit(&k->in_bytes, buf_len(&k->in), memory_order_relaxed);
    atomic_store_explicit(&k->in_cap, k->in.cap, memory_order_relaxed);
    atomic_store_explicit(&k->memory,
                          k->out.cap + k->parser.saved.cap * sizeof(struct bytes) +
                              stream_memory(k->stream),
                          memory_order_relaxed);
}

/* A batch of the requests that stand in data; NULL when there is none. */
static struct batch *parse(struct io_thread *t, struct client *c, const char *data, size_t len,
                           size_t *at) {
    struct conn *k = &c->conn;
    struct batch_rules rules = {
        .limits = {atomic_load_explicit(&io_shared.bulk_limit_bytes, memory_order_relaxed),
                   !k->authenticated},
        .edition = io_shared.edition,
        .most = k->authenticated ? BATCH_REQUESTS : 1,
    };
    struct batch *b = pool_take(t);
    enum resp_state st = batch_parse(b, &k->parser, &rules, data, len, at);
    k->more = st == RESP_DONE && *at < len;
    if (st == RESP_BAD) {
        b->error = xmemdup(k->parser.error, k->parser.error_len);
        b->error_len = k->parser.error_len;
        k->deaf = true;
    }
    if (b->count || b->error) return b;
    pool_put(t, b);
    return NULL;
}

static void send_up(struct io_thread *t, struct client *c, struct batch *b) {
    b->client = c;
    b->answers = true;
    c->conn.under_way++;
    say(t, UP_BATCH, b);
}

static void parse_scratch(struct io_thread *t, struct client *c, size_t n) {
    size_t at = 0;
    struct batch *b = parse(t, c, t->scratch, n, &at);
    if (at < n) buf_add(&c->conn.in, t->scratch + at, n - at);
    if (!b) return;
    batch_keep(b, &c->conn.parser, t->scratch, at);
    send_up(t, c, b);
}

static void parse_in(struct io_thread *t, struct client *c) {
    struct conn *k = &c->conn;
    size_t at = 0;
    struct batch *b = parse(t, c, buf_head(&k->in), buf_len(&k->in), &at);
    if (b && at > TAKE_WHOLE_BYTES) {
        batch_take(b, &k->parser, &k->in, at);
    } else {
        if (b) batch_keep(b, &k->parser, buf_head(&k->in), at);
        buf_eat(&k->in, at);
    }
    if (!buf_len(&k->in)) buf_free(&k->in);
    if (b) send_up(t, c, b);
}

static bool input_too_big(const struct client *c) {
    uint64_t limit = atomic_load_explicit(&io_shared.query_limit_bytes, memory_order_relaxed);
    if (buf_len(&c->conn.in) <= limit) return false;
    log_warning("closing client %llu: it sent a request of more than %llu bytes "
                "(client-query-buffer-limit)",
                (unsigned long long)c->id, (unsigned long long)limit);
    return true;
}

static long read_some(struct io_thread *t, struct conn *k, bool fresh) {
    if (fresh) return stream_read(k->stream, t->scratch, CONN_READ_BYTES);
    size_t want = k->parser.need + 2;
    if (want < CONN_READ_MIN_BYTES) want = CONN_READ_MIN_BYTES;
    if (want > CONN_READ_MAX_BYTES) want = CONN_READ_MAX_BYTES;
    char *to = buf_room(&k->in, want);
    return stream_read(k->stream, to, buf_spare(&k->in));
}

static void read_conn(struct io_thread *t, struct client *c) {
    struct conn *k = &c->conn;
    bool fresh = !buf_len(&k->in) && may_send_up(k);
    long n = read_some(t, k, fresh);
    if (n == STREAM_AGAIN) return;
    if (n < 0) {
        end(t, c);
        return;
    }
    count(&t->reads, 1);
    count(&t->bytes_in, (uint64_t)n);
    atomic_store_explicit(&k->active_ns, loop_now_ns(t->loop), memory_order_relaxed);
    if (fresh) {
        parse_scratch(t, c, (size_t)n);
    } else {
        buf_added(&k->in, (size_t)n);
        k->more = true; /* go_on looks at it, when it may */
    }
    if (input_too_big(c)) end(t, c);
}

/* What was read goes up as far as it may, then the connection is watched again. */
static void go_on(struct io_thread *t, struct client *c) {
    while (c->conn.more && may_send_up(&c->conn)) parse_in(t, c);
    settle(c);
}

/* --- writing --- */

static void wait_for_lease(struct io_thread *t, struct client *c) {
    if (c->conn.waits) return;
    c->conn.waits = true;
    c->conn.next_waiting = t->waiting;
    t->waiting = c;
    if (!loop_timer_active(t->lease_timer))
        loop_timer_start(t->lease_timer, LEASE_LOOK_MS * NS_PER_MS, 0);
}

static void wait_no_more(struct io_thread *t, struct client *c) {
    struct client **at = &t->waiting;
    if (!c->conn.waits) return;
    while (*at != c) at = &(*at)->conn.next_waiting;
    *at = c->conn.next_waiting;
    c->conn.waits = false;
}

static void count_written(struct io_thread *t, struct conn *k, size_t n) {
    count(&t->writes, 1);
    count(&t->bytes_out, (uint64_t)n);
    count(&k->written_total, (uint64_t)n);
}

/* Writes conn.out, as much as the socket takes, if the lease allows it at this moment. */
static void write_conn(struct io_thread *t, struct client *c) {
    struct conn *k = &c->conn;
    if (k->ended || !buf_len(&k->out)) return;
    if (k->needs_lease && !pair_may_send()) {
        wait_for_lease(t, c);
        return;
    }
    long n = stream_write(k->stream, buf_head(&k->out), buf_len(&k->out));
    if (n == STREAM_AGAIN) return;
    if (n < 0) {
        end(t, c);
        return;
    }
    count_written(t, k, (size_t)n);
    buf_eat(&k->out, (size_t)n);
    if (buf_len(&k->out)) return;
    k->needs_lease = false;
    if (k->closing) end(t, c);
}

static void on_lease_timer(struct loop *l, void *arg) {
    struct io_thread *t = arg;
    struct client *list = t->waiting;
    (void)l;
    t->waiting = NULL;
    while (list) {
        struct client *c = list;
        list = c->conn.next_waiting;
        c->conn.waits = false;
        write_conn(t, c);
        settle(c);
    }
}

static void on_io(struct loop *l, void *arg, int revents) {
    struct client *c = arg;
    struct io_thread *t = c->thread;
    struct conn *k = &c->conn;
    (void)l;
    revents = stream_event(k->stream, revents);
    if (revents & LOOP_WRITE) {
        write_conn(t, c);
        if (!buf_len(&k->out)) buf_free(&k->out);
    }
    if (revents & LOOP_READ && may_read(k)) read_conn(t, c);
    go_on(t, c);
}

/* --- from the executor --- */

static void swap(struct buf *a, struct buf *b) {
    struct buf t = *a;
    *a = *b;
    *b = t;
}

/* The batch's own buffer is written from, and stays with the batch unless some of it is left. */
static void send_out(struct io_thread *t, struct client *c, struct batch *b) {
    struct conn *k = &c->conn;
    if (!buf_len(&b->out) || k->ended) return;
    if (buf_len(&k->out)) {
        buf_add(&k->out, buf_head(&b->out), buf_len(&b->out));
        return;
    }
    swap(&k->out, &b->out);
    write_conn(t, c);
    if (!buf_len(&k->out)) swap(&k->out, &b->out);
}

/* A message that others get too: only what the socket does not take is copied. */
static void send_shared(struct io_thread *t, struct client *c, const struct shared *s) {
    struct conn *k = &c->conn;
    long n = 0;
    if (k->ended) return;
    if (!buf_len(&k->out) && !(k->needs_lease && !pair_may_send())) {
        n = stream_write(k->stream, s->bytes, s->len);
        if (n == STREAM_AGAIN) n = 0;
        if (n < 0) {
            end(t, c);
            return;
        }
        count_written(t, k, (size_t)n);
    }
    if ((size_t)n == s->len) {
        k->needs_lease = false;
        return;
    }
    buf_add(&k->out, s->bytes + n, s->len - (size_t)n);
    if (k->needs_lease && !pair_may_send()) wait_for_lease(t, c);
}

static void answer(struct io_thread *t, struct batch *b) {
    struct client *c = b->client;
    struct conn *k = &c->conn;
    if (b->answers) k->under_way--;
    k->authenticated = b->authenticated;
    if (b->last) k->deaf = k->closing = true;
    k->needs_lease = k->needs_lease || b->needs_lease;
    send_out(t, c, b);
    if (b->shared) send_shared(t, c, b->shared);
    pool_put(t, b);
    if (k->closing && !buf_len(&k->out)) end(t, c);
    go_on(t, c);
}

static void new_connection(struct io_thread *t, struct client *c) {
    c->conn.io = loop_io_new(t->loop, stream_fd(c->conn.stream), on_io, c);
    settle(c);
}

static void let_go(struct io_thread *t, struct client *c, enum io_up how) {
    wait_no_more(t, c);
    loop_io_free(c->conn.io);
    c->conn.io = NULL;
    if (how == UP_LET_GO) {
        stream_free(c->conn.stream);
        c->conn.stream = NULL;
    }
    say(t, how, c);
}

static void take_down(struct io_thread *t) {
    struct ring_item items[16];
    size_t n;
    while ((n = ring_take(&t->down, items, sizeof items / sizeof items[0]))) {
        for (size_t i = 0; i < n; i++) __builtin_prefetch(items[i].p);
        for (size_t i = 0; i < n; i++) {
            switch ((enum io_down)items[i].what) {
            case DOWN_CONNECTION: new_connection(t, items[i].p); break;
            case DOWN_BATCH: answer(t, items[i].p); break;
            case DOWN_CLOSE: let_go(t, items[i].p, UP_LET_GO); break;
            case DOWN_GIVE_BACK: let_go(t, items[i].p, UP_GIVEN_BACK); break;
            case DOWN_STOP: loop_stop(t->loop); break;
            }
        }
    }
}

/* --- the thread --- */

static void before_sleep(struct loop *l, void *arg) {
    struct io_thread *t = arg;
    sleeper_lower(&t->sleeper);
    take_down(t);
    wake_executor(t);
    sleeper_raise(&t->sleeper);
    bool more = !ring_is_empty(&t->down);
    if (more) sleeper_lower(&t->sleeper);
    loop_keep_turning(l, more);
}

static void on_wake(struct loop *l, void *arg) {
    (void)l, (void)arg; /* before_sleep takes what has come */
}

void io_thread_prepare(struct io_thread *t) {
    ring_init(&t->up);
    ring_init(&t->down);
    t->loop = loop_new();
    t->wake = loop_wake_new(t->loop, on_wake, NULL);
    t->lease_timer = loop_timer_new(t->loop, on_lease_timer, t);
    t->hook = loop_before_sleep_new(t->loop, before_sleep, t);
    t->scratch = xmalloc(CONN_READ_BYTES);
}

void *io_thread_run(void *thread) {
    struct io_thread *t = thread;
    loop_run(t->loop);
    return NULL;
}

void io_thread_release(struct io_thread *t) {
    while (t->pool) {
        struct batch *b = t->pool;
        t->pool = b->next;
        batch_free(b);
    }
    loop_before_sleep_free(t->hook);
    loop_timer_free(t->lease_timer);
    loop_wake_free(t->wake);
    loop_free(t->loop);
    ring_free(&t->up);
    ring_free(&t->down);
    free(t->scratch);
}
