/* BITFIELD and BITFIELD_RO: integers of 1 to 64 bits at any bit offset of a string. */
#include <stdlib.h>

#include "server/base/num.h"
#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/store/string.h"

enum field_op { FIELD_GET, FIELD_SET, FIELD_INCRBY };
enum field_overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct field {
    enum field_op op;
    enum field_overflow overflow;
    bool is_signed;
    unsigned bits;
    uint64_t offset; /* of its first bit */
    int64_t by;
};

/* ---- Words ---------------------------------------------------------------------------------- */

static bool arg_type(struct call *c, int i, struct field *f) {
    struct bytes b = c->argv[i];
    int64_t bits;
    if (b.len > 1 && (b.p[0] == 'i' || b.p[0] == 'u') && num_parse_i64(b.p + 1, b.len - 1, &bits) &&
        bits >= 1 && bits <= (b.p[0] == 'i' ? 64 : 63)) {
        f->is_signed = b.p[0] == 'i';
        f->bits = (unsigned)bits;
        return true;
    }
    reply_error(
        c, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported "
           "but i64 is.");
    return false;
}

/* "12" counts bits, "#12" counts fields of this width. */
static bool arg_field_offset(struct call *c, int i, struct field *f) {
    struct bytes b = c->argv[i];
    int64_t unit = 1, v;
    if (b.len && b.p[0] == '#') {
        unit = f->bits;
        b.p++;
        b.len--;
    }
    if (num_parse_i64(b.p, b.len, &v) && !__builtin_mul_overflow(v, unit, &v) && v >= 0 &&
        (uint64_t)v >> 3 < string_most_bytes(c)) {
        f->offset = (uint64_t)v;
        return true;
    }
    reply_error(c, "ERR bit offset is not an integer or out of range");
    return false;
}

static bool arg_overflow(struct call *c, int i, enum field_overflow *overflow) {
    static const char *const names[] = {"wrap", "sat", "fail"};
    for (int k = 0; k < 3; k++)
        if (bytes_is(c->argv[i], names[k])) {
            *overflow = (enum field_overflow)k;
            return true;
        }
    reply_error(c, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* Reads one operation at *i and moves on behind it; false after an error. */
static bool parse_field(struct call *c, int *i, struct field *f) {
    int left = c->argc - *i - 1;
    if (bytes_is(c->argv[*i], "get") && left >= 2)
        f->op = FIELD_GET;
    else if (bytes_is(c->argv[*i], "set") && left >= 3)
        f->op = FIELD_SET;
    else if (bytes_is(c->argv[*i], "incrby") && left >= 3)
        f->op = FIELD_INCRBY;
    else {
        reply_error(c, ERR_SYNTAX);
        return false;
    }
    if (!arg_type(c, *i + 1, f) || !arg_field_offset(c, *i + 2, f)) return false;
    if (f->op != FIELD_GET && !arg_int(c, *i + 3, &f->by)) return false;
    *i += f->op == FIELD_GET ? 3 : 4;
    return true;
}

/* All operations, -1 after an error. */
static int parse_fields(struct call *c, struct field *fields) {
    enum field_overflow overflow = OVERFLOW_WRAP;
    int n = 0;
    for (int i = 2; i < c->argc;) {
        if (bytes_is(c->argv[i], "overflow") && i + 1 < c->argc) {
            if (!arg_overflow(c, i + 1, &overflow)) return -1;
            i += 2;
            continue;
        }
        fields[n].overflow = overflow;
        if (!parse_field(c, &i, &fields[n])) return -1;
        n++;
    }
    return n;
}

/* ---- Bits ----------------------------------------------------------------------------------- */

/* Bits behind the string's end are zeros. */
static uint64_t field_read(struct bytes b, const struct field *f) {
    uint64_t v = 0;
    for (uint64_t at = f->offset; at < f->offset + f->bits; at++) {
        uint64_t byte = at >> 3;
        v = v << 1 | (byte < b.len ? (unsigned char)b.p[byte] >> (7 - (at & 7)) & 1u : 0u);
    }
    return v;
}

static void field_write(char *data, const struct field *f, uint64_t v) {
    for (unsigned i = 0; i < f->bits; i++) {
        uint64_t at = f->offset + f->bits - 1 - i;
        unsigned char *byte = (unsigned char *)data + (at >> 3);
        unsigned mask = 1u << (7 - (at & 7));
        *byte = (unsigned char)(v >> i & 1 ? *byte | mask : *byte & ~mask);
    }
}

/* The low bits of v as a number of the field's type. */
static __int128 field_number(const struct field *f, uint64_t v) {
    if (f->bits < 64) v &= ((uint64_t)1 << f->bits) - 1;
    if (!f->is_signed) return v;
    return (int64_t)(v << (64 - f->bits)) >> (64 - f->bits);
}

/* SET with SAT of a number so far below a signed field that the distance to the field's highest
 * value leaves 64 bits: Redis takes it for too high, and so must we. */
static bool far_below(const struct field *f, __int128 v) {
    return f->op == FIELD_SET && f->is_signed && f->bits < 64 && f->overflow == OVERFLOW_SAT &&
           ((__int128)1 << (f->bits - 1)) - 1 - v > INT64_MAX;
}

/* Makes *v fit the field, wrapping or saturating it; true when it did not fit. */
static bool field_fit(const struct field *f, __int128 *v) {
    __int128 max = ((__int128)1 << (f->is_signed ? f->bits - 1 : f->bits)) - 1;
    __int128 min = f->is_signed ? -max - 1 : 0;
    if (*v >= min && *v <= max) return false;
    if (f->overflow == OVERFLOW_SAT)
        *v = *v > max ? max : min;
    else
        *v = field_number(f, (uint64_t)*v);
    return true;
}

/* Replies, and returns true when the string was changed. */
static bool field_change(struct call *c, const struct field *f, char *data, size_t len) {
    __int128 old = field_number(f, field_read((struct bytes){data, len}, f)), new = f->by;
    if (f->op == FIELD_INCRBY)
        new += old;
    else if (!f->is_signed)
        new = (uint64_t)f->by;
    if (far_below(f, new)) new = INT64_MAX;
    if (field_fit(f, &new) && f->overflow == OVERFLOW_FAIL) {
        reply_null(c);
        return false;
    }
    field_write(data, f, (uint64_t) new);
    reply_int(c, (int64_t)(f->op == FIELD_SET ? old : new));
    return new != old;
}

/* ---- The commands --------------------------------------------------------------------------- */

static void read_all(struct call *c, const struct field *fields, int n) {
    struct digits d;
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_STRING)) return;
    struct bytes b = e ? string_bytes(e, &d) : BYTES("");
    reply_array(c, (size_t)n);
    for (int i = 0; i < n; i++)
        reply_int(c, (int64_t)field_number(&fields[i], field_read(b, &fields[i])));
}

static void change_all(struct call *c, const struct field *fields, int n, size_t needed) {
    struct bytes key = c->argv[1];
    struct entry *e = call_write(c, key);
    if (!call_is_kind(c, e, KIND_STRING)) return;
    size_t len = e ? string_len(e) : 0;
    bool changed = !e || needed > len;
    if (!e) {
        e = string_put_plain(c->store, c->db, key, BYTES(""), NO_EXPIRY, true);
        store_touch(c->store, e, c->now_ms);
        call_created(c, c->db, key, e);
    }
    if (needed > len) len = needed;
    char *data = string_edit_part(c->store, c->db, &e, len, 0, 0);
    reply_array(c, (size_t)n);
    for (int i = 0; i < n; i++) {
        if (fields[i].op != FIELD_GET) {
            string_edit_here(e, (size_t)(fields[i].offset >> 3), fields[i].bits / 8 + 2);
            changed |= field_change(c, &fields[i], data, len);
        } else {
            reply_int(c, (int64_t)field_number(&fields[i],
                                               field_read((struct bytes){data, len}, &fields[i])));
        }
    }
    if (!changed) return;
    call_changed(c, key);
    call_notify(c, NOTIFY_STRING, "setbit", key);
}

static void bitfield(struct call *c, bool only_get) {
    struct field *fields = xmalloc((size_t)c->argc * sizeof *fields);
    int n = parse_fields(c, fields);
    uint64_t needed = 0;
    bool writes = false;
    for (int i = 0; i < n; i++) {
        if (fields[i].op == FIELD_GET) continue;
        writes = true;
        uint64_t end = (fields[i].offset + fields[i].bits + 7) >> 3;
        if (end > needed) needed = end;
    }
    if (n >= 0 && writes && only_get)
        reply_error(c, "ERR BITFIELD_RO only supports the GET subcommand");
    else if (n >= 0 && writes)
        change_all(c, fields, n, (size_t)needed);
    else if (n >= 0)
        read_all(c, fields, n);
    free(fields);
}

void cmd_bitfield(struct call *c) {
    bitfield(c, false);
}

void cmd_bitfield_ro(struct call *c) {
    bitfield(c, true);
}
