/* `duet check` of Redis's append-only files: commands, an RDB part in front of them, directories of such files. Each
 * command is taken apart; what it would do is not tried. See check.h. */
#include "server/check.h"

#include "server/base/file.h"
#include "server/proto/aofile.h"
#include "server/proto/append_dir.h"
#include "server/proto/rdb_codes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, MANIFEST_BYTES = 1 << 20 };

struct aof_scan {
    bool has_rdb, rdb_sound, torn, bad;
    struct rdbscan rdb;
    uint64_t size, commands, transactions, at; /* at: of the first byte that no whole unit took */
    uint64_t stamp_s;
    char what[160];
};

static bool count(void *arg, int db, int argc, const struct bytes *argv) {
    struct aof_scan *s = arg;
    (void)db, (void)argc, (void)argv;
    s->commands++;
    return true;
}

/* Commands from s->at on. */
static void scan_commands(struct aof_scan *s, const char *path, int fd) {
    struct aofile a = {.db = 0};
    struct buf in = BUF_INIT;
    enum aofile_state st = AOFILE_MORE;
    uint64_t read_to = s->at;
    for (;;) {
        st = buf_len(&in) ? aofile_find(&a, buf_head(&in), buf_len(&in)) : AOFILE_MORE;
        if (st == AOFILE_BAD) break;
        if (st == AOFILE_UNIT) {
            size_t used = a.used;
            aofile_each(&a, buf_head(&in), used, count, s);
            s->transactions += a.transaction;
            s->at += used;
            buf_eat(&in, used);
            continue;
        }
        size_t want = buf_len(&in) > READ_BYTES ? buf_len(&in) : READ_BYTES;
        ssize_t n = pread(fd, buf_room(&in, want), want, (off_t)read_to);
        if (n < 0) check_fail("%s: %s", path, strerror(errno));
        if (n == 0) break;
        buf_added(&in, (size_t)n);
        read_to += (uint64_t)n;
        check_progress(path, read_to, s->size);
    }
    check_progress_end();
    s->bad = st == AOFILE_BAD;
    s->torn = !s->bad && buf_len(&in) && a.open;
    if (s->bad) s->at += a.used;
    if (s->bad || s->torn)
        snprintf(s->what, sizeof s->what, "%s",
                 s->bad ? a.error : "the file ends inside of a command or a transaction");
    s->stamp_s = a.stamp_s;
    buf_free(&in);
    aofile_free(&a);
}

static void scan(struct aof_scan *s, const struct check_options *o, const char *path) {
    struct stat st;
    char head[5] = "";
    memset(s, 0, sizeof *s);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) check_fail("%s: %s", path, strerror(errno));
    s->size = (uint64_t)st.st_size;
    ssize_t n = pread(fd, head, sizeof head, 0);
    s->has_rdb = n == sizeof head && memcmp(head, "REDIS", sizeof head) == 0;
    s->rdb_sound = true;
    if (s->has_rdb) {
        check_scan_rdb(&s->rdb, path, -1, !o->quick);
        s->rdb_sound = s->rdb.end > 0;
        s->at = s->rdb.end;
    }
    if (s->rdb_sound) scan_commands(s, path, fd);
    close(fd);
}

static void tell(struct report *r, struct aof_scan *s, const char *path, bool last) {
    report_begin(r, "append-only file", path, s->rdb_sound && !s->bad && !s->torn);
    if (!s->rdb_sound) {
        check_report_rdb(r, &s->rdb);
    } else if (s->bad || s->torn) {
        report_number(r, "damage_at", s->at);
        report_text(r, "damage", s->what);
        report_number(r, "behind_it_bytes", s->size - s->at);
    }
    report_number(r, "bytes", s->size);
    if (s->has_rdb && s->rdb_sound) {
        report_number(r, "rdb_bytes", s->rdb.end);
        report_number(r, "rdb_keys", s->rdb.keys);
    }
    report_number(r, "commands", s->commands);
    report_number(r, "transactions", s->transactions);
    report_time(r, "last_stamp", s->stamp_s * 1000000);
    if (last && s->rdb_sound && (s->bad || s->torn))
        report_choice(r, "hactl import --truncate takes what stands before it");
    report_end(r);
    if (s->has_rdb) rdbscan_free(&s->rdb);
}

void check_aof(struct report *r, const struct check_options *o, const char *path) {
    struct aof_scan s;
    if (o->salvage) check_fail("--salvage takes an RDB file, a backup set or an archive of one");
    scan(&s, o, path);
    tell(r, &s, path, true);
}

bool check_is_aof(const char *path) {
    char head[5] = "", next = 0;
    struct rdbscan s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = pread(fd, head, sizeof head, 0);
    bool yes = n > 0 && (*head == '*' || (n > 3 && memcmp(head, "#TS:", 4) == 0));
    if (n == sizeof head && memcmp(head, "REDIS", sizeof head) == 0) {
        /* Only its own end tells whether commands follow; most files have theirs where it must be. */
        off_t size = lseek(fd, 0, SEEK_END);
        if (size > RDB_CHECKSUM_BYTES) n = pread(fd, &next, 1, size - RDB_CHECKSUM_BYTES - 1);
        const bool ends = n == 1 && (unsigned char)next == RDB_OP_EOF;
        check_scan_rdb(&s, ends ? "/dev/null" : path, -1, false);
        yes = s.end && pread(fd, &next, 1, (off_t)s.end) == 1 && (next == '*' || next == '#');
        rdbscan_free(&s);
    }
    close(fd);
    return yes;
}

/* ---- directories ---- */

static char *manifest_in(const char *dir) {
    static const char ending[] = ".manifest";
    char *found = NULL;
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && !found && (e = readdir(d))) {
        size_t n = strlen(e->d_name), m = sizeof ending - 1;
        if (n > m && strcmp(e->d_name + n - m, ending) == 0)
            found = xasprintf("%s/%s", dir, e->d_name);
    }
    if (d) closedir(d);
    return found;
}

static void check_listed(struct report *r, const struct check_options *o, const char *dir,
                         const struct append_file *f, bool last) {
    struct aof_scan s;
    char *path = xasprintf("%s/%s", dir, f->name);
    if (file_exists(path)) {
        scan(&s, o, path);
        tell(r, &s, path, last);
    } else {
        report_begin(r, "append-only file", path, false);
        report_text(r, "damage", "the manifest names it, and it is not there");
        report_end(r);
    }
    free(path);
}

bool check_append_dir(struct report *r, const struct check_options *o, const char *dir) {
    struct append_dir d;
    struct buf text = BUF_INIT;
    char *in = xasprintf("%s/appendonlydir", dir), *path = manifest_in(dir);
    const char *at = path ? dir : in;
    if (!path) path = manifest_in(in);
    const bool there = path != NULL;
    if (there && !file_read_all(path, &text, MANIFEST_BYTES))
        check_fail("%s: %s", path, strerror(errno));
    if (there && append_dir_read(&d, buf_len(&text) ? buf_head(&text) : "", buf_len(&text))) {
        for (size_t i = 0; i < d.count; i++) check_listed(r, o, at, &d.files[i], i + 1 == d.count);
        append_dir_free(&d);
    } else if (there) {
        report_begin(r, "manifest of an append directory", path, false);
        report_text(r, "damage", d.error);
        report_end(r);
    }
    buf_free(&text);
    free(path);
    free(in);
    return there;
}
