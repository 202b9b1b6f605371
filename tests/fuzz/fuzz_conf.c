/* link: netcfg/conf.c netcfg/frames.c rootfs/node_conf.c hactl/backup_conf.c hactl/timetable.c rootfs/line_edit.c server/base/conf.c server/base/buf.c server/base/num.c server/base/log.c server/base/file.c server/base/clock.c server/base/edition.c */
/* Any bytes as duet.conf, as a packet, and as typing at the console: refused or understood, never a crash. */
#include <stdlib.h>
#include <string.h>

#include "netcfg/frames.h"
#include "rootfs/line_edit.h"
#include "rootfs/node_conf.h"
#include "server/base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void as_conf(const char *text, size_t len) {
    struct conf c;
    struct conf_error err;
    struct node_conf node;
    struct netcfg_conf net;
    if (!conf_parse(&c, "duet.conf", text, len, true, &err)) return;
    if (node_conf_read(&c, &node, &err)) node_conf_free(&node);
    if (netcfg_read(&c, &net, &err) && net.vip_count && !net.service.addr.family) abort();
    conf_free(&c);
}

static void as_packet(const uint8_t *data, size_t len) {
    struct arp arp;
    struct echo echo;
    struct nd nd;
    arp_read(data, len, &arp);
    echo_read(data, len, false, &echo);
    echo_read(data, len, true, &echo);
    nd_read(data, len, &nd);
}

static void as_typing(const uint8_t *data, size_t len) {
    static struct line_edit e;
    char echo[8];
    memset(&e, 0, sizeof e);
    for (size_t i = 0; i < len; i++) {
        if (line_byte(&e, data[i], echo) == LINE_DONE) line_take(&e);
        if (strlen(e.text) != e.len) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    /* Copies of the exact size, so that a byte read too far is seen. */
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    as_conf((const char *)copy, len);
    as_packet(copy, len);
    as_typing(copy, len);
    free(copy);
    return 0;
}
