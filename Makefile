# SPDX-License-Identifier: GPL-2.0-only
#
# "make help" lists the targets. Kbuild has how the module is built.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/procmon

# The only kernel to boot in tests, by its name in scripts/kernel, and the only test to run there.
KERNEL :=
TEST :=

# Read by scripts/kbuild and scripts/install, from the command line and from the environment.
export KDIR DESTDIR PREFIX INSTALL_MOD_PATH

.PHONY: all module procmonctl install uninstall deb run top events record-demo fleet-demo \
	pictures test test-all fuzz mutants bench bench-check check fmt rust-analyzer release clean \
	distclean help
# Kbuild writes to this directory, so its targets take turns.
.NOTPARALLEL:

all: module

module:
	@scripts/kbuild modules

procmonctl:
	@scripts/cargo build --profile dist -p procmonctl
	@scripts/buildroot strip -o procmonctl $(CACHE)/target/x86_64-unknown-linux-gnu/dist/procmonctl

install:
	@scripts/install

uninstall:
	@scripts/install --uninstall

# Leaves the packages in that folder.
deb: DIRECTORY := packages
deb:
	@scripts/deb $(DIRECTORY)

# Leaves its files in that folder, by the options of scripts/release.
release: DIRECTORY := release
release: OPTIONS :=
release:
	@scripts/release $(OPTIONS) $(DIRECTORY)

run:
	@tests/vm --no-module --add scripts/guest/demo:/demo -- 'sh /demo'

# Needs a terminal.
top:
	@tests/vm --terminal --add scripts/guest/busy:/busy -- 'sh /busy procmonctl top'

events:
	@tests/vm --add scripts/guest/events:/events --add scripts/guest/build:/build -- 'sh /events /build'

# Leaves its files in the current folder.
record-demo:
	@scripts/record-demo

fleet-demo:
	@scripts/fleet-demo

pictures:
	@scripts/pictures

test:
	@KERNEL=$(KERNEL) TEST=$(TEST) tests/run

test-all:
	@KERNEL=$(KERNEL) TEST=$(TEST) tests/run --all

# For TIME seconds.
fuzz: TIME := 600
fuzz:
	@tests/fuzz --seconds $(TIME)

mutants:
	@tests/mutate

# With another module beside ours.
bench: COMPARE :=
bench:
	@tests/bench $(if $(COMPARE),--compare $(COMPARE))

bench-check:
	@tests/bench --check

check:
	@scripts/check

fmt:
	@scripts/check --fix-format

rust-analyzer:
	@scripts/kbuild rust-analyzer

clean:
	rm -f *.o *.ko *.mod *.mod.c .*.cmd .*.o modules.order Module.symvers
	rm -f .kbuild.lock internals_generated.rs uapi_generated.rs rust-project.json procmonctl test-results.xml bench.json bench.svg
	rm -rf $(CACHE)/target $(CACHE)/check

distclean: clean
	rm -rf $(CACHE)

help:
	@echo 'Without root rights and without a kernel of your own:'
	@echo '  make run            boot a virtual machine and show procmon at work'
	@echo '  make top            boot one and show its processes, until you press "q"'
	@echo '  make events         boot one, run a small build there and show its events as they come'
	@echo '  make test           run all tests that a change has to pass'
	@echo '  make test KERNEL=NAME TEST=NAME'
	@echo '                      run only those on that kernel, or with that name, or both; kernels:'
	@echo "                      $$(scripts/kernel --list | xargs)"
	@echo '  make test-all       run longer ones, those on all kernels, and all on a busy host, too'
	@echo '  make fuzz TIME=N    run the fuzzer for N seconds (600 if not given)'
	@echo '  make mutants        see that the tests find faults that are put into the module'
	@echo '  make bench          measure what each operation costs (ACCEL=kvm: throughput by KVM)'
	@echo '  make bench COMPARE=FILE.ko'
	@echo '                      the same, with another module beside ours'
	@echo '  make bench-check    see that no operation has become more costly'
	@echo '  make check          run all static checks'
	@echo 'The module:'
	@echo '  make                build procmon.ko for the running kernel, or for the Debian kernel'
	@echo '                      of the tests where the running one has no Rust metadata'
	@echo '  make KDIR=DIR       build it for the kernel whose build directory is DIR'
	@echo 'The command:'
	@echo '  make procmonctl     build it, a static program'
	@echo 'Both:'
	@echo '  make install        install the command, the module for its kernel, a group and a udev rule'
	@echo '                      (DESTDIR=DIR: below DIR; PREFIX=DIR: there in place of /usr/local)'
	@echo '  make uninstall      undo that'
	@echo '  make deb            make Debian packages, in the folder packages'
	@echo 'For developers:'
	@echo '  make rust-analyzer  write rust-project.json, by which editors understand the module'
	@echo '  make record-demo    record a build in one; leaves its timeline in the current folder'
	@echo '  make fleet-demo     boot two, and ask one Prometheus about both'
	@echo '  make pictures       draw the pictures of the documentation anew'
	@echo '  make fmt            format all Rust sources'
	@echo '  make release        test, pack, sign and tag a release, in the folder release'
	@echo '                      (OPTIONS=--dry-run: neither sign nor tag; --no-tests)'
	@echo '  make clean          remove what was built'
	@echo '  make distclean      remove $(CACHE) as well'
