/* link: server/proto/listpack.c server/proto/intset.c server/base/num.c server/base/buf.c server/base/log.c server/base/file.c server/base/clock.c */
/* The first byte chooses: bytes from outside as a listpack or an intset (what is called sound must be walked and changed
 * without a step outside), or operations on a listpack beside a plain array. */
#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/proto/intset.h"
#include "server/proto/listpack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 200, ITEM_BYTES = 5100 };

struct input {
    const uint8_t *p;
    size_t left;
};

static unsigned take(struct input *in) {
    if (!in->left) return 0;
    in->left--;
    return *in->p++;
}

/* A copy in memory of exactly its size, so that a step outside is seen. */
static uint8_t *copy_of(const uint8_t *p, size_t n) {
    uint8_t *copy = malloc(n ? n : 1);
    must(copy, "memory");
    memcpy(copy, p, n);
    return copy;
}

/* Replaces old_count elements at `at` (NULL: the end) by the values; the result is a new allocation of its exact size. */
static uint8_t *splice(uint8_t *lp, const uint8_t *at, size_t old_count, const struct bytes *values,
                       size_t n) {
    size_t offset = at ? (size_t)(at - lp) : lp_total(lp) - 1, old_bytes = 0, more = 0;
    const uint8_t *e = at;
    for (size_t i = 0; i < old_count; i++, e = lp_next(lp, e)) old_bytes += lp_size(e);
    for (size_t i = 0; i < n; i++) more += lp_size_of(values[i]);
    size_t total = lp_total(lp), new_total = total - old_bytes + more;
    uint8_t *room = malloc(total > new_total ? total : new_total);
    must(room, "memory");
    memcpy(room, lp, total);
    lp_splice(room, offset, old_bytes, old_count, values, n);
    must(lp_total(room) == new_total, "a splice's bytes are as foretold");
    free(lp);
    uint8_t *exact = copy_of(room, new_total);
    free(room);
    must(lp_valid(exact, new_total), "a listpack stays sound");
    return exact;
}

/* Both directions meet the same elements; every one is found where it stands. */
static void walk(const uint8_t *lp) {
    char a[LP_DIGITS], b[LP_DIGITS];
    size_t n = 0, back = 0;
    const uint8_t *last = NULL;
    for (const uint8_t *at = lp_first(lp); at; at = lp_next(lp, at)) {
        struct bytes value = lp_get(at, a);
        const uint8_t *found = n < 300 ? lp_find(lp, lp_first(lp), value, 1) : NULL;
        must(n >= 300 || (found && found <= at), "what stands there is found");
        must(n >= 300 || bytes_equal(lp_get(found, b), value), "and equal");
        must(lp_prev(lp, at) == last, "the way back leads where one came from");
        last = at;
        n++;
    }
    must(n == lp_count(lp), "the count is true");
    must(lp_last(lp) == last, "the last is the last");
    for (const uint8_t *at = lp_last(lp); at; at = lp_prev(lp, at)) back++;
    must(back == n, "as many backwards");
    must(lp_seek(lp, (int64_t)n) == NULL && lp_seek(lp, -(int64_t)n - 1) == NULL,
         "no element outside");
}

static void foreign_listpack(const uint8_t *p, size_t n, unsigned mode) {
    uint8_t *lp = copy_of(p, n);
    if (mode && n >= LP_EMPTY_BYTES) { /* a right head and end bring it further in */
        uint32_t total = (uint32_t)n;
        memcpy(lp, &total, 4);
        lp[n - 1] = 0xff;
    }
    if (lp_valid(lp, n)) {
        static const struct bytes one = {"a value", 7};
        walk(lp);
        lp = splice(lp, lp_first(lp), 0, &one, 1);
        lp = splice(lp, lp_last(lp), 1, NULL, 0);
        walk(lp);
    }
    free(lp);
}

static void foreign_intset(const uint8_t *p, size_t n, unsigned mode) {
    uint8_t *is = copy_of(p, n);
    if (mode && n >= INTSET_EMPTY_BYTES) {
        uint32_t width = mode == 1 ? 2 : mode == 2 ? 4 : 8, count = (uint32_t)((n - 8) / width);
        memcpy(is, &width, 4);
        memcpy(is + 4, &count, 4);
    }
    if (intset_valid(is, n)) {
        size_t i, at;
        for (i = 0; i < intset_count(is); i++)
            must(intset_find(is, intset_at(is, i), &at) && at == i, "each integer is found");
        must(intset_total(is) == n, "an intset's size is its own");
    }
    free(is);
}

/* A value of the input: bytes, digits, or a run of one byte. */
static struct bytes value_from(struct input *in, char room[ITEM_BYTES]) {
    unsigned how = take(in);
    size_t n = how >> 2;
    if ((how & 3) == 0) { /* an integer of any width */
        int64_t v = 0;
        for (size_t i = 0; i <= (n & 7); i++) v = (int64_t)((uint64_t)v << 8 | take(in));
        if (n & 8) v = (int64_t) - (uint64_t)v;
        return (struct bytes){room, (size_t)snprintf(room, ITEM_BYTES, "%lld", (long long)v)};
    }
    if ((how & 3) == 1) n = n * 79 + take(in) % 60; /* 63 * 79 + 59 at most */
    must(n < ITEM_BYTES, "a value fits");
    if ((how & 3) == 2) {
        for (size_t i = 0; i < n; i++) room[i] = (char)take(in);
    } else {
        memset(room, (int)take(in), n);
    }
    return (struct bytes){room, n};
}

static void operations(struct input *in) {
    struct bytes items[ITEMS];
    char room[ITEM_BYTES], digits[LP_DIGITS];
    size_t count = 0;
    uint8_t *lp = malloc(LP_EMPTY_BYTES);
    must(lp, "memory");
    lp_init(lp);
    while (in->left) {
        unsigned op = take(in);
        size_t at = count ? take(in) % (count + 1) : 0;
        size_t gone = at < count ? op % 3 : 0, n = op & 64 || count == ITEMS ? 0 : 1;
        if (gone > count - at) gone = count - at;
        struct bytes value = n ? value_from(in, room) : (struct bytes){NULL, 0};
        lp = splice(lp, lp_seek(lp, (int64_t)at), gone, &value, n);
        for (size_t i = 0; i < gone; i++) free((void *)(uintptr_t)items[at + i].p);
        memmove(items + at + n, items + at + gone, (count - at - gone) * sizeof *items);
        if (n)
            items[at] =
                (struct bytes){(char *)copy_of((const uint8_t *)value.p, value.len), value.len};
        count = count - gone + n;
    }
    walk(lp);
    must(lp_count(lp) == count, "as many as in the array");
    for (size_t i = 0; i < count; i++) {
        struct bytes got = lp_get(lp_seek(lp, (int64_t)i - (i & 1 ? (int64_t)count : 0)), digits);
        must(bytes_equal(got, items[i]), "each as in the array");
        free((void *)(uintptr_t)items[i].p);
    }
    free(lp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    struct input in = {data + 1, size - 1};
    switch (data[0] & 7) {
    case 0:
    case 1: foreign_listpack(in.p, in.left, data[0] & 1); break;
    case 2:
    case 3: foreign_intset(in.p, in.left, data[0] >> 3 & 3); break;
    default: operations(&in); break;
    }
    return 0;
}
