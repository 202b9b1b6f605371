#include "hactl/cli_metrics_text.h"

#include <stdio.h>
#include <string.h>

#include "hactl/ha_fsm.h"
#include "server/base/buf.h"

enum source { HAD, PATH, DUET, INFO };

/* scale: what a value is divided by. A text "true" counts 1, other text nothing. counter: it only goes up. */
struct row {
    const char *name;
    enum source from;
    const char *field;
    int scale;
    bool counter;
    const char *help;
};

static const struct row rows[] = {
    {"duet_serving", HAD, "node.serving", 1, false, "This node is master with a valid lease."},
    {"duet_in_sync", HAD, "sync.in_sync", 1, false, "The slave has all that is acknowledged."},
    {"duet_alone", HAD, "node.alone", 1, false, "Replies wait for no slave."},
    {"duet_epoch", HAD, "node.epoch", 1, false, "Epoch that the data belong to."},
    {"duet_lease_seconds", HAD, "node.lease_ms", 1000, false, "Time left of the write lease."},
    {"duet_vip_held", HAD, "node.vip", 1, false, "This node has the virtual address."},
    {"duet_takeover_automatic", HAD, "takeover.on", 1, false,
     "The slave would take over by itself if the master died now."},
    {"duet_maintenance", HAD, "node.maintenance", 1, false, "Maintenance is on here."},
    {"duet_benched", HAD, "node.benched", 1, false, "This node is benched after a crash loop."},
    {"duet_had_uptime_seconds", HAD, "node.uptime_ms", 1000, false, "Since had started."},
    {"duet_record_write_seconds", HAD, "node.record_busy_ms", 1000, false,
     "How long the write of the record in progress takes."},
    {"duet_peer_heard", HAD, "peer.heard", 1, false, "The other node is heard."},
    {"duet_peer_age_seconds", HAD, "peer.age_ms", 1000, false,
     "Since the other node's last heartbeat."},
    {"duet_gateway_age_seconds", HAD, "gateway.age_ms", 1000, false,
     "Since the gateway's newest answered probe."},
    {"duet_replies_held", HAD, "sync.held", 1, false, "Replies that wait for the slave."},
    {"duet_takeovers_total", HAD, "counts.takeovers", 1, true, "Takeovers by silence."},
    {"duet_own_gaps_total", HAD, "counts.own_gaps", 1, true, "Times that had itself stood still."},
    {"duet_heartbeats_late_total", HAD, "counts.late_heartbeats", 1, true, "Late heartbeats."},
    {"duet_heartbeats_replayed_total", HAD, "counts.replayed", 1, true,
     "Heartbeats refused as replayed."},
    {"duet_heartbeats_strangers_total", HAD, "counts.strangers", 1, true,
     "Heartbeats of lives that proved nothing yet."},
    {"duet_alarms", HAD, "alarm_count", 1, false, "Alarms that are on."},
    {"duet_events_total", HAD, "events.newest", 1, true, "Number of the newest event."},
    {"duet_events_lost_file_total", HAD, "events.lost_file", 1, true,
     "Events that the data partition did not take."},
    {"duet_events_lost_fifo_total", HAD, "events.lost_fifo", 1, true,
     "Events that a reader of the FIFO was too slow for."},
    {"duet_events_lost_syslog_total", HAD, "events.lost_syslog", 1, true,
     "Events that the network did not take."},
    {"duet_path_both_ways", PATH, "both_ways", 1, false, "The path works both ways."},
    {"duet_path_heard", PATH, "heard", 1, false, "The other node is heard on it."},
    {"duet_path_age_seconds", PATH, "age_ms", 1000, false, "Since its last heartbeat."},
    {"duet_path_sent_total", PATH, "sent", 1, true, "Heartbeats sent."},
    {"duet_path_received_total", PATH, "received", 1, true, "Authentic heartbeats received."},
    {"duet_path_lost_total", PATH, "lost", 1, true, "Heartbeats that did not arrive."},
    {"duet_path_late_total", PATH, "late", 1, true, "Heartbeats that arrived late."},
    {"duet_path_refused_total", PATH, "refused", 1, true, "Datagrams refused."},
    {"duet_instance_epoch", DUET, "epoch", 1, false, "Epoch the server was told."},
    {"duet_instance_offset_bytes", DUET, "offset", 1, false, "Replication offset."},
    {"duet_instance_acked_bytes", DUET, "acked", 1, false, "Offset that the pair's slave has."},
    {"duet_instance_slave_streams", DUET, "insync_link", 1, false,
     "The pair's slave streams without a gap."},
    {"duet_instance_slave_lag_seconds", DUET, "slave_lag_ms", 1000, false,
     "How long the pair's slave lacks something."},
    {"duet_instance_alone", DUET, "alone", 1, false, "Replies wait for no slave."},
    {"duet_instance_slaves", DUET, "slaves", 1, false, "Slaves of all kinds."},
    {"duet_instance_held_replies", DUET, "held", 1, false, "Replies that wait for the slave."},
    {"duet_instance_held_bytes", DUET, "held_bytes", 1, false, "Their bytes."},
    {"duet_instance_held_oldest_seconds", DUET, "held_oldest_ms", 1000, false,
     "Age of the oldest of them."},
    {"duet_instance_whole", DUET, "whole", 1, false, "Not in the middle of a first copy."},
    {"duet_instance_loading", DUET, "loading", 1, false, "Reads its data."},
    {"duet_instance_fsync_age_seconds", DUET, "fsync_age_ms", 1000, false,
     "How long an fsync of the log has been due."},
    {"duet_instance_fsync_failed", DUET, "fsync_failed", 1, false, "An fsync of the log failed."},
    {"duet_instance_fsync_delayed_total", DUET, "fsync_delayed", 1, true, "Late fsyncs."},
    {"duet_instance_disk_low", DUET, "disk_low", 1, false, "Little room is left for the log."},
    {"duet_instance_tail_writes", DUET, "rejoin_tail", 1, false,
     "Writes put aside when it rejoined."},
    {"duet_instance_clients", DUET, "clients", 1, false, "Clients connected."},
    {"duet_instance_keys", DUET, "keys", 1, false, "Keys in all databases."},
    {"duet_instance_memory_bytes", INFO, "used_memory", 1, false, "Memory of the data."},
    {"duet_instance_memory_rss_bytes", INFO, "used_memory_rss", 1, false, "Resident memory."},
    {"duet_instance_memory_limit_bytes", INFO, "maxmemory", 1, false, "Limit; 0: none."},
    {"duet_instance_commands_total", INFO, "total_commands_processed", 1, true, "Commands."},
    {"duet_instance_connections_total", INFO, "total_connections_received", 1, true,
     "Connections."},
    {"duet_instance_rejected_connections_total", INFO, "rejected_connections", 1, true,
     "Connections refused for their number."},
    {"duet_instance_expired_keys_total", INFO, "expired_keys", 1, true, "Keys that expired."},
    {"duet_instance_evicted_keys_total", INFO, "evicted_keys", 1, true, "Keys evicted."},
    {"duet_instance_keyspace_hits_total", INFO, "keyspace_hits", 1, true, "Lookups that found."},
    {"duet_instance_keyspace_misses_total", INFO, "keyspace_misses", 1, true,
     "Lookups that found nothing."},
    {"duet_instance_input_bytes_total", INFO, "total_net_input_bytes", 1, true, "Bytes read."},
    {"duet_instance_output_bytes_total", INFO, "total_net_output_bytes", 1, true, "Bytes written."},
    {"duet_instance_blocked_clients", INFO, "blocked_clients", 1, false, "Clients that wait."},
    {"duet_instance_sync_full_total", INFO, "sync_full", 1, true, "Full copies to slaves."},
    {"duet_instance_sync_partial_ok_total", INFO, "sync_partial_ok", 1, true,
     "Slaves that went on where they were."},
    {"duet_instance_sync_partial_err_total", INFO, "sync_partial_err", 1, true,
     "Slaves that could not."},
    {"duet_instance_log_bytes", INFO, "aof_current_size", 1, false, "Size of the log."},
    {"duet_instance_uptime_seconds", INFO, "uptime_in_seconds", 1, false,
     "Since the server started."},
};
#define ROWS (sizeof rows / sizeof *rows)

/* ---- writing ---- */

static void head(struct buf *out, const char *name, bool counter, const char *help) {
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
               counter ? "counter" : "gauge");
}

static void sample(struct buf *out, const char *name, const char *labels, int64_t v, int scale) {
    buf_printf(out, *labels ? "%s{%s} " : "%s%s ", name, labels);
    if (scale > 1)
        buf_printf(out, "%.3f\n", (double)v / scale);
    else
        buf_printf(out, "%lld\n", (long long)v);
}

/* A label's value: quotes, backslashes and line ends are escaped. */
static const char *label(const char *v, char out[96]) {
    size_t n = 0;
    for (; *v && n < 92; v++) {
        if (*v == '"' || *v == '\\') out[n++] = '\\';
        out[n++] = (unsigned char)*v < ' ' ? ' ' : *v;
    }
    out[n] = 0;
    return out;
}

/* false: there is no such field, or it says "never" (-1). */
static bool value(const struct fields *f, const char *name, int64_t *v) {
    const char *text = fields_text(f, NULL, "%s", name);
    if (!text) return false;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        *v = *text == 't';
        return true;
    }
    *v = fields_number(f, -1, "%s", name);
    return *v >= 0;
}

/* ---- rows ---- */

static void row_of_had(const struct metrics_input *in, const struct row *r, struct buf *out) {
    int64_t v;
    if (value(&in->had, r->field, &v)) sample(out, r->name, "", v, r->scale);
}

static void row_of_paths(const struct metrics_input *in, const struct row *r, struct buf *out) {
    for (int p = 0; p < HA_PATHS; p++) {
        char name[64], labels[48];
        int64_t v;
        snprintf(name, sizeof name, "paths.%s.%s", ha_path_name((enum ha_path)p), r->field);
        snprintf(labels, sizeof labels, "path=\"%s\"", ha_path_name((enum ha_path)p));
        if (value(&in->had, name, &v)) sample(out, r->name, labels, v, r->scale);
    }
}

static void row_of_instances(const struct metrics_input *in, const struct row *r, struct buf *out) {
    for (int i = 0; i < in->instances; i++) {
        const struct fields *f = r->from == DUET ? &in->instance[i].duet : &in->instance[i].info;
        char labels[32];
        int64_t v;
        snprintf(labels, sizeof labels, "instance=\"%d\"", in->instance[i].number);
        if (value(f, r->field, &v)) sample(out, r->name, labels, v, r->scale);
    }
}

static void add_rows(const struct metrics_input *in, struct buf *out) {
    for (size_t i = 0; i < ROWS; i++) {
        struct buf samples = BUF_INIT;
        if (rows[i].from == HAD)
            row_of_had(in, &rows[i], &samples);
        else if (rows[i].from == PATH)
            row_of_paths(in, &rows[i], &samples);
        else
            row_of_instances(in, &rows[i], &samples);
        if (buf_len(&samples)) {
            head(out, rows[i].name, rows[i].counter, rows[i].help);
            buf_add(out, buf_head(&samples), buf_len(&samples));
        }
        buf_free(&samples);
    }
}

/* ---- what is no plain number ---- */

static void add_node(const struct metrics_input *in, struct buf *out) {
    char name[96], version[96], labels[320];
    const char *letter = fields_text(&in->had, "", "node.letter");
    head(out, "duet_up", false, "had answers on this node.");
    sample(out, "duet_up", "", in->had.count > 0, 1);
    if (*letter) {
        snprintf(labels, sizeof labels, "node=\"%s\",name=\"%s\",pair=\"%lld\",version=\"%s\"",
                 letter, label(fields_text(&in->had, "", "node.name"), name),
                 (long long)fields_number(&in->had, 0, "node.pair"), label(in->version, version));
        head(out, "duet_info", false, "Who this is.");
        sample(out, "duet_info", labels, 1, 1);
    }
    head(out, "duet_node_uptime_seconds", true, "Since the machine started.");
    sample(out, "duet_node_uptime_seconds", "", in->uptime_s, 1);
    head(out, "duet_watchdog", false, "The machine has a hardware watchdog.");
    sample(out, "duet_watchdog", "", in->watchdog, 1);
    if (!in->data_bytes) return;
    head(out, "duet_data_bytes", false, "Size of the data partition.");
    sample(out, "duet_data_bytes", "", (int64_t)in->data_bytes, 1);
    head(out, "duet_data_free_bytes", false, "Free bytes on it.");
    sample(out, "duet_data_free_bytes", "", (int64_t)in->data_free_bytes, 1);
}

static void add_states(const struct metrics_input *in, struct buf *out) {
    const char *state = fields_text(&in->had, "", "node.state");
    char labels[64];
    if (!*state) return;
    head(out, "duet_state", false, "The state that this node is in has 1.");
    for (int s = 0; s < HA_STATES; s++) {
        const char *name = ha_state_name((enum ha_state)s);
        snprintf(labels, sizeof labels, "state=\"%s\"", name);
        sample(out, "duet_state", labels, strcmp(state, name) == 0, 1);
    }
}

static bool alarm_is_on(const struct fields *f, const char *name, int64_t *since_ms) {
    const char *one;
    for (int i = 0; *(one = fields_text(f, "", "alarms.%d.name", i)); i++) {
        if (strcmp(one, name) != 0) continue;
        *since_ms = fields_number(f, 0, "alarms.%d.since_ms", i);
        return true;
    }
    return false;
}

/* Each known one, so that a rule can wait for it to become 1. */
static void add_alarms(const struct metrics_input *in, struct buf *out) {
    static const char *const others[] = {"disk-low", "backup-failed", "data-differs",
                                         "clock-differs"};
    char labels[96];
    int64_t since = 0;
    if (!in->had.count) return;
    head(out, "duet_alarm", false, "An alarm that is on has 1.");
    for (int a = 0; a < HA_ALARMS + 4; a++) {
        const char *name = a < HA_ALARMS ? ha_alarm_name((enum ha_alarm)a) : others[a - HA_ALARMS];
        snprintf(labels, sizeof labels, "alarm=\"%s\"", name);
        sample(out, "duet_alarm", labels, alarm_is_on(&in->had, name, &since), 1);
    }
}

static void add_instances(const struct metrics_input *in, struct buf *out) {
    char labels[64];
    static const char *const roles[] = {"none", "slave", "master"};
    if (!in->instances) return;
    head(out, "duet_instance_up", false, "The instance's server answers.");
    for (int i = 0; i < in->instances; i++) {
        snprintf(labels, sizeof labels, "instance=\"%d\"", in->instance[i].number);
        sample(out, "duet_instance_up", labels, in->instance[i].duet.count > 0, 1);
    }
    head(out, "duet_instance_role", false, "The role that its server has is 1.");
    for (int i = 0; i < in->instances; i++)
        for (int r = 0; r < 3; r++) {
            const char *role = fields_text(&in->instance[i].duet, "", "role");
            if (!*role) continue;
            snprintf(labels, sizeof labels, "instance=\"%d\",role=\"%s\"", in->instance[i].number,
                     roles[r]);
            sample(out, "duet_instance_role", labels, strcmp(role, roles[r]) == 0, 1);
        }
    head(out, "duet_instance_durability", false, "The level that a write waits for is 1.");
    for (int i = 0; i < in->instances; i++) {
        const char *level = fields_text(&in->instance[i].duet, "", "durability");
        char word[96];
        if (!*level) continue;
        snprintf(labels, sizeof labels, "instance=\"%d\",level=\"%.20s\"", in->instance[i].number,
                 label(level, word));
        sample(out, "duet_instance_durability", labels, 1, 1);
    }
    head(out, "duet_instance_backup_age_seconds", false, "Age of the newest good backup set.");
    for (int i = 0; i < in->instances; i++) {
        snprintf(labels, sizeof labels, "instance=\"%d\"", in->instance[i].number);
        if (in->instance[i].backup_age_s >= 0)
            sample(out, "duet_instance_backup_age_seconds", labels, in->instance[i].backup_age_s,
                   1);
    }
}

void metrics_text(const struct metrics_input *in, struct buf *out) {
    add_node(in, out);
    add_states(in, out);
    add_alarms(in, out);
    add_instances(in, out);
    add_rows(in, out);
}
