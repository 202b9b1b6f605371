/* hactl export --to redis://...: an instance's data into another server, by the same worker: the source is the instance's own
 * port, attached to as a slave does; the target is what --to names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/cli_import_live.h"
#include "hactl/cli_server.h"

void cli_export_help(void) {
    printf(
        "\nCopies an instance into a running Redis or Valkey and follows its changes there until "
        "`hactl export cutover`\n"
        "(stop the instance's writers first). The target must be empty, or --replace, or "
        "--merge; while it runs, its key\n" EXPORT_KEY
        " holds the place. Other verbs and options: as of import.\n");
}

/* A directive of the instance's server; "" when it does not say. */
static bool directive(const struct cli *c, unsigned instance, const char *name, char *out,
                      size_t size) {
    struct buf text = BUF_INIT;
    bool ok = cli_server_ask(c->root, (int)instance, &text, 3,
                             (const char *const[]){"CONFIG", "GET", name});
    const char *line = ok ? strchr(buf_cstr(&text), '\n') : NULL;
    snprintf(out, size, "%.*s", line ? (int)strcspn(line + 1, "\n") : 0, line ? line + 1 : "");
    if (!ok) fprintf(stderr, "hactl: %s\n", buf_cstr(&text));
    buf_free(&text);
    return ok;
}

static bool own_port(const struct cli *c, struct job *j) {
    char port[16];
    if (!directive(c, j->instance, "port", port, sizeof port) ||
        !directive(c, j->instance, "requirepass", j->source.password, sizeof j->source.password))
        return false;
    snprintf(j->source.host, sizeof j->source.host, "127.0.0.1");
    j->source.port = (uint16_t)atoi(port);
    j->source.db = -1;
    if (j->source.port) return true;
    fprintf(stderr, "hactl: instance %u has no port without TLS, which an export needs\n",
            j->instance);
    return false;
}

/* The target can be reached, and may be filled. */
static bool look_first(const struct cli *c, const struct job *j) {
    struct import_target it;
    struct cli there = *c;
    there.to = j->to;
    there.password = *j->to_password ? j->to_password : NULL;
    if (!import_target_open(&there, &it)) return false;
    bool ok = !it.keys || c->replace || c->merge;
    if (!ok)
        fprintf(stderr,
                "hactl: %s holds %llu keys: with --replace they go once the copy is checked, with "
                "--merge they stay\n",
                it.name, (unsigned long long)it.keys);
    import_target_close(&it);
    return ok;
}

static bool take_target(struct cli *c, struct job *j, struct url *to) {
    char why[300];
    bool good = url_read(to, c->to, why, sizeof why);
    if (!good) fprintf(stderr, "hactl: %s\n", why);
    if (good && (to->tls || *to->user || to->db >= 0)) {
        fprintf(stderr, "hactl: an export goes to redis://[:password@]host:port, without TLS, user "
                        "and database\n");
        good = false;
    }
    if (!good || !import_password(c, to)) return false;
    bool v6 = strchr(to->host, ':') != NULL;
    snprintf(j->to, sizeof j->to, "%s%s%s:%u", v6 ? "[" : "", to->host, v6 ? "]" : "", to->port);
    snprintf(j->to_password, sizeof j->to_password, "%s", to->password);
    return true;
}

static int begin(struct cli *c) {
    struct job j = {.export = true};
    struct filter filter;
    struct url to;
    int status = CLI_NO;
    if (!take_target(c, &j, &to) || !import_filter(c, &filter)) return CLI_USAGE;
    if (import_which(c, &j.instance, j.dir) && own_port(c, &j) && look_first(c, &j) &&
        job_dir(c, j.instance, true, true, j.dir) && import_job_begin(c, &j, &to))
        status = import_job_run(c, &j);
    job_free(&j);
    return status;
}

int cli_export(struct cli *c) {
    c->exporting = true;
    if (c->argc == 0 && c->to) return begin(c);
    if (c->argc >= 1 && import_is_verb(c->argv[0])) return import_verb(c);
    fprintf(stderr, "usage: hactl export --to redis://[:password@]host:port, or status, cutover, "
                    "abort, resume\n");
    return CLI_USAGE;
}
