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

set(RUMPK_WARNINGS -Wall -Wextra -Wshadow -Wimplicit-fallthrough -Wundef -Werror=return-type -Wvla
    $<$<COMPILE_LANGUAGE:CXX>:-Wzero-as-null-pointer-constant>)

set(RUMPK_FREESTANDING_CXX -nostdinc++ "SHELL:-isystem ${PROJECT_SOURCE_DIR}/cmake/libcxx"
    "SHELL:-isystem ${RUMPK_LIBCXX_INCLUDE}")
set(RUMPK_NO_RUNTIME_CXX -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-c++-static-destructors)
set(RUMPK_SECTIONS -ffunction-sections -fdata-sections -fno-omit-frame-pointer
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

# The kernel's parts that not every image needs (core/parts.h). `cells` is for machines that have user
# privilege, and a kernel with it runs no fused image: what is said to have all parts has the others. `restart`
# few images want: it is not among them either, and `views` is for several cells, `shares` for what they read together,
# `managers` for what one of them may do to another.
set(RUMPK_PARTS cores budgets trace cells restart views shares managers)
set(RUMPK_ALL_PARTS cores budgets trace)

# `NAME`: core/parts.cpp for a kernel that has the parts that follow.
function(rumpk_parts NAME OPTIONS)
    add_library(${NAME} OBJECT EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/core/parts.cpp")
    target_link_libraries(${NAME} PRIVATE ${OPTIONS})
    foreach(part ${RUMPK_PARTS})
        string(TOUPPER "${part}" macro)
        set(in false)
        if(part IN_LIST ARGN)
            set(in true)
        endif()
        target_compile_definitions(${NAME} PRIVATE RUMPK_PART_${macro}=${in})
    endforeach()
endfunction()

# `TARGET`'s C++ sources find the standard library's headers compiled: by themselves these are half of the time that a
# file takes. With OWNER, a target of just the same options, they are taken from there. Sources include what they use
# all the same: clang-tidy reads them without this.
function(rumpk_precompiled TARGET)
    if(ARGN)
        target_precompile_headers(${TARGET} REUSE_FROM ${ARGN})
        return()
    endif()
    # <cstdarg> is among them for clang-19, which otherwise knows two types va_list on x86_64.
    set(headers algorithm array atomic bit chrono cstdarg expected optional span string_view utility)
    list(TRANSFORM headers REPLACE "(.+)" "<\\1>")
    target_precompile_headers(${TARGET} PRIVATE ${headers})
endfunction()

function(rumpk_options NAME)
    add_library(${NAME} INTERFACE)
    target_include_directories(${NAME} INTERFACE "${PROJECT_SOURCE_DIR}")
    target_compile_definitions(${NAME} INTERFACE "RUMPK_VERSION=\"${PROJECT_VERSION}\"")
    target_compile_options(${NAME} INTERFACE ${ARGN})
endfunction()
