#include "hactl/timetable.h"

#include <stdio.h>
#include <string.h>

#include "server/base/num.h"

#define MINUTE_US   (60LL * 1000000)
#define DAY_US      (24 * 60 * MINUTE_US)
#define FUTURE_US   (5 * MINUTE_US) /* nodes' clocks may differ by so much */
#define EVERY_MIN   5
#define EVERY_MAX   (30 * 24 * 60)
#define DAY_MINUTES (24 * 60)

static bool time_of_day(const char *s, unsigned *minutes) {
    int64_t h, m;
    char hours[3] = {s[0], s[0] ? s[1] : 0, 0};
    if (strlen(s) != 5 || s[2] != ':') return false;
    const char *hour = hours[0] == '0' ? hours + 1 : hours, *minute = s[3] == '0' ? s + 4 : s + 3;
    if (!num_parse_range(hour, 0, 23, &h) || !num_parse_range(minute, 0, 59, &m)) return false;
    *minutes = (unsigned)(h * 60 + m);
    return true;
}

bool schedule_parse(const char *kind, const char *when, struct schedule *out) {
    int64_t ms;
    *out = (struct schedule){SCHEDULE_OFF, 0};
    if (strcmp(kind, "off") == 0) return !when;
    if (!when) return false;
    if (strcmp(kind, "daily") == 0) {
        out->kind = SCHEDULE_DAILY;
        return time_of_day(when, &out->minutes);
    }
    if (strcmp(kind, "every") != 0 || !num_parse_duration_ms(when, 0, &ms)) return false;
    out->kind = SCHEDULE_EVERY;
    out->minutes = (unsigned)(ms / 60000);
    return ms % 60000 == 0 && ms >= EVERY_MIN * 60000LL && ms <= EVERY_MAX * 60000LL;
}

void schedule_text(const struct schedule *s, char out[32]) {
    if (s->kind == SCHEDULE_OFF)
        snprintf(out, 32, "off");
    else if (s->kind == SCHEDULE_DAILY)
        snprintf(out, 32, "daily %02u:%02u", s->minutes / 60, s->minutes % 60);
    else if (s->minutes % 60 == 0)
        snprintf(out, 32, "every %uh", s->minutes / 60);
    else
        snprintf(out, 32, "every %um", s->minutes);
}

/* The last such time of day at or before now. */
static int64_t last_slot(const struct schedule *s, int64_t wall_us) {
    int64_t slot = wall_us / DAY_US * DAY_US + s->minutes * MINUTE_US;
    return slot <= wall_us ? slot : slot - DAY_US;
}

static int64_t period_us(const struct schedule *s) {
    return s->kind == SCHEDULE_DAILY ? DAY_US : s->minutes * MINUTE_US;
}

bool timetable_due(const struct schedule *s, const struct timetable_now *t) {
    if (s->kind == SCHEDULE_OFF) return false;
    if (t->tried_ms && t->boot_ms - t->tried_ms < TIMETABLE_RETRY_MS &&
        period_us(s) > TIMETABLE_RETRY_MS * 1000LL)
        return false;
    if (t->tried_ms && t->boot_ms - t->tried_ms < 60000) return false;
    if (t->last_us > t->wall_us + FUTURE_US)
        return !t->tried_ms || (int64_t)(t->boot_ms - t->tried_ms) * 1000 >= period_us(s);
    if (s->kind == SCHEDULE_EVERY) return !t->last_us || t->wall_us - t->last_us >= period_us(s);
    /* A schedule that is new waits for its first time of day. */
    int64_t slot = last_slot(s, t->wall_us), done = t->last_us ? t->last_us : t->since_us;
    return done < slot;
}

int64_t timetable_next(const struct schedule *s, int64_t wall_us, int64_t last_us) {
    if (s->kind == SCHEDULE_OFF) return 0;
    if (s->kind == SCHEDULE_DAILY) return last_slot(s, wall_us) + DAY_US;
    return last_us && last_us + period_us(s) > wall_us ? last_us + period_us(s) : wall_us;
}

/* Of those that are not held back for another reason, how many good ones are newer. */
static bool may_go(const struct retention *r, int64_t age_us, size_t newer_good) {
    if (newer_good == 0) return false;
    return r->by_days ? age_us > (int64_t)r->count * DAY_US : newer_good >= r->count;
}

size_t timetable_prune(const struct retention *r, int64_t wall_us, struct kept_set *sets,
                       size_t count) {
    size_t newer_good = 0, dropped = 0;
    for (size_t i = count; i-- > 0;) {
        struct kept_set *k = &sets[i];
        int64_t age = wall_us - k->begin_us;
        bool held = k->named || (k->rollback && age < TIMETABLE_ROLLBACK_DAYS * DAY_US);
        k->drop = !held && may_go(r, age, newer_good);
        dropped += k->drop;
        newer_good += k->good && !held;
    }
    return dropped;
}
