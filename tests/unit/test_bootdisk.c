/* link: rootfs/bootdisk.c rootfs/gpt.c server/base/file.c server/base/buf.c server/base/log.c server/base/clock.c */
#include "rootfs/bootdisk.h"
#include "tests/unit/tap.h"

#define SIGN "# GRUB Environment Block\n"

static char block[1024];

static void fill(const char *text) {
    memset(block, '#', sizeof block);
    memcpy(block, text, strlen(text));
}

static bool begins(const char *text) {
    size_t n = strlen(text);
    for (size_t i = n; i < sizeof block; i++) {
        if (block[i] != '#') return false;
    }
    return memcmp(block, text, n) == 0;
}

int main(void) {
    fill(SIGN "order=a b\ntries_a=2\ntries_b=3\n");
    ok(bootdisk_set_variable(block, "tries_a", "3"), "a variable is set");
    ok(begins(SIGN "order=a b\ntries_b=3\ntries_a=3\n"), "and the others are as before");
    ok(bootdisk_set_variable(block, "new", ""), "a new one is added");
    ok(begins(SIGN "order=a b\ntries_b=3\ntries_a=3\nnew=\n"), "with its empty value");
    ok(bootdisk_set_variable(block, "tries", "1") && strstr(block, "tries_a=3\n"),
       "a name is compared whole");
    fill("# something else\n");
    ok(!bootdisk_set_variable(block, "tries_a", "3"), "what is no environment block is refused");
    fill(SIGN "cut");
    memset(block + strlen(SIGN), 'x', sizeof block - strlen(SIGN));
    ok(!bootdisk_set_variable(block, "tries_a", "3"), "so is one whose line has no end");
    char value[500];
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = 0;
    fill(SIGN "order=a b\n");
    ok(!bootdisk_set_variable(block, "extra", value),
       "what does not fit into the first sector is refused");
    ok(begins(SIGN "order=a b\n"), "and changes nothing");
    return done();
}
