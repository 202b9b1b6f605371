/* TLS streams.
 *
 *   SHAKING ----handshake done----> OPEN ----close_notify, end of stream----> CLOSED
 *      |                              |
 *      +-------- any trouble ---------+-------------------------------------> FAILED
 *
 * While SHAKING, BearSSL's engine works (tls_shake.c); once OPEN, records are sealed and opened
 * here with its ciphers (tls_record.c), in buffers that all streams of a thread share. What a stream
 * keeps: `held`, bytes read that could not be used up (plain text that the reader had no room for,
 * then the beginning of a record), and `unsent`, sealed bytes that the socket did not take. Plain
 * bytes in `unsent` are owed: the writer has not been told that they went, and offers them again. */
#include "server/base/tls_stream.h"

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
    BATCH_RECORDS = 4, /* sealed before one send */
    READ_BYTES = 64 * 1024,
    ODD_RECORDS_MAX = 16 /* warnings, empty records and attempts to renegotiate */
};

static struct tls_stream *of(struct stream *s) {
    return (struct tls_stream *)s;
}
static const struct tls_stream *of_const(const struct stream *s) {
    return (const struct tls_stream *)s;
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
void tls_say_failure(struct tls_stream *t, const char *what) {
    if (!t->trouble) t->trouble = what;
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

void tls_fail(struct tls_stream *t, int error) {
    if (t->state == CLOSED || t->state == FAILED) return;
    t->state = FAILED;
    t->error = error;
    run_free(&t->held);
    t->held_plain = 0;
    wake_reader(t);
}

/* A last word, when the socket takes it at once. */
void tls_send_alert(struct tls_stream *t, int level, int alert) {
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
    tls_send_alert(t, 2, alert);
    tls_say_failure(t, what);
    tls_fail(t, EPROTO);
}

/* ---- sending what is sealed ----------------------------------------------------------------- */

/* 0 when all went, or STREAM_AGAIN, STREAM_FAILED. */
long tls_flush_unsent(struct tls_stream *t) {
    while (run_len(&t->unsent)) {
        ssize_t n =
            send(t->base.fd, t->unsent.data + t->unsent.at, run_len(&t->unsent), MSG_NOSIGNAL);
        if (n >= 0) {
            t->unsent.at += (uint32_t)n;
        } else if (errno == EAGAIN || errno == ENOTCONN) {
            return STREAM_AGAIN;
        } else if (errno != EINTR) {
            tls_fail(t, errno);
            return STREAM_FAILED;
        }
    }
    run_free(&t->unsent);
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Handshake messages after the handshake ask for another one, which is refused. */
static bool odd_record(struct tls_stream *t, int type) {
    if (++t->odd_records > ODD_RECORDS_MAX) {
        fail_with_alert(t, ALERT_UNEXPECTED_MESSAGE, "too many records without data");
        return false;
    }
    if (type == TLS_HANDSHAKE) tls_send_alert(t, 1, ALERT_NO_RENEGOTIATION);
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
    tls_say_failure(t, "the other side gave up with an alert");
    tls_fail(t, ECONNRESET);
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
        if (errno != EAGAIN && errno != EINTR) tls_fail(t, errno);
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
    long flushed = tls_flush_unsent(t);
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
            tls_fail(t, errno);
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
    if (t->state == SHAKING) tls_shake(t);
    return t->state == OPEN || t->state == SHAKING ? 0 : LOOP_READ;
}

static size_t tls_pending(const struct stream *s) {
    return of_const(s)->held_plain;
}

static const char *tls_cipher(const struct stream *s) {
    const struct tls_stream *t = of_const(s);
    return t->suite ? tls_suite_name(t->suite) : "none yet";
}

static bool tls_channel(const struct stream *s, unsigned char *out) {
    const struct tls_stream *t = of_const(s);
    memcpy(out, t->channel, sizeof t->channel);
    return t->has_channel;
}

static const char *tls_trouble(const struct stream *s) {
    return of_const(s)->trouble;
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
        tls_end_shake(t);
    else if (t->state != FAILED && tls_flush_unsent(t) == 0)
        tls_send_alert(t, 1, ALERT_CLOSE_NOTIFY);
    drain(s->fd);
    tls_ciphers_wipe(&t->ciphers);
    run_free(&t->held);
    run_free(&t->unsent);
    free(t);
}

const struct stream_kind tls_kind = {.read = tls_read,
                                     .writev = tls_writev,
                                     .watch = tls_watch,
                                     .event = tls_event,
                                     .pending = tls_pending,
                                     .cipher = tls_cipher,
                                     .channel = tls_channel,
                                     .trouble = tls_trouble,
                                     .memory = tls_memory,
                                     .free = tls_free};
