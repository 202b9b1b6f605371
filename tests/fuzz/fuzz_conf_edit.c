/* link: server/base/conf_edit.c server/base/conf.c server/base/buf.c server/base/file.c server/base/num.c server/base/log.c server/base/clock.c */
/* Whatever duet.conf says, an edit leaves a text that is read again, says what was set, and says all else as before. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/conf_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool right) {
    if (!right) abort();
}

/* Are the lines the same but for those of [instance 1]'s own? drop: it is gone; else its `port` may differ. */
static bool is_other(const struct conf_line *l, bool drop) {
    bool mine = strcmp(l->section, "instance") == 0 && strcmp(l->section_arg, "1") == 0;
    if (mine && (drop || (l->argc && strcasecmp(l->argv[0], "port") == 0))) return false;
    return l->argc > 0;
}

static const struct conf_line *next_other(const struct conf *c, size_t *at, bool drop) {
    while (*at < c->count)
        if (is_other(&c->lines[(*at)++], drop)) return &c->lines[*at - 1];
    return NULL;
}

static void same_else(const struct conf *a, const struct conf *b, bool drop) {
    size_t i = 0, k = 0;
    for (;;) {
        const struct conf_line *x = next_other(a, &i, drop), *y = next_other(b, &k, drop);
        must_be(!x == !y);
        if (!x) return;
        must_be(x->argc == y->argc && strcmp(x->section, y->section) == 0 &&
                strcmp(x->section_arg, y->section_arg) == 0);
        for (int w = 0; w < x->argc; w++)
            must_be(x->lens[w] == y->lens[w] && memcmp(x->argv[w], y->argv[w], x->lens[w]) == 0);
    }
}

static void look(const struct conf *before, struct buf *text, bool drop) {
    struct conf after;
    struct conf_error err;
    must_be(conf_parse(&after, "x", buf_cstr(text), buf_len(text), true, &err));
    same_else(before, &after, drop);
    conf_free(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct conf before;
    struct conf_error err;
    struct buf text = BUF_INIT;
    buf_add(&text, data, size);
    if (conf_parse(&before, "x", buf_cstr(&text), size, true, &err)) {
        if (conf_edit_set(&text, "instance", "1", "port", "a \"b\" #\n", &err))
            look(&before, &text, false);
        must_be(conf_edit_drop(&text, "instance", "1", &err));
        look(&before, &text, true);
        conf_edit_add(&text, "instance", "1", "port 1\n");
        look(&before, &text, true);
        conf_free(&before);
    }
    buf_free(&text);
    return 0;
}
