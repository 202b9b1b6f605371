#include "hactl/had_agree.h"

#include <stdio.h>
#include <string.h>

#include "server/base/crc32c.h"

/* ---- the parts: each adds what both nodes must have alike to a checksum ---- */

static uint32_t add_address(uint32_t crc, const struct netcfg_addr *a) {
    crc = crc32c(crc, a->bytes, netcfg_addr_bytes(a));
    return crc32c(crc, &a->prefix_bits, 1);
}

static uint32_t vip(uint32_t crc, const struct had_conf *c) {
    for (size_t i = 0; i < c->net.vip_count; i++) crc = add_address(crc, &c->net.vips[i]);
    return add_address(crc, &c->net.read_vip);
}

static uint32_t gateway(uint32_t crc, const struct had_conf *c) {
    for (size_t i = 0; i < c->net.reference_count; i++)
        crc = add_address(crc, &c->net.references[i]);
    return add_address(crc, &c->net.gateway);
}

static uint32_t times(uint32_t crc, const struct had_conf *c) {
    const struct ha_timing *t = &c->setup.timing;
    uint32_t words[] = {t->beat_ms, t->demote_ms, t->dead_ms, t->grant_ms};
    return crc32c(crc, words, sizeof words);
}

static uint32_t instances(uint32_t crc, const struct had_conf *c) {
    for (int i = 0; i < c->instance_count; i++) {
        uint32_t one[] = {(uint32_t)c->instances[i].number, c->instances[i].port};
        crc = crc32c(crc, one, sizeof one);
    }
    return crc;
}

static uint32_t changes(uint32_t crc, const struct had_conf *c) {
    return crc32c(crc, &c->changes, sizeof c->changes);
}

/* Node a's address, then node b's: what the one calls its own is the other one's peer. */
static uint32_t both_ends(uint32_t crc, const struct had_conf *c, const struct netcfg_iface *i) {
    struct netcfg_addr own = i->addr, peer = i->peer;
    peer.prefix_bits = own.prefix_bits;
    crc = add_address(crc, c->setup.node ? &peer : &own);
    return add_address(crc, c->setup.node ? &own : &peer);
}

/* A serial port may have another name at either end; its speed has to be the same. */
static uint32_t ways(uint32_t crc, const struct had_conf *c) {
    crc = crc32c(crc, &c->net.serial.baud, sizeof c->net.serial.baud);
    return both_ends(both_ends(crc, c, &c->net.service), c, &c->net.crossover);
}

static uint32_t last_path(uint32_t crc, const struct had_conf *c) {
    uint8_t promote = c->setup.last_path_promote;
    return crc32c(crc, &promote, sizeof promote);
}

/* The same witness; the fences are each the other one's controller. */
static uint32_t arbiters(uint32_t crc, const struct had_conf *c) {
    uint8_t has[] = {c->setup.has_witness, c->setup.has_fence};
    crc = crc32c(crc, has, sizeof has);
    crc = crc32c(crc, c->arbiter.witness.host, sizeof c->arbiter.witness.host);
    crc = crc32c(crc, &c->arbiter.witness.port, sizeof c->arbiter.witness.port);
    return crc32c(crc, c->arbiter.witness.key, sizeof c->arbiter.witness.key);
}

static const struct {
    uint32_t (*add)(uint32_t crc, const struct had_conf *c);
    const char *name;
} parts[] = {
    {vip, "the virtual address ([network] vip, read-vip)"},
    {gateway, "the gateway or references ([network] gateway, reference)"},
    {times, "the times ([ha])"},
    {instances, "the instances and their ports"},
    {changes, "how often the instances were changed (`hactl instance sync`)"},
    {ways, "the ways between the nodes ([network] service, crossover, serial)"},
    {arbiters, "the arbiters ([ha] witness, fence)"},
    {last_path, "what is done with one path left ([ha] last-path)"},
};
#define PARTS (sizeof parts / sizeof *parts)
_Static_assert(PARTS <= 8, "a part is one byte of a word");

void had_agree_note(const struct had_conf *conf, struct ha_setup *setup) {
    uint32_t all = 0;
    setup->config_parts = 0;
    for (size_t i = 0; i < PARTS; i++) {
        uint32_t one = parts[i].add(0, conf);
        all = crc32c(all, &one, sizeof one);
        one ^= one >> 16;
        one ^= one >> 8;
        setup->config_parts |= (uint64_t)(one & 255u) << (8 * i);
    }
    setup->config = all ? all : 1;
}

const char *had_agree_differing(uint64_t mine, uint64_t theirs, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < PARTS; i++) {
        if ((mine >> (8 * i) & 255u) == (theirs >> (8 * i) & 255u)) continue;
        int n = snprintf(out + used, size - used, "%s%s", used ? ", and " : "", parts[i].name);
        used += n > 0 ? (size_t)n : 0;
        if (used >= size) break;
    }
    return out;
}
