/* The daemon's middle: what the drivers see becomes events of the decision core, what the core wants
 * done goes to the drivers. No decision is made here. */
#include "hactl/had.h"

#include <stdio.h>
#include <string.h>

#include "hactl/had_agree.h"
#include "hactl/had_arbiter.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/rand.h"

#define LEAVE_ID         UINT32_MAX /* the operator's command that had gives itself */
#define LEAVE_TIMEOUT_MS 1000
#define WAIT_FOR_SYNC    (1000 * HA_MS)
#define OUTSIDE_BACK_NS  NS_PER_S

/* ---- actions ---- */

static void act_lease(struct had *h, int64_t until) {
    uint64_t until_ns = until > 0 ? (uint64_t)until : 0;
    /* Lost: the server first, because it writes; won: the server last, when the way is open. */
    if (!until_ns) instance_set_lease(h->servers, h->fsm.disk.epoch, 0);
    if (h->read) read_vip_lease(h->read, clock_boot_ns(), until_ns);
    vip_lease(h->vip, clock_boot_ns(), until_ns);
    if (until_ns) instance_set_lease(h->servers, h->fsm.disk.epoch, until_ns);
}

static const struct netcfg_iface *peer_of_route(const struct had *h, enum ha_path path) {
    const struct netcfg_iface *cable = &h->conf.net.crossover;
    return path == HA_PATH_CROSSOVER && cable->peer.family ? cable : &h->conf.net.service;
}

static void act_tell(struct had *h, const struct ha_action *a) {
    char host[NETCFG_ADDR_CHARS];
    const struct netcfg_iface *way = peer_of_route(h, a->tell.path);
    struct instance_tell t = {.id = a->tell.id,
                              .what = a->tell.what,
                              .epoch = a->tell.epoch,
                              .host = netcfg_addr_text(&way->peer, false, host),
                              .alone = a->tell.alone,
                              .ms = a->tell.ms};
    log_debug("tells the server: %s (command %u)", ha_tell_name(t.what), t.id);
    instance_set_tell(h->servers, &t);
}

/* What is wrong with the first instance that is not well; "" when nothing is known. */
static const char *unwell(const struct had *h, int *number) {
    for (int i = 0; i < instance_set_count(h->servers); i++) {
        const struct instance *one = instance_set_at(h->servers, i);
        const struct instance_status *s = instance_status(one);
        *number = instance_conf_of(one)->number;
        if (!s) return instance_trouble(one);
        if (s->fsync_failed)
            return "its log could not be written or fsynced: mend the disk, then restart this node";
        if (s->log_stuck) return "its disk has no room for the log: free some, or grow it";
        if (s->server.loading) return "it is loading";
        if (s->server.fsync_age_ns > h->conf.setup.timing.fsync_max_ms * HA_MS)
            return "an fsync of its log does not end: look at the disk";
    }
    return "";
}

/* The core's sentence, and what only a driver knows. */
static void alarm_text(const struct had *h, const struct ha_action *a, char out[HA_TEXT]) {
    char mac[18], parts[HA_TEXT - 50];
    int number = 0;
    const char *why = a->alarm.id == HA_ALARM_SERVER && a->alarm.on ? unwell(h, &number) : "";
    if (why[0])
        snprintf(out, HA_TEXT, "%.100s; instance %d: %.100s", a->text, number, why);
    else if (a->alarm.id == HA_ALARM_VIP && a->alarm.on)
        snprintf(out, HA_TEXT, "%.200s; its link address: %s", a->text,
                 netcfg_mac_text(h->foreign_mac, mac));
    else if (a->alarm.id == HA_ALARM_CONFIG && a->alarm.on &&
             *had_agree_differing(h->fsm.setup.config_parts, h->fsm.peer.config_parts, parts,
                                  sizeof parts))
        snprintf(out, HA_TEXT, "the two nodes are configured differently in %s", parts);
    else
        snprintf(out, HA_TEXT, "%s", a->text);
}

void had_core_alarm(struct had *h, const struct ha_action *a) {
    struct had_alarm *alarm = &h->alarms[a->alarm.id];
    if (!alarm->on && a->alarm.on) alarm->since_ms = clock_wall_ms();
    alarm->on = a->alarm.on;
    alarm_text(h, a, alarm->text);
    had_event_of_alarm(h, a, alarm->text);
}

static void act_answer(struct had *h, const struct ha_action *a) {
    had_event(h, EVENT_OPERATOR, "%s", a->text);
    if (h->leaving && a->answer.id == LEAVE_ID) loop_stop(h->loop);
    request_sock_answer(h->sock, a->answer.id, a->answer.ok, a->text);
}

/* The leave to hold the VIP for reads goes with the heartbeat; the core knows nothing of it. */
static void act_beat(struct had *h, const struct heartbeat *hb) {
    struct heartbeat out = *hb;
    if (h->read && read_vip_grant(h->read, &h->fsm, clock_boot_ns())) out.flags |= HB_READ;
    peer_send(h->peer, &out);
}

static void act(struct had *h, const struct ha_action *a) {
    uint64_t now = clock_boot_ns();
    switch (a->kind) {
    case HA_ACT_BEAT: act_beat(h, &a->beat); break;
    case HA_ACT_SAVE: epoch_save(h->epoch, a->save.id, &a->save.record); break;
    case HA_ACT_LEASE: act_lease(h, a->lease.until); break;
    case HA_ACT_VIP_TAKE:
        vip_take(h->vip, now);
        had_clients_tick(h->clients, vip_held(h->vip));
        had_event(h, EVENT_VIP_TAKEN, "this node takes the VIP");
        break;
    case HA_ACT_VIP_DROP:
        vip_drop(h->vip);
        had_event(h, EVENT_VIP_DROPPED, "this node gives the VIP up");
        break;
    case HA_ACT_VIP_ANNOUNCE: vip_announce(h->vip, now, false); break;
    case HA_ACT_ASK_GATEWAY: guard_ask_gateway(h->guard, (uint64_t)a->gateway.sent_at); break;
    case HA_ACT_PROBE_VIP: vip_probe(h->vip, now); break;
    case HA_ACT_TELL: act_tell(h, a); break;
    case HA_ACT_ALARM: had_core_alarm(h, a); break;
    case HA_ACT_LOG: had_event_of_core(h, a); break;
    case HA_ACT_ANSWER: act_answer(h, a); break;
    case HA_ACT_ASK_WITNESS: had_arbiter_ask(h, a); break;
    case HA_ACT_FENCE: had_arbiter_fence(h, a); break;
    case HA_ACTIONS: bug("an action that is none");
    }
}

static void drain(struct had *h) {
    struct ha_action a;
    while (ha_fsm_next(&h->fsm, &a)) act(h, &a);
}

/* ---- for instances that come and go ---- */

/* Where the servers that count are, once they are there: those that do not count yet go the same way. */
static void wish_role(const struct had *h, struct instance_wish *w) {
    const struct ha_fsm *f = &h->fsm;
    char host[NETCFG_ADDR_CHARS];
    bool master = f->state == HA_MASTER && f->server.role == HA_SERVER_MASTER;
    bool slave = f->state == HA_SLAVE && f->server.role == HA_SERVER_SLAVE && f->route < HA_PATHS;
    if (!f->server_up || f->server_died || (!master && !slave)) return;
    w->role = master ? HA_SERVER_MASTER : HA_SERVER_SLAVE;
    w->epoch = f->server.epoch;
    w->in_sync = master && f->sync == HA_SYNC_IN && f->switching == HA_SWITCH_NO;
    w->solo = master && f->sync == HA_SYNC_SOLO;
    snprintf(w->host, sizeof w->host, "%s",
             netcfg_addr_text(&peer_of_route(h, f->route)->peer, false, host));
}

static void wish(struct had *h) {
    const struct ha_fsm *f = &h->fsm;
    int64_t now = (int64_t)clock_boot_ns();
    struct instance_wish w = {.give_up_ns = f->setup.timing.sync_ms * HA_MS,
                              .peer_has = f->peer.has,
                              .peer_counts = f->peer.counts};
    w.peer_fresh = f->peer_known && now - f->heard_at < f->setup.timing.fresh_ms * HA_MS;
    wish_role(h, &w);
    instance_set_wish(h->servers, &w);
    ha_fsm_instances(&h->fsm, instance_set_has(h->servers), instance_set_counts(h->servers),
                     h->conf.setup.config, h->conf.setup.config_parts);
}

/* ---- steps ---- */

/* While writes are paused, the next tick is far away. */
static void hurry(struct had *h) {
    bool wanted = h->fsm.switching == HA_SWITCH_DRAINING && h->fsm.state == HA_MASTER;
    if (wanted == h->hurries) return;
    h->hurries = wanted;
    if (wanted)
        loop_timer_start(h->hurry, 0, NS_PER_MS);
    else
        loop_timer_stop(h->hurry);
}

void had_on_hurry(struct loop *l, void *arg) {
    struct had *h = arg;
    (void)l;
    instance_set_ask(h->servers, clock_boot_ns());
}

void had_feed(struct had *h, const struct ha_event *ev) {
    must(!h->stepping, "no driver calls back from inside an action");
    h->stepping = true;
    ha_fsm_step(&h->fsm, ev, (int64_t)clock_boot_ns());
    drain(h);
    h->stepping = false;
    hurry(h);
    wish(h); /* a server that joins goes by where the core is now, not by where it was a tick ago */
}

void had_core_start(struct had *h, const struct ha_record *record) {
    uint64_t life = 0;
    while (!life) rand_bytes(&life, sizeof life);
    ha_fsm_init(&h->fsm, &h->conf.setup, record, life, (int64_t)clock_boot_ns());
    h->stepping = true;
    drain(h);
    h->stepping = false;
}

/* Holding, catching up, noting it; or the slave itself says so with its next beat. */
static bool slave_comes_into_sync(const struct ha_fsm *f) {
    if (f->state != HA_MASTER) return false;
    if (f->in_sync) return !(f->peer.flags & HB_IN_SYNC);
    return f->sync == HA_SYNC_HOLD || f->sync == HA_SYNC_CATCH_UP || f->sync == HA_SYNC_NOTE_IN;
}

void had_core_command(struct had *h, const struct ha_event *ev) {
    bool later = ev->op.command == HA_CMD_SWITCHOVER && slave_comes_into_sync(&h->fsm);
    if (!later || h->waiting_until) {
        had_feed(h, ev);
        return;
    }
    h->waiting = *ev;
    h->waiting_until = (int64_t)clock_boot_ns() + WAIT_FOR_SYNC;
}

static void feed_waiting(struct had *h) {
    if (!h->waiting_until) return;
    if (slave_comes_into_sync(&h->fsm) && (int64_t)clock_boot_ns() < h->waiting_until) return;
    h->waiting_until = 0;
    had_feed(h, &h->waiting);
}

bool had_core_leave(struct had *h) {
    struct ha_event ev = {
        .kind = HA_EV_OPERATOR,
        .op = {.command = HA_CMD_SWITCHOVER, .id = LEAVE_ID, .timeout_ms = LEAVE_TIMEOUT_MS}};
    if (h->fsm.state != HA_MASTER || !h->fsm.in_sync || h->fsm.disk.maintenance) return false;
    had_feed(h, &ev);
    return h->fsm.switching != HA_SWITCH_NO;
}

/* ---- events ---- */

static void announce_anew(struct had *h) {
    uint64_t now = clock_boot_ns();
    vip_link_back(h->vip, now);
    if (h->read) read_vip_link_back(h->read, now);
}

void had_on_saved(void *arg, uint32_t id, bool ok) {
    struct ha_event ev = {.kind = HA_EV_SAVED, .saved = {.id = id, .ok = ok}};
    had_feed(arg, &ev);
}

void had_on_heartbeat(void *arg, enum ha_path path, const struct heartbeat *hb) {
    struct ha_event ev = {.kind = HA_EV_HEARTBEAT, .heartbeat = {.path = path, .hb = hb}};
    had_feed(arg, &ev);
}

/* A port that came up may have passed nothing for half a minute: the first answer says that it does. */
static void on_gateway(void *arg, unsigned which, uint64_t sent_ns) {
    struct ha_event ev = {.kind = HA_EV_GATEWAY,
                          .gateway = {.sent_at = (int64_t)sent_ns, .which = which}};
    struct had *h = arg;
    bool back = h->outside_ns && sent_ns > h->outside_ns + OUTSIDE_BACK_NS;
    if (sent_ns > h->outside_ns) h->outside_ns = sent_ns;
    if (back) announce_anew(h);
    had_feed(h, &ev);
}

static void on_vip_foreign(void *arg, enum netcfg_group group, unsigned which,
                           const uint8_t mac[6]) {
    struct ha_event ev = {.kind = HA_EV_VIP_FOREIGN};
    struct had *h = arg;
    if (group == NETCFG_VIP_READ) {
        read_vip_foreign(h->read, mac, clock_boot_ns());
        return;
    }
    vip_foreign(h->vip, which, mac, clock_boot_ns());
    memcpy(h->foreign_mac, mac, sizeof h->foreign_mac);
    memcpy(ev.vip.mac, mac, sizeof ev.vip.mac);
    had_feed(h, &ev);
}

static void on_link(void *arg, bool crossover, bool carrier, bool receives) {
    struct ha_event ev = {.kind = HA_EV_LINK,
                          .link = {.path = crossover ? HA_PATH_CROSSOVER : HA_PATH_SERVICE,
                                   .carrier = carrier,
                                   .receives = carrier && receives}};
    had_feed(arg, &ev);
}

static void on_remark(void *arg, const char *text) {
    struct had *h = arg;
    had_event(h, EVENT_NOTE, "%s", text);
}

static void feed_tick(struct had *h) {
    uint64_t server, executor;
    instance_set_alive(h->servers, clock_boot_ns(), &server, &executor);
    struct ha_event ev = {.kind = HA_EV_TICK,
                          .tick = {.server_at = server ? (int64_t)server : HA_NEVER,
                                   .executor_at = executor ? (int64_t)executor : HA_NEVER}};
    had_feed(h, &ev);
}

/* Clients that learnt another way while the link was down are told again. */
static void on_carrier(void *arg, bool crossover, bool up) {
    struct had *h = arg;
    if (!crossover && up) announce_anew(h);
    guard_ask_gateway(h->guard, clock_boot_ns()); /* look now, not at the next beat */
    feed_tick(h);
}

const struct guard_calls had_guard_calls = {.gateway = on_gateway,
                                            .vip_foreign = on_vip_foreign,
                                            .carrier = on_carrier,
                                            .link = on_link,
                                            .remark = on_remark};

static void on_server(void *arg, const struct ha_server *all) {
    struct ha_event ev = {.kind = HA_EV_SERVER, .server = all};
    had_feed(arg, &ev);
}

static void on_server_died(void *arg) {
    struct ha_event ev = {.kind = HA_EV_SERVER_DIED};
    had_feed(arg, &ev);
}

static void on_told(void *arg, uint32_t id, bool ok, uint64_t offset) {
    struct ha_event ev = {.kind = HA_EV_TOLD, .told = {.id = id, .ok = ok, .offset = offset}};
    had_feed(arg, &ev);
}

const struct instance_set_calls had_server_calls = {
    .status = on_server, .died = on_server_died, .told = on_told};

/* ---- instances that come and go ---- */

bool had_core_take(struct had *h, struct had_conf *fresh, char *err, size_t err_size) {
    if (!instance_set_take(h->servers, fresh->instances, fresh->instance_count, err, err_size))
        return false;
    memcpy(h->conf.instances, fresh->instances, sizeof fresh->instances);
    h->conf.instance_count = fresh->instance_count;
    struct peer_keys keys = had_conf_keys(&fresh->secrets);
    h->conf.secrets = fresh->secrets;
    peer_rekey(h->peer, &keys);
    h->conf.setup.config = fresh->setup.config;
    h->conf.setup.config_parts = fresh->setup.config_parts;
    wish(h);
    return true;
}

/* Who is heard that should not be: no decision of the core rests on it. */
static void watch_identity(struct had *h) {
    struct had_alarm *alarm = &h->alarms[HA_ALARM_IDENTITY];
    const char *odd = peer_oddity(h->peer, clock_boot_ns());
    struct ha_action a = {.kind = HA_ACT_ALARM,
                          .alarm = {.id = HA_ALARM_IDENTITY, .on = *odd != 0}};
    if (alarm->on == a.alarm.on && (!a.alarm.on || strcmp(alarm->text, odd) == 0)) return;
    snprintf(a.text, sizeof a.text, "%s",
             *odd ? odd : "only the other node of this pair is heard, on the paths it sends on");
    had_core_alarm(h, &a);
}

void had_on_tick(struct loop *l, void *arg) {
    struct had *h = arg;
    (void)l;
    feed_tick(h);
    feed_waiting(h);
    watch_identity(h);
    instance_set_tick(h->servers, clock_boot_ns());
    vip_tick(h->vip, clock_boot_ns());
    had_clients_tick(h->clients, vip_held(h->vip));
    if (h->read) read_vip_tick(h->read, &h->fsm, clock_boot_ns());
    guard_tick(h->guard, clock_boot_ns());
    had_arbiter_tick(h);
    had_tails_look(h);
    had_events_look(h);
    had_notices_look(h);
}
