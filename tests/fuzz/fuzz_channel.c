/* link: hactl/channel.c server/base/hmac.c server/base/buf.c server/base/log.c server/base/clock.c */
/* Any bytes as a greeting, as frames, and as the words of a verb that was truly signed. */
#include <stdlib.h>
#include <string.h>

#include "hactl/channel.h"
#include "server/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct channel_id here = {.secret = "fuzz", .pair = 1, .node = 1},
                               there = {.secret = "fuzz", .pair = 1};

static void words_of(const char *bytes, size_t len) {
    const char *words[CHANNEL_WORDS + 1];
    struct buf out = BUF_INIT;
    int n = channel_words_get(bytes, len, words);
    if (n > 0 && (!channel_words_put(&out, (char *const *)(void *)words, n) ||
                  buf_len(&out) != len || memcmp(buf_head(&out), bytes, len) != 0))
        abort();
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct channel server, client;
    struct channel_frame f;
    struct buf out = BUF_INIT;
    uint8_t nonce[32] = {1}, proof[CHANNEL_PROOF_BYTES];
    const char *why;
    channel_hello(&server, &here, true, nonce);
    channel_hello(&client, &there, false, nonce);
    if (size >= CHANNEL_HELLO_BYTES) channel_take_hello(&server, &here, data);
    if (channel_take_hello(&server, &here, client.hello[0]) ||
        channel_take_hello(&client, &there, server.hello[1]))
        abort();
    channel_proof(&server, &here, proof);
    if (!channel_proof_right(&client, &there, proof)) abort();
    channel_proof(&client, &there, proof);
    if (channel_next(&server, (const char *)data, size, &f, &why) == CHANNEL_FRAME)
        abort(); /* nobody signed it */
    channel_send(&client, &out, CHANNEL_RUN, data,
                 size < CHANNEL_PAYLOAD_LIMIT ? size : CHANNEL_PAYLOAD_LIMIT);
    if (channel_next(&server, buf_head(&out), buf_len(&out), &f, &why) != CHANNEL_FRAME) abort();
    words_of(f.bytes, f.len);
    buf_free(&out);
    return 0;
}
