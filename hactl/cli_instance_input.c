/* What an operator gives a verb of `hactl instance`: sizes, passwords. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "hactl/cli_instance.h"
#include "server/base/num.h"

#define PASSWORD_LIMIT 512

bool instance_size(const char *word, uint64_t *bytes) {
    if (num_parse_bytes(word, bytes) && *bytes >= 1 << 20) return true;
    fprintf(stderr, "hactl: '%s' is no memory size; write one like 256mb or 4gb\n", word);
    return false;
}

/* The first line, without its end. */
static bool first_line(int fd, struct buf *out) {
    if (!instance_read_all(fd, out, 4096)) {
        fprintf(stderr, "hactl: the password cannot be read: %s\n", strerror(errno));
        return false;
    }
    size_t len = strcspn(buf_cstr(out), "\r\n");
    if (strlen(buf_cstr(out)) != buf_len(out) || len > PASSWORD_LIMIT) {
        fprintf(stderr, "hactl: a password is one line of at most %d bytes\n", PASSWORD_LIMIT);
        return false;
    }
    out->end = out->start + len;
    return true;
}

/* One line from the terminal, not shown. */
static bool ask(const char *prompt, char out[PASSWORD_LIMIT + 2]) {
    struct termios shown, hidden;
    bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    fprintf(stderr, "%s: ", prompt);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    if (terminal) tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    bool good = fgets(out, PASSWORD_LIMIT + 2, stdin) != NULL;
    if (terminal) tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    fprintf(stderr, "\n");
    if (good) out[strcspn(out, "\r\n")] = 0;
    return good;
}

static bool ask_twice(struct buf *out) {
    char one[PASSWORD_LIMIT + 2], two[PASSWORD_LIMIT + 2];
    if (!ask("New password", one) || !ask("The same again", two)) return false;
    if (strcmp(one, two) != 0) {
        fprintf(stderr, "hactl: the two are not the same; nothing was changed\n");
        return false;
    }
    buf_add_str(out, one);
    return true;
}

/* Of standard input ("-"; a terminal is asked twice) or of a file. */
static bool read_password(const char *source, struct buf *out) {
    if (strcmp(source, "-") == 0)
        return isatty(STDIN_FILENO) ? ask_twice(out) : first_line(STDIN_FILENO, out);
    int fd = open(source, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "hactl: %s: %s\n", source, strerror(errno));
        return false;
    }
    bool good = first_line(fd, out);
    close(fd);
    return good;
}

bool instance_password(const char *source, struct buf *out) {
    if (strcmp(source, "none") == 0) {
        buf_add_str(out, "none");
        return true;
    }
    if (!read_password(source, out)) return false;
    if (buf_len(out) == 0 || strcmp(buf_cstr(out), "none") == 0) {
        fprintf(stderr, "hactl: an empty password, or the word none, would leave the instance open "
                        "to everybody; if that is meant: --password none\n");
        return false;
    }
    return true;
}
