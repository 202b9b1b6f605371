/* Handshakes: BearSSL's engine from a stream's first byte until both sides have the keys. All that are under way stand in
 * a list, so that one that takes too long can be ended. */
#include "server/base/tls_stream.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/rand.h"

static pthread_mutex_t shakes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct handshake *newest, *oldest;
static uint64_t shakes_under_way, shakes_full, shakes_resumed, shakes_failed;

static struct handshake *of_server(br_ssl_server_context *cc) {
    return (struct handshake *)((char *)cc - offsetof(struct handshake, server));
}

void tls_session_found(br_ssl_server_context *cc) {
    of_server(cc)->found = true;
}

void tls_session_saved(br_ssl_server_context *cc) {
    of_server(cc)->saved = true;
}

static void enlist(struct handshake *h) {
    pthread_mutex_lock(&shakes_lock);
    h->older = newest;
    *(newest ? &newest->newer : &oldest) = h;
    newest = h;
    shakes_under_way++;
    pthread_mutex_unlock(&shakes_lock);
}

static void delist(struct handshake *h) {
    pthread_mutex_lock(&shakes_lock);
    *(h->newer ? &h->newer->older : &newest) = h->older;
    *(h->older ? &h->older->newer : &oldest) = h->newer;
    shakes_under_way--;
    pthread_mutex_unlock(&shakes_lock);
}

void tls_expire_handshakes(uint64_t limit_ns) {
    uint64_t now = clock_boot_ns();
    pthread_mutex_lock(&shakes_lock);
    for (struct handshake *h = oldest; h && now - h->began_ns > limit_ns; h = h->newer) {
        if (!atomic_exchange(&h->expired, true)) shutdown(h->stream->base.fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&shakes_lock);
}

void tls_counts(struct tls_counts *out) {
    pthread_mutex_lock(&shakes_lock);
    *out = (struct tls_counts){shakes_full, shakes_resumed, shakes_failed, shakes_under_way};
    pthread_mutex_unlock(&shakes_lock);
}

static void count_shake(uint64_t *counter) {
    pthread_mutex_lock(&shakes_lock);
    ++*counter;
    pthread_mutex_unlock(&shakes_lock);
}

void tls_end_shake(struct tls_stream *t) {
    struct handshake *h = t->shake;
    if (t->is_server && !h->done) count_shake(&shakes_failed);
    delist(h);
    tls_release(h->tls);
    explicit_bzero(h, sizeof *h);
    free(h);
    t->shake = NULL;
}

static const char *name_of_error(const struct handshake *h, int err) {
    if (h->first_seen && (h->first < TLS_CHANGE_CIPHER || h->first > TLS_DATA))
        return h->first == '*' || (h->first >= 'A' && h->first <= 'z')
                   ? "a handshake failed: it speaks without TLS"
                   : "a handshake failed: that is not TLS";
    if (h->expired) return "a handshake took too long";
    switch (err) {
    case BR_ERR_OK: return "a handshake ended early: the other side went";
    case BR_ERR_UNSUPPORTED_VERSION:
    case BR_ERR_BAD_VERSION:
    case BR_ERR_SEND_FATAL_ALERT + ALERT_PROTOCOL_VERSION:
        return "a handshake failed: no common version of TLS (there is TLSv1.2)";
    case BR_ERR_SEND_FATAL_ALERT + ALERT_HANDSHAKE_FAILURE:
    case BR_ERR_BAD_CIPHER_SUITE: return "a handshake failed: no common cipher suite";
    case BR_ERR_NO_CLIENT_AUTH: return "a handshake failed: it showed no certificate";
    case BR_ERR_X509_EXPIRED: return "a handshake failed: its certificate is not valid now";
    case BR_ERR_X509_NOT_TRUSTED: return "a handshake failed: its certificate is of no known CA";
    case BR_ERR_X509_BAD_SERVER_NAME:
        return "a handshake failed: its certificate is for another name";
    }
    if (err >= BR_ERR_X509_OK && err <= BR_ERR_X509_NOT_TRUSTED)
        return "a handshake failed: its certificate does not hold";
    if (err >= BR_ERR_RECV_FATAL_ALERT && err < BR_ERR_SEND_FATAL_ALERT)
        return "a handshake failed: the other side refused it";
    return "a handshake failed: it broke the protocol";
}

static int alert_of_error(int err) {
    switch (err) {
    case BR_ERR_X509_EXPIRED: return ALERT_CERTIFICATE_EXPIRED;
    case BR_ERR_X509_NOT_TRUSTED:
    case BR_ERR_X509_NOT_CA: return ALERT_UNKNOWN_CA;
    case BR_ERR_X509_UNSUPPORTED:
    case BR_ERR_X509_WRONG_KEY_TYPE: return ALERT_UNSUPPORTED_CERTIFICATE;
    case BR_ERR_NO_CLIENT_AUTH: return ALERT_HANDSHAKE_FAILURE;
    case BR_ERR_BAD_MAC: return ALERT_BAD_RECORD_MAC;
    case BR_ERR_BAD_LENGTH:
    case BR_ERR_TOO_LARGE: return ALERT_RECORD_OVERFLOW;
    case BR_ERR_BAD_FINISHED:
    case BR_ERR_BAD_SIGNATURE: return ALERT_DECRYPT_ERROR;
    case BR_ERR_UNEXPECTED: return ALERT_UNEXPECTED_MESSAGE;
    case BR_ERR_BAD_VERSION: return ALERT_PROTOCOL_VERSION;
    }
    return err >= BR_ERR_X509_OK && err <= BR_ERR_X509_NOT_TRUSTED ? ALERT_BAD_CERTIFICATE
                                                                   : ALERT_DECODE_ERROR;
}

/* BearSSL says some refusals itself (they are in its errors from 256 on) and is silent about the
 * rest; something that is not TLS gets no answer. */
static void shake_failed(struct tls_stream *t, int err) {
    struct handshake *h = t->shake;
    if (err && err < BR_ERR_RECV_FATAL_ALERT && err != BR_ERR_UNSUPPORTED_VERSION &&
        err != BR_ERR_IO) {
        tls_ciphers_take(&t->ciphers, h->engine);
        tls_send_alert(t, 2, alert_of_error(err));
    }
    tls_say_failure(t, name_of_error(h, err));
    tls_end_shake(t);
    tls_fail(t, EPROTO);
}

/* A client that resumes a session is shown no certificate; ours do not. */
static void note_channel(struct tls_stream *t) {
    const struct handshake *h = t->shake;
    t->has_channel = t->is_server || h->verifier.certs;
    if (t->is_server)
        memcpy(t->channel, h->tls->cert_hash, sizeof t->channel);
    else if (t->has_channel)
        br_sha256_out(&h->verifier.hash, t->channel);
}

static void shake_done(struct tls_stream *t) {
    struct handshake *h = t->shake;
    unsigned asked = h->engine->peer_log_max_frag_len;
    t->suite = h->engine->session.cipher_suite;
    t->plain_max = asked ? (uint16_t)(1u << asked) : TLS_PLAIN_MAX;
    tls_ciphers_take(&t->ciphers, h->engine);
    note_channel(t);
    h->done = true;
    if (t->is_server) count_shake(h->found && !h->saved ? &shakes_resumed : &shakes_full);
    tls_end_shake(t);
    t->state = OPEN;
}

/* All that the engine has to say, in one piece. */
static void gather(struct tls_stream *t, br_ssl_engine_context *e) {
    size_t n;
    for (unsigned char *p; (p = br_ssl_engine_sendrec_buf(e, &n));) {
        run_add(&t->unsent, p, n);
        br_ssl_engine_sendrec_ack(e, n);
    }
}

/* Reads what the engine asks for and no byte more: what follows the handshake is not for it. False:
 * nothing is there yet, or the stream failed. */
static bool feed(struct tls_stream *t, br_ssl_engine_context *e) {
    size_t n;
    unsigned char *p = br_ssl_engine_recvrec_buf(e, &n);
    must(p != NULL, "a handshake that has nothing to say listens");
    ssize_t got = recv(t->base.fd, p, n, 0);
    if (got > 0) {
        if (!t->shake->first_seen) t->shake->first = *p;
        t->shake->first_seen = true;
        br_ssl_engine_recvrec_ack(e, (size_t)got);
        return true;
    }
    if (got == 0) {
        shake_failed(t, BR_ERR_OK);
    } else if (errno != EAGAIN && errno != EINTR) {
        int error = errno;
        shake_failed(t, BR_ERR_IO);
        t->error = error;
    }
    return false;
}

void tls_shake(struct tls_stream *t) {
    while (t->state == SHAKING) {
        struct handshake *h = t->shake;
        br_ssl_engine_context *e = h->engine;
        gather(t, e);
        long flushed = tls_flush_unsent(t);
        if (flushed == STREAM_FAILED) tls_end_shake(t);
        if (flushed) return; /* the socket is full, or gone */
        unsigned state = br_ssl_engine_current_state(e);
        if (state & BR_SSL_CLOSED)
            shake_failed(t, br_ssl_engine_last_error(e));
        else if (h->verifier.error)
            shake_failed(t, (int)h->verifier.error);
        else if (state & BR_SSL_SENDAPP)
            shake_done(t);
        else if (!feed(t, e))
            return;
    }
}

/* ---- making streams -------------------------------------------------------------------------- */

static struct tls_stream *new_stream(struct tls *tls, int fd) {
    struct tls_stream *t = xcalloc(1, sizeof *t);
    struct handshake *h = xmalloc(sizeof *h);
    memset(h, 0, offsetof(struct handshake, verifier));
    t->base = (struct stream){fd, &tls_kind};
    t->state = SHAKING;
    t->is_server = tls->is_server;
    t->shake = h;
    h->stream = t;
    h->tls = tls_hold(tls);
    h->began_ns = clock_boot_ns();
    return t;
}

/* The engine is told small buffers, and that they are no reason to agree on short records. It is
 * seeded by us: asking the processor for seeds anew is slow in a virtual machine. */
static void set_up_engine(struct handshake *h) {
    unsigned char seed[SHAKE_SEED_BYTES];
    br_ssl_engine_set_buffers_bidi(h->engine, h->in, sizeof h->in, h->out, sizeof h->out);
    h->engine->log_max_frag_len = 14;
    rand_bytes(seed, sizeof seed);
    br_ssl_engine_inject_entropy(h->engine, seed, sizeof seed);
    h->engine->rng_os_rand_done = 1;
    explicit_bzero(seed, sizeof seed);
}

struct stream *stream_tls_server(struct tls *tls, int fd) {
    must(tls->is_server, "a server's stream comes from a server's context");
    struct tls_stream *t = new_stream(tls, fd);
    struct handshake *h = t->shake;
    h->server = tls->server;
    h->engine = &h->server.eng;
    if (tls->verify != TLS_VERIFY_NO) {
        tls_verifier_init(&h->verifier, tls, true);
        br_ssl_engine_set_x509(h->engine, &h->verifier.vtable);
    } else {
        h->verifier.error = 0;
    }
    set_up_engine(h);
    enlist(h);
    br_ssl_server_reset(&h->server); /* what fails here is seen by tls_shake() */
    return &t->base;
}

struct stream *stream_tls_client(struct tls *tls, int fd, const char *name) {
    must(!tls->is_server, "a client's stream comes from a client's context");
    struct tls_stream *t = new_stream(tls, fd);
    struct handshake *h = t->shake;
    h->client = tls->client;
    h->engine = &h->client.eng;
    tls_verifier_init(&h->verifier, tls, !name);
    br_ssl_engine_set_x509(h->engine, &h->verifier.vtable);
    set_up_engine(h);
    enlist(h);
    br_ssl_client_reset(&h->client, name, 0);
    gather(t, h->engine); /* so that the stream waits to be writable, that is, connected */
    return &t->base;
}
