#include <stdio.h>
#include <string.h>

#include "tests/sim/runs.h"

/* ---- what each clause is for: the shortest schedules that need it, with the clause and without it ------------------------- */

/* Some need a network without a path through the gateway, or more seeds. Two clauses keep the pair
 * available, not safe: without them the gap is longer. Clause margin is worth 13 ms in 1,000; tests/unit/test_ha_fsm.c shows it. */
static const struct witness {
    const char *clause, *faults;
    bool no_hairpin, gap, has_witness, has_fence;
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
    {.clause = "take",
     .faults = "X@1000+5000 PART@3000+5000",
     .no_hairpin = true,
     .has_witness = true},
    {.clause = "arbiter",
     .faults = "W0@1000+5000 X@1100+5000 PART@1150+5000",
     .no_hairpin = true,
     .has_witness = true},
    {.clause = "fenced",
     .faults = "X@1000+9000 PART@3000+6000",
     .no_hairpin = true,
     .has_fence = true},
    {.clause = "fencewait",
     .faults = "X@1000+9000 PART@3000+6000",
     .no_hairpin = true,
     .has_fence = true},
};
enum { WITNESSES = sizeof witnesses / sizeof witnesses[0] };

static void witness(const struct witness *x, uint32_t clauses_out, uint64_t seeds,
                    struct tally *t) {
    char text[200], *words[FAULTS_MOST];
    snprintf(text, sizeof text, "%s", x->faults);
    int count = split(text, words);
    struct rules before = rules;
    rules.without = clauses_out;
    rules.no_hairpin = x->no_hairpin;
    rules.witness = x->has_witness;
    rules.fence = x->has_fence;
    if (x->seeds) seeds = x->seeds;
    for (uint64_t k = 0; k < seeds; k++) {
        struct schedule s = parse(words, count, k);
        if (one(&s, t) && clauses_out == 0) show_bad(&s, t);
    }
    rules = before;
}

bool ablate(uint64_t seeds) {
    bool good = true;
    for (int c = 0; c < clause_count; c++) {
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
    return good;
}
