#include "netcfg/plan.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"

const struct plan_link *plan_find_link(const struct plan_picture *p, const char *name) {
    uint8_t mac[NETCFG_MAC_BYTES] = {0};
    bool by_mac = strncmp(name, "mac:", 4) == 0 && netcfg_mac_parse(name + 4, mac);
    for (size_t i = 0; i < p->link_count; i++) {
        const struct plan_link *l = &p->links[i];
        if (by_mac ? memcmp(l->mac, mac, sizeof mac) == 0 : strcmp(l->name, name) == 0) return l;
    }
    return NULL;
}

/* arp_ignore 1: an address is answered for on its own interface only; arp_announce 2: an ARP request
 * names an address of the interface it leaves by, so that the VIP is never taught by accident. */
size_t plan_settings_wanted(const struct netcfg_conf *conf, const struct plan_picture *p,
                            struct plan_setting out[PLAN_SETTINGS]) {
    const char *names[] = {"all", NULL, NULL};
    size_t name_count = 1, n = 0;
    const struct netcfg_iface *ifaces[] = {&conf->service, &conf->crossover};
    for (size_t i = 0; i < 2; i++) {
        const struct plan_link *l = *ifaces[i]->name ? plan_find_link(p, ifaces[i]->name) : NULL;
        if (l) names[name_count++] = l->name;
    }
    for (size_t i = 0; i < name_count; i++) {
        snprintf(out[n].name, sizeof out[n].name, "ipv4/conf/%s/arp_ignore", names[i]);
        out[n++].value = 1;
        snprintf(out[n].name, sizeof out[n].name, "ipv4/conf/%s/arp_announce", names[i]);
        out[n++].value = 2;
    }
    must(n <= PLAN_SETTINGS, "the settings fit their array");
    return n;
}

static struct plan_step *step(struct plan *out, enum plan_kind kind, const struct plan_link *l) {
    must(out->count < sizeof out->steps / sizeof out->steps[0], "a plan fits its array");
    struct plan_step *s = &out->steps[out->count++];
    memset(s, 0, sizeof *s);
    s->kind = kind;
    if (l) {
        s->index = l->index;
        snprintf(s->iface, sizeof s->iface, "%s", l->name);
    }
    return s;
}

__attribute__((format(printf, 2, 3))) static void complain(struct plan *out, const char *fmt, ...) {
    va_list ap;
    if (out->error_count == PLAN_ERRORS) return;
    va_start(ap, fmt);
    vsnprintf(out->errors[out->error_count++], sizeof out->errors[0], fmt, ap);
    va_end(ap);
}

static void settings(const struct netcfg_conf *conf, const struct plan_picture *p,
                     struct plan *out) {
    struct plan_setting wanted[PLAN_SETTINGS];
    size_t n = plan_settings_wanted(conf, p, wanted);
    for (size_t i = 0; i < n; i++) {
        int now = -1;
        for (size_t k = 0; k < p->setting_count; k++) {
            if (strcmp(p->settings[k].name, wanted[i].name) == 0) now = p->settings[k].value;
        }
        if (now == wanted[i].value) continue;
        step(out, PLAN_SETTING, NULL)->setting = wanted[i];
    }
}

static bool addr_exact(const struct plan_addr *a, int index, const struct netcfg_addr *want) {
    return a->index == index && netcfg_addr_same(&a->addr, want) &&
           a->addr.prefix_bits == want->prefix_bits;
}

/* Addresses of ours that stand where the configuration does not want them, on any interface. While an
 * interface is missing nothing is removed: its name may just be misspelt. */
static void old_addrs(const struct netcfg_conf *conf, const struct plan_picture *p,
                      struct plan *out) {
    const struct plan_link *s = plan_find_link(p, conf->service.name);
    const struct plan_link *x = plan_find_link(p, conf->crossover.name);
    if ((*conf->service.name && !s) || (*conf->crossover.name && !x)) return;
    for (size_t i = 0; i < p->addr_count; i++) {
        const struct plan_addr *a = &p->addrs[i];
        if (a->by != PLAN_BY_NETCFG) continue;
        if (s && addr_exact(a, s->index, &conf->service.addr)) continue;
        if (x && addr_exact(a, x->index, &conf->crossover.addr)) continue;
        const struct plan_link *l = NULL;
        for (size_t k = 0; k < p->link_count; k++) {
            if (p->links[k].index == a->index) l = &p->links[k];
        }
        if (l) step(out, PLAN_ADDR_DEL, l)->addr = a->addr;
    }
}

static void iface(const struct netcfg_iface *f, const char *what, const struct plan_picture *p,
                  struct plan *out) {
    if (!*f->name) return;
    const struct plan_link *l = plan_find_link(p, f->name);
    if (!l) {
        complain(out,
                 "there is no network interface '%s' for the %s network; `netcfg show` lists those "
                 "that are there",
                 f->name, what);
        return;
    }
    if (!l->up) step(out, PLAN_LINK_UP, l);
    for (size_t i = 0; i < p->addr_count; i++) {
        if (addr_exact(&p->addrs[i], l->index, &f->addr)) return;
    }
    step(out, PLAN_ADDR_ADD, l)->addr = f->addr;
}

static void routes(const struct netcfg_conf *conf, const struct plan_picture *p, struct plan *out) {
    const struct plan_link *l = plan_find_link(p, conf->service.name);
    bool there = false;
    for (size_t i = 0; i < p->route_count; i++) {
        const struct plan_route *r = &p->routes[i];
        if (l && conf->gateway.family && r->index == l->index &&
            netcfg_addr_same(&r->gateway, &conf->gateway)) {
            there = true;
        } else if (r->by == PLAN_BY_NETCFG) {
            struct plan_link lost = {.index = r->index, .name = "?"};
            for (size_t k = 0; k < p->link_count; k++) {
                if (p->links[k].index == r->index) lost = p->links[k];
            }
            step(out, PLAN_ROUTE_DEL, &lost)->addr = r->gateway;
        }
    }
    if (l && conf->gateway.family && !there) step(out, PLAN_ROUTE_ADD, l)->addr = conf->gateway;
}

void plan_make(const struct netcfg_conf *conf, const struct plan_picture *p, struct plan *out) {
    memset(out, 0, sizeof *out);
    if (p->more) {
        complain(out,
                 "this machine has more than %d interfaces, addresses or default routes; some "
                 "were not looked at",
                 PLAN_ROWS);
    }
    settings(conf, p, out);
    for (size_t i = 0; i < p->link_count; i++) {
        if (p->links[i].loopback && !p->links[i].up) step(out, PLAN_LINK_UP, &p->links[i]);
    }
    old_addrs(conf, p, out);
    iface(&conf->service, "service", p, out);
    iface(&conf->crossover, "crossover", p, out);
    routes(conf, p, out);
}

/* ---- printing ---- */

static const char *const kind_words[][2] = {
    [PLAN_SETTING] = {"setting", "set"},     [PLAN_LINK_UP] = {"link", "up"},
    [PLAN_ADDR_DEL] = {"address", "remove"}, [PLAN_ADDR_ADD] = {"address", "add"},
    [PLAN_ROUTE_DEL] = {"route", "remove"},  [PLAN_ROUTE_ADD] = {"route", "add"},
};

void plan_step_text(const struct plan_step *s, struct buf *out) {
    char addr[NETCFG_ADDR_CHARS];
    bool route = s->kind == PLAN_ROUTE_ADD || s->kind == PLAN_ROUTE_DEL;
    netcfg_addr_text(&s->addr, !route, addr);
    buf_printf(out, "%s %s ", kind_words[s->kind][0], kind_words[s->kind][1]);
    if (s->kind == PLAN_SETTING) {
        buf_printf(out, "%s = %d\n", s->setting.name, s->setting.value);
    } else if (s->kind == PLAN_LINK_UP) {
        buf_printf(out, "%s\n", s->iface);
    } else {
        buf_printf(out, "%s%s dev %s\n", route ? "default via " : "", addr, s->iface);
    }
}

static void json_string(struct buf *out, const char *s) {
    buf_add_str(out, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_printf(out, "\\%c", *s);
        else if ((unsigned char)*s < ' ')
            buf_printf(out, "\\u%04x", (unsigned)*s);
        else
            buf_add(out, s, 1);
    }
    buf_add_str(out, "\"");
}

static void json_field(struct buf *out, const char *name, const char *value) {
    buf_printf(out, ",\"%s\":", name);
    json_string(out, value);
}

static void step_json(const struct plan_step *s, struct buf *out) {
    char addr[NETCFG_ADDR_CHARS];
    bool route = s->kind == PLAN_ROUTE_ADD || s->kind == PLAN_ROUTE_DEL;
    buf_printf(out, "{\"object\":\"%s\"", kind_words[s->kind][0]);
    json_field(out, "action", kind_words[s->kind][1]);
    if (s->kind == PLAN_SETTING) {
        json_field(out, "name", s->setting.name);
        buf_printf(out, ",\"value\":%d", s->setting.value);
    } else {
        json_field(out, "interface", s->iface);
    }
    if (s->addr.family) {
        json_field(out, route ? "gateway" : "address", netcfg_addr_text(&s->addr, !route, addr));
    }
    buf_add_str(out, "}");
}

void plan_json(const struct plan *p, struct buf *out) {
    buf_add_str(out, "{\"steps\":[");
    for (size_t i = 0; i < p->count; i++) {
        if (i) buf_add_str(out, ",");
        step_json(&p->steps[i], out);
    }
    buf_add_str(out, "],\"errors\":[");
    for (size_t i = 0; i < p->error_count; i++) {
        if (i) buf_add_str(out, ",");
        json_string(out, p->errors[i]);
    }
    buf_add_str(out, "]}\n");
}
