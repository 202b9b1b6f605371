/* See migrate_wire.h. */
#include "server/migrate_wire.h"

#include "server/base/clock.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CACHE_MOST = 64, CACHE_S = 10, READ_BYTES = 16384, LINE_MAX_BYTES = 1 << 20 };

/* ---- Sockets that nobody uses now ----------------------------------------------------------- */

struct kept {
    char *name; /* "host:port" */
    int fd;
    int64_t db;
    uint64_t used_ns;
};
static struct kept cache[CACHE_MOST];
static size_t cached, in_use;
static struct loop_timer *sweeper;

size_t wire_cached(void) {
    return cached + in_use;
}

static char *name_of(const struct wire *w) {
    char *name = xmalloc(w->host.len + w->port.len + 2);
    memcpy(name, w->host.p, w->host.len);
    name[w->host.len] = ':';
    memcpy(name + w->host.len + 1, w->port.p, w->port.len);
    name[w->host.len + w->port.len + 1] = '\0';
    return name;
}

/* Takes one out of the cache; its descriptor is the caller's. */
static int take(size_t i) {
    int fd = cache[i].fd;
    free(cache[i].name);
    cache[i] = cache[--cached];
    if (!cached) loop_timer_stop(sweeper);
    return fd;
}

static void sweep(struct loop *l, void *arg) {
    (void)arg;
    uint64_t now = loop_now_ns(l);
    for (size_t i = cached; i--;)
        if (now > cache[i].used_ns + (uint64_t)CACHE_S * NS_PER_S) close(take(i));
}

static void keep(struct wire *w) {
    if (cached == CACHE_MOST) close(take(0));
    cache[cached++] = (struct kept){name_of(w), w->fd, w->error[0] ? -1 : w->db, clock_boot_ns()};
    if (!sweeper) sweeper = loop_timer_new(server.loop, sweep, NULL);
    if (!loop_timer_active(sweeper)) loop_timer_start(sweeper, NS_PER_S, NS_PER_S);
}

/* ---- Talking -------------------------------------------------------------------------------- */

static uint16_t port_number(struct bytes port) {
    int64_t v = 0;
    for (size_t i = 0; i < port.len && port.p[i] >= '0' && port.p[i] <= '9' && v < 65536; i++)
        v = v * 10 + (port.p[i] - '0');
    return v < 65536 ? (uint16_t)v : 0;
}

bool wire_open(struct wire *w, bool fresh) {
    char *name = name_of(w);
    w->fd = -1;
    w->select = true;
    w->state = WIRE_WRITING;
    w->progress_ns = clock_boot_ns();
    for (size_t i = 0; i < cached && w->fd < 0; i++) {
        if (strcmp(cache[i].name, name) != 0) continue;
        w->select = cache[i].db != w->db;
        w->fd = take(i);
        if (!fresh) break;
        close(w->fd);
        w->fd = -1;
        w->select = true;
    }
    if (w->fd < 0) {
        name[w->host.len] = '\0';
        uint16_t port = port_number(w->port);
        w->fd = port ? sock_connect_tcp(name, port, NULL, NULL) : -1;
        w->state = WIRE_CONNECTING;
    }
    free(name);
    in_use += w->fd >= 0;
    return w->fd >= 0;
}

static void fail(struct wire *w) {
    w->failed_in = w->state;
    w->state = WIRE_FAILED;
}

void wire_time_out(struct wire *w) {
    w->timed_out = true;
    fail(w);
}

int wire_wants(const struct wire *w) {
    return w->state == WIRE_READING ? LOOP_READ : LOOP_WRITE;
}

static void write_some(struct wire *w) {
    while (w->sent < buf_len(&w->out)) {
        ssize_t n = send(w->fd, buf_head(&w->out) + w->sent, buf_len(&w->out) - w->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            fail(w);
            return;
        }
        w->sent += (size_t)n;
        w->progress_ns = clock_boot_ns();
    }
    w->state = WIRE_READING;
}

/* An answer without its line's end. */
static void take_line(struct wire *w, struct bytes line, wire_line_fn *fn, void *arg) {
    bool bad = line.len && line.p[0] == '-';
    if (bad && !w->error[0]) {
        size_t n = line.len - 1 < sizeof w->error - 1 ? line.len - 1 : sizeof w->error - 1;
        memcpy(w->error, line.p + 1, n);
        w->error[n] = '\0';
    }
    if (w->first_lines) {
        w->first_lines--;
        w->refused |= bad;
    } else if (w->lines < w->lines_wanted) {
        fn(arg, w->lines++, !bad && !w->refused);
    }
}

static void take_lines(struct wire *w, wire_line_fn *fn, void *arg) {
    const char *end;
    while (buf_len(&w->in) && (end = memchr(buf_head(&w->in), '\n', buf_len(&w->in)))) {
        struct bytes line = {buf_head(&w->in), (size_t)(end - buf_head(&w->in))};
        size_t taken = line.len + 1;
        if (line.len && line.p[line.len - 1] == '\r') line.len--;
        take_line(w, line, fn, arg);
        buf_eat(&w->in, taken);
    }
    if (!w->first_lines && w->lines == w->lines_wanted)
        w->state = WIRE_DONE;
    else if (buf_len(&w->in) > LINE_MAX_BYTES)
        fail(w);
}

static void read_some(struct wire *w, wire_line_fn *fn, void *arg) {
    take_lines(w, fn, arg); /* nothing may be awaited */
    while (w->state == WIRE_READING) {
        ssize_t n = recv(w->fd, buf_room(&w->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            fail(w);
            return;
        }
        buf_added(&w->in, (size_t)n);
        w->progress_ns = clock_boot_ns();
        take_lines(w, fn, arg);
    }
}

void wire_step(struct wire *w, wire_line_fn *line, void *arg) {
    if (w->state == WIRE_CONNECTING) {
        w->state = WIRE_WRITING; /* a connection refused is told as a failed write, as Redis does */
        if (sock_connect_result(w->fd) != 0) {
            fail(w);
            return;
        }
        sock_set_nodelay(w->fd);
    }
    if (w->state == WIRE_WRITING) write_some(w);
    if (w->state == WIRE_READING) read_some(w, line, arg);
}

void wire_close(struct wire *w) {
    if (w->fd < 0) return;
    in_use--;
    if (w->state == WIRE_DONE)
        keep(w);
    else
        close(w->fd);
    w->fd = -1;
}

void wire_free(struct wire *w) {
    wire_close(w);
    buf_free(&w->out);
    buf_free(&w->in);
}
