/* The answer to DUET STATUS: a flat array of field, value, read by a table of fields. */
#include <stddef.h>
#include <string.h>

#include "hactl/instance.h"
#include "hactl/reply.h"
#include "server/base/num.h"

#define BROKEN_LOG_NS (3600000 * HA_MS) /* beyond every limit */

enum kind { NUMBER, FLAG, AGE_MS, ROLE, REPLID };

struct field {
    const char *name;
    enum kind kind;
    size_t at; /* offset into struct instance_status */
};

#define AT(member) offsetof(struct instance_status, member)

static const struct field fields[] = {
    {"role", ROLE, AT(server.role)},
    {"epoch", NUMBER, AT(server.epoch)},
    {"session", NUMBER, AT(server.session)},
    {"replid", REPLID, AT(replid)},
    {"offset", NUMBER, AT(server.offset)},
    {"acked", NUMBER, AT(server.acked)},
    {"insync_link", FLAG, AT(server.in_sync_link)},
    {"alone", FLAG, AT(server.alone)},
    {"held", NUMBER, AT(server.held)},
    {"held_oldest_ms", AGE_MS, AT(server.held_oldest_ns)},
    {"whole", FLAG, AT(server.whole)},
    {"loading", FLAG, AT(server.loading)},
    {"boot_id", NUMBER, AT(server.boot)},
    {"fsync_age_ms", AGE_MS, AT(server.fsync_age_ns)},
    {"fsync_failed", NUMBER, AT(fsync_failed)},
    {"log_stuck", NUMBER, AT(log_stuck)},
    {"link_stalls", NUMBER, AT(server.stalls)},
    {"rejoin_tail", NUMBER, AT(rejoin_tail)},
    {"tails", NUMBER, AT(tails)},
    {"tail_writes", NUMBER, AT(tail_writes)},
    {"tail_keys", NUMBER, AT(tail_keys)},
    {"tail_saving", NUMBER, AT(tail_saving)},
    {"tail_wholes", NUMBER, AT(tail_wholes)},
    {"peer_clients", NUMBER, AT(peer_clients)},
    {"slaves", NUMBER, AT(slaves)},
    {"slave_lag_ms", AGE_MS, AT(slave_lag_ns)},
    {"clients", NUMBER, AT(clients)},
    {"keys", NUMBER, AT(keys)},
};

static bool read_role(const struct reply *v, uint8_t *out) {
    static const struct {
        const char *name;
        enum ha_server_role role;
    } roles[] = {
        {"none", HA_SERVER_NONE}, {"slave", HA_SERVER_SLAVE}, {"master", HA_SERVER_MASTER}};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strlen(roles[i].name) == v->len && memcmp(v->text, roles[i].name, v->len) == 0) {
            *out = (uint8_t)roles[i].role;
            return true;
        }
    return false;
}

static bool read_value(const struct field *f, const struct reply *v, struct instance_status *out) {
    char *to = (char *)out + f->at;
    uint64_t n = 0;
    if (f->kind == ROLE) return read_role(v, (uint8_t *)to);
    if (f->kind == REPLID) {
        if (v->len >= sizeof out->replid) return false;
        memcpy(to, v->text, v->len);
        to[v->len] = 0;
        return true;
    }
    if (!num_parse_u64(v->text, v->len, &n)) return false;
    if (f->kind == FLAG && n > 1) return false;
    if (f->kind == AGE_MS && n > INT64_MAX / (uint64_t)HA_MS) return false;
    if (f->kind == FLAG)
        *(bool *)to = n == 1;
    else if (f->kind == AGE_MS)
        *(int64_t *)(void *)to = (int64_t)n * HA_MS;
    else
        *(uint64_t *)(void *)to = n;
    return true;
}

static const struct field *field_named(const struct reply *name) {
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strlen(fields[i].name) == name->len &&
            memcmp(fields[i].name, name->text, name->len) == 0)
            return &fields[i];
    return NULL;
}

bool instance_status_read(const char *reply, size_t len, struct instance_status *out) {
    struct reply head, name, value;
    size_t at;
    memset(out, 0, sizeof *out);
    if (reply_size(reply, len) != (long)len) return false;
    at = reply_read(reply, len, &head);
    if (head.type != '*' || head.number % 2) return false;
    for (int64_t i = 0; i < head.number; i += 2) {
        at += reply_read(reply + at, len - at, &name);
        at += reply_read(reply + at, len - at, &value);
        if (name.type == '*' || value.type == '*') return false;
        const struct field *f = field_named(&name);
        if (f && !read_value(f, &value, out)) return false;
    }
    /* A log that failed is not durable and does not get better: as one that was never fsynced. */
    if (out->fsync_failed || out->log_stuck) out->server.fsync_age_ns = BROKEN_LOG_NS;
    out->server.empty = out->keys == 0 && out->server.offset == 0;
    return out->server.boot != 0;
}
