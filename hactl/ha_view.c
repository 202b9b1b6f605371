/* Reading the core: what a status page shows, the alarms, and the verifier that tests call after
 * every step. */
#include <string.h>

#include "hactl/ha_core.h"

#define DIFFER_MS 10000

static int64_t age(int64_t now, int64_t at) {
    return at <= HA_NEVER ? INT64_MAX : now - at;
}

static const char *paths_why(const struct ha_fsm *f, int64_t now) {
    bool one = __builtin_popcount(ha_paths_both_ways(f, now)) < 2;
    if (f->setup.no_gateway)
        return "there is neither a gateway nor a reference address, and no witness answers both "
               "nodes";
    return one && !f->setup.last_path_promote ? "only one path works both ways" : "";
}

static const char *no_grant_why(const struct ha_fsm *f, int64_t now) {
    if (ha_grant_kind(f, now) != 0) return "";
    const char *paths = paths_why(f, now);
    if (paths[0]) return paths;
    return f->peer.gateway_age_ms < f->setup.timing.path_ms
               ? "the slave does not see a gateway or reference that the master sees"
               : "the slave does not see the gateway";
}

static const char *no_takeover_why(const struct ha_fsm *f, int64_t now) {
    if (within(now, f->grant_at, f->setup.timing.grant_ms)) {
        bool blind = !within(now, f->gateway_at, f->setup.timing.path_ms);
        return blind && !f->setup.no_gateway ? "the gateway does not answer this node" : "";
    }
    const char *paths = paths_why(f, now);
    return paths[0] ? paths : "the master gives no grant";
}

/* Could the slave take over if the master died now? "" yes. Asked on either node. */
const char *ha_takeover_off_why(const struct ha_fsm *f, int64_t now) {
    if (f->state != HA_MASTER && f->state != HA_SLAVE)
        return "this node is neither master nor slave";
    if (!ha_peer_fresh(f, now)) return "the other node is not heard";
    if (f->disk.maintenance) return "maintenance is on here";
    if (ha_maintenance(f)) return "maintenance is on at the other node";
    if (!f->in_sync) return "the slave is not in sync";
    if (f->disk.benched) return "this node is benched after a crash loop";
    if (f->state == HA_MASTER && ha_peer_says(f, HB_BENCHED))
        return "the other node is benched after a crash loop";
    if (f->disk.locked || f->next.locked)
        return "roles moved too often: locked until hactl unbench";
    if (ha_held_down(f, now)) return "roles moved twice within minutes: held down for a while";
    return f->state == HA_MASTER ? no_grant_why(f, now) : no_takeover_why(f, now);
}

static const char *slave_waits_for(const struct ha_fsm *f, int64_t now) {
    if (ha_peer_fresh(f, now) && f->peer.state == HA_MASTER)
        return f->in_sync ? "" : "the copy of the master's data to be complete";
    if (within(now, f->heard_at, f->setup.timing.dead_ms)) return "the other node to become master";
    if (!f->in_sync) return "the master: this node is not in sync and may not promote by itself";
    if (ha_maintenance(f)) return "the end of maintenance, or the master";
    if (f->disk.benched) return "an operator: this node is benched after a crash loop";
    if (ha_held_down(f, now)) return "the master, or an operator: roles moved too often";
    if (f->taking)
        return f->grant_kind & HB_WITNESS ? "the witness" : "the fence of the other node";
    if (!within(now, f->gateway_at, f->setup.timing.path_ms))
        return "the gateway's answer: without it the master may only be out of reach";
    if (!within(now, f->grant_at, f->setup.timing.grant_ms))
        return "the master, or an operator: its last grant has expired";
    return "the end of the dead time";
}

const char *ha_waiting_for(const struct ha_fsm *f, int64_t now) {
    bool heard = ha_peer_fresh(f, now);
    switch (f->state) {
    case HA_BOOT:
        if (!f->server_up) return "its own server to start";
        if (f->server.loading) return "its own server to load its data";
        if (f->disk.benched) return "an operator: this node is benched after a crash loop";
        if (f->disk.epoch == 0)
            return heard ? "the other node to become master"
                         : "the other node: this one has no record";
        if (!heard && !f->server.whole)
            return "the other node: its own data are not whole (damaged, or a copy that was cut "
                   "short), its server's log says more";
        return heard ? "the election with the other node"
                     : "the other node, or an operator: it cannot know whether the other one is "
                       "ahead";
    case HA_SLAVE: return slave_waits_for(f, now);
    case HA_PROMOTING: return "its record to be written";
    case HA_SUSPENDED:
        return f->setup.has_witness ? "the other node's word, the witness's, or an operator's"
                                    : "the other node's word, or an operator's";
    case HA_YIELDED: return "the other node to promote";
    default: return "";
    }
}

/* A path that used to work and brings nothing, while another one does; "" there is none. */
static const char *path_down(const struct ha_fsm *f, int64_t now) {
    static const char *const texts[HA_PATHS] = {
        [HA_PATH_CROSSOVER] = "the crossover path is down: check the cable between the two nodes",
        [HA_PATH_SERVICE] = "the nodes do not hear each other on the service network",
        [HA_PATH_GATEWAY] = "heartbeats through the gateway do not arrive: check the gateway",
        [HA_PATH_SERIAL] = "the serial path is down: check the serial cable",
    };
    if (ha_paths_both_ways(f, now) == 0) return "";
    for (int p = 0; p < HA_PATHS; p++)
        if (f->path_at[p] != HA_NEVER && !within(now, f->path_at[p], f->setup.timing.dead_ms))
            return texts[p];
    return "";
}

/* A change made on both nodes reaches one of them first; that alone is no alarm. */
static bool configured_otherwise(struct ha_fsm *f, int64_t now) {
    bool differ = ha_peer_fresh(f, now) && f->setup.config && f->peer.config &&
                  f->setup.config != f->peer.config;
    if (!differ)
        f->differ_since = HA_NEVER;
    else if (f->differ_since == HA_NEVER)
        f->differ_since = now;
    return differ && !within(now, f->differ_since, DIFFER_MS);
}

/* Which path carries heartbeats and no replication; "" none. */
static const char *path_stalls(const struct ha_fsm *f, int64_t now) {
    if (f->state != HA_SLAVE) return "";
    if (ha_path_stalls(f, HA_PATH_CROSSOVER, now))
        return "replication over the crossover fell silent though its heartbeats pass: check both "
               "ports' MTU and error counters; "
               "meanwhile it takes the service network";
    if (ha_path_stalls(f, HA_PATH_SERVICE, now))
        return "replication over the service network fell silent though its heartbeats pass: check "
               "the MTU along it, and filters";
    return "";
}

static void alarm_pair(struct ha_fsm *f, int64_t now) {
    bool serves = f->state == HA_MASTER;
    ha_alarm(f, HA_ALARM_SOLO, serves && !f->in_sync,
             serves && !f->in_sync ? "this master has no slave in sync: bring the other node back"
                                   : "this master has a slave in sync, or is none");
    const char *why = serves && f->in_sync ? ha_takeover_off_why(f, now) : "";
    ha_alarm(f, HA_ALARM_TAKEOVER_OFF, why[0] != 0,
             why[0] ? why : "the slave can take over by itself");
    const char *path = path_down(f, now);
    ha_alarm(f, HA_ALARM_PATH, path[0] != 0, path[0] ? path : "the paths that used to work do");
    const char *stalls = path_stalls(f, now);
    ha_alarm(f, HA_ALARM_STALL, stalls[0] != 0,
             stalls[0] ? stalls : "no path carries heartbeats alone");
    /* Not while a handover is on its way. */
    bool suspended =
        f->state == HA_SUSPENDED && !within(now, f->suspended_at, f->setup.timing.path_ms);
    ha_alarm(f, HA_ALARM_SUSPENDED, suspended,
             suspended ? "this master stopped serving: neither the other node nor the gateway was "
                         "reached; it waits for the other node's word, or for hactl resume"
                       : "not suspended");
    bool idle = f->state == HA_BOOT && !within(now, f->started_at, 2 * f->setup.timing.init_ms);
    ha_alarm(f, HA_ALARM_WAITING, idle, idle ? ha_waiting_for(f, now) : "waits no longer");
}

static void alarm_rails(struct ha_fsm *f, int64_t now) {
    ha_alarm(f, HA_ALARM_BENCHED, f->disk.benched,
             f->disk.benched ? "this node is benched after a crash loop: it serves nobody until "
                               "hactl unbench; look for the cause in the log first"
                             : "this node is not benched");
    bool locked = f->disk.locked, here = ha_held_here(f, now), held = ha_held_down(f, now);
    ha_alarm(
        f, HA_ALARM_HOLD, held,
        locked ? "the master's role moved three times within minutes: no automatic change until "
                 "hactl unbench"
        : here ? "the master's role moved twice within minutes: no automatic change for a while"
        : held ? "the other node holds automatic changes down: the master's role moved too often"
               : "automatic changes are not held down");
}

static void alarm_ports(struct ha_fsm *f) {
    const char *port = f->port_down[HA_PATH_SERVICE]     ? "the service port has no carrier"
                       : f->port_deaf[HA_PATH_SERVICE]   ? "the service port receives nothing"
                       : f->port_down[HA_PATH_CROSSOVER] ? "the crossover port has no carrier"
                                                         : "";
    ha_alarm(f, HA_ALARM_LINK, port[0] != 0, port[0] ? port : "the ports have a carrier");
}

void ha_alarms(struct ha_fsm *f, int64_t now) {
    const struct ha_timing *t = &f->setup.timing;
    alarm_pair(f, now);
    bool young = within(now, f->started_at, t->init_ms);
    alarm_rails(f, now);
    alarm_ports(f);
    ha_alarm(f, HA_ALARM_GATEWAY,
             !young && !f->setup.no_gateway && !within(now, f->gateway_at, t->dead_ms),
             within(now, f->gateway_at, t->dead_ms)
                 ? "the gateway answers this node"
                 : "the gateway does not answer this node: check "
                   "the service network and the gateway");
    bool well = young || ha_server_well(f);
    ha_alarm(f, HA_ALARM_SERVER, !well,
             well ? "this node's server is well"
                  : "this node's server is down, stopped, loading, or its disk does not answer");
    /* Who does not have the VIP hears the master announce it: only what came in silence is strange. */
    bool strange = f->vip || f->vip_foreign_at > f->heard_at + ms(t->path_ms);
    bool vip = within(now, f->vip_foreign_at, 10 * t->dead_ms) && strange;
    ha_alarm(f, HA_ALARM_VIP, vip,
             vip ? "another machine answers for the VIP: find it and take the address off it"
                 : "no other machine answers for the VIP");
    bool differ = configured_otherwise(f, now);
    ha_alarm(f, HA_ALARM_CONFIG, differ,
             differ ? "the two nodes differ in instances, VIP, gateway or times: `hactl instance "
                      "list` shows the instances; else compare their duet.conf"
                    : "the two nodes are configured alike, or the other one is not heard");
    bool care = ha_maintenance(f);
    ha_alarm(f, HA_ALARM_MAINTENANCE, care,
             care ? "maintenance is on: no automatic change of roles until hactl maintenance off"
                  : "maintenance is off");
}

void ha_fsm_view(const struct ha_fsm *f, int64_t now, struct ha_view *out) {
    const char *why = ha_takeover_off_why(f, now);
    *out = (struct ha_view){
        .state = f->state,
        .sync = f->sync,
        .epoch = f->disk.epoch,
        .known = f->known,
        .serving = f->state == HA_MASTER && f->lease > now && f->server_up && !f->server_died,
        .alone = f->state == HA_MASTER && f->server.alone,
        .in_sync = f->in_sync,
        .peer_heard = f->peer_known && within(now, f->heard_at, f->setup.timing.path_ms),
        .peer_age_ns = f->peer_known ? age(now, f->heard_at) : INT64_MAX,
        .gateway_age_ns = age(now, f->gateway_at),
        .lease_left_ns = f->lease > now ? f->lease - now : 0,
        .heard = ha_paths_heard(f, now),
        .both_ways = ha_paths_both_ways(f, now),
        .takeover_on = why[0] == 0,
        .takeover_why = why,
        .waiting_for = ha_waiting_for(f, now),
    };
}

/* What must hold after every step, whatever happened before. */
const char *ha_fsm_broken(const struct ha_fsm *f, int64_t now) {
    bool master = f->state == HA_MASTER;
    if ((unsigned)f->state >= HA_STATES) return "the state is one of the six";
    if (!master && f->lease != HA_NEVER) return "only a master has a lease";
    if (!master && f->vip) return "only a master has the VIP";
    if (f->vip && f->lease == HA_NEVER) return "the VIP goes with the lease";
    if (f->lease > now + ms(f->setup.timing.demote_ms))
        return "a lease is never longer than demote-time";
    if ((f->claim != 0) != (f->state == HA_PROMOTING))
        return "a claim stands exactly while promoting";
    if (f->taking != 0 && f->state != HA_SLAVE) return "only a slave waits for an arbiter";
    if (f->permit != 0 && (master || f->state == HA_PROMOTING))
        return "who serves or promotes gives no permit";
    if (f->permit != 0 && f->disk.peer_outdated && f->disk.was_master &&
        !(f->setup.without & HA_WITHOUT_ORDER))
        return "who holds the proof erases it before it yields";
    if (master && !f->disk.was_master) return "a master's record says so";
    if (master && f->disk.epoch == 0) return "a node without a record is never master";
    if (master && f->in_sync && f->disk.peer_outdated && !(f->setup.without & HA_WITHOUT_ORDER))
        return "in-sync is on disk before it is believed";
    if (f->claim != 0 && f->claim <= f->disk.seen && f->claim_step == HA_STEP_FSYNC)
        return "a claim is above every epoch seen";
    if (f->switching != HA_SWITCH_NO && f->state == HA_SLAVE)
        return "a slave switches nothing over";
    if (f->flight_id != 0 && f->flight_id > f->save_id) return "what is in flight was asked for";
    return NULL;
}
