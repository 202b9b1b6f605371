/* link: hactl/ustar.c server/base/log.c server/base/clock.c server/base/buf.c */
/* Heads of tar archives: what is written is read, by others too, and nothing that is damaged is. */
#include "hactl/ustar.h"
#include "tests/unit/tap.h"

static struct ustar_head sample(uint64_t size) {
    struct ustar_head h = {.size = size, .mtime_s = 1795284900};
    snprintf(h.name, sizeof h.name, "0-20261121T181500Z/data.rdb.zst");
    return h;
}

static void round_trip(void) {
    static const uint64_t sizes[] = {0,          1,         511, 512, 1ULL << 32, (1ULL << 33) - 1,
                                     1ULL << 33, 1ULL << 50};
    uint8_t block[USTAR_BLOCK];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ustar_head h = sample(sizes[i]), back;
        ustar_put(&h, block);
        ok(ustar_get(block, &back) == NULL && back.size == h.size && back.mtime_s == h.mtime_s &&
               strcmp(back.name, h.name) == 0 && !back.directory && !back.end,
           "a file of %llu bytes", (unsigned long long)sizes[i]);
    }
    struct ustar_head dir = {.directory = true, .name = "0-20261121T181500Z/"}, back,
                      end = {.end = true};
    ustar_put(&dir, block);
    ok(ustar_get(block, &back) == NULL && back.directory && back.size == 0, "a directory");
    ustar_put(&end, block);
    ok(ustar_get(block, &back) == NULL && back.end, "the end");
    is_int(ustar_padding(0), 0, "nothing behind nothing");
    is_int(ustar_padding(1), 511, "zeros up to the next block");
    is_int(ustar_padding(512), 0, "none behind a whole block");
}

static void damage(void) {
    struct ustar_head h = sample(12345), back;
    uint8_t block[USTAR_BLOCK];
    int taken = 0;
    ustar_put(&h, block);
    for (int bit = 0; bit < 345 * 8; bit++) { /* behind that stand zeros that mean nothing */
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool same = ustar_get(block, &back) == NULL && memcmp(&back, &h, sizeof h) != 0;
        taken += same;
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    is_int(taken, 0, "no changed bit makes another file of it");
    block[156] = '2'; /* a link */
    block[148] = 0;
    ok(ustar_get(block, &back) != NULL, "neither is a link taken");
}

int main(void) {
    round_trip();
    damage();
    return done();
}
