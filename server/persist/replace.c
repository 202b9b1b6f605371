/* A master's full copy becomes the data and the log's base.
 *
 * Loaded beside: its bytes are made data of while they come, in the store's second set of databases. When all of it is there, and
 * checked, the file becomes the base (commit.h) and then the databases change places; a failure at any step leaves data and
 * log as they were. Without memory for both: the file becomes the base, the data is emptied, the file is loaded in steps. */
#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/persist/commit.h"
#include "server/persist/load.h"
#include "server/persist/room.h"
#include "server/persist/worker.h"
#include "server/store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOAD_STEP_US = 2000, BESIDE_STEP_US = 1000, ASK_ROOM_MS = 50, QUIET_POLL_MS = 2 };

struct beside {
    struct persist *p;
    struct persist_copy copy;
    struct loader *loader; /* NULL: it came to its end well */
    struct persist_loaded loaded;
    struct loop_timer *again;
    struct loop_wake *come;
    size_t memory_before;
    uint64_t asked_ns;
    struct persist_load_status at_end;
};

/* ---- beside the data -------------------------------------------------------------------------- */

static void beside_free(struct persist *p) {
    struct beside *b = p->beside;
    if (!b) return;
    p->beside = NULL;
    if (b->loader) b->copy.stop(b->copy.arg);
    loader_free(b->loader);
    loop_timer_free(b->again);
    loop_wake_free(b->come);
    free(b);
}

const struct persist_loaded *persist_beside_loaded(const struct persist *p) {
    return &p->beside->loaded;
}

void persist_beside_drop(struct persist *p) {
    if (!p->beside) return;
    beside_free(p);
    store_beside_drop(p->store);
    persist_changed(p);
}

static size_t beside_memory(const struct beside *b) {
    size_t now = store_memory(b->p->store);
    return now > b->memory_before ? now - b->memory_before : 0;
}

static bool has_room(struct beside *b) {
    uint64_t now = clock_boot_ns();
    if (now - b->asked_ns < ASK_ROOM_MS * NS_PER_MS) return true;
    b->asked_ns = now;
    return b->copy.fits(b->copy.arg, beside_memory(b));
}

/* It is given up; the copy's owner hears why, when nothing of it is left. */
static void beside_fails(struct beside *b, enum persist_beside_end end) {
    struct persist *p = b->p;
    struct persist_copy copy = b->copy;
    char why[sizeof b->loaded.text];
    memcpy(why, b->loaded.text, sizeof why);
    persist_beside_drop(p);
    copy.ended(copy.arg, end, why);
}

static void beside_step(struct loop *loop, void *arg) {
    struct beside *b = arg;
    (void)loop;
    if (!b->loader) return;
    if (!has_room(b)) {
        snprintf(b->loaded.text, sizeof b->loaded.text,
                 "there is no memory for it beside the data");
        beside_fails(b, PERSIST_BESIDE_NO_ROOM);
        return;
    }
    enum persist_load st = loader_step(b->loader, BESIDE_STEP_US);
    if (st == PERSIST_LOADING) {
        /* Memory may run short while nothing comes, too. */
        loop_timer_start(b->again, loader_is_dry(b->loader) ? ASK_ROOM_MS * NS_PER_MS : 0, 0);
        return;
    }
    if (st == PERSIST_DAMAGED) {
        beside_fails(b, PERSIST_BESIDE_BAD);
        return;
    }
    loader_status(b->loader, &b->at_end);
    b->copy.stop(b->copy.arg);
    loader_free(b->loader);
    b->loader = NULL;
    b->copy.ended(b->copy.arg, PERSIST_BESIDE_LOADED, b->loaded.text);
}

static void bytes_came(void *arg) {
    struct beside *b = arg;
    loop_wake(b->come);
}

static ssize_t read_copy(void *arg, void *p, size_t n) {
    const struct beside *b = arg;
    return b->copy.read(b->copy.arg, p, n);
}

void persist_beside(struct persist *p, const struct persist_copy *copy) {
    must(!p->beside && !p->replacing, "one copy comes at a time");
    struct beside *b = p->beside = xcalloc(1, sizeof *b);
    b->p = p;
    b->copy = *copy;
    b->again = loop_timer_new(p->loop, beside_step, b);
    b->come = loop_wake_new(p->loop, beside_step, b);
    b->memory_before = store_memory(p->store);
    b->asked_ns = clock_boot_ns();
    const struct load_source source = {.arg = b,
                                       .read = read_copy,
                                       .size = copy->size,
                                       .name = "the copy",
                                       .grows = true,
                                       .come = bytes_came};
    b->loader = loader_beside(p, &source, &b->loaded);
    loop_timer_start(b->again, 0, 0);
    persist_changed(p);
}

bool beside_status(const struct persist *p, struct persist_load_status *s) {
    const struct beside *b = p->beside;
    if (!b) return false;
    if (b->loader)
        loader_status(b->loader, s);
    else
        *s = b->at_end;
    return true;
}

/* ---- it becomes the data ------------------------------------------------------------------------ */

static void replaced(struct persist *p, bool ok, const char *reason) {
    struct commit *c = p->replacing;
    p->replacing = NULL;
    p->loading = false;
    if (c->done) c->done(c->arg, ok, reason);
    commit_free(c);
    persist_changed(p);
}

static void replace_load(struct persist *p) {
    enum persist_load st = loader_step(p->loader, LOAD_STEP_US);
    if (st == PERSIST_LOADING) {
        loop_timer_start(p->load_timer, 0, 0);
        return;
    }
    loader_free(p->loader);
    p->loader = NULL;
    replaced(p, st == PERSIST_LOADED, p->loaded.text);
}

static int close_work(void *arg) {
    close((int)(intptr_t)arg); /* its blocks are given back now: it has no name any more */
    return 0;
}

/* The books of the log, as the manifest has it now. */
static void begin_log(struct persist *p, const struct commit *c) {
    struct stat st;
    room_clear(p->room, UINT64_MAX);
    if (p->aof.fd >= 0) worker_post(p->bulk_worker, close_work, NULL, (void *)(intptr_t)p->aof.fd);
    p->aof.fd = -1;
    aof_reset(&p->aof);
    p->aof.m = c->m;
    p->aof.written = c->m.base_pos.offset;
    if (c->m.base) p->aof.next = c->m.base;
    p->log_ready = true;
    durable_restart(p, c->m.base_pos.offset);
    p->aof.base_bytes = p->size_after_rewrite = stat(c->base, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void replace_committed(void *arg, int error) {
    struct commit *c = arg;
    struct persist *p = c->p;
    p->changing_base = false;
    if (error) {
        persist_beside_drop(p);
        replaced(p, false, strerror(error));
        return;
    }
    begin_log(p, c);
    if (c->beside) {
        store_beside_take(p->store);
        p->loaded = p->beside->loaded;
        p->loaded.pos = c->m.base_pos;
        beside_free(p);
        replaced(p, true, p->loaded.text);
        return;
    }
    store_flush_all(p->store);
    p->loader = loader_base(p, c->base, &c->m.base_pos);
    loop_timer_start(p->load_timer, 0, 0);
    persist_changed(p);
}

/* No thread has the log's files in hand: nothing here waits for one. */
static bool is_quiet(struct persist *p) {
    return !p->committing && !p->sync.running && worker_idle(p->sync_worker) &&
           worker_idle(p->bulk_worker);
}

static void replace_begin(struct persist *p) {
    struct commit *c = p->replacing;
    char path[600];
    c->m = p->aof.m;
    c->m.line_count = 0; /* where the new data came from is not known */
    c->m.base_pos = c->pos;
    c->m.base = c->m.first = p->o.log_on ? p->aof.next : 0;
    manifest_part_path(path, sizeof path, p->log_dir, c->m.base, "base");
    c->base = xstrdup(p->o.log_on ? path : p->rdb_path);
    if (c->keep_old && p->o.log_on && (p->aof.part_count || p->aof.m.base || p->loaded.damaged))
        c->keep_dir = xasprintf("%s/log-%lld-%.8s", p->tails_dir,
                                (long long)(clock_wall_ms() / 1000), c->pos.id);
    c->begun = p->changing_base = true;
    worker_post(p->bulk_worker, commit_work, replace_committed, c);
}

static void replace_turn(struct loop *loop, void *arg) {
    struct persist *p = arg;
    (void)loop;
    if (p->loader)
        replace_load(p);
    else if (p->replacing && !p->replacing->begun && is_quiet(p))
        replace_begin(p);
    else
        loop_timer_start(p->load_timer, QUIET_POLL_MS * NS_PER_MS, 0);
}

bool persist_replace(struct persist *p, const char *rdb_path, const struct persist_pos *pos,
                     bool keep_old, void (*done)(void *arg, bool ok, const char *reason), void *arg,
                     char *err, size_t err_size) {
    if (p->loading || p->replacing) {
        snprintf(err, err_size, "another file is being loaded");
        return false;
    }
    bool beside = p->beside && !p->beside->loader;
    if (!beside) persist_beside_drop(p);
    if (p->saving) file_walk_cancel(p->saving);
    if (p->rewriting) file_walk_cancel(p->rewriting);
    p->saving = p->rewriting = NULL;
    struct commit *c = xcalloc(1, sizeof *c);
    *c = (struct commit){.p = p,
                         .pos = *pos,
                         .keep_old = keep_old,
                         .beside = beside,
                         .done = done,
                         .arg = arg,
                         .from = xstrdup(rdb_path)};
    p->replacing = c;
    p->loading = !beside;
    loop_timer_start(p->load_timer, 0, 0);
    persist_changed(p);
    return true;
}

void persist_replace_leave(struct persist *p) {
    if (p->replacing) p->replacing->done = NULL;
}

void replace_open(struct persist *p) {
    p->load_timer = loop_timer_new(p->loop, replace_turn, p);
}

void replace_close(struct persist *p) {
    beside_free(p);
    loop_timer_free(p->load_timer);
    p->load_timer = NULL;
    if (p->replacing) commit_free(p->replacing);
    p->replacing = NULL;
}
