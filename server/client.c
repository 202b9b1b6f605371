/* See client.h. */
#include "server/client.h"

#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/batch.h"
#include "server/blocked.h"
#include "server/dispatch.h"
#include "server/io.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/peer_clients.h"
#include "server/scripts.h"
#include "server/push.h"
#include "server/server.h"

#include <stdlib.h>
#include <string.h>

static struct client *graveyard; /* closed, linked by next */
static struct client *stalled;
static struct client *again, **again_end = &again;

/* --- made and unmade --- */

static bool is_local(const char *host) {
    return !strcmp(host, "::1") || !strncmp(host, "127.", 4) || !strncmp(host, "::ffff:127.", 11);
}

static void settle_socket(struct client *c) {
    char host[64];
    uint16_t port;
    c->local = c->unix_socket;
    if (c->unix_socket) return;
    sock_peer_host(c->fd, host, sizeof host, &port);
    c->local = is_local(host);
    sock_set_nodelay(c->fd);
    if (server.config.tcp_keepalive_s)
        sock_set_keepalive(c->fd, (int)server.config.tcp_keepalive_s);
}

struct client *client_new(struct stream *s, bool control, bool unix_socket) {
    struct client *c = xcalloc(1, sizeof *c);
    c->id = ++server.next_client_id;
    c->fd = stream_fd(s);
    c->conn.stream = s;
    c->control = control;
    c->unix_socket = unix_socket;
    c->handshake = true;
    c->resp = 2;
    c->authenticated = control || !*server.config.requirepass;
    c->created_ns = c->active_ns = loop_now_ns(server.loop);
    settle_socket(c);
    peer_clients_add(c);
    c->next = server.clients;
    if (server.clients) server.clients->prev = c;
    server.clients = c;
    server.client_count++;
    server.stats.connections++;
    if (control || !io_give(c)) conn_start(c);
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
    blocked_forget(c);
    peer_clients_drop(c);
    unlink_stalled(c);
    output_forget(c);
    push_forget(c);
    multi_free(c);
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
    c->closed = true;
}

static void let_go(struct client *c, bool close_it) {
    loop_io_free(c->conn.io);
    c->conn.io = NULL;
    if (close_it) stream_free(c->conn.stream);
    c->conn.stream = NULL;
}

void client_close(struct client *c) {
    if (c->closed) return;
    bury(c);
    if (!c->thread)
        let_go(c, true);
    else if (!c->moving)
        io_close(c); /* one that moves is closed when it is here */
}

void client_forget_stream(struct client *c) {
    must(!c->closed && !c->thread, "a connection changes hands once, from the executor's own");
    bury(c);
    let_go(c, false);
}

static void free_batches(struct batch **list) {
    while (*list) {
        struct batch *b = *list;
        *list = b->next;
        batch_free(b);
    }
}

static void release(struct client *c) {
    free_batches(&c->pending);
    free_batches(&c->finished);
    buf_free(&c->conn.in);
    buf_free(&c->conn.out);
    resp_parser_free(&c->conn.parser);
    buf_free(&c->out);
    free(c->name);
    free(c->lib_name);
    free(c->lib_ver);
    free(c);
}

void client_reap(void) {
    struct client **at = &graveyard;
    while (*at) {
        struct client *c = *at;
        if (c->marks || c->executing || c->again || c->at_thread) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        release(c);
    }
}

/* --- batches from a thread --- */

static void append(struct batch **list, struct batch *b) {
    b->next = NULL;
    while (*list) list = &(*list)->next; /* two or three at most */
    *list = b;
}

/* Its answer goes out at the turn's end. */
static void finish_first(struct client *c) {
    struct batch *b = c->pending;
    c->pending = b->next;
    if (!c->thread) {
        batch_free(b);
        return;
    }
    append(&c->finished, b);
    output_queue(c);
}

/* Replies are made in the buffer that the batch brought along, and go back in it. */
static void take_out_buffer(struct client *c, struct batch *b) {
    if (c->out.cap) return;
    c->out = b->out;
    b->out = (struct buf)BUF_INIT;
}

static bool may_run(const struct client *c) {
    return !c->stall && !c->closed && !c->close_after_reply && !c->again;
}

static void run_pending(struct client *c) {
    while (c->pending && may_run(c)) {
        struct batch *b = c->pending;
        take_out_buffer(c, b);
        bool over = dispatch_batch(c, b);
        if (c->closed) return;
        if (b->done == b->count || c->close_after_reply) finish_first(c);
        if (over && c->pending) client_again(c);
    }
    while (c->pending && c->close_after_reply) finish_first(c);
}

void client_take_batch(struct batch *b) {
    struct client *c = b->client;
    if (c->closed) {
        batch_free(b);
        return;
    }
    append(&c->pending, b);
    c->active_ns = loop_now_ns(server.loop);
    if (c->pending == b) run_pending(c);
}

void client_ended(struct client *c) {
    if (c->closed) return;
    if (c->blocked) { /* what it waits for is for others */
        client_close(c);
        return;
    }
    c->ended = true;
    output_queue(c); /* replies to what it sent before go out first */
}

static void go_on(struct client *c) {
    run_pending(c);
    if (!c->thread && !c->pending && may_run(c)) conn_go_on(c);
}

/* --- from a thread to the executor --- */

void client_move_here(struct client *c) {
    c->moving = true;
    client_stall(c, STALL_MOVE);
    io_take_back(c);
}

void client_unread(const struct client *c, struct buf *out) {
    for (struct batch *b = c->pending; b; b = b->next) batch_unread(b, b == c->pending, out);
    buf_add(out, buf_head(&c->conn.in), c->pending ? buf_len(&c->conn.in) : 0);
}

/* Bytes that the thread had been given and could not write come first again. */
static void take_unsent(struct client *c) {
    struct buf *back = &c->conn.out;
    c->sent_total -= buf_len(back);
    buf_add(back, buf_head(&c->out), buf_len(&c->out));
    buf_free(&c->out);
    c->out = *back;
    *back = (struct buf)BUF_INIT;
}

void client_came_back(struct client *c) {
    c->thread = NULL;
    c->moving = c->at_thread = false;
    free_batches(&c->finished);
    if (c->closed) {
        let_go(c, true);
        return;
    }
    take_unsent(c);
    conn_start(c);
    if (buf_len(&c->out)) output_queue(c);
}

/* --- turns --- */

void client_again(struct client *c) {
    if (c->again) return;
    c->again = true;
    c->next_again = NULL;
    *again_end = c;
    again_end = &c->next_again;
}

bool client_any_again(void) {
    return again != NULL;
}

void client_next_turn(void) {
    struct client *list = again;
    again = NULL;
    again_end = &again;
    while (list) {
        struct client *c = list;
        list = c->next_again;
        c->again = false;
        if (may_run(c)) go_on(c);
    }
}

/* --- stalls --- */

static void update(struct client *c) {
    if (!c->thread) conn_update(c);
}

void client_stall(struct client *c, enum client_stall why) {
    must(why != STALL_NONE, "a stall has a reason");
    if (!c->stall && why != STALL_BLOCKED) {
        c->next_stalled = stalled;
        if (stalled) stalled->prev_stalled = c;
        stalled = c;
    }
    c->stall = why;
    update(c);
}

bool client_any_stalled(void) {
    return stalled != NULL;
}

void client_resume(struct client *c) {
    unlink_stalled(c);
    go_on(c);
}

static bool wait_is_over(struct client *c) {
    int synced, acked = repl_count_acked(server.repl, c->write_offset, &synced);
    bool late = c->wait_until_ns && loop_now_ns(server.loop) >= c->wait_until_ns;
    if (acked < c->wait_count && !late) return false;
    resp_int(&c->out, acked);
    output_wait_for(c, repl_reply_offset(server.repl, false));
    output_queue(c);
    return true;
}

static bool sync_is_over(struct client *c) {
    if (!c->sync_result) return false;
    if (c->sync_result == 1)
        resp_status(&c->out, "OK");
    else if (c->sync_result == 2)
        resp_error(&c->out, "ERR the log cannot be written to disk; see the server's log");
    output_queue(c);
    return true;
}

static bool held_is_gone(const struct client *c) {
    return !c->queued && output_holds_little(c);
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
    case STALL_BLOCKED: return false;
    case STALL_WOKEN: return true;
    case STALL_SYNC: return sync_is_over(c);
    case STALL_SCRIPT: return !scripts_running();
    case STALL_MOVE: return !c->moving;
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
        /* ... but a slow script serves others from inside it */
        if (next && !next->stall) break;
    }
}
