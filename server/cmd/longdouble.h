/* Long doubles as INCRBYFLOAT and HINCRBYFLOAT read and write them. */
#ifndef DUET_CMD_LONGDOUBLE_H
#define DUET_CMD_LONGDOUBLE_H

#include <stdbool.h>

#include "server/base/bytes.h"

enum { LONG_DOUBLE_CHARS = 5 * 1024 };

/* The whole of b must be a number; no spaces before it, no nan, nothing that does not fit. */
bool long_double_parse(struct bytes b, long double *v);
/* Seventeen digits behind the point, without the zeros at their end. Returns the length. */
size_t long_double_format(char out[LONG_DOUBLE_CHARS], long double v);

#endif
