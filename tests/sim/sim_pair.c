/* link: tests/sim/world.c tests/sim/node.c tests/sim/server.c hactl/heartbeat.c hactl/ha_fsm.c
   hactl/ha_evidence.c hactl/ha_out.c hactl/ha_master.c hactl/ha_sync.c hactl/ha_slave.c hactl/ha_elect.c
   hactl/ha_view.c hactl/ha_names.c hactl/ha_arbiter.c hactl/ha_rails.c hactl/ha_operator.c server/base/hmac.c */
/* timeout: 280. Schedules of faults over the pair: every single fault, every ordered pair, by seeds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

static struct world world;

/* ---- schedules from seeds, as the model makes them ------------------------------------------------------- */

static uint64_t dice;

static unsigned roll(unsigned n) {
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned)((dice >> 20) % n);
}

static int lasting(enum fault_kind k) {
    static const int brief[] = {60, 200, 340, 400, 480, 505, 520, 600, 800, 1000, 1200, 1500, 3000};
    static const int off[] = {2000, 3000, 5000};
    if (k <= F_REPLACE1) return off[roll(3)];
    if (k == F_HADKILL0 || k == F_HADKILL1 || k == F_SERVERKILL0 || k == F_SERVERKILL1 ||
        k == F_SWITCH0 || k == F_SWITCH1)
        return 10;
    bool stops = k >= F_STALL0 && k <= F_SERVERSTOP1;
    return roll(10) < 6 || stops ? brief[roll(13)] : 5000;
}

/* The second fault comes while the first lasts, after things settled, or (odd seeds) in its first second and a half. */
static struct schedule make(const enum fault_kind *kinds, int count, uint64_t seed) {
    struct schedule s = {.seed = seed, .faults = count};
    dice = (seed + 1) * 0x9e3779b97f4a7c15u;
    for (int i = 0; i < count; i++) dice = (dice ^ (uint64_t)(kinds[i] + 1)) * 0xbf58476d1ce4e5b9u;
    dice |= 1;
    for (int i = 0; i < 8; i++) roll(2);
    int at = 1000 + (int)roll(100);
    for (int i = 0; i < count; i++) {
        int lasts = lasting(kinds[i]), next = 0;
        if (i + 1 < count) {
            next = seed % 2 ? (int)roll(1500) : 4500;
            if (lasts != 10 && (seed % 2 == 0 || roll(2)))
                lasts = next + 2500 + (roll(2) ? 2500 : 0);
        }
        s.fault[i] = (struct fault){.kind = kinds[i], .at_ms = at, .lasts_ms = lasts};
        at += next;
    }
    return s;
}

/* The nth schedule of a run: one in 16 a single fault, the others ordered pairs, all kinds in turn. */
static struct schedule numbered(uint64_t n, uint64_t seed) {
    enum fault_kind kinds[2];
    uint64_t singles = n / 16, pairs = n - n / 16 - 1;
    if (n % 16 == 0) {
        kinds[0] = (enum fault_kind)(singles % F_KINDS);
        return make(kinds, 1, seed + singles / F_KINDS);
    }
    kinds[0] = (enum fault_kind)(pairs % F_KINDS);
    kinds[1] = (enum fault_kind)(pairs / F_KINDS % F_KINDS);
    return make(kinds, 2, seed + pairs / (F_KINDS * F_KINDS));
}

/* ---- words on the command line ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t bit;
} clauses[] = {
    {"echo", HA_WITHOUT_ECHO},         {"origin", HA_WITHOUT_ORIGIN},
    {"suspend", HA_WITHOUT_SUSPEND},   {"claim", HA_WITHOUT_CLAIM},
    {"watched", HA_WITHOUT_WATCHED},   {"nogrant", HA_WITHOUT_NOGRANT},
    {"viplease", HA_WITHOUT_VIPLEASE}, {"order", HA_WITHOUT_ORDER},
    {"offset", HA_WITHOUT_OFFSET},     {"restart", HA_WITHOUT_RESTART},
    {"takeback", HA_WITHOUT_TAKEBACK}, {"base", HA_WITHOUT_BASE},
    {"thislife", HA_WITHOUT_THISLIFE}, {"twopath", HA_WITHOUT_TWOPATH},
    {"margin", HA_WITHOUT_MARGIN},
};
enum { CLAUSES = sizeof clauses / sizeof clauses[0] };

static void refuse(const char *what, const char *word) {
    fprintf(stderr, "sim_pair: %s: %s\n", what, word);
    exit(2);
}

static uint32_t clause(const char *name) {
    for (int i = 0; i < CLAUSES; i++)
        if (!strcmp(clauses[i].name, name)) return clauses[i].bit;
    refuse("no such clause", name);
    return 0;
}

/* KIND, or KIND@MS+MS exactly. */
static struct schedule parse(char **words, int count, uint64_t seed) {
    enum fault_kind kinds[4];
    struct schedule exact = {.seed = seed, .faults = count};
    bool timed = false;
    if (count < 1 || count > 4) refuse("one to four faults", "");
    for (int i = 0; i < count; i++) {
        size_t len = strcspn(words[i], "@");
        int k = 0;
        while (k <= F_NONE &&
               (strlen(fault_name(k)) != len || strncmp(fault_name(k), words[i], len)))
            k++;
        if (k > F_NONE) refuse("no such fault", words[i]);
        kinds[i] = (enum fault_kind)k;
        exact.fault[i].kind = kinds[i];
        if (words[i][len] == 0) continue;
        timed = true;
        if (sscanf(words[i] + len, "@%d+%d", &exact.fault[i].at_ms, &exact.fault[i].lasts_ms) != 2)
            refuse("not KIND@MS+MS", words[i]);
    }
    return timed ? exact : make(kinds, count, seed);
}

static void spell(const struct schedule *s, char out[200]) {
    int n = 0;
    for (int i = 0; i < s->faults; i++)
        n += snprintf(out + n, 200 - (size_t)n, "%s%s@%d+%d", i ? " " : "",
                      fault_name(s->fault[i].kind), s->fault[i].at_ms, s->fault[i].lasts_ms);
}

static const char *verdict(const struct world *w) {
    static char out[300];
    int n = 0;
    out[0] = 0;
    if (w->two_writers_at >= 0)
        n += snprintf(out + n, 100, "two writers at %.1f ms for %.1f ms; ",
                      (double)w->two_writers_at / 1e6, (double)w->overlap / 1e6);
    if (w->lost) n += snprintf(out + n, 60, "%d acknowledged writes lost; ", w->lost);
    if (w->no_master) n += snprintf(out + n, 60, "no single master in sync at the end; ");
    if (w->broken) snprintf(out + n, 100, "broken: %s; ", w->broken);
    return out;
}

/* ---- runs -------------------------------------------------------------------------------------------------------------- */

struct tally {
    uint64_t runs, two, lost, none, broken, shown;
    int64_t gap;
    struct schedule worst;
};

static struct rules rules;
static bool survey_only;

static bool one(const struct schedule *s, struct tally *t) {
    world_run(&world, s, &rules, false);
    t->runs++;
    t->two += world.two_writers_at >= 0;
    t->lost += world.lost > 0;
    t->none += world.no_master;
    t->broken += world.broken != NULL;
    if (world.gap > t->gap) {
        t->gap = world.gap;
        t->worst = *s;
    }
    return world_bad(&world);
}

static void show_bad(const struct schedule *s, struct tally *t) {
    char faults[200], extra[200] = "";
    spell(s, faults);
    for (int i = 0; i < CLAUSES; i++)
        if (rules.without & clauses[i].bit)
            snprintf(extra, sizeof extra, " --without %s", clauses[i].name);
    if (t->shown++ < 20)
        printf("# %s\n#   build/tests/sim/pair%s%s%s --replay %llu '%s'\n", verdict(&world), extra,
               rules.no_hairpin ? " --nohairpin" : "", rules.fast ? " --fast" : "",
               (unsigned long long)s->seed, faults);
    fflush(stdout);
}

/* Beyond the fault model: three faults of any kinds, for those who look for what no promise covers. */
static int triples(uint64_t count, uint64_t seed) {
    struct tally t = {0};
    for (uint64_t n = 0; n < count; n++) {
        enum fault_kind kinds[3];
        dice = (seed + n + 1) * 0x9e3779b97f4a7c15u | 1;
        for (int i = 0; i < 20; i++) roll(2);
        for (int i = 0; i < 3; i++) kinds[i] = (enum fault_kind)roll(F_KINDS);
        struct schedule s = make(kinds, 3, seed + n);
        if (one(&s, &t)) show_bad(&s, &t);
    }
    printf("# %llu triples: two writers %llu, lost %llu, no master %llu, broken %llu\n",
           (unsigned long long)t.runs, (unsigned long long)t.two, (unsigned long long)t.lost,
           (unsigned long long)t.none, (unsigned long long)t.broken);
    return 0;
}

static void count_off(uint64_t from, uint64_t to, uint64_t step, uint64_t seed, struct tally *t) {
    for (uint64_t n = from; n < to; n += step) {
        struct schedule s = numbered(n, seed);
        if (one(&s, t)) show_bad(&s, t);
    }
}

/* Two processes share the count: schedules are independent of each other. */
static struct tally share(uint64_t count, uint64_t seed, int jobs) {
    struct tally sum = {0}, part;
    int pipes[16][2];
    for (int j = 0; j < jobs; j++) {
        if (pipe(pipes[j])) refuse("no pipe", "");
        fflush(stdout);
        if (fork() == 0) {
            part = (struct tally){0};
            count_off((uint64_t)j, count, (uint64_t)jobs, seed, &part);
            bool written = write(pipes[j][1], &part, sizeof part) == (ssize_t)sizeof part;
            fflush(stdout);
            _exit(written ? 0 : 1);
        }
        close(pipes[j][1]);
    }
    for (int j = 0; j < jobs; j++) {
        int status;
        if (read(pipes[j][0], &part, sizeof part) != (ssize_t)sizeof part)
            part = (struct tally){.broken = 1};
        close(pipes[j][0]);
        wait(&status);
        sum.runs += part.runs;
        sum.two += part.two;
        sum.lost += part.lost;
        sum.none += part.none;
        sum.broken += part.broken;
        if (part.gap > sum.gap) sum.gap = part.gap, sum.worst = part.worst;
    }
    return sum;
}

static bool line(bool good, const char *what) {
    printf("%s - %s\n", good ? "ok" : "not ok", what);
    return good;
}

static int campaign(uint64_t count, uint64_t seed, int jobs) {
    struct timespec a, b;
    char worst[200] = "";
    printf("# DUET_SEED=%llu, %llu schedules\n", (unsigned long long)seed,
           (unsigned long long)count);
    clock_gettime(CLOCK_MONOTONIC, &a);
    struct tally t = share(count, seed, jobs);
    clock_gettime(CLOCK_MONOTONIC, &b);
    double took = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    spell(&t.worst, worst);
    printf("# %llu schedules in %.1f s, %.0f a second; longest gap %.0f ms (seed %llu, %s)\n",
           (unsigned long long)t.runs, took, (double)t.runs / took, (double)t.gap / 1e6,
           (unsigned long long)t.worst.seed, worst);
    printf("# two writers %llu, lost %llu, no master %llu, broken %llu\n",
           (unsigned long long)t.two, (unsigned long long)t.lost, (unsigned long long)t.none,
           (unsigned long long)t.broken);
    bool good = line(t.runs >= count && t.runs > 0,
                     rules.fast ? "profile fast: all schedules ran" : "all schedules ran");
    good &= line(t.two == 0, "never two writers");
    good &= line(t.lost == 0, "no acknowledged write is lost");
    good &= line(t.none == 0, "after all healed there is one master with the other in sync");
    good &= line(t.broken == 0, "every step leaves the core whole");
    return good ? 0 : 1;
}

static int replay(uint64_t seed, char *text) {
    char *words[5], *save;
    int count = 0;
    for (char *p = strtok_r(text, " ", &save); p && count < 5; p = strtok_r(NULL, " ", &save))
        words[count++] = p;
    struct schedule s = parse(words, count, seed);
    char faults[200];
    spell(&s, faults);
    world_run(&world, &s, &rules, true);
    printf("seed %llu, %s: %s\n", (unsigned long long)seed, faults,
           world_bad(&world) ? verdict(&world) : "good");
    printf("gap %.0f ms, burnt %d, %llu steps\n", (double)world.gap / 1e6, world.burnt,
           (unsigned long long)world.steps);
    return world_bad(&world);
}

/* One line for a combination of kinds: how it ends over so many seeds. */
static bool survey(char **words, int count, uint64_t seeds, uint64_t seed) {
    struct tally t = {0};
    uint64_t first[3] = {0};
    for (uint64_t k = 0; k < seeds; k++) {
        struct schedule s = parse(words, count, seed + k);
        uint64_t two = t.two, lost = t.lost, none = t.none;
        one(&s, &t);
        if (t.two != two && !two) first[0] = seed + k;
        if (t.lost != lost && !lost) first[1] = seed + k;
        if (t.none != none && !none) first[2] = seed + k;
    }
    if (!survey_only || t.two || t.lost || t.none || t.broken) {
        for (int i = 0; i < count; i++) printf("%s ", words[i]);
        printf("runs %llu two %llu:%llu lost %llu:%llu none %llu:%llu broken %llu gap %.0f\n",
               (unsigned long long)t.runs, (unsigned long long)t.two, (unsigned long long)first[0],
               (unsigned long long)t.lost, (unsigned long long)first[1], (unsigned long long)t.none,
               (unsigned long long)first[2], (unsigned long long)t.broken, (double)t.gap / 1e6);
    }
    return t.two || t.lost || t.none || t.broken;
}

/* ---- what each clause is for: the shortest schedules that need it, with the clause and without it ------------------------- */

/* Some need a network without a path through the gateway, or more seeds. Two clauses keep the pair
 * available, not safe: without them the gap is longer. Clause margin is worth 13 ms in 1,000; tests/unit/test_ha_fsm.c shows it. */
static const struct witness {
    const char *clause, *faults;
    bool no_hairpin, gap;
    unsigned seeds;
} witnesses[] = {
    {.clause = "echo", .faults = "X@1088+3000 L0@1249+3000", .no_hairpin = true},
    {.clause = "origin",
     .faults = "slow:L@900+125 X@990+4000 L1@1025+560 PART@1025+4000",
     .no_hairpin = true},
    {.clause = "suspend", .faults = "stall:0"},
    {.clause = "suspend", .faults = "X L0"},
    {.clause = "claim", .faults = "stall:0@1000+480"},
    {.clause = "claim", .faults = "stall:0@1000+520"},
    {.clause = "claim", .faults = "stall:0@1000+560"},
    {.clause = "watched", .faults = "X@1000+3000 L1@1100+600 PART@1100+3000", .no_hairpin = true},
    {.clause = "nogrant", .faults = "GW@1000+9000 crash:1@4000+3000", .gap = true},
    {.clause = "viplease", .faults = "hadstop:0", .gap = true},
    {.clause = "order",
     .faults = "serverkill:1@1000+9 crash:0@1560+1500 X@2160+6000 PART@2160+6000",
     .no_hairpin = true,
     .seeds = 100},
    {.clause = "order",
     .faults = "serverkill:1@1000+9 crash:0@1660+1500 X@2260+6000 PART@2260+6000",
     .no_hairpin = true,
     .seeds = 100},
    {.clause = "offset", .faults = "GW crash:0"},
    {.clause = "offset", .faults = "stall:1 crash:0"},
    {.clause = "restart", .faults = "serverkill:0"},
    {.clause = "takeback", .faults = "L0@1000+5000 X1>@1254+2000"},
    {.clause = "takeback", .faults = "L0@1000+5000 X1>@1272+2000"},
    {.clause = "takeback", .faults = "L0@1000+5000 X1>@1290+2000"},
    {.clause = "base", .faults = "serverstop:0 serverkill:1"},
    {.clause = "base", .faults = "stall:1 crash:0"},
    {.clause = "thislife",
     .faults = "replace:1@1050+2000 serverkill:0@1100+10 serverstop:0@1450+4000"},
    {.clause = "twopath", .faults = "X@1000+8000 PART@3000+3000", .no_hairpin = true},
    {.clause = "twopath", .faults = "PART@1000+8000 X@3000+3000", .no_hairpin = true},
};
enum { WITNESSES = sizeof witnesses / sizeof witnesses[0] };

static void witness(const struct witness *x, uint32_t clauses_out, uint64_t seeds,
                    struct tally *t) {
    char text[200], *words[5], *save;
    int count = 0;
    snprintf(text, sizeof text, "%s", x->faults);
    for (char *p = strtok_r(text, " ", &save); p && count < 5; p = strtok_r(NULL, " ", &save))
        words[count++] = p;
    struct rules before = rules;
    rules.without = clauses_out;
    rules.no_hairpin = x->no_hairpin;
    if (x->seeds) seeds = x->seeds;
    for (uint64_t k = 0; k < seeds; k++) {
        struct schedule s = parse(words, count, k);
        if (one(&s, t) && clauses_out == 0) show_bad(&s, t);
    }
    rules = before;
}

static int ablate(uint64_t seeds) {
    bool good = true;
    for (int c = 0; c < CLAUSES; c++) {
        struct tally with = {0}, out = {0};
        bool gap = false;
        char what[160];
        for (int i = 0; i < WITNESSES; i++) {
            if (strcmp(witnesses[i].clause, clauses[c].name)) continue;
            witness(&witnesses[i], 0, seeds, &with);
            witness(&witnesses[i], clauses[c].bit, seeds, &out);
            gap |= witnesses[i].gap;
        }
        if (out.runs == 0) continue;
        printf("# %-9s %5llu runs; without it: two writers %llu, lost %llu, no master %llu, gap "
               "%.0f (with: %.0f)\n",
               clauses[c].name, (unsigned long long)out.runs, (unsigned long long)out.two,
               (unsigned long long)out.lost, (unsigned long long)out.none, (double)out.gap / 1e6,
               (double)with.gap / 1e6);
        snprintf(what, sizeof what, "clause %s: its schedules are safe with it", clauses[c].name);
        good &= line(!with.two && !with.lost && !with.none && !with.broken, what);
        snprintf(what, sizeof what,
                 gap ? "clause %s: without it a gap is longer by a second"
                     : "clause %s: without it the simulator finds a violation",
                 clauses[c].name);
        good &=
            line(gap ? out.gap > with.gap + 1000 * HA_MS : out.two || out.lost || out.none, what);
    }
    return good ? 0 : 1;
}

/* ---- availability: one fault at one node or on one link never stops writes for long, in the simulation's time ---- */

#define GAP_LIMIT_MS                                                                               \
    1800 /* grant-time, 3 beats, and the slowest fsync and record that the simulated disk knows */

static bool short_gaps(uint64_t seeds) {
    struct tally worst = {0};
    char what[120], faults[200];
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

static int all_weather(int minutes) {
    bool good = weather("20 % loss on every path", (struct rules){.loss = .2}, minutes, false);
    good &= weather("200 ms jitter", (struct rules){.jitter_ms = 200}, minutes, false);
    good &= weather("stalls of 300 ms", (struct rules){.stall_ms = 300}, minutes, true);
    good &= weather("all three together",
                    (struct rules){.loss = .2, .jitter_ms = 200, .stall_ms = 300}, minutes, true);
    return good ? 0 : 1;
}

/* ---- main ----------------------------------------------------------------------------------------------------------------------- */

static const char help[] =
    "sim_pair: the pair's decision table under a fake clock, network, disk, server and clients\n"
    "  sim_pair                         the counts of the tests (DUET_FULL=1: a million)\n"
    "  sim_pair --count N [--jobs N]    N schedules from DUET_SEED on\n"
    "  sim_pair --replay SEED 'FAULT..' one schedule with its trace; FAULT is KIND or KIND@MS+MS\n"
    "  sim_pair --survey SEEDS FAULT..  how a combination ends over many seeds\n"
    "  sim_pair --double SEEDS          every ordered pair of the model's kinds; what is not safe\n"
    "  sim_pair --ablate [SEEDS]        what each clause is for\n"
    "  sim_pair --triples N             three faults at a time, beyond what is promised\n"
    "  sim_pair --gaps                  how long a single fault stops writes\n"
    "  sim_pair --weather [MINUTES]     loss, jitter and stalls that change no role\n"
    "before these: --without CLAUSE, --nohairpin (no path through the gateway), --fast (profile "
    "fast)\n";

static int doubles(uint64_t seeds, uint64_t seed) {
    int bad = 0;
    survey_only = true;
    for (int a = 0; a < F_MODEL_KINDS; a++)
        for (int b = 0; b < F_MODEL_KINDS; b++) {
            char wa[20], wb[20], *words[2] = {wa, wb};
            snprintf(wa, sizeof wa, "%s", fault_name(a));
            snprintf(wb, sizeof wb, "%s", fault_name(b));
            bad += survey(words, 2, seeds, seed);
        }
    printf("%d of %d ordered pairs are not safe\n", bad, F_MODEL_KINDS * F_MODEL_KINDS);
    return bad != 0;
}

static int everything(uint64_t count, uint64_t seed, int jobs, unsigned factor) {
    int bad = campaign(count, seed, jobs);
    bad |= !short_gaps(20 * factor);
    rules.fast = true;
    printf("# profile fast\n");
    bad |= campaign(count / 6, seed, jobs);
    bad |= !short_gaps(20 * factor);
    rules.fast = false;
    return bad | ablate(40 * factor) | all_weather(60 * (int)factor);
}

int main(int argc, char **argv) {
    const char *env = getenv("DUET_SEED"), *full = getenv("DUET_FULL");
    uint64_t seed = env ? strtoull(env, NULL, 0) : 1,
             count = full && full[0] == '1' ? 1000000 : 12000;
    int jobs = 2, i = 1;
    for (; i < argc; i++) {
        if (!strcmp(argv[i], "--without") && i + 1 < argc)
            rules.without |= clause(argv[++i]);
        else if (!strcmp(argv[i], "--nohairpin"))
            rules.no_hairpin = true;
        else if (!strcmp(argv[i], "--fast"))
            rules.fast = true;
        else if (!strcmp(argv[i], "--loss") && i + 1 < argc)
            rules.loss = atof(argv[++i]);
        else if (!strcmp(argv[i], "--jitter") && i + 1 < argc)
            rules.jitter_ms = atof(argv[++i]);
        else if (!strcmp(argv[i], "--stalls") && i + 1 < argc)
            rules.stall_ms = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--jobs") && i + 1 < argc)
            jobs = atoi(argv[++i]) > 16 ? 16 : atoi(argv[i]);
        else
            break;
    }
    if (i == argc) return everything(count, seed, jobs, full && full[0] == '1' ? 10 : 1);
    if (!strcmp(argv[i], "--count") && i + 1 < argc)
        return campaign(strtoull(argv[i + 1], NULL, 0), seed, jobs);
    if (!strcmp(argv[i], "--replay") && i + 2 < argc)
        return replay(strtoull(argv[i + 1], NULL, 0), argv[i + 2]);
    if (!strcmp(argv[i], "--survey") && i + 2 < argc)
        return survey(argv + i + 2, argc - i - 2, strtoull(argv[i + 1], NULL, 0), seed);
    if (!strcmp(argv[i], "--double") && i + 1 < argc)
        return doubles(strtoull(argv[i + 1], NULL, 0), seed);
    if (!strcmp(argv[i], "--triples") && i + 1 < argc)
        return triples(strtoull(argv[i + 1], NULL, 0), seed);
    if (!strcmp(argv[i], "--gaps")) return !short_gaps(100);
    if (!strcmp(argv[i], "--weather")) return all_weather(i + 1 < argc ? atoi(argv[i + 1]) : 60);
    if (!strcmp(argv[i], "--ablate"))
        return ablate(i + 1 < argc ? strtoull(argv[i + 1], NULL, 0) : 60);
    fputs(help, !strcmp(argv[i], "--help") ? stdout : stderr);
    return strcmp(argv[i], "--help") ? 2 : 0;
}
