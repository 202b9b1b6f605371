/* PING ECHO AUTH HELLO SELECT QUIT RESET */
#include "server/server.h"

#include "server/acl_log.h"
#include "server/base/hmac.h"
#include "server/base/num.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/pubsub.h"
#include "server/push.h"
#include "server/edition.h"

#include <limits.h>
#include <stdlib.h>

static void cmd_ping(struct call *c) {
    const struct client *client = c->client;
    bool as_message = client && client->only_pubsub;
    if (c->argc <= 2 && as_message) {
        reply_array(c, 2);
        reply_bulk_str(c, "pong");
    }
    if (c->argc > 2)
        reply_wrong_arity(c, c->command);
    else if (as_message)
        reply_bulk(c, c->argc == 2 ? c->argv[1] : BYTES(""));
    else if (c->argc == 2)
        reply_bulk(c, c->argv[1]);
    else
        reply_status(c, "PONG");
}

static void cmd_echo(struct call *c) {
    reply_bulk(c, c->argv[1]);
}

/* --- passwords: there is one user, "default" --- */

static bool password_fits(struct bytes given) {
    const char *want = server.config.requirepass;
    uint8_t a[32], b[32];
    if (!*want) return true; /* as a user without a password: any will do */
    struct bytes word = edition_password(given);
    sha256(want, strlen(want), b);
    sha256(word.p, word.len, a);
    if (bytes_equal_ct(a, b, sizeof a)) return true;
    sha256(given.p, given.len, a); /* a password may hold a colon */
    return bytes_equal_ct(a, b, sizeof a);
}

static bool login(struct call *c, struct bytes user, struct bytes password) {
    struct client *client = c->client;
    if (!bytes_equal(user, BYTES("default")) || !password_fits(password)) {
        acl_log_refused(c, user);
        reply_error(c, "WRONGPASS invalid username-password pair or user is disabled.");
        return false;
    }
    client->authenticated = true;
    return true;
}

static void cmd_auth(struct call *c) {
    if (c->argc > 3) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (c->argc == 2 && !*server.config.requirepass) {
        reply_error(c, "ERR AUTH <password> called without any password configured for the "
                       "default user. Are you sure your configuration is correct?");
        return;
    }
    struct bytes user = c->argc == 3 ? c->argv[1] : BYTES("default");
    if (login(c, user, c->argv[c->argc - 1])) reply_ok(c);
}

/* --- HELLO [2|3 [AUTH user password] [SETNAME name]] --- */

bool client_name_is_valid(struct bytes name) {
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] < '!' || name.p[i] > '~') return false;
    }
    return true;
}

void client_set_text(char **slot, struct bytes text) {
    free(*slot);
    *slot = NULL;
    if (!text.len) return;
    *slot = xmalloc(text.len + 1);
    memcpy(*slot, text.p, text.len);
    (*slot)[text.len] = '\0';
}

static const char *role_name(void) {
    return server.role == REPL_MASTER ? "master" : "replica";
}

static void reply_hello(struct call *c) {
    const struct client *client = c->client;
    resp_map(c->out, client->resp, 7);
    reply_bulk_str(c, "server");
    reply_bulk_str(c, "redis");
    reply_bulk_str(c, "version");
    reply_bulk_str(c, command_edition()->redis_version);
    reply_bulk_str(c, "proto");
    reply_int(c, client->resp);
    reply_bulk_str(c, "id");
    reply_int(c, (int64_t)client->id);
    reply_bulk_str(c, "mode");
    reply_bulk_str(c, "standalone");
    reply_bulk_str(c, "role");
    reply_bulk_str(c, role_name());
    reply_bulk_str(c, "modules");
    reply_array(c, 0);
}

struct hello {
    int64_t version;
    struct bytes user, password, name;
    bool has_auth, has_name;
};

static bool read_hello(struct call *c, struct hello *h) {
    if (c->argc > 1) {
        if (!num_parse_i64(c->argv[1].p, c->argv[1].len, &h->version)) {
            reply_error(c, "ERR Protocol version is not an integer or out of range");
            return false;
        }
        if (h->version < 2 || h->version > 3) {
            reply_error(c, "NOPROTO unsupported protocol version");
            return false;
        }
    }
    for (int i = 2; i < c->argc; i++) {
        int left = c->argc - i - 1;
        if (bytes_is(c->argv[i], "auth") && left >= 2) {
            h->has_auth = true;
            h->user = c->argv[i + 1];
            h->password = c->argv[i + 2];
            i += 2;
        } else if (bytes_is(c->argv[i], "setname") && left >= 1) {
            h->has_name = true;
            h->name = c->argv[++i];
        } else {
            reply_errorf(c, "ERR Syntax error in HELLO option '%.*s'", (int)c->argv[i].len,
                         c->argv[i].p);
            return false;
        }
    }
    return true;
}

static void cmd_hello(struct call *c) {
    struct client *client = c->client;
    struct hello h = {.version = client->resp};
    if (!read_hello(c, &h)) return;
    if (h.has_auth && !login(c, h.user, h.password)) return;
    if (!client->authenticated && *server.config.requirepass) {
        reply_error(c, "NOAUTH HELLO must be called with the client already authenticated, "
                       "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
                       "authenticate the client and select the RESP protocol version at the same "
                       "time");
        return;
    }
    if (h.has_name) {
        if (!client_name_is_valid(h.name)) {
            reply_error(c, "ERR Client names cannot contain spaces, newlines or special "
                           "characters.");
            return;
        }
        client_set_text(&client->name, h.name);
    }
    client->resp = (int)h.version;
    pubsub_settle(client);
    reply_hello(c);
}

/* --- the rest --- */

static void cmd_select(struct call *c) {
    struct client *client = c->client;
    int64_t db;
    if (!arg_int_range(c, 1, INT_MIN, INT_MAX, NULL, &db)) return;
    int databases = c->flags & CALL_CONTROL ? store_databases(server.store) : edition_databases();
    if (db < 0 || db >= databases) {
        reply_error(c, "ERR DB index is out of range");
        return;
    }
    client->db = (int)db;
    reply_ok(c);
}

static void cmd_quit(struct call *c) {
    struct client *client = c->client;
    reply_ok(c);
    client->close_after_reply = true;
}

static void cmd_reset(struct call *c) {
    struct client *client = c->client;
    push_reset(client);
    multi_free(client);
    client->db = 0;
    client->resp = 2;
    client->reply_off = client->reply_skip = client->reply_skip_next = false;
    client->no_evict = client->no_touch = false;
    client_set_text(&client->name, (struct bytes){NULL, 0});
    client->authenticated = client->control || !*server.config.requirepass;
    reply_status(c, "RESET");
}

void register_connection_commands(void) {
    command_set_function("ping", cmd_ping);
    command_set_function("echo", cmd_echo);
    command_set_function("auth", cmd_auth);
    command_set_function("hello", cmd_hello);
    command_set_function("select", cmd_select);
    command_set_function("quit", cmd_quit);
    command_set_function("reset", cmd_reset);
}
