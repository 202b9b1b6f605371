/* See rollback.h. */
#include "server/persist/rollback.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/rand.h"
#include "server/persist/inside.h"
#include "server/persist/load.h"
#include "server/persist/prepare.h"
#include "server/persist/room.h"
#include "server/persist/dirs.h"
#include "server/persist/worker.h"
#include "server/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 20, WAIT_MS = 10000, LOAD_STEP_US = 5000 };

struct rollback {
    struct persist *p;
    struct rollback_world world;
    enum rollback_state state;
    enum rollback_stage stage;
    char *set, *from_log, *dir, *new_log, *tail; /* dir: DIR/rollback */
    struct prepare prepare;
    struct loop_timer *timer;
    uint64_t wait_until_ns;
    char reason[900];
    /* while loading */
    struct aof live;
    char *live_log;
    struct persist_loaded before;
    uint64_t synced;
    bool back; /* it is the old log that is loaded, again */
    bool closing;
};

/* ---- the directories ------------------------------------------------------------------------- */

static char *new_tail(const struct persist *p) {
    char stamp[40];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    char *path = xasprintf("%s/rollback-%s", p->tails_dir, stamp);
    for (unsigned i = 2; file_exists(path); i++) {
        free(path);
        path = xasprintf("%s/rollback-%s-%u", p->tails_dir, stamp, i);
    }
    return path;
}

/* Two renames: behind the first there is no log, and rollback_recover finishes what was decided. On the worker. */
static int change_places(void *arg) {
    struct rollback *b = arg;
    char *kept = xasprintf("%s/log", b->tail);
    if (b->live.fd >= 0 && !file_sync(b->live.fd)) return errno;
    bool ok = file_make_dirs(b->tail, 0750) && file_sync_dir(b->p->tails_dir) &&
              rename(b->live_log, kept) == 0 && file_sync_dir(b->tail) &&
              rename(b->new_log, b->live_log) == 0 && file_sync_dir(b->p->dir);
    int error = ok ? 0 : errno;
    free(kept);
    if (!ok) return error;
    rmdir(b->dir);
    tails_trim(b->p->tails_dir);
    return 0;
}

void rollback_recover(const char *dir, const char *log_dir) {
    char *aside = xasprintf("%s/rollback", dir), *new_log = xasprintf("%s/log", aside);
    char *manifest = xasprintf("%s/manifest", new_log); /* is written last */
    if (file_exists(manifest) && !file_exists(log_dir)) {
        if (rename(new_log, log_dir) == 0 && file_sync_dir(dir))
            log_notice("persistence: the rollback that a crash came into was finished");
        else
            log_error("persistence: %s cannot become %s: %m", new_log, log_dir);
    } else if (file_exists(new_log)) {
        log_notice("persistence: a rollback was begun and not finished: the data is as it was");
        file_tree_remove(aside);
    }
    rmdir(aside);
    free(aside);
    free(new_log);
    free(manifest);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void ended(struct rollback *b, bool ok) {
    b->state = ok ? ROLLBACK_DONE : ROLLBACK_FAILED;
    if (ok)
        log_notice("persistence: the data was rolled back to offset %llu: %llu keys; the log as it "
                   "was is in %s",
                   (unsigned long long)b->prepare.pos.offset, (unsigned long long)b->p->loaded.keys,
                   b->tail);
    else
        log_error("persistence: the data was not rolled back: %s", b->reason);
    if (b->closing) return;
    b->world.end(b->world.arg, ok);
    persist_changed(b->p);
}

static int remove_work(void *arg) {
    file_tree_remove(((struct rollback *)arg)->dir);
    return 0;
}

static void removed(void *arg, int error) {
    (void)error;
    ended(arg, false);
}

static void failed(struct rollback *b, const char *reason) {
    snprintf(b->reason, sizeof b->reason, "%s", reason);
    worker_post(b->p->aside_worker, remove_work, removed, b);
}

/* ---- loading --------------------------------------------------------------------------------- */

static void changed_places(void *arg, int error) {
    struct rollback *b = arg;
    struct persist *p = b->p;
    p->log_dir = b->live_log;
    free(p->aof.dir);
    p->aof.dir = xstrdup(p->log_dir);
    aof_free(&b->live);
    p->loading = false;
    if (error) {
        /* What is on disk is one of the two, whole; a process that goes on might write to the other. */
        snprintf(b->reason, sizeof b->reason, "%s and %s could not change places: %s", b->new_log,
                 b->live_log, strerror(error));
        durable_fail(p, b->reason, error);
    }
    p->log_ready = true;
    p->size_after_rewrite = p->aof.base_bytes + aof_live_bytes(&p->aof);
    ended(b, !error);
}

/* The log of the directory is loaded; take: and written from then on. */
static bool load_from(struct rollback *b, char *log_dir, bool take) {
    struct persist *p = b->p;
    char err[700];
    store_flush_all(p->store);
    aof_init(&p->aof, log_dir);
    p->log_dir = log_dir;
    if (manifest_read(log_dir, &p->aof.m, err, sizeof err) != MANIFEST_OK) {
        if (!b->reason[0]) snprintf(b->reason, sizeof b->reason, "%s", err);
        return false;
    }
    p->aof.next = p->aof.m.first ? p->aof.m.first : p->aof.m.base;
    p->loader = loader_new(p);
    if (!take) loader_look_only(p->loader);
    return true;
}

static void back_again(struct rollback *b) {
    struct persist *p = b->p;
    p->log_dir = b->live_log;
    aof_free(&p->aof);
    p->aof = b->live;
    p->loaded = b->before;
    p->sync.synced = b->synced;
    p->loading = false;
    worker_post(p->aside_worker, remove_work, removed, b);
}

static void take_back(struct rollback *b) {
    b->back = true;
    log_error("persistence: what was to be rolled back to could not be loaded (%s); the data as it "
              "was is loaded again",
              b->reason);
    aof_free(&b->p->aof);
    if (load_from(b, b->live_log, false)) {
        loop_timer_start(b->timer, 0, 0);
        return;
    }
    back_again(b);
}

static void loaded(struct rollback *b, bool well) {
    struct persist *p = b->p;
    loader_free(p->loader);
    p->loader = NULL;
    if (!well && !b->back) {
        snprintf(b->reason, sizeof b->reason, "%s", p->loaded.text);
        take_back(b);
        return;
    }
    if (b->back) {
        if (!well) durable_fail(p, "reading the log again", EIO);
        back_again(b);
        return;
    }
    /* No fsync is under way that would open or close what moves. */
    worker_wait(p->sync_worker);
    worker_post(p->bulk_worker, change_places, changed_places, b);
}

static void begin_load(struct rollback *b) {
    struct persist *p = b->p;
    b->stage = ROLLBACK_LOAD;
    b->world.begin(b->world.arg);
    if (p->saving) file_walk_cancel(p->saving);
    if (p->rewriting) file_walk_cancel(p->rewriting);
    p->saving = p->rewriting = NULL;
    backup_stop(p, "the data was rolled back");
    walks_give_up_sockets(p);
    worker_wait(p->bulk_worker); /* a manifest may be on its way */
    worker_wait(p->sync_worker);
    p->loading = true;
    room_clear(p->room, UINT64_MAX);
    room_wait(p->room);
    aof_give_back(&p->aof);
    b->before = p->loaded;
    b->live = p->aof;
    b->live_log = p->log_dir;
    b->synced = p->sync.synced;
    durable_restart(p, b->prepare.pos.offset);
    if (load_from(b, b->new_log, true))
        loop_timer_start(b->timer, 0, 0);
    else
        take_back(b);
    persist_changed(p);
}

/* ---- before ---------------------------------------------------------------------------------- */

static void tick(struct loop *l, void *arg) {
    (void)l;
    struct rollback *b = arg;
    if (b->stage == ROLLBACK_LOAD) {
        enum persist_load st = loader_step(b->p->loader, LOAD_STEP_US);
        if (st == PERSIST_LOADING)
            loop_timer_start(b->timer, 0, 0);
        else
            loaded(b, st == PERSIST_LOADED);
        return;
    }
    if (b->p->loading || b->p->committing || !log_active(b->p)) {
        failed(b, "something else came between: a copy of the data, a rewrite of the log, or it "
                  "was switched off");
    } else if (b->world.ready(b->world.arg)) {
        begin_load(b);
    } else if (clock_boot_ns() > b->wait_until_ns) {
        failed(b, "the pair's slave could not be counted out: had did not say that this node "
                  "serves alone; nothing was changed");
    } else {
        loop_timer_start(b->timer, POLL_MS * NS_PER_MS, 0);
    }
}

static int prepare_work(void *arg) {
    struct rollback *b = arg;
    return prepare_run(&b->prepare) ? 0 : EINVAL;
}

static void prepared(void *arg, int error) {
    struct rollback *b = arg;
    if (error) {
        failed(b, b->prepare.err);
        return;
    }
    b->stage = ROLLBACK_WAIT;
    b->wait_until_ns = clock_boot_ns() + WAIT_MS * NS_PER_MS;
    loop_timer_start(b->timer, 0, 0);
}

static void rollback_free(struct rollback *b) {
    if (!b) return;
    loop_timer_free(b->timer);
    prepare_free(&b->prepare);
    free(b->set);
    free(b->from_log);
    free(b->dir);
    free(b->new_log);
    free(b->tail);
    free(b);
}

/* ---- outside --------------------------------------------------------------------------------- */

bool rollback_start(struct persist *p, const char *set, uint64_t until_us, const char *log_dir,
                    const struct rollback_world *world, char *err, size_t err_size) {
    const char *why = p->loading ? "the data is being loaded; try again when it is there"
                      : p->rollback && p->rollback->state == ROLLBACK_RUNNING
                          ? "a rollback is under way"
                      : !log_active(p) || p->sync.failed
                          ? "the log is off, or cannot be written: there is nothing to go back in"
                      : !set && !until_us ? "a time must be given to go back to without a set"
                      : set && !setfile_is_dir(set) && !setfile_is_archive(set)
                          ? "there is no backup set of that name"
                          : NULL;
    if (why) {
        snprintf(err, err_size, "%s", why);
        return false;
    }
    persist_open_aside(p);
    rollback_free(p->rollback);
    struct rollback *b = p->rollback = xcalloc(1, sizeof *b);
    b->p = p;
    b->world = *world;
    b->state = ROLLBACK_RUNNING;
    b->set = set ? xstrdup(set) : NULL;
    b->dir = xasprintf("%s/rollback", p->dir);
    b->new_log = xasprintf("%s/log", b->dir);
    b->from_log = xstrdup(log_dir ? log_dir : p->log_dir);
    b->tail = new_tail(p);
    b->timer = loop_timer_new(p->loop, tick, b);
    file_tree_remove(b->dir);
    b->prepare = (struct prepare){
        .set = b->set, .log_dir = b->from_log, .until_us = until_us, .to = b->new_log};
    rand_hex(b->prepare.replid, PERSIST_ID_CHARS);
    worker_post(p->aside_worker, prepare_work, prepared, b);
    return true;
}

void rollback_close(struct persist *p) {
    struct rollback *b = p->rollback;
    if (!b) return;
    __atomic_store_n(&b->prepare.seen.stop, true, __ATOMIC_RELAXED);
    b->closing = true;
    worker_wait(p->bulk_worker);
    worker_wait(p->aside_worker);
    if (b->live_log &&
        p->log_dir != b->live_log) { /* the server ends while it loads: the log is the old one */
        aof_free(&b->live);
        p->log_dir = b->live_log;
    }
    rollback_free(b);
    p->rollback = NULL;
}

void rollback_status(const struct persist *p, struct rollback_status *s) {
    const struct rollback *b = p->rollback;
    *s = (struct rollback_status){.set = "", .tail = "", .reason = ""};
    if (!b) return;
    const struct prepare *made = &b->prepare;
    s->state = b->state;
    s->stage = b->stage;
    s->set = b->set ? b->set : "";
    s->until_us = made->until_us;
    s->reason = b->state == ROLLBACK_FAILED ? b->reason : "";
    if (b->state == ROLLBACK_RUNNING && b->stage == ROLLBACK_VERIFY) {
        bool verify = __atomic_load_n(&made->stage, __ATOMIC_RELAXED) == PREPARE_VERIFY;
        uint64_t done = setfile_seen(&made->seen.done), all = setfile_seen(&made->seen.all);
        s->stage = verify ? ROLLBACK_VERIFY : ROLLBACK_COPY;
        s->progress = all ? (double)done / (double)all : 0.0;
    }
    if (b->stage == ROLLBACK_LOAD && p->loader) s->progress = loader_progress(p->loader);
    if (b->state != ROLLBACK_DONE) return;
    s->progress = 1.0;
    s->keys = p->loaded.keys;
    s->offset = made->pos.offset;
    s->wall_us = made->wall_us;
    memcpy(s->replid, made->replid, sizeof s->replid);
    s->tail = b->tail;
}
