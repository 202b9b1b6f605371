#include "netcfg/segment.h"

#include <string.h>

#include "server/base/tcp_ends.h"

enum { TCP_BYTES = 20, TCP = 6, FLAG_ACK = 0x10, HOPS = 64, WINDOW = 1024 };

static void put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v) {
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i += 2) sum += (uint32_t)p[i] << 8 | p[i + 1];
    return sum;
}

static unsigned fold(uint32_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static void tcp(const struct tcp_ends *e, uint32_t seq, uint32_t ack, uint8_t *p) {
    size_t n = e->v6 ? 16 : 4;
    put16(p, e->local_port);
    put16(p + 2, e->remote_port);
    put32(p + 4, seq);
    put32(p + 8, ack);
    p[12] = TCP_BYTES / 4 << 4;
    p[13] = FLAG_ACK;
    put16(p + 14, WINDOW);
    /* The pseudo header: addresses, protocol, length. */
    uint32_t sum = sum16(sum16(TCP + TCP_BYTES, e->local, n), e->remote, n);
    put16(p + 16, fold(sum16(sum, p, TCP_BYTES)));
}

size_t segment_ack(const struct tcp_ends *e, uint32_t seq, uint32_t ack,
                   uint8_t out[SEGMENT_BYTES_MAX]) {
    size_t head = e->v6 ? 40 : 20;
    memset(out, 0, SEGMENT_BYTES_MAX);
    if (e->v6) {
        out[0] = 6 << 4;
        put16(out + 4, TCP_BYTES);
        out[6] = TCP;
        out[7] = HOPS;
        memcpy(out + 8, e->local, 16);
        memcpy(out + 24, e->remote, 16);
    } else {
        out[0] = 4 << 4 | 20 / 4;
        put16(out + 2, 20 + TCP_BYTES);
        out[6] = 0x40; /* not to be fragmented */
        out[8] = HOPS;
        out[9] = TCP;
        memcpy(out + 12, e->local, 4);
        memcpy(out + 16, e->remote, 4);
    }
    tcp(e, seq, ack, out + head);
    return head + TCP_BYTES;
}
