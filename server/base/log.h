/* The log of every Duet process: one line an event, bounded, for people first.
 * Two kinds of failure, two verbs: an operating error is logged or returned, a programmer's error
 * stops the process through bug(), its only door. */
#ifndef DUET_BASE_LOG_H
#define DUET_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERROR };

/* Names the process in each line ("had", "server 0"); copied, at most 31 bytes are kept. */
void log_set_name(const char *name);
void log_set_level(enum log_level least);
enum log_level log_get_level(void);

/* Writes to standard output instead of standard error, as redis-server does. */
void log_to_stdout(void);
/* Appends to PATH instead of standard error; at limit_bytes the file is renamed to PATH.1 (the one
 * before is dropped). 0: no limit. Returns false and sets errno when the file cannot be opened;
 * the log then stays where it was. */
bool log_to_file(const char *path, size_t limit_bytes);
/* Calls sink(line, arg) for each line in addition; the line ends without a newline. NULL: none. */
void log_set_sink(void (*sink)(enum log_level level, const char *line, void *arg), void *arg);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_vline(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)

/* Writes text as it is, without a lock: for the handler of a fatal signal. */
void log_last_words(const char *text);

/* A programmer's error: logs what and where, then aborts. */
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
/* An assert that stays in the product and reads as a sentence: must(len <= cap, "it fits"). */
#define must(cond, why)                                                                            \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0)) bug("must hold: %s (%s)", #cond, why);                   \
    } while (0)

#endif
