/* The master's part of the pair's handshake: hello.h. A connection that has said duet-pair is the pair's
 * link from then on, in blocks; it says PSYNC there. */
#include "server/repl/inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/base/sock.h"
#include "server/base/stream.h"
#include "server/base/stream_block.h"
#include "server/proto/replline.h"
#include "server/proto/resp.h"

#include <stdio.h>
#include <string.h>

/* The log hears of a stranger once in ten seconds. */
static void say_stranger(const struct stream *s, char node) {
    static uint64_t said_ns;
    uint64_t now = clock_boot_ns();
    char host[64] = "?";
    uint16_t port;
    if (said_ns && now - said_ns < 10 * NS_PER_S) return;
    said_ns = now;
    sock_peer_host(stream_fd(s), host, sizeof host, &port);
    log_warning(
        "replication: %s calls itself node %c of this pair and has another pair-key: it was "
        "refused; [pair] secret must be the same on both nodes",
        host, node);
}

void pair_hello(struct repl *r, struct repl_conf *c, int argc, const struct bytes *argv,
                const struct stream *s, struct buf *reply) {
    struct hello *h = &c->hello;
    char proof[HELLO_PROOF_CHARS + 1];
    if (argc != 5 || argv[3].len != 1 || !hello_is_nonce(argv[4])) {
        resp_error(reply,
                   "ERR REPLCONF duet-hello takes a version, a node and a number of 32 digits");
        return;
    }
    char node = argv[3].p[0];
    if (!bytes_is(argv[2], HELLO_VERSION)) {
        resp_error(reply, "ERR this server speaks version " HELLO_VERSION
                          " of the pair's link; both nodes must run images that go together");
        return;
    }
    if (!r->o.node || (node != 'a' && node != 'b') || node == r->o.node) {
        resp_errorf(reply, "ERR this is node %c, which is not the peer of node %c",
                    r->o.node ? r->o.node : '-', node == 'a' || node == 'b' ? node : '?');
        return;
    }
    *h = (struct hello){
        .master = r->o.node, .slave = node, .key = r->o.has_pair_key ? r->o.pair_key : NULL};
    memcpy(h->slave_nonce, argv[4].p, HELLO_NONCE_CHARS);
    rand_hex(h->master_nonce, HELLO_NONCE_CHARS);
    stream_channel(s, h->channel);
    hello_proof(h, "master", "", proof);
    c->greeted = true;
    repl_say_open(r);
    buf_printf(reply, "+OK hello %c %s %s\r\n", r->o.node, h->master_nonce, proof);
}

/* What the slave says it has. False: reply holds the error. */
static bool judge(struct repl *r, struct repl_conf *c, int argc, const struct bytes *argv,
                  struct stream *s, uint64_t *offset, struct buf *reply) {
    char text[100];
    if (argc != 6 || argv[2].len != 1 || argv[3].len > PERSIST_ID_CHARS ||
        !num_parse_u64(argv[4].p, argv[4].len, offset)) {
        resp_error(reply, "ERR REPLCONF duet-pair takes node, id, offset and proof");
        return false;
    }
    if (!c || !c->greeted || argv[2].p[0] != c->hello.slave) {
        resp_error(reply, "ERR REPLCONF duet-pair comes after duet-hello of the same node");
        return false;
    }
    c->greeted = false; /* one attempt a number */
    snprintf(text, sizeof text, "%.*s %llu", (int)argv[3].len, argv[3].p,
             (unsigned long long)*offset);
    if (hello_proven(&c->hello, "slave", text, argv[5])) return true;
    say_stranger(s, c->hello.slave);
    resp_errorf(reply,
                "ERR node %c does not know node %c by its pair-key: [pair] secret must be the same "
                "on both nodes",
                r->o.node, c->hello.slave);
    return false;
}

static void answer(struct repl *r, struct feed *f, const char *id, uint64_t offset) {
    char text[64], proof[HELLO_PROOF_CHARS + 1];
    uint64_t fork;
    unsigned long long session = (unsigned long long)f->conf.session;
    if (stream_fork(r, id, offset, &fork))
        snprintf(text, sizeof text, "%llu %llu", session, (unsigned long long)fork);
    else
        snprintf(text, sizeof text, "%llu none", session);
    hello_proof(&f->conf.hello, "session", text, proof);
    buf_printf(&f->out, "+OK session %llu fork %s %s\r\n", session, strchr(text, ' ') + 1, proof);
}

bool pair_take(struct repl *r, struct repl_conf **conf, int argc, const struct bytes *argv,
               struct stream *s, struct buf *unsent, struct buf *unread, struct buf *reply) {
    uint64_t offset, master, slave;
    char id[PERSIST_ID_CHARS + 1] = "";
    if (!judge(r, *conf, argc, argv, s, &offset, reply)) return false;
    if (buf_len(unread)) {
        resp_error(reply, "ERR nothing comes behind REPLCONF duet-pair before it is answered");
        return false;
    }
    if (replline_is_id(argv[3])) memcpy(id, argv[3].p, PERSIST_ID_CHARS);
    stream_own_line(r);
    (*conf)->pair = true;
    (*conf)->session = ++r->sessions;
    (*conf)->hello.key = r->o.has_pair_key ? r->o.pair_key : NULL;
    struct feed *f = feed_new(r, *conf, s, unsent, unread);
    repl_conf_free(*conf);
    *conf = NULL;
    f->state = FEED_SHAKE;
    answer(r, f, id, offset);
    hello_words(&f->conf.hello, &master, &slave);
    f->stream = stream_block(f->stream, master, slave, buf_len(&f->out));
    feed_flush(f);
    return true;
}
