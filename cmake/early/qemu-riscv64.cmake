# SPDX-License-Identifier: Apache-2.0
set(RUMPK_ARCH riscv64)
set(RUMPK_SYSTABLE_ADDRESS 0x83000000)
set(RUMPK_IMAGE_KIND raw)
set(RUMPK_TARGET riscv64-unknown-elf)
set(RUMPK_KERNEL_FLAGS -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -mno-relax -mno-implicit-float)
set(RUMPK_CELL_FLAGS -march=rv64gc -mabi=lp64d -mcmodel=medany -mno-relax)
