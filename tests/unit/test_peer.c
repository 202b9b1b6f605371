/* link: hactl/peer.c hactl/peer_link.c hactl/peer_serial.c hactl/peer_identity.c hactl/heartbeat.c hactl/heartbeat_line.c netcfg/conf.c server/base/buf.c server/base/clock.c
   server/base/conf.c server/base/file.c server/base/hmac.c server/base/log.c server/base/loop.c
   server/base/num.c server/base/sock.c */
/* Heartbeats over real sockets, in a network namespace of the test's own: two nodes on loopback
 * addresses, and what must be refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hactl/peer.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "tests/unit/tap.h"

static const uint8_t key[HEARTBEAT_KEY] = "one secret for the two of them!";
static struct loop *loop;
static struct {
    int count;
    enum ha_path path;
    uint64_t seq;
} heard[2];

/* ---- fakes of what netcfg does with the kernel ---- */

static bool gateway_known;

bool netcfg_link(struct netcfg *h, bool crossover, struct netcfg_link *link,
                 struct netcfg_error *err) {
    (void)h, (void)crossover, (void)err;
    memset(link, 0, sizeof *link);
    link->present = true;
    memcpy(link->name, "lo", 3);
    return true;
}
bool netcfg_gateway_mac(const struct netcfg *h, uint8_t mac[NETCFG_MAC_BYTES]) {
    (void)h, (void)mac;
    return gateway_known;
}
bool netcfg_send_via_gateway(struct netcfg *h, uint16_t source_port, uint16_t dest_port,
                             const void *data, size_t len, struct netcfg_error *err) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(dest_port)};
    (void)h, (void)err;
    inet_pton(AF_INET, "127.0.0.2", &to.sin_addr);
    int fd = sock_udp("127.0.0.1", source_port, NULL);
    ssize_t n = sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof to);
    close(fd);
    return n == (ssize_t)len;
}

/* ---- the two nodes ---- */

static void on_heard(void *arg, enum ha_path path, const struct heartbeat *hb) {
    int node = *(int *)arg;
    heard[node].count++;
    heard[node].path = path;
    heard[node].seq = hb->seq;
}

static struct netcfg_iface on_loopback(uint8_t own, uint8_t peer) {
    struct netcfg_iface i = {.name = "lo"};
    i.addr = (struct netcfg_addr){.family = AF_INET, .bytes = {127, 0, 0, own}};
    i.peer = (struct netcfg_addr){.family = AF_INET, .bytes = {127, 0, 0, peer}};
    return i;
}

static struct peer *node(uint8_t which, struct netcfg *handle, bool crossover) {
    static int names[2] = {0, 1};
    struct netcfg_conf net = {.service = on_loopback(1 + which, 2 - which)};
    if (crossover) net.crossover = on_loopback(11 + which, 12 - which);
    if (handle) net.gateway.family = AF_INET;
    struct peer_conf conf = {.pair = 7, .node = which, .keys = {.count = 1}, .net = &net};
    memcpy(conf.keys.key[0], key, HEARTBEAT_KEY);
    return peer_new(loop, &conf, handle, on_heard, &names[which]);
}

static struct heartbeat beat(uint8_t from, uint64_t seq) {
    return (struct heartbeat){
        .pair = 7, .node = from, .life = 1 + from, .seq = seq, .path = HA_PATH_SERVICE};
}

static bool until(const int *counter, int value) {
    uint64_t end = clock_boot_ns() + 10 * NS_PER_S;
    while (*counter != value && clock_boot_ns() < end) loop_turn(loop, false);
    return *counter == value;
}

static void they_hear_each_other(void) {
    struct peer *a = node(0, NULL, true), *b = node(1, NULL, true);
    struct heartbeat hb = beat(0, 5);
    peer_send(a, &hb);
    ok(until(&heard[1].count, 2), "one heartbeat is heard on both paths");
    is_int(heard[1].seq, 5, "it is the one that was sent");
    hb = beat(1, 6);
    peer_send(b, &hb);
    ok(until(&heard[0].count, 2), "and the other way");
    is_int(peer_path(a, HA_PATH_SERVICE)->sent, 1, "what was sent is counted");
    is_int(peer_path(a, HA_PATH_CROSSOVER)->heard, 1, "what was heard too");
    ok(!peer_path(a, HA_PATH_GATEWAY)->configured, "without a gateway there is no way through it");
    peer_free(a);
    peer_free(b);
}

static void the_way_through_the_gateway(void) {
    struct netcfg *handle = (struct netcfg *)&handle; /* never looked into */
    struct peer *a = node(0, handle, false), *b = node(1, NULL, false);
    struct heartbeat hb = beat(0, 9);
    heard[1].count = 0;
    peer_send(a, &hb);
    ok(until(&heard[1].count, 1) && heard[1].path == HA_PATH_SERVICE, "directly");
    ok(strstr(peer_path(a, HA_PATH_GATEWAY)->why, "not known yet"), "the gateway is not known yet");
    gateway_known = true;
    peer_send(a, &hb);
    ok(until(&heard[1].count, 3) && heard[1].path == HA_PATH_GATEWAY,
       "what the gateway handed on is known as that");
    peer_free(a);
    peer_free(b);
}

static void refused(struct peer *b, const void *bytes, size_t len, enum heartbeat_result why,
                    const char *what) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PEER_PORT)};
    uint64_t before = peer_path(b, HA_PATH_SERVICE)->refused;
    inet_pton(AF_INET, "127.0.0.2", &to.sin_addr);
    int fd = sock_udp("127.0.0.1", 0, NULL), count = heard[1].count;
    if (sendto(fd, bytes, len, 0, (struct sockaddr *)&to, sizeof to) < 0) perror("sendto");
    close(fd);
    uint64_t end = clock_boot_ns() + 10 * NS_PER_S;
    while (peer_path(b, HA_PATH_SERVICE)->refused == before && clock_boot_ns() < end)
        loop_turn(loop, false);
    ok(peer_path(b, HA_PATH_SERVICE)->refused == before + 1 && heard[1].count == count &&
           peer_path(b, HA_PATH_SERVICE)->last_refusal == why,
       "%s is refused and counted", what);
}

static void what_must_be_refused(void) {
    uint8_t bytes[HEARTBEAT_BYTES + 200] = {0}, other[HEARTBEAT_KEY] = "another secret";
    struct peer *b = node(1, NULL, false);
    struct heartbeat hb = beat(0, 1);
    heartbeat_encode(&hb, other, bytes);
    refused(b, bytes, HEARTBEAT_BYTES, HEARTBEAT_FORGED, "another secret");
    heartbeat_encode(&hb, key, bytes);
    refused(b, bytes, HEARTBEAT_BYTES - 1, HEARTBEAT_SHORT, "a cut one");
    refused(b, bytes, HEARTBEAT_BYTES + 200, HEARTBEAT_SHORT, "a long one");
    bytes[40] ^= 1;
    refused(b, bytes, HEARTBEAT_BYTES, HEARTBEAT_FORGED, "a turned bit");
    hb.pair = 8;
    heartbeat_encode(&hb, key, bytes);
    refused(b, bytes, HEARTBEAT_BYTES, HEARTBEAT_FOREIGN, "another pair");
    hb = beat(1, 1);
    heartbeat_encode(&hb, key, bytes);
    refused(b, bytes, HEARTBEAT_BYTES, HEARTBEAT_SELF, "our own name");
    refused(b, "", 0, HEARTBEAT_SHORT, "an empty one");
    hb = beat(0, 1);
    hb.path = HA_PATH_CROSSOVER;
    heartbeat_encode(&hb, key, bytes);
    refused(b, bytes, HEARTBEAT_BYTES, HEARTBEAT_ASTRAY, "one that was sent on the crossover");
    hb = beat(0, 2);
    heartbeat_encode(&hb, key, bytes);
    heard[1].count = 0;
    struct peer *a = node(0, NULL, false);
    peer_send(a, &hb);
    ok(until(&heard[1].count, 1), "a good one is still heard after all that");
    peer_free(a);
    peer_free(b);
}

/* One datagram to an address that no path has, as an announcement comes. */
static const char *told_by_all(struct peer *b, const char *from, const void *bytes) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PEER_PORT)};
    uint64_t end = clock_boot_ns() + 10 * NS_PER_S;
    char before[256];
    snprintf(before, sizeof before, "%s", peer_oddity(b, clock_boot_ns()));
    inet_pton(AF_INET, "127.0.0.99", &to.sin_addr);
    int fd = sock_udp(from, 0, NULL);
    while (strcmp(before, peer_oddity(b, clock_boot_ns())) == 0 && clock_boot_ns() < end) {
        if (sendto(fd, bytes, HEARTBEAT_BYTES, 0, (struct sockaddr *)&to, sizeof to) < 0) break;
        loop_turn(loop, false);
    }
    close(fd);
    return peer_oddity(b, clock_boot_ns());
}

static bool says(const char *text, const char *part) {
    if (strstr(text, part)) return true;
    printf("# it says: %s\n", text);
    return false;
}

/* The weightier ones come later, since the weightiest that is seen is said. */
static void who_else_is_heard(void) {
    uint8_t bytes[HEARTBEAT_BYTES], other[HEARTBEAT_KEY] = "another secret";
    struct peer *b = node(1, NULL, false);
    struct heartbeat hb = beat(0, 1);
    heartbeat_encode(&hb, other, bytes);
    ok(says(told_by_all(b, "127.0.0.50", bytes), "another pair on the service network has this") &&
           says(peer_oddity(b, clock_boot_ns()), "127.0.0.50"),
       "another pair with our id is named, with its address");
    hb.pair = 8;
    heartbeat_encode(&hb, key, bytes);
    ok(says(told_by_all(b, "127.0.0.51", bytes), "127.0.0.51 is of pair 8 and has this pair's"),
       "and one with our secret");
    hb = beat(0, 1);
    heartbeat_encode(&hb, other, bytes);
    ok(says(told_by_all(b, "127.0.0.1", bytes), "signs with another secret"),
       "the other node with another secret, which has to be seen some times");
    hb.path = HA_PATH_CROSSOVER;
    heartbeat_encode(&hb, key, bytes);
    ok(says(told_by_all(b, "127.0.0.11", bytes), "crossover port arrive at this node's service"),
       "swapped cables");
    hb.path = HA_PATH_SERVICE;
    heartbeat_encode(&hb, key, bytes);
    ok(says(told_by_all(b, "127.0.0.52", bytes), "a third machine, at 127.0.0.52, is node a"),
       "a third machine of this pair");
    hb = beat(1, 1);
    heartbeat_encode(&hb, key, bytes);
    ok(says(told_by_all(b, "127.0.0.53", bytes), "calls itself node b of pair 7, as this one"),
       "a machine with our own name");
    is_int(peer_path(b, HA_PATH_SERVICE)->refused, 0,
           "what was told to all is not counted as refused");
    is_str(peer_oddity(b, clock_boot_ns() + 60 * NS_PER_S), "", "nothing of it is held for ever");
    heard[1].count = 0;
    hb = beat(0, 3);
    struct peer *a = node(0, NULL, false);
    peer_send(a, &hb);
    ok(until(&heard[1].count, 1), "and the other node is heard all the while");
    peer_free(a);
    peer_free(b);
}

static void two_keys(void) {
    struct peer_keys both = {.count = 2};
    struct peer *a = node(0, NULL, false), *b = node(1, NULL, false);
    struct heartbeat hb = beat(0, 1);
    memcpy(both.key[0], "the next secret of the two......", HEARTBEAT_KEY);
    memcpy(both.key[1], key, HEARTBEAT_KEY);
    heard[0].count = heard[1].count = 0;
    peer_rekey(b, &both);
    peer_send(a, &hb);
    ok(until(&heard[1].count, 1), "while a secret is changed, the former one is believed");
    hb = beat(1, 2);
    peer_send(b, &hb);
    uint64_t end = clock_boot_ns() + 10 * NS_PER_S;
    while (!peer_path(a, HA_PATH_SERVICE)->refused && clock_boot_ns() < end) loop_turn(loop, false);
    is_int(heard[0].count, 0, "who does not know the new one yet refuses it");
    peer_rekey(a, &both);
    hb.seq = 3;
    peer_send(b, &hb);
    ok(until(&heard[0].count, 1), "and believes it once it does");
    peer_free(a);
    peer_free(b);
}

static void what_is_lost_and_late(void) {
    struct peer *a = node(0, NULL, false), *b = node(1, NULL, false);
    struct heartbeat hb = beat(0, 10);
    heard[1].count = 0;
    peer_send(a, &hb);
    hb.seq = 15;
    peer_send(a, &hb);
    ok(until(&heard[1].count, 2), "two heartbeats come, four of them do not");
    is_int(peer_path(b, HA_PATH_SERVICE)->lost, 4, "those are counted as lost");
    hb.seq = 12;
    peer_send(a, &hb);
    ok(until(&heard[1].count, 3), "one of them was only overtaken");
    is_int(peer_path(b, HA_PATH_SERVICE)->lost, 3, "and is not lost");
    peer_free(a);
    peer_free(b);
}

static bool loopback_up(void) {
    struct ifreq r = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool good = ioctl(fd, SIOCGIFFLAGS, &r) == 0;
    r.ifr_flags |= IFF_UP;
    good = good && ioctl(fd, SIOCSIFFLAGS, &r) == 0;
    close(fd);
    return good;
}

int main(void) {
    if (unshare(CLONE_NEWNET) != 0 || !loopback_up()) {
        skip("heartbeats over sockets", strerror(errno));
        return 0;
    }
    log_set_level(LOG_ERROR);
    loop = loop_new();
    they_hear_each_other();
    the_way_through_the_gateway();
    what_must_be_refused();
    who_else_is_heard();
    two_keys();
    what_is_lost_and_late();
    loop_free(loop);
    return done();
}
