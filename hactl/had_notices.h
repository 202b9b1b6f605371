/* Alarms that had does not find itself: the steward's `hactl watch tick` looks at disks, backups, clocks and the last
 * comparison, which may take long or hang, and tells had, which shows them with its own. A notice that is not renewed for
 * NOTICE_MS ends: who looked is gone. */
#ifndef HACTL_HAD_NOTICES_H
#define HACTL_HAD_NOTICES_H

#include <stdbool.h>
#include <stdint.h>

#define NOTICES   16
#define NOTICE_MS (15 * 60 * 1000)

struct had;

struct had_notice {
    char id[32]; /* "" free */
    char text[256];
    int64_t since_ms;    /* wall clock */
    uint64_t renewed_ms; /* CLOCK_BOOTTIME */
};

struct had_notices {
    struct had_notice list[NOTICES];
};

/* False: there are too many, or the id is none. */
bool had_notice(struct had *h, const char *id, bool on, const char *text);
/* Ends those that nobody renews; every tick. */
void had_notices_look(struct had *h);

#endif
