/* See ends.h. */
#include "server/ends.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { FIRST_OWN_DESCRIPTOR = 3, DESCRIPTORS = 1 << 16, STACK_BYTES = 16384 };

static struct {
    char **argv; /* "server" and what follows, NULL at the end */
    char *where, *program;
} began;

void ends_remember(int argc, char **argv) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    began.program = xstrdup(path);
    began.where = getcwd(NULL, 0);
    began.argv = xcalloc((size_t)argc + 2, sizeof *began.argv);
    began.argv[0] = began.program;
    began.argv[1] = xstrdup("server");
    for (int i = 1; i < argc; i++) began.argv[i + 1] = argv[i];
}

/* No memory, no locks: the process may be in any state. */
static void on_crash(int signo, siginfo_t *info, void *context) {
    char text[300];
    (void)context;
    snprintf(text, sizeof text,
             "=== BUG REPORT START: cut here, and send it with the log above ===\n"
             "Duet crashed by signal: %d, si_code: %d\n"
             "Accessing address: %p\nprocess %d, uptime %llu s\n=== BUG REPORT END ===\n",
             signo, info->si_code, info->si_addr, (int)getpid(),
             (unsigned long long)(time(NULL) - server.started_wall_s));
    if (server.config.crash_log) log_last_words(text);
    signal(signo, SIG_DFL);
    raise(signo);
}

void ends_catch_crashes(void) {
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction act = {.sa_sigaction = on_crash,
                            .sa_flags = SA_NODEFER | SA_RESETHAND | SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = xmalloc(STACK_BYTES), .ss_size = STACK_BYTES};
    sigaltstack(&stack, NULL); /* the executor's: a stack that ran over is told, too */
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) sigaction(fatal[i], &act, NULL);
}

void server_restart(bool gracefully, int64_t delay_ms) {
    char err[300] = "";
    struct timespec t = {delay_ms / 1000, delay_ms % 1000 * 1000000};
    if (access(began.program, X_OK)) {
        log_error("restart: %s: %m", began.program);
        return;
    }
    if (gracefully) {
        if (*server.config.file && !config_rewrite(&server.config, false, err, sizeof err))
            log_warning("restart: %s", err);
        if (!server_shutdown(server.config.save_count > 0, false, err, sizeof err)) {
            log_error("restart: %s", err);
            return;
        }
    }
    for (int fd = FIRST_OWN_DESCRIPTOR; fd < DESCRIPTORS; fd++) close(fd);
    nanosleep(&t, NULL);
    if (began.where && chdir(began.where)) _exit(1);
    execv(began.program, began.argv);
    _exit(1);
}
