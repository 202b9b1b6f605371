/* The one binary: the applet is chosen by the name it is called by, or by its first word.
 * This is the only file that sees every applet's main function. A new applet is one prototype, one
 * row. */
#include <stdio.h>
#include <string.h>

#include "build/version.h"

#define APPLET(name) int name(int argc, char **argv)
APPLET(server_main);
APPLET(had_main);
APPLET(hactl_main);
APPLET(steward_main);
APPLET(witness_main);
APPLET(netcfg_main);
APPLET(config_main);
APPLET(node_main);
APPLET(console_main);
APPLET(init_main);
APPLET(check_main);
APPLET(restore_main);

struct applet {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *help;
};

static const struct applet applets[] = {
    {"server", server_main, "a Redis-compatible server"},
    {"had", had_main, "the HA daemon of a node"},
    {"hactl", hactl_main, "status, switchover and all that an operator does"},
    {"steward", steward_main, "what hactl of the other node reaches here"},
    {"witness", witness_main, "a lease on a third machine, for pairs whose nodes lose each other"},
    {"netcfg", netcfg_main, "network configuration: check, plan, apply, show"},
    {"config", config_main, "the configuration kept in a state partition: put, get, check"},
    {"node", node_main, "a whole node as an ordinary process, below a directory"},
    {"check", check_main,
     "looks through logs, RDB files and backup sets, and mends what can be mended"},
    {"restore", restore_main,
     "a new server's data directory from a backup set, up to any second of a log"},
    {"console", console_main, "status page and prompt of the appliance"},
    {"init", init_main, "PID 1 of the appliance"},
};
static const size_t applet_count = sizeof applets / sizeof applets[0];

static const struct applet *find(const char *name) {
    for (size_t i = 0; i < applet_count; i++) {
        if (strcmp(applets[i].name, name) == 0) return &applets[i];
    }
    return NULL;
}

static void help(FILE *out) {
    fprintf(out,
            "usage: duet APPLET [ARGUMENT...] | --version     (duet APPLET --help tells more)\n\n");
    for (size_t i = 0; i < applet_count; i++) {
        fprintf(out, "  %-8s  %s\n", applets[i].name, applets[i].help);
    }
}

int main(int argc, char **argv) {
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *called = argc < 1 ? "" : slash ? slash + 1 : argv[0];
    if (*called == '-') called++; /* a login shell's name begins with a dash */
    const struct applet *a = find(called);
    if (a) return a->main(argc, argv);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0) return printf("duet %s\n", DUET_VERSION) < 0;
    a = find(argv[1]);
    if (a) return a->main(argc - 1, argv + 1);
    fprintf(stderr, "duet: there is no applet '%s'; these are there:\n\n", argv[1]);
    help(stderr);
    return 2;
}
