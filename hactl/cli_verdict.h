/* What a state means for the operator: is it serving, is it safe, what is to be done. Pure: fields to words.
 *
 * A *reason* is something that is not as it should be. Its id is stable (scripts may know it); alarms of had have their
 * alarm's name as id. One that blocks keeps the pair from failing over now; the others are worth knowing. For a new
 * reason: a row of the table in cli_verdict.c says what to do about it. */
#ifndef HACTL_CLI_VERDICT_H
#define HACTL_CLI_VERDICT_H

#include <stdint.h>

#include "hactl/cli_fields.h"

#define REASON_LIMIT 48

struct reason {
    char id[32];
    char text[256];
    bool blocks;
    int64_t since_ms; /* wall clock; 0: not known */
};

struct reasons {
    struct reason list[REASON_LIMIT];
    int count;
    int blocking;
};

void reasons_add(struct reasons *r, const char *id, bool blocks, int64_t since_ms, const char *fmt,
                 ...) __attribute__((format(printf, 5, 6)));
/* Those that a node's report shows, most important first; f of no report: had does not run. */
void reasons_of_report(struct reasons *r, const struct fields *f);
/* What to do about it; "" when the text says it already. Static storage. */
const char *reason_advice(const char *id);

struct verdict {
    char serving[12]; /* "here", "there", "nobody", "unknown" */
    bool safe;        /* one failure more costs neither service nor acknowledged writes */
    char why[256];    /* not safe, or not serving: the most important reason */
    char todo[256];   /* what the operator should do now */
};

void verdict_of(const struct fields *f, struct verdict *out);
/* Appends the verdict and the reasons to a report: what --json shows. */
void verdict_fields(struct fields *f);

#endif
