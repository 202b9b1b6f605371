/* Values of directives of one word: numbers, sizes, percents, yes and no, names. Their errors are redis-server's. */
#include "server/config.h"

#include "server/base/buf.h"
#include "server/base/num.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef unsigned long long ull;

enum { ERROR_BYTES = 256 }; /* as long as redis-server lets them be */
static char error_text[ERROR_BYTES];

/* A size as redis.conf has it: digits and a unit. What is too big goes round, as there. */
static bool parse_memory(const char *word, int64_t *v) {
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {{"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
                 {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
    size_t digits = 0;
    while (isdigit((unsigned char)word[digits])) digits++;
    if (digits >= 128) return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcasecmp(word + digits, units[i].name) != 0) continue;
        char number[128];
        memcpy(number, word, digits);
        number[digits] = '\0';
        *v = (int64_t)(strtoull(number, NULL, 10) * units[i].bytes);
        return true;
    }
    return false;
}

static bool parse_percent(const char *word, int64_t *v) {
    size_t len = strlen(word);
    if (len < 2 || word[len - 1] != '%' || !num_parse_i64(word, len - 1, v) || *v < 0) return false;
    *v = -*v;
    return true;
}

static bool parse_octal(const char *word, int64_t *v) {
    char *end;
    errno = 0;
    *v = strtoll(word, &end, 8);
    return errno == 0 && !*end;
}

static bool parse_number(const struct config_row *row, const char *word, int64_t *v,
                         const char **err) {
    switch (row->kind) {
    case C_BYTES: *err = "argument must be a memory value"; return parse_memory(word, v);
    case C_PERCENT:
        *err = "argument must be a memory or percent value";
        return parse_memory(word, v) || parse_percent(word, v);
    case C_OCTAL:
        *err = "argument couldn't be parsed as an octal number";
        return parse_octal(word, v);
    default:
        *err = "argument couldn't be parsed into an integer";
        return num_parse_i64(word, strlen(word), v);
    }
}

static bool in_range(const struct config_row *row, int64_t v, const char **err) {
    uint64_t min = (uint64_t)row->min, max = (uint64_t)row->max;
    *err = error_text;
    if (row->kind == C_PERCENT && v < 0) {
        snprintf(error_text, sizeof error_text, "percentage argument must be less or equal to %lld",
                 (long long)-row->min);
        return v >= row->min;
    }
    if (row->kind == C_BYTES) {
        snprintf(error_text, sizeof error_text, "argument must be between %llu and %llu inclusive",
                 (ull)min, (ull)max);
        return (uint64_t)v >= min && (uint64_t)v <= max;
    }
    snprintf(error_text, sizeof error_text,
             row->kind == C_OCTAL ? "argument must be between %llo and %llo inclusive"
                                  : "argument must be between %lld and %lld inclusive",
             (ull)row->min, (ull)row->max);
    return v >= row->min && v <= row->max;
}

static bool name_value(const struct config_enum *names, const char *word, int64_t *v) {
    for (const struct config_enum *e = names; e->name; e++) {
        if (strcasecmp(e->name, word) != 0) continue;
        *v |= e->value;
        return true;
    }
    return false;
}

static bool parse_names(const struct config_row *row, int argc, char **argv, int64_t *v,
                        const char **err) {
    bool ok = argc == 1 || (argc > 1 && row->kind == C_FLAGS);
    *v = 0;
    for (int i = 0; i < argc && ok; i++) ok = name_value(row->names, argv[i], v);
    if (ok) return true;
    size_t n = (size_t)snprintf(error_text, sizeof error_text,
                                "argument(s) must be one of the following: ");
    for (const struct config_enum *e = row->names; e->name && n < sizeof error_text; e++)
        n += (size_t)snprintf(error_text + n, sizeof error_text - n, "%s%s",
                              e == row->names ? "" : ", ", e->name);
    *err = error_text;
    return false;
}

bool config_parse(const struct config_row *row, int argc, char **argv, int64_t *v,
                  const char **err) {
    if (row->kind == C_ENUM || row->kind == C_FLAGS) return parse_names(row, argc, argv, v, err);
    if (argc != 1) {
        *err = "wrong number of arguments";
        return false;
    }
    if (row->kind != C_BOOL) return parse_number(row, argv[0], v, err) && in_range(row, *v, err);
    *v = !strcasecmp(argv[0], "yes");
    *err = "argument must be 'yes' or 'no'";
    return *v || !strcasecmp(argv[0], "no");
}

/* The row's place in the struct; the cast drops const, which readers do not make use of. */
#define FIELD(c, row, type) ((type *)((uintptr_t)(c) + (row)->offset))

int64_t config_number(const struct config *c, const struct config_row *row) {
    if (row->flags & CONFIG_KEPT) return c->kept_numbers[row - config_rows];
    switch (row->kind) {
    case C_BOOL: return *FIELD(c, row, bool);
    case C_ENUM:
    case C_FLAGS: return *FIELD(c, row, int);
    default: return *FIELD(c, row, int64_t);
    }
}

void config_put_number(struct config *c, const struct config_row *row, int64_t v) {
    if (row->flags & CONFIG_KEPT)
        c->kept_numbers[row - config_rows] = v;
    else if (row->kind == C_BOOL)
        *FIELD(c, row, bool) = v != 0;
    else if (row->kind == C_ENUM || row->kind == C_FLAGS)
        *FIELD(c, row, int) = (int)v;
    else
        *FIELD(c, row, int64_t) = v;
}

char **config_string(const struct config *c, const struct config_row *row) {
    return row->flags & CONFIG_KEPT ? &c->kept[row - config_rows] : FIELD(c, row, char *);
}

static void show_names(const struct config_row *row, int64_t v, struct buf *out) {
    for (const struct config_enum *e = row->names; e->name; e++) {
        if (e->value != v) continue;
        buf_add_str(out, e->name);
        return;
    }
    bool first = true;
    for (const struct config_enum *e = row->names; e->name; e++) {
        if (!e->value || (v & e->value) != e->value) continue;
        buf_printf(out, "%s%s", first ? "" : " ", e->name);
        first = false;
    }
}

void config_show_number(const struct config_row *row, int64_t v, struct buf *out) {
    switch (row->kind) {
    case C_BOOL: buf_add_str(out, v ? "yes" : "no"); break;
    case C_OCTAL: buf_printf(out, "%llo", (ull)v); break;
    case C_BYTES: buf_printf(out, "%llu", (ull)v); break;
    case C_PERCENT: buf_printf(out, "%lld%s", (long long)(v < 0 ? -v : v), v < 0 ? "%" : ""); break;
    case C_ENUM:
    case C_FLAGS: show_names(row, v, out); break;
    default: buf_printf(out, "%lld", (long long)v);
    }
}

void config_format_bytes(char *out, size_t size, uint64_t bytes) {
    static const struct {
        const char *name;
        unsigned bits;
    } units[] = {{"gb", 30}, {"mb", 20}, {"kb", 10}};
    for (size_t i = 0; i < sizeof units / sizeof units[0] && bytes; i++) {
        if (bytes & (((uint64_t)1 << units[i].bits) - 1)) continue;
        snprintf(out, size, "%llu%s", (ull)(bytes >> units[i].bits), units[i].name);
        return;
    }
    snprintf(out, size, "%llu", (ull)bytes);
}
