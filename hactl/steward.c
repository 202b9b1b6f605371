/* The steward of a node: it keeps the channel over which the other node's hactl runs its verbs here, and has backups made
 * by their schedule. An ordinary process
 * beside had: when it hangs or dies, nothing that serves clients notices. Each connection is a process of its own. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hactl/channel_serve.h"
#include "hactl/cli_metrics.h"
#include "hactl/had_conf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/sock.h"

int steward_main(int argc, char **argv);

#define PATHS            2
#define CONNECTION_LIMIT 8
#define BACKLOG          16
#define TURN_MS          1000
#define SAY_EACH_MS      60000
#define BACKUP_EACH_MS   30000 /* sets that are due, and those that nobody keeps */
#define INSTANCE_EACH_MS 5000  /* changes that this node, or the other one, has missed */
#define IMPORT_EACH_MS   5000  /* imports whose process ended though they have not (a reboot) */
#define WATCH_EACH_MS    30000 /* disks, backups, clocks, comparisons, the end of maintenance */
#define METRICS_AGAIN_MS 2000
#define KEY_EACH_MS      5000 /* a change of the secret that was interrupted */
#define JOBS             5
#define TICK_NICE        10

static const char usage[] =
    "usage: steward --root DIR     runs as a child of init or of `duet node`\n"
    "Lets the other node of the pair run hactl's verbs here (hactl --peer), over TCP port 7800 of "
    "the\n"
    "crossover and the service address. Whoever does not know the pair's secret is refused.\n"
    "Every half minute it has hactl look which backup sets are to be made, copied or deleted.\n";

struct path {
    const char *name;
    const struct netcfg_iface *iface;
    int fd; /* -1: cannot listen (yet) */
    bool said;
};

/* `hactl VERB tick`, now and then. */
struct job {
    char verb[16];
    uint64_t each_ms, ran_ms;
    pid_t pid; /* 0: does not run */
};

struct steward {
    char *root;
    struct had_conf conf;
    struct channel_id id;
    struct path paths[PATHS];
    pid_t connections[CONNECTION_LIMIT]; /* 0: free */
    pid_t metrics;                       /* serves them; 0: does not run */
    uint64_t metrics_ms;
    uint64_t refused_said_ms;
    unsigned refused_unsaid;
    struct job jobs[JOBS];
};

/* The secret may have been changed since: a connection goes by what the file says when it comes. */
static void take_secrets(struct steward *s) {
    const struct had_secrets *k = &s->conf.secrets;
    memcpy(s->id.secret, k->now, sizeof s->id.secret);
    memcpy(s->id.also, k->has_next ? k->next : k->old, sizeof s->id.also);
    s->id.has_also = k->has_next || k->has_old;
    s->id.pair = s->conf.setup.pair;
    s->id.node = s->conf.setup.node;
}

static bool read_conf(struct steward *s) {
    struct conf_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/etc/duet.conf", s->root);
    if (had_conf_read(&s->conf, path, &err)) return true;
    log_error("%s", err.text);
    return false;
}

/* ---- listening ---- */

/* An address may come late; until it is there this is tried again. */
static void listen_on(struct path *p) {
    char host[NETCFG_ADDR_CHARS];
    struct sock_error err;
    if (p->fd >= 0 || !p->iface->addr.family) return;
    netcfg_addr_text(&p->iface->addr, false, host);
    p->fd = sock_listen_tcp(host, CHANNEL_PORT, BACKLOG, &err);
    if (p->fd < 0 && !p->said) log_warning("%s: %s; it is tried again", p->name, err.text);
    if (p->fd >= 0) log_info("listens on %s %s port %d", p->name, host, CHANNEL_PORT);
    p->said = p->fd < 0;
}

/* Strangers could fill the log; they are told of once a minute. */
static void say_refused(struct steward *s, const char *who, const char *why) {
    uint64_t now = clock_boot_ms();
    if (s->refused_said_ms && now - s->refused_said_ms < SAY_EACH_MS) {
        s->refused_unsaid++;
        return;
    }
    log_warning("%s was refused: %s (%u more were refused since the last such line)", who, why,
                s->refused_unsaid);
    s->refused_said_ms = now;
    s->refused_unsaid = 0;
}

static bool is_the_peer(const struct path *p, int fd) {
    char host[128], peer[NETCFG_ADDR_CHARS];
    uint16_t port;
    sock_peer_host(fd, host, sizeof host, &port);
    netcfg_addr_text(&p->iface->peer, false, peer);
    return strcmp(host, peer) == 0;
}

static pid_t *free_slot(struct steward *s) {
    for (int i = 0; i < CONNECTION_LIMIT; i++)
        if (s->connections[i] == 0) return &s->connections[i];
    return NULL;
}

static void serve(struct steward *s, int fd, const char *who, pid_t *slot) {
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) log_error("no process for %s: %s", who, strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
        signal(SIGCHLD, SIG_DFL);
        for (int i = 0; i < PATHS; i++)
            if (s->paths[i].fd >= 0) close(s->paths[i].fd);
        if (read_conf(s)) take_secrets(s);
        _exit(channel_serve(fd, &s->id, s->root, who));
    }
    if (pid > 0) *slot = pid;
    close(fd);
}

static void take_connection(struct steward *s, struct path *p) {
    char who[160], address[128];
    int fd = sock_accept(p->fd);
    if (fd < 0) return;
    sock_peer_name(fd, address, sizeof address);
    snprintf(who, sizeof who, "%s (%s)", address, p->name);
    pid_t *slot = free_slot(s);
    if (is_the_peer(p, fd) && slot) {
        serve(s, fd, who, slot);
        return;
    }
    say_refused(s, who,
                slot ? "that is not the other node's address" : "too many connections at once");
    close(fd);
}

/* ---- jobs ---- */

/* One of a kind at a time, in a process of its own. */
static void run_job(struct steward *s, struct job *j) {
    uint64_t now = clock_boot_ms();
    if (j->pid || now - j->ran_ms < j->each_ms) return;
    pid_t parent = getpid();
    j->ran_ms = now;
    j->pid = fork();
    if (j->pid < 0) {
        log_error("no process for hactl %s tick: %s", j->verb, strerror(errno));
        j->pid = 0;
    }
    if (j->pid != 0) return;
    char *const argv[] = {(char[]){"hactl"}, (char[]){"--root"}, s->root,
                          j->verb,           (char[]){"tick"},   NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    signal(SIGPIPE, SIG_DFL);
    if (nice(TICK_NICE) < 0) errno = 0; /* it yields to what serves clients */
    execv("/proc/self/exe", argv);
    _exit(127);
}

/* The process that serves metrics, when they are asked for; one that ended is started again after a while. */
static void keep_metrics(struct steward *s) {
    uint64_t now = clock_boot_ms();
    if (!s->conf.metrics.len || s->metrics ||
        (s->metrics_ms && now - s->metrics_ms < METRICS_AGAIN_MS))
        return;
    pid_t parent = getpid(), pid = fork();
    s->metrics_ms = now;
    if (pid > 0) s->metrics = pid;
    if (pid != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    signal(SIGCHLD, SIG_DFL);
    if (nice(TICK_NICE) < 0) errno = 0;
    for (int i = 0; i < PATHS; i++)
        if (s->paths[i].fd >= 0) close(s->paths[i].fd);
    _exit(metrics_serve(s->root, &s->conf.metrics));
}

/* ---- the loop ---- */

static void reap(struct steward *s) {
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (int i = 0; i < JOBS; i++)
            if (s->jobs[i].pid == pid) s->jobs[i].pid = 0;
        for (int i = 0; i < CONNECTION_LIMIT; i++)
            if (s->connections[i] == pid) s->connections[i] = 0;
        if (s->metrics == pid) s->metrics = 0;
    }
}

static void on_child(int signo) {
    (void)signo; /* it ends the wait */
}

static void turn(struct steward *s) {
    struct pollfd fds[PATHS];
    for (int i = 0; i < PATHS; i++) {
        listen_on(&s->paths[i]);
        fds[i] = (struct pollfd){.fd = s->paths[i].fd, .events = POLLIN};
    }
    int n = poll(fds, PATHS, TURN_MS);
    reap(s);
    for (int i = 0; i < JOBS; i++) run_job(s, &s->jobs[i]);
    keep_metrics(s);
    for (int i = 0; n > 0 && i < PATHS; i++)
        if (fds[i].revents) take_connection(s, &s->paths[i]);
}

static bool prepare(struct steward *s) {
    struct sigaction on = {.sa_handler = on_child};
    if (!read_conf(s)) return false;
    take_secrets(s);
    s->paths[0] = (struct path){"crossover", &s->conf.net.crossover, -1, false};
    s->paths[1] = (struct path){"service", &s->conf.net.service, -1, false};
    uint64_t now = clock_boot_ms();
    s->jobs[0] = (struct job){"backup", BACKUP_EACH_MS, now, 0};
    s->jobs[1] = (struct job){"instance", INSTANCE_EACH_MS, now, 0};
    s->jobs[2] = (struct job){"import", IMPORT_EACH_MS, now, 0};
    s->jobs[4] = (struct job){"key", KEY_EACH_MS, now, 0};
    s->jobs[3] = (struct job){"watch", WATCH_EACH_MS, now, 0};
    sigaction(SIGCHLD, &on, NULL);
    signal(SIGPIPE, SIG_IGN);
    return true;
}

int steward_main(int argc, char **argv) {
    static struct steward s;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc != 3 || strcmp(argv[1], "--root") != 0) {
        fputs(usage, stderr);
        return 2;
    }
    log_set_name("steward");
    s.root = argv[2];
    if (!prepare(&s)) return 1;
    for (;;) turn(&s);
}
