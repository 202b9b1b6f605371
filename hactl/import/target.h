/* The server that is written to: a connection that sends without waiting, up to a window, and keeps the account of what
 * was answered. Blocking; one thread. */
#ifndef HACTL_IMPORT_TARGET_H
#define HACTL_IMPORT_TARGET_H

#include "server/base/buf.h"
#include "server/base/bytes.h"

struct target_options {
    const char *unix_path; /* a control socket, or NULL: */
    const char *host;      /* and port */
    uint16_t port;
    const char *user, *password; /* NULL: none */
    size_t window_bytes;         /* that may be without an answer; 0: 4 MB */
    int timeout_ms;              /* without any answer; 0: 60 s */
};

enum { TARGET_ERRORS = 20 };
struct target_error {
    char what[160]; /* the answer, without its sign */
    char key[80];   /* whose, made printable */
    uint64_t count; /* so many alike (by the words before the first colon or 40 characters) */
};

struct target; /* opaque */
struct target_counts {
    uint64_t sent, answered, failed; /* commands */
    uint64_t bytes;                  /* sent */
};

/* NULL with a sentence in why: it cannot be reached, or refuses the password. */
struct target *target_open(const struct target_options *o, char *why, size_t why_size);
void target_close(struct target *t);

/* One request and its answer, behind everything that was sent: *reply is its bytes, RESP2, until the next call. False:
 * the connection is lost (target_why). An error is an answer. */
bool target_ask(struct target *t, struct bytes *reply, int argc, const struct bytes *argv);
/* The same with words. text: of a status, a bulk, an integer, or an error without its sign (false). */
bool target_ask_words(struct target *t, struct buf *text, int argc, const char *const *argv);

/* Sending. All return false when the connection is lost (target_why says it); the server's errors are collected. The
 * database is selected when it is another one than before. label: the key that a complaint would name. */
bool target_command(struct target *t, int db, int argc, const struct bytes *argv,
                    struct bytes label);
/* RESTORE key REPLACE ABSTTL with what is known of its use; value without the type byte and footer. */
struct target_restore {
    int db, type;
    struct bytes key, value;
    int64_t expire_ms; /* -1: none */
    int32_t idle_s, freq;
    int dump_version; /* 0: the oldest that knows the type, but RDB_VERSION at least */
};
bool target_restore(struct target *t, const struct target_restore *r);
/* Between them commands are one transaction; the database may change inside. An EXEC that fails, or whose members fail, is
 * an error of the first label inside. */
bool target_multi(struct target *t);
bool target_exec(struct target *t);
/* Waits for all answers. False: lost. */
bool target_flush(struct target *t);
/* Takes what answers there are, without waiting; for idle times. */
bool target_poll(struct target *t);

int target_fd(const struct target *t);
const char *target_why(const struct target *t); /* of a lost connection */
const struct target_counts *target_counts(const struct target *t);
/* What was answered with errors, most frequent kinds as they came: the count of entries. */
size_t target_errors(const struct target *t, const struct target_error **list);
void target_errors_forget(struct target *t);

#endif
