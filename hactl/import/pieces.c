#include "hactl/import/pieces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/import/pieces_inside.h"
#include "server/proto/intset.h"
#include "server/proto/listpack.h"
#include "server/proto/rdb_codes.h"
#include "server/proto/ziplist.h"
#include "server/proto/zipmap.h"

#define BATCH_BYTES  (128 << 10) /* of one command's words */
#define BATCH_WORDS  512
#define STRING_BYTES (1 << 20) /* of a string at a time */

enum { CONTAINER_PLAIN = 1, CONTAINER_PACKED = 2 }; /* of a quicklist */

bool pieces_bad(struct pieces *p, const char *what) {
    int n = (int)(buf_len(&p->key) < 64 ? buf_len(&p->key) : 64);
    if (!p->error[0])
        snprintf(p->error, sizeof p->error, "the key \"%.*s\" (%s) %s", n,
                 n ? buf_head(&p->key) : "", rdb_type_name(p->type), what);
    return false;
}

static struct bytes key_of(const struct pieces *p) {
    return (struct bytes){buf_len(&p->key) ? buf_head(&p->key) : "", buf_len(&p->key)};
}

bool pieces_send(struct pieces *p, const char *name, int argc, const struct bytes *words) {
    struct bytes few[BATCH_WORDS + 3], *argv = few;
    const struct bytes first[] = {BYTES("DEL"), key_of(p)};
    const bool begins = !p->made;
    int n = 0;
    p->made = true;
    if (!p->sink) return true;
    if (begins && !p->sink(p->arg, 2, first)) return false;
    if (argc > BATCH_WORDS) argv = xmalloc(((size_t)argc + 3) * sizeof *argv);
    /* A name of two words: XGROUP CREATE. */
    const char *blank = strchr(name, ' ');
    argv[n++] = (struct bytes){name, blank ? (size_t)(blank - name) : strlen(name)};
    if (blank) argv[n++] = (struct bytes){blank + 1, strlen(blank + 1)};
    argv[n++] = key_of(p);
    memcpy(argv + n, words, (size_t)argc * sizeof *words);
    bool well = p->sink(p->arg, n + argc, argv);
    if (argv != few) free(argv);
    return well;
}

/* ---- elements, gathered ---- */

static const char *command_of(int type) {
    switch (type) {
    case RDB_HASH:
    case RDB_HASH_ZIPMAP:
    case RDB_HASH_ZIPLIST:
    case RDB_HASH_LISTPACK: return "HMSET";
    case RDB_SET:
    case RDB_SET_INTSET:
    case RDB_SET_LISTPACK: return "SADD";
    case RDB_ZSET:
    case RDB_ZSET_2:
    case RDB_ZSET_ZIPLIST:
    case RDB_ZSET_LISTPACK: return "ZADD";
    default: return "RPUSH";
    }
}

static bool send_batch(struct pieces *p) {
    struct bytes words[BATCH_WORDS];
    uint32_t at = 0;
    for (int i = 0; i < p->words; at = p->ends[i++])
        words[i] = (struct bytes){buf_head(&p->batch) + at, p->ends[i] - at};
    bool well = !p->words || pieces_send(p, command_of(p->type), p->words, words);
    buf_clear(&p->batch);
    p->words = 0;
    return well;
}

static void gather(struct pieces *p, struct bytes w) {
    buf_room(&p->batch, w.len + 1); /* so that there is memory even for nothing */
    buf_add(&p->batch, w.p, w.len);
    p->ends[p->words++] = (uint32_t)buf_len(&p->batch);
}

/* One element, or a pair: both words or none go into a command. */
static bool element(struct pieces *p, const struct bytes *a, const struct bytes *b) {
    if (!p->sink) return true;
    if ((p->words + 2 > BATCH_WORDS || buf_len(&p->batch) >= BATCH_BYTES) && !send_batch(p))
        return false;
    gather(p, *a);
    if (b) gather(p, *b);
    return true;
}

static bool scored(struct pieces *p, struct bytes member, double score) {
    char text[64];
    if (score != score) return pieces_bad(p, "holds a score that is no number");
    int n = snprintf(text, sizeof text, "%.17g", score);
    return element(p, &(struct bytes){text, (size_t)n}, &member);
}

/* An element of a packed form, in its order: pairs come together. */
struct half {
    bool open, swap; /* swap: the second stands first in the command */
    char digits[LP_DIGITS];
    struct bytes first;
};

static bool packed_word(struct pieces *p, struct half *h, bool pairs, struct bytes w) {
    if (!pairs) return element(p, &w, NULL);
    h->open = !h->open;
    if (!h->open) return h->swap ? element(p, &w, &h->first) : element(p, &h->first, &w);
    if (w.len < sizeof h->digits) { /* an integer's digits do not stay */
        memcpy(h->digits, w.p, w.len);
        w.p = h->digits;
    }
    h->first = w;
    return true;
}

static bool each_of_listpack(struct pieces *p, struct bytes blob, bool pairs, bool swap) {
    const uint8_t *lp = (const uint8_t *)blob.p;
    struct half h = {.swap = swap};
    char digits[LP_DIGITS];
    if (!lp_valid(lp, blob.len)) return pieces_bad(p, "is no sound listpack");
    for (const uint8_t *at = lp_first(lp); at; at = lp_next(lp, at))
        if (!packed_word(p, &h, pairs, lp_get(at, digits))) return false;
    return !h.open || pieces_bad(p, "holds half of a pair");
}

static bool each_of_ziplist(struct pieces *p, struct bytes blob, bool pairs, bool swap) {
    struct ziplist z;
    struct half h = {.swap = swap};
    struct bytes w;
    for (zl_open(&z, blob); zl_next(&z, &w);)
        if (!packed_word(p, &h, pairs, w)) return false;
    if (z.bad) return pieces_bad(p, "is no sound ziplist");
    return !h.open || pieces_bad(p, "holds half of a pair");
}

static bool each_of_zipmap(struct pieces *p, struct bytes blob) {
    struct zipmap z;
    struct bytes field, value;
    for (zipmap_open(&z, blob); zipmap_next(&z, &field, &value);)
        if (!element(p, &field, &value)) return false;
    return !z.bad || pieces_bad(p, "is no sound zipmap");
}

static bool each_of_intset(struct pieces *p, struct bytes blob) {
    const uint8_t *is = (const uint8_t *)blob.p;
    char digits[24];
    if (!intset_valid(is, blob.len)) return pieces_bad(p, "is no sound set of integers");
    for (size_t i = 0; i < intset_count(is); i++) {
        int n = snprintf(digits, sizeof digits, "%lld", (long long)intset_at(is, i));
        if (!element(p, &(struct bytes){digits, (size_t)n}, NULL)) return false;
    }
    return true;
}

/* ---- strings ---- */

static bool send_string(struct pieces *p, struct bytes s) {
    bool well = true;
    do {
        struct bytes some = {s.p, s.len < STRING_BYTES ? s.len : STRING_BYTES};
        well = pieces_send(p, p->made ? "APPEND" : "SET", 1, &some);
        s.p += some.len;
        s.len -= some.len;
    } while (s.len && well);
    return well;
}

/* A string that is not encoded is passed on as it comes. False: not now, or it is none. */
static bool begins_plain(struct pieces *p) {
    const char *at = buf_len(&p->in) ? buf_head(&p->in) : "";
    size_t n = buf_len(&p->in), head = 0;
    unsigned first = n ? (unsigned char)*at : 0xff;
    if (first == RDB_LEN_32 && n >= 5) {
        p->plain_left = __builtin_bswap32(bytes_load32(at + 1));
        head = 5;
    } else if (first == RDB_LEN_64 && n >= 9) {
        p->plain_left = __builtin_bswap64(bytes_load64(at + 1));
        head = 9;
    }
    if (!head) return false;
    buf_eat(&p->in, head);
    return p->plain = true;
}

static bool feed_plain(struct pieces *p, bool end) {
    while (buf_len(&p->in) >= STRING_BYTES || (end && (buf_len(&p->in) || !p->made))) {
        size_t n = buf_len(&p->in) < STRING_BYTES ? buf_len(&p->in) : STRING_BYTES;
        if (n > p->plain_left) return pieces_bad(p, "is longer than it says");
        if (!send_string(p, (struct bytes){n ? buf_head(&p->in) : "", n})) return false;
        buf_eat(&p->in, n);
        p->plain_left -= n;
    }
    return true;
}

/* ---- the value ---- */

static bool whole_value(struct pieces *p, struct bytes blob) {
    switch (p->type) {
    case RDB_STRING: return send_string(p, blob);
    case RDB_HASH_LISTPACK: return each_of_listpack(p, blob, true, false);
    case RDB_ZSET_LISTPACK: return each_of_listpack(p, blob, true, true);
    case RDB_SET_LISTPACK: return each_of_listpack(p, blob, false, false);
    case RDB_HASH_ZIPLIST: return each_of_ziplist(p, blob, true, false);
    case RDB_ZSET_ZIPLIST: return each_of_ziplist(p, blob, true, true);
    case RDB_LIST_ZIPLIST: return each_of_ziplist(p, blob, false, false);
    case RDB_HASH_ZIPMAP: return each_of_zipmap(p, blob);
    case RDB_SET_INTSET: return each_of_intset(p, blob);
    default: return pieces_bad(p, "is of a form that cannot be read");
    }
}

static bool list_item(struct pieces *p) {
    const struct rdb_reader *r = &p->reader;
    if (p->type == RDB_LIST_QUICKLIST) return each_of_ziplist(p, r->a, false, false);
    if (p->type == RDB_LIST_QUICKLIST_2 && r->number == CONTAINER_PACKED)
        return each_of_listpack(p, r->a, false, false);
    if (p->type == RDB_LIST_QUICKLIST_2 && r->number != CONTAINER_PLAIN)
        return pieces_bad(p, "holds a piece of an unknown form");
    return element(p, &r->a, NULL);
}

static bool item(struct pieces *p) {
    const struct rdb_reader *r = &p->reader;
    switch (p->type) {
    case RDB_HASH: return element(p, &r->a, &r->b);
    case RDB_SET: return element(p, &r->a, NULL);
    case RDB_ZSET:
    case RDB_ZSET_2: return scored(p, r->a, r->score);
    case RDB_LIST:
    case RDB_LIST_QUICKLIST:
    case RDB_LIST_QUICKLIST_2: return list_item(p);
    default: return pieces_stream_item(p);
    }
}

bool pieces_begin(struct pieces *p, int type, struct bytes key, pieces_sink *sink, void *arg) {
    int *room = &p->room;
    p->error[0] = 0;
    p->type = type;
    p->sink = sink;
    p->arg = arg;
    p->made = p->plain = p->whole = false;
    p->words = 0;
    p->pending_count = 0;
    if (!*room) p->ends = xmalloc((size_t)(*room = BATCH_WORDS) * sizeof *p->ends);
    buf_clear(&p->in);
    buf_clear(&p->batch);
    buf_clear(&p->key);
    buf_add(&p->key, key.p, key.len);
    rdb_reader_free(&p->reader);
    return rdb_reader_at_value(&p->reader, type);
}

static bool take_event(struct pieces *p, enum rdb_event ev) {
    switch (ev) {
    case RDB_VALUE: return whole_value(p, p->reader.a);
    case RDB_ITEM: return item(p);
    case RDB_KEY_END: p->whole = true; return true;
    case RDB_BAD: return pieces_bad(p, p->reader.error);
    default: return true;
    }
}

bool pieces_feed(struct pieces *p, const char *data, size_t n) {
    buf_add(&p->in, data, n);
    if (p->type == RDB_STRING && !p->reader.total && (p->plain || begins_plain(p)))
        return feed_plain(p, false);
    while (!p->whole) {
        enum rdb_event ev =
            rdb_read(&p->reader, buf_len(&p->in) ? buf_head(&p->in) : "", buf_len(&p->in));
        if (ev == RDB_MORE) break;
        if (!take_event(p, ev)) return false;
        buf_eat(&p->in, p->reader.used);
    }
    if (!p->whole && p->reader.need > buf_len(&p->in) && p->reader.need < 1U << 30)
        buf_room(&p->in, p->reader.need - buf_len(&p->in));
    return true;
}

bool pieces_end(struct pieces *p) {
    if (p->plain) {
        if (!feed_plain(p, true)) return false;
        p->whole = p->plain_left == 0;
    }
    bool well = p->whole && buf_len(&p->in) == 0;
    if (!well) return pieces_bad(p, "is not whole");
    buf_trim(&p->in, 1 << 20);
    return !p->sink || send_batch(p);
}

void pieces_free(struct pieces *p) {
    rdb_reader_free(&p->reader);
    buf_free(&p->in);
    buf_free(&p->key);
    buf_free(&p->batch);
    buf_free(&p->group);
    buf_free(&p->consumer);
    free(p->ends);
    free(p->pending);
    memset(p, 0, sizeof *p);
}
