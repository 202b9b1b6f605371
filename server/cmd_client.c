/* CLIENT and its subcommands. */
#include "server/server.h"

#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/base/sock.h"
#include "server/blocked.h"
#include "server/client.h"
#include "server/output.h"

#include <stdio.h>
#include <stdlib.h>

#define BAD_NAME "ERR Client names cannot contain spaces, newlines or special characters."

/* A timeout in milliseconds that can still be added to a time in ns; else replies the error. */
static bool arg_timeout_ms(struct call *c, int i, int64_t *ms) {
    if (!num_parse_i64(c->argv[i].p, c->argv[i].len, ms) || *ms > INT64_MAX / 2000000) {
        reply_error(c, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (*ms < 0) reply_error(c, "ERR timeout is negative");
    return *ms >= 0;
}

static void client_id(struct call *c) {
    const struct client *me = c->client;
    reply_int(c, (int64_t)me->id);
}

static void client_getname(struct call *c) {
    const struct client *me = c->client;
    if (me->name)
        reply_bulk_str(c, me->name);
    else
        reply_null(c);
}

static void client_setname(struct call *c) {
    struct client *me = c->client;
    if (!client_name_is_valid(c->argv[2])) {
        reply_error(c, BAD_NAME);
        return;
    }
    client_set_text(&me->name, c->argv[2]);
    reply_ok(c);
}

static void client_setinfo(struct call *c) {
    struct client *me = c->client;
    bool lib = bytes_is(c->argv[2], "lib-name"), ver = bytes_is(c->argv[2], "lib-ver");
    if (!lib && !ver) {
        reply_errorf(c, "ERR Unrecognized option '%.*s'", (int)c->argv[2].len, c->argv[2].p);
        return;
    }
    if (!client_name_is_valid(c->argv[3])) {
        reply_errorf(c, "ERR %s cannot contain spaces, newlines or special characters.",
                     lib ? "lib-name" : "lib-ver");
        return;
    }
    client_set_text(lib ? &me->lib_name : &me->lib_ver, c->argv[3]);
    reply_ok(c);
}

/* The bytes that the words came in. */
static size_t request_bytes(const struct call *c) {
    char text[32];
    size_t n = (size_t)snprintf(text, sizeof text, "*%d\r\n", c->argc);
    for (int i = 0; i < c->argc; i++)
        n += c->argv[i].len + 2 + (size_t)snprintf(text, sizeof text, "$%zu\r\n", c->argv[i].len);
    return n;
}

static void client_info(struct call *c) {
    struct buf text = BUF_INIT;
    client_asking_bytes = request_bytes(c);
    client_describe(c->client, &text);
    resp_verbatim(c->out, c->resp, "txt", buf_head(&text), buf_len(&text));
    buf_free(&text);
}

/* --- LIST --- */

enum type { TYPE_ANY = -1, TYPE_NORMAL, TYPE_MASTER, TYPE_SLAVE, TYPE_PUBSUB };

static bool read_type(struct call *c, struct bytes word, enum type *type) {
    if (bytes_is(word, "normal"))
        *type = TYPE_NORMAL;
    else if (bytes_is(word, "master"))
        *type = TYPE_MASTER;
    else if (bytes_is(word, "slave") || bytes_is(word, "replica"))
        *type = TYPE_SLAVE;
    else if (bytes_is(word, "pubsub"))
        *type = TYPE_PUBSUB;
    else {
        reply_errorf(c, "ERR Unknown client type '%.*s'", (int)word.len, word.p);
        return false;
    }
    return true;
}

static bool is_of(const struct client *c, enum type type) {
    enum type own = client_class(c) == CLASS_PUBSUB ? TYPE_PUBSUB : TYPE_NORMAL;
    return type == TYPE_ANY || type == own;
}

static void list_ids(struct call *c, struct buf *text) {
    for (int i = 3; i < c->argc; i++) {
        int64_t id;
        if (!num_parse_i64(c->argv[i].p, c->argv[i].len, &id)) {
            reply_error(c, "ERR Invalid client ID");
            return;
        }
        const struct client *one = client_by_id((uint64_t)id);
        if (one) client_describe(one, text);
    }
}

/* Oldest first, as Redis lists them. */
static void list_all(enum type type, struct buf *text) {
    const struct client *last = server.clients;
    while (last && last->next) last = last->next;
    for (; last; last = last->prev) {
        if (is_of(last, type)) client_describe(last, text);
    }
}

static void client_list(struct call *c) {
    struct buf text = BUF_INIT;
    enum type type = TYPE_ANY;
    client_asking_bytes = request_bytes(c);
    if (c->argc == 4 && bytes_is(c->argv[2], "type")) {
        if (!read_type(c, c->argv[3], &type)) return;
        list_all(type, &text);
    } else if (c->argc > 3 && bytes_is(c->argv[2], "id")) {
        list_ids(c, &text);
    } else if (c->argc == 2) {
        list_all(type, &text);
    } else {
        reply_error(c, ERR_SYNTAX);
    }
    if (!c->failed)
        resp_verbatim(c->out, c->resp, "txt", buf_len(&text) ? buf_head(&text) : "",
                      buf_len(&text));
    buf_free(&text);
}

/* --- KILL --- */

struct kill {
    struct bytes addr, laddr;
    int64_t id, max_age;
    enum type type;
    bool skip_me, has_user;
};

static bool name_is(struct bytes want, const struct client *one, bool local) {
    char name[128];
    if (!want.p) return true;
    if (one->closed) return false;
    if (local)
        sock_local_name(one->fd, name, sizeof name);
    else
        sock_peer_name(one->fd, name, sizeof name);
    return bytes_equal(want, (struct bytes){name, strlen(name)});
}

static bool is_meant(const struct kill *k, const struct client *one, const struct client *me) {
    if (one->control) return false;
    if (k->id && one->id != (uint64_t)k->id) return false;
    if (!is_of(one, k->type)) return false;
    if (k->skip_me && one == me) return false;
    return name_is(k->addr, one, false) && name_is(k->laddr, one, true);
}

static bool read_kill(struct call *c, struct kill *k) {
    for (int i = 2; i < c->argc; i += 2) {
        struct bytes name = c->argv[i], value = c->argv[i + 1 < c->argc ? i + 1 : i];
        if (i + 1 == c->argc) {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
        if (bytes_is(name, "id")) {
            if (!num_parse_i64(value.p, value.len, &k->id) || k->id < 1) {
                reply_error(c, "ERR client-id should be greater than 0");
                return false;
            }
        } else if (bytes_is(name, "type")) {
            if (!read_type(c, value, &k->type)) return false;
        } else if (bytes_is(name, "addr")) {
            k->addr = value;
        } else if (bytes_is(name, "laddr")) {
            k->laddr = value;
        } else if (bytes_is(name, "user")) {
            if (!bytes_equal(value, BYTES("default"))) {
                reply_errorf(c, "ERR No such user '%.*s'", (int)value.len, value.p);
                return false;
            }
        } else if (bytes_is(name, "skipme") && bytes_is(value, "yes")) {
            k->skip_me = true;
        } else if (bytes_is(name, "skipme") && bytes_is(value, "no")) {
            k->skip_me = false;
        } else {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static void client_kill(struct call *c) {
    struct client *me = c->client, *next;
    struct kill k = {.type = TYPE_ANY, .skip_me = true};
    bool old_form = c->argc == 3, mine = false;
    int64_t killed = 0;
    if (old_form) {
        k.addr = c->argv[2];
        k.skip_me = false;
    } else if (!read_kill(c, &k)) {
        return;
    }
    if (k.type == TYPE_SLAVE && server.repl) {
        killed = repl_slave_count(server.repl);
        repl_drop_slaves(server.repl, "CLIENT KILL");
    }
    for (struct client *one = server.clients; one; one = next) {
        next = one->next;
        if (!is_meant(&k, one, me)) continue;
        killed++;
        mine = mine || one == me;
        if (one != me) client_close(one);
    }
    if (old_form && !killed)
        reply_error(c, "ERR No such client");
    else if (old_form)
        reply_ok(c);
    else
        reply_int(c, killed);
    if (mine) me->close_after_reply = true;
}

/* --- PAUSE, REPLY and small ones --- */

static void client_pause(struct call *c) {
    int64_t ms;
    bool all = true;
    if (c->argc == 4) {
        if (bytes_is(c->argv[3], "write"))
            all = false;
        else if (!bytes_is(c->argv[3], "all")) {
            reply_error(c, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return;
        }
    }
    if (!arg_timeout_ms(c, 2, &ms)) return;
    uint64_t until = clock_boot_ns() + (uint64_t)ms * NS_PER_MS;
    if (until > server.pause_until_ns) server.pause_until_ns = until;
    server.pause_all = server.pause_all || all;
    reply_ok(c);
}

static void client_unpause(struct call *c) {
    server.pause_until_ns = 0;
    server.pause_all = false;
    reply_ok(c);
}

static void client_reply(struct call *c) {
    struct client *me = c->client;
    if (bytes_is(c->argv[2], "on")) {
        me->reply_off = me->reply_skip = false;
        reply_ok(c);
    } else if (bytes_is(c->argv[2], "off")) {
        me->reply_off = true;
    } else if (bytes_is(c->argv[2], "skip")) {
        if (!me->reply_off) me->reply_skip_next = true;
    } else {
        reply_error(c, ERR_SYNTAX);
    }
}

static bool on_or_off(struct call *c, bool *flag) {
    bool on = bytes_is(c->argv[2], "on");
    if (!on && !bytes_is(c->argv[2], "off")) {
        reply_error(c, ERR_SYNTAX);
        return false;
    }
    *flag = on;
    reply_ok(c);
    return true;
}

static void client_no_evict(struct call *c) {
    struct client *me = c->client;
    on_or_off(c, &me->no_evict);
}

static void client_unblock(struct call *c) {
    int64_t id;
    if (c->argc == 4 && !bytes_is(c->argv[3], "timeout") && !bytes_is(c->argv[3], "error")) {
        reply_error(c, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (!arg_int(c, 2, &id)) return;
    struct client *one = client_by_id((uint64_t)id);
    const char *error = c->argc == 4 && bytes_is(c->argv[3], "error")
                            ? "UNBLOCKED client unblocked via CLIENT UNBLOCK"
                            : NULL;
    bool waits = one && (one->stall == STALL_WAIT || one->blocked);
    if (waits && one->blocked) {
        blocked_end(one, error);
    } else if (waits && error) {
        resp_error(&one->out, error);
        output_queue(one);
        client_stall(one, STALL_WOKEN);
    } else if (waits) {
        one->wait_until_ns = 1; /* long past: it ends this turn */
    }
    reply_int(c, waits);
}

static void client_help(struct call *c) {
    static const char *const lines[] = {
        "GETNAME",
        "    The name of this connection.",
        "ID",
        "    The number of this connection.",
        "INFO",
        "    What LIST says, of this connection.",
        "KILL <ip:port>",
        "    Close the connection from there.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close the connections that all options fit: ID, TYPE, ADDR, LADDR, USER, SKIPME.",
        "LIST [TYPE <type>] [ID <id> [...]]",
        "    A line a connection.",
        "NO-EVICT (ON|OFF)",
        "    Keep this connection out of client eviction.",
        "PAUSE <milliseconds> [WRITE|ALL]",
        "    Let clients wait.",
        "REPLY (ON|OFF|SKIP)",
        "    Whether this connection gets replies.",
        "SETNAME <name>",
        "    Name this connection.",
        "UNBLOCK <id> [TIMEOUT|ERROR]",
        "    End another connection's wait.",
        "UNPAUSE",
        "    End a pause.",
        NULL};
    reply_help(c, lines);
}

/* Commands that block: the client is stalled and answered later. */
static void cmd_wait(struct call *c) {
    struct client *me = c->client;
    int64_t count, ms;
    if (server.role == REPL_SLAVE) {
        reply_error(c, "ERR WAIT cannot be used with replica instances. Please also note that "
                       "since Redis 4.0 if a replica is configured to be writable (which is not "
                       "the default) writes to replicas are just local and are not propagated.");
        return;
    }
    if (!arg_int(c, 1, &count)) return;
    if (!arg_timeout_ms(c, 2, &ms)) return;
    int synced;
    uint64_t offset = me->write_offset == UINT64_MAX ? repl_offset(server.repl) : me->write_offset;
    int acked = repl_count_acked(server.repl, offset, &synced);
    if (acked >= count || c->flags & CALL_DENY_BLOCKING) {
        reply_int(c, acked);
        return;
    }
    me->write_offset = offset;
    me->wait_count = (int)count;
    me->wait_until_ns = ms ? clock_boot_ns() + (uint64_t)ms * NS_PER_MS : 0;
    repl_ask_acks(server.repl);
    client_stall(me, STALL_WAIT);
}

void register_client_commands(void) {
    command_set_function("client|id", client_id);
    command_set_function("client|getname", client_getname);
    command_set_function("client|setname", client_setname);
    command_set_function("client|setinfo", client_setinfo);
    command_set_function("client|info", client_info);
    command_set_function("client|list", client_list);
    command_set_function("client|kill", client_kill);
    command_set_function("client|pause", client_pause);
    command_set_function("client|unpause", client_unpause);
    command_set_function("client|reply", client_reply);
    command_set_function("client|no-evict", client_no_evict);
    command_set_function("client|unblock", client_unblock);
    command_set_function("client|help", client_help);
    command_set_function("wait", cmd_wait);
}
