/* One buffer of requests, one of answers, and a row of what waits for an answer: labels for complaints. Inside of a
 * transaction the row is kept until its EXEC is answered, whose elements belong to it in order. */
#include "hactl/import/target.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hactl/import/answer.h"
#include "hactl/import/inventory.h"
#include "hactl/import/rdb_keys.h"
#include "server/base/clock.h"
#include "server/base/sock.h"

#define WINDOW_BYTES (4 << 20)
#define WINDOW_COUNT 20000
#define SEND_BYTES   (128 << 10) /* gathered before they are sent */
#define READ_BYTES   (64 << 10)
#define TIMEOUT_MS   60000

enum kind { KIND_PLAIN, KIND_SELECT, KIND_MULTI, KIND_EXEC, KIND_ASKED };

struct pending {
    size_t bytes;
    uint8_t kind, label_len;
    char label[54];
};

struct target {
    int fd, timeout_ms, db;
    size_t window, waiting; /* bytes without an answer */
    struct buf out, in;
    struct pending *row;
    size_t first, next, end, room; /* kept from, to be answered, behind the last; of `row` */
    bool multi, in_exec;           /* sending; being answered */
    struct bytes asked;            /* the answer that stands in `in`, eaten by the next call */
    struct target_counts counts;
    struct target_error errors[TARGET_ERRORS];
    size_t error_count;
    char why[200];
};

/* ---- errors ---- */

static bool lost(struct target *t, const char *why) {
    if (!t->why[0]) snprintf(t->why, sizeof t->why, "%s", why);
    return false;
}

/* Words up to the first quote or digit: what tells errors of one sort apart from others. */
static size_t sort_of(const char *s) {
    size_t n = strcspn(s, ":'\"0123456789");
    return n < 12 ? strlen(s) : n;
}

static void note_error(struct target *t, struct bytes text, const struct pending *p) {
    char what[sizeof t->errors[0].what];
    snprintf(what, sizeof what, "%.*s", (int)(text.len < 150 ? text.len : 150), text.p);
    t->counts.failed++;
    size_t n = sort_of(what);
    for (size_t i = 0; i < t->error_count; i++) {
        struct target_error *e = &t->errors[i];
        if (sort_of(e->what) != n || strncmp(e->what, what, n) != 0) continue;
        e->count++;
        return;
    }
    if (t->error_count == TARGET_ERRORS) return;
    struct target_error *e = &t->errors[t->error_count++];
    *e = (struct target_error){.count = 1};
    memcpy(e->what, what, sizeof what);
    inventory_name(e->key, sizeof e->key, (struct bytes){p->label, p->label_len});
}

/* ---- answers ---- */

static void exec_answer(struct target *t, const char *p, size_t size) {
    const char *at = p, *end = p + size;
    struct answer_item a = answer_next(&at, end);
    const struct pending *of = &t->row[t->first + 1];
    if (a.type == '-') note_error(t, a.text, of);
    for (int64_t i = 0; a.type == '*' && i < a.number; i++) {
        struct answer_item one = answer_item(at, (size_t)(end - at));
        if (one.type == '-' && t->first + 1 + (size_t)i < t->next) note_error(t, one.text, of + i);
        answer_pass(&at, end);
    }
    t->in_exec = false;
}

/* An answer to the next of the row. */
static void take_answer(struct target *t, const char *p, size_t size) {
    struct pending *of = &t->row[t->next];
    struct answer_item a = answer_item(p, size);
    t->waiting -= of->bytes;
    t->counts.answered++;
    if (of->kind == KIND_MULTI) {
        t->in_exec = true;
        t->first = t->next;
    }
    if (of->kind == KIND_EXEC)
        exec_answer(t, p, size);
    else if (a.type == '-' && of->kind != KIND_ASKED)
        note_error(t, a.text, of);
    t->next++;
    if (!t->in_exec) t->first = t->next;
    if (t->first == t->end) t->first = t->next = t->end = 0;
}

static bool take_answers(struct target *t) {
    while (t->next < t->end) {
        long size = buf_len(&t->in) ? answer_size(buf_head(&t->in), buf_len(&t->in)) : 0;
        if (size < 0) return lost(t, "the target answers what is no answer");
        if (!size) break;
        bool asked = t->row[t->next].kind == KIND_ASKED;
        take_answer(t, buf_head(&t->in), (size_t)size);
        if (asked) {
            t->asked = (struct bytes){buf_head(&t->in), (size_t)size};
            return true;
        }
        buf_eat(&t->in, (size_t)size);
    }
    return true;
}

/* ---- the connection ---- */

static bool read_some(struct target *t) {
    for (;;) {
        ssize_t n = read(t->fd, buf_room(&t->in, READ_BYTES), READ_BYTES);
        if (n == 0) return lost(t, "the target closed the connection");
        if (n < 0) return errno == EAGAIN || errno == EINTR || lost(t, strerror(errno));
        buf_added(&t->in, (size_t)n);
        if (!take_answers(t)) return false;
        if (n < READ_BYTES) return true;
    }
}

static bool write_some(struct target *t) {
    while (buf_len(&t->out)) {
        ssize_t n = send(t->fd, buf_head(&t->out), buf_len(&t->out), MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == EINTR || lost(t, strerror(errno));
        buf_eat(&t->out, (size_t)n);
    }
    return true;
}

/* One turn: waits at most wait_ms for the socket. *idle: nothing came of it. */
static bool turn(struct target *t, int wait_ms, bool *idle) {
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    if (buf_len(&t->out)) p.events |= POLLOUT;
    int n = poll(&p, 1, wait_ms);
    *idle = n == 0;
    if (n < 0) return errno == EINTR || lost(t, strerror(errno));
    if (p.revents & POLLOUT && !write_some(t)) return false;
    if (p.revents & (POLLIN | POLLHUP | POLLERR) && !read_some(t)) return false;
    return true;
}

/* Until no more than so many bytes and commands are without an answer. */
static bool drain(struct target *t, size_t bytes, size_t count) {
    bool idle;
    if (t->why[0] || !write_some(t)) return false;
    while (t->waiting > bytes || t->end - t->next > count) {
        if (t->asked.p) return true;
        if (!turn(t, t->timeout_ms, &idle)) return false;
        if (idle) return lost(t, "the target does not answer");
    }
    return true;
}

static void forget_asked(struct target *t) {
    if (t->asked.p) buf_eat(&t->in, t->asked.len);
    t->asked = (struct bytes){NULL, 0};
}

static int connect_tcp(const struct target_options *o, char *why, size_t why_size) {
    struct sock_error err;
    int fd = sock_connect_tcp(o->host, o->port, NULL, &err), e;
    if (fd < 0) {
        snprintf(why, why_size, "%s", err.text);
        return -1;
    }
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int n = poll(&p, 1, 10000);
    e = n > 0 ? sock_connect_result(fd) : ETIMEDOUT;
    sock_set_nodelay(fd);
    if (!e) return fd;
    snprintf(why, why_size, "%s:%u: %s", o->host, o->port, strerror(e));
    close(fd);
    return -1;
}

static bool log_in(struct target *t, const struct target_options *o, char *why, size_t why_size) {
    const char *words[] = {"AUTH", o->user ? o->user : o->password, o->password};
    struct buf text = BUF_INIT;
    if (!o->password) return true;
    bool well = target_ask_words(t, &text, o->user ? 3 : 2, words);
    if (!well)
        snprintf(why, why_size, "the target refuses the password: %s",
                 buf_len(&text) ? buf_cstr(&text) : t->why);
    buf_free(&text);
    return well;
}

struct target *target_open(const struct target_options *o, char *why, size_t why_size) {
    struct sock_error err;
    int fd = o->unix_path ? sock_connect_unix(o->unix_path, &err) : connect_tcp(o, why, why_size);
    if (fd < 0) {
        if (o->unix_path) snprintf(why, why_size, "%s", err.text);
        return NULL;
    }
    struct target *t = xcalloc(1, sizeof *t);
    t->fd = fd;
    /* A local socket holds 208 KB by itself: each of the two would wait for the other all the time. */
    const int room = WINDOW_BYTES;
    if (o->unix_path && setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    t->window = o->window_bytes ? o->window_bytes : WINDOW_BYTES;
    t->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
    if (log_in(t, o, why, why_size)) return t;
    target_close(t);
    return NULL;
}

void target_close(struct target *t) {
    if (!t) return;
    close(t->fd);
    buf_free(&t->out);
    buf_free(&t->in);
    free(t->row);
    free(t);
}

/* ---- requests ---- */

static void put_head(struct buf *out, char sign, size_t n) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%c%zu\r\n", sign, n);
    buf_add(out, digits, (size_t)len);
}

static void put_word(struct buf *out, struct bytes w) {
    put_head(out, '$', w.len);
    buf_add(out, w.p, w.len);
    buf_add(out, "\r\n", 2);
}

static void await(struct target *t, enum kind kind, size_t bytes, struct bytes label) {
    if (t->end == t->room && t->first) {
        memmove(t->row, t->row + t->first, (t->end - t->first) * sizeof *t->row);
        t->next -= t->first;
        t->end -= t->first;
        t->first = 0;
    }
    if (t->end == t->room) {
        t->room = t->room ? t->room * 2 : 256;
        t->row = xrealloc(t->row, t->room * sizeof *t->row);
    }
    struct pending *p = &t->row[t->end++];
    p->bytes = bytes;
    p->kind = kind;
    p->label_len = (uint8_t)(label.len < sizeof p->label ? label.len : sizeof p->label);
    memcpy(p->label, label.p, p->label_len);
    t->waiting += bytes;
    t->counts.sent++;
    t->counts.bytes += bytes;
}

/* What was written into out from `from` on is one request. */
static bool sent(struct target *t, enum kind kind, size_t from, struct bytes label) {
    await(t, kind, buf_len(&t->out) - from, label);
    if (t->waiting > t->window || t->end - t->next > WINDOW_COUNT)
        return drain(t, t->window / 2, WINDOW_COUNT / 2);
    if (buf_len(&t->out) < SEND_BYTES) return true;
    return write_some(t) && read_some(t);
}

static bool send_words(struct target *t, enum kind kind, int argc, const struct bytes *argv,
                       struct bytes label) {
    size_t from = buf_len(&t->out);
    if (t->why[0]) return false;
    forget_asked(t);
    put_head(&t->out, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) put_word(&t->out, argv[i]);
    return sent(t, kind, from, label);
}

static bool choose(struct target *t, int db) {
    char digits[16];
    struct bytes words[] = {BYTES("SELECT"), {digits, 0}};
    if (db == t->db) return true;
    words[1].len = (size_t)snprintf(digits, sizeof digits, "%d", db);
    t->db = db;
    return send_words(t, KIND_SELECT, 2, words, words[1]);
}

bool target_command(struct target *t, int db, int argc, const struct bytes *argv,
                    struct bytes label) {
    return choose(t, db) && send_words(t, KIND_PLAIN, argc, argv, label);
}

static int dump_version(const struct target_restore *r) {
    int since = rdb_type_since(r->type);
    if (r->dump_version) return r->dump_version;
    return since > RDB_VERSION ? since : RDB_VERSION;
}

bool target_restore(struct target *t, const struct target_restore *r) {
    char footer[RDB_DUMP_FOOTER], head = (char)r->type, ttl[24], use[16];
    const bool idle = r->idle_s > 0, freq = !idle && r->freq >= 0;
    if (!choose(t, r->db) || t->why[0]) return false;
    forget_asked(t);
    size_t from = buf_len(&t->out);
    int n = snprintf(ttl, sizeof ttl, "%lld", (long long)(r->expire_ms < 0 ? 0 : r->expire_ms));
    rdb_dump_footer(footer, r->type, r->value, dump_version(r));
    const bool timed = r->expire_ms >= 0;
    put_head(&t->out, '*', 5 + timed + 2 * (idle || freq));
    put_word(&t->out, BYTES("RESTORE"));
    put_word(&t->out, r->key);
    put_word(&t->out, (struct bytes){ttl, (size_t)n});
    put_head(&t->out, '$', 1 + r->value.len + sizeof footer);
    buf_add(&t->out, &head, 1);
    buf_add(&t->out, r->value.p, r->value.len);
    buf_add(&t->out, footer, sizeof footer);
    buf_add(&t->out, "\r\n", 2);
    put_word(&t->out, BYTES("REPLACE"));
    if (timed) put_word(&t->out, BYTES("ABSTTL"));
    if (idle || freq) {
        n = snprintf(use, sizeof use, "%d", idle ? r->idle_s : r->freq);
        put_word(&t->out, idle ? BYTES("IDLETIME") : BYTES("FREQ"));
        put_word(&t->out, (struct bytes){use, (size_t)n});
    }
    return sent(t, KIND_PLAIN, from, r->key);
}

bool target_multi(struct target *t) {
    t->multi = true;
    return send_words(t, KIND_MULTI, 1, &BYTES("MULTI"), BYTES("MULTI"));
}

bool target_exec(struct target *t) {
    t->multi = false;
    return send_words(t, KIND_EXEC, 1, &BYTES("EXEC"), BYTES("EXEC"));
}

bool target_flush(struct target *t) {
    forget_asked(t);
    return drain(t, 0, 0);
}

bool target_poll(struct target *t) {
    bool idle;
    forget_asked(t);
    return !t->why[0] && write_some(t) && turn(t, 0, &idle);
}

bool target_ask(struct target *t, struct bytes *reply, int argc, const struct bytes *argv) {
    bool idle = false;
    if (!target_flush(t) || !send_words(t, KIND_ASKED, argc, argv, BYTES(""))) return false;
    if (!write_some(t)) return false;
    while (!t->asked.p) {
        if (idle) return lost(t, "the target does not answer");
        if (!turn(t, t->timeout_ms, &idle)) return false;
    }
    *reply = t->asked;
    return true;
}

bool target_ask_words(struct target *t, struct buf *text, int argc, const char *const *argv) {
    struct bytes words[16], reply;
    for (int i = 0; i < argc && i < 16; i++) words[i] = (struct bytes){argv[i], strlen(argv[i])};
    if (!target_ask(t, &reply, argc < 16 ? argc : 16, words)) {
        buf_add_str(text, t->why);
        return false;
    }
    struct answer_item a = answer_item(reply.p, reply.len);
    buf_add(text, a.text.p, a.text.len);
    return a.type != '-';
}

int target_fd(const struct target *t) {
    return t->fd;
}

const char *target_why(const struct target *t) {
    return t->why;
}

const struct target_counts *target_counts(const struct target *t) {
    return &t->counts;
}

size_t target_errors(const struct target *t, const struct target_error **list) {
    *list = t->errors;
    return t->error_count;
}

void target_errors_forget(struct target *t) {
    t->error_count = 0;
    t->counts.failed = 0;
}
