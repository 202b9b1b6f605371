/* Steps of a change, here or on the other node, and what both nodes report. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hactl/cli_instance.h"
#include "server/base/file.h"
#include "server/base/num.h"

#define WORDS 16

bool instance_read_all(int fd, struct buf *out, size_t limit_bytes) {
    while (buf_len(out) <= limit_bytes) {
        ssize_t n = read(fd, buf_room(out, 16384), 16384);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n == 0;
        buf_added(out, (size_t)n);
    }
    return false;
}

/* The reading end of a pipe that holds the bytes and then ends; -1 without any. */
static int input_of(const struct buf *bytes) {
    int ends[2];
    if (!bytes || pipe2(ends, O_CLOEXEC) != 0) return -1;
    /* A pipe takes 64 KiB: a section of a configuration is less. */
    if (buf_len(bytes) > 60000 || !file_write_all(ends[1], buf_head(bytes), buf_len(bytes))) {
        close(ends[0]);
        ends[0] = -1;
    }
    close(ends[1]);
    return ends[0];
}

static int run_here(const struct cli *c, int in, struct buf *out, int count,
                    const char *const *words) {
    const char *argv[WORDS + 4] = {"hactl", "--root", c->root};
    int ends[2] = {-1, -1}, status = 0;
    for (int i = 0; i < count; i++) argv[3 + i] = words[i];
    if (out && pipe2(ends, O_CLOEXEC) != 0) return CLI_NO;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDONLY);
        dup2(in >= 0 ? in : null, 0);
        if (out) dup2(ends[1], 1);
        execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (out) close(ends[1]);
    if (out && pid > 0) instance_read_all(ends[0], out, 1 << 20);
    if (out) close(ends[0]);
    if (pid < 0) return CLI_NO;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_NO;
}

static bool keep(void *arg, const void *p, size_t n) {
    buf_add(arg, p, n);
    return true;
}

static int run_there(const struct cli *c, int in, struct buf *out, bool quiet, int count,
                     const char *const *words) {
    struct cli_peer_io io = {.in = in, .out = out ? keep : NULL, .arg = out, .quiet = quiet};
    char *copy[WORDS];
    for (int i = 0; i < count; i++) copy[i] = xstrdup(words[i]);
    int status = cli_peer_run(c, copy, count, &io);
    for (int i = 0; i < count; i++) free(copy[i]);
    return status;
}

static int run_on(const struct cli *c, bool here, bool quiet, const struct buf *input,
                  struct buf *out, int count, const char *const *words) {
    const char *all[WORDS] = {"instance", "local"};
    int in = input_of(input);
    if (count > WORDS - 3 || (input && in < 0)) return CLI_NO;
    for (int i = 0; i < count; i++) all[2 + i] = words[i];
    int status =
        here ? run_here(c, in, out, count + 2, all) : run_there(c, in, out, quiet, count + 2, all);
    if (in >= 0) close(in);
    return status;
}

int instance_pair_run(const struct cli *c, const struct instance_pair *p, unsigned node,
                      const struct buf *input, struct buf *out, int count,
                      const char *const *words) {
    return run_on(c, node == p->here, false, input, out, count, words);
}

/* ---- reports ---------------------------------------------------------------------------------- */

static int report_of(const struct cli *c, bool here, struct fields *f) {
    static const char *const words[] = {"state"};
    struct buf out = BUF_INIT;
    int status = run_on(c, here, true, NULL, &out, 1, words);
    if (status == CLI_OK && !fields_read(f, buf_head(&out), buf_len(&out))) {
        fprintf(stderr, "hactl: the report of %s makes no sense\n",
                here ? "this node" : "the other node");
        status = CLI_NO;
    }
    buf_free(&out);
    return status;
}

int instance_pair_get(const struct cli *c, struct instance_pair *p) {
    struct fields mine = {0}, other = {0};
    memset(p, 0, sizeof *p);
    int status = report_of(c, true, &mine);
    if (status != CLI_OK) {
        fields_free(&mine);
        return status;
    }
    p->here = strcmp(fields_text(&mine, "a", "node.letter"), "b") == 0;
    p->node[p->here] = mine;
    p->reached[p->here] = true;
    p->reached[!p->here] = report_of(c, false, &other) == CLI_OK;
    p->node[!p->here] = other;
    p->master = fields_true(&p->node[!p->here], "node.serving") ? !p->here : p->here;
    return CLI_OK;
}

void instance_pair_free(struct instance_pair *p) {
    fields_free(&p->node[0]);
    fields_free(&p->node[1]);
}

bool instance_pair_fit(const struct cli *c, const struct instance_pair *p) {
    if (!p->reached[!p->here]) {
        if (c->force) {
            fprintf(stderr,
                    "hactl: the other node is not reached: only this one is changed; the other one "
                    "takes it when it is back\n");
            return true;
        }
        fprintf(stderr,
                "hactl: the other node is not reached, and a change belongs on both; nothing was "
                "changed. With --force it is made here alone, and the other node takes it when it "
                "is back\n");
        return false;
    }
    int64_t a = fields_number(&p->node[0], 0, "changes");
    int64_t b = fields_number(&p->node[1], 0, "changes");
    if (a == b) return true;
    fprintf(stderr,
            "hactl: an earlier change of the instances reached only node %c (%lld changes behind "
            "node a, %lld behind node b); nothing was changed. First: hactl instance sync\n",
            a > b ? 'a' : 'b', (long long)a, (long long)b);
    return false;
}

/* ---- names ------------------------------------------------------------------------------------ */

int instance_find(const struct fields *f, const char *word) {
    for (int i = 0; *fields_text(f, "", "instances.%d.number", i); i++)
        if (strcmp(fields_text(f, "", "instances.%d.number", i), word) == 0 ||
            strcmp(fields_text(f, "", "instances.%d.name", i), word) == 0)
            return *word ? i : -1;
    return -1;
}

int instance_named(const struct instance_pair *p, const char *word, unsigned *node) {
    for (unsigned turn = 0; turn < 2; turn++) {
        *node = turn ? !p->here : p->here;
        int found = p->reached[*node] ? instance_find(&p->node[*node], word) : -1;
        if (found >= 0) return found;
    }
    const struct fields *f = &p->node[p->here];
    fprintf(stderr, "hactl: there is no instance '%s'; there %s", word,
            *fields_text(f, "", "instances.1.number") ? "are" : "is");
    for (int i = 0; *fields_text(f, "", "instances.%d.number", i); i++) {
        const char *name = fields_text(f, "", "instances.%d.name", i);
        fprintf(stderr, "%s %s%s%s (port %s)", i ? "," : "",
                fields_text(f, "", "instances.%d.number", i), *name ? " " : "", name,
                fields_text(f, "", "instances.%d.port", i));
    }
    fprintf(stderr, "\n");
    return -1;
}
