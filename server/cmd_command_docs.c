/* COMMAND DOCS: a command's row and its documentation (cmd/doc.h) as a map. */
#include "server/cmd_command.h"

#include "server/base/buf.h"
#include "server/cmd/doc.h"
#include "server/server.h"

static void reply_text(struct call *c, const char *field, struct doc_text value) {
    reply_bulk_str(c, field);
    reply_bulk(c, (struct bytes){value.p, value.len});
}

static void reply_field(struct call *c, const char *field, const char *value) {
    reply_text(c, field, (struct doc_text){value, strlen(value)});
}

static void reply_arg_flags(struct call *c, const struct command_arg *a) {
    reply_bulk_str(c, "flags");
    reply_set(c, (size_t)(a->optional + a->multiple + a->multiple_token));
    if (a->optional) reply_status(c, "optional");
    if (a->multiple) reply_status(c, "multiple");
    if (a->multiple_token) reply_status(c, "multiple_token");
}

/* Arguments hold arguments as deep as our own syntax lines do. */
static void reply_args(struct call *c, const struct command_arg *args, int count) {
    reply_array(c, (size_t)count);
    for (const struct command_arg *a = args; a < args + count; a++) {
        bool flags = a->optional || a->multiple || a->multiple_token;
        bool nested = a->type == ARG_ONEOF || a->type == ARG_BLOCK;
        int fields = 2 + (a->key_spec >= 0) + (a->token.p != NULL) + (a->since.p != NULL) +
                     (a->deprecated_since.p != NULL) + flags + nested;
        reply_map(c, (size_t)fields);
        reply_text(c, "name", a->name);
        reply_field(c, "type", arg_type_name(a->type));
        if (a->key_spec >= 0) {
            reply_bulk_str(c, "key_spec_index");
            reply_int(c, a->key_spec);
        }
        if (a->token.p) reply_text(c, "token", a->token);
        if (a->since.p) reply_text(c, "since", a->since);
        if (a->deprecated_since.p) reply_text(c, "deprecated_since", a->deprecated_since);
        if (flags) reply_arg_flags(c, a);
        if (!nested) continue;
        reply_bulk_str(c, "arguments");
        reply_args(c, a->args, a->arg_count);
    }
}

/* "6.2.0 what came | 7.0.0 what came then" */
static void reply_history(struct call *c, const char *history) {
    size_t count = 1;
    for (const char *p = history; (p = strstr(p, " | ")); p += 3) count++;
    reply_bulk_str(c, "history");
    reply_set(c, count);
    while (count--) {
        size_t version = strcspn(history, " ");
        const char *text = history + version + 1, *end = strstr(text, " | ");
        size_t n = end ? (size_t)(end - text) : strlen(text);
        reply_array(c, 2);
        reply_bulk(c, (struct bytes){history, version});
        reply_bulk(c, (struct bytes){text, n});
        history = text + n + 3;
    }
}

/* doc_flags, and since when and for what another command is to be used. */
static void reply_deprecation(struct call *c, const struct command_doc *doc) {
    reply_bulk_str(c, "doc_flags");
    reply_set(c, 1);
    if (!doc->deprecated) {
        reply_status(c, "syscmd");
        return;
    }
    size_t version = strcspn(doc->deprecated, " ");
    reply_status(c, "deprecated");
    reply_text(c, "deprecated_since", (struct doc_text){doc->deprecated, version});
    reply_field(c, "replaced_by", doc->deprecated + version + 1);
}

static void reply_doc(struct call *c, const struct command *cmd) {
    static const struct command_doc nothing = {.syntax = "", .complexity = ""};
    int subs = subcommands_shown(c, cmd), count;
    const struct command_doc *doc = command_doc(cmd);
    const struct command_arg *args = command_args(cmd, &count);
    if (!doc) doc = &nothing;
    reply_bulk_str(c, cmd->name);
    reply_map(c, 3 + (size_t)(*doc->complexity != '\0') + (doc->deprecated ? 3 : doc->internal) +
                     (doc->history != NULL) + (count > 0) + (subs > 0));
    reply_field(c, "summary", cmd->summary);
    reply_field(c, "since", cmd->since);
    reply_field(c, "group", command_group_name(cmd->group));
    if (*doc->complexity) reply_field(c, "complexity", doc->complexity);
    if (doc->deprecated || doc->internal) reply_deprecation(c, doc);
    if (doc->history) reply_history(c, doc->history);
    if (count) {
        reply_bulk_str(c, "arguments");
        reply_args(c, args, count);
    }
    if (!subs) return;
    reply_bulk_str(c, "subcommands");
    reply_map(c, (size_t)subs);
    for (int id = 0; id < command_count(); id++) {
        const struct command *sub = command_by_id(id);
        if (sub->parent == cmd && command_is_shown(c, sub)) reply_doc(c, sub);
    }
}

static const struct command *named(const struct call *c, struct bytes name) {
    const struct command *cmd = command_named(name, seen_edition(c));
    return cmd && command_is_shown(c, cmd) ? cmd : NULL;
}

void command_docs(struct call *c) {
    if (c->argc == 2) {
        reply_map(c, (size_t)commands_shown(c));
        for (int id = 0; id < command_count(); id++) {
            const struct command *cmd = command_by_id(id);
            if (!cmd->parent && command_is_shown(c, cmd)) reply_doc(c, cmd);
        }
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
