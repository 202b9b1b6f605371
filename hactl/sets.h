/* The backup sets of this node: ROOT/data/backup/instance-N/ID/ (server/base/backup_set.h says what is in one).
 * Beside the set's two files hactl keeps one of its own, `verified`: when all bytes were last compared with their
 * checksum, and how that ended. It does not leave the node. */
#ifndef HACTL_SETS_H
#define HACTL_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/backup_set.h"

#define SETS_PATH 512

enum set_verdict { SET_UNCHECKED, SET_GOOD, SET_DAMAGED };

struct stored_set {
    struct backup_set set; /* of one that cannot be read: id and instance only */
    bool readable;         /* set is there, whole, and the data has its size */
    char why[200];         /* not readable, or damaged: why */
    enum set_verdict verdict;
    int64_t verified_us; /* when; 0: never */
};

/* ROOT/data/backup/instance-N, or of one set (id not NULL). */
void sets_path(char out[SETS_PATH], const char *root, unsigned instance, const char *id);

/* All sets of an instance (-1: of all), by instance and time; *list is malloc'ed. */
size_t sets_list(const char *root, int instance, struct stored_set **list);
/* One by its id. False: there is no such directory. */
bool sets_find(const char *root, const char *id, struct stored_set *out);

/* Makes the instance's folder, for the user whom the instance's data belong to. False with errno. */
bool sets_make_folder(const char *root, unsigned instance);
/* Gives a file or folder to whom the folder above it belongs. */
bool sets_give(const char *path, const char *like);
/* Bytes that can still be written there, and how many of them are to be left for what is not backups: a twentieth of the
 * disk, 64 MB at most. */
bool sets_room(const char *root, unsigned instance, uint64_t *bytes, uint64_t *spare);

/* Reads the data file and compares size and checksum; the verdict is kept. progress may be NULL. False: out->why. */
bool sets_verify(const char *root, const char *id, struct stored_set *out,
                 void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg);
/* Removes a set; it stops being one at once, whatever happens on the way. False with errno. */
bool sets_delete(const char *root, const char *id);
/* What was left half made (ID.partial, ID.gone), older than that. */
void sets_sweep(const char *root, int64_t older_than_s);

#endif
