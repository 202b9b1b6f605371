/* See load_ahead.h: increments of the log become batches of commands, ahead of load_incr.c. */
#include "server/persist/load_inside.h"

#include "server/store/store.h"

#include <string.h>

enum { ITEMS_MOST = 2048 };

struct splitting {
    struct load_batch *b;
    uint64_t at;
};

static bool add_command(void *arg, int db, int argc, const struct bytes *argv) {
    struct splitting *s = arg;
    struct bytes *copy = ahead_text_room(&s->b->text, (size_t)argc * sizeof *copy);
    memcpy(copy, argv, (size_t)argc * sizeof *copy);
    struct load_item *i = load_batch_add(s->b);
    i->what = LOAD_COMMAND;
    i->at = s->at;
    i->db = db;
    i->number = (uint64_t)argc;
    i->argv = copy;
    if (argc > 1) i->hash = store_hash(argv[1]);
    return true;
}

/* A plain SET, most of most logs, takes no more than an entry, which is made here where the other side has enough to do. */
static void make_entries(const struct incr_reader *r, struct ahead *a, struct load_batch *b) {
    if (!ahead_is_far(a)) return;
    for (size_t n = 0; n < b->count; n++) {
        struct load_item *i = &b->items[n];
        if (i->what != LOAD_COMMAND || i->number != 3 || !bytes_is(i->argv[0], "set")) continue;
        i->made = apart_string(i->argv[1], i->argv[2], NO_EXPIRY);
        if (r->lfu)
            entry_set_freq(i->made.e, LFU_AT_FIRST, r->now_ms);
        else
            entry_set_idle(i->made.e, 0, r->now_ms);
    }
}

static void add_end(struct load_batch *b, uint64_t at, bool stopped) {
    struct load_item *i = load_batch_add(b);
    i->what = LOAD_END;
    i->at = at;
    i->number = stopped;
    b->last = true;
}

/* The place of a block in the stream, before it is taken. False: it is not taken, all is said. */
static bool follows(struct incr_reader *r, struct load_batch *b, const struct logblock *k,
                    uint64_t at, uint64_t *skip) {
    *skip = 0;
    if (r->any && k->offset != r->offset) {
        load_bad_item(b, LOAD_TORN, at, "a block does not follow the one before it");
        return false;
    }
    if (!r->ranged) return true;
    if (!r->any) {
        if (k->offset > r->range.offset) {
            load_bad_item(b, LOAD_BAD, at, "the log does not reach back to the backup set");
            return false;
        }
        *skip = r->range.offset - k->offset;
    }
    if (k->wall_us <= r->range.until_us) return true;
    add_end(b, at, true);
    return false;
}

/* Ends before the range begins. */
static bool is_before_range(const struct incr_reader *r, const struct logblock *k) {
    uint64_t end = k->offset + k->len;
    return r->ranged && !r->any &&
           (end < r->range.offset || (end == r->range.offset && k->len > 0));
}

static void take_block(struct incr_reader *r, struct load_batch *b, const struct logblock *k,
                       const char *payload, uint64_t at) {
    struct splitting s = {b, at};
    uint64_t skip;
    if (!follows(r, b, k, at, &skip)) return;
    r->stream.db = skip ? r->db : k->db;
    if (!cmdstream_all(&r->stream, payload + skip, k->len - skip, add_command, &s)) {
        load_bad_item(b, LOAD_BAD, at, r->stream.error);
        return;
    }
    r->any = true;
    r->offset = k->offset + k->len;
    struct logblock *copy = ahead_text_room(&b->text, sizeof *copy);
    *copy = *k;
    struct load_item *i = load_batch_add(b);
    i->what = LOAD_BLOCK;
    i->at = at;
    i->db = r->stream.db;
    i->block = copy;
}

/* All of the next block's bytes. False: the batch has to end here, or all is said. */
static bool have_block(struct ahead *a, struct load_batch *b, size_t n, const char *what) {
    const char *error;
    if (ahead_bytes(a).len >= n) return true;
    if (b->count) return false;
    if (ahead_have(a, n, &error)) return true;
    if (error)
        load_bad_item(b, LOAD_BAD, ahead_at(a), error);
    else if (!ahead_bytes(a).len)
        add_end(b, ahead_at(a), false);
    else
        load_bad_item(b, LOAD_TORN, ahead_at(a), what);
    return false;
}

static void read_blocks(struct incr_reader *r, struct ahead *a, struct load_batch *b) {
    struct logblock k;
    while (b->count < ITEMS_MOST && !b->last) {
        if (!have_block(a, b, LOGBLOCK_HEADER_BYTES, "the file ends inside of a block's header"))
            return;
        struct bytes in = ahead_bytes(a);
        if (logblock_get(&k, in.p, in.len) != LOGBLOCK_OK) {
            load_bad_item(
                b, LOAD_TORN, ahead_at(a),
                "this is no block of the log, and blocks behind it say that it was on disk");
            return;
        }
        size_t whole = LOGBLOCK_HEADER_BYTES + (size_t)k.len;
        if (!have_block(a, b, whole, "the file ends inside of a block")) return;
        const char *payload = ahead_bytes(a).p + LOGBLOCK_HEADER_BYTES;
        if (!logblock_payload_fits(&k, payload)) {
            load_bad_item(b, LOAD_TORN, ahead_at(a), "a block's checksum does not fit its bytes");
            return;
        }
        if (!is_before_range(r, &k)) take_block(r, b, &k, payload, ahead_at(a));
        if (!b->last) ahead_used(a, whole);
    }
}

void load_incr_fill(void *arg, struct ahead *a, struct load_batch *b) {
    struct incr_reader *r = arg;
    read_blocks(r, a, b);
    make_entries(r, a, b);
}
