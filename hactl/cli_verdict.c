#include "hactl/cli_verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* ---- what to do ---- */

/* id, whether it blocks a failover, what to do. The order is that of importance. */
static const struct {
    const char *id;
    bool blocks;
    const char *todo;
} table[] = {
    {"had-down", true,
     "see the end of the log `had`, then start the node (init restarts had by itself)"},
    {"nobody-serves", true, ""},
    {"waiting", true,
     "bring the other node back; if it is lost for good: hactl promote --force on the better one"},
    {"suspended", true, "mend the cables; if the other node is surely off: hactl resume"},
    {"server", true, "see the end of the log `server-0`; a server that ended is started again"},
    {"fsync", true, "the disk fails: hactl switchover if this node serves, then replace the disk"},
    {"record", true, "the disk fails: check the state partition's disk, replace it"},
    {"solo", true, "bring the other node back: power, cables, then its status"},
    {"maintenance", true, "hactl maintenance off, when the work is done"},
    {"benched", true, "see `hactl history` for what crashed, mend it, then hactl unbench"},
    {"hold-down", true, "find what makes the roles change (hactl history), then hactl unbench"},
    {"takeover-off", true, ""},
    {"path-down", false, "check the cable, its ports and the switch of the path that is named"},
    {"link-stalls", false, "check MTU and error counters along the path that is named"},
    {"gateway-lost", true, "check the service cable, the switch and the gateway"},
    {"vip-foreign", true, "find the machine with that link address and take the VIP off it"},
    {"configuration-differs", true, "compare duet.conf of both nodes; hactl instance list"},
    {"port", false, "check the cable and the switch port that is named"},
    {"witness-lost", false, "check the witness's machine and the network to it"},
    {"fence-lost", false, "check the other node's management controller, its address and password"},
    {"data-differs", true, "hactl compare --force on the master: the slave copies anew"},
    {"tail", false, "hactl tail list, then replay or discard what was put aside"},
    {"identity", false, "check which cable is in which port, and that no other pair has this id"},
    {"disk-low", false, "make room on the data partition: old backups, hactl backup list"},
    {"backup-failed", false, "see the log `steward`; hactl backup now shows why"},
    {"backup-old", false, "hactl backup now; hactl backup schedule"},
    {"clock-differs", false, "set the clocks: NTP servers, or the console"},
    {"clock-step", false, "set the clock back, or say that it is right: hactl clock follow"},
    {"watchdog-absent", false, "a hang of the whole machine is not reset by hardware"},
    {"not-compared", false, "hactl compare; `[ha] compare-every 7d` does it by itself"},
    {"peer-unreachable", false, "the other node's steward does not answer: see its log `steward`"},
};
#define ROWS ((int)(sizeof table / sizeof *table))

static int row_of(const char *id) {
    for (int i = 0; i < ROWS; i++)
        if (is(table[i].id, id)) return i;
    return -1;
}

const char *reason_advice(const char *id) {
    int i = row_of(id);
    return i < 0 ? "" : table[i].todo;
}

/* ---- reasons ---- */

void reasons_add(struct reasons *r, const char *id, bool blocks, int64_t since_ms, const char *fmt,
                 ...) {
    va_list ap;
    if (r->count == REASON_LIMIT) return;
    struct reason *one = &r->list[r->count++];
    snprintf(one->id, sizeof one->id, "%s", id);
    one->blocks = blocks;
    one->since_ms = since_ms;
    r->blocking += blocks;
    va_start(ap, fmt);
    vsnprintf(one->text, sizeof one->text, fmt, ap);
    va_end(ap);
}

static void add_alarms(struct reasons *r, const struct fields *f) {
    const char *name;
    for (int i = 0; *(name = fields_text(f, "", "alarms.%d.name", i)); i++) {
        int row = row_of(name);
        bool twice = is(name, "takeover-off") && !fields_true(f, "takeover.on");
        if (twice) continue; /* said with its reason already */
        reasons_add(r, name, row < 0 || table[row].blocks,
                    fields_number(f, 0, "alarms.%d.since_ms", i), "%s",
                    fields_text(f, "?", "alarms.%d.text", i));
    }
}

/* By the order of the table; few, so plainly. */
static void put_in_order(struct reasons *r) {
    for (int i = 1; i < r->count; i++)
        for (int k = i; k > 0; k--) {
            int mine = row_of(r->list[k].id), before = row_of(r->list[k - 1].id);
            if ((mine < 0 ? ROWS : mine) >= (before < 0 ? ROWS : before)) break;
            struct reason t = r->list[k];
            r->list[k] = r->list[k - 1];
            r->list[k - 1] = t;
        }
}

void reasons_of_report(struct reasons *r, const struct fields *f) {
    if (!*fields_text(f, "", "node.state")) {
        reasons_add(r, "had-down", true, 0, "had does not run on this node");
        return;
    }
    if (!*fields_text(f, "", "vip.holder"))
        reasons_add(r, "nobody-serves", true, 0, "no node serves as master");
    if (!fields_true(f, "takeover.on"))
        reasons_add(r, "takeover-off", true, 0, "%s", fields_text(f, "?", "takeover.why"));
    add_alarms(r, f);
    put_in_order(r);
}

/* ---- the verdict ---- */

static const char *who_serves(const struct fields *f) {
    const char *holder = fields_text(f, "", "vip.holder");
    if (!*fields_text(f, "", "node.state")) return "unknown";
    if (fields_true(f, "node.serving")) return "here";
    if (!*holder) return "nobody";
    return is(holder, fields_text(f, "", "node.letter")) ? "here" : "there";
}

void verdict_of(const struct fields *f, struct verdict *out) {
    struct reasons r = {0};
    memset(out, 0, sizeof *out);
    reasons_of_report(&r, f);
    snprintf(out->serving, sizeof out->serving, "%s", who_serves(f));
    out->safe = r.blocking == 0;
    const struct reason *first = NULL;
    for (int i = 0; i < r.count && !first; i++)
        if (r.list[i].blocks || out->safe) first = &r.list[i];
    if (!first) {
        snprintf(out->todo, sizeof out->todo, "nothing");
        return;
    }
    const char *waits = fields_text(f, "", "node.waiting_for");
    bool nobody = is(first->id, "nobody-serves");
    snprintf(out->why, sizeof out->why, "%.120s%s%.110s", first->text,
             nobody && *waits ? "; it waits for " : "", nobody ? waits : "");
    /* A reason that says only that something is off is led back to what turned it off. */
    const char *todo = reason_advice(first->id);
    for (int i = 0; i < r.count && !*todo; i++) todo = reason_advice(r.list[i].id);
    snprintf(out->todo, sizeof out->todo, "%s",
             *todo ? todo : "wait: this mends itself when the other node is back and in sync");
}

void verdict_fields(struct fields *f) {
    struct verdict v;
    struct reasons r = {0};
    verdict_of(f, &v);
    reasons_of_report(&r, f);
    fields_add_text(f, v.serving, "verdict.serving");
    fields_add_true(f, v.safe, "verdict.safe");
    fields_add_text(f, v.why, "verdict.why");
    fields_add_text(f, v.todo, "verdict.todo");
    for (int i = 0; i < r.count; i++) {
        fields_add_text(f, r.list[i].id, "verdict.reasons.%d.id", i);
        fields_add_true(f, r.list[i].blocks, "verdict.reasons.%d.blocks", i);
        fields_add_text(f, r.list[i].text, "verdict.reasons.%d.text", i);
        fields_add_text(f, reason_advice(r.list[i].id), "verdict.reasons.%d.todo", i);
    }
}
