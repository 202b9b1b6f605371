/* See prepare.h. */
#include "server/persist/prepare.h"

#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/persist/logscan.h"
#include "server/persist/logtimes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { NUMBER = 1, READ_BYTES = 256 * 1024, SYNC_EVERY_BYTES = 32 * 1024 * 1024 };

/* The copy of blocks under way. */
struct copying {
    struct prepare *p;
    uint64_t begin, end; /* offsets of the stream */
    char line[41];       /* what the set says the stream's id is at begin, "": the log's own base */
    int db;              /* selected at begin */
    uint64_t at;         /* so far */
    char before[41];     /* id of the block that ended at `begin` */
    int out;
    uint64_t unsynced;
    struct buf block;
};

static bool fail(struct prepare *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct prepare *p, const char *fmt, ...) {
    va_list ap;
    if (p->err[0]) return false;
    va_start(ap, fmt);
    vsnprintf(p->err, sizeof p->err, fmt, ap);
    va_end(ap);
    return false;
}

static void set_u64(uint64_t *to, uint64_t v) {
    __atomic_store_n(to, v, __ATOMIC_RELAXED);
}

static void path_in(const struct prepare *p, char *out, size_t size, const char *kind) {
    manifest_part_path(out, size, p->to, NUMBER, kind);
}

static bool room_for(struct prepare *p, uint64_t bytes) {
    struct statvfs v;
    if (statvfs(p->to, &v) != 0 || (uint64_t)v.f_bavail * v.f_frsize > bytes) return true;
    return fail(p, "%s: there is no room: %" PRIu64 " MB are needed and %" PRIu64 " MB are free",
                p->to, bytes >> 20, ((uint64_t)v.f_bavail * v.f_frsize) >> 20);
}

/* ---- the base ------------------------------------------------------------------------------- */

static const char *sentence(const struct setfile *f) {
    static _Thread_local char text[700];
    if (f->where && strcmp(f->where, "rdb") == 0)
        snprintf(text, sizeof text, "the data inside is damaged at byte %" PRIu64 "%s%s%s: %s",
                 f->at, f->scan.in_key ? " (key \"" : "", f->scan.in_key ? f->scan.key.name : "",
                 f->scan.in_key ? "\")" : "", f->what);
    else
        snprintf(text, sizeof text, "%s: %s", f->where ? f->where : "", f->what);
    return text;
}

static bool take_set(struct prepare *p) {
    char path[600];
    struct backup_set first;
    char err[500];
    if (setfile_is_dir(p->set) && backup_set_read(&first, p->set, err, sizeof err) &&
        !room_for(p, first.raw_bytes))
        return false;
    path_in(p, path, sizeof path, "base");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0) return fail(p, "%s: %s", path, strerror(errno));
    bool ok = setfile_read(&p->setfile, p->set, fd, false);
    if (!ok) fail(p, "%s: the set is not sound: %s", p->set, sentence(&p->setfile));
    if (ok && !file_sync(fd)) ok = fail(p, "%s: %s", path, strerror(errno));
    close(fd);
    const struct backup_set *s = &p->setfile.set;
    p->pos.offset = s->offset;
    p->pos.db = s->db;
    p->wall_us = (uint64_t)s->begin_us;
    p->keys = p->setfile.scan.keys;
    p->base_bytes = s->raw_bytes;
    return ok;
}

static bool copy_bytes(int from, int to, uint64_t size) {
    while (size) {
        ssize_t n = sendfile(to, from, NULL, size < SYNC_EVERY_BYTES ? size : SYNC_EVERY_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return false;
        size -= (uint64_t)n;
    }
    return true;
}

/* It is whole, and stands for that place: the manifest says so of the newest, its own words of an older one. */
static bool verify_base(struct prepare *p, const char *path, bool newest) {
    struct rdbscan s;
    ssize_t n = -1;
    char *in = xmalloc(READ_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    rdbscan_begin(&s, false);
    while (fd >= 0 && (n = read(fd, in, READ_BYTES)) > 0 &&
           rdbscan_feed(&s, in, (size_t)n) != RDBSCAN_BAD) {
        if (__atomic_load_n(&p->seen.stop, __ATOMIC_RELAXED)) break;
    }
    bool ok = n == 0 && rdbscan_cut(&s) == RDBSCAN_END;
    if (!ok && n >= 0)
        fail(p, "%s is damaged at byte %" PRIu64 ": %s", path, s.bad_at, s.what);
    else if (!ok)
        fail(p, "%s: %s", path, strerror(errno));
    else if (!newest && (!s.pos.id[0] || s.pos.offset != p->pos.offset))
        ok = fail(p, "%s does not stand for the begin of the increment behind it", path);
    p->keys = s.keys;
    rdbscan_free(&s);
    if (fd >= 0) close(fd);
    free(in);
    return ok;
}

/* A base never changes: a second name is enough where that can be. */
static bool take_file(struct prepare *p, const char *from, uint64_t size, bool newest) {
    char path[600];
    if (!verify_base(p, from, newest)) return false;
    path_in(p, path, sizeof path, "base");
    p->base_bytes = size;
    if (link(from, path) == 0) return true;
    int in = open(from, O_RDONLY | O_CLOEXEC),
        out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    bool ok =
        in >= 0 && out >= 0 && room_for(p, size) && copy_bytes(in, out, size) && file_sync(out);
    if (!ok) fail(p, "%s: %s", from, strerror(errno));
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    return ok;
}

/* The newest base that stands for a place at or before `end`; *none: the log begins without data. */
static bool take_own_base(struct prepare *p, const struct logtimes *t, uint64_t end, bool *none) {
    struct logdir d;
    char path[600];
    bool ok = false;
    *none = false;
    logdir_read(&d, p->log_dir);
    for (size_t i = d.count; i-- > 0 && !ok && d.state == MANIFEST_OK;) {
        const struct logdir_part *part = &d.parts[i];
        uint64_t offset = d.m.base_pos.offset;
        if (!part->base || part->number < d.m.first || part->number > d.m.base) continue;
        for (size_t k = 0; k < t->count && part->number != d.m.base; k++)
            if (t->parts[k].number == part->number) offset = t->parts[k].first_offset;
        if (offset > end || (offset == 0 && part->number != d.m.base)) continue;
        logdir_path(&d, path, sizeof path, part->number, "base");
        p->pos.offset = offset;
        p->pos.db = part->number == d.m.base ? d.m.base_pos.db : -1;
        ok = take_file(p, path, part->base_bytes, part->number == d.m.base);
        if (!ok) break;
    }
    if (!ok && !p->err[0] && t->from_nothing) {
        *none = ok = true;
        p->pos.offset = t->from_offset;
    }
    if (!ok)
        fail(p, "%s: no base of the log is as old as that: it needs a backup set to begin with",
             p->log_dir);
    logdir_free(&d);
    return ok;
}

/* ---- the blocks ----------------------------------------------------------------------------- */

static bool put_block(struct copying *c, const struct logblock *from, enum logblock_kind kind,
                      const char *payload, uint32_t len) {
    char header[LOGBLOCK_HEADER_BYTES];
    struct logblock b = *from;
    b.kind = kind;
    b.len = len;
    b.offset = c->at;
    b.synced = kind == LOGBLOCK_CLEAN_END || b.synced > c->at ? c->at : b.synced;
    b.payload_crc = crc32c(0, payload, len);
    memcpy(b.id, c->p->replid, sizeof b.id);
    logblock_put(header, &b);
    if (!file_write_all(c->out, header, sizeof header) || !file_write_all(c->out, payload, len))
        return fail(c->p, "%s: %s", c->p->to, strerror(errno));
    c->at += len;
    c->unsynced += sizeof header + len;
    c->p->log_bytes += sizeof header + len;
    if (c->unsynced < SYNC_EVERY_BYTES) return true;
    c->unsynced = 0;
    return file_sync(c->out) || fail(c->p, "%s: %s", c->p->to, strerror(errno));
}

/* The block that holds `begin`, or begins there: is it of the set's line? */
static bool same_line(struct copying *c, const struct logblock *b) {
    if (!c->line[0] || strcmp(b->id, c->line) == 0) return true;
    if (b->offset == c->begin && strcmp(c->before, c->line) == 0) return true;
    return fail(c->p,
                "the log's history at offset %" PRIu64
                " is not the set's (line %.8s, the set's is %.8s): what the log holds cannot be "
                "applied to it",
                c->begin, b->id, c->line);
}

static bool take_block(struct copying *c, const struct logblock *b, const char *payload) {
    uint64_t end = b->offset + b->len;
    if (end < c->begin || (end == c->begin && b->offset != end)) {
        memcpy(c->before, b->id, sizeof c->before);
        return true;
    }
    if (b->len == 0 || b->offset >= c->end) return true;
    if (b->offset > c->at)
        return fail(c->p, "the log has a gap: offset %" PRIu64 " is followed by %" PRIu64, c->at,
                    b->offset);
    if (b->offset < c->at && c->at != c->begin)
        return fail(c->p, "the log holds offset %" PRIu64 " twice", b->offset);
    if (c->at == c->begin && !same_line(c, b)) return false;
    uint64_t skip = c->at - b->offset; /* a set of the other node may begin inside of a block */
    struct logblock out = *b;
    if (skip) out.db = c->db;
    c->p->wall_us = b->wall_us;
    return put_block(c, &out, LOGBLOCK_DATA, payload + skip, b->len - (uint32_t)skip);
}

static bool copy_part(struct copying *c, const struct logdir *d, const struct logdir_part *part,
                      bool last) {
    char path[600];
    struct logscan s;
    struct logblock b;
    logdir_path(d, path, sizeof path, part->number, "incr");
    if (!logscan_open(&s, path, true)) return fail(c->p, "%s: %s", path, strerror(errno));
    bool ok = true;
    enum logscan_state st = LOGSCAN_BLOCK;
    while (ok && (st = logscan_next(&s, &b)) == LOGSCAN_BLOCK) {
        ok = take_block(c, &b, logscan_payload(&s));
        set_u64(&c->p->seen.done, c->at - c->begin);
        if (ok && __atomic_load_n(&c->p->seen.stop, __ATOMIC_RELAXED))
            ok = fail(c->p, "it was stopped");
        if (b.offset + b.len >= c->end && b.len) break;
    }
    if (ok && (st == LOGSCAN_ERROR || (st == LOGSCAN_BAD && !(last && c->at == c->end))))
        ok = fail(c->p, "%s: byte %" PRIu64 ": %s", path, s.at, s.what);
    logscan_close(&s);
    return ok;
}

static bool copy_blocks(struct copying *c) {
    struct logdir d;
    bool ok = true;
    logdir_read(&d, c->p->log_dir);
    if (d.state != MANIFEST_OK) ok = fail(c->p, "%s", d.error);
    memcpy(c->before, d.m.base_pos.offset == c->begin ? d.m.base_pos.id : "",
           d.m.base_pos.offset == c->begin ? 41 : 1);
    for (size_t i = 0; ok && i < d.count && c->at < c->end; i++)
        if (d.parts[i].incr && d.parts[i].number >= d.m.first)
            ok = copy_part(c, &d, &d.parts[i], i + 1 == d.count);
    if (ok && c->at < c->end)
        ok = fail(c->p,
                  "the log does not reach from the set (offset %" PRIu64
                  ") to that time (offset %" PRIu64 ")",
                  c->begin, c->end);
    logdir_free(&d);
    return ok;
}

static bool put_incr(struct prepare *p, uint64_t end) {
    char path[600];
    struct copying c = {
        .p = p, .begin = p->pos.offset, .at = p->pos.offset, .end = end, .db = p->pos.db};
    struct logblock clean = {.kind = LOGBLOCK_CLEAN_END, .db = -1};
    if (p->set) memcpy(c.line, p->setfile.set.replid, sizeof c.line);
    path_in(p, path, sizeof path, "incr");
    set_u64(&p->seen.all, end - p->pos.offset);
    c.out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (c.out < 0) return fail(p, "%s: %s", path, strerror(errno));
    bool ok = end == c.begin || copy_blocks(&c);
    clean.wall_us = p->wall_us;
    ok = ok && put_block(&c, &clean, LOGBLOCK_CLEAN_END, "", 0);
    if (ok && !file_sync(c.out)) ok = fail(p, "%s: %s", path, strerror(errno));
    close(c.out);
    p->pos.offset = c.at;
    return ok;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void throw_away(const struct prepare *p) {
    static const char *const kinds[] = {"base", "incr"};
    char path[600];
    for (size_t i = 0; i < 2; i++) {
        path_in(p, path, sizeof path, kinds[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/manifest", p->to);
    unlink(path);
    rmdir(p->to);
}

/* Where in the log the moment lies. */
static bool find_end(struct prepare *p, struct logtimes *t, uint64_t *end) {
    struct logtimes_at at;
    char err[500];
    if (!logtimes_read(t, p->log_dir, err, sizeof err) ||
        !logtimes_at(&at, p->log_dir, p->until_us, err, sizeof err))
        return fail(p, "%s", err);
    *end = at.offset;
    if (at.outside) return fail(p, "%s: the log does not reach back to that time", p->log_dir);
    return true;
}

static bool make(struct prepare *p) {
    struct logtimes t = {.count = 0};
    struct manifest m = {.first = NUMBER, .base_pos = {.db = -1}};
    uint64_t end = 0;
    bool none = false;
    if (!file_make_dirs(p->to, 0750)) return fail(p, "%s: %s", p->to, strerror(errno));
    if (p->until_us && !find_end(p, &t, &end)) return false;
    bool ok = p->set ? take_set(p) : take_own_base(p, &t, end, &none);
    logtimes_free(&t);
    if (!ok) return false;
    struct persist_pos base = p->pos;
    if (p->until_us && end < base.offset)
        return fail(p,
                    "the set was made after that time (offset %" PRIu64 ", the log was at %" PRIu64
                    " then)",
                    base.offset, end);
    set_u64(&p->seen.done, 0);
    __atomic_store_n(&p->stage, PREPARE_COPY, __ATOMIC_RELAXED);
    if (!room_for(p, end ? end - base.offset : 0) || !put_incr(p, end ? end : base.offset))
        return false;
    memcpy(base.id, p->replid, sizeof base.id);
    memcpy(p->pos.id, p->replid, sizeof p->pos.id);
    m.base = none ? 0 : NUMBER;
    m.base_pos = base;
    return (manifest_write(p->to, &m) && file_sync_dir(p->to)) ||
           fail(p, "%s: %s", p->to, strerror(errno));
}

bool prepare_run(struct prepare *p) {
    p->err[0] = '\0';
    p->pos = (struct persist_pos){.db = -1};
    p->setfile.seen = &p->seen;
    must(strlen(p->replid) == PERSIST_ID_CHARS, "the new line has an id");
    if (file_exists(p->to)) return fail(p, "%s: it is there already", p->to);
    if (make(p)) return true;
    throw_away(p);
    return false;
}

void prepare_free(struct prepare *p) {
    setfile_free(&p->setfile);
}
