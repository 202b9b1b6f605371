/* Arbiters of the simulated world: a witness on a third machine, which runs the real witness's own core, and a management
 * controller in each node, by which the other one can switch its power off. */
#include "hactl/witness_pair.h"

#include <string.h>

#include "tests/sim/sim.h"

#define POWER_OFF_MS 2500 /* somebody switches a fenced machine on again */

static const uint8_t secret[WITNESS_SECRET] = "the witness of a simulated world";

/* ---- the witness ------------------------------------------------------------------------------------- */

static int64_t witness_now(const struct world *w) {
    return 5000000 * HA_MS + (int64_t)((double)w->t * w->witness_rate);
}

void witness_start(struct world *w) {
    uint64_t holder = w->witness.holder; /* is on its disk */
    memset(&w->witness, 0, sizeof w->witness);
    w->witness.number = 1;
    witness_pair_begin(&w->witness, holder);
    w->witness_since = witness_now(w);
}

/* The witness stands on the service network. */
static bool joined(const struct world *w, int node, bool out) {
    enum fault_kind cut = node ? F_WIT1 : F_WIT0;
    return !(w->cut & (1ull << F_WITDEAD | 1ull << cut)) &&
           reachable(w, out ? node : CLIENT, out ? CLIENT : node, HA_PATH_SERVICE, M_WITNESS_ASK);
}

static struct msg *carry(struct world *w, int node, bool out) {
    if (!joined(w, node, out) || chance(w) < w->base_loss + w->loss[1]) return NULL;
    double delay = .2 + chance(w) * w->jitter * .3 + (w->slow[1] ? chance(w) * 300 : 0);
    if (w->cut & 1ull << F_WITSLOW) delay += chance(w) * 300;
    return post(w, delay, out ? M_WITNESS_ASK : M_WITNESS_ANSWER, node);
}

void ask_witness(struct world *w, struct node *n, const struct ha_action *a) {
    struct flight f = {.sent_at = a->witness.sent_at};
    f.ask = (struct witness_ask){.kind = (uint8_t)a->witness.kind,
                                 .node = (uint8_t)n->i,
                                 .pair = 1,
                                 .lease_ms = w->fast ? 150 : 500,
                                 .life = n->f.life,
                                 .seq = ++n->witness_seq,
                                 .nonce = n->witness_nonce,
                                 .epoch = a->witness.epoch};
    struct msg *m = carry(w, n->i, true);
    if (m) m->body = keep(&f, sizeof f);
}

/* Its disk takes as long as a node's. */
void witness_asked(struct world *w, const struct msg *m) {
    struct flight f = *(const struct flight *)m->body;
    struct witness_now t = {witness_now(w), w->witness_since, secret};
    if (w->cut & 1ull << F_WITDEAD) return;
    enum witness_do what = witness_pair_ask(&w->witness, &f.ask, &t, &f.answer);
    if (what == WITNESS_SILENT) return;
    if (what == WITNESS_REPLY) {
        struct msg *r = carry(w, m->node, false);
        if (r) r->body = keep(&f, sizeof f);
        return;
    }
    struct msg *s = post(w, between(w, 1, 15), M_WITNESS_SAVED, m->node);
    s->body = keep(&f, sizeof f);
    s->a = (uint64_t)w->witness_since;
}

void witness_saved(struct world *w, const struct msg *m) {
    struct flight f = *(const struct flight *)m->body;
    struct witness_now t = {witness_now(w), w->witness_since, secret};
    if (w->cut & 1ull << F_WITDEAD || m->a != (uint64_t)w->witness_since) return;
    if (witness_pair_saved(&w->witness, true, &t, &f.answer) != WITNESS_REPLY) return;
    struct msg *r = carry(w, m->node, false);
    if (r) r->body = keep(&f, sizeof f);
}

/* True: an event for the core. */
bool witness_event(struct node *n, const struct msg *m, struct ha_event *ev) {
    const struct flight *f = m->body;
    if (f->ask.life != n->f.life) return false;
    n->witness_nonce = f->answer.nonce;
    if (f->answer.verdict == WITNESS_CHALLENGE) return false;
    ev->kind = HA_EV_WITNESS;
    ev->witness.sent_at = f->sent_at;
    ev->witness.kind = (enum ha_witness_kind)f->ask.kind;
    ev->witness.epoch = f->ask.epoch;
    ev->witness.granted = f->answer.verdict == WITNESS_GRANTED;
    ev->witness.holder = f->answer.holder;
    return true;
}

/* ---- the fence ----------------------------------------------------------------------------------------- */

void fence_begin(struct world *w, struct node *n, const struct ha_action *a) {
    say(w, n->i, "fences");
    struct msg *m = post(w, between(w, 50, chance(w) < .5 ? 500 : 3000), M_FENCE_DUE, n->i);
    m->a = a->fence.id;
    m->life = n->had_life;
}

/* The controller lives on standby power: a machine whose power was cut may have lost it. */
void fence_due(struct world *w, struct node *n, const struct msg *m) {
    struct node *peer = &w->node[!n->i];
    bool works = !(w->cut & 1ull << (n->i ? F_FENCEBAD1 : F_FENCEBAD0));
    if (!peer->up && chance(w) < .5) works = false;
    if (works && peer->up) {
        say(w, peer->i, "is switched off");
        node_crash(w, peer, false);
        post(w, POWER_OFF_MS, M_POWER, peer->i);
    }
    struct msg *r = post(w, between(w, 1, 20), M_FENCED, n->i);
    r->a = m->a;
    r->on = works;
    r->life = m->life;
}

void fence_test(struct world *w, struct node *n) {
    if (!w->has_fence || w->t < n->next_test) return;
    n->next_test = w->t + 500 * HA_MS;
    struct msg *r = post(w, between(w, 5, 50), M_FENCE_READY, n->i);
    r->a = (uint64_t)node_now(w, n);
    r->on = !(w->cut & 1ull << (n->i ? F_FENCEBAD1 : F_FENCEBAD0));
    r->life = n->had_life;
}
