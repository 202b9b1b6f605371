/* An import in a pair: its job lies on both nodes, so that the one that becomes master goes on with it by itself. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "hactl/cli_control.h"
#include "hactl/cli_import_live.h"
#include "hactl/cli_instance.h"
#include "server/base/clock.h"
#include "server/base/file.h"

enum { JOB_LIMIT = 64 << 10, SHARE_EACH_MS = 30000, FORGET_S = 300 };

/* ---- the worker's side ---- */

static bool discard(void *arg, const void *p, size_t n) {
    (void)arg, (void)p, (void)n;
    return true;
}

void worker_share(struct worker *w) {
    char path[JOB_PATH + 20], number[16];
    uint64_t now = clock_boot_ms();
    if (w->shared || w->job.export || (w->shared_ms && now - w->shared_ms < SHARE_EACH_MS)) return;
    w->shared_ms = now;
    snprintf(path, sizeof path, "%s/etc/duet.conf", w->cli.root);
    if (!file_exists(path)) { /* a server by itself */
        w->shared = true;
        return;
    }
    snprintf(path, sizeof path, "%s/job", w->job.dir);
    snprintf(number, sizeof number, "%u", w->job.instance);
    char words[3][16] = {"import", "adopt"};
    memcpy(words[2], number, sizeof number);
    char *const list[] = {words[0], words[1], words[2], NULL};
    struct cli_peer_io io = {.in = open(path, O_RDONLY | O_CLOEXEC), .out = discard, .quiet = true};
    w->shared = io.in >= 0 && cli_peer_run(&w->cli, list, 3, &io) == CLI_OK;
    if (io.in >= 0) close(io.in);
}

/* The server's word about itself; "" when it does not answer. */
static void ask(const char *root, unsigned instance, int argc, const char *const *argv,
                const char *field, char *out, size_t size) {
    struct control_answer a;
    bool ok = control_ask(root, instance, &a, argc, argv) == CONTROL_OK;
    snprintf(out, size, "%s", ok ? fields_text(&a.fields, "", "%s", field) : "");
    control_answer_free(&a);
}

bool worker_is_slave(const struct worker *w) {
    char role[16];
    ask(w->cli.root, w->job.instance, 1, (const char *const[]){"STATUS"}, "role", role,
        sizeof role);
    return strcmp(role, "slave") == 0;
}

/* ---- this node's, as the other node's worker finds it ---- */

int import_adopt(struct cli *c) {
    struct buf in = BUF_INIT;
    struct job j;
    char dir[JOB_PATH], path[JOB_PATH + 20];
    int status = CLI_NO;
    if (c->argc != 2 || !job_dir(c, (unsigned)atoi(c->argv[1]), false, true, dir)) return CLI_USAGE;
    snprintf(path, sizeof path, "%s/job", dir);
    if (job_runs(dir))
        fprintf(stderr, "hactl: an import of this node is under way\n");
    else if (instance_read_all(STDIN_FILENO, &in, JOB_LIMIT) && buf_len(&in) &&
             file_replace(path, buf_head(&in), buf_len(&in), 0600))
        status = CLI_OK;
    buf_free(&in);
    if (status == CLI_OK && !job_read(&j, dir)) {
        unlink(path);
        status = CLI_NO;
    }
    if (status == CLI_OK) job_free(&j);
    return status;
}

/* ---- the steward's ---- */

static bool is_old(const char *dir) {
    struct stat st;
    char path[JOB_PATH + 20];
    snprintf(path, sizeof path, "%.600s/job", dir);
    return stat(path, &st) == 0 && time(NULL) - st.st_mtime > FORGET_S;
}

/* Ended on the other node: with it goes the password. */
static void forget(const char *dir) {
    char path[JOB_PATH + 20];
    snprintf(path, sizeof path, "%.600s/job", dir);
    unlink(path);
}

static void look(const struct cli *c, const char *dir) {
    struct job j;
    char role[16], token[80];
    if (job_read(&j, dir) && j.wanted && !job_runs(dir)) {
        ask(c->root, j.instance, 1, (const char *const[]){"STATUS"}, "role", role, sizeof role);
        ask(c->root, j.instance, 2, (const char *const[]){"IMPORT", "STATUS"}, "token", token,
            sizeof token);
        bool ours = j.export || strcmp(token, j.token) == 0;
        if (strcmp(role, "master") == 0 && ours)
            job_start(c, &j);
        else if (*role && !ours && is_old(dir))
            forget(dir);
    }
    job_free(&j);
}

int cli_import_tick(struct cli *c) {
    char root[SETS_PATH], dir[SETS_PATH + 300];
    struct dirent *e;
    if (!backup_root(c, root)) return CLI_NO;
    snprintf(dir, sizeof dir, "%s/data/import", root);
    DIR *d = opendir(dir);
    while (d && (e = readdir(d))) {
        if (!strchr(e->d_name, '-')) continue;
        snprintf(dir, sizeof dir, "%s/data/import/%s", root, e->d_name);
        look(c, dir);
    }
    if (d) closedir(d);
    return CLI_OK;
}
