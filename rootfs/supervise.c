#include "rootfs/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rootfs/backoff.h"
#include "rootfs/logs.h"
#include "rootfs/spawn.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define CHILDREN 80

/* One child: made by supervisor_start, unmade by supervisor_free. */
struct child {
    struct supervisor *s;
    struct child_spec spec; /* owns its strings */
    struct backoff backoff;
    pid_t pid; /* 0: does not run */
    uint64_t started_ns, ended_ns;
    int out; /* our end of its output, -1 */
    struct loop_io *io;
    struct loop_timer *timer; /* the next start, or the limit of its end */
    bool stopping;
    bool leaving; /* it ends for good: */
    void (*gone)(void *arg, const char *name);
    void *gone_arg;
    char last_end[96]; /* "": it has not ended yet */
};

struct supervisor {
    struct loop *loop;
    struct logs *logs;
    char *run_dir;
    struct loop_child *reaper;
    struct child *children[CHILDREN];
    size_t count;
    bool stopping;
    void (*done)(void *arg);
    void *done_arg;
};

const char *supervisor_self(void) {
    static char path[512];
    if (!*path) {
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        if (n <= 0) bug("this process cannot find its own binary");
        path[n] = 0;
    }
    return path;
}

/* ---- output ---- */

static void close_output(struct child *c) {
    loop_io_free(c->io);
    c->io = NULL;
    if (c->out >= 0) close(c->out);
    c->out = -1;
}

static void read_output(struct loop *l, void *arg, int revents) {
    struct child *c = arg;
    char text[4096];
    (void)l, (void)revents;
    for (;;) {
        ssize_t n = read(c->out, text, sizeof text);
        if (n > 0) {
            logs_add(c->s->logs, c->spec.name, text, (size_t)n);
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        close_output(c);
        return;
    }
}

/* ---- what a child is ---- */

static char *copy_or_null(const char *s) {
    return s ? xstrdup(s) : NULL;
}

static void copy_spec(struct child_spec *to, const struct child_spec *from) {
    size_t n = 0;
    *to = *from;
    while (from->argv[n]) n++;
    const char **argv = xcalloc(n + 1, sizeof *argv);
    for (size_t i = 0; i < n; i++) argv[i] = xstrdup(from->argv[i]);
    to->argv = argv;
    to->name = xstrdup(from->name);
    to->program = copy_or_null(from->program);
    to->tty = copy_or_null(from->tty);
    to->term = copy_or_null(from->term);
}

static void free_const(const char *s) {
    free((char *)(uintptr_t)s);
}

static void free_spec(struct child_spec *spec) {
    for (size_t i = 0; spec->argv[i]; i++) free_const(spec->argv[i]);
    free((void *)(uintptr_t)spec->argv);
    free_const(spec->name);
    free_const(spec->program);
    free_const(spec->tty);
    free_const(spec->term);
}

/* ---- start and end ---- */

static char *pid_path(const struct child *c) {
    return xasprintf("%s/%s.pid", c->s->run_dir, c->spec.name);
}

static void start(struct child *c) {
    int ends[2] = {-1, -1};
    uint64_t now = clock_boot_ns();
    close_output(c);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        log_error("cannot start %s: no pipe: %s", c->spec.name, strerror(errno));
        loop_timer_start(c->timer, backoff_ended(&c->backoff, now, now) * NS_PER_MS, 0);
        return;
    }
    c->started_ns = now;
    char *path = pid_path(c);
    c->pid = spawn_child(&c->spec, ends[1], path);
    free(path);
    close(ends[1]);
    if (c->pid < 0) {
        log_error("cannot start %s: no process: %s", c->spec.name, strerror(errno));
        close(ends[0]);
        c->pid = 0;
        loop_timer_start(c->timer, backoff_ended(&c->backoff, now, now) * NS_PER_MS, 0);
        return;
    }
    c->out = ends[0];
    fcntl(c->out, F_SETFL, O_NONBLOCK);
    c->io = loop_io_new(c->s->loop, c->out, read_output, c);
    loop_io_want(c->io, LOOP_READ);
    log_info("%s runs as process %d", c->spec.name, (int)c->pid);
}

static void unmake(struct child *c) {
    close_output(c);
    loop_timer_free(c->timer);
    free_spec(&c->spec);
    free(c);
}

/* One that was to end has ended. */
static void forget(struct child *c) {
    struct supervisor *s = c->s;
    void (*gone)(void *arg, const char *name) = c->gone;
    void *arg = c->gone_arg;
    char name[64];
    size_t i = 0;
    snprintf(name, sizeof name, "%s", c->spec.name);
    while (s->children[i] != c) i++;
    s->count--;
    memmove(&s->children[i], &s->children[i + 1], (s->count - i) * sizeof s->children[0]);
    unmake(c);
    if (gone) gone(arg, name);
}

static void on_timer(struct loop *l, void *arg) {
    struct child *c = arg;
    (void)l;
    if (c->pid > 0 && c->stopping) {
        log_warning("%s has not ended within %d ms; it is killed", c->spec.name,
                    c->spec.stop_limit_ms);
        kill(c->pid, SIGKILL);
    } else if (c->pid == 0 && c->leaving && !c->s->stopping) {
        forget(c);
    } else if (c->pid == 0 && !c->s->stopping) {
        start(c);
    }
}

static void stop_next_rank(struct supervisor *s);

static void on_end(struct child *c, int status) {
    char how[sizeof c->last_end];
    uint64_t now = clock_boot_ns();
    if (c->io) read_output(c->s->loop, c, LOOP_READ);
    if (WIFSIGNALED(status)) {
        snprintf(how, sizeof how, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
    }
    pid_t pid = c->pid;
    snprintf(c->last_end, sizeof c->last_end, "%s", how);
    c->pid = 0;
    c->ended_ns = now;
    char *path = pid_path(c);
    unlink(path);
    free(path);
    if (c->s->stopping) {
        loop_timer_stop(c->timer);
        log_info("%s %s", c->spec.name, how);
        stop_next_rank(c->s);
        return;
    }
    if (c->leaving) {
        log_info("%s %s; it is not started again", c->spec.name, how);
        forget(c);
        return;
    }
    uint64_t wait_ms = backoff_ended(&c->backoff, c->started_ns, now);
    log_warning("%s (process %d) %s; it is started again%s", c->spec.name, (int)pid, how,
                wait_ms ? " after a pause" : " at once");
    if (wait_ms == 0)
        start(c);
    else
        loop_timer_start(c->timer, wait_ms * NS_PER_MS, 0);
}

/* Every child's end comes here, adopted orphans' too when this is PID 1. */
static void on_child(struct loop *l, void *arg, pid_t pid, int status) {
    struct supervisor *s = arg;
    (void)l;
    for (size_t i = 0; i < s->count; i++) {
        if (s->children[i]->pid == pid) {
            on_end(s->children[i], status);
            return;
        }
    }
}

/* ---- public ---- */

struct supervisor *supervisor_new(struct loop *l, struct logs *logs, const char *run_dir) {
    struct supervisor *s = xcalloc(1, sizeof *s);
    supervisor_self();
    s->loop = l;
    s->logs = logs;
    s->run_dir = xstrdup(run_dir);
    s->reaper = loop_child_new(l, 0, on_child, s);
    return s;
}

void supervisor_free(struct supervisor *s) {
    if (!s) return;
    for (size_t i = 0; i < s->count; i++) unmake(s->children[i]);
    loop_child_free(s->reaper);
    free(s->run_dir);
    free(s);
}

void supervisor_set_logs(struct supervisor *s, struct logs *logs) {
    s->logs = logs;
}

void supervisor_start(struct supervisor *s, const struct child_spec *spec) {
    must(s->count < CHILDREN, "a node has fewer children than there is room for");
    struct child *c = xcalloc(1, sizeof *c);
    c->s = s;
    c->out = -1;
    copy_spec(&c->spec, spec);
    c->timer = loop_timer_new(s->loop, on_timer, c);
    s->children[s->count++] = c;
    start(c);
}

static const struct child *find(const struct supervisor *s, const char *name) {
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->children[i]->spec.name, name) == 0) return s->children[i];
    }
    return NULL;
}

pid_t supervisor_pid(const struct supervisor *s, const char *name) {
    const struct child *c = find(s, name);
    return c ? c->pid : 0;
}

uint64_t supervisor_age_ms(const struct supervisor *s, const char *name) {
    const struct child *c = find(s, name);
    return c && c->pid > 0 ? (clock_boot_ns() - c->started_ns) / NS_PER_MS : 0;
}

bool supervisor_has(const struct supervisor *s, const char *name) {
    return find(s, name) != NULL;
}

const char *supervisor_last_end(const struct supervisor *s, const char *name, uint64_t *restarts) {
    const struct child *c = find(s, name);
    if (restarts) *restarts = c ? c->backoff.restarts : 0;
    return c && *c->last_end ? c->last_end : NULL;
}

/* ---- the end ---- */

static void tell_to_end(struct child *c) {
    kill(c->pid, SIGTERM);
    kill(c->pid, SIGCONT); /* one that was stopped must run to end */
    c->stopping = true;
    loop_timer_start(c->timer, (uint64_t)c->spec.stop_limit_ms * NS_PER_MS, 0);
}

bool supervisor_end(struct supervisor *s, const char *name,
                    void (*done)(void *arg, const char *name), void *arg) {
    size_t i = 0;
    while (i < s->count && strcmp(s->children[i]->spec.name, name) != 0) i++;
    if (i == s->count || s->children[i]->leaving || s->stopping) return false;
    struct child *c = s->children[i];
    c->leaving = true;
    c->gone = done;
    c->gone_arg = arg;
    if (c->pid > 0)
        tell_to_end(c);
    else
        loop_timer_start(c->timer, 0, 0);
    return true;
}

/* The lowest rank that still runs is told to end; when none runs, done. */
static void stop_next_rank(struct supervisor *s) {
    bool any = false;
    int rank = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct child *c = s->children[i];
        if (c->pid == 0) continue;
        if (!any || c->spec.stop_rank < rank) rank = c->spec.stop_rank;
        any = true;
    }
    if (!any) {
        void (*done)(void *arg) = s->done;
        s->done = NULL;
        if (done) done(s->done_arg);
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = s->children[i];
        if (c->pid == 0 || c->spec.stop_rank != rank || c->stopping) continue;
        tell_to_end(c);
    }
}

void supervisor_stop(struct supervisor *s, void (*done)(void *arg), void *arg) {
    if (s->stopping) return;
    s->stopping = true;
    s->done = done;
    s->done_arg = arg;
    for (size_t i = 0; i < s->count; i++) loop_timer_stop(s->children[i]->timer);
    stop_next_rank(s);
}

/* ---- tools ---- */

static void log_lines(const char *name, struct buf *b, bool all) {
    char *end;
    while (buf_len(b) > 0 && ((end = memchr(buf_head(b), '\n', buf_len(b))) || all)) {
        size_t n = end ? (size_t)(end - buf_head(b)) : buf_len(b);
        if (n > 0) log_info("%s: %.*s", name, (int)n, buf_head(b));
        buf_eat(b, end ? n + 1 : n);
    }
}

int supervisor_run_tool(const char *program, const char *const *argv, int limit_ms) {
    struct child_spec spec = {.name = argv[0], .program = program, .argv = argv};
    struct buf out = BUF_INIT;
    int ends[2], status = 0;
    uint64_t deadline = clock_boot_ms() + (uint64_t)limit_ms;
    if (pipe2(ends, O_CLOEXEC) != 0) return -1;
    pid_t pid = spawn_child(&spec, ends[1], NULL);
    close(ends[1]);
    for (;;) {
        struct pollfd p = {.fd = ends[0], .events = POLLIN};
        uint64_t now = clock_boot_ms();
        if (pid < 0 || now >= deadline) break;
        if (poll(&p, 1, (int)(deadline - now)) <= 0) continue;
        ssize_t n = read(ends[0], buf_room(&out, 4096), 4096);
        if (n <= 0) break;
        buf_added(&out, (size_t)n);
        log_lines(argv[0], &out, false);
    }
    log_lines(argv[0], &out, true);
    buf_free(&out);
    close(ends[0]);
    if (pid < 0) return -1;
    bool late = clock_boot_ms() >= deadline;
    if (late) {
        log_error("%s has not ended within %d ms; it is killed", argv[0], limit_ms);
        kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return !late && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
