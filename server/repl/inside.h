/* What the files of server/repl share. Nobody else includes this. */
#ifndef DUET_REPL_INSIDE_H
#define DUET_REPL_INSIDE_H

#include "server/base/buf.h"
#include "server/repl/backlog.h"
#include "server/repl/hello.h"
#include "server/repl/link_fsm.h"
#include "server/repl/overrun.h"
#include "server/repl/repl.h"
#include "server/repl/tail.h"

struct loop_io;
struct loop_timer;
struct transfer;
struct link;

/* What a connection's REPLCONFs said. */
struct repl_conf {
    uint64_t client_id, created_ns;
    uint16_t port;
    char host[64];   /* ip-address, "" when not announced */
    int rdb_version; /* that it asks for; 0: does not */
    bool eof, psync2;
    bool rdb_only; /* it wants the copy and no stream */
    bool pair;
    uint64_t session;
    bool greeted; /* duet-hello came */
    struct hello hello;
};

/* SHAKE: the pair's slave, that has yet to say PSYNC; WAIT: for a walk; BULK: its copy is being made and sent; BULK_END: it has the copy and loads it; GIVEN: it wanted
 * the copy alone, and has it. */
enum feed_state { FEED_SHAKE, FEED_WAIT, FEED_BULK, FEED_BULK_END, FEED_ONLINE, FEED_GIVEN };

/* A slave's connection (feed.c). */
struct feed {
    struct feed *next;
    struct repl *r;
    struct repl_conf conf;
    struct stream *stream;
    struct loop_io *io;
    enum feed_state state;
    bool listens;     /* the pair's slave takes what is told beside the stream */
    bool told_disk;   /* the pair's slave knows that it is to fsync what it acknowledges */
    bool psync;       /* else SYNC: no lines, never acknowledges */
    const char *dead; /* why it is to be closed; it is unlinked in feeds_reap */
    struct buf in, out;
    struct buf beside;            /* to be told, once out is between two commands */
    uint64_t sent;                /* ONLINE: stream offset behind what is sent or in out */
    struct persist_reader reader; /* of the kept log */
    uint64_t acked, synced;
    bool level;       /* it had all there is, once: from then on it may lag only so far */
    uint64_t soft_ns; /* beyond the soft limit since then; 0: it is not */
    uint64_t ack_ns;  /* of the last acknowledgement */
    char digest[REPL_DIGEST_CHARS + 1]; /* what it told of its data */
    struct transfer *transfer;          /* while WAIT or BULK */
    uint64_t copy_at;                   /* of its row, what is sent or in out */
};

/* A full synchronisation: one walk for all slaves that came before it began (transfer.c). */
struct transfer {
    struct transfer *next;
    struct repl *r;
    struct persist_walk *walk; /* from its start to its end */
    struct loop_timer *delay;
    uint64_t made_ns; /* when its first slave came */
    bool begun, ended;
    char mark[40];
    bool spooled; /* for slaves that want its length first: nothing is sent before its end */
    int rdb_version;
    struct backlog *row;   /* the copy's bytes, the newest of them */
    struct overrun *aside; /* older ones that a slave lacks */
    uint64_t full_ns;      /* so much is aside that the walk waits, since then; 0: it is not */
    bool hungry;           /* the fastest takes all that comes: compressing would only hold it up */
    uint64_t looked_ns, others_ns; /* when it was looked, since when another walk waits */
};

enum { REPL_ENDS = 128 };

struct repl {
    struct repl_options o;
    char *dir, *master_user, *master_auth, *announce_host;
    struct persist *persist;
    struct store *store;
    struct loop *loop;
    struct repl_world world;
    struct loop_timer *second, *again;

    /* the stream */
    enum repl_role role;
    char id[PERSIST_ID_CHARS + 1];
    char digest[REPL_DIGEST_CHARS + 1]; /* as slave, still to be told */
    struct persist_line lines[PERSIST_LINES_MAX];
    size_t line_count;
    bool heard;  /* somebody may ask for what is written: there is, was or may have been a slave */
    bool barred; /* no slave is taken: repl_bar */
    bool line_known; /* there is something to continue: loaded, followed or written */
    /* As master, the next write or slave begins a new line: what was loaded may be a shorter
     * history than slaves have seen. */
    bool line_pending;
    struct backlog *backlog;
    struct overrun *aside; /* without a log: what slaves lack and memory is not kept for */
    bool backlog_on;       /* repl-backlog-size is kept: since the first slave */
    int db;                /* selected at the stream's end, -1: none */
    uint64_t logged;       /* offset up to which the log has it */
    int logged_db;
    bool log_stuck;     /* the last attempt to write it failed */
    uint64_t write_end; /* offset behind the last write; PINGs may follow */
    int depth;          /* of repl_feed_begin */
    unsigned in_group;  /* commands fed since the outermost begin */
    /* The first of a group stands at the backlog's end from there on; only when a second comes it is known
     * that MULTI belongs before it. */
    uint64_t first_at;
    int first_db;     /* selected there */
    struct buf first; /* room for it to step aside */
    struct buf scratch;

    /* slaves */
    struct feed *feeds;
    struct transfer *transfers;
    uint64_t sessions;                /* the last session number given out */
    struct feed *pair;                /* the pair's slave, or NULL */
    uint64_t pair_acked, pair_synced; /* of this line, also when its slave is gone */
    uint64_t released;                /* what floor 4 was last told */
    bool alone;
    uint64_t last_ping_ns, last_slave_ns;
    struct {
        uint64_t offset, ns;
    } ends[REPL_ENDS]; /* where the stream ended, each second, a ring: how late slaves are */
    unsigned ends_at;
    bool feed_again; /* some slave has more than one turn took */

    /* following */
    struct link *link;
    bool master_disk;      /* the pair's master is at durability disk: told beside the stream */
    enum repl_offer offer; /* the mastership, to whom we follow */
    bool whole;
    uint64_t tail_writes;
    struct tail *tail; /* what is put aside now, or was last */
    struct repl_tails tails;
    char tail_file[256];
    uint64_t bytes_in, bytes_out; /* of the master's stream, and to slaves; full copies too */
    uint64_t sync_full, sync_partial_ok, sync_partial_err, apply_errors;
    uint64_t limit_drops;    /* slaves dropped for client-output-buffer-limit */
    uint64_t damaged_blocks; /* on the pair's link */
    bool open_said;          /* that the pair's link goes without a key */
    uint64_t copies;         /* taken as slave */
    /* A command of the pair's master failed here: the data differs, and the next copy is a full one. */
    bool diverged;
    uint64_t divergences;
};

static inline void repl_changed(struct repl *r) {
    if (r->world.changed) r->world.changed(r->world.arg);
}
static inline bool is_slave(const struct repl *r) {
    return r->role == REPL_SLAVE;
}

/* repl.c: whether each write is fsynced at once, after something that says so has changed. */
void repl_settle_eager(struct repl *r);
/* Beside the pair's stream, between two commands: the master lives; fsync what is acknowledged; do not. */
enum { ASIDE_LIVES = '\n', ASIDE_DISK = 'F', ASIDE_MEMORY = 'f' };
/* The same, of floor 4: two bytes of length follow, and so many bytes (beside.c). */
enum { ASIDE_TOLD = 'B', ASIDE_TOLD_HEAD = 3 };

/* stream.c */
void stream_open(struct repl *r);
void stream_close(struct repl *r);
void stream_pos(struct repl *r, struct persist_pos *pos); /* the end, after flushing to the log */
bool stream_flush(struct repl *r);                        /* false: the log could not be written */
void stream_pass_on(struct repl *r, const char *p, size_t n, int db_after); /* a master's unit */
void stream_ping(struct repl *r);
void stream_ask_acks(struct repl *r);
void stream_restart(struct repl *r, const char *id, uint64_t offset,
                    int db); /* after a full synchronisation */
/* The present line ends here: id becomes lines[0]. new_id NULL: one is made. */
void stream_new_line(struct repl *r, const char *new_id);
void stream_own_line(struct repl *r); /* begins it if it is pending */
/* Calls world.released when the release offset grew. */
void stream_tell_released(struct repl *r);
/* Up to which offset of line id we hold the same bytes; false: the line is not known here. */
bool stream_fork(const struct repl *r, const char *id, uint64_t offset, uint64_t *fork);
/* Are all bytes from here on still there? */
bool stream_serves(struct repl *r, uint64_t offset);

/* stream_keep.c: what is kept for slaves, and for how long */
void stream_hear(struct repl *r); /* somebody may ask for what is written from now on */
void stream_trim(struct repl *r);
void stream_second(struct repl *r, uint64_t now_ns);
bool stream_aside_has(const struct repl *r, uint64_t offset);
uint64_t stream_first(const struct repl *r); /* the oldest byte in memory, or aside */

/* feed.c; feed_shake.c makes a connection a slave's, feed_report.c counts */
struct feed *feed_new(struct repl *r, struct repl_conf *conf, struct stream *s, struct buf *unsent,
                      struct buf *unread);
void feed_end(struct feed *f, const char *why); /* marks it; freed by feeds_reap */
void feed_parse(struct feed *f);                /* what stands in f->in */
void feed_online(struct feed *f, uint64_t from);
/* feed_pair.c: REPLCONF duet-hello, and duet-pair, which makes the connection the pair's. */
void pair_hello(struct repl *r, struct repl_conf *c, int argc, const struct bytes *argv,
                const struct stream *s, struct buf *reply);
bool pair_take(struct repl *r, struct repl_conf **conf, int argc, const struct bytes *argv,
               struct stream *s, struct buf *unsent, struct buf *unread, struct buf *reply);
/* beside.c: what is to be told goes into out, when that is possible now. */
void feed_beside(struct feed *f);
/* feed_shake.c: PSYNC of the pair's slave, which stands in blocks already. */
void feed_take_psync(struct feed *f, int argc, const struct bytes *argv);
/* Says once that the pair's link goes without a key. */
void repl_say_open(struct repl *r);
void feed_flush(struct feed *f); /* writes what it can and waits for readiness as needed */
void feed_take_acks(struct feed *f);
void feeds_write(struct repl *r);
void feeds_reap(struct repl *r);
void feeds_second(struct repl *r, uint64_t now_ns);
void feeds_drop(struct repl *r, const char *why);

/* feed_report.c: the stream's end of this second. */
void feeds_note_end(struct repl *r, uint64_t now_ns);

/* transfer.c */
void transfer_join(struct repl *r,
                   struct feed *f); /* a full synchronisation for f, with others that wait */
void transfer_left(struct feed *f); /* f goes */
/* Of one that is in BULK: is there something to write; was that all? */
bool transfer_has(const struct feed *f);
bool transfer_done(const struct feed *f);
bool transfer_is_made(const struct feed *f); /* before the first byte may be sent */
void transfers_tidy(struct repl *r);
void transfers_reconfigure(struct repl *r);
void transfers_close(struct repl *r);

/* repl.c: closes a long file on another thread. arg: the struct repl. */
void repl_close_aside(void *arg, int fd);

/* link.c */
struct link *link_new(struct repl *r);
void link_free(struct link *k);
void link_start(struct link *k, const char *host, uint16_t port, bool pair);
void link_stop(struct link *k);
/* A tail that the link waited for is saved, or cannot be. */
void link_tail_done(struct link *k);
const char *link_host(const struct link *k); /* of the master */
void link_hold(struct link *k, bool hold);
bool link_active(const struct link *k);
bool link_streaming(const struct link *k);
void link_ack(struct link *k); /* before the loop sleeps: acknowledges what was applied */
void link_second(struct link *k, uint64_t now_ns);
bool link_copy_taken(const struct link *k); /* a whole copy is about to become the data */
void link_status(const struct link *k, struct repl_status *s);

/* first_copy.c: whether this directory waits for a pair's first copy, across restarts. */
bool first_copy_due(const struct repl *r); /* it does, and there is no line here */
void first_copy_begin(struct repl *r);     /* unless there is a line */
void first_copy_end(struct repl *r);

#endif
