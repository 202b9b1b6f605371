#include "rootfs/backoff.h"

#include "server/base/clock.h"
#include "server/base/log.h"

uint64_t backoff_ended(struct backoff *b, uint64_t started_ns, uint64_t ended_ns) {
    must(ended_ns >= started_ns, "a child ends after it was started");
    if (ended_ns - started_ns >= BACKOFF_PROVED_MS * NS_PER_MS) b->next_ms = 0;
    uint64_t wait_ms = b->next_ms;
    b->next_ms = wait_ms == 0 ? BACKOFF_FIRST_MS : wait_ms * 2;
    if (b->next_ms > BACKOFF_LAST_MS) b->next_ms = BACKOFF_LAST_MS;
    b->restarts++;
    return wait_ms;
}
