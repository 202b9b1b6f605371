/* The thread that frees big values, so that a DEL of ten million elements costs its client, and all others,
 * nothing. What it gets belongs to nobody else any more; store.h says what it may touch.
 *
 * It has no lower priority than the executor: with the allocator's lock in its hand it would be waited for. Without it
 * (store_settings.reclaim NULL) store_work takes values apart between commands, in turns as short (0.2 ms), at the price
 * of the executor's time. */
#ifndef DUET_SERVER_RECLAIM_H
#define DUET_SERVER_RECLAIM_H

/* Starts the thread. Only once. */
void reclaim_start(void);
/* store_settings.reclaim: free_fn(value) is called on the thread, in the order of these calls. Never waits. */
void reclaim_later(void *arg, void *value, void (*free_fn)(void *value));

#endif
