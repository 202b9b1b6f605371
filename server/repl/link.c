/* The slave's side: connects, shakes hands as link_fsm says, receives a copy when it must,
 * applies the stream and acknowledges. */
#include "server/repl/inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/proto/cmdstream.h"
#include "server/proto/replline.h"
#include "server/repl/spool.h"
#include "server/store/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    READ_BYTES = 256 * 1024,
    READS_A_TURN = 4,
    KEPT_BYTES = 1 << 20,
    RETRY_MS = 1000,
    PAIR_RETRY_MS = 100,
    PAIR_TIMEOUT_MS = 5000,
    UNLOGGED_MAX_BYTES = 64 * 1024 * 1024,
    HELD_MAX_BYTES = 16 * 1024 * 1024
};

struct link {
    struct repl *r;
    struct link_fsm fsm;
    char host[256];
    uint16_t port;
    bool pair;
    struct stream *stream;
    struct loop_io *io;
    struct loop_timer *retry;
    struct buf in, out;
    uint64_t last_io_ns, down_since_ns;
    uint64_t session;
    char error[200];
    /* of a full synchronisation */
    char full_id[REPLLINE_ID_CHARS + 1];
    uint64_t full_offset;
    struct replline header;
    struct spool spool;
    int spool_db;     /* selected in the stream at full_offset */
    bool keep_old;    /* the master does not know our line: our log is put aside */
    bool replacing;   /* the copy is being loaded */
    bool start_later; /* another address came meanwhile */
    /* streaming */
    struct cmdstream commands;
    uint64_t acked, acked_synced;
    bool ack_now;
    bool held; /* the stream is read, not applied */
};

static void link_event(struct link *k, enum link_event ev);

static void complain(struct link *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void complain(struct link *k, const char *fmt, ...) {
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
    buf_free(&k->in);
    buf_free(&k->out);
    spool_close(&k->spool, false);
    cmdstream_free(&k->commands);
    k->session = 0;
    if (!k->down_since_ns) k->down_since_ns = clock_boot_ns();
}

/* The pair's slave acknowledges what clients wait for: it is never held. */
static bool is_held(const struct link *k) {
    return k->held && !k->pair && k->fsm.state == LINK_STREAM;
}

static bool may_read(const struct link *k) {
    const struct repl *r = k->r;
    if (is_held(k) && buf_len(&k->in) >= HELD_MAX_BYTES) return false;
    return k->fsm.state != LINK_LOADING && backlog_end(r->backlog) - r->logged < UNLOGGED_MAX_BYTES;
}

static void want(struct link *k) {
    if (!k->io) return;
    bool writing = k->fsm.state == LINK_CONNECT || buf_len(&k->out);
    loop_io_want(k->io, (may_read(k) ? LOOP_READ : 0) | (writing ? LOOP_WRITE : 0));
}

static void link_write(struct link *k) {
    while (k->stream && k->fsm.state != LINK_CONNECT && buf_len(&k->out)) {
        long n = stream_write(k->stream, buf_head(&k->out), buf_len(&k->out));
        if (n == STREAM_AGAIN) break;
        if (n < 0) {
            complain(k, "the connection failed");
            link_event(k, LINK_EV_LOST);
            return;
        }
        buf_eat(&k->out, (size_t)n);
    }
    want(k);
}

static void link_io(struct loop *l, void *arg, int revents);

static void link_connect(struct link *k) {
    struct sock_error err;
    link_close(k);
    loop_timer_stop(k->retry);
    k->last_io_ns = clock_boot_ns();
    int fd = sock_connect_tcp(k->host, k->port, NULL, &err);
    if (fd < 0) {
        complain(k, "%s", err.text);
        link_event(k, LINK_EV_LOST);
        return;
    }
    k->stream = stream_plain(fd);
    k->io = loop_io_new(k->r->loop, fd, link_io, k);
    loop_io_want(k->io, LOOP_WRITE);
}

static void link_retry(struct link *k) {
    link_close(k);
    loop_timer_start(k->retry, (k->pair ? PAIR_RETRY_MS : RETRY_MS) * NS_PER_MS, 0);
    repl_changed(k->r);
}

static void retry_now(struct loop *l, void *arg) {
    (void)l;
    link_event(arg, LINK_EV_RETRY);
}

/* ---- the handshake --------------------------------------------------------------------------- */

static void send_auth(struct link *k) {
    const struct repl *r = k->r;
    if (r->master_user)
        replline_words(&k->out, "AUTH", r->master_user, r->master_auth, NULL);
    else
        replline_words(&k->out, "AUTH", r->master_auth, NULL);
}

static void send_port(struct link *k) {
    char port[NUM_I64_CHARS];
    port[num_format_u64(port, k->r->o.port)] = '\0';
    replline_words(&k->out, "REPLCONF", "listening-port", port, NULL);
}

/* Nothing is asked for when there is nothing to continue: no data yet, or not all of it. */
static bool can_continue(const struct repl *r) {
    return r->whole && r->line_known;
}

static void send_pair(struct link *k) {
    struct repl *r = k->r;
    char offset[NUM_I64_CHARS], node[2] = {r->o.node, '\0'};
    offset[num_format_u64(offset, backlog_end(r->backlog))] = '\0';
    replline_words(&k->out, "REPLCONF", "duet-pair", node, can_continue(r) ? r->id : "?", offset,
                   NULL);
}

static void send_psync(struct link *k) {
    struct repl *r = k->r;
    char offset[NUM_I64_CHARS];
    if (!can_continue(r)) {
        replline_words(&k->out, "PSYNC", "?", "-1", NULL);
        return;
    }
    offset[num_format_u64(offset, backlog_end(r->backlog) + 1)] = '\0';
    replline_words(&k->out, "PSYNC", r->id, offset, NULL);
}

/* The peer told up to where it has our line. What it lacks is saved before anything else
 * happens. */
static void note_session(struct link *k, const struct replline *l) {
    struct repl *r = k->r;
    char err[160];
    k->session = l->number;
    k->keep_old = !l->has_fork && can_continue(r);
    if (!l->has_fork || !can_continue(r) || l->offset >= backlog_end(r->backlog) ||
        l->offset == r->tail_saved_from)
        return;
    stream_flush(r);
    if (!tail_save(r, l->offset, err, sizeof err)) {
        complain(k, "%s; the log as it is is put aside instead", err);
        k->keep_old = true;
    }
    r->tail_saved_from = l->offset;
}

static void begin_stream(struct link *k) {
    struct repl *r = k->r;
    if (k->header.kind == REPLLINE_CONTINUE && k->header.id[0] &&
        strcmp(k->header.id, r->id) != 0) {
        stream_new_line(r, k->header.id);
        feeds_drop(r, "the line has a new id; it continues at once");
    }
    cmdstream_init(&k->commands, r->db);
    r->line_pending = false;
    r->tail_saved_from = UINT64_MAX;
    k->down_since_ns = 0;
    k->error[0] = '\0';
    k->acked = 0;
    k->ack_now = true;
    log_notice("replication: streaming from %s:%u at offset %llu", k->host, k->port,
               (unsigned long long)backlog_end(r->backlog));
    link_ack(k);
    repl_changed(r);
}

static void begin_receive(struct link *k) {
    char *path = xasprintf("%s/received.rdb", k->r->dir);
    log_notice("replication: receiving a full copy from %s:%u, offset %llu", k->host, k->port,
               (unsigned long long)k->full_offset);
    if (!spool_open(&k->spool, path, &k->header, store_databases(k->r->store))) {
        complain(k, "%s", k->spool.error);
        link_event(k, LINK_EV_LOST);
    }
    free(path);
}

static void loaded(void *arg, bool ok, const char *reason) {
    struct link *k = arg;
    struct repl *r = k->r;
    k->replacing = false;
    if (ok) {
        stream_restart(r, k->full_id, k->full_offset, k->spool_db);
        r->whole = true;
        log_notice("replication: the copy is loaded: %s", reason);
    } else {
        complain(k, "the copy could not be loaded: %s", reason);
    }
    if (r->world.replaced) r->world.replaced(r->world.arg);
    if (k->start_later) {
        k->start_later = false;
        link_event(k, LINK_EV_START);
    } else {
        link_event(k, ok ? LINK_EV_LOADED : LINK_EV_LOST);
    }
    repl_changed(r);
}

static void begin_load(struct link *k) {
    struct repl *r = k->r;
    char err[160];
    struct persist_pos pos = {.offset = k->full_offset, .db = k->spool.db};
    memcpy(pos.id, k->full_id, sizeof pos.id);
    char *path = xstrdup(k->spool.path);
    k->spool_db = k->spool.db;
    spool_close(&k->spool, true);
    feeds_drop(r, "this slave takes a full copy itself");
    feeds_reap(r);
    transfers_close(r);
    if (r->world.replaced) r->world.replaced(r->world.arg);
    k->replacing =
        persist_replace(r->persist, path, &pos, k->keep_old || persist_loaded(r->persist)->damaged,
                        loaded, k, err, sizeof err);
    free(path);
    if (k->replacing) {
        r->whole = false;
        return;
    }
    complain(k, "the copy cannot be loaded: %s", err);
    link_event(k, LINK_EV_LOST);
}

static void link_do(struct link *k, enum link_action action) {
    switch (action) {
    case LINK_DO_NOTHING: return;
    case LINK_DO_CONNECT: link_connect(k); return;
    case LINK_DO_CLOSE:
        link_close(k);
        loop_timer_stop(k->retry);
        return;
    case LINK_DO_REFUSED:
        complain(k, "it answered \"%.*s\"", (int)k->header.text.len,
                 k->header.text.p ? k->header.text.p : "");
        link_retry(k);
        return;
    case LINK_DO_RETRY: link_retry(k); return;
    case LINK_DO_PING: replline_words(&k->out, "PING", NULL); break;
    case LINK_DO_AUTH: send_auth(k); break;
    case LINK_DO_PORT: send_port(k); break;
    case LINK_DO_CAPA:
        replline_words(&k->out, "REPLCONF", "capa", "eof", "capa", "psync2", NULL);
        break;
    case LINK_DO_PAIR: send_pair(k); break;
    case LINK_DO_PSYNC_SESSION:
        note_session(k, &k->header);
        send_psync(k);
        break;
    case LINK_DO_PSYNC: send_psync(k); break;
    case LINK_DO_FULL:
        memcpy(k->full_id, k->header.id, sizeof k->full_id);
        k->full_offset = k->header.offset;
        return;
    case LINK_DO_RECEIVE: begin_receive(k); return;
    case LINK_DO_LOAD: begin_load(k); return;
    case LINK_DO_STREAM: begin_stream(k); return;
    }
    link_write(k);
}

static void link_event(struct link *k, enum link_event ev) {
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
    want(k);
}

static enum link_event line_event(struct link *k, const struct replline *l) {
    switch (l->kind) {
    case REPLLINE_STATUS: return LINK_EV_STATUS;
    case REPLLINE_PONG: return LINK_EV_PONG;
    case REPLLINE_SESSION: return LINK_EV_SESSION;
    case REPLLINE_CONTINUE: return LINK_EV_CONTINUE;
    case REPLLINE_FULLRESYNC: return LINK_EV_FULL;
    case REPLLINE_LENGTH:
    case REPLLINE_MARK: return LINK_EV_RDB;
    case REPLLINE_ERROR: {
        static const char *const codes[] = {"-NOAUTH", "-NOPERM", "-ERR operation not permitted"};
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
            if (l->text.len >= strlen(codes[i]) &&
                memcmp(l->text.p, codes[i], strlen(codes[i])) == 0)
                return LINK_EV_NOAUTH;
        return LINK_EV_ERROR;
    }
    default: complain(k, "it sent a line that makes no sense"); return LINK_EV_LOST;
    }
}

/* ---- bytes from the master ------------------------------------------------------------------- */

static bool apply_one(void *arg, int db, int argc, const struct bytes *argv) {
    struct repl *r = arg;
    char err[160] = "";
    if (r->world.apply(r->world.arg, db, argc, argv, err, sizeof err)) return true;
    if (r->apply_errors++ < 16)
        log_error("replication: the master's command %.*s was not applied: %s",
                  (int)(argv[0].len < 32 ? argv[0].len : 32), argv[0].p, err);
    return true;
}

static bool take_stream(struct link *k) {
    struct repl *r = k->r;
    size_t unit;
    if (buf_head(&k->in)[0] == '\n') { /* the pair's master lives; no part of the stream */
        buf_eat(&k->in, 1);
        return true;
    }
    enum cmdstream_state st =
        cmdstream_find(&k->commands, buf_head(&k->in), buf_len(&k->in), &unit);
    if (st == CMDSTREAM_MORE) return false;
    if (st == CMDSTREAM_BAD) {
        complain(k, "the stream is damaged: %s", k->commands.error);
        link_event(k, LINK_EV_LOST);
        return false;
    }
    cmdstream_each(&k->commands, buf_head(&k->in), unit, apply_one, r);
    stream_pass_on(r, buf_head(&k->in), unit, k->commands.db);
    if (r->world.applied) r->world.applied(r->world.arg);
    buf_eat(&k->in, unit);
    return true;
}

static bool take_copy(struct link *k) {
    size_t used;
    enum spool_state st = spool_add(&k->spool, buf_head(&k->in), buf_len(&k->in), &used);
    if (st == SPOOL_BAD) {
        complain(k, "%s", k->spool.error);
        link_event(k, LINK_EV_LOST);
        return false;
    }
    buf_eat(&k->in, used);
    if (st == SPOOL_DONE) link_event(k, LINK_EV_RDB_END);
    return st == SPOOL_DONE;
}

static bool take_line(struct link *k) {
    replline_parse(&k->header, buf_head(&k->in), buf_len(&k->in));
    if (k->header.kind == REPLLINE_MORE) return false;
    size_t used = k->header.used;
    if (k->header.kind == REPLLINE_EMPTY) {
        buf_eat(&k->in, used);
        return true;
    }
    struct stream *before = k->stream;
    enum link_event ev = line_event(k, &k->header);
    /* The line's text must stay until the action is done; a connection that was closed took its
     * bytes along. */
    link_event(k, ev);
    if (k->stream != before || !k->stream) return false;
    buf_eat(&k->in, used);
    return true;
}

static bool take(struct link *k) {
    if (!k->stream || buf_len(&k->in) == 0) return false;
    switch (k->fsm.state) {
    case LINK_STREAM: return !is_held(k) && take_stream(k);
    case LINK_TRANSFER: return take_copy(k);
    case LINK_LOADING:
    case LINK_CONNECT:
    case LINK_OFF:
    case LINK_WAIT: return false;
    default: return take_line(k);
    }
}

static void link_read(struct link *k) {
    for (int i = 0; i < READS_A_TURN && k->stream && may_read(k); i++) {
        long n = stream_read(k->stream, buf_room(&k->in, READ_BYTES), READ_BYTES);
        if (n > 0) k->r->bytes_in += (uint64_t)n;
        if (n == STREAM_AGAIN) break;
        if (n <= 0) {
            complain(k, "it closed the connection");
            link_event(k, LINK_EV_LOST);
            return;
        }
        k->last_io_ns = clock_boot_ns();
        buf_added(&k->in, (size_t)n);
        while (take(k)) {
        }
    }
    if (!buf_len(&k->in)) buf_trim(&k->in, KEPT_BYTES); /* one big value was in it */
    want(k);
}

static void link_io(struct loop *l, void *arg, int revents) {
    (void)l;
    struct link *k = arg;
    if (k->fsm.state == LINK_CONNECT) {
        int error = sock_connect_result(stream_fd(k->stream));
        if (error) complain(k, "%s", strerror(error));
        link_event(k, error ? LINK_EV_LOST : LINK_EV_CONNECTED);
        return;
    }
    if (revents & LOOP_WRITE) link_write(k);
    if (k->stream && (revents & LOOP_READ)) link_read(k);
}

/* ---- acknowledgements -------------------------------------------------------------------------- */

static void send_ack(struct link *k) {
    struct repl *r = k->r;
    char offset[NUM_I64_CHARS], synced[NUM_I64_CHARS];
    uint64_t on_disk = persist_synced_offset(r->persist);
    k->acked = r->logged; /* what the own log does not have yet is not acknowledged */
    k->acked_synced = on_disk < r->logged ? on_disk : r->logged;
    k->ack_now = false;
    offset[num_format_u64(offset, k->acked)] = '\0';
    synced[num_format_u64(synced, k->acked_synced)] = '\0';
    if (k->pair)
        replline_words(&k->out, "REPLCONF", "ACK", offset, "FACK", synced, NULL);
    else
        replline_words(&k->out, "REPLCONF", "ACK", offset, NULL);
    link_write(k);
}

void link_ack(struct link *k) {
    const struct repl *r = k->r;
    if (k->fsm.state != LINK_STREAM) return;
    uint64_t on_disk = persist_synced_offset(r->persist);
    bool news = r->logged > k->acked ||
                (on_disk != UINT64_MAX && on_disk > k->acked_synced && k->acked_synced < k->acked);
    if (k->commands.ask_ack) k->ack_now = true;
    k->commands.ask_ack = false;
    if (k->ack_now || (k->pair && news)) send_ack(k);
    want(k); /* the log may have caught up */
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
    if (is_held(k) && !may_read(k)) k->last_io_ns = now_ns; /* it is we who do not listen */
    if (now_ns - k->last_io_ns > limit_ms * NS_PER_MS) {
        complain(k, "nothing was heard for %llu ms", (unsigned long long)limit_ms);
        link_event(k, LINK_EV_LOST);
        return;
    }
    if (k->fsm.state == LINK_STREAM) send_ack(k);
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
    k->down_since_ns = clock_boot_ns();
    return k;
}

void link_free(struct link *k) {
    if (!k) return;
    link_close(k);
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
    if (k->replacing) {
        k->start_later = true;
        return;
    }
    link_event(k, LINK_EV_START);
}

void link_stop(struct link *k) {
    k->start_later = false;
    link_event(k, LINK_EV_STOP);
}

void link_hold(struct link *k, bool hold) {
    k->held = hold;
    while (take(k)) {
    }
    want(k);
}

bool link_active(const struct link *k) {
    return k->fsm.state != LINK_OFF || k->start_later;
}

bool link_streaming(const struct link *k) {
    return k->fsm.state == LINK_STREAM;
}

void link_status(const struct link *k, struct repl_status *s) {
    static const enum repl_link_state shown[LINK_STATES] = {[LINK_OFF] = REPL_LINK_OFF,
                                                            [LINK_WAIT] = REPL_LINK_CONNECT,
                                                            [LINK_HEADER] = REPL_LINK_SYNC,
                                                            [LINK_TRANSFER] = REPL_LINK_SYNC,
                                                            [LINK_LOADING] = REPL_LINK_SYNC,
                                                            [LINK_STREAM] = REPL_LINK_CONNECTED,
                                                            [LINK_CONNECT] = REPL_LINK_CONNECTING,
                                                            [LINK_PING] = REPL_LINK_CONNECTING,
                                                            [LINK_AUTH] = REPL_LINK_CONNECTING,
                                                            [LINK_PORT] = REPL_LINK_CONNECTING,
                                                            [LINK_CAPA] = REPL_LINK_CONNECTING,
                                                            [LINK_PAIR] = REPL_LINK_CONNECTING,
                                                            [LINK_PSYNC] = REPL_LINK_CONNECTING};
    uint64_t now = clock_boot_ns();
    snprintf(s->master_host, sizeof s->master_host, "%s", k->host);
    s->master_port = k->port;
    s->link = shown[k->fsm.state];
    s->sync_in_progress = s->link == REPL_LINK_SYNC;
    s->sync_total_bytes = k->spool.total;
    s->sync_read_bytes = k->spool.got;
    s->last_io_s = k->stream ? (int64_t)((now - k->last_io_ns) / NS_PER_S) : -1;
    s->down_s = k->down_since_ns ? (int64_t)((now - k->down_since_ns) / NS_PER_S) + 1 : 0;
    memcpy(s->last_error, k->error, sizeof s->last_error);
    if (!is_slave(k->r)) return;
    bool streams = link_streaming(k);
    if (streams) s->read_offset += buf_len(&k->in);
    s->session = streams && k->pair ? k->session : 0;
    s->insync_link = streams && k->pair;
    s->acked = streams ? k->acked : 0;
    s->acked_synced = streams ? k->acked_synced : 0;
}
