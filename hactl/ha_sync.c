/* How a master stands with its slave (rule 4). Releasing held replies alone, and the way back, one
 * step at a time:
 *
 *    IN --lost--> LOST --told, or grant expired--> FSYNC --> NOTE_OUT --> RELEASE --> SOLO
 *     ^                                                                    ^          |
 *     |                                                    slave goes away |          | slave
 * streams, nearly caught up
 *     +------------ NOTE_IN <--has all that was released-- CATCH_UP <-- HOLD <--------+
 *
 * Each arrow is taken only when the step before is confirmed: by the server (FSYNC, RELEASE, HOLD)
 * or by the disk (NOTE_*). */
#include "hactl/ha_core.h"

#define NEARLY_BYTES (64u << 10) /* so little behind that holding replies for it is a blink */

void ha_sync_enter(struct ha_fsm *f, enum ha_sync s, int64_t now) {
    if (f->sync != s) ha_log(f, "slave: %s -> %s", ha_sync_name(f->sync), ha_sync_name(s));
    f->sync = s;
    f->sync_since = now;
    f->sync_tell = 0;
    f->in_sync = s == HA_SYNC_IN || (s == HA_SYNC_NOTE_IN && without(f, HA_WITHOUT_ORDER));
}

static void tell_alone(struct ha_fsm *f, bool alone) {
    struct ha_action *a = ha_tell(f, HA_TELL_ALONE);
    a->tell.alone = alone;
    f->sync_tell = a->tell.id;
}

static void release(struct ha_fsm *f, int64_t now) {
    bool paused = f->sync == HA_SYNC_NOTE_OUT;
    ha_sync_enter(f, HA_SYNC_RELEASE, now);
    tell_alone(f, true);
    if (paused) ha_tell(f, HA_TELL_RESUME);
}

/* Alone by what is on disk already; the server is told. */
void ha_sync_begin_solo(struct ha_fsm *f, int64_t now) {
    if (f->server.alone && f->server.role == HA_SERVER_MASTER)
        ha_sync_enter(f, HA_SYNC_SOLO, now);
    else
        release(f, now);
}

void ha_sync_resume(struct ha_fsm *f, int64_t now) {
    bool noted = ha_is_saved(f, f->sync_save);
    if ((ha_marking(f) || f->sync == HA_SYNC_NOTE_IN) && !noted) return; /* goes on where it was */
    if (f->disk.peer_outdated)
        ha_sync_begin_solo(f, now);
    else if (f->sync == HA_SYNC_IN || f->sync == HA_SYNC_NOTE_IN)
        ha_sync_enter(f, HA_SYNC_IN, now);
    else
        ha_sync_enter(f, HA_SYNC_LOST, now);
}

/* ---- in sync -----------------------------------------------------------------------------------
 */

static bool sessions_differ(const struct ha_fsm *f) {
    return f->server.session == 0 || f->server.session != f->peer.session;
}

static const char *why_lost(struct ha_fsm *f, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    if (!f->peer_known) return within(now, f->started_at, t->dead_ms) ? NULL : "it was never heard";
    if (!within(now, f->heard_at, t->path_ms + 1)) return "it is silent";
    if (!ha_peer_says(f, HB_HEALTHY)) return "its server is not well";
    if (f->peer.state != HA_SLAVE) return "it is not a slave";
    if (f->peer.server_boot != f->sync_boot) return "its server restarted";
    if (!ha_server_well(f) || f->executor_silent_ns >= ms(t->sync_ms) / 2) {
        f->session_off_since = HA_NEVER; /* it is we who are slow, or hang on a disk: no verdict, so
                                            that the slave can be given the role */
        return NULL;
    }
    if (f->server.held != 0 && f->server.held_oldest_ns > ms(t->sync_ms))
        return "it does not acknowledge";
    if (!sessions_differ(f))
        f->session_off_since = HA_NEVER;
    else if (f->session_off_since == HA_NEVER)
        f->session_off_since = now;
    else if (!within(now, f->session_off_since, t->sync_ms))
        return "it does not stream";
    return NULL;
}

/* Rule 4: it is told that it is outdated; nothing is released yet. A verdict has a number of its
 * own, so that an old "I know" is never taken for a new one. */
static void watch(struct ha_fsm *f, int64_t now) {
    const char *why = why_lost(f, now);
    if (why == NULL) return;
    f->outdate = f->life + ++f->verdicts;
    if (f->outdate == 0) f->outdate = f->life + ++f->verdicts;
    f->session_off_since = HA_NEVER;
    f->beat_now = true;
    ha_log(f, "gives up the slave: %s", why);
    ha_sync_enter(f, HA_SYNC_LOST, now);
}

/* ---- the way out --------------------------------------------------------------------------------
 */

static void note_out(struct ha_fsm *f, int64_t now) {
    struct ha_record r = f->next;
    r.peer_outdated = true;
    r.was_master = true;
    ha_sync_enter(f, HA_SYNC_NOTE_OUT, now);
    f->sync_save = ha_save(f, &r);
}

static void leave_lost(struct ha_fsm *f, int64_t now) {
    bool told = f->peer_known && f->outdate != 0 && f->peer.said == f->outdate;
    if (!told && !ha_grants_expired(f, now)) return;
    if (f->server_died || f->disk_bad) return; /* a server that restarted gives no verdict */
    if (told) f->fence_open = false;           /* it says so itself: it will not use a grant */
    if (!ha_fence_lets_go(f, now)) return;
    if (without(f, HA_WITHOUT_BASE)) {
        note_out(f, now);
        return;
    }
    ha_sync_enter(f, HA_SYNC_FSYNC, now); /* clause base: the log is on disk before the record */
    ha_tell(f, HA_TELL_PAUSE)->tell.ms =
        f->setup.timing.sync_ms; /* so that it covers all that is released */
    f->sync_tell = ha_tell(f, HA_TELL_FSYNC)->tell.id;
}

static void fsync_told(struct ha_fsm *f, bool ok, int64_t now) {
    if (ok) {
        note_out(f, now);
        return;
    }
    if (f->server_up) {
        f->disk_bad = true; /* never retried and forgotten; a restart of the server clears it */
        ha_alarm(
            f, HA_ALARM_FSYNC, true,
            "an fsync of the log failed: replies stay held, nothing more is acknowledged here; "
            "replace the disk, or promote the other node");
    }
    ha_sync_enter(f, HA_SYNC_LOST, now);
}

/* ---- the way back -------------------------------------------------------------------------------
 */

static bool slave_streams(const struct ha_fsm *f, int64_t now) {
    return ha_peer_fresh(f, now) && f->peer.state == HA_SLAVE && f->peer.epoch == f->disk.epoch &&
           ha_peer_says(f, HB_HEALTHY) && f->server.in_sync_link && !sessions_differ(f);
}

static void readmit(struct ha_fsm *f, int64_t now) {
    if (!f->server.alone) {
        release(f, now);
        return;
    }
    if (!slave_streams(f, now) || f->server.acked + NEARLY_BYTES < f->server.offset) return;
    f->sync_boot = f->peer.server_boot;
    ha_sync_enter(f, HA_SYNC_HOLD, now);
    tell_alone(f, false);
}

static void held(struct ha_fsm *f, int64_t now) {
    ha_sync_enter(f, HA_SYNC_CATCH_UP, now);
    f->hold_from = UINT64_MAX; /* the next status, asked after the answer, says it */
}

static void catch_up(struct ha_fsm *f, int64_t now) {
    bool same = slave_streams(f, now) && f->peer.server_boot == f->sync_boot;
    if (!same || !within(now, f->sync_since, f->setup.timing.sync_ms)) {
        release(f, now);
        return;
    }
    if (f->hold_from == UINT64_MAX || f->server.acked < f->hold_from) return;
    struct ha_record r = f->next;
    r.peer_outdated = false;
    ha_sync_enter(f, HA_SYNC_NOTE_IN, now); /* clause order: on disk before the first grant */
    f->sync_save = ha_save(f, &r);
}

void d_sync_status(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev, (void)now;
    if (f->sync == HA_SYNC_CATCH_UP && f->hold_from == UINT64_MAX) f->hold_from = f->server.offset;
}

/* ---- events -------------------------------------------------------------------------------------
 */

void d_sync(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    switch (f->sync) {
    case HA_SYNC_IN: watch(f, now); break;
    case HA_SYNC_LOST: leave_lost(f, now); break;
    case HA_SYNC_RELEASE:
        if (f->sync_tell == 0 && f->server_up && !f->server_died) tell_alone(f, true);
        break;
    case HA_SYNC_SOLO: readmit(f, now); break;
    case HA_SYNC_CATCH_UP: catch_up(f, now); break;
    default: break; /* waits for an answer */
    }
}

void d_sync_told(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    if (f->sync_tell == 0 || ev->told.id != f->sync_tell) return;
    f->sync_tell = 0;
    if (ev->told.ok && f->sync == HA_SYNC_RELEASE) f->server.alone = true;
    if (ev->told.ok && f->sync == HA_SYNC_HOLD) f->server.alone = false;
    if (f->sync == HA_SYNC_FSYNC)
        fsync_told(f, ev->told.ok, now);
    else if (f->sync == HA_SYNC_RELEASE && ev->told.ok)
        ha_sync_enter(f, HA_SYNC_SOLO, now);
    else if (f->sync == HA_SYNC_HOLD && ev->told.ok)
        held(f, now);
    else if (f->sync == HA_SYNC_HOLD)
        release(f, now);
}

void d_sync_saved(struct ha_fsm *f, const struct ha_event *ev, int64_t now) {
    (void)ev;
    if (f->sync != HA_SYNC_NOTE_OUT && f->sync != HA_SYNC_NOTE_IN) return;
    if (!ha_is_saved(f, f->sync_save)) return;
    if (f->sync == HA_SYNC_NOTE_OUT) {
        release(f, now);
    } else {
        f->outdate = 0;
        ha_sync_enter(f, HA_SYNC_IN, now);
    }
}
