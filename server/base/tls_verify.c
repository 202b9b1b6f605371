/* What stands between BearSSL's handshake and its certificate validation. As a server it notes that
 * a certificate was shown and not believed, which BearSSL forgets when certificates are optional;
 * as a client that does not verify it only takes the server's key out of its certificate. */
#include "server/base/tls_inside.h"

#include "server/base/clock.h"

enum { DAYS_TO_1970 = 719528, DAY_S = 86400 };

static struct tls_verifier *of(const br_x509_class *const *self) {
    return (struct tls_verifier *)(uintptr_t)self;
}

static const br_x509_class **inner(struct tls_verifier *v) {
    return &v->minimal.vtable;
}

static void start_chain(const br_x509_class **self, const char *name) {
    struct tls_verifier *v = of(self);
    v->certs = 0;
    if (v->believe_all)
        br_x509_decoder_init(&v->decoder, NULL, NULL);
    else
        v->minimal.vtable->start_chain(inner(v), v->any_name ? NULL : name);
}

static void start_cert(const br_x509_class **self, uint32_t length) {
    struct tls_verifier *v = of(self);
    if (v->certs++ == 0) br_sha256_init(&v->hash);
    if (!v->believe_all) v->minimal.vtable->start_cert(inner(v), length);
}

static void append(const br_x509_class **self, const unsigned char *p, size_t n) {
    struct tls_verifier *v = of(self);
    if (v->certs == 1) br_sha256_update(&v->hash, p, n);
    if (!v->believe_all)
        v->minimal.vtable->append(inner(v), p, n);
    else if (v->certs == 1)
        br_x509_decoder_push(&v->decoder, p, n);
}

static void end_cert(const br_x509_class **self) {
    struct tls_verifier *v = of(self);
    if (!v->believe_all) v->minimal.vtable->end_cert(inner(v));
}

static unsigned end_chain(const br_x509_class **self) {
    struct tls_verifier *v = of(self);
    unsigned err;
    if (v->believe_all)
        err = br_x509_decoder_get_pkey(&v->decoder) ? 0 : BR_ERR_X509_UNSUPPORTED;
    else
        err = v->minimal.vtable->end_chain(inner(v));
    if (v->certs) v->error = err;
    return err;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *self, unsigned *usages) {
    struct tls_verifier *v = of(self);
    if (!v->believe_all) return v->minimal.vtable->get_pkey(&v->minimal.vtable, usages);
    if (usages) *usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
    return br_x509_decoder_get_pkey(&v->decoder);
}

static const br_x509_class verifier_class = {
    sizeof(struct tls_verifier), start_chain, start_cert, append, end_cert, end_chain, get_pkey};

void tls_verifier_init(struct tls_verifier *v, const struct tls *t, bool any_name) {
    int64_t now_s = clock_wall_ms() / 1000;
    v->vtable = &verifier_class;
    v->believe_all = t->verify == TLS_VERIFY_NO;
    v->any_name = any_name;
    v->certs = 0;
    v->error = 0;
    v->minimal = t->x509;
    br_x509_minimal_set_time(&v->minimal, (uint32_t)(now_s / DAY_S + DAYS_TO_1970),
                             (uint32_t)(now_s % DAY_S));
}
