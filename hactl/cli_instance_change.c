/* A change of the instances on both nodes: checked on both, made on both in the order that disturbs nobody, undone where it
 * was made when the other node fails. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hactl/cli_instance.h"

int instance_begin(const struct cli *c, struct instance_change *ch) {
    memset(ch, 0, sizeof *ch);
    ch->c = c;
    int status = instance_pair_get(c, &ch->pair);
    if (status == CLI_OK) ch->changes = fields_number(&ch->pair.node[ch->pair.here], 0, "changes");
    return status;
}

/* The node's turn: the slave before the master, or the other way round. */
static unsigned turn(const struct instance_change *ch, int at, bool master_first) {
    return (at == 0) == master_first ? ch->pair.master : !ch->pair.master;
}

int instance_on(struct instance_change *ch, unsigned node, const struct buf *input, int count,
                const char *const *words) {
    return instance_pair_run(ch->c, &ch->pair, node, input, NULL, count, words);
}

/* A question to every node that is reached; CLI_OK when none says no. */
int instance_ask_both(struct instance_change *ch, int count, const char *const *words) {
    int status = CLI_OK;
    for (unsigned node = 0; node < 2 && status == CLI_OK; node++)
        if (ch->pair.reached[node]) status = instance_on(ch, node, NULL, count, words);
    return status;
}

void instance_undo(struct instance_change *ch, const char *number, const char *directive) {
    char changes[24];
    const char *words[] = {"undo", changes, number, directive};
    snprintf(changes, sizeof changes, "%lld", (long long)ch->changes + 1);
    for (unsigned node = 0; node < 2; node++) {
        if (!(ch->done >> node & 1)) continue;
        if (instance_on(ch, node, NULL, directive ? 4 : 2, words) == CLI_OK)
            fprintf(stderr, "hactl: undone on node %c\n", 'a' + (int)node);
        else
            fprintf(stderr,
                    "hactl: it could not be undone on node %c: hactl instance sync, once both "
                    "nodes are reached\n",
                    'a' + (int)node);
    }
}

/* Makes the change on both; on the first failure what was made is undone. words: of the step; its last one, how many
 * changes must lie behind the node, is added here. */
int instance_make(struct instance_change *ch, bool master_first, const struct buf *input, int count,
                  const char *const *words) {
    const char *all[8];
    char changes[24];
    snprintf(changes, sizeof changes, "%lld", (long long)ch->changes);
    for (int i = 0; i < count; i++) all[i] = words[i];
    all[count] = changes;
    for (int i = 0; i < 2; i++) {
        unsigned node = turn(ch, i, master_first);
        if (!ch->pair.reached[node]) continue;
        int status = instance_on(ch, node, input, count + 1, all);
        if (status == CLI_OK) {
            ch->done |= 1u << node;
            continue;
        }
        fprintf(stderr, "hactl: node %c did not take the change\n", 'a' + (int)node);
        instance_undo(ch, words[1], strcmp(words[0], "set") == 0 ? words[2] : NULL);
        return status;
    }
    return CLI_OK;
}

void instance_say_done(const struct cli *c, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    if (c->json)
        printf("{\"ok\": true}\n");
    else
        vprintf(fmt, ap);
    va_end(ap);
}

/* The instance that the first word names, for a change. CLI_OK and its place, or an exit status after a complaint. */
int instance_begin_with(const struct cli *c, struct instance_change *ch, unsigned *node, int *at) {
    int status = instance_begin(c, ch);
    if (status != CLI_OK) return status;
    *at = instance_named(&ch->pair, c->argv[1], node);
    if (*at >= 0 && instance_pair_fit(c, &ch->pair)) {
        int there =
            ch->pair.reached[ch->pair.master]
                ? instance_find(&ch->pair.node[ch->pair.master],
                                fields_text(&ch->pair.node[*node], "", "instances.%d.number", *at))
                : -1;
        if (there >= 0) *node = ch->pair.master;
        if (there >= 0) *at = there;
        return CLI_OK;
    }
    instance_pair_free(&ch->pair);
    return CLI_NO;
}
