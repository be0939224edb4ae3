#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the golden programs beside it. To be run once for each version of the ABI, never by a test.

    tests/abi/build.py v0.1 riscv64        writes tests/abi/v0.1-riscv64.elf

The binaries are kept in the repository: every later kernel has to run them as they are. Until the ABI is declared frozen
(docs/abi.md) a change of its layout builds them anew and says so in CHANGES.md; from then on nobody runs this for an old
version again.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What decides the meaning of the code: target, ABI flags, and the SysTable's address (abi/systable.h). The x86-64
# program is the one of the hosted machine.
ARCHITECTURES = {
    "riscv64": (["--target=riscv64-unknown-elf", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany"], "0x83000000"),
    # Where nothing translates addresses a program is linked for the memory that its window is (hal/machine/*/machine.cmake).
    "riscv64-flat": (["--target=riscv64-unknown-elf", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany",
                      "-DRUMPK_WINDOWS_IN_MEMORY=0x88000000ull", "-Wl,--defsym=RUMPK_WINDOWS_IN_MEMORY=0x88000000"],
                     "0x83000000"),
    "aarch64": (["--target=aarch64-unknown-elf", "-march=armv8-a", "-mno-outline-atomics"], "0x50000000"),
    "x86_64": (["--target=x86_64-unknown-linux-gnu", "-mno-red-zone", "-fno-pic", "-mcmodel=small"], "0x50000000"),
}


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[2] not in ARCHITECTURES or not (HERE / f"{sys.argv[1]}.c").exists():
        print(__doc__.strip(), file=sys.stderr)
        return 2
    version, arch = sys.argv[1:]
    flags, systable = ARCHITECTURES[arch]
    output = HERE / f"{version}-{arch}.elf"
    subprocess.run(
        ["clang-19", *flags, "-std=c11", "-Os", "-ffreestanding", "-fno-builtin", "-fno-stack-protector",
         "-fno-asynchronous-unwind-tables", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}",
         f"-DRUMPK_SYSTABLE_ADDRESS={systable}ull", "-nostdlib", "-static", "-fuse-ld=lld",
         f"-Wl,-T,{ROOT / 'membrane' / 'cell.ld'}", "-Wl,--build-id=none", "-Wl,-z,max-page-size=4096", "-Wl,--no-relax",
         "-Wl,--strip-all", str(HERE / f"{version}.c"), "-o", str(output)],
        check=True,
    )
    print(f"{output.relative_to(ROOT)}: {output.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
