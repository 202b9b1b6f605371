#include "hactl/cli_fields.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/num.h"

#define DEPTH_LIMIT 8

/* ---- reading ---- */

/* "text with \" and \\" without its quotes; NULL when it does not end. */
static char *unquote(const char *p, size_t len) {
    char *out = xmalloc(len + 1), *to = out;
    const char *end = p + len;
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\' && p + 1 < end) p++;
        *to++ = *p;
    }
    *to = 0;
    if (p == end - 1) return out;
    free(out);
    return NULL;
}

static bool read_line(struct fields *f, const char *line, size_t len) {
    const char *space = memchr(line, ' ', len);
    if (!space || space == line || space + 1 == line + len) return false;
    size_t value_len = len - (size_t)(space + 1 - line);
    struct field one = {.text = space[1] == '"'};
    one.value = one.text ? unquote(space + 1, value_len) : strndup(space + 1, value_len);
    if (!one.value) return false;
    one.name = strndup(line, (size_t)(space - line));
    f->list = xrealloc(f->list, (f->count + 1) * sizeof *f->list);
    f->list[f->count++] = one;
    return true;
}

bool fields_read(struct fields *f, const char *lines, size_t len) {
    const char *end = lines + len;
    memset(f, 0, sizeof *f);
    while (lines < end) {
        const char *nl = memchr(lines, '\n', (size_t)(end - lines));
        if (!nl || !read_line(f, lines, (size_t)(nl - lines))) return false;
        lines = nl + 1;
    }
    return true;
}

void fields_free(struct fields *f) {
    for (size_t i = 0; i < f->count; i++) {
        free(f->list[i].name);
        free(f->list[i].value);
    }
    free(f->list);
    memset(f, 0, sizeof *f);
}

/* ---- writing ---- */

static void add(struct fields *f, const char *value, bool text, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));
static void add(struct fields *f, const char *value, bool text, const char *fmt, va_list ap) {
    char name[128];
    vsnprintf(name, sizeof name, fmt, ap);
    f->list = xrealloc(f->list, (f->count + 1) * sizeof *f->list);
    f->list[f->count++] = (struct field){xstrdup(name), xstrdup(value), text};
}

void fields_add_text(struct fields *f, const char *value, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    add(f, value, true, fmt, ap);
    va_end(ap);
}

void fields_add_number(struct fields *f, int64_t value, const char *fmt, ...) {
    char digits[NUM_I64_CHARS];
    va_list ap;
    digits[num_format_i64(digits, value)] = 0;
    va_start(ap, fmt);
    add(f, digits, false, fmt, ap);
    va_end(ap);
}

void fields_add_true(struct fields *f, bool value, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    add(f, value ? "true" : "false", false, fmt, ap);
    va_end(ap);
}

static void quoted(struct buf *out, const char *v) {
    buf_add_str(out, "\"");
    for (; *v; v++) {
        if (*v == '"' || *v == '\\') buf_add_str(out, "\\");
        buf_add(out, (unsigned char)*v < ' ' ? " " : v, 1);
    }
    buf_add_str(out, "\"");
}

void fields_lines(const struct fields *f, struct buf *out) {
    for (size_t i = 0; i < f->count; i++) {
        const struct field *one = &f->list[i];
        buf_printf(out, "%s ", one->name);
        if (one->text)
            quoted(out, one->value);
        else
            buf_add_str(out, one->value);
        buf_add_str(out, "\n");
    }
}

/* ---- looking up ---- */

static const char *look_up(const struct fields *f, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static const char *look_up(const struct fields *f, const char *fmt, va_list ap) {
    char name[128];
    vsnprintf(name, sizeof name, fmt, ap);
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->list[i].name, name) == 0) return f->list[i].value;
    return NULL;
}

const char *fields_text(const struct fields *f, const char *other, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *v = look_up(f, fmt, ap);
    va_end(ap);
    return v ? v : other;
}

int64_t fields_number(const struct fields *f, int64_t other, const char *fmt, ...) {
    va_list ap;
    int64_t n;
    va_start(ap, fmt);
    const char *v = look_up(f, fmt, ap);
    va_end(ap);
    return v && num_parse_i64(v, strlen(v), &n) ? n : other;
}

bool fields_true(const struct fields *f, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    const char *v = look_up(f, fmt, ap);
    va_end(ap);
    return v && strcmp(v, "true") == 0;
}

/* ---- JSON ---- */

/* The words of a dotted name, pointing into copy. */
static int split(char *copy, char *words[DEPTH_LIMIT]) {
    int n = 0;
    for (char *rest = copy, *word; n < DEPTH_LIMIT && (word = strsep(&rest, "."));)
        words[n++] = word;
    return n;
}

static void json_string(struct buf *out, const char *s) {
    buf_add(out, "\"", 1);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ')
            buf_printf(out, "\\u%04x", c);
        else
            buf_add(out, s, 1);
    }
    buf_add(out, "\"", 1);
}

static void new_line(struct buf *out, int depth) {
    buf_printf(out, "\n%*s", 2 * depth, "");
}

/* Opens what stands below words[from..n-1), and writes the key of the last word. */
static void open_to(struct buf *out, char **words, int from, int n) {
    for (int d = from; d < n; d++) {
        new_line(out, d + 1);
        if (!isdigit((unsigned char)words[d][0])) {
            json_string(out, words[d]);
            buf_add_str(out, ": ");
        }
        if (d < n - 1) buf_add_str(out, isdigit((unsigned char)words[d + 1][0]) ? "[" : "{");
    }
}

/* Closes the levels [to, from) of the name before, deepest first. */
static void close_to(struct buf *out, char **words, int from, int to) {
    for (int d = from; d > to; d--) {
        new_line(out, d);
        buf_add_str(out, isdigit((unsigned char)words[d][0]) ? "]" : "}");
    }
}

void fields_json(const struct fields *f, struct buf *out) {
    char *before = NULL, *was[DEPTH_LIMIT], *words[DEPTH_LIMIT];
    int was_n = 1;
    buf_add_str(out, "{");
    for (size_t i = 0; i < f->count; i++) {
        char *copy = xstrdup(f->list[i].name);
        int n = split(copy, words), same = 0;
        while (before && same < n - 1 && same < was_n - 1 && strcmp(words[same], was[same]) == 0)
            same++;
        if (before) {
            close_to(out, was, was_n - 1, same);
            buf_add_str(out, ",");
        }
        open_to(out, words, same, n);
        if (f->list[i].text)
            json_string(out, f->list[i].value);
        else
            buf_add_str(out, f->list[i].value);
        free(before);
        before = copy;
        memcpy(was, words, sizeof was);
        was_n = n;
    }
    if (before) close_to(out, was, was_n - 1, 0);
    free(before);
    buf_add_str(out, "\n}\n");
}
