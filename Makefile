# The front door. The work is done by meson and ninja, and by the programs in tools/.
MAKEFLAGS += --no-print-directory

.PHONY: build setup demo check unit system soak fuzz lint format bench install clean help

build: build/build.ninja
	@ninja -C build

build/build.ninja:
	@command -v meson ninja >/dev/null || { echo "meson and ninja are needed: run 'make setup'" >&2; exit 1; }
	@meson setup build

setup:
	@tools/setup

demo: setup
	@$(MAKE) build
	@tools/demo

# tools/check is Python, which a clean machine has only after tools/setup.
check: setup
	@tools/check $(CHECKFLAGS)

unit:
	@tools/check unit sanitize

system:
	@tools/check prepare system lab

SOAK_SECONDS = 3600
soak: build
	@tools/soak $(SOAK_SECONDS)

FUZZ_SECONDS = 60
fuzz:
	@tools/fuzz all $(FUZZ_SECONDS)

lint:
	@tools/check lint

format:
	@tools/format

bench: build
	@bench/run

install: build
	@meson install -C build

clean:
	@rm -rf build build-check build-clang build-sanitize build-analyzer build-fuzz

help:
	@echo "make            build lodge in build/"
	@echo "make setup      install what is missing of the Debian packages in tools/packages"
	@echo "make demo       more guests than RAM, and what became of promises (installs what is missing)"
	@echo "make check      run every check (installs what is missing)"
	@echo "make unit       unit tests, plain and under the sanitizers"
	@echo "make system     tests that boot guests"
	@echo "make soak       guests' memory under everything at once, for SOAK_SECONDS (3600)"
	@echo "make fuzz       each fuzz target for FUZZ_SECONDS (60)"
	@echo "make lint       static checks"
	@echo "make format     lay out the C files with clang-format"
	@echo "make bench      print the measured numbers"
	@echo "make install    install lodge (DESTDIR is heeded)"
	@echo "make clean      remove the build directories"
