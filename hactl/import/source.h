/* A running Redis (2.8 to 7.2, Valkey) that is attached to as its slave does, and asked by a second connection. It is only
 * read: PING, AUTH, REPLCONF, PSYNC or SYNC on the one; AUTH, INFO, MODULE LIST and FUNCTION LIST on the other.
 *
 * What comes of its stream while it cannot be applied (during the copy) waits in memory, then in a file. */
#ifndef HACTL_IMPORT_SOURCE_H
#define HACTL_IMPORT_SOURCE_H

#include "hactl/import/dial.h"

enum { SOURCE_NAMES = 400 };

struct source_options {
    struct url url;
    struct dial_tls tls;
    const char *dir; /* for source.rdb and what waits */
    int rdb_version; /* 6 or 7: of a Duet, in which form it sends its data; 0: the present one */
    /* Called now and then while something takes long. False: stop. */
    bool (*pause)(void *arg);
    void *arg;
};

/* What it told before anything was copied. */
struct source_facts {
    char version[40];          /* "7.0.15", "valkey 9.1.2" */
    char run_id[44], mode[24]; /* mode: standalone, sentinel, cluster */
    char role[12];
    uint64_t used_memory, keys;   /* keys: of the databases, as INFO has them */
    char keyspace[300];           /* "db0 12 keys, db3 5 keys" */
    char modules[SOURCE_NAMES];   /* names, "" none (or it does not say) */
    char functions[SOURCE_NAMES]; /* libraries */
};

enum source_end {
    SOURCE_OK,
    SOURCE_LOST,   /* link down, loading, no master of its own ...: may be better later */
    SOURCE_REFUSED /* will not be better by itself: password, permission, a Sentinel */
};

struct source {
    struct source_options o;
    struct dial link, ask;
    char why[400]; /* after LOST and REFUSED */
    struct source_facts facts;
    /* the place in its stream; id "": it has none (SYNC) */
    char id[REPLLINE_ID_CHARS + 1];
    uint64_t offset;   /* of the first byte that has not been taken out of the queue */
    uint64_t received; /* of the stream's end as it came here */
    bool psync;
    /* the RDB */
    uint64_t rdb_total, rdb_got; /* total 0: not known */
    bool streaming;              /* what comes on the link is the stream */
    /* what waits */
    struct buf queue;
    int spill; /* file, -1: none */
    uint64_t spill_read, spill_end;
    uint64_t acked_ms, heard_ms;
};

void source_init(struct source *s, const struct source_options *o);
void source_close(struct source *s); /* both connections; the RDB file stays */
/* The second connection, and the facts. */
enum source_end source_ask(struct source *s);
/* Its stream's end by INFO (master_repl_offset); false: it did not tell. */
bool source_end_offset(struct source *s, uint64_t *offset);
/* Attaches at id and offset (id "" or not: a full copy). *copy: it sends a full copy, which source_receive takes. */
enum source_end source_attach(struct source *s, const char *id, uint64_t offset, bool *copy);
/* The RDB into DIR/source.rdb, whole and synced. */
enum source_end source_receive(struct source *s);
/* Takes what has come of the stream into the queue, and acknowledges `applied` once a second. Waits at most wait_ms for
 * something to come. */
enum source_end source_pump(struct source *s, uint64_t applied, int wait_ms);
/* Makes queue hold what is next of it (the file's turn before memory's). */
bool source_refill(struct source *s);
/* n bytes of the queue were taken. */
void source_took(struct source *s, size_t n);
static inline bool source_waits(const struct source *s) {
    return buf_len(&s->queue) || s->spill_read < s->spill_end;
}

#endif
