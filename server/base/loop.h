/* The event loop: the only file that includes <ev.h>. A fake may replace it at link time.
 * One loop belongs to one thread; only loop_wake may be called from another one.
 * The owner of a watcher struct owns its memory; it must be stopped before that is released. */
#ifndef DUET_BASE_LOOP_H
#define DUET_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop;
struct loop_io;
struct loop_timer;
struct loop_signal;
struct loop_child;
struct loop_wake;
struct loop_hook;

struct loop *loop_new(void);
void loop_free(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop */
/* One turn: waits for events when wait is true, else only takes what is there. */
void loop_turn(struct loop *l, bool wait);
void loop_stop(struct loop *l);
/* Time at the start of this turn, CLOCK_BOOTTIME in ns. */
uint64_t loop_now_ns(struct loop *l);

/* Descriptor readiness, level-triggered. */
typedef void loop_io_fn(struct loop *l, void *arg, int revents);
struct loop_io *loop_io_new(struct loop *l, int fd, loop_io_fn *fn, void *arg);
/* Which of LOOP_READ | LOOP_WRITE are wanted; 0 stops. Cheap when nothing changes. */
void loop_io_want(struct loop_io *w, int events);
int loop_io_wanted(const struct loop_io *w);
void loop_io_free(struct loop_io *w); /* does not close the descriptor; NULL is fine */

/* Timers: first after after_ns, then every repeat_ns (0: once). */
typedef void loop_timer_fn(struct loop *l, void *arg);
struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *arg);
void loop_timer_start(struct loop_timer *t, uint64_t after_ns, uint64_t repeat_ns);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_active(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL is fine */

/* Signals, and the end of child processes (only on the loop of the first thread). */
struct loop_signal *loop_signal_new(struct loop *l, int signo,
                                    void (*fn)(struct loop *l, void *arg, int signo), void *arg);
void loop_signal_free(struct loop_signal *s);
/* Calls fn once with waitpid's status when the child ends; pid 0: any child, again and again. */
struct loop_child *loop_child_new(struct loop *l, pid_t pid,
                                  void (*fn)(struct loop *l, void *arg, pid_t pid, int status),
                                  void *arg);
void loop_child_free(struct loop_child *c);

/* Wakes the loop from any thread; calls collapse. */
struct loop_wake *loop_wake_new(struct loop *l, loop_timer_fn *fn, void *arg);
void loop_wake(struct loop_wake *w);
void loop_wake_free(struct loop_wake *w);

/* Runs before the loop sleeps in each turn (replies are written, batches flushed here). */
struct loop_hook *loop_before_sleep_new(struct loop *l, loop_timer_fn *fn, void *arg);
void loop_before_sleep_free(struct loop_hook *h);
/* Keeps the loop from sleeping while on is true (there is work left for the next turn). */
void loop_keep_turning(struct loop *l, bool on);

#endif
