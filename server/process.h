/* What the server is to its system: in the background, told about to a supervisor, more or less worth killing. */
#ifndef DUET_SERVER_PROCESS_H
#define DUET_SERVER_PROCESS_H

#include <stdbool.h>

/* daemonize: the caller is a child in a session of its own from here on. Before any thread. */
void process_to_background(void);
/* supervised: tells systemd (NOTIFY_SOCKET) or upstart that clients are served. */
void process_tell_ready(void);
/* oom-score-adj, as the role has it now. False: it may not be set. */
bool process_set_oom_score(void);

#endif
