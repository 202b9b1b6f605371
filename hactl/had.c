/* had, the HA daemon of a node: arguments, start in order, end in order. */
#include "hactl/had.h"
#include "hactl/had_arbiter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define REAL_TIME_PRIORITY 50

int had_main(int argc, char **argv);

struct options {
    const char *root, *config;
    bool check;
};

static const char help_text[] =
    "usage: duet had [--root DIR] [--config FILE] [--check]\n"
    "\n"
    "The HA daemon of a node: heartbeats, the write lease, the virtual address.\n"
    "\n"
    "  --root DIR      the node's file system lies below DIR (default: /)\n"
    "  --config FILE   the configuration (default: ROOT/etc/duet.conf)\n"
    "  --check         read the configuration, say what is wrong, change nothing\n"
    "  --help          this text\n"
    "\n"
    "Reads [node] [pair] [network] [ha] and [instance N]. Talk to it with `hactl`.\n"
    "Exit status: 0 ended by a signal, or the check found nothing; 1 it could not start; 2 "
    "usage.\n";

static int usage(const char *what, const char *word) {
    fprintf(stderr, "had: %s '%s'; `duet had --help` lists the options\n", what, word);
    return 2;
}

/* 0, or the exit status plus one. */
static int read_options(struct options *o, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help_text, stdout);
            return 1;
        } else if (strcmp(argv[i], "--check") == 0) {
            o->check = true;
        } else if (strcmp(argv[i], "--root") == 0 && more) {
            o->root = argv[++i];
        } else if (strcmp(argv[i], "--config") == 0 && more) {
            o->config = argv[++i];
        } else {
            bool lacks = strcmp(argv[i], "--root") == 0 || strcmp(argv[i], "--config") == 0;
            return usage(lacks ? "a value is missing after" : "there is no option", argv[i]) + 1;
        }
    }
    return 0;
}

static bool read_conf(struct had *h, const struct options *o) {
    struct conf_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/etc/duet.conf", h->root);
    if (had_conf_read(&h->conf, o->config ? o->config : path, &err)) return true;
    fprintf(stderr, "had: %s\n", err.text);
    return false;
}

/* ---- what must not hold us up ---- */

static void keep_in_memory(struct had *h) {
    h->locked = mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
    if (!h->locked)
        log_warning("memory cannot be locked (%s): had may be swapped out; start it as root",
                    strerror(errno));
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, "-1000", 5) != 5) log_info("the kernel may choose had when memory runs out");
    close(fd);
}

/* A log that is not read (a supervisor that hangs with its disk) loses lines, it does not hold us up. */
static void never_wait_for_the_log(void) {
    struct stat st;
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    if (flags < 0 || fstat(STDERR_FILENO, &st) != 0 || !S_ISFIFO(st.st_mode)) return;
    if (fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK) != 0)
        log_warning("the log may hold had up: %s", strerror(errno));
}

static void be_real_time(struct had *h) {
    struct sched_param p = {.sched_priority = REAL_TIME_PRIORITY};
    int failed = pthread_setschedparam(pthread_self(), SCHED_FIFO, &p);
    h->real_time = failed == 0;
    if (failed)
        log_warning("no real-time priority (%s): a busy machine may delay heartbeats",
                    strerror(failed));
}

/* ---- start and end ---- */

static bool complain(const char *text) {
    log_error("had cannot start: %s", text);
    return false;
}

static bool open_record(struct had *h, struct ha_record *record) {
    struct epoch_error err;
    enum epoch_found found;
    char path[512];
    snprintf(path, sizeof path, "%s/state", h->root);
    h->epoch = epoch_open(h->loop, path, h->root[0] != 0, h->conf.setup.pair, h->conf.setup.node,
                          record, &found, had_on_saved, h, &err);
    if (!h->epoch) return complain(err.text);
    switch (found) {
    case EPOCH_RECORD: break;
    case EPOCH_NONE: log_notice("this node has no record yet: it waits for the other one"); break;
    case EPOCH_DAMAGED:
        log_error("%s: both copies of the record are damaged: this node waits for the other one, "
                  "or for `hactl promote --force`",
                  path);
        break;
    case EPOCH_OTHER:
        log_error("%s: the record is of another node or pair; `hactl` cannot mend this: check "
                  "[node] and [pair] of the configuration, or clear the state partition",
                  path);
        return false;
    }
    return true;
}

static bool open_network(struct had *h) {
    struct netcfg_error err;
    h->net = netcfg_open(&h->conf.net, h->conf.setup.node ? "b" : "a", &err);
    if (!h->net) return complain(err.text);
    if (!netcfg_vip_guard_install(h->net, &err)) return complain(err.text);
    h->vip = vip_new(h->net, NETCFG_VIPS_WRITE, clock_boot_ns());
    if (h->conf.net.read_vip.family)
        h->read = read_vip_new(h->net, &h->conf.setup.timing, clock_boot_ns());
    struct guard_calls calls = had_guard_calls;
    calls.arg = h;
    h->clients = had_clients_new(h->loop, &h->conf.net, h->servers);
    h->guard = guard_new(h->loop, h->net, &h->conf.net, &calls);
    struct peer_conf peer = {.pair = h->conf.setup.pair,
                             .node = h->conf.setup.node,
                             .keys = had_conf_keys(&h->conf.secrets),
                             .late_ms = h->conf.setup.timing.fresh_ms,
                             .net = &h->conf.net};
    h->peer = peer_new(h->loop, &peer, h->net, had_on_heartbeat, h);
    return true;
}

static bool open_servers(struct had *h) {
    struct instance_set_calls calls = had_server_calls;
    struct sock_error sock_err;
    char err[768], path[512];
    calls.arg = h;
    h->servers = instance_set_new(h->loop, h->root, h->conf.instances, h->conf.instance_count,
                                  &calls, err, sizeof err);
    if (!h->servers) return complain(err);
    snprintf(path, sizeof path, "%s/run/had.sock", h->root);
    h->sock = request_sock_new(h->loop, path, had_on_request, h, &sock_err);
    return h->sock || complain(sock_err.text);
}

/* The first signal lets a master hand over, a second one ends it at once. */
static void on_end(struct loop *l, void *arg, int signo) {
    struct had *h = arg;
    bool again = h->leaving;
    h->leaving = true;
    had_event(h, EVENT_HAD_ENDED, "told to end by signal %d", signo);
    if (again || !had_core_leave(h)) loop_stop(l);
}

static void give_up_vips(struct had *h) {
    struct netcfg_error err;
    vip_free(h->vip);
    read_vip_free(h->read);
    if (h->vip && !netcfg_vip_guard_remove(h->net, &err)) log_warning("%s", err.text);
}

static void tear_down(struct had *h) {
    if (h->servers) instance_set_lease(h->servers, 0, 0);
    request_sock_free(h->sock);
    had_arbiter_close(h);
    instance_set_free(h->servers);
    had_clients_free(h->clients);
    give_up_vips(h);
    guard_free(h->guard);
    peer_free(h->peer);
    netcfg_close(h->net);
    had_events_close(h);
    epoch_close(h->epoch);
    loop_timer_free(h->tick);
    loop_timer_free(h->hurry);
    if (h->term) loop_signal_free(h->term);
    if (h->interrupt) loop_signal_free(h->interrupt);
    loop_free(h->loop);
}

/* One had a node: two would both renew the lease. The lock goes with the process, however it ends. */
static bool lock_node(struct had *h) {
    char path[512], text[640];
    snprintf(path, sizeof path, "%s/run", h->root);
    if (file_make_dirs(path, 0755)) {
        snprintf(path, sizeof path, "%s/run/had.lock", h->root);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return true; /* never closed */
        if (fd >= 0) close(fd);
    }
    if (errno == EWOULDBLOCK)
        snprintf(text, sizeof text, "%s: another had serves this node; end it first", path);
    else
        snprintf(text, sizeof text, "%s: %s", path, strerror(errno));
    return complain(text);
}

static bool start(struct had *h) {
    struct ha_record record;
    char path[512];
    h->started_ns = (int64_t)clock_boot_ns();
    h->loop = loop_new();
    if (!lock_node(h)) return false;
    had_events_open(h);
    if (!open_record(h, &record) || !open_servers(h) || !open_network(h)) return false;
    snprintf(path, sizeof path, "%s/run/had.pid", h->root);
    if (!file_write_pid(path)) log_warning("%s: %s", path, strerror(errno));
    be_real_time(h);
    h->hurry = loop_timer_new(h->loop, had_on_hurry, h);
    had_arbiter_open(h);
    had_core_start(h, &record);
    had_event(h, EVENT_HAD_STARTED, "node %s (%s of pair %u) starts, epoch %llu of the record",
              h->conf.name, h->conf.setup.node ? "b" : "a", h->conf.setup.pair,
              (unsigned long long)ha_epoch_number(record.epoch));
    h->tick = loop_timer_new(h->loop, had_on_tick, h);
    uint64_t tick_ns = h->conf.setup.timing.tick_ms * NS_PER_MS;
    loop_timer_start(h->tick, tick_ns, tick_ns);
    h->term = loop_signal_new(h->loop, SIGTERM, on_end, h);
    h->interrupt = loop_signal_new(h->loop, SIGINT, on_end, h);
    return true;
}

int had_main(int argc, char **argv) {
    static struct had had; /* large, and it must not move */
    struct options o = {.root = ""};
    int ends = read_options(&o, argc, argv);
    if (ends) return ends - 1;
    size_t len = strlen(o.root);
    while (len && o.root[len - 1] == '/') len--;
    if (len >= sizeof had.root) return usage("the directory's name is too long:", o.root);
    memcpy(had.root, o.root, len);
    if (!read_conf(&had, &o)) return 1;
    if (o.check) {
        printf("%s: good: node %s of pair %u\n", had.conf.path, had.conf.setup.node ? "b" : "a",
               had.conf.setup.pair);
        return 0;
    }
    log_set_name("had");
    signal(SIGPIPE, SIG_IGN);
    never_wait_for_the_log();
    keep_in_memory(&had);
    bool started = start(&had);
    if (started) loop_run(had.loop);
    tear_down(&had);
    return started ? 0 : 1;
}
