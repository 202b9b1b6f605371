/* COMMAND, COMMAND INFO, COUNT, LIST: the command table as clients ask for it. */
#include "server/cmd_command.h"

#include "server/base/buf.h"
#include "server/base/glob.h"
#include "server/cmd/doc.h"
#include "server/server.h"

#include <stdio.h>

/* Not named: what is Duet's own, and what Redis keeps to itself (may_replicate). */
static const struct bit_name flag_names[] = {
    {CMD_WRITE, "write"},
    {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_BLOCKING, "blocking"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_SKIP_MONITOR, "skip_monitor"},
    {CMD_SKIP_SLOWLOG, "skip_slowlog"},
    {CMD_ASKING, "asking"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
    {CMD_MOVABLE_KEYS, "movablekeys"},
    {CMD_ALLOW_BUSY, "allow_busy"},
    {0, NULL},
};

const struct bit_name acl_category_names[] = {
    {ACL_KEYSPACE, "keyspace"},
    {ACL_READ, "read"},
    {ACL_WRITE, "write"},
    {ACL_SET, "set"},
    {ACL_SORTEDSET, "sortedset"},
    {ACL_LIST, "list"},
    {ACL_HASH, "hash"},
    {ACL_STRING, "string"},
    {ACL_BITMAP, "bitmap"},
    {ACL_HYPERLOGLOG, "hyperloglog"},
    {ACL_GEO, "geo"},
    {ACL_STREAM, "stream"},
    {ACL_PUBSUB, "pubsub"},
    {ACL_ADMIN, "admin"},
    {ACL_FAST, "fast"},
    {ACL_SLOW, "slow"},
    {ACL_BLOCKING, "blocking"},
    {ACL_DANGEROUS, "dangerous"},
    {ACL_CONNECTION, "connection"},
    {ACL_TRANSACTION, "transaction"},
    {ACL_SCRIPTING, "scripting"},
    {0, NULL},
};

uint32_t acl_category_by_name(struct bytes name) {
    for (const struct bit_name *n = acl_category_names; n->name; n++)
        if (bytes_is(name, n->name)) return n->bit;
    return 0;
}

void reply_bits(struct call *c, uint32_t bits, const struct bit_name *names, const char *prefix) {
    size_t count = 0;
    for (const struct bit_name *n = names; n->name; n++) count += (bits & n->bit) != 0;
    reply_set(c, count);
    for (const struct bit_name *n = names; n->name; n++) {
        char text[40];
        if (!(bits & n->bit)) continue;
        snprintf(text, sizeof text, "%s%s", prefix, n->name);
        reply_status(c, text);
    }
}

/* --- what is seen --- */

unsigned seen_edition(const struct call *c) {
    return c->flags & CALL_CONTROL ? 0 : server.edition;
}

bool command_is_shown(const struct call *c, const struct command *cmd) {
    if (cmd->flags & CMD_HIDDEN && !(c->flags & CALL_CONTROL)) return false;
    return command_exists(cmd, seen_edition(c)) || (cmd->parent && cmd->parent->fn && !cmd->fn &&
                                                    command_exists(cmd->parent, seen_edition(c)));
}

int commands_shown(const struct call *c) {
    int n = 0;
    for (int id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        n += !cmd->parent && command_is_shown(c, cmd);
    }
    return n;
}

int subcommands_shown(const struct call *c, const struct command *cmd) {
    int n = 0;
    for (int id = 0; cmd->has_subcommands && id < command_count(); id++) {
        const struct command *sub = command_by_id(id);
        n += sub->parent == cmd && command_is_shown(c, sub);
    }
    return n;
}

static const struct command *named(const struct call *c, struct bytes name) {
    const struct command *cmd = command_named(name, seen_edition(c));
    return cmd && command_is_shown(c, cmd) ? cmd : NULL;
}

/* --- a row --- */

static void reply_tips(struct call *c, const struct command *cmd) {
    const struct command_doc *doc = command_doc(cmd);
    const char *tip = doc && doc->tips ? doc->tips : "";
    size_t count = *tip != '\0';
    for (const char *p = tip; *p; p++) count += *p == ' ';
    reply_set(c, count);
    while (count--) {
        size_t n = strcspn(tip, " ");
        reply_bulk(c, (struct bytes){tip, n});
        tip += n + 1;
    }
}

static void reply_row(struct call *c, const struct command *cmd) {
    int subs = subcommands_shown(c, cmd);
    reply_array(c, 10);
    reply_bulk_str(c, cmd->name);
    reply_int(c, cmd->arity);
    reply_bits(c, cmd->flags, flag_names, "");
    reply_int(c, cmd->first);
    reply_int(c, cmd->last);
    reply_int(c, cmd->step);
    reply_bits(c, cmd->acl, acl_category_names, "@");
    reply_tips(c, cmd);
    reply_key_specs(c, cmd);
    if (!subs) {
        reply_set(c, 0);
        return;
    }
    reply_array(c, (size_t)subs);
    for (int id = 0; id < command_count(); id++) {
        const struct command *sub = command_by_id(id);
        if (sub->parent == cmd && command_is_shown(c, sub)) reply_row(c, sub);
    }
}

static void cmd_command(struct call *c) {
    reply_array(c, (size_t)commands_shown(c));
    for (int id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        if (!cmd->parent && command_is_shown(c, cmd)) reply_row(c, cmd);
    }
}

static void command_info(struct call *c) {
    if (c->argc == 2) {
        cmd_command(c);
        return;
    }
    reply_array(c, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        const struct command *cmd = named(c, c->argv[i]);
        if (cmd)
            reply_row(c, cmd);
        else
            reply_null(c);
    }
}

static void command_count_(struct call *c) {
    reply_int(c, commands_shown(c));
}

/* --- LIST [FILTERBY MODULE|ACLCAT|PATTERN value] --- */

static bool passes(const struct call *c, const struct command *cmd) {
    if (c->argc == 2) return true;
    struct bytes value = c->argv[4];
    if (bytes_is(c->argv[3], "pattern"))
        return glob_match(value, (struct bytes){cmd->name, strlen(cmd->name)}, true);
    return bytes_is(c->argv[3], "aclcat") && cmd->acl & acl_category_by_name(value);
}

static void command_list(struct call *c) {
    bool filtered = c->argc == 5 && bytes_is(c->argv[2], "filterby") &&
                    (bytes_is(c->argv[3], "pattern") || bytes_is(c->argv[3], "aclcat") ||
                     bytes_is(c->argv[3], "module"));
    if (c->argc != 2 && !filtered) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    size_t mark = resp_array_later(c->out), n = 0;
    for (int id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        if (!command_is_shown(c, cmd) || !passes(c, cmd)) continue;
        reply_bulk_str(c, cmd->name);
        n++;
    }
    resp_array_count(c->out, mark, n);
}

static void command_help(struct call *c) {
    static const char *const lines[] = {
        "(no subcommand)",
        "    Every command, with arity, flags and keys.",
        "COUNT",
        "    How many commands there are.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    Names of commands.",
        "INFO [<command-name> ...]",
        "    As without a subcommand, for some.",
        "DOCS [<command-name> ...]",
        "    What they are for, their arguments and history.",
        "GETKEYS <full-command>",
        "    Which of its words are keys.",
        "GETKEYSANDFLAGS <full-command>",
        "    The same with how each is used.",
        NULL};
    reply_help(c, lines);
}

void register_command_commands(void) {
    command_set_function("command", cmd_command);
    command_set_function("command|count", command_count_);
    command_set_function("command|docs", command_docs);
    command_set_function("command|getkeys", command_getkeys);
    command_set_function("command|getkeysandflags", command_getkeysandflags);
    command_set_function("command|help", command_help);
    command_set_function("command|info", command_info);
    command_set_function("command|list", command_list);
}
