/* See load_ahead.h: RDB files become batches of items, ahead of load_base.c. */
#include "server/persist/load_inside.h"

#include "server/proto/crc64.h"
#include "server/store/store.h"

#include <string.h>

enum {
    ITEMS_MOST = 1024,      /* in a batch: they stay in the processor's cache */
    MAKE_BYTES = 64 * 1024, /* a string this long is always made here */
};

static char *text_room(void *arg, size_t n) {
    return ahead_text_room(arg, n);
}

void load_bad_item(struct load_batch *b, enum load_what what, uint64_t at, const char *text) {
    size_t len = strlen(text);
    char *copy = ahead_text_room(&b->text, len + 1);
    memcpy(copy, text, len + 1);
    struct load_item *i = load_batch_add(b);
    i->what = (uint8_t)what;
    i->at = at;
    i->a = (struct bytes){copy, len};
    b->last = true;
}

/* Bytes whose checksum is still to be counted: those that were used since. */
struct unsummed {
    const char *from;
    uint64_t at;
};
static struct unsummed sum_from(const struct ahead *a) {
    return (struct unsummed){ahead_bytes(a).p, ahead_at(a)};
}
static void add_sum(struct rdb_reader *r, const struct ahead *a, struct unsummed u) {
    if (r->check) r->crc = crc64(r->crc, u.from, ahead_at(a) - u.at);
}

static const uint64_t *kept_numbers(struct load_batch *b, const struct rdb_reader *r) {
    uint64_t *copy = ahead_text_room(&b->text, sizeof r->numbers);
    memcpy(copy, r->numbers, sizeof r->numbers);
    return copy;
}

static bool has_table(int type) {
    return type == RDB_HASH || type == RDB_SET || type == RDB_ZSET || type == RDB_ZSET_2;
}

static void add_event(struct load_batch *b, enum rdb_event ev, const struct rdb_reader *r,
                      uint64_t at) {
    struct load_item *i = load_batch_add(b);
    i->what = LOAD_EVENT;
    i->event = (uint8_t)ev;
    i->type = (uint8_t)r->type;
    i->part = (uint8_t)r->part;
    i->at = at;
    i->a = r->a;
    i->b = r->b;
    i->number = r->number;
    i->left = r->left;
    switch (ev) {
    case RDB_KEY:
        i->expire_ms = r->expire_ms;
        i->idle_s = r->idle_s;
        i->freq = r->freq;
        i->hash = store_hash(r->a);
        break;
    case RDB_RESIZE: i->number2 = r->number2; break;
    case RDB_ITEM:
        if (r->type == RDB_ZSET || r->type == RDB_ZSET_2)
            i->score = r->score;
        else if (rdb_type_is_stream(r->type))
            i->numbers = kept_numbers(b, r);
        if (has_table(r->type)) i->hash = store_hash(r->a);
        break;
    default: break;
    }
}

/* A string's value right behind its key is one item with it; so is its end. */
static bool joins_key(struct load_batch *b, enum rdb_event ev, const struct rdb_reader *r) {
    struct load_item *last = b->count ? &b->items[b->count - 1] : NULL;
    if (!last || r->type != RDB_STRING) return false;
    if (ev == RDB_KEY_END) return last->what == LOAD_STRING;
    if (ev != RDB_VALUE || last->what != LOAD_EVENT || last->event != RDB_KEY) return false;
    last->what = LOAD_STRING;
    last->b = r->a;
    return true;
}

/* The end. Something behind it was never meant to be read as this file. */
static void add_end(struct load_batch *b, struct ahead *a) {
    const char *error;
    uint64_t at = ahead_at(a);
    if (ahead_have(a, 1, &error) || error) {
        load_bad_item(b, LOAD_BAD, at, error ? error : "more bytes stand behind the file's end");
        return;
    }
    struct load_item *i = load_batch_add(b);
    i->what = LOAD_END;
    i->at = at;
    b->last = true;
}

/* Makes the entry here, where the other side has enough to do, or where it is so much to copy that it would keep others
 * waiting. */
static void make_entry(const struct base_reader *base, struct load_item *i) {
    i->made = apart_string(i->a, i->b, i->expire_ms < 0 ? NO_EXPIRY : i->expire_ms);
    if (base->lfu)
        entry_set_freq(i->made.e, (uint8_t)(i->freq < 0 ? LFU_AT_FIRST : i->freq), base->now_ms);
    else
        entry_set_idle(i->made.e, i->idle_s < 0 ? 0 : (uint32_t)i->idle_s, base->now_ms);
}

static void make_entries(const struct base_reader *base, struct ahead *a, struct load_batch *b) {
    bool all = ahead_is_far(a);
    for (size_t n = 0; n < b->count; n++) {
        struct load_item *i = &b->items[n];
        if (i->what == LOAD_STRING && (all || i->b.len >= MAKE_BYTES)) make_entry(base, i);
    }
}

static void read_events(struct rdb_reader *r, struct ahead *a, struct load_batch *b) {
    struct unsummed from = sum_from(a);
    const char *error;
    r->room = text_room;
    r->room_arg = &b->text;
    while (b->count < ITEMS_MOST) {
        struct bytes in = ahead_bytes(a);
        uint64_t at = ahead_at(a);
        enum rdb_event ev = rdb_read(r, in.p, in.len);
        if (ev == RDB_BAD) {
            load_bad_item(b, LOAD_BAD, at, r->error);
            return;
        }
        ahead_used(a, r->used);
        if (ev == RDB_END) {
            if (!b->count)
                add_end(b, a); /* else with the next batch: this one points into the block */
            return;
        }
        if (ev != RDB_MORE) {
            if (!joins_key(b, ev, r)) add_event(b, ev, r, at);
            continue;
        }
        add_sum(r, a, from);
        if (b->count) return; /* what is there points into this block */
        if (!ahead_have(a, r->need, &error)) {
            at = ahead_at(a) + ahead_bytes(a).len;
            load_bad_item(b, LOAD_BAD, at, error ? error : "the file ends too early");
            return;
        }
        from = sum_from(a);
    }
    add_sum(r, a, from);
}

void load_base_fill(void *arg, struct ahead *a, struct load_batch *b) {
    struct base_reader *r = arg;
    read_events(&r->rdb, a, b);
    make_entries(r, a, b);
}
