/* The record layer after the handshake. BearSSL's engine would keep 33 KB of buffers and 3.6 KB of
 * state for each connection for as long as it lives; all that is needed after the handshake are the
 * two record ciphers, which are public parts of BearSSL with their own interface (bearssl_ssl.h,
 * br_sslrec_in_class and br_sslrec_out_class). They hold no pointers into the engine. */
#include "server/base/tls_inside.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"

enum { VERSION_12 = 0x0303 };

void tls_ciphers_take(struct tls_ciphers *c, const br_ssl_engine_context *eng) {
    if (eng->in.vtable) c->in = xmemdup(&eng->in, eng->in.vtable->context_size);
    c->out = xmemdup(&eng->out, eng->out.vtable->context_size);
}

void tls_ciphers_wipe(struct tls_ciphers *c) {
    if (c->in) explicit_bzero(c->in, c->in->vtable->context_size);
    if (c->out) explicit_bzero(c->out, c->out->vtable->context_size);
    free(c->in);
    free(c->out);
    c->in = NULL;
    c->out = NULL;
}

size_t tls_ciphers_memory(const struct tls_ciphers *c) {
    return c->in ? c->in->vtable->context_size + c->out->vtable->context_size : 0;
}

size_t tls_record_size(const unsigned char *p, size_t n) {
    return n < TLS_HEADER_BYTES ? 0 : TLS_HEADER_BYTES + (size_t)(p[3] << 8 | p[4]);
}

unsigned char *tls_open(struct tls_ciphers *c, unsigned char *p, size_t *plain_len, int *alert) {
    size_t len = (size_t)(p[3] << 8 | p[4]);
    const br_sslrec_in_class **in = &c->in->vtable;
    *alert = ALERT_PROTOCOL_VERSION;
    if (p[1] != VERSION_12 >> 8 || p[2] != (VERSION_12 & 255)) return NULL;
    *alert = ALERT_RECORD_OVERFLOW;
    if (!(*in)->check_length(in, len)) return NULL;
    *alert = ALERT_BAD_RECORD_MAC;
    *plain_len = len;
    return (*in)->decrypt(in, p[0], VERSION_12, p + TLS_HEADER_BYTES, plain_len);
}

unsigned char *tls_seal_room(const struct tls_ciphers *c, unsigned char *p, size_t *room) {
    size_t from = TLS_HEADER_BYTES, to = TLS_RECORD_MAX;
    c->out->vtable->max_plaintext(&c->out->vtable, &from, &to);
    must(to - from <= TLS_PLAIN_MAX, "a record's plain text has a limit");
    *room = to - from;
    return p + from;
}

size_t tls_seal(struct tls_ciphers *c, unsigned char *p, int type, size_t n) {
    size_t room;
    unsigned char *plain = tls_seal_room(c, p, &room);
    const br_sslrec_out_class **out = &c->out->vtable;
    must(n <= room, "a record's plain text has a limit");
    unsigned char *start = (*out)->encrypt(out, type, VERSION_12, plain, &n);
    must(start == p, "TLS 1.2 splits no record");
    return n;
}
