/* The alarm about tails: writes that this node had and the master lacks, put aside by its servers, stand until somebody deals with
 * them (hactl tail). */
#include <stdio.h>

#include "hactl/had.h"

/* "12 writes to 9 keys, in instance 3"; false: there are none. */
static bool sum_up(const struct had *h, char *out, size_t size) {
    uint64_t writes = 0, keys = 0, tails = 0, wholes = 0;
    int number = -1, instances = 0;
    for (int i = 0; i < instance_set_count(h->servers); i++) {
        const struct instance *one = instance_set_at(h->servers, i);
        const struct instance_status *s = instance_status(one);
        if (!s || (!s->tails && !s->tail_wholes)) continue;
        writes += s->tail_writes;
        keys += s->tail_keys;
        tails += s->tails;
        wholes += s->tail_wholes;
        number = instance_conf_of(one)->number;
        instances++;
    }
    if (!instances) return false;
    int n =
        tails
            ? snprintf(out, size,
                       "%llu writes to %llu keys that the master does not have are put aside here",
                       (unsigned long long)writes, (unsigned long long)keys)
            : 0;
    if (wholes && n >= 0 && (size_t)n < size)
        n += snprintf(out + n, size - (size_t)n,
                      "%s%llu logs of other histories are kept whole here", n ? ", and " : "",
                      (unsigned long long)wholes);
    if (n >= 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, instances == 1 ? " (instance %d)" : " (%d instances)",
                 instances == 1 ? number : instances);
    return true;
}

void had_tails_look(struct had *h) {
    char what[160];
    struct ha_action a = {.kind = HA_ACT_ALARM, .alarm = {.id = HA_ALARM_TAIL}};
    bool all_up = true;
    for (int i = 0; i < instance_set_count(h->servers); i++)
        all_up = all_up && instance_status(instance_set_at(h->servers, i));
    if (!all_up) return; /* what a server has that does not answer is not known */
    a.alarm.on = sum_up(h, what, sizeof what);
    if (h->alarms[HA_ALARM_TAIL].on == a.alarm.on) return;
    if (a.alarm.on)
        snprintf(a.text, sizeof a.text, "%s: `hactl tail list` shows them; replay or discard them",
                 what);
    else
        snprintf(a.text, sizeof a.text, "no tail waits for somebody to deal with it");
    had_core_alarm(h, &a);
}
