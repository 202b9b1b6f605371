#include "hactl/tail_source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "server/base/num.h"

enum { READ_BYTES = 64 * 1024 };

void tail_source_open(struct tail_source *s, int fd) {
    memset(s, 0, sizeof *s);
    s->fd = fd;
}

void tail_source_close(struct tail_source *s) {
    buf_free(&s->in);
    resp_parser_free(&s->parser);
    resp_args_free(&s->args);
}

/* False: there is no more. */
static bool read_more(struct tail_source *s) {
    ssize_t n;
    do n = read(s->fd, buf_room(&s->in, READ_BYTES), READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0) s->trouble = strerror(errno);
    if (n > 0) buf_added(&s->in, (size_t)n);
    if (n == 0 && buf_len(&s->in)) s->trouble = "the last request is not whole";
    return n > 0;
}

static bool one(struct tail_source *s) {
    static const struct resp_limits limits = {.bulk_max = 512ull << 20};
    buf_eat(&s->in, s->taken);
    s->taken = 0;
    for (;;) {
        enum resp_state st = RESP_MORE;
        s->args.count = 0;
        if (buf_len(&s->in))
            st = resp_parse(&s->parser, buf_head(&s->in), buf_len(&s->in), &limits, &s->args);
        if (st == RESP_BAD) s->trouble = "this is no row of requests";
        if (st == RESP_BAD || (st == RESP_MORE && !read_more(s))) return false;
        if (st == RESP_EMPTY) buf_eat(&s->in, s->parser.used);
        if (st != RESP_DONE) continue;
        s->taken = s->parser.used;
        return true;
    }
}

bool tail_source_next(struct tail_source *s) {
    int64_t db;
    while (!s->trouble && one(s)) {
        const struct bytes *v = s->args.v;
        if (!bytes_is(v[0], "select")) {
            s->number++;
            return true;
        }
        if (s->args.count != 2 || !num_parse_i64(v[1].p, v[1].len, &db) || db < 0 ||
            db > INT32_MAX) {
            s->trouble = "a SELECT makes no sense";
            return false;
        }
        s->db = (int)db;
    }
    return false;
}
