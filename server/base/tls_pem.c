/* Certificates and keys from PEM files, into the forms that BearSSL works with. */
#include <bearssl_pem.h>

#include "server/base/tls_inside.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/log.h"

enum { FILE_LIMIT_BYTES = 4 << 20 };

static void wipe_buf(struct buf *b) {
    if (b->data) explicit_bzero(b->data, b->cap);
    buf_free(b);
}

__attribute__((format(printf, 3, 4))) static bool refuse(char *err, size_t err_size,
                                                         const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err, err_size, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- PEM ------------------------------------------------------------------------------------ */

struct pem_object {
    char name[128]; /* "CERTIFICATE" */
    struct buf der;
};
struct pem {
    struct pem_object *objects;
    size_t count;
};

static void pem_free(struct pem *p) {
    for (size_t i = 0; i < p->count; i++) wipe_buf(&p->objects[i].der);
    free(p->objects);
    *p = (struct pem){0};
}

static void take_der(void *arg, const void *bytes, size_t n) {
    buf_add(arg, bytes, n);
}

static void pem_begin(struct pem *p, br_pem_decoder_context *d) {
    p->objects = xrealloc(p->objects, (p->count + 1) * sizeof *p->objects);
    struct pem_object *o = &p->objects[p->count++];
    *o = (struct pem_object){.der = BUF_INIT};
    snprintf(o->name, sizeof o->name, "%s", br_pem_decoder_name(d));
}

/* BearSSL takes the end of a line for '\n', and a last line for none without it. */
static void settle_lines(struct buf *text) {
    size_t kept = 0, len = buf_len(text);
    char *p = buf_head(text);
    for (size_t i = 0; i < len; i++) {
        if (p[i] != '\r') p[kept++] = p[i];
    }
    text->end -= len - kept;
    buf_add(text, "\n", 1);
}

/* Headers of RFC 1421 ("Proc-Type: 4,ENCRYPTED") stop BearSSL's decoder; only keys encrypted by old
 * tools have them. */
static bool pem_decode(struct pem *p, const char *text, size_t len) {
    br_pem_decoder_context d;
    struct buf der = BUF_INIT;
    bool inside = false, good = true;
    br_pem_decoder_init(&d);
    while (good && len) {
        size_t n = br_pem_decoder_push(&d, text, len);
        text += n;
        len -= n;
        switch (br_pem_decoder_event(&d)) {
        case BR_PEM_BEGIN_OBJ:
            pem_begin(p, &d);
            br_pem_decoder_setdest(&d, take_der, &der);
            inside = true;
            break;
        case BR_PEM_END_OBJ:
            buf_add(&p->objects[p->count - 1].der, buf_head(&der), buf_len(&der));
            wipe_buf(&der);
            inside = false;
            break;
        case BR_PEM_ERROR: good = false; break;
        default: good = n != 0; break;
        }
    }
    explicit_bzero(&d, sizeof d);
    wipe_buf(&der);
    return good && !inside;
}

static bool pem_load(struct pem *p, const char *path, char *err, size_t err_size) {
    struct buf text = BUF_INIT;
    *p = (struct pem){0};
    bool ok = file_read_all(path, &text, FILE_LIMIT_BYTES);
    if (!ok) {
        refuse(err, err_size, "%s cannot be read: %s", path, strerror(errno));
    } else if (settle_lines(&text), strstr(buf_cstr(&text), "Proc-Type: 4,ENCRYPTED")) {
        ok = refuse(err, err_size,
                    "%s is encrypted, which is not read here: write it without a "
                    "passphrase (openssl pkey -in ... -out ...) and guard it by its permissions",
                    path);
    } else if (!pem_decode(p, buf_head(&text), buf_len(&text))) {
        ok = refuse(err, err_size, "%s is damaged: what begins with -----BEGIN has no good end",
                    path);
    }
    wipe_buf(&text);
    if (!ok) pem_free(p);
    return ok;
}

static bool is_certificate(const struct pem_object *o) {
    return !strcmp(o->name, "CERTIFICATE") || !strcmp(o->name, "X509 CERTIFICATE") ||
           !strcmp(o->name, "TRUSTED CERTIFICATE");
}

/* ---- the own chain -------------------------------------------------------------------------- */

bool tls_chain_load(struct tls_chain *c, const char *path, char *err, size_t err_size) {
    struct pem p;
    *c = (struct tls_chain){0};
    if (!pem_load(&p, path, err, err_size)) return false;
    c->certs = xcalloc(p.count + 1, sizeof *c->certs);
    for (size_t i = 0; i < p.count; i++) {
        struct pem_object *o = &p.objects[i];
        if (!is_certificate(o)) continue;
        size_t len = buf_len(&o->der);
        c->certs[c->count++] = (br_x509_certificate){xmemdup(buf_head(&o->der), len), len};
    }
    pem_free(&p);
    return c->count ||
           refuse(err, err_size, "%s holds no certificate (-----BEGIN CERTIFICATE-----)", path);
}

void tls_chain_free(struct tls_chain *c) {
    for (size_t i = 0; i < c->count; i++) free(c->certs[i].data);
    free(c->certs);
    *c = (struct tls_chain){0};
}

/* ---- keys ----------------------------------------------------------------------------------- */

static bool decode_key(struct tls_key *k, const struct pem_object *o) {
    br_skey_decoder_init(&k->decoder);
    br_skey_decoder_push(&k->decoder, buf_head(&o->der), buf_len(&o->der));
    if (br_skey_decoder_last_error(&k->decoder)) return false;
    k->type = br_skey_decoder_key_type(&k->decoder);
    if (k->type == BR_KEYTYPE_RSA) return br_skey_decoder_get_rsa(&k->decoder) != NULL;
    const br_ec_private_key *ec = br_skey_decoder_get_ec(&k->decoder);
    return ec && br_ec_get_default()->supported_curves >> ec->curve & 1;
}

bool tls_key_load(struct tls_key *k, const char *path, char *err, size_t err_size) {
    struct pem p;
    bool ok = false;
    k->type = 0;
    if (!pem_load(&p, path, err, err_size)) return false;
    refuse(err, err_size, "%s holds no private key (-----BEGIN PRIVATE KEY-----)", path);
    for (size_t i = 0; i < p.count && !ok; i++) {
        const char *name = p.objects[i].name;
        if (!strcmp(name, "ENCRYPTED PRIVATE KEY")) {
            refuse(err, err_size,
                   "%s is encrypted, which is not read here: write it without a passphrase "
                   "(openssl pkey -in ... -out ...) and guard it by its permissions",
                   path);
            break;
        }
        if (strcmp(name, "PRIVATE KEY") && strcmp(name, "RSA PRIVATE KEY") &&
            strcmp(name, "EC PRIVATE KEY"))
            continue;
        ok = decode_key(k, &p.objects[i]);
        if (ok) break;
        refuse(err, err_size,
               "%s holds a key that cannot be used: it must be RSA (up to 4096 bits) or EC (P-256, "
               "P-384, P-521)",
               path);
        break;
    }
    pem_free(&p);
    if (!ok) tls_key_wipe(k);
    return ok;
}

void tls_key_wipe(struct tls_key *k) {
    explicit_bzero(k, sizeof *k);
}

/* ---- who belongs to whom -------------------------------------------------------------------- */

static void take_dn(void *arg, const void *bytes, size_t n) {
    buf_add(arg, bytes, n);
}

/* Good until the decoder goes; dn may be NULL. */
static const br_x509_pkey *decode_certificate(br_x509_decoder_context *d, const void *der,
                                              size_t len, struct buf *dn) {
    br_x509_decoder_init(d, dn ? take_dn : NULL, dn);
    br_x509_decoder_push(d, der, len);
    return br_x509_decoder_get_pkey(d);
}

/* By what they are for: the modulus could be computed, but BearSSL's function for it stops short of
 * 4096 bits. */
static bool fits_rsa(const br_rsa_private_key *sk, const br_rsa_public_key *pk) {
    unsigned char hash[32] = "any thirty-two bytes will do it", sig[BR_X509_BUFSIZE_SIG], back[32];
    size_t len = (sk->n_bitlen + 7) / 8;
    if (len > sizeof sig) return false;
    return br_rsa_pkcs1_sign_get_default()(BR_HASH_OID_SHA256, hash, sizeof hash, sk, sig) &&
           br_rsa_pkcs1_vrfy_get_default()(sig, len, BR_HASH_OID_SHA256, sizeof hash, pk, back) &&
           !memcmp(hash, back, sizeof hash);
}

static bool fits_ec(const br_ec_private_key *sk, const br_ec_public_key *pk) {
    unsigned char q[BR_EC_KBUF_PUB_MAX_SIZE];
    br_ec_public_key own;
    if (sk->curve != pk->curve) return false;
    size_t len = br_ec_compute_pub(br_ec_get_default(), &own, q, sk);
    return len == pk->qlen && !memcmp(q, pk->q, len);
}

bool tls_key_fits(const struct tls_key *k, const struct tls_chain *c, const char *cert_path,
                  const char *key_path, char *err, size_t err_size) {
    br_x509_decoder_context d;
    const br_x509_pkey *pk = decode_certificate(&d, c->certs[0].data, c->certs[0].data_len, NULL);
    if (!pk)
        return refuse(err, err_size,
                      "the first certificate of %s cannot be decoded (BearSSL's error %d)",
                      cert_path, br_x509_decoder_last_error(&d));
    bool fits = pk->key_type == k->type;
    if (fits && k->type == BR_KEYTYPE_RSA)
        fits = fits_rsa(br_skey_decoder_get_rsa(&k->decoder), &pk->key.rsa);
    else if (fits)
        fits = fits_ec(br_skey_decoder_get_ec(&k->decoder), &pk->key.ec);
    return fits || refuse(err, err_size,
                          "the key in %s is not the one that the first certificate of %s was made "
                          "for",
                          key_path, cert_path);
}

/* ---- whom to believe ------------------------------------------------------------------------ */

static void copy_key(br_x509_pkey *to, const br_x509_pkey *from) {
    *to = *from;
    if (from->key_type == BR_KEYTYPE_RSA) {
        to->key.rsa.n = xmemdup(from->key.rsa.n, from->key.rsa.nlen);
        to->key.rsa.e = xmemdup(from->key.rsa.e, from->key.rsa.elen);
    } else {
        to->key.ec.q = xmemdup(from->key.ec.q, from->key.ec.qlen);
    }
}

static bool add_anchor(struct tls_anchors *a, const struct pem_object *o) {
    br_x509_decoder_context d;
    struct buf dn = BUF_INIT;
    const br_x509_pkey *pk = decode_certificate(&d, buf_head(&o->der), buf_len(&o->der), &dn);
    if (pk) {
        a->list = xrealloc(a->list, (a->count + 1) * sizeof *a->list);
        br_x509_trust_anchor *t = &a->list[a->count++];
        *t = (br_x509_trust_anchor){
            .dn = {xmemdup(buf_head(&dn), buf_len(&dn)), buf_len(&dn)},
            .flags = br_x509_decoder_isCA(&d) ? BR_X509_TA_CA : 0,
        };
        copy_key(&t->pkey, pk);
    }
    buf_free(&dn);
    return pk != NULL;
}

bool tls_anchors_load(struct tls_anchors *a, const char *path, char *err, size_t err_size) {
    struct pem p;
    size_t seen = 0, taken = 0;
    if (!pem_load(&p, path, err, err_size)) return false;
    for (size_t i = 0; i < p.count; i++) {
        if (!is_certificate(&p.objects[i])) continue;
        seen++;
        taken += add_anchor(a, &p.objects[i]);
    }
    pem_free(&p);
    if (taken && taken < seen)
        log_warning("tls: %s: %zu of %zu certificates cannot be used (keys other than RSA up to "
                    "4096 bits and EC)",
                    path, seen - taken, seen);
    if (taken) return true;
    if (seen)
        return refuse(err, err_size, "%s holds no certificate that can be used: RSA or EC", path);
    return refuse(err, err_size, "%s holds no certificate (-----BEGIN CERTIFICATE-----)", path);
}

/* Files without certificates are passed over: the directory may hold an index, keys, a README. */
bool tls_anchors_load_dir(struct tls_anchors *a, const char *dir, char *err, size_t err_size) {
    DIR *d = opendir(dir);
    size_t before = a->count;
    if (!d) return refuse(err, err_size, "%s cannot be read: %s", dir, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        char ignored[200];
        if (e->d_name[0] == '.') continue;
        char *path = xasprintf("%s/%s", dir, e->d_name);
        if (!tls_anchors_load(a, path, ignored, sizeof ignored)) log_debug("tls: %s", ignored);
        free(path);
    }
    closedir(d);
    return a->count > before || refuse(err, err_size, "%s holds no file with a certificate", dir);
}

void tls_anchors_free(struct tls_anchors *a) {
    for (size_t i = 0; i < a->count; i++) {
        br_x509_trust_anchor *t = &a->list[i];
        free(t->dn.data);
        if (t->pkey.key_type == BR_KEYTYPE_RSA) {
            free(t->pkey.key.rsa.n);
            free(t->pkey.key.rsa.e);
        } else {
            free(t->pkey.key.ec.q);
        }
    }
    free(a->list);
    *a = (struct tls_anchors){0};
}
