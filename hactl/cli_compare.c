/* hactl compare: does the slave hold what the master holds? Each instance's server takes a fingerprint of its data and the slave's
 * says its own (server/control.h, DUET DIGEST); nothing waits for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_control.h"
#include "hactl/cli_instance.h"
#include "hactl/cli_watch.h"
#include "server/base/clock.h"

#define LOOK_EACH_US 100000
#define LIMIT_MS     600000

struct outcome {
    const char *result; /* same, differs, failed, no slave */
    char keys[24], their_keys[24], reason[420];
    long long took_ms;
};

/* The worst of what the slaves say; waiting while one has not said anything. */
static const char *result_of(const struct fields *f, struct outcome *o) {
    static const char *const order[] = {"differs", "waiting", "failed", "same"};
    int64_t slaves = fields_number(f, 0, "slaves");
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        for (int64_t s = 0; s < slaves; s++) {
            if (strcmp(fields_text(f, "", "slave.%d.result", (int)s), order[i]) != 0) continue;
            snprintf(o->their_keys, sizeof o->their_keys, "%s",
                     fields_text(f, "?", "slave.%d.keys", (int)s));
            if (strcmp(order[i], "failed") == 0)
                snprintf(o->reason, sizeof o->reason,
                         "the slave was making another snapshot; compare again later");
            return order[i];
        }
    return "no slave";
}

static void failed(struct outcome *o, const char *why) {
    o->result = "failed";
    snprintf(o->reason, sizeof o->reason, "%s", why);
}

/* One look; true when it is over. */
static bool look(const struct cli *c, unsigned instance, struct outcome *o) {
    const char *const words[] = {"DIGEST", "STATUS"};
    struct control_answer a;
    enum control_result r = control_ask(c->root, instance, &a, 2, words);
    const char *state = fields_text(&a.fields, "", "state");
    bool done = strcmp(state, "done") == 0;
    o->result = done ? result_of(&a.fields, o) : "waiting";
    snprintf(o->keys, sizeof o->keys, "%s", fields_text(&a.fields, "?", "keys"));
    o->took_ms = fields_number(&a.fields, 0, "took_ms");
    if (r != CONTROL_OK)
        failed(o, a.text);
    else if (!done && strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0)
        failed(o, fields_text(&a.fields, "it ended", "reason"));
    control_answer_free(&a);
    return strcmp(o->result, "waiting") != 0;
}

static void compare(const struct cli *c, unsigned instance, struct outcome *o) {
    const char *const start[] = {"DIGEST", "START"}, *const again[] = {"DIGEST", "RESYNC"};
    uint64_t end = clock_boot_ms() + (c->timeout_ms ? (uint64_t)c->timeout_ms : LIMIT_MS);
    struct control_answer a;
    memset(o, 0, sizeof *o);
    if (control_ask(c->root, instance, &a, 2, start) != CONTROL_OK) {
        failed(o, a.text);
        control_answer_free(&a);
        return;
    }
    control_answer_free(&a);
    while (!look(c, instance, o)) {
        if (clock_boot_ms() > end) {
            failed(o, "it takes longer than the time given for it (--timeout)");
            return;
        }
        usleep(LOOK_EACH_US);
    }
    if (strcmp(o->result, "differs") != 0 || !c->force) return;
    bool told = control_ask(c->root, instance, &a, 2, again) == CONTROL_OK;
    snprintf(o->reason, sizeof o->reason, "%s", told ? "the slave copies it anew" : a.text);
    control_answer_free(&a);
}

static void say(const char *number, const char *name, const struct outcome *o) {
    printf("Instance %s%s%s%s: ", number, *name ? " (" : "", name, *name ? ")" : "");
    if (strcmp(o->result, "same") == 0)
        printf("the slave holds the same %s keys (%lld ms).\n", o->keys, o->took_ms);
    else if (strcmp(o->result, "differs") == 0)
        printf("THE SLAVE'S DATA DIFFERS: %s keys here, %s there; %s.\n", o->keys, o->their_keys,
               *o->reason ? o->reason : "with --force the slave copies it anew");
    else
        printf("not compared: %s.\n", *o->reason ? o->reason : "no slave follows");
}

static void note(struct fields *json, int n, const char *number, const struct outcome *o) {
    fields_add_number(json, atoi(number), "instances.%d.number", n);
    fields_add_text(json, o->result, "instances.%d.result", n);
    fields_add_text(json, o->keys, "instances.%d.keys", n);
    fields_add_text(json, o->their_keys, "instances.%d.slave_keys", n);
    fields_add_number(json, o->took_ms, "instances.%d.took_ms", n);
    fields_add_text(json, o->reason, "instances.%d.reason", n);
}

/* All instances, or the one that is named; this node is master. */
static int compare_all(struct cli *c, const struct fields *here, int only) {
    struct fields json = {0};
    int count = 0;
    bool fine = true, differs = false, compared = false;
    for (int i = 0; i < INSTANCE_NUMBERS; i++) {
        const char *number = fields_text(here, NULL, "instances.%d.number", i);
        struct outcome o;
        if (!number) break;
        if (only >= 0 && i != only) continue;
        compare(c, (unsigned)atoi(number), &o);
        fine = fine && strcmp(o.result, "same") == 0;
        differs = differs || strcmp(o.result, "differs") == 0;
        compared = compared || differs || fine;
        if (c->json)
            note(&json, count++, number, &o);
        else
            say(number, fields_text(here, "", "instances.%d.name", i), &o);
    }
    if (c->json) {
        struct buf out = BUF_INIT;
        fields_json(&json, &out);
        fwrite(buf_head(&out), 1, buf_len(&out), stdout);
        buf_free(&out);
    }
    fields_free(&json);
    if (compared && (differs || (fine && only < 0)))
        compare_keep(c, differs && !c->force,
                     differs ? "the slave's data differ from the master's"
                             : "the slave's data are the master's");
    return fine ? CLI_OK : CLI_NO;
}

int cli_compare(struct cli *c) {
    struct instance_pair p;
    int status = instance_pair_get(c, &p), only = -1;
    if (status != CLI_OK) return status;
    const struct fields *here = &p.node[p.here];
    if (p.here != p.master || !fields_true(here, "node.serving")) {
        fprintf(stderr, "hactl: the master compares, and this node is not: hactl --peer compare\n");
        status = CLI_NO;
    } else if (c->argc > 0 && (only = instance_find(here, c->argv[0])) < 0) {
        fprintf(stderr, "hactl: there is no instance %s; see hactl instance list\n", c->argv[0]);
        status = CLI_NO;
    }
    if (status == CLI_OK) status = compare_all(c, here, only);
    instance_pair_free(&p);
    return status;
}
