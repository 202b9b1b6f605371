# Duet's only Makefile. `make help` lists the targets. Sources are found by wildcard, one line a
# folder; objects go to build/obj, their twins for tests to build/san, build/sim and build/fuzz.
# Third-party parts are built outside the tree by image/libs/build and seen here through links in
# build/deps. image/image.mk (kernel, disk image, QEMU pair) is part of this file.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build/duet
SHELL := /bin/bash
Q := $(if $(V),,@)# make V=1 shows the commands

CACHE := $(or $(DUET_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/duet)
export DUET_CACHE := $(CACHE)

# ---- sources -------------------------------------------------------------------------------

DUET_DIRS := \
	server/base \
	server/proto \
	server/store \
	server/cmd \
	server/persist \
	server/repl \
	server/script \
	server \
	hactl \
	hactl/import \
	netcfg \
	rootfs
DUET_SRC := $(sort $(wildcard $(addsuffix /*.c,$(DUET_DIRS))))
DUET_OBJ := $(DUET_SRC:%.c=build/obj/%.o)

# What a GET or SET passes through. These are optimised together at the link (2 s of it; `make HOT=` goes
# without), so that its functions are inlined across files.
HOT := $(addprefix server/, \
	base/buf.c base/clock.c base/hash.c base/loop.c base/num.c base/stream.c \
	proto/replline.c proto/resp_parse.c proto/resp_write.c \
	store/dict.c store/entry.c store/store.c store/string.c store/value.c store/walk.c \
	cmd/call.c cmd/lookup.c cmd/set.c cmd/string.c \
	repl/backlog.c repl/stream.c \
	client.c dispatch.c output.c pair.c propagate.c)

# ---- third-party parts ---------------------------------------------------------------------
# build/deps/musl/NAME and build/deps/host/NAME are links to finished builds in the cache:
# static archives in lib/, headers in include/, programs in bin/.

MUSL_LIBS := libev bearssl lua jemalloc zstd
HOST_LIBS := libev bearssl lua zstd

LIBEV_A := build/deps/musl/libev/lib/libev.a
LIBBEARSSL_A := build/deps/musl/bearssl/lib/libbearssl.a
LIBLUA_A := build/deps/musl/lua/lib/liblua.a
LIBJEMALLOC_A := build/deps/musl/jemalloc/lib/libjemalloc.a
LIBZSTD_A := build/deps/musl/zstd/lib/libzstd.a

MUSL_A := $(LIBEV_A) $(LIBBEARSSL_A) $(LIBLUA_A) $(LIBJEMALLOC_A) $(LIBZSTD_A)
MUSL_INC := $(MUSL_LIBS:%=-isystem build/deps/musl/%/include)
HOST_A := \
	build/deps/host/libev/lib/libev.a \
	build/deps/host/bearssl/lib/libbearssl.a \
	build/deps/host/lua/lib/liblua.a \
	build/deps/host/zstd/lib/libzstd.a
HOST_INC := $(HOST_LIBS:%=-isystem build/deps/host/%/include)

# For image/image.mk: depend on these stamps, and take the programs from build/deps.
PROGRAMS := dropbear e2fsprogs chrony smartmontools ipmitool
PROGRAMS_READY := $(PROGRAMS:%=build/stamp/musl-%)
DROPBEAR := build/deps/musl/dropbear/bin/dropbearmulti
E2FSPROGS := build/deps/musl/e2fsprogs/sbin
CHRONY := build/deps/musl/chrony
IPMITOOL := build/deps/musl/ipmitool/bin/ipmitool
SMARTCTL := build/deps/musl/smartmontools/sbin/smartctl
GRUB_READY := build/stamp/debs-grub
GRUB := build/deps/debs/grub

# A cache that was emptied: forget what was said about it.
ifneq ($(shell find build/deps -xtype l 2>/dev/null),)
$(shell rm -f build/stamp/musl-* build/stamp/host-* build/stamp/debs-* build/stamp/node)
endif

MUSL_READY := build/deps/musl.ready
HOST_READY := build/deps/host.ready

# ---- compilers -----------------------------------------------------------------------------

CC := build/deps/musl/toolchain/bin/musl-gcc
CLANG := clang

WARN := \
	-Wall \
	-Wextra \
	-Wshadow \
	-Wstrict-prototypes \
	-Wmissing-prototypes \
	-Wpointer-arith \
	-Wcast-qual \
	-Wwrite-strings \
	-Wvla \
	-Wformat=2 \
	-Wundef \
	-Werror
# gcc alone: clang means more by it, and the product is what has to be clean.
WARN_GCC := \
	-Wconversion \
	-Wno-sign-conversion \
	-Wlogical-op \
	-Wduplicated-cond

STD := -std=gnu11 -D_GNU_SOURCE -I.
MAP := -ffile-prefix-map=$(CACHE)=deps -ffile-prefix-map=$(CURDIR)=.
COMMON := -O2 -g -fno-strict-aliasing -fno-omit-frame-pointer -fstack-protector-strong
CFLAGS := $(STD) $(COMMON) $(WARN) $(WARN_GCC) $(MAP) $(MUSL_INC)
LDFLAGS := -static -no-pie -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,relro,-z,now
CFLAGS += -ffunction-sections -fdata-sections -fno-pie
HOT_FLAGS := -flto -fomit-frame-pointer

SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_CFLAGS := $(STD) -O1 -g -fno-omit-frame-pointer $(WARN) $(SAN) $(HOST_INC)
SIM_CFLAGS := $(STD) -O2 -g -fno-omit-frame-pointer $(WARN) -fsanitize=undefined \
	-fno-sanitize-recover=all $(HOST_INC)
FUZZ_CFLAGS := $(STD) -O1 -g -fno-omit-frame-pointer $(WARN) $(SAN) -fsanitize=fuzzer-no-link $(HOST_INC)
# Without warnings: they are the other builds' job.
TSAN_CFLAGS := $(STD) -O1 -g -fno-omit-frame-pointer -w -fsanitize=thread $(HOST_INC)
TEST_LIBS := -Wl,--start-group $(HOST_A) -Wl,--end-group -lm -lpthread

# ---- the binary ----------------------------------------------------------------------------

.PHONY: all help clean FORCE
all: build/duet ## the static binary, build/duet (the default)

build/duet: $(DUET_OBJ) $(MUSL_READY)
	@echo link $@
	$(Q)$(CC) $(if $(HOT),-O2 -flto -flto-partition=one $(MAP)) $(LDFLAGS) -o $@ $(DUET_OBJ) $(MUSL_A) -lm -lpthread

$(HOT:%.c=build/obj/%.o): CFLAGS += $(HOT_FLAGS)
build/obj/%.o: %.c $(MUSL_READY) | build/version.h
	@mkdir -p $(@D)
	@echo cc $<
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# The version is rewritten only when it changes, so that it costs a compilation only then.
build/version.h: FORCE
	@mkdir -p $(@D)
	@v=$$(git describe --tags --always --dirty=+ 2>/dev/null || echo unknown); \
	printf '#define DUET_VERSION "%s"\n' "$$v" >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# ---- bootstrap and third-party builds ------------------------------------------------------
# A stamp says that the packages are there. The bootstrap itself decides what is missing.

build/stamp/packages-%: image/bootstrap image/manifest.lock
	@mkdir -p $(@D)
	image/bootstrap $*
	@image/fetch --tools
	@touch $@

LIB_SCRIPTS := image/manifest.lock $(wildcard image/fetch* image/libs/* image/patches/*)

# image/libs/build makes the link build/deps/KIND/NAME, from the cache when it is there already.
build/stamp/musl-toolchain: $(LIB_SCRIPTS) | build/stamp/packages-build
	image/libs/build musl toolchain
	@touch $@

build/stamp/musl-ipmitool: build/stamp/musl-bearssl
build/stamp/musl-smartmontools: | build/stamp/packages-run # g++
build/stamp/musl-%: $(LIB_SCRIPTS) build/stamp/musl-toolchain
	image/libs/build musl $*
	@touch $@

build/stamp/host-%: $(LIB_SCRIPTS) | build/stamp/packages-build
	image/libs/build host $*
	@touch $@

build/stamp/debs-%: $(LIB_SCRIPTS) | build/stamp/packages-build
	image/libs/build debs $*
	@touch $@

# Touched only when a link changed, so a renewed lock that moves nothing here rebuilds nothing.
define ready
	@for d in $(1); do readlink build/deps/$$d; done >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@
endef
$(MUSL_READY): build/stamp/musl-toolchain $(MUSL_LIBS:%=build/stamp/musl-%)
	$(call ready,musl/toolchain $(MUSL_LIBS:%=musl/%))
$(HOST_READY): $(HOST_LIBS:%=build/stamp/host-%)
	$(call ready,$(HOST_LIBS:%=host/%))

.PRECIOUS: build/stamp/% build/obj/%.o build/san/%.o build/sim/%.o build/fuzz/%.o

# ---- the benchmark -------------------------------------------------------------------------

BENCH_BIN := build/tests/bench/load build/tests/bench/responder
build/tests/bench/load: $(addprefix build/obj/tests/bench/,load.o replies.o template.o)
build/tests/bench/responder: build/obj/tests/bench/responder.o
$(BENCH_BIN): $(MUSL_READY)
	@mkdir -p $(@D)
	@echo link $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBEV_A) -lm

# ---- test programs -------------------------------------------------------------------------
# The first comment of a C test, `/* link: a.c b.c */`, names the objects that it needs.

UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
SIM_SRC := $(sort $(shell grep -l '^/\* link:' tests/sim/sim_*.c 2>/dev/null))# the others are parts of these
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/test_%.c=build/tests/unit/%)
SIM_BIN := $(SIM_SRC:tests/sim/sim_%.c=build/tests/sim/%)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=build/tests/fuzz/%)

build/san/%.o: %.c $(HOST_READY) | build/version.h build/stamp/packages-test
	@mkdir -p $(@D)
	@echo clang $< '(san)'
	$(Q)$(CLANG) $(SAN_CFLAGS) -MMD -MP -c -o $@ $<
build/sim/%.o: %.c $(HOST_READY) | build/version.h build/stamp/packages-test
	@mkdir -p $(@D)
	@echo clang $< '(sim)'
	$(Q)$(CLANG) $(SIM_CFLAGS) -MMD -MP -c -o $@ $<
build/fuzz/%.o: %.c $(HOST_READY) | build/version.h build/stamp/packages-test
	@mkdir -p $(@D)
	@echo clang $< '(fuzz)'
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

# The whole binary under ThreadSanitizer, for tests/clients/test_threads.py.
TSAN_SRC := $(filter-out server/base/alloc.c,$(DUET_SRC)) tests/clients/tsan_alloc.c
build/tsan/duet: $(TSAN_SRC:%.c=build/tsan/%.o) $(HOST_READY)
	@echo link $@
	$(Q)$(CLANG) -fsanitize=thread -o $@ $(filter %.o,$^) $(TEST_LIBS)
build/tsan/%.o: %.c $(HOST_READY) | build/version.h build/stamp/packages-test
	@mkdir -p $(@D)
	@echo clang $< '(tsan)'
	$(Q)$(CLANG) $(TSAN_CFLAGS) -MMD -MP -c -o $@ $<

# The whole binary under ASan and UBSan, for tests/clients/test_hostile.py (DUET_FULL=1, or when it is there).
$(patsubst %.c,build/san/%.o,$(wildcard netcfg/*.c rootfs/*.c)): SAN_CFLAGS += -Wno-cast-qual # glibc's netlink macros
build/san/duet: $(TSAN_SRC:%.c=build/san/%.o) $(HOST_READY)
	@echo link $@
	$(Q)$(CLANG) $(SAN) -o $@ $(filter %.o,$^) $(TEST_LIBS)

# Client libraries of npm, pinned in tests/clients/node, and a program with Debian's hiredis.
build/stamp/node: $(wildcard tests/clients/node/package*.json) tests/clients/node/install | build/stamp/packages-test
	@tests/clients/node/install build/deps/node
	@touch $@
build/tests/clients/hiredis: tests/clients/hiredis.c tests/unit/tap.h $(HOST_READY) | build/stamp/packages-test
	@mkdir -p $(@D)
	@echo gcc $<
	$(Q)gcc $(STD) -O1 -g $(WARN) $(HOST_INC) -o $@ $< build/deps/host/libev/lib/libev.a -lhiredis -lm
# The product with a wall clock that a test can move, for tests/pair/test_clocks.py.
build/tests/pair/duet-clock: build/obj/tests/pair/clock_shift.o $(DUET_OBJ) $(MUSL_READY)
	@mkdir -p $(@D)
	@echo link $@
	$(Q)$(CC) $(if $(HOT),-O2 -flto -flto-partition=one $(MAP)) $(LDFLAGS) -Wl,--wrap=clock_gettime,--wrap=time,--wrap=gettimeofday \
		-o $@ $(filter %.o,$^) $(MUSL_A) -lm -lpthread
build/tests/pair/wire: tests/pair/wire.c | build/stamp/packages-test
	@mkdir -p $(@D)
	@echo gcc $<
	$(Q)gcc $(STD) -O1 -g $(WARN) -o $@ $<

$(UNIT_BIN):
	@mkdir -p $(@D)
	@echo link $@
	$(Q)$(CLANG) $(SAN) -o $@ $(filter %.o,$^) $(TEST_LIBS)
$(SIM_BIN):
	@mkdir -p $(@D)
	@echo link $@
	$(Q)$(CLANG) -fsanitize=undefined -o $@ $(filter %.o,$^) $(TEST_LIBS)
$(FUZZ_BIN):
	@mkdir -p $(@D)
	@echo link $@
	$(Q)$(CLANG) $(SAN) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(TEST_LIBS)

build/tests.mk: tests/link.awk $(UNIT_SRC) $(SIM_SRC) $(FUZZ_SRC) $(wildcard tests/unit tests/sim tests/fuzz)
	@mkdir -p $(@D)
	@awk -f tests/link.awk $(UNIT_SRC) $(SIM_SRC) $(FUZZ_SRC) /dev/null >$@.new && mv $@.new $@

.PHONY: stage-tidy stage-unit stage-sim stage-fuzz stage-compat stage-clients stage-pair stage-image
stage-tidy: build/duet build/stamp/packages-test
stage-unit: $(UNIT_BIN) build/stamp/packages-test
stage-sim: $(SIM_BIN) build/stamp/packages-test
stage-fuzz: $(FUZZ_BIN) build/stamp/packages-test
stage-compat: build/duet build/stamp/packages-test build/stamp/debs-redis
stage-clients: build/duet build/tsan/duet $(BENCH_BIN) build/stamp/packages-test build/stamp/debs-redis \
	build/stamp/node build/tests/clients/hiredis $(if $(filter 1,$(DUET_FULL)),build/san/duet)
stage-pair: build/duet build/tests/pair/wire build/tests/pair/duet-clock build/stamp/packages-test build/stamp/debs-redis \
	build/stamp/node build/stamp/musl-ipmitool build/stamp/debs-ipmisim
stage-image: build/duet build/stamp/packages-test build/stamp/debs-redis

# ---- what people call ----------------------------------------------------------------------

.PHONY: test test-all bench lock vendor
test: build/stamp/packages-test ## every stage, the long matrices by a seeded sample; ends in `N passed, N failed`
	+@tests/run

test-all: build/stamp/packages-test ## the same with the full counts
	+@DUET_FULL=1 tests/run

BENCH_NEEDS := $(if $(findstring failover,$(PART)),build/stamp/debs-keepalived build/stamp/packages-test) \
	$(if $(findstring false-takeovers,$(PART)),build/tests/pair/wire)
bench: build/duet $(BENCH_BIN) build/stamp/debs-redis $(BENCH_NEEDS) ## side by side with other servers, into build/bench (QUICK=1, PART=cpu,memory, PEERS=DIR)
	@QUICK='$(QUICK)' PART='$(PART)' PEERS='$(PEERS)' LIMIT='$(LIMIT)' MINUTES='$(MINUTES)' REPETITIONS='$(REPETITIONS)' /usr/bin/python3 tests/bench/bench.py

lock: build/stamp/packages-build ## renew the pins in image/manifest.lock from the machine's Debian mirror
	image/fetch --lock

vendor: build/stamp/packages-build ## pack all sources and build tools for a machine without a network
	image/fetch --vendor build/duet-vendor.tar

clean: ## remove build/ (the cache outside the tree stays)
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z][a-zA-Z0-9_-]*\):.*## \(.*\)/  make \1\t\2/p' $(wildcard Makefile image/image.mk) | \
		while IFS=$$'\t' read -r t d; do printf '%-18s %s\n' "$$t" "$$d"; done

-include image/image.mk

# Rules generated from the tests' first lines, and the headers each object was made from.
ifneq ($(filter-out help clean lock vendor,$(or $(MAKECMDGOALS),all)),)
include build/tests.mk
-include $(DUET_OBJ:.o=.d)
-include $(wildcard build/obj/tests/bench/*.d)
-include $(wildcard build/san/*/*.d build/san/*/*/*.d build/sim/*/*.d build/sim/*/*/*.d \
	build/fuzz/*/*.d build/fuzz/*/*/*.d build/tsan/*/*.d build/tsan/*/*/*.d)
endif
