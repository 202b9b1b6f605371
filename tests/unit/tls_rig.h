/* What the tests of TLS share: keys and certificates by openssl in a directory of their own, and two
 * ends of a socketpair that are driven by turns, without a loop. */
#ifndef TESTS_UNIT_TLS_RIG_H
#define TESTS_UNIT_TLS_RIG_H

#include "server/base/loop.h"
#include "server/base/stream.h"
#include "server/base/tls.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char rig_dir[64];

__attribute__((unused, format(printf, 1, 2))) static char *rig_path(const char *fmt, ...) {
    static char paths[8][160];
    static int at;
    char *p = paths[at++ % 8], name[80];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    snprintf(p, sizeof paths[0], "%s/%s", rig_dir, name);
    return p;
}

/* Runs shell words in the directory. */
__attribute__((unused)) static bool rig_shell(const char *words) {
    char line[1200];
    snprintf(line, sizeof line, "cd %s && { %s; } >out 2>&1 || { cat out >&2; false; }", rig_dir,
             words);
    return system(line) == 0;
}

/* ec.key ec.pem (P-256, signed by itself, for localhost), rsa.key rsa.pem. */
__attribute__((unused)) static bool rig_open(void) {
    strcpy(rig_dir, "/tmp/duet-tls-XXXXXX");
    return mkdtemp(rig_dir) &&
           rig_shell("for k in ec rsa; do "
                     "case $k in ec) w='-algorithm EC -pkeyopt ec_paramgen_curve:P-256';; "
                     "rsa) w='-algorithm RSA -pkeyopt rsa_keygen_bits:2048';; esac; "
                     "openssl genpkey $w -out $k.key && openssl req -x509 -new -key $k.key -out "
                     "$k.pem -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost; "
                     "done");
}

__attribute__((unused)) static void rig_close(void) {
    char line[100];
    snprintf(line, sizeof line, "rm -rf %s", rig_dir);
    if (system(line)) fprintf(stderr, "# %s is left\n", rig_dir);
}

__attribute__((unused)) static bool rig_pair(int fd[2], int buffer_bytes) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd)) return false;
    for (int i = 0; buffer_bytes && i < 2; i++)
        setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
    return true;
}

enum { RIG_TURNS = 2000 };

/* Whether the other end has a first word for it. */
__attribute__((unused)) static bool rig_is_open(struct stream *s) {
    return stream_event(s, LOOP_READ | LOOP_WRITE) == (LOOP_READ | LOOP_WRITE);
}

/* Carries the handshake of both ends on until both are done or one has trouble. */
__attribute__((unused)) static bool rig_shake(struct stream *a, struct stream *b) {
    for (int i = 0; i < RIG_TURNS; i++) {
        int left = stream_event(a, LOOP_READ | LOOP_WRITE);
        int right = stream_event(b, LOOP_READ | LOOP_WRITE);
        if (left == (LOOP_READ | LOOP_WRITE) && right == (LOOP_READ | LOOP_WRITE)) return true;
        if (left == LOOP_READ || right == LOOP_READ) return false;
    }
    return false;
}

#endif
