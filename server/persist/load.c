/* See load.h: what is loaded after what, and the books of it. */
#include "server/persist/load_inside.h"

#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Files ----------------------------------------------------------------------------------- */

uint64_t load_file_bytes(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static ssize_t read_file(void *arg, void *p, size_t n) {
    const struct loader *l = arg;
    return read(l->fd, p, n);
}

static void open_source(struct loader *l, const struct load_source *source, ahead_fill_fn *fill,
                        void *arg) {
    l->size = source->size;
    l->ahead = ahead_start(source, fill, arg, source->grows || ahead_pays() ? &l->p->world : NULL);
}

bool load_open(struct loader *l, const char *path, ahead_fill_fn *fill, void *arg) {
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0) return false;
    posix_fadvise(l->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    open_source(l,
                &(struct load_source){.arg = l, .read = read_file, .size = load_file_bytes(path)},
                fill, arg);
    return true;
}

/* How far this file has come. */
static uint64_t file_at(const struct loader *l) {
    const struct load_batch *b = l->batch;
    if (!b) return l->batch_end;
    return l->item < b->count ? b->items[l->item].at : b->end;
}

static void leave_batch(struct loader *l) {
    if (!l->batch) return;
    l->batch_end = l->batch->end;
    ahead_give(l->ahead, l->batch);
    l->batch = NULL;
}

struct load_batch *load_batch_now(struct loader *l) {
    if (l->batch && l->item < l->batch->count) return l->batch;
    leave_batch(l);
    l->batch = ahead_take(l->ahead, l->source.grows ? 0 : l->step_ns);
    l->dry = !l->batch && l->source.grows;
    l->item = 0;
    return l->batch;
}

static void close_file(struct loader *l) {
    leave_batch(l);
    ahead_stop(l->ahead);
    l->ahead = NULL;
    if (l->fd >= 0) close(l->fd);
    l->fd = -1;
    l->done_bytes += l->batch_end;
    l->batch_end = 0;
}

enum persist_load load_damaged(struct loader *l, uint64_t at, const char *what) {
    struct persist_loaded *r = l->result;
    r->damaged = true;
    l->stage = STAGE_DONE;
    if (l->first_db) { /* the data is as it was */
        snprintf(r->text, sizeof r->text, "byte %" PRIu64 ": %s", at, what);
        return PERSIST_DAMAGED;
    }
    snprintf(r->text, sizeof r->text,
             "%s: byte %" PRIu64
             ": %s. Nothing was loaded. Take the data from the peer or from a backup, or "
             "move the file away to begin without it",
             l->path, at, what);
    store_flush_all(l->p->store);
    return PERSIST_DAMAGED;
}

/* Increments before the base are not loaded, only kept: for them the first header must do. */
static void take_kept(struct persist *p) {
    struct aof *a = &p->aof;
    for (unsigned n = a->m.first; n && n < a->m.base; n++) {
        char path[512], raw[LOGBLOCK_HEADER_BYTES];
        struct logblock b;
        manifest_part_path(path, sizeof path, p->log_dir, n, "incr");
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool ok = fd >= 0 && file_pread_all(fd, raw, sizeof raw, 0) &&
                  logblock_get(&b, raw, sizeof raw) == LOGBLOCK_OK;
        if (fd >= 0) close(fd);
        if (ok) {
            aof_add_part(a, n, b.offset, load_file_bytes(path));
            continue;
        }
        log_warning("persistence: %s cannot be kept any longer: it does not begin with a block",
                    path);
        aof_reset(a);
        a->next = a->m.base;
    }
}

static enum persist_load finish(struct loader *l) {
    struct persist *p = l->p;
    struct persist_loaded *r = l->result;
    l->stage = STAGE_DONE;
    r->pos = l->pos;
    r->bytes = l->done_bytes;
    r->took_ms = (clock_boot_ns() - l->start_ns) / NS_PER_MS;
    if (l->at_start && !l->look_only && p->o.log_on && p->aof.part_count) {
        p->aof.written = l->pos.offset;
        p->sync.synced =
            r->clean ? l->pos.offset : p->aof.parts[p->aof.part_count - 1].first_offset;
        if (p->aof.parts[p->aof.part_count - 1].number >= p->aof.m.base && !aof_open_last(&p->aof))
            return load_damaged(l, 0, strerror(errno));
        durable_start(p);
    } else if (l->at_start && !l->look_only && p->o.log_on) {
        p->aof.written = p->sync.synced = l->pos.offset; /* a base, and nothing behind it yet */
    }
    snprintf(r->text, sizeof r->text,
             "loaded %" PRIu64 " keys and %" PRIu64 " commands in %" PRIu64
             " ms, up to offset %" PRIu64 "%s",
             r->keys, r->commands, r->took_ms, r->pos.offset, r->clean ? ", clean end" : "");
    return PERSIST_LOADED;
}

static enum persist_load base_ended(struct loader *l) {
    close_file(l);
    if (!l->at_start && !l->ranged) return finish(l);
    if (l->at_start && l->p->aof.m.base)
        l->pos = l->p->aof.m.base_pos; /* the manifest is the authority */
    l->any = !l->ranged;
    l->stage = STAGE_INCR;
    return PERSIST_LOADING;
}

static bool open_base(struct loader *l) {
    if (!l->source.read) return load_open(l, l->path, load_base_fill, &l->base);
    open_source(l, &l->source, load_base_fill, &l->base);
    return true;
}

static enum persist_load one_step(struct loader *l) {
    enum persist_load st;
    if (l->stage == STAGE_BASE) {
        if (!l->ahead && !open_base(l)) return load_damaged(l, 0, strerror(errno));
        st = load_base_step(l);
        return st == PERSIST_LOADED ? base_ended(l) : st;
    }
    if (!l->ahead) return load_incr_next(l) ? PERSIST_LOADING : finish(l);
    st = load_incr_step(l);
    if (st != PERSIST_LOADED) return st;
    close_file(l);
    return PERSIST_LOADING;
}

static uint64_t bytes_so_far(const struct loader *l) {
    return l->done_bytes + file_at(l);
}

enum persist_load loader_step(struct loader *l, uint64_t budget_us) {
    uint64_t now = clock_boot_ns(), from = bytes_so_far(l), most = l->p->load_step_bytes;
    if (now < l->rest_until_ns) return PERSIST_LOADING;
    l->step_ns = now + budget_us * 1000;
    l->dry = false;
    l->value.now_ms = clock_wall_ms();
    do {
        enum persist_load st = one_step(l);
        if (st != PERSIST_LOADING) return st;
        now = clock_boot_ns();
    } while (now < l->step_ns && now >= l->rest_until_ns && !l->dry &&
             (!most || bytes_so_far(l) - from < most));
    return PERSIST_LOADING;
}

double loader_progress(const struct loader *l) {
    return l->all_bytes ? (double)bytes_so_far(l) / (double)l->all_bytes : 1.0;
}

void loader_status(const struct loader *l, struct persist_load_status *s) {
    *s = (struct persist_load_status){l->start_s, l->all_bytes, bytes_so_far(l)};
}

static struct loader *loader_make(struct persist *p, struct persist_loaded *result) {
    struct loader *l = xcalloc(1, sizeof *l);
    l->p = p;
    l->result = result;
    l->fd = -1;
    l->start_ns = clock_boot_ns();
    l->start_s = clock_wall_ms() / 1000;
    l->pos.db = -1;
    l->value.store = p->store;
    rdb_reader_init(&l->base.rdb);
    l->base.rdb.sum_apart = true;
    l->base.now_ms = l->incr.now_ms = clock_wall_ms();
    l->base.lfu = l->incr.lfu = store_settings(p->store)->lfu;
    cmdstream_init(&l->incr.stream, -1);
    memset(result, 0, sizeof *result);
    return l;
}

void loader_free(struct loader *l) {
    if (!l) return;
    if (l->ahead) close_file(l);
    rdb_reader_free(&l->base.rdb);
    value_load_free(&l->value);
    cmdstream_free(&l->incr.stream);
    free(l);
}

struct loader *loader_base(struct persist *p, const char *path, const struct persist_pos *pos) {
    struct loader *l = loader_make(p, &p->loaded);
    if (pos) l->pos = *pos;
    snprintf(l->path, sizeof l->path, "%s", path);
    l->all_bytes = load_file_bytes(path);
    return l;
}

struct loader *loader_source(struct persist *p, const struct load_source *source,
                             const struct persist_pos *pos) {
    struct loader *l = loader_base(p, source->name, pos);
    l->source = *source;
    l->all_bytes = source->size;
    return l;
}

struct loader *loader_beside(struct persist *p, const struct load_source *source,
                             struct persist_loaded *result) {
    struct loader *l = loader_make(p, result);
    snprintf(l->path, sizeof l->path, "%s", source->name);
    l->source = *source;
    l->all_bytes = source->size;
    l->first_db = l->value.db = store_beside(p->store);
    return l;
}

void loader_set_range(struct loader *l, const struct load_range *range) {
    l->ranged = true;
    l->range = *range;
}

bool loader_is_dry(const struct loader *l) {
    return l->dry;
}

void loader_set_merge(struct loader *l, bool merge) {
    l->value.merge = merge;
}

void loader_look_only(struct loader *l) {
    l->look_only = true;
}

static uint64_t log_bytes(const struct persist *p) {
    uint64_t n = 0;
    char path[512];
    if (p->aof.m.base) {
        manifest_part_path(path, sizeof path, p->log_dir, p->aof.m.base, "base");
        n += load_file_bytes(path);
    }
    for (unsigned i = p->aof.m.base ? p->aof.m.base : p->aof.m.first;; i++) {
        manifest_part_path(path, sizeof path, p->log_dir, i, "incr");
        if (i == 0 || !file_exists(path)) return n;
        n += load_file_bytes(path);
    }
}

struct loader *loader_new(struct persist *p) {
    struct loader *l = loader_make(p, &p->loaded);
    l->at_start = true;
    take_kept(p);
    l->all_bytes = log_bytes(p);
    if (!p->aof.m.base) {
        l->stage = STAGE_INCR;
        l->any = p->aof.m.starts; /* a part that is lost shows by the offset of the next one */
        l->pos.offset = p->aof.m.start;
        return l;
    }
    manifest_part_path(l->path, sizeof l->path, p->log_dir, p->aof.m.base, "base");
    p->aof.base_bytes = load_file_bytes(l->path);
    return l;
}
