#include "server/proto/replline.h"

#include "server/base/buf.h"
#include "server/base/num.h"

#include <stdarg.h>
#include <string.h>

/* TYPE digits CR LF. */
static inline char *put_count(char *to, char type, uint64_t n) {
    *to++ = type;
    if (n < 10) {
        *to++ = (char)('0' + n);
    } else if (n < 100) {
        *to++ = (char)('0' + n / 10);
        *to++ = (char)('0' + n % 10);
    } else {
        to += num_format_u64(to, n);
    }
    memcpy(to, "\r\n", 2);
    return to + 2;
}

static inline size_t count_size(uint64_t n) {
    return 3 + (n < 10 ? 1 : n < 100 ? 2 : num_digits_u64(n));
}

size_t replline_request_size(int argc, const struct bytes *argv) {
    size_t n = count_size((uint64_t)argc);
    for (int i = 0; i < argc; i++) n += count_size(argv[i].len) + argv[i].len + 2;
    return n;
}

char *replline_request_to(char *to, int argc, const struct bytes *argv) {
    to = put_count(to, '*', (uint64_t)argc);
    for (int i = 0; i < argc; i++) {
        to = put_count(to, '$', argv[i].len);
        bytes_copy(to, argv[i].p, argv[i].len);
        to += argv[i].len;
        memcpy(to, "\r\n", 2);
        to += 2;
    }
    return to;
}

void replline_request(struct buf *out, int argc, const struct bytes *argv) {
    size_t n = replline_request_size(argc, argv);
    replline_request_to(buf_room(out, n), argc, argv);
    buf_added(out, n);
}

void replline_words(struct buf *out, ...) {
    struct bytes argv[16];
    int argc = 0;
    va_list ap;
    va_start(ap, out);
    for (const char *w; argc < 16 && (w = va_arg(ap, const char *));)
        argv[argc++] = (struct bytes){w, strlen(w)};
    va_end(ap);
    replline_request(out, argc, argv);
}

bool replline_is_id(struct bytes s) {
    if (s.len != REPLLINE_ID_CHARS) return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return true;
}

/* The next word of *rest (single spaces between words); empty at the end. */
static struct bytes word(struct bytes *rest) {
    struct bytes w = {rest->p, 0};
    while (w.len < rest->len && rest->p[w.len] != ' ') w.len++;
    size_t skip = w.len < rest->len ? w.len + 1 : w.len;
    rest->p += skip;
    rest->len -= skip;
    return w;
}

static bool word_u64(struct bytes *rest, uint64_t *v) {
    struct bytes w = word(rest);
    return num_parse_u64(w.p, w.len, v);
}

static bool word_id(struct bytes *rest, char *id) {
    struct bytes w = word(rest);
    if (!replline_is_id(w)) return false;
    memcpy(id, w.p, w.len);
    id[w.len] = '\0';
    return true;
}

static enum replline_kind parse_session(struct replline *l, struct bytes rest) {
    if (!word_u64(&rest, &l->number)) return REPLLINE_BAD;
    if (!bytes_is(word(&rest), "fork")) return REPLLINE_BAD;
    struct bytes fork = word(&rest);
    l->proof = word(&rest);
    if (bytes_is(fork, "none")) return REPLLINE_SESSION;
    l->has_fork = true;
    return num_parse_u64(fork.p, fork.len, &l->offset) ? REPLLINE_SESSION : REPLLINE_BAD;
}

static enum replline_kind parse_hello(struct replline *l, struct bytes rest) {
    l->node = word(&rest);
    l->nonce = word(&rest);
    l->proof = word(&rest);
    return l->node.len == 1 && l->proof.len ? REPLLINE_HELLO : REPLLINE_BAD;
}

static enum replline_kind parse_status(struct replline *l) {
    struct bytes rest = {l->text.p + 1, l->text.len - 1}, first = word(&rest);
    if (bytes_is(first, "PONG")) return REPLLINE_PONG;
    if (bytes_is(first, "CONTINUE")) {
        if (rest.len == 0) return REPLLINE_CONTINUE;
        return word_id(&rest, l->id) ? REPLLINE_CONTINUE : REPLLINE_BAD;
    }
    if (bytes_is(first, "FULLRESYNC")) {
        bool whole = word_id(&rest, l->id) && word_u64(&rest, &l->offset);
        return whole && l->offset <= REPLLINE_OFFSET_MAX ? REPLLINE_FULLRESYNC : REPLLINE_BAD;
    }
    if (!bytes_is(first, "OK")) return REPLLINE_STATUS;
    struct bytes what = word(&rest);
    if (bytes_is(what, "hello")) return parse_hello(l, rest);
    return bytes_is(what, "session") ? parse_session(l, rest) : REPLLINE_STATUS;
}

static enum replline_kind parse_bulk(struct replline *l) {
    struct bytes rest = {l->text.p + 1, l->text.len - 1};
    if (rest.len == 4 + REPLLINE_MARK_BYTES && memcmp(rest.p, "EOF:", 4) == 0) {
        memcpy(l->mark, rest.p + 4, REPLLINE_MARK_BYTES);
        return REPLLINE_MARK;
    }
    return num_parse_u64(rest.p, rest.len, &l->number) ? REPLLINE_LENGTH : REPLLINE_BAD;
}

void replline_parse(struct replline *l, const char *data, size_t len) {
    memset(l, 0, sizeof *l);
    l->kind = REPLLINE_MORE;
    if (len == 0) return;
    const char *nl = memchr(data, '\n', len < REPLLINE_MAX_BYTES ? len : REPLLINE_MAX_BYTES);
    if (!nl) {
        if (len >= REPLLINE_MAX_BYTES) l->kind = REPLLINE_BAD;
        return;
    }
    size_t n = (size_t)(nl - data);
    l->used = n + 1;
    if (n && data[n - 1] == '\r') n--;
    l->text = (struct bytes){data, n};
    if (n == 0)
        l->kind = REPLLINE_EMPTY;
    else if (data[0] == '+')
        l->kind = parse_status(l);
    else if (data[0] == '-')
        l->kind = REPLLINE_ERROR;
    else if (data[0] == '$')
        l->kind = parse_bulk(l);
    else
        l->kind = REPLLINE_BAD;
}
