#include "hactl/place.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "server/base/num.h"

/* The address and the port's digits (NULL: none) of text, cut apart in copy. */
static bool cut(char *copy, char **host, char **port) {
    char *colon = strrchr(copy, ':');
    *port = NULL;
    *host = copy;
    if (*copy == '[') {
        char *end = strchr(copy, ']');
        *host = copy + 1;
        if (!end || (end[1] && end[1] != ':')) return false;
        *port = end[1] ? end + 2 : NULL;
        *end = 0;
    } else if (colon && strchr(copy, ':') == colon) {
        *port = colon + 1;
        *colon = 0;
    }
    return true;
}

bool place_parse(const char *text, uint16_t port, struct place *out) {
    char copy[PLACE_CHARS], *host, *digits;
    int64_t n = port;
    memset(out, 0, sizeof *out);
    if (strlen(text) >= sizeof copy) return false;
    memcpy(copy, text, strlen(text) + 1);
    if (!cut(copy, &host, &digits)) return false;
    if (digits && !num_parse_range(digits, 1, 65535, &n)) return false;
    if (!n) return false;
    if (inet_pton(AF_INET, host, &out->at.v4.sin_addr) == 1) {
        out->at.v4.sin_family = AF_INET;
        out->at.v4.sin_port = htons((uint16_t)n);
        out->len = sizeof out->at.v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->at.v6.sin6_addr) != 1) return false;
    out->at.v6.sin6_family = AF_INET6;
    out->at.v6.sin6_port = htons((uint16_t)n);
    out->len = sizeof out->at.v6;
    return true;
}

const char *place_text(const struct place *p, char out[PLACE_CHARS]) {
    char host[INET6_ADDRSTRLEN];
    if (!p->len) return "";
    if (p->at.any.sa_family == AF_INET)
        snprintf(out, PLACE_CHARS, "%s:%u",
                 inet_ntop(AF_INET, &p->at.v4.sin_addr, host, sizeof host),
                 ntohs(p->at.v4.sin_port));
    else
        snprintf(out, PLACE_CHARS, "[%s]:%u",
                 inet_ntop(AF_INET6, &p->at.v6.sin6_addr, host, sizeof host),
                 ntohs(p->at.v6.sin6_port));
    return out;
}
