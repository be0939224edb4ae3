# SPDX-License-Identifier: Apache-2.0
"""Damaged device trees for scenarios: the machine's own, asked from its emulator, with something wrong."""

import re
import subprocess
from pathlib import Path

from . import run

SECONDS = 30
KEYS = {"edit", "keep", "byte", "pad"}


class TreeError(Exception):
    """Why there is none."""


def damaged(machine, image, memory, cores, change, folder):
    """Writes the tree that `[tree]` describes; returns its path."""
    whole, path = Path(folder, "whole.dtb"), Path(folder, "damaged.dtb")
    command = run.emulator_command(machine, image, memory, cores)
    at = command.index("-machine") + 1
    command[at] += f",dumpdtb={whole}"
    _call(command, None)
    text = _call(["dtc", "-q", "-I", "dtb", "-O", "dts", whole], None).decode()
    for pattern, replacement in change.get("edit", []):
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE | re.DOTALL)
        if count == 0:
            raise TreeError(f"the device tree has no match of /{pattern}/")
    if "pad" in change:  # nodes that nobody knows
        nodes = "".join(f"\tn{i} {{ a{i % 97}; }};\n" for i in range(change["pad"]))
        text = re.sub(r"(\tchosen \{)", lambda found: nodes + found[1], text, count=1)
    data = bytearray(_call(["dtc", "-q", "-f", "-I", "dts", "-O", "dtb", "-"], text.encode()))
    del data[change.get("keep", len(data)) :]
    if "byte" in change:
        offset, value = change["byte"]
        data[offset] = value
    path.write_bytes(data)
    return path


def _call(command, given):
    done = subprocess.run(command, input=given, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise TreeError(f"{Path(command[0]).name}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
