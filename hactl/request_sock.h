/* ROOT/run/had.sock and ROOT/run/node.sock: how hactl talks to had, and to what supervises the node's processes.
 *
 * A connection carries one request, a line of words (quotes as in duet.conf), and its answer: a first
 * line "+sentence" or "-sentence", then a line "name value" for each field of a report. Values are
 * numbers, true, false, or text in double quotes; names are words joined by dots, numbers in them
 * count the elements of a list. Then the daemon closes the connection. An answer may come much later (a
 * switchover). */
#ifndef HACTL_REQUEST_SOCK_H
#define HACTL_REQUEST_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/sock.h"

struct buf;
struct loop;
struct request_sock;

enum request_verdict { REQUEST_YES, REQUEST_NO, REQUEST_LATER };

/* Answers a request. sentence and fields are empty buffers to fill. REQUEST_LATER: request_sock_answer(id)
 * follows. */
typedef enum request_verdict request_sock_fn(void *arg, uint32_t id, int argc, char **argv,
                                             struct buf *sentence, struct buf *fields);

struct request_sock *request_sock_new(struct loop *l, const char *path, request_sock_fn *fn,
                                      void *arg, struct sock_error *err);
/* Ends all connections; the socket's file is removed. */
void request_sock_free(struct request_sock *s);
/* The outcome of a request that was answered REQUEST_LATER; fine when nobody waits any more. */
void request_sock_answer(struct request_sock *s, uint32_t id, bool ok, const char *sentence);

#endif
