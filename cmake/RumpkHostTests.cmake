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
rumpk_parts(parts test_options ${RUMPK_ALL_PARTS})
set_target_properties(parts PROPERTIES POSITION_INDEPENDENT_CODE ON)
add_library(all_parts STATIC $<TARGET_OBJECTS:parts>)

rumpk_libfdt(test_options)
rumpk_chacha(test_options)

if(RUMPK_TESTS)
    find_package(GTest REQUIRED)
    find_package(Threads REQUIRED)
endif()

function(rumpk_host_program NAME)
    cmake_parse_arguments(PARSE_ARGV 1 UNIT "THREADS;LONG" "" "SOURCES;LIBRARIES")
    if(UNIT_UNPARSED_ARGUMENTS OR NOT UNIT_SOURCES)
        message(FATAL_ERROR "${NAME}: SOURCES file..., and no '${UNIT_UNPARSED_ARGUMENTS}'")
    endif()
    list(TRANSFORM UNIT_SOURCES PREPEND "${PROJECT_SOURCE_DIR}/")
    add_executable(${NAME} ${UNIT_SOURCES})
    set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
    target_link_libraries(${NAME} PRIVATE test_options ${UNIT_LIBRARIES} all_parts)
endfunction()

function(rumpk_unit_test NAME)
    cmake_parse_arguments(PARSE_ARGV 1 UNIT "THREADS;LONG" "" "SOURCES;LIBRARIES")
    if(NOT RUMPK_TESTS OR (RUMPK_SANITIZE STREQUAL "thread" AND NOT UNIT_THREADS))
        return()
    endif()
    rumpk_host_program(${NAME} ${ARGN})
    if(NOT UNIT_LONG)
        set(own ${UNIT_SOURCES})
        list(FILTER own INCLUDE REGEX "^tests/")
        list(TRANSFORM own PREPEND "${PROJECT_SOURCE_DIR}/")
        set_property(SOURCE ${own} APPEND PROPERTY COMPILE_OPTIONS -O0)
    endif()
    target_link_libraries(${NAME} PRIVATE GTest::gtest_main Threads::Threads)
    add_test(NAME ${NAME} COMMAND ${NAME})
    set_tests_properties(${NAME} PROPERTIES TIMEOUT 120)
endfunction()

function(rumpk_fuzz_target NAME)
    if(RUMPK_FUZZ)
        rumpk_host_program(${NAME} ${ARGN})
        target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
    endif()
endfunction()
