# SPDX-License-Identifier: Apache-2.0
#
# x86-64: the kernel's part and the cells', which know no operating system.
set(RUMPK_TARGET x86_64-unknown-elf)

# No red zone: an interrupt may come between any two instructions.
set(RUMPK_KERNEL_FLAGS -mno-red-zone)

# Cells stand at fixed addresses below 2 GiB. The stack protector's value is a variable as elsewhere, not the thread's of an
# operating system. A core can ask another for a line that it is going to write (PREFETCHW: Intel SDM, volume 2B; a processor
# without it does nothing), and rings do (ion/memory.h).
set(RUMPK_CELL_FLAGS -mno-red-zone -fno-pic -fno-pie -mcmodel=small -mstack-protector-guard=global
    -mprfchw -DRUMPK_ASKS_FOR_LINES)

set(RUMPK_ARCH_SOURCES context.cpp)
