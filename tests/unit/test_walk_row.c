/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c server/store/compact.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/hash.c
 * server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c
 * server/store/set.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/store/packed.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/proto/listpack.c
 * server/proto/intset.c server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c
 * server/base/rand.c server/base/clock.c */
/* Walks of lists, big strings and streams that change meanwhile: what a walk hands out is what stood there at its
 * beginning. Random changes of all sorts, walks at random instants, given up or not; the verifier after each batch. */
#include "tests/unit/walk_row_rig.h"

#include "tests/unit/tap.h"

#include "server/base/hash.h"
#include "server/base/rand.h"

enum { DATABASES = 3, NAMES = 3, BLOB_BYTES = 1 << 18 };

struct rig {
    struct store *s;
    struct prng prng;
    int64_t now_ms;
    char blob[BLOB_BYTES];
    struct texts wanted;
    struct walker w;
    bool walking;
    size_t walks, given_up, noted, pieces, wrong, kept_most;
};

static uint64_t below(struct rig *r, uint64_t n) {
    return prng_below(&r->prng, n);
}

static bool one_in(struct rig *r, uint64_t n) {
    return below(r, n) == 0;
}

/* Some bytes: mostly few, of a kind that compresses or not. */
static struct bytes some_bytes(struct rig *r, size_t most) {
    size_t len = one_in(r, 40) ? below(r, most) : below(r, 24);
    size_t from = one_in(r, 2) ? below(r, 1000) : below(r, BLOB_BYTES - len);
    return (struct bytes){r->blob + from, len};
}

static struct bytes name_of(struct rig *r, char kind) {
    static char name[4];
    name[0] = kind;
    name[1] = (char)('0' + below(r, NAMES));
    return (struct bytes){name, 2};
}

/* A copy, good until the next. */
static struct bytes key_of(const struct entry *e) {
    static char name[4];
    memcpy(name, entry_key(e).p, 2);
    return (struct bytes){name, 2};
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static void change_list(struct rig *r, int db, struct entry *e) {
    size_t len = list_len(e);
    size_t at = below(r, len ? len : 1);
    struct bytes v = some_bytes(r, one_in(r, 8) ? 200000 : 600);
    switch (len ? below(r, 12) : 0) {
    case 0:
    case 1:
    case 2:
        for (size_t n = below(r, 60) + 1; n-- > 0; v = some_bytes(r, 600))
            list_push(r->s, db, e, (enum list_end)below(r, 2), v);
        break;
    case 3: list_insert(r->s, db, e, at, v); break;
    case 4:
    case 5:
    case 6: list_set(r->s, db, e, at, v); break;
    case 7: list_remove(r->s, db, e, at, below(r, one_in(r, 5) ? len - at + 1 : 1)); break;
    case 8: list_remove(r->s, db, e, one_in(r, 2) ? 0 : len - 1, 1); break;
    case 9: list_remove_equal(r->s, db, e, v, 1 + below(r, 5), (enum list_end)below(r, 2)); break;
    case 10:
        if (one_in(r, 3)) list_remove(r->s, db, e, 0, len - 1 - below(r, len < 5 ? len : 5));
        break;
    default: {
        size_t n = below(r, 30) < len - at ? below(r, len - at) % 30 : 0;
        list_remove(r->s, db, e, at, n);
    }
    }
    if (list_len(e) == 0) store_delete(r->s, db, e);
}

/* ---- Strings --------------------------------------------------------------------------------- */

static void change_string(struct rig *r, int db, struct entry *e) {
    size_t len = string_len(e), from = below(r, len + 1);
    struct bytes v = some_bytes(r, 9000);
    switch (below(r, 8)) {
    case 0: from = len; break;
    case 1: from += below(r, 3000); break;
    case 2:
        if (one_in(r, 4)) store_put_string(r->s, db, key_of(e), BYTES("17"), KEEP_EXPIRY);
        return;
    case 3: {
        struct bytes whole = {r->blob, 5000 + below(r, BLOB_BYTES - 5000)};
        if (one_in(r, 4)) store_replace_string(r->s, db, e, key_of(e), whole, NO_EXPIRY);
        return;
    }
    default: break;
    }
    size_t end = from + v.len > len ? from + v.len : len;
    if (end > BLOB_BYTES) return;
    if (one_in(r, 30)) string_edit_part(r->s, db, &e, len / 2, 0, 0);
    if (one_in(r, 30)) {
        string_edit(r->s, db, &e, end)[end / 2] = 'x';
        return;
    }
    memcpy(string_edit_part(r->s, db, &e, end, from, v.len) + from, v.p, v.len);
    if (one_in(r, 3)) {
        char *data = string_edit_part(r->s, db, &e, end, 0, 0);
        string_edit_here(e, end / 3, 1);
        if (end) data[end / 3] = 'y';
    }
}

/* ---- Streams --------------------------------------------------------------------------------- */

static void add_entries(struct rig *r, int db, struct entry *e) {
    struct xid id;
    for (size_t n = 1 + below(r, 20); n-- > 0;) {
        struct bytes words[4];
        for (int i = 0; i < 4; i++)
            words[i] = some_bytes(r, i == 3 && one_in(r, 20) ? 150000 : 200);
        r->now_ms += (int64_t)below(r, 3);
        if (!one_in(r, 5)) words[0] = BYTES("f"), words[2] = BYTES("g");
        if (xstream_auto_id(e, r->now_ms, &id))
            xstream_add(r->s, db, e, id, words, 1 + below(r, 2));
    }
}

/* An id near one of the stream's. */
static struct xid some_id(struct rig *r, const struct entry *e) {
    struct xid first = xstream_facts(e).first_id, last = xstream_facts(e).last_id, id;
    struct xstream_cursor c;
    size_t fields;
    uint64_t span = last.ms >= first.ms ? last.ms - first.ms : 0;
    struct xid from = {first.ms + below(r, span + 2), 0};
    xstream_seek(e, from, XID_MAX, false, &c);
    return xstream_next(&c, &id, &fields) ? id : from;
}

static void change_facts(struct rig *r, int db, struct entry *e) {
    struct xstream_facts f = xstream_facts(e);
    struct xid last;
    if (one_in(r, 2) && xstream_last_entry(e, &last))
        f.last_id = last;
    else if (one_in(r, 2) && !xstream_len(e))
        f.last_id.ms /= 2;
    else
        f.last_id.ms += below(r, 5);
    f.entries_added += below(r, 3);
    xstream_set_facts(r->s, db, e, &f);
}

static void change_entries(struct rig *r, int db, struct entry *e) {
    struct xstream_trim how = {.by_id = one_in(r, 2),
                               .approx = one_in(r, 2),
                               .max_len = below(r, xstream_len(e) + 1),
                               .min_id = some_id(r, e),
                               .limit = one_in(r, 2) ? below(r, 100) : 0};
    switch (below(r, 8)) {
    case 0:
        if (one_in(r, 6)) xstream_trim(r->s, db, e, &how);
        break;
    case 1:
    case 2:
    case 3: xstream_delete(r->s, db, e, some_id(r, e)); break;
    case 4: change_facts(r, db, e); break;
    default: add_entries(r, db, e); break;
    }
}

static void deliver(struct rig *r, int db, struct entry *e, struct xgroup *g, struct xconsumer *c) {
    struct xstream_cursor k;
    struct xid from = xgroup_last_id(g), id;
    size_t fields, n = below(r, 40);
    if (one_in(r, 3)) from = some_id(r, e);
    xstream_seek(e, from, XID_MAX, false, &k);
    while (n-- > 0 && xstream_next(&k, &id, &fields)) {
        const struct xpending p = {id, c, r->now_ms, below(r, 4)};
        xgroup_deliver(r->s, db, e, g, id);
        xpending_put(r->s, db, e, g, &p);
    }
}

static void acknowledge(struct rig *r, int db, struct entry *e, struct xgroup *g) {
    struct xpending_cursor k;
    struct xpending p;
    size_t n = below(r, 30);
    for (xpending_seek(g, NULL, some_id(r, e), &k); n-- > 0 && xpending_next(&k, &p);)
        if (!one_in(r, 3)) xpending_remove(r->s, db, e, g, p.id);
}

static void change_group(struct rig *r, int db, struct entry *e) {
    struct bytes name = name_of(r, 'g');
    struct xgroup *g = xgroup_find(e, name);
    if (!g) {
        xgroup_add(r->s, db, e, name, one_in(r, 2) ? XID_MIN : some_id(r, e), -1);
        return;
    }
    struct bytes who = name_of(r, 'c');
    struct xconsumer *c = xconsumer_find(g, who);
    if (!c) c = xconsumer_add(r->s, db, e, g, who, r->now_ms);
    switch (below(r, 12)) {
    case 0:
        if (one_in(r, 3)) xgroup_remove(r->s, db, e, g);
        break;
    case 1:
        if (one_in(r, 2)) xconsumer_remove(r->s, db, e, g, c);
        break;
    case 2: xgroup_set(r->s, db, e, g, some_id(r, e), (int64_t)below(r, 9)); break;
    case 3: xconsumer_see(r->s, db, e, c, r->now_ms); break;
    case 4:
    case 5:
    case 6: acknowledge(r, db, e, g); break;
    default: deliver(r, db, e, g, c); break;
    }
}

/* ---- All ------------------------------------------------------------------------------------- */

static void change_value(struct rig *r, int db, char kind) {
    struct bytes key = name_of(r, kind);
    struct entry *e = store_find(r->s, db, key);
    int64_t expiry = one_in(r, 2) ? NO_EXPIRY : 1000 + (int64_t)below(r, 1000);
    enum value_kind wanted = kind == 's' ? KIND_STRING : kind == 'l' ? KIND_LIST : KIND_STREAM;
    if (e && entry_kind(e) != wanted) {
        store_delete(r->s, db, e);
        e = NULL;
    }
    if (kind == 's') {
        struct bytes v = some_bytes(r, 60000);
        if (!e) e = string_put_plain(r->s, db, key, v, expiry, false);
        change_string(r, db, e);
    } else if (kind == 'l') {
        if (!e) e = list_new(r->s, db, key, expiry);
        change_list(r, db, e);
    } else {
        if (!e) e = xstream_new(r->s, db, key, expiry);
        if (one_in(r, 2))
            change_entries(r, db, e);
        else
            change_group(r, db, e);
    }
}

/* What happens to keys, whatever they hold. */
static void change_key(struct rig *r, int db, char kind) {
    struct entry *e = store_find(r->s, db, name_of(r, kind));
    int to_db = (int)below(r, DATABASES);
    if (!e) return;
    struct bytes to = name_of(r, kind);
    struct entry *there = store_find(r->s, to_db, to);
    switch (below(r, 8)) {
    case 0: store_delete(r->s, db, e); break;
    case 1: store_set_expiry(r->s, db, e, one_in(r, 2) ? NO_EXPIRY : 2000); break;
    case 2:
        if (!there) store_copy(r->s, db, e, to_db, to);
        break;
    case 3:
        if (there == e) break;
        if (there) store_delete(r->s, to_db, there);
        store_move(r->s, db, e, to_db, to);
        break;
    case 4: store_put_string(r->s, db, key_of(e), BYTES("other"), KEEP_EXPIRY); break;
    default: break;
    }
}

static void change_something(struct rig *r) {
    int db = (int)below(r, DATABASES);
    char kind = "lsx"[below(r, 3)];
    if (one_in(r, 600))
        store_flush(r->s, db);
    else if (one_in(r, 200))
        store_swap(r->s, db, (int)below(r, DATABASES));
    else if (one_in(r, 20))
        change_key(r, db, kind);
    else
        change_value(r, db, kind);
}

static void start(struct rig *r) {
    texts_free(&r->wanted);
    texts_of_store(&r->wanted, r->s);
    if (!walk_begin(&r->w, r->s)) return; /* an earlier one's marks are still being taken off */
    r->walking = true;
}

static void count(struct rig *r) {
    r->walking = false;
    r->noted += r->w.noted;
    r->pieces += r->w.pieces;
    r->wrong += r->w.wrong;
    walker_free(&r->w);
}

static void walk_on(struct rig *r) {
    if (store_walk_step(r->s, 1 + below(r, one_in(r, 5) ? 300 : 6))) return;
    if (!texts_same(&r->w.got, &r->wanted)) r->wrong++;
    count(r);
    r->walks++;
}

static void give_up(struct rig *r) {
    store_walk_abort(r->s);
    count(r);
    r->given_up++;
}

static void set_limits(struct rig *r) {
    struct store_settings *set = store_settings(r->s);
    set->list_chunk_bytes = 64 << below(r, 8);
    set->list_chunk_count = 1 + below(r, one_in(r, 3) ? 3 : 1000);
    set->list_open_ends = one_in(r, 2) ? below(r, 4) : 0;
    set->stream_node_entries = 1 + below(r, 20);
    set->walk_whole_count = below(r, 4);
    set->walk_whole_bytes = 1 + below(r, one_in(r, 2) ? 1000 : 10000);
}

/* Changes, and a walk that goes on between them, slowly or fast; then it comes to its end. */
static void run(struct rig *r, size_t changes) {
    uint64_t pace = 1 + below(r, 20);
    set_limits(r);
    for (size_t i = 0; i < changes; i++) {
        change_something(r);
        if (!r->walking && one_in(r, 30)) start(r);
        if (r->walking && one_in(r, pace)) walk_on(r);
        if (r->walking && one_in(r, 3000)) give_up(r);
        if (store_walk_kept(r->s) > r->kept_most) r->kept_most = store_walk_kept(r->s);
        if (one_in(r, 4)) store_work(r->s, 1 + below(r, 20));
        if (one_in(r, 60)) store_verify(r->s);
    }
    while (r->walking) walk_on(r);
    while (store_work(r->s, 100)) {
    }
    store_verify(r->s);
}

static void fill_blob(struct rig *r) {
    for (size_t i = 0; i < BLOB_BYTES; i++)
        r->blob[i] = (char)(i < BLOB_BYTES / 2 ? "ab12"[below(r, 4)] : (int)prng_u64(&r->prng));
}

/* XSETID goes back below a node in which nothing is left: a new one comes before it. */
static void check_last_id_taken_back(void) {
    struct store *s = store_new(1, 1);
    struct texts wanted = {.n = 0};
    struct walker w;
    struct bytes words[2] = {BYTES("f"), BYTES("v")};
    const struct xstream_facts back = {.last_id = {0, 1}};
    const struct xstream_trim trim = {.by_id = true, .min_id = {7, 0}};
    store_settings(s)->walk_whole_bytes = 1;
    struct entry *e = xstream_new(s, 0, BYTES("x"), NO_EXPIRY);
    for (uint64_t ms = 5; ms <= 7; ms++) xstream_add(s, 0, e, (struct xid){ms, 0}, words, 1);
    xstream_delete(s, 0, e, (struct xid){7, 0});
    xstream_trim(s, 0, e, &trim);
    xstream_set_facts(s, 0, e, &back);
    is_int(xstream_nodes(e), 1, "a node may have nothing left in it");
    texts_of_store(&wanted, s);
    walk_begin(&w, s);
    xstream_add(s, 0, e, (struct xid){2, 0}, words, 1);
    store_verify(s);
    while (store_walk_step(s, 1)) {
    }
    ok(texts_same(&w.got, &wanted) && !w.wrong,
       "a new node before those of the instant is none of them");
    texts_free(&wanted);
    walker_free(&w);
    store_free(s);
}

int main(void) {
    static struct rig r;
    prng_seed(&r.prng, tap_seed());
    hash_set_key((const uint64_t[2]){1, 2});
    fill_blob(&r);
    check_last_id_taken_back();
    size_t rounds = tap_full() ? 400 : 40;
    r.s = store_new(DATABASES, 7);
    for (size_t i = 0; i < rounds && !r.wrong; i++) run(&r, 1500);
    printf("# %zu walks, %zu given up, %zu values noted, %zu pieces\n", r.walks, r.given_up,
           r.noted, r.pieces);
    ok(r.wrong == 0, "what walks handed out stood there at their beginning");
    ok(r.walks > rounds && r.given_up && r.noted > r.walks && r.pieces, "there was much to walk");
    ok(r.kept_most > 0 && store_walk_kept(r.s) == 0, "what walks keep is counted, and given back");
    store_flush_all(r.s);
    while (store_work(r.s, 1000)) {
    }
    size_t empty = store_memory(r.s);
    struct store *fresh = store_new(DATABASES, 7);
    is_int(empty, store_memory(fresh), "nothing is left of walks and values");
    store_free(fresh);
    store_free(r.s);
    texts_free(&r.wanted);
    return done();
}
