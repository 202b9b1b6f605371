/* link: server/proto/logblock.c server/base/crc32c.c server/base/num.c server/base/log.c
   server/base/clock.c server/base/buf.c */
/* Log blocks: whatever the bytes, only headers whose checksum fits are taken, and a search stays
 * inside. The header's checksum is made to fit in half of the runs, so that what is behind it is
 * reached too. */
#include "server/base/crc32c.h"
#include "server/proto/logblock.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 65536) return 0;
    size_t len = size - 1;
    char *p = malloc(len ? len : 1);
    memcpy(p, data + 1, len);
    if (data[0] & 1 && len >= LOGBLOCK_HEADER_BYTES) {
        memcpy(p, "DLB\x81\x01", 5);
        p[6] = LOGBLOCK_HEADER_BYTES;
        p[7] = 0;
        uint32_t crc = crc32c(0, p, LOGBLOCK_HEADER_BYTES - 4);
        memcpy(p + LOGBLOCK_HEADER_BYTES - 4, &crc, 4);
    }
    struct logblock b;
    for (size_t at = 0; at < len;) {
        if (logblock_get(&b, p + at, len - at) != LOGBLOCK_OK) {
            long next = logblock_search(p, len, at + 1);
            if (next < 0) break;
            if ((size_t)next <= at || (size_t)next + LOGBLOCK_HEADER_BYTES > len) abort();
            at = (size_t)next;
            continue;
        }
        char again[LOGBLOCK_HEADER_BYTES];
        logblock_put(again, &b);
        if (memcmp(again, p + at, sizeof again) != 0) abort(); /* what was read is all there is */
        at += LOGBLOCK_HEADER_BYTES;
        if (b.len <= len - at) {
            logblock_payload_fits(&b, p + at);
            at += b.len;
        }
    }
    free(p);
    return 0;
}
