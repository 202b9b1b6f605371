/* The server's directives: one table of rows with redis.conf's names, read from a file and from the
 * command line, shown and changed by CONFIG. A new directive is a field here and a row in
 * config_table.c. */
#ifndef DUET_SERVER_CONFIG_H
#define DUET_SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct conf_error;

enum config_durability { DURABILITY_ASYNC, DURABILITY_PAIR, DURABILITY_DISK };
enum config_class { CLASS_NORMAL, CLASS_SLAVE, CLASS_PUBSUB, CLASS_COUNT };

struct config_output_limit {
    uint64_t hard_bytes, soft_bytes; /* 0: none */
    int64_t soft_s;
};
struct config_save_point {
    int64_t seconds, changes;
};
enum {
    CONFIG_SAVE_MAX = 8,
    CONFIG_BIND_MAX = 16,
    CONFIG_PERCENTILES_MAX = 16,
    CONFIG_OOM_COUNT = 3
};

/* Policies are numbered as Redis lists them. */
static inline bool config_policy_is_lfu(int policy) {
    return policy == 1 || policy == 5;
}
/* shutdown-on-sigterm and -sigint */
enum config_on_signal { SIGNAL_SAVE = 1, SIGNAL_NOSAVE = 2, SIGNAL_NOW = 4, SIGNAL_FORCE = 8 };
enum config_oom { OOM_NO, OOM_RELATIVE, OOM_ABSOLUTE };
enum config_supervised { SUPERVISED_NO, SUPERVISED_SYSTEMD, SUPERVISED_UPSTART, SUPERVISED_AUTO };

/* Strings are malloc'ed and never NULL; "" is "not given". */
struct config {
    /* network */
    char *bind[CONFIG_BIND_MAX];
    int bind_count;
    int64_t port, tcp_backlog, tcp_keepalive_s, timeout_s, maxclients, unixsocketperm;
    char *unixsocket;
    bool protected_mode;
    /* TLS (tlsconf.c) */
    int64_t tls_port, tls_session_cache_size, tls_session_cache_time_s;
    int tls_auth_clients; /* enum tls_verify */
    char *tls_cert_file, *tls_key_file, *tls_key_pass, *tls_ca_file, *tls_ca_dir;
    char *tls_client_cert_file, *tls_client_key_file;
    char *tls_ciphers, *tls_protocols;
    bool tls_prefer_server_ciphers, tls_session_caching, tls_replication, tls_cluster;
    uint64_t query_limit_bytes, bulk_limit_bytes;
    struct config_output_limit output[CLASS_COUNT];
    /* general */
    char *dir, *logfile, *pidfile;
    bool daemonize, show_logo, crash_log;
    int loglevel;
    int64_t databases, hz, io_threads;
    char *requirepass;
    int enable_debug, enable_protected;
    int edition, slave_reads;
    char *instance_id;
    /* memory */
    uint64_t maxmemory;
    int64_t maxmemory_clients; /* bytes; below 0: percent of maxmemory */
    int maxmemory_policy; /* as the rows' names stand in config_table.c; config_policy_is_lfu */
    int64_t lfu_log_factor, lfu_decay_min;
    int64_t maxmemory_samples, eviction_tenacity;
    bool slave_ignores_maxmemory;
    int64_t slave_copy_memory; /* bytes for a full copy beside the data; -1: what the machine has */
    bool active_defrag;
    uint64_t defrag_ignore_bytes;
    int64_t defrag_lower, defrag_upper, defrag_min, defrag_max; /* percent */
    /* values: from how many elements or bytes on a small form becomes the big one */
    int64_t list_chunk, list_compress;
    int64_t set_packed_entries, hash_packed_entries, hash_packed_bytes;
    int64_t zset_packed_entries, zset_packed_bytes, hll_sparse_bytes;
    uint64_t stream_node_bytes;
    int64_t stream_node_entries;
    /* persistence */
    bool appendonly, rdb_compression, rdb_checksum, stop_writes_on_save_error;
    int appendfsync;
    int rdb_version; /* of dump.rdb, and for slaves that are older than PSYNC2: 10, 7 (Redis 3.2) or 6 (2.8) */
    char *appendfilename, *appenddirname, *dbfilename;
    struct config_save_point save[CONFIG_SAVE_MAX];
    int save_count;
    int64_t rewrite_percent;
    int64_t save_rest_us; /* for test suites: a rest behind each key of a snapshot */
    uint64_t rewrite_min_bytes;
    uint64_t log_keep_bytes; /* of the log behind its base, to go back in */
    /* replication */
    char *master_host, *masterauth, *masteruser;
    int64_t master_port;
    bool serve_stale, slave_read_only;
    uint64_t backlog_bytes;
    int64_t backlog_ttl_s, repl_timeout_s, repl_ping_s, diskless_delay_s;
    bool diskless_sync, repl_delays_small;
    int64_t diskless_max;
    int64_t min_slaves, min_slaves_lag_s, slave_priority;
    unsigned notify_events;     /* notify.h */
    uint64_t tracking_max_keys; /* of the table; 0: any number */
    char *announce_ip;
    int64_t announce_port;
    bool announced;
    /* slow log and latency */
    int64_t slowlog_us, slowlog_len;
    int64_t busy_reply_ms; /* of a script, until others are told BUSY; 0: never */
    bool latency_tracking;
    double percentiles[CONFIG_PERCENTILES_MAX];
    int percentile_count;
    int64_t latency_threshold_ms;
    /* the process */
    int supervised, on_sigterm, on_sigint;
    int64_t shutdown_timeout_s;
    int oom_mode;                         /* enum config_oom */
    int64_t oom_values[CONFIG_OOM_COUNT]; /* as master, as slave, of children */
    char *proc_title;
    /* Duet's own */
    char *pair_lease, *control;
    int pair_node;  /* 0, 'a' or 'b' */
    char *pair_key; /* 64 hexadecimal digits, or "" */
    char *
        pair_key_also; /* while the key is changed: the other one that a master may prove to have */
    int durability;
    bool active_expire; /* DEBUG SET-ACTIVE-EXPIRE */
    /* KEPT rows' values, by row number: numbers as their kind has them, strings. */
    int64_t *kept_numbers;
    char **kept;
    /* rename-command: pairs of names, the new one may be "". */
    char **renames;
    size_t rename_count;
    /* Where it was read from; "" when there was no file. */
    char *file;
};

void config_presets(struct config *c);
void config_free(struct config *c);
/* Presets, then FILE (argv[0] when it does not begin with "--", "-" reads standard input), then the
 * options. False: err names the place, what is wrong and what to do. */
bool config_load(struct config *c, int argc, char **argv, struct conf_error *err);

/* CONFIG GET: appends a reply that holds every directive matching one of the patterns. */
struct bytes;
void config_get(const struct config *c, const struct bytes *patterns, int count, struct buf *reply,
                int resp);
/* CONFIG SET of name value pairs, all or none; appends the reply. trusted: protected directives too. False: refused. */
bool config_set(struct config *c, const struct bytes *args, int count, bool trusted,
                struct buf *reply);
/* CONFIG REWRITE (config_rewrite.c): keeps comments and order, replaces what changed, appends what is not the
 * preset. all: the presets too. False with a sentence in err. */
bool config_rewrite(const struct config *c, bool all, char *err, size_t err_size);
/* The --help text: a line a directive. */
void config_help(void);
/* Appends one directive's value as CONFIG GET shows it. */
struct config_row;
void config_show(const struct config *c, const struct config_row *row, struct buf *out);
const struct config_row *config_find(const char *name, size_t len);

/* ---- The table (config_table.c). */

enum config_effect {
    E_NONE,
    E_NETWORK,
    E_BIND,
    E_PERSIST,
    E_REPL,
    E_GENERAL,
    E_DIR,
    E_TLS,
    E_CLIENTS,
    E_OOM
};
enum config_kind { C_BOOL, C_INT, C_OCTAL, C_BYTES, C_PERCENT, C_ENUM, C_FLAGS, C_STRING, C_WORDS };
enum {
    CONFIG_FIXED = 1,     /* only at start */
    CONFIG_PROTECTED = 2, /* CONFIG SET needs enable-protected-configs */
    CONFIG_HIDDEN = 4,    /* CONFIG GET shows it by its name, not by patterns */
    CONFIG_LINES = 8,     /* a word list that is written as several lines (save) */
    CONFIG_MANY = 16,     /* takes any number of words */
    CONFIG_KEPT = 32,     /* taken and shown, without a field or an effect */
    CONFIG_UNSET = 64,    /* "" is "not given": REWRITE takes the line out */
    CONFIG_SECRET = 128,  /* not to be seen in logs */
    CONFIG_PRIVATE = 512, /* nobody is shown it */
    CONFIG_ONLY = 256     /* no other value than the preset makes sense: `why` says why */
};
struct config_enum {
    const char *name; /* the last row's is NULL */
    int value;
};
struct config_row {
    const char *name, *alias; /* alias may be NULL */
    enum config_kind kind;
    int flags;
    size_t offset;                   /* in struct config; KEPT: unused */
    const char *preset;              /* words apart by spaces */
    int64_t min, max;                /* of C_BYTES as unsigned numbers */
    const struct config_enum *names; /* C_ENUM, C_FLAGS */
    /* C_WORDS: sets from words, false with *err; and shows. The rest: NULL, or a check that runs before the value is
     * taken. */
    bool (*set)(struct config *c, int argc, char **argv, const char **err);
    void (*show)(const struct config *c, struct buf *out);
    enum config_effect effect; /* what must be told when a running server's value changed */
    const char *why;           /* ONLY */
};
/* Sets a directive from words; at start only. *err is a static sentence. */
bool config_set_words(struct config *c, const struct config_row *row, int argc, char **argv,
                      const char **err);
extern const struct config_row config_rows[];
extern const size_t config_row_count;

/* ---- Between the files of the configuration. */

/* config_value.c: values of the simple kinds. */
bool config_parse(const struct config_row *row, int argc, char **argv, int64_t *v,
                  const char **err);
int64_t config_number(const struct config *c, const struct config_row *row);
void config_put_number(struct config *c, const struct config_row *row, int64_t v);
char **config_string(const struct config *c, const struct config_row *row);
void config_show_number(const struct config_row *row, int64_t v, struct buf *out);
/* config_words.c: directives of several words, and checks; the table's functions. */
bool set_bind(struct config *c, int argc, char **argv, const char **err);
void show_bind(const struct config *c, struct buf *out);
bool set_save(struct config *c, int argc, char **argv, const char **err);
void show_save(const struct config *c, struct buf *out);
bool set_output(struct config *c, int argc, char **argv, const char **err);
void show_output(const struct config *c, struct buf *out);
bool set_notify(struct config *c, int argc, char **argv, const char **err);
void show_notify(const struct config *c, struct buf *out);
bool set_replicaof(struct config *c, int argc, char **argv, const char **err);
void show_replicaof(const struct config *c, struct buf *out);
bool set_percentiles(struct config *c, int argc, char **argv, const char **err);
void show_percentiles(const struct config *c, struct buf *out);
bool set_oom_values(struct config *c, int argc, char **argv, const char **err);
void show_oom_values(const struct config *c, struct buf *out);
typedef bool config_check(struct config *c, int argc, char **argv, const char **err);
config_check check_dbfilename, check_appendfilename, check_appenddirname, check_tls_protocols,
    check_tls_cluster, check_pair_key, check_on_signal, check_hostname, check_proc_title;
/* A percentile without trailing zeros: "99.9". */
void config_percentile_name(double percentile, char *out, size_t size);
/* "12mb" as redis.conf writes it. */
void config_format_bytes(char *out, size_t size, uint64_t bytes);

/* Makes changed values take effect in the running server; set by the wiring before CONFIG SET can
 * run. False with *err undoes the change. */
extern bool (*config_effect)(enum config_effect effect, const char **err);

#endif
