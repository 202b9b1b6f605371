#include "server/proto/tail_report.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/num.h"

void tail_id(char out[TAIL_ID_CHARS], const char *line, uint64_t from) {
    snprintf(out, TAIL_ID_CHARS, "%.8s-%" PRIu64, line, from);
}

bool tail_id_valid(const char *id) {
    size_t hex = strspn(id, "0123456789abcdef");
    return hex == 8 && id[8] == '-' && id[9] && strlen(id) < TAIL_ID_CHARS &&
           strspn(id + 9, "0123456789") == strlen(id + 9);
}

void tail_report_put(struct buf *out, const struct tail_report *t) {
    buf_printf(out,
               "# %" PRIu64
               " writes that the new master does not have. `hactl tail show %s` explains, "
               "`hactl tail replay %s` brings them back.\n",
               t->writes, t->id, t->id);
    buf_printf(out,
               "id %s\nline %s\nfrom %" PRIu64 "\nto %" PRIu64 "\nwrites %" PRIu64 "\nkeys %" PRIu64
               "\nkeys-at-least %d\nbytes %" PRIu64 "\nepoch %" PRIu64 "\nsaved-ms %" PRId64
               "\nfirst-ms %" PRId64 "\nlast-ms %" PRId64 "\nwhy %s\n",
               t->id, t->line, t->from, t->to, t->writes, t->keys, t->keys_at_least, t->bytes,
               t->epoch, t->saved_ms, t->first_ms, t->last_ms, t->why);
}

static void put_plain(struct buf *out, struct bytes b, size_t most) {
    for (size_t i = 0; i < b.len && i < most; i++) {
        unsigned char c = (unsigned char)b.p[i];
        if (c > ' ' && c < 0x7f && c != '\\')
            buf_add(out, &b.p[i], 1);
        else
            buf_printf(out, "\\x%02x", c);
    }
}

void tail_report_key(struct buf *out, int db, struct bytes command, struct bytes key) {
    buf_printf(out, "key %d ", db);
    put_plain(out, command, 32);
    buf_add_str(out, " ");
    put_plain(out, key, TAIL_KEY_CHARS);
    buf_add_str(out, "\n");
}

/* ---- reading ---- */

static bool next_line(struct bytes *text, struct bytes *line) {
    const char *end = text->len ? memchr(text->p, '\n', text->len) : NULL;
    if (!end) return false;
    *line = (struct bytes){text->p, (size_t)(end - text->p)};
    text->len -= line->len + 1;
    text->p = end + 1;
    return true;
}

/* The word up to the next blank; the rest stays in *line. */
static struct bytes word(struct bytes *line) {
    const char *blank = line->len ? memchr(line->p, ' ', line->len) : NULL;
    struct bytes w = {line->p, blank ? (size_t)(blank - line->p) : line->len};
    size_t used = blank ? w.len + 1 : w.len;
    line->p += used;
    line->len -= used;
    return w;
}

static void text_of(char *out, size_t size, struct bytes v) {
    snprintf(out, size, "%.*s", (int)v.len, v.p);
    for (char *c = out; *c; c++)
        if (iscntrl((unsigned char)*c)) *c = '?';
}

static void take(struct tail_report *t, struct bytes name, struct bytes v) {
    struct {
        const char *name;
        uint64_t *to;
    } const numbers[] = {{"from", &t->from},
                         {"to", &t->to},
                         {"writes", &t->writes},
                         {"keys", &t->keys},
                         {"bytes", &t->bytes},
                         {"epoch", &t->epoch},
                         {"saved-ms", (uint64_t *)&t->saved_ms},
                         {"first-ms", (uint64_t *)&t->first_ms},
                         {"last-ms", (uint64_t *)&t->last_ms}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (bytes_is(name, numbers[i].name)) num_parse_u64(v.p, v.len, numbers[i].to);
    if (bytes_is(name, "keys-at-least")) t->keys_at_least = bytes_is(v, "1");
    if (bytes_is(name, "id")) text_of(t->id, sizeof t->id, v);
    if (bytes_is(name, "line")) text_of(t->line, sizeof t->line, v);
    if (bytes_is(name, "why")) text_of(t->why, sizeof t->why, v);
}

bool tail_report_get(struct bytes text, struct tail_report *t, struct bytes *keys) {
    struct bytes line, rest = text;
    memset(t, 0, sizeof *t);
    while (next_line(&text, &line)) {
        if (line.len && line.p[0] == '#') {
            rest = text;
            continue;
        }
        struct bytes name = word(&line);
        if (bytes_is(name, "key")) break;
        take(t, name, line);
        rest = text;
    }
    if (keys) *keys = rest;
    return tail_id_valid(t->id) && strlen(t->line) == 40 && t->to >= t->from;
}

bool tail_report_next(struct bytes *keys, struct tail_key *k) {
    struct bytes line;
    int64_t db;
    while (next_line(keys, &line)) {
        struct bytes name = word(&line), number = word(&line);
        if (!bytes_is(name, "key") || !num_parse_i64(number.p, number.len, &db)) continue;
        k->db = (int)db;
        k->command = word(&line);
        k->key = line;
        return true;
    }
    return false;
}
