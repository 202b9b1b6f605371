/* The control socket: had steers the server by DUET commands, as an ordinary RESP client. It is
 * answered while loading and without a lease, and never held. */
#include "server/control.h"
#include "server/pair.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/client.h"
#include "server/output.h"
#include "server/peer_clients.h"
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int listen_fd = -1;
static struct loop_io *listen_io;
static const char *socket_path;

static void on_accept(struct loop *l, void *arg, int revents) {
    (void)l, (void)arg, (void)revents;
    int fd;
    while ((fd = sock_accept(listen_fd)) >= 0) client_new(stream_plain(fd), true, true);
}

void control_take(void) {
    if (listen_fd >= 0) on_accept(server.loop, NULL, LOOP_READ);
}

bool control_open(const char *path, char *err, size_t err_size) {
    struct sock_error why;
    listen_fd = sock_listen_unix(path, 0600, 64, &why);
    if (listen_fd < 0) {
        snprintf(err, err_size, "%s", why.text);
        return false;
    }
    socket_path = path;
    listen_io = loop_io_new(server.loop, listen_fd, on_accept, NULL);
    loop_io_want(listen_io, LOOP_READ);
    return true;
}

void control_close(void) {
    if (listen_fd < 0) return;
    loop_io_free(listen_io);
    close(listen_fd);
    unlink(socket_path);
    listen_fd = -1;
}

/* --- DUET STATUS --- */

/* What will never be on disk is older than any limit: had hands over. */
enum { FSYNC_FAILED_AGE_MS = 24 * 3600 * 1000 };

void answer_number(struct answer *f, const char *name, uint64_t v) {
    resp_bulk_str(&f->body, name);
    resp_bulkf(&f->body, "%llu", (unsigned long long)v);
    f->count += 2;
}

void answer_word(struct answer *f, const char *name, const char *v) {
    resp_bulk_str(&f->body, name);
    resp_bulk_str(&f->body, v);
    f->count += 2;
}

void answer_send(struct answer *f, struct buf *out) {
    resp_array(out, f->count);
    resp_raw(out, buf_head(&f->body), buf_len(&f->body));
    buf_free(&f->body);
}

static uint64_t keys_in_all(void) {
    uint64_t n = 0;
    for (int db = 0; db < store_databases(server.store); db++) n += store_count(server.store, db);
    return n;
}

static uint64_t service_clients(void) {
    uint64_t n = 0;
    for (const struct client *one = server.clients; one; one = one->next) n += !one->control;
    return n;
}

/* What this node had and a master lacked, and nobody has dealt with. */
static void tail_fields(struct answer *f, const struct repl_status *r) {
    answer_number(f, "tails", r->tails.count);
    answer_number(f, "tail_writes", r->tails.writes);
    answer_number(f, "tail_keys", r->tails.keys);
    answer_word(f, "tail_newest", r->tails.newest);
    answer_number(f, "tail_saving", r->tail_saving);
    answer_number(f, "tail_wholes", r->tails.wholes);
}

static void link_fields(struct answer *f, const struct repl_status *r) {
    static const char *const roles[] = {
        [REPL_MASTER] = "master", [REPL_SLAVE] = "slave", [REPL_NONE] = "none"};
    answer_word(f, "role", roles[server.role]);
    answer_number(f, "epoch", pair_epoch());
    answer_number(f, "session", r->session);
    answer_word(f, "replid", r->id);
    answer_number(f, "offset", r->offset);
    answer_number(f, "acked", r->acked);
    answer_number(f, "insync_link", r->insync_link);
    answer_number(f, "alone", r->alone);
    answer_number(f, "whole", r->whole);
    answer_number(f, "rejoin_tail", r->rejoin_tail);
    tail_fields(f, r);
    answer_number(f, "apply_errors", r->apply_errors);
    answer_number(f, "diverged", r->diverged);
    answer_number(f, "divergences", r->divergences);
    answer_number(f, "link_stalls", r->stalls);
    answer_word(f, "durability", config_word("durability"));
}

/* The pair's slave: how late it is; and how many slaves there are. */
static void slave_fields(struct answer *f) {
    enum { MOST = 64 };
    struct repl_slave_info all[MOST];
    size_t n = server.repl && server.role == REPL_MASTER ? repl_slaves(server.repl, all, MOST) : 0;
    uint64_t behind_ms = 0;
    for (size_t i = 0; i < n && i < MOST; i++)
        if (all[i].pair) behind_ms = all[i].behind_ms;
    answer_number(f, "slaves", n);
    answer_number(f, "slave_lag_ms", behind_ms);
}

/* Whom the other node could reset after a takeover: as master whom it is told of, as slave whom it was told of. */
static void client_fields(struct answer *f) {
    struct peer_clients_counts n;
    peer_clients_counts(&n);
    answer_number(f, "clients_beyond", n.beyond);
    answer_number(f, "peer_clients", n.known);
    answer_number(f, "peer_clients_beyond", n.known_beyond);
}

static void duet_status(struct call *c) {
    struct repl_status r = {.whole = true};
    struct persist_status p = {0};
    struct answer f = {BUF_INIT, 0};
    uint64_t oldest = output_oldest_held_ns(), now = clock_boot_ns();
    if (server.repl) repl_status(server.repl, &r);
    if (server.persist) persist_status(server.persist, &p);
    link_fields(&f, &r);
    slave_fields(&f);
    answer_number(&f, "held", output_held_count());
    answer_number(&f, "held_bytes", output_all_held_bytes());
    answer_number(&f, "held_oldest_ms", oldest && now > oldest ? (now - oldest) / NS_PER_MS : 0);
    /* A rollback is no reason to hand over: the slave was counted out before it. */
    answer_number(&f, "loading", server.loading || (r.loading && !server.rolling_back));
    answer_number(&f, "rolling_back", server.rolling_back);
    answer_number(&f, "boot_id", server.boot_id);
    answer_number(&f, "fsync_age_ms", p.failed ? FSYNC_FAILED_AGE_MS : p.fsync_age_ms);
    answer_number(&f, "fsync_failed", p.failed);
    answer_number(&f, "log_stuck", p.stuck);
    answer_number(&f, "fsync_delayed", p.delayed_fsyncs);
    answer_number(&f, "disk_free_bytes", p.disk_free_bytes);
    answer_number(&f, "disk_low", p.disk_low);
    resp_bulk_str(&f.body, "clock_step_ms");
    resp_bulkf(&f.body, "%lld", (long long)(clock_step_us() / 1000));
    f.count += 2;
    answer_number(&f, "clients", service_clients());
    client_fields(&f);
    answer_number(&f, "keys", keys_in_all());
    answer_send(&f, c->out);
}

/* --- roles --- */

static bool ready(struct call *c) {
    if (server.repl) return true;
    reply_error(c, "LOADING the log is still being read; ask again");
    return false;
}

static bool take_epoch(struct call *c, uint64_t *epoch) {
    if (num_parse_u64(c->argv[2].p, c->argv[2].len, epoch)) return true;
    reply_error(c, "ERR the epoch is not a number");
    return false;
}

/* Whoever was served as master's client must come back through the VIP; held replies never go. */
static void leave_mastership(const char *why) {
    server.had_pause_until_ns = 0;
    if (server.role != REPL_MASTER) return;
    uint64_t held = output_held_count();
    size_t n = client_close_service(false);
    log_notice("%s: %zu clients were disconnected, %llu held replies were not sent", why, n,
               (unsigned long long)held);
}

static void duet_master(struct call *c) {
    uint64_t epoch;
    char err[200];
    if (!ready(c) || !take_epoch(c, &epoch)) return;
    if (!repl_master(server.repl, err, sizeof err)) {
        reply_errorf(c, "ERR %s", err);
        return;
    }
    log_notice("master of epoch %llu", (unsigned long long)epoch);
    pair_set_epoch(epoch);
    server_refresh();
    reply_ok(c);
}

static void duet_slave(struct call *c) {
    uint64_t epoch, port;
    char host[128];
    if (!ready(c) || !take_epoch(c, &epoch)) return;
    if (!num_parse_u64(c->argv[4].p, c->argv[4].len, &port) || port < 1 || port > 65535 ||
        c->argv[3].len >= sizeof host) {
        reply_error(c, "ERR DUET SLAVE takes an epoch, an address and a port");
        return;
    }
    snprintf(host, sizeof host, "%.*s", (int)c->argv[3].len, c->argv[3].p);
    /* Both nodes have the same instances: when this one speaks TLS, so does its peer. */
    if (server.config.tls_port) port = (uint64_t)server.config.tls_port;
    leave_mastership("slave from now on");
    pair_set_epoch(epoch);
    repl_follow(server.repl, host, (uint16_t)port, true);
    server_refresh();
    reply_ok(c);
}

static void duet_none(struct call *c) {
    if (!ready(c)) return;
    leave_mastership("no role from now on");
    repl_none(server.repl);
    server_refresh();
    reply_ok(c);
}

static void duet_alone(struct call *c) {
    if (!ready(c)) return;
    bool alone = bytes_is(c->argv[2], "1");
    if (!alone && !bytes_is(c->argv[2], "0")) {
        reply_error(c, "ERR DUET ALONE takes 0 or 1");
        return;
    }
    repl_set_alone(server.repl, alone);
    server_refresh();
    reply_ok(c);
}

/* --- FSYNC, PAUSE, RESUME --- */

static void on_synced(void *arg, bool ok) {
    struct client *c = client_by_id((uint64_t)(uintptr_t)arg);
    if (c) c->sync_result = ok ? 1 : 2;
}

static void duet_fsync(struct call *c) {
    struct client *client = c->client;
    if (!ready(c)) return;
    repl_before_sleep(server.repl); /* what was executed so far is part of it */
    client->sync_result = 0;
    client_stall(client, STALL_SYNC);
    persist_sync(server.persist, on_synced, (void *)(uintptr_t)client->id);
}

static void duet_pause(struct call *c) {
    uint64_t ms;
    if (!ready(c)) return;
    if (!num_parse_u64(c->argv[2].p, c->argv[2].len, &ms)) {
        reply_error(c, "ERR DUET PAUSE takes milliseconds");
        return;
    }
    server.had_pause_until_ns = clock_boot_ns() + ms * NS_PER_MS;
    char text[40];
    snprintf(text, sizeof text, "OK %llu", (unsigned long long)repl_offset(server.repl));
    reply_status(c, text);
}

static void duet_resume(struct call *c) {
    server.had_pause_until_ns = 0;
    reply_ok(c);
}

/* DUET TAILS DISCARD id | DONE id sentence: an operator has dealt with it.
 * DUET TAILS PLAY: what this connection says from now on needs mastership and its lease, as what clients say. */
static void duet_tails(struct call *c) {
    char id[64], text[200];
    if (!ready(c)) return;
    if (bytes_is(c->argv[2], "play") && c->argc == 3) {
        ((struct client *)c->client)->importer = true;
        reply_ok(c);
        return;
    }
    bool done = bytes_is(c->argv[2], "done") && c->argc == 5;
    if ((!done && !(bytes_is(c->argv[2], "discard") && c->argc == 4)) ||
        c->argv[3].len >= sizeof id) {
        reply_error(c, "ERR DUET TAILS takes PLAY, DISCARD id, or DONE id sentence");
        return;
    }
    snprintf(id, sizeof id, "%.*s", (int)c->argv[3].len, c->argv[3].p);
    if (done) snprintf(text, sizeof text, "%.*s", (int)c->argv[4].len, c->argv[4].p);
    if (done ? repl_tail_done(server.repl, id, text) : repl_tail_discard(server.repl, id))
        reply_ok(c);
    else
        reply_errorf(c, "ERR there is no tail %s here, or it cannot be changed", id);
}

/* The kernel's wall clock is right: what ended by it ends. */
static void duet_clock(struct call *c) {
    if (!bytes_is(c->argv[2], "follow")) {
        reply_error(c, "ERR DUET CLOCK takes FOLLOW");
        return;
    }
    log_notice("the wall clock is followed again: it is %lld s ahead of the time in use",
               (long long)(clock_step_us() / 1000000));
    clock_follow();
    reply_ok(c);
}

struct verb {
    const char *name;
    int argc; /* negative: at least */
    void (*fn)(struct call *c);
};

static const struct verb verbs[] = {
    {"status", 2, duet_status},      {"master", 3, duet_master},
    {"slave", 5, duet_slave},        {"none", 2, duet_none},
    {"alone", 3, duet_alone},        {"fsync", 2, duet_fsync},
    {"pause", 3, duet_pause},        {"resume", 2, duet_resume},
    {"backup", -3, duet_backup},     {"log", -3, duet_log},
    {"rollback", -3, duet_rollback}, {"import", -3, duet_import},
    {"digest", 3, duet_digest},      {"peerclients", 2, peer_clients_give},
    {"tails", -3, duet_tails},       {"clock", 3, duet_clock},
};

void control_duet(struct call *c) {
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        const struct verb *v = &verbs[i];
        if (!bytes_is(c->argv[1], v->name)) continue;
        if (c->flags & CALL_IN_EXEC && v->fn != duet_import)
            reply_error(c, "ERR Command not allowed inside a transaction");
        else if (v->argc < 0 ? c->argc >= -v->argc : c->argc == v->argc)
            v->fn(c);
        else
            reply_errorf(c, "ERR DUET %s takes %s%d words", v->name, v->argc < 0 ? "at least " : "",
                         abs(v->argc) - 2);
        return;
    }
    reply_error(c, "ERR DUET takes STATUS, MASTER, SLAVE, NONE, ALONE, FSYNC, PAUSE, RESUME, "
                   "BACKUP, LOG, ROLLBACK, IMPORT, DIGEST, PEERCLIENTS, TAILS or CLOCK");
}
