/* hactl rollback: an instance as it was. Planned and done on the master, wherever it is typed: the plan is shown, an
 * operator confirms it, the present state is kept as a set, the server goes back, and the slave follows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_control.h"
#include "hactl/moment.h"
#include "hactl/rollback_plan.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

#define ANSWER_MS     5000
#define LOOK_EACH_US  100000
#define FOLLOW_MS     600000 /* until the slave has its new copy; a loss of patience, not a failure */
#define DIRECTORY_OWN "-"

enum place { HERE, THERE, NOWHERE };

/* Where the master is; what speaks against a rollback is said. */
static int find_master(const struct cli *c, enum place *place) {
    struct cli_answer a;
    int status = cli_ask(c, "status", ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    const char *state = fields_text(&a.fields, "?", "node.state"),
               *peer = fields_text(&a.fields, "?", "peer.state");
    bool heard = fields_true(&a.fields, "peer.heard");
    *place = fields_true(&a.fields, "node.serving") && strcmp(state, "master") == 0 ? HERE
             : heard && strcmp(peer, "master") == 0 && !c->from_peer                ? THERE
                                                                                    : NOWHERE;
    if (*place == NOWHERE) {
        fprintf(stderr,
                "hactl: no rollback: only a master goes back, and its slave follows; this node is "
                "%s, the other one %s\n",
                state, heard ? peer : "is not heard");
        status = CLI_NO;
    }
    cli_answer_free(&a);
    return status;
}

/* ---- asking ---- */

static bool sure(const struct cli *c, const char *word) {
    char line[128];
    if (c->yes || (c->confirm && strcmp(c->confirm, word) == 0)) return true;
    if (isatty(STDIN_FILENO) && !c->confirm) {
        printf("Type the instance's name, %s, to go back: ", word);
        fflush(stdout);
        if (fgets(line, sizeof line, stdin)) {
            line[strcspn(line, "\r\n")] = 0;
            if (strcmp(line, word) == 0) return true;
        }
    }
    fprintf(stderr, "hactl: not confirmed, nothing was done; without a terminal use --yes\n");
    return false;
}

/* ---- doing ---- */

static void refused(const struct rollback_plan *p, const char *why) {
    fprintf(stderr, "hactl: instance %u was not rolled back, its data is as it was: %s\n",
            p->instance, why);
}

static const char *stage_text(const char *stage) {
    return strcmp(stage, "verify") == 0 ? "checking the base"
           : strcmp(stage, "copy") == 0 ? "preparing the data"
           : strcmp(stage, "wait") == 0 ? "counting the slave out"
           : strcmp(stage, "load") == 0 ? "loading"
                                        : "going back";
}

/* Until the server is done; CLI_UNKNOWN when it ended meanwhile. */
static int follow(const struct cli *c, const char *root, const struct rollback_plan *p) {
    const char *const words[] = {"ROLLBACK", "STATUS"};
    struct progress bar;
    progress_begin(&bar, c, "", "per mille");
    for (;;) {
        struct control_answer a;
        enum control_result r = control_ask(root, p->instance, &a, 2, words);
        const char *state = fields_text(&a.fields, "", "state");
        bool running = r == CONTROL_OK && strcmp(state, "running") == 0,
             done = strcmp(state, "done") == 0;
        bar.what = stage_text(fields_text(&a.fields, "", "stage"));
        bar.relay = false;
        if (running)
            progress_show(&bar, strtoull(fields_text(&a.fields, "0", "progress"), NULL, 10), 1000,
                          0);
        if (!running) progress_end(&bar);
        if (done && !c->json)
            printf("Instance %u is back at %s UTC: %s keys. The log as it was is kept in %s.\n",
                   p->instance, wall_text(p->state_us), fields_text(&a.fields, "?", "keys"),
                   fields_text(&a.fields, "?", "tail"));
        if (r != CONTROL_OK)
            fprintf(stderr,
                    "hactl: how the rollback ended is not known: %s; look at `hactl status`\n",
                    a.text);
        else if (strcmp(state, "failed") == 0)
            refused(p, fields_text(&a.fields, "?", "reason"));
        else if (!running && !done)
            fprintf(stderr, "hactl: the server has started again meanwhile; its data is either as "
                            "it was or rolled back\n");
        control_answer_free(&a);
        if (!running) return done ? CLI_OK : strcmp(state, "failed") == 0 ? CLI_NO : CLI_UNKNOWN;
        usleep(LOOK_EACH_US);
    }
}

/* The slave takes a new copy by itself. */
static void wait_for_slave(const struct cli *c) {
    uint64_t end = clock_boot_ms() + FOLLOW_MS;
    bool said = false;
    for (;;) {
        struct cli_answer a;
        if (cli_ask(c, "status", ANSWER_MS, &a) != CLI_OK) return;
        bool heard = fields_true(&a.fields, "peer.heard"),
             sync = fields_true(&a.fields, "sync.in_sync");
        cli_answer_free(&a);
        if (sync || !heard || clock_boot_ms() > end) {
            if (c->json) return;
            if (sync)
                printf("The slave follows, in sync.\n");
            else
                printf("The slave is %s; it follows when it can.\n",
                       heard ? "still copying" : "not heard");
            return;
        }
        if (!said && !c->json && !isatty(STDOUT_FILENO))
            printf("The slave copies the data anew.\n");
        said = true;
        fflush(stdout);
        usleep(LOOK_EACH_US);
    }
}

/* The set must stand on this node, whole. */
static int bring_set(const struct cli *c, struct rollback_plan *p) {
    struct stored_set here;
    if (!p->with_set || p->set_here) return CLI_OK;
    if (sets_find(c->root, p->set.id, &here)) sets_delete(c->root, p->set.id); /* a damaged copy */
    return backup_fetch(c, p->set.id);
}

static int roll_back(const struct cli *c, struct rollback_plan *p) {
    char root[SETS_PATH], dir[SETS_PATH], until[24], kept[48];
    struct control_answer a;
    if (!backup_root(c, root)) return CLI_NO;
    int status = bring_set(c, p);
    if (status != CLI_OK) {
        refused(p, "the set cannot be brought here");
        return status;
    }
    status = backup_make_set(c, p->instance, "-", "rollback", kept);
    if (status != CLI_OK) {
        refused(p, "the present state cannot be kept as a set first");
        return status;
    }
    if (!c->json) printf("The present state is kept as the set %s.\n", kept);
    fflush(stdout);
    sets_path(dir, root, p->instance, p->set.id);
    snprintf(until, sizeof until, "%lld", (long long)p->until_us);
    const char *const words[] = {"ROLLBACK", p->with_set ? dir : DIRECTORY_OWN, until, p->log};
    enum control_result r = control_ask(root, p->instance, &a, *p->log ? 4 : 3, words);
    if (r != CONTROL_OK) refused(p, a.text);
    control_answer_free(&a);
    if (r != CONTROL_OK) return CLI_NO;
    status = follow(c, root, p);
    if (status == CLI_OK) wait_for_slave(c);
    if (status == CLI_OK && c->json) printf("{\"ok\": true, \"kept\": \"%s\"}\n", kept);
    return status;
}

/* ---- the verb ---- */

/* On the other node. A moment crosses as seconds since 1970: "10m ago" is ten minutes before it was typed. */
static int there(const struct cli *c, const char *more) {
    char moment[32], *words[] = {xstrdup("rollback"), xstrdup(c->argv[0]), xstrdup("--to"), NULL,
                                 xstrdup(more),       xstrdup("--json")};
    const struct cli_peer_io io = {.in = -1};
    int64_t us;
    bool is_moment = !backup_id_valid(c->to, NULL) && moment_parse(c->to, clock_wall_us(), &us);
    if (is_moment)
        snprintf(moment, sizeof moment, "%lld.%06lld", (long long)us / 1000000,
                 (long long)us % 1000000);
    words[3] = xstrdup(is_moment ? moment : c->to);
    fflush(stdout);
    int status = cli_peer_run(c, words, c->json ? 6 : 5, &io);
    for (int i = 0; i < 6; i++) free(words[i]);
    return status;
}

static int run_there(const struct cli *c, const char *word) {
    if (c->plan) return there(c, "--plan");
    int status = c->yes ? CLI_OK : there(c, "--plan");
    if (status != CLI_OK) return status;
    return sure(c, word) ? there(c, "--yes") : CLI_NO;
}

int cli_rollback(struct cli *c) {
    struct rollback_plan plan;
    enum place place;
    unsigned instance;
    if (!c->to) {
        fprintf(stderr, "usage: hactl rollback INSTANCE --to SET|TIME\n");
        return CLI_USAGE;
    }
    if (!backup_instance(c, c->argv[0], &instance)) return CLI_USAGE;
    int status = find_master(c, &place);
    if (status != CLI_OK) return status;
    if (place == THERE) return run_there(c, c->argv[0]);
    if (!rollback_plan_make(c, instance, c->to, &plan)) return CLI_NO;
    if (!c->json) rollback_plan_say(&plan);
    if (c->plan) return CLI_OK;
    if (!sure(c, c->argv[0])) return CLI_NO;
    return roll_back(c, &plan);
}
