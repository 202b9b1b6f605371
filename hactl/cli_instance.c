/* hactl instance: the table of its verbs; resize, passwd, trash and sync. */
#include "hactl/cli_instance.h"

#include <stdio.h>
#include <string.h>

#include "server/base/num.h"

#define TICK_ANSWER_MS 3000

/* ---- resize ----------------------------------------------------------------------------------- */

/* What is in it must fit, unless it may throw out. */
static bool data_fit(const struct instance_change *ch, int at, unsigned node, uint64_t bytes) {
    const struct fields *f = &ch->pair.node[node];
    uint64_t used = (uint64_t)fields_number(f, 0, "instances.%d.used", at);
    const char *policy = fields_text(f, "noeviction", "instances.%d.policy", at);
    if (used <= bytes || strcmp(policy, "noeviction") != 0) return true;
    fprintf(stderr,
            "hactl: instance %s uses %s, and its maxmemory-policy is noeviction: with %s it would "
            "refuse every write; nothing was changed\n",
            fields_text(f, "?", "instances.%d.number", at), instance_size_text(used),
            instance_size_text(bytes));
    return false;
}

static int run_resize(struct cli *c) {
    struct instance_change ch;
    unsigned node;
    int at;
    uint64_t bytes;
    char number[8], digits[24];
    if (!c->memory) fprintf(stderr, "usage: hactl instance resize N --memory SIZE\n");
    if (!c->memory || !instance_size(c->memory, &bytes)) return CLI_USAGE;
    int status = instance_begin_with(c, &ch, &node, &at);
    if (status != CLI_OK) return status;
    const struct fields *f = &ch.pair.node[node];
    snprintf(number, sizeof number, "%s", fields_text(f, "", "instances.%d.number", at));
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)bytes);
    const char *check[] = {"check", "memory", number, digits};
    const char *words[] = {"set", number, "memory"};
    uint64_t before = (uint64_t)fields_number(f, 0, "instances.%d.limit", at);
    struct buf value = BUF_INIT;
    buf_add_str(&value, c->memory);
    status = data_fit(&ch, at, node, bytes) ? instance_ask_both(&ch, 4, check) : CLI_NO;
    /* A slave must never have less room than its master. */
    if (status == CLI_OK) status = instance_make(&ch, before && bytes < before, &value, 3, words);
    if (status == CLI_OK)
        instance_say_done(c, "instance %s has %s of memory now\n", number,
                          instance_size_text(bytes));
    buf_free(&value);
    instance_pair_free(&ch.pair);
    return status;
}

/* ---- passwd ----------------------------------------------------------------------------------- */

static int run_passwd(struct cli *c) {
    struct instance_change ch;
    struct buf value = BUF_INIT;
    unsigned node;
    int at, status = instance_begin_with(c, &ch, &node, &at);
    if (status != CLI_OK) return status;
    const char *number = fields_text(&ch.pair.node[node], "", "instances.%d.number", at);
    const char *words[] = {"set", number, "password"};
    status = CLI_NO;
    /* The slave first: its link stays as it is, and asks with the new one when it has to connect again. */
    if (instance_password(c->password ? c->password : "-", &value))
        status = instance_make(&ch, false, &value, 3, words);
    if (status == CLI_OK)
        instance_say_done(
            c, "instance %s has %s password; clients that are logged in stay, new ones need it\n",
            number, strcmp(buf_cstr(&value), "none") ? "a new" : "no");
    buf_free(&value);
    instance_pair_free(&ch.pair);
    return status;
}

/* The folder of an instance that is not there any more. */
static int run_trash(struct cli *c) {
    struct instance_pair p;
    int64_t n;
    const char *words[] = {"trash", c->argv[1]};
    if (!num_parse_range(c->argv[1], 0, INSTANCE_NUMBERS - 1, &n)) return CLI_USAGE;
    int status = instance_pair_get(c, &p);
    for (unsigned node = 0; node < 2 && status == CLI_OK; node++)
        if (p.reached[node]) status = instance_pair_run(c, &p, node, NULL, NULL, 2, words);
    instance_pair_free(&p);
    return status;
}

/* ---- sync ------------------------------------------------------------------------------------- */

/* The node that is behind takes the instances of the other one. */
static int bring_up(struct instance_change *ch, unsigned newer) {
    struct buf text = BUF_INIT;
    char from[24], to[24];
    const char *get[] = {"sections"}, *take[] = {"take", from, to}, *reload[] = {"reload"};
    int64_t ours = fields_number(&ch->pair.node[newer], 0, "changes");
    snprintf(from, sizeof from, "%lld",
             (long long)fields_number(&ch->pair.node[!newer], 0, "changes"));
    snprintf(to, sizeof to, "%lld", (long long)ours);
    int status = instance_on(ch, newer, NULL, 1,
                             reload); /* a change that broke off between file and daemons */
    if (status == CLI_OK) status = instance_pair_run(ch->c, &ch->pair, newer, NULL, &text, 1, get);
    if (status == CLI_OK) status = instance_on(ch, !newer, &text, 3, take);
    if (status == CLI_OK)
        instance_say_done(ch->c, "node %c has taken the instances of node %c\n", 'a' + !newer,
                          'a' + (int)newer);
    buf_free(&text);
    return status;
}

static int run_sync(struct cli *c) {
    struct instance_change ch;
    const char *reload[] = {"reload"};
    int status = instance_begin(c, &ch);
    if (status != CLI_OK) return status;
    int64_t a = fields_number(&ch.pair.node[0], 0, "changes");
    int64_t b = fields_number(&ch.pair.node[1], 0, "changes");
    if (!ch.pair.reached[!ch.pair.here]) {
        fprintf(stderr, "hactl: the other node is not reached\n");
        status = CLI_NO_PEER;
    } else if (a != b) {
        status = bring_up(&ch, b > a);
    } else if (fields_number(&ch.pair.node[0], 0, "sum") !=
               fields_number(&ch.pair.node[1], 0, "sum")) {
        status = bring_up(&ch, ch.pair.master); /* both were changed alone: what is served counts */
    } else {
        status = instance_ask_both(&ch, 1, reload);
        if (status == CLI_OK) instance_say_done(c, "both nodes have the same instances\n");
    }
    instance_pair_free(&ch.pair);
    return status;
}

static bool alarm_is_on(const struct cli *c, const char *name) {
    struct cli_answer a;
    bool on = false;
    if (cli_ask(c, "status", TICK_ANSWER_MS, &a) != CLI_OK) return false;
    for (int i = 0; *fields_text(&a.fields, "", "alarms.%d.name", i); i++)
        on |= strcmp(fields_text(&a.fields, "", "alarms.%d.name", i), name) == 0;
    cli_answer_free(&a);
    return on;
}

/* tick: what the steward asks now and then. A node that missed a change learns it when it is back: had says that the two
 * differ, and they differ in the number of changes. */
static int run_tick(struct cli *c) {
    struct instance_change ch;
    if (!alarm_is_on(c, "configuration-differs")) return CLI_OK;
    int status = instance_begin(c, &ch);
    if (status != CLI_OK) return status;
    int64_t a = fields_number(&ch.pair.node[0], 0, "changes");
    int64_t b = fields_number(&ch.pair.node[1], 0, "changes");
    if (ch.pair.reached[0] && ch.pair.reached[1] && a != b) status = bring_up(&ch, b > a);
    instance_pair_free(&ch.pair);
    return status;
}

/* ---- the words -------------------------------------------------------------------------------- */

static const struct verb {
    const char *name, *args;
    int words; /* behind the name */
    const char *help, *options;
    int (*run)(struct cli *c);
    bool peer; /* the other node may ask for it */
} verbs[] = {
    {"list", "", 0, "all instances: memory, keys, in sync or not", NULL, cli_instance_list, true},
    {"show", "N", 1, "one of them; N is a number or a name", NULL, cli_instance_show, true},
    {"create", "N|NAME --port P --memory SIZE", 1, "on both nodes, while they run",
     "--name NAME, --edition open|master-slave|ckv|cluster, --durability async|pair|disk,\n"
     "      --password -|FILE|none (-: from standard input; none is the default),\n"
     "      --from-dir DIR: begins with a data directory that was prepared below data",
     cli_instance_create, false},
    {"resize", "N --memory SIZE", 1, "another memory limit, at once and for good", NULL, run_resize,
     false},
    {"passwd", "N", 1, "asks twice, or takes a line of standard input", "--password -|FILE|none",
     run_passwd, false},
    {"delete", "N", 1, "asks for a typed confirmation",
     "--no-backup: without a backup set made before; --confirm 'delete N'", cli_instance_delete,
     false},
    {"trash", "N", 1, "clears away the data of one that is no more", NULL, run_trash, false},
    {"sync", "", 0, "brings the node that missed a change up to the other", NULL, run_sync, false},
};

void cli_instance_help(void) {
    char line[64];
    printf("\n");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        snprintf(line, sizeof line, "%s %s", verbs[i].name, verbs[i].args);
        printf("  %-38s %s\n", line, verbs[i].help);
        if (verbs[i].options) printf("      %s\n", verbs[i].options);
    }
    printf(
        "\nA change is made on both nodes or on none. Without the other node it is refused; with "
        "--force\nit is made here alone, and the other node takes it when it is back: within a "
        "minute, or "
        "at\nonce by `hactl instance sync`.\nSizes are like 256mb or 4gb.\n");
}

int cli_instance(struct cli *c) {
    if (strcmp(c->argv[0], "tick") == 0 && !c->from_peer) return run_tick(c);
    if (strcmp(c->argv[0], "local") == 0) return cli_instance_local(c);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(v->name, c->argv[0]) != 0) continue;
        if (c->argc - 1 != v->words) {
            fprintf(stderr, "usage: hactl instance %s %s\n", v->name, v->args);
            return CLI_USAGE;
        }
        if (!c->from_peer || v->peer) {
            int status = v->run(c);
            if (status != CLI_OK && c->json && !v->peer) printf("{\"ok\": false}\n");
            return status;
        }
        fprintf(stderr, "hactl: not by way of the other node: instance %s\n", v->name);
        return CLI_USAGE;
    }
    fprintf(stderr, "hactl: there is no verb 'instance %s'; there are", c->argv[0]);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fprintf(stderr, "%s %s", i ? "," : "", verbs[i].name);
    fprintf(stderr, "\n");
    return CLI_USAGE;
}
