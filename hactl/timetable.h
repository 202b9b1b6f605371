/* When backup sets are made and which ones are no longer kept. Pure: times are arguments. */
#ifndef HACTL_TIMETABLE_H
#define HACTL_TIMETABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMETABLE_ROLLBACK_DAYS 7 /* the state before a rollback is kept at least that long */
#define TIMETABLE_RETRY_MS      (15 * 60 * 1000)

enum schedule_kind { SCHEDULE_OFF, SCHEDULE_DAILY, SCHEDULE_EVERY };

struct schedule {
    enum schedule_kind kind;
    unsigned minutes; /* daily: of the day, UTC; every: between two */
};

struct retention {
    bool by_days;
    unsigned count; /* sets, or days */
};
#define RETENTION_DEFAULT ((struct retention){false, 7})

/* "daily 03:30", "every 6h" (5 minutes to 30 days), "off". */
bool schedule_parse(const char *kind, const char *when, struct schedule *out);
void schedule_text(const struct schedule *s, char out[32]);

struct timetable_now {
    int64_t wall_us;
    uint64_t boot_ms;  /* does not step */
    int64_t last_us;   /* the newest set that the schedule made, wall clock; 0: none */
    uint64_t tried_ms; /* boot clock of the last try, 0: none since this machine's start */
    int64_t since_us;  /* wall clock when this schedule was first seen */
};
/* Is a set to be made now? One for each time of day or period, also when several were missed. After a failure it
 * is tried again every TIMETABLE_RETRY_MS. Where the newest set lies in the future, because the wall clock went back, the
 * clock that does not step decides. */
bool timetable_due(const struct schedule *s, const struct timetable_now *t);
/* When the next one is due, wall clock; 0: never. */
int64_t timetable_next(const struct schedule *s, int64_t wall_us, int64_t last_us);

struct kept_set {
    int64_t begin_us;
    bool good;     /* readable, and not known to be damaged */
    bool named;    /* an operator gave it a name: never deleted by itself */
    bool rollback; /* the state before a rollback */
    bool drop;     /* the answer */
};
/* sets: of one instance, oldest first. Marks what may go: never the newest good one, never one without enough newer good
 * ones. Returns how many. */
size_t timetable_prune(const struct retention *r, int64_t wall_us, struct kept_set *sets,
                       size_t count);

#endif
