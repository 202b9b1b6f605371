#include "hactl/instance_join.h"

#include <stdio.h>
#include <string.h>

#define NEARLY_BYTES (64u << 10) /* so little behind that holding replies for it is a blink */

static bool peer_lacks(const struct instance_wish *w, uint64_t bit) {
    return w->peer_fresh && w->peer_has && !(w->peer_has & bit);
}

static bool peer_counts(const struct instance_wish *w, uint64_t bit) {
    return w->peer_fresh && (w->peer_counts & bit);
}

/* ---- on a master ------------------------------------------------------------------------------ */

static enum instance_step release(struct instance_join *j, const struct ha_server *s) {
    j->hold_from = UINT64_MAX;
    return s->alone ? INSTANCE_WAIT : INSTANCE_RELEASE;
}

static enum instance_step hold(struct instance_join *j, const struct ha_server *s,
                               const struct instance_wish *w) {
    if (s->alone) return s->acked + NEARLY_BYTES < s->offset ? INSTANCE_WAIT : INSTANCE_HOLD;
    if (s->held && s->held_oldest_ns > w->give_up_ns) return release(j, s);
    if (j->hold_from == UINT64_MAX) j->hold_from = s->offset; /* of a status that says: held */
    return s->acked < j->hold_from ? INSTANCE_WAIT : INSTANCE_COUNT;
}

static enum instance_step next_on_master(struct instance_join *j, const struct ha_server *s,
                                         const struct instance_wish *w, uint64_t bit) {
    if (j->partial) /* the other node has more of it: nobody may read this */
        return s->role == HA_SERVER_NONE ? INSTANCE_WAIT : INSTANCE_NONE;
    if (s->role != HA_SERVER_MASTER || s->epoch != w->epoch) return INSTANCE_MASTER;
    j->complete = true;
    if (w->solo && s->alone && peer_counts(w, bit)) return INSTANCE_COUNT;
    bool streams = w->in_sync && peer_counts(w, bit) && s->in_sync_link && s->session;
    return streams ? hold(j, s, w) : release(j, s);
}

/* ---- on a slave ------------------------------------------------------------------------------- */

static enum instance_step next_on_slave(struct instance_join *j, const struct ha_server *s,
                                        const struct instance_wish *w, uint64_t bit) {
    bool same_host = j->told_once && strcmp(j->host, w->host) == 0;
    j->hold_from = UINT64_MAX;
    if (!s->whole) j->complete = false;
    if (!j->complete) j->partial = true;
    if (s->role != HA_SERVER_SLAVE || s->epoch != w->epoch || !same_host) {
        snprintf(j->host, sizeof j->host, "%s", w->host);
        j->told_once = true;
        return INSTANCE_SLAVE;
    }
    if (peer_lacks(w, bit) || !s->whole || !s->session) return INSTANCE_WAIT;
    return INSTANCE_COUNT;
}

/* ---- both ------------------------------------------------------------------------------------- */

static enum instance_step next_of_counted(const struct ha_server *s, const struct instance_wish *w,
                                          uint64_t bit) {
    bool lacks = peer_lacks(w, bit), slave = w->role == HA_SERVER_SLAVE;
    bool unserved = slave && w->peer_fresh && w->peer_counts && !peer_counts(w, bit) && !s->session;
    bool may = unserved || (lacks && (slave || (w->solo && !s->session)));
    return may ? INSTANCE_LET_GO : INSTANCE_WAIT;
}

enum instance_step instance_next(struct instance_join *j, const struct ha_server *s,
                                 const struct instance_wish *w, uint64_t bit) {
    enum instance_step step = INSTANCE_WAIT;
    if (j->counted)
        step = next_of_counted(s, w, bit);
    else if (j->leaving)
        step = s->alone || s->role != HA_SERVER_MASTER ? INSTANCE_WAIT : INSTANCE_RELEASE;
    else if (s->loading)
        step = INSTANCE_WAIT;
    else if (w->role == HA_SERVER_MASTER)
        step = next_on_master(j, s, w, bit);
    else if (w->role == HA_SERVER_SLAVE)
        step = next_on_slave(j, s, w, bit);
    if (step == INSTANCE_COUNT) {
        j->counted = j->complete = true;
        j->partial = false;
        j->hold_from = UINT64_MAX;
    } else if (step == INSTANCE_LET_GO) {
        j->counted = j->told_once = false;
        j->complete = true;
        j->hold_from = UINT64_MAX;
    }
    return step;
}

void instance_join_lost(struct instance_join *j) {
    j->told_once = false;
    j->hold_from = UINT64_MAX;
}

const char *instance_join_why(const struct instance_join *j, const struct ha_server *s,
                              const struct instance_wish *w, uint64_t bit) {
    if (j->leaving) return "it is being removed";
    if (j->counted) return "";
    if (w->role == HA_SERVER_NONE) return "this node is neither master nor slave yet";
    if (w->role == HA_SERVER_MASTER && j->partial)
        return "its first copy was not complete when this node became master, and the other node "
               "has "
               "more of it: it is not served. When the other node is back: hactl switchover";
    if (peer_lacks(w, bit)) return "the other node does not have it: hactl instance sync";
    if (s->loading) return "it loads its data";
    if (w->role == HA_SERVER_SLAVE) return "its first copy is under way";
    if (!w->peer_fresh) return "the other node is not heard";
    return w->peer_counts & bit ? "the slave catches up" : "the slave makes its first copy";
}
