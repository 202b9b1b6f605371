/* link: hactl/heartbeat.c hactl/ha_fsm.c hactl/ha_evidence.c hactl/ha_out.c hactl/ha_master.c hactl/ha_sync.c
   hactl/ha_slave.c hactl/ha_elect.c hactl/ha_view.c hactl/ha_names.c hactl/ha_arbiter.c hactl/ha_rails.c
   hactl/ha_operator.c server/base/hmac.c */
/* Every single step: each state of a node, with every combination of paths, gateway, VIP, epoch, in-sync, grant, lease and
 * arbiter's word, is put one event of each kind. What the rules say of a step is then asked, one sentence each. Whole runs
 * of pairs are sim_pair. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/ha_fsm.h"

#define T0        (1000000 * HA_MS)
#define PEER_LIFE 7
#define PEER_BOOT 77
#define OUR_BOOT  66

/* What is combined, with how many values each has. */
enum {
    ROLE,     /* enum ha_state */
    PATHS,    /* 0 none works both ways, 1, 2 */
    GATEWAY,  /* 0 silent, 1 answers, 2 answers this node since a moment ago */
    PEERS_GW, /* 0 silent at the peer, 1 answers it */
    VIP,      /* 0 free, 1 a foreign host answers */
    EPOCH,    /* of the peer: 0 ours, 1 above, 2 below */
    IN_SYNC,  /* 0, 1 */
    GRANT, /* sent or held: 0 none, 1 plain, 2 witnessed, 3 fenced; all young; 4 plain, expired */
    HEARD, /* the peer: 0 a moment ago, 1 silent for demote-time, 2 for dead-time, 3 silent, just booted ourselves */
    RECORD,  /* 0 plain, 1 peer outdated, 2 benched, 3 locked, 4 maintenance */
    SERVER,  /* 0 well, 1 died, 2 down, 3 its disk hangs */
    WITNESS, /* 0 none, 1 answers, 2 granted what was asked */
    FACTORS
};
static const int values[FACTORS] = {HA_STATES, 3, 3, 2, 2, 3, 2, 5, 4, 5, 4, 3};

enum { EVENTS = 18 };

static struct ha_fsm f, was;
static struct ha_timing timing;
static int64_t now = T0;
static int c[FACTORS];
static uint32_t without; /* HA_WITHOUT_* */
static bool given[HA_ACTIONS];
static struct ha_action last[HA_ACTIONS];
static struct heartbeat peer;
static struct ha_server server;

static int64_t ago(int64_t span_ms) {
    return now - span_ms * HA_MS;
}

/* ---- a node, as the factors say ---------------------------------------------------------------------------- */

static void compose_record(struct ha_record *r, bool master) {
    *r = (struct ha_record){.epoch = ha_epoch(3, 0), .seen = ha_epoch(3, 0), .was_master = master};
    r->peer_outdated = c[RECORD] == 1 && c[ROLE] != HA_YIELDED;
    r->benched = c[RECORD] == 2;
    r->locked = c[RECORD] == 3;
    r->maintenance = c[RECORD] == 4;
}

static void compose_evidence(void) {
    static const int silent_ms[] = {20, 400, 700, 700};
    f.peer_known = true;
    f.heard_at = ago(silent_ms[c[HEARD]]);
    f.echo_at = f.heard_at - 10 * HA_MS;
    f.gap_end = f.started_at = ago(c[HEARD] == 3 ? 100 : 60000);
    for (int p = 0; p < HA_PATHS; p++) {
        f.path_at[p] = p < c[PATHS] ? f.heard_at : HA_NEVER;
        f.path_since[p] = ago(60000);
    }
    f.gateway_at = c[GATEWAY] ? ago(30) : ago(2000);
    f.gateway_since = c[GATEWAY] == 0 ? INT64_MAX : c[GATEWAY] == 1 ? ago(60000) : ago(200);
    f.traffic_at = ago(20);
    f.traffic_since = ago(c[GATEWAY] == 1 ? 60000 : 200);
    f.peer_gateway_since = c[PEERS_GW] ? ago(60000) : INT64_MAX;
    f.vip_foreign_at = c[VIP] ? ago(50) : HA_NEVER;
    for (int i = 0; i < 4; i++) f.vip_asked[f.vip_asks++] = ago(60 + 30 * i);
}

static void compose_grant(void) {
    int64_t at = c[GRANT] == 0 ? HA_NEVER : c[GRANT] == 4 ? ago(1200) : ago(600);
    f.grant_at = f.grant_sent = at;
    f.plain_sent = c[GRANT] == 1 || c[GRANT] == 4 ? at : HA_NEVER;
    f.witnessed_sent = c[GRANT] == 2 ? at : HA_NEVER;
    f.fenced_sent = c[GRANT] == 3 ? at : HA_NEVER;
    f.fence_open = c[GRANT] == 3;
    f.grant_kind = c[GRANT] == 2 ? HB_WITNESS : c[GRANT] == 3 ? HB_FENCE : 0;
    f.witness_seen = c[WITNESS] ? ago(30) : HA_NEVER;
    f.holder = c[WITNESS] ? f.disk.epoch : 0;
    if (c[WITNESS] == 2) {
        f.registered = f.disk.epoch;
        f.registered_at = ago(60000);
        f.witness_at = ago(30);
    }
    if (c[WITNESS] == 2 && c[ROLE] == HA_SLAVE && f.grant_kind) {
        f.taking = f.claimed = ha_epoch(4, f.setup.node);
        f.taking_at = ago(50);
        f.taken = c[HEARD] == 2;
    }
    f.fence_ready_at = ago(1000);
}

static void compose_role(bool master) {
    f.state = (enum ha_state)c[ROLE];
    f.adopted = true;
    f.in_sync = c[IN_SYNC] && !f.disk.peer_outdated;
    f.sync = f.in_sync ? HA_SYNC_IN : f.disk.peer_outdated ? HA_SYNC_SOLO : HA_SYNC_LOST;
    f.sync_boot = PEER_BOOT;
    f.sync_since = ago(500);
    f.suspended_at = ago(300);
    f.yielded_at = ago(600);
    f.withdrawn_at = c[IN_SYNC] ? ago(100) : HA_NEVER;
    if (f.state == HA_YIELDED && !c[IN_SYNC]) f.permit = ha_epoch(4, !f.setup.node);
    if (f.state == HA_PROMOTING) f.claim = ha_epoch(4, f.setup.node), f.claim_wait = 1;
    if (f.state == HA_MASTER) f.lease = now + (c[HEARD] == 1 ? 5 : 100) * HA_MS, f.vip = true;
    server = (struct ha_server){.boot = OUR_BOOT,
                                .role = master ? HA_SERVER_MASTER : HA_SERVER_SLAVE,
                                .epoch = f.disk.epoch,
                                .session = 4,
                                .offset = 1000,
                                .acked = 1000,
                                .in_sync_link = true,
                                .alone = f.disk.peer_outdated,
                                .whole = true};
    if (c[SERVER] == 3) server.fsync_age_ns = 20000 * HA_MS;
    f.server = server;
    f.server_up = c[SERVER] != 2;
    f.server_died = c[SERVER] == 1 && master;
    f.whole_boot = c[SERVER] == 1 ? 0 : OUR_BOOT;
}

static void compose_peer(bool master) {
    static const int numbers[] = {3, 4, 2};
    peer = (struct heartbeat){.pair = 1,
                              .node = 1,
                              .life = PEER_LIFE,
                              .seq = 100,
                              .state = master ? HA_SLAVE : HA_MASTER,
                              .paths = (uint8_t)((1u << c[PATHS]) - 1),
                              .gateway_age_ms = c[PEERS_GW] ? 40 : HEARTBEAT_AGE_NEVER,
                              .epoch = ha_epoch((uint64_t)numbers[c[EPOCH]], c[EPOCH] == 1),
                              .server_boot = PEER_BOOT,
                              .link_boot = OUR_BOOT,
                              .session = 4,
                              .data_offset = 1000};
    peer.known = peer.epoch;
    peer.flags = HB_HEALTHY | HB_RANKED | HB_RECORD | HB_WHOLE | HB_FENCE_READY | HB_WITNESS;
    if (c[IN_SYNC]) peer.flags |= HB_IN_SYNC;
    peer.echo_life = f.life;
    peer.echo_seq = f.seq;
    f.peer = peer;
    f.window.life = PEER_LIFE;
    f.known = peer.epoch > f.disk.epoch ? peer.epoch : f.disk.epoch;
}

static void compose(void) {
    struct ha_record record;
    bool master = c[ROLE] >= HA_MASTER;
    struct ha_setup setup = {.pair = 1, .timing = timing, .has_witness = c[WITNESS] != 0};
    setup.has_fence = c[GRANT] == 3;
    setup.without = without;
    compose_record(&record, master || (c[ROLE] == HA_BOOT && c[IN_SYNC]));
    ha_fsm_init(&f, &setup, &record, 5, T0 - 60000 * HA_MS);
    f.seq = 9;
    for (unsigned i = 0; i <= f.seq; i++) f.sent_at[i] = ago(20);
    f.last_tick = ago(10);
    f.tell_id = f.save_id = f.saved_id = 1;
    compose_evidence();
    compose_role(master);
    compose_grant();
    compose_peer(master);
}

/* ---- one event --------------------------------------------------------------------------------------------------- */

static void step(const struct ha_event *ev) {
    static struct ha_action a;
    memset(given, 0, sizeof given);
    ha_fsm_step(&f, ev, now);
    while (ha_fsm_next(&f, &a)) {
        given[a.kind] = true;
        last[a.kind] = a;
    }
}

static void hear(enum ha_state state) {
    peer.state = (uint8_t)state;
    peer.seq++;
    if (state == HA_PROMOTING) peer.claim = ha_epoch(5, 1);
    if (state == HA_YIELDED) peer.permit = ha_epoch(5, 0), peer.permit_boot = OUR_BOOT;
    struct ha_event ev = {.kind = HA_EV_HEARTBEAT};
    ev.heartbeat.hb = &peer;
    step(&ev);
}

static void witness(enum ha_witness_kind kind, bool granted, uint64_t holder) {
    struct ha_event ev = {.kind = HA_EV_WITNESS};
    ev.witness.sent_at = ago(20);
    ev.witness.kind = kind;
    ev.witness.epoch = kind == HA_WITNESS_TAKE ? f.taking : f.disk.epoch;
    ev.witness.granted = granted;
    ev.witness.holder = holder;
    step(&ev);
}

static void operators(enum ha_command what) {
    struct ha_event ev = {.kind = HA_EV_OPERATOR};
    ev.op.command = what;
    ev.op.id = 1;
    step(&ev);
}

static void tick(void) {
    struct ha_event ev = {.kind = HA_EV_TICK};
    ev.tick.server_at = ev.tick.executor_at = ago(5);
    step(&ev);
}

/* Below HA_STATES: a heartbeat of a peer in that state. */
enum {
    TICK = HA_STATES,
    STATUS,
    DIED,
    SAVED,
    TOLD,
    FOREIGN,
    GRANTED,
    REFUSED,
    TAKEN,
    FENCED,
    SWITCH,
    FORCE
};
_Static_assert(FORCE + 1 == EVENTS, "every event has a number");

static void event(int kind) {
    struct ha_event ev = {0};
    switch (kind) {
    case TICK: tick(); return;
    case STATUS: ev.kind = HA_EV_SERVER, ev.server = &server; break;
    case DIED: ev.kind = HA_EV_SERVER_DIED; break;
    case SAVED: ev.kind = HA_EV_SAVED, ev.saved.id = f.flight_id, ev.saved.ok = true; break;
    case TOLD: ev.kind = HA_EV_TOLD, ev.told.id = f.claim_wait, ev.told.ok = true; break;
    case FOREIGN: ev.kind = HA_EV_VIP_FOREIGN; break;
    case GRANTED: witness(HA_WITNESS_RENEW, true, f.disk.epoch); return;
    case REFUSED: witness(HA_WITNESS_RENEW, false, ha_epoch(5, 1)); return;
    case TAKEN: witness(HA_WITNESS_TAKE, true, f.taking); return;
    case FENCED: ev.kind = HA_EV_FENCED, ev.fenced.id = f.fence_id, ev.fenced.ok = true; break;
    case SWITCH: operators(HA_CMD_SWITCHOVER); return;
    case FORCE: operators(HA_CMD_FORCE); return;
    default: hear((enum ha_state)kind); return;
    }
    step(&ev);
}

/* ---- what the rules say of a step --------------------------------------------------------------------------------- */

static bool entered(enum ha_state s) {
    return f.state == s && was.state != s;
}

static bool young(int64_t at, int64_t span_ms) {
    return now - at < span_ms * HA_MS;
}

/* Rule 1: a lease rests on evidence, or on nobody being able to promote. */
static const char *wrong_lease(void) {
    if (!given[HA_ACT_LEASE] || last[HA_ACT_LEASE].lease.until == HA_NEVER) return NULL;
    bool alone = was.disk.peer_outdated || now - was.grant_sent > 1013 * HA_MS;
    bool evidence = young(f.echo_at, 350) || young(f.gateway_at, 350) || young(f.witness_at, 350);
    if (f.state != HA_MASTER) return "1: a lease for a node that is not master";
    if (!alone && !evidence && was.state == HA_MASTER) return "1: a lease without evidence";
    if (c[GRANT] == 2 && !alone && !young(f.echo_at, 350) && !young(f.witness_at, 350))
        return "1: with witnessed grants out, a lease by the gateway alone";
    return NULL;
}

/* Rule 2: who takes over on silence has a right to. */
static const char *wrong_takeover(int kind) {
    bool permit = kind == HA_YIELDED || was.peer.permit, forced = kind == FORCE;
    if (!entered(HA_PROMOTING) || was.state != HA_SLAVE || permit || forced) return NULL;
    if (!was.in_sync) return "2: a takeover out of sync";
    if (young(was.heard_at, 500)) return "2: a takeover without dead-time's silence";
    if (young(was.gap_end, 500)) return "2: a takeover although it did not run itself";
    if (!young(was.gateway_at, 150) || c[GATEWAY] == 2)
        return "2: a takeover without the gateway's answers throughout";
    if (c[VIP]) return "2: a takeover while somebody answers for the VIP";
    if (c[RECORD] >= 2) return "2: a takeover although benched, locked, or under maintenance";
    if (c[SERVER]) return "2: a takeover with a server that is not well";
    if (!young(was.grant_at, 1000)) return "2: a takeover without a young grant";
    if (c[GRANT] == 2 && !was.taken && kind != TAKEN) return "2: a takeover without the witness";
    if (c[GRANT] == 3 && !was.taken && kind != FENCED) return "2: a takeover without the fence";
    return NULL;
}

/* Rule 2: no grant to whom it would not be safe with. */
static const char *wrong_grant(void) {
    const struct heartbeat *b = &last[HA_ACT_BEAT].beat;
    if (!given[HA_ACT_BEAT] || !(b->flags & HB_GRANT)) return NULL;
    if (f.state != HA_MASTER || !f.in_sync || f.lease <= now) return "2: a grant by who may not";
    if (!(f.peer.gateway_age_ms < 200)) return "2: a grant to who does not see the gateway";
    if (!young(f.echo_at, 150)) return "2: a grant that answers nothing of the last 3 beats";
    if (c[RECORD] >= 3) return "2: a grant although locked, or under maintenance";
    int paths = __builtin_popcount(f.peer.paths & b->paths);
    if (paths < 2 && !(b->flags & (HB_WITNESS | HB_FENCE))) return "2: a grant over one path";
    if (paths < 1) return "2: a grant over no path";
    return NULL;
}

/* Rules 3, 5 and 6. */
static const char *wrong_start(int kind) {
    if (!entered(HA_MASTER)) return NULL;
    if (was.state == HA_SLAVE) return "5: a slave that serves before its epoch is on disk";
    if (was.state == HA_BOOT) return "6: a node that booted serves without a promotion";
    if (was.state == HA_SUSPENDED && !was.disk.peer_outdated) {
        bool word = f.peer.state == HA_SLAVE && f.peer.claim == 0 && f.echo_at > was.suspended_at;
        bool said =
            f.peer.state == HA_SLAVE && f.peer.claim == 0 && f.witness_at > was.suspended_at;
        if (!word && !said) return "3: a suspended master that resumed without a word";
    }
    if (was.state == HA_YIELDED && (was.permit || f.peer.claim || f.echo_at <= was.withdrawn_at))
        return "6: a handover taken back without the echo of its withdrawal";
    if (was.state == HA_PROMOTING && kind != TOLD) return "5: a promotion that nothing ended";
    return NULL;
}

static const char *wrong_yield(int kind) {
    if (!entered(HA_YIELDED)) return NULL;
    if (was.disk.peer_outdated) return "6: who holds the proof yields";
    bool maintenance = c[RECORD] == 4 && kind != SWITCH;
    if (maintenance) return "an automatic handover under maintenance";
    if (c[RECORD] == 3 && c[SERVER] == 0 && kind == TICK)
        return "a handover for the gateway although locked";
    return NULL;
}

static const char *wrong_step(int kind) {
    const char *wrong = ha_fsm_broken(&f, now);
    if (!wrong) wrong = wrong_lease();
    if (!wrong) wrong = wrong_takeover(kind);
    if (!wrong) wrong = wrong_grant();
    if (!wrong) wrong = wrong_start(kind);
    if (!wrong) wrong = wrong_yield(kind);
    if (!wrong && given[HA_ACT_VIP_TAKE] && f.lease <= now) wrong = "the VIP without a lease";
    bool claimed = f.peer.state != HA_MASTER && f.peer.claim > f.disk.epoch;
    if (!wrong && kind < HA_STATES && f.state == HA_MASTER && claimed)
        wrong = "2: a master that sees a claim above its own goes on";
    if (!wrong && f.state != was.state && !given[HA_ACT_LOG]) wrong = "a transition without a log";
    return wrong;
}

/* ---- all of them ------------------------------------------------------------------------------------------------------ */

/* The nth combination; false: there are not so many. */
static bool combination(uint64_t n) {
    for (int i = 0; i < FACTORS; i++) {
        c[i] = (int)(n % (uint64_t)values[i]);
        n /= (uint64_t)values[i];
    }
    return n == 0;
}

/* All but the queue, which is empty. */
static void copy(struct ha_fsm *to, const struct ha_fsm *from) {
    memcpy(to, from, offsetof(struct ha_fsm, queue));
    to->queue_head = to->queue_len = 0;
}

static void show(const char *wrong, int kind) {
    printf("# %s: state %s, factors", wrong, ha_state_name(was.state));
    for (int i = 0; i < FACTORS; i++) printf(" %d", c[i]);
    printf(", event %d: now %s\n", kind, ha_state_name(f.state));
}

static uint64_t steps, moved, seen[HA_STATES][HA_STATES];

/* How many steps break a rule. */
static uint64_t run(uint64_t from, uint64_t stride, bool shown) {
    static struct ha_fsm composed;
    uint64_t bad = 0;
    for (uint64_t n = from % stride; combination(n); n += stride) {
        compose();
        copy(&composed, &f);
        struct heartbeat p = peer;
        for (int kind = 0; kind < EVENTS; kind++) {
            copy(&f, &composed);
            copy(&was, &composed);
            peer = p;
            event(kind);
            const char *wrong = wrong_step(kind);
            if (wrong && bad++ < 10 && shown) show(wrong, kind);
            moved += f.state != was.state;
            seen[was.state][f.state]++;
            steps++;
        }
    }
    return bad;
}

/* A test that cannot fail is none: without a clause some step breaks its rule. */
static bool clauses_show(uint64_t from) {
    static const uint32_t out[] = {HA_WITHOUT_WATCHED, HA_WITHOUT_NOGRANT, HA_WITHOUT_TWOPATH,
                                   HA_WITHOUT_SUSPEND, HA_WITHOUT_TAKE,    HA_WITHOUT_ARBITER,
                                   HA_WITHOUT_FENCED,  HA_WITHOUT_HOLD};
    bool all = true;
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        without = out[i];
        bool found = run(from, 17, false) != 0;
        if (!found) printf("# clause %#x: nothing found without it\n", without);
        all &= found;
    }
    without = 0;
    return all;
}

int main(void) {
    const char *full = getenv("DUET_FULL"), *env = getenv("DUET_SEED");
    uint64_t stride = full && full[0] == '1' ? 1 : 7, from = env ? strtoull(env, NULL, 0) : 1;
    ha_timing_default(&timing);
    uint64_t bad = run(from, stride, true);
    printf("# DUET_SEED=%" PRIu64 ", one combination in %" PRIu64 ": %" PRIu64 " steps, %" PRIu64
           " of them transitions\n",
           from, stride, steps, moved);
    printf("%s - every single step obeys the rules\n", bad ? "not ok" : "ok");
    bool all = seen[HA_SLAVE][HA_PROMOTING] && seen[HA_MASTER][HA_SUSPENDED] &&
               seen[HA_SUSPENDED][HA_MASTER] && seen[HA_MASTER][HA_YIELDED] &&
               seen[HA_YIELDED][HA_MASTER] && seen[HA_BOOT][HA_PROMOTING];
    printf("%s - and every kind of transition was among them\n", all ? "ok" : "not ok");
    bool shows = clauses_show(from);
    printf("%s - without a clause some step breaks its rule\n", shows ? "ok" : "not ok");
    return bad || !all || !shows;
}
