/* The one list of commands. See table.h for what the columns mean to a caller.
 *
 * A row: name, function (0: floor 4 hands it down, or it is not there yet), arity, flags, first key, last
 * key, step, ACL categories that the flags do not imply, editions, group, the Redis version that it is
 * known since, summary (ours).
 *
 * Legend. Arity counts the name; -n means n or more. Keys: positions in the words; last -1 is the last
 * word. Editions: O open, K ckv, M master-slave, C cluster; 0: on the control socket only. Rows stand by
 * group, then by name; a subcommand follows its container and is written "container|sub". */
#include "server/cmd/table.h"

#include <string.h>
#include <strings.h>

#include "server/base/log.h"
#include "server/cmd/families.h"
#include "server/cmd/keyspec.h"

enum {
    O = EDITION_OPEN,
    K = EDITION_CKV,
    M = EDITION_MASTER_SLAVE,
    C = EDITION_CLUSTER,
    WRITE = CMD_WRITE,
    READONLY = CMD_READONLY,
    DENYOOM = CMD_DENYOOM,
    ADMIN = CMD_ADMIN,
    PUBSUB = CMD_PUBSUB,
    NOSCRIPT = CMD_NOSCRIPT,
    BLOCKING = CMD_BLOCKING,
    LOADING = CMD_LOADING,
    STALE = CMD_STALE,
    NO_MONITOR = CMD_SKIP_MONITOR,
    NO_SLOWLOG = CMD_SKIP_SLOWLOG,
    ASKING = CMD_ASKING,
    FAST = CMD_FAST,
    NO_AUTH = CMD_NO_AUTH,
    MAY_REPLICATE = CMD_MAY_REPLICATE,
    NO_ASYNC = CMD_NO_ASYNC_LOADING,
    NO_MULTI = CMD_NO_MULTI,
    MOVABLE = CMD_MOVABLE_KEYS,
    ALLOW_BUSY = CMD_ALLOW_BUSY,
    HIDDEN = CMD_HIDDEN,
    WHOLE = CMD_WHOLE_KEYSPACE,
    NO_KEYS = CMD_NO_MANDATORY_KEYS,
    A_KEYSPACE = ACL_KEYSPACE,
    A_READ = ACL_READ,
    A_WRITE = ACL_WRITE,
    A_SET = ACL_SET,
    A_SORTEDSET = ACL_SORTEDSET,
    A_LIST = ACL_LIST,
    A_HASH = ACL_HASH,
    A_STRING = ACL_STRING,
    A_BITMAP = ACL_BITMAP,
    A_HYPERLOGLOG = ACL_HYPERLOGLOG,
    A_GEO = ACL_GEO,
    A_STREAM = ACL_STREAM,
    A_PUBSUB = ACL_PUBSUB,
    A_ADMIN = ACL_ADMIN,
    A_DANGEROUS = ACL_DANGEROUS,
    A_CONNECTION = ACL_CONNECTION,
    A_TRANSACTION = ACL_TRANSACTION,
    A_SCRIPTING = ACL_SCRIPTING
};
#define G_STRING       GROUP_STRING
#define G_GENERIC      GROUP_GENERIC
#define G_LIST         GROUP_LIST
#define G_SET          GROUP_SET
#define G_SORTEDSET    GROUP_SORTED_SET
#define G_HASH         GROUP_HASH
#define G_STREAM       GROUP_STREAM
#define G_BITMAP       GROUP_BITMAP
#define G_GEO          GROUP_GEO
#define G_HYPERLOGLOG  GROUP_HYPERLOGLOG
#define G_PUBSUB       GROUP_PUBSUB
#define G_TRANSACTIONS GROUP_TRANSACTIONS
#define G_SCRIPTING    GROUP_SCRIPTING
#define G_CONNECTION   GROUP_CONNECTION
#define G_SERVER       GROUP_SERVER
#define G_CLUSTER      GROUP_CLUSTER

/* clang-format off */
#define R(...) {__VA_ARGS__, 0, 0, 0, 0}
static struct command rows[] = {

    /* string */
    R("append", cmd_append, 3, WRITE|DENYOOM|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "2.0.0", "Adds bytes at the end of a string"),
    R("decr", cmd_decr, 2, WRITE|DENYOOM|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "1.0.0", "Takes one from an integer"),
    R("decrby", cmd_decrby, 3, WRITE|DENYOOM|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "1.0.0", "Takes a number from an integer"),
    R("get", cmd_get, 2, READONLY|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "1.0.0", "The string at a key"),
    R("getdel", cmd_getdel, 2, WRITE|FAST, 1, 1, 1, A_STRING, O, G_STRING, "6.2.0", "The string at a key, which is then deleted"),
    R("getex", cmd_getex, -2, WRITE|FAST, 1, 1, 1, A_STRING, O, G_STRING, "6.2.0", "The string at a key, and a new expiry for it"),
    R("getrange", cmd_getrange, 4, READONLY, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "2.4.0", "A part of a string, by offsets"),
    R("getset", cmd_getset, 3, WRITE|DENYOOM|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "1.0.0", "Stores a string and returns the old one"),
    R("incr", cmd_incr, 2, WRITE|DENYOOM|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "1.0.0", "Adds one to an integer"),
    R("incrby", cmd_incrby, 3, WRITE|DENYOOM|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "1.0.0", "Adds a number to an integer"),
    R("incrbyfloat", cmd_incrbyfloat, 3, WRITE|DENYOOM|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "2.6.0", "Adds a floating point number to a number"),
    R("lcs", cmd_lcs, -3, READONLY, 1, 2, 1, A_STRING, O, G_STRING, "7.0.0", "The longest common subsequence of two strings"),
    R("mget", cmd_mget, -2, READONLY|FAST, 1, -1, 1, A_STRING, O|K|M|C, G_STRING, "1.0.0", "The strings at several keys"),
    R("mset", cmd_mset, -3, WRITE|DENYOOM, 1, -1, 2, A_STRING, O|K|M|C, G_STRING, "1.0.1", "Stores strings at several keys"),
    R("msetnx", cmd_msetnx, -3, WRITE|DENYOOM, 1, -1, 2, A_STRING, O|K|M|C, G_STRING, "1.0.1", "Stores strings at several keys if none of them exists"),
    R("psetex", cmd_psetex, 4, WRITE|DENYOOM, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "2.6.0", "Stores a string with an expiry in milliseconds"),
    R("set", cmd_set, -3, WRITE|DENYOOM, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "1.0.0", "Stores a string, with conditions and expiry"),
    R("setex", cmd_setex, 4, WRITE|DENYOOM, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "2.0.0", "Stores a string with an expiry in seconds"),
    R("setnx", cmd_setnx, 3, WRITE|DENYOOM|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "1.0.0", "Stores a string if the key does not exist"),
    R("setrange", cmd_setrange, 4, WRITE|DENYOOM, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "2.2.0", "Overwrites a part of a string"),
    R("strlen", cmd_strlen, 2, READONLY|FAST, 1, 1, 1, A_STRING, O|K|M|C, G_STRING, "2.2.0", "Length of a string in bytes"),
    R("substr", cmd_substr, 4, READONLY, 1, 1, 1, A_STRING, O, G_STRING, "1.0.0", "A part of a string, by offsets (old name of GETRANGE)"),

    /* bitmap */
    R("bitcount", cmd_bitcount, -2, READONLY, 1, 1, 1, A_BITMAP, O|K|M|C, G_BITMAP, "2.6.0", "Number of bits that are set"),
    R("bitfield", cmd_bitfield, -2, WRITE|DENYOOM, 1, 1, 1, A_BITMAP, O, G_BITMAP, "3.2.0", "Reads and changes integers of any width inside a string"),
    R("bitfield_ro", cmd_bitfield_ro, -2, READONLY|FAST, 1, 1, 1, A_BITMAP, O, G_BITMAP, "6.0.0", "Reads integers of any width inside a string"),
    R("bitop", cmd_bitop, -4, WRITE|DENYOOM, 2, -1, 1, A_BITMAP, O|K|M|C, G_BITMAP, "2.6.0", "And, or, xor, not of strings into another"),
    R("bitpos", cmd_bitpos, -3, READONLY, 1, 1, 1, A_BITMAP, O|K|M, G_BITMAP, "2.8.7", "Position of the first bit that is set or clear"),
    R("getbit", cmd_getbit, 3, READONLY|FAST, 1, 1, 1, A_BITMAP, O|K|M|C, G_BITMAP, "2.2.0", "One bit of a string"),
    R("setbit", cmd_setbit, 4, WRITE|DENYOOM, 1, 1, 1, A_BITMAP, O|K|M|C, G_BITMAP, "2.2.0", "Sets or clears one bit of a string"),

    /* generic */
    R("copy", cmd_copy, -3, WRITE|DENYOOM, 1, 2, 1, A_KEYSPACE, O, G_GENERIC, "6.2.0", "Copies a key to another one"),
    R("del", cmd_del, -2, WRITE, 1, -1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "1.0.0", "Deletes keys"),
    R("dump", cmd_dump, 2, READONLY, 1, 1, 1, A_KEYSPACE, O|C, G_GENERIC, "2.6.0", "A key's value as bytes for RESTORE"),
    R("exists", cmd_exists, -2, READONLY|FAST, 1, -1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "1.0.0", "How many of the keys exist"),
    R("expire", cmd_expire, -3, WRITE|FAST, 1, 1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "1.0.0", "Gives a key a time to live in seconds"),
    R("expireat", cmd_expireat, -3, WRITE|FAST, 1, 1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "1.2.0", "Gives a key a date of expiry in seconds"),
    R("expiretime", cmd_expiretime, 2, READONLY|FAST, 1, 1, 1, A_KEYSPACE, O, G_GENERIC, "7.0.0", "A key's date of expiry in seconds"),
    R("keys", cmd_keys, 2, READONLY|WHOLE, 0, 0, 0, A_KEYSPACE|A_DANGEROUS, O|K|M, G_GENERIC, "1.0.0", "All keys that match a pattern"),
    R("migrate", 0, -6, WRITE|MOVABLE, 3, 3, 1, A_KEYSPACE|A_DANGEROUS, O, G_GENERIC, "2.6.0", "Moves keys to another server"),
    R("move", cmd_move, 3, WRITE|FAST, 1, 1, 1, A_KEYSPACE, O|K|M, G_GENERIC, "1.0.0", "Moves a key to another database"),
    R("object", 0, -2, 0, 0, 0, 0, 0, O, G_GENERIC, "2.2.3", "How a key is kept in memory"),
    R("object|encoding", cmd_object_encoding, 3, READONLY, 2, 2, 1, A_KEYSPACE, O, G_GENERIC, "2.2.3", "The form that a value is kept in"),
    R("object|freq", cmd_object_freq, 3, READONLY, 2, 2, 1, A_KEYSPACE, O, G_GENERIC, "4.0.0", "How often a key is accessed, as LFU counts it"),
    R("object|help", cmd_object_help, 2, LOADING|STALE, 0, 0, 0, A_KEYSPACE, O, G_GENERIC, "6.2.0", "What OBJECT can tell"),
    R("object|idletime", cmd_object_idletime, 3, READONLY, 2, 2, 1, A_KEYSPACE, O, G_GENERIC, "2.2.3", "Seconds since a key's last access"),
    R("object|refcount", cmd_object_refcount, 3, READONLY, 2, 2, 1, A_KEYSPACE, O, G_GENERIC, "2.2.3", "Number of references to a value"),
    R("persist", cmd_persist, 2, WRITE|FAST, 1, 1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "2.2.0", "Takes the expiry from a key"),
    R("pexpire", cmd_pexpire, -3, WRITE|FAST, 1, 1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "2.6.0", "Gives a key a time to live in milliseconds"),
    R("pexpireat", cmd_pexpireat, -3, WRITE|FAST, 1, 1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "2.6.0", "Gives a key a date of expiry in milliseconds"),
    R("pexpiretime", cmd_pexpiretime, 2, READONLY|FAST, 1, 1, 1, A_KEYSPACE, O, G_GENERIC, "7.0.0", "A key's date of expiry in milliseconds"),
    R("pttl", cmd_pttl, 2, READONLY|FAST, 1, 1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "2.6.0", "A key's time to live in milliseconds"),
    R("randomkey", cmd_randomkey, 1, READONLY|WHOLE, 0, 0, 0, A_KEYSPACE, O|K|M, G_GENERIC, "1.0.0", "Any one key"),
    R("rename", cmd_rename, 3, WRITE, 1, 2, 1, A_KEYSPACE, O|K|M, G_GENERIC, "1.0.0", "Renames a key, over another if there is one"),
    R("renamenx", cmd_renamenx, 3, WRITE|FAST, 1, 2, 1, A_KEYSPACE, O|K|M, G_GENERIC, "1.0.0", "Renames a key if the new name is free"),
    R("restore", cmd_restore, -4, WRITE|DENYOOM, 1, 1, 1, A_KEYSPACE|A_DANGEROUS, O|C, G_GENERIC, "2.6.0", "Creates a key from DUMP's bytes"),
    R("scan", cmd_scan, -2, READONLY|WHOLE, 0, 0, 0, A_KEYSPACE, O|K|M, G_GENERIC, "2.8.0", "Keys, a few at a time"),
    R("sort", cmd_sort, -2, WRITE|DENYOOM|MOVABLE, 1, 1, 1, A_SET|A_SORTEDSET|A_LIST|A_DANGEROUS, O|K|M, G_GENERIC, "1.0.0", "Sorts a list, set or sorted set"),
    R("sort_ro", cmd_sort_ro, -2, READONLY|MOVABLE, 1, 1, 1, A_SET|A_SORTEDSET|A_LIST|A_DANGEROUS, O, G_GENERIC, "7.0.0", "Sorts without storing"),
    R("touch", cmd_touch, -2, READONLY|FAST, 1, -1, 1, A_KEYSPACE, O, G_GENERIC, "3.2.1", "Marks keys as accessed"),
    R("ttl", cmd_ttl, 2, READONLY|FAST, 1, 1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "1.0.0", "A key's time to live in seconds"),
    R("type", cmd_type, 2, READONLY|FAST, 1, 1, 1, A_KEYSPACE, O|K|M|C, G_GENERIC, "1.0.0", "The kind of value at a key"),
    R("unlink", cmd_unlink, -2, WRITE|FAST, 1, -1, 1, A_KEYSPACE, O, G_GENERIC, "4.0.0", "Deletes keys, giving their memory back in the background"),
    R("wait", 0, 3, NOSCRIPT, 0, 0, 0, A_CONNECTION, O, G_GENERIC, "3.0.0", "Waits until replicas have the writes so far"),

    /* list */
    R("blmove", cmd_blmove, 6, WRITE|DENYOOM|NOSCRIPT|BLOCKING, 1, 2, 1, A_LIST, O, G_LIST, "6.2.0", "Moves an element between lists, waiting for one"),
    R("blmpop", cmd_blmpop, -5, WRITE|BLOCKING|MOVABLE, 0, 0, 0, A_LIST, O, G_LIST, "7.0.0", "Pops elements of the first list that has some, waiting for one"),
    R("blpop", cmd_blpop, -3, WRITE|NOSCRIPT|BLOCKING, 1, -2, 1, A_LIST, O|M, G_LIST, "2.0.0", "Pops the first element of a list, waiting for one"),
    R("brpop", cmd_brpop, -3, WRITE|NOSCRIPT|BLOCKING, 1, -2, 1, A_LIST, O|M, G_LIST, "2.0.0", "Pops the last element of a list, waiting for one"),
    R("brpoplpush", cmd_brpoplpush, 4, WRITE|DENYOOM|NOSCRIPT|BLOCKING, 1, 2, 1, A_LIST, O|M, G_LIST, "2.2.0", "Moves the last element to another list, waiting for one"),
    R("lindex", cmd_lindex, 3, READONLY, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "An element of a list by its place"),
    R("linsert", cmd_linsert, 5, WRITE|DENYOOM, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "2.2.0", "Inserts an element beside another"),
    R("llen", cmd_llen, 2, READONLY|FAST, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "Length of a list"),
    R("lmove", cmd_lmove, 5, WRITE|DENYOOM, 1, 2, 1, A_LIST, O, G_LIST, "6.2.0", "Moves an element between lists"),
    R("lmpop", cmd_lmpop, -4, WRITE|MOVABLE, 0, 0, 0, A_LIST, O, G_LIST, "7.0.0", "Pops elements of the first list that has some"),
    R("lpop", cmd_lpop, -2, WRITE|FAST, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "Pops elements at a list's head"),
    R("lpos", cmd_lpos, -3, READONLY, 1, 1, 1, A_LIST, O, G_LIST, "6.0.6", "Places of an element in a list"),
    R("lpush", cmd_lpush, -3, WRITE|DENYOOM|FAST, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "Adds elements at a list's head"),
    R("lpushx", cmd_lpushx, -3, WRITE|DENYOOM|FAST, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "2.2.0", "Adds elements at the head of a list that exists"),
    R("lrange", cmd_lrange, 4, READONLY, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "A range of a list"),
    R("lrem", cmd_lrem, 4, WRITE, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "Removes elements equal to one"),
    R("lset", cmd_lset, 4, WRITE|DENYOOM, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "Replaces an element by its place"),
    R("ltrim", cmd_ltrim, 4, WRITE, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "Keeps only a range of a list"),
    R("rpop", cmd_rpop, -2, WRITE|FAST, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "Pops elements at a list's tail"),
    R("rpoplpush", cmd_rpoplpush, 3, WRITE|DENYOOM, 1, 2, 1, A_LIST, O|K|M|C, G_LIST, "1.2.0", "Moves the last element to another list"),
    R("rpush", cmd_rpush, -3, WRITE|DENYOOM|FAST, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "1.0.0", "Adds elements at a list's tail"),
    R("rpushx", cmd_rpushx, -3, WRITE|DENYOOM|FAST, 1, 1, 1, A_LIST, O|K|M|C, G_LIST, "2.2.0", "Adds elements at the tail of a list that exists"),

    /* set */
    R("sadd", cmd_sadd, -3, WRITE|DENYOOM|FAST, 1, 1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Adds members to a set"),
    R("scard", cmd_scard, 2, READONLY|FAST, 1, 1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Number of members of a set"),
    R("sdiff", cmd_sdiff, -2, READONLY, 1, -1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Members of the first set that the others lack"),
    R("sdiffstore", cmd_sdiffstore, -3, WRITE|DENYOOM, 1, -1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Stores what SDIFF returns"),
    R("sinter", cmd_sinter, -2, READONLY, 1, -1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Members that all sets have"),
    R("sintercard", cmd_sintercard, -3, READONLY|MOVABLE, 0, 0, 0, A_SET, O, G_SET, "7.0.0", "Number of members that all sets have"),
    R("sinterstore", cmd_sinterstore, -3, WRITE|DENYOOM, 1, -1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Stores what SINTER returns"),
    R("sismember", cmd_sismember, 3, READONLY|FAST, 1, 1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Whether a set has a member"),
    R("smembers", cmd_smembers, 2, READONLY, 1, 1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "All members of a set"),
    R("smismember", cmd_smismember, -3, READONLY|FAST, 1, 1, 1, A_SET, O, G_SET, "6.2.0", "Which of some members a set has"),
    R("smove", cmd_smove, 4, WRITE|FAST, 1, 2, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Moves a member to another set"),
    R("spop", cmd_spop, -2, WRITE|FAST, 1, 1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Removes random members"),
    R("srandmember", cmd_srandmember, -2, READONLY, 1, 1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Random members of a set"),
    R("srem", cmd_srem, -3, WRITE|FAST, 1, 1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Removes members from a set"),
    R("sscan", cmd_sscan, -3, READONLY, 1, 1, 1, A_SET, O|K|M|C, G_SET, "2.8.0", "Members of a set, a few at a time"),
    R("sunion", cmd_sunion, -2, READONLY, 1, -1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Members that any of the sets has"),
    R("sunionstore", cmd_sunionstore, -3, WRITE|DENYOOM, 1, -1, 1, A_SET, O|K|M|C, G_SET, "1.0.0", "Stores what SUNION returns"),

    /* sorted set */
    R("bzmpop", cmd_bzmpop, -5, WRITE|BLOCKING|MOVABLE, 0, 0, 0, A_SORTEDSET, O, G_SORTEDSET, "7.0.0", "Pops members of the first sorted set that has some, waiting for one"),
    R("bzpopmax", cmd_bzpopmax, -3, WRITE|NOSCRIPT|BLOCKING|FAST, 1, -2, 1, A_SORTEDSET, O, G_SORTEDSET, "5.0.0", "Pops the member of the highest score, waiting for one"),
    R("bzpopmin", cmd_bzpopmin, -3, WRITE|NOSCRIPT|BLOCKING|FAST, 1, -2, 1, A_SORTEDSET, O, G_SORTEDSET, "5.0.0", "Pops the member of the lowest score, waiting for one"),
    R("zadd", cmd_zadd, -4, WRITE|DENYOOM|FAST, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "1.2.0", "Adds members or changes their scores"),
    R("zcard", cmd_zcard, 2, READONLY|FAST, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "1.2.0", "Number of members of a sorted set"),
    R("zcount", cmd_zcount, 4, READONLY|FAST, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.0.0", "Number of members in a range of scores"),
    R("zdiff", cmd_zdiff, -3, READONLY|MOVABLE, 0, 0, 0, A_SORTEDSET, O, G_SORTEDSET, "6.2.0", "Members of the first sorted set that the others lack"),
    R("zdiffstore", cmd_zdiffstore, -4, WRITE|DENYOOM|MOVABLE, 1, 1, 1, A_SORTEDSET, O, G_SORTEDSET, "6.2.0", "Stores what ZDIFF returns"),
    R("zincrby", cmd_zincrby, 4, WRITE|DENYOOM|FAST, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "1.2.0", "Adds to a member's score"),
    R("zinter", cmd_zinter, -3, READONLY|MOVABLE, 0, 0, 0, A_SORTEDSET, O, G_SORTEDSET, "6.2.0", "Members that all sorted sets have"),
    R("zintercard", cmd_zintercard, -3, READONLY|MOVABLE, 0, 0, 0, A_SORTEDSET, O, G_SORTEDSET, "7.0.0", "Number of members that all sorted sets have"),
    R("zinterstore", cmd_zinterstore, -4, WRITE|DENYOOM|MOVABLE, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.0.0", "Stores what ZINTER returns"),
    R("zlexcount", cmd_zlexcount, 4, READONLY|FAST, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.8.9", "Number of members in a range of names"),
    R("zmpop", cmd_zmpop, -4, WRITE|MOVABLE, 0, 0, 0, A_SORTEDSET, O, G_SORTEDSET, "7.0.0", "Pops members of the first sorted set that has some"),
    R("zmscore", cmd_zmscore, -3, READONLY|FAST, 1, 1, 1, A_SORTEDSET, O, G_SORTEDSET, "6.2.0", "Scores of several members"),
    R("zpopmax", cmd_zpopmax, -2, WRITE|FAST, 1, 1, 1, A_SORTEDSET, O, G_SORTEDSET, "5.0.0", "Pops the members of the highest scores"),
    R("zpopmin", cmd_zpopmin, -2, WRITE|FAST, 1, 1, 1, A_SORTEDSET, O, G_SORTEDSET, "5.0.0", "Pops the members of the lowest scores"),
    R("zrandmember", cmd_zrandmember, -2, READONLY, 1, 1, 1, A_SORTEDSET, O, G_SORTEDSET, "6.2.0", "Random members of a sorted set"),
    R("zrange", cmd_zrange, -4, READONLY, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "1.2.0", "A range of a sorted set by rank, score or name"),
    R("zrangebylex", cmd_zrangebylex, -4, READONLY, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.8.9", "A range of a sorted set by name"),
    R("zrangebyscore", cmd_zrangebyscore, -4, READONLY, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "1.0.5", "A range of a sorted set by score"),
    R("zrangestore", cmd_zrangestore, -5, WRITE|DENYOOM, 1, 2, 1, A_SORTEDSET, O, G_SORTEDSET, "6.2.0", "Stores what ZRANGE returns"),
    R("zrank", cmd_zrank, 3, READONLY|FAST, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.0.0", "Rank of a member from the lowest score"),
    R("zrem", cmd_zrem, -3, WRITE|FAST, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "1.2.0", "Removes members from a sorted set"),
    R("zremrangebylex", cmd_zremrangebylex, 4, WRITE, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.8.9", "Removes a range by name"),
    R("zremrangebyrank", cmd_zremrangebyrank, 4, WRITE, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.0.0", "Removes a range by rank"),
    R("zremrangebyscore", cmd_zremrangebyscore, 4, WRITE, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "1.2.0", "Removes a range by score"),
    R("zrevrange", cmd_zrevrange, -4, READONLY, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "1.2.0", "A range by rank from the highest score"),
    R("zrevrangebylex", cmd_zrevrangebylex, -4, READONLY, 1, 1, 1, A_SORTEDSET, O|K|M, G_SORTEDSET, "2.8.9", "A range by name from the last one"),
    R("zrevrangebyscore", cmd_zrevrangebyscore, -4, READONLY, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.2.0", "A range by score from the highest one"),
    R("zrevrank", cmd_zrevrank, 3, READONLY|FAST, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.0.0", "Rank of a member from the highest score"),
    R("zscan", cmd_zscan, -3, READONLY, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.8.0", "Members and scores, a few at a time"),
    R("zscore", cmd_zscore, 3, READONLY|FAST, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "1.2.0", "Score of a member"),
    R("zunion", cmd_zunion, -3, READONLY|MOVABLE, 0, 0, 0, A_SORTEDSET, O, G_SORTEDSET, "6.2.0", "Members that any of the sorted sets has"),
    R("zunionstore", cmd_zunionstore, -4, WRITE|DENYOOM|MOVABLE, 1, 1, 1, A_SORTEDSET, O|K|M|C, G_SORTEDSET, "2.0.0", "Stores what ZUNION returns"),

    /* hash */
    R("hdel", cmd_hdel, -3, WRITE|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "Deletes fields of a hash"),
    R("hexists", cmd_hexists, 3, READONLY|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "Whether a hash has a field"),
    R("hget", cmd_hget, 3, READONLY|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "The value of a field"),
    R("hgetall", cmd_hgetall, 2, READONLY, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "All fields and values of a hash"),
    R("hincrby", cmd_hincrby, 4, WRITE|DENYOOM|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "Adds a number to the integer in a field"),
    R("hincrbyfloat", cmd_hincrbyfloat, 4, WRITE|DENYOOM|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.6.0", "Adds a floating point number to the number in a field"),
    R("hkeys", cmd_hkeys, 2, READONLY, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "All fields of a hash"),
    R("hlen", cmd_hlen, 2, READONLY|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "Number of fields of a hash"),
    R("hmget", cmd_hmget, -3, READONLY|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "Values of several fields"),
    R("hmset", cmd_hmset, -4, WRITE|DENYOOM|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "Sets several fields"),
    R("hrandfield", cmd_hrandfield, -2, READONLY, 1, 1, 1, A_HASH, O, G_HASH, "6.2.0", "Random fields of a hash"),
    R("hscan", cmd_hscan, -3, READONLY, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.8.0", "Fields and values, a few at a time"),
    R("hset", cmd_hset, -4, WRITE|DENYOOM|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "Sets fields of a hash"),
    R("hsetnx", cmd_hsetnx, 4, WRITE|DENYOOM|FAST, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "Sets a field if it does not exist"),
    R("hstrlen", cmd_hstrlen, 3, READONLY|FAST, 1, 1, 1, A_HASH, O|K|M, G_HASH, "3.2.0", "Length of a field's value"),
    R("hvals", cmd_hvals, 2, READONLY, 1, 1, 1, A_HASH, O|K|M|C, G_HASH, "2.0.0", "All values of a hash"),

    /* stream */
    R("xack", 0, -4, WRITE|FAST, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "Takes messages from a group's pending list"),
    R("xadd", 0, -5, WRITE|DENYOOM|FAST, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "Appends a message to a stream"),
    R("xautoclaim", 0, -6, WRITE|FAST, 1, 1, 1, A_STREAM, O, G_STREAM, "6.2.0", "Takes over messages that were idle for long"),
    R("xclaim", 0, -6, WRITE|FAST, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "Takes over pending messages"),
    R("xdel", 0, -3, WRITE|FAST, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "Deletes messages of a stream"),
    R("xgroup", 0, -2, 0, 0, 0, 0, 0, O, G_STREAM, "5.0.0", "Manages a stream's groups"),
    R("xgroup|create", 0, -5, WRITE|DENYOOM, 2, 2, 1, A_STREAM, O, G_STREAM, "5.0.0", "Creates a group"),
    R("xgroup|createconsumer", 0, 5, WRITE|DENYOOM, 2, 2, 1, A_STREAM, O, G_STREAM, "6.2.0", "Creates a consumer of a group"),
    R("xgroup|delconsumer", 0, 5, WRITE, 2, 2, 1, A_STREAM, O, G_STREAM, "5.0.0", "Deletes a consumer of a group"),
    R("xgroup|destroy", 0, 4, WRITE, 2, 2, 1, A_STREAM, O, G_STREAM, "5.0.0", "Deletes a group"),
    R("xgroup|help", 0, 2, LOADING|STALE, 0, 0, 0, A_STREAM, O, G_STREAM, "5.0.0", "What XGROUP can do"),
    R("xgroup|setid", 0, -5, WRITE, 2, 2, 1, A_STREAM, O, G_STREAM, "5.0.0", "Sets what a group has delivered last"),
    R("xinfo", 0, -2, 0, 0, 0, 0, 0, O, G_STREAM, "5.0.0", "Tells about streams, groups and consumers"),
    R("xinfo|consumers", 0, 4, READONLY, 2, 2, 1, A_STREAM, O, G_STREAM, "5.0.0", "Consumers of a group"),
    R("xinfo|groups", 0, 3, READONLY, 2, 2, 1, A_STREAM, O, G_STREAM, "5.0.0", "Groups of a stream"),
    R("xinfo|help", 0, 2, LOADING|STALE, 0, 0, 0, A_STREAM, O, G_STREAM, "5.0.0", "What XINFO can tell"),
    R("xinfo|stream", 0, -3, READONLY, 2, 2, 1, A_STREAM, O, G_STREAM, "5.0.0", "A stream's figures"),
    R("xlen", 0, 2, READONLY|FAST, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "Number of messages of a stream"),
    R("xpending", 0, -3, READONLY, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "A group's messages that wait for an acknowledgement"),
    R("xrange", 0, -4, READONLY, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "Messages in a range of ids"),
    R("xread", 0, -4, READONLY|BLOCKING|MOVABLE, 0, 0, 0, A_STREAM, O, G_STREAM, "5.0.0", "Messages after given ids, waiting for one"),
    R("xreadgroup", 0, -7, WRITE|BLOCKING|MOVABLE, 0, 0, 0, A_STREAM, O, G_STREAM, "5.0.0", "Messages for a consumer of a group, waiting for one"),
    R("xrevrange", 0, -4, READONLY, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "Messages in a range of ids, the newest first"),
    R("xsetid", 0, -3, WRITE|DENYOOM|FAST, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "Sets a stream's last id"),
    R("xtrim", 0, -4, WRITE, 1, 1, 1, A_STREAM, O, G_STREAM, "5.0.0", "Drops a stream's oldest messages"),

    /* geo */
    R("geoadd", cmd_geoadd, -5, WRITE|DENYOOM, 1, 1, 1, A_GEO, O|K, G_GEO, "3.2.0", "Adds places with their coordinates"),
    R("geodist", cmd_geodist, -4, READONLY, 1, 1, 1, A_GEO, O|K, G_GEO, "3.2.0", "Distance of two places"),
    R("geohash", cmd_geohash, -2, READONLY, 1, 1, 1, A_GEO, O|K, G_GEO, "3.2.0", "Places as geohash strings"),
    R("geopos", cmd_geopos, -2, READONLY, 1, 1, 1, A_GEO, O|K, G_GEO, "3.2.0", "Coordinates of places"),
    R("georadius", cmd_georadius, -6, WRITE|DENYOOM|MOVABLE, 1, 1, 1, A_GEO, O|K, G_GEO, "3.2.0", "Places within a distance of a point"),
    R("georadius_ro", cmd_georadius_ro, -6, READONLY, 1, 1, 1, A_GEO, O, G_GEO, "3.2.10", "GEORADIUS without storing"),
    R("georadiusbymember", cmd_georadiusbymember, -5, WRITE|DENYOOM|MOVABLE, 1, 1, 1, A_GEO, O|K, G_GEO, "3.2.0", "Places within a distance of another"),
    R("georadiusbymember_ro", cmd_georadiusbymember_ro, -5, READONLY, 1, 1, 1, A_GEO, O, G_GEO, "3.2.10", "GEORADIUSBYMEMBER without storing"),
    R("geosearch", cmd_geosearch, -7, READONLY, 1, 1, 1, A_GEO, O, G_GEO, "6.2.0", "Places inside a circle or a box"),
    R("geosearchstore", cmd_geosearchstore, -8, WRITE|DENYOOM, 1, 2, 1, A_GEO, O, G_GEO, "6.2.0", "Stores what GEOSEARCH returns"),

    /* hyperloglog */
    R("pfadd", cmd_pfadd, -2, WRITE|DENYOOM|FAST, 1, 1, 1, A_HYPERLOGLOG, O|K, G_HYPERLOGLOG, "2.8.9", "Adds elements to a cardinality estimate"),
    R("pfcount", cmd_pfcount, -2, READONLY|MAY_REPLICATE, 1, -1, 1, A_HYPERLOGLOG, O|K, G_HYPERLOGLOG, "2.8.9", "Estimated number of distinct elements"),
    R("pfdebug", cmd_pfdebug, 3, WRITE|DENYOOM|ADMIN, 2, 2, 1, A_HYPERLOGLOG, O, G_HYPERLOGLOG, "2.8.9", "Looks into a cardinality estimate, for tests"),
    R("pfmerge", cmd_pfmerge, -2, WRITE|DENYOOM, 1, -1, 1, A_HYPERLOGLOG, O|K, G_HYPERLOGLOG, "2.8.9", "Merges cardinality estimates"),
    R("pfselftest", cmd_pfselftest, 1, ADMIN, 0, 0, 0, A_HYPERLOGLOG, O, G_HYPERLOGLOG, "2.8.9", "Tests the estimates of this server"),

    /* pubsub */
    R("psubscribe", 0, -2, PUBSUB|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O|K|M, G_PUBSUB, "2.0.0", "Subscribes to channels by pattern"),
    R("publish", 0, 3, PUBSUB|LOADING|STALE|FAST|MAY_REPLICATE, 0, 0, 0, 0, O|K|M, G_PUBSUB, "2.0.0", "Sends a message to a channel"),
    R("pubsub", 0, -2, 0, 0, 0, 0, 0, O|K|M, G_PUBSUB, "2.8.0", "Tells about channels and subscribers"),
    R("pubsub|channels", 0, -2, PUBSUB|LOADING|STALE, 0, 0, 0, 0, O|K|M, G_PUBSUB, "2.8.0", "Channels that have subscribers"),
    R("pubsub|help", 0, 2, LOADING|STALE, 0, 0, 0, 0, O|K|M, G_PUBSUB, "6.2.0", "What PUBSUB can tell"),
    R("pubsub|numpat", 0, 2, PUBSUB|LOADING|STALE, 0, 0, 0, 0, O|K|M, G_PUBSUB, "2.8.0", "Number of patterns subscribed to"),
    R("pubsub|numsub", 0, -2, PUBSUB|LOADING|STALE, 0, 0, 0, 0, O|K|M, G_PUBSUB, "2.8.0", "Number of subscribers of channels"),
    R("pubsub|shardchannels", 0, -2, PUBSUB|LOADING|STALE, 0, 0, 0, 0, O, G_PUBSUB, "7.0.0", "Shard channels that have subscribers"),
    R("pubsub|shardnumsub", 0, -2, PUBSUB|LOADING|STALE, 0, 0, 0, 0, O, G_PUBSUB, "7.0.0", "Number of subscribers of shard channels"),
    R("punsubscribe", 0, -1, PUBSUB|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O|K|M, G_PUBSUB, "2.0.0", "Ends subscriptions by pattern"),
    R("spublish", 0, 3, PUBSUB|LOADING|STALE|FAST|MAY_REPLICATE, 1, 1, 1, 0, O, G_PUBSUB, "7.0.0", "Sends a message to a shard channel"),
    R("ssubscribe", 0, -2, PUBSUB|NOSCRIPT|LOADING|STALE, 1, -1, 1, 0, O, G_PUBSUB, "7.0.0", "Subscribes to shard channels"),
    R("subscribe", 0, -2, PUBSUB|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O|K|M, G_PUBSUB, "2.0.0", "Subscribes to channels"),
    R("sunsubscribe", 0, -1, PUBSUB|NOSCRIPT|LOADING|STALE, 1, -1, 1, 0, O, G_PUBSUB, "7.0.0", "Ends subscriptions to shard channels"),
    R("unsubscribe", 0, -1, PUBSUB|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O|K|M, G_PUBSUB, "2.0.0", "Ends subscriptions to channels"),

    /* transactions */
    R("discard", 0, 1, NOSCRIPT|LOADING|STALE|FAST|ALLOW_BUSY, 0, 0, 0, A_TRANSACTION, O|K|M|C, G_TRANSACTIONS, "2.0.0", "Drops a transaction's queue"),
    R("exec", 0, 1, NOSCRIPT|LOADING|STALE|NO_SLOWLOG, 0, 0, 0, A_TRANSACTION, O|K|M|C, G_TRANSACTIONS, "1.2.0", "Runs a transaction's queue"),
    R("multi", 0, 1, NOSCRIPT|LOADING|STALE|FAST|ALLOW_BUSY, 0, 0, 0, A_TRANSACTION, O|K|M|C, G_TRANSACTIONS, "1.2.0", "Begins a transaction"),
    R("unwatch", 0, 1, NOSCRIPT|LOADING|STALE|FAST|ALLOW_BUSY, 0, 0, 0, A_TRANSACTION, O|K|M|C, G_TRANSACTIONS, "2.2.0", "Forgets the watched keys"),
    R("watch", 0, -2, NOSCRIPT|LOADING|STALE|FAST|ALLOW_BUSY, 1, -1, 1, A_TRANSACTION, O|K|M|C, G_TRANSACTIONS, "2.2.0", "Makes EXEC depend on keys staying as they are"),

    /* scripting */
    R("eval", 0, -3, NOSCRIPT|STALE|MAY_REPLICATE|NO_MONITOR|MOVABLE|NO_KEYS, 0, 0, 0, A_SCRIPTING, O|K, G_SCRIPTING, "2.6.0", "Runs a script"),
    R("eval_ro", 0, -3, READONLY|NOSCRIPT|STALE|NO_MONITOR|MOVABLE|NO_KEYS, 0, 0, 0, A_SCRIPTING, O, G_SCRIPTING, "7.0.0", "Runs a script that only reads"),
    R("evalsha", 0, -3, NOSCRIPT|STALE|MAY_REPLICATE|NO_MONITOR|MOVABLE|NO_KEYS, 0, 0, 0, A_SCRIPTING, O, G_SCRIPTING, "2.6.0", "Runs a script known by its digest"),
    R("evalsha_ro", 0, -3, READONLY|NOSCRIPT|STALE|NO_MONITOR|MOVABLE|NO_KEYS, 0, 0, 0, A_SCRIPTING, O, G_SCRIPTING, "7.0.0", "Runs a script known by its digest that only reads"),
    R("script", 0, -2, 0, 0, 0, 0, 0, O|K, G_SCRIPTING, "2.6.0", "Manages scripts"),
    R("script|debug", 0, 3, NOSCRIPT, 0, 0, 0, A_SCRIPTING, O|K, G_SCRIPTING, "3.2.0", "Sets the debug mode of scripts"),
    R("script|exists", 0, -3, NOSCRIPT, 0, 0, 0, A_SCRIPTING, O|K, G_SCRIPTING, "2.6.0", "Which digests are known"),
    R("script|flush", 0, -2, NOSCRIPT, 0, 0, 0, A_SCRIPTING, O|K, G_SCRIPTING, "2.6.0", "Forgets all scripts"),
    R("script|help", 0, 2, LOADING|STALE, 0, 0, 0, A_SCRIPTING, O|K, G_SCRIPTING, "5.0.0", "What SCRIPT can do"),
    R("script|kill", 0, 2, NOSCRIPT|ALLOW_BUSY, 0, 0, 0, A_SCRIPTING, O|K, G_SCRIPTING, "2.6.0", "Stops a running script that has written nothing"),
    R("script|load", 0, 3, NOSCRIPT|STALE, 0, 0, 0, A_SCRIPTING, O|K, G_SCRIPTING, "2.6.0", "Makes a script known"),

    /* connection */
    R("auth", 0, -2, NOSCRIPT|LOADING|STALE|FAST|NO_AUTH|ALLOW_BUSY, 0, 0, 0, A_CONNECTION, O|K|M|C, G_CONNECTION, "1.0.0", "Proves who the client is"),
    R("client", 0, -2, 0, 0, 0, 0, 0, O, G_CONNECTION, "2.4.0", "Tells about connections and manages them"),
    R("client|caching", 0, 3, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "6.0.0", "Asks for tracking of the next command's keys"),
    R("client|getname", 0, 2, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "2.6.9", "This connection's name"),
    R("client|getredir", 0, 2, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "6.0.0", "Where tracking messages go"),
    R("client|help", 0, 2, LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "5.0.0", "What CLIENT can do"),
    R("client|id", 0, 2, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "5.0.0", "This connection's number"),
    R("client|info", 0, 2, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "6.2.0", "This connection's figures"),
    R("client|kill", 0, -3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "2.4.0", "Closes connections"),
    R("client|list", 0, -2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "2.4.0", "All connections"),
    R("client|no-evict", 0, 3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "7.0.0", "Exempts this connection from eviction"),
    R("client|pause", 0, -3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "2.9.50", "Holds commands back for some time"),
    R("client|reply", 0, 3, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "3.2.0", "Turns replies off and on"),
    R("client|setinfo", 0, 4, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "7.2.0", "Sets library name or version of this connection"),
    R("client|setname", 0, 3, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "2.6.9", "Names this connection"),
    R("client|tracking", 0, -3, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "6.0.0", "Turns client-side caching's messages on or off"),
    R("client|trackinginfo", 0, 2, NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "6.2.0", "State of client-side caching"),
    R("client|unblock", 0, -3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "5.0.0", "Wakes a connection that waits"),
    R("client|unpause", 0, 2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "6.2.0", "Ends CLIENT PAUSE"),
    R("echo", 0, 2, LOADING|STALE|FAST, 0, 0, 0, A_CONNECTION, O|K|M|C, G_CONNECTION, "1.0.0", "Returns its argument"),
    R("hello", 0, -1, NOSCRIPT|LOADING|STALE|FAST|NO_AUTH|ALLOW_BUSY, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "6.0.0", "Chooses the protocol and authenticates"),
    R("ping", 0, -1, FAST, 0, 0, 0, A_CONNECTION, O|K|M|C, G_CONNECTION, "1.0.0", "Answers PONG or its argument"),
    R("quit", 0, -1, NOSCRIPT|LOADING|STALE|FAST|NO_AUTH|ALLOW_BUSY, 0, 0, 0, A_CONNECTION, O|K|M|C, G_CONNECTION, "1.0.0", "Closes the connection"),
    R("reset", 0, 1, NOSCRIPT|LOADING|STALE|FAST|NO_AUTH|ALLOW_BUSY, 0, 0, 0, A_CONNECTION, O, G_CONNECTION, "6.2.0", "Makes the connection as new"),
    R("select", 0, 2, LOADING|STALE|FAST, 0, 0, 0, A_CONNECTION, O|K|M|C, G_CONNECTION, "1.0.0", "Chooses the database"),

    /* server */
    R("acl", 0, -2, 0, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "Tells about users and permissions"),
    R("acl|cat", 0, -2, NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "Categories of commands"),
    R("acl|deluser", 0, -3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "Removes users"),
    R("acl|dryrun", 0, -4, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "7.0.0", "Whether a user could run a command"),
    R("acl|genpass", 0, -2, NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "A random password"),
    R("acl|getuser", 0, 3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "A user's rules"),
    R("acl|help", 0, 2, LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "What ACL can tell"),
    R("acl|list", 0, 2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "Users and their rules"),
    R("acl|load", 0, 2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "Reads the users from their file"),
    R("acl|log", 0, -2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "What was denied"),
    R("acl|save", 0, 2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "Writes the users to their file"),
    R("acl|setuser", 0, -3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "Changes a user's rules"),
    R("acl|users", 0, 2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "Names of the users"),
    R("acl|whoami", 0, 2, NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.0.0", "This connection's user"),
    R("bgrewriteaof", 0, 1, ADMIN|NOSCRIPT|NO_ASYNC, 0, 0, 0, 0, O, G_SERVER, "1.0.0", "Rewrites the log in the background"),
    R("bgsave", 0, -1, ADMIN|NOSCRIPT|NO_ASYNC, 0, 0, 0, 0, O, G_SERVER, "1.0.0", "Saves a snapshot in the background"),
    R("command", 0, -1, LOADING|STALE, 0, 0, 0, A_CONNECTION, O|K|M, G_SERVER, "2.8.13", "Facts about all commands"),
    R("command|count", 0, 2, LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_SERVER, "2.8.13", "Number of commands"),
    R("command|docs", 0, -2, LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_SERVER, "7.0.0", "Descriptions of commands"),
    R("command|getkeys", 0, -4, LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_SERVER, "2.8.13", "Keys in a command's words"),
    R("command|getkeysandflags", 0, -4, LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_SERVER, "7.0.0", "Keys in a command's words and what it does to them"),
    R("command|help", 0, 2, LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_SERVER, "5.0.0", "What COMMAND can tell"),
    R("command|info", 0, -2, LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_SERVER, "2.8.13", "Facts about some commands"),
    R("command|list", 0, -2, LOADING|STALE, 0, 0, 0, A_CONNECTION, O, G_SERVER, "7.0.0", "Names of commands"),
    R("config", 0, -2, 0, 0, 0, 0, 0, O, G_SERVER, "2.0.0", "Reads and changes the configuration"),
    R("config|get", 0, -3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.0.0", "Values of directives"),
    R("config|help", 0, 2, LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "5.0.0", "What CONFIG can do"),
    R("config|resetstat", 0, 2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.0.0", "Sets the statistics to zero"),
    R("config|rewrite", 0, 2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.8.0", "Writes the configuration to its file"),
    R("config|set", 0, -4, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.0.0", "Changes directives"),
    R("dbsize", cmd_dbsize, 1, READONLY|FAST|WHOLE, 0, 0, 0, A_KEYSPACE, O|K|M, G_SERVER, "1.0.0", "Number of keys in the database"),
    R("debug", 0, -2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "1.0.0", "Tools for test suites"),
    R("duet", 0, -2, ADMIN|NOSCRIPT|LOADING|STALE|NO_MULTI|HIDDEN, 0, 0, 0, 0, 0, G_SERVER, "7.0.0", "What the HA daemon asks and orders"),
    R("failover", 0, -1, ADMIN|NOSCRIPT|STALE, 0, 0, 0, 0, O, G_SERVER, "6.2.0", "Hands the mastership to a replica"),
    R("flushall", cmd_flushall, -1, WRITE, 0, 0, 0, A_KEYSPACE|A_DANGEROUS, O, G_SERVER, "1.0.0", "Empties all databases"),
    R("flushdb", cmd_flushdb, -1, WRITE, 0, 0, 0, A_KEYSPACE|A_DANGEROUS, O, G_SERVER, "1.0.0", "Empties the database"),
    R("info", 0, -1, LOADING|STALE, 0, 0, 0, A_DANGEROUS, O|K|M, G_SERVER, "1.0.0", "State and statistics as text"),
    R("lastsave", 0, 1, LOADING|STALE|FAST, 0, 0, 0, A_ADMIN|A_DANGEROUS, O, G_SERVER, "1.0.0", "Date of the last snapshot"),
    R("latency", 0, -2, 0, 0, 0, 0, 0, O, G_SERVER, "2.8.13", "Tells about latency spikes"),
    R("latency|doctor", 0, 2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.8.13", "Latency explained"),
    R("latency|graph", 0, 3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.8.13", "Latency of an event, drawn"),
    R("latency|help", 0, 2, LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.8.13", "What LATENCY can tell"),
    R("latency|histogram", 0, -2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "7.0.0", "Latency of commands by classes"),
    R("latency|history", 0, 3, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.8.13", "Spikes of an event"),
    R("latency|latest", 0, 2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.8.13", "Newest spikes"),
    R("latency|reset", 0, -2, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.8.13", "Forgets spikes"),
    R("lolwut", 0, -1, READONLY|FAST, 0, 0, 0, 0, O, G_SERVER, "5.0.0", "The server's version"),
    R("memory", 0, -2, 0, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "Tells about memory"),
    R("memory|doctor", 0, 2, 0, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "Memory use explained"),
    R("memory|help", 0, 2, LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "What MEMORY can tell"),
    R("memory|malloc-stats", 0, 2, 0, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "The allocator's own figures"),
    R("memory|purge", 0, 2, 0, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "Gives memory back to the system"),
    R("memory|stats", 0, 2, 0, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "Memory use by purpose"),
    R("memory|usage", 0, -3, READONLY, 2, 2, 1, 0, O, G_SERVER, "4.0.0", "Bytes that a key takes"),
    R("module", 0, -2, 0, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "Manages modules, of which there are none"),
    R("module|help", 0, 2, LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "5.0.0", "What MODULE can do"),
    R("module|list", 0, 2, ADMIN|NOSCRIPT, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "Modules in use"),
    R("module|load", 0, -3, ADMIN|NOSCRIPT|NO_ASYNC, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "Loads a module"),
    R("module|loadex", 0, -3, ADMIN|NOSCRIPT|NO_ASYNC, 0, 0, 0, 0, O, G_SERVER, "7.0.0", "Loads a module with settings"),
    R("module|unload", 0, 3, ADMIN|NOSCRIPT|NO_ASYNC, 0, 0, 0, 0, O, G_SERVER, "4.0.0", "Unloads a module"),
    R("monitor", 0, 1, ADMIN|NOSCRIPT|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "1.0.0", "Shows every command as it runs"),
    R("psync", 0, -3, ADMIN|NOSCRIPT|NO_ASYNC|NO_MULTI, 0, 0, 0, 0, O, G_SERVER, "2.8.0", "A replica asks for the stream from an offset"),
    R("replconf", 0, -1, ADMIN|NOSCRIPT|LOADING|STALE|ALLOW_BUSY, 0, 0, 0, 0, O, G_SERVER, "3.0.0", "A replica tells about itself"),
    R("replicaof", 0, 3, ADMIN|NOSCRIPT|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_SERVER, "5.0.0", "Follows another server, or none"),
    R("restore-asking", cmd_restore, -4, WRITE|DENYOOM|ASKING, 1, 1, 1, A_KEYSPACE|A_DANGEROUS, O, G_SERVER, "3.0.0", "RESTORE as a cluster's migration sends it"),
    R("role", 0, 1, NOSCRIPT|LOADING|STALE|FAST, 0, 0, 0, A_ADMIN|A_DANGEROUS, O, G_SERVER, "2.8.12", "Role and replication figures"),
    R("save", 0, 1, ADMIN|NOSCRIPT|NO_ASYNC|NO_MULTI, 0, 0, 0, 0, O, G_SERVER, "1.0.0", "Saves a snapshot"),
    R("shutdown", 0, -1, ADMIN|NOSCRIPT|LOADING|STALE|NO_MULTI|ALLOW_BUSY, 0, 0, 0, 0, O, G_SERVER, "1.0.0", "Ends the server"),
    R("slaveof", 0, 3, ADMIN|NOSCRIPT|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_SERVER, "1.0.0", "Follows another server, or none (old name of REPLICAOF)"),
    R("slowlog", 0, -2, 0, 0, 0, 0, 0, O, G_SERVER, "2.2.12", "Commands that took long"),
    R("slowlog|get", 0, -2, ADMIN|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.2.12", "Entries of the slow log"),
    R("slowlog|help", 0, 2, LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "6.2.0", "What SLOWLOG can tell"),
    R("slowlog|len", 0, 2, ADMIN|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.2.12", "Number of entries of the slow log"),
    R("slowlog|reset", 0, 2, ADMIN|LOADING|STALE, 0, 0, 0, 0, O, G_SERVER, "2.2.12", "Empties the slow log"),
    R("swapdb", cmd_swapdb, 3, WRITE|FAST, 0, 0, 0, A_KEYSPACE|A_DANGEROUS, O, G_SERVER, "4.0.0", "Swaps two databases"),
    R("sync", 0, 1, ADMIN|NOSCRIPT|NO_ASYNC|NO_MULTI, 0, 0, 0, 0, O, G_SERVER, "1.0.0", "A replica asks for everything"),
    R("time", 0, 1, LOADING|STALE|FAST, 0, 0, 0, 0, O|K|M, G_SERVER, "2.6.0", "The server's clock"),

    /* cluster */
    R("asking", 0, 1, FAST, 0, 0, 0, A_CONNECTION, O, G_CLUSTER, "3.0.0", "Answers as a server that is no cluster"),
    R("cluster", 0, -2, 0, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Answers as a server that is no cluster"),
    R("cluster|addslots", 0, -3, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Takes slots"),
    R("cluster|addslotsrange", 0, -4, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "7.0.0", "Takes ranges of slots"),
    R("cluster|bumpepoch", 0, 2, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Raises the epoch of the configuration"),
    R("cluster|count-failure-reports", 0, 3, ADMIN|STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "How many nodes say that a node failed"),
    R("cluster|countkeysinslot", 0, 3, STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Number of keys in a slot"),
    R("cluster|delslots", 0, -3, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Gives slots up"),
    R("cluster|delslotsrange", 0, -4, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "7.0.0", "Gives ranges of slots up"),
    R("cluster|failover", 0, -2, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Makes this replica the master"),
    R("cluster|flushslots", 0, 2, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Gives all slots up"),
    R("cluster|forget", 0, 3, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Forgets a node"),
    R("cluster|getkeysinslot", 0, 4, STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Keys in a slot"),
    R("cluster|help", 0, 2, LOADING|STALE, 0, 0, 0, 0, O, G_CLUSTER, "5.0.0", "What CLUSTER can do"),
    R("cluster|info", 0, 2, STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "The cluster's state"),
    R("cluster|keyslot", 0, 3, STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "The slot of a key"),
    R("cluster|links", 0, 2, STALE, 0, 0, 0, 0, O, G_CLUSTER, "7.0.0", "Links to other nodes"),
    R("cluster|meet", 0, -4, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Gets to know a node"),
    R("cluster|myid", 0, 2, STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "This node's id"),
    R("cluster|nodes", 0, 2, STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "All nodes"),
    R("cluster|replicas", 0, 3, ADMIN|STALE, 0, 0, 0, 0, O, G_CLUSTER, "5.0.0", "A master's replicas"),
    R("cluster|replicate", 0, 3, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Makes this node a replica"),
    R("cluster|reset", 0, -2, ADMIN|NOSCRIPT|STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Makes this node as new"),
    R("cluster|saveconfig", 0, 2, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Writes the cluster's configuration"),
    R("cluster|set-config-epoch", 0, 3, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Sets the epoch of the configuration"),
    R("cluster|setslot", 0, -4, ADMIN|STALE|NO_ASYNC, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Binds a slot to a node"),
    R("cluster|shards", 0, 2, STALE, 0, 0, 0, 0, O, G_CLUSTER, "7.0.0", "Slots and nodes, by shard"),
    R("cluster|slaves", 0, 3, ADMIN|STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "A master's replicas (old name of CLUSTER REPLICAS)"),
    R("cluster|slots", 0, 2, STALE, 0, 0, 0, 0, O, G_CLUSTER, "3.0.0", "Which node has which slots"),
    R("readonly", 0, 1, LOADING|STALE|FAST, 0, 0, 0, A_CONNECTION, O, G_CLUSTER, "3.0.0", "Answers as a server that is no cluster"),
    R("readwrite", 0, 1, LOADING|STALE|FAST, 0, 0, 0, A_CONNECTION, O, G_CLUSTER, "3.0.0", "Answers as a server that is no cluster"),
};
#undef R
/* clang-format on */

/* ---- Lookup ---------------------------------------------------------------------------------- */

enum { ROWS = sizeof rows / sizeof rows[0], SLOTS = 1024 };

/* A name's first eight bytes as a number. letters has 0x20 in each byte that is one, so that
 * (sent ^ name) & ~letters is 0 where the two differ at most in case. */
static struct slot {
    uint64_t name, letters; /* zeros behind a shorter name's end */
    uint32_t len;
    uint32_t row;                            /* its number + 1; 0: free */
} slots[SLOTS] __attribute__((aligned(64))); /* linear probing */
static bool ready;

/* Where a name's search begins: its length, its first and its last bytes, folded. */
static inline unsigned name_slot(struct bytes name, uint64_t first) {
    const uint64_t fold = 0x2020202020202020ULL;
    uint64_t h = first | fold;
    if (name.len > 8) h ^= (bytes_load64(name.p + name.len - 8) | fold) * 3;
    return (unsigned)((h ^ name.len) * 0x9e3779b97f4a7c15ULL >> 54);
}

static inline __attribute__((always_inline)) struct command *row_find(struct bytes name) {
    uint64_t first = bytes_load_upto8(name.p, name.len);
    for (unsigned i = name_slot(name, first); slots[i].row; i = (i + 1) % SLOTS) {
        const struct slot *s = &slots[i];
        if (s->len != name.len || (first ^ s->name) & ~s->letters) continue;
        struct command *row = &rows[s->row - 1];
        if (name.len <= 8 || bytes_is(name, row->name)) return row;
    }
    return NULL;
}

/* What flags and group imply for the ACL categories. */
static uint32_t implied_acl(const struct command *row) {
    uint32_t acl = row->flags & CMD_FAST ? ACL_FAST : ACL_SLOW;
    if (row->flags & CMD_WRITE) acl |= ACL_WRITE;
    if (row->flags & CMD_READONLY && row->group != GROUP_SCRIPTING) acl |= ACL_READ;
    if (row->flags & CMD_ADMIN) acl |= ACL_ADMIN | ACL_DANGEROUS;
    if (row->flags & CMD_PUBSUB) acl |= ACL_PUBSUB;
    if (row->flags & CMD_BLOCKING) acl |= ACL_BLOCKING;
    return acl;
}

static void row_register(int id) {
    struct command *row = &rows[id];
    row->id = id;
    row->acl |= implied_acl(row);
    row->keys = key_row_of(row->name);
    if (row->keys && key_row_range(row->keys, &row->first, &row->last, &row->step))
        row->flags |= CMD_MOVABLE_KEYS;
    struct bytes name = {row->name, strlen(row->name)};
    struct slot here = {.name = bytes_load_upto8(name.p, name.len)};
    here.len = (uint32_t)name.len;
    here.row = (uint32_t)id + 1;
    for (size_t k = 0; k < 8 && k < name.len; k++)
        if (name.p[k] >= 'a' && name.p[k] <= 'z') here.letters |= (uint64_t)0x20 << 8 * k;
    unsigned i = name_slot(name, here.name);
    while (slots[i].row) i = (i + 1) % SLOTS;
    slots[i] = here;
}

void command_table_init(void) {
    if (ready) return;
    ready = true;
    for (int id = 0; id < ROWS; id++) row_register(id);
    for (int id = 0; id < ROWS; id++) {
        const char *bar = strchr(rows[id].name, '|');
        if (!bar) continue;
        struct command *parent =
            row_find((struct bytes){rows[id].name, (size_t)(bar - rows[id].name)});
        must(parent, "a subcommand's container has a row");
        rows[id].parent = parent;
        parent->has_subcommands = true;
    }
}

void command_set_function(const char *name, command_fn *fn) {
    must(ready, "command_table_init comes first");
    struct command *row = row_find((struct bytes){name, strlen(name)});
    if (!row) bug("no row of the command table is named %s", name);
    row->fn = fn;
}

int command_count(void) {
    return ROWS;
}

const struct command *command_by_id(int id) {
    must(id >= 0 && id < ROWS, "the id is a row's");
    return &rows[id];
}

bool command_exists(const struct command *cmd, unsigned edition) {
    if (edition && !(cmd->editions & edition)) return false;
    if (__builtin_expect(cmd->fn != NULL, 1)) return true;
    if (!cmd->has_subcommands) return false;
    for (int id = 0; id < ROWS; id++)
        if (rows[id].parent == cmd && rows[id].fn) return true;
    return false;
}

const struct command *command_find(struct bytes name, unsigned edition) {
    const struct command *row = row_find(name);
    return row && !row->parent && command_exists(row, edition) ? row : NULL;
}

/* A container's subcommand; the container itself when the word names none, which *unknown tells. */
static __attribute__((noinline)) const struct command *
subcommand(const struct command *cmd, struct bytes word, unsigned edition, bool *unknown) {
    char full[64];
    size_t n = strlen(cmd->name);
    if (word.len < sizeof full - n - 1) {
        memcpy(full, cmd->name, n);
        full[n] = '|';
        memcpy(full + n + 1, word.p, word.len);
        const struct command *sub = row_find((struct bytes){full, n + 1 + word.len});
        if (sub && (sub->fn || cmd->fn) && (sub->editions & edition || !edition))
            return sub->fn ? sub : cmd; /* one function may serve the whole container */
    }
    *unknown = true;
    return cmd;
}

/* Not simply a command with a function: a container, or nothing that this edition has. */
static __attribute__((noinline)) const struct command *
resolve_slowly(const struct command *cmd, int argc, const struct bytes *argv, unsigned edition,
               bool *unknown_subcommand) {
    if (!cmd || cmd->parent || !command_exists(cmd, edition)) return NULL;
    if (!cmd->has_subcommands || argc < 2) return cmd;
    return subcommand(cmd, argv[1], edition, unknown_subcommand);
}

const struct command *command_resolve(int argc, const struct bytes *argv, unsigned edition,
                                      bool *unknown_subcommand) {
    *unknown_subcommand = false;
    const struct command *cmd = row_find(argv[0]);
    bool plain = cmd && cmd->fn && !cmd->parent && !cmd->has_subcommands &&
                 (cmd->editions & edition || !edition);
    return __builtin_expect(plain, 1)
               ? cmd
               : resolve_slowly(cmd, argc, argv, edition, unknown_subcommand);
}

const struct command *command_named(struct bytes name, unsigned edition) {
    const char *bar = memchr(name.p, '|', name.len);
    bool unknown = false;
    if (!bar) return command_find(name, edition);
    size_t n = (size_t)(bar - name.p);
    const struct command *cmd = command_find((struct bytes){name.p, n}, edition);
    if (!cmd || !cmd->has_subcommands) return NULL;
    cmd = subcommand(cmd, (struct bytes){bar + 1, name.len - n - 1}, edition, &unknown);
    return unknown ? NULL : cmd;
}

static const struct edition *in_force;

const struct edition *command_edition(void) {
    return in_force ? in_force : edition_named("open");
}

void command_set_edition(const struct edition *e) {
    in_force = e;
}

const char *command_group_name(enum command_group g) {
    static const char *const names[] = {
        "string",    "generic",    "list",   "set",         "sorted-set", "hash",
        "stream",    "bitmap",     "geo",    "hyperloglog", "pubsub",     "transactions",
        "scripting", "connection", "server", "cluster",
    };
    return names[g];
}
