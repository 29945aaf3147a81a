# SPDX-License-Identifier: Apache-2.0
# The only door. `make` builds; `make demo` shows; `make test` proves.
# Packages are installed by apt-get where they are missing and the user is root; what is installed is said.

BINARY := .build/release/oomwitness
CLANG ?= $(dir $(shell readlink -f $$(command -v swiftc)))clang
BPF_TARGET_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))
BPF_CFLAGS := -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
	-Wno-unknown-warning-option -Wno-default-const-init-var-unsafe \
	-idirafter /usr/include/$(shell uname -m)-linux-gnu
BPF_OBJECTS := oomwitness tasks exec rank
BPF_HEADERS := $(wildcard bpf/*.h) bpf/include/wire.h bpf/include/processes.h
BPF_SOURCES := $(wildcard bpf/*.c) $(BPF_HEADERS)
SKELETONS := $(BPF_OBJECTS:%=bpf/include/%.skel.h) $(patsubst %,bpf/include/%.lskel.h,tasks rank)
ARM64 := .build/vm-arm64
# One file that needs nothing of the host but its kernel; and it starts in half the time. Its size: docs/decisions.md.
SWIFT_FLAGS = -c release -Xswiftc -static-executable -Xswiftc -use-ld=lld -Xlinker --icf=all \
	$(addprefix -Xlinker ,$(filter -l%,$(shell pkg-config --static --libs libbpf libelf sqlite3)))

PREFIX ?= /usr/local
# What is packed has the date of the commit, so that it is the same each time.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)

.DEFAULT_GOAL := build
.PHONY: build demo test vmtest vmtest-full vmtest-arm64 vmtest-systemd vmtest-guards testbed-kubernetes testbed-metrics testbed-collectors fuzz soak fleet-sim bench picture check fmt install deb dist packagetest vmtest-pressure bpf dependencies clean

build: dependencies $(SKELETONS)
	swift build $(SWIFT_FLAGS) --product oomwitness

bpf: dependencies $(SKELETONS)

dependencies:
	@.ci/packages build

# $(call skeleton,ARCHITECTURE,FOLDER OF THE OBJECTS)
define skeleton
	$(CLANG) $(BPF_CFLAGS) -D__TARGET_ARCH_$(1) -c $< -o $(2)/$*.raw.o
	bpftool gen object $(2)/$*.bpf.o $(2)/$*.raw.o
	{ echo '#include "processes.h"'; bpftool gen skeleton $(2)/$*.bpf.o name $*; } > $@
	rm $(2)/$*.raw.o
endef

# swift build does not look whether a C module's header has changed, and would link the program of before.
bpf/include/%.skel.h: bpf/%.bpf.c $(BPF_SOURCES)
	$(call skeleton,$(BPF_TARGET_ARCH),bpf)
	@touch Sources/KernelProbe/*.swift

# The same object with a loader that runs in the kernel: it reads none of the kernel's types, which takes 25 ms.
bpf/include/%.lskel.h: bpf/include/%.skel.h
	{ echo '#include "processes.h"'; bpftool gen skeleton -L bpf/$*.bpf.o name $*_light; } > $@

$(ARM64)/%.skel.h: bpf/%.bpf.c $(BPF_SOURCES)
	@mkdir -p $(ARM64)
	$(call skeleton,arm64,$(ARM64))

demo: build
	@.ci/demo $(BINARY)

test: build
	@.ci/packages test
	python3 -m unittest discover -s Tests/VM
	swift test --disable-xctest

# Each kernel, by the highest rung that it allows.
vmtest: build
	@.ci/packages vmtest
	python3 Tests/VM/run.py

# The same, by every rung: about an hour on two processors.
vmtest-full: build
	@.ci/packages vmtest
	python3 Tests/VM/run.py --rungs fentry,kprobe,tracepoint,kmsg

# The BPF objects on arm64 kernels, by a loader in C.
vmtest-arm64: dependencies $(BPF_OBJECTS:%=$(ARM64)/%.skel.h)
	@.ci/packages arm64
	python3 Tests/VM/arm64/run.py

# `oomwitness protect`, and the service by its package, with a real systemd, in guests.
vmtest-systemd: deb
	@.ci/packages systemd
	python3 Tests/VM/systemd/run.py

# `oomwitness pressure` on real PSI and a real cgroup v2, kernel by kernel.
vmtest-pressure: build
	@.ci/packages vmtest
	python3 Tests/VM/pressure/run.py

# `oomwitness guard` where memory really runs out, on cgroup v2 and by stalls, in a guest. The comparison: Tests/VM/guards/run.py.
vmtest-guards: build
	@.ci/packages vmtest
	python3 Tests/VM/guards/run.py --check

# Kills in pods of a real Kubernetes, which is built from Debian's source package first: 11 minutes, once.
testbed-kubernetes: build
	@.ci/packages kubernetes
	python3 Tests/Kubernetes/build.py
	python3 Tests/Kubernetes/run.py

# A kill's whole way: Prometheus, rule, Alertmanager, webhook; with node_exporter's count beside ours. A minute.
testbed-metrics: build
	@.ci/packages metrics
	python3 Tests/Metrics/run.py

# Each sink into real collectors that end, are killed and refuse. The OpenTelemetry Collector and VictoriaLogs are built first,
# once: 2 to 5 minutes each.
testbed-collectors: build
	@.ci/packages collectors
	python3 Tests/Collectors/build.py
	python3 Tests/Collectors/run.py

# Hostile inputs for each reader of what others have written, made to reach new code: each target for its share of so many
# seconds. What fails is kept beside the programs, with the command that runs it again. One: make fuzz FUZZ_TARGETS=spool
FUZZ_SECONDS ?= 700
FUZZ_TARGETS ?= kernel-log configuration spool event-line import request json
FUZZ := .build/fuzz
FUZZ_MODULES := Events Policy KernelLog Configuration Sinks History Metrics Report
FUZZ_FLAGS := -swift-version 6 -O -g -wmo -parse-as-library -package-name oomwitness -enable-testing \
	-use-ld=lld -I $(FUZZ) $(addprefix -I Sources/,CLinux CSQLite CYAML)
fuzz:
	@mkdir -p $(FUZZ)
	for module in $(FUZZ_MODULES); do swiftc $(FUZZ_FLAGS) -sanitize=fuzzer,address -module-name $$module -emit-module \
		-emit-module-path $(FUZZ)/$$module.swiftmodule -c $$(find Sources/$$module -name '*.swift') \
		-o $(FUZZ)/$$module.o || exit 1; done
	swiftc $(FUZZ_FLAGS) -sanitize=address -module-name Fuzz -c Tests/Fuzz/*.swift -o $(FUZZ)/Fuzz.o
	swiftc -sanitize=fuzzer,address -use-ld=lld $(FUZZ_MODULES:%=$(FUZZ)/%.o) $(FUZZ)/Fuzz.o -lsqlite3 -lyaml -o $(FUZZ)/fuzz
	@failed=; for target in $(FUZZ_TARGETS); do mkdir -p $(FUZZ)/corpus/$$target; ln -sf fuzz $(FUZZ)/$$target; \
		SWIFT_BACKTRACE=enable=no $(FUZZ)/$$target -max_total_time=$$(($(FUZZ_SECONDS) / $(words $(FUZZ_TARGETS)))) -max_len=16384 -timeout=10 \
		-rss_limit_mb=1024 -print_final_stats=1 -dict=Tests/Fuzz/dictionaries/$$target.dict \
		-artifact_prefix=$(FUZZ)/$$target. $(FUZZ)/corpus/$$target Tests/Fuzz/corpus/$$target || failed="$$failed $$target"; \
	done; for target in $$failed; do echo "$$target failed; again: $(FUZZ)/$$target $$(ls -t $(FUZZ)/$$target.* | head -1)"; \
	done; test -z "$$failed"

# The daemon through bad hours, in a guest: receivers away, full disk, SIGKILL, a clock that jumps; what arrived is held against the
# kernel's count. CI has five minutes of it on its own host.
SOAK_MINUTES ?= 120
SOAK_KILLS ?= 20000
soak: build
	@.ci/packages systemd
	python3 Tests/Soak/guest.py --minutes $(SOAK_MINUTES) --kills $(SOAK_KILLS)

# The streams of 1,000 hosts through a real collector into real stores, and the queries of deploy/fleet.
fleet-sim: build
	@.ci/packages fleet
	python3 Tests/Fleet/run.py

bench: build
	@.ci/packages bench
	python3 Benchmarks/run.py --write

# The screen of `scores --watch` and the page of `analyze --output html`, as docs/ shows them.
picture: build
	@.ci/packages picture
	python3 Benchmarks/picture.py
	python3 Tests/Browser/kernel_log.py 60 | $(BINARY) analyze --output html - > .build/report.html
	python3 Tests/Browser/browser.py picture .build/report.html docs/report

# Style, warnings as errors, the import rule, and the BPF objects of the other architecture.
check: bpf
	@.ci/packages check
	swift format lint --strict -r Package.swift Sources Tests
	clang-format --dry-run -Werror bpf/*.c $(BPF_HEADERS)
	for object in $(BPF_OBJECTS); do for arch in x86 arm64; do \
		$(CLANG) $(BPF_CFLAGS) -D__TARGET_ARCH_$$arch -c bpf/$$object.bpf.c -o /dev/null || exit 1; done; done
	swift test --disable-xctest --filter HouseTests

fmt:
	swift format format -i -r Package.swift Sources Tests
	clang-format -i bpf/*.c $(BPF_HEADERS)

# Binary, man pages, completions, guides, and the service with its configuration.
install: build
	packaging/stage $(BINARY) "$(DESTDIR)" $(PREFIX)

# .build/deb/oomwitness_VERSION_ARCHITECTURE.deb
deb: build
	@.ci/packages packages
	rm -rf .build/deb
	packaging/stage $(BINARY) .build/deb/root /usr debian
	python3 packaging/deb.py .build/deb/root $(BINARY) .build/deb
	lintian --fail-on error,warning .build/deb/*.deb

# .build/dist: an archive for every distribution, the same bytes each time, and its checksum.
dist: build
	packaging/dist $(BINARY) .build/dist

# What is above, used: installed, started and purged in a clean Debian, read by man and by shells, packed twice.
packagetest: deb dist
	python3 Tests/Packages/run.py

clean:
	rm -rf .build bpf/*.o bpf/include/*.skel.h bpf/include/*.lskel.h
