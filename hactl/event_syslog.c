#include "hactl/event_syslog.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/base/buf.h"

/* RFC 5424 6.2.1, by their numbers. */
static const char *const facilities[] = {
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock",
    "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};

int event_facility_named(const char *name) {
    for (size_t i = 0; i < sizeof facilities / sizeof *facilities; i++)
        if (strcmp(name, facilities[i]) == 0) return (int)i;
    return -1;
}

/* A header's word: printable ASCII without spaces, at most limit; "-" for none. */
static void add_word(struct buf *out, const char *word, size_t limit) {
    size_t n = 0;
    for (; *word && n < limit; word++, n++)
        buf_add(out, *word > ' ' && *word < 127 ? word : "_", 1);
    buf_add_str(out, n ? " " : "- ");
}

void event_syslog(const struct event *e, int facility, const char *name, int pid, struct buf *out) {
    static const int severities[] = {6, 5, 4, 3}; /* informational, notice, warning, error */
    time_t s = (time_t)(e->wall_ms / 1000);
    char when[32], by[3] = {e->epoch_by ? '/' : 0, e->epoch_by, 0};
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));
    buf_printf(out, "<%d>1 %s.%03dZ ", facility * 8 + severities[event_severity_of(e->kind)], when,
               (int)(e->wall_ms % 1000));
    add_word(out, name, 255);
    buf_printf(out, "had %d ", pid);
    add_word(out, event_kind_name(e->kind), 32);
    buf_printf(out, "- %s (event %llu, node %c, epoch %llu%s)", e->text,
               (unsigned long long)e->number, e->node, (unsigned long long)e->epoch, by);
}
