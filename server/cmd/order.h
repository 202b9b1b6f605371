/* Sorting of a part of a list: what LIMIT asks for costs no more than it must. */
#ifndef DUET_CMD_ORDER_H
#define DUET_CMD_ORDER_H

#include <stdbool.h>
#include <stddef.h>

enum { ORDER_ITEM_MAX = 64 };

/* Below 0, 0, above 0, as for qsort. */
typedef int order_fn(const void *a, const void *b, void *arg);
/* Moves n items of `size` bytes (at most ORDER_ITEM_MAX) so that those at the places first to end - 1 are the ones that
 * belong there in sorted order. Those before and behind are the smaller and the bigger ones, in any order. Items that
 * are equal come in any order too. About n + k log k comparisons for k places. */
void order_part(void *items, size_t n, size_t size, size_t first, size_t end, order_fn *cmp,
                void *arg);

#endif
