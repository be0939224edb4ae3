# SPDX-License-Identifier: Apache-2.0
"""The images of bench/bare: the least that the same firmware can start, to be put beside ours."""

import subprocess
from pathlib import Path

from . import common

FOLDER = common.ROOT / "bench" / "bare"
IDLE, TICKING, KNOWN, KNOWN_ARM, EARLY_ARM = "idle.S", "ticking.S", "known.S", "known_arm.S", "early_arm.S"  # besides bare.S
RISCV = ("--target=riscv64-unknown-elf", "-march=rv64imac_zicsr", "-mabi=lp64", "-Wl,--defsym=BASE=0x80200000")
ARM = ("--target=aarch64-unknown-elf", "-Wl,--defsym=BASE=0x40080000")


def image(source="bare.S"):
    """A source of bench/bare, built; the ELF file stands beside the image."""
    folder = common.BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    sources = [FOLDER / source, FOLDER / "bare.ld"]
    elf, output = (folder / Path(source).with_suffix(end) for end in (".elf", ".img"))
    if not output.exists() or any(one.stat().st_mtime > output.stat().st_mtime for one in sources):
        flags = [*(ARM if source in (KNOWN_ARM, EARLY_ARM) else RISCV), "-nostdlib", "-static", "-fuse-ld=lld", f"-Wl,-T,{sources[1]}"]
        for command in (["clang-19", *flags, "-o", elf, sources[0]], ["llvm-objcopy-19", "-O", "binary", elf, output]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                common.fail(f"bench/bare/{source} did not build:\n{done.stderr}")
    return output
