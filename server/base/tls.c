/* TLS streams.
 *
 *   SHAKING ----handshake done----> OPEN ----close_notify, end of stream----> CLOSED
 *      |                              |
 *      +-------- any trouble ---------+-------------------------------------> FAILED
 *
 * While SHAKING, BearSSL's engine works (struct handshake); once OPEN, records are sealed and opened
 * here with its ciphers (tls_record.c), in buffers that all streams of a thread share. What a stream
 * keeps: `held`, bytes read that could not be used up (plain text that the reader had no room for,
 * then the beginning of a record), and `unsent`, sealed bytes that the socket did not take. Plain
 * bytes in `unsent` are owed: the writer has not been told that they went, and offers them again. */
#include "server/base/tls_inside.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/rand.h"
#include "server/base/sock.h"
#include "server/base/stream.h"

enum {
    SHAKE_BUFFER_PLAIN = 4096, /* a handshake's records are no longer, whatever data records are */
    SHAKE_IN_BYTES = SHAKE_BUFFER_PLAIN + 325,
    SHAKE_OUT_BYTES = SHAKE_BUFFER_PLAIN + 85,
    SHAKE_SEED_BYTES = 48,
    BATCH_RECORDS = 4, /* sealed before one send */
    READ_BYTES = 64 * 1024,
    ODD_RECORDS_MAX = 16 /* warnings, empty records and attempts to renegotiate */
};

enum state { SHAKING, OPEN, CLOSED, FAILED };

struct run {
    unsigned char *data;
    uint32_t at, end;
};

struct tls_stream {
    struct stream base;
    enum state state;
    int error; /* errno of FAILED */
    uint16_t suite, plain_max;
    uint8_t odd_records;
    bool is_server, slow;    /* the socket took less than was sealed for it */
    struct handshake *shake; /* while SHAKING */
    struct tls_ciphers ciphers;
    struct run held;
    uint32_t held_plain; /* of held, from its beginning */
    uint32_t owed;
    struct run unsent;
};

struct handshake {
    struct handshake *newer, *older; /* all that are under way, under shakes_lock */
    uint64_t began_ns;
    struct tls *tls;
    struct tls_stream *stream;
    br_ssl_engine_context *engine;
    bool found, saved, done, first_seen;
    _Atomic bool expired; /* set by the thread that watches over the time */
    unsigned char first;  /* byte: tells TLS from something else */
    struct tls_verifier verifier;
    unsigned char in[SHAKE_IN_BYTES], out[SHAKE_OUT_BYTES];
    union {
        br_ssl_server_context server;
        br_ssl_client_context client;
    };
};

static pthread_mutex_t shakes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct handshake *newest, *oldest;
static uint64_t shakes_under_way, shakes_full, shakes_resumed, shakes_failed;

static struct tls_stream *of(struct stream *s) {
    return (struct tls_stream *)s;
}
static const struct tls_stream *of_const(const struct stream *s) {
    return (const struct tls_stream *)s;
}

/* ---- runs of bytes -------------------------------------------------------------------------- */

static uint32_t run_len(const struct run *r) {
    return r->end - r->at;
}

static void run_free(struct run *r) {
    if (r->data) explicit_bzero(r->data, r->end);
    free(r->data);
    *r = (struct run){0};
}

static void run_set(struct run *r, const unsigned char *p, size_t n) {
    run_free(r);
    if (n) *r = (struct run){xmemdup(p, n), 0, (uint32_t)n};
}

static void run_add(struct run *r, const unsigned char *p, size_t n) {
    r->data = xrealloc(r->data, r->end + n);
    memcpy(r->data + r->end, p, n);
    r->end += (uint32_t)n;
}

/* ---- buffers that the streams of a thread share --------------------------------------------- */

struct scratch {
    unsigned char in[READ_BYTES + TLS_RECORD_MAX];
    unsigned char out[BATCH_RECORDS * TLS_RECORD_MAX];
};
static __thread struct scratch *scratch_of_thread;
static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void make_key(void) {
    if (pthread_key_create(&scratch_key, free)) bug("no key for a thread's buffers: %m");
}

static struct scratch *scratch(void) {
    if (scratch_of_thread) return scratch_of_thread;
    pthread_once(&scratch_once, make_key);
    scratch_of_thread = xmalloc(sizeof *scratch_of_thread);
    pthread_setspecific(scratch_key, scratch_of_thread);
    return scratch_of_thread;
}

/* ---- trouble -------------------------------------------------------------------------------- */

/* One line a second at most: anybody can make a handshake fail. */
static void say_failure(const struct tls_stream *t, const char *what) {
    static uint64_t said_ns, unsaid;
    uint64_t now = clock_boot_ns(), then = __atomic_load_n(&said_ns, __ATOMIC_RELAXED);
    char peer[128];
    if (log_get_level() > LOG_DEBUG) return;
    if ((then && now - then < NS_PER_S) ||
        !__atomic_compare_exchange_n(&said_ns, &then, now, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)) {
        __atomic_add_fetch(&unsaid, 1, __ATOMIC_RELAXED);
        return;
    }
    sock_peer_name(t->base.fd, peer, sizeof peer);
    uint64_t more = __atomic_exchange_n(&unsaid, 0, __ATOMIC_RELAXED);
    log_debug("tls: %s: %s (%llu more were not said)", peer, what, (unsigned long long)more);
}

/* The reader must hear of it: a socket that is shut for reading is readable. */
static void wake_reader(struct tls_stream *t) {
    shutdown(t->base.fd, SHUT_RD);
}

static void fail(struct tls_stream *t, int error) {
    if (t->state == CLOSED || t->state == FAILED) return;
    t->state = FAILED;
    t->error = error;
    run_free(&t->held);
    t->held_plain = 0;
    wake_reader(t);
}

/* A last word, when the socket takes it at once. */
static void send_alert(struct tls_stream *t, int level, int alert) {
    unsigned char *p = scratch()->out;
    size_t room;
    if (!t->ciphers.out || run_len(&t->unsent)) return;
    unsigned char *plain = tls_seal_room(&t->ciphers, p, &room);
    plain[0] = (unsigned char)level;
    plain[1] = (unsigned char)alert;
    size_t n = tls_seal(&t->ciphers, p, TLS_ALERT, 2);
    ssize_t sent = send(t->base.fd, p, n, MSG_NOSIGNAL);
    if (sent < (ssize_t)n && sent > 0) run_set(&t->unsent, p + sent, n - (size_t)sent);
}

static void fail_with_alert(struct tls_stream *t, int alert, const char *what) {
    send_alert(t, 2, alert);
    say_failure(t, what);
    fail(t, EPROTO);
}

/* ---- sending what is sealed ----------------------------------------------------------------- */

/* 0 when all went, or STREAM_AGAIN, STREAM_FAILED. */
static long flush_unsent(struct tls_stream *t) {
    while (run_len(&t->unsent)) {
        ssize_t n =
            send(t->base.fd, t->unsent.data + t->unsent.at, run_len(&t->unsent), MSG_NOSIGNAL);
        if (n >= 0) {
            t->unsent.at += (uint32_t)n;
        } else if (errno == EAGAIN || errno == ENOTCONN) {
            return STREAM_AGAIN;
        } else if (errno != EINTR) {
            fail(t, errno);
            return STREAM_FAILED;
        }
    }
    run_free(&t->unsent);
    return 0;
}

/* ---- handshakes ----------------------------------------------------------------------------- */

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

static void end_shake(struct tls_stream *t) {
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
        send_alert(t, 2, alert_of_error(err));
    }
    say_failure(t, name_of_error(h, err));
    end_shake(t);
    fail(t, EPROTO);
}

static void shake_done(struct tls_stream *t) {
    struct handshake *h = t->shake;
    unsigned asked = h->engine->peer_log_max_frag_len;
    t->suite = h->engine->session.cipher_suite;
    t->plain_max = asked ? (uint16_t)(1u << asked) : TLS_PLAIN_MAX;
    tls_ciphers_take(&t->ciphers, h->engine);
    h->done = true;
    if (t->is_server) count_shake(h->found && !h->saved ? &shakes_resumed : &shakes_full);
    end_shake(t);
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

static void shake(struct tls_stream *t) {
    while (t->state == SHAKING) {
        struct handshake *h = t->shake;
        br_ssl_engine_context *e = h->engine;
        gather(t, e);
        long flushed = flush_unsent(t);
        if (flushed == STREAM_FAILED) end_shake(t);
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

/* ---- reading -------------------------------------------------------------------------------- */

/* Handshake messages after the handshake ask for another one, which is refused. */
static bool odd_record(struct tls_stream *t, int type) {
    if (++t->odd_records > ODD_RECORDS_MAX) {
        fail_with_alert(t, ALERT_UNEXPECTED_MESSAGE, "too many records without data");
        return false;
    }
    if (type == TLS_HANDSHAKE) send_alert(t, 1, ALERT_NO_RENEGOTIATION);
    return true;
}

/* False: nothing more is read from this stream. */
static bool control_record(struct tls_stream *t, int type, const unsigned char *p, size_t n) {
    if (type == TLS_HANDSHAKE) return odd_record(t, type);
    if (type != TLS_ALERT || n != 2) {
        fail_with_alert(t, ALERT_UNEXPECTED_MESSAGE, "a record of a wrong kind");
        return false;
    }
    if (p[1] == ALERT_CLOSE_NOTIFY) {
        t->state = CLOSED;
        wake_reader(t);
        return false;
    }
    if (p[0] == 1) return odd_record(t, type);
    say_failure(t, "the other side gave up with an alert");
    fail(t, ECONNRESET);
    return false;
}

struct reader {
    unsigned char *from; /* received: at..end */
    size_t at, end;
    char *to; /* room for n, done of it used */
    size_t n, done;
};

/* Hands over the plain text of a record; what has no room is held, with all that follows it. */
static bool deliver(struct tls_stream *t, struct reader *r, const unsigned char *p, size_t len) {
    size_t fits = r->n - r->done < len ? r->n - r->done : len;
    memcpy(r->to + r->done, p, fits);
    r->done += fits;
    if (fits == len) return true;
    run_set(&t->held, p + fits, len - fits);
    t->held_plain = (uint32_t)(len - fits);
    run_add(&t->held, r->from + r->at, r->end - r->at);
    r->at = r->end;
    return false;
}

/* Opens the whole records that are there. */
static void open_records(struct tls_stream *t, struct reader *r) {
    for (;;) {
        unsigned char *record = r->from + r->at;
        size_t size = tls_record_size(record, r->end - r->at), len;
        int alert;
        if (size > TLS_RECORD_MAX) {
            fail_with_alert(t, ALERT_RECORD_OVERFLOW, "a record that is too long");
            return;
        }
        if (!size || size > r->end - r->at) return;
        r->at += size;
        unsigned char *plain = tls_open(&t->ciphers, record, &len, &alert);
        if (!plain) {
            fail_with_alert(t, alert, "a record that does not open");
            return;
        }
        if (record[0] != TLS_DATA) {
            if (!control_record(t, record[0], plain, len)) return;
        } else if (!len) {
            if (!odd_record(t, TLS_DATA)) return;
        } else {
            t->odd_records = 0;
            if (!deliver(t, r, plain, len)) return;
        }
    }
}

/* How much may be received so that no plain text is left over, but at least the rest of a record. */
static size_t wanted(const unsigned char *part, size_t part_len, size_t n) {
    size_t size = tls_record_size(part, part_len);
    size_t rest = (size ? size : TLS_HEADER_BYTES) - part_len;
    size_t most = READ_BYTES + TLS_RECORD_MAX - part_len;
    size_t want = n > part_len + rest ? n - part_len : rest;
    return want < most ? want : most;
}

static long take_plain(struct tls_stream *t, void *p, size_t n) {
    if (n > t->held_plain) n = t->held_plain;
    memcpy(p, t->held.data + t->held.at, n);
    t->held.at += (uint32_t)n;
    t->held_plain -= (uint32_t)n;
    if (!run_len(&t->held)) run_free(&t->held);
    return (long)n;
}

static long state_outcome(struct tls_stream *t) {
    if (t->state == CLOSED) return STREAM_CLOSED;
    if (t->state != FAILED) return STREAM_AGAIN;
    errno = t->error;
    return STREAM_FAILED;
}

static long tls_read(struct stream *s, void *p, size_t n) {
    struct tls_stream *t = of(s);
    if (t->held_plain) return take_plain(t, p, n);
    if (t->state != OPEN || !n) return state_outcome(t);
    unsigned char *buffer = scratch()->in;
    size_t part = run_len(&t->held);
    const unsigned char *held = part ? t->held.data + t->held.at : NULL;
    ssize_t got = recv(s->fd, buffer + part, wanted(held, part, n), 0);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR) fail(t, errno);
        return state_outcome(t);
    }
    if (got == 0) {
        t->state = CLOSED; /* without a farewell: what was said in full was read in full */
        run_free(&t->held);
        return STREAM_CLOSED;
    }
    if (part) memcpy(buffer, held, part);
    run_free(&t->held);
    struct reader r = {buffer, 0, part + (size_t)got, p, n, 0};
    open_records(t, &r);
    if (t->state == OPEN && r.at < r.end) run_set(&t->held, buffer + r.at, r.end - r.at);
    return r.done ? (long)r.done : state_outcome(t);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* A place in what the writer offers. */
struct source {
    const struct iovec *iov;
    int left; /* of iov */
    size_t at;
};

static size_t source_take(struct source *s, unsigned char *to, size_t n) {
    size_t done = 0;
    while (s->left && done < n) {
        size_t some = s->iov->iov_len - s->at;
        if (some > n - done) some = n - done;
        if (to) memcpy(to + done, (char *)s->iov->iov_base + s->at, some);
        done += some;
        s->at += some;
        if (s->at < s->iov->iov_len) break;
        s->iov++;
        s->left--;
        s->at = 0;
    }
    return done;
}

struct batch {
    size_t plain[BATCH_RECORDS], sealed[BATCH_RECORDS];
    size_t count, bytes;
};

static void seal_batch(struct tls_stream *t, struct source *s, struct batch *b) {
    unsigned char *p = scratch()->out;
    size_t most = t->slow ? 1 : BATCH_RECORDS;
    b->count = b->bytes = 0;
    while (b->count < most) {
        size_t room;
        unsigned char *to = tls_seal_room(&t->ciphers, p + b->bytes, &room);
        size_t n = source_take(s, to, room < t->plain_max ? room : t->plain_max);
        if (!n) break;
        b->plain[b->count] = n;
        b->sealed[b->count] = tls_seal(&t->ciphers, p + b->bytes, TLS_DATA, n);
        b->bytes += b->sealed[b->count++];
    }
}

/* Plain bytes of the records that went as a whole; the rest is kept, and owed. */
static size_t settle(struct tls_stream *t, const struct batch *b, size_t sent) {
    size_t went = 0, end = 0;
    for (size_t i = 0; i < b->count; i++) {
        end += b->sealed[i];
        if (end <= sent)
            went += b->plain[i];
        else
            t->owed += (uint32_t)b->plain[i];
    }
    t->slow = sent < b->bytes;
    if (t->slow) run_set(&t->unsent, scratch()->out + sent, b->bytes - sent);
    return went;
}

static long tls_writev(struct stream *s, const struct iovec *iov, int count) {
    struct tls_stream *t = of(s);
    struct source from = {iov, count, 0};
    size_t done = 0;
    if (t->state == CLOSED) {
        errno = EPIPE;
        return STREAM_FAILED;
    }
    if (t->state != OPEN) return state_outcome(t);
    long flushed = flush_unsent(t);
    if (flushed == STREAM_FAILED) errno = t->error;
    if (flushed) return flushed;
    done = source_take(&from, NULL, t->owed);
    t->owed -= (uint32_t)done;
    while (!t->owed) {
        struct batch b;
        seal_batch(t, &from, &b);
        if (!b.count) break;
        ssize_t n = send(s->fd, scratch()->out, b.bytes, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            fail(t, errno);
            return state_outcome(t);
        }
        done += settle(t, &b, n < 0 ? 0 : (size_t)n);
    }
    return done ? (long)done : STREAM_AGAIN;
}

/* ---- the rest of a stream ------------------------------------------------------------------- */

static int tls_watch(const struct stream *s, int wants) {
    const struct tls_stream *t = of_const(s);
    if (t->state != SHAKING) return wants;
    return run_len(&t->unsent) ? LOOP_WRITE : LOOP_READ;
}

static int tls_event(struct stream *s, int revents) {
    struct tls_stream *t = of(s);
    if (t->state == OPEN) return revents;
    if (t->state == SHAKING) shake(t);
    return t->state == OPEN || t->state == SHAKING ? 0 : LOOP_READ;
}

static size_t tls_pending(const struct stream *s) {
    return of_const(s)->held_plain;
}

static const char *tls_cipher(const struct stream *s) {
    const struct tls_stream *t = of_const(s);
    return t->suite ? tls_suite_name(t->suite) : "none yet";
}

static size_t tls_memory(const struct stream *s) {
    const struct tls_stream *t = of_const(s);
    return sizeof *t + (t->shake ? sizeof *t->shake : 0) + tls_ciphers_memory(&t->ciphers) +
           t->held.end + t->unsent.end;
}

/* A socket that is closed with bytes unread resets the connection, and an alert that is still on its
 * way is lost with it. */
static void drain(int fd) {
    unsigned char *p = scratch()->in;
    for (int i = 0; i < 4 && recv(fd, p, READ_BYTES, MSG_DONTWAIT) > 0; i++) {
    }
}

static void tls_free(struct stream *s) {
    struct tls_stream *t = of(s);
    if (t->state == SHAKING)
        end_shake(t);
    else if (t->state != FAILED && flush_unsent(t) == 0)
        send_alert(t, 1, ALERT_CLOSE_NOTIFY);
    drain(s->fd);
    tls_ciphers_wipe(&t->ciphers);
    run_free(&t->held);
    run_free(&t->unsent);
    free(t);
}

static const struct stream_kind tls_kind = {.read = tls_read,
                                            .writev = tls_writev,
                                            .watch = tls_watch,
                                            .event = tls_event,
                                            .pending = tls_pending,
                                            .cipher = tls_cipher,
                                            .memory = tls_memory,
                                            .free = tls_free};

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
    br_ssl_server_reset(&h->server); /* what fails here is seen by shake() */
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
