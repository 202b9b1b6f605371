/* SUBSCRIBE and its kin, PUBLISH, SPUBLISH, PUBSUB. */
#include "server/server.h"

#include "server/base/glob.h"
#include "server/client.h"
#include "server/pubsub.h"

#include <ctype.h>
#include <string.h>

/* Where each command is owed one reply nobody can subscribe; EXEC lets it pass, as it always has. */
static bool is_denied(struct call *c, bool in_exec_too) {
    char name[32];
    size_t n = strlen(c->command->name);
    if (!(c->flags & CALL_DENY_BLOCKING) || (c->flags & CALL_IN_EXEC && !in_exec_too)) return false;
    for (size_t i = 0; i <= n; i++) name[i] = (char)toupper((unsigned char)c->command->name[i]);
    reply_errorf(c, "ERR %s isn't allowed for a DENY BLOCKING client", name);
    return true;
}

static void subscribe_to(struct call *c, enum pubsub_kind kind) {
    if (is_denied(c, kind == PUBSUB_SHARD)) return;
    for (int i = 1; i < c->argc; i++) pubsub_subscribe(c->client, kind, c->argv[i]);
}

static void unsubscribe_from(struct call *c, enum pubsub_kind kind) {
    if (c->argc == 1) pubsub_unsubscribe_all(c->client, kind);
    for (int i = 1; i < c->argc; i++) pubsub_unsubscribe(c->client, kind, c->argv[i]);
}

static void cmd_subscribe(struct call *c) {
    subscribe_to(c, PUBSUB_CHANNEL);
}

static void cmd_psubscribe(struct call *c) {
    subscribe_to(c, PUBSUB_PATTERN);
}

static void cmd_ssubscribe(struct call *c) {
    subscribe_to(c, PUBSUB_SHARD);
}

static void cmd_unsubscribe(struct call *c) {
    unsubscribe_from(c, PUBSUB_CHANNEL);
}

static void cmd_punsubscribe(struct call *c) {
    unsubscribe_from(c, PUBSUB_PATTERN);
}

static void cmd_sunsubscribe(struct call *c) {
    unsubscribe_from(c, PUBSUB_SHARD);
}

/* Slaves' subscribers get it too. With nobody to hear it, the stream (and so the log) is spared: a message that is
 * missed is missed. */
static void publish(struct call *c, bool shard) {
    if (c->flags & CALL_LOADING) return;
    int64_t n = pubsub_publish(shard, c->argv[1], c->argv[2]);
    if (server.role == REPL_MASTER && server.repl && repl_slave_count(server.repl))
        call_propagate_as(c, c->argc, c->argv);
    reply_int(c, n);
}

static void cmd_publish(struct call *c) {
    publish(c, false);
}

static void cmd_spublish(struct call *c) {
    publish(c, true);
}

/* ---- PUBSUB ---------------------------------------------------------------------------------- */

struct listing {
    struct call *call;
    const struct bytes *pattern; /* NULL: all */
    size_t count;
};

static void list_one(void *arg, struct bytes name) {
    struct listing *l = arg;
    if (l->pattern && !glob_match(*l->pattern, name, false)) return;
    reply_bulk(l->call, name);
    l->count++;
}

static void channels(struct call *c, enum pubsub_kind kind) {
    struct listing l = {c, c->argc == 3 ? &c->argv[2] : NULL, 0};
    if (c->argc > 3) {
        reply_errorf(c,
                     "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try PUBSUB "
                     "HELP.",
                     (int)c->argv[1].len, c->argv[1].p);
        return;
    }
    size_t mark = resp_array_later(c->out);
    pubsub_each(kind, list_one, &l);
    resp_array_count(c->out, mark, l.count);
}

static void numsub(struct call *c, enum pubsub_kind kind) {
    reply_array(c, 2 * ((size_t)c->argc - 2));
    for (int i = 2; i < c->argc; i++) {
        reply_bulk(c, c->argv[i]);
        reply_int(c, (int64_t)pubsub_subscribers(kind, c->argv[i]));
    }
}

static void pubsub_channels(struct call *c) {
    channels(c, PUBSUB_CHANNEL);
}

static void pubsub_shardchannels(struct call *c) {
    channels(c, PUBSUB_SHARD);
}

static void pubsub_numsub(struct call *c) {
    numsub(c, PUBSUB_CHANNEL);
}

static void pubsub_shardnumsub(struct call *c) {
    numsub(c, PUBSUB_SHARD);
}

static void pubsub_numpat(struct call *c) {
    reply_int(c, (int64_t)pubsub_names(PUBSUB_PATTERN));
}

static void pubsub_help(struct call *c) {
    static const char *const lines[] = {"CHANNELS [<pattern>]",
                                        "    Channels that somebody subscribes to.",
                                        "NUMPAT",
                                        "    How many patterns are subscribed to.",
                                        "NUMSUB [<channel> ...]",
                                        "    How many subscribe to each of these channels.",
                                        "SHARDCHANNELS [<pattern>]",
                                        "    Shard channels that somebody subscribes to.",
                                        "SHARDNUMSUB [<shardchannel> ...]",
                                        "    How many subscribe to each of these shard channels.",
                                        NULL};
    reply_help(c, lines);
}

void register_pubsub_commands(void) {
    command_set_function("subscribe", cmd_subscribe);
    command_set_function("psubscribe", cmd_psubscribe);
    command_set_function("ssubscribe", cmd_ssubscribe);
    command_set_function("unsubscribe", cmd_unsubscribe);
    command_set_function("punsubscribe", cmd_punsubscribe);
    command_set_function("sunsubscribe", cmd_sunsubscribe);
    command_set_function("publish", cmd_publish);
    command_set_function("spublish", cmd_spublish);
    command_set_function("pubsub|channels", pubsub_channels);
    command_set_function("pubsub|shardchannels", pubsub_shardchannels);
    command_set_function("pubsub|numsub", pubsub_numsub);
    command_set_function("pubsub|shardnumsub", pubsub_shardnumsub);
    command_set_function("pubsub|numpat", pubsub_numpat);
    command_set_function("pubsub|help", pubsub_help);
}
