/* From which base a wanted state is reached: a set alone, a set and the log behind it, or the log's own base and what is
 * behind that. The log is the one that was in use at the wanted moment: what an earlier rollback took back stands in
 * data/instance-N/tails/rollback-TIME/log. Runs on the master, whose logs they are. */
#ifndef HACTL_ROLLBACK_PLAN_H
#define HACTL_ROLLBACK_PLAN_H

#include "hactl/cli_backup.h"

struct rollback_plan {
    unsigned instance;
    bool with_set;
    struct backup_set set; /* the base, when with_set */
    bool set_here;         /* it stands on this node too */
    int64_t until_us;      /* 0: the set alone */
    char log
        [SETS_PATH]; /* the log behind the base; "": the one in use, else one that a rollback put aside */
    int64_t state_us; /* the moment whose data it will be */
    bool loss_known;  /* what is written since is in the log */
    uint64_t lost_bytes, lost_commands;
    int64_t last_write_us; /* 0: not known */
};

/* to: a set's name or a moment (moment.h). False after a complaint that names what there is: the sets, or the times that
 * the log covers. */
bool rollback_plan_make(const struct cli *c, unsigned instance, const char *to,
                        struct rollback_plan *out);
/* What will be, and what will be lost, for people. */
void rollback_plan_say(const struct rollback_plan *p);

#endif
