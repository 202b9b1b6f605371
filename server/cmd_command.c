/* COMMAND and its subcommands: the command table as clients ask for it. */
#include "server/server.h"

#include "server/base/buf.h"
#include "server/base/glob.h"

#include <ctype.h>
#include <stdio.h>

struct bit_name {
    uint32_t bit;
    const char *name;
};

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
    {CMD_MAY_REPLICATE, "may_replicate"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
    {CMD_MOVABLE_KEYS, "movablekeys"},
    {CMD_ALLOW_BUSY, "allow_busy"},
};

static const struct bit_name acl_names[] = {
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
};

enum {
    FLAG_NAMES = sizeof flag_names / sizeof flag_names[0],
    ACL_NAMES = sizeof acl_names / sizeof acl_names[0]
};

/* Categories follow from flags as Redis derives them. */
static uint32_t categories(const struct command *cmd) {
    uint32_t a = cmd->acl;
    if (cmd->flags & CMD_WRITE) a |= ACL_WRITE;
    if (cmd->flags & CMD_READONLY && !(a & ACL_SCRIPTING)) a |= ACL_READ;
    if (cmd->flags & CMD_ADMIN) a |= ACL_ADMIN | ACL_DANGEROUS;
    if (cmd->flags & CMD_PUBSUB) a |= ACL_PUBSUB;
    if (cmd->flags & CMD_FAST) a |= ACL_FAST;
    if (cmd->flags & CMD_BLOCKING) a |= ACL_BLOCKING;
    if (!(a & ACL_FAST)) a |= ACL_SLOW;
    return a;
}

static bool is_shown(const struct call *c, const struct command *cmd) {
    bool any = c->flags & CALL_CONTROL;
    if (cmd->flags & CMD_HIDDEN && !any) return false;
    if (!any && !(cmd->editions & server.edition)) return false;
    if (cmd->fn) return true;
    if (!cmd->has_subcommands) return false;
    for (int i = 0; i < command_count(); i++) {
        const struct command *sub = command_by_id(i);
        if (sub->parent == cmd && sub->fn) return true;
    }
    return false;
}

static int shown_count(const struct call *c) {
    int n = 0;
    for (int i = 0; i < command_count(); i++) {
        const struct command *cmd = command_by_id(i);
        n += !cmd->parent && is_shown(c, cmd);
    }
    return n;
}

static void reply_bits(struct call *c, uint32_t bits, const struct bit_name *names, int count,
                       const char *prefix) {
    int n = 0;
    for (int i = 0; i < count; i++) n += (bits & names[i].bit) != 0;
    resp_set(c->out, c->resp, (size_t)n);
    for (int i = 0; i < count; i++) {
        char text[40];
        if (!(bits & names[i].bit)) continue;
        snprintf(text, sizeof text, "%s%s", prefix, names[i].name);
        reply_status(c, text);
    }
}

static void reply_key_spec(struct call *c, const struct command *cmd) {
    if (!cmd->first) {
        resp_set(c->out, c->resp, 0);
        return;
    }
    bool write = cmd->flags & CMD_WRITE;
    int last = cmd->last < 0 ? cmd->last : cmd->last - cmd->first;
    resp_set(c->out, c->resp, 1);
    reply_map(c, 3);
    reply_bulk_str(c, "flags");
    resp_set(c->out, c->resp, 2);
    reply_status(c, write ? "RW" : "RO");
    reply_status(c, write ? "update" : "access");
    reply_bulk_str(c, "begin_search");
    reply_map(c, 2);
    reply_bulk_str(c, "type");
    reply_bulk_str(c, "index");
    reply_bulk_str(c, "spec");
    reply_map(c, 1);
    reply_bulk_str(c, "index");
    reply_int(c, cmd->first);
    reply_bulk_str(c, "find_keys");
    reply_map(c, 2);
    reply_bulk_str(c, "type");
    reply_bulk_str(c, "range");
    reply_bulk_str(c, "spec");
    reply_map(c, 3);
    reply_bulk_str(c, "lastkey");
    reply_int(c, last);
    reply_bulk_str(c, "keystep");
    reply_int(c, cmd->step);
    reply_bulk_str(c, "limit");
    reply_int(c, 0);
}

static int subcommand_count(const struct call *c, const struct command *cmd) {
    int n = 0;
    for (int i = 0; cmd->has_subcommands && i < command_count(); i++) {
        const struct command *sub = command_by_id(i);
        n += sub->parent == cmd && is_shown(c, sub);
    }
    return n;
}

static void reply_row(struct call *c, const struct command *cmd) {
    reply_array(c, 10);
    reply_bulk_str(c, cmd->name);
    reply_int(c, cmd->arity);
    reply_bits(c, cmd->flags, flag_names, FLAG_NAMES, "");
    reply_int(c, cmd->first);
    reply_int(c, cmd->last);
    reply_int(c, cmd->step);
    reply_bits(c, categories(cmd), acl_names, ACL_NAMES, "@");
    resp_set(c->out, c->resp, 0); /* tips */
    reply_key_spec(c, cmd);
    resp_set(c->out, c->resp, (size_t)subcommand_count(c, cmd));
    for (int i = 0; cmd->has_subcommands && i < command_count(); i++) {
        const struct command *sub = command_by_id(i);
        if (sub->parent == cmd && is_shown(c, sub)) reply_row(c, sub);
    }
}

/* By name, "config|get" too. */
static const struct command *named(const struct call *c, struct bytes name) {
    for (int i = 0; i < command_count(); i++) {
        const struct command *cmd = command_by_id(i);
        if (bytes_is(name, cmd->name) && is_shown(c, cmd)) return cmd;
    }
    return NULL;
}

static void all_rows(struct call *c, void (*row)(struct call *c, const struct command *cmd)) {
    for (int i = 0; i < command_count(); i++) {
        const struct command *cmd = command_by_id(i);
        if (!cmd->parent && is_shown(c, cmd)) row(c, cmd);
    }
}

static void cmd_command(struct call *c) {
    reply_array(c, (size_t)shown_count(c));
    all_rows(c, reply_row);
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
    reply_int(c, shown_count(c));
}

static void reply_doc(struct call *c, const struct command *cmd) {
    int subs = subcommand_count(c, cmd);
    reply_bulk_str(c, cmd->name);
    reply_map(c, subs ? 4 : 3);
    reply_bulk_str(c, "summary");
    reply_bulk_str(c, cmd->summary);
    reply_bulk_str(c, "since");
    reply_bulk_str(c, cmd->since);
    reply_bulk_str(c, "group");
    reply_bulk_str(c, command_group_name(cmd->group));
    if (!subs) return;
    reply_bulk_str(c, "subcommands");
    reply_map(c, (size_t)subs);
    for (int i = 0; i < command_count(); i++) {
        const struct command *sub = command_by_id(i);
        if (sub->parent == cmd && is_shown(c, sub)) reply_doc(c, sub);
    }
}

static void command_docs(struct call *c) {
    if (c->argc == 2) {
        reply_map(c, (size_t)shown_count(c));
        all_rows(c, reply_doc);
        return;
    }
    size_t n = 0;
    for (int i = 2; i < c->argc; i++) n += named(c, c->argv[i]) != NULL;
    reply_map(c, n);
    for (int i = 2; i < c->argc; i++) {
        const struct command *cmd = named(c, c->argv[i]);
        if (cmd) reply_doc(c, cmd);
    }
}

/* --- GETKEYS --- */

enum { KEYS_MAX = 1024 };

/* The command that argv[2..] means, its key positions in *at; -1 after an error. */
static int keys_asked(struct call *c, int *at, const struct command **found) {
    bool bad = false;
    const struct command *cmd = command_resolve(c->argc - 2, c->argv + 2,
                                                c->flags & CALL_CONTROL ? 0 : server.edition, &bad);
    *found = cmd;
    if (!cmd || bad) {
        reply_error(c, "ERR Invalid command specified");
        return -1;
    }
    if (!cmd->first && !(cmd->flags & CMD_MOVABLE_KEYS)) {
        reply_error(c, "ERR The command has no key arguments");
        return -1;
    }
    if (!command_arity_fits(cmd, c->argc - 2)) {
        reply_error(c, "ERR Invalid number of arguments specified for command");
        return -1;
    }
    int n = command_keys(cmd, c->argc - 2, c->argv + 2, at, KEYS_MAX);
    if (n <= 0) reply_error(c, "ERR Invalid arguments specified for command");
    return n > 0 ? n : -1;
}

static void command_getkeys(struct call *c) {
    int at[KEYS_MAX];
    const struct command *cmd;
    int n = keys_asked(c, at, &cmd);
    if (n < 0) return;
    if (n > KEYS_MAX) n = KEYS_MAX;
    reply_array(c, (size_t)n);
    for (int i = 0; i < n; i++) reply_bulk(c, c->argv[2 + at[i]]);
}

static void command_getkeysandflags(struct call *c) {
    int at[KEYS_MAX];
    const struct command *cmd;
    int n = keys_asked(c, at, &cmd);
    if (n < 0) return;
    if (n > KEYS_MAX) n = KEYS_MAX;
    bool write = cmd->flags & CMD_WRITE;
    reply_array(c, (size_t)n);
    for (int i = 0; i < n; i++) {
        reply_array(c, 2);
        reply_bulk(c, c->argv[2 + at[i]]);
        resp_set(c->out, c->resp, 2);
        reply_status(c, write ? "RW" : "RO");
        reply_status(c, write ? "update" : "access");
    }
}

/* --- LIST [FILTERBY MODULE|ACLCAT|PATTERN value] --- */

static bool passes(struct call *c, const struct command *cmd) {
    if (c->argc == 2) return true;
    struct bytes value = c->argv[4];
    if (bytes_is(c->argv[3], "pattern"))
        return glob_match(value, (struct bytes){cmd->name, strlen(cmd->name)}, true);
    if (!bytes_is(c->argv[3], "aclcat")) return false;
    for (int i = 0; i < ACL_NAMES; i++) {
        if (bytes_is(value, acl_names[i].name)) return categories(cmd) & acl_names[i].bit;
    }
    return false;
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
    for (int i = 0; i < command_count(); i++) {
        const struct command *cmd = command_by_id(i);
        if ((cmd->parent && !filtered) || !is_shown(c, cmd) || !passes(c, cmd)) continue;
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
        "DOCS [<command-name> ...]",
        "    Summary, version and group.",
        "GETKEYS <full-command>",
        "    Which of its words are keys.",
        "GETKEYSANDFLAGS <full-command>",
        "    The same with how each is used.",
        "INFO [<command-name> ...]",
        "    As without a subcommand, for some.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    Names of commands.",
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
