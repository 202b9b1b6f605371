/* None serves: what a start finds, a suspended master, elections by permit, and the steps of a
 * promotion (rules 3, 5, 6). */
#include "hactl/ha_core.h"

/* ---- what kind of start is this? ------------------------------------------------------------- */

/* The server knows: told MASTER of our epoch and not restarted since, only had restarted. */
static bool still_master(const struct ha_fsm *f) {
    return !f->adopted && f->disk.was_master && f->disk.epoch != 0 &&
           f->server.role == HA_SERVER_MASTER && f->server.epoch == f->disk.epoch;
}

bool g_adopt_master_solo(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    bool above = f->known > f->disk.epoch || (f->peer_known && f->peer.claim > f->disk.epoch);
    return still_master(f) && f->disk.peer_outdated && !above;
}

bool g_adopt_master(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return still_master(f);
}

bool g_adopt_slave(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return !f->adopted && f->disk.epoch != 0 && !f->disk.was_master &&
           f->server.role == HA_SERVER_SLAVE;
}

bool g_unadopted(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return !f->adopted;
}

void d_adopt_master_solo(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    f->adopted = true;
    ha_sync_begin_solo(f, now);
    ha_lease(f, now + ms(f->setup.timing.demote_ms));
    d_serve_vip(f, ev, now);
}

/* Rule 3: had restarted while a grant could be valid. */
void d_adopt_master(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    f->adopted = true;
    f->suspended_at = now;
    f->sync = f->server.alone ? HA_SYNC_LOST : HA_SYNC_IN;
    f->in_sync = f->sync == HA_SYNC_IN;
}

void d_adopt(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    f->adopted = true;
    f->in_sync = false;
    if (f->state == HA_BOOT && f->disk.was_master) ha_note_failure(f, now); /* it fell as master */
}

/* ---- a suspended master ---------------------------------------------------------------------- */

/* Clause suspend: the peer's word is a heartbeat that echoes one sent after the suspension, says
 * slave, carries no claim. Time alone never ends it: an expired grant proves that the slave will
 * not promote, not that it has not. */
static bool word(const struct ha_fsm *f, int64_t now) {
    if (without(f, HA_WITHOUT_SUSPEND)) {
        uint32_t demote = f->setup.timing.demote_ms;
        return within(now, f->heard_at, demote) || within(now, f->gateway_at, demote) ||
               ha_grants_expired(f, now);
    }
    if (!f->peer_known || f->peer.state != HA_SLAVE || f->peer.claim != 0) return false;
    if (ha_witness_word(f, now)) return true;
    /* A word holds for demote-time: what the peer did after it had last heard us, it cannot have done before that. */
    if (f->echo_at > f->suspended_at && within(now, f->echo_at, f->setup.timing.demote_ms))
        return true;
    return ha_peer_says(f, HB_VOID) && f->heard_at > f->suspended_at && ha_grants_expired(f, now);
}

static int64_t resumed_lease(const struct ha_fsm *f, int64_t now) {
    bool by_clock = without(f, HA_WITHOUT_ECHO) || without(f, HA_WITHOUT_SUSPEND) ||
                    f->disk.peer_outdated || ha_grants_expired(f, now);
    int64_t date = ha_witness_word(f, now) ? max_i64(f->echo_at, f->witness_at) : f->echo_at;
    return (by_clock ? now : date) + ms(f->setup.timing.demote_ms);
}

static bool may_resume(const struct ha_fsm *f, int64_t now) {
    if (!f->disk.peer_outdated && !word(f, now)) return false;
    if (f->known > f->disk.epoch || resumed_lease(f, now) <= now) return false;
    if (f->server_died && ha_maintenance(f) && !ha_holds_proof(f))
        return false; /* nor may it yield */
    if (f->peer_known && f->peer.claim > f->disk.epoch) return false;
    bool boots = f->peer_known && f->peer.state == HA_BOOT &&
                 within(now, f->heard_at, f->setup.timing.demote_ms);
    return !boots; /* a peer that has just booted elects with us */
}

bool g_resume_but_restarted(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return may_resume(f, now) && f->server_died && f->peer_known && ha_peer_says(f, HB_IN_SYNC) &&
           !ha_holds_proof(f) && !without(f, HA_WITHOUT_RESTART);
}

bool g_resume_word(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return may_resume(f, now);
}

void d_resume(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    f->permit = f->permit_boot = 0;
    ha_sync_resume(f, now);
    if (f->in_sync && f->sync_boot == 0) { /* had restarted: is the slave of the same opinion? */
        if (f->peer_known && ha_peer_says(f, HB_IN_SYNC))
            f->sync_boot = f->peer.server_boot;
        else
            ha_sync_enter(f, HA_SYNC_LOST, now);
    }
    ha_lease(f, resumed_lease(f, now));
    d_serve_vip(f, ev, now);
}

void d_resume_operator(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    ha_log(f, "the operator says that the other node does not serve");
    f->grant_sent = f->plain_sent = f->witnessed_sent = f->fenced_sent = HA_NEVER;
    f->fence_open = false;
    d_resume(f, ev, now);
    ha_answer(f, ev->op.id, true, "this node serves again");
}

/* ---- elections ------------------------------------------------------------------------------- */

bool ha_holds_proof(const struct ha_fsm *f) {
    return f->disk.peer_outdated || f->next.peer_outdated ||
           (f->flight_id != 0 && f->flight.peer_outdated);
}

void ha_permit(struct ha_fsm *f, uint64_t epoch, uint64_t boot) {
    if (epoch != 0 && f->permit == 0) f->beat_now = true;
    f->permit = epoch;
    f->permit_boot = epoch != 0 ? boot : 0;
}

static bool meets_idle_peer(const struct ha_fsm *f, int64_t now) {
    if (!ha_peer_fresh(f, now) || ha_maintenance(f)) return false;
    if (f->peer.state == HA_MASTER || f->peer.state == HA_PROMOTING) return false;
    return f->state == HA_BOOT || f->peer.state == HA_BOOT || f->known > f->disk.epoch;
}

/* The one that stands lower yields in writing; the other promotes on that word only. */
void d_elect(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    bool lower = meets_idle_peer(f, now) && ha_stands_lower(f);
    if (!lower) {
        ha_permit(f, 0, 0);
    } else if (ha_holds_proof(f) && !without(f, HA_WITHOUT_ORDER)) {
        ha_permit(f, 0, 0); /* rule 5: its own proof goes before the right that it gives */
        if (!f->next.peer_outdated) return;
        struct ha_record r = f->next;
        r.peer_outdated = false;
        ha_save(f, &r);
    } else {
        ha_permit(f, ha_next_epoch(f, !f->setup.node), f->peer.server_boot);
    }
}

/* ---- promotion by oneself after boot --------------------------------------------------------- */

static bool peer_has_nothing(const struct ha_fsm *f, int64_t now) {
    return ha_peer_fresh(f, now) && f->peer.state == HA_BOOT && !ha_peer_says(f, HB_RECORD) &&
           ha_echoes_us(f);
}

/* With a peer that can tell what it holds the two elect. One that cannot (its server is down, or loads for ever) does not
 * keep a node with a proof from serving. */
static bool peer_in_the_way(const struct ha_fsm *f, int64_t now, uint32_t init_ms) {
    if (!within(now, f->heard_at, init_ms + 1) || peer_has_nothing(f, now)) return false;
    bool mute = f->peer_known && !ha_peer_says(f, HB_RANKED) && f->peer.claim == 0 &&
                f->peer.state != HA_MASTER && ha_echoes_us(f);
    return !mute || within(now, f->started_at, 2 * init_ms);
}

/* The service port has carried traffic for so long: whoever has the VIP could have been heard (STP, bonds). */
static bool port_carries(const struct ha_fsm *f, int64_t now, uint32_t init_ms) {
    if (f->setup.no_gateway && f->traffic_at == HA_NEVER) return true; /* none is ever asked for */
    return within(now, f->traffic_at, init_ms) && !within(now, f->traffic_since, init_ms);
}

static bool proof(const struct ha_fsm *f, int64_t now, uint32_t init_ms) {
    return f->disk.epoch != 0 && f->disk.was_master && f->disk.peer_outdated &&
           f->next.peer_outdated && !f->disk.benched && ha_server_well(f) && f->server.whole &&
           f->known <= f->disk.epoch && !within(now, f->started_at, init_ms + 1) &&
           port_carries(f, now, init_ms) && !peer_in_the_way(f, now, init_ms);
}

bool g_proof_probe_due(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    const struct ha_timing *t = &f->setup.timing;
    return proof(f, now, t->init_ms - t->path_ms) && ha_probe_due(f, now);
}

/* Rule 6: it was master and the peer was marked outdated, so nobody can be ahead. */
bool g_proof(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return proof(f, now, f->setup.timing.init_ms) && ha_vip_is_free(f, now);
}

void d_promote_own(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    ha_promote(f, ha_next_epoch(f, f->setup.node), now);
}

/* A new pair: both say that they have no record and hold nothing. Node a writes the first record.
 */
bool g_new_pair(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->setup.node == 0 && f->disk.epoch == 0 && f->next.epoch == 0 && f->known == 0 &&
           peer_has_nothing(f, now) && ha_peer_says(f, HB_EMPTY) && f->server_up &&
           f->server.empty && !f->server.loading;
}

void d_found_pair(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    struct ha_record r = {.epoch = ha_epoch(1, 0), .was_master = 1, .peer_outdated = 1};
    r.maintenance = f->next.maintenance;
    ha_log(f, "a new pair: neither node has a record or data; this one writes the first record");
    ha_save(f, &r);
}

/* ---- the steps of a promotion (rule 5: write down, then act) --------------------------------- */

static void step_note(struct ha_fsm *f) {
    struct ha_record r = f->next;
    r.epoch = f->claim;
    r.was_master = true;
    r.peer_outdated = true;
    r.outdated = false;
    f->claim_step = HA_STEP_NOTE;
    f->claim_wait = ha_save(f, &r);
}

/* From here on heartbeats claim the epoch, before the record is on disk. The row's next state is
 * PROMOTING. */
void ha_promote(struct ha_fsm *f, uint64_t epoch, int64_t now) {
    (void)now;
    ha_lease(f, HA_NEVER);
    f->claim = epoch;
    f->claim_planned = f->taken = false;
    f->taking = 0;
    f->in_sync = false;
    f->permit = f->permit_boot = 0;
    f->adopted = true;
    f->beat_now = true;
    if (without(f, HA_WITHOUT_BASE)) {
        step_note(f);
        return;
    }
    f->claim_step = HA_STEP_FSYNC; /* clause base */
    f->claim_wait = ha_tell(f, HA_TELL_FSYNC)->tell.id;
}

bool g_fsynced(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)now;
    return f->claim_step == HA_STEP_FSYNC && ev->told.id == f->claim_wait && ev->told.ok;
}

void d_note_epoch(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    step_note(f);
}

bool g_noted(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return f->claim_step == HA_STEP_NOTE && ha_is_saved(f, f->claim_wait);
}

/* Three commands on one socket, answered in this order; a pause of an earlier switchover may still be on. */
void d_tell_master(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    f->claim_first = ha_tell(f, HA_TELL_MASTER)->tell.id;
    ha_tell(f, HA_TELL_RESUME);
    struct ha_action *a = ha_tell(f, HA_TELL_ALONE);
    a->tell.alone = true;
    f->claim_step = HA_STEP_TELL;
    f->claim_wait = a->tell.id;
}

bool g_master_told(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)now;
    return f->claim_step == HA_STEP_TELL && ev->told.id == f->claim_wait && ev->told.ok;
}

void d_become_master(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    f->known = max_u64(f->known, f->disk.epoch);
    f->claim = 0;
    f->outdate = f->sync_boot = 0;
    f->grant_sent = f->plain_sent = f->witnessed_sent = f->fenced_sent = HA_NEVER;
    f->fence_open = false;
    f->vip_foreign_at = HA_NEVER; /* what was heard before was the old master's */
    f->server_died = false;
    f->server.role = HA_SERVER_MASTER;
    f->server.epoch = f->disk.epoch;
    f->server.alone = true;
    f->sync = HA_SYNC_SOLO;
    ha_sync_enter(f, HA_SYNC_SOLO, now);
    ha_lease(f, now + ms(f->setup.timing.demote_ms));
    d_serve_vip(f, ev, now);
    ha_note_master(f, f->disk.epoch, f->claim_planned, now);
    ha_answer(f, f->force_op, true, "this node is master now");
    f->force_op = 0;
}

bool g_step_failed(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)now;
    if (ev->kind == HA_EV_SAVED) return !ev->saved.ok;
    if (ev->kind != HA_EV_TOLD) return true; /* the server died */
    bool ours = f->claim_step == HA_STEP_FSYNC ? ev->told.id == f->claim_wait
                : f->claim_step == HA_STEP_TELL
                    ? ev->told.id >= f->claim_first && ev->told.id <= f->claim_wait
                    : false;
    return ours && !ev->told.ok;
}

void d_promote_abort(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)now;
    f->claim = 0;
    f->beat_now = true;
    if (ev->kind == HA_EV_SAVED) ha_save_forget(f);
    ha_answer(f, f->force_op, false, "not promoted: %s",
              ev->kind == HA_EV_SAVED ? "the record could not be written"
                                      : "the server died, or could not fsync its log");
    f->force_op = 0;
}

/* Both hold a permit, or a permit crossed a silence: the higher claim stands. What is being written
 * here must not read as proof later. */
bool g_outclaimed(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return max_u64(f->peer.epoch, f->peer.claim) >= f->claim;
}

void d_outclaimed(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    f->known = max_u64(f->known, f->peer.claim); /* nothing below it is promoted to again */
    d_promote_abort(f, ev, now);
    struct ha_record r = f->next;
    r.peer_outdated = false;
    ha_save(f, &r);
}
