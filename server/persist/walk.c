/* Snapshots: the store's walk turned into the bytes of an RDB file for a sink, in steps between
 * commands. Walks queue; the first one runs. The step's length follows the load: about as long
 * as what ran since the last one, at most STEP_MAX_US, so that a walk takes half of a busy
 * executor and all of an idle one.
 *
 * Bytes go from walk_out's `ready` to the sink, or, while that has no room, to the end of a queue
 * that stands aside (spill.h): changed keys come then too. What stands aside is bounded; a walk that
 * needs more is given up with a reason, and so is one for which the store keeps too much. */
#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/persist/walk_out.h"
#include "server/persist/worker.h"
#include "server/proto/crc64.h"
#include "server/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STEP_MIN_US = 100,
    STEP_MAX_US = 1000,
    FLUSH_BYTES = 128 * 1024,
    ITEMS_A_LOOK = 32,
    LOOKED_AT_A_STEP = 64,
    PAUSED_MS = 1,
    SWEEP_ENTRIES = 10000,
    ASIDE_MEMORY_BYTES = 4 << 20,
    KEPT_BYTES = 64 << 20, /* by the store, of values that change; and a part of what it holds */
    KEPT_PART = 8
};
#define ASIDE_FILE_BYTES        (4ULL << 30) /* of a walk into a file */
#define ASIDE_FILE_SOCKET_BYTES (1ULL << 30) /* of one that another machine takes */

struct persist_walk {
    struct persist_walk *next;
    struct persist *p;
    struct persist_sink sink;
    bool running;
    bool walked;        /* the store's walk is complete */
    size_t memory_then; /* the store's, when the walk began */
    struct walk_out out;
    struct spill_pool *pool;
    struct spill behind; /* bytes before those in out.ready, for a sink that had no room */
    size_t room;         /* what the sink has still room for, as it said last */
    uint64_t crc, bytes;
    int64_t total;
    uint64_t begun_ns, last_ns;
    uint64_t rest_until_ns; /* persist_set_walk_pace */
    /* An old version has no form for some kinds: all keys are looked at before it begins. */
    int look_db;
    uint64_t look_at;
};

/* ---- Bytes to the sink ----------------------------------------------------------------------- */

static void deliver(struct persist_walk *w, struct buf *bytes) {
    size_t n = buf_len(bytes);
    if (w->p->o.rdb_checksum) w->crc = crc64(w->crc, buf_head(bytes), n);
    w->sink.bytes(w->sink.arg, buf_head(bytes), n);
    w->bytes += n;
    w->room = n < w->room ? w->room - n : 0;
    buf_clear(bytes);
}

/* Takes what is ready away. The sink is not asked for room: this may be in the middle of a command,
 * and the sink may give the walk up when it is asked. */
static void flush(struct persist_walk *w) {
    struct buf *ready = &w->out.ready;
    if (buf_len(ready) == 0) return;
    if (w->room && spill_empty(&w->behind)) {
        deliver(w, ready);
        return;
    }
    spill_add(&w->behind, buf_head(ready), buf_len(ready));
    buf_clear(ready);
    buf_trim(ready, 8 * FLUSH_BYTES);
}

static void long_ready(void *arg) {
    flush(arg);
}

/* What stands behind goes to the sink while that has room. */
static void catch_up(struct persist_walk *w) {
    struct buf piece = BUF_INIT;
    while (w->room && !spill_empty(&w->behind) && spill_take(&w->behind, &piece))
        deliver(w, &piece);
    buf_free(&piece);
}

/* ---- Begin and end --------------------------------------------------------------------------- */

static const char *redis_version(int version) {
    return version == RDB_VERSION ? "7.0.15" : "3.2.12";
}

static void put_head(struct persist_walk *w, const struct persist_pos *pos) {
    struct buf *out = &w->out.ready;
    int version = w->out.style.version;
    rdb_put_magic(out, version);
    if (version < RDB_VERSION_3_2) return; /* knows no such fields */
    rdb_put_aux(out, "redis-ver", redis_version(version));
    rdb_put_aux_u64(out, "redis-bits", 64);
    rdb_put_aux_u64(out, "ctime", (uint64_t)(clock_wall_ms() / 1000));
    rdb_put_aux_u64(out, "used-mem", store_memory(w->p->store));
    if (pos->id[0]) {
        rdb_put_aux_u64(out, "repl-stream-db", (uint64_t)(pos->db < 0 ? 0 : pos->db));
        rdb_put_aux(out, "repl-id", pos->id);
        rdb_put_aux_u64(out, "repl-offset", pos->offset);
    }
    if (*store_note(w->p->store)) rdb_put_aux(out, PERSIST_NOTE_AUX, store_note(w->p->store));
    rdb_put_aux_u64(out, "aof-base", 0);
}

/* How many keys each database has, before any of them. */
static void put_sizes(struct persist_walk *w) {
    struct store *s = w->p->store;
    for (int db = 0; db < store_databases(s); db++) {
        size_t n = store_walk_count(s, db);
        w->total += (int64_t)n;
        if (!n || w->out.style.version < RDB_VERSION_3_2) continue;
        w->out.db = db;
        rdb_put_select(&w->out.ready, (uint64_t)db);
        rdb_put_resize(&w->out.ready, n, store_walk_expiring_count(s, db));
    }
}

/* A long file that has no name is freed when it is closed, which takes its time. */
static int close_file(void *arg) {
    close(*(int *)arg);
    free(arg);
    return 0;
}

static void unlink_walk(struct persist_walk *w) {
    struct persist_walk **at = &w->p->walks;
    while (*at != w) at = &(*at)->next;
    *at = w->next;
    walk_out_close(&w->out);
    spill_free(&w->behind);
    int file = spill_pool_free(w->pool);
    if (file >= 0) worker_post(w->p->bulk_worker, close_file, NULL, xmemdup(&file, sizeof file));
    free(w);
}

void persist_walk_cancel(struct persist_walk *w) {
    if (w->running && !w->walked) store_walk_abort(w->p->store);
    unlink_walk(w);
}

static void give_up(struct persist_walk *w, const char *why) {
    struct persist_sink sink = w->sink;
    char reason[300];
    snprintf(reason, sizeof reason, "%s", why);
    persist_walk_cancel(w);
    sink.end(sink.arg, false, reason);
}

static bool walk_begin(struct persist_walk *w) {
    struct persist *p = w->p;
    struct persist_pos pos = {.db = -1};
    struct store_walker walker = walk_out_walker(&w->out);
    if (!store_walk_start(p->store, &walker)) return false;
    if (p->pos_now) p->pos_now(p->pos_arg, &pos);
    w->memory_then = store_memory(p->store);
    w->running = true;
    w->begun_ns = clock_boot_ns();
    put_head(w, &pos);
    put_sizes(w);
    w->sink.begin(w->sink.arg, &pos);
    return true;
}

static void walk_end(struct persist_walk *w) {
    struct persist_sink sink = w->sink;
    struct buf *out = &w->out.ready;
    bool sum = w->p->o.rdb_checksum;
    rdb_put_eof(out);
    if (sum) w->crc = crc64(w->crc, buf_head(out), buf_len(out));
    rdb_put_checksum(out, sum ? w->crc : 0);
    sink.bytes(sink.arg, buf_head(out), buf_len(out));
    unlink_walk(w);
    sink.end(sink.arg, true, NULL);
}

/* ---- What an old version cannot hold --------------------------------------------------------- */

struct look {
    int version;
    char *why;
    size_t why_size;
    size_t seen;
    bool found;
};

static void look_at(void *arg, struct entry *e) {
    struct look *l = arg;
    l->seen++;
    if (l->found || value_has_form(entry_kind(e), l->version)) return;
    l->found = true;
    value_no_form(entry_kind(e), entry_key(e), l->version, l->why, l->why_size);
}

/* Goes on at *db and *at, until `limit` keys were looked at or all; db is store_databases then. */
static bool look_on(struct store *s, int version, int *db, uint64_t *at, size_t limit, char *why,
                    size_t why_size) {
    struct look l = {version, why, why_size, 0, false};
    if (value_has_form(KIND_STREAM, version)) *db = store_databases(s);
    while (*db < store_databases(s) && l.seen < limit && !l.found) {
        *at = store_scan(s, *db, *at, look_at, &l);
        l.seen++;
        if (*at == 0) ++*db;
    }
    return !l.found;
}

bool walks_can_write(const struct persist *p, int version, size_t limit, char *why,
                     size_t why_size) {
    int db = 0;
    uint64_t at = 0;
    return look_on(p->store, version, &db, &at, limit, why, why_size);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

/* Until the time is over, or the sink has no room. */
static void walk_work(struct persist_walk *w, uint64_t end_ns) {
    do {
        if (!walk_out_settled(&w->out))
            walk_out_settle(&w->out);
        else if (!w->walked)
            w->walked = !store_walk_step(w->p->store, ITEMS_A_LOOK);
        else
            break;
        if (buf_len(&w->out.ready) >= FLUSH_BYTES) flush(w);
    } while (w->room && !walk_out_failure(&w->out) && clock_boot_ns() < end_ns);
}

static bool walk_is_out(const struct persist_walk *w) {
    return w->walked && walk_out_settled(&w->out) && spill_empty(&w->behind);
}

/* False: it has not begun, and cannot yet. */
static bool get_going(struct persist_walk *w, uint64_t end_ns) {
    char why[300];
    struct store *s = w->p->store;
    while (w->look_db < store_databases(s)) {
        if (!look_on(s, w->out.style.version, &w->look_db, &w->look_at, LOOKED_AT_A_STEP, why,
                     sizeof why)) {
            give_up(w, why);
            return false;
        }
        if (clock_boot_ns() >= end_ns) return false;
    }
    return walk_begin(w);
}

/* Of what the store keeps much was there anyway, and has only not been freed: what counts is that memory grows by it. */
static bool is_kept_too_much(const struct persist_walk *w) {
    const struct store *s = w->p->store;
    size_t bound = KEPT_BYTES + w->memory_then / KEPT_PART;
    return store_walk_kept(s) > bound && store_memory(s) > w->memory_then + bound;
}

static bool rests(struct persist_walk *w) {
    w->p->walks_full = w->p->walk_rest_us && clock_boot_ns() < w->rest_until_ns;
    return w->p->walks_full;
}

static void walk_step(struct persist_walk *w, uint64_t end_ns) {
    struct persist *p = w->p;
    uint64_t keys = w->out.keys;
    if (!w->running && !get_going(w, end_ns)) return;
    if (p->walks != w || rests(w)) return; /* the sink gave it up, or it is made slow */
    size_t room = w->sink.room(w->sink.arg);
    if (p->walks != w) return; /* and here */
    w->room = room;
    if (w->sink.plain_now) w->out.style.compress = p->o.rdb_compression && !*w->sink.plain_now;
    catch_up(w);
    if (w->room) walk_work(w, end_ns);
    const char *why = walk_out_failure(&w->out);
    if (!why && is_kept_too_much(w))
        why = "big lists, strings or streams changed too much before they were written";
    if (why)
        give_up(w, why);
    else if (walk_is_out(w))
        walk_end(w);
    else
        flush(w);
    if (p->walks != w) return;
    p->walks_full = w->room == 0;
    w->last_ns = clock_boot_ns();
    w->rest_until_ns = w->last_ns + (w->out.keys - keys) * p->walk_rest_us * 1000;
}

bool walks_tick(struct persist *p) {
    struct persist_walk *w = p->walks;
    if (!w) return false;
    uint64_t now = clock_boot_ns(), busy_us = (now - w->last_ns) / 1000;
    uint64_t budget_us = busy_us < STEP_MIN_US   ? STEP_MIN_US
                         : busy_us > STEP_MAX_US ? STEP_MAX_US
                                                 : busy_us;
    walk_step(w, now + budget_us * 1000);
    uint64_t took_us = (clock_boot_ns() - now) / 1000;
    if (took_us > p->walk_longest_us) p->walk_longest_us = took_us;
    return true;
}

void walks_push(struct persist *p) {
    bool any = walks_tick(p);
    store_work(p->store,
               SWEEP_ENTRIES); /* an aborted walk's marks must go before the next begins */
    if (any && p->walks && !p->walks_full) return;
    worker_wait(p->bulk_worker);
    if (p->aside_worker) worker_wait(p->aside_worker);
}

static void tick(struct loop *l, void *arg) {
    (void)l;
    struct persist *p = arg;
    if (!walks_tick(p)) return;
    bool paused = p->walks && p->walks_full;
    if (p->walks && !p->walks->running) paused = p->walks->look_db == store_databases(p->store);
    if (p->walks) loop_timer_start(p->walk_timer, paused ? PAUSED_MS * NS_PER_MS : 0, 0);
}

/* ---- The queue ------------------------------------------------------------------------------- */

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
    struct value_style style = {sink->rdb_version ? sink->rdb_version : RDB_VERSION,
                                p->o.rdb_compression && !sink->plain};
    w->p = p;
    w->sink = *sink;
    w->last_ns = clock_boot_ns();
    w->pool = spill_pool_new(p->dir, ASIDE_MEMORY_BYTES,
                             sink->needs_loop ? ASIDE_FILE_SOCKET_BYTES : ASIDE_FILE_BYTES);
    spill_init(&w->behind, w->pool);
    walk_out_open(&w->out, &style, w->pool);
    w->out.long_ready = long_ready;
    w->out.arg = w;
    while (*at) at = &(*at)->next;
    *at = w;
    if (!loop_timer_active(p->walk_timer)) loop_timer_start(p->walk_timer, 0, 0);
    return w;
}

void walks_give_up_sockets(struct persist *p) {
    for (struct persist_walk *w = p->walks, *next; w; w = next) {
        next = w->next;
        if (w->sink.needs_loop) give_up(w, "a SAVE came between");
    }
}

bool persist_walk_begin(struct persist_walk *w) {
    struct persist *p = w->p;
    if (p->walks == w && !w->running) get_going(w, UINT64_MAX);
    return p->walks == w && w->running;
}

const char *persist_walk_kind_name(enum persist_walk_kind kind) {
    static const char *const names[] = {[PERSIST_WALK_SAVE] = "save",
                                        [PERSIST_WALK_REWRITE] = "rewrite",
                                        [PERSIST_WALK_SLAVE] = "slave",
                                        [PERSIST_WALK_BACKUP] = "backup",
                                        [PERSIST_WALK_DIGEST] = "digest"};
    return names[kind];
}

void walks_status(const struct persist *p, struct persist_walk_status *s) {
    const struct persist_walk *w = p->walks;
    *s = (struct persist_walk_status){.longest_step_us = p->walk_longest_us};
    if (!w) return;
    for (const struct persist_walk *other = w->next; other; other = other->next) s->waiting++;
    s->kind = w->sink.kind;
    s->running = w->running;
    if (!w->running) return;
    s->keys_done = (int64_t)w->out.keys;
    s->keys_total = w->total;
    s->took_ms = (clock_boot_ns() - w->begun_ns) / NS_PER_MS;
    s->bytes = w->bytes;
    s->values_aside = walk_out_values(&w->out);
    s->aside_memory = spill_memory(w->pool) + buf_len(&w->out.ready);
    if (w->running) s->aside_memory += store_walk_kept(p->store);
    s->aside_file = spill_file_bytes(w->pool);
    s->aside_file_total = spill_written_bytes(w->pool);
}
