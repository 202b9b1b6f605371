/* The way out of the core: actions, the record in flight, and what a heartbeat says. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hactl/ha_core.h"

struct ha_action *ha_emit(struct ha_fsm *f, enum ha_action_kind kind) {
    assert(f->queue_len < HA_QUEUE && "the caller takes all actions before the next step");
    struct ha_action *a = &f->queue[(f->queue_head + f->queue_len++) % HA_QUEUE];
    a->kind = kind;
    a->text[0] = 0;
    return a;
}

bool ha_fsm_next(struct ha_fsm *f, struct ha_action *out) {
    if (f->queue_len == 0) return false;
    *out = f->queue[f->queue_head];
    f->queue_head = (f->queue_head + 1) % HA_QUEUE;
    f->queue_len--;
    return true;
}

const char *ha_epoch_text(uint64_t epoch, char out[24]) {
    snprintf(out, 24, "%llu/%c", (unsigned long long)ha_epoch_number(epoch),
             ha_epoch_node(epoch) ? 'b' : 'a');
    return out;
}

struct ha_action *ha_log(struct ha_fsm *f, const char *fmt, ...) {
    struct ha_action *a = ha_emit(f, HA_ACT_LOG);
    va_list ap;
    a->log.moved = false;
    va_start(ap, fmt);
    vsnprintf(a->text, sizeof a->text, fmt, ap);
    va_end(ap);
    return a;
}

void ha_alarm(struct ha_fsm *f, enum ha_alarm id, bool on, const char *text) {
    uint32_t bit = 1u << id;
    if (((f->alarms & bit) != 0) == on) return;
    f->alarms ^= bit;
    struct ha_action *a = ha_emit(f, HA_ACT_ALARM);
    a->alarm.id = id;
    a->alarm.on = on;
    snprintf(a->text, sizeof a->text, "%s", text);
}

void ha_answer(struct ha_fsm *f, uint32_t id, bool ok, const char *fmt, ...) {
    if (id == 0) return;
    struct ha_action *a = ha_emit(f, HA_ACT_ANSWER);
    a->answer.id = id;
    a->answer.ok = ok;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->text, sizeof a->text, fmt, ap);
    va_end(ap);
}

/* ---- the record: one write in flight, later wishes are merged into the next one ------------- */

static void save_emit(struct ha_fsm *f) {
    f->flight = f->next;
    f->flight_id = f->save_id;
    struct ha_action *a = ha_emit(f, HA_ACT_SAVE);
    a->save.id = f->flight_id;
    a->save.record = f->flight;
}

uint32_t ha_save(struct ha_fsm *f, const struct ha_record *want) {
    f->next = *want;
    f->next.seen = max_u64(f->next.seen, max_u64(f->known, want->epoch));
    if (f->save_id == f->saved_id) f->unsaved_since = f->last_tick;
    f->save_id++;
    if (f->flight_id == 0) save_emit(f);
    return f->save_id;
}

void ha_saved(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    if (f->flight_id == 0 || ev->saved.id != f->flight_id) return;
    f->flight_id = 0;
    f->unsaved_since = now;
    if (!ev->saved.ok) {
        f->retry_at = now + 20 * ms(f->setup.timing.beat_ms);
        ha_alarm(f, HA_ALARM_RECORD, true,
                 "the record on the state partition cannot be written: this node can neither "
                 "promote nor follow safely; check the disk");
        return;
    }
    f->disk = f->flight; /* only now is it believed */
    f->saved_id = ev->saved.id;
    ha_alarm(f, HA_ALARM_RECORD, false, "the record on the state partition is written again");
    if (f->save_id > f->saved_id) save_emit(f);
}

void ha_save_retry(struct ha_fsm *f, int64_t now) {
    if (f->flight_id == 0 && f->save_id > f->saved_id && now >= f->retry_at) save_emit(f);
}

void ha_save_forget(struct ha_fsm *f) {
    f->next = f->flight_id != 0 ? f->flight : f->disk;
    f->save_id = f->flight_id != 0 ? f->flight_id : f->saved_id;
}

/* ---- to the server --------------------------------------------------------------------------- */

struct ha_action *ha_tell(struct ha_fsm *f, enum ha_tell what) {
    struct ha_action *a = ha_emit(f, HA_ACT_TELL);
    a->tell.id = ++f->tell_id;
    a->tell.what = what;
    a->tell.epoch = f->disk.epoch;
    a->tell.path = f->route;
    a->tell.alone = false;
    a->tell.ms = 0;
    return a;
}

void ha_lease(struct ha_fsm *f, int64_t until) {
    if (until == f->lease) return;
    f->lease = until;
    ha_emit(f, HA_ACT_LEASE)->lease.until = until;
    if (until != HA_NEVER || !f->vip) return;
    f->vip = false;
    ha_emit(f, HA_ACT_VIP_DROP);
}

/* ---- the heartbeat --------------------------------------------------------------------------- */

/* Rule 2: a grant answers a heartbeat of the last 3 beats, goes to a slave that is in sync and sees
 * the gateway, over a pair joined by two paths that work both ways, or by an arbiter. */
static unsigned grant_flags(const struct ha_fsm *f, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    if (f->state != HA_MASTER || !f->in_sync || ha_marking(f) || f->lease <= now) return 0;
    int64_t heard = f->heard_at; /* clause echo */
    if (!without(f, HA_WITHOUT_ECHO) && f->echo_at < heard) heard = f->echo_at;
    if (!f->peer_known || !within(now, heard, t->fresh_ms) || ha_maintenance(f)) return 0;
    if (ha_held_down(f, now) || ha_peer_says(f, HB_BENCHED)) return 0;
    return ha_grant_kind(f, now);
}

static unsigned flags_of(const struct ha_fsm *f, int64_t now) {
    unsigned flags = grant_flags(f, now) | ha_arbiter_flags(f, now);
    if (f->in_sync && !ha_marking(f)) flags |= HB_IN_SYNC;
    if (ha_whole(f)) flags |= HB_WHOLE;
    if (ha_server_well(f)) flags |= HB_HEALTHY;
    if (!within(now, f->grant_at, f->setup.timing.grant_ms)) flags |= HB_VOID;
    if (f->disk.epoch != 0) flags |= HB_RECORD;
    if (f->server_up && f->server.empty) flags |= HB_EMPTY;
    if (f->disk.maintenance) flags |= HB_MAINTENANCE;
    if (ha_ranked(f)) flags |= HB_RANKED;
    if (f->disk.was_master) flags |= HB_WAS_MASTER;
    if (f->disk.was_master && f->disk.peer_outdated) flags |= HB_PROOF;
    if (f->disk.outdated) flags |= HB_OUTDATED;
    if (f->state == HA_MASTER ? f->claim_planned : f->permit != 0 && f->planned)
        flags |= HB_PLANNED;
    if (ha_held_here(f, now)) flags |= HB_LOCKED;
    if (f->disk.benched) flags |= HB_BENCHED;
    return flags;
}

static unsigned gateway_age_ms(const struct ha_fsm *f, int64_t now) {
    int64_t age = (now - f->gateway_at) / HA_MS;
    return age >= 0 && age < HEARTBEAT_AGE_NEVER ? (unsigned)age : HEARTBEAT_AGE_NEVER;
}

static uint8_t state_said(const struct ha_fsm *f) {
    if (without(f, HA_WITHOUT_CLAIM) && f->state == HA_PROMOTING) return HA_SLAVE;
    return (uint8_t)f->state;
}

void ha_beat(struct ha_fsm *f, int64_t now) {
    unsigned flags = flags_of(f, now);
    if ((flags & HB_GRANT) || f->permit != 0) ha_grant_sent(f, flags, now);
    f->seq++;
    f->sent_at[f->seq % HA_SENT] = now;
    f->next_beat = now + ms(f->setup.timing.beat_ms);
    f->beat_now = false;
    ha_emit(f, HA_ACT_BEAT)->beat = (struct heartbeat){
        .pair = f->setup.pair,
        .node = f->setup.node,
        .state = state_said(f),
        .flags = flags,
        .paths = (uint8_t)ha_paths_heard(f, now),
        .gateway_age_ms = (uint16_t)gateway_age_ms(f, now),
        .outside = (uint8_t)ha_outside(f, now, f->setup.timing.dead_ms),
        .config = f->setup.config,
        .config_parts = f->setup.config_parts,
        .life = f->life,
        .seq = f->seq,
        .echo_life = f->peer_known ? f->peer.life : 0,
        .echo_seq = f->peer_known ? f->peer.seq : 0,
        .hello_life = f->window.hello_life,
        .hello_seq = f->window.hello_seq,
        .epoch = f->disk.epoch,
        .known = max_u64(f->known, f->holder),
        .claim = without(f, HA_WITHOUT_CLAIM) ? 0 : max_u64(f->claim, f->taking),
        .permit = f->permit,
        .permit_boot = f->permit_boot,
        .outdate = f->state == HA_MASTER ? f->outdate : 0,
        .said = f->said,
        .data_offset = f->server.offset,
        .session = f->server_up ? f->server.session : 0,
        .server_boot = f->server_up ? f->server.boot : 0,
        .link_boot = f->sync_boot,
        .has = f->inst_has,
        .counts = f->inst_counts,
    };
}
