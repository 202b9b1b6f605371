/* CLIENT and its subcommands, but those that look at others (cmd_client_list.c); WAIT. */
#include "server/server.h"

#include "server/base/clock.h"
#include "server/base/num.h"
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
    command_set_function("client|pause", client_pause);
    command_set_function("client|unpause", client_unpause);
    command_set_function("client|reply", client_reply);
    command_set_function("client|no-evict", client_no_evict);
    command_set_function("client|unblock", client_unblock);
    command_set_function("client|help", client_help);
    command_set_function("wait", cmd_wait);
}
