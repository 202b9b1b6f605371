/* See load.h and load_inside.h: bytes of files and sources. */
#include "server/persist/load_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024 };

uint64_t load_file_bytes(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static ssize_t read_file(void *arg, void *p, size_t n) {
    const struct load_bytes *b = arg;
    return read(b->fd, p, n);
}

static void begin(struct load_bytes *b, const struct load_source *source) {
    b->source = *source;
    b->size = source->size;
    b->at = 0;
    b->ended = false;
    b->error[0] = '\0';
    buf_clear(&b->in);
}

bool load_bytes_open(struct load_bytes *b, const char *path) {
    b->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (b->fd < 0) {
        snprintf(b->error, sizeof b->error, "%s", strerror(errno));
        return false;
    }
    begin(b, &(struct load_source){b, read_file, load_file_bytes(path), path});
    return true;
}

void load_bytes_from(struct load_bytes *b, const struct load_source *source) {
    begin(b, source);
}

bool load_bytes_is_open(const struct load_bytes *b) {
    return b->source.read != NULL;
}

void load_bytes_close(struct load_bytes *b) {
    if (b->fd >= 0) close(b->fd);
    b->fd = -1;
    b->source.read = NULL;
    buf_clear(&b->in);
    buf_trim(&b->in, 4 * READ_BYTES);
}

bool load_bytes_have(struct load_bytes *b, size_t n) {
    if (b->size && n > b->size - b->at) return false;
    while (buf_len(&b->in) < n && !b->ended) {
        /* No more room than bytes that came justify: a length may be a lie. */
        ssize_t got = b->source.read(b->source.arg, buf_room(&b->in, READ_BYTES), READ_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) snprintf(b->error, sizeof b->error, "%s", strerror(errno));
        if (got < 0) return false;
        buf_added(&b->in, (size_t)got);
        b->ended = got == 0;
    }
    return buf_len(&b->in) >= n;
}

void load_bytes_drop(struct load_bytes *b, size_t n) {
    buf_eat(&b->in, n);
    b->at += n;
}
