# SPDX-License-Identifier: Apache-2.0
"""Checks of the layers: who includes whom, where machines may be named, what core may not do."""

import re
from pathlib import PurePosixPath

from . import cpp
from .base import C_SUFFIXES, SOURCE_SUFFIXES, Check, Finding, Tree, read_list

LAYERS = ("abi", "regs", "hal", "core", "ion", "drivers", "membrane", "apps")

# Layer -> the layers whose headers it may include beside its own.
MAY_INCLUDE = {
    "abi": set(),
    "regs": set(),
    "hal": {"abi", "regs"},
    "core": {"abi", "ion"},
    "ion": {"abi"},
    "drivers": {"abi", "ion", "membrane", "regs"},
    "membrane": {"abi", "ion"},
    "apps": set(),
}

# Headers of the C and C++ language that work without an operating system or a libc behind them.
FREESTANDING = set(
    """stddef.h stdint.h stdarg.h limits.h stdbool.h stdalign.h stdnoreturn.h float.h
    algorithm array atomic bit charconv climits compare concepts coroutine cstdarg cstddef cstdint expected functional
    initializer_list iterator limits memory new numeric numbers optional ranges source_location span
    string_view tuple type_traits utility variant version""".split()
)
ABI_ONLY = {"stdint.h", "stddef.h"}
# Copying and filling memory, which hal/ has everywhere: from the kernel's own library or the host's.
HEADERS_OF_MEMORY = {"string.h", "cstring"}
# Headers that the compiler brings for an instruction set.
OF_THE_COMPILER = {"cpuid.h", "immintrin.h"}

_APP_FOLDERS = re.compile(r"^(?:tests/)?apps/")


def _layer(name: str) -> str | None:
    if _APP_FOLDERS.match(name):
        return "apps"
    first = name.split("/", 1)[0]
    return first if first in LAYERS else None


def check_include_edges(tree: Tree) -> list[Finding]:
    found = []
    for name in tree.ending(SOURCE_SUFFIXES):
        layer = _layer(name)
        if layer is None:
            continue
        for line, target in cpp.includes(tree.text(name)):
            wrong = _judge(tree, layer, name, target)
            if wrong:
                found.append(Finding(name, line, wrong))
    return found


def _judge(tree: Tree, layer: str, name: str, target: str) -> str | None:
    """What is wrong with `name` including `target`; None where nothing is."""
    path = target[1:-1]
    if target.startswith("<"):
        return _judge_angle(layer, name, path)
    beside = (PurePosixPath(name).parent / path).as_posix()
    if tree.has(beside) and "/" not in path:
        if layer == "apps":
            return None
        return f'{target} is not written from the root: "{beside}"'
    if not tree.has(path):
        path = _in_membrane(tree, layer, path) or path
    if not tree.has(path):
        return None if _third_party(path, layer) else f"{target} is no file of the repository"
    return _judge_quoted(layer, name, path)


def _in_membrane(tree: Tree, layer: str, path: str) -> str | None:
    """libnexus.a has folders of its own where headers are looked for: the public one for all, the others for itself."""
    own = ("membrane/", "membrane/posix/include/") if layer == "membrane" else ()
    return next((root + path for root in ("membrane/include/", *own) if tree.has(root + path)), None)


def _third_party(path: str, layer: str) -> bool:
    return layer == "hal" and path in {"libfdt.h", "fdt.h"}


def _judge_quoted(layer: str, name: str, path: str) -> str | None:
    other = _layer(path)
    if name.startswith("tests/apps/") and path.startswith(("abi/", "ion/", "drivers/", "tests/apps/")):
        return None  # applications that test the contract itself, or make a driver go wrong
    if layer == "apps":
        folder = name[: name.index("/", name.index("apps/") + 5)] if name.count("/") > 1 else ""
        if folder and path.startswith(folder + "/"):
            return None
        return f"an application includes {path}: only <nexus/...>, POSIX, C and C++ headers"
    if other == layer:
        return _judge_hal(name, path) if layer == "hal" else None
    if other in MAY_INCLUDE[layer]:
        return None
    return f"{layer}/ includes {path}: it may see {_listed(MAY_INCLUDE[layer])} only"


def _listed(layers: set[str]) -> str:
    return " and ".join(sorted(layers)) or "nothing of the others"


def _judge_hal(name: str, path: str) -> str | None:
    """An arch sees neither a machine nor another arch; a machine sees no other machine."""
    here, there = name.split("/"), path.split("/")
    if len(here) < 4 or len(there) < 4 or there[1] not in ("arch", "machine"):
        return None
    if here[1] == "arch" and there[1] == "machine":
        return f"an arch folder includes a machine's {path}"
    if here[1] == there[1] and here[2] != there[2]:
        return f"hal/{here[1]}/{here[2]} includes {path} of another {here[1]}"
    return None


def _judge_angle(layer: str, name: str, path: str) -> str | None:
    if layer == "abi":
        return None if path in ABI_ONLY else f"abi/ includes <{path}>: only <stdint.h> and <stddef.h>"
    if layer == "apps":
        inner = path.startswith(("abi/", "core/", "hal/", "ion/", "membrane/", "drivers/", "regs/"))
        return f"an application includes <{path}>: only <nexus/...>, POSIX, C and C++ headers" if inner else None
    if layer in ("core", "ion", "regs"):
        if path in FREESTANDING:
            return None
        return f"{layer}/ includes <{path}>, which needs a C library or an operating system"
    if layer == "hal" and not _hosted(name):
        if path in FREESTANDING or path in HEADERS_OF_MEMORY | OF_THE_COMPILER | {"libfdt.h", "fdt.h"}:
            return None
        return f"hal/ includes <{path}>, which needs a C library or an operating system"
    return None


def _hosted(name: str) -> bool:
    """The machine that is a process of another operating system uses that system's headers."""
    return name.startswith("hal/machine/host/")


# ---- names of machines ------------------------------------------------------------------------------------

_ISA = re.compile(
    r"\w*(?:riscv|rv64|rv32|aarch64|arm64|armv[0-9]|__arm|thumb|x86|amd64|i386|\bavr\b|__avr|sv39|sstc)\w*",
    re.IGNORECASE,
)
_CHOICE = re.compile(
    r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif|elifdef)\b[^\n]*"
    r"\b(RUMPK_(?:MACHINE|ARCH|HOST|HOSTED|TARGET)\w*|__linux__|__unix__|__ELF__|__LP64__|_WIN32|__APPLE__)",
    re.MULTILINE,
)
_OWN_GROUND = re.compile(r"^(hal|cmake)/")


def check_isa_names(tree: Tree) -> list[Finding]:
    allowed = _allowed(tree, "isa_names.txt")
    found = []
    for name in tree.ending(SOURCE_SUFFIXES + (".ld",)):
        if _OWN_GROUND.match(name) or _is_allowed(name, allowed) or _ISA.search(name):
            continue
        code = cpp.without_comments(tree.text(name))
        for match in _ISA.finditer(code):
            found.append(Finding(name, cpp.line_of(code, match.start()), f"names a machine: {match.group(0)}"))
        for match in _CHOICE.finditer(code):
            line = cpp.line_of(code, match.start())
            found.append(Finding(name, line, f"an #if chooses by machine: {match.group(1)}"))
    return found


def _is_allowed(name: str, allowed: dict[str, str]) -> bool:
    return name in allowed or any(entry.endswith("/") and name.startswith(entry) for entry in allowed)


def _allowed(tree: Tree, listing: str) -> dict[str, str]:
    path = tree.root / "tools/check/allow" / listing
    return read_list(path) if path.exists() else {}


# ---- what core does not do --------------------------------------------------------------------------------

_IMPURE = [
    (re.compile(r"\b(?:asm|__asm|__asm__)\b"), "assembly"),
    (re.compile(r"\bvolatile\b"), "volatile"),
    (re.compile(r"\b\w*(?:mutex|spinlock|spin_lock|lock_guard|unique_lock|scoped_lock|semaphore)\w*"), "a lock"),
    (re.compile(r"(?:\.|->)\s*(?:fetch_\w+|exchange|compare_exchange\w*|test_and_set)\s*\("), "atomic read-modify-write"),
    (re.compile(r"\b(?:atomic_(?:fetch|exchange|compare|flag)\w*|__atomic_(?:fetch|exchange|compare|add|sub|or|and)\w*|"
                r"__sync_\w+|__c11_atomic_(?:fetch|exchange|compare)\w*)"), "atomic read-modify-write"),
]


def check_core_purity(tree: Tree) -> list[Finding]:
    found = []
    for name in tree.under("core"):
        if not name.endswith(C_SUFFIXES):
            if name.endswith(".S"):
                found.append(Finding(name, 0, "core/ holds assembly"))
            continue
        code = cpp.without_comments(tree.text(name), keep_strings=False)
        for pattern, what in _IMPURE:
            for match in pattern.finditer(code):
                found.append(Finding(name, cpp.line_of(code, match.start()), f"{what} in core/: {match.group(0)}"))
    return found


CHECKS = [
    Check(
        "include-edges",
        "each layer includes only what lies below it",
        "move the code to the layer it belongs to, or hand it what it needs as an argument (ARCHITECTURE.md)",
        check_include_edges,
    ),
    Check(
        "isa-names",
        "no machine or instruction set is named outside hal/",
        "move it below hal/arch or hal/machine and reach it through the table of abi/hal.h",
        check_isa_names,
    ),
    Check(
        "core-purity",
        "core/ has no assembly, no volatile, no lock and no atomic read-modify-write",
        "hardware belongs to hal/; what two cores share travels over a ring",
        check_core_purity,
    ),
]
