#include "hactl/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define EVENT_BUDGET 128 /* of one turn: a flood of ARP must not hold up the tick */

struct guard {
    struct netcfg *net;
    struct loop_io *io;
    struct guard_calls calls;
    bool has_gateway;
    bool carrier[2]; /* by crossover */
    char trouble[320];
};

static bool carrier_now(struct guard *g, bool crossover) {
    struct netcfg_link link;
    struct netcfg_error err;
    return netcfg_link(g->net, crossover, &link, &err) && link.present && link.up && link.carrier;
}

static void link_changed(struct guard *g, bool crossover) {
    bool up = carrier_now(g, crossover);
    if (up == g->carrier[crossover]) return;
    g->carrier[crossover] = up;
    log_notice("the %s interface has %s", crossover ? "crossover" : "service",
               up ? "a carrier" : "no carrier: cable, card or switch port");
    g->calls.carrier(g->calls.arg, crossover, up);
}

static void on_readable(struct loop *l, void *arg, int revents) {
    struct guard *g = arg;
    struct netcfg_event ev;
    (void)l, (void)revents;
    for (int i = 0; i < EVENT_BUDGET && netcfg_next(g->net, &ev); i++) {
        switch (ev.kind) {
        case NETCFG_GATEWAY_ANSWER: g->calls.gateway(g->calls.arg, ev.sent_ns); break;
        case NETCFG_VIP_FOREIGN: g->calls.vip_foreign(g->calls.arg, ev.mac); break;
        case NETCFG_LINK_CHANGE: link_changed(g, ev.crossover); break;
        }
    }
}

/* The same trouble is logged once, until it ends. */
static void note(struct guard *g, bool good, const char *text) {
    if (good) {
        g->trouble[0] = 0;
    } else if (strcmp(g->trouble, text) != 0) {
        snprintf(g->trouble, sizeof g->trouble, "%s", text);
        log_warning("%s", g->trouble);
    }
}

void guard_ask_gateway(struct guard *g, uint64_t now_ns) {
    struct netcfg_error err = {""};
    if (!g->has_gateway) return;
    note(g, netcfg_gateway_probe(g->net, now_ns, &err), err.text);
}

void guard_probe_vip(struct guard *g, uint64_t now_ns) {
    struct netcfg_error err = {""};
    note(g, netcfg_vip_probe(g->net, now_ns, &err), err.text);
}

bool guard_carrier(const struct guard *g, bool crossover) {
    return g->carrier[crossover];
}
const char *guard_trouble(const struct guard *g) {
    return g->trouble;
}

struct guard *guard_new(struct loop *l, struct netcfg *net, bool has_gateway,
                        const struct guard_calls *calls) {
    struct guard *g = xcalloc(1, sizeof *g);
    g->net = net;
    g->has_gateway = has_gateway;
    g->calls = *calls;
    for (int crossover = 0; crossover < 2; crossover++)
        g->carrier[crossover] = carrier_now(g, crossover);
    g->io = loop_io_new(l, netcfg_fd(net), on_readable, g);
    loop_io_want(g->io, LOOP_READ);
    return g;
}

void guard_free(struct guard *g) {
    if (!g) return;
    loop_io_free(g->io);
    free(g);
}
