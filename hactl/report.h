/* Fields of a report, as request_sock.h says how they are written: a line "name value" each.
 * Names are put together as printf does; names of one object stand together. */
#ifndef HACTL_REPORT_H
#define HACTL_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct buf;

void put_number(struct buf *out, int64_t v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void put_true(struct buf *out, bool v, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Control characters become spaces; quotes and backslashes are escaped as JSON does. */
void put_text(struct buf *out, const char *v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The quoted text alone. */
void put_quoted(struct buf *out, const char *v);

/* An age in ns as ms; -1: never. */
int64_t put_age_ms(int64_t age_ns);

#endif
