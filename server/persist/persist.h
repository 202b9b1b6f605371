/* Persistence, the one public header of server/persist (floor 3).
 *
 * What is written is the *stream*: the bytes of replication, one sequence with an id and an offset,
 * made by the master and passed on unchanged by slaves (server/repl is its only writer). The log
 * keeps this stream in parts under a manifest: a base (an RDB file of one instant) and increments,
 * each a row of blocks whose header carries length, crc32c, replication id, offset, database and
 * wall time. So the log proves up to which offset this node has the data, and serves slaves what
 * the memory backlog no longer holds.
 *
 *     DIR/log/manifest         which parts, in order; replaced atomically
 *     DIR/log/N.base           RDB, the state at the offset that its aux fields name
 *     DIR/log/N.incr           blocks; behind the last one may be room made ahead (room.h): zeros
 *     DIR/dump.rdb             SAVE, BGSAVE, `save` points
 *     DIR/tails/               what rejoins put aside (server/repl)
 *
 * One thread (the executor's loop) calls everything here; the persistence thread that writes back
 * and fsyncs is inside. Nothing here blocks on fsync but persist_stop and the foreground SAVE.
 *
 * Who calls what:
 *   floor 4     open, load_step until done, then (through repl) appends; sync for DUET FSYNC; save,
 * rewrite, status; stop at a clean shutdown server/repl append, read, walk (a slave's full
 * synchronisation), replace (a received one), line history
 */
#ifndef DUET_PERSIST_PERSIST_H
#define DUET_PERSIST_PERSIST_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct loop;
struct buf;
struct entry;
struct store;
struct persist;

enum { PERSIST_ID_CHARS = 40, PERSIST_LINES_MAX = 16 };

/* A place in the stream. offset counts the bytes before it (Redis's master_repl_offset). */
struct persist_pos {
    char id[PERSIST_ID_CHARS + 1]; /* 40 hex digits; "" when there is no stream yet */
    uint64_t offset;
    int db; /* selected in the stream at this offset, -1: none yet */
};

/* Lines that this data went through before the present one, newest first: it holds everything of
 * line id up to and including offset `until`. lines[0] is Redis's replid2 with second_repl_offset =
 * until + 1. */
struct persist_line {
    char id[PERSIST_ID_CHARS + 1];
    uint64_t until;
};

enum persist_fsync { PERSIST_FSYNC_NO, PERSIST_FSYNC_EVERYSEC, PERSIST_FSYNC_ALWAYS };

struct persist_save_point {
    int64_t seconds;
    int64_t changes;
};

struct persist_options {
    const char *dir;      /* exists and is writable; copied */
    const char *rdb_name; /* "dump.rdb"; copied */
    bool log_on;          /* appendonly */
    enum persist_fsync fsync;
    bool rdb_compression, rdb_checksum;
    int rdb_version;            /* of dump.rdb: 10, 7 or 6 */
    unsigned rewrite_percent;   /* auto-aof-rewrite-percentage, 0: never by growth */
    uint64_t rewrite_min_bytes; /* auto-aof-rewrite-min-size */
    uint64_t
        keep_bytes; /* log-keep-bytes: of what is older than the base, kept for slaves and for going back: increments,
                            and the bases that they followed */
    struct persist_save_point save[8];
    size_t save_count;
};
/* What `duet server` starts with when nothing is said: log on, everysec. dir is ".". */
void persist_defaults(struct persist_options *o);

/* What floor 4 hands down. Each is called on the loop's thread, with arg. */
struct persist_world {
    void *arg;
    /* Runs one command of the log as its master ran it: no reply, nothing fed to replication, no
     * client's checks, nothing expires by itself. MULTI, EXEC, SELECT and PING never come here: the
     * transaction's commands come one after the other with nothing between. False: err holds why
     * (unknown command, an error reply); loading stops with file and offset. */
    bool (*run)(void *arg, int db, int argc, const struct bytes *argv, char *err, size_t err_size);
    /* synced offset, written offset, sticky failure or loading changed; may be NULL. */
    void (*changed)(void *arg);
    /* Called on a thread that begins to make data for the executor; may be NULL. */
    void (*maker_begins)(void *arg);
};

/* Opens the directory (makes what is missing, takes its lock). Loads nothing yet. NULL: err says
 * what is wrong and what to do. world is copied, store and loop must outlive it. */
struct persist *persist_open(const struct persist_options *o, struct store *store,
                             struct loop *loop, const struct persist_world *world, char *err,
                             size_t err_size);
/* Closes without a mark of a clean end (as a crash would, but orderly). NULL is fine. */
void persist_close(struct persist *p);
/* A clean shutdown: everything written, fsynced and marked as a clean end; persist_close
 * follows. Blocks. False: err. */
bool persist_stop(struct persist *p, char *err, size_t err_size);

/* ---- Loading at start: call until it is not PERSIST_LOADING, other events may be served between.
 */
enum persist_load {
    PERSIST_LOADING,
    PERSIST_LOADED,  /* also when there was nothing to load */
    PERSIST_DAMAGED, /* not loaded: damage that is no torn tail. The text names file, byte offset
                        and choices. A plain server ends; a pair's node stays up with `whole 0` and
                        takes a full copy */
};
enum persist_load persist_load_step(struct persist *p, uint64_t budget_us);
struct persist_loaded {
    struct persist_pos pos; /* what the log (or dump.rdb) proves; id "" when there was nothing */
    bool damaged; /* PERSIST_DAMAGED: the data is empty, the log is not written until a replace */
    bool clean;   /* the last stop was a clean one: the same id may be continued as master */
    uint64_t cut_bytes; /* a torn tail that was cut off */
    uint64_t keys, commands, bytes;
    uint64_t took_ms;
    char text[900]; /* a sentence for the log; after DAMAGED what is wrong and what to do */
};
const struct persist_loaded *persist_loaded(const struct persist *p);
/* 0.0 to 1.0 of the bytes; valid while loading (at start or after persist_replace). */
double persist_load_progress(const struct persist *p);
struct persist_load_status {
    int64_t start_s; /* wall clock */
    uint64_t total_bytes, loaded_bytes;
};
/* Also of a copy that is loaded beside the data. False: nothing is being loaded. */
bool persist_load_status(const struct persist *p, struct persist_load_status *s);
/* For test suites: a rest behind each key, and how many bytes one step takes at most (0: as many as its time allows). */
void persist_set_load_pace(struct persist *p, uint64_t key_rest_us, uint64_t step_bytes);
/* The same for walks: they rest as long as that would be, in all. */
void persist_set_walk_pace(struct persist *p, uint64_t key_rest_us);

/* ---- The stream (server/repl is the only caller). */

/* Appends bytes that begin at `at` (its id may differ from the last block's when the line changed;
 * its offset may not leave a gap) and writes them into the kernel before it returns. False: not
 * written (disk full, EIO; status says which); the same bytes must be offered again, replies that
 * depend on them are held meanwhile. With the log off it keeps nothing and returns true. */
bool persist_append(struct persist *p, const struct persist_pos *at, const struct iovec *iov,
                    int count);
/* Everything up to here is in the kernel / on disk. With the log off: UINT64_MAX. */
uint64_t persist_written_offset(const struct persist *p);
uint64_t persist_synced_offset(const struct persist *p);
/* persist_status's `failed`, cheaply. */
bool persist_failed(const struct persist *p);
/* What the fsync policy asks of a reply: `always` the synced offset, else the written one. */
uint64_t persist_policy_offset(const struct persist *p);
/* Reads kept stream bytes from offset on (about max) into out; *block is where the block that
 * holds offset begins, a place between two units of the stream; it may be NULL. 0: not kept. */
size_t persist_read(struct persist *p, uint64_t offset, size_t max, struct buf *out,
                    struct persist_pos *block);
/* The same for who reads on and on, a bounded piece at a time whatever the block's length; r begins as zeros. 0: not
 * kept, but with r->busy ask again: a long block is looked at for damage before any of it is handed out. */
struct persist_reader {
    uint64_t block; /* the long block that is being read, and how far it was looked at */
    uint32_t done, crc;
    bool busy;
    uint64_t wall_us; /* when what was read last had been written */
};
size_t persist_read_step(struct persist *p, struct persist_reader *r, uint64_t offset, size_t max,
                         struct buf *out);
/* The oldest offset that persist_read serves without a gap up to the written one; UINT64_MAX: none.
 */
uint64_t persist_first_offset(const struct persist *p);
/* The lines this data came from are kept in the manifest. Set is durable when it returns true. */
size_t persist_lines(const struct persist *p, struct persist_line lines[PERSIST_LINES_MAX]);
bool persist_set_lines(struct persist *p, const struct persist_line *lines, size_t count);

/* fn is called when everything written now is fsynced, or cannot be. ok false: DUET FSYNC answers
 * -ERR. */
typedef void persist_sync_fn(void *arg, bool ok);
void persist_sync(struct persist *p, persist_sync_fn *fn, void *arg);

/* ---- Snapshots, in steps between commands, no fork. They queue: one walk at a time. */
/* BGSAVE and SAVE (foreground: returns when the file is in place). False: err is what Redis answers
 * without the leading '-'. */
bool persist_save(struct persist *p, bool foreground, char *err, size_t err_size);
/* After FLUSHALL, as Redis has it: a BGSAVE that runs is given up, and with save points dump.rdb becomes that of the
 * empty data at once (behind a walk that runs: soon). */
void persist_flushed(struct persist *p);
/* BGREWRITEAOF. With the log off the base is written as DIR/log/off.base, which is no part of a log: DEBUG LOADAOF
 * alone reads it, since at a later start it could be older than dump.rdb. *scheduled: it waits for a snapshot that runs. */
bool persist_rewrite(struct persist *p, bool *scheduled, char *err, size_t err_size);

enum persist_walk_kind {
    PERSIST_WALK_SAVE,
    PERSIST_WALK_REWRITE,
    PERSIST_WALK_SLAVE,
    PERSIST_WALK_BACKUP,
    PERSIST_WALK_DIGEST
};
/* A walk whose bytes (a whole RDB file of the instant of the start) go to a sink. */
struct persist_sink {
    void *arg;
    /* The walk begins now: this is the stream's place it stands for. */
    void (*begin)(void *arg, const struct persist_pos *pos);
    void (*bytes)(void *arg, const void *p, size_t n);
    /* Bytes that it takes now; 0 pauses the walk (changed keys still come: the sink bounds its
     * memory). */
    size_t (*room)(void *arg);
    /* The end, ok or given up with a reason; the walk is gone after it. */
    void (*end)(void *arg, bool ok, const char *reason);
    /* It gets room only while the loop turns (a socket): a foreground SAVE gives such walks up. */
    bool needs_loop;
    enum persist_walk_kind kind; /* for people */
    int rdb_version; /* 0: the present one, which Redis 7.0 loads; 7: Redis 3.2's, 6: Redis 2.8's, which give up
                        with a reason when there is a stream */
    bool
        plain; /* strings come as they are, whatever rdbcompression says: the sink compresses all of it */
    /* Or from step to step: what it points to is looked at when one begins. NULL: rdbcompression says it. */
    const bool *plain_now;
};
struct persist_walk;
/* Queued behind a walk that runs. */
struct persist_walk *persist_walk_start(struct persist *p, const struct persist_sink *sink);
/* Begins it at once, unless another one is before it: false then, or when it was given up (and is gone). */
bool persist_walk_begin(struct persist_walk *w);
/* Gives it up without calling end. */
void persist_walk_cancel(struct persist_walk *w);
/* The stream's place now, for walks: server/repl sets it. */
void persist_set_pos_source(struct persist *p, void (*pos_now)(void *arg, struct persist_pos *pos),
                            void *arg);

/* A full copy that comes from a master is loaded beside the data while it comes; data and log stay in use. All of this is
 * called on the loop's thread but read. */
enum persist_beside_end {
    PERSIST_BESIDE_LOADED,
    PERSIST_BESIDE_BAD,    /* nothing of it is left; why is a sentence */
    PERSIST_BESIDE_NO_ROOM /* the same */
};
struct persist_copy {
    void *arg;
    /* Up to n of the next bytes, waiting for those that are still to come; 0: the end; -1: errno says why not. On a thread of
     * its own, one call at a time. */
    ssize_t (*read)(void *arg, void *p, size_t n);
    /* From now on read returns at once. */
    void (*stop)(void *arg);
    /* Asked some times a second: so many bytes of memory are taken by now, may it go on? */
    bool (*fits)(void *arg, size_t bytes);
    /* Called once, unless it is dropped before. After LOADED comes persist_replace or persist_beside_drop. */
    void (*ended)(void *arg, enum persist_beside_end end, const char *why);
    uint64_t size; /* 0: not known */
};
void persist_beside(struct persist *p, const struct persist_copy *copy);
/* After LOADED: what its own words said (pos), and how much there was. */
const struct persist_loaded *persist_beside_loaded(const struct persist *p);
/* Nothing of it is left, the data is as it was; ended is not called. Fine when there is none. */
void persist_beside_drop(struct persist *p);

/* A received RDB file (whole, fsynced by this call) becomes the data and the log's base; done is called at the end. What was
 * loaded beside the data before is taken for its contents, and until done data and log are as they were, also when done says
 * false. Else the data is emptied when the file is the base, and loaded from it in steps; until done status.loading is 1, and
 * false may leave no data (persist_loaded's damaged). The file is taken (moved or unlinked) when done says true. keep_old: the
 * log as it was is moved into tails/ instead of being removed. */
bool persist_replace(struct persist *p, const char *rdb_path, const struct persist_pos *pos,
                     bool keep_old, void (*done)(void *arg, bool ok, const char *reason), void *arg,
                     char *err, size_t err_size);

/* done is not called any more: who waited for it goes. */
void persist_replace_leave(struct persist *p);

/* Whether values of this RDB type can be loaded (a received file is looked through before it
 * replaces anything). */
bool persist_loads_type(int rdb_type);

/* ---- Single values as bytes: what DUMP replies and RESTORE takes: type, value, 2 bytes of RDB version, crc64. */
void persist_dump(struct buf *out, const struct entry *e);
/* False when the version is newer than what can be read, or the checksum is not the bytes'. */
bool persist_payload_sound(struct bytes payload, bool check_crc);
/* Makes a sound payload's value the key's, replacing what is there. NULL: every byte was looked at, and they are no value
 * (err says why); nothing was changed. */
struct entry *persist_restore(struct store *s, int db, struct bytes key, struct bytes payload,
                              char *err, size_t err_size);

/* ---- Settings that CONFIG SET changes, and what INFO and DUET STATUS show. */
bool persist_set_log_on(struct persist *p, bool on, char *err, size_t err_size);
/* Where dump.rdb stands from now on (the log stays where it is), and whether its strings are compressed. */
void persist_set_rdb(struct persist *p, const char *dir, const char *name, bool compression);
/* In which version SAVE and BGSAVE write it: 10, or 7 (Redis 3.2) and 6 (Redis 2.8). The log's base is always of the
 * present one. */
void persist_set_rdb_version(struct persist *p, int version);
void persist_set_fsync(struct persist *p, enum persist_fsync f);
/* Fsync after every write as `always` does, whatever the policy says (durability disk). */
void persist_set_eager(struct persist *p, bool on);
void persist_set_save_points(struct persist *p, const struct persist_save_point *save,
                             size_t count);
void persist_set_rewrite(struct persist *p, unsigned percent, uint64_t min_bytes);
void persist_set_keep(struct persist *p, uint64_t bytes);
/* One call for each executed write, for `save` points and rdb_changes_since_last_save. */
void persist_count_changes(struct persist *p, uint64_t n);

/* ---- What takes long, beside everything else (backup.h, rollback.h): work runs on a thread, done then on the loop's, also when
 * persist is closed meanwhile. arg belongs to work until then. */
void persist_aside(struct persist *p, int (*work)(void *arg), void (*done)(void *arg, int error),
                   void *arg);
/* The log's directory, for those who look at its files; NULL: the log is off. */
const char *persist_log_dir(const struct persist *p);

/* ---- For DEBUG (reload.c). They block. False: err. */
/* As a foreground SAVE, after what is being written has ended. */
bool persist_save_now(struct persist *p, char *err, size_t err_size);
/* Adds dump.rdb to the data; merge: keys that are there already give way (else they are an error). */
bool persist_reload(struct persist *p, bool merge, char *err, size_t err_size);
/* Whether there is a base that BGREWRITEAOF wrote with the log off. */
bool persist_has_off_base(const struct persist *p);
/* The data is thrown away and read from the log anew (log off: from that base). */
bool persist_replay(struct persist *p, char *err, size_t err_size);
/* Bytes of the value in an RDB file. */
struct entry;
size_t persist_value_bytes(const struct persist *p, const struct entry *e);

/* "save", "rewrite", "slave", "backup". */
const char *persist_walk_kind_name(enum persist_walk_kind kind);

/* The walk at the head of the queue. */
struct persist_walk_status {
    bool running;                /* else it is about to begin, or there is none */
    enum persist_walk_kind kind; /* of that walk, when running */
    size_t waiting;              /* walks behind it */
    int64_t keys_done, keys_total;
    uint64_t took_ms, bytes; /* so far */
    size_t values_aside;     /* big values that were changed before their turn, or have it */
    size_t aside_memory;     /* bytes that wait in memory, and in a file */
    uint64_t aside_file, aside_file_total; /* total: ever written there by this walk */
    uint64_t longest_step_us;              /* of all walks since the start */
};

struct persist_status {
    bool loading;
    bool beside; /* a copy is being loaded beside the data, or is about to become it */
    bool log_on;
    enum persist_fsync fsync;
    uint64_t written_offset, synced_offset;
    uint64_t fsync_age_ms; /* how long the oldest unsynced byte has waited; 0: all is on disk */
    uint64_t fsync_last_us;
    uint64_t delayed_fsyncs; /* how often one took longer than a second */
    bool failed;   /* an fsync failed, or a write by anything but a full disk: sticky until restart,
                    fatal for mastership */
    bool stuck;    /* no room on the disk for the log: writes must be refused, heals by itself */
    bool disk_low; /* little room is left, or less than a rewrite needs */
    uint64_t disk_free_bytes, disk_bytes; /* of the data directory's file system; 0: not known */
    char failure[160];                    /* the sentence for either */
    bool saving, rewriting, rewrite_scheduled;
    bool last_save_ok, last_rewrite_ok;
    int64_t last_save_s;                           /* LASTSAVE, wall seconds */
    int64_t last_save_took_s, last_rewrite_took_s; /* -1: none yet */
    int64_t save_runs_s, rewrite_runs_s;           /* for so long; -1: none does */
    struct persist_walk_status walk;
    uint64_t changes_since_save;
    uint64_t log_bytes, log_base_bytes, kept_bytes;
    uint64_t cut_bytes; /* torn tail at the last start */
    uint64_t saves, rewrites;
};
void persist_status(const struct persist *p, struct persist_status *s);

#endif
