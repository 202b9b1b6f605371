/* See loop.h. Each watcher carries its libev watcher inside; `data` of none is used, the struct
 * around it is found by its place. */
#include "server/base/loop.h"

#include <ev.h>
#include <stddef.h>
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"

struct loop {
    struct ev_loop *ev;
    uint64_t now_ns; /* of this turn; 0: not read yet */
    ev_check turn_began;
    ev_idle busy;
};

#define holder(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static void on_turn(struct ev_loop *ev, ev_check *w, int revents) {
    (void)ev, (void)revents;
    holder(w, struct loop, turn_began)->now_ns = 0;
}

static void on_idle(struct ev_loop *ev, ev_idle *w, int revents) {
    (void)ev, (void)w, (void)revents; /* its presence alone keeps the loop from sleeping */
}

struct loop *loop_new(void) {
    static bool have_default;
    struct loop *l = xcalloc(1, sizeof *l);
    /* Only libev's default loop can watch child processes; the first loop made is that one. */
    unsigned flags = EVFLAG_NOENV | EVBACKEND_EPOLL;
    l->ev = __atomic_exchange_n(&have_default, true, __ATOMIC_SEQ_CST) ? ev_loop_new(flags)
                                                                       : ev_default_loop(flags);
    if (!l->ev) bug("the event loop cannot start: %m");
    ev_check_init(&l->turn_began, on_turn);
    ev_set_priority(&l->turn_began, EV_MAXPRI);
    ev_check_start(l->ev, &l->turn_began);
    ev_unref(l->ev);
    ev_idle_init(&l->busy, on_idle);
    return l;
}

void loop_free(struct loop *l) {
    if (!l) return;
    ev_ref(l->ev);
    ev_check_stop(l->ev, &l->turn_began);
    loop_keep_turning(l, false);
    if (!ev_is_default_loop(l->ev)) ev_loop_destroy(l->ev);
    free(l);
}

void loop_run(struct loop *l) {
    ev_run(l->ev, 0);
}

void loop_turn(struct loop *l, bool wait) {
    ev_run(l->ev, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
}

void loop_stop(struct loop *l) {
    ev_break(l->ev, EVBREAK_ALL);
}

uint64_t loop_now_ns(struct loop *l) {
    if (!l->now_ns) l->now_ns = clock_boot_ns();
    return l->now_ns;
}

void loop_keep_turning(struct loop *l, bool on) {
    if (on == (bool)ev_is_active(&l->busy)) return;
    if (on)
        ev_idle_start(l->ev, &l->busy);
    else
        ev_idle_stop(l->ev, &l->busy);
}

/* --- descriptors --- */

struct loop_io {
    ev_io w;
    struct loop *loop;
    loop_io_fn *fn;
    void *arg;
    int wanted;
};

static void on_io(struct ev_loop *ev, ev_io *w, int revents) {
    (void)ev;
    struct loop_io *io = holder(w, struct loop_io, w);
    int events = (revents & EV_READ ? LOOP_READ : 0) | (revents & EV_WRITE ? LOOP_WRITE : 0);
    if (revents & EV_ERROR) events = LOOP_READ | LOOP_WRITE; /* the next read or write will tell */
    io->fn(io->loop, io->arg, events);
}

struct loop_io *loop_io_new(struct loop *l, int fd, loop_io_fn *fn, void *arg) {
    struct loop_io *io = xcalloc(1, sizeof *io);
    must(fd >= 0, "a descriptor");
    ev_io_init(&io->w, on_io, fd, 0);
    io->loop = l;
    io->fn = fn;
    io->arg = arg;
    return io;
}

void loop_io_want(struct loop_io *io, int events) {
    if (events == io->wanted) return;
    io->wanted = events;
    ev_io_stop(io->loop->ev, &io->w);
    if (!events) return;
    ev_io_set(&io->w, io->w.fd,
              (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0));
    ev_io_start(io->loop->ev, &io->w);
}

int loop_io_wanted(const struct loop_io *io) {
    return io->wanted;
}

void loop_io_free(struct loop_io *io) {
    if (!io) return;
    ev_io_stop(io->loop->ev, &io->w);
    free(io);
}

/* --- timers --- */

struct loop_timer {
    ev_timer w;
    struct loop *loop;
    loop_timer_fn *fn;
    void *arg;
};

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents) {
    (void)ev, (void)revents;
    struct loop_timer *t = holder(w, struct loop_timer, w);
    t->fn(t->loop, t->arg);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *arg) {
    struct loop_timer *t = xcalloc(1, sizeof *t);
    ev_init(&t->w, on_timer);
    t->loop = l;
    t->fn = fn;
    t->arg = arg;
    return t;
}

void loop_timer_start(struct loop_timer *t, uint64_t after_ns, uint64_t repeat_ns) {
    struct ev_loop *ev = t->loop->ev;
    ev_timer_stop(ev, &t->w);
    /* libev counts from the start of the turn; what the turn has taken so far is added. */
    double late = ev_time() - ev_now(ev);
    if (late < 0 || late > 3600) late = 0;
    ev_timer_set(&t->w, (double)after_ns / 1e9 + late, (double)repeat_ns / 1e9);
    ev_timer_start(ev, &t->w);
}

void loop_timer_stop(struct loop_timer *t) {
    ev_timer_stop(t->loop->ev, &t->w);
}

bool loop_timer_active(const struct loop_timer *t) {
    return t->w.active; /* what ev_is_active reads, without its cast */
}

void loop_timer_free(struct loop_timer *t) {
    if (!t) return;
    loop_timer_stop(t);
    free(t);
}

/* --- signals and children --- */

struct loop_signal {
    ev_signal w;
    struct loop *loop;
    void (*fn)(struct loop *l, void *arg, int signo);
    void *arg;
};

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents) {
    (void)ev, (void)revents;
    struct loop_signal *s = holder(w, struct loop_signal, w);
    s->fn(s->loop, s->arg, w->signum);
}

struct loop_signal *loop_signal_new(struct loop *l, int signo,
                                    void (*fn)(struct loop *l, void *arg, int signo), void *arg) {
    struct loop_signal *s = xcalloc(1, sizeof *s);
    ev_signal_init(&s->w, on_signal, signo);
    s->loop = l;
    s->fn = fn;
    s->arg = arg;
    ev_signal_start(l->ev, &s->w);
    return s;
}

void loop_signal_free(struct loop_signal *s) {
    if (!s) return;
    ev_signal_stop(s->loop->ev, &s->w);
    free(s);
}

struct loop_child {
    ev_child w;
    struct loop *loop;
    void (*fn)(struct loop *l, void *arg, pid_t pid, int status);
    void *arg;
    bool once;
};

static void on_child(struct ev_loop *ev, ev_child *w, int revents) {
    (void)revents;
    struct loop_child *c = holder(w, struct loop_child, w);
    if (c->once) ev_child_stop(ev, w);
    c->fn(c->loop, c->arg, w->rpid, w->rstatus);
}

struct loop_child *loop_child_new(struct loop *l, pid_t pid,
                                  void (*fn)(struct loop *l, void *arg, pid_t pid, int status),
                                  void *arg) {
    must(ev_is_default_loop(l->ev), "children are watched on the first loop");
    struct loop_child *c = xcalloc(1, sizeof *c);
    ev_child_init(&c->w, on_child, pid, 0);
    c->loop = l;
    c->fn = fn;
    c->arg = arg;
    c->once = pid != 0;
    ev_child_start(l->ev, &c->w);
    return c;
}

void loop_child_free(struct loop_child *c) {
    if (!c) return;
    ev_child_stop(c->loop->ev, &c->w);
    free(c);
}

/* --- waking from another thread --- */

struct loop_wake {
    ev_async w;
    struct loop *loop;
    loop_timer_fn *fn;
    void *arg;
};

static void on_wake(struct ev_loop *ev, ev_async *w, int revents) {
    (void)ev, (void)revents;
    struct loop_wake *k = holder(w, struct loop_wake, w);
    k->fn(k->loop, k->arg);
}

struct loop_wake *loop_wake_new(struct loop *l, loop_timer_fn *fn, void *arg) {
    struct loop_wake *k = xcalloc(1, sizeof *k);
    ev_async_init(&k->w, on_wake);
    k->loop = l;
    k->fn = fn;
    k->arg = arg;
    ev_async_start(l->ev, &k->w);
    return k;
}

void loop_wake(struct loop_wake *k) {
    ev_async_send(k->loop->ev, &k->w);
}

void loop_wake_free(struct loop_wake *k) {
    if (!k) return;
    ev_async_stop(k->loop->ev, &k->w);
    free(k);
}

/* --- before sleep --- */

struct loop_hook {
    ev_prepare w;
    struct loop *loop;
    loop_timer_fn *fn;
    void *arg;
};

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents) {
    (void)ev, (void)revents;
    struct loop_hook *h = holder(w, struct loop_hook, w);
    h->fn(h->loop, h->arg);
}

struct loop_hook *loop_before_sleep_new(struct loop *l, loop_timer_fn *fn, void *arg) {
    struct loop_hook *h = xcalloc(1, sizeof *h);
    ev_prepare_init(&h->w, on_prepare);
    h->loop = l;
    h->fn = fn;
    h->arg = arg;
    ev_prepare_start(l->ev, &h->w);
    return h;
}

void loop_before_sleep_free(struct loop_hook *h) {
    if (!h) return;
    ev_prepare_stop(h->loop->ev, &h->w);
    free(h);
}
