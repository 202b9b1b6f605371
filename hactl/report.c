#include "hactl/report.h"

#include <stdarg.h>

#include "server/base/buf.h"

#define NS_PER_MS 1000000

void put_number(struct buf *out, int64_t v, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(out, fmt, ap);
    va_end(ap);
    buf_printf(out, " %lld\n", (long long)v);
}

void put_true(struct buf *out, bool v, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(out, fmt, ap);
    va_end(ap);
    buf_add_str(out, v ? " true\n" : " false\n");
}

void put_quoted(struct buf *out, const char *v) {
    buf_add_str(out, "\"");
    for (; *v; v++) {
        if (*v == '"' || *v == '\\') buf_add(out, "\\", 1);
        buf_add(out, (unsigned char)*v < ' ' ? " " : v, 1);
    }
    buf_add_str(out, "\"");
}

void put_text(struct buf *out, const char *v, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(out, fmt, ap);
    va_end(ap);
    buf_add(out, " ", 1);
    put_quoted(out, v);
    buf_add(out, "\n", 1);
}

int64_t put_age_ms(int64_t age_ns) {
    return age_ns > INT64_MAX / 8 ? -1 : age_ns / NS_PER_MS;
}
