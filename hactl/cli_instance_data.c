/* A node's servers and their folders around a change: waiting for a server to come up or to end, the trash, seeds. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hactl/cli_instance.h"
#include "hactl/had_conf.h"
#include "server/base/clock.h"
#include "server/base/file.h"

#define ANSWER_MS    5000
#define END_MS       70000 /* a server saves before it ends */
#define LOOK_EACH_US 20000
#define TRASH_S      (24 * 3600)

const char *instance_path(const struct cli *c, const char *sub) {
    static char ring[4][600];
    static unsigned next;
    char *out = ring[next++ % 4];
    snprintf(out, sizeof ring[0], "%s/%s", c->root, sub);
    return out;
}

/* ---- waiting ---------------------------------------------------------------------------------- */

/* How the process of server N stands; false: the supervisor does not know it. */
static bool process_of(const struct cli *c, int number, struct fields *f, int *at) {
    struct cli_answer a;
    memset(f, 0, sizeof *f);
    if (cli_ask_daemon(c, "node", "servers", ANSWER_MS, &a) != CLI_OK) return false;
    *f = a.fields;
    memset(&a.fields, 0, sizeof a.fields);
    cli_answer_free(&a);
    for (*at = 0; *fields_text(f, "", "servers.%d.number", *at); ++*at)
        if (fields_number(f, -1, "servers.%d.number", *at) == number) return true;
    return false;
}

/* What had sees of a server. */
struct seen {
    bool up, counts, serves;
    bool broken; /* it runs, but what it found in its folder cannot be served */
};

static struct seen look(const struct cli *c, int number) {
    struct cli_answer a;
    struct seen s = {0};
    if (cli_ask(c, "status", ANSWER_MS, &a) != CLI_OK) return s;
    const struct fields *f = &a.fields;
    for (int i = 0; *fields_text(f, "", "instances.%d.number", i); i++) {
        if (fields_number(f, -1, "instances.%d.number", i) != number) continue;
        const char *role = fields_text(f, "none", "instances.%d.role", i);
        s.up = fields_true(f, "instances.%d.up", i);
        s.counts = s.up && fields_true(f, "instances.%d.counts", i);
        s.serves = s.up && strcmp(role, "master") == 0;
        s.broken = s.up && strcmp(role, "none") == 0 && !fields_true(f, "instances.%d.whole", i) &&
                   !fields_true(f, "instances.%d.loading", i);
    }
    cli_answer_free(&a);
    return s;
}

/* The last words of a server that does not live. */
static void say_why(const struct cli *c, int number, const char *end) {
    struct buf log = BUF_INIT;
    char name[64];
    snprintf(name, sizeof name, "data/log/server-%d.log", number);
    instance_complain(c, "the server of instance %d %s", number, end);
    if (file_read_all(instance_path(c, name), &log, 64 << 20)) {
        const char *p = buf_cstr(&log), *last = p + buf_len(&log);
        for (int lines = 0; last > p && lines < 6; last--) lines += last[-1] == '\n';
        fprintf(stderr, "%s", last + (*last == '\n'));
    }
    buf_free(&log);
}

/* It was started more than twice: how it ended last; else "". */
static void crashes(const struct cli *c, int number, char how[128]) {
    struct fields f;
    int at;
    bool there = process_of(c, number, &f, &at);
    bool again = there && fields_number(&f, 0, "servers.%d.restarts", at) > 1;
    snprintf(how, 128, "%s", again ? fields_text(&f, "", "servers.%d.last_end", at) : "");
    fields_free(&f);
}

int instance_wait(const struct cli *c, int number, int64_t limit_ms, const char *what) {
    uint64_t end = clock_boot_ms() + (uint64_t)limit_ms;
    bool counts = strcmp(what, "counts") == 0, serves = strcmp(what, "serves") == 0;
    for (;;) {
        struct seen s = look(c, number);
        char how[128];
        if (counts ? s.counts : serves ? s.serves : s.up) return CLI_OK;
        crashes(c, number, how);
        if (!counts && s.broken && serves)
            snprintf(how, sizeof how, "holds no data that can be served");
        else if (!counts && !*how && clock_boot_ms() >= end)
            snprintf(how, sizeof how, s.up ? "does not begin to serve" : "does not answer");
        if (!counts && *how) say_why(c, number, how);
        if (*how || clock_boot_ms() >= end) return CLI_NO;
        usleep(LOOK_EACH_US);
    }
}

static bool wait_gone(const struct cli *c, int number) {
    uint64_t end = clock_boot_ms() + END_MS;
    for (;;) {
        struct fields f;
        int at;
        bool there = process_of(c, number, &f, &at);
        fields_free(&f);
        if (!there) return true;
        if (clock_boot_ms() >= end) break;
        usleep(LOOK_EACH_US);
    }
    instance_complain(c, "the server of instance %d does not end; its data stay where they are",
                      number);
    return false;
}

/* ---- data ------------------------------------------------------------------------------------- */

/* What has lain there for a day goes. The folder's own time is that of the server's last file: the name has the right one. */
static void empty_old(const struct cli *c) {
    DIR *d = opendir(instance_path(c, "data/trash"));
    struct dirent *e;
    while (d && (e = readdir(d))) {
        const char *dash = strrchr(e->d_name, '-');
        struct tm tm = {0};
        char path[400];
        if (!dash || !strptime(dash + 1, "%Y%m%dT%H%M%SZ", &tm)) continue;
        if (time(NULL) - timegm(&tm) < TRASH_S) continue;
        snprintf(path, sizeof path, "data/trash/%s", e->d_name);
        file_tree_remove(instance_path(c, path));
    }
    if (d) closedir(d);
}

/* trash N: the folder of an instance that is not there any more goes to data/trash. */
int instance_trash(const struct cli *c, int number) {
    struct had_conf conf;
    struct conf_error err;
    char from[64], to[96], when[32];
    time_t now = time(NULL);
    struct tm tm;
    if (!had_conf_read(&conf, instance_path(c, "etc/duet.conf"), &err))
        return instance_complain(c, "%s", err.text);
    for (int i = 0; i < conf.instance_count; i++)
        if (conf.instances[i].number == number)
            return instance_complain(c, "instance %d is in use; delete it", number);
    if (!wait_gone(c, number)) return CLI_NO;
    empty_old(c);
    if (!instance_has_data(c, number)) return CLI_OK;
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    snprintf(from, sizeof from, "data/instance-%d", number);
    snprintf(to, sizeof to, "data/trash/instance-%d-%s", number, when);
    for (int again = 2; file_exists(instance_path(c, to)); again++)
        snprintf(to, sizeof to, "data/trash/instance-%d-%s.%d", number, when, again);
    if (file_make_dirs(instance_path(c, "data/trash"), 0700) &&
        rename(instance_path(c, from), instance_path(c, to)) == 0) {
        file_sync_dir(instance_path(c, "data"));
        return CLI_OK;
    }
    return instance_complain(c, "%s cannot be moved to %s: %s", from, to, strerror(errno));
}

/* seed N DIR: a data directory that was prepared becomes the instance's. */
int instance_seed(const struct cli *c, int number, const char *dir) {
    struct stat st;
    char to[64];
    snprintf(to, sizeof to, "data/instance-%d", number);
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return instance_complain(c, "%s is no folder with a server's data", dir);
    if (instance_has_data(c, number)) return instance_complain(c, "%s is there already", to);
    if (rename(dir, instance_path(c, to)) == 0 && file_sync_dir(instance_path(c, "data")))
        return CLI_OK;
    return instance_complain(c, "%s cannot become %s: %s%s", dir, to, strerror(errno),
                             errno == EXDEV ? "; prepare it below data" : "");
}
