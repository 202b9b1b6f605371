/* Agreement with the Python model of the rules: for every ordered pair of its 33 kinds of fault, over a network with a path
 * through the gateway and one without, is the pair safe (never two writers, no acknowledged write lost)? The model's own
 * verdicts are model.txt, made by runs of it (its head says how); this reads what it found unsafe. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/runs.h"

#define UNSAFE_SEEDS 60 /* so many until a pair shows what the model found */

struct verdicts {
    char unsafe[2][F_MODEL_KINDS][F_MODEL_KINDS]; /* by no_hairpin, first, second */
    int lines;
};

static int kind_named(const char *name) {
    for (int k = 0; k < F_MODEL_KINDS; k++)
        if (!strcmp(name, fault_name((enum fault_kind)k))) return k;
    return -1;
}

/* Lines: hairpin|nohairpin FIRST SECOND RUNS TWO LOST NOMASTER; '#' begins a comment. */
static bool read_table(const char *path, struct verdicts *v) {
    char text[200], net[20], first[20], second[20];
    int runs, two, lost, none;
    FILE *f = fopen(path, "r");
    if (f == NULL) return false;
    while (fgets(text, sizeof text, f)) {
        if (text[0] == '#') continue;
        int n = sscanf(text, "%19s %19s %19s %d %d %d %d", net, first, second, &runs, &two, &lost,
                       &none);
        int a = n == 7 ? kind_named(first) : -1, b = n == 7 ? kind_named(second) : -1;
        if (a < 0 || b < 0) refuse("tests/sim/model.txt has a line that is none", text);
        v->unsafe[!strcmp(net, "nohairpin")][a][b] |= two || lost;
        v->lines++;
    }
    fclose(f);
    return true;
}

static bool unsafe_here(int a, int b, uint64_t seeds) {
    char first[20], second[20], *words[2] = {first, second};
    snprintf(first, sizeof first, "%s", fault_name((enum fault_kind)a));
    snprintf(second, sizeof second, "%s", fault_name((enum fault_kind)b));
    struct tally t = survey(words, 2, seeds, 0, false);
    return t.two || t.lost;
}

static bool one_network(const struct verdicts *v, bool no_hairpin, uint64_t seeds) {
    int differ = 0, unsafe = 0;
    char what[200];
    rules.no_hairpin = no_hairpin;
    for (int a = 0; a < F_MODEL_KINDS; a++)
        for (int b = 0; b < F_MODEL_KINDS; b++) {
            bool there = v->unsafe[no_hairpin][a][b];
            bool here = unsafe_here(a, b, there ? UNSAFE_SEEDS : seeds);
            unsafe += here;
            differ += here != there;
            if (here != there)
                printf("# %s then %s: %s here, %s in the model\n", fault_name((enum fault_kind)a),
                       fault_name((enum fault_kind)b), here ? "unsafe" : "safe",
                       there ? "unsafe" : "safe");
        }
    rules.no_hairpin = false;
    snprintf(what, sizeof what,
             "%s a path through the gateway: the model and the table agree on all "
             "%d ordered pairs, %d of them unsafe",
             no_hairpin ? "without" : "with", F_MODEL_KINDS * F_MODEL_KINDS, unsafe);
    return line(differ == 0, what);
}

bool agree(uint64_t seeds, const char *table) {
    static struct verdicts v;
    if (!read_table(table, &v)) return line(false, "the model's verdicts can be read");
    bool good = one_network(&v, false, seeds);
    return one_network(&v, true, seeds) && good;
}
