/* ROOT/run/had.sock: how hactl talks to had.
 *
 * A connection carries one request, a line of words (quotes as in duet.conf), and its answer: a first
 * line "+sentence" or "-sentence", then a line "name value" for each field of a report. Values are
 * numbers, true, false, or text in double quotes; names are words joined by dots, numbers in them
 * count the elements of a list. Then had closes the connection. An answer may come much later (a
 * switchover). */
#ifndef HACTL_HAD_SOCK_H
#define HACTL_HAD_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/sock.h"

struct buf;
struct loop;
struct had_sock;

enum had_verdict { HAD_YES, HAD_NO, HAD_LATER };

/* Answers a request. sentence and fields are empty buffers to fill. HAD_LATER: had_sock_answer(id)
 * follows. */
typedef enum had_verdict had_request_fn(void *arg, uint32_t id, int argc, char **argv,
                                        struct buf *sentence, struct buf *fields);

struct had_sock *had_sock_new(struct loop *l, const char *path, had_request_fn *fn, void *arg,
                              struct sock_error *err);
/* Ends all connections; the socket's file is removed. */
void had_sock_free(struct had_sock *s);
/* The outcome of a request that was answered HAD_LATER; fine when nobody waits any more. */
void had_sock_answer(struct had_sock *s, uint32_t id, bool ok, const char *sentence);

#endif
