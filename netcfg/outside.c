/* The gateway and the references: probing them, dating what they answer, and the way through the gateway.
 *
 * An ARP reply carries no number, so an answer is dated by the oldest probe that it may belong to: one
 * that was sent within ARP_ANSWER_NS and has had no answer yet. It may thus be dated too early, never
 * too late; a machine that answers one request twice would break that, so an answer without a probe ends
 * the belief in its ARP for a minute. The ICMP echo beside it carries the probe's number and is dated
 * exactly; while echoes are answered, ARP's answers only tell the link address. Probes are sent from
 * 0.0.0.0 (RFC 5227): nobody's ARP table changes by them, and answers to them cannot be taken for
 * answers to the kernel's own requests. Neighbour discovery works alike, from a link-local address that
 * is nobody's (handle.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg/handle.h"
#include "server/base/clock.h"

#define ETHERTYPE_IP      0x0800
#define ETHERTYPE_IP6     0x86dd
#define ARP_ANSWER_NS     (2 * NS_PER_S) /* an ARP answer that takes longer is taken for lost */
#define ARP_DOUBT_NS      (60 * NS_PER_S)
#define EXACT_FRESH_NS    (150 * NS_PER_MS)
#define BROADCAST_EACH    8  /* one probe in so many is broadcast: a link address may change */
#define KNOWN_EACH        16 /* and so many probes apart they are told where we are */
#define VIA_GATEWAY_LIMIT (1500 - UDP6_HEADER_BYTES)

/* ---- probes ---- */

static bool ask_on_link(struct netcfg *h, const struct outside *o, bool wide) {
    const uint8_t *to = wide || !o->mac_known ? NULL : o->mac;
    if (o->addr.family == AF_INET6) return send_solicit(h, o->addr.bytes, to);
    return send_arp(h, ARP_REQUEST, NULL, o->addr.bytes, to ? to : everyone);
}

/* An echo is answered to a link address, and our probes, which come from nobody, do not keep it in the other one's table: when
 * it asks for us in its own time and loses its three questions, it is silent for a second or more although it is well. */
static void keep_known(struct netcfg *h, const struct outside *o) {
    const struct netcfg_addr *own = &h->conf.service.addr;
    struct client_seen to = {.family = o->addr.family};
    if (!o->on_link || !o->mac_known || own->family != o->addr.family) return;
    if (own->family == AF_INET) {
        send_arp(h, ARP_REPLY, own->bytes, o->addr.bytes, o->mac);
        return;
    }
    memcpy(to.ip, o->addr.bytes, sizeof to.ip);
    memcpy(to.mac, o->mac, sizeof to.mac);
    send_advert(h, own->bytes, &to);
}

bool netcfg_gateway_probe(struct netcfg *h, uint64_t now_ns, struct netcfg_error *err) {
    if (h->outside_count == 0) {
        snprintf(err->text, sizeof err->text,
                 "no gateway is configured; add 'gateway ADDRESS' or 'reference ADDRESS' to "
                 "[network]");
        return false;
    }
    if (!service_ready(h, err)) return false;
    uint64_t number = h->probe_count++;
    bool sent = false;
    h->probe_sent_ns[number % PROBE_RING] = now_ns;
    for (size_t i = 0; i < h->outside_count; i++) {
        const struct outside *o = &h->outside[i];
        /* Not all in the same turn: the broadcasts of several are spread. */
        if (o->on_link) sent |= ask_on_link(h, o, (number + i) % BROADCAST_EACH == 0);
        if ((number + i) % KNOWN_EACH == 1) keep_known(h, o);
        sent |= send_echo(h, &o->addr, number);
    }
    return sent || cannot_send(h, "a probe to the gateway", err);
}

/* ---- answers ---- */

int outside_find(const struct netcfg *h, int family, const uint8_t *ip) {
    for (size_t i = 0; i < h->outside_count; i++) {
        const struct netcfg_addr *a = &h->outside[i].addr;
        if (a->family == family && memcmp(a->bytes, ip, netcfg_addr_bytes(a)) == 0) return (int)i;
    }
    return -1;
}

void outside_forget(struct netcfg *h) {
    for (size_t i = 0; i < h->outside_count; i++) h->outside[i].mac_known = false;
}

/* The oldest probe that an ARP answer arriving now may belong to; false when none may, or when it
 * is no evidence. */
static bool oldest_probe(struct netcfg *h, struct outside *o, uint64_t *sent_ns) {
    uint64_t now = clock_boot_ns();
    bool found = false;
    if (h->probe_count - o->arp_oldest > PROBE_RING) o->arp_oldest = h->probe_count - PROBE_RING;
    while (!found && o->arp_oldest < h->probe_count) {
        *sent_ns = h->probe_sent_ns[o->arp_oldest++ % PROBE_RING];
        found = now - *sent_ns <= ARP_ANSWER_NS;
    }
    if (!found) o->arp_doubt_ns = now;
    if (o->arp_doubt_ns && now - o->arp_doubt_ns < ARP_DOUBT_NS) return false;
    return found && !(o->exact_ns && now - o->exact_ns < EXACT_FRESH_NS);
}

bool outside_heard(struct netcfg *h, unsigned which, const uint8_t mac[6], bool to_probe,
                   struct netcfg_event *ev) {
    struct outside *o = &h->outside[which];
    memcpy(o->mac, mac, 6);
    o->mac_known = true;
    if (!to_probe || !oldest_probe(h, o, &ev->sent_ns)) return false;
    ev->kind = NETCFG_GATEWAY_ANSWER;
    ev->which = which;
    memcpy(ev->mac, mac, 6);
    return true;
}

bool outside_echoed(struct netcfg *h, unsigned which, uint64_t number, struct netcfg_event *ev) {
    if (number >= h->probe_count || h->probe_count - number > PROBE_RING) return false;
    ev->kind = NETCFG_GATEWAY_ANSWER;
    ev->which = which;
    ev->sent_ns = h->probe_sent_ns[number % PROBE_RING];
    ev->exact = true;
    h->outside[which].exact_ns = clock_boot_ns();
    return true;
}

/* ---- the way through the gateway ---- */

bool netcfg_gateway_mac(const struct netcfg *h, uint8_t mac[NETCFG_MAC_BYTES]) {
    bool known = h->conf.gateway.family && h->outside[0].mac_known;
    memcpy(mac, h->outside[0].mac, NETCFG_MAC_BYTES);
    return known;
}

bool netcfg_send_via_gateway(struct netcfg *h, uint16_t source_port, uint16_t dest_port,
                             const void *data, size_t len, struct netcfg_error *err) {
    uint8_t packet[UDP6_HEADER_BYTES + VIA_GATEWAY_LIMIT], mac[NETCFG_MAC_BYTES];
    const struct netcfg_addr *from = &h->conf.service.addr, *to = &h->conf.service.peer;
    if (!service_ready(h, err)) return false;
    bool known = netcfg_gateway_mac(h, mac);
    if (!known || len > VIA_GATEWAY_LIMIT) {
        snprintf(err->text, sizeof err->text, "the path through the gateway %s",
                 known ? "takes one Ethernet frame at most"
                       : "is not known: the gateway has not answered ARP yet");
        return false;
    }
    bool v6 = from->family == AF_INET6;
    if (v6)
        udp6_write(from->bytes, source_port, to->bytes, dest_port, data, len, packet);
    else
        udp4_write(from->bytes, source_port, to->bytes, dest_port, data, len, packet);
    return send_frame(h, v6 ? ETHERTYPE_IP6 : ETHERTYPE_IP, mac, packet,
                      len + (v6 ? UDP6_HEADER_BYTES : UDP4_HEADER_BYTES)) ||
           cannot_send(h, "through the gateway", err);
}
