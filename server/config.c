/* Reading, showing and changing directives by the table of config_table.c. */
#include "server/config.h"

#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/base/glob.h"
#include "server/base/log.h"
#include "server/proto/resp.h"

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

/* --- setting and showing one --- */

static void set_string(char **slot, const char *value) {
    char *new = xstrdup(value);
    free(*slot);
    *slot = new;
}

static bool only_the_preset(const struct config_row *row, int argc, char **argv) {
    if (row->kind == C_STRING) return argc == 1 && !strcmp(argv[0], row->preset);
    return argc == 1 && !strcasecmp(argv[0], row->preset);
}

/* Sets one directive from its words. */
static bool set_row(struct config *c, const struct config_row *row, int argc, char **argv,
                    const char **err) {
    int64_t v = 0;
    if (row->kind == C_WORDS) return row->set(c, argc, argv, err);
    if (row->kind == C_STRING && argc != 1) {
        *err = "wrong number of arguments";
        return false;
    }
    if (row->kind != C_STRING && !config_parse(row, argc, argv, &v, err)) return false;
    if (row->set && !row->set(c, argc, argv, err)) return false;
    if (row->flags & CONFIG_ONLY && !only_the_preset(row, argc, argv)) {
        *err = row->why;
        return false;
    }
    if (row->kind == C_STRING)
        set_string(config_string(c, row), argv[0]);
    else
        config_put_number(c, row, v);
    return true;
}

/* Sets one directive from a single string, as CONFIG SET gives it: words are what stands between single blanks, and
 * nothing is no word. */
static bool set_text(struct config *c, const struct config_row *row, const char *text,
                     const char **err) {
    char *copy = xstrdup(text), *words[256];
    int n = 0;
    bool ok;
    if (!(row->flags & CONFIG_MANY)) {
        words[n++] = copy;
    } else if (*copy) {
        for (char *p = copy; p && n < 256; p = strchr(p, ' ')) {
            if (n) *p++ = '\0';
            words[n++] = p;
        }
    }
    ok = set_row(c, row, n, words, err);
    free(copy);
    return ok;
}

void config_show(const struct config *c, const struct config_row *row, struct buf *out) {
    if (row->kind == C_WORDS)
        row->show(c, out);
    else if (row->kind == C_STRING)
        buf_add_str(out, *config_string(c, row));
    else
        config_show_number(row, config_number(c, row), out);
}

void config_presets(struct config *c) {
    *c = (struct config){0};
    c->kept = xcalloc(config_row_count, sizeof *c->kept);
    c->kept_numbers = xcalloc(config_row_count, sizeof *c->kept_numbers);
    c->file = xstrdup("");
    c->active_expire = true;
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *r = &config_rows[i];
        const char *err = "";
        if (!set_text(c, r, r->preset, &err)) bug("the preset of %s is refused: %s", r->name, err);
    }
}

void config_free(struct config *c) {
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *r = &config_rows[i];
        if (r->kind == C_STRING) free(*config_string(c, r));
    }
    for (int i = 0; i < c->bind_count; i++) free(c->bind[i]);
    for (size_t i = 0; i < 2 * c->rename_count; i++) free(c->renames[i]);
    free(c->renames);
    free(c->master_host);
    free(c->kept);
    free(c->kept_numbers);
    free(c->file);
}

bool config_set_words(struct config *c, const struct config_row *row, int argc, char **argv,
                      const char **err) {
    return set_row(c, row, argc, argv, err);
}

/* --- CONFIG GET --- */

static bool has_wildcard(struct bytes pattern) {
    for (size_t i = 0; i < pattern.len; i++)
        if (strchr("[*?", pattern.p[i]) && pattern.p[i]) return true;
    return false;
}

static void show_pair(const struct config *c, const struct config_row *row, struct bytes name,
                      struct buf *reply) {
    struct buf value = BUF_INIT;
    config_show(c, row, &value);
    resp_bulk(reply, name.p, name.len);
    resp_bulk(reply, buf_len(&value) ? buf_head(&value) : "", buf_len(&value));
    buf_free(&value);
}

/* A name asked for is shown as it was spelled; each once. */
struct shown {
    const struct config *c;
    struct buf *body;
    size_t pairs;
    bool *done; /* two a row: the name, the alias */
};

static void show_once(struct shown *s, size_t i, int which, struct bytes name) {
    bool *done = &s->done[i * 2 + (size_t)which];
    if (*done) return;
    *done = true;
    show_pair(s->c, &config_rows[i], name, s->body);
    s->pairs++;
}

static void show_matching(struct shown *s, struct bytes pattern) {
    bool wild = has_wildcard(pattern);
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (row->flags & CONFIG_PRIVATE) continue;
        const char *names[2] = {row->name, row->alias};
        for (int k = 0; k < 2; k++) {
            if (!names[k]) continue;
            struct bytes name = {names[k], strlen(names[k])};
            if (!wild && name.len == pattern.len && !strncasecmp(name.p, pattern.p, name.len))
                show_once(s, i, k, pattern);
            else if (wild && !(row->flags & CONFIG_HIDDEN) && glob_match(pattern, name, true))
                show_once(s, i, k, name);
        }
    }
}

void config_get(const struct config *c, const struct bytes *patterns, int count, struct buf *reply,
                int resp) {
    struct buf body = BUF_INIT;
    struct shown s = {c, &body, 0, xcalloc(config_row_count * 2, sizeof(bool))};
    for (int i = 0; i < count; i++) show_matching(&s, patterns[i]);
    resp_map(reply, resp, s.pairs);
    if (s.pairs) resp_raw(reply, buf_head(&body), buf_len(&body));
    free(s.done);
    buf_free(&body);
}

/* --- CONFIG SET --- */

struct change {
    const struct config_row *row;
    bool by_alias;
    char *name;  /* as the client spelled it */
    char *lower; /* as redis-server calls it */
    struct buf old, new;
};

static void change_failed(struct buf *reply, const char *name, const char *why) {
    resp_errorf(reply, "ERR CONFIG SET failed (possibly related to argument '%s')%s%s", name,
                why && *why ? " - " : "", why ? why : "");
}

static char *copy_word(struct bytes word) {
    char *copy = xmalloc(word.len + 1);
    memcpy(copy, word.p, word.len);
    copy[word.len] = '\0';
    return copy;
}

/* Fills all changes; false when one may not be made. Unknown names are told first. */
static bool prepare(const struct config *c, struct change *all, int count, bool trusted,
                    const struct bytes *args, struct buf *reply) {
    const char *why = NULL, *whose = NULL;
    for (int i = 0; i < count; i++) {
        struct change *ch = &all[i];
        ch->name = copy_word(args[i * 2]);
        ch->row = config_find(ch->name, strlen(ch->name));
        buf_add(&ch->new, args[i * 2 + 1].p, args[i * 2 + 1].len);
        if (why || whose) continue;
        whose = ch->name;
        if (!ch->row) continue;
        ch->by_alias = strcasecmp(ch->name, ch->row->name) != 0;
        ch->lower = xstrdup(ch->by_alias ? ch->row->alias : ch->row->name);
        if (ch->row->flags & CONFIG_FIXED)
            why = "can't set immutable config";
        else if (ch->row->flags & CONFIG_PROTECTED && !trusted)
            why = "can't set protected config";
        else if (memchr(args[i * 2 + 1].p, '\0', args[i * 2 + 1].len))
            why = "a value cannot hold a NUL byte";
        for (int k = 0; k < i && !why; k++)
            if (all[k].row == ch->row && all[k].by_alias == ch->by_alias)
                why = "duplicate parameter";
        if (why) continue;
        config_show(c, ch->row, &ch->old);
        whose = NULL;
    }
    if (!whose) return true;
    if (why)
        change_failed(reply, whose, why);
    else
        resp_errorf(reply, "ERR Unknown option or number of arguments for CONFIG SET - '%s'",
                    whose);
    return false;
}

/* A word list is replaced, not added to, by CONFIG SET. */
static bool replace_value(struct config *c, const struct config_row *row, struct buf *text,
                          const char **err) {
    const char *ignored;
    struct buf before = BUF_INIT;
    if (!(row->flags & CONFIG_LINES)) return set_text(c, row, buf_cstr(text), err);
    config_show(c, row, &before);
    char *none[1] = {(char *)(uintptr_t) ""};
    row->set(c, 1, none, &ignored);
    bool ok = set_text(c, row, buf_cstr(text), err);
    if (!ok) set_text(c, row, buf_cstr(&before), &ignored);
    buf_free(&before);
    return ok;
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
        *name = all[i].lower;
        if (!config_effect(e, why)) return false;
    }
    return true;
}

static bool change_all(struct config *c, struct change *all, int count, struct buf *reply) {
    const char *why = NULL, *name = "";
    for (int i = 0; i < count; i++) {
        if (replace_value(c, all[i].row, &all[i].new, &why)) continue;
        change_failed(reply, all[i].lower, why); /* undoing says other things in the same place */
        undo(c, all, i + 1);
        return false;
    }
    why = NULL;
    if (take_effect(all, count, &name, &why)) return true;
    change_failed(reply, name, why);
    undo(c, all, count);
    return false;
}

bool config_set(struct config *c, const struct bytes *args, int argc, bool trusted,
                struct buf *reply) {
    int count = argc / 2;
    struct change *all = xcalloc((size_t)count, sizeof *all);
    bool ok = prepare(c, all, count, trusted, args, reply) && change_all(c, all, count, reply);
    if (ok) resp_status(reply, "OK");
    for (int i = 0; i < count; i++) {
        free(all[i].name);
        free(all[i].lower);
        buf_free(&all[i].old);
        buf_free(&all[i].new);
    }
    free(all);
    return ok;
}
