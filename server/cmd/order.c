/* See order.h: quicksort that leaves alone what nobody asked for. Pivots are drawn by chance, so that no input is
 * slow on purpose. */
#include "server/cmd/order.h"

#include <stdint.h>
#include <string.h>

#include "server/base/log.h"
#include "server/base/rand.h"

enum { FEW = 12 }; /* items that are put in order one by one */

struct ordering {
    size_t size, first, end; /* the places wanted */
    order_fn *cmp;
    void *arg;
    struct prng prng;
    char *items;
};

static char *at(const struct ordering *o, size_t i) {
    return o->items + i * o->size;
}

static int compare(const struct ordering *o, size_t a, size_t b) {
    return o->cmp(at(o, a), at(o, b), o->arg);
}

static void swap(const struct ordering *o, size_t a, size_t b) {
    char item[ORDER_ITEM_MAX];
    if (a == b) return;
    memcpy(item, at(o, a), o->size);
    memcpy(at(o, a), at(o, b), o->size);
    memcpy(at(o, b), item, o->size);
}

static void order_few(const struct ordering *o, size_t low, size_t high) {
    for (size_t i = low + 1; i < high; i++)
        for (size_t j = i; j > low && compare(o, j - 1, j) > 0; j--) swap(o, j - 1, j);
}

/* Puts the middle one of three, drawn by chance, at `low`. */
static void choose_pivot(struct ordering *o, size_t low, size_t high) {
    size_t a = low + prng_below(&o->prng, high - low), b = low + prng_below(&o->prng, high - low),
           c = low + prng_below(&o->prng, high - low);
    if (compare(o, a, b) > 0) swap(o, a, b);
    if (compare(o, b, c) > 0) swap(o, b, c);
    if (compare(o, a, b) > 0) swap(o, a, b);
    swap(o, low, b);
}

/* Returns the pivot's place: no bigger ones stand before it, no smaller ones behind. Both scans stop at equal ones, so
 * that many of them are cut in halves too. */
static size_t split(struct ordering *o, size_t low, size_t high) {
    choose_pivot(o, low, high);
    size_t i = low + 1, j = high - 1;
    for (;;) {
        while (i <= j && compare(o, i, low) < 0) i++;
        while (compare(o, j, low) > 0) j--; /* stops at low itself */
        if (i >= j) break;
        swap(o, i++, j--);
    }
    swap(o, low, j);
    return j;
}

static void order(struct ordering *o, size_t low, size_t high) {
    while (high - low > FEW) {
        size_t pivot = split(o, low, high);
        bool left = o->first < pivot && low<o->end, right = o->end> pivot + 1 && high > o->first;
        if (left && right) { /* the smaller part by recursion, the bigger one here */
            if (pivot - low < high - pivot) {
                order(o, low, pivot);
                low = pivot + 1;
            } else {
                order(o, pivot + 1, high);
                high = pivot;
            }
        } else if (left) {
            high = pivot;
        } else if (right) {
            low = pivot + 1;
        } else {
            return;
        }
    }
    order_few(o, low, high);
}

void order_part(void *items, size_t n, size_t size, size_t first, size_t end, order_fn *cmp,
                void *arg) {
    must(size <= ORDER_ITEM_MAX, "items to be sorted are small");
    must(first <= end && end <= n, "the places wanted exist");
    struct ordering o = {.size = size, .first = first, .end = end, .cmp = cmp, .arg = arg};
    o.items = items;
    prng_seed(&o.prng, n);
    if (first < end) order(&o, 0, n);
}
