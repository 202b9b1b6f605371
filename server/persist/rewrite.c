/* A new base for the log, and a received one.
 *
 * A rewrite begins a new increment at the instant of the walk and writes base.new meanwhile.
 * Until that is complete the old base with all increments, the new one included, is the log;
 * then base.new gets the new increment's number, and the manifest that names it is the moment of
 * the change. Older increments and bases are kept up to keep_bytes. */
#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/persist/load.h"
#include "server/persist/room.h"
#include "server/persist/dirs.h"
#include "server/persist/worker.h"
#include "server/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOAD_STEP_US = 5000, KEPT_MAX = 64, KEEP_LOW_BYTES = 64 * 1024 * 1024 };

/* The change of manifests, done by the bulk worker. */
struct commit {
    struct persist *p;
    struct manifest m;
    char *from;              /* the new base where it was written */
    char *base;              /* and where it belongs */
    char *keep_dir;          /* the log as it was moves here, or NULL */
    unsigned kept[KEPT_MAX]; /* older bases that stay */
    size_t kept_count;
    /* of a replacement */
    void (*done)(void *arg, bool ok, const char *reason);
    void *arg;
};

static void commit_free(struct commit *c) {
    free(c->from);
    free(c->base);
    free(c->keep_dir);
    free(c);
}

static void part_path(const struct persist *p, char *out, size_t size, unsigned number,
                      const char *kind) {
    manifest_part_path(out, size, p->log_dir, number, kind);
}

/* Calls fn for each N.base and N.incr in the log's directory. */
static void each_part(const char *dir,
                      void (*fn)(void *arg, const char *path, unsigned number, bool base),
                      void *arg) {
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        unsigned number;
        char kind[8], path[600];
        if (sscanf(e->d_name, "%u.%5s", &number, kind) != 2) continue;
        bool base = strcmp(kind, "base") == 0;
        if (!base && strcmp(kind, "incr") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        fn(arg, path, number, base);
    }
    closedir(d);
}

static void drop_old_part(void *arg, const char *path, unsigned number, bool base) {
    const struct commit *c = arg;
    if (number >= (base ? c->m.base : c->m.first)) return;
    for (size_t i = 0; base && i < c->kept_count; i++)
        if (c->kept[i] == number) return;
    unlink(path);
}

struct move_to {
    const char *dir;
    unsigned below;
};

static void keep_part(void *arg, const char *path, unsigned number, bool base) {
    (void)base;
    const struct move_to *to = arg;
    char target[700];
    if (number >= to->below) return;
    snprintf(target, sizeof target, "%s/log%s", to->dir, strrchr(path, '/'));
    /* Under both names until the new manifest stands: a crash before it finds the log whole. */
    if (link(path, target) != 0)
        log_warning("persistence: %s could not be kept as %s: %m", path, target);
}

/* tails/log-.../log/ is a data directory that `duet server --dir` loads. */
static bool keep_log(const struct commit *c) {
    char path[700];
    struct manifest m;
    snprintf(path, sizeof path, "%s/log", c->keep_dir);
    if (!file_make_dirs(path, 0750)) return false;
    bool known = manifest_read(c->p->log_dir, &m, path, sizeof path) == MANIFEST_OK;
    each_part(c->p->log_dir, keep_part, &(struct move_to){c->keep_dir, c->m.base});
    snprintf(path, sizeof path, "%s/log", c->keep_dir);
    return (!known || manifest_write(path, &m)) && file_sync_dir(path);
}

/* The manifest could not be written: its base goes, unless the file that is there names it. */
static void drop_unnamed(const struct commit *c) {
    struct manifest there;
    char err[200];
    if (manifest_read(c->p->log_dir, &there, err, sizeof err) == MANIFEST_OK &&
        there.base != c->m.base)
        unlink(c->base);
}

static int commit_work(void *arg) {
    struct commit *c = arg;
    int fd = open(c->from, O_RDONLY | O_CLOEXEC);
    int error = fd >= 0 && file_sync(fd) ? 0 : errno;
    if (fd >= 0) close(fd);
    if (error) return error;
    if (rename(c->from, c->base) != 0) return errno;
    if (!c->m.base) return file_sync_dir(c->p->dir) ? 0 : errno;
    if (c->keep_dir && !keep_log(c))
        log_error("persistence: the log could not be moved to %s: %m", c->keep_dir);
    /* The base's name is on the disk before the manifest that says it. */
    if (!file_sync_dir(c->p->log_dir)) return errno;
    if (!manifest_write(c->p->log_dir, &c->m)) {
        error = errno;
        drop_unnamed(c);
        return error;
    }
    each_part(c->p->log_dir, drop_old_part, c);
    if (c->keep_dir) tails_trim(c->p->tails_dir);
    return 0;
}

/* ---- rewrite ------------------------------------------------------------------------------- */

static bool rewrite_begins(struct persist *p, const struct persist_pos *pos) {
    int old;
    uint64_t end = p->aof.written;
    if (!p->aof.part_count && p->aof.fd < 0) p->aof.written = end = pos->offset;
    if (end != pos->offset) {
        errno = EAGAIN; /* bytes wait that could not be written: the log is stuck */
        return false;
    }
    if (!durable_begin_log(p, pos->offset)) return false;
    room_clear(p->room, UINT64_MAX);
    uint64_t used = p->aof.part_count ? p->aof.parts[p->aof.part_count - 1].bytes : 0;
    if (!aof_new_part(&p->aof, pos->offset, &old)) return false;
    durable_retire(p, old, end, used);
    p->rewrite_pos = *pos;
    p->rewrite_number = p->aof.parts[p->aof.part_count - 1].number;
    return true;
}

/* What is older than the new base stays up to keep_bytes, the newest first: increments, and the bases that they followed,
 * so that going back needs no backup set. Little of it where the disk is nearly full. */
static void keep_older(const struct persist *p, struct commit *c) {
    const struct aof *a = &p->aof;
    uint64_t bytes = 0, most = p->o.keep_bytes;
    char path[600];
    struct stat st;
    if (room_disk(p->room).low && most > KEEP_LOW_BYTES) most = KEEP_LOW_BYTES;
    c->m.first = c->m.base;
    for (size_t i = a->part_count; i-- > 0;) {
        unsigned number = a->parts[i].number;
        if (number >= c->m.base) continue;
        bytes += a->parts[i].bytes;
        if (bytes > most) break;
        c->m.first = number;
        part_path(p, path, sizeof path, number, "base");
        if (c->kept_count == KEPT_MAX || stat(path, &st) != 0 ||
            bytes + (uint64_t)st.st_size > most)
            continue;
        bytes += (uint64_t)st.st_size;
        c->kept[c->kept_count++] = number;
    }
}

static void drop_leftover(void *arg, const char *path, unsigned number, bool base) {
    const struct manifest *m = arg;
    if (number < m->first || (base && number > m->base)) unlink(path); /* older bases may be kept */
}

void rewrite_clean(struct persist *p) {
    static const char *const names[] = {"base.new", "base.new.tmp", "manifest.tmp"};
    if (!p->aof.m.first) return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = xasprintf("%s/%s", p->log_dir, names[i]);
        unlink(path);
        free(path);
    }
    each_part(p->log_dir, drop_leftover, &p->aof.m);
}

static void rewrite_ends(struct persist *p, int error, const char *reason) {
    p->rewriting = NULL;
    p->committing = false;
    p->last_rewrite_ok = error == 0;
    p->last_rewrite_took_s = (int64_t)((clock_boot_ns() - p->rewrite_ns) / NS_PER_S);
    if (error)
        log_error("persistence: the log was not rewritten: %s", reason ? reason : strerror(error));
    persist_changed(p);
}

static void rewrite_committed(void *arg, int error) {
    struct commit *c = arg;
    struct persist *p = c->p;
    if (!error) {
        size_t lines = p->aof.m.line_count; /* these may have changed meanwhile */
        memcpy(c->m.lines, p->aof.m.lines, sizeof c->m.lines);
        c->m.line_count = lines;
        p->aof.m = c->m;
        aof_forget_below(&p->aof, c->m.first);
        struct stat st;
        p->aof.base_bytes = stat(c->base, &st) == 0 ? (uint64_t)st.st_size : 0;
        p->size_after_rewrite = p->aof.base_bytes + aof_live_bytes(&p->aof);
        p->log_ready = true;
        p->rewrites++;
        log_notice("persistence: the log was rewritten: base %u, %" PRIu64
                   " bytes, offset %" PRIu64,
                   c->m.base, p->aof.base_bytes, c->m.base_pos.offset);
    }
    rewrite_ends(p, error, NULL);
    commit_free(c);
}

static void rewrite_written(struct persist *p, int error, const char *reason) {
    if (error) {
        rewrite_ends(p, error, reason);
        return;
    }
    struct commit *c = xcalloc(1, sizeof *c);
    char path[600];
    p->rewriting = NULL;
    p->committing = true;
    c->p = p;
    c->m = p->aof.m;
    c->m.base = p->rewrite_number;
    c->m.base_pos = p->rewrite_pos;
    keep_older(p, c);
    c->from = xasprintf("%s/base.new", p->log_dir);
    part_path(p, path, sizeof path, c->m.base, "base");
    c->base = xstrdup(path);
    worker_post(p->bulk_worker, commit_work, rewrite_committed, c);
}

/* With the log off. */
static void off_written(struct persist *p, int error, const char *reason) {
    if (!error) p->rewrites++;
    rewrite_ends(p, error, reason);
}

bool persist_rewrite(struct persist *p, bool *scheduled, char *err, size_t err_size) {
    if (p->rewriting || p->committing || p->loading) {
        snprintf(err, err_size, "ERR Background append only file rewriting already in progress");
        return false;
    }
    if (p->o.log_on && !log_active(p)) {
        snprintf(err, err_size, "ERR The log is damaged, there is nothing to rewrite");
        return false;
    }
    bool on = p->o.log_on;
    if (!on && !file_make_dirs(p->log_dir, 0750)) {
        snprintf(err, err_size, "ERR %s: %s", p->log_dir, strerror(errno));
        return false;
    }
    char *path = xasprintf("%s/%s", p->log_dir, on ? "base.new" : REWRITE_OFF_BASE);
    p->rewrite_ns = clock_boot_ns();
    *scheduled = p->walks != NULL;
    p->rewriting = file_walk_start(p, path, PERSIST_WALK_REWRITE, 0, on ? rewrite_begins : NULL,
                                   on ? rewrite_written : off_written);
    free(path);
    return true;
}

void rewrite_second(struct persist *p) {
    char err[96];
    bool scheduled;
    uint64_t size = p->aof.base_bytes + aof_live_bytes(&p->aof), base = p->size_after_rewrite;
    if (p->rewriting || p->committing || p->loading || !log_active(p) || p->sync.stuck) return;
    bool grown = p->o.rewrite_percent && size >= p->o.rewrite_min_bytes &&
                 size - base >= (base ? base : 1) / 100 * p->o.rewrite_percent && size > base;
    if (!grown && p->log_ready) return;
    if (!p->last_rewrite_ok && clock_boot_ns() - p->rewrite_ns < 60 * NS_PER_S) return;
    if (grown) log_notice("persistence: the log has grown to %" PRIu64 " bytes: rewriting", size);
    persist_rewrite(p, &scheduled, err, sizeof err);
}

/* ---- a received file becomes the data --------------------------------------------------------- */

static void replaced(struct persist *p, bool ok, const char *reason) {
    struct commit *c = p->replacing;
    p->replacing = NULL;
    p->loading = false;
    c->done(c->arg, ok, reason);
    commit_free(c);
    persist_changed(p);
}

static void replace_load(struct loop *loop, void *arg) {
    (void)loop;
    struct persist *p = arg;
    enum persist_load st = loader_step(p->loader, LOAD_STEP_US);
    if (st == PERSIST_LOADING) {
        loop_timer_start(p->load_timer, 0, 0);
        return;
    }
    loader_free(p->loader);
    p->loader = NULL;
    replaced(p, st == PERSIST_LOADED, p->loaded.text);
}

static void replace_committed(void *arg, int error) {
    struct commit *c = arg;
    struct persist *p = c->p;
    if (error) {
        replaced(p, false, strerror(error));
        return;
    }
    room_clear(p->room, UINT64_MAX);
    aof_reset(&p->aof);
    p->aof.m = c->m;
    p->aof.written = c->m.base_pos.offset;
    if (c->m.base) p->aof.next = c->m.base;
    p->log_ready = true;
    durable_restart(p, c->m.base_pos.offset);
    store_flush_all(p->store);
    p->loader = loader_base(p, c->base, &c->m.base_pos);
    struct stat st;
    p->aof.base_bytes = p->size_after_rewrite = stat(c->base, &st) == 0 ? (uint64_t)st.st_size : 0;
    loop_timer_start(p->load_timer, 0, 0);
    persist_changed(p);
}

bool persist_replace(struct persist *p, const char *rdb_path, const struct persist_pos *pos,
                     bool keep_old, void (*done)(void *arg, bool ok, const char *reason), void *arg,
                     char *err, size_t err_size) {
    if (p->loading) {
        snprintf(err, err_size, "another file is being loaded");
        return false;
    }
    if (p->saving) file_walk_cancel(p->saving);
    if (p->rewriting) file_walk_cancel(p->rewriting);
    p->saving = p->rewriting = NULL;
    worker_wait(p->bulk_worker); /* a manifest may be on its way */
    struct commit *c = xcalloc(1, sizeof *c);
    char path[600];
    *c =
        (struct commit){.p = p, .m = p->aof.m, .done = done, .arg = arg, .from = xstrdup(rdb_path)};
    c->m.base_pos = *pos;
    c->m.line_count = 0; /* where the new data came from is not known */
    c->m.base = c->m.first = p->o.log_on ? p->aof.next : 0;
    part_path(p, path, sizeof path, c->m.base, "base");
    c->base = xstrdup(p->o.log_on ? path : p->rdb_path);
    if (keep_old && p->o.log_on && (p->aof.part_count || p->aof.m.base || p->loaded.damaged))
        c->keep_dir = xasprintf("%s/log-%lld-%.8s", p->tails_dir,
                                (long long)(clock_wall_ms() / 1000), pos->id);
    p->replacing = c;
    p->loading = true;
    worker_wait(p->sync_worker);
    worker_post(p->bulk_worker, commit_work, replace_committed, c);
    persist_changed(p);
    return true;
}

void rewrite_open(struct persist *p) {
    p->load_timer = loop_timer_new(p->loop, replace_load, p);
}

void rewrite_close(struct persist *p) {
    loop_timer_free(p->load_timer);
    p->load_timer = NULL;
    if (p->replacing) commit_free(p->replacing);
    p->replacing = NULL;
}
