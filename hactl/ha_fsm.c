/* The decision table of a node (DESIGN.md section 5; contracts in ha_fsm.h).
 *
 *                 first status: only had restarted, the record says slave
 *          +------------------------------------------------------------------+
 *          |                                                                  v      hears a master
 *        BOOT ---- hears a master ------------------------------------->   SLAVE
 * <-----------+--------------+ |  ^                                                               |
 * |              | |  |  server or disk failed under it, outclaimed                   | silence and
 * |              | proof,|  +----------------------------------- PROMOTING <----------------+ a
 * grant; or   |              | permit|                                        ^    | a permit | |
 *         +----------------------------------------+    | record on disk, server told        | | |
 * v                                    |              | permit, force|  MASTER --- sees a master
 * above it ----->+              | |   |  ^  |                                              | lease
 * over, or claim above|   |  |  | server died, only the peer sees the          | |   |  |  |
 * gateway, switchover                          | |   v  |  v | SUSPENDED | YIELDED ---- the other
 * promoted ----------------+
 *                                                    |____|____|
 *                                   the peer's word, after it     withdrawal echoed, no claim
 *
 * Rows are asked from the top. A row whose guard answers yes does its deed; ON goes on to the next
 * row, END ends the turn, a state is a transition: it is logged and ends the turn (a heartbeat is
 * then put to the new state's rows too). A pair of state and event that has no row is logged by
 * name and ignored. Rule numbers are those of section 5. */
#include "hactl/ha_core.h"

#include <assert.h>
#include <string.h>

enum { ANY = HA_STATES, ON, END };

/* What a row waits for: an event, or a command of the operator. */
#define CMD(c) (HA_EVENTS + (c))
enum { TRIGGERS = CMD(HA_COMMANDS) };

struct row {
    uint8_t state;
    uint8_t trigger;
    ha_guard *guard; /* NULL: yes */
    ha_deed *deed;   /* NULL: none */
    uint8_t next;
    const char *why;
};

/* One row a line. */
/* clang-format off */
static const struct row rows[] = {
    /* ---- any state -------------------------------------------------------------------------------------------- */
    {ANY, HA_EV_SAVED, NULL, d_noted_flag, ON, "5 a command's mark is on disk"},
    {ANY, HA_EV_SAVED, NULL, d_said, ON, "4 'outdated' is on our disk, now it may be said"},
    {ANY, CMD(HA_CMD_MAINTENANCE_ON), NULL, d_note_flag, END, "maintenance on"},
    {ANY, CMD(HA_CMD_MAINTENANCE_OFF), NULL, d_note_flag, END, "maintenance off"},
    {ANY, CMD(HA_CMD_BENCH), NULL, d_note_flag, END, "benched"},
    {ANY, CMD(HA_CMD_UNBENCH), NULL, d_note_flag, END, "bench cleared"},

    /* ---- boot: knows nothing yet -------------------------------------------------------------------------------- */
    {HA_BOOT, HA_EV_SERVER, g_adopt_master_solo, d_adopt_master_solo, HA_MASTER, "3 only had restarted; the record proves that it is alone"},
    {HA_BOOT, HA_EV_SERVER, g_adopt_master, d_adopt_master, HA_SUSPENDED, "3 suspend: only had restarted, a grant could be valid"},
    {HA_BOOT, HA_EV_SERVER, g_adopt_slave, d_adopt, HA_SLAVE, "only had restarted; it was a slave"},
    {HA_BOOT, HA_EV_SERVER, g_unadopted, d_adopt, END, "6 a server that restarted is a node that rebooted"},
    {HA_BOOT, HA_EV_SERVER_DIED, NULL, NULL, END, "the server is not there"},
    {HA_BOOT, HA_EV_HEARTBEAT, g_master_above, d_follow, HA_SLAVE, "a master is heard"},
    {HA_BOOT, HA_EV_HEARTBEAT, g_peer_yields, d_promote_permit, HA_PROMOTING, "6 permit: the peer yields"},
    {HA_BOOT, HA_EV_TICK, g_new_pair, d_found_pair, ON, "a new pair"},
    {HA_BOOT, HA_EV_TICK, g_proof_probe_due, d_probe_vip, ON, "before the VIP is taken, it is probed"},
    {HA_BOOT, HA_EV_TICK, g_proof, d_promote_own, HA_PROMOTING, "6 its record proves that nobody is ahead"},
    {HA_BOOT, HA_EV_TICK, NULL, d_elect, ON, "6 offset, order: the lower one yields in writing"},
    {HA_BOOT, HA_EV_VIP_FOREIGN, NULL, NULL, END, "remembered"},
    {HA_BOOT, HA_EV_SAVED, NULL, NULL, END, "remembered"},
    {HA_BOOT, HA_EV_TOLD, NULL, NULL, END, "an answer that came late"},
    {HA_BOOT, CMD(HA_CMD_FORCE), g_force_refused, d_refuse, END, "refused"},
    {HA_BOOT, CMD(HA_CMD_FORCE), NULL, d_force, HA_PROMOTING, "6 an operator was told the risk"},

    /* ---- slave ---------------------------------------------------------------------------------------------------- */
    {HA_SLAVE, HA_EV_HEARTBEAT, NULL, d_obey, ON, "2 origin: grant; 4: verdict"},
    {HA_SLAVE, HA_EV_HEARTBEAT, g_claims_no_more, d_drop_claim, ON, "2 witness, fence: the master is heard again"},
    {HA_SLAVE, HA_EV_HEARTBEAT, g_permitted, d_promote_permit, HA_PROMOTING, "6 thislife: the master's permit"},
    {HA_SLAVE, HA_EV_TICK, g_server_ill, d_lose_server, ON, "2 not in sync: its server is not well, or restarted"},
    {HA_SLAVE, HA_EV_TICK, g_peer_yields_slave, d_promote_permit, HA_PROMOTING, "6 permit: the peer yields"},
    {HA_SLAVE, HA_EV_TICK, NULL, d_slave_elect, ON, "6 offset: no master, the lower one yields in writing"},
    {HA_SLAVE, HA_EV_TICK, g_probe_due, d_probe_vip, ON, "2 nobody else answers for the VIP"},
    {HA_SLAVE, HA_EV_TICK, g_silence, d_promote_silence, HA_PROMOTING, "2 watched: silence, a young grant, the gateway, in sync"},
    {HA_SLAVE, HA_EV_TICK, g_claims_no_more, d_drop_claim, ON, "2 witness, fence: not fit any more"},
    {HA_SLAVE, HA_EV_TICK, g_asks_arbiter, d_ask_arbiter, ON, "2 take, fenced: the silence is long enough, an arbiter decides"},
    {HA_SLAVE, HA_EV_TICK, g_arbiter_grants, d_promote_silence, HA_PROMOTING, "2 take, fenced: the arbiter granted it"},
    {HA_SLAVE, HA_EV_WITNESS, g_arbiter_grants, d_promote_silence, HA_PROMOTING, "2 take: the witness granted it"},
    {HA_SLAVE, HA_EV_WITNESS, NULL, NULL, END, "remembered"},
    {HA_SLAVE, HA_EV_FENCED, g_arbiter_grants, d_promote_silence, HA_PROMOTING, "2 fenced: the master's power is off"},
    {HA_SLAVE, HA_EV_FENCED, NULL, NULL, END, "remembered"},
    {HA_SLAVE, HA_EV_TICK, NULL, d_steer, ON, "5 the server follows once the demotion is on disk"},
    {HA_SLAVE, HA_EV_SERVER, NULL, NULL, END, "remembered"},
    {HA_SLAVE, HA_EV_SERVER_DIED, NULL, d_lose_server, END, "2 not in sync without a server"},
    {HA_SLAVE, HA_EV_VIP_FOREIGN, NULL, NULL, END, "remembered"},
    {HA_SLAVE, HA_EV_SAVED, NULL, NULL, END, "remembered"},
    {HA_SLAVE, HA_EV_TOLD, NULL, NULL, END, "the next status says what became of it"},
    {HA_SLAVE, CMD(HA_CMD_FORCE), g_force_refused, d_refuse, END, "refused"},
    {HA_SLAVE, CMD(HA_CMD_FORCE), NULL, d_force, HA_PROMOTING, "6 an operator was told the risk"},

    /* ---- promoting: fsync of the log, record, server; claims the epoch all the while --------------------------------- */
    {HA_PROMOTING, HA_EV_TOLD, g_fsynced, d_note_epoch, END, "5 base: the log is on disk, now the epoch"},
    {HA_PROMOTING, HA_EV_TOLD, g_master_told, d_become_master, HA_MASTER, "5 epoch on disk, server told"},
    {HA_PROMOTING, HA_EV_TOLD, g_step_failed, d_promote_abort, HA_BOOT, "the server failed"},
    {HA_PROMOTING, HA_EV_SAVED, g_step_failed, d_promote_abort, HA_BOOT, "the record cannot be written"},
    {HA_PROMOTING, HA_EV_SAVED, g_noted, d_tell_master, END, "5 the epoch is on disk, now the server"},
    {HA_PROMOTING, HA_EV_SERVER_DIED, NULL, d_promote_abort, HA_BOOT, "the server died"},
    {HA_PROMOTING, HA_EV_HEARTBEAT, g_outclaimed, d_outclaimed, HA_BOOT, "6 the peer has, or claims, a higher epoch"},
    {HA_PROMOTING, HA_EV_HEARTBEAT, NULL, NULL, END, "2 decided; a late word does not change it"},
    {HA_PROMOTING, HA_EV_TICK, NULL, NULL, END, "the record is being written"},
    {HA_PROMOTING, HA_EV_SERVER, NULL, NULL, END, "remembered"},
    {HA_PROMOTING, HA_EV_VIP_FOREIGN, NULL, NULL, END, "remembered"},

    /* ---- master ---------------------------------------------------------------------------------------------------- */
    {HA_MASTER, HA_EV_HEARTBEAT, g_overtaken, d_stop_follow, HA_SLAVE, "1 a master above it"},
    {HA_MASTER, HA_EV_HEARTBEAT, g_claimed_above, d_suspend, HA_SUSPENDED, "2 claim: an epoch above its own"},
    {HA_MASTER, HA_EV_HEARTBEAT, NULL, d_renew_lease, ON, "1 echo: evidence renews the lease"},
    {HA_MASTER, HA_EV_TICK, NULL, d_renew_lease, ON, "1 echo, 3 margin"},
    {HA_MASTER, HA_EV_TICK, g_lease_over, d_suspend, HA_SUSPENDED, "3 suspend: neither peer nor gateway"},
    {HA_MASTER, HA_EV_TICK, g_benched_out, d_elect_anew, HA_BOOT, "its server died too often: benched"},
    {HA_MASTER, HA_EV_WITNESS, g_witness_refuses, d_witness_refused, HA_SUSPENDED, "2 take: the witness names a holder above"},
    {HA_MASTER, HA_EV_WITNESS, NULL, d_renew_lease, END, "1 arbiter: the witness's word renews the lease"},
    {HA_MASTER, HA_EV_TICK, g_restarted_solo, d_elect_anew, HA_BOOT, "6 restart: its server restarted, it elects with the peer"},
    {HA_MASTER, HA_EV_TICK, g_restarted_solo_alone, d_restart_solo, ON, "6 restart: alone by its record, it goes on"},
    {HA_MASTER, HA_EV_TICK, g_hand_over, d_yield, HA_YIELDED, "6 restart: its server died or is not well"},
    {HA_MASTER, HA_EV_TICK, g_gateway_only_there, d_yield, HA_YIELDED, "6 only the peer sees the gateway"},
    {HA_MASTER, HA_EV_TICK, g_rebooted, NULL, END, "4 a server that restarted gives no verdict on the slave"},
    {HA_MASTER, HA_EV_TICK, g_switch_lost, d_switch_abort, ON, "the slave is not fit any more"},
    {HA_MASTER, HA_EV_TICK, g_switch_late, d_switch_abort, ON, "the slave did not catch up in time"},
    {HA_MASTER, HA_EV_TICK, g_switch_drained, d_yield, HA_YIELDED, "6 switchover: the slave holds everything"},
    {HA_MASTER, HA_EV_TICK, NULL, d_sync, ON, "4 the slave, in order"},
    {HA_MASTER, HA_EV_TICK, NULL, d_steer, ON, "the server is what we are"},
    {HA_MASTER, HA_EV_TICK, NULL, d_serve_vip, ON, "the VIP goes with the lease"},
    {HA_MASTER, HA_EV_SERVER, g_switch_drained, d_yield, HA_YIELDED, "6 switchover: the slave holds everything"},
    {HA_MASTER, HA_EV_SERVER, NULL, d_sync_status, END, "4 the offset after replies are held"},
    {HA_MASTER, HA_EV_SERVER_DIED, g_hand_over, d_yield, HA_YIELDED, "6 restart: its server died"},
    {HA_MASTER, HA_EV_SERVER_DIED, NULL, NULL, END, "alone: its server starts again"},
    {HA_MASTER, HA_EV_SAVED, NULL, d_sync_saved, END, "4 the mark on the slave is on disk"},
    {HA_MASTER, HA_EV_TOLD, g_switch_told, d_switch_drain, END, "writes pause"},
    {HA_MASTER, HA_EV_TOLD, g_switch_failed, d_switch_abort, END, "writes do not pause"},
    {HA_MASTER, HA_EV_TOLD, NULL, d_sync_told, END, "4 the server confirms"},
    {HA_MASTER, HA_EV_VIP_FOREIGN, NULL, d_defend_vip, END, "announce once, keep serving"},
    {HA_MASTER, CMD(HA_CMD_SWITCHOVER), g_may_switch, d_switch_begin, END, "switchover"},
    {HA_MASTER, CMD(HA_CMD_SWITCHOVER), NULL, d_switch_refuse, END, "refused"},

    /* ---- suspended: was master; time alone never ends it ----------------------------------------------------------------- */
    {HA_SUSPENDED, HA_EV_HEARTBEAT, g_master_above, d_follow, HA_SLAVE, "a master is heard"},
    {HA_SUSPENDED, HA_EV_HEARTBEAT, g_claimed_above, d_suspend_anew, ON, "2 claim: no word from before it counts"},
    {HA_SUSPENDED, HA_EV_HEARTBEAT, g_peer_yields, d_promote_permit, HA_PROMOTING, "6 permit: the peer yields"},
    {HA_SUSPENDED, HA_EV_TICK, g_resume_but_restarted, d_yield, HA_YIELDED, "6 restart: it may resume, its server may not"},
    {HA_SUSPENDED, HA_EV_TICK, g_resume_word, d_resume, HA_MASTER, "3 suspend: the peer's word"},
    {HA_SUSPENDED, HA_EV_TICK, NULL, d_elect, ON, "6 with a peer that booted: the lower one yields"},
    {HA_SUSPENDED, HA_EV_WITNESS, g_witness_refuses, d_witness_refused, END, "2 take: no word from before it counts"},
    {HA_SUSPENDED, HA_EV_WITNESS, g_resume_word, d_resume, HA_MASTER, "3 suspend: the witness's word"},
    {HA_SUSPENDED, HA_EV_WITNESS, NULL, NULL, END, "remembered"},
    {HA_SUSPENDED, HA_EV_SERVER, NULL, NULL, END, "remembered"},
    {HA_SUSPENDED, HA_EV_SERVER_DIED, NULL, NULL, END, "remembered"},
    {HA_SUSPENDED, HA_EV_SAVED, NULL, NULL, END, "4 asked again when it resumes"},
    {HA_SUSPENDED, HA_EV_TOLD, NULL, NULL, END, "4 asked again when it resumes"},
    {HA_SUSPENDED, HA_EV_VIP_FOREIGN, NULL, NULL, END, "remembered"},
    {HA_SUSPENDED, CMD(HA_CMD_RESUME), NULL, d_resume_operator, HA_MASTER, "3 an operator's word"},
    {HA_SUSPENDED, CMD(HA_CMD_FORCE), g_force_refused, d_refuse, END, "refused"},
    {HA_SUSPENDED, CMD(HA_CMD_FORCE), NULL, d_force, HA_PROMOTING, "6 an operator was told the risk"},

    /* ---- yielded: was master, the other one holds a permit ------------------------------------------------------------------ */
    {HA_YIELDED, HA_EV_HEARTBEAT, g_overtaken, d_stop_follow, HA_SLAVE, "the other one promoted"},
    {HA_YIELDED, HA_EV_HEARTBEAT, g_master_above, d_follow, HA_SLAVE, "a master is heard"},
    {HA_YIELDED, HA_EV_HEARTBEAT, g_claimed_above, d_suspend, HA_SUSPENDED, "the other one is about to promote"},
    {HA_YIELDED, HA_EV_TICK, g_peer_booted, d_void_permit, ON, "6 thislife: a permit ends when its receiver reboots"},
    {HA_YIELDED, HA_EV_TICK, g_peer_restarted_too, d_void_permit, HA_BOOT, "6 restart: both restarted, they elect"},
    {HA_YIELDED, HA_EV_TICK, g_withdraw, d_void_permit, ON, "6 nobody took it: withdraws the permit"},
    {HA_YIELDED, HA_EV_TICK, g_take_back, d_take_back, HA_MASTER, "6 takeback: the withdrawal is echoed, no claim"},
    {HA_YIELDED, HA_EV_SERVER, NULL, NULL, END, "remembered"},
    {HA_YIELDED, HA_EV_SERVER_DIED, NULL, NULL, END, "remembered"},
    {HA_YIELDED, HA_EV_SAVED, NULL, NULL, END, "remembered"},
    {HA_YIELDED, HA_EV_TOLD, NULL, NULL, END, "remembered"},
    {HA_YIELDED, HA_EV_VIP_FOREIGN, NULL, NULL, END, "remembered"},
    {HA_YIELDED, CMD(HA_CMD_FORCE), g_force_refused, d_refuse, END, "refused"},
    {HA_YIELDED, CMD(HA_CMD_FORCE), NULL, d_force, HA_PROMOTING, "6 an operator was told the risk"},

    /* ---- what no row above took ------------------------------------------------------------------------------------------------ */
    {ANY, CMD(HA_CMD_SWITCHOVER), NULL, d_switch_refuse, END, "refused"},
    {ANY, CMD(HA_CMD_FORCE), NULL, d_refuse, END, "refused"},
    {ANY, CMD(HA_CMD_RESUME), NULL, d_refuse, END, "refused"},
    {ANY, HA_EV_WITNESS, NULL, NULL, END, "remembered"},
    {ANY, HA_EV_FENCED, NULL, NULL, END, "remembered"},
    {ANY, HA_EV_FENCE_READY, NULL, NULL, END, "remembered"},
    {ANY, HA_EV_LINK, NULL, NULL, END, "remembered"},
};
/* clang-format on */

enum { ROWS = sizeof rows / sizeof rows[0] };
_Static_assert(ROWS < 256, "a row's number fits into ha_fsm.block");

/* ---- dispatch ----------------------------------------------------------------------------- */

static unsigned trigger_of(const struct ha_event *ev) {
    return ev->kind == HA_EV_OPERATOR ? CMD(ev->op.command) : (unsigned)ev->kind;
}

static const char *trigger_name(const struct ha_event *ev) {
    return ev->kind == HA_EV_OPERATOR ? ha_command_name(ev->op.command) : ha_event_name(ev->kind);
}

static long age_ms(int64_t now, int64_t at) {
    return at < 0 ? -1 : (long)((now - at) / HA_MS);
}

/* Every transition says event, what the guards saw, from -> to, epoch. Ages are ms, -1 never. */
static void move(struct ha_fsm *f, const struct row *r, const struct ha_event *ev, int64_t now) {
    char epoch[24];
    struct ha_action *said = ha_log(
        f,
        "%s (%s): %s -> %s, epoch %s; heard %ld echo %ld gateway %ld grant %ld/%ld lease %ld "
        "ms, %s%s%s",
        trigger_name(ev), r->why, ha_state_name(f->state), ha_state_name(r->next),
        ha_epoch_text(f->disk.epoch, epoch), age_ms(now, f->heard_at), age_ms(now, f->echo_at),
        age_ms(now, f->gateway_at), age_ms(now, f->grant_sent), age_ms(now, f->grant_at),
        f->lease > now ? (long)((f->lease - now) / HA_MS) : 0, ha_sync_name(f->sync),
        f->in_sync ? ", in sync" : "", f->server_up ? "" : ", server down");
    said->log.moved = true;
    said->log.from = (uint8_t)f->state;
    said->log.to = (uint8_t)r->next;
    f->state = r->next;
    f->beat_now = true;
}

/* The table has a block of rows a state, in the order of enum ha_state, between two blocks for any state. */
static void find_blocks(struct ha_fsm *f) {
    unsigned at = 0;
    for (unsigned state = 0; state <= HA_STATES; state++) {
        while (at < ROWS && rows[at].state != state) at++;
        f->block[state] = (uint8_t)at;
    }
    for (; at < ROWS; at++)
        assert(rows[at].state == ANY && "rows stand in the order of the states");
}

enum outcome { UNLISTED, LISTED, ENDED, MOVED };

static enum outcome ask_row(struct ha_fsm *f, const struct row *r, const struct ha_event *ev,
                            int64_t now) {
    if (r->guard && !r->guard(f, ev, now)) return LISTED;
    enum ha_state from = f->state;
    if (r->deed) r->deed(f, ev, now);
    assert(f->state == from && "deeds leave the state to the row");
    if (r->next >= ANY) return r->next == END ? ENDED : LISTED;
    move(f, r, ev, now);
    return MOVED;
}

/* Answers whether a transition was taken. */
static bool ask_rows(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    const unsigned blocks[3][2] = {{0, f->block[0]},
                                   {f->block[f->state], f->block[f->state + 1]},
                                   {f->block[HA_STATES], ROWS}};
    unsigned trigger = trigger_of(ev);
    enum outcome o = UNLISTED;
    for (int b = 0; b < 3; b++)
        for (unsigned at = blocks[b][0]; at < blocks[b][1]; at++) {
            if (rows[at].trigger != trigger) continue;
            o = ask_row(f, &rows[at], ev, now);
            if (o == ENDED || o == MOVED) return o == MOVED;
        }
    if (o == UNLISTED) {
        f->counts[HA_COUNT_IGNORED]++;
        ha_log(f, "%s in state %s: ignored", trigger_name(ev), ha_state_name(f->state));
    }
    return false;
}

/* What went unanswered for two beats is looked at harder: with every tick, so that lost packets alone are not taken for
 * silence; after a second it is silence, and every beat does. */
static bool look_harder(const struct ha_fsm *f, int64_t answered_at, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    return !within(now, answered_at, 2 * t->beat_ms) && within(now, answered_at, 2 * t->dead_ms);
}

static void look_at_gateway(struct ha_fsm *f, int64_t now) {
    if (now < f->next_probe && !look_harder(f, f->gateway_at, now)) return;
    f->next_probe = now + ms(f->setup.timing.beat_ms);
    ha_emit(f, HA_ACT_ASK_GATEWAY)->gateway.sent_at = now;
}

static bool beat_due(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    if (f->beat_now) return true;
    return ev->kind == HA_EV_TICK && (now >= f->next_beat || look_harder(f, f->echo_at, now));
}

void ha_fsm_step(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    assert((unsigned)ev->kind < HA_EVENTS && "an event that ha_fsm.h lists");
    if (ev->kind == HA_EV_OPERATOR && trigger_of(ev) >= TRIGGERS) return;
    if (ha_digest(f, ev, now)) {
        for (int turns = 0; turns < 4; turns++)
            if (!ask_rows(f, ev, now) || ev->kind != HA_EV_HEARTBEAT) break;
    }
    if (ev->kind == HA_EV_TICK) {
        look_at_gateway(f, now);
        ha_arbiter_tick(f, now);
        ha_alarms(f, now);
    }
    if (beat_due(f, ev, now)) ha_beat(f, now);
}

void ha_fsm_instances(struct ha_fsm *f, uint64_t has, uint64_t counts, uint32_t config,
                      uint64_t config_parts) {
    f->inst_has = has;
    f->inst_counts = counts;
    f->setup.config = config;
    f->setup.config_parts = config_parts;
}

void ha_fsm_init(struct ha_fsm *f, const struct ha_setup *setup, const struct ha_record *record,
                 uint64_t life, int64_t now) {
    assert(life != 0 && "a life is never 0");
    assert(ha_timing_wrong(&setup->timing) == NULL && "the caller checked the timing");
    memset(f, 0, offsetof(struct ha_fsm, queue));
    f->setup = *setup;
    f->state = HA_BOOT;
    f->disk = f->next = *record;
    f->known = max_u64(record->seen, record->epoch);
    f->life = life;
    f->started_at = f->heard_at = f->last_tick = f->gap_end = now;
    /* One of any kind may have gone out just before this start; not to a peer that is marked outdated. */
    f->grant_sent = f->plain_sent = now;
    f->witnessed_sent = f->fenced_sent = record->peer_outdated ? HA_NEVER : now;
    f->fence_open = setup->has_fence && !record->peer_outdated;
    f->witness_seen = f->witness_at = f->registered_at = f->taking_at = HA_NEVER;
    f->given_back_at = f->fence_tried_at = f->fence_ready_at = f->hold_until = HA_NEVER;
    f->traffic_at = f->traffic_since = HA_NEVER;
    f->failed_at = f->unsaved_since = now;
    f->served = record->epoch;
    for (int i = 0; i < HA_MOVES; i++) f->moved[i].at = HA_NEVER;
    f->echo_at = f->gateway_at = f->gateway_came_at = f->vip_foreign_at = f->grant_at = HA_NEVER;
    for (int i = 0; i < HEARTBEAT_OUTSIDES; i++) f->outside_at[i] = HA_NEVER;
    f->differ_since = HA_NEVER;
    f->suspended_at = f->yielded_at = f->withdrawn_at = f->session_off_since = HA_NEVER;
    f->role_told_at = f->server_at = f->executor_at = f->lease = HA_NEVER;
    f->gateway_since = f->peer_gateway_since = INT64_MAX;
    f->sync = HA_SYNC_LOST;
    f->route = HA_PATHS;
    f->next_beat = f->next_probe = now;
    for (int p = 0; p < HA_PATHS; p++)
        f->path_at[p] = f->path_since[p] = f->stall_until[p] = HA_NEVER;
    for (int i = 0; i < HA_SENT; i++) f->sent_at[i] = HA_NEVER;
    f->queue_head = f->queue_len = 0;
    find_blocks(f);
}
