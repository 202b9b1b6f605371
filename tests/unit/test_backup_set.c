/* link: server/base/backup_set.c server/base/buf.c server/base/crc32c.c server/base/file.c server/base/log.c server/base/num.c */
#include "tests/unit/tap.h"

#include "server/base/backup_set.h"
#include "server/base/buf.h"

#include <string.h>

static struct backup_set sample(void) {
    struct backup_set s = {.id = "3-20261121T181500Z-2",
                           .instance = 3,
                           .name = "before the upgrade",
                           .node = 'b',
                           .made_by = "operator",
                           .begin_us = 1795284900000000,
                           .end_us = 1795284903000000,
                           .replid = "0123456789abcdef0123456789abcdef01234567",
                           .offset = 81234,
                           .db = -1,
                           .keys = 1000000,
                           .raw_bytes = 5ULL << 32,
                           .bytes = 1ULL << 32,
                           .crc = 0xdeadbeef,
                           .redis_version = "7.0.15",
                           .duet_version = "v0.5-3-gabcdef"};
    return s;
}

static void ids(void) {
    unsigned n = 0;
    char id[48];
    ok(backup_id_valid("0-20261121T181500Z", &n) && n == 0, "an id");
    ok(backup_id_valid("12-20261121T181500Z-3", &n) && n == 12, "an id with a suffix");
    static const char *const bad[] = {"",
                                      "0",
                                      "-20261121T181500Z",
                                      "00-20261121T181500Z",
                                      "+1-20261121T181500Z",
                                      "0-2026112T181500Z",
                                      "0-20261121T18150Z",
                                      "0-20261121T181500",
                                      "0-20261121T181500Z-",
                                      "0-20261121T181500Z-1",
                                      "0-20261121T181500Z-02",
                                      "0-20261121T181500Z-2x",
                                      "0-20261121T181500Z/..",
                                      "../0-20261121T181500Z",
                                      "99999999999999999999-20261121T181500Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok(!backup_id_valid(bad[i], &n), "\"%s\" is no id", bad[i]);
    backup_id_format(id, sizeof id, 7, 1795285800000000, 0);
    ok(strcmp(id, "7-20261121T183000Z") == 0 && backup_id_valid(id, &n),
       "an id is made of instance and instant: %s", id);
    backup_id_format(id, sizeof id, 7, 1795285800999999, 2);
    ok(strcmp(id, "7-20261121T183000Z-2") == 0 && backup_id_valid(id, &n),
       "and of a number when that is taken");
}

static void round_trip(void) {
    struct backup_set s = sample(), t;
    struct buf b = BUF_INIT;
    buf_add_str(&b, "in front");
    backup_set_put(&b, &s);
    buf_eat(&b, 8);
    const char *wrong = backup_set_parse(&t, buf_head(&b), buf_len(&b));
    ok(!wrong, "what was written is read (%s)", wrong ? wrong : "fine");
    struct buf again = BUF_INIT;
    backup_set_put(&again, &t);
    ok(buf_len(&b) == buf_len(&again) && memcmp(buf_head(&b), buf_head(&again), buf_len(&b)) == 0,
       "and is the same");
    is_int(t.offset, 81234, "offset");
    is_int(t.raw_bytes, 5ULL << 32, "size");
    is_int(t.crc, 0xdeadbeef, "crc");
    ok(strcmp(t.name, s.name) == 0, "name");
    buf_free(&again);
    s.name[0] = '\0';
    buf_clear(&b);
    backup_set_put(&b, &s);
    ok(!backup_set_parse(&t, buf_head(&b), buf_len(&b)) && t.name[0] == '\0',
       "a set may have no name");
    buf_free(&b);
}

static void damage(void) {
    struct backup_set s = sample(), t;
    struct buf b = BUF_INIT;
    backup_set_put(&b, &s);
    size_t n = buf_len(&b), missed = 0;
    char *p = xmemdup(buf_head(&b), n);
    for (size_t i = 0; i < n * 8; i++) {
        p[i / 8] = (char)(p[i / 8] ^ 1 << i % 8);
        missed += backup_set_parse(&t, p, n) == NULL;
        p[i / 8] = (char)(p[i / 8] ^ 1 << i % 8);
    }
    is_int(missed, 0, "a bit flipped anywhere is found");
    for (size_t i = 0; i < n; i++) missed += backup_set_parse(&t, p, i) == NULL;
    is_int(missed, 0, "a file cut anywhere is found");
    free(p);
    s.node = 'c';
    buf_clear(&b);
    backup_set_put(&b, &s);
    ok(backup_set_parse(&t, buf_head(&b), buf_len(&b)) != NULL,
       "values that cannot be are refused, though the sum fits");
    buf_free(&b);
}

int main(void) {
    ids();
    round_trip();
    damage();
    return done();
}
