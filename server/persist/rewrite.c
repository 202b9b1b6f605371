/* A new base for the log.
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
#include "server/persist/commit.h"
#include "server/persist/room.h"
#include "server/persist/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEEP_LOW_BYTES = 64 * 1024 * 1024 };

static void part_path(const struct persist *p, char *out, size_t size, unsigned number,
                      const char *kind) {
    manifest_part_path(out, size, p->log_dir, number, kind);
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
        if (c->kept_count == COMMIT_KEPT_MAX || stat(path, &st) != 0 ||
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
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = xasprintf("%s/%s", p->log_dir, names[i]);
        unlink(path);
        free(path);
    }
    commit_each_part(p->log_dir, drop_leftover, &p->aof.m);
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
    if (p->rewriting || p->committing || p->replacing || p->loading) {
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
    if (p->rewriting || p->committing || p->replacing || p->loading || !log_active(p) ||
        p->sync.stuck)
        return;
    bool grown = p->o.rewrite_percent && size >= p->o.rewrite_min_bytes &&
                 size - base >= (base ? base : 1) / 100 * p->o.rewrite_percent && size > base;
    if (!grown && p->log_ready) return;
    if (!p->last_rewrite_ok && clock_boot_ns() - p->rewrite_ns < 60 * NS_PER_S) return;
    if (grown) log_notice("persistence: the log has grown to %" PRIu64 " bytes: rewriting", size);
    persist_rewrite(p, &scheduled, err, sizeof err);
}
