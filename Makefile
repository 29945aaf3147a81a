# SPDX-License-Identifier: Apache-2.0
# The only door. `make` builds; `make demo` shows; `make test` proves.
# Packages are installed by apt-get where they are missing and the user is root; what is installed is said.

BINARY := .build/release/oomwitness
CLANG ?= $(dir $(shell readlink -f $$(command -v swiftc)))clang
BPF_TARGET_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))
BPF_CFLAGS := -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
	-Wno-unknown-warning-option -Wno-default-const-init-var-unsafe \
	-idirafter /usr/include/$(shell uname -m)-linux-gnu
BPF_OBJECTS := oomwitness tasks
BPF_SOURCES := $(wildcard bpf/*.h bpf/*.c) bpf/include/wire.h
SKELETONS := $(BPF_OBJECTS:%=bpf/include/%.skel.h)
SWIFT_FLAGS := -c release --static-swift-stdlib

.DEFAULT_GOAL := build
.PHONY: build demo test vmtest vmtest-full bench check fmt install bpf dependencies clean

build: dependencies $(SKELETONS)
	swift build $(SWIFT_FLAGS) --product oomwitness

bpf: dependencies $(SKELETONS)

dependencies:
	@.ci/packages build

bpf/include/%.skel.h: bpf/%.bpf.c $(BPF_SOURCES)
	$(CLANG) $(BPF_CFLAGS) -D__TARGET_ARCH_$(BPF_TARGET_ARCH) -c $< -o bpf/$*.raw.o
	bpftool gen object bpf/$*.bpf.o bpf/$*.raw.o
	bpftool gen skeleton bpf/$*.bpf.o name $* > $@
	rm bpf/$*.raw.o

demo: build
	@.ci/demo $(BINARY)

test: build
	@.ci/packages test
	swift test --disable-xctest

vmtest: build
	@.ci/packages vmtest
	python3 Tests/VM/run.py --quick

vmtest-full: build
	@.ci/packages vmtest
	python3 Tests/VM/run.py

bench: build
	@.ci/packages bench
	python3 Benchmarks/run.py

# Style, warnings as errors, the import rule, and the BPF objects of the other architecture.
check: bpf
	@.ci/packages check
	swift format lint --strict -r Package.swift Sources Tests
	clang-format --dry-run -Werror bpf/*.c bpf/*.h bpf/include/wire.h
	for object in $(BPF_OBJECTS); do for arch in x86 arm64; do \
		$(CLANG) $(BPF_CFLAGS) -D__TARGET_ARCH_$$arch -c bpf/$$object.bpf.c -o /dev/null || exit 1; done; done
	swift test --disable-xctest --filter HouseTests

fmt:
	swift format format -i -r Package.swift Sources Tests
	clang-format -i bpf/*.c bpf/*.h bpf/include/wire.h

install: build
	install -D -m 0755 -s $(BINARY) $(DESTDIR)/usr/local/bin/oomwitness

clean:
	rm -rf .build bpf/*.o bpf/include/*.skel.h
