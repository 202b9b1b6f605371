/* A master: its lease and VIP (rules 1 and 3), handing over and taking back (rule 6), planned
 * switchover. */
#include <assert.h>

#include "hactl/ha_core.h"

#define SWITCH_DEFAULT_MS 2000
#define SWITCH_MAX_MS     60000

/* ---- the lease ------------------------------------------------------------------------------- */

/* Rule 3: "peer outdated" is on disk and nothing is held: nobody else can promote, no evidence is
 * needed. */
static bool proven_alone(const struct ha_fsm *f) {
    return f->disk.peer_outdated && f->server.alone;
}

static bool loose_evidence(const struct ha_fsm *f, int64_t now) { /* without clause echo */
    uint32_t demote = f->setup.timing.demote_ms;
    return within(now, f->heard_at, demote) || within(now, f->gateway_at, demote);
}

static void extend(struct ha_fsm *f, int64_t until) {
    if (until > f->lease) ha_lease(f, until);
}

/* A lease that rests on the clock alone is renewed once a beat, not once a tick. */
static void extend_from_now(struct ha_fsm *f, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    if (f->lease < now + ms(t->demote_ms) - ms(t->beat_ms)) extend(f, now + ms(t->demote_ms));
}

void d_renew_lease(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    bool free_of_grants = ha_grants_expired(f, now);
    if (proven_alone(f)) {
        extend_from_now(f, now);
        return;
    }
    /* clause suspend: once lapsed, a lease is not revived by evidence or by time, only by a word */
    if (!without(f, HA_WITHOUT_SUSPEND) && now > f->lease) return;
    if (free_of_grants || (without(f, HA_WITHOUT_ECHO) && loose_evidence(f, now)))
        extend_from_now(f, now);
    else if (!without(f, HA_WITHOUT_ECHO))
        extend(f, ha_newest_evidence(f, now) + ms(f->setup.timing.demote_ms));
}

bool g_lease_over(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->lease <= now;
}

static void switch_end(struct ha_fsm *f, bool ok, const char *outcome) {
    if (f->switching == HA_SWITCH_NO) return;
    f->switching = HA_SWITCH_NO;
    if (!ok) ha_tell(f, HA_TELL_RESUME);
    ha_answer(f, f->switch_op, ok, "%s", outcome);
    f->switch_op = 0;
}

static void stop(struct ha_fsm *f, int64_t now) {
    ha_lease(f, HA_NEVER);
    f->permit = f->permit_boot = 0;
    f->suspended_at = now;
}

void d_suspend(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    stop(f, now);
    if (f->state == HA_YIELDED)
        return; /* its claim is how a switchover goes on; d_follow ends it */
    switch_end(f, false, "switchover ended: this master had to stop serving; see hactl status");
}

void d_suspend_anew(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    f->suspended_at = now;
}

void d_stop_follow(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    stop(f, now);
    d_follow(f, ev, now);
}

void d_serve_vip(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    if (f->vip || f->lease <= now) return;
    f->vip = true;
    f->beat_now = true;
    ha_emit(f, HA_ACT_VIP_TAKE);
}

void d_defend_vip(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    if (!f->vip || now < f->next_announce) return;
    f->next_announce = now + 20 * ms(f->setup.timing.beat_ms); /* once a second: never an ARP war */
    ha_emit(f, HA_ACT_VIP_ANNOUNCE);
}

/* ---- handing over ------------------------------------------------------------------------------
 */

bool g_claimed_above(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now; /* clause claim: heartbeat.claim is 0 without it */
    return f->peer.state != HA_MASTER && max_u64(f->peer.epoch, f->peer.claim) > f->disk.epoch;
}

bool g_overtaken(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return f->peer.state == HA_MASTER && max_u64(f->peer.epoch, f->peer.claim) > f->disk.epoch;
}

/* Clause restart: what a restarted server holds may be older than what it acknowledged. */
static bool restarted(const struct ha_fsm *f) {
    return f->server_died && !without(f, HA_WITHOUT_RESTART);
}

bool g_rebooted(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return restarted(f) && !f->disk.peer_outdated;
}

static bool may_yield(const struct ha_fsm *f) {
    return !ha_marking(f) && !f->disk.peer_outdated;
}

bool g_hand_over(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    if (!may_yield(f) || without(f, HA_WITHOUT_RESTART) || ha_maintenance(f)) return false;
    if (g_rebooted(f, ev, now)) return true;
    if (ha_server_well(f) || !ha_peer_fit(f, now) || ha_peer_says(f, HB_BENCHED)) return false;
    return !ha_held_down(f, now) || !ha_server_runs(f);
}

/* As for a silence, only time in which this node itself ran counts: unanswered is not unasked. And late is not lost: while old
 * answers still come in, the network is slow, and the other node's is no better. */
static bool gateway_lost(const struct ha_fsm *f, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    int64_t since = max_i64(f->gateway_at, max_i64(f->started_at, f->gap_end));
    return !within(now, since, t->gateway_lost_ms + 1) &&
           !within(now, f->gateway_came_at, t->fresh_ms);
}

/* A gateway (or a switch) that comes back answers one of the two first: the peer must have seen it
 * for as long as we have missed it. */
static bool peer_sees_gateway(const struct ha_fsm *f, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    return f->peer.gateway_age_ms < t->gateway_seen_ms && f->peer_gateway_since != INT64_MAX &&
           !within(now, f->peer_gateway_since, t->gateway_lost_ms + 1);
}

bool g_gateway_only_there(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return may_yield(f) && !ha_maintenance(f) && !ha_held_down(f, now) && ha_peer_fit(f, now) &&
           !ha_peer_says(f, HB_BENCHED) && gateway_lost(f, now) && peer_sees_gateway(f, now);
}

/* Alone, and the server restarted. With a peer in reach the two compare what they hold; without, it
 * goes on. */
bool g_restarted_solo(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return restarted(f) && f->server_up && f->disk.peer_outdated && ha_peer_fresh(f, now);
}

bool g_restarted_solo_alone(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    bool solo = f->disk.peer_outdated || without(f, HA_WITHOUT_RESTART);
    return f->server_died && f->server_up && !f->server.loading && solo;
}

void d_restart_solo(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    f->server_died = false; /* d_steer tells it MASTER again, the release that it is alone */
    if (f->disk.peer_outdated) ha_sync_begin_solo(f, now);
}

void d_elect_anew(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    stop(f, now);
    switch_end(f, false, "switchover ended: the server of this master restarted");
}

/* Rule 6: yield in writing. The permit names the next epoch and the start of the peer's server that
 * was in sync. */
void d_yield(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    assert(!f->disk.peer_outdated && "a node that holds the proof erases it before it yields");
    uint64_t boot = f->sync_boot;
    if (boot == 0 && ha_peer_says(f, HB_IN_SYNC)) boot = f->peer.server_boot;
    stop(f, now);
    f->permit = ha_next_epoch(f, !f->setup.node);
    f->permit_boot = boot;
    f->planned = f->switching == HA_SWITCH_DRAINING;
    f->yielded_at = now;
    f->withdrawn_at = HA_NEVER;
    f->beat_now = true;
}

bool g_peer_booted(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now; /* clause thislife */
    return f->permit != 0 && f->peer_known && f->peer.state == HA_BOOT &&
           !without(f, HA_WITHOUT_THISLIFE);
}

void d_void_permit(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    f->permit = f->permit_boot = 0;
    f->withdrawn_at = now;
    f->beat_now = true;
}

bool g_peer_restarted_too(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    if (!ha_peer_fresh(f, now) || !ha_server_well(f)) return false;
    if (f->peer.state == HA_BOOT) return true;
    return f->server_died && f->peer.state == HA_SLAVE && !ha_peer_whole(f);
}

bool g_withdraw(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->permit != 0 && !within(now, f->yielded_at, f->setup.timing.dead_ms + 1) &&
           ha_server_well(f) && !f->server_died;
}

/* Clause takeback: only on a heartbeat that echoes the withdrawal, says slave, and carries no
 * claim. */
bool g_take_back(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    if (f->permit != 0 || f->server_died || !ha_server_well(f)) return false;
    if (without(f, HA_WITHOUT_TAKEBACK)) return true;
    return f->echo_at > f->withdrawn_at && within(now, f->echo_at, f->setup.timing.demote_ms) &&
           f->peer.state == HA_SLAVE && f->peer.claim == 0 && f->known <= f->disk.epoch;
}

void d_take_back(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    f->planned = false;
    ha_sync_resume(f, now);
    int64_t from =
        without(f, HA_WITHOUT_ECHO) || without(f, HA_WITHOUT_TAKEBACK) ? now : f->echo_at;
    ha_lease(f, from + ms(f->setup.timing.demote_ms));
    switch_end(f, false, "switchover taken back: the other node did not promote; this one goes on");
    d_serve_vip(f, ev, now);
}

/* ---- planned switchover ---------------------------------------------------------------------- */

bool g_may_switch(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->switching == HA_SWITCH_NO && may_yield(f) && f->sync == HA_SYNC_IN &&
           ha_peer_fit(f, now) && !ha_peer_says(f, HB_BENCHED) && ha_server_well(f);
}

void d_switch_begin(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    uint32_t wait = ev->op.timeout_ms != 0 ? ev->op.timeout_ms : SWITCH_DEFAULT_MS;
    if (wait > SWITCH_MAX_MS) wait = SWITCH_MAX_MS;
    f->switching = HA_SWITCH_PAUSING;
    f->switch_op = ev->op.id;
    f->switch_until = now + ms(wait);
    struct ha_action *a = ha_tell(f, HA_TELL_PAUSE);
    a->tell.ms = wait + 4 * f->setup.timing.dead_ms; /* outlasts the yield that follows */
    f->switch_tell = a->tell.id;
    ha_log(f, "switchover begins: writes pause for at most %u ms", wait);
}

void d_switch_refuse(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    const char *why = f->state != HA_MASTER ? "this node is not the master; ask the other one"
                      : f->switching != HA_SWITCH_NO ? "a switchover is going on already"
                      : !ha_peer_fresh(f, now)       ? "the other node is not heard"
                      : f->sync != HA_SYNC_IN        ? "the slave is not in sync"
                      : ha_peer_says(f, HB_BENCHED) ? "the other node is benched after a crash loop"
                      : !ha_peer_fit(f, now) ? "the slave's server is not well, or it does not "
                                               "call itself in sync yet; try again in a second"
                                             : "this node's server does not answer";
    ha_answer(f, ev->op.id, false, "no switchover: %s; nothing was changed", why);
}

bool g_switch_told(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)now;
    return f->switching == HA_SWITCH_PAUSING && ev->told.id == f->switch_tell && ev->told.ok;
}

void d_switch_drain(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)now;
    f->switching = HA_SWITCH_DRAINING;
    f->switch_offset = ev->told.offset;
}

bool g_switch_failed(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)now;
    return f->switching == HA_SWITCH_PAUSING && ev->told.id == f->switch_tell && !ev->told.ok;
}

bool g_switch_drained(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->switching == HA_SWITCH_DRAINING && f->server.acked >= f->switch_offset &&
           f->server.held == 0 && may_yield(f) && ha_peer_fit(f, now);
}

bool g_switch_lost(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->switching != HA_SWITCH_NO && !ha_peer_fit(f, now);
}

bool g_switch_late(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->switching != HA_SWITCH_NO && now > f->switch_until;
}

void d_switch_abort(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    switch_end(f, false,
               "switchover aborted: the slave did not hold everything in time; writes go on here");
}

void ha_switch_done(struct ha_fsm *f) {
    switch_end(f, true, "switched over: the other node is master now");
}
