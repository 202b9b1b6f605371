/* The instances of a node in its report: one object each. */
#include "hactl/had_report.h"

/* How far, and for how long, the pair's slave is behind this instance. */
static void report_lag(int i, const struct instance_status *s, struct buf *out) {
    uint64_t acked = s->server.acked, end = s->server.offset;
    put_number(out, end > acked ? (int64_t)(end - acked) : 0, "instances.%d.lag_bytes", i);
    put_number(out, s->slave_lag_ns / HA_MS, "instances.%d.lag_ms", i);
    put_number(out, (int64_t)s->slaves, "instances.%d.slaves", i);
}

/* Whom this node told, when it last took the VIP, that their connections had ended. */
void had_report_clients(const struct had *h, const struct ha_view *v, struct buf *out) {
    const struct had_clients_counts *n = had_clients_counts(h->clients);
    (void)v;
    put_number(out, (int64_t)n->known, "clients.known");
    put_number(out, (int64_t)n->told, "clients.told");
    put_number(out, (int64_t)n->took_ms, "clients.told_ms");
}

void had_report_instances(const struct had *h, const struct ha_view *v, struct buf *out) {
    (void)v;
    for (int i = 0; i < instance_set_count(h->servers); i++) {
        static const char *const roles[] = {"none", "slave", "master"};
        const struct instance *one = instance_set_at(h->servers, i);
        const struct instance_status *s = instance_status(one);
        put_number(out, instance_conf_of(one)->number, "instances.%d.number", i);
        put_number(out, instance_conf_of(one)->port, "instances.%d.port", i);
        put_text(out, instance_conf_of(one)->name, "instances.%d.name", i);
        put_true(out, s != NULL, "instances.%d.up", i);
        put_true(out, instance_set_counts(h->servers) >> instance_conf_of(one)->number & 1,
                 "instances.%d.counts", i);
        put_text(out, instance_set_waits(h->servers, i), "instances.%d.waits_for", i);
        put_text(out, instance_trouble(one), "instances.%d.trouble", i);
        if (!s) continue;
        put_text(out, roles[s->server.role], "instances.%d.role", i);
        put_text(out, s->replid, "instances.%d.replid", i);
        put_number(out, (int64_t)s->server.offset, "instances.%d.offset", i);
        put_number(out, (int64_t)s->server.acked, "instances.%d.acked", i);
        put_number(out, (int64_t)s->server.held, "instances.%d.held", i);
        put_number(out, s->server.held_oldest_ns / HA_MS, "instances.%d.held_oldest_ms", i);
        put_true(out, s->server.alone, "instances.%d.alone", i);
        put_true(out, s->server.loading, "instances.%d.loading", i);
        put_true(out, s->server.whole, "instances.%d.whole", i);
        put_number(out, (int64_t)s->server.session, "instances.%d.session", i);
        put_number(out, (int64_t)s->rejoin_tail, "instances.%d.rejoin_tail", i);
        put_number(out, (int64_t)s->tails, "instances.%d.tails", i);
        put_number(out, (int64_t)s->tail_writes, "instances.%d.tail_writes", i);
        put_number(out, (int64_t)s->tail_keys, "instances.%d.tail_keys", i);
        put_true(out, s->tail_saving, "instances.%d.tail_saving", i);
        put_number(out, (int64_t)s->tail_wholes, "instances.%d.tail_wholes", i);
        put_number(out, (int64_t)s->peer_clients, "instances.%d.peer_clients", i);
        put_number(out, (int64_t)s->clients, "instances.%d.clients", i);
        if (s->server.role == HA_SERVER_MASTER && s->server.session) report_lag(i, s, out);
        put_number(out, (int64_t)s->keys, "instances.%d.keys", i);
    }
}
