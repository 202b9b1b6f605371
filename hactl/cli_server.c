#include "hactl/cli_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/reply.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/sock.h"

#define ANSWER_MS 10000

/* The first whole reply; 0 when it does not come. */
static size_t receive(int fd, struct buf *in) {
    uint64_t end = clock_boot_ms() + ANSWER_MS;
    for (;;) {
        long size = buf_len(in) ? reply_size(buf_head(in), buf_len(in)) : 0;
        if (size < 0) return 0;
        if (size > 0) return (size_t)size;
        uint64_t now = clock_boot_ms();
        if (now >= end) return 0;
        long n = sock_recv_some(fd, buf_room(in, 16384), 16384, (int)(end - now));
        if (n <= 0) return 0;
        buf_added(in, (size_t)n);
    }
}

static bool understand(const struct buf *in, size_t size, struct buf *out) {
    struct reply r;
    const char *p = buf_head(in), *end = p + size;
    size_t n = reply_read(p, size, &r);
    if (r.type != '*') {
        if (r.type == ':')
            buf_printf(out, "%lld", (long long)r.number);
        else
            buf_add(out, r.text, r.len);
        return r.type != '-';
    }
    for (p += n; p < end; p += n) {
        n = reply_read(p, (size_t)(end - p), &r);
        buf_add(out, r.text, r.len);
        buf_add_str(out, "\n");
    }
    return true;
}

bool cli_server_ask(const char *root, int number, struct buf *out, int argc,
                    const char *const *argv) {
    struct buf request = BUF_INIT, in = BUF_INIT;
    struct sock_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/run/control-%d.sock", root, number);
    int fd = sock_connect_unix(path, &err);
    if (fd < 0) {
        buf_printf(out, "the server of instance %d cannot be reached: %s", number, strerror(errno));
        return false;
    }
    reply_request(&request, argc, argv);
    size_t size = 0;
    if (sock_send_all(fd, buf_head(&request), buf_len(&request), ANSWER_MS))
        size = receive(fd, &in);
    bool good = size && understand(&in, size, out);
    if (!size) buf_printf(out, "the server of instance %d does not answer", number);
    close(fd);
    buf_free(&request);
    buf_free(&in);
    return good;
}
