# SPDX-License-Identifier: Apache-2.0
#
# Programs of the host that test what has no hardware in it: built with libstdc++,
# GoogleTest and the sanitizers of the preset.
#
#   rumpk_unit_test(name SOURCES file... [LIBRARIES target...] [THREADS] [LONG])
#       a ctest test `name`. With THREADS it is built in the ThreadSanitizer preset, too;
#       the others only under AddressSanitizer and UBSan. The test's own files are compiled without optimisation, which
#       halves the time that it takes, but for a test that is LONG: it does millions of steps.
#   rumpk_fuzz_target(name SOURCES file... [LIBRARIES target...])
#       a libFuzzer program build/fuzz/<name>; its seeds are in tests/fuzz/corpus/<name>/.
# Sources are named from the repository's root: core/fiber.cpp.

set(RUMPK_SANITIZE_FLAGS -fsanitize=${RUMPK_SANITIZE} -fno-sanitize-recover=all)
rumpk_options(test_options -gline-tables-only -O1 -fno-omit-frame-pointer ${RUMPK_WARNINGS} ${RUMPK_SANITIZE_FLAGS})
target_compile_definitions(test_options INTERFACE "RUMPK_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")
target_include_directories(test_options INTERFACE "${PROJECT_SOURCE_DIR}/membrane/include")
target_link_options(test_options INTERFACE ${RUMPK_SANITIZE_FLAGS} -fuse-ld=lld)
if(RUMPK_FUZZ)
    target_compile_options(test_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Every source of the kernel may ask for its parts: all are there.
rumpk_parts(parts test_options ${RUMPK_ALL_PARTS} restart views shares managers)
set_target_properties(parts PROPERTIES POSITION_INDEPENDENT_CODE ON)
add_library(all_parts STATIC $<TARGET_OBJECTS:parts>)

rumpk_libfdt(test_options)
rumpk_chacha(test_options)

if(RUMPK_TESTS)
    find_package(GTest REQUIRED)
    find_package(Threads REQUIRED)
endif()

# GoogleTest's headers are compiled once for all tests, twice in fact: drivers of unit tests are not optimised.
add_library(unit_options INTERFACE)
target_compile_options(unit_options INTERFACE -O0)
add_library(long_unit_options INTERFACE)
function(rumpk_units NAME)
    file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/${NAME}.cpp" CONTENT "")
    add_library(${NAME} OBJECT EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/${NAME}.cpp")
    target_link_libraries(${NAME} PRIVATE test_options ${ARGN} GTest::gtest)
    target_precompile_headers(${NAME} PRIVATE <gtest/gtest.h>)
endfunction()
if(RUMPK_TESTS)
    rumpk_units(units unit_options)
    rumpk_units(long_units long_unit_options)
endif()

# Whose headers are precompiled for the sources that are tested.
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/tested.cpp" CONTENT "")
add_library(tested OBJECT EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/tested.cpp")
target_link_libraries(tested PRIVATE test_options)
rumpk_precompiled(tested)

# `SOURCE`, which is tested, compiled once for all programs that have it.
function(rumpk_tested OUT SOURCE)
    string(REGEX REPLACE "[/.]" "-" object "${SOURCE}")
    if(NOT TARGET ${object})
        add_library(${object} OBJECT EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/${SOURCE}")
        target_link_libraries(${object} PRIVATE test_options ${ARGN})
        if(NOT SOURCE MATCHES "[.]c$")
            rumpk_precompiled(${object} tested)
        endif()
    endif()
    set(${OUT} $<TARGET_OBJECTS:${object}> PARENT_SCOPE)
endfunction()

function(rumpk_host_program NAME)
    cmake_parse_arguments(PARSE_ARGV 1 UNIT "THREADS;LONG" "" "SOURCES;LIBRARIES")
    if(UNIT_UNPARSED_ARGUMENTS OR NOT UNIT_SOURCES)
        message(FATAL_ERROR "${NAME}: SOURCES file..., and no '${UNIT_UNPARSED_ARGUMENTS}'")
    endif()
    add_executable(${NAME})
    foreach(source ${UNIT_SOURCES})
        if(source MATCHES "^tests/")
            target_sources(${NAME} PRIVATE "${PROJECT_SOURCE_DIR}/${source}")
        else()
            rumpk_tested(object ${source} ${UNIT_LIBRARIES})
            target_sources(${NAME} PRIVATE ${object})
        endif()
    endforeach()
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
    target_link_libraries(${NAME} PRIVATE test_options ${UNIT_LIBRARIES} all_parts)
endfunction()

function(rumpk_unit_test NAME)
    cmake_parse_arguments(PARSE_ARGV 1 UNIT "THREADS;LONG" "" "SOURCES;LIBRARIES")
    if(NOT RUMPK_TESTS OR (RUMPK_SANITIZE STREQUAL "thread" AND NOT UNIT_THREADS))
        return()
    endif()
    rumpk_host_program(${NAME} ${ARGN})
    set(kind unit)
    if(UNIT_LONG)
        set(kind long_unit)
    endif()
    if(NOT UNIT_SOURCES MATCHES "[.]c(;|$)") # CMake would want C headers, too
        target_precompile_headers(${NAME} REUSE_FROM ${kind}s)
    endif()
    target_link_libraries(${NAME} PRIVATE ${kind}_options GTest::gtest_main Threads::Threads)
    add_test(NAME ${NAME} COMMAND ${NAME})
    set_tests_properties(${NAME} PROPERTIES TIMEOUT 120)
endfunction()

function(rumpk_fuzz_target NAME)
    if(RUMPK_FUZZ)
        rumpk_host_program(${NAME} ${ARGN})
        target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
    endif()
endfunction()
