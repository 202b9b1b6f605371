/* link: server/proto/resp_parse.c server/proto/resp_write.c server/base/buf.c server/base/decimal.c server/base/conf.c
   server/base/rand.c server/base/num.c server/base/log.c server/base/file.c server/base/clock.c */
/* Requests in one piece, byte by byte, and wrong in every way that Redis has a sentence for; every
 * form of reply in both protocols. */
#include "server/base/buf.h"
#include "server/base/rand.h"
#include "server/proto/resp.h"
#include "tests/unit/tap.h"

#include <math.h>

static struct resp_limits limits = {512 << 20, false};

static struct resp_args args;
static struct resp_parser parser;

static enum resp_state parse(const char *s) {
    resp_parser_free(&parser);
    parser = (struct resp_parser){0};
    args.count = 0;
    return resp_parse(&parser, s, strlen(s), &limits, &args);
}

static bool arg_is(size_t i, const char *want) {
    return i < args.count && bytes_equal(args.v[i], (struct bytes){want, strlen(want)});
}

static void whole_requests(void) {
    ok(parse("*2\r\n$3\r\nGET\r\n$1\r\na\r\n") == RESP_DONE && args.count == 2 &&
           arg_is(0, "GET") && arg_is(1, "a") && parser.used == 20,
       "a request is taken apart");
    ok(parse("*1\r\n$0\r\n\r\n") == RESP_DONE && args.count == 1 && args.v[0].len == 0,
       "an empty argument");
    ok(parse("*0\r\n") == RESP_EMPTY && parser.used == 4, "no arguments are no request");
    ok(parse("*-1\r\n") == RESP_EMPTY, "nor is a null one");
    ok(parse("PING\r\n") == RESP_DONE && args.count == 1 && arg_is(0, "PING"), "an inline request");
    ok(parse("set \"a b\" 'c'\n") == RESP_DONE && args.count == 3 && arg_is(1, "a b") &&
           arg_is(2, "c"),
       "with quotes, and without CR");
    ok(parse("\r\n") == RESP_EMPTY && parser.used == 2, "an empty line");
    ok(parse("*2\r\n$3\r\nGET\r\n") == RESP_MORE && parser.need > 0, "half a request wants more");
    ok(parse("") == RESP_MORE, "and so does nothing");
}

/* Fed byte by byte, from memory that moves each time. */
static void in_pieces(void) {
    const char *s = "*3\r\n$3\r\nSET\r\n$5\r\nk\r\ney\r\n$10\r\n0123456789\r\n";
    size_t len = strlen(s);
    struct resp_parser p = {0};
    bool early = false;
    args.count = 0;
    for (size_t n = 1; n < len; n++) {
        char *copy = xmemdup(s, n);
        early = early || resp_parse(&p, copy, n, &limits, &args) != RESP_MORE || args.count;
        free(copy);
    }
    ok(!early, "no request before its last byte");
    ok(resp_parse(&p, s, len, &limits, &args) == RESP_DONE && args.count == 3 &&
           arg_is(1, "k\r\ney") && arg_is(2, "0123456789"),
       "byte by byte it is the same request");
    resp_parser_free(&p);
}

/* Behind another request's words, which must stay where they are. */
static void behind_others(void) {
    const char *two = "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\n";
    struct resp_parser p = {0};
    args.count = 0;
    resp_parse(&p, two, strlen(two), &limits, &args);
    size_t used = p.used;
    ok(resp_parse(&p, two + used, strlen(two) - used, &limits, &args) == RESP_MORE &&
           args.count == 1,
       "an unfinished request leaves the words before it alone");
    args.count = 0;
    const char *rest = "*2\r\n$3\r\nGET\r\n$1\r\nx\r\n";
    ok(resp_parse(&p, rest, strlen(rest), &limits, &args) == RESP_DONE && args.count == 2 &&
           arg_is(1, "x"),
       "and goes on where it was");
    resp_parser_free(&p);
}

/* ---- The short way and the long way ----------------------------------------------------------- */

/* What came of parsing: state, bytes used, words, error. */
static void outcome(struct buf *b, enum resp_state st, const struct resp_parser *p) {
    buf_printf(b, "%d ", st);
    if (st == RESP_DONE || st == RESP_EMPTY) buf_printf(b, "used %zu", p->used);
    if (st == RESP_BAD) buf_add(b, p->error, p->error_len);
    for (size_t i = 0; i < args.count; i++) {
        buf_printf(b, " %zu:", args.v[i].len);
        buf_add(b, args.v[i].p, args.v[i].len);
    }
}

static size_t random_request(struct prng *prng, char *to) {
    static const char *const heads[] = {"0",  "1",  "2",  "3", "5", "9",  "10",
                                        "12", "01", "-1", "",  "x", "1x", "1000"};
    size_t n = 0, count = 1 + prng_u64(prng) % 12;
    bool odd = prng_u64(prng) % 4 == 0;
    n += (size_t)sprintf(to, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        size_t len = prng_u64(prng) % 8 ? prng_u64(prng) % 20 : prng_u64(prng) % 1200;
        if (odd && prng_u64(prng) % 8 == 0)
            n += (size_t)sprintf(to + n, "$%s\r\n", heads[prng_u64(prng) % 14]);
        else
            n += (size_t)sprintf(to + n, "$%zu\r\n", len);
        memset(to + n, 'v', len);
        n += len;
        memcpy(to + n, "\r\n", 2);
        n += 2;
    }
    if (prng_u64(prng) % 4 == 0) to[prng_u64(prng) % n] = "\r\n$*0919a \0"[prng_u64(prng) % 11];
    if (prng_u64(prng) % 4 == 0) n = 1 + prng_u64(prng) % n;
    return n;
}

/* A request that is whole is parsed in one sweep; the same one in two pieces is not. */
static void both_ways(void) {
    const char *text = getenv("DUET_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 1;
    struct prng prng;
    static char made[32 * 1024];
    struct buf sweep = BUF_INIT, pieces = BUF_INIT;
    bool same = true;
    printf("# DUET_SEED=%" PRIu64 "\n", seed);
    prng_seed(&prng, seed);
    for (int round = 0; same && round < 20000; round++) {
        size_t n = random_request(&prng, made), cut = 1 + prng_u64(&prng) % 12;
        char *data = xmemdup(made, n); /* to the byte */
        struct resp_parser p = {0}, q = {0};
        buf_clear(&sweep);
        buf_clear(&pieces);
        args.count = 0;
        outcome(&sweep, resp_parse(&p, data, n, &limits, &args), &p);
        args.count = 0;
        enum resp_state st = cut < n ? resp_parse(&q, data, cut, &limits, &args) : RESP_MORE;
        if (st == RESP_MORE) st = resp_parse(&q, data, n, &limits, &args);
        outcome(&pieces, st, &q);
        same = buf_len(&sweep) == buf_len(&pieces) &&
               !memcmp(buf_head(&sweep), buf_head(&pieces), buf_len(&sweep));
        if (!same)
            fprintf(stderr, "# round %d: %s / %s of %.*s\n", round, buf_cstr(&sweep),
                    buf_cstr(&pieces), (int)n, data);
        resp_parser_free(&p);
        resp_parser_free(&q);
        free(data);
    }
    ok(same, "20,000 requests, good and bad, are the same in one piece and in two");
    buf_free(&sweep);
    buf_free(&pieces);
}

static void wrong(const char *s, const char *sentence) {
    enum resp_state st = parse(s);
    bool same = st == RESP_BAD && parser.error_len == strlen(parser.error) &&
                !strncmp(parser.error, "Protocol error: ", 16) &&
                !strcmp(parser.error + 16, sentence);
    if (!ok(same, "%s", sentence)) fprintf(stderr, "# state %d, %s\n", st, parser.error);
}

static void wrong_requests(void) {
    char *long_line = xmalloc(RESP_LINE_MAX + 100);
    memset(long_line, '1', RESP_LINE_MAX + 99);
    long_line[RESP_LINE_MAX + 99] = '\0';
    wrong("*a\r\n", "invalid multibulk length");
    wrong("*01\r\n", "invalid multibulk length");
    wrong("*2147483648\r\n", "invalid multibulk length");
    wrong("*1\r\n$-1\r\n", "invalid bulk length");
    wrong("*1\r\n$536870913\r\n", "invalid bulk length");
    wrong("*1\r\n$\r\n", "invalid bulk length");
    wrong("*1\r\n:1\r\n", "expected '$', got ':'");
    wrong("set 'a\r\n", "unbalanced quotes in request");
    wrong(long_line, "too big inline request");
    long_line[0] = '*';
    wrong(long_line, "too big mbulk count string");
    memcpy(long_line, "*1\r\n$", 5);
    wrong(long_line, "too big bulk count string");
    limits.unauthenticated = true;
    wrong("*11\r\n", "unauthenticated multibulk length");
    wrong("*1\r\n$16385\r\n", "unauthenticated bulk length");
    ok(parse("*10\r\n$16384\r\n") == RESP_MORE,
       "the limits before AUTH are 10 arguments of 16 KiB");
    limits.unauthenticated = false;
    free(long_line);
}

static struct buf out;

static void wrote(const char *want, const char *what) {
    bool same = buf_len(&out) == strlen(want) && !memcmp(buf_head(&out), want, strlen(want));
    if (!ok(same, "%s", what)) fprintf(stderr, "# got %s", buf_cstr(&out));
    buf_clear(&out);
}

static void replies(void) {
    resp_status(&out, "OK");
    resp_int(&out, 7);
    resp_int(&out, -12345678901LL);
    wrote("+OK\r\n:7\r\n:-12345678901\r\n", "status and integers");
    resp_error(&out, "ERR a\r\nb\r\n");
    resp_errorf(&out, "ERR %s", "x");
    wrote("-ERR a  b\r\n-ERR x\r\n", "an error is one line");
    resp_bulk(&out, "a\0b", 3);
    resp_bulk_str(&out, "");
    buf_add(&out, "", 1);
    ok(buf_len(&out) == 16 && !memcmp(buf_head(&out), "$3\r\na\0b\r\n$0\r\n\r\n", 15),
       "bulk strings");
    buf_clear(&out);
    resp_bulk_int(&out, -42);
    resp_bulkf(&out, "%d-%s", 1, "x");
    wrote("$3\r\n-42\r\n$3\r\n1-x\r\n", "formatted bulk strings");
    resp_null(&out, 2);
    resp_null_array(&out, 2);
    resp_null(&out, 3);
    resp_null_array(&out, 3);
    wrote("$-1\r\n*-1\r\n_\r\n_\r\n", "nothing, in both protocols");
    resp_array(&out, 12);
    resp_map(&out, 2, 3);
    resp_map(&out, 3, 3);
    resp_set(&out, 2, 3);
    resp_set(&out, 3, 3);
    resp_push(&out, 3, 2);
    wrote("*12\r\n*6\r\n%3\r\n*3\r\n~3\r\n>2\r\n", "aggregates, in both protocols");
    resp_bool(&out, 2, true);
    resp_bool(&out, 3, true);
    resp_bool(&out, 3, false);
    wrote(":1\r\n#t\r\n#f\r\n", "booleans");
    resp_double(&out, 2, 3.1);
    resp_double(&out, 3, 3.1);
    resp_double(&out, 3, -INFINITY);
    resp_double(&out, 2, 5);
    wrote("$18\r\n3.1000000000000001\r\n,3.1000000000000001\r\n,-inf\r\n$1\r\n5\r\n", "doubles");
    resp_verbatim(&out, 2, "txt", "ab", 2);
    resp_verbatim(&out, 3, "txt", "ab", 2);
    wrote("$2\r\nab\r\n=6\r\ntxt:ab\r\n", "verbatim text");
    resp_status(&out, "x");
    size_t mark = resp_array_later(&out);
    for (int i = 0; i < 11; i++) resp_int(&out, 1);
    resp_array_count(&out, mark, 11);
    ok(!memcmp(buf_head(&out), "+x\r\n*11\r\n:1\r\n", 13) && buf_len(&out) == 9 + 11 * 4,
       "an array that is counted at its end");
    buf_clear(&out);
}

int main(void) {
    whole_requests();
    in_pieces();
    behind_others();
    both_ways();
    wrong_requests();
    replies();
    resp_args_free(&args);
    resp_parser_free(&parser);
    buf_free(&out);
    return done();
}
