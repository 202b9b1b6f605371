/* The client of a drill: a connection to the VIP, one SET of a key that lives five seconds, again and again; what fails is
 * tried again over a new connection. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli.h"
#include "hactl/cli_drill.h"
#include "hactl/had_conf.h"
#include "hactl/reply.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/sock.h"

#define EACH_US    5000
#define CONNECT_MS 50
#define ANSWER_MS  2000

struct probe {
    pthread_t thread;
    char host[NETCFG_ADDR_CHARS];
    uint16_t port;
    char password[256];
    atomic_bool ending;
    _Atomic uint64_t acked;
    /* the thread's, read when it has ended */
    uint64_t failed, last_ms;
    int64_t gap_ms;
    char why[160];
};

/* An error of the server, or of the socket, as a sentence. */
static bool exchange(struct probe *p, int fd, int argc, const char *const *argv) {
    struct buf b = BUF_INIT;
    struct reply r;
    long size = 0, n = 1;
    uint64_t end = clock_boot_ms() + ANSWER_MS;
    reply_request(&b, argc, argv);
    bool good = sock_send_all(fd, buf_head(&b), buf_len(&b), 200);
    buf_clear(&b);
    while (good && n > 0 && size == 0) {
        uint64_t now = clock_boot_ms();
        n = now >= end ? -1 : sock_recv_some(fd, buf_room(&b, 1024), 1024, (int)(end - now));
        if (n > 0) buf_added(&b, (size_t)n);
        if (n > 0) size = reply_size(buf_head(&b), buf_len(&b));
    }
    good = size > 0 && reply_read(buf_head(&b), buf_len(&b), &r) > 0 && r.type != '-';
    if (size > 0 && !good)
        snprintf(p->why, sizeof p->why, "%.*s", (int)r.len, r.text);
    else if (!good)
        snprintf(p->why, sizeof p->why, "no answer: %s", n == 0 ? "it closed" : strerror(errno));
    buf_free(&b);
    return good;
}

static int connect_once(struct probe *p) {
    struct sock_error err;
    int fd = sock_connect_tcp(p->host, p->port, NULL, &err);
    struct pollfd w = {.fd = fd, .events = POLLOUT};
    if (fd < 0) return -1;
    bool good = poll(&w, 1, CONNECT_MS) == 1 && sock_connect_result(fd) == 0;
    const char *const auth[] = {"AUTH", p->password};
    if (good && *p->password) good = exchange(p, fd, 2, auth);
    if (good) return fd;
    close(fd);
    return -1;
}

static void *run(void *arg) {
    struct probe *p = arg;
    const char *const set[] = {"SET", "duet:drill", "1", "PX", "5000"};
    int fd = -1;
    while (!p->ending) {
        if (fd < 0) fd = connect_once(p);
        bool good = fd >= 0 && exchange(p, fd, 5, set);
        uint64_t now = clock_boot_ms();
        if (good) {
            if (p->last_ms && (int64_t)(now - p->last_ms) > p->gap_ms)
                p->gap_ms = (int64_t)(now - p->last_ms);
            p->last_ms = now;
            p->acked++;
        } else {
            p->failed++;
            if (fd >= 0) close(fd);
            fd = -1;
        }
        usleep(EACH_US);
    }
    if (fd >= 0) close(fd);
    return NULL;
}

static void take_password(struct probe *p, const struct conf *c) {
    bool first = true;
    const char *of = "";
    for (size_t i = 0; i < c->count; i++) {
        const struct conf_line *l = &c->lines[i];
        if (strcmp(l->section, "instance") != 0) continue;
        if (first) of = l->section_arg;
        first = false;
        if (strcmp(of, l->section_arg) != 0 || l->argc != 2) continue;
        if (strcmp(l->argv[0], "password") == 0 && strcmp(l->argv[1], "none") != 0)
            snprintf(p->password, sizeof p->password, "%s", l->argv[1]);
    }
}

struct probe *probe_start(const struct cli *c) {
    static struct had_conf conf;
    struct conf text;
    struct conf_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!conf_read(&text, path, true, &err)) return NULL;
    struct probe *p = xcalloc(1, sizeof *p);
    bool good = had_conf_take(&conf, &text, &err);
    take_password(p, &text);
    conf_free(&text);
    if (good) {
        netcfg_addr_text(&conf.net.vips[0], false, p->host);
        p->port = conf.instances[0].port;
        good = pthread_create(&p->thread, NULL, run, p) == 0;
    }
    if (good) return p;
    free(p);
    return NULL;
}

bool probe_wait(struct probe *p, unsigned writes, int limit_ms) {
    uint64_t want = p->acked + writes, end = clock_boot_ms() + (uint64_t)limit_ms;
    while (p->acked < want && clock_boot_ms() < end) usleep(2000);
    return p->acked >= want;
}

void probe_end(struct probe *p, struct probed *out) {
    memset(out, 0, sizeof *out);
    out->gap_ms = -1;
    if (!p) return;
    p->ending = true;
    pthread_join(p->thread, NULL);
    out->acked = p->acked;
    out->failed = p->failed;
    if (p->acked) out->gap_ms = p->gap_ms;
    if (!p->acked) snprintf(out->why, sizeof out->why, "%s", p->why);
    free(p);
}
