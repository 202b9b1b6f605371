/* link: hactl/had_agree.c hactl/arbiter_conf.c hactl/had_conf.c hactl/heartbeat_line.c hactl/log_conf.c hactl/place.c hactl/moment.c hactl/event_syslog.c hactl/event.c hactl/report.c hactl/ha_names.c netcfg/conf.c server/base/buf.c
   server/base/conf.c server/base/crc32c.c server/base/file.c server/base/log.c server/base/num.c
   server/base/clock.c */
/* What had takes from duet.conf, and how it complains. */
#include "hactl/had_agree.h"
#include "hactl/had_conf.h"
#include "tests/unit/tap.h"

#define SECRET "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
#define NODE   "[node]\nname duet-b\nnode b\n"
#define PAIR   "[pair]\nid 77\nsecret " SECRET "\n"
#define NET                                                                                        \
    "[network]\nservice eth0 10.77.0.12/24 peer 10.77.0.11\n"                                      \
    "crossover eth1 10.78.0.2/30 peer 10.78.0.1\ngateway 10.77.0.1\nvip 10.77.0.10/24\n"

static struct had_conf conf;
static struct conf_error err;

static bool read_text(const char *text) {
    struct conf c;
    err.text[0] = 0;
    if (!conf_parse(&c, "duet.conf", text, strlen(text), true, &err)) return false;
    bool good = had_conf_take(&conf, &c, &err);
    conf_free(&c);
    return good;
}

static void a_good_one(void) {
    ok(read_text(NODE PAIR NET "[ha]\nbeat-ms 25\nprofile fast\n"
                               "[instance 0]\nmemory 256mb\n[instance 3]\nport 7000\n"),
       "a whole configuration is taken") ||
        printf("# %s\n", err.text);
    ok(conf.setup.node == 1 && conf.setup.pair == 77, "node and pair");
    is_str(conf.name, "duet-b", "name");
    ok(conf.secrets.now[0] == 0x5a && conf.secrets.now[31] == 0x5a, "secret");
    is_int(conf.setup.timing.beat_ms, 25, "a time overrules the profile wherever it stands");
    is_int(conf.setup.timing.path_ms, 50, "what follows from beat and demote-time follows");
    is_int(conf.instance_count, 2, "instances are counted");
    ok(conf.instances[0].port == 6379 && conf.instances[1].port == 7000, "ports");
    is_int(conf.instances[1].number, 3, "numbers");
    uint32_t before = conf.setup.config;
    read_text(NODE PAIR NET "[ha]\nbeat-ms 40\n");
    ok(conf.setup.config != 0 && conf.setup.config != before, "the fingerprint knows the times");
    is_int(conf.instance_count, 1, "without [instance] there is instance 0");
}

static const char *differing(const char *text, uint64_t from) {
    static char out[240];
    ok(read_text(text), "a configuration to compare is taken");
    return had_agree_differing(from, conf.setup.config_parts, out, sizeof out);
}

static void what_differs_is_named(void) {
    read_text(NODE PAIR NET);
    uint64_t parts = conf.setup.config_parts;
    is_str(differing("[node]\nnode a\n" PAIR
                     "[network]\nservice eth7 10.77.0.11/24 peer 10.77.0.12\n"
                     "crossover eth8 10.78.0.1/30 peer 10.78.0.2\n"
                     "gateway 10.77.0.1\nvip 10.77.0.10/24\n",
                     parts),
           "", "the other node's file, written from its side, agrees");
    is_str(differing(NODE PAIR NET "[ha]\ndead-time-ms 600\n[instance 0]\nport 7000\n", parts),
           "the times ([ha]), and the instances and their ports", "times and ports are named");
    is_str(differing(NODE PAIR "[network]\nservice eth0 10.77.0.12/24 peer 10.77.0.11\n"
                               "crossover eth1 10.78.0.2/30 peer 10.78.0.1\ngateway 10.77.0.1\n"
                               "vip 10.77.0.9/24\n",
                     parts),
           "the virtual address ([network] vip, read-vip)", "the virtual address is named");
}

static void refused(const char *text, const char *sentence) {
    bool good = read_text(text);
    ok(!good && strstr(err.text, sentence), "refused: %s", sentence);
    if (good || !strstr(err.text, sentence)) printf("# got: %s\n", err.text);
}

#define KEY64 "775a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"

static void arbiters(void) {
    ok(read_text(NODE PAIR NET "[ha]\nwitness 192.0.2.9 7810 " KEY64
                               "\nfence ipmi 2001:db8::7 root \"a b\"\n"),
       "a witness and a fence are taken") ||
        printf("# %s\n", err.text);
    ok(conf.setup.has_witness && conf.setup.has_fence, "the core is told of both");
    ok(conf.arbiter.witness.port == 7810 && conf.arbiter.witness.key[0] == 0x77 &&
           strcmp(conf.arbiter.witness.host, "192.0.2.9") == 0,
       "address, port and key of the witness");
    ok(strcmp(conf.arbiter.fence.host, "2001:db8::7") == 0 &&
           strcmp(conf.arbiter.fence.user, "root") == 0 &&
           strcmp(conf.arbiter.fence.password, "a b") == 0,
       "address, user and password of the fence");
    read_text(NODE PAIR NET);
    ok(!conf.setup.has_witness && !conf.setup.has_fence, "without the lines there is neither");
    uint64_t parts = conf.setup.config_parts;
    is_str(differing(NODE PAIR NET "[ha]\nwitness 192.0.2.9 7810 " KEY64 "\n", parts),
           "the arbiters ([ha] witness, fence)", "a witness that one node knows alone is named");
    refused(NODE PAIR NET "[ha]\nwitness 192.0.2.9 7810 77\n",
            "duet.conf:13: the witness's key must be 64 hexadecimal digits");
    refused(NODE PAIR NET "[ha]\nwitness host.example 7810 " KEY64 "\n", "is no address");
    refused(NODE PAIR NET "[ha]\nwitness 192.0.2.9 0 " KEY64 "\n", "port is 1 to 65535");
    refused(NODE PAIR NET "[ha]\nfence apc 192.0.2.9 a b\n", "the only fence is 'ipmi'");
    refused(NODE PAIR NET "[ha]\nfence ipmi 192.0.2.9 root 123456789012345678901\n",
            "password has 1 to 20 characters");
    refused(NODE PAIR NET "[ha]\nfence ipmi 192.0.2.9 a b\nfence ipmi 192.0.2.8 a b\n",
            "there is one fence");
}

static void complaints(void) {
    refused("[node]\nnode c\n" PAIR NET, "duet.conf:2: 'c' is neither 'b' nor 'a'");
    refused(PAIR NET, "[node] needs");
    refused(NODE NET, "[pair] needs 'id");
    refused(NODE "[pair]\nid 1\n" NET, "[pair] needs 'secret");
    refused(NODE "[pair]\nid 0\n" NET, "duet.conf:5: 'id' must be a number from 1 to 65535");
    refused(NODE "[pair]\nid 1\nsecret abc\n" NET, "duet.conf:6: the secret must be 64");
    refused(NODE PAIR, "[network] needs 'service");
    refused(NODE PAIR NET "[ha]\nbeat-ms fast\n", "duet.conf:13: 'beat-ms' must be a number");
    refused(NODE PAIR NET "[ha]\nspeed 9\n", "duet.conf:13: ");
    refused(NODE PAIR NET "[ha]\ndemote-time-ms 600\n", "[ha] dead-time-ms must be longer");
    refused(NODE PAIR NET "[instance x]\nport 1\n", "a number from 0 to 63");
    refused(NODE PAIR NET "[instance 0]\nport 0\n", "'port' must be a number");
    refused(NODE PAIR NET "[instance 0]\nport 7\n[instance 1]\nport 7\n",
            "port 7 is instance 0's already");
    refused(NODE PAIR NET "[ha]\nlast-path maybe\n", "neither 'promote' nor 'hold'");
}

int main(void) {
    a_good_one();
    what_differs_is_named();
    arbiters();
    complaints();
    return done();
}
