/* Cipher suites: OpenSSL's names for those that BearSSL has, in the order in which this end prefers
 * them, and the part of OpenSSL's list language that configuration files use:
 *
 *   list   words apart by ':', ',' or spaces, each adds suites in table order
 *   word   a name, DEFAULT, ALL, HIGH, or kinds joined by '+': ECDHE+AESGCM
 *   !word  takes suites out for good; -word takes them out; what it names need not exist
 *   @...   is passed over */
#include "server/base/tls_inside.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    K_DEFAULT = 1, /* both forward secrecy and AEAD */
    K_ECDHE = 2,
    K_STATIC = 4,
    K_ECDSA = 8,
    K_RSA = 16,
    K_GCM = 32,
    K_CHACHA = 64,
    K_CCM = 128,
    K_CBC = 256,
    K_128 = 512,
    K_256 = 1024,
    K_SHA1 = 2048,
    K_SHA256 = 4096,
    K_SHA384 = 8192
};
#define EE (K_ECDHE | K_ECDSA)
#define ER (K_ECDHE | K_RSA)
#define RR (K_STATIC | K_RSA)

static const struct suite {
    uint16_t id;
    unsigned kinds;
    const char *name;
} suites[] = {
    {0xC02B, K_DEFAULT | EE | K_GCM | K_128 | K_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {0xC02F, K_DEFAULT | ER | K_GCM | K_128 | K_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"},
    {0xCCA9, K_DEFAULT | EE | K_CHACHA | K_256, "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {0xCCA8, K_DEFAULT | ER | K_CHACHA | K_256, "ECDHE-RSA-CHACHA20-POLY1305"},
    {0xC02C, K_DEFAULT | EE | K_GCM | K_256 | K_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {0xC030, K_DEFAULT | ER | K_GCM | K_256 | K_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"},
    {0xC0AC, EE | K_CCM | K_128, "ECDHE-ECDSA-AES128-CCM"},
    {0xC0AD, EE | K_CCM | K_256, "ECDHE-ECDSA-AES256-CCM"},
    {0xC0AE, EE | K_CCM | K_128, "ECDHE-ECDSA-AES128-CCM8"},
    {0xC0AF, EE | K_CCM | K_256, "ECDHE-ECDSA-AES256-CCM8"},
    {0xC023, EE | K_CBC | K_128 | K_SHA256, "ECDHE-ECDSA-AES128-SHA256"},
    {0xC027, ER | K_CBC | K_128 | K_SHA256, "ECDHE-RSA-AES128-SHA256"},
    {0xC024, EE | K_CBC | K_256 | K_SHA384, "ECDHE-ECDSA-AES256-SHA384"},
    {0xC028, ER | K_CBC | K_256 | K_SHA384, "ECDHE-RSA-AES256-SHA384"},
    {0xC009, EE | K_CBC | K_128 | K_SHA1, "ECDHE-ECDSA-AES128-SHA"},
    {0xC013, ER | K_CBC | K_128 | K_SHA1, "ECDHE-RSA-AES128-SHA"},
    {0xC00A, EE | K_CBC | K_256 | K_SHA1, "ECDHE-ECDSA-AES256-SHA"},
    {0xC014, ER | K_CBC | K_256 | K_SHA1, "ECDHE-RSA-AES256-SHA"},
    {0x009C, RR | K_GCM | K_128 | K_SHA256, "AES128-GCM-SHA256"},
    {0x009D, RR | K_GCM | K_256 | K_SHA384, "AES256-GCM-SHA384"},
    {0xC09C, RR | K_CCM | K_128, "AES128-CCM"},
    {0xC09D, RR | K_CCM | K_256, "AES256-CCM"},
    {0xC0A0, RR | K_CCM | K_128, "AES128-CCM8"},
    {0xC0A1, RR | K_CCM | K_256, "AES256-CCM8"},
    {0x003C, RR | K_CBC | K_128 | K_SHA256, "AES128-SHA256"},
    {0x003D, RR | K_CBC | K_256 | K_SHA256, "AES256-SHA256"},
    {0x002F, RR | K_CBC | K_128 | K_SHA1, "AES128-SHA"},
    {0x0035, RR | K_CBC | K_256 | K_SHA1, "AES256-SHA"},
};
enum { SUITE_COUNT = sizeof suites / sizeof suites[0] };

static const struct {
    const char *name;
    unsigned kinds;
} kinds[] = {
    {"DEFAULT", K_DEFAULT}, {"ALL", ~0u},
    {"HIGH", ~0u},          {"SECURE", K_DEFAULT},
    {"ECDHE", K_ECDHE},     {"EECDH", K_ECDHE},
    {"kECDHE", K_ECDHE},    {"kEECDH", K_ECDHE},
    {"kRSA", K_STATIC},     {"aECDSA", K_ECDSA},
    {"ECDSA", K_ECDSA},     {"aRSA", K_RSA},
    {"RSA", K_STATIC},      {"AESGCM", K_GCM},
    {"CHACHA20", K_CHACHA}, {"AESCCM", K_CCM},
    {"AES128", K_128},      {"SHA1", K_SHA1},
    {"SHA", K_SHA1},        {"SHA256", K_SHA256},
    {"SHA384", K_SHA384},   {"AES", K_GCM | K_CCM | K_CBC},
};

static const struct suite *by_id(uint16_t id) {
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        if (suites[i].id == id) return &suites[i];
    }
    return NULL;
}

const char *tls_suite_name(uint16_t id) {
    const struct suite *s = by_id(id);
    return s ? s->name : "unknown";
}

bool tls_suite_has_sha1(uint16_t id) {
    const struct suite *s = by_id(id);
    return s && s->kinds & K_SHA1;
}

void tls_suite_names(char *out, size_t out_size) {
    size_t at = 0;
    for (size_t i = 0; i < SUITE_COUNT && at < out_size; i++)
        at += (size_t)snprintf(out + at, out_size - at, "%s%s", i ? " " : "", suites[i].name);
}

/* A word without '+': the suites that it names, a bit each. */
static uint32_t named(const char *word, size_t len) {
    uint32_t set = 0;
    unsigned want = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strlen(kinds[i].name) == len && !strncasecmp(kinds[i].name, word, len))
            want = kinds[i].kinds;
    }
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        bool same = strlen(suites[i].name) == len && !strncasecmp(suites[i].name, word, len);
        bool aes256 = len == 6 && !strncasecmp(word, "AES256", 6) && suites[i].kinds & K_256 &&
                      !(suites[i].kinds & K_CHACHA);
        if (same || aes256 || suites[i].kinds & want) set |= 1u << i;
    }
    return set;
}

static uint32_t named_all(const char *word, size_t len) {
    uint32_t set = ~0u;
    for (size_t at = 0; at <= len;) {
        size_t end = at;
        while (end < len && word[end] != '+') end++;
        set &= named(word + at, end - at);
        at = end + 1;
    }
    return set;
}

struct choice {
    uint16_t out[SUITE_COUNT];
    size_t count;
    uint32_t killed;
};

static void add(struct choice *c, uint32_t set) {
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        bool there = !(set >> i & 1) || c->killed >> i & 1;
        for (size_t k = 0; k < c->count; k++) there = there || c->out[k] == suites[i].id;
        if (!there) c->out[c->count++] = suites[i].id;
    }
}

static void drop(struct choice *c, uint32_t set) {
    size_t kept = 0;
    for (size_t k = 0; k < c->count; k++) {
        size_t i = (size_t)(by_id(c->out[k]) - suites);
        if (!(set >> i & 1)) c->out[kept++] = c->out[k];
    }
    c->count = kept;
}

static bool apply(struct choice *c, const char *word, size_t len) {
    if (*word == '@') return true;
    if (*word == '!' || *word == '-') {
        uint32_t set = named_all(word + 1, len - 1);
        if (*word == '!') c->killed |= set;
        drop(c, set);
        return true;
    }
    uint32_t set = named_all(word, len);
    add(c, set);
    return set != 0;
}

static bool fits_key(uint16_t id, int key_type) {
    unsigned k = by_id(id)->kinds;
    return !key_type || (key_type == BR_KEYTYPE_EC ? (k & K_ECDSA) : (k & K_RSA)) != 0;
}

bool tls_suites_choose(const char *words, int key_type, uint16_t *out, size_t *count, char *err,
                       size_t err_size) {
    struct choice c = {.count = 0};
    if (!words || !*words) words = "DEFAULT";
    for (const char *p = words; *p;) {
        size_t len = strcspn(p, ":, ");
        if (len && !apply(&c, p, len)) {
            int n = snprintf(err, err_size,
                             "'%.*s' names no cipher suite here; there are: ", (int)len, p);
            if (n > 0 && (size_t)n < err_size) tls_suite_names(err + n, err_size - (size_t)n);
            return false;
        }
        p += len + (p[len] != '\0');
    }
    *count = 0;
    for (size_t i = 0; i < c.count; i++) {
        if (fits_key(c.out[i], key_type)) out[(*count)++] = c.out[i];
    }
    if (*count) return true;
    snprintf(err, err_size, "'%.200s' leaves no cipher suite%s", words,
             !c.count                    ? ""
             : key_type == BR_KEYTYPE_EC ? " for a certificate with an EC key"
                                         : " for a certificate with an RSA key");
    return false;
}
