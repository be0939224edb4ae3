# SPDX-License-Identifier: Apache-2.0
#
# One compiler for every target: which one is said by each target's own options
# (--target=...), so CMake itself sees a native build.
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_ASM_COMPILER clang-19)
set(CMAKE_AR llvm-ar-19 CACHE FILEPATH "")
set(CMAKE_RANLIB llvm-ranlib-19 CACHE FILEPATH "")
set(CMAKE_OBJCOPY llvm-objcopy-19 CACHE FILEPATH "")
