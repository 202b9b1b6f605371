/* link: server/proto/aofile.c server/proto/append_dir.c hactl/import/filter.c hactl/import/filter_command.c
   hactl/import/key_places.c hactl/import/answer.c server/proto/resp_parse.c server/base/buf.c server/base/conf.c
   server/base/glob.c server/base/num.c server/base/log.c server/base/clock.c server/base/file.c */
/* Commands of append-only files: units, torn ends at every byte, damage; manifests; and the filter, rule by rule. */
#include "server/proto/aofile.h"
#include "server/proto/append_dir.h"
#include "hactl/import/filter.h"
#include "server/base/buf.h"
#include "tests/unit/tap.h"

/* ---- words ---- */

/* "SET a 1" as a request. */
static void put(struct buf *out, const char *line) {
    int n = 1;
    for (const char *p = line; *p; p++) n += *p == ' ';
    buf_printf(out, "*%d\r\n", n);
    for (const char *p = line; *p;) {
        size_t len = strcspn(p, " ");
        buf_printf(out, "$%zu\r\n%.*s\r\n", len, (int)len, p);
        p += len + (p[len] == ' ');
    }
}

static int split(const char *line, struct bytes *words) {
    int n = 0;
    for (const char *p = line; *p;) {
        size_t len = strcspn(p, " ");
        words[n++] = (struct bytes){p, len};
        p += len + (p[len] == ' ');
    }
    return n;
}

static void add_words(struct buf *out, int argc, const struct bytes *argv) {
    for (int i = 0; i < argc; i++)
        buf_printf(out, "%s%.*s", i ? " " : "", (int)argv[i].len, argv[i].p);
}

/* ---- append-only files ---- */

static bool note(void *arg, int db, int argc, const struct bytes *argv) {
    struct buf *text = arg;
    buf_printf(text, "%d:", db);
    add_words(text, argc, argv);
    buf_add_str(text, ";");
    return true;
}

/* All units, fed `piece` bytes more at a time; *end: where the first byte is that no unit took. */
static enum aofile_state read_all(const struct buf *f, size_t piece, struct buf *text, size_t *end,
                                  bool *open) {
    struct aofile a = {.db = 0};
    size_t at = 0, have = 0;
    enum aofile_state st = AOFILE_MORE;
    for (;;) {
        char *copy = xmalloc(have - at + 1);
        memcpy(copy, buf_head(f) + at, have - at);
        st = aofile_find(&a, copy, have - at);
        if (st == AOFILE_UNIT) {
            aofile_each(&a, copy, a.used, note, text);
            buf_add_str(text, a.transaction ? "} " : " ");
            at += a.used;
        }
        free(copy);
        if (st == AOFILE_BAD || (st == AOFILE_MORE && have == buf_len(f))) break;
        if (st == AOFILE_MORE) have = have + piece < buf_len(f) ? have + piece : buf_len(f);
    }
    *end = st == AOFILE_BAD ? at + a.used : at;
    *open = a.open;
    aofile_free(&a);
    return st;
}

static struct buf log_file(void) {
    struct buf f = BUF_INIT;
    put(&f, "SELECT 3");
    buf_add_str(&f, "#TS:1700000000\r\n");
    put(&f, "SET a 1");
    put(&f, "MULTI");
    put(&f, "INCR a");
    put(&f, "SELECT 4");
    put(&f, "SET b 2");
    put(&f, "EXEC");
    put(&f, "DEL b");
    return f;
}

static void units(void) {
    struct buf f = log_file(), text = BUF_INIT;
    const char *want = " 3:SET a 1; 3:INCR a;4:SET b 2;} 4:DEL b; ";
    for (size_t piece = 1; piece < 300; piece = piece * 3 + 1) {
        size_t end;
        bool open;
        buf_clear(&text);
        enum aofile_state st = read_all(&f, piece, &text, &end, &open);
        ok(st == AOFILE_MORE && end == buf_len(&f) && strcmp(buf_cstr(&text), want) == 0,
           "in pieces of %zu bytes the same units come: %s", piece, buf_cstr(&text));
    }
    buf_free(&f);
    buf_free(&text);
}

static void torn(void) {
    struct buf f = log_file(), text = BUF_INIT;
    int good = 0;
    /* where units end */
    size_t ends[8], count = 0, all = buf_len(&f);
    struct aofile a = {.db = 0};
    ends[count++] = 0;
    for (size_t at = 0; at < all; ends[count++] = at) {
        aofile_find(&a, buf_head(&f) + at, all - at);
        at += a.used;
    }
    aofile_free(&a);
    for (size_t n = 0; n <= all; n++) {
        struct buf part = {f.data, 0, n, n};
        size_t end, want = 0;
        bool open;
        buf_clear(&text);
        enum aofile_state st = read_all(&part, 1000, &text, &end, &open);
        for (size_t i = 0; i < count; i++)
            if (ends[i] <= n) want = ends[i];
        /* A comment that is whole leaves nothing open. */
        bool comment = n > want && memchr(buf_head(&f) + want, '\n', n - want) &&
                       buf_head(&f)[want] == '#' && buf_head(&f)[n - 1] == '\n' &&
                       n - want == sizeof "#TS:1700000000\r\n" - 1;
        good += st == AOFILE_MORE && end == want && open == (n != want && !comment);
    }
    is_int(good, all + 1,
           "cut at any byte: what stands before the torn unit is taken, and it is told that one is "
           "open");
    buf_free(&f);
    buf_free(&text);
}

static void damaged(void) {
    static const struct {
        const char *bytes, *what;
    } cases[] = {{"hello\r\n", "no command"},
                 {"*x\r\n", "a count that is none"},
                 {"*1\r\nSET\r\n", "a word without its length"},
                 {"*1\r\n$4\r\nEXEC\r\n", "an EXEC without MULTI"},
                 {"*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n", "a MULTI in a MULTI"},
                 {"*0\r\n", "a command without words"},
                 {"\r\n", "an empty line"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf f = BUF_INIT, text = BUF_INIT;
        size_t end, before;
        bool open;
        put(&f, "SET a 1");
        before = buf_len(&f);
        buf_add_str(&f, cases[i].bytes);
        enum aofile_state st = read_all(&f, 1000, &text, &end, &open);
        ok(st == AOFILE_BAD && end >= before && strcmp(buf_cstr(&text), "0:SET a 1; ") == 0,
           "%s: what stands before it came, then it is told", cases[i].what);
        buf_free(&f);
        buf_free(&text);
    }
}

static void manifests(void) {
    struct append_dir d;
    const char good[] = "# a comment\nfile a.1.base.rdb seq 1 type b\nfile old seq 1 type h\n"
                        "file \"a b\" seq 1 type i\nfile a.2.incr seq 2 type i\n";
    ok(append_dir_read(&d, good, sizeof good - 1) && d.count == 3 && d.files[0].base &&
           strcmp(d.files[1].name, "a b") == 0,
       "base and increments in order, quotes undone, history left out");
    append_dir_free(&d);
    static const char *const bad[] = {"file ../x seq 1 type b\n",
                                      "file a seq 1\n",
                                      "file a seq x type b\n",
                                      "file a seq 2 type i\nfile b seq 1 type i\n",
                                      "file a seq 1 type i\nfile b seq 1 type b\n",
                                      "file a seq 1 type q\n",
                                      "",
                                      "file \"a seq 1 type b\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ok(!append_dir_read(&d, bad[i], strlen(bad[i])) && *d.error, "refused: %s", d.error);
        append_dir_free(&d);
    }
}

/* ---- the filter ---- */

static void one_place(struct buf *out, const char *name, int first, int last, int step,
                      const char *flag) {
    buf_printf(out, "*6\r\n$%zu\r\n%s\r\n:-2\r\n*2\r\n+write\r\n+%s\r\n:%d\r\n:%d\r\n:%d\r\n",
               strlen(name), name, flag, first, last, step);
}

/* As a server answers COMMAND. */
static void take_places(struct key_places *k) {
    struct buf b = BUF_INIT;
    buf_add_str(&b, "*16\r\n");
    one_place(&b, "set", 1, 1, 1, "fast");
    one_place(&b, "incr", 1, 1, 1, "fast");
    one_place(&b, "del", 1, -1, 1, "fast");
    one_place(&b, "mset", 1, -1, 2, "fast");
    one_place(&b, "msetnx", 1, -1, 2, "fast");
    one_place(&b, "rename", 1, 2, 1, "fast");
    one_place(&b, "smove", 1, 2, 1, "fast");
    one_place(&b, "lmove", 1, 2, 1, "fast");
    one_place(&b, "sunionstore", 1, -1, 1, "fast");
    one_place(&b, "zunionstore", 1, 1, 1, "movablekeys");
    one_place(&b, "sort", 1, 1, 1, "movablekeys");
    one_place(&b, "eval", 0, 0, 0, "movablekeys");
    one_place(&b, "flushall", 0, 0, 0, "fast");
    one_place(&b, "bitop", 2, -1, 1, "fast");
    one_place(&b, "move", 1, 1, 1, "fast");
    one_place(&b, "copy", 1, 2, 1, "fast");
    ok(key_places_take(k, buf_head(&b), buf_len(&b)),
       "the places of keys are asked from the target");
    buf_free(&b);
}

struct rule {
    int db;
    const char *in, *out; /* out: "3:SET a 1", "" dropped, NULL refused */
};

static void try_rules(const struct filter *f, struct key_places *k, const struct rule *r, int n) {
    struct filter_command out = {.db = 0};
    for (int i = 0; i < n; i++) {
        struct bytes words[32];
        struct buf text = BUF_INIT;
        int argc = split(r[i].in, words);
        enum filter_verdict v = filter_command(f, k, r[i].db, argc, words, &out);
        if (v == FILTER_PASS) {
            buf_printf(&text, "%d:", out.db);
            add_words(&text, out.argc, out.argv);
        } else if (v == FILTER_REFUSED) {
            buf_printf(&text, "refused: %s", out.why);
        }
        bool right = r[i].out ? strcmp(buf_cstr(&text), r[i].out) == 0 : v == FILTER_REFUSED;
        ok(right, "%d:%s -> %s", r[i].db, r[i].in,
           v == FILTER_DROP ? "(dropped)" : buf_cstr(&text));
        buf_free(&text);
    }
    filter_command_free(&out);
}
#define RULES(f, k, ...)                                                                           \
    try_rules(f, k, (const struct rule[]){__VA_ARGS__},                                            \
              (int)(sizeof((const struct rule[]){__VA_ARGS__}) / sizeof(struct rule)))

static void filters(void) {
    struct key_places k = {.count = 0};
    struct filter f;
    char why[200];
    take_places(&k);
    filter_init(&f);
    ok(filter_is_plain(&f), "a fresh filter changes nothing");
    RULES(&f, NULL, {2, "SET a 1", "2:SET a 1"}, {0, "FLUSHALL", "0:FLUSHALL"},
          {3, "SWAPDB 1 2", "3:SWAPDB 1 2"}, {0, "PING", ""}, {0, "PUBLISH a b", ""},
          {0, "FUNCTION LOAD x", NULL});
    ok(filter_add_rename(&f, "3=0", why, sizeof why) &&
           filter_add_rename(&f, "0=7", why, sizeof why),
       "--rename-db");
    static const char *const bad[] = {"3=1", "x", "1=", "=1", "-1=2", "1=-2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(!filter_add_rename(&f, bad[i], why, sizeof why), "refused: %s", why);
    RULES(&f, NULL, {3, "SET a 1", "0:SET a 1"}, {0, "SWAPDB 3 5", "0:SWAPDB 0 5"},
          {3, "FLUSHDB ASYNC", "0:FLUSHDB"}, {3, "MOVE a 0", "0:MOVE a 7"},
          {3, "COPY a b", "0:COPY a b DB 0 REPLACE"},
          {0, "COPY a b DB 3", "7:COPY a b DB 0 REPLACE"}, {7, "FLUSHDB", NULL});
    filter_init(&f);
    f.only_db = 3;
    filter_add_rename(&f, "3=0", why, sizeof why);
    RULES(&f, NULL, {0, "SET a 1", ""}, {3, "SET a 1", "0:SET a 1"}, {0, "FLUSHALL", "0:FLUSHDB"},
          {0, "FLUSHDB", ""}, {1, "SWAPDB 1 2", ""}, {1, "SWAPDB 1 3", NULL},
          {3, "MOVE a 1", "0:DEL a"}, {1, "MOVE a 3", NULL}, {1, "MOVE a 2", ""},
          {3, "COPY a b DB 1", ""}, {1, "COPY a b DB 3", NULL});
    filter_init(&f);
    f.pattern[f.patterns++] = BYTES("in:*");
    RULES(&f, &k, {0, "SET in:a 1", "0:SET in:a 1"}, {0, "SET a 1", ""},
          {0, "DEL in:a b in:c", "0:DEL in:a in:c"}, {0, "DEL a b", ""},
          {0, "MSET in:a 1 b 2 in:c 3", "0:MSET in:a 1 in:c 3"},
          {0, "MSETNX in:a 1 b 2", "0:MSET in:a 1"}, {0, "RENAME in:a in:b", "0:RENAME in:a in:b"},
          {0, "RENAME in:a b", "0:DEL in:a"}, {0, "RENAME a in:b", NULL},
          {0, "SMOVE in:a b m", "0:SREM in:a m"}, {0, "SMOVE a in:b m", "0:SADD in:b m"},
          {0, "LMOVE in:a b LEFT RIGHT", "0:LPOP in:a"}, {0, "LMOVE a in:b LEFT RIGHT", NULL},
          {0, "SUNIONSTORE out in:a", ""}, {0, "SUNIONSTORE in:x in:a b", NULL},
          {0, "SUNIONSTORE in:x in:a in:b", "0:SUNIONSTORE in:x in:a in:b"},
          {0, "ZUNIONSTORE in:x 2 in:a b", NULL}, {0, "ZUNIONSTORE x 1 in:a", ""},
          {0, "ZUNIONSTORE in:x 1 in:a WEIGHTS 2", "0:ZUNIONSTORE in:x 1 in:a WEIGHTS 2"},
          {0, "SORT in:a STORE in:b", "0:SORT in:a STORE in:b"}, {0, "SORT in:a STORE b", ""},
          {0, "SORT in:a BY w_* STORE in:b", NULL}, {0, "BITOP AND x in:a", ""},
          {0, "BITOP AND in:x a", NULL}, {0, "EVAL s 1 in:a", "0:EVAL s 1 in:a"},
          {0, "EVAL s 0", NULL}, {0, "EVAL s 2 in:a b", NULL}, {0, "EVAL s 9 in:a", NULL},
          {0, "XGROUP CREATE in:a g 0", "0:XGROUP CREATE in:a g 0"}, {0, "XGROUP CREATE a g 0", ""},
          {0, "NOSUCH in:a", NULL}, {0, "MOVE a 3", ""}, {0, "MOVE in:a 3", "0:MOVE in:a 3"},
          {0, "COPY a in:b", NULL}, {0, "COPY in:a b", ""});
    filter_init(&f);
    f.merge = true;
    RULES(&f, &k, {0, "FLUSHALL", NULL}, {2, "FLUSHDB", NULL}, {0, "SET a 1", "0:SET a 1"},
          {0, "SWAPDB 0 1", NULL});
    key_places_free(&k);
}

int main(void) {
    units();
    torn();
    damaged();
    manifests();
    filters();
    return done();
}
