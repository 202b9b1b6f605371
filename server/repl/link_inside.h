/* What the files of the slave's link share: link.c drives socket and machine, link_hand.c speaks up to PSYNC's answer,
 * link_copy.c takes a full copy, link_stream.c applies and acknowledges, link_status.c tells. Nobody else includes this. */
#ifndef DUET_REPL_LINK_INSIDE_H
#define DUET_REPL_LINK_INSIDE_H

#include "server/proto/cmdstream.h"
#include "server/proto/replline.h"
#include "server/repl/inside.h"
#include "server/repl/spool.h"

#define LINK_COPY_FILE "received.rdb" /* in the data directory, while a copy comes */

/* So many full copies follow a failed command at once, then one a minute. */
enum { LINK_FULL_TRIES = 3 };

enum link_copy { COPY_NONE, COPY_COMES, COPY_WHOLE, COPY_TAKEN }; /* link_copy.c */

struct link {
    struct repl *r;
    struct link_fsm fsm;
    char host[256];
    uint16_t port;
    bool pair;
    struct stream *stream;
    unsigned long connections; /* counts up with each one that ends */
    struct hello hello;
    struct loop_io *io;
    struct loop_timer *retry;
    struct buf in, out;
    uint64_t last_io_ns, down_since_ns;
    unsigned stalls;           /* connections to this address in a row that fell silent */
    bool was_up;               /* it has streamed since this server began */
    uint64_t number, since_ns; /* of this stream */
    uint64_t session;
    char error[200];
    /* of a full synchronisation */
    char full_id[REPLLINE_ID_CHARS + 1];
    uint64_t full_offset;
    struct replline header;
    enum link_copy copy;
    bool beside;              /* it is loaded beside the data; else the data goes first */
    bool loaded_beside;       /* all of it */
    struct loop_timer *check; /* looks through it, when it is not loaded beside */
    struct spool spool;
    uint64_t copy_total, copy_got; /* bytes; total 0: not known */
    unsigned copy_fails;           /* in a row, for another reason than a lost connection */
    int spool_db;                  /* selected in the stream at full_offset */
    bool keep_old;                 /* the master does not know our line: our log is put aside */
    bool start_later;              /* another address came while a whole copy was taken */
    /* streaming */
    struct cmdstream commands;
    uint64_t acked, acked_synced;
    bool ack_now;
    uint64_t fork;   /* up to where the pair's master has our line */
    bool waits_tail; /* PSYNC is said when what the master lacks is put aside */
    bool held;       /* the stream is read, not applied */
    unsigned
        full_tries; /* full copies since a command failed; forgotten when the stream has gone well for a while */
};

/* ---- link.c */
void link_event(struct link *k, enum link_event ev);
/* One sentence for the log and for INFO; the same one again says nothing new. */
void link_complain(struct link *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void link_write(struct link *k); /* what stands in out */
void link_want(struct link *k);  /* what the socket is waited for, anew */
/* Takes what was read and waits: after a copy was loaded, or a hold has ended. Not from within a reading. */
void link_take_read(struct link *k);
bool link_is_held(const struct link *k);
bool link_may_read(const struct link *k);

/* ---- link_hand.c */
/* What is said for this action; false: it is none of the handshake's. */
bool link_say(struct link *k, enum link_action action);
/* One line of the master. Each take: false when no more can be done with the bytes that are there. */
bool link_take_line(struct link *k);

/* ---- link_copy.c */
struct loop_timer *link_copy_timer(struct link *k); /* for k->check */
void link_copy_receive(struct link *k);
void link_copy_load(struct link *k);
bool link_take_copy(struct link *k);
void link_copy_lost(struct link *k); /* the connection is: ends what still comes */
void link_copy_drop(struct link *k); /* gives the copy up, unless it is becoming the data */
ssize_t link_copy_read(void *arg, void *p, size_t n);
void link_copy_read_stop(void *arg);

/* ---- link_stream.c */
void link_stream_begin(struct link *k);
bool link_take_stream(struct link *k);
void link_send_ack(struct link *k);

#endif
