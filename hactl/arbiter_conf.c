#include "hactl/arbiter_conf.h"

#include <arpa/inet.h>
#include <string.h>

#include "server/base/num.h"

#define USER_LIMIT     16 /* of IPMI, bytes */
#define PASSWORD_LIMIT 20

static bool address(const struct conf *c, const struct conf_line *l, const char *text, char out[64],
                    struct conf_error *err) {
    uint8_t bytes[16];
    if (strlen(text) >= 64 ||
        (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1))
        return conf_complain(
            c, l, err,
            "'%s' is no address; a name is not taken, since it could not be resolved "
            "when it is needed",
            text);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

bool arbiter_conf_witness(struct arbiter_conf *out, const struct conf *c, const struct conf_line *l,
                          struct conf_error *err) {
    int64_t port;
    if (out->witness.host[0])
        return conf_complain(c, l, err, "there is one witness, and it stands above already");
    if (!num_parse_range(l->argv[2], 1, 65535, &port))
        return conf_complain(c, l, err, "the witness's port is 1 to 65535, not '%s'", l->argv[2]);
    if (!num_from_hex(l->argv[3], strlen(l->argv[3]), out->witness.key, WITNESS_KEY))
        return conf_complain(c, l, err,
                             "the witness's key must be 64 hexadecimal digits, the same as in the "
                             "witness's list of pairs; `duet witness key` makes one");
    out->witness.port = (uint16_t)port;
    return address(c, l, l->argv[1], out->witness.host, err);
}

bool arbiter_conf_fence(struct arbiter_conf *out, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err) {
    const char *user = l->argv[3], *password = l->argv[4];
    if (strcmp(l->argv[1], "ipmi") != 0)
        return conf_complain(c, l, err, "the only fence is 'ipmi', not '%s'", l->argv[1]);
    if (out->fence.host[0])
        return conf_complain(c, l, err, "there is one fence, and it stands above already");
    if (!*user || strlen(user) > USER_LIMIT)
        return conf_complain(c, l, err, "an IPMI user has 1 to %d characters", USER_LIMIT);
    if (!*password || strlen(password) > PASSWORD_LIMIT)
        return conf_complain(c, l, err, "an IPMI password has 1 to %d characters", PASSWORD_LIMIT);
    memcpy(out->fence.user, user, strlen(user) + 1);
    memcpy(out->fence.password, password, strlen(password) + 1);
    return address(c, l, l->argv[2], out->fence.host, err);
}
