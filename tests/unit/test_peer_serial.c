/* link: hactl/peer_serial.c hactl/heartbeat_line.c hactl/heartbeat.c server/base/buf.c
   server/base/clock.c server/base/hmac.c server/base/log.c server/base/loop.c */
/* The serial port, by pseudo-terminals: what leaves it, what comes in, a line that is slow, a port that goes away. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "hactl/heartbeat.h"
#include "hactl/heartbeat_line.h"
#include "hactl/peer_serial.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "tests/unit/tap.h"

static struct loop *loop;
static int frames;
static uint8_t newest[LINE_PAYLOAD_LIMIT];
static size_t newest_len;

static void on_frame(void *arg, const uint8_t *bytes, size_t len) {
    (void)arg;
    frames++;
    memcpy(newest, bytes, len);
    newest_len = len;
}

/* The cable's end in the test's hand, and the name of the other one. */
static int cable(char *name, size_t size) {
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0) return -1;
    snprintf(name, size, "%s", ptsname(fd));
    return fd;
}

static bool until_frames(int count) {
    uint64_t end = clock_boot_ns() + 10 * NS_PER_S;
    while (frames < count && clock_boot_ns() < end) loop_turn(loop, false);
    return frames == count;
}

static enum peer_serial_sent send_now(struct peer_serial *s, const void *bytes, size_t len) {
    enum peer_serial_sent sent = PEER_SERIAL_BUSY;
    uint64_t end = clock_boot_ns() + 10 * NS_PER_S;
    while (sent == PEER_SERIAL_BUSY && clock_boot_ns() < end)
        sent = peer_serial_send(s, bytes, len);
    return sent;
}

/* Reads frames off the cable. */
static int taken(int fd, struct line_reader *r) {
    uint8_t bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);
    int whole = 0;
    for (ssize_t i = 0; i < n; i++) whole += line_reader_take(r, bytes[i]);
    return whole;
}

static void both_directions(void) {
    char name[64];
    uint8_t beat[HEARTBEAT_BYTES], frame[LINE_FRAME_LIMIT];
    struct line_reader r = {0};
    int fd = cable(name, sizeof name);
    struct peer_serial *s = peer_serial_new(loop, name, 115200, on_frame, NULL);
    ok(fd >= 0 && peer_serial_open(s), "the port is opened");
    for (size_t i = 0; i < sizeof beat; i++) beat[i] = (uint8_t)(i * 7);
    is_int(send_now(s, beat, sizeof beat), PEER_SERIAL_SENT, "a heartbeat is sent");
    uint64_t end = clock_boot_ns() + 10 * NS_PER_S;
    int whole = 0;
    while (!whole && clock_boot_ns() < end) whole += taken(fd, &r);
    ok(whole == 1 && r.len == sizeof beat && !memcmp(r.payload, beat, sizeof beat),
       "it leaves the port as it was given, no byte translated");
    size_t len = line_frame(beat, sizeof beat, frame);
    frames = 0;
    ok(write(fd, "login: \r\n\x03\x1a\x11\x13", 13) == 13,
       "garbage comes in, with control characters");
    ok(write(fd, frame, 100) == 100 && write(fd, frame + 100, len - 100) == (ssize_t)len - 100,
       "and a frame in two pieces");
    ok(until_frames(1) && newest_len == sizeof beat && !memcmp(newest, beat, sizeof beat),
       "the frame is read whole");
    is_int(peer_serial_garbage(s), 13, "the garbage is counted");
    peer_serial_free(s);
    close(fd);
}

static void a_slow_line(void) {
    char name[64];
    uint8_t beat[HEARTBEAT_BYTES] = {1};
    int fd = cable(name, sizeof name), sent = 0, busy = 0;
    struct peer_serial *s = peer_serial_new(loop, name, 9600, on_frame, NULL);
    uint64_t from = clock_boot_ns();
    while (clock_boot_ns() - from < NS_PER_S / 2) {
        enum peer_serial_sent r = peer_serial_send(s, beat, sizeof beat);
        sent += r == PEER_SERIAL_SENT;
        busy += r == PEER_SERIAL_BUSY;
    }
    ok(sent >= 1 && sent <= 3 && busy > 100,
       "in half a second at 9600 baud two or three leave, the others are dropped (%d, %d)", sent,
       busy);
    /* Nobody reads at the other end: the kernel's buffers fill, and nothing waits for them. */
    uint64_t longest = 0;
    for (int i = 0; i < 30000; i++) {
        uint64_t at = clock_boot_ns();
        peer_serial_send(s, beat, sizeof beat);
        if (clock_boot_ns() - at > longest) longest = clock_boot_ns() - at;
    }
    ok(peer_serial_open(s), "a line that nobody reads is no failure");
    printf("# longest call: %llu us\n", (unsigned long long)longest / 1000);
    peer_serial_free(s);
    close(fd);
}

static void a_port_that_goes(void) {
    char name[64];
    uint8_t beat[HEARTBEAT_BYTES] = {1};
    int fd = cable(name, sizeof name);
    struct peer_serial *s = peer_serial_new(loop, name, 921600, on_frame, NULL);
    close(fd);
    uint64_t end = clock_boot_ns() + 10 * NS_PER_S;
    while (peer_serial_open(s) && clock_boot_ns() < end) loop_turn(loop, false);
    ok(!peer_serial_open(s) && *peer_serial_why(s), "a port that goes away is noticed: %s",
       peer_serial_why(s));
    is_int(peer_serial_send(s, beat, sizeof beat), PEER_SERIAL_FAILED, "nothing can be sent");
    peer_serial_free(s);
    s = peer_serial_new(loop, "/dev/null", 115200, on_frame, NULL);
    ok(!peer_serial_open(s) && strstr(peer_serial_why(s), "/dev/null: is not a serial port"),
       "what is no serial port is refused: %s", peer_serial_why(s));
    peer_serial_free(s);
    s = peer_serial_new(loop, "/dev/duet-none", 115200, on_frame, NULL);
    ok(strstr(peer_serial_why(s), "No such file") != NULL,
       "one that is not there is said to be so");
    peer_serial_free(s);
}

int main(void) {
    char name[64];
    int fd = cable(name, sizeof name);
    if (fd < 0) {
        skip("the serial port by pseudo-terminals", strerror(errno));
        return 0;
    }
    close(fd);
    log_set_level(LOG_ERROR);
    loop = loop_new();
    both_directions();
    a_slow_line();
    a_port_that_goes();
    loop_free(loop);
    return done();
}
