/* See conf.h. */
#include "server/base/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/num.h"

#define CONF_LIMIT_BYTES (1 << 20)

bool conf_section_known(const char *name) {
    static const char *const names[] = {"node",   "pair", "network", "ha",     "instance",
                                        "access", "log",  "metrics", "witness"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

/* --- words --- */

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/* One escape of a double-quoted word, s at the character after the backslash; returns its length.
 */
static size_t unescape(const char *s, const char *end, struct buf *out) {
    char c = *s;
    if (c == 'x' && end - s >= 3 && num_from_hex(s + 1, 2, &c, 1)) {
        buf_add(out, &c, 1);
        return 3;
    }
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    const char *known = strchr(from, c);
    if (known && c) c = to[known - from];
    buf_add(out, &c, 1);
    return 1;
}

/* A quoted word that begins at *s; false when it does not end, or something is glued to its end. */
static bool quoted(const char **s, const char *end, struct buf *out) {
    char quote = *(*s)++;
    while (*s < end && **s != quote) {
        bool escape = **s == '\\' && *s + 1 < end;
        if (escape && quote == '"') {
            (*s)++;
            *s += unescape(*s, end, out);
        } else if (escape && (*s)[1] == '\'') {
            buf_add(out, "'", 1);
            *s += 2;
        } else {
            buf_add(out, (*s)++, 1);
        }
    }
    if (*s >= end) return false;
    (*s)++;
    return *s == end || is_space(**s);
}

/* Ends a word without quotes. As in Redis, \v and \f stand between words but do not end one. */
static bool ends_word(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool one_word(const char **s, const char *end, struct buf *out) {
    while (*s < end && !ends_word(**s)) {
        if (**s == '"' || **s == '\'') {
            if (!quoted(s, end, out)) return false;
            return true;
        }
        buf_add(out, (*s)++, 1);
    }
    return true;
}

void conf_words_free(char **words, size_t *lens, int count) {
    for (int i = 0; i < count; i++) free(words[i]);
    free(words);
    free(lens);
}

int conf_split(const char *line, size_t len, char ***words, size_t **lens) {
    const char *s = line, *end = line + len;
    int count = 0;
    *words = NULL;
    *lens = NULL;
    for (;;) {
        while (s < end && is_space(*s)) s++;
        if (s == end) return count;
        struct buf word = BUF_INIT;
        if (!one_word(&s, end, &word)) {
            buf_free(&word);
            conf_words_free(*words, *lens, count);
            *words = NULL;
            *lens = NULL;
            return -1;
        }
        *words = xrealloc(*words, (size_t)(count + 1) * sizeof **words);
        *lens = xrealloc(*lens, (size_t)(count + 1) * sizeof **lens);
        (*lens)[count] = buf_len(&word);
        (*words)[count++] = buf_cstr(&word);
    }
}

void conf_quote(struct buf *out, const char *word, size_t len) {
    bool plain = len > 0;
    for (size_t i = 0; i < len && plain; i++)
        plain = word[i] > ' ' && word[i] < 127 && !strchr("\"'\\#", word[i]);
    if (plain) {
        buf_add(out, word, len);
        return;
    }
    buf_add_str(out, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)word[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_add_str(out, "\\n");
        else if (c < 32 || c > 126)
            buf_printf(out, "\\x%02x", c);
        else
            buf_add(out, &c, 1);
    }
    buf_add_str(out, "\"");
}

/* --- lines --- */

bool conf_complain(const struct conf *c, const struct conf_line *line, struct conf_error *err,
                   const char *fmt, ...) {
    va_list ap;
    int n = line ? snprintf(err->text, sizeof err->text, "%s:%d: ", c->path, line->number)
                 : snprintf(err->text, sizeof err->text, "%s: ", c->path);
    if (n < 0 || (size_t)n >= sizeof err->text) return false;
    va_start(ap, fmt);
    vsnprintf(err->text + n, sizeof err->text - (size_t)n, fmt, ap);
    va_end(ap);
    return false;
}

struct reading {
    struct conf *c;
    const char *section, *section_arg; /* strings that live in the lines' argv */
    struct conf_error *err;
};

/* [name] or [name argument]: kept as a line without words so that its strings have an owner. */
static bool read_section(struct reading *r, struct conf_line *line) {
    char *first = line->argv[0], *last = line->argv[line->argc - 1];
    size_t end = strlen(last);
    bool empty = end == 0 || (line->argc == 2 && end == 1); /* a NUL, or "[name ]" */
    if (line->argc > 2 || empty || last[end - 1] != ']')
        return conf_complain(r->c, line, r->err,
                             "a section is written [name] or [name argument], alone on its line");
    last[end - 1] = '\0';
    memmove(first, first + 1, strlen(first));
    r->section = first;
    r->section_arg = line->argc == 2 ? last : "";
    if (!conf_section_known(r->section))
        return conf_complain(r->c, line, r->err,
                             "there is no section [%s]; the sections are node, pair, network, ha, "
                             "instance N, access, log, metrics, witness",
                             r->section);
    int64_t n;
    if (!strcmp(r->section, "instance") && !num_parse_range(r->section_arg, 0, 63, &n))
        return conf_complain(r->c, line, r->err,
                             "an instance needs a number from 0 to 63, as in [instance 0]");
    if (strcmp(r->section, "instance") != 0 && *r->section_arg)
        return conf_complain(r->c, line, r->err, "the section [%s] takes no argument", r->section);
    line->section = r->section;
    line->section_arg = r->section_arg;
    return true;
}

/* In a file with sections a word that begins with # and all behind it is a comment, too. In a server's
 * file it is not, as in redis.conf. */
size_t conf_without_comment(const char *text, size_t len) {
    char quote = 0;
    for (size_t i = 0; i < len; i++) {
        bool begins = i == 0 || is_space(text[i - 1]);
        if (quote) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == quote)
                quote = 0;
        } else if (begins && text[i] == '#') {
            return i;
        } else if (begins && (text[i] == '"' || text[i] == '\'')) {
            quote = text[i];
        }
    }
    return len;
}

static bool read_line(struct reading *r, const char *text, size_t len, int number) {
    struct conf_line line = {
        .section = r->section, .section_arg = r->section_arg, .number = number};
    size_t skip = 0;
    while (skip < len && is_space(text[skip])) skip++;
    if (skip == len || text[skip] == '#') return true;
    if (r->c->sections) len = conf_without_comment(text, len);
    line.argc = conf_split(text, len, &line.argv, &line.lens);
    if (line.argc < 0)
        return conf_complain(r->c, &line, r->err, "a quote is not closed, or is followed by text");
    struct conf *c = r->c;
    c->lines = xrealloc(c->lines, (c->count + 1) * sizeof *c->lines);
    c->lines[c->count++] = line;
    struct conf_line *kept = &c->lines[c->count - 1];
    if (!c->sections || kept->argv[0][0] != '[') {
        if (c->sections && !*r->section)
            return conf_complain(c, kept, r->err, "%s stands before the first [section]",
                                 kept->argv[0]);
        return true;
    }
    if (!read_section(r, kept)) return false;
    kept->argc = 0; /* the words stay as the owner of the section's name */
    return true;
}

bool conf_parse(struct conf *c, const char *name, const char *text, size_t len, bool sections,
                struct conf_error *err) {
    *c = (struct conf){.path = xstrdup(name), .sections = sections};
    struct reading r = {c, "", "", err};
    const char *s = text, *end = text + len;
    for (int number = 1; s < end; number++) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        const char *stop = newline ? newline : end;
        if (!read_line(&r, s, (size_t)(stop - s), number)) {
            conf_free(c);
            return false;
        }
        s = newline ? newline + 1 : end;
    }
    return true;
}

bool conf_read(struct conf *c, const char *path, bool sections, struct conf_error *err) {
    struct buf text = BUF_INIT;
    bool done = file_read_all(path, &text, CONF_LIMIT_BYTES);
    if (!done) {
        snprintf(err->text, sizeof err->text, "%s: cannot be read: %s", path,
                 errno == EFBIG ? "larger than 1 MiB, that is no configuration" : strerror(errno));
        *c = (struct conf){0};
    } else {
        done = conf_parse(c, path, buf_cstr(&text), buf_len(&text), sections, err);
    }
    buf_free(&text);
    return done;
}

void conf_free(struct conf *c) {
    for (size_t i = 0; i < c->count; i++) {
        struct conf_line *l = &c->lines[i];
        /* A section's line shows no words but owns those that it was read from. */
        int owned = l->argc;
        if (owned == 0 && l->argv) owned = *l->section_arg && l->argv[0] != l->section_arg ? 2 : 1;
        conf_words_free(l->argv, l->lens, owned);
    }
    free(c->lines);
    free(c->path);
    *c = (struct conf){0};
}

static bool apply_line(const struct conf *c, const struct conf_line *l, const struct conf_row *rows,
                       void *target, struct conf_error *err) {
    const struct conf_row *row = rows;
    while (row->name && strcasecmp(row->name, l->argv[0]) != 0) row++;
    if (!row->name)
        return conf_complain(c, l, err, "%s is not a directive%s%s%s; see the README's example",
                             l->argv[0], *l->section ? " of section [" : "", l->section,
                             *l->section ? "]" : "");
    int words = l->argc - 1;
    if (words < row->min || (row->max >= 0 && words > row->max))
        return conf_complain(c, l, err, "%s takes other words; it is written: %s", row->name,
                             row->help);
    return row->set(target, c, l, err);
}

bool conf_apply(const struct conf *c, const char *section, const char *section_arg,
                const struct conf_row *rows, void *target, struct conf_error *err) {
    for (size_t i = 0; i < c->count; i++) {
        const struct conf_line *l = &c->lines[i];
        if (l->argc == 0 || strcmp(l->section, section) != 0) continue;
        if (section_arg && strcmp(l->section_arg, section_arg) != 0) continue;
        if (!apply_line(c, l, rows, target, err)) return false;
    }
    return true;
}
