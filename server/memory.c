/* See memory.h. */
#include "server/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/client.h"
#include "server/defrag.h"
#include "server/output.h"
#include "server/script/script.h"
#include "server/server.h"

typedef unsigned long long ull;

static struct {
    struct alloc_stats alloc;
    uint64_t at_ns;  /* 0: messages were on their way, it does not hold for long */
    size_t resident; /* of the process, as the kernel counts */
    size_t store;    /* the store's count at that moment */
    size_t startup, peak;
    size_t backlog; /* of replication, with what slaves have still to get */
} sampled;

static size_t resident_bytes(void) {
    long pages = 0, ignored;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%ld %ld", &ignored, &pages) != 2) pages = 0;
    fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

size_t memory_used(void) {
    size_t store = store_memory(server.store), then = sampled.store;
    size_t grown = store > then ? store - then : 0, shrunk = then > store ? then - store : 0;
    size_t used = sampled.alloc.allocated + grown;
    used = used > shrunk ? used - shrunk : store;
    if (used > sampled.peak) sampled.peak = used;
    return used;
}

/* Sent to slaves late or not at all yet: beyond the backlog's own size. */
static size_t slaves_bytes(void) {
    size_t own = (size_t)server.config.backlog_bytes;
    return sampled.backlog > own ? sampled.backlog - own : 0;
}

size_t memory_counted(void) {
    size_t used = memory_used(), apart = slaves_bytes() + store_doomed_memory(server.store);
    return used > apart ? used - apart : 0;
}

static void sample_allocated(void) {
    alloc_stats(&sampled.alloc);
    sampled.store = store_memory(server.store);
    sampled.at_ns = output_any_pushes() ? 0 : clock_boot_ns();
}

void memory_sample_again(void) {
    enum { FRESH_NS = 1000000 };
    if (clock_boot_ns() - sampled.at_ns > FRESH_NS) sample_allocated();
}

void memory_sample(void) {
    sample_allocated();
    sampled.resident = resident_bytes();
    sampled.backlog = server.repl ? repl_backlog_memory(server.repl) : 0;
    if (!sampled.startup) sampled.startup = sampled.alloc.allocated;
    memory_used();
}

void memory_pages(size_t *used, size_t *pages) {
    *used = sampled.alloc.allocated;
    *pages = sampled.alloc.active;
}

void memory_reset_peak(void) {
    sampled.peak = 0;
    memory_used();
}

/* ---- The figures, once for INFO and for MEMORY STATS ----------------------------------------- */

struct figures {
    size_t used, dataset, overhead, clients, backlog, slaves, allocated, active, resident, rss;
    size_t net; /* used by what came after the start */
    size_t keys;
    double dataset_perc, peak_perc;
};

static size_t tables_bytes(void) {
    size_t n = 0;
    for (int db = 0; db < store_databases(server.store); db++)
        n += store_table_memory(server.store, db);
    return n;
}

static double ratio(size_t a, size_t b) {
    return b ? (double)a / (double)b : 0;
}

static long long apart(size_t a, size_t b) {
    return (long long)a - (long long)b;
}

static struct figures figures_now(void) {
    struct figures f = {0};
    memory_sample();
    f.used = memory_used();
    for (const struct client *c = server.clients; c; c = c->next) f.clients += client_memory(c);
    f.slaves = slaves_bytes();
    f.backlog = sampled.backlog - f.slaves;
    f.overhead = sampled.startup + f.clients + sampled.backlog + tables_bytes();
    f.dataset = f.used > f.overhead ? f.used - f.overhead : 0;
    f.net = f.used > sampled.startup ? f.used - sampled.startup : 0;
    f.dataset_perc = 100 * ratio(f.dataset, f.net);
    f.peak_perc = 100 * ratio(f.used, sampled.peak);
    f.allocated = sampled.alloc.allocated;
    f.active = sampled.alloc.active;
    f.resident = sampled.alloc.resident;
    f.rss = sampled.resident;
    for (int db = 0; db < store_databases(server.store); db++)
        f.keys += store_count(server.store, db);
    return f;
}

/* ---- INFO ------------------------------------------------------------------------------------ */

static void human(struct buf *out, const char *name, uint64_t bytes) {
    char text[32];
    num_format_bytes_human(text, sizeof text, bytes);
    buf_printf(out, "%s:%llu\r\n%s_human:%s\r\n", name, (ull)bytes, name, text);
}

static void info_lua(struct buf *out) {
    size_t vm = script_vm_bytes(), scripts = script_cache_bytes();
    char text[32];
    num_format_bytes_human(text, sizeof text, vm);
    buf_printf(out,
               "used_memory_lua:%zu\r\nused_memory_vm_eval:%zu\r\n"
               "used_memory_lua_human:%s\r\nused_memory_scripts_eval:%zu\r\n"
               "number_of_cached_scripts:%zu\r\nnumber_of_functions:0\r\n"
               "number_of_libraries:0\r\nused_memory_vm_functions:0\r\n",
               vm, vm, text, scripts, script_count());
    human(out, "used_memory_vm_total", vm);
    buf_add_str(out, "used_memory_functions:0\r\n");
    human(out, "used_memory_scripts", scripts);
}

static void info_fragmentation(struct buf *out, const struct figures *f) {
    buf_printf(out,
               "allocator_frag_ratio:%.2f\r\nallocator_frag_bytes:%lld\r\n"
               "allocator_rss_ratio:%.2f\r\nallocator_rss_bytes:%lld\r\n"
               "rss_overhead_ratio:%.2f\r\nrss_overhead_bytes:%lld\r\n"
               "mem_fragmentation_ratio:%.2f\r\nmem_fragmentation_bytes:%lld\r\n",
               ratio(f->active, f->allocated), apart(f->active, f->allocated),
               ratio(f->resident, f->active), apart(f->resident, f->active),
               ratio(f->rss, f->resident), apart(f->rss, f->resident), ratio(f->rss, f->used),
               apart(f->rss, f->used));
}

void memory_info(struct buf *out) {
    struct figures f = figures_now();
    human(out, "used_memory", f.used);
    human(out, "used_memory_rss", f.rss);
    human(out, "used_memory_peak", sampled.peak);
    buf_printf(out,
               "used_memory_peak_perc:%.2f%%\r\nused_memory_overhead:%zu\r\n"
               "used_memory_startup:%zu\r\nused_memory_dataset:%zu\r\n"
               "used_memory_dataset_perc:%.2f%%\r\nallocator_allocated:%zu\r\n"
               "allocator_active:%zu\r\nallocator_resident:%zu\r\n",
               f.peak_perc, f.overhead, sampled.startup, f.dataset, f.dataset_perc, f.allocated,
               f.active, f.resident);
    human(out, "total_system_memory",
          (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
    info_lua(out);
    human(out, "maxmemory", server.config.maxmemory);
    buf_printf(out, "maxmemory_policy:%s\r\n", config_word("maxmemory-policy"));
    info_fragmentation(out, &f);
    buf_printf(out,
               "mem_not_counted_for_evict:%zu\r\nmem_replication_backlog:%zu\r\n"
               "mem_total_replication_buffers:%zu\r\nmem_clients_slaves:%zu\r\n"
               "mem_clients_normal:%zu\r\nmem_cluster_links:0\r\nmem_aof_buffer:0\r\n"
               "mem_allocator:%s\r\nactive_defrag_running:%d\r\n"
               "lazyfree_pending_objects:%zu\r\nlazyfreed_objects:%zu\r\n",
               f.slaves, f.backlog, f.backlog + f.slaves, f.slaves, f.clients, alloc_name(),
               defrag_running(), store_doomed(server.store),
               store_buried(server.store) - server.stats.buried_before);
}

/* ---- MEMORY ---------------------------------------------------------------------------------- */

static void memory_usage(struct call *c) {
    int64_t samples;
    for (int i = 3; i < c->argc; i += 2) {
        if (!bytes_is(c->argv[i], "samples") || i + 1 == c->argc) {
            reply_error(c, ERR_SYNTAX);
            return;
        }
        if (!arg_int(c, i + 1, &samples)) return;
        if (samples < 0) {
            reply_error(c, ERR_SYNTAX);
            return;
        }
    }
    /* Every kind counts its bytes as they come and go, so nothing is sampled. */
    const struct entry *e = call_inspect(c, c->argv[2]);
    if (!e) {
        reply_null(c);
        return;
    }
    size_t keys = store_count(c->store, c->db);
    reply_int(c, (int64_t)(entry_memory(e) + store_table_memory(c->store, c->db) / keys));
}

static void pair_int(struct call *c, const char *name, long long v) {
    reply_bulk_str(c, name);
    reply_int(c, v);
}

static void pair_double(struct call *c, const char *name, double v) {
    reply_bulk_str(c, name);
    reply_double(c, v);
}

static void stats_databases(struct call *c) {
    char name[32];
    for (int db = 0; db < store_databases(server.store); db++) {
        if (!store_count(server.store, db)) continue;
        snprintf(name, sizeof name, "db.%d", db);
        reply_bulk_str(c, name);
        reply_map(c, 3);
        pair_int(c, "overhead.hashtable.main", (long long)store_table_memory(server.store, db));
        pair_int(c, "overhead.hashtable.expires", 0);
        pair_int(c, "overhead.hashtable.slot-to-keys", 0);
    }
}

static void memory_stats(struct call *c) {
    struct figures f = figures_now();
    size_t used_dbs = 0;
    for (int db = 0; db < store_databases(server.store); db++)
        used_dbs += store_count(server.store, db) > 0;
    reply_map(c, 27 + used_dbs);
    pair_int(c, "peak.allocated", (long long)sampled.peak);
    pair_int(c, "total.allocated", (long long)f.used);
    pair_int(c, "startup.allocated", (long long)sampled.startup);
    pair_int(c, "replication.backlog", (long long)f.backlog);
    pair_int(c, "clients.slaves", (long long)f.slaves);
    pair_int(c, "clients.normal", (long long)f.clients);
    pair_int(c, "cluster.links", 0);
    pair_int(c, "aof.buffer", 0);
    pair_int(c, "lua.caches", (long long)script_cache_bytes());
    pair_int(c, "functions.caches", 0);
    stats_databases(c);
    pair_int(c, "overhead.total", (long long)f.overhead);
    pair_int(c, "keys.count", (long long)f.keys);
    pair_int(c, "keys.bytes-per-key", f.keys ? (long long)(f.net / f.keys) : 0);
    pair_int(c, "dataset.bytes", (long long)f.dataset);
    pair_double(c, "dataset.percentage", f.dataset_perc);
    pair_double(c, "peak.percentage", f.peak_perc);
    pair_int(c, "allocator.allocated", (long long)f.allocated);
    pair_int(c, "allocator.active", (long long)f.active);
    pair_int(c, "allocator.resident", (long long)f.resident);
    pair_double(c, "allocator-fragmentation.ratio", ratio(f.active, f.allocated));
    pair_int(c, "allocator-fragmentation.bytes", apart(f.active, f.allocated));
    pair_double(c, "allocator-rss.ratio", ratio(f.resident, f.active));
    pair_int(c, "allocator-rss.bytes", apart(f.resident, f.active));
    pair_double(c, "rss-overhead.ratio", ratio(f.rss, f.resident));
    pair_int(c, "rss-overhead.bytes", apart(f.rss, f.resident));
    pair_double(c, "fragmentation", ratio(f.rss, f.used));
    pair_int(c, "fragmentation.bytes", apart(f.rss, f.used));
}

/* What an operator would want to hear, each with what to do about it. */
static void diagnose(struct buf *out) {
    enum { SMALL = 5 << 20, SLACK = 10 << 20 };
    struct figures f = figures_now();
    if (f.used < SMALL) {
        buf_add_str(out, "There is hardly any data yet, so there is nothing to judge.\n");
        return;
    }
    if (sampled.peak > f.used + f.used / 2)
        buf_printf(out,
                   "Peak: %zu bytes were in use once, half as much again as now. Until pages are "
                   "given back, resident memory looks high; MEMORY PURGE hurries that.\n",
                   sampled.peak);
    if (f.active > f.allocated + f.allocated / 10 && f.active > f.allocated + SLACK)
        buf_printf(out,
                   "Fragmentation: pages hold %.2f times the bytes that are in use. Values of one "
                   "size went and others of another size came; activedefrag yes moves what is left "
                   "together.\n",
                   ratio(f.active, f.allocated));
    if (f.resident > f.active + f.active / 10 && f.resident > f.active + SLACK)
        buf_add_str(out, "Allocator: pages that are free have not gone back to the system yet: a "
                         "matter of seconds, or of MEMORY PURGE.\n");
    if (f.rss > f.resident + f.resident / 10 && f.rss > f.resident + SLACK)
        buf_add_str(out, "Process: memory is resident that the allocator does not know of.\n");
    if (f.clients > f.used / 4)
        buf_printf(out,
                   "Clients: %zu bytes stand in the buffers of connections. CLIENT LIST shows "
                   "whose; client-output-buffer-limit bounds them.\n",
                   f.clients);
    if (!buf_len(out)) buf_add_str(out, "Nothing is wrong with this instance's memory.\n");
}

static void memory_doctor(struct call *c) {
    struct buf text = BUF_INIT;
    diagnose(&text);
    resp_verbatim(c->out, c->resp, "txt", buf_head(&text), buf_len(&text));
    buf_free(&text);
}

static void add_piece(void *arg, const char *text) {
    buf_add_str(arg, text);
}

static void memory_malloc_stats(struct call *c) {
    struct buf text = BUF_INIT;
    alloc_report(add_piece, &text);
    resp_verbatim(c->out, c->resp, "txt", buf_head(&text), buf_len(&text));
    buf_free(&text);
}

static void memory_purge(struct call *c) {
    alloc_purge();
    reply_ok(c);
}

static void memory_help(struct call *c) {
    static const char *const lines[] = {"DOCTOR",
                                        "    What is wrong with memory, and what to do.",
                                        "MALLOC-STATS",
                                        "    The allocator's own report.",
                                        "PURGE",
                                        "    Give free pages back to the system now.",
                                        "STATS",
                                        "    What memory is used for.",
                                        "USAGE <key> [SAMPLES <count>]",
                                        "    Bytes that a key and its value take; exact, whatever "
                                        "the count.",
                                        NULL};
    reply_help(c, lines);
}

void register_memory_commands(void) {
    command_set_function("memory|usage", memory_usage);
    command_set_function("memory|stats", memory_stats);
    command_set_function("memory|doctor", memory_doctor);
    command_set_function("memory|malloc-stats", memory_malloc_stats);
    command_set_function("memory|purge", memory_purge);
    command_set_function("memory|help", memory_help);
}
