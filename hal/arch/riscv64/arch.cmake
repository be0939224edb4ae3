# SPDX-License-Identifier: Apache-2.0
#
# RISC-V, 64 bits, supervisor mode under an SBI firmware.
set(RUMPK_TARGET riscv64-unknown-elf)

# No F and D: the kernel leaves the FP registers to the fibers, so an interrupt
# need not save them. gp is nobody's: linkers use it only where
# __global_pointer$ is defined, and it is not.
set(RUMPK_KERNEL_FLAGS -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -mno-implicit-float)
# The whole kernel is loaded on every boot, so its size counts: as small as it gets, across files.
# What runs on every switch says -Os for itself (core/CMakeLists.txt).
# Functions that call nothing keep no frame pointer; prologues are shared (save_restore.S).
set(RUMPK_KERNEL_OPTIMIZE -Oz -flto -momit-leaf-frame-pointer -msave-restore)
# Small functions into their callers: at the default for -Oz, 5, calls cost more than what they save. And no
# constants carried through loops in registers that then have to be saved.
list(APPEND RUMPK_KERNEL_LINK_FLAGS -Wl,-mllvm,-inline-threshold=12 -Wl,-mllvm,-disable-machine-licm)
set(RUMPK_CELL_FLAGS -march=rv64gc -mabi=lp64d -mcmodel=medany)
set(RUMPK_CELL_LINK_FLAGS "")

set(RUMPK_ARCH_SOURCES
    bring_up.cpp
    context.cpp
    devices.cpp
    entry.S
    page_format.cpp
    save_restore.S
    sbi.cpp
    switch.S
    translation.cpp
    trap.S
    trap.cpp)
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
    devicetree/tree_riscv.cpp)
