/* See sock.h. */
#include "server/base/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

/* Closes fd, keeps errno, writes the sentence; returns -1 so that a caller can `return fail(...)`.
 */
static int __attribute__((format(printf, 3, 4)))
fail(int fd, struct sock_error *err, const char *fmt, ...) {
    int saved = errno;
    if (fd >= 0) close(fd);
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        errno = saved; /* for %m */
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    errno = saved;
    return -1;
}

static bool resolve(const char *host, uint16_t port, int type, int flags, struct addrinfo **out,
                    struct sock_error *err) {
    char service[8];
    struct addrinfo hints = {.ai_socktype = type, .ai_flags = flags | AI_NUMERICSERV};
    snprintf(service, sizeof service, "%u", port);
    int rc = getaddrinfo(host, service, &hints, out);
    if (rc == 0) return true;
    if (rc != EAI_SYSTEM) errno = EADDRNOTAVAIL;
    fail(-1, err, "%s is not an address that can be used here (%s)", host ? host : "*",
         gai_strerror(rc));
    return false;
}

static int listen_on(const struct sockaddr *sa, socklen_t len, int backlog) {
    int one = 1, off = 0, fd = socket(sa->sa_family, SOCK_STREAM | FLAGS, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (sa->sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, sa, len) == 0 && listen(fd, backlog) == 0) return fd;
    return fail(fd, NULL, "-");
}

int sock_listen_tcp(const char *host, uint16_t port, int backlog, struct sock_error *err) {
    int fd = -1;
    if (!host || !strcmp(host, "*")) {
        struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        fd = listen_on((struct sockaddr *)&any6, sizeof any6, backlog);
        if (fd < 0 && errno != EADDRINUSE)
            fd = listen_on((struct sockaddr *)&any4, sizeof any4, backlog);
    } else {
        struct addrinfo *list;
        if (!resolve(host, port, SOCK_STREAM, AI_PASSIVE, &list, err)) return -1;
        fd = listen_on(list->ai_addr, list->ai_addrlen, backlog);
        int saved = errno;
        freeaddrinfo(list);
        errno = saved;
    }
    if (fd >= 0) return fd;
    const char *hint =
        errno == EADDRINUSE ? "; another process listens there: end it or choose another port" : "";
    return fail(-1, err, "cannot listen on %s port %u: %m%s", host ? host : "*", port, hint);
}

static bool unix_address(const char *path, struct sockaddr_un *sa, struct sock_error *err) {
    *sa = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof sa->sun_path) {
        memcpy(sa->sun_path, path, strlen(path));
        return true;
    }
    errno = ENAMETOOLONG;
    fail(-1, err, "the socket's path %s is longer than %zu bytes; choose a shorter directory", path,
         sizeof sa->sun_path - 1);
    return false;
}

int sock_listen_unix(const char *path, unsigned mode, int backlog, struct sock_error *err) {
    struct sockaddr_un sa;
    struct stat st;
    if (!unix_address(path, &sa, err)) return -1;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | FLAGS, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || chmod(path, mode) != 0 ||
        listen(fd, backlog) != 0)
        return fail(fd, err, "cannot listen on socket %s: %m", path);
    return fd;
}

static int begin_connect(int fd, const struct sockaddr *sa, socklen_t len) {
    if (connect(fd, sa, len) == 0 || errno == EINPROGRESS || errno == EAGAIN) return fd;
    return -1;
}

int sock_connect_tcp(const char *host, uint16_t port, const char *from, struct sock_error *err) {
    struct addrinfo *list, *source = NULL;
    if (!resolve(host, port, SOCK_STREAM, 0, &list, err)) return -1;
    int fd = socket(list->ai_family, SOCK_STREAM | FLAGS, 0);
    bool ready = fd >= 0;
    if (ready && from) {
        ready = resolve(from, 0, SOCK_STREAM, AI_NUMERICHOST, &source, err) &&
                bind(fd, source->ai_addr, source->ai_addrlen) == 0;
        if (source) freeaddrinfo(source);
    }
    if (ready) ready = begin_connect(fd, list->ai_addr, list->ai_addrlen) >= 0;
    int saved = errno;
    freeaddrinfo(list);
    errno = saved;
    if (!ready) return fail(fd, err, "cannot connect to %s port %u: %m", host, port);
    sock_set_nodelay(fd);
    return fd;
}

int sock_connect_unix(const char *path, struct sock_error *err) {
    struct sockaddr_un sa;
    if (!unix_address(path, &sa, err)) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | FLAGS, 0);
    if (fd < 0 || begin_connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
        return fail(fd, err, "cannot connect to socket %s: %m", path);
    return fd;
}

int sock_connect_result(int fd) {
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) return errno;
    return error;
}

int sock_accept(int listen_fd) {
    int fd;
    do fd = accept4(listen_fd, NULL, NULL, FLAGS);
    while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd;
}

int sock_udp(const char *host, uint16_t port, struct sock_error *err) {
    struct addrinfo *list;
    if (!resolve(host, port, SOCK_DGRAM, AI_PASSIVE | AI_NUMERICHOST, &list, err)) return -1;
    int one = 1, fd = socket(list->ai_family, SOCK_DGRAM | FLAGS, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool bound = fd >= 0 && bind(fd, list->ai_addr, list->ai_addrlen) == 0;
    int saved = errno;
    freeaddrinfo(list);
    errno = saved;
    if (!bound) return fail(fd, err, "cannot use UDP port %u of %s: %m", port, host);
    return fd;
}

static bool set_nodelay(int fd, int on) {
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

bool sock_set_nodelay(int fd) {
    return set_nodelay(fd, 1);
}

bool sock_set_delay(int fd) {
    return set_nodelay(fd, 0);
}

bool sock_set_keepalive(int fd, int idle_s) {
    int one = 1, interval_s = idle_s / 3 > 0 ? idle_s / 3 : 1, count = 3;
    return setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) == 0;
}

bool sock_set_user_timeout(int fd, unsigned limit_ms) {
    return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms) == 0;
}

/* Host text and port of an address; IPv4 inside IPv6 is shown as IPv4. */
static void host_of(const struct sockaddr_storage *ss, char *host, size_t size, uint16_t *port) {
    *port = 0;
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const void *)ss;
        inet_ntop(AF_INET, &in4->sin_addr, host, (socklen_t)size);
        *port = ntohs(in4->sin_port);
    } else if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)ss;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
            inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, host, (socklen_t)size);
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, host, (socklen_t)size);
        *port = ntohs(in6->sin6_port);
    } else if (ss->ss_family == AF_UNIX) {
        snprintf(host, size, "%s", ((const struct sockaddr_un *)(const void *)ss)->sun_path);
    } else {
        snprintf(host, size, "?");
    }
}

static void name_of(int rc, const struct sockaddr_storage *ss, char *out, size_t out_size) {
    char host[128];
    uint16_t port;
    if (rc != 0) {
        snprintf(out, out_size, "?:0");
        return;
    }
    host_of(ss, host, sizeof host, &port);
    snprintf(out, out_size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

void sock_peer_name(int fd, char *out, size_t out_size) {
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;
    name_of(getpeername(fd, (struct sockaddr *)&ss, &len), &ss, out, out_size);
}

void sock_local_name(int fd, char *out, size_t out_size) {
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;
    name_of(getsockname(fd, (struct sockaddr *)&ss, &len), &ss, out, out_size);
}

void sock_peer_host(int fd, char *out, size_t out_size, uint16_t *port) {
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;
    uint16_t p;
    if (getpeername(fd, (struct sockaddr *)&ss, &len) != 0) ss.ss_family = AF_UNSPEC;
    host_of(&ss, out, out_size, port ? port : &p);
}

static bool wait_for(int fd, short events, int timeout_ms) {
    struct pollfd p = {fd, events, 0};
    int rc;
    do rc = poll(&p, 1, timeout_ms);
    while (rc < 0 && errno == EINTR);
    if (rc == 0) errno = ETIMEDOUT;
    return rc > 0;
}

bool sock_send_all(int fd, const void *p, size_t n, int timeout_ms) {
    const char *s = p;
    while (n) {
        ssize_t done = send(fd, s, n, MSG_NOSIGNAL);
        if (done < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN || !wait_for(fd, POLLOUT, timeout_ms)) return false;
            continue;
        }
        s += done;
        n -= (size_t)done;
    }
    return true;
}

long sock_recv_some(int fd, void *p, size_t n, int timeout_ms) {
    for (;;) {
        ssize_t got = recv(fd, p, n, 0);
        if (got >= 0) return got;
        if (errno == EINTR) continue;
        if (errno != EAGAIN || !wait_for(fd, POLLIN, timeout_ms)) return -1;
    }
}
