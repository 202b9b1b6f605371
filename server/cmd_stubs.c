/* Families that answer for what is not there: ACL beyond one user, cluster mode and the
 * latency monitor (they move to files of their own as they come). */
#include "server/server.h"

static void acl_whoami(struct call *c) {
    reply_bulk_str(c, "default");
}

static void acl_list(struct call *c) {
    reply_array(c, 1);
    if (*server.config.requirepass)
        reply_bulk_str(c, "user default on #<password> ~* &* +@all");
    else
        reply_bulk_str(c, "user default on nopass ~* &* +@all");
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

void register_stub_commands(void) {
    command_set_function("acl|whoami", acl_whoami);
    command_set_function("acl|list", acl_list);
    command_set_function("acl|help", acl_help);
    command_set_function("cluster", no_cluster);
    command_set_function("readonly", no_cluster);
    command_set_function("readwrite", no_cluster);
    command_set_function("latency|latest", reply_nothing);
    command_set_function("latency|reset", reply_zero);
}
