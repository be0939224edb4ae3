# SPDX-License-Identifier: Apache-2.0
set(RUMPK_ARCH x86_64)
set(RUMPK_SYSTABLE_ADDRESS 0x50000000)
set(RUMPK_IMAGE_KIND process)
set(RUMPK_TARGET x86_64-unknown-elf)
set(RUMPK_KERNEL_FLAGS -mno-red-zone)
set(RUMPK_MACHINE_KERNEL_FLAGS -fPIE)
set(RUMPK_KERNEL_LINK_FLAGS -pie -nostdlib++ -pthread)
set(RUMPK_CELL_FLAGS -mno-red-zone -fno-pic -mcmodel=small)
