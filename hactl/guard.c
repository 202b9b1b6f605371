#include "hactl/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define EVENT_BUDGET 128            /* of one turn: a flood of ARP must not hold up the tick */
#define COUNTERS_NS  (NS_PER_S / 4) /* how often the card's counters are read */
#define LINKS_NS     NS_PER_S       /* ... and the links told */
#define SILENT_NS    (2 * NS_PER_S) /* a witness that gave no answer for so long is remarked */

struct guard {
    struct netcfg *net;
    struct loop_io *io;
    struct guard_calls calls;
    struct guard_witness witnesses[NETCFG_WITNESSES];
    bool silent[NETCFG_WITNESSES]; /* as remarked */
    size_t witness_count;
    bool has_port[2], carrier[2]; /* by crossover */
    uint64_t started_ns, counters_ns, received, received_ns, deaf_ns;
    uint64_t links_ns, link_received[2]; /* by crossover, as last told */
    bool deaf;                           /* as remarked */
    char trouble[320];
};

static bool carrier_now(struct guard *g, bool crossover) {
    struct netcfg_link link;
    struct netcfg_error err;
    return netcfg_link(g->net, crossover, &link, &err) && link.present && link.up && link.carrier;
}

/* just: something has changed this moment, so that nothing can have been received yet. */
static void tell_link(struct guard *g, bool crossover, bool just) {
    struct netcfg_link link = {0};
    struct netcfg_error err;
    bool there = netcfg_link(g->net, crossover, &link, &err);
    bool receives = just || link.rx_packets != g->link_received[crossover];
    g->link_received[crossover] = link.rx_packets;
    g->calls.link(g->calls.arg, crossover, there && link.up && link.carrier, receives);
}

static void link_changed(struct guard *g, bool crossover) {
    bool up = carrier_now(g, crossover);
    if (up == g->carrier[crossover]) return;
    g->carrier[crossover] = up;
    log_notice("the %s interface has %s", crossover ? "crossover" : "service",
               up ? "a carrier" : "no carrier: cable, card or switch port");
    tell_link(g, crossover, true);
    g->calls.carrier(g->calls.arg, crossover, up);
}

static void witness_answered(struct guard *g, const struct netcfg_event *ev) {
    struct guard_witness *w = &g->witnesses[ev->which];
    if (ev->sent_ns > w->answer_ns) w->answer_ns = ev->sent_ns;
    g->calls.gateway(g->calls.arg, ev->which, ev->sent_ns);
}

static void on_readable(struct loop *l, void *arg, int revents) {
    struct guard *g = arg;
    struct netcfg_event ev;
    (void)l, (void)revents;
    for (int i = 0; i < EVENT_BUDGET && netcfg_next(g->net, &ev); i++) {
        switch (ev.kind) {
        case NETCFG_GATEWAY_ANSWER: witness_answered(g, &ev); break;
        case NETCFG_VIP_FOREIGN:
            g->calls.vip_foreign(g->calls.arg, ev.group, ev.which, ev.mac);
            break;
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
    if (!g->witness_count) return;
    note(g, netcfg_gateway_probe(g->net, now_ns, &err), err.text);
}

/* ---- remarks ---- */

static void remark_witness(struct guard *g, size_t i, uint64_t now_ns) {
    const struct guard_witness *w = &g->witnesses[i];
    uint64_t since = w->answer_ns > g->started_ns ? w->answer_ns : g->started_ns;
    bool silent = now_ns - since > SILENT_NS;
    char text[128], address[NETCFG_ADDR_CHARS];
    if (silent == g->silent[i]) return;
    g->silent[i] = silent;
    snprintf(text, sizeof text, "the %s %s %s", w->gateway ? "gateway" : "reference",
             netcfg_addr_text(&w->addr, false, address),
             silent ? "does not answer this node" : "answers this node again");
    g->calls.remark(g->calls.arg, text);
}

/* Heartbeats alone make the counter of a healthy card move many times a second. */
static void look_at_counters(struct guard *g, uint64_t now_ns) {
    struct netcfg_link link;
    struct netcfg_error err;
    g->counters_ns = now_ns + COUNTERS_NS;
    bool up = netcfg_link(g->net, false, &link, &err) && link.up && link.carrier;
    if (!up || link.rx_packets != g->received) {
        g->received = link.rx_packets;
        g->received_ns = now_ns;
    }
    g->deaf_ns = up ? now_ns - g->received_ns : 0;
}

void guard_tick(struct guard *g, uint64_t now_ns) {
    if (now_ns < g->counters_ns) return;
    look_at_counters(g, now_ns);
    for (size_t i = 0; i < g->witness_count; i++) remark_witness(g, i, now_ns);
    if (now_ns < g->links_ns) return;
    g->links_ns = now_ns + LINKS_NS;
    for (int crossover = 0; crossover < 2; crossover++)
        if (g->has_port[crossover]) tell_link(g, crossover, false);
}

size_t guard_witness_count(const struct guard *g) {
    return g->witness_count;
}
const struct guard_witness *guard_witness(const struct guard *g, size_t i) {
    return &g->witnesses[i];
}
uint64_t guard_deaf_ns(const struct guard *g) {
    return g->deaf_ns;
}

bool guard_carrier(const struct guard *g, bool crossover) {
    return g->carrier[crossover];
}
const char *guard_trouble(const struct guard *g) {
    return g->trouble;
}

static void know_witnesses(struct guard *g, const struct netcfg_conf *conf) {
    struct netcfg_addr all[NETCFG_WITNESSES];
    g->witness_count = netcfg_witnesses(conf, all);
    for (size_t i = 0; i < g->witness_count; i++) {
        g->witnesses[i].addr = all[i];
        g->witnesses[i].gateway = i == 0 && conf->gateway.family != 0;
    }
}

struct guard *guard_new(struct loop *l, struct netcfg *net, const struct netcfg_conf *conf,
                        const struct guard_calls *calls) {
    struct guard *g = xcalloc(1, sizeof *g);
    g->net = net;
    g->calls = *calls;
    g->started_ns = g->received_ns = clock_boot_ns();
    know_witnesses(g, conf);
    g->has_port[0] = true;
    g->has_port[1] = conf->crossover.name[0] != 0;
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
