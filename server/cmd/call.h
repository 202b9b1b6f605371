/* A call is all that a command sees of its client: its words, its database, the time, a place for
 * the reply, and a few functions that floor 4 hands down. A command runs to its end; it never
 * waits.
 *
 * What a writing command owes, in this order:
 *   1. the change itself, through server/store;
 *   2. call_changed(c, key) once for each key changed (WATCH, tracking; counts c->dirty);
 *   3. call_notify(c, NOTIFY_..., "event", key) as Redis publishes it;
 *   4. call_propagate_as(...) when other words than the client's must be logged and replicated;
 *   5. exactly one reply, or an error before anything was changed.
 * The dispatcher then logs and replicates the words as they came if c->dirty grew and nothing else
 * was propagated. */
#ifndef DUET_CMD_CALL_H
#define DUET_CMD_CALL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"
#include "server/base/buf.h"
#include "server/proto/resp.h"
#include "server/store/store.h"

struct call;
struct command;

enum call_flags {
    CALL_FROM_MASTER = 1 << 0, /* the replication link or the log's replay: expired keys are seen */
    CALL_ON_SLAVE = 1 << 1,    /* this node follows: expired keys are hidden, never deleted */
    CALL_HOLD_EXPIRY = 1 << 2, /* the wall clock is in doubt: as above */
    CALL_FROM_SCRIPT = 1 << 3,
    CALL_IN_EXEC = 1 << 4,
    CALL_DENY_BLOCKING = 1 << 5, /* blocking commands answer as if they timed out */
    CALL_CONTROL = 1 << 6,       /* the control socket: every command in every edition */
    CALL_LOADING = 1 << 7,       /* replay at start: nothing is propagated or notified */
    CALL_NO_TOUCH = 1 << 8,      /* CLIENT NO-TOUCH and MONITOR-like reads */
    CALL_EXPIRING = 1 << 9,      /* while ops->changed is told of a key that has expired */
    CALL_QUIET = 1 << 10,        /* redis.set_repl(redis.REPL_NONE): the effect is told to nobody */
    CALL_RESUMED = 1 << 11       /* a command that waited runs again, with the key that is there */
};

/* Keyspace event classes, bits of notify-keyspace-events. */
enum notify_class {
    NOTIFY_GENERIC = 1 << 0, /* g */
    NOTIFY_STRING = 1 << 1,  /* $ */
    NOTIFY_LIST = 1 << 2,    /* l */
    NOTIFY_SET = 1 << 3,     /* s */
    NOTIFY_HASH = 1 << 4,    /* h */
    NOTIFY_ZSET = 1 << 5,    /* z */
    NOTIFY_EXPIRED = 1 << 6, /* x */
    NOTIFY_EVICTED = 1 << 7, /* e */
    NOTIFY_STREAM = 1 << 8,  /* t */
    NOTIFY_MISS = 1 << 9,    /* m */
    NOTIFY_NEW = 1 << 10,    /* n */
    NOTIFY_MODULE = 1 << 11  /* d */
};

/* The classes that somebody wants to know of; the rest is not told. Floor 4 sets it; until then it is all of them. */
extern unsigned call_notify_classes;

/* What a command waits for: a value of this kind at one of the keys among its words. */
struct block {
    enum value_kind kind;
    int first_key, keys; /* positions in argv */
    int count_at;        /* where the number of keys stands; 0: nowhere */
    int64_t timeout_ms;  /* 0: for ever */
    /* Other words than the call's to run again; NULL: those. */
    int argc;
    const struct bytes *argv;
    bool paired;     /* behind the keys stands a word for each, which goes with it */
    bool until_gone; /* the wait ends too when a key holds something else, or nothing any more */
    /* Whether the value is what is waited for, by the words that are kept and the one that goes with its key; NULL: it is. */
    bool (*is_due)(const struct entry *e, const struct bytes *argv, struct bytes beside);
};

/* Handed down by floor 4, one table for all calls; an entry may be NULL: then nothing happens.
 * c->client is theirs. db is given because it need not be c->db (MOVE, expiry in another database).
 */
struct call_ops {
    /* Logs and replicates one command, now. Called before or after others of the same call; their
     * order is the order of effects. The words are good for the time of the call only. */
    void (*propagate)(struct call *c, int db, int argc, const struct bytes *argv);
    /* A key was changed, deleted, or came to be: WATCH and tracking. */
    void (*changed)(struct call *c, int db, struct bytes key);
    /* A whole database is about to be emptied (db -1: all). */
    void (*flushed)(struct call *c, int db);
    /* Two databases were exchanged. */
    void (*swapped)(struct call *c, int a, int b);
    void (*notify)(struct call *c, int notify_class, const char *event, int db, struct bytes key);
    /* A key now holds a value of this kind that blocked clients may wait for. */
    void (*ready)(struct call *c, int db, struct bytes key, enum value_kind kind);
    /* The client waits; when one of the keys holds such a value the command runs again (CALL_RESUMED), with that key
     * alone in the place of all of them and the number at count_at (unless 0) made 1. The words are copied. */
    void (*block)(struct call *c, const struct block *b);
    /* A key was looked up for reading (keyspace_hits, keyspace_misses). */
    void (*looked_up)(struct call *c, bool hit);
    /* The reply is already more than the client may be sent: it need not be finished. */
    bool (*too_big)(struct call *c);
    /* A key was found expired and was deleted (expired_keys). */
    void (*expired)(struct call *c);
};

struct call {
    int argc;
    const struct bytes *argv; /* argv[0] is the command's name as sent; good for the call only */
    const struct command *command;
    struct store *store;
    int db;
    int resp;       /* 2 or 3 */
    unsigned flags; /* CALL_... */
    int64_t now_ms; /* wall clock, one value for the whole call (and for all of EXEC or a script) */
    struct buf *out;
    const struct call_ops *ops;
    void *client; /* floor 4's; NULL in tests */
    /* Floor 4 may know a word's hash already (store_hash): of the word that begins here; NULL: of none. */
    const char *hashed;
    uint64_t hash;

    /* Results. Zero them before the command runs. */
    uint64_t dirty;  /* changes made; 0: nothing to log */
    bool propagated; /* the command has propagated its effects itself (or decided that there are
                        none) */
    bool failed;     /* an error was replied */
};

/* ---- Replies: RESP2 or RESP3 as the call's client wants ------------------------------------- */

static inline void reply_ok(struct call *c) {
    buf_add_few(c->out, "+OK\r\n", 5);
}
static inline void reply_status(struct call *c, const char *text) {
    resp_status(c->out, text);
}
static inline void reply_int(struct call *c, int64_t v) {
    resp_int(c->out, v);
}
static inline void reply_bulk(struct call *c, struct bytes b) {
    resp_bulk(c->out, b.p, b.len);
}
static inline void reply_bulk_str(struct call *c, const char *s) {
    resp_bulk_str(c->out, s);
}
static inline void reply_null(struct call *c) {
    resp_null(c->out, c->resp);
}
static inline void reply_null_array(struct call *c) {
    resp_null_array(c->out, c->resp);
}
static inline void reply_array(struct call *c, size_t n) {
    resp_array(c->out, n);
}
static inline void reply_map(struct call *c, size_t pairs) {
    resp_map(c->out, c->resp, pairs);
}
static inline void reply_set(struct call *c, size_t n) {
    resp_set(c->out, c->resp, n);
}
static inline void reply_double(struct call *c, double v) {
    resp_double(c->out, c->resp, v);
}
static inline void reply_bool(struct call *c, bool v) {
    resp_bool(c->out, c->resp, v);
}
static inline bool reply_is_too_big(struct call *c) {
    return c->ops->too_big && c->client && c->ops->too_big(c);
}
/* Told of every error that the two below reply, while it is set: floor 4 counts them by their codes. */
extern void (*call_error_replied)(const char *text, size_t len);
/* text begins with its code: "ERR no such key". Sets c->failed. */
void reply_error(struct call *c, const char *text);
void reply_errorf(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define ERR_SYNTAX       "ERR syntax error"
#define ERR_WRONG_TYPE   "WRONGTYPE Operation against a key holding the wrong kind of value"
#define ERR_NOT_INT      "ERR value is not an integer or out of range"
#define ERR_NOT_FLOAT    "ERR value is not a valid float"
#define ERR_NO_KEY       "ERR no such key"
#define ERR_OUT_OF_RANGE "ERR index out of range"
#define ERR_SAME_OBJECT  "ERR source and destination objects are the same"

/* "ERR unknown command 'FOO', with args beginning with: 'a' 'b' " */
void reply_unknown_command(struct call *c);
/* "ERR unknown subcommand 'x'. Try CLIENT HELP." */
void reply_unknown_subcommand(struct call *c);
/* "ERR wrong number of arguments for 'get' command" */
void reply_wrong_arity(struct call *c, const struct command *cmd);
/* HELP of a container command: its heading, the lines (ended by NULL), and the line about HELP
 * itself. */
void reply_help(struct call *c, const char *const *lines);

/* ---- Arguments: each replies the error and returns false ------------------------------------ */

bool arg_int(struct call *c, int i, int64_t *v);
/* As arg_int, with the error's text given (NULL: ERR_NOT_INT), and a range. */
bool arg_int_range(struct call *c, int i, int64_t min, int64_t max, const char *error, int64_t *v);
bool arg_double(struct call *c, int i, double *v);
bool arg_double_or(struct call *c, int i, const char *error, double *v);
/* Seconds, as the blocking commands take them; 0 stays 0. */
bool arg_timeout(struct call *c, int i, int64_t *ms);
/* Lets the client wait, and returns true: there is no reply now. False where nobody may wait (EXEC, scripts, replay):
 * the reply is that of a wait that timed out. */
bool call_block(struct call *c, const struct block *b);

/* ---- Keys ----------------------------------------------------------------------------------- */

/* The entry for reading: NULL when there is none or it has expired (an expired one is deleted on a
 * master, with its DEL propagated and "expired" notified). Counts hits and misses, marks the
 * access. */
struct entry *call_read(struct call *c, struct bytes key);
/* The entry for writing: the same without hit counting. */
struct entry *call_write(struct call *c, struct bytes key);
struct entry *call_read_db(struct call *c, int db, struct bytes key);
struct entry *call_write_db(struct call *c, int db, struct bytes key);
/* Without marking the access (TYPE, TTL, EXISTS do not touch). */
struct entry *call_peek(struct call *c, struct bytes key);
/* Nor telling of a miss (OBJECT, MEMORY). */
struct entry *call_inspect(struct call *c, struct bytes key);
/* Asks the memory for the keys argv[i], argv[i + step] ... of a command that will look at them one after the
 * other: a bounded number of them, so again every CALL_ASK_KEYS keys. */
enum { CALL_ASK_KEYS = 16 };
void call_ask_keys(struct call *c, int i, int step);
/* False after replying WRONGTYPE when e is of another kind; e may be NULL (true). */
bool call_is_kind(struct call *c, const struct entry *e, enum value_kind kind);
/* True when the entry counts as gone; deletes it where that is this node's to do. */
bool call_expire_if_needed(struct call *c, int db, struct entry *e);

/* Whether a stamp given now is past and the key is this node's to delete. */
bool call_is_past(const struct call *c, int64_t when_ms);
/* Stores a string at key in c->db (expiry_ms as store_put_string takes it), marks the access, and
 * notifies "new" unless the key existed. */
struct entry *call_put(struct call *c, struct bytes key, struct bytes value, int64_t expiry_ms,
                       bool existed);
/* Deletes the key as DEL does: the change, "del". key must not point into e. */
void call_delete(struct call *c, int db, struct bytes key, struct entry *e);

/* ---- Effects -------------------------------------------------------------------------------- */

/* What a new key owes beside call_changed: its first access count, "new". */
enum { LFU_OF_NEW = 5 };
/* The key did not exist before: whoever waits for it is told. (call_created does it too.) */
void call_ready(struct call *c, int db, struct bytes key, const struct entry *e);
void call_created(struct call *c, int db, struct bytes key, struct entry *e);
void call_changed(struct call *c, struct bytes key); /* dirty += 1, ops->changed */
void call_changed_db(struct call *c, int db, struct bytes key);
void call_notify_now(struct call *c, int notify_class, const char *event, int db, struct bytes key);
static inline void call_notify_db(struct call *c, int notify_class, const char *event, int db,
                                  struct bytes key) {
    if (__builtin_expect(call_notify_classes & (unsigned)notify_class, 0))
        call_notify_now(c, notify_class, event, db, key);
}
static inline void call_notify(struct call *c, int notify_class, const char *event,
                               struct bytes key) {
    call_notify_db(c, notify_class, event, c->db, key);
}
/* Propagates these words instead of the client's; several calls, several commands. argc 0: nothing
 * is to be propagated. */
void call_propagate_as(struct call *c, int argc, const struct bytes *argv);
/* Propagates "DEL key" (or UNLINK) for a key that expired or was evicted, beside the command
 * itself. */
void call_propagate_del(struct call *c, int db, struct bytes key);

#endif
