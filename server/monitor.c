/* See monitor.h. A line is made once and copied to each. */
#include "server/monitor.h"

#include "server/base/clock.h"
#include "server/base/sock.h"
#include "server/pubsub.h"
#include "server/push.h"
#include "server/server.h"

#include <stdlib.h>
#include <string.h>

size_t monitor_count;
static struct client **monitors;

static void add(struct client *c) {
    c->push->monitor = true;
    monitors = xrealloc(monitors, (monitor_count + 1) * sizeof(struct client *));
    monitors[monitor_count++] = c;
    pubsub_settle(c);
    server_refresh_spies();
}

void monitor_forget(struct client *c) {
    size_t i = 0;
    if (!c->push || !c->push->monitor) return;
    c->push->monitor = false;
    while (monitors[i] != c) i++;
    monitors[i] = monitors[--monitor_count];
    pubsub_settle(c);
    server_refresh_spies();
}

/* ---- A line ---------------------------------------------------------------------------------- */

static void add_origin(const struct client *c, bool from_script, int db, struct buf *out) {
    char name[128] = "?:0";
    if (from_script) {
        buf_printf(out, "[%d lua] ", db);
    } else if (!c) {
        struct repl_status s;
        repl_status(server.repl, &s);
        buf_printf(out, "[%d %s:%u] ", db, s.master_host, s.master_port);
    } else if (c->unix_socket) {
        buf_printf(out, "[%d unix:%s] ", db, server.config.unixsocket);
    } else {
        if (!c->closed) sock_peer_name(c->fd, name, sizeof name);
        buf_printf(out, "[%d %s] ", db, name);
    }
}

static void add_quoted(struct bytes word, struct buf *out) {
    static const char from[] = "\n\r\t\a\b\\\"", to[] = "nrtab\\\"";
    buf_add(out, "\"", 1);
    for (size_t i = 0, plain = 0; i < word.len; i++) {
        char ch = word.p[i];
        const char *special = ch ? memchr(from, ch, sizeof from - 1) : NULL;
        bool shown = !special && (unsigned char)ch >= ' ' && (unsigned char)ch < 0x7f;
        if (shown) plain++;
        if (plain && (!shown || i + 1 == word.len)) {
            buf_add(out, word.p + i + shown - plain, plain);
            plain = 0;
        }
        if (special)
            buf_printf(out, "\\%c", to[special - from]);
        else if (!shown)
            buf_printf(out, "\\x%02x", (unsigned char)ch);
    }
    buf_add(out, "\"", 1);
}

/* ---- Passwords ------------------------------------------------------------------------------- */

/* AUTH's words, HELLO's and MIGRATE's behind AUTH and AUTH2, as far as they make sense. */
static bool is_secret(int argc, const struct bytes *argv, int i) {
    if (i && bytes_is(argv[0], "auth")) return argc <= 3;
    if (bytes_is(argv[0], "hello"))
        return (i > 2 && bytes_is(argv[i - 1], "auth") && i + 1 < argc) ||
               (i > 3 && bytes_is(argv[i - 2], "auth"));
    if (!bytes_is(argv[0], "migrate")) return false;
    return (i > 6 && bytes_is(argv[i - 1], "auth")) || (i > 6 && bytes_is(argv[i - 1], "auth2")) ||
           (i > 7 && bytes_is(argv[i - 2], "auth2"));
}

/* ---- Telling --------------------------------------------------------------------------------- */

void monitor_tell_now(const struct client *client, bool from_script, int db, int argc,
                      const struct bytes *argv) {
    static struct buf line;
    int64_t us = clock_wall_us();
    if (client && client->control) return;
    buf_clear(&line);
    buf_printf(&line, "+%lld.%06lld ", (long long)(us / 1000000), (long long)(us % 1000000));
    add_origin(client, from_script, db, &line);
    for (int i = 0; i < argc; i++) {
        if (i) buf_add(&line, " ", 1);
        add_quoted(is_secret(argc, argv, i) ? BYTES("(redacted)") : argv[i], &line);
    }
    buf_add(&line, "\r\n", 2);
    for (size_t i = 0; i < monitor_count; i++) {
        if (monitors[i]->reply_off || monitors[i]->reply_skip)
            continue; /* it is a reply to MONITOR */
        push_bytes(monitors[i], buf_head(&line), buf_len(&line));
    }
    buf_trim(&line, CONN_KEEP_BYTES);
}

void monitor_tell(const struct client *client, bool from_script, int db, const struct command *cmd,
                  int argc, const struct bytes *argv) {
    if (cmd->flags & (CMD_ADMIN | CMD_SKIP_MONITOR | CMD_HIDDEN)) return;
    monitor_tell_now(client, from_script, db, argc, argv);
}

static void cmd_monitor(struct call *c) {
    struct client *me = c->client;
    if (c->flags & CALL_DENY_BLOCKING) {
        reply_error(c, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    if (push_of(me)->monitor) return; /* without a reply, as in Redis */
    add(me);
    reply_ok(c);
}

void register_monitor_commands(void) {
    command_set_function("monitor", cmd_monitor);
}
