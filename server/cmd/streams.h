/* What the files of the stream commands share: ids as words, entries as replies, what groups' changes are propagated as. */
#ifndef DUET_CMD_STREAMS_H
#define DUET_CMD_STREAMS_H

#include "server/cmd/call.h"
#include "server/store/stream.h"
#include "server/store/stream_group.h"

#define STREAM_ID_CHARS 41 /* two numbers of 20 digits and what is between them */

/* ---- Words (stream_words.c) ------------------------------------------------------------------ */

/* "ms-seq", or "ms" alone: then seq is the missing one. Strict: "-" and "+" are no ids. seq_given, unless NULL, lets "ms-*"
 * in, which sets it to false. */
bool streams_parse_id(struct bytes word, bool strict, uint64_t missing_seq, bool *seq_given,
                      struct xid *id);
/* A strict id at argv[i]; false after the error. */
bool arg_stream_id(struct call *c, int i, struct xid *id);
/* An array of the strict ids argv[i] ... argv[c->argc - 1], which the caller frees; NULL after the error. */
struct xid *arg_stream_ids(struct call *c, int i);
/* The range's beginning or end at argv[i], which "(" excludes; false after the error. */
bool arg_stream_start(struct call *c, int i, struct xid *id);
bool arg_stream_end(struct call *c, int i, struct xid *id);
/* The text of an id; digits holds STREAM_ID_CHARS. */
struct bytes streams_id_text(char *digits, struct xid id);
/* "unknown subcommand or wrong number of arguments": an option that a subcommand does not have. */
void streams_wrong_subcommand(struct call *c);

/* The options of XADD and XTRIM. */
struct stream_words {
    bool no_mkstream, trims;
    bool id_given, seq_given; /* neither: "*"; the first one only: "ms-*" */
    struct xid id;
    int id_at;   /* XADD's id in argv */
    int trim_at; /* the number or id to trim to in argv */
    struct xstream_trim how;
};
bool streams_add_words(struct call *c, struct stream_words *w);
bool streams_trim_words(struct call *c, struct stream_words *w);

/* ---- Entries (stream_range.c) ---------------------------------------------------------------- */

void reply_stream_id(struct call *c, struct xid id);
/* The entry where the cursor is: its id, and an array of fields and values. */
void streams_reply_entry(struct call *c, struct xstream_cursor *cursor, struct xid id,
                         size_t fields);
/* The one entry of that id; false when it is not there: nothing was replied. */
bool streams_reply_one(struct call *c, const struct entry *e, struct xid id);
/* The range as an array; count 0: all of it. */
struct stream_range {
    struct xid from, to;
    bool backwards;
    uint64_t count;
};
void streams_reply_range(struct call *c, const struct entry *e, const struct stream_range *r);

/* ---- Groups (stream_group.c) ----------------------------------------------------------------- */

/* A group of a stream as a command names it. */
struct group_ref {
    struct bytes key, name;
    struct entry *e;
    struct xgroup *g;
};
/* The group of that name at the key, looked up for reading. False after an error; ref->g is NULL when key or group do not
 * exist. */
bool streams_find_group(struct call *c, struct bytes key, struct bytes name, struct group_ref *ref);
/* The same, of an entry that was looked up (or NULL), where "NOGROUP" is the answer when there is none. */
bool streams_need_group(struct call *c, struct entry *e, struct bytes key, struct bytes name,
                        struct group_ref *ref);
/* The consumer, seen now, made when it is new: with its event; *created, unless NULL, tells. */
struct xconsumer *streams_consumer(struct call *c, const struct group_ref *ref, struct bytes name,
                                   bool *created);

/* What slaves and the log are told: the pending entry as it is now (id_text: its id as the client wrote it, or an empty
 * word), the group's last id, a consumer. */
void streams_propagate_pending(struct call *c, const struct group_ref *ref,
                               const struct xpending *p, struct bytes id_text);
void streams_propagate_last_id(struct call *c, const struct group_ref *ref);
void streams_propagate_consumer(struct call *c, const struct group_ref *ref, struct bytes name);

#endif
