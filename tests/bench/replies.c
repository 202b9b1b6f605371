#include "tests/bench/replies.h"

#include <stdlib.h>
#include <string.h>

static void element_ends(struct replies *r, struct replies_seen *seen) {
    if (r->inner)
        r->inner--;
    else
        seen->whole++;
}

/* One line without its end. */
static void line(struct replies *r, const char *text, struct replies_seen *seen) {
    long n;
    switch (text[0]) {
    case '-':
        if (!r->inner) {
            seen->errors++;
            seen->error = text;
        }
        element_ends(r, seen);
        return;
    case '+':
    case ':':
    case ',':
    case '#':
    case '_':
    case '(': element_ends(r, seen); return;
    case '$':
    case '=':
        n = atol(text + 1);
        if (n < 0)
            element_ends(r, seen);
        else
            r->skip = (uint64_t)n + 2;
        return;
    case '*':
    case '~':
    case '>':
    case '%':
        n = atol(text + 1) * (text[0] == '%' ? 2 : 1);
        if (n <= 0)
            element_ends(r, seen);
        else
            r->inner += (uint64_t)n - 1;
        return;
    default: seen->broken = true;
    }
}

/* Takes the part of a bulk string that is in the buffer. */
static size_t skip(struct replies *r, size_t bytes, struct replies_seen *seen) {
    size_t take = r->skip < bytes ? (size_t)r->skip : bytes;
    r->skip -= take;
    if (!r->skip) element_ends(r, seen);
    return take;
}

struct replies_seen replies_eat(struct replies *r, const char *buf, size_t bytes) {
    static char text[sizeof r->line];
    struct replies_seen seen = {.error = ""};
    for (const char *at = buf, *end = buf + bytes; at < end && !seen.broken;) {
        if (r->skip) {
            at += skip(r, (size_t)(end - at), &seen);
            continue;
        }
        if (end - at >= 5 && !r->line_bytes && !memcmp(at, "+OK\r\n", 5)) { /* what comes most */
            element_ends(r, &seen);
            at += 5;
            continue;
        }
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t piece = (size_t)((stop ? stop : end) - at);
        size_t room = sizeof r->line - 1 - r->line_bytes, take = piece < room ? piece : room;
        memcpy(r->line + r->line_bytes, at, take);
        r->line_bytes += take;
        at += piece + (stop ? 1 : 0);
        if (!stop) break;
        r->line[r->line_bytes] = 0;
        r->line_bytes = 0;
        memcpy(text, r->line, sizeof text);
        line(r, text, &seen);
    }
    return seen;
}
