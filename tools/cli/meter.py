# SPDX-License-Identifier: Apache-2.0
"""Counts guest instructions with the emulator's plugin of ours (bench/meter): those executed while interrupts
are masked, those from an interrupt to the first instruction of the fiber that it wakes, and those of a wake-up
across cores."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from . import backtrace, build, common, framing, run

HOST = "host"  # the preset that builds the plugin
ENTRY, ENTRY_APART = "hal_trap_entry", "user_trap_entry"  # where a kernel takes traps, and one that keeps cells apart
SECONDS = 900
WAY = 60  # steps of a stretch that are shown


class MeterError(Exception):
    """Why nothing was counted."""


class Spread(NamedTuple):
    count: int
    least: int
    median: int
    most_of_99: int  # in a hundred
    most: int

    @property
    def ratio(self):
        return self.most / self.least


class Stretch(NamedTuple):
    """The longest between two places."""

    length: int
    times: int
    begin: int
    end: int
    path: list  # addresses, the first 8192


class Report(NamedTuple):
    wake: Spread  # from the entry of the trap that switches to the mark
    stretches: list  # the longest first
    way: list  # of the longest wake: addresses, the first 8192
    across: Spread | None = None  # from `send` on one core to the mark on another
    sender: list = []  # of the longest of these: addresses on the one core
    sleeper: list = []  # and on the other

    @property
    def masked(self):
        return self.stretches[0].length if self.stretches else 0


def plugin():
    """The emulator's plugin, built."""
    return build.target(HOST, ["bench-meter"], "the meter") / "bench" / "meter" / "libbench-meter.so"


def symbol(elf, name):
    listed = subprocess.run(["llvm-nm-19", "--defined-only", str(elf)], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        if line.endswith(f" {name}"):
            return int(line.split()[0], 16)
    raise MeterError(f"{elf} has no symbol {name}")


def entry_of(kernel):
    """The first instruction of the traps that come once a program runs."""
    try:
        return symbol(kernel, ENTRY_APART)
    except MeterError:
        return symbol(kernel, ENTRY)


def count(machine, command, entry, mark=None, given=subprocess.DEVNULL, send=None):
    """Runs the machine's emulator with the plugin. Returns (report, what came over the line)."""
    with tempfile.TemporaryDirectory(prefix="rumpk-meter-") as folder:
        out = Path(folder, "report")
        options = f"out={out},firmware={machine.firmware[0]:x}-{machine.firmware[1]:x},entry={entry:x}"
        options += f",mark={mark:x}" if mark is not None else ""
        options += f",send={send:x}" if send is not None else ""
        command = [*command, "-seed", "1", "-icount", "shift=0,sleep=off", "-plugin", f"{plugin()},{options}"]
        done = subprocess.run(command, stdin=given, capture_output=True, timeout=SECONDS, check=False)
        if done.returncode != 0 or not out.exists():
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise MeterError(f"the emulator ended with {done.returncode}: {said[-2000:]}")
        return parse(out.read_text()), done.stdout


def parse(text):
    wake, stretches, across, paths = None, [], None, {"way": [], "sender": [], "sleeper": []}
    for line in text.splitlines():
        what, *rest = line.split()
        if what == "wake":
            wake = Spread(*map(int, rest))
        elif what == "masked":
            stretches.append(Stretch(int(rest[0]), int(rest[1]), int(rest[2], 16), int(rest[3], 16), []))
        elif what == "across":
            across = Spread(*map(int, rest))
        elif what in paths:
            paths[what] = [int(word, 16) for word in rest]
        elif what == "path":
            stretches[-1].path.extend(int(word, 16) for word in rest)
        elif what == "unclear" and rest != ["0"]:
            raise MeterError("the image says by a register what it masks; the meter cannot see it")
    return Report(wake, stretches, paths["way"], across, paths["sender"], paths["sleeper"])


def of_application(machine, built, arguments, mark=None, cores=1, given=subprocess.DEVNULL, send=None, memory=None):
    """The same of an application's image, of several cells the first one's. Returns (report, its standard output)."""
    command = run.emulator_command(machine, built.image, memory or machine.memory_default, cores, arguments)
    places = [symbol(built.app_elf, name) if name else None for name in (mark, send)]
    report, line = count(machine, command, entry_of(built.kernel_elf), places[0], given, places[1])
    said = b"".join(data for channel, data in framing.Decoder().feed(line) if channel == framing.STDOUT)
    return report, said


# --- For people -----------------------------------------------------------------------------------


def describe(report, machine, symbols, shown=5):
    """The longest stretches, a line each: the functions in the order in which they ran."""
    longest = report.stretches[:shown]
    names = _names({*report.way, *(address for stretch in longest for address in stretch.path)}, machine, symbols)
    for stretch in longest:
        yield f"{stretch.length} instructions, {stretch.times} times: {in_words(stretch.path, names)}"
    if report.way:
        yield f"the longest wake, {report.wake.most} instructions: {in_words(report.way, names)}"


def in_words(path, names):
    runs = []
    for address in path:
        name = names[address]
        if runs and runs[-1][0] == name:
            runs[-1][1] += 1
        else:
            runs.append([name, 1])
    return " ".join(f"{name}:{times}" for name, times in runs[:WAY])


def _names(addresses, machine, symbols):
    """The function of each address, as the linker sees it: what is inlined belongs to its caller."""
    out = {address: f"0x{address:x}" for address in addresses}
    by_file = {}
    for address in addresses:
        file = symbols.application if symbols.in_window(address) else symbols.kernel
        if address in range(*machine.firmware) or file is None:
            out[address] = "firmware"
        else:
            by_file.setdefault(file, []).append(address)
    for file, wanted in by_file.items():
        for address, name in zip(wanted, backtrace.functions(file, wanted)):
            out[address] = short(name) or out[address]
    return out


def short(name):
    """A function's name without result, arguments, templates' arguments and our namespaces."""
    name = name.replace("(anonymous namespace)::", "")
    out, depth = "", 0
    for letter in name:
        depth += letter in "<("
        if depth == 0:
            out += letter
        elif depth == 1 and letter == "(":
            break
        depth -= letter in ">)"
    return re.sub(r"\b(rumpk|hal)::", "", out).split(" ")[-1]
