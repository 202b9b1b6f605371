/* What speaks against a change on this node: asked before anything is changed anywhere. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_instance.h"
#include "hactl/had_conf.h"
#include "server/base/num.h"
#include "server/base/sock.h"

/* What this node needs for itself. */
static const struct {
    uint16_t port;
    const char *what;
} system_ports[] = {{22, "SSH"}, {7800, "the channel between the two nodes' tools"}};

int instance_complain(const struct cli *c, const char *fmt, ...) {
    struct had_conf conf;
    struct conf_error err;
    char path[512];
    va_list ap;
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    bool known = had_conf_read(&conf, path, &err);
    fprintf(stderr, "hactl: ");
    if (known) fprintf(stderr, "node %c: ", conf.setup.node ? 'b' : 'a');
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    return CLI_NO;
}

struct wish {
    int64_t number, port;
    uint64_t memory;
    const char *name;
    bool seed;
};

static const struct instance_conf *with(const struct had_conf *conf, int64_t number, int64_t port,
                                        const char *name) {
    for (int i = 0; i < conf->instance_count; i++) {
        const struct instance_conf *one = &conf->instances[i];
        if (one->number == number || one->port == port || (*name && !strcmp(one->name, name)))
            return one;
    }
    return NULL;
}

static bool port_is_free(const struct cli *c, int64_t port) {
    struct sock_error err;
    for (size_t i = 0; i < sizeof system_ports / sizeof *system_ports; i++)
        if (system_ports[i].port == port) {
            instance_complain(c, "port %d is for %s; take another", (int)port,
                              system_ports[i].what);
            return false;
        }
    int fd = sock_listen_tcp(NULL, (uint16_t)port, 1, &err);
    if (fd >= 0) close(fd);
    if (fd >= 0) return true;
    instance_complain(c, "port %d cannot be used: %s", (int)port,
                      errno == EADDRINUSE ? "another program listens on it" : err.text);
    return false;
}

/* The memory of all other instances and this one against the machine's. */
static bool memory_fits(const struct cli *c, int64_t number, uint64_t bytes) {
    struct conf conf;
    struct conf_error err;
    char path[512];
    uint64_t machine = instance_machine_bytes(), others = 0, one;
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!conf_read(&conf, path, true, &err)) return instance_complain(c, "%s", err.text) == CLI_OK;
    for (size_t i = 0; i < conf.count; i++) {
        const struct conf_line *l = &conf.lines[i];
        int64_t n;
        bool memory = l->argc == 2 && !strcmp(l->section, "instance") &&
                      !strcmp(l->argv[0], "memory") && num_parse_bytes(l->argv[1], &one);
        if (memory && num_parse_range(l->section_arg, 0, INSTANCE_NUMBERS - 1, &n) && n != number)
            others += one;
    }
    conf_free(&conf);
    if (others <= machine && bytes <= machine - others) return true;
    instance_complain(c, "%s is too much: the machine has %s, and %s of it are other instances'",
                      instance_size_text(bytes), instance_size_text(machine),
                      instance_size_text(others));
    return false;
}

static int check_create(const struct cli *c, const struct had_conf *conf, const struct wish *w) {
    const struct instance_conf *one;
    if ((one = with(conf, w->number, -1, "")))
        return instance_complain(c, "instance %d is there already", (int)w->number);
    if ((one = with(conf, -1, w->port, "")))
        return instance_complain(c, "port %d is instance %d's; take another", (int)w->port,
                                 one->number);
    if ((one = with(conf, -1, -1, w->name)))
        return instance_complain(c, "the name %s is instance %d's; take another", w->name,
                                 one->number);
    if (conf->instance_count == INSTANCE_LIMIT)
        return instance_complain(c, "there are %d instances already, and no more fit",
                                 INSTANCE_LIMIT);
    if (instance_has_data(c, (int)w->number))
        return instance_complain(c,
                                 "data/instance-%d holds data of an earlier instance; take another "
                                 "number, or clear it: hactl instance trash %d",
                                 (int)w->number, (int)w->number);
    if (!port_is_free(c, w->port) || !memory_fits(c, w->number, w->memory)) return CLI_NO;
    return CLI_OK;
}

/* check create N PORT MEMORY NAME|- ; check memory N MEMORY */
int cli_instance_check(struct cli *c) {
    struct had_conf conf;
    struct conf_error err;
    struct wish w = {.port = -1, .name = ""};
    char path[512], **a = c->argv + 2;
    int n = c->argc - 2;
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!had_conf_read(&conf, path, &err)) return instance_complain(c, "%s", err.text);
    bool create = n == 5 && strcmp(a[0], "create") == 0, memory = n == 3 && !strcmp(a[0], "memory");
    if (!create && !memory) return CLI_USAGE;
    if (!num_parse_range(a[1], 0, INSTANCE_NUMBERS - 1, &w.number)) return CLI_USAGE;
    if (!num_parse_bytes(a[create ? 3 : 2], &w.memory)) return CLI_USAGE;
    if (memory) return memory_fits(c, w.number, w.memory) ? CLI_OK : CLI_NO;
    if (!num_parse_range(a[2], 1, 65535, &w.port)) return CLI_USAGE;
    w.name = strcmp(a[4], "-") ? a[4] : "";
    return check_create(c, &conf, &w);
}
