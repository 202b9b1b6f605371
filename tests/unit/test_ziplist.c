/* link: server/proto/ziplist.c server/base/num.c */
/* Ziplists as redis-server 3.2 to 6.2 write them: every encoding, and no damaged byte leads outside. */
#include "server/proto/ziplist.h"

#include "tests/unit/tap.h"

/* "ab", 64 letters, 12, -3, 1000, 100000, 3000000000, 2^40, and a string by the 5-byte form behind a long one. */
static size_t sample(uint8_t *p) {
    static const uint8_t head[] = "\0\0\0\0\0\0\0\0\x09\0\0\x02"
                                  "ab\x04\x40\x40";
    static const uint8_t rest[] =
        "\x43\xfd\x02\xfe\xfd\x03\xc0\xe8\x03\x04\xf0\xa0\x86\x01\x05\xd0\x00\x5e\xd0\x32"
        "\x06\xe0\0\0\0\0\0\x01\0\0\xfe\x0a\0\0\0\x80\0\0\0\x01z\xff";
    size_t n = sizeof head - 1;
    memcpy(p, head, n);
    memset(p + n, 'x', 64);
    memcpy(p + n + 64, rest, sizeof rest - 1);
    n += 64 + sizeof rest - 1;
    p[0] = (uint8_t)n;
    p[4] = (uint8_t)(n - 12); /* where the last element begins */
    return n;
}

static size_t elements(const uint8_t *p, size_t n, bool *bad, struct bytes *last) {
    struct ziplist z;
    size_t count = 0;
    for (zl_open(&z, (struct bytes){(const char *)p, n}); zl_next(&z, last);) count++;
    *bad = z.bad;
    return count;
}

int main(void) {
    static const char *const want[] = {
        "ab", NULL, "12", "-3", "1000", "100000", "852516352", "1099511627776", "z"};
    uint8_t bytes[300], *copy;
    struct ziplist z;
    struct bytes value;
    size_t n = sample(bytes), i = 0, wrong = 0;
    for (zl_open(&z, (struct bytes){(const char *)bytes, n}); zl_next(&z, &value); i++)
        if (want[i] ? value.len != strlen(want[i]) || memcmp(value.p, want[i], value.len)
                    : value.len != 64)
            wrong++;
    ok(!z.bad && i == 9 && !wrong, "every encoding is read (%zu elements)", i);
    bool bad;
    for (size_t cut = 0; cut < n;
         cut++) { /* in an allocation of just that size, for the sanitizer */
        copy = malloc(cut + 1);
        memcpy(copy, bytes, cut);
        elements(copy, cut, &bad, &value);
        wrong += !bad;
        free(copy);
    }
    is_int(wrong, 0, "a ziplist that is cut short is refused");
    copy = malloc(n);
    for (i = 0; i < n * 256; i++) {
        memcpy(copy, bytes, n);
        copy[i / 256] = (uint8_t)i;
        elements(copy, n, &bad, &value);
    }
    free(copy);
    ok(true, "no byte changed leads outside");
    return done();
}
