/* Every directive, a row each: redis.conf's names, aliases, presets and limits, and Duet's own.
 *
 *   name, alias        as in redis.conf; CONFIG GET shows both
 *   kind               how the words are read and shown
 *   flags              FIXED: only at start; PROTECTED: see enable-protected-configs
 *   field              where the value stands in struct config
 *   preset, min, max   numbers only for INT, BYTES and OCTAL
 *   effect             what is told when CONFIG SET changed it
 * A KEPT row is taken and shown, for the configuration files of today's users, and has no effect
 * here; the comment above the group says why. An ONLY row has one value that makes sense. */
#include "server/config.h"

#include "server/base/log.h"
#include "server/base/tls.h"

#include <limits.h>

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
static const struct config_enum rdb_versions[] = {{"10", 10}, {"7", 7}, {"6", 6}, {NULL, 0}};
static const struct config_enum editions[] = {
    {"open", 0}, {"master-slave", 1}, {"ckv", 2}, {"cluster", 3}, {NULL, 0}};
static const struct config_enum slave_reads[] = {{"edition", 0}, {"yes", 1}, {"no", 2}, {NULL, 0}};
static const struct config_enum durabilities[] = {
    {"async", DURABILITY_ASYNC}, {"pair", DURABILITY_PAIR}, {"disk", DURABILITY_DISK}, {NULL, 0}};
static const struct config_enum pair_nodes[] = {{"none", 0}, {"a", 'a'}, {"b", 'b'}, {NULL, 0}};
static const struct config_enum verifies[] = {
    {"no", TLS_VERIFY_NO}, {"yes", TLS_VERIFY_YES}, {"optional", TLS_VERIFY_OPTIONAL}, {NULL, 0}};
static const struct config_enum propagation[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {NULL, 0}};
static const struct config_enum supervisors[] = {{"upstart", SUPERVISED_UPSTART},
                                                 {"systemd", SUPERVISED_SYSTEMD},
                                                 {"auto", SUPERVISED_AUTO},
                                                 {"no", SUPERVISED_NO},
                                                 {NULL, 0}};
static const struct config_enum on_signals[] = {
    {"default", 0},      {"save", SIGNAL_SAVE},   {"nosave", SIGNAL_NOSAVE},
    {"now", SIGNAL_NOW}, {"force", SIGNAL_FORCE}, {NULL, 0}};
static const struct config_enum oom_modes[] = {{"no", OOM_NO},
                                               {"yes", OOM_RELATIVE},
                                               {"relative", OOM_RELATIVE},
                                               {"absolute", OOM_ABSOLUTE},
                                               {NULL, 0}};
static const struct config_enum diskless_loads[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {NULL, 0}};
static const struct config_enum sanitizers[] = {{"no", 0}, {"yes", 1}, {"clients", 2}, {NULL, 0}};
static const struct config_enum acl_channels[] = {
    {"allchannels", 1}, {"resetchannels", 0}, {NULL, 0}};
static const struct config_enum endpoints[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {NULL, 0}};
static const struct config_enum facilities[] = {
    {"user", 8},    {"local0", 16}, {"local1", 17}, {"local2", 18}, {"local3", 19},
    {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23}, {NULL, 0}};
static const struct config_enum allowed[] = {{"no", 0}, {"yes", 1}, {"local", 2}, {NULL, 0}};

#define F(field) offsetof(struct config, field)
/* name, alias, field, flags, preset ..., effect */
#define BOOL(n, a, f, fl, p, e)                                                                    \
    { n, a, C_BOOL, fl, F(f), p, 0, 0, NULL, NULL, NULL, e, NULL }
#define INT(n, a, f, fl, p, min, max, e)                                                           \
    { n, a, C_INT, fl, F(f), p, min, max, NULL, NULL, NULL, e, NULL }
#define BYTES_ROW(n, a, f, fl, p, min, max, e)                                                     \
    { n, a, C_BYTES, fl, F(f), p, min, max, NULL, NULL, NULL, e, NULL }
#define STRING(n, a, f, fl, p, e)                                                                  \
    { n, a, C_STRING, fl, F(f), p, 0, 0, NULL, NULL, NULL, e, NULL }
#define CHECKED(n, f, fl, p, check, e)                                                             \
    { n, NULL, C_STRING, fl, F(f), p, 0, 0, NULL, check, NULL, e, NULL }
#define ENUM(n, a, f, fl, p, names, e)                                                             \
    { n, a, C_ENUM, fl, F(f), p, 0, 0, names, NULL, NULL, e, NULL }
#define WORDS(n, a, fl, p, set, show, e)                                                           \
    { n, a, C_WORDS, (fl) | CONFIG_MANY, 0, p, 0, 0, NULL, set, show, e, NULL }
/* Without a field: name, alias, flags, preset. */
#define KEPT_AS(kind, n, a, fl, p, min, max, names)                                                \
    { n, a, kind, (fl) | CONFIG_KEPT, 0, p, min, max, names, NULL, NULL, E_NONE, NULL }
#define KEPT_BOOL(n, a, fl, p)            KEPT_AS(C_BOOL, n, a, fl, p, 0, 0, NULL)
#define KEPT_INT(n, a, fl, p, min, max)   KEPT_AS(C_INT, n, a, fl, p, min, max, NULL)
#define KEPT_BYTES(n, a, fl, p, min, max) KEPT_AS(C_BYTES, n, a, fl, p, min, max, NULL)
#define KEPT_ENUM(n, a, fl, p, names)     KEPT_AS(C_ENUM, n, a, fl, p, 0, 0, names)
#define KEPT_STRING(n, a, fl, p)          KEPT_AS(C_STRING, n, a, fl, p, 0, 0, NULL)
/* No value but this one: the sentence says why. */
#define ONLY(kind, n, fl, p, max, why)                                                             \
    { n, NULL, kind, (fl) | CONFIG_KEPT | CONFIG_ONLY, 0, p, 0, max, NULL, NULL, NULL, E_NONE, why }

/* clang-format off */
const struct config_row config_rows[] = {
    /* network */
    WORDS("bind", NULL, 0, "* -::*", set_bind, show_bind, E_BIND),
    INT("port", NULL, port, 0, "6379", 0, 65535, E_NETWORK),
    INT("tcp-backlog", NULL, tcp_backlog, CONFIG_FIXED, "511", 0, INT_MAX, E_NONE),
    INT("tcp-keepalive", NULL, tcp_keepalive_s, 0, "300", 0, INT_MAX, E_NONE),
    INT("timeout", NULL, timeout_s, 0, "0", 0, INT_MAX, E_GENERAL),
    INT("maxclients", NULL, maxclients, 0, "10000", 1, UINT_MAX, E_GENERAL),
    STRING("unixsocket", NULL, unixsocket, CONFIG_FIXED | CONFIG_UNSET, "", E_NONE),
    {"unixsocketperm", NULL, C_OCTAL, CONFIG_FIXED, F(unixsocketperm), "0", 0, 0777, NULL, NULL, NULL, E_NONE, NULL},
    ONLY(C_STRING, "bind-source-addr", CONFIG_UNSET, "", 0, "links to other servers begin at the address that their route gives them"),
    ONLY(C_INT, "socket-mark-id", CONFIG_FIXED, "0", UINT_MAX, "connections are not marked for the firewall: only 0 is accepted"),
    BOOL("protected-mode", NULL, protected_mode, 0, "yes", E_NONE),
    BYTES_ROW("client-query-buffer-limit", NULL, query_limit_bytes, 0, "1073741824", 1048576, INT64_MAX, E_NONE),
    BYTES_ROW("proto-max-bulk-len", NULL, bulk_limit_bytes, 0, "536870912", 1048576, INT64_MAX, E_NONE),
    WORDS("client-output-buffer-limit", NULL, 0,
          "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", set_output, show_output, E_REPL),
    /* TLS */
    INT("tls-port", NULL, tls_port, 0, "0", 0, 65535, E_NETWORK),
    STRING("tls-cert-file", NULL, tls_cert_file, CONFIG_UNSET, "", E_TLS),
    STRING("tls-key-file", NULL, tls_key_file, CONFIG_UNSET, "", E_TLS),
    STRING("tls-key-file-pass", NULL, tls_key_pass, CONFIG_UNSET, "", E_TLS),
    STRING("tls-ca-cert-file", NULL, tls_ca_file, CONFIG_UNSET, "", E_TLS),
    STRING("tls-ca-cert-dir", NULL, tls_ca_dir, CONFIG_UNSET, "", E_TLS),
    ENUM("tls-auth-clients", NULL, tls_auth_clients, 0, "yes", verifies, E_TLS),
    CHECKED("tls-protocols", tls_protocols, CONFIG_UNSET, "", check_tls_protocols, E_TLS),
    STRING("tls-ciphers", NULL, tls_ciphers, CONFIG_UNSET, "", E_TLS),
    BOOL("tls-prefer-server-ciphers", NULL, tls_prefer_server_ciphers, 0, "no", E_TLS),
    BOOL("tls-session-caching", NULL, tls_session_caching, 0, "yes", E_TLS),
    INT("tls-session-cache-size", NULL, tls_session_cache_size, 0, "20480", 0, INT_MAX, E_TLS),
    INT("tls-session-cache-timeout", NULL, tls_session_cache_time_s, 0, "300", 0, INT_MAX, E_TLS),
    BOOL("tls-replication", NULL, tls_replication, 0, "no", E_TLS),
    STRING("tls-client-cert-file", NULL, tls_client_cert_file, CONFIG_UNSET, "", E_TLS),
    STRING("tls-client-key-file", NULL, tls_client_key_file, CONFIG_UNSET, "", E_TLS),
    {"tls-cluster", NULL, C_BOOL, 0, F(tls_cluster), "no", 0, 0, NULL, check_tls_cluster, NULL, E_NONE, NULL},
    /* general */
    STRING("dir", NULL, dir, CONFIG_PROTECTED, ".", E_DIR),
    STRING("logfile", NULL, logfile, CONFIG_FIXED, "", E_NONE),
    STRING("pidfile", NULL, pidfile, CONFIG_FIXED | CONFIG_UNSET, "", E_NONE),
    BOOL("daemonize", NULL, daemonize, CONFIG_FIXED, "no", E_NONE),
    ENUM("loglevel", NULL, loglevel, 0, "notice", loglevels, E_GENERAL),
    INT("databases", NULL, databases, CONFIG_FIXED, "16", 1, INT_MAX, E_NONE),
    INT("hz", NULL, hz, 0, "10", 0, INT_MAX, E_GENERAL),
    INT("io-threads", NULL, io_threads, CONFIG_FIXED, "1", 1, 128, E_NONE),
    STRING("requirepass", NULL, requirepass, CONFIG_UNSET | CONFIG_SECRET, "", E_GENERAL),
    ENUM("enable-debug-command", NULL, enable_debug, CONFIG_FIXED, "no", allowed, E_NONE),
    /* There are no modules to enable. */
    KEPT_ENUM("enable-module-command", NULL, CONFIG_FIXED, "no", allowed),
    /* An inconsistency always ends the process by name (bug). */
    KEPT_ENUM("propagation-error-behavior", NULL, 0, "ignore", propagation),
    ENUM("enable-protected-configs", NULL, enable_protected, CONFIG_FIXED, "no", allowed, E_NONE),
    /* memory */
    BYTES_ROW("maxmemory", NULL, maxmemory, 0, "0", 0, -1, E_GENERAL),
    {"maxmemory-clients", NULL, C_PERCENT, 0, F(maxmemory_clients), "0", -100, INT64_MAX, NULL, NULL, NULL, E_CLIENTS, NULL},
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
    KEPT_INT("active-defrag-max-scan-fields", NULL, 0, "1000", 1, INT64_MAX),
    /* persistence: unlike Redis the log is on when nothing is said, and then no RDB file is due */
    BOOL("appendonly", NULL, appendonly, 0, "yes", E_PERSIST),
    ENUM("appendfsync", NULL, appendfsync, 0, "everysec", fsyncs, E_PERSIST),
    CHECKED("appendfilename", appendfilename, CONFIG_FIXED, "appendonly.aof", check_appendfilename, E_NONE),
    CHECKED("appenddirname", appenddirname, CONFIG_FIXED, "appendonlydir", check_appenddirname, E_NONE),
    WORDS("save", NULL, CONFIG_LINES, "", set_save, show_save, E_PERSIST),
    CHECKED("dbfilename", dbfilename, CONFIG_PROTECTED, "dump.rdb", check_dbfilename, E_PERSIST),
    BOOL("rdbcompression", NULL, rdb_compression, 0, "yes", E_PERSIST),
    BOOL("rdbchecksum", NULL, rdb_checksum, CONFIG_FIXED, "yes", E_NONE),
    BOOL("stop-writes-on-bgsave-error", NULL, stop_writes_on_save_error, 0, "yes", E_NONE),
    INT("auto-aof-rewrite-percentage", NULL, rewrite_percent, 0, "100", 0, INT_MAX, E_PERSIST),
    BYTES_ROW("auto-aof-rewrite-min-size", NULL, rewrite_min_bytes, 0, "67108864", 0, INT64_MAX, E_PERSIST),
    /* replication */
    WORDS("replicaof", "slaveof", CONFIG_FIXED, "", set_replicaof, show_replicaof, E_NONE),
    STRING("masterauth", NULL, masterauth, CONFIG_UNSET | CONFIG_SECRET, "", E_REPL),
    STRING("masteruser", NULL, masteruser, CONFIG_UNSET | CONFIG_SECRET, "", E_REPL),
    BOOL("replica-serve-stale-data", "slave-serve-stale-data", serve_stale, 0, "yes", E_REPL),
    BOOL("replica-read-only", "slave-read-only", slave_read_only, 0, "yes", E_REPL),
    BYTES_ROW("repl-backlog-size", NULL, backlog_bytes, 0, "1048576", 1, INT64_MAX, E_REPL),
    INT("repl-backlog-ttl", NULL, backlog_ttl_s, 0, "3600", 0, INT64_MAX, E_REPL),
    INT("repl-timeout", NULL, repl_timeout_s, 0, "60", 1, INT_MAX, E_REPL),
    INT("repl-ping-replica-period", "repl-ping-slave-period", repl_ping_s, 0, "10", 1, INT_MAX, E_REPL),
    BOOL("repl-diskless-sync", NULL, diskless_sync, 0, "yes", E_REPL),
    INT("repl-diskless-sync-delay", NULL, diskless_delay_s, 0, "5", 0, INT_MAX, E_REPL),
    INT("repl-diskless-sync-max-replicas", NULL, diskless_max, 0, "0", 0, INT_MAX, E_REPL),
    BOOL("repl-disable-tcp-nodelay", NULL, repl_delays_small, 0, "no", E_REPL),
    INT("min-replicas-to-write", "min-slaves-to-write", min_slaves, 0, "0", 0, INT_MAX, E_REPL),
    INT("min-replicas-max-lag", "min-slaves-max-lag", min_slaves_lag_s, 0, "10", 0, INT_MAX, E_REPL),
    INT("replica-priority", "slave-priority", slave_priority, 0, "100", 0, INT_MAX, E_REPL),
    STRING("replica-announce-ip", "slave-announce-ip", announce_ip, CONFIG_UNSET, "", E_REPL),
    INT("replica-announce-port", "slave-announce-port", announce_port, 0, "0", 0, 65535, E_REPL),
    BOOL("replica-announced", NULL, announced, 0, "yes", E_NONE),
    /* slow log and latency */
    INT("slowlog-log-slower-than", NULL, slowlog_us, 0, "10000", -1, INT64_MAX, E_NONE),
    INT("slowlog-max-len", NULL, slowlog_len, 0, "128", 0, INT64_MAX, E_NONE),
    INT("latency-monitor-threshold", NULL, latency_threshold_ms, 0, "0", 0, INT64_MAX, E_NONE),
    BOOL("latency-tracking", NULL, latency_tracking, 0, "yes", E_NONE),
    WORDS("latency-tracking-info-percentiles", NULL, 0, "50 99 99.9", set_percentiles, show_percentiles, E_NONE),
    /* the process */
    ENUM("supervised", NULL, supervised, CONFIG_FIXED, "no", supervisors, E_NONE),
    {"shutdown-on-sigint", NULL, C_FLAGS, CONFIG_MANY, F(on_sigint), "default", 0, 0, on_signals, check_on_signal, NULL, E_NONE, NULL},
    {"shutdown-on-sigterm", NULL, C_FLAGS, CONFIG_MANY, F(on_sigterm), "default", 0, 0, on_signals, check_on_signal, NULL, E_NONE, NULL},
    INT("shutdown-timeout", NULL, shutdown_timeout_s, 0, "10", 0, INT_MAX, E_NONE),
    ENUM("oom-score-adj", NULL, oom_mode, 0, "no", oom_modes, E_OOM),
    WORDS("oom-score-adj-values", NULL, 0, "0 200 800", set_oom_values, show_oom_values, E_OOM),
    /* Duet's own */
    ENUM("edition", NULL, edition, CONFIG_FIXED | CONFIG_HIDDEN, "open", editions, E_NONE),
    INT("rdb-key-save-delay", NULL, save_rest_us, CONFIG_HIDDEN, "0", INT_MIN, INT_MAX, E_PERSIST),
    BYTES_ROW("log-keep-bytes", NULL, log_keep_bytes, CONFIG_HIDDEN, "1gb", 0, INT64_MAX, E_PERSIST),
    ENUM("rdb-version", NULL, rdb_version, CONFIG_HIDDEN, "10", rdb_versions, E_PERSIST),
    STRING("instance-id", NULL, instance_id, CONFIG_HIDDEN, "", E_NONE),
    ENUM("slave-reads", NULL, slave_reads, CONFIG_HIDDEN, "edition", slave_reads, E_GENERAL),
    INT("slave-copy-memory", NULL, slave_copy_memory, CONFIG_HIDDEN, "-1", -1, INT64_MAX, E_NONE),
    ENUM("durability", NULL, durability, CONFIG_HIDDEN, "pair", durabilities, E_REPL),
    STRING("pair-lease", NULL, pair_lease, CONFIG_FIXED | CONFIG_HIDDEN, "", E_NONE),
    STRING("control", NULL, control, CONFIG_FIXED | CONFIG_HIDDEN, "", E_NONE),
    {"pair-key", NULL, C_STRING, CONFIG_PROTECTED | CONFIG_HIDDEN | CONFIG_PRIVATE | CONFIG_SECRET, F(pair_key), "", 0, 0, NULL, check_pair_key, NULL, E_REPL, NULL},
    {"pair-key-also", NULL, C_STRING, CONFIG_PROTECTED | CONFIG_HIDDEN | CONFIG_PRIVATE | CONFIG_SECRET, F(pair_key_also), "", 0, 0, NULL, check_pair_key, NULL, E_REPL, NULL},
    ENUM("pair-node", NULL, pair_node, CONFIG_FIXED | CONFIG_HIDDEN, "none", pair_nodes, E_NONE),

    /* Shape limits of small collections: read by the value kinds as they land. */
    INT("hash-max-listpack-entries", "hash-max-ziplist-entries", hash_packed_entries, 0, "512", 0, INT64_MAX, E_GENERAL),
    BYTES_ROW("hash-max-listpack-value", "hash-max-ziplist-value", hash_packed_bytes, 0, "64", 0, INT64_MAX, E_GENERAL),
    INT("list-max-listpack-size", "list-max-ziplist-size", list_chunk, 0, "-2", INT_MIN, INT_MAX, E_GENERAL),
    /* Lists stay uncompressed whatever stands here: only memory shows it. */
    INT("list-compress-depth", NULL, list_compress, 0, "0", 0, INT_MAX, E_GENERAL),
    INT("set-max-intset-entries", NULL, set_packed_entries, 0, "512", 0, INT64_MAX, E_GENERAL),
    INT("zset-max-listpack-entries", "zset-max-ziplist-entries", zset_packed_entries, 0, "128", 0, INT64_MAX, E_GENERAL),
    BYTES_ROW("zset-max-listpack-value", "zset-max-ziplist-value", zset_packed_bytes, 0, "64", 0, INT64_MAX, E_GENERAL),
    BYTES_ROW("hll-sparse-max-bytes", NULL, hll_sparse_bytes, 0, "3000", 0, INT64_MAX, E_GENERAL),
    BYTES_ROW("stream-node-max-bytes", NULL, stream_node_bytes, 0, "4096", 0, INT64_MAX, E_GENERAL),
    INT("stream-node-max-entries", NULL, stream_node_entries, 0, "100", 0, INT64_MAX, E_GENERAL),
    {"notify-keyspace-events", NULL, C_WORDS, 0, 0, "", 0, 0, NULL, set_notify, show_notify, E_GENERAL, NULL},
    INT("busy-reply-threshold", "lua-time-limit", busy_reply_ms, 0, "5000", 0, INT64_MAX, E_NONE),
    INT("lfu-log-factor", NULL, lfu_log_factor, 0, "10", 0, INT_MAX, E_GENERAL),
    INT("lfu-decay-time", NULL, lfu_decay_min, 0, "1", 0, INT_MAX, E_GENERAL),
    KEPT_INT("active-expire-effort", NULL, 0, "1", 1, 10),
    INT("tracking-table-max-keys", NULL, tracking_max_keys, 0, "1000000", 0, INT64_MAX, E_NONE),
    /* How Redis works inside: Duet has no fork, no background rehash to switch, one way to free, one way to send a copy. */
    KEPT_BOOL("activerehashing", NULL, 0, "yes"),
    KEPT_BOOL("dynamic-hz", NULL, 0, "yes"),
    KEPT_BOOL("lazyfree-lazy-eviction", NULL, 0, "no"),
    KEPT_BOOL("lazyfree-lazy-expire", NULL, 0, "no"),
    KEPT_BOOL("lazyfree-lazy-server-del", NULL, 0, "no"),
    KEPT_BOOL("lazyfree-lazy-user-del", NULL, 0, "no"),
    KEPT_BOOL("lazyfree-lazy-user-flush", NULL, 0, "no"),
    KEPT_BOOL("replica-lazy-flush", "slave-lazy-flush", 0, "no"),
    KEPT_BOOL("no-appendfsync-on-rewrite", NULL, 0, "no"),
    KEPT_BOOL("aof-load-truncated", NULL, 0, "yes"),
    KEPT_BOOL("aof-use-rdb-preamble", NULL, 0, "yes"),
    KEPT_BOOL("aof-rewrite-incremental-fsync", NULL, 0, "yes"),
    KEPT_BOOL("aof-timestamp-enabled", NULL, 0, "no"),
    KEPT_BOOL("aof-disable-auto-gc", NULL, 0, "no"),
    KEPT_BOOL("rdb-save-incremental-fsync", NULL, 0, "yes"),
    KEPT_BOOL("rdb-del-sync-files", NULL, 0, "no"),
    KEPT_ENUM("repl-diskless-load", NULL, 0, "disabled", diskless_loads),
    KEPT_BOOL("replica-ignore-disk-write-errors", NULL, 0, "no"),
    KEPT_BOOL("io-threads-do-reads", NULL, CONFIG_FIXED, "no"),
    KEPT_BOOL("jemalloc-bg-thread", NULL, 0, "yes"),
    KEPT_BOOL("disable-thp", NULL, CONFIG_FIXED, "yes"),
    KEPT_STRING("bio_cpulist", NULL, CONFIG_FIXED | CONFIG_UNSET, ""),
    KEPT_STRING("aof_rewrite_cpulist", NULL, CONFIG_FIXED | CONFIG_UNSET, ""),
    KEPT_STRING("bgsave_cpulist", NULL, CONFIG_FIXED | CONFIG_UNSET, ""),
    KEPT_ENUM("sanitize-dump-payload", NULL, 0, "no", sanitizers),
    KEPT_BOOL("crash-memcheck-enabled", NULL, 0, "yes"),
    KEPT_STRING("ignore-warnings", NULL, 0, ""),
    /* Of TLS: there is no Diffie-Hellman without curves, no TLS 1.3; links go without TLS. */
    KEPT_STRING("tls-dh-params-file", NULL, CONFIG_UNSET, ""),
    KEPT_STRING("tls-ciphersuites", NULL, CONFIG_UNSET, ""),
    KEPT_STRING("tls-client-key-file-pass", NULL, CONFIG_UNSET, ""),
    /* What people see of the process. */
    KEPT_BOOL("set-proc-title", NULL, CONFIG_FIXED, "yes"),
    {"proc-title-template", NULL, C_STRING, CONFIG_KEPT, 0, "{title} {listen-addr} {server-mode}", 0, 0, NULL, check_proc_title, NULL, E_NONE, NULL},
    BOOL("always-show-logo", NULL, show_logo, CONFIG_FIXED, "no", E_NONE),
    BOOL("crash-log-enabled", NULL, crash_log, 0, "yes", E_NONE),
    KEPT_STRING("syslog-ident", NULL, CONFIG_FIXED, "redis"),
    KEPT_ENUM("syslog-facility", NULL, CONFIG_FIXED, "local0", facilities),
    ONLY(C_BOOL, "syslog-enabled", CONFIG_FIXED, "no", 0, "the log goes to logfile or to standard output; let the supervisor hand that on to syslog"),
    ONLY(C_STRING, "server_cpulist", CONFIG_FIXED | CONFIG_UNSET, "", 0, "start the server under taskset -c LIST instead"),
    /* One user, no modules, no cluster: these are taken as a server without a cluster takes them. */
    KEPT_INT("acllog-max-len", NULL, 0, "128", 0, INT64_MAX),
    KEPT_ENUM("acl-pubsub-default", NULL, 0, "resetchannels", acl_channels),
    ONLY(C_STRING, "aclfile", CONFIG_FIXED, "", 0, "there is one user, the default one: requirepass is its password"),
    ONLY(C_BOOL, "cluster-enabled", CONFIG_FIXED, "no", 0, "cluster mode is not part of Duet; remove this line"),
    KEPT_STRING("cluster-config-file", NULL, CONFIG_FIXED, "nodes.conf"),
    KEPT_INT("cluster-node-timeout", NULL, 0, "15000", 0, INT64_MAX),
    KEPT_INT("cluster-port", NULL, CONFIG_FIXED, "0", 0, 65535),
    KEPT_STRING("cluster-announce-ip", NULL, CONFIG_UNSET, ""),
    KEPT_INT("cluster-announce-port", NULL, 0, "0", 0, 65535),
    KEPT_INT("cluster-announce-bus-port", NULL, 0, "0", 0, 65535),
    KEPT_INT("cluster-announce-tls-port", NULL, 0, "0", 0, 65535),
    {"cluster-announce-hostname", NULL, C_STRING, CONFIG_KEPT | CONFIG_UNSET, 0, "", 0, 0, NULL, check_hostname, NULL, E_NONE, NULL},
    KEPT_ENUM("cluster-preferred-endpoint-type", NULL, 0, "ip", endpoints),
    KEPT_BOOL("cluster-require-full-coverage", NULL, 0, "yes"),
    KEPT_BOOL("cluster-replica-no-failover", "cluster-slave-no-failover", 0, "no"),
    KEPT_BOOL("cluster-allow-reads-when-down", NULL, 0, "no"),
    KEPT_BOOL("cluster-allow-pubsubshard-when-down", NULL, 0, "yes"),
    KEPT_BOOL("cluster-allow-replica-migration", NULL, 0, "yes"),
    KEPT_INT("cluster-replica-validity-factor", "cluster-slave-validity-factor", 0, "10", 0, INT_MAX),
    KEPT_INT("cluster-migration-barrier", NULL, 0, "1", 0, INT_MAX),
    KEPT_BYTES("cluster-link-sendbuf-limit", NULL, 0, "0", 0, -1),
    /* For test suites: what they slow down or watch here is not there. */
    KEPT_BOOL("use-exit-on-panic", NULL, CONFIG_HIDDEN, "no"),
    KEPT_INT("key-load-delay", NULL, CONFIG_HIDDEN, "0", INT_MIN, INT_MAX),
    KEPT_INT("watchdog-period", NULL, CONFIG_HIDDEN, "0", 0, INT_MAX),
    KEPT_INT("loading-process-events-interval-bytes", NULL, CONFIG_HIDDEN, "2097152", 1024, INT_MAX),
};
/* clang-format on */
const size_t config_row_count = sizeof config_rows / sizeof config_rows[0];
