#include "rootfs/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "rootfs/supervise.h"
#include "server/base/file.h"

#define OPEN_FILES 262144

static void reset_signals(void) {
    sigset_t none;
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void sane_terminal(int fd) {
    struct termios t;
    if (tcgetattr(fd, &t) != 0) return;
    t.c_iflag = ICRNL | IXON | IUTF8;
    t.c_oflag = OPOST | ONLCR;
    t.c_cflag = (t.c_cflag & CBAUD) | CS8 | CREAD | HUPCL | CLOCAL;
    t.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOKE | ECHOCTL | IEXTEN;
    tcsetattr(fd, TCSANOW, &t);
}

/* Standard input, output and error; a terminal becomes the session's own. */
static void wire(const struct child_spec *spec, int out_fd) {
    int in = open(spec->tty ? spec->tty : "/dev/null", (spec->tty ? O_RDWR : O_RDONLY) | O_NOCTTY);
    if (in < 0) {
        dprintf(out_fd, "%s: cannot open %s: %s\n", spec->name, spec->tty ? spec->tty : "/dev/null",
                strerror(errno));
        _exit(127);
    }
    dup2(in, 0);
    dup2(spec->tty ? in : out_fd, 1);
    dup2(spec->tty ? in : out_fd, 2);
    if (spec->tty) {
        ioctl(0, TIOCSCTTY, 1);
        sane_terminal(0);
        if (spec->term) setenv("TERM", spec->term, 1);
    }
    /* Nothing of the parent's stays open in a child, whatever forgot its close-on-exec flag. */
    syscall(SYS_close_range, 3U, ~0U, 0U);
}

static void raise_priority(const struct child_spec *spec) {
    struct sched_param p = {.sched_priority = spec->realtime_priority};
    if (spec->realtime_priority == 0) return;
    /* musl's sched_setscheduler answers ENOSYS; the system call is there. */
    if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p) != 0) {
        dprintf(2, "%s: no real-time priority: %s; it runs as an ordinary process\n", spec->name,
                strerror(errno));
    }
}

static void set_oom_score(const struct child_spec *spec) {
    char text[16];
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    int n = snprintf(text, sizeof text, "%d", spec->oom_score_adj);
    if (write(fd, text, (size_t)n) != n) {
        dprintf(2, "%s: oom_score_adj stays as it was: %s\n", spec->name, strerror(errno));
    }
    close(fd);
}

/* As root nothing but the kernel's own bound should limit a server's connections. */
static void raise_limits(void) {
    struct rlimit files = {OPEN_FILES, OPEN_FILES}, none = {0, 0};
    struct rlimit prio = {1, 1}; /* the thread by which a server shows that it lives */
    if (geteuid() == 0) setrlimit(RLIMIT_NOFILE, &files);
    if (geteuid() == 0) setrlimit(RLIMIT_RTPRIO, &prio);
    setrlimit(RLIMIT_CORE, &none); /* a core would hold the data, and fill the partition */
}

static void become_user(const struct child_spec *spec) {
    if (spec->uid == 0) return;
    if (setgroups(0, NULL) != 0 || setgid(spec->gid) != 0 || setuid(spec->uid) != 0) {
        dprintf(2, "%s: cannot become user %u: %s\n", spec->name, (unsigned)spec->uid,
                strerror(errno));
        _exit(127);
    }
}

/* The child's end is tied to the parent's; one that lost its parent meanwhile ends here. */
static void tie_to(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
}

pid_t spawn_child(const struct child_spec *spec, int out_fd, const char *pid_path) {
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0) return pid;
    tie_to(parent); /* before anybody can know of this child and stop it */
    if (pid_path && !file_write_pid(pid_path)) {
        dprintf(out_fd, "%s: cannot write %s: %s\n", spec->name, pid_path, strerror(errno));
    }
    setsid();
    reset_signals();
    wire(spec, out_fd);
    raise_limits();
    raise_priority(spec);
    set_oom_score(spec);
    become_user(spec);
    tie_to(parent); /* again: the change of user has cleared it */
    const char *program = spec->program ? spec->program : supervisor_self();
    execv(program, (char *const *)(uintptr_t)spec->argv);
    dprintf(2, "%s: cannot execute %s: %s\n", spec->name, program, strerror(errno));
    _exit(127);
}
