/* hactl instance delete. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hactl/cli_instance.h"

static int count_of(const struct fields *f) {
    int n = 0;
    while (*fields_text(f, "", "instances.%d.number", n)) n++;
    return n;
}

/* `hactl backup now N` as a program: what it says is for the operator. */
static bool make_backup(const struct cli *c, const char *number) {
    const char *argv[] = {"hactl", "--root", c->root, "backup", "now", number, NULL};
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (c->json) dup2(2, 1);
        execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    fprintf(stderr, "hactl: no backup set was made, so nothing was deleted; --no-backup deletes "
                    "without one\n");
    return false;
}

static bool sure(const struct cli *c, const struct fields *f, int at) {
    char sentence[64];
    const char *name = fields_text(f, "", "instances.%d.name", at);
    const char *number = fields_text(f, "?", "instances.%d.number", at);
    fprintf(stderr,
            "Instance %s%s%s, port %s: %s keys, %s, %s clients. It is deleted on both nodes",
            number, *name ? " " : "", name, fields_text(f, "?", "instances.%d.port", at),
            fields_text(f, "?", "instances.%d.keys", at),
            instance_size_text((uint64_t)fields_number(f, 0, "instances.%d.used", at)),
            fields_text(f, "?", "instances.%d.clients", at));
    fprintf(stderr, "%s\n",
            c->no_backup ? ", and NO backup set is made before."
                         : "; a backup set is made before.");
    snprintf(sentence, sizeof sentence, "delete %s", number);
    if (cli_confirmed(c, sentence)) return true;
    cli_not_confirmed(sentence);
    return false;
}

static int delete (struct instance_change *ch, const char *number) {
    const char *drop[] = {"drop", number}, *trash[] = {"trash", number};
    if (!ch->c->no_backup && !make_backup(ch->c, number)) return CLI_NO;
    /* The master first: it stops counting the instance, then nobody misses the slave's. */
    int status = instance_make(ch, true, NULL, 2, drop);
    for (unsigned node = 0; node < 2 && status == CLI_OK; node++)
        if (ch->done >> node & 1) status = instance_on(ch, node, NULL, 2, trash);
    return status;
}

int cli_instance_delete(struct cli *c) {
    struct instance_change ch;
    char number[8];
    unsigned node;
    int at, status = instance_begin_with(c, &ch, &node, &at);
    if (status != CLI_OK) return status;
    const struct fields *f = &ch.pair.node[node];
    snprintf(number, sizeof number, "%s", fields_text(f, "", "instances.%d.number", at));
    status = CLI_NO;
    if (count_of(f) < 2)
        fprintf(stderr,
                "hactl: instance %s is the only one, and a node has at least one; create "
                "another one first\n",
                number);
    else if (sure(c, f, at))
        status = delete (&ch, number);
    if (status == CLI_OK)
        instance_say_done(c, "instance %s is deleted; its files are in data/trash for a day\n",
                          number);
    instance_pair_free(&ch.pair);
    return status;
}
