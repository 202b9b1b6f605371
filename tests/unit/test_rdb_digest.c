/* link: server/proto/rdb_digest.c server/proto/rdb_read.c server/proto/rdb_read_other.c server/proto/rdb_read_stream.c
   server/proto/rdb_write.c server/proto/crc64.c server/proto/lzf.c server/proto/listpack.c server/proto/intset.c
   server/base/buf.c server/base/decimal.c server/base/hash.c server/base/num.c server/base/log.c
   server/base/clock.c */
/* Fingerprints: in any pieces the same, in other forms and orders the same, and different for different data. */
#include "server/proto/rdb_digest.h"

#include "server/proto/listpack.h"
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

static struct bytes b(const char *s) {
    return (struct bytes){s, strlen(s)};
}

static void begin(struct buf *f) {
    rdb_put_magic(f, RDB_VERSION);
    rdb_put_select(f, 0);
}

static const char *digest_of(struct buf *f, size_t piece, int64_t instant_ms, uint64_t *keys) {
    static char text[4][RDB_DIGEST_CHARS + 1];
    static int turn;
    struct rdb_digest d;
    char *to = text[turn++ % 4];
    rdb_put_eof(f);
    rdb_put_checksum(f, 0);
    rdb_digest_init(&d, 16, instant_ms);
    bool fine = true;
    for (size_t at = 0; fine && at < buf_len(f); at += piece) {
        size_t n = buf_len(f) - at < piece ? buf_len(f) - at : piece;
        fine = rdb_digest_add(&d, buf_head(f) + at, n);
    }
    ok(fine && d.ended, "a sound file is read to its end (%s)", d.error);
    rdb_digest_text(&d, -1, to);
    if (keys) *keys = rdb_digest_keys(&d);
    rdb_digest_free(&d);
    buf_free(f);
    return to;
}

static void put_string(struct buf *f, const char *key, size_t n, char c, int64_t expire_ms) {
    char *v = malloc(n);
    memset(v, c, n);
    rdb_put_key(f, RDB_STRING, b(key), expire_ms, false);
    rdb_put_string(f, (struct bytes){v, n}, false);
    free(v);
}

static void strings(struct buf *f, bool other_order) {
    begin(f);
    for (int i = 0; i < 6; i++) {
        static const size_t sizes[] = {3, 100, 20000, 65535, 65536, 300001};
        int k = other_order ? 5 - i : i;
        char key[8] = {'k', (char)('0' + k), 0};
        put_string(f, key, sizes[k], (char)('a' + k), -1);
    }
}

static void test_pieces(void) {
    struct buf f = BUF_INIT;
    strings(&f, false);
    const char *whole = digest_of(&f, 1 << 30, 0, NULL);
    static const size_t pieces[] = {1, 7, 4096, 65536, 100000};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        strings(&f, i % 2);
        const char *again = digest_of(&f, pieces[i], 0, NULL);
        ok(strcmp(whole, again) == 0, "in pieces of %zu bytes, in another order: the same",
           pieces[i]);
    }
}

static void test_forms(void) {
    struct buf f = BUF_INIT;
    uint8_t lp[200];
    lp_init(lp);
    struct bytes words[] = {BYTES("f"), BYTES("1"), BYTES("g"), BYTES("x")};
    lp_splice(lp, lp_total(lp) - 1, 0, 0, words, 4);
    begin(&f);
    rdb_put_key(&f, RDB_HASH_LISTPACK, b("h"), -1, false);
    rdb_put_string(&f, (struct bytes){(char *)lp, lp_total(lp)}, false);
    const char *packed = digest_of(&f, 5, 0, NULL);
    begin(&f);
    rdb_put_key(&f, RDB_HASH, b("h"), -1, false);
    rdb_put_len(&f, 2);
    for (int i = 2; i >= 0; i -= 2) {
        rdb_put_string(&f, words[i], false);
        rdb_put_string(&f, words[i + 1], false);
    }
    ok(strcmp(packed, digest_of(&f, 3, 0, NULL)) == 0, "a hash in both of its forms");
    begin(&f);
    rdb_put_key(&f, RDB_SET, b("h"), -1, false);
    rdb_put_len(&f, 4);
    for (int i = 0; i < 4; i++) rdb_put_string(&f, words[i], false);
    ok(strcmp(packed, digest_of(&f, 3, 0, NULL)) != 0, "a set of the same words is another one");
}

static void test_time(void) {
    struct buf f = BUF_INIT;
    uint64_t keys;
    begin(&f);
    put_string(&f, "a", 3, 'x', 1000);
    put_string(&f, "b", 3, 'x', 2000);
    const char *both = digest_of(&f, 9, 999, &keys);
    is_int((long long)keys, 2, "before its time a key counts");
    begin(&f);
    put_string(&f, "a", 3, 'x', 1000);
    put_string(&f, "b", 3, 'x', 2000);
    const char *one = digest_of(&f, 9, 1000, &keys);
    is_int((long long)keys, 1, "at its time it does not");
    ok(strcmp(one, both) != 0, "and the fingerprint says so");
    begin(&f);
    put_string(&f, "b", 3, 'x', 2000);
    ok(strcmp(one, digest_of(&f, 9, 1000, NULL)) == 0, "as if it were not there");
    begin(&f);
    put_string(&f, "b", 3, 'x', 2001);
    ok(strcmp(one, digest_of(&f, 9, 1000, NULL)) != 0,
       "another time to live is another fingerprint");
}

static void test_bad(void) {
    struct rdb_digest d;
    rdb_digest_init(&d, 16, 0);
    ok(!rdb_digest_add(&d, "REDIS0010\xfe\x00\x63\x01k", 14) && d.error[0], "an unknown type: %s",
       d.error);
    rdb_digest_free(&d);
}

int main(void) {
    test_pieces();
    test_forms();
    test_time();
    test_bad();
    return done();
}
