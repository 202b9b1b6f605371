/* Reading, showing and changing directives by the table of config_table.c. */
#include "server/config.h"

#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/base/conf.h"
#include "server/base/glob.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/proto/resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool (*config_effect)(enum config_effect effect, const char **err);

const struct config_row *config_find(const char *name, size_t len) {
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *r = &config_rows[i];
        if (strlen(r->name) == len && !strncasecmp(r->name, name, len)) return r;
        if (r->alias && strlen(r->alias) == len && !strncasecmp(r->alias, name, len)) return r;
    }
    return NULL;
}

static char **kept_slot(const struct config *c, const struct config_row *row) {
    return &c->kept[row - config_rows];
}

/* The row's place in the struct; the cast drops const, which readers do not make use of. */
#define FIELD(c, row, type) ((type *)((uintptr_t)(c) + (row)->offset))

static void set_string(char **slot, const char *value) {
    free(*slot);
    *slot = xstrdup(value);
}

static bool out_of_range(const struct config_row *row, const char **err) {
    static char text[120];
    snprintf(text, sizeof text, "argument must be between %lld and %lld inclusive",
             (long long)row->min, (long long)row->max);
    *err = text;
    return false;
}

static bool set_int(struct config *c, const struct config_row *row, const char *word,
                    const char **err) {
    int64_t v;
    if (!num_parse_i64(word, strlen(word), &v)) {
        *err = "argument couldn't be parsed into an integer";
        return false;
    }
    if (v < row->min || v > row->max) return out_of_range(row, err);
    *FIELD(c, row, int64_t) = v;
    return true;
}

static bool set_octal(struct config *c, const struct config_row *row, const char *word,
                      const char **err) {
    char *end;
    long v = strtol(word, &end, 8);
    if (!*word || *end) {
        *err = "argument couldn't be parsed as an octal number";
        return false;
    }
    if (v < row->min || v > row->max) return out_of_range(row, err);
    *FIELD(c, row, int64_t) = v;
    return true;
}

static bool set_bytes(struct config *c, const struct config_row *row, const char *word,
                      const char **err) {
    uint64_t v;
    if (!num_parse_bytes(word, &v)) {
        *err = "argument must be a memory value";
        return false;
    }
    if (v < (uint64_t)row->min || v > (uint64_t)row->max) return out_of_range(row, err);
    *FIELD(c, row, uint64_t) = v;
    return true;
}

static bool set_enum(struct config *c, const struct config_row *row, const char *word,
                     const char **err) {
    static char text[400];
    size_t n = (size_t)snprintf(text, sizeof text, "argument(s) must be one of the following: ");
    for (const struct config_enum *e = row->names; e->name; e++) {
        if (!strcasecmp(e->name, word)) {
            *FIELD(c, row, int) = e->value;
            return true;
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", e == row->names ? "" : ", ",
                              e->name);
    }
    *err = text;
    return false;
}

static bool set_bool(struct config *c, const struct config_row *row, const char *word,
                     const char **err) {
    bool yes = !strcasecmp(word, "yes");
    if (!yes && strcasecmp(word, "no")) {
        *err = "argument must be 'yes' or 'no'";
        return false;
    }
    *FIELD(c, row, bool) = yes;
    return true;
}

/* Sets one directive from its words; argc is 1 unless the row takes many. */
static bool set_row(struct config *c, const struct config_row *row, int argc, char **argv,
                    const char **err) {
    if (row->kind == C_WORDS) return row->set(c, argc, argv, err);
    if (row->set && !row->set(c, argc, argv, err)) return false;
    switch (row->kind) {
    case C_BOOL: return set_bool(c, row, argv[0], err);
    case C_INT: return set_int(c, row, argv[0], err);
    case C_OCTAL: return set_octal(c, row, argv[0], err);
    case C_BYTES: return set_bytes(c, row, argv[0], err);
    case C_ENUM: return set_enum(c, row, argv[0], err);
    case C_STRING: set_string(FIELD(c, row, char *), argv[0]); return true;
    case C_WORDS: break;
    case C_KEPT: {
        struct buf b = BUF_INIT;
        for (int i = 0; i < argc; i++) buf_printf(&b, "%s%s", i ? " " : "", argv[i]);
        set_string(kept_slot(c, row), buf_cstr(&b));
        buf_free(&b);
        return true;
    }
    }
    return true;
}

/* Sets one directive from a single string, as CONFIG SET gives it. */
static bool set_text(struct config *c, const struct config_row *row, const char *text,
                     const char **err) {
    char *word = xstrdup(text), *one[1] = {word};
    bool ok;
    if (row->kind != C_WORDS) {
        ok = set_row(c, row, 1, one, err);
    } else {
        char **words = NULL;
        size_t *lens = NULL;
        int n = conf_split(text, strlen(text), &words, &lens);
        *err = "Unbalanced quotes in configuration line";
        if (n == 0) {
            *word = '\0';
            ok = set_row(c, row, 1, one, err);
        } else {
            ok = n > 0 && set_row(c, row, n, words, err);
        }
        if (n >= 0) conf_words_free(words, lens, n);
    }
    free(word);
    return ok;
}

void config_show(const struct config *c, const struct config_row *row, struct buf *out) {
    switch (row->kind) {
    case C_BOOL: buf_add_str(out, *FIELD(c, row, bool) ? "yes" : "no"); break;
    case C_INT: buf_printf(out, "%lld", (long long)*FIELD(c, row, int64_t)); break;
    case C_OCTAL: buf_printf(out, "%llo", (unsigned long long)*FIELD(c, row, int64_t)); break;
    case C_BYTES: buf_printf(out, "%llu", (unsigned long long)*FIELD(c, row, uint64_t)); break;
    case C_STRING: buf_add_str(out, *FIELD(c, row, char *)); break;
    case C_WORDS: row->show(c, out); break;
    case C_KEPT: buf_add_str(out, *kept_slot(c, row)); break;
    case C_ENUM:
        for (const struct config_enum *e = row->names; e->name; e++) {
            if (e->value == *FIELD(c, row, int)) buf_add_str(out, e->name);
        }
        break;
    }
}

void config_presets(struct config *c) {
    *c = (struct config){0};
    c->kept_count = config_row_count;
    c->kept = xcalloc(config_row_count, sizeof *c->kept);
    c->file = xstrdup("");
    c->active_expire = true;
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *r = &config_rows[i];
        const char *err = "";
        c->kept[i] = NULL;
        if (!set_text(c, r, r->preset, &err)) bug("the preset of %s is refused: %s", r->name, err);
    }
}

void config_free(struct config *c) {
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *r = &config_rows[i];
        if (r->kind == C_STRING) free(*FIELD(c, r, char *));
        free(c->kept[i]);
    }
    for (int i = 0; i < c->bind_count; i++) free(c->bind[i]);
    free(c->master_host);
    free(c->kept);
    free(c->file);
}

bool config_set_words(struct config *c, const struct config_row *row, int argc, char **argv,
                      const char **err) {
    return set_row(c, row, argc, argv, err);
}

/* --- CONFIG GET --- */

static bool matches_any(const struct bytes *patterns, int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (glob_match(patterns[i], (struct bytes){name, strlen(name)}, true)) return true;
    }
    return false;
}

static void show_pair(const struct config *c, const struct config_row *row, const char *name,
                      struct buf *reply) {
    struct buf value = BUF_INIT;
    config_show(c, row, &value);
    resp_bulk_str(reply, name);
    resp_bulk(reply, buf_head(&value), buf_len(&value));
    buf_free(&value);
}

void config_get(const struct config *c, const struct bytes *patterns, int count, struct buf *reply,
                int resp) {
    struct buf body = BUF_INIT;
    size_t pairs = 0;
    for (size_t i = 0; i < config_row_count; i++) {
        const char *names[2] = {config_rows[i].name, config_rows[i].alias};
        for (int k = 0; k < 2; k++) {
            if (!names[k] || !matches_any(patterns, count, names[k])) continue;
            show_pair(c, &config_rows[i], names[k], &body);
            pairs++;
        }
    }
    resp_map(reply, resp, pairs);
    if (pairs) resp_raw(reply, buf_head(&body), buf_len(&body));
    buf_free(&body);
}

/* --- CONFIG SET --- */

struct change {
    const struct config_row *row;
    const char *name; /* as the client spelled it */
    struct buf old, new;
};

static void change_failed(struct buf *reply, const char *name, const char *why) {
    resp_errorf(reply, "ERR CONFIG SET failed (possibly related to argument '%s') - %s", name, why);
}

static bool may_change(const struct config *c, const struct config_row *row, const char **why) {
    if (row->flags & CONFIG_FIXED) {
        *why = "can't set immutable config";
        return false;
    }
    if (row->flags & CONFIG_PROTECTED && !c->enable_protected) {
        *why = "can't set protected config";
        return false;
    }
    return true;
}

/* Fills one change; false after the error was replied. */
static bool prepare(const struct config *c, struct change *all, int i, const struct bytes *args,
                    struct buf *reply) {
    struct change *ch = &all[i];
    const char *why = "";
    struct buf name = BUF_INIT;
    buf_add(&name, args[i * 2].p, args[i * 2].len);
    ch->name = xstrdup(buf_cstr(&name));
    buf_free(&name);
    buf_add(&ch->new, args[i * 2 + 1].p, args[i * 2 + 1].len);
    ch->row = config_find(ch->name, strlen(ch->name));
    if (!ch->row) {
        resp_errorf(reply, "ERR Unknown option or number of arguments for CONFIG SET - '%s'",
                    ch->name);
        return false;
    }
    if (!may_change(c, ch->row, &why)) {
        change_failed(reply, ch->name, why);
        return false;
    }
    for (int k = 0; k < i; k++) {
        if (all[k].row != ch->row) continue;
        change_failed(reply, ch->name, "duplicate parameter");
        return false;
    }
    config_show(c, ch->row, &ch->old);
    return true;
}

/* A word list is replaced, not added to, by CONFIG SET. */
static bool replace_value(struct config *c, const struct config_row *row, struct buf *text,
                          const char **err) {
    const char *ignored;
    if (row->flags & CONFIG_LINES) set_text(c, row, "", &ignored);
    return set_text(c, row, buf_cstr(text), err);
}

static void undo(struct config *c, struct change *all, int count) {
    const char *ignored = "";
    for (int i = count - 1; i >= 0; i--) replace_value(c, all[i].row, &all[i].old, &ignored);
    for (int i = 0; i < count; i++)
        if (config_effect && all[i].row->effect) config_effect(all[i].row->effect, &ignored);
}

static bool take_effect(struct change *all, int count, const char **name, const char **why) {
    for (int i = 0; i < count; i++) {
        enum config_effect e = all[i].row->effect;
        if (e == E_NONE || !config_effect) continue;
        bool seen = false;
        for (int k = 0; k < i; k++) seen = seen || all[k].row->effect == e;
        if (seen) continue;
        *name = all[i].name;
        if (!config_effect(e, why)) return false;
    }
    return true;
}

void config_set(struct config *c, const struct bytes *args, int argc, struct buf *reply) {
    int count = argc / 2;
    struct change *all = xcalloc((size_t)count, sizeof *all);
    const char *why = "", *name = "";
    int done = 0, ready = 0;
    while (ready < count) {
        ready++;
        if (!prepare(c, all, ready - 1, args, reply)) goto out;
    }
    for (; done < count; done++) {
        if (replace_value(c, all[done].row, &all[done].new, &why)) continue;
        change_failed(reply, all[done].name, why);
        undo(c, all, done + 1);
        goto out;
    }
    if (!take_effect(all, count, &name, &why)) {
        change_failed(reply, name, why);
        undo(c, all, count);
        goto out;
    }
    resp_status(reply, "OK");
out:
    for (int i = 0; i < ready; i++) {
        free((void *)(uintptr_t)all[i].name);
        buf_free(&all[i].old);
        buf_free(&all[i].new);
    }
    free(all);
}
