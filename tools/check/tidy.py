# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over the compile databases of build/, remembered by content.

A file is looked at again only when something that the answer depends on has changed: its text, any header of ours
that it reaches, its compile command, .clang-tidy, or the tool's version. Clean results are remembered as empty files in
build/check/tidy/, named by the hash of all that; findings as files with text.
"""

import hashlib
import json
import os
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from . import cpp
from .base import Check, Finding, Tree, run_tool

TIDY = "clang-tidy-19"
# In this order: a file is looked at as the first of these compiles it.
PRESETS = ("qemu-riscv64", "qemu-riscv64-pmp", "host", "tests", "fuzz", "tests-tsan")
CACHE = "build/check/tidy"
# Where it is asked to look deeply, every file is looked at with all checks of .clang-tidy and with what it includes itself.
# Otherwise, with two thirds of the time in mind:
# - In what is shipped the analyzer may take a twentieth of the usual number of steps in a function, and what is merely left over is not
#   looked for.
# - What only tests or measures is read with the headers that the build has precompiled, and neither analysed nor searched for bugs:
#   unit tests run under sanitizers, test programs on every machine, and nobody ships them. The analyzer would spend four fifths
#   of the whole check there, most of it on the macros of GoogleTest and on printf in long lists of checks.
TESTS = ("tests/", "bench/")
LEFT_OVER = "-misc-unused-using-decls,-readability-redundant-control-flow,-bugprone-suspicious-string-compare"
SHIPPED_CHECKS = "--checks=" + LEFT_OVER
TESTS_CHECKS = "--checks=-clang-analyzer-*,-performance-*,-bugprone-*,-modernize-use-bool-literals," + LEFT_OVER

def _analyzer(setting: str) -> tuple[str, ...]:
    return tuple(f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", setting))


SHALLOW = _analyzer("mode=shallow")
SHIPPED = (SHIPPED_CHECKS, *_analyzer("max-nodes=10000"))
_LINE = re.compile(r"^(.+?):(\d+):\d+: (?:warning|error): (.*)$")


@dataclass(frozen=True)
class Unit:
    """One source file as one preset compiles it."""

    name: str
    preset: str
    command: str


def units(tree: Tree) -> list[Unit]:
    """Each of our sources once; third-party ones and generated ones are left out."""
    ours = set(tree.ending((".c", ".cpp")))
    found: dict[str, Unit] = {}
    for preset in PRESETS:
        database = tree.root / "build" / preset / "compile_commands.json"
        if not database.exists():
            continue
        for entry in json.loads(database.read_text(encoding="utf-8")):
            path = Path(entry["directory"], entry["file"])
            if not path.is_relative_to(tree.root):
                continue
            name = path.relative_to(tree.root).as_posix()
            if name in ours and name not in found:
                found[name] = Unit(name, preset, entry.get("command") or " ".join(entry["arguments"]))
    return [found[name] for name in sorted(found)]


def reached(tree: Tree, name: str, known: dict[str, set[str]]) -> set[str]:
    """`name` and all headers of ours that it includes, directly or not."""
    everything: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in everything:
            continue
        everything.add(current)
        if current not in known:
            known[current] = _direct(tree, current)
        waiting += known[current]
    return everything


def _direct(tree: Tree, name: str) -> set[str]:
    folder = PurePosixPath(name).parent
    found = set()
    for _, target in cpp.includes(tree.text(name)):
        path = target[1:-1]
        for way in (path, (folder / path).as_posix(), "membrane/include/" + path, "membrane/" + path):
            if tree.has(way) and (tree.root / way).is_file():
                found.add(way)
    return found


def _version() -> str:
    return run_tool([TIDY, "--version"]).stdout


def key_of(tree: Tree, unit: Unit, known: dict[str, set[str]], version: str) -> str:
    digest = hashlib.sha256()
    settings = [tree.text(name) for name in tree.names() if PurePosixPath(name).name == ".clang-tidy"]
    for part in (version, *settings, *command(tree, unit)):
        digest.update(part.encode() + b"\0")
    for name in sorted(reached(tree, unit.name, known)):
        digest.update(name.encode() + b"\0" + tree.text(name).encode() + b"\0")
    return digest.hexdigest()


def options(unit: Unit, precompiled: bool = False) -> list[str]:
    """The compiler's, without what names files. But for `precompiled`, a file is looked at with what it includes itself,
    not with headers that the build has precompiled."""
    words = iter(shlex.split(unit.command)[1:])
    found: list[str] = []
    for word in words:
        if word in ("-o", "-c"):
            next(words)
        elif word == "-Xclang" and (option := next(words)) in ("-include-pch", "-include") and not precompiled:
            next(words), next(words)
        elif word == "-Xclang":
            found += ["-Xclang", option]
        else:
            found.append(word)
    return found


def arguments(unit: Unit, deep: bool) -> tuple[str, ...]:
    if unit.name.startswith(TESTS):
        return SHALLOW if deep else (TESTS_CHECKS,)
    return () if deep else SHIPPED


def command(tree: Tree, unit: Unit) -> list[str]:
    compiler = options(unit, precompiled=unit.name.startswith(TESTS) and not tree.deep)
    return [TIDY, "--quiet", *arguments(unit, tree.deep), str(tree.root / unit.name), "--", *compiler]


def look(tree: Tree, unit: Unit, key: str) -> list[Finding]:
    remembered = tree.root / CACHE / key
    if not remembered.exists():
        done = run_tool(command(tree, unit), cwd=tree.root / "build" / unit.preset)
        if done.returncode != 0 and not parse(tree.root, done.stdout):
            # Stopped, or unable to start: that says nothing about the file, so it is not remembered.
            return [Finding(unit.name, 0, f"{TIDY} ended with {done.returncode}: {done.stderr.strip()[-300:]}")]
        partial = remembered.with_suffix(f".{os.getpid()}")
        partial.write_text(done.stdout, encoding="utf-8")
        partial.rename(remembered)
    return parse(tree.root, remembered.read_text(encoding="utf-8"))


def parse(root: Path, text: str) -> list[Finding]:
    found = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            path = Path(match.group(1))
            name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
            found.append(Finding(name, int(match.group(2)), match.group(3)))
    return found


def check_tidy(tree: Tree) -> list[Finding]:
    chosen = units(tree)
    if not chosen:
        return [Finding("build", 0, "no compile_commands.json: run ./rumpk build first")]
    (tree.root / CACHE).mkdir(parents=True, exist_ok=True)
    version = _version()
    known: dict[str, set[str]] = {}
    keys = {unit: key_of(tree, unit, known, version) for unit in chosen}
    _forget(tree.root / CACHE, set(keys.values()))
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        results = list(pool.map(lambda unit: look(tree, unit, keys[unit]), chosen))
    seen: dict[Finding, None] = {}
    for result in results:
        seen.update(dict.fromkeys(result))
    return list(seen)


def _forget(folder: Path, wanted: set[str]) -> None:
    """Drops results of texts that are gone, once there are many."""
    stale = [path for path in folder.iterdir() if path.name not in wanted]
    if len(stale) > 2000:
        for path in stale:
            path.unlink(missing_ok=True)


CHECKS = [
    Check(
        "tidy",
        "clang-tidy finds nothing (.clang-tidy says what it looks for)",
        "follow its advice; where it is wrong, say why in a comment beside NOLINT(name-of-the-check)",
        check_tidy,
        needs_build=True,
    ),
]
