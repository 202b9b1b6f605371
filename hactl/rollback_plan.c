#include "hactl/rollback_plan.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hactl/cli_control.h"
#include "hactl/moment.h"
#include "server/base/clock.h"

#define SOON_US 1000000 /* a moment so little ahead is a clock's affair */

static uint64_t number(const struct control_answer *a, const char *name) {
    return strtoull(fields_text(&a->fields, "0", "%s", name), NULL, 10);
}

/* ---- what is lost ---- */

/* Everything in the log behind the moment. */
static void find_loss(const char *root, struct rollback_plan *p) {
    char at[24];
    const char *const words[] = {"LOG", "AT", at};
    struct control_answer a;
    snprintf(at, sizeof at, "%lld", (long long)p->state_us);
    p->loss_known = control_ask(root, p->instance, &a, 3, words) == CONTROL_OK;
    p->lost_bytes = number(&a, "lost_bytes");
    p->lost_commands = number(&a, "lost_commands");
    p->last_write_us = (int64_t)number(&a, "to_us");
    control_answer_free(&a);
}

void rollback_plan_say(const struct rollback_plan *p) {
    int64_t now = clock_wall_us();
    printf("Instance %u will be as it was at %s UTC, %s ago.\n", p->instance,
           wall_text(p->state_us), span_text(now - p->state_us));
    if (p->with_set && p->until_us)
        printf("Base: the set %s, and the log behind it.\n", p->set.id);
    else if (p->with_set)
        printf("Base: the set %s%s%s%s.\n", p->set.id, *p->set.name ? " (" : "", p->set.name,
               *p->set.name ? ")" : "");
    else
        printf("Base: the log's own.\n");
    if (*p->log) printf("The log is the one that an earlier rollback put aside: %s.\n", p->log);
    if (!p->loss_known)
        printf("LOST to clients: every write of the last %s, more than the log can count.\n",
               span_text(now - p->state_us));
    else if (p->lost_bytes == 0)
        printf("Nothing was written since: no write is lost.\n");
    else
        printf("LOST to clients: the writes of the last %s: %llu commands, %s; the last one was "
               "made %s ago.\n",
               span_text(now - p->state_us), (unsigned long long)p->lost_commands,
               size_text(p->lost_bytes), span_text(now - p->last_write_us));
    printf("The present state is kept as a set of its own first; a rollback to that one takes it "
           "all back.\n");
}

/* ---- the base ---- */

static bool usable(const struct known_set *k, unsigned instance) {
    bool good = false;
    for (int n = 0; n < 2; n++) good |= k->on[n] && k->verdict[n] != SET_DAMAGED;
    return k->s.readable && good && k->s.set.instance == instance;
}

static void take_set(struct rollback_plan *p, const struct known_sets *sets,
                     const struct known_set *k) {
    p->with_set = true;
    p->set = k->s.set;
    p->set_here = k->on[sets->here] && k->verdict[sets->here] != SET_DAMAGED;
}

static void list_sets(const struct known_sets *sets, unsigned instance) {
    int n = 0;
    for (size_t i = 0; i < sets->count; i++)
        if (usable(&sets->list[i], instance))
            fprintf(stderr, "%s%s", n++ ? ", " : "", sets->list[i].s.set.id);
    fprintf(stderr, n ? "\n" : "none\n");
}

static bool to_set(const struct known_sets *sets, const char *id, struct rollback_plan *p) {
    const struct known_set *k = known_set_named(sets, id);
    if (!k || !usable(k, p->instance)) {
        fprintf(stderr, "hactl: %s '%s'%s; there are: ", k ? "not to the set" : "there is no set",
                id,
                !k                                 ? ""
                : k->s.set.instance != p->instance ? ", which is another instance's"
                                                   : ", which is damaged wherever it is");
        list_sets(sets, p->instance);
        return false;
    }
    take_set(p, sets, k);
    p->state_us = p->set.begin_us;
    return true;
}

/* ---- the log ---- */

/* When the rollback that made this folder was, in whole seconds; 0: it is none. */
static int64_t put_aside_s(const char *name) {
    struct tm tm = {0};
    if (sscanf(name, "rollback-%4d%2d%2dT%2d%2d%2dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return timegm(&tm);
}

/* The log that was in use at the moment: of those that were put aside later the oldest one, else the present one. */
static void find_log(const char *root, struct rollback_plan *p) {
    char tails[SETS_PATH], best[64] = "";
    struct dirent *e;
    snprintf(tails, sizeof tails, "%.400s/data/instance-%u/tails", root, p->instance);
    DIR *d = opendir(tails);
    while (d && (e = readdir(d))) {
        int64_t s = strlen(e->d_name) < sizeof best ? put_aside_s(e->d_name) : 0;
        if (!s || p->until_us >= (s + 1) * 1000000) continue;
        if (!*best || strcmp(e->d_name, best) < 0) snprintf(best, sizeof best, "%s", e->d_name);
    }
    if (d) closedir(d);
    p->log[0] = 0;
    if (*best) snprintf(p->log, sizeof p->log, "%.440s/%s/log", tails, best);
}

/* The newest set before the moment from which the log goes on. strict: of the line that the log ends with, and not made in
 * the moment's own second, in which two nodes' clocks may disagree. */
static const struct known_set *base_before(const struct known_sets *sets,
                                           const struct rollback_plan *p,
                                           const struct control_answer *cover, bool strict) {
    const struct known_set *best = NULL;
    for (size_t i = 0; i < sets->count; i++) {
        const struct known_set *k = &sets->list[i];
        const struct backup_set *s = &k->s.set;
        bool same_line = strcmp(s->replid, fields_text(&cover->fields, "", "replid")) == 0;
        if (!usable(k, p->instance) || s->begin_us > p->until_us - (strict ? SOON_US : 0)) continue;
        if (strict && !same_line) continue;
        if (s->offset < number(cover, "from_offset") || s->offset > number(cover, "to_offset"))
            continue;
        if (!best || s->begin_us > best->s.set.begin_us) best = k;
    }
    return best;
}

/* The first moment that can be reached: the log's own base, or an older set from which the log goes on. */
static int64_t first_moment(const struct known_sets *sets, struct rollback_plan *p,
                            const struct control_answer *cover) {
    int64_t first = (int64_t)number(cover, "base_us"), until = p->until_us;
    for (size_t i = 0; i < sets->count; i++) {
        p->until_us = sets->list[i].s.set.begin_us;
        const struct known_set *k = base_before(sets, p, cover, false);
        if (k && (!first || k->s.set.begin_us < first)) first = k->s.set.begin_us;
    }
    p->until_us = until;
    return first;
}

static bool out_of_range(const struct known_sets *sets, const char *to, struct rollback_plan *p,
                         const struct control_answer *cover) {
    int64_t first = first_moment(sets, p, cover), last = (int64_t)number(cover, "to_us");
    fprintf(stderr, "hactl: %s (%s UTC) is not in the log that is kept; ", to,
            wall_text(p->until_us));
    if (first)
        fprintf(stderr, "any second from %s to now can be reached (the last write is of %s)",
                wall_text(first), last ? wall_text(last) : "before");
    else
        fprintf(stderr, "nothing was written to it yet");
    fprintf(stderr, "; and the sets: ");
    list_sets(sets, p->instance);
    return false;
}

static bool to_moment(const char *root, const struct known_sets *sets, const char *to,
                      struct rollback_plan *p) {
    const char *const words[] = {"LOG", "COVER", p->log};
    struct control_answer cover;
    p->state_us = p->until_us;
    find_log(root, p);
    if (control_ask(root, p->instance, &cover, *p->log ? 3 : 2, words) != CONTROL_OK) {
        fprintf(stderr, "hactl: %s\n", cover.text);
        control_answer_free(&cover);
        return false;
    }
    int64_t own = (int64_t)number(&cover, "base_us");
    bool own_reaches = own && own <= p->until_us;
    const struct known_set *k = base_before(sets, p, &cover, true);
    if (!k && !own_reaches)
        k = base_before(sets, p, &cover, false); /* the server judges whether it fits */
    bool good = k || own_reaches || out_of_range(sets, to, p, &cover);
    if (k && (!own_reaches || k->s.set.begin_us > own)) take_set(p, sets, k);
    control_answer_free(&cover);
    return good;
}

bool rollback_plan_make(const struct cli *c, unsigned instance, const char *to,
                        struct rollback_plan *out) {
    struct known_sets sets;
    char root[SETS_PATH];
    int64_t now = clock_wall_us();
    bool good = false;
    memset(out, 0, sizeof *out);
    out->instance = instance;
    if (!backup_root(c, root) || !known_sets_get(c, -1, false, &sets)) return false;
    if (backup_id_valid(to, NULL)) {
        good = to_set(&sets, to, out);
    } else if (!moment_parse(to, now, &out->until_us)) {
        fprintf(stderr,
                "hactl: '%s' is neither a set nor a time; a time is '2026-11-21 18:00:00', '18:00' "
                "or '18:00:30' (UTC), "
                "'10m ago', or seconds since 1970; there are the sets: ",
                to);
        list_sets(&sets, instance);
    } else if (out->until_us > now + SOON_US) {
        fprintf(stderr, "hactl: %s (%s UTC) has not come yet; it is %s UTC\n", to,
                wall_text(out->until_us), wall_text(now));
    } else {
        if (out->until_us > now) out->until_us = now;
        good = to_moment(root, &sets, to, out);
    }
    known_sets_free(&sets);
    if (good) find_loss(root, out);
    return good;
}
