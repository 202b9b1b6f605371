/* link: hactl/import/rdb_keys.c hactl/import/rdb_skip.c hactl/import/inventory.c hactl/import/inventory_report.c
   server/proto/rdb_write.c server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c
   server/proto/crc64.c server/proto/lzf.c server/base/buf.c server/base/num.c server/base/decimal.c server/base/log.c
   server/base/clock.c server/base/edition.c */
/* Keys cut out of RDB bytes: whole values in any pieces, those too that Duet cannot hold; what is no key is named; what
 * the inventory makes of it. */
#include "hactl/import/inventory.h"
#include "hactl/import/rdb_keys.h"
#include "server/proto/crc64.h"
#include "tests/unit/tap.h"

/* ---- a file with everything in it ---- */

static struct buf values[16]; /* as they stand behind their keys */
static int value_count;

static struct buf *value(struct buf *out, int type, const char *name, int64_t expire_ms) {
    rdb_put_key(out, (enum rdb_type)type, (struct bytes){name, strlen(name)}, expire_ms, true);
    return &values[value_count++];
}

static void strings(struct buf *out, int n) {
    char text[64];
    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, i % 3 ? "word-%d-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" : "%d",
                 i);
        rdb_put_string(out, (struct bytes){text, strlen(text)}, i % 2);
    }
}

static void numbers(struct buf *out, int n) {
    for (int i = 0; i < n; i++) rdb_put_len(out, (uint64_t)i * 5000);
}

static void stream(struct buf *v) {
    rdb_put_len(v, 2);
    strings(v, 4);
    numbers(v, 8);
    rdb_put_len(v, 1); /* groups */
    strings(v, 1);
    numbers(v, 3);
    rdb_put_len(v, 2); /* pending */
    for (int i = 0; i < 2; i++) {
        rdb_put_id(v, 7, 8);
        rdb_put_ms(v, 9);
        rdb_put_len(v, 1);
    }
    rdb_put_len(v, 1); /* consumers */
    strings(v, 1);
    rdb_put_ms(v, 9);
    rdb_put_len(v, 2);
    rdb_put_id(v, 7, 8);
    rdb_put_id(v, 7, 9);
}

static void module(struct buf *v) {
    rdb_put_len(v, 0xAAAAAAAAAAAA0401);
    rdb_put_len(v, 2); /* an integer */
    rdb_put_len(v, 70000);
    rdb_put_len(v, 4); /* a double */
    rdb_put_double(v, 2.5);
    rdb_put_len(v, 5); /* a string */
    strings(v, 1);
    rdb_put_len(v, 0);
}

static struct buf file(void) {
    struct buf f = BUF_INIT, *v;
    rdb_put_magic(&f, 12);
    rdb_put_aux(&f, "redis-ver", "7.4.1");
    buf_add(&f, "\xf5", 1);
    rdb_put_string(&f, BYTES("#!lua name=mylib\nredis.register_function('f', print)"), true);
    rdb_put_select(&f, 0);
    rdb_put_resize(&f, 9, 1);
    v = value(&f, RDB_STRING, "plain", -1);
    rdb_put_string(v, BYTES("value"), true);
    buf_add(&f, buf_head(v), buf_len(v));
    v = value(&f, RDB_HASH, "hash", 1700000000123);
    rdb_put_len(v, 100);
    strings(v, 200);
    buf_add(&f, buf_head(v), buf_len(v));
    v = value(&f, RDB_LIST, "empty", -1);
    rdb_put_len(v, 0);
    buf_add(&f, buf_head(v), buf_len(v));
    v = value(&f, RDB_ZSET, "old scores", -1);
    rdb_put_len(v, 2);
    strings(v, 1);
    rdb_put_score(v, 1.5);
    strings(v, 1);
    buf_add(v, "\xfe", 1);
    buf_add(&f, buf_head(v), buf_len(v));
    v = value(&f, RDB_ZSET_2, "scores", 99);
    rdb_put_len(v, 1);
    strings(v, 1);
    rdb_put_double(v, 1.5);
    buf_add(&f, buf_head(v), buf_len(v));
    rdb_put_select(&f, 3);
    v = value(&f, RDB_LIST_QUICKLIST_2, "list", -1);
    rdb_put_len(v, 2);
    rdb_put_len(v, 1);
    strings(v, 1);
    rdb_put_len(v, 2);
    strings(v, 1);
    buf_add(&f, buf_head(v), buf_len(v));
    v = value(&f, RDB_STREAM_LISTPACKS_2, "stream", -1);
    stream(v);
    buf_add(&f, buf_head(v), buf_len(v));
    v = value(&f, RDB_MODULE_2, "module", -1);
    module(v);
    buf_add(&f, buf_head(v), buf_len(v));
    v = value(&f, RDB_HASH_EXPIRING_FIRST + 2, "fields", -1);
    rdb_put_ms(v, 1700000000000);
    rdb_put_len(v, 1);
    rdb_put_len(v, 5);
    strings(v, 2);
    buf_add(&f, buf_head(v), buf_len(v));
    rdb_put_eof(&f);
    rdb_put_checksum(&f, crc64(0, buf_head(&f), buf_len(&f)));
    return f;
}

/* ---- reading it ---- */

struct seen {
    struct buf text;
    int keys, same; /* values that came out as they stood */
    enum rdb_keys_event last;
    char error[280];
    uint64_t at[16];
    size_t end;
};

static void finish_key(struct seen *s, const struct rdb_keys *k, struct buf *got) {
    const struct buf *want = &values[s->keys];
    s->same += buf_len(got) == buf_len(want) &&
               memcmp(buf_head(got), buf_head(want), buf_len(want)) == 0 &&
               k->value.bytes == buf_len(want);
    s->at[s->keys++] = k->at;
    buf_printf(&s->text, "%d:%.*s(%d,%lld) ", k->db, (int)k->key.len, k->key.p, k->type,
               (long long)k->expire_ms);
    buf_clear(got);
}

/* piece: at most so many bytes more each time. */
static void read_all(struct seen *s, struct rdb_keys *k, const char *p, size_t n, size_t piece) {
    struct buf got = BUF_INIT;
    size_t at = 0, have = 0;
    for (;;) {
        char *copy = xmalloc(have - at + 1);
        memcpy(copy, p + at, have - at);
        s->last = rdb_keys_read(k, copy, have - at);
        at += k->used;
        if (s->last == RDB_KEYS_PIECE) buf_add(&got, k->piece.p, k->piece.len);
        if (s->last == RDB_KEYS_END) finish_key(s, k, &got);
        if (s->last == RDB_KEYS_OTHER) buf_printf(&s->text, "[%.*s] ", (int)k->name.len, k->name.p);
        free(copy);
        if (s->last == RDB_KEYS_DONE || s->last == RDB_KEYS_BAD) break;
        if (s->last != RDB_KEYS_MORE) continue;
        if (have == n) break;
        have = have + piece < n ? have + piece : n;
    }
    s->end = at;
    snprintf(s->error, sizeof s->error, "%s", k->error);
    buf_free(&got);
}

static void read_whole(struct seen *s, const struct buf *f, size_t piece) {
    struct rdb_keys k;
    memset(s, 0, sizeof *s);
    rdb_keys_init(&k);
    read_all(s, &k, buf_head(f), buf_len(f), piece);
    rdb_keys_free(&k);
}

static void in_pieces(const struct buf *f) {
    static const size_t sizes[] = {1, 2, 3, 7, 64, 1 << 20};
    const char *want = "[function] 0:plain(0,-1) 0:hash(4,1700000000123) 0:empty(1,-1) "
                       "0:old scores(3,-1) 0:scores(5,99) 3:list(18,-1) 3:stream(19,-1) "
                       "3:module(7,-1) 3:fields(24,-1) ";
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct seen s;
        read_whole(&s, f, sizes[i]);
        ok(s.last == RDB_KEYS_DONE && s.same == value_count && s.keys == value_count,
           "in pieces of %zu bytes: %d keys of %d, %d values as they stand (%s)", sizes[i], s.keys,
           value_count, s.same, s.error);
        is_str(buf_cstr(&s.text), want, "names, databases, types and expiry");
        is_int(s.end, buf_len(f), "it is read to its last byte");
        buf_free(&s.text);
    }
}

static void from_each_key(const struct buf *f) {
    struct seen whole, s;
    int good = 0;
    read_whole(&whole, f, 1 << 20);
    for (int i = 0; i < whole.keys; i++) {
        struct rdb_keys k;
        memset(&s, 0, sizeof s);
        rdb_keys_from(&k, 12, i < 5 ? 0 : 3, whole.at[i]);
        s.keys = i;
        read_all(&s, &k, buf_head(f) + whole.at[i], buf_len(f) - whole.at[i], 11);
        good += s.last == RDB_KEYS_DONE && s.keys == whole.keys && s.same == whole.keys - i;
        rdb_keys_free(&k);
        buf_free(&s.text);
    }
    is_int(good, value_count, "reading begins again at each key, and goes to the end");
    buf_free(&whole.text);
}

static void cut_and_damaged(const struct buf *f) {
    size_t cut = 0, damaged = 0;
    struct seen s;
    for (size_t n = 0; n < buf_len(f); n++) {
        struct buf part = {buf_head(f), 0, n, n};
        read_whole(&s, &part, 1 << 20);
        cut += s.last == RDB_KEYS_MORE;
        buf_free(&s.text);
        struct buf copy = BUF_INIT;
        buf_add(&copy, buf_head(f), buf_len(f));
        buf_head(&copy)[n] ^= 0x41;
        read_whole(&s, &copy, 1 << 20);
        damaged += s.last != RDB_KEYS_DONE;
        buf_free(&s.text);
        buf_free(&copy);
    }
    is_int(cut, buf_len(f), "a file that is cut at any byte asks for more, and says no end");
    is_int(damaged, buf_len(f), "a file with any byte changed does not come to a good end");
}

static void footer(void) {
    char f[RDB_DUMP_FOOTER];
    struct buf v = BUF_INIT, all = BUF_INIT;
    rdb_put_string(&v, BYTES("hello"), true);
    rdb_dump_footer(f, RDB_STRING, (struct bytes){buf_head(&v), buf_len(&v)}, RDB_VERSION);
    is_mem(f, 2, "\x0a", 2, "the footer begins with the version");
    buf_add(&all, "", 1);
    buf_add(&all, buf_head(&v), buf_len(&v));
    buf_add(&all, f, sizeof f);
    uint64_t sum = crc64(0, buf_head(&all), buf_len(&all) - 8), have;
    memcpy(&have, f + 2, 8);
    ok(sum == have, "and ends with the checksum of all before it");
    buf_free(&v);
    buf_free(&all);
}

static void inventory(const struct buf *f) {
    struct inventory v;
    struct inventory_target t = {.edition = edition_named("cluster"), .memory_limit_bytes = 100};
    struct rdb_keys k;
    struct buf text = BUF_INIT;
    size_t at = 0;
    inventory_init(&v);
    rdb_keys_init(&k);
    for (enum rdb_keys_event ev = RDB_KEYS_START; ev != RDB_KEYS_DONE && ev != RDB_KEYS_BAD;) {
        ev = rdb_keys_read(&k, buf_head(f) + at, buf_len(f) - at);
        at += k.used;
        if (ev == RDB_KEYS_START) v.rdb_version = k.version;
        if (ev == RDB_KEYS_AUX) inventory_aux(&v, k.name, k.text);
        if (ev == RDB_KEYS_OTHER) inventory_other(&v, k.name, k.text);
        if (ev == RDB_KEYS_END) inventory_key(&v, &t, &k, k.db, 1000);
    }
    is_int(v.keys, 4, "keys that can be taken by this edition");
    is_int(v.expired, 1, "one has expired");
    is_int(inventory_refused(&v), 5,
           "a function, a stream, a module's value, expiring fields, database 3");
    ok(inventory_lacks(&v, &t) > 0, "it does not fit into 100 bytes");
    is_str(v.source_version, "Redis 7.4.1", "the source's version");
    inventory_text(&v, &t, &text);
    const char *words = buf_cstr(&text);
    ok(strstr(words, "libraries of functions: \"mylib\""), "the function's library is named");
    ok(strstr(words, "values of the module type"), "so is the module");
    ok(strstr(words, "it does not fit"), "and that it does not fit");
    buf_clear(&text);
    inventory_json(&v, &t, &text);
    ok(strstr(buf_cstr(&text), "\"keys\":4"), "as JSON too");
    buf_free(&text);
    inventory_free(&v);
    rdb_keys_free(&k);
}

static bool reads_back(struct bytes s, bool compress, struct buf *scratch) {
    struct buf v = BUF_INIT;
    struct bytes out;
    rdb_put_string(&v, s, compress);
    bool well = rdb_string_of((struct bytes){buf_head(&v), buf_len(&v)}, scratch, &out) &&
                bytes_equal(out, s);
    for (size_t n = 0; n < buf_len(&v); n++) /* cut: refused, and nothing behind it is read */
        well &= !rdb_string_of((struct bytes){buf_head(&v), n}, scratch, &out);
    buf_free(&v);
    return well;
}

static void whole_strings(void) {
    static const char *const texts[] = {"",           "hello",      "0",     "-1",
                                        "127",        "-129",       "32768", "-2147483648",
                                        "2147483647", "2147483648", "007"};
    int good = 0, n = (int)(sizeof texts / sizeof *texts);
    struct buf scratch = BUF_INIT;
    char many[20000];
    memset(many, 'x', sizeof many);
    for (int i = 0; i < n; i++)
        good += reads_back((struct bytes){texts[i], strlen(texts[i])}, true, &scratch);
    is_int(good, n, "strings and integers are read without the reader");
    ok(reads_back((struct bytes){many, sizeof many}, false, &scratch), "long ones too");
    ok(reads_back((struct bytes){many, sizeof many}, true, &scratch), "and compressed ones");
    ok(reads_back((struct bytes){many, 100}, true, &scratch), "of any length");
    buf_free(&scratch);
}

int main(void) {
    struct buf f = file();
    in_pieces(&f);
    from_each_key(&f);
    cut_and_damaged(&f);
    footer();
    inventory(&f);
    whole_strings();
    buf_free(&f);
    for (int i = 0; i < value_count; i++) buf_free(&values[i]);
    return done();
}
