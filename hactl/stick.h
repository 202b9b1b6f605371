/* A USB stick for backup archives: found, mounted for as long as a verb needs it, and safe to pull afterwards. Needs
 * root, which the console's and SSH's users of the appliance are. */
#ifndef HACTL_STICK_H
#define HACTL_STICK_H

#include <stdbool.h>
#include <stddef.h>

struct stick {
    char device[64];
    char at[64]; /* where it is mounted */
};

/* device NULL: the only removable one with a file system that is known. False after a complaint. */
bool stick_mount(struct stick *s, const char *device);
/* All is written when this returns true. */
bool stick_unmount(struct stick *s);
/* The name of the one file with that ending. False after a complaint that lists what is there. */
bool stick_only_archive(const struct stick *s, const char *ending, char *name, size_t size);

#endif
