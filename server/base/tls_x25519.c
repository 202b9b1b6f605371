/* X25519 (RFC 7748) for 64-bit processors, as a curve of BearSSL's: its own works with words of 31 bits
 * and takes three and a half times as long, twice in each handshake. P-256 is in tls_p256.c; the rest is passed on
 * to BearSSL.
 *
 * A number modulo p = 2^255 - 19 is five limbs of 51 bits, lowest first. mul and square leave limbs
 * just above 2^51; add and sub do not carry, so that what they give is below 2^54 when it is made of
 * products; that is as much as mul and square take. No branch and no address depends on a secret. */
#include "server/base/tls_inside.h"

#include <string.h>

typedef unsigned __int128 wide;
#define INLINE static inline __attribute__((always_inline))

enum { LIMBS = 5, LIMB_BITS = 51, POINT_BYTES = 32 };
static const uint64_t MASK = (1ULL << LIMB_BITS) - 1;

struct fe {
    uint64_t v[LIMBS];
};

INLINE void carry(struct fe *r, wide t0, wide t1, wide t2, wide t3, wide t4) {
    t1 += (uint64_t)(t0 >> LIMB_BITS);
    t2 += (uint64_t)(t1 >> LIMB_BITS);
    t3 += (uint64_t)(t2 >> LIMB_BITS);
    t4 += (uint64_t)(t3 >> LIMB_BITS);
    uint64_t low = ((uint64_t)t0 & MASK) + (uint64_t)(t4 >> LIMB_BITS) * 19; /* 2^255 is 19 here */
    r->v[0] = low & MASK;
    r->v[1] = ((uint64_t)t1 & MASK) + (low >> LIMB_BITS);
    r->v[2] = (uint64_t)t2 & MASK;
    r->v[3] = (uint64_t)t3 & MASK;
    r->v[4] = (uint64_t)t4 & MASK;
}

INLINE void mul(struct fe *r, const struct fe *x, const struct fe *y) {
    const uint64_t *a = x->v, *b = y->v;
    uint64_t a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3], a4 = a[4];
    uint64_t b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3], b4 = b[4];
    uint64_t c1 = b1 * 19, c2 = b2 * 19, c3 = b3 * 19, c4 = b4 * 19;
    carry(r, (wide)a0 * b0 + (wide)a1 * c4 + (wide)a2 * c3 + (wide)a3 * c2 + (wide)a4 * c1,
          (wide)a0 * b1 + (wide)a1 * b0 + (wide)a2 * c4 + (wide)a3 * c3 + (wide)a4 * c2,
          (wide)a0 * b2 + (wide)a1 * b1 + (wide)a2 * b0 + (wide)a3 * c4 + (wide)a4 * c3,
          (wide)a0 * b3 + (wide)a1 * b2 + (wide)a2 * b1 + (wide)a3 * b0 + (wide)a4 * c4,
          (wide)a0 * b4 + (wide)a1 * b3 + (wide)a2 * b2 + (wide)a3 * b1 + (wide)a4 * b0);
}

INLINE void square(struct fe *r, const struct fe *x) {
    uint64_t a0 = x->v[0], a1 = x->v[1], a2 = x->v[2], a3 = x->v[3], a4 = x->v[4];
    uint64_t d0 = a0 * 2, d1 = a1 * 2, d2 = a2 * 2, d3 = a3 * 2, c3 = a3 * 19, c4 = a4 * 19;
    carry(r, (wide)a0 * a0 + (wide)d1 * c4 + (wide)d2 * c3,
          (wide)d0 * a1 + (wide)d2 * c4 + (wide)a3 * c3,
          (wide)d0 * a2 + (wide)a1 * a1 + (wide)d3 * c4,
          (wide)d0 * a3 + (wide)d1 * a2 + (wide)a4 * c4,
          (wide)d0 * a4 + (wide)d1 * a3 + (wide)a2 * a2);
}

static void mul_small(struct fe *r, const struct fe *x, uint64_t n) {
    const uint64_t *a = x->v;
    carry(r, (wide)a[0] * n, (wide)a[1] * n, (wide)a[2] * n, (wide)a[3] * n, (wide)a[4] * n);
}

INLINE void add(struct fe *r, const struct fe *x, const struct fe *y) {
    r->v[0] = x->v[0] + y->v[0];
    r->v[1] = x->v[1] + y->v[1];
    r->v[2] = x->v[2] + y->v[2];
    r->v[3] = x->v[3] + y->v[3];
    r->v[4] = x->v[4] + y->v[4];
}

/* x - y + 4p, which is not negative limb by limb while y is a product. */
INLINE void sub(struct fe *r, const struct fe *x, const struct fe *y) {
    r->v[0] = x->v[0] + 4 * (MASK - 18) - y->v[0];
    r->v[1] = x->v[1] + 4 * MASK - y->v[1];
    r->v[2] = x->v[2] + 4 * MASK - y->v[2];
    r->v[3] = x->v[3] + 4 * MASK - y->v[3];
    r->v[4] = x->v[4] + 4 * MASK - y->v[4];
}

/* Swaps when bit is 1. */
INLINE void swap(struct fe *x, struct fe *y, uint64_t bit) {
    uint64_t mask = 0 - bit;
    __asm__("" : "+r"(mask)); /* the compiler must not know that it is all or nothing */
    for (int i = 0; i < LIMBS; i++) {
        uint64_t t = mask & (x->v[i] ^ y->v[i]);
        x->v[i] ^= t;
        y->v[i] ^= t;
    }
}

static void square_times(struct fe *r, const struct fe *x, int times) {
    struct fe t = *x;
    while (times--) square(&t, &t);
    *r = t;
}

/* x^(p - 2): p - 2 is 2^255 - 21, 250 ones and then 01011. */
static void invert(struct fe *r, const struct fe *x) {
    struct fe x2, x9, x11, ones5, ones10, ones20, ones50, ones100, t;
    square(&x2, x);
    square_times(&t, &x2, 2);
    mul(&x9, &t, x);
    mul(&x11, &x9, &x2);
    square(&t, &x11);
    mul(&ones5, &t, &x9); /* 22 + 9 is 31 */
    square_times(&t, &ones5, 5);
    mul(&ones10, &t, &ones5);
    square_times(&t, &ones10, 10);
    mul(&ones20, &t, &ones10);
    square_times(&t, &ones20, 20);
    mul(&t, &t, &ones20);
    square_times(&t, &t, 10);
    mul(&ones50, &t, &ones10);
    square_times(&t, &ones50, 50);
    mul(&ones100, &t, &ones50);
    square_times(&t, &ones100, 100);
    mul(&t, &t, &ones100);
    square_times(&t, &t, 50);
    mul(&t, &t, &ones50);
    square_times(&t, &t, 5);
    mul(r, &t, &x11);
}

static uint64_t load64(const unsigned char *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x); /* x86-64 and its like store the lowest byte first */
    return x;
}

static void decode(struct fe *r, const unsigned char *p) {
    r->v[0] = load64(p) & MASK;
    r->v[1] = load64(p + 6) >> 3 & MASK;
    r->v[2] = load64(p + 12) >> 6 & MASK;
    r->v[3] = load64(p + 19) >> 1 & MASK;
    r->v[4] = load64(p + 24) >> 12 & MASK; /* without the highest bit */
}

static void carry_once(uint64_t *t) {
    for (int i = 0; i < LIMBS - 1; i++) {
        t[i + 1] += t[i] >> LIMB_BITS;
        t[i] &= MASK;
    }
}

static void encode(unsigned char *p, const struct fe *x) {
    uint64_t t[LIMBS], out[4];
    memcpy(t, x->v, sizeof t);
    for (int i = 0; i < 2; i++) {
        carry_once(t);
        t[0] += 19 * (t[4] >> LIMB_BITS);
        t[4] &= MASK;
    }
    /* Now below 2^255 and a bit: adding 19 carries out of 2^255 exactly when it is p or more. */
    uint64_t q = (t[0] + 19) >> LIMB_BITS;
    for (int i = 1; i < LIMBS; i++) q = (t[i] + q) >> LIMB_BITS;
    t[0] += 19 * q;
    carry_once(t);
    t[4] &= MASK;
    out[0] = t[0] | t[1] << 51;
    out[1] = t[1] >> 13 | t[2] << 38;
    out[2] = t[2] >> 26 | t[3] << 25;
    out[3] = t[3] >> 39 | t[4] << 12;
    memcpy(p, out, POINT_BYTES);
}

struct ladder {
    struct fe x1, x2, z2, x3, z3;
};

/* RFC 7748, section 5: one bit. */
static void step(struct ladder *l) {
    struct fe a, b, c, d, e, aa, bb, da, cb;
    add(&a, &l->x2, &l->z2);
    sub(&b, &l->x2, &l->z2);
    add(&c, &l->x3, &l->z3);
    sub(&d, &l->x3, &l->z3);
    square(&aa, &a);
    square(&bb, &b);
    mul(&da, &d, &a);
    mul(&cb, &c, &b);
    add(&a, &da, &cb);
    sub(&b, &da, &cb);
    square(&l->x3, &a);
    square(&b, &b);
    mul(&l->z3, &l->x1, &b);
    mul(&l->x2, &aa, &bb);
    sub(&e, &aa, &bb);
    mul_small(&c, &e, 121665);
    add(&c, &c, &aa);
    mul(&l->z2, &e, &c);
}

/* Both are written lowest byte first, as RFC 7748 has it; a short multiplier lacks zeros. */
static uint32_t multiply(unsigned char *point, const unsigned char *k, size_t k_len) {
    unsigned char bits[POINT_BYTES] = {0};
    struct ladder l = {.x2 = {{1}}, .z3 = {{1}}};
    uint64_t swapped = 0, any = 0, result[4];
    if (k_len > POINT_BYTES) return 0;
    memcpy(bits, k, k_len);
    bits[0] &= 0xf8;
    bits[31] = (unsigned char)((bits[31] & 0x7f) | 0x40);
    decode(&l.x1, point);
    l.x3 = l.x1;
    for (int i = 254; i >= 0; i--) {
        uint64_t bit = bits[i >> 3] >> (i & 7) & 1;
        swap(&l.x2, &l.x3, swapped ^ bit);
        swap(&l.z2, &l.z3, swapped ^ bit);
        swapped = bit;
        step(&l);
    }
    swap(&l.x2, &l.x3, swapped);
    swap(&l.z2, &l.z3, swapped);
    invert(&l.z2, &l.z2);
    mul(&l.x2, &l.x2, &l.z2);
    encode(point, &l.x2);
    memcpy(result, point, sizeof result);
    for (int i = 0; i < 4; i++) any |= result[i];
    explicit_bzero(&l, sizeof l);
    explicit_bzero(bits, sizeof bits);
    return (uint32_t)((any | (0 - any)) >> 63); /* a point of small order gives nothing secret */
}

/* ---- as BearSSL calls it --------------------------------------------------------------------- */

static const unsigned char *api_generator(int curve, size_t *len) {
    return br_ec_all_m31.generator(curve, len);
}

static const unsigned char *api_order(int curve, size_t *len) {
    return br_ec_all_m31.order(curve, len);
}

static size_t api_xoff(int curve, size_t *len) {
    return br_ec_all_m31.xoff(curve, len);
}

static uint32_t api_mul(unsigned char *g, size_t g_len, const unsigned char *k, size_t k_len,
                        int curve) {
    if (curve == BR_EC_secp256r1) return tls_p256_mul(g, g_len, k, k_len);
    if (curve != BR_EC_curve25519) return br_ec_all_m31.mul(g, g_len, k, k_len, curve);
    return g_len == POINT_BYTES ? multiply(g, k, k_len) : 0;
}

static size_t api_mulgen(unsigned char *r, const unsigned char *k, size_t k_len, int curve) {
    if (curve == BR_EC_secp256r1) return tls_p256_mulgen(r, k, k_len);
    if (curve != BR_EC_curve25519) return br_ec_all_m31.mulgen(r, k, k_len, curve);
    memset(r, 0, POINT_BYTES);
    r[0] = 9;
    multiply(r, k, k_len);
    return POINT_BYTES;
}

static uint32_t api_muladd(unsigned char *a, const unsigned char *b, size_t len,
                           const unsigned char *x, size_t x_len, const unsigned char *y,
                           size_t y_len, int curve) {
    return br_ec_all_m31.muladd(a, b, len, x, x_len, y, y_len, curve);
}

/* The curves that BearSSL's br_ec_all_m31 has: P-256, P-384, P-521, Curve25519. */
const br_ec_impl tls_curves = {1u << BR_EC_secp256r1 | 1u << BR_EC_secp384r1 |
                                   1u << BR_EC_secp521r1 | 1u << BR_EC_curve25519,
                               api_generator,
                               api_order,
                               api_xoff,
                               api_mul,
                               api_mulgen,
                               api_muladd};
