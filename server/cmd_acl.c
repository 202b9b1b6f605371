/* ACL, as far as one user goes: "default", who may do everything, with one password or none. What would make it another
 * state is refused. */
#include "server/acl_log.h"
#include "server/cmd_command.h"

#include "server/base/buf.h"
#include "server/base/hmac.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/server.h"

#include <ctype.h>
#include <stdlib.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 64, GENPASS_MAX_BITS = 4096 };

static bool has_password(void) {
    return *server.config.requirepass;
}

static void digest_hex(struct bytes password, char hex[DIGEST_HEX + 1]) {
    uint8_t digest[DIGEST_BYTES];
    sha256(password.p, password.len, digest);
    num_to_hex(hex, digest, sizeof digest);
}

static void password_hex(char hex[DIGEST_HEX + 1]) {
    const char *password = server.config.requirepass;
    digest_hex((struct bytes){password, strlen(password)}, hex);
}

static bool is_default(struct bytes user) {
    return bytes_equal(user, BYTES("default"));
}

/* --- what there is --- */

static void acl_whoami(struct call *c) {
    reply_bulk_str(c, "default");
}

static void acl_users(struct call *c) {
    reply_array(c, 1);
    reply_bulk_str(c, "default");
}

static void acl_list(struct call *c) {
    struct buf line = BUF_INIT;
    char hex[DIGEST_HEX + 1];
    password_hex(hex);
    buf_printf(&line, "user default on %s%s ~* &* +@all", has_password() ? "#" : "nopass",
               has_password() ? hex : "");
    reply_array(c, 1);
    reply_bulk_str(c, buf_cstr(&line));
    buf_free(&line);
}

static void acl_getuser(struct call *c) {
    char hex[DIGEST_HEX + 1];
    if (!is_default(c->argv[2])) {
        reply_null(c);
        return;
    }
    reply_map(c, 6);
    reply_bulk_str(c, "flags");
    reply_set(c, has_password() ? 1 : 2);
    reply_bulk_str(c, "on");
    if (!has_password()) reply_bulk_str(c, "nopass");
    reply_bulk_str(c, "passwords");
    reply_array(c, has_password());
    if (has_password()) {
        password_hex(hex);
        reply_bulk_str(c, hex);
    }
    reply_bulk_str(c, "commands");
    reply_bulk_str(c, "+@all");
    reply_bulk_str(c, "keys");
    reply_bulk_str(c, "~*");
    reply_bulk_str(c, "channels");
    reply_bulk_str(c, "&*");
    reply_bulk_str(c, "selectors");
    reply_array(c, 0);
}

static void acl_cat(struct call *c) {
    if (c->argc > 3) {
        reply_unknown_subcommand(c);
        return;
    }
    size_t mark = 0, n = 0;
    if (c->argc == 2) {
        while (acl_category_names[n].name) n++;
        reply_array(c, n);
        for (size_t i = 0; i < n; i++) reply_bulk_str(c, acl_category_names[i].name);
        return;
    }
    uint32_t category = acl_category_by_name(c->argv[2]);
    if (!category) {
        reply_errorf(c, "ERR Unknown category '%.*s'",
                     (int)(c->argv[2].len < 128 ? c->argv[2].len : 128), c->argv[2].p);
        return;
    }
    mark = resp_array_later(c->out);
    for (int id = 0; id < command_count(); id++) {
        const struct command *cmd = command_by_id(id);
        if (!(cmd->acl & category) || !command_is_shown(c, cmd)) continue;
        reply_bulk_str(c, cmd->name);
        n++;
    }
    resp_array_count(c->out, mark, n);
}

static void acl_log(struct call *c) {
    int64_t count = 10;
    if (c->argc > 3) {
        reply_unknown_subcommand(c);
    } else if (c->argc == 3 && bytes_is(c->argv[2], "reset")) {
        acl_log_reset();
        reply_ok(c);
    } else if (c->argc < 3 || arg_int(c, 2, &count)) {
        acl_log_reply(c, count < 0 ? 0 : (size_t)count);
    }
}

static void acl_genpass(struct call *c) {
    char hex[GENPASS_MAX_BITS / 4 + 1]; /* an even number of digits at most */
    int64_t bits = 256;
    if (c->argc > 3) {
        reply_unknown_subcommand(c);
        return;
    }
    if (c->argc == 3 && !arg_int(c, 2, &bits)) return;
    if (bits <= 0 || bits > GENPASS_MAX_BITS) {
        reply_errorf(c,
                     "ERR ACL GENPASS argument must be the number of bits for the output password, "
                     "a positive number up to %d",
                     GENPASS_MAX_BITS);
        return;
    }
    size_t digits = ((size_t)bits + 3) / 4;
    rand_hex(hex, digits + digits % 2);
    hex[digits] = '\0';
    reply_bulk_str(c, hex);
}

static void acl_dryrun(struct call *c) {
    bool bad = false;
    if (!is_default(c->argv[2])) {
        reply_errorf(c, "ERR User '%.*s' not found", (int)c->argv[2].len, c->argv[2].p);
        return;
    }
    const struct command *cmd = command_resolve(c->argc - 3, c->argv + 3, seen_edition(c), &bad);
    if (!cmd || (bad && c->argc > 4))
        reply_errorf(c, "ERR Command '%.*s' not found", (int)c->argv[3].len, c->argv[3].p);
    else if (!command_arity_fits(cmd, c->argc - 3))
        reply_wrong_arity(c, cmd);
    else
        reply_ok(c);
}

/* --- SETUSER, DELUSER --- */

/* What the rules so far have made of the user. */
struct rules {
    bool on, nopass, keys, channels, commands;
    int passwords;         /* distinct ones */
    struct bytes password; /* the one */
};

enum verdict { RULE_FINE, RULE_UNSUPPORTED, RULE_WRONG };

static void reset_rules(struct rules *r) {
    *r = (struct rules){0};
}

/* A hash where a password may stand: 64 digits of the password's SHA-256. */
static bool is_hash(struct bytes word) {
    if (word.len != DIGEST_HEX) return false;
    for (size_t i = 0; i < word.len; i++)
        if (!isdigit((unsigned char)word.p[i]) && (word.p[i] < 'a' || word.p[i] > 'f'))
            return false;
    return true;
}

static bool hash_is_of(struct bytes hash, struct bytes password) {
    char hex[DIGEST_HEX + 1];
    digest_hex(password, hex);
    return !memcmp(hash.p, hex, DIGEST_HEX);
}

static enum verdict add_password(struct rules *r, struct bytes password) {
    r->nopass = false;
    if (r->passwords && bytes_equal(r->password, password)) return RULE_FINE;
    r->passwords++;
    r->password = password;
    return password.len && !memchr(password.p, 0, password.len) ? RULE_FINE : RULE_UNSUPPORTED;
}

static enum verdict password_rule(struct rules *r, struct bytes rule, const char **why) {
    struct bytes rest = {rule.p + 1, rule.len - 1};
    bool hashed = *rule.p == '#' || *rule.p == '!';
    if (hashed && !is_hash(rest)) {
        *why = "The password hash must be exactly 64 characters and contain only lowercase "
               "hexadecimal characters";
        return RULE_WRONG;
    }
    bool same = r->passwords == 1 &&
                (hashed ? hash_is_of(rest, r->password) : bytes_equal(rest, r->password));
    if (*rule.p == '>') return add_password(r, rest);
    if (*rule.p == '#') return same ? RULE_FINE : RULE_UNSUPPORTED;
    if (!same) {
        *why = "The password you are trying to remove from the user does not exist";
        return RULE_WRONG;
    }
    r->passwords = 0;
    return RULE_FINE;
}

/* Rules for a part of the keys, channels or commands: a part of all is all, less than all is not to be had. */
static enum verdict partial_rule(const struct rules *r, struct bytes rule, const char **why) {
    *why = NULL;
    if ((*rule.p == '~' || *rule.p == '%') && r->keys)
        *why = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
               "not have any effect. Try 'resetkeys' to start with an empty list of patterns";
    else if (*rule.p == '&' && r->channels)
        *why = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
               "does not have any effect. Try 'resetchannels' to start with an empty list of "
               "channels";
    else if (!strchr("~%&+-(", *rule.p))
        *why = "Syntax error";
    return *why ? RULE_WRONG : RULE_UNSUPPORTED;
}

static enum verdict apply_rule(struct rules *r, struct bytes rule, const char **why) {
    if (!rule.len || bytes_is(rule, "sanitize-payload") || bytes_is(rule, "clearselectors"))
        return RULE_FINE;
    if (strchr("><#!", *rule.p)) return password_rule(r, rule, why);
    if (bytes_is(rule, "on") || bytes_is(rule, "off"))
        r->on = bytes_is(rule, "on");
    else if (bytes_is(rule, "nopass") || bytes_is(rule, "resetpass"))
        r->nopass = bytes_is(rule, "nopass"), r->passwords = 0;
    else if (bytes_is(rule, "allkeys") || bytes_is(rule, "~*"))
        r->keys = true;
    else if (bytes_is(rule, "allchannels") || bytes_is(rule, "&*"))
        r->channels = true;
    else if (bytes_is(rule, "allcommands") || bytes_is(rule, "+@all"))
        r->commands = true;
    else if (bytes_is(rule, "resetkeys"))
        r->keys = false;
    else if (bytes_is(rule, "resetchannels"))
        r->channels = false;
    else if (bytes_is(rule, "nocommands") || bytes_is(rule, "-@all"))
        r->commands = false;
    else if (bytes_is(rule, "reset"))
        reset_rules(r);
    else
        return partial_rule(r, rule, why);
    return RULE_FINE;
}

/* Whether this server can be in that state. */
static bool is_possible(const struct rules *r) {
    return r->on && r->keys && r->channels && r->commands &&
           (r->nopass ? !r->passwords : r->passwords == 1);
}

#define ONE_USER                                                                                   \
    "ERR this server has one user, 'default', who is on and may do everything, with one password " \
    "or none; "

static void take_password(struct call *c, const struct rules *r) {
    struct bytes words[2] = {BYTES("requirepass"), r->nopass ? (struct bytes){"", 0} : r->password};
    config_set(&server.config, words, 2, true, c->out);
    server_refresh();
}

static void acl_setuser(struct call *c) {
    const char *password = server.config.requirepass, *why = "";
    struct rules r = {.on = true, .keys = true, .channels = true, .commands = true};
    struct bytes user = c->argv[2];
    for (size_t i = 0; i < user.len; i++) {
        if (user.p[i] && !isspace((unsigned char)user.p[i])) continue;
        reply_error(c, "ERR Usernames can't contain spaces or null characters");
        return;
    }
    r.nopass = !has_password();
    r.passwords = has_password();
    char *kept = xstrdup(password);
    r.password = (struct bytes){kept, strlen(kept)};
    int i = 3;
    enum verdict v = RULE_FINE;
    while (i < c->argc && v != RULE_WRONG) {
        enum verdict next = apply_rule(&r, c->argv[i++], &why);
        if (next != RULE_FINE) v = next;
    }
    if (v == RULE_WRONG)
        reply_errorf(c, "ERR Error in ACL SETUSER modifier '%.*s': %s", (int)c->argv[i - 1].len,
                     c->argv[i - 1].p, why);
    else if (!is_default(user))
        reply_error(c, ONE_USER "others cannot be made");
    else if (v == RULE_UNSUPPORTED || !is_possible(&r))
        reply_error(c, ONE_USER "these rules would make it another");
    else
        take_password(c, &r);
    free(kept);
}

static void acl_deluser(struct call *c) {
    for (int i = 2; i < c->argc; i++) {
        if (!is_default(c->argv[i])) continue;
        reply_error(c, "ERR The 'default' user cannot be removed");
        return;
    }
    reply_int(c, 0);
}

/* --- files, help --- */

static void acl_no_file(struct call *c) {
    reply_error(c, "ERR This Redis instance is not configured to use an ACL file. You may want to "
                   "specify users via the ACL SETUSER command and then issue a CONFIG REWRITE "
                   "(assuming you have a Redis configuration file set) in order to store users in "
                   "the Redis configuration.");
}

static void acl_help(struct call *c) {
    static const char *const lines[] = {"CAT [<category>]",
                                        "    Categories of commands, or the commands of one.",
                                        "DELUSER <username> [<username> ...]",
                                        "    There is one user, who cannot be removed.",
                                        "DRYRUN <username> <command> [<arg> ...]",
                                        "    Whether the user could run the command.",
                                        "GETUSER <username>",
                                        "    The user's rules.",
                                        "GENPASS [<bits>]",
                                        "    A random password, of 256 bits unless said otherwise.",
                                        "LIST",
                                        "    The one user there is, as a line.",
                                        "LOAD",
                                        "    There is no file of users.",
                                        "LOG [<count> | RESET]",
                                        "    Attempts to log in that failed.",
                                        "SAVE",
                                        "    There is no file of users.",
                                        "SETUSER <username> <attribute> [<attribute> ...]",
                                        "    Changes the password of the user 'default'.",
                                        "USERS",
                                        "    The name of the one user there is.",
                                        "WHOAMI",
                                        "    The user of this connection.",
                                        NULL};
    reply_help(c, lines);
}

void register_acl_commands(void) {
    command_set_function("acl|cat", acl_cat);
    command_set_function("acl|deluser", acl_deluser);
    command_set_function("acl|dryrun", acl_dryrun);
    command_set_function("acl|genpass", acl_genpass);
    command_set_function("acl|getuser", acl_getuser);
    command_set_function("acl|help", acl_help);
    command_set_function("acl|list", acl_list);
    command_set_function("acl|load", acl_no_file);
    command_set_function("acl|log", acl_log);
    command_set_function("acl|save", acl_no_file);
    command_set_function("acl|setuser", acl_setuser);
    command_set_function("acl|users", acl_users);
    command_set_function("acl|whoami", acl_whoami);
}
