/* Inside the decision core: what its files share. Only hactl/ha_*.c include this.
 *
 *   ha_fsm.c       the table: states, events, guards, deeds, next; dispatch
 *   ha_evidence.c  what was heard and when: digests every event before the rows are asked
 *   ha_out.c       the way out: actions, the record in flight, the heartbeat's contents
 *   ha_master.c    lease, handing over, taking back           (rules 1, 3, 6)
 *   ha_sync.c      how a master stands with its slave         (rule 4)
 *   ha_slave.c     obeying, following, taking over            (rule 2)
 *   ha_arbiter.c   witness and fence: kinds of grants, evidence, asking (rules 1 to 4)
 *   ha_rails.c     hold-down against flapping, bench after a crash loop
 *   ha_elect.c     none serves: boot, suspended, permits      (rules 3, 5, 6)
 *   ha_operator.c  force, and marks on disk
 *   ha_view.c      reading it: status, alarms, the verifier
 *
 * A guard looks and changes nothing. A deed changes the node and emits actions. Both see the event.
 */
#ifndef HACTL_HA_CORE_H
#define HACTL_HA_CORE_H

#include "hactl/ha_fsm.h"

static inline int64_t ms(uint32_t span_ms) {
    return (int64_t)span_ms * HA_MS;
}
static inline bool without(const struct ha_fsm *f, uint32_t clause) {
    return (f->setup.without & clause) != 0;
}
/* Is `at` younger than span_ms? */
static inline bool within(int64_t now, int64_t at, uint32_t span_ms) {
    return now - at < ms(span_ms);
}
static inline uint64_t max_u64(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}
static inline int64_t max_i64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

typedef bool ha_guard(const struct ha_fsm *f, const struct ha_event *ev, int64_t now);
typedef void ha_deed(struct ha_fsm *f, const struct ha_event *ev, int64_t now);

/* ha_out.c */
struct ha_action *ha_emit(struct ha_fsm *f, enum ha_action_kind kind);
struct ha_action *ha_log(struct ha_fsm *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void ha_alarm(struct ha_fsm *f, enum ha_alarm id, bool on, const char *text);
void ha_answer(struct ha_fsm *f, uint32_t id, bool ok, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
uint32_t ha_save(struct ha_fsm *f, const struct ha_record *want); /* answers its number */
void ha_saved(struct ha_fsm *f, const struct ha_event *ev, int64_t now);
void ha_save_retry(struct ha_fsm *f, int64_t now);
void ha_save_forget(struct ha_fsm *f); /* drop what is not yet being written */
static inline bool ha_is_saved(const struct ha_fsm *f, uint32_t id) {
    return f->saved_id >= id;
}
struct ha_action *ha_tell(struct ha_fsm *f, enum ha_tell what);
/* ha_slave.c: replication stays off this path until stall_until. */
bool ha_path_stalls(const struct ha_fsm *f, enum ha_path p, int64_t now);
void ha_lease(struct ha_fsm *f, int64_t until); /* HA_NEVER drops it, and the VIP with it */
void ha_beat(struct ha_fsm *f, int64_t now);
const char *ha_epoch_text(uint64_t epoch, char out[24]);

/* ha_evidence.c */
bool ha_digest(struct ha_fsm *f, const struct ha_event *ev, int64_t now);
bool ha_server_well(const struct ha_fsm *f);
bool ha_server_runs(const struct ha_fsm *f); /* neither dead nor hung, and its log not failed */
bool ha_ranked(const struct ha_fsm *f);
int ha_rank_against_peer(const struct ha_fsm *f); /* > 0: ours stands higher */
bool ha_stands_lower(const struct ha_fsm *f);
unsigned ha_paths_heard(const struct ha_fsm *f, int64_t now);
unsigned ha_paths_both_ways(const struct ha_fsm *f, int64_t now);
/* Which of the gateway and the references answered us, by a probe younger than span_ms: a bit each. */
unsigned ha_outside(const struct ha_fsm *f, int64_t now, uint32_t span_ms);
bool ha_echoes_us(const struct ha_fsm *f); /* the peer's last heartbeat answers one of this life */
int64_t ha_echo_date(const struct ha_fsm *f);
bool ha_grants_expired(const struct ha_fsm *f, int64_t now);
bool ha_peer_fit(const struct ha_fsm *f, int64_t now);
bool ha_peer_whole(const struct ha_fsm *f);
uint64_t ha_next_epoch(const struct ha_fsm *f, unsigned node);
static inline bool ha_peer_fresh(const struct ha_fsm *f, int64_t now) {
    return f->peer_known && within(now, f->heard_at, f->setup.timing.fresh_ms);
}
static inline bool ha_peer_says(const struct ha_fsm *f, unsigned flag) {
    return (f->peer.flags & flag) != 0;
}
static inline bool ha_maintenance(const struct ha_fsm *f) {
    return f->disk.maintenance || (f->peer_known && ha_peer_says(f, HB_MAINTENANCE));
}
bool ha_whole(const struct ha_fsm *f); /* our server's data: complete, and not restarted since */

/* ha_sync.c */
void ha_sync_enter(struct ha_fsm *f, enum ha_sync s, int64_t now);
void ha_sync_begin_solo(struct ha_fsm *f, int64_t now);
void ha_sync_resume(struct ha_fsm *f, int64_t now); /* a suspended or yielded master goes on */
static inline bool ha_marking(const struct ha_fsm *f) {
    bool in = f->sync == HA_SYNC_NOTE_IN && !without(f, HA_WITHOUT_ORDER);
    return f->sync == HA_SYNC_NOTE_OUT || in;
}

bool ha_holds_proof(const struct ha_fsm *f); /* on disk, or on its way there */

/* ha_slave.c, ha_elect.c */
bool ha_probe_due(const struct ha_fsm *f, int64_t now);
bool ha_vip_is_free(const struct ha_fsm *f, int64_t now);
bool ha_may_take_over(const struct ha_fsm *f, int64_t now); /* all but the silence */
void ha_permit(struct ha_fsm *f, uint64_t epoch, uint64_t boot);
void ha_promote(struct ha_fsm *f, uint64_t epoch, int64_t now);

bool ha_silent_enough(const struct ha_fsm *f, int64_t now); /* rule 2: the silence, the VIP */
bool ha_fit_to_take_over(const struct ha_fsm *f);

/* ha_arbiter.c */
int64_t ha_grant_end(const struct ha_fsm *f, int64_t sent_at);
void ha_grant_sent(struct ha_fsm *f, unsigned flags, int64_t now);
bool ha_peer_sees_as_we(const struct ha_fsm *f, int64_t now);
unsigned ha_grant_kind(const struct ha_fsm *f, int64_t now);
unsigned ha_arbiter_flags(const struct ha_fsm *f, int64_t now);
int64_t ha_newest_evidence(const struct ha_fsm *f, int64_t now);
bool ha_witness_answers(const struct ha_fsm *f, int64_t now);
bool ha_witness_word(const struct ha_fsm *f, int64_t now);
void ha_witness_answered(struct ha_fsm *f, const struct ha_event *ev, int64_t now);
void ha_fence_answered(struct ha_fsm *f, const struct ha_event *ev, int64_t now);
bool ha_fence_lets_go(struct ha_fsm *f, int64_t now);
void ha_arbiter_tick(struct ha_fsm *f, int64_t now);

/* ha_rails.c */
bool ha_held_here(const struct ha_fsm *f, int64_t now);
bool ha_held_down(const struct ha_fsm *f, int64_t now);
void ha_note_master(struct ha_fsm *f, uint64_t epoch, bool planned, int64_t now);
void ha_note_peer_serves(struct ha_fsm *f);
void ha_forgive_moves(struct ha_fsm *f, int64_t now);
void ha_note_failure(struct ha_fsm *f, int64_t now);
void ha_rails_tick(struct ha_fsm *f, int64_t now);
void ha_rails_clear(struct ha_fsm *f, struct ha_record *r);
bool ha_record_well(const struct ha_fsm *f);

/* What the table of ha_fsm.c names, by file. */
/* ha_arbiter.c, ha_rails.c */
ha_guard g_witness_refuses, g_claims_no_more, g_asks_arbiter, g_arbiter_grants, g_benched_out;
ha_deed d_witness_refused, d_drop_claim, d_ask_arbiter;
/* ha_master.c */
ha_guard g_lease_over, g_claimed_above, g_overtaken, g_rebooted, g_hand_over, g_gateway_only_there;
ha_guard g_restarted_solo, g_restarted_solo_alone, g_peer_booted, g_peer_restarted_too, g_withdraw;
ha_guard g_take_back, g_may_switch, g_switch_told, g_switch_failed, g_switch_drained, g_switch_lost;
ha_guard g_switch_late;
ha_deed d_renew_lease, d_suspend, d_suspend_anew, d_stop_follow, d_serve_vip, d_defend_vip,
    d_restart_solo;
ha_deed d_elect_anew, d_yield, d_void_permit, d_take_back, d_switch_begin, d_switch_refuse;
ha_deed d_switch_drain, d_switch_abort;
void ha_switch_done(struct ha_fsm *f);
/* ha_sync.c */
ha_deed d_sync, d_sync_told, d_sync_saved, d_sync_status;
/* ha_slave.c */
ha_guard g_master_above, g_server_ill, g_probe_due, g_silence, g_permitted, g_peer_yields;
ha_guard g_peer_yields_slave;
ha_deed d_follow, d_obey, d_said, d_lose_server, d_steer, d_probe_vip, d_promote_silence;
ha_deed d_promote_permit, d_slave_elect;
/* ha_elect.c */
ha_guard g_adopt_master_solo, g_adopt_master, g_adopt_slave, g_unadopted, g_resume_but_restarted;
ha_guard g_resume_word, g_proof_probe_due, g_proof, g_new_pair, g_fsynced, g_noted, g_master_told;
ha_guard g_step_failed, g_outclaimed, g_force_refused;
ha_deed d_adopt_master_solo, d_adopt_master, d_adopt, d_resume, d_resume_operator, d_elect;
ha_deed d_promote_own, d_found_pair, d_note_epoch, d_tell_master, d_become_master, d_promote_abort;
ha_deed d_outclaimed, d_force, d_refuse, d_note_flag, d_noted_flag;

/* ha_view.c */
void ha_alarms(struct ha_fsm *f, int64_t now);
const char *ha_waiting_for(const struct ha_fsm *f, int64_t now);
const char *ha_takeover_off_why(const struct ha_fsm *f, int64_t now);

#endif
