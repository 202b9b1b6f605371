/* link: hactl/tail_source.c server/proto/tail_report.c server/proto/resp_parse.c server/base/conf.c server/base/file.c server/base/num.c server/base/buf.c server/base/log.c server/base/clock.c */
#include "hactl/tail_source.h"
#include "server/proto/tail_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static const char line[] = "0123456789abcdef0123456789abcdef01234567";

static void put_report(struct buf *b, struct tail_report *t) {
    struct bytes odd = {"a \\\n\x00\xff", 6};
    *t = (struct tail_report){.from = 1000,
                              .to = 2500,
                              .writes = 3,
                              .keys = 2,
                              .bytes = 77,
                              .epoch = 257,
                              .saved_ms = 1700000000123,
                              .first_ms = 1,
                              .last_ms = 2,
                              .why = "this node became a slave"};
    memcpy(t->line, line, sizeof t->line);
    tail_id(t->id, line, t->from);
    tail_report_put(b, t);
    tail_report_key(b, 0, BYTES("SET"), BYTES("plain"));
    tail_report_key(b, 7, BYTES("hset"), odd);
}

static void report(void) {
    struct buf b = BUF_INIT;
    struct tail_report t, back;
    struct bytes keys;
    struct tail_key k;
    put_report(&b, &t);
    ok(strcmp(t.id, "01234567-1000") == 0 && tail_id_valid(t.id), "a tail's name is short");
    ok(!tail_id_valid("01234567-") && !tail_id_valid("0123456-10") &&
           !tail_id_valid("../34567-1") && !tail_id_valid("01234567-1/x"),
       "what is no such name is not taken for one");
    ok(tail_report_get((struct bytes){buf_head(&b), buf_len(&b)}, &back, &keys) &&
           memcmp(&back, &t, sizeof t) == 0,
       "a report says what was put into it");
    ok(tail_report_next(&keys, &k) && k.db == 0 && bytes_is(k.command, "set") &&
           bytes_is(k.key, "plain"),
       "with its first key");
    ok(tail_report_next(&keys, &k) && k.db == 7 && bytes_is(k.key, "a\\x20\\x5c\\x0a\\x00\\xff"),
       "a key of any bytes stands in one line");
    ok(!tail_report_next(&keys, &k), "and then no more");
    bool sound = true;
    for (size_t n = 0; n < buf_len(&b); n++) { /* exact memory: a read beyond it is found */
        char *cut = malloc(n ? n : 1);
        memcpy(cut, buf_head(&b), n);
        if (tail_report_get((struct bytes){cut, n}, &back, &keys))
            while (tail_report_next(&keys, &k)) sound = sound && k.key.len < n;
        free(cut);
    }
    ok(sound, "a report that is cut anywhere is read without harm");
    buf_free(&b);
}

/* The requests come through a pipe, in pieces of any length. */
static int piped(const char *bytes, size_t n) {
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], bytes, n) != (ssize_t)n) exit(2);
    close(ends[1]);
    return ends[0];
}

static void requests(void) {
    static const char text[] =
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\n"
        "*2\r\n$6\r\nselect\r\n$2\r\n11\r\n*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n";
    struct tail_source s;
    int fd = piped(text, sizeof text - 1);
    tail_source_open(&s, fd);
    ok(tail_source_next(&s) && s.db == 3 && s.number == 1 && s.args.count == 3 &&
           s.args.v[2].len == 2,
       "requests come one by one, SELECT is taken");
    ok(tail_source_next(&s) && s.db == 11 && s.number == 2 && bytes_is(s.args.v[0], "del"),
       "the next one is in another database");
    ok(!tail_source_next(&s) && !s.trouble, "then the end");
    tail_source_close(&s);
    close(fd);
    fd = piped(text, sizeof text - 4);
    tail_source_open(&s, fd);
    while (tail_source_next(&s)) {
    }
    ok(s.number == 1 && s.trouble, "a file that is cut says so");
    tail_source_close(&s);
    close(fd);
    fd = piped("*2\r\n$6\r\nSELECT\r\n$2\r\n-1\r\n", 25);
    tail_source_open(&s, fd);
    ok(!tail_source_next(&s) && s.trouble, "no database has a number below 0");
    tail_source_close(&s);
    close(fd);
}

int main(void) {
    report();
    requests();
    return done();
}
