/* See slowlog.h. */
#include "server/slowlog.h"

#include "server/base/clock.h"
#include "server/base/sock.h"
#include "server/client.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 32, WORD_BYTES_MAX = 128 };

struct slow {
    struct slow *next; /* older */
    uint64_t id, us;
    int64_t wall_s;
    int argc;
    struct bytes argv[WORDS_MAX]; /* malloc'ed */
    char peer[128], name[128];
};

static struct slow *newest;
static int64_t count;
static uint64_t next_id;

static void drop(struct slow *s) {
    for (int i = 0; i < s->argc; i++) free((void *)(uintptr_t)s->argv[i].p);
    free(s);
    count--;
}

/* Drops what is beyond the newest keep. */
static void trim(int64_t keep) {
    struct slow **at = &newest;
    for (int64_t i = 0; i < keep && *at; i++) at = &(*at)->next;
    while (*at) {
        struct slow *s = *at;
        *at = s->next;
        drop(s);
    }
}

static struct bytes cut(struct bytes word) {
    if (word.len <= WORD_BYTES_MAX)
        return (struct bytes){xmemdup(word.len ? word.p : "", word.len ? word.len : 1), word.len};
    struct buf b = BUF_INIT;
    buf_add(&b, word.p, WORD_BYTES_MAX);
    buf_printf(&b, "... (%zu more bytes)", word.len - WORD_BYTES_MAX);
    struct bytes copy = {xmemdup(buf_head(&b), buf_len(&b)), buf_len(&b)};
    buf_free(&b);
    return copy;
}

/* --- what must not be seen --- */

static bool follows(const struct bytes *argv, int i, int distance, const char *word) {
    return i > distance && bytes_is(argv[i - distance], word);
}

static bool is_secret_directive(struct bytes name) {
    const struct config_row *row = config_find(name.p, name.len);
    return row && row->flags & CONFIG_SECRET;
}

/* A word that is a password, or a name that goes with one. */
bool slowlog_is_secret(int argc, const struct bytes *argv, int i) {
    if (i < 1) return false;
    if (bytes_is(argv[0], "auth")) return true;
    if (bytes_is(argv[0], "hello"))
        return follows(argv, i, 1, "auth") || follows(argv, i, 2, "auth");
    if (bytes_is(argv[0], "config"))
        return argc > 3 && bytes_is(argv[1], "set") && i >= 3 && i % 2 &&
               is_secret_directive(argv[i - 1]);
    if (bytes_is(argv[0], "migrate") && i > 5)
        return follows(argv, i, 1, "auth") || follows(argv, i, 1, "auth2") ||
               follows(argv, i, 2, "auth2");
    if (bytes_is(argv[0], "acl")) return i > 1 && bytes_is(argv[1], "setuser");
    return false;
}

void slowlog_add(const struct client *c, int argc, const struct bytes *argv, uint64_t us) {
    if (!server.config.slowlog_len) return;
    struct slow *s = xcalloc(1, sizeof *s);
    s->id = next_id++;
    s->us = us;
    s->wall_s = clock_wall_ms() / 1000;
    s->argc = argc < WORDS_MAX ? argc : WORDS_MAX;
    for (int i = 0; i < s->argc; i++) {
        if (i < WORDS_MAX - 1 || argc == WORDS_MAX) {
            s->argv[i] = cut(slowlog_is_secret(argc, argv, i) ? BYTES("(redacted)") : argv[i]);
            continue;
        }
        char *text = xasprintf("... (%d more arguments)", argc - WORDS_MAX + 1);
        s->argv[i] = (struct bytes){text, strlen(text)};
    }
    if (!c->closed) sock_peer_name(c->fd, s->peer, sizeof s->peer);
    snprintf(s->name, sizeof s->name, "%s", c->name ? c->name : "");
    s->next = newest;
    newest = s;
    count++;
    trim(server.config.slowlog_len);
}

static void slowlog_get(struct call *c) {
    int64_t most = 10, n = 0;
    if (c->argc > 2 && !arg_int_range(c, 2, -1, INT64_MAX,
                                      "ERR count should be greater than or equal to -1", &most))
        return;
    if (most == -1 || most > count) most = count;
    reply_array(c, (size_t)most);
    for (const struct slow *s = newest; s && n < most; s = s->next, n++) {
        reply_array(c, 6);
        reply_int(c, (int64_t)s->id);
        reply_int(c, s->wall_s);
        reply_int(c, (int64_t)s->us);
        reply_array(c, (size_t)s->argc);
        for (int i = 0; i < s->argc; i++) reply_bulk(c, s->argv[i]);
        reply_bulk_str(c, s->peer);
        reply_bulk_str(c, s->name);
    }
}

static void slowlog_len(struct call *c) {
    reply_int(c, count);
}

static void slowlog_reset(struct call *c) {
    trim(0);
    reply_ok(c);
}

static void slowlog_help(struct call *c) {
    static const char *const lines[] = {"GET [<count>]",
                                        "    The newest entries (10 unless told, -1: all), each",
                                        "    with id, time, microseconds, words, address, name.",
                                        "LEN",
                                        "    How many there are.",
                                        "RESET",
                                        "    Forget them.",
                                        NULL};
    reply_help(c, lines);
}

void register_slowlog_commands(void) {
    command_set_function("slowlog|get", slowlog_get);
    command_set_function("slowlog|len", slowlog_len);
    command_set_function("slowlog|reset", slowlog_reset);
    command_set_function("slowlog|help", slowlog_help);
}
