#include "hactl/backup_conf.h"

#include <stdio.h>
#include <string.h>

#include "server/base/num.h"

#define RETENTION_MAX 10000

bool retention_parse(const char *unit, const char *count, struct retention *out) {
    int64_t n;
    out->by_days = strcmp(unit, "days") == 0;
    if ((!out->by_days && strcmp(unit, "sets") != 0) ||
        !num_parse_range(count, 1, RETENTION_MAX, &n))
        return false;
    out->count = (unsigned)n;
    return true;
}

/* The words behind the directive, or both in one that is quoted, as edits of the file write them. */
struct two_words {
    char text[64];
    const char *first, *second; /* NULL: not there */
};

static bool take_words(const struct conf_line *l, struct two_words *w) {
    if (l->argc < 2 || l->argc > 3 || strlen(l->argv[1]) >= sizeof w->text) return false;
    snprintf(w->text, sizeof w->text, "%s", l->argv[1]);
    w->first = w->text;
    w->second = l->argc > 2 ? l->argv[2] : NULL;
    char *space = strchr(w->text, ' ');
    if (!space) return true;
    if (w->second) return false;
    *space = 0;
    w->second = space + 1;
    return true;
}

bool backup_conf_line(struct backup_conf *out, const struct conf *c, const struct conf_line *l,
                      bool *ours, struct conf_error *err) {
    struct two_words w;
    int64_t n;
    if (!num_parse_range(l->section_arg, 0, BACKUP_INSTANCES - 1, &n))
        return conf_complain(c, l, err, "an instance is numbered 0 to 63: [instance 0]");
    out->there[n] = true;
    bool schedule = l->argc && strcmp(l->argv[0], BACKUP_SCHEDULE_WORD) == 0;
    bool retention = l->argc && strcmp(l->argv[0], BACKUP_RETENTION_WORD) == 0;
    *ours = schedule || retention;
    if (schedule && (!take_words(l, &w) || !schedule_parse(w.first, w.second, &out->schedule[n])))
        return conf_complain(c, l, err,
                             "a schedule is 'daily HH:MM' (UTC), 'every 6h' (5m to 30d) or 'off'");
    if (retention && (!take_words(l, &w) || !w.second ||
                      !retention_parse(w.first, w.second, &out->retention[n])))
        return conf_complain(c, l, err, "a retention is 'sets COUNT' or 'days COUNT', 1 to %d",
                             RETENTION_MAX);
    return true;
}

bool backup_conf_read(struct backup_conf *out, const char *path, struct conf_error *err) {
    struct conf c;
    bool good = true, ours;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < BACKUP_INSTANCES; i++) out->retention[i] = RETENTION_DEFAULT;
    if (!conf_read(&c, path, true, err)) return false;
    for (size_t i = 0; good && i < c.count; i++)
        if (strcmp(c.lines[i].section, "instance") == 0)
            good = backup_conf_line(out, &c, &c.lines[i], &ours, err);
    bool any = false;
    for (int i = 0; i < BACKUP_INSTANCES; i++) any |= out->there[i];
    if (!any) out->there[0] = true; /* a file without any has instance 0 */
    conf_free(&c);
    return good;
}
