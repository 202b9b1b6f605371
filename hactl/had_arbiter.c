/* The arbiters in the daemon: witness and fence are opened, asked, and told of. No decision is made here. */
#include "hactl/had_arbiter.h"

#include <stdio.h>
#include <string.h>

#include "hactl/had_report.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define WITNESS_LOST (5000 * HA_MS) /* nothing was heard of it for so long: an alarm */

/* ---- answers ---- */

static void on_witness(void *arg, int64_t sent_at, enum witness_kind kind, uint64_t epoch,
                       bool granted, uint64_t holder) {
    struct ha_event ev = {.kind = HA_EV_WITNESS,
                          .witness = {.sent_at = sent_at,
                                      .kind = (enum ha_witness_kind)kind,
                                      .epoch = epoch,
                                      .granted = granted,
                                      .holder = holder}};
    struct had *h = arg;
    if (kind == WITNESS_TAKE && (granted || epoch != h->refused_epoch))
        had_event(h, EVENT_ARBITER, "the witness %s epoch %llu", granted ? "grants" : "refuses",
                  (unsigned long long)ha_epoch_number(epoch));
    if (kind == WITNESS_TAKE && !granted)
        h->refused_epoch = epoch; /* asked with every tick, told once */
    had_feed(h, &ev);
}

static void on_fenced(void *arg, uint32_t id, bool ok, const char *why) {
    struct ha_event ev = {.kind = HA_EV_FENCED, .fenced = {.id = id, .ok = ok}};
    struct had *h = arg;
    if (ok)
        had_event(h, EVENT_ARBITER,
                  "the peer's power is off: its controller confirms it; switch it on "
                  "again when what separated the nodes is mended");
    else
        had_event(h, EVENT_ARBITER, "the peer could not be fenced: %.200s", why);
    had_feed(h, &ev);
}

static void on_tested(void *arg, int64_t sent_at, bool ok) {
    struct ha_event ev = {.kind = HA_EV_FENCE_READY, .fence = {.sent_at = sent_at, .ok = ok}};
    had_feed(arg, &ev);
}

/* ---- start and end ---- */

void had_arbiter_open(struct had *h) {
    const struct arbiter_conf *c = &h->conf.arbiter;
    _Static_assert((int)HA_WITNESS_RENEW == (int)WITNESS_RENEW &&
                       (int)HA_WITNESS_TAKE == (int)WITNESS_TAKE &&
                       (int)HA_WITNESS_RESET == (int)WITNESS_RESET &&
                       (int)HA_WITNESS_LOOK == (int)WITNESS_LOOK,
                   "the core's asks are those of the wire");
    if (c->witness.host[0]) {
        struct witness_client_conf w = {.host = c->witness.host,
                                        .port = c->witness.port,
                                        .key = c->witness.key,
                                        .pair = h->conf.setup.pair,
                                        .node = h->conf.setup.node,
                                        .lease_ms = h->conf.setup.timing.dead_ms};
        h->witness = witness_client_new(h->loop, &w, on_witness, h);
    }
    if (c->fence.host[0]) {
        struct fence_conf f = {c->fence.host, c->fence.user, c->fence.password};
        struct fence_calls calls = {h, on_fenced, on_tested};
        h->fence = fence_new(h->loop, &f, &calls);
    }
}

void had_arbiter_close(struct had *h) {
    witness_client_free(h->witness);
    fence_free(h->fence);
}

/* ---- actions ---- */

void had_arbiter_ask(struct had *h, const struct ha_action *a) {
    must(h->witness, "a core that was told of no witness asks none");
    witness_client_ask(h->witness, a->witness.sent_at, (enum witness_kind)a->witness.kind,
                       a->witness.epoch);
}

void had_arbiter_fence(struct had *h, const struct ha_action *a) {
    must(h->fence, "a core that was told of no fence fences nobody");
    struct fence_view v;
    fence_look(h->fence, &v);
    if (!v.fencing)
        had_event(h, EVENT_ARBITER, "switches the peer's power off through its controller");
    fence_off(h->fence, a->fence.id);
}

/* ---- alarms ---- */

static void raise(struct had *h, enum ha_alarm id, bool on, const char *text) {
    struct ha_action a = {.kind = HA_ACT_ALARM, .alarm = {.id = id, .on = on}};
    if (h->alarms[id].on == on) return;
    snprintf(a.text, sizeof a.text, "%s", text);
    had_core_alarm(h, &a);
}

static void look_witness(struct had *h) {
    char text[HA_TEXT];
    struct witness_client_view v;
    bool young = (int64_t)clock_boot_ns() - h->started_ns < WITNESS_LOST;
    witness_client_tick(h->witness);
    witness_client_look(h->witness, &v);
    bool lost = v.age_ns > WITNESS_LOST;
    if (lost && young) return;
    snprintf(text, sizeof text,
             "the witness at %s does not answer%s%s; without it a second fault may need an "
             "operator: see "
             "that it runs and is reached",
             h->conf.arbiter.witness.host, *v.why ? ": " : "", v.why);
    raise(h, HA_ALARM_WITNESS, lost, lost ? text : "the witness answers");
}

static void look_fence(struct had *h) {
    char text[HA_TEXT];
    struct fence_view v;
    fence_look(h->fence, &v);
    if (v.age_ns == INT64_MAX && strcmp(v.why, "not tested yet") == 0) return;
    bool own = v.own && *v.own_why;
    if (!v.ready)
        snprintf(text, sizeof text,
                 "the peer's controller at %s would not obey: %.100s; see `hactl status`",
                 h->conf.arbiter.fence.host, v.why);
    else
        snprintf(text, sizeof text, "%.200s", own ? v.own_why : "the peer's controller answers");
    raise(h, HA_ALARM_FENCE, !v.ready || own, text);
}

void had_arbiter_tick(struct had *h) {
    if (h->witness) look_witness(h);
    if (h->fence) look_fence(h);
}

/* ---- status ---- */

static void report_witness(const struct had *h, struct buf *out) {
    struct witness_client_view v = {.age_ns = INT64_MAX, .why = ""};
    if (h->witness) witness_client_look(h->witness, &v);
    put_true(out, h->witness != NULL, "witness.configured");
    if (!h->witness) return;
    put_text(out, h->conf.arbiter.witness.host, "witness.address");
    put_true(out, v.age_ns < WITNESS_LOST, "witness.answers");
    put_number(out, put_age_ms(v.age_ns), "witness.age_ms");
    put_number(out, (int64_t)ha_epoch_number(v.holder), "witness.epoch");
    put_text(out, !v.holder ? "" : ha_epoch_node(v.holder) ? "b" : "a", "witness.holder");
    put_number(out, v.renewed_ms == WITNESS_AGE_NEVER ? -1 : (int64_t)v.renewed_ms,
               "witness.renewed_ms");
    put_text(out,
             v.verdict == WITNESS_GRANTED   ? "granted"
             : v.verdict == WITNESS_REFUSED ? "refused"
                                            : "",
             "witness.verdict");
    put_text(out, witness_reason_name(v.reason), "witness.reason");
    put_number(out, (int64_t)v.sent, "witness.sent");
    put_number(out, (int64_t)v.answered, "witness.answered");
    put_number(out, (int64_t)v.disbelieved, "witness.disbelieved");
    put_text(out, v.why, "witness.trouble");
}

static void report_fence(const struct had *h, struct buf *out) {
    struct fence_view v;
    put_true(out, h->fence != NULL, "fence.configured");
    if (!h->fence) return;
    fence_look(h->fence, &v);
    put_text(out, h->conf.arbiter.fence.host, "fence.address");
    put_true(out, v.ready, "fence.ready");
    put_number(out, put_age_ms(v.age_ns), "fence.age_ms");
    put_text(out, *v.power ? v.power : "unknown", "fence.peer_power");
    put_true(out, v.fencing, "fence.fencing");
    put_text(out, v.why, "fence.trouble");
    put_true(out, v.own, "fence.own_controller");
    put_text(out, v.own_address, "fence.own_address");
    put_text(out, v.own_why, "fence.own_trouble");
}

void had_report_arbiters(const struct had *h, const struct ha_view *v, struct buf *out) {
    (void)v;
    report_witness(h, out);
    report_fence(h, out);
}
