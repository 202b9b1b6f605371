/* See load.h: RDB files, as load_base_read.c hands them on. */
#include "server/persist/load_inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ITEMS_A_STEP = 64,
    ASK_AHEAD = 16,
    ITEMS_UNKNOWN = 1 << 20 /* room for more is not made where the file's size is not known */
};

static void take_aux(struct loader *l, struct bytes name, struct bytes value) {
    char text[24];
    if (bytes_is(name, PERSIST_NOTE_AUX) && value.len <= STORE_NOTE_CHARS) {
        if (value.len) memcpy(l->note, value.p, value.len);
        l->note[value.len] = '\0';
    }
    if (value.len >= sizeof text && !bytes_is(name, "repl-id")) return;
    if (bytes_is(name, "repl-id") && value.len == PERSIST_ID_CHARS) {
        memcpy(l->pos.id, value.p, value.len);
        l->pos.id[value.len] = '\0';
        return;
    }
    memcpy(text, value.p, value.len < sizeof text ? value.len : 0);
    text[value.len < sizeof text ? value.len : 0] = '\0';
    if (bytes_is(name, "repl-offset")) l->pos.offset = strtoull(text, NULL, 10);
    if (bytes_is(name, "repl-stream-db")) l->pos.db = atoi(text);
}

static bool select_db(struct loader *l, uint64_t db) {
    if (db < (uint64_t)store_databases(l->p->store)) {
        l->value.db = l->first_db + (int)db;
        return true;
    }
    snprintf(l->error, sizeof l->error,
             "database %" PRIu64 " is not one of the %d there are (see `databases`)", db,
             store_databases(l->p->store));
    return false;
}

/* The item as the reader told it. */
static const struct rdb_reader *told_by(struct loader *l, const struct load_item *i) {
    struct rdb_reader *r = &l->told;
    r->a = i->a;
    r->b = i->b;
    r->number = i->number;
    r->type = i->type;
    r->part = (enum rdb_part)i->part;
    r->left = i->left;
    if (i->event == RDB_KEY) {
        r->expire_ms = i->expire_ms;
        r->idle_s = i->idle_s;
        r->freq = i->freq;
    } else if (i->event == RDB_ITEM) {
        r->score = i->score;
        if (rdb_type_is_stream(i->type)) memcpy(r->numbers, i->numbers, sizeof r->numbers);
    }
    return r;
}

/* The file may lie: no more keys than it has bytes for. True: there is room. */
static bool make_room(const struct loader *l, const struct load_item *i) {
    enum { KEY_BYTES_LEAST = 4 };
    uint64_t most = l->size ? l->size / KEY_BYTES_LEAST : ITEMS_UNKNOWN;
    return store_reserve(l->p->store, l->value.db, i->number < most ? i->number : most);
}

static bool take_event(struct loader *l, const struct load_item *i) {
    enum rdb_event ev = (enum rdb_event)i->event;
    switch (ev) {
    case RDB_AUX: take_aux(l, i->a, i->b); return true;
    case RDB_SELECT: return select_db(l, i->number);
    case RDB_SKIP:
        log_warning("persistence: %s: a %.*s section is skipped", l->path, (int)i->a.len, i->a.p);
        return true;
    case RDB_KEY_END: l->result->keys++; break;
    default: break;
    }
    return value_load_event(&l->value, ev, told_by(l, i), l->error, sizeof l->error);
}

static bool take_string(struct loader *l, struct load_item *i) {
    if (i->made.e &&
        apart_join(l->p->store, l->value.db, i->made, i->a, i->hash, i->expire_ms >= 0)) {
        i->made.e = NULL; /* the store's now */
        l->result->keys++;
        return true;
    }
    const struct value_string s = {i->a, i->b, i->expire_ms, i->idle_s, i->freq};
    l->result->keys++;
    return value_load_string(&l->value, &s, l->error, sizeof l->error);
}

static enum persist_load take_item(struct loader *l, struct load_item *i) {
    bool well = true;
    switch ((enum load_what)i->what) {
    case LOAD_STRING: well = take_string(l, i); break;
    case LOAD_EVENT: well = take_event(l, i); break;
    case LOAD_END:
        store_set_note(l->p->store, (struct bytes){l->note, strlen(l->note)});
        return PERSIST_LOADED;
    case LOAD_BAD:
        snprintf(l->error, sizeof l->error, "%s", i->a.p);
        well = false;
        break;
    default: bug("an RDB file holds nothing else");
    }
    return well ? PERSIST_LOADING : load_damaged(l, i->at, l->error);
}

/* Where a key or an item will stand is in the cache by the time it comes. */
static void ask_for(const struct loader *l, const struct load_batch *b, size_t n) {
    if (n >= b->count || !b->items[n].hash) return;
    const struct load_item *i = &b->items[n];
    if (i->event != RDB_ITEM)
        store_prefetch_bucket(l->p->store, l->value.db, i->hash);
    else if (l->inside) /* of the value that is being filled, or a guess that costs nothing */
        store_prefetch_item(l->value.e, i->hash);
}

/* A value of many items has a table for all of them from the beginning, made in steps. The file may lie: no more items than it
 * has bytes for. */
static bool make_items_room(struct loader *l) {
    enum { ITEM_BYTES_LEAST = 2 };
    struct value_load *v = &l->value;
    uint64_t most = l->size ? l->size / ITEM_BYTES_LEAST : ITEMS_UNKNOWN;
    v->roomy = v->roomy || value_load_reserve(v, v->items < most ? v->items : most);
    return v->roomy;
}

enum persist_load load_base_step(struct loader *l) {
    struct load_batch *b = load_batch_now(l);
    if (!b || (l->inside && !make_items_room(l))) return PERSIST_LOADING;
    for (int n = 0; n < ITEMS_A_STEP && l->item < b->count; n++) {
        ask_for(l, b, l->item + ASK_AHEAD);
        struct load_item *i = &b->items[l->item];
        if (i->what == LOAD_EVENT && i->event == RDB_RESIZE && !make_room(l, i))
            return PERSIST_LOADING;
        l->item++;
        enum persist_load st = take_item(l, i);
        if (i->what == LOAD_EVENT) l->inside = i->event == RDB_BEGIN || i->event == RDB_ITEM;
        if (l->inside && i->event == RDB_BEGIN && !make_items_room(l)) return PERSIST_LOADING;
        if (st != PERSIST_LOADING) return st;
        bool key = i->what == LOAD_STRING || i->event == RDB_KEY_END;
        if (key && l->p->load_rest_us) {
            l->rest_until_ns = clock_boot_ns() + l->p->load_rest_us * 1000;
            return PERSIST_LOADING;
        }
    }
    return PERSIST_LOADING;
}
