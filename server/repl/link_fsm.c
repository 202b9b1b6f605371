#include "server/repl/link_fsm.h"

#include "server/base/log.h"

#include <stddef.h>

/* When a row counts: always, or by what is configured. */
enum when { ALWAYS, IF_AUTH, IF_PAIR };

static const struct row {
    enum link_state state;
    enum link_event event;
    enum when when;
    enum link_action action;
    enum link_state next;
} rows[] = {
    {LINK_OFF, LINK_EV_START, ALWAYS, LINK_DO_CONNECT, LINK_CONNECT},
    {LINK_WAIT, LINK_EV_RETRY, ALWAYS, LINK_DO_CONNECT, LINK_CONNECT},
    {LINK_CONNECT, LINK_EV_CONNECTED, ALWAYS, LINK_DO_PING, LINK_PING},

    {LINK_PING, LINK_EV_PONG, IF_AUTH, LINK_DO_AUTH, LINK_AUTH},
    {LINK_PING, LINK_EV_PONG, ALWAYS, LINK_DO_PORT, LINK_PORT},
    {LINK_PING, LINK_EV_NOAUTH, IF_AUTH, LINK_DO_AUTH, LINK_AUTH},
    {LINK_PING, LINK_EV_NOAUTH, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},
    {LINK_PING, LINK_EV_ERROR, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},

    {LINK_AUTH, LINK_EV_STATUS, ALWAYS, LINK_DO_PORT, LINK_PORT},
    {LINK_AUTH, LINK_EV_NOAUTH, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},
    {LINK_AUTH, LINK_EV_ERROR, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},

    /* Masters that do not know an option answer an error; Redis's own slaves go on too. */
    {LINK_PORT, LINK_EV_STATUS, ALWAYS, LINK_DO_CAPA, LINK_CAPA},
    {LINK_PORT, LINK_EV_ERROR, ALWAYS, LINK_DO_CAPA, LINK_CAPA},
    {LINK_CAPA, LINK_EV_STATUS, IF_PAIR, LINK_DO_HELLO, LINK_HELLO},
    {LINK_CAPA, LINK_EV_ERROR, IF_PAIR, LINK_DO_HELLO, LINK_HELLO},
    {LINK_CAPA, LINK_EV_STATUS, ALWAYS, LINK_DO_PSYNC, LINK_PSYNC},
    {LINK_CAPA, LINK_EV_ERROR, ALWAYS, LINK_DO_PSYNC, LINK_PSYNC},
    /* Nothing is said of our data, and nothing believed, before both have proven themselves. */
    {LINK_HELLO, LINK_EV_HELLO, IF_PAIR, LINK_DO_PAIR, LINK_PAIR},
    {LINK_HELLO, LINK_EV_STRANGER, ALWAYS, LINK_DO_RETRY, LINK_WAIT},
    {LINK_HELLO, LINK_EV_STATUS, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},
    {LINK_HELLO, LINK_EV_ERROR, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},
    {LINK_HELLO, LINK_EV_NOAUTH, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},
    {LINK_PAIR, LINK_EV_STRANGER, ALWAYS, LINK_DO_RETRY, LINK_WAIT},
    /* The pair's other node must say which of our writes it has before anything of ours may be
     * dropped. */
    {LINK_PAIR, LINK_EV_SESSION, ALWAYS, LINK_DO_PSYNC_SESSION, LINK_PSYNC},
    {LINK_PAIR, LINK_EV_STATUS, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},
    {LINK_PAIR, LINK_EV_ERROR, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},

    {LINK_PSYNC, LINK_EV_CONTINUE, ALWAYS, LINK_DO_STREAM, LINK_STREAM},
    {LINK_PSYNC, LINK_EV_FULL, ALWAYS, LINK_DO_FULL, LINK_HEADER},
    {LINK_PSYNC, LINK_EV_ERROR, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},
    {LINK_PSYNC, LINK_EV_NOAUTH, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},
    {LINK_HEADER, LINK_EV_RDB, ALWAYS, LINK_DO_RECEIVE, LINK_TRANSFER},
    {LINK_HEADER, LINK_EV_ERROR, ALWAYS, LINK_DO_REFUSED, LINK_WAIT},
    {LINK_TRANSFER, LINK_EV_RDB_END, ALWAYS, LINK_DO_LOAD, LINK_LOADING},
    {LINK_LOADING, LINK_EV_LOADED, ALWAYS, LINK_DO_STREAM, LINK_STREAM},
};

static bool counts(const struct link_fsm *f, enum when when) {
    return when == ALWAYS || (when == IF_AUTH && f->auth) || (when == IF_PAIR && f->pair);
}

enum link_action link_fsm_event(struct link_fsm *f, enum link_event ev, bool *known) {
    must(f->state < LINK_STATES && ev < LINK_EVENTS, "states and events are ours");
    if (known) *known = true;
    if (ev == LINK_EV_STOP) {
        f->state = LINK_OFF;
        return LINK_DO_CLOSE;
    }
    /* Another address, or the same one again: whatever was under way ends, and the line goes on
     * over there. */
    if (ev == LINK_EV_START && f->state != LINK_OFF) {
        f->state = LINK_CONNECT;
        return LINK_DO_CONNECT;
    }
    if (ev == LINK_EV_LOST && f->state != LINK_OFF && f->state != LINK_WAIT) {
        f->state = LINK_WAIT;
        return LINK_DO_RETRY;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        if (r->state != f->state || r->event != ev || !counts(f, r->when)) continue;
        f->state = r->next;
        return r->action;
    }
    if (known) *known = false;
    return LINK_DO_NOTHING;
}

const char *link_state_name(enum link_state s) {
    static const char *const names[LINK_STATES] = {
        "off",   "wait", "connect", "ping",   "auth",     "port",    "capa",
        "hello", "pair", "psync",   "header", "transfer", "loading", "stream"};
    return s < LINK_STATES ? names[s] : "?";
}

const char *link_event_name(enum link_event e) {
    static const char *const names[LINK_EVENTS] = {
        "start",  "stop",  "retry",   "connected", "status",   "pong",
        "noauth", "error", "hello",   "session",   "stranger", "continue",
        "full",   "rdb",   "rdb-end", "loaded",    "lost"};
    return e < LINK_EVENTS ? names[e] : "?";
}
