/* The stream's end: what the master appends, what a slave passes on, what the log has, what is
 * released. */
#include "server/repl/inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/proto/replline.h"

#include <stdlib.h>
#include <string.h>

/* A turn that makes more than this is written to the log in between: memory stays bounded. */
enum { FLUSH_BYTES = 8 * 1024 * 1024 };

static bool no_id(const char *id) {
    return id[0] == '\0' || strspn(id, "0") == PERSIST_ID_CHARS;
}

void stream_open(struct repl *r) {
    const struct persist_loaded *l = persist_loaded(r->persist);
    uint64_t offset = l->damaged || no_id(l->pos.id) ? 0 : l->pos.offset;
    r->db = r->logged_db = -1;
    if (offset || !no_id(l->pos.id)) {
        memcpy(r->id, l->pos.id, sizeof r->id);
        r->db = r->logged_db = l->pos.db;
        r->line_count = persist_lines(r->persist, r->lines);
        r->line_known = r->heard = true;
    } else {
        rand_hex(r->id, PERSIST_ID_CHARS);
    }
    r->backlog = backlog_new(0, offset);
    r->aside = overrun_new(r->dir, repl_close_aside, r);
    r->last_slave_ns = clock_boot_ns();
    if (r->heard) stream_hear(r);
    r->logged = r->write_end = r->released = offset;
    r->pair_acked = r->pair_synced = offset;
}

void stream_close(struct repl *r) {
    backlog_free(r->backlog);
    overrun_free(r->aside);
    buf_free(&r->first);
    buf_free(&r->scratch);
}

uint64_t repl_offset(const struct repl *r) {
    return backlog_end(r->backlog);
}

const char *repl_id(const struct repl *r) {
    return r->id;
}

/* What is whole: a group is not before its end. A block of the log that ended inside of one could not be loaded. */
static uint64_t whole_end(const struct repl *r) {
    return r->depth && r->in_group ? r->first_at : backlog_end(r->backlog);
}

static int whole_db(const struct repl *r) {
    return r->depth && r->in_group ? r->first_db : r->db;
}

bool stream_flush(struct repl *r) {
    uint64_t end = whole_end(r);
    if (r->logged == end) return true;
    struct persist_pos at = {.offset = r->logged, .db = r->logged_db};
    memcpy(at.id, r->id, sizeof at.id);
    int count = backlog_span_count(r->backlog, r->logged, end);
    struct iovec some[16], *iov = count <= 16 ? some : xmalloc((size_t)count * sizeof *iov);
    backlog_spans(r->backlog, r->logged, end, iov, count);
    bool ok = persist_append(r->persist, &at, iov, count);
    if (iov != some) free(iov);
    r->log_stuck = !ok;
    if (ok) {
        r->logged = end;
        r->logged_db = whole_db(r);
    }
    return ok;
}

void stream_pos(struct repl *r, struct persist_pos *pos) {
    stream_flush(r);
    memcpy(pos->id, r->id, sizeof pos->id);
    pos->offset = whole_end(r);
    pos->db = whole_db(r);
}

/* ---- appending ------------------------------------------------------------------------------ */

static void add_scratch(struct repl *r) {
    backlog_add(r->backlog, buf_head(&r->scratch), buf_len(&r->scratch));
    buf_clear(&r->scratch);
    buf_trim(&r->scratch, 1 << 20);
}

static void add_words(struct repl *r, const char *a, const char *b, const char *c) {
    if (c)
        replline_words(&r->scratch, a, b, c, NULL);
    else if (b)
        replline_words(&r->scratch, a, b, NULL);
    else
        replline_words(&r->scratch, a, NULL);
    add_scratch(r);
}

static void select_db(struct repl *r, int db) {
    char text[NUM_I64_CHARS];
    if (db == r->db) return;
    text[num_format_i64(text, db)] = '\0';
    add_words(r, "SELECT", text, NULL);
    r->db = db;
}

static void add_request(struct repl *r, int argc, const struct bytes *argv) {
    size_t n = replline_request_size(argc, argv);
    char *to = backlog_room(r->backlog, n);
    if (to) {
        replline_request_to(to, argc, argv);
        backlog_added(r->backlog, n);
    } else {
        replline_request(&r->scratch, argc, argv);
        add_scratch(r);
    }
}

/* A second command came: MULTI goes before the first. */
static void begin_group(struct repl *r) {
    struct iovec piece;
    uint64_t end = backlog_end(r->backlog);
    for (uint64_t at = r->first_at; at < end; at += piece.iov_len) {
        backlog_spans(r->backlog, at, end, &piece, 1);
        buf_add(&r->first, piece.iov_base, piece.iov_len);
    }
    backlog_cut(r->backlog, r->first_at);
    add_words(r, "MULTI", NULL, NULL);
    backlog_add(r->backlog, buf_head(&r->first), buf_len(&r->first));
    buf_clear(&r->first);
    buf_trim(&r->first, 1 << 20);
}

/* No log, no slave, and none that could know this line: as in Redis without a backlog, bytes are only counted. */
static bool skip_unheard(struct repl *r, int argc, const struct bytes *argv) {
    if (r->heard || r->o.node || persist_written_offset(r->persist) != UINT64_MAX) return false;
    backlog_skip(r->backlog, replline_request_size(argc, argv));
    r->write_end = r->logged = backlog_end(r->backlog);
    r->db = r->logged_db = -1;
    return true;
}

void repl_feed(struct repl *r, int db, int argc, const struct bytes *argv) {
    if (r->role != REPL_MASTER) return;
    if (r->line_pending) stream_own_line(r);
    if (skip_unheard(r, argc, argv)) return;
    r->in_group++;
    if (r->depth && r->in_group == 2) begin_group(r);
    select_db(r, db);
    if (r->in_group == 1) {
        r->first_at = backlog_end(r->backlog);
        r->first_db = r->db;
    }
    add_request(r, argc, argv);
    if (r->depth) return;
    r->in_group = 0;
    r->write_end = backlog_end(r->backlog);
    if (r->write_end - r->logged >= FLUSH_BYTES) stream_flush(r);
}

void repl_feed_begin(struct repl *r) {
    if (r->depth++ == 0) r->in_group = 0;
}

void repl_feed_end(struct repl *r) {
    must(r->depth > 0, "an end has its begin");
    if (--r->depth || !r->in_group) return;
    if (r->in_group > 1) add_words(r, "EXEC", NULL, NULL);
    r->in_group = 0;
    r->write_end = backlog_end(r->backlog);
    if (r->write_end - r->logged >= FLUSH_BYTES) stream_flush(r);
}

void stream_ping(struct repl *r) {
    if (r->role == REPL_MASTER && !r->depth && !r->barred) add_words(r, "PING", NULL, NULL);
}

void stream_ask_acks(struct repl *r) {
    if (r->role == REPL_MASTER && !r->depth && !r->barred) add_words(r, "REPLCONF", "GETACK", "*");
}

void stream_pass_on(struct repl *r, const char *p, size_t n, int db_after) {
    backlog_add(r->backlog, p, n);
    r->db = db_after;
    r->write_end = backlog_end(r->backlog);
    if (r->write_end - r->logged >= FLUSH_BYTES) stream_flush(r);
}

/* ---- lines ---------------------------------------------------------------------------------- */

void stream_restart(struct repl *r, const char *id, uint64_t offset, int db) {
    memcpy(r->id, id, sizeof r->id);
    r->line_count = 0;
    r->line_known = true;
    backlog_reset(r->backlog, offset);
    overrun_reset(r->aside);
    stream_hear(r);
    r->db = r->logged_db = db;
    r->logged = r->write_end = r->released = offset;
    r->pair_acked = r->pair_synced = offset;
}

void stream_new_line(struct repl *r, const char *new_id) {
    stream_flush(r); /* what belongs to the old line is logged under its id */
    if (r->line_count == PERSIST_LINES_MAX) r->line_count--;
    memmove(r->lines + 1, r->lines, r->line_count * sizeof *r->lines);
    memcpy(r->lines[0].id, r->id, sizeof r->id);
    r->lines[0].until = backlog_end(r->backlog);
    r->line_count++;
    if (new_id)
        memcpy(r->id, new_id, sizeof r->id);
    else
        rand_hex(r->id, PERSIST_ID_CHARS);
    /* Everything so far came from the old line's master; only what is written from here on can
     * be held back. */
    r->pair_acked = r->pair_synced = backlog_end(r->backlog);
    /* Slaves keep the database that they had selected, but one that begins from a snapshot may
     * not. */
    if (r->role == REPL_MASTER) r->db = -1;
    if (!persist_set_lines(r->persist, r->lines, r->line_count))
        log_error("replication: the line's history could not be written: %m");
    log_notice("replication: line %s begins at offset %llu, after %s", r->id,
               (unsigned long long)r->lines[0].until, r->lines[0].id);
}

void stream_own_line(struct repl *r) {
    if (!r->line_pending || r->role != REPL_MASTER) return;
    r->line_pending = false;
    if (r->line_known) stream_new_line(r, NULL);
    r->line_known = true;
}

bool stream_fork(const struct repl *r, const char *id, uint64_t offset, uint64_t *fork) {
    uint64_t until = backlog_end(r->backlog);
    bool known = strcmp(id, r->id) == 0;
    for (size_t i = 0; !known && i < r->line_count; i++) {
        known = strcmp(id, r->lines[i].id) == 0;
        until = r->lines[i].until;
    }
    if (known) *fork = offset < until ? offset : until;
    return known;
}

bool stream_serves(struct repl *r, uint64_t offset) {
    return offset >= stream_first(r) || offset >= persist_first_offset(r->persist);
}

/* ---- what may be released --------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t repl_release_offset(const struct repl *r) {
    uint64_t end = backlog_end(r->backlog), ok = persist_policy_offset(r->persist);
    bool disk = r->o.node && r->o.durability == REPL_DISK;
    bool pair = r->o.node && r->role == REPL_MASTER && !r->alone && r->o.durability != REPL_ASYNC;
    if (disk)
        ok = least(ok, persist_synced_offset(r->persist)); /* a slave's reads, and while alone */
    if (pair) ok = least(ok, r->o.durability == REPL_DISK ? r->pair_synced : r->pair_acked);
    return ok >= r->write_end ? end : ok; /* PINGs behind the last write reveal nothing */
}

uint64_t repl_reply_offset(const struct repl *r, bool wrote) {
    return wrote || !r->log_stuck ? backlog_end(r->backlog) : repl_release_offset(r);
}

uint64_t repl_pair_acked_offset(const struct repl *r) {
    return r->pair ? r->pair->acked : 0;
}

void stream_tell_released(struct repl *r) {
    uint64_t now = repl_release_offset(r);
    if (now <= r->released) return;
    r->released = now;
    if (r->world.released) r->world.released(r->world.arg);
}
