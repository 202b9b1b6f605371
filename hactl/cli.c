/* hactl: what an operator does with a node. A verb is a row of the table below; its help is made
 * from the row. */
#include "hactl/cli.h"
#include "hactl/cli_drill.h"
#include "hactl/cli_metrics.h"
#include "hactl/cli_watch.h"
#include "hactl/cli_whatif.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build/version.h"
#include "hactl/import/url.h"
#include "server/base/buf.h"
#include "server/base/num.h"

#define ANSWER_MS     5000
#define SWITCHOVER_MS 2000

int hactl_main(int argc, char **argv);

struct verb {
    const char *name, *args; /* args NULL: inside, not listed */
    int min, max;            /* words */
    const char *help;
    int (*run)(struct cli *c);
    bool peer; /* the other node may ask for it (hactl --peer) */
};

/* ---- commands ---- */

static int run_switchover(struct cli *c) {
    char request[64];
    long ms = c->timeout_ms ? c->timeout_ms : SWITCHOVER_MS;
    snprintf(request, sizeof request, "switchover %ld", ms);
    return cli_command(c, request, ms + ANSWER_MS);
}

static int run_unbench(struct cli *c) {
    return cli_command(c, "unbench", ANSWER_MS);
}

static int run_version(struct cli *c) {
    if (c->json)
        printf("{\"version\": \"%s\"}\n", DUET_VERSION);
    else
        printf("duet %s\n", DUET_VERSION);
    return CLI_OK;
}

static int run_help(struct cli *c);

static const struct verb verbs[] = {
    {"status", "", 0, 0, "both nodes, paths, takeover, VIP and alarms on one screen", cli_status,
     true},
    {"check", "", 0, 0, "can the pair fail over now; if not, named reasons and status 1", cli_check,
     true},
    {"switchover", "[--timeout MS]", 0, 0, "on the master: hand over to the slave, as planned",
     run_switchover, true},
    {"maintenance", "on [--for 2h] [REASON] | off", 1, 12,
     "no automatic change of roles while it is on", cli_maintenance, true},
    {"history", "[COUNT] [--since TIME] [--both]", 0, 1,
     "the last events, over restarts; --both: of both nodes by time", cli_history, true},
    {"events", "[COUNT] [--follow]", 0, 1,
     "the last events; --follow: and each new one as it comes", cli_events, true},
    {"explain", "", 0, 0, "what would happen now, fault by fault, as the rules decide", cli_explain,
     true},
    {"whatif", "FAULT", 1, 1, "the same for one fault: power-a, server-master, crossover ...",
     cli_whatif, true},
    {"core", NULL, 0, 0, "a copy of the decision core, for the other node", cli_core, true},
    {"promote", "--force", 0, 0, "become master against the rules; asks for a typed confirmation",
     cli_promote, false},
    {"resume", "", 0, 0, "a suspended master serves again; asks for a typed confirmation",
     cli_resume, false},
    {"unbench", "", 0, 0, "a node benched after a crash loop may serve again", run_unbench, true},
    {"backup", "now|list|show|...", 1, 4, "backup sets; `hactl help backup` lists its verbs",
     cli_backup, true},
    {"instance", "list|create|...", 1, 12,
     "instances while they run; `hactl help instance` lists its verbs", cli_instance, true},
    {"key", "show|rotate", 1, 4,
     "the pair's secret: its age and fingerprint; or a new one on both nodes, without a gap",
     cli_key, true},
    {"rollback", "INSTANCE --to SET|TIME", 1, 1,
     "the data as it was; says what is lost, asks first", cli_rollback, true},
    {"clone", "SET|TIME NEW-INSTANCE --port N", 2, 2,
     "a new instance with the data of a set or a moment; --from INSTANCE", cli_clone, true},
    {"compare", "[INSTANCE] [--force]", 0, 1,
     "does the slave hold the same data; --force: else it copies anew", cli_compare, true},
    {"clock", "[follow]", 0, 1,
     "has this node's clock stepped; follow: it is right, let keys end by it", cli_clock, true},
    {"tail", "list|show|replay|discard [ID]", 1, 3,
     "writes that a demoted master had alone; `hactl help tail` explains", cli_tail, true},
    {"import", "FILE|-|redis://...", 0, 4,
     "the data of another server; `hactl help import` says from what", cli_import, true},
    {"export", "--to redis://... | status|cutover|abort|resume", 0, 2,
     "the data into another server, and on with its changes", cli_export, true},
    {"drill", "[list|NAME]", 0, 3,
     "a real fault on the living pair, measured; asks for a typed confirmation", cli_drill, true},
    {"metrics", "", 0, 0, "what there is to measure, as Prometheus reads it", cli_metrics, true},
    {"watch", NULL, 1, 1, "what the steward looks at now and then", cli_watch, false},
    {"version", "", 0, 0, "the version of this program", run_version, true},
    {"help", "[VERB]", 0, 1, "this text", run_help, true},
};
#define VERBS (sizeof verbs / sizeof *verbs)

static const struct verb *verb_named(const char *name) {
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    return NULL;
}

static void print_help(FILE *to) {
    fprintf(to, "usage: hactl [--root DIR] [--json] VERB [ARGUMENT...]\n\n");
    for (size_t i = 0; i < VERBS; i++)
        if (verbs[i].args)
            fprintf(to, "  %-11s %-15s %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
    fprintf(to,
            "\n"
            "  --root DIR       the node below DIR (as `duet node --root DIR` runs it)\n"
            "  --peer           on the other node of the pair, by the cable or the network\n"
            "  --json           reports as JSON\n"
            "  --timeout MS     switchover: how long writes may wait for the slave\n"
            "  --confirm TEXT   the typed confirmation, for scripts\n"
            "\n"
            "Exit status: 0 done, or the check found nothing; 1 refused, or the check found\n"
            "something; 2 the command was not understood; 3 had cannot be reached; 4 had did\n"
            "not answer in time, the outcome is not known; 5 the other node cannot be reached.\n");
}

static int run_help(struct cli *c) {
    if (c->argc == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    const struct verb *v = verb_named(c->argv[0]);
    if (!v) {
        fprintf(stderr, "hactl: there is no verb '%s'; `hactl help` lists them\n", c->argv[0]);
        return CLI_USAGE;
    }
    printf("usage: hactl %s %s\n\n%s\n", v->name, v->args, v->help);
    if (v->run == cli_backup) cli_backup_help();
    if (v->run == cli_instance) cli_instance_help();
    if (v->run == cli_import) cli_import_help();
    if (v->run == cli_export) cli_export_help();
    if (v->run == cli_tail) cli_tail_help();
    return CLI_OK;
}

/* ---- the command line ---- */

static int bad_usage(const char *what, const char *word) {
    fprintf(stderr, "hactl: %s '%s'; `hactl help` lists verbs and options\n", what, word);
    return CLI_USAGE;
}

/* A flag is a bool of struct cli, a value a const char * of it. A new option is a row. */
static const struct option {
    const char *name;
    size_t at;
    bool value;
} options[] = {
    {"--json", offsetof(struct cli, json), false},
    {"--force", offsetof(struct cli, force), false},
    {"--peer", offsetof(struct cli, peer), false},
    {"--from-peer", offsetof(struct cli, from_peer), false},
    {"--for", offsetof(struct cli, for_span), true},
    {"--both", offsetof(struct cli, both), false},
    {"--follow", offsetof(struct cli, follow), false},
    {"--lines", offsetof(struct cli, lines), false},
    {"--since", offsetof(struct cli, since), true},
    {"--root", offsetof(struct cli, root), true},
    {"--confirm", offsetof(struct cli, confirm), true},
    {"--timeout", offsetof(struct cli, timeout), true},
    {"--name", offsetof(struct cli, name), true},
    {"--made-by", offsetof(struct cli, made_by), true},
    {"--device", offsetof(struct cli, device), true},
    {"--to", offsetof(struct cli, to), true},
    {"--from", offsetof(struct cli, from), true},
    {"--port", offsetof(struct cli, port), true},
    {"--yes", offsetof(struct cli, yes), false},
    {"--usb", offsetof(struct cli, usb), false},
    {"--plan", offsetof(struct cli, plan), false},
    {"--local", offsetof(struct cli, local), false},
    {"--memory", offsetof(struct cli, memory), true},
    {"--edition", offsetof(struct cli, edition), true},
    {"--password", offsetof(struct cli, password), true},
    {"--durability", offsetof(struct cli, durability), true},
    {"--from-dir", offsetof(struct cli, from_dir), true},
    {"--no-backup", offsetof(struct cli, no_backup), false},
    {"--replace", offsetof(struct cli, replace), false},
    {"--merge", offsetof(struct cli, merge), false},
    {"--skip-unsupported", offsetof(struct cli, skip_unsupported), false},
    {"--only-missing", offsetof(struct cli, only_missing), false},
    {"--commands", offsetof(struct cli, commands), false},
    {"--dry-run", offsetof(struct cli, dry_run), false},
    {"--truncate", offsetof(struct cli, truncate), false},
    {"--wait", offsetof(struct cli, wait), false},
    {"--background", offsetof(struct cli, background), false},
    {"--insecure", offsetof(struct cli, insecure), false},
    {"--rdb", offsetof(struct cli, rdb), false},
    {"--rename-db", offsetof(struct cli, rename_db), true},
    {"--keys", offsetof(struct cli, keys), true},
    {"--instance", offsetof(struct cli, instance), true},
    {"--db", offsetof(struct cli, db), true},
    {"--cacert", offsetof(struct cli, cacert), true},
    {"--rdb-version", offsetof(struct cli, rdb_version), true},
};

static const struct option *option_named(const char *name) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(options[i].name, name) == 0) return &options[i];
    return NULL;
}

/* Where the tools stand is this node's affair: it does not cross, and the other node cannot name it. */
static bool stays_here(const struct option *o) {
    return o->at == offsetof(struct cli, root) || o->at == offsetof(struct cli, peer) ||
           o->at == offsetof(struct cli, from_peer);
}

/* The words of a process are for everybody to read: an address with a password in it moves to where they are not. */
static void hide_passwords(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (!url_is(argv[i])) continue;
        char *own = xstrdup(argv[i]);
        url_hide_password(argv[i]);
        argv[i] = own;
    }
}

/* Takes options out of argv, wherever they stand; the rest is verb and words. */
static int read_words(struct cli *c, int argc, char **argv, char **words, int *count) {
    *count = 0;
    hide_passwords(argc, argv);
    for (int i = 1; i < argc; i++) {
        char *w = argv[i];
        const struct option *o = option_named(w);
        if (!o && w[0] == '-' && w[1] && strcmp(w, "--help") != 0)
            return bad_usage("there is no option", w);
        if (o && o->value && i + 1 == argc) return bad_usage("a value is missing after", w);
        if (o && c->from_peer && stays_here(o)) return bad_usage("the other node may not say", w);
        if (!o || !stays_here(o)) c->raw[c->raw_count++] = w;
        if (!o) {
            words[(*count)++] = strcmp(w, "--help") == 0 ? w + 2 : w;
        } else if (o->value) {
            *(const char **)(void *)((char *)c + o->at) = argv[++i];
            if (!stays_here(o)) c->raw[c->raw_count++] = argv[i];
        } else {
            *((bool *)(void *)((char *)c + o->at)) = true;
        }
    }
    int64_t ms;
    if (c->timeout && !num_parse_range(c->timeout, 1, 600000, &ms))
        return bad_usage("the timeout must be 1 to 600000 ms, not", c->timeout);
    if (c->timeout) c->timeout_ms = (long)ms;
    return CLI_OK;
}

static int run_verb(struct cli *c, const struct verb *v, const char *name) {
    static const struct cli_peer_io all = {.in = STDIN_FILENO};
    if (!v) return bad_usage("there is no verb", name);
    if ((c->peer || c->from_peer) && !v->peer)
        return bad_usage("not by way of the other node:", name);
    if (c->argc < v->min || c->argc > v->max) {
        fprintf(stderr, "usage: hactl %s %s\n", v->name, v->args);
        return CLI_USAGE;
    }
    return c->peer ? cli_peer_run(c, c->raw, c->raw_count, &all) : v->run(c);
}

int hactl_main(int argc, char **argv) {
    char argv_help[] = "help";
    struct cli c = {.root = ""};
    char **words = xcalloc((size_t)argc + 1, sizeof *words);
    c.raw = xcalloc((size_t)argc + 1, sizeof *c.raw);
    int count, status = read_words(&c, argc, argv, words, &count);
    if (status != CLI_OK) goto end;
    status = CLI_USAGE;
    if (count == 0) {
        print_help(stderr);
        goto end;
    }
    if (count == 2 && strcmp(words[1], "help") == 0) { /* hactl VERB --help */
        words[1] = words[0];
        words[0] = argv_help;
    }
    c.argc = count - 1;
    c.argv = words + 1;
    status = run_verb(&c, verb_named(words[0]), words[0]);
end:
    free(words);
    free(c.raw);
    return status;
}
