/* hactl backup schedule and retention: what duet.conf says of them on both nodes, and what the steward does by it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/backup_conf.h"
#include "hactl/cli_backup.h"
#include "hactl/cli_instance.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

bool backup_conf_here(const struct cli *c, struct backup_conf *out) {
    struct conf_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (backup_conf_read(out, path, &err)) return true;
    fprintf(stderr, "hactl: %s\n", err.text);
    return false;
}

/* ---- showing ---- */

static int64_t newest(const struct known_sets *sets, unsigned instance, bool by_schedule) {
    int64_t us = 0;
    for (size_t i = 0; i < sets->count; i++) {
        const struct backup_set *s = &sets->list[i].s.set;
        if (!sets->list[i].s.readable || s->instance != instance) continue;
        if ((!by_schedule || strcmp(s->made_by, "schedule") == 0) && s->begin_us > us)
            us = s->begin_us;
    }
    return us;
}

static void row(const struct cli *c, struct fields *f, int i, unsigned n,
                const struct backup_conf *b, const struct known_sets *sets) {
    char text[32];
    int64_t now = clock_wall_us(), any = newest(sets, n, false),
            next = timetable_next(&b->schedule[n], now, newest(sets, n, true));
    fields_add_number(f, n, "instances.%d.number", i);
    schedule_text(&b->schedule[n], text);
    fields_add_text(f, text, "instances.%d.schedule", i);
    snprintf(text, sizeof text, "%s %u", b->retention[n].by_days ? "days" : "sets",
             b->retention[n].count);
    fields_add_text(f, text, "instances.%d.retention", i);
    fields_add_text(f, any ? wall_text(any) : "", "instances.%d.newest", i);
    fields_add_text(f, next ? wall_text(next) : "", "instances.%d.next", i);
    int64_t failed = backup_tick_failed_us(c, n);
    fields_add_text(f, failed ? wall_text(failed) : "", "instances.%d.failed", i);
}

static int show(const struct cli *c) {
    static struct backup_conf conf;
    struct known_sets sets;
    struct fields f = {0};
    struct buf out = BUF_INIT;
    int rows = 0;
    if (!backup_conf_here(c, &conf) || !known_sets_get(c, -1, false, &sets)) return CLI_NO;
    for (unsigned n = 0; n < BACKUP_INSTANCES; n++)
        if (conf.there[n]) row(c, &f, rows++, n, &conf, &sets);
    if (c->json) fields_json(&f, &out);
    if (!c->json)
        buf_printf(&out, "%-9s %-13s %-10s %-20s %s\n", "INSTANCE", "SCHEDULE", "KEPT",
                   "NEWEST SET (UTC)", "NEXT (UTC)");
    for (int i = 0; i < rows && !c->json; i++)
        buf_printf(&out, "%-9s %-13s %-10s %-20s %s\n",
                   fields_text(&f, "", "instances.%d.number", i),
                   fields_text(&f, "", "instances.%d.schedule", i),
                   fields_text(&f, "", "instances.%d.retention", i),
                   fields_text(&f, "", "instances.%d.newest", i),
                   fields_text(&f, "", "instances.%d.next", i));
    for (int i = 0; i < rows && !c->json; i++)
        if (*fields_text(&f, "", "instances.%d.failed", i))
            buf_printf(&out,
                       "The set of instance %s that was due could NOT be made at %s; why stands in "
                       "the steward's log (log steward).\n",
                       fields_text(&f, "", "instances.%d.number", i),
                       fields_text(&f, "", "instances.%d.failed", i));
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    fields_free(&f);
    known_sets_free(&sets);
    return CLI_OK;
}

/* ---- changing ---- */

/* On both nodes or on none, by the way that changes of instances take. */
static int change(struct cli *c, const char *directive, const char *value) {
    struct instance_change ch;
    struct buf text = BUF_INIT;
    unsigned node;
    int at;
    c->argv--, c->argc++; /* the instance is the verb's first word there */
    int status = instance_begin_with(c, &ch, &node, &at);
    c->argv++, c->argc--;
    if (status != CLI_OK) return status;
    char number[16];
    snprintf(number, sizeof number, "%s",
             fields_text(&ch.pair.node[node], "", "instances.%d.number", at));
    const char *words[] = {"set", number, directive};
    buf_add_str(&text, value);
    status = instance_make(&ch, false, &text, 3, words);
    if (status == CLI_OK)
        instance_say_done(c, "instance %s: %s %s, on both nodes\n", number,
                          directive + strlen("backup-"), value);
    buf_free(&text);
    instance_pair_free(&ch.pair);
    return status;
}

int cli_backup_schedule(struct cli *c) {
    struct schedule s;
    char text[32];
    if (c->argc == 0) return show(c);
    if (c->argc < 2 || !schedule_parse(c->argv[1], c->argc > 2 ? c->argv[2] : NULL, &s)) {
        fprintf(stderr, "hactl: a schedule is 'daily HH:MM' (UTC), 'every 6h' (5m to 30d) or "
                        "'off': hactl backup schedule 0 daily 03:30\n");
        return CLI_USAGE;
    }
    schedule_text(&s, text);
    return change(c, BACKUP_SCHEDULE_WORD, text);
}

int cli_backup_retention(struct cli *c) {
    struct retention r;
    char text[32];
    if (c->argc == 0) return show(c);
    if (c->argc != 3 || !retention_parse(c->argv[1], c->argv[2], &r)) {
        fprintf(stderr, "hactl: a retention is 'sets COUNT' or 'days COUNT': hactl backup "
                        "retention 0 sets 7\n");
        return CLI_USAGE;
    }
    snprintf(text, sizeof text, "%s %u", r.by_days ? "days" : "sets", r.count);
    return change(c, BACKUP_RETENTION_WORD, text);
}
