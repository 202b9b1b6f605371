/* See notify.h. */
#include "server/notify.h"

#include "server/base/buf.h"
#include "server/pubsub.h"

#include <string.h>

static unsigned published;

void notify_set(unsigned classes) {
    bool anywhere = classes & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT);
    published = classes;
    call_notify_classes = anywhere ? classes & ~(unsigned)(NOTIFY_KEYSPACE | NOTIFY_KEYEVENT) : 0;
}

static void tell(const char *kind, int db, struct bytes name, struct bytes message) {
    static struct buf channel;
    buf_clear(&channel);
    buf_printf(&channel, "__%s@%d__:", kind, db);
    buf_add(&channel, name.p, name.len);
    pubsub_publish(false, (struct bytes){buf_head(&channel), buf_len(&channel)}, message);
}

void notify_event(struct call *c, int notify_class, const char *event, int db, struct bytes key) {
    struct bytes name = {event, strlen(event)};
    (void)c;
    if (!(published & (unsigned)notify_class)) return;
    if (!pubsub_names(PUBSUB_CHANNEL) && !pubsub_names(PUBSUB_PATTERN)) return;
    if (published & NOTIFY_KEYSPACE) tell("keyspace", db, key, name);
    if (published & NOTIFY_KEYEVENT) tell("keyevent", db, name, key);
}
