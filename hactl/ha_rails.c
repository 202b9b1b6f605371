/* Rails against flapping and crash loops (FAULTS 32, 63, 64), and what keeps a node out of an election.
 *
 * Hold-down: each node counts how often the master moved from one node to the other without an operator's switchover. Two
 * such moves within hold_window_ms: no automatic change for hold_ms. A third within the window: locked, on disk, until
 * `hactl unbench`. Held down means: no grants, no silent takeover, no handover for lack of the gateway or a slow disk. A
 * server that died is handed over all the same (there is no other way to serve). A move is forgiven once its former master
 * is seen to have really died: hold-down is for a role that moves between machines that live.
 *
 * Bench: a master's crashes (its server died, or its machine rebooted) are counted on disk, so that a reboot does not
 * forget them, and a quiet bench_window_ms clears the count. So many of them, twice as many when it is alone: benched. */
#include "hactl/ha_core.h"

enum { MOVES_HOLD = 2, MOVES_LOCK = 3 };

/* ---- hold-down --------------------------------------------------------------------------------- */

bool ha_held_here(const struct ha_fsm *f, int64_t now) {
    if (f->setup.timing.hold_ms == 0 || without(f, HA_WITHOUT_HOLD)) return false;
    return f->disk.locked || f->next.locked || now < f->hold_until;
}

bool ha_held_down(const struct ha_fsm *f, int64_t now) {
    return ha_held_here(f, now) || (f->peer_known && ha_peer_says(f, HB_LOCKED));
}

static void lock(struct ha_fsm *f) {
    struct ha_record r = f->next;
    r.locked = true;
    ha_save(f, &r);
    ha_log(f, "the master's role moved too often: locked until an operator says hactl unbench");
}

static unsigned recent_moves(const struct ha_fsm *f, int64_t now) {
    unsigned recent = 0;
    for (int i = 0; i < HA_MOVES; i++)
        recent += within(now, f->moved[i].at, f->setup.timing.hold_window_ms);
    return recent;
}

/* The former master: this node, or the peer as it was when it served. */
static void note_move(struct ha_fsm *f, bool ours, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    if (ours && f->server_died) return;
    f->moved[f->moves++ % HA_MOVES] =
        (struct ha_move){.at = now,
                         .ours = ours,
                         .life = f->master_life,
                         .boot = ours ? f->server.boot : f->master_boot};
    unsigned recent = recent_moves(f, now);
    if (t->hold_ms == 0 || recent < MOVES_HOLD) return;
    f->hold_until = now + ms(t->hold_ms);
    if (recent >= MOVES_LOCK && !f->next.locked) lock(f);
}

/* A node serves in this epoch. Epochs name who promoted, so that a move shows in them. */
void ha_note_master(struct ha_fsm *f, uint64_t epoch, bool planned, int64_t now) {
    if (epoch <= f->served) return;
    bool moved = f->served != 0 && ha_epoch_node(f->served) != ha_epoch_node(epoch);
    f->served = epoch;
    if (moved && !planned) note_move(f, ha_epoch_node(epoch) != f->setup.node, now);
}

void ha_note_peer_serves(struct ha_fsm *f) {
    f->master_life = f->peer.life;
    if (f->peer.server_boot != 0) f->master_boot = f->peer.server_boot;
}

static bool really_died(const struct ha_fsm *f, const struct ha_move *m) {
    uint64_t boot = m->ours ? (f->server_up ? f->server.boot : 0) : f->peer.server_boot;
    bool life = !m->ours && m->life != 0 && f->peer.life != m->life;
    return life || (boot != 0 && m->boot != 0 && boot != m->boot);
}

/* A former master that is seen in another life, or with its server started anew, had really died: the bench's business. */
void ha_forgive_moves(struct ha_fsm *f, int64_t now) {
    bool forgiven = false;
    for (int i = 0; i < HA_MOVES; i++) {
        if (f->moved[i].at == HA_NEVER || !really_died(f, &f->moved[i])) continue;
        f->moved[i].at = HA_NEVER;
        forgiven = true;
    }
    if (forgiven && recent_moves(f, now) < MOVES_HOLD) f->hold_until = HA_NEVER;
}

/* ---- bench ------------------------------------------------------------------------------------- */

void ha_note_failure(struct ha_fsm *f, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    if (t->bench_failures == 0) return;
    struct ha_record r = f->next;
    unsigned limit = t->bench_failures * (r.peer_outdated ? 2 : 1);
    if (r.failures < HA_FAILURES_MOST) r.failures++;
    f->failed_at = now;
    if (r.failures >= limit && !r.benched) {
        r.benched = true;
        ha_log(f, "this node failed %u times as master: benched until hactl unbench", r.failures);
    }
    ha_save(f, &r);
}

/* A quiet span forgives. */
void ha_rails_tick(struct ha_fsm *f, int64_t now) {
    if (f->next.failures == 0 || f->next.benched || f->flight_id != 0) return;
    if (within(now, f->failed_at, f->setup.timing.bench_window_ms)) return;
    struct ha_record r = f->next;
    r.failures = 0;
    ha_save(f, &r);
}

void ha_rails_clear(struct ha_fsm *f, struct ha_record *r) {
    r->benched = r->locked = false;
    r->failures = 0;
    f->hold_until = HA_NEVER;
    for (int i = 0; i < HA_MOVES; i++) f->moved[i].at = HA_NEVER;
}

bool g_benched_out(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    return f->disk.benched && f->server_died && f->disk.peer_outdated;
}

/* ---- what keeps a node from being chosen --------------------------------------------------------- */

/* A record that cannot be written, or a write that never ends: this node could not promote, only claim. */
bool ha_record_well(const struct ha_fsm *f) {
    if (f->save_id == f->saved_id) return true;
    bool failed = (f->alarms & 1u << HA_ALARM_RECORD) != 0;
    return !failed && within(f->last_tick, f->unsaved_since, f->setup.timing.fsync_max_ms);
}
