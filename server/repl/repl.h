/* Replication, the one public header of server/repl (floor 3).
 *
 * One object per server process. As master it makes the stream (repl_feed), gives it to the log and
 * to slaves, and counts what they acknowledged; as slave it follows a master, applies the stream
 * and passes the same bytes on to log and slaves of its own. Everything runs on the executor's
 * loop.
 *
 * A turn of the loop, as floor 4 drives it:
 *     commands execute; each write's effect -> repl_feed; a reply made now may be sent when
 *     repl_release_offset() >= repl_offset() of that moment
 *     before the loop sleeps: repl_before_sleep()  log written (in the kernel), slaves fed,
 * acknowledgements sent then: replies whose offset is released are written to the clients
 * world.released is called when the release offset grew later on (an acknowledgement, an fsync).
 *
 * A connection becomes a slave's in three calls: REPLCONF (any number) -> repl_conf; PSYNC or SYNC
 * -> repl_take, which takes the socket over: floor 4 forgets the client. AUTH, PING, REPLCONF and
 * PSYNC on a connection without held replies must be answered at once, also while others are held:
 * the pair's slave comes back this way.
 */
#ifndef DUET_REPL_REPL_H
#define DUET_REPL_REPL_H

#include "server/base/bytes.h"
#include "server/persist/persist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct loop;
struct store;
struct stream;
struct repl;
struct repl_conf; /* what a client's REPLCONFs said, until repl_take or repl_conf_free */

enum repl_role { REPL_MASTER, REPL_SLAVE, REPL_NONE };
enum repl_durability { REPL_ASYNC, REPL_PAIR, REPL_DISK };

/* What floor 4 hands down. Called on the loop's thread, with arg. */
struct repl_world {
    void *arg;
    /* Applies one command of the master, as persist_world.run: db given, no reply, not fed back,
     * nothing expires by itself, MULTI/EXEC/SELECT/PING/REPLCONF never come here. err is logged and
     * counted; the stream goes on as Redis's does. */
    bool (*apply)(void *arg, int db, int argc, const struct bytes *argv, char *err,
                  size_t err_size);
    /* A command, or a whole transaction, has been applied and passed on. May be NULL. */
    void (*applied)(void *arg);
    /* The release offset grew outside of repl_before_sleep, or everything was released. May be
     * NULL. */
    void (*released)(void *arg);
    /* Role, link state, session or `whole` changed (for WATCH, blocked clients, INFO). May be NULL.
     */
    void (*changed)(void *arg);
    /* All data is about to be dropped or was replaced by a full synchronisation. May be NULL. */
    void (*replaced)(void *arg);
    /* Full copies: is there memory for `more` bytes beside the data, and so many as are taken already? Asked before one comes and
     * then some times a second. NULL: always. */
    bool (*copy_fits)(void *arg, uint64_t more, uint64_t taken);
    /* The keys of a command, for the report on a saved tail: up to max; NULL or 0: argv[1] is
     * taken. */
    size_t (*keys)(void *arg, int argc, const struct bytes *argv, struct bytes *keys, size_t max);
    /* The epoch of the present master, for the report on a tail. May be NULL. */
    uint64_t (*epoch)(void *arg);
    /* What repl_beside_tell was given on the pair's master. NULL: nothing is told. */
    void (*told)(void *arg, const char *p, size_t n);
    /* The stream over a connection to a master that is coming up (plain, TLS); pair: to the pair's other
     * node. NULL: err is a sentence, and fd is not closed. May be NULL: plain. */
    struct stream *(*dress)(void *arg, int fd, bool pair, char *err, size_t err_size);
};

struct repl_options {
    const char *dir; /* the persist directory; tails/ and received files live here; copied */
    uint16_t port;   /* announced by REPLCONF listening-port */
    const char *announce_host; /* by REPLCONF ip-address, NULL: what the master sees; copied */
    uint64_t backlog_bytes;    /* repl-backlog-size */
    int64_t backlog_ttl_s;     /* repl-backlog-ttl, 0: for ever */
    int64_t timeout_ms;        /* repl-timeout */
    int64_t ping_period_ms;    /* repl-ping-replica-period */
    bool diskless;             /* repl-diskless-sync; else a copy waits for nobody */
    int64_t diskless_delay_ms; /* repl-diskless-sync-delay */
    int diskless_max;          /* repl-diskless-sync-max-replicas, 0: off */
    bool delays_small;         /* repl-disable-tcp-nodelay */
    /* client-output-buffer-limit of slaves, 0: off. A slave that far behind is dropped; one that still catches up
     * is not, as long as the log has what it lacks. */
    uint64_t slave_limit_bytes, slave_soft_bytes;
    int64_t slave_soft_s;
    const char *master_user, *master_auth; /* NULL: none; copied */
    char node;                             /* 'a' or 'b' in a pair, 0 outside */
    bool has_pair_key;
    uint8_t pair_key[32]; /* the pair's servers know each other by it */
    bool has_pair_key_also;
    uint8_t pair_key_also[32]; /* while it is changed: a master that has this one is believed too */
    enum repl_durability durability;
    int min_slaves; /* min-replicas-to-write, 0: off */
    int64_t min_slaves_lag_s;
    bool slave_read_only, serve_stale; /* kept here for INFO; floor 4 obeys them */
    int slave_priority;
    int old_rdb_version; /* of a full copy for a slave that does not know PSYNC2; 0: the present one */
};
void repl_defaults(struct repl_options *o);

/* After loading has ended (any result): takes id, offset and lines from persist. The role is
 * REPL_MASTER outside of a pair (node 0), else REPL_NONE. world and options are copied; the rest
 * must outlive it. */
struct repl *repl_open(const struct repl_options *o, struct persist *p, struct store *store,
                       struct loop *loop, const struct repl_world *world);
/* Ends all links; slaves see the stream to its end first as far as their sockets take it. NULL is
 * fine. */
void repl_close(struct repl *r);
/* CONFIG SET of anything above; dir and node do not change. */
void repl_reconfigure(struct repl *r, const struct repl_options *o);

/* ---- The stream, master side. */

/* One executed write (its effect, deterministic: PXAT not EX, DEL for an expired key). Feeds
 * nothing while the role is not master. db is where it ran; SELECT is put in as needed. */
void repl_feed(struct repl *r, int db, int argc, const struct bytes *argv);
/* Writes between these stand in MULTI/EXEC when there are two or more (EXEC, scripts). They nest.
 */
void repl_feed_begin(struct repl *r);
void repl_feed_end(struct repl *r);
uint64_t repl_offset(const struct repl *r); /* the stream's end */
const char *repl_id(const struct repl *r);
/* Writes the log, feeds slaves, sends acknowledgements. Before replies go out. */
void repl_before_sleep(struct repl *r);
/* The same of what clients' replies wait for, in the middle of a turn, when there is enough of it: so that the pair's slave works
 * while this side does. Then what it has acknowledged meanwhile is read. */
bool repl_has_much(const struct repl *r);
void repl_send_early(struct repl *r);
/* For persist_world.changed: an fsync ended, a write failed or healed. */
void repl_synced(struct repl *r);

/* ---- Acknowledgements. */

/* Replies made at or before this offset may go: it is in the kernel's log (always), fsynced (fsync
 * always), held by the pair's slave (durability pair, not alone), fsynced by it (disk). The
 * stream's end when nothing holds. */
uint64_t repl_release_offset(const struct repl *r);
/* The offset that a reply made now waits for: the stream's end. While the log cannot be written
 * (disk full), a reply to what wrote nothing (a read, a refusal) waits for nothing new, so that
 * reads go on. */
uint64_t repl_reply_offset(const struct repl *r, bool wrote);
/* What the pair's slave has acknowledged in the present session; 0 without one. */
uint64_t repl_pair_acked_offset(const struct repl *r);
/* DUET ALONE. A pair starts as not alone: with no slave, replies wait. Outside of a pair it has no
 * meaning. */
void repl_set_alone(struct repl *r, bool alone);
bool repl_alone(const struct repl *r);
/* Slaves that acknowledged offset: memory, and fsynced (WAIT, WAITAOF). Asks slaves for an
 * acknowledgement (GETACK). */
int repl_count_acked(struct repl *r, uint64_t offset, int *synced);
void repl_ask_acks(struct repl *r);
/* Reads what slaves have sent, beside the loop: acknowledgements count while a command takes long. */
void repl_take_acks(struct repl *r);
/* Slaves whose lag is within min_slaves_lag_s; floor 4 answers NOREPLICAS when it is below
 * min_slaves. */
int repl_good_slaves(const struct repl *r);

/* ---- Beside the stream (beside.c): from the pair's master to its slave, in order, between two commands, no part of the data. */
enum { REPL_BESIDE_BYTES = 16 * 1024 };
/* *session: of the slave that listens, 0: none does; world.changed is called when one begins to. True: what was told before is
 * on its way, and more may be told. */
bool repl_beside_ready(const struct repl *r, uint64_t *session);
void repl_beside_tell(struct repl *r, const void *p, size_t n); /* 1 to REPL_BESIDE_BYTES bytes */

/* ---- Connections that are slaves'. */

/* REPLCONF of a client: fills *conf (made at the first call) and appends the reply. peer_host is
 * used when the slave announces no address. s is only looked at. */
void repl_conf(struct repl *r, struct repl_conf **conf, int argc, const struct bytes *argv,
               struct stream *s, struct buf *reply);
void repl_conf_free(struct repl_conf *conf); /* NULL is fine */
/* PSYNC id offset | SYNC; in a pair REPLCONF duet-pair, behind whose answer both directions are blocks
 * (hello.h). Takes the stream, and unsent and unread bytes (both are left empty), and answers on it by itself; *conf becomes NULL. False: nothing was taken, reply holds the error
 * (-NOMASTERLINK, -LOADING ...). */
bool repl_take(struct repl *r, struct repl_conf **conf, int argc, const struct bytes *argv,
               struct stream *s, struct buf *unsent, struct buf *unread, struct buf *reply);
/* Before repl_take: whose connection it was, as CLIENT LIST shows it. */
void repl_conf_of(struct repl_conf **conf, uint64_t id, uint64_t created_ns);
/* CLIENT KILL, and client-output-buffer-limit: all of them, or the one that repl_conf_of named. */
void repl_drop_slaves(struct repl *r, const char *reason);
void repl_drop_slave(struct repl *r, uint64_t id, const char *reason);
/* The same to the master: the link is begun anew. */
void repl_drop_master(struct repl *r, const char *reason);
int repl_slave_count(const struct repl *r);

/* ---- Roles. */

/* Master from now on (DUET MASTER, REPLICAOF NO ONE): stops following. What was applied stays, what
 * was received in part is dropped. A slave that is promoted, and a master that restarted without a
 * clean end, begins a new line: new id, the old one is lines[0]. As master already: nothing
 * happens. False: err (in the middle of a first copy: whole 0). */
bool repl_master(struct repl *r, char *err, size_t err_size);
/* Follows host:port (DUET SLAVE, REPLICAOF). Already following: reconnects there and continues by
 * PSYNC. pair: the master is the pair's other node; writes that it does not have are put aside
 * first (DESIGN.md section 5 rule 7), and acknowledgements go out after each batch. */
void repl_follow(struct repl *r, const char *host, uint16_t port, bool pair);
/* FAILOVER: follows a slave, and asks it by PSYNC ... FAILOVER to become the master. What it said, until the next change of role. */
enum repl_offer { REPL_OFFER_NONE, REPL_OFFER_OPEN, REPL_OFFER_TAKEN, REPL_OFFER_REFUSED };
void repl_hand_over(struct repl *r, const char *host, uint16_t port);
enum repl_offer repl_offered(const struct repl *r);
/* CLIENT PAUSE: what the master sends is read (a bounded amount), and applied and acknowledged when the hold ends. A pair's link
 * is not held. */
void repl_hold(struct repl *r, bool hold);
/* A new line by order (DEBUG CHANGE-REPL-ID): new id, and no line before it. */
void repl_change_id(struct repl *r);
/* Before the data is rolled back: slaves are dropped, and none may come until repl_renew or repl_bar(r, false). */
void repl_bar(struct repl *r, bool bar);
/* The data was rolled back: id, offset and lines are persist's anew, and slaves may come, for a full copy. */
void repl_renew(struct repl *r);
/* DUET NONE: neither follows nor feeds; data, id and offset stay. */
void repl_none(struct repl *r);
enum repl_role repl_role(const struct repl *r);

/* ---- What INFO, ROLE and DUET STATUS show. */
enum repl_link_state {
    REPL_LINK_OFF,
    REPL_LINK_CONNECT,
    REPL_LINK_CONNECTING,
    REPL_LINK_HANDSHAKE, /* up to PSYNC's answer */
    REPL_LINK_SYNC,
    REPL_LINK_CONNECTED
};

/* What becomes of the data while a full copy comes: it stays until that is whole, or there is no memory for both. */
enum repl_copy { REPL_COPY_NONE, REPL_COPY_BESIDE, REPL_COPY_INSTEAD };

enum { REPL_DIGEST_CHARS = 95 };
/* Goes to the master with the next acknowledgement (server/control_digest.c): words, at most REPL_DIGEST_CHARS. */
void repl_tell_digest(struct repl *r, const char *text);

struct repl_slave_info {
    uint64_t id;                /* as repl_conf_of was told */
    uint64_t created_ns;        /* the same */
    uint64_t heard_ns;          /* when it last acknowledged or moved on, boot ns */
    size_t in_bytes, out_bytes; /* read and not run; what it has still to be sent, and can be */
    int fd;                     /* for names and options only; good until the loop's next turn */
    bool writing;               /* its socket took no more */
    char host[64];
    uint16_t port;
    const char *state;                  /* "wait_bgsave", "send_bulk", "online" */
    char digest[REPL_DIGEST_CHARS + 1]; /* as it told last, "" */
    uint64_t offset;                    /* acknowledged */
    uint64_t synced;                    /* fsynced, as far as it says */
    uint64_t behind_ms; /* it has lacked something of the stream for so long, to a second */
    int64_t lag_s;      /* since it was last heard, as INFO says it */
    bool pair;
};
/* Fills at most max; returns how many there are. */
size_t repl_slaves(const struct repl *r, struct repl_slave_info *out, size_t max);

/* Writes that this node had and a master lacked, and that nobody has dealt with (proto/tail_report.h). */
struct repl_tails {
    uint64_t count, writes, keys;
    uint64_t wholes; /* logs kept whole because they could not be told apart */
    char newest[32]; /* its id */
};

struct repl_status {
    enum repl_role role;
    char id[41], id2[41];
    uint64_t offset;
    uint64_t read_offset;  /* as slave: offset, and what was read but is not applied yet */
    int64_t second_offset; /* -1: none */
    /* the pair */
    unsigned stalls;  /* as slave: connections to the master in a row that fell silent */
    uint64_t session; /* the pair link's number, the same on both sides; 0: none */
    uint64_t acked; /* offset that the pair's slave acknowledged; as slave: that we acknowledged */
    uint64_t acked_synced;
    bool insync_link; /* the pair's slave streams and has no gap */
    bool alone;
    bool whole;           /* the data is complete: not in the middle of a first copy, not damaged */
    uint64_t rejoin_tail; /* writes put aside since this process started */
    char rejoin_file[256];
    struct repl_tails tails;
    bool tail_saving; /* writes are being put aside; PSYNC waits for it */
    /* as slave */
    char master_host[256];
    uint16_t master_port;
    enum repl_link_state link;
    bool sync_in_progress, loading;
    uint64_t sync_total_bytes, sync_read_bytes; /* total 0: not known ($EOF form) */
    uint64_t link_number; /* of the stream from the master, counted from 1; 0: it does not stream */
    uint64_t link_since_ns, link_heard_ns;
    int link_fd; /* as a slave's */
    size_t link_in_bytes, link_out_bytes;
    int64_t last_io_s;      /* -1: does not stream */
    int64_t sync_last_io_s; /* the same, of a connection in any state */
    int64_t down_s;         /* 0: up, -1: never was */
    enum repl_copy copy;
    bool copy_taken; /* it is whole and about to become the data: this cannot be stopped */
    bool half;       /* the data is not whole: what is here must not be shown */
    uint64_t copies; /* taken since the start */
    char last_error[200];
    /* counters and backlog */
    int slaves;
    bool backlog_active; /* a slave is or was there; the rest is 0 without */
    uint64_t backlog_bytes, backlog_first_offset, backlog_len;
    uint64_t bytes_in, bytes_out; /* received from the master, sent to slaves */
    uint64_t sync_full, sync_partial_ok, sync_partial_err;
    uint64_t apply_errors;
    bool
        diverged; /* as the pair's slave: a command of the master failed here, a full copy is due (whole is false) */
    uint64_t divergences;    /* since the start */
    uint64_t limit_drops;    /* slaves dropped for client-output-buffer-limit */
    uint64_t damaged_blocks; /* on the pair's link: found, not applied, sent again */
};
void repl_status(const struct repl *r, struct repl_status *s);
/* An operator has dealt with a tail: it is removed (a log kept whole, too), or one sentence says what was done. False: there
 * is none of that name, or errno. */
bool repl_tail_discard(struct repl *r, const char *id);
bool repl_tail_done(struct repl *r, const char *id, const char *text);
/* CONFIG RESETSTAT: sync_full and its like begin at 0 again. */
void repl_reset_counts(struct repl *r);
/* Bytes of the stream that are kept in memory: the backlog, and what slaves have still to get. O(1). */
uint64_t repl_backlog_memory(const struct repl *r);

#endif
