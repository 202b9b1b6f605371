#include "rootfs/gpt.h"

#include "server/base/file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Offsets in the header. */
enum {
    H_SIZE = 12,
    H_CRC = 16,
    H_SELF = 24,
    H_OTHER = 32,
    H_LAST_USABLE = 48,
    H_ENTRIES = 72,
    H_COUNT = 80,
    H_ENTRY_SIZE = 84,
    H_ENTRIES_CRC = 88,
    HEADER_BYTES = 92
};
/* And in an entry; its type stands first. */
enum { E_GUID = 16, E_FIRST = 32, E_LAST = 40, E_NAME = 56 };

#define ENTRY_SECTORS (GPT_ENTRIES * GPT_ENTRY_SIZE / GPT_SECTOR)
#define HEAD_BYTES    4096 /* boot sector, header and the first 24 entries: one write */
#define MBR_COUNT     (446 + 12)

static uint64_t get(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static void put(unsigned char *p, int bytes, uint64_t v) {
    for (int i = 0; i < bytes; i++, v >>= 8) p[i] = (unsigned char)v;
}

/* CRC-32 of IEEE 802.3, bit by bit: a table is 16 KiB and is read once. */
static uint32_t crc32(const unsigned char *p, size_t n) {
    uint32_t crc = ~0U;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0);
    }
    return ~crc;
}

static uint32_t header_crc(const unsigned char *header) {
    unsigned char copy[HEADER_BYTES];
    memcpy(copy, header, sizeof copy);
    put(copy + H_CRC, 4, 0);
    return crc32(copy, sizeof copy);
}

static bool header_is_whole(const unsigned char *h, uint64_t at) {
    return memcmp(h, "EFI PART", 8) == 0 && get(h + H_SIZE, 4) == HEADER_BYTES &&
           get(h + H_SELF, 8) == at && get(h + H_COUNT, 4) == GPT_ENTRIES &&
           get(h + H_ENTRY_SIZE, 4) == GPT_ENTRY_SIZE && get(h + H_CRC, 4) == header_crc(h);
}

static bool read_at(struct gpt *g, int fd, uint64_t sector) {
    if (!file_pread_all(fd, g->header, GPT_SECTOR, (off_t)(sector * GPT_SECTOR))) return false;
    if (!header_is_whole(g->header, sector)) return false;
    uint64_t entries = get(g->header + H_ENTRIES, 8);
    if (entries > g->sectors - ENTRY_SECTORS) return false;
    if (!file_pread_all(fd, g->entries, sizeof g->entries, (off_t)(entries * GPT_SECTOR)))
        return false;
    return get(g->header + H_ENTRIES_CRC, 4) == crc32(g->entries, sizeof g->entries);
}

bool gpt_read(struct gpt *g, int fd, uint64_t disk_bytes) {
    g->sectors = disk_bytes / GPT_SECTOR;
    if (g->sectors < 2 * (ENTRY_SECTORS + 2)) return false;
    return read_at(g, fd, 1) || read_at(g, fd, g->sectors - 1);
}

/* The first three groups are little-endian numbers, the rest are bytes. */
static void guid_text(const unsigned char *p, char *out) {
    snprintf(out, GPT_GUID_TEXT, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             (unsigned)get(p, 4), (unsigned)get(p + 4, 2), (unsigned)get(p + 6, 2), p[8], p[9],
             p[10], p[11], p[12], p[13], p[14], p[15]);
}

bool gpt_next(const struct gpt *g, int number, struct gpt_part *out) {
    assert(number >= 0 && "partitions count from 1");
    static const unsigned char unused[16];
    for (int i = number; i < GPT_ENTRIES; i++) {
        const unsigned char *e = g->entries + i * GPT_ENTRY_SIZE;
        uint64_t first = get(e + E_FIRST, 8), last = get(e + E_LAST, 8);
        if (memcmp(e, unused, sizeof unused) == 0 || last < first || last >= g->sectors) continue;
        *out = (struct gpt_part){.number = i + 1, .first = first, .count = last - first + 1};
        guid_text(e + E_GUID, out->guid);
        for (int c = 0; c < 36; c++) out->name[c] = (char)e[E_NAME + 2 * c]; /* ours are ASCII */
        return true;
    }
    return false;
}

bool gpt_by_name(const struct gpt *g, const char *name, struct gpt_part *out) {
    for (int n = 0; gpt_next(g, n, out); n = out->number) {
        if (strcmp(out->name, name) == 0) return true;
    }
    return false;
}

bool gpt_by_guid(const struct gpt *g, const char *guid, struct gpt_part *out) {
    for (int n = 0; gpt_next(g, n, out); n = out->number) {
        if (strcasecmp(out->guid, guid) == 0) return true;
    }
    return false;
}

static uint64_t last_usable(const struct gpt *g) {
    return g->sectors - ENTRY_SECTORS - 2;
}

uint64_t gpt_room_after(const struct gpt *g, const struct gpt_part *part) {
    struct gpt_part other;
    for (int n = 0; gpt_next(g, n, &other); n = other.number) {
        if (other.first > part->first) return 0;
    }
    uint64_t end = part->first + part->count, usable = last_usable(g) + 1;
    return usable > end && usable - end >= (1 << 20) / GPT_SECTOR ? usable - end : 0;
}

static void seal(unsigned char *header, uint64_t self, uint64_t other, uint64_t entries) {
    put(header + H_SELF, 8, self);
    put(header + H_OTHER, 8, other);
    put(header + H_ENTRIES, 8, entries);
    put(header + H_CRC, 4, header_crc(header));
}

static bool write_copy(struct gpt *g, int fd) {
    uint64_t end = g->sectors - 1;
    seal(g->header, end, 1, end - ENTRY_SECTORS);
    return file_pwrite_all(fd, g->entries, sizeof g->entries,
                           (off_t)((end - ENTRY_SECTORS) * GPT_SECTOR)) &&
           file_pwrite_all(fd, g->header, GPT_SECTOR, (off_t)(end * GPT_SECTOR)) && file_sync(fd);
}

static bool write_head(struct gpt *g, int fd) {
    unsigned char head[HEAD_BYTES] __attribute__((aligned(HEAD_BYTES)));
    if (!file_pread_all(fd, head, sizeof head, 0)) return false;
    seal(g->header, 1, g->sectors - 1, 2);
    put(head + MBR_COUNT, 4, g->sectors - 1 > UINT32_MAX ? UINT32_MAX : g->sectors - 1);
    memcpy(head + GPT_SECTOR, g->header, GPT_SECTOR);
    size_t entries = sizeof head - 2 * GPT_SECTOR;
    memcpy(head + 2 * GPT_SECTOR, g->entries, entries);
    /* The rest of the entries is what it was, or comes from the copy when the head was damaged. */
    return file_pwrite_all(fd, g->entries + entries, sizeof g->entries - entries, HEAD_BYTES) &&
           file_pwrite_all(fd, head, sizeof head, 0) && file_sync(fd);
}

bool gpt_grow(struct gpt *g, int fd, struct gpt_part *part) {
    uint64_t room = gpt_room_after(g, part);
    if (!room) return true;
    unsigned char *entry = g->entries + (part->number - 1) * GPT_ENTRY_SIZE;
    put(entry + E_LAST, 8, last_usable(g));
    put(g->header + H_LAST_USABLE, 8, last_usable(g));
    put(g->header + H_ENTRIES_CRC, 4, crc32(g->entries, sizeof g->entries));
    if (!write_copy(g, fd) || !write_head(g, fd)) {
        int why = errno;
        put(entry + E_LAST, 8, part->first + part->count - 1);
        errno = why;
        return false;
    }
    part->count += room;
    return true;
}
