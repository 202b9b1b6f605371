/* The master's side: one struct feed a slave. Nothing is copied for a slave that keeps up: all
 * read the one backlog by their own offset; one that is further behind is served from the kept
 * log. */
#include "server/repl/inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/base/stream_block.h"
#include "server/proto/resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPANS = 16,
    LOG_READ_BYTES = 256 * 1024,
    READ_BYTES = 16 * 1024,
    PAIR_TIMEOUT_MS = 10000,
    FILE_READ_BYTES = 256 * 1024,
    IN_MAX_BYTES = 64 * 1024,
    TURN_NS = 500 * 1000 /* of one slave, before others have theirs */
};

void feed_end(struct feed *f, const char *why) {
    if (f->dead) return;
    f->dead = why;
    loop_io_want(f->io, 0);
    f->r->feed_again = true; /* so that the next turn reaps it */
}

static void note_ack(struct feed *f, uint64_t offset, bool has_synced, uint64_t synced) {
    struct repl *r = f->r;
    f->ack_ns = clock_boot_ns();
    if (f->state == FEED_BULK_END) {
        f->state = FEED_ONLINE;
        log_notice("replication: slave has loaded the copy and streams from offset %llu",
                   (unsigned long long)f->sent);
        repl_changed(r); /* who listens beside the stream may be told from now on */
    }
    if (f->state != FEED_ONLINE || offset > f->sent)
        return; /* nobody acknowledges what was not sent */
    if (offset > f->acked) f->acked = offset;
    if (has_synced && synced <= offset && synced > f->synced) f->synced = synced;
    if (f != r->pair) return;
    if (f->acked > r->pair_acked) r->pair_acked = f->acked;
    if (f->synced > r->pair_synced) r->pair_synced = f->synced;
    stream_tell_released(r);
}

static void feed_request(struct feed *f, const struct resp_args *a) {
    uint64_t offset = 0, synced = 0;
    if (f->state == FEED_SHAKE) {
        if (a->count == 3 && bytes_is(a->v[0], "psync")) feed_take_psync(f, (int)a->count, a->v);
        return;
    }
    if (a->count < 3 || !bytes_is(a->v[0], "replconf")) return;
    if (f->conf.pair && bytes_is(a->v[1], "duet-beside")) {
        f->listens = true;
        repl_changed(f->r);
    }
    if (!bytes_is(a->v[1], "ack")) return;
    if (!num_parse_u64(a->v[2].p, a->v[2].len, &offset)) return;
    bool has = a->count >= 5 && bytes_is(a->v[3], "fack") &&
               num_parse_u64(a->v[4].p, a->v[4].len, &synced);
    const struct bytes *last = &a->v[a->count - 1];
    if (a->count >= 5 && bytes_is(last[-1], "duet-digest") && last->len <= REPL_DIGEST_CHARS)
        snprintf(f->digest, sizeof f->digest, "%.*s", (int)last->len, last->p);
    note_ack(f, offset, has, synced);
}

void feed_parse(struct feed *f) {
    static const struct resp_limits limits = {.bulk_max = 4096};
    struct resp_parser parser = {0};
    struct resp_args args = {0};
    while (!f->dead && buf_len(&f->in)) {
        args.count = 0;
        enum resp_state st = resp_parse(&parser, buf_head(&f->in), buf_len(&f->in), &limits, &args);
        if (st == RESP_BAD) feed_end(f, "it sent what is no request");
        if (st == RESP_BAD || st == RESP_MORE) break;
        if (st == RESP_DONE) feed_request(f, &args);
        buf_eat(&f->in, parser.used);
    }
    if (buf_len(&f->in) > IN_MAX_BYTES) feed_end(f, "it sent a request without end");
    resp_parser_free(&parser);
    resp_args_free(&args);
}

/* The pair's link: what is lost or changed on its way is sent again over a new connection. */
static void read_failed(struct feed *f) {
    const char *damage = stream_block_damage(f->stream);
    if (damage) f->r->damaged_blocks++;
    feed_end(f, damage ? damage : "it closed the connection");
}

static void feed_read(struct feed *f) {
    for (int i = 0; (i < 4 || stream_pending(f->stream)) && !f->dead; i++) {
        long n = stream_read(f->stream, buf_room(&f->in, READ_BYTES), READ_BYTES);
        if (n == STREAM_AGAIN) break;
        if (n <= 0) {
            read_failed(f);
            break;
        }
        buf_added(&f->in, (size_t)n);
        if (f->state == FEED_BULK_END) f->ack_ns = clock_boot_ns(); /* newlines, while it loads */
        feed_parse(f);
        if (f->state == FEED_ONLINE && n < READ_BYTES && !stream_pending(f->stream))
            break; /* acknowledgements are small: that was all */
    }
}

/* ---- writing -------------------------------------------------------------------------------- */

/* False: the socket is full or gone. */
static bool wrote(struct feed *f, long n) {
    if (n == STREAM_AGAIN) return false;
    if (n < 0) {
        feed_end(f, "the connection failed");
        return false;
    }
    f->r->bytes_out += (uint64_t)n;
    if (f->state != FEED_ONLINE) f->ack_ns = clock_boot_ns(); /* a copy that moves on is alive */
    return true;
}

static bool write_out(struct feed *f) {
    while (buf_len(&f->out)) {
        long n = stream_write(f->stream, buf_head(&f->out), buf_len(&f->out));
        if (!wrote(f, n)) return false;
        buf_eat(&f->out, (size_t)n);
    }
    buf_trim(&f->out, 64 * 1024);
    return true;
}

static bool write_memory(struct feed *f, const struct backlog *b, uint64_t *at, uint64_t end) {
    struct iovec iov[SPANS];
    int count = backlog_spans(b, *at, end, iov, SPANS);
    long n = stream_writev(f->stream, iov, count);
    if (!wrote(f, n)) return false;
    *at += (uint64_t)n;
    return true;
}

static bool write_aside(struct feed *f, struct overrun *o, uint64_t *at) {
    size_t n = overrun_read(o, *at, FILE_READ_BYTES, &f->out);
    if (n == 0) feed_end(f, "what it lacked cannot be read back");
    *at += n;
    return n && write_out(f);
}

/* A slave is never ahead of our own log; and a further one of a pair not of what may be shown: its readers would see
 * what a promotion takes back, and it could not continue behind one. */
static uint64_t feed_limit(const struct feed *f) {
    const struct repl *r = f->r;
    if (!r->o.node || f->conf.pair) return r->logged;
    uint64_t released = repl_release_offset(r);
    return released < r->logged ? released : r->logged;
}

/* What is read comes in whole blocks, which may be more than it may have. */
static bool write_log(struct feed *f, uint64_t end) {
    size_t n = persist_read_step(f->r->persist, &f->reader, f->sent, LOG_READ_BYTES, &f->out);
    if (n == 0 && f->reader.busy) return true;
    if (n > end - f->sent) {
        buf_take_back(&f->out, n - (size_t)(end - f->sent));
        n = (size_t)(end - f->sent);
    }
    if (n == 0) feed_end(f, "neither memory nor the kept log has what it lacks");
    f->sent += n;
    return n && write_out(f);
}

static bool write_stream(struct feed *f) {
    struct repl *r = f->r;
    uint64_t end = feed_limit(f);
    if (f->sent >= backlog_first(r->backlog)) return write_memory(f, r->backlog, &f->sent, end);
    return stream_aside_has(r, f->sent) ? write_aside(f, r->aside, &f->sent) : write_log(f, end);
}

/* The copy has been sent. The stream follows only on its first acknowledgement: bytes behind the mark could be
 * taken for the copy's. Who came by SYNC never acknowledges, and who was told the length knows where it ends. */
static void copy_is_out(struct feed *f) {
    if (f->conf.rdb_only)
        f->state = FEED_GIVEN;
    else
        f->state = f->psync && !f->transfer->spooled ? FEED_BULK_END : FEED_ONLINE;
    f->ack_ns = clock_boot_ns();
    f->transfer = NULL;
}

static bool write_copy(struct feed *f) {
    struct transfer *t = f->transfer;
    return f->copy_at >= backlog_first(t->row)
               ? write_memory(f, t->row, &f->copy_at, backlog_end(t->row))
               : write_aside(f, t->aside, &f->copy_at);
}

/* There is something to be written. */
static bool has_more(struct feed *f) {
    if (f->state == FEED_BULK) {
        if (transfer_has(f)) return true;
        if (transfer_done(f)) copy_is_out(f);
    }
    if (f->state != FEED_ONLINE) return false;
    if (f->sent < feed_limit(f)) return true;
    f->level = true;
    return false;
}

/* The pair's slave fsyncs what it acknowledges while this node's level asks for it, whatever its own is. */
static void tell_level(struct feed *f) {
    bool disk = f->r->o.durability == REPL_DISK;
    if (!f->conf.pair || f->told_disk == disk || f->state != FEED_ONLINE) return;
    if (f->dead || f->sent != f->r->logged || buf_len(&f->out)) return; /* not between commands */
    buf_add(&f->out, (char[]){disk ? ASIDE_DISK : ASIDE_MEMORY}, 1);
    f->told_disk = disk;
    write_out(f);
}

void feed_flush(struct feed *f) {
    uint64_t until = 0;
    bool open = !f->dead && write_out(f);
    for (int i = 0; open && has_more(f); i++) {
        if (i == 1) until = clock_boot_ns() + TURN_NS;
        if (i > 1 && clock_boot_ns() > until)
            open = false; /* others, and commands, have their turn */
        else
            open = f->state == FEED_BULK ? write_copy(f) : write_stream(f);
    }
    tell_level(f);
    feed_beside(f);
    if (open && buf_len(&f->out)) open = write_out(f);
    if (!f->dead) loop_io_want(f->io, stream_watch(f->stream, LOOP_READ | (open ? 0 : LOOP_WRITE)));
}

static void feed_io(struct loop *l, void *arg, int revents) {
    (void)l;
    struct feed *f = arg;
    revents = stream_event(f->stream, revents);
    if (revents & LOOP_READ) feed_read(f);
    if (!f->dead && (revents & LOOP_WRITE)) feed_flush(f);
}

void feed_take_acks(struct feed *f) {
    if (f->state == FEED_ONLINE && !f->dead) feed_read(f);
}

void repl_take_acks(struct repl *r) {
    for (struct feed *f = r->feeds; f; f = f->next) feed_take_acks(f);
}

void feeds_write(struct repl *r) {
    for (struct feed *f = r->feeds; f; f = f->next)
        if (f->state == FEED_ONLINE && !(loop_io_wanted(f->io) & LOOP_WRITE)) feed_flush(f);
}

/* ---- coming and going ----------------------------------------------------------------------- */

static void move_bytes(struct buf *to, struct buf *from) {
    if (buf_len(from)) buf_add(to, buf_head(from), buf_len(from));
    buf_clear(from);
}

struct feed *feed_new(struct repl *r, struct repl_conf *conf, struct stream *s, struct buf *unsent,
                      struct buf *unread) {
    struct feed *f = xcalloc(1, sizeof *f);
    f->r = r;
    if (conf) f->conf = *conf;
    f->stream = s;
    f->ack_ns = clock_boot_ns();
    move_bytes(&f->out, unsent);
    move_bytes(&f->in, unread);
    if (f->conf.host[0] == '\0') {
        uint16_t port;
        sock_peer_host(stream_fd(s), f->conf.host, sizeof f->conf.host, &port);
    }
    if (r->o.delays_small && !f->conf.pair) sock_set_delay(stream_fd(s));
    f->io = loop_io_new(r->loop, stream_fd(s), feed_io, f);
    loop_io_want(f->io, LOOP_READ);
    f->next = r->feeds;
    r->feeds = f;
    stream_hear(r);
    if (f->conf.pair) {
        if (r->pair) feed_end(r->pair, "the pair's slave has come again");
        r->pair = f;
    }
    r->last_slave_ns = clock_boot_ns();
    return f;
}

void feed_online(struct feed *f, uint64_t from) {
    f->state = FEED_ONLINE;
    f->sent = from;
    /* What it asked to continue from, it has: that counts as acknowledged in memory. */
    note_ack(f, from, false, 0);
    feed_flush(f);
}

static void feed_free(struct feed *f) {
    struct repl *r = f->r;
    log_notice("replication: slave %s (port %u) is gone: %s", f->conf.host, f->conf.port, f->dead);
    transfer_left(f);
    if (r->pair == f) r->pair = NULL;
    loop_io_free(f->io);
    stream_free(f->stream);
    buf_free(&f->in);
    buf_free(&f->out);
    buf_free(&f->beside);
    free(f);
}

void feeds_reap(struct repl *r) {
    bool any = false;
    for (struct feed **at = &r->feeds, *f; (f = *at);) {
        if (!f->dead) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        feed_free(f);
        any = true;
    }
    if (any) repl_changed(r);
}

void feeds_drop(struct repl *r, const char *why) {
    for (struct feed *f = r->feeds; f; f = f->next) feed_end(f, why);
}

/* The pair's slave hears its master once a second by a newline beside the stream. A PING in the
 * stream would be bytes that the other node may lack after a failover: a full copy for nothing. */
static void sign_of_life(struct feed *f) {
    if (f->dead || f->sent != f->r->logged || buf_len(&f->out)) return; /* it hears enough */
    buf_add(&f->out, "\n", 1);
    feed_flush(f);
}

void feeds_second(struct repl *r, uint64_t now_ns) {
    bool online = false;
    feeds_note_end(r, now_ns);
    for (struct feed *f = r->feeds; f; f = f->next) {
        bool pair = f->conf.pair && f->state == FEED_ONLINE; /* which speaks every second */
        uint64_t timeout_ns = (pair ? PAIR_TIMEOUT_MS : (uint64_t)r->o.timeout_ms) * NS_PER_MS;
        bool silent = now_ns > f->ack_ns && now_ns - f->ack_ns > timeout_ns;
        if (f->state == FEED_ONLINE) {
            online = online || !f->conf.pair;
            if (f->conf.pair) sign_of_life(f);
            if (f->psync && silent)
                feed_end(f, pair ? "nothing was heard from it for 10 s"
                                 : "it acknowledged nothing for repl-timeout");
        } else if ((f->state == FEED_WAIT || transfer_is_made(f)) && !f->dead) {
            buf_add(&f->out, "\n", 1); /* keeps its patience while the walk is queued */
            feed_flush(f);
        } else if (silent) {
            feed_end(f, "its copy did not move on for repl-timeout");
        }
    }
    if (r->feeds) r->last_slave_ns = now_ns;
    if (!online) r->last_ping_ns = now_ns; /* the first one comes a period after the first slave */
    if (!online || now_ns - r->last_ping_ns < (uint64_t)r->o.ping_period_ms * NS_PER_MS) return;
    r->last_ping_ns = now_ns;
    stream_ping(r);
}

void repl_ask_acks(struct repl *r) {
    stream_ask_acks(r);
}

void repl_drop_slaves(struct repl *r, const char *reason) {
    feeds_drop(r, reason);
}

void repl_drop_slave(struct repl *r, uint64_t id, const char *reason) {
    for (struct feed *f = r->feeds; f; f = f->next)
        if (f->conf.client_id == id) feed_end(f, reason);
}
