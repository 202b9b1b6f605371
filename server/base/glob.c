/* See glob.h. Without recursion: after a '*' that fails further on, only the last '*' has to give
 * way, because an earlier one could do no better. */
#include "server/base/glob.h"

#include <ctype.h>

static int folded(char c, bool nocase) {
    return nocase ? tolower((unsigned char)c) : (unsigned char)c;
}

/* Matches one character against the set that begins after '['; *at moves past the ']'. */
static bool in_set(struct bytes p, size_t *at, char ch, bool nocase) {
    size_t i = *at;
    bool not = i < p.len && p.p[i] == '^', hit = false;
    int c = folded(ch, nocase);
    if (not ) i++;
    for (; i < p.len && p.p[i] != ']'; i++) {
        if (p.p[i] == '\\' && i + 1 < p.len) {
            i++;
            hit = hit || p.p[i] == ch;
        } else if (i + 2 < p.len && p.p[i + 1] == '-') {
            int lo = folded(p.p[i], nocase), hi = folded(p.p[i + 2], nocase);
            hit = hit || (lo <= hi ? c >= lo && c <= hi : c >= hi && c <= lo);
            i += 2;
        } else {
            hit = hit || folded(p.p[i], nocase) == c;
        }
    }
    *at = i < p.len ? i + 1 : i;
    return hit != not ;
}

/* Matches one character of text against the pattern's element at *at, and moves past that. */
static bool one(struct bytes p, size_t *at, char ch, bool nocase) {
    char c = p.p[*at];
    *at += 1;
    if (c == '?') return true;
    if (c == '[') return in_set(p, at, ch, nocase);
    if (c == '\\' && *at < p.len) c = p.p[(*at)++];
    return folded(c, nocase) == folded(ch, nocase);
}

bool glob_match(struct bytes pattern, struct bytes text, bool nocase) {
    size_t p = 0, t = 0, star_p = 0, star_t = 0;
    bool star = false;
    if (!text.len) return !pattern.len; /* as Redis has it: not even * */
    while (t < text.len) {
        if (p < pattern.len && pattern.p[p] == '*') {
            star = true;
            star_p = ++p;
            star_t = t;
            if (p == pattern.len) return true;
        } else if (p < pattern.len && one(pattern, &p, text.p[t], nocase)) {
            t++;
        } else if (star) {
            p = star_p;
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.p[p] == '*') p++;
    return p == pattern.len;
}
