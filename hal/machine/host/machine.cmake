# SPDX-License-Identifier: Apache-2.0
#
# A Linux process: memory is a file, interrupts are signals, cores are threads.
set(RUMPK_ARCH x86_64)
set(RUMPK_SYSTABLE_ADDRESS 0x50000000)
set(RUMPK_IMAGE_KIND process)
set(RUMPK_CELLS_SHARE_A_MAP ON) # nothing is kept apart
set(RUMPK_MACHINE_KERNEL_FLAGS -fPIE -momit-leaf-frame-pointer)
set(RUMPK_KERNEL_LINK_FLAGS -pie -pthread -Wl,-z,now -Wl,-z,relro)

# One target for both halves of the kernel: across files the compiler goes straight to what core calls through the
# HAL's table, and sanitizers exist for targets with an operating system alone. The kernel is still not to be
# taken for one of its programs: libc++ would ask for glibc's headers.
list(APPEND RUMPK_MACHINE_KERNEL_FLAGS --target=x86_64-unknown-linux-gnu -U__linux__)
if(NOT RUMPK_SANITIZE)
    set(RUMPK_KERNEL_OPTIMIZE -Os -flto)
endif()

# What a sanitizer is told about stacks; its runtime is the one part that needs a C++ library.
if(RUMPK_SANITIZE MATCHES "address")
    set(RUMPK_HOST_STACKS stacks_address.cpp)
else()
    list(APPEND RUMPK_KERNEL_LINK_FLAGS -nostdlib++)
    set(RUMPK_HOST_STACKS stacks_plain.cpp)
endif()

set(RUMPK_MACHINE_SOURCES main.cpp arguments.cpp clock.cpp console.cpp cores.cpp entry.cpp fault.cpp image.cpp
    interrupt.cpp memory.cpp message.cpp ${RUMPK_HOST_STACKS})
