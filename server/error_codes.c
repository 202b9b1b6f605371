/* See latency.h: how often errors of each code were replied. */
#include "server/latency.h"

#include "server/base/buf.h"

#include <string.h>

enum { CODES_MAX = 128, CODE_BYTES = 32 };

/* By name. What would be one too many counts as ERR: codes come from scripts, too. */
static struct code {
    char name[CODE_BYTES];
    uint64_t count;
} codes[CODES_MAX];
static size_t code_count;

static void count(const char *name, size_t len, uint64_t n) {
    char code[CODE_BYTES];
    size_t at = 0;
    memcpy(code, name, len);
    code[len] = '\0';
    while (at < code_count && strcmp(codes[at].name, code) < 0) at++;
    if (at == code_count || strcmp(codes[at].name, code) != 0) {
        if (code_count == CODES_MAX) return;
        memmove(codes + at + 1, codes + at, (code_count - at) * sizeof *codes);
        memcpy(codes[at].name, code, sizeof code);
        codes[at].count = 0;
        code_count++;
    }
    codes[at].count += n;
}

void error_codes_note(const char *text, size_t len) {
    const char *space;
    if (len && *text == '-') text++, len--;
    space = memchr(text, ' ', len < CODE_BYTES - 1 ? len : CODE_BYTES - 1);
    if (space && space > text)
        count(text, (size_t)(space - text), 1);
    else
        count("ERR", 3, 1);
}

void error_codes_reset(void) {
    code_count = 0;
}

/* What scripts made up themselves was counted without its code. */
static void settle(void) {
    uint64_t known = 0;
    for (size_t i = 0; i < code_count; i++) known += codes[i].count;
    if (server.stats.errors > known) count("ERR", 3, server.stats.errors - known);
}

void error_codes_info(struct buf *out) {
    settle();
    for (size_t i = 0; i < code_count; i++)
        buf_printf(out, "errorstat_%s:count=%llu\r\n", codes[i].name,
                   (unsigned long long)codes[i].count);
}
