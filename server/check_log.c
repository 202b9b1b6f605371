/* `duet check` of the append-only log: manifest, base, every block of every increment. See check.h. */
#include "server/check.h"

#include "server/base/file.h"
#include "server/persist/aof.h"
#include "server/proto/cmdstream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A pass over increments in order. */
struct pass {
    struct check_log *l;
    const struct logdir_part *part;
    bool kept;   /* older than the base: nothing of it is loaded */
    bool any;    /* at says where the next block must begin */
    uint64_t at; /* offset */
    uint64_t all, done;
    struct cmdstream stream;
};

static bool count_one(void *arg, int db, int argc, const struct bytes *argv) {
    (void)db, (void)argc, (void)argv;
    ++*(uint64_t *)arg;
    return true;
}

/* NULL, or what is wrong with the requests in a block. */
static const char *read_payload(struct pass *p, const struct logblock *b, const char *at,
                                uint64_t *commands) {
    size_t len = b->len, unit;
    p->stream.db = b->db;
    while (len) {
        enum cmdstream_state st = cmdstream_find(&p->stream, at, len, &unit);
        if (st == CMDSTREAM_MORE) return "a block ends inside of a request";
        if (st == CMDSTREAM_BAD) return p->stream.error;
        cmdstream_each(&p->stream, at, unit, count_one, commands);
        at += unit;
        len -= unit;
    }
    return NULL;
}

static void note_block(struct pass *p, const struct logblock *b, uint64_t commands) {
    struct check_log *l = p->l;
    if (!l->from_us) {
        l->from_us = b->wall_us;
        l->from_offset = b->offset;
    }
    l->clock_back += b->wall_us < l->to_us;
    l->to_us = b->wall_us;
    l->to_offset = b->offset + b->len;
    memcpy(l->replid, b->id, sizeof l->replid);
    l->clean = b->kind == LOGBLOCK_CLEAN_END;
    if (p->kept) {
        l->kept_bytes += LOGBLOCK_HEADER_BYTES + b->len;
        return;
    }
    l->blocks += b->len != 0;
    l->bytes += LOGBLOCK_HEADER_BYTES + b->len;
    l->commands += commands;
}

static const char *judge_block(struct pass *p, const struct logblock *b, const char *payload) {
    uint64_t commands = 0;
    if (p->any && b->offset != p->at)
        return "a block does not follow the one before it: something is missing between them";
    const char *why = read_payload(p, b, payload, &commands);
    if (why) return why;
    note_block(p, b, commands);
    p->any = true;
    p->at = b->offset + b->len;
    return NULL;
}

/* What is behind the damage, found by its headers: what a cut would lose. */
static void count_lost(struct check_log *l, const char *path, uint64_t from) {
    struct buf b = BUF_INIT;
    struct logblock block;
    long at = 0;
    if (!file_read_all(path, &b, 1ULL << 40)) return;
    uint64_t size = buf_len(&b);
    l->lost_bytes += aof_end_of_data(path, from, size) - from;
    for (uint64_t i = from; i < size; i += (uint64_t)at) {
        at = logblock_search(buf_head(&b) + i, size - i, 0);
        if (at < 0) break;
        logblock_get(&block, buf_head(&b) + i + at, size - i - (uint64_t)at);
        const char *payload = buf_head(&b) + i + at + LOGBLOCK_HEADER_BYTES;
        bool whole = size - i - (uint64_t)at - LOGBLOCK_HEADER_BYTES >= block.len &&
                     logblock_payload_fits(&block, payload);
        if (whole) {
            struct pass p = {.l = l};
            l->lost_blocks += block.len != 0;
            read_payload(&p, &block, payload, &l->lost_commands);
            cmdstream_free(&p.stream);
            if (block.wall_us > l->lost_to_us) l->lost_to_us = block.wall_us;
        }
        at += (long)(whole ? LOGBLOCK_HEADER_BYTES + block.len : 1);
    }
    buf_free(&b);
}

static void note_bad(struct pass *p, uint64_t at, const char *what) {
    struct check_log *l = p->l;
    struct check_place here = {p->part->number, at};
    char path[600];
    if (p->kept) {
        if (l->kept_bad) return;
        l->kept_bad = true;
        l->kept = here;
        snprintf(l->kept_what, sizeof l->kept_what, "%s", what);
        return;
    }
    l->bad = here;
    snprintf(l->what, sizeof l->what, "%s", what);
    uint64_t offset = p->any ? p->at : l->d.m.base_pos.offset;
    *(logscan_vouched(l->d.dir, here.number, at + 1, offset) ? &l->incr_bad : &l->torn) = true;
    for (size_t i = 0; i < l->d.count; i++) {
        if (!l->d.parts[i].incr || l->d.parts[i].number < here.number) continue;
        logdir_path(&l->d, path, sizeof path, l->d.parts[i].number, "incr");
        count_lost(l, path, l->d.parts[i].number == here.number ? at : 0);
    }
}

/* False: nothing behind it can be looked at. */
static bool scan_part(struct pass *p) {
    struct logscan s;
    struct logblock b;
    char path[600];
    enum logscan_state st;
    const char *why = NULL;
    uint64_t at = 0;
    logdir_path(&p->l->d, path, sizeof path, p->part->number, "incr");
    if (!logscan_open(&s, path, true)) {
        note_bad(p, 0, strerror(errno));
        return false;
    }
    while (!why && (st = logscan_next(&s, &b)) == LOGSCAN_BLOCK) {
        why = judge_block(p, &b, logscan_payload(&s));
        if (!why) at = s.at;
        check_progress(path, p->done + s.at, p->all);
    }
    if (!why && st != LOGSCAN_END) why = s.what;
    p->done += p->part->incr_bytes;
    if (why) note_bad(p, at, why);
    logscan_close(&s);
    return !why;
}

static void scan_increments(struct check_log *l) {
    struct pass p = {.l = l};
    unsigned next = 0;
    cmdstream_init(&p.stream, -1);
    for (size_t i = 0; i < l->d.count; i++) p.all += l->d.parts[i].incr_bytes;
    for (size_t i = 0; i < l->d.count; i++) {
        p.part = &l->d.parts[i];
        if (!p.part->incr || p.part->number < l->d.m.first) continue;
        p.kept = p.part->number < l->d.m.base;
        *(p.kept ? &l->kept_parts : &l->parts) += 1;
        if (next && p.part->number != next && !p.kept)
            break; /* the loader goes no further either */
        if (p.part->number == l->d.m.base) {
            p.any = true;
            p.at = l->d.m.base_pos.offset;
        }
        bool on = scan_part(&p);
        if (!on && !p.kept) break;
        if (!on) p.any = false;
        next = p.part->number + 1;
    }
    cmdstream_free(&p.stream);
}

void check_scan_log(struct check_log *l, const char *dir, bool deep) {
    char path[600];
    int lock = -1;
    memset(l, 0, sizeof *l);
    rdbscan_begin(&l->base, false);
    logdir_read(&l->d, dir);
    l->in_use = check_in_use(dir, &lock);
    if (lock >= 0) close(lock);
    if (l->d.state != MANIFEST_OK) {
        l->manifest_bad = l->d.state == MANIFEST_BAD || l->d.count > 0;
        snprintf(l->what, sizeof l->what, "%.290s", l->d.error);
        return;
    }
    l->to_offset = l->d.m.base_pos.offset;
    memcpy(l->replid, l->d.m.base_pos.id, sizeof l->replid);
    if (l->d.m.base) {
        rdbscan_free(&l->base);
        logdir_path(&l->d, path, sizeof path, l->d.m.base, "base");
        l->base_missing = !check_scan_rdb(&l->base, path, -1, deep);
        l->base_bad = l->base_missing || l->base.state != RDBSCAN_END;
    }
    scan_increments(l);
    if (l->in_use) l->torn = false; /* it is being written */
}

bool check_log_sound(const struct check_log *l) {
    return !l->manifest_bad && !l->base_bad && !l->incr_bad && !l->kept_bad && !l->torn;
}

void check_free_log(struct check_log *l) {
    rdbscan_free(&l->base);
    logdir_free(&l->d);
}

/* ---- the report ------------------------------------------------------------------------------- */

static void report_damage(struct report *r, const struct check_log *l) {
    char path[600];
    if (l->manifest_bad) {
        report_text(r, "damage_in", "manifest");
        report_text(r, "damage", l->what);
        return;
    }
    if (l->base_bad) {
        snprintf(path, sizeof path, "%06u.base", l->d.m.base);
        report_text(r, "damage_in", path);
        report_number(r, "damage_at", l->base.bad_at);
        report_text(r, "damage", l->base_missing ? "it is missing" : l->base.what);
        if (l->base.in_key) report_text(r, "damage_key", l->base.key.name);
    } else if (l->incr_bad || l->torn) {
        snprintf(path, sizeof path, "%06u.incr", l->bad.number);
        report_text(r, l->torn ? "torn_in" : "damage_in", path);
        report_number(r, l->torn ? "torn_at" : "damage_at", l->bad.at);
        report_text(r, l->torn ? "torn" : "damage", l->what);
        report_number(r, "behind_bytes", l->lost_bytes);
        report_number(r, "behind_blocks", l->lost_blocks);
        report_number(r, "behind_commands", l->lost_commands);
        report_time(r, "behind_to", l->lost_to_us);
    }
    if (!l->kept_bad) return;
    snprintf(path, sizeof path, "%06u.incr", l->kept.number);
    report_text(r, "kept_damage_in", path);
    report_number(r, "kept_damage_at", l->kept.at);
    report_text(r, "kept_damage", l->kept_what);
}

static void report_content(struct report *r, const struct check_log *l) {
    if (l->in_use) report_flag(r, "in_use", true);
    if (l->d.m.base) {
        report_number(r, "base", l->d.m.base);
        report_number(r, "base_offset", l->d.m.base_pos.offset);
        report_number(r, "base_keys", l->base.keys);
        report_number(r, "base_bytes", l->base.bytes);
    }
    report_number(r, "first", l->d.m.first);
    report_text(r, "replid", l->replid);
    report_number(r, "increments", l->parts);
    report_number(r, "blocks", l->blocks);
    report_number(r, "bytes", l->bytes);
    report_number(r, "commands", l->commands);
    if (l->kept_parts) {
        report_number(r, "kept_increments", l->kept_parts);
        report_number(r, "kept_bytes", l->kept_bytes);
    }
    report_number(r, "from_offset", l->from_offset);
    report_number(r, "to_offset", l->to_offset);
    report_time(r, "from", l->from_us);
    report_time(r, "to", l->to_us);
    if (l->clock_back) report_number(r, "clock_went_back", l->clock_back);
    report_flag(r, "clean_end", l->clean);
}

void check_log(struct report *r, const struct check_options *o, const char *dir) {
    struct check_log l;
    check_scan_log(&l, dir, !o->quick);
    if (l.d.state == MANIFEST_ABSENT && l.d.count == 0) check_fail("%s: there is no log", dir);
    report_begin(r, "log", dir, check_log_sound(&l));
    report_damage(r, &l);
    if (!l.manifest_bad) report_content(r, &l);
    if (!check_log_sound(&l) && check_repair_log(r, o, &l)) r->damaged = false;
    report_end(r);
    check_free_log(&l);
}

void check_increment(struct report *r, const char *path) {
    struct logscan s;
    struct logblock b = {.len = 0};
    struct check_log l;
    struct pass p = {.l = &l};
    const char *why = NULL;
    uint64_t at = 0;
    enum logscan_state st;
    memset(&l, 0, sizeof l);
    cmdstream_init(&p.stream, -1);
    if (!logscan_open(&s, path, true)) check_fail("%s: %s", path, strerror(errno));
    while (!why && (st = logscan_next(&s, &b)) == LOGSCAN_BLOCK) {
        why = judge_block(&p, &b, logscan_payload(&s));
        if (!why) at = s.at;
        check_progress(path, s.at, s.size);
    }
    if (!why && st != LOGSCAN_END) why = s.what;
    report_begin(r, "increment of a log", path, !why);
    if (why) {
        count_lost(&l, path, at);
        report_number(r, "damage_at", at);
        report_text(r, "damage", why);
        report_number(r, "behind_bytes", l.lost_bytes);
        report_number(r, "behind_blocks", l.lost_blocks);
        report_number(r, "behind_commands", l.lost_commands);
        report_choice(r, "check the log's directory: whether this is a torn tail, and what can be "
                         "done, shows there");
    }
    report_content(r, &l);
    report_end(r);
    logscan_close(&s);
    cmdstream_free(&p.stream);
}
