/* See defrag.h. */
#include "server/defrag.h"

#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/latency.h"
#include "server/memory.h"
#include "server/server.h"

enum {
    STEP = 500,         /* allocations looked at: some 0.1 to 0.3 ms */
    PERIOD_MS = 100,    /* in which a share of the time is used */
    REST_PERIODS = 100, /* after passes that moved hardly anything: the rest cannot be helped */
    WORTHWHILE = 100    /* 1 in so many moved: a pass was worth another one */
};

static struct store_mover mover = {alloc_move, alloc_free_moved, 0, 0};
static struct defrag_counts counts;
static int share;        /* percent of the time; 0: not now */
static uint64_t left_ns; /* of this period's share */
static size_t pass_moved, pass_looked;
static int resting;

/* What Redis calls it: bytes of pages over bytes in use, in percent above 1. */
static int wanted_share(void) {
    const struct config *c = &server.config;
    size_t used, pages;
    memory_pages(&used, &pages);
    size_t waste = pages > used ? pages - used : 0;
    double percent = used ? (double)waste * 100 / (double)used : 0;
    if (!c->active_defrag || waste < c->defrag_ignore_bytes) return 0;
    if (percent < (double)c->defrag_lower) return 0;
    if (percent >= (double)c->defrag_upper) return (int)c->defrag_max;
    double way = (percent - (double)c->defrag_lower) / (double)(c->defrag_upper - c->defrag_lower);
    return (int)((double)c->defrag_min + way * (double)(c->defrag_max - c->defrag_min));
}

void defrag_cron(void) {
    if (resting) resting--;
    if (!share) counts.now_ns = 0;
    share = resting || server.loading || store_walking(server.store) ? 0 : wanted_share();
    left_ns = (uint64_t)share * PERIOD_MS * NS_PER_MS / 100;
}

static void end_pass(void) {
    size_t looked = mover.looked - pass_looked, moved = mover.moved - pass_moved;
    counts.passes++;
    if (moved * WORTHWHILE < looked) resting = REST_PERIODS;
    pass_looked = mover.looked;
    pass_moved = mover.moved;
}

bool defrag_step(void) {
    if (!share || !left_ns) return false;
    uint64_t began_ns = clock_boot_ns();
    if (!store_compact(server.store, &mover, STEP)) end_pass();
    uint64_t took_ns = clock_boot_ns() - began_ns;
    latency_event("active-defrag-cycle", took_ns);
    counts.ns += took_ns;
    counts.now_ns += took_ns;
    left_ns = took_ns < left_ns && !resting ? left_ns - took_ns : 0;
    return left_ns > 0;
}

int defrag_running(void) {
    return share;
}

struct defrag_counts defrag_counts(void) {
    counts.moved = mover.moved;
    counts.looked = mover.looked;
    return counts;
}
