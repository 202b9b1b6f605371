/* Room ahead of the log's end, made by a thread of its own before it is needed.
 *
 * Blocks of the disk are taken in steps: so a disk that fills up is seen while everything that
 * was executed still fits, and writes can be refused in time. Where every write is fsynced
 * (`always`), the room is also filled with zeros: writing over blocks that are there changes
 * nothing that the file system's journal holds, and an fdatasync need not wait for it. Zeros
 * behind the last block are no block; a loader takes them for the end. They are given back when
 * a part is closed. */
#ifndef DUET_PERSIST_ROOM_H
#define DUET_PERSIST_ROOM_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct persist;
struct room;

struct room_disk {
    uint64_t free_bytes, all_bytes; /* of the data directory's file system; 0: not known */
    bool low;                       /* little is left: a log line said so */
};

struct room *room_new(struct persist *p, struct loop *loop);
void room_free(struct room *r);
/* Makes more room when little is left; after an append. */
void room_want(struct room *r);
/* Once a second: tries again where the disk was full, and looks at the disk. */
void room_second(struct room *r);
/* The log's end is going to pass `end`, or (UINT64_MAX) the part is going to be cut or closed: no
 * zero is written from now on where that happens. */
void room_clear(struct room *r, uint64_t end);
/* The disk is full, and the room that is left is short: writes are refused while there is still
 * place for what was executed. */
bool room_is_short(const struct room *r);
struct room_disk room_disk(const struct room *r);
/* Waits until nothing is under way. */
void room_wait(struct room *r);

#endif
