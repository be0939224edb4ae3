# SPDX-License-Identifier: Apache-2.0
#
# Kernel, membrane and applications for one machine.
#
# hal/machine/<RUMPK_MACHINE>/machine.cmake sets
#   RUMPK_ARCH               a folder of hal/arch
#   RUMPK_SYSTABLE_ADDRESS   one of abi/systable.h's addresses, as a number
#   RUMPK_HAL_MEMORY_END     where the megabyte ends that hal/board keeps for itself, if it is a board
#   RUMPK_WINDOWS_IN_MEMORY  optional: where window A is, if nothing translates addresses (abi/systable.h)
#   RUMPK_CELLS_SHARE_A_MAP  optional: several cells without views (core/parts.h)
#   RUMPK_MACHINE_SOURCES    its files, for hal/CMakeLists.txt
#   RUMPK_IMAGE_KIND         raw (a binary that firmware loads) or process (an executable of the host)
#   RUMPK_KERNEL_LINK_FLAGS  options and libraries of the kernel's link
#   RUMPK_KERNEL_LINKER_SCRIPT  its linker script, where it has one
#   RUMPK_MACHINE_KERNEL_FLAGS  added to the architecture's (position-independent code, say)
# hal/arch/<RUMPK_ARCH>/arch.cmake sets
#   RUMPK_TARGET             clang's target triple for the kernel, and for every link
#   RUMPK_KERNEL_FLAGS       instruction set, code model and what the kernel may not use
#   RUMPK_KERNEL_OPTIMIZE    optional: the kernel's optimisation level, instead of -Os
#   RUMPK_KERNEL_BOOT_FLAGS  optional: for what runs on the boot stack alone
#   RUMPK_CELL_FLAGS         the same for cells
#   RUMPK_ARCH_SOURCES       its files, for hal/CMakeLists.txt
#   RUMPK_ARCH_USER_SOURCES  optional: of these what user privilege takes, apart from the others
#   RUMPK_ARCH_VIEW_SOURCES  optional: and what views take
set(RUMPK_MACHINE_DIR "${PROJECT_SOURCE_DIR}/hal/machine/${RUMPK_MACHINE}")
if(NOT EXISTS "${RUMPK_MACHINE_DIR}/machine.cmake")
    message(FATAL_ERROR "no machine '${RUMPK_MACHINE}': hal/machine/${RUMPK_MACHINE}/machine.cmake is not there")
endif()
include("${RUMPK_MACHINE_DIR}/machine.cmake")
include("${PROJECT_SOURCE_DIR}/hal/arch/${RUMPK_ARCH}/arch.cmake")
if(NOT RUMPK_KERNEL_OPTIMIZE)
    set(RUMPK_KERNEL_OPTIMIZE -Os)
endif()
set(RUMPK_SYSROOT_DIR "${RUMPK_SYSROOT}/${RUMPK_ARCH}")

set(RUMPK_LIBC_INCLUDE "SHELL:-isystem ${RUMPK_SYSROOT_DIR}/include")
set(RUMPK_SANITIZE_FLAGS "")
if(RUMPK_SANITIZE)
    set(RUMPK_SANITIZE_FLAGS -fsanitize=${RUMPK_SANITIZE} -fno-sanitize-recover=all)
endif()

set(RUMPK_WINDOWS_DEFINED "")
if(RUMPK_WINDOWS_IN_MEMORY)
    set(RUMPK_WINDOWS_DEFINED RUMPK_WINDOWS_IN_MEMORY=${RUMPK_WINDOWS_IN_MEMORY}ull)
    list(APPEND RUMPK_CELL_LINK_FLAGS -Wl,--defsym=RUMPK_WINDOWS_IN_MEMORY=${RUMPK_WINDOWS_IN_MEMORY})
    list(APPEND RUMPK_PACKER_FLAGS --windows ${RUMPK_WINDOWS_IN_MEMORY})
endif()

rumpk_options(kernel_options
    --target=${RUMPK_TARGET} ${RUMPK_KERNEL_FLAGS} ${RUMPK_MACHINE_KERNEL_FLAGS}
    "-D_LIBCPP_VERBOSE_ABORT(...)=__builtin_trap()" # what a library would throw for is a fault of the kernel
    -ffreestanding -nostdlibinc ${RUMPK_KERNEL_OPTIMIZE} -g ${RUMPK_SECTIONS} ${RUMPK_WARNINGS} ${RUMPK_SANITIZE_FLAGS}
    "$<$<COMPILE_LANGUAGE:CXX>:${RUMPK_NO_RUNTIME_CXX};${RUMPK_FREESTANDING_CXX}>"
    ${RUMPK_LIBC_INCLUDE})
target_compile_definitions(kernel_options INTERFACE
    RUMPK_SYSTABLE_ADDRESS=${RUMPK_SYSTABLE_ADDRESS} "RUMPK_MACHINE=\"${RUMPK_MACHINE}\"" "RUMPK_ARCH=\"${RUMPK_ARCH}\""
    $<$<BOOL:${RUMPK_HAL_MEMORY_END}>:RUMPK_HAL_MEMORY_END=${RUMPK_HAL_MEMORY_END}> ${RUMPK_WINDOWS_DEFINED})

rumpk_options(hosted_options
    ${RUMPK_MACHINE_KERNEL_FLAGS} -D_GNU_SOURCE ${RUMPK_KERNEL_OPTIMIZE} -g ${RUMPK_SECTIONS} ${RUMPK_WARNINGS} ${RUMPK_SANITIZE_FLAGS}
    "$<$<COMPILE_LANGUAGE:CXX>:${RUMPK_NO_RUNTIME_CXX};${RUMPK_FREESTANDING_CXX}>")
target_compile_definitions(hosted_options INTERFACE
    RUMPK_SYSTABLE_ADDRESS=${RUMPK_SYSTABLE_ADDRESS} "RUMPK_MACHINE=\"${RUMPK_MACHINE}\"" "RUMPK_ARCH=\"${RUMPK_ARCH}\"")

# Cells are compiled for no operating system; no exceptions, so no unwind tables.
rumpk_options(cell_options
    --target=${RUMPK_ARCH}-unknown-elf ${RUMPK_CELL_FLAGS}
    -nostdlibinc -O2 -g ${RUMPK_SECTIONS} ${RUMPK_WARNINGS}
    -fno-asynchronous-unwind-tables -fno-unwind-tables
    "$<$<COMPILE_LANGUAGE:CXX>:${RUMPK_NO_RUNTIME_CXX};${RUMPK_FREESTANDING_CXX}>"
    ${RUMPK_LIBC_INCLUDE})
target_compile_definitions(cell_options INTERFACE RUMPK_SYSTABLE_ADDRESS=${RUMPK_SYSTABLE_ADDRESS} ${RUMPK_WINDOWS_DEFINED})
target_include_directories(cell_options INTERFACE "${PROJECT_SOURCE_DIR}/membrane/include")

include(RumpkKernel)
include(RumpkApplication)
