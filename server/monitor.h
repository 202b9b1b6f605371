/* MONITOR: every command that runs, as a line to those who asked for it. */
#ifndef DUET_SERVER_MONITOR_H
#define DUET_SERVER_MONITOR_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

struct client;
struct command;

extern size_t monitor_count;

/* After the command has run, in the database that it left its client in. client NULL: it came with the master's stream
 * (or a script, from_script). Commands that are not shown (CMD_ADMIN, CMD_SKIP_MONITOR, the control socket's) are
 * dropped here; passwords are blotted out. */
void monitor_tell(const struct client *client, bool from_script, int db, const struct command *cmd,
                  int argc, const struct bytes *argv);
/* The same without a look at flags: a script tells of its EVAL before it begins. */
void monitor_tell_now(const struct client *client, bool from_script, int db, int argc,
                      const struct bytes *argv);
void monitor_forget(struct client *c);

void register_monitor_commands(void);

#endif
