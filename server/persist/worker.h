/* A thread that does one thing after the other: writes, fsyncs, renames, unlinks. The loop's
 * thread posts jobs and is told the results; nothing else is shared. */
#ifndef DUET_PERSIST_WORKER_H
#define DUET_PERSIST_WORKER_H

#include <stdbool.h>

struct loop;
struct worker;

struct worker *worker_new(struct loop *loop);
/* Finishes all jobs, calls their done functions, ends the thread. */
void worker_free(struct worker *w);
/* work runs on the thread and returns 0 or an errno; done (may be NULL) then runs on the loop's
 * thread with it. arg belongs to work until done is called. */
void worker_post(struct worker *w, int (*work)(void *arg), void (*done)(void *arg, int error),
                 void *arg);
/* Blocks until all that was posted is done and its done functions have run (they may post more:
 * that too). */
void worker_wait(struct worker *w);
/* Nothing that was posted is left. */
bool worker_idle(struct worker *w);

#endif
