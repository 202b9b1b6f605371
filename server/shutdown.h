/* Orderly ends: SHUTDOWN and SIGTERM. A master waits for its slaves to have everything, at most shutdown-timeout, and
 * lets no writes happen meanwhile; SHUTDOWN ABORT takes all of it back. */
#ifndef DUET_SERVER_SHUTDOWN_H
#define DUET_SERVER_SHUTDOWN_H

#include <stdbool.h>

struct call;

enum shutdown_save { SHUTDOWN_AS_CONFIGURED, SHUTDOWN_SAVE, SHUTDOWN_NOSAVE };
struct shutdown_how {
    enum shutdown_save save;
    bool force; /* whatever fails */
    bool now;   /* without waiting for slaves */
};

void cmd_shutdown(struct call *c);
/* A signal asked for it: begins with the next cron. */
void shutdown_ask(struct shutdown_how how);
/* How long it waits at most; -1: no end is under way. */
long long shutdown_left_ms(void);
/* From cron. */
void shutdown_cron(void);

#endif
