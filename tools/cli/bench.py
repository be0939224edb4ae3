# SPDX-License-Identifier: Apache-2.0
"""`./rumpk bench`: measures, and prints a table for people or JSON Lines. docs/benchmarks.md says what each
figure means."""

import json
import statistics
import sys
from typing import NamedTuple

from . import common

# suite -> (module, what it measures)
SUITES = {
    "boot": ("bench_boot", "image size, boot, the console's throughput, an idle machine"),
    "rings": ("bench_rings", "rings beside those of boost, DPDK and moodycamel, pipes and futexes"),
    "machines": ("bench_machines", "what is counted in instructions and bytes, on every emulated machine beside qemu-riscv64"),
    "cells": ("bench_cells", "what it costs that a cell is kept apart: calls, the time, submitting"),
    "fibers": ("bench_fibers", "switching, talking, spawning, deadlines and tasks, beside what others use"),
}


class Figure(NamedTuple):
    """One measured value. min and max are over the runs, value is their median; a figure that is the same
    each time has one run."""

    name: str
    machine: str
    value: float | None  # None: it could not be measured
    unit: str
    min: float | None
    max: float | None
    runs: int
    peer: str | None = None  # what stands beside it
    peer_value: float | None = None
    target: float | None = None  # at most this; of the ratio where there is a peer
    why: str | None = None  # it could not be measured
    by_value: bool = False  # the target is the value's, although there is a peer

    @property
    def ratio(self):
        return self.value / self.peer_value if self.peer_value else None

    @property
    def missed(self):
        measured = self.ratio if self.peer and not self.by_value else self.value
        return self.target is not None and measured > self.target

    def line(self):
        fields = {key: _rounded(getattr(self, key)) for key in ("value", "min", "max")}
        out = {"name": self.name, "machine": self.machine, "value": fields["value"], "unit": self.unit}
        out |= {"min": fields["min"], "max": fields["max"], "runs": self.runs}
        if self.why:
            out["why"] = self.why
        if self.peer:
            out |= {"peer": self.peer, "peer_value": _rounded(self.peer_value), "ratio": _rounded(self.ratio)}
        return json.dumps(out)


def of_runs(name, machine, values, unit, **more):
    return Figure(name, machine, statistics.median(values), unit, min(values), max(values), len(values), **more)


def exact(name, machine, value, unit, **more):
    return Figure(name, machine, value, unit, value, value, 1, **more)


def missing(name, machine, unit, why):
    return Figure(name, machine, None, unit, None, None, 0, why=why)


def register(subparsers):
    import argparse

    parser = subparsers.add_parser(
        "bench",
        help="measure, and print tables or JSON Lines",
        description="Runs a suite of measurements. docs/benchmarks.md says what each figure means.",
        epilog="suites:\n" + "\n".join(f"  {name:<8} {what}" for name, (_, what) in SUITES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suite", nargs="?", choices=sorted(SUITES), help="without it, the suites are listed")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs", type=int, default=11, metavar="N", help="of what is timed (default 11)")
    parser.add_argument("--only", metavar="PATTERN", help="figures whose name has this in it, or matches it")
    parser.add_argument("--list", action="store_true", help="print the suites and the names of their figures, and stop")


def main(args) -> int:
    import importlib

    if args.list or args.suite is None:
        for name, (module, what) in SUITES.items():
            print(f"{name}: {what}")
            for figure in importlib.import_module(f".{module}", __package__).FIGURES:
                print(f"    {figure}")
        return 0
    if args.runs < 1:
        common.fail(f"--runs {args.runs}: at least 1")
    suite = importlib.import_module(f".{SUITES[args.suite][0]}", __package__)
    figures = []
    for figure in suite.measure(args.runs, args.only):
        figures.append(figure)
        if args.json:
            print(figure.line(), flush=True)
        elif sys.stderr.isatty():
            common.say(f"measured {figure.name} on {figure.machine}")
    if not figures:
        common.fail(f"no figure of {args.suite} has such a name; ./rumpk bench --list shows them")
    if not args.json:
        print(table(figures))
    return 0


# --- For people -----------------------------------------------------------------------------------

_HEAD = ("figure", "machine", "value", "unit", "min", "max", "runs", "beside it", "ratio", "target")


def table(figures):
    rows = [_HEAD] + [_row(figure) for figure in figures]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    right = {2, 4, 5, 6, 8}
    lines = []
    for row in rows:
        cells = [cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _row(figure):
    if figure.why:
        return (figure.name, figure.machine, "-", figure.unit, "", "", "0", "", "", f"not measured: {figure.why}")
    peer = f"{figure.peer}: {_text(figure.peer_value)}" if figure.peer else ""
    met = "missed" if figure.missed else "met"
    target = "" if figure.target is None else f"at most {_text(figure.target)}, {met}"
    spread = (_text(figure.min), _text(figure.max)) if figure.runs > 1 else ("", "")
    ratio = "" if figure.ratio is None else f"{figure.ratio:.3f}"
    return (figure.name, figure.machine, _text(figure.value), figure.unit, *spread, str(figure.runs), peer, ratio, target)


def _rounded(value):
    """Six digits say all that a measurement knows; whole numbers stay whole."""
    return value if value is None or isinstance(value, int) else float(f"{value:.6g}")


def _text(value):
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
