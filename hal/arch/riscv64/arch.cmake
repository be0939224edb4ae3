# SPDX-License-Identifier: Apache-2.0
#
# RISC-V, 64 bits. RUMPK_RISCV64_MODE: supervisor (under an SBI firmware, with an MMU) or machine (nothing
# below, memory protected by PMP).
set(RUMPK_TARGET riscv64-unknown-elf)
set(RUMPK_MACHINE_MODE 0)
if(RUMPK_RISCV64_MODE STREQUAL "machine")
    set(RUMPK_MACHINE_MODE 1)
elseif(NOT RUMPK_RISCV64_MODE STREQUAL "supervisor")
    message(FATAL_ERROR "RUMPK_RISCV64_MODE is supervisor or machine, and not '${RUMPK_RISCV64_MODE}'")
endif()

# No F and D: the kernel leaves the FP registers to the fibers, so an interrupt
# need not save them. gp is nobody's: linkers use it only where
# __global_pointer$ is defined, and it is not.
set(RUMPK_KERNEL_FLAGS -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -mno-implicit-float
    -DRUMPK_MACHINE_MODE=${RUMPK_MACHINE_MODE})
# The whole kernel is loaded on every boot, so its size counts: as small as it gets, across files.
# What runs on every switch says -Os for itself (core/CMakeLists.txt).
# Functions that call nothing keep no frame pointer; prologues are shared (save_restore.S). A jump table has 8 bytes
# a case, more than comparing.
set(RUMPK_KERNEL_OPTIMIZE -Oz -flto -fno-jump-tables -momit-leaf-frame-pointer -msave-restore)
# For what a backtrace never shows: with a frame pointer, locals have no short instructions.
set(RUMPK_KERNEL_BOOT_FLAGS -fomit-frame-pointer)
# What else makes it smaller and nothing slower, each tried (docs/decisions/size.md). Small functions into their callers:
# at the default for -Oz, 5, calls cost more than they save. No values kept in registers that have to be saved then. And no
# block of code twice, or apart, to save a jump.
foreach(option inline-threshold=12 disable-machine-licm disable-lsr disable-constant-hoisting
        tail-dup-placement=0 machine-sink-split-probability-threshold=0)
    list(APPEND RUMPK_KERNEL_LINK_FLAGS -Wl,-mllvm,-${option})
endforeach()
set(RUMPK_CELL_FLAGS -march=rv64gc -mabi=lp64d -mcmodel=medany)
set(RUMPK_CELL_LINK_FLAGS "")

set(RUMPK_ARCH_SOURCES
    bring_up.cpp
    context.cpp
    devices.cpp
    save_restore.S
    switch.S
    trap.S
    trap.cpp)
set(RUMPK_ARCH_USER_SOURCES user.S)
set(RUMPK_ARCH_VIEW_SOURCES "")
set(RUMPK_ARCH_CORES_SOURCES "")
set(RUMPK_HAL_SOURCES
    board/boot.cpp
    board/copy.cpp
    board/cores.cpp
    board/report.cpp
    board/table.cpp
    devicetree/machine_tree.cpp
    devicetree/memory_map.cpp
    devicetree/tree_riscv.cpp)
if(RUMPK_MACHINE_MODE)
    list(APPEND RUMPK_ARCH_SOURCES machine/entries.cpp machine/entry.S machine/platform.cpp machine/pmp.S machine/protection.cpp)
    set(RUMPK_ARCH_VIEW_SOURCES machine/views.cpp)
    list(APPEND RUMPK_HAL_SOURCES board/memory_flat.cpp board/regions.cpp)
else()
    list(APPEND RUMPK_ARCH_SOURCES supervisor/entry.S supervisor/page_format.cpp supervisor/platform.cpp supervisor/sbi.cpp
        supervisor/translation.cpp)
    set(RUMPK_ARCH_VIEW_SOURCES supervisor/views.cpp)
    set(RUMPK_ARCH_CORES_SOURCES supervisor/bells.cpp)
    set(RUMPK_ARCH_ONE_CORE_SOURCES supervisor/no_bells.cpp)
    list(APPEND RUMPK_HAL_SOURCES board/memory.cpp board/page_tables.cpp)
endif()
