/* link: server/base/decimal.c server/store/victims.c server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/proto/lzf.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c
 * server/base/buf.c server/base/hash.c server/base/log.c server/base/num.c server/base/rand.c
 * server/base/clock.c */
/* Who is chosen to be evicted: by each rule the worst go first or nearly so, only keys with a stamp where that is asked
 * for, however rare they are, and every key sooner or later. */
#include "tests/unit/tap.h"

#include "server/base/hash.h"
#include "server/store/victims.h"

enum { KEYS = 20000, NOW_MS = 1000000000 };

static struct bytes key_of(int i) {
    static char text[32];
    return (struct bytes){text, (size_t)snprintf(text, sizeof text, "key:%06d", i)};
}

static int number_of(const struct entry *e) {
    return atoi(entry_key(e).p + 4);
}

static struct store *filled(int expire_each) {
    struct store *s = store_new(2, 5);
    for (int i = 0; i < KEYS; i++) {
        int64_t stamp = i % expire_each == 0 ? NOW_MS + i + 1 : NO_EXPIRY;
        struct entry *e = store_put_string(s, i % 2, key_of(i), (struct bytes){"value", 5}, stamp);
        entry_set_idle(e, (uint32_t)i, NOW_MS);
    }
    return s;
}

/* Takes n victims away; the mean of their numbers. */
static double mean_victim(struct store *s, enum victim_rule rule, bool expiring_only, int n) {
    struct victims *v = victims_new();
    double sum = 0;
    for (int i = 0; i < n; i++) {
        int db;
        struct entry *e = victims_next(v, s, rule, expiring_only, 5, NOW_MS, &db);
        if (!e) return -1;
        if (number_of(e) % 2 != db) return -2;
        if (expiring_only && entry_expiry(e) == NO_EXPIRY) return -3;
        sum += number_of(e);
        store_delete(s, db, e);
    }
    victims_free(v);
    store_verify(s);
    return sum / n;
}

static void test_rules(void) {
    struct store *s = filled(1);
    double mean = mean_victim(s, VICTIM_OLDEST, false, 1000);
    ok(mean > 0.9 * KEYS, "the oldest go first (mean rank %.2f of 1)", mean / KEYS);
    mean = mean_victim(s, VICTIM_SOONEST, true, 1000);
    ok(mean >= 0 && mean < 0.1 * KEYS, "those that expire soonest go first (%.2f)", mean / KEYS);
    mean = mean_victim(s, VICTIM_ANY, false, 4000);
    ok(mean > 0.45 * KEYS && mean < 0.55 * KEYS, "at random means at random (%.2f)", mean / KEYS);
    ok(mean_victim(s, VICTIM_ANY, false, KEYS - 6000) >= 0, "every key is found at last");
    int db;
    struct victims *v = victims_new();
    ok(!victims_next(v, s, VICTIM_ANY, false, 5, NOW_MS, &db) &&
           !victims_next(v, s, VICTIM_OLDEST, false, 5, NOW_MS, &db),
       "and then there is none");
    victims_free(v);
    store_free(s);
}

static void test_rare(void) {
    struct store *s = filled(1000);
    ok(mean_victim(s, VICTIM_OLDEST, true, 10) >= 0 && mean_victim(s, VICTIM_ANY, true, 10) >= 0,
       "one key in a thousand with a stamp is found, and no other is taken");
    int db;
    struct victims *v = victims_new();
    ok(!victims_next(v, s, VICTIM_SOONEST, true, 5, NOW_MS, &db),
       "keys without a stamp are never taken");
    victims_free(v);
    is_int((int64_t)(store_count(s, 0) + store_count(s, 1)), KEYS - 20, "they are all still there");
    store_free(s);
}

static void test_loved(void) {
    struct store *s = filled(1);
    store_settings(s)->lfu = true;
    for (int i = 0; i < KEYS; i++)
        entry_set_freq(store_find(s, i % 2, key_of(i)), (uint8_t)(i < KEYS / 2 ? 200 : 3), NOW_MS);
    ok(mean_victim(s, VICTIM_RAREST, false, 5000) > 0.6 * KEYS, "what is seldom used goes first");
    store_free(s);
}

int main(void) {
    uint64_t key[2] = {3, 4};
    hash_set_key(key);
    test_rules();
    test_rare();
    test_loved();
    return done();
}
