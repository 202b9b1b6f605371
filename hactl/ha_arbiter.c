/* Arbiters: a witness on a third machine, and a fence of the peer (rules 1 to 4 with them).
 *
 * Kinds of grants. A plain one is used by itself. One with HB_WITNESS is used only with the witness's TAKE, one with
 * HB_FENCE only with the own fence confirmed. The master dates the newest of each kind that it sent, and while any may be
 * valid its lease needs evidence that counts against that kind: against plain and fenced ones the peer's echo, or the
 * gateway's answer while the peer is silent; against witnessed ones the peer's echo, or the witness's.
 *
 * The witness's word is dated when it was asked for. It is evidence only from the second grant of an epoch on: the first
 * one, which makes our epoch the holder, may have come after another node's TAKE below it.
 *
 * A slave that asks an arbiter claims the epoch from then on. When it hears the master again it drops the claim, and gives
 * back (RESET) what the witness may have granted meanwhile. */
#include "hactl/ha_core.h"

#define FENCE_READY_MS    45000 /* a test of the peer's controller counts for so long */
#define FENCE_RETRY_MS    1000
#define FENCE_PATIENCE_MS 3000 /* the slave's fence, which began first, gets so much more time */

/* ---- kinds of grants ----------------------------------------------------------------------------- */

/* Clause margin: both clocks may drift, and a tick passes before it is seen. */
int64_t ha_grant_end(const struct ha_fsm *f, int64_t sent_at) {
    const struct ha_timing *t = &f->setup.timing;
    int64_t life = ms(t->grant_ms);
    if (!without(f, HA_WITHOUT_MARGIN)) life += life / 1000000 * 3 * t->drift_ppm + ms(t->tick_ms);
    return sent_at + life;
}

bool ha_grants_expired(const struct ha_fsm *f, int64_t now) {
    return now > ha_grant_end(f, f->grant_sent);
}

/* What goes out with this heartbeat: the newest of its kind. */
void ha_grant_sent(struct ha_fsm *f, unsigned flags, int64_t now) {
    f->grant_sent = now;
    if (flags & HB_GRANT && flags & HB_WITNESS) {
        f->witnessed_sent = now;
    } else if (flags & HB_GRANT && flags & HB_FENCE) {
        f->fenced_sent = now;
        f->fence_open = true;
    } else {
        f->plain_sent = now; /* or a permit */
    }
}

static bool witness_lease(const struct ha_fsm *f, int64_t now) {
    return f->setup.has_witness && f->registered == f->disk.epoch &&
           within(now, f->witness_at, f->setup.timing.demote_ms);
}

static bool fence_ready(const struct ha_fsm *f, int64_t now) {
    return f->setup.has_fence && within(now, f->fence_ready_at, FENCE_READY_MS);
}

bool ha_witness_answers(const struct ha_fsm *f, int64_t now) {
    return f->setup.has_witness && within(now, f->witness_seen, f->setup.timing.demote_ms);
}

/* Whatever may keep a master alive (rule 1) must keep its slave from promoting, so the slave must see it too. */
bool ha_peer_sees_as_we(const struct ha_fsm *f, int64_t now) {
    return (ha_outside(f, now, f->setup.timing.dead_ms) & ~(unsigned)f->peer.outside) == 0;
}

/* Rule 2: of which kind a grant would be now, as flags of the heartbeat; 0 none. */
unsigned ha_grant_kind(const struct ha_fsm *f, int64_t now) {
    int paths = __builtin_popcount(ha_paths_both_ways(f, now));
    bool sees = f->peer.gateway_age_ms < f->setup.timing.path_ms || without(f, HA_WITHOUT_NOGRANT);
    bool witnessed = witness_lease(f, now) && ha_peer_says(f, HB_WITNESS);
    if (witnessed && paths >= 1 && (sees || f->setup.no_gateway)) return HB_GRANT | HB_WITNESS;
    if (!sees || (!ha_peer_sees_as_we(f, now) && !without(f, HA_WITHOUT_NOGRANT))) return 0;
    if (paths >= 2 || f->setup.last_path_promote || without(f, HA_WITHOUT_TWOPATH)) return HB_GRANT;
    bool fences = fence_ready(f, now) && ha_peer_says(f, HB_FENCE_READY);
    return fences && paths >= 1 ? HB_GRANT | HB_FENCE : 0;
}

/* What an arbiter says in a heartbeat that carries no grant. */
unsigned ha_arbiter_flags(const struct ha_fsm *f, int64_t now) {
    bool slave = f->state != HA_MASTER && ha_witness_answers(f, now);
    return (slave ? HB_WITNESS : 0u) | (fence_ready(f, now) ? HB_FENCE_READY : 0u);
}

/* ---- a master's evidence (rule 1) ---------------------------------------------------------------- */

/* Clause echo. The peer's echo counts against every kind; the gateway's answer only while the peer has been silent for 4
 * beats, and not against witnessed grants (clause arbiter). */
int64_t ha_newest_evidence(const struct ha_fsm *f, int64_t now) {
    bool silent = !within(now, f->heard_at, f->setup.timing.path_ms + 1);
    int64_t gateway = silent ? max_i64(f->echo_at, f->gateway_at) : f->echo_at;
    int64_t witness = max_i64(f->echo_at, f->witness_at);
    bool witnessed = now <= ha_grant_end(f, f->witnessed_sent);
    bool plain = now <= ha_grant_end(f, max_i64(f->plain_sent, f->fenced_sent));
    if (!witnessed || without(f, HA_WITHOUT_ARBITER)) return gateway;
    if (!plain) return witness;
    return gateway < witness ? gateway : witness;
}

/* ---- the witness's answers ----------------------------------------------------------------------- */

static void renewed(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    bool ours = ev->witness.epoch == f->disk.epoch;
    if (!ours || (f->state != HA_MASTER && f->state != HA_SUSPENDED)) return;
    f->refused = 0;
    bool known = f->registered == f->disk.epoch;
    if (known && ev->witness.sent_at >= f->registered_at)
        f->witness_at = max_i64(f->witness_at, ev->witness.sent_at);
    if (known || f->state != HA_MASTER || f->lease <= now) return;
    f->registered = f->disk.epoch;
    f->registered_at = now;
}

void ha_witness_answered(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    f->witness_seen = max_i64(f->witness_seen, ev->witness.sent_at);
    f->holder = ev->witness.holder;
    switch (ev->witness.kind) {
    case HA_WITNESS_RENEW:
        if (ev->witness.granted) renewed(f, ev, now);
        break;
    case HA_WITNESS_TAKE:
        if (ev->witness.granted && f->taking != 0 && f->taking == ev->witness.epoch &&
            ev->witness.sent_at >= f->taking_at && (f->grant_kind & HB_WITNESS))
            f->taken = true;
        break;
    default: break;
    }
    if (f->give_back != 0 && f->taking == 0 && f->holder != f->give_back &&
        ev->witness.sent_at > f->given_back_at + ms(f->setup.timing.grant_ms))
        f->give_back = 0; /* no ask of ours is on its way any more, and it is not the holder */
}

/* Another epoch above ours holds the lease: as a claim above. Once for each: the peer's word may disown it. */
bool g_witness_refuses(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)now;
    return ev->witness.kind == HA_WITNESS_RENEW && !ev->witness.granted &&
           ev->witness.epoch == f->disk.epoch && ev->witness.holder > f->disk.epoch &&
           ev->witness.holder > f->refused;
}

void d_witness_refused(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    f->refused = ev->witness.holder;
    if (f->state == HA_MASTER)
        d_suspend(f, ev, now);
    else
        d_suspend_anew(f, ev, now);
}

/* ---- the witness's word ends a suspension (rule 3) ------------------------------------------------- */

/* The peer's last word said slave, and since then it could have promoted with the witness only. */
static bool witness_decides(const struct ha_fsm *f) {
    if (!f->setup.has_witness || f->registered != f->disk.epoch || f->server_died) return false;
    if (!f->peer_known || f->peer.state != HA_SLAVE || f->peer.claim != 0) return false;
    return f->echo_at > ha_grant_end(f, max_i64(f->plain_sent, f->fenced_sent));
}

bool ha_witness_word(const struct ha_fsm *f, int64_t now) {
    return witness_decides(f) && f->witness_at > f->suspended_at &&
           within(now, f->witness_at, f->setup.timing.demote_ms);
}

/* ---- a slave asks --------------------------------------------------------------------------------- */

static void drop_claim(struct ha_fsm *f, int64_t now) {
    if (f->taking == 0) return;
    if (f->grant_kind & HB_WITNESS) f->give_back = f->taking;
    f->given_back_at = now;
    f->taking = 0;
    f->taken = false;
    f->beat_now = true;
}

static bool wants_arbiter(const struct ha_fsm *f, int64_t now) {
    if (f->grant_kind == 0) return false;
    bool fencing = f->taking != 0 && (f->grant_kind & HB_FENCE);
    return ha_silent_enough(f, now) && ha_fit_to_take_over(f) &&
           (fencing || within(now, f->grant_at, f->setup.timing.grant_ms));
}

bool g_claims_no_more(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->taking != 0 && !wants_arbiter(f, now);
}

void d_drop_claim(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    ha_log(f, "the master is heard again, or this node is not fit any more: it claims nothing");
    drop_claim(f, now);
}

bool g_asks_arbiter(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return !f->taken && wants_arbiter(f, now);
}

static void ask_fence(struct ha_fsm *f, int64_t now, const char *why) {
    if (f->fence_id != 0 || within(now, f->fence_tried_at, FENCE_RETRY_MS)) return;
    f->fence_tried_at = now;
    f->fence_id = ++f->fences;
    ha_log(f, "switches the other node's power off: %s", why);
    ha_emit(f, HA_ACT_FENCE)->fence.id = f->fence_id;
}

static void ask_witness(struct ha_fsm *f, enum ha_witness_kind kind, uint64_t epoch, int64_t now) {
    struct ha_action *a = ha_emit(f, HA_ACT_ASK_WITNESS);
    a->witness.sent_at = now;
    a->witness.kind = kind;
    a->witness.epoch = epoch;
    a->witness.lease_ms = f->setup.timing.dead_ms;
}

/* From the first ask on its heartbeats claim the epoch. Asked with every tick: the answer is all that is waited for. */
void d_ask_arbiter(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    if (f->taking == 0) {
        f->taking = f->claimed = ha_next_epoch(f, f->setup.node);
        f->taking_at = now;
        f->taken = without(f, f->grant_kind & HB_WITNESS ? HA_WITHOUT_TAKE : HA_WITHOUT_FENCED);
        f->beat_now = true;
        ha_log(f, "claims and asks %s", f->grant_kind & HB_WITNESS ? "the witness" : "its fence");
    }
    if (f->grant_kind & HB_WITNESS)
        ask_witness(f, HA_WITNESS_TAKE, f->taking, now);
    else
        ask_fence(f, now, "it is silent, and this node holds its grant");
}

bool g_arbiter_grants(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->taken && wants_arbiter(f, now);
}

/* ---- the fence -------------------------------------------------------------------------------------- */

void ha_fence_answered(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    if (ev->fenced.id != f->fence_id) return;
    f->fence_id = 0;
    f->fence_tried_at = now;
    if (!ev->fenced.ok) return;
    if (f->state == HA_SLAVE) f->taken = f->taking != 0 && (f->grant_kind & HB_FENCE) != 0;
    if (f->state == HA_MASTER) f->fence_open = false;
}

/* The slave may hold a fence of us that it began in its grant's time: a time alone does not end that, its word does. */
static void fence_watch(struct ha_fsm *f, int64_t now) {
    int64_t end = ha_grant_end(f, f->fenced_sent);
    if (!f->fence_open || now <= end || !f->peer_known) return;
    if (f->peer.state == HA_SLAVE && f->peer.claim == 0 && f->echo_at > end) f->fence_open = false;
}

/* Rule 4: may a master that lost its slave go on alone, as far as the fence is concerned? It fences in its turn, but not
 * before the slave's, which began first, has had its time: they would shoot each other. */
bool ha_fence_lets_go(struct ha_fsm *f, int64_t now) {
    if (!f->fence_open || without(f, HA_WITHOUT_FENCEWAIT)) return true;
    int64_t from = max_i64(ha_grant_end(f, f->fenced_sent), f->sync_since);
    if (f->setup.has_fence && !within(now, from, FENCE_PATIENCE_MS))
        ask_fence(f, now, "it is silent, and may be about to switch this node off");
    return false;
}

/* ---- every tick ---------------------------------------------------------------------------------------- */

/* A master renews; a suspended one asks if the answer could end the suspension, for its asking keeps the slave from taking
 * over; a slave gives back what it does not use; all others look. */
static void ask_by_state(struct ha_fsm *f, int64_t now) {
    bool ours = f->state == HA_MASTER || (f->state == HA_SUSPENDED && witness_decides(f));
    bool other = ha_peer_fresh(f, now) && f->peer.epoch != 0 && f->peer.epoch < f->give_back &&
                 (f->peer.state == HA_MASTER || f->peer.state == HA_SUSPENDED);
    if (ours)
        ask_witness(f, HA_WITNESS_RENEW, f->disk.epoch, now);
    else if (f->state == HA_SLAVE && f->give_back != 0 && f->holder == f->give_back && other)
        ask_witness(f, HA_WITNESS_RESET, f->peer.epoch, now);
    else if (f->state != HA_PROMOTING)
        ask_witness(f, HA_WITNESS_LOOK, 0, now);
}

void ha_arbiter_tick(struct ha_fsm *f, int64_t now) {
    if (f->state != HA_SLAVE) drop_claim(f, now);
    fence_watch(f, now);
    if (!f->setup.has_witness || now < f->next_ask || f->taking != 0) return;
    f->next_ask = now + ms(f->setup.timing.beat_ms);
    ask_by_state(f, now);
}
