/* link: server/base/loop.c server/base/buf.c server/base/clock.c server/base/log.c server/base/num.c */
#include "server/base/loop.h"

#include <string.h>
#include <unistd.h>

#include "tests/unit/tap.h"

enum { PIPES = 5 };

static struct one {
    int fd[2];
    struct loop_io *io;
} one[PIPES];
static char order[64];
static int frees = -1; /* who is freed by the first that is called */

static void on_bytes(struct loop *l, void *arg, int events) {
    struct one *p = arg;
    char byte;
    (void)l;
    ok(events == LOOP_READ && read(p->fd[0], &byte, 1) == 1, "there is something to read");
    order[strlen(order)] = (char)('0' + (p - one));
    if (frees < 0) return;
    loop_io_free(one[frees].io);
    one[frees].io = NULL;
    frees = -1;
}

/* The turn before makes the kernel forget who was ready. */
static void write_to(struct loop *l, const char *who) {
    loop_turn(l, false);
    memset(order, 0, sizeof order);
    for (; *who; who++) ok(write(one[*who - '0'].fd[1], "x", 1) == 1, "%c is written to", *who);
}

int main(void) {
    struct loop *l = loop_new();
    for (int i = 0; i < PIPES; i++) {
        ok(pipe(one[i].fd) == 0, "a pipe");
        one[i].io = loop_io_new(l, one[i].fd[0], on_bytes, &one[i]);
        loop_io_want(one[i].io, LOOP_READ);
    }
    write_to(l, "31402");
    loop_turn(l, true);
    ok(!strcmp(order, "31402"),
       "descriptors are served in the order in which they became ready: %s", order);
    write_to(l, "0412");
    frees = 1;
    loop_turn(l, true);
    ok(!strcmp(order, "042"), "one that another one's call has freed is not called: %s", order);
    write_to(l, "23");
    loop_io_want(one[3].io, 0);
    loop_turn(l, true);
    ok(!strcmp(order, "2"), "nor one that is not wanted any more: %s", order);
    loop_io_want(one[3].io, LOOP_READ);
    memset(order, 0, sizeof order);
    loop_turn(l, true);
    ok(!strcmp(order, "3"), "until it is wanted again: %s", order);
    for (int i = 0; i < PIPES; i++) loop_io_free(one[i].io);
    loop_free(l);
    return done();
}
