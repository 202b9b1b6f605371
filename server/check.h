/* What the files of `duet check` share: check.c (what is what), check_report.c (text and JSON), check_rdb.c (RDB files
 * and backup sets), check_aof.c (Redis's append-only files), check_log.c (logs), check_repair.c. It reads with the server's own code (server/persist), runs alone,
 * and needs no server. */
#ifndef DUET_SERVER_CHECK_H
#define DUET_SERVER_CHECK_H

#include "server/persist/logscan.h"
#include "server/persist/rdbscan.h"
#include "server/persist/setfile.h"

#include <stdbool.h>
#include <stdint.h>

enum { CHECK_SOUND = 0, CHECK_DAMAGED = 1, CHECK_USAGE = 2 };

struct check_options {
    bool json, quick; /* quick: values inside of an RDB file are not taken apart */
    bool repair, dry_run, yes;
    const char *salvage; /* file for the keys before the damage, or NULL */
};

/* ---- check_report.c: one object a thing that was looked at. */
struct report {
    bool json;
    bool any, any_field, damaged;
};
void report_open(struct report *r, bool json);
void report_close(struct report *r);
void report_begin(struct report *r, const char *kind, const char *path, bool sound);
void report_end(struct report *r);
void report_number(struct report *r, const char *name, uint64_t v);
void report_flag(struct report *r, const char *name, bool v);
void report_text(struct report *r, const char *name, const char *v);
/* Microseconds since 1970: people see a date; 0 is left out. */
void report_time(struct report *r, const char *name, uint64_t wall_us);
void report_choice(struct report *r, const char *text); /* text only: what can be done */
/* A percentage on standard error where that is a terminal and no JSON is asked for. */
void check_progress(const char *what, uint64_t done, uint64_t all);
void check_progress_end(void);
void check_quiet(void);
_Noreturn void check_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- check_rdb.c */
/* Reads an RDB file to its end or first damage. out_fd: -1, or takes its bytes. False: it cannot be opened (errno). */
bool check_scan_rdb(struct rdbscan *s, const char *path, int out_fd, bool deep);
void check_report_rdb(struct report *r, const struct rdbscan *s);
void check_rdb(struct report *r, const struct check_options *o, const char *path);
void check_set(struct report *r, const struct check_options *o, const char *path);

/* ---- check_aof.c: append-only files of Redis, which Duet does not write itself but imports. */
/* An append-only file, or an RDB file with commands behind it. */
bool check_is_aof(const char *path);
void check_aof(struct report *r, const struct check_options *o, const char *path);
/* An append directory of Redis 7.0. False: there is no manifest of one. */
bool check_append_dir(struct report *r, const struct check_options *o, const char *dir);

/* ---- check_log.c */
struct check_place {
    unsigned number;
    uint64_t at; /* byte of the increment */
};
struct check_log {
    struct logdir d;
    bool in_use; /* a server runs on it: its end is being written */
    /* sound increments from the base on */
    uint64_t parts, blocks, bytes, commands;
    uint64_t from_us, to_us, from_offset, to_offset, clock_back;
    char replid[41];
    bool clean;
    uint64_t kept_parts, kept_bytes;
    /* what is wrong, most serious first; each at most once */
    bool manifest_bad, base_bad, incr_bad, kept_bad, torn;
    struct check_place bad;  /* of incr_bad or torn: everything before it is sound */
    struct check_place kept; /* of kept_bad */
    char what[300], kept_what[300];
    struct rdbscan base; /* of the manifest's base */
    bool base_missing;
    /* behind the damage: what cutting there loses, as far as it can be told */
    uint64_t lost_bytes, lost_blocks, lost_commands, lost_to_us;
};
void check_scan_log(struct check_log *l, const char *dir, bool deep);
bool check_log_sound(const struct check_log *l);
void check_free_log(struct check_log *l);
void check_log(struct report *r, const struct check_options *o, const char *dir);
void check_increment(struct report *r, const char *path);

/* ---- check_repair.c */
/* What would be done about it, in sentences; done when asked for. Returns whether the log is sound now. */
bool check_repair_log(struct report *r, const struct check_options *o, struct check_log *l);
/* The data directory that a log's directory belongs to is in use; *lock_fd: its lock when it is not (close it), -1. */
bool check_in_use(const char *log_dir, int *lock_fd);

#endif
