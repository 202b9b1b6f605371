#include "hactl/had_clients.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hactl/instance_set.h"
#include "netcfg/netcfg.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/tcp_ends.h"

#define LIMIT_NS (10 * NS_PER_S)

enum { EACH_TURN = 256, TURN_MS = 5, ROUNDS = 2 };

struct had_clients {
    struct loop *loop;
    const struct netcfg_conf *conf;
    struct instance_set *servers;
    struct loop_timer *turn;
    struct netcfg_provoker *provoker; /* while it is under way */
    bool holds;
    uint32_t takeover; /* counts up: an answer to an earlier one is of no use */
    int asked;         /* servers that have still to answer */
    struct tcp_ends *list;
    size_t count, room, at;
    int round;
    uint64_t began_ns;
    size_t refused;
    struct had_clients_counts counts;
};

static bool at_a_vip(const struct had_clients *c, const struct tcp_ends *e) {
    for (size_t i = 0; i < c->conf->vip_count; i++) {
        const struct netcfg_addr *vip = &c->conf->vips[i];
        if (vip->family == (e->v6 ? AF_INET6 : AF_INET) &&
            memcmp(vip->bytes, e->local, netcfg_addr_bytes(vip)) == 0)
            return true;
    }
    return false;
}

static void end(struct had_clients *c) {
    loop_timer_stop(c->turn);
    netcfg_provoker_free(c->provoker);
    c->provoker = NULL;
    free(c->list);
    c->list = NULL;
    c->count = c->room = c->at = 0;
    c->counts.under_way = false;
}

/* ---- sending ---- */

static void round_is_over(struct had_clients *c) {
    uint64_t took_ms = (clock_boot_ns() - c->began_ns) / NS_PER_MS;
    c->at = 0;
    if (++c->round == 1) {
        c->counts.told = c->count - c->refused;
        c->counts.took_ms = took_ms;
        if (c->count)
            log_notice("%zu of the former master's clients were told in %llu ms that their "
                       "connections have ended",
                       c->count - c->refused, (unsigned long long)took_ms);
    }
    if (c->round == ROUNDS || !c->count) {
        end(c);
        return;
    }
    /* A connection's answers are rationed: the next round comes behind that. */
    loop_timer_start(c->turn, NETCFG_PROVOKE_AGAIN_MS * NS_PER_MS, 0);
}

static void send_some(struct loop *l, void *arg) {
    struct had_clients *c = arg;
    (void)l;
    size_t left = c->count - c->at;
    c->at += netcfg_provoke(c->provoker, c->list + c->at, left < EACH_TURN ? left : EACH_TURN,
                            &c->refused);
    if (c->at == c->count && !c->asked)
        round_is_over(c);
    else if (c->at < c->count)
        loop_timer_start(c->turn, TURN_MS * NS_PER_MS, 0);
}

/* ---- whom ---- */

static void add(struct had_clients *c, const struct tcp_ends *e) {
    c->counts.known++;
    if (!at_a_vip(c, e)) return;
    if (c->count == c->room) {
        c->room = c->room ? c->room * 2 : 1024;
        c->list = xrealloc(c->list, c->room * sizeof *c->list);
    }
    c->list[c->count++] = *e;
}

static bool ask(struct had_clients *c, struct instance *i);

/* A server gives its list in pieces, and an empty one at the end. One that is down has none. */
static void on_list(void *arg, struct instance *i, uint32_t id, bool ok, const char *text,
                    size_t len) {
    struct had_clients *c = arg;
    struct tcp_ends e;
    size_t used;
    if (id != c->takeover || !c->provoker) return;
    c->asked--;
    for (size_t n = 0; ok && (used = tcp_ends_get(text + n, len - n, &e)); n += used) add(c, &e);
    if (ok && len) ask(c, i);
    if (!loop_timer_active(c->turn) && c->round == 0) loop_timer_start(c->turn, 0, 0);
}

static bool ask(struct had_clients *c, struct instance *i) {
    static const char *const words[] = {"DUET", "PEERCLIENTS"};
    bool asked = instance_tell(i, c->takeover, on_list, c, 2, words);
    c->asked += asked;
    return asked;
}

static void begin(struct had_clients *c) {
    struct netcfg_error err = {""};
    end(c);
    c->takeover++;
    c->asked = c->round = 0;
    c->refused = 0;
    c->began_ns = clock_boot_ns();
    c->counts = (struct had_clients_counts){.under_way = true};
    c->provoker = netcfg_provoker_new(&err);
    if (!c->provoker) {
        log_warning("%s", err.text);
        end(c);
        return;
    }
    for (int n = 0; n < instance_set_count(c->servers); n++)
        ask(c, instance_set_server(c->servers, n));
    if (!c->asked) end(c);
}

void had_clients_tick(struct had_clients *c, bool holds_vip) {
    bool late = c->provoker && clock_boot_ns() - c->began_ns > LIMIT_NS;
    if (late) end(c); /* an instance went while it was asked */
    if (c->holds == holds_vip) return;
    c->holds = holds_vip;
    if (holds_vip)
        begin(c);
    else
        end(c);
}

const struct had_clients_counts *had_clients_counts(const struct had_clients *c) {
    return &c->counts;
}

struct had_clients *had_clients_new(struct loop *l, const struct netcfg_conf *conf,
                                    struct instance_set *servers) {
    struct had_clients *c = xcalloc(1, sizeof *c);
    c->loop = l;
    c->conf = conf;
    c->servers = servers;
    c->turn = loop_timer_new(l, send_some, c);
    return c;
}

void had_clients_free(struct had_clients *c) {
    if (!c) return;
    end(c);
    loop_timer_free(c->turn);
    free(c);
}
