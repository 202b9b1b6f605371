/* hactl's inside: one request to had, and the verbs. */
#ifndef HACTL_CLI_H
#define HACTL_CLI_H

#include <stdbool.h>

#include "hactl/cli_fields.h"

/* Exit statuses; part of the interface (hactl help). */
enum {
    CLI_OK = 0,     /* done; a check found nothing */
    CLI_NO = 1,     /* refused, failed, or a check found something */
    CLI_USAGE = 2,  /* the command was not understood */
    CLI_NO_HAD = 3, /* had cannot be reached */
    CLI_UNKNOWN = 4 /* had did not answer in time: the outcome is not known */
};

struct cli {
    const char *root;
    bool json;
    int argc; /* words after the verb, options taken out */
    char **argv;
    long timeout_ms; /* 0: not given */
    bool force;
    const char *confirm; /* the typed confirmation, given as an option */
};

struct cli_answer {
    bool ok;
    char *sentence;
    struct fields fields;
};

/* One request: a line of words. CLI_OK and an answer to free, or an exit status after a complaint
 * on standard error. */
int cli_ask(const struct cli *c, const char *request, long timeout_ms, struct cli_answer *out);
void cli_answer_free(struct cli_answer *a);

/* The screen of `hactl status`; pure: fields to text. */
struct buf;
void cli_status_screen(const struct fields *f, struct buf *out);
/* Named reasons why the pair could not fail over now, a line each; their count. */
int cli_check_list(const struct fields *f, struct buf *out);

#endif
