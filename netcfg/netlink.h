/* Netlink by hand: messages built in a fixed buffer, sent to the kernel, answers read. Used by
 * netcfg's own files only. The kernel handles a request before sendmsg returns, so that nothing here
 * waits: acknowledgements and dumps are there to be read at once. */
#ifndef DUET_NETCFG_NETLINK_H
#define DUET_NETCFG_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netcfg/netcfg.h"

struct nlmsghdr;

struct nl {
    int fd;
    uint32_t seq;
};

/* protocol is NETLINK_ROUTE or NETLINK_NETFILTER; groups is a mask of multicast groups. */
bool nl_open(struct nl *nl, int protocol, uint32_t groups, struct netcfg_error *err);
void nl_close(struct nl *nl);

/* One or more messages. A message that does not fit is a programmer's error. */
#define NL_MSG_BYTES 16384
struct nl_msg {
    size_t len;
    size_t at; /* the message being built */
    union {
        uint64_t align;
        uint8_t bytes[NL_MSG_BYTES];
    } u;
};

void nl_clear(struct nl_msg *m);
/* Begins the next message; family_header follows the netlink header. */
void nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, const void *family_header,
              size_t len);
void nl_attr(struct nl_msg *m, uint16_t type, const void *data, size_t len);
void nl_attr_str(struct nl_msg *m, uint16_t type, const char *s); /* with its NUL */
void nl_attr_u32(struct nl_msg *m, uint16_t type, uint32_t v);
void nl_attr_be32(struct nl_msg *m, uint16_t type, uint32_t v);
void nl_attr_be64(struct nl_msg *m, uint16_t type, uint64_t v);
size_t nl_nest(struct nl_msg *m, uint16_t type); /* returns what nl_nest_end wants */
void nl_nest_end(struct nl_msg *m, size_t nest);

/* Sends, reads all acknowledgements. 0, or the first error as a positive errno; then
 * kernel_says (256 bytes, may be NULL) holds the kernel's own words, or "". */
int nl_talk(struct nl *nl, struct nl_msg *m, char *kernel_says);
/* Sends a dump request and calls fn for each message of the answer. 0 or errno. */
int nl_dump(struct nl *nl, struct nl_msg *m, void (*fn)(const struct nlmsghdr *h, void *arg),
            void *arg);
/* Throws away what waits to be read (notifications); true when there was something. */
bool nl_drain(struct nl *nl);

/* Finds attribute `type` in a message whose family header has header_len bytes. NULL when it is not
 * there; else *len is the payload's size. */
const void *nl_find(const struct nlmsghdr *h, size_t header_len, uint16_t type, size_t *len);

#endif
