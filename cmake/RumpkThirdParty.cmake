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

# `fdt`: reading device trees, libfdt.
function(rumpk_libfdt OPTIONS)
    set(folder "${RUMPK_SOURCE_LIBFDT}/libfdt")
    add_library(fdt STATIC "${folder}/fdt.c" "${folder}/fdt_ro.c")
    target_include_directories(fdt SYSTEM PUBLIC "${folder}")
    target_link_libraries(fdt PRIVATE ${OPTIONS})
    rumpk_quiet(fdt)
endfunction()

# `chacha`: the generator behind `random`, BearSSL's constant-time ChaCha20.
function(rumpk_chacha OPTIONS)
    set(folder "${RUMPK_SOURCE_BEARSSL}")
    add_library(chacha STATIC "${folder}/src/symcipher/chacha20_ct.c")
    target_include_directories(chacha SYSTEM PUBLIC "${folder}/inc")
    target_include_directories(chacha PRIVATE "${folder}/src")
    target_link_libraries(chacha PRIVATE ${OPTIONS})
    rumpk_quiet(chacha)
endfunction()

# picolibc's memcpy and its family, a target of their own at -O2: at -Os, as libc.a is built,
# they go byte by byte.
function(rumpk_string NAME OPTIONS)
    set(folder "${RUMPK_SOURCE_PICOLIBC}/newlib/libc")
    foreach(name memcpy memmove memset memcmp memchr strlen strnlen strchr strrchr strcmp strncmp)
        list(APPEND sources "${folder}/string/${name}.c")
    endforeach()
    add_library(${NAME} STATIC ${sources})
    target_include_directories(${NAME} PRIVATE "${folder}/locale")
    target_link_libraries(${NAME} PRIVATE ${OPTIONS})
    target_compile_options(${NAME} PRIVATE -O2 -fno-builtin)
    rumpk_quiet(${NAME})
endfunction()
