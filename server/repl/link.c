/* The slave's side: connects, and does what link_fsm says; the socket and the clock of it. See link_inside.h. */
#include "server/repl/link_inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/base/stream_block.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_BYTES = 256 * 1024,
    READS_A_TURN = 4,
    PAIR_READ_BYTES = 64 * 1024,
    COPY_READS_A_TURN = 2, /* each is also written to a file */
    KEPT_BYTES = 1 << 20,
    RETRY_MS = 1000,
    PAIR_RETRY_MS = 100,
    PAIR_TIMEOUT_MS = 5000,
    COPY_FAILS_MOST = 10,
    COPY_RETRY_MAX_MS = 30000,
    DIVERGED_RETRY_MS = 60000,
    WELL_MS = 600000,   /* a stream that goes this long goes well */
    HEALTHY_MS = 15000, /* a link that streamed for so long is no longer one that stalls */
    UNLOGGED_MAX_BYTES = 64 * 1024 * 1024,
    HELD_MAX_BYTES = 16 * 1024 * 1024
};

void link_complain(struct link *k, const char *fmt, ...) {
    char text[sizeof k->error];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    /* The same sentence every second says nothing new. */
    if (strcmp(text, k->error) != 0)
        log_warning("replication: master %s:%u: %s", k->host, k->port, text);
    memcpy(k->error, text, sizeof text);
}

/* ---- the socket ----------------------------------------------------------------------------- */

static void link_close(struct link *k) {
    loop_io_free(k->io);
    k->io = NULL;
    stream_free(k->stream);
    k->stream = NULL;
    k->connections++;
    buf_free(&k->in);
    buf_free(&k->out);
    k->waits_tail = false;
    link_copy_lost(k);
    cmdstream_free(&k->commands);
    k->session = 0;
    if (!k->down_since_ns) k->down_since_ns = clock_boot_ns();
}

/* The pair's slave acknowledges what clients wait for: it is never held. */
bool link_is_held(const struct link *k) {
    return k->held && !k->pair && k->fsm.state == LINK_STREAM;
}

bool link_may_read(const struct link *k) {
    const struct repl *r = k->r;
    if (link_is_held(k) && buf_len(&k->in) >= HELD_MAX_BYTES) return false;
    return k->fsm.state != LINK_LOADING && backlog_end(r->backlog) - r->logged < UNLOGGED_MAX_BYTES;
}

void link_want(struct link *k) {
    if (!k->io) return;
    bool writing = k->fsm.state == LINK_CONNECT || buf_len(&k->out);
    int wants = (link_may_read(k) ? LOOP_READ : 0) | (writing ? LOOP_WRITE : 0);
    loop_io_want(k->io, stream_watch(k->stream, wants));
}

void link_write(struct link *k) {
    while (k->stream && k->fsm.state != LINK_CONNECT && buf_len(&k->out)) {
        long n = stream_write(k->stream, buf_head(&k->out), buf_len(&k->out));
        if (n == STREAM_AGAIN) break;
        if (n < 0) {
            link_complain(k, "the connection failed");
            link_event(k, LINK_EV_LOST);
            return;
        }
        buf_eat(&k->out, (size_t)n);
    }
    link_want(k);
}

static void link_io(struct loop *l, void *arg, int revents);

static struct stream *dress(struct link *k, int fd) {
    const struct repl_world *w = &k->r->world;
    char err[300];
    if (!w->dress) return stream_plain(fd);
    struct stream *s = w->dress(w->arg, fd, k->pair, err, sizeof err);
    if (!s) link_complain(k, "%s", err);
    return s;
}

static void link_connect(struct link *k) {
    struct sock_error err;
    link_close(k);
    loop_timer_stop(k->retry);
    k->last_io_ns = clock_boot_ns();
    int fd = sock_connect_tcp(k->host, k->port, NULL, &err);
    if (fd < 0) {
        link_complain(k, "%s", err.text);
        link_event(k, LINK_EV_LOST);
        return;
    }
    k->stream = dress(k, fd);
    if (!k->stream) {
        close(fd);
        link_event(k, LINK_EV_LOST);
        return;
    }
    k->io = loop_io_new(k->r->loop, fd, link_io, k);
    loop_io_want(k->io, LOOP_WRITE);
}

/* A link that stood is tried again at once: most often its master is well, and only has another line. */
static void link_retry(struct link *k) {
    bool stood = !k->down_since_ns && clock_boot_ns() - k->since_ns > NS_PER_S;
    link_close(k);
    uint64_t after_ms = stood ? 0 : k->pair ? PAIR_RETRY_MS : RETRY_MS;
    /* A copy that cannot be held here (disk full, damage) costs the master as much as a good one. */
    after_ms <<= k->copy_fails < COPY_FAILS_MOST ? k->copy_fails : COPY_FAILS_MOST;
    if (after_ms > COPY_RETRY_MAX_MS) after_ms = COPY_RETRY_MAX_MS;
    if (k->r->diverged && k->full_tries > LINK_FULL_TRIES) after_ms = DIVERGED_RETRY_MS;
    loop_timer_start(k->retry, after_ms * NS_PER_MS, 0);
    repl_changed(k->r);
}

static void retry_now(struct loop *l, void *arg) {
    struct link *k = arg;
    (void)l;
    if (k->copy != COPY_NONE) /* it decides what is asked for */
        loop_timer_start(k->retry, PAIR_RETRY_MS * NS_PER_MS, 0);
    else
        link_event(k, LINK_EV_RETRY);
}

/* ---- the machine ----------------------------------------------------------------------------- */

static void link_do(struct link *k, enum link_action action) {
    switch (action) {
    case LINK_DO_NOTHING: return;
    case LINK_DO_CONNECT: link_connect(k); return;
    case LINK_DO_CLOSE:
        link_close(k);
        loop_timer_stop(k->retry);
        return;
    case LINK_DO_REFUSED:
        link_complain(k, "it answered \"%.*s\"", (int)k->header.text.len,
                      k->header.text.p ? k->header.text.p : "");
        link_retry(k);
        return;
    case LINK_DO_RETRY: link_retry(k); return;
    case LINK_DO_FULL:
        memcpy(k->full_id, k->header.id, sizeof k->full_id);
        k->full_offset = k->header.offset;
        return;
    case LINK_DO_RECEIVE: link_copy_receive(k); return;
    case LINK_DO_LOAD: link_copy_load(k); return;
    case LINK_DO_STREAM: link_stream_begin(k); return;
    default: must(link_say(k, action), "each action is somebody's"); link_write(k);
    }
}

void link_event(struct link *k, enum link_event ev) {
    enum link_state from = k->fsm.state;
    bool known;
    k->fsm.auth = k->r->master_auth != NULL;
    k->fsm.pair = k->pair;
    enum link_action action = link_fsm_event(&k->fsm, ev, &known);
    if (!known) {
        log_debug("replication: %s in state %s is ignored", link_event_name(ev),
                  link_state_name(from));
        return;
    }
    log_debug("replication: link %s, %s -> %s", link_event_name(ev), link_state_name(from),
              link_state_name(k->fsm.state));
    link_do(k, action);
    link_want(k);
}

/* ---- bytes from the master ------------------------------------------------------------------- */

static bool take(struct link *k) {
    if (!k->stream || buf_len(&k->in) == 0) return false;
    switch (k->fsm.state) {
    case LINK_STREAM: return !link_is_held(k) && link_take_stream(k);
    case LINK_TRANSFER: return link_take_copy(k);
    case LINK_LOADING:
    case LINK_CONNECT:
    case LINK_OFF:
    case LINK_WAIT: return false;
    default: return link_take_line(k);
    }
}

/* What is lost or changed on its way is asked for again over a new connection. */
static void read_failed(struct link *k) {
    const char *damage = stream_block_damage(k->stream), *trouble = stream_trouble(k->stream);
    if (damage) k->r->damaged_blocks++;
    if (damage)
        link_complain(k, "%s; none of it was applied, the link is made anew", damage);
    else if (trouble)
        link_complain(k, "TLS: %s", trouble);
    else
        link_complain(k, "it closed the connection");
    link_event(k, LINK_EV_LOST);
}

static void link_read(struct link *k) {
    /* Of a pair's stream little is taken at a time: what was applied is acknowledged before more is. */
    bool answers = k->pair && k->fsm.state == LINK_STREAM, copy = k->fsm.state == LINK_TRANSFER;
    size_t most = answers ? PAIR_READ_BYTES : READ_BYTES;
    int reads = answers ? 1 : copy ? COPY_READS_A_TURN : READS_A_TURN;
    for (int i = 0; k->stream && (i < reads || stream_pending(k->stream)) && link_may_read(k);
         i++) {
        long n = stream_read(k->stream, buf_room(&k->in, most), most);
        if (n > 0) k->r->bytes_in += (uint64_t)n;
        if (n == STREAM_AGAIN) break;
        if (n <= 0) {
            read_failed(k);
            return;
        }
        k->last_io_ns = clock_boot_ns();
        buf_added(&k->in, (size_t)n);
        while (take(k)) {
        }
    }
    if (!buf_len(&k->in)) buf_trim(&k->in, KEPT_BYTES); /* one big value was in it */
    link_want(k);
}

static void link_io(struct loop *l, void *arg, int revents) {
    (void)l;
    struct link *k = arg;
    if (k->fsm.state == LINK_CONNECT) {
        int error = sock_connect_result(stream_fd(k->stream));
        if (error) link_complain(k, "%s", strerror(error));
        link_event(k, error ? LINK_EV_LOST : LINK_EV_CONNECTED);
        return;
    }
    revents = stream_event(k->stream, revents);
    if (!revents) link_want(k);
    if (revents & LOOP_WRITE) link_write(k);
    if (k->stream && (revents & LOOP_READ)) link_read(k);
}

void link_second(struct link *k, uint64_t now_ns) {
    uint64_t limit_ms = k->pair ? PAIR_TIMEOUT_MS : (uint64_t)k->r->o.timeout_ms;
    if (!k->stream) return;
    if (k->fsm.state == LINK_LOADING) {
        buf_add(&k->out, "\n", 1); /* the master hears that somebody is there */
        k->last_io_ns = now_ns;
        link_write(k);
        return;
    }
    if ((link_is_held(k) && !link_may_read(k)) || k->waits_tail)
        k->last_io_ns = now_ns; /* it is we who do not listen */
    if (now_ns - k->last_io_ns > limit_ms * NS_PER_MS) {
        link_complain(k, "nothing was heard for %llu ms", (unsigned long long)limit_ms);
        k->stalls++;
        link_event(k, LINK_EV_LOST);
        return;
    }
    if (k->fsm.state == LINK_STREAM) {
        if (now_ns - k->since_ns > WELL_MS * NS_PER_MS) k->full_tries = 0;
        if (now_ns - k->since_ns > HEALTHY_MS * NS_PER_MS) k->stalls = 0;
        link_send_ack(k);
    }
    if (k->fsm.state == LINK_TRANSFER) {
        buf_add(&k->out, "\n", 1);
        link_write(k);
    }
}

/* ---- outside --------------------------------------------------------------------------------- */

struct link *link_new(struct repl *r) {
    struct link *k = xcalloc(1, sizeof *k);
    k->r = r;
    k->retry = loop_timer_new(r->loop, retry_now, k);
    k->check = link_copy_timer(k);
    char *left = xasprintf("%s/" LINK_COPY_FILE, r->dir); /* of a process that was killed */
    unlink(left);
    free(left);
    k->down_since_ns = clock_boot_ns();
    return k;
}

void link_free(struct link *k) {
    if (!k) return;
    link_close(k);
    link_copy_drop(k);
    persist_replace_leave(k->r->persist);
    loop_timer_free(k->check);
    loop_timer_free(k->retry);
    free(k);
}

void link_start(struct link *k, const char *host, uint16_t port, bool pair) {
    bool same = strcmp(k->host, host) == 0 && k->port == port && k->pair == pair;
    if (same && link_active(k)) return;
    snprintf(k->host, sizeof k->host, "%s", host);
    k->port = port;
    k->pair = pair;
    k->error[0] = '\0';
    k->copy_fails = 0;
    k->stalls = 0;
    if (k->copy == COPY_WHOLE || k->copy == COPY_TAKEN) {
        k->start_later = true;
        return;
    }
    link_event(k, LINK_EV_START);
}

void repl_drop_master(struct repl *r, const char *reason) {
    if (!r->link->stream) return;
    link_complain(r->link, "%s", reason);
    link_event(r->link, LINK_EV_LOST);
}

void link_stop(struct link *k) {
    k->start_later = false;
    link_copy_drop(k);
    link_event(k, LINK_EV_STOP);
}

void link_take_read(struct link *k) {
    while (take(k)) {
    }
    link_want(k);
}

void link_hold(struct link *k, bool hold) {
    k->held = hold;
    link_take_read(k);
}

bool link_active(const struct link *k) {
    return k->fsm.state != LINK_OFF || k->start_later;
}

bool link_streaming(const struct link *k) {
    return k->fsm.state == LINK_STREAM;
}

const char *link_host(const struct link *k) {
    return k->host;
}
