/* Schedules and runs: what the parts of sim_pair share. */
#ifndef TESTS_SIM_RUNS_H
#define TESTS_SIM_RUNS_H

#include "tests/sim/sim.h"

/* plan.c */
struct clause {
    const char *name;
    uint32_t bit;
};
extern const struct clause clauses[];
extern const int clause_count;
unsigned roll(unsigned n);
void roll_from(uint64_t seed);
struct schedule make(const enum fault_kind *kinds, int count, uint64_t seed);
struct schedule numbered(uint64_t n, uint64_t seed);
struct schedule many(uint64_t seed); /* a crash loop: up to FAULTS_MOST faults in half a minute */
struct schedule parse(char **words, int count, uint64_t seed);
int split(char *text, char **words); /* at spaces; at most FAULTS_MOST */
void spell(const struct schedule *s, char out[SPELT]);
uint32_t clause(const char *name);
_Noreturn void refuse(const char *what, const char *word);

/* runs.c */
struct tally {
    uint64_t runs, two, lost, none, broken, shown;
    int64_t gap;
    struct schedule worst;
};
typedef struct schedule pick_fn(uint64_t n, uint64_t seed);
extern struct world world;
extern struct rules rules;
const char *verdict(const struct world *w);
bool one(const struct schedule *s, struct tally *t); /* true: something was wrong */
void show_bad(const struct schedule *s, struct tally *t);
bool line(bool good, const char *what);
bool campaign(const char *name, pick_fn *pick, uint64_t count, uint64_t seed, int jobs);
int triples(uint64_t count, uint64_t seed);
int replay(uint64_t seed, char *text);
/* Runs a combination of kinds over so many seeds; prints a line when something was wrong, or always. */
struct tally survey(char **words, int count, uint64_t seeds, uint64_t seed, bool always);

/* clauses.c: what each clause is for: its schedules, with the clause and without it. */
bool ablate(uint64_t seeds);

/* agree.c: which ordered pairs of the model's kinds are safe, here and by the model's own table. */
bool agree(uint64_t seeds, const char *table);

#endif
