#include "netcfg/drive.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/num.h"

struct drive {
    struct netcfg *h;
    struct netcfg_error err;
    enum netcfg_group group; /* that the command is about */
    int64_t keep_ms;
    enum netcfg_group keep_group;
    uint64_t keep_next_ns;
    bool quit;
};

static void print_event(const struct netcfg_event *ev) {
    char mac[NETCFG_MAC_CHARS];
    netcfg_mac_text(ev->mac, mac);
    uint64_t age_ms = (clock_boot_ns() - ev->sent_ns) / NS_PER_MS;
    switch (ev->kind) {
    case NETCFG_GATEWAY_ANSWER:
        printf("event %s %llu %s\n", ev->which ? "reference" : "gateway",
               (unsigned long long)age_ms, ev->exact ? "exact" : "arp");
        break;
    case NETCFG_VIP_FOREIGN:
        printf("event foreign %s %s %s%u\n", mac, ev->probe_answer ? "answer" : "claim",
               ev->group == NETCFG_VIP_READ ? "read-vip" : "vip", ev->which);
        break;
    case NETCFG_LINK_CHANGE:
        printf("event link %s\n", ev->crossover ? "crossover" : "service");
        break;
    }
}

static bool do_guard(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    return netcfg_vip_guard_install(d->h, &d->err);
}
static bool do_unguard(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    return netcfg_vip_guard_remove(d->h, &d->err);
}
static bool do_drop(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    d->keep_ms = 0;
    return netcfg_vip_guard_drop(d->h, d->group, &d->err);
}
static bool do_add(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    return netcfg_vip_add(d->h, d->group, &d->err);
}
static bool do_remove(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    return netcfg_vip_remove(d->h, d->group, &d->err);
}
static bool do_announce(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    return netcfg_vip_announce(d->h, d->group, &d->err);
}
static bool do_probe(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    return netcfg_vip_probe(d->h, d->group, clock_boot_ns(), &d->err);
}
static bool do_gateway(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    return netcfg_gateway_probe(d->h, clock_boot_ns(), &d->err);
}
static bool do_present(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    printf("%s\n", netcfg_vip_present(d->h, d->group) ? "present" : "absent");
    return true;
}
static bool do_quit(struct drive *d, char **w, int n) {
    (void)w, (void)n;
    d->quit = true;
    return true;
}

static bool number(struct drive *d, const char *word, int64_t *out) {
    if (num_parse_range(word, 0, 3600000, out)) return true;
    snprintf(d->err.text, sizeof d->err.text, "'%s' is not a number of milliseconds", word);
    return false;
}

static bool do_renew(struct drive *d, char **w, int n) {
    int64_t ms;
    (void)n;
    return number(d, w[1], &ms) && netcfg_vip_renew(d->h, d->group, (uint64_t)ms, &d->err);
}

static bool do_keep(struct drive *d, char **w, int n) {
    (void)n;
    if (!number(d, w[1], &d->keep_ms)) return false;
    d->keep_group = d->group;
    d->keep_next_ns = 0;
    return true;
}

static bool do_link(struct drive *d, char **w, int n) {
    struct netcfg_link l;
    (void)n;
    if (!netcfg_link(d->h, strcmp(w[1], "crossover") == 0, &l, &d->err)) return false;
    printf("link %s up %d carrier %d changes %u\n", l.name, l.up, l.carrier, l.carrier_changes);
    return true;
}

static bool do_via(struct drive *d, char **w, int n) {
    int64_t port;
    (void)n;
    if (!num_parse_range(w[1], 1, 65535, &port)) return number(d, "port", &port);
    return netcfg_send_via_gateway(d->h, (uint16_t)port, (uint16_t)port, w[2], strlen(w[2]),
                                   &d->err);
}

static void turn(struct drive *d, int wait_ms);

static bool do_wait(struct drive *d, char **w, int n) {
    int64_t ms;
    (void)n;
    if (!number(d, w[1], &ms)) return false;
    uint64_t end = clock_boot_ns() + (uint64_t)ms * NS_PER_MS;
    while (clock_boot_ns() < end) turn(d, 5);
    return true;
}

static const struct {
    const char *name;
    int words;
    bool (*run)(struct drive *d, char **w, int n);
} commands[] = {
    {"guard", 1, do_guard},   {"unguard", 1, do_unguard},   {"renew", 2, do_renew},
    {"keep", 2, do_keep},     {"drop", 1, do_drop},         {"add", 1, do_add},
    {"remove", 1, do_remove}, {"announce", 1, do_announce}, {"present", 1, do_present},
    {"probe", 1, do_probe},   {"gateway", 1, do_gateway},   {"via", 3, do_via},
    {"link", 2, do_link},     {"wait", 2, do_wait},         {"quit", 1, do_quit},
};

static void command(struct drive *d, char *line) {
    char *words[8], *save = NULL;
    int n = 0;
    for (char *w = strtok_r(line, " \t", &save); w && n < 8; w = strtok_r(NULL, " \t", &save)) {
        words[n++] = w;
    }
    d->group = n > 0 && strcmp(words[0], "read") == 0 ? NETCFG_VIP_READ : NETCFG_VIPS_WRITE;
    if (d->group == NETCFG_VIP_READ) memmove(words, words + 1, (size_t)--n * sizeof *words);
    if (n == 0) return;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(words[0], commands[i].name) != 0 || n != commands[i].words) continue;
        if (commands[i].run(d, words, n))
            printf("ok\n");
        else
            printf("error: %s\n", d->err.text);
        return;
    }
    printf("error: there is no command '%s' with %d words\n", words[0], n - 1);
}

/* Events and the kept renewal; waits at most wait_ms. */
static void turn(struct drive *d, int wait_ms) {
    struct pollfd p = {.fd = netcfg_fd(d->h), .events = POLLIN};
    struct netcfg_event ev;
    poll(&p, 1, wait_ms);
    while (netcfg_next(d->h, &ev)) print_event(&ev);
    if (d->keep_ms > 0 && clock_boot_ns() >= d->keep_next_ns) {
        if (!netcfg_vip_renew(d->h, d->keep_group, (uint64_t)d->keep_ms, &d->err)) {
            printf("error: %s\n", d->err.text);
        }
        d->keep_next_ns = clock_boot_ns() + (uint64_t)d->keep_ms * NS_PER_MS / 4;
    }
    fflush(stdout);
}

static bool read_commands(struct drive *d, struct buf *in) {
    struct pollfd p = {.fd = 0, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0) return true;
    ssize_t got = read(0, buf_room(in, 1024), 1024);
    if (got <= 0) return got < 0 && errno == EINTR;
    buf_added(in, (size_t)got);
    char *end;
    while (!d->quit && (end = memchr(buf_head(in), '\n', buf_len(in)))) {
        *end = 0;
        size_t used = (size_t)(end - buf_head(in)) + 1;
        command(d, buf_head(in));
        buf_eat(in, used);
        if (buf_len(in) == 0) break;
    }
    return true;
}

int netcfg_drive(const struct netcfg_conf *conf) {
    struct drive d = {0};
    struct buf in = BUF_INIT;
    d.h = netcfg_open(conf, "drive", &d.err);
    if (!d.h) {
        fprintf(stderr, "netcfg: %s\n", d.err.text);
        return 1;
    }
    printf("ready\n");
    while (!d.quit) {
        turn(&d, 5);
        if (!read_commands(&d, &in)) break;
    }
    fflush(stdout);
    buf_free(&in);
    netcfg_close(d.h);
    return 0;
}
