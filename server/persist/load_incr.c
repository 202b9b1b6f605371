/* See load.h: increments, block by block. logblock.h says what tells a torn tail (cut, reported) from damage (refused
 * with file and byte). */
#include "server/persist/load_inside.h"

#include "server/base/log.h"
#include "server/base/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SEARCH_BYTES = 256 * 1024 };

static void part_path(const struct loader *l, unsigned number, char *path, size_t size) {
    manifest_part_path(path, size, l->p->log_dir, number, "incr");
}

/* Does any block behind (in this file from `from` on, or in a later part) vouch that `offset`
 * was on disk? */
static bool file_vouches(const char *path, uint64_t from, uint64_t offset) {
    struct buf b = BUF_INIT;
    bool yes = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (uint64_t at = from; fd >= 0 && !yes;) {
        buf_clear(&b);
        ssize_t n = pread(fd, buf_room(&b, SEARCH_BYTES), SEARCH_BYTES, (off_t)at);
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
        part_path(l, n, path, sizeof path);
        if (!file_exists(path)) return false;
        if (file_vouches(path, 0, offset)) return true;
    }
}

static void cut_tail(struct loader *l) {
    struct persist_loaded *r = &l->p->loaded;
    char path[512];
    r->cut_bytes = aof_end_of_data(l->path, l->bytes.at, l->bytes.size) - l->bytes.at;
    l->stopped = true;
    if (!l->part) return; /* it is being written, or belongs to somebody else */
    l->part->bytes = l->bytes.at;
    for (unsigned n = l->number + 1;; n++) {
        part_path(l, n, path, sizeof path);
        if (!file_exists(path)) break;
        r->cut_bytes += load_file_bytes(path);
        if (l->at_start && !l->look_only) unlink(path);
    }
    log_warning("persistence: %s: a torn tail of %" PRIu64 " bytes was cut off at byte %" PRIu64
                " (stream offset %" PRIu64 ")",
                l->path, r->cut_bytes, l->bytes.at, l->pos.offset);
}

static enum persist_load bad_block(struct loader *l, const char *what) {
    if (l->bytes.error[0]) return load_damaged(l, l->bytes.at, l->bytes.error);
    if (aof_end_of_data(l->path, l->bytes.at, l->bytes.size) == l->bytes.at) {
        if (l->part) l->part->bytes = l->bytes.at; /* room that was made ahead: the part's end */
        return PERSIST_LOADED;
    }
    if (vouched(l, l->bytes.at + 1, l->pos.offset)) return load_damaged(l, l->bytes.at, what);
    cut_tail(l);
    return PERSIST_LOADED;
}

static bool run_one(void *arg, int db, int argc, const struct bytes *argv) {
    struct loader *l = arg;
    l->p->loaded.commands++;
    return l->p->world.run(l->p->world.arg, db, argc, argv, l->error, sizeof l->error);
}

/* Without the bytes before `skip`, which must end between two units. */
static bool run_payload(struct loader *l, const char *p, size_t len, uint64_t skip) {
    size_t unit;
    p += skip;
    len -= skip;
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
enum persist_load load_incr_step(struct loader *l) {
    struct load_bytes *in = &l->bytes;
    struct logblock b;
    if (!load_bytes_have(in, 1) && !in->error[0]) return PERSIST_LOADED;
    if (!load_bytes_have(in, LOGBLOCK_HEADER_BYTES))
        return bad_block(l, "the file ends inside of a block's header");
    if (logblock_get(&b, buf_head(&in->in), buf_len(&in->in)) != LOGBLOCK_OK)
        return bad_block(
            l, "this is no block of the log, and blocks behind it say that it was on disk");
    size_t whole = LOGBLOCK_HEADER_BYTES + (size_t)b.len;
    if (!load_bytes_have(in, whole)) return bad_block(l, "the file ends inside of a block");
    const char *payload = buf_head(&in->in) + LOGBLOCK_HEADER_BYTES;
    if (!logblock_payload_fits(&b, payload))
        return bad_block(l, "a block's checksum does not fit its bytes");
    uint64_t skip = 0;
    if (l->ranged && !l->any) { /* on the way to the range */
        if (b.offset > l->range.offset)
            return load_damaged(l, in->at, "the log does not reach back to the backup set");
        uint64_t end = b.offset + b.len;
        if (end < l->range.offset || (end == l->range.offset && b.len)) {
            load_bytes_drop(in, whole);
            return PERSIST_LOADING;
        }
        skip = l->range.offset - b.offset;
    } else if (l->any && b.offset != l->pos.offset) {
        return bad_block(l, "a block does not follow the one before it");
    }
    if (l->ranged && b.wall_us > l->range.until_us) {
        l->stopped = true;
        return PERSIST_LOADED;
    }
    if (!l->any && l->part) l->part->first_offset = b.offset;
    l->any = true;
    l->stream.db = skip ? l->pos.db : b.db;
    if (!run_payload(l, payload, b.len, skip)) return load_damaged(l, in->at, l->error);
    if (l->part) aof_mark(l->part, b.offset, in->at);
    memcpy(l->pos.id, b.id, sizeof l->pos.id);
    l->pos.offset = b.offset + b.len;
    l->pos.db = l->stream.db;
    l->p->loaded.clean = b.kind == LOGBLOCK_CLEAN_END;
    load_bytes_drop(in, whole);
    return PERSIST_LOADING;
}

bool load_incr_next(struct loader *l) {
    const struct manifest *m = &l->p->aof.m;
    unsigned first = l->ranged ? l->range.number : m->base ? m->base : m->first;
    l->number = l->number ? l->number + 1 : first;
    if (l->number == 0 || l->stopped) return false;
    part_path(l, l->number, l->path, sizeof l->path);
    if (!load_bytes_open(&l->bytes, l->path)) return false;
    if (!l->ranged) l->part = aof_add_part(&l->p->aof, l->number, l->pos.offset, l->bytes.size);
    return true;
}
