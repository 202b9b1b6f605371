/* See zframe.h. */
#include "server/base/zframe.h"

#include <stdlib.h>
#include <zstd.h>

#include "server/base/buf.h"
#include "server/base/log.h"

enum { WINDOW_LOG_MAX = 24 }; /* levels up to 3 write 21: a frame that wants more is none of ours */

struct zframe_writer {
    ZSTD_CCtx *ctx;
};

struct zframe_reader {
    ZSTD_DCtx *ctx;
    const char *error;
    bool ended;
};

struct zframe_writer *zframe_writer_new(int level) {
    struct zframe_writer *z = xcalloc(1, sizeof *z);
    z->ctx = ZSTD_createCCtx();
    must(z->ctx, "there is memory for a compressor");
    ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_checksumFlag, 1);
    return z;
}

void zframe_writer_free(struct zframe_writer *z) {
    if (!z) return;
    ZSTD_freeCCtx(z->ctx);
    free(z);
}

void zframe_write(struct zframe_writer *z, const void *p, size_t n, bool end, struct buf *out) {
    ZSTD_inBuffer in = {p, n, 0};
    size_t left;
    do {
        size_t room = ZSTD_CStreamOutSize();
        ZSTD_outBuffer to = {buf_room(out, room), room, 0};
        left = ZSTD_compressStream2(z->ctx, &to, &in, end ? ZSTD_e_end : ZSTD_e_continue);
        must(!ZSTD_isError(left), "a compressor takes any bytes");
        buf_added(out, to.pos);
    } while (end ? left != 0 : in.pos < in.size);
}

struct zframe_reader *zframe_reader_new(void) {
    struct zframe_reader *z = xcalloc(1, sizeof *z);
    z->ctx = ZSTD_createDCtx();
    must(z->ctx, "there is memory for a decompressor");
    ZSTD_DCtx_setParameter(z->ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    return z;
}

void zframe_reader_free(struct zframe_reader *z) {
    if (!z) return;
    ZSTD_freeDCtx(z->ctx);
    free(z);
}

enum zframe_state zframe_read(struct zframe_reader *z, const void *p, size_t n, size_t *used,
                              struct buf *out, size_t room) {
    ZSTD_inBuffer in = {p, n, 0};
    ZSTD_outBuffer to = {buf_room(out, room), room, 0};
    *used = 0;
    if (z->error) return ZFRAME_BAD;
    if (z->ended) return ZFRAME_END;
    size_t left = ZSTD_decompressStream(z->ctx, &to, &in);
    *used = in.pos;
    if (ZSTD_isError(left)) {
        z->error = ZSTD_getErrorName(left);
        return ZFRAME_BAD;
    }
    buf_added(out, to.pos);
    z->ended = left == 0;
    return z->ended ? ZFRAME_END : ZFRAME_MORE;
}

const char *zframe_error(const struct zframe_reader *z) {
    return z->error ? z->error : "";
}
