/* Active defragmentation: when pages are emptier than active-defrag-threshold-lower says, values that stand on the
 * emptiest ones are moved to fuller ones, so that the emptied go back to the system.
 *
 * It is needed, whatever the layout: jemalloc's pages hold one size class each, and when 70 % of the keys go and those
 * that come have other sizes, resident memory is 3 to 8 times what is in use (measured; mimalloc the same). It is cheap,
 * because everything is referred to from one place (store/compact.c): on by default, in steps of some 0.3 ms. */
#ifndef DUET_SERVER_DEFRAG_H
#define DUET_SERVER_DEFRAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ten times a second: decides whether, and how much of the executor's time. */
void defrag_cron(void);
/* Each turn: a step, while there is time left; true when there is. */
bool defrag_step(void);
/* Percent of the executor's time it may take now; 0: it rests. */
int defrag_running(void);

struct defrag_counts {
    size_t moved, looked, passes;
    uint64_t ns, now_ns; /* time that it took, in all and since it last rested */
};
struct defrag_counts defrag_counts(void);

#endif
