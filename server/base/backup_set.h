/* Backup sets: what they are called, and what stands in their `set` file. The server writes them, hactl lists
 * them, `duet check` verifies them; this is all that they share.
 *
 * A set is a directory ID/ with two files:
 *     set             text, below
 *     data.rdb.zst    one zstd frame (with its own checksum) around a whole RDB file that carries repl-id and
 *                     repl-offset
 * ID is N-YYYYMMDDThhmmssZ, N the instance and the time UTC of the data's instant; -2, -3 ... behind it when that is taken.
 * While it is written the directory is called ID.partial; it gets its name when all of it is on disk. Exported it is an
 * ordinary ustar archive of the directory, `set` first.
 *
 *     duet-set 1
 *     id 0-20261121T181500Z
 *     instance 0
 *     name before-upgrade             - : none
 *     node a                          - : made outside of a pair
 *     made-by operator                operator | schedule | rollback
 *     begin-us 1795284900000000       wall time of the data's instant, and of the set's end
 *     end-us 1795284903000000
 *     replid 0123...cdef              the stream's place that the data stands for; 40 zeros: there was no stream
 *     offset 81234
 *     database 0                      selected there, -1: none
 *     keys 1000000
 *     raw-bytes 123456789             of the RDB file
 *     bytes 45678901                  of data.rdb.zst
 *     crc 1a2b3c4d                    crc32c of data.rdb.zst
 *     redis-version 7.0.15
 *     duet-version v0.5
 *     sum 1a2b3c4d                    crc32c of all bytes before this line
 */
#ifndef DUET_BASE_BACKUP_SET_H
#define DUET_BASE_BACKUP_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define BACKUP_SET_FILE      "set"
#define BACKUP_DATA_FILE     "data.rdb.zst"
#define BACKUP_PARTIAL       ".partial"
#define BACKUP_SET_MAX_BYTES 4096 /* of the `set` file */

struct backup_set {
    char id[48];
    unsigned instance;
    char name[64]; /* "": none */
    char node;     /* 'a', 'b' or '-' */
    char made_by[16];
    int64_t begin_us, end_us;
    char replid[41];
    uint64_t offset;
    int db;
    uint64_t keys, raw_bytes, bytes;
    uint32_t crc;
    char redis_version[24], duet_version[64];
};

/* "0-20261121T181500Z", "12-20261121T181500Z-3"; *instance may be NULL. */
bool backup_id_valid(const char *id, unsigned *instance);
/* The id of a set of this instant. again: 0, or 2 and more for the suffix. */
void backup_id_format(char *out, size_t size, unsigned instance, int64_t wall_us, unsigned again);
/* Up to 60 printable characters, no space at either end, not "-". */
bool backup_name_valid(const char *name);
/* operator, schedule or rollback. */
bool backup_made_by_valid(const char *word);

/* Appends the text with its sum. */
void backup_set_put(struct buf *out, const struct backup_set *s);
/* NULL, or what is wrong with the text. */
const char *backup_set_parse(struct backup_set *s, const char *text, size_t len);
/* Reads DIR/set. False: err names the file and what is wrong. */
bool backup_set_read(struct backup_set *s, const char *dir, char *err, size_t err_size);

#endif
