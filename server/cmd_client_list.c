/* CLIENT INFO, LIST and KILL: looking at clients and at the connections of replication. */
#include "server/server.h"

#include "server/base/num.h"
#include "server/base/sock.h"
#include "server/client.h"
#include "server/client_links.h"

#include <stdio.h>

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

static bool link_is_of(const struct client_link *l, enum type type) {
    return type == TYPE_ANY || type == (l->master ? TYPE_MASTER : TYPE_SLAVE);
}

static void list_link(uint64_t id, struct buf *text) {
    struct client_link links[CLIENT_LINKS_MAX];
    size_t n = client_links(links);
    for (size_t i = 0; i < n; i++)
        if (links[i].id == id) client_link_describe(&links[i], text);
}

static void list_ids(struct call *c, struct buf *text) {
    for (int i = 3; i < c->argc; i++) {
        int64_t id;
        if (!num_parse_i64(c->argv[i].p, c->argv[i].len, &id)) {
            reply_error(c, "ERR Invalid client ID");
            return;
        }
        const struct client *one = client_by_id((uint64_t)id);
        if (one)
            client_describe(one, text);
        else
            list_link((uint64_t)id, text);
    }
}

/* Oldest first, as Redis lists them. */
static void list_all(enum type type, struct buf *text) {
    struct client_link links[CLIENT_LINKS_MAX];
    size_t n = client_links(links), at = 0;
    const struct client *last = server.clients;
    while (last && last->next) last = last->next;
    for (; last || at < n; last = last ? last->prev : NULL) {
        for (; at < n && (!last || links[at].id < last->id); at++)
            if (link_is_of(&links[at], type)) client_link_describe(&links[at], text);
        if (last && is_of(last, type)) client_describe(last, text);
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

static bool name_is(struct bytes want, int fd, bool local) {
    char name[128];
    if (!want.p) return true;
    if (local)
        sock_local_name(fd, name, sizeof name);
    else
        sock_peer_name(fd, name, sizeof name);
    return bytes_equal(want, (struct bytes){name, strlen(name)});
}

static bool is_meant(const struct kill *k, const struct client *one, const struct client *me) {
    if (one->control) return false;
    if (k->id && one->id != (uint64_t)k->id) return false;
    if (!is_of(one, k->type)) return false;
    if (k->skip_me && one == me) return false;
    if (one->closed) return !k->addr.p && !k->laddr.p;
    return name_is(k->addr, one->fd, false) && name_is(k->laddr, one->fd, true);
}

/* Slaves' connections and the one to the master. */
static int64_t kill_links(const struct kill *k) {
    struct client_link links[CLIENT_LINKS_MAX];
    size_t n = client_links(links);
    int64_t killed = 0;
    for (size_t i = 0; i < n; i++) {
        const struct client_link *l = &links[i];
        if (k->id && l->id != (uint64_t)k->id) continue;
        if (!link_is_of(l, k->type)) continue;
        if (!name_is(k->addr, l->fd, false) || !name_is(k->laddr, l->fd, true)) continue;
        client_link_kill(l);
        killed++;
    }
    return killed;
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
    killed += kill_links(&k);
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

void register_client_list_commands(void) {
    command_set_function("client|info", client_info);
    command_set_function("client|list", client_list);
    command_set_function("client|kill", client_kill);
}
