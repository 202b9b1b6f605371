/* The ways in: consoles on the screen and the serial line, SSH by key. And the clock's keeper. */
#ifndef DUET_ROOTFS_ACCESS_H
#define DUET_ROOTFS_ACCESS_H

struct house;

/* Starts a console on each terminal that is there. Works without a configuration. */
void access_start_consoles(struct house *h);
/* Writes the authorised keys, makes the host key (kept in /data/ssh) and starts the SSH daemon; nothing without a
 * key in [access]. */
void access_start_ssh(struct house *h);

/* chronyd, when the image has it and a configuration for it. */
void access_start_clock(struct house *h);

#endif
