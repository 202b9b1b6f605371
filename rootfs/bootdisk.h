/* The disk that this machine was started from, found by what the loader put on the kernel's command line
 * (image/README.md), never by a name that another disk may carry too. */
#ifndef DUET_ROOTFS_BOOTDISK_H
#define DUET_ROOTFS_BOOTDISK_H

#include <stdbool.h>
#include <stdint.h>

#define BOOTDISK_PATH 64

struct bootdisk {
    char slot;                /* 'a' or 'b', 0 when the loader named none */
    char disk[BOOTDISK_PATH]; /* "/dev/vda"; this and the next are "" when there is none */
    char efi[BOOTDISK_PATH], state[BOOTDISK_PATH], notes[BOOTDISK_PATH], data[BOOTDISK_PATH];
    int data_number;
    uint64_t data_first_byte, data_bytes;
    char why[200]; /* a sentence, when something is missing */
};

/* Looks once; disks appear while the kernel runs on, so init asks again for some seconds. /proc, /sys and /dev
 * are mounted. False: the disk, its state or its data partition is not (yet) there, why says which. What was
 * found is filled in all the same. */
bool bootdisk_find(struct bootdisk *b);
/* Grows the data partition to the end of a disk that is larger than the image, in the table and in the kernel.
 * Before it is mounted. True also when there is nothing to grow. */
bool bootdisk_grow(struct bootdisk *b);
/* Grows the mounted ext4 below path to the size of its partition, online. True also when it has that size. */
bool bootdisk_grow_files(struct bootdisk *b, const char *path);
/* Gives the running slot its tries back: one sector of the environment block. */
bool bootdisk_slot_is_good(struct bootdisk *b);

/* The environment block's text with `name=value` set; false when it is damaged or full. For tests.
 * block has 1024 bytes. */
bool bootdisk_set_variable(char *block, const char *name, const char *value);

#endif
