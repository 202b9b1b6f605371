/* Snapshots: the store's walk turned into the bytes of an RDB file for a sink, in steps between
 * commands. Walks queue; the first one runs. The step's length follows the load: about as long
 * as what ran since the last one, at most STEP_MAX_US, so that a walk takes half of a busy
 * executor and all of an idle one. */
#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/persist/value.h"
#include "server/proto/crc64.h"
#include "server/store/store.h"

#include <stdlib.h>
#include <string.h>

enum {
    STEP_MIN_US = 100,
    STEP_MAX_US = 1000,
    FLUSH_BYTES = 128 * 1024,
    ENTRIES_A_LOOK = 32,
    PAUSED_MS = 1
};

struct persist_walk {
    struct persist_walk *next;
    struct persist *p;
    struct persist_sink sink;
    bool running;
    bool walked; /* the store's walk is complete */
    struct buf out;
    uint64_t crc;
    int db;               /* selected in the file, -1: none yet */
    uint64_t dbs_seen[4]; /* RESIZEDB was written; databases above 255 go without it */
    int64_t done, total;
    uint64_t last_ns;
};

static void select_db(struct persist_walk *w, int db) {
    w->db = db;
    rdb_put_select(&w->out, (uint64_t)db);
    if (db >= 256 || (w->dbs_seen[db / 64] >> (db % 64) & 1)) return;
    w->dbs_seen[db / 64] |= 1ULL << (db % 64);
    rdb_put_resize(&w->out, store_walk_count(w->p->store, db),
                   store_walk_expiring_count(w->p->store, db));
}

static void flush(struct persist_walk *w) {
    size_t n = buf_len(&w->out);
    if (n == 0) return;
    if (w->p->o.rdb_checksum) w->crc = crc64(w->crc, buf_head(&w->out), n);
    w->sink.bytes(w->sink.arg, buf_head(&w->out), n);
    buf_clear(&w->out);
}

static void walk_entry(void *arg, int db, const struct entry *e, bool before_change) {
    (void)before_change;
    struct persist_walk *w = arg;
    if (db != w->db) select_db(w, db);
    value_save(&w->out, e, w->p->o.rdb_compression);
    w->done++;
    /* Entries of many megabytes go on at once; the others are gathered. */
    if (buf_len(&w->out) >= 8 * FLUSH_BYTES) flush(w);
}

static void put_head(struct persist_walk *w, const struct persist_pos *pos) {
    rdb_put_magic(&w->out);
    rdb_put_aux(&w->out, "redis-ver", "7.0.15");
    rdb_put_aux_u64(&w->out, "redis-bits", 64);
    rdb_put_aux_u64(&w->out, "ctime", (uint64_t)(clock_wall_ms() / 1000));
    rdb_put_aux_u64(&w->out, "used-mem", store_memory(w->p->store));
    if (pos->id[0]) {
        rdb_put_aux_u64(&w->out, "repl-stream-db", (uint64_t)(pos->db < 0 ? 0 : pos->db));
        rdb_put_aux(&w->out, "repl-id", pos->id);
        rdb_put_aux_u64(&w->out, "repl-offset", pos->offset);
    }
    rdb_put_aux_u64(&w->out, "aof-base", 0);
}

static bool walk_begin(struct persist_walk *w) {
    struct persist *p = w->p;
    struct persist_pos pos = {.db = -1};
    const struct store_walker walker = {.arg = w, .entry = walk_entry};
    if (!store_walk_start(p->store, &walker)) return false;
    if (p->pos_now) p->pos_now(p->pos_arg, &pos);
    w->running = true;
    w->db = -1;
    for (int db = 0; db < store_databases(p->store); db++)
        w->total += (int64_t)store_walk_count(p->store, db);
    put_head(w, &pos);
    w->sink.begin(w->sink.arg, &pos);
    return true;
}

static void unlink_walk(struct persist_walk *w) {
    struct persist_walk **at = &w->p->walks;
    while (*at != w) at = &(*at)->next;
    *at = w->next;
    buf_free(&w->out);
    free(w);
}

static void walk_end(struct persist_walk *w) {
    struct persist_sink sink = w->sink;
    rdb_put_eof(&w->out);
    if (w->p->o.rdb_checksum) w->crc = crc64(w->crc, buf_head(&w->out), buf_len(&w->out));
    rdb_put_checksum(&w->out, w->p->o.rdb_checksum ? w->crc : 0);
    sink.bytes(sink.arg, buf_head(&w->out), buf_len(&w->out));
    unlink_walk(w);
    sink.end(sink.arg, true, NULL);
}

static void walk_work(struct persist_walk *w, uint64_t budget_ns) {
    uint64_t end = clock_boot_ns() + budget_ns;
    do {
        w->walked = !store_walk_step(w->p->store, ENTRIES_A_LOOK);
        if (buf_len(&w->out) >= FLUSH_BYTES) {
            flush(w);
            if (w->sink.room(w->sink.arg) == 0) break;
        }
    } while (!w->walked && clock_boot_ns() < end);
}

bool walks_tick(struct persist *p) {
    struct persist_walk *w = p->walks;
    if (!w) return false;
    if (!w->running && !walk_begin(w)) return true;
    if (p->walks != w) return true; /* the sink gave it up */
    uint64_t now = clock_boot_ns(), busy_us = (now - w->last_ns) / 1000;
    uint64_t budget_us = busy_us < STEP_MIN_US   ? STEP_MIN_US
                         : busy_us > STEP_MAX_US ? STEP_MAX_US
                                                 : busy_us;
    p->walks_full = w->sink.room(w->sink.arg) == 0;
    if (p->walks != w) return true;
    if (!p->walks_full) walk_work(w, budget_us * 1000);
    if (p->walks != w) return true;
    if (w->walked)
        walk_end(w);
    else {
        flush(w); /* keys that changed while the sink had no room must not pile up here */
        if (p->walks == w) w->last_ns = clock_boot_ns();
    }
    return true;
}

static void tick(struct loop *l, void *arg) {
    (void)l;
    struct persist *p = arg;
    if (!walks_tick(p)) return;
    bool paused = p->walks && (!p->walks->running || p->walks_full);
    if (p->walks) loop_timer_start(p->walk_timer, paused ? PAUSED_MS * NS_PER_MS : 0, 0);
}

void walks_open(struct persist *p) {
    p->walk_timer = loop_timer_new(p->loop, tick, p);
}

void walks_close(struct persist *p) {
    while (p->walks) persist_walk_cancel(p->walks);
    loop_timer_free(p->walk_timer);
    p->walk_timer = NULL;
}

struct persist_walk *persist_walk_start(struct persist *p, const struct persist_sink *sink) {
    struct persist_walk *w = xcalloc(1, sizeof *w), **at = &p->walks;
    w->p = p;
    w->sink = *sink;
    w->last_ns = clock_boot_ns();
    while (*at) at = &(*at)->next;
    *at = w;
    if (!loop_timer_active(p->walk_timer)) loop_timer_start(p->walk_timer, 0, 0);
    return w;
}

void persist_walk_cancel(struct persist_walk *w) {
    if (w->running && !w->walked) store_walk_abort(w->p->store);
    unlink_walk(w);
}

void walks_give_up_sockets(struct persist *p) {
    for (struct persist_walk *w = p->walks, *next; w; w = next) {
        struct persist_sink sink = w->sink;
        next = w->next;
        if (!sink.needs_loop) continue;
        persist_walk_cancel(w);
        sink.end(sink.arg, false, "a SAVE came between");
    }
}

void walks_progress(const struct persist *p, int64_t *done, int64_t *total) {
    const struct persist_walk *w = p->walks;
    *done = w && w->running ? w->done : 0;
    *total = w && w->running ? w->total : 0;
}
