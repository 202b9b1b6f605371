/* link: hactl/event_out.c hactl/event_file.c hactl/event_syslog.c hactl/event.c hactl/report.c hactl/place.c
   hactl/log_conf.c server/base/conf.c server/base/buf.c server/base/file.c server/base/log.c server/base/num.c
   server/base/clock.c */
/* Where events go: the file over restarts and full disks, the FIFO with readers that are slow or gone, syslog. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hactl/event_file.h"
#include "hactl/event_out.h"
#include "hactl/event_syslog.h"
#include "hactl/log_conf.h"
#include "server/base/buf.h"
#include "server/base/file.h"
#include "tests/unit/tap.h"

static char dir[64];

static const char *in_dir(const char *name) {
    static char path[4][128];
    static unsigned next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", dir, name);
    return out;
}

static struct event made(uint64_t number) {
    struct event e = {.number = number, .wall_ms = 1763773200123, .node = 'a', .kind = EVENT_NOTE};
    snprintf(e.text, sizeof e.text, "event %llu", (unsigned long long)number);
    return e;
}

static void put(struct event_file *f, uint64_t number) {
    struct event e = made(number);
    struct buf line = BUF_INIT;
    event_line(&e, &line);
    event_file_add(f, buf_head(&line), buf_len(&line));
    buf_free(&line);
}

static struct event_file *begin(size_t limit, uint64_t *last) {
    struct event_file *f = event_file_new(in_dir("log"), in_dir("other"), limit);
    if (!event_file_last(f, 5000, last)) *last = UINT64_MAX;
    return f;
}

/* Lines of both files that are events. */
static int kept(void) {
    struct buf text = BUF_INIT;
    struct event e;
    int n = 0;
    file_read_all(in_dir("log/events.log.1"), &text, 1 << 20);
    file_read_all(in_dir("log/events.log"), &text, 1 << 20);
    for (const char *p = buf_head(&text), *end = p + buf_len(&text), *nl;
         p < end && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1)
        n += event_read(p, (size_t)(nl - p), &e);
    buf_free(&text);
    return n;
}

static void the_file_outlives_restarts(void) {
    uint64_t last;
    struct event_file *f = begin(1 << 20, &last);
    is_int((long long)last, 0, "no file yet: numbers begin");
    for (uint64_t i = 1; i <= 5; i++) put(f, i);
    event_file_free(f);
    is_int(kept(), 5, "what was added is there when it ends");
    int fd = open(in_dir("log/events.log"), O_WRONLY | O_APPEND);
    ok(file_write_all(fd, "{\"number\":6,\"at_m", 17), "a power cut tears a line");
    close(fd);
    f = begin(1 << 20, &last);
    is_int((long long)last, 5, "the highest number is found behind a torn line");
    put(f, 7);
    event_file_free(f);
    is_int(kept(), 6, "what comes after it stands on a line of its own");
}

static void the_file_is_bounded(void) {
    uint64_t last;
    struct event_file *f;
    for (uint64_t i = 0; i < 40; i++) {
        f = begin(1000, &last);
        put(f, last + 1);
        event_file_free(f);
    }
    struct stat now, old;
    ok(stat(in_dir("log/events.log"), &now) == 0 && stat(in_dir("log/events.log.1"), &old) == 0 &&
           now.st_size <= 1000 && old.st_size <= 1000,
       "two files, neither above the limit");
    f = begin(1000, &last);
    is_int((long long)last, 47, "numbers go on through rotations");
    event_file_free(f);
}

static int full(char op, int fd) {
    (void)fd;
    return op == 'w' ? ENOSPC : 0;
}

static void a_full_disk_costs_events(void) {
    uint64_t last;
    struct event_file *f = begin(1 << 20, &last);
    file_set_fault(full);
    for (uint64_t i = 1; i <= 3; i++) put(f, last + i);
    for (int i = 0; i < 5000 && event_file_lost(f) < 3; i++) usleep(1000);
    is_int((long long)event_file_lost(f), 3, "they are counted");
    file_set_fault(NULL);
    put(f, last + 4);
    event_file_free(f);
    f = begin(1 << 20, &last);
    is_int((long long)last, 51, "and the next one is kept");
    event_file_free(f);
}

static void out(struct event_out *o, uint64_t number) {
    struct event e = made(number);
    struct buf line = BUF_INIT;
    event_line(&e, &line);
    event_out_add(o, &e, buf_head(&line), buf_len(&line));
    buf_free(&line);
}

/* All that a reader finds: how many events, and the number of those it is told were lost. */
static int drain(int fd, uint64_t *last, char *lost, size_t size) {
    static char text[1 << 20];
    ssize_t got, n = 0;
    int count = 0;
    struct event e;
    while ((got = read(fd, text + n, sizeof text - (size_t)n)) > 0) n += got;
    for (const char *p = text, *nl; p < text + n && (nl = memchr(p, '\n', (size_t)(text + n - p)));
         p = nl + 1) {
        struct buf line = BUF_INIT;
        if (event_read(p, (size_t)(nl - p), &e)) {
            count++;
            if (e.number != *last + 1 && *last && !*lost) count += 1000; /* out of order */
            *last = e.number;
        } else {
            buf_add(&line, p, (size_t)(nl - p));
            snprintf(lost, size, "%s", buf_cstr(&line));
        }
        buf_free(&line);
    }
    return count;
}

static void the_fifo_never_waits(void) {
    struct event_out_conf conf = {0};
    struct event_out *o = event_out_new(&conf, in_dir("fifo"), "duet-a");
    uint64_t last = 0;
    char lost[400] = "";
    out(o, 1);
    is_int((long long)event_out_lost_fifo(o), 0, "nobody reads: nobody loses");
    int fd = open(in_dir("fifo"), O_RDONLY | O_NONBLOCK);
    for (uint64_t i = 2; i <= 11; i++) out(o, i);
    is_int(drain(fd, &last, lost, sizeof lost), 10, "a reader gets each, in order");
    for (uint64_t i = 12; i <= 2000; i++) out(o, i);
    uint64_t missed = event_out_lost_fifo(o);
    ok(missed > 0 && missed < 1989, "one that does not read loses some");
    int got = drain(fd, &last, lost, sizeof lost);
    is_int(got, (long long)(1989 - missed), "what it then gets is the rest, in order");
    out(o, 2001);
    got = drain(fd, &last, lost, sizeof lost);
    ok(got == 1 && last == 2001 && strstr(lost, "\"kind\":\"events.lost\""),
       "and before the next one it is told how many");
    close(fd);
    for (int i = 0; i < 3; i++) out(o, 3000);
    fd = open(in_dir("fifo"), O_RDONLY | O_NONBLOCK);
    out(o, 3001);
    last = 0;
    *lost = 0;
    is_int(drain(fd, &last, lost, sizeof lost), 1, "a reader that comes later begins there");
    ok(!*lost, "and lost nothing");
    close(fd);
    event_out_free(o);
}

static void a_message_of_syslog(void) {
    struct event e = made(12);
    struct buf m = BUF_INIT;
    e.kind = EVENT_ALARM_BEGIN;
    e.epoch = 3;
    e.epoch_by = 'b';
    event_syslog(&e, event_facility_named("local0"), "du et", 77, &m);
    is_str(buf_cstr(&m),
           "<132>1 2025-11-22T01:00:00.123Z du_et had 77 alarm.begin - event 12 (event 12, node a, "
           "epoch 3/b)",
           "RFC 5424: priority, time, host, program, pid, message id");
    buf_free(&m);
    is_int(event_facility_named("local9"), -1, "there is no facility local9");
}

static const char *conf_says(const char *text, struct event_out_conf *log, struct place *metrics) {
    static struct conf_error err;
    struct conf c;
    err.text[0] = 0;
    if (!conf_parse(&c, "duet.conf", text, strlen(text), true, &err)) return err.text;
    if (log_conf_read(&c, log, &err)) metrics_conf_read(&c, "10.0.0.1", metrics, &err);
    conf_free(&c);
    return err.text;
}

static void what_is_configured(void) {
    struct event_out_conf log;
    struct place at;
    char text[PLACE_CHARS];
    is_str(conf_says("[log]\nsyslog 192.0.2.1\nsyslog [2001:db8::1]:1514\nfacility local3\n"
                     "[metrics]\nlisten 9121\n",
                     &log, &at),
           "", "both sections are taken");
    is_int(log.syslog_count, 2, "two receivers");
    is_str(place_text(&log.syslog[0], text), "192.0.2.1:514", "the port of syslog");
    is_str(place_text(&log.syslog[1], text), "[2001:db8::1]:1514", "IPv6 with a port");
    is_int(log.facility, 19, "facility");
    is_str(place_text(&at, text), "10.0.0.1:9121", "metrics on the service address");
    is_str(conf_says("[metrics]\nlisten 127.0.0.1:80\n", &log, &at), "", "and elsewhere");
    is_str(place_text(&at, text), "127.0.0.1:80", "there");
    is_str(conf_says("", &log, &at), "", "nothing");
    ok(at.len == 0 && log.syslog_count == 0 && log.facility == 3, "is nothing");
    static const char *const bad[] = {"[log]\nsyslog host\n",      "[log]\nsyslog 1.2.3.4:0\n",
                                      "[log]\nsyslog [::1\n",      "[log]\nfacility loud\n",
                                      "[metrics]\nlisten 70000\n", "[metrics]\nlisten ::1\n",
                                      "[log]\nshout 1\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(strstr(conf_says(bad[i], &log, &at), "duet.conf:2: ") != NULL,
           "refused by file and line");
}

int main(void) {
    snprintf(dir, sizeof dir, "/tmp/duet-event-XXXXXX");
    if (!mkdtemp(dir)) return 1;
    signal(SIGPIPE, SIG_IGN);
    the_file_outlives_restarts();
    the_file_is_bounded();
    a_full_disk_costs_events();
    the_fifo_never_waits();
    a_message_of_syslog();
    what_is_configured();
    file_tree_remove(dir);
    return done();
}
