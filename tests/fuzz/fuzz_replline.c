/* link: server/proto/replline.c server/proto/cmdstream.c server/proto/resp_parse.c
   server/base/buf.c server/base/num.c server/base/log.c server/base/clock.c server/base/conf.c
   server/base/file.c */
/* What a master sends: lines of the handshake, then the stream of commands. The stream must come
 * out the same in one piece and in many. */
#include "server/proto/cmdstream.h"
#include "server/proto/replline.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool note(void *arg, int db, int argc, const struct bytes *argv) {
    uint64_t *sum = arg;
    *sum = *sum * 31 + (unsigned)db;
    for (int i = 0; i < argc; i++)
        for (size_t k = 0; k < argv[i].len; k++) *sum = *sum * 31 + (unsigned char)argv[i].p[k];
    return true;
}

static uint64_t run(const char *data, size_t len, size_t piece) {
    struct cmdstream c;
    size_t at = 0, end = 0, unit;
    uint64_t sum = 0;
    cmdstream_init(&c, -1);
    for (;;) {
        char *copy = malloc(end - at ? end - at : 1);
        memcpy(copy, data + at, end - at);
        enum cmdstream_state st = cmdstream_find(&c, copy, end - at, &unit);
        if (st == CMDSTREAM_UNIT) {
            if (unit == 0 || unit > end - at) abort();
            cmdstream_each(&c, copy, unit, note, &sum);
            at += unit;
        }
        free(copy);
        if (st == CMDSTREAM_BAD || (st == CMDSTREAM_MORE && end == len)) break;
        if (st == CMDSTREAM_MORE) end = end + piece < len ? end + piece : len;
    }
    cmdstream_free(&c);
    return sum;
}

static void lines(const char *data, size_t len) {
    struct replline l;
    while (len) {
        char *copy = malloc(len);
        memcpy(copy, data, len);
        replline_parse(&l, copy, len);
        free(copy);
        if (l.kind == REPLLINE_MORE || l.kind == REPLLINE_BAD) break;
        if (l.used == 0 || l.used > len) abort();
        data += l.used;
        len -= l.used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 4096) return 0;
    const char *p = (const char *)data + 1;
    lines(p, size - 1);
    if (run(p, size - 1, size) != run(p, size - 1, 1 + data[0] % 16)) abort();
    return 0;
}
