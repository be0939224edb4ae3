# SPDX-License-Identifier: Apache-2.0
#
# Compiler options as interface targets; every target of ours takes exactly one:
#   kernel_options  the kernel: freestanding; what an architecture adds is in its arch.cmake
#   hosted_options  parts of a process machine's HAL that talk to the operating system (glibc)
#   cell_options    membrane and applications
#   test_options    host programs of unit tests and fuzzing
# Kernel and cells use the package's libc++ headers with cmake/libcxx/__config_site, and
# picolibc's headers below them; no library of libc++ is linked.
set(RUMPK_LIBCXX_INCLUDE "/usr/lib/llvm-19/include/c++/v1")

set(RUMPK_WARNINGS -Wall -Wextra -Wshadow -Wimplicit-fallthrough -Wundef -Werror=return-type -Wvla)

set(RUMPK_FREESTANDING_CXX -nostdinc++ "SHELL:-isystem ${PROJECT_SOURCE_DIR}/cmake/libcxx"
    "SHELL:-isystem ${RUMPK_LIBCXX_INCLUDE}")
set(RUMPK_NO_RUNTIME_CXX -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-c++-static-destructors)
set(RUMPK_SECTIONS -ffunction-sections -fdata-sections -fno-omit-frame-pointer
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

function(rumpk_options NAME)
    add_library(${NAME} INTERFACE)
    target_include_directories(${NAME} INTERFACE "${PROJECT_SOURCE_DIR}")
    target_compile_definitions(${NAME} INTERFACE "RUMPK_VERSION=\"${PROJECT_VERSION}\"")
    target_compile_options(${NAME} INTERFACE ${ARGN})
endfunction()
