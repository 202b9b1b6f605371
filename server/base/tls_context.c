/* struct tls: certificates, keys, suites and the session cache of one configuration. A changed
 * configuration is a new one; handshakes under way keep the old one alive. */
#include "server/base/tls_inside.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"

static bool given(const char *s) {
    return s && *s;
}

/* What both roles do alike. AES and GHASH by the processor's own instructions where it has them
 * (asked once, here: that question is slow in a virtual machine). */
static void set_up_engine(br_ssl_engine_context *e, const uint16_t *suites, size_t count) {
    bool sha1 = false;
    br_ssl_engine_set_versions(e, BR_TLS12, BR_TLS12);
    br_ssl_engine_set_suites(e, suites, count);
    br_ssl_engine_set_default_ecdsa(e);
    br_ssl_engine_set_default_ec(e);
    br_ssl_engine_set_default_rsavrfy(e);
    br_ssl_engine_set_prf_sha256(e, &br_tls12_sha256_prf);
    br_ssl_engine_set_prf_sha384(e, &br_tls12_sha384_prf);
    br_ssl_engine_set_default_aes_gcm(e);
    br_ssl_engine_set_default_chapol(e);
    br_ssl_engine_set_default_aes_ccm(e);
    br_ssl_engine_set_default_aes_cbc(e);
    /* Each hash here is run over the whole handshake, and offered for signatures. */
    for (size_t i = 0; i < count; i++) sha1 = sha1 || tls_suite_has_sha1(suites[i]);
    if (sha1) br_ssl_engine_set_hash(e, br_sha1_ID, &br_sha1_vtable);
    br_ssl_engine_set_hash(e, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_hash(e, br_sha384_ID, &br_sha384_vtable);
    br_ssl_engine_set_hash(e, br_sha512_ID, &br_sha512_vtable);
    br_ssl_engine_add_flags(e, BR_OPT_NO_RENEGOTIATION);
}

static void set_up_x509(struct tls *t, br_ssl_engine_context *e) {
    br_x509_minimal_context *x = &t->x509;
    br_x509_minimal_init(x, &br_sha256_vtable, t->anchors.list, t->anchors.count);
    br_x509_minimal_set_rsa(x, br_ssl_engine_get_rsavrfy(e));
    br_x509_minimal_set_ecdsa(x, br_ssl_engine_get_ec(e), br_ssl_engine_get_ecdsa(e));
    br_x509_minimal_set_hash(x, br_sha1_ID, &br_sha1_vtable);
    br_x509_minimal_set_hash(x, br_sha224_ID, &br_sha224_vtable);
    br_x509_minimal_set_hash(x, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_hash(x, br_sha384_ID, &br_sha384_vtable);
    br_x509_minimal_set_hash(x, br_sha512_ID, &br_sha512_vtable);
}

static bool load_own(struct tls *t, const struct tls_options *o, char *err, size_t err_size) {
    return tls_chain_load(&t->chain, o->cert_file, err, err_size) &&
           tls_key_load(&t->key, o->key_file, err, err_size) &&
           tls_key_fits(&t->key, &t->chain, o->cert_file, o->key_file, err, err_size);
}

static void hash_own(struct tls *t) {
    br_sha256_context c;
    br_sha256_init(&c);
    br_sha256_update(&c, t->chain.certs[0].data, t->chain.certs[0].data_len);
    br_sha256_out(&c, t->cert_hash);
}

static bool load_anchors(struct tls *t, const struct tls_options *o, char *err, size_t err_size) {
    if (given(o->ca_file) && !tls_anchors_load(&t->anchors, o->ca_file, err, err_size))
        return false;
    return !given(o->ca_dir) || tls_anchors_load_dir(&t->anchors, o->ca_dir, err, err_size);
}

static struct tls *new_tls(const struct tls_options *o, bool is_server) {
    struct tls *t = xcalloc(1, sizeof *t);
    t->holders = 1;
    t->is_server = is_server;
    t->verify = o->verify;
    return t;
}

static void set_up_server(struct tls *t, const struct tls_options *o, const uint16_t *suites,
                          size_t count) {
    br_ssl_server_context *s = &t->server;
    br_ssl_server_zero(s);
    set_up_engine(&s->eng, suites, count);
    if (t->key.type == BR_KEYTYPE_RSA)
        br_ssl_server_set_single_rsa(s, t->chain.certs, t->chain.count,
                                     br_skey_decoder_get_rsa(&t->key.decoder),
                                     BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN,
                                     br_rsa_private_get_default(), br_rsa_pkcs1_sign_get_default());
    else
        br_ssl_server_set_single_ec(s, t->chain.certs, t->chain.count,
                                    br_skey_decoder_get_ec(&t->key.decoder), BR_KEYTYPE_SIGN,
                                    BR_KEYTYPE_EC, br_ssl_engine_get_ec(&s->eng),
                                    br_ecdsa_sign_asn1_get_default());
    if (o->prefer_own_order) br_ssl_engine_add_flags(&s->eng, BR_OPT_ENFORCE_SERVER_PREFERENCES);
    if (o->caching) {
        tls_cache_init(&t->cache, o->cache_size, o->cache_time_s);
        br_ssl_server_set_cache(s, &t->cache.vtable);
    }
    if (t->verify == TLS_VERIFY_NO) return;
    set_up_x509(t, &s->eng);
    br_ssl_server_set_trust_anchor_names_alt(s, t->anchors.list, t->anchors.count);
    if (t->verify == TLS_VERIFY_OPTIONAL)
        br_ssl_engine_add_flags(&s->eng, BR_OPT_TOLERATE_NO_CLIENT_AUTH);
}

struct tls *tls_server_new(const struct tls_options *o, char *err, size_t err_size) {
    uint16_t suites[TLS_SUITES_MAX];
    size_t count;
    struct tls *t = new_tls(o, true);
    if (!load_own(t, o, err, err_size)) goto failed;
    if (t->verify != TLS_VERIFY_NO && !load_anchors(t, o, err, err_size)) goto failed;
    if (!tls_suites_choose(o->ciphers, t->key.type, suites, &count, err, err_size)) goto failed;
    set_up_server(t, o, suites, count);
    hash_own(t);
    return t;
failed:
    tls_release(t);
    return NULL;
}

static void set_up_client(struct tls *t, const uint16_t *suites, size_t count) {
    br_ssl_client_context *c = &t->client;
    br_ssl_client_zero(c);
    set_up_engine(&c->eng, suites, count);
    br_ssl_client_set_default_rsapub(c);
    set_up_x509(t, &c->eng);
    if (t->key.type == BR_KEYTYPE_RSA)
        br_ssl_client_set_single_rsa(c, t->chain.certs, t->chain.count,
                                     br_skey_decoder_get_rsa(&t->key.decoder),
                                     br_rsa_pkcs1_sign_get_default());
    else if (t->key.type == BR_KEYTYPE_EC)
        br_ssl_client_set_single_ec(c, t->chain.certs, t->chain.count,
                                    br_skey_decoder_get_ec(&t->key.decoder), BR_KEYTYPE_SIGN,
                                    BR_KEYTYPE_EC, br_ssl_engine_get_ec(&c->eng),
                                    br_ecdsa_sign_asn1_get_default());
}

struct tls *tls_client_new(const struct tls_options *o, char *err, size_t err_size) {
    uint16_t suites[TLS_SUITES_MAX];
    size_t count;
    struct tls *t = new_tls(o, false);
    if (given(o->cert_file) && !load_own(t, o, err, err_size)) goto failed;
    if (t->verify != TLS_VERIFY_NO && !load_anchors(t, o, err, err_size)) goto failed;
    if (!tls_suites_choose(o->ciphers, 0, suites, &count, err, err_size)) goto failed;
    set_up_client(t, suites, count);
    return t;
failed:
    tls_release(t);
    return NULL;
}

struct tls *tls_hold(struct tls *t) {
    __atomic_add_fetch(&t->holders, 1, __ATOMIC_RELAXED);
    return t;
}

void tls_release(struct tls *t) {
    if (!t || __atomic_sub_fetch(&t->holders, 1, __ATOMIC_ACQ_REL)) return;
    tls_chain_free(&t->chain);
    tls_key_wipe(&t->key);
    tls_anchors_free(&t->anchors);
    tls_cache_free(&t->cache);
    explicit_bzero(t, sizeof *t);
    free(t);
}
