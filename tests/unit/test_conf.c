/* link: server/base/conf.c server/base/buf.c server/base/file.c server/base/num.c server/base/log.c */
#include "server/base/conf.h"
#include "server/base/buf.h"
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>

static struct conf_error err;

static bool parse(struct conf *c, const char *text) {
    err.text[0] = '\0';
    return conf_parse(c, "duet.conf", text, strlen(text), true, &err);
}

static void refused(const char *text, const char *place, const char *word) {
    struct conf c;
    bool good = parse(&c, text);
    ok(!good && strstr(err.text, place) && strstr(err.text, word), "refused at %s: %s", place,
       err.text);
    if (good) conf_free(&c);
}

static void words(void) {
    struct conf c;
    ok(parse(&c, "# a comment\n\n[node]\nname duet-a\n[instance 3]\n"
                 "  password \"a \\\"b\\x41\\n\" 'it\\'s'\n"),
       "a file with sections, comments and quotes is read");
    ok(c.count == 4, "two sections and two directives");
    const struct conf_line *l = &c.lines[3];
    ok(!strcmp(l->section, "instance") && !strcmp(l->section_arg, "3") && l->number == 6,
       "a line knows its section and its place");
    ok(l->argc == 3 && !strcmp(l->argv[1], "a \"bA\n") && !strcmp(l->argv[2], "it's"),
       "quotes and escapes are those of redis.conf");
    conf_free(&c);
}

static void comments(void) {
    struct conf c;
    ok(parse(&c, "[node]   # which\nname a#b   # said \"so\nname '# no' \"#\\\"#\" #\n"),
       "comments behind directives are read over");
    ok(c.count == 3 && c.lines[1].argc == 2 && !strcmp(c.lines[1].argv[1], "a#b"),
       "a # inside a word belongs to it");
    ok(c.lines[2].argc == 3 && !strcmp(c.lines[2].argv[1], "# no") &&
           !strcmp(c.lines[2].argv[2], "#\"#"),
       "and so does one in quotes");
    conf_free(&c);
    ok(conf_parse(&c, "redis.conf", "name a # b\n", 11, false, &err) && c.lines[0].argc == 4,
       "a server's file knows whole lines of comment only, as redis.conf");
    conf_free(&c);
}

static void complaints(void) {
    refused("node a\n", "duet.conf:1:", "section");
    refused("[node]\nname \"open\n", "duet.conf:2:", "quote");
    refused("[node]\nname \"a\"b\n", "duet.conf:2:", "quote");
    refused("[knob]\n", "duet.conf:1:", "knob");
    refused("[instance]\n", "duet.conf:1:", "number");
    refused("[instance 99]\n", "duet.conf:1:", "number");
    refused("[node 1]\n", "duet.conf:1:", "argument");
    refused("\n\n[node\n", "duet.conf:3:", "section");
}

static bool set_name(void *target, const struct conf *c, const struct conf_line *l,
                     struct conf_error *e) {
    if (strlen(l->argv[1]) > 8) return conf_complain(c, l, e, "the name is too long");
    snprintf(target, 9, "%s", l->argv[1]);
    return true;
}

static void rows(void) {
    static const struct conf_row table[] = {{"name", 1, 1, set_name, "name WORD"}, {0}};
    struct conf c;
    char name[9] = "";
    ok(parse(&c, "[node]\nNAME duet-a\n") && conf_apply(&c, "node", NULL, table, name, &err) &&
           !strcmp(name, "duet-a"),
       "a row takes its directive, case folded");
    conf_free(&c);
    ok(parse(&c, "[node]\nname a b\n") && !conf_apply(&c, "node", NULL, table, name, &err) &&
           strstr(err.text, "duet.conf:2: name takes other words; it is written: name WORD"),
       "a wrong number of words shows how it is written");
    conf_free(&c);
    ok(parse(&c, "[node]\nnmae a\n") && !conf_apply(&c, "node", NULL, table, name, &err) &&
           strstr(err.text, "duet.conf:2: nmae"),
       "an unknown directive is refused by name");
    conf_free(&c);
}

static void round_trip(void) {
    bool same = true;
    for (int first = 0; first < 256; first++) {
        char word[4] = {(char)first, 'x', (char)(first * 7), '\0'}, **out;
        size_t *lens;
        struct buf b = BUF_INIT;
        conf_quote(&b, word, 3);
        int n = conf_split(buf_head(&b), buf_len(&b), &out, &lens);
        same = same && n == 1 && lens[0] == 3 && !memcmp(out[0], word, 3);
        if (n > 0) conf_words_free(out, lens, n);
        buf_free(&b);
    }
    ok(same, "every byte can be quoted and read back");
}

int main(void) {
    words();
    comments();
    complaints();
    rows();
    round_trip();
    return done();
}
