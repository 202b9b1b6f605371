/* The state of one server process, shared by the wiring on floor 4 and by nobody else. The executor
 * (the thread that runs the loop) owns all of it; other threads touch only what says so. */
#ifndef DUET_SERVER_SERVER_H
#define DUET_SERVER_SERVER_H

#include "server/base/bytes.h"
#include "server/cmd/call.h"
#include "server/cmd/table.h"
#include "server/config.h"
#include "server/persist/persist.h"
#include "server/repl/repl.h"
#include "server/store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct client;
struct loop;
struct lease_page;

/* Counters that INFO shows and CONFIG RESETSTAT clears. */
struct server_stats {
    uint64_t connections, rejected_connections, commands, net_in, net_out;
    uint64_t reads, writes, expired_keys, evicted_keys, hits, misses, errors;
    uint64_t unexpected_errors;
    uint64_t output_limit_disconnects;
    uint64_t threaded_reads, threaded_writes; /* by I/O threads; part of reads and writes */
    uint64_t ops_now;                         /* per second, sampled by cron */
    uint64_t in_now, out_now, repl_in_now, repl_out_now;
    uint64_t repl_in_before, repl_out_before, buried_before; /* at CONFIG RESETSTAT */
    uint64_t expire_ns, expire_capped; /* time of expiry in time; how often it had to stop */
    uint64_t evicted_clients;
    uint64_t over_limit_ns; /* how long memory was over its limit, before now */
    /* The longest time that the executor was away from its clients: in one command, and in the work between
     * two turns. */
    uint64_t longest_command_ns, longest_between_ns;
    const struct command *longest_command;
    uint64_t longest_turn_cpu_ns; /* processor time of a turn, while watch_turns is on */
};

struct histogram;
struct command_stats {
    uint64_t calls, ns, rejected, failed;
    struct histogram *histogram; /* NULL: no times were counted (latency.h) */
};

struct server {
    struct loop *loop;
    struct config config;
    struct store *store;
    struct persist *persist;
    struct repl *repl; /* NULL until loading has ended */
    unsigned edition;  /* one EDITION_ bit */
    bool loading;      /* the log is being read at start */
    bool rolling_back; /* the data is being replaced by an older one (control_rollback.c) */
    bool stopping;
    char run_id[41];
    uint64_t boot_id; /* random per start, in the lease page too */
    uint64_t started_boot_ns;
    int64_t started_wall_s;
    struct server_stats stats;
    struct command_stats *command_stats; /* by command id */
    bool watch_turns;                    /* DEBUG WATCH-TURNS: a system call more each turn */

    /* What is looked at for each command; server_refresh keeps them. */
    bool latency_tracking;
    uint64_t slow_ns; /* what takes that long goes into the slow log or the history of latency */
    enum repl_role role;
    bool link_up; /* as slave: the master's stream is flowing */
    const char
        *write_failure; /* why writes are refused (disk full, EIO, fsync), NULL: they are not */
    bool plain_sailing; /* no role, loading or stale data to complain about */
    bool holds;         /* a pair's master whose replies wait for the slave */
    bool plain_writes;  /* nor memory limit, failure, slave, min-replicas or import */
    bool importing; /* the data is another server's until hactl says otherwise (control_import.c) */
    bool spies;     /* somebody monitors, or tracks keys */

    /* Clients: a doubly linked list through struct client. */
    struct client *clients;
    size_t client_count; /* service clients and control connections */
    uint64_t next_client_id;

    /* CLIENT PAUSE and DUET PAUSE, which know nothing of each other: until when (boot ns; 0: not
     * paused). had's is of writes; a client's may be of everything. */
    uint64_t pause_until_ns, had_pause_until_ns;
    bool pause_all;
    bool shutdown_waits; /* writes wait while slaves catch up (shutdown.h) */
    bool failing_over;   /* or while the mastership is handed over (failover.h) */
};
extern struct server server;

static inline bool server_paused(void) {
    return server.pause_until_ns || server.had_pause_until_ns || server.shutdown_waits ||
           server.failing_over;
}

/* True when the log or the master's stream is being applied, or a first copy is on its way. */
bool server_loading(void);
/* Reads role, link and failures anew: after anything that may have changed them. */
void server_refresh(void);
/* The same for spies alone. */
void server_refresh_spies(void);
/* Whom this server follows, for INFO and CONFIG; "" and 0: nobody. host is copied. */
void server_name_master(const char *host, int64_t port);
/* All data is about to be dropped, or was replaced: watchers, trackers and blocked clients hear of it. */
void server_replaced(void *arg);
/* The directives that the store must know, after they changed. */
void server_settle_store(void);
/* Orderly end: log fsynced, slaves fed. save: an RDB file first. False with a reason when it may
 * not end; otherwise the loop stops. */
bool server_shutdown(bool save, bool force, char *err, size_t err_size);

/* cmd_server.c: BGSAVE and BGREWRITEAOF of a transaction begin behind it, before the loop sleeps. */
void server_begin_wanted_saves(void);
/* FLUSHALL ran: at the turn's end what it means for dump.rdb is seen to. */
void server_flushed_all(void);
bool server_rewrite_wanted(void);

/* cron.c: periodic work, and the rest of the loop's turn. */
void cron_start(void);
void cron_set_hz(int64_t hz);

/* registered at start: the functions of floor 4's commands */
void register_connection_commands(void);
void register_client_commands(void);
void register_client_list_commands(void);
void register_command_commands(void);
void register_server_commands(void);
void register_repl_commands(void);
void register_transaction_commands(void);
void register_acl_commands(void);
void register_pubsub_commands(void);
void register_absent_commands(void);

/* A directive's present value as a word; good until the next call. */
const char *config_word(const char *name);

/* info.c: one section ("server"), "default", "all" or "everything"; appends text. */
void info_text(struct buf *out, int count, const struct bytes *sections);

#endif
