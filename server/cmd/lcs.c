/* LCS: the longest common subsequence of two strings, its length, or the ranges that match. */
#include <stdlib.h>

#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/store/string.h"

struct lcs_options {
    bool idx, len, with_match_len;
    int64_t min_match_len;
};

static bool parse_options(struct call *c, struct lcs_options *o) {
    for (int i = 3; i < c->argc; i++) {
        if (bytes_is(c->argv[i], "idx")) {
            o->idx = true;
        } else if (bytes_is(c->argv[i], "len")) {
            o->len = true;
        } else if (bytes_is(c->argv[i], "withmatchlen")) {
            o->with_match_len = true;
        } else if (bytes_is(c->argv[i], "minmatchlen") && i + 1 < c->argc) {
            if (!arg_int(c, ++i, &o->min_match_len)) return false;
        } else {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
    }
    if (!o->idx || !o->len) return true;
    reply_error(c, "ERR If you want both the length and indexes, please just use IDX.");
    return false;
}

/* The lengths for all pairs of beginnings: cell (i, j) stands at i * (b.len + 1) + j. NULL after an error. */
static uint32_t *fill_table(struct call *c, struct bytes a, struct bytes b) {
    size_t width = b.len + 1;
    if (a.len >= UINT32_MAX - 1 || b.len >= UINT32_MAX - 1) {
        reply_error(c, "ERR String too long for LCS");
        return NULL;
    }
    if ((a.len + 1) > store_settings(c->store)->string_max_bytes / 4 / width) {
        reply_error(c, "ERR Insufficient memory, transient memory for LCS exceeds "
                       "proto-max-bulk-len");
        return NULL;
    }
    uint32_t *table = xcalloc((a.len + 1) * width, sizeof *table);
    for (size_t i = 1; i <= a.len; i++) {
        uint32_t *row = table + i * width, *above = row - width;
        for (size_t j = 1; j <= b.len; j++)
            row[j] = a.p[i - 1] == b.p[j - 1] ? above[j - 1] + 1
                     : above[j] > row[j - 1]  ? above[j]
                                              : row[j - 1];
    }
    return table;
}

struct match { /* [a, a + len) of one string is [b, b + len) of the other */
    size_t a, b, len;
};

static void reply_match(struct call *c, struct match m, const struct lcs_options *o,
                        size_t *count) {
    if (m.len == 0 || (o->min_match_len > 0 && m.len < (uint64_t)o->min_match_len)) return;
    reply_array(c, o->with_match_len ? 3 : 2);
    reply_array(c, 2);
    reply_int(c, (int64_t)m.a);
    reply_int(c, (int64_t)(m.a + m.len - 1));
    reply_array(c, 2);
    reply_int(c, (int64_t)m.b);
    reply_int(c, (int64_t)(m.b + m.len - 1));
    if (o->with_match_len) reply_int(c, (int64_t)m.len);
    ++*count;
}

/* Goes the way back through the table, writing the sequence, or replying each range when out is NULL. */
static size_t trace(struct call *c, const uint32_t *table, struct bytes a, struct bytes b,
                    char *out, const struct lcs_options *o) {
    size_t i = a.len, j = b.len, width = b.len + 1, count = 0, at = table[i * width + j];
    struct match m = {0, 0, 0};
    while (i > 0 && j > 0) {
        if (a.p[i - 1] == b.p[j - 1]) {
            i--;
            j--;
            if (out) out[--at] = a.p[i];
            m = (struct match){i, j, m.len + 1};
            continue;
        }
        if (!out) reply_match(c, m, o, &count);
        m.len = 0;
        if (table[(i - 1) * width + j] > table[i * width + j - 1])
            i--;
        else
            j--;
    }
    if (!out) reply_match(c, m, o, &count);
    return count;
}

static void reply_ranges(struct call *c, const uint32_t *table, struct bytes a, struct bytes b,
                         const struct lcs_options *o) {
    reply_map(c, 2);
    reply_bulk_str(c, "matches");
    size_t mark = resp_array_later(c->out);
    resp_array_count(c->out, mark, trace(c, table, a, b, NULL, o));
    reply_bulk_str(c, "len");
    reply_int(c, table[a.len * (b.len + 1) + b.len]);
}

void cmd_lcs(struct call *c) {
    struct lcs_options o = {false, false, false, 0};
    struct digits da, db;
    struct entry *ea = call_read(c, c->argv[1]), *eb = call_read(c, c->argv[2]);
    if ((ea && entry_kind(ea) != KIND_STRING) || (eb && entry_kind(eb) != KIND_STRING)) {
        reply_error(c, "ERR The specified keys must contain string values");
        return;
    }
    if (!parse_options(c, &o)) return;
    struct bytes a = ea ? string_bytes(ea, &da) : BYTES("");
    struct bytes b = eb ? string_bytes(eb, &db) : BYTES("");
    uint32_t *table = fill_table(c, a, b);
    if (!table) return;
    size_t len = table[a.len * (b.len + 1) + b.len];
    if (o.idx) {
        reply_ranges(c, table, a, b, &o);
    } else if (o.len) {
        reply_int(c, (int64_t)len);
    } else {
        char *out = xmalloc(len + 1);
        trace(c, table, a, b, out, &o);
        reply_bulk(c, (struct bytes){out, len});
        free(out);
    }
    free(table);
}
