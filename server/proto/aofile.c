#include "server/proto/aofile.h"

#include <stdio.h>
#include <string.h>

#include "server/base/num.h"

static const struct resp_limits limits = {.bulk_max = 1ULL << 30};

void aofile_free(struct aofile *a) {
    resp_parser_free(&a->parser);
    resp_args_free(&a->args);
    memset(a, 0, sizeof *a);
}

static void fresh_parser(struct aofile *a) {
    resp_parser_free(&a->parser);
    memset(&a->parser, 0, sizeof a->parser);
}

/* A line of its own that begins with '#': its bytes, 0: it is not whole. */
static size_t annotation(struct aofile *a, const char *p, size_t n) {
    const char *nl = memchr(p, '\n', n);
    uint64_t s;
    size_t len = nl ? (size_t)(nl - p) : 0;
    while (len && p[len - 1] == '\r') len--;
    if (nl && len > 4 && memcmp(p, "#TS:", 4) == 0 && num_parse_u64(p + 4, len - 4, &s))
        a->stamp_s = s;
    return nl ? (size_t)(nl - p) + 1 : 0;
}

static enum aofile_state bad(struct aofile *a, const char *what) {
    snprintf(a->error, sizeof a->error, "%s", what);
    a->used = a->at;
    return AOFILE_BAD;
}

/* Redis tells a transaction by these words alone. */
static const char *note_multi(struct aofile *a, struct bytes name) {
    if (bytes_is(name, "multi")) {
        if (a->multi) return "a MULTI inside of another";
        a->multi = a->transaction = true;
    } else if (bytes_is(name, "exec")) {
        if (!a->multi) return "an EXEC without its MULTI";
        a->multi = false;
    }
    return NULL;
}

enum aofile_state aofile_find(struct aofile *a, const char *data, size_t len) {
    for (;;) {
        a->open = a->multi || a->parser.started || a->at < len;
        if (a->at == len) return AOFILE_MORE;
        if (!a->multi && !a->parser.started) a->transaction = false;
        if (data[a->at] == '#' && !a->parser.started) {
            size_t n = annotation(a, data + a->at, len - a->at);
            if (!n)
                return len - a->at > RESP_LINE_MAX ? bad(a, "a comment without end") : AOFILE_MORE;
            a->at += n;
            continue;
        }
        if (data[a->at] != '*') return bad(a, "what stands there is no command");
        a->args.count = 0;
        enum resp_state st = resp_parse(&a->parser, data + a->at, len - a->at, &limits, &a->args);
        if (st == RESP_MORE) return AOFILE_MORE;
        if (st == RESP_BAD) return bad(a, a->parser.error);
        if (st == RESP_EMPTY) return bad(a, "a command without words");
        const char *why = note_multi(a, a->args.v[0]);
        if (why) return bad(a, why);
        a->at += a->parser.used;
        if (a->multi) continue;
        a->used = a->at;
        a->at = 0;
        return AOFILE_UNIT;
    }
}

static bool is_frame(struct aofile *a, int argc, const struct bytes *argv) {
    int64_t db;
    if (bytes_is(argv[0], "select") && argc == 2 && num_parse_i64(argv[1].p, argv[1].len, &db) &&
        db >= 0 && db < 1 << 20) {
        a->db = (int)db;
        return true;
    }
    return bytes_is(argv[0], "multi") || bytes_is(argv[0], "exec");
}

bool aofile_each(struct aofile *a, const char *unit, size_t len, aofile_command *fn, void *arg) {
    bool go_on = true;
    fresh_parser(a);
    for (size_t at = 0; at < len && go_on;) {
        if (unit[at] == '#') {
            at += annotation(a, unit + at, len - at);
            continue;
        }
        a->args.count = 0;
        if (resp_parse(&a->parser, unit + at, len - at, &limits, &a->args) != RESP_DONE) break;
        at += a->parser.used;
        int argc = (int)a->args.count;
        if (!is_frame(a, argc, a->args.v)) go_on = fn(arg, a->db, argc, a->args.v);
    }
    fresh_parser(a);
    return go_on;
}
