/* link: server/base/decimal.c server/store/compact.c server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c
 * server/base/buf.c server/base/hash.c server/base/log.c server/base/num.c server/base/rand.c
 * server/base/clock.c */
/* Compaction with a mover that moves everything, or every third allocation: whatever is moved, nothing but its place
 * changes, also when keys come and go between steps. The old places are freed, so that the sanitizer sees whoever
 * still looks there. */
#include "tests/unit/tap.h"

#include "server/base/hash.h"
#include "server/base/rand.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/zset.h"

enum { KEYS = 3000, ROUNDS = 30000 };

static struct prng prng;

static void *move_all(void *p, size_t n) {
    return memcpy(malloc(n), p, n);
}
static void *move_some(void *p, size_t n) {
    return prng_below(&prng, 3) ? NULL : move_all(p, n);
}

static struct bytes text_of(char kind, int i, size_t len) {
    static char text[3][8000];
    static int turn;
    char *t = text[turn = (turn + 1) % 3];
    size_t n = (size_t)snprintf(t, 8000, "%c%07d", kind, i);
    memset(t + n, 'a' + i % 26, len > n ? len - n : 0);
    return (struct bytes){t, len > n ? len : n};
}

static size_t value_len(int i) {
    return i % 50 == 0 ? 6000 : (size_t)(i * 7 % 200);
}

static int elements_of(int i) {
    return i % 100 == 7 ? 3000 : i % 9;
}

/* Each key's value follows from its number, so that a second look needs no model. */
static void fill(struct store *s, int i) {
    int db = i % 2, n = elements_of(i);
    struct bytes key = text_of('k', i, (size_t)(i % 40));
    int64_t stamp = i % 4 ? NO_EXPIRY : 1000 + i;
    struct entry *e = store_find(s, db, key);
    if (e) store_delete(s, db, e);
    switch (n ? i % 5 : 0) {
    case 0: store_put_string(s, db, key, text_of('v', i, value_len(i)), stamp); return;
    case 1:
        e = hash_new(s, db, key, stamp);
        for (int j = 0; j < n; j++)
            hash_set(s, db, e, text_of('f', j, 8), text_of('w', i + j, value_len(j)));
        return;
    case 2:
        e = set_new(s, db, key, stamp);
        for (int j = 0; j < n; j++) set_add(s, db, e, text_of('m', j, (size_t)(j % 60)));
        return;
    case 3:
        e = zset_new(s, db, key, stamp);
        for (int j = 0; j < n; j++)
            zset_put(s, db, e, text_of('z', j, (size_t)(j % 60)), (i + j) % 50);
        return;
    default:
        e = list_new(s, db, key, stamp);
        for (int j = 0; j < n; j++)
            list_push(s, db, e, LIST_TAIL, text_of('l', i + j, value_len(j)));
    }
}

static bool list_is_right(const struct entry *e, int i, int n) {
    struct list_cursor c;
    bool right = list_len(e) == (size_t)n, more = list_seek(e, 0, &c);
    for (int j = 0; j < n && right; j++, more = list_next(&c))
        right = more && bytes_equal(list_here(&c), text_of('l', i + j, value_len(j)));
    return right && !more;
}

static bool is_right(struct store *s, int i) {
    int n = elements_of(i);
    struct digits d;
    struct bytes value;
    double score;
    bool right = true;
    const struct entry *e = store_find(s, i % 2, text_of('k', i, (size_t)(i % 40)));
    if (!e || entry_expiry(e) != (i % 4 ? NO_EXPIRY : 1000 + i)) return false;
    switch (n ? i % 5 : 0) {
    case 0: return bytes_equal(string_bytes(e, &d), text_of('v', i, value_len(i)));
    case 1:
        for (int j = 0; j < n && right; j++)
            right = hash_get(e, text_of('f', j, 8), &value, &d) &&
                    bytes_equal(value, text_of('w', i + j, value_len(j)));
        return right && hash_len(e) == (size_t)n;
    case 2:
        for (int j = 0; j < n && right; j++) right = set_has(e, text_of('m', j, (size_t)(j % 60)));
        return right && set_len(e) == (size_t)n;
    case 3:
        for (int j = 0; j < n && right; j++)
            right = zset_score(e, text_of('z', j, (size_t)(j % 60)), &score) &&
                    score == (i + j) % 50 && zset_rank(e, text_of('z', j, (size_t)(j % 60))) >= 0;
        return right && zset_len(e) == (size_t)n;
    default: return list_is_right(e, i, n);
    }
}

static bool all_right(struct store *s) {
    store_verify(s);
    for (int i = 0; i < KEYS; i++)
        if (!is_right(s, i)) {
            fprintf(stderr, "# key %d is wrong\n", i);
            return false;
        }
    return true;
}

int main(void) {
    uint64_t key[2] = {5, 6};
    hash_set_key(key);
    prng_seed(&prng, 7);
    struct store *s = store_new(2, 8);
    for (int i = 0; i < KEYS; i++) fill(s, i);
    size_t memory = store_memory(s);
    struct store_mover all = {move_all, free, 0, 0}, some = {move_some, free, 0, 0};
    int steps = 1;
    while (store_compact(s, &all, 100)) steps++;
    ok(all_right(s), "a pass that moves everything changes nothing but places");
    is_int((int64_t)store_memory(s), (int64_t)memory, "nor what is counted");
    ok(all.moved == all.looked || all.moved > 20000, "it moved them (%zu, in %d steps)", all.moved,
       steps);
    for (int i = 0; i < ROUNDS; i++) {
        fill(s, (int)prng_below(&prng, KEYS));
        if (prng_below(&prng, 500) == 0) store_swap(s, 0, 1), store_swap(s, 0, 1);
        store_work(s, 100);
        store_compact(s, &some, 30);
    }
    while (store_work(s, 1000)) {
    }
    ok(all_right(s), "nor do passes while keys are deleted and made anew (%zu moved)", some.moved);
    store_free(s);
    return done();
}
