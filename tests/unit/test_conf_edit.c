/* link: server/base/conf_edit.c server/base/conf.c server/base/buf.c server/base/file.c server/base/num.c server/base/log.c server/base/clock.c */
/* Changes to duet.conf's text: what was not meant stays, byte for byte. */
#include "server/base/conf_edit.h"
#include "tests/unit/tap.h"

static const char before[] = "# the pair of room 7\n"
                             "[node]\n"
                             "name duet-a\n"
                             "\n"
                             "# sessions\n"
                             "[instance 0]\n"
                             "   port 6379   # as always\n"
                             "password \"a b\"  # not the old one\n"
                             "maxmemory-policy allkeys-lru\n"
                             "\n"
                             "# cache\n"
                             "# of the shop\n"
                             "[instance 3]\n"
                             "port 7000\n"
                             "memory 1gb";

static struct buf text = BUF_INIT;
static struct conf_error err;

static void start(void) {
    buf_clear(&text);
    buf_add_str(&text, before);
}

/* The text is `before` with from replaced by to. */
static void is_edit(const char *from, const char *to, const char *what) {
    struct buf want = BUF_INIT;
    const char *at = strstr(before, from);
    buf_add(&want, before, (size_t)(at - before));
    buf_add_str(&want, to);
    buf_add_str(&want, at + strlen(from));
    if (buf_head(&want)[buf_len(&want) - 1] != '\n') buf_add_str(&want, "\n");
    is_str(buf_cstr(&text), buf_cstr(&want), what);
    buf_free(&want);
}

static void test_set(void) {
    start();
    ok(conf_edit_set(&text, "instance", "0", "password", "new", &err), "a directive is set");
    is_edit("password \"a b\"  #", "password new  #", "its line keeps its place and its comment");
    start();
    conf_edit_set(&text, "instance", "0", "port", "6380", &err);
    is_edit("port 6379   #", "port 6380  #", "and its indentation");
    start();
    conf_edit_set(&text, "instance", "3", "memory", "2gb", &err);
    is_edit("memory 1gb", "memory 2gb", "the last line, too, which had no end");
    start();
    conf_edit_set(&text, "instance", "0", "memory", "2gb", &err);
    is_edit("allkeys-lru\n", "allkeys-lru\nmemory 2gb\n", "a new one comes behind the last");
    start();
    conf_edit_set(&text, "instance", "0", "password", "a \"b\" # \xc3\xa4\n", &err);
    struct conf c;
    ok(conf_parse(&c, "x", buf_head(&text), buf_len(&text), true, &err) &&
           strcmp(c.lines[4].argv[1], "a \"b\" # \xc3\xa4\n") == 0,
       "any text comes back as it was given");
    conf_free(&c);
    start();
    conf_edit_set(&text, "instance", "0", "password", NULL, &err);
    is_edit("password \"a b\"  # not the old one\n", "", "without a value the line goes");
    start();
    buf_add_str(&text, "\nPort 7001\n");
    conf_edit_set(&text, "instance", "3", "port", "7002", &err);
    is_edit("port 7000\nmemory 1gb", "memory 1gb\nport 7002", "of two lines the last one stays");
    start();
    ok(!conf_edit_set(&text, "instance", "1", "port", "1", &err) &&
           strstr(err.text, "no section [instance 1]"),
       "a section that is not there is named");
    is_str(buf_cstr(&text), before, "and nothing is changed");
}

static void test_sections(void) {
    start();
    ok(conf_edit_drop(&text, "instance", "0", &err), "a section is dropped");
    is_edit("[instance 0]\n   port 6379   # as always\npassword \"a b\"  # not the old "
            "one\nmaxmemory-policy allkeys-lru\n\n",
            "", "the comments above the next one stay with it");
    start();
    conf_edit_drop(&text, "instance", "3", &err);
    is_edit("[instance 3]\nport 7000\nmemory 1gb", "", "the last one can be dropped");
    start();
    conf_edit_drop(&text, "instance", "9", &err);
    is_edit("7", "7", "one that is not there changes nothing");
    start();
    conf_edit_add(&text, "instance", "5", "port 7005\n");
    is_edit("memory 1gb", "memory 1gb\n\n[instance 5]\nport 7005\n", "one is added at the end");
    struct buf out = BUF_INIT;
    start();
    ok(conf_edit_take(&text, "instance", &out, &err), "all of a kind are taken");
    ok(strncmp(buf_cstr(&out), "[instance 0]", 12) == 0 &&
           strstr(buf_cstr(&out), "[instance 3]\nport 7000\nmemory 1gb\n") &&
           !strstr(buf_cstr(&out), "[node]"),
       "as they stand");
    buf_clear(&text);
    buf_add_str(&text, "[nonsense]\n");
    ok(!conf_edit_drop(&text, "instance", "0", &err) && strstr(err.text, "no section [nonsense]"),
       "a text that is no configuration is refused");
    is_str(buf_cstr(&text), "[nonsense]\n", "and stays");
    buf_clear(&text);
    conf_edit_add(&text, "instance", "0", "port 1\n");
    is_str(buf_cstr(&text), "[instance 0]\nport 1\n", "an empty text takes a section");
    buf_free(&out);
}

int main(void) {
    test_set();
    test_sections();
    buf_free(&text);
    return done();
}
