/* What is known of an import on this node. See cli_import_live.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "hactl/cli_import_live.h"
#include "server/base/file.h"

enum { FILE_LIMIT = 64 << 10 };

static const char *path_of(const char *dir, const char *name) {
    static char texts[4][JOB_PATH + 20];
    static unsigned next;
    char *out = texts[next++ % 4];
    snprintf(out, sizeof texts[0], "%s/%s", dir, name);
    return out;
}

bool job_dir(const struct cli *c, unsigned instance, bool export, bool make, char out[JOB_PATH]) {
    char root[SETS_PATH];
    if (!backup_root(c, root)) return false;
    snprintf(out, JOB_PATH, "%.400s/data/import/%s-%u", root, export ? "export" : "instance",
             instance);
    if (!make || file_make_dirs(out, 0700)) return true;
    fprintf(stderr, "hactl: %s: %s\n", out, strerror(errno));
    return false;
}

/* ---- hexadecimal: a password is not to be read over a shoulder ---- */

static void hex_add(struct fields *f, const char *name, const char *text) {
    char out[1200] = "";
    for (size_t i = 0; text[i] && 2 * i + 3 < sizeof out; i++)
        snprintf(out + 2 * i, 3, "%02x", (unsigned char)text[i]);
    fields_add_text(f, out, "%s", name);
}

static void hex_take(const struct fields *f, const char *name, char *to, size_t size) {
    const char *p = fields_text(f, "", "%s", name);
    size_t n = 0;
    unsigned c;
    for (; p[0] && p[1] && n + 1 < size && sscanf(p, "%2x", &c) == 1; p += 2) to[n++] = (char)c;
    to[n] = '\0';
}

/* ---- the job ---- */

bool job_write(const struct job *j) {
    struct fields f = {0};
    struct buf out = BUF_INIT;
    fields_add_true(&f, j->export, "export");
    fields_add_text(&f, j->token, "token");
    fields_add_text(&f, j->info, "info");
    fields_add_text(&f, j->source.host, "host");
    fields_add_number(&f, j->source.port, "port");
    fields_add_number(&f, j->source.db, "db");
    fields_add_true(&f, j->source.tls, "tls");
    fields_add_text(&f, j->source.user, "user");
    hex_add(&f, "password", j->source.password);
    fields_add_true(&f, j->insecure, "insecure");
    fields_add_text(&f, j->cacert, "cacert");
    fields_add_text(&f, j->to, "to");
    fields_add_text(&f, j->to_user, "to_user");
    hex_add(&f, "to_password", j->to_password);
    for (int i = 0; i < j->word_count; i++) fields_add_text(&f, j->words[i], "word.%d", i);
    fields_add_true(&f, j->replace, "replace");
    fields_add_true(&f, j->merge, "merge");
    fields_add_true(&f, j->skip_unsupported, "skip_unsupported");
    fields_add_true(&f, j->force, "force");
    fields_add_true(&f, j->begun, "begun");
    fields_add_true(&f, j->wanted, "wanted");
    fields_lines(&f, &out);
    bool ok = file_replace(path_of(j->dir, "job"), buf_head(&out), buf_len(&out), 0600);
    if (!ok) fprintf(stderr, "hactl: %s: %s\n", path_of(j->dir, "job"), strerror(errno));
    buf_free(&out);
    fields_free(&f);
    return ok;
}

static void text_of(const struct fields *f, const char *name, char *to, size_t size) {
    snprintf(to, size, "%s", fields_text(f, "", "%s", name));
}

bool job_read(struct job *j, const char *dir) {
    struct buf in = BUF_INIT;
    struct fields f = {0};
    memset(j, 0, sizeof *j);
    snprintf(j->dir, sizeof j->dir, "%s", dir);
    const char *number = strrchr(dir, '-');
    j->instance = number ? (unsigned)atoi(number + 1) : 0;
    bool ok = file_read_all(path_of(dir, "job"), &in, FILE_LIMIT) &&
              fields_read(&f, buf_head(&in), buf_len(&in));
    j->export = fields_true(&f, "export");
    text_of(&f, "token", j->token, sizeof j->token);
    text_of(&f, "info", j->info, sizeof j->info);
    text_of(&f, "host", j->source.host, sizeof j->source.host);
    j->source.port = (uint16_t)fields_number(&f, 0, "port");
    j->source.db = (int)fields_number(&f, -1, "db");
    j->source.tls = fields_true(&f, "tls");
    text_of(&f, "user", j->source.user, sizeof j->source.user);
    hex_take(&f, "password", j->source.password, sizeof j->source.password);
    j->insecure = fields_true(&f, "insecure");
    text_of(&f, "cacert", j->cacert, sizeof j->cacert);
    text_of(&f, "to", j->to, sizeof j->to);
    text_of(&f, "to_user", j->to_user, sizeof j->to_user);
    hex_take(&f, "to_password", j->to_password, sizeof j->to_password);
    while (j->word_count < JOB_WORDS && *fields_text(&f, "", "word.%d", j->word_count)) {
        j->words[j->word_count] = xstrdup(fields_text(&f, "", "word.%d", j->word_count));
        j->word_count++;
    }
    j->replace = fields_true(&f, "replace");
    j->merge = fields_true(&f, "merge");
    j->skip_unsupported = fields_true(&f, "skip_unsupported");
    j->force = fields_true(&f, "force");
    j->begun = fields_true(&f, "begun");
    j->wanted = fields_true(&f, "wanted");
    fields_free(&f);
    buf_free(&in);
    return ok && *j->token;
}

void job_free(struct job *j) {
    for (int i = 0; i < j->word_count; i++) free(j->words[i]);
    j->word_count = 0;
}

/* ---- who runs ---- */

int job_lock(const char *dir) {
    int fd = open(path_of(dir, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    close(fd);
    return -1;
}

bool job_runs(const char *dir) {
    if (!file_exists(path_of(dir, "lock"))) return false;
    int fd = job_lock(dir);
    if (fd >= 0) close(fd);
    return fd < 0;
}

/* In a session of its own, with the log for what it says; a grandchild, so that nobody has to wait for it. */
static _Noreturn void become_worker(const struct cli *c, const struct job *j) {
    char number[16];
    snprintf(number, sizeof number, "%u", j->instance);
    setsid();
    if (fork() != 0) _exit(0);
    signal(SIGHUP, SIG_IGN);
    unsetenv(IMPORT_PASSWORD_VARIABLE);
    setpriority(PRIO_PROCESS, 0, 0); /* the steward yields, this may not */
    int null = open("/dev/null", O_RDWR),
        log = open(path_of(j->dir, "log"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(null, 0);
    dup2(log >= 0 ? log : null, 1);
    dup2(log >= 0 ? log : null, 2);
    for (int fd = 3; fd < 256; fd++) close(fd);
    execl("/proc/self/exe", "hactl", "--root", *c->root ? c->root : "/",
          j->export ? "export" : "import", "run", number, (char *)NULL);
    _exit(127);
}

bool job_start(const struct cli *c, const struct job *j) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) become_worker(c, j);
    if (pid < 0) {
        fprintf(stderr, "hactl: no process for it: %s\n", strerror(errno));
        return false;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return true;
}

/* ---- orders and progress: replaced whole, but not synced: they are of no use after a crash ---- */

static bool put(const char *path, const void *p, size_t n) {
    char tmp[JOB_PATH + 40];
    snprintf(tmp, sizeof tmp, "%s.%d", path, (int)getpid());
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && file_write_all(fd, p, n);
    if (fd >= 0) close(fd);
    ok = ok && rename(tmp, path) == 0;
    if (!ok) unlink(tmp);
    return ok;
}

bool job_order(const char *dir, const char *order) {
    return put(path_of(dir, "order"), order, strlen(order));
}

bool job_take_order(const char *dir, char *out, size_t size) {
    struct buf in = BUF_INIT;
    bool ok = file_read_all(path_of(dir, "order"), &in, 256);
    snprintf(out, size, "%s", ok ? buf_cstr(&in) : "");
    buf_free(&in);
    return ok;
}

void job_no_order(const char *dir) {
    unlink(path_of(dir, "order"));
}

bool job_progress(const char *dir, struct fields *f) {
    struct buf in = BUF_INIT;
    memset(f, 0, sizeof *f);
    bool ok = file_read_all(path_of(dir, "progress"), &in, FILE_LIMIT) &&
              fields_read(f, buf_head(&in), buf_len(&in));
    buf_free(&in);
    return ok;
}

bool job_tell(const char *dir, const struct fields *f) {
    struct buf out = BUF_INIT;
    fields_lines(f, &out);
    bool ok = put(path_of(dir, "progress"), buf_head(&out), buf_len(&out));
    buf_free(&out);
    return ok;
}
