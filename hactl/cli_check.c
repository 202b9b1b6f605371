/* hactl status and hactl check. Status shows what had reports, with the verdict; without had, what can be known without it.
 * Check goes further: it asks the other node too, and looks at what had does not: clocks, backups, the watchdog. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/backup_conf.h"
#include "hactl/cli_backup.h"
#include "hactl/cli_control.h"
#include "hactl/cli_verdict.h"
#include "hactl/cli_watch.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

#define ANSWER_MS      5000
#define CLOCK_LIMIT_MS 2000
#define HOUR_US        3600000000LL

static void print_buf(struct buf *out) {
    if (buf_len(out)) fwrite(buf_head(out), 1, buf_len(out), stdout);
    buf_free(out);
}

/* ---- the other node ---- */

static bool take_bytes(void *arg, const void *p, size_t n) {
    buf_add(arg, p, n);
    return true;
}

static bool drop_bytes(void *arg, const void *p, size_t n) {
    (void)arg, (void)p, (void)n;
    return true;
}

bool peer_report(const struct cli *c, struct fields *out) {
    struct buf text = BUF_INIT;
    char words[2][16] = {"status", "--lines"};
    char *const list[] = {words[0], words[1], NULL};
    struct cli_peer_io io = {
        .in = -1, .out = take_bytes, .err = drop_bytes, .arg = &text, .quiet = true};
    bool good = cli_peer_run(c, list, 2, &io) == CLI_OK &&
                fields_read(out, buf_head(&text), buf_len(&text));
    buf_free(&text);
    return good;
}

/* ---- status ---- */

static void without_had(const struct cli *c) {
    struct fields there = {0};
    struct verdict v;
    printf("NOT KNOWN: had does not run on this node. DO: %s\n", reason_advice("had-down"));
    for (unsigned i = 0; i < BACKUP_INSTANCES; i++) {
        struct control_answer a;
        const char *const words[] = {"STATUS"};
        if (control_ask(c->root, i, &a, 1, words) == CONTROL_OK)
            printf("  instance %u: its server runs: %s, %s keys, %s clients; without had it serves "
                   "nobody\n",
                   i, fields_text(&a.fields, "?", "role"), fields_text(&a.fields, "?", "keys"),
                   fields_text(&a.fields, "?", "clients"));
        control_answer_free(&a);
    }
    if (!peer_report(c, &there)) {
        printf("The other node cannot be asked.\n");
        return;
    }
    verdict_of(&there, &v);
    printf("The other node (%s) says: %s.\n", fields_text(&there, "?", "node.name"),
           strcmp(v.serving, "here") == 0 ? "it serves" : "it does not serve");
    fields_free(&there);
}

int cli_status(struct cli *c) {
    struct cli_answer a;
    struct buf out = BUF_INIT;
    int status = cli_ask(c, "status", ANSWER_MS, &a);
    if (status == CLI_NO_HAD && !c->json && !c->lines) without_had(c);
    if (status == CLI_NO_HAD && c->json)
        printf("{\"verdict\": {\"serving\": \"unknown\", \"safe\": false, \"why\": \"had does not "
               "run on this node\"}}\n");
    if (status != CLI_OK) return status;
    maintenance_fields(c, &a.fields);
    if (!c->lines) verdict_fields(&a.fields);
    if (c->lines)
        fields_lines(&a.fields, &out);
    else if (c->json)
        fields_json(&a.fields, &out);
    else
        cli_status_screen(&a.fields, &out);
    print_buf(&out);
    cli_answer_free(&a);
    return CLI_OK;
}

/* ---- what check looks at beside the reports ---- */

static void check_peer(const struct cli *c, const struct fields *here, struct reasons *r) {
    struct fields there = {0};
    struct reasons theirs = {0};
    int64_t before = clock_wall_ms();
    if (!peer_report(c, &there)) {
        reasons_add(r, "peer-unreachable", false, 0,
                    "the other node's report cannot be had: its alarms are not among these");
        fields_free(&there);
        return;
    }
    int64_t after = clock_wall_ms(), its = fields_number(&there, 0, "node.wall_ms");
    int64_t off = its < before ? its - before : its > after ? its - after : 0;
    if (its && (off > CLOCK_LIMIT_MS || off < -CLOCK_LIMIT_MS))
        reasons_add(r, "clock-differs", false, 0, "the other node's clock is %lld ms %s this one's",
                    (long long)(off < 0 ? -off : off), off < 0 ? "behind" : "ahead of");
    reasons_of_report(&theirs, &there);
    for (int i = 0; i < theirs.count; i++) {
        bool known = false;
        for (int k = 0; k < r->count; k++) known |= strcmp(r->list[k].id, theirs.list[i].id) == 0;
        if (!known)
            reasons_add(r, theirs.list[i].id, theirs.list[i].blocks, theirs.list[i].since_ms,
                        "the other node says: %.200s", theirs.list[i].text);
    }
    (void)here;
    fields_free(&there);
}

static void check_backups(const struct cli *c, struct reasons *r) {
    static struct backup_conf conf;
    char path[SETS_PATH];
    struct conf_error err;
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!backup_conf_read(&conf, path, &err)) return;
    for (unsigned n = 0; n < BACKUP_INSTANCES; n++) {
        struct stored_set *list;
        int64_t newest = 0, now = clock_wall_us();
        if (!conf.there[n] || conf.schedule[n].kind == SCHEDULE_OFF) continue;
        size_t count = sets_list(c->root, (int)n, &list);
        for (size_t i = 0; i < count; i++)
            if (list[i].readable && list[i].set.begin_us > newest) newest = list[i].set.begin_us;
        free(list);
        bool daily = conf.schedule[n].kind == SCHEDULE_DAILY;
        int64_t period = daily ? 24 * HOUR_US : conf.schedule[n].minutes * 60 * 1000000LL;
        if (newest && now - newest > 2 * period)
            reasons_add(r, "backup-old", false, 0, "instance %u's newest backup set is %lld h old",
                        n, (long long)((now - newest) / HOUR_US));
    }
}

static void check_machine(const struct cli *c, struct reasons *r) {
    int64_t age_ms = compare_age_ms(c), every_ms = compare_every_ms(c);
    if (!*c->root && access("/dev/watchdog", F_OK) != 0)
        reasons_add(r, "watchdog-absent", false, 0, "this machine has no hardware watchdog");
    if (every_ms && age_ms > 2 * every_ms)
        reasons_add(r, "not-compared", false, 0, "the two nodes' data were compared %lld h ago",
                    (long long)(age_ms / 3600000));
}

/* ---- check ---- */

static void say_json(const struct reasons *r, struct buf *out) {
    struct fields f = {0};
    fields_add_true(&f, r->blocking == 0, "can_fail_over");
    fields_add_number(&f, r->count, "count");
    for (int i = 0; i < r->count; i++) {
        const struct reason *one = &r->list[i];
        fields_add_text(&f, one->id, "reasons.%d.id", i);
        fields_add_true(&f, one->blocks, "reasons.%d.blocks", i);
        fields_add_number(&f, one->since_ms, "reasons.%d.since_ms", i);
        fields_add_text(&f, one->text, "reasons.%d.text", i);
        fields_add_text(&f, reason_advice(one->id), "reasons.%d.todo", i);
    }
    fields_json(&f, out);
    fields_free(&f);
}

static void say(const struct reasons *r, struct buf *out) {
    if (!r->blocking)
        buf_add_str(out,
                    "good: if the master died now, the other node would take over by itself\n");
    else
        buf_add_str(out, "NO: the pair could not fail over now:\n");
    for (int blocks = 1; blocks >= 0; blocks--)
        for (int i = 0; i < r->count; i++) {
            const struct reason *one = &r->list[i];
            const char *todo = reason_advice(one->id);
            if (one->blocks != blocks) continue;
            buf_printf(out, "%s%s: %s\n", blocks ? "" : "worth knowing: ", one->id, one->text);
            if (*todo) buf_printf(out, "    do: %s\n", todo);
        }
}

int check_reasons(const struct cli *c, struct reasons *r) {
    struct cli_answer a;
    memset(r, 0, sizeof *r);
    int status = cli_ask(c, "status", ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    reasons_of_report(r, &a.fields);
    check_peer(c, &a.fields, r);
    check_backups(c, r);
    check_machine(c, r);
    cli_answer_free(&a);
    return CLI_OK;
}

int cli_check(struct cli *c) {
    struct reasons r;
    struct buf out = BUF_INIT;
    int status = check_reasons(c, &r);
    if (status != CLI_OK) return status;
    if (c->json)
        say_json(&r, &out);
    else
        say(&r, &out);
    print_buf(&out);
    return r.blocking ? CLI_NO : CLI_OK;
}
