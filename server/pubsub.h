/* Channels, patterns and shard channels: who subscribed to what, and messages to them.
 *
 * A channel exists while somebody subscribes to it. It holds its subscribers as a row of clients, so that
 * a message is handed out without a look at anything else; a subscription knows its place in that row, and is
 * found by its client and channel. So each of the commands takes the same time however many there are. */
#ifndef DUET_SERVER_PUBSUB_H
#define DUET_SERVER_PUBSUB_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

enum pubsub_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_SHARD, PUBSUB_KINDS };

/* Both append the confirmation. */
void pubsub_subscribe(struct client *c, enum pubsub_kind kind, struct bytes name);
void pubsub_unsubscribe(struct client *c, enum pubsub_kind kind, struct bytes name);
void pubsub_unsubscribe_all(struct client *c, enum pubsub_kind kind);
/* Without a word, from everything. */
void pubsub_forget(struct client *c);
/* The client's protocol or subscriptions changed, or whether it monitors: this says what it may still send. */
void pubsub_settle(struct client *c);

/* Returns how many got it. A shard channel's message goes to no pattern. */
int64_t pubsub_publish(bool shard, struct bytes channel, struct bytes message);

size_t pubsub_count(const struct client *c, enum pubsub_kind kind);
bool pubsub_is_subscriber(const struct client *c);
size_t pubsub_memory(const struct client *c);
/* Over all clients. */
size_t pubsub_names(enum pubsub_kind kind);
size_t pubsub_subscribers(enum pubsub_kind kind, struct bytes name);
void pubsub_each(enum pubsub_kind kind, void (*fn)(void *arg, struct bytes name), void *arg);

#endif
