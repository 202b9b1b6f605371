/* Loading, in steps: the base (an RDB file), then the increments block by block. See logblock.h
 * for what tells a torn tail (cut, reported) from damage (refused with file and byte). */
#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/persist/value.h"
#include "server/proto/cmdstream.h"
#include "server/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, EVENTS_A_LOOK = 64 };

enum stage { STAGE_BASE, STAGE_INCR, STAGE_DONE };

struct loader {
    struct persist *p;
    enum stage stage;
    bool at_start;  /* else: one RDB file only */
    bool look_only; /* the log goes on being written as it is */
    char path[512]; /* of the open file */
    int fd;
    struct buf in; /* bytes of the file from in_at on */
    uint64_t in_at, size;
    struct rdb_reader rdb;
    struct value_load value;
    struct cmdstream stream;
    unsigned number; /* of the increment */
    struct aof_part *part;
    bool any; /* a base or a block was seen: pos says where the next one must begin */
    struct persist_pos pos;
    uint64_t done_bytes, all_bytes, start_ns;
    char error[160];
};

static uint64_t file_bytes(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static bool open_file(struct loader *l, const char *path) {
    snprintf(l->path, sizeof l->path, "%s", path);
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
    l->size = file_bytes(path);
    l->in_at = 0;
    buf_clear(&l->in);
    return l->fd >= 0;
}

static void close_file(struct loader *l) {
    if (l->fd >= 0) close(l->fd);
    l->fd = -1;
    l->done_bytes += l->size;
    l->size = 0;
    buf_clear(&l->in);
}

/* Has at least n bytes in l->in, unless the file ends before (false) or cannot be read (false,
 * error set). */
static bool have(struct loader *l, size_t n) {
    if (n > buf_len(&l->in) && n - buf_len(&l->in) > l->size - l->in_at) return false;
    while (buf_len(&l->in) < n) {
        size_t want = n - buf_len(&l->in) < READ_BYTES ? READ_BYTES : n - buf_len(&l->in);
        char *room = buf_room(&l->in, want);
        ssize_t got = pread(l->fd, room, want, (off_t)(l->in_at + buf_len(&l->in)));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got < 0) snprintf(l->error, sizeof l->error, "%s", strerror(errno));
            return false;
        }
        buf_added(&l->in, (size_t)got);
    }
    return true;
}

static void drop(struct loader *l, size_t n) {
    buf_eat(&l->in, n);
    l->in_at += n;
}

static enum persist_load damaged(struct loader *l, uint64_t at, const char *what) {
    struct persist_loaded *r = &l->p->loaded;
    r->damaged = true;
    snprintf(r->text, sizeof r->text,
             "%s: byte %" PRIu64
             ": %s. Nothing was loaded. Take the data from the peer or from a backup, or "
             "move the file away to begin without it",
             l->path, at, what);
    store_flush_all(l->p->store);
    l->stage = STAGE_DONE;
    return PERSIST_DAMAGED;
}

/* ---- the base ------------------------------------------------------------------------------ */

static void take_aux(struct loader *l) {
    const struct rdb_reader *r = &l->rdb;
    char text[24];
    if (r->b.len >= sizeof text && !bytes_is(r->a, "repl-id")) return;
    if (bytes_is(r->a, "repl-id") && r->b.len == PERSIST_ID_CHARS) {
        memcpy(l->pos.id, r->b.p, r->b.len);
        l->pos.id[r->b.len] = '\0';
        return;
    }
    memcpy(text, r->b.p, r->b.len < sizeof text ? r->b.len : 0);
    text[r->b.len < sizeof text ? r->b.len : 0] = '\0';
    if (bytes_is(r->a, "repl-offset")) l->pos.offset = strtoull(text, NULL, 10);
    if (bytes_is(r->a, "repl-stream-db")) l->pos.db = atoi(text);
}

static bool base_event(struct loader *l, enum rdb_event ev) {
    struct rdb_reader *r = &l->rdb;
    switch (ev) {
    case RDB_AUX: take_aux(l); return true;
    case RDB_SELECT:
        if (r->number < (uint64_t)store_databases(l->p->store)) {
            l->value.db = (int)r->number;
            return true;
        }
        snprintf(l->error, sizeof l->error,
                 "database %" PRIu64 " is not one of the %d there are (see `databases`)", r->number,
                 store_databases(l->p->store));
        return false;
    case RDB_KEY_END: l->p->loaded.keys++; return true;
    case RDB_SKIP:
        log_warning("persistence: %s: a %.*s section is skipped", l->path, (int)r->a.len, r->a.p);
        return true;
    default: return value_load_event(&l->value, ev, r, l->error, sizeof l->error);
    }
}

/* One event. LOADED: the file's end. */
static enum persist_load base_step(struct loader *l) {
    enum rdb_event ev = rdb_read(&l->rdb, buf_len(&l->in) ? buf_head(&l->in) : "", buf_len(&l->in));
    if (ev == RDB_BAD) return damaged(l, l->in_at, l->rdb.error);
    if (ev == RDB_MORE) {
        drop(l, l->rdb.used);
        if (have(l, l->rdb.need)) return PERSIST_LOADING;
        return damaged(l, l->size, l->error[0] ? l->error : "the file ends too early");
    }
    if (ev != RDB_END && !base_event(l, ev)) return damaged(l, l->in_at, l->error);
    drop(l, l->rdb.used);
    return ev == RDB_END ? PERSIST_LOADED : PERSIST_LOADING;
}

/* ---- increments ---------------------------------------------------------------------------- */

/* Does any block behind (in this file from `from` on, or in a later part) vouch that `offset`
 * was on disk? */
static bool file_vouches(const char *path, uint64_t from, uint64_t offset) {
    struct buf b = BUF_INIT;
    bool yes = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (uint64_t at = from; fd >= 0 && !yes;) {
        buf_clear(&b);
        ssize_t n = pread(fd, buf_room(&b, READ_BYTES), READ_BYTES, (off_t)at);
        if (n < LOGBLOCK_HEADER_BYTES) break;
        for (long i = -1;
             !yes && (i = logblock_search(buf_head(&b), (size_t)n, (size_t)(i + 1))) >= 0;) {
            struct logblock block;
            logblock_get(&block, buf_head(&b) + i, (size_t)(n - i));
            yes = block.synced > offset;
        }
        at += (uint64_t)n - (LOGBLOCK_HEADER_BYTES - 1); /* a header may lie over the edge */
    }
    if (fd >= 0) close(fd);
    buf_free(&b);
    return yes;
}

static bool vouched(struct loader *l, uint64_t from, uint64_t offset) {
    char path[512];
    if (file_vouches(l->path, from, offset)) return true;
    for (unsigned n = l->number + 1;; n++) {
        manifest_part_path(path, sizeof path, l->p->log_dir, n, "incr");
        if (!file_exists(path)) return false;
        if (file_vouches(path, 0, offset)) return true;
    }
}

static void cut_tail(struct loader *l) {
    struct persist_loaded *r = &l->p->loaded;
    char path[512];
    r->cut_bytes = l->size - l->in_at;
    l->part->bytes = l->in_at;
    for (unsigned n = l->number + 1;; n++) {
        manifest_part_path(path, sizeof path, l->p->log_dir, n, "incr");
        if (!file_exists(path)) break;
        r->cut_bytes += file_bytes(path);
        unlink(path);
    }
    log_warning("persistence: %s: a torn tail of %" PRIu64 " bytes was cut off at byte %" PRIu64
                " (stream offset %" PRIu64 ")",
                l->path, r->cut_bytes, l->in_at, l->pos.offset);
}

static enum persist_load bad_block(struct loader *l, const char *what) {
    if (l->error[0]) return damaged(l, l->in_at, l->error);
    if (vouched(l, l->in_at + 1, l->pos.offset)) return damaged(l, l->in_at, what);
    cut_tail(l);
    return PERSIST_LOADED;
}

static bool run_one(void *arg, int db, int argc, const struct bytes *argv) {
    struct loader *l = arg;
    l->p->loaded.commands++;
    return l->p->world.run(l->p->world.arg, db, argc, argv, l->error, sizeof l->error);
}

static bool run_payload(struct loader *l, const char *p, size_t len) {
    size_t unit;
    while (len) {
        enum cmdstream_state st = cmdstream_find(&l->stream, p, len, &unit);
        if (st != CMDSTREAM_UNIT) {
            snprintf(l->error, sizeof l->error, "%s",
                     st == CMDSTREAM_BAD ? l->stream.error : "a block ends inside of a request");
            return false;
        }
        if (!cmdstream_each(&l->stream, p, unit, run_one, l)) return false;
        p += unit;
        len -= unit;
    }
    return true;
}

/* One block. LOADED: the part's end. */
static enum persist_load incr_step(struct loader *l) {
    struct logblock b;
    if (l->in_at == l->size) return PERSIST_LOADED;
    if (!have(l, LOGBLOCK_HEADER_BYTES))
        return bad_block(l, "the file ends inside of a block's header");
    if (logblock_get(&b, buf_head(&l->in), buf_len(&l->in)) != LOGBLOCK_OK)
        return bad_block(
            l, "this is no block of the log, and blocks behind it say that it was on disk");
    size_t whole = LOGBLOCK_HEADER_BYTES + (size_t)b.len;
    if (!have(l, whole)) return bad_block(l, "the file ends inside of a block");
    const char *payload = buf_head(&l->in) + LOGBLOCK_HEADER_BYTES;
    if (!logblock_payload_fits(&b, payload))
        return bad_block(l, "a block's checksum does not fit its bytes");
    if (l->any && b.offset != l->pos.offset)
        return bad_block(l, "a block does not follow the one before it");
    if (!l->any) l->part->first_offset = b.offset;
    l->any = true;
    l->stream.db = b.db;
    if (!run_payload(l, payload, b.len)) return damaged(l, l->in_at, l->error);
    aof_mark(l->part, b.offset, l->in_at);
    memcpy(l->pos.id, b.id, sizeof l->pos.id);
    l->pos.offset = b.offset + b.len;
    l->pos.db = l->stream.db;
    l->p->loaded.clean = b.kind == LOGBLOCK_CLEAN_END;
    drop(l, whole);
    return PERSIST_LOADING;
}

/* ---- the whole ----------------------------------------------------------------------------- */

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
            aof_add_part(a, n, b.offset, file_bytes(path));
            continue;
        }
        log_warning("persistence: %s cannot be kept any longer: it does not begin with a block",
                    path);
        aof_reset(a);
        a->next = a->m.base;
    }
}

static bool next_incr(struct loader *l) {
    char path[512];
    l->number = l->number ? l->number + 1 : l->p->aof.m.base ? l->p->aof.m.base : l->p->aof.m.first;
    if (l->number == 0 || l->p->loaded.cut_bytes) return false;
    manifest_part_path(path, sizeof path, l->p->log_dir, l->number, "incr");
    if (!open_file(l, path)) return false;
    l->part = aof_add_part(&l->p->aof, l->number, l->pos.offset, l->size);
    return true;
}

static enum persist_load finish(struct loader *l) {
    struct persist *p = l->p;
    struct persist_loaded *r = &p->loaded;
    l->stage = STAGE_DONE;
    r->pos = l->pos;
    r->bytes = l->done_bytes;
    r->took_ms = (clock_boot_ns() - l->start_ns) / NS_PER_MS;
    if (l->at_start && !l->look_only && p->o.log_on && p->aof.part_count) {
        p->aof.written = l->pos.offset;
        p->sync.synced =
            r->clean ? l->pos.offset : p->aof.parts[p->aof.part_count - 1].first_offset;
        if (p->aof.parts[p->aof.part_count - 1].number >= p->aof.m.base && !aof_open_last(&p->aof))
            return damaged(l, 0, strerror(errno));
        durable_start(p);
    }
    snprintf(r->text, sizeof r->text,
             "loaded %" PRIu64 " keys and %" PRIu64 " commands in %" PRIu64
             " ms, up to offset %" PRIu64 "%s",
             r->keys, r->commands, r->took_ms, r->pos.offset, r->clean ? ", clean end" : "");
    return PERSIST_LOADED;
}

static enum persist_load one_step(struct loader *l) {
    if (l->stage == STAGE_BASE) {
        if (l->fd < 0) return damaged(l, 0, l->error);
        enum persist_load st = base_step(l);
        if (st != PERSIST_LOADED) return st;
        l->any = true;
        close_file(l);
        if (!l->at_start) return finish(l);
        if (l->p->aof.m.base) l->pos = l->p->aof.m.base_pos; /* the manifest is the authority */
        l->stage = STAGE_INCR;
        return PERSIST_LOADING;
    }
    if (l->fd < 0) return next_incr(l) ? PERSIST_LOADING : finish(l);
    enum persist_load st = incr_step(l);
    if (st != PERSIST_LOADED) return st;
    close_file(l);
    return PERSIST_LOADING;
}

enum persist_load loader_step(struct loader *l, uint64_t budget_us) {
    uint64_t end = clock_boot_ns() + budget_us * 1000;
    for (;;) {
        for (int i = 0; i < EVENTS_A_LOOK; i++) {
            enum persist_load st = one_step(l);
            if (st != PERSIST_LOADING) return st;
        }
        if (clock_boot_ns() >= end) return PERSIST_LOADING;
    }
}

double loader_progress(const struct loader *l) {
    return l->all_bytes ? (double)(l->done_bytes + l->in_at) / (double)l->all_bytes : 1.0;
}

static struct loader *loader_make(struct persist *p) {
    struct loader *l = xcalloc(1, sizeof *l);
    l->p = p;
    l->fd = -1;
    l->start_ns = clock_boot_ns();
    l->pos.db = -1;
    l->value.store = p->store;
    rdb_reader_init(&l->rdb);
    cmdstream_init(&l->stream, -1);
    memset(&p->loaded, 0, sizeof p->loaded);
    return l;
}

void loader_free(struct loader *l) {
    if (!l) return;
    if (l->fd >= 0) close(l->fd);
    rdb_reader_free(&l->rdb);
    value_load_free(&l->value);
    cmdstream_free(&l->stream);
    buf_free(&l->in);
    free(l);
}

struct loader *loader_base(struct persist *p, const char *path, const struct persist_pos *pos) {
    struct loader *l = loader_make(p);
    if (pos) l->pos = *pos;
    if (!open_file(l, path)) snprintf(l->error, sizeof l->error, "%s", strerror(errno));
    l->all_bytes = l->size;
    return l;
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
        n += file_bytes(path);
    }
    for (unsigned i = p->aof.m.base ? p->aof.m.base : p->aof.m.first;; i++) {
        manifest_part_path(path, sizeof path, p->log_dir, i, "incr");
        if (i == 0 || !file_exists(path)) return n;
        n += file_bytes(path);
    }
}

struct loader *loader_new(struct persist *p) {
    struct loader *l = loader_make(p);
    char path[512];
    l->at_start = true;
    take_kept(p);
    l->all_bytes = log_bytes(p);
    if (!p->aof.m.base) {
        l->stage = STAGE_INCR;
        return l;
    }
    manifest_part_path(path, sizeof path, p->log_dir, p->aof.m.base, "base");
    if (!open_file(l, path)) snprintf(l->error, sizeof l->error, "%s", strerror(errno));
    p->aof.base_bytes = l->size;
    return l;
}
