/* link: server/repl/overrun.c server/repl/backlog.c server/base/buf.c server/base/log.c server/base/clock.c server/base/rand.c server/base/num.c server/base/file.c */
/* What does not fit into memory, against a plain array of everything that was added. */
#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/rand.h"
#include "server/repl/backlog.h"
#include "server/repl/overrun.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <unistd.h>

static int closed;

static void close_fd(void *arg, int fd) {
    closed += *(int *)arg;
    close(fd);
}

static int no_room(char op, int fd) {
    (void)fd;
    return op == 'w' ? ENOSPC : 0;
}

/* All that is held from offset on, read in pieces of about max. */
static bool reads_back(struct overrun *o, uint64_t offset, size_t max, const char *model,
                       uint64_t base) {
    struct buf got = BUF_INIT;
    bool same = true;
    while (same && offset < overrun_end(o)) {
        buf_clear(&got);
        size_t n = overrun_read(o, offset, max, &got);
        same = n && n == buf_len(&got) && n <= max &&
               memcmp(buf_head(&got), model + (offset - base), n) == 0;
        offset += n;
    }
    buf_free(&got);
    return same;
}

int main(void) {
    enum { ALL = 80 << 20, MEMORY = 1 << 20, FILE_BYTES = 16 << 20 };
    const char *env = getenv("DUET_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : 11, base = 1ULL << 41;
    struct prng p;
    int one = 1;
    prng_seed(&p, seed);
    char *model = xmalloc(ALL);
    for (size_t i = 0; i < ALL / 8; i++) ((uint64_t *)(void *)model)[i] = prng_u64(&p);
    struct backlog *b = backlog_new(0, base);
    struct overrun *o = overrun_new("/tmp", close_fd, &one);
    bool same = true, bounded = true, joined = true;
    uint64_t need = base;
    while (backlog_end(b) - base < ALL) {
        uint64_t at = backlog_end(b) - base, n = prng_below(&p, 600000);
        if (n > ALL - at) n = ALL - at;
        backlog_add(b, model + at, n);
        uint64_t end = backlog_end(b), memory_from = end - base > MEMORY ? end - MEMORY : base;
        if (need < memory_from) {
            same = same && overrun_take(o, b, need, memory_from, 0);
            joined = joined && overrun_end(o) == memory_from && overrun_first(o) <= need;
        }
        overrun_drop(o, need);
        backlog_trim(b, need < memory_from ? memory_from : need);
        joined = joined && (!overrun_bytes(o) || backlog_first(b) <= overrun_end(o));
        uint64_t held_from = need > overrun_first(o) ? need : overrun_first(o);
        bounded = bounded && (!overrun_bytes(o) || need - overrun_first(o) <= FILE_BYTES);
        if (prng_below(&p, 20) == 0 && overrun_bytes(o))
            same = same && reads_back(o, held_from, 1 + prng_below(&p, 3000000), model, base);
        if (prng_below(&p, 30) == 0) need = end; /* the slow one has caught up, once in a while */
        if (prng_below(&p, 3) == 0 && need + 400000 < end) need += prng_below(&p, 400000);
    }
    ok(same, "what is held reads back as it was added (seed %llu)", (unsigned long long)seed);
    ok(joined, "the files end where memory begins");
    ok(bounded, "at most one file more than is needed is held");
    ok(closed > 2, "files that are needed no more were given back");
    uint64_t first = overrun_first(o), end = overrun_end(o);
    ok(end > first && overrun_take(o, b, 0, end, 1) && !overrun_failure(o),
       "to take what is there already is no failure");
    struct backlog *more = backlog_new(0, end);
    backlog_add(more, model, 1000);
    ok(!overrun_take(o, more, 0, end + 1000, end - first) && overrun_failure(o),
       "beyond the bound nothing is taken: %s", overrun_failure(o));
    ok(reads_back(o, first, 1 << 20, model, base), "and what was there can still be read");
    overrun_reset(o);
    ok(!overrun_failure(o) && !overrun_bytes(o), "after a reset it is empty and whole");
    file_set_fault(no_room);
    ok(!overrun_take(o, more, end, end + 1000, 0) && strstr(overrun_failure(o), "/tmp"),
       "a full disk is told with its place: %s", overrun_failure(o));
    file_set_fault(NULL);
    overrun_free(o);
    backlog_free(more);
    backlog_free(b);
    o = overrun_new("/nowhere/at/all", NULL, NULL);
    b = backlog_new(0, 0);
    backlog_add(b, model, 10);
    ok(!overrun_take(o, b, 0, 10, 0), "so is a directory that is not there: %s",
       overrun_failure(o));
    overrun_free(o);
    backlog_free(b);
    free(model);
    return done();
}
