#include "hactl/channel_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hactl/channel_io.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define MEET_MS       5000
#define FLUSH_MS      30000 /* the last bytes, to a reader that is slow */
#define TERM_MS       2000
#define REAP_STEP_MS  20
#define DRAIN_STEP_MS 5000
#define READ_BYTES    (32 << 10)

struct serving {
    struct channel_io io;
    pid_t pid;        /* the verb's process, leader of its group */
    int in, out, err; /* its pipes; -1: closed */
    struct buf input; /* for in */
    bool input_ended; /* by the other side */
    bool reaped;
    int status; /* exit status, once it is reaped */
};

/* ---- the verb ---- */

_Noreturn static void become_verb(const char *root, const char *const *words, const int fds[3],
                                  pid_t parent) {
    const char *argv[CHANNEL_WORDS + 6] = {"hactl", "--root", root, "--from-peer"};
    int n = 4;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++) dup2(fds[i], i);
    for (; *words; words++) argv[n++] = *words;
    argv[n] = NULL;
    execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    dprintf(2, "hactl: cannot be executed on the other node: %s\n", strerror(errno));
    _exit(127);
}

static bool start_verb(struct serving *s, const char *root, const char *const *words) {
    int in[2], out[2], err[2];
    pid_t parent = getpid();
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        return false;
    s->pid = fork();
    if (s->pid < 0) return false;
    if (s->pid == 0) become_verb(root, words, (const int[]){in[0], out[1], err[1]}, parent);
    setpgid(s->pid, s->pid);
    close(in[0]);
    close(out[1]);
    close(err[1]);
    s->in = in[1];
    s->out = out[0];
    s->err = err[0];
    fcntl(s->in, F_SETFL, O_NONBLOCK);
    return true;
}

static void reap(struct serving *s, bool wait) {
    int status;
    if (s->reaped || waitpid(s->pid, &status, wait ? 0 : WNOHANG) != s->pid) return;
    s->reaped = true;
    s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void end_verb(struct serving *s) {
    uint64_t end = clock_boot_ms() + TERM_MS;
    kill(-s->pid, SIGTERM);
    while (!s->reaped && clock_boot_ms() < end) {
        reap(s, false);
        if (!s->reaped) poll(NULL, 0, REAP_STEP_MS);
    }
    kill(-s->pid, SIGKILL);
    reap(s, true);
}

/* ---- carrying ---- */

static void close_pipe(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void take_output(struct serving *s, int *fd, enum channel_type type) {
    char bytes[READ_BYTES];
    ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n > 0) channel_send(&s->io.ch, &s->io.out, type, bytes, (size_t)n);
    if (n == 0 || (n < 0 && errno != EINTR)) close_pipe(fd);
}

/* A verb that does not want its input any more ends it; what comes then is dropped. */
static void give_input(struct serving *s) {
    while (s->in >= 0 && buf_len(&s->input)) {
        ssize_t n = write(s->in, buf_head(&s->input), buf_len(&s->input));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) close_pipe(&s->in);
        if (n > 0) buf_eat(&s->input, (size_t)n);
    }
    if (s->in < 0) buf_clear(&s->input);
    if (s->input_ended && buf_len(&s->input) == 0) close_pipe(&s->in);
}

static bool take_frames(struct serving *s) {
    struct channel_frame f;
    enum channel_result r;
    while ((r = channel_io_next(&s->io, &f)) == CHANNEL_FRAME) {
        if (f.type != CHANNEL_IN) {
            snprintf(s->io.why, sizeof s->io.why, "it names a second verb");
            return false;
        }
        if (f.len == 0)
            s->input_ended = true;
        else if (s->in >= 0)
            buf_add(&s->input, f.bytes, f.len);
        channel_io_eat(&s->io, &f);
    }
    give_input(s);
    return r == CHANNEL_MORE;
}

/* One wait and what it brings. False: the connection is of no use any more. */
static bool turn(struct serving *s) {
    enum { SOCK, IN, OUT, ERR };
    bool room = buf_len(&s->io.out) < CHANNEL_QUEUE_BYTES,
         hungry = buf_len(&s->input) < CHANNEL_QUEUE_BYTES;
    struct pollfd p[4] = {
        [SOCK] = {.fd = s->io.fd,
                  .events = (short)(POLLRDHUP | (hungry ? POLLIN : 0) |
                                    (buf_len(&s->io.out) ? POLLOUT : 0))},
        [IN] = {.fd = buf_len(&s->input) ? s->in : -1, .events = POLLOUT},
        [OUT] = {.fd = room ? s->out : -1, .events = POLLIN},
        [ERR] = {.fd = room ? s->err : -1, .events = POLLIN},
    };
    bool ends = s->out < 0 && s->err < 0;
    if (poll(p, 4, ends ? REAP_STEP_MS : -1) < 0 && errno != EINTR) return false;
    if (p[SOCK].revents & (POLLRDHUP | POLLHUP | POLLERR)) {
        snprintf(s->io.why, sizeof s->io.why, "the connection ended");
        return false;
    }
    if (p[SOCK].revents & POLLIN && !(channel_io_read(&s->io) && take_frames(s))) return false;
    if (p[IN].revents) give_input(s);
    if (p[OUT].revents) take_output(s, &s->out, CHANNEL_OUT);
    if (p[ERR].revents) take_output(s, &s->err, CHANNEL_ERR);
    if (ends) reap(s, false);
    return channel_io_flush(&s->io);
}

static void say_status(struct serving *s) {
    uint8_t status = (uint8_t)s->status;
    uint64_t end = clock_boot_ms() + FLUSH_MS;
    channel_send(&s->io.ch, &s->io.out, CHANNEL_EXIT, &status, 1);
    while (channel_io_flush(&s->io) && buf_len(&s->io.out) && clock_boot_ms() < end) {
        struct pollfd p = {.fd = s->io.fd, .events = POLLOUT};
        poll(&p, 1, 1000);
    }
    /* What the other side still sends is read, lest it makes the kernel drop what was sent. */
    shutdown(s->io.fd, SHUT_WR);
    while (clock_boot_ms() < end) {
        struct pollfd p = {.fd = s->io.fd, .events = POLLIN};
        buf_clear(&s->io.in);
        if (poll(&p, 1, DRAIN_STEP_MS) <= 0 || !channel_io_read(&s->io)) break;
    }
}

static bool run_verb(struct serving *s, const char *root, const char *peer) {
    const char *words[CHANNEL_WORDS + 1];
    struct channel_frame f;
    if (!channel_io_wait_frame(&s->io, &f, MEET_MS)) return false;
    if (f.type != CHANNEL_RUN || channel_words_get(f.bytes, f.len, words) < 1) {
        snprintf(s->io.why, sizeof s->io.why, "it names no verb");
        return false;
    }
    log_info("%s runs '%s%s%s'", peer, words[0], words[1] ? " " : "", words[1] ? words[1] : "");
    if (!start_verb(s, root, words)) {
        snprintf(s->io.why, sizeof s->io.why, "no process for its verb: %s", strerror(errno));
        return false;
    }
    channel_io_eat(&s->io, &f);
    bool good = take_frames(s);
    while (good && !s->reaped) good = turn(s);
    if (good)
        say_status(s);
    else
        end_verb(s);
    return good;
}

int channel_serve(int fd, const struct channel_id *id, const char *root, const char *peer) {
    struct serving s = {.in = -1, .out = -1, .err = -1};
    signal(SIGPIPE, SIG_IGN);
    channel_io_open(&s.io, fd);
    bool met = channel_io_meet(&s.io, id, true, MEET_MS);
    if (!met) log_warning("%s was refused: %s", peer, s.io.why);
    bool good = met && run_verb(&s, root, peer);
    if (met && !good) log_warning("%s: %s; its verb ends", peer, s.io.why);
    close_pipe(&s.in);
    close_pipe(&s.out);
    close_pipe(&s.err);
    buf_free(&s.input);
    channel_io_close(&s.io);
    return good ? 0 : 1;
}
