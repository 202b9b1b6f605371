#include "hactl/stick.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tried in this order; what FAT cannot hold (files of 4 GB and more) exFAT and ext4 can. */
static const char *const types[] = {"vfat", "exfat", "ext4"};

/* ---- finding it ---- */

static bool says_one(const char *path) {
    char c = '0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, &c, 1);
    close(fd);
    return n == 1 && c == '1';
}

static bool is_file(const char *path) {
    return access(path, F_OK) == 0;
}

/* Behind a USB bus, or with a medium that can be taken out. */
static bool can_be_pulled(const char *disk) {
    char path[400], link[512];
    snprintf(path, sizeof path, "/sys/block/%.100s/removable", disk);
    if (says_one(path)) return true;
    snprintf(path, sizeof path, "/sys/block/%.100s", disk);
    ssize_t n = readlink(path, link, sizeof link - 1);
    link[n > 0 ? n : 0] = 0;
    return strstr(link, "/usb") != NULL;
}

/* The first partition, or the whole disk when it has none. */
static void part_of(const char *disk, char *out, size_t size) {
    char path[400];
    snprintf(path, sizeof path, "/sys/block/%.100s/%.100s1", disk, disk);
    snprintf(out, size, "/dev/%.40s%s", disk, is_file(path) ? "1" : "");
}

static bool find(char *out, size_t size) {
    int found = 0;
    struct dirent *e;
    DIR *d = opendir("/sys/block");
    while (d && (e = readdir(d))) {
        if (strncmp(e->d_name, "sd", 2) != 0 || !can_be_pulled(e->d_name)) continue;
        if (found++ == 0) part_of(e->d_name, out, size);
    }
    if (d) closedir(d);
    if (found == 0)
        fprintf(stderr,
                "hactl: there is no USB stick; put one in, or name its device with --device\n");
    if (found > 1)
        fprintf(stderr,
                "hactl: there are %d USB disks; leave one, or name its device with --device\n",
                found);
    return found == 1;
}

/* ---- mounting it ---- */

static bool try_types(struct stick *s) {
    int why = 0;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (mount(s->device, s->at, types[i], MS_NOSUID | MS_NODEV | MS_NOEXEC, "") == 0)
            return true;
        if (errno != EINVAL && errno != ENODEV) why = errno;
        if (errno == EPERM || errno == EACCES || errno == ENOENT) break;
    }
    fprintf(stderr, "hactl: %s cannot be mounted: %s\n", s->device,
            why ? strerror(why) : "no file system that is known (FAT, exFAT or ext4)");
    return false;
}

bool stick_mount(struct stick *s, const char *device) {
    if (device)
        snprintf(s->device, sizeof s->device, "%s", device);
    else if (!find(s->device, sizeof s->device))
        return false;
    snprintf(s->at, sizeof s->at, "%s/duet-stick-XXXXXX",
             access("/run", W_OK) == 0 ? "/run" : "/tmp");
    if (!mkdtemp(s->at)) {
        fprintf(stderr, "hactl: no place to mount %s: %s\n", s->device, strerror(errno));
        return false;
    }
    if (try_types(s)) return true;
    rmdir(s->at);
    return false;
}

bool stick_unmount(struct stick *s) {
    bool done = umount(s->at) == 0;
    if (!done)
        fprintf(stderr, "hactl: %s cannot be unmounted: %s; do not pull it yet\n", s->device,
                strerror(errno));
    if (done) rmdir(s->at);
    return done;
}

bool stick_only_archive(const struct stick *s, const char *ending, char *name, size_t size) {
    int found = 0;
    struct dirent *e;
    DIR *d = opendir(s->at);
    size_t n = strlen(ending);
    while (d && (e = readdir(d))) {
        size_t len = strlen(e->d_name);
        if (e->d_name[0] == '.' || len <= n || strcmp(e->d_name + len - n, ending) != 0) continue;
        if (found++ == 1) fprintf(stderr, "hactl: which one? %s", name);
        if (found > 1) fprintf(stderr, ", %s", e->d_name);
        snprintf(name, size, "%s", e->d_name);
    }
    if (d) closedir(d);
    if (found > 1) fprintf(stderr, "\n");
    if (found == 0) fprintf(stderr, "hactl: there is no %s archive on %s\n", ending, s->device);
    return found == 1;
}
