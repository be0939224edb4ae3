# SPDX-License-Identifier: Apache-2.0
#
# The kernel of one machine: third-party parts, hal, core, and the link.

rumpk_libfdt(kernel_options)
rumpk_chacha(kernel_options)

# memcpy and its family for a kernel that has no C library under it. A process has its host's.
add_library(kstring INTERFACE)
if(RUMPK_IMAGE_KIND STREQUAL "raw")
    rumpk_string(kernel_string kernel_options)
    target_link_libraries(kstring INTERFACE kernel_string)
endif()

add_subdirectory(hal)
add_subdirectory(core)

# `hal` is an OBJECT library: the entry is in it and nothing refers to it.
add_executable(kernel $<TARGET_OBJECTS:hal>)
set_target_properties(kernel PROPERTIES SUFFIX ".elf" LINKER_LANGUAGE CXX RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
target_link_libraries(kernel PRIVATE core fdt chacha kstring)
target_link_options(kernel PRIVATE -fuse-ld=lld -Wl,--gc-sections -Wl,-O2 -Wl,--build-id=none -Wl,-z,max-page-size=4096
    ${RUMPK_SANITIZE_FLAGS} ${RUMPK_KERNEL_LINK_FLAGS})
if(RUMPK_KERNEL_LINKER_SCRIPT)
    set_target_properties(kernel PROPERTIES LINK_DEPENDS "${RUMPK_KERNEL_LINKER_SCRIPT}")
    target_link_options(kernel PRIVATE -Wl,-T,${RUMPK_KERNEL_LINKER_SCRIPT})
endif()

if(RUMPK_IMAGE_KIND STREQUAL "raw")
    target_link_options(kernel PRIVATE --target=${RUMPK_TARGET} -nostdlib -static)
endif()

# What the packer takes: the ELF. In a process image it goes in as it is, so symbols are left
# behind, but for sanitizers, whose reports want them.
set(RUMPK_KERNEL_FILE "${CMAKE_BINARY_DIR}/kernel.elf")
if(RUMPK_IMAGE_KIND STREQUAL "process" AND NOT RUMPK_SANITIZE)
    set(RUMPK_KERNEL_FILE "${CMAKE_BINARY_DIR}/kernel.stripped")
    add_custom_command(OUTPUT "${RUMPK_KERNEL_FILE}" DEPENDS kernel
        COMMAND ${CMAKE_OBJCOPY} --strip-all "$<TARGET_FILE:kernel>" "${RUMPK_KERNEL_FILE}" VERBATIM)
endif()
