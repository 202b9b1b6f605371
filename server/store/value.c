/* What the store must know of every kind of value: its name, how it is freed, copied, counted, checked.
 * A new kind adds its cases here; everything else about it is in its own file. */
#include "server/base/log.h"
#include "server/store/raw.h"
#include "server/store/string.h"
#include "server/store/walk_inside.h"

enum {
    RECLAIM_BYTES = 64 * 1024
}; /* what is bigger is freed elsewhere when there is a reclaimer */

/* The kinds that are more than bytes. */
struct collection {
    void (*free)(struct store *s, struct entry *e);
    void (*copy)(struct store *s, const struct entry *e, struct entry *to);
    size_t (*memory)(const struct entry *e);
    void (*verify)(const struct entry *e);
};

static const struct collection *collection(const struct entry *e) {
    static const struct collection kinds[KIND_COUNT] = {
        [KIND_LIST] = {list_free, list_copy, list_memory, list_verify},
        [KIND_STREAM] = {xstream_free, xstream_copy, xstream_memory, xstream_verify},
        [KIND_SET] = {set_free, set_copy, set_memory, set_verify},
        [KIND_ZSET] = {zset_free, zset_copy, zset_memory, zset_verify},
        [KIND_HASH] = {hash_free, hash_copy, hash_memory, hash_verify},
    };
    const struct collection *k = &kinds[entry_kind(e)];
    return k->free ? k : NULL;
}

const char *kind_name(enum value_kind kind) {
    static const char *const names[KIND_COUNT] = {"string", "list", "set",
                                                  "zset",   "hash", "stream"};
    return names[kind];
}

const char *entry_encoding(const struct entry *e) {
    switch (entry_form(e)) {
    case FORM_INT: return "int";
    case FORM_EMBEDDED:
    case FORM_RAW: return e->flags & ENTRY_EDITED || string_len(e) > 44 ? "raw" : "embstr";
    case FORM_LISTPACK: return entry_kind(e) == KIND_LIST ? "quicklist" : "listpack";
    case FORM_INTSET: return "intset";
    case FORM_TABLE: return "hashtable";
    case FORM_CHUNKS: return "quicklist";
    case FORM_TREE: return "skiplist";
    case FORM_STREAM: return "stream";
    }
    bug("an entry's form is known");
}

void store_give_back(struct store *s, void *p, size_t size) {
    if (size >= RECLAIM_BYTES && s->settings.reclaim)
        s->settings.reclaim(s->settings.reclaim_arg, p, free);
    else
        free(p);
}

void value_free(struct store *s, struct entry *e) {
    if (s->walk.running && walk_takes(s, e)) return;
    if (entry_form(e) == FORM_RAW) {
        struct raw *raw = entry_pointer(e);
        s->memory -= mem_class(raw_size(raw->cap));
        store_give_back(s, raw, raw_size(raw->cap));
    } else if (collection(e)) {
        collection(e)->free(s, e);
    }
}

void value_copy(struct store *s, const struct entry *e, struct entry *to) {
    switch (entry_form(e)) {
    case FORM_INT: entry_set_int(to, entry_int(e)); return;
    case FORM_EMBEDDED:
        memcpy(entry_value_at(to), entry_value_at(e), entry_embedded_len(e));
        return;
    case FORM_RAW: {
        const struct raw *raw = entry_pointer(e);
        entry_set_pointer(to, raw_new(&s->memory, raw->data, raw->len, raw->len));
        return;
    }
    default: break;
    }
    must(collection(e), "every kind has a copy");
    collection(e)->copy(s, e, to);
}

size_t value_memory(const struct entry *e) {
    if (collection(e)) return collection(e)->memory(e);
    if (entry_form(e) != FORM_RAW) return 0;
    return mem_class(raw_size(((const struct raw *)entry_pointer(e))->cap));
}

size_t entry_memory(const struct entry *e) {
    return mem_class(entry_own_size(e)) + value_memory(e);
}

void value_verify(const struct entry *e) {
    switch (entry_form(e)) {
    case FORM_INT: must(entry_kind(e) == KIND_STRING, "an integer is a string"); return;
    case FORM_EMBEDDED:
        must(entry_kind(e) == KIND_STRING, "embedded bytes are a string");
        must(entry_embedded_len(e) <= EMBED_MAX, "embedded bytes are few");
        return;
    case FORM_RAW: {
        const struct raw *raw = entry_pointer(e);
        must(entry_kind(e) == KIND_STRING, "raw bytes are a string");
        must(raw->len <= raw->cap, "raw bytes fit their room");
        return;
    }
    default: break;
    }
    must(collection(e), "every kind has a verifier");
    collection(e)->verify(e);
}
