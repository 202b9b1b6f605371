/* The serial line as a path of heartbeats: a null-modem cable between two serial ports.
 *
 * The port is opened raw, 8N1, without flow control and without waiting for a carrier, and for this process
 * alone. Nothing here blocks: a heartbeat is written only when the one before it has left the port, else it
 * is dropped (a newer one is on its way), so what waits in the kernel is one frame, however slow the line
 * is. A port that is not there, or vanishes, is tried again every second; the kernel's own console is
 * refused by name. */
#ifndef HACTL_PEER_SERIAL_H
#define HACTL_PEER_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct peer_serial;

/* A whole frame of the line; bytes are the caller's during the call only. */
typedef void peer_serial_frame_fn(void *arg, const uint8_t *bytes, size_t len);

struct peer_serial *peer_serial_new(struct loop *l, const char *device, int baud,
                                    peer_serial_frame_fn *frame, void *arg);
void peer_serial_free(struct peer_serial *s); /* NULL is fine */

enum peer_serial_sent {
    PEER_SERIAL_SENT,
    PEER_SERIAL_BUSY,   /* the one before is still leaving: this one is dropped */
    PEER_SERIAL_FAILED, /* peer_serial_why says it */
};
enum peer_serial_sent peer_serial_send(struct peer_serial *s, const void *bytes, size_t len);

bool peer_serial_open(const struct peer_serial *s);
const char *peer_serial_why(const struct peer_serial *s); /* "" nothing */
/* Bytes that belonged to no frame: noise, another speed, somebody else on the line. */
uint64_t peer_serial_garbage(const struct peer_serial *s);

#endif
