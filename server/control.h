/* What the files of the control socket share: control.c (roles and status), control_backup.c (backup sets, the log's times),
 * control_rollback.c, control_import.c, control_digest.c. */
#ifndef DUET_SERVER_CONTROL_H
#define DUET_SERVER_CONTROL_H

#include "server/base/buf.h"
#include "server/base/bytes.h"

struct call;

/* A flat array of names and values, all of them bulk strings. Zeroed at first; answer_send appends it and empties it. */
struct answer {
    struct buf body;
    size_t count;
};
void answer_number(struct answer *f, const char *name, uint64_t v);
void answer_word(struct answer *f, const char *name, const char *v);
void answer_send(struct answer *f, struct buf *out);

/* control_backup.c. Relative paths are refused: the caller's directory is not the server's.
 *
 *     DUET BACKUP START ID DIR NAME|- MADE-BY   +OK: queued or running. DIR becomes the set (base/backup_set.h): it is
 *                                               written as DIR.partial; an old DIR.partial is removed. -ERR when a set is
 *                                               being made, or DIR is there, or a word is not valid
 *     DUET BACKUP CANCEL                        +OK, also when there is nothing to cancel; its files are removed
 *     DUET BACKUP STATUS     state idle|waiting|running|done|failed, id, dir, keys_done, keys_total, raw_bytes, bytes,
 *                            begin_us, offset, reason. Of the last one that was begun since the server started; reason
 *                            is "" unless it failed (a cancelled one failed with "cancelled")
 *     DUET LOG COVER         log on|off, replid, from_us, from_offset, to_us, to_offset, bytes, base_us, base_offset (the
 *                            oldest base in the log: `DUET ROLLBACK -` reaches no further back), parts, and for each part
 *                            I from 0: part.I.number, part.I.first_us, part.I.first_offset, part.I.bytes, part.I.base 0|1
 *                            (there is a base at its begin). Times are wall_us; 0: not known
 *     DUET LOG AT wall_us    offset, wall_us, replid, lost_bytes, lost_blocks, lost_commands, to_us, to_offset. offset is a
 *                            place between two units of the stream: behind the last block that was written at or before
 *                            wall_us. -ERR with the covered range when wall_us lies outside of it
 *                            Both: a word more is the directory of another log, one that a rollback put aside
 *     DUET ROLLBACK DIR|- until_us|0 [LOG]      +OK: begun. DIR: a set (0: the set alone); -: the log's own base, until_us
 *                                               must be given. -ERR when it cannot be begun
 *     DUET ROLLBACK STATUS   state idle|running|done|failed, stage verify|copy|wait|load|-, dir, until_us, progress (0 to
 *                            1000), keys, offset, wall_us, replid, tail (where the log as it was is kept), reason
 *
 * A rollback verifies the set and prepares a log beside the one in use while clients are still served; nothing is
 * thrown away until that is whole. Then service clients get -LOADING until the data is in memory. A failure at any
 * point leaves the data as it was. In a pair the slave is first counted out (had says DUET ALONE 1), then it copies anew
 * by itself. Only a master is rolled back. */
void duet_backup(struct call *c);
void duet_log(struct call *c);
void duet_rollback(struct call *c);

/* control_digest.c. Do master and slaves hold the same? A mark in the stream says where all of them take a fingerprint of their
 * data (proto/rdb_digest.h), by a snapshot's walk between commands; slaves send theirs along with an acknowledgement.
 *
 *     DUET CLOCK FOLLOW     +OK: the kernel's wall clock, which has stepped (status: clock_step_ms), is right
 *     DUET DIGEST START     +OK id: begun, or waiting behind another walk. -ERR when one is under way, or not master
 *     DUET DIGEST STATUS    state none|waiting|running|done|failed, id (of the last one; the same on all nodes), offset (of the
 *                           stream, where it was taken), instant_us, took_ms, keys, digest, reason ("" unless it failed), dbs, and
 *                           for each database I from 0 that has keys: db.I.number, db.I.keys, db.I.digest; slaves, and for
 *                           each J from 0: slave.J.host, slave.J.port, slave.J.result same|differs|failed|waiting,
 *                           slave.J.keys, slave.J.digest ("-": none yet, or failed)
 *
 *     DUET DIGEST RESYNC    +OK: slaves copy anew, since one differs. -ERR when none does, by the last fingerprint
 *
 * A slave where another walk runs at that moment has failed: ask again later. Nothing is changed by any of it. */
void duet_digest(struct call *c);
/* The master's mark, in a slave's stream. */
void control_digest_mark(struct bytes text);

/* control_import.c. The instance takes another server's data (hactl import). From BEGIN to END or ABORT service clients'
 * writes are refused, nothing expires by itself (that is for the source to say), and the import's place in the source's
 * stream lives with the data: each change of it is a mark in the log and the stream, in the snapshots it is a field. A
 * restart or a failover goes on from exactly where the data is.
 *
 *     DUET IMPORT BEGIN token info     +OK: from now on. -ERR while another import is under way, or not master. token: up to 64
 *                                      letters and digits; info: up to 600 printable characters, for STATUS
 *     DUET IMPORT JOIN token           +OK: this connection brings what the source says: its commands see expired keys, as
 *                                      those of a master do, and like a service client's they need mastership and its
 *                                      lease. The first one that is refused (OOM, READONLY ...) ends the connection.
 *                                      BEGIN joins, too. -ERR when that is not the import under way
 *     DUET IMPORT AT token id offset db   +OK: the data is the source's at this place; inside the MULTI of the commands that
 *                                      lead to it. id: 40 hexadecimal digits; db: the one selected there
 *     DUET IMPORT STATUS               state none|copy|follow (copy: there was no AT yet), token, id, offset, db, info,
 *                                      begun_us
 *     DUET IMPORT END token            +OK: the data is the instance's own
 *     DUET IMPORT ABORT                +OK: the same, whoever began it
 *
 * Of these, AT alone belongs into a transaction. */
void duet_import(struct call *c);
/* The text of a mark, from the master's stream or the log. */
void control_import_mark(struct bytes text);
#define CONTROL_IMPORT_REFUSAL                                                                     \
    "READONLY This instance follows another server until its import is over (hactl import "        \
    "cutover, or abort)."

#endif
