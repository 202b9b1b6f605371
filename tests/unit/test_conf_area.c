/* link: rootfs/conf_area.c server/base/buf.c server/base/crc32c.c server/base/file.c server/base/log.c server/base/clock.c */
/* The configuration in the state partition: whatever happens to one copy, the other one counts. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "rootfs/conf_area.h"
#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/state_layout.h"
#include "tests/unit/tap.h"

#define BASE 4096 /* as a partition inside a disk */

static int fd;
static const off_t at[2] = {BASE + STATE_CONF_A, BASE + STATE_CONF_B};

static const char *text_of(int *best, struct conf_copy copies[2]) {
    static struct buf text;
    buf_clear(&text);
    *best = conf_area_read(fd, BASE, copies, &text);
    return buf_cstr(&text);
}

static void write_text(const char *s) {
    if (!conf_area_write(fd, BASE, s, strlen(s))) ok(false, "the text is written");
}

static void flip(off_t where) {
    char c = 0;
    if (pread(fd, &c, 1, where) != 1) abort();
    c ^= 0x20;
    if (pwrite(fd, &c, 1, where) != 1) abort();
}

static void test_fresh(void) {
    struct conf_copy c[2];
    int best;
    text_of(&best, c);
    is_int(best, -1, "an empty partition holds no configuration");
    is_int(c[0].state, CONF_COPY_EMPTY, "and says that it is empty, not damaged");
    write_text("[node]\nnode a\n");
    is_str(text_of(&best, c), "[node]\nnode a\n", "what was put is got");
    ok(c[0].state == CONF_COPY_WHOLE && c[1].state == CONF_COPY_WHOLE, "both copies are whole");
    ok(c[0].sequence == c[1].sequence, "and equally new");
}

/* Each byte of the header and some of the text, damaged in turn, in each copy. */
static void test_damage(void) {
    struct conf_copy c[2];
    int best, wrong = 0;
    write_text("[node]\nname duet-a\nnode a\n");
    for (int copy = 0; copy < 2; copy++) {
        for (off_t i = 0; i < 24 + 26; i++) {
            flip(at[copy] + i);
            const char *got = text_of(&best, c);
            bool fine = best == !copy && strcmp(got, "[node]\nname duet-a\nnode a\n") == 0 &&
                        c[copy].state != CONF_COPY_WHOLE;
            if (!fine) {
                wrong++;
                fprintf(stderr, "# copy %d, byte %d: best %d, state %d\n", copy, (int)i, best,
                        c[copy].state);
            }
            flip(at[copy] + i);
        }
    }
    is_int(wrong, 0, "any damaged byte of a copy is noticed, and the other copy counts");
    flip(at[0] + 30);
    flip(at[1] + 30);
    text_of(&best, c);
    is_int(best, -1, "both damaged: there is none");
    write_text("again");
    is_str(text_of(&best, c), "again", "and a new one can be put");
}

static int fail_at, writes;
static int fault(char op, int which) {
    (void)which;
    return op == 'w' && ++writes == fail_at ? EIO : 0;
}

static void test_half_written(void) {
    struct conf_copy c[2];
    int best;
    write_text("old");
    fail_at = 2;
    writes = 0;
    file_set_fault(fault);
    ok(!conf_area_write(fd, BASE, "new", 3) && errno == EIO, "an error of the disk is reported");
    file_set_fault(NULL);
    is_str(text_of(&best, c), "new", "the first copy was written whole: it counts");
    fail_at = 1;
    writes = 0;
    file_set_fault(fault);
    ok(!conf_area_write(fd, BASE, "third", 5), "an error at the first write");
    file_set_fault(NULL);
    is_str(text_of(&best, c), "new", "leaves what was there");
    write_text("fourth");
    ok(strcmp(text_of(&best, c), "fourth") == 0 && c[0].sequence == c[1].sequence,
       "the next put repairs both");
}

static void test_worse_first(void) {
    struct conf_copy c[2];
    int best;
    write_text("kept");
    flip(at[0] + 3);
    fail_at = 2;
    writes = 0;
    file_set_fault(fault);
    if (conf_area_write(fd, BASE, "next", 4)) ok(false, "the second write fails");
    file_set_fault(NULL);
    text_of(&best, c);
    is_int(best, 0, "the damaged copy is written first, the whole one only then");
}

static void test_limits(void) {
    struct conf_copy c[2];
    int best;
    size_t limit = STATE_CONF_LIMIT_BYTES - 24;
    char *big = malloc(limit + 1);
    memset(big, 'a', limit + 1);
    ok(conf_area_write(fd, BASE, big, limit), "the largest text fits");
    text_of(&best, c);
    ok(best >= 0 && c[best].length == limit, "and comes back");
    ok(!conf_area_write(fd, BASE, big, limit + 1) && errno == EFBIG, "a larger one is refused");
    free(big);
    if (ftruncate(fd, at[1] + 5) != 0) abort();
    text_of(&best, c);
    ok(best == 0 && c[1].state == CONF_COPY_UNREADABLE, "a file that ends early: the first counts");
}

int main(void) {
    char path[] = "/tmp/duet-area-XXXXXX";
    fd = mkstemp(path);
    unlink(path);
    if (fd < 0 || ftruncate(fd, BASE + STATE_SIZE_BYTES) != 0) abort();
    test_fresh();
    test_damage();
    test_half_written();
    test_worse_first();
    test_limits();
    return done();
}
