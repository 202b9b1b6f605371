/* See num.h. */
#include "server/base/num.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool num_parse_u64(const char *s, size_t len, uint64_t *out) {
    if (len == 0 || len > 20 || (s[0] == '0' && len > 1)) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)s[i] - '0';
        if (digit > 9) return false;
        if (v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - digit) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

bool num_parse_i64(const char *s, size_t len, int64_t *out) {
    uint64_t v;
    bool negative = len > 0 && s[0] == '-';
    if (!num_parse_u64(s + negative, len - negative, &v)) return false;
    if (negative) {
        if (v == 0 || v > (uint64_t)INT64_MAX + 1) return false;
        *out = (int64_t)(0 - v);
    } else {
        if (v > INT64_MAX) return false;
        *out = (int64_t)v;
    }
    return true;
}

bool num_parse_range(const char *s, int64_t min, int64_t max, int64_t *out) {
    int64_t v;
    if (!num_parse_i64(s, strlen(s), &v) || v < min || v > max) return false;
    *out = v;
    return true;
}

size_t num_digits_u64(uint64_t v) {
    size_t n = 1;
    while (v >= 10) {
        v /= 10;
        n++;
    }
    return n;
}

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

size_t num_format_u64(char *out, uint64_t v) {
    size_t n = num_digits_u64(v), at = n;
    while (v >= 100) {
        at -= 2;
        memcpy(out + at, digit_pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10)
        memcpy(out, digit_pairs + 2 * v, 2);
    else
        out[0] = (char)('0' + v);
    return n;
}

size_t num_format_i64(char *out, int64_t v) {
    if (v >= 0) return num_format_u64(out, (uint64_t)v);
    out[0] = '-';
    return 1 + num_format_u64(out + 1, 0 - (uint64_t)v);
}

/* The digits at the start of s; *rest is what follows them. */
static bool leading_digits(const char *s, uint64_t *v, const char **rest) {
    size_t n = strspn(s, "0123456789");
    *rest = s + n;
    return num_parse_u64(s, n, v);
}

bool num_parse_bytes(const char *s, uint64_t *bytes) {
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {{"", 1},           {"b", 1},        {"k", 1000},
                 {"kb", 1024},      {"m", 1000000},  {"mb", 1 << 20},
                 {"g", 1000000000}, {"gb", 1 << 30}, {"t", 1000000000000},
                 {"tb", 1ULL << 40}};
    uint64_t v;
    const char *rest;
    if (!leading_digits(s, &v, &rest)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcasecmp(rest, units[i].name) != 0) continue;
        return !__builtin_mul_overflow(v, units[i].factor, bytes);
    }
    return false;
}

bool num_parse_duration_ms(const char *s, int64_t unit_ms, int64_t *ms) {
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    uint64_t v;
    const char *rest;
    int64_t factor = unit_ms;
    if (!leading_digits(s, &v, &rest) || v > INT64_MAX) return false;
    if (*rest) {
        size_t i = 0, n = sizeof units / sizeof *units;
        while (i < n && strcasecmp(rest, units[i].name) != 0) i++;
        if (i == n) return false;
        factor = units[i].ms;
    }
    return !__builtin_mul_overflow((int64_t)v, factor, ms);
}

void num_format_bytes_human(char *out, size_t out_size, uint64_t bytes) {
    static const char units[] = "BKMGTP";
    double v = (double)bytes;
    size_t i = 0;
    while (v >= 1024 && units[i + 1]) {
        v /= 1024;
        i++;
    }
    snprintf(out, out_size, i ? "%.2f%c" : "%.0f%c", v, units[i]);
}

void num_to_hex(char *out, const void *bytes, size_t n) {
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool num_from_hex(const char *hex, size_t hex_len, void *bytes, size_t n) {
    unsigned char *out = bytes;
    if (hex_len != 2 * n) return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
