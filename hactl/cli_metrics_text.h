/* The state of a node in Prometheus's text form (version 0.0.4). Pure: reports in, text out.
 * A metric is a row of a table: its name, its type, its help, and the field it comes from; for a new one, a row. */
#ifndef HACTL_CLI_METRICS_TEXT_H
#define HACTL_CLI_METRICS_TEXT_H

#include "hactl/cli_fields.h"

#define METRICS_INSTANCES 16

struct buf;

struct metrics_input {
    struct fields had; /* had's status; empty: it does not run */
    const char *version;
    struct {
        int number;
        struct fields duet;   /* DUET STATUS; empty: its server does not answer */
        struct fields info;   /* INFO, a field each */
        int64_t backup_age_s; /* of the newest good set; -1: none */
    } instance[METRICS_INSTANCES];
    int instances;
    int64_t uptime_s;
    uint64_t data_bytes, data_free_bytes; /* of the data partition; 0: not known */
    bool watchdog;
};

void metrics_text(const struct metrics_input *in, struct buf *out);

#endif
