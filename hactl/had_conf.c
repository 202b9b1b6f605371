#include "hactl/had_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/had_agree.h"
#include "hactl/heartbeat_line.h"
#include "hactl/moment.h"
#include "server/base/num.h"

/* What is read while the sections are walked: the target, and what must have been said. */
struct reading {
    struct had_conf *out;
    bool node, id, secret;
};

static bool one_of(const struct conf *c, const struct conf_line *l, const char *yes, const char *no,
                   bool *is_yes, struct conf_error *err) {
    *is_yes = strcmp(l->argv[1], yes) == 0;
    if (*is_yes || strcmp(l->argv[1], no) == 0) return true;
    return conf_complain(c, l, err, "'%s' is neither '%s' nor '%s'", l->argv[1], yes, no);
}

static bool number(const struct conf *c, const struct conf_line *l, int64_t min, int64_t max,
                   int64_t *out, struct conf_error *err) {
    if (num_parse_range(l->argv[1], min, max, out)) return true;
    return conf_complain(c, l, err, "'%s' must be a number from %lld to %lld, not '%s'", l->argv[0],
                         (long long)min, (long long)max, l->argv[1]);
}

/* ---- [node] and [pair] ---- */

static bool set_name(void *target, const struct conf *c, const struct conf_line *l,
                     struct conf_error *err) {
    struct reading *r = target;
    size_t len = strlen(l->argv[1]);
    if (len == 0 || len >= sizeof r->out->name)
        return conf_complain(c, l, err, "the name must have 1 to %zu characters",
                             sizeof r->out->name - 1);
    memcpy(r->out->name, l->argv[1], len + 1);
    return true;
}

static bool set_node(void *target, const struct conf *c, const struct conf_line *l,
                     struct conf_error *err) {
    struct reading *r = target;
    bool is_b;
    if (!one_of(c, l, "b", "a", &is_b, err)) return false;
    r->out->setup.node = is_b;
    r->node = true;
    return true;
}

static const struct conf_row node_rows[] = {
    {"name", 1, 1, set_name, "name NAME: for people"},
    {"node", 1, 1, set_node, "node a|b: which of the two this is"},
    {0},
};

static bool set_id(void *target, const struct conf *c, const struct conf_line *l,
                   struct conf_error *err) {
    struct reading *r = target;
    int64_t id;
    if (!number(c, l, 1, 65535, &id, err)) return false;
    r->out->setup.pair = (uint16_t)id;
    r->id = true;
    return true;
}

static bool secret(const struct conf *c, const struct conf_line *l, uint8_t out[HEARTBEAT_KEY],
                   bool *given, struct conf_error *err) {
    if (!num_from_hex(l->argv[1], strlen(l->argv[1]), out, HEARTBEAT_KEY))
        return conf_complain(c, l, err,
                             "the secret must be 64 hexadecimal digits, the same on both nodes");
    *given = true;
    return true;
}

static bool set_secret(void *target, const struct conf *c, const struct conf_line *l,
                       struct conf_error *err) {
    struct reading *r = target;
    return secret(c, l, r->out->secrets.now, &r->secret, err);
}

static bool set_secret_next(void *target, const struct conf *c, const struct conf_line *l,
                            struct conf_error *err) {
    struct had_secrets *s = &((struct reading *)target)->out->secrets;
    return secret(c, l, s->next, &s->has_next, err);
}

static bool set_secret_old(void *target, const struct conf *c, const struct conf_line *l,
                           struct conf_error *err) {
    struct had_secrets *s = &((struct reading *)target)->out->secrets;
    return secret(c, l, s->old, &s->has_old, err);
}

static bool set_secret_since(void *target, const struct conf *c, const struct conf_line *l,
                             struct conf_error *err) {
    return number(c, l, 0, INT64_MAX, &((struct reading *)target)->out->secrets.since_s, err);
}

static bool set_changes(void *target, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err) {
    return number(c, l, 0, INT64_MAX, &((struct reading *)target)->out->changes, err);
}

static const struct conf_row pair_rows[] = {
    {"id", 1, 1, set_id, "id 1..65535: the same on both nodes, unique on the network"},
    {"secret", 1, 1, set_secret, "secret HEX: 64 hexadecimal digits, the same on both nodes"},
    {"secret-next", 1, 1, set_secret_next, "secret-next HEX: of `hactl key rotate`"},
    {"secret-old", 1, 1, set_secret_old, "secret-old HEX: of `hactl key rotate`"},
    {"secret-since", 1, 1, set_secret_since, "secret-since SECONDS: when the secret was made"},
    {"changes", 1, 1, set_changes,
     "changes N: counts what hactl has changed in the instances; the higher one is the newer"},
    {0},
};

/* ---- [ha] ---- */

static bool set_profile(void *target, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err) {
    struct reading *r = target;
    bool fast;
    if (!one_of(c, l, "fast", "default", &fast, err)) return false;
    if (fast)
        ha_timing_fast(&r->out->setup.timing);
    else
        ha_timing_default(&r->out->setup.timing);
    return true;
}

static bool set_last_path(void *target, const struct conf *c, const struct conf_line *l,
                          struct conf_error *err) {
    struct reading *r = target;
    return one_of(c, l, "promote", "hold", &r->out->setup.last_path_promote, err);
}

static bool set_beat(void *target, const struct conf *c, const struct conf_line *l,
                     struct conf_error *err) {
    struct ha_timing *t = &((struct reading *)target)->out->setup.timing;
    int64_t ms;
    if (!number(c, l, 10, 1000, &ms, err)) return false;
    t->beat_ms = (uint32_t)ms;
    return true;
}

static bool set_ms(const struct conf *c, const struct conf_line *l, uint32_t *to,
                   struct conf_error *err) {
    int64_t ms;
    if (!number(c, l, 50, 60000, &ms, err)) return false;
    *to = (uint32_t)ms;
    return true;
}

static bool set_demote(void *target, const struct conf *c, const struct conf_line *l,
                       struct conf_error *err) {
    return set_ms(c, l, &((struct reading *)target)->out->setup.timing.demote_ms, err);
}

static bool set_dead(void *target, const struct conf *c, const struct conf_line *l,
                     struct conf_error *err) {
    return set_ms(c, l, &((struct reading *)target)->out->setup.timing.dead_ms, err);
}

static bool set_grant(void *target, const struct conf *c, const struct conf_line *l,
                      struct conf_error *err) {
    return set_ms(c, l, &((struct reading *)target)->out->setup.timing.grant_ms, err);
}

static bool set_busy(void *target, const struct conf *c, const struct conf_line *l,
                     struct conf_error *err) {
    return set_ms(c, l, &((struct reading *)target)->out->setup.timing.server_hung_ms, err);
}

static bool set_compare(void *target, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err) {
    int64_t ms = span_parse_ms(l->argv[1]);
    ((struct reading *)target)->out->compare_every_ms = ms;
    if (ms >= 60000) return true;
    return conf_complain(c, l, err, "'compare-every' wants a time as 12h or 7d, not '%s'",
                         l->argv[1]);
}

static bool set_hold(void *target, const struct conf *c, const struct conf_line *l,
                     struct conf_error *err) {
    struct ha_timing *t = &((struct reading *)target)->out->setup.timing;
    int64_t ms;
    if (!number(c, l, 0, 3600000, &ms, err)) return false;
    t->hold_ms = (uint32_t)ms;
    return true;
}

static bool set_bench(void *target, const struct conf *c, const struct conf_line *l,
                      struct conf_error *err) {
    struct ha_timing *t = &((struct reading *)target)->out->setup.timing;
    int64_t failures;
    if (!number(c, l, 0, HA_FAILURES_MOST / 2, &failures, err)) return false;
    t->bench_failures = (uint32_t)failures;
    return true;
}

static bool ignore(void *target, const struct conf *c, const struct conf_line *l,
                   struct conf_error *err) {
    (void)target, (void)c, (void)l, (void)err;
    return true;
}

static bool set_witness(void *target, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err) {
    struct had_conf *out = ((struct reading *)target)->out;
    out->setup.has_witness = true;
    return arbiter_conf_witness(&out->arbiter, c, l, err);
}

static bool set_fence(void *target, const struct conf *c, const struct conf_line *l,
                      struct conf_error *err) {
    struct had_conf *out = ((struct reading *)target)->out;
    out->setup.has_fence = true;
    return arbiter_conf_fence(&out->arbiter, c, l, err);
}

/* The profile sets all times, so it is read first, wherever it stands. */
static const struct conf_row profile_rows[] = {
    {"profile", 1, 1, set_profile, "profile default|fast"},
    {"beat-ms", 1, 1, ignore, ""},
    {"demote-time-ms", 1, 1, ignore, ""},
    {"dead-time-ms", 1, 1, ignore, ""},
    {"grant-time-ms", 1, 1, ignore, ""},
    {"busy-limit-ms", 1, 1, ignore, ""},
    {"last-path", 1, 1, ignore, ""},
    {"witness", 3, 3, ignore, ""},
    {"fence", 4, 4, ignore, ""},
    {"compare-every", 1, 1, ignore, ""},
    {"hold-down-ms", 1, 1, ignore, ""},
    {"bench-after", 1, 1, ignore, ""},
    {0},
};

static const struct conf_row ha_rows[] = {
    {"profile", 1, 1, ignore, "profile default|fast: fast is for machines known to be quiet"},
    {"beat-ms", 1, 1, set_beat, "beat-ms MS: between two heartbeats"},
    {"demote-time-ms", 1, 1, set_demote, "demote-time-ms MS: the write lease"},
    {"dead-time-ms", 1, 1, set_dead, "dead-time-ms MS: silence before a takeover"},
    {"grant-time-ms", 1, 1, set_grant, "grant-time-ms MS: how long a slave may take over"},
    {"busy-limit-ms", 1, 1, set_busy, "busy-limit-ms MS: a server that does not advance is hung"},
    {"compare-every", 1, 1, set_compare, "compare-every 7d: the two nodes' data, by themselves"},
    {"hold-down-ms", 1, 1, set_hold,
     "hold-down-ms MS: no automatic change for so long after two takeovers in 5 minutes; 0: never"},
    {"bench-after", 1, 1, set_bench,
     "bench-after N: a master that crashes so often within minutes is benched; 0: never"},
    {"last-path", 1, 1, set_last_path,
     "last-path promote|hold: with one path left, may the slave take over"},
    {"witness", 3, 3, set_witness, "witness ADDRESS PORT KEY: the lease on a third machine"},
    {"fence", 4, 4, set_fence,
     "fence ipmi ADDRESS USER PASSWORD: the management controller of the peer"},
    {0},
};

/* ---- [instance N] ---- */

static struct instance_conf *instance_of(struct had_conf *out, const struct conf *c,
                                         const struct conf_line *l, struct conf_error *err) {
    int64_t n;
    if (!num_parse_range(l->section_arg, 0, 63, &n)) {
        conf_complain(c, l, err, "an instance is numbered 0 to 63: [instance 0]");
        return NULL;
    }
    for (int i = 0; i < out->instance_count; i++)
        if (out->instances[i].number == n) return &out->instances[i];
    if (out->instance_count == INSTANCE_LIMIT) {
        conf_complain(c, l, err, "there are more than %d instances", INSTANCE_LIMIT);
        return NULL;
    }
    struct instance_conf *made = &out->instances[out->instance_count++];
    made->number = (int)n;
    made->port = 6379;
    return made;
}

static int by_number(const void *a, const void *b) {
    const struct instance_conf *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* All other lines of an instance are its server's and are checked there. */
static bool read_instances(struct had_conf *out, const struct conf *c, struct conf_error *err) {
    for (size_t i = 0; i < c->count; i++) {
        const struct conf_line *l = &c->lines[i];
        if (strcmp(l->section, "instance") != 0) continue;
        struct instance_conf *one = instance_of(out, c, l, err);
        if (!one) return false;
        if (l->argc == 2 && strcmp(l->argv[0], "name") == 0)
            snprintf(one->name, sizeof one->name, "%s", l->argv[1]);
        if (l->argc == 2 && strcmp(l->argv[0], "durability") == 0)
            one->async = strcmp(l->argv[1], "async") == 0;
        if (l->argc == 0 || strcmp(l->argv[0], "port") != 0) continue;
        int64_t port;
        if (l->argc != 2) return conf_complain(c, l, err, "'port' wants one number");
        if (!number(c, l, 1, 65535, &port, err)) return false;
        one->port = (uint16_t)port;
        for (int k = 0; k < out->instance_count; k++)
            if (&out->instances[k] != one && out->instances[k].port == one->port)
                return conf_complain(c, l, err, "port %d is instance %d's already", (int)port,
                                     out->instances[k].number);
    }
    if (out->instance_count == 0) {
        out->instances[0] = (struct instance_conf){.number = 0, .port = 6379};
        out->instance_count = 1;
    }
    /* In whatever order the files list them, both nodes see the same. */
    qsort(out->instances, (size_t)out->instance_count, sizeof out->instances[0], by_number);
    return true;
}

/* ---- the serial line ---- */

/* The serial console, where [access] says none: server/base and rootfs know it by the same name. */
#define CONSOLE_DEFAULT "ttyS0"

static const struct conf_line *line_of(const struct conf *c, const char *section,
                                       const char *word) {
    const struct conf_line *found = NULL;
    for (size_t i = 0; i < c->count; i++)
        if (c->lines[i].argc > 1 && strcmp(c->lines[i].section, section) == 0 &&
            strcmp(c->lines[i].argv[0], word) == 0)
            found = &c->lines[i];
    return found;
}

/* A path must be able to bring an echo within demote-time, and two heartbeats before it counts as down. */
static bool fast_enough(const struct had_conf *o) {
    const struct ha_timing *t = &o->setup.timing;
    unsigned frame_ms = line_ms(HEARTBEAT_BYTES, o->net.serial.baud), each_ms = t->beat_ms;
    while (each_ms < frame_ms) each_ms += t->beat_ms;
    return 2 * each_ms < t->path_ms && 2 * (each_ms + frame_ms) <= t->demote_ms;
}

static bool check_serial(const struct had_conf *o, const struct conf *c, struct conf_error *err) {
    const struct conf_line *at = line_of(c, "network", "serial");
    const struct conf_line *access = line_of(c, "access", "console");
    const char *console = access ? access->argv[1] : CONSOLE_DEFAULT;
    if (!o->net.serial.device[0] || !at) return true;
    if (strcmp(o->net.serial.device + strlen("/dev/"), console) == 0)
        return conf_complain(c, at, err,
                             "%s is the serial console ([access] console %s); heartbeats need a "
                             "port of their own: name another one, or move the console",
                             o->net.serial.device, console);
    if (fast_enough(o)) return true;
    return conf_complain(c, at, err,
                         "at %d baud a heartbeat takes %u ms, and its echo would come too late for "
                         "demote-time-ms %u and beat-ms %u; use a faster line, or longer times in "
                         "[ha]",
                         o->net.serial.baud, line_ms(HEARTBEAT_BYTES, o->net.serial.baud),
                         o->setup.timing.demote_ms, o->setup.timing.beat_ms);
}

/* ---- the whole ---- */

struct peer_keys had_conf_keys(const struct had_secrets *s) {
    struct peer_keys k = {.count = 1};
    memcpy(k.key[0], s->now, HEARTBEAT_KEY);
    if (!s->has_next && !s->has_old) return k;
    memcpy(k.key[k.count++], s->has_next ? s->next : s->old, HEARTBEAT_KEY);
    return k;
}

static bool lacks(const struct conf *c, struct conf_error *err, const char *what) {
    snprintf(err->text, sizeof err->text, "%s: %s", c->path, what);
    return false;
}

static bool complete(const struct conf *c, const struct reading *r, struct conf_error *err) {
    const struct had_conf *o = r->out;
    if (!r->node) return lacks(c, err, "[node] needs 'node a' or 'node b'");
    if (!r->id) return lacks(c, err, "[pair] needs 'id NUMBER', the same on both nodes");
    if (!r->secret)
        return lacks(c, err, "[pair] needs 'secret HEX' of 64 digits, the same on both nodes");
    if (!o->net.service.addr.family || !o->net.service.peer.family)
        return lacks(c, err, "[network] needs 'service IFACE ADDRESS/PREFIX peer ADDRESS'");
    if (o->net.crossover.addr.family && !o->net.crossover.peer.family)
        return lacks(c, err, "[network] the crossover line needs 'peer ADDRESS'");
    if (!o->net.vip_count) return lacks(c, err, "[network] needs 'vip ADDRESS/PREFIX'");
    const char *wrong = ha_timing_wrong(&o->setup.timing);
    if (wrong) {
        snprintf(err->text, sizeof err->text, "%s: [ha] %s", c->path, wrong);
        return false;
    }
    return true;
}

bool had_conf_take(struct had_conf *out, const struct conf *c, struct conf_error *err) {
    struct reading r = {.out = out};
    memset(out, 0, sizeof *out);
    snprintf(out->path, sizeof out->path, "%s", c->path);
    ha_timing_default(&out->setup.timing);
    if (!conf_apply(c, "node", NULL, node_rows, &r, err)) return false;
    if (!conf_apply(c, "pair", NULL, pair_rows, &r, err)) return false;
    if (!netcfg_read(c, &out->net, err)) return false;
    struct netcfg_addr outside[NETCFG_WITNESSES];
    out->setup.no_gateway = netcfg_witnesses(&out->net, outside) == 0;
    if (!conf_apply(c, "ha", NULL, profile_rows, &r, err)) return false;
    if (!conf_apply(c, "ha", NULL, ha_rows, &r, err)) return false;
    ha_timing_derive(&out->setup.timing);
    char service[NETCFG_ADDR_CHARS];
    if (!log_conf_read(c, &out->log, err)) return false;
    netcfg_addr_text(&out->net.service.addr, false, service);
    if (!metrics_conf_read(c, service, &out->metrics, err)) return false;
    if (!read_instances(out, c, err)) return false;
    if (!complete(c, &r, err) || !check_serial(out, c, err)) return false;
    if (!out->name[0])
        snprintf(out->name, sizeof out->name, "duet-%c", out->setup.node ? 'b' : 'a');
    had_agree_note(out, &out->setup);
    return true;
}

bool had_conf_read(struct had_conf *out, const char *path, struct conf_error *err) {
    struct conf c;
    if (!conf_read(&c, path, true, err)) return false;
    bool good = had_conf_take(out, &c, err);
    conf_free(&c);
    return good;
}
