/* Reads [network]; contract in conf.h. A new directive is one row in `rows` and one function. */
#include "netcfg/conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "server/base/conf.h"
#include "server/base/num.h"

bool netcfg_addr_parse(const char *text, bool need_prefix, struct netcfg_addr *out) {
    char host[NETCFG_ADDR_CHARS];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len == 0 || len >= sizeof host || (need_prefix && !slash)) return false;
    memcpy(host, text, len);
    host[len] = 0;
    struct netcfg_addr a = {0};
    a.family = strchr(host, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(a.family, host, a.bytes) != 1) return false;
    int64_t bits = a.family == AF_INET ? 32 : 128;
    if (slash && !num_parse_range(slash + 1, 1, bits, &bits)) return false;
    a.prefix_bits = (uint8_t)bits;
    *out = a;
    return true;
}

char *netcfg_addr_text(const struct netcfg_addr *a, bool with_prefix, char *out) {
    char host[INET6_ADDRSTRLEN] = "none";
    if (a->family != 0) inet_ntop(a->family, a->bytes, host, sizeof host);
    if (with_prefix && a->family != 0) {
        snprintf(out, NETCFG_ADDR_CHARS, "%s/%d", host, a->prefix_bits);
    } else {
        snprintf(out, NETCFG_ADDR_CHARS, "%s", host);
    }
    return out;
}

bool netcfg_addr_same(const struct netcfg_addr *a, const struct netcfg_addr *b) {
    return a->family == b->family && memcmp(a->bytes, b->bytes, netcfg_addr_bytes(a)) == 0;
}

bool netcfg_addr_in_subnet(const struct netcfg_addr *a, const struct netcfg_addr *b) {
    if (a->family != b->family) return false;
    size_t whole = a->prefix_bits / 8, rest = a->prefix_bits % 8;
    if (memcmp(a->bytes, b->bytes, whole) != 0) return false;
    if (rest == 0) return true;
    unsigned mask = 0xff00u >> rest & 0xffu;
    return (a->bytes[whole] & mask) == (b->bytes[whole] & mask);
}

char *netcfg_mac_text(const uint8_t mac[NETCFG_MAC_BYTES], char *out) {
    snprintf(out, NETCFG_MAC_CHARS, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    return out;
}

bool netcfg_mac_parse(const char *text, uint8_t mac[NETCFG_MAC_BYTES]) {
    if (strlen(text) != NETCFG_MAC_CHARS - 1) return false;
    for (size_t i = 0; i < NETCFG_MAC_BYTES; i++) {
        if (i > 0 && text[3 * i - 1] != ':') return false;
        if (!num_from_hex(text + 3 * i, 2, &mac[i], 1)) return false;
    }
    return true;
}

/* Where each line stood, so that a line given twice is named and later checks can point at it. */
struct reader {
    struct netcfg_conf *out;
    const struct conf_line *service, *crossover, *gateway, *read_vip, *serial;
    const struct conf_line *vips[NETCFG_VIPS], *references[NETCFG_REFERENCES];
};

static bool once(const struct conf *c, const struct conf_line **seen, const struct conf_line *l,
                 struct conf_error *err) {
    if (*seen) {
        return conf_complain(c, l, err,
                             "'%s' was given in line %d already; keep one of the two lines",
                             l->argv[0], (*seen)->number);
    }
    *seen = l;
    return true;
}

static bool usable_host(const struct netcfg_addr *a) {
    static const uint8_t zero[16];
    size_t n = netcfg_addr_bytes(a);
    if (memcmp(a->bytes, zero, n) == 0) return false;
    if (a->family == AF_INET) return a->bytes[0] != 127 && a->bytes[0] < 224;
    return a->bytes[0] != 0xff;
}

static bool read_addr(const struct conf *c, const struct conf_line *l, const char *word,
                      bool need_prefix, struct netcfg_addr *out, struct conf_error *err) {
    if (!netcfg_addr_parse(word, need_prefix, out)) {
        return conf_complain(c, l, err, "'%s' is not an address%s; write one like %s", word,
                             need_prefix ? " with its prefix length" : "",
                             need_prefix ? "192.0.2.11/24" : "192.0.2.1");
    }
    if (!usable_host(out)) {
        return conf_complain(c, l, err, "'%s' cannot be a machine's address; write one that can",
                             word);
    }
    return true;
}

static bool name_ok(const char *name) {
    uint8_t mac[NETCFG_MAC_BYTES];
    if (strncmp(name, "mac:", 4) == 0) return netcfg_mac_parse(name + 4, mac);
    size_t len = strlen(name);
    if (len == 0 || len > 15 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
    for (const char *p = name; *p; p++) {
        if (!isgraph((unsigned char)*p) || *p == '/' || *p == ':') return false;
    }
    return strcmp(name, "lo") != 0;
}

static bool read_iface(const struct conf *c, const struct conf_line *l, struct netcfg_iface *out,
                       struct conf_error *err) {
    const char *name = l->argv[1];
    if (!name_ok(name)) {
        return conf_complain(c, l, err,
                             "'%s' is not an interface's name; write a name like eth0, or "
                             "mac:52:54:00:12:34:56",
                             name);
    }
    if (strcmp(l->argv[3], "peer") != 0) {
        return conf_complain(c, l, err,
                             "'%s' stands where 'peer' must stand; write %s IFACE "
                             "ADDRESS/PREFIX peer ADDRESS",
                             l->argv[3], l->argv[0]);
    }
    if (!read_addr(c, l, l->argv[2], true, &out->addr, err)) return false;
    if (!read_addr(c, l, l->argv[4], false, &out->peer, err)) return false;
    if (netcfg_addr_same(&out->addr, &out->peer)) {
        return conf_complain(c, l, err,
                             "the peer has this node's own address %s; the two nodes "
                             "need different ones",
                             l->argv[4]);
    }
    if (!netcfg_addr_in_subnet(&out->addr, &out->peer)) {
        return conf_complain(c, l, err,
                             "the peer %s is not in the subnet of %s; correct one of "
                             "them",
                             l->argv[4], l->argv[2]);
    }
    out->peer.prefix_bits = out->addr.prefix_bits;
    snprintf(out->name, sizeof out->name, "%s", name);
    return true;
}

static bool set_service(void *target, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err) {
    struct reader *r = target;
    return once(c, &r->service, l, err) && read_iface(c, l, &r->out->service, err);
}

static bool set_crossover(void *target, const struct conf *c, const struct conf_line *l,
                          struct conf_error *err) {
    struct reader *r = target;
    return once(c, &r->crossover, l, err) && read_iface(c, l, &r->out->crossover, err);
}

static bool set_gateway(void *target, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err) {
    struct reader *r = target;
    return once(c, &r->gateway, l, err) &&
           read_addr(c, l, l->argv[1], false, &r->out->gateway, err);
}

/* One more line of a kind that may stand several times. */
static bool read_more(const struct conf *c, const struct conf_line *l, bool need_prefix,
                      struct netcfg_addr *list, const struct conf_line **lines, size_t *count,
                      size_t room, struct conf_error *err) {
    struct netcfg_addr a;
    if (*count == room) {
        return conf_complain(c, l, err, "there are more than %zu '%s' lines; remove one", room,
                             l->argv[0]);
    }
    if (!read_addr(c, l, l->argv[1], need_prefix, &a, err)) return false;
    for (size_t i = 0; i < *count; i++) {
        if (!netcfg_addr_same(&list[i], &a)) continue;
        return conf_complain(c, l, err, "'%s %s' stands in line %d already; keep one of the two",
                             l->argv[0], l->argv[1], lines[i]->number);
    }
    lines[*count] = l;
    list[(*count)++] = a;
    return true;
}

static bool set_vip(void *target, const struct conf *c, const struct conf_line *l,
                    struct conf_error *err) {
    struct reader *r = target;
    return read_more(c, l, true, r->out->vips, r->vips, &r->out->vip_count, NETCFG_VIPS, err);
}

static bool set_read_vip(void *target, const struct conf *c, const struct conf_line *l,
                         struct conf_error *err) {
    struct reader *r = target;
    return once(c, &r->read_vip, l, err) &&
           read_addr(c, l, l->argv[1], true, &r->out->read_vip, err);
}

static bool set_reference(void *target, const struct conf *c, const struct conf_line *l,
                          struct conf_error *err) {
    struct reader *r = target;
    return read_more(c, l, false, r->out->references, r->references, &r->out->reference_count,
                     NETCFG_REFERENCES, err);
}

static bool set_serial(void *target, const struct conf *c, const struct conf_line *l,
                       struct conf_error *err) {
    static const int bauds[] = {9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600};
    struct reader *r = target;
    struct netcfg_serial *s = &r->out->serial;
    int64_t baud = 115200;
    size_t i = 0, len = strlen(l->argv[1]);
    if (!once(c, &r->serial, l, err)) return false;
    if (strncmp(l->argv[1], "/dev/", 5) != 0 || len >= sizeof s->device)
        return conf_complain(c, l, err, "'%s' is not a serial port; write one like /dev/ttyS1",
                             l->argv[1]);
    if (l->argc > 2 && !num_parse_range(l->argv[2], 1, 1000000, &baud)) baud = 0;
    while (i < sizeof bauds / sizeof *bauds && bauds[i] != baud) i++;
    if (i == sizeof bauds / sizeof *bauds)
        return conf_complain(c, l, err,
                             "'%s' is not a speed of serial lines; write 57600, 115200, 230400, "
                             "460800 or 921600 (slower ones need longer times in [ha])",
                             l->argv[2]);
    memcpy(s->device, l->argv[1], len + 1);
    s->baud = (int)baud;
    return true;
}

static const struct conf_row rows[] = {
    {"service", 4, 4, set_service, "service IFACE ADDRESS/PREFIX peer ADDRESS"},
    {"crossover", 4, 4, set_crossover, "crossover IFACE ADDRESS/PREFIX peer ADDRESS"},
    {"gateway", 1, 1, set_gateway, "gateway ADDRESS"},
    {"vip", 1, 1, set_vip, "vip ADDRESS/PREFIX"},
    {"read-vip", 1, 1, set_read_vip, "read-vip ADDRESS/PREFIX: on the slave, for reads"},
    {"reference", 1, 1, set_reference, "reference ADDRESS: asked beside the gateway"},
    {"serial", 1, 2, set_serial, "serial DEVICE [BAUD]: a null-modem cable to the other node"},
    {NULL, 0, 0, NULL, NULL},
};

static bool taken(const struct netcfg_conf *n, const struct netcfg_addr *a) {
    return netcfg_addr_same(a, &n->service.addr) || netcfg_addr_same(a, &n->service.peer) ||
           netcfg_addr_same(a, &n->crossover.addr) || netcfg_addr_same(a, &n->crossover.peer);
}

static bool check_crossover(const struct conf *c, const struct reader *r, struct conf_error *err) {
    const struct netcfg_conf *n = r->out;
    if (!r->service || !r->crossover) return true;
    if (strcmp(n->service.name, n->crossover.name) == 0) {
        return conf_complain(c, r->crossover, err,
                             "'%s' is the service interface already; the "
                             "crossover cable needs an interface of its own",
                             n->crossover.name);
    }
    if (netcfg_addr_in_subnet(&n->service.addr, &n->crossover.addr) ||
        netcfg_addr_in_subnet(&n->crossover.addr, &n->service.addr)) {
        return conf_complain(c, r->crossover, err,
                             "the crossover's subnet overlaps the service "
                             "network's; give the crossover one of its own, like 169.254.77.1/30");
    }
    return true;
}

static bool check_gateway(const struct conf *c, const struct reader *r, struct conf_error *err) {
    const struct netcfg_conf *n = r->out;
    if (!r->gateway) return true;
    if (!r->service) {
        return conf_complain(c, r->gateway, err,
                             "there is a gateway but no service line; add the service line");
    }
    if (!netcfg_addr_in_subnet(&n->service.addr, &n->gateway)) {
        return conf_complain(c, r->gateway, err,
                             "the gateway %s is not in the service "
                             "interface's subnet; correct one of them",
                             r->gateway->argv[1]);
    }
    if (taken(n, &n->gateway)) {
        return conf_complain(c, r->gateway, err,
                             "the gateway has a node's own address %s; it is "
                             "another machine",
                             r->gateway->argv[1]);
    }
    return true;
}

static bool check_vip(const struct conf *c, const struct reader *r, const struct conf_line *l,
                      const struct netcfg_addr *a, struct conf_error *err) {
    const struct netcfg_conf *n = r->out;
    if (!r->service) {
        return conf_complain(c, l, err, "there is a VIP but no service line; add the service line");
    }
    if (taken(n, a) || netcfg_addr_same(a, &n->gateway)) {
        return conf_complain(c, l, err,
                             "the VIP %s is the address of a node or of the "
                             "gateway; it must be one that nobody else has",
                             l->argv[1]);
    }
    return true;
}

static bool check_vips(const struct conf *c, const struct reader *r, struct conf_error *err) {
    const struct netcfg_conf *n = r->out;
    for (size_t i = 0; i < n->vip_count; i++) {
        if (!check_vip(c, r, r->vips[i], &n->vips[i], err)) return false;
        if (!r->read_vip || !netcfg_addr_same(&n->vips[i], &n->read_vip)) continue;
        return conf_complain(c, r->read_vip, err,
                             "%s is a VIP already: one address cannot be on the master and on the "
                             "slave",
                             r->read_vip->argv[1]);
    }
    return !r->read_vip || check_vip(c, r, r->read_vip, &n->read_vip, err);
}

static bool check_reference(const struct conf *c, const struct reader *r, size_t i,
                            struct conf_error *err) {
    const struct netcfg_conf *n = r->out;
    const struct netcfg_addr *a = &n->references[i];
    const struct conf_line *l = r->references[i];
    bool vip = netcfg_addr_same(a, &n->read_vip);
    for (size_t k = 0; k < n->vip_count; k++) vip |= netcfg_addr_same(a, &n->vips[k]);
    if (!r->service || n->service.addr.family != a->family) {
        return conf_complain(c, l, err,
                             "the reference %s cannot be asked from the service address; "
                             "write one of the same kind",
                             l->argv[1]);
    }
    if (taken(n, a) || vip || netcfg_addr_same(a, &n->gateway)) {
        return conf_complain(c, l, err,
                             "the reference %s is the gateway, a VIP or a node's own address; it "
                             "must be another machine that is always on",
                             l->argv[1]);
    }
    return true;
}

static bool check_references(const struct conf *c, const struct reader *r, struct conf_error *err) {
    for (size_t i = 0; i < r->out->reference_count; i++) {
        if (!check_reference(c, r, i, err)) return false;
    }
    return true;
}

size_t netcfg_witnesses(const struct netcfg_conf *n, struct netcfg_addr out[NETCFG_WITNESSES]) {
    size_t count = 0;
    if (n->gateway.family) out[count++] = n->gateway;
    for (size_t i = 0; i < n->reference_count; i++) out[count++] = n->references[i];
    return count;
}

bool netcfg_read(const struct conf *c, struct netcfg_conf *out, struct conf_error *err) {
    struct netcfg_conf fresh = {0};
    struct reader r = {.out = &fresh};
    if (!conf_apply(c, "network", NULL, rows, &r, err)) return false;
    if (!check_crossover(c, &r, err) || !check_gateway(c, &r, err) || !check_vips(c, &r, err) ||
        !check_references(c, &r, err)) {
        return false;
    }
    *out = fresh;
    return true;
}
