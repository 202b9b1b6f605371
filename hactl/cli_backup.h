/* The backup verbs' inside: what their files share. */
#ifndef HACTL_CLI_BACKUP_H
#define HACTL_CLI_BACKUP_H

#include "hactl/cli.h"
#include "hactl/sets.h"

struct buf;

/* ---- progress (cli_progress.c): a bar on a terminal, a plain line now and then elsewhere; on standard error ---- */

struct progress {
    const char *what; /* "making 0-2026..." */
    const char *unit; /* "keys", "" for bytes */
    bool relay; /* the other node asked: lines for progress_relay on standard output instead */
    bool silent;
    uint64_t begun_ms, said_ms;
    bool drawn;
};
void progress_begin(struct progress *p, const struct cli *c, const char *what, const char *unit);
/* bytes: written so far, 0: not known. */
void progress_show(struct progress *p, uint64_t done, uint64_t total, uint64_t bytes);
void progress_end(struct progress *p);
/* set_progress: arg is a struct progress. */
void progress_bytes(void *arg, uint64_t done, uint64_t total);
/* A line that another hactl wrote with relay; false: it is none. */
bool progress_relay(struct progress *p, const char *line);

/* ---- both nodes' sets (cli_sets.c) ---- */

/* A set and where it is. */
struct known_set {
    struct stored_set s; /* of the node that holds it in the better state */
    bool on[2];          /* a, b */
    enum set_verdict verdict[2];
    int64_t verified_us[2];
    char why[2][120]; /* damaged: why */
};
struct known_sets {
    struct known_set *list; /* by instance and time */
    size_t count;
    bool peer_reached;
    unsigned here; /* 0 a, 1 b */
};
/* This node's sets and, unless local, the other one's. False with a complaint when not even this node can be known. */
bool known_sets_get(const struct cli *c, int instance, bool local, struct known_sets *out);
void known_sets_free(struct known_sets *k);
const struct known_set *known_set_named(const struct known_sets *k, const char *id);
/* The internal verb `backup rows [N]`: this node's sets as lines of fields. */
int cli_backup_rows(struct cli *c);

/* ---- the verbs ---- */

int cli_backup_now(struct cli *c);
int cli_backup_make(struct cli *c); /* inside: N NAME|- MADE-BY, on this node */
int cli_backup_list(struct cli *c);
int cli_backup_show(struct cli *c);
int cli_backup_verify(struct cli *c);
int cli_backup_delete(struct cli *c);
int cli_backup_export(struct cli *c);
int cli_backup_import(struct cli *c);
int cli_backup_fetch(struct cli *c); /* inside: ID, from the other node */
int cli_backup_schedule(struct cli *c);
int cli_backup_retention(struct cli *c);
int cli_backup_tick(struct cli *c); /* inside: the steward's */
/* When a try of this node's steward to make the set that was due failed, wall clock; 0: the last one did not. */
int64_t backup_tick_failed_us(const struct cli *c, unsigned instance);
struct backup_conf;
bool backup_conf_here(const struct cli *c, struct backup_conf *out);

/* Makes a set of an instance where it is best made and copies it to the other node. id: what it is called. */
int backup_make_set(const struct cli *c, unsigned instance, const char *name, const char *made_by,
                    char id[48]);
/* Copies a set from the other node to this one. */
int backup_fetch(const struct cli *c, const char *id);
/* The number of the instance that a word names; the only one there is when word is NULL. False after a complaint. */
bool backup_instance(const struct cli *c, const char *word, unsigned *instance);
/* ROOT as an absolute path. */
bool backup_root(const struct cli *c, char out[SETS_PATH]);

/* "2026-11-21 18:15:00" (UTC), "3 min", "45.2 MB"; in rings of four. */
const char *wall_text(int64_t wall_us);
const char *span_text(int64_t us);
const char *size_text(uint64_t bytes);

#endif
