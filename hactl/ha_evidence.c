/* Evidence: what was heard, answered and measured, and when. Every event passes here first; the
 * rows of the table are asked afterwards. Clause echo: evidence is dated by what *we* sent, never
 * by an arrival, so a delayed packet proves nothing. */
#include <assert.h>

#include "hactl/ha_core.h"

#define RECENT_BEATS 64 /* a stranger's proof of life may be so many of our beats old */

/* ---- heartbeats ------------------------------------------------------------------------------ */

int64_t ha_echo_date(const struct ha_fsm *f) {
    const struct heartbeat *p = &f->peer;
    if (!f->peer_known || p->echo_life != f->life || p->echo_seq == 0) return HA_NEVER;
    if (p->echo_seq > f->seq || f->seq - p->echo_seq >= HA_SENT) return HA_NEVER;
    return f->sent_at[p->echo_seq % HA_SENT];
}

bool ha_echoes_us(const struct ha_fsm *f) {
    return ha_echo_date(f) != HA_NEVER;
}

/* The service port carries traffic since when, without a break (a port may not forward for its first half minute). */
static void note_traffic(struct ha_fsm *f, int64_t now) {
    if (!within(now, f->traffic_at, 3 * f->setup.timing.dead_ms)) f->traffic_since = now;
    f->traffic_at = now;
}

static void note_path(struct ha_fsm *f, enum ha_path path, int64_t now) {
    if (!within(now, f->path_at[path], f->setup.timing.path_ms)) f->path_since[path] = now;
    f->path_at[path] = now;
    if (path == HA_PATH_SERVICE || path == HA_PATH_GATEWAY) note_traffic(f, now);
}

/* Since when the peer has said, without a break, that it sees the gateway. */
static void note_peers_gateway(struct ha_fsm *f, const struct heartbeat *hb, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    if (!within(now, f->heard_at, t->path_ms)) f->peer_gateway_since = INT64_MAX;
    if (hb->gateway_age_ms >= t->gateway_seen_ms)
        f->peer_gateway_since = INT64_MAX;
    else if (f->peer_gateway_since == INT64_MAX)
        f->peer_gateway_since = now;
}

static bool hear(struct ha_fsm *f, const struct heartbeat *hb, enum ha_path path, int64_t now) {
    uint64_t known_life = f->window.life;
    switch (heartbeat_judge(&f->window, hb, path, f->life, f->seq, RECENT_BEATS)) {
    case HEARTBEAT_OK: break;
    case HEARTBEAT_STRANGER:
        f->counts[HA_COUNT_STRANGERS]++;
        /* Greet it at once: its proof is our greeting, echoed. But once a tick: two strangers that
         * answer each other's every datagram on three paths would drown in greetings. */
        if (!within(now, f->sent_at[f->seq % HA_SENT], f->setup.timing.tick_ms)) f->beat_now = true;
        return false;
    default: f->counts[HA_COUNT_REPLAYED]++; return false;
    }
    if (f->window.life != known_life)
        for (int p = 0; p < HA_PATHS; p++) f->path_at[p] = HA_NEVER;
    note_path(f, path, now);
    if (f->peer_known && f->peer.life == hb->life && hb->seq <= f->peer.seq) return false;
    note_peers_gateway(f, hb, now);
    f->peer = *hb;
    f->peer_known = true;
    f->heard_at = now;
    f->echo_at = max_i64(f->echo_at, ha_echo_date(f));
    f->known = max_u64(f->known, hb->epoch);
    if (hb->state == HA_MASTER) {
        ha_note_master(f, hb->epoch, (hb->flags & HB_PLANNED) != 0, now);
        ha_note_peer_serves(f);
    }
    ha_forgive_moves(f, now);
    return true;
}

static unsigned paths_within(const struct ha_fsm *f, int64_t now) {
    unsigned bits = 0;
    for (int p = 0; p < HA_PATHS; p++)
        if (within(now, f->path_at[p], f->setup.timing.path_ms)) bits |= 1u << p;
    return bits;
}

unsigned ha_paths_heard(const struct ha_fsm *f, int64_t now) {
    return paths_within(f, now);
}

unsigned ha_paths_both_ways(const struct ha_fsm *f, int64_t now) {
    return f->peer_known ? paths_within(f, now) & f->peer.paths : 0;
}

bool ha_peer_fit(const struct ha_fsm *f, int64_t now) {
    return f->in_sync && ha_peer_fresh(f, now) && ha_peer_says(f, HB_HEALTHY) &&
           ha_peer_says(f, HB_IN_SYNC) && f->peer.server_boot == f->sync_boot;
}

bool ha_peer_whole(const struct ha_fsm *f) {
    return ha_peer_says(f, HB_WHOLE) && f->peer.server_boot == f->permit_boot;
}

/* ---- the server ------------------------------------------------------------------------------ */

bool ha_server_runs(const struct ha_fsm *f) {
    const struct ha_timing *t = &f->setup.timing;
    return f->server_up && !f->server.loading && !f->disk_bad &&
           f->server_silent_ns < ms(t->server_dead_ms) &&
           f->executor_silent_ns < ms(t->server_hung_ms);
}

bool ha_server_well(const struct ha_fsm *f) {
    const struct ha_timing *t = &f->setup.timing;
    return ha_server_runs(f) && f->server.fsync_age_ns < ms(t->fsync_max_ms) && ha_record_well(f);
}

bool ha_whole(const struct ha_fsm *f) {
    return f->server_up && f->server.whole && f->server.boot == f->whole_boot;
}

/* What it holds may be older than what it acknowledged. */
static void server_died(struct ha_fsm *f, int64_t now) {
    if (!f->server_died && f->state == HA_MASTER) ha_note_failure(f, now);
    f->server_died = true;
}

static void note_server(struct ha_fsm *f, const struct ha_server *s, int64_t now) {
    assert(s->boot != 0 && "a server's boot is never 0");
    bool master = f->state == HA_MASTER || f->state == HA_SUSPENDED || f->state == HA_YIELDED;
    if (f->server.boot != 0 && f->server.boot != s->boot && master) server_died(f, now);
    if (f->server.boot != s->boot && f->disk_bad) {
        f->disk_bad = false;
        ha_alarm(f, HA_ALARM_FSYNC, false, "the server was restarted after a failed fsync");
    }
    f->server = *s;
    f->server_up = true;
    ha_forgive_moves(f, now);
}

static void lose_server(struct ha_fsm *f, int64_t now) {
    f->server_up = false;
    f->server.session = 0;
    f->role_tell = 0;
    if (f->state == HA_MASTER || f->state == HA_SUSPENDED || f->state == HA_YIELDED)
        server_died(f, now);
}

/* ---- rank: who stands higher when none serves (rule 6) ----------------------------------------
 */

bool ha_ranked(const struct ha_fsm *f) {
    return f->disk.epoch != 0 && f->server_up && !f->server.loading && f->server.whole;
}

static int order(uint64_t ours, uint64_t theirs) {
    return ours == theirs ? 0 : ours > theirs ? 1 : -1;
}

int ha_rank_against_peer(const struct ha_fsm *f) {
    const struct heartbeat *p = &f->peer;
    bool master = f->disk.was_master, theirs = ha_peer_says(f, HB_WAS_MASTER);
    int c = order(f->disk.epoch, p->epoch);
    if (c == 0 && without(f, HA_WITHOUT_OFFSET)) { /* an earlier wording: by role */
        c = order(master && f->disk.peer_outdated, ha_peer_says(f, HB_PROOF));
        if (c == 0) c = order(!f->disk.outdated, !ha_peer_says(f, HB_OUTDATED));
        if (c == 0) c = order(master, theirs);
    }
    if (c == 0) c = order(f->server.offset, p->data_offset);
    if (c == 0) c = order(master, theirs);
    return c != 0 ? c : f->setup.node == 0 ? 1 : -1;
}

/* Data that can never be served: a copy that was not finished. Not those of a master who is the only one to have them. */
static bool incomplete(const struct ha_fsm *f) {
    return f->server_up && !f->server.loading && !f->server.whole && !ha_holds_proof(f);
}

/* A node without a record, or without complete data, stands below every node that has them. */
bool ha_stands_lower(const struct ha_fsm *f) {
    if (!ha_peer_says(f, HB_RANKED)) return false;
    if (incomplete(f)) return true;
    bool known = ha_ranked(f) || (f->disk.epoch == 0 && f->next.epoch == 0);
    return known && ha_rank_against_peer(f) < 0;
}

uint64_t ha_next_epoch(const struct ha_fsm *f, unsigned node) {
    uint64_t top = max_u64(max_u64(f->known, f->disk.epoch), f->disk.seen);
    top = max_u64(top, max_u64(f->next.epoch, f->next.seen)); /* an aborted one may still land */
    top = max_u64(top, max_u64(f->holder, f->claimed));       /* the witness takes nothing lower */
    if (f->peer_known) top = max_u64(top, max_u64(f->peer.epoch, f->peer.known));
    return ha_epoch(ha_epoch_number(top) + 1, node);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Only time in which this node itself ran counts: after a stall of the machine had may run before the server does. */
static void watch_counter(struct ha_fsm *f, int64_t *at, int64_t *silent_ns, int64_t moved_at,
                          int64_t now) {
    int64_t ran = now - f->last_tick, most = 2 * ms(f->setup.timing.tick_ms);
    *silent_ns = moved_at != *at ? 0 : *silent_ns + (ran < most ? ran : most);
    *at = moved_at;
}

static void pass_time(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    if (!within(now, f->last_tick, t->fresh_ms + 1)) {
        f->gap_end = now;
        f->counts[HA_COUNT_GAPS]++;
        ha_log(f, "this node did not run for %lld ms", (long long)((now - f->last_tick) / HA_MS));
    }
    watch_counter(f, &f->server_at, &f->server_silent_ns, ev->tick.server_at, now);
    watch_counter(f, &f->executor_at, &f->executor_silent_ns, ev->tick.executor_at, now);
    f->last_tick = now;
    if (!within(now, f->gateway_at, t->fresh_ms + t->beat_ms + 1)) f->gateway_since = INT64_MAX;
    if (f->known > f->next.seen)
        ha_save(f, &f->next); /* the highest epoch seen survives a restart */
    ha_save_retry(f, now);
    ha_rails_tick(f, now);
}

unsigned ha_outside(const struct ha_fsm *f, int64_t now, uint32_t span_ms) {
    unsigned bits = 0;
    for (unsigned i = 0; i < HEARTBEAT_OUTSIDES; i++)
        if (within(now, f->outside_at[i], span_ms)) bits |= 1u << i;
    return bits;
}

static void gateway_answered(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    int64_t sent_at = without(f, HA_WITHOUT_ECHO) ? now : ev->gateway.sent_at;
    int64_t *at = &f->outside_at[ev->gateway.which % HEARTBEAT_OUTSIDES];
    *at = max_i64(*at, sent_at);
    if (f->gateway_since == INT64_MAX || !within(now, f->gateway_at, f->setup.timing.demote_ms))
        f->gateway_since = now;
    f->gateway_at = max_i64(f->gateway_at, sent_at);
    f->gateway_came_at = now;
    note_traffic(f, now);
}

/* A hint, never a proof: what it breaks is seen by the gateway's silence and the peer's. */
static void note_link(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    if (ev->link.path > HA_PATH_SERVICE) return;
    bool fell = !ev->link.carrier && !f->port_down[ev->link.path];
    f->port_down[ev->link.path] = !ev->link.carrier;
    f->port_deaf[ev->link.path] = ev->link.carrier && !ev->link.receives;
    if (ev->link.path == HA_PATH_SERVICE && ev->link.carrier && ev->link.receives)
        note_traffic(f, now);
    if (fell) f->next_probe = f->next_beat = now;
}

bool ha_digest(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    switch (ev->kind) {
    case HA_EV_TICK: pass_time(f, ev, now); return true;
    case HA_EV_HEARTBEAT: return hear(f, ev->heartbeat.hb, ev->heartbeat.path, now);
    case HA_EV_GATEWAY: gateway_answered(f, ev, now); return false;
    case HA_EV_VIP_FOREIGN: f->vip_foreign_at = now; return true;
    case HA_EV_SAVED: ha_saved(f, ev, now); return true;
    case HA_EV_SERVER: note_server(f, ev->server, now); return true;
    case HA_EV_SERVER_DIED: lose_server(f, now); return true;
    case HA_EV_TOLD:
        if (ev->told.id == f->role_tell) f->role_tell = 0;
        return true;
    case HA_EV_WITNESS: ha_witness_answered(f, ev, now); return true;
    case HA_EV_FENCED: ha_fence_answered(f, ev, now); return true;
    case HA_EV_FENCE_READY:
        if (ev->fence.ok) f->fence_ready_at = max_i64(f->fence_ready_at, ev->fence.sent_at);
        return false;
    case HA_EV_LINK: note_link(f, ev, now); return false;
    default: return true;
    }
}
