/* link: hactl/epoch.c server/base/buf.c server/base/clock.c server/base/crc32c.c server/base/file.c server/base/log.c server/base/loop.c */
/* The persistent record: what is read back after torn writes, damage, and disks that fail. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "hactl/epoch.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/state_layout.h"
#include "tests/unit/tap.h"

static char path[64];
static struct loop *loop;
static uint32_t saved_id;
static bool saved_ok;

static void on_saved(void *arg, uint32_t id, bool good) {
    (void)arg;
    saved_id = id;
    saved_ok = good;
}

static struct epoch_store *reopen(struct ha_record *r, enum epoch_found *found, uint8_t node) {
    struct epoch_error err;
    struct epoch_store *s = epoch_open(loop, path, true, 7, node, r, found, on_saved, NULL, &err);
    if (!s) printf("# %s\n", err.text);
    return s;
}

static void save_and_wait(struct epoch_store *s, uint32_t id, const struct ha_record *r) {
    uint64_t end = clock_boot_ns() + 20 * NS_PER_S;
    epoch_save(s, id, r);
    while (saved_id != id && clock_boot_ns() < end) loop_turn(loop, true);
}

/* Overwrites n bytes of the file. */
static void scribble(off_t at, const void *bytes, size_t n) {
    int fd = open(path, O_RDWR);
    if (pwrite(fd, bytes, n, at) != (ssize_t)n) perror("scribble");
    close(fd);
}

static struct ha_record record_now(enum epoch_found *found) {
    struct ha_record r;
    struct epoch_store *s = reopen(&r, found, 0);
    epoch_close(s);
    return r;
}

static void a_record_comes_back(void) {
    enum epoch_found found;
    struct ha_record r, in = {.seen = ha_epoch(9, 1),
                              .epoch = ha_epoch(8, 0),
                              .was_master = 1,
                              .peer_outdated = 1,
                              .maintenance = 1};
    struct epoch_store *s = reopen(&r, &found, 0);
    if (!s) return;
    is_int(found, EPOCH_NONE, "a blank partition holds no record");
    is_int(r.epoch, 0, "and its epoch is 0");
    save_and_wait(s, 1, &in);
    ok(saved_ok && saved_id == 1, "a save is reported with its number");
    in.epoch = in.seen;
    in.was_master = 0;
    save_and_wait(s, 2, &in);
    epoch_close(s);
    r = record_now(&found);
    is_int(found, EPOCH_RECORD, "it is read back");
    ok(r.seen == in.seen && r.epoch == in.epoch && !r.was_master && r.peer_outdated &&
           !r.outdated && r.maintenance && !r.benched,
       "the newest one, every field");
}

static void damage_to_one_copy_costs_nothing(void) {
    static const off_t copies[] = {STATE_RECORD_A, STATE_RECORD_B};
    enum epoch_found found;
    for (int i = 0; i < 2; i++) {
        uint8_t before[64];
        int fd = open(path, O_RDONLY);
        ok(pread(fd, before, sizeof before, copies[i]) == 64, "copy %d is there", i + 1);
        close(fd);
        scribble(copies[i] + 24, "torn", 4);
        struct ha_record r = record_now(&found);
        ok(found == EPOCH_RECORD && r.epoch == ha_epoch(9, 1),
           "copy %d torn: the record is read from the other one", i + 1);
        scribble(copies[i], before, sizeof before);
    }
}

/* The copies differ when power failed between the two writes: the newer one counts. */
static void the_newer_copy_counts(void) {
    uint8_t block[STATE_BLOCK_BYTES];
    enum epoch_found found;
    struct ha_record newer = {.seen = ha_epoch(20, 0), .epoch = ha_epoch(20, 0)};
    for (int i = 0; i < 2; i++) {
        newer.epoch += 256;
        epoch_encode(&newer, 1000 + (uint64_t)i, 7, 0, block);
        scribble(i ? STATE_RECORD_A : STATE_RECORD_B, block, sizeof block);
        struct ha_record r = record_now(&found);
        ok(found == EPOCH_RECORD && r.epoch == newer.epoch, "the newer of two copies counts (%s)",
           i ? "first" : "second");
    }
    newer.epoch += 256;
    struct ha_record r;
    struct epoch_store *s = reopen(&r, &found, 0);
    save_and_wait(s, 77, &newer);
    epoch_close(s);
    is_int(record_now(&found).epoch, newer.epoch, "a save after that is newer than both");
}

static void another_nodes_record_is_refused(void) {
    struct ha_record r;
    enum epoch_found found;
    epoch_close(reopen(&r, &found, 1));
    is_int(found, EPOCH_OTHER, "the record of another node is not taken for ours");
    is_int(r.epoch, 0, "and nothing of it is believed");
}

static int fail_writes(char op, int fd) {
    (void)fd;
    return op == 'w' ? EIO : 0;
}

static void a_failing_disk_is_reported(void) {
    enum epoch_found found;
    struct ha_record r, in = {.epoch = ha_epoch(99, 0)};
    struct epoch_store *s = reopen(&r, &found, 0);
    log_set_level(LOG_ERROR + 1);
    file_set_fault(fail_writes);
    save_and_wait(s, 5, &in);
    ok(saved_id == 5 && !saved_ok, "a save that fails is reported as failed");
    file_set_fault(NULL);
    log_set_level(LOG_INFO);
    save_and_wait(s, 6, &in);
    ok(saved_id == 6 && saved_ok, "the next one may succeed");
    uint64_t end =
        clock_boot_ns() + 20 * NS_PER_S; /* the answer does not wait for the second copy */
    while (epoch_busy_ns(s) && clock_boot_ns() < end) usleep(1000);
    is_int(epoch_busy_ns(s), 0, "nothing is being written soon after");
    epoch_close(s);
}

static void two_damaged_copies_are_no_record(void) {
    enum epoch_found found;
    scribble(STATE_RECORD_A + 8, "xx", 2);
    scribble(STATE_RECORD_B + 40, "yy", 2);
    struct ha_record r = record_now(&found);
    is_int(found, EPOCH_DAMAGED, "two damaged copies are told from a blank partition");
    ok(r.epoch == 0 && r.seen == 0, "nothing of them is believed");
}

/* Whatever stands in the block, it is refused or read, and never believed with a bit turned. */
static void no_bit_may_turn(void) {
    uint8_t block[STATE_BLOCK_BYTES];
    struct ha_record in = {.seen = 1000, .epoch = 900, .outdated = 1}, out;
    uint64_t sequence;
    int believed = 0;
    for (unsigned bit = 0; bit < 48 * 8; bit++) {
        epoch_encode(&in, 3, 7, 1, block);
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
        believed += epoch_decode(block, 7, 1, &out, &sequence) == EPOCH_RECORD;
    }
    is_int(believed, 0, "a copy with any one bit turned is not believed");
}

int main(void) {
    struct epoch_error err;
    struct ha_record r;
    enum epoch_found found;
    snprintf(path, sizeof path, "/tmp/duet-epoch-%d", (int)getpid());
    loop = loop_new();
    ok(!epoch_open(loop, "/nonexistent/state", false, 7, 0, &r, &found, on_saved, NULL, &err) &&
           strstr(err.text, "/nonexistent/state"),
       "a partition that is not there is named");
    a_record_comes_back();
    damage_to_one_copy_costs_nothing();
    the_newer_copy_counts();
    another_nodes_record_is_refused();
    a_failing_disk_is_reported();
    two_damaged_copies_are_no_record();
    no_bit_may_turn();
    loop_free(loop);
    unlink(path);
    return done();
}
