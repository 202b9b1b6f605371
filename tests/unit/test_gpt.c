/* link: rootfs/gpt.c server/base/file.c server/base/buf.c server/base/log.c server/base/clock.c */
#include "rootfs/gpt.h"
#include "server/base/file.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL (4U << 20)
#define LARGE (64U << 20)

static uint32_t crc(const unsigned char *p, size_t n) {
    uint32_t c = ~0U;
    for (; n--; p++) {
        c ^= *p;
        for (int i = 0; i < 8; i++) c = c & 1 ? c >> 1 ^ 0xEDB88320U : c >> 1;
    }
    return ~c;
}

static void le(unsigned char *p, int bytes, uint64_t v) {
    for (int i = 0; i < bytes; i++) p[i] = (unsigned char)(v >> 8 * i);
}

static void entry(unsigned char *e, int number, uint64_t first, uint64_t last, const char *name) {
    memset(e, 0xAA, 16);
    for (int i = 0; i < 16; i++) e[16 + i] = (unsigned char)(number * 16 + i);
    le(e + 32, 8, first);
    le(e + 40, 8, last);
    for (int i = 0; name[i]; i++) e[56 + 2 * i] = (unsigned char)name[i];
}

static void header(unsigned char *h, uint64_t self, uint64_t other, uint64_t entries,
                   uint64_t sectors, uint32_t entries_crc) {
    memset(h, 0, 512);
    memcpy(h, "EFI PART", 8);
    le(h + 8, 4, 0x10000);
    le(h + 12, 4, 92);
    le(h + 24, 8, self);
    le(h + 32, 8, other);
    le(h + 40, 8, 34);
    le(h + 48, 8, sectors - 34);
    le(h + 72, 8, entries);
    le(h + 80, 4, 128);
    le(h + 84, 4, 128);
    le(h + 88, 4, entries_crc);
    le(h + 16, 4, crc(h, 92));
}

/* A disk of 4 MiB with the partitions state and data, in a file that has no name any more. */
static int make_disk(void) {
    char path[] = "/tmp/duet-gpt-XXXXXX";
    int fd = mkstemp(path);
    unsigned char *disk = calloc(1, SMALL);
    uint64_t sectors = SMALL / 512;
    unlink(path);
    entry(disk + 1024, 1, 2048, 4095, "state");
    entry(disk + 1024 + 128, 2, 4096, 6143, "data");
    memcpy(disk + (sectors - 33) * 512, disk + 1024, 16384);
    header(disk + 512, 1, sectors - 1, 2, sectors, crc(disk + 1024, 16384));
    header(disk + (sectors - 1) * 512, sectors - 1, 1, sectors - 33, sectors,
           crc(disk + 1024, 16384));
    if (fd < 0 || !file_pwrite_all(fd, disk, SMALL, 0)) abort();
    free(disk);
    return fd;
}

static void damage(int fd, off_t at) {
    unsigned char b;
    if (pread(fd, &b, 1, at) != 1) abort();
    b ^= 0x10;
    if (pwrite(fd, &b, 1, at) != 1) abort();
}

static void test_reading(void) {
    struct gpt g;
    struct gpt_part p;
    int fd = make_disk();
    ok(gpt_read(&g, fd, SMALL), "a table is read");
    ok(gpt_by_name(&g, "data", &p) && p.number == 2 && p.first == 4096 && p.count == 2048,
       "a partition is found by its name");
    ok(strcmp(p.guid, "23222120-2524-2726-2829-2a2b2c2d2e2f") == 0,
       "its identifier is written as others write it");
    ok(gpt_by_guid(&g, "13121110-1514-1716-1819-1A1B1C1D1E1F", &p) && p.number == 1,
       "and by its identifier, in capitals too");
    ok(!gpt_by_name(&g, "dat", &p), "not by a part of its name");
    damage(fd, 512 + 60);
    ok(gpt_read(&g, fd, SMALL) && gpt_by_name(&g, "data", &p),
       "a damaged head: the copy at the end is read");
    damage(fd, SMALL - 512 + 60);
    ok(!gpt_read(&g, fd, SMALL), "both damaged: there is no table");
    close(fd);
}

static void test_growing(void) {
    struct gpt g;
    struct gpt_part p, state;
    int fd = make_disk();
    ok(gpt_read(&g, fd, SMALL) && gpt_by_name(&g, "data", &p), "before growing");
    is_int((int64_t)gpt_room_after(&g, &p), 0, "less than a megabyte behind it is no room");
    if (ftruncate(fd, LARGE) != 0) abort();
    ok(gpt_read(&g, fd, LARGE) && gpt_by_name(&g, "data", &p) && gpt_by_name(&g, "state", &state),
       "the disk is larger than its table");
    is_int((int64_t)gpt_room_after(&g, &state), 0, "a partition in the middle has no room");
    ok(gpt_grow(&g, fd, &p), "the last one grows");
    is_int((int64_t)(p.first + p.count), LARGE / 512 - 33, "up to the copy of the table");
    is_int((int64_t)gpt_room_after(&g, &p), 0, "and has no room then");
    for (int from = 0; from < 2; from++) {
        if (from) damage(fd, 512 + 60);
        ok(gpt_read(&g, fd, LARGE) && gpt_by_name(&g, "data", &p) &&
               p.first + p.count == LARGE / 512 - 33,
           "so says the table at the %s", from ? "end" : "head");
    }
    close(fd);
}

static int writes_left;
static int cut_power(char op, int fd) {
    (void)fd;
    if (op != 'w') return 0;
    return writes_left-- > 0 ? 0 : EIO;
}

static void test_power_cut(void) {
    for (int cut = 0; cut < 4; cut++) {
        struct gpt g;
        struct gpt_part p;
        int fd = make_disk();
        if (ftruncate(fd, LARGE) != 0) abort();
        if (!gpt_read(&g, fd, LARGE) || !gpt_by_name(&g, "data", &p)) abort();
        writes_left = cut;
        file_set_fault(cut_power);
        bool grown = gpt_grow(&g, fd, &p);
        file_set_fault(NULL);
        ok(!grown && p.count == 2048, "write %d fails: the growth is reported as failed", cut + 1);
        ok(gpt_read(&g, fd, LARGE) && gpt_by_name(&g, "data", &p) && p.first == 4096,
           "and there is a whole table on the disk");
        close(fd);
    }
}

int main(void) {
    test_reading();
    test_growing();
    test_power_cut();
    return done();
}
