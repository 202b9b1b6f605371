#include "netcfg/netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/log.h"

#define RECV_BYTES 32768

bool nl_open(struct nl *nl, int protocol, uint32_t groups, struct netcfg_error *err) {
    struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int on = 1;
    nl->seq = 0;
    nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (nl->fd < 0 || bind(nl->fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        snprintf(err->text, sizeof err->text,
                 "cannot open a netlink socket (%s): %s; the kernel needs %s support",
                 protocol == NETLINK_NETFILTER ? "netfilter" : "route", strerror(errno),
                 protocol == NETLINK_NETFILTER ? "nftables" : "networking");
        nl_close(nl);
        return false;
    }
    setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    return true;
}

void nl_close(struct nl *nl) {
    if (nl->fd >= 0) close(nl->fd);
    nl->fd = -1;
}

void nl_clear(struct nl_msg *m) {
    m->len = 0;
    m->at = 0;
}

static void put(struct nl_msg *m, const void *p, size_t n) {
    size_t padded = NLMSG_ALIGN(n);
    must(m->len + padded <= NL_MSG_BYTES, "a netlink batch fits its buffer");
    memset(m->u.bytes + m->len, 0, padded);
    if (n > 0) memcpy(m->u.bytes + m->len, p, n);
    m->len += padded;
    struct nlmsghdr *h = (void *)(m->u.bytes + m->at);
    h->nlmsg_len = (uint32_t)(m->len - m->at);
}

void nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, const void *family_header,
              size_t len) {
    struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = flags};
    m->at = m->len;
    put(m, &h, sizeof h);
    put(m, family_header, len);
}

void nl_attr(struct nl_msg *m, uint16_t type, const void *data, size_t len) {
    struct nlattr a = {.nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type};
    put(m, &a, sizeof a);
    put(m, data, len);
}

void nl_attr_str(struct nl_msg *m, uint16_t type, const char *s) {
    nl_attr(m, type, s, strlen(s) + 1);
}

void nl_attr_u32(struct nl_msg *m, uint16_t type, uint32_t v) {
    nl_attr(m, type, &v, sizeof v);
}

void nl_attr_be32(struct nl_msg *m, uint16_t type, uint32_t v) {
    nl_attr_u32(m, type, htonl(v));
}

void nl_attr_be64(struct nl_msg *m, uint16_t type, uint64_t v) {
    v = htobe64(v);
    nl_attr(m, type, &v, sizeof v);
}

size_t nl_nest(struct nl_msg *m, uint16_t type) {
    size_t at = m->len;
    nl_attr(m, type | NLA_F_NESTED, NULL, 0);
    return at;
}

void nl_nest_end(struct nl_msg *m, size_t nest) {
    struct nlattr *a = (void *)(m->u.bytes + nest);
    a->nla_len = (uint16_t)(m->len - nest);
}

static bool send_all(struct nl *nl, struct nl_msg *m) {
    for (size_t at = 0; at < m->len;) {
        struct nlmsghdr *h = (void *)(m->u.bytes + at);
        h->nlmsg_seq = ++nl->seq;
        at += NLMSG_ALIGN(h->nlmsg_len);
    }
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto(nl->fd, m->u.bytes, m->len, 0, (struct sockaddr *)&kernel, sizeof kernel) >= 0;
}

/* The kernel's sentence is an attribute behind the error and (unless capped) the request. */
static void copy_words(const struct nlmsghdr *h, char *out) {
    const struct nlmsgerr *e = NLMSG_DATA(h);
    size_t skip = sizeof *e, len;
    if (!(h->nlmsg_flags & NLM_F_ACK_TLVS)) return;
    if (!(h->nlmsg_flags & NLM_F_CAPPED)) skip += e->msg.nlmsg_len - sizeof e->msg;
    const char *words = nl_find(h, skip, NLMSGERR_ATTR_MSG, &len);
    if (words) snprintf(out, 256, "%.*s", (int)len, words);
}

int nl_talk(struct nl *nl, struct nl_msg *m, char *kernel_says) {
    _Alignas(8) uint8_t in[RECV_BYTES];
    int first = 0;
    bool answered = false;
    uint32_t before = nl->seq;
    if (kernel_says) *kernel_says = 0;
    if (!send_all(nl, m)) return errno;
    for (;;) {
        ssize_t n = recv(nl->fd, in, sizeof in, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        size_t left = (size_t)n;
        for (struct nlmsghdr *h = (void *)in; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            const struct nlmsgerr *e = NLMSG_DATA(h);
            if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq - before - 1 >= nl->seq - before) {
                continue; /* an answer that came too late for an earlier request */
            }
            answered = true;
            if (e->error == 0 || first != 0) continue;
            first = -e->error;
            if (kernel_says) copy_words(h, kernel_says);
        }
    }
    return first ? first : answered ? 0 : errno == EAGAIN ? EPROTO : errno;
}

int nl_dump(struct nl *nl, struct nl_msg *m, void (*fn)(const struct nlmsghdr *h, void *arg),
            void *arg) {
    _Alignas(8) uint8_t in[RECV_BYTES];
    if (!send_all(nl, m)) return errno;
    for (;;) {
        ssize_t n = recv(nl->fd, in, sizeof in, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        size_t left = (size_t)n;
        for (struct nlmsghdr *h = (void *)in; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            const struct nlmsgerr *e = NLMSG_DATA(h);
            if (h->nlmsg_seq != nl->seq) continue;
            if (h->nlmsg_type == NLMSG_DONE) return 0;
            if (h->nlmsg_type == NLMSG_ERROR) return -e->error;
            fn(h, arg);
        }
    }
}

bool nl_drain(struct nl *nl) {
    uint8_t in[RECV_BYTES];
    bool some = false;
    for (;;) {
        ssize_t n = recv(nl->fd, in, sizeof in, MSG_DONTWAIT);
        if (n < 0 && errno == ENOBUFS) n = 0; /* some were lost: as good as some were there */
        if (n < 0) return some;
        some = true;
    }
}

const void *nl_find(const struct nlmsghdr *h, size_t header_len, uint16_t type, size_t *len) {
    size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(header_len);
    while (at + NLA_HDRLEN <= h->nlmsg_len) {
        const struct nlattr *a = (const void *)((const uint8_t *)h + at);
        if (a->nla_len < NLA_HDRLEN || at + a->nla_len > h->nlmsg_len) return NULL;
        if ((a->nla_type & NLA_TYPE_MASK) == type) {
            *len = (size_t)a->nla_len - NLA_HDRLEN;
            return (const uint8_t *)a + NLA_HDRLEN;
        }
        at += NLA_ALIGN(a->nla_len);
    }
    return NULL;
}
