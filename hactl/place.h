/* Where something is sent or listens: a numeric address and a port, as "192.0.2.1", "192.0.2.1:514", "[2001:db8::1]:514". */
#ifndef HACTL_PLACE_H
#define HACTL_PLACE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t len; /* 0: none */
};

/* port: when the text names none; 0: it has to. False: the text is no such place. */
bool place_parse(const char *text, uint16_t port, struct place *out);
#define PLACE_CHARS 64
const char *place_text(const struct place *p, char out[PLACE_CHARS]);

#endif
