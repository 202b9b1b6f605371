/* duet restore: the data directory of a new server from a backup set, and what a log holds behind it up to a moment. */
#include "server/base/backup_set.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/persist/prepare.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int restore_main(int argc, char **argv);

static const char usage[] =
    "usage: duet restore SET --to DIR [--log LOGDIR --until TIME] [--json]\n"
    "       duet restore --log LOGDIR --until TIME --to DIR [--json]\n"
    "\n"
    "Makes DIR the data directory of a new server: `duet server --dir DIR` then has the data of "
    "the backup set. The set is\n"
    "verified whole on the way; nothing is left in DIR when it is not sound. The new data has a "
    "replication id of its own.\n"
    "\n"
    "SET      a set's directory, the archive of one, or - for an archive on standard input\n"
    "--to     a directory that is not there yet, or has no log in it\n"
    "--log    the log of the instance that the set is of (a server may run on it): what it holds "
    "behind the set is taken\n"
    "         too; without SET it begins with the log's own base\n"
    "--until  up to this time: YYYY-MM-DDTHH:MM:SS[.ffffff]Z (UTC), or microseconds since 1970\n"
    "\n"
    "Exit status: 0 done, 1 it could not be done (nothing is left), 2 usage.\n";

struct options {
    const char *set, *to, *log, *until;
    bool json;
};

static int complain(const char *what) {
    fprintf(stderr, "duet restore: %s\n", what);
    return 1;
}

static bool take_time(const char *text, uint64_t *wall_us) {
    struct tm tm = {.tm_isdst = 0};
    if (num_parse_u64(text, strlen(text), wall_us)) return true;
    const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    uint64_t part = 0, unit = 100000;
    if (!p) return false;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9' && unit; p++, unit /= 10)
            part += (uint64_t)(*p - '0') * unit;
    if (strcmp(p, "Z") != 0) return false;
    *wall_us = (uint64_t)timegm(&tm) * 1000000 + part;
    if (strchr(text, '.') == NULL) *wall_us += 999999; /* the whole of that second */
    return true;
}

static bool take_options(struct options *o, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char **to = strcmp(argv[i], "--to") == 0      ? &o->to
                          : strcmp(argv[i], "--log") == 0   ? &o->log
                          : strcmp(argv[i], "--until") == 0 ? &o->until
                                                            : NULL;
        if (to) {
            if (++i == argc) return false;
            *to = argv[i];
        } else if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (o->set || (argv[i][0] == '-' && argv[i][1])) {
            return false;
        } else {
            o->set = argv[i];
        }
    }
    return o->to && (o->set || o->log) && !o->log == !o->until;
}

static void tell(const struct options *o, const struct prepare *p) {
    if (o->json) {
        printf("{\"dir\":\"%s\",\"set\":\"%s\",\"replid\":\"%s\",\"offset\":%" PRIu64
               ",\"wall_us\":%" PRIu64 ",\"keys\":%" PRIu64 ",\"base_bytes\":%" PRIu64
               ",\"log_bytes\":%" PRIu64 "}\n",
               o->to, p->setfile.known ? p->setfile.set.id : "", p->replid, p->pos.offset,
               p->wall_us, p->keys, p->base_bytes, p->log_bytes);
        return;
    }
    if (p->setfile.known)
        printf("%s: %" PRIu64 " keys of set %s", o->to, p->keys, p->setfile.set.id);
    else
        printf("%s: the log's own base", o->to);
    if (o->log) printf(", and %" PRIu64 " bytes of the log behind it", p->log_bytes);
    printf("; offset %" PRIu64 "\n", p->pos.offset);
}

int restore_main(int argc, char **argv) {
    struct options o = {.json = false};
    struct prepare p = {.set = NULL};
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    if (!take_options(&o, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (o.until && !take_time(o.until, &p.until_us))
        return complain("the time is not YYYY-MM-DDTHH:MM:SSZ"), 2;
    bool there = file_exists(o.to);
    char *log = xasprintf("%s/log", o.to);
    if (file_exists(log))
        return complain("there is a log in that directory already: take another one");
    p.set = o.set;
    p.log_dir = o.log;
    p.to = log;
    rand_hex(p.replid, PERSIST_ID_CHARS);
    bool ok = prepare_run(&p);
    if (ok) {
        tell(&o, &p);
    } else {
        complain(p.err);
        if (!there) rmdir(o.to);
    }
    prepare_free(&p);
    free(log);
    return ok ? 0 : 1;
}
