#include "rootfs/house.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/house_inside.h"
#include "rootfs/logs.h"
#include "rootfs/supervise.h"
#include "rootfs/vip_watch.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define HAD_PRIORITY    50
#define STOP_HAD_MS     5000
#define NETWORK_TOOL_MS 20000

#define STOP_STEWARD_MS 2000

void house_open(struct house *h, const char *root, bool appliance) {
    memset(h, 0, sizeof *h);
    snprintf(h->root, sizeof h->root, "%s", root);
    h->appliance = appliance;
    h->loop = loop_new();
    h->children = supervisor_new(h->loop, NULL, house_path(h, "run"));
}

const char *house_path(const struct house *h, const char *fmt, ...) {
    static char ring[4][512];
    static unsigned next;
    char *out = ring[next++ % 4];
    int n = snprintf(out, sizeof ring[0], "%s/", h->root);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out + n, sizeof ring[0] - (size_t)n, fmt, ap);
    va_end(ap);
    return out;
}

bool house_read_conf(struct house *h, struct conf_error *err) {
    struct conf c;
    if (!conf_read(&c, house_path(h, "etc/duet.conf"), true, err)) return false;
    h->configured = node_conf_read(&c, &h->conf, err);
    if (h->configured && !netcfg_read(&c, &h->net, err)) {
        node_conf_free(&h->conf);
        h->configured = false;
    }
    conf_free(&c);
    return h->configured;
}

/* ---- folders ---- */

bool house_make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid) {
    if (!file_make_dirs(path, mode) || chmod(path, mode) != 0) {
        log_error("cannot make %s: %s", path, strerror(errno));
        return false;
    }
    if (uid && chown(path, uid, gid) != 0) {
        log_error("cannot give %s to user %u: %s", path, (unsigned)uid, strerror(errno));
        return false;
    }
    return true;
}

static bool left_over(const char *name) {
    size_t n = strlen(name);
    return strncmp(name, "lease-", 6) == 0 || (n > 5 && strcmp(name + n - 5, ".sock") == 0) ||
           (n > 4 && strcmp(name + n - 4, ".pid") == 0 && strcmp(name, "node.pid") != 0);
}

/* Leases, sockets and pid files of an earlier life mean nothing now. */
static void clean_run(const char *run) {
    DIR *d = opendir(run);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (left_over(e->d_name)) unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d) closedir(d);
}

bool house_make_dirs(struct house *h) {
    /* The server makes its control socket in run; the sticky bit keeps it from others' files. */
    gid_t gid = h->appliance ? HOUSE_SERVER_GID : 0;
    const char *run = house_path(h, "run");
    if (!house_make_dir(run, gid ? 01775 : 0755, 0, 0)) return false;
    if (gid && chown(run, 0, gid) != 0) log_error("cannot change the group of %s", run);
    clean_run(run);
    return true;
}

/* ---- logs ---- */

static const char *own_log = "init";

static void own_line(enum log_level level, const char *line, void *arg) {
    struct house *h = arg;
    (void)level;
    if (!h->logs) {
        if (buf_len(&h->early) < LOGS_QUEUE_LIMIT_BYTES / 2) buf_printf(&h->early, "%s\n", line);
        return;
    }
    logs_add(h->logs, own_log, line, strlen(line));
    logs_add(h->logs, own_log, "\n", 1);
}

void house_keep_lines(struct house *h, const char *own_name) {
    own_log = own_name;
    log_set_sink(own_line, h);
}

void house_open_logs(struct house *h, bool on_data) {
    const char *dir = house_path(h, on_data ? "data/log" : "run/log");
    struct logs *old = h->logs;
    h->logs = logs_open(dir, on_data ? LOGS_FILE_LIMIT_BYTES : LOGS_FILE_LIMIT_BYTES / 32);
    if (!h->logs) log_error("cannot keep logs in %s: %s", dir, strerror(errno));
    supervisor_set_logs(h->children, h->logs);
    logs_close(old);
    if (h->logs && buf_len(&h->early) > 0) {
        logs_add(h->logs, own_log, buf_head(&h->early), buf_len(&h->early));
        buf_free(&h->early);
    }
}

/* ---- network ---- */

bool house_apply_network(struct house *h) {
    const char *argv[] = {"netcfg", "apply", house_path(h, "etc/duet.conf"), NULL};
    int status = supervisor_run_tool(NULL, argv, NETWORK_TOOL_MS);
    if (status != 0)
        log_error("the network is not as configured; `netcfg plan` says what is missing");
    return status == 0;
}

/* ---- children ---- */

static void start_had(struct house *h) {
    const char *argv[] = {"had", "--root", *h->root ? h->root : "/", NULL};
    struct child_spec spec = {
        .name = "had",
        .argv = argv,
        .realtime_priority = HAD_PRIORITY,
        .oom_score_adj = -1000,
        .stop_rank = HOUSE_RANK_HAD,
        .stop_limit_ms = STOP_HAD_MS,
    };
    supervisor_start(h->children, &spec);
}

/* The other node's tools; it ends first, with had. */
static void start_steward(struct house *h) {
    const char *argv[] = {"steward", "--root", *h->root ? h->root : "/", NULL};
    struct child_spec spec = {
        .name = "steward",
        .argv = argv,
        .stop_rank = HOUSE_RANK_HAD,
        .stop_limit_ms = STOP_STEWARD_MS,
    };
    supervisor_start(h->children, &spec);
}

/* For other pairs; its state is this node's alone. */
static void start_witness(struct house *h) {
    char state[512], conf[512];
    snprintf(state, sizeof state, "%s", house_path(h, "data/witness"));
    snprintf(conf, sizeof conf, "%s", house_path(h, "etc/duet.conf"));
    const char *argv[] = {"witness", "--node-conf", conf, "--state", state, NULL};
    struct child_spec spec = {
        .name = "witness",
        .argv = argv,
        .stop_rank = HOUSE_RANK_SERVER,
        .stop_limit_ms = STOP_STEWARD_MS,
    };
    supervisor_start(h->children, &spec);
}

void house_watch_vip(struct house *h) {
    char paths[NODE_INSTANCES][512], tag[2] = {h->conf.letter, 0};
    const char *list[NODE_INSTANCES];
    for (size_t i = 0; i < h->conf.instance_count; i++) {
        snprintf(paths[i], sizeof paths[i], "%s",
                 house_path(h, "run/lease-%d", h->conf.instances[i].number));
        list[i] = paths[i];
    }
    vip_watch_free(h->watch, false);
    h->watch = vip_watch_new(h->loop, &h->net, tag, list, h->conf.instance_count);
}

void house_start(struct house *h, bool with_data) {
    struct sock_error err;
    if (with_data) {
        for (size_t i = 0; i < h->conf.instance_count; i++) {
            house_start_server(h, &h->conf.instances[i]);
        }
    }
    start_had(h);
    start_steward(h);
    if (with_data && h->conf.witness) start_witness(h);
    house_watch_vip(h);
    h->with_data = with_data;
    h->sock = request_sock_new(h->loop, house_path(h, "run/node.sock"), house_on_request, h, &err);
    if (!h->sock) log_error("instances cannot be changed while the node runs: %s", err.text);
}

static void stopped(void *arg) {
    struct house *h = arg;
    vip_watch_free(h->watch, true);
    h->watch = NULL;
    loop_stop(h->loop);
}

void house_stop(struct house *h) {
    request_sock_free(h->sock);
    h->sock = NULL;
    supervisor_stop(h->children, stopped, h);
}

void house_close(struct house *h) {
    request_sock_free(h->sock);
    vip_watch_free(h->watch, false);
    supervisor_free(h->children);
    log_set_sink(NULL, NULL);
    logs_close(h->logs);
    buf_free(&h->early);
    if (h->configured) node_conf_free(&h->conf);
    loop_free(h->loop);
}
