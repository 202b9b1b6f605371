/* See admit.h. */
#include "server/admit.h"

#include "server/base/log.h"
#include "server/batch.h"
#include "server/client.h"
#include "server/control.h"
#include "server/dispatch.h"
#include "server/edition.h"
#include "server/evict.h"
#include "server/monitor.h"
#include "server/pair.h"
#include "server/scripts.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A refused EXEC discards its transaction and says so, even when there is none. */
static void reply_refusal(struct call *c, const struct command *cmd, const char *text) {
    struct client *client = c->client;
    if (!cmd || cmd->fn != multi_exec) {
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
    if (!r->cmd || c->argc > 1) ((struct client *)c->client)->last_command = NULL;
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

/* DEBUG and what loads modules need a directive's leave; there is none for modules. */
static const char *protection(const struct client *client, const struct command *cmd) {
#define NOT_ALLOWED(command, directive)                                                            \
    "ERR " command " command not allowed. If the " directive " option is set to \"local\", you "   \
    "can run it from a local connection, otherwise you need to set this option in the "            \
    "configuration file, and then restart the server."
    int mode = server.config.enable_debug;
    if (!(cmd->flags & CMD_ADMIN)) return NULL;
    if (!strcmp((cmd->parent ? cmd->parent : cmd)->name, "debug"))
        return client->control || mode == 1 || (mode == 2 && client->local)
                   ? NULL
                   : NOT_ALLOWED("DEBUG", "enable-debug-command");
    if (cmd->parent && !strcmp(cmd->parent->name, "module") && strcmp(cmd->name, "module|list"))
        return NOT_ALLOWED("MODULE", "enable-module-command");
    return NULL;
}

/* Who asks: authenticated, and not for what no transaction may hold. */
static bool check_client(struct call *c, const struct client *client, const struct command *cmd) {
    if (!client->authenticated && *server.config.requirepass && !(cmd->flags & CMD_NO_AUTH))
        return refuse(c, cmd, "NOAUTH Authentication required.");
    if (cmd->flags & CMD_NO_MULTI && multi_active(client))
        return refuse(c, cmd, "ERR Command not allowed inside a transaction");
    return true;
}

/* Memory, disk and slaves, as far as the command writes (or fills a queue). */
static bool check_write(struct call *c, const struct command *cmd, uint32_t flags) {
    if (server.config.maxmemory && !evict_make_room() &&
        (flags & CMD_DENYOOM || (multi_active(c->client) && !multi_is_control(cmd))))
        return refuse(c, cmd, "OOM command not allowed when used memory > 'maxmemory'.");
    if (server.write_failure && (flags & CMD_WRITE || !strcmp(cmd->name, "ping"))) {
        char text[256];
        snprintf(text, sizeof text, "MISCONF Errors writing to the AOF file: %s",
                 server.write_failure);
        return refuse(c, cmd, text);
    }
    if (!(flags & CMD_WRITE)) return true;
    if (server.config.min_slaves && server.config.min_slaves_lag_s && server.role == REPL_MASTER &&
        repl_good_slaves(server.repl) < server.config.min_slaves)
        return refuse(c, cmd, "NOREPLICAS Not enough good replicas to write.");
    const struct client *client = c->client;
    if (server.role == REPL_SLAVE && server.config.slave_read_only &&
        (!client->control || client->importer))
        return refuse(c, cmd, "READONLY You can't write against a read only replica.");
    if (server.importing && !client->control) return refuse(c, cmd, CONTROL_IMPORT_REFUSAL);
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

/* What this node may do at all now: as a slave with stale data, while loading. lacking: flags that the
 * command, or one in the queue that EXEC would run, has not. */
static bool check_state(struct call *c, const struct command *cmd, uint32_t lacking) {
    bool slave = server.role == REPL_SLAVE;
    if (slave && !server.link_up && !server.config.serve_stale && lacking & CMD_STALE)
        return refuse(c, cmd,
                      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to "
                      "'no'.");
    if (slave && (cmd->keys || cmd->flags & CMD_WHOLE_KEYSPACE) && !edition_slave_is_read())
        return refuse(c, cmd,
                      "MASTERDOWN this node is the slave and not opened for reads (slave-reads)");
    if (server_loading() && lacking & CMD_LOADING)
        return refuse(c, cmd, "LOADING Redis is loading the dataset in memory");
    return true;
}

/* From inside a slow script. had's questions are answered. */
static bool check_busy(struct call *c, const struct client *client, const struct command *cmd) {
    if (cmd->flags & CMD_ALLOW_BUSY) return true;
    if (client->control &&
        (cmd->flags & CMD_HIDDEN || !strcmp(cmd->name, "ping") || !strcmp(cmd->name, "info")))
        return true;
    return refuse(c, cmd, ERR_BUSY);
}

/* To Redis, who monitors is a replica. */
static bool check_monitor(struct call *c, const struct command *cmd, uint32_t flags) {
    const struct client *client = c->client;
    if (client->only_pubsub || !(flags & (CMD_READONLY | CMD_WRITE | CMD_MAY_REPLICATE)))
        return true;
    return refuse(c, cmd, "ERR Replica can't interact with the keyspace");
}

/* The order is that of redis-server's processCommand; a node without a role comes before what a master checks. */
static bool admit_all(struct call *c, struct client *client, const struct request *r) {
    const struct command *cmd = r->cmd;
    if (!cmd || r->bad_subcommand) return refuse_unknown(c, r);
    if (cmd->flags & CMD_HIDDEN && !client->control) {
        reply_unknown_command(c);
        multi_mark_failed(client);
        return false;
    }
    if (!command_arity_fits(cmd, c->argc)) return refuse_arity(c, cmd);
    const char *why = protection(client, cmd);
    if (why) return refuse(c, cmd, why);
    if (!check_client(c, client, cmd)) return false;
    bool exec = cmd->fn == multi_exec;
    uint32_t own = scripts_command_flags(cmd, c->argc, c->argv);
    uint32_t flags = own | (exec ? multi_flags(client) : 0);
    uint32_t lacking = ~own | (exec ? multi_lacking(client) : 0);
    why = client->control && !client->importer ? NULL : pair_refusal();
    if (why && lacking & CMD_LOADING) return refuse(c, cmd, why);
    if (!scripts_nested && !check_write(c, cmd, flags)) return false;
    if (client->only_pubsub && !check_subscriber(c, cmd)) return false;
    if (scripts_nested && !check_busy(c, client, cmd)) return false;
    if (client->control) return true;
    if (!check_state(c, cmd, lacking)) return false;
    if (client->restricted && !check_monitor(c, cmd, flags)) return false;
    why = edition_limits_words() ? edition_refusal(cmd, c->argc, c->argv) : NULL;
    return !why || refuse(c, cmd, why);
}

/* An importer has sent more already, which builds upon what was refused: none of it may run. */
bool admit(struct call *c, struct client *client, const struct request *r) {
    bool well = admit_all(c, client, r);
    if (!well && client->importer) client->close_after_reply = true;
    return well;
}
