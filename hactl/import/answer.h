/* A server's answers (RESP2) as bytes: how long is the next one, what is it. Any depth that servers send, any length.
 * Pure. */
#ifndef HACTL_IMPORT_ANSWER_H
#define HACTL_IMPORT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"

struct answer_item {
    char type;         /* + - : $ * and _ for nothing ($-1, *-1) */
    struct bytes text; /* of + - : the line, of $ its bytes */
    int64_t number;    /* of : its value, of * its count */
    size_t head;       /* bytes up to the next item: of an array up to its first element */
};
/* Bytes of the first whole answer, its elements included; 0: more are needed; -1: this is none. */
long answer_size(const char *p, size_t n);
/* The first item of an answer that lies whole in n bytes. */
struct answer_item answer_item(const char *p, size_t n);
/* The next item of an answer that lies whole between *at and end; moves *at behind its head. */
struct answer_item answer_next(const char **at, const char *end);
/* Moves *at behind a whole element. */
void answer_pass(const char **at, const char *end);

#endif
