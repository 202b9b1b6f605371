/* link: hactl/ha_fsm.c hactl/ha_evidence.c hactl/ha_out.c hactl/ha_master.c hactl/ha_sync.c hactl/ha_slave.c
   hactl/ha_elect.c hactl/ha_view.c hactl/ha_names.c hactl/ha_arbiter.c hactl/ha_rails.c hactl/ha_operator.c hactl/heartbeat.c server/base/hmac.c */
/* The decision core, rule by rule, on one node; and every single step from every combination of what matters. Whole pairs
 * and schedules of faults are tests/sim. */
#include "hactl/ha_fsm.h"

#include "tests/unit/tap.h"

#define T0        (1000000 * HA_MS)
#define LIFE      77
#define PEER_LIFE 88
#define OUR_BOOT  5
#define PEER_BOOT 6

static struct ha_fsm f;
static int64_t now;
static struct ha_server server;
static struct heartbeat peer; /* what the peer says next */
static bool echo = true;      /* the peer hears us */

/* What the last step gave, by kind, and the last of each. */
static int given[HA_ACTIONS];
static struct ha_action last[HA_ACTIONS];
static enum ha_tell told[16];
static int tells;
static char first_log[HA_TEXT];

static const char *broken;

static void step(const struct ha_event *ev) {
    memset(given, 0, sizeof given);
    tells = 0;
    first_log[0] = 0;
    ha_fsm_step(&f, ev, now);
    static struct ha_action a;
    while (ha_fsm_next(&f, &a)) {
        given[a.kind]++;
        last[a.kind] = a;
        if (a.kind == HA_ACT_TELL && tells < 16) told[tells++] = a.tell.what;
        if (a.kind == HA_ACT_LOG && !first_log[0]) memcpy(first_log, a.text, HA_TEXT);
    }
    if (!broken) broken = ha_fsm_broken(&f, now);
}

static void tick(void) {
    struct ha_event ev = {.kind = HA_EV_TICK};
    ev.tick.server_at = ev.tick.executor_at = now;
    step(&ev);
}

static void status(void) {
    step(&(struct ha_event){.kind = HA_EV_SERVER, .server = &server});
}

static void hear(enum ha_path path) {
    peer.seq++;
    if (echo) {
        peer.echo_life = LIFE;
        peer.echo_seq = f.seq;
    }
    struct ha_event ev = {.kind = HA_EV_HEARTBEAT};
    ev.heartbeat.path = path;
    ev.heartbeat.hb = &peer;
    step(&ev);
}

static void gateway(void) {
    struct ha_event ev = {.kind = HA_EV_GATEWAY};
    ev.gateway.sent_at = now;
    step(&ev);
}

static void saved(bool good) {
    struct ha_event ev = {.kind = HA_EV_SAVED};
    ev.saved.id = last[HA_ACT_SAVE].save.id;
    ev.saved.ok = good;
    step(&ev);
}

static void answer(bool good) {
    struct ha_event ev = {.kind = HA_EV_TOLD};
    ev.told.id = last[HA_ACT_TELL].tell.id;
    ev.told.ok = good;
    ev.told.offset = server.offset;
    step(&ev);
}

static void command(enum ha_command c) {
    struct ha_event ev = {.kind = HA_EV_OPERATOR};
    ev.op.command = c;
    ev.op.id = 9;
    step(&ev);
}

/* ms pass in ticks; the peer beats on both networks, the gateway answers, when told so. */
static void pass(int span_ms, bool hears, bool sees) {
    for (int i = 0; i < span_ms / 10; i++) {
        now += 10 * HA_MS;
        if (i % 5 == 0) {
            if (hears) hear(HA_PATH_CROSSOVER), hear(HA_PATH_SERVICE);
            if (sees) gateway();
        }
        status();
        tick();
    }
}

static void begin(struct ha_record record, unsigned node) {
    struct ha_setup setup = {.pair = 1, .node = (uint8_t)node};
    ha_timing_default(&setup.timing);
    now = T0;
    broken = NULL;
    echo = true;
    server = (struct ha_server){.boot = OUR_BOOT, .alone = true, .whole = true, .offset = 1000};
    peer = (struct heartbeat){.pair = 1,
                              .node = !node,
                              .life = PEER_LIFE,
                              .server_boot = PEER_BOOT,
                              .paths = 3,
                              .outside = 1};
    peer.flags = HB_HEALTHY | HB_RANKED | HB_RECORD;
    ha_fsm_init(&f, &setup, &record, LIFE, now);
}

/* A master with a slave in sync, everything in order. */
static void settled_master(void) {
    begin((struct ha_record){.epoch = ha_epoch(3, 0), .was_master = 1, .peer_outdated = 1}, 0);
    server.role = HA_SERVER_MASTER;
    server.epoch = ha_epoch(3, 0);
    status();
    peer.state = HA_SLAVE;
    peer.epoch = peer.known = ha_epoch(3, 0);
    peer.flags |= HB_IN_SYNC | HB_WHOLE;
    server.session = peer.session = 4;
    server.in_sync_link = true;
    server.acked = server.offset;
    for (int i = 0; i < 60 && f.sync != HA_SYNC_IN; i++) {
        pass(50, true, true);
        if (f.sync_tell) {
            last[HA_ACT_TELL].tell.id = f.sync_tell;
            server.alone = f.sync == HA_SYNC_RELEASE;
            answer(true);
        }
        if (f.flight_id) {
            last[HA_ACT_SAVE].save.id = f.flight_id;
            saved(true);
        }
    }
    pass(200, true, true);
}

/* A slave in sync that holds a fresh grant. */
static void settled_slave(void) {
    begin((struct ha_record){.epoch = ha_epoch(3, 1)}, 0);
    server.role = HA_SERVER_SLAVE;
    server.epoch = ha_epoch(3, 1);
    server.session = peer.session = 4;
    peer.state = HA_MASTER;
    peer.epoch = peer.known = ha_epoch(3, 1);
    peer.flags |= HB_IN_SYNC | HB_GRANT;
    peer.link_boot = OUR_BOOT;
    status();
    pass(300, true, true);
    if (f.role_tell) {
        last[HA_ACT_TELL].tell.id = f.role_tell;
        answer(true);
    }
    while (f.flight_id) {
        last[HA_ACT_SAVE].save.id = f.flight_id;
        saved(true);
    }
    pass(300, true, true);
}

/* ---- the rules -------------------------------------------------------------------------------------------- */

static void test_times(void) {
    struct ha_timing t;
    ha_timing_default(&t);
    ok(ha_timing_wrong(&t) == NULL, "the default times agree with each other");
    ha_timing_fast(&t);
    ok(ha_timing_wrong(&t) == NULL, "so do the fast ones");
    ok(t.path_ms == 60 && t.fresh_ms == 50,
       "where demote-time leaves no room for 4 beats it is less");
    t.path_ms = 80;
    ok(ha_timing_wrong(&t) != NULL, "the gateway's word must count before the lease ends");
    ha_timing_derive(&t);
    t.demote_ms = t.dead_ms;
    ok(ha_timing_wrong(&t) != NULL, "demote-time must be shorter than dead-time");
    ha_timing_default(&t);
    t.grant_ms = t.dead_ms;
    ok(ha_timing_wrong(&t) != NULL, "grant-time must be longer than dead-time");
}

static void test_names(void) {
    int missing = 0;
    for (int k = 0; k < HA_EVENTS; k++) missing += ha_event_name((enum ha_event_kind)k) == NULL;
    for (int k = 0; k < HA_ACTIONS; k++) missing += ha_action_name((enum ha_action_kind)k) == NULL;
    for (int k = 0; k < HA_TELLS; k++) missing += ha_tell_name((enum ha_tell)k) == NULL;
    for (int k = 0; k < HA_SYNCS; k++) missing += ha_sync_name((enum ha_sync)k) == NULL;
    for (int k = 0; k < HA_ALARMS; k++) missing += ha_alarm_name((enum ha_alarm)k) == NULL;
    for (int k = 0; k < HA_STATES; k++) missing += ha_state_name((enum ha_state)k) == NULL;
    is_int(missing, 0, "everything has a name");
}

static void test_settled(void) {
    settled_master();
    is_int(f.state, HA_MASTER,
           "a master that only had its daemon restarted serves on by its record");
    is_int(f.sync, HA_SYNC_IN, "and takes its slave back, step by step");
    ok(f.lease > now && f.vip, "it has a lease and the VIP");
    pass(50, true, true);
    ok(last[HA_ACT_BEAT].beat.flags & HB_GRANT, "it gives grants");
    settled_slave();
    ok(f.state == HA_SLAVE && f.in_sync,
       "a slave believes the verdict that names its server's start");
    ok(now - f.grant_at < 150 * HA_MS && f.grant_at < now, "a grant is dated by our own heartbeat");
    ok(broken == NULL, "nothing broke on the way%s%s", broken ? ": " : "", broken ? broken : "");
}

static void test_lease(void) {
    settled_master();
    echo = false; /* it is heard, but hears us no more */
    pass(360, true, true);
    is_int(f.state, HA_SUSPENDED, "rule 1: a master that hears a peer that does not hear it stops");
    ok(f.lease == HA_NEVER && given[HA_ACT_LEASE] + given[HA_ACT_VIP_DROP] >= 0 && !f.vip,
       "lease and VIP are gone");
    settled_master();
    pass(900, false, true);
    is_int(f.state, HA_MASTER,
           "rule 1: while the peer is silent the gateway's answer keeps the lease");
    settled_master();
    pass(400, false, false);
    is_int(f.state, HA_SUSPENDED, "rule 3: neither peer nor gateway: suspended at demote-time");
    pass(20000, false, true);
    is_int(f.state, HA_SUSPENDED, "rule 3: time and the gateway never end a suspension");
    pass(200, true, true);
    is_int(f.state, HA_MASTER, "the peer's word does");
}

static void test_claim(void) {
    settled_master();
    peer.claim = ha_epoch(4, 1);
    peer.state = HA_PROMOTING;
    hear(HA_PATH_SERVICE);
    is_int(f.state, HA_SUSPENDED, "rule 2: a claim above its epoch stops a master");
    ok(strstr(first_log, "master -> suspended") && strstr(first_log, "3/a"),
       "the transition says from, to and epoch");
    pass(3000, true, true);
    is_int(f.state, HA_SUSPENDED, "and it does not resume while the claim stands");
}

/* Rule 4, in order; each step waits for the one before. */
static void test_losing_the_slave(void) {
    settled_master();
    pass(220, false, true);
    is_int(f.sync, HA_SYNC_LOST, "a silent slave is given up after 4 beats");
    pass(700, false, true);
    is_int(f.sync, HA_SYNC_LOST, "nothing is released while its grant could be valid");
    for (int i = 0; i < 20 && f.sync == HA_SYNC_LOST; i++) pass(10, false, true);
    is_int(f.sync, HA_SYNC_FSYNC, "then the log is fsynced");
    ok(tells == 2 && told[0] == HA_TELL_PAUSE && told[1] == HA_TELL_FSYNC,
       "with writes paused, so that it covers all that is released");
    answer(true);
    is_int(f.sync, HA_SYNC_NOTE_OUT, "then the record is written");
    is_int(last[HA_ACT_SAVE].save.record.peer_outdated, 1, "which says: peer outdated");
    pass(100, false, true);
    is_int(f.sync, HA_SYNC_NOTE_OUT, "and waited for");
    saved(true);
    ok(f.sync == HA_SYNC_RELEASE && told[0] == HA_TELL_ALONE, "then the server is told to release");
    last[HA_ACT_TELL].tell.id = f.sync_tell;
    answer(true);
    is_int(f.sync, HA_SYNC_SOLO, "then it is alone");
    server.alone = true;
    pass(5000, false, false);
    is_int(f.state, HA_MASTER, "rule 3: alone by its record it needs no witness");
    is_int(f.grant_sent < now - 1000 * HA_MS, 1, "and no grant is out");
}

static void test_failed_fsync(void) {
    settled_master();
    for (int i = 0; i < 200 && f.sync != HA_SYNC_FSYNC; i++) pass(10, false, true);
    answer(false);
    is_int(f.sync, HA_SYNC_LOST, "a failed fsync releases nothing");
    ok(f.alarms & 1u << HA_ALARM_FSYNC, "raises an alarm");
    pass(3000, false, true);
    is_int(f.sync, HA_SYNC_LOST, "and is not retried and forgotten");
}

/* The two counters: silence of the server counts only while we ran ourselves. */
static void test_server_counters(void) {
    settled_master();
    struct ha_event ev = {.kind = HA_EV_TICK};
    ev.tick.server_at = ev.tick.executor_at = now;
    now += 300 * HA_MS;
    hear(HA_PATH_CROSSOVER);
    gateway();
    step(&ev);
    is_int(f.state, HA_MASTER,
           "after a stall of both, the server is not blamed for running later than had");
    for (int i = 0; i < 12; i++) {
        now += 10 * HA_MS;
        if (i % 4 == 0) hear(HA_PATH_CROSSOVER);
        step(&ev);
    }
    is_int(f.state, HA_MASTER, "a server that is silent for less than 150 ms is only slow");
    for (int i = 0; i < 4; i++) {
        now += 10 * HA_MS;
        hear(HA_PATH_CROSSOVER);
        step(&ev);
    }
    is_int(f.state, HA_YIELDED, "silent for longer it is dead or stopped: handed over");
    settled_master();
    ev.tick.executor_at = now;
    for (int i = 0; i < 1400; i++) {
        now += 10 * HA_MS;
        ev.tick.server_at = now;
        if (i == 500) peer.session = 0;
        if (i % 4 == 0) hear(HA_PATH_CROSSOVER), gateway();
        step(&ev);
    }
    is_int(f.state, HA_MASTER, "an executor that is busy for 14 s is not dead");
    is_int(f.sync, HA_SYNC_IN,
           "and gives no verdict on the slave, whose stream it lets fall silent");
    for (int i = 0; i < 120; i++) {
        now += 10 * HA_MS;
        ev.tick.server_at = now;
        if (i % 4 == 0) hear(HA_PATH_CROSSOVER), gateway();
        step(&ev);
    }
    is_int(f.state, HA_YIELDED, "so that after 15 s, when it hangs, the slave is given the role");
}

static void test_told_outdated(void) {
    settled_master();
    peer.flags &= ~HB_HEALTHY;
    pass(60, true, true);
    is_int(f.sync, HA_SYNC_LOST, "a slave whose server is not well is given up at once");
    uint64_t verdict = last[HA_ACT_BEAT].beat.outdate;
    ok(verdict != 0, "it is told so");
    pass(300, true, true);
    is_int(f.sync, HA_SYNC_LOST, "until it says that it knows, nothing is released");
    peer.said = verdict;
    pass(60, true, true);
    is_int(f.sync, HA_SYNC_FSYNC, "then the release begins, long before the grant expires");
}

static void test_takeover(void) {
    settled_slave();
    pass(600, false, true);
    is_int(f.state, HA_PROMOTING, "rule 2: silence, a grant, the gateway, in sync: it promotes");
    ok(last[HA_ACT_BEAT].beat.claim == ha_epoch(4, 0),
       "and claims the next epoch before it is on disk");
    ok(f.lease == HA_NEVER && !given[HA_ACT_VIP_TAKE], "it does not serve yet");
    answer(true);
    is_int(last[HA_ACT_SAVE].save.record.epoch == ha_epoch(4, 0), 1,
           "rule 5: fsync, then the record");
    saved(true);
    ok(told[0] == HA_TELL_MASTER && told[2] == HA_TELL_ALONE, "then the server");
    ok(f.lease == HA_NEVER, "still no lease");
    answer(true);
    ok(f.state == HA_MASTER && f.lease > now && given[HA_ACT_VIP_TAKE], "and then it serves");

    settled_slave();
    pass(600, false, true);
    answer(true);
    saved(true);
    struct ha_event refused = {.kind = HA_EV_TOLD};
    refused.told.id = last[HA_ACT_TELL].tell.id - 2;
    step(&refused);
    ok(f.state == HA_BOOT && f.lease == HA_NEVER,
       "a server that refuses to be master is not served with");

    settled_slave();
    pass(2000, false, false);
    is_int(f.state, HA_SLAVE, "without the gateway it does not");
    settled_slave();
    peer.flags &= ~HB_GRANT;
    pass(1100, true, true);
    pass(3000, false, true);
    is_int(f.state, HA_SLAVE, "without a young grant it does not");
    settled_slave();
    server.boot++;
    pass(3000, false, true);
    is_int(f.state, HA_SLAVE, "after a restart of its server it does not");
    settled_slave();
    pass(450, false, true);
    step(&(struct ha_event){.kind = HA_EV_VIP_FOREIGN});
    pass(100, false, true);
    is_int(f.state, HA_SLAVE, "while another machine answers for the VIP it does not");
    settled_slave();
    now += 700 * HA_MS; /* it did not run */
    gateway();
    tick();
    is_int(f.state, HA_SLAVE, "a silence in which it did not run itself does not count");
}

static void answered_by(unsigned which) {
    struct ha_event ev = {.kind = HA_EV_GATEWAY};
    ev.gateway.sent_at = now;
    ev.gateway.which = which;
    step(&ev);
}

/* The master is silent for so long; which of gateway and references answer us all the while: bits. */
static void silence(int span_ms, unsigned answers) {
    for (int i = 0; i < span_ms / 50; i++) {
        for (unsigned w = 0; w < 2; w++)
            if (answers >> w & 1) answered_by(w);
        pass(50, false, false);
    }
}

/* A split service network may leave the master a reference, and us the gateway. */
static void test_references(void) {
    settled_slave();
    peer.outside = 3;
    answered_by(1);
    pass(200, true, true);
    silence(900, 1);
    is_int(f.state, HA_SLAVE,
           "rule 2: what answered the master and not us may keep it alive: no promotion");
    settled_slave();
    peer.outside = 3;
    pass(200, true, true);
    silence(700, 3);
    is_int(f.state, HA_PROMOTING, "when all that it saw answers us, we promote");
    settled_slave();
    peer.outside = 1;
    pass(200, true, true);
    silence(700, 3);
    is_int(f.state, HA_PROMOTING, "what only we see does not matter");
    settled_slave();
    peer.outside = 2; /* the gateway was dead before the master */
    answered_by(1);
    pass(200, true, false);
    silence(700, 2);
    is_int(f.state, HA_PROMOTING, "a reference stands for a gateway that nobody sees any more");

    settled_master();
    answered_by(1);
    pass(50, true, true);
    ok(!(last[HA_ACT_BEAT].beat.flags & HB_GRANT),
       "a master that sees more than its slave gives no grant");
    is_int(last[HA_ACT_BEAT].beat.outside, 3, "and says what it sees");
    struct ha_view v;
    ha_fsm_view(&f, now, &v);
    ok(!v.takeover_on && strstr(v.takeover_why, "reference"), "with the reason: %s",
       v.takeover_why);
    peer.outside = 3;
    answered_by(1);
    pass(50, true, true);
    ok(last[HA_ACT_BEAT].beat.flags & HB_GRANT, "it does when the slave sees the same");
}

static void test_permit(void) {
    settled_slave();
    peer.state = HA_YIELDED;
    peer.flags &= ~HB_GRANT;
    peer.permit = ha_epoch(4, 0);
    peer.permit_boot = OUR_BOOT + 1;
    pass(200, true, true);
    is_int(f.state, HA_SLAVE, "rule 6: a permit for an earlier start of its server is void");
    peer.permit_boot = OUR_BOOT;
    pass(60, true, true);
    is_int(f.state, HA_PROMOTING, "one for this start is taken at once");
    begin((struct ha_record){0}, 1);
    peer.state = HA_SUSPENDED;
    peer.epoch = ha_epoch(3, 0);
    peer.permit = ha_epoch(4, 1);
    peer.permit_boot = OUR_BOOT;
    pass(3000, true, true);
    is_int(f.state, HA_BOOT, "a node without a record never promotes");
    ok(f.permit != 0, "it yields to one that has a record");
}

static void test_boot(void) {
    begin((struct ha_record){.epoch = ha_epoch(3, 0), .was_master = 1}, 0);
    pass(10000, false, true);
    is_int(f.state, HA_BOOT, "rule 6: a master that had a slave in sync waits when it boots alone");
    ok(f.alarms & 1u << HA_ALARM_WAITING, "and says so");
    begin((struct ha_record){.epoch = ha_epoch(3, 0), .was_master = 0}, 0);
    pass(10000, false, true);
    is_int(f.state, HA_BOOT, "a slave that boots alone waits too");
    begin((struct ha_record){.epoch = ha_epoch(3, 0), .was_master = 1, .peer_outdated = 1}, 0);
    pass(1400, false, true);
    is_int(f.state, HA_BOOT,
           "one that can prove that nobody is ahead waits a moment for the other");
    pass(300, false, true);
    is_int(f.state, HA_PROMOTING, "and then serves");
    last[HA_ACT_TELL].tell.id = f.claim_wait;
    answer(false);
    is_int(f.state, HA_BOOT, "a promotion whose fsync fails is taken back");
    ok(f.claim == 0, "its claim falls");
    begin((struct ha_record){.epoch = ha_epoch(3, 0), .was_master = 1, .peer_outdated = 1}, 0);
    peer.epoch = ha_epoch(3, 0);
    peer.flags &= ~HB_RANKED;
    pass(2500, true, true);
    is_int(f.state, HA_BOOT, "with a peer whose server still loads it waits");
    pass(800, true, true);
    is_int(f.state, HA_PROMOTING, "but not for ever: it has the proof");
    begin((struct ha_record){.epoch = ha_epoch(3, 0)}, 1);
    server.whole = false;
    peer.epoch = ha_epoch(3, 0);
    pass(300, true, true);
    ok(f.state == HA_BOOT && f.permit != 0,
       "whose copy was never finished yields, whatever its offset");
}

static void test_switchover(void) {
    settled_master();
    command(HA_CMD_SWITCHOVER);
    ok(tells == 1 && told[0] == HA_TELL_PAUSE, "a switchover pauses writes first");
    server.offset += 500;
    answer(true);
    pass(100, true, true);
    is_int(f.state, HA_MASTER, "it waits until the slave holds everything");
    server.acked = server.offset;
    pass(20, true, true);
    is_int(f.state, HA_YIELDED, "and then yields by a permit");
    ok(f.permit == ha_epoch(4, 1) && f.permit_boot == PEER_BOOT, "that names epoch and boot");
    peer.state = HA_MASTER;
    peer.epoch = ha_epoch(4, 1);
    hear(HA_PATH_CROSSOVER);
    ok(f.state == HA_SLAVE && last[HA_ACT_ANSWER].answer.ok, "the other one promoted: done");
    ok(!given[HA_ACT_TELL], "the server is told only once the demotion is on disk");
    settled_master();
    command(HA_CMD_SWITCHOVER);
    server.offset += 500;
    answer(true);
    pass(2100, true, true);
    ok(f.state == HA_MASTER && !last[HA_ACT_ANSWER].answer.ok,
       "a slow slave: it is aborted cleanly");
    settled_slave();
    command(HA_CMD_SWITCHOVER);
    ok(given[HA_ACT_ANSWER] == 1 && !last[HA_ACT_ANSWER].answer.ok,
       "on a slave it is refused with a reason");
}

static void test_maintenance(void) {
    settled_slave();
    command(HA_CMD_MAINTENANCE_ON);
    is_int(given[HA_ACT_ANSWER], 0, "maintenance is answered when it is on disk");
    last[HA_ACT_SAVE].save.id = f.flight_id;
    saved(true);
    ok(last[HA_ACT_ANSWER].answer.ok && f.disk.maintenance, "and then holds");
    pass(3000, false, true);
    is_int(f.state, HA_SLAVE, "in maintenance nobody takes over by himself");
    command(HA_CMD_FORCE);
    is_int(f.state, HA_PROMOTING, "but an operator may");
}

/* Rule 3: whatever the two clocks do within their bound, the slave's right has ended when the master calls it expired. */
static void test_margin(void) {
    settled_master();
    int64_t t = f.grant_sent, earliest = 0;
    for (int64_t us = 0; us < 30000 && !earliest; us += 10) {
        now = t + 1000 * HA_MS + us * 1000;
        f.last_tick = now;
        struct ha_fsm copy = f;
        copy.sync = HA_SYNC_LOST;
        copy.in_sync = false;
        struct ha_event ev = {.kind = HA_EV_TICK};
        ev.tick.server_at = ev.tick.executor_at = now;
        copy.lease = now + HA_MS;
        ha_fsm_step(&copy, &ev, now);
        if (copy.sync == HA_SYNC_FSYNC) earliest = now - t;
    }
    /* the master's clock runs 0.1 % fast, the slave's 0.1 % slow */
    double truly = (double)earliest / 1.001, slave = 1000e6 / 0.999;
    ok(earliest != 0 && truly > slave + 10e6,
       "margin: a grant is called expired %.1f ms after it truly is", (truly - slave) / 1e6);
}

static void test_ignored(void) {
    settled_slave();
    struct ha_event ev = {.kind = HA_EV_OPERATOR};
    ev.op.command = HA_CMD_RESUME;
    ev.op.id = 3;
    step(&ev);
    ok(!last[HA_ACT_ANSWER].answer.ok && f.state == HA_SLAVE,
       "resume is for a suspended master only");
    uint64_t before = f.counts[HA_COUNT_REPLAYED];
    peer.seq--;
    hear(HA_PATH_SERVICE);
    is_int(f.counts[HA_COUNT_REPLAYED], before + 1,
           "a repeated heartbeat is counted and changes nothing");
}

/* ---- every single step ------------------------------------------------------------------------------------------ */

enum { BITS = 15, EVENTS = 14 };

/* A node in `state`, with each thing that a guard asks about on or off. */
static void compose(enum ha_state state, unsigned bits) {
    bool b[BITS];
    for (int i = 0; i < BITS; i++) b[i] = bits >> i & 1;
    bool master = state == HA_MASTER || state == HA_SUSPENDED || state == HA_YIELDED;
    bool proof = b[0] && state != HA_YIELDED;
    begin((struct ha_record){.epoch = ha_epoch(3, 0),
                             .was_master = master || b[1],
                             .peer_outdated = proof},
          b[2]);
    f.state = state;
    f.adopted = b[3];
    f.server_up = b[4];
    f.server = server;
    f.server.boot = OUR_BOOT;
    f.server.role = master ? HA_SERVER_MASTER : HA_SERVER_SLAVE;
    f.server.epoch = f.disk.epoch;
    f.server.alone = b[5];
    f.server_died = b[6] && master;
    f.whole_boot = OUR_BOOT;
    f.peer_known = b[7];
    f.peer = peer;
    f.peer.state = (uint8_t)(bits % HA_STATES);
    f.peer.epoch = f.disk.epoch;
    f.window.life = PEER_LIFE;
    f.heard_at = now - (b[8] ? 20 : 600) * HA_MS;
    f.echo_at = now - (b[9] ? 30 : 700) * HA_MS;
    f.gateway_at = now - (b[10] ? 30 : 400) * HA_MS;
    f.gateway_since = b[10] ? now - 5000 * HA_MS : INT64_MAX;
    f.path_at[0] = f.path_at[1] = f.heard_at;
    f.gap_end = f.started_at = now - 5000 * HA_MS;
    f.last_tick = now - 10 * HA_MS;
    f.grant_at = now - (b[11] ? 400 : 1200) * HA_MS;
    f.grant_sent = f.grant_at;
    f.in_sync = b[12] && !proof;
    f.sync = f.in_sync ? HA_SYNC_IN : proof ? HA_SYNC_SOLO : HA_SYNC_LOST;
    f.sync_boot = PEER_BOOT;
    f.vip_foreign_at = b[13] ? HA_NEVER : now - 50 * HA_MS;
    for (int i = 0; i < 4; i++) f.vip_asked[f.vip_asks++] = now - (60 + 40 * i) * HA_MS;
    if (state == HA_PROMOTING) f.claim = ha_epoch(4, b[2]), f.claim_wait = 1;
    if (state == HA_MASTER) f.lease = now + 100 * HA_MS, f.vip = b[14];
    if (state == HA_YIELDED)
        f.permit = b[14] ? ha_epoch(4, 1) : 0, f.yielded_at = now - 600 * HA_MS;
    f.suspended_at = now - 300 * HA_MS;
    f.seq = 9;
    f.sent_at[9] = now - 20 * HA_MS;
    f.tell_id = f.save_id = 1;
}

static void one_event(int kind, unsigned bits) {
    peer.state = (uint8_t)(kind % HA_STATES);
    peer.epoch = peer.known = bits & 1 ? ha_epoch(4, 1) : ha_epoch(3, 0);
    peer.permit = bits & 2 ? ha_epoch(4, 0) : 0;
    peer.permit_boot = OUR_BOOT;
    if (peer.state == HA_PROMOTING) peer.claim = ha_epoch(4, 1);
    if (peer.state == HA_MASTER && bits & 4) peer.flags |= HB_GRANT | HB_IN_SYNC;
    struct ha_event ev = {.kind = HA_EV_TOLD};
    switch (kind) {
    case 6: tick(); break;
    case 7: status(); break;
    case 8: step(&(struct ha_event){.kind = HA_EV_SERVER_DIED}); break;
    case 9:
        ev.told.id = 1;
        ev.told.ok = bits & 1;
        step(&ev);
        break;
    case 10: command(HA_CMD_SWITCHOVER); break;
    case 11: command(HA_CMD_FORCE); break;
    case 12: command(HA_CMD_RESUME); break;
    case 13: step(&(struct ha_event){.kind = HA_EV_VIP_FOREIGN}); break;
    default: hear(HA_PATH_SERVICE); break;
    }
}

static const char *wrong_step(const struct ha_fsm *was, int kind) {
    bool entered = f.state == HA_MASTER && was->state != HA_MASTER;
    if (broken) return broken;
    if (given[HA_ACT_LEASE] && last[HA_ACT_LEASE].lease.until != HA_NEVER && f.state != HA_MASTER)
        return "a lease for a node that is not master";
    if (given[HA_ACT_VIP_TAKE] && f.lease <= now) return "the VIP without a lease";
    if (f.state != was->state && !given[HA_ACT_LOG])
        return "a transition without a line in the log";
    if (was->state == HA_SLAVE && entered) return "a slave that serves before its epoch is on disk";
    if (was->state == HA_BOOT && entered && !was->disk.peer_outdated)
        return "a start that serves without a proof";
    bool asked = kind < 6 || kind == 11; /* a permit, or the operator */
    if (f.state == HA_PROMOTING && was->state == HA_SLAVE && !asked &&
        (!was->in_sync || now - was->grant_at > 1000 * HA_MS || now - was->heard_at < 500 * HA_MS))
        return "a takeover without silence, in-sync and a young grant";
    if (was->state == HA_SUSPENDED && entered && kind == 6 && !was->disk.peer_outdated &&
        !was->peer_known)
        return "a suspended master that resumed without a word";
    return NULL;
}

static void test_every_step(void) {
    uint64_t steps = 0, moved = 0;
    const char *wrong = NULL;
    static struct ha_fsm was;
    for (int state = 0; state < HA_STATES; state++)
        for (unsigned bits = 0; bits < 1u << BITS; bits += tap_full() ? 1 : 3)
            for (int kind = 0; kind < EVENTS; kind++) {
                compose((enum ha_state)state, bits);
                was = f;
                one_event(kind, bits >> 5);
                steps++;
                moved += f.state != was.state;
                const char *w = wrong_step(&was, kind);
                if (w && !wrong) {
                    wrong = w;
                    fprintf(stderr, "# state %s bits %#x event %d: now %s; %s\n",
                            ha_state_name((enum ha_state)state), bits, kind, ha_state_name(f.state),
                            first_log);
                }
            }
    ok(wrong == NULL, "every single step: state x event x evidence%s%s", wrong ? ": " : "",
       wrong ? wrong : "");
    ok(moved > steps / 50, "%" PRIu64 " steps, %" PRIu64 " of them transitions", steps, moved);
}

int main(void) {
    test_times();
    test_names();
    test_settled();
    test_lease();
    test_claim();
    test_losing_the_slave();
    test_failed_fsync();
    test_server_counters();
    test_told_outdated();
    test_takeover();
    test_references();
    test_permit();
    test_boot();
    test_switchover();
    test_maintenance();
    test_margin();
    test_ignored();
    test_every_step();
    ok(broken == NULL, "the core stayed whole%s%s", broken ? ": " : "", broken ? broken : "");
    return done();
}
