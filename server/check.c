/* duet check: looks through logs, RDB files and backup sets without a server, says what is in them and where the first
 * damage lies, and mends what can be mended. See check.h. */
#include "server/check.h"

#include "server/base/file.h"
#include "server/base/hash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int check_main(int argc, char **argv);

static const char usage[] =
    "usage: duet check [--json] [--quick] PATH...\n"
    "       duet check --repair [--dry-run|--yes] LOG\n"
    "       duet check --salvage NEW.rdb RDB|SET|ARCHIVE\n"
    "\n"
    "Looks at files that a server wrote, with no server running on them: everything that a "
    "checksum covers is\n"
    "verified, and every value is taken apart as loading does.\n"
    "\n"
    "PATH is   an RDB file (dump.rdb, a base of a log; of Redis 2.8 to 7.2 too)\n"
    "          a log: its directory, one increment of it, or the data directory above it\n"
    "          a backup set's directory, or the archive of one\n"
    "          an append-only file or append directory of Redis, which `hactl import` takes\n"
    "\n"
    "  --json        one object: items, each with path, kind, sound and what was found; sound\n"
    "  --quick       structure and checksums only\n"
    "  --repair      mends a log: a torn tail is cut off; where blocks are damaged it is cut "
    "before them, and you are\n"
    "                told what that loses; a lost manifest is made again; a damaged base is "
    "replaced by an older one\n"
    "                where one is kept. You are asked first. The log as it was stays beside it, as "
    "log.before-repair-TIME\n"
    "  --dry-run     says what --repair would do, and does nothing\n"
    "  --yes         does not ask\n"
    "  --salvage     writes the keys before the damage into a new RDB file; the original is not "
    "touched\n"
    "\n"
    "Exit status: 0 all is sound (or was mended), 1 something is damaged, 2 it could not be looked "
    "at.\n";

static bool is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool begins_with(const char *path, const char *head, size_t n) {
    char have[16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool yes = fd >= 0 && file_pread_all(fd, have, n, 0) && memcmp(have, head, n) == 0;
    if (fd >= 0) close(fd);
    return yes;
}

static bool is_log(const char *dir) {
    struct logdir d;
    logdir_read(&d, dir);
    bool yes = d.state != MANIFEST_ABSENT || d.count > 0;
    logdir_free(&d);
    return yes;
}

static bool ends_with(const char *path, const char *end) {
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

/* A data directory: the log, and dump.rdb. */
static bool check_data(struct report *r, const struct check_options *o, const char *path) {
    char *log = xasprintf("%s/log", path), *rdb = xasprintf("%s/dump.rdb", path);
    bool any = false;
    if (is_log(log)) {
        check_log(r, o, log);
        any = true;
    }
    if (file_exists(rdb) && !o->repair) {
        check_rdb(r, o, rdb);
        any = true;
    }
    free(log);
    free(rdb);
    return any;
}

static void check_path(struct report *r, const struct check_options *o, const char *path) {
    if (!file_exists(path)) check_fail("%s: there is no such file or directory", path);
    bool dir = is_dir(path), log = dir && is_log(path);
    if (o->salvage && (log || (dir && !setfile_is_dir(path))))
        check_fail("--salvage takes an RDB file, a backup set or an archive of one");
    if (o->repair && (!dir || setfile_is_dir(path)))
        check_fail("--repair takes a log's directory; of RDB files and sets --salvage writes what "
                   "is sound into a new file");
    if (log)
        check_log(r, o, path);
    else if (dir && setfile_is_dir(path))
        check_set(r, o, path);
    else if (dir && (check_data(r, o, path) || check_append_dir(r, o, path)))
        return;
    else if (dir)
        check_fail("%s: there is no log, no RDB file and no backup set in it", path);
    else if (setfile_is_archive(path))
        check_set(r, o, path);
    else if (begins_with(path, "DLB\x81", 4) || ends_with(path, ".incr"))
        check_increment(r, path);
    else if (!o->salvage && check_is_aof(path))
        check_aof(r, o, path);
    else if (begins_with(path, "REDIS", 5) || ends_with(path, ".rdb") || ends_with(path, ".base"))
        check_rdb(r, o, path);
    else
        check_fail("%s: this is no RDB file, no log, no append-only file and no backup set", path);
}

static void take_option(struct check_options *o, const char *word) {
    if (strcmp(word, "--json") == 0)
        o->json = true;
    else if (strcmp(word, "--quick") == 0)
        o->quick = true;
    else if (strcmp(word, "--repair") == 0)
        o->repair = true;
    else if (strcmp(word, "--dry-run") == 0)
        o->repair = o->dry_run = true;
    else if (strcmp(word, "--yes") == 0)
        o->yes = true;
    else
        check_fail("%s is no option; see duet check --help", word);
}

int check_main(int argc, char **argv) {
    struct check_options o = {.json = false};
    struct report r;
    uint64_t key[2] = {0x6475657420636865, 0x636b20616c6c2121};
    int paths = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--salvage") == 0) {
            if (i + 1 == argc) check_fail("--salvage takes the name of a new file");
            o.salvage = argv[++i];
        } else if (argv[i][0] == '-') {
            take_option(&o, argv[i]);
        } else {
            argv[++paths] = argv[i]; /* gathered in front */
        }
    }
    if (paths == 0 || ((o.repair || o.salvage) && paths > 1)) {
        fputs(usage, stderr);
        return CHECK_USAGE;
    }
    hash_set_key(key);
    if (o.json) check_quiet();
    report_open(&r, o.json);
    for (int i = 1; i <= paths; i++) check_path(&r, &o, argv[i]);
    report_close(&r);
    return r.damaged ? CHECK_DAMAGED : CHECK_SOUND;
}
