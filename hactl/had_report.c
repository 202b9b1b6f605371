/* The state of a node as fields "name value" (request_sock.h says how they are written). hactl makes
 * screens and JSON of them, the metrics take them from there; a field added here shows everywhere. A section is a row of
 * the table below. */
#include "hactl/had_report.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"

static const char *letter(unsigned node) {
    return node ? "b" : "a";
}

/* ---- sections of the status ---- */
static void report_node(const struct had *h, const struct ha_view *v, struct buf *out) {
    const struct ha_fsm *f = &h->fsm;
    int64_t now = (int64_t)clock_boot_ns();
    put_text(out, h->conf.name, "node.name");
    put_text(out, letter(h->conf.setup.node), "node.letter");
    put_number(out, h->conf.setup.pair, "node.pair");
    put_text(out, ha_state_name(v->state), "node.state");
    put_true(out, v->serving, "node.serving");
    put_true(out, v->in_sync, "node.in_sync");
    put_true(out, v->alone, "node.alone");
    put_true(out, f->disk.maintenance, "node.maintenance");
    put_true(out, f->disk.benched, "node.benched");
    put_true(out, f->server_up, "node.server_up");
    put_number(out, (int64_t)ha_epoch_number(v->epoch), "node.epoch");
    put_text(out, v->epoch ? letter(ha_epoch_node(v->epoch)) : "", "node.epoch_by");
    put_number(out, (int64_t)ha_epoch_number(v->known), "node.epoch_seen");
    put_number(out, (int64_t)f->server.offset, "node.offset");
    put_number(out, v->lease_left_ns / HA_MS, "node.lease_ms");
    put_true(out, vip_held(h->vip), "node.vip");
    put_text(out, v->waiting_for, "node.waiting_for");
    put_number(out, (now - h->started_ns) / HA_MS, "node.uptime_ms");
    put_number(out, clock_wall_ms(), "node.wall_ms");
    put_true(out, h->locked, "node.memory_locked");
    put_true(out, h->real_time, "node.real_time");
    put_number(out, (int64_t)(epoch_busy_ns(h->epoch) / NS_PER_MS), "node.record_busy_ms");
}

static void report_peer(const struct had *h, const struct ha_view *v, struct buf *out) {
    const struct heartbeat *p = &h->fsm.peer;
    put_true(out, v->peer_heard, "peer.heard");
    put_number(out, put_age_ms(v->peer_age_ns), "peer.age_ms");
    put_text(out, letter(!h->conf.setup.node), "peer.letter");
    if (!h->fsm.peer_known) return;
    put_text(out, ha_state_name(p->state), "peer.state");
    put_true(out, p->flags & HB_IN_SYNC, "peer.in_sync");
    put_true(out, p->flags & HB_HEALTHY, "peer.healthy");
    put_true(out, p->flags & HB_WHOLE, "peer.whole");
    put_true(out, p->flags & HB_MAINTENANCE, "peer.maintenance");
    put_number(out, (int64_t)ha_epoch_number(p->epoch), "peer.epoch");
    put_number(out, (int64_t)p->data_offset, "peer.offset");
    for (int i = 0, n = 0; i < 64; i++) {
        if (!(p->has >> i & 1)) continue;
        put_number(out, i, "peer.instances.%d.number", n);
        put_true(out, p->counts >> i & 1, "peer.instances.%d.counts", n++);
    }
    put_number(out, p->gateway_age_ms == HEARTBEAT_AGE_NEVER ? -1 : p->gateway_age_ms,
               "peer.gateway_age_ms");
}

static void report_sync(const struct had *h, const struct ha_view *v, struct buf *out) {
    const struct ha_fsm *f = &h->fsm;
    bool master = v->state == HA_MASTER;
    put_text(out, master ? ha_sync_name(v->sync) : "", "sync.phase");
    put_true(out, v->in_sync, "sync.in_sync");
    int64_t lag = (int64_t)(f->server.offset - f->peer.data_offset);
    if (!f->peer_known) lag = -1;
    put_number(out, f->peer_known && !master ? -lag : lag, "sync.lag_bytes");
    put_number(out, (int64_t)f->server.held, "sync.held");
    put_text(out, ha_path_name(f->route), "sync.path");
}

static void report_serial(const struct peer_path *s, struct buf *out) {
    put_number(out, (int64_t)s->dropped, "paths.serial.dropped");
    put_number(out, (int64_t)s->garbage, "paths.serial.garbage_bytes");
}

/* How a path works, in one word. Deaf: it does not bring the other node's, which has ours; mute: the reverse. */
static const char *path_word(const struct had *h, const struct ha_view *v, int p) {
    if (v->both_ways >> p & 1) return "both ways";
    if (v->heard >> p & 1) return "mute";
    return v->peer_heard && h->fsm.peer.paths >> p & 1 ? "deaf" : "down";
}

static void report_paths(const struct had *h, const struct ha_view *v, struct buf *out) {
    for (int p = 0; p < HA_PATHS; p++) {
        const struct peer_path *s = peer_path(h->peer, (enum ha_path)p);
        const char *n = ha_path_name((enum ha_path)p);
        if (!s->configured) continue;
        put_text(out, path_word(h, v, p), "paths.%s.state", n);
        put_true(out, v->heard >> p & 1, "paths.%s.heard", n);
        put_true(out, v->both_ways >> p & 1, "paths.%s.both_ways", n);
        if (p <= HA_PATH_SERVICE)
            put_true(out, guard_carrier(h->guard, p == HA_PATH_CROSSOVER), "paths.%s.carrier", n);
        put_number(out, (int64_t)s->sent, "paths.%s.sent", n);
        put_number(out, (int64_t)s->heard, "paths.%s.received", n);
        put_number(out, (int64_t)s->refused, "paths.%s.refused", n);
        put_number(out, put_age_ms((int64_t)clock_boot_ns() - h->fsm.path_at[p]), "paths.%s.age_ms",
                   n);
        put_number(out, (int64_t)s->late, "paths.%s.late", n);
        if (p == HA_PATH_SERIAL)
            report_serial(s, out);
        else
            put_number(out, (int64_t)s->lost, "paths.%s.lost", n);
        put_text(out, s->why, "paths.%s.trouble", n);
    }
    put_number(out, __builtin_popcount(v->both_ways), "paths_both_ways");
}

static void report_alarms(const struct had *h, const struct ha_view *v, struct buf *out) {
    (void)v;
    int n = 0;
    for (int a = 0; a < HA_ALARMS; a++) {
        if (!h->alarms[a].on) continue;
        put_text(out, ha_alarm_name((enum ha_alarm)a), "alarms.%d.name", n);
        put_number(out, h->alarms[a].since_ms, "alarms.%d.since_ms", n);
        put_text(out, h->alarms[a].text, "alarms.%d.text", n);
        n++;
    }
    for (int i = 0; i < NOTICES; i++) {
        const struct had_notice *one = &h->notices.list[i];
        if (!*one->id) continue;
        put_text(out, one->id, "alarms.%d.name", n);
        put_number(out, one->since_ms, "alarms.%d.since_ms", n);
        put_text(out, one->text, "alarms.%d.text", n);
        n++;
    }
    put_number(out, n, "alarm_count");
}

static void report_counts(const struct had *h, const struct ha_view *v, struct buf *out) {
    (void)v;
    static const struct {
        enum ha_count count;
        const char *name;
    } counts[] = {
        {HA_COUNT_TAKEOVERS, "counts.takeovers"},    {HA_COUNT_GAPS, "counts.own_gaps"},
        {HA_COUNT_REPLAYED, "counts.replayed"},      {HA_COUNT_STRANGERS, "counts.strangers"},
        {HA_COUNT_IGNORED, "counts.ignored_events"},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        put_number(out, (int64_t)h->fsm.counts[counts[i].count], "%s", counts[i].name);
    put_number(out, (int64_t)peer_late(h->peer)->count, "counts.late_heartbeats");
    put_number(out, (int64_t)peer_late(h->peer)->longest_ms, "counts.latest_heartbeat_ms");
    const struct ha_timing *t = &h->conf.setup.timing;
    put_number(out, t->beat_ms, "timing.beat_ms");
    put_number(out, t->demote_ms, "timing.demote_ms");
    put_number(out, t->dead_ms, "timing.dead_ms");
    put_number(out, t->grant_ms, "timing.grant_ms");
}

static void report_takeover(const struct had *h, const struct ha_view *v, struct buf *out) {
    (void)h;
    put_true(out, v->takeover_on, "takeover.on");
    put_text(out, v->takeover_why, "takeover.why");
}

static void report_events(const struct had *h, const struct ha_view *v, struct buf *out) {
    (void)v;
    put_number(out, (int64_t)h->events.count, "events.newest");
    put_number(out, (int64_t)event_file_lost(h->events.file), "events.lost_file");
    put_number(out, (int64_t)event_out_lost_fifo(h->events.out), "events.lost_fifo");
    put_number(out, (int64_t)event_out_lost_syslog(h->events.out), "events.lost_syslog");
}

/* Fields of one object stand together: a section has its own first words. */
static had_section_fn *const sections[] = {
    report_node,         report_peer,   report_sync,        report_takeover,
    had_report_vip,      report_paths,  had_report_clients, had_report_instances,
    had_report_arbiters, report_alarms, report_counts,      report_events,
};

void had_report_status(const struct had *h, struct buf *out) {
    struct ha_view v;
    ha_fsm_view(&h->fsm, (int64_t)clock_boot_ns(), &v);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) sections[i](h, &v, out);
}

/* ---- history, and the core ---- */

/* Events after that number, oldest first, at most count of the newest: each the line that also stands in the file. */
void had_report_events(const struct had *h, uint64_t after, uint64_t count, struct buf *out) {
    const struct had_events *e = &h->events;
    uint64_t first = e->count > count ? e->count - count + 1 : 1;
    struct buf line = BUF_INIT;
    int n = 0;
    put_number(out, (int64_t)e->count, "newest");
    for (uint64_t i = first > after ? first : after + 1; i <= e->count; i++) {
        const struct event *ev = had_events_get(e, i);
        if (!ev) continue;
        buf_clear(&line);
        event_line(ev, &line);
        put_text(out, buf_cstr(&line), "lines.%d", n++);
    }
    buf_free(&line);
}

/* A copy of the decision core, for hactl to run forward: all but its queue of actions, which is empty between two steps. */
void had_report_core(const struct had *h, struct buf *out) {
    const struct ha_fsm *f = &h->fsm;
    const uint8_t *p = (const uint8_t *)f;
    int64_t lag = 0;
    bool async = false;
    for (int i = 0; i < instance_set_count(h->servers); i++) {
        const struct instance *one = instance_set_at(h->servers, i);
        const struct instance_status *s = instance_status(one);
        if (!instance_conf_of(one)->async || !s) continue;
        async = true;
        if (s->server.offset > s->server.acked)
            lag += (int64_t)(s->server.offset - s->server.acked);
    }
    put_number(out, (int64_t)clock_boot_ns(), "core.now_ns");
    put_number(out, (int64_t)sizeof *f, "core.size");
    put_true(out, async, "core.async");
    put_number(out, lag, "core.lag_bytes");
    buf_add_str(out, "core.bytes \"");
    for (size_t i = 0; i < sizeof *f; i++)
        if (i < offsetof(struct ha_fsm, queue) || i >= offsetof(struct ha_fsm, queue_head))
            buf_add(out, (char[2]){"0123456789abcdef"[p[i] >> 4], "0123456789abcdef"[p[i] & 15]},
                    2);
    buf_add_str(out, "\"\n");
}
