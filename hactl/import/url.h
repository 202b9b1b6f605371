/* redis://[[user]:password@]host[:port][/db], and rediss:// for TLS: as redis-cli -u takes it, percent escapes included. */
#ifndef HACTL_IMPORT_URL_H
#define HACTL_IMPORT_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct url {
    char host[256];
    uint16_t port;
    int db; /* -1: not named */
    bool tls;
    char user[128], password[512]; /* "": none */
};

bool url_is(const char *word); /* begins as one does */
/* False: why is a sentence; it never shows the password. */
bool url_read(struct url *u, const char *word, char *why, size_t why_size);
/* Overwrites the password within the word: the words of a process are for everybody to read. */
void url_hide_password(char *word);
/* "redis://user@host:6379/3", without the password. */
void url_text(const struct url *u, char *out, size_t size);

#endif
