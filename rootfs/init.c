/* PID 1 of the appliance. In order: mounts, the disk, the configuration, the data partition, the network,
 * then children under supervision; on a signal or the power button all of it backwards. Whatever is
 * missing or damaged, the machine comes up with a console, and /run/problems says what is wrong. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/access.h"
#include "rootfs/bootdisk.h"
#include "rootfs/conf_area.h"
#include "rootfs/house.h"
#include "rootfs/mounts.h"
#include "rootfs/power.h"
#include "rootfs/supervise.h"
#include "rootfs/watchdog.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/loop.h"

int init_main(int argc, char **argv);

#define DISK_WAIT_MS    20000
#define NETWORK_EACH_NS (2 * NS_PER_S)
#define NETWORK_TRIES   150
#define GOOD_EACH_NS    NS_PER_S
#define GOOD_AFTER_MS   5000 /* the children have run for so long */
#define END_LIMIT_NS    (90 * NS_PER_S)
#define PROBLEMS        "/run/problems"

struct machine {
    struct house house;
    struct bootdisk disk;
    struct power *power;
    struct watchdog *watchdog;
    struct loop_timer *network_timer, *good_timer, *end_timer;
    int network_tries;
    bool with_data;
    int how; /* reboot(2)'s command at the end */
};

/* Logged, and kept for the consoles' status page. */
__attribute__((format(printf, 1, 2))) static void problem(const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_error("%s", text);
    int fd = open(PROBLEMS, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return;
    dprintf(fd, "%s\n", text);
    close(fd);
}

/* ---- the disk and the configuration ---- */

/* Disks appear while the kernel goes on. */
static void find_disk(struct machine *m) {
    uint64_t deadline = clock_boot_ms() + DISK_WAIT_MS;
    while (!bootdisk_find(&m->disk) && clock_boot_ms() < deadline) {
        /* Waiting helps neither a disk that lacks a partition nor a loader that named no disk. */
        if (m->disk.disk[0] && (!m->disk.data[0] || !m->disk.state[0])) break;
        if (strstr(m->disk.why, "duet.disk=")) break;
        usleep(20000);
    }
    if (m->disk.why[0])
        log_warning("%s", m->disk.why);
    else
        log_info("slot %c of %s", m->disk.slot ? m->disk.slot : '-', m->disk.disk);
}

static bool take_conf(struct machine *m) {
    struct conf_copy copies[2];
    struct buf text = BUF_INIT;
    if (!m->disk.state[0] || symlink(m->disk.state, "/state") != 0) {
        problem("there is no state partition, so no configuration: %s", m->disk.why);
        return false;
    }
    int fd = open("/state", O_RDONLY | O_CLOEXEC);
    int best = fd < 0 ? -1 : conf_area_read(fd, 0, copies, &text);
    if (fd >= 0) close(fd);
    if (best < 0) {
        problem("the state partition %s holds no whole configuration; put one there with `duet "
                "config put` or image/configure",
                m->disk.state);
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (copies[i].state == CONF_COPY_WHOLE) continue;
        log_warning("copy %d of the configuration is not whole; copy %d is used", i + 1, best + 1);
    }
    file_make_dirs("/etc", 0755);
    bool done = file_replace("/etc/duet.conf", buf_head(&text), buf_len(&text), 0600);
    if (!done) problem("cannot write /etc/duet.conf: %s", strerror(errno));
    buf_free(&text);
    return done;
}

static void configure(struct machine *m) {
    struct conf_error err;
    if (!take_conf(m)) return;
    if (!house_read_conf(&m->house, &err)) {
        problem("the configuration cannot be used: %s", err.text);
        return;
    }
    const char *name = m->house.conf.name;
    if (sethostname(name, strlen(name)) != 0) log_error("cannot set the host name %s", name);
}

static void mount_data(struct machine *m) {
    char why[400];
    m->with_data = mounts_data(&m->disk, why, sizeof why);
    if (!m->with_data) problem("%s", why);
}

/* ---- what goes on while it runs ---- */

/* A network card may come late; until the network is as configured it is tried again. */
static void try_network(struct loop *l, void *arg) {
    struct machine *m = arg;
    (void)l;
    if (house_apply_network(&m->house)) {
        loop_timer_stop(m->network_timer);
    } else if (++m->network_tries == NETWORK_TRIES) {
        problem("the network is not as configured; `netcfg plan` says what is missing");
        loop_timer_stop(m->network_timer);
    }
}

/* The slot has proved itself when had and the servers have run for a while. */
static void look_if_good(struct loop *l, void *arg) {
    struct machine *m = arg;
    struct house *h = &m->house;
    (void)l;
    bool good = clock_boot_ms() > GOOD_AFTER_MS;
    if (h->configured) good &= supervisor_age_ms(h->children, "had") > GOOD_AFTER_MS;
    for (size_t i = 0; m->with_data && h->configured && i < h->conf.instance_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "server-%d", h->conf.instances[i].number);
        good &= supervisor_age_ms(h->children, name) > GOOD_AFTER_MS;
    }
    if (!good) return;
    loop_timer_stop(m->good_timer);
    if (bootdisk_slot_is_good(&m->disk))
        log_info("slot %c is good", m->disk.slot);
    else
        log_error("%s", m->disk.why);
}

static pid_t had_pid(void *arg) {
    struct machine *m = arg;
    return supervisor_pid(m->house.children, "had");
}

/* ---- the end ---- */

/* While consoles are drawn on the terminals, init's lines go to its log only. */
static void speak(bool aloud) {
    int fd = open(aloud ? "/dev/console" : "/dev/null", O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return;
    dup2(fd, 1);
    dup2(fd, 2);
    close(fd);
}

static void too_late(struct loop *l, void *arg) {
    (void)arg;
    log_error("the orderly end takes too long; ending anyway");
    loop_stop(l);
}

static void end(struct machine *m, int how, const char *why) {
    speak(true);
    log_notice("%s: %s", why, how == RB_POWER_OFF ? "powering off" : "starting again");
    m->how = how;
    loop_timer_start(m->end_timer, END_LIMIT_NS, 0);
    house_stop(&m->house);
}

/* SIGINT is Ctrl-Alt-Del; SIGTERM and SIGUSR1 restart, SIGUSR2 and SIGPWR power off. */
static void on_signal(struct loop *l, void *arg, int signo) {
    (void)l;
    end(arg, signo == SIGUSR2 || signo == SIGPWR ? RB_POWER_OFF : RB_AUTOBOOT, strsignal(signo));
}

static void on_button(void *arg) {
    end(arg, RB_POWER_OFF, "power button");
}

_Noreturn static void leave(struct machine *m) {
    watchdog_free(m->watchdog);
    kill(-1, SIGTERM);
    usleep(200000);
    kill(-1, SIGKILL);
    house_close(&m->house);
    mounts_end();
    reboot(m->how);
    for (;;) pause();
}

/* ---- the beginning ---- */

static void start(struct machine *m) {
    struct house *h = &m->house;
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGPWR};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        loop_signal_new(h->loop, signals[i], on_signal, m);
    }
    reboot(RB_DISABLE_CAD);
    m->end_timer = loop_timer_new(h->loop, too_late, m);
    m->power = power_new(h->loop, on_button, m);
    m->watchdog = watchdog_new(h->loop, had_pid, m);
    if (h->configured) {
        m->network_timer = loop_timer_new(h->loop, try_network, m);
        loop_timer_start(m->network_timer, NETWORK_EACH_NS, NETWORK_EACH_NS);
        try_network(h->loop, m);
        house_start(h, m->with_data);
    }
    access_start_consoles(h);
    access_start_ssh(h);
    access_start_clock(h);
    m->good_timer = loop_timer_new(h->loop, look_if_good, m);
    loop_timer_start(m->good_timer, GOOD_EACH_NS, GOOD_EACH_NS);
}

_Noreturn static void be_init(void) {
    static struct machine m;
    m.how = RB_AUTOBOOT;
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    log_set_name("init");
    mounts_early();
    mounts_say_crashes();
    setenv("PATH", "/bin:/sbin", 1);
    setenv("HOME", "/root", 1);
    house_open(&m.house, "", true);
    house_keep_lines(&m.house, "init");
    find_disk(&m);
    configure(&m);
    mount_data(&m);
    if (!house_make_dirs(&m.house)) problem("the folders in /run cannot be made");
    house_open_logs(&m.house, m.with_data);
    start(&m);
    speak(false);
    loop_run(m.house.loop);
    leave(&m);
}

static const char usage[] =
    "usage: init                 PID 1 of the appliance\n"
    "       init --check FILE    reads a configuration and says what is wrong; changes nothing\n";

int init_main(int argc, char **argv) {
    if (getpid() == 1) be_init();
    if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        if (!node_conf_check_file(argv[2], "init")) return 1;
        printf("%s: in order\n", argv[2]);
        return 0;
    }
    bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;
    fputs(usage, asked ? stdout : stderr);
    if (!asked) fputs("init: not PID 1 here; `duet node --root DIR` runs a node\n", stderr);
    return asked ? 0 : 2;
}
