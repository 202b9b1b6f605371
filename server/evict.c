/* See evict.h. Whom to evict is store/victims.h's; here are when, how long, and who is told. */
#include "server/evict.h"

#include <math.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/dispatch.h"
#include "server/latency.h"
#include "server/memory.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/server.h"
#include "server/store/victims.h"

struct policy {
    enum victim_rule rule;
    bool expiring_only, none;
};

/* Numbered as config_table.c lists them. */
static const struct policy policies[] = {
    {VICTIM_OLDEST, true, false},  {VICTIM_RAREST, true, false},  {VICTIM_ANY, true, false},
    {VICTIM_SOONEST, true, false}, {VICTIM_OLDEST, false, false}, {VICTIM_RAREST, false, false},
    {VICTIM_ANY, false, false},    {VICTIM_ANY, false, true}};

static struct victims *victims;
static bool more;

static bool is_full(void) {
    return memory_counted() > server.config.maxmemory;
}

/* A slave's data are its master's; a pause and a lapsed lease keep everything as it is. */
static bool may_evict(void) {
    if (!server.repl || server_loading() || server_paused()) return false;
    if (server.write_failure || !pair_may_serve()) return false;
    return server.role == REPL_MASTER ||
           (server.role == REPL_SLAVE && !server.config.slave_ignores_maxmemory);
}

static void evict(int db, struct entry *e) {
    drop_key(db, e, NOTIFY_EVICTED, "evicted");
    server.stats.evicted_keys++;
    persist_count_changes(server.persist, 1);
}

/* As redis.conf says it: 0 never waits long, 10 is 0.5 ms, 100 without end. */
static uint64_t limit_ns(void) {
    int64_t tenacity = server.config.eviction_tenacity;
    if (tenacity <= 10) return (uint64_t)tenacity * 50000;
    if (tenacity >= 100) return UINT64_MAX;
    return (uint64_t)(500000.0 * pow(1.15, (double)tenacity - 10));
}

static void follow_policy(int policy) {
    static int last = -1;
    if (!victims) victims = victims_new();
    if (policy != last) victims_forget(victims);
    last = policy;
}

enum outcome { ROOM, NOT_YET, NO_VICTIM };

static enum outcome evict_for_a_while(void) {
    enum { LOOK_AT_CLOCK = 16 };
    const struct policy *p = &policies[server.config.maxmemory_policy];
    if (p->none) return NO_VICTIM;
    uint64_t began_ns = clock_boot_ns(), limit = limit_ns();
    int64_t now_ms = clock_wall_ms();
    follow_policy(server.config.maxmemory_policy);
    for (unsigned n = 1; is_full(); n++) {
        int db;
        struct entry *e = victims_next(victims, server.store, p->rule, p->expiring_only,
                                       (unsigned)server.config.maxmemory_samples, now_ms, &db);
        if (!e) return NO_VICTIM;
        evict(db, e);
        if (n % LOOK_AT_CLOCK == 0 && clock_boot_ns() - began_ns > limit)
            return is_full() ? NOT_YET : ROOM;
    }
    return ROOM;
}

/* Nobody is left to evict, but what was flushed or deleted may still be on its way out: nobody is refused for the
 * sake of memory that is coming free. */
static enum outcome take_back(void) {
    enum { A_STEP = 1000 };
    uint64_t began_ns = clock_boot_ns(), limit = limit_ns();
    bool left = store_doomed(server.store) != 0;
    while (is_full() && left && clock_boot_ns() - began_ns <= limit)
        left = store_work(server.store, A_STEP) || store_doomed(server.store);
    if (!is_full()) return ROOM;
    return left ? NOT_YET : NO_VICTIM;
}

static uint64_t over_since_ns; /* 0: it is not */

static void note_over(bool over) {
    uint64_t now_ns = over || over_since_ns ? clock_boot_ns() : 0;
    if (over && !over_since_ns) over_since_ns = now_ns;
    if (over || !over_since_ns) return;
    server.stats.over_limit_ns += now_ns - over_since_ns;
    over_since_ns = 0;
}

uint64_t evict_over_limit_ns(void) {
    return over_since_ns ? clock_boot_ns() - over_since_ns : 0;
}

bool evict_make_room(void) {
    bool full = server.config.maxmemory && is_full();
    /* While messages about keys just evicted wait to be written, their bytes must not evict more keys. */
    if (full && output_any_pushes()) return more = true;
    if (full) {
        memory_sample_again();
        full = is_full();
    }
    if (!full) {
        if (over_since_ns) note_over(false);
        return true;
    }
    if (server.role == REPL_SLAVE && server.config.slave_ignores_maxmemory) return true;
    if (!may_evict()) return true;
    uint64_t began_ns = clock_boot_ns();
    enum outcome outcome = evict_for_a_while();
    if (outcome == NO_VICTIM) outcome = take_back();
    latency_event("eviction-cycle", clock_boot_ns() - began_ns);
    note_over(outcome != ROOM);
    more = outcome == NOT_YET;
    return outcome != NO_VICTIM;
}

bool evict_go_on(void) {
    if (more) evict_make_room();
    return more;
}
