/* link: server/base/tls.c server/base/tls_shake.c server/base/tls_record.c server/base/tls_context.c
 * server/base/tls_verify.c server/base/tls_suites.c server/base/tls_pem.c server/base/tls_cache.c
 * server/base/stream.c server/base/sock.c server/base/buf.c server/base/log.c server/base/clock.c
 * server/base/file.c server/base/hash.c server/base/num.c */
/* A TLS server's stream and what a hostile network may do to it: bytes of anybody's making, or those of
 * a real client, changed, cut, doubled or held back on their way, in the handshake and after it. No
 * crash, and never a plain byte that the client did not write.
 *
 * The first byte: 0 to 63, the rest is sent to the server as it is; else orders to the one in the
 * middle, four bytes each (what, after how many bytes, which bits, how long). Chance is replaced, so that
 * a run can be repeated. */
#include "tests/unit/tls_rig.h"

#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/rand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { CONTEXTS = 3, MIDDLE_BYTES = 8192, TEXT_BYTES = 3000 };

static struct tls *servers[CONTEXTS], *client;
static uint64_t chance;

void rand_bytes(void *out, size_t n) {
    for (unsigned char *p = out; n; n--) {
        chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
        *p++ = (unsigned char)(chance >> 56);
    }
}

static char text_at(size_t i) {
    return (char)(i * 7 + i / 256);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    char why[500];
    uint64_t key[2] = {1, 2};
    (void)argc, (void)argv;
    hash_set_key(key);
    log_set_level(LOG_ERROR);
    if (!rig_open()) abort();
    for (int i = 0; i < CONTEXTS; i++) {
        struct tls_options o = {.cert_file = rig_path(i == 1 ? "rsa.pem" : "ec.pem"),
                                .key_file = rig_path(i == 1 ? "rsa.key" : "ec.key"),
                                .ca_file = rig_path("rsa.pem"),
                                .ciphers = "ALL",
                                .verify = i == 2 ? TLS_VERIFY_OPTIONAL : TLS_VERIFY_NO,
                                .caching = true,
                                .cache_size = 10,
                                .cache_time_s = 300};
        servers[i] = tls_server_new(&o, why, sizeof why);
        if (!servers[i]) abort();
    }
    struct tls_options o = {.cert_file = rig_path("rsa.pem"), .key_file = rig_path("rsa.key")};
    client = tls_client_new(&o, why, sizeof why);
    if (!client) abort();
    rig_close();
    return 0;
}

/* What the server's user does: everything that it may, until the stream ends. */
static bool serve(struct stream *s, size_t *got) {
    char p[20000];
    int revents = stream_event(s, LOOP_READ | LOOP_WRITE);
    if (!(revents & LOOP_READ)) return true;
    long n = stream_read(s, p, *got % 2 ? 100 : sizeof p);
    if (n == STREAM_CLOSED || n == STREAM_FAILED) return false;
    for (long i = 0; i < n; i++) {
        if (p[i] != text_at((*got)++)) __builtin_trap();
    }
    if (n > 0 && revents & LOOP_WRITE) (void)stream_write(s, p, (size_t)n);
    return true;
}

static void raw(struct tls *t, const uint8_t *data, size_t size) {
    int fd[2];
    size_t got = 0, at = 0;
    if (!rig_pair(fd, 0)) abort();
    struct stream *s = stream_tls_server(t, fd[0]);
    bool open = true;
    while (open && at < size) {
        size_t n = size - at < 50 ? size - at : 50;
        ssize_t sent = send(fd[1], data + at, n, MSG_NOSIGNAL);
        if (sent <= 0) break;
        at += (size_t)sent;
        open = serve(s, &got);
    }
    if (got) __builtin_trap();
    stream_free(s);
    close(fd[1]);
}

struct middle {
    int from, to;
    const uint8_t *orders;
    size_t left, passed;
};

/* Passes on what is there, after doing to it what the next order says when its place has come. */
static void pass(struct middle *m) {
    unsigned char p[2 * MIDDLE_BYTES];
    ssize_t n = recv(m->from, p, MIDDLE_BYTES, 0);
    if (n <= 0) {
        if (n == 0) shutdown(m->to, SHUT_WR);
        return;
    }
    size_t len = (size_t)n, at = 0;
    if (m->left >= 4) {
        const uint8_t *o = m->orders;
        size_t place = o[1] * 4u;
        if (place >= m->passed && place < m->passed + len) {
            at = place - m->passed;
            size_t span = o[3] < len - at ? o[3] : len - at;
            switch (o[0] % 5) {
            case 0: p[at] ^= o[2]; break;
            case 1:
                memmove(p + at, p + at + span, len - at - span);
                len -= span;
                break;
            case 2:
                memmove(p + at + span, p + at, len - at);
                len += span;
                break;
            case 3: memset(p + at, o[2], span); break;
            case 4: len = at; break;
            }
            m->orders += 4;
            m->left -= 4;
        }
    }
    m->passed += (size_t)n;
    if (len && send(m->to, p, len, MSG_NOSIGNAL) < 0) shutdown(m->to, SHUT_WR);
}

static void through_the_middle(struct tls *t, const uint8_t *orders, size_t size) {
    int near[2], far[2];
    size_t got = 0, sent = 0;
    char text[TEXT_BYTES], back[5000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = text_at(i);
    if (!rig_pair(near, 0) || !rig_pair(far, 0)) abort();
    struct stream *s = stream_tls_server(t, near[0]), *c = stream_tls_client(client, far[0], NULL);
    struct middle up = {far[1], near[1], orders, size / 2 & ~3u, 0};
    struct middle down = {near[1], far[1], orders + up.left, size - up.left, 0};
    bool open = true;
    for (int i = 0; i < 60 && open; i++) {
        if (stream_event(c, LOOP_READ | LOOP_WRITE) & LOOP_WRITE && sent < sizeof text) {
            size_t n = sent + 700 < sizeof text ? 700 : sizeof text - sent;
            long done = stream_write(c, text + sent, n);
            if (done > 0) sent += (size_t)done;
        }
        pass(&up);
        open = serve(s, &got);
        pass(&down);
        long n = stream_read(c, back, sizeof back);
        if (n == STREAM_CLOSED || n == STREAM_FAILED) break;
    }
    stream_free(c);
    for (int i = 0; i < 10 && open; i++) {
        pass(&up);
        open = serve(s, &got);
    }
    stream_free(s);
    close(near[1]);
    close(far[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    chance = 1;
    struct tls *t = servers[data[0] % CONTEXTS];
    if (data[0] < 64)
        raw(t, data + 1, size - 1);
    else
        through_the_middle(t, data + 1, size - 1);
    return 0;
}
