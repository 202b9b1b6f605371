#include "hactl/heartbeat.h"

#include <assert.h>
#include <string.h>

#include "server/base/hmac.h"

#define MAGIC  0x44754842u /* "DuHB" */
#define FIELDS (HEARTBEAT_BYTES - HMAC_BYTES)
#define HEAD   8 /* magic, version, node, pair: the same in every version */

static const char *const result_names[] = {
    [HEARTBEAT_OK] = "believed",
    [HEARTBEAT_SHORT] = "of a length that no heartbeat has",
    [HEARTBEAT_ALIEN] = "not a heartbeat at all",
    [HEARTBEAT_OLD] = "of a version that this node does not speak",
    [HEARTBEAT_FORGED] = "not signed with this pair's secret",
    [HEARTBEAT_FOREIGN] = "of another pair that has the same secret",
    [HEARTBEAT_SELF] = "from a node that has this node's own name",
    [HEARTBEAT_NONSENSE] = "signed, but with a value that no node sends",
    [HEARTBEAT_ASTRAY] = "of another path: the cables are swapped",
    [HEARTBEAT_ELSEWHERE] = "signed, but not from the other node's address",
    [HEARTBEAT_REPLAY] = "a repetition of one heard before",
    [HEARTBEAT_STRANGER] = "from a start of the peer that has not yet proven to be alive",
};

static const char *const state_names[HA_STATES] = {
    [HA_BOOT] = "boot",     [HA_SLAVE] = "slave",         [HA_PROMOTING] = "promoting",
    [HA_MASTER] = "master", [HA_SUSPENDED] = "suspended", [HA_YIELDED] = "yielded",
};

static const char *const path_names[HA_PATHS] = {
    [HA_PATH_CROSSOVER] = "crossover",
    [HA_PATH_SERVICE] = "service",
    [HA_PATH_GATEWAY] = "gateway",
    [HA_PATH_SERIAL] = "serial",
};

const char *heartbeat_result_name(enum heartbeat_result r) {
    return (unsigned)r <= HEARTBEAT_STRANGER ? result_names[r] : "?";
}

const char *ha_state_name(enum ha_state s) {
    return (unsigned)s < HA_STATES ? state_names[s] : "?";
}

const char *ha_path_name(enum ha_path p) {
    return (unsigned)p < HA_PATHS ? path_names[p] : "?";
}

/* ---- fields: big-endian, one cursor --------------------------------------------------------- */

static uint8_t *put(uint8_t *p, uint64_t v, int bytes) {
    for (int i = bytes - 1; i >= 0; i--) {
        p[i] = (uint8_t)v;
        v >>= 8;
    }
    return p + bytes;
}

static const uint8_t *get(const uint8_t *p, uint64_t *v, int bytes) {
    *v = 0;
    for (int i = 0; i < bytes; i++) *v = *v << 8 | p[i];
    return p + bytes;
}

static uint8_t *put_all(uint8_t *p, const struct heartbeat *hb) {
    p = put(p, MAGIC, 4);
    p = put(p, HEARTBEAT_VERSION, 1);
    p = put(p, hb->node, 1);
    p = put(p, hb->pair, 2);
    p = put(p, hb->state, 1);
    p = put(p, hb->paths, 1);
    p = put(p, hb->flags, 3);
    p = put(p, hb->gateway_age_ms, 2);
    p = put(p, hb->path, 1);
    p = put(p, hb->outside, 1);
    p = put(p, hb->config, 4);
    p = put(p, hb->config_parts, 8);
    p = put(p, hb->life, 8);
    p = put(p, hb->seq, 8);
    p = put(p, hb->echo_life, 8);
    p = put(p, hb->echo_seq, 8);
    p = put(p, hb->hello_life, 8);
    p = put(p, hb->hello_seq, 8);
    p = put(p, hb->epoch, 8);
    p = put(p, hb->known, 8);
    p = put(p, hb->claim, 8);
    p = put(p, hb->permit, 8);
    p = put(p, hb->permit_boot, 8);
    p = put(p, hb->outdate, 8);
    p = put(p, hb->said, 8);
    p = put(p, hb->data_offset, 8);
    p = put(p, hb->session, 8);
    p = put(p, hb->server_boot, 8);
    p = put(p, hb->link_boot, 8);
    p = put(p, hb->has, 8);
    p = put(p, hb->counts, 8);
    return p;
}

static const uint8_t *get_small(const uint8_t *p, struct heartbeat *hb) {
    uint64_t node, pair, state, paths, flags, age, path, outside, config;
    p = get(p, &node, 1);
    p = get(p, &pair, 2);
    p = get(p, &state, 1);
    p = get(p, &paths, 1);
    p = get(p, &flags, 3);
    p = get(p, &age, 2);
    p = get(p, &path, 1);
    p = get(p, &outside, 1);
    p = get(p, &config, 4);
    p = get(p, &hb->config_parts, 8);
    hb->node = (uint8_t)node;
    hb->pair = (uint16_t)pair;
    hb->state = (uint8_t)state;
    hb->paths = (uint8_t)paths;
    hb->path = (uint8_t)path;
    hb->outside = (uint8_t)outside;
    hb->flags = (uint32_t)flags;
    hb->gateway_age_ms = (uint16_t)age;
    hb->config = (uint32_t)config;
    return p;
}

static const uint8_t *get_all(const uint8_t *p, struct heartbeat *hb) {
    p = get_small(p, hb);
    p = get(p, &hb->life, 8);
    p = get(p, &hb->seq, 8);
    p = get(p, &hb->echo_life, 8);
    p = get(p, &hb->echo_seq, 8);
    p = get(p, &hb->hello_life, 8);
    p = get(p, &hb->hello_seq, 8);
    p = get(p, &hb->epoch, 8);
    p = get(p, &hb->known, 8);
    p = get(p, &hb->claim, 8);
    p = get(p, &hb->permit, 8);
    p = get(p, &hb->permit_boot, 8);
    p = get(p, &hb->outdate, 8);
    p = get(p, &hb->said, 8);
    p = get(p, &hb->data_offset, 8);
    p = get(p, &hb->session, 8);
    p = get(p, &hb->server_boot, 8);
    p = get(p, &hb->link_boot, 8);
    p = get(p, &hb->has, 8);
    p = get(p, &hb->counts, 8);
    return p;
}

static bool sensible(const struct heartbeat *hb) {
    return hb->node <= 1 && hb->pair != 0 && hb->state < HA_STATES && hb->paths < 1u << HA_PATHS &&
           hb->path < HA_PATHS && (hb->flags & ~HB_KNOWN_FLAGS) == 0 && hb->life != 0 &&
           hb->seq != 0;
}

void heartbeat_encode(const struct heartbeat *hb, const uint8_t key[HEARTBEAT_KEY],
                      uint8_t out[HEARTBEAT_BYTES]) {
    assert(sensible(hb));
    uint8_t *end = put_all(out, hb);
    assert(end == out + FIELDS);
    hmac_sha256(key, HEARTBEAT_KEY, out, FIELDS, end);
}

static bool signed_by(const uint8_t *bytes, size_t len, const uint8_t key[HEARTBEAT_KEY]) {
    uint8_t mac[HMAC_BYTES];
    hmac_sha256(key, HEARTBEAT_KEY, bytes, len - HMAC_BYTES, mac);
    return bytes_equal_ct(mac, bytes + len - HMAC_BYTES, HMAC_BYTES);
}

struct heartbeat_label heartbeat_label(const void *bytes, size_t len) {
    struct heartbeat_label label = {0};
    uint64_t magic, version, node, pair;
    if (len < HEAD + HMAC_BYTES) return label;
    const uint8_t *p = get(bytes, &magic, 4);
    p = get(p, &version, 1);
    p = get(p, &node, 1);
    get(p, &pair, 2);
    if (magic == MAGIC)
        label = (struct heartbeat_label){(uint8_t)version, (uint8_t)node, (uint16_t)pair};
    return label;
}

enum heartbeat_result heartbeat_decode(const void *bytes, size_t len,
                                       const uint8_t key[HEARTBEAT_KEY], uint16_t pair,
                                       uint8_t own_node, struct heartbeat *out) {
    const uint8_t *p = bytes;
    uint64_t magic, version;
    if (len < HEAD + HMAC_BYTES || len > HEARTBEAT_MOST) return HEARTBEAT_SHORT;
    p = get(p, &magic, 4);
    p = get(p, &version, 1);
    if (magic != MAGIC) return HEARTBEAT_ALIEN;
    if (version == HEARTBEAT_VERSION && len != HEARTBEAT_BYTES) return HEARTBEAT_SHORT;
    if (!signed_by(bytes, len, key)) return HEARTBEAT_FORGED;
    if (version != HEARTBEAT_VERSION) return HEARTBEAT_OLD;
    struct heartbeat hb = {0};
    get_all(p, &hb);
    if (!sensible(&hb)) return HEARTBEAT_NONSENSE;
    if (hb.pair != pair) return HEARTBEAT_FOREIGN;
    if (hb.node == own_node) return HEARTBEAT_SELF;
    *out = hb;
    return HEARTBEAT_OK;
}

/* ---- freshness ------------------------------------------------------------------------------ */

static bool retired(const struct heartbeat_window *w, uint64_t life) {
    for (unsigned i = 0; i < HEARTBEAT_RETIRED; i++)
        if (w->retired[i] == life) return true;
    return false;
}

static bool just_sent(uint64_t life, uint64_t seq, uint64_t my_life, uint64_t my_seq,
                      uint64_t recent) {
    return life == my_life && seq != 0 && seq <= my_seq && my_seq - seq < recent;
}

static void begin_life(struct heartbeat_window *w, uint64_t life) {
    if (w->life != 0) w->retired[w->retirements++ % HEARTBEAT_RETIRED] = w->life;
    w->life = life;
    w->hello_life = w->hello_seq = 0;
    memset(w->seq, 0, sizeof w->seq);
}

enum heartbeat_result heartbeat_judge(struct heartbeat_window *w, const struct heartbeat *hb,
                                      enum ha_path path, uint64_t my_life, uint64_t my_seq,
                                      uint64_t recent) {
    assert((unsigned)path < HA_PATHS);
    if (hb->life != w->life) {
        if (retired(w, hb->life)) return HEARTBEAT_REPLAY;
        if (!just_sent(hb->echo_life, hb->echo_seq, my_life, my_seq, recent) &&
            !just_sent(hb->hello_life, hb->hello_seq, my_life, my_seq, recent)) {
            w->hello_life = hb->life;
            w->hello_seq = hb->seq;
            return HEARTBEAT_STRANGER;
        }
        begin_life(w, hb->life);
    }
    if (hb->seq <= w->seq[path]) return HEARTBEAT_REPLAY;
    w->seq[path] = hb->seq;
    return HEARTBEAT_OK;
}
