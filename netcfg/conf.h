/* The [network] section of duet.conf, and addresses in text. Pure: no sockets, no kernel. */
#ifndef DUET_NETCFG_CONF_H
#define DUET_NETCFG_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETCFG_NAME_BYTES 32 /* an interface's name or mac:xx:xx:xx:xx:xx:xx, with its NUL */
#define NETCFG_ADDR_CHARS 50 /* an address in text, with /PREFIX and NUL */
#define NETCFG_MAC_BYTES  6
#define NETCFG_MAC_CHARS  18

struct conf;
struct conf_error;

struct netcfg_addr {
    int family; /* AF_INET, AF_INET6; 0: none given */
    uint8_t bytes[16];
    uint8_t prefix_bits;
};

struct netcfg_iface {
    char name[NETCFG_NAME_BYTES]; /* as written: a name, or mac:...; "" when the line is missing */
    struct netcfg_addr addr;
    struct netcfg_addr peer;
};

#define NETCFG_VIPS       8
#define NETCFG_REFERENCES 4
#define NETCFG_WITNESSES  (1 + NETCFG_REFERENCES)

/* A serial line between the two nodes; device "": none. */
struct netcfg_serial {
    char device[64]; /* below /dev */
    int baud;
};

struct netcfg_conf {
    struct netcfg_iface service;
    struct netcfg_iface crossover;
    struct netcfg_addr gateway;
    struct netcfg_addr vips[NETCFG_VIPS]; /* the writer's: all go with the write lease */
    size_t vip_count;
    struct netcfg_addr read_vip; /* for reads, on the slave while that is in sync */
    struct netcfg_addr
        references[NETCFG_REFERENCES]; /* asked beside the gateway, or instead of it */
    size_t reference_count;
    struct netcfg_serial serial;
};

/* Reads [network]. Refuses with FILE:LINE: unknown directives, a line given twice, an address that
 * is none, a peer or gateway outside its subnet or equal to the own address, a VIP or a reference that
 * is a node's own address or given twice, more than NETCFG_VIPS or NETCFG_REFERENCES, one interface
 * for both. `vip` and `reference` may stand several times. No line is needed: what is missing has family 0 and an empty
 * name, and the caller says what it cannot do without. */
bool netcfg_read(const struct conf *c, struct netcfg_conf *out, struct conf_error *err);

/* Who is asked about the outside: the gateway first where there is one (witness 0 then is it), then
 * the references. Returns how many. */
size_t netcfg_witnesses(const struct netcfg_conf *n, struct netcfg_addr out[NETCFG_WITNESSES]);

/* An address without a prefix gets 32 or 128 bits. */
bool netcfg_addr_parse(const char *text, bool need_prefix, struct netcfg_addr *out);
/* "192.0.2.1", or "192.0.2.1/24" when with_prefix. out holds NETCFG_ADDR_CHARS bytes; returns out.
 */
char *netcfg_addr_text(const struct netcfg_addr *a, bool with_prefix, char *out);
bool netcfg_addr_same(const struct netcfg_addr *a, const struct netcfg_addr *b); /* prefix aside */
/* True when b lies in the subnet of a. */
bool netcfg_addr_in_subnet(const struct netcfg_addr *a, const struct netcfg_addr *b);
static inline size_t netcfg_addr_bytes(const struct netcfg_addr *a) {
    return a->family == 10 /* AF_INET6 */ ? 16 : 4;
}
/* "52:54:00:12:34:56"; out holds NETCFG_MAC_CHARS bytes; returns out. */
char *netcfg_mac_text(const uint8_t mac[NETCFG_MAC_BYTES], char *out);
bool netcfg_mac_parse(const char *text, uint8_t mac[NETCFG_MAC_BYTES]);

#endif
