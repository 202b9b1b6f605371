/* `duet check` of RDB files and backup sets. See check.h. */
#include "server/check.h"

#include "server/base/file.h"
#include "server/proto/crc64.h"
#include "server/proto/rdb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024 };

bool check_scan_rdb(struct rdbscan *s, const char *path, int out_fd, bool deep) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    rdbscan_begin(s, deep);
    if (fd < 0 || fstat(fd, &st) != 0) return false;
    char *in = xmalloc(READ_BYTES);
    ssize_t n;
    while ((n = read(fd, in, READ_BYTES)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0) continue;
        if (out_fd >= 0 && !file_write_all(out_fd, in, (size_t)n))
            check_fail("the new file cannot be written: %s", strerror(errno));
        if (rdbscan_feed(s, in, (size_t)n) == RDBSCAN_BAD) break;
        check_progress(path, s->bytes, (uint64_t)st.st_size);
    }
    if (n < 0) {
        s->state = RDBSCAN_BAD;
        s->bad_at = s->bytes;
        snprintf(s->what, sizeof s->what, "it cannot be read: %s", strerror(errno));
    }
    rdbscan_cut(s);
    check_progress_end();
    close(fd);
    free(in);
    return true;
}

void check_report_rdb(struct report *r, const struct rdbscan *s) {
    static const char *const names[] = {
        [KIND_STRING] = "strings",   [KIND_LIST] = "lists",  [KIND_SET] = "sets",
        [KIND_ZSET] = "sorted_sets", [KIND_HASH] = "hashes", [KIND_STREAM] = "streams"};
    if (s->state == RDBSCAN_BAD) {
        report_number(r, "damage_at", s->bad_at);
        report_text(r, "damage", s->what);
        if (s->in_key) {
            report_text(r, "damage_key", s->key.name);
            report_number(r, "damage_key_db", (uint64_t)s->key.db);
        }
        report_number(r, "good_bytes", s->good_end);
    }
    report_number(r, "rdb_version", (uint64_t)s->version);
    if (s->redis_version[0]) report_text(r, "redis_version", s->redis_version);
    report_time(r, "made", (uint64_t)s->ctime_s * 1000000);
    if (s->pos.id[0]) {
        report_text(r, "replid", s->pos.id);
        report_number(r, "offset", s->pos.offset);
    }
    report_number(r, "rdb_bytes", s->bytes);
    report_number(r, "databases", s->databases);
    report_number(r, "keys", s->keys);
    report_number(r, "keys_with_expiry", s->expiring);
    for (int k = 0; k < KIND_COUNT; k++) {
        char name[32];
        if (!s->kind_keys[k]) continue;
        report_number(r, names[k], s->kind_keys[k]);
        snprintf(name, sizeof name, "%s_bytes", names[k]);
        report_number(r, name, s->kind_bytes[k]);
    }
    if (s->biggest.bytes) {
        report_text(r, "biggest_key", s->biggest.name);
        report_number(r, "biggest_db", (uint64_t)s->biggest.db);
        report_number(r, "biggest_bytes", s->biggest.bytes);
    }
    if (s->skipped_sections) report_number(r, "skipped_sections", s->skipped_sections);
}

/* ---- salvage: the keys before the damage -------------------------------------------------------- */

static int salvage_open(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0) check_fail("%s: %s", path, strerror(errno));
    return fd;
}

static void salvage_end(int fd, const char *path, const struct rdbscan *s) {
    char *in = xmalloc(READ_BYTES);
    uint64_t crc = 0, at = 0;
    struct buf end = BUF_INIT;
    if (s->good_end == 0) {
        unlink(path);
        check_fail("%s was not written: nothing before the damage can be kept", path);
    }
    bool ok = ftruncate(fd, (off_t)s->good_end) == 0;
    while (ok && at < s->good_end) {
        uint64_t n = s->good_end - at < READ_BYTES ? s->good_end - at : READ_BYTES;
        ok = file_pread_all(fd, in, n, (off_t)at);
        crc = crc64(crc, in, n);
        at += n;
    }
    rdb_put_eof(&end);
    crc = crc64(crc, buf_head(&end), buf_len(&end));
    if (s->version >= 5) rdb_put_checksum(&end, crc);
    ok = ok && lseek(fd, 0, SEEK_END) >= 0 && file_write_all(fd, buf_head(&end), buf_len(&end)) &&
         file_sync(fd);
    if (!ok) check_fail("%s: %s", path, strerror(errno));
    close(fd);
    free(in);
    buf_free(&end);
}

static void salvage_tell(struct report *r, const struct check_options *o, const struct rdbscan *s) {
    if (!o->salvage) return;
    report_text(r, "salvaged_to", o->salvage);
    report_number(r, "salvaged_keys", s->keys);
}

/* ---- reports ---------------------------------------------------------------------------------- */

void check_rdb(struct report *r, const struct check_options *o, const char *path) {
    struct rdbscan s;
    int out = o->salvage ? salvage_open(o->salvage) : -1;
    if (!check_scan_rdb(&s, path, out, !o->quick)) check_fail("%s: %s", path, strerror(errno));
    if (out >= 0) salvage_end(out, o->salvage, &s);
    report_begin(r, "RDB file", path, s.state == RDBSCAN_END);
    check_report_rdb(r, &s);
    salvage_tell(r, o, &s);
    if (s.state == RDBSCAN_BAD && !o->salvage && s.keys)
        report_choice(r, "--salvage NEW.rdb writes the keys before the damage into a new file");
    report_end(r);
    rdbscan_free(&s);
}

static void report_set(struct report *r, const struct backup_set *s) {
    char crc[16];
    report_text(r, "id", s->id);
    report_number(r, "instance", s->instance);
    if (s->name[0]) report_text(r, "name", s->name);
    report_text(r, "made_by", s->made_by);
    report_time(r, "instant", (uint64_t)s->begin_us);
    report_text(r, "replid", s->replid);
    report_number(r, "offset", s->offset);
    report_number(r, "keys", s->keys);
    report_number(r, "raw_bytes", s->raw_bytes);
    report_number(r, "bytes", s->bytes);
    snprintf(crc, sizeof crc, "%08x", s->crc);
    report_text(r, "crc", crc);
    report_text(r, "duet_version", s->duet_version);
}

void check_set(struct report *r, const struct check_options *o, const char *path) {
    struct setfile f = {.tell = check_progress};
    int out = o->salvage ? salvage_open(o->salvage) : -1;
    bool sound = setfile_read(&f, path, out, !o->quick);
    if (out >= 0) salvage_end(out, o->salvage, &f.scan);
    report_begin(r, setfile_is_dir(path) ? "backup set" : "archive of a backup set", path, sound);
    if (!sound) {
        report_text(r, "damage_in", f.where);
        report_number(r, "damage_at", f.at);
        report_text(r, "damage", f.what);
        if (f.scan.in_key) report_text(r, "damage_key", f.scan.key.name);
    }
    if (f.known) report_set(r, &f.set);
    report_number(r, "keys_read", f.scan.keys);
    report_number(r, "keys_with_expiry", f.scan.expiring);
    salvage_tell(r, o, &f.scan);
    if (!sound && !o->salvage && f.scan.keys)
        report_choice(r, "--salvage NEW.rdb writes the keys before the damage into an RDB file");
    report_end(r);
    setfile_free(&f);
}
