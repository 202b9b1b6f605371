#include "hactl/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/peer_inside.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define QUIET_NS     (60 * NS_PER_S) /* the same refusal is logged once a minute */
#define HEARD_NS     NS_PER_S        /* so long a path counts as one that brings the other node's */
#define SENTENCE_NS  (NS_PER_S / 5)
#define NEIGHBOURS   "/proc/net/arp"
#define SENDER_CHARS 96

/* ---- who it is ---- */

static uint16_t port_of(const struct sockaddr_storage *a) {
    return ntohs(a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port
                                          : ((const struct sockaddr_in *)a)->sin_port);
}

static bool is_address(const struct sockaddr_storage *a, const struct netcfg_addr *of) {
    if (a->ss_family != of->family) return false;
    const void *bytes = a->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)a)->sin_addr;
    return memcmp(bytes, of->bytes, netcfg_addr_bytes(of)) == 0;
}

/* The kernel's table of neighbours, for a sentence: IPv4 only. "" it is not there. */
static void link_address(const char *host, char out[18]) {
    char line[160], address[64], mac[64];
    FILE *f = fopen(NEIGHBOURS, "re");
    out[0] = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%63s %*s %*s %63s", address, mac) == 2 && strcmp(address, host) == 0)
            snprintf(out, 18, "%.17s", mac);
    if (f) fclose(f);
}

static void sender_text(const struct sockaddr_storage *from, char out[SENDER_CHARS]) {
    char host[INET6_ADDRSTRLEN] = "?", mac[18];
    const void *bytes = from->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)from)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)from)->sin_addr;
    (void)inet_ntop(from->ss_family, bytes, host, sizeof host);
    link_address(host, mac);
    snprintf(out, SENDER_CHARS, "%s%s%s%s", host, *mac ? " (link address " : "", mac,
             *mac ? ")" : "");
}

/* ---- refusing ---- */

static void log_refusal(struct peer *p, enum ha_path path, enum heartbeat_result why,
                        const char *sender) {
    struct peer_path *s = &p->paths[path];
    uint64_t now = clock_boot_ns();
    if (p->logged_why[path] == why && now - p->logged_ns[path] < QUIET_NS) return;
    p->logged_why[path] = why;
    p->logged_ns[path] = now;
    log_warning("a datagram from %s on the %s path was refused: %s (%llu so far)", sender,
                ha_path_name(path), heartbeat_result_name(why), (unsigned long long)s->refused);
}

static bool is_ours(const struct peer *p, const struct sockaddr_storage *from) {
    return is_address(from, &p->net.service.addr) || is_address(from, &p->net.crossover.addr);
}

/* hb is filled in when it is authentic. Strays are not counted: another pair of the network announces itself too. */
static void refuse(struct link *k, enum ha_path path, enum heartbeat_result why,
                   const struct heartbeat *hb, struct heartbeat_label label,
                   const struct sockaddr_storage *from, bool stray) {
    struct peer *p = k->peer;
    struct peer_path *s = &p->paths[path];
    char sender[SENDER_CHARS];
    uint64_t now = clock_boot_ns();
    if (!stray) {
        s->refused++;
        s->last_refusal = why;
    }
    if (now - p->refused_ns < SENTENCE_NS) return; /* a flood is counted, not told */
    p->refused_ns = now;
    struct peer_oddity odd = {.result = why,
                              .label = label,
                              .sent_on = (enum ha_path)hb->path,
                              .came_by = path,
                              .pair = p->pair,
                              .node = p->node,
                              .from_peer = is_address(from, &k->iface->peer),
                              .from_self = is_ours(p, from),
                              .peer_heard = s->heard_ns && now - s->heard_ns < HEARD_NS,
                              .from = sender,
                              .iface = k->ifname};
    sender_text(from, sender);
    bool odd_one = peer_identity_note(&p->identity, &odd, now);
    if (!stray || odd_one) log_refusal(p, path, why, sender);
}

/* ---- hearing ---- */

static enum heartbeat_result decode(const struct peer *p, const void *bytes, size_t len,
                                    struct heartbeat *hb) {
    enum heartbeat_result r = HEARTBEAT_FORGED;
    for (int i = 0; i < p->keys.count && r == HEARTBEAT_FORGED; i++)
        r = heartbeat_decode(bytes, len, p->keys.key[i], p->pair, p->node, hb);
    return r;
}

static void say_late(struct peer *p, uint64_t now) {
    if (p->late_said_ns && now - p->late_said_ns < QUIET_NS) return;
    log_warning("heartbeats of the other node came late on all paths: %llu silences of more than "
                "%llu ms since the last such line, the longest of all %llu ms; the networks or one "
                "of the machines are slow",
                (unsigned long long)(p->late.count - p->late_said),
                (unsigned long long)(p->late_ns / NS_PER_MS),
                (unsigned long long)p->late.longest_ms);
    p->late_said_ns = now;
    p->late_said = p->late.count;
}

/* How the heartbeats of one life come by this path: what is missing, what is late. */
static void note_arrival(struct peer *p, struct peer_path *s, const struct heartbeat *hb,
                         bool every_one) {
    uint64_t now = clock_boot_ns();
    bool same = hb->life == s->life;
    if (same && hb->seq <= s->seq) {
        if (s->lost && hb->seq < s->seq) s->lost--; /* it was overtaken, not lost */
        return;
    }
    if (same && every_one) s->lost += hb->seq - s->seq - 1;
    if (same && p->late_ns && now - s->heard_ns > p->late_ns) s->late++;
    if (same && p->late_ns && p->any_ns && now - p->any_ns > p->late_ns) {
        uint64_t gap_ms = (now - p->any_ns) / NS_PER_MS;
        p->late.count++;
        if (gap_ms > p->late.longest_ms) p->late.longest_ms = gap_ms;
        say_late(p, now);
    }
    s->life = hb->life;
    s->seq = hb->seq;
    s->heard_ns = p->any_ns = now;
}

static void believe(struct peer *p, enum ha_path path, const struct heartbeat *hb) {
    p->paths[path].heard++;
    note_arrival(p, &p->paths[path], hb, path != HA_PATH_SERIAL);
    p->heard(p->arg, path, hb);
}

void peer_take(struct link *k, const uint8_t *bytes, size_t len,
               const struct sockaddr_storage *from, bool stray) {
    struct peer *p = k->peer;
    struct heartbeat hb = {0};
    enum ha_path path = k->path;
    if (path == HA_PATH_SERVICE && port_of(from) == PEER_PORT_GATEWAY) path = HA_PATH_GATEWAY;
    enum heartbeat_result r = decode(p, bytes, len, &hb);
    if (stray && r == HEARTBEAT_SELF && is_address(from, &k->iface->addr))
        return; /* our own announcement */
    if (r == HEARTBEAT_SELF || r == HEARTBEAT_FOREIGN) hb.path = (uint8_t)path;
    if (r == HEARTBEAT_SELF && is_address(from, &p->net.crossover.addr))
        hb.path = HA_PATH_CROSSOVER;
    if (r == HEARTBEAT_SELF && is_address(from, &p->net.service.addr)) hb.path = HA_PATH_SERVICE;
    if (r == HEARTBEAT_OK && hb.path != path)
        r = HEARTBEAT_ASTRAY;
    else if (r == HEARTBEAT_OK && !is_address(from, &k->iface->peer))
        r = HEARTBEAT_ELSEWHERE;
    if (r != HEARTBEAT_OK)
        refuse(k, path, r, &hb, heartbeat_label(bytes, len), from, stray);
    else if (!stray)
        believe(p, path, &hb);
}

static void on_serial(void *arg, const uint8_t *bytes, size_t len) {
    struct peer *p = arg;
    struct peer_path *s = &p->paths[HA_PATH_SERIAL];
    struct heartbeat hb;
    enum heartbeat_result r = decode(p, bytes, len, &hb);
    if (r == HEARTBEAT_OK && hb.path != HA_PATH_SERIAL) r = HEARTBEAT_ASTRAY;
    if (r == HEARTBEAT_OK) {
        believe(p, HA_PATH_SERIAL, &hb);
        return;
    }
    s->refused++;
    s->last_refusal = r;
    log_refusal(p, HA_PATH_SERIAL, r, p->net.serial.device);
}

/* ---- sending ---- */

static void gateway_send(struct peer *p, const uint8_t *bytes) {
    struct peer_path *s = &p->paths[HA_PATH_GATEWAY];
    struct netcfg_error err;
    uint8_t mac[NETCFG_MAC_BYTES];
    s->open = netcfg_gateway_mac(p->handle, mac);
    if (!s->open) {
        peer_note_failure(s, "sending", "the gateway's link address is not known yet");
        return;
    }
    if (netcfg_send_via_gateway(p->handle, PEER_PORT_GATEWAY, PEER_PORT, bytes, HEARTBEAT_BYTES,
                                &err)) {
        s->sent++;
        s->why[0] = 0;
        return;
    }
    s->failed++;
    peer_note_failure(s, "sending", err.text);
}

static void serial_send(struct peer *p, const uint8_t *bytes) {
    struct peer_path *s = &p->paths[HA_PATH_SERIAL];
    switch (peer_serial_send(p->serial, bytes, HEARTBEAT_BYTES)) {
    case PEER_SERIAL_SENT: s->sent++; break;
    case PEER_SERIAL_BUSY: s->dropped++; break;
    case PEER_SERIAL_FAILED: s->failed++; break;
    }
    s->open = peer_serial_open(p->serial);
    s->garbage = peer_serial_garbage(p->serial);
    snprintf(s->why, sizeof s->why, "%s", peer_serial_why(p->serial));
}

static const uint8_t *sign(const struct peer *p, const struct heartbeat *hb, enum ha_path path,
                           uint8_t bytes[HEARTBEAT_BYTES]) {
    struct heartbeat one = *hb;
    one.path = (uint8_t)path;
    heartbeat_encode(&one, p->keys.key[0], bytes);
    return bytes;
}

void peer_send(struct peer *p, const struct heartbeat *hb) {
    uint8_t bytes[HEARTBEAT_BYTES];
    uint64_t now = clock_boot_ns();
    for (int i = 0; i < LINKS; i++) {
        struct link *k = &p->links[i];
        if (!p->paths[k->path].configured) continue;
        link_send(k, sign(p, hb, k->path, bytes), now);
        link_announce(k, bytes, now);
    }
    if (p->paths[HA_PATH_GATEWAY].configured) gateway_send(p, sign(p, hb, HA_PATH_GATEWAY, bytes));
    if (p->serial) serial_send(p, sign(p, hb, HA_PATH_SERIAL, bytes));
}

/* ---- the whole ---- */

void peer_rekey(struct peer *p, const struct peer_keys *keys) {
    must(keys->count >= 1 && keys->count <= PEER_KEYS, "a pair has one key, or two for a while");
    p->keys = *keys;
}

struct peer *peer_new(struct loop *l, const struct peer_conf *conf, struct netcfg *net_handle,
                      peer_heard_fn *heard, void *arg) {
    struct peer *p = xcalloc(1, sizeof *p);
    p->loop = l;
    p->pair = conf->pair;
    p->node = conf->node;
    peer_rekey(p, &conf->keys);
    p->late_ns = conf->late_ms * NS_PER_MS;
    p->net = *conf->net;
    p->handle = net_handle;
    p->heard = heard;
    p->arg = arg;
    p->paths[HA_PATH_CROSSOVER].configured = p->net.crossover.peer.family != 0;
    p->paths[HA_PATH_SERVICE].configured = p->net.service.peer.family != 0;
    p->paths[HA_PATH_GATEWAY].configured = net_handle && p->net.gateway.family != 0;
    p->paths[HA_PATH_SERIAL].configured = p->net.serial.device[0] != 0;
    for (int i = 0; i < LINKS; i++) {
        p->links[i] = (struct link){.peer = p, .path = (enum ha_path)i, .fd = -1, .stray_fd = -1};
        p->links[i].iface = i == HA_PATH_CROSSOVER ? &p->net.crossover : &p->net.service;
        link_open(&p->links[i], clock_boot_ns());
    }
    if (p->net.serial.device[0])
        p->serial = peer_serial_new(l, p->net.serial.device, p->net.serial.baud, on_serial, p);
    return p;
}

void peer_free(struct peer *p) {
    if (!p) return;
    for (int i = 0; i < LINKS; i++) link_close(&p->links[i]);
    peer_serial_free(p->serial);
    free(p);
}

const struct peer_path *peer_path(const struct peer *p, enum ha_path path) {
    return &p->paths[path];
}

const struct peer_late *peer_late(const struct peer *p) {
    return &p->late;
}

const char *peer_oddity(const struct peer *p, uint64_t now_ns) {
    return peer_identity_text(&p->identity, now_ns);
}
