/* SLOWLOG: the commands that took longest, newest first, bounded by slowlog-max-len. */
#ifndef DUET_SERVER_SLOWLOG_H
#define DUET_SERVER_SLOWLOG_H

#include "server/base/bytes.h"

#include <stdint.h>

struct client;

/* Whether a word is a password, or a user's name beside one: it is shown as (redacted). */
bool slowlog_is_secret(int argc, const struct bytes *argv, int i);
/* Keeps a copy of the words, cut as Redis cuts them. */
void slowlog_add(const struct client *c, int argc, const struct bytes *argv, uint64_t us);
void register_slowlog_commands(void);

#endif
