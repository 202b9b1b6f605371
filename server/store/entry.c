/* See entry.h: the layout of an entry, and the access bits. */
#include "server/store/entry.h"

#include "server/base/log.h"

static size_t key_width(size_t len) {
    return len > UINT16_MAX ? 4 : len > UINT8_MAX ? 2 : 1;
}

struct entry_shape entry_shape_of(const struct entry *e) {
    return (struct entry_shape){entry_kind(e), entry_form(e), entry_key_len(e),
                                entry_form(e) == FORM_EMBEDDED ? entry_embedded_len(e) : 0,
                                e->flags & ENTRY_EXPIRES};
}

static size_t value_bytes(struct entry_shape s) {
    return s.form == FORM_EMBEDDED ? s.value_len : 8;
}

/* Bytes before the key. */
static size_t head_size(struct entry_shape s) {
    size_t value_width = s.form != FORM_EMBEDDED ? 0 : s.value_len > UINT8_MAX ? 2 : 1;
    return sizeof(struct entry) + key_width(s.key_len) + value_width + (s.expires ? 8 : 0);
}

size_t entry_size(struct entry_shape s) {
    return head_size(s) + s.key_len + value_bytes(s);
}

/* Writes header and lengths; the walk mark and the edited flag are kept from `kept`. */
static void write_head(struct entry *e, struct entry_shape s, unsigned kept) {
    size_t width = key_width(s.key_len);
    uint32_t key_len = (uint32_t)s.key_len;
    e->kind_form = (uint8_t)((unsigned)s.kind | (unsigned)s.form << 4);
    e->flags = (uint8_t)((kept & (ENTRY_WALKED | ENTRY_EDITED)) | (s.expires ? ENTRY_EXPIRES : 0) |
                         (width == 2 ? ENTRY_KEY_2 : 0) | (width == 4 ? ENTRY_KEY_4 : 0));
    memcpy(e->rest, &key_len, width);
    if (s.form != FORM_EMBEDDED) return;
    uint16_t value_len = (uint16_t)s.value_len;
    must(s.value_len <= EMBED_MAX, "an embedded value is small");
    if (s.value_len > UINT8_MAX) e->flags |= ENTRY_LONG;
    memcpy(e->rest + width, &value_len, s.value_len > UINT8_MAX ? 2 : 1);
}

struct entry *entry_new(size_t *memory, struct entry_shape s, struct bytes key,
                        const struct entry *like) {
    struct entry *e = mem_new(memory, entry_size(s));
    must(key.len == s.key_len && key.len <= UINT32_MAX, "a key's length fits");
    write_head(e, s, like ? like->flags : 0);
    if (like)
        memcpy(e->access, like->access, sizeof e->access);
    else
        memset(e->access, 0, sizeof e->access);
    memcpy(entry_key_at(e), key.p, key.len);
    return e;
}

struct entry *entry_reshape(size_t *memory, struct entry *e, struct entry_shape s) {
    struct entry_shape old = entry_shape_of(e);
    int64_t stamp = entry_expiry(e);
    size_t old_size = entry_size(old), new_size = entry_size(s);
    size_t kept = value_bytes(old) < value_bytes(s) ? value_bytes(old) : value_bytes(s);
    const char *tail = entry_key_at(e); /* the key, then the value */
    struct entry *new = e;
    if (mem_class(old_size) != mem_class(new_size)) {
        new = entry_new(memory, s, entry_key(e), e);
        memcpy(entry_value_at(new), tail + s.key_len, kept);
    } else {
        memmove((char *)e + head_size(s), tail, s.key_len + kept); /* before lengths overwrite it */
        write_head(e, s, e->flags);
    }
    if (s.expires && old.expires) entry_write_stamp(new, stamp);
    if (new != e) mem_free(memory, e, old_size);
    return new;
}

struct bytes entry_key(const struct entry *e) {
    return (struct bytes){entry_key_at(e), entry_key_len(e)};
}

enum value_kind entry_kind(const struct entry *e) {
    return (enum value_kind)(e->kind_form & 15);
}

int64_t entry_expiry(const struct entry *e) {
    if (!(e->flags & ENTRY_EXPIRES)) return NO_EXPIRY;
    int64_t stamp;
    memcpy(&stamp, entry_stamp_at(e), 8);
    return stamp;
}

/* ---- Access: when (LRU) or how often (LFU) --------------------------------------------------- */

static uint32_t access_get(const struct entry *e) {
    return (uint32_t)e->access[0] | (uint32_t)e->access[1] << 8 | (uint32_t)e->access[2] << 16;
}

static uint32_t minutes_now(int64_t now_ms) {
    return (uint32_t)(now_ms / 60000) & 0xffff;
}

uint32_t entry_idle_s(const struct entry *e, int64_t now_ms) {
    return (entry_lru_date(now_ms) - access_get(e)) & 0xffffff;
}

void entry_set_idle(struct entry *e, uint32_t idle_s, int64_t now_ms) {
    entry_set_access(e, (entry_lru_date(now_ms) - idle_s) & 0xffffff);
}

uint8_t entry_freq(const struct store *s, const struct entry *e, int64_t now_ms) {
    const struct store_settings *set = store_settings((struct store *)(uintptr_t)s);
    uint32_t access = access_get(e), count = access & 255;
    uint32_t minutes = (minutes_now(now_ms) - (access >> 8)) & 0xffff;
    uint32_t periods = set->lfu_decay_min ? minutes / set->lfu_decay_min : 0;
    return (uint8_t)(periods > count ? 0 : count - periods);
}

void entry_set_freq(struct entry *e, uint8_t freq, int64_t now_ms) {
    entry_set_access(e, minutes_now(now_ms) << 8 | freq);
}

/* The counter grows with a probability that falls as it grows, so 8 bits tell thousands from millions. */
static uint8_t freq_more(uint8_t freq, unsigned log_factor, double chance) {
    double above = freq > 5 ? freq - 5 : 0;
    return freq < 255 && chance < 1.0 / (above * log_factor + 1) ? (uint8_t)(freq + 1) : freq;
}

void entry_count_access(const struct store *s, struct entry *e, int64_t now_ms, uint64_t random) {
    const struct store_settings *set = store_settings((struct store *)(uintptr_t)s);
    double chance = (double)(random >> 11) * 0x1p-53;
    entry_set_freq(e, freq_more(entry_freq(s, e, now_ms), set->lfu_log_factor, chance), now_ms);
}
