#include "hactl/ipmi.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/loop.h"

#define OUTPUT_LIMIT 4096
#define NOBODY       65534
#define WORDS_LIMIT  24

struct ipmi_run {
    struct loop *loop;
    pid_t pid;
    int fd; /* its output */
    struct loop_io *io;
    struct loop_child *child;
    struct loop_timer *limit;
    struct buf out;
    bool late;
    ipmi_done_fn *done;
    void *arg;
};

const char *ipmi_program(void) {
    static const char *const places[] = {"/bin/ipmitool", "/usr/bin/ipmitool",
                                         "/usr/sbin/ipmitool"};
    const char *named = getenv("DUET_IPMITOOL");
    if (named && *named) return access(named, X_OK) == 0 ? named : NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0) return places[i];
    return NULL;
}

bool ipmi_own(void) {
    return access("/dev/ipmi0", F_OK) == 0;
}

/* ---- the child ---- */

/* Not of the daemon's kind: it may wait, be killed for memory, and over the network needs no rights. */
static void be_ordinary(bool network) {
    struct sched_param p = {.sched_priority = 0};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "0", 1);
        close(fd);
    }
    if (network && geteuid() == 0 && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* program is open: who we are afterwards need not find the way to it. */
static _Noreturn void become(int program, char **argv, char **env, int out, bool network) {
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    be_ordinary(network);
    syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    fexecve(program, argv, env);
    dprintf(2, "ipmitool cannot be executed: %s", strerror(errno));
    _exit(127);
}

static pid_t spawn(const char *program, const struct ipmi_target *to, const char *words, int out) {
    static const char *const lan[] = {"ipmitool", "-I", "lanplus", "-L", "OPERATOR",
                                      "-N",       "1",  "-R",      "2",  "-E"};
    char copy[256], password[80], suite[12];
    char *argv[WORDS_LIMIT], *env[] = {password, NULL};
    int argc = 0;
    snprintf(password, sizeof password, "IPMI_PASSWORD=%s", to->host ? to->password : "");
    snprintf(suite, sizeof suite, "%d", to->suite);
    if (to->host) {
        for (size_t i = 0; i < sizeof lan / sizeof *lan; i++)
            argv[argc++] = (char *)(uintptr_t)lan[i];
        const char *rest[] = {"-C", suite, "-H", to->host, "-U", to->user};
        for (int i = 0; i < 6; i++) argv[argc++] = (char *)(uintptr_t)rest[i];
    } else {
        const char *open[] = {"ipmitool", "-I", "open"};
        for (int i = 0; i < 3; i++) argv[argc++] = (char *)(uintptr_t)open[i];
    }
    snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok(copy, " "); w && argc < WORDS_LIMIT - 1; w = strtok(NULL, " "))
        argv[argc++] = w;
    argv[argc] = NULL;
    int fd = open(program, O_PATH | O_CLOEXEC);
    pid_t pid = fd < 0 ? -1 : fork();
    if (pid == 0) become(fd, argv, env, out, to->host != NULL);
    if (fd >= 0) close(fd);
    return pid;
}

/* ---- the run ---- */

static void run_free(struct ipmi_run *r) {
    loop_io_free(r->io);
    if (r->child) loop_child_free(r->child);
    loop_timer_free(r->limit);
    if (r->fd >= 0) close(r->fd);
    buf_free(&r->out);
    free(r);
}

static void finish(struct ipmi_run *r, bool ok, const char *output) {
    ipmi_done_fn *done = r->done;
    void *arg = r->arg;
    char text[OUTPUT_LIMIT + 1];
    snprintf(text, sizeof text, "%s", output);
    run_free(r);
    done(arg, ok, text);
}

static void take_output(struct ipmi_run *r) {
    for (;;) {
        char bytes[1024];
        ssize_t n = read(r->fd, bytes, sizeof bytes);
        if (n <= 0) {
            if (n == 0) loop_io_want(r->io, 0);
            return;
        }
        if (buf_len(&r->out) + (size_t)n <= OUTPUT_LIMIT) buf_add(&r->out, bytes, (size_t)n);
    }
}

static void on_output(struct loop *l, void *arg, int revents) {
    (void)l, (void)revents;
    take_output(arg);
}

/* Its words on one line, without what ipmitool puts around them. */
static char *tidied(struct ipmi_run *r) {
    char *text = buf_cstr(&r->out);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ') *p = ' ';
    size_t len = strlen(text);
    while (len && text[len - 1] == ' ') text[--len] = 0;
    return text;
}

static void on_end(struct loop *l, void *arg, pid_t pid, int status) {
    struct ipmi_run *r = arg;
    (void)l, (void)pid;
    loop_child_free(r->child);
    r->child = NULL;
    take_output(r);
    if (r->late) {
        finish(r, false, "it did not answer in time");
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        finish(r, true, tidied(r));
    } else {
        const char *said = tidied(r);
        finish(r, false, *said ? said : "ipmitool failed without a word");
    }
}

static void on_limit(struct loop *l, void *arg) {
    struct ipmi_run *r = arg;
    (void)l;
    if (!r->child) { /* it could not be started */
        finish(r, false,
               ipmi_program() ? "ipmitool cannot be started"
                              : "there is no ipmitool on this machine");
        return;
    }
    r->late = true;
    kill(r->pid, SIGKILL); /* its end comes as any other */
}

struct ipmi_run *ipmi_start(struct loop *l, const struct ipmi_target *to, const char *words,
                            int limit_ms, ipmi_done_fn *done, void *arg) {
    struct ipmi_run *r = xcalloc(1, sizeof *r);
    const char *program = ipmi_program();
    int ends[2] = {-1, -1};
    *r = (struct ipmi_run){.loop = l, .fd = -1, .done = done, .arg = arg};
    r->limit = loop_timer_new(l, on_limit, r);
    if (program && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
        r->pid = spawn(program, to, words, ends[1]);
        close(ends[1]);
        r->fd = ends[0];
    }
    bool runs = program && r->pid > 0;
    if (runs) {
        r->child = loop_child_new(l, r->pid, on_end, r);
        r->io = loop_io_new(l, r->fd, on_output, r);
        loop_io_want(r->io, LOOP_READ);
    }
    loop_timer_start(r->limit, runs ? (uint64_t)limit_ms * NS_PER_MS : 1, 0);
    return r;
}

void ipmi_cancel(struct ipmi_run *r) {
    if (!r) return;
    if (r->child) kill(r->pid, SIGKILL);
    run_free(r);
}
