/* See tlsconf.h. */
#include "server/tlsconf.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/stream.h"
#include "server/base/tls.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

enum { HANDSHAKE_LIMIT_S = 10 };

static struct tls *now;

struct tls *tlsconf_now(void) {
    return now;
}

/* What links to other servers are made with, from their first use until the configuration changes. */
static struct tls *to_master, *to_peer;

static const char *missing(const struct config *c) {
    bool has_ca = *c->tls_ca_file || *c->tls_ca_dir;
    if (c->tls_replication && !has_ca)
        return "tls-replication yes needs tls-ca-cert-file or tls-ca-cert-dir: whom to believe "
               "when a "
               "master shows its certificate";
    if (!c->tls_port) return NULL;
    if (!*c->tls_cert_file) return "tls-port needs tls-cert-file, a PEM file with the certificate";
    if (!*c->tls_key_file) return "tls-port needs tls-key-file, a PEM file with the private key";
    if (c->tls_auth_clients != TLS_VERIFY_NO && !has_ca)
        return "tls-auth-clients asks clients for certificates: it needs tls-ca-cert-file or "
               "tls-ca-cert-dir, or tls-auth-clients no";
    return NULL;
}

static struct tls_options options_of(const struct config *c) {
    return (struct tls_options){
        .cert_file = c->tls_cert_file,
        .key_file = c->tls_key_file,
        .ca_file = c->tls_ca_file,
        .ca_dir = c->tls_ca_dir,
        .ciphers = c->tls_ciphers,
        .prefer_own_order = c->tls_prefer_server_ciphers,
        .verify = (enum tls_verify)c->tls_auth_clients,
        .caching = c->tls_session_caching,
        .cache_size = (size_t)c->tls_session_cache_size,
        .cache_time_s = (unsigned)c->tls_session_cache_time_s,
    };
}

/* The pair's servers know each other by their key, whatever names stand in their certificates. */
static struct tls *client_new(bool pair, char *err, size_t err_size) {
    const struct config *c = &server.config;
    struct tls_options o = options_of(c);
    o.verify = pair ? TLS_VERIFY_NO : TLS_VERIFY_YES;
    if (*c->tls_client_cert_file) {
        o.cert_file = c->tls_client_cert_file;
        o.key_file = c->tls_client_key_file;
    }
    return tls_client_new(&o, err, err_size);
}

static void drop(struct tls **t) {
    tls_release(*t);
    *t = NULL;
}

bool tlsconf_load(const char **err) {
    static char text[800];
    const struct config *c = &server.config;
    struct tls *next = NULL, *client = NULL;
    *err = missing(c);
    if (*err) return false;
    *err = text;
    if (c->tls_port) {
        const struct tls_options o = options_of(c);
        next = tls_server_new(&o, text, sizeof text);
        if (!next) return false;
        log_info("tls: certificate %s, key %s", c->tls_cert_file, c->tls_key_file);
    }
    if (c->tls_replication && !(client = client_new(false, text, sizeof text))) {
        tls_release(next);
        return false;
    }
    tls_release(now);
    now = next;
    drop(&to_master);
    drop(&to_peer);
    to_master = client;
    return true;
}

struct stream *tlsconf_dress(void *arg, int fd, bool pair, char *err, size_t err_size) {
    const struct config *c = &server.config;
    struct tls **t = pair ? &to_peer : &to_master;
    (void)arg;
    if (!(pair ? c->tls_port != 0 : c->tls_replication)) return stream_plain(fd);
    if (!*t) *t = client_new(pair, err, err_size);
    return *t ? stream_tls_client(*t, fd, NULL) : NULL;
}

void tlsconf_cron(void) {
    if (now || to_master || to_peer) tls_expire_handshakes(HANDSHAKE_LIMIT_S * NS_PER_S);
}

void tlsconf_info(struct buf *out) {
    struct tls_counts n;
    if (!now) return;
    tls_counts(&n);
    buf_printf(out,
               "tls_handshakes_full:%llu\r\ntls_handshakes_resumed:%llu\r\n"
               "tls_handshakes_failed:%llu\r\ntls_handshakes_under_way:%llu\r\n",
               (unsigned long long)n.full, (unsigned long long)n.resumed,
               (unsigned long long)n.failed, (unsigned long long)n.under_way);
}
