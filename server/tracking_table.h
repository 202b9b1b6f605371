/* The table of tracking.h: from keys to the numbers of the clients that may hold a copy. */
#ifndef DUET_SERVER_TRACKING_TABLE_H
#define DUET_SERVER_TRACKING_TABLE_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Clients' numbers are kept in 6 bytes: enough for a thousand new connections a second over 8,000 years. */
void tracking_table_add(struct bytes key, uint64_t client);
/* Calls fn for each client of the key, after the key was taken out. */
void tracking_table_take(struct bytes key, void (*fn)(void *arg, struct bytes key, uint64_t client),
                         void *arg);
/* Any key's name, good until it is taken out; false: the table is empty. */
bool tracking_table_any(struct bytes *key);
/* Empties it; the memory goes on the reclaiming thread. */
void tracking_table_clear(void);

size_t tracking_table_keys(void);
uint64_t tracking_table_items(void);
size_t tracking_table_memory(void);

#endif
