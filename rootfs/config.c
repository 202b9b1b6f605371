/* config: the configuration kept in a state partition, as a tool. The same code as init's. */
#include <errno.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rootfs/conf_area.h"
#include "rootfs/node_conf.h"
#include "server/base/file.h"
#include "server/base/num.h"
#include "server/base/state_layout.h"

int config_main(int argc, char **argv);

struct place {
    char *path;
    off_t base; /* where the state partition begins in it */
};

static const char usage[] =
    "usage: config put --state FILE[:OFFSET] [--to CONF2] CONF\n"
    "                                                checks CONF and keeps it, in two copies; "
    "then\n"
    "                                                CONF2 is replaced by it\n"
    "       config get --state FILE[:OFFSET]         prints what is kept\n"
    "       config check --state FILE[:OFFSET]       says whether both copies are whole\n"
    "       config check CONF                        says what is wrong with a configuration file\n"
    "FILE is a state partition, or a disk with the partition's first byte as OFFSET.\n";

__attribute__((format(printf, 1, 2))) static int complain(const char *fmt, ...) {
    fprintf(stderr, "config: ");
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    return 1;
}

static bool read_place(const char *word, struct place *p) {
    const char *colon = strrchr(word, ':');
    uint64_t base = 0;
    p->path = xstrdup(word);
    if (colon && num_parse_u64(colon + 1, strlen(colon + 1), &base)) p->path[colon - word] = 0;
    p->base = (off_t)base;
    return *p->path != 0;
}

static int put(const struct place *p, const char *conf, const char *to) {
    struct buf text = BUF_INIT;
    if (!node_conf_check_file(conf, "config")) return 1;
    if (!file_read_all(conf, &text, STATE_CONF_LIMIT_BYTES)) {
        return complain("cannot read %s: %s", conf, strerror(errno));
    }
    int fd = open(p->path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return complain("cannot open %s: %s", p->path, strerror(errno));
    off_t end = lseek(fd, 0, SEEK_END);
    int status = 0;
    if (end < p->base + STATE_SIZE_BYTES) {
        status =
            complain("%s has no room for a state partition%s", p->path, "; nothing was written");
    } else if (!conf_area_write(fd, p->base, buf_head(&text), buf_len(&text))) {
        status = complain("cannot write to %s: %s", p->path, strerror(errno));
    } else if (to && !file_replace(to, buf_head(&text), buf_len(&text), 0600)) {
        status = complain("cannot write %s: %s", to, strerror(errno));
    }
    close(fd);
    buf_free(&text);
    return status;
}

static int open_state(const struct place *p) {
    int fd = open(p->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) complain("cannot open %s: %s", p->path, strerror(errno));
    return fd;
}

static int get(const struct place *p) {
    struct conf_copy copies[2];
    struct buf text = BUF_INIT;
    int fd = open_state(p);
    if (fd < 0) return 1;
    int best = conf_area_read(fd, p->base, copies, &text);
    close(fd);
    if (best < 0) return complain("%s holds no whole configuration; %s", p->path, "put one there");
    fwrite(buf_head(&text), 1, buf_len(&text), stdout);
    buf_free(&text);
    return 0;
}

static int check(const struct place *p) {
    static const char *const words[] = {"empty", "whole", "damaged", "unreadable"};
    struct conf_copy copies[2];
    int fd = open_state(p);
    if (fd < 0) return 1;
    int best = conf_area_read(fd, p->base, copies, NULL);
    close(fd);
    bool fine = best >= 0;
    for (int i = 0; i < 2; i++) {
        printf("copy %d: %s, sequence %llu, %u bytes%s\n", i + 1, words[copies[i].state],
               (unsigned long long)copies[i].sequence, copies[i].length,
               i == best ? " (this one counts)" : "");
        fine &= copies[i].state == CONF_COPY_WHOLE;
    }
    return fine ? 0 : 1;
}

static int bad_usage(void) {
    fputs(usage, stderr);
    return 2;
}

static int run(const char *verb, const char *state, const char *conf, const char *to) {
    struct place p = {0};
    if (strcmp(verb, "check") == 0 && !state && conf) {
        if (!node_conf_check_file(conf, "config")) return 1;
        printf("%s: in order\n", conf);
        return 0;
    }
    if (!state) return bad_usage();
    int status = 2;
    if (!read_place(state, &p)) {
        status = bad_usage();
    } else if (strcmp(verb, "put") == 0 && conf) {
        status = put(&p, conf, to);
    } else if (strcmp(verb, "get") == 0 && !conf) {
        status = get(&p);
    } else if (strcmp(verb, "check") == 0 && !conf) {
        status = check(&p);
    } else {
        status = bad_usage();
    }
    free(p.path);
    return status;
}

int config_main(int argc, char **argv) {
    const char *verb = NULL, *state = NULL, *conf = NULL, *to = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--state") == 0 && i + 1 < argc) {
            state = argv[++i];
        } else if (strcmp(argv[i], "--to") == 0 && i + 1 < argc) {
            to = argv[++i];
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "config: there is no option '%s'\n%s", argv[i], usage);
            return 2;
        } else if (!verb) {
            verb = argv[i];
        } else if (!conf) {
            conf = argv[i];
        } else {
            return bad_usage();
        }
    }
    return verb ? run(verb, state, conf, to) : bad_usage();
}
