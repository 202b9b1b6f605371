/* What the instance's edition (base/edition.h) means for the running server. Nothing here binds the control socket, the pair's
 * own link and what is replayed. */
#ifndef DUET_SERVER_EDITION_H
#define DUET_SERVER_EDITION_H

#include "server/base/bytes.h"
#include "server/base/edition.h"

#include <stdbool.h>

struct command;

/* Once, after the configuration was read. False: *err is a sentence. */
bool edition_start(const char **err);
/* Whether the edition allows the configuration as it is now. False: *err says why not. */
bool edition_allows(const char **err);
/* Why these words may not be written in this edition; NULL: they may. For each write of a client, in a script or a transaction
 * too; asked only while edition_limits_words. */
const char *edition_refusal(const struct command *cmd, int argc, const struct bytes *argv);
bool edition_limits_words(void);
/* Whether clients may read here while this node is a slave. */
bool edition_slave_is_read(void);
/* The password in what a client gave: the edition may want "instance-id:password". */
struct bytes edition_password(struct bytes given);
/* How many databases clients may select. */
int edition_databases(void);

#endif
