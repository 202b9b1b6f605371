/* See listpack.h. */
#include "server/proto/listpack.h"

#include <string.h>

#include "server/base/num.h"

enum {
    HEADER = 6,
    MANY = 65535,
    END = 0xff,
    /* first bytes; the lengths and numbers of the first four fill the rest of the byte */
    STR_32 = 0xf0,
    INT_16 = 0xf1,
    INT_24 = 0xf2,
    INT_32 = 0xf3,
    INT_64 = 0xf4
};

static uint64_t get_le(const uint8_t *p, unsigned n) {
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static void put_le(uint8_t *p, uint64_t v, unsigned n) {
    for (unsigned i = 0; i < n; i++) p[i] = (uint8_t)(v >> 8 * i);
}

/* ---- Elements: what their first byte says ---------------------------------------------------- */

static bool is_string(uint8_t first) {
    return (first & 0xc0) == 0x80 || (first & 0xf0) == 0xe0 || first == STR_32;
}

static unsigned int_bytes(uint8_t first) {
    return first == INT_64 ? 8 : first == INT_32 ? 4 : first == INT_24 ? 3 : 2;
}

/* Bytes before the data of a string, bytes of an integer with its first byte. */
static size_t head_bytes(uint8_t first) {
    if (first < 0x80) return 1;
    if ((first & 0xc0) == 0x80) return 1;
    if ((first & 0xe0) == 0xc0 || (first & 0xf0) == 0xe0) return 2;
    return first == STR_32 ? 5 : 1 + int_bytes(first);
}

static size_t string_bytes_of(const uint8_t *at) {
    if ((*at & 0xc0) == 0x80) return *at & 63;
    if ((*at & 0xf0) == 0xe0) return (size_t)(*at & 15) << 8 | at[1];
    return *at == STR_32 ? (size_t)get_le(at + 1, 4) : 0;
}

static size_t body_bytes(const uint8_t *at) {
    return head_bytes(*at) + (is_string(*at) ? string_bytes_of(at) : 0);
}

/* The limits are one below what the bits could hold, as in what others write. */
static unsigned back_bytes(size_t body) {
    return body <= 127 ? 1 : body < 16383 ? 2 : body < 2097151 ? 3 : body < 268435455 ? 4 : 5;
}

static void put_back(uint8_t *p, size_t body) {
    unsigned n = back_bytes(body);
    for (unsigned i = n; i-- > 0; body >>= 7) p[i] = (uint8_t)((body & 127) | (i ? 128 : 0));
}

size_t lp_size(const uint8_t *at) {
    if (*at < 0xc0) return *at < 0x80 ? 2 : (*at & 63U) + 2; /* most are so small */
    size_t body = body_bytes(at);
    return body + back_bytes(body);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static size_t int_head(int64_t v) {
    if (v >= 0 && v <= 127) return 1;
    if (v >= -4096 && v <= 4095) return 2;
    if (v >= INT16_MIN && v <= INT16_MAX) return 3;
    if (v >= -8388608 && v <= 8388607) return 4;
    return v >= INT32_MIN && v <= INT32_MAX ? 5 : 9;
}

static size_t string_head(size_t len) {
    return len < 64 ? 1 : len < 4096 ? 2 : 5;
}

size_t lp_size_of(struct bytes value) {
    int64_t v;
    size_t body = value.len <= 20 && num_parse_i64(value.p, value.len, &v)
                      ? int_head(v)
                      : string_head(value.len) + value.len;
    return body + back_bytes(body);
}

static size_t put_int(uint8_t *p, int64_t v) {
    size_t n = int_head(v);
    uint64_t bits = (uint64_t)v;
    if (n == 1) {
        p[0] = (uint8_t)v;
    } else if (n == 2) {
        p[0] = (uint8_t)(0xc0 | (bits >> 8 & 31));
        p[1] = (uint8_t)bits;
    } else {
        p[0] = (uint8_t)(n == 3 ? INT_16 : n == 4 ? INT_24 : n == 5 ? INT_32 : INT_64);
        put_le(p + 1, bits, (unsigned)n - 1);
    }
    return n;
}

static size_t put_string(uint8_t *p, struct bytes s) {
    size_t n = string_head(s.len);
    if (n == 1) {
        p[0] = (uint8_t)(0x80 | s.len);
    } else if (n == 2) {
        p[0] = (uint8_t)(0xe0 | s.len >> 8);
        p[1] = (uint8_t)s.len;
    } else {
        p[0] = STR_32;
        put_le(p + 1, s.len, 4);
    }
    memcpy(p + n, s.p, s.len);
    return n + s.len;
}

/* Returns the bytes written. */
static size_t put_value(uint8_t *p, struct bytes value) {
    int64_t v;
    size_t body = value.len <= 20 && num_parse_i64(value.p, value.len, &v) ? put_int(p, v)
                                                                           : put_string(p, value);
    put_back(p + body, body);
    return body + back_bytes(body);
}

static int64_t sign_extend(uint64_t v, unsigned bits) {
    return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

bool lp_get_int(const uint8_t *at, int64_t *v) {
    if (is_string(*at)) return false;
    if (*at < 0x80)
        *v = *at;
    else if ((*at & 0xe0) == 0xc0)
        *v = sign_extend((uint64_t)(*at & 31) << 8 | at[1], 13);
    else
        *v = sign_extend(get_le(at + 1, int_bytes(*at)), 8 * int_bytes(*at));
    return true;
}

struct bytes lp_get(const uint8_t *at, char digits[LP_DIGITS]) {
    int64_t v;
    if (lp_get_int(at, &v)) return (struct bytes){digits, num_format_i64(digits, v)};
    return (struct bytes){(const char *)at + head_bytes(*at), string_bytes_of(at)};
}

/* ---- The whole ------------------------------------------------------------------------------- */

void lp_init(uint8_t *lp) {
    put_le(lp, LP_EMPTY_BYTES, 4);
    put_le(lp + 4, 0, 2);
    lp[HEADER] = END;
}

size_t lp_total(const uint8_t *lp) {
    return lp[0] | (size_t)lp[1] << 8 | (size_t)lp[2] << 16 | (size_t)lp[3] << 24;
}

size_t lp_count(const uint8_t *lp) {
    size_t n = lp[4] | (size_t)lp[5] << 8;
    if (n != MANY) return n;
    n = 0;
    for (const uint8_t *at = lp_first(lp); at; at = lp_next(lp, at)) n++;
    return n;
}

const uint8_t *lp_first(const uint8_t *lp) {
    return lp[HEADER] == END ? NULL : lp + HEADER;
}

const uint8_t *lp_next(const uint8_t *lp, const uint8_t *at) {
    (void)lp;
    at += lp_size(at);
    return *at == END ? NULL : at;
}

/* The element that ends before `end`. */
static const uint8_t *before(const uint8_t *end) {
    size_t body = 0;
    const uint8_t *p = end - 1;
    for (unsigned shift = 0;; shift += 7, p--) {
        body |= (size_t)(*p & 127) << shift;
        if (!(*p & 128)) break;
    }
    return p - body;
}

const uint8_t *lp_prev(const uint8_t *lp, const uint8_t *at) {
    return at == lp + HEADER ? NULL : before(at);
}

const uint8_t *lp_last(const uint8_t *lp) {
    return lp[HEADER] == END ? NULL : before(lp + lp_total(lp) - 1);
}

const uint8_t *lp_seek(const uint8_t *lp, int64_t index) {
    const uint8_t *at;
    if (index >= 0)
        for (at = lp_first(lp); at && index > 0; index--) at = lp_next(lp, at);
    else
        for (at = lp_last(lp); at && index < -1; index++) at = lp_prev(lp, at);
    return at;
}

/* Small elements, of which there are most, are compared and passed by their first byte. */
const uint8_t *lp_find(const uint8_t *lp, const uint8_t *at, struct bytes value, unsigned step) {
    int64_t wanted, v;
    bool number = value.len <= 20 && num_parse_i64(value.p, value.len, &wanted);
    uint8_t first = !number && value.len < 64 ? (uint8_t)(0x80 | value.len) : END;
    while (at && *at != END) {
        if (*at < 0xc0 && !number) {
            if (*at == first && memcmp(at + 1, value.p, value.len) == 0) return at;
        } else if (is_string(*at)) {
            char none[LP_DIGITS];
            if (!number && bytes_equal(lp_get(at, none), value)) return at;
        } else if (number && lp_get_int(at, &v) && v == wanted) {
            return at;
        }
        for (unsigned i = 0; i < step && *at != END; i++) at += lp_size(at);
    }
    (void)lp;
    return NULL;
}

void lp_splice(uint8_t *lp, size_t at, size_t old_bytes, size_t old_count,
               const struct bytes *values, size_t n) {
    size_t total = lp_total(lp), new_bytes = 0, count = (size_t)get_le(lp + 4, 2);
    for (size_t i = 0; i < n; i++) new_bytes += lp_size_of(values[i]);
    memmove(lp + at + new_bytes, lp + at + old_bytes, total - at - old_bytes);
    for (size_t i = 0; i < n; i++) at += put_value(lp + at, values[i]);
    put_le(lp, total - old_bytes + new_bytes, 4);
    if (count == MANY) { /* it may be few again */
        count = lp_count(lp);
        put_le(lp + 4, count < MANY ? count : MANY, 2);
    } else {
        count = count - old_count + n;
        put_le(lp + 4, count < MANY ? count : MANY, 2);
    }
}

/* ---- Values made ready ----------------------------------------------------------------------- */

struct lp_value lp_value_of(struct bytes text) {
    struct lp_value v = {text, 0, false, 0};
    v.is_number = text.len <= 20 && num_parse_i64(text.p, text.len, &v.number);
    size_t body = v.is_number ? int_head(v.number) : string_head(text.len) + text.len;
    v.size = body + back_bytes(body);
    return v;
}

struct lp_value lp_value_of_int(int64_t number) {
    size_t body = int_head(number);
    return (struct lp_value){{NULL, 0}, number, true, body + back_bytes(body)};
}

void lp_write(uint8_t *to, const struct lp_value *v) {
    size_t body = v->is_number ? put_int(to, v->number) : put_string(to, v->text);
    put_back(to + body, body);
}

void lp_write_header(uint8_t *lp, size_t total, size_t count) {
    put_le(lp, total, 4);
    put_le(lp + 4, count < MANY ? count : MANY, 2);
    lp[total - 1] = END;
}

bool lp_equals(const uint8_t *at, const struct lp_value *v) {
    int64_t number;
    size_t len = v->text.len;
    if (v->is_number) return lp_get_int(at, &number) && number == v->number;
    if (!is_string(*at) || string_bytes_of(at) != len) return false;
    const char *text = (const char *)at + head_bytes(*at);
    /* those that differ often do so in the last byte */
    return len == 0 || (text[len - 1] == v->text.p[len - 1] && memcmp(text, v->text.p, len) == 0);
}

const uint8_t *lp_find_value(const uint8_t *at, const struct lp_value *v) {
    for (; *at != END; at += lp_size(at))
        if (lp_equals(at, v)) return at;
    return NULL;
}

/* ---- Bytes from outside ---------------------------------------------------------------------- */

static bool element_valid(const uint8_t *at, size_t left, size_t *size) {
    if (*at > INT_64 || left < head_bytes(*at)) return false;
    size_t body = body_bytes(at);
    if (body > left || back_bytes(body) > left - body) return false;
    uint8_t back[5];
    put_back(back, body);
    *size = body + back_bytes(body);
    return memcmp(at + body, back, back_bytes(body)) == 0;
}

bool lp_valid(const uint8_t *lp, size_t size) {
    if (size < LP_EMPTY_BYTES || lp_total(lp) != size || lp[size - 1] != END) return false;
    size_t at = HEADER, count = 0, step;
    for (; lp[at] != END; at += step, count++)
        if (!element_valid(lp + at, size - 1 - at, &step)) return false;
    size_t told = (size_t)get_le(lp + 4, 2);
    return at == size - 1 && (told == MANY || told == count);
}
