#include "server/base/conf_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One line of the text, with its end. */
struct line {
    const char *p;
    size_t len;
    const struct conf_line *read; /* NULL: empty, or a comment */
    bool drop;
};

struct lines {
    struct conf conf;
    struct line *list;
    size_t count;
};

static bool open_lines(struct lines *ls, const struct buf *text, struct conf_error *err) {
    const char *p = buf_head(text), *end = p + buf_len(text);
    memset(ls, 0, sizeof *ls);
    if (!conf_parse(&ls->conf, "duet.conf", buf_len(text) ? p : "", buf_len(text), true, err))
        return false;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t len = nl ? (size_t)(nl + 1 - p) : (size_t)(end - p);
        ls->list = xrealloc(ls->list, (ls->count + 1) * sizeof *ls->list);
        ls->list[ls->count++] = (struct line){.p = p, .len = len};
        p += len;
    }
    for (size_t i = 0; i < ls->conf.count; i++)
        ls->list[ls->conf.lines[i].number - 1].read = &ls->conf.lines[i];
    return true;
}

static void close_lines(struct lines *ls) {
    conf_free(&ls->conf);
    free(ls->list);
}

static bool is_head(const struct line *l) {
    return l->read && l->read->argc == 0;
}

/* arg NULL: any */
static bool is_in(const struct line *l, const char *section, const char *arg) {
    return l->read && strcmp(l->read->section, section) == 0 &&
           (!arg || strcmp(l->read->section_arg, arg) == 0);
}

static void add_line(struct buf *out, const char *p, size_t len) {
    buf_add(out, p, len);
    if (len == 0 || p[len - 1] != '\n') buf_add_str(out, "\n");
}

static void replace(struct buf *text, struct buf *by) {
    buf_free(text);
    *text = *by;
}

/* ---- setting ---------------------------------------------------------------------------------- */

static void put(struct buf *out, const char *directive, const char *value) {
    buf_printf(out, "%s ", directive);
    conf_quote(out, value, strlen(value));
}

/* The line anew: its indentation, the directive, its comment. */
static void put_in_place(struct buf *out, const struct line *old, const char *directive,
                         const char *value) {
    size_t len = old->len, indent = 0;
    while (len && (old->p[len - 1] == '\n' || old->p[len - 1] == '\r')) len--;
    while (indent < len && (old->p[indent] == ' ' || old->p[indent] == '\t')) indent++;
    size_t words = conf_without_comment(old->p, len);
    buf_add(out, old->p, indent);
    put(out, directive, value);
    if (words < len) {
        buf_add_str(out, "  ");
        buf_add(out, old->p + words, len - words);
    }
    buf_add_str(out, "\n");
}

bool conf_edit_set(struct buf *text, const char *section, const char *arg, const char *directive,
                   const char *value, struct conf_error *err) {
    struct lines ls;
    struct buf out = BUF_INIT;
    size_t last = SIZE_MAX, end = SIZE_MAX;
    if (!open_lines(&ls, text, err)) return false;
    for (size_t i = 0; i < ls.count; i++) {
        struct line *l = &ls.list[i];
        if (!is_in(l, section, arg)) continue;
        end = i;
        if (is_head(l) || strcasecmp(l->read->argv[0], directive) != 0) continue;
        if (last != SIZE_MAX) ls.list[last].drop = true;
        last = i;
    }
    for (size_t i = 0; i < ls.count && end != SIZE_MAX; i++) {
        const struct line *l = &ls.list[i];
        if (l->drop) continue;
        if (i == last && value)
            put_in_place(&out, l, directive, value);
        else if (i != last)
            add_line(&out, l->p, l->len);
        if (i == end && last == SIZE_MAX && value) {
            put(&out, directive, value);
            buf_add_str(&out, "\n");
        }
    }
    close_lines(&ls);
    if (end == SIZE_MAX) {
        snprintf(err->text, sizeof err->text, "there is no section [%s%s%s]", section,
                 *arg ? " " : "", arg);
        return false;
    }
    replace(text, &out);
    return true;
}

/* ---- sections --------------------------------------------------------------------------------- */

/* Comments right above the head of a section belong to it. */
static size_t top_of(const struct lines *ls, size_t head) {
    while (head > 0) {
        const struct line *l = &ls->list[head - 1];
        size_t blank = 0;
        while (blank < l->len && strchr(" \t\r\n", l->p[blank])) blank++;
        if (l->read || blank == l->len) break;
        head--;
    }
    return head;
}

/* The line behind the section whose head is there. */
static size_t end_of(const struct lines *ls, size_t head) {
    size_t i = head + 1;
    while (i < ls->count && !is_head(&ls->list[i])) i++;
    return i < ls->count ? top_of(ls, i) : i;
}

bool conf_edit_drop(struct buf *text, const char *section, const char *arg,
                    struct conf_error *err) {
    struct lines ls;
    struct buf out = BUF_INIT;
    if (!open_lines(&ls, text, err)) return false;
    for (size_t i = 0; i < ls.count; i++) {
        if (!is_head(&ls.list[i]) || !is_in(&ls.list[i], section, arg)) continue;
        size_t end = end_of(&ls, i);
        for (size_t k = i; k < end; k++) ls.list[k].drop = true;
    }
    for (size_t i = 0; i < ls.count; i++)
        if (!ls.list[i].drop) add_line(&out, ls.list[i].p, ls.list[i].len);
    close_lines(&ls);
    replace(text, &out);
    return true;
}

void conf_edit_add(struct buf *text, const char *section, const char *arg, const char *lines) {
    size_t len = buf_len(text);
    if (len && buf_head(text)[len - 1] != '\n') buf_add_str(text, "\n");
    if (len > 1 && memcmp(buf_head(text) + buf_len(text) - 2, "\n\n", 2) != 0)
        buf_add_str(text, "\n");
    buf_printf(text, "[%s%s%s]\n%s", section, *arg ? " " : "", arg, lines);
}

bool conf_edit_take(const struct buf *text, const char *section, struct buf *out,
                    struct conf_error *err) {
    struct lines ls;
    if (!open_lines(&ls, text, err)) return false;
    for (size_t i = 0; i < ls.count; i++) {
        if (!is_head(&ls.list[i]) || !is_in(&ls.list[i], section, NULL)) continue;
        size_t end = end_of(&ls, i);
        for (size_t k = i; k < end; k++) add_line(out, ls.list[k].p, ls.list[k].len);
    }
    close_lines(&ls);
    return true;
}
