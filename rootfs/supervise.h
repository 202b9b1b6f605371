/* Starts children, starts them again when they end, keeps their output and their pid files, ends them
 * in order. Used by init (PID 1) and by `duet node`. One supervisor a process, on its first thread. */
#ifndef DUET_ROOTFS_SUPERVISE_H
#define DUET_ROOTFS_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct logs;
struct supervisor;

/* What a child is. Strings are copied; argv ends with NULL, its first word is the applet's or program's name. */
struct child_spec {
    const char *name;    /* run/NAME.pid, NAME.log */
    const char *program; /* what is executed; NULL: this binary, under the name argv[0] */
    const char *const *argv;
    uid_t uid; /* 0: stays as it is */
    gid_t gid;
    int realtime_priority; /* 1..99 as SCHED_FIFO; 0: ordinary */
    int oom_score_adj;     /* -1000: never killed for memory */
    const char *
        tty; /* a terminal that becomes the child's own ("/dev/ttyS0"); NULL: its output is logged */
    const char *term;  /* TERM for the terminal */
    int stop_rank;     /* ended in rising order; equal ranks together */
    int stop_limit_ms; /* SIGKILL after this */
};

/* logs may be NULL (output is dropped). run_dir is where pid files go. */
struct supervisor *supervisor_new(struct loop *l, struct logs *logs, const char *run_dir);
/* Only after supervisor_stop has ended, or when nothing was started. */
void supervisor_free(struct supervisor *s);
/* Another place for output from now on (the data partition was mounted). */
void supervisor_set_logs(struct supervisor *s, struct logs *logs);

/* Adds and starts a child; it is started again whenever it ends. */
void supervisor_start(struct supervisor *s, const struct child_spec *spec);
/* Its pid, 0 while it does not run (or there is none of the name). */
pid_t supervisor_pid(const struct supervisor *s, const char *name);
/* For how long it has been running; 0 when it does not. */
uint64_t supervisor_age_ms(const struct supervisor *s, const char *name);

/* Ends one child for good and forgets it, then calls done(arg, name) on the loop. False: there is no such child, or it is
 * being ended already. */
bool supervisor_end(struct supervisor *s, const char *name,
                    void (*done)(void *arg, const char *name), void *arg);
/* How its last run ended ("was killed by signal 9 (Killed)"), NULL when it has not ended yet; and how often it was
 * started again. */
const char *supervisor_last_end(const struct supervisor *s, const char *name, uint64_t *restarts);
/* There is a child of the name, running or not. */
bool supervisor_has(const struct supervisor *s, const char *name);

/* SIGTERM by rank, SIGKILL after each one's limit; then done(arg) is called on the loop. Nothing is started any more. */
void supervisor_stop(struct supervisor *s, void (*done)(void *arg), void *arg);

/* Runs a program to its end (this binary when program is NULL), at most limit_ms; its output goes to
 * the log, line by line. Returns the exit status, or -1 when it was killed, did not end or could not be started. Blocks: for
 * use before the loop runs. */
int supervisor_run_tool(const char *program, const char *const *argv, int limit_ms);

/* The path of this binary. */
const char *supervisor_self(void);

#endif
