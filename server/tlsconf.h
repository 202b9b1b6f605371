/* The TLS context that new connections are made with, built from the configuration. */
#ifndef DUET_SERVER_TLSCONF_H
#define DUET_SERVER_TLSCONF_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct stream;
struct tls;

/* Reads certificates and keys anew. False: err is a sentence, and the contexts are what they were.
 * With neither tls-port nor tls-replication there is none, and nothing is read. */
bool tlsconf_load(const char **err);
/* NULL: no TLS. Connections made before a change keep theirs. */
struct tls *tlsconf_now(void);
/* For repl_world.dress: the stream over a connection to a master. TLS with tls-replication, and to the
 * pair's other node when this one has a tls-port; else plain. NULL: err is a sentence, fd is open. */
struct stream *tlsconf_dress(void *arg, int fd, bool pair, char *err, size_t err_size);
/* Ends handshakes that take too long; now and then. */
void tlsconf_cron(void);

/* INFO's lines: handshakes by outcome; none without TLS. */
void tlsconf_info(struct buf *out);

#endif
