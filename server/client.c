/* See client.h. */
#include "server/client.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/dispatch.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    READ_BYTES = 64 * 1024,             /* one read takes at most this much from an idle client */
    READ_MIN_BYTES = STREAM_ROOM_BYTES, /* room for the rest of an unfinished request */
    READ_MAX_BYTES = 4 << 20 /* even when it announced more: the room grows as bytes come */
};

static char scratch[READ_BYTES]; /* shared by all clients, used within one read only */
static struct client *graveyard; /* closed, linked by next */
static struct client *stalled;

static bool is_local(const char *host) {
    return !strcmp(host, "::1") || !strncmp(host, "127.", 4) || !strncmp(host, "::ffff:127.", 11);
}

static void input_over(struct client *c, size_t used) {
    buf_eat(&c->in, used);
    if (!buf_len(&c->in)) buf_free(&c->in);
}

/* The connection could be read no further: the peer went, or a limit was passed. */
static bool input_too_big(struct client *c) {
    if (buf_len(&c->in) <= server.config.query_limit_bytes) return false;
    log_warning("closing client %llu: it sent a request of more than %llu bytes "
                "(client-query-buffer-limit)",
                (unsigned long long)c->id, (unsigned long long)server.config.query_limit_bytes);
    client_close(c);
    return true;
}

static void count_input(struct client *c, size_t n) {
    server.stats.reads++;
    server.stats.net_in += n;
    c->active_ns = loop_now_ns(server.loop);
}

static bool read_failed(struct client *c, long n) {
    if (n > 0) return false;
    if (n == STREAM_AGAIN) return true;
    if (n == STREAM_FAILED) log_debug("client %llu: %m", (unsigned long long)c->id);
    client_close(c);
    return true;
}

/* Bytes of an unfinished request are there already: read behind them. */
static void read_more(struct client *c) {
    size_t want = c->parser.need + 2;
    if (want < READ_MIN_BYTES) want = READ_MIN_BYTES;
    if (want > READ_MAX_BYTES) want = READ_MAX_BYTES;
    char *to = buf_room(&c->in, want);
    long n = stream_read(c->stream, to, buf_spare(&c->in));
    if (read_failed(c, n)) return;
    buf_added(&c->in, (size_t)n);
    count_input(c, (size_t)n);
    size_t used = dispatch_input(c, buf_head(&c->in), buf_len(&c->in));
    input_over(c, used);
    input_too_big(c);
}

static void read_fresh(struct client *c) {
    long n = stream_read(c->stream, scratch, sizeof scratch);
    if (read_failed(c, n)) return;
    count_input(c, (size_t)n);
    size_t used = dispatch_input(c, scratch, (size_t)n);
    if (used < (size_t)n && c->stream && !c->close_after_reply)
        buf_add(&c->in, scratch + used, (size_t)n - used);
}

static void on_io(struct loop *l, void *arg, int revents) {
    struct client *c = arg;
    (void)l;
    revents = stream_event(c->stream, revents);
    if (!revents) client_update_io(c);
    if (revents & LOOP_WRITE) output_writable(c);
    if (!(revents & LOOP_READ) || !c->stream || c->stall || c->close_after_reply) return;
    if (buf_len(&c->in))
        read_more(c);
    else
        read_fresh(c);
}

void client_update_io(struct client *c) {
    if (!c->io) return;
    int want = 0;
    if (!c->stall && !c->close_after_reply) want |= LOOP_READ;
    if (c->blocked_write) want |= LOOP_WRITE;
    loop_io_want(c->io, stream_watch(c->stream, want));
}

struct client *client_new(struct stream *s, bool control, bool unix_socket) {
    int fd = stream_fd(s);
    struct client *c = xcalloc(1, sizeof *c);
    c->id = ++server.next_client_id;
    c->stream = s;
    c->control = control;
    c->unix_socket = unix_socket;
    c->handshake = true;
    c->resp = 2;
    c->authenticated = control || !*server.config.requirepass;
    c->created_ns = c->active_ns = loop_now_ns(server.loop);
    c->local = unix_socket;
    if (!unix_socket) {
        char host[64];
        uint16_t port;
        sock_peer_host(fd, host, sizeof host, &port);
        c->local = is_local(host);
        sock_set_nodelay(fd);
        if (server.config.tcp_keepalive_s)
            sock_set_keepalive(fd, (int)server.config.tcp_keepalive_s);
    }
    c->io = loop_io_new(server.loop, fd, on_io, c);
    c->next = server.clients;
    if (server.clients) server.clients->prev = c;
    server.clients = c;
    server.client_count++;
    server.stats.connections++;
    client_update_io(c);
    return c;
}

static void unlink_stalled(struct client *c) {
    if (!c->stall) return;
    if (c->prev_stalled)
        c->prev_stalled->next_stalled = c->next_stalled;
    else
        stalled = c->next_stalled;
    if (c->next_stalled) c->next_stalled->prev_stalled = c->prev_stalled;
    c->next_stalled = c->prev_stalled = NULL;
    c->stall = STALL_NONE;
}

static void bury(struct client *c) {
    unlink_stalled(c);
    output_forget(c);
    multi_free(c);
    loop_io_free(c->io);
    c->io = NULL;
    repl_conf_free(c->repl_conf);
    c->repl_conf = NULL;
    if (c->prev)
        c->prev->next = c->next;
    else
        server.clients = c->next;
    if (c->next) c->next->prev = c->prev;
    server.client_count--;
    c->next = graveyard;
    graveyard = c;
}

void client_close(struct client *c) {
    if (!c->stream) return;
    struct stream *s = c->stream;
    bury(c);
    c->stream = NULL;
    stream_free(s);
}

void client_forget_stream(struct client *c) {
    must(c->stream, "a connection changes hands once");
    bury(c);
    c->stream = NULL;
}

static void release(struct client *c) {
    buf_free(&c->in);
    buf_free(&c->out);
    resp_parser_free(&c->parser);
    free(c->name);
    free(c->lib_name);
    free(c->lib_ver);
    free(c);
}

void client_reap(void) {
    struct client **at = &graveyard;
    while (*at) {
        struct client *c = *at;
        if (c->marks || c->executing) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        release(c);
    }
}

/* --- stalls --- */

void client_stall(struct client *c, enum client_stall why) {
    must(why != STALL_NONE, "a stall has a reason");
    if (!c->stall) {
        c->next_stalled = stalled;
        if (stalled) stalled->prev_stalled = c;
        stalled = c;
    }
    c->stall = why;
    client_update_io(c);
}

bool client_any_stalled(void) {
    return stalled != NULL;
}

void client_resume(struct client *c) {
    unlink_stalled(c);
    if (buf_len(&c->in) && !c->close_after_reply) {
        size_t used = dispatch_input(c, buf_head(&c->in), buf_len(&c->in));
        input_over(c, used);
    }
    if (c->stream) client_update_io(c);
}

static bool wait_is_over(struct client *c) {
    int synced, acked = repl_count_acked(server.repl, c->write_offset, &synced);
    bool late = c->wait_until_ns && loop_now_ns(server.loop) >= c->wait_until_ns;
    if (acked < c->wait_count && !late) return false;
    resp_int(&c->out, acked);
    c->reply_offset = repl_offset(server.repl);
    output_queue(c);
    return true;
}

static bool sync_is_over(struct client *c) {
    if (!c->sync_result) return false;
    if (c->sync_result == 1)
        resp_status(&c->out, "OK");
    else
        resp_error(&c->out, "ERR the log cannot be written to disk; see the server's log");
    output_queue(c);
    return true;
}

static bool held_is_gone(const struct client *c) {
    return !c->queued && output_held_bytes(c) < OUTPUT_HELD_LIMIT_BYTES / 2;
}

bool client_any_released(void) {
    for (const struct client *c = stalled; c; c = c->next_stalled) {
        if (c->stall == STALL_HELD && held_is_gone(c)) return true;
    }
    return false;
}

static bool may_resume(struct client *c) {
    switch (c->stall) {
    case STALL_NONE: return true;
    case STALL_PAUSE: return !server_paused();
    case STALL_LEASE: return pair_may_serve();
    case STALL_HELD: return held_is_gone(c);
    case STALL_WAIT: return wait_is_over(c);
    case STALL_SYNC: return sync_is_over(c);
    }
    return true;
}

void client_wake_stalled(void) {
    struct client *next;
    bool serve = pair_may_serve();
    for (struct client *c = stalled; c; c = next) {
        next = c->next_stalled;
        /* replies that waited for the lease, whatever keeps the client from being read */
        if (serve && c->release_total > c->sent_total && !c->blocked_write) output_queue(c);
        if (may_resume(c)) client_resume(c); /* may close c, and stalls nobody else */
    }
}

/* --- looking at clients --- */

struct client *client_by_id(uint64_t id) {
    for (struct client *c = server.clients; c; c = c->next) {
        if (c->id == id) return c;
    }
    return NULL;
}

size_t client_close_service(bool held_only) {
    size_t n = 0;
    struct client *next;
    for (struct client *c = server.clients; c; c = next) {
        next = c->next;
        if (c->control || (held_only && !output_held_bytes(c))) continue;
        client_close(c);
        n++;
    }
    return n;
}

size_t client_memory(const struct client *c) {
    return sizeof *c + c->in.cap + c->out.cap + c->parser.saved.cap * sizeof(struct bytes) +
           multi_memory(c);
}

static void flags_text(const struct client *c, char *out) {
    if (multi_active(c)) *out++ = 'x';
    if (c->stall == STALL_WAIT) *out++ = 'b';
    if (c->close_after_reply) *out++ = 'c';
    if (c->unix_socket) *out++ = 'U';
    if (c->no_evict) *out++ = 'e';
    *out = '\0';
}

void client_describe(const struct client *c, struct buf *out) {
    char peer[128] = "?:0", local[128] = "?:0", flags[16];
    uint64_t now = loop_now_ns(server.loop);
    int fd = c->stream ? stream_fd(c->stream) : -1;
    if (fd >= 0) {
        sock_peer_name(fd, peer, sizeof peer);
        sock_local_name(fd, local, sizeof local);
    }
    flags_text(c, flags);
    int events = c->io ? loop_io_wanted(c->io) : 0;
    buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s db=%d",
               (unsigned long long)c->id, peer, local, fd, c->name ? c->name : "",
               (unsigned long long)((now - c->created_ns) / NS_PER_S),
               (unsigned long long)((now - c->active_ns) / NS_PER_S), *flags ? flags : "N", c->db);
    buf_printf(out,
               " sub=0 psub=0 ssub=0 multi=%ld qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu "
               "rbs=%zu rbp=%zu obl=%zu oll=0 omem=0 tot-mem=%zu events=%s%s",
               multi_active(c) ? (long)multi_queued(c) : -1L, buf_len(&c->in),
               c->in.cap - c->in.end, multi_memory(c), c->out.cap, c->out.cap, buf_len(&c->out),
               client_memory(c), events & LOOP_READ ? "r" : "", events & LOOP_WRITE ? "w" : "");
    buf_printf(out, " cmd=%s user=%s redir=-1 resp=%d\n",
               c->last_command ? c->last_command->name : "NULL",
               c->authenticated ? "default" : "(superuser)", c->resp);
}
