/* What COMMAND DOCS says of a command beside its row in the command table: arguments, complexity, history, and the tips that
 * COMMAND shows. Texts are ours; the arguments' names, tokens and flags are what clients' tools know.
 *
 * Arguments are written as one syntax line a command, parsed when first asked for:
 *
 *   name            a string          NAME        a token by itself, named as it is written
 *   name.i .d .p .t .k                an integer, double, pattern, unix time, key; a digit behind: which key specification
 *   name!TOKEN      a token by itself of another name
 *   TOKEN=x         x stands behind the token
 *   name(a|b)       one of them       name{a b}   all of them, in this order
 *   [x]             x may be missing  x...        x may be repeated; x+... with its token each time
 *   x^6.2.0         since             x~2.8.12    not to be used since */
#ifndef DUET_CMD_DOC_H
#define DUET_CMD_DOC_H

#include <stdbool.h>
#include <stddef.h>

struct command;

struct command_doc {
    const char *name;
    const char *syntax;     /* "": no arguments */
    const char *complexity; /* "": nothing is said */
    /* What follows may be NULL. */
    const char *tips;       /* words apart by spaces */
    const char *deprecated; /* "6.2.0 what to use instead" */
    const char *history;    /* "6.2.0 what came | 7.0.0 what came then" */
    bool internal;          /* for servers among themselves ("syscmd") */
};
extern const struct command_doc doc_data_rows[], doc_server_rows[];
extern const size_t doc_data_count, doc_server_count;

enum arg_type {
    ARG_STRING,
    ARG_INTEGER,
    ARG_DOUBLE,
    ARG_KEY,
    ARG_PATTERN,
    ARG_UNIX_TIME,
    ARG_PURE_TOKEN,
    ARG_ONEOF,
    ARG_BLOCK
};

/* A part of the syntax line: len bytes at p. */
struct doc_text {
    const char *p; /* NULL: none */
    size_t len;
};

struct command_arg {
    struct doc_text name, token, since, deprecated_since;
    enum arg_type type;
    int key_spec; /* -1: none */
    bool optional, multiple, multiple_token;
    struct command_arg *args; /* of ONEOF and BLOCK */
    int arg_count;
};

/* NULL: nothing is written about it. */
const struct command_doc *command_doc(const struct command *cmd);
/* The arguments, parsed once and kept; *count may be 0. */
const struct command_arg *command_args(const struct command *cmd, int *count);
const char *arg_type_name(enum arg_type type);

#endif
