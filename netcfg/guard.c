/* The VIPs' guard in nftables. Two tables of this node's name, and for each group (the writer's VIPs, the one
 * for reads) and family that is used a set of the addresses and a set of those that may pass:
 *
 *     table inet duet_vip_a                            table arp duet_vip_a (IPv4 only)
 *       set vips4 { 192.0.2.10, ... }                    set vips4 { 192.0.2.10, ... }
 *       set lease4 { timeout }                           set lease4 { timeout }
 *       chain in   prerouting: daddr @vips4,             chain out  output: sender @vips4,
 *                  not @lease4 -> drop                              not @lease4 -> drop
 *       chain out  output: saddr @vips4, not @lease4 -> drop
 *                  and advertisements whose target is in @vips6, not @lease6 -> drop
 *
 * While an address stands in the second set, the lookup finds it and nothing is dropped. The kernel ends
 * it, whether or not user space still runs. Kernel 6.12 can change an element's timeout, older ones ignore
 * a second add: so each renewal flushes the set and adds, in one transaction. Requests for a VIP are not
 * dropped in arp input: an answer is what must not leave, and what others announce may be learnt. */
#include "netcfg/guard.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#ifndef NF_ARP_OUT
#define NF_ARP_OUT 1
#endif

#define PRIORITY_RAW (-300) /* before connection tracking */
/* One tick of the slowest kernel (HZ 100), twice: a timeout that rounds to no tick is none at all. */
#define LEAST_MS       20
#define TYPE_IPV4_ADDR 7 /* nft's names for keys, so that `nft list` shows addresses */
#define TYPE_IPV6_ADDR 8
#define NEXT_ICMP6     58
#define ND_TYPE_ADVERT 136

static void begin(struct nl_msg *m, int type, int flags, int family) {
    struct nfgenmsg g = {.nfgen_family = (uint8_t)family, .version = NFNETLINK_V0};
    bool edge = type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END;
    if (edge) {
        g.res_id = htons(NFNL_SUBSYS_NFTABLES);
    } else {
        type |= NFNL_SUBSYS_NFTABLES << 8;
    }
    nl_begin(m, (uint16_t)type, (uint16_t)(NLM_F_REQUEST | (edge ? 0 : NLM_F_ACK) | flags), &g,
             sizeof g);
}

static void table(struct nl_msg *m, const struct guard *g, int type, int family) {
    begin(m, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, family);
    nl_attr_str(m, NFTA_TABLE_NAME, g->table);
}

/* ---- sets ---- */

/* The VIPs of one group and family: their set, and that of those that may pass. */
struct kind {
    enum netcfg_group group;
    int family;
};
static const struct kind kinds[] = {
    {NETCFG_VIPS_WRITE, AF_INET},
    {NETCFG_VIPS_WRITE, AF_INET6},
    {NETCFG_VIP_READ, AF_INET},
    {NETCFG_VIP_READ, AF_INET6},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

struct set_name {
    char text[24];
};

static struct set_name name_of(const struct kind *k, const char *what) {
    struct set_name n;
    snprintf(n.text, sizeof n.text, "%s%s%d", k->group == NETCFG_VIP_READ ? "read_" : "", what,
             k->family == AF_INET ? 4 : 6);
    return n;
}

static size_t key_bytes(const struct kind *k) {
    return k->family == AF_INET ? 4 : 16;
}

static bool used(const struct guard *g, const struct kind *k) {
    for (size_t i = 0; i < g->count[k->group]; i++) {
        if (g->vips[k->group][i].family == k->family) return true;
    }
    return false;
}

static void set(struct nl_msg *m, const struct guard *g, int family, const struct kind *k,
                const char *what, bool timeout) {
    begin(m, NFT_MSG_NEWSET, NLM_F_CREATE, family);
    nl_attr_str(m, NFTA_SET_TABLE, g->table);
    nl_attr_str(m, NFTA_SET_NAME, name_of(k, what).text);
    nl_attr_be32(m, NFTA_SET_ID, 1 + 2 * (uint32_t)(k - kinds) + timeout);
    if (timeout) nl_attr_be32(m, NFTA_SET_FLAGS, NFT_SET_TIMEOUT);
    nl_attr_be32(m, NFTA_SET_KEY_TYPE, k->family == AF_INET ? TYPE_IPV4_ADDR : TYPE_IPV6_ADDR);
    nl_attr_be32(m, NFTA_SET_KEY_LEN, (uint32_t)key_bytes(k));
}

static void value(struct nl_msg *m, uint16_t type, const void *p, size_t len) {
    size_t n = nl_nest(m, type);
    nl_attr(m, NFTA_DATA_VALUE, p, len);
    nl_nest_end(m, n);
}

/* All addresses of the kind into a set; left_ms 0: without a timeout. */
static void fill(struct nl_msg *m, const struct guard *g, int family, const struct kind *k,
                 const char *what, uint64_t left_ms) {
    begin(m, NFT_MSG_NEWSETELEM, NLM_F_CREATE, family);
    nl_attr_str(m, NFTA_SET_ELEM_LIST_TABLE, g->table);
    nl_attr_str(m, NFTA_SET_ELEM_LIST_SET, name_of(k, what).text);
    size_t list = nl_nest(m, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (size_t i = 0; i < g->count[k->group]; i++) {
        const struct netcfg_addr *a = &g->vips[k->group][i];
        if (a->family != k->family) continue;
        size_t elem = nl_nest(m, NFTA_LIST_ELEM);
        value(m, NFTA_SET_ELEM_KEY, a->bytes, key_bytes(k));
        if (left_ms) nl_attr_be64(m, NFTA_SET_ELEM_TIMEOUT, left_ms);
        nl_nest_end(m, elem);
    }
    nl_nest_end(m, list);
}

static void empty(struct nl_msg *m, const struct guard *g, int family, const struct kind *k) {
    begin(m, NFT_MSG_DELSETELEM, 0, family); /* without elements: all of them */
    nl_attr_str(m, NFTA_SET_ELEM_LIST_TABLE, g->table);
    nl_attr_str(m, NFTA_SET_ELEM_LIST_SET, name_of(k, "lease").text);
}

/* ---- chains and rules ---- */

static void chain(struct nl_msg *m, const struct guard *g, int family, const char *name,
                  unsigned hook, int priority) {
    begin(m, NFT_MSG_NEWCHAIN, NLM_F_CREATE, family);
    nl_attr_str(m, NFTA_CHAIN_TABLE, g->table);
    nl_attr_str(m, NFTA_CHAIN_NAME, name);
    size_t n = nl_nest(m, NFTA_CHAIN_HOOK);
    nl_attr_be32(m, NFTA_HOOK_HOOKNUM, hook);
    nl_attr_be32(m, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    nl_nest_end(m, n);
    nl_attr_be32(m, NFTA_CHAIN_POLICY, NF_ACCEPT);
    nl_attr_str(m, NFTA_CHAIN_TYPE, "filter");
}

struct expr {
    size_t elem, data;
};

static struct expr expr_begin(struct nl_msg *m, const char *name) {
    struct expr e;
    e.elem = nl_nest(m, NFTA_LIST_ELEM);
    nl_attr_str(m, NFTA_EXPR_NAME, name);
    e.data = nl_nest(m, NFTA_EXPR_DATA);
    return e;
}

static void expr_end(struct nl_msg *m, struct expr e) {
    nl_nest_end(m, e.data);
    nl_nest_end(m, e.elem);
}

static void load(struct nl_msg *m, uint32_t base, uint32_t offset, size_t len) {
    struct expr e = expr_begin(m, "payload");
    nl_attr_be32(m, NFTA_PAYLOAD_DREG, NFT_REG_1);
    nl_attr_be32(m, NFTA_PAYLOAD_BASE, base);
    nl_attr_be32(m, NFTA_PAYLOAD_OFFSET, offset);
    nl_attr_be32(m, NFTA_PAYLOAD_LEN, (uint32_t)len);
    expr_end(m, e);
}

static void load_meta(struct nl_msg *m, uint32_t key) {
    struct expr e = expr_begin(m, "meta");
    nl_attr_be32(m, NFTA_META_DREG, NFT_REG_1);
    nl_attr_be32(m, NFTA_META_KEY, key);
    expr_end(m, e);
}

static void equals(struct nl_msg *m, uint8_t byte) {
    struct expr e = expr_begin(m, "cmp");
    nl_attr_be32(m, NFTA_CMP_SREG, NFT_REG_1);
    nl_attr_be32(m, NFTA_CMP_OP, NFT_CMP_EQ);
    value(m, NFTA_CMP_DATA, &byte, 1);
    expr_end(m, e);
}

static void look_up(struct nl_msg *m, const struct kind *k, const char *what, bool not_in) {
    struct expr e = expr_begin(m, "lookup");
    nl_attr_str(m, NFTA_LOOKUP_SET, name_of(k, what).text);
    nl_attr_be32(m, NFTA_LOOKUP_SREG, NFT_REG_1);
    if (not_in) nl_attr_be32(m, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    expr_end(m, e);
}

static void drop(struct nl_msg *m) {
    struct expr e = expr_begin(m, "immediate");
    nl_attr_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    size_t d = nl_nest(m, NFTA_IMMEDIATE_DATA);
    size_t v = nl_nest(m, NFTA_DATA_VERDICT);
    nl_attr_be32(m, NFTA_VERDICT_CODE, NF_DROP);
    nl_nest_end(m, v);
    nl_nest_end(m, d);
    expr_end(m, e);
}

static size_t rule_begin(struct nl_msg *m, const struct guard *g, int family,
                         const char *chain_name) {
    begin(m, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
    nl_attr_str(m, NFTA_RULE_TABLE, g->table);
    nl_attr_str(m, NFTA_RULE_CHAIN, chain_name);
    return nl_nest(m, NFTA_RULE_EXPRESSIONS);
}

/* "the address at offset is a VIP and there is no lease: drop" */
static void rule_end(struct nl_msg *m, size_t list, const struct kind *k, uint32_t base,
                     uint32_t offset) {
    load(m, base, offset, key_bytes(k));
    look_up(m, k, "vips", false);
    load(m, base, offset, key_bytes(k));
    look_up(m, k, "lease", true);
    drop(m);
    nl_nest_end(m, list);
}

static void rule(struct nl_msg *m, const struct guard *g, int family, const char *chain_name,
                 const struct kind *k, uint32_t offset) {
    size_t list = rule_begin(m, g, family, chain_name);
    if (family == NFPROTO_INET) {
        load_meta(m, NFT_META_NFPROTO);
        equals(m, k->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
    }
    rule_end(m, list, k, NFT_PAYLOAD_NETWORK_HEADER, offset);
}

/* Advertisements usually come from the VIP itself; these may come from another address of ours. */
static void rule_advert(struct nl_msg *m, const struct guard *g, const struct kind *k) {
    size_t list = rule_begin(m, g, NFPROTO_INET, "out");
    load_meta(m, NFT_META_L4PROTO);
    equals(m, NEXT_ICMP6);
    load(m, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
    equals(m, ND_TYPE_ADVERT);
    rule_end(m, list, k, NFT_PAYLOAD_TRANSPORT_HEADER, 8);
}

/* ---- transactions ---- */

/* Adding before deleting makes the deletion work whether or not the table was there. */
static void table_away(struct nl_msg *m, const struct guard *g, int family) {
    table(m, g, NFT_MSG_NEWTABLE, family);
    table(m, g, NFT_MSG_DELTABLE, family);
}

static void batch_begin(struct nl_msg *m) {
    nl_clear(m);
    begin(m, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC);
}

static bool commit(struct guard *g, struct nl_msg *m, const char *what, struct netcfg_error *err) {
    char says[256];
    begin(m, NFNL_MSG_BATCH_END, 0, AF_UNSPEC);
    int e = nl_talk(&g->nl, m, says);
    if (e == 0) return true;
    snprintf(
        err->text, sizeof err->text,
        "the VIP guard (nftables table %s) could not be %s: %s%s%.120s%s; the VIP must not be held "
        "without it",
        g->table, what, strerror(e), *says ? " (" : "", says, *says ? ")" : "");
    return false;
}

static void sets_of(struct nl_msg *m, const struct guard *g, int family, const struct kind *k) {
    set(m, g, family, k, "vips", false);
    set(m, g, family, k, "lease", true);
    fill(m, g, family, k, "vips", 0);
}

static void install_inet(struct nl_msg *m, const struct guard *g) {
    table_away(m, g, NFPROTO_INET);
    table(m, g, NFT_MSG_NEWTABLE, NFPROTO_INET);
    chain(m, g, NFPROTO_INET, "in", NF_INET_PRE_ROUTING, PRIORITY_RAW);
    chain(m, g, NFPROTO_INET, "out", NF_INET_LOCAL_OUT, PRIORITY_RAW);
    for (const struct kind *k = kinds; k < kinds + KINDS; k++) {
        if (!used(g, k)) continue;
        sets_of(m, g, NFPROTO_INET, k);
        rule(m, g, NFPROTO_INET, "in", k, k->family == AF_INET ? 16 : 24);
        rule(m, g, NFPROTO_INET, "out", k, k->family == AF_INET ? 12 : 8);
        if (k->family == AF_INET6) rule_advert(m, g, k);
    }
}

static void install_arp(struct nl_msg *m, const struct guard *g) {
    table_away(m, g, NFPROTO_ARP);
    table(m, g, NFT_MSG_NEWTABLE, NFPROTO_ARP);
    chain(m, g, NFPROTO_ARP, "out", NF_ARP_OUT, 0);
    for (const struct kind *k = kinds; k < kinds + KINDS; k++) {
        if (!used(g, k) || k->family != AF_INET) continue;
        sets_of(m, g, NFPROTO_ARP, k);
        rule(m, g, NFPROTO_ARP, "out", k, 14);
    }
}

static void take_vips(struct guard *g, enum netcfg_group group, const struct netcfg_addr *list,
                      size_t count) {
    memcpy(g->vips[group], list, count * sizeof *list);
    g->count[group] = count;
}

bool guard_open(struct guard *g, const struct netcfg_conf *conf, const char *tag,
                struct netcfg_error *err) {
    take_vips(g, NETCFG_VIPS_WRITE, conf->vips, conf->vip_count);
    take_vips(g, NETCFG_VIP_READ, &conf->read_vip, conf->read_vip.family != 0);
    snprintf(g->table, sizeof g->table, "duet_vip_%s", tag);
    return nl_open(&g->nl, NETLINK_NETFILTER, 0, err);
}

void guard_close(struct guard *g) {
    nl_close(&g->nl);
}

bool guard_install(struct guard *g, struct netcfg_error *err) {
    struct nl_msg m;
    batch_begin(&m);
    install_inet(&m, g);
    install_arp(&m, g);
    return commit(g, &m, "installed", err);
}

static void renew(struct nl_msg *m, const struct guard *g, int family, const struct kind *k,
                  uint64_t left_ms) {
    empty(m, g, family, k);
    if (left_ms) fill(m, g, family, k, "lease", left_ms);
}

bool guard_renew(struct guard *g, enum netcfg_group group, uint64_t left_ms,
                 struct netcfg_error *err) {
    struct nl_msg m;
    if (left_ms < LEAST_MS) left_ms = 0;
    batch_begin(&m);
    for (const struct kind *k = kinds; k < kinds + KINDS; k++) {
        if (k->group != group || !used(g, k)) continue;
        renew(&m, g, NFPROTO_INET, k, left_ms);
        if (k->family == AF_INET) renew(&m, g, NFPROTO_ARP, k, left_ms);
    }
    return commit(g, &m, left_ms ? "renewed" : "closed", err);
}

bool guard_remove(struct guard *g, struct netcfg_error *err) {
    struct nl_msg m;
    batch_begin(&m);
    table_away(&m, g, NFPROTO_INET);
    table_away(&m, g, NFPROTO_ARP);
    return commit(g, &m, "removed", err);
}
