#include "rootfs/access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "rootfs/house.h"
#include "rootfs/supervise.h"
#include "server/base/file.h"
#include "server/base/log.h"

#define RANK_ACCESS   9 /* ended last: somebody may be watching */
#define STOP_MS       2000
#define KEYGEN_MS     30000
#define HOST_KEY_NAME "ssh/host_key"

/* A serial port that the kernel lists but the machine lacks answers with an error. */
static bool set_speed(const char *tty, int baud) {
    static const struct {
        int baud;
        speed_t speed;
    } speeds[] = {
        {9600, B9600}, {19200, B19200}, {38400, B38400}, {57600, B57600}, {115200, B115200}};
    struct termios t;
    int fd = open(tty, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false;
    bool there = tcgetattr(fd, &t) == 0;
    for (size_t i = 0; there && i < sizeof speeds / sizeof speeds[0]; i++) {
        if (speeds[i].baud == baud) cfsetspeed(&t, speeds[i].speed);
    }
    if (there) tcsetattr(fd, TCSANOW, &t);
    close(fd);
    return there;
}

static void start_console(struct house *h, const char *tty, int baud, const char *term) {
    char path[32], name[32];
    const char *argv[] = {"console", "--login", NULL};
    snprintf(path, sizeof path, "/dev/%s", tty);
    snprintf(name, sizeof name, "console-%s", tty);
    if (!set_speed(path, baud)) {
        log_info("no console on %s: it is not there", path);
        return;
    }
    struct child_spec spec = {
        .name = name,
        .argv = argv,
        .tty = path,
        .term = term,
        .stop_rank = RANK_ACCESS,
        .stop_limit_ms = STOP_MS,
    };
    supervisor_start(h->children, &spec);
}

void access_start_consoles(struct house *h) {
    const char *serial = h->configured ? h->conf.console_tty : "ttyS0";
    int baud = h->configured ? h->conf.console_baud : 115200;
    start_console(h, serial, baud, "vt100");
    if (strcmp(serial, "tty1") != 0) start_console(h, "tty1", 0, "linux");
}

static bool write_keys(const struct node_conf *c) {
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < c->ssh_key_count; i++) buf_printf(&text, "%s\n", c->ssh_keys[i]);
    bool done = file_make_dirs("/root/.ssh", 0700) &&
                file_replace("/root/.ssh/authorized_keys", buf_head(&text), buf_len(&text), 0600);
    if (!done) log_error("cannot write /root/.ssh/authorized_keys: %s", strerror(errno));
    buf_free(&text);
    return done;
}

/* The key stays with the data, so that the machine is known again after an upgrade. */
static bool host_key(char *path, size_t size) {
    struct stat data, root;
    bool kept = stat("/data", &data) == 0 && stat("/", &root) == 0 && data.st_dev != root.st_dev;
    snprintf(path, size, "%s/" HOST_KEY_NAME, kept ? "/data" : "/run");
    char dir[64];
    snprintf(dir, sizeof dir, "%s/ssh", kept ? "/data" : "/run");
    if (file_exists(path)) return true;
    const char *argv[] = {"dropbearkey", "-t", "ed25519", "-f", path, NULL};
    if (file_make_dirs(dir, 0700) &&
        supervisor_run_tool("/bin/dropbearkey", argv, KEYGEN_MS) == 0) {
        return true;
    }
    log_error("the host key %s cannot be made; no SSH", path);
    return false;
}

void access_start_clock(struct house *h) {
    const char *argv[] = {"chronyd", "-d", "-f", "/etc/chrony.conf", NULL};
    struct child_spec spec = {
        .name = "chronyd",
        .program = "/sbin/chronyd",
        .argv = argv,
        .stop_rank = RANK_ACCESS,
        .stop_limit_ms = STOP_MS,
    };
    if (file_exists(spec.program) && file_exists(argv[3])) supervisor_start(h->children, &spec);
}

void access_start_ssh(struct house *h) {
    char key[64];
    if (!h->configured || h->conf.ssh_key_count == 0) {
        log_info("no ssh-key in [access]: no SSH");
        return;
    }
    if (!write_keys(&h->conf) || !host_key(key, sizeof key)) return;
    const char *argv[] = {"dropbear", "-F", "-r", key, "-p", "22", "-P", "/run/dropbear.pid", NULL};
    struct child_spec spec = {
        .name = "ssh",
        .program = "/sbin/dropbear",
        .argv = argv,
        .oom_score_adj = -500,
        .stop_rank = RANK_ACCESS,
        .stop_limit_ms = STOP_MS,
    };
    supervisor_start(h->children, &spec);
}
