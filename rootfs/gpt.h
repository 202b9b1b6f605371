/* A GUID partition table as this product's images carry it (UEFI specification, chapter 5): read, searched, and
 * its last partition grown to the end of a larger disk. Sectors have 512 bytes; disks with other ones are refused.
 * Whoever calls holds the disk alone: init before anything is mounted, an installation. */
#ifndef DUET_ROOTFS_GPT_H
#define DUET_ROOTFS_GPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GPT_SECTOR     512
#define GPT_ENTRIES    128
#define GPT_ENTRY_SIZE 128
#define GPT_GUID_TEXT  37 /* with its final NUL */

struct gpt {
    unsigned char header[GPT_SECTOR];
    unsigned char entries[GPT_ENTRIES * GPT_ENTRY_SIZE];
    uint64_t sectors; /* of the disk, not of the table */
};

struct gpt_part {
    int number;            /* 1 for the first entry */
    uint64_t first, count; /* sectors */
    char name[37];
    char guid[GPT_GUID_TEXT]; /* lower case */
};

/* Reads the table at the head of the disk, or the copy at its end when that one is damaged. disk_bytes is the
 * disk's size. False: no table of this form. */
bool gpt_read(struct gpt *g, int fd, uint64_t disk_bytes);
/* The next partition after number (0: the first one); false at the end. */
bool gpt_next(const struct gpt *g, int number, struct gpt_part *out);
bool gpt_by_name(const struct gpt *g, const char *name, struct gpt_part *out);
bool gpt_by_guid(const struct gpt *g, const char *guid, struct gpt_part *out);
/* Sectors that the partition could have more, when it is the last one on the disk; 0 otherwise, and for less
 * than a megabyte, which nobody misses. */
uint64_t gpt_room_after(const struct gpt *g, const struct gpt_part *part);
/* Grows that partition by its room: the copy at the disk's end first, then head and entries in one write of 4 KiB,
 * so that a power cut leaves one whole table. False with errno set; part is then as before. */
bool gpt_grow(struct gpt *g, int fd, struct gpt_part *part);

#endif
