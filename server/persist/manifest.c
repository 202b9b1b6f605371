#include "server/persist/manifest.h"

#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void manifest_part_path(char *out, size_t size, const char *dir, unsigned number,
                        const char *kind) {
    snprintf(out, size, "%s/%06u.%s", dir, number, kind);
}

static void manifest_path(char *out, size_t size, const char *dir) {
    snprintf(out, size, "%s/manifest", dir);
}

static bool parse_line(struct manifest *m, const char *line) {
    char id[48];
    int end = -1;
    if (sscanf(line, "base %u %40[0-9a-f] %" SCNu64 " %d%n", &m->base, id, &m->base_pos.offset,
               &m->base_pos.db, &end) == 4 &&
        line[end] == '\0' && strlen(id) == PERSIST_ID_CHARS) {
        memcpy(m->base_pos.id, id, sizeof m->base_pos.id);
        return true;
    }
    if (sscanf(line, "first %u%n", &m->first, &end) == 1 && line[end] == '\0') return true;
    if (sscanf(line, "start %" SCNu64 "%n", &m->start, &end) == 1 && line[end] == '\0')
        return m->starts = true;
    struct persist_line *l = &m->lines[m->line_count];
    if (m->line_count < PERSIST_LINES_MAX &&
        sscanf(line, "line %40[0-9a-f] %" SCNu64 "%n", id, &l->until, &end) == 2 &&
        line[end] == '\0' && strlen(id) == PERSIST_ID_CHARS) {
        memcpy(l->id, id, sizeof l->id);
        m->line_count++;
        return true;
    }
    return false;
}

static bool sum_fits(const char *text, const char *sum_line) {
    char want[16];
    snprintf(want, sizeof want, "sum %08x\n", crc32c(0, text, (size_t)(sum_line - text)));
    return strcmp(sum_line, want) == 0;
}

/* text is taken apart in place. */
static const char *parse(struct manifest *m, char *text) {
    static const char head[] = "duet-log 1\n";
    char *sum = strstr(text, "\nsum ");
    if (strncmp(text, head, sizeof head - 1) != 0) return "it is not a manifest of version 1";
    if (!sum || !sum_fits(text, sum + 1)) return "its checksum does not fit";
    sum[1] = '\0';
    for (char *p = text + sizeof head - 1, *nl; *p; p = nl + 1) {
        nl = strchr(p, '\n');
        if (!nl) return "a line has no end";
        *nl = '\0';
        if (!parse_line(m, p)) return "it has a line that is not understood";
    }
    return NULL;
}

enum manifest_state manifest_read(const char *dir, struct manifest *m, char *err, size_t err_size) {
    char path[512];
    struct buf b = BUF_INIT;
    enum manifest_state st = MANIFEST_BAD;
    manifest_path(path, sizeof path, dir);
    memset(m, 0, sizeof *m);
    m->base_pos.db = -1;
    if (!file_read_all(path, &b, 65536)) {
        st = errno == ENOENT ? MANIFEST_ABSENT : MANIFEST_BAD;
        snprintf(err, err_size, "%s: %s", path, strerror(errno));
    } else {
        size_t len = buf_len(&b);
        char *text = buf_cstr(&b);
        const char *wrong = strlen(text) == len ? parse(m, text) : "it holds a NUL byte";
        if (wrong)
            snprintf(err, err_size, "%s: %s", path, wrong);
        else
            st = MANIFEST_OK;
    }
    buf_free(&b);
    return st;
}

bool manifest_write(const char *dir, const struct manifest *m) {
    char path[512];
    struct buf b = BUF_INIT;
    manifest_path(path, sizeof path, dir);
    buf_add_str(&b, "duet-log 1\n");
    if (m->base)
        buf_printf(&b, "base %u %s %" PRIu64 " %d\n", m->base, m->base_pos.id, m->base_pos.offset,
                   m->base_pos.db);
    buf_printf(&b, "first %u\n", m->first);
    if (!m->base && m->first && m->starts) buf_printf(&b, "start %" PRIu64 "\n", m->start);
    for (size_t i = 0; i < m->line_count; i++)
        buf_printf(&b, "line %s %" PRIu64 "\n", m->lines[i].id, m->lines[i].until);
    buf_printf(&b, "sum %08x\n", crc32c(0, buf_head(&b), buf_len(&b)));
    bool ok = file_replace(path, buf_head(&b), buf_len(&b), 0640);
    int saved = errno;
    buf_free(&b);
    errno = saved;
    return ok;
}
