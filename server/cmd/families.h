/* The functions of the command families, one file a family; contracts in call.h. */
#ifndef DUET_CMD_FAMILIES_H
#define DUET_CMD_FAMILIES_H

#include "server/cmd/table.h"

command_fn cmd_append;
command_fn cmd_decr;
command_fn cmd_decrby;
command_fn cmd_get;
command_fn cmd_getdel;
command_fn cmd_getex;
command_fn cmd_getrange;
command_fn cmd_getset;
command_fn cmd_incr;
command_fn cmd_incrby;
command_fn cmd_incrbyfloat;
command_fn cmd_mget;
command_fn cmd_mset;
command_fn cmd_msetnx;
command_fn cmd_psetex;
command_fn cmd_set;
command_fn cmd_setex;
command_fn cmd_setnx;
command_fn cmd_setrange;
command_fn cmd_strlen;
command_fn cmd_substr;
command_fn cmd_bitcount;
command_fn cmd_bitfield;
command_fn cmd_bitfield_ro;
command_fn cmd_lcs;
command_fn cmd_bitop;
command_fn cmd_bitpos;
command_fn cmd_getbit;
command_fn cmd_setbit;
command_fn cmd_copy;
command_fn cmd_del;
command_fn cmd_exists;
command_fn cmd_expire;
command_fn cmd_expireat;
command_fn cmd_expiretime;
command_fn cmd_keys;
command_fn cmd_move;
command_fn cmd_object_encoding;
command_fn cmd_object_freq;
command_fn cmd_object_help;
command_fn cmd_object_idletime;
command_fn cmd_object_refcount;
command_fn cmd_persist;
command_fn cmd_pexpire;
command_fn cmd_pexpireat;
command_fn cmd_pexpiretime;
command_fn cmd_pttl;
command_fn cmd_randomkey;
command_fn cmd_rename;
command_fn cmd_renamenx;
command_fn cmd_scan;
command_fn cmd_sort;
command_fn cmd_sort_ro;
command_fn cmd_touch;
command_fn cmd_ttl;
command_fn cmd_type;
command_fn cmd_unlink;
command_fn cmd_dbsize;
command_fn cmd_flushall;
command_fn cmd_flushdb;
command_fn cmd_swapdb;

command_fn cmd_hdel;
command_fn cmd_hexists;
command_fn cmd_hget;
command_fn cmd_hgetall;
command_fn cmd_hincrby;
command_fn cmd_hincrbyfloat;
command_fn cmd_hkeys;
command_fn cmd_hlen;
command_fn cmd_hmget;
command_fn cmd_hmset;
command_fn cmd_hrandfield;
command_fn cmd_hscan;
command_fn cmd_hset;
command_fn cmd_hsetnx;
command_fn cmd_hstrlen;
command_fn cmd_hvals;

command_fn cmd_blmove;
command_fn cmd_blmpop;
command_fn cmd_blpop;
command_fn cmd_brpop;
command_fn cmd_brpoplpush;
command_fn cmd_lindex;
command_fn cmd_linsert;
command_fn cmd_llen;
command_fn cmd_lmove;
command_fn cmd_lmpop;
command_fn cmd_lpop;
command_fn cmd_lpos;
command_fn cmd_lpush;
command_fn cmd_lpushx;
command_fn cmd_lrange;
command_fn cmd_lrem;
command_fn cmd_lset;
command_fn cmd_ltrim;
command_fn cmd_rpop;
command_fn cmd_rpoplpush;
command_fn cmd_rpush;
command_fn cmd_rpushx;

command_fn cmd_sadd;
command_fn cmd_scard;
command_fn cmd_sdiff;
command_fn cmd_sdiffstore;
command_fn cmd_sinter;
command_fn cmd_sintercard;
command_fn cmd_sinterstore;
command_fn cmd_sismember;
command_fn cmd_smembers;
command_fn cmd_smismember;
command_fn cmd_smove;
command_fn cmd_spop;
command_fn cmd_srandmember;
command_fn cmd_srem;
command_fn cmd_sscan;
command_fn cmd_sunion;
command_fn cmd_sunionstore;

command_fn cmd_bzmpop;
command_fn cmd_bzpopmax;
command_fn cmd_bzpopmin;
command_fn cmd_zadd;
command_fn cmd_zcard;
command_fn cmd_zcount;
command_fn cmd_zdiff;
command_fn cmd_zdiffstore;
command_fn cmd_zincrby;
command_fn cmd_zinter;
command_fn cmd_zintercard;
command_fn cmd_zinterstore;
command_fn cmd_zlexcount;
command_fn cmd_zmpop;
command_fn cmd_zmscore;
command_fn cmd_zpopmax;
command_fn cmd_zpopmin;
command_fn cmd_zrandmember;
command_fn cmd_zrange;
command_fn cmd_zrangebylex;
command_fn cmd_zrangebyscore;
command_fn cmd_zrangestore;
command_fn cmd_zrank;
command_fn cmd_zrem;
command_fn cmd_zremrangebylex;
command_fn cmd_zremrangebyrank;
command_fn cmd_zremrangebyscore;
command_fn cmd_zrevrange;
command_fn cmd_zrevrangebylex;
command_fn cmd_zrevrangebyscore;
command_fn cmd_zrevrank;
command_fn cmd_zscan;
command_fn cmd_zscore;
command_fn cmd_zunion;
command_fn cmd_zunionstore;

command_fn cmd_geoadd;
command_fn cmd_geodist;
command_fn cmd_geohash;
command_fn cmd_geopos;
command_fn cmd_georadius;
command_fn cmd_georadius_ro;
command_fn cmd_georadiusbymember;
command_fn cmd_georadiusbymember_ro;
command_fn cmd_geosearch;
command_fn cmd_geosearchstore;

command_fn cmd_pfadd;
command_fn cmd_pfcount;
command_fn cmd_pfdebug;
command_fn cmd_pfmerge;
command_fn cmd_pfselftest;

command_fn cmd_dump;
command_fn cmd_restore;
/* DEBUG SET-SKIP-CHECKSUM-VALIDATION: RESTORE looks at a payload whose checksum is wrong, too. For tests. */
void restore_skip_checksum(bool skip);

command_fn cmd_xack;
command_fn cmd_xadd;
command_fn cmd_xautoclaim;
command_fn cmd_xclaim;
command_fn cmd_xdel;
command_fn cmd_xgroup_create;
command_fn cmd_xgroup_createconsumer;
command_fn cmd_xgroup_delconsumer;
command_fn cmd_xgroup_destroy;
command_fn cmd_xgroup_help;
command_fn cmd_xgroup_setid;
command_fn cmd_xinfo_consumers;
command_fn cmd_xinfo_groups;
command_fn cmd_xinfo_help;
command_fn cmd_xinfo_stream;
command_fn cmd_xlen;
command_fn cmd_xpending;
command_fn cmd_xrange;
command_fn cmd_xread;
command_fn cmd_xreadgroup;
command_fn cmd_xrevrange;
command_fn cmd_xsetid;
command_fn cmd_xtrim;

/* Shared by the families. */
struct bytes;
/* Replies the string at the key, or null; false after WRONGTYPE. */
bool reply_string_at(struct call *c, struct bytes key);
/* The longest string that this call may make. */
uint64_t string_most_bytes(const struct call *c);
/* False after the error when a string of len + more bytes would be longer than allowed. */
bool string_may_be(struct call *c, uint64_t len, uint64_t more);
/* The hash at argv[1] (NULL: no key); false after WRONGTYPE. */
struct entry;
bool hash_for_writing(struct call *c, struct entry **e);
/* e, or a new hash at argv[1], which the caller fills. */
struct entry *hash_or_new(struct call *c, struct entry *e);

#endif
