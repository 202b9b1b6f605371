/* A moment as an operator writes it. All times are UTC. Pure. */
#ifndef HACTL_MOMENT_H
#define HACTL_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-11-21 18:00:00" (also with a T, a Z behind it, without seconds, with a fraction), "18:00", "18:00:30" (the last
 * such time before now), "10m ago", "1795284900" (seconds since 1970, also with a fraction), "now". False: it is none. */
bool moment_parse(const char *text, int64_t now_us, int64_t *us);

/* "90s", "30m", "2h", "7d" in ms, at most a year; 0: none of these. */
int64_t span_parse_ms(const char *text);

#endif
