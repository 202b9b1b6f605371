#include "server/persist/walk_out.h"

#include "server/base/log.h"

#include <stdlib.h>

enum { LONG_READY_BYTES = 1 << 20 };

/* A big value that the walk has touched and that is not written yet. It outlives the store's struct walked:
 * its last items may still wait when the store is done with it. */
struct kept {
    struct kept *prev, *next; /* in all */
    struct kept *next_turn;
    struct spill items;
    struct buf head;  /* from begin until it is live */
    struct buf chunk; /* a list's that comes in pieces, for an old version */
    int db;
    bool ended;
};

void walk_out_open(struct walk_out *o, const struct value_style *style, struct spill_pool *pool) {
    *o = (struct walk_out){.style = *style, .pool = pool, .db = -1, .aside_db = -1};
    spill_init(&o->aside, pool);
}

static void kept_free(struct walk_out *o, struct kept *k) {
    if (k->prev)
        k->prev->next = k->next;
    else
        o->all = k->next;
    if (k->next) k->next->prev = k->prev;
    spill_free(&k->items);
    buf_free(&k->head);
    buf_free(&k->chunk);
    free(k);
}

void walk_out_close(struct walk_out *o) {
    while (o->all) kept_free(o, o->all);
    spill_free(&o->aside);
    buf_free(&o->ready);
    buf_free(&o->scratch);
}

const char *walk_out_failure(const struct walk_out *o) {
    return o->failure[0] ? o->failure : spill_failure(o->pool);
}

size_t walk_out_values(const struct walk_out *o) {
    size_t n = 0;
    for (const struct kept *k = o->all; k; k = k->next) n++;
    return n;
}

static void look_at_length(struct walk_out *o) {
    if (buf_len(&o->ready) >= LONG_READY_BYTES && o->long_ready) o->long_ready(o->arg);
}

static void select_db(struct buf *out, int *selected, int db) {
    if (*selected == db) return;
    *selected = db;
    rdb_put_select(out, (uint64_t)db);
}

/* ---- Whole entries --------------------------------------------------------------------------- */

static bool has_form(struct walk_out *o, enum value_kind kind, struct bytes key) {
    if (value_has_form(kind, o->style.version)) return true;
    if (!o->failure[0]) value_no_form(kind, key, o->style.version, o->failure, sizeof o->failure);
    return false;
}

static void take_entry(void *arg, int db, const struct entry *e, bool before_change) {
    (void)before_change;
    struct walk_out *o = arg;
    if (!has_form(o, entry_kind(e), entry_key(e))) return;
    o->keys++;
    if (!o->turn && spill_empty(&o->aside)) {
        select_db(&o->ready, &o->db, db);
        value_save(&o->ready, e, &o->style);
        look_at_length(o);
        return;
    }
    if (spill_empty(&o->aside)) o->aside_db = -1;
    buf_clear(&o->scratch);
    select_db(&o->scratch, &o->aside_db, db);
    value_save(&o->scratch, e, &o->style);
    spill_add(&o->aside, buf_head(&o->scratch), buf_len(&o->scratch));
    buf_trim(&o->scratch, LONG_READY_BYTES);
}

/* ---- Values in items ------------------------------------------------------------------------- */

static struct kept *kept_of(struct walk_out *o, struct walked *v) {
    if (v->mine) return v->mine;
    struct kept *k = xcalloc(1, sizeof *k);
    spill_init(&k->items, o->pool);
    k->db = v->db;
    k->next = o->all;
    if (k->next) k->next->prev = k;
    o->all = v->mine = k;
    return k;
}

static void take_noted(void *arg, struct walked *v) {
    kept_of(arg, v);
}

static void go_live(struct walk_out *o, struct kept *k) {
    select_db(&o->ready, &o->db, k->db);
    buf_add(&o->ready, buf_head(&k->head), buf_len(&k->head));
    buf_free(&k->head);
    o->live = k;
}

static void take_begin(void *arg, struct walked *v) {
    struct walk_out *o = arg;
    struct kept *k = kept_of(o, v);
    if (has_form(o, v->kind, v->key)) value_save_begin(&k->head, v, &o->style);
    if (o->turn)
        o->turn_last->next_turn = k;
    else
        o->turn = k;
    o->turn_last = k;
    if (o->turn == k && spill_empty(&o->aside)) go_live(o, k);
}

/* An old version wants a list's elements: the chunk must be there whole. False: it is not yet. */
static bool chunk_is_whole(const struct walk_out *o, struct kept *k, struct walk_item *i) {
    if (o->style.version == RDB_VERSION || i->name.len == i->whole) return true;
    if (i->at == 0) buf_clear(&k->chunk);
    buf_add(&k->chunk, i->name.p, i->name.len);
    i->name = (struct bytes){buf_head(&k->chunk), buf_len(&k->chunk)};
    i->at = 0;
    return i->name.len == i->whole;
}

static void take_item(void *arg, struct walked *v, const struct walk_item *i, bool early) {
    (void)early;
    struct walk_out *o = arg;
    struct kept *k = kept_of(o, v);
    struct walk_item whole = *i;
    if (!value_has_form(v->kind, o->style.version)) return;
    if (v->kind == KIND_LIST && !chunk_is_whole(o, k, &whole)) return;
    if (o->live == k && spill_empty(&k->items)) {
        value_save_item(&o->ready, v, &whole, &o->style);
        look_at_length(o);
        return;
    }
    buf_clear(&o->scratch);
    value_save_item(&o->scratch, v, &whole, &o->style);
    spill_add(&k->items, buf_head(&o->scratch), buf_len(&o->scratch));
    buf_trim(&o->scratch, LONG_READY_BYTES);
}

/* The value whose turn it is may be written to its end. */
static void end_turn(struct walk_out *o) {
    struct kept *k = o->live;
    if (!k || !k->ended || !spill_empty(&k->items)) return;
    must(o->turn == k, "the value being written is the first of those that have begun");
    o->turn = k->next_turn;
    o->live = NULL;
    o->keys++;
    kept_free(o, k);
}

static void take_end(void *arg, struct walked *v) {
    struct walk_out *o = arg;
    ((struct kept *)v->mine)->ended = true;
    end_turn(o);
}

struct store_walker walk_out_walker(struct walk_out *o) {
    return (struct store_walker){.arg = o,
                                 .entry = take_entry,
                                 .noted = take_noted,
                                 .begin = take_begin,
                                 .item = take_item,
                                 .end = take_end};
}

/* ---- What waits ------------------------------------------------------------------------------ */

bool walk_out_settled(const struct walk_out *o) {
    if (o->turn) return o->live && !o->live->ended && spill_empty(&o->live->items);
    return spill_empty(&o->aside);
}

static void let_aside_flow(struct walk_out *o) {
    o->aside_flows = true;
    spill_take(&o->aside, &o->ready);
    if (!spill_empty(&o->aside)) return;
    o->aside_flows = false;
    o->db = o->aside_db;
}

void walk_out_settle(struct walk_out *o) {
    if (walk_out_failure(o)) return;
    if (!o->live && !spill_empty(&o->aside)) {
        let_aside_flow(o);
        return;
    }
    if (!o->turn) return;
    if (!o->live) {
        go_live(o, o->turn);
        return;
    }
    if (!spill_empty(&o->live->items)) spill_take(&o->live->items, &o->ready);
    end_turn(o);
}
