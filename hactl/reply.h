/* Replies of a RESP2 server, read from bytes (floor 1: no descriptor, no time).
 * had asks its servers with RESP requests and reads the answers with this; nothing is copied or kept. */
#ifndef HACTL_REPLY_H
#define HACTL_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_BULK_LIMIT  (1024 * 1024) /* no answer to had is longer: more is a broken stream */
#define REPLY_ARRAY_LIMIT 1024
#define REPLY_DEPTH_LIMIT 4

struct reply {
    char type;        /* '+' '-' ':' '$' '*'; '_' for a null of either kind */
    const char *text; /* the words after the sign, or the bulk's bytes; points into the input */
    size_t len;
    int64_t number; /* of ':'; the count of '*' */
};

/* How many bytes the first whole reply takes, its elements included; 0: more bytes are needed; -1: this is no reply. */
long reply_size(const char *p, size_t n);

/* Reads the reply at p, which must lie whole in n bytes (reply_size said so). Returns the bytes up to the next one: of an
 * array only its head, so that the elements can be read by calls of their own. */
size_t reply_read(const char *p, size_t n, struct reply *out);

/* A request: argc words as an array of bulks, appended to out. */
struct buf;
void reply_request(struct buf *out, int argc, const char *const *argv);

#endif
