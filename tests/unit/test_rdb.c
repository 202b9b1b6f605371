/* link: server/proto/rdb_write.c server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c server/proto/crc64.c server/proto/lzf.c server/base/buf.c
   server/base/num.c server/base/decimal.c server/base/log.c server/base/clock.c */
/* RDB bytes: what is written reads back in any pieces; what is damaged is found; files of real
 * versions read. */
#include "server/proto/crc64.h"
#include "server/proto/rdb.h"
#include "tests/unit/tap.h"

static struct buf sample(void) {
    struct buf b = BUF_INIT;
    char big[400];
    memset(big, 'x', sizeof big);
    rdb_put_magic(&b, RDB_VERSION);
    rdb_put_aux(&b, "redis-ver", "7.0.15");
    rdb_put_aux_u64(&b, "ctime", 1700000000);
    rdb_put_select(&b, 0);
    rdb_put_resize(&b, 70000, 1);
    rdb_put_key(&b, RDB_STRING, BYTES("plain"), -1, true);
    rdb_put_string(&b, BYTES("value"), true);
    rdb_put_key(&b, RDB_STRING, BYTES("expires"), 1700000000123, true);
    rdb_put_string(&b, BYTES("-129"), true);
    rdb_put_key(&b, RDB_STRING, BYTES("packed"), -1, true);
    rdb_put_string(&b, (struct bytes){big, sizeof big}, true);
    rdb_put_select(&b, 9);
    rdb_put_key(&b, RDB_HASH, BYTES("h"), -1, true);
    rdb_put_len(&b, 2);
    rdb_put_string(&b, BYTES("f1"), true);
    rdb_put_string(&b, BYTES("2147483648"), true);
    rdb_put_string(&b, BYTES("f2"), true);
    rdb_put_string(&b, BYTES(""), true);
    rdb_put_key(&b, RDB_ZSET_2, BYTES("z"), -1, true);
    rdb_put_len(&b, 1);
    rdb_put_string(&b, BYTES("m"), true);
    rdb_put_double(&b, 1.5);
    rdb_put_eof(&b);
    rdb_put_checksum(&b, crc64(0, buf_head(&b), buf_len(&b)));
    return b;
}

/* Reads all, presenting at most `piece` more bytes at a time; a text of the events, or of the
 * error. */
static char *read_in_pieces(const char *data, size_t len, size_t piece, bool *good) {
    struct rdb_reader r;
    struct buf text = BUF_INIT;
    size_t at = 0, end = 0;
    enum rdb_event ev = RDB_MORE;
    rdb_reader_init(&r);
    *good = false;
    for (;;) {
        ev = rdb_read(&r, data + at, end - at);
        at += r.used;
        if (ev == RDB_MORE) {
            if (end == len) break;
            end = end + piece < len ? end + piece : len;
            continue;
        }
        if (ev == RDB_BAD || ev == RDB_END) break;
        buf_printf(&text, "%d", ev);
        if (ev == RDB_SELECT || ev == RDB_BEGIN)
            buf_printf(&text, " %llu", (unsigned long long)r.number);
        if (ev == RDB_KEY)
            buf_printf(&text, " %s %lld %.*s", rdb_type_name(r.type), (long long)r.expire_ms,
                       (int)r.a.len, r.a.p);
        if (ev == RDB_VALUE)
            buf_printf(&text, " %zu %.*s", r.a.len, (int)(r.a.len < 8 ? r.a.len : 8), r.a.p);
        if (ev == RDB_ITEM)
            buf_printf(&text, " %.*s %.*s %g", (int)r.a.len, r.a.p, (int)r.b.len, r.b.p, r.score);
        buf_printf(&text, "\n");
    }
    if (ev == RDB_BAD) buf_printf(&text, "bad: %s\n", r.error);
    if (ev == RDB_MORE) buf_printf(&text, "short\n");
    *good = ev == RDB_END && at == len;
    char *copy = xstrdup(buf_cstr(&text));
    buf_free(&text);
    rdb_reader_free(&r);
    return copy;
}

static void test_round_trip(void) {
    struct buf b = sample();
    bool good;
    char *whole = read_in_pieces(buf_head(&b), buf_len(&b), buf_len(&b), &good);
    ok(good, "what was written reads back to its end");
    ok(strstr(whole, "string -1 plain\n") && strstr(whole, " 5 value\n"), "a string with its key");
    ok(strstr(whole, "string 1700000000123 expires\n") && strstr(whole, " 4 -129\n"),
       "an expiry stamp and a packed integer");
    ok(strstr(whole, " 400 xxxxxxxx\n") != NULL, "a compressed string");
    ok(strstr(whole, " f1 2147483648 0\n") != NULL, "an integer above 32 bits stays text");
    ok(strstr(whole, " m  1.5\n") != NULL, "a score");
    bool same = true;
    for (size_t piece = 1; piece < 40; piece++) {
        char *other = read_in_pieces(buf_head(&b), buf_len(&b), piece, &good);
        same = same && good && strcmp(whole, other) == 0;
        free(other);
    }
    ok(same, "the events are the same in pieces of any size");
    free(whole);
    buf_free(&b);
}

static void test_damage(void) {
    struct buf b = sample();
    size_t len = buf_len(&b), found = 0, cut = 0;
    char *copy = xmemdup(buf_head(&b), len);
    bool good;
    for (size_t i = 0; i < len * 8; i++) {
        copy[i / 8] = (char)(copy[i / 8] ^ (1 << (i % 8)));
        free(read_in_pieces(copy, len, len, &good));
        found += !good;
        copy[i / 8] = (char)(copy[i / 8] ^ (1 << (i % 8)));
    }
    is_int((int64_t)found, (int64_t)len * 8, "every flipped bit is found");
    for (size_t n = 0; n < len; n++) {
        char *part = xmemdup(copy, n ? n : 1); /* so that a read behind the end is seen */
        free(read_in_pieces(part, n, 7, &good));
        cut += !good;
        free(part);
    }
    is_int((int64_t)cut, (int64_t)len, "every cut is found");
    free(copy);
    buf_free(&b);
}

/* A file that must be refused, and a word of why. */
static void refused(const char *data, size_t len, const char *why, const char *what) {
    bool good;
    char *t = read_in_pieces(data, len, len, &good);
    ok(!good && strstr(t, why), "%s", what);
    if (good || !strstr(t, why)) printf("# %s\n", t);
    free(t);
}

static void test_refusals(void) {
    refused("REDIS0099", 9, "REDIS0099 is too new", "a version that is too new is refused by name");
    refused("REDIS0013", 9, "too new", "so is the one behind the last that is known");
    refused("VALKEY081", 9, "too new", "and Valkey's");
    refused("REDIS00x1", 9, "this is no RDB file", "a version that is no number is refused");
    refused("hello world", 11, "does not begin with REDIS", "something else is refused");
    refused("REDIS0010\x07\x01k\x81\0\0\0\0\0\0\0\0\0", 22,
            "\"k\" is a value of the module AAAAAAAAA",
            "a module's value is refused by key and module");
    refused("REDIS0012\x19\x01k\x01", 13, "\"k\" is a hash whose fields expire",
            "a hash of Redis 8 whose fields expire is refused by key and type");
    refused("VALKEY080\x16\x01k\x01", 13, "\"k\" is a hash whose fields expire", "and Valkey's");
    refused("REDIS0012\xf3\x01k\x01\x01\x01", 14, "opcode 243",
            "what is a slot's import in Valkey's files is not taken for one in Redis's");
    refused("REDIS0010\0\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff", 21, "bad: a string of",
            "a length that cannot be right is refused at once");
}

/* Sections that are no data: a module's with a part of each kind, slots, functions. */
static void test_passed_over(void) {
    static const char module[] =
        "REDIS0012\xf7\x81\x0d\x61\x12\x34\x56\x78\x9a\x00\x02\x01"
        "\x01\x05\x02\x07\x03....\x04........\x05\x03"
        "abc\x00\xf4\x01\x02\x03\xf5\x03lib\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0";
    static const char slots[] =
        "VALKEY080\xf3\x03job\x02\x01\x02\x05\x06\xf4\x01\x02\x03\x00\x01k\x01"
        "v\xff\0\0\0\0\0\0\0\0";
    bool good;
    for (size_t piece = 1; piece < 40; piece += 6) {
        char *t = read_in_pieces(module, sizeof module - 1, piece, &good);
        ok(good, "a module's section, slots and functions are passed over, in pieces of %zu",
           piece);
        if (!good) printf("# %s\n", t);
        free(t);
        t = read_in_pieces(slots, sizeof slots - 1, piece, &good);
        ok(good, "and what Valkey tells of slots");
        if (!good) printf("# %s\n", t);
        free(t);
    }
}

/* The shape that Redis 2.8 writes: version 6, no aux, seconds of expiry. */
static void test_old(void) {
    static const char old[] = "REDIS0006\xfe\0\xfd\0\xf1\x53\x65\0\1a\1b\xff\0\0\0\0\0\0\0\0";
    bool good;
    char *t = read_in_pieces(old, sizeof old - 1, 3, &good);
    ok(good, "a file of version 6 without a checksum reads");
    ok(strstr(t, "string 1700000000000 a\n") != NULL, "an expiry in seconds is given in ms");
    free(t);
}

int main(void) {
    test_round_trip();
    test_damage();
    test_refusals();
    test_passed_over();
    test_old();
    return done();
}
