/* hactl's inside: one request to had, and the verbs. */
#ifndef HACTL_CLI_H
#define HACTL_CLI_H

#include <stdbool.h>

#include "hactl/cli_fields.h"

/* Exit statuses; part of the interface (hactl help). */
enum {
    CLI_OK = 0,      /* done; a check found nothing */
    CLI_NO = 1,      /* refused, failed, or a check found something */
    CLI_USAGE = 2,   /* the command was not understood */
    CLI_NO_HAD = 3,  /* had cannot be reached */
    CLI_UNKNOWN = 4, /* no answer in time, or the connection broke: the outcome is not known */
    CLI_NO_PEER = 5  /* the other node cannot be reached */
};

struct cli {
    const char *root;
    bool json;
    int argc; /* words after the verb, options taken out */
    char **argv;
    long timeout_ms; /* 0: not given */
    bool force;
    const char *confirm; /* the typed confirmation, given as an option */
    bool peer;           /* run it on the other node */
    bool from_peer;      /* the other node asked for it, through the channel */
    const char *timeout; /* as written */
    const char *name, *made_by, *device, *to, *from, *port;
    bool yes, usb, local, plan; /* local: this node's alone; plan: say it, do not do it */
    const char *memory, *edition, *password, *durability, *from_dir;
    bool no_backup;
    /* import and export; those that may come several times are taken from raw */
    bool replace, merge, skip_unsupported, dry_run, truncate, wait, background, insecure, rdb;
    bool exporting;              /* the verb is export */
    bool quiet;                  /* no complaint when had cannot be reached */
    bool only_missing, commands; /* tail */
    bool both, follow, lines; /* history, events: of both nodes; go on; as they stand in the file */
    const char *since, *for_span;
    const char *rename_db, *keys, *instance, *db, *cacert, *rdb_version;
    char **raw; /* all words and options but --root and --peer: what crosses */
    int raw_count;
};

#define CLI_RAW_LIMIT 32 /* words that cross (hactl/channel.h) */

struct cli_answer {
    bool ok;
    char *sentence;
    struct fields fields;
};

/* One request: a line of words. CLI_OK and an answer to free, or an exit status after a complaint
 * on standard error. */
int cli_ask(const struct cli *c, const char *request, long timeout_ms, struct cli_answer *out);
/* The same of another daemon's socket, ROOT/run/DAEMON.sock: "had", or "node", which supervises the servers. */
int cli_ask_daemon(const struct cli *c, const char *daemon, const char *request, long timeout_ms,
                   struct cli_answer *out);
void cli_answer_free(struct cli_answer *a);

/* The verbs with files of their own. The words of `hactl VERB --help`. */
int cli_backup(struct cli *c);
int cli_rollback(struct cli *c);
int cli_clone(struct cli *c);
int cli_compare(struct cli *c);
int cli_clock(struct cli *c);
void cli_backup_help(void);
/* One request that is done or refused; its outcome is printed. */
int cli_command(const struct cli *c, const char *request, long timeout_ms);
/* hactl promote --force, hactl resume (cli_risk.c). */
int cli_promote(struct cli *c);
int cli_resume(struct cli *c);
/* The operator types the sentence, or gave it with --confirm. */
bool cli_confirmed(const struct cli *c, const char *sentence);
int cli_not_confirmed(const char *sentence); /* answers CLI_NO */

/* hactl status, hactl check (cli_check.c): had's report with the verdict, and all reasons beyond it. */
int cli_status(struct cli *c);
int cli_check(struct cli *c);
/* hactl history, hactl events (cli_history.c). */
int cli_history(struct cli *c);
int cli_events(struct cli *c);
/* This node's newest event of that kind, from its files. */
struct event;
bool history_last(const struct cli *c, int kind, struct event *out);

/* hactl key ...: the pair's secret (cli_key.h) */
int cli_key(struct cli *c);

/* hactl instance ... */
int cli_instance(struct cli *c);
void cli_instance_help(void);

/* hactl import: of a file (cli_import_file.c), of a running server (cli_import_live.c). */
int cli_import(struct cli *c);
void cli_import_help(void);
int cli_import_file(struct cli *c);
int cli_import_live(struct cli *c);
void cli_import_live_help(void);
/* hactl export (cli_export.c). */
int cli_export(struct cli *c);
void cli_export_help(void);

/* hactl tail (cli_tail.h). */
int cli_tail(struct cli *c);
void cli_tail_help(void);

/* ---- the other node (cli_peer.c) ---- */

/* Where the other node's bytes go; false ends the run. */
typedef bool cli_sink(void *arg, const void *p, size_t n);
struct cli_peer_io {
    int in;              /* standard input of the verb; -1: it has none */
    cli_sink *out, *err; /* NULL: this process's own standard output and error */
    void *arg;
    bool quiet; /* no complaint when the other node cannot be reached */
};
/* Runs `hactl WORDS` on the other node by the channel, over the crossover or else the service network. Its exit
 * status, or CLI_NO_PEER, or CLI_UNKNOWN when the connection broke on the way. */
int cli_peer_run(const struct cli *c, char *const *words, int count, const struct cli_peer_io *io);

/* The screen of `hactl status`; pure: fields to text. */
struct buf;
void cli_status_screen(const struct fields *f, struct buf *out);
#endif
