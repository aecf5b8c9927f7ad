#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# module.sh [KDIR]: build the modules for the kernel tree KDIR, or for each kernel of KERNELS.
# The other commands build them as well, so the build itself is in shared/modules.sh.
. "$(dirname "$0")/../shared/lib.sh"

if [ $# -gt 0 ]; then
	exec sh "$shared/modules.sh" "$1"
fi
for name in ${KERNELS:-6.1 6.12}; do
	sh "$shared/kernel.sh" "$name"
	sh "$shared/modules.sh" "$out/kernels/$name/build"
done
