/* Names of the decision core's enums, and its two sets of times. */
#include <stddef.h>

#include "hactl/ha_fsm.h"

static const char *const event_names[HA_EVENTS] = {
    [HA_EV_TICK] = "tick",
    [HA_EV_HEARTBEAT] = "heartbeat",
    [HA_EV_GATEWAY] = "gateway answer",
    [HA_EV_VIP_FOREIGN] = "foreign VIP",
    [HA_EV_SAVED] = "record saved",
    [HA_EV_SERVER] = "server status",
    [HA_EV_SERVER_DIED] = "server died",
    [HA_EV_TOLD] = "server's answer",
    [HA_EV_OPERATOR] = "operator",
    [HA_EV_WITNESS] = "witness",
    [HA_EV_FENCED] = "fenced",
    [HA_EV_FENCE_READY] = "fence ready",
    [HA_EV_LINK] = "link",
};

static const char *const action_names[HA_ACTIONS] = {
    [HA_ACT_BEAT] = "heartbeat",
    [HA_ACT_SAVE] = "save record",
    [HA_ACT_LEASE] = "lease",
    [HA_ACT_VIP_TAKE] = "take VIP",
    [HA_ACT_VIP_DROP] = "drop VIP",
    [HA_ACT_VIP_ANNOUNCE] = "announce VIP",
    [HA_ACT_ASK_GATEWAY] = "ask gateway",
    [HA_ACT_PROBE_VIP] = "probe VIP",
    [HA_ACT_TELL] = "tell server",
    [HA_ACT_ALARM] = "alarm",
    [HA_ACT_LOG] = "log",
    [HA_ACT_ANSWER] = "answer",
    [HA_ACT_ASK_WITNESS] = "ask witness",
    [HA_ACT_FENCE] = "fence",
};

static const char *const tell_names[HA_TELLS] = {
    [HA_TELL_NONE] = "NONE",     [HA_TELL_MASTER] = "MASTER", [HA_TELL_SLAVE] = "SLAVE",
    [HA_TELL_ALONE] = "ALONE",   [HA_TELL_FSYNC] = "FSYNC",   [HA_TELL_PAUSE] = "PAUSE",
    [HA_TELL_RESUME] = "RESUME",
};

static const char *const sync_names[HA_SYNCS] = {
    [HA_SYNC_IN] = "in-sync",
    [HA_SYNC_LOST] = "given-up",
    [HA_SYNC_FSYNC] = "fsyncing",
    [HA_SYNC_NOTE_OUT] = "noting-outdated",
    [HA_SYNC_RELEASE] = "releasing",
    [HA_SYNC_SOLO] = "solo",
    [HA_SYNC_HOLD] = "holding",
    [HA_SYNC_CATCH_UP] = "catching-up",
    [HA_SYNC_NOTE_IN] = "noting-in-sync",
};

static const char *const alarm_names[HA_ALARMS] = {
    [HA_ALARM_SOLO] = "solo",
    [HA_ALARM_TAKEOVER_OFF] = "takeover-off",
    [HA_ALARM_GATEWAY] = "gateway-lost",
    [HA_ALARM_SUSPENDED] = "suspended",
    [HA_ALARM_WAITING] = "waiting",
    [HA_ALARM_SERVER] = "server",
    [HA_ALARM_VIP] = "vip-foreign",
    [HA_ALARM_RECORD] = "record",
    [HA_ALARM_FSYNC] = "fsync",
    [HA_ALARM_CONFIG] = "configuration-differs",
    [HA_ALARM_MAINTENANCE] = "maintenance",
    [HA_ALARM_BENCHED] = "benched",
    [HA_ALARM_PATH] = "path-down",
    [HA_ALARM_STALL] = "link-stalls",
    [HA_ALARM_WITNESS] = "witness-lost",
    [HA_ALARM_TAIL] = "tail",
    [HA_ALARM_FENCE] = "fence-lost",
    [HA_ALARM_HOLD] = "hold-down",
    [HA_ALARM_LINK] = "port",
    [HA_ALARM_IDENTITY] = "identity",
};

static const char *const command_names[] = {
    [0] = "?",
    [HA_CMD_SWITCHOVER] = "switchover",
    [HA_CMD_MAINTENANCE_ON] = "maintenance on",
    [HA_CMD_MAINTENANCE_OFF] = "maintenance off",
    [HA_CMD_FORCE] = "promote --force",
    [HA_CMD_RESUME] = "resume",
    [HA_CMD_BENCH] = "bench",
    [HA_CMD_UNBENCH] = "bench clear",
};

const char *ha_event_name(enum ha_event_kind k) {
    return (unsigned)k < HA_EVENTS ? event_names[k] : "?";
}

const char *ha_action_name(enum ha_action_kind k) {
    return (unsigned)k < HA_ACTIONS ? action_names[k] : "?";
}

const char *ha_tell_name(enum ha_tell t) {
    return (unsigned)t < HA_TELLS ? tell_names[t] : "?";
}

const char *ha_sync_name(enum ha_sync s) {
    return (unsigned)s < HA_SYNCS ? sync_names[s] : "?";
}

const char *ha_alarm_name(enum ha_alarm a) {
    return (unsigned)a < HA_ALARMS ? alarm_names[a] : "?";
}

const char *ha_command_name(enum ha_command c) {
    return (unsigned)c < HA_COMMANDS ? command_names[c] : "?";
}

/* ---- times ------------------------------------------------------------------------------------
 */

void ha_timing_default(struct ha_timing *t) {
    *t = (struct ha_timing){
        .tick_ms = 10,
        .beat_ms = 50,
        .demote_ms = 350,
        .dead_ms = 500,
        .grant_ms = 1000,
        .sync_ms = 1000,
        .server_dead_ms = 150,
        .server_hung_ms = 15000,
        .init_ms = 1500,
        .probe_ms = 30,
        .fsync_max_ms = 10000,
        .drift_ppm = 1000,
        .hold_ms = 60000,
        .hold_window_ms = 300000,
        .bench_failures = 10,
        .bench_window_ms = 120000,
    };
    ha_timing_derive(t);
}

void ha_timing_fast(struct ha_timing *t) {
    ha_timing_default(t);
    t->tick_ms = 5;
    t->beat_ms = 20;
    t->demote_ms = 100;
    t->dead_ms = 150;
    t->grant_ms = 400;
    t->probe_ms = 12;
    ha_timing_derive(t);
}

void ha_timing_derive(struct ha_timing *t) {
    uint32_t path_ms = 4 * t->beat_ms, fresh_ms = 3 * t->beat_ms;
    uint32_t rest_ms = 2 * t->beat_ms;    /* the newest echo is so old when silence begins */
    if (path_ms + rest_ms > t->demote_ms) /* else the lease ends before the gateway's word counts */
        path_ms = t->demote_ms > rest_ms ? t->demote_ms - rest_ms : 0;
    if (fresh_ms + t->beat_ms / 2 > path_ms)
        fresh_ms = path_ms > t->beat_ms / 2 ? path_ms - t->beat_ms / 2 : 0;
    t->path_ms = path_ms;
    t->fresh_ms = fresh_ms;
    t->gateway_seen_ms = 3 * t->beat_ms; /* the gateway is asked with every beat */
    t->gateway_lost_ms = 6 * t->beat_ms;
    /* Not given up before it is known who sees the gateway: to that slave the master hands over. */
    if (t->sync_ms < 20 * t->beat_ms) t->sync_ms = 20 * t->beat_ms;
}

const char *ha_timing_wrong(const struct ha_timing *t) {
    if (t->tick_ms == 0 || t->beat_ms < 2 * t->tick_ms) return "beat-ms must be at least two ticks";
    if (t->fresh_ms <= t->beat_ms || t->path_ms <= t->fresh_ms)
        return "beat-ms, the age of a fresh heartbeat and the age at which a path is down must "
               "grow in "
               "this order";
    if (t->demote_ms <= t->fresh_ms) return "demote-time-ms must be longer than three beats";
    if (t->demote_ms < t->path_ms + 2 * t->beat_ms)
        return "demote-time-ms must outlast the age at which a path is down by two beats: else a "
               "master "
               "whose slave dies stops before the gateway's answers count";
    if (t->dead_ms < t->demote_ms + 2 * t->beat_ms)
        return "dead-time-ms must be longer than demote-time-ms by two beats";
    if (t->grant_ms < t->dead_ms + 2 * t->beat_ms)
        return "grant-time-ms must be longer than dead-time-ms by two beats";
    if (t->grant_ms > 60000) return "grant-time-ms must not be more than a minute";
    if (t->init_ms <= t->path_ms) return "the first election must come later than a path can fail";
    return NULL;
}
