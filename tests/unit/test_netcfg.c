/* link: netcfg/conf.c netcfg/plan.c netcfg/frames.c server/base/conf.c server/base/buf.c server/base/num.c server/base/log.c server/base/file.c server/base/clock.c */
/* netcfg's pure parts: the [network] section, the plan as a table of cases, packets as bytes. */
#include <arpa/inet.h>

#include "netcfg/frames.h"
#include "netcfg/plan.h"
#include "server/base/buf.h"
#include "server/base/conf.h"
#include "tests/unit/tap.h"

static bool read_text(const char *text, struct netcfg_conf *out, struct conf_error *err) {
    struct conf c;
    if (!conf_parse(&c, "duet.conf", text, strlen(text), true, err)) return false;
    bool fine = netcfg_read(&c, out, err);
    conf_free(&c);
    return fine;
}

#define GOOD                                                                                       \
    "[network]\nservice eth0 10.0.0.11/24 peer 10.0.0.12\ncrossover eth1 10.1.0.1/30 peer "        \
    "10.1.0.2\ngateway 10.0.0.1\nvip 10.0.0.10/24\n"

static void test_conf(void) {
    struct netcfg_conf n;
    struct conf_error err;
    char text[NETCFG_ADDR_CHARS];
    ok(read_text(GOOD, &n, &err), "a whole section is read");
    is_str(netcfg_addr_text(&n.service.addr, true, text), "10.0.0.11/24", "service address");
    is_str(netcfg_addr_text(&n.crossover.peer, false, text), "10.1.0.2", "crossover peer");
    is_int(n.vip_count, 1, "one vip");
    is_str(netcfg_addr_text(&n.vips[0], true, text), "10.0.0.10/24", "vip");
    struct netcfg_addr all[NETCFG_WITNESSES];
    is_int(netcfg_witnesses(&n, all), 1, "the gateway is who is asked about the outside");
    ok(read_text(GOOD "vip fd00::10/64\nread-vip 10.0.0.13/24\nreference 10.0.0.2\nreference "
                      "192.0.2.1\n",
                 &n, &err) &&
           n.vip_count == 2 && n.reference_count == 2,
       "more VIPs of both kinds, one for reads, references on the link and beyond") ||
        fprintf(stderr, "# said: %s\n", err.text);
    is_str(netcfg_addr_text(&n.vips[1], true, text), "fd00::10/64", "the second vip");
    is_str(netcfg_addr_text(&n.read_vip, true, text), "10.0.0.13/24", "the one for reads");
    is_int(netcfg_witnesses(&n, all), 3, "three are asked");
    ok(netcfg_addr_same(&all[0], &n.gateway) && netcfg_addr_same(&all[2], &n.references[1]),
       "the gateway first, then the references in order");
    ok(read_text("[network]\nservice eth0 10.0.0.11/24 peer 10.0.0.12\nreference 10.0.0.2\n", &n,
                 &err) &&
           netcfg_witnesses(&n, all) == 1,
       "a reference instead of a gateway");
    ok(read_text("[network]\nservice mac:52:54:00:12:34:5f fd00::1/64 peer fd00::2\n", &n, &err),
       "an interface by MAC and IPv6 are read");
    ok(read_text("[node]\nname x\n", &n, &err) && n.service.addr.family == 0,
       "without the section nothing is configured");
}

static const struct {
    const char *text, *place, *word;
} refused[] = {
    {"[network]\nserver eth0\n", "duet.conf:2:", "server"},
    {"[network]\nservice eth0 10.0.0.11/24\n", "duet.conf:2:", "service"},
    {"[network]\nservice eth0 10.0.0.11 peer 10.0.0.12\n", "duet.conf:2:", "prefix"},
    {"[network]\nservice eth0 10.0.0.11/33 peer 10.0.0.12\n", "duet.conf:2:", "10.0.0.11/33"},
    {"[network]\nservice eth0 10.0.0.11/24 to 10.0.0.12\n", "duet.conf:2:", "peer"},
    {"[network]\nservice eth0 10.0.0.11/24 peer 10.0.0.11\n", "duet.conf:2:", "own address"},
    {"[network]\nservice eth0 10.0.0.11/24 peer 10.0.9.12\n", "duet.conf:2:", "subnet"},
    {"[network]\nservice et/h0 10.0.0.11/24 peer 10.0.0.12\n", "duet.conf:2:", "et/h0"},
    {"[network]\nservice a-name-that-is-too-long 10.0.0.1/24 peer 10.0.0.2\n",
     "duet.conf:2:", "name"},
    {"[network]\nservice mac:1:2 10.0.0.11/24 peer 10.0.0.12\n", "duet.conf:2:", "mac:"},
    {"[network]\nservice lo 10.0.0.11/24 peer 10.0.0.12\n", "duet.conf:2:", "lo"},
    {"[network]\nservice eth0 127.0.0.1/8 peer 127.0.0.2\n", "duet.conf:2:", "127.0.0.1"},
    {"[network]\nservice eth0 224.0.0.1/8 peer 224.0.0.2\n", "duet.conf:2:", "224.0.0.1"},
    {GOOD "service eth2 10.2.0.11/24 peer 10.2.0.12\n", "duet.conf:6:", "line 2"},
    {GOOD "gateway 10.0.0.2\n", "duet.conf:6:", "line 4"},
    {"[network]\nservice eth0 10.0.0.11/24 peer 10.0.0.12\ngateway 10.9.0.1\n",
     "duet.conf:3:", "subnet"},
    {"[network]\nservice eth0 10.0.0.11/24 peer 10.0.0.12\ngateway 10.0.0.12\n",
     "duet.conf:3:", "own"},
    {"[network]\nservice eth0 10.0.0.11/24 peer 10.0.0.12\nvip 10.0.0.12/24\n",
     "duet.conf:3:", "VIP"},
    {"[network]\nservice eth0 10.0.0.11/24 peer 10.0.0.12\nvip 10.0.0.10\n",
     "duet.conf:3:", "prefix"},
    {"[network]\nvip 10.0.0.10/24\n", "duet.conf:2:", "service line"},
    {GOOD "vip 10.0.0.10/24\n", "duet.conf:6:", "line 5"},
    {GOOD "vip 10.0.0.20/24\nvip 10.0.0.1/24\n", "duet.conf:7:", "gateway"},
    {GOOD "vip 10.0.0.21/24\nvip 10.0.0.22/24\nvip 10.0.0.23/24\nvip 10.0.0.24/24\n"
          "vip 10.0.0.25/24\nvip 10.0.0.26/24\nvip 10.0.0.27/24\nvip 10.0.0.28/24\n",
     "duet.conf:13:", "more than 8"},
    {GOOD "read-vip 10.0.0.10/24\n", "duet.conf:6:", "a VIP already"},
    {GOOD "read-vip 10.0.0.12/24\n", "duet.conf:6:", "a node"},
    {GOOD "read-vip 10.0.0.13/24\nread-vip 10.0.0.14/24\n", "duet.conf:7:", "line 6"},
    {GOOD "read-vip 10.0.0.13\n", "duet.conf:6:", "prefix"},
    {GOOD "reference 10.0.0.1\n", "duet.conf:6:", "gateway"},
    {GOOD "reference 10.0.0.10\n", "duet.conf:6:", "VIP"},
    {GOOD "reference 10.0.0.12\n", "duet.conf:6:", "own address"},
    {GOOD "reference fd00::1\n", "duet.conf:6:", "same kind"},
    {GOOD "reference 10.0.0.2\nreference 10.0.0.2\n", "duet.conf:7:", "line 6"},
    {GOOD "reference 10.0.0.2\nreference 10.0.0.3\nreference 10.0.0.4\nreference 10.0.0.5\n"
          "reference 10.0.0.6\n",
     "duet.conf:10:", "more than 4"},
    {"[network]\ngateway 10.0.0.1\n", "duet.conf:2:", "service line"},
    {"[network]\nservice eth0 10.0.0.1/24 peer 10.0.0.2\ncrossover eth0 10.1.0.1/30 peer "
     "10.1.0.2\n",
     "duet.conf:3:", "eth0"},
    {"[network]\nservice eth0 10.0.0.1/16 peer 10.0.0.2\ncrossover eth1 10.0.1.1/30 peer "
     "10.0.1.2\n",
     "duet.conf:3:", "overlaps"},
};

static void test_refusals(void) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct netcfg_conf n = {.vip_count = 77};
        struct conf_error err = {""};
        bool fine = read_text(refused[i].text, &n, &err);
        if (!ok(!fine && strstr(err.text, refused[i].place) && strstr(err.text, refused[i].word) &&
                    n.vip_count == 77,
                "refused with its place: %s", refused[i].word)) {
            fprintf(stderr, "# said: %s\n", err.text);
        }
    }
}

/* ---- plans ---- */

static struct netcfg_addr addr(const char *text) {
    struct netcfg_addr a = {0};
    if (!netcfg_addr_parse(text, false, &a)) abort();
    return a;
}

static struct plan_picture picture(void) {
    struct plan_picture p = {
        .links = {{1, "lo", {0}, true, true},
                  {2, "eth0", {2, 0, 0, 0, 0, 1}, true, false},
                  {3, "eth1", {2, 0, 0, 0, 0, 2}, true, false}},
        .link_count = 3,
        .addrs = {{2, addr("10.0.0.11/24"), PLAN_BY_NETCFG},
                  {3, addr("10.1.0.1/30"), PLAN_BY_NETCFG}},
        .addr_count = 2,
        .routes = {{2, addr("10.0.0.1"), PLAN_BY_NETCFG}},
        .route_count = 1,
    };
    return p;
}

static struct netcfg_conf good(void) {
    struct netcfg_conf n;
    struct conf_error err;
    if (!read_text(GOOD, &n, &err)) abort();
    return n;
}

static void settle(const struct netcfg_conf *n, struct plan_picture *p) {
    p->setting_count = plan_settings_wanted(n, p, p->settings);
}

static const char *planned(const struct netcfg_conf *n, const struct plan_picture *p) {
    static struct buf out;
    struct plan plan;
    buf_clear(&out);
    plan_make(n, p, &plan);
    for (size_t i = 0; i < plan.count; i++) plan_step_text(&plan.steps[i], &out);
    for (size_t i = 0; i < plan.error_count; i++) buf_printf(&out, "! %s\n", plan.errors[i]);
    return buf_cstr(&out);
}

static void test_plan(void) {
    struct netcfg_conf n = good();
    struct plan_picture p = picture();
    settle(&n, &p);
    is_str(planned(&n, &p), "", "a kernel that is as it should be: nothing to do");
    p.addrs[p.addr_count++] = (struct plan_addr){2, addr("10.0.0.10/24"), PLAN_BY_VIP};
    is_str(planned(&n, &p), "", "the VIP on the interface is left alone");
    p.addrs[p.addr_count++] = (struct plan_addr){2, addr("10.5.0.1/24"), 0};
    is_str(planned(&n, &p), "", "an address put there by others stays");
    p.settings[1].value = 0;
    is_str(planned(&n, &p), "setting set ipv4/conf/all/arp_announce = 2\n",
           "a setting that differs");

    p = picture();
    p.links[1].up = false;
    p.addr_count = p.route_count = 0;
    settle(&n, &p);
    is_str(planned(&n, &p),
           "link up eth0\naddress add 10.0.0.11/24 dev eth0\naddress add 10.1.0.1/30 dev eth1\n"
           "route add default via 10.0.0.1 dev eth0\n",
           "a bare machine: links, addresses, then the route");

    p = picture();
    p.addrs[0].addr = addr("10.0.0.99/24");
    p.routes[0].gateway = addr("10.0.0.2");
    settle(&n, &p);
    is_str(planned(&n, &p),
           "address remove 10.0.0.99/24 dev eth0\naddress add 10.0.0.11/24 dev eth0\n"
           "route remove default via 10.0.0.2 dev eth0\nroute add default via 10.0.0.1 dev eth0\n",
           "what netcfg put there earlier goes, then the new comes");
    p.addrs[0].by = 0;
    p.routes[0].by = 3;
    is_str(planned(&n, &p),
           "address add 10.0.0.11/24 dev eth0\nroute add default via 10.0.0.1 dev eth0\n",
           "what others put there stays beside it");

    p = picture();
    p.addrs[0].addr = addr("10.0.0.11/16");
    settle(&n, &p);
    is_str(planned(&n, &p),
           "address remove 10.0.0.11/16 dev eth0\naddress add 10.0.0.11/24 dev eth0\n",
           "another prefix is another address");

    p = picture();
    snprintf(p.links[2].name, sizeof p.links[2].name, "enp3s0");
    p.addrs[1].addr = addr("10.3.0.1/30");
    settle(&n, &p);
    ok(strstr(planned(&n, &p), "! there is no network interface 'eth1'") &&
           !strstr(planned(&n, &p), "remove"),
       "a missing interface is named, and nothing is removed meanwhile");
    snprintf(n.crossover.name, sizeof n.crossover.name, "mac:02:00:00:00:00:02");
    settle(&n, &p);
    is_str(planned(&n, &p),
           "address remove 10.3.0.1/30 dev enp3s0\naddress add 10.1.0.1/30 dev enp3s0\n",
           "by MAC it is found under any name");

    p = picture();
    p.links[0].up = false;
    n = good();
    settle(&n, &p);
    is_str(planned(&n, &p), "link up lo\n", "loopback comes up");
    memset(&n, 0, sizeof n);
    ok(!strstr(planned(&n, &p), "!"), "an empty configuration is no error");
}

static void test_json(void) {
    struct netcfg_conf n = good();
    struct plan_picture p = picture();
    struct plan plan;
    struct buf out = BUF_INIT;
    p.addr_count = 1;
    settle(&n, &p);
    plan_make(&n, &p, &plan);
    plan_json(&plan, &out);
    is_str(
        buf_cstr(&out),
        "{\"steps\":[{\"object\":\"address\",\"action\":\"add\",\"interface\":\"eth1\",\"address\":"
        "\"10.1.0.1/30\"}],\"errors\":[]}\n",
        "the plan as JSON");
    buf_free(&out);
}

/* ---- packets ---- */

static unsigned sum(const uint8_t *p, size_t len, uint32_t s) {
    for (size_t i = 0; i + 1 < len; i += 2) s += (uint32_t)p[i] << 8 | p[i + 1];
    if (len % 2) s += (uint32_t)p[len - 1] << 8;
    while (s >> 16) s = (s & 0xffff) + (s >> 16);
    return s;
}

static void test_frames(void) {
    struct arp a = {ARP_REPLY,
                    {2, 1, 2, 3, 4, 5},
                    {10, 0, 0, 1},
                    {2, 9, 9, 9, 9, 9},
                    {10, 0, 0, 2}},
               b;
    uint8_t out[64 + UDP4_HEADER_BYTES];
    arp_write(&a, out);
    ok(arp_read(out, ARP_BYTES, &b) && memcmp(&a, &b, sizeof a) == 0, "ARP there and back");
    ok(!arp_read(out, ARP_BYTES - 1, &b), "a short ARP packet is none");
    out[1] = 6;
    ok(!arp_read(out, ARP_BYTES, &b), "ARP of other hardware is none");

    struct echo e = {0x1122334455667788, 77}, f;
    uint8_t ip[20 + ECHO_BYTES] = {0x45};
    echo_write(&e, false, ip + 20);
    is_int(sum(ip + 20, ECHO_BYTES, 0), 0xffff, "the echo's checksum is right");
    ok(!echo_read(ip, sizeof ip, false, &f), "a request is no reply");
    ip[20] = 0;
    ok(echo_read(ip, sizeof ip, false, &f) && f.asker == e.asker && f.number == 77,
       "a reply carries asker and number");
    ip[0] = 0x4f;
    ok(!echo_read(ip, sizeof ip, false, &f), "a header longer than the packet is refused");

    uint8_t from[4] = {10, 0, 0, 1}, to[4] = {10, 0, 0, 2};
    udp4_write(from, 7800, to, 7801, "hello", 5, out);
    is_int(sum(out, 20, 0), 0xffff, "the IPv4 header's checksum is right");
    is_int(sum(out + 20, 13, sum(out + 12, 8, 17 + 13)), 0xffff, "the UDP checksum is right");
    ok(memcmp(out + 28, "hello", 5) == 0 && out[3] == 33, "the data follows the headers");

    ok(out[1] == 0xc0, "and it is marked as control traffic");
}

static void test_frames_v6(void) {
    struct nd n = {.type = ND_ADVERT,
                   .source = {0xfd, [15] = 1},
                   .dest = {0xff, 2, [15] = 1},
                   .target = {0xfd, [15] = 9},
                   .mac = {2, 0, 0, 0, 0, 7}},
              m;
    uint8_t out[UDP6_HEADER_BYTES + 64], group[16], mac[6];
    nd_write(&n, out);
    is_int(sum(out + 40, 32, sum(out + 8, 32, 58 + 32)), 0xffff, "the checksum is right");
    ok(nd_read(out, ND_BYTES, &m) && m.type == ND_ADVERT && !m.solicited && m.has_mac &&
           memcmp(m.mac, n.mac, 6) == 0 && memcmp(m.target, n.target, 16) == 0 &&
           memcmp(m.source, n.source, 16) == 0 && memcmp(m.dest, n.dest, 16) == 0,
       "an advertisement there and back");
    ok(out[44] == 0x20, "it overrides what others have");
    ok(nd_read(out, ND_BYTES + 18, &m), "what fills the frame behind it does not matter");
    ok(!nd_read(out, ND_BYTES - 1, &m), "a cut one is none");
    out[7] = 254;
    ok(!nd_read(out, ND_BYTES, &m), "one that came over a router is none");
    out[7] = 255, out[65] = 0;
    ok(nd_read(out, ND_BYTES, &m) && !m.has_mac, "an option without a length ends the reading");
    n.type = ND_SOLICIT;
    nd_write(&n, out);
    ok(nd_read(out, ND_BYTES, &m) && m.type == ND_SOLICIT && m.has_mac, "so with a solicitation");
    n.type = ND_ADVERT, n.solicited = true;
    nd_write(&n, out);
    ok(nd_read(out, ND_BYTES, &m) && m.solicited, "and an answer");
    out[40] = 134;
    ok(!nd_read(out, ND_BYTES, &m), "a router's advertisement is neither");

    static const uint8_t ip[16] = {0xfd, [13] = 0xaa, [14] = 0xbb, [15] = 0xcc};
    nd_group(ip, group);
    nd_group_mac(group, mac);
    ok(group[0] == 0xff && group[11] == 1 && group[12] == 0xff &&
           memcmp(group + 13, ip + 13, 3) == 0,
       "the group of an address");
    ok(memcmp(mac, "\x33\x33\xff\xaa\xbb\xcc", 6) == 0, "and its link address");

    udp6_write(n.source, 7800, n.target, 7801, "hello", 5, out);
    is_int(sum(out + 40, 13, sum(out + 8, 32, 17 + 13)), 0xffff,
           "UDP over IPv6: the checksum is right");
    ok(memcmp(out + 48, "hello", 5) == 0 && out[5] == 13 && out[6] == 17,
       "and the data follows the headers");
}

int main(void) {
    test_conf();
    test_refusals();
    test_plan();
    test_json();
    test_frames();
    test_frames_v6();
    return done();
}
