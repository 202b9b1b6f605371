/* Families of which only the answers exist that a client needs to learn what there is: the one user of
 * ACL, cluster mode that is off, a latency monitor that has seen nothing. What grows moves to a file of
 * its own. */
#include "server/base/hmac.h"
#include "server/base/num.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

static void acl_whoami(struct call *c) {
    reply_bulk_str(c, "default");
}

static void acl_list(struct call *c) {
    reply_array(c, 1);
    char line[128], hex[65];
    uint8_t digest[32];
    const char *password = server.config.requirepass;
    sha256(password, strlen(password), digest);
    num_to_hex(hex, digest, sizeof digest);
    snprintf(line, sizeof line, "user default on %s%s ~* &* +@all", *password ? "#" : "nopass",
             *password ? hex : "");
    reply_bulk_str(c, line);
}

static void acl_help(struct call *c) {
    static const char *const lines[] = {"LIST", "    The one user there is.", "WHOAMI",
                                        "    The user of this connection.", NULL};
    reply_help(c, lines);
}

static void no_cluster(struct call *c) {
    reply_error(c, "ERR This instance has cluster support disabled");
}

static void reply_nothing(struct call *c) {
    reply_array(c, 0);
}

static void reply_zero(struct call *c) {
    reply_int(c, 0);
}

void register_absent_commands(void) {
    command_set_function("acl|whoami", acl_whoami);
    command_set_function("acl|list", acl_list);
    command_set_function("acl|help", acl_help);
    command_set_function("cluster", no_cluster);
    command_set_function("readonly", no_cluster);
    command_set_function("readwrite", no_cluster);
    command_set_function("latency|latest", reply_nothing);
    command_set_function("latency|reset", reply_zero);
}
