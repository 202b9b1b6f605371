/* See tlsconf.h. */
#include "server/tlsconf.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/tls.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

enum { HANDSHAKE_LIMIT_S = 10 };

static struct tls *now;

struct tls *tlsconf_now(void) {
    return now;
}

static const char *missing(const struct config *c) {
    if (!*c->tls_cert_file) return "tls-port needs tls-cert-file, a PEM file with the certificate";
    if (!*c->tls_key_file) return "tls-port needs tls-key-file, a PEM file with the private key";
    if (c->tls_auth_clients != TLS_VERIFY_NO && !*c->tls_ca_file && !*c->tls_ca_dir)
        return "tls-auth-clients asks clients for certificates: it needs tls-ca-cert-file or "
               "tls-ca-cert-dir, or tls-auth-clients no";
    return NULL;
}

bool tlsconf_load(const char **err) {
    static char text[800];
    const struct config *c = &server.config;
    const struct tls_options o = {
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
    struct tls *next = NULL;
    if (c->tls_port) {
        *err = missing(c);
        if (*err) return false;
        next = tls_server_new(&o, text, sizeof text);
        *err = text;
        if (!next) return false;
        log_info("tls: certificate %s, key %s", c->tls_cert_file, c->tls_key_file);
    }
    tls_release(now);
    now = next;
    return true;
}

void tlsconf_cron(void) {
    if (now) tls_expire_handshakes(HANDSHAKE_LIMIT_S * NS_PER_S);
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
