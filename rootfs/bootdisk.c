#include "rootfs/bootdisk.h"

#include "rootfs/gpt.h"
#include "server/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NOTES_AT     512 /* a ustar header, then the file `grubenv` */
#define NOTES_BYTES  1024
#define NOTES_SECTOR 512 /* all variables stand in the first one */
#define NOTES_SIGN   "# GRUB Environment Block\n"

/* ext4's own call, which no kernel header shows to user space. */
#define RESIZE_FS _IOW('f', 16, uint64_t)

static bool complain(struct bootdisk *b, const char *what, const char *path) {
    snprintf(b->why, sizeof b->why, "%s %s: %s", what, path, strerror(errno));
    return false;
}

/* The value of " name=value" on the command line, at most size - 1 bytes; false when it is not there. */
static bool parameter(const char *line, const char *name, char *out, size_t size) {
    size_t len = strlen(name);
    for (const char *p = line; (p = strstr(p, name)) != NULL; p += len) {
        if (p != line && p[-1] != ' ') continue;
        size_t n = strcspn(p + len, " \n");
        if (n >= size) return false;
        memcpy(out, p + len, n);
        out[n] = 0;
        return true;
    }
    return false;
}

static bool is_whole_disk(const char *name) {
    char path[320];
    if (name[0] == '.' || strncmp(name, "loop", 4) == 0 || strncmp(name, "ram", 3) == 0)
        return false;
    snprintf(path, sizeof path, "/sys/class/block/%s/partition", name);
    return !file_exists(path);
}

/* vda5, but nvme0n1p5: a digit at the end of the disk's name asks for a p. */
static void partition_path(const char *disk, int number, char *out) {
    char last = disk[strlen(disk) - 1];
    snprintf(out, BOOTDISK_PATH, "%.40s%s%d", disk, last >= '0' && last <= '9' ? "p" : "", number);
}

static bool read_table(int fd, struct gpt *g) {
    uint64_t bytes;
    return ioctl(fd, BLKGETSIZE64, &bytes) == 0 && gpt_read(g, fd, bytes);
}

static void fill(struct bootdisk *b, const struct gpt *g) {
    struct gpt_part p;
    if (gpt_by_name(g, "efi", &p)) partition_path(b->disk, p.number, b->efi);
    if (gpt_by_name(g, "state", &p)) partition_path(b->disk, p.number, b->state);
    if (gpt_by_name(g, "notes", &p)) partition_path(b->disk, p.number, b->notes);
    if (!gpt_by_name(g, "data", &p)) return;
    partition_path(b->disk, p.number, b->data);
    b->data_number = p.number;
    b->data_first_byte = p.first * GPT_SECTOR;
    b->data_bytes = p.count * GPT_SECTOR;
}

/* True when the disk carries the partition that the loader named. */
static bool try_disk(struct bootdisk *b, const char *name, const char *guid) {
    struct gpt *g = malloc(sizeof *g);
    struct gpt_part p;
    char path[BOOTDISK_PATH];
    snprintf(path, sizeof path, "/dev/%.50s", name);
    int fd = g ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool ours = fd >= 0 && read_table(fd, g) && gpt_by_guid(g, guid, &p);
    if (ours) {
        strcpy(b->disk, path);
        fill(b, g);
    }
    if (fd >= 0) close(fd);
    free(g);
    return ours;
}

static void look_at_disks(struct bootdisk *b, const char *guid) {
    DIR *all = opendir("/sys/class/block");
    for (struct dirent *e; all && !b->disk[0] && (e = readdir(all)) != NULL;) {
        if (is_whole_disk(e->d_name)) try_disk(b, e->d_name, guid);
    }
    if (all) closedir(all);
}

bool bootdisk_find(struct bootdisk *b) {
    char line[4096] = "", slot[2] = "", guid[GPT_GUID_TEXT] = "";
    memset(b, 0, sizeof *b);
    FILE *f = fopen("/proc/cmdline", "re");
    if (!f || !fgets(line, sizeof line, f)) line[0] = 0;
    if (f) fclose(f);
    if (parameter(line, "duet.slot=", slot, sizeof slot)) b->slot = slot[0];
    if (!parameter(line, "duet.disk=", guid, sizeof guid)) {
        snprintf(b->why, sizeof b->why,
                 "the kernel was started without duet.disk=, so no disk is ours; start it by the "
                 "loader of the image");
        return false;
    }
    look_at_disks(b, guid);
    if (!b->disk[0]) {
        snprintf(b->why, sizeof b->why,
                 "no disk has the partition %s that the loader was read from", guid);
    } else if (!b->data[0] || !b->state[0]) {
        snprintf(b->why, sizeof b->why, "%s has no partition `%s`; write the image onto it again",
                 b->disk, b->state[0] ? "data" : "state");
    } else if (!file_exists(b->data) || !file_exists(b->state)) {
        snprintf(b->why, sizeof b->why,
                 "%s is in the partition table but the kernel does not show it",
                 file_exists(b->state) ? b->data : b->state);
    }
    return !b->why[0];
}

/* A partition in use keeps its start: BLKPG_RESIZE_PARTITION, not a new reading of the table. */
static bool tell_kernel(int fd, const struct bootdisk *b, const struct gpt_part *p) {
    struct blkpg_partition part = {.start = (long long)b->data_first_byte,
                                   .length = (long long)(p->count * GPT_SECTOR),
                                   .pno = p->number};
    struct blkpg_ioctl_arg arg = {
        .op = BLKPG_RESIZE_PARTITION, .datalen = sizeof part, .data = &part};
    return ioctl(fd, BLKPG, &arg) == 0;
}

bool bootdisk_grow(struct bootdisk *b) {
    struct gpt *g = malloc(sizeof *g);
    struct gpt_part p;
    int fd = open(b->disk, O_RDWR | O_CLOEXEC);
    bool done = fd >= 0 && g;
    if (!done) complain(b, "cannot open", b->disk);
    if (done && read_table(fd, g) && gpt_by_name(g, "data", &p) && gpt_room_after(g, &p)) {
        done = gpt_grow(g, fd, &p) && tell_kernel(fd, b, &p);
        if (done) {
            b->data_bytes = p.count * GPT_SECTOR;
        } else {
            complain(b, "cannot grow the data partition of", b->disk);
        }
    }
    if (fd >= 0) close(fd);
    free(g);
    return done;
}

bool bootdisk_grow_files(struct bootdisk *b, const char *path) {
    struct statvfs s;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstatvfs(fd, &s) != 0) return complain(b, "cannot look at", path);
    uint64_t blocks = b->data_bytes / s.f_bsize; /* the kernel is content with the size it has */
    bool done = ioctl(fd, RESIZE_FS, &blocks) == 0;
    if (!done) complain(b, "cannot grow the file system at", path);
    close(fd);
    return done;
}

bool bootdisk_set_variable(char *block, const char *name, const char *value) {
    size_t sign = strlen(NOTES_SIGN), len = strlen(name), at = 0;
    char out[NOTES_SECTOR];
    if (memcmp(block, NOTES_SIGN, sign) != 0) return false;
    memcpy(out, block, sign);
    at = sign;
    const char *end = block + NOTES_SECTOR;
    for (const char *p = block + sign; p < end && *p != '#';) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) return false;
        size_t n = (size_t)(stop - p) + 1;
        if (n <= len || memcmp(p, name, len) != 0 || p[len] != '=') {
            memcpy(out + at, p, n);
            at += n;
        }
        p = stop + 1;
    }
    int n = snprintf(out + at, sizeof out - at, "%s=%s\n", name, value);
    if (n < 0 || (size_t)n >= sizeof out - at) return false;
    at += (size_t)n;
    memset(out + at, '#', sizeof out - at);
    memcpy(block, out, sizeof out);
    return true;
}

bool bootdisk_slot_is_good(struct bootdisk *b) {
    char block[NOTES_BYTES], name[] = "tries_a", before[NOTES_SECTOR];
    if (!b->slot || !b->notes[0]) return true; /* started by hand: nobody counts */
    name[strlen("tries_")] = b->slot;
    int fd = open(b->notes, O_RDWR | O_CLOEXEC);
    if (fd < 0) return complain(b, "cannot open", b->notes);
    bool done = file_pread_all(fd, block, sizeof block, NOTES_AT);
    if (done) {
        memcpy(before, block, sizeof before);
        done = bootdisk_set_variable(block, name, "3");
        if (!done) errno = EUCLEAN;
    }
    if (done && memcmp(before, block, sizeof before) != 0) {
        done = file_pwrite_all(fd, block, NOTES_SECTOR, NOTES_AT) && file_sync(fd);
    }
    if (!done) complain(b, "cannot note that the slot is good on", b->notes);
    close(fd);
    return done;
}
