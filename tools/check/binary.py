# SPDX-License-Identifier: Apache-2.0
"""Checks of what the build made: symbols of core and hal, the kernel's segments and instructions."""

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from .base import Check, Finding, ToolMissing, Tree, read_list, run_tool

PRESET = "build/qemu-riscv64"
CORE = PRESET + "/core/libcore.a"
HAL = PRESET + "/hal/CMakeFiles/hal.dir"
KERNEL = PRESET + "/kernel.elf"
ALLOW = "tools/check/allow"
NM = "llvm-nm-19"
OBJDUMP = "llvm-objdump-19"
SYMBOLIZER = "llvm-symbolizer-19"
PAGE = 4096


def _missing(path: str) -> Finding:
    return Finding(path, 0, "not built: run ./rumpk build hello --machine qemu-riscv64")


# ---- symbols ----------------------------------------------------------------------------------------------


def undefined_symbols(files: list[Path]) -> set[str]:
    """Names that these objects and archives together use and do not define."""
    done = run_tool([NM, "--format=posix", *map(str, files)])
    if done.returncode != 0:
        raise ToolMissing(f"{NM}: {done.stderr.strip()}")
    used, defined = set(), set()
    for line in done.stdout.splitlines():
        parts = line.split()
        if len(parts) < 2 or len(parts[1]) != 1:
            continue
        (used if parts[1] in "Uw" else defined).add(parts[0])
    return used - defined


def judge_symbols(where: str, files: list[Path], listing: Path) -> list[Finding]:
    allowed = read_list(listing)
    return [
        Finding(where, 0, f"needs {symbol}, which {listing.name} does not list")
        for symbol in sorted(undefined_symbols(files))
        if symbol not in allowed
    ]


def check_core_symbols(tree: Tree) -> list[Finding]:
    found = []
    core = tree.root / CORE
    if core.exists():
        found += judge_symbols(CORE, [core], tree.root / ALLOW / "core_symbols.txt")
    else:
        found.append(_missing(CORE))
    objects = sorted((tree.root / HAL).rglob("*.o"))
    if objects:
        found += judge_symbols(HAL, objects, tree.root / ALLOW / "hal_symbols.txt")
    else:
        found.append(_missing(HAL))
    return found


# Mangled and C names by which memory is asked for or given back while the system runs.
_ALLOCATION = re.compile(
    r"^(?:malloc|calloc|realloc|reallocarray|free|aligned_alloc|memalign|posix_memalign|valloc|s?brk|_sbrk"
    r"|_Zn[wa][jm].*|_Zd[la]Pv.*)$"
)


def check_no_allocation(tree: Tree) -> list[Finding]:
    kernel = tree.root / KERNEL
    if not kernel.exists():
        return [_missing(KERNEL)]
    done = run_tool([NM, "--format=posix", str(kernel)])
    names = {line.split()[0] for line in done.stdout.splitlines() if line.split()}
    return [Finding(KERNEL, 0, f"holds {name}") for name in sorted(names) if _ALLOCATION.match(name)]


# ---- segments ---------------------------------------------------------------------------------------------

PT_LOAD, PT_TLS, PT_GNU_STACK = 1, 7, 0x6474E551
FLAG_EXECUTE, FLAG_WRITE = 1, 2


@dataclass(frozen=True)
class Segment:
    kind: int
    flags: int
    address: int
    size: int


def segments(data: bytes) -> list[Segment]:
    """Program headers of a little-endian ELF64 file (System V gABI, chapter 5)."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no little-endian ELF64 file")
    (offset,) = struct.unpack_from("<Q", data, 32)
    entry_size, count = struct.unpack_from("<HH", data, 54)
    result = []
    for index in range(count):
        kind, flags = struct.unpack_from("<II", data, offset + index * entry_size)
        address, _, _, size = struct.unpack_from("<QQQQ", data, offset + index * entry_size + 16)
        result.append(Segment(kind, flags, address, size))
    return result


def judge_segments(found: list[Segment]) -> list[str]:
    """Texts of what breaks W^X: both rights at once, an executable stack, or two kinds on one page."""
    texts = []
    loads = sorted((s for s in found if s.kind == PT_LOAD and s.size > 0), key=lambda s: s.address)
    for segment in loads:
        if segment.flags & FLAG_EXECUTE and segment.flags & FLAG_WRITE:
            texts.append(f"segment at {segment.address:#x} can be written and executed")
    for before, after in zip(loads, loads[1:]):
        last_page = (before.address + before.size - 1) // PAGE
        if before.flags != after.flags and last_page >= after.address // PAGE:
            texts.append(f"segments at {before.address:#x} and {after.address:#x} share a page")
    for segment in found:
        if segment.kind == PT_GNU_STACK and segment.flags & FLAG_EXECUTE:
            texts.append("the stack is marked executable")
        if segment.kind == PT_TLS:
            texts.append("there is thread-local storage, which the kernel does not set up")
    return texts


# ---- instructions -----------------------------------------------------------------------------------------

_FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)(?:\s+(.*))?$")
# Every F and D mnemonic begins with f (fld, fadd.d, fmv.x.d, frcsr, ...) or is a compressed c.f*;
# fence and fence.i are the two of the base set that do as well.
_FLOAT = re.compile(r"^(?:c\.)?f(?!ence)")
_ATOMIC_UPDATE = re.compile(r"^(?:amo\w+\.|lr\.|sc\.)")
_REGISTER = re.compile(r"\b(gp|tp)\b")


@dataclass(frozen=True)
class Instruction:
    address: int
    function: str
    mnemonic: str
    operands: str


def parse_disassembly(text: str) -> list[Instruction]:
    function, result = "?", []
    for line in text.splitlines():
        head = _FUNCTION.match(line)
        if head:
            function = head.group(1)
            continue
        match = _INSTRUCTION.match(line)
        if match:
            operands = re.sub(r"<.*?>|#.*", "", match.group(3) or "")
            result.append(Instruction(int(match.group(1), 16), function, match.group(2), operands))
    return result


def disassemble(path: Path) -> list[Instruction]:
    done = run_tool([OBJDUMP, "-d", "--no-show-raw-insn", "--mattr=+m,+a,+f,+d,+c", str(path)])
    if done.returncode != 0:
        raise ToolMissing(f"{OBJDUMP}: {done.stderr.strip()}")
    return parse_disassembly(done.stdout)


def judge_kernel_code(code: list[Instruction], allowed: dict[str, str]) -> list[str]:
    """One text for each function and kind of register that the kernel must leave to its callers."""
    seen: dict[tuple[str, str], int] = {}
    for instruction in code:
        kinds = set(_REGISTER.findall(instruction.operands))
        if _FLOAT.match(instruction.mnemonic):
            kinds.add("fp")
        for kind in kinds:
            key = (kind, instruction.function)
            seen[key] = seen.get(key, 0) + 1
    names = {"fp": "floating point", "gp": "register gp", "tp": "register tp"}
    return [
        f"{function} uses {names[kind]} ({count} instructions)"
        for (kind, function), count in sorted(seen.items())
        if f"{kind} {function}" not in allowed
    ]


def judge_atomic_updates(kernel: Path, code: list[Instruction]) -> list[str]:
    """Core and rings are written without them, so each has to come from a file of hal/. The kernel is optimised
    across files: where an instruction comes from is told by its debug information, inlined functions included."""
    updates = [instruction for instruction in code if _ATOMIC_UPDATE.match(instruction.mnemonic)]
    if not updates:
        return []
    done = run_tool(
        [SYMBOLIZER, f"--obj={kernel}", "--output-style=JSON", *(hex(update.address) for update in updates)]
    )
    if done.returncode != 0:
        raise ToolMissing(f"{SYMBOLIZER}: {done.stderr.strip()}")
    texts = []
    for update, answer in zip(updates, json.loads(done.stdout), strict=True):
        files = [frame.get("FileName", "") for frame in answer.get("Symbol", [])]
        ours = [name for name in files if re.search(r"(?:^|/)(?:abi|core|hal|ion)/", name)]
        if not ours or not re.search(r"(?:^|/)hal/", ours[0]):
            place = ours[0] if ours else "a file that debug information does not name"
            texts.append(f"{update.function} updates memory atomically, in {place}")
    return texts


def check_kernel_code(tree: Tree) -> list[Finding]:
    kernel = tree.root / KERNEL
    if not kernel.exists():
        return [_missing(KERNEL)]
    texts = judge_segments(segments(kernel.read_bytes()))
    code = disassemble(kernel)
    if not code:
        texts.append("it holds no code")
    texts += judge_atomic_updates(kernel, code)
    texts += judge_kernel_code(code, read_list(tree.root / ALLOW / "kernel_code.txt"))
    return [Finding(KERNEL, 0, text) for text in texts]


CHECKS = [
    Check(
        "core-symbols",
        "core/ and hal/ need nothing from outside but what their allow-lists name",
        f"call it through the table of abi/hal.h; or, with a reason beside it, list it in {ALLOW}/",
        check_core_symbols,
        needs_build=True,
    ),
    Check(
        "kernel-code",
        "the kernel is W^X, has no atomic update outside hal/, and leaves gp, tp and floating point to the application",
        f"see where it comes from with {OBJDUMP} -d {KERNEL}; what must be so is listed in {ALLOW}/kernel_code.txt",
        check_kernel_code,
        needs_build=True,
    ),
    Check(
        "no-allocation",
        "the kernel has no allocator and calls none",
        "take it from a pool that boot sizes; make destructors non-virtual, for they bring operator delete",
        check_no_allocation,
        needs_build=True,
    ),
]
