/* Listpacks: a run of small strings and integers in one piece of memory, in the form that Redis keeps and its
 * RDB files carry, so that saving is a copy. Nothing here allocates: the caller owns the bytes.
 *
 *   4 bytes total, 2 bytes count (65535: more, count them), elements, 0xff
 *   an element: encoding and length, data, then the size of both once more to be read backwards
 *
 * A value that is a canonical integer is kept as one. Functions other than lp_valid trust the bytes: what comes
 * from outside must pass lp_valid first. */
#ifndef DUET_PROTO_LISTPACK_H
#define DUET_PROTO_LISTPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"

enum { LP_EMPTY_BYTES = 7, LP_DIGITS = 24 };

/* Writes an empty listpack into LP_EMPTY_BYTES. */
void lp_init(uint8_t *lp);
size_t lp_total(const uint8_t *lp); /* bytes, header and end included */
size_t lp_count(const uint8_t *lp);

/* Elements are named by where they begin; NULL behind the last and before the first. */
const uint8_t *lp_first(const uint8_t *lp);
const uint8_t *lp_last(const uint8_t *lp);
const uint8_t *lp_next(const uint8_t *lp, const uint8_t *at);
const uint8_t *lp_prev(const uint8_t *lp, const uint8_t *at);
/* The element of that index, from the end when negative. */
const uint8_t *lp_seek(const uint8_t *lp, int64_t index);
/* The first of the elements at, at + step, at + 2 * step ... that equals value, or NULL. */
const uint8_t *lp_find(const uint8_t *lp, const uint8_t *at, struct bytes value, unsigned step);

/* The element's bytes; digits backs an integer's. */
struct bytes lp_get(const uint8_t *at, char digits[LP_DIGITS]);
bool lp_get_int(const uint8_t *at, int64_t *v);
/* Bytes of the element in the listpack, and those that a value will take. */
size_t lp_size(const uint8_t *at);
size_t lp_size_of(struct bytes value);

/* Replaces old_count elements, that begin at offset `at` and take old_bytes, by n values. The memory must have room
 * for the new total; the values must not lie in it. at lp_total - 1: at the end. */
void lp_splice(uint8_t *lp, size_t at, size_t old_bytes, size_t old_count,
               const struct bytes *values, size_t n);

/* A value made ready to be written or searched, so that its digits are read once. text must outlive it. */
struct lp_value {
    struct bytes text;
    int64_t number; /* when it is kept as one */
    bool is_number;
    size_t size; /* as lp_size_of */
};
struct lp_value lp_value_of(struct bytes text);
struct lp_value lp_value_of_int(int64_t number);
/* For callers that make the room themselves: one element of v->size bytes, and the header of a listpack of which all but that
 * is written (its end byte too). */
void lp_write(uint8_t *to, const struct lp_value *v);
void lp_write_header(uint8_t *lp, size_t total, size_t count);
bool lp_equals(const uint8_t *at, const struct lp_value *v);
/* The first element from `at` (which may be where the listpack ends) on that equals the value, or NULL. */
const uint8_t *lp_find_value(const uint8_t *at, const struct lp_value *v);

/* Whether size bytes are one whole, sound listpack. */
bool lp_valid(const uint8_t *lp, size_t size);

#endif
