/* The slave's side of a replication link as a pure machine: which event in which state leads to
 * which action. No sockets, no time: link.c is told what to do and reports what happened.
 *
 *   OFF -start-> CONNECT -connected-> PING -> [AUTH] -> PORT -> CAPA -> [HELLO -> PAIR] -> PSYNC
 *                  ^                                                                       |
 *                  |                           full: HEADER -> TRANSFER -> LOADING -+      |
 *                 WAIT <- lost, refused, stranger, timeout in any state             v      |
 *                                                                                STREAM <--+ continue
 */
#ifndef DUET_REPL_LINK_FSM_H
#define DUET_REPL_LINK_FSM_H

#include <stdbool.h>

enum link_state {
    LINK_OFF,
    LINK_WAIT, /* until the next attempt */
    LINK_CONNECT,
    LINK_PING,
    LINK_AUTH,
    LINK_PORT,  /* REPLCONF listening-port was sent */
    LINK_CAPA,  /* REPLCONF capa */
    LINK_HELLO, /* REPLCONF duet-hello; hello.h */
    LINK_PAIR,  /* REPLCONF duet-pair */
    LINK_PSYNC,
    LINK_HEADER, /* after +FULLRESYNC: the line before the RDB bytes */
    LINK_TRANSFER,
    LINK_LOADING,
    LINK_STREAM,
    LINK_STATES
};

enum link_event {
    LINK_EV_START, /* follow a master, or another address of it */
    LINK_EV_STOP,
    LINK_EV_RETRY, /* the wait is over */
    LINK_EV_CONNECTED,
    LINK_EV_STATUS, /* "+OK" and other status lines */
    LINK_EV_PONG,
    LINK_EV_NOAUTH, /* -NOAUTH and the like: the answer to PING before AUTH */
    LINK_EV_ERROR,  /* any other error line */
    LINK_EV_HELLO,  /* the pair's other node, proven */
    LINK_EV_SESSION,
    LINK_EV_STRANGER, /* a proof that does not hold */
    LINK_EV_CONTINUE,
    LINK_EV_FULL,
    LINK_EV_RDB,     /* "$N" or "$EOF:" */
    LINK_EV_RDB_END, /* all bytes are there */
    LINK_EV_LOADED,
    LINK_EV_LOST, /* closed, failed, timed out, nonsense */
    LINK_EVENTS
};

enum link_action {
    LINK_DO_NOTHING,
    LINK_DO_CONNECT,
    LINK_DO_CLOSE, /* and stay off */
    LINK_DO_RETRY, /* close, and try again after a while */
    LINK_DO_PING,
    LINK_DO_AUTH,
    LINK_DO_PORT,
    LINK_DO_CAPA,
    LINK_DO_HELLO,
    LINK_DO_PAIR,
    LINK_DO_PSYNC,
    LINK_DO_PSYNC_SESSION, /* note session and fork, save a tail if need be, then PSYNC */
    LINK_DO_FULL,          /* note id and offset */
    LINK_DO_RECEIVE,
    LINK_DO_LOAD,
    LINK_DO_STREAM, /* continue, or begin after loading */
    LINK_DO_REFUSED /* as RETRY, with the master's error as the reason */
};

struct link_fsm {
    enum link_state state;
    bool auth; /* a password is configured */
    bool pair; /* the master is the pair's other node */
};

/* Takes the event, moves to the next state and says what to do. An event without a row does
 * nothing; *known (may be NULL) is false then. */
enum link_action link_fsm_event(struct link_fsm *f, enum link_event ev, bool *known);
const char *link_state_name(enum link_state s);
const char *link_event_name(enum link_event e);

#endif
