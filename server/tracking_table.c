/* See tracking_table.h.
 *
 * An element: how many numbers, how long the key is (LEB128 both), the numbers in rising order, the key. For a key of 16
 * bytes and one client that is 24 bytes, and 8 more for the reference. */
#include "server/tracking_table.h"

#include "server/base/log.h"
#include "server/base/rand.h"
#include "server/reclaim.h"
#include "server/store/dict.h"
#include "server/store/mem.h"

#include <string.h>

enum { ID_BYTES = 6, HEAD_MAX = 20 };

struct keys {
    struct dict dict;
    size_t memory;
};
static struct keys *now; /* NULL: nothing was ever tracked */
static uint64_t items;

/* ---- Elements -------------------------------------------------------------------------------- */

struct head {
    size_t count, len, bytes; /* bytes: of the head itself */
};

static size_t read_number(const unsigned char *p, size_t *v) {
    size_t n = 0;
    *v = 0;
    do {
        *v |= (size_t)(p[n] & 0x7f) << (7 * n);
    } while (p[n++] & 0x80);
    return n;
}

static size_t write_number(unsigned char *p, size_t v) {
    size_t n = 0;
    for (; v > 0x7f; v >>= 7) p[n++] = (unsigned char)(v | 0x80);
    p[n++] = (unsigned char)v;
    return n;
}

static struct head head_of(const void *elem) {
    struct head h;
    h.bytes = read_number(elem, &h.count);
    h.bytes += read_number((const unsigned char *)elem + h.bytes, &h.len);
    return h;
}

static size_t size_of(const struct head *h) {
    return h->bytes + h->count * ID_BYTES + h->len;
}

static uint64_t id_at(const unsigned char *ids, size_t i) {
    uint64_t id = 0;
    memcpy(&id, ids + i * ID_BYTES, ID_BYTES);
    return id;
}

static struct bytes key_of(const void *elem) {
    struct head h = head_of(elem);
    return (struct bytes){(const char *)elem + h.bytes + h.count * ID_BYTES, h.len};
}

static const struct dict_type type = {key_of, NULL};

/* Room for a key with count numbers; *ids is where they go. */
static unsigned char *elem_new(struct bytes key, size_t count, unsigned char **ids) {
    unsigned char head[HEAD_MAX];
    size_t n = write_number(head, count);
    n += write_number(head + n, key.len);
    unsigned char *e = mem_new(&now->memory, n + count * ID_BYTES + key.len);
    memcpy(e, head, n);
    *ids = e + n;
    if (key.len) memcpy(e + n + count * ID_BYTES, key.p, key.len);
    return e;
}

static void elem_free(struct keys *of, void *elem) {
    struct head h = head_of(elem);
    mem_free(&of->memory, elem, size_of(&h));
}

/* ---- The table ------------------------------------------------------------------------------- */

/* Where id stands, or belongs. */
static size_t place_of(const unsigned char *ids, size_t count, uint64_t id) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (id_at(ids, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_to(unsigned char *old, struct dict_place at, uint64_t hash, uint64_t id) {
    struct head h = head_of(old);
    const unsigned char *from = old + h.bytes;
    size_t i = place_of(from, h.count, id);
    if (i < h.count && id_at(from, i) == id) return;
    unsigned char *ids, *e = elem_new(key_of(old), h.count + 1, &ids);
    memcpy(ids, from, i * ID_BYTES);
    memcpy(ids + i * ID_BYTES, &id, ID_BYTES);
    memcpy(ids + (i + 1) * ID_BYTES, from + i * ID_BYTES, (h.count - i) * ID_BYTES);
    dict_update(&now->dict, hash, at, e, false);
    mem_free(&now->memory, old, size_of(&h));
    items++;
}

void tracking_table_add(struct bytes key, uint64_t client) {
    uint64_t hash = dict_hash(key);
    struct dict_place at;
    if (!now) {
        now = xcalloc(1, sizeof *now);
        dict_init(&now->dict, &type, &now->memory);
    }
    void *old = now->dict.count ? dict_find(&now->dict, key, hash, &at) : NULL;
    if (old) {
        add_to(old, at, hash, client);
        return;
    }
    unsigned char *ids, *e = elem_new(key, 1, &ids);
    memcpy(ids, &client, ID_BYTES);
    dict_add(&now->dict, e, hash, false);
    items++;
}

void tracking_table_take(struct bytes key, void (*fn)(void *arg, struct bytes key, uint64_t client),
                         void *arg) {
    struct dict_place at;
    uint64_t hash = dict_hash(key);
    if (!now || !now->dict.count) return;
    unsigned char *e = dict_find(&now->dict, key, hash, &at);
    if (!e) return;
    struct head h = head_of(e);
    dict_remove(&now->dict, hash, at);
    items -= h.count;
    struct bytes name = key_of(e); /* key may be the element's own */
    for (size_t i = 0; i < h.count; i++) fn(arg, name, id_at(e + h.bytes, i));
    elem_free(now, e);
}

static uint64_t random_bits(void *arg) {
    uint64_t r;
    (void)arg;
    rand_bytes(&r, sizeof r);
    return r;
}

bool tracking_table_any(struct bytes *key) {
    if (!tracking_table_keys()) return false;
    *key = key_of(dict_random(&now->dict, random_bits, NULL));
    return true;
}

static void free_elem(void *arg, void *elem) {
    elem_free(arg, elem);
}

static void free_keys(void *keys) {
    struct keys *old = keys;
    dict_each(&old->dict, free_elem, old);
    dict_release(&old->dict);
    free(old);
}

void tracking_table_clear(void) {
    if (!now) return;
    reclaim_later(NULL, now, free_keys);
    now = NULL;
    items = 0;
}

size_t tracking_table_keys(void) {
    return now ? now->dict.count : 0;
}

uint64_t tracking_table_items(void) {
    return items;
}

size_t tracking_table_memory(void) {
    return now ? now->memory : 0;
}
