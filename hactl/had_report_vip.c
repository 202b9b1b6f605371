/* The VIPs, and who is asked about the outside. */
#include "hactl/had_report.h"

#include <string.h>

#include "server/base/clock.h"

static const char *letter(unsigned node) {
    return node ? "b" : "a";
}

static int64_t age_ms(uint64_t now_ns, uint64_t at_ns) {
    return at_ns ? (int64_t)((now_ns - at_ns) / NS_PER_MS) : -1;
}

/* One row of "vips": the writer's, then the one for reads. */
static void report_one(const struct vip *v, unsigned which, const struct netcfg_addr *a,
                       const char *kind, unsigned row, struct buf *out) {
    char address[NETCFG_ADDR_CHARS], text[NETCFG_MAC_CHARS];
    uint64_t now = clock_boot_ns();
    uint8_t mac[6];
    bool foreign = vip_foreign_mac(v, which, now, mac);
    put_text(out, netcfg_addr_text(a, false, address), "vips.%u.address", row);
    put_text(out, kind, "vips.%u.kind", row);
    put_true(out, vip_open(v, now), "vips.%u.held", row);
    put_number(out, age_ms(now, vip_announced_ns(v)), "vips.%u.announced_ms", row);
    put_text(out, foreign ? netcfg_mac_text(mac, text) : "", "vips.%u.foreign", row);
    put_text(out, vip_trouble(v), "vips.%u.trouble", row);
}

static void report_witnesses(const struct had *h, struct buf *out) {
    uint64_t now = clock_boot_ns();
    for (unsigned i = 0; i < guard_witness_count(h->guard); i++) {
        const struct guard_witness *w = guard_witness(h->guard, i);
        char address[NETCFG_ADDR_CHARS];
        put_text(out, netcfg_addr_text(&w->addr, false, address), "references.%u.address", i);
        put_true(out, w->gateway, "references.%u.gateway", i);
        put_number(out, age_ms(now, w->answer_ns), "references.%u.age_ms", i);
    }
}

void had_report_vip(const struct had *h, const struct ha_view *v, struct buf *out) {
    const struct netcfg_conf *net = &h->conf.net;
    char address[NETCFG_ADDR_CHARS];
    const char *holder = "";
    if (vip_held(h->vip) && v->serving)
        holder = letter(h->conf.setup.node);
    else if (v->peer_heard && h->fsm.peer_known && h->fsm.peer.state == HA_MASTER)
        holder = letter(!h->conf.setup.node);
    put_text(out, netcfg_addr_text(&net->vips[0], false, address), "vip.address");
    put_text(out, holder, "vip.holder");
    put_text(out, vip_trouble(h->vip), "vip.trouble");
    for (unsigned i = 0; i < net->vip_count; i++)
        report_one(h->vip, i, &net->vips[i], "write", i, out);
    if (h->read)
        report_one(read_vip_vip(h->read), 0, &net->read_vip, "read", (unsigned)net->vip_count, out);
    put_text(out, net->gateway.family ? netcfg_addr_text(&net->gateway, false, address) : "",
             "gateway.address");
    put_number(out, put_age_ms(v->gateway_age_ns), "gateway.age_ms");
    put_text(out, guard_trouble(h->guard), "gateway.trouble");
    put_number(out, (int64_t)(guard_deaf_ns(h->guard) / NS_PER_MS), "service.deaf_ms");
    report_witnesses(h, out);
}
