/* A connection to a running server, plain or TLS, as a tool uses it: with deadlines, and a sentence when it is lost. */
#ifndef HACTL_IMPORT_DIAL_H
#define HACTL_IMPORT_DIAL_H

#include "hactl/import/url.h"
#include "server/base/buf.h"
#include "server/proto/replline.h"

struct stream;

struct dial {
    struct stream *stream; /* NULL: closed, or lost */
    struct buf in;         /* read and not taken yet */
    char why[300];         /* once lost */
};

struct dial_tls {
    const char *ca_file; /* whom to believe */
    bool insecure;       /* anybody */
};

/* False with why. */
bool dial_open(struct dial *w, const struct url *u, const struct dial_tls *tls, int timeout_ms);
void dial_close(struct dial *w);
bool dial_send(struct dial *w, const void *p, size_t n, int timeout_ms);
/* Reads what is there, into `in`: bytes > 0; 0: nothing came in time; -1: lost. */
long dial_read(struct dial *w, size_t most, int timeout_ms);
/* The next line of the handshake, at the head of `in`: the caller eats l->used. False: lost, or none in time. */
bool dial_line(struct dial *w, struct replline *l, int timeout_ms);
/* One request and its answer. *reply: its bytes, RESP2, to be eaten (`used`) before the next one. False: lost. */
bool dial_ask(struct dial *w, size_t *used, int timeout_ms, int argc, const char *const *argv);
/* The same; text: of a status, a bulk, a number or an error without its sign, of an array its size. */
enum dial_answer { DIAL_LOST, DIAL_ERROR, DIAL_TEXT };
enum dial_answer dial_ask_text(struct dial *w, struct buf *text, int timeout_ms, int argc,
                               const char *const *argv);
int dial_fd(const struct dial *w);

#endif
