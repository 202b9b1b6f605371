/* What the files of the slave's link share: link.c drives socket and machine, link_hand.c speaks up to PSYNC's answer,
 * link_copy.c takes a full copy, link_stream.c applies and acknowledges, link_status.c tells. Nobody else includes this. */
#ifndef DUET_REPL_LINK_INSIDE_H
#define DUET_REPL_LINK_INSIDE_H

#include "server/proto/cmdstream.h"
#include "server/proto/replline.h"
#include "server/repl/inside.h"
#include "server/repl/spool.h"

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
    bool was_up; /* it has streamed since this server began */
    uint64_t session;
    char error[200];
    /* of a full synchronisation */
    char full_id[REPLLINE_ID_CHARS + 1];
    uint64_t full_offset;
    struct replline header;
    struct spool spool;
    int spool_db;     /* selected in the stream at full_offset */
    bool keep_old;    /* the master does not know our line: our log is put aside */
    bool replacing;   /* the copy is being loaded */
    bool start_later; /* another address came meanwhile */
    /* streaming */
    struct cmdstream commands;
    uint64_t acked, acked_synced;
    bool ack_now;
    bool held; /* the stream is read, not applied */
};

/* ---- link.c */
void link_event(struct link *k, enum link_event ev);
/* One sentence for the log and for INFO; the same one again says nothing new. */
void link_complain(struct link *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void link_write(struct link *k); /* what stands in out */
void link_want(struct link *k);  /* what the socket is waited for, anew */
bool link_is_held(const struct link *k);
bool link_may_read(const struct link *k);

/* ---- link_hand.c */
/* What is said for this action; false: it is none of the handshake's. */
bool link_say(struct link *k, enum link_action action);
/* One line of the master. Each take: false when no more can be done with the bytes that are there. */
bool link_take_line(struct link *k);

/* ---- link_copy.c */
void link_copy_receive(struct link *k);
void link_copy_load(struct link *k);
bool link_take_copy(struct link *k);

/* ---- link_stream.c */
void link_stream_begin(struct link *k);
bool link_take_stream(struct link *k);
void link_send_ack(struct link *k);

#endif
