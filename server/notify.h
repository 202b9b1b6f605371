/* Keyspace events (notify-keyspace-events): what happened to a key, published on two channels,
 *     __keyspace@DB__:KEY    with the event's name as message   (class K)
 *     __keyevent@DB__:EVENT  with the key's name as message     (class E)
 * Commands tell of them by call_notify, which looks at call_notify_classes first: what nobody asked for costs that. */
#ifndef DUET_SERVER_NOTIFY_H
#define DUET_SERVER_NOTIFY_H

#include "server/cmd/call.h"

#include <stdbool.h>

struct buf;

/* Beside enum notify_class. */
enum { NOTIFY_KEYSPACE = 1 << 12, NOTIFY_KEYEVENT = 1 << 13 };

/* Letters to bits; false when one is none. */
bool notify_parse(const char *letters, unsigned *classes);
/* The normal form, as CONFIG GET shows it. */
void notify_show(unsigned classes, struct buf *out);
/* What is published from now on. */
void notify_set(unsigned classes);

/* call_ops.notify */
void notify_event(struct call *c, int notify_class, const char *event, int db, struct bytes key);

#endif
