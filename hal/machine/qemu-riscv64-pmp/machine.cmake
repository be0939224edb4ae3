# SPDX-License-Identifier: Apache-2.0
#
# QEMU's RISC-V `virt` machine without a firmware: the kernel in machine mode, cells behind PMP.
set(RUMPK_ARCH riscv64)
set(RUMPK_RISCV64_MODE machine)
set(RUMPK_SYSTABLE_ADDRESS 0x83000000)
set(RUMPK_HAL_MEMORY_END 0x83000000)
set(RUMPK_WINDOWS_IN_MEMORY 0x88000000)
set(RUMPK_IMAGE_KIND raw)
set(RUMPK_MACHINE_SOURCES facts.cpp)
set(RUMPK_MACHINE_KERNEL_FLAGS "")
set(RUMPK_KERNEL_LINKER_SCRIPT "${CMAKE_CURRENT_LIST_DIR}/../qemu-riscv64/kernel.ld")
set(RUMPK_KERNEL_LINK_FLAGS -nostdlib -static -Wl,-T,${RUMPK_KERNEL_LINKER_SCRIPT}
    -Wl,-z,max-page-size=4096 -Wl,--defsym=RUMPK_HAL_MEMORY_END=${RUMPK_HAL_MEMORY_END}
    -Wl,--defsym=RUMPK_KERNEL_BASE=0x80000000)
