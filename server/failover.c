/* See failover.h. Words of replies and log are those that people and Redis's tests look for. */
#include "server/failover.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/pair.h"
#include "server/server.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLAVES_MAX = 256 };
enum state { STATE_NONE, STATE_WAIT, STATE_OFFERED };

static struct {
    enum state state;
    bool force;
    char host[256]; /* "": any that has everything */
    uint16_t port;
    uint64_t until_ns; /* 0: however long it takes */
} now;

const char *failover_state_name(void) {
    static const char *const names[] = {[STATE_NONE] = "no-failover",
                                        [STATE_WAIT] = "waiting-for-sync",
                                        [STATE_OFFERED] = "failover-in-progress"};
    return names[now.state];
}

/* --- its steps --- */

static void end(void) {
    memset(&now, 0, sizeof now);
    server.failing_over = false;
}

static void give_up(const char *why) {
    char err[200];
    if (*now.host)
        log_notice("Aborting failover to %s:%u while %s: %s", now.host, now.port,
                   failover_state_name(), why);
    else
        log_notice("Aborting failover while %s: %s", failover_state_name(), why);
    bool was_offered = now.state == STATE_OFFERED;
    end();
    if (!was_offered) return;
    server_name_master("", 0);
    if (!repl_master(server.repl, err, sizeof err)) log_error("%s", err);
    server_refresh();
}

static void offer(void) {
    now.state = STATE_OFFERED;
    server_name_master(now.host, now.port);
    repl_hand_over(server.repl, now.host, now.port);
    server_refresh();
}

static size_t slaves(struct repl_slave_info *out) {
    size_t n = repl_slaves(server.repl, out, SLAVES_MAX);
    return n < SLAVES_MAX ? n : SLAVES_MAX;
}

static const struct repl_slave_info *find(const struct repl_slave_info *all, size_t n,
                                          const char *host, int64_t port) {
    for (size_t i = 0; i < n; i++)
        if (all[i].port == port && !strcmp(all[i].host, host)) return &all[i];
    return NULL;
}

static bool has_everything(const struct repl_slave_info *s) {
    return !strcmp(s->state, "online") && s->offset == repl_offset(server.repl);
}

static void look_for_one(void) {
    struct repl_slave_info all[SLAVES_MAX];
    size_t n = slaves(all);
    const struct repl_slave_info *one = *now.host ? find(all, n, now.host, now.port) : NULL;
    for (size_t i = 0; i < n && !*now.host && !one; i++)
        if (has_everything(&all[i])) one = &all[i];
    if (!one || !has_everything(one)) return;
    snprintf(now.host, sizeof now.host, "%s", one->host);
    now.port = one->port;
    log_notice("Failover target %s:%u is synced; failing over.", now.host, now.port);
    offer();
}

static void wait_on(void) {
    if (!now.until_ns || clock_boot_ns() < now.until_ns) {
        look_for_one();
    } else if (now.force) {
        log_notice("Failover to %s:%u time out exceeded, failing over.", now.host, now.port);
        offer();
    } else {
        give_up("Replica never caught up before timeout");
    }
}

void failover_step(void) {
    if (!server.repl) return;
    if (now.state == STATE_WAIT) {
        wait_on();
        return;
    }
    switch (repl_offered(server.repl)) {
    case REPL_OFFER_OPEN: return;
    case REPL_OFFER_REFUSED: give_up("Failover target rejected psync request"); return;
    case REPL_OFFER_TAKEN:
    case REPL_OFFER_NONE:
        log_notice("Failover to %s:%u is over: it is the master", now.host, now.port);
        end();
    }
}

/* --- the command --- */

struct words {
    int64_t timeout_ms, port;
    char host[256];
    bool force, abort;
};

static bool read_words(struct call *c, struct words *w) {
    w->abort = c->argc == 2 && bytes_is(c->argv[1], "abort");
    for (int i = 1; i < c->argc && !w->abort; i++) {
        if (bytes_is(c->argv[i], "timeout") && i + 1 < c->argc && !w->timeout_ms) {
            if (!arg_int(c, ++i, &w->timeout_ms)) return false;
            if (w->timeout_ms <= 0) {
                reply_error(c, "ERR FAILOVER timeout must be greater than 0");
                return false;
            }
            if (w->timeout_ms > LLONG_MAX / 2000000) w->timeout_ms = LLONG_MAX / 2000000;
        } else if (bytes_is(c->argv[i], "to") && i + 2 < c->argc && !*w->host) {
            if (!arg_int(c, i + 2, &w->port)) return false;
            snprintf(w->host, sizeof w->host, "%.*s", (int)c->argv[i + 1].len, c->argv[i + 1].p);
            i += 2;
        } else if (bytes_is(c->argv[i], "force") && !w->force) {
            w->force = true;
        } else {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Why it cannot be done; NULL: it can. */
static const char *obstacle(const struct words *w) {
    struct repl_slave_info all[SLAVES_MAX];
    size_t n = server.repl ? slaves(all) : 0;
    if (now.state != STATE_NONE) return "ERR FAILOVER already in progress.";
    if (server.role == REPL_SLAVE) return "ERR FAILOVER is not valid when server is a replica.";
    if (!n) return "ERR FAILOVER requires connected replicas.";
    if (w->force && (!w->timeout_ms || !*w->host))
        return "ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
    if (!*w->host) return NULL;
    const struct repl_slave_info *one = find(all, n, w->host, w->port);
    if (!one) return "ERR FAILOVER target HOST and PORT is not a replica.";
    return strcmp(one->state, "online") ? "ERR FAILOVER target replica is not online." : NULL;
}

static void abort_it(struct call *c) {
    if (now.state == STATE_NONE) {
        reply_error(c, "ERR No failover in progress.");
        return;
    }
    give_up("Failover manually aborted");
    reply_ok(c);
}

void cmd_failover(struct call *c) {
    struct words w = {0};
    if (pair_on()) {
        reply_error(c, PAIR_OWNS_ROLES);
        return;
    }
    if (!read_words(c, &w)) return;
    const char *why = w.abort ? NULL : obstacle(&w);
    if (w.abort) {
        abort_it(c);
    } else if (why) {
        reply_error(c, why);
    } else {
        log_notice("FAILOVER requested%s%s.", *w.host ? " to " : "", w.host);
        now.state = STATE_WAIT;
        now.force = w.force;
        memcpy(now.host, w.host, sizeof now.host);
        now.port = (uint16_t)w.port;
        now.until_ns = w.timeout_ms ? clock_boot_ns() + (uint64_t)w.timeout_ms * NS_PER_MS : 0;
        server.failing_over = true;
        reply_ok(c);
    }
}
