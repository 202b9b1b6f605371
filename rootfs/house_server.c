/* The servers of a running node: started from duet.conf, and changed with it while the node runs. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/house_inside.h"
#include "rootfs/supervise.h"
#include "server/base/file.h"
#include "server/base/lease.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/pair_key.h"

#define STOP_SERVER_MS 60000 /* it saves */

/* ---- one server ---- */

/* The key by which the pair's two servers of this instance know each other (server/repl/hello.h). */
static void add_key(const char *word, const uint8_t secret[PAIR_SECRET_BYTES], int number,
                    struct buf *text) {
    char hex[2 * PAIR_SECRET_BYTES + 1];
    uint8_t key[PAIR_SECRET_BYTES];
    pair_key_of_instance(secret, number, key);
    num_to_hex(hex, key, sizeof key);
    buf_printf(text, "%s %s\n", word, hex);
}

static void add_pair_key(const struct node_conf *c, int number, struct buf *text) {
    if (c->has_secret) add_key("pair-key", c->secret, number, text);
    if (c->has_secret && c->has_also) add_key("pair-key-also", c->also, number, text);
}

/* The server's own file: what [instance N] says. The password and the key stay out of the process list. */
static bool write_server_conf(struct house *h, const struct node_instance *i, const char *path) {
    struct buf text = BUF_INIT;
    buf_add(&text, buf_head(&i->directives), buf_len(&i->directives));
    buf_printf(&text, "port %d\n", i->port);
    add_pair_key(&h->conf, i->number, &text);
    bool done = file_replace(path, buf_head(&text), buf_len(&text), 0600) &&
                (!h->appliance || chown(path, HOUSE_SERVER_UID, HOUSE_SERVER_GID) == 0);
    if (!done) log_error("cannot write %s: %s", path, strerror(errno));
    buf_free(&text);
    return done;
}

/* The lease is made here, so that server and had, which have different users, both may open it. */
static void make_lease(struct house *h, const char *path) {
    struct lease_page *p = lease_open(path);
    if (!p) {
        log_error("cannot make %s: %s", path, strerror(errno));
        return;
    }
    lease_close(p);
    if (h->appliance && (chown(path, HOUSE_SERVER_UID, 0) != 0 || chmod(path, 0600) != 0)) {
        log_error("cannot give %s to the server: %s", path, strerror(errno));
    }
}

static int give_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)kind, (void)ftw;
    if (st->st_uid == HOUSE_SERVER_UID) return 0;
    return lchown(path, HOUSE_SERVER_UID, HOUSE_SERVER_GID);
}

/* A folder that a tool prepared is root's: the server must be able to read it. */
static void give_to_server(const char *dir) {
    if (nftw(dir, give_one, 16, FTW_PHYS) != 0)
        log_error("cannot give %s to the server: %s", dir, strerror(errno));
}

void house_start_server(struct house *h, const struct node_instance *i) {
    char name[32], conf[512], dir[512], lease[512], control[512];
    uid_t uid = h->appliance ? HOUSE_SERVER_UID : 0;
    snprintf(name, sizeof name, "server-%d", i->number);
    snprintf(conf, sizeof conf, "%s", house_path(h, "run/instance-%d.conf", i->number));
    snprintf(dir, sizeof dir, "%s", house_path(h, "data/instance-%d", i->number));
    snprintf(lease, sizeof lease, "%s", house_path(h, "run/lease-%d", i->number));
    snprintf(control, sizeof control, "%s", house_path(h, "run/control-%d.sock", i->number));
    if (!house_make_dir(dir, 0750, uid, HOUSE_SERVER_GID) || !write_server_conf(h, i, conf)) return;
    if (uid) give_to_server(dir);
    make_lease(h, lease);
    const char letter[2] = {h->conf.letter, 0};
    const char *argv[] = {"server", conf,          "--dir", dir, "--pair-lease", lease, "--control",
                          control,  "--pair-node", letter,  NULL};
    struct child_spec spec = {
        .name = name,
        .argv = argv,
        .uid = uid,
        .gid = uid ? HOUSE_SERVER_GID : 0,
        .stop_rank = HOUSE_RANK_SERVER,
        .stop_limit_ms = STOP_SERVER_MS,
    };
    supervisor_start(h->children, &spec);
}

/* ---- changes ---- */

static const struct node_instance *instance_named(const struct node_conf *c, int number) {
    for (size_t i = 0; i < c->instance_count; i++)
        if (c->instances[i].number == number) return &c->instances[i];
    return NULL;
}

static const char *server_name(int number) {
    static char name[32];
    snprintf(name, sizeof name, "server-%d", number);
    return name;
}

/* One that was taken out of the configuration has ended. It may have been put back meanwhile. */
static void on_server_gone(void *arg, const char *name) {
    struct house *h = arg;
    int64_t number;
    if (!num_parse_range(name + strlen("server-"), 0, NODE_INSTANCES - 1, &number)) return;
    const struct node_instance *i = instance_named(&h->conf, (int)number);
    if (i)
        house_start_server(h, i);
    else
        unlink(house_path(h, "run/instance-%d.conf", (int)number)); /* it holds the password */
}

static void end_gone(struct house *h, const struct node_conf *fresh) {
    for (size_t i = 0; i < h->conf.instance_count; i++) {
        int number = h->conf.instances[i].number;
        if (!instance_named(fresh, number))
            supervisor_end(h->children, server_name(number), on_server_gone, h);
    }
}

/* The new ones are started; of the others the file is written anew, for their next start. */
static void start_new(struct house *h) {
    for (size_t i = 0; i < h->conf.instance_count; i++) {
        const struct node_instance *one = &h->conf.instances[i];
        if (!supervisor_has(h->children, server_name(one->number)))
            house_start_server(h, one);
        else
            write_server_conf(h, one, house_path(h, "run/instance-%d.conf", one->number));
    }
}

static bool same_ports(const struct house *h, const struct node_conf *fresh, char *err,
                       size_t err_size) {
    for (size_t i = 0; i < h->conf.instance_count; i++) {
        const struct node_instance *old = &h->conf.instances[i];
        const struct node_instance *one = instance_named(fresh, old->number);
        if (!one || one->port == old->port) continue;
        snprintf(err, err_size,
                 "the port of instance %d cannot change while the node runs; restart the node",
                 old->number);
        return false;
    }
    return true;
}

bool house_reload(struct house *h, char *err, size_t err_size) {
    struct conf c;
    struct conf_error why;
    struct node_conf fresh;
    if (!conf_read(&c, house_path(h, "etc/duet.conf"), true, &why)) {
        snprintf(err, err_size, "%s", why.text);
        return false;
    }
    bool good = node_conf_read(&c, &fresh, &why);
    conf_free(&c);
    if (!good) {
        snprintf(err, err_size, "%s", why.text);
        return false;
    }
    if (!same_ports(h, &fresh, err, err_size)) {
        node_conf_free(&fresh);
        return false;
    }
    end_gone(h, &fresh);
    struct node_instance old[NODE_INSTANCES];
    size_t old_count = h->conf.instance_count;
    memcpy(old, h->conf.instances, sizeof old);
    memcpy(h->conf.instances, fresh.instances, sizeof old);
    memcpy(h->conf.secret, fresh.secret, sizeof fresh.secret);
    memcpy(h->conf.also, fresh.also, sizeof fresh.also);
    h->conf.has_also = fresh.has_also;
    memcpy(fresh.instances, old, sizeof old);
    h->conf.instance_count = fresh.instance_count;
    fresh.instance_count = old_count;
    node_conf_free(&fresh);
    if (h->with_data) start_new(h);
    house_watch_vip(h);
    log_notice("the instances were read anew: there are %zu", h->conf.instance_count);
    return true;
}

/* ---- what hactl asks ---- */

static void report_server(const struct house *h, int number, int at, struct buf *out) {
    uint64_t restarts;
    const char *name = server_name(number);
    const char *end = supervisor_last_end(h->children, name, &restarts);
    buf_printf(out, "servers.%d.number %d\n", at, number);
    buf_printf(out, "servers.%d.pid %d\n", at, (int)supervisor_pid(h->children, name));
    buf_printf(out, "servers.%d.age_ms %llu\n", at,
               (unsigned long long)supervisor_age_ms(h->children, name));
    buf_printf(out, "servers.%d.restarts %llu\n", at, (unsigned long long)restarts);
    buf_printf(out, "servers.%d.last_end \"%s\"\n", at, end ? end : "");
    buf_printf(out, "servers.%d.configured %s\n", at,
               instance_named(&h->conf, number) ? "true" : "false");
}

enum request_verdict house_on_request(void *arg, uint32_t id, int argc, char **argv,
                                      struct buf *sentence, struct buf *fields) {
    struct house *h = arg;
    char err[600];
    (void)id, (void)argc;
    if (strcmp(argv[0], "servers") == 0) {
        for (int number = 0, n = 0; number < NODE_INSTANCES; number++)
            if (supervisor_has(h->children, server_name(number)))
                report_server(h, number, n++, fields);
        return REQUEST_YES;
    }
    if (strcmp(argv[0], "reload") == 0) {
        if (house_reload(h, err, sizeof err)) return REQUEST_YES;
        buf_add_str(sentence, err);
        return REQUEST_NO;
    }
    buf_printf(sentence, "there is no request '%s'", argv[0]);
    return REQUEST_NO;
}
