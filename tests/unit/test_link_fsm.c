/* link: server/repl/link_fsm.c server/base/log.c server/base/clock.c server/base/buf.c */
/* The slave's machine: the ways through it, and that no event in no state leads astray. */
#include "server/repl/link_fsm.h"
#include "tests/unit/tap.h"

struct step {
    enum link_event event;
    enum link_action action;
    enum link_state state;
};

static void walk(const char *what, struct link_fsm f, const struct step *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        enum link_state from = f.state;
        enum link_action a = link_fsm_event(&f, s[i].event, NULL);
        if (a == s[i].action && f.state == s[i].state) continue;
        ok(false, "%s: %s in %s leads to %s, action %d", what, link_event_name(s[i].event),
           link_state_name(from), link_state_name(f.state), (int)a);
        return;
    }
    ok(true, "%s", what);
}
#define WALK(what, fsm, ...)                                                                       \
    do {                                                                                           \
        static const struct step steps[] = {__VA_ARGS__};                                          \
        walk(what, fsm, steps, sizeof steps / sizeof steps[0]);                                    \
    } while (0)

int main(void) {
    WALK("a first copy from a plain master", (struct link_fsm){0},
         {LINK_EV_START, LINK_DO_CONNECT, LINK_CONNECT},
         {LINK_EV_CONNECTED, LINK_DO_PING, LINK_PING}, {LINK_EV_PONG, LINK_DO_PORT, LINK_PORT},
         {LINK_EV_STATUS, LINK_DO_CAPA, LINK_CAPA}, {LINK_EV_STATUS, LINK_DO_PSYNC, LINK_PSYNC},
         {LINK_EV_FULL, LINK_DO_FULL, LINK_HEADER}, {LINK_EV_RDB, LINK_DO_RECEIVE, LINK_TRANSFER},
         {LINK_EV_RDB_END, LINK_DO_LOAD, LINK_LOADING},
         {LINK_EV_LOADED, LINK_DO_STREAM, LINK_STREAM});
    WALK("a password, and a master that asks for it", ((struct link_fsm){.auth = true}),
         {LINK_EV_START, LINK_DO_CONNECT, LINK_CONNECT},
         {LINK_EV_CONNECTED, LINK_DO_PING, LINK_PING}, {LINK_EV_NOAUTH, LINK_DO_AUTH, LINK_AUTH},
         {LINK_EV_STATUS, LINK_DO_PORT, LINK_PORT});
    WALK("no password where one is asked for", (struct link_fsm){0},
         {LINK_EV_START, LINK_DO_CONNECT, LINK_CONNECT},
         {LINK_EV_CONNECTED, LINK_DO_PING, LINK_PING}, {LINK_EV_NOAUTH, LINK_DO_REFUSED, LINK_WAIT},
         {LINK_EV_RETRY, LINK_DO_CONNECT, LINK_CONNECT});
    WALK("the pair's link goes on by PSYNC", ((struct link_fsm){.pair = true}),
         {LINK_EV_START, LINK_DO_CONNECT, LINK_CONNECT},
         {LINK_EV_CONNECTED, LINK_DO_PING, LINK_PING}, {LINK_EV_PONG, LINK_DO_PORT, LINK_PORT},
         {LINK_EV_STATUS, LINK_DO_CAPA, LINK_CAPA}, {LINK_EV_STATUS, LINK_DO_HELLO, LINK_HELLO},
         {LINK_EV_HELLO, LINK_DO_PAIR, LINK_PAIR},
         {LINK_EV_SESSION, LINK_DO_PSYNC_SESSION, LINK_PSYNC},
         {LINK_EV_CONTINUE, LINK_DO_STREAM, LINK_STREAM}, {LINK_EV_LOST, LINK_DO_RETRY, LINK_WAIT});
    WALK("a stranger where the pair's node should be",
         ((struct link_fsm){.pair = true, .state = LINK_PAIR}),
         {LINK_EV_ERROR, LINK_DO_REFUSED, LINK_WAIT});
    WALK("a master that does not prove itself",
         ((struct link_fsm){.pair = true, .state = LINK_HELLO}),
         {LINK_EV_STRANGER, LINK_DO_RETRY, LINK_WAIT});
    WALK("or whose answer about our data does not hold",
         ((struct link_fsm){.pair = true, .state = LINK_PAIR}),
         {LINK_EV_STRANGER, LINK_DO_RETRY, LINK_WAIT});
    WALK("a master that knows no hello", ((struct link_fsm){.pair = true, .state = LINK_HELLO}),
         {LINK_EV_STATUS, LINK_DO_REFUSED, LINK_WAIT});
    WALK("the same line over another path", ((struct link_fsm){.pair = true, .state = LINK_STREAM}),
         {LINK_EV_START, LINK_DO_CONNECT, LINK_CONNECT});
    WALK("an unknown event changes nothing", ((struct link_fsm){.state = LINK_STREAM}),
         {LINK_EV_PONG, LINK_DO_NOTHING, LINK_STREAM}, {LINK_EV_RDB, LINK_DO_NOTHING, LINK_STREAM});

    bool stops = true, streams = true, loses = true;
    for (int s = 0; s < LINK_STATES; s++) {
        for (int e = 0; e < LINK_EVENTS; e++) {
            for (int flags = 0; flags < 4; flags++) {
                struct link_fsm f = {
                    .state = (enum link_state)s, .auth = flags & 1, .pair = flags & 2};
                enum link_action a = link_fsm_event(&f, (enum link_event)e, NULL);
                if (e == LINK_EV_STOP) stops = stops && f.state == LINK_OFF && a == LINK_DO_CLOSE;
                if (e == LINK_EV_LOST && s != LINK_OFF) loses = loses && f.state == LINK_WAIT;
                if (a == LINK_DO_STREAM)
                    streams = streams && (s == LINK_PSYNC || s == LINK_LOADING);
                if ((s == LINK_PAIR || s == LINK_HELLO) && a == LINK_DO_PSYNC) streams = false;
                if (a == LINK_DO_PAIR && (s != LINK_HELLO || e != LINK_EV_HELLO)) streams = false;
            }
        }
    }
    ok(stops, "stop ends every state");
    ok(loses, "a lost link waits and tries again from every state");
    ok(streams,
       "streaming begins only after PSYNC or a loaded copy, and a pair never skips its handshake");
    return done();
}
