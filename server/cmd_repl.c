/* REPLICAOF, ROLE, REPLCONF and PSYNC: replication as clients and slaves ask for it. */
#include "server/server.h"

#include "server/base/log.h"
#include "server/base/num.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/failover.h"
#include "server/pair.h"

#include <stdio.h>
#include <stdlib.h>

/* In a pair had owns the role. */
static bool hactl_owns(struct call *c) {
    if (!pair_on() || c->flags & CALL_CONTROL) return false;
    reply_error(c, PAIR_OWNS_ROLES);
    return true;
}

static bool is_ready(struct call *c) {
    if (server.repl) return true;
    reply_error(c, "LOADING Redis is loading the dataset in memory");
    return false;
}

void server_name_master(const char *host, int64_t port) {
    free(server.config.master_host);
    server.config.master_host = xstrdup(host);
    server.config.master_port = port;
}

static void no_one(struct call *c) {
    char err[200];
    if (server.role == REPL_MASTER || repl_master(server.repl, err, sizeof err)) {
        server_name_master("", 0);
        server_refresh();
        reply_ok(c);
        return;
    }
    reply_errorf(c, "ERR %s", err);
}

static void cmd_replicaof(struct call *c) {
    int64_t port;
    char host[256];
    if (hactl_owns(c) || !is_ready(c)) return;
    if (server.failing_over) {
        reply_error(c, "ERR REPLICAOF not allowed while failing over.");
        return;
    }
    if (bytes_is(c->argv[1], "no") && bytes_is(c->argv[2], "one")) {
        no_one(c);
        return;
    }
    if (!num_parse_i64(c->argv[2].p, c->argv[2].len, &port) || port < 0 || port > 65535) {
        reply_error(c, "ERR Invalid master port");
        return;
    }
    if (c->argv[1].len >= sizeof host) {
        reply_error(c, "ERR Invalid master host");
        return;
    }
    snprintf(host, sizeof host, "%.*s", (int)c->argv[1].len, c->argv[1].p);
    if (server.role == REPL_SLAVE && server.config.master_port == port &&
        !strcmp(server.config.master_host, host)) {
        reply_status(c, "OK Already connected to specified master");
        return;
    }
    server_name_master(host, port);
    log_notice("following %s:%lld, as a client asked for", host, (long long)port);
    repl_follow(server.repl, host, (uint16_t)port, false);
    server_refresh();
    reply_ok(c);
}

/* --- ROLE --- */

static const char *link_word(const struct repl_status *s) {
    switch (s->link) {
    case REPL_LINK_OFF:
    case REPL_LINK_CONNECT: return "connect";
    case REPL_LINK_CONNECTING: return "connecting";
    case REPL_LINK_HANDSHAKE: return "handshake";
    case REPL_LINK_SYNC: return "sync";
    case REPL_LINK_CONNECTED: return "connected";
    }
    return "unknown";
}

static void role_of_slave(struct call *c, const struct repl_status *s) {
    reply_array(c, 5);
    reply_bulk_str(c, "slave");
    reply_bulk_str(c, s->master_host);
    reply_int(c, s->master_port);
    reply_bulk_str(c, link_word(s));
    reply_int(c, s->link == REPL_LINK_CONNECTED ? (int64_t)s->offset : -1);
}

static void role_of_master(struct call *c, const struct repl_status *s) {
    enum { MOST = 64 };
    struct repl_slave_info slaves[MOST];
    size_t n = repl_slaves(server.repl, slaves, MOST), online = 0;
    if (n > MOST) n = MOST;
    for (size_t i = 0; i < n; i++) online += !strcmp(slaves[i].state, "online");
    reply_array(c, 3);
    reply_bulk_str(c, "master");
    reply_int(c, (int64_t)s->offset);
    reply_array(c, online);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(slaves[i].state, "online")) continue;
        reply_array(c, 3);
        reply_bulk_str(c, slaves[i].host);
        resp_bulk_int(c->out, slaves[i].port);
        resp_bulk_int(c->out, (int64_t)slaves[i].offset);
    }
}

static void cmd_role(struct call *c) {
    struct repl_status s = {0};
    if (server.repl) repl_status(server.repl, &s);
    if (server.role != REPL_MASTER) {
        role_of_slave(c, &s);
    } else if (server.repl) {
        role_of_master(c, &s);
    } else {
        reply_array(c, 3);
        reply_bulk_str(c, "master");
        reply_int(c, 0);
        reply_array(c, 0);
    }
}

/* --- slaves' connections --- */

/* PSYNC id offset FAILOVER: the master hands over to us, who have all that it has. */
static bool take_over(struct call *c) {
    char err[200];
    if (hactl_owns(c)) return false;
    log_warning("Failover request received for replid %.*s.", (int)c->argv[1].len, c->argv[1].p);
    if (server.role != REPL_SLAVE) {
        reply_error(c, "ERR PSYNC FAILOVER can't be sent to a master.");
        return false;
    }
    if (!bytes_is(c->argv[1], repl_id(server.repl))) {
        reply_error(c, "ERR PSYNC FAILOVER replid must match my replid.");
        return false;
    }
    if (!repl_master(server.repl, err, sizeof err)) {
        reply_errorf(c, "ERR %s", err);
        return false;
    }
    server_name_master("", 0);
    log_notice("MASTER MODE enabled (failover request of the master)");
    server_refresh();
    return true;
}

/* The connection is a slave's from now on, when repl takes it. */
static void become_slave(struct call *c, int words) {
    struct client *me = c->client;
    struct buf unread = BUF_INIT, reply = BUF_INIT;
    client_unread(me, &unread);
    repl_conf_of(&me->repl_conf, me->id, me->created_ns);
    if (repl_take(server.repl, &me->repl_conf, words, c->argv, me->conn.stream, &me->out, &unread,
                  &reply))
        client_forget_stream(me);
    else
        resp_raw(c->out, buf_head(&reply), buf_len(&reply));
    buf_free(&reply);
    buf_free(&unread);
}

static bool can_be_slave(struct call *c) {
    const struct client *me = c->client;
    if (buf_len(&me->out))
        reply_error(c, "ERR SYNC and PSYNC are invalid with pending output");
    else if (me->control || c->flags & CALL_IN_EXEC)
        reply_error(c, "ERR this connection cannot become a slave's");
    else
        return true;
    return false;
}

void cmd_replconf(struct call *c) {
    struct client *me = c->client;
    if (!is_ready(c)) return;
    if (c->argc < 2 || !bytes_is(c->argv[1], "duet-pair"))
        repl_conf(server.repl, &me->repl_conf, c->argc, c->argv, me->conn.stream, c->out);
    else if (can_be_slave(c))
        become_slave(c, c->argc);
}

void cmd_psync(struct call *c) {
    int64_t offset;
    if (!is_ready(c)) return;
    if (!can_be_slave(c)) return;
    if (c->argc > 3 && bytes_is(c->argv[3], "failover") && !take_over(c)) return;
    if (server.failing_over) {
        reply_error(c, "NOMASTERLINK Can't SYNC while failing over");
        return;
    }
    if (c->argc == 3 && !num_parse_i64(c->argv[2].p, c->argv[2].len, &offset)) {
        reply_error(c, ERR_NOT_INT);
        return;
    }
    /* what else there may be means nothing here, as in Redis */
    become_slave(c, c->argc > 3 ? 3 : c->argc);
}

void register_repl_commands(void) {
    command_set_function("replicaof", cmd_replicaof);
    command_set_function("slaveof", cmd_replicaof);
    command_set_function("role", cmd_role);
    command_set_function("replconf", cmd_replconf);
    command_set_function("psync", cmd_psync);
    command_set_function("sync", cmd_psync);
    command_set_function("failover", cmd_failover);
}
