/* hactl clock: the wall clock of this node's servers. They do not follow a step of more than ten seconds, since data would end by
 * it, until somebody says that it is right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/backup_conf.h"
#include "hactl/cli_control.h"
#include "hactl/cli_watch.h"

int64_t clock_step_ms(const struct cli *c) {
    const char *const words[] = {"STATUS"};
    int64_t most = 0;
    for (unsigned i = 0; i < BACKUP_INSTANCES; i++) {
        struct control_answer a;
        int64_t step = control_ask(c->root, i, &a, 1, words) == CONTROL_OK
                           ? fields_number(&a.fields, 0, "clock_step_ms")
                           : 0;
        if (llabs(step) > llabs(most)) most = step;
        control_answer_free(&a);
    }
    return most;
}

static int show(const struct cli *c, int64_t step_ms) {
    if (c->json)
        printf("{\"step_ms\": %lld, \"followed\": %s}\n", (long long)step_ms,
               step_ms ? "false" : "true");
    else if (step_ms)
        printf("This node's clock has stepped by %lld s, and keys expire by the time before that.\n"
               "Set it back, or say that it is right: hactl clock follow. The other node's: hactl "
               "--peer clock\n",
               (long long)step_ms / 1000);
    else
        printf("This node's clock is followed.\n");
    return CLI_OK;
}

static bool follow_all(const struct cli *c) {
    const char *const words[] = {"CLOCK", "FOLLOW"};
    bool good = true;
    for (unsigned i = 0; i < BACKUP_INSTANCES; i++) {
        struct control_answer a;
        enum control_result r = control_ask(c->root, i, &a, 2, words);
        if (r == CONTROL_NO) {
            fprintf(stderr, "hactl: instance %u: %s\n", i, a.text);
            good = false;
        }
        control_answer_free(&a);
    }
    return good;
}

int cli_clock(struct cli *c) {
    int64_t step_ms = clock_step_ms(c);
    if (c->argc == 0) return show(c, step_ms);
    if (strcmp(c->argv[0], "follow") != 0) {
        fprintf(stderr, "hactl: clock takes 'follow' or nothing, not '%s'\n", c->argv[0]);
        return CLI_USAGE;
    }
    if (!step_ms) return show(c, 0);
    if (!c->json)
        printf("The clock has stepped by %lld s. When it is followed, keys end %s than they "
               "would have.\n",
               (long long)step_ms / 1000, step_ms > 0 ? "earlier" : "later");
    if (!cli_confirmed(c, "the clock is right")) return cli_not_confirmed("the clock is right");
    return follow_all(c) ? show(c, clock_step_ms(c)) : CLI_NO;
}
