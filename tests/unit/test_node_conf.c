/* link: rootfs/node_conf.c hactl/backup_conf.c hactl/timetable.c rootfs/line_edit.c server/base/conf.c server/base/buf.c server/base/num.c server/base/log.c server/base/file.c server/base/clock.c server/base/edition.c */
/* init's sections of duet.conf, and the console's line of typing. */
#include "rootfs/line_edit.h"
#include "rootfs/node_conf.h"
#include "tests/unit/tap.h"

static bool read_text(const char *text, struct node_conf *out, struct conf_error *err) {
    struct conf c;
    if (!conf_parse(&c, "duet.conf", text, strlen(text), true, err)) return false;
    bool fine = node_conf_read(&c, out, err);
    conf_free(&c);
    return fine;
}

#define NODE "[node]\nnode a\n"
#define KEY  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBwQ3vB4Y3b8mYz0 somebody"

static void test_read(void) {
    struct node_conf n;
    struct conf_error err;
    ok(read_text(NODE, &n, &err), "[node] is enough");
    is_str(n.name, "duet-a", "the name has a default");
    ok(n.instance_count == 1 && n.instances[0].port == 6379, "and so has the instance");
    is_str(n.console_tty, "ttyS0", "and the serial console");
    node_conf_free(&n);
    ok(read_text(NODE "[instance 0]\nAppendOnly no\nsave 900 1\n", &n, &err), "own persistence");
    is_str(buf_cstr(&n.instances[0].directives),
           "\n\n\nAppendOnly no\nsave 900 1\nprotected-mode no\n",
           "what the section says is not overridden");
    node_conf_free(&n);
    ok(read_text("[node]\nname db1\nnode b\n[access]\nssh-key " KEY "\nconsole-password sesame\n"
                 "console ttyS1 9600\n[instance 0]\nport 7000\nmemory 256mb\npassword \"a b\"\n"
                 "durability disk\nmaxmemory-policy allkeys-lru\n[instance 3]\n",
                 &n, &err),
       "a whole file is read");
    ok(strcmp(n.name, "db1") == 0 && n.letter == 'b', "name and node");
    ok(n.ssh_key_count == 1 && strcmp(n.ssh_keys[0], KEY) == 0, "the key as one line");
    ok(n.console_baud == 9600 && strcmp(n.console_password, "sesame") == 0, "the console");
    is_int(n.instance_count, 2, "two instances");
    is_int(n.instances[0].port, 7000, "the port");
    is_str(buf_cstr(&n.instances[0].directives),
           "\n\n\n\n\n\n\n\n\nmaxmemory 256mb\nrequirepass \"a b\"\ndurability disk\n"
           "maxmemory-policy allkeys-lru\nappendonly yes\nsave \"\"\nprotected-mode no\n"
           "masterauth \"a b\"\n",
           "the rest becomes the server's file: same lines, quoted where it must be");
    node_conf_free(&n);
}

static const struct {
    const char *text, *place, *word;
} refused[] = {
    {"[node]\nname x\n", "duet.conf:", "node a"},
    {"[node]\nnode c\n", "duet.conf:2:", "'c'"},
    {"[node]\nnode a\nname a_b\n", "duet.conf:3:", "a_b"},
    {"[node]\nnode a\ncolour red\n", "duet.conf:3:", "colour"},
    {NODE "[access]\nssh-key rsa AAAA\n", "duet.conf:4:", "public key"},
    {NODE "[access]\nssh-key ssh-ed25519 short\n", "duet.conf:4:", "public key"},
    {NODE "[access]\nconsole lpt0\n", "duet.conf:4:", "serial"},
    {NODE "[access]\nconsole ttyS0 1200\n", "duet.conf:4:", "115200"},
    {NODE "[access]\nconsole tty/../x\n", "duet.conf:4:", "serial"},
    {NODE "[instance 0]\nport 70000\n", "duet.conf:4:", "70000"},
    {NODE "[instance 0]\nport 1 2\n", "duet.conf:4:", "one word"},
    {NODE "[instance 0]\nmemory much\n", "duet.conf:4:", "much"},
    {NODE "[instance 0]\nedition gold\n", "duet.conf:4:", "master-slave"},
    {NODE "[instance 0]\nmemory 1gb\nedition ckv\n", "duet.conf:5:", "from 4096 to 393216"},
    {NODE "[instance 0]\nedition master-slave\nmemory 100mb\n", "duet.conf:5:", "256 to 61440"},
    {NODE "[instance 0]\nmemory 10\n", "duet.conf:4:", "256mb"},
    {NODE "[instance 0]\ndurability maybe\n", "duet.conf:4:", "maybe"},
    {NODE "[instance 0]\ndir /tmp\n", "duet.conf:4:", "dir"},
    {NODE "[instance 0]\nreplicaof a 1\n", "duet.conf:4:", "replicaof"},
    {NODE "[instance 0]\nport 7000\n[instance 1]\nport 7000\n", "duet.conf:", "7000"},
};

static void test_refusals(void) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct node_conf n;
        struct conf_error err = {""};
        bool fine = read_text(refused[i].text, &n, &err);
        if (!ok(!fine && strstr(err.text, refused[i].place) && strstr(err.text, refused[i].word),
                "refused with its place: %s", refused[i].word)) {
            fprintf(stderr, "# said: %s\n", err.text);
        }
        if (fine) node_conf_free(&n);
    }
}

/* Types a string; returns the last event that was not LINE_NOTHING. */
static enum line_event type(struct line_edit *e, const char *s) {
    enum line_event last = LINE_NOTHING;
    char echo[8];
    for (; *s; s++) {
        enum line_event ev = line_byte(e, (unsigned char)*s, echo);
        if (ev != LINE_NOTHING) last = ev;
    }
    return last;
}

static void test_line(void) {
    static struct line_edit e;
    char long_line[400];
    ok(type(&e, "statis\x7fus\r") == LINE_DONE && strcmp(e.text, "statius") == 0,
       "typing and backspace");
    line_take(&e);
    is_str(e.text, "", "the next line is empty");
    ok(type(&e, "one two three\x17") == LINE_SHOW && strcmp(e.text, "one two ") == 0,
       "Ctrl-W takes a word");
    ok(type(&e, "\x15") == LINE_SHOW && e.len == 0, "Ctrl-U clears");
    type(&e, "help\r");
    line_take(&e);
    ok(type(&e, "\033[A") == LINE_SHOW && strcmp(e.text, "help") == 0, "the line before");
    ok(type(&e, "\033[A") == LINE_SHOW && strcmp(e.text, "statius") == 0, "and the one before");
    ok(type(&e, "\033[A") == LINE_NOTHING, "and no further");
    ok(type(&e, "\033[B\033OB") == LINE_SHOW && e.len == 0, "and back to the empty one");
    ok(type(&e, "\033[15~\033[1;5C\033[D") == LINE_NOTHING || e.len <= 1, "other keys do no harm");
    type(&e, "\x15");
    ok(type(&e, "\x03") == LINE_FORGET, "Ctrl-C is an event, not an end");
    ok(type(&e, "x\x04") == LINE_NOTHING, "Ctrl-D in a line does nothing");
    type(&e, "\x15");
    ok(type(&e, "\x04") == LINE_LEAVE, "on an empty line it leaves");
    memset(long_line, 'y', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = 0;
    type(&e, long_line);
    is_int(e.len, LINE_CHARS - 1, "a line that is too long stops growing");
    for (int i = 0; i < 40; i++) {
        type(&e, "z");
        line_take(&e);
    }
    is_int(e.history_count, LINE_HISTORY, "the history is bounded");
}

int main(void) {
    test_read();
    test_refusals();
    test_line();
    return done();
}
