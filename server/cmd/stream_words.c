/* The words of stream commands: ids, ranges, the options of XADD and XTRIM. See streams.h. */
#include "server/cmd/streams.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/num.h"

/* ---- Ids ------------------------------------------------------------------------------------- */

enum { ID_TEXT_MAX = 127 };

/* As Redis takes them: what is no canonical number is left to strtoull, which knows spaces and signs. */
static bool parse_part(const char *text, uint64_t *v) {
    int64_t plain;
    char *end;
    if (num_parse_i64(text, strlen(text), &plain)) {
        *v = (uint64_t)plain;
        return plain >= 0;
    }
    errno = 0;
    *v = strtoull(text, &end, 10);
    return *text && !*end && errno != ERANGE && errno != EINVAL;
}

bool streams_parse_id(struct bytes word, bool strict, uint64_t missing_seq, bool *seq_given,
                      struct xid *id) {
    char text[ID_TEXT_MAX + 1], *seq;
    if (word.len > ID_TEXT_MAX) return false;
    memcpy(text, word.p, word.len);
    text[word.len] = '\0';
    if (seq_given) *seq_given = true;
    if (!strcmp(text, "-") || !strcmp(text, "+")) {
        *id = *text == '-' ? XID_MIN : XID_MAX;
        return !strict;
    }
    seq = strchr(text, '-');
    if (seq) *seq++ = '\0';
    id->seq = missing_seq;
    if (!parse_part(text, &id->ms)) return false;
    if (seq && seq_given && !strcmp(seq, "*")) {
        *seq_given = false;
        id->seq = 0;
        return true;
    }
    return !seq || parse_part(seq, &id->seq);
}

static bool invalid_id(struct call *c) {
    reply_error(c, "ERR Invalid stream ID specified as stream command argument");
    return false;
}

bool arg_stream_id(struct call *c, int i, struct xid *id) {
    return streams_parse_id(c->argv[i], true, 0, NULL, id) || invalid_id(c);
}

struct xid *arg_stream_ids(struct call *c, int i) {
    struct xid *ids = xmalloc((size_t)(c->argc - i) * sizeof *ids);
    for (int k = i; k < c->argc; k++) {
        if (arg_stream_id(c, k, &ids[k - i])) continue;
        free(ids);
        return NULL;
    }
    return ids;
}

static bool range_end(struct call *c, int i, uint64_t missing_seq, struct xid *id, bool *excluded) {
    struct bytes word = c->argv[i];
    *excluded = word.len > 1 && word.p[0] == '(';
    if (*excluded) {
        word.p++;
        word.len--;
    }
    return streams_parse_id(word, *excluded, missing_seq, NULL, id) || invalid_id(c);
}

bool arg_stream_start(struct call *c, int i, struct xid *id) {
    bool excluded;
    if (!range_end(c, i, 0, id, &excluded)) return false;
    if (!excluded || xid_next(id)) return true;
    reply_error(c, "ERR invalid start ID for the interval");
    return false;
}

bool arg_stream_end(struct call *c, int i, struct xid *id) {
    bool excluded;
    if (!range_end(c, i, UINT64_MAX, id, &excluded)) return false;
    if (!excluded || xid_prev(id)) return true;
    reply_error(c, "ERR invalid end ID for the interval");
    return false;
}

struct bytes streams_id_text(char *digits, struct xid id) {
    size_t n = num_format_u64(digits, id.ms);
    digits[n++] = '-';
    n += num_format_u64(digits + n, id.seq);
    return (struct bytes){digits, n};
}

void streams_wrong_subcommand(struct call *c) {
    char name[16];
    size_t n = 0;
    for (; n < c->argv[0].len && n + 1 < sizeof name; n++)
        name[n] = (char)toupper((unsigned char)c->argv[0].p[n]);
    name[n] = '\0';
    reply_errorf(c, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                 (int)c->argv[1].len, c->argv[1].p, name);
}

/* ---- The options of XADD and XTRIM ----------------------------------------------------------- */

/* Redis's limits of what one approximate trim takes away when no LIMIT says it. */
enum { TRIM_NODES = 100, TRIM_ANY_NODES = 10000, TRIM_MOST = 1000000 };

/* MAXLEN or MINID at argv[*at]; leaves *at on the last word of it. */
static bool trim_option(struct call *c, int *at, struct stream_words *w) {
    int i = *at, more = c->argc - 1 - i;
    int64_t len;
    if (w->trims) {
        reply_error(c, "ERR syntax error, MAXLEN and MINID options at the same time are not "
                       "compatible");
        return false;
    }
    w->how.by_id = bytes_is(c->argv[i], "minid");
    i++;
    w->how.approx = more >= 2 && bytes_equal(c->argv[i], BYTES("~"));
    if (more >= 2 && (w->how.approx || bytes_equal(c->argv[i], BYTES("=")))) i++;
    if (w->how.by_id) {
        if (!arg_stream_id(c, i, &w->how.min_id)) return false;
    } else {
        if (!arg_int(c, i, &len)) return false;
        if (len < 0) {
            reply_error(c, "ERR The MAXLEN argument must be >= 0.");
            return false;
        }
        w->how.max_len = (uint64_t)len;
    }
    w->trims = true;
    w->trim_at = *at = i;
    return true;
}

static bool limit_option(struct call *c, int i, struct stream_words *w) {
    int64_t limit;
    if (!arg_int(c, i, &limit)) return false;
    if (limit < 0) {
        reply_error(c, "ERR The LIMIT argument must be >= 0.");
        return false;
    }
    w->how.limit = (uint64_t)limit;
    return true;
}

static uint64_t usual_limit(const struct call *c) {
    uint64_t entries = store_settings(c->store)->stream_node_entries;
    if (!entries) return TRIM_ANY_NODES;
    return entries > TRIM_MOST / TRIM_NODES ? TRIM_MOST : entries * TRIM_NODES;
}

/* What a master has trimmed is trimmed here, whatever limit stands beside it. */
static bool settle_limit(struct call *c, bool add, bool limit_given, struct stream_words *w) {
    if (w->how.limit && !w->trims) {
        reply_error(c, "ERR syntax error, LIMIT cannot be used without specifying a trimming "
                       "strategy");
        return false;
    }
    if (!add && !w->trims) {
        reply_error(c, "ERR syntax error, XTRIM must be called with a trimming strategy");
        return false;
    }
    if (c->flags & CALL_FROM_MASTER) {
        w->how.limit = 0;
    } else if (limit_given && !w->how.approx) {
        reply_error(c, "ERR syntax error, LIMIT cannot be used without the special ~ option");
        return false;
    } else if (!limit_given && w->how.approx) {
        w->how.limit = usual_limit(c);
    }
    return true;
}

static bool options(struct call *c, bool add, struct stream_words *w) {
    bool limit_given = false;
    int i = 2;
    *w = (struct stream_words){0};
    for (; i < c->argc; i++) {
        struct bytes word = c->argv[i];
        bool more = i + 1 < c->argc;
        if (add && bytes_equal(word, BYTES("*"))) break;
        if (more && (bytes_is(word, "maxlen") || bytes_is(word, "minid"))) {
            if (!trim_option(c, &i, w)) return false;
        } else if (more && bytes_is(word, "limit")) {
            if (!limit_option(c, ++i, w)) return false;
            limit_given = true;
        } else if (add && bytes_is(word, "nomkstream")) {
            w->no_mkstream = true;
        } else if (add) {
            if (!streams_parse_id(word, true, 0, &w->seq_given, &w->id)) return invalid_id(c);
            w->id_given = true;
            break;
        } else {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
    }
    w->id_at = i;
    return settle_limit(c, add, limit_given, w);
}

bool streams_add_words(struct call *c, struct stream_words *w) {
    return options(c, true, w);
}

bool streams_trim_words(struct call *c, struct stream_words *w) {
    return options(c, false, w);
}
