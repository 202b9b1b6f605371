/* See backup_set.h. */
#include "server/base/backup_set.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/num.h"

static const char head[] = "duet-set 1\n";

bool backup_id_valid(const char *id, unsigned *instance) {
    unsigned n, again;
    int end = -1;
    char stamp[20], whole[48];
    if (strlen(id) >= sizeof whole) return false;
    if (sscanf(id, "%u-%8[0-9]T%n", &n, stamp, &end) != 2 || end < 0 || strlen(stamp) != 8)
        return false;
    const char *p = id + end;
    if (strspn(p, "0123456789") != 6 || p[6] != 'Z') return false;
    if (p[7] == '-') {
        if (sscanf(p + 7, "-%u%n", &again, &end) != 1 || p[7 + end] || again < 2) return false;
        snprintf(whole, sizeof whole, "%u-%sT%.6sZ-%u", n, stamp, p, again);
    } else {
        snprintf(whole, sizeof whole, "%u-%sT%.6sZ", n, stamp, p);
    }
    if (instance) *instance = n;
    return strcmp(whole, id) == 0; /* no "+1", no leading zeros */
}

void backup_id_format(char *out, size_t size, unsigned instance, int64_t wall_us, unsigned again) {
    time_t t = (time_t)(wall_us / 1000000);
    struct tm tm;
    char stamp[24], tail[16] = "";
    gmtime_r(&t, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    if (again) snprintf(tail, sizeof tail, "-%u", again);
    snprintf(out, size, "%u-%s%s", instance, stamp, tail);
}

bool backup_name_valid(const char *name) {
    size_t n = strlen(name);
    if (n < 1 || n > 60 || strcmp(name, "-") == 0 || name[0] == ' ' || name[n - 1] == ' ')
        return false;
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) return false;
    return true;
}

bool backup_made_by_valid(const char *word) {
    return strcmp(word, "operator") == 0 || strcmp(word, "schedule") == 0 ||
           strcmp(word, "rollback") == 0;
}

void backup_set_put(struct buf *out, const struct backup_set *s) {
    size_t before = buf_len(out);
    buf_add_str(out, head);
    buf_printf(out, "id %s\ninstance %u\nname %s\nnode %c\nmade-by %s\n", s->id, s->instance,
               s->name[0] ? s->name : "-", s->node, s->made_by);
    buf_printf(out, "begin-us %" PRId64 "\nend-us %" PRId64 "\n", s->begin_us, s->end_us);
    buf_printf(out, "replid %s\noffset %" PRIu64 "\ndatabase %d\n", s->replid, s->offset, s->db);
    buf_printf(out, "keys %" PRIu64 "\nraw-bytes %" PRIu64 "\nbytes %" PRIu64 "\ncrc %08x\n",
               s->keys, s->raw_bytes, s->bytes, s->crc);
    buf_printf(out, "redis-version %s\nduet-version %s\n", s->redis_version, s->duet_version);
    buf_printf(out, "sum %08x\n", crc32c(0, buf_head(out) + before, buf_len(out) - before));
}

/* ---- reading: a row a name, in the order of the file ---------------------------------------- */

static bool take_text(char *to, size_t size, const char *v) {
    size_t n = strlen(v);
    if (n == 0 || n >= size) return false;
    memcpy(to, v, n + 1);
    return true;
}

static bool take_i64(int64_t *to, const char *v) {
    return num_parse_i64(v, strlen(v), to);
}

static bool take_u64(uint64_t *to, const char *v) {
    return num_parse_u64(v, strlen(v), to);
}

static bool set_id(struct backup_set *s, const char *v) {
    return backup_id_valid(v, NULL) && take_text(s->id, sizeof s->id, v);
}
static bool set_instance(struct backup_set *s, const char *v) {
    uint64_t n;
    unsigned of_id;
    if (!take_u64(&n, v) || !backup_id_valid(s->id, &of_id) || n != of_id) return false;
    s->instance = of_id;
    return true;
}
static bool set_name(struct backup_set *s, const char *v) {
    s->name[0] = '\0';
    return strcmp(v, "-") == 0 || (backup_name_valid(v) && take_text(s->name, sizeof s->name, v));
}
static bool set_node(struct backup_set *s, const char *v) {
    s->node = v[0];
    return strlen(v) == 1 && strchr("ab-", v[0]);
}
static bool set_made_by(struct backup_set *s, const char *v) {
    return backup_made_by_valid(v) && take_text(s->made_by, sizeof s->made_by, v);
}
static bool set_begin(struct backup_set *s, const char *v) {
    return take_i64(&s->begin_us, v);
}
static bool set_end(struct backup_set *s, const char *v) {
    return take_i64(&s->end_us, v);
}
static bool set_replid(struct backup_set *s, const char *v) {
    return strlen(v) == 40 && strspn(v, "0123456789abcdef") == 40 &&
           take_text(s->replid, sizeof s->replid, v);
}
static bool set_offset(struct backup_set *s, const char *v) {
    return take_u64(&s->offset, v);
}
static bool set_database(struct backup_set *s, const char *v) {
    int64_t n;
    if (!take_i64(&n, v) || n < -1 || n > 1 << 20) return false;
    s->db = (int)n;
    return true;
}
static bool set_keys(struct backup_set *s, const char *v) {
    return take_u64(&s->keys, v);
}
static bool set_raw_bytes(struct backup_set *s, const char *v) {
    return take_u64(&s->raw_bytes, v);
}
static bool set_bytes(struct backup_set *s, const char *v) {
    return take_u64(&s->bytes, v);
}
static bool set_crc(struct backup_set *s, const char *v) {
    if (strlen(v) != 8 || strspn(v, "0123456789abcdef") != 8) return false;
    s->crc = (uint32_t)strtoul(v, NULL, 16);
    return true;
}
static bool set_redis_version(struct backup_set *s, const char *v) {
    return take_text(s->redis_version, sizeof s->redis_version, v);
}
static bool set_duet_version(struct backup_set *s, const char *v) {
    return take_text(s->duet_version, sizeof s->duet_version, v);
}

static const struct row {
    const char *name;
    bool (*take)(struct backup_set *s, const char *value);
} rows[] = {
    {"id", set_id},
    {"instance", set_instance},
    {"name", set_name},
    {"node", set_node},
    {"made-by", set_made_by},
    {"begin-us", set_begin},
    {"end-us", set_end},
    {"replid", set_replid},
    {"offset", set_offset},
    {"database", set_database},
    {"keys", set_keys},
    {"raw-bytes", set_raw_bytes},
    {"bytes", set_bytes},
    {"crc", set_crc},
    {"redis-version", set_redis_version},
    {"duet-version", set_duet_version},
};

static bool sum_fits(const char *text, size_t len) {
    char want[16];
    if (len < 13) return false;
    snprintf(want, sizeof want, "sum %08x\n", crc32c(0, text, len - 13));
    return memcmp(text + len - 13, want, 13) == 0;
}

/* text is taken apart in place. */
static const char *take_rows(struct backup_set *s, char *p) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *nl = strchr(p, '\n');
        size_t n = strlen(rows[i].name);
        if (!nl) return "a line is missing";
        *nl = '\0';
        if (strncmp(p, rows[i].name, n) != 0 || p[n] != ' ' || !rows[i].take(s, p + n + 1))
            return "it has a line that is not understood";
        p = nl + 1;
    }
    return *p ? "it has more lines than are understood" : NULL;
}

const char *backup_set_parse(struct backup_set *s, const char *text, size_t len) {
    memset(s, 0, sizeof *s);
    if (len < sizeof head - 1 || memcmp(text, head, sizeof head - 1) != 0)
        return "it does not begin as a backup set of version 1 does";
    if (memchr(text, '\0', len)) return "it holds a NUL byte";
    if (!sum_fits(text, len)) return "its checksum does not fit";
    size_t n = len - 13 - (sizeof head - 1);
    char *copy = xmalloc(n + 1);
    memcpy(copy, text + sizeof head - 1, n);
    copy[n] = '\0';
    const char *wrong = take_rows(s, copy);
    free(copy);
    return wrong;
}

bool backup_set_read(struct backup_set *s, const char *dir, char *err, size_t err_size) {
    char path[1024];
    struct buf b = BUF_INIT;
    const char *wrong;
    snprintf(path, sizeof path, "%s/" BACKUP_SET_FILE, dir);
    if (!file_read_all(path, &b, BACKUP_SET_MAX_BYTES))
        wrong = strerror(errno);
    else
        wrong = backup_set_parse(s, buf_cstr(&b), buf_len(&b));
    if (wrong) snprintf(err, err_size, "%s: %s", path, wrong);
    buf_free(&b);
    return !wrong;
}
