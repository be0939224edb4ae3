# SPDX-License-Identifier: Apache-2.0
"""Completes the kernel's backtrace lines with function, file and line.

The kernel prints `rumpk:   #0 0x0000000080201234`; it carries no symbols. This
filter holds such lines back until the run of them ends, asks llvm-symbolizer
once, and lets every other byte pass at once and unchanged.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

SYMBOLIZER = "llvm-symbolizer-19"
ROOT = Path(__file__).resolve().parents[2]

_WINDOWS_SIZE = 7 * 0x08000000  # all windows of abi/systable.h
_FRAME = re.compile(rb"rumpk: +#\d+ 0x([0-9a-fA-F]+)\s*$")
_PREFIX = b"rumpk: "
# The compiler names a trap as if it were a function inlined there: who asked for it, and what it says. libc++
# says where, too, and which of its assertions it was.
_TRAP = re.compile(r"__clang_trap_msg\$([^$]*)\$(.*)", re.DOTALL)
_ASSERTION = re.compile(r"(\S+:\d+): assertion .* failed: (.*)", re.DOTALL)


class Symbols(NamedTuple):
    """Where the symbols are; None where there are none.

    kernel_base  what is added to the kernel's link-time addresses: a function
                 without arguments, for it is known only once the process runs"""

    kernel: Path | None
    application: Path | None
    kernel_base: object = None
    windows: int = 0x08000000  # where they begin: an address in one is the application's

    def in_window(self, address):
        return self.windows <= address < self.windows + _WINDOWS_SIZE

    def of_window(self, address):
        """That of the cell to which an address belongs: of several each has its window's letter in its name, and
        `application` leads to the first."""
        if self.application is None:
            return None
        first = self.application.resolve()
        parts = re.fullmatch(r"(.+\.)[A-G](\.elf)", first.name)
        letter = "ABCDEFG"[(address - self.windows) // 0x08000000]
        return first.with_name(f"{parts[1]}{letter}{parts[2]}") if parts else self.application


class Filter:
    """Feed it text in pieces; it returns what may be shown now."""

    def __init__(self, symbols):
        self._symbols = symbols
        self._line = b""  # the beginning of a line that may become one of ours
        self._held = []  # complete backtrace lines, without their line ends

    def feed(self, data):
        data = self._line + data
        self._line = b""
        if not self._held and b"rumpk: " not in data and not self._may_begin(data):
            return data
        out = []
        lines = data.split(b"\n")
        last = lines.pop()
        for line in lines:
            if _FRAME.match(line):
                self._held.append(line.rstrip())
            else:
                out.append(self._release())
                out.append(line + b"\n")
        if last and (last.startswith(_PREFIX) or _PREFIX.startswith(last)):
            self._line = last
        elif last:
            out.append(self._release())
            out.append(last)
        return b"".join(out)

    def flush(self):
        """What is still held: call it when the text has ended or another channel speaks."""
        line, self._line = self._line, b""
        if _FRAME.match(line):
            self._held.append(line.rstrip())
            line = b""
        return self._release() + line

    @staticmethod
    def _may_begin(data):
        last = data[data.rfind(b"\n") + 1 :]
        return bool(last) and _PREFIX.startswith(last)

    def _release(self):
        if not self._held:
            return b""
        held, self._held = self._held, []
        return b"".join(line + b"\n" for line in complete(held, self._symbols))


def complete(lines, symbols):
    """The backtrace lines, each followed by what the symbols say about its address."""
    frames = [int(_FRAME.match(line)[1], 16) for line in lines]
    base = symbols.kernel_base() if symbols.kernel_base else 0
    asked = {}  # file -> [(index, address in the file)]
    for index, address in enumerate(frames):
        in_window = symbols.in_window(address)
        file = symbols.of_window(address) if in_window else symbols.kernel
        if file is None or (base is None and not in_window):
            continue
        asked.setdefault(file, []).append((index, address - (0 if in_window else base)))
    names = {}
    for file, wanted in asked.items():
        for (index, _), text in zip(wanted, _ask(file, [at for _, at in wanted])):
            names[index] = text
    out = []
    for index, line in enumerate(lines):
        calls = names.get(index, [])
        out.append(line + (b" " + calls[0] if calls else b""))
        out.extend(b"rumpk:      inlined into " + call for call in calls[1:])
    return out


def functions(file, addresses):
    """For each address the name of the function that it was linked into; empty where nothing is known."""
    return [(answer[-1].get("FunctionName") or "") if answer else "" for answer in _symbols(file, addresses)]


def _ask(file, addresses):
    """For each address a list of b"function file:line", the innermost inlined one first;
    empty where nothing is known."""
    return [[os.fsencode(_call(one)) for one in answer if one.get("FileName")] for answer in _symbols(file, addresses)]


def _symbols(file, addresses):
    """What llvm-symbolizer says of each address."""
    import json
    import subprocess

    command = [SYMBOLIZER, f"--obj={file}", "--output-style=JSON", "--demangle", "--inlines"]
    try:
        done = subprocess.run(
            command, input="".join(f"0x{at:x}\n" for at in addresses).encode(), capture_output=True, timeout=20
        )
        answers = [json.loads(line).get("Symbol", []) for line in done.stdout.splitlines()]
    except (OSError, subprocess.TimeoutExpired, ValueError):
        answers = []
    return answers + [[]] * (len(addresses) - len(answers))


def _call(symbol):
    if trap := _TRAP.fullmatch(symbol.get("FunctionName") or ""):
        return _trap(trap[1], trap[2].strip())
    place = _short(symbol["FileName"])
    if symbol.get("Line"):
        place += f":{symbol['Line']}"
    return f"{symbol.get('FunctionName') or '(a function without a name)'} {place}"


def _trap(who, what):
    """In a line, as `trap of libc++: span<T>::operator[](index): index out of range`."""
    if said := _ASSERTION.fullmatch(what):
        what = f"{said[2]} {_short(said[1])}"
    return f"trap of {who}: {' '.join(what.split())}"


def _short(path):
    """A source's path from the project's root, if it is one of the project's. The compiler is told names
    relative to the root and calls the build folder by one, too: build/<preset>/core/boot.cpp."""
    path = os.path.normpath(os.path.join(ROOT, path))
    root = str(ROOT) + os.sep
    if not path.startswith(root):
        return path
    path = path[len(root) :]
    parts = path.split(os.sep, 2)
    if parts[0] == "build" and len(parts) == 3 and (ROOT / parts[2]).is_file():
        return parts[2]
    return path


def loaded_at(pid, file):
    """Where a position-independent executable is loaded in a process, or None when it cannot be told."""
    try:
        wanted = os.fsencode(os.path.realpath(file))
        with open(f"/proc/{pid}/maps", "rb") as maps:
            for line in maps:
                fields = line.split(maxsplit=5)
                if len(fields) == 6 and fields[2] == b"00000000" and fields[5].strip() == wanted:
                    return int(fields[0].split(b"-")[0], 16)
    except OSError:
        pass
    return None
