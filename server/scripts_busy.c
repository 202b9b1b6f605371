/* See scripts.h: a script that takes long. Lua asks here every hundred thousand instructions.
 *
 * What is served meanwhile is chosen one by one, and nothing else of the loop runs: no timers, no work between
 * turns, no master's stream; those could meet a half-finished group of writes.
 *     in a pair, from the first 10 ms on: the control socket, so that had sees a busy server and may change roles
 *     after busy-reply-threshold: new connections and requests, all answered BUSY but what ALLOW_BUSY marks;
 *     acknowledgements of slaves, and replies that they release */
#include "server/scripts.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/io.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/server.h"

enum { SERVE_EVERY_NS = 10 * 1000000, LEASE_LOOK_MS = 2 };

bool scripts_nested;

static struct {
    const char *sha, *ended; /* ended: the text with which it ends, once that is decided */
    uint64_t began_ns, served_ns;
    bool slow; /* past busy-reply-threshold */
} run;

static struct pollfd *polled;
static struct client **polled_clients;
static size_t polled_cap;

void scripts_busy_begin(const char *sha) {
    run.sha = sha;
    run.ended = NULL;
    run.began_ns = 0; /* the clock is read at the first tick: most scripts see none */
    run.slow = false;
}

void scripts_busy_end(void) {
    if (run.slow) log_notice("the slow script %s has ended", run.sha);
    run.sha = NULL;
}

/* ---- serving others --------------------------------------------------------------------------------------- */

static bool is_served(const struct client *c, bool all) {
    return (all || c->control) && !c->executing && !c->closed && !c->thread && c->conn.io &&
           !c->stall;
}

static size_t gather(bool all) {
    size_t n = 0;
    if (polled_cap < server.client_count) {
        polled_cap = server.client_count * 2;
        polled = xrealloc(polled, polled_cap * sizeof *polled);
        polled_clients = xrealloc(polled_clients, polled_cap * sizeof(struct client *));
    }
    for (struct client *c = server.clients; c; c = c->next) {
        if (!is_served(c, all)) continue;
        int wanted = loop_io_wanted(c->conn.io);
        short events =
            (short)((wanted & LOOP_READ ? POLLIN : 0) | (wanted & LOOP_WRITE ? POLLOUT : 0));
        polled[n] = (struct pollfd){.fd = c->fd, .events = events};
        polled_clients[n++] = c;
    }
    return n;
}

static void serve_clients(bool all, int wait_ms) {
    size_t n = gather(all);
    if (poll(polled, n, wait_ms) <= 0) return;
    for (size_t i = 0; i < n; i++) {
        short got = polled[i].revents;
        struct client *c = polled_clients[i];
        if (!got || c->closed) continue;
        bool trouble = got & (POLLERR | POLLHUP | POLLNVAL);
        conn_ready(c, (got & POLLIN || trouble ? LOOP_READ : 0) | (got & POLLOUT ? LOOP_WRITE : 0));
    }
}

/* What this thread holds of the requests that are being run is put aside meanwhile. */
static void serve(bool all, int wait_ms) {
    struct dispatch_aside *aside = dispatch_put_aside();
    scripts_nested = true;
    server_refresh();
    control_take();
    if (all) {
        listen_take();
        if (server.repl) repl_take_acks(server.repl);
    }
    serve_clients(all, wait_ms);
    client_next_turn();
    if (all) io_take();
    output_flush();
    io_wake();
    scripts_nested = false;
    server_refresh();
    dispatch_take_up(aside);
    pair_executor_stamp();
}

static void become_slow(uint64_t now) {
    run.slow = true;
    log_warning(
        "slow script: %s has run for %llu ms; clients are answered BUSY. SCRIPT KILL ends one "
        "that has written nothing",
        run.sha, (unsigned long long)((now - run.began_ns) / NS_PER_MS));
    /* Replies to what ran before it in this turn need not wait for it. */
    if (server.repl) repl_before_sleep(server.repl);
}

const char *scripts_busy_tick(void) {
    uint64_t now = clock_boot_ns(), threshold_ms = (uint64_t)server.config.busy_reply_ms;
    if (run.ended) return run.ended;
    pair_executor_stamp();
    if (!run.began_ns) run.began_ns = run.served_ns = now;
    if (server.loading || now - run.served_ns < SERVE_EVERY_NS) return NULL;
    run.served_ns = now;
    if (!run.slow && threshold_ms && now - run.began_ns >= threshold_ms * NS_PER_MS)
        become_slow(now);
    if (run.slow || pair_on()) serve(run.slow, 0);
    return run.ended;
}

/* ---- ending one ------------------------------------------------------------------------------------------- */

void scripts_kill(struct call *c) {
    if (!scripts_running()) {
        reply_error(c, "NOTBUSY No scripts in execution right now.");
    } else if (!scripts_caller()) {
        reply_error(c, "UNKILLABLE The busy script was sent by a master instance in the context of "
                       "replication and cannot be killed.");
    } else if (scripts_has_written()) {
        reply_error(
            c, "UNKILLABLE Sorry the script already executed write commands against the dataset. "
               "You can either wait the script termination or kill the server in a hard way using "
               "the SHUTDOWN NOSAVE command.");
    } else {
        log_warning("script %s is ended by SCRIPT KILL", run.sha);
        run.ended = "Script killed by user with SCRIPT KILL...";
        reply_ok(c);
    }
}

/* MASTER to one that is master is no change. FSYNC on a slave comes before it is promoted. */
static bool changes_role(struct bytes verb) {
    bool slave = server.role != REPL_MASTER;
    return bytes_is(verb, "slave") || bytes_is(verb, "none") ||
           (slave && (bytes_is(verb, "master") || bytes_is(verb, "fsync")));
}

bool scripts_put_off(const struct client *c, const struct command *cmd, const struct bytes *argv) {
    if (!scripts_nested || !c->control || !(cmd->flags & CMD_HIDDEN)) return false;
    if (bytes_is(argv[1], "status") || bytes_is(argv[1], "alone") || bytes_is(argv[1], "resume"))
        return false;
    if (changes_role(argv[1])) {
        if (!run.ended) log_warning("script %s is ended: this node's role changes", run.sha);
        run.ended = "Script ended: the role of this node changes";
    }
    return true;
}

bool scripts_wait_for_lease(void) {
    if (pair_may_send()) return true;
    log_warning("script %s waits: this node has no valid lease to write by", run.sha);
    while (!run.ended && !pair_may_send()) serve(false, LEASE_LOOK_MS);
    return !run.ended;
}

void scripts_leave_process(void) {
    log_warning("SHUTDOWN NOSAVE during the slow script %s: what it has written so far is lost",
                run.sha);
    listen_close();
    control_close();
    _exit(0);
}
