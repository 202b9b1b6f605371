/* link: server/persist/spill.c server/base/buf.c server/base/file.c server/base/log.c server/base/rand.c server/base/num.c */
#include "server/persist/spill.h"

#include "server/base/file.h"
#include "server/base/rand.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The bytes of queue q in order: what is at place i. */
static char byte_at(int q, uint64_t i) {
    return (char)(i * 31 + i / 251 + (uint64_t)q * 7);
}

static void add_bytes(struct spill *s, int q, uint64_t *put, size_t n) {
    char *p = malloc(n + 1);
    for (size_t i = 0; i < n; i++) p[i] = byte_at(q, *put + i);
    spill_add(s, p, n);
    *put += n;
    free(p);
}

/* Takes once; false: a byte is not the one that stood there. */
static bool take_bytes(struct spill *s, int q, uint64_t *got) {
    struct buf out = BUF_INIT;
    size_t n = spill_take(s, &out);
    bool same = n == buf_len(&out) && (n > 0 || s->bytes == 0);
    for (size_t i = 0; i < n; i++) same &= buf_head(&out)[i] == byte_at(q, *got + i);
    *got += n;
    buf_free(&out);
    return same;
}

static void in_memory(void) {
    struct spill_pool *pool = spill_pool_new("/nowhere/at/all", 1 << 20, 1 << 30);
    struct spill s;
    uint64_t put = 0, got = 0;
    spill_init(&s, pool);
    ok(spill_empty(&s), "a new queue is empty");
    add_bytes(&s, 1, &put, 10);
    ok(spill_memory(pool) <= 256, "a few bytes take little");
    for (int i = 0; i < 100; i++) add_bytes(&s, 1, &put, 5000);
    bool same = true;
    while (!spill_empty(&s)) same &= take_bytes(&s, 1, &got);
    ok(same && got == put, "what went in comes out, in order");
    ok(!spill_failure(pool) && spill_written_bytes(pool) == 0, "and no file was needed");
    ok(spill_memory(pool) == 0, "an empty queue holds no memory");
    spill_free(&s);
    close(spill_pool_free(pool));
}

/* Several queues, filled and emptied by chance under a small bound. */
static void many_queues(const char *dir) {
    enum { QUEUES = 12, BOUND = 256 * 1024 };
    struct spill_pool *pool = spill_pool_new(dir, BOUND, 1 << 30);
    struct spill s[QUEUES];
    uint64_t put[QUEUES] = {0}, got[QUEUES] = {0};
    struct prng rng;
    prng_seed(&rng, tap_seed());
    bool same = true, bounded = true;
    size_t most = BOUND + QUEUES * 2 * SPILL_LEAST_BYTES + SPILL_PIECE_BYTES;
    for (int q = 0; q < QUEUES; q++) spill_init(&s[q], pool);
    for (int i = 0; i < 4000; i++) {
        int q = (int)(prng_u64(&rng) % QUEUES);
        if (prng_u64(&rng) % 8)
            add_bytes(&s[q], q, &put[q], prng_u64(&rng) % (i % 50 ? 3000 : 300000));
        else if (!spill_empty(&s[q]))
            same &= take_bytes(&s[q], q, &got[q]);
        bounded &= spill_memory(pool) <= most;
    }
    ok(bounded, "the memory of all queues together stays within the bound");
    ok(spill_written_bytes(pool) > 1 << 20, "the rest went to a file");
    for (int q = 0; q < QUEUES - 1; q++) {
        while (!spill_empty(&s[q])) same &= take_bytes(&s[q], q, &got[q]);
        same &= got[q] == put[q];
    }
    ok(same, "every queue gives back its own bytes in order");
    for (int q = 0; q < QUEUES; q++) spill_free(&s[q]);
    ok(spill_memory(pool) == 0 && spill_file_bytes(pool) == 0, "freed queues leave nothing behind");
    uint64_t again = 0;
    add_bytes(&s[0], 3, &again, 100000);
    got[0] = 0;
    while (!spill_empty(&s[0])) same &= take_bytes(&s[0], 3, &got[0]);
    ok(same && got[0] == again, "a freed queue can be filled again");
    close(spill_pool_free(pool));
}

static void places_come_back(const char *dir) {
    struct spill_pool *pool = spill_pool_new(dir, 0, 4 * SPILL_PIECE_BYTES);
    struct spill s;
    uint64_t put = 0, got = 0;
    bool same = true;
    spill_init(&s, pool);
    for (int i = 0; i < 40; i++) {
        add_bytes(&s, 2, &put, 2 * SPILL_PIECE_BYTES);
        while (!spill_empty(&s)) same &= take_bytes(&s, 2, &got);
    }
    ok(same && !spill_failure(pool), "what was taken out makes room in the file");
    add_bytes(&s, 2, &put, 5 * SPILL_PIECE_BYTES);
    const char *why = spill_failure(pool);
    ok(why && strstr(why, "more than 0 MB") && strstr(why, dir), "beyond its bound it fails: %s",
       why ? why : "");
    struct buf out = BUF_INIT;
    ok(spill_take(&s, &out) == 0, "and gives nothing out any more");
    spill_free(&s);
    close(spill_pool_free(pool));
    buf_free(&out);
}

static int writes_left;
static int disk_full(char op, int fd) {
    (void)fd;
    return op == 'w' && writes_left-- <= 0 ? ENOSPC : 0;
}

static void faults(const char *dir) {
    for (int n = 0; n < 6; n++) {
        struct spill_pool *pool = spill_pool_new(dir, 0, 1 << 30);
        struct spill a, b;
        uint64_t put = 0, got = 0;
        bool same = true;
        spill_init(&a, pool);
        spill_init(&b, pool);
        writes_left = n;
        file_set_fault(disk_full);
        for (int i = 0; i < 8; i++) {
            add_bytes(&a, 1, &put, SPILL_PIECE_BYTES / 2);
            spill_add(&b, "0123456789", 10);
        }
        file_set_fault(NULL);
        const char *why = spill_failure(pool);
        ok(why && strstr(why, strerror(ENOSPC)), "a disk that is full at write %d is told: %s",
           n + 1, why ? why : "");
        ok(!spill_take(&a, &(struct buf)BUF_INIT) && same && got == 0,
           "and nothing comes out as if it were whole");
        spill_free(&a);
        spill_free(&b);
        ok(spill_memory(pool) == 0, "nothing is left behind");
        close(spill_pool_free(pool));
    }
    struct spill_pool *pool = spill_pool_new("/nowhere/at/all", 0, 1 << 30);
    struct spill s;
    uint64_t put = 0;
    spill_init(&s, pool);
    add_bytes(&s, 1, &put, 5000);
    ok(spill_failure(pool) && strstr(spill_failure(pool), "/nowhere/at/all"),
       "a directory that is not there is told");
    spill_free(&s);
    close(spill_pool_free(pool));
}

int main(void) {
    const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    in_memory();
    many_queues(dir);
    places_come_back(dir);
    faults(dir);
    return done();
}
