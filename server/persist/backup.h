/* Making a backup set (base/backup_set.h says what that is): the data of one instant by a walk, compressed and written by a
 * thread of its own, so that the executor pays for a copy of the bytes and no more. One at a time. */
#ifndef DUET_PERSIST_BACKUP_H
#define DUET_PERSIST_BACKUP_H

#include "server/base/backup_set.h"

struct persist;

enum backup_state {
    BACKUP_IDLE,    /* none since the server started */
    BACKUP_WAITING, /* behind another snapshot */
    BACKUP_RUNNING,
    BACKUP_DONE,
    BACKUP_FAILED
};

struct backup_status {
    enum backup_state state;
    struct backup_set set;          /* what is known of it so far */
    const char *dir;                /* "": none */
    uint64_t keys_done, keys_total; /* of the walk */
    const char *reason;             /* of a failure, else "" */
};

/* Begins. what: id, instance, name, node, made_by and the versions are filled in; the rest is set here. dir is an absolute
 * path that is not there yet; it appears when the set is on disk. False: err. */
bool backup_start(struct persist *p, const struct backup_set *what, const char *dir, char *err,
                  size_t err_size);
/* Gives up what is being made; status says "cancelled". */
void backup_cancel(struct persist *p);
void backup_status(const struct persist *p, struct backup_status *s);

#endif
