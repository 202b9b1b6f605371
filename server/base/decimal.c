/* See decimal.h. Powers of ten up to 27 are exact in 64 bits of mantissa, so x * 10^k and x / 10^k have one rounding. What
 * lies halfway between two results has a mantissa of its own; unless the product is just that, it is on the same side of
 * it as the true value. */
#include "server/base/decimal.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "server/base/num.h"

enum { POWERS = 28, DIGITS = 17 };

static const long double powers[POWERS] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
                                           1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
                                           1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
                                           1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

static bool in_reach(int power) {
    return LDBL_MANT_DIG == 64 && power > -POWERS && power < POWERS;
}

static long double scale(long double v, int power) {
    return power < 0 ? v / powers[-power] : v * powers[power];
}

/* ---- Reading --------------------------------------------------------------------------------- */

struct reader {
    const char *p, *end;
    uint64_t digits; /* significant ones, as a number */
    int count;       /* of them, leading zeros not counted */
    int seen;        /* digits at all */
    int power;
};

static bool is_digit(const struct reader *r) {
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

/* Digits before or behind the point. */
static void take_digits(struct reader *r, int power_each) {
    for (; is_digit(r); r->p++, r->seen++) {
        if (r->count || *r->p != '0') r->count++;
        if (r->count > 19) return;
        r->digits = 10 * r->digits + (uint64_t)(*r->p - '0');
        r->power += power_each;
    }
}

static bool take_exponent(struct reader *r) {
    int sign = 1, value = 0, n = 0;
    if (r->p == r->end || (*r->p != 'e' && *r->p != 'E')) return true;
    r->p++;
    if (r->p < r->end && (*r->p == '-' || *r->p == '+')) sign = *r->p++ == '-' ? -1 : 1;
    for (; is_digit(r) && n < 4; r->p++, n++) value = 10 * value + (*r->p - '0');
    r->power += sign * value;
    return n > 0;
}

bool decimal_parse(const char *text, size_t len, double *v) {
    struct reader r = {text, text + len, 0, 0, 0, 0};
    uint64_t mantissa;
    bool minus = len && *text == '-';
    if (minus || (len && *text == '+')) r.p++;
    take_digits(&r, 0);
    if (r.p < r.end && *r.p == '.') {
        r.p++;
        take_digits(&r, -1);
    }
    if (r.seen == 0 || r.count > 19 || !take_exponent(&r) || r.p != r.end) return false;
    if (!in_reach(r.power)) return false;
    long double x = scale((long double)r.digits, r.power);
    memcpy(&mantissa, &x, sizeof mantissa);
    if ((mantissa & 0x7ff) == 0x400) return false; /* halfway between two doubles */
    *v = (double)(minus ? -x : x);
    return true;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* v > 0 as digits * 10^(power - 16), 10^16 <= digits < 10^17. False when that is in doubt or out of reach. */
static bool take_apart(double v, uint64_t *digits, int *power) {
    int binary;
    frexp(v, &binary);
    int p = (int)floor((binary - 1) * 0.30102999566398119); /* right, or one too low */
    long double x = 0;
    for (int i = 0; i < 2; i++, p++) {
        if (!in_reach(DIGITS - 1 - p)) return false;
        x = scale(v, DIGITS - 1 - p);
        if (x < 1e17L) break;
    }
    if (x < 1e16L || x >= 1e17L) return false;
    uint64_t n = (uint64_t)x;
    long double rest = x - (long double)n;
    if (rest == 0.5L) return false;
    n += rest > 0.5L;
    if (n == 100000000000000000ULL) return false;
    *digits = n;
    *power = p;
    return true;
}

/* d.ddde-05, or the digits with a point among or before them: what %g chooses. */
static char *put_digits(char *to, const char *digits, int n, int power) {
    if (power < -4 || power >= DIGITS) {
        *to++ = digits[0];
        if (n > 1) *to++ = '.';
        memcpy(to, digits + 1, (size_t)n - 1);
        to += n - 1;
        int size = power < 0 ? -power : power;
        *to++ = 'e';
        *to++ = power < 0 ? '-' : '+';
        *to++ = (char)('0' + size / 10);
        *to++ = (char)('0' + size % 10);
        return to;
    }
    if (power < 0) {
        memcpy(to, "0.000", 5);
        to += 1 - power;
        memcpy(to, digits, (size_t)n);
        return to + n;
    }
    for (int i = 0; i < n || i <= power; i++) {
        if (i == power + 1) *to++ = '.';
        *to++ = (char)(i < n ? digits[i] : '0');
    }
    return to;
}

size_t decimal_format(char out[DECIMAL_CHARS], double v) {
    char text[24], *to = out;
    uint64_t digits;
    int power, n = DIGITS;
    double size = fabs(v);
    if (signbit(v)) *to++ = '-';
    if (size < 1e15 && size == (double)(uint64_t)size)
        return (size_t)(to - out) + num_format_u64(to, (uint64_t)size);
    if (!isfinite(v) || !take_apart(size, &digits, &power))
        return (size_t)snprintf(out, DECIMAL_CHARS, "%.17g", v);
    num_format_u64(text, digits);
    while (n > 1 && text[n - 1] == '0') n--;
    return (size_t)(put_digits(to, text, n, power) - out);
}
