/* The fields of had's reports in hactl: read once, looked up by name, printed as JSON. */
#ifndef HACTL_CLI_FIELDS_H
#define HACTL_CLI_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct field {
    char *name;
    char *value; /* text without its quotes, a number, true or false */
    bool text;   /* it was in quotes */
};

struct fields {
    struct field *list;
    size_t count;
};

/* Reads lines "name value". False when a line is none; what was read stays and must be freed. */
bool fields_read(struct fields *f, const char *lines, size_t len);
void fields_free(struct fields *f);

/* The value, or other when there is no such field. The name is put together as printf does. */
const char *fields_text(const struct fields *f, const char *other, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int64_t fields_number(const struct fields *f, int64_t other, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool fields_true(const struct fields *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends one; the name is put together as printf does. */
void fields_add_text(struct fields *f, const char *value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void fields_add_number(struct fields *f, int64_t value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void fields_add_true(struct fields *f, bool value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As lines again, as fields_read takes them. */
void fields_lines(const struct fields *f, struct buf *out);

/* Names joined by dots become objects, numbers in them lists. Fields of one object must stand
 * together. */
void fields_json(const struct fields *f, struct buf *out);

#endif
