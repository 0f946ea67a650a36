# livetally. `make help` lists what can be made.
#
# Layers, each built from its folder:  core ◀── store (Redis), net (libwebsockets) ◀── daemon
#                                       core ◀── auth (tokens) ◀── daemon, cli
#                                       core, store ◀── verify (auditor) ◀── cli
# Variables worth setting: CC, CFLAGS, PREFIX, DESTDIR, WERROR=0, SANITIZE=address,undefined, V=1.

CC ?= cc
comma := ,
SANITIZE ?=
BUILD ?= build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))
WERROR ?= 1
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-6s %s\n' $(1) $@)
PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
SYSCONFDIR ?= /etc
UNITDIR ?= $(if $(filter /usr,$(PREFIX)),/lib/systemd/system,/etc/systemd/system)
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
DATADIR ?= $(PREFIX)/share/livetally
SYSUSERSDIR ?= $(if $(filter /usr,$(PREFIX)),/usr/lib/sysusers.d,/etc/sysusers.d)

# Of `make run`: DEMO=0 serves an empty data set for real orders instead of a simulated livestream.
DEMO ?= 1
PORT ?= 8090
RATE ?= 40

# All that is needed to build and run. redis-tools holds the Redis server too, without the system
# service that the package redis-server would start.
BUILD_PACKAGES := gcc libc6-dev make pkg-config libuv1-dev libwebsockets-dev \
	libwebsockets-evlib-uv libhiredis-dev libsystemd-dev libinih-dev libjwt-dev libssl-dev \
	uthash-dev zlib1g-dev redis-tools
TEST_PACKAGES := clang libclang-rt-14-dev clang-tidy clang-format cppcheck shellcheck \
	libcmocka-dev libjansson-dev python3 python3-pytest python3-pytest-xdist \
	python3-websockets python3-redis python3-seccomp python3-cryptography libfaketime systemd \
	valgrind man-db dpkg-dev binutils chromium chromium-driver \
	python3-selenium python3-pil fonts-noto-cjk node-ws

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wformat=2 -Wcast-qual -Wvla -Wwrite-strings \
	$(if $(filter 1,$(WERROR)),-Werror)
HARDENING = $(if $(SANITIZE)$(findstring -O0,$(CFLAGS)),,-D_FORTIFY_SOURCE=2 -fstack-protector-strong)
SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
CFLAGS ?= $(if $(SANITIZE),-O1,-O2) -g
CPPFLAGS_ALL = -D_GNU_SOURCE -Iinclude -I$(BUILD)/gen $(CPPFLAGS)
CFLAGS_ALL = -std=c11 $(CPPFLAGS_ALL) $(WARNINGS) $(HARDENING) $(SANFLAGS) $(CFLAGS)
LDFLAGS_ALL = $(SANFLAGS) $(if $(SANITIZE),,-Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now) $(LDFLAGS)

# pkg-config is asked when first needed and then remembered: it may not be installed yet.
DAEMON_LIBS = $(eval DAEMON_LIBS := $(shell pkg-config --libs \
	libwebsockets libuv hiredis libsystemd inih libjwt libssl libcrypto zlib))$(DAEMON_LIBS) -lm
CLIENT_LIBS = $(eval CLIENT_LIBS := $(shell pkg-config --libs \
	libwebsockets libuv hiredis libjwt libssl libcrypto))$(CLIENT_LIBS) -lm
TEST_LIBS = $(eval TEST_LIBS := $(shell pkg-config --libs cmocka jansson))$(TEST_LIBS) -lm

objects = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(wildcard $(1)))
CORE_OBJS := $(call objects,src/core/*.c)
STORE_OBJS := $(call objects,src/store/*.c)
NET_OBJS := $(call objects,src/net/*.c)
AUTH_OBJS := $(call objects,src/auth/*.c)
DAEMON_OBJS := $(call objects,src/daemon/*.c src/main.c)
CLIENT_OBJS := $(call objects,src/cli/*.c)
# `livetally verify` shares with the store how Redis is addressed and how keys are spelled.
VERIFY_OBJS := $(call objects,src/verify/*.c) $(BUILD)/obj/store/keys.o \
	$(BUILD)/obj/store/redis_target.o
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
LUA_FILES := $(wildcard src/store/lua/*.lua)
# The pages: our own files, and those that `make assets` gets by npm, or what stands in for them.
NPM_BUILD := build
NPM_ASSETS = $(if $(wildcard $(NPM_BUILD)/assets/uplot.js),$(NPM_BUILD)/assets,src/dashboard/without-npm)
ASSET_FILES := $(sort $(wildcard $(foreach folder,src/dashboard $(NPM_ASSETS),\
	$(addprefix $(folder)/*.,html css js svg csv))))
GENERATED := $(BUILD)/gen/lua_scripts.h $(BUILD)/gen/assets.h

C_FILES := $(wildcard src/*.c src/*/*.c)
H_FILES := $(wildcard include/livetally/*.h src/*/*.h)
TEST_C_FILES := $(wildcard tests/unit/*.[ch] tests/bench/*.[ch] tests/fuzz/*.[ch] tests/integration/faults/*.c)
MANUAL := $(addprefix $(BUILD)/man/,livetallyd.8 livetallyd.conf.5 livetally.1 livetally.bash)
UNITS := livetallyd.service livetallyd@.service livetallyd.socket
SHELL_FILES := $(wildcard .ci/* tests/*.sh tests/*/*.sh src/*/*.sh src/*/*/*.sh systemd/deb/*.sh \
	systemd/deb/post* systemd/deb/pre*)

# Sanitizers make everything slower: more patience, and smaller heaps of events.
SLOW := LIVETALLY_PATIENCE=6 LIVETALLY_EVENTS=20000

# Of `make fuzz` and `make fuzz-corpus`.
FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_S ?= 60
FUZZ_RUNS ?= 20000
FUZZ_MAKE = $(MAKE) CC=clang SANITIZE=fuzzer-no-link,address,undefined BUILD=$(BUILD)/fuzz

# A Redis server found by `make deps` outside the PATH.
export PATH := $(CURDIR)/build/bin:$(PATH)

all: $(BUILD)/livetallyd $(BUILD)/livetally $(BUILD)/libcore.a ## build everything (default)

$(BUILD)/libcore.a: $(CORE_OBJS)
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/livetallyd: $(DAEMON_OBJS) $(NET_OBJS) $(STORE_OBJS) $(AUTH_OBJS) $(BUILD)/libcore.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ $(DAEMON_LIBS) -o $@

$(BUILD)/livetally: $(CLIENT_OBJS) $(VERIFY_OBJS) $(AUTH_OBJS) $(BUILD)/libcore.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ $(CLIENT_LIBS) -o $@

$(BUILD)/obj/%.o: src/%.c | tools
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# Says what to do on a machine where nothing is installed yet.
tools:
	@pkg-config --exists libuv libwebsockets hiredis libsystemd inih libjwt libssl libcrypto zlib 2> /dev/null || \
		{ echo "Packages are missing: run \`make deps\` first." >&2; exit 1; }

$(STORE_OBJS): | $(BUILD)/gen/lua_scripts.h
$(NET_OBJS): | $(BUILD)/gen/assets.h

$(BUILD)/gen/lua_scripts.h: src/store/lua/embed.sh Makefile $(LUA_FILES)
	@mkdir -p $(@D)
	$(call say,EMBED)
	$(Q)sh $< $(LUA_FILES) > $@.new && mv $@.new $@

# The list of files is an input of its own: when one is gone, no other is newer for it.
$(BUILD)/gen/assets.list: FORCE
	@mkdir -p $(@D)
	@echo $(ASSET_FILES) | cmp -s - $@ || echo $(ASSET_FILES) > $@
$(BUILD)/gen/assets.h: src/dashboard/embed.sh $(BUILD)/gen/assets.list $(ASSET_FILES)
	$(call say,EMBED)
	$(Q)sh $< $(ASSET_FILES) > $@.new && mv $@.new $@
FORCE:

# Without npm, or offline, everything is built all the same: the pages then have no charts, and
# counties are shown by their codes.
$(NPM_BUILD)/npm/made: src/dashboard/npm.sh src/dashboard/package.json \
		src/dashboard/package-lock.json src/dashboard/counties.mjs src/dashboard/provinces.csv
	$(call say,NPM)
	$(Q)$< $(NPM_BUILD) $(NPM_OPTIONS)
	$(Q)touch $@
assets: $(NPM_BUILD)/npm/made ## get the charts of the pages and the names of counties by npm

# What a unit test links besides core: objects by their place under src/, and libraries.
test_config_PARTS := daemon/config daemon/config_check daemon/config_file daemon/file
test_config_LIBS := -linih
test_advice_PARTS := store/advice
test_framing_PARTS := net/framing
test_head_PARTS := net/head
test_token_PARTS := $(addprefix auth/,base64url claims key key_generate keyring mint \
	signature token)
test_token_LIBS := -ljwt -lcrypto
test_token_forged_PARTS := $(test_token_PARTS)
test_token_forged_LIBS := $(test_token_LIBS)
test_keyring_PARTS := $(test_token_PARTS)
test_keyring_LIBS := $(test_token_LIBS)
test_embedded_aof_PARTS := store/embedded_aof
test_exact_redis_PARTS := store/bulk store/commit store/keys store/resp
test_exact_redis_LIBS := -lhiredis
test_redis_link_PARTS := store/advice store/redis_connect store/redis_link store/redis_replies \
	store/redis_target store/redis_uv
test_redis_link_LIBS := -luv -lhiredis
test_redis_replies_PARTS := store/redis_replies
test_redis_replies_LIBS := -lhiredis
test_standing_PARTS := store/keys store/lanes store/resp store/standing
test_standing_LIBS := -luv -lhiredis
test_verify_PARTS := $(addprefix verify/,audit_compare audit_count audit_lane audit_ledger \
	audit_sums findings tally)
test_verify_past_PARTS := $(test_verify_PARTS)
$(BUILD)/tests/test_exact_redis: | $(BUILD)/gen/lua_scripts.h

.SECONDEXPANSION:
$(BUILD)/tests/%: tests/unit/%.c $$(addprefix $(BUILD)/obj/,$$(addsuffix .o,$$($$*_PARTS))) \
		$(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -Isrc $(LDFLAGS_ALL) $< $(filter %.o %.a,$^) \
		$($*_LIBS) $(TEST_LIBS) -o $@

# A fuzz target is linked likewise; `fuzz` and `fuzz-corpus` build all of it anew, instrumented.
fuzz_address_PARTS := cli/url net/address store/redis_target
fuzz_config_PARTS := $(test_config_PARTS)
fuzz_config_LIBS := -linih
fuzz_token_PARTS := $(test_token_PARTS)
fuzz_token_LIBS := $(test_token_LIBS)

$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $$(addprefix $(BUILD)/obj/,$$(addsuffix .o,$$(fuzz_$$*_PARTS))) \
		$(BUILD)/libcore.a
	$(call say,FUZZER)
	$(Q)$(CC) $(CFLAGS_ALL) -fsanitize=fuzzer -MMD -MP -Isrc $(LDFLAGS_ALL) $< \
		$(filter %.o %.a,$^) $(fuzz_$*_LIBS) -ljansson -lm -o $@

fuzzers: $(FUZZERS)

fuzz: ## look for inputs that break the parsers, FUZZ_S seconds each (FUZZ=name: one of them)
	+$(FUZZ_MAKE) fuzzers
	tests/fuzz/run.sh search $(BUILD)/fuzz $(FUZZ_S) $(FUZZ)

fuzz-corpus: ## a short fixed run of every fuzz target over its corpus
	+$(FUZZ_MAKE) fuzzers
	tests/fuzz/run.sh replay $(BUILD)/fuzz $(FUZZ_RUNS) $(FUZZ)

fuzz-merge: ## put what `make fuzz` found into the corpora, as few files as cover it all
	+$(FUZZ_MAKE) fuzzers
	tests/fuzz/run.sh merge $(BUILD)/fuzz 0 $(FUZZ)

tests: $(UNIT_TESTS)

unit: $(UNIT_TESTS:=.run) ## run the unit tests (-j 2: two at a time)

# What one prints stays together.
$(UNIT_TESTS:=.run): %.run: %
	@$< > $<.log 2>&1 || { cat $<.log; exit 1; }
	@cat $<.log
.PHONY: $(UNIT_TESTS:=.run)

# More of the random tests than `make unit` has time for. A seed that fails is told, and fails again.
RANDOM_TESTS := board_changes board_index board_random board_spread exact hub_random live_touch rank
RANDOM_SEED ?= $(shell date +%s)
RANDOM_ROUNDS ?= 10
unit-random: $(RANDOM_TESTS:%=$(BUILD)/tests/test_%) ## the random unit tests with other seeds (RANDOM_SEED=n: from that one on)
	@tests/unit/random.sh $(RANDOM_SEED) $(RANDOM_ROUNDS) $^

san: ## build and run the unit tests under AddressSanitizer and UBSan
	+$(MAKE) SANITIZE=address,undefined unit

# Programs of the benchmark: what each is made of besides bench_common.
bench_board_FILES :=
bench_load_FILES := $(wildcard tests/bench/load_*.c) src/cli/latency.c
bench_load_LIBS := -ljansson
bench_push_FILES := $(wildcard tests/bench/push_*.c)
bench_push_LIBS := -ljansson
bench_floor_FILES := $(wildcard tests/bench/floor_*.c) tests/bench/load_sales.c src/store/resp.c
bench_floor_LIBS = $(DAEMON_LIBS)
bench_commit_FILES := $(addprefix src/store/,bulk.c commit.c keys.c resp.c)
bench_commit_LIBS := -lhiredis
bench_relay_FILES :=
bench_relay_LIBS := -lssl -lcrypto
BENCH_PROGRAMS := $(addprefix $(BUILD)/bench_,board commit floor load push relay)

$(BUILD)/bench_commit: | $(BUILD)/gen/lua_scripts.h
$(BENCH_PROGRAMS): $(BUILD)/%: tests/bench/%.c $$($$*_FILES) tests/bench/bench_common.c \
		$(wildcard tests/bench/*.h) $(BUILD)/libcore.a
	$(call say,BENCH)
	$(Q)$(CC) $(CFLAGS_ALL) -Isrc $(LDFLAGS_ALL) $(filter %.c %.a,$^) $($*_LIBS) -lm -o $@

# quick: the headline shapes; full: everything; smoke: shows only that it works.
# BENCH_ARGS="--only push --repeats 5" chooses.
BENCH ?= quick
bench: all $(BENCH_PROGRAMS) ## measure CPU per order and per update, memory, start-up (BENCH=quick|full)
	LIVETALLY_BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/bench.py --mode $(BENCH) $(BENCH_ARGS)

page-bench: assets ## measure what the page costs a browser (PAGE_ARGS="--page /overlay --memory-s 60")
	$(MAKE) --no-print-directory all
	LIVETALLY_BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/page.py $(PAGE_ARGS)

# What bench measures by the clock, counted: exact, but comparable with one compiler only.
INSTRUCTIONS_PARTS := net/ack store/bulk store/commit store/keys store/resp
$(BUILD)/instructions: $(wildcard tests/bench/instructions*.c) tests/bench/instructions.h \
		$(patsubst %,$(BUILD)/obj/%.o,$(INSTRUCTIONS_PARTS)) $(BUILD)/libcore.a
	$(call say,BENCH)
	$(Q)$(CC) $(CFLAGS_ALL) -Isrc $(LDFLAGS_ALL) $(filter-out %.h,$^) -lhiredis -o $@

instructions: $(BUILD)/instructions ## count instructions of the hot paths (RECORD=1: record them)
	tests/bench/instructions.sh $(if $(RECORD),record,check) $< tests/bench/instructions.txt "$(CFLAGS)"

instructions-redis: $(BUILD)/bench_commit ## count instructions of our scripts within redis-server
	tests/bench/instructions_redis.sh $<

bench-compare: ## what changed between two reports of make bench (OLD=a.json NEW=b.json)
	@/usr/bin/python3 tests/bench/bench_compare.py $(OLD) $(NEW)

js: ## test the modules of the pages in Node
	node --test $(sort $(wildcard tests/js/*.test.mjs))

# Tests of the running daemon. They mostly wait, so several run at a time.
PYTEST = LIVETALLY_BUILD=$(abspath $(BUILD)) $(if $(SANITIZE),$(SLOW)) \
	/usr/bin/python3 -m pytest -q -p no:cacheprovider $(if $(SANITIZE),-m "not plain_build")
FAULTS := tests/integration/faults
HOSTILE := tests/integration/hostile

BROWSER := tests/integration/browser
integration: all ## test the daemon from outside (ARGS="-k name" chooses)
	$(PYTEST) -n 3 --dist loadfile tests/integration --ignore=$(FAULTS) --ignore=$(HOSTILE) --ignore=$(BROWSER) $(ARGS)

browser: assets ## test the pages in Chromium (ARGS="-k name" chooses)
	$(MAKE) --no-print-directory all
	$(PYTEST) -n 2 --dist loadfile $(BROWSER) $(ARGS)

faults: all ## break things while the daemon works, and check every sum (ARGS="-k name" chooses)
	$(PYTEST) -n 3 $(FAULTS) $(ARGS)

CHAOS_S ?= 600
chaos: all ## random faults for CHAOS_S seconds (CHAOS_SEED=n: begin with the round of that seed)
	CHAOS_S=$(CHAOS_S) $(PYTEST) -s $(FAULTS)/test_chaos.py

SOAK_S ?= 600
soak: all ## mixed load for SOAK_S seconds: memory and descriptors stay flat
	SOAK_S=$(SOAK_S) $(PYTEST) -s $(FAULTS)/test_soak.py

HOSTILE_S ?= 600
HOSTILE_SEED ?= 1
hostile: all ## bad input of all kinds for HOSTILE_S seconds (HOSTILE_SEED=n: from another seed)
	HOSTILE_S=$(HOSTILE_S) HOSTILE_SEED=$(HOSTILE_SEED) $(PYTEST) -s $(HOSTILE) $(ARGS)

layers: $(BUILD)/libcore.a $(GENERATED) ## check that arrows between layers point one way
	CC="$(CC)" tests/check-layers.sh $(BUILD)

unitfile: $(BUILD)/livetallyd ## check the systemd unit
	tests/check-unit.sh $(BUILD)

lint: lint-format lint-shell lint-cppcheck lint-tidy ## check form, look for mistakes (longer than `make check` does)
lint-format:
	clang-format --dry-run -Werror $(C_FILES) $(H_FILES) $(TEST_C_FILES)
lint-shell:
	shellcheck $(SHELL_FILES)
# Suppressed: compound literals in ?: break its parser; gcc and clang define signed right shifts.
lint-cppcheck: $(GENERATED)
	cppcheck -q -j 2 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingIncludeSystem --suppress=internalAstError \
		--suppress=shiftTooManyBitsSigned --include=/usr/include/uthash.h --include=/usr/include/utlist.h \
		--suppress='*:/usr/include/*' -D__GNUC__ -D_GNU_SOURCE \
		-Iinclude -I$(BUILD)/gen $(C_FILES)
# The analyzer gives a function up after so many steps over all paths through it; 225000 is its own
# bound. `make check` takes a third, which reached as many blocks of code in what was compared, by
# fewer paths; so run `make lint` before a release.
TIDY_NODES ?= 225000
LINT := $(BUILD)/lint$(if $(filter-out 225000,$(TIDY_NODES)),-$(TIDY_NODES))
lint-tidy: $(C_FILES:%.c=$(LINT)/%.ok)
$(LINT)/%.ok: %.c $(H_FILES) .clang-tidy | $(GENERATED)
	@mkdir -p $(@D)
	$(call say,TIDY)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $< -- -std=c11 $(CPPFLAGS_ALL) \
		-Xclang -analyzer-config -Xclang max-nodes=$(TIDY_NODES) 2>$@.log || { cat $@.log; exit 1; }
	@touch $@

format: ## lay out all C files by .clang-format
	clang-format -i $(C_FILES) $(H_FILES) $(TEST_C_FILES)

sample: $(BUILD)/livetallyd ## write config/livetallyd.conf anew from the table of keys
	$(BUILD)/livetallyd --print-config > config/livetallyd.conf

run: deps ## build, start a simulated livestream and follow it (DEMO=0: no simulation)
	@$(MAKE) --no-print-directory -s assets NPM_OPTIONS="--fetch-retries=0" || \
		echo "Going on without: the page has no charts, counties are shown by their codes."
	@$(MAKE) --no-print-directory -s -j 2 all
	@DEMO=$(DEMO) PORT=$(PORT) RATE=$(RATE) src/cli/run.sh $(BUILD)

check: deps deps-test ## everything that has to be green, from a fresh clone on
	@MAKE="$(MAKE)" tests/check.sh

deps: ## install the Debian packages to build and run (nothing when all are there)
	@.ci/packages.sh $(BUILD_PACKAGES)
	@command -v redis-server > /dev/null || \
		{ mkdir -p build/bin && ln -sf "$$(command -v redis-check-rdb)" build/bin/redis-server; }
deps-test: ## install the Debian packages that `make check` needs besides
	@.ci/packages.sh $(TEST_PACKAGES)
	@command -v node > /dev/null || .ci/packages.sh nodejs
	@command -v npm > /dev/null || .ci/packages.sh npm
	@command -v promtool > /dev/null || .ci/program.sh prometheus usr/bin/promtool build/bin

# Manual pages and shell completion come from the tables that the programs read their options by.
man: $(MANUAL) ## make the manual pages and the shell completion

$(BUILD)/man/livetallyd.8: $(BUILD)/livetallyd
	@mkdir -p $(@D)
	$(Q)$< --man 8 > $@
$(BUILD)/man/livetallyd.conf.5: $(BUILD)/livetallyd
	@mkdir -p $(@D)
	$(Q)$< --man 5 > $@
$(BUILD)/man/livetally.1: $(BUILD)/livetally
	@mkdir -p $(@D)
	$(Q)$< --man > $@
$(BUILD)/man/livetally.bash: $(BUILD)/livetally
	@mkdir -p $(@D)
	$(Q)$< --completion > $@

# The pages in the package are whole; NPM=no leaves out what takes npm.
NPM ?= yes
deb: ## build the Debian package (NPM=no: without charts and names of counties)
	test $(NPM) = no || $(MAKE) --no-print-directory assets
	$(MAKE) --no-print-directory all man
	systemd/deb/build.sh $(BUILD)

check-deb: deb ## install, use and purge the package in a fresh Debian (as root; takes minutes)
	tests/package/run.sh $(BUILD)/livetally_*.deb

install: all $(MANUAL) ## install under PREFIX (/usr/local), in DESTDIR if given
	install -D -m 755 $(BUILD)/livetallyd $(DESTDIR)$(BINDIR)/livetallyd
	install -D -m 755 $(BUILD)/livetally $(DESTDIR)$(BINDIR)/livetally
	install -D -m 644 $(BUILD)/man/livetallyd.8 $(DESTDIR)$(MANDIR)/man8/livetallyd.8
	install -D -m 644 $(BUILD)/man/livetallyd.conf.5 $(DESTDIR)$(MANDIR)/man5/livetallyd.conf.5
	install -D -m 644 $(BUILD)/man/livetally.1 $(DESTDIR)$(MANDIR)/man1/livetally.1
	install -D -m 644 $(BUILD)/man/livetally.bash $(DESTDIR)$(COMPLETIONDIR)/livetally
	test -e $(DESTDIR)$(SYSCONFDIR)/livetally/livetallyd.conf || \
		install -D -m 644 config/livetallyd.conf $(DESTDIR)$(SYSCONFDIR)/livetally/livetallyd.conf
	install -D -m 644 systemd/livetally.sysusers $(DESTDIR)$(SYSUSERSDIR)/livetally.conf
	test ! -e $(NPM_BUILD)/counties.csv || install -D -m 644 $(NPM_BUILD)/counties.csv \
		$(DESTDIR)$(DATADIR)/counties.csv
	install -d $(DESTDIR)$(UNITDIR)
	for unit in $(UNITS); do \
		sed 's|/usr/bin/|$(BINDIR)/|; s|/etc/livetally|$(SYSCONFDIR)/livetally|' systemd/$$unit \
			> $(DESTDIR)$(UNITDIR)/$$unit || exit 1; done
	@test -n "$(DESTDIR)" || echo "Now: systemd-sysusers && systemctl daemon-reload &&" \
		"systemctl enable --now livetallyd"

uninstall: ## remove what install put there; configuration and data stay
	rm -f $(DESTDIR)$(BINDIR)/livetallyd $(DESTDIR)$(BINDIR)/livetally \
		$(DESTDIR)$(MANDIR)/man8/livetallyd.8 $(DESTDIR)$(MANDIR)/man5/livetallyd.conf.5 \
		$(DESTDIR)$(MANDIR)/man1/livetally.1 $(DESTDIR)$(COMPLETIONDIR)/livetally \
		$(DESTDIR)$(SYSUSERSDIR)/livetally.conf $(DESTDIR)$(DATADIR)/counties.csv \
		$(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS))

clean: ## remove what was built; data of `make run DEMO=0` (build/run) stays
	@test ! -d $(BUILD) || find $(BUILD) -mindepth 1 -maxdepth 1 ! -name run -exec rm -rf {} +

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r name text; do printf '%-18s %s\n' "$$name" "$$text"; done

-include $(patsubst %.o,%.d,$(CORE_OBJS) $(STORE_OBJS) $(NET_OBJS) \
	$(AUTH_OBJS) $(DAEMON_OBJS) $(CLIENT_OBJS) $(VERIFY_OBJS)) $(UNIT_TESTS:=.d) $(FUZZERS:=.d)

.DELETE_ON_ERROR:
.PHONY: all tools tests unit unit-random san fuzzers fuzz fuzz-corpus fuzz-merge bench page-bench bench-compare instructions \
	instructions-redis js integration faults chaos soak hostile \
	layers unitfile lint lint-format lint-shell lint-cppcheck lint-tidy format sample run check \
	deps deps-test assets browser FORCE man deb check-deb install uninstall clean help
