/* The persistent record of a node: two copies in the state partition (server/base/state_layout.h).
 *
 * A save writes both copies, the older one first, each by O_DIRECT and O_DSYNC where the file system has them; one valid copy
 * is enough to read the record back, and a torn write can only cost the copy that was being written; a save is answered when
 * the first one stands. Writing happens on a
 * thread of its own: a disk that hangs holds up neither the decision nor the lease. Copies carry a sequence number and a
 * CRC-32C; the valid one with the higher sequence is the record. */
#ifndef HACTL_EPOCH_H
#define HACTL_EPOCH_H

#include "hactl/ha_fsm.h"

struct loop;
struct epoch_store;

enum epoch_found {
    EPOCH_RECORD, /* read */
    EPOCH_NONE,   /* both copies are blank: a node that never had one */
    EPOCH_DAMAGED, /* something stands there, but no copy is valid: treated as none, and said loudly */
    EPOCH_OTHER    /* written by another node or pair (a disk that was moved): refused */
};

struct epoch_error {
    char text[256];
};

/* The bytes of one copy, a block of STATE_BLOCK_BYTES. Pure; for the tests and for the reader. */
void epoch_encode(const struct ha_record *r, uint64_t sequence, uint16_t pair, uint8_t node,
                  uint8_t *block);
enum epoch_found epoch_decode(const uint8_t *block, uint16_t pair, uint8_t node,
                              struct ha_record *out, uint64_t *sequence);

/* Called on the loop's thread, in the order of the saves. */
typedef void epoch_saved_fn(void *arg, uint32_t id, bool ok);

/* Opens the state partition (or file) and reads the record; *out is all zero unless EPOCH_RECORD. make: a missing file is
 * made (nodes in a directory), else it is an error. NULL with a sentence in err. Starts the writing thread. */
struct epoch_store *epoch_open(struct loop *l, const char *path, bool make, uint16_t pair,
                               uint8_t node, struct ha_record *out, enum epoch_found *found,
                               epoch_saved_fn *saved, void *arg, struct epoch_error *err);
/* Hands a record to the thread and returns at once; saved(id) follows. */
void epoch_save(struct epoch_store *s, uint32_t id, const struct ha_record *r);
/* How long the write in progress has taken, ns; 0: none. (A disk that hangs.) */
uint64_t epoch_busy_ns(struct epoch_store *s);
/* Does not wait for a write that hangs: the thread and the struct are left behind then. */
void epoch_close(struct epoch_store *s);

#endif
