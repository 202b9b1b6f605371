/* link: hactl/ha_fsm.c hactl/ha_evidence.c hactl/ha_out.c hactl/ha_master.c hactl/ha_sync.c hactl/ha_slave.c
   hactl/ha_elect.c hactl/ha_view.c hactl/ha_names.c hactl/ha_arbiter.c hactl/ha_rails.c hactl/ha_operator.c hactl/heartbeat.c server/base/hmac.c */
/* Any sequence of events, sensible or not, from any record: the core stays whole, never asserts, never serves from a state
 * that is not master, and its queue never overflows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/ha_fsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *p, *end;
};

static uint64_t byte(struct input *in) {
    return in->p < in->end ? *in->p++ : 0;
}

static struct ha_fsm f;
static int64_t now;
static uint32_t last_tell, last_save;

static void step(const struct ha_event *ev) {
    static struct ha_action a;
    ha_fsm_step(&f, ev, now);
    while (ha_fsm_next(&f, &a)) {
        if (a.kind == HA_ACT_TELL) last_tell = a.tell.id;
        if (a.kind == HA_ACT_SAVE) last_save = a.save.id;
        if (a.kind == HA_ACT_LEASE && a.lease.until != HA_NEVER &&
            a.lease.until > now + 350 * HA_MS)
            abort();
    }
    const char *broken = ha_fsm_broken(&f, now);
    if (broken) {
        fprintf(stderr, "broken: %s (state %s)\n", broken, ha_state_name(f.state));
        abort();
    }
    struct ha_view v;
    ha_fsm_view(&f, now, &v);
    if (v.serving && v.state != HA_MASTER) abort();
}

static void hear(struct input *in) {
    struct heartbeat hb = {.pair = 1, .node = 1, .life = 1 + byte(in) % 3, .echo_life = 7};
    uint64_t kind = byte(in), more = byte(in);
    hb.seq = f.window.seq[0] + kind % 3;
    hb.echo_seq = f.seq - more % 4;
    hb.state = (uint8_t)(kind % HA_STATES);
    hb.flags = (uint32_t)((byte(in) | byte(in) << 8 | byte(in) << 16) & HB_KNOWN_FLAGS);
    hb.paths = (uint8_t)(more & 15);
    hb.gateway_age_ms = (uint16_t)(more * 3);
    hb.outside = (uint8_t)(more % 3);
    hb.epoch = hb.known = ha_epoch(byte(in) % 6, more & 1);
    hb.claim = more & 2 ? ha_epoch(byte(in) % 6, 1) : 0;
    hb.permit = more & 4 ? ha_epoch(byte(in) % 6, 0) : 0;
    hb.permit_boot = hb.link_boot = 1 + (more >> 3) % 3;
    hb.server_boot = (more >> 5) % 3;
    hb.outdate = kind & 64 ? byte(in) : 0;
    hb.said = kind & 128 ? f.outdate : 0;
    hb.session = (more >> 6) % 3;
    hb.data_offset = byte(in) * 100;
    if (hb.seq == 0) hb.seq = 1;
    struct ha_event ev = {.kind = HA_EV_HEARTBEAT};
    ev.heartbeat.path = (enum ha_path)(byte(in) % HA_PATHS);
    ev.heartbeat.hb = &hb;
    step(&ev);
}

static void status(struct input *in) {
    uint64_t bits = byte(in);
    struct ha_server s = {.boot = 1 + bits % 3, .role = (uint8_t)(byte(in) % 3), .alone = bits & 4};
    s.epoch = f.disk.epoch + (bits & 8 ? 256 : 0);
    s.session = bits >> 6;
    s.offset = byte(in) * 100;
    s.acked = byte(in) * 100;
    s.in_sync_link = bits & 16;
    s.held = bits & 32 ? byte(in) : 0;
    s.held_oldest_ns = (int64_t)byte(in) * 10 * HA_MS;
    s.whole = byte(in) % 8 != 0;
    s.loading = byte(in) % 8 == 7;
    s.empty = s.offset == 0;
    step(&(struct ha_event){.kind = HA_EV_SERVER, .server = &s});
}

static void one(struct input *in) {
    uint64_t what = byte(in) % 16;
    struct ha_event ev = {.kind = HA_EV_TICK};
    now += (int64_t)(byte(in) % 32 ? 10 : 40 * byte(in)) * HA_MS;
    switch (what) {
    case 0: step(&(struct ha_event){.kind = HA_EV_SERVER_DIED}); return;
    case 1:
        ev.kind = HA_EV_OPERATOR;
        ev.op.command = (enum ha_command)(1 + byte(in) % HA_CMD_UNBENCH);
        ev.op.id = 1;
        break;
    case 2:
    case 3:
        ev.kind = HA_EV_TOLD;
        ev.told.id = last_tell - (uint32_t)(byte(in) % 4);
        ev.told.ok = byte(in) % 8 != 0;
        break;
    case 4:
    case 5:
        ev.kind = HA_EV_SAVED;
        ev.saved.id = last_save;
        ev.saved.ok = byte(in) % 8 != 0;
        break;
    case 6: ev.kind = HA_EV_VIP_FOREIGN; break;
    case 7:
        ev.kind = HA_EV_GATEWAY;
        ev.gateway.sent_at = now - (int64_t)byte(in) * HA_MS;
        ev.gateway.which = (unsigned)ev.gateway.sent_at % 3;
        break;
    case 8:
    case 9: status(in); return;
    case 10:
    case 11:
    case 12: hear(in); return;
    default:
        ev.tick.server_at = now - (int64_t)(byte(in) % 8 ? 0 : 200) * HA_MS;
        ev.tick.executor_at = now;
        break;
    }
    step(&ev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    struct ha_setup setup = {.pair = 1};
    ha_timing_default(&setup.timing);
    uint64_t bits = byte(&in);
    struct ha_record r = {.epoch = bits & 1 ? ha_epoch(1 + byte(&in) % 3, bits >> 1 & 1) : 0};
    r.seen = r.epoch;
    r.was_master = r.epoch && bits & 4;
    r.peer_outdated = r.was_master && bits & 8;
    r.outdated = !!(bits & 16);
    now = 1000000 * HA_MS;
    last_tell = last_save = 0;
    ha_fsm_init(&f, &setup, &r, 7, now);
    while (in.p < in.end) one(&in);
    return 0;
}
