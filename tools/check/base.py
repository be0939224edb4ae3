# SPDX-License-Identifier: Apache-2.0
"""What all checks share: the tree of files, findings, and running a tool."""

import os
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

SKIPPED_FOLDERS = {".git", "build", "__pycache__"}
C_SUFFIXES = (".c", ".cpp", ".h")
SOURCE_SUFFIXES = C_SUFFIXES + (".S",)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. `line` counts from 1; 0 is the file as a whole."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Check:
    """A named habit. `run` finds violations; `advice` is what to do about them."""

    name: str
    summary: str
    advice: str
    run: Callable[["Tree"], list[Finding]]
    needs_build: bool = False


@dataclass
class Tree:
    """The files of the project below `root`, by path relative to it, with '/' between the parts."""

    root: Path
    only: tuple[str, ...] | None = None
    deep: bool = False  # look as deeply as a tool can
    _names: list[str] | None = field(default=None, repr=False)
    _texts: dict[str, str] = field(default_factory=dict, repr=False)

    def names(self) -> list[str]:
        if self._names is None:
            listed = _from_git(self.root)
            if listed is None:
                listed = _from_walk(self.root)
            self._names = sorted(name for name in listed if (self.root / name).is_file())
        return self._names

    def ending(self, suffixes: Iterable[str]) -> list[str]:
        wanted = tuple(suffixes)
        return [name for name in self.names() if name.endswith(wanted)]

    def under(self, *folders: str) -> list[str]:
        prefixes = tuple(folder + "/" for folder in folders)
        return [name for name in self.names() if name.startswith(prefixes)]

    def has(self, name: str) -> bool:
        return (self.root / name).exists()

    def text(self, name: str) -> str:
        if name not in self._texts:
            self._texts[name] = (self.root / name).read_text(encoding="utf-8", errors="replace")
        return self._texts[name]

    def lines(self, name: str) -> list[str]:
        return self.text(name).splitlines()


def _from_git(root: Path) -> list[str] | None:
    """Tracked files and new ones that are not ignored; None where `root` is no repository of its own."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    if done.returncode != 0:
        return None
    return sorted({name for name in done.stdout.decode().split("\0") if name})


def _from_walk(root: Path) -> list[str]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        found += [PurePosixPath(Path(folder, name).relative_to(root)).as_posix() for name in files]
    return found


class ToolMissing(Exception):
    """A program that a check needs is not installed."""


def run_tool(command: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError as error:
        raise ToolMissing(command[0]) from error


def read_list(path: Path) -> dict[str, str]:
    """A committed allow-list: one entry a line, then its reason after '#'. Empty lines and comments pass."""
    entries = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry, _, reason = line.partition("#")
        if entry.strip():
            entries[entry.strip()] = reason.strip()
    return entries
