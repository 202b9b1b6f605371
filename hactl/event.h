/* An event of a node: what happened and when, as a line of JSON. Pure codec.
 *
 *   {"number":12,"at_ms":1763773200123,"boot_ms":81234,"node":"a","kind":"role.changed","severity":"notice","epoch":3,
 *    "epoch_by":"a","text":"...","fields":{"from":"slave","to":"master"}}
 *
 * Numbers go up over restarts of had and of the machine (a gap is only a gap in numbers: what was lost is said by
 * events.lost). at_ms is the wall clock, boot_ms CLOCK_BOOTTIME. Kinds are a closed list of stable names: for a new one,
 * the enum and a row in event.c. */
#ifndef HACTL_EVENT_H
#define HACTL_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum event_kind {
    EVENT_NOTE = 0,    /* what the core or a driver wants remembered and has no kind of its own */
    EVENT_HAD_STARTED, /* had begins: what the record says */
    EVENT_HAD_ENDED,   /* had was told to end */
    EVENT_ROLE,        /* the node went from one state to another one: from, to */
    EVENT_TAKEOVER,    /* ... it began to take over by itself: from, to */
    EVENT_HANDOVER,    /* ... it gave the other one the right to take over: from, to */
    EVENT_LEASE_LOST,  /* this master's lease ended: it stopped serving */
    EVENT_SYNC_IN,     /* the slave is in sync */
    EVENT_SYNC_LOST,   /* ... is not any more */
    EVENT_PEER_HEARD,  /* the other node is heard again */
    EVENT_PEER_SILENT, /* it is heard on no path */
    EVENT_PATH_UP,     /* a path works both ways: path */
    EVENT_PATH_DOWN,   /* ... does not any more: path */
    EVENT_GATEWAY_UP,  /* the gateway answers */
    EVENT_GATEWAY_DOWN,
    EVENT_VIP_TAKEN, /* this node has the VIP */
    EVENT_VIP_DROPPED,
    EVENT_VIP_FOREIGN, /* another machine claims it: mac */
    EVENT_SERVER_UP,   /* this node's servers answer */
    EVENT_SERVER_DIED, /* one of them ended or was stopped */
    EVENT_TAIL_SAVED,  /* writes that the master does not have were put aside: instance, writes */
    EVENT_ALARM_BEGIN, /* alarm */
    EVENT_ALARM_END,
    EVENT_OPERATOR,    /* a command of an operator, and its outcome */
    EVENT_CLIENTS,     /* what was done for clients of the node that served before */
    EVENT_ARBITER,     /* what a witness or a fence answered */
    EVENT_SECURITY,    /* forged, foreign or replayed: refused */
    EVENT_DRILL,       /* a drill begins or ends */
    EVENT_EVENTS_LOST, /* events that reached no file, or not a reader: how many, where */
    EVENT_KINDS
};

enum event_severity { EVENT_INFO = 0, EVENT_NOTICE, EVENT_WARNING, EVENT_ERROR };

#define EVENT_TEXT   320
#define EVENT_FIELDS 320
/* A line is never longer: it fits into one write to a pipe. */
#define EVENT_LINE_LIMIT 2048

struct event {
    uint64_t number;
    int64_t wall_ms, boot_ms;
    uint64_t epoch; /* number */
    char epoch_by;  /* 'a', 'b'; 0: none */
    char node;      /* 'a', 'b' */
    enum event_kind kind;
    char text[EVENT_TEXT];
    char fields[EVENT_FIELDS]; /* JSON members without braces: event_field_* */
};

/* "role.changed"; static storage. */
const char *event_kind_name(enum event_kind k);
/* EVENT_KINDS: there is none of that name. */
enum event_kind event_kind_named(const char *name, size_t len);
enum event_severity event_severity_of(enum event_kind k);
const char *event_severity_name(enum event_severity s);

/* One more member of fields; what does not fit is left out. */
void event_field_text(struct event *e, const char *name, const char *value);
void event_field_number(struct event *e, const char *name, int64_t value);

/* Appends the line, without its end. */
void event_line(const struct event *e, struct buf *out);
/* Reads one line; false when it is none of ours (torn, or of another program). A kind of a later version reads as
 * EVENT_NOTE. */
bool event_read(const char *line, size_t len, struct event *out);

#endif
