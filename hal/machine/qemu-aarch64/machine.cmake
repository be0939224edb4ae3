# SPDX-License-Identifier: Apache-2.0
#
# QEMU's Arm `virt` machine with a GICv3, started in EL1 by QEMU's own loader.
set(RUMPK_ARCH aarch64)
set(RUMPK_SYSTABLE_ADDRESS 0x50000000)
set(RUMPK_HAL_MEMORY_END 0x40200000)
set(RUMPK_IMAGE_KIND raw)
set(RUMPK_MACHINE_SOURCES facts.cpp)
set(RUMPK_MACHINE_KERNEL_FLAGS "")
set(RUMPK_KERNEL_LINKER_SCRIPT "${CMAKE_CURRENT_LIST_DIR}/kernel.ld")
set(RUMPK_KERNEL_LINK_FLAGS -nostdlib -static -Wl,-T,${RUMPK_KERNEL_LINKER_SCRIPT}
    -Wl,-z,max-page-size=4096 -Wl,--defsym=RUMPK_HAL_MEMORY_END=${RUMPK_HAL_MEMORY_END})
