/* A slave: it obeys its master's heartbeats, steers its server after them, and may take over by a
 * grant (rule 2). */
#include "hactl/ha_core.h"

/* Small packets may pass a path that big ones do not, or not a connection's: so many connections in a row that fell
 * silent make replication leave it, for a minute, then for twice as long each time. */
#define STALLS_LEAVE  2
#define STALL_OFF_MS  60000
#define STALL_DOUBLES 6
#define STALL_NEWS_MS                                                                              \
    5000 /* what the server says sooner after it was told a path is about the one before */
#define BACK_TO_CABLE_BEATS                                                                        \
    20 /* the crossover must have been good for so long before replication moves back */

/* ---- obeying ----------------------------------------------------------------------------------
 */

bool g_master_above(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return f->peer.state == HA_MASTER && f->peer.epoch != 0 && f->peer.epoch >= f->disk.epoch;
}

/* Rule 5: the demotion is on disk before the first reply as slave; d_steer waits for it. */
void d_follow(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    f->in_sync = false;
    f->grant_at = HA_NEVER;
    f->permit = f->permit_boot = 0;
    f->outdate = 0;
    f->sync_boot = 0;
    f->server_died = false;
    f->adopted = true;
    f->route = HA_PATHS;
    ha_switch_done(f);
    if (!f->next.was_master && f->next.outdated) return;
    struct ha_record r = f->next;
    r.was_master = false;
    r.outdated = true;
    r.peer_outdated = false;
    ha_save(f, &r);
}

/* The master's verdict counts for the start of our server that it names, and only while that
 * streams. */
static void hear_in_sync(struct ha_fsm *f) {
    const struct ha_server *s = &f->server;
    bool ours = f->server_up && f->peer.link_boot == s->boot && f->peer.link_boot != 0;
    if (!ha_peer_says(f, HB_IN_SYNC) || !ours || s->role != HA_SERVER_SLAVE || s->session == 0 ||
        !s->whole || s->loading)
        return;
    f->whole_boot = s->boot;
    if (f->in_sync) return;
    f->in_sync = true;
    ha_log(f, "in sync with the master");
    if (!f->next.outdated && !f->next.was_master) return;
    struct ha_record r = f->next;
    r.was_master = false;
    r.outdated = false;
    ha_save(f, &r);
}

static void hear_outdated(struct ha_fsm *f) {
    uint64_t verdict = f->peer.outdate;
    if (verdict == 0 || verdict == f->said || verdict == f->outdate) return;
    f->in_sync = false;
    f->grant_at = HA_NEVER;
    f->outdate = verdict;
    struct ha_record r = f->next;
    r.outdated = true;
    f->said_next = verdict;
    f->said_save = ha_save(f, &r);
    ha_log(f, "is told that it is outdated");
}

/* The newest grant says what it takes to use it. */
static void hear_grant(struct ha_fsm *f, int64_t now) {
    int64_t at = without(f, HA_WITHOUT_ORIGIN) ? now : ha_echo_date(f);
    if (at < f->grant_at) return;
    f->grant_at = at;
    f->grant_kind = f->peer.flags & (HB_WITNESS | HB_FENCE);
}

void d_obey(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    if (f->peer.epoch < f->known || f->peer.epoch == 0) return;
    hear_in_sync(f);
    if (ha_peer_says(f, HB_GRANT) && f->in_sync) /* clause origin: dated by our own heartbeat */
        hear_grant(f, now);
    hear_outdated(f);
}

void d_said(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    if (f->said_next == 0 || !ha_is_saved(f, f->said_save)) return;
    f->said = f->said_next; /* only now: it is on disk */
    f->said_next = 0;
    f->beat_now = true;
}

bool g_server_ill(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return f->in_sync && (!ha_server_well(f) || !ha_whole(f));
}

void d_lose_server(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    f->in_sync = false;
    f->grant_at = HA_NEVER;
    f->beat_now = true;
}

/* ---- steering the server ------------------------------------------------------------------------
 */

static bool path_good(const struct ha_fsm *f, enum ha_path p, int64_t now) {
    return (ha_paths_both_ways(f, now) & 1u << p) != 0;
}

bool ha_path_stalls(const struct ha_fsm *f, enum ha_path p, int64_t now) {
    return now < f->stall_until[p];
}

static void hear_stalls(struct ha_fsm *f, int64_t now) {
    const struct ha_server *s = &f->server;
    enum ha_path p = f->route;
    if (p >= HA_PATHS || s->role != HA_SERVER_SLAVE || within(now, f->role_told_at, STALL_NEWS_MS))
        return;
    if (s->stalls >= STALLS_LEAVE && !ha_path_stalls(f, p, now)) {
        f->stall_until[p] = now + (ms(STALL_OFF_MS) << f->stall_times[p]);
        if (f->stall_times[p] < STALL_DOUBLES) f->stall_times[p]++;
        ha_log(
            f,
            "replication over the %s path fell silent %llu times in a row, though heartbeats pass",
            ha_path_name(p), (unsigned long long)s->stalls);
    }
    if (s->session != 0 && s->stalls == 0 && !within(now, f->role_told_at, STALL_OFF_MS))
        f->stall_times[p] = 0;
}

static enum ha_path best_route(const struct ha_fsm *f, int64_t now) {
    int64_t settled = BACK_TO_CABLE_BEATS * ms(f->setup.timing.beat_ms);
    bool cable = path_good(f, HA_PATH_CROSSOVER, now);
    bool service = path_good(f, HA_PATH_SERVICE, now);
    bool cable_stalls = ha_path_stalls(f, HA_PATH_CROSSOVER, now);
    bool service_stalls = ha_path_stalls(f, HA_PATH_SERVICE, now);
    if (cable && service && cable_stalls != service_stalls)
        return cable_stalls ? HA_PATH_SERVICE : HA_PATH_CROSSOVER;
    if (cable && service && f->route == HA_PATH_SERVICE)
        cable = now - f->path_since[HA_PATH_CROSSOVER] >= settled;
    if (cable) return HA_PATH_CROSSOVER;
    if (service) return HA_PATH_SERVICE;
    return f->route == HA_PATHS ? HA_PATH_CROSSOVER : f->route;
}

static bool steady(const struct ha_fsm *f, int64_t now) {
    return f->server_up && f->role_tell == 0 &&
           !within(now, f->role_told_at, 2 * f->setup.timing.beat_ms);
}

static bool has_master(const struct ha_fsm *f, int64_t now) {
    return ha_peer_fresh(f, now) && f->peer.state == HA_MASTER && f->peer.epoch >= f->known &&
           f->peer.epoch != 0;
}

static void steer_slave(struct ha_fsm *f, int64_t now) {
    const struct ha_server *s = &f->server;
    if (!has_master(f, now) || f->disk.was_master || f->next.was_master) return;
    hear_stalls(f, now);
    enum ha_path route = best_route(f, now);
    if (s->role == HA_SERVER_SLAVE && s->epoch == f->peer.epoch && route == f->route) return;
    struct ha_action *a = ha_tell(f, HA_TELL_SLAVE);
    a->tell.epoch = f->peer.epoch;
    a->tell.path = f->route = route;
    f->role_tell = a->tell.id;
    f->role_told_at = now;
}

/* A slave takes its master's epoch when what it holds is of that master's line: its link's session
 * is the one that the master names, and the copy is complete. */
static void take_epoch(struct ha_fsm *f, int64_t now) {
    const struct ha_server *s = &f->server;
    if (!has_master(f, now) || f->next.epoch == f->peer.epoch || f->next.was_master) return;
    if (s->role != HA_SERVER_SLAVE || s->epoch != f->peer.epoch || !s->whole || s->loading) return;
    if (s->session == 0 || s->session != f->peer.session) return;
    struct ha_record r = f->next;
    r.epoch = f->peer.epoch;
    ha_save(f, &r);
}

static void steer_master(struct ha_fsm *f, int64_t now) {
    const struct ha_server *s = &f->server;
    if (f->server_died || s->loading) return;
    if (s->role == HA_SERVER_MASTER && s->epoch == f->disk.epoch) return;
    struct ha_action *a = ha_tell(f, HA_TELL_MASTER);
    f->role_tell = a->tell.id;
    f->role_told_at = now;
}

void d_steer(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    if (f->state == HA_SLAVE) take_epoch(f, now);
    if (!steady(f, now)) return;
    if (f->state == HA_SLAVE) steer_slave(f, now);
    if (f->state == HA_MASTER) steer_master(f, now);
}

/* ---- taking over (rule 2) -------------------------------------------------------------------- */

/* A site without a gateway: the witness's word stands for it. */
static bool unseen_gateway_is_well(const struct ha_fsm *f) {
    return f->setup.no_gateway && (f->grant_kind & HB_WITNESS);
}

/* Clause watched: silence counts only while this node itself ran and the gateway answered
 * throughout. */
static int64_t silent_since(const struct ha_fsm *f) {
    if (without(f, HA_WITHOUT_WATCHED)) return f->heard_at;
    if (unseen_gateway_is_well(f)) return max_i64(f->heard_at, f->gap_end);
    if (f->gateway_since == INT64_MAX) return INT64_MAX;
    return max_i64(f->heard_at, max_i64(f->gap_end, f->gateway_since));
}

static bool silent_for(const struct ha_fsm *f, int64_t now, int64_t span_ns) {
    int64_t since = silent_since(f);
    return since != INT64_MAX && now - since >= span_ns;
}

bool g_probe_due(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    const struct ha_timing *t = &f->setup.timing;
    return silent_for(f, now, ms(t->demote_ms) - ms(t->beat_ms) + 1) && ha_probe_due(f, now);
}

bool ha_probe_due(const struct ha_fsm *f, int64_t now) {
    int64_t last = f->vip_asks ? f->vip_asked[(f->vip_asks - 1) % HA_ASKS] : HA_NEVER;
    return now - last >= ms(f->setup.timing.probe_ms);
}

/* With the first probe of a silence the log is fsynced too: the fsync before the promotion then finds little to do. */
void d_probe_vip(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    int64_t last = f->vip_asks ? f->vip_asked[(f->vip_asks - 1) % HA_ASKS] : HA_NEVER;
    if (f->state == HA_SLAVE && f->server_up && !within(now, last, f->setup.timing.path_ms))
        ha_tell(f, HA_TELL_FSYNC);
    f->vip_asked[f->vip_asks++ % HA_ASKS] = now;
    ha_emit(f, HA_ACT_PROBE_VIP);
}

/* Nobody else answers for the VIP: asked twice, long enough ago for an answer, and none came. */
bool ha_vip_is_free(const struct ha_fsm *f, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    unsigned asked = 0;
    for (unsigned i = 0; i < HA_ASKS && i < f->vip_asks; i++) {
        int64_t age = now - f->vip_asked[i];
        asked += age < ms(t->path_ms) && age > ms(t->beat_ms);
    }
    return asked >= 2 && !within(now, f->vip_foreign_at, t->path_ms + 1);
}

bool ha_fit_to_take_over(const struct ha_fsm *f) {
    return f->in_sync && !f->disk.benched && !ha_maintenance(f) && ha_server_well(f) && ha_whole(f);
}

bool ha_may_take_over(const struct ha_fsm *f, int64_t now) {
    return ha_fit_to_take_over(f) && within(now, f->grant_at, f->setup.timing.grant_ms);
}

bool ha_silent_enough(const struct ha_fsm *f, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    bool gateway = within(now, f->gateway_at, t->fresh_ms) || unseen_gateway_is_well(f);
    return silent_for(f, now, ms(t->dead_ms)) && gateway && ha_vip_is_free(f, now) &&
           !within(now, f->gap_end, t->dead_ms + 1) && !ha_held_down(f, now);
}

/* Clause watched, with several to watch: each that answered the master lately answers us, or the master
 * may be alive on the other side of a split and keep its lease by that one. */
static bool sees_what_the_master_saw(const struct ha_fsm *f, int64_t now) {
    unsigned seen = ha_outside(f, now, f->setup.timing.fresh_ms);
    return (f->peer.outside & ~seen) == 0 || without(f, HA_WITHOUT_WATCHED);
}

bool g_silence(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return f->grant_kind == 0 && ha_silent_enough(f, now) && sees_what_the_master_saw(f, now) &&
           ha_may_take_over(f, now);
}

void d_promote_silence(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    f->counts[HA_COUNT_TAKEOVERS]++;
    ha_log(f, "silence for %lld ms, the grant is %lld ms old, the gateway answered %lld ms ago",
           (long long)((now - f->heard_at) / HA_MS), (long long)((now - f->grant_at) / HA_MS),
           (long long)((now - f->gateway_at) / HA_MS));
    ha_promote(f, f->taking ? f->taking : ha_next_epoch(f, f->setup.node), now);
}

/* ---- permits --------------------------------------------------------------------------------- */

static bool permit_for_us(const struct ha_fsm *f) {
    const struct heartbeat *p = &f->peer;
    bool life = f->disk.epoch != 0 && p->permit_boot == f->server.boot;
    return p->permit > f->disk.epoch && ha_echoes_us(f) && ha_server_well(f) && !f->disk.benched &&
           (life || without(f, HA_WITHOUT_THISLIFE));
}

/* The master's word: you hold everything that I acknowledged. It overrules the outdated mark, not a
 * restart. */
bool g_permitted(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return f->peer.epoch >= f->known && permit_for_us(f) && ha_whole(f);
}

/* In an election the permit rests on what both hold now. */
bool g_peer_yields(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return permit_for_us(f);
}

void d_promote_permit(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    uint64_t epoch = ha_next_epoch(f, f->setup.node);
    ha_promote(f, max_u64(epoch, f->peer.permit), now);
    f->claim_planned = ha_peer_says(f, HB_PLANNED);
}

/* Is the peer one with whom a slave elects? Not with a suspended master of our epoch: that one
 * resumes. */
static bool electing_peer(const struct ha_fsm *f, int64_t now) {
    if (!ha_peer_fresh(f, now)) return false;
    switch (f->peer.state) {
    case HA_BOOT:
    case HA_SLAVE: return true;
    case HA_SUSPENDED: return f->peer.epoch < f->known;
    default: return false;
    }
}

bool g_peer_yields_slave(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    return electing_peer(f, now) && ha_ranked(f) && ha_rank_against_peer(f) > 0 &&
           g_peer_yields(f, ev, now);
}

void d_slave_elect(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    bool yields = electing_peer(f, now) && !ha_maintenance(f) && ha_stands_lower(f) &&
                  !ha_holds_proof(f); /* its demotion is not on disk yet */
    ha_permit(f, yields ? ha_next_epoch(f, !f->setup.node) : 0, f->peer.server_boot);
}
