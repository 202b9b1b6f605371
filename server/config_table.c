/* Every directive, a row each: redis.conf's names, aliases, presets and limits, and Duet's own.
 *
 *   name, alias        as in redis.conf; CONFIG GET shows both
 *   kind               how the words are read and shown
 *   flags              FIXED: only at start; PROTECTED: see enable-protected-configs
 *   field              where the value stands in struct config
 *   preset, min, max   numbers only for INT, BYTES and OCTAL
 *   effect             what is told when CONFIG SET changed it
 * A C_KEPT row is taken and shown, for the configuration files of today's users, and has no effect
 * here; the comment above the group says why. */
#include "server/config.h"

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/tls.h"
#include "server/notify.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct config_enum policies[] = {
    {"volatile-lru", 0},   {"volatile-lfu", 1}, {"volatile-random", 2},
    {"volatile-ttl", 3},   {"allkeys-lru", 4},  {"allkeys-lfu", 5},
    {"allkeys-random", 6}, {"noeviction", 7},   {NULL, 0}};
static const struct config_enum fsyncs[] = {{"everysec", 1}, {"always", 2}, {"no", 0}, {NULL, 0}};
static const struct config_enum loglevels[] = {{"debug", LOG_DEBUG},
                                               {"verbose", LOG_INFO},
                                               {"notice", LOG_NOTICE},
                                               {"warning", LOG_WARNING},
                                               {NULL, 0}};
static const struct config_enum editions[] = {
    {"open", 0}, {"master-slave", 1}, {"ckv", 2}, {"cluster", 3}, {NULL, 0}};
static const struct config_enum slave_reads[] = {{"edition", 0}, {"yes", 1}, {"no", 2}, {NULL, 0}};
static const struct config_enum durabilities[] = {
    {"async", DURABILITY_ASYNC}, {"pair", DURABILITY_PAIR}, {"disk", DURABILITY_DISK}, {NULL, 0}};
static const struct config_enum pair_nodes[] = {{"none", 0}, {"a", 'a'}, {"b", 'b'}, {NULL, 0}};
static const struct config_enum verifies[] = {
    {"no", TLS_VERIFY_NO}, {"yes", TLS_VERIFY_YES}, {"optional", TLS_VERIFY_OPTIONAL}, {NULL, 0}};
static const struct config_enum allowed[] = {{"no", 0}, {"yes", 1}, {"local", 2}, {NULL, 0}};

/* --- directives of several words --- */

static bool set_bind(struct config *c, int argc, char **argv, const char **err) {
    if (argc > CONFIG_BIND_MAX) {
        *err = "Too many bind addresses specified.";
        return false;
    }
    if (argc == 1 && !*argv[0]) argc = 0;
    for (int i = 0; i < c->bind_count; i++) free(c->bind[i]);
    for (int i = 0; i < argc; i++) c->bind[i] = xstrdup(argv[i]);
    c->bind_count = argc;
    return true;
}

static void show_bind(const struct config *c, struct buf *out) {
    for (int i = 0; i < c->bind_count; i++) buf_printf(out, "%s%s", i ? " " : "", c->bind[i]);
}

/* Lines of a file add up, as redis.conf has them; "" empties the list. */
static bool set_save(struct config *c, int argc, char **argv, const char **err) {
    if (argc == 1 && !*argv[0]) {
        c->save_count = 0;
        return true;
    }
    *err = "Invalid save parameters";
    if (argc % 2) return false;
    for (int i = 0; i < argc; i += 2) {
        struct config_save_point p;
        if (!num_parse_range(argv[i], 1, INT_MAX, &p.seconds)) return false;
        if (!num_parse_range(argv[i + 1], 0, INT_MAX, &p.changes)) return false;
        if (c->save_count == CONFIG_SAVE_MAX) {
            *err = "Too many save parameters";
            return false;
        }
        c->save[c->save_count++] = p;
    }
    return true;
}

static void show_save(const struct config *c, struct buf *out) {
    for (int i = 0; i < c->save_count; i++)
        buf_printf(out, "%s%lld %lld", i ? " " : "", (long long)c->save[i].seconds,
                   (long long)c->save[i].changes);
}

static int output_class(const char *name) {
    if (!strcasecmp(name, "normal")) return CLASS_NORMAL;
    if (!strcasecmp(name, "slave") || !strcasecmp(name, "replica")) return CLASS_SLAVE;
    if (!strcasecmp(name, "pubsub")) return CLASS_PUBSUB;
    return -1;
}

static bool set_output(struct config *c, int argc, char **argv, const char **err) {
    struct config_output_limit limits[CLASS_COUNT];
    memcpy(limits, c->output, sizeof limits);
    if (argc % 4) {
        *err = "Wrong number of arguments in buffer limit configuration.";
        return false;
    }
    for (int i = 0; i < argc; i += 4) {
        int class = output_class(argv[i]);
        if (class < 0) {
            *err = "Invalid client class specified in buffer limit configuration.";
            return false;
        }
        struct config_output_limit *l = &limits[class];
        if (!num_parse_bytes(argv[i + 1], &l->hard_bytes) ||
            !num_parse_bytes(argv[i + 2], &l->soft_bytes) ||
            !num_parse_range(argv[i + 3], 0, INT_MAX, &l->soft_s)) {
            *err = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
            return false;
        }
    }
    memcpy(c->output, limits, sizeof limits);
    return true;
}

static void show_output(const struct config *c, struct buf *out) {
    static const char *const names[CLASS_COUNT] = {"normal", "slave", "pubsub"};
    for (int i = 0; i < CLASS_COUNT; i++)
        buf_printf(out, "%s%s %llu %llu %lld", i ? " " : "", names[i],
                   (unsigned long long)c->output[i].hard_bytes,
                   (unsigned long long)c->output[i].soft_bytes, (long long)c->output[i].soft_s);
}

static bool set_notify(struct config *c, int argc, char **argv, const char **err) {
    unsigned classes;
    *err = "wrong number of arguments";
    if (argc != 1) return false;
    *err = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    if (!notify_parse(argv[0], &classes)) return false;
    c->notify_events = classes;
    return true;
}

static void show_notify(const struct config *c, struct buf *out) {
    notify_show(c->notify_events, out);
}

static bool set_replicaof(struct config *c, int argc, char **argv, const char **err) {
    int64_t port = 0;
    bool none = argc == 1 ? !*argv[0]
                          : argc == 2 && !strcasecmp(argv[0], "no") && !strcasecmp(argv[1], "one");
    if (!none && (argc != 2 || !num_parse_range(argv[1], 1, 65535, &port))) {
        *err = "Invalid master port";
        return false;
    }
    free(c->master_host);
    c->master_host = xstrdup(none ? "" : argv[0]);
    c->master_port = port;
    return true;
}

static void show_replicaof(const struct config *c, struct buf *out) {
    if (*c->master_host) buf_printf(out, "%s %lld", c->master_host, (long long)c->master_port);
}

/* --- checks --- */

static bool check_plain_name(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    if (*argv[0] && !strchr(argv[0], '/')) return true;
    *err = "it must be a file name, not a path";
    return false;
}

static bool check_daemonize(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    if (!strcasecmp(argv[0], "no")) return true;
    *err = "a Duet server stays in the foreground: let init, systemd or a shell put it into the "
           "background";
    return false;
}

static bool check_tls_protocols(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    if (!*argv[0] || !strcasecmp(argv[0], "TLSv1.2")) return true;
    *err = "there is TLSv1.2 and nothing else: no older version, and no TLSv1.3 yet";
    return false;
}

static bool check_tls_replication(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    if (!strcasecmp(argv[0], "no")) return true;
    *err = "links between servers are not made over TLS yet; slaves that come to tls-port are "
           "served";
    return false;
}

static bool check_compress(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    if (!strcmp(argv[0], "0")) return true;
    *err = "lists are kept uncompressed here: only 0 is accepted";
    return false;
}

#define F(field) offsetof(struct config, field)
#define BOOL(n, a, f, fl, p, e)                                                                    \
    { n, a, C_BOOL, fl, F(f), p, 0, 0, NULL, NULL, NULL, e }
#define INT(n, a, f, fl, p, min, max, e)                                                           \
    { n, a, C_INT, fl, F(f), p, min, max, NULL, NULL, NULL, e }
#define BYTES_ROW(n, a, f, fl, p, min, max, e)                                                     \
    { n, a, C_BYTES, fl, F(f), p, min, max, NULL, NULL, NULL, e }
#define STRING(n, a, f, fl, p, e)                                                                  \
    { n, a, C_STRING, fl, F(f), p, 0, 0, NULL, NULL, NULL, e }
#define NAME(n, a, f, fl, p, e)                                                                    \
    { n, a, C_STRING, fl, F(f), p, 0, 0, NULL, check_plain_name, NULL, e }
#define ENUM(n, a, f, fl, p, names, e)                                                             \
    { n, a, C_ENUM, fl, F(f), p, 0, 0, names, NULL, NULL, e }
#define WORDS(n, a, fl, p, set, show, e)                                                           \
    { n, a, C_WORDS, (fl) | CONFIG_MANY, 0, p, 0, 0, NULL, set, show, e }
#define KEPT(n, a, p)                                                                              \
    { n, a, C_KEPT, CONFIG_MANY, 0, p, 0, 0, NULL, NULL, NULL, E_NONE }

/* clang-format off */
const struct config_row config_rows[] = {
    /* network */
    WORDS("bind", NULL, 0, "* -::*", set_bind, show_bind, E_NETWORK),
    INT("port", NULL, port, 0, "6379", 0, 65535, E_NETWORK),
    INT("tcp-backlog", NULL, tcp_backlog, CONFIG_FIXED, "511", 0, INT_MAX, E_NONE),
    INT("tcp-keepalive", NULL, tcp_keepalive_s, 0, "300", 0, INT_MAX, E_NONE),
    INT("timeout", NULL, timeout_s, 0, "0", 0, INT_MAX, E_GENERAL),
    INT("maxclients", NULL, maxclients, 0, "10000", 1, UINT_MAX, E_GENERAL),
    STRING("unixsocket", NULL, unixsocket, CONFIG_FIXED, "", E_NONE),
    {"unixsocketperm", NULL, C_OCTAL, CONFIG_FIXED, F(unixsocketperm), "0", 0, 0777, NULL, NULL, NULL, E_NONE},
    BOOL("protected-mode", NULL, protected_mode, 0, "yes", E_NONE),
    BYTES_ROW("client-query-buffer-limit", NULL, query_limit_bytes, 0, "1073741824", 1048576, INT64_MAX, E_NONE),
    BYTES_ROW("proto-max-bulk-len", NULL, bulk_limit_bytes, 0, "536870912", 1048576, INT64_MAX, E_NONE),
    WORDS("client-output-buffer-limit", NULL, 0,
          "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", set_output, show_output, E_REPL),
    /* TLS */
    INT("tls-port", NULL, tls_port, 0, "0", 0, 65535, E_NETWORK),
    STRING("tls-cert-file", NULL, tls_cert_file, 0, "", E_TLS),
    STRING("tls-key-file", NULL, tls_key_file, 0, "", E_TLS),
    STRING("tls-key-file-pass", NULL, tls_key_pass, 0, "", E_TLS),
    STRING("tls-ca-cert-file", NULL, tls_ca_file, 0, "", E_TLS),
    STRING("tls-ca-cert-dir", NULL, tls_ca_dir, 0, "", E_TLS),
    ENUM("tls-auth-clients", NULL, tls_auth_clients, 0, "yes", verifies, E_TLS),
    {"tls-protocols", NULL, C_STRING, 0, F(tls_protocols), "", 0, 0, NULL, check_tls_protocols, NULL, E_TLS},
    STRING("tls-ciphers", NULL, tls_ciphers, 0, "", E_TLS),
    BOOL("tls-prefer-server-ciphers", NULL, tls_prefer_server_ciphers, 0, "no", E_TLS),
    BOOL("tls-session-caching", NULL, tls_session_caching, 0, "yes", E_TLS),
    INT("tls-session-cache-size", NULL, tls_session_cache_size, 0, "20480", 0, INT_MAX, E_TLS),
    INT("tls-session-cache-timeout", NULL, tls_session_cache_time_s, 0, "300", 0, INT_MAX, E_TLS),
    {"tls-replication", NULL, C_BOOL, 0, F(tls_replication), "no", 0, 0, NULL, check_tls_replication, NULL, E_NONE},
    {"tls-cluster", NULL, C_BOOL, 0, F(tls_cluster), "no", 0, 0, NULL, check_tls_replication, NULL, E_NONE},
    /* general */
    STRING("dir", NULL, dir, CONFIG_PROTECTED, ".", E_DIR),
    STRING("logfile", NULL, logfile, CONFIG_FIXED, "", E_NONE),
    STRING("pidfile", NULL, pidfile, CONFIG_FIXED, "", E_NONE),
    {"daemonize", NULL, C_BOOL, CONFIG_FIXED, F(daemonize), "no", 0, 0, NULL, check_daemonize, NULL, E_NONE},
    ENUM("loglevel", NULL, loglevel, 0, "notice", loglevels, E_GENERAL),
    INT("databases", NULL, databases, CONFIG_FIXED, "16", 1, INT_MAX, E_NONE),
    INT("hz", NULL, hz, 0, "10", 1, 500, E_GENERAL),
    INT("io-threads", NULL, io_threads, CONFIG_FIXED, "1", 1, 128, E_NONE),
    STRING("requirepass", NULL, requirepass, 0, "", E_GENERAL),
    ENUM("enable-debug-command", NULL, enable_debug, CONFIG_FIXED, "no", allowed, E_NONE),
    /* There are no modules to enable. */
    {"enable-module-command", NULL, C_KEPT, CONFIG_FIXED, 0, "no", 0, 0, NULL, NULL, NULL, E_NONE},
    /* Taken as Redis hides it: an inconsistency here always ends the process by name (bug). */
    {"propagation-error-behavior", NULL, C_KEPT, CONFIG_HIDDEN, 0, "ignore", 0, 0, NULL, NULL, NULL, E_NONE},
    ENUM("enable-protected-configs", NULL, enable_protected, CONFIG_FIXED, "no", allowed, E_NONE),
    /* memory */
    BYTES_ROW("maxmemory", NULL, maxmemory, 0, "0", 0, INT64_MAX, E_GENERAL),
    ENUM("maxmemory-policy", NULL, maxmemory_policy, 0, "noeviction", policies, E_GENERAL),
    INT("maxmemory-samples", NULL, maxmemory_samples, 0, "5", 1, INT_MAX, E_NONE),
    INT("maxmemory-eviction-tenacity", NULL, eviction_tenacity, 0, "10", 0, 100, E_NONE),
    BOOL("replica-ignore-maxmemory", "slave-ignore-maxmemory", slave_ignores_maxmemory, 0, "yes", E_NONE),
    BOOL("activedefrag", NULL, active_defrag, 0, "yes", E_NONE),
    BYTES_ROW("active-defrag-ignore-bytes", NULL, defrag_ignore_bytes, 0, "104857600", 1, INT64_MAX, E_NONE),
    INT("active-defrag-threshold-lower", NULL, defrag_lower, 0, "10", 0, 1000, E_NONE),
    INT("active-defrag-threshold-upper", NULL, defrag_upper, 0, "100", 0, 1000, E_NONE),
    INT("active-defrag-cycle-min", NULL, defrag_min, 0, "1", 1, 99, E_NONE),
    INT("active-defrag-cycle-max", NULL, defrag_max, 0, "25", 1, 99, E_NONE),
    KEPT("active-defrag-max-scan-fields", NULL, "1000"),
    /* persistence: unlike Redis the log is on when nothing is said, and then no RDB file is due */
    BOOL("appendonly", NULL, appendonly, 0, "yes", E_PERSIST),
    ENUM("appendfsync", NULL, appendfsync, 0, "everysec", fsyncs, E_PERSIST),
    NAME("appendfilename", NULL, appendfilename, CONFIG_FIXED, "appendonly.aof", E_NONE),
    NAME("appenddirname", NULL, appenddirname, CONFIG_FIXED, "appendonlydir", E_NONE),
    WORDS("save", NULL, CONFIG_LINES, "", set_save, show_save, E_PERSIST),
    NAME("dbfilename", NULL, dbfilename, CONFIG_FIXED, "dump.rdb", E_NONE),
    BOOL("rdbcompression", NULL, rdb_compression, CONFIG_FIXED, "yes", E_NONE),
    BOOL("rdbchecksum", NULL, rdb_checksum, CONFIG_FIXED, "yes", E_NONE),
    BOOL("stop-writes-on-bgsave-error", NULL, stop_writes_on_save_error, 0, "yes", E_NONE),
    INT("auto-aof-rewrite-percentage", NULL, rewrite_percent, 0, "100", 0, INT_MAX, E_PERSIST),
    BYTES_ROW("auto-aof-rewrite-min-size", NULL, rewrite_min_bytes, 0, "67108864", 0, INT64_MAX, E_PERSIST),
    /* replication */
    WORDS("replicaof", "slaveof", CONFIG_FIXED, "", set_replicaof, show_replicaof, E_NONE),
    STRING("masterauth", NULL, masterauth, 0, "", E_REPL),
    STRING("masteruser", NULL, masteruser, 0, "", E_REPL),
    BOOL("replica-serve-stale-data", "slave-serve-stale-data", serve_stale, 0, "yes", E_REPL),
    BOOL("replica-read-only", "slave-read-only", slave_read_only, 0, "yes", E_REPL),
    BYTES_ROW("repl-backlog-size", NULL, backlog_bytes, 0, "1048576", 1, INT64_MAX, E_REPL),
    INT("repl-backlog-ttl", NULL, backlog_ttl_s, 0, "3600", 0, INT_MAX, E_REPL),
    INT("repl-timeout", NULL, repl_timeout_s, 0, "60", 1, INT_MAX, E_REPL),
    INT("repl-ping-replica-period", "repl-ping-slave-period", repl_ping_s, 0, "10", 1, INT_MAX, E_REPL),
    INT("repl-diskless-sync-delay", NULL, diskless_delay_s, 0, "5", 0, INT_MAX, E_REPL),
    INT("min-replicas-to-write", "min-slaves-to-write", min_slaves, 0, "0", 0, INT_MAX, E_REPL),
    INT("min-replicas-max-lag", "min-slaves-max-lag", min_slaves_lag_s, 0, "10", 0, INT_MAX, E_REPL),
    INT("replica-priority", "slave-priority", slave_priority, 0, "100", 0, INT_MAX, E_REPL),
    /* slow log */
    INT("slowlog-log-slower-than", NULL, slowlog_us, 0, "10000", -1, INT64_MAX, E_NONE),
    INT("slowlog-max-len", NULL, slowlog_len, 0, "128", 0, INT64_MAX, E_NONE),
    /* Duet's own */
    ENUM("edition", NULL, edition, CONFIG_FIXED, "open", editions, E_NONE),
    STRING("instance-id", NULL, instance_id, 0, "", E_NONE),
    ENUM("slave-reads", NULL, slave_reads, 0, "edition", slave_reads, E_GENERAL),
    ENUM("durability", NULL, durability, 0, "pair", durabilities, E_REPL),
    STRING("pair-lease", NULL, pair_lease, CONFIG_FIXED, "", E_NONE),
    STRING("control", NULL, control, CONFIG_FIXED, "", E_NONE),
    ENUM("pair-node", NULL, pair_node, CONFIG_FIXED, "none", pair_nodes, E_NONE),

    /* Shape limits of small collections: read by the value kinds as they land. */
    INT("hash-max-listpack-entries", "hash-max-ziplist-entries", hash_packed_entries, 0, "512", 0, INT64_MAX, E_GENERAL),
    INT("hash-max-listpack-value", "hash-max-ziplist-value", hash_packed_bytes, 0, "64", 0, INT64_MAX, E_GENERAL),
    INT("list-max-listpack-size", "list-max-ziplist-size", list_chunk, 0, "-2", INT_MIN, INT_MAX, E_GENERAL),
    {"list-compress-depth", NULL, C_INT, 0, F(list_compress), "0", 0, INT_MAX, NULL, check_compress, NULL, E_NONE},
    INT("set-max-intset-entries", NULL, set_packed_entries, 0, "512", 0, INT64_MAX, E_GENERAL),
    INT("zset-max-listpack-entries", "zset-max-ziplist-entries", zset_packed_entries, 0, "128", 0, INT64_MAX, E_GENERAL),
    INT("zset-max-listpack-value", "zset-max-ziplist-value", zset_packed_bytes, 0, "64", 0, INT64_MAX, E_GENERAL),
    INT("hll-sparse-max-bytes", NULL, hll_sparse_bytes, 0, "3000", 0, INT64_MAX, E_GENERAL),
    BYTES_ROW("stream-node-max-bytes", NULL, stream_node_bytes, 0, "4096", 0, INT64_MAX, E_GENERAL),
    INT("stream-node-max-entries", NULL, stream_node_entries, 0, "100", 0, INT64_MAX, E_GENERAL),
    {"notify-keyspace-events", NULL, C_WORDS, 0, 0, "", 0, 0, NULL, set_notify, show_notify, E_GENERAL},
    INT("busy-reply-threshold", "lua-time-limit", busy_reply_ms, 0, "5000", 0, INT64_MAX, E_NONE),
    INT("lfu-log-factor", NULL, lfu_log_factor, 0, "10", 0, INT_MAX, E_GENERAL),
    INT("lfu-decay-time", NULL, lfu_decay_min, 0, "1", 0, INT_MAX, E_GENERAL),
    KEPT("active-expire-effort", NULL, "1"),
    KEPT("latency-monitor-threshold", NULL, "0"),
    KEPT("latency-tracking", NULL, "yes"),
    INT("tracking-table-max-keys", NULL, tracking_max_keys, 0, "1000000", 0, INT64_MAX, E_NONE),
    /* How Redis works inside: Duet has no fork, no background rehash to switch, one way to free. */
    KEPT("activerehashing", NULL, "yes"),
    KEPT("dynamic-hz", NULL, "yes"),
    KEPT("lazyfree-lazy-eviction", NULL, "no"),
    KEPT("lazyfree-lazy-expire", NULL, "no"),
    KEPT("lazyfree-lazy-server-del", NULL, "no"),
    KEPT("lazyfree-lazy-user-del", NULL, "no"),
    KEPT("lazyfree-lazy-user-flush", NULL, "no"),
    KEPT("replica-lazy-flush", "slave-lazy-flush", "no"),
    KEPT("no-appendfsync-on-rewrite", NULL, "no"),
    KEPT("aof-load-truncated", NULL, "yes"),
    KEPT("aof-use-rdb-preamble", NULL, "yes"),
    KEPT("aof-rewrite-incremental-fsync", NULL, "yes"),
    KEPT("aof-timestamp-enabled", NULL, "no"),
    KEPT("rdb-save-incremental-fsync", NULL, "yes"),
    KEPT("rdb-del-sync-files", NULL, "no"),
    KEPT("repl-diskless-sync", NULL, "yes"),
    KEPT("repl-diskless-load", NULL, "disabled"),
    KEPT("repl-disable-tcp-nodelay", NULL, "no"),
    KEPT("replica-announce-ip", "slave-announce-ip", ""),
    KEPT("replica-announce-port", "slave-announce-port", "0"),
    KEPT("replica-announced", NULL, "yes"),
    KEPT("io-threads-do-reads", NULL, "no"),
    /* Of TLS: there is no Diffie-Hellman without curves, no TLS 1.3; links go without TLS. */
    KEPT("tls-dh-params-file", NULL, ""),
    KEPT("tls-ciphersuites", NULL, ""),
    KEPT("tls-client-cert-file", NULL, ""),
    KEPT("tls-client-key-file", NULL, ""),
    KEPT("tls-client-key-file-pass", NULL, ""),
    KEPT("supervised", NULL, "no"),
    KEPT("set-proc-title", NULL, "yes"),
    KEPT("proc-title-template", NULL, "{title} {listen-addr} {server-mode}"),
    BOOL("always-show-logo", NULL, show_logo, CONFIG_FIXED, "no", E_NONE),
    KEPT("syslog-enabled", NULL, "no"),
    BOOL("crash-log-enabled", NULL, crash_log, 0, "yes", E_NONE),
    KEPT("jemalloc-bg-thread", NULL, "yes"),
    KEPT("oom-score-adj", NULL, "no"),
    KEPT("disable-thp", NULL, "yes"),
    KEPT("use-exit-on-panic", NULL, "no"),
    KEPT("crash-memcheck-enabled", NULL, "yes"),
    KEPT("sanitize-dump-payload", NULL, "no"),
    KEPT("acllog-max-len", NULL, "128"),
    KEPT("acl-pubsub-default", NULL, "resetchannels"),
    KEPT("cluster-enabled", NULL, "no"),
};
/* clang-format on */
const size_t config_row_count = sizeof config_rows / sizeof config_rows[0];
