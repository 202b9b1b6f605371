/* For loading. Strings made apart from any store: on another thread than the store's, while data is loaded. They own their memory
 * until a store takes them over. Contracts as in store.h. */
#ifndef DUET_STORE_APART_H
#define DUET_STORE_APART_H

#include "server/store/string.h"

struct apart {
    struct entry *e;
    size_t bytes; /* of the entry and its value, as the store counts them */
};
/* Key, value and stamp (or NO_EXPIRY), as store_put_string would keep them. */
struct apart apart_string(struct bytes key, struct bytes value, int64_t expiry_ms);
void apart_free(struct apart a);
/* Puts it in; hash is store_hash of its key. The entry's own memory is not looked at (another processor has it in its cache)
 * unless something there is much like it. False when the key is there already: nothing was changed. */
bool apart_join(struct store *s, int db, struct apart a, struct bytes key, uint64_t hash,
                bool expires);
/* Room for that many keys in a database that has none or few, about a megabyte with each call; false: call again. */
bool store_reserve(struct store *s, int db, size_t keys);
/* Brings an item's bucket into the cache; hash is store_hash of the field or member. Never required. */
void store_prefetch_item(const struct entry *e, uint64_t hash);

#endif
