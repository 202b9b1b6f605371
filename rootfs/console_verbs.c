#include "rootfs/console_verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rootfs/supervise.h"
#include "server/base/buf.h"
#include "server/base/conf.h"

#define WORDS     32
#define LOG_LINES 20
#define LOG_BYTES (64 << 10)

const char *console_path(const struct console *c, const char *sub) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", c->root, sub);
    return path;
}

/* This binary under another name. Ctrl-C ends the child, not the console. */
static int run_self(const char **argv, int fd) {
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
        signal(SIGTSTP, SIG_DFL);
        signal(SIGPIPE, SIG_DFL);
        if (fd >= 0) {
            dup2(fd, 1);
            dup2(fd, 2);
        }
        execv(supervisor_self(), (char *const *)(uintptr_t)argv);
        fprintf(stderr, "console: cannot execute %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    if (pid < 0) {
        fprintf(stderr, "console: no process for %s: %s\n", argv[0], strerror(errno));
        return 1;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int console_run_hactl(const struct console *c, char *const *words, int count, int fd) {
    const char *argv[WORDS + 4] = {"hactl"};
    int n = 1;
    if (*c->root) {
        argv[n++] = "--root";
        argv[n++] = c->root;
    }
    for (int i = 0; i < count && i < WORDS; i++) argv[n++] = words[i];
    return run_self(argv, fd);
}

/* ---- the console's own verbs ---- */

static int verb_plan(const struct console *c, char **w, int n) {
    (void)w, (void)n;
    const char *argv[] = {"netcfg", "plan", console_path(c, "etc/duet.conf"), NULL};
    return run_self(argv, -1);
}

static int signal_init(const struct console *c, int signo, const char *what) {
    if (*c->root) {
        fprintf(stderr,
                "console: this node is a process below %s, not a machine; end it with "
                "SIGTERM\n",
                c->root);
        return 1;
    }
    if (kill(1, signo) != 0) {
        fprintf(stderr, "console: init cannot be told: %s\n", strerror(errno));
        return 1;
    }
    printf("The machine %s. The servers save first.\n", what);
    return 0;
}

static int verb_reboot(const struct console *c, char **w, int n) {
    (void)w, (void)n;
    return signal_init(c, SIGTERM, "starts again");
}

static int verb_poweroff(const struct console *c, char **w, int n) {
    (void)w, (void)n;
    return signal_init(c, SIGUSR2, "powers off");
}

static bool is_secret(const char *directive) {
    static const char *const secret[] = {"secret",    "secret-next",      "secret-old",
                                         "password",  "console-password", "requirepass",
                                         "masterauth"};
    for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++) {
        if (strcmp(directive, secret[i]) == 0) return true;
    }
    return false;
}

/* In its own syntax, section by section, secrets not shown. */
static int verb_config(const struct console *c, char **w, int n) {
    struct conf conf;
    struct conf_error err;
    struct buf out = BUF_INIT;
    const char *section = "", *arg = "";
    if (n != 2 || strcmp(w[1], "show") != 0) {
        fprintf(stderr, "console: config show\n");
        return 2;
    }
    if (!conf_read(&conf, console_path(c, "etc/duet.conf"), true, &err)) {
        fprintf(stderr, "console: %s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < conf.count; i++) {
        const struct conf_line *l = &conf.lines[i];
        if (l->argc == 0) continue;
        if (strcmp(section, l->section) != 0 || strcmp(arg, l->section_arg) != 0) {
            section = l->section;
            arg = l->section_arg;
            buf_printf(&out, "[%s%s%s]\n", section, *arg ? " " : "", arg);
        }
        buf_printf(&out, "  %s", l->argv[0]);
        for (int k = 1; k < l->argc; k++) {
            buf_add_str(&out, " ");
            if (is_secret(l->argv[0]) && strcmp(l->argv[k], "none") != 0)
                buf_add_str(&out, "(not shown)");
            else
                conf_quote(&out, l->argv[k], l->lens[k]);
        }
        buf_add_str(&out, "\n");
    }
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    conf_free(&conf);
    return 0;
}

static int no_log(const char *name) {
    fprintf(stderr, "console: there is no log '%s'; try had, server-0, init, ssh\n", name);
    return 1;
}

static int open_log(const struct console *c, const char *name) {
    static const char *const dirs[] = {"data/log", "run/log"};
    char path[600];
    int fd = -1;
    for (size_t i = 0; fd < 0 && i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s.log", console_path(c, dirs[i]), name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd;
}

bool console_log_tail(const struct console *c, const char *name, int lines, struct buf *out) {
    int fd = open_log(c, name);
    if (fd < 0) return false;
    char *text = xmalloc(LOG_BYTES);
    off_t end = lseek(fd, 0, SEEK_END);
    ssize_t got = pread(fd, text, LOG_BYTES, end > LOG_BYTES ? end - LOG_BYTES : 0);
    close(fd);
    ssize_t from = got;
    for (int n = 0; from > 0; from--) {
        if (text[from - 1] == '\n' && from < got && ++n == lines) break;
    }
    if (got > 0) buf_add(out, text + from, (size_t)(got - from));
    free(text);
    return got >= 0;
}

static int verb_log(const struct console *c, char **w, int n) {
    struct buf out = BUF_INIT;
    if (n != 2 || strchr(w[1], '/') || strlen(w[1]) > 40) return no_log(n == 2 ? w[1] : "");
    if (!console_log_tail(c, w[1], LOG_LINES, &out)) return no_log(w[1]);
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    return 0;
}

static int verb_help(const struct console *c, char **w, int n);

static const struct {
    const char *name;
    int (*run)(const struct console *c, char **w, int n);
    const char *args, *help;
} own[] = {
    {"help", verb_help, "", "this list"},
    {"plan", verb_plan, "", "what the network lacks to be as configured"},
    {"config", verb_config, "show", "the node's configuration"},
    {"log", verb_log, "NAME", "the last lines of a log: had, server-0, init, ssh"},
    {"reboot", verb_reboot, "", "the machine starts again, in order"},
    {"poweroff", verb_poweroff, "", "the machine goes off, in order"},
};

static int verb_help(const struct console *c, char **w, int n) {
    char word[] = "help", *words[] = {word};
    (void)w, (void)n;
    console_run_hactl(c, words, 1, -1);
    printf("\nThe console's own:\n");
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        printf("  %-11s %-15s %s\n", own[i].name, own[i].args, own[i].help);
    }
    printf("  %-11s %-15s %s\n", "exit", "", "leaves (an empty line shows the status page)");
    return 0;
}

static int run_words(const struct console *c, char **w, int n, bool *leave) {
    if (strcmp(w[0], "hactl") == 0) return console_run_hactl(c, w + 1, n - 1, -1);
    if (strcmp(w[0], "exit") == 0 || strcmp(w[0], "quit") == 0 || strcmp(w[0], "logout") == 0) {
        *leave = true;
        return 0;
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        bool with_args = n > 1 && strcmp(w[0], "help") == 0; /* hactl explains its verbs */
        if (strcmp(w[0], own[i].name) == 0 && !with_args) return own[i].run(c, w, n);
    }
    return console_run_hactl(c, w, n, -1);
}

int console_run_line(const struct console *c, const char *line, bool *leave) {
    char **words;
    size_t *lens;
    int n = conf_split(line, strlen(line), &words, &lens);
    if (n < 0) {
        fprintf(stderr, "console: a quote is not closed\n");
        return 2;
    }
    int status = 2;
    if (n > WORDS)
        fprintf(stderr, "console: more than %d words\n", WORDS);
    else
        status = n ? run_words(c, words, n, leave) : 0;
    fflush(stdout);
    conf_words_free(words, lens, n);
    return status;
}
