# SPDX-License-Identifier: Apache-2.0
"""Tells CMake where everything is: build/third_party/paths.cmake."""

from .parts import BEARSSL, HOME, LIBFDT, LIBGCC_AARCH64, LIBGCC_RISCV64, PICOLIBC
from .picolibc import SYSROOT

TEXT = f"""# Written by ./rumpk setup.
set(RUMPK_SOURCE_LIBFDT "{LIBFDT.folder}")
set(RUMPK_SOURCE_BEARSSL "{BEARSSL.folder}")
set(RUMPK_SOURCE_PICOLIBC "{PICOLIBC.folder}")
set(RUMPK_SYSROOT "{SYSROOT}")
set(RUMPK_COMPILER_RUNTIME_riscv64
    "{LIBGCC_RISCV64.folder}/usr/lib/gcc-cross/riscv64-linux-gnu/12/libgcc.a")
set(RUMPK_COMPILER_RUNTIME_aarch64
    "{LIBGCC_AARCH64.folder}/usr/lib/gcc-cross/aarch64-linux-gnu/12/libgcc.a")
set(RUMPK_COMPILER_RUNTIME_x86_64 "/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.builtins-x86_64.a")
"""


def write() -> None:
    """Leaves the file alone when nothing changed, so that CMake does not run again."""
    file = HOME / "paths.cmake"
    if not file.exists() or file.read_text() != TEXT:
        HOME.mkdir(parents=True, exist_ok=True)
        file.write_text(TEXT)
