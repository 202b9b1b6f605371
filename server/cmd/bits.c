/* Bits of strings: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. Bit 0 is the highest of byte 0. */
#include <stdlib.h>

#include "server/base/log.h"
#include "server/base/num.h"
#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/store/string.h"

static bool arg_bit_offset(struct call *c, int i, uint64_t *offset) {
    int64_t v;
    if (num_parse_i64(c->argv[i].p, c->argv[i].len, &v) && v >= 0 &&
        (uint64_t)v >> 3 < string_most_bytes(c)) {
        *offset = (uint64_t)v;
        return true;
    }
    reply_error(c, "ERR bit offset is not an integer or out of range");
    return false;
}

static bool bit_at(struct bytes b, uint64_t offset) {
    return offset >> 3 < b.len && (unsigned char)b.p[offset >> 3] >> (7 - (offset & 7)) & 1;
}

void cmd_setbit(struct call *c) {
    uint64_t offset;
    int64_t on;
    struct bytes key = c->argv[1];
    if (!arg_bit_offset(c, 2, &offset)) return;
    if (!arg_int_range(c, 3, 0, 1, "ERR bit is not an integer or out of range", &on)) return;
    struct entry *e = call_write(c, key);
    if (!call_is_kind(c, e, KIND_STRING)) return;
    size_t old_len = e ? string_len(e) : 0, len = (size_t)(offset >> 3) + 1;
    bool created = !e;
    if (created) {
        e = string_put_plain(c->store, c->db, key, BYTES(""), NO_EXPIRY, true);
        store_touch(c->store, e, c->now_ms);
        call_created(c, c->db, key, e);
    }
    size_t new_len = len > old_len ? len : old_len;
    char *data = string_edit_part(c->store, c->db, &e, new_len, (size_t)(offset >> 3), 1);
    bool was = bit_at((struct bytes){data, len}, offset);
    if (created || len > old_len || was != (on == 1)) {
        unsigned mask = 1u << (7 - (offset & 7));
        unsigned char *byte = (unsigned char *)data + (offset >> 3);
        *byte = (unsigned char)(on ? *byte | mask : *byte & ~mask);
        call_changed(c, key);
        call_notify(c, NOTIFY_STRING, "setbit", key);
    }
    reply_int(c, was);
}

void cmd_getbit(struct call *c) {
    uint64_t offset;
    struct digits d;
    if (!arg_bit_offset(c, 2, &offset)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_STRING)) return;
    reply_int(c, e && bit_at(string_bytes(e, &d), offset));
}

/* ---- Ranges --------------------------------------------------------------------------------- */

/* A range of bits; empty when first > last. */
struct bit_range {
    int64_t first, last;
    bool end_given;
};

/* Reads [start [end [BYTE|BIT]]] from position i on, of a string of len bytes. */
static bool parse_range(struct call *c, int i, int64_t len, struct bit_range *r) {
    int64_t start = 0, end = len - 1, unit = 8;
    r->end_given = c->argc > i + 1;
    bool counted = c->argc <= i + 3, in_bits = c->argc == i + 3 && bytes_is(c->argv[i + 2], "bit");
    if (counted && c->argc > i && !arg_int(c, i, &start)) return false;
    if (!counted || (c->argc == i + 3 && !in_bits && !bytes_is(c->argv[i + 2], "byte"))) {
        reply_error(c, ERR_SYNTAX);
        return false;
    }
    if (in_bits) unit = 1;
    if (r->end_given && !arg_int(c, i + 1, &end)) return false;
    int64_t total = unit == 1 ? len * 8 : len;
    if (start < 0) start += total;
    if (end < 0 && r->end_given) end += total;
    if (start < 0) start = 0;
    if (end < 0 && r->end_given) end = 0;
    if (end >= total) end = total - 1;
    *r = (struct bit_range){start * unit, end * unit + unit - 1, r->end_given};
    if (start > end) *r = (struct bit_range){1, 0, r->end_given};
    return true;
}

/* The byte at i with the bits outside the range cleared. */
static unsigned masked(struct bytes b, int64_t i, struct bit_range r) {
    unsigned v = (unsigned char)b.p[i];
    if (i == r.first >> 3) v &= 0xffu >> (r.first & 7);
    if (i == r.last >> 3) v &= 0xff00u >> ((r.last & 7) + 1);
    return v;
}

static int64_t count_bits(struct bytes b, struct bit_range r) {
    if (r.first > r.last) return 0;
    int64_t i = r.first >> 3, last = r.last >> 3, n = 0;
    uint64_t word;
    n += __builtin_popcount(masked(b, i, r));
    if (last > i) n += __builtin_popcount(masked(b, last, r));
    for (i++; i + 8 <= last; i += 8) {
        memcpy(&word, b.p + i, 8);
        n += __builtin_popcountll(word);
    }
    for (; i < last; i++) n += __builtin_popcount((unsigned char)b.p[i]);
    return n;
}

void cmd_bitcount(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    struct digits d;
    struct bit_range r;
    if (!call_is_kind(c, e, KIND_STRING)) return;
    if (!e) {
        reply_int(c, 0);
        return;
    }
    struct bytes b = string_bytes(e, &d);
    int64_t start, end;
    if (c->argc == 3 || c->argc > 5) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (c->argc > 3) { /* a backward range counts nothing, whatever the unit */
        if (!arg_int(c, 2, &start) || !arg_int(c, 3, &end)) return;
        if (start < 0 && end < 0 && start > end) {
            reply_int(c, 0);
            return;
        }
    }
    if (parse_range(c, 2, (int64_t)b.len, &r)) reply_int(c, count_bits(b, r));
}

/* Position of the first bit of that value in the range, or -1. */
static int64_t find_bit(struct bytes b, struct bit_range r, bool wanted) {
    unsigned char skip = wanted ? 0 : 0xff;
    for (int64_t i = r.first >> 3; i <= r.last >> 3; i++) {
        if ((unsigned char)b.p[i] == skip) continue;
        struct bytes inverted = {(const char[]){(char)~b.p[i]}, 1};
        struct bit_range in_byte = {i == r.first >> 3 ? r.first & 7 : 0,
                                    i == r.last >> 3 ? r.last & 7 : 7, true};
        unsigned v = wanted ? masked(b, i, r) : masked(inverted, 0, in_byte);
        if (v) return i * 8 + __builtin_clz(v) - 24;
    }
    return -1;
}

void cmd_bitpos(struct call *c) {
    int64_t wanted;
    if (!arg_int(c, 2, &wanted)) return;
    if (wanted != 0 && wanted != 1) {
        reply_error(c, "ERR The bit argument must be 1 or 0.");
        return;
    }
    struct entry *e = call_read(c, c->argv[1]);
    struct digits d;
    struct bit_range r;
    if (!call_is_kind(c, e, KIND_STRING)) return;
    if (!e) {
        reply_int(c, wanted ? -1 : 0);
        return;
    }
    struct bytes b = string_bytes(e, &d);
    if (!parse_range(c, 3, (int64_t)b.len, &r)) return;
    int64_t at = r.first > r.last ? -1 : find_bit(b, r, wanted);
    /* Without an end the string goes on with zeros. */
    if (at < 0 && !wanted && !r.end_given && r.first <= r.last) at = r.last + 1;
    reply_int(c, at);
}

/* ---- BITOP ---------------------------------------------------------------------------------- */

enum bit_op { OP_AND, OP_OR, OP_XOR, OP_NOT, OP_COUNT };

static void combine(enum bit_op op, unsigned char *to, struct bytes b, size_t len) {
    const unsigned char *from = (const unsigned char *)b.p;
    switch (op) {
    case OP_AND:
        for (size_t i = 0; i < b.len; i++) to[i] &= from[i];
        memset(to + b.len, 0, len - b.len);
        return;
    case OP_OR:
        for (size_t i = 0; i < b.len; i++) to[i] |= from[i];
        return;
    case OP_XOR:
        for (size_t i = 0; i < b.len; i++) to[i] ^= from[i];
        return;
    case OP_NOT:
        for (size_t i = 0; i < b.len; i++) to[i] = (unsigned char)~from[i];
        return;
    case OP_COUNT: break;
    }
    bug("BITOP knows four operations");
}

/* The sources' values; integers' digits live beside them. False after WRONGTYPE. */
static bool sources(struct call *c, struct bytes *values, struct digits *digits, size_t *longest) {
    *longest = 0;
    for (int i = 3; i < c->argc; i++) /* expiry deletes: before values are held */
        if (!call_is_kind(c, call_read(c, c->argv[i]), KIND_STRING)) return false;
    for (int i = 3; i < c->argc; i++) {
        struct entry *e = store_find(c->store, c->db, c->argv[i]);
        if (e && call_expire_if_needed(c, c->db, e)) e = NULL; /* hidden ones of a slave */
        values[i - 3] = e ? string_bytes(e, &digits[i - 3]) : BYTES("");
        if (values[i - 3].len > *longest) *longest = values[i - 3].len;
    }
    return true;
}

static void store_result(struct call *c, struct bytes key, struct bytes result) {
    struct entry *e = call_write(c, key);
    if (result.len) {
        bool existed = e != NULL;
        e = string_put_plain(c->store, c->db, key, result, NO_EXPIRY, true);
        store_touch(c->store, e, c->now_ms);
        if (!existed) call_created(c, c->db, key, e);
        call_changed(c, key);
        call_notify(c, NOTIFY_STRING, "set", key);
    } else if (e) {
        call_delete(c, c->db, key, e);
    }
    reply_int(c, (int64_t)result.len);
}

void cmd_bitop(struct call *c) {
    static const char *const names[OP_COUNT] = {"and", "or", "xor", "not"};
    int op = 0;
    while (op < OP_COUNT && !bytes_is(c->argv[1], names[op])) op++;
    if (op == OP_COUNT) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (op == OP_NOT && c->argc != 4) {
        reply_error(c, "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    size_t n = (size_t)c->argc - 3, len;
    struct bytes *values = xmalloc(n * sizeof *values);
    struct digits *digits = xmalloc(n * sizeof *digits);
    if (sources(c, values, digits, &len)) {
        unsigned char *result = xcalloc(1, len + 1);
        memcpy(result, values[0].p, values[0].len);
        if (op == OP_NOT) combine(OP_NOT, result, values[0], len);
        for (size_t i = 1; i < n; i++) combine((enum bit_op)op, result, values[i], len);
        store_result(c, c->argv[2], (struct bytes){(char *)result, len});
        free(result);
    }
    free(values);
    free(digits);
}
