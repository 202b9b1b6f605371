/* link: server/persist/walk_out.c server/persist/spill.c server/persist/value_save.c server/persist/value_save_stream.c server/proto/rdb_write.c
   server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c server/proto/crc64.c server/proto/lzf.c server/proto/listpack.c server/proto/intset.c server/store/compact.c server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/hash.c server/store/list.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/packed.c server/store/pass.c server/store/set.c server/store/store.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/string.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/value.c server/store/victims.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/store/zset.c server/store/zset_packed.c
   server/base/buf.c server/base/num.c server/base/decimal.c server/base/hash.c server/base/file.c server/base/log.c server/base/rand.c server/base/clock.c */
/* Whatever order a walk hands things out in, and however long they have to wait: the bytes are those of a
 * file in which every key stands once, whole, in its database. */
#include "server/persist/walk_out.h"

#include "server/base/hash.h"
#include "server/base/rand.h"
#include "server/store/string.h"
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BIG = 24, SMALL = 200, DBS = 3 };

/* A big hash of the play; field i has the value of its own number. */
struct big {
    struct walked w;
    char name[16];
    bool noted, begun, ended;
    size_t fields, handed;
    bool *gone; /* handed out */
};

struct play {
    struct store *store;
    struct prng rng;
    struct walk_out out;
    struct store_walker to;
    struct big big[BIG];
    bool small_gone[SMALL];
    struct big *open;
    size_t left; /* keys that are not handed out */
    struct buf file;
};

static bool chance(struct play *p, unsigned one_in) {
    return prng_below(&p->rng, one_in) == 0;
}

static void small_entry(struct play *p, size_t i, bool before) {
    char key[16];
    int db = (int)(i % DBS);
    int n = snprintf(key, sizeof key, "s%zu", i);
    if (p->small_gone[i]) return;
    p->small_gone[i] = true;
    p->left--;
    p->to.entry(p->to.arg, db, store_find(p->store, db, (struct bytes){key, (size_t)n}), before);
}

static void big_item(struct play *p, struct big *b, bool early) {
    char field[16], value[16];
    size_t i = prng_below(&p->rng, b->fields);
    while (b->gone[i]) i = (i + 1) % b->fields;
    int nf = snprintf(field, sizeof field, "f%zu", i);
    int nv = snprintf(value, sizeof value, "%zu!", i);
    struct walk_item item = {.name = {field, (size_t)nf}, .value = {value, (size_t)nv}, .count = 1};
    b->gone[i] = true;
    b->handed++;
    p->to.item(p->to.arg, &b->w, &item, early);
}

static void big_end(struct play *p, struct big *b) {
    p->to.end(p->to.arg, &b->w);
    memset(&b->w, 0xee, sizeof b->w); /* gone: nobody may look at it */
    b->ended = true;
    p->open = NULL;
    p->left--;
}

/* What a command does between two steps. */
static void disturb(struct play *p) {
    if (chance(p, 2)) {
        small_entry(p, prng_below(&p->rng, SMALL), true);
        return;
    }
    struct big *b = &p->big[prng_below(&p->rng, BIG)];
    if (b->ended) return;
    if (!b->noted && !b->begun) {
        b->noted = true;
        p->to.noted(p->to.arg, &b->w);
    }
    for (size_t n = prng_below(&p->rng, 20); n && b->handed < b->fields; n--) big_item(p, b, true);
    if (b == p->open && b->handed == b->fields && chance(p, 2)) big_end(p, b);
}

/* One thing that the store does by itself. */
static void go_on(struct play *p) {
    if (p->open) {
        if (p->open->handed < p->open->fields)
            big_item(p, p->open, false);
        else
            big_end(p, p->open);
        return;
    }
    size_t i = prng_below(&p->rng, BIG + SMALL);
    if (i >= BIG) {
        small_entry(p, i - BIG, false);
        return;
    }
    struct big *b = &p->big[i];
    if (b->ended) return;
    b->begun = true;
    p->open = b;
    p->to.begin(p->to.arg, &b->w);
}

static void take_ready(struct play *p) {
    buf_add(&p->file, buf_head(&p->out.ready), buf_len(&p->out.ready));
    buf_clear(&p->out.ready);
}

static void play_begin(struct play *p, uint64_t seed, struct spill_pool *pool) {
    struct value_style style = {RDB_VERSION, true};
    memset(p, 0, sizeof *p);
    prng_seed(&p->rng, seed);
    p->store = store_new(DBS, 1);
    for (size_t i = 0; i < SMALL; i++) {
        char key[16];
        int n = snprintf(key, sizeof key, "s%zu", i);
        struct bytes name = {key, (size_t)n};
        store_put_string(p->store, (int)(i % DBS), name, name,
                         i % 5 ? NO_EXPIRY : 1000 + (int64_t)i);
    }
    for (size_t i = 0; i < BIG; i++) {
        struct big *b = &p->big[i];
        b->fields = 1 + prng_below(&p->rng, i % 3 ? 60 : 4000);
        b->gone = calloc(b->fields, sizeof *b->gone);
        int n = snprintf(b->name, sizeof b->name, "b%zu", i);
        b->w = (struct walked){.db = (int)(i % DBS),
                               .kind = KIND_HASH,
                               .key = {b->name, (size_t)n},
                               .expiry_ms = i % 4 ? NO_EXPIRY : 5000 + (int64_t)i,
                               .count = b->fields,
                               .length = b->fields};
    }
    p->left = BIG + SMALL;
    walk_out_open(&p->out, &style, pool);
    p->to = walk_out_walker(&p->out);
    rdb_put_magic(&p->file, RDB_VERSION);
}

static void play_all(struct play *p) {
    while (p->left || !walk_out_settled(&p->out)) {
        if (chance(p, 3)) disturb(p);
        if (walk_out_settled(&p->out))
            for (size_t n = 1 + prng_below(&p->rng, 40); n && p->left; n--) go_on(p);
        else
            walk_out_settle(&p->out);
        if (chance(p, 4)) take_ready(p);
    }
    rdb_put_eof(&p->out.ready);
    rdb_put_checksum(&p->out.ready, 0);
    take_ready(p);
}

static void play_end(struct play *p) {
    walk_out_close(&p->out);
    for (size_t i = 0; i < BIG; i++) free(p->big[i].gone);
    buf_free(&p->file);
    store_free(p->store);
}

/* ---- The file is read back ------------------------------------------------------------------- */

struct seen {
    int db;
    bool small[SMALL], big[BIG];
    size_t now; /* the big one being read */
    bool *fields;
    size_t count;
    const char *wrong;
};

static size_t number(struct bytes b, size_t skip) {
    size_t n = 0;
    for (size_t i = skip; i < b.len && b.p[i] >= '0' && b.p[i] <= '9'; i++)
        n = 10 * n + (size_t)(b.p[i] - '0');
    return n;
}

static void read_key(struct play *p, struct seen *s, const struct rdb_reader *r) {
    size_t i = number(r->a, 1);
    bool small = r->a.p[0] == 's';
    bool *there = small ? &s->small[i] : &s->big[i];
    if (*there) s->wrong = "a key stands twice";
    *there = true;
    if (s->db != (int)(i % DBS)) s->wrong = "a key stands in another database";
    int64_t stamp = small ? (i % 5 ? -1 : 1000 + (int64_t)i) : (i % 4 ? -1 : 5000 + (int64_t)i);
    if (r->expire_ms != stamp) s->wrong = "a stamp is another one";
    s->now = i;
    s->count = 0;
    free(s->fields);
    s->fields = small ? NULL : calloc(p->big[i].fields, sizeof *s->fields);
}

static void read_field(struct play *p, struct seen *s, const struct rdb_reader *r) {
    size_t i = number(r->a, 1);
    if (i >= p->big[s->now].fields || s->fields[i])
        s->wrong = "a field stands twice";
    else
        s->fields[i] = true;
    if (number(r->b, 0) != i) s->wrong = "a field has another one's value";
    s->count++;
}

static const char *read_back(struct play *p) {
    struct seen s = {.db = -1};
    struct rdb_reader r;
    const char *at = buf_head(&p->file);
    size_t left = buf_len(&p->file);
    enum rdb_event ev;
    rdb_reader_init(&r);
    do {
        ev = rdb_read(&r, at, left);
        at += r.used;
        left -= r.used;
        if (ev == RDB_SELECT) s.db = (int)r.number;
        if (ev == RDB_KEY) read_key(p, &s, &r);
        if (ev == RDB_BEGIN && r.number != p->big[s.now].fields) s.wrong = "a count is another one";
        if (ev == RDB_ITEM) read_field(p, &s, &r);
        if (ev == RDB_KEY_END && s.fields && s.count != p->big[s.now].fields)
            s.wrong = "fields are missing";
    } while (ev != RDB_MORE && ev != RDB_BAD && ev != RDB_END && !s.wrong);
    if (ev == RDB_BAD) s.wrong = "the file is damaged";
    if (ev == RDB_MORE) s.wrong = "the file ends before its end";
    for (size_t i = 0; i < SMALL && !s.wrong; i++)
        if (!s.small[i]) s.wrong = "a small key is missing";
    for (size_t i = 0; i < BIG && !s.wrong; i++)
        if (!s.big[i]) s.wrong = "a big key is missing";
    free(s.fields);
    rdb_reader_free(&r);
    return s.wrong;
}

static void plays(const char *dir) {
    uint64_t seed = tap_seed();
    const char *wrong = NULL;
    bool spilled = false;
    for (uint64_t n = 0; n < 60 && !wrong; n++) {
        struct play p;
        struct spill_pool *pool = spill_pool_new(dir, n % 3 ? 2000 : 1 << 20, 1 << 30);
        play_begin(&p, seed + n, pool);
        play_all(&p);
        wrong = walk_out_failure(&p.out) ? walk_out_failure(&p.out) : read_back(&p);
        if (wrong) printf("# play %d\n", (int)n);
        if (p.out.keys != BIG + SMALL) wrong = "keys are counted wrongly";
        if (walk_out_values(&p.out)) wrong = "values are left over";
        spilled |= spill_written_bytes(pool) > 0;
        play_end(&p);
        close(spill_pool_free(pool));
    }
    ok(!wrong, "60 plays: each key once, whole, in its database%s%s", wrong ? ": " : "",
       wrong ? wrong : "");
    ok(spilled, "and some of it waited in a file");
}

/* A walk that is given up in the middle. */
static void given_up(const char *dir) {
    struct play p;
    struct spill_pool *pool = spill_pool_new(dir, 2000, 1 << 30);
    play_begin(&p, 5, pool);
    for (int i = 0; i < 300; i++) {
        disturb(&p);
        if (i % 3 == 0 && walk_out_settled(&p.out)) go_on(&p);
    }
    ok(walk_out_values(&p.out) > 0 && spill_memory(pool) > 0, "something waits");
    play_end(&p);
    ok(spill_memory(pool) == 0 && spill_file_bytes(pool) == 0,
       "nothing is left of a walk given up");
    close(spill_pool_free(pool));
}

static void no_room(const char *dir) {
    struct play p;
    struct spill_pool *pool = spill_pool_new(dir, 0, 64 * 1024);
    play_begin(&p, 6, pool);
    for (int i = 0; i < 100000 && !walk_out_failure(&p.out); i++) disturb(&p);
    const char *why = walk_out_failure(&p.out);
    ok(why && strstr(why, dir), "what finds no room anywhere is told: %s", why ? why : "");
    walk_out_settle(&p.out);
    play_end(&p);
    close(spill_pool_free(pool));
}

static void old_versions(void) {
    struct spill_pool *pool = spill_pool_new("/", 1 << 20, 0);
    struct value_style style = {RDB_VERSION_2_8, true};
    struct walk_out out;
    struct walked v = {.kind = KIND_STREAM, .key = BYTES("events"), .expiry_ms = NO_EXPIRY};
    walk_out_open(&out, &style, pool);
    struct store_walker to = walk_out_walker(&out);
    to.begin(to.arg, &v);
    const char *why = walk_out_failure(&out);
    ok(why && strstr(why, "\"events\" is a stream") && strstr(why, "version 6"),
       "a stream has no form in an old version: %s", why ? why : "");
    walk_out_close(&out);
    close(spill_pool_free(pool));
}

int main(void) {
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    hash_set_key((uint64_t[2]){1, 2});
    plays(dir);
    given_up(dir);
    no_room(dir);
    old_versions();
    return done();
}
