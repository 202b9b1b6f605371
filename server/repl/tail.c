/* See tail.h. */
#include "server/repl/tail.h"

#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"
#include "server/proto/cmdstream.h"
#include "server/proto/replline.h"
#include "server/proto/tail_report.h"
#include "server/repl/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEYS_A_COMMAND = 64,
    READ_BYTES = 256 * 1024,
    STEP_BYTES = 1 << 20,  /* of the stream each turn */
    KEYS_COUNTED = 1 << 20 /* 8 MB and their room: beyond it "at least" is said */
};

/* What is told apart now, or the one that was last. */
struct tail {
    struct repl *r;
    struct tail_report report;
    enum tail_state state;
    char err[160];
    struct loop_timer *timer;
    uint64_t at;      /* read up to here */
    uint64_t unit_at; /* where the first byte of `bytes` stands */
    bool in_log;      /* else the memory backlog has it */
    struct persist_reader reader;
    struct cmdstream commands;
    struct buf bytes, out, keys; /* not taken apart; not written; the report's */
    unsigned keys_shown;
    int db; /* selected in the file, -1 */
    int fd;
    char *path;       /* without its ending */
    uint64_t *seen;   /* hashes of keys, open addressing, 0: free */
    size_t seen_room; /* a power of two */
    bool written;     /* is being fsynced: it belongs to another thread */
};

/* ---- what is in it ---- */

static bool put_in(uint64_t *table, size_t room, uint64_t h) {
    size_t i = h & (room - 1);
    for (; table[i]; i = (i + 1) & (room - 1))
        if (table[i] == h) return false;
    table[i] = h;
    return true;
}

static void grow_seen(struct tail *t) {
    size_t room = t->seen_room ? t->seen_room * 2 : 1024;
    uint64_t *table = xcalloc(room, sizeof *table);
    for (size_t i = 0; i < t->seen_room; i++)
        if (t->seen[i]) put_in(table, room, t->seen[i]);
    free(t->seen);
    t->seen = table;
    t->seen_room = room;
}

static void note_key(struct tail *t, int db, struct bytes command, struct bytes key) {
    uint64_t h = hash_bytes(key.p, key.len) + (uint64_t)(unsigned)db * 0x9e3779b97f4a7c15ull;
    if (t->report.keys * 2 >= t->seen_room) grow_seen(t);
    if (t->report.keys == KEYS_COUNTED) {
        t->report.keys_at_least = true;
        return;
    }
    if (!put_in(t->seen, t->seen_room, h ? h : 1)) return;
    t->report.keys++;
    if (t->keys_shown == TAIL_KEYS_SHOWN) return;
    t->keys_shown++;
    tail_report_key(&t->keys, db, command, key);
}

static void note_keys(struct tail *t, int db, int argc, const struct bytes *argv) {
    const struct repl_world *w = &t->r->world;
    struct bytes keys[KEYS_A_COMMAND];
    size_t n = w->keys ? w->keys(w->arg, argc, argv, keys, KEYS_A_COMMAND) : 0;
    if (n == 0 && argc > 1 && !w->keys) {
        keys[0] = argv[1];
        n = 1;
    }
    for (size_t i = 0; i < n; i++) note_key(t, db, argv[0], keys[i]);
}

static bool keep_one(void *arg, int db, int argc, const struct bytes *argv) {
    struct tail *t = arg;
    if (cmdstream_is_mark(argc, argv)) return true;
    if (db != t->db) {
        char text[NUM_I64_CHARS];
        text[num_format_i64(text, db)] = '\0';
        replline_words(&t->out, "SELECT", text, NULL);
        t->db = db;
    }
    replline_request(&t->out, argc, argv);
    note_keys(t, db, argc, argv);
    t->report.writes++;
    return true;
}

static bool skip_one(void *arg, int db, int argc, const struct bytes *argv) {
    (void)arg, (void)db, (void)argc, (void)argv;
    return true;
}

/* ---- reading ---- */

/* From the block that holds the fork, so that its database is known. */
static bool begin_reading(struct tail *t) {
    struct repl *r = t->r;
    struct persist_pos block = {.db = -1};
    uint64_t from = t->report.from;
    struct buf probe = BUF_INIT;
    t->in_log = persist_read(r->persist, from, 1, &probe, &block) > 0;
    buf_free(&probe);
    if (!t->in_log && from < backlog_first(r->backlog)) {
        snprintf(t->err, sizeof t->err,
                 "the writes behind offset %" PRIu64 " are no longer in memory and log", from);
        return false;
    }
    t->at = t->unit_at = t->in_log ? block.offset : from;
    cmdstream_init(&t->commands, t->in_log ? block.db : r->db);
    return true;
}

static size_t read_more(struct tail *t) {
    struct repl *r = t->r;
    size_t n = 0;
    if (t->in_log) {
        n = persist_read_step(r->persist, &t->reader, t->at, READ_BYTES, &t->bytes);
        if (n && t->at + n > t->report.from) {
            t->report.last_ms = (int64_t)(t->reader.wall_us / 1000);
            if (!t->report.first_ms) t->report.first_ms = t->report.last_ms;
        }
    } else {
        struct iovec iov;
        backlog_spans(r->backlog, t->at, t->report.to, &iov, 1);
        n = iov.iov_len < READ_BYTES ? iov.iov_len : READ_BYTES;
        buf_add(&t->bytes, iov.iov_base, n);
    }
    if (n > t->report.to - t->at) { /* what came since is none of ours */
        buf_take_back(&t->bytes, n - (size_t)(t->report.to - t->at));
        n = (size_t)(t->report.to - t->at);
    }
    t->at += n;
    return n;
}

static bool take_apart(struct tail *t) {
    struct cmdstream *c = &t->commands;
    size_t unit;
    while (buf_len(&t->bytes)) {
        enum cmdstream_state st = cmdstream_find(c, buf_head(&t->bytes), buf_len(&t->bytes), &unit);
        if (st == CMDSTREAM_MORE && t->at < t->report.to) return true;
        if (st != CMDSTREAM_UNIT) {
            snprintf(t->err, sizeof t->err,
                     "the writes behind offset %" PRIu64 " cannot be taken apart: %s", t->unit_at,
                     st == CMDSTREAM_BAD ? c->error : "the last one is not whole");
            return false;
        }
        cmdstream_each(c, buf_head(&t->bytes), unit,
                       t->unit_at >= t->report.from ? keep_one : skip_one, t);
        buf_eat(&t->bytes, unit);
        t->unit_at += unit;
    }
    return true;
}

/* ---- writing ---- */

static bool cannot(struct tail *t, const char *what) {
    snprintf(t->err, sizeof t->err, "the writes that the new master lacks cannot be %s: %s", what,
             strerror(errno));
    return false;
}

static bool open_file(struct tail *t) {
    char *dir = xasprintf("%s/tails", t->r->dir), *partial;
    bool ok = file_make_dirs(dir, 0750);
    t->path = xasprintf("%s/tail-%s", dir, t->report.id);
    partial = xasprintf("%s.partial", t->path);
    if (ok) t->fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    free(partial);
    free(dir);
    return t->fd >= 0 || cannot(t, "saved");
}

static bool write_out(struct tail *t) {
    if (!buf_len(&t->out)) return true;
    if (t->fd < 0 && !open_file(t)) return false;
    if (!file_write_all(t->fd, buf_head(&t->out), buf_len(&t->out))) return cannot(t, "saved");
    t->report.bytes += buf_len(&t->out);
    buf_clear(&t->out);
    return true;
}

/* On another thread: an fsync may take its time. */
static int make_durable(void *arg) {
    struct tail *t = arg;
    char *partial = xasprintf("%s.partial", t->path), *requests = xasprintf("%s.resp", t->path),
         *report = xasprintf("%s.txt", t->path);
    struct buf text = BUF_INIT;
    tail_report_put(&text, &t->report);
    if (buf_len(&t->keys)) buf_add(&text, buf_head(&t->keys), buf_len(&t->keys));
    bool ok = file_sync(t->fd) && rename(partial, requests) == 0 &&
              file_replace(report, buf_head(&text), buf_len(&text), 0640);
    int error = ok ? 0 : errno;
    buf_free(&text);
    free(partial);
    free(requests);
    free(report);
    return error;
}

static void drop(struct tail *t) {
    if (t->fd >= 0) close(t->fd);
    if (t->path) {
        char *partial = xasprintf("%s.partial", t->path);
        unlink(partial);
        free(partial);
    }
    cmdstream_free(&t->commands);
    loop_timer_free(t->timer);
    buf_free(&t->bytes);
    buf_free(&t->out);
    buf_free(&t->keys);
    free(t->seen);
    free(t->path);
    free(t);
}

static void over(struct tail *t, enum tail_state state) {
    struct repl *r = t->r;
    t->state = state;
    if (state == TAIL_SAVED && t->report.writes) {
        r->tail_writes += t->report.writes;
        snprintf(r->tail_file, sizeof r->tail_file, "%s.resp", t->path);
        log_warning("replication: %" PRIu64 " writes to %s%" PRIu64
                    " keys that the new master does not have are put aside as tail %s: see `hactl "
                    "tail show %s`",
                    t->report.writes, t->report.keys_at_least ? "at least " : "", t->report.keys,
                    t->report.id, t->report.id);
        tail_look(r);
    }
    repl_changed(r);
    link_tail_done(r->link);
}

static void durable(void *arg, int error) {
    struct tail *t = arg;
    t->written = false;
    if (!t->r) { /* it was given up meanwhile; what is saved does no harm */
        drop(t);
        return;
    }
    errno = error;
    if (error) cannot(t, "made durable");
    over(t, error ? TAIL_FAILED : TAIL_SAVED);
}

static void finish(struct tail *t) {
    struct repl *r = t->r;
    if (!t->report.writes) {
        over(t, TAIL_SAVED);
        return;
    }
    t->report.saved_ms = clock_wall_ms();
    t->report.epoch = r->world.epoch ? r->world.epoch(r->world.arg) : 0;
    snprintf(t->report.why, sizeof t->report.why,
             "this node became a slave of %.64s, whose line left this one's at offset %" PRIu64,
             link_host(r->link), t->report.from);
    t->written = true;
    persist_aside(r->persist, make_durable, durable, t);
}

static void step(struct loop *l, void *arg) {
    struct tail *t = arg;
    (void)l;
    uint64_t until = t->at + STEP_BYTES;
    bool ok = true;
    while (ok && t->at < t->report.to && t->at < until) {
        size_t n = read_more(t);
        if (n == 0 && t->reader.busy) break;
        if (n == 0)
            snprintf(t->err, sizeof t->err,
                     "the writes behind offset %" PRIu64
                     " cannot be read: the log is damaged there",
                     t->at);
        ok = n && take_apart(t) && write_out(t);
    }
    if (!ok)
        over(t, TAIL_FAILED);
    else if (t->at == t->report.to)
        finish(t);
    else
        loop_timer_start(t->timer, 0, 0);
}

/* ---- outside ---- */

static struct tail *begin(struct repl *r, uint64_t from) {
    struct tail *t = xcalloc(1, sizeof *t);
    t->r = r;
    t->fd = -1;
    t->db = -1;
    t->report.from = from;
    t->report.to = backlog_end(r->backlog);
    memcpy(t->report.line, r->id, sizeof t->report.line);
    tail_id(t->report.id, r->id, from);
    t->state = TAIL_SAVING;
    t->timer = loop_timer_new(r->loop, step, t);
    if (begin_reading(t))
        loop_timer_start(t->timer, 0, 0);
    else
        t->state = TAIL_FAILED;
    return t;
}

enum tail_state tail_save(struct repl *r, uint64_t from, char *err, size_t err_size) {
    struct tail *t = r->tail;
    bool same = t && t->report.from == from && t->report.to == backlog_end(r->backlog) &&
                strcmp(t->report.line, r->id) == 0;
    if (!same) {
        tail_cancel(r);
        t = r->tail = begin(r, from);
        repl_changed(r);
    }
    if (t->state == TAIL_FAILED) snprintf(err, err_size, "%s", t->err);
    return t->state;
}

bool tail_saving(const struct repl *r) {
    return r->tail && r->tail->state == TAIL_SAVING;
}

void tail_cancel(struct repl *r) {
    struct tail *t = r->tail;
    r->tail = NULL;
    if (!t) return;
    t->r = NULL;
    loop_timer_stop(t->timer);
    if (!t->written) drop(t);
}

void tail_forget(struct repl *r) {
    if (!tail_saving(r)) tail_cancel(r);
}
