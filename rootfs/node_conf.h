/* What init reads from duet.conf: [node], [instance N], [access]; and the check of a whole file, in
 * which each part of Duet judges its own sections. */
#ifndef DUET_ROOTFS_NODE_CONF_H
#define DUET_ROOTFS_NODE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/conf.h"
#include "server/base/edition.h"

#define NODE_INSTANCES     64
#define NODE_SSH_KEYS      64
#define NODE_NAME_LIMIT    63
#define NODE_INSTANCE_NAME 31

struct node_instance {
    int number;
    char name[NODE_INSTANCE_NAME + 1]; /* for people; "" none */
    uint16_t port;
    struct buf
        directives; /* the server's configuration file; each directive stands in the line that
                            * it has in duet.conf, so that the server's complaints name it */
    int lines;      /* in directives so far */
    char *password; /* NULL: none */
    const struct edition *edition;         /* NULL: not said, which is open */
    uint64_t memory_bytes;                 /* 0: not said */
    bool appendonly, save, protected_mode; /* the section says these itself */
};

struct node_conf {
    char name[NODE_NAME_LIMIT + 1]; /* the machine's host name */
    char letter;                    /* 'a' or 'b' */
    bool has_secret;                /* [pair] has one; had judges that section */
    uint8_t secret[32];
    bool has_also; /* the secret is being changed: the other one that is believed */
    uint8_t also[32];
    struct node_instance instances[NODE_INSTANCES];
    size_t instance_count;
    bool witness; /* there is a [witness]: this node serves other pairs as theirs */
    char *ssh_keys[NODE_SSH_KEYS]; /* "ssh-ed25519 AAAA... comment" */
    size_t ssh_key_count;
    char *console_password; /* NULL: none */
    char console_tty[16];   /* the serial console, "ttyS0" */
    int console_baud;
};

/* False with a sentence; *out is then empty. Without an [instance] there is instance 0 at port 6379. */
bool node_conf_read(const struct conf *c, struct node_conf *out, struct conf_error *err);
void node_conf_free(struct node_conf *n);

/* Judges the whole file by all who read it (init, netcfg, had); prints one sentence a fault. True: it is in order. */
bool node_conf_check_file(const char *path, const char *applet);

#endif
