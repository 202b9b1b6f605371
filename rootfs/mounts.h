/* What PID 1 mounts: the kernel's file systems, then the data partition. */
#ifndef DUET_ROOTFS_MOUNTS_H
#define DUET_ROOTFS_MOUNTS_H

#include <stdbool.h>

struct bootdisk;

/* proc, sys, dev, devpts, run, tmp; standard input and output become the console. What fails is logged. */
void mounts_early(void);
/* Logs what the firmware kept of an earlier crash. */
void mounts_say_crashes(void);
/* Checks (e2fsck -p), grows and mounts the data partition at /data. False with a sentence in why. */
bool mounts_data(struct bootdisk *b, char *why, unsigned why_size);
/* Writes everything out and unmounts /data, or makes it read-only when something still uses it. */
void mounts_end(void);

#endif
