#include "hactl/instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/reply.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/lease.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/rand.h"
#include "server/base/sock.h"
#include "server/base/stream.h"

#define RECONNECT_NS (20 * NS_PER_MS)
#define STATUS_NS    (10 * NS_PER_MS)

/* A command that waits for its answer. Answers come in the order of the commands. */
struct asked {
    struct asked *next;
    uint32_t id;
    instance_answer_fn *answer;
    void *arg;
};

struct instance {
    struct loop *loop;
    struct instance_conf conf;
    struct instance_calls calls;
    char path[256];
    char trouble[256];
    struct stream *stream; /* NULL: not connected */
    struct loop_io *io;
    bool connecting;
    uint64_t tried_ns, asked_ns;
    bool status_asked, known;
    struct buf in, out;
    struct asked *first, **end;
    struct lease_page *page;
    uint64_t page_server; /* server_id of the process that answered; 0: none */
    struct instance_status status;
};

/* ---- the lease page ---- */

static bool page_open(struct instance *i, const char *root) {
    char path[256];
    uint64_t id;
    snprintf(path, sizeof path, "%s/run/lease-%d", root, i->conf.number);
    i->page = lease_open(path);
    if (!i->page) return false;
    rand_bytes(&id, sizeof id);
    lease_set(i->page, 0, 0);
    atomic_store(&i->page->had_id, id);
    return true;
}

void instance_lease(struct instance *i, uint64_t epoch, uint64_t until_ns) {
    bool ours = i->known && i->page_server && atomic_load(&i->page->server_id) == i->page_server;
    lease_set(i->page, epoch, ours ? until_ns : 0);
}

void instance_alive(const struct instance *i, uint64_t now_ns, uint64_t *server_ns,
                    uint64_t *executor_ns) {
    *server_ns = *executor_ns = 0;
    if (!i->known) return;
    uint64_t alive = atomic_load(&i->page->alive_ns);
    uint64_t moved = atomic_load(&i->page->executor_ns);
    uint64_t busy_since = atomic_load(&i->page->executor_busy_since_ns);
    if (busy_since > moved) moved = busy_since;
    if (!busy_since) moved = now_ns; /* it waits for work */
    *server_ns = alive < now_ns ? alive : now_ns;
    *executor_ns = moved < now_ns ? moved : now_ns;
}

/* ---- the connection ---- */

static void forget_asked(struct instance *i, bool tell) {
    static const char text[] = "the connection to the server broke";
    while (i->first) {
        struct asked *a = i->first;
        i->first = a->next;
        if (!i->first) i->end = &i->first;
        if (tell && a->answer) a->answer(a->arg, i, a->id, false, text, sizeof text - 1);
        free(a);
    }
    i->end = &i->first;
}

static void disconnect(struct instance *i, const char *why) {
    bool was_known = i->known;
    snprintf(i->trouble, sizeof i->trouble, "%s", why);
    loop_io_free(i->io);
    stream_free(i->stream);
    i->io = NULL;
    i->stream = NULL;
    i->connecting = i->status_asked = i->known = false;
    i->page_server = 0;
    buf_clear(&i->in);
    buf_clear(&i->out);
    lease_set(i->page, 0, 0);
    if (was_known) log_notice("server %d: %s", i->conf.number, why);
    forget_asked(i, true);
    if (was_known && i->calls.died) i->calls.died(i->calls.arg, i);
}

static void flush(struct instance *i) {
    while (buf_len(&i->out)) {
        long n = stream_write(i->stream, buf_head(&i->out), buf_len(&i->out));
        if (n == STREAM_AGAIN) break;
        if (n < 0) {
            disconnect(i, "its control socket closed");
            return;
        }
        buf_eat(&i->out, (size_t)n);
    }
    loop_io_want(i->io, LOOP_READ | (buf_len(&i->out) ? LOOP_WRITE : 0));
}

static void ask(struct instance *i, uint32_t id, instance_answer_fn *answer, void *arg, int argc,
                const char *const *argv) {
    struct asked *a = xcalloc(1, sizeof *a);
    a->id = id;
    a->answer = answer;
    a->arg = arg;
    *i->end = a;
    i->end = &a->next;
    reply_request(&i->out, argc, argv);
}

static void on_status(void *arg, struct instance *i, uint32_t id, bool ok, const char *text,
                      size_t len) {
    (void)arg, (void)id, (void)ok, (void)text, (void)len;
    i->status_asked = false;
}

/* One answer: a status goes into the struct, everything else to whoever asked. */
static bool take_answer(struct instance *i, const char *p, size_t len) {
    struct reply r;
    struct asked *a = i->first;
    if (!a) return false;
    i->first = a->next;
    if (!i->first) i->end = &i->first;
    struct asked mine = *a;
    free(a);
    reply_read(p, len, &r);
    if (mine.answer != on_status) {
        if (mine.answer)
            mine.answer(mine.arg, i, mine.id, r.type != '-', r.type == '*' ? "" : r.text, r.len);
        return true;
    }
    struct instance_status fresh;
    i->status_asked = false;
    if (r.type == '-') return true; /* it is not ready to say */
    if (!instance_status_read(p, len, &fresh)) return false;
    i->status = fresh;
    if (!i->known) {
        i->page_server = atomic_load(&i->page->server_id);
        log_notice("server %d answers", i->conf.number);
    }
    i->known = true;
    i->trouble[0] = 0;
    if (i->calls.status) i->calls.status(i->calls.arg, i);
    return true;
}

static void take_answers(struct instance *i) {
    while (i->stream && buf_len(&i->in)) {
        long size = reply_size(buf_head(&i->in), buf_len(&i->in));
        if (size == 0) return;
        struct stream *before = i->stream;
        if (size < 0 || !take_answer(i, buf_head(&i->in), (size_t)size)) {
            disconnect(i, "its answer on the control socket makes no sense");
            return;
        }
        if (i->stream == before) buf_eat(&i->in, (size_t)size);
    }
}

static void on_io(struct loop *l, void *arg, int revents) {
    struct instance *i = arg;
    (void)l;
    if (i->connecting && sock_connect_result(stream_fd(i->stream)) != 0) {
        disconnect(i, "its control socket does not accept connections");
        return;
    }
    i->connecting = false;
    if (revents & LOOP_READ) {
        long n = stream_read(i->stream, buf_room(&i->in, 4096), 4096);
        if (n < 0 && n != STREAM_AGAIN) {
            disconnect(i, "its control socket closed");
            return;
        }
        if (n > 0) buf_added(&i->in, (size_t)n);
        take_answers(i);
    }
    if (i->stream) flush(i);
}

static void connect_now(struct instance *i) {
    struct sock_error err;
    int fd = sock_connect_unix(i->path, &err);
    if (fd < 0) {
        snprintf(i->trouble, sizeof i->trouble, "%s", err.text);
        return;
    }
    i->stream = stream_plain(fd);
    i->io = loop_io_new(i->loop, fd, on_io, i);
    i->connecting = true;
    loop_io_want(i->io, LOOP_READ | LOOP_WRITE);
}

void instance_ask(struct instance *i, uint64_t now_ns) {
    static const char *const status[] = {"DUET", "STATUS"};
    if (!i->stream || i->connecting || i->status_asked) return;
    i->asked_ns = now_ns;
    i->status_asked = true;
    ask(i, 0, on_status, NULL, 2, status);
    flush(i);
}

void instance_tick(struct instance *i, uint64_t now_ns) {
    if (i->stream) {
        if (now_ns - i->asked_ns >= STATUS_NS / 2) instance_ask(i, now_ns);
        return;
    }
    if (now_ns - i->tried_ns < RECONNECT_NS) return;
    i->tried_ns = now_ns;
    connect_now(i);
}

bool instance_tell(struct instance *i, uint32_t id, instance_answer_fn *answer, void *arg, int argc,
                   const char *const *argv) {
    if (!i->stream || i->connecting) return false;
    ask(i, id, answer, arg, argc, argv);
    loop_io_want(i->io, LOOP_READ | LOOP_WRITE); /* written in this turn or the next, never here: */
    return true;                                 /* a broken pipe must not answer inside the call */
}

/* ---- the whole ---- */

struct instance *instance_new(struct loop *l, const char *root, const struct instance_conf *conf,
                              const struct instance_calls *calls) {
    struct instance *i = xcalloc(1, sizeof *i);
    i->loop = l;
    i->conf = *conf;
    i->calls = *calls;
    i->end = &i->first;
    snprintf(i->path, sizeof i->path, "%s/run/control-%d.sock", root, conf->number);
    snprintf(i->trouble, sizeof i->trouble, "it has not answered yet");
    if (page_open(i, root)) return i;
    int saved = errno;
    free(i);
    errno = saved;
    return NULL;
}

void instance_free(struct instance *i) {
    if (!i) return;
    i->known = false;
    i->calls = (struct instance_calls){0};
    lease_set(i->page, 0, 0);
    loop_io_free(i->io);
    stream_free(i->stream);
    forget_asked(i, false);
    buf_free(&i->in);
    buf_free(&i->out);
    lease_close(i->page);
    free(i);
}

const struct instance_status *instance_status(const struct instance *i) {
    return i->known ? &i->status : NULL;
}
void instance_set_async(struct instance *i, bool async) {
    i->conf.async = async;
}
bool instance_busy(const struct instance *i) {
    for (const struct asked *a = i->first; a; a = a->next)
        if (a->answer != on_status) return true;
    return false;
}
const struct instance_conf *instance_conf_of(const struct instance *i) {
    return &i->conf;
}
const char *instance_trouble(const struct instance *i) {
    return i->trouble;
}
