/* String values: an integer in the entry, bytes in the entry, or bytes in an allocation of their
 * own. Contracts as in store.h; db is the entry's database. A walk takes the bytes of one instant out of a big one
 * while it changes: see string_walk.c. */
#ifndef DUET_STORE_STRING_H
#define DUET_STORE_STRING_H

#include "server/store/store.h"

/* Room for an integer's digits where the value is not kept as bytes. */
struct digits {
    char text[24];
};
/* The value's bytes; d backs those of an integer. Entry must be a string. */
struct bytes string_bytes(const struct entry *e, struct digits *d);
size_t string_len(const struct entry *e);
/* True and *v when the value is kept as an integer. (Bytes that happen to be digits are not:
 * APPEND.) */
bool string_is_int(const struct entry *e, int64_t *v);

/* As store_put_string, but digits stay bytes; edited: OBJECT ENCODING shall say "raw". */
struct entry *string_put_plain(struct store *s, int db, struct bytes key, struct bytes value,
                               int64_t expiry_ms, bool edited);
/* Replaces the value by an integer, in place where one is. Keeps the stamp. */
struct entry *string_set_int(struct store *s, int db, struct entry *e, int64_t v);
/* Makes the value writable and new_len long (growth is filled with zeros), and returns its bytes;
 * *e is where the entry is now. From here on OBJECT ENCODING says "raw". */
char *string_edit(struct store *s, int db, struct entry **e, size_t new_len);
/* The same when nothing but those n bytes is changed (and what is grown is filled with zeros): a walk of a big string then
 * keeps no more than these. */
char *string_edit_part(struct store *s, int db, struct entry **e, size_t new_len, size_t from,
                       size_t n);
/* Besides those, these bytes will be changed; no others may have changed the store since. */
void string_edit_here(struct entry *e, size_t from, size_t n);

#endif
