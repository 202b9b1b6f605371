/* hactl backup export and import: a set as an archive, to and from a file, a stream, or a USB stick. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "hactl/set_archive.h"
#include "hactl/set_rdb.h"
#include "hactl/stick.h"
#include "server/base/buf.h"
#include "server/base/file.h"

#define READ_BYTES (256 << 10)
#define ENDING     ".tar"
#define RDB_ENDING ".rdb"

/* ---- out ---- */

static bool to_descriptor(void *arg, const void *bytes, size_t n) {
    return file_write_all(*(int *)arg, bytes, n);
}

/* The other node's copy comes through the channel, and is checked there on its way. */
static int export_theirs(const struct cli *c, const char *id, int fd) {
    char *words[] = {(char[]){"backup"},
                     (char[]){"export"},
                     xstrdup(id),
                     (char[]){"-"},
                     (char[]){"--local"},
                     (char[]){"--rdb"},
                     (char[]){"--rdb-version"},
                     xstrdup(c->rdb_version ? c->rdb_version : "")};
    const struct cli_peer_io io = {.in = -1, .out = to_descriptor, .arg = &fd};
    int status = cli_peer_run(c, words, !c->rdb ? 5 : c->rdb_version ? 8 : 6, &io);
    free(words[2]);
    free(words[7]);
    return status;
}

/* Of --rdb-version; 0: as the set has it, -1: none that can be written. */
static int rdb_version(const struct cli *c) {
    static const char *const old[] = {"6", "7"};
    const char *word = c->rdb_version;
    if (!word || strcmp(word, "10") == 0 || strcmp(word, "7.0") == 0) return 0;
    for (int i = 0; i < 2; i++)
        if (strcmp(word, old[i]) == 0) return 6 + i;
    fprintf(stderr,
            "hactl: --rdb-version is 10 (Redis 7.0), 7 (Redis 3.2) or 6 (Redis 2.8), not "
            "'%s'\n",
            word);
    return -1;
}

static int export_ours(const struct cli *c, const struct stored_set *s, int fd) {
    struct progress p;
    char what[64], why[256];
    snprintf(what, sizeof what, "writing %s", s->set.id);
    progress_begin(&p, c, what, "");
    p.relay = false;
    p.silent |= c->from_peer;
    bool done =
        c->rdb ? set_export_rdb(c->root, s, rdb_version(c), fd, progress_bytes, &p, why, sizeof why)
               : set_export(c->root, s, fd, progress_bytes, &p, why, sizeof why);
    progress_end(&p);
    if (!done) fprintf(stderr, "hactl: %s: %s\n", s->set.id, why);
    return done ? CLI_OK : CLI_NO;
}

static int export_to(const struct cli *c, const char *id, int fd) {
    struct stored_set s;
    bool here = sets_find(c->root, id, &s);
    if (here && s.readable && s.verdict != SET_DAMAGED) return export_ours(c, &s, fd);
    if (here) fprintf(stderr, "hactl: %s is damaged on this node: %s\n", id, s.why);
    if (c->local) {
        if (!here) fprintf(stderr, "hactl: there is no set '%s' here\n", id);
        return CLI_NO;
    }
    return export_theirs(c, id, fd);
}

/* A file gets its name when it is whole and on the disk. */
static int export_file(const struct cli *c, const char *id, const char *path) {
    char *partial = xasprintf("%s" BACKUP_PARTIAL, path);
    int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), status = CLI_NO;
    if (fd < 0) {
        fprintf(stderr, "hactl: cannot write %s: %s\n", partial, strerror(errno));
        free(partial);
        return CLI_NO;
    }
    status = export_to(c, id, fd);
    if (status == CLI_OK && (!file_sync(fd) || rename(partial, path) != 0)) {
        fprintf(stderr, "hactl: cannot write %s: %s\n", path, strerror(errno));
        status = CLI_NO;
    }
    close(fd);
    if (status != CLI_OK) unlink(partial);
    if (status == CLI_OK) printf("%s\n", path);
    free(partial);
    return status;
}

int cli_backup_export(struct cli *c) {
    const char *id = c->argv[0], *to = c->argc > 1 ? c->argv[1] : NULL;
    const char *ending = c->rdb ? RDB_ENDING : ENDING;
    struct stick stick;
    int status;
    if (!backup_id_valid(id, NULL)) {
        fprintf(stderr, "hactl: '%s' is no set's name; `hactl backup list` shows them\n", id);
        return CLI_USAGE;
    }
    if (c->rdb && rdb_version(c) < 0) return CLI_USAGE;
    if (c->usb || c->device) {
        if (to || !stick_mount(&stick, c->device)) return to ? CLI_USAGE : CLI_NO;
        char *path = xasprintf("%s/%s%s", stick.at, id, ending);
        status = export_file(c, id, path);
        free(path);
        return stick_unmount(&stick) ? status : CLI_NO;
    }
    bool stream = to ? strcmp(to, "-") == 0 : !isatty(STDOUT_FILENO);
    if (stream && isatty(STDOUT_FILENO)) {
        fprintf(stderr,
                "hactl: an archive is nothing for a terminal; name a file, or send it to one\n");
        return CLI_USAGE;
    }
    if (stream) return export_to(c, id, STDOUT_FILENO);
    char *path = to ? xstrdup(to) : xasprintf("%s%s", id, ending);
    status = export_file(c, id, path);
    free(path);
    return status;
}

/* ---- in ---- */

static int import_from(const struct cli *c, int fd, char id[48]) {
    static struct set_import in;
    struct progress p;
    char root[SETS_PATH], *bytes = xmalloc(READ_BYTES);
    ssize_t n = 0;
    if (!backup_root(c, root)) return CLI_NO;
    progress_begin(&p, c, "reading the set", "");
    p.relay = false;
    p.silent |= c->from_peer;
    set_import_begin(&in, root, progress_bytes, &p);
    while ((n = read(fd, bytes, READ_BYTES)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && !set_import_take(&in, bytes, (size_t)n)) break;
    int e = n < 0 ? errno : 0;
    bool whole = set_import_end(&in);
    progress_end(&p);
    free(bytes);
    if (!whole) fprintf(stderr, "hactl: nothing was imported: %s\n", e ? strerror(e) : in.why);
    snprintf(id, 48, "%s", in.set.id);
    if (whole && in.there_already) fprintf(stderr, "hactl: the set %s was here already\n", id);
    return whole ? CLI_OK : CLI_NO;
}

static int import_file(const struct cli *c, const char *path, char id[48]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "hactl: cannot read %s: %s\n", path, strerror(errno));
        return CLI_NO;
    }
    int status = import_from(c, fd, id);
    close(fd);
    return status;
}

/* From a stick: the archive that is named, or the only one. */
static int import_stick(const struct cli *c, char id[48]) {
    struct stick stick;
    char name[300] = "";
    if (!stick_mount(&stick, c->device)) return CLI_NO;
    int status = CLI_NO;
    if (c->argc || stick_only_archive(&stick, ENDING, name, sizeof name)) {
        char *path = xasprintf("%s/%s", stick.at, c->argc ? c->argv[0] : name);
        status = strstr(path, "..") ? CLI_USAGE : import_file(c, path, id);
        free(path);
    }
    stick_unmount(&stick);
    return status;
}

int cli_backup_import(struct cli *c) {
    char id[48] = "", *words[] = {(char[]){"backup"}, (char[]){"fetch"}, id};
    int status;
    if (c->usb || c->device)
        status = import_stick(c, id);
    else if (c->argc == 0 || strcmp(c->argv[0], "-") == 0)
        status = import_from(c, STDIN_FILENO, id);
    else
        status = import_file(c, c->argv[0], id);
    if (status != CLI_OK) return status;
    if (!c->local) {
        const struct cli_peer_io io = {
            .in = -1, .out = to_descriptor, .arg = &(int){STDERR_FILENO}};
        if (cli_peer_run(c, words, 3, &io) != CLI_OK)
            fprintf(stderr, "hactl: it stands on this node only; it is copied when the other one "
                            "can be reached\n");
    }
    if (c->json)
        printf("{\"id\": \"%s\"}\n", id);
    else
        printf("%s\n", id);
    return CLI_OK;
}
