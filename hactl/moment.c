#include "hactl/moment.h"

#include <string.h>
#include <time.h>

#include "server/base/num.h"

#define SECOND_US 1000000LL
#define DAY_US    (86400 * SECOND_US)

/* count digits at *s, as a number; *s moves behind them. */
static bool digits(const char **s, int count, int *out) {
    *out = 0;
    for (int i = 0; i < count; i++, (*s)++) {
        if (**s < '0' || **s > '9') return false;
        *out = *out * 10 + (**s - '0');
    }
    return true;
}

static bool skip(const char **s, char c) {
    if (**s != c) return false;
    (*s)++;
    return true;
}

/* ".25": up to microseconds; nothing is 0. */
static bool fraction(const char **s, int64_t *us) {
    int64_t unit = SECOND_US;
    *us = 0;
    if (!skip(s, '.')) return true;
    if (**s < '0' || **s > '9') return false;
    for (; **s >= '0' && **s <= '9'; (*s)++) {
        unit /= 10;
        *us += (**s - '0') * unit;
    }
    return true;
}

/* "18:00" or "18:00:30.5", and at most a Z behind it. */
static bool time_of_day(const char *s, int64_t *us) {
    int h, m, sec = 0;
    int64_t part = 0;
    if (!digits(&s, 2, &h) || !skip(&s, ':') || !digits(&s, 2, &m)) return false;
    if (skip(&s, ':') && (!digits(&s, 2, &sec) || !fraction(&s, &part))) return false;
    skip(&s, 'Z');
    *us = ((h * 60LL + m) * 60 + sec) * SECOND_US + part;
    return !*s && h < 24 && m < 60 && sec < 60;
}

static bool date_and_time(const char *s, int64_t *us) {
    struct tm tm = {0}, back;
    int64_t part;
    if (!digits(&s, 4, &tm.tm_year) || !skip(&s, '-') || !digits(&s, 2, &tm.tm_mon) ||
        !skip(&s, '-') || !digits(&s, 2, &tm.tm_mday) || (!skip(&s, ' ') && !skip(&s, 'T')) ||
        !time_of_day(s, &part))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    back = tm;
    time_t t = timegm(&tm);
    *us = t * SECOND_US + part;
    return tm.tm_year == back.tm_year && tm.tm_mon == back.tm_mon &&
           tm.tm_mday == back.tm_mday; /* no 31st of June */
}

static bool ago(const char *text, int64_t now_us, int64_t *us) {
    char span[24];
    int64_t ms;
    const char *space = strchr(text, ' ');
    if (!space || strcmp(space, " ago") != 0 || (size_t)(space - text) >= sizeof span) return false;
    memcpy(span, text, (size_t)(space - text));
    span[space - text] = 0;
    if (!num_parse_duration_ms(span, 0, &ms) || ms == 0 || ms > now_us / 1000) return false;
    *us = now_us - ms * 1000;
    return true;
}

static bool epoch(const char *s, int64_t *us) {
    int seconds_digits = (int)strspn(s, "0123456789");
    int64_t seconds, part;
    if (seconds_digits < 9 || seconds_digits > 11 ||
        !num_parse_i64(s, (size_t)seconds_digits, &seconds))
        return false;
    s += seconds_digits;
    if (!fraction(&s, &part) || *s) return false;
    *us = seconds * SECOND_US + part;
    return true;
}

bool moment_parse(const char *text, int64_t now_us, int64_t *us) {
    if (strcmp(text, "now") == 0) {
        *us = now_us;
        return true;
    }
    if (date_and_time(text, us) || ago(text, now_us, us) || epoch(text, us)) return true;
    if (!time_of_day(text, us)) return false;
    *us += now_us / DAY_US * DAY_US;
    if (*us > now_us) *us -= DAY_US;
    return true;
}

int64_t span_parse_ms(const char *text) {
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    size_t len = strlen(text);
    int64_t n;
    for (size_t i = 0; len > 1 && i < sizeof units / sizeof *units; i++)
        if (text[len - 1] == units[i].unit && num_parse_i64(text, len - 1, &n) && n > 0 &&
            n <= 366 * 86400000LL / units[i].ms)
            return n * units[i].ms;
    return 0;
}
