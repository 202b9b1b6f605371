#include "hactl/channel.h"

#include <string.h>

#include "server/base/buf.h"
#include "server/base/hmac.h"
#include "server/base/log.h"

static const char magic[8] = "DUETCH1";

static void put_number(uint8_t *to, uint64_t v, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, v >>= 8) to[i] = (uint8_t)v;
}

static uint64_t get_number(const uint8_t *from, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | from[i];
    return v;
}

/* ---- the beginning ---- */

/* magic 8, pair 2, node 1, zeros 5, nonce 32 */
void channel_hello(struct channel *ch, const struct channel_id *id, bool server,
                   const uint8_t nonce[32]) {
    uint8_t *h = ch->hello[server];
    memset(ch, 0, sizeof *ch);
    ch->server = server;
    memcpy(h, magic, sizeof magic);
    put_number(h + 8, id->pair, 2);
    h[10] = id->node;
    memcpy(h + 16, nonce, 32);
}

const char *channel_take_hello(struct channel *ch, const struct channel_id *id,
                               const uint8_t hello[CHANNEL_HELLO_BYTES]) {
    static const uint8_t zeros[5];
    if (memcmp(hello, magic, sizeof magic) != 0) return "it does not speak the channel's language";
    if (get_number(hello + 8, 2) != id->pair) return "it belongs to another pair";
    if (hello[10] > 1 || memcmp(hello + 11, zeros, sizeof zeros) != 0)
        return "its greeting is damaged";
    if (hello[10] == id->node) return "it says that it is this node";
    memcpy(ch->hello[!ch->server], hello, CHANNEL_HELLO_BYTES);
    return NULL;
}

/* The purpose keeps proofs and keys apart, and both from a heartbeat's HMAC by the same secret. */
static void derive(const struct channel *ch, const struct channel_id *id, const char purpose[16],
                   uint8_t out[32]) {
    uint8_t all[16 + 2 * CHANNEL_HELLO_BYTES];
    memcpy(all, purpose, 16);
    memcpy(all + 16, ch->hello, sizeof ch->hello);
    hmac_sha256(id->secret, sizeof id->secret, all, sizeof all, out);
}

static const char proof_of[2][16] = {"client's proof", "server's proof"};
static const char key_of[2][16] = {"client's frames", "server's frames"};

void channel_proof(struct channel *ch, const struct channel_id *id,
                   uint8_t out[CHANNEL_PROOF_BYTES]) {
    derive(ch, id, proof_of[ch->server], out);
    derive(ch, id, key_of[ch->server], ch->send_key);
    derive(ch, id, key_of[!ch->server], ch->receive_key);
}

bool channel_proof_right(const struct channel *ch, const struct channel_id *id,
                         const uint8_t proof[CHANNEL_PROOF_BYTES]) {
    uint8_t right[CHANNEL_PROOF_BYTES];
    derive(ch, id, proof_of[!ch->server], right);
    return bytes_equal_ct(right, proof, sizeof right);
}

/* ---- frames ---- */

/* type 1, zeros 3, length 4, number 8, bytes, HMAC of all that 32 */
void channel_send(struct channel *ch, struct buf *out, enum channel_type type, const void *bytes,
                  size_t len) {
    must(len <= CHANNEL_PAYLOAD_LIMIT, "a frame has a bounded size");
    uint8_t *p = (uint8_t *)buf_room(out, CHANNEL_HEAD_BYTES + len + HMAC_BYTES);
    memset(p, 0, CHANNEL_HEAD_BYTES);
    p[0] = (uint8_t)type;
    put_number(p + 4, len, 4);
    put_number(p + 8, ch->sent++, 8);
    if (len) memcpy(p + CHANNEL_HEAD_BYTES, bytes, len);
    hmac_sha256(ch->send_key, CHANNEL_KEY, p, CHANNEL_HEAD_BYTES + len,
                p + CHANNEL_HEAD_BYTES + len);
    buf_added(out, CHANNEL_HEAD_BYTES + len + HMAC_BYTES);
}

/* A client says what to run and its input, a server the rest. */
static bool is_for(bool server, unsigned type) {
    return server ? type == CHANNEL_RUN || type == CHANNEL_IN
                  : type >= CHANNEL_OUT && type <= CHANNEL_EXIT;
}

static enum channel_result bad(const char **why, const char *sentence) {
    *why = sentence;
    return CHANNEL_BAD;
}

enum channel_result channel_next(struct channel *ch, const char *bytes, size_t len,
                                 struct channel_frame *f, const char **why) {
    const uint8_t *p = (const uint8_t *)bytes;
    uint8_t right[HMAC_BYTES];
    if (len < CHANNEL_HEAD_BYTES) return CHANNEL_MORE;
    size_t payload = get_number(p + 4, 4);
    if (payload > CHANNEL_PAYLOAD_LIMIT) return bad(why, "a frame is longer than frames may be");
    if (len < CHANNEL_HEAD_BYTES + payload + HMAC_BYTES) return CHANNEL_MORE;
    hmac_sha256(ch->receive_key, CHANNEL_KEY, p, CHANNEL_HEAD_BYTES + payload, right);
    if (!bytes_equal_ct(right, p + CHANNEL_HEAD_BYTES + payload, HMAC_BYTES))
        return bad(why, "a frame is forged or damaged");
    if (get_number(p + 8, 8) != ch->received)
        return bad(why, "a frame comes again, or one is missing");
    if (p[1] || p[2] || p[3] || !is_for(ch->server, p[0]))
        return bad(why, "a frame is of a kind that is not known");
    ch->received++;
    f->type = (enum channel_type)p[0];
    f->bytes = bytes + CHANNEL_HEAD_BYTES;
    f->len = payload;
    f->size = CHANNEL_HEAD_BYTES + payload + HMAC_BYTES;
    return CHANNEL_FRAME;
}

/* ---- words ---- */

bool channel_words_put(struct buf *out, char *const *words, int count) {
    size_t before = buf_len(out);
    if (count < 1 || count > CHANNEL_WORDS) return false;
    for (int i = 0; i < count; i++) buf_add(out, words[i], strlen(words[i]) + 1);
    return buf_len(out) - before <= CHANNEL_PAYLOAD_LIMIT;
}

int channel_words_get(const char *bytes, size_t len, const char *words[CHANNEL_WORDS + 1]) {
    int n = 0;
    if (len == 0 || bytes[len - 1] != 0) return -1;
    for (const char *p = bytes; p < bytes + len; p += strlen(p) + 1) {
        if (n == CHANNEL_WORDS) return -1;
        words[n++] = p;
    }
    words[n] = NULL;
    return n;
}
