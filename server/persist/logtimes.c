/* See logtimes.h. */
#include "server/persist/logtimes.h"

#include "server/persist/logscan.h"
#include "server/proto/cmdstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- all parts of a log, one after the other ------------------------------------------------- */

struct run {
    struct logdir d;
    size_t i; /* of the part that is open, or that comes next */
    bool open, payloads;
    struct logscan s;
};

static bool run_begin(struct run *r, const char *log_dir, bool payloads, char *err,
                      size_t err_size) {
    memset(r, 0, sizeof *r);
    r->payloads = payloads;
    logdir_read(&r->d, log_dir);
    if (r->d.state != MANIFEST_OK) {
        snprintf(err, err_size, "%s", r->d.error);
        logdir_free(&r->d);
        return false;
    }
    while (r->i < r->d.count && r->d.parts[r->i].number < r->d.m.first) r->i++;
    return true;
}

static void run_end(struct run *r) {
    if (r->open) logscan_close(&r->s);
    logdir_free(&r->d);
}

/* *part: the index of the block's part. False at the log's end. */
static bool run_next(struct run *r, struct logblock *b, size_t *part) {
    char path[512];
    for (; r->i < r->d.count; r->i++) {
        const struct logdir_part *p = &r->d.parts[r->i];
        *part = r->i;
        if (!p->incr) continue;
        logdir_path(&r->d, path, sizeof path, p->number, "incr");
        if (!r->open && !logscan_open(&r->s, path, r->payloads))
            continue; /* it was dropped meanwhile */
        r->open = true;
        if (logscan_next(&r->s, b) == LOGSCAN_BLOCK) return true;
        logscan_close(&r->s);
        r->open = false;
    }
    return false;
}

/* ---- what is covered ------------------------------------------------------------------------- */

static void note_bases(struct logtimes *t, const struct manifest *m) {
    for (size_t i = 0; i < t->count; i++) {
        const struct logtimes_part *p = &t->parts[i];
        if (!p->base || p->number > m->base) continue;
        t->base = p->number;
        t->base_us = p->first_us;
        t->base_offset = p->number == m->base ? m->base_pos.offset : p->first_offset;
        return;
    }
    if (m->base || t->count == 0) return;
    t->from_nothing = true;
    t->base_us = t->from_us;
    t->base_offset = t->from_offset;
}

static void note_block(struct logtimes *t, struct logtimes_part *p, const struct logblock *b) {
    if (!t->from_us) {
        t->from_us = b->wall_us;
        t->from_offset = b->offset;
    }
    if (!p->first_us) {
        p->first_us = b->wall_us;
        p->first_offset = b->offset;
    }
    p->bytes += LOGBLOCK_HEADER_BYTES + b->len;
    t->bytes += LOGBLOCK_HEADER_BYTES + b->len;
    t->to_us = b->wall_us;
    t->to_offset = b->offset + b->len;
    memcpy(t->replid, b->id, sizeof t->replid);
}

bool logtimes_read(struct logtimes *t, const char *log_dir, char *err, size_t err_size) {
    struct run r;
    struct logblock b;
    size_t part, first;
    memset(t, 0, sizeof *t);
    if (!run_begin(&r, log_dir, false, err, err_size)) return false;
    first = r.i;
    t->count = r.d.count - first;
    t->parts = xcalloc(t->count ? t->count : 1, sizeof *t->parts);
    for (size_t i = 0; i < t->count; i++) {
        const struct logdir_part *p = &r.d.parts[first + i];
        t->parts[i] = (struct logtimes_part){.number = p->number, .base = p->base, .incr = p->incr};
    }
    memcpy(t->replid, r.d.m.base_pos.id, sizeof t->replid);
    t->to_offset = r.d.m.base_pos.offset;
    while (run_next(&r, &b, &part)) note_block(t, &t->parts[part - first], &b);
    note_bases(t, &r.d.m);
    run_end(&r);
    return true;
}

void logtimes_free(struct logtimes *t) {
    free(t->parts);
    memset(t, 0, sizeof *t);
}

/* ---- one second ------------------------------------------------------------------------------ */

static bool count_one(void *arg, int db, int argc, const struct bytes *argv) {
    (void)db, (void)argc, (void)argv;
    uint64_t *n = arg;
    ++*n;
    return true;
}

static uint64_t commands_in(const char *p, size_t len) {
    struct cmdstream c;
    uint64_t n = 0;
    size_t unit;
    cmdstream_init(&c, 0);
    while (len && cmdstream_find(&c, p, len, &unit) == CMDSTREAM_UNIT) {
        cmdstream_each(&c, p, unit, count_one, &n);
        p += unit;
        len -= unit;
    }
    cmdstream_free(&c);
    return n;
}

/* What lies behind is counted from the last block that is kept on; a later one that is kept too (the clock went back)
 * begins the count anew. */
bool logtimes_at(struct logtimes_at *a, const char *log_dir, uint64_t wall_us, char *err,
                 size_t err_size) {
    struct run r;
    struct logblock b;
    size_t part;
    memset(a, 0, sizeof *a);
    if (!run_begin(&r, log_dir, true, err, err_size)) return false;
    while (run_next(&r, &b, &part)) {
        if (!a->from_us) a->from_us = b.wall_us;
        a->to_us = b.wall_us;
        a->to_offset = b.offset + b.len;
        if (b.wall_us <= wall_us) {
            a->offset = b.offset + b.len;
            a->wall_us = b.wall_us;
            memcpy(a->replid, b.id, sizeof a->replid);
            a->lost_bytes = a->lost_blocks = a->lost_commands = 0;
            continue;
        }
        a->lost_bytes += b.len;
        a->lost_blocks += b.len != 0;
        a->lost_commands += commands_in(logscan_payload(&r.s), b.len);
    }
    a->outside = !a->wall_us;
    run_end(&r);
    return true;
}
