/* The VIP's guard in nftables. Two tables of this node's name, one set element each:
 *
 *     table inet duet_vip_a                         table arp duet_vip_a
 *       set lease { timeout }                         set lease { timeout }
 *       chain in   prerouting: daddr VIP,             chain out  output: sender VIP,
 *                  not @lease -> drop                            not @lease -> drop
 *       chain out  output: saddr VIP, not @lease -> drop
 *
 * The element is the VIP itself; while it stands, the lookup finds it and nothing is dropped. The
 * kernel ends it, whether or not user space still runs. Kernel 6.12 can change an element's timeout,
 * older ones ignore a second add: so each renewal flushes the set and adds, in one transaction.
 * Requests for the VIP are not dropped in arp input: an answer is what must not leave, and what
 * others announce may be learnt. For IPv6 the answers are packets from the VIP and go through `out`. */
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

static void set(struct nl_msg *m, const struct guard *g, int family) {
    begin(m, NFT_MSG_NEWSET, NLM_F_CREATE, family);
    nl_attr_str(m, NFTA_SET_TABLE, g->table);
    nl_attr_str(m, NFTA_SET_NAME, "lease");
    nl_attr_be32(m, NFTA_SET_ID, (uint32_t)family);
    nl_attr_be32(m, NFTA_SET_FLAGS, NFT_SET_TIMEOUT);
    nl_attr_be32(m, NFTA_SET_KEY_TYPE, g->vip.family == AF_INET ? TYPE_IPV4_ADDR : TYPE_IPV6_ADDR);
    nl_attr_be32(m, NFTA_SET_KEY_LEN, (uint32_t)netcfg_addr_bytes(&g->vip));
}

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

static void load(struct nl_msg *m, uint32_t offset, size_t len) {
    struct expr e = expr_begin(m, "payload");
    nl_attr_be32(m, NFTA_PAYLOAD_DREG, NFT_REG_1);
    nl_attr_be32(m, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
    nl_attr_be32(m, NFTA_PAYLOAD_OFFSET, offset);
    nl_attr_be32(m, NFTA_PAYLOAD_LEN, (uint32_t)len);
    expr_end(m, e);
}

static void load_family(struct nl_msg *m) {
    struct expr e = expr_begin(m, "meta");
    nl_attr_be32(m, NFTA_META_DREG, NFT_REG_1);
    nl_attr_be32(m, NFTA_META_KEY, NFT_META_NFPROTO);
    expr_end(m, e);
}

static void value(struct nl_msg *m, uint16_t type, const void *p, size_t len) {
    size_t n = nl_nest(m, type);
    nl_attr(m, NFTA_DATA_VALUE, p, len);
    nl_nest_end(m, n);
}

static void equals(struct nl_msg *m, const void *p, size_t len) {
    struct expr e = expr_begin(m, "cmp");
    nl_attr_be32(m, NFTA_CMP_SREG, NFT_REG_1);
    nl_attr_be32(m, NFTA_CMP_OP, NFT_CMP_EQ);
    value(m, NFTA_CMP_DATA, p, len);
    expr_end(m, e);
}

static void not_in_lease(struct nl_msg *m) {
    struct expr e = expr_begin(m, "lookup");
    nl_attr_str(m, NFTA_LOOKUP_SET, "lease");
    nl_attr_be32(m, NFTA_LOOKUP_SREG, NFT_REG_1);
    nl_attr_be32(m, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
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

/* "the address at offset is the VIP and there is no lease: drop" */
static void rule(struct nl_msg *m, const struct guard *g, int family, const char *chain_name,
                 uint32_t offset) {
    uint8_t nfproto = g->vip.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
    size_t len = netcfg_addr_bytes(&g->vip);
    begin(m, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
    nl_attr_str(m, NFTA_RULE_TABLE, g->table);
    nl_attr_str(m, NFTA_RULE_CHAIN, chain_name);
    size_t list = nl_nest(m, NFTA_RULE_EXPRESSIONS);
    if (family == NFPROTO_INET) {
        load_family(m);
        equals(m, &nfproto, 1);
    }
    load(m, offset, len);
    equals(m, g->vip.bytes, len);
    load(m, offset, len);
    not_in_lease(m);
    drop(m);
    nl_nest_end(m, list);
}

/* Adding before deleting makes the deletion work whether or not the table was there. */
static void table_afresh(struct nl_msg *m, const struct guard *g, int family, bool again) {
    table(m, g, NFT_MSG_NEWTABLE, family);
    table(m, g, NFT_MSG_DELTABLE, family);
    if (!again) return;
    table(m, g, NFT_MSG_NEWTABLE, family);
    set(m, g, family);
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

static void set_elements(struct nl_msg *m, const struct guard *g, int family, uint64_t left_ms) {
    begin(m, NFT_MSG_DELSETELEM, 0, family); /* without elements: all of them */
    nl_attr_str(m, NFTA_SET_ELEM_LIST_TABLE, g->table);
    nl_attr_str(m, NFTA_SET_ELEM_LIST_SET, "lease");
    if (left_ms == 0) return;
    begin(m, NFT_MSG_NEWSETELEM, NLM_F_CREATE, family);
    nl_attr_str(m, NFTA_SET_ELEM_LIST_TABLE, g->table);
    nl_attr_str(m, NFTA_SET_ELEM_LIST_SET, "lease");
    size_t list = nl_nest(m, NFTA_SET_ELEM_LIST_ELEMENTS);
    size_t elem = nl_nest(m, NFTA_LIST_ELEM);
    value(m, NFTA_SET_ELEM_KEY, g->vip.bytes, netcfg_addr_bytes(&g->vip));
    nl_attr_be64(m, NFTA_SET_ELEM_TIMEOUT, left_ms);
    nl_nest_end(m, elem);
    nl_nest_end(m, list);
}

bool guard_open(struct guard *g, const struct netcfg_addr *vip, const char *tag,
                struct netcfg_error *err) {
    g->vip = *vip;
    snprintf(g->table, sizeof g->table, "duet_vip_%s", tag);
    return nl_open(&g->nl, NETLINK_NETFILTER, 0, err);
}

void guard_close(struct guard *g) {
    nl_close(&g->nl);
}

bool guard_install(struct guard *g, struct netcfg_error *err) {
    bool v4 = g->vip.family == AF_INET;
    struct nl_msg m;
    nl_clear(&m);
    begin(&m, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC);
    table_afresh(&m, g, NFPROTO_INET, true);
    chain(&m, g, NFPROTO_INET, "in", NF_INET_PRE_ROUTING, PRIORITY_RAW);
    chain(&m, g, NFPROTO_INET, "out", NF_INET_LOCAL_OUT, PRIORITY_RAW);
    rule(&m, g, NFPROTO_INET, "in", v4 ? 16 : 24);
    rule(&m, g, NFPROTO_INET, "out", v4 ? 12 : 8);
    if (v4) {
        table_afresh(&m, g, NFPROTO_ARP, true);
        chain(&m, g, NFPROTO_ARP, "out", NF_ARP_OUT, 0);
        rule(&m, g, NFPROTO_ARP, "out", 14);
    }
    return commit(g, &m, "installed", err);
}

bool guard_renew(struct guard *g, uint64_t left_ms, struct netcfg_error *err) {
    struct nl_msg m;
    if (left_ms < LEAST_MS) left_ms = 0;
    nl_clear(&m);
    begin(&m, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC);
    set_elements(&m, g, NFPROTO_INET, left_ms);
    if (g->vip.family == AF_INET) set_elements(&m, g, NFPROTO_ARP, left_ms);
    return commit(g, &m, left_ms ? "renewed" : "closed", err);
}

bool guard_remove(struct guard *g, struct netcfg_error *err) {
    struct nl_msg m;
    nl_clear(&m);
    begin(&m, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC);
    table_afresh(&m, g, NFPROTO_INET, false);
    if (g->vip.family == AF_INET) table_afresh(&m, g, NFPROTO_ARP, false);
    return commit(g, &m, "removed", err);
}
