/* Ends that are not orderly ones: a fatal signal is told in the log before it takes its course, and DEBUG begins the
 * process anew. */
#ifndef DUET_SERVER_ENDS_H
#define DUET_SERVER_ENDS_H

#include <stdbool.h>
#include <stdint.h>

/* The words that the process was started with, and where: for server_restart. argv must stay. */
void ends_remember(int argc, char **argv);
void ends_catch_crashes(void);
/* The same process from its beginning: in order (configuration rewritten, data saved as at SHUTDOWN), or as
 * after a crash. Returns only when it may not end. */
void server_restart(bool gracefully, int64_t delay_ms);

#endif
