/* See scan.h. */
#include "server/cmd/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "server/base/glob.h"
#include "server/base/num.h"

bool scan_cursor(struct call *c, int i, uint64_t *cursor) {
    char text[32], *end;
    struct bytes b = c->argv[i];
    if (b.len < sizeof text && !(b.len && isspace((unsigned char)b.p[0]))) {
        memcpy(text, b.p, b.len);
        text[b.len] = '\0';
        errno = 0;
        *cursor = strtoull(text, &end, 10);
        if (*end == '\0' && errno != ERANGE) return true;
    }
    reply_error(c, "ERR invalid cursor");
    return false;
}

bool scan_options(struct call *c, int first, bool typed, struct scan_options *o) {
    *o = (struct scan_options){10, {NULL, 0}, {NULL, 0}};
    for (int i = first; i < c->argc; i += 2) {
        int64_t count = 0;
        bool valued = i + 1 < c->argc;
        if (valued && bytes_is(c->argv[i], "match")) {
            o->pattern = c->argv[i + 1];
            if (bytes_equal(o->pattern, BYTES("*"))) o->pattern.p = NULL;
            continue;
        }
        if (valued && typed && bytes_is(c->argv[i], "type")) {
            o->type = c->argv[i + 1];
            continue;
        }
        if (valued && bytes_is(c->argv[i], "count") && !arg_int(c, i + 1, &count)) return false;
        if (count < 1) {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
        o->count = (uint64_t)count;
    }
    return true;
}

struct entry *scan_begin(struct call *c, enum value_kind kind, uint64_t *cursor,
                         struct scan_options *o) {
    struct buf none = BUF_INIT;
    if (!scan_cursor(c, 2, cursor)) return NULL;
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, kind)) return NULL;
    if (!e) { /* before the options are read, as in Redis */
        scan_reply(c, 0, &none, 0);
        return NULL;
    }
    return scan_options(c, 3, false, o) ? e : NULL;
}

bool scan_matches(const struct scan_options *o, struct bytes text) {
    return !o->pattern.p || glob_match(o->pattern, text, false);
}

void scan_reply(struct call *c, uint64_t cursor, struct buf *items, size_t count) {
    char digits[NUM_I64_CHARS];
    reply_array(c, 2);
    reply_bulk(c, (struct bytes){digits, num_format_u64(digits, cursor)});
    reply_array(c, count);
    resp_raw(c->out, items->data ? buf_head(items) : "", buf_len(items));
    buf_free(items);
}
