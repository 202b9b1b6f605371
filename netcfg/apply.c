#include "netcfg/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netcfg/addr.h"
#include "netcfg/link.h"
#include "server/base/buf.h"

/* ---- the picture ---- */

static void take_link(const struct nlmsghdr *h, void *arg) {
    struct plan_picture *p = arg;
    struct netcfg_link l;
    if (h->nlmsg_type != RTM_NEWLINK) return;
    if (p->link_count == PLAN_ROWS) {
        p->more = true;
        return;
    }
    const struct ifinfomsg *i = NLMSG_DATA(h);
    struct plan_link *row = &p->links[p->link_count++];
    link_read(h, &l);
    row->index = l.index;
    row->up = l.up;
    row->loopback = i->ifi_flags & IFF_LOOPBACK;
    memcpy(row->mac, l.mac, sizeof row->mac);
    snprintf(row->name, sizeof row->name, "%s", l.name);
}

static void take_addr(const struct nlmsghdr *h, void *arg) {
    struct plan_picture *p = arg;
    struct addr_row a;
    if (!addr_read(h, &a)) return;
    if (p->addr_count == PLAN_ROWS) {
        p->more = true;
        return;
    }
    p->addrs[p->addr_count++] = (struct plan_addr){a.index, a.addr, a.proto};
}

static void take_route(const struct nlmsghdr *h, void *arg) {
    struct plan_picture *p = arg;
    const struct rtmsg *r = NLMSG_DATA(h);
    struct plan_route row = {.by = 0};
    size_t len;
    if (h->nlmsg_type != RTM_NEWROUTE || r->rtm_dst_len != 0 || r->rtm_table != RT_TABLE_MAIN ||
        r->rtm_type != RTN_UNICAST) {
        return;
    }
    const void *via = nl_find(h, sizeof *r, RTA_GATEWAY, &len);
    row.gateway.family = r->rtm_family;
    if (!via || len != netcfg_addr_bytes(&row.gateway)) return;
    memcpy(row.gateway.bytes, via, len);
    const void *oif = nl_find(h, sizeof *r, RTA_OIF, &len);
    if (oif && len == sizeof row.index) memcpy(&row.index, oif, len);
    row.by = r->rtm_protocol;
    if (p->route_count == PLAN_ROWS) {
        p->more = true;
        return;
    }
    p->routes[p->route_count++] = row;
}

static void setting_path(const struct plan_setting *s, char *out, size_t size) {
    snprintf(out, size, "/proc/sys/net/%s", s->name);
}

static int read_setting(const struct plan_setting *s) {
    char path[128], text[16] = "";
    setting_path(s, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 ? atoi(text) : -1;
}

static int dump(struct nl *nl, int type, int family, size_t header_len,
                void (*fn)(const struct nlmsghdr *h, void *arg), void *arg) {
    uint8_t header[32] = {(uint8_t)family};
    struct nl_msg m;
    nl_clear(&m);
    nl_begin(&m, (uint16_t)type, NLM_F_REQUEST | NLM_F_DUMP, header, header_len);
    return nl_dump(nl, &m, fn, arg);
}

bool apply_picture(const struct netcfg_conf *conf, struct plan_picture *out,
                   struct netcfg_error *err) {
    struct nl nl;
    memset(out, 0, sizeof *out);
    if (!nl_open(&nl, NETLINK_ROUTE, 0, err)) return false;
    int e = dump(&nl, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), take_link, out);
    if (!e) e = addr_dump(&nl, take_addr, out);
    if (!e) e = dump(&nl, RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), take_route, out);
    if (!e) {
        /* A kernel without IPv6 answers EOPNOTSUPP or nothing: then there are no such routes. */
        dump(&nl, RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg), take_route, out);
    }
    nl_close(&nl);
    if (e) {
        snprintf(err->text, sizeof err->text, "cannot read the kernel's network state: %s",
                 strerror(e));
        return false;
    }
    out->setting_count = plan_settings_wanted(conf, out, out->settings);
    for (size_t i = 0; i < out->setting_count; i++) {
        out->settings[i].value = read_setting(&out->settings[i]);
    }
    return true;
}

/* ---- the steps ---- */

static int link_up(struct nl *nl, int index, char *says) {
    struct ifinfomsg i = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct nl_msg m;
    nl_clear(&m);
    nl_begin(&m, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, &i, sizeof i);
    return nl_talk(nl, &m, says);
}

static int route_change(struct nl *nl, bool add, int index, const struct netcfg_addr *via,
                        char *says) {
    struct rtmsg r = {
        .rtm_family = (uint8_t)via->family,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = PLAN_BY_NETCFG,
        .rtm_scope = RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    struct nl_msg m;
    nl_clear(&m);
    nl_begin(&m, add ? RTM_NEWROUTE : RTM_DELROUTE,
             NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0), &r, sizeof r);
    nl_attr(&m, RTA_GATEWAY, via->bytes, netcfg_addr_bytes(via));
    nl_attr_u32(&m, RTA_OIF, (uint32_t)index);
    return nl_talk(nl, &m, says);
}

static int write_setting(const struct plan_setting *s) {
    char path[128], text[16];
    setting_path(s, path, sizeof path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int n = snprintf(text, sizeof text, "%d\n", s->value);
    int e = write(fd, text, (size_t)n) == n ? 0 : errno;
    close(fd);
    return e;
}

/* 0 or errno; what was as wanted already is no error. */
static int take_step(struct nl *nl, const struct plan_step *s, char *says) {
    int e = 0;
    switch (s->kind) {
    case PLAN_SETTING: e = write_setting(&s->setting); break;
    case PLAN_LINK_UP: e = link_up(nl, s->index, says); break;
    case PLAN_ADDR_ADD:
        e = addr_change(nl, true, s->index, &s->addr, ADDR_PROTO_NETCFG, says);
        return e == EEXIST ? 0 : e;
    case PLAN_ADDR_DEL:
        e = addr_change(nl, false, s->index, &s->addr, ADDR_PROTO_NETCFG, says);
        return e == EADDRNOTAVAIL ? 0 : e;
    case PLAN_ROUTE_ADD: e = route_change(nl, true, s->index, &s->addr, says); break;
    case PLAN_ROUTE_DEL:
        e = route_change(nl, false, s->index, &s->addr, says);
        return e == ESRCH ? 0 : e;
    }
    return e;
}

bool apply_plan(const struct plan *p, size_t *done, struct netcfg_error *err) {
    struct nl nl;
    *done = 0;
    if (!nl_open(&nl, NETLINK_ROUTE, 0, err)) return false;
    for (; *done < p->count; ++*done) {
        char says[256] = "";
        int e = take_step(&nl, &p->steps[*done], says);
        if (e == 0) continue;
        struct buf text = BUF_INIT;
        plan_step_text(&p->steps[*done], &text);
        snprintf(err->text, sizeof err->text, "step %zu of %zu failed: %.*s: %s%s%.100s%s",
                 *done + 1, p->count, (int)buf_len(&text) - 1, buf_head(&text), strerror(e),
                 *says ? " (" : "", says, *says ? ")" : "");
        buf_free(&text);
        break;
    }
    nl_close(&nl);
    return *done == p->count;
}
