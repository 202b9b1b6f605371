/* See longdouble.h. */
#include "server/cmd/longdouble.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool long_double_parse(struct bytes b, long double *v) {
    char text[LONG_DOUBLE_CHARS], *end;
    if (b.len == 0 || b.len >= sizeof text || isspace((unsigned char)b.p[0])) return false;
    memcpy(text, b.p, b.len);
    text[b.len] = '\0';
    errno = 0;
    *v = strtold(text, &end);
    bool lost = errno == ERANGE && (isinf(*v) || *v == 0);
    return end == text + b.len && !lost && !isnan(*v);
}

size_t long_double_format(char out[LONG_DOUBLE_CHARS], long double v) {
    size_t n = (size_t)snprintf(out, LONG_DOUBLE_CHARS, "%.17Lf", v);
    while (out[n - 1] == '0') n--;
    if (out[n - 1] == '.') n--;
    if (n != 2 || out[0] != '-' || out[1] != '0') return n;
    out[0] = '0';
    return 1;
}
