/* Files: whole reads and writes, durable replacement. All functions return false with errno set.
 * Faults are injected here by tests (file_set_fault): every fsync and write of the product that
 * must be durable goes through this seam. */
#ifndef DUET_BASE_FILE_H
#define DUET_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

/* Appends the whole file to out; refuses one larger than limit_bytes (EFBIG). */
bool file_read_all(const char *path, struct buf *out, size_t limit_bytes);
/* Writes path + ".tmp", fsyncs, renames over path, fsyncs the directory. */
bool file_replace(const char *path, const void *data, size_t len, mode_t mode);
/* Writes all bytes, resuming short writes and EINTR. */
bool file_write_all(int fd, const void *p, size_t n);
bool file_pwrite_all(int fd, const void *p, size_t n, off_t at);
/* Reads exactly n bytes; EIO when the file ends before. */
bool file_pread_all(int fd, void *p, size_t n, off_t at);
bool file_sync(int fd); /* fdatasync */
/* Takes blocks of the disk for n bytes at `at` without changing the file's size or bytes. */
bool file_allocate(int fd, off_t at, off_t n);
/* Cuts the file to this size; blocks taken behind it are given back. */
bool file_truncate(int fd, off_t size);
bool file_sync_dir(const char *dir);
/* mkdir -p; an existing directory is fine. */
bool file_make_dirs(const char *path, mode_t mode);
bool file_exists(const char *path);
/* Removes the directory and all that is in it, links and not what they point to; it need not be there, and what cannot be
 * removed stays. Big files take their time: not on a busy thread. */
void file_tree_remove(const char *dir);
/* Writes the decimal pid of this process; used for ROOT/run/NAME.pid. */
bool file_write_pid(const char *path);

/* Test seam: fn(op, fd) is asked before each write ('w'), sync ('s') and file_allocate ('a'); non-zero becomes
 * errno. */
void file_set_fault(int (*fn)(char op, int fd));

#endif
