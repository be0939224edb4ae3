# SPDX-License-Identifier: Apache-2.0
"""What the subcommands share: places, exit codes, messages, progress, and starting programs."""

import argparse
import fcntl
import importlib
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"

# enum rumpk_exit of abi/console.h.
EXIT_TIMEOUT = 124
EXIT_EMULATOR = 125
EXIT_PANIC = 126
EXIT_USAGE = 127

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line, and ends with the runner's own code."""

    def error(self, message: str) -> None:
        fail(f"{message}; {self.prog} --help says more")


def dispatch(module: str, arguments: list[str]) -> int:
    """Runs one subcommand. Ctrl-C ends it with the shell's code for SIGINT."""
    parser = Parser(prog="./rumpk")
    subparsers = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    command = importlib.import_module(f"tools.cli.{module}")
    command.register(subparsers)
    try:
        args, unknown = parser.parse_known_args(arguments)
        if unknown:
            fail(f"unknown arguments: {' '.join(unknown)}; ./rumpk {arguments[0]} --help says more")
        return command.main(args)
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.filename is None:
            raise
        fail(f"{error.filename}: {error.strerror}")


def say(text: str) -> None:
    """A line for people; stdout belongs to what was asked for."""
    print(f"rumpk: {text}", file=sys.stderr, flush=True)


def fail(text: str, code: int = EXIT_USAGE):
    """Ends the command: nothing was started."""
    say(text)
    raise SystemExit(code)


def size(text: str) -> int:
    """Bytes of "64K", "8M", "1G" or a plain number. ValueError says what is wrong."""
    text = str(text).strip()
    unit = text[-1:].upper() if text[-1:].isalpha() else ""
    digits = text[: len(text) - len(unit)]
    if unit not in _UNITS or not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"'{text}' is no size: a number of bytes, or one with K, M or G")
    return int(digits) * _UNITS[unit]


def size_text(count: int) -> str:
    for unit in ("G", "M", "K"):
        if count and count % _UNITS[unit] == 0:
            return f"{count // _UNITS[unit]}{unit}"
    return str(count)


def relative(path: Path) -> str:
    """A path as one would type it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def command() -> str:
    """This command as one would type it here, quoted for a shell."""
    import shlex

    here = Path.cwd()
    path = ROOT / "rumpk"
    if here == ROOT:
        return "./rumpk"
    return shlex.quote(os.path.relpath(path, here) if here.is_relative_to(ROOT) else str(path))


@contextmanager
def locked(folder: Path, what: str):
    """One process at a time in a folder of build/: ninja and meson themselves do not see another one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another {what}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Steps:
    """Progress of something long, on stderr: "rumpk: [2/6] building picolibc for riscv64 ... 48 s"."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0

    def step(self, what: str) -> "Steps":
        self.done += 1
        print(f"rumpk: [{self.done}/{self.total}] {what} ...", end="", file=sys.stderr, flush=True)
        return self

    def __enter__(self) -> None:
        self.begun = time.monotonic()

    def __exit__(self, kind, error, trace) -> None:
        seconds = time.monotonic() - self.begun
        print(" failed" if kind else f" {seconds:.0f} s" if seconds >= 1 else " done", file=sys.stderr, flush=True)
