/* See dispatch.h. A batch of requests is parsed first, then its keys are brought into the cache,
 * then each is checked and run. Hot path: no allocation, no log, no system call in here. */
#include "server/dispatch.h"

#include "server/admit.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/batch.h"
#include "server/blocked.h"
#include "server/client.h"
#include "server/evict.h"
#include "server/latency.h"
#include "server/monitor.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/push.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/slowlog.h"
#include "server/tracking.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LONG_CYCLES = 1 << 21,   /* of the counter: about a millisecond */
    CHUNK = 32,              /* requests that are brought into the cache together */
    ASK_FOR_BYTES = 1024,    /* of each part of a batch; the rest comes as it is read */
    CLIENT_BYTES = 320,      /* of struct client, what a request touches */
    TURN_NS = 1000000,       /* then other clients have theirs */
    WORDS_KEPT = 16384,      /* room for words that is not given back */
    TURN_OUT_BYTES = 1 << 20 /* the same, when so much waits to be sent */
};

static struct clock_near near; /* two readings a chunk, and one of the counter a command */
static struct batch own;       /* of the executor's own connections */
static struct {
    uint64_t began_ns, now_ns; /* of the client's turn; now_ns of its last chunk's end */
    uint64_t cycles[CHUNK];    /* the counter when each of the chunk was done */
    size_t at;                 /* which one of them it is */
    uint32_t not_run;          /* a bit each: refused, or put into a transaction */
    const char *hashed[CHUNK]; /* each one's first key, NULL: none or not known */
    uint64_t hash[CHUNK];
} turn;

/* The common case, decided by a few flags that change seldom. */
static inline bool admit_quickly(const struct client *client, const struct request *r) {
    const uint32_t slow = CMD_WRITE | CMD_DENYOOM | CMD_MAY_REPLICATE;
    return r->cmd && !r->bad_subcommand && command_arity_fits(r->cmd, r->argc) &&
           client->authenticated && !client->restricted && server.plain_sailing &&
           !(r->cmd->flags & (CMD_HIDDEN | CMD_ADMIN)) &&
           (server.plain_writes || (!(r->cmd->flags & slow) && r->cmd->fn != multi_exec));
}

/* --- calls --- */

static void feed(const struct call *c) {
    if (server.repl && !(c->flags & CALL_QUIET)) repl_feed(server.repl, c->db, c->argc, c->argv);
}

static void run(struct call *c, struct client *client, const struct command *cmd) {
    struct command_stats *stats = &server.command_stats[cmd->id];
    int db = c->db;
    c->command = cmd;
    c->dirty = 0;
    c->propagated = c->failed = false;
    if (cmd->flags & (CMD_WRITE | CMD_MAY_REPLICATE)) {
        if (server.repl) repl_feed_begin(server.repl);
        cmd->fn(c);
        c->db = db;
        if (c->dirty && !c->propagated) feed(c);
        if (server.repl) repl_feed_end(server.repl);
        if (c->dirty) {
            persist_count_changes(server.persist, c->dirty);
            client->write_offset = UINT64_MAX; /* resolved at the end of the batch */
        }
    } else {
        cmd->fn(c);
    }
    stats->calls++;
    stats->failed += c->failed;
    server.stats.errors += c->failed;
    server.stats.commands++;
}

void dispatch_run(struct call *c, struct client *client, const struct command *cmd) {
    run(c, client, cmd);
}

uint64_t dispatch_ns(uint64_t cycles) {
    return (uint64_t)((double)cycles * near.rate);
}

static void fill_call(struct call *c, struct client *client, unsigned flags, int64_t now_ms) {
    *c = (struct call){0};
    c->store = server.store;
    c->flags = flags;
    c->now_ms = now_ms;
    c->out = &client->out;
    c->ops = &service_ops;
    c->client = client;
    if (client->control) c->flags |= CALL_CONTROL | (client->importer ? CALL_FROM_MASTER : 0);
    if (client->no_touch) c->flags |= CALL_NO_TOUCH;
    if (server.role != REPL_MASTER) c->flags |= CALL_ON_SLAVE;
    if (server_paused() || server.importing)
        c->flags |= CALL_HOLD_EXPIRY; /* a pause keeps everything as it is */
}

void dispatch_was_slow(const struct client *client, const struct command *cmd, int argc,
                       const struct bytes *argv, uint64_t ns) {
    int64_t limit_us = server.config.slowlog_us;
    latency_command(cmd, ns);
    if (client && limit_us >= 0 && ns / 1000 >= (uint64_t)limit_us &&
        !(cmd->flags & CMD_SKIP_SLOWLOG))
        slowlog_add(client, argc, argv, ns / 1000);
}

void dispatch_call(struct client *client, const struct command *cmd, int argc,
                   const struct bytes *argv, unsigned flags, int64_t now_ms) {
    struct call c;
    fill_call(&c, client, flags, now_ms);
    c.argc = argc;
    c.argv = argv;
    c.db = client->db;
    c.resp = client->resp;
    uint64_t began_ns = clock_boot_ns();
    run(&c, client, cmd);
    uint64_t ns = clock_boot_ns() - began_ns;
    server.command_stats[cmd->id].ns += ns;
    latency_count(&server.command_stats[cmd->id], ns);
    if (ns >= server.slow_ns) dispatch_was_slow(client, cmd, argc, argv, ns);
}

static bool is_paused(const struct client *client, const struct command *cmd, int argc,
                      const struct bytes *argv) {
    if (!server_paused() || client->control) return false;
    if (cmd->flags & CMD_ADMIN && !(cmd->flags & CMD_WRITE)) return false; /* CLIENT UNPAUSE */
    if (server.pause_until_ns && server.pause_all) return true;
    return scripts_command_flags(cmd, argc, argv) & (CMD_WRITE | CMD_MAY_REPLICATE) ||
           (cmd->fn == multi_exec && multi_flags(client) & (CMD_WRITE | CMD_MAY_REPLICATE));
}

void dispatch_spy(struct client *client, const struct command *cmd, int argc,
                  const struct bytes *argv) {
    if (monitor_count) monitor_tell(client, false, client->db, cmd, argc, argv);
    /* of a script: what it reads, not what it says that it may read */
    if (cmd->flags & CMD_READONLY && cmd->group != GROUP_SCRIPTING)
        tracking_remember(client, cmd, argc, argv);
}

/* run, watched. Who tracks keys hears of evicted ones before the reply that they were evicted for. */
static void run_spied(struct call *c, struct client *client, const struct command *cmd) {
    tracking_limit();
    if (server.config.maxmemory) evict_make_room();
    run(c, client, cmd);
    dispatch_spy(client, cmd, c->argc, c->argv);
    tracking_pay();
}

/* Runs one request; false: it must wait, nothing was done. */
static bool execute(struct call *c, struct client *client, const struct request *r,
                    const struct bytes *argv) {
    size_t before = buf_len(&client->out);
    c->argc = r->argc;
    c->argv = argv;
    c->db = client->db;
    c->resp = client->resp;
    c->failed = false;
    c->command = r->cmd;
    if (r->cmd) {
        if (__builtin_expect(!server.plain_sailing, 0) && r->argc > 1 &&
            scripts_put_off(client, r->cmd, argv)) {
            client_stall(client, STALL_SCRIPT);
            return false;
        }
        if (client->thread && (r->cmd->fn == cmd_psync || r->cmd->fn == cmd_replconf)) {
            client_move_here(client);
            return false;
        }
        client->last_command = r->cmd;
        if (client->handshake) client->handshake = dispatch_is_handshake(r->cmd);
    }
    if (admit_quickly(client, r) || admit(c, client, r)) {
        if (is_paused(client, r->cmd, r->argc, argv)) { /* what is refused is refused at once */
            client_stall(client, STALL_PAUSE);
            return false;
        }
        if (client->multi && multi_active(client) && !multi_is_control(r->cmd)) {
            if (server.spies) tracking_limit();
            multi_queue(client, r->cmd, c->argc, c->argv);
            turn.not_run |= 1u << turn.at;
        } else if (__builtin_expect(server.spies, 0))
            run_spied(c, client, r->cmd);
        else
            run(c, client, r->cmd);
        blocked_serve();
    } else {
        server.stats.errors++;
        turn.not_run |= 1u << turn.at;
    }
    client->replies++;
    if (__builtin_expect(client->reply_off | client->reply_skip | client->reply_skip_next, 0)) {
        bool mute = client->reply_off || client->reply_skip;
        if (mute) {
            client->out.end = client->out.start + before;
            push_after_mute(client);
        }
        client->reply_skip = client->reply_skip_next;
        client->reply_skip_next = false;
    }
    if (__builtin_expect(server.spies, 0)) tracking_request_over(client, r->cmd);
    return true;
}

bool dispatch_is_handshake(const struct command *cmd) {
    static const char *const names[] = {"auth", "ping", "replconf", "psync", "sync"};
    static uint8_t *known; /* by id: 1 yes, 2 no */
    if (!known) known = xcalloc((size_t)command_count(), 1);
    if (!known[cmd->id]) {
        known[cmd->id] = 2;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (!strcmp(names[i], cmd->name)) known[cmd->id] = 1;
    }
    return known[cmd->id] == 1;
}

/* --- batches --- */

/* Every edition lets a slave's link begin, on a connection that does nothing else. */
static void resolve_late(const struct client *c, struct request *r, const struct bytes *argv) {
    bool bad;
    if (r->cmd || !c->handshake || server.edition == EDITION_OPEN) return;
    const struct command *cmd = command_resolve(r->argc, argv, 0, &bad);
    if (!cmd || !dispatch_is_handshake(cmd)) return;
    r->cmd = cmd;
    r->bad_subcommand = bad;
}

static inline const struct bytes *first_key(const struct batch *b, const struct request *r) {
    if (!r->cmd || r->cmd->first <= 0 || r->argc <= r->cmd->first) return NULL;
    return &b->words.v[r->first + (size_t)r->cmd->first];
}

/* The chunk's first keys: hashed once, their buckets asked for, then what those point to. One alone gains too: what
 * stands between the two steps takes as long as memory does, and an entry's lines come together. */
static void prefetch_buckets(const struct client *c, const struct batch *b, size_t n) {
    bool useful = c->db < store_databases(server.store);
    for (size_t i = 0; i < n; i++) {
        const struct bytes *key = first_key(b, &b->v[b->done + i]);
        turn.hashed[i] = key && useful ? key->p : NULL;
        if (!turn.hashed[i]) continue;
        turn.hash[i] = store_hash(*key);
        store_prefetch_bucket(server.store, c->db, turn.hash[i]);
    }
}

static void prefetch_entries(const struct client *c, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (turn.hashed[i]) store_prefetch_entry(server.store, c->db, turn.hash[i]);
}

/* Lines that another core has just written, asked for all at once. */
static void ask_for(const void *p, size_t bytes) {
    if (bytes > ASK_FOR_BYTES) bytes = ASK_FOR_BYTES;
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch((const char *)p + at);
}

void dispatch_prefetch(struct batch *const *v, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct batch *b = v[i];
        ask_for(b->client, CLIENT_BYTES);
        ask_for(b->v, b->count * sizeof *b->v);
        ask_for(b->words.v, b->words.count * sizeof *b->words.v);
        ask_for(buf_head(&b->bytes), buf_len(&b->bytes));
    }
    if (n < 2) return;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            const struct bytes *key = v[i]->count == 1 ? first_key(v[i], v[i]->v) : NULL;
            int db = v[i]->client->db;
            if (!key || db >= store_databases(server.store)) continue;
            if (pass == 0)
                store_prefetch_bucket(server.store, db, store_hash(*key));
            else
                store_prefetch_entry(server.store, db, store_hash(*key));
        }
    }
}

static void protocol_error(struct client *c, const char *error, size_t len) {
    struct buf text = BUF_INIT;
    buf_add_str(&text, "ERR ");
    buf_add(&text, error, len);
    resp_error_n(&c->out, buf_head(&text), buf_len(&text));
    buf_free(&text);
    c->replies++;
    c->close_after_reply = true;
    server.stats.errors++;
    error_codes_note("ERR ", 4);
}

/* A slave's link begins with one PING; a second one is a client's. */
static bool may_always(const struct client *c, const struct command *cmd) {
    if (!c->handshake || !cmd || !dispatch_is_handshake(cmd)) return false;
    return !c->last_command || strcmp(cmd->name, "ping") != 0;
}

static void note_longest(const struct command *cmd, uint64_t ns) {
    server.stats.longest_command_ns = ns;
    server.stats.longest_command = cmd;
}

static void note_times(const struct client *c, const struct batch *b, uint64_t began_ns,
                       uint64_t began_cycles, size_t ran) {
    clock_near_read(&near);
    turn.now_ns = near.boot_ns;
    uint64_t ns = turn.now_ns - began_ns, last = began_cycles;
    uint64_t whole = turn.cycles[ran - 1] - began_cycles;
    double rate = whole ? (double)ns / (double)whole : 0;
    for (size_t i = 0; i < ran; i++) {
        const struct request *r = &b->v[b->done + i];
        uint64_t took = (uint64_t)((double)(turn.cycles[i] - last) * rate);
        last = turn.cycles[i];
        if (!r->cmd) continue;
        struct command_stats *stats = &server.command_stats[r->cmd->id];
        stats->ns += took;
        if (__builtin_expect(!(turn.not_run >> i & 1), 1)) latency_count(stats, took);
        if (took > server.stats.longest_command_ns) note_longest(r->cmd, took);
        if (__builtin_expect(took >= server.slow_ns, 0))
            dispatch_was_slow(c, r->cmd, r->argc, b->words.v + r->first, took);
    }
}

static inline bool may_go_on(const struct client *c) {
    return !c->closed && !c->stall && !c->close_after_reply && !server.stopping;
}

/* Runs up to CHUNK requests from b->done on, which moves past those that were run. */
static void run_chunk(struct client *c, struct batch *b) {
    struct call call;
    size_t n = b->count - b->done, i = 0;
    if (n > CHUNK) n = CHUNK;
    prefetch_buckets(c, b, n);
    clock_near_read(&near);
    uint64_t began_ns = near.boot_ns, began_cycles = clock_cycles(), read_cycles = began_cycles;
    if (!turn.began_ns) turn.began_ns = turn.now_ns = began_ns;
    fill_call(&call, c, 0, near.wall_us / 1000);
    prefetch_entries(c, n);
    /* The lease is looked at here, after everything that could have taken time. */
    bool serve = (c->control && !c->importer) || pair_may_serve();
    bool crowded = output_crowded && !c->control;
    turn.not_run = 0;
    for (; i < n; i++) {
        struct request *r = &b->v[b->done + i];
        turn.at = i;
        const struct bytes *argv = b->words.v + r->first;
        if (!may_go_on(c)) break;
        if (__builtin_expect(!r->cmd, 0)) resolve_late(c, r, argv);
        if (__builtin_expect(!serve | crowded, 0) && !may_always(c, r->cmd)) {
            client_stall(c, serve ? STALL_HELD : STALL_LEASE);
            break;
        }
        call.hashed = turn.hashed[i];
        call.hash = turn.hash[i];
        if (!execute(&call, c, r, argv)) break;
        turn.cycles[i] = clock_cycles();
        if (__builtin_expect(turn.cycles[i] - read_cycles > LONG_CYCLES, 0)) {
            clock_near_read(&near); /* the next command's now is not that of before a slow one */
            call.now_ms = near.wall_us / 1000;
            read_cycles = turn.cycles[i];
        }
    }
    if (i) note_times(c, b, began_ns, began_cycles, i);
    b->done += i;
}

static void after_chunk(struct client *c) {
    bool wrote = c->write_offset == UINT64_MAX;
    uint64_t offset = server.repl ? repl_reply_offset(server.repl, wrote) : 0;
    if (wrote) c->write_offset = offset;
    /* That a script runs is no secret: BUSY need not wait for what the script has written. */
    if (__builtin_expect(scripts_nested, 0) && server.repl)
        offset = repl_release_offset(server.repl);
    if (offset > c->reply_offset) c->reply_offset = offset;
    if (buf_len(&c->out)) output_queue(c);
    uint64_t waiting = client_made_total(c) - c->release_total;
    if (__builtin_expect(waiting <= OUTPUT_HELD_LIMIT_BYTES && !c->marks, 1)) return;
    if (c->stall || c->control || !output_holds_much(c)) return;
    if (c->marks || (server.repl && offset > repl_release_offset(server.repl)))
        client_stall(c, STALL_HELD);
}

static void begin_turn(struct client *c) {
    turn.began_ns = 0;
    c->executing = true;
    pair_executor_busy();
}

static bool turn_is_over(const struct client *c) {
    return turn.now_ns - turn.began_ns > TURN_NS || buf_len(&c->out) > TURN_OUT_BYTES;
}

struct dispatch_aside {
    struct batch own;
    unsigned char turn[sizeof turn];
    char *scratch;
};

struct dispatch_aside *dispatch_put_aside(void) {
    struct dispatch_aside *aside = xmalloc(sizeof *aside);
    aside->own = own;
    memcpy(aside->turn, &turn, sizeof turn);
    own = (struct batch){0};
    aside->scratch = conn_use_scratch(xmalloc(CONN_READ_BYTES));
    return aside;
}

void dispatch_take_up(struct dispatch_aside *aside) {
    batch_clear(&own, 0);
    free(own.v);
    own = aside->own;
    memcpy(&turn, aside->turn, sizeof turn);
    free(conn_use_scratch(aside->scratch));
    free(aside);
}

bool dispatch_batch(struct client *c, struct batch *b) {
    bool over = false;
    begin_turn(c);
    while (b->done < b->count && may_go_on(c) && !over) {
        run_chunk(c, b);
        if (c->closed) break;
        after_chunk(c);
        over = turn_is_over(c);
    }
    if (b->done == b->count && b->error && may_go_on(c)) {
        protocol_error(c, b->error, b->error_len);
        after_chunk(c);
    }
    c->executing = false;
    if (__builtin_expect(server.holds, 0)) output_early();
    return over;
}

/* Requests were parsed that may not run yet: the input goes back to the first one's first byte, and
 * parsing starts afresh there. */
static size_t put_back(struct client *c) {
    resp_parser_free(&c->conn.parser);
    c->conn.parser = (struct resp_parser){0};
    return own.v[own.done].begin;
}

/* Parses a chunk into the executor's own batch. */
static enum resp_state parse_chunk(struct client *c, const char *data, size_t len, size_t *at) {
    struct batch_rules rules = {
        .limits = {server.config.bulk_limit_bytes, !c->authenticated},
        .edition = c->control ? 0 : server.edition,
        .most = c->authenticated ? CHUNK : 1,
    };
    own.count = own.done = 0;
    own.words.count = 0;
    return batch_parse(&own, &c->conn.parser, &rules, data, len, at);
}

size_t dispatch_input(struct client *c, const char *data, size_t len) {
    size_t at = 0;
    bool more = true;
    begin_turn(c);
    while (more && at < len && may_go_on(c)) {
        enum resp_state last = parse_chunk(c, data, len, &at);
        if (own.count) run_chunk(c, &own);
        if (c->closed) break;
        if (own.done < own.count)
            at = put_back(c);
        else if (last == RESP_BAD)
            protocol_error(c, c->conn.parser.error, c->conn.parser.error_len);
        more = last != RESP_MORE && last != RESP_BAD;
        after_chunk(c);
        if (!more || at == len || !turn_is_over(c)) continue;
        client_again(c);
        break;
    }
    c->executing = false;
    if (__builtin_expect(server.holds, 0)) output_early();
    if (own.words.cap > WORDS_KEPT) resp_args_free(&own.words);
    return at;
}
