#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/persist/load.h"
#include "server/persist/room.h"
#include "server/persist/value.h"
#include "server/persist/worker.h"
#include "server/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TICK_NS = 200000000 };

void persist_defaults(struct persist_options *o) {
    *o = (struct persist_options){.dir = ".",
                                  .rdb_name = "dump.rdb",
                                  .log_on = true,
                                  .fsync = PERSIST_FSYNC_EVERYSEC,
                                  .rdb_compression = true,
                                  .rdb_checksum = true,
                                  .rdb_version = RDB_VERSION,
                                  .rewrite_percent = 100,
                                  .rewrite_min_bytes = 64ULL << 20,
                                  .keep_bytes = 1ULL << 30};
}

static void second(struct loop *l, void *arg) {
    (void)l;
    struct persist *p = arg;
    save_second(p);
    rewrite_second(p);
    room_second(p->room);
}

static void tick(struct loop *l, void *arg) {
    (void)l;
    durable_tick(arg);
}

static bool is_file(int fd, const char *path) {
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* A server that ends, or that could not start, leaves no lock behind, nor an empty log. */
static void unlock_dir(struct persist *p) {
    if (p->locked) {
        char *path = xasprintf("%s/duet.lock", p->dir);
        unlink(path);
        free(path);
        if (p->loading) rmdir(p->log_dir);
    }
    if (p->lock_fd >= 0) close(p->lock_fd);
}

static bool lock_dir(struct persist *p, char *err, size_t err_size) {
    char *path = xasprintf("%s/duet.lock", p->dir);
    bool ok, gone = false;
    do { /* again when its owner took the file away between open and flock */
        if (gone) close(p->lock_fd);
        p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        ok = p->lock_fd >= 0 && flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0;
        gone = ok && !is_file(p->lock_fd, path);
    } while (gone);
    p->locked = ok;
    if (!ok && errno == EWOULDBLOCK)
        snprintf(
            err, err_size,
            "%s: another server uses this data directory; stop it, or give this one its own (dir)",
            p->dir);
    else if (!ok)
        snprintf(err, err_size, "%s: %s; the data directory must be writable", path,
                 strerror(errno));
    free(path);
    return ok;
}

static bool open_dirs(struct persist *p, char *err, size_t err_size) {
    if (file_make_dirs(p->dir, 0750)) {
        if (!lock_dir(p, err, err_size)) return false;
        rollback_recover(p->dir, p->log_dir);
        if (!p->o.log_on || file_make_dirs(p->log_dir, 0750)) return true;
    }
    snprintf(err, err_size, "%s: %s; the data directory must exist and be writable", p->log_dir,
             strerror(errno));
    return false;
}

struct persist *persist_open(const struct persist_options *o, struct store *store,
                             struct loop *loop, const struct persist_world *world, char *err,
                             size_t err_size) {
    struct persist *p = xcalloc(1, sizeof *p);
    p->o = *o;
    p->store = store;
    p->loop = loop;
    p->world = *world;
    char *whole = file_make_dirs(o->dir, 0750) ? realpath(o->dir, NULL) : NULL;
    p->dir = whole ? whole : xstrdup(o->dir); /* sentences name whole paths */
    p->log_dir = xasprintf("%s/log", p->dir);
    p->rdb_path = xasprintf("%s/%s", p->dir, o->rdb_name);
    p->tails_dir = xasprintf("%s/tails", p->dir);
    p->last_save_ok = p->last_rewrite_ok = true;
    p->last_save_took_s = p->last_rewrite_took_s = -1;
    p->last_save_s = clock_wall_ms() / 1000;
    p->lock_fd = -1;
    aof_init(&p->aof, p->log_dir);
    durable_open(p);
    if (!open_dirs(p, err, err_size)) {
        persist_close(p);
        return NULL;
    }
    p->sync_worker = worker_new(loop);
    p->bulk_worker = worker_new(loop);
    p->room = room_new(p, loop);
    p->loading = true;
    walks_open(p);
    replace_open(p);
    p->second = loop_timer_new(loop, second, p);
    loop_timer_start(p->second, NS_PER_S, NS_PER_S);
    p->tick = loop_timer_new(loop, tick, p);
    loop_timer_start(p->tick, TICK_NS, TICK_NS);
    return p;
}

void persist_open_aside(struct persist *p) {
    if (!p->aside_worker) p->aside_worker = worker_new(p->loop);
}

void persist_aside(struct persist *p, int (*work)(void *arg), void (*done)(void *arg, int error),
                   void *arg) {
    persist_open_aside(p);
    worker_post(p->aside_worker, work, done, arg);
}

const char *persist_log_dir(const struct persist *p) {
    return p->o.log_on ? p->log_dir : NULL;
}

void persist_close(struct persist *p) {
    if (!p) return;
    rollback_close(p);
    backup_close(p);
    if (p->walk_timer) walks_close(p);
    worker_free(p->aside_worker);
    worker_free(p->bulk_worker);
    worker_free(p->sync_worker);
    room_free(p->room);
    durable_close(p);
    replace_close(p);
    loop_timer_free(p->second);
    loop_timer_free(p->tick);
    loader_free(p->loader);
    aof_free(&p->aof);
    unlock_dir(p);
    free(p->dir);
    free(p->log_dir);
    free(p->rdb_path);
    free(p->tails_dir);
    free(p);
}

bool persist_stop(struct persist *p, char *err, size_t err_size) {
    struct persist_pos pos = {.db = -1};
    bool ok = true;
    if (p->pos_now) p->pos_now(p->pos_arg, &p->last_pos); /* writes what was pending */
    pos = p->last_pos;
    if (log_active(p) && !p->loading && pos.id[0] && !p->sync.failed) {
        worker_wait(p->sync_worker);
        ok = p->aof.written == pos.offset || !p->aof.part_count;
        if (ok && p->aof.fd < 0) ok = persist_append(p, &pos, NULL, 0);
        worker_wait(p->sync_worker);
        room_clear(p->room, UINT64_MAX);
        room_wait(p->room);
        ok = ok && file_sync(p->aof.fd) &&
             aof_append(&p->aof, &pos, pos.offset, LOGBLOCK_CLEAN_END, NULL, 0) &&
             aof_give_back(&p->aof) && file_sync(p->aof.fd) && file_sync_dir(p->log_dir);
        if (!ok)
            snprintf(err, err_size, "the log in %s could not be ended cleanly: %s", p->log_dir,
                     strerror(errno));
    }
    return ok;
}

/* ---- loading at start ---------------------------------------------------------------------- */

static bool any_part(struct persist *p) {
    DIR *d = opendir(p->log_dir);
    bool found = false;
    if (!d) return false;
    for (struct dirent *e; (e = readdir(d));) {
        unsigned number;
        char kind[8];
        if (sscanf(e->d_name, "%u.%5s", &number, kind) != 2) continue;
        found = true;
        if (p->aof.next <= number) p->aof.next = number + 1;
    }
    closedir(d);
    return found;
}

static enum persist_load refuse(struct persist *p, const char *what) {
    p->loaded.damaged = true;
    snprintf(p->loaded.text, sizeof p->loaded.text,
             "%s. Nothing was loaded. Take the data from the peer or from a backup, or move the "
             "log away to begin "
             "without it",
             what);
    return PERSIST_DAMAGED;
}

/* Chooses what is loaded: the log, else dump.rdb, else nothing. */
static enum persist_load choose(struct persist *p) {
    char err[700];
    enum manifest_state st = MANIFEST_ABSENT;
    bool parts = any_part(p);
    p->log_ready = true;
    if (p->o.log_on) st = manifest_read(p->log_dir, &p->aof.m, err, sizeof err);
    if (st == MANIFEST_BAD) return refuse(p, err);
    if (st == MANIFEST_ABSENT && parts && p->o.log_on) {
        snprintf(err, sizeof err, "%s: the log's manifest is missing, but parts of it are there",
                 p->log_dir);
        return refuse(p, err);
    }
    if (p->aof.m.base || p->aof.m.first) {
        p->aof.next = p->aof.m.first ? p->aof.m.first : p->aof.m.base;
        p->loader = loader_new(p);
        return PERSIST_LOADING;
    }
    if (!file_exists(p->rdb_path)) {
        p->loaded.pos.db = -1;
        snprintf(p->loaded.text, sizeof p->loaded.text, "there is no data yet in %s", p->dir);
        return PERSIST_LOADED;
    }
    p->loader = loader_base(p, p->rdb_path, NULL);
    p->from_dump = true;
    return PERSIST_LOADING;
}

/* What came from dump.rdb is the log's first base: the same file under a second name. */
static bool adopt_dump(struct persist *p) {
    char path[600];
    struct manifest m = p->aof.m;
    m.base = m.first = p->aof.next;
    m.base_pos = p->loaded.pos;
    if (!m.base_pos.id[0]) memset(m.base_pos.id, '0', PERSIST_ID_CHARS);
    manifest_part_path(path, sizeof path, p->log_dir, m.base, "base");
    unlink(path);
    if (link(p->rdb_path, path) != 0 || !manifest_write(p->log_dir, &m)) return false;
    p->aof.m = m;
    p->aof.written = p->sync.synced = m.base_pos.offset;
    return true;
}

enum persist_load persist_load_step(struct persist *p, uint64_t budget_us) {
    if (!p->loading) return p->loaded.damaged ? PERSIST_DAMAGED : PERSIST_LOADED;
    enum persist_load st = PERSIST_LOADING;
    if (!p->loader) st = choose(p);
    if (p->loader) st = loader_step(p->loader, budget_us);
    if (st == PERSIST_LOADING) return st;
    loader_free(p->loader);
    p->loader = NULL;
    p->loading = false;
    if (st == PERSIST_LOADED && p->from_dump && p->o.log_on && !adopt_dump(p)) {
        log_error("persistence: %s cannot become the log's base: %m; a base is written anew",
                  p->rdb_path);
        p->log_ready = false;
    }
    if (st == PERSIST_LOADED && p->o.log_on && p->log_ready) rewrite_clean(p);
    p->size_after_rewrite = p->aof.base_bytes + aof_live_bytes(&p->aof);
    persist_changed(p);
    return st;
}

const struct persist_loaded *persist_loaded(const struct persist *p) {
    return &p->loaded;
}

double persist_load_progress(const struct persist *p) {
    return p->loader ? loader_progress(p->loader) : p->loading ? 0.0 : 1.0;
}

bool persist_load_status(const struct persist *p, struct persist_load_status *s) {
    if (!p->loader) return beside_status(p, s);
    loader_status(p->loader, s);
    return true;
}

void persist_set_walk_pace(struct persist *p, uint64_t key_rest_us) {
    p->walk_rest_us = key_rest_us;
}

void persist_set_load_pace(struct persist *p, uint64_t key_rest_us, uint64_t step_bytes) {
    p->load_rest_us = key_rest_us;
    p->load_step_bytes = step_bytes;
}

/* ---- the stream ---------------------------------------------------------------------------- */

size_t persist_read(struct persist *p, uint64_t offset, size_t max, struct buf *out,
                    struct persist_pos *block) {
    return log_active(p) ? aof_read(&p->aof, offset, max, out, block) : 0;
}

size_t persist_read_step(struct persist *p, struct persist_reader *r, uint64_t offset, size_t max,
                         struct buf *out) {
    r->busy = false;
    return log_active(p) ? aof_read_step(&p->aof, r, offset, max, out) : 0;
}

uint64_t persist_first_offset(const struct persist *p) {
    return log_active(p) ? aof_first_offset(&p->aof) : UINT64_MAX;
}

size_t persist_lines(const struct persist *p, struct persist_line lines[PERSIST_LINES_MAX]) {
    memcpy(lines, p->aof.m.lines, sizeof p->aof.m.lines);
    return p->aof.m.line_count;
}

bool persist_set_lines(struct persist *p, const struct persist_line *lines, size_t count) {
    must(count <= PERSIST_LINES_MAX, "lines fit into the manifest");
    memmove(p->aof.m.lines, lines, count * sizeof *lines);
    p->aof.m.line_count = count;
    if (!log_active(p) || (!p->aof.m.base && !p->aof.m.first)) return true;
    worker_wait(p->bulk_worker); /* it may be writing a manifest of its own */
    return manifest_write(p->log_dir, &p->aof.m);
}

void persist_set_pos_source(struct persist *p, void (*pos_now)(void *arg, struct persist_pos *pos),
                            void *arg) {
    if (p->pos_now) p->pos_now(p->pos_arg, &p->last_pos); /* it may be going away */
    p->pos_now = pos_now;
    p->pos_arg = arg;
}

/* ---- settings and status ------------------------------------------------------------------- */

bool persist_set_log_on(struct persist *p, bool on, char *err, size_t err_size) {
    if (on == p->o.log_on) return true;
    if (p->loading) {
        snprintf(err, err_size, "a load is under way; try again when it has ended");
        return false;
    }
    if (p->rewriting) file_walk_cancel(p->rewriting); /* of the other kind */
    p->rewriting = NULL;
    struct persist_pos pos = {.db = -1};
    if (p->pos_now) p->pos_now(p->pos_arg, &pos);
    worker_wait(p->sync_worker);
    worker_wait(p->bulk_worker);
    room_clear(p->room, UINT64_MAX);
    struct manifest m = p->aof.m;
    m.base = m.first =
        0; /* what is there is not continued: it must not be loaded as the whole some day */
    if (!file_make_dirs(p->log_dir, 0750) || !manifest_write(p->log_dir, &m)) {
        snprintf(err, err_size, "%s: %s", p->log_dir, strerror(errno));
        return false;
    }
    aof_reset(&p->aof);
    any_part(p);
    p->aof.m = m;
    p->aof.written = p->sync.synced = pos.offset;
    p->log_ready = false;
    p->o.log_on = on;
    rewrite_second(p);
    return true;
}

bool persist_loads_type(int rdb_type) {
    return value_loads_type(rdb_type);
}

void persist_set_rdb(struct persist *p, const char *dir, const char *name, bool compression) {
    free(p->rdb_path);
    p->rdb_path = xasprintf("%s/%s", dir, name);
    p->o.rdb_compression = compression;
}

void persist_set_rdb_version(struct persist *p, int version) {
    p->o.rdb_version = version;
}

void persist_set_fsync(struct persist *p, enum persist_fsync f) {
    p->o.fsync = f;
    if (f != PERSIST_FSYNC_NO) durable_start(p);
}

void persist_set_eager(struct persist *p, bool on) {
    p->eager = on;
    if (on) durable_start(p);
}

void persist_set_save_points(struct persist *p, const struct persist_save_point *save,
                             size_t count) {
    must(count <= sizeof p->o.save / sizeof p->o.save[0], "save points fit");
    memcpy(p->o.save, save, count * sizeof *save);
    p->o.save_count = count;
}

void persist_set_rewrite(struct persist *p, unsigned percent, uint64_t min_bytes) {
    p->o.rewrite_percent = percent;
    p->o.rewrite_min_bytes = min_bytes;
}

void persist_set_keep(struct persist *p, uint64_t bytes) {
    p->o.keep_bytes = bytes;
}

void persist_count_changes(struct persist *p, uint64_t n) {
    p->changes += n;
}

void persist_status(const struct persist *p, struct persist_status *s) {
    const struct durable *d = &p->sync;
    struct room_disk disk = room_disk(p->room);
    *s = (struct persist_status){
        .loading = p->loading,
        .beside = p->beside != NULL,
        .log_on = p->o.log_on,
        .fsync = p->o.fsync,
        .written_offset = p->aof.written,
        .synced_offset = d->synced,
        .fsync_last_us = d->last_us,
        .delayed_fsyncs = d->delayed,
        .failed = d->failed,
        .stuck = d->stuck || room_is_short(p->room),
        .disk_free_bytes = disk.free_bytes,
        .disk_bytes = disk.all_bytes,
        .disk_low = disk.low,
        .saving = p->saving != NULL,
        .rewriting = p->committing || (p->rewriting && file_walk_running(p->rewriting)),
        .rewrite_scheduled = p->rewriting && !file_walk_running(p->rewriting),
        .last_save_ok = p->last_save_ok,
        .last_rewrite_ok = p->last_rewrite_ok,
        .last_save_s = p->last_save_s,
        .last_save_took_s = p->last_save_took_s,
        .last_rewrite_took_s = p->last_rewrite_took_s,
        .changes_since_save = p->changes,
        .log_base_bytes = p->aof.base_bytes,
        .log_bytes = p->aof.base_bytes + aof_live_bytes(&p->aof),
        .kept_bytes = aof_kept_bytes(&p->aof),
        .cut_bytes = p->loaded.cut_bytes,
        .saves = p->saves,
        .rewrites = p->rewrites};
    if (d->dirty_since_ns) s->fsync_age_ms = (clock_boot_ns() - d->dirty_since_ns) / NS_PER_MS;
    if (d->failed || d->stuck)
        snprintf(s->failure, sizeof s->failure, "%s", d->failure);
    else if (s->stuck)
        snprintf(s->failure, sizeof s->failure, "the disk is full: %s", strerror(ENOSPC));
    s->save_runs_s = s->saving ? clock_wall_ms() / 1000 - p->last_try_s : -1;
    s->rewrite_runs_s = s->rewriting ? (int64_t)((clock_boot_ns() - p->rewrite_ns) / NS_PER_S) : -1;
    walks_status(p, &s->walk);
}
