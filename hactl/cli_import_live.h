/* The inside of `hactl import redis://...` and `hactl export`: what its files share.
 *
 *     cli_import_live.c     the verbs: import, cutover, status, abort, resume
 *     cli_import_show.c     how far it is, for people and as JSON
 *     cli_import_job.c      what is known of it on this node, below ROOT/data/import/instance-N
 *     cli_import_pair.c     the other node of a pair: it has the job, too, and goes on with it when it is master
 *     cli_import_worker.c   the process that does it: attach, receive, check, copy, follow, cut over
 *     cli_import_target.c   what it asks and tells its target
 *     cli_import_follow.c   the source's stream into the target
 *     cli_export.c          the same from an instance to another server
 *
 * The worker is a process of its own (`hactl import run N`), in a session of its own: it goes on when the operator's ends.
 * DIR is ROOT/data/import/instance-N, or export-N. What it needs to begin again stands in DIR/job (mode 0600: the source's password is in it, as hexadecimal digits), how
 * far it is in DIR/progress, what it is to do in DIR/order; DIR/lock is held while it runs. Where the copy stands in the
 * source's stream lives with the data (DUET IMPORT), not here. */
#ifndef HACTL_CLI_IMPORT_LIVE_H
#define HACTL_CLI_IMPORT_LIVE_H

#include "hactl/cli_import.h"
#include "hactl/import/copy.h"
#include "hactl/import/source.h"

enum { JOB_WORDS = 64, JOB_PATH = 600 };
/* The key of a target that is no Duet, in which an export's place lives as long as it runs. */
#define EXPORT_KEY               "duet:export"
#define IMPORT_PASSWORD_VARIABLE "DUET_IMPORT_PASSWORD"

struct job {
    char dir[JOB_PATH];
    unsigned instance;
    bool export;
    char token[48], info[300];
    struct url source; /* of an export: the own instance's port */
    bool insecure;
    char cacert[300];
    char to[300], to_user[128], to_password[512]; /* of an export: HOST:PORT */
    char *words[JOB_WORDS]; /* the options that say what is taken and how, as they were typed */
    int word_count;
    bool replace, merge, skip_unsupported, force;
    bool begun;  /* the target was touched */
    bool wanted; /* false once it has ended: by cutover, abort, or an error that stays */
};

/* DIR of the instance; made when `make`. False after a complaint. */
bool job_dir(const struct cli *c, unsigned instance, bool export, bool make, char out[JOB_PATH]);
/* False: there is none (or it makes no sense). job_free in any case. */
bool job_read(struct job *j, const char *dir);
bool job_write(const struct job *j);
void job_free(struct job *j);
/* The descriptor of DIR/lock; -1: a worker holds it. */
int job_lock(const char *dir);
bool job_runs(const char *dir);

/* Orders: a word, and words for it. */
bool job_order(const char *dir, const char *order);
bool job_take_order(const char *dir, char *out,
                    size_t size); /* reads; it stays until job_no_order */
void job_no_order(const char *dir);
/* DIR/progress as fields: phase, text, pid, ...; see worker. */
bool job_progress(const char *dir, struct fields *f);
bool job_tell(const char *dir, const struct fields *f);

/* Starts the worker of an instance; false after a complaint. */
bool job_start(const struct cli *c, const struct job *j);

/* ---- the worker ---- */

enum phase {
    PHASE_CONNECT, /* and asks */
    PHASE_RECEIVE,
    PHASE_CHECK,
    PHASE_COPY,
    PHASE_FOLLOW,
    PHASE_WAIT,  /* something is not there; tries again */
    PHASE_DONE,  /* cut over */
    PHASE_ENDED, /* aborted */
    PHASE_FAILED,
    PHASES
};
extern const char *const phase_names[PHASES];

struct worker {
    struct cli cli;
    struct job job;
    struct source source;
    struct import_target target;
    struct filter filter;
    struct copy copy;
    struct inventory inventory;
    enum phase phase;
    char text[500]; /* what is to be said about it */
    int old_version; /* of an export's target that is older than Redis 7: 6 or 7 is its RDB version */
    uint64_t done_bytes, all_bytes, begun_ms, told_ms, asked_ms;
    uint64_t copies, resumed; /* whole copies made; continued by PSYNC */
    bool anew;                /* the last copy was not the first */
    bool shared;              /* the other node has the job, too */
    uint64_t shared_ms;       /* when that was tried */
    char order[64];
    /* following */
    uint64_t applied, source_end, lag_ms, marked, marked_ms, skipped;
    struct {
        uint64_t at_ms, offset;
    } seen[64]; /* the source's end, as it was told; a ring */
    unsigned seen_next;
};

int import_run(struct cli *c); /* `hactl import run N`: the worker's process */
/* Tells progress (now and then, or at once), takes orders. False: it is to stop (an abort). */
bool worker_turn(struct worker *w, bool at_once);
/* Says why it cannot go on; answers `end`. */
enum source_end worker_say(struct worker *w, enum source_end end, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Applies the stream from w->source.offset on, until something ends it. SOURCE_OK: cut over or aborted (phase). */
enum source_end worker_follow(struct worker *w, int db);
/* The mark of a place, inside of a transaction. */
bool worker_mark(struct worker *w, uint64_t offset, int db);
/* The whole of it: MULTI, mark, EXEC, all answered. */
bool worker_mark_now(struct worker *w, uint64_t offset, int db);
/* ---- its target (cli_import_target.c); after false or an end the worker's text tells why ---- */

enum source_end worker_open_target(struct worker *w);
/* Where the data is, by its own word. False: it does not answer. */
bool worker_place(struct worker *w, struct import_state *s);
bool worker_begin(struct worker *w); /* clients write no more */
bool worker_empty(struct worker *w); /* what is there goes */
/* The import is over: DUET IMPORT END, or the export's key goes. */
bool worker_end_target(struct worker *w, bool abort);
/* One request; false when it is answered with an error. */
bool worker_order(struct worker *w, int argc, const char *const *argv);
/* What the target refused: transient or not. SOURCE_OK: nothing. */
enum source_end worker_refusals(struct worker *w);
enum source_end worker_target_lost(struct worker *w); /* the connection is: why */
/* By order (cutover --force): the source is gone for good, and what is here is to be enough. */
bool worker_cut_alone(struct worker *w);

/* ---- the verbs ---- */

int import_verb(struct cli *c); /* status, cutover, abort, resume, run, tick */
bool import_is_verb(const char *word);
/* The instance that --instance names, or the only one, and its DIR. False after a complaint. */
bool import_which(const struct cli *c, unsigned *instance, char dir[JOB_PATH]);
/* The password that the address, the variable or the terminal gives. False after a complaint. */
bool import_password(const struct cli *c, struct url *u);
/* What the options say; other: the server on the other side, for people. */
bool import_job_begin(const struct cli *c, struct job *j, const struct url *other);
/* Starts the worker and shows how far it comes; an exit status. */
int import_job_run(const struct cli *c, const struct job *j);
/* ---- a pair (cli_import_pair.c) ---- */

/* `hactl import tick`: the steward's. What is wanted, does not run, and is this node's to do is started. */
int cli_import_tick(struct cli *c);
/* `hactl import adopt N`: the other node's job, on standard input. */
int import_adopt(struct cli *c);
/* Gives the other node the job, when there is one and it has not got it. */
void worker_share(struct worker *w);
/* This node's instance is the slave's: the other node goes on. */
bool worker_is_slave(const struct worker *w);

/* Shows a worker's progress until `until` is reached or it ends; an exit status. */
int import_watch(const struct cli *c, const char *dir, enum phase until, int timeout_ms);
int import_status(const struct cli *c, const char *dir, unsigned instance);
#endif
