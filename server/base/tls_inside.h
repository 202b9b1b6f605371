/* What the files of base/tls share; nobody else includes it.
 *   tls.c          streams: what follows the handshake
 *   tls_shake.c    the handshake
 *   tls_record.c   sealing and opening records without BearSSL's engine
 *   tls_context.c  struct tls: what handshakes begin from
 *   tls_verify.c   the other side's certificate
 *   tls_suites.c   cipher suites by OpenSSL's names
 *   tls_pem.c      certificates and keys from files
 *   tls_cache.c    sessions that can be resumed */
#ifndef DUET_BASE_TLS_INSIDE_H
#define DUET_BASE_TLS_INSIDE_H

#include <bearssl_ec.h>
#include <bearssl_ssl.h>
#include <bearssl_x509.h>

#include "server/base/tls.h"

/* ---- tls_pem.c. False with a sentence in err; what was filled in until then must be freed too. */

struct tls_chain {
    br_x509_certificate *certs;
    size_t count;
};
bool tls_chain_load(struct tls_chain *c, const char *path, char *err, size_t err_size);
void tls_chain_free(struct tls_chain *c);

struct tls_key {
    br_skey_decoder_context decoder; /* holds the bytes: must not move */
    int type;                        /* BR_KEYTYPE_RSA, BR_KEYTYPE_EC or 0 */
};
bool tls_key_load(struct tls_key *k, const char *path, char *err, size_t err_size);
void tls_key_wipe(struct tls_key *k);
/* Whether the first certificate was made for the key. */
bool tls_key_fits(const struct tls_key *k, const struct tls_chain *c, const char *cert_path,
                  const char *key_path, char *err, size_t err_size);

struct tls_anchors {
    br_x509_trust_anchor *list;
    size_t count;
};
bool tls_anchors_load(struct tls_anchors *a, const char *path, char *err, size_t err_size);
bool tls_anchors_load_dir(struct tls_anchors *a, const char *dir, char *err, size_t err_size);
void tls_anchors_free(struct tls_anchors *a);

/* ---- tls_suites.c */

enum { TLS_SUITES_MAX = 32 };
/* Chooses suites by an OpenSSL list; false with a sentence when a word means nothing here, or when
 * nothing is left for a key of this type (0: any). */
bool tls_suites_choose(const char *words, int key_type, uint16_t *out, size_t *count, char *err,
                       size_t err_size);
const char *tls_suite_name(uint16_t id); /* "unknown" when it is not ours */
bool tls_suite_has_sha1(uint16_t id);

/* ---- tls_cache.c */

struct tls_cache {
    const br_ssl_session_cache_class *vtable; /* as BearSSL calls it */
    struct tls_sessions *sessions;
};
bool tls_cache_init(struct tls_cache *c, size_t size, unsigned time_s);
void tls_cache_free(struct tls_cache *c);
/* Told by the cache: this handshake's session was found, or is new. */
void tls_session_found(br_ssl_server_context *cc);
void tls_session_saved(br_ssl_server_context *cc);

/* ---- tls_context.c */

struct tls {
    int holders; /* atomic */
    bool is_server;
    enum tls_verify verify;
    struct tls_chain chain;
    struct tls_key key;
    struct tls_anchors anchors;
    struct tls_cache cache;
    /* A handshake begins as a copy of these; what they point to stays here. */
    br_ssl_server_context server;
    br_ssl_client_context client;
    br_x509_minimal_context x509;
    unsigned char cert_hash[32]; /* of the own certificate, with SHA-256 */
};

/* ---- tls_verify.c: the certificate check of one handshake. */

struct tls_verifier {
    const br_x509_class *vtable; /* as BearSSL calls it */
    bool believe_all, any_name;
    unsigned certs;         /* that the other side showed */
    unsigned error;         /* BR_ERR_X509_..., when it showed any */
    br_sha256_context hash; /* of its own certificate, the first one */
    union {
        br_x509_minimal_context minimal;
        br_x509_decoder_context decoder;
    };
};
void tls_verifier_init(struct tls_verifier *v, const struct tls *t, bool any_name);

/* ---- tls_record.c: both ciphers of a connection, as the handshake left them. */

union tls_opener {
    const br_sslrec_in_class *vtable;
    br_sslrec_in_cbc_context cbc;
    br_sslrec_gcm_context gcm;
    br_sslrec_chapol_context chapol;
    br_sslrec_ccm_context ccm;
};
union tls_sealer {
    const br_sslrec_out_class *vtable;
    br_sslrec_out_cbc_context cbc;
    br_sslrec_gcm_context gcm;
    br_sslrec_chapol_context chapol;
    br_sslrec_ccm_context ccm;
};
struct tls_ciphers {
    union tls_opener *in;
    union tls_sealer *out;
};

enum {
    TLS_HEADER_BYTES = 5,
    TLS_PLAIN_MAX = 16384,
    TLS_RECORD_MAX = TLS_HEADER_BYTES + TLS_PLAIN_MAX + 325 /* the padding of CBC included */
};
enum { TLS_CHANGE_CIPHER = 20, TLS_ALERT = 21, TLS_HANDSHAKE = 22, TLS_DATA = 23 };
enum {
    ALERT_CLOSE_NOTIFY = 0,
    ALERT_UNEXPECTED_MESSAGE = 10,
    ALERT_BAD_RECORD_MAC = 20,
    ALERT_RECORD_OVERFLOW = 22,
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_UNSUPPORTED_CERTIFICATE = 43,
    ALERT_CERTIFICATE_EXPIRED = 45,
    ALERT_CERTIFICATE_UNKNOWN = 46,
    ALERT_ILLEGAL_PARAMETER = 47,
    ALERT_UNKNOWN_CA = 48,
    ALERT_DECODE_ERROR = 50,
    ALERT_DECRYPT_ERROR = 51,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_NO_RENEGOTIATION = 100
};

/* Takes the ciphers over from a handshake; one that failed may have the outgoing one only. */
void tls_ciphers_take(struct tls_ciphers *c, const br_ssl_engine_context *eng);
void tls_ciphers_wipe(struct tls_ciphers *c);
size_t tls_ciphers_memory(const struct tls_ciphers *c);

/* How many bytes the record at p has in all; 0: its header is not all there. */
size_t tls_record_size(const unsigned char *p, size_t n);
/* Opens the whole record at p in place. NULL: *alert says what is wrong with it. */
unsigned char *tls_open(struct tls_ciphers *c, unsigned char *p, size_t *plain_len, int *alert);
/* What a record written at p may take: returns where its plain text goes, *room at most. */
unsigned char *tls_seal_room(const struct tls_ciphers *c, unsigned char *p, size_t *room);
/* Makes the record of n plain bytes that stand at tls_seal_room's place; returns its size. */
size_t tls_seal(struct tls_ciphers *c, unsigned char *p, int type, size_t n);

#endif
