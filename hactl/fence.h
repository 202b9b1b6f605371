/* The fence: switches the peer's machine off through its management controller and says so only when the
 * controller confirms it; and tests again and again that it would be able to. It watches the own controller too,
 * through which the peer fences this node. */
#ifndef HACTL_FENCE_H
#define HACTL_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#define FENCE_TEST_MS   10000 /* between two tests ... */
#define FENCE_RETEST_MS 5000  /* ... after one that failed */

struct loop;
struct fence;

struct fence_conf {
    const char *host, *user, *password; /* they outlive the fence */
};

struct fence_calls {
    void *arg;
    /* ok: the peer's controller says that the power is off. Once for each fence_off that was not overtaken by a newer one. */
    void (*fenced)(void *arg, uint32_t id, bool ok, const char *why);
    /* A test that began at sent_at (CLOCK_BOOTTIME, ns) ended. */
    void (*tested)(void *arg, int64_t sent_at, bool ok);
};

struct fence_view {
    bool ready;              /* the last test was good */
    int64_t age_ns;          /* since the last good test began; INT64_MAX: none ever */
    const char *why;         /* what was wrong with the last one; "" nothing */
    const char *power;       /* of the peer, as its controller said last: "on", "off", "" unknown */
    bool fencing;            /* it is being switched off now */
    bool own;                /* this machine has a controller of its own that the kernel knows */
    const char *own_address; /* of it; "" not known */
    const char *own_why;     /* what is wrong with it; "" nothing */
};

struct fence *fence_new(struct loop *l, const struct fence_conf *conf,
                        const struct fence_calls *calls);
void fence_free(struct fence *f); /* NULL is fine */
/* Begins, or goes on with a newer number. */
void fence_off(struct fence *f, uint32_t id);
void fence_look(const struct fence *f, struct fence_view *out);

#endif
