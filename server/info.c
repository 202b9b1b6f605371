/* INFO: sections of name:value lines, under the names that monitoring tools read. */
#include "server/server.h"
#include "server/slave_expiry.h"

#include "build/version.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/blocked.h"
#include "server/client.h"
#include "server/evict.h"
#include "server/failover.h"
#include "server/io.h"
#include "server/latency.h"
#include "server/defrag.h"
#include "server/memory.h"
#include "server/migrate_wire.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/pubsub.h"
#include "server/shutdown.h"
#include "server/tlsconf.h"
#include "server/tracking.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

typedef unsigned long long ull;

static uint64_t uptime_s(void) {
    return (clock_boot_ns() - server.started_boot_ns) / NS_PER_S;
}

static void section_server(struct buf *out) {
    struct utsname u;
    char exe[256] = "";
    uname(&u);
    if (readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) *exe = '\0';
    buf_printf(out,
               "redis_version:%s\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\n"
               "redis_build_id:0000000000000000\r\nredis_mode:standalone\r\nos:%s %s %s\r\n"
               "arch_bits:64\r\nmonotonic_clock:POSIX clock_gettime\r\nmultiplexing_api:epoll\r\n"
               "atomicvar_api:c11-builtin\r\ngcc_version:%d.%d.%d\r\n",
               command_edition()->redis_version, u.sysname, u.release, u.machine, __GNUC__,
               __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
    buf_printf(out,
               "process_id:%d\r\nprocess_supervised:no\r\nrun_id:%s\r\ntcp_port:%lld\r\n"
               "server_time_usec:%lld\r\nuptime_in_seconds:%llu\r\nuptime_in_days:%llu\r\n"
               "hz:%lld\r\nconfigured_hz:%lld\r\nlru_clock:%llu\r\nexecutable:%s\r\n"
               "config_file:%s\r\nio_threads_active:%d\r\n",
               (int)getpid(), server.run_id,
               (long long)(server.config.port ? server.config.port : server.config.tls_port),
               (long long)clock_wall_us(), (ull)uptime_s(), (ull)(uptime_s() / 86400),
               (long long)server.config.hz, (long long)server.config.hz,
               (ull)((uint64_t)clock_wall_ms() / 1000 & 0xffffff), exe, server.config.file,
               io_threads() > 0);
    if (shutdown_left_ms() >= 0)
        buf_printf(out, "shutdown_in_milliseconds:%lld\r\n", shutdown_left_ms());
    buf_printf(out, "duet_version:%s\r\nedition:%s\r\n", DUET_VERSION, config_word("edition"));
}

static void section_clients(struct buf *out) {
    size_t blocked = 0, max_in = 0, max_out = 0;
    for (const struct client *c = server.clients; c; c = c->next) {
        blocked += c->stall == STALL_WAIT || c->stall == STALL_PAUSE || c->blocked;
        size_t in = client_input_bytes(c), unsent = client_output_bytes(c);
        if (in > max_in) max_in = in;
        if (unsent > max_out) max_out = unsent;
    }
    buf_printf(out,
               "connected_clients:%zu\r\ncluster_connections:0\r\nmaxclients:%lld\r\n"
               "client_recent_max_input_buffer:%zu\r\nclient_recent_max_output_buffer:%zu\r\n"
               "blocked_clients:%zu\r\ntracking_clients:%zu\r\nclients_in_timeout_table:%zu\r\n",
               server.client_count, (long long)server.config.maxclients, max_in, max_out, blocked,
               tracking_count, blocked_timed_count());
}

/* The snapshot that runs: what stands aside (changed before its turn) is in memory or in a file. */
static void info_walks(struct buf *out, const struct persist_walk_status *w) {
    buf_printf(
        out,
        "duet_walk_running:%s\r\nduet_walks_waiting:%zu\r\nduet_walk_time_ms:%llu\r\nduet_walk_"
        "bytes:%llu\r\n"
        "duet_walk_values_aside:%zu\r\nduet_walk_aside_memory:%zu\r\nduet_walk_aside_file:%llu\r\n"
        "duet_walk_spilled_bytes:%llu\r\nduet_walk_longest_step_us:%llu\r\n",
        w->running ? persist_walk_kind_name(w->kind) : "none", w->waiting, (ull)w->took_ms,
        (ull)w->bytes, w->values_aside, w->aside_memory, (ull)w->aside_file,
        (ull)w->aside_file_total, (ull)w->longest_step_us);
}

static void info_loading(struct buf *out) {
    struct persist_load_status s;
    if (!persist_load_status(server.persist, &s)) return;
    double part = s.total_bytes ? (double)s.loaded_bytes / (double)s.total_bytes : 0;
    int64_t took_s = clock_wall_ms() / 1000 - s.start_s, left_s = 1;
    if (s.loaded_bytes && took_s > 0)
        left_s = (int64_t)((double)took_s * (double)(s.total_bytes - s.loaded_bytes) /
                           (double)s.loaded_bytes);
    buf_printf(out,
               "loading_start_time:%lld\r\nloading_total_bytes:%llu\r\n"
               "loading_rdb_used_mem:0\r\nloading_loaded_bytes:%llu\r\n"
               "loading_loaded_perc:%.2f\r\nloading_eta_seconds:%lld\r\n",
               (long long)s.start_s, (ull)s.total_bytes, (ull)s.loaded_bytes, part * 100,
               (long long)left_s);
}

static void section_persistence(struct buf *out) {
    struct persist_status s;
    persist_status(server.persist, &s);
    buf_printf(out,
               "loading:%d\r\nasync_loading:%d\r\ncurrent_cow_peak:0\r\ncurrent_cow_size:0\r\n"
               "current_cow_size_age:0\r\ncurrent_fork_perc:0.00\r\n"
               "current_save_keys_processed:%lld\r\ncurrent_save_keys_total:%lld\r\n"
               "rdb_changes_since_last_save:%llu\r\nrdb_bgsave_in_progress:%d\r\n"
               "rdb_last_save_time:%lld\r\nrdb_last_bgsave_status:%s\r\n"
               "rdb_last_bgsave_time_sec:%lld\r\nrdb_current_bgsave_time_sec:%lld\r\n"
               "rdb_saves:%llu\r\nrdb_last_cow_size:0\r\nrdb_last_load_keys_expired:0\r\n"
               "rdb_last_load_keys_loaded:%llu\r\n",
               s.loading || server.loading, s.beside, (long long)s.walk.keys_done,
               (long long)s.walk.keys_total, (ull)s.changes_since_save, s.saving,
               (long long)s.last_save_s, s.last_save_ok ? "ok" : "err",
               (long long)s.last_save_took_s, (long long)s.save_runs_s, (ull)s.saves,
               server.loading ? 0ULL : (ull)persist_loaded(server.persist)->keys);
    buf_printf(
        out,
        "aof_enabled:%d\r\naof_rewrite_in_progress:%d\r\naof_rewrite_scheduled:%d\r\n"
        "aof_last_rewrite_time_sec:%lld\r\naof_current_rewrite_time_sec:%lld\r\n"
        "aof_last_bgrewrite_status:%s\r\naof_rewrites:%llu\r\n"
        "aof_rewrites_consecutive_failures:0\r\naof_last_write_status:%s\r\n"
        "aof_last_cow_size:0\r\nmodule_fork_in_progress:0\r\nmodule_fork_last_cow_size:0\r\n",
        s.log_on, s.rewriting, s.rewrite_scheduled || server_rewrite_wanted(),
        (long long)s.last_rewrite_took_s, (long long)s.rewrite_runs_s,
        s.last_rewrite_ok ? "ok" : "err", (ull)s.rewrites, s.failed || s.stuck ? "err" : "ok");
    info_walks(out, &s.walk);
    info_loading(out);
    if (!s.log_on) return;
    buf_printf(out,
               "aof_current_size:%llu\r\naof_base_size:%llu\r\naof_pending_rewrite:0\r\n"
               "aof_buffer_length:0\r\naof_pending_bio_fsync:%d\r\naof_delayed_fsync:%llu\r\n"
               "aof_fsync_age_ms:%llu\r\naof_kept_size:%llu\r\n"
               "disk_free_bytes:%llu\r\ndisk_total_bytes:%llu\r\ndisk_low:%d\r\n",
               (ull)s.log_bytes, (ull)s.log_base_bytes, s.fsync_age_ms > 0, (ull)s.delayed_fsyncs,
               (ull)s.fsync_age_ms, (ull)s.kept_bytes, (ull)s.disk_free_bytes, (ull)s.disk_bytes,
               s.disk_low);
}

/* Every payload is looked at to its end before it becomes a value. */
static uint64_t payloads_looked_at(void) {
    const struct command *restore = command_find(BYTES("restore"), 0);
    return restore ? server.command_stats[restore->id].calls : 0;
}

static void section_stats(struct buf *out) {
    const struct server_stats *s = &server.stats;
    struct repl_status r = {0};
    io_collect_stats();
    if (server.repl) repl_status(server.repl, &r);
    struct defrag_counts moved = defrag_counts();
    buf_printf(out,
               "total_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
               "instantaneous_ops_per_sec:%llu\r\ntotal_net_input_bytes:%llu\r\n"
               "total_net_output_bytes:%llu\r\ntotal_net_repl_input_bytes:%llu\r\n"
               "total_net_repl_output_bytes:%llu\r\ninstantaneous_input_kbps:%.2f\r\n"
               "instantaneous_output_kbps:%.2f\r\ninstantaneous_input_repl_kbps:%.2f\r\n"
               "instantaneous_output_repl_kbps:%.2f\r\nrejected_connections:%llu\r\n",
               (ull)s->connections, (ull)s->commands, (ull)s->ops_now, (ull)s->net_in,
               (ull)s->net_out, (ull)(r.bytes_in - s->repl_in_before),
               (ull)(r.bytes_out - s->repl_out_before), (double)s->in_now / 1024,
               (double)s->out_now / 1024, (double)s->repl_in_now / 1024,
               (double)s->repl_out_now / 1024, (ull)s->rejected_connections);
    buf_printf(out,
               "sync_full:%llu\r\nsync_partial_ok:%llu\r\nsync_partial_err:%llu\r\n"
               "expired_keys:%llu\r\nexpired_stale_perc:0.00\r\n"
               "expired_time_cap_reached_count:%llu\r\nexpire_cycle_cpu_milliseconds:%llu\r\n"
               "evicted_keys:%llu\r\nevicted_clients:%llu\r\n"
               "total_eviction_exceeded_time:%llu\r\ncurrent_eviction_exceeded_time:%llu\r\n"
               "keyspace_hits:%llu\r\nkeyspace_misses:%llu\r\n",
               (ull)r.sync_full, (ull)r.sync_partial_ok, (ull)r.sync_partial_err,
               (ull)s->expired_keys, (ull)s->expire_capped, (ull)(s->expire_ns / NS_PER_MS),
               (ull)s->evicted_keys, (ull)s->evicted_clients, (ull)(s->over_limit_ns / NS_PER_MS),
               (ull)(evict_over_limit_ns() / NS_PER_MS), (ull)s->hits, (ull)s->misses);
    if (pair_on()) buf_printf(out, "pair_link_damaged_blocks:%llu\r\n", (ull)r.damaged_blocks);
    buf_printf(out,
               "pubsub_channels:%zu\r\npubsub_patterns:%zu\r\npubsubshard_channels:%zu\r\n"
               "latest_fork_usec:0\r\ntotal_forks:0\r\nmigrate_cached_sockets:%zu\r\n"
               "slave_expires_tracked_keys:%zu\r\nactive_defrag_hits:%zu\r\n"
               "active_defrag_misses:%zu\r\nactive_defrag_key_hits:%zu\r\n"
               "active_defrag_key_misses:%zu\r\ntotal_active_defrag_time:%llu\r\n"
               "current_active_defrag_time:%llu\r\n",
               pubsub_names(PUBSUB_CHANNEL), pubsub_names(PUBSUB_PATTERN),
               pubsub_names(PUBSUB_SHARD), wire_cached(), slave_expiry_count(), moved.moved,
               moved.looked - moved.moved, moved.moved, moved.looked - moved.moved,
               (ull)(moved.ns / NS_PER_MS), (ull)(moved.now_ns / NS_PER_MS));
    buf_printf(out,
               "tracking_total_keys:%llu\r\ntracking_total_items:%llu\r\n"
               "tracking_total_prefixes:%llu\r\nunexpected_error_replies:0\r\n"
               "total_error_replies:%llu\r\ndump_payload_sanitizations:%llu\r\n"
               "total_reads_processed:%llu\r\ntotal_writes_processed:%llu\r\n"
               "io_threaded_reads_processed:%llu\r\nio_threaded_writes_processed:%llu\r\n"
               "reply_buffer_shrinks:0\r\nreply_buffer_expands:0\r\n"
               "client_output_buffer_limit_disconnections:%llu\r\n",
               (ull)tracking_keys(), (ull)tracking_items(), (ull)tracking_prefixes(),
               (ull)s->errors, (ull)payloads_looked_at(), (ull)s->reads, (ull)s->writes,
               (ull)s->threaded_reads, (ull)s->threaded_writes,
               (ull)(s->output_limit_disconnects + r.limit_drops));
    tlsconf_info(out);
    buf_printf(out, "duet_defrag_passes:%zu\r\n", moved.passes);
    buf_printf(out,
               "duet_longest_command:%s\r\nduet_longest_command_us:%llu\r\n"
               "duet_longest_between_us:%llu\r\nduet_longest_turn_cpu_us:%llu\r\n",
               s->longest_command ? s->longest_command->name : "",
               (ull)s->longest_command_ns / 1000, (ull)s->longest_between_ns / 1000,
               (ull)s->longest_turn_cpu_ns / 1000);
}

static void slave_lines(struct buf *out, const struct repl_status *s) {
    static const char *const copies[] = {
        [REPL_COPY_NONE] = "none", [REPL_COPY_BESIDE] = "beside", [REPL_COPY_INSTEAD] = "instead"};
    bool up = s->link == REPL_LINK_CONNECTED;
    buf_printf(out,
               "master_host:%s\r\nmaster_port:%u\r\nmaster_link_status:%s\r\n"
               "master_last_io_seconds_ago:%lld\r\nmaster_sync_in_progress:%d\r\n"
               "slave_read_repl_offset:%llu\r\nslave_repl_offset:%llu\r\n",
               s->master_host, s->master_port, up ? "up" : "down", (long long)s->last_io_s,
               s->sync_in_progress, (ull)s->read_offset, (ull)s->offset);
    double share =
        s->sync_total_bytes ? 100.0 * (double)s->sync_read_bytes / (double)s->sync_total_bytes : 0;
    if (s->sync_in_progress)
        buf_printf(out,
                   "master_sync_total_bytes:%llu\r\nmaster_sync_read_bytes:%llu\r\n"
                   "master_sync_left_bytes:%lld\r\nmaster_sync_perc:%.2f\r\n"
                   "master_sync_last_io_seconds_ago:%lld\r\n",
                   (ull)s->sync_total_bytes, (ull)s->sync_read_bytes,
                   (long long)(s->sync_total_bytes - s->sync_read_bytes), share,
                   (long long)s->sync_last_io_s);
    if (!up) buf_printf(out, "master_link_down_since_seconds:%lld\r\n", (long long)s->down_s);
    buf_printf(out, "slave_priority:%lld\r\nslave_read_only:%d\r\nreplica_announced:%d\r\n",
               (long long)server.config.slave_priority, server.config.slave_read_only,
               server.config.announced);
    /* Whether the old data stays until a full copy is loaded (slave-copy-memory). */
    buf_printf(out,
               "duet_slave_copy:%s\r\nduet_slave_copies:%llu\r\nduet_apply_errors:%llu\r\n"
               "duet_diverged:%d\r\nduet_divergences:%llu\r\n",
               copies[s->copy], (ull)s->copies, (ull)s->apply_errors, s->diverged,
               (ull)s->divergences);
}

static void section_replication(struct buf *out) {
    enum { MOST = 64 };
    struct repl_slave_info slaves[MOST];
    struct repl_status s = {.second_offset = -1};
    size_t n = 0;
    if (server.repl) {
        repl_status(server.repl, &s);
        n = repl_slaves(server.repl, slaves, MOST);
    }
    if (n > MOST) n = MOST;
    buf_printf(out, "role:%s\r\n", server.role == REPL_MASTER ? "master" : "slave");
    if (server.role != REPL_MASTER) slave_lines(out, &s);
    buf_printf(out, "connected_slaves:%zu\r\n", n);
    if (server.config.min_slaves && server.config.min_slaves_lag_s && server.repl)
        buf_printf(out, "min_slaves_good_slaves:%d\r\n", repl_good_slaves(server.repl));
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "slave%zu:ip=%s,port=%u,state=%s,offset=%llu,lag=%lld\r\n", i,
                   slaves[i].host, slaves[i].port, slaves[i].state, (ull)slaves[i].offset,
                   (long long)slaves[i].lag_s);
    buf_printf(out,
               "master_failover_state:%s\r\nmaster_replid:%s\r\nmaster_replid2:%s\r\n"
               "master_repl_offset:%llu\r\nsecond_repl_offset:%lld\r\nrepl_backlog_active:%d\r\n"
               "repl_backlog_size:%llu\r\nrepl_backlog_first_byte_offset:%llu\r\n"
               "repl_backlog_histlen:%llu\r\n",
               failover_state_name(), s.id,
               *s.id2 ? s.id2 : "0000000000000000000000000000000000000000", (ull)s.offset,
               (long long)s.second_offset, s.backlog_active, (ull)server.config.backlog_bytes,
               s.backlog_active ? (ull)s.backlog_first_offset + 1 : 0, (ull)s.backlog_len);
    if (!pair_on()) return;
    buf_printf(out,
               "duet_pair_role:%s\r\nduet_epoch:%llu\r\nduet_in_sync:%d\r\nduet_alone:%d\r\n"
               "duet_held_replies:%llu\r\nduet_acked_offset:%llu\r\n",
               server.role == REPL_MASTER  ? "master"
               : server.role == REPL_SLAVE ? "slave"
                                           : "none",
               (ull)pair_epoch(), s.insync_link, s.alone, (ull)output_held_count(), (ull)s.acked);
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void section_cpu(struct buf *out) {
    struct rusage self, children, thread;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    getrusage(RUSAGE_THREAD, &thread);
    buf_printf(out,
               "used_cpu_sys:%.6f\r\nused_cpu_user:%.6f\r\nused_cpu_sys_children:%.6f\r\n"
               "used_cpu_user_children:%.6f\r\nused_cpu_sys_main_thread:%.6f\r\n"
               "used_cpu_user_main_thread:%.6f\r\n",
               seconds(self.ru_stime), seconds(self.ru_utime), seconds(children.ru_stime),
               seconds(children.ru_utime), seconds(thread.ru_stime), seconds(thread.ru_utime));
}

static void section_modules(struct buf *out) {
    (void)out;
}

static void section_commandstats(struct buf *out) {
    for (int i = 0; i < command_count(); i++) {
        const struct command_stats *s = &server.command_stats[i];
        if (!s->calls && !s->rejected && !s->failed) continue;
        buf_printf(out,
                   "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
                   "failed_calls=%llu\r\n",
                   command_by_id(i)->name, (ull)s->calls, (ull)(s->ns / 1000),
                   s->calls ? (double)s->ns / 1000 / (double)s->calls : 0.0, (ull)s->rejected,
                   (ull)s->failed);
    }
}

static void section_errorstats(struct buf *out) {
    error_codes_info(out);
}

static void section_latencystats(struct buf *out) {
    if (server.latency_tracking) latency_info(out);
}

static void section_cluster(struct buf *out) {
    buf_add_str(out, "cluster_enabled:0\r\n");
}

static void section_keyspace(struct buf *out) {
    for (int db = 0; db < store_databases(server.store); db++) {
        size_t n = store_count(server.store, db);
        if (!n) continue;
        buf_printf(out, "db%d:keys=%zu,expires=%zu,avg_ttl=%lld\r\n", db, n,
                   store_expiring_count(server.store, db),
                   (long long)store_mean_ttl_ms(server.store, db, clock_wall_ms()));
    }
}

struct section {
    const char *name, *title;
    bool by_default;
    void (*fn)(struct buf *out);
};

static const struct section sections[] = {
    {"server", "Server", true, section_server},
    {"clients", "Clients", true, section_clients},
    {"memory", "Memory", true, memory_info},
    {"persistence", "Persistence", true, section_persistence},
    {"stats", "Stats", true, section_stats},
    {"replication", "Replication", true, section_replication},
    {"cpu", "CPU", true, section_cpu},
    {"modules", "Modules", true, section_modules},
    {"commandstats", "Commandstats", false, section_commandstats},
    {"errorstats", "Errorstats", true, section_errorstats},
    {"latencystats", "Latencystats", false, section_latencystats},
    {"cluster", "Cluster", true, section_cluster},
    {"keyspace", "Keyspace", true, section_keyspace},
};

static bool wanted(const struct section *s, int count, const struct bytes *names) {
    if (!count) return s->by_default;
    for (int i = 0; i < count; i++) {
        if (bytes_is(names[i], "all") || bytes_is(names[i], "everything")) return true;
        if (bytes_is(names[i], "default") && s->by_default) return true;
        if (bytes_is(names[i], s->name)) return true;
    }
    return false;
}

void info_text(struct buf *out, int count, const struct bytes *names) {
    bool first = true;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        const struct section *s = &sections[i];
        if (!wanted(s, count, names)) continue;
        buf_printf(out, "%s# %s\r\n", first ? "" : "\r\n", s->title);
        s->fn(out);
        first = false;
    }
}
