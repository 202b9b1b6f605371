/* seed: the data directory of a new server, made from a backup set, or from the log of a server that may be running, up to a
 * moment. What hactl clone uses. The same code as a rollback's (persist/prepare.h); offline, streaming. */
#include "server/base/file.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/persist/prepare.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int seed_main(int argc, char **argv);

enum { SAY_EACH_US = 200000 };

static const char usage[] =
    "usage: seed --to DIR --set SET                        the data of a backup set, as a server's "
    "directory\n"
    "       seed --to DIR --set SET --log LOG --until US   and what a log holds behind it, up to a "
    "moment\n"
    "       seed --to DIR --log LOG --until US             from the log's own base on\n"
    "SET is a set's directory or archive, LOG a server's DIR/log, US microseconds since 1970. DIR "
    "must not be there;\n"
    "`duet server --dir DIR` then has the data. --progress: lines of how far it is.\n";

static struct prepare prepare;
static bool ended;

static void *say(void *arg) {
    (void)arg;
    while (!__atomic_load_n(&ended, __ATOMIC_ACQUIRE)) {
        bool verify = __atomic_load_n(&prepare.stage, __ATOMIC_RELAXED) == PREPARE_VERIFY;
        const uint64_t *done = verify ? &prepare.setfile.done : &prepare.done;
        const uint64_t *all = verify ? &prepare.setfile.all : &prepare.all;
        printf("p %llu %llu 0\n", (unsigned long long)__atomic_load_n(done, __ATOMIC_RELAXED),
               (unsigned long long)__atomic_load_n(all, __ATOMIC_RELAXED));
        fflush(stdout);
        usleep(SAY_EACH_US);
    }
    return NULL;
}

static int make(const char *to, bool progress) {
    char *log = xasprintf("%s/log", to);
    pthread_t sayer;
    int status = 1;
    prepare.to = log;
    rand_hex(prepare.replid, PERSIST_ID_CHARS);
    bool saying = progress && pthread_create(&sayer, NULL, say, NULL) == 0;
    bool fresh = !file_exists(to);
    if (!fresh)
        fprintf(stderr, "seed: %s is there already\n", to);
    else if (!file_make_dirs(to, 0750))
        fprintf(stderr, "seed: %s: %s\n", to, strerror(errno));
    else if (prepare_run(&prepare) && file_sync_dir(to))
        status = 0;
    else
        fprintf(stderr, "seed: %s\n", prepare.err[0] ? prepare.err : strerror(errno));
    __atomic_store_n(&ended, true, __ATOMIC_RELEASE);
    if (saying) pthread_join(sayer, NULL);
    if (status == 0)
        printf("made %s: offset %llu, wall time %llu\n", to, (unsigned long long)prepare.pos.offset,
               (unsigned long long)prepare.wall_us);
    else if (fresh)
        rmdir(to);
    prepare_free(&prepare);
    free(log);
    return status;
}

int seed_main(int argc, char **argv) {
    const char *to = NULL, *until = NULL;
    bool progress = false, bad = false;
    for (int i = 1; i < argc && !bad; i++) {
        bool value = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--progress") == 0)
            progress = true;
        else if (value && strcmp(argv[i], "--to") == 0)
            to = argv[++i];
        else if (value && strcmp(argv[i], "--set") == 0)
            prepare.set = argv[++i];
        else if (value && strcmp(argv[i], "--log") == 0)
            prepare.log_dir = argv[++i];
        else if (value && strcmp(argv[i], "--until") == 0)
            until = argv[++i];
        else
            bad = true;
    }
    if (until && !num_parse_u64(until, strlen(until), &prepare.until_us)) bad = true;
    bool with_log = prepare.log_dir && prepare.until_us;
    if (bad || !to || (!with_log && (!prepare.set || prepare.log_dir || until))) {
        fputs(usage, stderr);
        return 2;
    }
    return make(to, progress);
}
