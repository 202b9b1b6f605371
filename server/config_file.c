/* The configuration at start (file and command line), CONFIG REWRITE, and the help text. */
#include "server/config.h"

#include "server/base/buf.h"
#include "server/base/conf.h"
#include "server/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FILE_LIMIT_BYTES = 1 << 20 };

static bool apply_line(struct config *c, const struct conf *file, const struct conf_line *l,
                       struct conf_error *err) {
    const struct config_row *row = config_find(l->argv[0], strlen(l->argv[0]));
    const char *why = "";
    if (!row)
        return conf_complain(file, l, err,
                             "'%s' is not a directive that Duet knows; remove it (duet server "
                             "--help lists them)",
                             l->argv[0]);
    if (l->argc < 2 && row->flags & CONFIG_LINES) return true; /* no points are added */
    if (l->argc < 2)
        return conf_complain(file, l, err, "%s needs a value; the preset is \"%s\"", l->argv[0],
                             row->preset);
    if (l->argc > 2 && !(row->flags & CONFIG_MANY))
        return conf_complain(file, l, err,
                             "%s takes one value, here are %d; quote it if it has "
                             "spaces",
                             l->argv[0], l->argc - 1);
    if (config_set_words(c, row, l->argc - 1, l->argv + 1, &why)) return true;
    return conf_complain(file, l, err, "%s \"%s\" is refused: %s", l->argv[0], l->argv[1], why);
}

static bool apply_all(struct config *c, const struct conf *file, struct conf_error *err) {
    for (size_t i = 0; i < file->count; i++) {
        if (file->lines[i].argc && !apply_line(c, file, &file->lines[i], err)) return false;
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

static bool load_file(struct config *c, const char *path, struct conf_error *err) {
    struct conf file = {0};
    bool from_stdin = !strcmp(path, "-");
    bool ok = from_stdin ? read_stdin(&file, err) : conf_read(&file, path, false, err);
    if (ok) ok = apply_all(c, &file, err);
    conf_free(&file);
    if (!ok || from_stdin) return ok;
    free(c->file);
    c->file = realpath(path, NULL);
    if (!c->file) c->file = xstrdup(path);
    return true;
}

/* "--port 7000 --save 900 1": each word that begins with -- starts a directive, numbered by its
 * place on the command line. */
static bool load_options(struct config *c, int argc, char **argv, int first,
                         struct conf_error *err) {
    char name[] = "option";
    struct conf fake = {.path = name};
    bool save_seen = false;
    for (int i = first; i < argc;) {
        struct conf_line l = {.section = "", .section_arg = "", .number = i + 1};
        if (strncmp(argv[i], "--", 2) || !argv[i][2])
            return conf_complain(&fake, &(struct conf_line){.number = i + 1}, err,
                                 "'%s' is not an option; options are written --DIRECTIVE VALUE",
                                 argv[i]);
        int end = i + 1;
        while (end < argc && strncmp(argv[end], "--", 2)) end++;
        char **words = xcalloc((size_t)(end - i) + 1, sizeof *words);
        words[0] = argv[i] + 2;
        for (int k = i + 1; k < end; k++) words[k - i] = argv[k];
        l.argv = words;
        l.argc = end - i;
        if (!strcasecmp(words[0], "save") && !save_seen) {
            save_seen = true;
            c->save_count = 0; /* options replace the file's points, and add up among themselves */
        }
        bool ok = apply_line(c, &fake, &l, err);
        free(words);
        if (!ok) return false;
        i = end;
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
    config_presets(c);
    int first = 0;
    if (argc > 0 && (strncmp(argv[0], "--", 2) || !argv[0][2])) {
        if (!load_file(c, argv[0], err)) return false;
        first = 1;
    }
    return load_options(c, argc, argv, first, err) && check_whole(c, err);
}

/* --- CONFIG REWRITE --- */

static bool is_preset(const struct config *c, const struct config *preset,
                      const struct config_row *row) {
    struct buf a = BUF_INIT, b = BUF_INIT;
    config_show(c, row, &a);
    config_show(preset, row, &b);
    bool same = buf_len(&a) == buf_len(&b) &&
                (!buf_len(&a) || !memcmp(buf_head(&a), buf_head(&b), buf_len(&a)));
    buf_free(&a);
    buf_free(&b);
    return same;
}

static void write_row(const struct config *c, const struct config_row *row, const char *name,
                      struct buf *out) {
    struct buf v = BUF_INIT;
    config_show(c, row, &v);
    buf_printf(out, "%s ", name);
    if (row->kind == C_WORDS && buf_len(&v))
        buf_add(out, buf_head(&v), buf_len(&v));
    else
        conf_quote(out, buf_cstr(&v), buf_len(&v));
    buf_add_str(out, "\n");
    buf_free(&v);
}

/* Copies the file line by line; a directive's first line gets the present value, its others go. */
static void rewrite_lines(const struct config *c, const char *text, size_t len, bool *written,
                          struct buf *out) {
    while (len) {
        const char *nl = memchr(text, '\n', len);
        size_t n = nl ? (size_t)(nl - text) : len;
        char **words = NULL;
        size_t *lens = NULL;
        int count = conf_split(text, n, &words, &lens);
        const struct config_row *row =
            count > 0 && words[0][0] != '#' ? config_find(words[0], lens[0]) : NULL;
        if (!row) {
            buf_add(out, text, n);
            buf_add_str(out, "\n");
        } else if (!written[row - config_rows]) {
            written[row - config_rows] = true;
            write_row(c, row, words[0], out);
        }
        if (count >= 0) conf_words_free(words, lens, count);
        size_t taken = nl ? n + 1 : n;
        text += taken;
        len -= taken;
    }
}

bool config_rewrite(const struct config *c, char *err, size_t err_size) {
    struct buf old = BUF_INIT, new = BUF_INIT;
    struct config preset;
    bool ok = false;
    if (!*c->file) {
        snprintf(err, err_size, "ERR The server is running without a config file");
        return false;
    }
    bool *written = xcalloc(config_row_count, sizeof *written);
    config_presets(&preset);
    if (!file_read_all(c->file, &old, FILE_LIMIT_BYTES) && errno != ENOENT) goto failed;
    if (buf_len(&old)) rewrite_lines(c, buf_head(&old), buf_len(&old), written, &new);
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (!written[i] && !is_preset(c, &preset, row)) write_row(c, row, row->name, &new);
    }
    if (file_replace(c->file, buf_head(&new), buf_len(&new), 0644)) ok = true;
failed:
    if (!ok) snprintf(err, err_size, "ERR Rewriting config file: %s", strerror(errno));
    config_free(&preset);
    free(written);
    buf_free(&old);
    buf_free(&new);
    return ok;
}

void config_help(void) {
    printf("usage: duet server [FILE] [--DIRECTIVE VALUE...]...\n\n"
           "A Redis-compatible server. FILE is written as redis.conf is; \"-\" reads standard "
           "input.\nDirectives, with their presets:\n\n");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *r = &config_rows[i];
        if (r->kind == C_KEPT) continue;
        printf("  %-28s %s\n", r->name, *r->preset ? r->preset : "\"\"");
    }
    printf("\nTaken for the sake of existing files, without an effect yet or by nature:\n ");
    for (size_t i = 0; i < config_row_count; i++) {
        if (config_rows[i].kind == C_KEPT) printf(" %s", config_rows[i].name);
    }
    printf("\n");
}
