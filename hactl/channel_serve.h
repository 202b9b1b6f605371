/* One connection of the channel, on the side that runs the verb. */
#ifndef HACTL_CHANNEL_SERVE_H
#define HACTL_CHANNEL_SERVE_H

#include "hactl/channel.h"

/* Meets the other node on fd (taken over), runs the verb that it names as `hactl --root ROOT --from-peer VERB...`, and
 * carries input, output and exit status until both are done; the verb ends with the connection. Blocks: for a process
 * of its own. Who is refused is logged, with peer's name. Returns an exit status. */
int channel_serve(int fd, const struct channel_id *id, const char *root, const char *peer);

#endif
