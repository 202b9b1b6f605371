/* What the files of COMMAND share. */
#ifndef DUET_SERVER_CMD_COMMAND_H
#define DUET_SERVER_CMD_COMMAND_H

#include "server/cmd/call.h"
#include "server/cmd/table.h"

#include <stdbool.h>
#include <stdint.h>

struct bit_name {
    uint32_t bit;
    const char *name;
};
/* The names of the bits that are set, as a set of simple strings behind a prefix. The last row's name is NULL. */
void reply_bits(struct call *c, uint32_t bits, const struct bit_name *names, const char *prefix);

/* Which editions' commands the client sees; 0: all. */
unsigned seen_edition(const struct call *c);
/* Whether the client sees the command, or the subcommand. */
bool command_is_shown(const struct call *c, const struct command *cmd);
/* Commands without subcommands among them. */
int commands_shown(const struct call *c);
int subcommands_shown(const struct call *c, const struct command *cmd);

/* Categories of the ACL, by bit. 0: no such one. */
extern const struct bit_name acl_category_names[];
uint32_t acl_category_by_name(struct bytes name);

/* cmd_command_docs.c, cmd_command_keys.c */
void command_docs(struct call *c);
void command_getkeys(struct call *c);
void command_getkeysandflags(struct call *c);
/* The set of specifications in a row of COMMAND. */
void reply_key_specs(struct call *c, const struct command *cmd);

#endif
