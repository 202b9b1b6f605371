/* Full synchronisation of slaves: one snapshot walk for all that wait when it begins (to old ones in a form that
 * tells the length first, so theirs is made whole before the first byte is sent).
 *
 * The walk's bytes are a row that each slave takes at its own pace. The newest of it is in memory, and what a
 * slower slave still lacks is put aside in files without a name (overrun.h), bounded. The walk goes at the pace of
 * the fastest; with what the slowest lacks at its bound it waits for that one, for a while, and then gives it
 * up if anybody else waits. While nobody else does, a lone slave sets the pace, and no file is needed. */
#include "server/repl/inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/rand.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HUNGRY_BYTES = 64 * 1024,
    ROOM_BYTES = 4 * 1024 * 1024,   /* that the fastest may still lack */
    MEMORY_BYTES = 4 * 1024 * 1024, /* of the row; what is older goes into the file */
    LOOK_MS = 100,                  /* how often it is looked whether another walk waits */
    OTHERS_WAIT_MS = 1000,          /* behind a lone slow slave; then its copy goes into the file */
    PATIENCE_MS = 10000             /* with the slowest, while the file is full and others wait */
};
#define ASIDE_BYTES (4ULL << 30)

static bool shares(const struct feed *f, const struct transfer *t) {
    return f->transfer == t && !f->dead;
}

static uint64_t lacks(const struct feed *f, const struct transfer *t) {
    return backlog_end(t->row) - f->copy_at;
}

static void transfer_free(struct transfer *t) {
    struct transfer **at = &t->r->transfers;
    while (*at != t) at = &(*at)->next;
    *at = t->next;
    for (struct feed *f = t->r->feeds; f; f = f->next)
        if (f->transfer == t) f->transfer = NULL;
    loop_timer_free(t->delay);
    backlog_free(t->row);
    overrun_free(t->aside);
    free(t);
}

/* ---- The row --------------------------------------------------------------------------------- */

/* Who lacks what is neither in memory nor could be put aside. */
static void give_up_behind(struct transfer *t, uint64_t memory_from) {
    for (struct feed *f = t->r->feeds; f; f = f->next) {
        if (!shares(f, t) || f->copy_at >= memory_from) continue;
        log_warning("replication: slave %s takes its full copy too slowly: %s", f->conf.host,
                    overrun_failure(t->aside));
        feed_end(f, "its full copy was given up: what it lacked could not be put aside");
    }
}

/* Keeps of the row what somebody lacks: the newest in memory, the rest in the file. */
static void keep_row(struct transfer *t) {
    uint64_t end = backlog_end(t->row), need = end;
    for (struct feed *f = t->r->feeds; f; f = f->next)
        if (shares(f, t) && f->copy_at < need) need = f->copy_at;
    uint64_t memory_from = end > MEMORY_BYTES ? end - MEMORY_BYTES : 0;
    if (need < memory_from) {
        if (!overrun_take(t->aside, t->row, need, memory_from, t->spooled ? 0 : ASIDE_BYTES * 2))
            give_up_behind(t, memory_from);
    } else {
        memory_from = need;
    }
    overrun_drop(t->aside, need);
    backlog_trim(t->row, memory_from);
}

/* ---- The walk's side ------------------------------------------------------------------------- */

static void copy_begin(void *arg, const struct persist_pos *pos) {
    struct transfer *t = arg;
    t->begun = true;
    if (t->r->role == REPL_MASTER) t->r->db = -1; /* who reads no aux fields needs a SELECT */
    for (struct feed *f = t->r->feeds; f; f = f->next) {
        if (!shares(f, t)) continue;
        f->state = FEED_BULK;
        f->sent = pos->offset;
        f->copy_at = 0;
        if (f->psync)
            buf_printf(&f->out, "+FULLRESYNC %s %llu\r\n", pos->id,
                       (unsigned long long)pos->offset);
        if (!t->spooled) {
            buf_add_str(&f->out, "$EOF:");
            buf_add(&f->out, t->mark, sizeof t->mark);
            buf_add_str(&f->out, "\r\n");
        }
        feed_flush(f);
    }
    log_notice("replication: a full copy begins at offset %llu", (unsigned long long)pos->offset);
}

static void flush_all(struct transfer *t) {
    for (struct feed *f = t->r->feeds, *next; f; f = next) {
        next = f->next;
        if (shares(f, t) && !(loop_io_wanted(f->io) & LOOP_WRITE)) feed_flush(f);
    }
}

static void copy_bytes(void *arg, const void *p, size_t n) {
    struct transfer *t = arg;
    backlog_add(t->row, p, n);
    if (!t->spooled) flush_all(t);
    keep_row(t);
}

/* Another walk has been waiting behind this one for a while. */
static bool others_wait(struct transfer *t, uint64_t now) {
    if (now - t->looked_ns >= LOOK_MS * NS_PER_MS) {
        struct persist_status s;
        persist_status(t->r->persist, &s);
        t->looked_ns = now;
        if (!s.walk.waiting)
            t->others_ns = 0;
        else if (!t->others_ns)
            t->others_ns = now;
    }
    return t->others_ns && now - t->others_ns >= OTHERS_WAIT_MS * NS_PER_MS;
}

/* The file is full of what the slowest lacks: 0, until that one has gone on or is given up. */
static size_t wait_for_slowest(struct transfer *t, struct feed *slowest, bool alone, uint64_t now) {
    if (!t->full_ns) t->full_ns = now;
    if (now - t->full_ns < PATIENCE_MS * NS_PER_MS || (alone && !others_wait(t, now))) return 0;
    t->full_ns = 0;
    feed_end(slowest, "it takes its full copy too slowly, and others wait");
    keep_row(t);
    return 0;
}

static size_t copy_room(void *arg) {
    struct transfer *t = arg;
    struct feed *slowest = NULL, *fastest = NULL;
    for (struct feed *f = t->r->feeds; f; f = f->next) {
        if (!shares(f, t)) continue;
        if (!slowest || f->copy_at < slowest->copy_at) slowest = f;
        if (!fastest || f->copy_at > fastest->copy_at) fastest = f;
    }
    if (!slowest) {
        persist_walk_cancel(t->walk);
        transfer_free(t);
        return 0;
    }
    if (t->spooled) return ROOM_BYTES;
    uint64_t now = clock_boot_ns(), lag = lacks(fastest, t);
    t->hungry = lag < HUNGRY_BYTES;
    bool alone = lacks(slowest, t) - lag < ROOM_BYTES;
    if (lacks(slowest, t) >= ASIDE_BYTES) return wait_for_slowest(t, slowest, alone, now);
    t->full_ns = 0;
    if (lag < ROOM_BYTES) return (size_t)(ROOM_BYTES - lag);
    return others_wait(t, now) ? ROOM_BYTES / 4 : 0;
}

static void copy_end(void *arg, bool ok, const char *reason) {
    struct transfer *t = arg;
    t->walk = NULL;
    t->ended = true;
    if (!ok) {
        log_warning("replication: a full copy was given up: %s", reason);
        for (struct feed *f = t->r->feeds; f; f = f->next)
            if (shares(f, t)) feed_end(f, "its full copy was given up");
        transfer_free(t);
        return;
    }
    if (!t->spooled) backlog_add(t->row, t->mark, sizeof t->mark);
    for (struct feed *f = t->r->feeds, *next; f; f = next) {
        next = f->next;
        if (!shares(f, t)) continue;
        if (t->spooled) buf_printf(&f->out, "$%llu\r\n", (unsigned long long)backlog_end(t->row));
        feed_flush(f);
    }
    transfers_tidy(t->r);
}

/* ---- The slaves' side ------------------------------------------------------------------------ */

bool transfer_has(const struct feed *f) {
    const struct transfer *t = f->transfer;
    return (!t->spooled || t->ended) && f->copy_at < backlog_end(t->row);
}

bool transfer_done(const struct feed *f) {
    return f->transfer->ended && f->copy_at == backlog_end(f->transfer->row);
}

bool transfer_is_made(const struct feed *f) {
    return f->transfer && f->transfer->spooled && !f->transfer->ended;
}

/* Ended transfers let go of what was taken, and end when nobody takes from them. */
void transfers_tidy(struct repl *r) {
    for (struct transfer *t = r->transfers, *next; t; t = next) {
        bool any = false;
        next = t->next;
        if (!t->ended) continue;
        for (struct feed *f = r->feeds; f; f = f->next) any = any || shares(f, t);
        if (any)
            keep_row(t);
        else
            transfer_free(t);
    }
}

static void walk_start(struct transfer *t) {
    struct persist_sink sink = {.arg = t,
                                .begin = copy_begin,
                                .bytes = copy_bytes,
                                .room = copy_room,
                                .end = copy_end,
                                .needs_loop = !t->spooled,
                                .kind = PERSIST_WALK_SLAVE,
                                .rdb_version = t->rdb_version,
                                .plain_now = &t->hungry};
    loop_timer_stop(t->delay);
    t->walk = persist_walk_start(t->r->persist, &sink);
}

/* As Redis has it: repl-diskless-sync-delay after the first that waits came, or when so many wait as
 * repl-diskless-sync-max-replicas says. The pair's slave, and a copy that is made whole first, wait for nobody. */
static void look_whether_due(struct transfer *t) {
    const struct repl_options *o = &t->r->o;
    uint64_t waited = clock_boot_ns() - t->made_ns,
             delay = (uint64_t)o->diskless_delay_ms * NS_PER_MS;
    int waiting = 0;
    bool pair = false;
    if (t->walk || t->ended) return;
    for (struct feed *f = t->r->feeds; f; f = f->next) {
        if (!shares(f, t)) continue;
        waiting++;
        pair = pair || f->conf.pair;
    }
    bool enough = o->diskless_max > 0 && waiting >= o->diskless_max;
    if (pair || enough || t->spooled || !o->diskless || waited >= delay)
        walk_start(t);
    else
        loop_timer_start(t->delay, delay - waited, 0);
}

static void delay_over(struct loop *l, void *arg) {
    (void)l;
    look_whether_due(arg);
}

void transfers_reconfigure(struct repl *r) {
    for (struct transfer *t = r->transfers; t; t = t->next) look_whether_due(t);
}

static struct transfer *transfer_new(struct repl *r, bool spooled, int version) {
    char mark[sizeof((struct transfer *)0)->mark + 1];
    struct transfer *t = xcalloc(1, sizeof *t);
    t->r = r;
    t->spooled = spooled;
    t->rdb_version = version;
    t->made_ns = clock_boot_ns();
    t->delay = loop_timer_new(r->loop, delay_over, t);
    t->row = backlog_new(0, 0);
    t->aside = overrun_new(r->dir, repl_close_aside, r);
    rand_hex(mark, sizeof t->mark);
    memcpy(t->mark, mark, sizeof t->mark);
    t->next = r->transfers;
    r->transfers = t;
    return t;
}

void transfer_join(struct repl *r, struct feed *f) {
    struct transfer *t = r->transfers;
    int version = f->conf.rdb_version ? f->conf.rdb_version
                  : f->conf.psync2    ? 0
                                      : r->o.old_rdb_version;
    f->state = FEED_WAIT;
    while (t && (t->begun || t->spooled == f->conf.eof || t->rdb_version != version)) t = t->next;
    if (!t) t = transfer_new(r, !f->conf.eof, version);
    f->transfer = t;
    log_notice("replication: slave %s gets a full copy", f->conf.host);
    look_whether_due(t);
}

/* Not from inside of a walk's step. */
void transfer_left(struct feed *f) {
    struct transfer *t = f->transfer;
    f->transfer = NULL;
    if (!t) return;
    for (struct feed *other = t->r->feeds; other; other = other->next)
        if (other->transfer == t) return;
    if (t->walk) persist_walk_cancel(t->walk);
    transfer_free(t);
}

void transfers_close(struct repl *r) {
    while (r->transfers) {
        if (r->transfers->walk) persist_walk_cancel(r->transfers->walk);
        transfer_free(r->transfers);
    }
}
