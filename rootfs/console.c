/* The console of a node, on the screen, the serial line and over SSH: a status page that renews itself,
 * and a prompt. `console -c LINE` runs one line (what SSH calls). It is every user's login shell, and
 * no shell can be reached from it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "rootfs/console_verbs.h"
#include "rootfs/line_edit.h"
#include "rootfs/node_conf.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/hmac.h"

int console_main(int argc, char **argv);

#define PAGE_COLUMNS      80
#define PAGE_LINES        24
#define REDRAW_MS         5000
#define IDLE_TURNS        24 /* two minutes after a command the page comes back */
#define PROBLEM_LINES     4
#define PAGE_BYTES        (256 << 10)
#define HAD_LOG_LINES     6
#define HACTL_UNREACHABLE 3 /* hactl's exit status when there is no had to ask */

static const char usage[] =
    "usage: console [--root DIR] [--login]    status page and prompt on this terminal\n"
    "       console [--root DIR] -c LINE      runs one line and ends\n"
    "--login asks for the console password when the configuration has one.\n";

struct screen {
    struct console console;
    struct termios before;
    bool raw;
    bool page;      /* the status page is shown, not a command's output */
    int idle_turns; /* since the last key, while a command's output is shown */
    char host[80];
    struct line_edit edit;
};

static void put(const char *s) {
    file_write_all(1, s, strlen(s));
}

static void set_raw(struct screen *s, bool raw) {
    struct termios t = s->before;
    if (raw) {
        t.c_iflag &= ~(unsigned)(ICRNL | IXON | BRKINT | INLCR);
        t.c_lflag &= ~(unsigned)(ICANON | ECHO | ISIG | IEXTEN);
        t.c_cc[VMIN] = 1;
        t.c_cc[VTIME] = 0;
    }
    tcsetattr(0, TCSADRAIN, &t);
    s->raw = raw;
}

/* ---- the page ---- */

/* How much of a text goes on one line of the screen: broken at a space when there is one. */
static size_t line_part(const char *text, size_t len, size_t width) {
    if (len <= width) return len;
    for (size_t n = width; n > width / 2; n--) {
        if (text[n] == ' ') return n;
    }
    return width;
}

/* One line of a report as one line of the page, or a few; returns how many. */
static int add_line(struct buf *out, const char *text, size_t len, int limit) {
    size_t indent = 0;
    int n = 0;
    while (n < limit && (len > 0 || n == 0)) {
        size_t part = line_part(text, len, PAGE_COLUMNS - 1 - indent);
        buf_printf(out, "%*s%.*s\033[K\r\n", (int)indent, "", (int)part, text);
        text += part;
        len -= part;
        while (len > 0 && *text == ' ') text++, len--;
        indent = 4;
        n++;
    }
    return n;
}

static int add_lines(struct buf *out, const char *text, size_t len, int limit) {
    int n = 0;
    while (len > 0 && n < limit) {
        const char *end = memchr(text, '\n', len);
        size_t one = end ? (size_t)(end - text) : len;
        if (one > 0) n += add_line(out, text, one, limit - n);
        size_t used = end ? one + 1 : one;
        text += used;
        len -= used;
    }
    return n;
}

static int add_problems(struct screen *s, struct buf *out) {
    struct buf text = BUF_INIT;
    int n = 0;
    if (file_read_all(console_path(&s->console, "run/problems"), &text, 65536)) {
        n = add_lines(out, buf_head(&text), buf_len(&text), PROBLEM_LINES);
    }
    buf_free(&text);
    return n;
}

/* hactl's report, by a file in memory: a pipe could fill up. */
static void read_status(struct screen *s, struct buf *out) {
    char word[] = "status", *words[] = {word};
    int fd = memfd_create("status", MFD_CLOEXEC);
    if (fd < 0) return;
    int status = console_run_hactl(&s->console, words, 1, fd);
    off_t size = lseek(fd, 0, SEEK_END);
    size_t want = size < 0 ? 0 : size > PAGE_BYTES ? PAGE_BYTES : (size_t)size;
    if (want > 0 && file_pread_all(fd, buf_room(out, want), want, 0)) buf_added(out, want);
    close(fd);
    if (status != HACTL_UNREACHABLE) return;
    buf_add_str(out, "The end of had's log:\n");
    console_log_tail(&s->console, "had", HAD_LOG_LINES, out);
}

static void prompt(struct screen *s, struct buf *out) {
    buf_printf(out, "\r%s> %s\033[K", s->host, s->edit.text);
}

static void draw_page(struct screen *s) {
    struct buf out = BUF_INIT, status = BUF_INIT;
    read_status(s, &status);
    buf_add_str(&out, "\033[H");
    int used = add_problems(s, &out);
    used += add_lines(&out, buf_head(&status), buf_len(&status), PAGE_LINES - 3 - used);
    buf_add_str(
        &out, "\033[K\r\nstatus  switchover  help: all verbs  (hactl's verbs work here)\033[K\r\n");
    prompt(s, &out);
    buf_add_str(&out, "\033[J");
    file_write_all(1, buf_head(&out), buf_len(&out));
    buf_free(&out);
    buf_free(&status);
    s->page = true;
}

static void show_prompt(struct screen *s) {
    struct buf out = BUF_INIT;
    prompt(s, &out);
    file_write_all(1, buf_head(&out), buf_len(&out));
    buf_free(&out);
}

static void clear_and_draw(struct screen *s) {
    put("\033[2J");
    draw_page(s);
}

/* ---- the prompt ---- */

static bool run_line(struct screen *s) {
    bool leave = false;
    char line[LINE_CHARS];
    snprintf(line, sizeof line, "%s", s->edit.text);
    line_take(&s->edit);
    if (!*line) {
        clear_and_draw(s);
        return true;
    }
    set_raw(s, false);
    console_run_line(&s->console, line, &leave);
    set_raw(s, true);
    s->page = false;
    if (!leave) show_prompt(s);
    return !leave;
}

static bool take_byte(struct screen *s, unsigned char c) {
    char echo[8];
    enum line_event ev = line_byte(&s->edit, c, echo);
    if (*echo) put(echo);
    switch (ev) {
    case LINE_NOTHING: break;
    case LINE_DONE: return run_line(s);
    case LINE_FORGET:
        put("^C\r\n");
        s->edit.len = 0;
        s->edit.text[0] = 0;
        show_prompt(s);
        s->page = false;
        break;
    case LINE_LEAVE: return false;
    case LINE_REDRAW: clear_and_draw(s); break;
    case LINE_SHOW: show_prompt(s); break;
    }
    return true;
}

static void talk(struct screen *s) {
    uint64_t next = clock_boot_ms() + REDRAW_MS;
    clear_and_draw(s);
    for (;;) {
        struct pollfd p = {.fd = 0, .events = POLLIN};
        unsigned char bytes[64];
        uint64_t now = clock_boot_ms();
        int wait = now < next ? (int)(next - now) : 0;
        int ready = poll(&p, 1, wait);
        if (ready < 0 && errno != EINTR) return;
        if (ready == 0) {
            /* Only while nobody is typing and the page is what is shown. */
            if (s->page && s->edit.len == 0)
                draw_page(s);
            else if (s->edit.len == 0 && ++s->idle_turns == IDLE_TURNS)
                clear_and_draw(s);
            next = clock_boot_ms() + REDRAW_MS;
            continue;
        }
        ssize_t n = ready > 0 ? read(0, bytes, sizeof bytes) : 0;
        if (ready > 0 && n <= 0 && errno != EINTR) return;
        if (ready > 0 && n == 0) return;
        for (ssize_t i = 0; i < n; i++) {
            if (!take_byte(s, bytes[i])) return;
        }
        next = clock_boot_ms() + REDRAW_MS;
        s->idle_turns = 0;
    }
}

/* ---- the password ---- */

static bool read_secret(const struct screen *s, char *out, size_t size) {
    struct termios t = s->before;
    t.c_lflag &= ~(unsigned)ECHO;
    tcsetattr(0, TCSAFLUSH, &t);
    put("Password: ");
    ssize_t n = read(0, out, size - 1);
    tcsetattr(0, TCSAFLUSH, &s->before);
    put("\r\n");
    if (n <= 0) return false;
    out[n] = 0;
    out[strcspn(out, "\r\n")] = 0;
    return true;
}

static bool password_ok(const char *typed, const char *wanted) {
    uint8_t a[32], b[32];
    sha256(typed, strlen(typed), a);
    sha256(wanted, strlen(wanted), b);
    return bytes_equal_ct(a, b, sizeof a);
}

/* Without a readable configuration there is no password: then the console is the only way in. */
static char *configured_password(const struct screen *s) {
    struct conf c;
    struct conf_error err;
    struct node_conf node;
    char *password = NULL;
    if (!conf_read(&c, console_path(&s->console, "etc/duet.conf"), true, &err)) return NULL;
    if (node_conf_read(&c, &node, &err)) {
        if (node.console_password) password = xstrdup(node.console_password);
        node_conf_free(&node);
    }
    conf_free(&c);
    return password;
}

static bool login(const struct screen *s) {
    char typed[256];
    char *password = configured_password(s);
    bool in = !password;
    for (int tries = 0; !in && tries < 3; tries++) {
        if (!read_secret(s, typed, sizeof typed)) break;
        in = password_ok(typed, password);
        if (!in) {
            sleep(1);
            put("That is not the console password.\r\n");
        }
    }
    free(password);
    return in;
}

/* ---- beginnings ---- */

static int interactive(struct screen *s, bool ask) {
    if (tcgetattr(0, &s->before) != 0) {
        fprintf(stderr,
                "console: standard input is no terminal; `console -c LINE` runs one line\n");
        return 1;
    }
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTSTP, SIG_IGN);
    gethostname(s->host, sizeof s->host - 1);
    if (*s->console.root) snprintf(s->host, sizeof s->host, "duet");
    if (ask && !login(s)) return 1;
    s->console.interactive = true;
    set_raw(s, true);
    talk(s);
    set_raw(s, false);
    put("\r\n");
    return 0;
}

int console_main(int argc, char **argv) {
    static struct screen s;
    const char *line = NULL;
    bool ask = false, leave = false;
    s.console.root = "";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--root") == 0 && i + 1 < argc) {
            s.console.root = argv[++i];
        } else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            line = argv[++i];
        } else if (strcmp(argv[i], "--login") == 0) {
            ask = true;
        } else {
            fprintf(stderr, "console: there is no option '%s'\n%s", argv[i], usage);
            return 2;
        }
    }
    return line ? console_run_line(&s.console, line, &leave) : interactive(&s, ask);
}
