/* Scripts on floor 4: who runs one, what its commands may do, and what others may do while it takes long.
 * server/script knows Lua; scripts.c runs its commands; scripts_busy.c serves others meanwhile. */
#ifndef DUET_SERVER_SCRIPTS_H
#define DUET_SERVER_SCRIPTS_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct call;
struct client;
struct command;

void register_script_commands(void);

/* The client whose EVAL runs; NULL when none does, or when it is the log's or the master's. A call's client
 * inside a script is one of the script's own, without a connection. */
struct client *scripts_caller(void);
bool scripts_running(void);

/* EVAL and its kin take their flags from the script's first line, if it has one: the flags with which the command
 * is to be judged. Other commands' as they are. */
uint32_t scripts_command_flags(const struct command *cmd, int argc, const struct bytes *argv);

/* ---- A script that takes long (busy-reply-threshold) ------------------------------------------------------ */

/* Others are served from inside a script: they are told BUSY unless their command is ALLOW_BUSY. */
extern bool scripts_nested;
#define ERR_BUSY                                                                                   \
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."

/* From inside a slow script: had's orders (DUET, but STATUS, ALONE and RESUME) wait for its end. A change of roles, and
 * what comes before one, ends it at its next instruction, whatever it has written. */
bool scripts_put_off(const struct client *c, const struct command *cmd, const struct bytes *argv);
/* SHUTDOWN NOSAVE from inside: what the script has done is dropped with the process. */
_Noreturn void scripts_leave_process(void);

/* scripts_busy.c, for scripts.c: at a run's begin and end, and in between. */
void scripts_busy_begin(const char *sha);
void scripts_busy_end(void);
/* NULL: go on; else the text with which the script ends. */
const char *scripts_busy_tick(void);
/* Before a script's write: waits while this node has no lease. False: the script is to end. */
bool scripts_wait_for_lease(void);
void scripts_kill(struct call *c); /* SCRIPT KILL */
bool scripts_has_written(void);

#endif
