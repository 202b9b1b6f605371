/* See alloc.h. jemalloc, with the size classes of image/libs/jemalloc.sh and image/patches.
 *
 * Chosen over mimalloc 2.0.9 (Debian's) on a million elements each, under musl, bytes over payload:
 *
 *   shape                       jemalloc  mimalloc  mimalloc with classes as close as ours
 *   key 16, value 64               19        27        19
 *   key 16, value 1 KiB           133       263       148
 *   hash of 10 small fields        86       107        90
 *   hash of 1 M, a field         15.3      14.9      15.0
 *   set of 1 M, a member         17.5      16.9      16.9
 *   CPU of a GET over 4 M keys  0.40 us             0.41 us   (pipelined)
 *   memory after churn             as bad as each other: see server/defrag.h
 *
 * So it is no faster, wants a patch of its own as well, and cannot tell how full a page is, which
 * moving values together needs.
 *
 * The options:
 *   narenas:2              one executor allocates nearly all; a second arena keeps the other threads
 *                          out of its way. More arenas only spread the same over more pages.
 *   background_thread      gives pages back when their time has come, also when nobody allocates, and
 *                          never in the executor's turn.
 *   dirty_decay_ms:1000    288 MB that were freed are back with the system a second later. With ten seconds (the
 *                          preset) a load of 1 KiB values left 1376 B a key resident, with one 1252.
 *   muzzy_decay_ms:0       what is given back is given back: resident memory tells the truth.
 *   tcache_max:131072      a table's segments and connections' buffers are 64 KiB: past the thread's
 *                          cache each took a new run of pages while small objects cut up the old one;
 *                          110 -> 101 B for a key of 16 and a value of 64, 1252 -> 1180 for 1 KiB.
 * And one that was tried and is not there:
 *   thp:always             huge pages: a GET at random in 4 M keys takes 0.31 instead of 0.40 us. But the first touch of
 *                          one clears 2 MiB: 5 ms of the executor's turn on the (virtual) machine it was measured on,
 *                          at every 2 MiB of growth, where 0.3 ms is the longest turn without; and a page that is
 *                          partly free does not go back. Worth another look on bare metal. */
#include "server/base/alloc.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"

const char *malloc_conf = "narenas:2,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,"
                          "tcache_max:131072";

static size_t figure(const char *name) {
    size_t v = 0, size = sizeof v;
    return mallctl(name, &v, &size, NULL, 0) ? 0 : v;
}

/* 4096 stands for all arenas together. What threads keep for their next allocations is in use for nothing. */
void alloc_stats(struct alloc_stats *out) {
    uint64_t epoch = 1;
    mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
    out->allocated = figure("stats.allocated") - figure("stats.arenas.4096.tcache_bytes");
    out->active = figure("stats.active");
    out->resident = figure("stats.resident");
    out->retained = figure("stats.retained");
}

/* Its figures have 8, 4 or 1 bytes, and only it knows which. */
int alloc_control(const char *name, int64_t *value, bool set) {
    int64_t new = *value;
    int error = EINVAL;
    for (size_t size = sizeof new; size &&error == EINVAL; size /= 2) {
        size_t got = size;
        int64_t old = 0;
        error = mallctl(name, &old, &got, set ? &new : NULL, set ? size : 0);
        if (error == EPERM && set) error = mallctl(name, NULL, NULL, &new, size);
        if (!error) *value = old;
    }
    return error;
}

const char *alloc_name(void) {
    return "jemalloc-5.3.0";
}

void alloc_purge(void) {
    enum { ALL_ARENAS = MALLCTL_ARENAS_ALL };
    size_t mib[3], n = 3;
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    if (mallctlnametomib("arena.0.purge", mib, &n)) return;
    mib[1] = ALL_ARENAS;
    mallctlbymib(mib, n, NULL, NULL, NULL, 0);
}

void alloc_report(void (*piece)(void *arg, const char *text), void *arg) {
    malloc_stats_print(piece, arg, "");
}

/* As jemalloc writes it: experimental.utilization.query. */
struct utilization {
    void *current; /* the page run that the next allocation of this size comes from */
    size_t free, places, bytes;
    size_t all_free, all_places; /* of this size, over all runs */
};

bool alloc_is_lonely(const void *p) {
    static size_t mib[3], mib_len;
    struct utilization u;
    size_t size = sizeof u;
    if (!mib_len) {
        size_t n = 3;
        if (mallctlnametomib("experimental.utilization.query", mib, &n)) return false;
        mib_len = n;
    }
    if (mallctlbymib(mib, mib_len, &u, &size, &p, sizeof p)) return false;
    if (!u.free || !u.all_places) return false;
    const char *current = u.current;
    if (current && (const char *)p >= current && (const char *)p < current + u.bytes) return false;
    /* Its run is at most as full as the mean and an eighth: then others have room for what is in it. */
    size_t full = u.places - u.free, all_full = u.all_places - u.all_free;
    return full * u.all_places <= all_full * u.places + all_full * u.places / 8;
}

void *alloc_move(void *p, size_t n) {
    if (!alloc_is_lonely(p)) return NULL;
    void *copy = mallocx(n, MALLOCX_TCACHE_NONE);
    if (!copy) bug("out of memory: %zu bytes", n);
    return memcpy(copy, p, n);
}

void alloc_free_moved(void *p) {
    dallocx(p, MALLOCX_TCACHE_NONE);
}
