/* Directives of several words, and checks of single ones. Their errors are redis-server's. */
#include "server/config.h"

#include "server/base/buf.h"
#include "server/base/decimal.h"
#include "server/base/num.h"
#include "server/notify.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A long and nothing behind it, as strtoll reads it: leading blanks and a sign are taken, "" is 0. */
static bool whole_number(const char *word, int64_t *v) {
    char *end;
    *v = strtoll(word, &end, 10);
    return !*end;
}

bool set_bind(struct config *c, int argc, char **argv, const char **err) {
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

void show_bind(const struct config *c, struct buf *out) {
    for (int i = 0; i < c->bind_count; i++) buf_printf(out, "%s%s", i ? " " : "", c->bind[i]);
}

static bool sane_save(int argc, char **argv) {
    int64_t v;
    if (argc % 2) return false;
    for (int i = 0; i < argc; i++)
        if (!whole_number(argv[i], &v) || v < (i % 2 ? 0 : 1)) return false;
    return true;
}

/* Lines of a file add up, as redis.conf has them; "" empties the list. */
bool set_save(struct config *c, int argc, char **argv, const char **err) {
    if (argc == 1 && !*argv[0]) {
        c->save_count = 0;
        return true;
    }
    *err = "Invalid save parameters";
    if (!sane_save(argc, argv)) return false;
    *err = "Too many save parameters";
    if (c->save_count + argc / 2 > CONFIG_SAVE_MAX) return false;
    for (int i = 0; i < argc; i += 2) {
        struct config_save_point *p = &c->save[c->save_count++];
        whole_number(argv[i], &p->seconds);
        whole_number(argv[i + 1], &p->changes);
        p->changes = (int)p->changes;
    }
    return true;
}

void show_save(const struct config *c, struct buf *out) {
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

static bool parse_bytes(char *word, uint64_t *bytes) {
    static const struct config_row any = {.kind = C_BYTES, .max = -1};
    const char *ignored;
    int64_t v = 0;
    bool ok = config_parse(&any, 1, &word, &v, &ignored);
    *bytes = (uint64_t)v;
    return ok;
}

bool set_output(struct config *c, int argc, char **argv, const char **err) {
    struct config_output_limit limits[CLASS_COUNT];
    memcpy(limits, c->output, sizeof limits);
    *err = "Wrong number of arguments in buffer limit configuration.";
    if (argc % 4) return false;
    for (int i = 0; i < argc; i += 4) {
        int class = output_class(argv[i]);
        *err = "Invalid client class specified in buffer limit configuration.";
        if (class < 0) return false;
        struct config_output_limit *l = &limits[class];
        *err = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        if (!parse_bytes(argv[i + 1], &l->hard_bytes) ||
            !parse_bytes(argv[i + 2], &l->soft_bytes) || !whole_number(argv[i + 3], &l->soft_s))
            return false;
        l->soft_s = (int)l->soft_s;
        if (l->soft_s < 0) return false;
    }
    memcpy(c->output, limits, sizeof limits);
    return true;
}

void show_output(const struct config *c, struct buf *out) {
    static const char *const names[CLASS_COUNT] = {"normal", "slave", "pubsub"};
    for (int i = 0; i < CLASS_COUNT; i++)
        buf_printf(out, "%s%s %llu %llu %lld", i ? " " : "", names[i],
                   (unsigned long long)c->output[i].hard_bytes,
                   (unsigned long long)c->output[i].soft_bytes, (long long)c->output[i].soft_s);
}

bool set_notify(struct config *c, int argc, char **argv, const char **err) {
    unsigned classes;
    *err = "wrong number of arguments";
    if (argc != 1) return false;
    *err = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    if (!notify_parse(argv[0], &classes)) return false;
    c->notify_events = classes;
    return true;
}

void show_notify(const struct config *c, struct buf *out) {
    notify_show(c->notify_events, out);
}

bool set_replicaof(struct config *c, int argc, char **argv, const char **err) {
    int64_t port = 0;
    bool preset = argc == 0 || (argc == 1 && !*argv[0]);
    bool none = preset || (argc == 2 && !strcasecmp(argv[0], "no") && !strcasecmp(argv[1], "one"));
    if (!preset && argc != 2) {
        *err = "wrong number of arguments";
        return false;
    }
    if (!none && (!whole_number(argv[1], &port) || port < 0 || port > 65535)) {
        *err = "Invalid master port";
        return false;
    }
    free(c->master_host);
    c->master_host = xstrdup(none ? "" : argv[0]);
    c->master_port = port;
    return true;
}

void show_replicaof(const struct config *c, struct buf *out) {
    if (*c->master_host) buf_printf(out, "%s %lld", c->master_host, (long long)c->master_port);
}

bool set_percentiles(struct config *c, int argc, char **argv, const char **err) {
    double v[CONFIG_PERCENTILES_MAX];
    if (argc == 1 && !*argv[0]) argc = 0;
    if (argc > CONFIG_PERCENTILES_MAX) {
        *err = "Too many latency-tracking-info-percentiles parameters";
        return false;
    }
    for (int i = 0; i < argc; i++) {
        char *end;
        *err = "Invalid latency-tracking-info-percentiles parameters";
        v[i] = strtod(argv[i], &end);
        if (!*argv[i] || *end || isspace((unsigned char)*argv[i]) || v[i] != v[i]) return false;
        *err = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
        if (v[i] < 0 || v[i] > 100) return false;
    }
    memcpy(c->percentiles, v, sizeof *v * (size_t)argc);
    c->percentile_count = argc;
    return true;
}

void show_percentiles(const struct config *c, struct buf *out) {
    char text[64];
    for (int i = 0; i < c->percentile_count; i++) {
        config_percentile_name(c->percentiles[i], text, sizeof text);
        buf_printf(out, "%s%s", i ? " " : "", text);
    }
}

void config_percentile_name(double percentile, char *out, size_t size) {
    int n = snprintf(out, size, "%f", percentile);
    while (n > 0 && out[n - 1] == '0') out[--n] = '\0';
    if (n > 0 && out[n - 1] == '.') out[n - 1] = '\0';
}

bool set_oom_values(struct config *c, int argc, char **argv, const char **err) {
    int64_t v[CONFIG_OOM_COUNT];
    *err = "wrong number of arguments";
    if (argc != CONFIG_OOM_COUNT) return false;
    for (int i = 0; i < argc; i++) {
        *err = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        if (!whole_number(argv[i], &v[i]) || v[i] < -2000 || v[i] > 2000) return false;
    }
    memcpy(c->oom_values, v, sizeof v);
    return true;
}

void show_oom_values(const struct config *c, struct buf *out) {
    for (int i = 0; i < CONFIG_OOM_COUNT; i++)
        buf_printf(out, "%s%lld", i ? " " : "", (long long)c->oom_values[i]);
}

/* --- checks --- */

static bool is_base_name(const char *word) {
    return !strchr(word, '/') && !strchr(word, '\\');
}

bool check_dbfilename(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    *err = "dbfilename can't be a path, just a filename";
    return is_base_name(argv[0]);
}

bool check_appendfilename(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    *err = "appendfilename can't be empty";
    if (!*argv[0]) return false;
    *err = "appendfilename can't be a path, just a filename";
    return is_base_name(argv[0]);
}

bool check_appenddirname(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    *err = "appenddirname can't be empty";
    if (!*argv[0]) return false;
    *err = "appenddirname can't be a path, just a dirname";
    return is_base_name(argv[0]);
}

bool check_tls_protocols(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    if (!*argv[0] || !strcasecmp(argv[0], "TLSv1.2")) return true;
    *err = "there is TLSv1.2 and nothing else: no older version, and no TLSv1.3 yet";
    return false;
}

bool check_pair_key(struct config *c, int argc, char **argv, const char **err) {
    uint8_t key[32];
    (void)c, (void)argc;
    *err = "pair-key takes 64 hexadecimal digits; the node that starts this server makes them";
    return !*argv[0] || num_from_hex(argv[0], strlen(argv[0]), key, sizeof key);
}

bool check_tls_cluster(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    if (strcasecmp(argv[0], "yes") != 0) return true;
    *err =
        "there is no cluster bus here; links to a master are made over TLS by tls-replication yes";
    return false;
}

bool check_on_signal(struct config *c, int argc, char **argv, const char **err) {
    bool save = false, nosave = false;
    (void)c;
    for (int i = 0; i < argc; i++) {
        save = save || !strcasecmp(argv[i], "save");
        nosave = nosave || !strcasecmp(argv[i], "nosave");
    }
    *err = "shutdown options SAVE and NOSAVE can't be used simultaneously";
    return !save || !nosave;
}

bool check_hostname(struct config *c, int argc, char **argv, const char **err) {
    (void)c, (void)argc;
    *err = "Hostnames must be less than 256 characters";
    if (strlen(argv[0]) >= 256) return false;
    *err = "Hostnames may only contain alphanumeric characters, hyphens or dots";
    for (const char *p = argv[0]; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.') return false;
    return true;
}

/* Braces hold one of the names that there are, "{{" is a brace, and something must be there to be shown. */
bool check_proc_title(struct config *c, int argc, char **argv, const char **err) {
    static const struct {
        const char *name;
        bool says; /* never empty */
    } names[] = {{"{title}", false},      {"{listen-addr}", true}, {"{server-mode}", false},
                 {"{port}", true},        {"{tls-port}", true},    {"{unixsocket}", false},
                 {"{config-file}", false}};
    bool any = false;
    (void)c, (void)argc;
    *err = "template format is invalid or contains unknown variables";
    for (const char *p = argv[0]; *p;) {
        if (*p != '{' || p[1] == '{') {
            any = any || *p != ' ';
            p += *p == '{' ? 2 : 1;
            continue;
        }
        size_t i = 0, n = sizeof names / sizeof names[0];
        while (i < n && strncmp(p, names[i].name, strlen(names[i].name)) != 0) i++;
        if (i == n) return false;
        any = any || names[i].says;
        p += strlen(names[i].name);
    }
    return any;
}
