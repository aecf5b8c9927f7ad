# SPDX-License-Identifier: GPL-2.0-only
# Builds evpoll.ko and runs the lab that boots kernels with it. 'make help' lists the targets. Most
# targets are a script in qemu/commands/. The scripts write only below out/.

.DEFAULT_GOAL := $(if $(KDIR),module,help)

# abspath would take a space as the end of a path.
override OUT := $(if $(filter /%,$(firstword $(OUT))),$(OUT),$(CURDIR)/$(or $(OUT),out))
override V := $(filter-out 0,$(V))
# make leaves the $ in them to the shell.
override CMD := $(value CMD)
override FILES := $(value FILES)

# This stands after OUT gets its value, because 'export' defines an undefined variable as empty.
export CMD PRELOAD BOTH FILES KERNELS TEST DURATION SEED PROGRAM KERNEL KDIR OUT ACCEL SMP MEM \
	LIMIT APPEND CASE QUICK DEBIAN_MIRROR V W C

.PHONY: help lint run check check-lab conformance fuzz stress million trace models moderation \
	bench vm-run shell gdb lib module clean distclean

help:
	@cat qemu/help

lint:
	@sh qemu/commands/lint.sh

run:
	@sh qemu/commands/run.sh

check:
	@sh qemu/commands/check.sh

check-lab:
	@sh qemu/commands/check-lab.sh

conformance:
	@sh qemu/commands/conformance.sh

fuzz:
	@sh qemu/commands/fuzz.sh

stress:
	@sh qemu/commands/tool.sh stress

million:
	@sh qemu/commands/tool.sh million

trace:
	@sh qemu/commands/trace.sh

models:
	@sh qemu/commands/models.sh

moderation:
	@sh qemu/commands/moderation.sh

bench:
	@sh qemu/commands/bench.sh

vm-run:
	@sh qemu/commands/vm-run.sh

shell:
	@sh qemu/commands/shell.sh

gdb:
	@sh qemu/commands/shell.sh gdb

lib:
	@$(MAKE) --no-print-directory -C tools/lib O="$$OUT/lib"

module:
	@sh qemu/commands/module.sh $(if $(KDIR),"$$KDIR")

# Keeps downloads and the kernels that were built here, because they take long.
clean:
	cd "$$OUT" 2> /dev/null || exit 0; rm -rf bench build check check-lab conformance fuzz lib \
		lib32 lint lock million models moderation report.html run samples shell stress tests trace \
		vm-run

distclean:
	rm -rf "$$OUT"
