/* The inside of hactl drill: what its files share. */
#ifndef HACTL_CLI_DRILL_H
#define HACTL_CLI_DRILL_H

#include <stdbool.h>
#include <stdint.h>

struct cli;

int cli_drill(struct cli *c);
/* The words behind `hactl drill strike` (inside): WHAT MS, on this node. */
int drill_strike(const struct cli *c, const char *what, int64_t ms);

/* A client at the VIP that writes one small key every 5 ms, in a thread of its own (cli_drill_probe.c). */
struct probe;
struct probe *probe_start(const struct cli *c);
/* Milliseconds without an acknowledged write at the longest; -1: none was acknowledged, why says why not. */
struct probed {
    int64_t gap_ms;
    uint64_t acked, failed;
    char why[160];
};
/* Until so many more writes are acknowledged, or limit_ms is over. */
bool probe_wait(struct probe *p, unsigned writes, int limit_ms);
void probe_end(struct probe *p, struct probed *out);

#endif
