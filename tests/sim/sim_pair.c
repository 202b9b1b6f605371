/* link: tests/sim/world.c tests/sim/node.c tests/sim/server.c tests/sim/arbiter.c tests/sim/plan.c tests/sim/runs.c tests/sim/clauses.c tests/sim/agree.c hactl/witness_pair.c hactl/heartbeat.c hactl/ha_fsm.c
   hactl/ha_evidence.c hactl/ha_out.c hactl/ha_master.c hactl/ha_sync.c hactl/ha_slave.c hactl/ha_elect.c
   hactl/ha_view.c hactl/ha_names.c hactl/ha_arbiter.c hactl/ha_rails.c hactl/ha_operator.c server/base/hmac.c */
/* timeout: 600. Schedules of faults over the pair: every single fault, every ordered pair, by seeds. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/runs.h"

/* ---- availability: one fault at one node or on one link never stops writes for long, in the simulation's time ---- */

#define GAP_LIMIT_MS                                                                               \
    1800 /* grant-time, 3 beats, and the slowest fsync and record that the simulated disk knows */

static bool short_gaps(uint64_t seeds) {
    struct tally worst = {0};
    char what[120], faults[SPELT];
    for (int k = 0; k < F_MODEL_KINDS; k++) {
        enum fault_kind kind = (enum fault_kind)k;
        if (kind == F_SW) continue; /* no client reaches anybody */
        for (uint64_t n = 0; n < seeds; n++) {
            struct schedule s = make(&kind, 1, n);
            one(&s, &worst);
        }
    }
    spell(&worst.worst, faults);
    printf("# single faults: the longest time without an acknowledged write is %.0f ms (seed %llu, "
           "%s)\n",
           (double)worst.gap / 1e6, (unsigned long long)worst.worst.seed, faults);
    snprintf(what, sizeof what, "%swrites go on soon after any single fault",
             rules.fast ? "profile fast: " : "");
    return line(worst.gap < GAP_LIMIT_MS * HA_MS, what);
}

/* ---- weather: what is not a fault changes no role ----------------------------------------------------------------------- */

static bool weather(const char *name, struct rules r, int minutes, bool may_stop) {
    int changes = 0, stops = 0;
    bool bad = false;
    char what[160];
    for (int m = 0; m < minutes; m++) {
        struct schedule s = {.seed = (uint64_t)m, .faults = 1};
        s.fault[0] = (struct fault){.kind = F_NONE, .at_ms = 1000, .lasts_ms = 59000};
        world_run(&world, &s, &r, false);
        changes += world.node[0].record.epoch != ha_epoch(1, 0);
        stops += world.stops;
        bad |= world.two_writers_at >= 0 || world.lost ||
               world.broken; /* the weather goes on to the end */
    }
    printf("# %s, %d minutes: %d ended with another master, %d times a master stopped serving\n",
           name, minutes, changes, stops);
    snprintf(what, sizeof what, "%s: no role changes%s", name,
             may_stop ? "" : " and the master never stops");
    return line(!changes && !bad && (may_stop || !stops), what);
}

static bool all_weather(int minutes) {
    bool good = weather("20 % loss on every path", (struct rules){.loss = .2}, minutes, false);
    good &= weather("200 ms jitter", (struct rules){.jitter_ms = 200}, minutes, false);
    good &= weather("stalls of 300 ms", (struct rules){.stall_ms = 300}, minutes, true);
    good &= weather("all three together",
                    (struct rules){.loss = .2, .jitter_ms = 200, .stall_ms = 300}, minutes, true);
    return good;
}

/* ---- campaigns ----------------------------------------------------------------------------------------- */

/* What pairs are made of, and the share of the schedules that each kind of pair gets, in percent. */
static const struct topology {
    const char *name;
    int percent;
    bool many;
    struct rules rules;
} topologies[] = {
    {"gateway path", 40, false, {0}},
    {"profile fast", 10, false, {.fast = true}},
    {"no gateway path", 10, false, {.no_hairpin = true}},
    {"serial line, no gateway path", 6, false, {.no_hairpin = true, .serial = true}},
    {"witness", 6, false, {.witness = true}},
    {"witness, no gateway path", 8, false, {.witness = true, .no_hairpin = true}},
    {"witness, no gateway", 4, false, {.witness = true, .no_gateway = true}},
    {"fences, no gateway path", 4, false, {.fence = true, .no_hairpin = true}},
    {"witness and fences", 2, false, {.witness = true, .fence = true}},
    {"bad weather", 6, false, {.mixed = true}},
    {"crash loops", 4, true, {0}},
};

static struct schedule loop_of(uint64_t n, uint64_t seed) {
    return many(seed + n);
}

static bool campaigns(uint64_t count, uint64_t seed, int jobs) {
    bool good = true;
    for (size_t i = 0; i < sizeof topologies / sizeof *topologies; i++) {
        const struct topology *t = &topologies[i];
        rules = t->rules;
        good &= campaign(t->name, t->many ? loop_of : numbered, count * (uint64_t)t->percent / 100,
                         seed, jobs);
    }
    rules = (struct rules){0};
    return good;
}

static bool everything(uint64_t count, uint64_t seed, int jobs, unsigned factor) {
    bool good = campaigns(count, seed, jobs);
    good &= short_gaps(20 * factor);
    rules.fast = true;
    good &= short_gaps(20 * factor);
    rules.fast = false;
    good &= agree(2 * factor, "tests/sim/model.txt");
    good &= ablate(40 * factor);
    good &= all_weather(30 * (int)factor);
    return good;
}

/* ---- main --------------------------------------------------------------------------------------------- */

static const char help[] =
    "sim_pair: the pair's decision table under a fake clock, network, disk, server and clients\n"
    "  sim_pair                         the counts of the tests (DUET_FULL=1: a million)\n"
    "  sim_pair --count N [--jobs N]    N schedules from DUET_SEED on, by the options below\n"
    "  sim_pair --campaigns N           N schedules from DUET_SEED on, over all kinds of pairs\n"
    "  sim_pair --loops N               N crash loops\n"
    "  sim_pair --replay SEED 'FAULT..' one schedule with its trace; FAULT is KIND or KIND@MS+MS\n"
    "  sim_pair --survey SEEDS FAULT..  how a combination ends over many seeds\n"
    "  sim_pair --agree SEEDS           every ordered pair of the model's kinds, against its "
    "table\n"
    "  sim_pair --ablate [SEEDS]        what each clause is for\n"
    "  sim_pair --triples N             three faults at a time, beyond what is promised\n"
    "  sim_pair --gaps                  how long a single fault stops writes\n"
    "  sim_pair --weather [MINUTES]     loss, jitter and stalls that change no role\n"
    "before these: --without CLAUSE, --nohairpin (no path through the gateway), --fast (profile\n"
    "fast), --witness, --fence, --serial, --nogateway, --mixed (loss and jitter), --jobs N\n";

static const struct {
    const char *name;
    size_t at;
} flags[] = {
    {"--nohairpin", offsetof(struct rules, no_hairpin)},
    {"--fast", offsetof(struct rules, fast)},
    {"--witness", offsetof(struct rules, witness)},
    {"--fence", offsetof(struct rules, fence)},
    {"--serial", offsetof(struct rules, serial)},
    {"--nogateway", offsetof(struct rules, no_gateway)},
    {"--mixed", offsetof(struct rules, mixed)},
};

static bool read_flag(const char *word) {
    for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
        if (!strcmp(word, flags[k].name)) {
            *((bool *)((char *)&rules + flags[k].at)) = true;
            return true;
        }
    return false;
}

static int command(int argc, char **argv, uint64_t seed, int jobs) {
    const char *what = argv[0];
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
    if (!strcmp(what, "--count")) return !campaign("count", numbered, n, seed, jobs);
    if (!strcmp(what, "--campaigns")) return !campaigns(n, seed, jobs);
    if (!strcmp(what, "--loops")) return !campaign("crash loops", loop_of, n, seed, jobs);
    if (!strcmp(what, "--replay") && argc > 2) return replay(n, argv[2]);
    if (!strcmp(what, "--survey") && argc > 2) {
        struct tally t = survey(argv + 2, argc - 2, n, seed, true);
        return t.two || t.lost || t.none || t.broken;
    }
    if (!strcmp(what, "--agree")) return !agree(n ? n : 4, "tests/sim/model.txt");
    if (!strcmp(what, "--triples")) return triples(n, seed);
    if (!strcmp(what, "--gaps")) return !short_gaps(100);
    if (!strcmp(what, "--weather")) return !all_weather(n ? (int)n : 60);
    if (!strcmp(what, "--ablate")) return !ablate(n ? n : 60);
    fputs(help, !strcmp(what, "--help") ? stdout : stderr);
    return strcmp(what, "--help") ? 2 : 0;
}

int main(int argc, char **argv) {
    const char *env = getenv("DUET_SEED"), *full = getenv("DUET_FULL");
    bool is_full = full && full[0] == '1';
    uint64_t seed = env ? strtoull(env, NULL, 0) : 1, count = is_full ? 1100000 : 12000;
    int jobs = 2, i = 1;
    for (; i < argc; i++) {
        bool more = i + 1 < argc;
        if (read_flag(argv[i])) continue;
        if (!strcmp(argv[i], "--without") && more)
            rules.without |= clause(argv[++i]);
        else if (!strcmp(argv[i], "--loss") && more)
            rules.loss = atof(argv[++i]);
        else if (!strcmp(argv[i], "--jitter") && more)
            rules.jitter_ms = atof(argv[++i]);
        else if (!strcmp(argv[i], "--stalls") && more)
            rules.stall_ms = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--jobs") && more)
            jobs = atoi(argv[++i]) > 16 ? 16 : atoi(argv[i]);
        else
            break;
    }
    if (i == argc) return !everything(count, seed, jobs, is_full ? 10 : 1);
    return command(argc - i, argv + i, seed, jobs);
}
