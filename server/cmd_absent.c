/* Families of which only the answers exist that a client needs to learn what there is: cluster mode that is off, modules of
 * which there are none, a latency monitor that has seen nothing. What grows moves to a file of its own. */
#include "server/server.h"

#include <stdio.h>
#include <string.h>

static void no_cluster(struct call *c) {
    reply_error(c, "ERR This instance has cluster support disabled");
}

static void reply_nothing(struct call *c) {
    reply_array(c, 0);
}

/* What admit.c refuses already; for calls that do not come through it. */
static void no_module(struct call *c) {
    reply_error(c, "ERR Error loading the extension. Please check the server logs.");
}

static void module_help(struct call *c) {
    static const char *const lines[] = {"LIST",
                                        "    The modules in use: none.",
                                        "LOAD <path> [<arg> ...]",
                                        "    Refused.",
                                        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] "
                                        "[ARGS ...]",
                                        "    Refused.",
                                        "UNLOAD <name>",
                                        "    Refused.",
                                        NULL};
    reply_help(c, lines);
}

/* The picture that Redis draws is Redis's; its last line is what tools read. */
static void cmd_lolwut(struct call *c) {
    char text[64];
    int n = snprintf(text, sizeof text, "Redis ver. %s\n", command_edition()->redis_version);
    int64_t version;
    if (c->argc >= 3 && bytes_is(c->argv[1], "version") && !arg_int(c, 2, &version)) return;
    resp_verbatim(c->out, c->resp, "txt", text, (size_t)n);
}

void register_absent_commands(void) {
    for (int id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        if (cmd->parent && !strcmp(cmd->parent->name, "cluster"))
            command_set_function(cmd->name, no_cluster);
    }
    command_set_function("asking", no_cluster);
    command_set_function("readonly", no_cluster);
    command_set_function("readwrite", no_cluster);
    command_set_function("lolwut", cmd_lolwut);
    command_set_function("module|help", module_help);
    command_set_function("module|list", reply_nothing);
    command_set_function("module|load", no_module);
    command_set_function("module|loadex", no_module);
    command_set_function("module|unload", no_module);
}
