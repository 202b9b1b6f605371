/* link: server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/list_keep.c server/store/stream_walk_group.c server/store/table_walk.c server/store/zset_walk.c
 * server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c server/base/rand.c
 * server/base/clock.c */
/* Each thing that may befall a big value, at each moment of a walk: before it is noted, when it waits for its turn, inside its
 * turn, behind it; with a reclaimer and without. The walk's witness finds what it was; the verifier finds all
 * sound; memory comes back. */
#include "tests/unit/walk_rig.h"

#include "server/base/log.h"

enum { ITEMS = 300, DOOMED = 256 };

struct scene {
    struct store *s;
    struct witness w;
    enum value_kind kind;
    struct {
        void *value;
        void (*free_fn)(void *value);
    } doomed[DOOMED];
    int doomed_count;
};

static const enum value_kind kinds[] = {KIND_HASH, KIND_SET, KIND_ZSET, KIND_LIST, KIND_STRING};

static void doom(void *arg, void *value, void (*free_fn)(void *value)) {
    struct scene *sc = arg;
    must(sc->doomed_count < DOOMED, "the test's reclaimer has room");
    sc->doomed[sc->doomed_count].value = value;
    sc->doomed[sc->doomed_count++].free_fn = free_fn;
}

static void reclaim(struct scene *sc) {
    for (int i = 0; i < sc->doomed_count; i++) sc->doomed[i].free_fn(sc->doomed[i].value);
    sc->doomed_count = 0;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static struct bytes item(int n) {
    static char text[2][32];
    static unsigned turn;
    char *p = text[++turn % 2];
    return (struct bytes){p, (size_t)snprintf(p, sizeof text[0], "item-%d", n)};
}

static void put(struct scene *sc, struct entry *e, int db, int n, int variant) {
    struct bytes value = item(n + 1000 * variant);
    switch (sc->kind) {
    case KIND_HASH: hash_set(sc->s, db, e, item(n), value); break;
    case KIND_SET: set_add(sc->s, db, e, item(n)); break;
    case KIND_ZSET: zset_put(sc->s, db, e, item(n), (n * 7919 + 4001 * variant) % 1000); break;
    case KIND_LIST:
        if (variant && (int)list_len(e) > n)
            list_set(sc->s, db, e, (size_t)n, value);
        else
            list_push(sc->s, db, e, n % 2 ? LIST_HEAD : LIST_TAIL, value);
        break;
    default: {
        struct entry *now = e;
        size_t len = string_len(e), want = (size_t)(n + 1) * 60;
        memset(string_edit(sc->s, db, &now, len > want ? len : want) + want - 60, 'a' + variant,
               60);
    }
    }
}

static void take(struct scene *sc, struct entry *e, int db, int n) {
    switch (sc->kind) {
    case KIND_HASH: hash_delete(sc->s, db, e, item(n)); break;
    case KIND_SET: set_remove(sc->s, db, e, item(n)); break;
    case KIND_ZSET: zset_remove(sc->s, db, e, item(n)); break;
    case KIND_LIST:
        if (list_len(e) > 1) list_remove(sc->s, db, e, (size_t)n % (list_len(e) - 1), 1);
        break;
    default: {
        struct entry *now = e;
        if (string_len(e) > 6000) string_edit(sc->s, db, &now, string_len(e) - 60);
    }
    }
}

static struct entry *make(struct scene *sc, int db, int key, int items) {
    struct bytes name = rig_key(key);
    struct entry *e = NULL;
    switch (sc->kind) {
    case KIND_HASH: e = hash_new(sc->s, db, name, 5000); break;
    case KIND_SET: e = set_new(sc->s, db, name, 5000); break;
    case KIND_ZSET: e = zset_new(sc->s, db, name, 5000); break;
    case KIND_LIST: e = list_new(sc->s, db, name, 5000); break;
    default:
        return store_put_string(sc->s, db, name, (struct bytes){(char[20000]){0}, 20000}, 5000);
    }
    for (int n = 0; n < items; n++) put(sc, e, db, n, 0);
    return e;
}

static struct entry *subject(struct scene *sc, int db) {
    return store_find(sc->s, db, rig_key(0));
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void nothing(struct scene *sc) {
    (void)sc;
}
static void some_items(struct scene *sc) {
    for (int n = 0; n < ITEMS; n += 7) put(sc, subject(sc, 0), 0, n, 1);
    for (int n = 3; n < ITEMS; n += 11) take(sc, subject(sc, 0), 0, n);
    for (int n = 3; n < ITEMS; n += 22) put(sc, subject(sc, 0), 0, n, 2);
    for (int n = ITEMS; n < ITEMS + 40; n += 2) put(sc, subject(sc, 0), 0, n, 0);
}
static void all_items(struct scene *sc) {
    for (int variant = 1; variant < 4; variant++)
        for (int n = 0; n < ITEMS; n++) put(sc, subject(sc, 0), 0, n, variant);
}
static void grows(struct scene *sc) {
    for (int n = 0; n < 20 * ITEMS; n++) put(sc, subject(sc, 0), 0, n, 0);
}
static void shrinks(struct scene *sc) {
    for (int n = 0; n < ITEMS - 1; n++) take(sc, subject(sc, 0), 0, n);
}
static void grows_and_shrinks(struct scene *sc) {
    for (int n = ITEMS; n < 5 * ITEMS; n++) put(sc, subject(sc, 0), 0, n, 0);
    for (int n = 5 * ITEMS; n-- > 2;) take(sc, subject(sc, 0), 0, n);
    some_items(sc);
}
static void last_ranks(struct scene *sc) {
    if (sc->kind == KIND_ZSET) zset_remove_ranks(sc->s, 0, subject(sc, 0), 0, 250);
}
static void deleted(struct scene *sc) {
    store_delete(sc->s, 0, subject(sc, 0));
}
static void changed_and_deleted(struct scene *sc) {
    some_items(sc);
    deleted(sc);
}
static void deleted_and_made_again(struct scene *sc) {
    deleted(sc);
    make(sc, 0, 0, ITEMS);
    some_items(sc);
}
static void overwritten(struct scene *sc) {
    store_put_string(sc->s, 0, rig_key(0), (struct bytes){"x", 1}, KEEP_EXPIRY);
}
static void overwritten_by_a_number(struct scene *sc) {
    if (sc->kind == KIND_STRING)
        string_set_int(sc->s, 0, subject(sc, 0), 7);
    else
        store_put_string(sc->s, 0, rig_key(0), (struct bytes){"12", 2}, NO_EXPIRY);
}
static void stamped(struct scene *sc) {
    store_set_expiry(sc->s, 0, subject(sc, 0), NO_EXPIRY);
    store_set_expiry(sc->s, 0, subject(sc, 0), 77);
    some_items(sc);
}
static void renamed(struct scene *sc) {
    store_move(sc->s, 0, subject(sc, 0), 0, rig_key(40));
    put(sc, store_find(sc->s, 0, rig_key(40)), 0, 5, 1);
    make(sc, 0, 0, ITEMS);
    some_items(sc);
}
static void renamed_over_another(struct scene *sc) {
    store_delete(sc->s, 0, store_find(sc->s, 0, rig_key(1)));
    store_move(sc->s, 0, subject(sc, 0), 0, rig_key(1));
    put(sc, store_find(sc->s, 0, rig_key(1)), 0, 5, 1);
}
static void another_renamed_over_it(struct scene *sc) {
    deleted(sc);
    store_move(sc->s, 0, store_find(sc->s, 0, rig_key(1)), 0, rig_key(0));
    some_items(sc);
}
/* Database 3 is no part of the walk: it was empty. */
static void moved(struct scene *sc) {
    store_move(sc->s, 0, subject(sc, 0), 3, rig_key(0));
    put(sc, subject(sc, 3), 3, 5, 1);
}
static void moved_and_flushed(struct scene *sc) {
    moved(sc);
    store_flush(sc->s, 3);
    store_work(sc->s, 100000);
    reclaim(sc);
}
static void moved_and_deleted(struct scene *sc) {
    moved(sc);
    store_delete(sc->s, 3, subject(sc, 3));
}
static void moved_and_back(struct scene *sc) {
    moved(sc);
    store_move(sc->s, 3, subject(sc, 3), 0, rig_key(0));
    some_items(sc);
}
static void copied(struct scene *sc) {
    store_copy(sc->s, 0, subject(sc, 0), 1, rig_key(50));
    store_copy(sc->s, 0, subject(sc, 0), 0, rig_key(51));
    put(sc, store_find(sc->s, 1, rig_key(50)), 1, 5, 1);
    put(sc, store_find(sc->s, 0, rig_key(51)), 0, 6, 1);
    some_items(sc);
    deleted(sc);
}
static void flushed(struct scene *sc) {
    store_flush(sc->s, 0);
    store_work(sc->s, 100000);
    reclaim(sc);
    make(sc, 0, 0, ITEMS);
    some_items(sc);
}
static void all_flushed(struct scene *sc) {
    some_items(sc);
    store_flush_all(sc->s);
    store_work(sc->s, 100000);
    reclaim(sc);
}
static void swapped(struct scene *sc) {
    store_swap(sc->s, 0, 1);
    put(sc, subject(sc, 1), 1, 5, 1);
    make(sc, 0, 0, ITEMS);
    some_items(sc);
}
static void swapped_and_flushed(struct scene *sc) {
    swapped(sc);
    store_flush(sc->s, 1);
    store_work(sc->s, 100000);
    reclaim(sc);
}
static void expired_fn(void *arg, int db, struct entry *e) {
    store_delete(((struct scene *)arg)->s, db, e);
}
static void expired(struct scene *sc) {
    store_expire_cycle(sc->s, 1000000, 1000, expired_fn, sc);
}
static void given_up(struct scene *sc) {
    rig_abort(&sc->w);
}
static void changed_and_given_up(struct scene *sc) {
    some_items(sc);
    rig_abort(&sc->w);
    some_items(sc);
}
static void deleted_and_given_up(struct scene *sc) {
    changed_and_deleted(sc);
    rig_abort(&sc->w);
}
static void given_up_and_deleted(struct scene *sc) {
    some_items(sc);
    rig_abort(&sc->w);
    store_work(sc->s, 5);
    some_items(sc);
    deleted(sc);
}
static void given_up_and_flushed(struct scene *sc) {
    some_items(sc);
    rig_abort(&sc->w);
    moved_and_flushed(sc);
    store_flush_all(sc->s);
    store_work(sc->s, 100000);
    reclaim(sc);
}

static const struct {
    const char *what;
    void (*happens)(struct scene *sc);
} events[] = {
    {"nothing happens", nothing},
    {"some of its items change", some_items},
    {"all of its items change several times", all_items},
    {"it grows", grows},
    {"it shrinks", shrinks},
    {"it grows and shrinks", grows_and_shrinks},
    {"ranks are removed", last_ranks},
    {"it is deleted", deleted},
    {"it changes and is deleted", changed_and_deleted},
    {"it is deleted and made again", deleted_and_made_again},
    {"a string is put over it", overwritten},
    {"a number is put over it", overwritten_by_a_number},
    {"its stamp changes", stamped},
    {"it is renamed", renamed},
    {"it is renamed over another big one", renamed_over_another},
    {"another big one is renamed over it", another_renamed_over_it},
    {"it is moved to a database that is not walked", moved},
    {"it is moved there and that is flushed", moved_and_flushed},
    {"it is moved there and deleted", moved_and_deleted},
    {"it is moved there and back", moved_and_back},
    {"it is copied, and all three change", copied},
    {"its database is flushed, and filled again", flushed},
    {"all is flushed", all_flushed},
    {"its database is swapped", swapped},
    {"its database is swapped and flushed", swapped_and_flushed},
    {"it expires", expired},
    {"the walk is given up", given_up},
    {"it changes, and the walk is given up", changed_and_given_up},
    {"it is deleted, and the walk is given up", deleted_and_given_up},
    {"the walk is given up, then it is deleted", given_up_and_deleted},
    {"the walk is given up, then all is flushed", given_up_and_flushed},
};

/* ---- Moments --------------------------------------------------------------------------------- */

enum moment { AHEAD, NOTED, BEGUN, INSIDE, CHANGED_INSIDE, BEHIND, MOMENTS };

static void bring_to(struct scene *sc, enum moment moment) {
    struct walk_value *mine = &sc->w.values[0][0];
    if (moment == AHEAD) return;
    if (moment == NOTED) {
        put(sc, subject(sc, 0), 0, 9, 1);
        return;
    }
    while (!mine->begun) rig_step(&sc->w, 1);
    if (moment == BEGUN) return;
    size_t until = sc->w.pieces + (sc->kind == KIND_LIST ? 10 : 100);
    if (sc->kind == KIND_STRING) until = sc->w.pieces + 1;
    while (!mine->ended && (moment == BEHIND || sc->w.pieces < until)) rig_step(&sc->w, 1);
    if (moment == CHANGED_INSIDE) some_items(sc);
}

static void limits(struct scene *sc, bool reclaims) {
    struct store_settings *set = store_settings(sc->s);
    set->walk_whole_count = 20;
    set->walk_whole_bytes = 1000;
    set->list_chunk_bytes = 100;
    set->hash_max_packed = set->set_max_packed = set->zset_max_packed = 10;
    set->reclaim = reclaims ? doom : NULL;
    set->reclaim_arg = sc;
}

static void settle(struct scene *sc) {
    store_flush_all(sc->s);
    for (int i = 0; i < 3; i++) {
        while (store_work(sc->s, 1000)) {
        }
        reclaim(sc);
    }
}

/* What is wrong, or NULL. A second walk comes after the first, so that what that left behind would show. */
static const char *play(struct scene *sc, void (*happens)(struct scene *sc), enum moment moment) {
    size_t empty = store_memory(sc->s);
    for (int key = 0; key < 3; key++) make(sc, 0, key, ITEMS);
    make(sc, 1, 0, ITEMS);
    for (int key = 3; key < 30; key++) make(sc, key % 2, key, 5);
    must(rig_start(&sc->w, sc->s), "no walk is running");
    bring_to(sc, moment);
    store_verify(sc->s);
    happens(sc);
    store_verify(sc->s);
    if (store_walking(sc->s))
        while (rig_step(&sc->w, 5)) store_work(sc->s, 10);
    reclaim(sc);
    while (!rig_start(&sc->w, sc->s)) store_work(sc->s, 10);
    store_verify(sc->s);
    while (rig_step(&sc->w, 5)) {
    }
    store_verify(sc->s);
    settle(sc);
    store_verify(sc->s);
    if (store_memory(sc->s) != empty) rig_wrong(&sc->w, "not all memory came back");
    rig_forget(&sc->w);
    return sc->w.wrong ? sc->w.what : NULL;
}

static void test_event(size_t i) {
    size_t played = 0, wrong = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (enum moment moment = AHEAD; moment < MOMENTS; moment++)
            for (int reclaims = 0; reclaims < 2; reclaims++) {
                struct scene *sc = xcalloc(1, sizeof *sc);
                sc->kind = kinds[k];
                sc->s = store_new(RIG_DBS, 1);
                limits(sc, reclaims);
                const char *why = play(sc, events[i].happens, moment);
                if (why)
                    fprintf(stderr, "# a %s at moment %d: %s\n", kind_name(kinds[k]), moment, why);
                wrong += why != NULL;
                played++;
                store_free(sc->s);
                reclaim(sc);
                free(sc);
            }
    ok(!wrong && played, "a walk hands out a big value of any kind as it was when %s",
       events[i].what);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_set_name("test");
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) test_event(i);
    return done();
}
