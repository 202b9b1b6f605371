/* See shutdown.h. The words in the log are those that people look for. */
#include "server/shutdown.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/blocked.h"
#include "server/client.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/scripts.h"
#include "server/server.h"

#include <limits.h>
#include <stdio.h>

enum { SLAVES_TOLD = 64 };
#define ERR_FAILED "ERR Errors trying to SHUTDOWN. Check logs."

static struct {
    bool asked;   /* by a signal */
    bool waiting; /* for slaves */
    struct shutdown_how how;
    uint64_t until_ns;
    uint64_t client_id; /* whose SHUTDOWN waits; 0: nobody's */
} state;

static bool saves(const struct shutdown_how *how) {
    if (how->save == SHUTDOWN_AS_CONFIGURED) return server.config.save_count > 0;
    return how->save == SHUTDOWN_SAVE;
}

/* --- slaves --- */

static size_t slaves(struct repl_slave_info *out) {
    size_t n =
        server.repl && server.role == REPL_MASTER ? repl_slaves(server.repl, out, SLAVES_TOLD) : 0;
    return n < SLAVES_TOLD ? n : SLAVES_TOLD;
}

static bool all_have_everything(void) {
    struct repl_slave_info all[SLAVES_TOLD];
    size_t n = slaves(all);
    for (size_t i = 0; i < n; i++)
        if (all[i].offset != repl_offset(server.repl)) return false;
    return true;
}

static void tell_slaves(void) {
    struct repl_slave_info all[SLAVES_TOLD];
    size_t n = slaves(all), lag = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t behind = repl_offset(server.repl) - all[i].offset;
        if (!behind) continue;
        lag++;
        log_warning("Lagging replica %s:%u reported offset %llu behind master, lag=%lld, state=%s.",
                    all[i].host, all[i].port, (unsigned long long)behind, (long long)all[i].lag_s,
                    all[i].state);
    }
    if (n) log_notice("%zu of %zu replicas are in sync when shutting down.", n - lag, n);
}

/* --- beginning, ending, taking back --- */

static void answer_waiting_client(const char *error) {
    struct client *c = state.client_id ? client_by_id(state.client_id) : NULL;
    state.client_id = 0;
    if (!c || c->stall != STALL_WAIT) return;
    resp_error(&c->out, error);
    output_queue(c);
    client_stall(c, STALL_WOKEN);
}

static void take_back(const char *error) {
    state.asked = state.waiting = server.shutdown_waits = false;
    answer_waiting_client(error);
}

static bool finish(void) {
    char err[300] = "";
    if (state.waiting || !state.how.now) tell_slaves();
    if (server_shutdown(saves(&state.how), state.how.force, err, sizeof err)) return true;
    if (server.stopping) return true; /* it ends, though not all went well */
    log_error("%s", err);
    log_warning("Errors trying to shut down the server. Check the logs for more information.");
    return false;
}

/* True: it ends or waits. */
static bool begin(struct shutdown_how how) {
    log_warning("User requested shutdown...");
    state.asked = false;
    state.how = how;
    int64_t timeout_s = server.config.shutdown_timeout_s;
    if (how.now || !timeout_s || all_have_everything()) return finish();
    log_notice("Waiting for replicas before shutting down.");
    state.waiting = server.shutdown_waits = true;
    state.until_ns = clock_boot_ns() + (uint64_t)timeout_s * NS_PER_S;
    repl_ask_acks(server.repl);
    return true;
}

void shutdown_ask(struct shutdown_how how) {
    if (state.asked || state.waiting) return;
    state.how = how;
    state.asked = true;
}

long long shutdown_left_ms(void) {
    uint64_t now_ns = clock_boot_ns();
    if (!state.asked && !state.waiting) return -1;
    if (!state.waiting || now_ns > state.until_ns) return 0;
    return (long long)((state.until_ns - now_ns) / NS_PER_MS);
}

void shutdown_cron(void) {
    if (server.stopping) return;
    if (state.asked) {
        begin(state.how);
        return;
    }
    if (!state.waiting) return;
    if (!all_have_everything() && clock_boot_ns() < state.until_ns) {
        repl_ask_acks(server.repl);
        return;
    }
    if (!finish()) take_back(ERR_FAILED);
}

/* --- the command --- */

static bool read_words(struct call *c, struct shutdown_how *how, bool *abort) {
    bool save = false, nosave = false;
    for (int i = 1; i < c->argc; i++) {
        if (bytes_is(c->argv[i], "save"))
            save = true;
        else if (bytes_is(c->argv[i], "nosave"))
            nosave = true;
        else if (bytes_is(c->argv[i], "force"))
            how->force = true;
        else if (bytes_is(c->argv[i], "now"))
            how->now = true;
        else if (bytes_is(c->argv[i], "abort"))
            *abort = true;
        else
            return false;
    }
    how->save = save ? SHUTDOWN_SAVE : nosave ? SHUTDOWN_NOSAVE : SHUTDOWN_AS_CONFIGURED;
    return (!save || !nosave) && (!*abort || c->argc == 2);
}

static void wait_for_it(struct call *c) {
    struct client *me = c->client;
    state.client_id = me->id;
    me->write_offset = repl_offset(server.repl);
    me->wait_count = INT_MAX; /* never: the server ends, or SHUTDOWN is taken back */
    me->wait_until_ns = 0;
    client_stall(me, STALL_WAIT);
}

void cmd_shutdown(struct call *c) {
    struct shutdown_how how = {SHUTDOWN_AS_CONFIGURED, false, false};
    bool abort = false;
    if (pair_on() && !(c->flags & CALL_CONTROL)) {
        reply_error(c, "ERR this server is part of a pair: use hactl to stop a node");
        return;
    }
    if (!read_words(c, &how, &abort)) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (abort) {
        if (!state.asked && !state.waiting) {
            reply_error(c, "ERR No shutdown in progress.");
            return;
        }
        log_warning("Shutdown manually aborted.");
        take_back(ERR_FAILED);
        reply_ok(c);
        return;
    }
    if (scripts_nested && saves(&how)) {
        reply_error(c, ERR_BUSY);
        return;
    }
    if (scripts_nested) scripts_leave_process();
    if (!begin(how))
        reply_error(c, ERR_FAILED);
    else if (state.waiting)
        wait_for_it(c);
}
