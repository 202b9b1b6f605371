/* COMMAND's key specifications, COMMAND GETKEYS and GETKEYSANDFLAGS. */
#include "server/cmd_command.h"

#include "server/base/buf.h"
#include "server/cmd/keyspec.h"
#include "server/server.h"

#include <stdlib.h>

static const struct bit_name key_flag_names[] = {
    {KEY_RO, "RO"},
    {KEY_RW, "RW"},
    {KEY_OW, "OW"},
    {KEY_RM, "RM"},
    {KEY_ACCESS, "access"},
    {KEY_UPDATE, "update"},
    {KEY_INSERT, "insert"},
    {KEY_DELETE, "delete"},
    {KEY_NOT_KEY, "not_key"},
    {KEY_INCOMPLETE, "incomplete"},
    {KEY_VARIABLE, "variable_flags"},
    {0, NULL},
};

static void reply_number(struct call *c, const char *field, int n) {
    reply_bulk_str(c, field);
    reply_int(c, n);
}

/* "type" and the beginning of "spec". */
static void reply_kind(struct call *c, const char *type, size_t fields) {
    reply_map(c, 2);
    reply_bulk_str(c, "type");
    reply_bulk_str(c, type);
    reply_bulk_str(c, "spec");
    reply_map(c, fields);
}

static void reply_begin(struct call *c, const struct key_spec *s) {
    reply_bulk_str(c, "begin_search");
    if (s->begin == KEY_BEGIN_UNKNOWN) {
        reply_kind(c, "unknown", 0);
    } else if (s->begin == KEY_BEGIN_AT) {
        reply_kind(c, "index", 1);
        reply_number(c, "index", s->at);
    } else {
        reply_kind(c, "keyword", 2);
        reply_bulk_str(c, "keyword");
        reply_bulk_str(c, s->keyword);
        reply_number(c, "startfrom", s->at);
    }
}

static void reply_find(struct call *c, const struct key_spec *s) {
    reply_bulk_str(c, "find_keys");
    if (s->begin == KEY_BEGIN_UNKNOWN) {
        reply_kind(c, "unknown", 0);
    } else if (s->step) {
        reply_kind(c, "range", 3);
        reply_number(c, "lastkey", s->last);
        reply_number(c, "keystep", s->step);
        reply_number(c, "limit", s->limit);
    } else {
        reply_kind(c, "keynum", 3);
        reply_number(c, "keynumidx", 0);
        reply_number(c, "firstkey", 1);
        reply_number(c, "keystep", 1);
    }
}

void reply_key_specs(struct call *c, const struct command *cmd) {
    const struct key_spec *specs = cmd->keys ? cmd->keys->specs : NULL;
    size_t n = 0;
    while (specs && n < KEY_SPECS_MAX && specs[n].begin) n++;
    reply_set(c, n);
    for (size_t i = 0; i < n; i++) {
        const struct key_spec *s = &specs[i];
        reply_map(c, s->note ? 4 : 3);
        if (s->note) {
            reply_bulk_str(c, "notes");
            reply_bulk_str(c, s->note);
        }
        reply_bulk_str(c, "flags");
        reply_bits(c, s->flags, key_flag_names, "");
        reply_begin(c, s);
        reply_find(c, s);
    }
}

/* --- GETKEYS, GETKEYSANDFLAGS --- */

static bool has_keys(const struct command *cmd) {
    return cmd->keys && !(cmd->keys->specs[0].flags & KEY_NOT_KEY);
}

/* The command that argv[2..] means; NULL after an error. */
static const struct command *command_asked(struct call *c) {
    bool bad = false;
    const struct command *cmd = command_resolve(c->argc - 2, c->argv + 2, seen_edition(c), &bad);
    if (!cmd || bad) {
        reply_error(c, "ERR Invalid command specified");
        return NULL;
    }
    if (!has_keys(cmd)) {
        reply_error(c, "ERR The command has no key arguments");
        return NULL;
    }
    if (!command_arity_fits(cmd, c->argc - 2)) {
        reply_error(c, "ERR Invalid number of arguments specified for command");
        return NULL;
    }
    return cmd;
}

static void reply_keys(struct call *c, bool with_flags) {
    const struct command *cmd = command_asked(c);
    if (!cmd) return;
    int n = command_key_places(cmd, c->argc - 2, c->argv + 2, NULL, 0);
    if (!n) {
        if (cmd->flags & CMD_NO_MANDATORY_KEYS)
            reply_array(c, 0);
        else
            reply_error(c, "ERR Invalid arguments specified for command");
        return;
    }
    struct key_place *places = xmalloc((size_t)n * sizeof *places);
    command_key_places(cmd, c->argc - 2, c->argv + 2, places, n);
    reply_array(c, (size_t)n);
    for (int i = 0; i < n; i++) {
        if (with_flags) reply_array(c, 2);
        reply_bulk(c, c->argv[2 + places[i].at]);
        if (with_flags) reply_bits(c, places[i].flags, key_flag_names, "");
    }
    free(places);
}

void command_getkeys(struct call *c) {
    reply_keys(c, false);
}

void command_getkeysandflags(struct call *c) {
    reply_keys(c, true);
}
