/* link: server/config.c server/config_file.c server/config_table.c server/config_value.c
   server/config_words.c server/config_rewrite.c server/notify_words.c server/proto/resp_write.c server/base/glob.c
   server/base/buf.c server/base/decimal.c server/base/conf.c server/base/num.c server/base/log.c server/base/file.c server/base/clock.c */
/* Directives from options and CONFIG SET: what is taken, what is refused and how. */
#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/base/conf.h"
#include "server/config.h"
#include "tests/unit/tap.h"

static struct config c;
static struct buf reply;

static bool load(int argc, char **argv, struct conf_error *err) {
    return config_load(&c, argc, argv, err);
}
#define LOAD(err, ...)                                                                             \
    load((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]){__VA_ARGS__}, err)

#define WORD(s) ((char *)(uintptr_t)(s))

static void options(void) {
    struct conf_error err = {""};
    ok(LOAD(&err, WORD("--port"), WORD("7000"), WORD("--save"), WORD(""), WORD("--appendonly"),
            WORD("no"), WORD("--maxmemory"), WORD("2mb")),
       "options as redis-server takes them");
    is_int(c.port, 7000, "a number");
    is_int((int64_t)c.maxmemory, 2 << 20, "bytes with a unit");
    ok(!c.appendonly && c.save_count == 0, "yes and no; an empty list");
    config_free(&c);
    ok(LOAD(&err, WORD("--save"), WORD("900"), WORD("1"), WORD("--save"), WORD("60"), WORD("5")) &&
           c.save_count == 2 && c.save[1].changes == 5,
       "save may come several times");
    config_free(&c);
    ok(LOAD(&err, WORD("--slaveof"), WORD("h"), WORD("1")) && !strcmp(c.master_host, "h"),
       "the old names too");
    config_free(&c);
}

static void refused(const char *a, const char *b, const char *part) {
    struct conf_error err = {""};
    bool fine = LOAD(&err, WORD("--hz"), WORD("20"), WORD(a), WORD(b));
    config_free(&c);
    if (!ok(!fine && !strncmp(err.text, "option:3: ", 10) && strstr(err.text, part), "%s %s: %s", a,
            b, part))
        fprintf(stderr, "# %s\n", err.text);
}

static void refusals(void) {
    refused("--prot", "1", "not a directive");
    refused("--port", "x", "integer");
    refused("--port", "65536", "between 0 and 65535");
    refused("--maxmemory", "1x", "memory value");
    refused("--appendonly", "maybe", "'yes' or 'no'");
    refused("--appendfsync", "never", "everysec, always, no");
    refused("--save", "60", "save");
    refused("--dbfilename", "a/b", "can't be a path");
    refused("--unixsocketperm", "9", "octal");
    refused("--edition", "gold", "master-slave");
    refused("--client-output-buffer-limit", "none", "buffer limit");
}

static const char *set(const char *a, const char *b, const char *d, const char *e) {
    struct bytes words[4] = {
        {a, strlen(a)}, {b, strlen(b)}, {d, d ? strlen(d) : 0}, {e, e ? strlen(e) : 0}};
    buf_clear(&reply);
    config_set(&c, words, d ? 4 : 2, false, &reply);
    return buf_cstr(&reply);
}

static enum config_effect told;
static bool works = true;

static bool effect(enum config_effect e, const char **err) {
    told = e;
    *err = "it cannot be";
    return works;
}

static void changes(void) {
    config_presets(&c);
    config_effect = effect;
    ok(!strcmp(set("hz", "20", NULL, NULL), "+OK\r\n") && c.hz == 20 && told == E_GENERAL,
       "CONFIG SET changes and tells");
    ok(!strcmp(set("MAXMEMORY", "1k", "timeout", "3"), "+OK\r\n") && c.maxmemory == 1000 &&
           c.timeout_s == 3,
       "several at once, names in any case");
    ok(!strcmp(set("timeout", "9", "hz", "x"),
               "-ERR CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be "
               "parsed into an integer\r\n") &&
           c.timeout_s == 3,
       "none when one is wrong");
    ok(strstr(set("timeout", "9", "timeout", "8"), "duplicate parameter") && c.timeout_s == 3,
       "the same twice is refused");
    ok(strstr(set("databases", "3", NULL, NULL), "can't set immutable config"), "fixed ones");
    ok(strstr(set("dir", "/", NULL, NULL), "can't set protected config"), "protected ones");
    ok(strstr(set("nope", "3", NULL, NULL), "ERR Unknown option or number of arguments"),
       "unknown ones");
    ok(set("save", "10 1", NULL, NULL) && c.save_count == 1 &&
           set("save", "20 2 30 3", NULL, NULL) && c.save_count == 2 && c.save[0].seconds == 20,
       "CONFIG SET save replaces the list");
    works = false;
    ok(strstr(set("save", "", NULL, NULL), "it cannot be") && c.save_count == 2,
       "a change without effect is undone");
    works = true;
    struct bytes patterns[2] = {BYTES("maxm?mory"), BYTES("slave-read-only")};
    buf_clear(&reply);
    config_get(&c, patterns, 2, &reply, 3);
    ok(!strcmp(buf_cstr(&reply), "%2\r\n$9\r\nmaxmemory\r\n$4\r\n1000\r\n$15\r\nslave-read-only\r\n"
                                 "$3\r\nyes\r\n"),
       "CONFIG GET by patterns, with aliases");
    config_effect = NULL;
    config_free(&c);
}

int main(void) {
    options();
    refusals();
    changes();
    buf_free(&reply);
    return done();
}
