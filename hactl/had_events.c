#include "hactl/had_events.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hactl/had.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define LOOK_BACK_MS 300

/* ---- from start to end ---- */

/* Numbers go on where the files end. A disk that does not answer is not waited for: then they go on from the time in
 * seconds, which is higher than any count. */
void had_events_open(struct had *h) {
    struct had_events *e = &h->events;
    char dir[512], other[512];
    uint64_t last = 0;
    snprintf(dir, sizeof dir, "%s/data/log", h->root);
    snprintf(other, sizeof other, "%s/run/log", h->root);
    e->file = event_file_new(dir, other, EVENT_FILE_LIMIT_BYTES);
    if (!e->file || !event_file_last(e->file, LOOK_BACK_MS, &last))
        last = (uint64_t)(clock_wall_ms() / 1000);
    e->count = last;
    e->first = last + 1;
    snprintf(dir, sizeof dir, "%s/run/events.fifo", h->root);
    e->out = event_out_new(&h->conf.log, dir, h->conf.name);
}

void had_events_close(struct had *h) {
    event_file_free(h->events.file);
    event_out_free(h->events.out);
}

/* ---- adding ---- */

static void to_log(const struct event *e) {
    static const enum log_level levels[] = {LOG_NOTICE, LOG_NOTICE, LOG_WARNING, LOG_ERROR};
    bool plain = e->kind == EVENT_NOTE || e->kind == EVENT_ROLE;
    log_line(levels[event_severity_of(e->kind)], plain ? "%s%s%s" : "%s: %s%s",
             plain ? "" : event_kind_name(e->kind), e->text, "");
}

static void add(struct had *h, struct event *e, enum event_kind kind, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));
static void add(struct had *h, struct event *e, enum event_kind kind, const char *fmt, va_list ap) {
    uint64_t epoch = h->fsm.disk.epoch;
    e->number = ++h->events.count;
    e->wall_ms = clock_wall_ms();
    e->boot_ms = (int64_t)clock_boot_ms();
    e->epoch = ha_epoch_number(epoch);
    e->epoch_by = epoch ? (ha_epoch_node(epoch) ? 'b' : 'a') : 0;
    e->node = h->conf.setup.node ? 'b' : 'a';
    e->kind = kind;
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    h->events.ring[e->number % HAD_EVENTS] = *e;
    to_log(e);
    struct buf line = BUF_INIT;
    event_line(e, &line);
    event_file_add(h->events.file, buf_head(&line), buf_len(&line));
    event_out_add(h->events.out, e, buf_head(&line), buf_len(&line));
    buf_free(&line);
}

void had_event(struct had *h, enum event_kind kind, const char *fmt, ...) {
    struct event e = {0};
    va_list ap;
    va_start(ap, fmt);
    add(h, &e, kind, fmt, ap);
    va_end(ap);
}

void had_event_with(struct had *h, struct event *e, enum event_kind kind, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    add(h, e, kind, fmt, ap);
    va_end(ap);
}

const struct event *had_events_get(const struct had_events *e, uint64_t number) {
    if (number < e->first || number > e->count || number + HAD_EVENTS <= e->count) return NULL;
    return number ? &e->ring[number % HAD_EVENTS] : NULL;
}

/* ---- of the core ---- */

void had_event_of_core(struct had *h, const struct ha_action *a) {
    struct event e = {0};
    enum event_kind kind = EVENT_ROLE;
    if (!a->log.moved) {
        had_event(h, EVENT_NOTE, "%s", a->text);
        return;
    }
    if (h->fsm.counts[HA_COUNT_TAKEOVERS] != h->events.seen.takeovers) kind = EVENT_TAKEOVER;
    if (a->log.to == HA_YIELDED) kind = EVENT_HANDOVER;
    if (a->log.from == HA_MASTER && a->log.to == HA_SUSPENDED) kind = EVENT_LEASE_LOST;
    h->events.seen.takeovers = h->fsm.counts[HA_COUNT_TAKEOVERS];
    event_field_text(&e, "from", ha_state_name(a->log.from));
    event_field_text(&e, "to", ha_state_name(a->log.to));
    had_event_with(h, &e, kind, "%s", a->text);
}

void had_event_of_alarm(struct had *h, const struct ha_action *a, const char *text) {
    struct event e = {0};
    const char *name = ha_alarm_name(a->alarm.id);
    event_field_text(&e, "alarm", name);
    had_event_with(h, &e, a->alarm.on ? EVENT_ALARM_BEGIN : EVENT_ALARM_END, "%s alarm: %s", name,
                   text);
}

/* ---- what came and went ---- */

/* Says what changed; answers what is so now. */
static bool flank(struct had *h, bool was, bool is, enum event_kind begins, enum event_kind ends,
                  const char *text_begins, const char *text_ends) {
    if (was != is) had_event(h, is ? begins : ends, "%s", is ? text_begins : text_ends);
    return is;
}

static void look_paths(struct had *h, unsigned both_ways) {
    struct had_events_seen *s = &h->events.seen;
    for (int p = 0; p < HA_PATHS; p++) {
        struct event e = {0};
        bool up = both_ways >> p & 1;
        const char *name = ha_path_name((enum ha_path)p);
        if (up == (s->paths >> p & 1)) continue;
        event_field_text(&e, "path", name);
        had_event_with(h, &e, up ? EVENT_PATH_UP : EVENT_PATH_DOWN, "the %s path %s", name,
                       up ? "works both ways" : "does not work both ways any more");
    }
    s->paths = both_ways;
}

static void look_tails(struct had *h) {
    for (int i = 0; i < instance_set_count(h->servers) && i < INSTANCE_LIMIT; i++) {
        const struct instance *one = instance_set_at(h->servers, i);
        const struct instance_status *st = instance_status(one);
        int number = instance_conf_of(one)->number;
        struct event e = {0};
        if (!st) continue;
        bool known = h->events.seen.tail[i].number == number + 1;
        uint64_t before = known ? h->events.seen.tail[i].writes : 0;
        h->events.seen.tail[i].number = number + 1;
        h->events.seen.tail[i].writes = st->rejoin_tail;
        if (!st->rejoin_tail || st->rejoin_tail == before) continue;
        event_field_number(&e, "instance", number);
        event_field_number(&e, "writes", (int64_t)st->rejoin_tail);
        had_event_with(h, &e, EVENT_TAIL_SAVED,
                       "instance %d put %llu writes aside that the master does not have", number,
                       (unsigned long long)st->rejoin_tail);
    }
}

/* That the data partition did not take events is an event, which it may not take either. */
static void look_lost(struct had *h) {
    uint64_t lost = event_file_lost(h->events.file);
    struct event e = {0};
    if (lost <= h->events.lost_said || lost - h->events.lost_said < h->events.lost_said / 2) return;
    h->events.lost_said = lost;
    event_field_number(&e, "events", (int64_t)lost);
    had_event_with(h, &e, EVENT_EVENTS_LOST,
                   "the data partition did not take %llu events: check its disk",
                   (unsigned long long)lost);
}

void had_events_look(struct had *h) {
    struct had_events_seen *s = &h->events.seen;
    struct ha_view v;
    ha_fsm_view(&h->fsm, (int64_t)clock_boot_ns(), &v);
    bool gateway = v.gateway_age_ns < h->conf.setup.timing.dead_ms * HA_MS;
    s->peer = flank(h, s->peer, v.peer_heard, EVENT_PEER_HEARD, EVENT_PEER_SILENT,
                    "the other node is heard", "the other node is heard on no path");
    look_paths(h, v.both_ways);
    s->gateway = flank(h, s->gateway, gateway, EVENT_GATEWAY_UP, EVENT_GATEWAY_DOWN,
                       "the gateway answers this node", "the gateway does not answer this node");
    s->server = flank(h, s->server, h->fsm.server_up, EVENT_SERVER_UP, EVENT_SERVER_DIED,
                      "this node's servers answer", "a server of this node ended or was stopped");
    bool master = v.state == HA_MASTER;
    if (master || v.state == HA_SLAVE)
        s->in_sync = flank(h, s->in_sync, v.in_sync, EVENT_SYNC_IN, EVENT_SYNC_LOST,
                           master ? "the slave is in sync" : "this slave is in sync",
                           master ? "the slave is not in sync any more"
                                  : "this slave is not in sync any more");
    look_tails(h);
    look_lost(h);
}
