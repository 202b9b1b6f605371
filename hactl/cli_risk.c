/* Commands that overrule the rules, or need a typed confirmation: hactl promote --force, hactl resume. Before them stands what
 * is known of both sides: who holds what, how old it is, and what could be lost. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli.h"
#include "hactl/cli_backup.h"
#include "hactl/cli_watch.h"
#include "hactl/event.h"

#define ANSWER_MS 5000

int cli_command(const struct cli *c, const char *request, long timeout_ms) {
    struct cli_answer a;
    int status = cli_ask(c, request, timeout_ms, &a);
    if (status != CLI_OK) return status;
    if (c->json) printf("{\"ok\": %s}\n", a.ok ? "true" : "false");
    if (a.ok && !c->json)
        printf("%s\n", a.sentence);
    else if (!a.ok)
        fprintf(stderr, "hactl: %s\n", a.sentence);
    status = a.ok ? CLI_OK : CLI_NO;
    cli_answer_free(&a);
    return status;
}

bool cli_confirmed(const struct cli *c, const char *sentence) {
    char line[256];
    if (c->confirm) return strcmp(c->confirm, sentence) == 0;
    if (!isatty(STDIN_FILENO)) return false;
    printf("Type  %s  to go on: ", sentence);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) return false;
    line[strcspn(line, "\r\n")] = 0;
    return strcmp(line, sentence) == 0;
}

int cli_not_confirmed(const char *sentence) {
    fprintf(stderr,
            "hactl: not confirmed, nothing was done; without a terminal use --confirm '%s'\n",
            sentence);
    return CLI_NO;
}

/* ---- what is known of both sides ---- */

/* When this node's data were last known to be the master's; had's history outlives it. */
static void say_sync(const struct cli *c, const struct fields *f) {
    struct event in, lost;
    bool was = history_last(c, EVENT_SYNC_IN, &in),
         is_not = history_last(c, EVENT_SYNC_LOST, &lost);
    if (fields_true(f, "node.in_sync"))
        printf("  It was in sync when last known.\n");
    else if (was && is_not)
        printf("  It is NOT in sync: it came into sync at %s and lost it at %s (UTC).\n",
               wall_text(in.wall_ms * 1000), wall_text(lost.wall_ms * 1000));
    else
        printf("  It is NOT in sync, and its history does not say when it was.\n");
}

static void say_side(const char *who, const struct fields *f, const char *of) {
    printf("%s: %s, epoch %lld, data offset %lld.\n", who, fields_text(f, "?", "%s.state", of),
           (long long)fields_number(f, 0, "%s.epoch", of),
           (long long)fields_number(f, 0, "%s.offset", of));
}

/* The other node itself, when its steward can be reached; else what it said last. */
static void say_other(const struct cli *c, const struct fields *here) {
    struct fields there = {0};
    int64_t age = fields_number(here, -1, "peer.age_ms");
    if (peer_report(c, &there)) {
        say_side("The other node (it answers now)", &there, "node");
        if (fields_true(&there, "node.serving"))
            printf("  IT SERVES NOW: instance 0 has %lld clients.\n",
                   (long long)fields_number(&there, 0, "instances.0.clients"));
        printf("  It has %lld bytes that this node has not.\n",
               (long long)(fields_number(&there, 0, "node.offset") -
                           fields_number(here, 0, "node.offset")));
    } else if (age < 0) {
        printf("The other node: it cannot be asked, and was never heard since had started here.\n"
               "  How much it holds that this node does not is NOT KNOWN.\n");
    } else {
        say_side("The other node (it cannot be asked; when it was last heard)", here, "peer");
        printf("  That was %lld s ago; what it has taken since is NOT KNOWN here.\n",
               (long long)age / 1000);
    }
    fields_free(&there);
}

static int risky(struct cli *c, const char *request, const char *risk, const char *verb) {
    struct cli_answer a;
    char sentence[160];
    int status = cli_ask(c, "status", ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    say_side("This node", &a.fields, "node");
    say_sync(c, &a.fields);
    say_other(c, &a.fields);
    printf("%s\n", risk);
    fflush(stdout);
    snprintf(sentence, sizeof sentence, "%s %s", verb, fields_text(&a.fields, "?", "node.name"));
    cli_answer_free(&a);
    if (!cli_confirmed(c, sentence)) return cli_not_confirmed(sentence);
    return cli_command(c, request, ANSWER_MS);
}

int cli_promote(struct cli *c) {
    if (!c->force) {
        fprintf(stderr, "hactl: a slave in sync takes over by itself; to promote this node against "
                        "the rules: hactl promote --force\n");
        return CLI_USAGE;
    }
    return risky(c, "promote-force",
                 "If the other node serves, there will be TWO masters; what only it holds is LOST "
                 "to clients (it is put aside when it rejoins). Make sure that it is off.",
                 "promote");
}

int cli_resume(struct cli *c) {
    return risky(c, "resume",
                 "If the other node took over meanwhile, there will be TWO masters. Make sure that "
                 "it does not serve.",
                 "resume");
}
