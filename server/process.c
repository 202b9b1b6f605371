/* See process.h. */
#include "server/process.h"

#include "server/base/log.h"
#include "server/server.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void process_to_background(void) {
    if (fork() != 0) _exit(0);
    setsid();
    int fd = open("/dev/null", O_RDWR);
    if (fd < 0) return;
    for (int i = 0; i < 3; i++) dup2(fd, i);
    if (fd > 2) close(fd);
}

/* --- supervisors --- */

static bool tell_systemd(const char *path, const char *text) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if ((*path != '/' && *path != '@') || len >= sizeof to.sun_path) return false;
    memcpy(to.sun_path, path, len + 1);
    if (*path == '@') to.sun_path[0] = '\0'; /* an abstract name */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool ok = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) >= 0;
    close(fd);
    return ok;
}

void process_tell_ready(void) {
    int mode = server.config.supervised;
    const char *path = getenv("NOTIFY_SOCKET");
    bool systemd = mode == SUPERVISED_SYSTEMD || (mode == SUPERVISED_AUTO && path);
    bool upstart =
        mode == SUPERVISED_UPSTART || (mode == SUPERVISED_AUTO && !path && getenv("UPSTART_JOB"));
    if (systemd && !path)
        log_warning("supervised: systemd has given no NOTIFY_SOCKET");
    else if (systemd && !tell_systemd(path, "STATUS=Ready to accept connections\nREADY=1\n"))
        log_warning("supervised: systemd cannot be told: %m");
    if (upstart) raise(SIGSTOP);
}

/* --- the kernel's choice when memory is out --- */

static bool read_score(int *score) {
    FILE *f = fopen("/proc/self/oom_score_adj", "r");
    bool ok = f && fscanf(f, "%d", score) == 1;
    if (f) fclose(f);
    return ok;
}

static bool write_score(int score) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = dprintf(fd, "%d\n", score) > 0;
    return close(fd) == 0 && ok;
}

bool process_set_oom_score(void) {
    static bool changed;
    static int base;
    const struct config *c = &server.config;
    int value = (int)c->oom_values[server.role == REPL_SLAVE];
    if (c->oom_mode == OOM_NO && !changed) return true;
    if (!changed && !read_score(&base)) return false; /* what it was before we changed it */
    int score = c->oom_mode == OOM_NO ? base : c->oom_mode == OOM_RELATIVE ? base + value : value;
    score = score < -1000 ? -1000 : score > 1000 ? 1000 : score;
    changed = c->oom_mode != OOM_NO;
    if (write_score(score)) return true;
    log_warning("oom-score-adj %d cannot be set: %m", score);
    return false;
}
