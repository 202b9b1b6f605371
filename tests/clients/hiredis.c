/* What a C program does with Debian's hiredis. test_hiredis.py runs it: `hiredis PORT SOCKET`. */
#include <hiredis/adapters/libev.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static const char *host = "127.0.0.1";
static int port;

static redisContext *dial(void) {
    redisContext *c = redisConnectWithTimeout(host, port, (struct timeval){5, 0});
    if (!c || c->err) {
        printf("not ok - a connection: %s\n", c ? c->errstr : "no memory");
        exit(1);
    }
    redisSetTimeout(c, (struct timeval){20, 0});
    return c;
}

static bool is_status(redisReply *r, const char *text) {
    bool same = r && r->type == REDIS_REPLY_STATUS && !strcmp(r->str, text);
    freeReplyObject(r);
    return same;
}

static bool is_text(redisReply *r, const char *text, size_t length) {
    bool same =
        r && r->type == REDIS_REPLY_STRING && r->len == length && !memcmp(r->str, text, length);
    freeReplyObject(r);
    return same;
}

static bool is_number(redisReply *r, long long n) {
    bool same = r && r->type == REDIS_REPLY_INTEGER && r->integer == n;
    freeReplyObject(r);
    return same;
}

static void replies(void) {
    redisContext *c = dial();
    ok(is_status(redisCommand(c, "PING"), "PONG"), "a status");
    ok(is_status(redisCommand(c, "SET %s %b", "key", "a\0b\r\n", (size_t)5), "OK"), "%%s and %%b");
    ok(is_text(redisCommand(c, "GET key"), "a\0b\r\n", 5), "a binary value");
    ok(is_number(redisCommand(c, "INCRBY n %d", 41), 41), "an integer");
    ok(is_number(redisCommand(c, "INCRBY n %lld", 9223372036854775766LL), 9223372036854775807LL),
       "the largest integer");
    redisReply *r = redisCommand(c, "INCR n");
    ok(r->type == REDIS_REPLY_ERROR && !strcmp(r->str, "ERR increment or decrement would overflow"),
       "an error");
    freeReplyObject(r);
    r = redisCommand(c, "MGET key none");
    ok(r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[1]->type == REDIS_REPLY_NIL,
       "an array with nil");
    freeReplyObject(r);
    const char *words[] = {"RPUSH", "list", "", "x y", "\xff\xfe"};
    size_t lengths[] = {5, 4, 0, 3, 2};
    ok(is_number(redisCommandArgv(c, 5, words, lengths), 3),
       "arguments by length, an empty one too");
    r = redisCommand(c, "LRANGE list 0 -1");
    ok(r->elements == 3 && r->element[0]->len == 0 && !strcmp(r->element[1]->str, "x y"),
       "and they come back");
    freeReplyObject(r);
    redisFree(c);
}

static void pipeline(void) {
    redisContext *c = dial();
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        redisAppendCommand(c, "SET p:%d %d", i, i);
        redisAppendCommand(c, "GET p:%d", i);
    }
    int right = 0;
    for (int i = 0; i < N; i++) {
        redisReply *r;
        char text[16];
        int n = snprintf(text, sizeof text, "%d", i);
        if (redisGetReply(c, (void **)&r) == REDIS_OK) right += is_status(r, "OK");
        if (redisGetReply(c, (void **)&r) == REDIS_OK) right += is_text(r, text, n);
    }
    is_int(right, 2 * N, "a pipeline of 40,000");
    redisAppendCommand(c, "MULTI");
    redisAppendCommand(c, "INCR t");
    redisAppendCommand(c, "LPUSH t 1");
    redisAppendCommand(c, "EXEC");
    redisReply *r = NULL;
    for (int i = 0; i < 4; i++) {
        if (r) freeReplyObject(r);
        redisGetReply(c, (void **)&r);
    }
    ok(r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[0]->integer == 1 &&
           r->element[1]->type == REDIS_REPLY_ERROR,
       "a transaction with an error in it");
    freeReplyObject(r);
    redisFree(c);
}

static void big(const char *path) {
    redisContext *c = redisConnectUnix(path);
    ok(c && !c->err, "a unix socket");
    size_t length = 50 << 20;
    char *value = malloc(length);
    for (size_t i = 0; i < length; i++) value[i] = i * 2654435761u >> 24;
    ok(is_status(redisCommand(c, "SET big %b", value, length), "OK"), "50 MB are written");
    ok(is_text(redisCommand(c, "GET big"), value, length), "and read");
    free(value);
    redisFree(c);
}

static void script(void) {
    redisContext *c = dial();
    redisReply *r = redisCommand(c, "SCRIPT LOAD %s",
                                 "return {KEYS[1], tonumber(ARGV[1]), false, {ok='fine'}}");
    ok(r->type == REDIS_REPLY_STRING && r->len == 40, "SCRIPT LOAD");
    redisReply *got = redisCommand(c, "EVALSHA %s 1 k 3.99", r->str);
    ok(got->type == REDIS_REPLY_ARRAY && got->elements == 4 && !strcmp(got->element[0]->str, "k") &&
           got->element[1]->integer == 3 && got->element[2]->type == REDIS_REPLY_NIL &&
           got->element[3]->type == REDIS_REPLY_STATUS,
       "EVALSHA");
    freeReplyObject(got);
    freeReplyObject(r);
    redisFree(c);
}

/* ---- asynchronous ---- */

static struct {
    struct ev_loop *loop;
    redisAsyncContext *a, *sub;
    int answers, in_order, messages, ended;
} async;

static void hang_up_when_done(void) {
    if (async.answers < 5000 || async.messages < 1000) return;
    redisAsyncDisconnect(async.a);
    redisAsyncDisconnect(async.sub);
}

static void answered(redisAsyncContext *a, void *reply, void *mine) {
    (void)a;
    redisReply *r = reply;
    if (!r) return;
    async.in_order += r->type == REDIS_REPLY_INTEGER && r->integer == async.answers + 1 &&
                      (intptr_t)mine == async.answers;
    async.answers++;
    hang_up_when_done();
}

static void publish_all(void) {
    for (int i = 0; i < 1000; i++) redisAsyncCommand(async.a, NULL, NULL, "PUBLISH c %d", i);
}

static void message(redisAsyncContext *a, void *reply, void *mine) {
    (void)a, (void)mine;
    redisReply *r = reply;
    if (!r) return;
    if (!strcmp(r->element[0]->str, "subscribe")) {
        publish_all();
    } else if (!strcmp(r->element[0]->str, "message")) {
        async.messages += atoi(r->element[2]->str) == async.messages;
        hang_up_when_done();
    }
}

static void disconnected(const redisAsyncContext *a, int status) {
    (void)a;
    async.ended += status == REDIS_OK;
}

static void too_late(struct ev_loop *loop, ev_timer *timer, int events) {
    (void)timer, (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static redisAsyncContext *dial_async(void) {
    redisAsyncContext *a = redisAsyncConnect(host, port);
    redisLibevAttach(async.loop, a);
    redisAsyncSetDisconnectCallback(a, disconnected);
    return a;
}

static void asynchronous(void) {
    async.loop = ev_loop_new(0);
    async.a = dial_async();
    async.sub = dial_async();
    redisAsyncCommand(async.sub, message, NULL, "SUBSCRIBE c");
    for (intptr_t i = 0; i < 5000; i++) {
        redisAsyncCommand(async.a, answered, (void *)i, "INCR async");
    }
    ev_timer timer;
    ev_timer_init(&timer, too_late, 20, 0);
    ev_timer_start(async.loop, &timer);
    ev_unref(async.loop);
    ev_run(async.loop, 0);
    is_int(async.in_order, 5000, "5000 asynchronous answers in order");
    is_int(async.messages, 1000, "1000 messages in order");
    is_int(async.ended, 2, "and the connections end well");
}

static void reconnect(void) {
    redisContext *c = dial();
    ok(is_status(redisCommand(c, "SET before 1"), "OK"), "before the connection is cut");
    redisContext *other = dial();
    freeReplyObject(redisCommand(other, "CLIENT KILL TYPE normal SKIPME yes"));
    ok(!redisCommand(c, "GET before") && c->err, "a connection that was killed is an error");
    ok(redisReconnect(c) == REDIS_OK && is_text(redisCommand(c, "GET before"), "1", 1),
       "redisReconnect goes on");
    redisFree(other);
    redisFree(c);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    port = atoi(argv[1]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    replies();
    pipeline();
    big(argv[2]);
    reconnect();
    script();
    asynchronous();
    return done();
}
