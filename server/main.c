/* duet server: one instance. Reads its configuration, loads the log between turns of the loop while
 * it already answers what may be answered, then serves until it is told to end. */
#include "server/scripts.h"
#include "server/server.h"

#include "build/version.h"
#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/conf.h"
#include "server/base/file.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/blocked.h"
#include "server/client.h"
#include "server/cmd_debug.h"
#include "server/copy_room.h"
#include "server/dispatch.h"
#include "server/ends.h"
#include "server/io.h"
#include "server/latency.h"
#include "server/memory.h"
#include "server/migrate.h"
#include "server/monitor.h"
#include "server/notify.h"
#include "server/edition.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/peer_clients.h"
#include "server/process.h"
#include "server/push.h"
#include "server/reclaim.h"
#include "server/shutdown.h"
#include "server/slave_expiry.h"
#include "server/slowlog.h"
#include "server/store/list.h"
#include "server/tlsconf.h"
#include "server/tracking.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int server_main(int argc, char **argv);

struct server server;

enum {
    LOAD_STEP_US = 2000,
    SPARE_DESCRIPTORS = 64,
    A_THREADS_DESCRIPTORS = 4,
    EXIT_DAMAGED = 3,
    HZ_MIN = 1,
    HZ_MAX = 500,
    BACKLOG_MIN_BYTES = 16384
};

static int exit_status;
static int64_t executor_arena; /* of the allocator */

/* Before the first turn of the loop: what was begun is undone. */
static _Noreturn void give_up(const char *text) {
    persist_close(server.persist);
    fprintf(stderr, "duet server: %s\n", text);
    exit(1);
}

/* --- state that dispatch looks at --- */

bool server_loading(void) {
    if (server.loading || server.rolling_back) return true;
    if (!server.repl || server.role != REPL_SLAVE) return false;
    struct repl_status s;
    repl_status(server.repl, &s);
    return s.loading || s.half;
}

static void refresh_failure(void) {
    static char failure[160];
    struct persist_status s;
    server.write_failure = NULL;
    if (!server.persist) return;
    persist_status(server.persist, &s);
    if (!s.failed && !s.stuck) return;
    snprintf(failure, sizeof failure, "%s", s.failure);
    server.write_failure = failure;
}

void server_settle_store(void) {
    const struct config *c = &server.config;
    struct store_settings *set = store_settings(server.store);
    uint64_t string_limit = command_edition()->string_limit_bytes;
    set->string_max_bytes = c->bulk_limit_bytes;
    if (string_limit && string_limit < set->string_max_bytes) set->string_max_bytes = string_limit;
    set->lfu = config_policy_is_lfu(c->maxmemory_policy);
    set->lfu_log_factor = (unsigned)c->lfu_log_factor;
    set->lfu_decay_min = (unsigned)c->lfu_decay_min;
    list_limits(c->list_chunk, &set->list_chunk_bytes, &set->list_chunk_count);
    set->list_open_ends = (size_t)c->list_compress;
    set->set_max_packed = (size_t)c->set_packed_entries;
    set->hash_max_packed = (size_t)c->hash_packed_entries;
    set->hash_max_packed_bytes = (size_t)c->hash_packed_bytes;
    set->zset_max_packed = (size_t)c->zset_packed_entries;
    set->zset_max_packed_bytes = (size_t)c->zset_packed_bytes;
    set->stream_node_bytes = (size_t)c->stream_node_bytes;
    set->stream_node_entries = (size_t)c->stream_node_entries;
    set->hll_sparse_max_bytes = (uint64_t)c->hll_sparse_bytes;
}

void server_refresh(void) {
    const struct config *c = &server.config;
    enum repl_role first = pair_on() ? REPL_NONE : REPL_MASTER;
    enum repl_role before = server.role;
    server.role = server.repl ? repl_role(server.repl) : first;
    if (before == REPL_MASTER && server.role != REPL_MASTER) {
        blocked_end_all();
        push_end_all();
    }
    if (before != server.role && server.config.oom_mode != OOM_NO) process_set_oom_score();
    server.link_up = true;
    if (server.role == REPL_SLAVE) {
        struct repl_status s;
        repl_status(server.repl, &s);
        server.link_up = s.link == REPL_LINK_CONNECTED;
    }
    refresh_failure();
    server.importing = server.store && *store_note(server.store);
    server.latency_tracking = c->latency_tracking;
    server.slow_ns = UINT64_MAX;
    if (c->slowlog_us >= 0) server.slow_ns = (uint64_t)c->slowlog_us * 1000;
    if (c->latency_threshold_ms && (uint64_t)c->latency_threshold_ms < server.slow_ns / NS_PER_MS)
        server.slow_ns = (uint64_t)c->latency_threshold_ms * NS_PER_MS;
    server.plain_sailing = !scripts_nested && !server_loading() && server.role != REPL_NONE &&
                           (server.link_up || c->serve_stale) &&
                           (server.role != REPL_SLAVE || edition_slave_is_read());
    server.holds = server.repl && pair_on() && server.role == REPL_MASTER &&
                   c->durability != DURABILITY_ASYNC && !repl_alone(server.repl);
    server.plain_writes = server.plain_sailing && server.role == REPL_MASTER &&
                          !server.write_failure && !c->maxmemory && !c->min_slaves &&
                          !edition_limits_words() && !server.importing;
}

static void on_changed(void *arg) {
    (void)arg;
    server_refresh();
    peer_clients_look();
}

static uint64_t present_epoch(void *arg) {
    (void)arg;
    return pair_epoch();
}

static void on_released(void *arg) {
    (void)arg; /* the turn's end writes what may go now */
}

static void on_applied(void *arg) {
    (void)arg;
    blocked_serve(); /* who waits here for what the master's clients did */
}

void server_replaced(void *arg) {
    struct call c = {.store = server.store, .ops = &replay_ops, .resp = 2};
    (void)arg;
    slave_expiry_forget();
    if (multi_watching()) multi_flushed(-1);
    if (tracking_in_use) tracking_flushed(&c);
    blocked_note_all(-1);
}

static size_t keys_of(void *arg, int argc, const struct bytes *argv, struct bytes *keys,
                      size_t max) {
    int at[64], most = max < 64 ? (int)max : 64;
    bool bad = false;
    (void)arg;
    const struct command *cmd = command_resolve(argc, argv, 0, &bad);
    if (!cmd || bad) return 0;
    int n = command_keys(cmd, argc, argv, at, most);
    if (n > most) n = most;
    for (int i = 0; i < n; i++) keys[i] = argv[at[i]];
    return n > 0 ? (size_t)n : 0;
}

/* --- options of the drivers --- */

static enum persist_fsync fsync_policy(void) {
    return (enum persist_fsync)server.config.appendfsync;
}

static size_t save_points(struct persist_save_point *out) {
    for (int i = 0; i < server.config.save_count; i++)
        out[i] = (struct persist_save_point){server.config.save[i].seconds,
                                             server.config.save[i].changes};
    return (size_t)server.config.save_count;
}

static uint16_t announced_port(const struct config *c) {
    int64_t own = c->tls_replication && c->tls_port ? c->tls_port : c->port;
    return (uint16_t)(c->announce_port ? c->announce_port : own);
}

static void repl_options_now(struct repl_options *o) {
    const struct config *c = &server.config;
    repl_defaults(o);
    o->dir = ".";
    o->port = announced_port(c);
    o->announce_host = c->announce_ip;
    o->backlog_bytes = c->backlog_bytes;
    o->backlog_ttl_s = c->backlog_ttl_s;
    o->timeout_ms = c->repl_timeout_s * 1000;
    o->ping_period_ms = c->repl_ping_s * 1000;
    o->diskless_delay_ms = c->diskless_delay_s * 1000;
    o->diskless = c->diskless_sync;
    o->diskless_max = (int)c->diskless_max;
    o->delays_small = c->repl_delays_small;
    o->slave_limit_bytes = c->output[CLASS_SLAVE].hard_bytes;
    o->slave_soft_bytes = c->output[CLASS_SLAVE].soft_bytes;
    o->slave_soft_s = c->output[CLASS_SLAVE].soft_s;
    o->master_user = *c->masteruser ? c->masteruser : NULL;
    o->master_auth = *c->masterauth ? c->masterauth : NULL;
    o->node = pair_on() ? (char)(c->pair_node ? c->pair_node : 'a') : 0;
    o->has_pair_key =
        num_from_hex(c->pair_key, strlen(c->pair_key), o->pair_key, sizeof o->pair_key);
    o->has_pair_key_also = num_from_hex(c->pair_key_also, strlen(c->pair_key_also),
                                        o->pair_key_also, sizeof o->pair_key_also);
    o->durability = (enum repl_durability)c->durability;
    o->min_slaves = (int)c->min_slaves;
    o->min_slaves_lag_s = c->min_slaves_lag_s;
    o->slave_read_only = c->slave_read_only;
    o->serve_stale = c->serve_stale;
    o->slave_priority = (int)c->slave_priority;
    o->old_rdb_version = c->rdb_version;
}

/* --- CONFIG SET takes effect --- */

static bool network_changed(const char *failed, const char **err) {
    char text[200];
    if (!server.config.tls_port != !tlsconf_now() && !tlsconf_load(err)) return false;
    if (listen_reopen(text, sizeof text)) return true;
    log_error("%s", text);
    *err = failed;
    return false;
}

static bool persist_changed(const char **err) {
    static char text[200];
    struct persist_save_point points[CONFIG_SAVE_MAX];
    struct repl_options o;
    const struct config *c = &server.config;
    persist_set_fsync(server.persist, fsync_policy());
    persist_set_rdb(server.persist, c->dir, c->dbfilename, c->rdb_compression);
    persist_set_rdb_version(server.persist, c->rdb_version);
    if (server.repl) {
        repl_options_now(&o);
        repl_reconfigure(server.repl, &o);
    }
    persist_set_save_points(server.persist, points, save_points(points));
    persist_set_rewrite(server.persist, (unsigned)c->rewrite_percent, c->rewrite_min_bytes);
    persist_set_keep(server.persist, c->log_keep_bytes);
    persist_set_walk_pace(server.persist, c->save_rest_us > 0 ? (uint64_t)c->save_rest_us : 0);
    if (persist_set_log_on(server.persist, c->appendonly, text, sizeof text)) return true;
    *err = text;
    return false;
}

/* CONFIG GET dir shows where we are. */
static void note_directory(void) {
    char *cwd = getcwd(NULL, 0);
    if (!cwd) return;
    free(server.config.dir);
    server.config.dir = cwd;
}

static bool dir_changed(const char **err) {
    if (chdir(server.config.dir) == 0) {
        note_directory();
        persist_set_rdb(server.persist, server.config.dir, server.config.dbfilename,
                        server.config.rdb_compression);
        return true;
    }
    *err = strerror(errno);
    return false;
}

static bool take_effect(enum config_effect effect, const char **err) {
    struct repl_options o;
    switch (effect) {
    case E_NONE: break;
    case E_NETWORK:
        return network_changed("Unable to listen on this port. Check server logs.", err);
    case E_BIND: return network_changed("Failed to bind to specified addresses.", err);
    case E_PERSIST: return persist_changed(err);
    case E_DIR: return dir_changed(err);
    case E_TLS: return tlsconf_load(err);
    case E_REPL:
        if (server.config.backlog_bytes < BACKLOG_MIN_BYTES)
            server.config.backlog_bytes = BACKLOG_MIN_BYTES;
        repl_options_now(&o);
        if (server.repl) repl_reconfigure(server.repl, &o);
        break;
    case E_CLIENTS: break;
    case E_OOM:
        if (process_set_oom_score()) break;
        *err = "Failed to apply new oom_score_adj configuration, check server logs.";
        return false;
    case E_GENERAL:
        if (!edition_allows(err)) return false;
        notify_set(server.config.notify_events);
        if (server.config.hz < HZ_MIN) server.config.hz = HZ_MIN;
        if (server.config.hz > HZ_MAX) server.config.hz = HZ_MAX;
        log_set_level((enum log_level)server.config.loglevel);
        cron_set_hz(server.config.hz);
        break;
    }
    server_refresh();
    return true;
}

/* --- start --- */

static void raise_descriptor_limit(void) {
    struct rlimit r;
    rlim_t spare = SPARE_DESCRIPTORS + A_THREADS_DESCRIPTORS * (rlim_t)server.config.io_threads;
    rlim_t want = (rlim_t)server.config.maxclients + spare;
    if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= want) return;
    if (r.rlim_max != RLIM_INFINITY && r.rlim_max < want) {
        struct rlimit more = {want, want};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0) return;
        want = r.rlim_max;
    }
    r.rlim_cur = want;
    if (setrlimit(RLIMIT_NOFILE, &r)) log_warning("the limit of open files cannot be raised: %m");
    if (want >= (rlim_t)server.config.maxclients + spare) return;
    server.config.maxclients = (int64_t)(want > spare * 2 ? want - spare : spare);
    log_warning("maxclients is %lld: this user may not open more files (ulimit -n)",
                (long long)server.config.maxclients);
}

static void follow_configured_master(void) {
    const struct config *c = &server.config;
    if (*c->master_host) repl_follow(server.repl, c->master_host, (uint16_t)c->master_port, false);
}

static void loaded(void) {
    static const struct repl_world world = {.apply = replay_apply,
                                            .applied = on_applied,
                                            .released = on_released,
                                            .changed = on_changed,
                                            .replaced = server_replaced,
                                            .copy_fits = copy_room_fits,
                                            .keys = keys_of,
                                            .epoch = present_epoch,
                                            .told = peer_clients_told,
                                            .dress = tlsconf_dress};
    struct repl_options o;
    server.loading = false;
    repl_options_now(&o);
    server.repl = repl_open(&o, server.persist, server.store, server.loop, &world);
    follow_configured_master();
    server_refresh();
    process_tell_ready();
    const struct config *c = &server.config;
    if (c->port && c->tls_port)
        log_notice("Ready to accept connections on port %lld, TLS on port %lld", (long long)c->port,
                   (long long)c->tls_port);
    else if (c->port || c->tls_port)
        log_notice("Ready to accept connections on port %lld%s",
                   (long long)(c->port ? c->port : c->tls_port), c->port ? "" : ", TLS only");
    else
        log_notice("Ready to accept connections on unix sockets");
}

static void on_load(struct loop *l, void *arg) {
    struct loop_timer **timer = arg;
    int64_t rest_us = strtoll(config_word("key-load-delay"), NULL, 10);
    persist_set_load_pace(server.persist, rest_us > 0 ? (uint64_t)rest_us : 0,
                          strtoull(config_word("loading-process-events-interval-bytes"), NULL, 10));
    persist_set_walk_pace(
        server.persist, server.config.save_rest_us > 0 ? (uint64_t)server.config.save_rest_us : 0);
    switch (persist_load_step(server.persist, LOAD_STEP_US)) {
    case PERSIST_LOADING: return;
    case PERSIST_LOADED: break;
    case PERSIST_DAMAGED:
        log_error("%s", persist_loaded(server.persist)->text);
        if (pair_on()) break; /* it takes a full copy from the peer */
        fprintf(stderr, "duet server: %s\n", persist_loaded(server.persist)->text);
        exit_status = EXIT_DAMAGED;
        loop_stop(l);
        return;
    }
    if (*persist_loaded(server.persist)->text)
        log_notice("%s", persist_loaded(server.persist)->text);
    loop_timer_free(*timer);
    *timer = NULL;
    loaded();
}

/* What it allocates is the executor's later: it shall stand where that one's own data stands. */
static void maker_begins(void *arg) {
    (void)arg;
    int64_t arena = executor_arena;
    alloc_control("thread.arena", &arena, true);
}

static void open_data(void) {
    static const struct persist_world world = {
        .run = replay_run, .changed = on_changed, .maker_begins = maker_begins};
    alloc_control("thread.arena", &executor_arena, false);
    struct config *c = &server.config;
    struct persist_options o;
    char err[400];
    uint64_t key[2], seed;
    rand_bytes(key, sizeof key);
    rand_bytes(&seed, sizeof seed);
    hash_set_key(key);
    server.store = store_new((int)c->databases, seed);
    reclaim_start();
    store_settings(server.store)->reclaim = reclaim_later;
    memory_sample();
    server_settle_store();
    persist_defaults(&o);
    o.dir = ".";
    o.rdb_name = c->dbfilename;
    o.log_on = c->appendonly;
    o.fsync = fsync_policy();
    o.rdb_compression = c->rdb_compression;
    o.rdb_checksum = c->rdb_checksum;
    o.rdb_version = c->rdb_version;
    o.rewrite_percent = (unsigned)c->rewrite_percent;
    o.rewrite_min_bytes = c->rewrite_min_bytes;
    o.keep_bytes = c->log_keep_bytes;
    o.save_count = save_points(o.save);
    server.persist = persist_open(&o, server.store, server.loop, &world, err, sizeof err);
    if (!server.persist) give_up(err);
    server.loading = true;
}

static void register_commands(void) {
    command_table_init();
    register_connection_commands();
    register_client_commands();
    register_client_list_commands();
    register_command_commands();
    register_server_commands();
    register_latency_commands();
    register_debug_commands();
    register_memory_commands();
    register_repl_commands();
    register_migrate_commands();
    register_transaction_commands();
    register_slowlog_commands();
    register_script_commands();
    register_acl_commands();
    register_pubsub_commands();
    register_monitor_commands();
    register_tracking_commands();
    register_absent_commands();
    command_set_function("duet", control_duet);
    server.command_stats = xcalloc((size_t)command_count(), sizeof *server.command_stats);
}

static void rename_commands(void) {
    static const char *const why[] = {[RENAME_NO_SUCH] = "there is no such command",
                                      [RENAME_EXISTS] = "there is a command of the new name",
                                      [RENAME_TOO_MANY] = "that is one too many"};
    const struct config *c = &server.config;
    char text[300];
    for (size_t i = 0; i < c->rename_count; i++) {
        enum command_rename done = command_rename(c->renames[2 * i], c->renames[2 * i + 1]);
        if (done == RENAME_DONE) continue;
        snprintf(text, sizeof text, "rename-command %s \"%s\": %s", c->renames[2 * i],
                 c->renames[2 * i + 1], why[done]);
        give_up(text);
    }
}

/* In a pair had and init look after the rest: the end comes at once, whatever fails. */
static void on_signal(struct loop *l, void *arg, int signo) {
    char err[200];
    (void)arg;
    int how = signo == SIGTERM ? server.config.on_sigterm : server.config.on_sigint;
    log_notice("Received %s scheduling shutdown...", signo == SIGTERM ? "SIGTERM" : "SIGINT");
    if (!pair_on() && !server.loading) {
        shutdown_ask((struct shutdown_how){how & SIGNAL_SAVE     ? SHUTDOWN_SAVE
                                           : how & SIGNAL_NOSAVE ? SHUTDOWN_NOSAVE
                                                                 : SHUTDOWN_AS_CONFIGURED,
                                           (how & SIGNAL_FORCE) != 0, (how & SIGNAL_NOW) != 0});
        return;
    }
    bool save = how & SIGNAL_SAVE || (server.config.save_count > 0 && !(how & SIGNAL_NOSAVE));
    if (server_shutdown(save, true, err, sizeof err)) return;
    log_error("%s", err);
    exit_status = 1;
    loop_stop(l);
}

bool server_shutdown(bool save, bool force, char *err, size_t err_size) {
    bool ok = true;
    if (server.stopping) return true;
    if (server.repl) repl_before_sleep(server.repl);
    if (save && server.persist && !server.loading) {
        log_notice("Saving the final RDB snapshot before exiting.");
        ok = persist_save_now(server.persist, err, err_size);
        if (!ok)
            log_warning("Error trying to save the DB, %s.", force ? "exit anyway" : "can't exit");
    }
    if (!ok && !force) return false;
    listen_close();
    server.stopping = true;
    output_flush();
    repl_close(server.repl);
    server.repl = NULL;
    if (!server.loading) ok = persist_stop(server.persist, err, err_size) && ok;
    persist_close(server.persist);
    server.persist = NULL;
    loop_stop(server.loop);
    return ok;
}

static void enter_directory(void) {
    char text[300];
    struct config *c = &server.config;
    if (chdir(c->dir) == 0 && access(".", W_OK | X_OK) == 0) {
        note_directory();
        return;
    }
    snprintf(text, sizeof text,
             "dir %s cannot be used: %s; make it, or name another one that this user may write",
             c->dir, strerror(errno));
    give_up(text);
}

/* The words are those that scripts around redis-server look for. */
static void say_hello(void) {
    log_notice("Duet version=%s, bits=64, pid=%d, just started", DUET_VERSION, (int)getpid());
    if (!server.config.show_logo) return;
    if (server.config.port || server.config.tls_port)
        log_notice("Port: %lld",
                   (long long)(server.config.port ? server.config.port : server.config.tls_port));
    log_notice("PID: %d", (int)getpid());
}

static void start_log(void) {
    char text[300];
    log_set_name("server");
    log_set_level((enum log_level)server.config.loglevel);
    log_to_stdout();
    if (!*server.config.logfile || log_to_file(server.config.logfile, 64 << 20)) return;
    snprintf(text, sizeof text, "logfile %s cannot be written: %s", server.config.logfile,
             strerror(errno));
    give_up(text);
}

static void start_pair(void) {
    enum { CLOCK_STEP_US = 10 * 1000 * 1000 }; /* hactl clock, and an alarm, are a pair's */
    char err[300];
    const struct config *c = &server.config;
    if (*c->pair_lease) clock_anchor(CLOCK_STEP_US);
    if (*c->pair_lease && !pair_start(c->pair_lease, server.boot_id, err, sizeof err)) give_up(err);
    if (*c->control && !control_open(c->control, err, sizeof err)) give_up(err);
}

/* Relative paths of the command line are meant from where it was typed, not from `dir`. */
static void make_absolute(char **path) {
    char *cwd;
    if (!**path || **path == '/' || !(cwd = getcwd(NULL, 0))) return;
    char *whole = xasprintf("%s/%s", cwd, *path);
    free(cwd);
    free(*path);
    *path = whole;
}

static void start(int argc, char **argv) {
    struct conf_error err;
    char text[300];
    const char *why = "";
    if (!config_load(&server.config, argc, argv, &err)) give_up(err.text);
    if (server.config.daemonize) process_to_background();
    make_absolute(&server.config.pair_lease);
    make_absolute(&server.config.control);
    rand_hex(server.run_id, 40);
    rand_bytes(&server.boot_id, sizeof server.boot_id);
    server.boot_id >>= 1; /* fits a signed reader too; 0 is "none" */
    server.boot_id |= 1;
    server.started_boot_ns = clock_boot_ns();
    server.started_wall_s = clock_wall_ms() / 1000;
    if (!edition_start(&why)) give_up(why);
    enter_directory();
    notify_set(server.config.notify_events);
    start_log();
    say_hello();
    raise_descriptor_limit();
    server.loop = loop_new();
    register_commands();
    rename_commands();
    open_data();
    if (!tlsconf_load(&why)) give_up(why);
    io_start((int)server.config.io_threads - 1);
    if (!listen_open(text, sizeof text)) {
        log_error("Failed listening on port %lld: %s", (long long)server.config.port, text);
        give_up(text);
    }
    start_pair();
    config_effect = take_effect;
    call_error_replied = error_codes_note;
}

int server_main(int argc, char **argv) {
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        config_help();
        return 0;
    }
    if (argc > 1 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-v")))
        return printf("Duet server %s\n", DUET_VERSION) < 0;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    ends_remember(argc, argv);
    ends_catch_crashes();
    start(argc - 1, argv + 1);
    if (*server.config.pidfile && !file_write_pid(server.config.pidfile))
        log_warning("pidfile %s: %m", server.config.pidfile);
    loop_signal_new(server.loop, SIGTERM, on_signal, NULL);
    loop_signal_new(server.loop, SIGINT, on_signal, NULL);
    struct loop_timer *loading = loop_timer_new(server.loop, on_load, &loading);
    loop_timer_start(loading, 0, 1000);
    server_refresh();
    cron_start();
    loop_run(server.loop);
    io_stop();
    control_close();
    pair_stop();
    if (*server.config.pidfile) unlink(server.config.pidfile);
    if (server.persist) persist_close(server.persist);
    log_notice("Duet is now ready to exit, bye bye...");
    return exit_status;
}
