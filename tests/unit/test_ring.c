/* link: server/base/ring.c server/base/buf.c server/base/log.c */
/* The queue between two threads: order, nothing lost, no wake lost. */
#include "server/base/ring.h"
#include "tests/unit/tap.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void alone(void) {
    struct ring r;
    struct ring_item got[1000];
    ring_init(&r);
    ok(ring_is_empty(&r) && ring_take(&r, got, 10) == 0, "a new ring is empty");
    uintptr_t in = 0, out = 0;
    bool in_order = true;
    for (int round = 0; round < 2000; round++) {
        size_t put = (size_t)rand() % 700, max = (size_t)rand() % 900;
        for (size_t i = 0; i < put; i++, in++) ring_put(&r, in, &r);
        size_t n = ring_take(&r, got, max);
        in_order = in_order && n == (in - out < max ? in - out : max);
        for (size_t i = 0; i < n; i++) {
            in_order = in_order && got[i].what == out + i && got[i].p == &r;
        }
        out += n;
        in_order = in_order && ring_is_empty(&r) == (in == out);
        if (in - out > 20000) {
            while (!ring_is_empty(&r)) out += ring_take(&r, got, 1000);
        }
    }
    ok(in_order, "%zu items come out in order, in any portions", (size_t)out);
    ring_free(&r);
}

/* Two threads that sleep on a pipe each: a lost wake hangs the test. */
struct side {
    struct ring *in, *out;
    struct sleeper *me, *other;
    int sleep_fd, wake_fd;
    uintptr_t rounds;
    bool leads, fine;
};

static void tell(struct side *s) {
    if (sleeper_must_wake(s->other) && write(s->wake_fd, "", 1) != 1) s->fine = false;
}

static void await(struct side *s) {
    char c;
    sleeper_raise(s->me);
    if (ring_is_empty(s->in) && read(s->sleep_fd, &c, 1) != 1) s->fine = false;
    sleeper_lower(s->me);
}

static void *talk(void *arg) {
    struct side *s = arg;
    struct ring_item got[64];
    uintptr_t sent = 0, seen = 0;
    s->fine = true;
    while (seen < s->rounds) {
        for (unsigned burst = s->leads ? 1 + (unsigned)(sent % 300) : 0; burst && sent < s->rounds;
             burst--)
            ring_put(s->out, sent++, s);
        if (s->leads) tell(s);
        size_t n = ring_take(s->in, got, 64);
        for (size_t i = 0; i < n; i++) s->fine = s->fine && got[i].what == seen++;
        for (size_t i = 0; i < n && !s->leads; i++) ring_put(s->out, got[i].what, got[i].p);
        if (n && !s->leads) tell(s);
        if (!n && (!s->leads || sent == s->rounds || sent - seen > 2000)) await(s);
    }
    return NULL;
}

static void two_threads(void) {
    struct ring up, down;
    struct sleeper a = {false}, b = {false};
    int to_a[2], to_b[2];
    uintptr_t rounds = getenv("DUET_FULL") ? 20000000 : 400000;
    pthread_t thread;
    ring_init(&up);
    ring_init(&down);
    if (pipe(to_a) || pipe(to_b)) abort();
    struct side first = {&up, &down, &a, &b, to_a[0], to_b[1], rounds, true, true};
    struct side second = {&down, &up, &b, &a, to_b[0], to_a[1], rounds, false, true};
    pthread_create(&thread, NULL, talk, &second);
    talk(&first);
    pthread_join(thread, NULL);
    ok(first.fine && second.fine, "%zu items go there and back in order, and no wake is lost",
       (size_t)rounds);
    ring_free(&up);
    ring_free(&down);
}

int main(void) {
    alone();
    two_threads();
    return done();
}
