/* What an instance's section of duet.conf says of its backups, the same on both nodes:
 *
 *     [instance 0]
 *     backup-schedule  daily 03:30     each day at that time (UTC); or: every 6h; off, the default
 *     backup-retention sets 7          or: days 14; sets 7 is the default
 *
 * hactl backup schedule and retention write it. All other lines of the section are for others. */
#ifndef HACTL_BACKUP_CONF_H
#define HACTL_BACKUP_CONF_H

#include "hactl/timetable.h"
#include "server/base/conf.h"

#define BACKUP_INSTANCES      64
#define BACKUP_SCHEDULE_WORD  "backup-schedule"
#define BACKUP_RETENTION_WORD "backup-retention"

struct backup_conf {
    bool there[BACKUP_INSTANCES]; /* the section is there */
    struct schedule schedule[BACKUP_INSTANCES];
    struct retention retention[BACKUP_INSTANCES];
};

/* "sets 7", "days 14". */
bool retention_parse(const char *unit, const char *count, struct retention *out);

/* One line of an instance's section: *ours is set when it is one of these two. False after a complaint. */
bool backup_conf_line(struct backup_conf *out, const struct conf *c, const struct conf_line *l,
                      bool *ours, struct conf_error *err);
bool backup_conf_read(struct backup_conf *out, const char *path, struct conf_error *err);

#endif
