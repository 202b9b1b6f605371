/* link: hactl/instance_join.c */
/* How one server comes to count with the others: each step, and what keeps it from the next. */
#include <string.h>

#include "hactl/instance_join.h"
#include "tests/unit/tap.h"

#define BIT (1ull << 3)

static struct instance_join j;
static struct ha_server s;
static struct instance_wish w;

static void fresh(enum ha_server_role role) {
    j = (struct instance_join){.hold_from = UINT64_MAX};
    s = (struct ha_server){.boot = 1, .whole = true, .alone = true};
    w = (struct instance_wish){
        .role = role, .epoch = 8, .peer_fresh = true, .peer_has = BIT | 1, .give_up_ns = 1000};
    strcpy(w.host, "10.0.0.1");
}

static void step(enum instance_step want, const char *what) {
    enum instance_step got = instance_next(&j, &s, &w, BIT);
    if (!ok(got == want, "%s", what)) printf("# got step %d, not %d\n", (int)got, (int)want);
}

static void on_a_slave(void) {
    fresh(HA_SERVER_SLAVE);
    s.loading = true;
    step(INSTANCE_WAIT, "one that loads is told nothing");
    s.loading = false;
    step(INSTANCE_SLAVE, "on a slave a new one is told to follow");
    s.role = HA_SERVER_SLAVE;
    s.epoch = 8;
    s.whole = false;
    step(INSTANCE_WAIT, "its first copy is under way");
    ok(strstr(instance_join_why(&j, &s, &w, BIT), "first copy"), "and it says so");
    s.session = 77;
    step(INSTANCE_WAIT, "a copy that is not complete does not count");
    s.whole = true;
    s.session = 0;
    step(INSTANCE_WAIT, "nor one without a link");
    s.session = 77;
    strcpy(w.host, "10.0.0.2");
    step(INSTANCE_SLAVE, "another way to the master is followed");
    w.peer_has = 1;
    step(INSTANCE_WAIT, "it does not count while the master does not have it");
    w.peer_has |= BIT;
    step(INSTANCE_COUNT, "complete and streaming, it counts");
    is_str(instance_join_why(&j, &s, &w, BIT), "", "and waits for nothing");
    step(INSTANCE_WAIT, "and goes on counting");
    w.peer_has = 0;
    step(INSTANCE_WAIT, "a peer that does not say what it has changes nothing");
    w.peer_has = 1;
    w.peer_fresh = false;
    step(INSTANCE_WAIT, "nor does one that is not heard");
    w.peer_fresh = true;
    step(INSTANCE_LET_GO, "one that the master does not have any more is let go");
    ok(!j.counted, "and does not count");
    w.peer_has = BIT | 1;
    strcpy(j.host, w.host);
    j.told_once = j.counted = true;
    s.session = 0;
    w.peer_counts = 1;
    step(INSTANCE_LET_GO, "nor does one without a link that the master does not count");
    step(INSTANCE_SLAVE, "it goes on following");
    w.role = HA_SERVER_MASTER;
    step(INSTANCE_MASTER, "and may become master: it was complete");
}

static void on_a_master(void) {
    fresh(HA_SERVER_MASTER);
    w.in_sync = true;
    step(INSTANCE_MASTER, "on a master a new one is told to be master");
    s.role = HA_SERVER_MASTER;
    s.epoch = 7;
    step(INSTANCE_MASTER, "of this epoch");
    s.epoch = 8;
    step(INSTANCE_WAIT, "then it waits for its slave");
    s.in_sync_link = true;
    s.session = 5;
    step(INSTANCE_WAIT, "until the slave counts it");
    w.peer_counts = BIT | 1;
    s.offset = 1000000;
    step(INSTANCE_WAIT, "and is nearly where it is");
    s.acked = 990000;
    step(INSTANCE_HOLD, "then it holds replies");
    s.alone = false;
    step(INSTANCE_WAIT, "and waits for what was released before");
    s.acked = 999999;
    s.offset = 2000000;
    step(INSTANCE_WAIT, "to the last byte");
    s.acked = 1000000;
    step(INSTANCE_COUNT, "then it counts");
}

static void what_stops_it(void) {
    fresh(HA_SERVER_MASTER);
    w.in_sync = true;
    w.peer_counts = BIT;
    s.role = HA_SERVER_MASTER;
    s.epoch = 8;
    s.in_sync_link = true;
    s.session = 5;
    s.alone = false;
    step(INSTANCE_COUNT, "held, and nothing was ever written: it counts");
    j.counted = false;
    s.offset = 10;
    step(INSTANCE_WAIT, "ten bytes behind it waits");
    s.held = 1;
    s.held_oldest_ns = 1001;
    step(INSTANCE_RELEASE, "a slave that does not acknowledge is given up, nothing is held");
    s.alone = true;
    s.held = 0;
    step(INSTANCE_HOLD, "and tried again");
    s.alone = false;
    w.in_sync = false;
    step(INSTANCE_RELEASE, "when the others lose their slave, it holds nothing");
    s.alone = true;
    w.solo = true;
    step(INSTANCE_COUNT, "alone with the others, it comes back with them");
    s.session = 0;
    w.peer_has = 1;
    step(INSTANCE_LET_GO, "unless the slave that came back does not have it");
    fresh(HA_SERVER_SLAVE);
    step(INSTANCE_SLAVE, "one that began to follow here");
    s.role = HA_SERVER_SLAVE;
    s.epoch = 8;
    w.role = HA_SERVER_MASTER;
    step(INSTANCE_NONE, "is not made master with what may be half a copy: nobody reads it");
    s.role = HA_SERVER_NONE;
    step(INSTANCE_WAIT, "and waits");
    ok(strstr(instance_join_why(&j, &s, &w, BIT), "first copy was not complete"), "and says why");
    fresh(HA_SERVER_NONE);
    step(INSTANCE_WAIT, "without a role nothing is told");
    j.leaving = true;
    s.role = HA_SERVER_MASTER;
    s.alone = false;
    step(INSTANCE_RELEASE, "one that leaves holds nothing back");
}

int main(void) {
    on_a_slave();
    on_a_master();
    what_stops_it();
    return done();
}
