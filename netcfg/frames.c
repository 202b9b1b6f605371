#include "netcfg/frames.h"

#include <string.h>

#include "server/base/log.h"

static void put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p) {
    return (unsigned)p[0] << 8 | p[1];
}

static void put64(uint8_t *p, uint64_t v) {
    for (int i = 7; i >= 0; i--, v >>= 8) p[i] = (uint8_t)v;
}

static uint64_t get64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v = v << 8 | p[i];
    return v;
}

/* The internet checksum's sum (RFC 1071), not yet folded. */
static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t len) {
    for (; len > 1; p += 2, len -= 2) sum += get16(p);
    if (len) sum += (uint32_t)*p << 8;
    return sum;
}

static unsigned fold(uint32_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static const uint8_t arp_head[6] = {0, 1, 8, 0, 6, 4}; /* Ethernet, IPv4, sizes 6 and 4 */

void arp_write(const struct arp *a, uint8_t out[ARP_BYTES]) {
    memcpy(out, arp_head, sizeof arp_head);
    put16(out + 6, a->op);
    memcpy(out + 8, a->sender_mac, 6);
    memcpy(out + 14, a->sender_ip, 4);
    memcpy(out + 18, a->target_mac, 6);
    memcpy(out + 24, a->target_ip, 4);
}

bool arp_read(const void *p, size_t len, struct arp *a) {
    const uint8_t *b = p;
    if (len < ARP_BYTES || memcmp(b, arp_head, sizeof arp_head) != 0) return false;
    a->op = get16(b + 6);
    memcpy(a->sender_mac, b + 8, 6);
    memcpy(a->sender_ip, b + 14, 4);
    memcpy(a->target_mac, b + 18, 6);
    memcpy(a->target_ip, b + 24, 4);
    return true;
}

void echo_write(const struct echo *e, bool v6, uint8_t out[ECHO_BYTES]) {
    memset(out, 0, ECHO_BYTES);
    out[0] = v6 ? 128 : 8;
    put16(out + 4, (unsigned)(e->asker & 0xffff));
    put16(out + 6, (unsigned)(e->number & 0xffff));
    put64(out + 8, e->asker);
    put64(out + 16, e->number);
    if (!v6) put16(out + 2, fold(sum16(0, out, ECHO_BYTES)));
}

bool echo_read(const void *p, size_t len, bool v6, struct echo *e) {
    const uint8_t *b = p;
    if (!v6) {
        size_t header = len > 0 ? (size_t)(b[0] & 15) * 4 : 0;
        if (header < 20 || header > len) return false;
        b += header;
        len -= header;
    }
    if (len < ECHO_BYTES || b[0] != (v6 ? 129 : 0) || b[1] != 0) return false;
    e->asker = get64(b + 8);
    e->number = get64(b + 16);
    return get16(b + 4) == (e->asker & 0xffff);
}

/* ---- IPv6 ---- */

#define IP6_BYTES  40
#define NEXT_UDP   17
#define NEXT_ICMP6 58
#define CLASS_CS6  0xc0

static void ip6_write(const uint8_t source[16], const uint8_t dest[16], unsigned next,
                      unsigned hops, size_t len, uint8_t out[IP6_BYTES]) {
    memset(out, 0, IP6_BYTES);
    put16(out, 0x6000 | CLASS_CS6 << 4);
    put16(out + 4, (unsigned)len);
    out[6] = (uint8_t)next;
    out[7] = (uint8_t)hops;
    memcpy(out + 8, source, 16);
    memcpy(out + 24, dest, 16);
}

/* With the pseudo header: addresses, length, protocol. The checksum's own field is still 0. */
static unsigned ip6_sum(const uint8_t *packet, unsigned next, size_t len) {
    uint32_t sum = sum16((uint32_t)len + next, packet + 8, 32);
    return fold(sum16(sum, packet + IP6_BYTES, len));
}

void nd_write(const struct nd *n, uint8_t out[ND_BYTES]) {
    uint8_t *icmp = out + IP6_BYTES;
    bool advert = n->type == ND_ADVERT;
    ip6_write(n->source, n->dest, NEXT_ICMP6, 255, ND_BYTES - IP6_BYTES, out);
    memset(icmp, 0, ND_BYTES - IP6_BYTES);
    icmp[0] = (uint8_t)n->type;
    if (advert) icmp[4] = n->solicited ? 0x60 : 0x20;
    memcpy(icmp + 8, n->target, 16);
    icmp[24] = advert ? 2 : 1;
    icmp[25] = 1;
    memcpy(icmp + 26, n->mac, 6);
    put16(icmp + 2, ip6_sum(out, NEXT_ICMP6, ND_BYTES - IP6_BYTES));
}

bool nd_read(const void *p, size_t len, struct nd *n) {
    const uint8_t *b = p, *icmp = b + IP6_BYTES;
    if (len < IP6_BYTES + 24 || b[0] >> 4 != 6 || b[6] != NEXT_ICMP6 || b[7] != 255) return false;
    size_t said = get16(b + 4);
    if (said < 24 || said > len - IP6_BYTES || icmp[1] != 0) return false;
    memset(n, 0, sizeof *n);
    n->type = icmp[0];
    if (n->type != ND_SOLICIT && n->type != ND_ADVERT) return false;
    n->solicited = n->type == ND_ADVERT && (icmp[4] & 0x40);
    memcpy(n->source, b + 8, 16);
    memcpy(n->dest, b + 24, 16);
    memcpy(n->target, icmp + 8, 16);
    for (size_t at = 24; at + 8 <= said && icmp[at + 1] > 0; at += (size_t)icmp[at + 1] * 8) {
        if (icmp[at] != (n->type == ND_ADVERT ? 2 : 1)) continue;
        memcpy(n->mac, icmp + at + 2, 6);
        n->has_mac = true;
        break;
    }
    return true;
}

void nd_group(const uint8_t ip[16], uint8_t out[16]) {
    static const uint8_t head[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
    memcpy(out, head, sizeof head);
    memcpy(out + 13, ip + 13, 3);
}

void nd_group_mac(const uint8_t group[16], uint8_t out[6]) {
    out[0] = out[1] = 0x33;
    memcpy(out + 2, group + 12, 4);
}

/* ---- UDP ---- */

static void udp_write(uint8_t *udp, uint16_t source_port, uint16_t dest_port, const void *data,
                      size_t len) {
    put16(udp, source_port);
    put16(udp + 2, dest_port);
    put16(udp + 4, (unsigned)len + 8);
    put16(udp + 6, 0);
    memcpy(udp + 8, data, len);
}

void udp4_write(const uint8_t source[4], uint16_t source_port, const uint8_t dest[4],
                uint16_t dest_port, const void *data, size_t len, uint8_t *out) {
    must(len <= 65535 - UDP4_HEADER_BYTES, "a datagram fits IPv4");
    uint8_t *udp = out + 20;
    unsigned udp_len = (unsigned)len + 8;
    memset(out, 0, UDP4_HEADER_BYTES);
    out[0] = 0x45;
    out[1] = CLASS_CS6;
    put16(out + 2, udp_len + 20);
    out[6] = 0x40; /* do not fragment */
    out[8] = 64;
    out[9] = NEXT_UDP;
    memcpy(out + 12, source, 4);
    memcpy(out + 16, dest, 4);
    put16(out + 10, fold(sum16(0, out, 20)));
    udp_write(udp, source_port, dest_port, data, len);
    /* The pseudo header: addresses, protocol, length. */
    unsigned sum = fold(sum16(sum16(NEXT_UDP + udp_len, out + 12, 8), udp, udp_len));
    put16(udp + 6, sum ? sum : 0xffff);
}

void udp6_write(const uint8_t source[16], uint16_t source_port, const uint8_t dest[16],
                uint16_t dest_port, const void *data, size_t len, uint8_t *out) {
    must(len <= 65535 - UDP6_HEADER_BYTES, "a datagram fits IPv6");
    ip6_write(source, dest, NEXT_UDP, 64, len + 8, out);
    udp_write(out + IP6_BYTES, source_port, dest_port, data, len);
    unsigned sum = ip6_sum(out, NEXT_UDP, len + 8);
    put16(out + IP6_BYTES + 6, sum ? sum : 0xffff);
}
