/* link: hactl/channel.c server/base/hmac.c server/base/buf.c server/base/log.c server/base/clock.c */
/* The channel's wire: who is let in, and that nothing but the next true frame is taken. */
#include "hactl/channel.h"
#include "server/base/buf.h"
#include "tests/unit/tap.h"

static const struct channel_id node_a = {.secret = {1, 2, 3}, .pair = 77, .node = 0};
static const struct channel_id node_b = {.secret = {1, 2, 3}, .pair = 77, .node = 1};

/* A client of a and a server of b that have met; what each gave as proof is left in proofs. */
static uint8_t proofs[2][CHANNEL_PROOF_BYTES];

static bool meet(struct channel *client, const struct channel_id *c, struct channel *server,
                 const struct channel_id *s) {
    uint8_t one[32] = {9}, two[32] = {8};
    channel_hello(client, c, false, one);
    channel_hello(server, s, true, two);
    if (channel_take_hello(server, s, client->hello[0]) ||
        channel_take_hello(client, c, server->hello[1]))
        return false;
    channel_proof(client, c, proofs[0]);
    channel_proof(server, s, proofs[1]);
    return channel_proof_right(server, s, proofs[0]) && channel_proof_right(client, c, proofs[1]);
}

static void the_other_node_is_let_in(void) {
    struct channel c, s;
    struct channel_id stranger = node_a, other = node_a;
    ok(meet(&c, &node_a, &s, &node_b), "two nodes of a pair meet");
    ok(memcmp(c.send_key, s.receive_key, CHANNEL_KEY) == 0 &&
           memcmp(c.receive_key, s.send_key, CHANNEL_KEY) == 0,
       "both have the same two keys");
    ok(memcmp(c.send_key, c.receive_key, CHANNEL_KEY) != 0, "one for each direction");
    stranger.secret[31] ^= 1;
    ok(!meet(&c, &stranger, &s, &node_b), "who knows another secret is refused");
    ok(!channel_proof_right(&s, &node_b, proofs[0]) &&
           !channel_proof_right(&c, &stranger, proofs[1]),
       "by both sides");
    other.pair = 78;
    ok(!meet(&c, &other, &s, &node_b), "a node of another pair is refused");
    ok(!meet(&c, &node_b, &s, &node_b), "a node that says that it is this node is refused");
}

static void a_proof_is_good_once(void) {
    struct channel c, s, again;
    uint8_t nonce[32] = {7}, changed[CHANNEL_HELLO_BYTES], mine[CHANNEL_PROOF_BYTES];
    int believed = 0;
    meet(&c, &node_a, &s, &node_b);
    channel_hello(&again, &node_b, true, nonce);
    ok(!channel_take_hello(&again, &node_b, c.hello[0]) &&
           !channel_proof_right(&again, &node_b, proofs[0]),
       "a recorded greeting and proof do not open another connection");
    ok(!channel_proof_right(&s, &node_b, proofs[1]), "a server's own proof is no client's");
    for (int i = 0; i < CHANNEL_HELLO_BYTES; i++) {
        struct channel one = s;
        memcpy(changed, c.hello[0], sizeof changed);
        changed[i] ^= 0x40;
        believed += !channel_take_hello(&one, &node_b, changed) &&
                    channel_proof_right(&one, &node_b, proofs[0]);
    }
    is_int(believed, 0,
           "a greeting that was changed on its way, at any byte, is refused or proves nothing");
    for (int i = 0; i < CHANNEL_PROOF_BYTES; i++) {
        memcpy(mine, proofs[0], sizeof mine);
        mine[i] ^= 1;
        believed += channel_proof_right(&s, &node_b, mine);
    }
    is_int(believed, 0, "a proof that was changed at any byte is refused");
}

/* Three frames of a client in out. */
static void three(struct channel *c, struct channel *s, struct buf *out, size_t ends[3]) {
    meet(c, &node_a, s, &node_b);
    buf_clear(out);
    channel_send(c, out, CHANNEL_RUN, "status\0--json", 14);
    ends[0] = buf_len(out);
    channel_send(c, out, CHANNEL_IN, "some input", 10);
    ends[1] = buf_len(out);
    channel_send(c, out, CHANNEL_IN, NULL, 0);
    ends[2] = buf_len(out);
}

static void frames_come_as_they_were_sent(void) {
    struct channel c, s;
    struct channel_frame f;
    struct buf out = BUF_INIT;
    const char *why, *words[CHANNEL_WORDS + 1];
    size_t ends[3], more = 0;
    three(&c, &s, &out, ends);
    const char *p = buf_head(&out);
    for (size_t n = 0; n < ends[0]; n++) more += channel_next(&s, p, n, &f, &why) == CHANNEL_MORE;
    is_int((int64_t)more, (int64_t)ends[0], "a frame cut at any byte is waited for");
    ok(channel_next(&s, p, ends[2], &f, &why) == CHANNEL_FRAME && f.size == ends[0] &&
           f.type == CHANNEL_RUN,
       "the first");
    ok(channel_words_get(f.bytes, f.len, words) == 2 && !strcmp(words[1], "--json") && !words[2],
       "with its words");
    ok(channel_next(&s, p + ends[0], ends[2] - ends[0], &f, &why) == CHANNEL_FRAME && f.len == 10 &&
           !memcmp(f.bytes, "some input", 10),
       "the second with its bytes");
    ok(channel_next(&s, p + ends[1], ends[2] - ends[1], &f, &why) == CHANNEL_FRAME && f.len == 0,
       "an empty one");
    buf_clear(&out);
    channel_send(&s, &out, CHANNEL_EXIT, "\3", 1);
    ok(channel_next(&c, buf_head(&out), buf_len(&out), &f, &why) == CHANNEL_FRAME &&
           f.bytes[0] == 3,
       "and one back");
    buf_free(&out);
}

static void nothing_else_is_taken(void) {
    struct channel c, s, copy;
    struct channel_frame f;
    struct buf out = BUF_INIT;
    const char *why;
    size_t ends[3];
    int taken = 0;
    three(&c, &s, &out, ends);
    char *p = buf_head(&out);
    for (size_t i = 0; i < ends[0]; i++)
        for (int bit = 0; bit < 8; bit++) {
            copy = s;
            p[i] = (char)(p[i] ^ 1 << bit);
            taken += channel_next(&copy, p, ends[0], &f, &why) == CHANNEL_FRAME;
            p[i] = (char)(p[i] ^ 1 << bit);
        }
    is_int(taken, 0, "a frame with any bit changed is never taken");
    copy = s;
    ok(channel_next(&copy, p + ends[0], ends[1] - ends[0], &f, &why) == CHANNEL_BAD,
       "a frame before its turn is refused: %s", why);
    ok(channel_next(&s, p, ends[0], &f, &why) == CHANNEL_FRAME &&
           channel_next(&s, p, ends[0], &f, &why) == CHANNEL_BAD,
       "a frame that comes again is refused: %s", why);
    copy = c;
    ok(channel_next(&copy, p, ends[0], &f, &why) == CHANNEL_BAD,
       "a frame sent back to its sender is refused: %s", why);
    struct channel later, other;
    meet(&later, &node_a, &other, &node_b);
    other.hello[1][20] ^= 1; /* the other connection's nonce */
    uint8_t proof[CHANNEL_PROOF_BYTES];
    channel_proof(&other, &node_b, proof);
    ok(channel_next(&other, p, ends[0], &f, &why) == CHANNEL_BAD,
       "a frame of another connection is refused: %s", why);
    buf_clear(&out);
    three(&c, &s, &out, ends);
    copy = c;
    channel_send(&copy, &out, CHANNEL_OUT, "x", 1);
    s.received = 3;
    ok(channel_next(&s, buf_head(&out) + ends[2], buf_len(&out) - ends[2], &f, &why) == CHANNEL_BAD,
       "a client may not say what a server says: %s", why);
    memset(p = buf_head(&out), 0xff, CHANNEL_HEAD_BYTES);
    ok(channel_next(&s, p, CHANNEL_HEAD_BYTES, &f, &why) == CHANNEL_BAD,
       "a frame too long is refused at its head: %s", why);
    buf_free(&out);
}

static void words_are_bounded(void) {
    struct buf out = BUF_INIT;
    char word[] = "w", *many[CHANNEL_WORDS + 1];
    const char *words[CHANNEL_WORDS + 1];
    for (int i = 0; i <= CHANNEL_WORDS; i++) many[i] = word;
    ok(channel_words_put(&out, many, CHANNEL_WORDS), "so many words can be sent");
    is_int(channel_words_get(buf_head(&out), buf_len(&out), words), CHANNEL_WORDS, "and are read");
    buf_add(&out, "w", 2);
    is_int(channel_words_get(buf_head(&out), buf_len(&out), words), -1, "one more is refused");
    ok(!channel_words_put(&out, many, CHANNEL_WORDS + 1) && !channel_words_put(&out, many, 0),
       "by the sender too");
    is_int(channel_words_get("abc", 3, words), -1, "a word that does not end is refused");
    is_int(channel_words_get("", 0, words), -1, "no words are refused");
    buf_free(&out);
}

int main(void) {
    the_other_node_is_let_in();
    a_proof_is_good_once();
    frames_come_as_they_were_sent();
    nothing_else_is_taken();
    words_are_bounded();
    return done();
}
