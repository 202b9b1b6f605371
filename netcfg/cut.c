/* netcfg_cut: an interface through which nothing passes for a while. Tables of their own,
 *
 *     table inet duet_cut          set cut { interfaces, timeout }
 *       chain in  prerouting:      iifname @cut -> drop
 *       chain out output:          oifname @cut -> drop
 *     table arp duet_cut           the same for ARP
 *
 * The kernel ends the elements by itself: whoever cut may die. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "netcfg/netcfg.h"
#include "netcfg/netlink.h"

#define TABLE        "duet_cut"
#define SET          "cut"
#define NAME_BYTES   16
#define TYPE_IFNAME  41   /* nft's name for the key */
#define PRIORITY     -310 /* before the VIP's guard */
#define HOOK_ARP_IN  0
#define HOOK_ARP_OUT 1

static void begin(struct nl_msg *m, int type, int flags, int family) {
    struct nfgenmsg g = {.nfgen_family = (uint8_t)family, .version = NFNETLINK_V0};
    bool edge = type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END;
    if (edge)
        g.res_id = htons(NFNL_SUBSYS_NFTABLES);
    else
        type |= NFNL_SUBSYS_NFTABLES << 8;
    nl_begin(m, (uint16_t)type, (uint16_t)(NLM_F_REQUEST | (edge ? 0 : NLM_F_ACK) | flags), &g,
             sizeof g);
}

static void table(struct nl_msg *m, int type, int family) {
    begin(m, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, family);
    nl_attr_str(m, NFTA_TABLE_NAME, TABLE);
}

static void set(struct nl_msg *m, int family) {
    begin(m, NFT_MSG_NEWSET, NLM_F_CREATE, family);
    nl_attr_str(m, NFTA_SET_TABLE, TABLE);
    nl_attr_str(m, NFTA_SET_NAME, SET);
    nl_attr_be32(m, NFTA_SET_ID, 1);
    nl_attr_be32(m, NFTA_SET_FLAGS, NFT_SET_TIMEOUT);
    nl_attr_be32(m, NFTA_SET_KEY_TYPE, TYPE_IFNAME);
    nl_attr_be32(m, NFTA_SET_KEY_LEN, NAME_BYTES);
}

static void fill(struct nl_msg *m, int family, const char name[NAME_BYTES], uint64_t ms) {
    begin(m, NFT_MSG_NEWSETELEM, NLM_F_CREATE, family);
    nl_attr_str(m, NFTA_SET_ELEM_LIST_TABLE, TABLE);
    nl_attr_str(m, NFTA_SET_ELEM_LIST_SET, SET);
    size_t list = nl_nest(m, NFTA_SET_ELEM_LIST_ELEMENTS), elem = nl_nest(m, NFTA_LIST_ELEM);
    size_t key = nl_nest(m, NFTA_SET_ELEM_KEY);
    nl_attr(m, NFTA_DATA_VALUE, name, NAME_BYTES);
    nl_nest_end(m, key);
    nl_attr_be64(m, NFTA_SET_ELEM_TIMEOUT, ms);
    nl_nest_end(m, elem);
    nl_nest_end(m, list);
}

static void chain(struct nl_msg *m, int family, const char *name, unsigned hook) {
    begin(m, NFT_MSG_NEWCHAIN, NLM_F_CREATE, family);
    nl_attr_str(m, NFTA_CHAIN_TABLE, TABLE);
    nl_attr_str(m, NFTA_CHAIN_NAME, name);
    size_t n = nl_nest(m, NFTA_CHAIN_HOOK);
    nl_attr_be32(m, NFTA_HOOK_HOOKNUM, hook);
    nl_attr_be32(m, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY);
    nl_nest_end(m, n);
    nl_attr_be32(m, NFTA_CHAIN_POLICY, NF_ACCEPT);
    nl_attr_str(m, NFTA_CHAIN_TYPE, "filter");
}

static size_t expr(struct nl_msg *m, const char *name, size_t *data) {
    size_t elem = nl_nest(m, NFTA_LIST_ELEM);
    nl_attr_str(m, NFTA_EXPR_NAME, name);
    *data = nl_nest(m, NFTA_EXPR_DATA);
    return elem;
}

static void expr_end(struct nl_msg *m, size_t elem, size_t data) {
    nl_nest_end(m, data);
    nl_nest_end(m, elem);
}

static void rule(struct nl_msg *m, int family, const char *chain_name, uint32_t meta) {
    size_t data, elem;
    begin(m, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
    nl_attr_str(m, NFTA_RULE_TABLE, TABLE);
    nl_attr_str(m, NFTA_RULE_CHAIN, chain_name);
    size_t list = nl_nest(m, NFTA_RULE_EXPRESSIONS);
    elem = expr(m, "meta", &data);
    nl_attr_be32(m, NFTA_META_DREG, NFT_REG_1);
    nl_attr_be32(m, NFTA_META_KEY, meta);
    expr_end(m, elem, data);
    elem = expr(m, "lookup", &data);
    nl_attr_str(m, NFTA_LOOKUP_SET, SET);
    nl_attr_be32(m, NFTA_LOOKUP_SREG, NFT_REG_1);
    expr_end(m, elem, data);
    elem = expr(m, "immediate", &data);
    nl_attr_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    size_t d = nl_nest(m, NFTA_IMMEDIATE_DATA), v = nl_nest(m, NFTA_DATA_VERDICT);
    nl_attr_be32(m, NFTA_VERDICT_CODE, NF_DROP);
    nl_nest_end(m, v);
    nl_nest_end(m, d);
    expr_end(m, elem, data);
    nl_nest_end(m, list);
}

static void install(struct nl_msg *m, int family, const char name[NAME_BYTES], uint64_t ms) {
    bool arp = family == NFPROTO_ARP;
    table(m, NFT_MSG_NEWTABLE, family); /* makes the deletion work in any case */
    table(m, NFT_MSG_DELTABLE, family);
    if (!ms) return;
    table(m, NFT_MSG_NEWTABLE, family);
    set(m, family);
    chain(m, family, "in", arp ? HOOK_ARP_IN : NF_INET_PRE_ROUTING);
    chain(m, family, "out", arp ? HOOK_ARP_OUT : NF_INET_LOCAL_OUT);
    rule(m, family, "in", NFT_META_IIFNAME);
    rule(m, family, "out", NFT_META_OIFNAME);
    fill(m, family, name, ms);
}

bool netcfg_cut(const char *iface, uint64_t ms, struct netcfg_error *err) {
    static const int families[] = {NFPROTO_INET, NFPROTO_ARP};
    struct nl nl;
    struct nl_msg m;
    char name[NAME_BYTES] = "", says[256];
    snprintf(name, sizeof name, "%s", iface);
    if (!nl_open(&nl, NETLINK_NETFILTER, 0, err)) return false;
    nl_clear(&m);
    begin(&m, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC);
    for (int i = 0; i < 2; i++) install(&m, families[i], name, ms);
    begin(&m, NFNL_MSG_BATCH_END, 0, AF_UNSPEC);
    int e = nl_talk(&nl, &m, says);
    nl_close(&nl);
    if (e)
        snprintf(err->text, sizeof err->text, "%s cannot be cut (nftables table %s): %s %.120s",
                 name, TABLE, strerror(e), says);
    return e == 0;
}
