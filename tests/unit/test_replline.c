/* link: server/proto/replline.c server/proto/cmdstream.c server/proto/resp_parse.c server/base/buf.c server/base/num.c
   server/base/log.c server/base/clock.c server/base/conf.c server/base/file.c */
/* The handshake's lines, and the stream of commands taken apart in pieces. */
#include "server/base/buf.h"
#include "server/proto/cmdstream.h"
#include "server/proto/replline.h"
#include "tests/unit/tap.h"

#define ID "0123456789abcdef0123456789abcdef01234567"

static struct replline parse(const char *s) {
    struct replline l;
    replline_parse(&l, s, strlen(s));
    return l;
}

static void test_lines(void) {
    struct replline l = parse("+FULLRESYNC " ID " 1234\r\n");
    ok(l.kind == REPLLINE_FULLRESYNC && l.offset == 1234 && strcmp(l.id, ID) == 0,
       "FULLRESYNC with id and offset");
    is_int((int64_t)l.used, 12 + 40 + 5 + 2, "and its length");
    ok(parse("+FULLRESYNC " ID "\r\n").kind == REPLLINE_BAD, "without an offset it makes no sense");
    ok(parse("+FULLRESYNC abc 1\r\n").kind == REPLLINE_BAD, "nor with a short id");
    ok(parse("+CONTINUE\r\n").kind == REPLLINE_CONTINUE, "CONTINUE as 2.8 says it");
    l = parse("+CONTINUE " ID "\r\n");
    ok(l.kind == REPLLINE_CONTINUE && strcmp(l.id, ID) == 0, "CONTINUE with a new id");
    l = parse("+OK session 17 fork 900\r\n");
    ok(l.kind == REPLLINE_SESSION && l.number == 17 && l.has_fork && l.offset == 900,
       "a session with a fork");
    l = parse("+OK session 18 fork none\r\n");
    ok(l.kind == REPLLINE_SESSION && l.number == 18 && !l.has_fork, "a session without one");
    ok(parse("+OK session x fork 1\r\n").kind == REPLLINE_BAD, "a session must be a number");
    ok(parse("+OK\r\n").kind == REPLLINE_STATUS, "a plain OK");
    ok(parse("+PONG\r\n").kind == REPLLINE_PONG, "PONG");
    ok(parse("-ERR no\r\n").kind == REPLLINE_ERROR, "an error");
    ok(parse("\n").kind == REPLLINE_EMPTY, "a keepalive");
    l = parse("$123\r\n");
    ok(l.kind == REPLLINE_LENGTH && l.number == 123, "a copy's length");
    l = parse("$EOF:" ID "\r\n");
    ok(l.kind == REPLLINE_MARK && memcmp(l.mark, ID, 40) == 0, "a copy's mark");
    ok(parse("$-1\r\n").kind == REPLLINE_BAD, "no negative length");
    ok(parse("+CONTIN").kind == REPLLINE_MORE, "half a line waits");
    ok(parse("hello\r\n").kind == REPLLINE_BAD, "anything else makes no sense");
    char *endless = xmalloc(REPLLINE_MAX_BYTES + 1);
    memset(endless, '+', REPLLINE_MAX_BYTES);
    endless[REPLLINE_MAX_BYTES] = '\0';
    ok(parse(endless).kind == REPLLINE_BAD, "a line without end is refused");
    free(endless);
}

static struct buf seen;
static bool note(void *arg, int db, int argc, const struct bytes *argv) {
    (void)arg;
    buf_printf(&seen, "%d:", db);
    for (int i = 0; i < argc; i++)
        buf_printf(&seen, "%s%.*s", i ? " " : "", (int)argv[i].len, argv[i].p);
    buf_printf(&seen, ";");
    return true;
}

static const char *run(struct cmdstream *c, const char *data, size_t len, size_t piece,
                       int *units) {
    size_t at = 0, end = 0, unit;
    buf_clear(&seen);
    *units = 0;
    while (end < len || at < end) {
        /* Each piece stands in a new allocation, so that a stale pointer is seen. */
        char *copy = xmemdup(data + at, end - at ? end - at : 1);
        enum cmdstream_state st =
            end > at ? cmdstream_find(c, copy, end - at, &unit) : CMDSTREAM_MORE;
        if (st == CMDSTREAM_UNIT) {
            cmdstream_each(c, copy, unit, note, NULL);
            at += unit;
            ++*units;
        }
        free(copy);
        if (st == CMDSTREAM_BAD) return "bad";
        if (st == CMDSTREAM_MORE && end == len) return "short";
        if (st == CMDSTREAM_MORE) end = end + piece < len ? end + piece : len;
    }
    return buf_len(&seen) ? buf_cstr(&seen) : "";
}

static void test_stream(void) {
    struct buf b = BUF_INIT;
    struct cmdstream c;
    replline_words(&b, "SELECT", "3", NULL);
    replline_words(&b, "SET", "a", "1", NULL);
    replline_words(&b, "PING", NULL);
    buf_add_str(&b, "\r\n");
    replline_words(&b, "MULTI", NULL);
    replline_words(&b, "SET", "b", "2", NULL);
    replline_words(&b, "SELECT", "4", NULL);
    replline_words(&b, "DEL", "c", NULL);
    replline_words(&b, "EXEC", NULL);
    replline_words(&b, "REPLCONF", "GETACK", "*", NULL);
    replline_words(&b, "SET", "", "", NULL);
    static const char want[] = "3:SET a 1;3:SET b 2;4:DEL c;4:SET  ;";
    bool same = true;
    int units;
    for (size_t piece = 1; piece <= buf_len(&b); piece++) {
        cmdstream_init(&c, -1);
        same = same && strcmp(run(&c, buf_head(&b), buf_len(&b), piece, &units), want) == 0;
        same = same && units == 7 && c.db == 4 && c.ask_ack;
        cmdstream_free(&c);
    }
    ok(same, "commands, databases and transactions come out the same in pieces of any size");
    cmdstream_init(&c, -1);
    size_t unit;
    const char *half = "*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";
    ok(cmdstream_find(&c, half, strlen(half), &unit) == CMDSTREAM_MORE,
       "a transaction without its EXEC waits");
    cmdstream_free(&c);
    cmdstream_init(&c, -1);
    ok(cmdstream_find(&c, "SET a b\r\n", 9, &unit) == CMDSTREAM_BAD,
       "an inline request is a stream out of step");
    cmdstream_free(&c);
    cmdstream_init(&c, -1);
    ok(cmdstream_find(&c, "*1\r\n+OK\r\n", 9, &unit) == CMDSTREAM_BAD, "so is what is no request");
    cmdstream_free(&c);
    buf_free(&b);
    buf_free(&seen);
}

int main(void) {
    test_lines();
    test_stream();
    return done();
}
