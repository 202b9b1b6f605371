/* Whether there is memory for a master's full copy beside the data that is in use (repl_world.copy_fits). */
#ifndef DUET_SERVER_COPY_ROOM_H
#define DUET_SERVER_COPY_ROOM_H

#include <stdbool.h>
#include <stdint.h>

/* more: bytes that are expected to be needed yet; taken: by the copy so far. Within slave-copy-memory when that says so many
 * bytes, else within what the machine, and the group of processes we are in, have left beside a reserve. */
bool copy_room_fits(void *arg, uint64_t more, uint64_t taken);

#endif
