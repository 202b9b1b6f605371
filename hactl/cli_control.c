#include "hactl/cli_control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/reply.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/sock.h"

#define ANSWER_MS   10000
#define INFO_MS     2000
#define LOG_MS      300000 /* the log is read through */
#define WORDS_LIMIT 16

static enum control_result say(struct control_answer *out, enum control_result r, const char *text,
                               size_t len) {
    snprintf(out->text, sizeof out->text, "%.*s", (int)len, text);
    return r;
}

static enum control_result down(struct control_answer *out, unsigned instance, const char *why) {
    snprintf(out->text, sizeof out->text, "the server of instance %u does not answer: %s", instance,
             why);
    return CONTROL_DOWN;
}

/* Names and values, all of them bulk strings. */
static enum control_result take_array(struct control_answer *out, const char *p, size_t n,
                                      int64_t count) {
    char name[128], value[512];
    struct reply one;
    for (int64_t i = 0; i + 1 < count; i += 2) {
        size_t used = reply_read(p, n, &one);
        snprintf(name, sizeof name, "%.*s", (int)one.len, one.text);
        p += used, n -= used;
        used = reply_read(p, n, &one);
        snprintf(value, sizeof value, "%.*s", (int)one.len, one.text);
        p += used, n -= used;
        fields_add_text(&out->fields, value, "%s", name);
    }
    return CONTROL_OK;
}

static enum control_result understand(struct control_answer *out, const char *p, size_t n) {
    struct reply r;
    size_t used = reply_read(p, n, &r);
    if (r.type == '*') return take_array(out, p + used, n - used, r.number);
    if (r.type == '-' && r.len > 4 && memcmp(r.text, "ERR ", 4) == 0)
        return say(out, CONTROL_NO, r.text + 4, r.len - 4);
    return say(out, r.type == '-' ? CONTROL_NO : CONTROL_OK, r.text, r.len);
}

/* One request, and its whole reply in b: the reply's size; 0: it closed the connection or did not answer (errno), -1: it is
 * no reply. */
static long exchange(int fd, struct buf *b, long limit_ms) {
    bool sent = sock_send_all(fd, buf_head(b), buf_len(b), ANSWER_MS);
    uint64_t end = clock_boot_ms() + (uint64_t)limit_ms;
    long size = 0, n = 1;
    buf_clear(b);
    while (sent && n > 0 && size == 0) {
        uint64_t now = clock_boot_ms();
        n = now >= end ? -1 : sock_recv_some(fd, buf_room(b, 16384), 16384, (int)(end - now));
        if (n > 0) buf_added(b, (size_t)n);
        if (n > 0) size = reply_size(buf_head(b), buf_len(b));
    }
    if (n == 0) errno = ECONNRESET;
    return size;
}

static int connect_to(const char *root, unsigned instance, struct sock_error *err) {
    char path[512];
    snprintf(path, sizeof path, "%s/run/control-%u.sock", root, instance);
    return sock_connect_unix(path, err);
}

enum control_result control_ask(const char *root, unsigned instance, struct control_answer *out,
                                int argc, const char *const *argv) {
    const char *words[WORDS_LIMIT] = {"DUET"};
    struct buf b = BUF_INIT;
    struct sock_error err;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < argc && i < WORDS_LIMIT - 1; i++) words[i + 1] = argv[i];
    int fd = connect_to(root, instance, &err);
    if (fd < 0) return down(out, instance, err.text);
    reply_request(&b, argc + 1, words);
    enum control_result result;
    long size = exchange(fd, &b, strcmp(argv[0], "LOG") == 0 ? LOG_MS : ANSWER_MS);
    if (size > 0)
        result = understand(out, buf_head(&b), buf_len(&b));
    else
        result =
            down(out, instance,
                 size < 0 || errno == ECONNRESET ? "it closed the connection" : strerror(errno));
    close(fd);
    buf_free(&b);
    return result;
}

bool control_info(const char *root, unsigned instance, struct buf *out) {
    const char *const words[] = {"INFO"};
    struct buf b = BUF_INIT;
    struct reply r = {0};
    int fd = connect_to(root, instance, NULL);
    if (fd < 0) return false;
    reply_request(&b, 1, words);
    bool good = exchange(fd, &b, INFO_MS) > 0 && reply_read(buf_head(&b), buf_len(&b), &r) > 0 &&
                r.type == '$';
    if (good) buf_add(out, r.text, r.len);
    close(fd);
    buf_free(&b);
    return good;
}

void control_answer_free(struct control_answer *a) {
    fields_free(&a->fields);
}
