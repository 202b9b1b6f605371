#include "server/proto/cmdstream.h"

#include "server/base/log.h"
#include "server/base/num.h"

#include <stdio.h>
#include <string.h>

static const struct resp_limits limits = {.bulk_max = 1ULL << 30, .unauthenticated = false};

void cmdstream_init(struct cmdstream *c, int db) {
    memset(c, 0, sizeof *c);
    c->db = db;
}

void cmdstream_free(struct cmdstream *c) {
    resp_parser_free(&c->parser);
    resp_args_free(&c->args);
    cmdstream_init(c, -1);
}

static void fresh_parser(struct cmdstream *c) {
    resp_parser_free(&c->parser);
    memset(&c->parser, 0, sizeof c->parser);
}

static void note_multi(struct cmdstream *c, struct bytes name) {
    if (bytes_is(name, "multi")) c->multi = true;
    if (bytes_is(name, "exec") || bytes_is(name, "discard")) c->multi = false;
}

enum cmdstream_state cmdstream_find(struct cmdstream *c, const char *data, size_t len,
                                    size_t *unit_len) {
    for (;;) {
        if (c->at == len) return CMDSTREAM_MORE;
        char first = data[c->at];
        if (first != '*' && first != '\r' && first != '\n') {
            /* Inline requests are for people; here they would be a stream out of step. */
            c->error = "a request in the stream does not begin with '*'";
            return CMDSTREAM_BAD;
        }
        c->args.count = 0;
        enum resp_state st = resp_parse(&c->parser, data + c->at, len - c->at, &limits, &c->args);
        if (st == RESP_MORE) return CMDSTREAM_MORE;
        if (st == RESP_BAD) {
            c->error = c->parser.error;
            return CMDSTREAM_BAD;
        }
        c->at += c->parser.used;
        if (st == RESP_DONE) note_multi(c, c->args.v[0]);
        if (c->multi) continue;
        *unit_len = c->at;
        c->at = 0;
        return CMDSTREAM_UNIT;
    }
}

static const char *const control[] = {"multi", "exec", "ping", "discard"};

bool cmdstream_is_mark(int argc, const struct bytes *argv) {
    return argc == 5 && bytes_is(argv[0], "replconf") &&
           (bytes_is(argv[2], CMDSTREAM_MARK) || bytes_is(argv[2], CMDSTREAM_DIGEST));
}

static bool is_control(struct cmdstream *c, int argc, const struct bytes *argv) {
    for (size_t i = 0; i < sizeof control / sizeof control[0]; i++)
        if (bytes_is(argv[0], control[i])) return true;
    if (bytes_is(argv[0], "select") && argc == 2) {
        int64_t db;
        if (num_parse_i64(argv[1].p, argv[1].len, &db) && db >= 0 && db < 1 << 20) c->db = (int)db;
        return true;
    }
    if (bytes_is(argv[0], "replconf")) {
        if (argc >= 2 && bytes_is(argv[1], "getack")) c->ask_ack = true;
        return !cmdstream_is_mark(argc, argv);
    }
    return false;
}

bool cmdstream_each(struct cmdstream *c, const char *unit, size_t unit_len,
                    bool (*fn)(void *arg, int db, int argc, const struct bytes *argv), void *arg) {
    bool go_on = true;
    fresh_parser(c);
    for (size_t at = 0; at < unit_len && go_on;) {
        c->args.count = 0;
        enum resp_state st = resp_parse(&c->parser, unit + at, unit_len - at, &limits, &c->args);
        must(st == RESP_DONE || st == RESP_EMPTY, "a unit that was found can be taken apart");
        at += c->parser.used;
        if (st == RESP_EMPTY) continue;
        int argc = (int)c->args.count;
        if (!is_control(c, argc, c->args.v))
            go_on = fn(arg, c->db < 0 ? 0 : c->db, argc, c->args.v);
    }
    fresh_parser(c);
    return go_on;
}

bool cmdstream_all(struct cmdstream *c, const char *data, size_t len,
                   bool (*fn)(void *arg, int db, int argc, const struct bytes *argv), void *arg) {
    fresh_parser(c);
    c->multi = false;
    for (size_t at = 0; at < len;) {
        c->args.count = 0;
        enum resp_state st = RESP_BAD;
        if (data[at] == '*' || data[at] == '\r' || data[at] == '\n')
            st = resp_parse(&c->parser, data + at, len - at, &limits, &c->args);
        else
            snprintf(c->parser.error, sizeof c->parser.error,
                     "a request in the stream does not begin with '*'");
        c->error = st == RESP_MORE ? "a block ends inside of a request" : c->parser.error;
        if (st == RESP_BAD || st == RESP_MORE) return false;
        at += c->parser.used;
        if (st == RESP_EMPTY) continue;
        note_multi(c, c->args.v[0]);
        int argc = (int)c->args.count;
        if (!is_control(c, argc, c->args.v) && !fn(arg, c->db < 0 ? 0 : c->db, argc, c->args.v))
            return false;
    }
    c->error = "a block ends inside of a transaction";
    return !c->multi;
}
