#include "hactl/import/reading.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/proto/crc64.h"

#define READ_BYTES (256 << 10)

/* One part on its way. */
struct reading {
    struct import_read *r;
    const struct import_reader *reader;
    struct import_files *files;
    struct import_part *part;
    struct buf in;
    uint64_t at;   /* of the first byte in `in`, in the part */
    uint64_t stop; /* byte of the part behind which nothing is read */
    struct rdb_keys keys;
    struct aofile commands;
    bool in_rdb;
};

static bool stopped(struct reading *g, enum import_end end) {
    g->r->end = end;
    g->r->bad_at = g->at;
    g->r->dropped = g->part->bytes - g->at;
    return false;
}

static bool damaged(struct reading *g, uint64_t at, const char *what) {
    const bool last = g->part == g->files->parts + g->files->count - 1;
    stopped(g, IMPORT_DAMAGED);
    g->r->bad_at = at;
    g->r->dropped = g->part->bytes - at;
    g->r->tail = last && !g->in_rdb;
    if (g->in_rdb)
        snprintf(g->r->error, sizeof g->r->error, "%s is damaged: %s", g->part->name, what);
    else
        snprintf(g->r->error, sizeof g->r->error, "%s is damaged at byte %" PRIu64 ": %s",
                 g->part->name, at, what);
    return false;
}

/* More bytes into `in`; false at the part's end (nothing more is there), or when it cannot be read. */
static bool fill(struct reading *g, size_t want, bool *failed) {
    uint64_t have = g->at + buf_len(&g->in), left = g->stop - have;
    size_t n = want > READ_BYTES ? want : READ_BYTES;
    if (n > left) n = (size_t)left;
    if (!n) return false;
    ssize_t got = pread(g->part->fd, buf_room(&g->in, n), n, (off_t)have);
    if (got <= 0) {
        *failed = true;
        damaged(g, have, got ? strerror(errno) : "it became shorter");
        return false;
    }
    g->r->sum = crc64(g->r->sum, g->in.data + g->in.end, (size_t)got);
    buf_added(&g->in, (size_t)got);
    if (g->reader->progress)
        g->reader->progress(g->reader->arg, g->part->begin + have, g->files->bytes);
    return true;
}

static void eat(struct reading *g, size_t n) {
    buf_eat(&g->in, n);
    g->at += n;
    if (!buf_len(&g->in)) buf_trim(&g->in, 4 << 20);
}

static bool read_rdb(struct reading *g) {
    bool failed = false;
    for (;;) {
        size_t have = buf_len(&g->in);
        enum rdb_keys_event ev = rdb_keys_read(&g->keys, have ? buf_head(&g->in) : "", have);
        uint64_t at = g->part->begin + g->at;
        if (ev == RDB_KEYS_MORE) {
            eat(g, g->keys.used);
            size_t need = g->keys.need > buf_len(&g->in) ? g->keys.need - buf_len(&g->in) : 1;
            if (fill(g, need, &failed)) continue;
            return failed ? false : damaged(g, g->at, "it ends too early");
        }
        if (ev == RDB_KEYS_BAD) return damaged(g, g->at, g->keys.error);
        if (ev == RDB_KEYS_START) g->part->rdb_version = g->keys.version;
        if (ev == RDB_KEYS_KEY) at = g->part->begin + g->keys.at;
        if (!g->reader->event(g->reader->arg, &g->keys, ev, at)) return stopped(g, IMPORT_STOPPED);
        eat(g, g->keys.used);
        if (ev != RDB_KEYS_DONE) continue;
        g->part->rdb_end = g->at;
        g->in_rdb = false;
        return true;
    }
}

static bool read_commands(struct reading *g) {
    bool failed = false;
    for (;;) {
        size_t have = buf_len(&g->in);
        enum aofile_state st =
            have ? aofile_find(&g->commands, buf_head(&g->in), have) : AOFILE_MORE;
        if (st == AOFILE_BAD) return damaged(g, g->at + g->commands.used, g->commands.error);
        if (st == AOFILE_MORE) {
            if (fill(g, have < (64 << 20) ? have : 64 << 20, &failed)) continue;
            if (failed) return false;
            if (!buf_len(&g->in) || !g->commands.open) return true;
            if (g->part != g->files->parts + g->files->count - 1)
                return damaged(g, g->at, "it ends inside of a command, and is not the last file");
            g->r->tail = true;
            snprintf(g->r->error, sizeof g->r->error,
                     "%s ends inside of a command or a transaction, at byte %" PRIu64,
                     g->part->name, g->at);
            return stopped(g, IMPORT_CUT);
        }
        size_t used = g->commands.used;
        if (!g->reader->unit(g->reader->arg, &g->commands, buf_head(&g->in), used,
                             g->part->begin + g->at))
            return stopped(g, IMPORT_STOPPED);
        eat(g, used);
    }
}

static bool read_part(struct reading *g, uint64_t at, int db) {
    bool well = true;
    g->at = at;
    g->in_rdb = g->part->rdb && (!g->part->rdb_end || at < g->part->rdb_end);
    g->commands.db = db;
    if (g->in_rdb && at)
        rdb_keys_from(&g->keys, g->part->rdb_version, db, at);
    else
        rdb_keys_init(&g->keys);
    if (g->in_rdb) {
        well = read_rdb(g);
        g->commands.db = 0;
    }
    if (well) well = read_commands(g);
    rdb_keys_free(&g->keys);
    aofile_free(&g->commands);
    buf_clear(&g->in);
    return well;
}

void import_read(struct import_read *r, struct import_files *f, uint64_t at, int db, uint64_t until,
                 const struct import_reader *reader) {
    struct reading g = {.r = r, .reader = reader, .files = f};
    bool well = true;
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < f->count && well; i++) {
        struct import_part *p = &f->parts[i];
        if (p->begin + p->bytes <= at && i + 1 < f->count && p->bytes) continue;
        if (p->begin >= until && i) break;
        g.part = p;
        g.stop = until - p->begin < p->bytes ? until - p->begin : p->bytes;
        r->part = i;
        well = read_part(&g, at > p->begin ? at - p->begin : 0, at > p->begin ? db : 0);
    }
    buf_free(&g.in);
}
