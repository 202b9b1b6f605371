/* hactl backup tick: what the steward has done every half minute. On the master, sets that are due are made; on both
 * nodes, sets that retention no longer keeps are deleted, and one that only the other node has is fetched. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "hactl/backup_conf.h"
#include "hactl/cli_backup.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"

#define ANSWER_MS     5000
#define SWEEP_S       86400  /* what is half made and a day old is nobody's */
#define LOOK_THERE_MS 600000 /* between two looks for sets that only the other node has */

/* What is remembered between two ticks, in ROOT/run: it means nothing after the machine's next start. */
struct memory {
    uint64_t looked_ms;
    uint64_t tried_ms[BACKUP_INSTANCES];
    int64_t since_us[BACKUP_INSTANCES];
    int64_t failed_us[BACKUP_INSTANCES]; /* when the last try failed; 0: it did not */
    char schedule[BACKUP_INSTANCES][32]; /* as it was then */
};

static void memory_path(const struct cli *c, char out[SETS_PATH]) {
    snprintf(out, SETS_PATH, "%s/run/backup-tick", c->root);
}

static void read_memory(const struct cli *c, struct memory *m) {
    char path[SETS_PATH];
    struct buf text = BUF_INIT;
    memory_path(c, path);
    memset(m, 0, sizeof *m);
    if (file_read_all(path, &text, sizeof *m) && buf_len(&text) == sizeof *m)
        memcpy(m, buf_head(&text), sizeof *m);
    if (m->looked_ms > clock_boot_ms()) memset(m, 0, sizeof *m); /* of an earlier life */
    buf_free(&text);
}

int64_t backup_tick_failed_us(const struct cli *c, unsigned instance) {
    static struct memory m;
    read_memory(c, &m);
    return m.failed_us[instance];
}

static void keep_memory(const struct cli *c, const struct memory *m) {
    char path[SETS_PATH];
    memory_path(c, path);
    if (!file_replace(path, m, sizeof *m, 0600)) log_warning("%s: %s", path, strerror(errno));
}

/* ---- making ---- */

static int64_t newest_scheduled(const struct known_sets *sets, unsigned instance) {
    int64_t us = 0;
    for (size_t i = 0; i < sets->count; i++) {
        const struct backup_set *s = &sets->list[i].s.set;
        if (sets->list[i].s.readable && s->instance == instance &&
            strcmp(s->made_by, "schedule") == 0 && s->begin_us > us)
            us = s->begin_us;
    }
    return us;
}

static bool due(const struct known_sets *sets, const struct schedule *s, const struct memory *m,
                unsigned n) {
    struct timetable_now t = {clock_wall_us(), clock_boot_ms(), newest_scheduled(sets, n),
                              m->tried_ms[n], m->since_us[n]};
    return timetable_due(s, &t);
}

/* A schedule that was not there, or another one, a moment ago begins now. */
static void note_schedule(struct memory *m, unsigned n, const struct schedule *s) {
    char text[32];
    schedule_text(s, text);
    if (strcmp(text, m->schedule[n]) == 0) return;
    snprintf(m->schedule[n], sizeof m->schedule[n], "%s", text);
    m->since_us[n] = clock_wall_us();
    m->tried_ms[n] = 0;
}

static void make(const struct cli *c, struct memory *m, unsigned n) {
    char id[48];
    m->tried_ms[n] = clock_boot_ms();
    keep_memory(c, m);
    bool made = backup_make_set(c, n, "-", "schedule", id) == CLI_OK;
    m->failed_us[n] = made ? 0 : clock_wall_us();
    if (made)
        log_info("the set %s was made, as the schedule of instance %u says", id, n);
    else
        log_error(
            "the set of instance %u that is due by its schedule was not made; it is tried again",
            n);
}

static void make_due(const struct cli *c, const struct backup_conf *conf, struct memory *m) {
    struct known_sets here, both;
    if (!known_sets_get(c, -1, true, &here)) return;
    for (unsigned n = 0; n < BACKUP_INSTANCES; n++) {
        if (!conf->there[n]) continue;
        note_schedule(m, n, &conf->schedule[n]);
        if (!due(&here, &conf->schedule[n], m, n)) continue;
        /* Only now is the other node asked: it may have made one that did not cross yet. */
        if (!known_sets_get(c, (int)n, false, &both)) continue;
        if (due(&both, &conf->schedule[n], m, n)) make(c, m, n);
        known_sets_free(&both);
    }
    known_sets_free(&here);
}

/* ---- what may go ---- */

static void prune(const struct cli *c, unsigned n, const struct retention *r) {
    struct stored_set *list;
    size_t count = sets_list(c->root, (int)n, &list);
    struct kept_set *kept = xcalloc(count + 1, sizeof *kept);
    for (size_t i = 0; i < count; i++)
        kept[i] = (struct kept_set){.begin_us = list[i].readable ? list[i].set.begin_us : INT64_MAX,
                                    .good = list[i].readable && list[i].verdict != SET_DAMAGED,
                                    .named = *list[i].set.name != 0,
                                    .rollback = strcmp(list[i].set.made_by, "rollback") == 0};
    timetable_prune(r, clock_wall_us(), kept, count);
    for (size_t i = 0; i < count; i++) {
        if (!kept[i].drop) continue;
        if (sets_delete(c->root, list[i].set.id))
            log_info("the set %s was deleted: %s %u are kept", list[i].set.id,
                     r->by_days ? "days" : "sets", r->count);
        else
            log_error("the set %s cannot be deleted: %s", list[i].set.id, strerror(errno));
    }
    free(kept);
    free(list);
}

/* ---- what the other node alone has ---- */

/* Its newest good set of each instance, when that is newer than ours. */
static void fetch_newer(const struct cli *c) {
    struct known_sets sets;
    if (!known_sets_get(c, -1, false, &sets)) return;
    for (size_t i = 0; i < sets.count; i++) {
        const struct known_set *k = &sets.list[i];
        bool last = i + 1 == sets.count || sets.list[i + 1].s.set.instance != k->s.set.instance;
        if (!last || k->on[sets.here] || !k->s.readable || k->verdict[!sets.here] == SET_DAMAGED)
            continue;
        if (backup_fetch(c, k->s.set.id) == CLI_OK)
            log_info("the set %s was copied from the other node", k->s.set.id);
    }
    known_sets_free(&sets);
}

/* ---- the tick ---- */

static bool is_master(const struct cli *c) {
    struct cli_answer a;
    if (cli_ask(c, "status", ANSWER_MS, &a) != CLI_OK) return false;
    bool master = fields_true(&a.fields, "node.serving") &&
                  strcmp(fields_text(&a.fields, "", "node.state"), "master") == 0;
    cli_answer_free(&a);
    return master;
}

int cli_backup_tick(struct cli *c) {
    static struct backup_conf conf;
    static struct memory m;
    c->json = true; /* no progress: what counts goes to the steward's log */
    log_set_name("steward");
    if (!backup_conf_here(c, &conf)) return CLI_NO;
    read_memory(c, &m);
    if (is_master(c)) make_due(c, &conf, &m);
    if (!m.looked_ms || clock_boot_ms() - m.looked_ms > LOOK_THERE_MS) {
        fetch_newer(c);
        sets_sweep(c->root, SWEEP_S);
        m.looked_ms = clock_boot_ms();
    }
    keep_memory(c, &m);
    for (unsigned n = 0; n < BACKUP_INSTANCES; n++)
        if (conf.there[n]) prune(c, n, &conf.retention[n]);
    return CLI_OK;
}
