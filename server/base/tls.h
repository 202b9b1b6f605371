/* TLS 1.2 by BearSSL. tls_new reads certificates and keys into a context that many connections
 * share, on any threads; a stream made with it does its own handshake and is then used as any other
 * (stream.h).
 *
 * What it is: TLS 1.2 only; ECDHE (X25519 first) with ECDSA or RSA certificates, and static RSA when
 * asked for by name; AES-GCM, ChaCha20-Poly1305, CCM and CBC; session resumption by session ids.
 * What it is not: no TLS 1.3, no extended master secret, no tickets, no renegotiation, no CRL or
 * OCSP, no RSA-PSS or EdDSA certificates.
 *
 * Memory: a handshake takes about 15 KB. After it a stream keeps the two record ciphers only, less
 * than 1 KB (160 B for ChaCha20, 608 B for AES-GCM); bytes are decrypted and encrypted in buffers that all streams
 * of a thread share. Only part of a record, or records that the socket does not take, are kept
 * aside. */
#ifndef DUET_BASE_TLS_H
#define DUET_BASE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls;
struct stream;

enum tls_verify { TLS_VERIFY_NO, TLS_VERIFY_OPTIONAL, TLS_VERIFY_YES };

/* Strings are "" or NULL where nothing is given; all are copied. */
struct tls_options {
    const char *cert_file; /* PEM: the own certificate, then those that signed it */
    const char *key_file;  /* PEM: PKCS#1, SEC1 or PKCS#8, not encrypted */
    const char *ca_file;   /* PEM: whom to believe when the other side shows a certificate */
    const char *ca_dir;    /* every certificate of every file in it */
    const char *ciphers;   /* OpenSSL's names, apart by ':'; "" and DEFAULT: what is good */
    bool prefer_own_order; /* of ciphers, over the client's */
    enum tls_verify verify;
    bool caching; /* server: sessions can be resumed */
    size_t cache_size;
    unsigned cache_time_s;
};

/* NULL: err is a sentence that names the file. A server needs certificate and key; a client has them
 * for servers that ask. The caller holds one reference. */
struct tls *tls_server_new(const struct tls_options *o, char *err, size_t err_size);
struct tls *tls_client_new(const struct tls_options *o, char *err, size_t err_size);
struct tls *tls_hold(struct tls *t);
void tls_release(struct tls *t); /* NULL is fine; goes with the last handshake that uses it */

/* Takes over the descriptor. The context is held until the handshake is done. */
struct stream *stream_tls_server(struct tls *t, int fd);
/* The connection may still be coming up. name: what the server's certificate must be made for;
 * NULL: any name will do. With TLS_VERIFY_NO its certificate is not looked at. */
struct stream *stream_tls_client(struct tls *t, int fd, const char *name);

/* Ends connections whose handshake began longer than limit_ns ago: their sockets read as closed.
 * From any thread. */
void tls_expire_handshakes(uint64_t limit_ns);

struct tls_counts {
    uint64_t full, resumed, failed; /* handshakes as server since the process began */
    uint64_t under_way;
};
void tls_counts(struct tls_counts *out);
/* Writes the OpenSSL names of all suites there are, apart by spaces. */
void tls_suite_names(char *out, size_t out_size);

#endif
