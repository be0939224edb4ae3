# SPDX-License-Identifier: Apache-2.0
#
# Armv8-A, 64 bits, EL1.
set(RUMPK_TARGET aarch64-unknown-elf)

# General registers alone: the kernel leaves the vector registers to the fibers, so an interrupt need
# not save them. Strict alignment: until the MMU is on memory is as a device's, where an unaligned
# access faults (DDI 0487, B2.5.2). The base architecture has no atomic instructions but exclusives;
# helpers that would choose at run time are a library's.
set(RUMPK_KERNEL_FLAGS -march=armv8-a -mgeneral-regs-only -mstrict-align -mno-outline-atomics)
set(RUMPK_KERNEL_OPTIMIZE -Oz -flto -momit-leaf-frame-pointer)
list(APPEND RUMPK_KERNEL_LINK_FLAGS -Wl,-mllvm,-inline-threshold=12)
set(RUMPK_CELL_FLAGS -march=armv8-a -mno-outline-atomics)
set(RUMPK_CELL_LINK_FLAGS "")

set(RUMPK_ARCH_SOURCES
    bring_up.cpp
    context.cpp
    devices.cpp
    entry.S
    page_format.cpp
    psci.cpp
    switch.S
    translation.cpp
    trap.S
    trap.cpp)
set(RUMPK_ARCH_USER_SOURCES user.S)
set(RUMPK_ARCH_VIEW_SOURCES views.cpp)
set(RUMPK_HAL_SOURCES
    board/boot.cpp
    board/copy.cpp
    board/cores.cpp
    board/memory.cpp
    board/page_tables.cpp
    board/report.cpp
    board/table.cpp
    devicetree/machine_tree.cpp
    devicetree/memory_map.cpp
    devicetree/tree_arm.cpp)
