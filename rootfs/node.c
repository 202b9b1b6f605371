/* `duet node --root DIR`: a whole node as an ordinary process in the current network namespace. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "rootfs/house.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/state_layout.h"

int node_main(int argc, char **argv);

static const char usage[] =
    "usage: node --root DIR\n"
    "Runs a node with DIR as its file system, in the current network namespace: the servers of\n"
    "DIR/etc/duet.conf, and had, which takes the VIP. data, run and state are made when missing.\n"
    "Ends with all its children on SIGTERM or Ctrl-C. `hactl --root DIR status` shows the pair.\n";

static int complain(const char *what, const char *path) {
    fprintf(stderr, "node: %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

/* One node a folder: the lock goes with the process, however it ends. */
static bool lock_root(struct house *h) {
    char text[24];
    const char *path = house_path(h, "run/node.pid");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return complain("cannot open", path) == 0;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        fprintf(stderr, "node: another node runs in %s; end it first, or take another folder\n",
                h->root);
        return false;
    }
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    return ftruncate(fd, 0) == 0 && file_write_all(fd, text, (size_t)n);
}

static bool make_state(struct house *h) {
    const char *path = house_path(h, "state");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return complain("cannot open", path) == 0;
    bool fine = lseek(fd, 0, SEEK_END) >= STATE_SIZE_BYTES || ftruncate(fd, STATE_SIZE_BYTES) == 0;
    if (!fine) complain("cannot make", path);
    close(fd);
    return fine;
}

static void on_signal(struct loop *l, void *arg, int signo) {
    (void)l;
    log_info("signal %d (%s): ending", signo, strsignal(signo));
    house_stop(arg);
}

static bool prepare(struct house *h) {
    struct conf_error err;
    if (!house_read_conf(h, &err)) {
        fprintf(stderr, "node: %s\n", err.text);
        return false;
    }
    if (!node_conf_check_file(house_path(h, "etc/duet.conf"), "node")) return false;
    if (!file_make_dirs(house_path(h, "run"), 0755)) return complain("cannot make", h->root) == 0;
    return lock_root(h) && house_make_dirs(h) && make_state(h);
}

static int run(struct house *h) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct loop_signal *watchers[3];
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 3; i++) watchers[i] = loop_signal_new(h->loop, signals[i], on_signal, h);
    house_open_logs(h, true);
    log_info("node %s begins in %s", h->conf.name, h->root);
    house_apply_network(h);
    house_start(h, true);
    loop_run(h->loop);
    log_info("node %s has ended", h->conf.name);
    unlink(house_path(h, "run/node.pid"));
    for (int i = 0; i < 3; i++) loop_signal_free(watchers[i]);
    return 0;
}

int node_main(int argc, char **argv) {
    struct house h;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc != 3 || strcmp(argv[1], "--root") != 0) {
        fputs(usage, stderr);
        return 2;
    }
    char *root = realpath(argv[2], NULL);
    if (!root) return complain("cannot enter", argv[2]);
    if (strlen(root) >= 80) {
        fprintf(stderr, "node: %s is too long a path for unix sockets; take a shorter one\n", root);
        free(root);
        return 1;
    }
    log_set_name("node");
    house_open(&h, root, false);
    house_keep_lines(&h, "node");
    free(root);
    int status = prepare(&h) ? run(&h) : 1;
    house_close(&h);
    return status;
}
