# SPDX-License-Identifier: Apache-2.0
"""`./rumpk test`: everything there is to run, a line each; what cannot run has failed."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import common, scenarios

WORKERS = 2
SPARE = 2  # workers more, which begin a test only while a processor has nothing to do: many tests mostly wait
IDLE = 0.75  # of a processor
IDLE_SECONDS = 0.25
SHOWN_LINES = 80  # of a failing test's output
SHOWN_SLOWEST = 8


def register(subparsers):
    parser = subparsers.add_parser(
        "test",
        help="run all tests",
        description="Builds everything and runs the unit tests, the command line's tests, the fuzz targets, the HAL's "
        "contract, all scenarios on all machines, the golden programs, and the checks. Ends with "
        "`N passed, N failed`; the exit code is 0 if none failed and some ran.",
    )
    parser.add_argument("--long", action="store_true", help="with the full sizes and numbers of runs, and more tests; two hours or so")
    parser.add_argument("--list", action="store_true", help="print the names and stop; unit tests are listed once built")
    parser.add_argument(
        "--only", metavar="PATTERN", action="append",
        help="tests whose name has this in it, or matches it as a shell pattern; may be given several times",
    )
    parser.add_argument("--machine", metavar="M", help="only what runs on this machine")


def shortened(lines):
    """The beginning says what was run, the end what went wrong."""
    if len(lines) <= SHOWN_LINES:
        return lines
    half = SHOWN_LINES // 2
    return [*lines[:half], f"... {len(lines) - 2 * half} lines ...", *lines[-half:]]


class Report:
    """A line per test, as they end; a failing one shows what it said. A terminal shows which ones run."""

    def __init__(self):
        self.passed = self.failed = 0
        self._lock = threading.Lock()
        self._running = {}  # in the order they began
        self._seconds = {}
        self._shown = sys.stderr.isatty()

    def run(self, test):
        begun = time.monotonic()
        text = None
        with self._lock:
            self._running[test.title] = None
            self._show()
        try:
            test.run()
        except scenarios.Failure as failure:
            text = str(failure)
        except (Exception, SystemExit) as error:  # a test that cannot run has failed; the others go on
            text = f"{type(error).__name__}: {error}"
        self.add(test.title, time.monotonic() - begun, text)

    def add(self, title, seconds, failure=None):
        with self._lock:
            self._running.pop(title, None)
            self._seconds[title] = seconds
            self._show(clear=True)
            if failure is None:
                self.passed += 1
            else:
                self.failed += 1
            word = "ok" if failure is None else "FAILED"
            print(f"{word} {self.passed + self.failed} {title} {seconds:.2f} s")
            if failure is not None:
                print("\n".join("    " + line for line in shortened(failure.rstrip().splitlines())))
            sys.stdout.flush()
            self._show()

    def slowest(self):
        """Where the time of the whole went."""
        order = sorted(self._seconds, key=self._seconds.get, reverse=True)[:SHOWN_SLOWEST]
        return ", ".join(f"{title} {self._seconds[title]:.0f} s" for title in order)

    def _show(self, clear=False):
        """The last line of the terminal."""
        if self._shown:
            width = shutil.get_terminal_size().columns
            line = "" if clear or not self._running else f"rumpk: running {', '.join(self._running)} ..."[: width - 1]
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def main(args) -> int:
    from . import bench_fibers, build, debug, machines, suites

    if args.machine is not None and args.machine not in scenarios.VARIANTS.get("host", ()):
        machines.load(args.machine.removesuffix(scenarios.CELLS))
    if args.list:
        for test in chosen(args):
            print(test.title)
        return 0
    if args.only and not _titles(args):
        common.say(f"no test has such a name: {' '.join(args.only)}; ./rumpk test --list shows them")
        return 1
    build.setup.ensure()
    titles = {test.title for test in chosen(args)}
    further = [*bench_fibers.PACKAGES] if "check/tidy" in titles else []  # it looks at the bench's sources, too
    further += [debug.GDB] if "cli/test_debug" in titles else []
    if further:
        build.setup.ensure_packages(tuple(further))
    report = Report()
    needed = _builds(args)
    for test in needed:
        report.run(test)
    tests = chosen(args)
    _run_all(tests, report)
    print(f"slowest: {report.slowest()}")
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 0 if tests and report.failed == 0 else 1


def _run_all(tests, report):
    """In their order, several at a time."""
    waiting = deque(tests)

    def work(spare):
        while waiting:
            if spare and _idle_processors(IDLE_SECONDS) < IDLE:
                continue
            try:
                test = waiting.popleft()
            except IndexError:
                return
            report.run(test)

    with ThreadPoolExecutor(WORKERS + SPARE) as workers:
        try:
            list(workers.map(work, [False] * WORKERS + [True] * SPARE))
        except KeyboardInterrupt:
            waiting.clear()
            raise


def _idle_processors(seconds):
    """How many processors have nothing to do, on average, while `seconds` pass (proc(5), /proc/stat: idle and iowait)."""

    def idle():
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        return int(words[4]) + int(words[5])

    before = idle()
    time.sleep(seconds)
    return (idle() - before) / os.sysconf("SC_CLK_TCK") / seconds


def chosen(args):
    """All tests that were asked for, the slow ones first."""
    from . import suites

    tests = [
        suites.Test(one.title, lambda s=one: scenarios.run(s)) for one in scenarios.load(args.long, args.only, args.machine)
    ]
    for suite in (suites.contract, suites.golden, suites.injections):
        tests += suite(args.long)
    if args.machine:
        tests = [test for test in tests if test.title.endswith(f" {args.machine}")]
    else:
        for suite in (suites.unit, suites.command_line, suites.litmus, suites.mutants, suites.fuzz, suites.checks):
            tests = suite(args.long) + tests
    return [test for test in tests if scenarios.wanted(test.title, args.only)]


# --- Building -------------------------------------------------------------------------------------


def _builds(args):
    """What must be built before anything else, each a test of its own. With --only, what the chosen need."""
    from . import machines, suites

    out = []
    presets = [preset for name in machines.names() for preset in (name, *scenarios.VARIANTS.get(name, ()))]
    for preset in presets:
        if args.machine in (None, preset):
            out.append(suites.Test(f"build {preset}", lambda p=preset: _build_images(p)))
    if not args.machine:
        for preset in (*suites.UNIT_PRESETS, "fuzz"):
            out.append(suites.Test(f"build {preset}", lambda p=preset: _build(p, [])))
    if args.only:
        titles = _titles(args)
        out = [test for test in out if _needed(test.title.split()[1], titles)]
    return out


def _titles(args):
    """What may be chosen once everything is built: ctest knows its tests only then."""
    from . import suites

    later = [] if args.machine else suites.unit_titles()
    return [test.title for test in chosen(args)] + [title for title in later if scenarios.wanted(title, args.only)]


def _needed(preset, titles):
    if preset.startswith("tests"):
        return any(title.startswith("unit") and title.endswith(f" {preset}") for title in titles)
    if preset == "fuzz":
        return any(title.startswith("fuzz/") for title in titles)
    ends = (f" {preset}", f" {preset}{scenarios.CELLS}")
    return any(title.endswith(ends) or title.startswith("check") for title in titles)


def _build(preset, targets):
    """By another process: what the compilers say belongs to the test's output."""
    code = f"from tools.cli import build; build.target({preset!r}, {targets!r}, {preset!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=common.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
    )
    if done.returncode != 0:
        raise scenarios.Failure(done.stdout)


def _build_images(preset):
    """All images, and the contract where the preset is a machine's own; one that does not build does not keep
    the others from it."""
    from . import build

    wrong = []
    try:
        _build(preset, ["images", "kernels"])
    except scenarios.Failure:
        for app in build.in_tree():
            try:
                _build(preset, [f"images/{app.name}.img"])
            except scenarios.Failure as failure:
                wrong.append(f"{app.name}:\n{failure}")
    try:
        _build(preset, ["contract"])
    except scenarios.Failure as failure:
        wrong.append(f"contract:\n{failure}")
    if wrong:
        raise scenarios.Failure("\n".join(wrong))
