/* Compaction: a pass through all keys, group by group, that moves what stands badly. Contract in store.h.
 *
 * It can be this simple because everything is referred to from one place: an entry and an element by their dict (the
 * elements of a sorted set by its tree too), a value's bytes by their entry, a chunk by its list. */
#include "server/proto/intset.h"
#include "server/proto/listpack.h"
#include "server/store/inside.h"
#include "server/store/raw.h"

/* Bytes of a value that is one allocation; 0: it is none or many. */
static size_t blob_bytes(const struct entry *e) {
    switch (entry_form(e)) {
    case FORM_RAW: return mem_class(raw_size(((const struct raw *)entry_pointer(e))->cap));
    case FORM_LISTPACK: return mem_class(lp_total(entry_pointer(e)));
    case FORM_INTSET: return mem_class(intset_total(entry_pointer(e)));
    default: return 0;
    }
}

static bool is_many(const struct entry *e) {
    enum value_form form = entry_form(e);
    return form == FORM_TABLE || form == FORM_TREE || form == FORM_CHUNKS || form == FORM_STREAM;
}

static uint64_t compact_inside(struct entry *e, uint64_t from, struct store_mover *m) {
    switch (entry_kind(e)) {
    case KIND_HASH: return hash_compact(e, from, m);
    case KIND_SET: return set_compact(e, from, m);
    case KIND_ZSET: return zset_compact(e, from, m);
    case KIND_LIST: return list_compact(e, from, m);
    case KIND_STREAM: return xstream_compact(e, from, m);
    default: return 0;
    }
}

struct passing {
    struct store_mover *m;
    struct buf *keys;
};

static void *pass_entry(void *arg, void *elem) {
    const struct passing *p = arg;
    struct entry *e = elem;
    size_t bytes = blob_bytes(e);
    if (bytes) entry_set_pointer(e, compact_move(p->m, entry_pointer(e), bytes));
    if (is_many(e)) { /* its reference is not to be searched for while this group is gone through */
        struct bytes key = entry_key(e);
        buf_add(p->keys, &key.len, sizeof key.len);
        buf_add(p->keys, key.p, key.len);
    }
    void *now = compact_move(p->m, e, mem_class(entry_own_size(e)));
    return now == elem ? NULL : now;
}

/* A step inside the first value that waits; it may be gone or something else by now. */
static void pass_inside(struct store *s, struct compaction *c, struct store_mover *m) {
    size_t len;
    memcpy(&len, buf_head(&c->keys), sizeof len);
    struct entry *e = store_find(s, c->db, (struct bytes){buf_head(&c->keys) + sizeof len, len});
    m->looked++;
    c->inside = e && is_many(e) ? compact_inside(e, c->inside, m) : 0;
    if (!c->inside) buf_eat(&c->keys, sizeof len + len);
}

bool store_compact(struct store *s, struct store_mover *m, size_t limit) {
    struct compaction *c = &s->compaction;
    struct passing passing = {m, &c->keys};
    if (s->walk.running) return false;
    s->found.e = NULL;
    for (size_t until = m->looked + limit; m->looked < until;) {
        if (buf_len(&c->keys)) {
            pass_inside(s, c, m);
            continue;
        }
        if (!c->through) {
            c->at = dict_move_in_group(store_dict(s, c->db), c->at, pass_entry, &passing);
            c->through = c->at == 0;
            m->looked++;
            continue;
        }
        c->through = false;
        c->db = (c->db + 1) % s->databases;
        if (c->db == 0) break;
    }
    s->found.e = NULL;
    return c->db || c->at || c->through;
}
