#include "hactl/import/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/base/num.h"

enum { PORT = 6379, DB_MAX = 1 << 20 };

static const char *behind_scheme(const char *word, bool *tls) {
    *tls = strncasecmp(word, "rediss://", 9) == 0;
    if (*tls) return word + 9;
    return strncasecmp(word, "redis://", 8) == 0 ? word + 8 : NULL;
}

bool url_is(const char *word) {
    bool tls;
    return behind_scheme(word, &tls) != NULL;
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes from p to end with their escapes undone. */
static bool take(char *to, size_t size, const char *p, const char *end) {
    size_t n = 0;
    for (; p < end; p++) {
        char c = *p;
        if (c == '%') {
            if (end - p < 3 || hex(p[1]) < 0 || hex(p[2]) < 0) return false;
            c = (char)(hex(p[1]) << 4 | hex(p[2]));
            p += 2;
        }
        if (!c || n + 1 >= size) return false;
        to[n++] = c;
    }
    to[n] = '\0';
    return true;
}

/* Where user and password end; NULL: there are none. The last @ counts: a password may hold one. */
static const char *last_at(const char *p) {
    size_t n = strcspn(p, "/");
    const char *at = NULL, *slash_at = strrchr(p, '@');
    for (size_t i = 0; i < n; i++)
        if (p[i] == '@') at = p + i;
    return slash_at ? slash_at : at;
}

static bool take_login(struct url *u, const char *p, const char *at) {
    const char *colon = memchr(p, ':', (size_t)(at - p));
    if (!colon) return take(u->password, sizeof u->password, p, at);
    return take(u->user, sizeof u->user, p, colon) &&
           take(u->password, sizeof u->password, colon + 1, at);
}

static bool take_host(struct url *u, const char *p) {
    char number[24];
    int64_t n;
    const char *end = p + strcspn(p, "/"), *colon = NULL, *host = p, *host_end = end;
    if (*p == '[') { /* an IPv6 address */
        host = p + 1;
        host_end = memchr(p, ']', (size_t)(end - p));
        if (!host_end) return false;
        colon = host_end[1] == ':' ? host_end + 1 : NULL;
        if (!colon && host_end + 1 != end) return false;
    } else if ((colon = memchr(p, ':', (size_t)(end - p)))) {
        host_end = colon;
    }
    if (host == host_end || !take(u->host, sizeof u->host, host, host_end)) return false;
    if (colon) {
        snprintf(number, sizeof number, "%.*s", (int)(end - colon - 1), colon + 1);
        if (!num_parse_range(number, 1, 65535, &n)) return false;
        u->port = (uint16_t)n;
    }
    if (*end == '/' && end[1]) {
        if (!num_parse_range(end + 1, 0, DB_MAX, &n)) return false;
        u->db = (int)n;
    }
    return true;
}

bool url_read(struct url *u, const char *word, char *why, size_t why_size) {
    memset(u, 0, sizeof *u);
    u->port = PORT;
    u->db = -1;
    const char *p = behind_scheme(word, &u->tls), *at = p ? last_at(p) : NULL;
    if (p && (!at || take_login(u, p, at)) && take_host(u, at ? at + 1 : p)) return true;
    snprintf(
        why, why_size,
        "the address of the source is not of the form redis://[[user]:password@]host[:port][/db]");
    return false;
}

void url_hide_password(char *word) {
    bool tls;
    const char *p = behind_scheme(word, &tls), *at = p ? last_at(p) : NULL;
    if (!at) return;
    const char *colon = memchr(p, ':', (size_t)(at - p));
    for (char *c = word + ((colon ? colon + 1 : p) - word); c < at; c++) *c = '*';
}

void url_text(const struct url *u, char *out, size_t size) {
    bool v6 = strchr(u->host, ':') != NULL;
    int n = snprintf(out, size, "redis%s://%s%s%s%s%s:%u", u->tls ? "s" : "", u->user,
                     *u->user ? "@" : "", v6 ? "[" : "", u->host, v6 ? "]" : "", u->port);
    if (u->db >= 0 && n > 0 && (size_t)n < size) snprintf(out + n, size - (size_t)n, "/%d", u->db);
}
