"""Hand-chosen edges of the sorted set, sort and geo commands: each block is sent to Duet and to redis-server 7.0, in RESP2 and RESP3, to
empty servers; every reply must be the same bytes. The generated commands (test_commands.py) find what nobody thought of; these are
what somebody did."""

import os
import shlex
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402

BLOCKS = {
    "WATCH: what had expired before is gone already": """
        debug set-active-expire 0 ;; set x v pxat 1 ;; watch x ;; exists x ;; multi ;; ping ;; exec ;; set x v pxat 1 ;; watch x ;; flushdb ;; multi ;; ping ;; exec
        set x v pxat 1 ;; watch x ;; set x w ;; multi ;; ping ;; exec ;; watch x ;; flushall ;; multi ;; ping ;; exec ;; watch x ;; flushall ;; multi ;; ping ;; exec
        set x v pxat 1 ;; watch x ;; del x ;; set x w ;; multi ;; ping ;; exec ;; watch x ;; pexpireat x 1 ;; multi ;; ping ;; exec ;; watch x ;; debug set-active-expire 1""",
    "WATCH: databases exchanged": """
        debug set-active-expire 0 ;; watch x ;; swapdb 0 1 ;; multi ;; ping ;; exec ;; set x v pxat 1 ;; watch x ;; swapdb 0 1 ;; multi ;; ping ;; exec
        watch x ;; swapdb 0 1 ;; multi ;; ping ;; exec ;; flushall ;; set x v ;; watch x ;; swapdb 0 1 ;; multi ;; ping ;; exec ;; watch x ;; swapdb 0 1 ;; multi ;; ping ;; exec
        watch x ;; swapdb 0 0 ;; multi ;; ping ;; exec ;; watch x ;; swapdb 2 3 ;; multi ;; ping ;; exec ;; select 1 ;; set x v pxat 1 ;; select 0 ;; flushdb ;; set x v pxat 1
        watch x ;; swapdb 0 1 ;; multi ;; ping ;; exec ;; watch x ;; swapdb 1 0 ;; set x y ;; multi ;; ping ;; exec ;; watch x y ;; select 1 ;; watch x ;; swapdb 0 1 ;; multi ;; ping ;; exec ;; select 0
        debug set-active-expire 1""",
    "ZADD: options and their errors": """
        zadd ;; zadd k ;; zadd k 1 ;; zadd k 1 a 2 ;; zadd k nx ;; zadd k nx 1 a ;; zadd k nx xx 1 a ;; zadd k nx gt 1 a ;; zadd k gt lt 1 a
        zadd k xx nx gt 1 ;; zadd k incr 1 a 2 b ;; zadd k nx incr 5 a ;; zadd k nx incr 5 z ;; zadd k xx incr 5 y ;; zadd k ch 1 a 2 b 3 c ;; zadd k ch 9 a 2 b 4 d
        zadd k gt ch 1 a 10 b ;; zadd k lt ch 100 a 1 b ;; zadd k gt incr -1 a ;; zadd k gt incr 0 a ;; zadd k lt incr -1 a ;; zadd k xx ch 7 new
        zadd none xx 1 a ;; exists none ;; zadd k 1 a x b ;; zscore k b ;; zadd k NX CH nx ch 1 q ;; zadd k 1 1 1 2 1 3 ;; zadd k 5 dup 6 dup ;; zscore k dup
        set s x ;; zadd s 1 a ;; zadd s x a ;; zadd s nx 1 ;; zincrby s 1 a ;; zincrby k nx a ;; zincrby k nx incr ;; zincrby k x a ;; zincrby k 1.5 a ;; zincrby k 1""",
    "scores as text": """
        zadd k 1.0 a ;; zscore k a ;; zadd k 0.1 a ;; zscore k a ;; zadd k 3.0e5 a ;; zscore k a ;; zadd k 1e17 a ;; zscore k a ;; zadd k 123456789012345678 a
        zscore k a ;; zscan k 0 ;; zadd k -0 a ;; zscore k a ;; zadd k 1e-5 a ;; zscore k a ;; zadd k 0.0001 a ;; zscore k a ;; zadd k 5e-324 a ;; zscore k a
        zadd k 1.7976931348623157e308 a ;; zscore k a ;; zincrby k 1.7976931348623157e308 a ;; zadd k inf a ;; zscore k a ;; zincrby k -inf a ;; zadd k -inf a ;; zscore k a
        zincrby k inf a ;; zadd k nan a ;; zadd k 0x10 a ;; zscore k a ;; zadd k 1e a ;; zadd k " 1" a ;; zadd k "1 " a ;; zadd k "" a ;; zadd k +5 a ;; zscore k a
        zadd k 4503599627370496.5 a ;; zscore k a ;; zadd k 9007199254740993 a ;; zscore k a ;; zmscore k a none ;; zmscore none a b ;; zscore none a ;; zscan k 0
        zadd k 1e400 a ;; zadd k 1e-400 a ;; zadd k 4611686018427387903 b 4611686018427387905 c 9223372036854775807 d ;; zscan k 0 ;; zrange k 0 -1 withscores""",
    "ranges by rank": """
        zadd k 1 a 2 b 3 c 4 d ;; zrange k 0 -1 ;; zrange k 1 2 withscores ;; zrange k -2 -1 ;; zrange k 2 1 ;; zrange k 5 9 ;; zrange k -100 100 rev ;; zrange k 0 1 rev rev
        zrange k 0 1 rev withscores ;; zrevrange k 0 1 withscores ;; zrevrange k 0 1 rev ;; zrange k 0 1 limit 0 1 ;; zrange k 0 1 limit 0 -1 ;; zrange k a b ;; zrange k 0 b
        zrange k 0 9223372036854775807 ;; zrange k -9223372036854775808 -1 ;; zrange k 0 9223372036854775808 ;; zrange none 0 -1 withscores ;; zrange k 0 1 bylex
        zrank k c ;; zrevrank k c ;; zrank k x ;; zrank none x ;; zrank k c withscore ;; zremrangebyrank k 1 0 ;; zremrangebyrank k -2 -2 ;; zrange k 0 -1 ;; zremrangebyrank k 0 -1 ;; exists k""",
    "ranges by score": """
        zadd k 1 a 2 b 2 c 3 d inf e -inf f ;; zrangebyscore k -inf +inf ;; zrangebyscore k (1 3 ;; zrangebyscore k 1 (3 withscores ;; zrangebyscore k (2 (2 ;; zrangebyscore k 2 2
        zrangebyscore k (inf inf ;; zrangebyscore k -inf (-inf ;; zrangebyscore k "" 5 ;; zrangebyscore k ( 5 ;; zrangebyscore k " 1" 5 ;; zrangebyscore k "1 " 5
        zrangebyscore k 3 1 ;; zrevrangebyscore k 3 1 ;; zrevrangebyscore k +inf -inf withscores limit 1 2 ;; zrangebyscore k 1 3 limit -1 2 ;; zrangebyscore k 1 3 limit 0 0
        zrangebyscore k 1 3 limit 1 -5 ;; zrangebyscore k 1 3 limit 1 ;; zrangebyscore k 1 3 limit x 1 ;; zrangebyscore k x 3 ;; zrangebyscore k 1 3 rev ;; zrangebyscore k 1 nan
        zrange k 1 3 byscore ;; zrange k 3 1 byscore rev limit 1 1 withscores ;; zrange k 1 3 byscore bylex ;; zcount k 1 3 ;; zcount k (1 (3 ;; zcount k 3 1 ;; zcount k x 1
        zcount none x 1 ;; zcount none 0 1 ;; zremrangebyscore k x 1 ;; zremrangebyscore k (1 2 ;; zremrangebyscore k 1e400 inf ;; zrange k 0 -1 withscores ;; zremrangebyscore k -inf inf ;; exists k""",
    "ranges by name": """
        zadd k 0 a 0 b 0 c 0 aa 0 "" ;; zrangebylex k - + ;; zrangebylex k [a (c ;; zrangebylex k (a [c ;; zrangebylex k + - ;; zrevrangebylex k + - ;; zrevrangebylex k (c [a
        zrangebylex k a c ;; zrangebylex k [a c ;; zrangebylex k -x + ;; zrangebylex k "" + ;; zrangebylex k [ + ;; zrangebylex k ( + ;; zrangebylex k - ( ;; zrangebylex k - - ;; zrangebylex k + +
        zrangebylex k - + limit 1 2 ;; zrangebylex k - + limit -1 2 ;; zrangebylex k - + withscores ;; zrange k - + bylex ;; zrange k + - bylex rev limit 0 2 ;; zrange k [b [b bylex
        zlexcount k - + ;; zlexcount k [a (c ;; zlexcount k (c [a ;; zlexcount k x y ;; zlexcount none - + ;; zremrangebylex k [b (c ;; zrangebylex k - + ;; zremrangebylex k - + ;; exists k
        zadd d 3 a 2 b 1 c ;; zrangebylex d - + ;; zrangebylex d [b + ;; zrangebylex d - (c ;; zrevrangebylex d + [b ;; zlexcount d [a [b""",
    "ZRANGESTORE": """
        zadd k 1 a 2 b 3 c ;; zrangestore d k 0 1 ;; zrange d 0 -1 withscores ;; zrangestore d k 2 3 byscore ;; zrange d 0 -1 withscores ;; zrangestore d k 0 1 withscores
        zrangestore d k (5 9 byscore ;; exists d ;; zrangestore k k 1 1 rev ;; zrange k 0 -1 withscores ;; set s x ;; zrangestore s k 0 -1 ;; type s ;; set s x ;; zrangestore d s 0 -1
        zrangestore d k 0 1 limit 0 1 ;; zrangestore d none 0 -1 ;; zrangestore d k ;; zrangestore d k - + bylex rev ;; set d x ex 1000 ;; zrangestore d k 0 -1 ;; ttl d""",
    "popping": """
        zadd k 1 a 2 b 3 c 4 d 5 e ;; zpopmin k ;; zpopmax k ;; zpopmin k 0 ;; zpopmin k -1 ;; zpopmin k x ;; zpopmin k 1 2 ;; zpopmin k 2 ;; zpopmax k 10 ;; exists k ;; zpopmin k ;; zpopmin none 5
        set s x ;; zpopmin s ;; zpopmin s 0 ;; zmpop 1 k min ;; zadd k 1 a 2 b 3 c ;; zmpop 1 k min ;; zmpop 2 none k max count 5 ;; zmpop 2 none s min ;; zmpop 0 k min ;; zmpop x k min ;; zmpop 1 k
        zmpop 1 k mid ;; zmpop 1 k min count ;; zmpop 1 k min count 0 ;; zmpop 1 k min count x ;; zmpop 1 k min count 1 count 1 ;; zmpop 3 k min ;; zmpop -1 k min ;; zmpop 1 s min
        zmpop 9223372036854775807 k min ;; zmpop 2 k k min""",
    "with each other": """
        zadd a 1 x 2 y 3 z ;; zadd b 10 y 20 z 30 w ;; sadd s x y q ;; zunion 2 a b ;; zunion 2 a b withscores ;; zinter 2 a b withscores ;; zdiff 2 a b withscores ;; zinter 2 a s withscores
        zunion 2 a b weights 2 3 withscores ;; zunion 2 a b aggregate min withscores ;; zunion 2 a b aggregate max weights 1 -1 withscores ;; zunion 2 a b aggregate avg ;; zunion 2 a b weights 1
        zunion 2 a b weights 1 x ;; zunion 0 a ;; zunion x a ;; zunion -1 a ;; zunion 3 a b ;; zunionstore d 0 a ;; zunionstore d 2 a b ;; zrange d 0 -1 withscores ;; zunionstore d 2 a b withscores
        zinterstore d 2 a b weights 1 1 aggregate max ;; zrange d 0 -1 withscores ;; zdiffstore d 2 a b ;; zrange d 0 -1 withscores ;; zdiffstore d 2 a b weights 1 1 ;; zdiff 2 a a ;; zdiff 1 none
        zinterstore d 2 a none ;; exists d ;; zintercard 2 a b ;; zintercard 2 a b limit 1 ;; zintercard 2 a b limit -1 ;; zintercard 2 a b limit ;; zintercard 2 a b limit x ;; zintercard 0 a
        zintercard 2 a b weights 1 1 ;; set str x ;; zunion 2 a str ;; zunion 2 a str weights x y ;; zunionstore a 2 a b ;; zrange a 0 -1 withscores
        zadd i inf m ;; zadd j -inf m ;; zunion 2 i j withscores ;; zinter 2 i j withscores ;; zunion 1 i weights 0 withscores ;; zinter 2 i j weights 0 1 withscores ;; zunion 2 i j weights 0 0 withscores
        zinter 2 i j weights 1 0 aggregate min withscores ;; zinter 2 s i aggregate max ;; zunion 2 s s weights -0 -1 withscores ;; zunion 1 a weights inf withscores ;; zunion 1 a weights nan""",
    "random members": """
        zrandmember none ;; zrandmember none 5 ;; zrandmember none 5 withscores ;; zadd k 1 a ;; zrandmember k ;; zrandmember k 5 ;; zrandmember k -3 ;; zrandmember k -3 withscores ;; zrandmember k 3 withscores
        zrandmember k 0 ;; zrandmember k x ;; zrandmember k 1 withscore ;; zrandmember k 1 withscores x ;; zrandmember k 9223372036854775807 withscores ;; zrandmember k -9223372036854775808
        zrandmember k -4611686018427387904 withscores ;; set s x ;; zrandmember s ;; zrandmember s 0""",
    "removing and scanning": """
        zrem none a ;; zadd k 1 a 2 b 3 c ;; zrem k a a x ;; zrem k b c d ;; exists k ;; zadd k 1 a ;; zscan k 0 ;; zscan k 5 ;; zscan k x ;; zscan none 0 ;; zscan none x ;; zscan k 0 count 0
        zscan k 0 count x ;; zscan k 0 match a* count 5 ;; zscan k 0 match ;; zscan k 0 type zset ;; set s x ;; zscan s 0 ;; zscan s 0 count 0 ;; zcard s ;; zcard none ;; zcard k k""",
    "SORT": """
        sort none ;; rpush l 3 1 2 10 ;; sort l ;; sort l desc ;; sort l alpha ;; sort l limit 1 2 ;; sort l limit -1 2 ;; sort l limit 9 9 ;; sort l limit 1 ;; sort l limit x 1 ;; sort l limit 0 0
        sort l by nosort ;; sort l by nosort desc ;; sort l by nosort limit 1 2 ;; sort l by nosort desc limit 1 2 ;; mset w_1 9 w_2 5 w_3 7 ;; sort l by w_* ;; sort l by w_* desc get # get w_* get none_*
        sort l by w_* get w_* store d ;; lrange d 0 -1 ;; object encoding d ;; sort l store l ;; lrange l 0 -1 ;; sort none store d ;; exists d ;; sort l store ;; sort l get ;; sort l by ;; sort l foo
        hset h_1 f 3 ;; hset h_2 f 2 g x ;; sort l by h_*->f ;; sort l get h_*->g ;; sort l get h_*-> ;; sort l get *->f ;; rpush t a b c ;; sort t ;; sort t alpha desc ;; sort t by w_*
        set w_3 x ;; sort l by w_* ;; sort l by w_* alpha ;; sadd s 5 4 3 ;; sort s ;; sort s by nosort store d ;; lrange d 0 -1 ;; zadd z 1 c 2 b 3 a ;; sort z alpha ;; sort z by nosort
        sort z by nosort desc limit 0 2 ;; sort z by x by w_* ;; set str x ;; sort str ;; sort_ro l desc ;; sort_ro l store d ;; sort_ro str ;; sort l asc desc asc ;; sort l alpha alpha limit 0 1 limit 1 1""",
    "places": """
        geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania ;; geodist g Palermo Catania ;; geodist g Palermo Catania km ;; geodist g Palermo Catania KM ;; geodist g Palermo Catania mi
        geodist g Palermo Catania ft ;; geodist g Palermo Catania cm ;; geodist g Palermo none ;; geodist none a b ;; geodist g a b c d ;; geodist g Palermo Palermo ;; geohash g Palermo Catania none
        geohash g ;; geohash none a ;; geopos g Palermo Catania none ;; geopos g ;; geopos none a ;; zscore g Palermo ;; geoadd g 181 0 a ;; geoadd g 0 86 a ;; geoadd g x 0 a ;; geoadd g 0 x a ;; geoadd g 0 0
        geoadd g nx xx 0 0 a ;; geoadd g xx 1 1 a ;; geoadd g nx 1 1 Palermo ;; geoadd g ch 14 38 Palermo ;; geoadd g ch ;; geoadd g gt 0 0 a ;; geoadd g 180 85.05112878 e -180 -85.05112878 f ;; geopos g e f
        zscore g e ;; zscore g f ;; geohash g e f ;; zadd odd inf a -inf b 1e300 c -5 d 1e19 e 0 f ;; geopos odd a b c d e f ;; geohash odd a b c d e f ;; set s x ;; geopos s a ;; geodist s a b ;; geohash s a ;; geoadd s 0 0 a""",
    "the keys among the words": """
        command getkeys sort a store b ;; command getkeys sort a by x get y store q ;; command getkeys sort a limit 0 1 store b store c ;; command getkeys sort a get store ;; command getkeys sort a by store store c
        command getkeys sort_ro a by x ;; command getkeys georadius k 1 2 3 m ;; command getkeys georadius k 1 2 3 m store d storedist e ;; command getkeys georadiusbymember k m 3 m storedist d ;; command getkeys zunion 2 a b
        command getkeys zunion 3 a b ;; command getkeys zunion 0 a ;; command getkeys zunionstore d 2 a b ;; command getkeys zunionstore d 0 a ;; command getkeys zmpop 2 a b min ;; command getkeys bzmpop 0 2 a b min
        command getkeys zrangestore d s 0 1 ;; command getkeys geosearchstore d s fromlonlat 1 2 byradius 3 m ;; command getkeys bzpopmin a b 0 ;; command getkeys zintercard 1 a""",
    "searching": """
        geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 17.241510 38.788135 edge2 ;; georadius g 15 37 200 km ;; georadius g 15 37 200 km withdist withcoord withhash
        georadius g 15 37 200 km withdist asc ;; georadius g 15 37 200 km desc count 1 ;; georadius g 15 37 200 km count 0 ;; georadius g 15 37 200 km count x ;; georadius g 15 37 200 km any
        georadius g 15 37 200 km count 1 any ;; georadius g 15 37 -1 km ;; georadius g 15 37 x km ;; georadius g 15 37 200 xx ;; georadius g 15 97 200 km ;; georadius g 15 37 200 ;; georadius none 15 37 200 km
        georadius none 15 37 x km ;; georadius g 15 37 200 km store d ;; zrange d 0 -1 withscores ;; georadius g 15 37 200 km storedist d withdist ;; georadius g 15 37 1 m store d ;; exists d
        georadius_ro g 15 37 200 km store d ;; georadiusbymember g Palermo 200 km ;; georadiusbymember g none 200 km ;; georadiusbymember none none x km ;; georadiusbymember none x 1 zz withdist store d
        georadiusbymember_ro g Catania 500 km withdist asc ;; geosearch g fromlonlat 15 37 byradius 200 km asc ;; geosearch g fromlonlat 15 37 bybox 400 400 km asc withcoord withdist
        geosearch g frommember Palermo bybox 0 0 m ;; geosearch g frommember none byradius 1 m ;; geosearch g fromlonlat 15 37 frommember Palermo byradius 1 m ;; geosearch g byradius 200 km asc ;; geosearch g fromlonlat 15 37 asc
        GeoSearch g asc desc asc byradius 1 m ;; geosearch g fromlonlat 15 37 byradius 1 m bybox 1 1 m ;; geosearch g fromlonlat 15 37 bybox -1 1 m ;; geosearch g fromlonlat 15 37 bybox 1 x m
        geosearch g fromlonlat 15 37 byradius 200 km store d ;; geosearch none frommember x byradius 1 m ;; geosearchstore d g fromlonlat 15 37 byradius 200 km ;; zrange d 0 -1 withscores
        geosearchstore d g fromlonlat 15 37 byradius 200 km storedist count 1 ;; zcard d ;; geosearchstore d g fromlonlat 15 37 byradius 200 km withdist ;; geosearchstore d none frommember x byradius 1 m ;; exists d
        geosearch g fromlonlat 15 37 byradius inf km asc ;; geosearch g fromlonlat 0 0 bybox 1e9 1e9 km asc withdist ;; geosearch g fromlonlat 180 0 byradius 30000 km ;; set s x ;; geosearch s fromlonlat x y""",
}


def split(line):
    return [w.encode() for w in shlex.split(line)]


def replies(server, protocol, lines):
    wire = server.wire()
    wire.pipeline([(b"FLUSHALL",), (b"HELLO", protocol)])
    got = [raw for raw, _ in wire.pipeline([split(line) for line in lines])]
    wire.close()
    return got


def test_edges():
    """Each edge is answered as redis-server answers it"""
    duet, redis = servers.pair()
    for title, block in BLOCKS.items():
        lines = [line.strip() for line in block.strip().replace("\n", " ;; ").split(";;")]
        for protocol in (2, 3):
            ours, theirs = replies(duet, protocol, lines), replies(redis, protocol, lines)
            left = [i for i in range(len(lines)) if ours[i] != theirs[i]]
            tap.ok(not left, "%s, RESP%d: %d commands" % (title, protocol, len(lines)))
            for i in left[:8]:
                tap.say("%s\n  duet  %r\n  redis %r" % (lines[i], ours[i][:300], theirs[i][:300]))


SAVING = "MULTI ;; BGSAVE x ;; BGSAVE ;; BGREWRITEAOF ;; SET k v ;; BGSAVE SCHEDULE ;; BGREWRITEAOF ;; SAVE ;; EXEC"


def test_saving_in_a_transaction():
    """BGSAVE and BGREWRITEAOF inside of MULTI begin behind EXEC"""

    def persistence(server):
        text = server.wire().pipeline([(b"INFO", b"persistence")])[0][1]
        return dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)

    def rests(server):
        now = persistence(server)
        return all(now[f] == "0" for f in ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled"))

    def ask(server, line):
        return [raw for raw, _ in server.wire().pipeline([split(words) for words in line.split(";;")])]

    servers_ = servers.pair()
    for server in servers_:
        tap.until(lambda: rests(server), 20, "nothing is being saved")
    saves = [int(persistence(s)["rdb_saves"]) for s in servers_]
    tap.equal(*[ask(s, SAVING) for s in servers_], "refused with SAVE among them, as redis-server does")
    tap.equal(*[ask(s, SAVING.replace("SAVE ;; EXEC", "EXEC")) for s in servers_], "scheduled, as redis-server says")
    for server, before in zip(servers_, saves):
        tap.until(lambda: int(persistence(server)["rdb_saves"]) == before + 1 and rests(server), 20, "one snapshot is written afterwards")


tap.main(test_edges, test_saving_in_a_transaction)
