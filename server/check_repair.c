/* `duet check --repair`: what can be done about a damaged log. Nothing is changed before the whole directory stands under
 * second names in LOG.before-repair-TIME; what is changed then is written as a new file, so that those names keep what
 * was. */
#include "server/check.h"

#include "server/base/clock.h"
#include "server/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { COPY_BYTES = 256 * 1024 };

/* What is to be done, all of it or nothing. */
struct plan {
    struct check_log *l;
    bool new_manifest, cut;
    struct manifest m;
    const char *impossible; /* why nothing helps */
    char kept_in[700];
};

bool check_in_use(const char *log_dir, int *lock_fd) {
    char *path = xasprintf("%s/../duet.lock", log_dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    *lock_fd = -1;
    free(path);
    if (fd < 0) return false;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *lock_fd = fd;
        return false;
    }
    close(fd);
    return true;
}

/* ---- planning --------------------------------------------------------------------------------- */

static bool has_incr(const struct logdir *d, unsigned number) {
    for (size_t i = 0; i < d->count; i++)
        if (d->parts[i].number == number) return d->parts[i].incr;
    return false;
}

/* The newest sound base below `below`, whose increments follow without a gap in numbers. */
static bool other_base(struct plan *p, unsigned below) {
    const struct logdir *d = &p->l->d;
    for (size_t i = d->count; i-- > 0;) {
        struct rdbscan s;
        char path[600];
        const struct logdir_part *part = &d->parts[i];
        if (!part->base || part->number >= below) continue;
        for (unsigned n = part->number; below != UINT32_MAX && n < below; n++)
            if (!has_incr(d, n)) return false;
        logdir_path(d, path, sizeof path, part->number, "base");
        bool sound = check_scan_rdb(&s, path, -1, true) && s.state == RDBSCAN_END && s.pos.id[0];
        if (sound) {
            p->m.base = part->number;
            p->m.base_pos = s.pos;
            p->m.first = part->number;
            while (p->m.first > 1 && has_incr(d, p->m.first - 1)) p->m.first--;
        }
        rdbscan_free(&s);
        if (sound) return true;
    }
    return false;
}

/* Without a base: a log that began with no data, all of which is there. */
static bool from_nothing(struct plan *p) {
    const struct logdir *d = &p->l->d;
    struct logscan s;
    struct logblock b;
    char path[600];
    for (size_t i = 0; i < d->count; i++)
        if (d->parts[i].base) return false;
    if (d->count == 0) return false;
    logdir_path(d, path, sizeof path, d->parts[0].number, "incr");
    if (!logscan_open(&s, path, true)) return false;
    bool begins = logscan_next(&s, &b) == LOGSCAN_BLOCK && b.offset == 0;
    logscan_close(&s);
    if (begins) p->m = (struct manifest){.first = d->parts[0].number, .base_pos = {.db = -1}};
    return begins;
}

static void make_plan(struct plan *p, struct check_log *l) {
    *p = (struct plan){.l = l, .m = l->d.m};
    if (l->manifest_bad) {
        p->m = (struct manifest){.base_pos = {.db = -1}};
        p->new_manifest = other_base(p, UINT32_MAX) || from_nothing(p);
        if (!p->new_manifest)
            p->impossible =
                "no base is sound, and the increments do not begin with the first write";
        return;
    }
    if (l->base_bad) {
        p->new_manifest = other_base(p, l->d.m.base);
        if (!p->new_manifest) {
            p->impossible = "no older base is kept that the increments follow; --salvage writes "
                            "the sound keys of the damaged one into "
                            "an RDB file; the data of the peer or of a backup set is better";
            return;
        }
    }
    p->cut = l->incr_bad || l->torn;
    if (l->kept_bad && p->m.first <= l->kept.number && p->m.base > l->kept.number) {
        p->new_manifest = true;
        p->m.first = l->kept.number + 1;
    }
}

/* ---- telling ---------------------------------------------------------------------------------- */

static void tell(struct report *r, const struct plan *p) {
    const struct check_log *l = p->l;
    char text[700], until[64] = "";
    if (p->impossible) {
        report_text(r, "cannot_repair", p->impossible);
        return;
    }
    if (p->new_manifest && (l->manifest_bad || l->base_bad)) {
        snprintf(text, sizeof text,
                 "write a manifest that begins with base %u (offset %" PRIu64
                 ") and keeps increments from %u on: no data is lost; slaves copy anew",
                 p->m.base, p->m.base_pos.offset, p->m.first);
        report_text(r, "repair_manifest", text);
    } else if (p->new_manifest) {
        snprintf(text, sizeof text,
                 "forget the increments below %u, which are kept only to go back in time: no data "
                 "is lost",
                 p->m.first);
        report_text(r, "repair_kept", text);
    }
    if (!p->cut) return;
    if (l->lost_to_us && l->lost_to_us > l->to_us)
        snprintf(until, sizeof until, ", %" PRIu64 ".%01" PRIu64 " seconds of writes",
                 (l->lost_to_us - l->to_us) / 1000000, (l->lost_to_us - l->to_us) / 100000 % 10);
    snprintf(text, sizeof text,
             "cut %06u.incr at byte %" PRIu64 " (stream offset %" PRIu64 "): %" PRIu64
             " bytes behind it are lost, with %" PRIu64 " whole blocks, %" PRIu64 " commands%s",
             l->bad.number, l->bad.at, l->to_offset, l->lost_bytes, l->lost_blocks,
             l->lost_commands, until);
    report_text(r, l->torn ? "repair_tail" : "repair_cut", text);
    if (l->incr_bad)
        report_choice(r, "the data of the peer, or of a backup set, loses nothing: a damaged block "
                         "is never skipped, since what follows it builds on it");
}

static bool agreed(const struct check_options *o) {
    char line[16];
    if (o->yes) return true;
    if (!isatty(STDIN_FILENO)) {
        fprintf(stderr, "duet check: nothing was changed: --yes says that it may be\n");
        return false;
    }
    fprintf(stderr, "Type yes to do this: ");
    if (fgets(line, sizeof line, stdin) && strcmp(line, "yes\n") == 0) return true;
    fprintf(stderr, "Nothing was changed.\n");
    return false;
}

/* ---- doing ------------------------------------------------------------------------------------ */

static _Noreturn void stop(const struct plan *p, const char *path) {
    check_fail("%s: %s; %s%s", path, strerror(errno),
               p->kept_in[0] ? "the log as it was is in " : "nothing was changed", p->kept_in);
}

/* Second names for all that is there. */
static void keep(struct plan *p) {
    char from[700], to[1400], stamp[32];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    const char *dir = p->l->d.dir;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(to, sizeof to, "%.*s.before-repair-%s",
             (int)(strlen(dir) - (dir[strlen(dir) - 1] == '/')), dir, stamp);
    if (mkdir(to, 0750) != 0) stop(p, to);
    snprintf(p->kept_in, sizeof p->kept_in, "%.690s", to);
    DIR *all = opendir(dir);
    for (struct dirent *e; all && (e = readdir(all));) {
        if (e->d_name[0] == '.') continue;
        snprintf(from, sizeof from, "%.400s/%.255s", dir, e->d_name);
        snprintf(to, sizeof to, "%s/%.255s", p->kept_in, e->d_name);
        if (link(from, to) != 0) stop(p, to);
    }
    if (all) closedir(all);
    if (!file_sync_dir(p->kept_in)) stop(p, p->kept_in);
}

/* The first `size` bytes of a file as a new file in its place. */
static void cut_file(struct plan *p, const char *path, uint64_t size) {
    char *tmp = xasprintf("%s.cut", path), *bytes = xmalloc(COPY_BYTES);
    int in = open(path, O_RDONLY | O_CLOEXEC),
        out = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (in < 0 || out < 0) stop(p, path);
    for (uint64_t at = 0; at < size;) {
        uint64_t n = size - at < COPY_BYTES ? size - at : COPY_BYTES;
        if (!file_pread_all(in, bytes, n, (off_t)at) || !file_write_all(out, bytes, n))
            stop(p, tmp);
        at += n;
    }
    if (!file_sync(out) || rename(tmp, path) != 0) stop(p, tmp);
    close(in);
    close(out);
    free(tmp);
    free(bytes);
}

static void do_it(struct plan *p) {
    struct check_log *l = p->l;
    char path[600];
    keep(p);
    for (size_t i = l->d.count; p->cut && i-- > 0;) {
        const struct logdir_part *part = &l->d.parts[i];
        logdir_path(&l->d, path, sizeof path, part->number, "incr");
        if (part->incr && part->number > l->bad.number && unlink(path) != 0) stop(p, path);
        if (part->incr && part->number == l->bad.number) cut_file(p, path, l->bad.at);
    }
    if (p->new_manifest && !manifest_write(l->d.dir, &p->m)) stop(p, l->d.dir);
    if (!file_sync_dir(l->d.dir)) stop(p, l->d.dir);
}

/* One repair may bring other damage to light: behind a new manifest the increments are looked at for the first time. */
static bool mended(struct report *r, const struct plan *p) {
    struct check_log again;
    check_scan_log(&again, p->l->d.dir, true);
    bool sound = check_log_sound(&again);
    report_text(r, "kept_in", p->kept_in);
    report_flag(r, "repaired", sound);
    if (sound)
        report_number(r, "now_to_offset", again.to_offset);
    else
        report_choice(r, "something else is damaged too: check it again");
    check_free_log(&again);
    return sound;
}

bool check_repair_log(struct report *r, const struct check_options *o, struct check_log *l) {
    struct plan p;
    int lock = -1;
    if (o->repair && !o->dry_run && check_in_use(l->d.dir, &lock))
        check_fail("%s: a server runs on it: stop it first", l->d.dir);
    make_plan(&p, l);
    tell(r, &p);
    if (!o->repair && !p.impossible)
        report_choice(r, "--repair does this (--dry-run: only says so)");
    bool done = false;
    if (o->repair && !o->dry_run && !p.impossible && agreed(o)) {
        do_it(&p);
        done = mended(r, &p);
    }
    if (lock >= 0) close(lock);
    return done;
}
