/* Events on the data partition: DIR/events.log, and DIR/events.log.1 when that was full; a line each (event.h).
 * A thread writes and fsyncs them, so that a disk that hangs never holds up who has an event: what it cannot take in time
 * is dropped and counted. A line that a power cut tore stays alone on its line, where readers skip it. */
#ifndef HACTL_EVENT_FILE_H
#define HACTL_EVENT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_FILE_LIMIT_BYTES  (2 << 20)
#define EVENT_QUEUE_LIMIT_BYTES (256 << 10)

struct event_file;

/* Starts the thread; it makes dir, or else other (a node without its data). NULL with errno when there is no thread. */
struct event_file *event_file_new(const char *dir, const char *other, size_t limit_bytes);
/* The highest number in the files. False: the disk did not say within wait_ms. */
bool event_file_last(struct event_file *f, int wait_ms, uint64_t *number);
/* A line without its end. Never blocks on the disk. */
void event_file_add(struct event_file *f, const char *line, size_t len);
/* Events that reached no file, ever. */
uint64_t event_file_lost(struct event_file *f);
/* Waits up to a second for what is queued; then thread and memory are left to the disk. NULL is fine. */
void event_file_free(struct event_file *f);

#endif
