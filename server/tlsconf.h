/* The TLS context that new connections are made with, built from the configuration. */
#ifndef DUET_SERVER_TLSCONF_H
#define DUET_SERVER_TLSCONF_H

#include <stdbool.h>

struct buf;
struct tls;

/* Reads certificates and keys anew. False: err is a sentence, and the context is what it was. With
 * tls-port 0 there is none, and nothing is read. */
bool tlsconf_load(const char **err);
/* NULL: no TLS. Connections made before a change keep theirs. */
struct tls *tlsconf_now(void);
/* Ends handshakes that take too long; now and then. */
void tlsconf_cron(void);

/* INFO's lines: handshakes by outcome; none without TLS. */
void tlsconf_info(struct buf *out);

#endif
