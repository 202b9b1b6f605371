#include "server/base/tcp_ends.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/buf.h"

union address {
    struct sockaddr_storage any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool take(const union address *a, uint8_t out[16], uint16_t *port, uint8_t *v6) {
    if (a->any.ss_family == AF_INET) {
        memcpy(out, &a->v4.sin_addr, 4);
        *port = ntohs(a->v4.sin_port);
        *v6 = 0;
        return true;
    }
    if (a->any.ss_family != AF_INET6) return false;
    *v6 = !IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr);
    *port = ntohs(a->v6.sin6_port);
    if (*v6)
        memcpy(out, &a->v6.sin6_addr, 16);
    else
        memcpy(out, (const uint8_t *)&a->v6.sin6_addr + 12, 4);
    return true;
}

bool tcp_ends_of(int fd, struct tcp_ends *e) {
    union address local = {0}, remote = {0};
    socklen_t local_len = sizeof local, remote_len = sizeof remote;
    uint8_t same;
    memset(e, 0, sizeof *e);
    return getsockname(fd, (struct sockaddr *)&local.any, &local_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&remote.any, &remote_len) == 0 &&
           take(&local, e->local, &e->local_port, &e->v6) &&
           take(&remote, e->remote, &e->remote_port, &same) && same == e->v6;
}

bool tcp_ends_loopback(const struct tcp_ends *e) {
    static const uint8_t one[16] = {[15] = 1};
    return e->v6 ? memcmp(e->local, one, 16) == 0 : e->local[0] == 127;
}

static char *put(char *p, const uint8_t *address, size_t n, uint16_t port) {
    memcpy(p, address, n);
    p[n] = (char)(port >> 8);
    p[n + 1] = (char)(port & 0xff);
    return p + n + 2;
}

void tcp_ends_put(struct buf *out, const struct tcp_ends *e) {
    size_t n = e->v6 ? 16 : 4;
    char *p = buf_room(out, TCP_ENDS_BYTES_MAX);
    *p++ = e->v6 ? 6 : 4;
    p = put(p, e->local, n, e->local_port);
    put(p, e->remote, n, e->remote_port);
    buf_added(out, 5 + 2 * n);
}

static const char *get(const char *p, uint8_t *address, size_t n, uint16_t *port) {
    memcpy(address, p, n);
    *port = (uint16_t)((uint8_t)p[n] << 8 | (uint8_t)p[n + 1]);
    return p + n + 2;
}

size_t tcp_ends_get(const char *p, size_t n, struct tcp_ends *e) {
    memset(e, 0, sizeof *e);
    if (n == 0 || (p[0] != 4 && p[0] != 6)) return 0;
    size_t size = p[0] == 6 ? 16 : 4;
    if (n < 5 + 2 * size) return 0;
    e->v6 = p[0] == 6;
    get(get(p + 1, e->local, size, &e->local_port), e->remote, size, &e->remote_port);
    return 5 + 2 * size;
}
