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

static void nd_write(uint8_t type, uint8_t flags, uint8_t option, const uint8_t ip[16],
                     const uint8_t mac[6], uint8_t out[ND_BYTES]) {
    memset(out, 0, ND_BYTES);
    out[0] = type;
    out[4] = flags;
    memcpy(out + 8, ip, 16);
    out[24] = option;
    out[25] = 1;
    memcpy(out + 26, mac, 6);
}

void nd_write_advert(const uint8_t ip[16], const uint8_t mac[6], uint8_t out[ND_BYTES]) {
    nd_write(136, 0x20, 2, ip, mac, out);
}

void nd_write_solicit(const uint8_t ip[16], const uint8_t mac[6], uint8_t out[ND_BYTES]) {
    nd_write(135, 0, 1, ip, mac, out);
}

bool nd_read_advert(const void *p, size_t len, const uint8_t ip[16], uint8_t mac[6]) {
    const uint8_t *b = p;
    if (len < 24 || b[0] != 136 || memcmp(b + 8, ip, 16) != 0) return false;
    for (size_t at = 24; at + 8 <= len && b[at + 1] > 0; at += (size_t)b[at + 1] * 8) {
        if (b[at] != 2) continue;
        memcpy(mac, b + at + 2, 6);
        return true;
    }
    return false;
}

void udp4_write(const uint8_t source[4], uint16_t source_port, const uint8_t dest[4],
                uint16_t dest_port, const void *data, size_t len, uint8_t *out) {
    must(len <= 65535 - UDP4_HEADER_BYTES, "a datagram fits IPv4");
    uint8_t *udp = out + 20;
    unsigned udp_len = (unsigned)len + 8;
    memset(out, 0, UDP4_HEADER_BYTES);
    out[0] = 0x45;
    put16(out + 2, udp_len + 20);
    out[6] = 0x40; /* do not fragment */
    out[8] = 64;
    out[9] = 17;
    memcpy(out + 12, source, 4);
    memcpy(out + 16, dest, 4);
    put16(out + 10, fold(sum16(0, out, 20)));
    put16(udp, source_port);
    put16(udp + 2, dest_port);
    put16(udp + 4, udp_len);
    memcpy(udp + 8, data, len);
    /* The pseudo header: addresses, protocol, length. */
    unsigned sum = fold(sum16(sum16(17 + udp_len, out + 12, 8), udp, udp_len));
    put16(udp + 6, sum ? sum : 0xffff);
}
