/* See copy_room.h. */
#include "server/copy_room.h"

#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESERVE_MIN_MB = 64, RESERVE_PART = 20 };

static bool first_line(const char *path, char *text, int size) {
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool there = fgets(text, size, f) != NULL;
    fclose(f);
    return there;
}

/* Of /proc/meminfo, in bytes. */
static uint64_t meminfo(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) << 10 : 0;
}

static uint64_t reserve_of(uint64_t total) {
    uint64_t least = (uint64_t)RESERVE_MIN_MB << 20, part = total / RESERVE_PART;
    return part > least ? part : least;
}

/* What is free of `limit`, beside a reserve. */
static uint64_t left_of(uint64_t limit, uint64_t free_bytes) {
    uint64_t reserve = reserve_of(limit);
    return free_bytes > reserve ? free_bytes - reserve : 0;
}

static uint64_t machine_left(void) {
    char text[1024];
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return UINT64_MAX;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return left_of(meminfo(text, "MemTotal:"), meminfo(text, "MemAvailable:"));
}

/* Of the control group (version 2) that we are in; UINT64_MAX: no limit. Pages of files could be given back, so this is on the
 * safe side. */
static uint64_t group_left(void) {
    char line[300], path[400];
    if (!first_line("/proc/self/cgroup", line, sizeof line) || strncmp(line, "0::", 3) != 0)
        return UINT64_MAX;
    line[strcspn(line, "\n")] = '\0';
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", line + 3);
    char text[40];
    if (!first_line(path, text, sizeof text) || text[0] == 'm') return UINT64_MAX;
    uint64_t limit = strtoull(text, NULL, 10);
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.current", line + 3);
    if (!first_line(path, text, sizeof text)) return UINT64_MAX;
    uint64_t used = strtoull(text, NULL, 10);
    return left_of(limit, limit > used ? limit - used : 0);
}

bool copy_room_fits(void *arg, uint64_t more, uint64_t taken) {
    int64_t most = server.config.slave_copy_memory;
    (void)arg;
    if (most >= 0) return more + taken <= (uint64_t)most;
    uint64_t machine = machine_left(), group = group_left();
    return more < machine && more < group;
}
