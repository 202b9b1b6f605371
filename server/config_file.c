/* The configuration at start (files and command line), and the help text. */
#include "server/config.h"

#include "server/base/buf.h"
#include "server/base/conf.h"

#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FILE_LIMIT_BYTES = 1 << 20, INCLUDES_MAX = 16 };

/* One file after the other: `include` goes down. */
struct reading {
    struct config *c;
    struct conf_error *err;
    int depth;
    bool save_seen; /* the first save line of this start replaces the preset */
};

static bool load_file(struct reading *r, const char *path);

/* A pattern may match nothing; a plain name must be there. */
static bool include(struct reading *r, const struct conf *file, const struct conf_line *l) {
    const char *name = l->argv[1];
    glob_t found;
    bool ok = true;
    if (l->argc != 2) return conf_complain(file, l, r->err, "include takes one file or pattern");
    if (r->depth == INCLUDES_MAX)
        return conf_complain(file, l, r->err, "files include each other without an end");
    r->depth++;
    if (!strpbrk(name, "*?[")) {
        ok = load_file(r, name);
    } else if (glob(name, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc && ok; i++) ok = load_file(r, found.gl_pathv[i]);
        globfree(&found);
    }
    r->depth--;
    return ok;
}

static bool rename_command(struct reading *r, const struct conf *file, const struct conf_line *l) {
    struct config *c = r->c;
    if (l->argc != 3)
        return conf_complain(file, l, r->err,
                             "rename-command takes two names; \"\" as the second takes the "
                             "command away");
    c->renames = xrealloc(c->renames, (c->rename_count + 1) * 2 * sizeof *c->renames);
    c->renames[c->rename_count * 2] = xstrdup(l->argv[1]);
    c->renames[c->rename_count++ * 2 + 1] = xstrdup(l->argv[2]);
    return true;
}

/* What redis.conf may hold besides directives. True: it was one of these, and *ok says how it went. */
static bool special(struct reading *r, const struct conf *file, const struct conf_line *l,
                    bool *ok) {
    static const struct {
        const char *name, *why;
    } refused[] = {
        {"user", "there is one user, the default one: requirepass is its password"},
        {"loadmodule", "modules are not part of Duet; remove this line"},
        {"sentinel", "Duet watches its pair by itself; there is no sentinel mode"},
    };
    static const char *const past[] = {"list-max-ziplist-entries", "list-max-ziplist-value",
                                       "lua-replicate-commands"};
    const char *name = l->argv[0];
    *ok = true;
    if (!strcasecmp(name, "include"))
        *ok = include(r, file, l);
    else if (!strcasecmp(name, "rename-command"))
        *ok = rename_command(r, file, l);
    else {
        for (size_t i = 0; i < sizeof past / sizeof past[0]; i++)
            if (!strcasecmp(name, past[i]) && l->argc == 2) return true;
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
            if (strcasecmp(name, refused[i].name) != 0) continue;
            *ok = conf_complain(file, l, r->err, "%s is refused: %s", name, refused[i].why);
            return true;
        }
        return false;
    }
    return true;
}

/* A directive of many words may come as one quoted word. */
static bool set_line(struct config *c, const struct config_row *row, const struct conf_line *l,
                     const char **why) {
    char **words;
    size_t *lens;
    if (!(row->flags & CONFIG_MANY) || l->argc != 2 || !*l->argv[1])
        return config_set_words(c, row, l->argc - 1, l->argv + 1, why);
    int n = conf_split(l->argv[1], strlen(l->argv[1]), &words, &lens);
    *why = "Unbalanced quotes in configuration line";
    if (n < 0) return false;
    bool ok = config_set_words(c, row, n, words, why);
    conf_words_free(words, lens, n);
    return ok;
}

static bool __attribute__((format(printf, 4, 5)))
refuse_line(struct reading *r, const struct conf *file, const struct conf_line *l, const char *fmt,
            ...) {
    struct buf line = BUF_INIT, why = BUF_INIT;
    va_list ap;
    const struct config_row *row = config_find(l->argv[0], strlen(l->argv[0]));
    bool secret = row && row->flags & CONFIG_SECRET;
    for (int i = 1; !secret && i < l->argc; i++) buf_printf(&line, " \"%s\"", l->argv[i]);
    va_start(ap, fmt);
    buf_vprintf(&why, fmt, ap);
    va_end(ap);
    conf_complain(file, l, r->err, "'%s%s' is refused: %s", l->argv[0], buf_cstr(&line),
                  buf_cstr(&why));
    buf_free(&line);
    buf_free(&why);
    return false;
}

static bool apply_line(struct reading *r, const struct conf *file, const struct conf_line *l) {
    const struct config_row *row = config_find(l->argv[0], strlen(l->argv[0]));
    const char *why = "";
    bool ok;
    if (!row && special(r, file, l, &ok)) return ok;
    if (!row)
        return conf_complain(file, l, r->err,
                             "'%s' is not a directive that Duet knows; remove it (duet server "
                             "--help lists them)",
                             l->argv[0]);
    if (row->flags & CONFIG_LINES && !r->save_seen) {
        r->save_seen = true;
        r->c->save_count = 0;
    }
    if (l->argc < 2 && !(row->flags & CONFIG_MANY))
        return refuse_line(r, file, l,
                           "wrong number of arguments: it needs a value; the preset is \"%s\"",
                           row->preset);
    if (l->argc > 2 && !(row->flags & CONFIG_MANY))
        return refuse_line(
            r, file, l,
            "wrong number of arguments: it takes one value, here are %d; quote it if "
            "it has spaces",
            l->argc - 1);
    return set_line(r->c, row, l, &why) || refuse_line(r, file, l, "%s", why);
}

static bool apply_all(struct reading *r, const struct conf *file) {
    for (size_t i = 0; i < file->count; i++) {
        if (file->lines[i].argc && !apply_line(r, file, &file->lines[i])) return false;
    }
    return true;
}

static bool read_stdin(struct conf *file, struct conf_error *err) {
    struct buf text = BUF_INIT;
    ssize_t n;
    while ((n = read(0, buf_room(&text, 65536), 65536)) > 0) {
        buf_added(&text, (size_t)n);
        if (buf_len(&text) > FILE_LIMIT_BYTES) break;
    }
    bool ok = conf_parse(file, "standard input", buf_head(&text), buf_len(&text), false, err);
    buf_free(&text);
    return ok;
}

static bool load_stdin(struct reading *r) {
    struct conf file = {0};
    bool ok = read_stdin(&file, r->err) && apply_all(r, &file);
    conf_free(&file);
    return ok;
}

static bool load_file(struct reading *r, const char *path) {
    struct conf file = {0};
    bool ok = conf_read(&file, path, false, r->err) && apply_all(r, &file);
    conf_free(&file);
    return ok;
}

/* An option: its name, maybe with its value in the same word ("--port 7000"), and the words up to the next one.
 * The first of these is a value whatever it looks like. Returns the next option's place. */
static int option_line(int argc, char **argv, int at, struct conf_line *l) {
    const char *name = strncmp(argv[at], "--", 2)
                           ? argv[at]
                           : argv[at] + 2; /* "port 7000" too, at the beginning */
    int n = conf_split(name, strlen(name), &l->argv, &l->lens), end = at + 1;
    bool alone = n == 1;
    if (n < 0) return -1;
    bool save = alone && !strcasecmp(l->argv[0], "save");
    bool empty_save = save && (end == argc || !strncmp(argv[end], "--", 2));
    if (alone && !empty_save && end < argc && strcmp(argv[end], "-") != 0) end++;
    while (end < argc && strncmp(argv[end], "--", 2) != 0 &&
           !(end == argc - 1 && !strcmp(argv[end], "-")))
        end++;
    int more = end - at - 1;
    l->argc = n + more + empty_save;
    l->argv = xrealloc(l->argv, (size_t)(l->argc + 1) * sizeof *l->argv);
    for (int i = 0; i < more; i++) l->argv[n + i] = xstrdup(argv[at + 1 + i]);
    if (empty_save) l->argv[n] = xstrdup("");
    l->number = at + 1;
    return end;
}

/* "--port 7000 --save 900 1": each is numbered by its place on the command line. */
static bool load_options(struct reading *r, int argc, char **argv, int first) {
    char name[] = "option";
    struct conf fake = {.path = name};
    r->save_seen = false; /* options replace the file's points, and add up among themselves */
    for (int i = first; i < argc;) {
        struct conf_line l = {.section = "", .section_arg = "", .number = i + 1};
        if (i == argc - 1 && !strcmp(argv[i], "-")) return true; /* read before */
        if (i > first && (strncmp(argv[i], "--", 2) || !argv[i][2]))
            return conf_complain(&fake, &l, r->err,
                                 "'%s' is not an option; options are written --DIRECTIVE VALUE",
                                 argv[i]);
        int next = option_line(argc, argv, i, &l);
        if (next < 0) return conf_complain(&fake, &l, r->err, "%s: a quote is not closed", argv[i]);
        bool ok = l.argc == 0 || apply_line(r, &fake, &l);
        conf_words_free(l.argv, l.lens, l.argc);
        if (!ok) return false;
        i = next;
    }
    return true;
}

static bool check_whole(struct config *c, struct conf_error *err) {
    const char *what = NULL;
    if (*c->pair_lease && !*c->control)
        what = "pair-lease needs control PATH beside it: had steers the server through it";
    else if (*c->pair_lease && *c->master_host)
        what = "replicaof and pair-lease exclude each other: in a pair had says who follows whom";
    else if (!c->port && !c->tls_port && !*c->unixsocket && !*c->control)
        what = "port 0, no tls-port and no unixsocket: nobody could connect; give one of them";
    if (!what) return true;
    snprintf(err->text, sizeof err->text, "%s", what);
    return false;
}

bool config_load(struct config *c, int argc, char **argv, struct conf_error *err) {
    struct reading r = {.c = c, .err = err};
    int first = 0;
    config_presets(c);
    if (argc > 0 && argv[0][0] != '-') {
        if (!load_file(&r, argv[0])) return false;
        free(c->file);
        c->file = realpath(argv[0], NULL);
        if (!c->file) c->file = xstrdup(argv[0]);
        first = 1;
    }
    bool from_stdin = argc > 0 && (!strcmp(argv[0], "-") || !strcmp(argv[argc - 1], "-"));
    if (from_stdin && !load_stdin(&r)) return false;
    if (argc > 0 && !strcmp(argv[0], "-")) first = 1;
    return load_options(&r, argc, argv, first) && check_whole(c, err);
}

void config_help(void) {
    printf("usage: duet server [FILE] [--DIRECTIVE VALUE...]...\n\n"
           "A Redis-compatible server. FILE is written as redis.conf is; \"-\" reads standard "
           "input.\nDirectives, with their presets:\n\n");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *r = &config_rows[i];
        if (r->flags & CONFIG_KEPT) continue;
        printf("  %-28s %s\n", r->name, *r->preset ? r->preset : "\"\"");
    }
    printf("\nTaken for the sake of existing files, without an effect yet or by nature:\n ");
    for (size_t i = 0; i < config_row_count; i++) {
        if (config_rows[i].flags & CONFIG_KEPT) printf(" %s", config_rows[i].name);
    }
    printf("\n");
}
