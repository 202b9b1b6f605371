/* Schedules of faults: from seeds, as the model makes them, and from words on the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/runs.h"

/* ---- schedules from seeds, as the model makes them ------------------------------------------------------- */

static uint64_t dice;

void roll_from(uint64_t seed) {
    dice = (seed + 1) * 0x9e3779b97f4a7c15u | 1;
    for (int i = 0; i < 20; i++) roll(2);
}

unsigned roll(unsigned n) {
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
    if (k == F_SLOWDISK0 || k == F_SLOWDISK1) return 2000 + (int)roll(14000);
    bool stops = k >= F_STALL0 && k <= F_SERVERSTOP1;
    return roll(10) < 6 || stops ? brief[roll(13)] : 5000;
}

/* The second fault comes while the first lasts, after things settled, or (odd seeds) in its first second and a half. */
struct schedule make(const enum fault_kind *kinds, int count, uint64_t seed) {
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

/* Does a fault of this kind mean something to a pair that has what the rules say? */
static bool applies(enum fault_kind k) {
    if (k == F_S) return rules.serial;
    if (k == F_FENCEBAD0 || k == F_FENCEBAD1) return rules.fence;
    return k < F_WITDEAD || k > F_WITSLOW || rules.witness;
}

/* The one pair that a network without a path through the gateway does not survive: the crossover cut and the nodes separated
 * on a service network that both still see, within a grant's time. A witness closes it, or a serial line. */
static bool beyond_promise(const enum fault_kind k[2]) {
    bool cut = (k[0] == F_X && k[1] == F_PART) || (k[0] == F_PART && k[1] == F_X);
    return cut && rules.no_hairpin && !rules.witness && !rules.serial;
}

/* The nth schedule of a run: one in 16 a single fault, the others ordered pairs, all kinds in turn. */
struct schedule numbered(uint64_t n, uint64_t seed) {
    enum fault_kind pool[F_KINDS], kinds[2];
    uint64_t size = 0;
    for (int k = 0; k < F_KINDS; k++)
        if (applies((enum fault_kind)k)) pool[size++] = (enum fault_kind)k;
    uint64_t singles = n / 16, pairs = n - n / 16 - 1;
    pairs =
        pairs / (size * size) * (size * size) + pairs * 607 % (size * size); /* 607 is a prime */
    kinds[0] = pool[n % 16 == 0 ? singles % size : pairs % size];
    kinds[1] = pool[pairs / size % size];
    if (n % 16 == 0 || beyond_promise(kinds)) return make(kinds, 1, seed + singles / size);
    return make(kinds, 2, seed + pairs / (size * size));
}

/* Machines and servers that fall again and again, and what may cut them off meanwhile. */
struct schedule many(uint64_t seed) {
    static const enum fault_kind falls[] = {
        F_CRASH0,   F_CRASH1,   F_SERVERKILL0, F_SERVERKILL1, F_SERVERKILL0, F_SERVERKILL1,
        F_HADKILL0, F_HADKILL1, F_STALL0,      F_STALL1,      F_L0,          F_L1};
    struct schedule s = {.seed = seed, .faults = FAULTS_MOST};
    int at = 1000;
    roll_from(seed);
    bool same = roll(2); /* one thing over and over */
    enum fault_kind kind = falls[roll(12)];
    for (int i = 0; i < FAULTS_MOST; i++) {
        int lasts = kind <= F_CRASH1 ? 2000 : 60 + (int)roll(1500);
        s.fault[i] = (struct fault){.kind = kind, .at_ms = at, .lasts_ms = lasts};
        at += lasts + 200 + (int)roll(4000);
        if (!same) kind = falls[roll(12)];
    }
    return s;
}

/* ---- words on the command line ---------------------------------------------------------------------------------- */

const struct clause clauses[] = {
    {"echo", HA_WITHOUT_ECHO},           {"origin", HA_WITHOUT_ORIGIN},
    {"suspend", HA_WITHOUT_SUSPEND},     {"claim", HA_WITHOUT_CLAIM},
    {"watched", HA_WITHOUT_WATCHED},     {"nogrant", HA_WITHOUT_NOGRANT},
    {"viplease", HA_WITHOUT_VIPLEASE},   {"order", HA_WITHOUT_ORDER},
    {"offset", HA_WITHOUT_OFFSET},       {"restart", HA_WITHOUT_RESTART},
    {"takeback", HA_WITHOUT_TAKEBACK},   {"base", HA_WITHOUT_BASE},
    {"thislife", HA_WITHOUT_THISLIFE},   {"twopath", HA_WITHOUT_TWOPATH},
    {"margin", HA_WITHOUT_MARGIN},       {"take", HA_WITHOUT_TAKE},
    {"arbiter", HA_WITHOUT_ARBITER},     {"fenced", HA_WITHOUT_FENCED},
    {"fencewait", HA_WITHOUT_FENCEWAIT},
};
const int clause_count = sizeof clauses / sizeof clauses[0];

void refuse(const char *what, const char *word) {
    fprintf(stderr, "sim_pair: %s: %s\n", what, word);
    exit(2);
}

uint32_t clause(const char *name) {
    for (int i = 0; i < clause_count; i++)
        if (!strcmp(clauses[i].name, name)) return clauses[i].bit;
    refuse("no such clause", name);
    return 0;
}

/* KIND, or KIND@MS+MS exactly. */
struct schedule parse(char **words, int count, uint64_t seed) {
    enum fault_kind kinds[FAULTS_MOST];
    struct schedule exact = {.seed = seed, .faults = count};
    bool timed = false;
    if (count < 1 || count > FAULTS_MOST) refuse("one to eight faults", "");
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

void spell(const struct schedule *s, char out[SPELT]) {
    int n = 0;
    for (int i = 0; i < s->faults; i++)
        n += snprintf(out + n, SPELT - (size_t)n, "%s%s@%d+%d", i ? " " : "",
                      fault_name(s->fault[i].kind), s->fault[i].at_ms, s->fault[i].lasts_ms);
}

int split(char *text, char **words) {
    char *save;
    int count = 0;
    for (char *p = strtok_r(text, " ", &save); p && count < FAULTS_MOST;
         p = strtok_r(NULL, " ", &save))
        words[count++] = p;
    return count;
}
