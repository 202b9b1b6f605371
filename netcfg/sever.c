#include "netcfg/sever.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg/netlink.h"
#include "server/base/clock.h"
#include "server/base/buf.h"

#define STATE_ESTABLISHED 1
#define STATE_CLOSE_WAIT  8
#define STATES            (1U << STATE_ESTABLISHED | 1U << STATE_CLOSE_WAIT)

struct found {
    const struct netcfg_addr *local;
    size_t local_count;
    struct inet_diag_req_v2 *list;
    size_t count, room;
};

/* An IPv4 connection of a socket that listens on both families shows itself in the IPv6 form. */
static bool is_local(const struct inet_diag_msg *d, const struct netcfg_addr *local) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t *src = (const uint8_t *)d->id.idiag_src;
    if (d->idiag_family == local->family) {
        return memcmp(src, local->bytes, netcfg_addr_bytes(local)) == 0;
    }
    return local->family == AF_INET && memcmp(src, mapped, sizeof mapped) == 0 &&
           memcmp(src + sizeof mapped, local->bytes, 4) == 0;
}

static bool is_one(const struct inet_diag_msg *d, const struct found *f) {
    for (size_t i = 0; i < f->local_count; i++) {
        if (is_local(d, &f->local[i])) return true;
    }
    return false;
}

static void note(const struct nlmsghdr *h, void *arg) {
    struct found *f = arg;
    const struct inet_diag_msg *d = NLMSG_DATA(h);
    if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || !is_one(d, f)) return;
    if (f->count == f->room) {
        f->room = f->room ? f->room * 2 : 64;
        f->list = xrealloc(f->list, f->room * sizeof *f->list);
    }
    f->list[f->count++] = (struct inet_diag_req_v2){.sdiag_family = d->idiag_family,
                                                    .sdiag_protocol = IPPROTO_TCP,
                                                    .idiag_states = STATES,
                                                    .id = d->id};
}

static void look_for(struct nl *nl, int family, struct found *f) {
    struct inet_diag_req_v2 all = {
        .sdiag_family = (uint8_t)family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = STATES};
    struct nl_msg m;
    nl_clear(&m);
    nl_begin(&m, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, &all, sizeof all);
    nl_dump(nl, &m, note, f);
}

static bool end(struct nl *nl, const struct inet_diag_req_v2 *one) {
    struct nl_msg m;
    nl_clear(&m);
    nl_begin(&m, SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, one, sizeof *one);
    return nl_talk(nl, &m, NULL) == 0;
}

int sever_connections(const struct netcfg_addr *local, size_t count) {
    struct netcfg_error err;
    struct found f = {.local = local, .local_count = count};
    struct nl nl;
    uint64_t until = clock_boot_ms() + SEVER_LIMIT_MS;
    int ended = 0;
    if (!nl_open(&nl, NETLINK_SOCK_DIAG, 0, &err)) return 0;
    look_for(&nl, AF_INET6, &f);
    look_for(&nl, AF_INET, &f);
    for (size_t i = 0; i < f.count && clock_boot_ms() < until; i++) ended += end(&nl, &f.list[i]);
    free(f.list);
    nl_close(&nl);
    return ended;
}
