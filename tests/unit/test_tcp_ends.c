/* link: server/base/tcp_ends.c server/base/buf.c server/base/log.c server/base/clock.c netcfg/segment.c */
#include "netcfg/segment.h"
#include "server/base/buf.h"
#include "server/base/tcp_ends.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static struct tcp_ends of(const char *local, const char *remote, bool v6) {
    struct tcp_ends e = {.v6 = v6, .local_port = 6379, .remote_port = 40001};
    inet_pton(v6 ? AF_INET6 : AF_INET, local, e.local);
    inet_pton(v6 ? AF_INET6 : AF_INET, remote, e.remote);
    return e;
}

static void as_bytes(const struct tcp_ends *e, size_t size) {
    struct buf b = BUF_INIT;
    struct tcp_ends back;
    tcp_ends_put(&b, e);
    is_int((int64_t)buf_len(&b), (int64_t)size,
           e->v6 ? "IPv6 ends are 37 bytes" : "IPv4 ends are 13 bytes");
    is_int((int64_t)tcp_ends_get(buf_head(&b), size, &back), (int64_t)size, "which are read whole");
    ok(memcmp(&back, e, sizeof back) == 0, "and are the same ends");
    bool short_refused = true;
    for (size_t n = 0; n < size; n++) {
        char *exact = xmemdup(buf_head(&b), n ? n : 1);
        short_refused = short_refused && tcp_ends_get(exact, n, &back) == 0;
        free(exact);
    }
    ok(short_refused, "no part of them is taken for ends");
    *buf_head(&b) = 5;
    is_int((int64_t)tcp_ends_get(buf_head(&b), size, &back), 0, "nor another kind");
    buf_free(&b);
}

/* A listener on both families, as the server's is: what comes by IPv4 shows as mapped. */
static void of_a_socket(void) {
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any, to_len = sizeof to;
    struct tcp_ends e, mirror;
    int l = socket(AF_INET6, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    ok(bind(l, (struct sockaddr *)&any, sizeof any) == 0 && listen(l, 1) == 0 &&
           getsockname(l, (struct sockaddr *)&any, &len) == 0,
       "a socket listens");
    to.sin_port = any.sin6_port;
    ok(connect(c, (struct sockaddr *)&to, to_len) == 0, "and somebody comes by IPv4");
    int a = accept(l, NULL, NULL);
    ok(tcp_ends_of(a, &e) && !e.v6 && e.local_port == ntohs(any.sin6_port), "its ends are IPv4's");
    ok(tcp_ends_of(c, &mirror) && mirror.remote_port == e.local_port &&
           mirror.local_port == e.remote_port && memcmp(mirror.local, e.remote, 16) == 0,
       "the other side has the same, turned round");
    ok(tcp_ends_loopback(&e), "of this machine");
    ok(!tcp_ends_of(l, &e), "a socket that listens has no two ends");
    close(a), close(c), close(l);
}

/* RFC 1071 over pseudo header and segment: a right checksum makes the sum all ones. */
static unsigned check(const struct tcp_ends *e, const uint8_t *p, size_t n) {
    size_t size = e->v6 ? 16 : 4;
    uint32_t sum = 6 + (uint32_t)n;
    for (size_t i = 0; i < size; i += 2)
        sum += (uint32_t)(e->local[i] << 8 | e->local[i + 1]) +
               (uint32_t)(e->remote[i] << 8 | e->remote[i + 1]);
    for (size_t i = 0; i < n; i += 2) sum += (uint32_t)(p[i] << 8 | p[i + 1]);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void as_segment(const struct tcp_ends *e) {
    uint8_t p[SEGMENT_BYTES_MAX];
    size_t head = e->v6 ? 40 : 20, n = segment_ack(e, 0x01020304, 0xfffefdfc, p);
    is_int((int64_t)n, (int64_t)head + 20, e->v6 ? "an ACK by IPv6" : "an ACK by IPv4");
    is_int(check(e, p + head, 20), 0xffff, "its checksum is right");
    ok(p[head] == 6379 >> 8 && p[head + 1] == (6379 & 0xff) && p[head + 13] == 0x10 &&
           p[head + 4] == 1 && p[head + 11] == 0xfc,
       "ports, number and flag are where they belong");
    ok(memcmp(p + (e->v6 ? 8 : 12), e->local, e->v6 ? 16 : 4) == 0, "it comes from the VIP");
}

int main(void) {
    struct tcp_ends v4 = of("192.0.2.10", "192.0.2.77", false),
                    v6 = of("2001:db8::10", "2001:db8:1::77", true);
    as_bytes(&v4, 13);
    as_bytes(&v6, 37);
    of_a_socket();
    as_segment(&v4);
    as_segment(&v6);
    return done();
}
