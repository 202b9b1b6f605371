#include "tests/bench/template.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 20, HEADER_MAX = 16 };

/* A piece is literal bytes, then perhaps a number. `opens` begins a word of variable length: its
 * header is written when the word is done, at the piece that `closes` it. */
struct piece {
    char *text;
    size_t bytes;
    bool number, random, opens, closes;
    uint64_t times, modulo, plus;
    int width;
};

struct pattern {
    struct piece *pieces;
    size_t count;
    size_t bytes_max;
};

static void bad(const char *word) {
    fprintf(stderr, "load: %s: a number is written {i}, {r}, or {i*M%%D+A:WIDTH}\n", word);
    exit(2);
}

static struct piece *add(struct pattern *p) {
    p->pieces = realloc(p->pieces, (p->count + 1) * sizeof *p->pieces);
    if (!p->pieces) abort();
    struct piece *new = &p->pieces[p->count++];
    *new = (struct piece){.times = 1};
    return new;
}

static void literal(struct pattern *p, const char *bytes, size_t count) {
    struct piece *last = p->count ? &p->pieces[p->count - 1] : NULL;
    if (!last || last->number || last->opens || last->closes) last = add(p);
    last->text = realloc(last->text, last->bytes + count + 1);
    if (!last->text) abort();
    memcpy(last->text + last->bytes, bytes, count);
    last->bytes += count;
    p->bytes_max += count;
}

/* Reads {...} into the last piece, returns what follows it. */
static const char *number(struct pattern *p, const char *word, const char *at) {
    struct piece *last = p->count ? &p->pieces[p->count - 1] : NULL;
    if (!last || last->number || last->opens || last->closes) last = add(p);
    last->number = true;
    if (at[1] != 'i' && at[1] != 'r') bad(word);
    last->random = at[1] == 'r';
    at += 2;
    while (*at && *at != '}') {
        char what = *at++, *end;
        if (!isdigit((unsigned char)*at)) bad(word);
        uint64_t value = strtoull(at, &end, 10);
        if (what == '*')
            last->times = value;
        else if (what == '%')
            last->modulo = value;
        else if (what == '+')
            last->plus = value;
        else if (what == ':' && value <= DIGITS_MAX)
            last->width = (int)value;
        else
            bad(word);
        at = end;
    }
    if (*at != '}') bad(word);
    p->bytes_max += DIGITS_MAX;
    return at + 1;
}

/* Bytes of a word whose numbers are all padded; -1 when one is not. */
static long fixed_bytes(const char *word) {
    long bytes = 0;
    for (const char *at = word; *at; at++) {
        if (*at != '{') {
            bytes++;
            continue;
        }
        const char *close = strchr(at, '}'), *colon = strchr(at, ':');
        if (!close) bad(word);
        if (!colon || colon > close) return -1;
        bytes += atol(colon + 1);
        at = close;
    }
    return bytes;
}

static void word(struct pattern *p, const char *text) {
    char header[32];
    long bytes = fixed_bytes(text);
    if (bytes >= 0)
        literal(p, header, (size_t)snprintf(header, sizeof header, "$%ld\r\n", bytes));
    else {
        add(p)->opens = true;
        p->bytes_max += HEADER_MAX;
    }
    for (const char *at = text; *at;) {
        if (*at == '{')
            at = number(p, text, at);
        else
            literal(p, at++, 1);
    }
    if (bytes < 0) add(p)->closes = true;
    literal(p, "\r\n", 2);
}

struct pattern *pattern_make(char **words, int count) {
    struct pattern *p = calloc(1, sizeof *p);
    char header[32];
    if (!p) abort();
    literal(p, header, (size_t)snprintf(header, sizeof header, "*%d\r\n", count));
    for (int i = 0; i < count; i++) word(p, words[i]);
    return p;
}

size_t pattern_bytes_max(const struct pattern *p) {
    return p->bytes_max;
}

static uint64_t draw(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Dull;
}

static char *digits(char *out, uint64_t value, int width) {
    char text[DIGITS_MAX];
    int count = 0;
    do {
        text[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count < width) text[count++] = '0';
    if (width && count > width) count = width; /* its low digits: the length stays as announced */
    while (count) *out++ = text[--count];
    return out;
}

/* Puts the header before a word that was written HEADER_MAX further on. */
static char *close_word(char *open, char *end) {
    char *begin = open + HEADER_MAX;
    size_t bytes = (size_t)(end - begin);
    int header = sprintf(open, "$%zu\r\n", bytes);
    memmove(open + header, begin, bytes);
    return open + header + bytes;
}

char *pattern_render(const struct pattern *p, char *out, uint64_t at, uint64_t range,
                     uint64_t *random) {
    char *open = out;
    for (size_t i = 0; i < p->count; i++) {
        const struct piece *piece = &p->pieces[i];
        if (piece->opens) {
            open = out;
            out += HEADER_MAX;
            continue;
        }
        if (piece->closes) {
            out = close_word(open, out);
            continue;
        }
        if (piece->bytes) memcpy(out, piece->text, piece->bytes);
        out += piece->bytes;
        if (!piece->number) continue;
        uint64_t value = piece->random ? draw(random) % range : at;
        value *= piece->times;
        if (piece->modulo) value %= piece->modulo;
        out = digits(out, value + piece->plus, piece->width);
    }
    return out;
}
