/* link: server/persist/persist.c server/persist/aof.c server/persist/aof_read.c server/persist/durable.c server/persist/room.c server/persist/filewalk.c
   server/persist/load.c server/persist/load_ahead.c server/persist/load_base.c server/persist/load_base_read.c server/persist/load_incr.c server/persist/load_incr_read.c
   server/persist/reload.c server/persist/manifest.c server/persist/rewrite.c server/persist/commit.c server/persist/replace.c server/persist/save.c server/persist/value_save.c server/persist/value_load.c server/persist/value_save_stream.c server/persist/value_load_stream.c server/proto/ziplist.c server/persist/walk.c server/persist/walk_out.c server/persist/spill.c server/persist/backup.c server/persist/rollback.c server/persist/prepare.c server/persist/setfile.c server/persist/rdbscan.c server/persist/logscan.c server/persist/logtimes.c server/persist/dirs.c server/base/backup_set.c server/base/zframe.c
   server/persist/worker.c server/proto/cmdstream.c server/proto/crc64.c server/proto/logblock.c server/proto/lzf.c
   server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c server/proto/rdb_write.c server/proto/replline.c server/proto/resp_parse.c server/store/dict.c
   server/store/dict_each.c server/store/entry.c server/store/pass.c server/store/apart.c server/store/store.c server/store/string.c
   server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/base/buf.c server/base/decimal.c server/base/clock.c server/base/conf.c server/base/crc32c.c
   server/base/file.c server/base/hash.c server/base/log.c server/base/loop.c server/base/num.c server/base/rand.c
 * server/proto/zipmap.c
   server/store/list_keep.c */
/* RDB files on their way in: damage at any byte, cuts, lies; the same data with and without a thread that reads ahead; other
 * sources than files, and a range of the log. */
#include "tests/unit/persist_rig.h"

#include <errno.h>
#include <sched.h>

#include "server/base/rand.h"
#include "server/persist/inside.h"
#include "server/persist/load.h"
#include "server/proto/crc64.h"
#include "server/proto/rdb.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/stream_group.h"
#include "server/store/zset.h"

#define BLOB(text) ((struct bytes){text, sizeof text - 1})

/* On one processor nothing is read ahead on a thread. */
static void on_processors(bool many) {
    static cpu_set_t all;
    cpu_set_t one;
    if (!CPU_COUNT(&all)) sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    sched_setaffinity(0, sizeof one, many ? &all : &one);
}

/* ---- Small files with all that there is ------------------------------------------------------- */

static struct bytes text_of(const char *fmt, int i) {
    static char texts[2][64];
    static int turn;
    char *t = texts[turn ^= 1];
    int n = snprintf(t, sizeof texts[0], "%s%d", fmt, i);
    return (struct bytes){t, (size_t)n};
}

static void fill(struct store *s, int db, int small, int big) {
    char zeros[300] = {0};
    store_put_string(s, db, BYTES("int"), BYTES("-12345"), NO_EXPIRY);
    store_put_string(s, db, BYTES("text"), BYTES("some text"), 4000000000000);
    store_put_string(s, db, BYTES("zeros"), (struct bytes){zeros, sizeof zeros}, NO_EXPIRY);
    for (int n = small, i = 0; i < 2; i++, n = big) {
        struct entry *h = hash_new(s, db, text_of("hash", i), NO_EXPIRY);
        for (int k = 0; k < n; k++) hash_set(s, db, h, text_of("f", k), text_of("v", k));
        struct entry *t = set_new(s, db, text_of("set", i), NO_EXPIRY);
        for (int k = 0; k < n; k++) set_add(s, db, t, text_of(i ? "m" : "", k));
        struct entry *z = zset_new(s, db, text_of("zset", i), NO_EXPIRY);
        for (int k = 0; k < n; k++) zset_put(s, db, z, text_of("m", k), k * 1.5);
        struct entry *l = list_new(s, db, text_of("list", i), NO_EXPIRY);
        for (int k = 0; k < n; k++) list_push(s, db, l, LIST_TAIL, text_of("element", k));
    }
}

static void put_key(struct buf *b, enum rdb_type type, const char *key) {
    rdb_put_key(b, type, (struct bytes){key, strlen(key)}, -1, false);
}

static void put_strings(struct buf *b, int n, const char *const *s) {
    for (int i = 0; i < n; i++) rdb_put_string(b, (struct bytes){s[i], strlen(s[i])}, false);
}

/* What Redis 2.2 to 7.2 wrote, and nobody writes here. */
static void put_old_forms(struct buf *b) {
    static const char *const words[] = {"a", "b", "c", "d"};
    struct bytes ziplist = BLOB("\x12\0\0\0\x0d\0\0\0\x02\0\x00\x01"
                                "a\x03\x02"
                                "12\xff"); /* a, 12 */
    struct bytes node = BLOB("\x1c\x00\x00\x00\n\x00\x01\x01\x00\x01\x01\x01\x81"
                             "a\x02\x00\x01\x02\x01\x00\x01\x00\x01\x01\x01\x04\x01\xff");
    put_key(b, RDB_LIST, "old-list");
    rdb_put_len(b, 4);
    put_strings(b, 4, words);
    put_key(b, RDB_ZSET, "old-zset");
    rdb_put_len(b, 3);
    buf_add(b,
            "\x01x\x03"
            "1.5\x01y\xfe\x01z\xff",
            12);
    put_key(b, RDB_HASH_ZIPMAP, "zipmap");
    rdb_put_string(b, BLOB("\x01\x01k\x02\x01vw.\xff"), false);
    put_key(b, RDB_LIST_ZIPLIST, "ziplist");
    rdb_put_string(b, ziplist, false);
    put_key(b, RDB_HASH_ZIPLIST, "hash-ziplist");
    rdb_put_string(b, ziplist, false);
    put_key(b, RDB_ZSET_ZIPLIST, "zset-ziplist");
    rdb_put_string(b, ziplist, false);
    put_key(b, RDB_LIST_QUICKLIST, "quicklist");
    rdb_put_len(b, 2);
    rdb_put_string(b, ziplist, false);
    rdb_put_string(b, ziplist, false);
    put_key(b, RDB_SET_LISTPACK, "set-listpack");
    rdb_put_string(b,
                   BLOB("\r\0\0\0\x02\0\x81"
                        "a\x02\x81"
                        "b\x02\xff"),
                   false);
    for (int type = RDB_STREAM_LISTPACKS; type <= RDB_STREAM_LISTPACKS_3; type += 2) {
        if (type == RDB_HASH_LISTPACK + 1) type = RDB_STREAM_LISTPACKS_2;
        rdb_put_key(b, (enum rdb_type)type, text_of("stream", type), -1, false);
        rdb_put_len(b, 1);
        rdb_put_len(b, 16);
        rdb_put_id(b, 0x1a1ff7d7c89, 0);
        rdb_put_string(b, node, false);
        rdb_put_len(b, 1);
        rdb_put_len(b, 0x1a1ff7d7c89);
        rdb_put_len(b, 0);
        for (int i = 0; type != RDB_STREAM_LISTPACKS && i < 5; i++) /* first, deleted, added */
            rdb_put_len(b, i ? (i == 4) : 0x1a1ff7d7c89);
        rdb_put_len(b, 1); /* groups */
        rdb_put_string(b, BYTES("group"), false);
        rdb_put_len(b, 0x1a1ff7d7c89);
        rdb_put_len(b, 0);
        if (type != RDB_STREAM_LISTPACKS) rdb_put_len(b, 1);
        rdb_put_len(b, 1); /* pending */
        rdb_put_id(b, 0x1a1ff7d7c89, 0);
        rdb_put_ms(b, 1700000000000);
        rdb_put_len(b, 1);
        rdb_put_len(b, 1); /* consumers */
        rdb_put_string(b, BYTES("alice"), false);
        rdb_put_ms(b, 1700000000000);
        if (type == RDB_STREAM_LISTPACKS_3) rdb_put_ms(b, 1700000000000);
        rdb_put_len(b, 1);
        rdb_put_id(b, 0x1a1ff7d7c89, 0);
    }
    buf_add(b, "\xf8\x07\xf9\x09\xfd\xff\xff\xff\x7f", 9); /* idle, frequency, expiry in seconds */
    put_key(b, RDB_STRING, "prefixed");
    rdb_put_string(b, BYTES("77"), false);
    buf_add(b, "\xf5\x03lib\xf4\x01\x02\x03", 9); /* functions, a slot */
    buf_add(b, "\xf7\x81\x0d\x61\x12\x34\x56\x78\x9a\x00\x02\x01\x05\x02xy\x00", 17);
}

/* dump.rdb of all kinds: returns its bytes; sum: with a checksum. */
static struct buf sample(struct rig *g, bool sum) {
    char err[200];
    fill(g->store, 0, 4, 4);
    store_settings(g->store)->hash_max_packed = store_settings(g->store)->set_max_packed = 2;
    store_settings(g->store)->zset_max_packed = 2;
    store_settings(g->store)->list_chunk_count = 2;
    fill(g->store, 3, 2, 5);
    ok(persist_save_now(g->persist, err, sizeof err), "a file of all kinds is written");
    struct buf b = rig_read(g->persist->rdb_path), whole = BUF_INIT;
    buf_add(&whole, buf_head(&b), buf_len(&b) - 9);
    buf_free(&b);
    put_old_forms(&whole);
    rdb_put_eof(&whole);
    rdb_put_checksum(&whole, sum ? crc64(0, buf_head(&whole), buf_len(&whole)) : 0);
    return whole;
}

static bool load(struct rig *g, const char *p, size_t n) {
    store_flush_all(g->store);
    while (store_work(g->store, 10000)) {
    }
    rig_write(g->persist->rdb_path, p, n);
    return persist_reload(g->persist, false, g->err, sizeof g->err);
}

static bool is_empty(struct rig *g) {
    size_t n = 0;
    for (int db = 0; db < store_databases(g->store); db++) n += store_count(g->store, db);
    return n == 0;
}

static void test_whole(struct rig *g, const struct buf *b) {
    for (int many = 0; many < 2; many++) {
        on_processors(many);
        bool well = load(g, buf_head(b), buf_len(b));
        ok(well && store_count(g->store, 0) == 11 && store_count(g->store, 3) == 23,
           many ? "all kinds in all old forms load" : "on one processor too");
        if (!well) printf("# %s\n", g->err);
        struct entry *e = store_find(g->store, 3, BYTES("prefixed"));
        ok(e && entry_expiry(e) == 0x7fffffff * 1000LL, "an expiry in seconds counts");
        ok(e && entry_idle_s(e, clock_wall_ms()) >= 7, "and so does the idle time");
        ok(store_find(g->store, 3, BYTES("old-zset")), "text scores are read");
        store_verify(g->store);
    }
}

/* Where the sentence says that the damage is. */
static bool names_place(const char *err) {
    return strstr(err, "dump.rdb: byte ") && strstr(err, "Nothing was loaded");
}

static void test_flips(struct rig *g, const struct buf *good, bool sum) {
    size_t len = buf_len(good), loaded = 0, nameless = 0, left = 0;
    char *bad = xmemdup(buf_head(good), len);
    int bits = getenv("DUET_FULL") ? 8 : 1;
    for (size_t i = 0; i < len * (size_t)bits; i++) {
        size_t at = i / (size_t)bits;
        char flip = (char)(1 << (bits == 8 ? i % 8 : (i * 5 + i / 8) % 8));
        bad[at] ^= flip;
        on_processors(i % 8 == 0);
        if (load(g, bad, len)) {
            loaded++;
            if (!sum) store_verify(g->store);
        } else {
            nameless += !names_place(g->err);
            left += !is_empty(g);
        }
        bad[at] ^= flip;
    }
    /* Bytes whose flip only changes what they mean to nobody: none with a checksum. */
    if (sum) is_int(loaded, 0, "a bit flipped at any byte is found");
    if (!sum) ok(loaded < len * (size_t)bits, "without a checksum most are, and none crashes");
    is_int(nameless, 0, "file, byte and what to do are said");
    is_int(left, 0, "and nothing of it is left");
    free(bad);
}

static void test_cuts(struct rig *g, const struct buf *good) {
    size_t len = buf_len(good), wrong = 0;
    for (size_t n = 0; n < len; n++) {
        on_processors(n % 8 == 0);
        wrong += load(g, buf_head(good), n) || !names_place(g->err) || !is_empty(g);
    }
    is_int(wrong, 0, "a file that ends at any byte is refused");
    char *longer = xmalloc(len + 3);
    memcpy(longer, buf_head(good), len);
    memset(longer + len, 0, 3);
    for (int more = 1; more <= 3; more++) wrong += load(g, longer, len + (size_t)more);
    is_int(wrong, 0, "so is one with bytes behind its end");
    free(longer);
}

/* ---- Big files: many batches ------------------------------------------------------------------ */

static uint64_t digest_sum;
static void add_digest(void *arg, struct entry *e) {
    (void)arg;
    uint64_t h = store_hash(entry_key(e)) * 31 + (uint64_t)entry_expiry(e);
    struct digits d;
    if (entry_kind(e) == KIND_STRING) h = h * 31 + store_hash(string_bytes(e, &d));
    if (entry_kind(e) == KIND_HASH) h = h * 31 + hash_len(e);
    digest_sum += h * 0x9e3779b97f4a7c15ULL;
}

static void test_big(struct rig *g) {
    const char *seed = getenv("DUET_SEED");
    struct prng p;
    char err[200];
    char *big = xmalloc(3 << 20);
    prng_seed(&p, seed ? strtoull(seed, NULL, 10) : 7);
    store_flush_all(g->store);
    for (size_t i = 0; i < 3 << 20; i++) big[i] = (char)(prng_u64(&p) >> (i % 200 ? 60 : 0));
    for (int i = 0; i < 40000; i++) {
        size_t n = prng_below(&p, i % 1000 ? 200 : 100000);
        struct bytes value = i % 3 ? (struct bytes){big + prng_below(&p, 1000), n} : text_of("", i);
        store_put_string(g->store, i % 2, text_of("key", i), value,
                         i % 5 ? NO_EXPIRY : 4000000000000 + i);
    }
    store_put_string(g->store, 0, BYTES("huge"), (struct bytes){big, 3 << 20}, NO_EXPIRY);
    struct entry *h = hash_new(g->store, 0, BYTES("h"), NO_EXPIRY);
    for (int i = 0; i < 20000; i++) hash_set(g->store, 0, h, text_of("f", i), text_of("v", i));
    digest_sum = 0;
    store_each(g->store, 0, add_digest, NULL);
    store_each(g->store, 1, add_digest, NULL);
    uint64_t before = digest_sum;
    ok(persist_save_now(g->persist, err, sizeof err), "a file of many keys");
    struct buf b = rig_read(g->persist->rdb_path);
    for (int many = 0; many < 2; many++) {
        on_processors(many);
        bool well = load(g, buf_head(&b), buf_len(&b));
        digest_sum = 0;
        store_each(g->store, 0, add_digest, NULL);
        store_each(g->store, 1, add_digest, NULL);
        ok(well && digest_sum == before,
           many ? "loads as what it was" : "and on one processor as the same");
        store_verify(g->store);
    }
    ok(persist_reload(g->persist, true, g->err, sizeof g->err) &&
           store_count(g->store, 0) + store_count(g->store, 1) == 40002,
       "once more over itself: its keys give way");
    ok(!persist_reload(g->persist, false, g->err, sizeof g->err) && strstr(g->err, "stands twice"),
       "else a key that is there is an error");
    buf_free(&b);
    free(big);
}

/* ---- Sources and ranges ----------------------------------------------------------------------- */

struct drip {
    const char *p;
    size_t left, calls;
    int error;
};

static ssize_t drip(void *arg, void *p, size_t n) {
    struct drip *d = arg;
    size_t most = d->calls++ % 7 * 13 + 1;
    if (d->left == 0 && d->error) {
        errno = d->error;
        return -1;
    }
    if (n > most) n = most;
    if (n > d->left) n = d->left;
    memcpy(p, d->p, n);
    d->p += n;
    d->left -= n;
    return (ssize_t)n;
}

static bool run_loader(struct loader *l) {
    enum persist_load st;
    do st = loader_step(l, 1000);
    while (st == PERSIST_LOADING);
    loader_free(l);
    return st == PERSIST_LOADED;
}

static void test_source(struct rig *g, const struct buf *b) {
    struct drip d = {buf_head(b), buf_len(b), 0, 0};
    struct load_source s = {.arg = &d, .read = drip, .name = "a pipe"};
    store_flush_all(g->store);
    on_processors(true);
    ok(run_loader(loader_source(g->persist, &s, NULL)) && store_count(g->store, 0) == 11,
       "a file that drips from a source loads");
    d = (struct drip){buf_head(b), buf_len(b) / 2, 0, EIO};
    store_flush_all(g->store);
    ok(!run_loader(loader_source(g->persist, &s, NULL)) && is_empty(g) &&
           strstr(g->persist->loaded.text, "a pipe: byte") &&
           strstr(g->persist->loaded.text, strerror(EIO)),
       "a source that fails says so by name");
    d = (struct drip){buf_head(b), buf_len(b), 0, 0};
    struct loader *l = loader_source(g->persist, &s, NULL);
    loader_step(l, 0);
    loader_free(l);
    ok(true, "and it may be left in the middle");
    memset(&g->persist->loaded, 0, sizeof g->persist->loaded);
}

static void test_range(void) {
    struct rig g = {0};
    char *dir = rig_path("range");
    uint64_t offsets[21], times[21];
    persist_defaults(&g.o);
    rig_open(&g, dir);
    rig_until(&g, g.persist->log_ready);
    for (int i = 0; i < 20; i++) {
        offsets[i] = g.pos.offset;
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        rig_do(&g, "SET", key, "v");
        times[i] = (uint64_t)clock_wall_us();
        while ((uint64_t)clock_wall_us() < times[i] + 1000) {
        } /* the next block is later */
    }
    rig_stop(&g);
    rig_open(&g, dir);
    struct buf rdb = BUF_INIT;
    rdb_put_magic(&rdb, RDB_VERSION);
    rdb_put_eof(&rdb);
    rdb_put_checksum(&rdb, 0);
    struct drip d = {buf_head(&rdb), buf_len(&rdb), 0, 0};
    struct load_source s = {.arg = &d, .read = drip, .name = "a set"};
    struct persist_pos pos = {.offset = offsets[5], .db = 0};
    struct loader *l = loader_source(g.persist, &s, &pos);
    unsigned first = g.persist->aof.m.base ? g.persist->aof.m.base : g.persist->aof.m.first;
    struct load_range range = {first, offsets[5], times[12]};
    loader_set_range(l, &range);
    store_flush_all(g.store);
    ok(run_loader(l) && store_count(g.store, 0) == 8 && rig_get(&g, "k5") && rig_get(&g, "k12") &&
           !rig_get(&g, "k4") && !rig_get(&g, "k13"),
       "a range of the log behind a file: from an offset, up to a wall time");
    is_int(g.persist->loaded.pos.offset, offsets[13], "it says how far it came");
    rig_close(&g);
    buf_free(&rdb);
    free(dir);
}

int main(void) {
    struct rig g = {0};
    rig_start();
    char *dir = rig_path("load");
    persist_defaults(&g.o);
    g.o.log_on = false;
    ok(rig_open(&g, dir) == PERSIST_LOADED, "an empty directory");
    struct buf with = sample(&g, true);
    printf("# %zu bytes\n", buf_len(&with));
    test_whole(&g, &with);
    test_flips(&g, &with, true);
    test_cuts(&g, &with);
    test_source(&g, &with);
    struct buf without = BUF_INIT;
    buf_add(&without, buf_head(&with), buf_len(&with) - 8);
    rdb_put_checksum(&without, 0);
    test_flips(&g, &without, false);
    test_big(&g);
    buf_free(&with);
    buf_free(&without);
    rig_close(&g);
    test_range();
    free(dir);
    return done();
}
