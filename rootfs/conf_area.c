#include "rootfs/conf_area.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/state_layout.h"

/* Little-endian on disk; the checksum covers the header before it and the text. */
struct header {
    uint8_t magic[8];
    uint64_t sequence;
    uint32_t length;
    uint32_t checksum;
};

static const uint8_t magic[8] = "DUCONF1";
static const off_t offsets[2] = {STATE_CONF_A, STATE_CONF_B};

static uint32_t checksum(const struct header *h, const void *text, size_t len) {
    uint32_t crc = crc32c(0, h, offsetof(struct header, checksum));
    return crc32c(crc, text, len);
}

static void read_copy(int fd, off_t at, struct conf_copy *c, struct buf *text) {
    struct header h;
    static const struct header zero;
    memset(c, 0, sizeof *c);
    buf_clear(text);
    c->state = CONF_COPY_UNREADABLE;
    if (!file_pread_all(fd, &h, sizeof h, at)) return;
    if (memcmp(&h, &zero, sizeof h) == 0) {
        c->state = CONF_COPY_EMPTY;
        return;
    }
    c->state = CONF_COPY_DAMAGED;
    uint32_t length = le32toh(h.length);
    if (memcmp(h.magic, magic, sizeof magic) != 0) return;
    if (length > STATE_CONF_LIMIT_BYTES - sizeof h) return;
    if (!file_pread_all(fd, buf_room(text, length), length, at + (off_t)sizeof h)) {
        c->state = CONF_COPY_UNREADABLE;
        return;
    }
    buf_added(text, length);
    if (checksum(&h, buf_head(text), length) != le32toh(h.checksum)) return;
    c->state = CONF_COPY_WHOLE;
    c->sequence = le64toh(h.sequence);
    c->length = length;
}

int conf_area_read(int fd, off_t base, struct conf_copy copies[2], struct buf *text) {
    struct buf texts[2] = {BUF_INIT, BUF_INIT};
    int best = -1;
    for (int i = 0; i < 2; i++) {
        read_copy(fd, base + offsets[i], &copies[i], &texts[i]);
        if (copies[i].state != CONF_COPY_WHOLE) continue;
        if (best < 0 || copies[i].sequence > copies[best].sequence) best = i;
    }
    if (best >= 0 && text) buf_add(text, buf_head(&texts[best]), buf_len(&texts[best]));
    buf_free(&texts[0]);
    buf_free(&texts[1]);
    return best;
}

static bool write_copy(int fd, off_t at, uint64_t sequence, const void *text, size_t len) {
    struct header h = {.sequence = htole64(sequence), .length = htole32((uint32_t)len)};
    struct buf block = BUF_INIT;
    memcpy(h.magic, magic, sizeof magic);
    h.checksum = htole32(checksum(&h, text, len));
    buf_add(&block, &h, sizeof h);
    buf_add(&block, text, len);
    bool done = file_pwrite_all(fd, buf_head(&block), buf_len(&block), at) && file_sync(fd);
    int saved = errno;
    buf_free(&block);
    errno = saved;
    return done;
}

bool conf_area_write(int fd, off_t base, const void *text, size_t len) {
    struct conf_copy copies[2];
    if (len > STATE_CONF_LIMIT_BYTES - sizeof(struct header)) {
        errno = EFBIG;
        return false;
    }
    int best = conf_area_read(fd, base, copies, NULL);
    uint64_t sequence = best < 0 ? 1 : copies[best].sequence + 1;
    int first = best == 0 ? 1 : 0;
    return write_copy(fd, base + offsets[first], sequence, text, len) &&
           write_copy(fd, base + offsets[!first], sequence, text, len);
}
