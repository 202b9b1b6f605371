/* P-256 for 64-bit processors: multiples of the generator (a signature, a key for ECDHE) and of other
 * points. BearSSL's own takes words of 31 bits and five times as long.
 *
 * Numbers modulo p = 2^256 - 2^224 + 2^192 + 2^96 - 1 are four words, lowest first, in Montgomery's form
 * (times 2^256), always below p. Points are projective, and are added by the complete formulas for
 * a = -3 of Renes, Costello and Batina (2016, algorithm 4): they hold for any two points, the same one
 * and infinity included, so that nothing has to be asked about secrets. No branch and no address
 * depends on one: a table is read as a whole. */
#include "server/base/tls_inside.h"

#include <pthread.h>
#include <string.h>

typedef unsigned __int128 wide;
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 4")

enum { WORDS = 4, NUMBER_BYTES = 32, POINT_BYTES = 65, WINDOWS = 64, ENTRIES = 16 };

struct fe {
    uint64_t v[WORDS];
};
struct point {
    struct fe x, y, z; /* x/z, y/z; infinity is 0:1:0 */
};

static const uint64_t P[WORDS] = {0xffffffffffffffff, 0xffffffff, 0, 0xffffffff00000001};
static const struct fe ONE = {{1, 0xffffffff00000000, 0xffffffffffffffff, 0xfffffffe}}; /* 2^256 */
static const struct fe PLAIN_ONE = {{1}};
static const unsigned char B_BYTES[NUMBER_BYTES] = {
    0x5a, 0xc6, 0x35, 0xd8, 0xaa, 0x3a, 0x93, 0xe7, 0xb3, 0xeb, 0xbd, 0x55, 0x76, 0x98, 0x86, 0xbc,
    0x65, 0x1d, 0x06, 0xb0, 0xcc, 0x53, 0xb0, 0xf6, 0x3b, 0xce, 0x3c, 0x3e, 0x27, 0xd2, 0x60, 0x4b};

/* Made once: 2^512, b, and j * 16^i times the generator at [i][j]. */
static struct fe square_of_one, curve_b;
static struct point multiples[WINDOWS][ENTRIES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- numbers -------------------------------------------------------------------------------- */

/* t, with top as its fifth word, is below 2p: leaves it below p. */
INLINE void reduce(struct fe *r, const uint64_t t[WORDS], uint64_t top) {
    uint64_t less[WORDS], borrow = 0;
    UNROLL
    for (int i = 0; i < WORDS; i++) {
        wide d = (wide)t[i] - P[i] - borrow;
        less[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t keep = 0 - (borrow & ~top & 1); /* p was too much */
    __asm__("" : "+r"(keep));
    UNROLL
    for (int i = 0; i < WORDS; i++) r->v[i] = (t[i] & keep) | (less[i] & ~keep);
}

INLINE void add(struct fe *r, const struct fe *a, const struct fe *b) {
    uint64_t t[WORDS], carry = 0;
    UNROLL
    for (int i = 0; i < WORDS; i++) {
        wide s = (wide)a->v[i] + b->v[i] + carry;
        t[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
    reduce(r, t, carry);
}

INLINE void sub(struct fe *r, const struct fe *a, const struct fe *b) {
    uint64_t t[WORDS], borrow = 0, carry = 0;
    UNROLL
    for (int i = 0; i < WORDS; i++) {
        wide d = (wide)a->v[i] - b->v[i] - borrow;
        t[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    uint64_t below = 0 - borrow;
    __asm__("" : "+r"(below));
    UNROLL
    for (int i = 0; i < WORDS; i++) {
        wide s = (wide)t[i] + (P[i] & below) + carry;
        r->v[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
}

/* a * b / 2^256, Montgomery's way, a word of b at a time. -1/p modulo 2^64 is 1. */
static void mul(struct fe *r, const struct fe *a, const struct fe *b) {
    uint64_t t[WORDS] = {0}, top = 0;
    UNROLL
    for (int i = 0; i < WORDS; i++) {
        uint64_t carry = 0;
        UNROLL
        for (int j = 0; j < WORDS; j++) {
            wide s = (wide)a->v[j] * b->v[i] + t[j] + carry;
            t[j] = (uint64_t)s;
            carry = (uint64_t)(s >> 64);
        }
        wide high = (wide)top + carry;
        uint64_t m = t[0];
        carry = (uint64_t)(((wide)m * P[0] + t[0]) >> 64);
        UNROLL
        for (int j = 1; j < WORDS; j++) {
            wide s = (wide)m * P[j] + t[j] + carry;
            t[j - 1] = (uint64_t)s;
            carry = (uint64_t)(s >> 64);
        }
        high += carry;
        t[WORDS - 1] = (uint64_t)high;
        top = (uint64_t)(high >> 64);
    }
    reduce(r, t, top);
}

INLINE void triple(struct fe *r, const struct fe *a) {
    struct fe twice;
    add(&twice, a, a);
    add(r, &twice, a);
}

/* a^(p - 2); the exponent is no secret. */
static void invert(struct fe *r, const struct fe *a) {
    struct fe t = ONE;
    for (int i = 255; i >= 0; i--) {
        uint64_t word = i < 64 ? P[0] - 2 : P[i / 64];
        mul(&t, &t, &t);
        if (word >> (i % 64) & 1) mul(&t, &t, a);
    }
    *r = t;
}

static uint32_t is_zero(const struct fe *a) {
    uint64_t any = a->v[0] | a->v[1] | a->v[2] | a->v[3];
    return (uint32_t)(~(any | (0 - any)) >> 63);
}

/* Highest byte first. 0: it is not below p. */
static uint32_t decode(struct fe *r, const unsigned char *p) {
    uint64_t borrow = 0;
    for (int i = 0; i < WORDS; i++) {
        uint64_t word = 0;
        for (int k = 0; k < 8; k++) word = word << 8 | p[(WORDS - 1 - i) * 8 + k];
        r->v[i] = word;
        borrow = (uint64_t)(((wide)word - P[i] - borrow) >> 64) & 1;
    }
    mul(r, r, &square_of_one);
    return (uint32_t)borrow;
}

static void encode(unsigned char *p, const struct fe *a) {
    struct fe t;
    mul(&t, a, &PLAIN_ONE);
    for (int i = 0; i < NUMBER_BYTES; i++) p[31 - i] = (unsigned char)(t.v[i / 8] >> (i % 8 * 8));
}

/* ---- points --------------------------------------------------------------------------------- */

static const struct point INFINITE = {
    .y = {{1, 0xffffffff00000000, 0xffffffffffffffff, 0xfffffffe}}};

/* x1*y2 + x2*y1, given x1*x2 and y1*y2. */
INLINE void cross(struct fe *r, const struct fe *x1, const struct fe *y1, const struct fe *x2,
                  const struct fe *y2, const struct fe *xx, const struct fe *yy) {
    struct fe a, b;
    add(&a, x1, y1);
    add(&b, x2, y2);
    mul(r, &a, &b);
    sub(r, r, xx);
    sub(r, r, yy);
}

static void add_points(struct point *r, const struct point *p, const struct point *q) {
    struct fe xx, yy, zz, xy, yz, xz, u, v, w, plus, minus, t;
    mul(&xx, &p->x, &q->x);
    mul(&yy, &p->y, &q->y);
    mul(&zz, &p->z, &q->z);
    cross(&xy, &p->x, &p->y, &q->x, &q->y, &xx, &yy);
    cross(&yz, &p->y, &p->z, &q->y, &q->z, &yy, &zz);
    cross(&xz, &p->x, &p->z, &q->x, &q->z, &xx, &zz);
    mul(&t, &curve_b, &zz);
    sub(&u, &xz, &t);
    triple(&u, &u); /* 3 (xz - b zz) */
    add(&plus, &yy, &u);
    sub(&minus, &yy, &u);
    triple(&zz, &zz);
    mul(&w, &curve_b, &xz);
    sub(&w, &w, &zz);
    sub(&w, &w, &xx);
    triple(&w, &w); /* 3 (b xz - 3 zz - xx) */
    triple(&v, &xx);
    sub(&v, &v, &zz); /* 3 xx - 3 zz */
    mul(&r->x, &xy, &plus);
    mul(&t, &yz, &w);
    sub(&r->x, &r->x, &t);
    mul(&r->y, &plus, &minus);
    mul(&t, &v, &w);
    add(&r->y, &r->y, &t);
    mul(&r->z, &yz, &minus);
    mul(&t, &xy, &v);
    add(&r->z, &r->z, &t);
}

/* table[at], by reading all of it. */
static void pick(struct point *r, const struct point table[ENTRIES], uint64_t at) {
    enum { N = sizeof *r / sizeof(uint64_t) };
    uint64_t out[N] = {0}, in[N];
    for (uint64_t i = 0; i < ENTRIES; i++) {
        uint64_t other = i ^ at, mask = ((other | (0 - other)) >> 63) - 1;
        __asm__("" : "+r"(mask));
        memcpy(in, &table[i], sizeof in);
        for (int k = 0; k < N; k++) out[k] |= in[k] & mask;
    }
    memcpy(r, out, sizeof out);
}

/* table[j] becomes j * p. */
static void fill(struct point table[ENTRIES], const struct point *p) {
    table[0] = INFINITE;
    for (int j = 1; j < ENTRIES; j++) add_points(&table[j], &table[j - 1], p);
}

static void make_tables(void) {
    size_t len;
    const unsigned char *g = br_ec_all_m31.generator(BR_EC_secp256r1, &len);
    struct point p = {.z = ONE};
    square_of_one = ONE;
    for (int i = 0; i < 256; i++) add(&square_of_one, &square_of_one, &square_of_one);
    decode(&curve_b, B_BYTES);
    decode(&p.x, g + 1);
    decode(&p.y, g + 1 + NUMBER_BYTES);
    for (int i = 0; i < WINDOWS; i++) {
        fill(multiples[i], &p);
        add_points(&p, &multiples[i][ENTRIES - 1], &p);
    }
}

/* Four bits of a multiplier that is written highest byte first, counted from the lowest. */
static uint64_t window(const unsigned char *k, size_t len, size_t i) {
    return i / 2 < len ? k[len - 1 - i / 2] >> (i % 2 * 4) & 15u : 0;
}

/* 0: it is infinity, which has no encoding. */
static uint32_t encode_point(unsigned char *out, const struct point *p) {
    struct fe z, t;
    invert(&z, &p->z);
    out[0] = 4;
    mul(&t, &p->x, &z);
    encode(out + 1, &t);
    mul(&t, &p->y, &z);
    encode(out + 1 + NUMBER_BYTES, &t);
    return 1 ^ is_zero(&p->z);
}

/* 0: it is not on the curve. */
static uint32_t decode_point(struct point *p, const unsigned char *in) {
    struct fe left, right, t;
    uint32_t good = in[0] == 4;
    good &= decode(&p->x, in + 1) & decode(&p->y, in + 1 + NUMBER_BYTES);
    p->z = ONE;
    mul(&left, &p->y, &p->y);
    mul(&right, &p->x, &p->x);
    mul(&right, &right, &p->x);
    triple(&t, &p->x);
    sub(&right, &right, &t);
    add(&right, &right, &curve_b);
    sub(&left, &left, &right);
    return good & is_zero(&left);
}

size_t tls_p256_mulgen(unsigned char *out, const unsigned char *k, size_t len) {
    struct point sum = INFINITE, some;
    pthread_once(&once, make_tables);
    for (size_t i = 0; i < WINDOWS; i++) {
        pick(&some, multiples[i], window(k, len, i));
        add_points(&sum, &sum, &some);
    }
    encode_point(out, &sum);
    explicit_bzero(&sum, sizeof sum);
    explicit_bzero(&some, sizeof some);
    return POINT_BYTES;
}

uint32_t tls_p256_mul(unsigned char *point, size_t point_len, const unsigned char *k, size_t len) {
    struct point table[ENTRIES], sum = INFINITE, some;
    pthread_once(&once, make_tables);
    if (point_len != POINT_BYTES || !decode_point(&some, point)) return 0;
    fill(table, &some);
    for (size_t i = WINDOWS; i--;) {
        for (int twice = 0; twice < 4; twice++) add_points(&sum, &sum, &sum);
        pick(&some, table, window(k, len, i));
        add_points(&sum, &sum, &some);
    }
    uint32_t good = encode_point(point, &sum);
    explicit_bzero(&sum, sizeof sum);
    explicit_bzero(&some, sizeof some);
    explicit_bzero(table, sizeof table);
    return good;
}
