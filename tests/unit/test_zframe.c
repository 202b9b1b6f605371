/* link: server/base/zframe.c server/base/buf.c server/base/log.c */
#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/zframe.h"

enum { BYTES_IN = 300000 };

static char *sample(void) {
    char *p = malloc(BYTES_IN);
    for (size_t i = 0; i < BYTES_IN; i++)
        p[i] = (char)(i % 3000 < 1000 ? i * 2654435761u >> 13 : i % 7);
    return p;
}

static void pack(struct buf *out, const char *p, size_t step) {
    struct zframe_writer *z = zframe_writer_new(1);
    for (size_t at = 0; at < BYTES_IN; at += step)
        zframe_write(z, p + at, BYTES_IN - at < step ? BYTES_IN - at : step, false, out);
    zframe_write(z, "", 0, true, out);
    zframe_writer_free(z);
}

static enum zframe_state unpack(struct buf *out, const char *p, size_t n, size_t step,
                                size_t room) {
    struct zframe_reader *z = zframe_reader_new();
    enum zframe_state st = ZFRAME_MORE;
    for (size_t at = 0, used; st == ZFRAME_MORE; at += used) {
        size_t before = buf_len(out), give = n - at < step ? n - at : step;
        st = zframe_read(z, p + at, give, &used, out, room);
        if (st == ZFRAME_MORE && used == 0 && buf_len(out) == before && at + give == n) break;
    }
    zframe_reader_free(z);
    return st;
}

static void pieces(void) {
    char *p = sample();
    static const size_t steps[] = {1, 777, 65536, BYTES_IN};
    for (size_t i = 0; i < 4; i++) {
        struct buf packed = BUF_INIT, back = BUF_INIT;
        pack(&packed, p, i ? steps[i] : 100);
        enum zframe_state st =
            unpack(&back, buf_head(&packed), buf_len(&packed), steps[i], i ? steps[i] : 10);
        ok(st == ZFRAME_END && buf_len(&back) == BYTES_IN &&
               memcmp(buf_head(&back), p, BYTES_IN) == 0,
           "pieces of %zu bytes come back, %zu bytes packed", steps[i], buf_len(&packed));
        buf_free(&packed);
        buf_free(&back);
    }
    free(p);
}

static void damage(void) {
    char *p = sample();
    struct buf packed = BUF_INIT, back = BUF_INIT;
    unsigned missed = 0;
    pack(&packed, p, 65536);
    char *d = xmemdup(buf_head(&packed), buf_len(&packed));
    for (size_t i = 0; i < buf_len(&packed); i += i < 64 ? 1 : 97) {
        d[i] ^= 0x10;
        buf_clear(&back);
        if (unpack(&back, d, buf_len(&packed), 65536, 65536) == ZFRAME_END &&
            buf_len(&back) == BYTES_IN && memcmp(buf_head(&back), p, BYTES_IN) != 0)
            missed++;
        d[i] ^= 0x10;
    }
    is_int(missed, 0, "no flipped bit gives other bytes");
    buf_clear(&back);
    ok(unpack(&back, d, buf_len(&packed) - 1, 65536, 65536) == ZFRAME_MORE,
       "a frame that is cut never ends");
    struct zframe_reader *z = zframe_reader_new();
    size_t used;
    ok(zframe_read(z, "no frame at all", 15, &used, &back, 100) == ZFRAME_BAD && zframe_error(z)[0],
       "what is no frame is refused: %s", zframe_error(z));
    zframe_reader_free(z);
    free(d);
    free(p);
    buf_free(&packed);
    buf_free(&back);
}

int main(void) {
    pieces();
    damage();
    return done();
}
