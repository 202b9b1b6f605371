/* See doc.h. */
#include "server/cmd/doc.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/cmd/table.h"

enum { DEPTH_MAX = 8 };

/* ---- The syntax line ------------------------------------------------------------------------- */

struct reader {
    const char *at;
    const char *whole; /* for complaints */
    int depth;
};

static struct command_arg *read_list(struct reader *r, char apart, char end, int *count);

static bool is_upper(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Up to one of the characters that mean something. */
static struct doc_text read_word(struct reader *r, const char *stops) {
    const char *from = r->at;
    while (*r->at && !strchr(stops, *r->at)) r->at++;
    return (struct doc_text){from, (size_t)(r->at - from)};
}

/* Digits and dots. */
static struct doc_text read_version(struct reader *r) {
    const char *from = ++r->at;
    while ((*r->at >= '0' && *r->at <= '9') || (*r->at == '.' && r->at[1] != '.')) r->at++;
    return (struct doc_text){from, (size_t)(r->at - from)};
}

static void read_type(struct reader *r, struct command_arg *a) {
    switch (*++r->at) {
    case 'i': a->type = ARG_INTEGER; break;
    case 'd': a->type = ARG_DOUBLE; break;
    case 'p': a->type = ARG_PATTERN; break;
    case 't': a->type = ARG_UNIX_TIME; break;
    case 'k': a->type = ARG_KEY; break;
    default: bug("no type of argument in \"%s\" at \"%s\"", r->whole, r->at);
    }
    r->at++;
    if (*r->at >= '0' && *r->at <= '9') a->key_spec = *r->at++ - '0';
}

static void read_inside(struct reader *r, struct command_arg *a) {
    bool one = *r->at == '(';
    must(++r->depth < DEPTH_MAX, "a syntax line is not nested without end");
    a->type = one ? ARG_ONEOF : ARG_BLOCK;
    r->at++;
    a->args = read_list(r, one ? '|' : ' ', one ? ')' : '}', &a->arg_count);
    r->depth--;
}

/* "NAME": a token, whose name is the same in small letters. */
static bool is_token(struct doc_text word) {
    bool token = word.len > 0;
    for (size_t i = 0; i < word.len; i++) token = token && is_upper(word.p[i]);
    return token;
}

static struct doc_text lower(struct doc_text word) {
    char *copy = xmalloc(word.len + 1);
    for (size_t i = 0; i < word.len; i++)
        copy[i] = (char)(word.p[i] >= 'A' && word.p[i] <= 'Z' ? word.p[i] | 0x20 : word.p[i]);
    return (struct doc_text){copy, word.len};
}

static void read_core(struct reader *r, struct command_arg *a) {
    struct doc_text word = read_word(r, " .!=({|)}[]^~+");
    if (*r->at == '=') {
        a->token = word;
        r->at++;
        word = read_word(r, " .!({|)}[]^~+");
    }
    a->name = word;
    if (*r->at == '!') {
        r->at++;
        a->type = ARG_PURE_TOKEN;
        /* "=" and "~" may be tokens, and so may nothing. */
        a->token = (struct doc_text){r->at, 0};
        while (*r->at && !strchr(" |)}]^", *r->at)) r->at++, a->token.len++;
    } else if (!a->token.p && is_token(word)) {
        a->type = ARG_PURE_TOKEN;
        a->token = word;
        a->name = lower(word);
    } else if (*r->at == '(' || *r->at == '{') {
        read_inside(r, a);
    } else if (*r->at == '.' && r->at[1] != '.') {
        read_type(r, a);
    }
}

static void read_arg(struct reader *r, struct command_arg *a) {
    *a = (struct command_arg){.key_spec = -1};
    a->optional = *r->at == '[';
    if (a->optional) r->at++;
    read_core(r, a);
    if (*r->at == '^') a->since = read_version(r);
    if (*r->at == '~') a->deprecated_since = read_version(r);
    if (*r->at == '+') a->multiple_token = true, r->at++;
    if (!strncmp(r->at, "...", 3)) a->multiple = true, r->at += 3;
    if (!a->optional) return;
    if (*r->at != ']') bug("\"%s\" lacks a ] at \"%s\"", r->whole, r->at);
    r->at++;
    if (!strncmp(r->at, "...", 3)) a->multiple = true, r->at += 3;
}

static struct command_arg *read_list(struct reader *r, char apart, char end, int *count) {
    struct command_arg *list = NULL;
    int n = 0;
    while (*r->at && *r->at != end) {
        list = xrealloc(list, (size_t)(n + 1) * sizeof *list);
        read_arg(r, &list[n++]);
        if (*r->at == apart)
            r->at++;
        else if (*r->at != end)
            bug("\"%s\" cannot be read from \"%s\" on", r->whole, r->at);
    }
    if (end) r->at++;
    *count = n;
    return list;
}

/* ---- By command ------------------------------------------------------------------------------ */

/* What was found and parsed so far, by command id. */
static struct known {
    const struct command_doc *doc;
    struct command_arg *args;
    int count;
    bool parsed;
} * known;

static const struct command_doc *doc_of(const char *name) {
    for (size_t i = 0; i < doc_data_count; i++)
        if (!strcmp(doc_data_rows[i].name, name)) return &doc_data_rows[i];
    for (size_t i = 0; i < doc_server_count; i++)
        if (!strcmp(doc_server_rows[i].name, name)) return &doc_server_rows[i];
    return NULL;
}

const struct command_doc *command_doc(const struct command *cmd) {
    if (!known) {
        known = xcalloc((size_t)command_count(), sizeof *known);
        for (int id = 0; id < command_count(); id++)
            known[id].doc = doc_of(command_by_id(id)->name);
    }
    return known[cmd->id].doc;
}

const struct command_arg *command_args(const struct command *cmd, int *count) {
    const struct command_doc *doc = command_doc(cmd);
    struct known *k = &known[cmd->id];
    if (doc && !k->parsed) {
        struct reader r = {doc->syntax, doc->syntax, 0};
        k->args = read_list(&r, ' ', '\0', &k->count);
        k->parsed = true;
    }
    *count = k->count;
    return k->args;
}

const char *arg_type_name(enum arg_type type) {
    static const char *const names[] = {"string",    "integer",    "double", "key",  "pattern",
                                        "unix-time", "pure-token", "oneof",  "block"};
    return names[type];
}
