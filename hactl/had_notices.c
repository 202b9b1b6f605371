#include "hactl/had_notices.h"

#include <stdio.h>
#include <string.h>

#include "hactl/had.h"
#include "server/base/clock.h"

static void tell(struct had *h, const struct had_notice *n, bool on, const char *text) {
    struct event e = {0};
    event_field_text(&e, "alarm", n->id);
    had_event_with(h, &e, on ? EVENT_ALARM_BEGIN : EVENT_ALARM_END, "%s alarm: %s", n->id, text);
}

bool had_notice(struct had *h, const char *id, bool on, const char *text) {
    struct had_notice *free_one = NULL, *n = NULL;
    for (int i = 0; i < NOTICES; i++) {
        struct had_notice *one = &h->notices.list[i];
        if (strcmp(one->id, id) == 0) n = one;
        if (!*one->id && !free_one) free_one = one;
    }
    if (!*id || strlen(id) >= sizeof free_one->id) return false;
    if (!on) {
        if (n) tell(h, n, false, text);
        if (n) memset(n, 0, sizeof *n);
        return true;
    }
    bool begins = n == NULL;
    if (begins) n = free_one;
    if (!n) return false;
    snprintf(n->id, sizeof n->id, "%s", id);
    snprintf(n->text, sizeof n->text, "%s", text);
    n->renewed_ms = clock_boot_ms();
    if (begins) n->since_ms = clock_wall_ms();
    if (begins) tell(h, n, true, text);
    return true;
}

void had_notices_look(struct had *h) {
    uint64_t now = clock_boot_ms();
    for (int i = 0; i < NOTICES; i++) {
        struct had_notice *n = &h->notices.list[i];
        if (*n->id && now - n->renewed_ms > NOTICE_MS) had_notice(h, n->id, false, "not renewed");
    }
}
