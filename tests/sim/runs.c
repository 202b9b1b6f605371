/* Running schedules: one, many over several processes, with a trace, or a combination over many seeds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/runs.h"

struct world world;

/* ---- runs -------------------------------------------------------------------------------------------------------------- */

const char *verdict(const struct world *w) {
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

struct rules rules;

bool one(const struct schedule *s, struct tally *t) {
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

static const char *options(void) {
    static char out[100];
    snprintf(out, sizeof out, "%s%s%s%s%s%s", rules.no_hairpin ? " --nohairpin" : "",
             rules.fast ? " --fast" : "", rules.witness ? " --witness" : "",
             rules.fence ? " --fence" : "", rules.serial ? " --serial" : "",
             rules.no_gateway ? " --nogateway" : "");
    return out;
}

void show_bad(const struct schedule *s, struct tally *t) {
    char faults[SPELT], extra[200] = "";
    spell(s, faults);
    for (int i = 0; i < clause_count; i++)
        if (rules.without & clauses[i].bit)
            snprintf(extra, sizeof extra, " --without %s", clauses[i].name);
    if (t->shown++ < 20)
        printf("# %s\n#   build/tests/sim/pair%s%s --replay %llu '%s'\n", verdict(&world), extra,
               options(), (unsigned long long)s->seed, faults);
    fflush(stdout);
}

/* Beyond the fault model: three faults of any kinds, for those who look for what no promise covers. */
int triples(uint64_t count, uint64_t seed) {
    struct tally t = {0};
    for (uint64_t n = 0; n < count; n++) {
        enum fault_kind kinds[3];
        roll_from(seed + n);
        for (int i = 0; i < 3; i++) kinds[i] = (enum fault_kind)roll(F_KINDS);
        struct schedule s = make(kinds, 3, seed + n);
        if (one(&s, &t)) show_bad(&s, &t);
    }
    printf("# %llu triples: two writers %llu, lost %llu, no master %llu, broken %llu\n",
           (unsigned long long)t.runs, (unsigned long long)t.two, (unsigned long long)t.lost,
           (unsigned long long)t.none, (unsigned long long)t.broken);
    return 0;
}

static void count_off(pick_fn *pick, uint64_t from, uint64_t to, uint64_t step, uint64_t seed,
                      struct tally *t) {
    for (uint64_t n = from; n < to; n += step) {
        struct schedule s = pick(n, seed);
        if (one(&s, t)) show_bad(&s, t);
    }
}

/* Two processes share the count: schedules are independent of each other. */
static struct tally share(pick_fn *pick, uint64_t count, uint64_t seed, int jobs) {
    struct tally sum = {0}, part;
    int pipes[16][2];
    for (int j = 0; j < jobs; j++) {
        if (pipe(pipes[j])) refuse("no pipe", "");
        fflush(stdout);
        if (fork() == 0) {
            part = (struct tally){0};
            count_off(pick, (uint64_t)j, count, (uint64_t)jobs, seed, &part);
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

bool line(bool good, const char *what) {
    printf("%s - %s\n", good ? "ok" : "not ok", what);
    return good;
}

/* Counts by name, then what must hold. */
bool campaign(const char *name, pick_fn *pick, uint64_t count, uint64_t seed, int jobs) {
    struct timespec from, to;
    char faults[SPELT], what[160];
    clock_gettime(CLOCK_MONOTONIC, &from);
    struct tally t = share(pick, count, seed, jobs);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double took =
        (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9 + 1e-9;
    spell(&t.worst, faults);
    printf(
        "# %s: DUET_SEED=%llu, %llu schedules in %.1f s, %.0f a second; longest gap %.0f ms (seed "
        "%llu, %s); two writers %llu, lost %llu, no master %llu, broken %llu\n",
        name, (unsigned long long)seed, (unsigned long long)t.runs, took, (double)t.runs / took,
        (double)t.gap / 1e6, (unsigned long long)t.worst.seed, faults, (unsigned long long)t.two,
        (unsigned long long)t.lost, (unsigned long long)t.none, (unsigned long long)t.broken);
    const struct {
        bool good;
        const char *what;
    } must[] = {{t.runs == count, "all schedules ran"},
                {!t.two, "never two writers"},
                {!t.lost, "no acknowledged write is lost"},
                {!t.none, "after all healed there is one master with the other in sync"},
                {!t.broken, "every step leaves the core whole"}};
    bool good = true;
    for (size_t i = 0; i < sizeof must / sizeof *must; i++) {
        snprintf(what, sizeof what, "%s: %s", name, must[i].what);
        good &= line(must[i].good, what);
    }
    return good;
}

int replay(uint64_t seed, char *text) {
    char *words[FAULTS_MOST], faults[SPELT];
    int count = split(text, words);
    struct schedule s = parse(words, count, seed);
    spell(&s, faults);
    world_run(&world, &s, &rules, true);
    bool bad = world_bad(&world);
    printf("seed %llu, %s: %s\n", (unsigned long long)seed, faults, bad ? verdict(&world) : "good");
    printf("gap %.0f ms, burnt %d, %llu steps\n", (double)world.gap / 1e6, world.burnt,
           (unsigned long long)world.steps);
    return bad;
}

struct tally survey(char **words, int count, uint64_t seeds, uint64_t seed, bool always) {
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
    if (always || t.two || t.lost || t.none || t.broken) {
        printf("# ");
        for (int i = 0; i < count; i++) printf("%s ", words[i]);
        printf("runs %llu two %llu:%llu lost %llu:%llu none %llu:%llu broken %llu gap %.0f\n",
               (unsigned long long)t.runs, (unsigned long long)t.two, (unsigned long long)first[0],
               (unsigned long long)t.lost, (unsigned long long)first[1], (unsigned long long)t.none,
               (unsigned long long)first[2], (unsigned long long)t.broken, (double)t.gap / 1e6);
    }
    return t;
}
