/* LATENCY: histograms of commands' times (latency-tracking), and the history of what took longer than
 * latency-monitor-threshold; and the counts of errors by their code. */
#ifndef DUET_SERVER_LATENCY_H
#define DUET_SERVER_LATENCY_H

#include "server/histogram.h"
#include "server/server.h"

/* One run of a command that took so long. Nearly free: a class is counted. */
void latency_make(struct command_stats *stats); /* the histogram, at first use */
static inline void latency_count(struct command_stats *stats, uint64_t ns) {
    if (!server.latency_tracking) return;
    if (__builtin_expect(!stats->histogram, 0)) latency_make(stats);
    histogram_add(stats->histogram, ns);
}

/* A command's run, for the history of events: counted when it took long enough. */
void latency_command(const struct command *cmd, uint64_t ns);
/* Anything else: "expire-cycle", "eviction-cycle", "active-defrag-cycle", ... event is a constant. */
void latency_event(const char *event, uint64_t ns);
/* Of CONFIG RESETSTAT. */
void latency_reset_histograms(void);
/* INFO latencystats. */
void latency_info(struct buf *out);
void register_latency_commands(void);

/* ---- Errors by code (error_codes.c). */

/* An error was replied (or would have been, inside a script): its text begins with its code. */
void error_codes_note(const char *text, size_t len);
void error_codes_reset(void);
/* INFO errorstats. */
void error_codes_info(struct buf *out);

#endif
