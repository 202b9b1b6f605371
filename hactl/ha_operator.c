/* What an operator tells a node: to promote although nobody yields, to resume, to note a mark on disk. */
#include "hactl/ha_core.h"

static const char *force_refused(const struct ha_fsm *f, int64_t now) {
    if (within(now, f->heard_at, f->setup.timing.path_ms) && f->peer_known &&
        f->peer.state == HA_MASTER)
        return "the other node serves; use switchover there";
    if (!ha_server_well(f)) return "this node's server is not up and well";
    if (f->disk.benched) return "this node is benched after a crash loop; clear that first";
    return NULL;
}

bool g_force_refused(const struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    return force_refused(f, now) != NULL;
}

void d_force(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    ha_log(f, "the operator forces a promotion and was told the risk");
    f->force_op = ev->op.id;
    ha_promote(f, ha_next_epoch(f, f->setup.node), now);
    f->claim_planned = true;
}

void d_refuse(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    const char *why = "this does not apply in the state that this node is in";
    if (ev->op.command == HA_CMD_FORCE && f->state == HA_MASTER)
        why = "this node is master already";
    else if (ev->op.command == HA_CMD_FORCE && force_refused(f, now))
        why = force_refused(f, now);
    else if (ev->op.command == HA_CMD_RESUME)
        why = "only a suspended master resumes";
    ha_answer(f, ev->op.id, false, "%s: refused: %s (%s); nothing was changed",
              ha_command_name(ev->op.command), why, ha_state_name(f->state));
}

void d_note_flag(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)now;
    struct ha_record r = f->next;
    switch (ev->op.command) {
    case HA_CMD_MAINTENANCE_ON: r.maintenance = true; break;
    case HA_CMD_MAINTENANCE_OFF: r.maintenance = false; break;
    case HA_CMD_BENCH: r.benched = true; break;
    default: ha_rails_clear(f, &r); break;
    }
    ha_answer(f, f->note_op, false, "overtaken by another command");
    f->note_op = ev->op.id;
    f->note_save = ha_save(f, &r);
    f->beat_now = true;
}

void d_noted_flag(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    if (f->note_op == 0 || !ha_is_saved(f, f->note_save)) return;
    ha_answer(f, f->note_op, true, "noted on disk");
    f->note_op = 0;
    f->beat_now = true;
}
