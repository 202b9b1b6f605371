#include "hactl/http_get.h"

#include <stdbool.h>
#include <string.h>

#include "server/base/buf.h"

static bool is_token(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Lines end with CR LF; each is a name, a colon, and bytes that are no controls. */
static bool headers_good(const char *p, const char *end) {
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *at = p;
        if (!nl || nl == p || nl[-1] != '\r') return false;
        if (nl == p + 1) return nl + 1 == end;
        while (at < nl && is_token(*at)) at++;
        if (at == p || *at != ':') return false;
        for (at++; at < nl - 1; at++)
            if ((unsigned char)*at < ' ' && *at != '\t') return false;
        p = nl + 1;
    }
    return false;
}

/* "GET /path HTTP/1.1", without its end. */
static int request_line(const char *p, size_t n, char path[HTTP_PATH_LIMIT]) {
    const char *space = memchr(p, ' ', n), *end = p + n;
    size_t method = space ? (size_t)(space - p) : 0;
    for (size_t i = 0; i < method; i++)
        if (!is_token(p[i])) return 400;
    if (!method || method > 16) return 400;
    const char *target = space + 1, *after = memchr(target, ' ', (size_t)(end - target));
    if (!after || after == target || *target != '/') return 400;
    if (end - after != 9 || memcmp(after, " HTTP/", 6) != 0) return 400;
    if (after[6] != '1' || after[7] != '.' || (after[8] != '1' && after[8] != '0')) return 505;
    if (method != 3 || memcmp(p, "GET", 3) != 0) return 405;
    const char *query = memchr(target, '?', (size_t)(after - target));
    size_t len = (size_t)((query ? query : after) - target);
    if (len >= HTTP_PATH_LIMIT) return 414;
    for (const char *c = target; c < after; c++)
        if (*c <= ' ' || *c == 127) return 400;
    memcpy(path, target, len);
    path[len] = 0;
    return 200;
}

int http_request(const char *p, size_t n, char path[HTTP_PATH_LIMIT]) {
    const char *end = n ? memmem(p, n, "\r\n\r\n", 4) : NULL;
    path[0] = 0;
    if (!end) return n >= HTTP_HEAD_LIMIT ? 431 : 0;
    if (end + 4 - p > HTTP_HEAD_LIMIT) return 431;
    const char *line = memchr(p, '\n', n);
    if (line == p || line[-1] != '\r') return 400;
    int status = request_line(p, (size_t)(line - 1 - p), path);
    if (status == 200 && !headers_good(line + 1, end + 4)) status = 400;
    if (status != 200) path[0] = 0;
    return status;
}

void http_answer(struct buf *out, int status, const char *type, const char *body, size_t len) {
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"},
                 {400, "Bad Request"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {414, "URI Too Long"},
                 {431, "Request Header Fields Too Large"},
                 {503, "Service Unavailable"},
                 {505, "HTTP Version Not Supported"}};
    const char *text = "Error";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status) text = texts[i].text;
    buf_printf(out,
               "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sConnection: "
               "close\r\n\r\n",
               status, text, type, len, status == 405 ? "Allow: GET\r\n" : "");
    if (len) buf_add(out, body, len);
}
