/* What stands in lists, strings and streams as text: once read from the store at an instant, once from what a walk
 * hands out. Both must be the same, byte for byte. */
#ifndef TESTS_UNIT_WALK_ROW_RIG_H
#define TESTS_UNIT_WALK_ROW_RIG_H

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/store/list.h"
#include "server/store/stream_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RIG_KEYS = 64 };

/* A value's text under its key, as `db key` says it. */
struct text {
    struct buf name, value;
};
struct texts {
    struct text row[RIG_KEYS];
    int n;
};

static void texts_free(struct texts *t) {
    for (int i = 0; i < t->n; i++) {
        buf_free(&t->row[i].name);
        buf_free(&t->row[i].value);
    }
    t->n = 0;
}

static struct buf *text_new(struct texts *t, int db, struct bytes key, int64_t expiry_ms) {
    must(t->n < RIG_KEYS, "there are few keys");
    struct text *one = &t->row[t->n++];
    *one = (struct text){BUF_INIT, BUF_INIT};
    buf_printf(&one->name, "%d %.*s", db, (int)key.len, key.p);
    buf_printf(&one->value, "until %lld ", (long long)expiry_ms);
    return &one->value;
}

static bool same_bytes(const struct buf *a, const struct buf *b) {
    return buf_len(a) == buf_len(b) && memcmp(buf_head(a), buf_head(b), buf_len(a)) == 0;
}

/* Each of a is once in b, and there are no others. */
static bool texts_same(const struct texts *a, const struct texts *b) {
    if (a->n != b->n) {
        fprintf(stderr, "# %d values, expected %d\n", a->n, b->n);
        return false;
    }
    for (int i = 0; i < a->n; i++) {
        int j = 0;
        while (j < b->n && !same_bytes(&a->row[i].name, &b->row[j].name)) j++;
        if (j < b->n && same_bytes(&a->row[i].value, &b->row[j].value)) continue;
        fprintf(stderr, "# %.*s: %zu bytes of text, expected %zu\n", (int)buf_len(&a->row[i].name),
                buf_head(&a->row[i].name), buf_len(&a->row[i].value),
                j < b->n ? buf_len(&b->row[j].value) : 0);
        return false;
    }
    return true;
}

/* ---- From the store -------------------------------------------------------------------------- */

static void put_bytes(struct buf *out, struct bytes b) {
    buf_printf(out, "%zu:", b.len);
    buf_add(out, b.p, b.len);
}

static void put_list(struct buf *out, const struct entry *e) {
    struct list_cursor c;
    if (list_seek(e, 0, &c)) {
        do {
            put_bytes(out, list_here(&c));
        } while (list_next(&c));
    }
}

static void put_id(struct buf *out, const char *what, struct xid id) {
    buf_printf(out, "%s%llu-%llu ", what, (unsigned long long)id.ms, (unsigned long long)id.seq);
}

static void put_node(void *arg, struct xid id, struct bytes listpack) {
    put_id(arg, "node ", id);
    put_bytes(arg, listpack);
}

static void put_facts(struct buf *out, const struct xstream_facts *f, uint64_t length,
                      uint64_t groups) {
    put_id(out, "last ", f->last_id);
    put_id(out, "first ", f->first_id);
    put_id(out, "deleted ", f->max_deleted_id);
    buf_printf(out, "added %llu length %llu groups %llu ", (unsigned long long)f->entries_added,
               (unsigned long long)length, (unsigned long long)groups);
}

static void put_number(struct buf *out, const char *what, int64_t n) {
    buf_printf(out, "%s%lld ", what, (long long)n);
}

static void put_group(struct buf *out, const struct xgroup *g) {
    struct xpending_cursor k;
    struct xpending p;
    put_bytes(out, xgroup_name(g));
    put_id(out, " last ", xgroup_last_id(g));
    put_number(out, "read ", xgroup_entries_read(g));
    put_number(out, "pending ", (int64_t)xgroup_pending(g));
    for (xpending_seek(g, NULL, XID_MIN, &k); xpending_next(&k, &p);) {
        put_id(out, "", p.id);
        put_number(out, "at ", p.time_ms);
        put_number(out, "times ", (int64_t)p.count);
    }
    put_number(out, "consumers ", (int64_t)xgroup_consumers(g));
    for (size_t i = 0; i < xgroup_consumers(g); i++) {
        struct xconsumer *c = xconsumer_at(g, i);
        put_bytes(out, xconsumer_name(c));
        put_number(out, " seen ", xconsumer_seen_ms(c));
        put_number(out, "has ", (int64_t)xconsumer_pending(c));
        for (xpending_seek(g, c, XID_MIN, &k); xpending_next(&k, &p);) put_id(out, "", p.id);
    }
}

static void put_stream(struct buf *out, const struct entry *e) {
    struct xstream_facts f = xstream_facts(e);
    xstream_each_node(e, put_node, out);
    put_facts(out, &f, xstream_len(e), xstream_groups(e));
    for (size_t i = 0; i < xstream_groups(e); i++) put_group(out, xgroup_at(e, i));
}

static void put_entry(struct buf *out, const struct entry *e) {
    struct digits d;
    switch (entry_kind(e)) {
    case KIND_STRING: put_bytes(out, string_bytes(e, &d)); break;
    case KIND_LIST: put_list(out, e); break;
    case KIND_STREAM: put_stream(out, e); break;
    default: bug("the rig knows three kinds");
    }
}

struct reading {
    struct texts *to;
    int db;
};

static void read_entry(void *arg, struct entry *e) {
    struct reading *r = arg;
    put_entry(text_new(r->to, r->db, entry_key(e), entry_expiry(e)), e);
}

static void texts_of_store(struct texts *t, struct store *s) {
    struct reading r = {t, 0};
    for (; r.db < store_databases(s); r.db++) store_each(s, r.db, read_entry, &r);
}

/* ---- From a walk ----------------------------------------------------------------------------- */

struct walker {
    struct store *store;
    struct texts got;
    struct walked *now;
    struct buf *out;
    struct buf piece; /* of a chunk or node, as far as it came */
    size_t length, noted, begun, pieces, wrong;
};

static void expect_well(struct walker *w, bool well, const char *what) {
    if (well) return;
    if (!w->wrong++) fprintf(stderr, "# the walk: %s\n", what);
}

static void got_entry(void *arg, int db, const struct entry *e, bool before_change) {
    struct walker *w = arg;
    expect_well(w, before_change || !w->now, "whole values come between turns");
    put_entry(text_new(&w->got, db, entry_key(e), entry_expiry(e)), e);
}

static void got_noted(void *arg, struct walked *v) {
    struct walker *w = arg;
    expect_well(w, v != w->now, "a value is noted before its turn");
    v->mine = w;
    w->noted++;
}

static void got_begin(void *arg, struct walked *v) {
    struct walker *w = arg;
    expect_well(w, !w->now, "one value has its turn");
    w->now = v;
    w->length = 0;
    w->begun++;
    w->out = text_new(&w->got, v->db, v->key, v->expiry_ms);
    if (v->kind == KIND_STRING) buf_printf(w->out, "%zu:", v->count);
}

/* A chunk or node is taken when it is whole. */
static bool is_whole(struct walker *w, const struct walk_item *i) {
    expect_well(w, i->at == buf_len(&w->piece), "pieces come one after the other");
    buf_add(&w->piece, i->name.p, i->name.len);
    w->pieces += i->name.len < i->whole;
    bool whole = buf_len(&w->piece) == i->whole;
    expect_well(w, i->count == whole, "what is whole counts");
    return whole;
}

static void got_chunk(struct walker *w, const struct walk_item *i) {
    char digits[LP_DIGITS];
    if (!is_whole(w, i)) return;
    const uint8_t *lp = (const uint8_t *)buf_head(&w->piece);
    expect_well(w, lp_valid(lp, i->whole), "a chunk is a sound listpack");
    for (const uint8_t *at = lp_first(lp); at; at = lp_next(lp, at), w->length++)
        put_bytes(w->out, lp_get(at, digits));
    buf_clear(&w->piece);
}

static void got_stream(struct walker *w, const struct walk_item *i) {
    const struct xstream_item *x = i->stream;
    switch (x->part) {
    case XPART_NODE:
        if (!is_whole(w, i)) return;
        put_node(w->out, x->id, (struct bytes){buf_head(&w->piece), buf_len(&w->piece)});
        buf_clear(&w->piece);
        break;
    case XPART_FACTS:
        put_facts(w->out, &x->facts, x->length, x->count);
        w->length = x->length;
        break;
    case XPART_GROUP:
        put_bytes(w->out, i->name);
        put_id(w->out, " last ", x->id);
        put_number(w->out, "read ", x->entries_read);
        put_number(w->out, "pending ", (int64_t)x->count);
        break;
    case XPART_PENDING:
        expect_well(w, x->count > 0 && x->count <= XPART_RUN, "a run is of some");
        for (uint64_t n = 0; n < x->count; n++) {
            put_id(w->out, "", x->run[n].id);
            put_number(w->out, "at ", x->run[n].time_ms);
            put_number(w->out, "times ", (int64_t)x->run[n].delivered);
        }
        break;
    case XPART_CONSUMERS: put_number(w->out, "consumers ", (int64_t)x->count); break;
    case XPART_CONSUMER:
        put_bytes(w->out, i->name);
        put_number(w->out, " seen ", x->seen_ms);
        put_number(w->out, "has ", (int64_t)x->count);
        break;
    case XPART_OWNED:
        expect_well(w, x->count > 0 && x->count <= XPART_RUN, "a run is of some");
        for (uint64_t n = 0; n < x->count; n++) put_id(w->out, "", x->run[n].id);
        break;
    }
}

static void got_item(void *arg, struct walked *v, const struct walk_item *i, bool early) {
    struct walker *w = arg;
    expect_well(w, v == w->now && !early, "items come in their value's turn");
    if (v->kind == KIND_STREAM) {
        got_stream(w, i);
    } else if (v->kind == KIND_LIST) {
        got_chunk(w, i);
    } else {
        expect_well(w, i->whole == v->count && i->at == w->length, "a string's pieces in order");
        expect_well(w, i->count == i->name.len, "a string's bytes count");
        w->pieces += i->name.len < i->whole;
        buf_add(w->out, i->name.p, i->name.len);
        w->length += i->name.len;
    }
}

static void got_end(void *arg, struct walked *v) {
    struct walker *w = arg;
    expect_well(w, v == w->now && !buf_len(&w->piece), "a value ends when it is whole");
    expect_well(w, w->length == v->length, "a value has the length that was told");
    w->now = NULL;
}

static void walker_free(struct walker *w) {
    texts_free(&w->got);
    buf_free(&w->piece);
}

static bool walk_begin(struct walker *w, struct store *s) {
    *w = (struct walker){.store = s, .piece = BUF_INIT};
    const struct store_walker to = {w, got_entry, got_noted, got_begin, got_item, got_end};
    return store_walk_start(s, &to);
}

#endif
