/* A server's control socket in hactl: one request, its answer, blocking. Ordinary commands and DUET ... alike. */
#ifndef HACTL_CLI_SERVER_H
#define HACTL_CLI_SERVER_H

#include <stdbool.h>

struct buf;

/* Asks instance `number` below root. *out becomes the answer: the text of a status, an error (false) or a bulk; of an
 * array its elements, a line each. False with a sentence in *out when it refuses or cannot be reached. */
bool cli_server_ask(const char *root, int number, struct buf *out, int argc,
                    const char *const *argv);

#endif
