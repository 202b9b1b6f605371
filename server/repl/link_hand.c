/* The slave's link up to PSYNC's answer: who we are, what we have, and the master's lines. */
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/base/stream.h"
#include "server/base/stream_block.h"
#include "server/repl/link_inside.h"

#include <stdio.h>
#include <string.h>

static void send_auth(struct link *k) {
    const struct repl *r = k->r;
    if (r->master_user)
        replline_words(&k->out, "AUTH", r->master_user, r->master_auth, NULL);
    else
        replline_words(&k->out, "AUTH", r->master_auth, NULL);
}

static void send_port(struct link *k) {
    const char *host = k->r->o.announce_host;
    char port[NUM_I64_CHARS];
    port[num_format_u64(port, k->r->o.port)] = '\0';
    replline_words(&k->out, "REPLCONF", "listening-port", port, host ? "ip-address" : NULL, host,
                   NULL);
}

/* Nothing is asked for when there is nothing to continue: no data yet, or not all of it. */
static bool can_continue(const struct repl *r) {
    return r->whole && r->line_known && !r->diverged;
}

static void send_hello(struct link *k) {
    const struct repl *r = k->r;
    char node[2] = {r->o.node, '\0'};
    k->hello = (struct hello){.slave = r->o.node, .key = r->o.has_pair_key ? r->o.pair_key : NULL};
    rand_hex(k->hello.slave_nonce, HELLO_NONCE_CHARS);
    stream_channel(k->stream, k->hello.channel);
    repl_say_open(k->r);
    replline_words(&k->out, "REPLCONF", "duet-hello", HELLO_VERSION, node, k->hello.slave_nonce,
                   NULL);
}

static void send_pair(struct link *k) {
    struct repl *r = k->r;
    char offset[NUM_I64_CHARS], text[100], proof[HELLO_PROOF_CHARS + 1];
    const char *id = can_continue(r) ? r->id : "?", node[2] = {r->o.node, '\0'};
    offset[num_format_u64(offset, backlog_end(r->backlog))] = '\0';
    snprintf(text, sizeof text, "%s %s", id, offset);
    hello_proof(&k->hello, "slave", text, proof);
    replline_words(&k->out, "REPLCONF", "duet-pair", node, id, offset, proof, NULL);
}

static void send_psync(struct link *k) {
    struct repl *r = k->r;
    char offset[NUM_I64_CHARS];
    if (!can_continue(r)) {
        replline_words(&k->out, "PSYNC", "?", "-1", NULL);
        return;
    }
    offset[num_format_u64(offset, backlog_end(r->backlog) + 1)] = '\0';
    replline_words(&k->out, "PSYNC", r->id, offset, r->offer == REPL_OFFER_OPEN ? "FAILOVER" : NULL,
                   NULL);
}

/* The peer told up to where it has our line. What it lacks is saved before anything else
 * happens. False: that is under way. */
static bool note_session(struct link *k) {
    struct repl *r = k->r;
    char err[160];
    k->session = k->header.number;
    k->keep_old = !k->header.has_fork && can_continue(r);
    if (!k->header.has_fork || !can_continue(r) || k->fork >= backlog_end(r->backlog)) return true;
    stream_flush(r);
    enum tail_state state = tail_save(r, k->fork, err, sizeof err);
    if (state == TAIL_FAILED) {
        link_complain(k, "%s; the log as it is is put aside instead", err);
        k->keep_old = true;
    }
    return state != TAIL_SAVING;
}

/* From here on both directions are blocks. */
static void begin_blocks(struct link *k) {
    uint64_t master, slave;
    hello_words(&k->hello, &master, &slave);
    k->stream = stream_block(k->stream, slave, master, 0);
}

static void say_psync(struct link *k) {
    begin_blocks(k);
    send_psync(k);
}

void link_tail_done(struct link *k) {
    char err[160];
    if (!k->waits_tail) return;
    k->waits_tail = false;
    if (tail_save(k->r, k->fork, err, sizeof err) == TAIL_FAILED) {
        link_complain(k, "%s; the log as it is is put aside instead", err);
        k->keep_old = true;
    }
    say_psync(k);
    link_write(k);
}

bool link_say(struct link *k, enum link_action action) {
    switch (action) {
    case LINK_DO_PING: replline_words(&k->out, "PING", NULL); return true;
    case LINK_DO_AUTH: send_auth(k); return true;
    case LINK_DO_PORT: send_port(k); return true;
    case LINK_DO_CAPA:
        replline_words(&k->out, "REPLCONF", "capa", "eof", "capa", "psync2", NULL);
        return true;
    case LINK_DO_HELLO: send_hello(k); return true;
    case LINK_DO_PAIR: send_pair(k); return true;
    case LINK_DO_PSYNC_SESSION:
        k->fork = k->header.offset;
        k->waits_tail = !note_session(k);
        if (!k->waits_tail) say_psync(k);
        return true;
    case LINK_DO_PSYNC: send_psync(k); return true;
    default: return false;
    }
}

static enum link_event stranger(struct link *k) {
    link_complain(
        k, "it has another pair-key: [pair] secret must be the same on both nodes; nothing of "
           "it is taken");
    return LINK_EV_STRANGER;
}

static enum link_event hello_event(struct link *k, const struct replline *l) {
    struct hello *h = &k->hello;
    if (k->fsm.state != LINK_HELLO || !hello_is_nonce(l->nonce)) return stranger(k);
    h->master = l->node.p[0];
    memcpy(h->master_nonce, l->nonce.p, HELLO_NONCE_CHARS);
    bool proven = hello_proven(h, "master", "", l->proof);
    /* The pair's key is being changed, and the master has the other one of the two: so it is used here. */
    if (!proven && k->r->o.has_pair_key_also) {
        h->key = k->r->o.pair_key_also;
        proven = hello_proven(h, "master", "", l->proof);
    }
    if (!proven) return stranger(k);
    if (h->master != h->slave) return LINK_EV_HELLO;
    link_complain(k, "it says that it is node %c, as this one is", h->slave);
    return LINK_EV_STRANGER;
}

static enum link_event session_event(struct link *k, const struct replline *l) {
    char text[64];
    if (l->has_fork)
        snprintf(text, sizeof text, "%llu %llu", (unsigned long long)l->number,
                 (unsigned long long)l->offset);
    else
        snprintf(text, sizeof text, "%llu none", (unsigned long long)l->number);
    return hello_proven(&k->hello, "session", text, l->proof) ? LINK_EV_SESSION : stranger(k);
}

static enum link_event line_event(struct link *k, const struct replline *l) {
    switch (l->kind) {
    case REPLLINE_STATUS: return LINK_EV_STATUS;
    case REPLLINE_PONG: return LINK_EV_PONG;
    case REPLLINE_HELLO: return hello_event(k, l);
    case REPLLINE_SESSION: return session_event(k, l);
    case REPLLINE_CONTINUE:
        if (k->fsm.state != LINK_PSYNC || can_continue(k->r)) return LINK_EV_CONTINUE;
        link_complain(k, "it continues what was never begun");
        return LINK_EV_LOST;
    case REPLLINE_FULLRESYNC: return LINK_EV_FULL;
    case REPLLINE_LENGTH:
    case REPLLINE_MARK: return LINK_EV_RDB;
    case REPLLINE_ERROR: {
        static const char *const codes[] = {"-NOAUTH", "-NOPERM", "-ERR operation not permitted"};
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
            if (l->text.len >= strlen(codes[i]) &&
                memcmp(l->text.p, codes[i], strlen(codes[i])) == 0)
                return LINK_EV_NOAUTH;
        return LINK_EV_ERROR;
    }
    default: link_complain(k, "it sent a line that makes no sense"); return LINK_EV_LOST;
    }
}

/* A slave that was asked to become the master does so, or its refusal ends the matter. */
static void note_offer(struct repl *r, enum link_event ev) {
    if (ev == LINK_EV_CONTINUE || ev == LINK_EV_FULL)
        r->offer = REPL_OFFER_TAKEN;
    else if (ev == LINK_EV_ERROR || ev == LINK_EV_NOAUTH)
        r->offer = REPL_OFFER_REFUSED;
}

bool link_take_line(struct link *k) {
    replline_parse(&k->header, buf_head(&k->in), buf_len(&k->in));
    if (k->header.kind == REPLLINE_MORE) return false;
    size_t used = k->header.used;
    if (k->header.kind == REPLLINE_EMPTY) {
        buf_eat(&k->in, used);
        return true;
    }
    unsigned long before = k->connections;
    enum link_event ev = line_event(k, &k->header);
    if (k->fsm.state == LINK_PSYNC && k->r->offer == REPL_OFFER_OPEN) note_offer(k->r, ev);
    /* The line's text must stay until the action is done; a connection that was closed took its
     * bytes along. */
    link_event(k, ev);
    if (k->connections != before || !k->stream) return false;
    buf_eat(&k->in, used);
    return true;
}
