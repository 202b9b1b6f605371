/* link: server/base/memfn.c */
/* Each function against a loop over bytes: every size to 300, every alignment, every overlap, and against
 * the end of a page behind which nothing may be read or written. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "server/base/memfn.h"
#include "tests/unit/tap.h"

typedef unsigned char byte;

enum { MOST = 300, AREA = 4096, PAGE = 4096 };

static uint64_t seed = 88172645463325252u;
static unsigned chance(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 32);
}

static void scribble(byte *p, size_t n) {
    for (size_t i = 0; i < n; i++) p[i] = (byte)chance();
}

static bool same(const byte *a, const byte *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return false;
    return true;
}

static bool move_is_right(size_t to, size_t from, size_t n) {
    static byte area[AREA], wanted[AREA], kept[AREA];
    scribble(area, AREA);
    for (size_t i = 0; i < AREA; i++) wanted[i] = kept[i] = area[i];
    for (size_t i = 0; i < n; i++) wanted[to + i] = kept[from + i];
    return memfn_move(area + to, area + from, n) == area + to && same(area, wanted, AREA);
}

static void test_move(void) {
    bool good = true;
    for (size_t n = 0; n <= MOST && good; n++)
        for (size_t k = 0; k < 40 && good; k++)
            good = move_is_right(1000 + k % 17, 1000 + chance() % 640 - 320, n) &&
                   move_is_right(64 + k % 17, 2000 + k / 3, n);
    ok(good, "copies of all sizes to %d, apart and overlapping, are right to the byte", MOST);
    good = true;
    for (size_t k = 0; k < 2000 && good; k++)
        good = move_is_right(chance() % 2000, chance() % 2000, chance() % 2000);
    ok(good, "longer copies are right, whatever the distance");
    byte a[64], b[64];
    scribble(a, 64);
    ok(memfn_copy(b, a, 64) == b && same(a, b, 64), "memfn_copy is the same");
}

static void test_set(void) {
    static byte area[AREA], wanted[AREA];
    bool good = true;
    for (size_t n = 0; n <= 2 * MOST && good; n++)
        for (size_t at = 0; at < 17 && good; at++) {
            byte v = (byte)chance();
            scribble(area, AREA);
            for (size_t i = 0; i < AREA; i++) wanted[i] = area[i];
            for (size_t i = 0; i < n; i++) wanted[64 + at + i] = v;
            good = memfn_set(area + 64 + at, v | 0x100, n) == area + 64 + at &&
                   same(area, wanted, AREA);
        }
    ok(good, "fills of all sizes to %d and alignments are right to the byte", 2 * MOST);
}

static int sign(int v) {
    return (v > 0) - (v < 0);
}

static int compare_slowly(const byte *a, const byte *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

static void test_compare(void) {
    static byte a[MOST + 32], b[MOST + 32];
    bool good = true;
    for (size_t n = 0; n <= MOST && good; n++)
        for (size_t k = 0; k < 60 && good; k++) {
            byte *x = a + k % 16, *y = b + k / 4;
            scribble(x, n);
            for (size_t i = 0; i < n; i++) y[i] = x[i];
            if (k % 3 && n) y[chance() % n] ^= (byte)(1u << chance() % 8);
            if (k % 3 == 2 && n) y[chance() % n] ^= 0x80;
            good = sign(memfn_compare(x, y, n)) == compare_slowly(x, y, n);
        }
    ok(good, "bytes compare as unsigned ones at the first difference, in all sizes to %d", MOST);
}

static void test_find(void) {
    static byte a[MOST + 64];
    bool good = true;
    for (size_t n = 0; n <= MOST && good; n++)
        for (size_t k = 0; k < 40 && good; k++) {
            byte *p = a + 16 + k % 16, v = (byte)(k & 1 ? 0 : 0x80), *found = NULL;
            for (size_t i = 0; i < sizeof a; i++) a[i] = k % 5 ? v : (byte)(v + 1);
            for (size_t i = 0; i < n; i++) p[i] = (byte)(v + 1 + chance() % 200);
            for (size_t hits = chance() % 3; hits && n; hits--) p[chance() % n] = v;
            for (size_t i = n; i-- > 0;)
                if (p[i] == v) found = p + i;
            good = memfn_find(p, v | 0x300, n) == found;
        }
    ok(good, "the first of several is found, and none before or behind the bytes");
    good = true;
    for (size_t n = 0; n <= MOST && good; n++)
        for (size_t at = 0; at < 16 && good; at++) {
            char *s = (char *)a + 16 + at;
            for (size_t i = 0; i < 16 + at; i++) a[i] = 0;
            for (size_t i = 0; i < n; i++) s[i] = (char)(1 + chance() % 255);
            s[n] = 0;
            good = memfn_length(s) == n;
        }
    ok(good, "lengths of all sizes to %d and alignments are right", MOST);
}

static void test_edge(void) {
    byte *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    byte *end = pages + 2 * PAGE, *start = pages + PAGE, from[MOST + 1];
    if (pages == MAP_FAILED || mprotect(pages, PAGE, PROT_NONE) || mprotect(end, PAGE, PROT_NONE)) {
        ok(false, "pages to test with");
        return;
    }
    bool good = true;
    scribble(from, sizeof from);
    for (size_t n = 0; n <= MOST; n++) {
        memfn_move(end - n, from, n);
        good &= memfn_compare(end - n, from, n) == 0;
        memfn_move(start, from, n);
        good &= memfn_compare(start, from, n) == 0;
        memfn_move(from, end - n, n);
        memfn_set(end - n, 1, n);
        memfn_set(start, 1, n);
        good &= memfn_find(end - n, 2, n) == NULL && memfn_find(start, 2, n) == NULL;
        end[-1] = 0;
        if (n) good &= memfn_length((char *)end - n) == n - 1;
    }
    ok(good, "nothing is read or written before the first or behind the last page");
    munmap(pages, 3 * PAGE);
}

int main(void) {
    test_move();
    test_set();
    test_compare();
    test_find();
    test_edge();
    return done();
}
