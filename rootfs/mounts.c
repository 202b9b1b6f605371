#include "rootfs/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/bootdisk.h"
#include "rootfs/supervise.h"
#include "server/base/file.h"
#include "server/base/log.h"

#define CHECK_LIMIT_MS (30 * 60 * 1000) /* a big disk with a big fault */

static const struct {
    const char *type, *at, *options;
    unsigned long flags;
} early[] = {
    {"proc", "/proc", "", MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"sysfs", "/sys", "", MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"devtmpfs", "/dev", "mode=0755", MS_NOSUID},
    {"devpts", "/dev/pts", "mode=0620,gid=5", MS_NOSUID | MS_NOEXEC},
    {"pstore", "/sys/fs/pstore", "", MS_NOSUID | MS_NODEV | MS_NOEXEC},
    {"tmpfs", "/run", "mode=0755,size=64m", MS_NOSUID | MS_NODEV},
    {"tmpfs", "/tmp", "mode=1777,size=64m", MS_NOSUID | MS_NODEV},
};

/* A kernel that has lost its way is worth less than the peer: it restarts, and the peer takes over. Files
 * that this kernel lacks are passed over. */
static const struct {
    const char *file, *value;
} settings[] = {
    {"/proc/sys/kernel/panic", "5"},
    {"/proc/sys/kernel/panic_on_oops", "1"},
};

static void write_settings(void) {
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        int fd = open(settings[i].file, O_WRONLY | O_CLOEXEC);
        if (fd < 0) continue;
        if (!file_write_all(fd, settings[i].value, strlen(settings[i].value))) {
            log_warning("cannot write %s: %s", settings[i].file, strerror(errno));
        }
        close(fd);
    }
}

static void use_console(void) {
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0) return;
    for (int i = 0; i < 3; i++) dup2(fd, i);
    if (fd > 2) close(fd);
}

void mounts_early(void) {
    int failed = 0;
    for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
        mkdir(early[i].at, 0755);
        bool fine =
            mount(early[i].type, early[i].at, early[i].type, early[i].flags, early[i].options) == 0;
        if (!fine && errno != EBUSY) failed |= 1 << i;
    }
    use_console();
    for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
        if (failed & 1 << i) log_error("cannot mount %s on %s", early[i].type, early[i].at);
    }
    write_settings();
    klogctl(8, NULL, 4); /* the console is for people: errors only */
}

/* What the firmware kept of a kernel that died. The records stay: someone may want to read them. */
void mounts_say_crashes(void) {
    DIR *d = opendir("/sys/fs/pstore");
    struct dirent *e;
    int records = 0;
    while (d && (e = readdir(d))) records += e->d_name[0] != '.';
    if (d) closedir(d);
    if (records > 0) {
        log_warning("the firmware holds %d records of a kernel that crashed (/sys/fs/pstore)",
                    records);
    }
}

/* e2fsck's exit status is a sum; 1 and 2 mean that it has repaired what it found. */
static bool check(const struct bootdisk *b, char *why, unsigned why_size) {
    const char *argv[] = {"e2fsck", "-p", b->data, NULL};
    int status = supervisor_run_tool("/sbin/e2fsck", argv, CHECK_LIMIT_MS);
    if (status >= 0 && status < 4) return true;
    snprintf(why, why_size,
             "the data partition %s is damaged and cannot be repaired without a decision (e2fsck "
             "says %d): no server is started here; take the data from the peer or a backup",
             b->data, status);
    return false;
}

bool mounts_data(struct bootdisk *b, char *why, unsigned why_size) {
    if (!b->data[0]) {
        snprintf(why, why_size, "there is no data partition: %.150s", b->why);
        return false;
    }
    if (!check(b, why, why_size)) return false;
    if (!bootdisk_grow(b)) log_warning("%s; it stays as it is", b->why);
    if (mount(b->data, "/data", "ext4", MS_NOATIME | MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "errors=remount-ro") != 0) {
        snprintf(why, why_size, "the data partition %s cannot be mounted: %s", b->data,
                 strerror(errno));
        return false;
    }
    if (!bootdisk_grow_files(b, "/data")) log_warning("%s; it stays as it is", b->why);
    return true;
}

void mounts_end(void) {
    sync();
    if (umount("/data") == 0 || errno == EINVAL) return;
    log_warning("/data is still in use: %s; it is made read-only", strerror(errno));
    mount(NULL, "/data", NULL, MS_REMOUNT | MS_RDONLY, NULL);
    sync();
}
