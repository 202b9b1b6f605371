/* See admit.h. */
#include "server/admit.h"

#include "server/base/log.h"
#include "server/batch.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/evict.h"
#include "server/monitor.h"
#include "server/pair.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A refused EXEC discards its transaction and says so. */
static void reply_refusal(struct call *c, const struct command *cmd, const char *text) {
    struct client *client = c->client;
    if (!cmd || cmd->fn != multi_exec || !multi_active(client)) {
        reply_error(c, text);
        return;
    }
    multi_free(client);
    reply_errorf(c, "EXECABORT Transaction discarded because of: %s",
                 strncmp(text, "ERR ", 4) ? text : text + 4);
    if (monitor_count) monitor_tell_now(client, false, client->db, c->argc, c->argv);
}

static bool refuse(struct call *c, const struct command *cmd, const char *text) {
    reply_refusal(c, cmd, text);
    if (cmd) server.command_stats[cmd->id].rejected++;
    multi_mark_failed(c->client);
    return false;
}

/* A web page that makes a browser send commands in the lines of a request: it ends with the request's first line
 * that cannot be a client's. */
static bool is_http(struct bytes word) {
    return (word.len == 4 && !strncasecmp(word.p, "post", 4)) ||
           (word.len == 5 && !strncasecmp(word.p, "host:", 5));
}

static bool refuse_unknown(struct call *c, const struct request *r) {
    if (!r->cmd && is_http(c->argv[0])) {
        struct client *client = c->client;
        log_warning("closing client %llu: it speaks HTTP (POST or Host:), perhaps a browser that a "
                    "web page misuses",
                    (unsigned long long)client->id);
        client_close(client);
        return false;
    }
    if (!r->cmd)
        reply_unknown_command(c);
    else if (c->argc < 2)
        reply_wrong_arity(c, r->cmd);
    else
        reply_unknown_subcommand(c);
    multi_mark_failed(c->client);
    return false;
}

static bool refuse_arity(struct call *c, const struct command *cmd) {
    char text[120];
    snprintf(text, sizeof text, "ERR wrong number of arguments for '%s' command", cmd->name);
    return refuse(c, cmd, text);
}

static bool debug_is_allowed(const struct client *c) {
    int mode = server.config.enable_debug;
    return c->control || mode == 1 || (mode == 2 && c->local);
}

#define NO_DEBUG                                                                                   \
    "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you "  \
    "can run it from a local connection, otherwise you need to set this option in the "            \
    "configuration file, and then restart the server."

static bool is_debug(const struct command *cmd) {
    const struct command *top = cmd->parent ? cmd->parent : cmd;
    return !strcmp(top->name, "debug");
}

/* What this node may do at all in its role: loading, no role, slave with stale data. */
static bool check_role(struct call *c, const struct client *client, const struct command *cmd,
                       uint32_t flags) {
    if (client->control) return true;
    const char *none = pair_refusal();
    if (none && !(cmd->flags & CMD_LOADING)) return refuse(c, cmd, none);
    if (server_loading() && !(cmd->flags & CMD_LOADING))
        return refuse(c, cmd, "LOADING Redis is loading the dataset in memory");
    if (server.role != REPL_SLAVE) return true;
    if (flags & CMD_WRITE && server.config.slave_read_only)
        return refuse(c, cmd, "READONLY You can't write against a read only replica.");
    if (!server.link_up && !server.config.serve_stale && !(cmd->flags & CMD_STALE))
        return refuse(c, cmd,
                      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to "
                      "'no'.");
    return true;
}

/* What a write needs on a master. */
static bool check_write(struct call *c, const struct command *cmd, uint32_t flags) {
    if (server.config.maxmemory && !evict_make_room() &&
        (flags & CMD_DENYOOM || (multi_active(c->client) && !multi_is_control(cmd))))
        return refuse(c, cmd, "OOM command not allowed when used memory > 'maxmemory'.");
    if (!(flags & CMD_WRITE)) return true;
    if (server.write_failure) {
        char text[256];
        snprintf(text, sizeof text, "MISCONF Errors writing to the AOF file: %s",
                 server.write_failure);
        return refuse(c, cmd, text);
    }
    if (server.config.min_slaves && server.role == REPL_MASTER &&
        repl_good_slaves(server.repl) < server.config.min_slaves)
        return refuse(c, cmd, "NOREPLICAS Not enough good replicas to write.");
    return true;
}

/* With RESP2 a subscriber could not tell a reply from a message. */
static bool check_subscriber(struct call *c, const struct command *cmd) {
    static const char *const names[] = {"ping",         "subscribe",   "psubscribe",
                                        "ssubscribe",   "unsubscribe", "punsubscribe",
                                        "sunsubscribe", "quit",        "reset"};
    char text[200];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(cmd->name, names[i])) return true;
    snprintf(text, sizeof text,
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
             "are allowed in this context",
             cmd->name);
    return refuse(c, cmd, text);
}

bool admit(struct call *c, struct client *client, const struct request *r) {
    const struct command *cmd = r->cmd;
    if (!cmd || r->bad_subcommand) return refuse_unknown(c, r);
    if (!command_arity_fits(cmd, c->argc)) return refuse_arity(c, cmd);
    if (is_debug(cmd) && !debug_is_allowed(client)) return refuse(c, cmd, NO_DEBUG);
    if (cmd->flags & CMD_HIDDEN && !client->control) {
        reply_unknown_command(c);
        return false;
    }
    if (!client->authenticated && !(cmd->flags & CMD_NO_AUTH))
        return refuse(c, cmd, "NOAUTH Authentication required.");
    uint32_t flags = cmd->flags;
    if (cmd->fn == multi_exec) flags |= multi_flags(client);
    return (!client->only_pubsub || check_subscriber(c, cmd)) &&
           check_role(c, client, cmd, flags) && check_write(c, cmd, flags);
}
