#include "hactl/witness_sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/log.h"

static int open_for(const struct addrinfo *a) {
    int off = 0, on = 1;
    int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    bool six = a->ai_family == AF_INET6;
    if (six) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    (void)setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO, &on,
                     sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0) return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int witness_sock_open(const char *host, uint16_t port, struct sock_error *err) {
    bool all = strcmp(host, "*") == 0;
    const char *hosts[] = {all ? "::" : host, all ? "0.0.0.0" : NULL};
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    char service[8];
    int fd = -1;
    snprintf(service, sizeof service, "%u", port);
    errno = EINVAL;
    for (int i = 0; i < 2 && hosts[i] && fd < 0; i++) {
        struct addrinfo *list;
        if (getaddrinfo(hosts[i], service, &hints, &list) != 0) continue;
        fd = open_for(list);
        freeaddrinfo(list);
    }
    if (fd < 0)
        snprintf(
            err->text, sizeof err->text,
            "cannot listen on UDP port %u of %s: %s; --listen wants ADDRESS:PORT of this machine",
            port, host, strerror(errno));
    return fd;
}

/* Asked there, answered from there; by whichever interface the way back leads. */
static void keep_address(struct msghdr *m, struct witness_way *way) {
    way->to_len = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        bool six = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO;
        bool four = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO;
        if (!six && !four) continue;
        struct in6_pktinfo info6;
        struct in_pktinfo info4;
        if (six) {
            memcpy(&info6, CMSG_DATA(c), sizeof info6);
            if (!IN6_IS_ADDR_LINKLOCAL(&info6.ipi6_addr)) info6.ipi6_ifindex = 0;
            memcpy(CMSG_DATA(c), &info6, sizeof info6);
        } else {
            memcpy(&info4, CMSG_DATA(c), sizeof info4);
            info4.ipi_ifindex = 0;
            memcpy(CMSG_DATA(c), &info4, sizeof info4);
        }
        way->to_len = six ? CMSG_SPACE(sizeof info6) : CMSG_SPACE(sizeof info4);
        memcpy(way->to, c, way->to_len);
        return;
    }
}

ssize_t witness_sock_receive(int fd, void *bytes, size_t len, struct witness_way *way) {
    union {
        uint8_t bytes[sizeof way->to];
        struct cmsghdr align;
    } control;
    struct iovec v = {.iov_base = bytes, .iov_len = len};
    struct msghdr m = {.msg_name = &way->from,
                       .msg_namelen = sizeof way->from,
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    memset(&control, 0, sizeof control);
    ssize_t n = recvmsg(fd, &m, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -1
                                                 : 0; /* an error that a datagram left behind */
    way->from_len = m.msg_namelen;
    keep_address(&m, way);
    return n;
}

void witness_sock_send(int fd, const void *bytes, size_t len, const struct witness_way *way) {
    struct witness_way copy = *way;
    struct iovec v;
    uint8_t text[128];
    must(len <= sizeof text, "an answer is short");
    memcpy(text, bytes, len);
    v = (struct iovec){.iov_base = text, .iov_len = len};
    struct msghdr m = {.msg_name = &copy.from,
                       .msg_namelen = copy.from_len,
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = copy.to_len ? copy.to : NULL,
                       .msg_controllen = copy.to_len};
    (void)!sendmsg(fd, &m, MSG_NOSIGNAL);
}

const char *witness_way_text(const struct witness_way *way, char out[INET6_ADDRSTRLEN]) {
    bool six = way->from.ss_family == AF_INET6;
    const void *bytes = six ? (const void *)&((const struct sockaddr_in6 *)&way->from)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)&way->from)->sin_addr;
    return inet_ntop(way->from.ss_family, bytes, out, INET6_ADDRSTRLEN) ? out : "?";
}
