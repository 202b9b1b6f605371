/* See migrate.h. */
#include "server/migrate.h"

#include "server/base/clock.h"
#include "server/base/loop.h"
#include "server/base/num.h"
#include "server/blocked.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/migrate_wire.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/server.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define ALONE_MOST_NS (10 * NS_PER_S)
enum { DEFAULT_TIMEOUT_MS = 1000, PAUSED_MS = 10, POLL_MS = 20 };

struct moving_key {
    struct bytes name; /* in words */
    bool touched, there;
};

struct migration {
    struct migration *next, *prev;
    struct buf words; /* host, port and the keys' names */
    int db;           /* where the keys are */
    struct moving_key *keys;
    size_t count;
    bool copy, replace, retried;
    int64_t timeout_ms;
    struct bytes user, password; /* p NULL: none */
    struct wire wire;
    struct buf restores; /* the commands behind AUTH and SELECT */
    /* a client that waits for it */
    uint64_t client_id;
    bool mute;
    struct loop_io *io;
    struct loop_timer *timer;
};

bool migrate_under_way;
static struct migration *all;

/* ---- Keys on their way ---------------------------------------------------------------------- */

void migrate_touched(int db, struct bytes key) {
    for (struct migration *m = all; m; m = m->next)
        for (size_t i = 0; m->db == db && i < m->count; i++)
            m->keys[i].touched |= bytes_equal(m->keys[i].name, key);
}

void migrate_flushed(int db) {
    for (struct migration *m = all; m; m = m->next)
        for (size_t i = 0; (db < 0 || m->db == db) && i < m->count; i++) m->keys[i].touched = true;
}

static void begin(struct migration *m) {
    m->next = all;
    if (all) all->prev = m;
    all = m;
    migrate_under_way = true;
}

static void release(struct migration *m) {
    if (m->prev)
        m->prev->next = m->next;
    else
        all = m->next;
    if (m->next) m->next->prev = m->prev;
    migrate_under_way = all != NULL;
    loop_io_free(m->io);
    loop_timer_free(m->timer);
    wire_free(&m->wire);
    buf_free(&m->restores);
    buf_free(&m->words);
    free(m->keys);
    free(m);
}

/* ---- What is said --------------------------------------------------------------------------- */

static void put_command(struct buf *out, int argc, const struct bytes *argv) {
    buf_printf(out, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++) {
        buf_printf(out, "$%zu\r\n", argv[i].len);
        buf_add(out, argv[i].p, argv[i].len);
        buf_add(out, "\r\n", 2);
    }
}

static void put_restore(struct migration *m, struct bytes key, const struct entry *e,
                        int64_t ttl_ms) {
    char digits[NUM_I64_CHARS];
    struct buf payload = BUF_INIT;
    persist_dump(&payload, e);
    struct bytes words[] = {BYTES("RESTORE"),
                            key,
                            {digits, num_format_i64(digits, ttl_ms)},
                            {buf_head(&payload), buf_len(&payload)},
                            BYTES("REPLACE")};
    put_command(&m->restores, m->replace ? 5 : 4, words);
    buf_free(&payload);
}

/* AUTH and SELECT depend on the socket, so they are put before the rest when it is known. */
static void put_all(struct migration *m) {
    struct wire *w = &m->wire;
    char digits[NUM_I64_CHARS];
    struct bytes select[] = {BYTES("SELECT"), {digits, num_format_i64(digits, w->db)}};
    struct bytes auth[] = {BYTES("AUTH"), m->user, m->password};
    buf_clear(&w->out);
    buf_clear(&w->in);
    w->sent = w->lines = w->first_lines = 0;
    w->lines_wanted = m->count;
    w->error[0] = '\0';
    w->refused = w->timed_out = false;
    if (m->password.p) {
        if (!m->user.p) auth[1] = m->password;
        put_command(&w->out, m->user.p ? 3 : 2, auth);
        w->first_lines++;
    }
    if (w->select) {
        put_command(&w->out, 2, select);
        w->first_lines++;
    }
    buf_add(&w->out, buf_head(&m->restores), buf_len(&m->restores));
}

static bool connect_to(struct migration *m, bool fresh) {
    if (!wire_open(&m->wire, fresh)) return false;
    put_all(m);
    return true;
}

static void on_line(void *arg, size_t index, bool good) {
    struct migration *m = arg;
    m->keys[index].there = good;
}

/* A kept socket may have been closed by the target: once, a new one is tried. */
static bool may_retry(const struct migration *m) {
    const struct wire *w = &m->wire;
    return !m->retried && !w->timed_out && !w->lines && w->failed_in != WIRE_CONNECTING &&
           !w->error[0];
}

/* True when there is nothing more to wait for. */
static bool go_on(struct migration *m) {
    wire_step(&m->wire, on_line, m);
    if (m->wire.state == WIRE_FAILED && may_retry(m)) {
        m->retried = true;
        wire_close(&m->wire);
        if (connect_to(m, true)) return false;
        m->wire.state = WIRE_FAILED;
        m->wire.failed_in = WIRE_CONNECTING;
    }
    return m->wire.state == WIRE_DONE || m->wire.state == WIRE_FAILED;
}

static bool is_late(const struct migration *m) {
    return clock_boot_ns() - m->wire.progress_ns > (uint64_t)m->timeout_ms * NS_PER_MS;
}

/* ---- What follows --------------------------------------------------------------------------- */

/* Deletes what the target has; false: a key that it has was changed since, or may not be deleted here any more. */
static bool delete_moved(struct migration *m, struct call *c) {
    bool master = server.role == REPL_MASTER && !server.write_failure;
    struct bytes *words = xmalloc((m->count + 1) * sizeof *words);
    int n = 1;
    bool all_well = true;
    words[0] = BYTES("DEL");
    for (size_t i = 0; i < m->count; i++) {
        struct moving_key *k = &m->keys[i];
        struct entry *e = k->there ? store_find(server.store, m->db, k->name) : NULL;
        if (!e) continue;
        if (k->touched || !master) {
            all_well = false;
            continue;
        }
        call_delete(c, m->db, k->name, e);
        words[n++] = k->name;
    }
    c->db = m->db;
    call_propagate_as(c, n > 1 ? n : 0, words);
    free(words);
    return all_well;
}

static void reply(struct migration *m, struct call *c) {
    const struct wire *w = &m->wire;
    bool well = m->copy || delete_moved(m, c);
    if (w->error[0])
        reply_errorf(c, "ERR Target instance replied with error: %s", w->error);
    else if (w->state == WIRE_FAILED && w->failed_in == WIRE_CONNECTING)
        reply_error(c, "IOERR error or timeout connecting to the client");
    else if (w->state == WIRE_FAILED)
        reply_errorf(c, "IOERR error or timeout %s to target instance",
                     w->failed_in == WIRE_WRITING ? "writing" : "reading");
    else if (!well)
        reply_error(c, "IOERR a key was changed while it was on its way: it stays here, the target "
                       "has it as it was; send it again with REPLACE");
    else
        reply_ok(c);
}

/* Nothing may come between: wait here, in short steps, so that the executor is seen to live. */
static void run_alone(struct migration *m, struct call *c) {
    uint64_t until = clock_boot_ns() + ALONE_MOST_NS;
    while (!go_on(m)) {
        struct pollfd p = {m->wire.fd, wire_wants(&m->wire) & LOOP_READ ? POLLIN : POLLOUT, 0};
        if (is_late(m) || clock_boot_ns() > until) {
            wire_time_out(&m->wire);
            break;
        }
        poll(&p, 1, POLL_MS);
        pair_executor_stamp();
    }
    reply(m, c);
    release(m);
}

/* ---- A client that waits -------------------------------------------------------------------- */

static void answer(struct client *client, const struct migration *m, size_t before, bool wrote,
                   bool failed) {
    if (failed) server.stats.errors++;
    if (m->mute) client->out.end = client->out.start + before;
    client->replies++;
    output_wait_for(client, repl_reply_offset(server.repl, wrote));
    if (wrote) client->write_offset = client->reply_offset;
    if (buf_len(&client->out)) output_queue(client);
    client->stall = STALL_NONE;
    client_stall(client, STALL_WOKEN);
}

static void finish(struct migration *m) {
    struct client *client = client_by_id(m->client_id);
    struct buf nowhere = BUF_INIT;
    struct call c = {.store = server.store,
                     .db = m->db,
                     .resp = client ? client->resp : 2,
                     .now_ms = clock_wall_ms(),
                     .out = client ? &client->out : &nowhere,
                     .ops = &service_ops,
                     .client = client};
    bool failed;
    size_t before = client ? buf_len(&client->out) : 0;
    repl_feed_begin(server.repl);
    reply(m, &c);
    repl_feed_end(server.repl);
    failed = c.failed;
    if (c.dirty) persist_count_changes(server.persist, c.dirty);
    if (client) answer(client, m, before, c.dirty > 0, failed);
    buf_free(&nowhere);
    release(m);
    blocked_serve();
}

static void on_time(struct loop *l, void *arg);

/* A pause is of writes too; a lease that has lapsed may come back. */
static void finish_when_allowed(struct migration *m) {
    loop_io_free(m->io);
    m->io = NULL;
    if (server_paused() || !pair_may_serve())
        loop_timer_start(m->timer, PAUSED_MS * NS_PER_MS, 0);
    else
        finish(m);
}

static void on_event(struct loop *l, void *arg, int revents);

static void wait_on(struct migration *m) {
    if (!m->io) m->io = loop_io_new(server.loop, m->wire.fd, on_event, m);
    loop_io_want(m->io, wire_wants(&m->wire));
}

static void on_event(struct loop *l, void *arg, int revents) {
    struct migration *m = arg;
    (void)l;
    (void)revents;
    int fd = m->wire.fd;
    bool done = go_on(m);
    if (done || m->wire.fd != fd || m->retried) {
        loop_io_free(m->io); /* the descriptor may be another one with the same number */
        m->io = NULL;
    }
    if (done)
        finish_when_allowed(m);
    else
        wait_on(m);
}

static void on_time(struct loop *l, void *arg) {
    struct migration *m = arg;
    (void)l;
    bool done = m->wire.state == WIRE_DONE || m->wire.state == WIRE_FAILED;
    if (!done && is_late(m)) {
        wire_time_out(&m->wire);
        done = true;
    }
    if (done)
        finish_when_allowed(m);
    else
        loop_timer_start(m->timer, POLL_MS * NS_PER_MS, 0);
}

static void run_beside(struct migration *m, struct call *c) {
    struct client *client = c->client;
    m->client_id = client->id;
    m->mute = client->reply_off || client->reply_skip;
    client->replies--; /* the dispatcher counts one a command; this one's is to come */
    m->timer = loop_timer_new(server.loop, on_time, m);
    loop_timer_start(m->timer, POLL_MS * NS_PER_MS, 0);
    client_stall(client, STALL_BLOCKED);
    wait_on(m);
}

/* ---- The command ---------------------------------------------------------------------------- */

struct migrate_words {
    bool copy, replace;
    int user, password; /* positions; 0: not said */
    int first_key, keys;
    int64_t timeout_ms, db;
};

static bool read_words(struct call *c, struct migrate_words *w) {
    *w = (struct migrate_words){.first_key = 3, .keys = 1};
    for (int i = 6; i < c->argc; i++) {
        int more = c->argc - 1 - i;
        if (bytes_is(c->argv[i], "copy")) {
            w->copy = true;
        } else if (bytes_is(c->argv[i], "replace")) {
            w->replace = true;
        } else if (bytes_is(c->argv[i], "auth") && more >= 1) {
            w->password = ++i;
        } else if (bytes_is(c->argv[i], "auth2") && more >= 2) {
            w->user = ++i;
            w->password = ++i;
        } else if (bytes_is(c->argv[i], "keys")) {
            if (c->argv[3].len) {
                reply_error(c, "ERR When using MIGRATE KEYS option, the key argument must be set "
                               "to the empty string");
                return false;
            }
            w->first_key = i + 1;
            w->keys = c->argc - i - 1;
            break;
        } else {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
    }
    if (!arg_int(c, 5, &w->timeout_ms) || !arg_int(c, 4, &w->db)) return false;
    if (w->timeout_ms <= 0) w->timeout_ms = DEFAULT_TIMEOUT_MS;
    if (w->timeout_ms > INT_MAX) w->timeout_ms = INT_MAX;
    return true;
}

static struct bytes kept(struct migration *m, struct bytes b) {
    struct bytes copy = {buf_head(&m->words) + buf_len(&m->words), b.len};
    buf_add(&m->words, b.p, b.len);
    return copy;
}

/* Room for all words at once: what is kept must not move. */
static struct migration *migration_new(const struct call *c, const struct migrate_words *w) {
    struct migration *m = xcalloc(1, sizeof *m);
    size_t bytes = 1;
    for (int i = 0; i < c->argc; i++) bytes += c->argv[i].len;
    buf_room(&m->words, bytes);
    m->db = c->db;
    m->keys = xcalloc((size_t)w->keys + 1, sizeof *m->keys);
    m->copy = w->copy;
    m->replace = w->replace;
    m->timeout_ms = w->timeout_ms;
    m->wire.host = kept(m, c->argv[1]);
    m->wire.port = kept(m, c->argv[2]);
    m->wire.db = w->db;
    m->wire.fd = -1;
    if (w->user) m->user = kept(m, c->argv[w->user]);
    if (w->password) m->password = kept(m, c->argv[w->password]);
    begin(m);
    return m;
}

/* Returns how many keys there are; those whose time ends just now are not sent. */
static size_t take_keys(struct migration *m, struct call *c, const struct migrate_words *w) {
    size_t found = 0;
    for (int i = w->first_key; i < w->first_key + w->keys; i++) {
        struct entry *e = call_read(c, c->argv[i]);
        if (!e) continue;
        found++;
        int64_t ttl_ms = entry_expiry(e) == NO_EXPIRY ? 0 : entry_expiry(e) - c->now_ms;
        if (ttl_ms < 0) continue;
        if (entry_expiry(e) != NO_EXPIRY && ttl_ms < 1) ttl_ms = 1;
        m->keys[m->count].name = kept(m, c->argv[i]);
        put_restore(m, c->argv[i], e, ttl_ms);
        m->count++;
    }
    return found;
}

static void cmd_migrate(struct call *c) {
    const unsigned alone = CALL_IN_EXEC | CALL_FROM_SCRIPT | CALL_DENY_BLOCKING;
    struct migrate_words w;
    if (!read_words(c, &w)) return;
    struct migration *m = migration_new(c, &w);
    if (!take_keys(m, c, &w)) {
        reply_status(c, "NOKEY");
        release(m);
    } else if (!connect_to(m, false)) {
        m->wire.state = WIRE_FAILED;
        m->wire.failed_in = WIRE_CONNECTING;
        reply(m, c);
        release(m);
    } else if (c->flags & alone || !c->client) {
        run_alone(m, c);
    } else {
        run_beside(m, c);
    }
}

void register_migrate_commands(void) {
    command_set_function("migrate", cmd_migrate);
}
