/* DEBUG's parts: the verbs (cmd_debug.c) and what they do to data (debug_data.c, debug_digest.c). */
#ifndef DUET_SERVER_CMD_DEBUG_H
#define DUET_SERVER_CMD_DEBUG_H

#include "server/cmd/call.h"

/* Switches that DEBUG sets; all zero is an ordinary server. */
struct debug_switches {
    bool pause_cron;
    bool skip_checksums;     /* of RDB files and DUMP payloads */
    bool scripts_unhindered; /* commands flagged noscript may run in scripts */
};
extern struct debug_switches debug_switches;

/* debug_digest.c: fingerprints as redis-server computes them, equal for equal data. */
void debug_digest(struct call *c);
void debug_digest_value(struct call *c);

/* debug_data.c */
void debug_object(struct call *c);
void debug_sdslen(struct call *c);
void debug_listpack(struct call *c);
void debug_quicklist(struct call *c);
void debug_populate(struct call *c);
void debug_reload(struct call *c);
void debug_loadaof(struct call *c);
void debug_htstats(struct call *c);
void debug_htstats_key(struct call *c);
void debug_verify(struct call *c);

void register_debug_commands(void);

#endif
