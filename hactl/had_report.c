/* The state of a node as fields "name value" (request_sock.h says how they are written). hactl makes
 * screens and JSON of them; a field added here shows in both. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hactl/had.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

/* ---- fields ---- */

static void number(struct buf *out, const char *name, int64_t v) {
    buf_printf(out, "%s %lld\n", name, (long long)v);
}

static void truth(struct buf *out, const char *name, bool v) {
    buf_printf(out, "%s %s\n", name, v ? "true" : "false");
}

/* Text without control characters; quotes and backslashes are escaped as JSON does. */
static void text(struct buf *out, const char *name, const char *v) {
    buf_printf(out, "%s \"", name);
    for (; *v; v++) {
        if (*v == '"' || *v == '\\') buf_add(out, "\\", 1);
        buf_add(out, (unsigned char)*v < ' ' ? " " : v, 1);
    }
    buf_add_str(out, "\"\n");
}

/* A name that is put together: "paths.crossover." and "sent". Valid until the next call. */
static const char *name_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *name_of(const char *fmt, ...) {
    static char name[96];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    return name;
}

/* An age in ms; -1: never. */
static int64_t age_ms(int64_t age_ns) {
    return age_ns == INT64_MAX || age_ns > INT64_MAX / 8 ? -1 : age_ns / HA_MS;
}

static const char *letter(unsigned node) {
    return node ? "b" : "a";
}

/* ---- sections of the status ---- */

static void report_node(const struct had *h, const struct ha_view *v, struct buf *out) {
    const struct ha_fsm *f = &h->fsm;
    int64_t now = (int64_t)clock_boot_ns();
    text(out, "node.name", h->conf.name);
    text(out, "node.letter", letter(h->conf.setup.node));
    number(out, "node.pair", h->conf.setup.pair);
    text(out, "node.state", ha_state_name(v->state));
    truth(out, "node.serving", v->serving);
    truth(out, "node.in_sync", v->in_sync);
    truth(out, "node.alone", v->alone);
    truth(out, "node.maintenance", f->disk.maintenance);
    truth(out, "node.benched", f->disk.benched);
    truth(out, "node.server_up", f->server_up);
    number(out, "node.epoch", (int64_t)ha_epoch_number(v->epoch));
    text(out, "node.epoch_by", v->epoch ? letter(ha_epoch_node(v->epoch)) : "");
    number(out, "node.epoch_seen", (int64_t)ha_epoch_number(v->known));
    number(out, "node.offset", (int64_t)f->server.offset);
    number(out, "node.lease_ms", v->lease_left_ns / HA_MS);
    truth(out, "node.vip", vip_held(h->vip));
    text(out, "node.waiting_for", v->waiting_for);
    number(out, "node.uptime_ms", (now - h->started_ns) / HA_MS);
    truth(out, "node.memory_locked", h->locked);
    truth(out, "node.real_time", h->real_time);
    number(out, "node.record_busy_ms", (int64_t)(epoch_busy_ns(h->epoch) / NS_PER_MS));
}

static void report_peer(const struct had *h, const struct ha_view *v, struct buf *out) {
    const struct heartbeat *p = &h->fsm.peer;
    truth(out, "peer.heard", v->peer_heard);
    number(out, "peer.age_ms", age_ms(v->peer_age_ns));
    text(out, "peer.letter", letter(!h->conf.setup.node));
    if (!h->fsm.peer_known) return;
    text(out, "peer.state", ha_state_name(p->state));
    truth(out, "peer.in_sync", p->flags & HB_IN_SYNC);
    truth(out, "peer.healthy", p->flags & HB_HEALTHY);
    truth(out, "peer.whole", p->flags & HB_WHOLE);
    truth(out, "peer.maintenance", p->flags & HB_MAINTENANCE);
    number(out, "peer.epoch", (int64_t)ha_epoch_number(p->epoch));
    number(out, "peer.offset", (int64_t)p->data_offset);
    for (int i = 0, n = 0; i < 64; i++) {
        if (!(p->has >> i & 1)) continue;
        number(out, name_of("peer.instances.%d.number", n), i);
        truth(out, name_of("peer.instances.%d.counts", n++), p->counts >> i & 1);
    }
    number(out, "peer.gateway_age_ms",
           p->gateway_age_ms == HEARTBEAT_AGE_NEVER ? -1 : p->gateway_age_ms);
}

static void report_sync(const struct had *h, const struct ha_view *v, struct buf *out) {
    const struct ha_fsm *f = &h->fsm;
    bool master = v->state == HA_MASTER;
    text(out, "sync.phase", master ? ha_sync_name(v->sync) : "");
    truth(out, "sync.in_sync", v->in_sync);
    int64_t lag = (int64_t)(f->server.offset - f->peer.data_offset);
    if (!f->peer_known) lag = -1;
    number(out, "sync.lag_bytes", f->peer_known && !master ? -lag : lag);
    number(out, "sync.held", (int64_t)f->server.held);
    text(out, "sync.path", ha_path_name(f->route));
}

static void report_paths(const struct had *h, const struct ha_view *v, struct buf *out) {
    for (int p = 0; p < HA_PATHS; p++) {
        const struct peer_path *s = peer_path(h->peer, (enum ha_path)p);
        const char *n = ha_path_name((enum ha_path)p);
        if (!s->configured) continue;
        truth(out, name_of("paths.%s.heard", n), v->heard >> p & 1);
        truth(out, name_of("paths.%s.both_ways", n), v->both_ways >> p & 1);
        if (p <= HA_PATH_SERVICE)
            truth(out, name_of("paths.%s.carrier", n),
                  guard_carrier(h->guard, p == HA_PATH_CROSSOVER));
        number(out, name_of("paths.%s.sent", n), (int64_t)s->sent);
        number(out, name_of("paths.%s.received", n), (int64_t)s->heard);
        number(out, name_of("paths.%s.refused", n), (int64_t)s->refused);
        text(out, name_of("paths.%s.trouble", n), s->why);
    }
}

static void report_vip(const struct had *h, const struct ha_view *v, struct buf *out) {
    char address[NETCFG_ADDR_CHARS];
    const char *holder = "";
    if (vip_held(h->vip) && v->serving)
        holder = letter(h->conf.setup.node);
    else if (v->peer_heard && h->fsm.peer_known && h->fsm.peer.state == HA_MASTER)
        holder = letter(!h->conf.setup.node);
    text(out, "vip.address", netcfg_addr_text(&h->conf.net.vip, false, address));
    text(out, "vip.holder", holder);
    text(out, "vip.trouble", vip_trouble(h->vip));
    bool there = h->conf.net.gateway.family != 0;
    text(out, "gateway.address",
         there ? netcfg_addr_text(&h->conf.net.gateway, false, address) : "");
    number(out, "gateway.age_ms", age_ms(v->gateway_age_ns));
    text(out, "gateway.trouble", guard_trouble(h->guard));
}

/* How far, and for how long, the pair's slave is behind this instance. */
static void report_lag(int i, const struct instance_status *s, struct buf *out) {
    uint64_t acked = s->server.acked, end = s->server.offset;
    number(out, name_of("instances.%d.lag_bytes", i), end > acked ? (int64_t)(end - acked) : 0);
    number(out, name_of("instances.%d.lag_ms", i), s->slave_lag_ns / HA_MS);
    number(out, name_of("instances.%d.slaves", i), (int64_t)s->slaves);
}

static void report_instances(const struct had *h, struct buf *out) {
    for (int i = 0; i < instance_set_count(h->servers); i++) {
        static const char *const roles[] = {"none", "slave", "master"};
        const struct instance *one = instance_set_at(h->servers, i);
        const struct instance_status *s = instance_status(one);
        number(out, name_of("instances.%d.number", i), instance_conf_of(one)->number);
        number(out, name_of("instances.%d.port", i), instance_conf_of(one)->port);
        text(out, name_of("instances.%d.name", i), instance_conf_of(one)->name);
        truth(out, name_of("instances.%d.up", i), s != NULL);
        truth(out, name_of("instances.%d.counts", i),
              instance_set_counts(h->servers) >> instance_conf_of(one)->number & 1);
        text(out, name_of("instances.%d.waits_for", i), instance_set_waits(h->servers, i));
        text(out, name_of("instances.%d.trouble", i), instance_trouble(one));
        if (!s) continue;
        text(out, name_of("instances.%d.role", i), roles[s->server.role]);
        text(out, name_of("instances.%d.replid", i), s->replid);
        number(out, name_of("instances.%d.offset", i), (int64_t)s->server.offset);
        number(out, name_of("instances.%d.acked", i), (int64_t)s->server.acked);
        number(out, name_of("instances.%d.held", i), (int64_t)s->server.held);
        number(out, name_of("instances.%d.held_oldest_ms", i), s->server.held_oldest_ns / HA_MS);
        truth(out, name_of("instances.%d.alone", i), s->server.alone);
        truth(out, name_of("instances.%d.loading", i), s->server.loading);
        truth(out, name_of("instances.%d.whole", i), s->server.whole);
        number(out, name_of("instances.%d.session", i), (int64_t)s->server.session);
        number(out, name_of("instances.%d.rejoin_tail", i), (int64_t)s->rejoin_tail);
        number(out, name_of("instances.%d.clients", i), (int64_t)s->clients);
        if (s->server.role == HA_SERVER_MASTER && s->server.session) report_lag(i, s, out);
        number(out, name_of("instances.%d.keys", i), (int64_t)s->keys);
    }
}

static void report_alarms(const struct had *h, struct buf *out) {
    int n = 0;
    for (int a = 0; a < HA_ALARMS; a++) {
        if (!h->alarms[a].on) continue;
        text(out, name_of("alarms.%d.name", n), ha_alarm_name((enum ha_alarm)a));
        number(out, name_of("alarms.%d.since_ms", n), h->alarms[a].since_ms);
        text(out, name_of("alarms.%d.text", n), h->alarms[a].text);
        n++;
    }
    number(out, "alarm_count", n);
}

static void report_counts(const struct had *h, struct buf *out) {
    static const struct {
        enum ha_count count;
        const char *name;
    } counts[] = {
        {HA_COUNT_TAKEOVERS, "counts.takeovers"},  {HA_COUNT_GAPS, "counts.own_gaps"},
        {HA_COUNT_LATE, "counts.late_heartbeats"}, {HA_COUNT_REPLAYED, "counts.replayed"},
        {HA_COUNT_STRANGERS, "counts.strangers"},  {HA_COUNT_IGNORED, "counts.ignored_events"},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        number(out, counts[i].name, (int64_t)h->fsm.counts[counts[i].count]);
    const struct ha_timing *t = &h->conf.setup.timing;
    number(out, "timing.beat_ms", t->beat_ms);
    number(out, "timing.demote_ms", t->demote_ms);
    number(out, "timing.dead_ms", t->dead_ms);
    number(out, "timing.grant_ms", t->grant_ms);
}

void had_report_status(const struct had *h, struct buf *out) {
    struct ha_view v;
    ha_fsm_view(&h->fsm, (int64_t)clock_boot_ns(), &v);
    report_node(h, &v, out);
    report_peer(h, &v, out);
    report_sync(h, &v, out);
    truth(out, "takeover.on", v.takeover_on);
    text(out, "takeover.why", v.takeover_why);
    report_vip(h, &v, out);
    report_paths(h, &v, out);
    report_instances(h, out);
    report_alarms(h, out);
    report_counts(h, out);
}

/* ---- history and explain ---- */

void had_report_history(const struct had *h, uint64_t count, struct buf *out) {
    uint64_t first = h->events.count > count ? h->events.count - count + 1 : 1;
    int n = 0;
    for (uint64_t i = first; i <= h->events.count; i++) {
        const struct had_event *ev = had_events_get(&h->events, i);
        if (!ev) continue;
        number(out, name_of("events.%d.number", n), (int64_t)ev->number);
        number(out, name_of("events.%d.at_ms", n), ev->wall_ms);
        text(out, name_of("events.%d.kind", n), ev->kind);
        text(out, name_of("events.%d.text", n), ev->text);
        n++;
    }
}

/* What would happen now, fault by fault. Thin: the two deaths and the crossover. */
void had_report_explain(const struct had *h, struct buf *out) {
    const struct ha_timing *t = &h->conf.setup.timing;
    struct ha_view v;
    char line[2 * HA_TEXT];
    bool master = h->fsm.state == HA_MASTER;
    ha_fsm_view(&h->fsm, (int64_t)clock_boot_ns(), &v);
    if (v.takeover_on)
        snprintf(line, sizeof line,
                 "the slave takes over %u to %u ms after the last heartbeat; no acknowledged write "
                 "is lost",
                 t->dead_ms, t->dead_ms + 2 * t->beat_ms);
    else
        snprintf(line, sizeof line, "nobody takes over by itself: %s", v.takeover_why);
    text(out, "explain.0.fault", "the master loses power");
    text(out, "explain.0.outcome", line);
    snprintf(line, sizeof line,
             master && !v.in_sync ? "nothing changes: the master serves alone already"
                                  : "the master goes on; writes wait at most %u ms and one fsync",
             t->grant_ms + 3 * t->beat_ms);
    text(out, "explain.1.fault", "the slave loses power");
    text(out, "explain.1.outcome", line);
    text(out, "explain.2.fault", "the crossover cable is cut");
    text(out, "explain.2.outcome",
         v.both_ways & ~1u
             ? "roles stay; replication goes over the service network until the cable is back"
             : "the nodes lose each other: the service network carries no heartbeats now");
}
