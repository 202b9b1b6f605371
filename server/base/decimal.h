/* Doubles to and from decimal text, exactly as strtod and "%.17g" do it, but in tens of nanoseconds: most numbers
 * take one operation on a long double, whose 11 bits more show whether the rounding can be in doubt; those where it is go
 * to the C library. (Where a long double is not that of x86, all do.) */
#ifndef DUET_BASE_DECIMAL_H
#define DUET_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>

enum { DECIMAL_CHARS = 32 };

/* Writes v as "%.17g" does, without a NUL; returns the length. */
size_t decimal_format(char out[DECIMAL_CHARS], double v);
/* True and *v, the double that strtod gives, when the whole text is a plain decimal number ("-1", ".5", "2.50e-3") of
 * moderate length and size. False for all else: it may still be a number, ask strtod. */
bool decimal_parse(const char *text, size_t len, double *v);

#endif
