/* The allocator under malloc: its options, and its own figures. alloc.c is the only file that knows
 * which one it is (jemalloc, as image/libs/jemalloc.sh builds it); the choice and its options were
 * made by measurement, and the figures stand there.
 *
 * Unit tests run on the sanitizers' allocator and do not link this. */
#ifndef DUET_BASE_ALLOC_H
#define DUET_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alloc_stats {
    size_t allocated; /* bytes handed out, as the size classes round them */
    size_t active;    /* bytes of the pages that they stand on */
    size_t resident;  /* active, what waits to be given back, and the allocator's own books */
    size_t retained;  /* addresses kept for later, without memory */
};
/* Adds up the figures of all threads: some 20 us, so not in a request's way. */
void alloc_stats(struct alloc_stats *out);
/* "jemalloc-5.3.0" */
const char *alloc_name(void);
/* Gives every free page back to the system now. */
void alloc_purge(void);
/* A figure of the allocator by its own name ("background_thread"): sets it when set is true, and tells what it was.
 * Returns 0 or an errno. */
int alloc_control(const char *name, int64_t *value, bool set);
/* The allocator's full report, in pieces of text. */
void alloc_report(void (*piece)(void *arg, const char *text), void *arg);

/* Whether an allocation stands on pages that are emptier than those of its size are on average, so
 * that moving it helps to give pages back. p must be allocated. Some 50 ns and a lock: for
 * defragmentation in steps. */
bool alloc_is_lonely(const void *p);
/* A copy of n bytes at p on fuller pages, when p stands on lonely ones; NULL: it stands well. */
void *alloc_move(void *p, size_t n);
/* As free, past the thread's cache: what was moved away from is not to be handed out again. */
void alloc_free_moved(void *p);

#endif
