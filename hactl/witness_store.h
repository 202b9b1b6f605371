/* The witness's disk: one small file a pair, DIR/pair-N, replaced whole and fsynced by a thread, so that one slow
 * disk access holds up no other pair. DIR/lock keeps a second witness away. */
#ifndef HACTL_WITNESS_STORE_H
#define HACTL_WITNESS_STORE_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct witness_store;

enum witness_found { WITNESS_RECORD, WITNESS_NO_RECORD, WITNESS_DAMAGED };

struct witness_error {
    char text[512];
};

/* Called on the loop, in the order of the saves. */
typedef void witness_saved_fn(void *arg, uint16_t pair, bool ok);

/* Makes DIR when it is not there. NULL with a sentence. */
struct witness_store *witness_store_open(struct loop *l, const char *dir, witness_saved_fn *saved,
                                         void *arg, struct witness_error *err);
/* What the disk holds of a pair; blocks. A sentence in err when it is damaged or cannot be read. */
enum witness_found witness_store_read(const struct witness_store *s, uint16_t pair,
                                      uint64_t *holder, struct witness_error *err);
void witness_store_save(struct witness_store *s, uint16_t pair, uint64_t holder);
/* Waits for the write under way; those that have not begun are dropped (nobody was told of them). */
void witness_store_close(struct witness_store *s);

#endif
