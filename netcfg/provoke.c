#include "netcfg/provoke.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netcfg/netcfg.h"
#include "netcfg/segment.h"
#include "server/base/buf.h"
#include "server/base/rand.h"
#include "server/base/tcp_ends.h"

struct netcfg_provoker {
    int v4, v6; /* v6 -1: this kernel has none */
};

struct netcfg_provoker *netcfg_provoker_new(struct netcfg_error *err) {
    struct netcfg_provoker *p = xcalloc(1, sizeof *p);
    /* IPPROTO_RAW: the header is ours, and nothing that arrives is copied to these. */
    p->v4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
    p->v6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
    if (p->v4 >= 0) return p;
    snprintf(err->text, sizeof err->text,
             "no raw socket to tell the former master's clients with: %s; clients that only wait "
             "notice the takeover late; run as root",
             strerror(errno));
    netcfg_provoker_free(p);
    return NULL;
}

void netcfg_provoker_free(struct netcfg_provoker *p) {
    if (!p) return;
    if (p->v4 >= 0) close(p->v4);
    if (p->v6 >= 0) close(p->v6);
    free(p);
}

static bool send_one(const struct netcfg_provoker *p, const struct tcp_ends *e) {
    uint8_t segment[SEGMENT_BYTES_MAX];
    uint32_t numbers[2];
    rand_bytes(numbers, sizeof numbers);
    size_t n = segment_ack(e, numbers[0], numbers[1], segment);
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    memcpy(&v4.sin_addr, e->remote, 4);
    memcpy(&v6.sin6_addr, e->remote, 16);
    const struct sockaddr *to = e->v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    return sendto(e->v6 ? p->v6 : p->v4, segment, n, 0, to, e->v6 ? sizeof v6 : sizeof v4) >= 0;
}

size_t netcfg_provoke(struct netcfg_provoker *p, const struct tcp_ends *list, size_t n,
                      size_t *refused) {
    for (size_t i = 0; i < n; i++) {
        if (send_one(p, &list[i])) continue;
        if (errno == EAGAIN || errno == ENOBUFS) return i;
        (*refused)++; /* no way to it: it will find out by itself */
    }
    return n;
}
