#include "hactl/read_vip.h"

#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define MARGIN_NS  (100 * NS_PER_MS) /* drift of two clocks over HOLD, and ticks */
#define FIT_NS     NS_PER_S /* a slave must have been fit for so long: no going to and fro */
#define RENEW_NS   (25 * NS_PER_MS) /* the guard is not set anew for less */
#define PROBES     2                /* unanswered ones before it is taken ... */
#define PROBE_NS   (60 * NS_PER_MS) /* ... so far apart */
#define FOREIGN_NS NS_PER_S         /* who has it now is asked again after this */

struct read_vip {
    struct vip *vip;
    uint64_t hold_ns, fresh_ns;
    uint64_t
        leave_ns; /* a master's: when the last leave went out; an earlier had's may be just now */
    uint64_t fit_ns;   /* its slave has been fit since; 0: it is not */
    uint64_t until_ns; /* of what we hold */
    bool as_master;    /* held under the write lease */
    int probes;        /* sent, and unanswered so far */
    uint64_t probe_ns; /* the newest */
    uint64_t foreign_ns, defended_ns;
};

static bool younger(uint64_t now_ns, int64_t at, uint64_t span_ns) {
    return at > 0 && now_ns - (uint64_t)at < span_ns;
}

static bool is_master(const struct ha_fsm *f, uint64_t now_ns) {
    return f->state == HA_MASTER && f->lease > (int64_t)now_ns;
}

static void drop(struct read_vip *r, uint64_t now_ns) {
    vip_lease(r->vip, now_ns, 0);
    vip_drop(r->vip);
    r->until_ns = 0;
    r->probes = 0;
}

/* ---- the master's side ---- */

/* Clients reach the slave: it sees the outside, or nobody does. */
static bool slave_is_reached(const struct read_vip *r, const struct ha_fsm *f, uint64_t now_ns) {
    return f->peer.gateway_age_ms < r->hold_ns / NS_PER_MS ||
           !younger(now_ns, f->gateway_at, r->hold_ns);
}

static bool slave_is_fit(const struct read_vip *r, const struct ha_fsm *f, uint64_t now_ns) {
    const unsigned needs = HB_IN_SYNC | HB_HEALTHY;
    return is_master(f, now_ns) && f->in_sync && f->peer_known && f->peer.state == HA_SLAVE &&
           younger(now_ns, f->heard_at, r->fresh_ns) && (f->peer.flags & needs) == needs &&
           slave_is_reached(r, f, now_ns);
}

bool read_vip_grant(struct read_vip *r, const struct ha_fsm *f, uint64_t now_ns) {
    if (!slave_is_fit(r, f, now_ns))
        r->fit_ns = 0;
    else if (!r->fit_ns)
        r->fit_ns = now_ns;
    if (!r->fit_ns || now_ns - r->fit_ns < FIT_NS) return false;
    if (r->until_ns) drop(r, now_ns);
    r->leave_ns = now_ns;
    return true;
}

static bool master_may(const struct read_vip *r, const struct ha_fsm *f, uint64_t now_ns) {
    return is_master(f, now_ns) && now_ns - r->leave_ns > r->hold_ns + MARGIN_NS;
}

/* ---- the slave's side ---- */

/* Until when the master's leave lets us; 0: not at all. */
static uint64_t slave_until(const struct read_vip *r, const struct ha_fsm *f, uint64_t now_ns) {
    if (f->state != HA_SLAVE || !f->in_sync || !f->server_up || !f->peer_known) return 0;
    if (f->peer.state != HA_MASTER || !(f->peer.flags & HB_READ) || f->echo_at <= 0) return 0;
    uint64_t until = (uint64_t)f->echo_at + r->hold_ns;
    return until > now_ns ? until : 0;
}

/* ---- both ---- */

/* Nobody else has it: asked, and time for an answer. */
static bool is_free(struct read_vip *r, uint64_t now_ns) {
    if (r->foreign_ns && now_ns - r->foreign_ns < FOREIGN_NS) return false;
    if (r->probes && now_ns - r->probe_ns < PROBE_NS) return false;
    if (r->probes == PROBES) return true;
    vip_probe(r->vip, now_ns);
    r->probes++;
    r->probe_ns = now_ns;
    return false;
}

static void hold(struct read_vip *r, uint64_t now_ns, uint64_t until_ns) {
    bool begins = !r->until_ns;
    if (begins && !is_free(r, now_ns)) return;
    if (until_ns < r->until_ns + RENEW_NS) return;
    r->until_ns = until_ns;
    vip_lease(r->vip, now_ns, until_ns);
    if (!begins) return;
    log_notice("takes the VIP for reads");
    vip_take(r->vip, now_ns);
}

void read_vip_lease(struct read_vip *r, uint64_t now_ns, uint64_t until_ns) {
    if (!r->until_ns || !r->as_master) return;
    if (until_ns)
        hold(r, now_ns, until_ns);
    else
        drop(r, now_ns);
}

void read_vip_tick(struct read_vip *r, const struct ha_fsm *f, uint64_t now_ns) {
    bool master = master_may(r, f, now_ns);
    uint64_t until = master ? (uint64_t)f->lease : slave_until(r, f, now_ns);
    /* While a slave becomes master nothing is renewed, and what it has may run on. */
    bool between = f->state == HA_PROMOTING && r->until_ns > now_ns;
    if (until) {
        r->as_master = master;
        hold(r, now_ns, until);
    } else if (r->until_ns && !between) {
        log_notice("gives the VIP for reads up");
        drop(r, now_ns);
    } else {
        r->probes = 0;
    }
    vip_tick(r->vip, now_ns);
}

void read_vip_foreign(struct read_vip *r, const uint8_t mac[6], uint64_t now_ns) {
    char text[NETCFG_MAC_CHARS];
    uint8_t before[6];
    bool known = vip_foreign_mac(r->vip, 0, now_ns, before);
    vip_foreign(r->vip, 0, mac, now_ns);
    r->probes = 0;
    r->foreign_ns = now_ns;
    if (!r->until_ns || now_ns - r->defended_ns < FOREIGN_NS) return;
    r->defended_ns = now_ns;
    if (!known)
        log_warning("another machine has the VIP for reads, its link address: %s",
                    netcfg_mac_text(mac, text));
    vip_announce(r->vip, now_ns, false);
}

void read_vip_link_back(struct read_vip *r, uint64_t now_ns) {
    vip_link_back(r->vip, now_ns);
}

const struct vip *read_vip_vip(const struct read_vip *r) {
    return r->vip;
}

struct read_vip *read_vip_new(struct netcfg *net, const struct ha_timing *t, uint64_t now_ns) {
    struct read_vip *r = xcalloc(1, sizeof *r);
    r->vip = vip_new(net, NETCFG_VIP_READ, now_ns);
    r->hold_ns = t->dead_ms * NS_PER_MS;
    r->fresh_ns = t->fresh_ms * NS_PER_MS;
    r->leave_ns = now_ns;
    return r;
}

void read_vip_free(struct read_vip *r) {
    if (!r) return;
    vip_free(r->vip);
    free(r);
}
