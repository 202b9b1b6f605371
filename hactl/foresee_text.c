/* Faults by their names, and what was foreseen as a sentence; a core that is made up from heartbeats. */
#include <stdio.h>
#include <string.h>

#include "hactl/foresee.h"

static const struct {
    const char *id, *text; /* %s: who */
    bool of_node;
} kinds[FAULT_KINDS] = {
    [FAULT_POWER] = {"power", "%s loses power", true},
    [FAULT_SERVER] = {"server", "the server of %s is killed", true},
    [FAULT_HAD] = {"had", "had of %s is killed", true},
    [FAULT_DISK] = {"disk", "the log's disk of %s fails", true},
    [FAULT_SERVICE] = {"service", "the service cable of %s is cut", true},
    [FAULT_ISOLATED] = {"isolated", "both cables of %s are cut", true},
    [FAULT_CROSSOVER] = {"crossover", "the crossover cable is cut", false},
    [FAULT_SWITCH] = {"switch", "the switch of the service network is dead", false},
    [FAULT_GATEWAY] = {"gateway", "the gateway is dead", false},
    [FAULT_SWITCHOVER] = {"switchover", "an operator types hactl switchover", false},
};

static const struct fault all[FAULTS] = {
    {FAULT_POWER, 0},     {FAULT_POWER, 1},   {FAULT_SERVER, 0},   {FAULT_SERVER, 1},
    {FAULT_HAD, 0},       {FAULT_HAD, 1},     {FAULT_DISK, 0},     {FAULT_DISK, 1},
    {FAULT_SERVICE, 0},   {FAULT_SERVICE, 1}, {FAULT_ISOLATED, 0}, {FAULT_ISOLATED, 1},
    {FAULT_CROSSOVER, 0}, {FAULT_SWITCH, 0},  {FAULT_GATEWAY, 0},  {FAULT_SWITCHOVER, 0},
};

const struct fault *fault_at(int i) {
    return i >= 0 && i < FAULTS ? &all[i] : NULL;
}

const char *fault_id(const struct fault *f) {
    static char ids[4][24];
    static unsigned next;
    char *out = ids[next++ % 4];
    snprintf(out, sizeof ids[0], "%s%s", kinds[f->kind].id,
             !kinds[f->kind].of_node ? ""
             : f->node               ? "-b"
                                     : "-a");
    return out;
}

bool fault_has_node(const struct fault *f) {
    return kinds[f->kind].of_node;
}

bool fault_named(const char *id, int master, struct fault *out) {
    const char *dash = strrchr(id, '-');
    char plain[32];
    if (strlen(id) >= sizeof plain) return false;
    snprintf(plain, sizeof plain, "%s", id);
    bool of_master = dash && strcmp(dash, "-master") == 0;
    bool of_slave = dash && strcmp(dash, "-slave") == 0;
    if ((of_master || of_slave) && master >= 0)
        snprintf(plain + (dash - id), 3, "-%c", (of_master ? master : !master) ? 'b' : 'a');
    for (int i = 0; i < FAULTS; i++)
        if (strcmp(fault_id(&all[i]), plain) == 0) {
            *out = all[i];
            return true;
        }
    return false;
}

void fault_text(const struct fault *f, const struct foresee_start *s, char *out, size_t size) {
    char who[64];
    snprintf(who, sizeof who, "node %c (%s)", f->node ? 'b' : 'a',
             s->there[f->node] ? ha_state_name(s->core[f->node].state) : "off");
    if (!kinds[f->kind].of_node)
        snprintf(out, size, "%s", kinds[f->kind].text);
    else
        snprintf(out, size, "%.*s%s%s",
                 (int)(strstr(kinds[f->kind].text, "%s") - kinds[f->kind].text),
                 kinds[f->kind].text, who, strstr(kinds[f->kind].text, "%s") + 2);
}

static void gap_text(const struct foreseen *o, char *out, size_t size) {
    if (o->gap_max_ms == 0 && o->moved)
        snprintf(out, size, "clients connect anew, writes fail for some tens of ms");
    else if (o->gap_max_ms == 0)
        snprintf(out, size, "clients notice nothing");
    else if (o->gap_min_ms == o->gap_max_ms)
        snprintf(out, size, "writes wait or fail for %lld ms", (long long)o->gap_max_ms);
    else
        snprintf(out, size, "writes wait or fail for %lld to %lld ms",
                 (long long)(o->gap_min_ms < 0 ? 0 : o->gap_min_ms), (long long)o->gap_max_ms);
}

/* Who serves then, in what way. */
static void serves_text(const struct foreseen *o, char *out, size_t size) {
    const char *waits = *o->why ? o->why : "a node that is back";
    if (o->after < 0)
        snprintf(out, size, "%s: no node serves; it waits for %.150s",
                 o->before < 0 ? "as now" : "service ends", waits);
    else if (o->gap_max_ms < 0)
        snprintf(out, size, "node %c stays master, but no client reaches it until that is mended",
                 o->after ? 'b' : 'a');
    else
        snprintf(out, size, "node %c %s", o->after ? 'b' : 'a',
                 o->after != o->before ? "takes over"
                 : o->moved            ? "serves again"
                                       : "goes on serving");
}

void foreseen_text(const struct foreseen *o, const struct fault *f, char *out, size_t size) {
    char serves[240], gap[96], lost[120] = "no acknowledged write is lost";
    (void)f;
    serves_text(o, serves, sizeof serves);
    gap_text(o, gap, sizeof gap);
    if (o->unsynced)
        snprintf(lost, sizeof lost,
                 "acknowledged writes that its log has not fsynced are LOST (see durability)");
    if (o->lost_bytes)
        snprintf(lost, sizeof lost, "acknowledged writes of up to %llu bytes are LOST",
                 (unsigned long long)o->lost_bytes);
    const char *then = o->alone      ? "it is alone then"
                       : o->takeover ? "the pair is in sync then"
                                     : "automatic takeover is off then";
    bool goes_on = o->after >= 0 && o->gap_max_ms >= 0;
    snprintf(out, size, "%s%s%s; %s%s%s%s", serves, goes_on ? "; " : "", goes_on ? gap : "", lost,
             goes_on ? "; " : "", goes_on ? then : "",
             o->certain ? "" : " (it depends on the moment)");
}

/* ---- made up ---- */

void foresee_make_up(struct foresee_start *s, int known) {
    const struct ha_fsm *k = &s->core[known];
    const struct heartbeat *p = &k->peer;
    struct ha_fsm *f = &s->core[!known];
    int64_t now = s->now[known];
    s->there[!known] = k->peer_known && now - k->heard_at < k->setup.timing.dead_ms * HA_MS;
    if (!s->there[!known]) return;
    struct ha_setup setup = k->setup;
    struct ha_record r = {.seen = p->known,
                          .epoch = p->epoch,
                          .was_master = (p->flags & HB_WAS_MASTER) != 0,
                          .outdated = (p->flags & HB_OUTDATED) != 0,
                          .maintenance = (p->flags & HB_MAINTENANCE) != 0};
    setup.node = (uint8_t)!k->setup.node;
    bool master = p->state == HA_MASTER;
    r.peer_outdated = master && !(p->flags & HB_IN_SYNC);
    ha_fsm_init(f, &setup, &r, p->life ? p->life : 1, now);
    f->state = (enum ha_state)p->state;
    f->seq = p->seq;
    f->adopted = f->server_up = p->server_boot != 0;
    f->server_at = f->executor_at = now;
    f->server_since = now - 60000 * HA_MS;
    f->in_sync = (p->flags & HB_IN_SYNC) != 0;
    f->whole_boot = p->server_boot;
    f->route = HA_PATH_CROSSOVER;
    f->server = (struct ha_server){.boot = p->server_boot,
                                   .role = master ? HA_SERVER_MASTER : HA_SERVER_SLAVE,
                                   .epoch = p->epoch,
                                   .session = p->session,
                                   .offset = p->data_offset,
                                   .acked = p->data_offset,
                                   .in_sync_link = p->session != 0,
                                   .alone = master && !f->in_sync,
                                   .whole = (p->flags & HB_WHOLE) != 0};
    f->sync = f->in_sync ? HA_SYNC_IN : HA_SYNC_SOLO;
    f->sync_boot = k->server.boot;
    f->lease = master ? now + setup.timing.demote_ms * HA_MS : HA_NEVER;
    f->vip = master;
    f->gateway_at =
        p->gateway_age_ms == HEARTBEAT_AGE_NEVER ? HA_NEVER : now - p->gateway_age_ms * HA_MS;
    for (int i = 0; i < HA_PATHS; i++)
        if (p->paths >> i & 1) f->path_at[i] = now;
}
