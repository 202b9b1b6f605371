#include "hactl/event_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hactl/event_syslog.h"
#include "server/base/buf.h"
#include "server/base/log.h"

struct event_out {
    struct event_out_conf conf;
    char name[64];
    char *path; /* of the FIFO */
    int fifo;   /* -1: nobody reads */
    int udp[2]; /* IPv4, IPv6; -1: none */
    uint64_t lost_fifo, lost_syslog;
    uint64_t unsaid; /* lost, and the reader does not know yet */
};

/* ---- the FIFO ---- */

static bool is_fifo(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void make_fifo(const char *path) {
    if (is_fifo(path) || mkfifo(path, 0640) == 0) return;
    log_warning("%s cannot be made: %s; events go to no reader", path, strerror(errno));
}

/* A line is at most PIPE_BUF, so it is taken whole or not at all. */
static bool fifo_write(struct event_out *o, const char *line, size_t len) {
    if (o->fifo < 0) o->fifo = open(o->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (o->fifo < 0) return false; /* nobody reads, and nobody lost anything */
    if (write(o->fifo, line, len) == (ssize_t)len) return true;
    if (errno == EAGAIN) {
        o->lost_fifo++;
        o->unsaid++;
        return false;
    }
    close(o->fifo); /* the reader is gone */
    o->fifo = -1;
    o->unsaid = 0;
    return false;
}

static bool say_lost(struct event_out *o, const struct event *e) {
    struct event lost = *e;
    struct buf line = BUF_INIT;
    if (!o->unsaid) return true;
    lost.number = 0;
    lost.kind = EVENT_EVENTS_LOST;
    lost.fields[0] = 0;
    event_field_number(&lost, "events", (int64_t)o->unsaid);
    snprintf(lost.text, sizeof lost.text, "%llu events were lost here: the reader was too slow",
             (unsigned long long)o->unsaid);
    event_line(&lost, &line);
    buf_add_str(&line, "\n");
    bool said = o->fifo >= 0 && write(o->fifo, buf_head(&line), buf_len(&line)) > 0;
    if (said) o->unsaid = 0;
    buf_free(&line);
    return said;
}

static void to_fifo(struct event_out *o, const struct event *e, const char *line, size_t len) {
    struct buf whole = BUF_INIT;
    if (!say_lost(o, e)) {
        o->lost_fifo++;
        o->unsaid++;
        return;
    }
    buf_add(&whole, line, len);
    buf_add_str(&whole, "\n");
    fifo_write(o, buf_head(&whole), buf_len(&whole));
    buf_free(&whole);
}

/* ---- syslog ---- */

static void to_syslog(struct event_out *o, const struct event *e) {
    struct buf message = BUF_INIT;
    if (!o->conf.syslog_count) return;
    event_syslog(e, o->conf.facility, o->name, (int)getpid(), &message);
    for (int i = 0; i < o->conf.syslog_count; i++) {
        const struct place *p = &o->conf.syslog[i];
        bool six = p->at.any.sa_family == AF_INET6;
        if (o->udp[six] < 0)
            o->udp[six] = socket(p->at.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (sendto(o->udp[six], buf_head(&message), buf_len(&message), MSG_DONTWAIT, &p->at.any,
                   p->len) < 0)
            o->lost_syslog++;
    }
    buf_free(&message);
}

/* ---- both ---- */

struct event_out *event_out_new(const struct event_out_conf *conf, const char *fifo,
                                const char *name) {
    struct event_out *o = xcalloc(1, sizeof *o);
    o->conf = *conf;
    o->path = xstrdup(fifo);
    o->fifo = o->udp[0] = o->udp[1] = -1;
    snprintf(o->name, sizeof o->name, "%s", name);
    make_fifo(fifo);
    return o;
}

void event_out_free(struct event_out *o) {
    if (!o) return;
    if (o->fifo >= 0) close(o->fifo);
    for (int i = 0; i < 2; i++)
        if (o->udp[i] >= 0) close(o->udp[i]);
    free(o->path);
    free(o);
}

void event_out_add(struct event_out *o, const struct event *e, const char *line, size_t len) {
    if (!o) return;
    to_fifo(o, e, line, len);
    to_syslog(o, e);
}

uint64_t event_out_lost_fifo(const struct event_out *o) {
    return o ? o->lost_fifo : 0;
}
uint64_t event_out_lost_syslog(const struct event_out *o) {
    return o ? o->lost_syslog : 0;
}
