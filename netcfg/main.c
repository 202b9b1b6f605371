/* netcfg: check, plan, apply, show. And `netcfg drive`, which lets a person or a test do by hand what
 * had does with the VIP. A new verb is one row in `verbs` and one function. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netcfg/apply.h"
#include "netcfg/drive.h"
#include "server/base/buf.h"
#include "server/base/conf.h"

int netcfg_main(int argc, char **argv);

#define DEFAULT_CONF "/etc/duet.conf"

struct options {
    const char *file;
    bool json, dry_run;
};

static bool read_conf(const char *file, struct netcfg_conf *out) {
    struct conf c;
    struct conf_error err;
    if (!conf_read(&c, file, true, &err)) {
        fprintf(stderr, "netcfg: %s\n", err.text);
        return false;
    }
    bool fine = netcfg_read(&c, out, &err);
    if (!fine) fprintf(stderr, "netcfg: %s\n", err.text);
    conf_free(&c);
    return fine;
}

static int verb_check(const struct options *o) {
    struct netcfg_conf conf;
    if (!read_conf(o->file, &conf)) return 1;
    if (!*conf.service.name) {
        fprintf(stderr,
                "netcfg: %s: [network] has no service line; add 'service IFACE "
                "ADDRESS/PREFIX peer ADDRESS'\n",
                o->file);
        return 1;
    }
    printf("%s: the network section is in order\n", o->file);
    return 0;
}

static bool plan_now(const struct netcfg_conf *conf, struct plan *plan) {
    struct plan_picture *p = xmalloc(sizeof *p);
    struct netcfg_error err;
    bool fine = apply_picture(conf, p, &err);
    if (fine)
        plan_make(conf, p, plan);
    else
        fprintf(stderr, "netcfg: %s\n", err.text);
    free(p);
    return fine;
}

static void print_plan(const struct plan *plan, bool json) {
    struct buf out = BUF_INIT;
    if (json) {
        plan_json(plan, &out);
    } else {
        for (size_t i = 0; i < plan->count; i++) plan_step_text(&plan->steps[i], &out);
        if (plan->count == 0) buf_add_str(&out, "nothing to do\n");
    }
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
}

static int say_errors(const struct plan *plan) {
    for (size_t i = 0; i < plan->error_count; i++) {
        fprintf(stderr, "netcfg: %s\n", plan->errors[i]);
    }
    return plan->error_count ? 1 : 0;
}

static int verb_apply(const struct options *o) {
    struct netcfg_conf conf;
    struct netcfg_error err;
    struct plan plan;
    size_t done;
    if (!read_conf(o->file, &conf) || !plan_now(&conf, &plan)) return 1;
    print_plan(&plan, o->json);
    if (o->dry_run) return say_errors(&plan);
    if (!apply_plan(&plan, &done, &err)) {
        fprintf(stderr, "netcfg: %s; the steps before it were taken\n", err.text);
        return 1;
    }
    return say_errors(&plan);
}

static int verb_plan(const struct options *o) {
    struct options dry = *o;
    dry.dry_run = true;
    return verb_apply(&dry);
}

static void show_link(const struct plan_picture *p, const struct plan_link *l, struct buf *out,
                      bool json) {
    char mac[NETCFG_MAC_CHARS], text[NETCFG_ADDR_CHARS];
    const char *sep = "";
    netcfg_mac_text(l->mac, mac);
    buf_printf(out,
               json ? "{\"name\":\"%s\",\"mac\":\"%s\",\"up\":%s,\"addresses\":[" : "%-15s %s %-5s",
               l->name, mac,
               json    ? (l->up ? "true" : "false")
               : l->up ? "up"
                       : "down");
    for (size_t i = 0; i < p->addr_count; i++) {
        const struct plan_addr *a = &p->addrs[i];
        if (a->index != l->index) continue;
        netcfg_addr_text(&a->addr, true, text);
        const char *by = a->by == PLAN_BY_NETCFG ? "netcfg"
                         : a->by == PLAN_BY_VIP  ? "vip"
                                                 : "other";
        if (json) {
            buf_printf(out, "%s{\"address\":\"%s\",\"by\":\"%s\"}", sep, text, by);
        } else {
            buf_printf(out, " %s%s", text, a->by == PLAN_BY_VIP ? " (VIP)" : "");
        }
        sep = ",";
    }
    buf_add_str(out, json ? "]}" : "\n");
}

static int verb_show(const struct options *o) {
    static const struct netcfg_conf none;
    struct plan_picture *p = xmalloc(sizeof *p);
    struct netcfg_error err;
    struct buf out = BUF_INIT;
    char text[NETCFG_ADDR_CHARS];
    if (!apply_picture(&none, p, &err)) {
        fprintf(stderr, "netcfg: %s\n", err.text);
        free(p);
        return 1;
    }
    if (o->json) buf_add_str(&out, "{\"interfaces\":[");
    for (size_t i = 0; i < p->link_count; i++) {
        if (o->json && i) buf_add_str(&out, ",");
        show_link(p, &p->links[i], &out, o->json);
    }
    if (o->json) buf_add_str(&out, "],\"gateways\":[");
    for (size_t i = 0; i < p->route_count; i++) {
        buf_printf(&out, o->json ? "%s\"%s\"" : "%sdefault via %s\n", o->json && i ? "," : "",
                   netcfg_addr_text(&p->routes[i].gateway, false, text));
    }
    if (o->json) buf_add_str(&out, "]}\n");
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    free(p);
    return 0;
}

static int verb_drive(const struct options *o) {
    struct netcfg_conf conf;
    return read_conf(o->file, &conf) ? netcfg_drive(&conf) : 1;
}

static const struct {
    const char *name;
    int (*run)(const struct options *o);
    const char *help;
} verbs[] = {
    {"check", verb_check, "reads FILE and says what is wrong with its network section"},
    {"plan", verb_plan, "prints what apply would do; changes nothing"},
    {"apply", verb_apply, "makes the kernel as FILE says; --dry-run only prints"},
    {"show", verb_show, "interfaces, addresses and gateways as the kernel has them"},
    {"drive", verb_drive, "does by hand what had does with the VIP: commands on standard input"},
};

static void help(FILE *out) {
    fprintf(out, "usage: netcfg VERB [FILE] [--json] [--dry-run]\n"
                 "FILE is the node's configuration, " DEFAULT_CONF " when none is named.\n\n");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        fprintf(out, "  %-6s  %s\n", verbs[i].name, verbs[i].help);
    }
}

static bool read_options(int argc, char **argv, struct options *o) {
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--dry-run") == 0) {
            o->dry_run = true;
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "netcfg: there is no option '%s'; netcfg --help lists them\n", argv[i]);
            return false;
        } else if (o->file) {
            fprintf(stderr, "netcfg: '%s' is one file too many; name one\n", argv[i]);
            return false;
        } else {
            o->file = argv[i];
        }
    }
    if (!o->file) o->file = DEFAULT_CONF;
    return true;
}

int netcfg_main(int argc, char **argv) {
    struct options o = {0};
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        help(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(argv[1], verbs[i].name) != 0) continue;
        return read_options(argc, argv, &o) ? verbs[i].run(&o) : 2;
    }
    fprintf(stderr, "netcfg: there is no verb '%s'; netcfg --help lists them\n", argv[1]);
    return 2;
}
