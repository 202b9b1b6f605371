/* link: server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c server/proto/crc64.c server/proto/lzf.c server/base/buf.c
   server/base/num.c server/base/log.c server/base/clock.c */
/* RDB bytes of a hostile master or a damaged disk: no crash, no read behind the end, the same
 * events in one piece as in many. The first byte says how big the pieces are. */
#include "server/proto/rdb.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t run(const char *data, size_t len, size_t piece) {
    struct rdb_reader r;
    size_t at = 0, end = 0;
    uint64_t sum = 0;
    rdb_reader_init(&r);
    for (int events = 0; events < 100000;) {
        /* A copy of exactly what is there, so that the sanitizer sees a read behind it. */
        char *copy = malloc(end - at ? end - at : 1);
        memcpy(copy, data + at, end - at);
        enum rdb_event ev = rdb_read(&r, copy, end - at);
        if (ev != RDB_MORE && ev != RDB_BAD) {
            for (size_t i = 0; i < r.a.len && ev >= RDB_KEY && ev <= RDB_ITEM && ev != RDB_BEGIN;
                 i++)
                sum = sum * 31 + (unsigned char)r.a.p[i];
            sum = sum * 31 + ev;
            events++;
        }
        free(copy);
        at += r.used;
        if (ev == RDB_BAD || ev == RDB_END) {
            sum = sum * 31 + ev;
            break;
        }
        if (ev != RDB_MORE) continue;
        if (end == len) break;
        end = end + piece < len ? end + piece : len;
    }
    rdb_reader_free(&r);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 4096) return 0;
    const char *p = (const char *)data + 1;
    if (run(p, size - 1, size) != run(p, size - 1, 1 + data[0] % 16)) abort();
    return 0;
}
