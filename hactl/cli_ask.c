/* One request to had over ROOT/run/had.sock, blocking. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/sock.h"

static int no_had(const struct cli *c, const char *path, int why) {
    if (c->quiet) return CLI_NO_HAD;
    if (why == EACCES || why == EPERM)
        fprintf(stderr, "hactl: no permission for %s; run it as root\n", path);
    else if (why == ENOENT || why == ECONNREFUSED)
        fprintf(stderr,
                "hactl: had is not running (%s: %s); start the node, or name its directory "
                "with --root DIR\n",
                path, strerror(why));
    else
        fprintf(stderr, "hactl: had cannot be reached at %s: %s\n", path, strerror(why));
    return CLI_NO_HAD;
}

/* Everything until had closes. */
static int receive(int fd, long timeout_ms, struct buf *in) {
    uint64_t end = clock_boot_ms() + (uint64_t)timeout_ms;
    for (;;) {
        uint64_t now = clock_boot_ms();
        long n = now >= end ? -1 : sock_recv_some(fd, buf_room(in, 16384), 16384, (int)(end - now));
        if (n == 0) return CLI_OK;
        if (n < 0) return CLI_UNKNOWN;
        buf_added(in, (size_t)n);
    }
}

static bool understand(struct buf *in, struct cli_answer *out) {
    const char *p = buf_head(in);
    size_t len = buf_len(in);
    const char *nl = len ? memchr(p, '\n', len) : NULL;
    memset(out, 0, sizeof *out);
    if (!nl || (*p != '+' && *p != '-')) return false;
    out->ok = *p == '+';
    out->sentence = strndup(p + 1, (size_t)(nl - p - 1));
    if (fields_read(&out->fields, nl + 1, len - (size_t)(nl + 1 - p))) return true;
    cli_answer_free(out);
    return false;
}

int cli_ask(const struct cli *c, const char *request, long timeout_ms, struct cli_answer *out) {
    return cli_ask_daemon(c, "had", request, timeout_ms, out);
}

int cli_ask_daemon(const struct cli *c, const char *daemon, const char *request, long timeout_ms,
                   struct cli_answer *out) {
    struct buf in = BUF_INIT;
    char path[512], line[1024];
    snprintf(path, sizeof path, "%s/run/%s.sock", c->root, daemon);
    snprintf(line, sizeof line, "%s\n", request);
    int fd = sock_connect_unix(path, NULL);
    if (fd < 0) return no_had(c, path, errno);
    int status = CLI_OK;
    if (!sock_send_all(fd, line, strlen(line), 2000)) status = no_had(c, path, errno);
    if (status == CLI_OK) status = receive(fd, timeout_ms, &in);
    close(fd);
    if (status == CLI_UNKNOWN && !c->quiet)
        fprintf(stderr,
                "hactl: had did not answer within %ld ms; the outcome is not known: look at "
                "`hactl status`\n",
                timeout_ms);
    if (status == CLI_OK && !understand(&in, out)) {
        fprintf(stderr, buf_len(&in) ? "hactl: had's answer makes no sense; hactl and had may be "
                                       "of different versions\n"
                                     : "hactl: had ended before it answered; look at its log and "
                                       "at `hactl status`\n");
        status = CLI_UNKNOWN;
    }
    buf_free(&in);
    return status;
}

void cli_answer_free(struct cli_answer *a) {
    free(a->sentence);
    fields_free(&a->fields);
    memset(a, 0, sizeof *a);
}
