# SPDX-License-Identifier: GPL-2.0-only
# evpoll.ko, and the lab that boots kernels with it. 'make help' lists what there is; each target
# is a script in qemu/, and all that they write is below out/.

.DEFAULT_GOAL := $(if $(KDIR),module,help)

export KERNELS TEST KERNEL KDIR OUT ACCEL SMP MEM LIMIT APPEND DEBIAN_MIRROR V W C

OUT ?= out
override OUT := $(abspath $(OUT))
override V := $(filter-out 0,$(V))

.PHONY: help run check trace moderation shell gdb module clean distclean

help:
	@cat qemu/help

run:
	@sh qemu/run.sh

check:
	@sh qemu/check.sh

trace:
	@sh qemu/trace.sh

moderation:
	@sh qemu/moderation.sh

shell:
	@sh qemu/shell.sh

gdb:
	@sh qemu/shell.sh gdb

module:
	@sh qemu/module.sh $(if $(KDIR),'$(KDIR)')

# Keeps what takes long: downloads, and kernels built here
clean:
	rm -rf $(addprefix $(OUT)/,build check lock moderation run shell tests trace)

distclean:
	rm -rf $(OUT)
