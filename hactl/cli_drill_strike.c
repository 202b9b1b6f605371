/* The faults of drills, for real, on this node. Each ends by itself: a process that was killed is started again by its
 * supervisor, a cut is ended by the kernel. */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/cli.h"
#include "hactl/cli_drill.h"
#include "hactl/had_conf.h"
#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/num.h"

static int complain(const char *what, const char *why) {
    fprintf(stderr, "hactl: %s: %s; nothing was done\n", what, why);
    return CLI_NO;
}

/* The pid file may be of a process that is gone; then its number may be another's: the name is looked at. */
static bool is_ours(pid_t pid, const char *applet) {
    char path[64];
    struct buf text = BUF_INIT;
    bool ours = false;
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    if (file_read_all(path, &text, 4096))
        ours = buf_len(&text) && memmem(buf_head(&text), buf_len(&text), applet, strlen(applet));
    buf_free(&text);
    return ours;
}

static int kill_process(const struct cli *c, const char *name, const char *applet) {
    char path[512], what[96];
    struct buf text = BUF_INIT;
    int64_t pid = 0;
    snprintf(path, sizeof path, "%s/run/%s.pid", c->root, name);
    snprintf(what, sizeof what, "%s cannot be killed", name);
    bool read = file_read_all(path, &text, 32);
    if (read) {
        size_t len = buf_len(&text);
        while (len && buf_head(&text)[len - 1] == '\n') len--;
        read = num_parse_i64(buf_head(&text), len, &pid);
    }
    buf_free(&text);
    if (!read || pid < 2 || !is_ours((pid_t)pid, applet)) return complain(what, "it does not run");
    if (kill((pid_t)pid, SIGKILL) != 0) return complain(what, strerror(errno));
    return CLI_OK;
}

static bool same_address(const struct sockaddr *a, const struct netcfg_addr *b) {
    if (!a || a->sa_family != b->family) return false;
    const void *bytes =
        b->family == AF_INET
            ? (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr
            : (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    return memcmp(bytes, b->bytes, b->family == AF_INET ? 4 : 16) == 0;
}

static int cut(const struct cli *c, bool crossover, int64_t ms) {
    static struct had_conf conf;
    struct conf_error conf_err;
    struct netcfg_error err = {"no interface has its address"};
    struct ifaddrs *list = NULL;
    char path[512];
    bool done = false;
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!had_conf_read(&conf, path, &conf_err)) return complain("no cut", conf_err.text);
    const struct netcfg_addr *own = crossover ? &conf.net.crossover.addr : &conf.net.service.addr;
    if (getifaddrs(&list) != 0) return complain("no cut", strerror(errno));
    for (struct ifaddrs *i = list; i && !done; i = i->ifa_next)
        if (same_address(i->ifa_addr, own)) {
            done = netcfg_cut(i->ifa_name, (uint64_t)ms, &err);
            break;
        }
    freeifaddrs(list);
    return done ? CLI_OK : complain(crossover ? "the crossover" : "the service network", err.text);
}

int drill_strike(const struct cli *c, const char *what, int64_t ms) {
    if (strcmp(what, "had") == 0) return kill_process(c, "had", "had");
    if (strcmp(what, "crossover") == 0) return cut(c, true, ms);
    if (strcmp(what, "service") == 0) return cut(c, false, ms);
    if (strcmp(what, "server") != 0) return CLI_USAGE;
    static struct had_conf conf;
    struct conf_error err;
    char path[512], name[32];
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!had_conf_read(&conf, path, &err)) return complain("no server", err.text);
    snprintf(name, sizeof name, "server-%d", conf.instances[0].number);
    return kill_process(c, name, "server");
}
