# SPDX-License-Identifier: Apache-2.0
#
# Where `./rumpk setup` has put third-party sources and the C library. The file
# it writes is the one place with names and versions: it sets
# RUMPK_SOURCE_<LIBFDT|BEARSSL|PICOLIBC>, RUMPK_SYSROOT (a folder an
# architecture) and RUMPK_COMPILER_RUNTIME_<architecture>.
set(RUMPK_THIRD_PARTY "${PROJECT_SOURCE_DIR}/build/third_party")
if(NOT EXISTS "${RUMPK_THIRD_PARTY}/paths.cmake")
    message(FATAL_ERROR "third-party sources are missing: run ./rumpk setup")
endif()
include("${RUMPK_THIRD_PARTY}/paths.cmake")

# Third-party files are compiled with their own ideas of warnings.
function(rumpk_quiet TARGET)
    target_compile_options(${TARGET} PRIVATE -w)
endfunction()

# `fdt`: reading device trees, libfdt. Its mask (libfdt_internal.h) leaves out what nobody needs: versions
# before 17, which the caller refuses, and doubts of libfdt in itself. Doubts of the tree stay in.
function(rumpk_libfdt OPTIONS)
    set(folder "${RUMPK_SOURCE_LIBFDT}/libfdt")
    add_library(fdt STATIC "${folder}/fdt.c" "${folder}/fdt_ro.c")
    target_compile_definitions(fdt PRIVATE FDT_ASSUME_MASK=0x2c) # LATEST, NO_ROLLBACK, LIBFDT_FLAWLESS
    target_include_directories(fdt SYSTEM PUBLIC "${folder}")
    target_link_libraries(fdt PRIVATE ${OPTIONS})
    set_source_files_properties("${folder}/fdt.c" "${folder}/fdt_ro.c"
        PROPERTIES COMPILE_OPTIONS "${RUMPK_KERNEL_BOOT_FLAGS}")
    rumpk_quiet(fdt)
endfunction()

# `chacha`: the generator behind `random`, BearSSL's constant-time ChaCha20.
function(rumpk_chacha OPTIONS)
    set(folder "${RUMPK_SOURCE_BEARSSL}")
    add_library(chacha STATIC "${folder}/src/symcipher/chacha20_ct.c")
    target_include_directories(chacha SYSTEM PUBLIC "${folder}/inc")
    target_include_directories(chacha PRIVATE "${folder}/src")
    # By itself it is a tenth smaller than with what makes the rest of a kernel small at link time. It calls
    # nothing of the kernel's: a backtrace that begins there is one function shorter at most.
    set_source_files_properties("${folder}/src/symcipher/chacha20_ct.c" PROPERTIES COMPILE_OPTIONS "-fno-lto;${RUMPK_KERNEL_BOOT_FLAGS}")
    target_link_libraries(chacha PRIVATE ${OPTIONS})
    rumpk_quiet(chacha)
endfunction()

# picolibc's memcpy and its family: compiled with the caller's own options, which decide whether they
# go word by word (-O2) or byte by byte (for size). memset always by words: most of boot is clearing memory.
function(rumpk_string NAME OPTIONS)
    set(folder "${RUMPK_SOURCE_PICOLIBC}/newlib/libc")
    foreach(name memcpy memmove memset memcmp memchr strlen strnlen strchr strrchr strcmp strncmp)
        list(APPEND sources "${folder}/string/${name}.c")
    endforeach()
    add_library(${NAME} STATIC ${sources})
    target_include_directories(${NAME} PRIVATE "${folder}/locale")
    target_link_libraries(${NAME} PRIVATE ${OPTIONS})
    target_compile_options(${NAME} PRIVATE -fno-builtin)
    # Said of the source: options of what a target links come behind its own, and win.
    set_source_files_properties("${folder}/string/memset.c" PROPERTIES COMPILE_OPTIONS -O2)
    rumpk_quiet(${NAME})
endfunction()
