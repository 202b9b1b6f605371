#include "hactl/peer_serial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "hactl/heartbeat_line.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/loop.h"

#define REOPEN_NS     NS_PER_S
#define TURN_BYTES    2048 /* of one turn: a line that babbles must not hold up the tick */
#define CONSOLES_PATH "/sys/class/tty/console/active"

struct peer_serial {
    struct loop *loop;
    const char *device; /* the caller's */
    int baud, fd;
    struct loop_io *io;
    struct line_reader reader;
    uint8_t out[LINE_FRAME_LIMIT]; /* what a write left of a frame */
    size_t out_len;
    peer_serial_frame_fn *frame;
    void *arg;
    uint64_t tried_ns, free_ns; /* the frame before has left by then */
    char why[160];
};

static const struct {
    int baud;
    speed_t code;
} speeds[] = {
    {9600, B9600},     {19200, B19200},   {38400, B38400},   {57600, B57600},
    {115200, B115200}, {230400, B230400}, {460800, B460800}, {921600, B921600},
};

/* ---- the port ---- */

static bool fail(struct peer_serial *s, const char *what) {
    snprintf(s->why, sizeof s->why, "%.60s: %.80s", s->device, what);
    return false;
}

static void close_port(struct peer_serial *s) {
    loop_io_free(s->io);
    s->io = NULL;
    /* What still waits is dropped first: closing a port waits for it to leave. */
    if (s->fd >= 0) tcflush(s->fd, TCIOFLUSH);
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    s->out_len = 0;
    memset(&s->reader, 0, sizeof s->reader);
}

/* The kernel writes its messages there, and somebody reads them: no place for heartbeats. */
static bool is_console(const char *device) {
    char names[256], *rest = names, *name;
    int fd = open(CONSOLES_PATH, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, names, sizeof names - 1);
    close(fd);
    names[n > 0 ? n : 0] = 0;
    while ((name = strsep(&rest, " \n")))
        if (*name && strcmp(name, device + strlen("/dev/")) == 0) return true;
    return false;
}

static bool make_raw(int fd, int baud) {
    struct termios t;
    size_t i = 0;
    while (i < sizeof speeds / sizeof *speeds && speeds[i].baud != baud) i++;
    if (i == sizeof speeds / sizeof *speeds || tcgetattr(fd, &t) != 0) return false;
    cfmakeraw(&t);
    t.c_cflag |= CLOCAL | CREAD;
    t.c_cflag &= ~(tcflag_t)(CRTSCTS | CSTOPB | HUPCL);
    t.c_iflag |= IGNBRK;
    t.c_cc[VMIN] = 1; /* nothing there is EAGAIN, and 0 bytes are the end of the port */
    t.c_cc[VTIME] = 0;
    return cfsetspeed(&t, speeds[i].code) == 0 && tcsetattr(fd, TCSANOW, &t) == 0;
}

static void on_readable(struct loop *l, void *arg, int revents);

static bool open_port(struct peer_serial *s) {
    uint64_t now = clock_boot_ns();
    if (s->fd >= 0) return true;
    if (s->tried_ns && now - s->tried_ns < REOPEN_NS) return false;
    s->tried_ns = now;
    if (is_console(s->device))
        return fail(s, "is the kernel's console; heartbeats need a port of their own");
    s->fd = open(s->device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0) return fail(s, strerror(errno));
    if (!isatty(s->fd) || !make_raw(s->fd, s->baud)) {
        close_port(s);
        return fail(s, "is not a serial port that can be set to this speed");
    }
    ioctl(s->fd, TIOCEXCL);
    tcflush(s->fd, TCIOFLUSH);
    s->io = loop_io_new(s->loop, s->fd, on_readable, s);
    loop_io_want(s->io, LOOP_READ);
    s->why[0] = 0;
    return true;
}

/* ---- hearing ---- */

static void on_readable(struct loop *l, void *arg, int revents) {
    struct peer_serial *s = arg;
    uint8_t bytes[TURN_BYTES];
    (void)l, (void)revents;
    ssize_t n = read(s->fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        fail(s, n == 0 ? "the port was closed at its other end" : strerror(errno));
        close_port(s);
        return;
    }
    for (ssize_t i = 0; i < n && s->fd >= 0; i++)
        if (line_reader_take(&s->reader, bytes[i]))
            s->frame(s->arg, s->reader.payload, s->reader.len);
}

/* ---- sending ---- */

/* Writes what is left of a frame. False: the port is gone. */
static bool write_rest(struct peer_serial *s) {
    ssize_t n = write(s->fd, s->out, s->out_len);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail(s, strerror(errno));
        close_port(s);
        return false;
    }
    if (n <= 0) return true;
    s->out_len -= (size_t)n;
    memmove(s->out, s->out + n, s->out_len);
    return true;
}

enum peer_serial_sent peer_serial_send(struct peer_serial *s, const void *bytes, size_t len) {
    int waits = 0;
    uint64_t now = clock_boot_ns();
    if (!open_port(s)) return PEER_SERIAL_FAILED;
    if (now < s->free_ns) return PEER_SERIAL_BUSY;
    if (s->out_len && !write_rest(s)) return PEER_SERIAL_FAILED;
    if (s->out_len || (ioctl(s->fd, TIOCOUTQ, &waits) == 0 && waits > 0)) return PEER_SERIAL_BUSY;
    s->out_len = line_frame(bytes, len, s->out);
    s->free_ns = now + s->out_len * LINE_BITS_A_BYTE * NS_PER_S / (uint64_t)s->baud;
    return write_rest(s) ? PEER_SERIAL_SENT : PEER_SERIAL_FAILED;
}

/* ---- the whole ---- */

struct peer_serial *peer_serial_new(struct loop *l, const char *device, int baud,
                                    peer_serial_frame_fn *frame, void *arg) {
    struct peer_serial *s = xcalloc(1, sizeof *s);
    s->loop = l;
    s->device = device;
    s->baud = baud;
    s->fd = -1;
    s->frame = frame;
    s->arg = arg;
    open_port(s);
    return s;
}

void peer_serial_free(struct peer_serial *s) {
    if (!s) return;
    close_port(s);
    free(s);
}

bool peer_serial_open(const struct peer_serial *s) {
    return s->fd >= 0;
}

const char *peer_serial_why(const struct peer_serial *s) {
    return s->why;
}

uint64_t peer_serial_garbage(const struct peer_serial *s) {
    return s->reader.garbage;
}
