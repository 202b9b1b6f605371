/* link: server/base/stream_block.c server/base/stream.c server/base/crc32c.c server/base/buf.c
 * server/base/log.c server/base/clock.c server/base/num.c server/base/rand.c */
/* What a line may do to blocks: bytes of anybody's making (first byte below 64), or a writer's blocks,
 * changed, cut, doubled and left out on their way. Never a byte that the writer did not write, in its
 * place; and without a change all of them. */
#include "tests/unit/block_rig.h"

#include "server/base/rand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT = 6000, WORD = 99 };

static struct prng chance;

static size_t some_of(size_t n) {
    uint64_t k = prng_below(&chance, 900);
    return k < n ? (size_t)k : n;
}

static char text[TEXT];

/* Reads as the link does, to whatever end there is. Returns how many bytes came up. */
static size_t read_out(const char *wire, size_t len) {
    struct line *l = line_new(some_of);
    struct stream *s = stream_block(&l->base, 0, WORD, 0);
    size_t at = 0;
    l->coming = wire;
    l->left = len;
    l->closes = true;
    for (;;) {
        size_t room = 1 + (size_t)prng_below(&chance, 2000);
        char *part = malloc(room);
        long n = stream_read(s, part, room);
        if (n > 0 && (at + (size_t)n > TEXT || memcmp(part, text + at, (size_t)n) != 0)) abort();
        free(part);
        if (n > 0) at += (size_t)n;
        if (n != STREAM_AGAIN && n <= 0) {
            if ((n == STREAM_FAILED) != (stream_block_damage(s) != NULL)) abort();
            break;
        }
    }
    stream_free(s);
    return at;
}

/* Three bytes an order: what, where, how much. True: something was changed. */
static bool change(struct buf *wire, const uint8_t *order) {
    size_t len = buf_len(wire), at = order[1] * 31u % (len ? len : 1), n = order[2] + 1u;
    struct buf fresh = BUF_INIT;
    if (at + n > len) return false;
    char *p = buf_head(wire);
    if (order[0] % 3 == 0) {
        p[at] ^= (char)(order[2] ? order[2] : 1);
        return true;
    }
    buf_add(&fresh, p, order[0] % 3 == 1 ? at : at + n);
    buf_add(&fresh, p + (order[0] % 3 == 1 ? at + n : at), len - at - (order[0] % 3 == 1 ? n : 0));
    buf_free(wire);
    *wire = fresh;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > 4096) return 0;
    prng_seed(&chance, data[0] * 256u + data[1]);
    for (size_t i = 0; i < TEXT; i++) text[i] = (char)prng_u64(&chance);
    if (data[0] < 64) {
        read_out((const char *)data + 1, size - 1);
        return 0;
    }
    struct line *l = line_new(some_of);
    struct stream *s = stream_block(&l->base, WORD, 0, 0);
    size_t each = 100 + 20u * data[1];
    if (!rig_write(s, text, TEXT, each)) abort();
    struct buf wire = l->sent;
    l->sent = (struct buf)BUF_INIT;
    stream_free(s);
    bool changed = false;
    for (size_t i = 2; i + 3 <= size && i < 2 + 3 * 8; i += 3)
        changed = change(&wire, data + i) || changed;
    size_t came = read_out(buf_head(&wire), buf_len(&wire));
    if (!changed && came != TEXT) abort();
    buf_free(&wire);
    return 0;
}
