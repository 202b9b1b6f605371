/* link: hactl/read_vip.c hactl/ha_names.c netcfg/conf.c server/base/conf.c server/base/buf.c server/base/num.c server/base/log.c server/base/file.c server/base/clock.c */
/* The VIP for reads: who may hold it, and that never two do, whatever becomes of heartbeats. The driver of
 * the addresses (hactl/vip.h) is a fake that remembers what it was told. */
#include <stdlib.h>

#include "hactl/read_vip.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "tests/unit/tap.h"

#define TICK_NS (10 * NS_PER_MS)
#define BEAT_NS (50 * NS_PER_MS)
#define IN_AIR  64

/* ---- the fake driver ---- */

struct vip {
    uint64_t until_ns;
    bool on;
    int probes, announcements;
};

struct vip *vip_new(struct netcfg *net, enum netcfg_group group, uint64_t now_ns) {
    (void)net, (void)group, (void)now_ns;
    return calloc(1, sizeof(struct vip));
}
void vip_free(struct vip *v) {
    free(v);
}
void vip_lease(struct vip *v, uint64_t now_ns, uint64_t until_ns) {
    (void)now_ns;
    v->until_ns = until_ns;
}
void vip_take(struct vip *v, uint64_t now_ns) {
    (void)now_ns;
    v->on = true;
}
void vip_drop(struct vip *v) {
    v->on = false;
}
void vip_announce(struct vip *v, uint64_t now_ns, bool burst) {
    (void)now_ns, (void)burst;
    v->announcements++;
}
void vip_link_back(struct vip *v, uint64_t now_ns) {
    vip_announce(v, now_ns, true);
}
void vip_foreign(struct vip *v, unsigned which, const uint8_t mac[6], uint64_t now_ns) {
    (void)v, (void)which, (void)mac, (void)now_ns;
}
bool vip_foreign_mac(const struct vip *v, unsigned which, uint64_t now_ns, uint8_t mac[6]) {
    (void)v, (void)which, (void)now_ns, (void)mac;
    return true;
}
void vip_probe(struct vip *v, uint64_t now_ns) {
    (void)now_ns;
    v->probes++;
}
void vip_tick(struct vip *v, uint64_t now_ns) {
    (void)v, (void)now_ns;
}

/* ---- two nodes and the air between them ---- */

struct node {
    struct ha_fsm f;
    struct read_vip *r;
    uint64_t seq, sent_ns[4096], heard_seq, stopped_until_ns;
};

struct letter {
    int to; /* 0, 1; -1: none */
    uint64_t at_ns, seq, echo_seq;
    unsigned flags;
    uint8_t state;
};

static struct node nodes[2];
static struct letter air[IN_AIR];
static uint64_t now;
static struct ha_timing timing;
static uint64_t random_state;
static unsigned loss_percent, delay_ms, late_ms; /* delay: by chance up to; late: all alike */
static bool unfit;                               /* the slave calls itself not in sync */

static unsigned chance(unsigned below) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % below;
}

static bool open_at(const struct node *n) {
    const struct vip *v = read_vip_vip(n->r);
    return v->on && v->until_ns > now;
}

static void begin(uint64_t seed) {
    random_state = seed;
    ha_timing_default(&timing);
    now = 1000 * NS_PER_S;
    loss_percent = delay_ms = late_ms = 0;
    unfit = false;
    for (int i = 0; i < IN_AIR; i++) air[i].to = -1;
    for (int i = 0; i < 2; i++) {
        struct node *n = &nodes[i];
        if (n->r) read_vip_free(n->r);
        memset(n, 0, sizeof *n);
        n->r = read_vip_new(NULL, &timing, now);
        n->f.state = i == 0 ? HA_MASTER : HA_SLAVE;
        n->f.server_up = n->f.in_sync = true;
        n->f.heard_at = n->f.echo_at = HA_NEVER;
    }
}

static void send(int from) {
    struct node *n = &nodes[from];
    struct letter l = {.to = !from, .state = (uint8_t)n->f.state, .flags = HB_HEALTHY};
    if (n->f.state == HA_MASTER || !unfit) l.flags |= HB_IN_SYNC;
    if (read_vip_grant(n->r, &n->f, now)) l.flags |= HB_READ;
    l.seq = ++n->seq;
    l.echo_seq = n->heard_seq;
    n->sent_ns[l.seq % 4096] = now;
    l.at_ns = now + (late_ms + (delay_ms ? chance(delay_ms) : 0)) * NS_PER_MS;
    if (chance(100) < loss_percent) return;
    for (int i = 0; i < IN_AIR; i++) {
        if (air[i].to >= 0) continue;
        air[i] = l;
        return;
    }
}

static void receive(const struct letter *l) {
    struct node *n = &nodes[l->to];
    if (l->seq <= n->heard_seq) return;
    n->heard_seq = l->seq;
    n->f.peer_known = true;
    n->f.peer.state = l->state;
    n->f.peer.flags = l->flags;
    n->f.heard_at = (int64_t)now;
    int64_t echo = l->echo_seq ? (int64_t)n->sent_ns[l->echo_seq % 4096] : HA_NEVER;
    if (echo > n->f.echo_at) n->f.echo_at = echo;
}

static void node_tick(int i) {
    struct node *n = &nodes[i];
    if (now < n->stopped_until_ns) return;
    for (int k = 0; k < IN_AIR; k++) {
        if (air[k].to != i || air[k].at_ns > now) continue;
        receive(&air[k]);
        air[k].to = -1;
    }
    if (n->f.state == HA_MASTER && (n->f.lease < (int64_t)(now + 300 * NS_PER_MS))) {
        n->f.lease = (int64_t)(now + 350 * NS_PER_MS);
        read_vip_lease(n->r, now, (uint64_t)n->f.lease);
    }
    if (now % BEAT_NS == 0) send(i);
    read_vip_tick(n->r, &n->f, now);
}

/* Steps of one tick; answers how many of them found it open at both. */
static int run(uint64_t span_ms) {
    int both = 0;
    for (uint64_t end = now + span_ms * NS_PER_MS; now < end; now += TICK_NS) {
        node_tick(0);
        node_tick(1);
        both += open_at(&nodes[0]) && open_at(&nodes[1]);
    }
    return both;
}

static void change_roles(void) {
    int old = nodes[0].f.state == HA_MASTER ? 0 : 1;
    bool stopped = now < nodes[old].stopped_until_ns;
    if (stopped && nodes[old].f.lease > (int64_t)now)
        return; /* rule 1: not before its lease ended */
    nodes[old].f.state = HA_SLAVE;
    nodes[old].f.lease = HA_NEVER;
    if (!stopped) read_vip_lease(nodes[old].r, now, 0);
    nodes[!old].f.state = HA_MASTER;
}

/* ---- tests ---- */

static void test_moves(void) {
    begin(1);
    is_int(run(900), 0, "at first at one node at most");
    ok(open_at(&nodes[0]), "a master whose slave has only just come holds it");
    is_int(run(2000), 0, "it moves without an overlap");
    ok(open_at(&nodes[1]) && !open_at(&nodes[0]),
       "a slave that has been fit for a second holds it");
    ok(read_vip_vip(nodes[1].r)->probes >= 2, "and it was probed before");
    unfit = true;
    is_int(run(1500), 0, "the slave is not in sync any more");
    ok(open_at(&nodes[0]) && !open_at(&nodes[1]), "the master holds it");
    unfit = false;
    run(2500);
    ok(open_at(&nodes[1]), "and gives it back");
    nodes[1].f.in_sync = false;
    run(20);
    ok(!open_at(&nodes[1]), "a slave that knows it is not in sync drops it by itself, at once");
    nodes[1].f.in_sync = true;
    run(2500);
    loss_percent = 100;
    run(timing.dead_ms + 20);
    ok(!open_at(&nodes[1]), "a slave that hears nobody drops it by itself");
    run(1000);
    ok(open_at(&nodes[0]), "and the master has it then");
}

static void test_roles(void) {
    begin(2);
    run(3000);
    change_roles();
    is_int(run(100), 0, "roles change: no overlap");
    ok(open_at(&nodes[1]), "who becomes master goes on holding it");
    run(3000);
    ok(open_at(&nodes[0]) && !open_at(&nodes[1]), "until its own slave is fit");
}

/* A leave that was long under way says nothing about now. */
static void test_late(void) {
    begin(5);
    run(3000);
    late_ms = 700;
    int both = run(60);
    loss_percent = 100;
    both += run(2500);
    is_int(both, 0, "a leave that arrives late opens nothing: it is dated by what it answers");
    ok(open_at(&nodes[0]), "the master has it when the slave is out of reach");
}

static void test_foreign(void) {
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
    begin(3);
    for (int i = 0; i < 40; i++) {
        read_vip_foreign(nodes[0].r, mac, now);
        run(100);
    }
    ok(!open_at(&nodes[0]), "while another machine answers for it, it is not taken");
    begin(4);
    run(900);
    int before = read_vip_vip(nodes[0].r)->announcements;
    for (int i = 0; i < 10; i++) read_vip_foreign(nodes[0].r, mac, now);
    is_int(read_vip_vip(nodes[0].r)->announcements, before + 1, "held, it is defended once");
    ok(open_at(&nodes[0]), "and kept");
}

static void test_chance(void) {
    int both = 0, at_slave = 0, at_master = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        begin(seed);
        for (int i = 0; i < 60; i++) {
            loss_percent = chance(4) ? chance(60) : 100;
            delay_ms = chance(3) ? chance(30) : chance(900);
            unfit = chance(5) == 0;
            if (chance(8) == 0) change_roles();
            if (chance(6) == 0) nodes[chance(2)].stopped_until_ns = now + chance(2000) * NS_PER_MS;
            both += run(300);
            for (int n = 0; n < 2; n++) {
                at_slave += open_at(&nodes[n]) && nodes[n].f.state == HA_SLAVE;
                at_master += open_at(&nodes[n]) && nodes[n].f.state == HA_MASTER;
            }
        }
    }
    is_int(both, 0, "loss, delay, stalls and changes of roles by chance: never at both nodes");
    ok(at_slave > 100 && at_master > 100,
       "and it was held all the while (%d times at a slave, %d at a master)", at_slave, at_master);
}

int main(void) {
    log_set_level(LOG_ERROR);
    test_moves();
    test_roles();
    test_late();
    test_foreign();
    test_chance();
    for (int i = 0; i < 2; i++) read_vip_free(nodes[i].r);
    return done();
}
