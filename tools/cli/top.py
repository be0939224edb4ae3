# SPDX-License-Identifier: Apache-2.0
"""`./rumpk top`: the fibers of a running image by tier, core and time, and what became of its cells. It asks the `./rumpk run` that the image
belongs to (monitor.py), or starts one."""

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import build, cells, common, machines, monitor, run, session, telemetry

ANSWER_SECONDS = 5.0
START_SECONDS = 60.0  # for the first answer of a machine that has just been started
END_SECONDS = 10.0  # for a run of ours that was asked to end
ASK = b"?"
_FIELDS = {
    "application": str, "machine": str, "pid": int, "cores": int, "uptime_ns": int, "memory_unused": int, "fibers": list,
    "cells": list,
}
_NS = 1_000_000_000


def register(subparsers):
    parser = subparsers.add_parser(
        "top",
        help="show the fibers of a running image by tier, core and time",
        description="Shows the fibers of an image again and again: of one that ./rumpk run has started, or of an application that it "
        "starts itself. q or Ctrl-C ends it.",
        epilog="The first look makes the image count times. TIME is run time since then, WAKE the longest from being woken to "
        "running, SHARE the part of its core since the last look. An application that top has started gets no input and ends with top, "
        "with whose exit code it ends if it does so itself; what it says is shown then, on standard error.",
        usage="./rumpk top [options] [RUN|APP] [-- ARGS...]",
    )
    parser.add_argument("application", nargs="?", metavar="RUN|APP", help="the application's name or the process id of its ./rumpk run; where "
                        "none runs, an application to start, as for run; default: the run that was started last")
    parser.add_argument("--interval", default="1", metavar="SECONDS", help="between two looks (default 1)")
    parser.add_argument("--once", action="store_true", help="look once")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each look")
    parser.add_argument("--all", action="store_true", help="every fiber, also more than the terminal has lines")
    parser.add_argument("--machine", help=f"start it, whether one runs or not, on this machine; default where none runs: {machines.DEFAULT}")
    parser.add_argument("--smp", metavar="N", help="start it, with so many cores")
    parser.add_argument("--memory", metavar="SIZE", help="start it, with so much memory")
    parser.set_defaults(arguments=[])
    run.keep_arguments_apart(parser)


class NoAnswer(Exception):
    """Why there is none, and the command's exit code if that ends it."""

    def __init__(self, why, code):
        super().__init__(why)
        self.code = code


def main(args) -> int:
    interval = _seconds(args.interval)
    options = [word for name in ("machine", "smp", "memory") if getattr(args, name) for word in (f"--{name}", getattr(args, name))]
    start = bool(options or args.arguments)
    if start and args.application is None:
        common.fail("which application is to be started? Say for example ./rumpk top threads --machine host")
    asked, others = (None, []) if start else _connect(args.application)
    if asked is None and (start or _is_application(args.application)):
        with _Started(args, options) as started:
            return started.show(args, interval)
    if asked is None:
        _nobody(args.application, others)
    try:
        return _look(asked, args, interval)
    except NoAnswer as none:
        common.fail(str(none), none.code)
    finally:
        asked.close()


# --- An application of our own ---------------------------------------------------------------------


def _is_application(name):
    return name is not None and (name.endswith(".img") or Path(name).is_dir() or name in [one.name for one in build.in_tree()])


class _Started:
    """A run that ends with us. What it says waits in a file, for the screen is ours."""

    def __init__(self, args, options):
        target = run.target_of(args.application, machines.load(args.machine or machines.DEFAULT))
        self._said = tempfile.TemporaryFile()
        self._process = session.start(
            [str(common.ROOT / "rumpk"), "run", str(target.image), *options, "--", *args.arguments],
            stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Asks it to end, if it has not, and passes on what it said."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._said.seek(0)
        shutil.copyfileobj(self._said, sys.stderr.buffer)
        sys.stderr.flush()
        self._said.close()

    def show(self, args, interval):
        """Until its end or ours; the exit code."""
        asked = self._connect()
        if asked is not None:
            with asked:
                try:
                    return _look(asked, args, interval)
                except NoAnswer as none:
                    if none.code:
                        common.say(str(none))
                        return none.code
        return self._process.wait()

    def _connect(self):
        """As soon as it listens; None: it has ended before."""
        place = monitor.folder()
        while self._process.poll() is None:
            path = place and place / f"{self._process.pid}.socket"
            if path and path.exists() and (asked := _open(path)):
                asked.settimeout(START_SECONDS)
                return asked
            time.sleep(0.02)
        return None


def _seconds(text):
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.05 <= seconds <= 86400:
        common.fail(f"--interval {text}: not a number of seconds from 0.05 on; say for example --interval 2")
    return seconds


# --- Who is asked ---------------------------------------------------------------------------------


def _sockets():
    """Of the runs that listen, the last one first."""
    folder = monitor.folder()
    found = []
    for path in folder.glob("*.socket") if folder else ():
        try:
            found.append((path.stat().st_mtime_ns, path))
        except OSError:
            pass  # ended meanwhile
    return [path for _, path in sorted(found, reverse=True)]


def _open(path):
    """The connection, or None: nobody is there any more, and what is left of it is taken away."""
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asked.settimeout(ANSWER_SECONDS)
    try:
        asked.connect(str(path))
        return asked
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
    except OSError:
        pass
    asked.close()
    return None


def _connect(wanted):
    """The run that is meant. None and the others: their names, and the process ids of those that do not say theirs."""
    others = []
    for path in _sockets():
        if wanted is not None and wanted.isdigit() and path.stem != wanted:
            others.append(path.stem)
            continue
        asked = _open(path)
        if asked is None:
            continue
        if wanted is None or wanted.isdigit():
            return asked, []
        try:
            name = _ask(asked)["application"]
        except NoAnswer as none:
            name = f"{path.stem} (no answer)" if none.code else None
        if name == wanted:
            return asked, []
        others += [name] if name else []
        asked.close()
    return None, others


def _nobody(wanted, others):
    if wanted is None:
        common.fail("no image is running; ./rumpk run starts one")
    common.fail(f"no run of '{wanted}', and no such application" + (f"; there are runs: {', '.join(others)}" if others else
                                                                    "; nothing is running"))


def _ask(asked):
    """One answer, checked. Raises NoAnswer."""
    try:
        asked.sendall(ASK)
        line = b""
        while not line.endswith(b"\n"):
            piece = asked.recv(1 << 16)
            if not piece:
                raise NoAnswer("the run has ended", 0)
            line += piece
    except TimeoutError as error:
        raise NoAnswer("no answer: the image is not up yet, or is busy in a tier above its console driver's, or does not take its "
                       "input, behind which the question stands", common.EXIT_EMULATOR) from error
    except OSError as error:
        raise NoAnswer("the run has ended", 0) from error
    try:
        answer = json.loads(line)
        if not isinstance(answer, dict) or any(not isinstance(answer.get(key), kind) for key, kind in _FIELDS.items()):
            raise ValueError
        return answer
    except ValueError as error:
        raise NoAnswer("what answers is no run of this version", common.EXIT_USAGE) from error


# --- What is shown --------------------------------------------------------------------------------


def _look(asked, args, interval):
    """Until the end; the exit code."""
    before, answer = None, _ask(asked)
    if _counted(answer) < interval * _NS:  # since this question, or one just before
        time.sleep(interval)
        before, answer = answer, _ask(asked)
    with _Keys(enabled=not args.once and not args.json and sys.stdout.isatty()) as keys:
        while True:
            if args.json:
                print(json.dumps(answer), flush=True)
            elif keys.enabled:
                print("\n".join(_screen(table(answer, before), args.all)), flush=True)
            else:
                print("\n".join(table(answer, before)) + "\n" * (not args.once), flush=True)
            if args.once or keys.quit_within(interval):
                return 0
            before, answer = answer, _ask(asked)


def table(answer, before):
    """Lines for a person. Shares are of the time since `before`, an earlier answer of the same run, or since they are counted."""
    past = {_who(fiber): fiber["run_ns"] for fiber in before["fibers"]} if before else {}
    span = answer["uptime_ns"] - before["uptime_ns"] if before else _counted(answer)
    rows, used = [], {}
    for fiber in answer["fibers"]:
        share = max(0, fiber["run_ns"] - past.get(_who(fiber), 0)) / span if span > 0 else 0.0
        used[fiber["core"]] = used.get(fiber["core"], 0.0) + share
        rows.append((share, fiber))
    cores = "  ".join(f"core {core} {100 * used.get(core, 0.0):.1f} %" for core in range(answer["cores"]))
    lines = [
        f"{answer['application']} on {answer['machine']}, run {answer['pid']}: up {answer['uptime_ns'] / _NS:.1f} s, "
        f"{len(rows)} fibers;  {cores}",
        "TIER     CORE  STATE     SHARE        TIME    SWITCHES        WAKE  FIBER      NAME",
    ]
    order = {tier: number for number, tier in enumerate(telemetry.TIERS)}
    rows.sort(key=lambda row: (order[row[1]["tier"]], row[1]["core"], -row[0], row[1]["id"]))
    for share, fiber in rows:
        state = "new" if fiber["state"] == "free" else fiber["state"]
        slot = "kernel" if fiber["kernel"] else f"{fiber['id'] & 0xffffffff}.{fiber['id'] >> 32}"
        slot = slot if fiber["kernel"] or len(answer["cells"]) < 2 else f"{cells.LETTERS[fiber['window']]}:{slot}"
        lines.append(
            f"{fiber['tier']:<8} {fiber['core']:>4}  {state:<8} {100 * share:>5.1f} % {fiber['run_ns'] / _NS:>9.3f} s "
            f"{fiber['switches']:>11} {fiber['wake_max_ns'] / 1000:>8.1f} us  {slot:<9}  {fiber['name']}"
        )
    return lines + _cell_lines(answer)


def _cell_lines(answer):
    """What became of cells, where they can end alone or begin anew."""
    if not answer["cells"]:
        return []
    lines = ["WINDOW  RESTARTS  STATE     CELL             LAST END"]
    for cell in answer["cells"]:
        how = {
            "": "",
            "itself": f"by itself with {cell['code']}",
            "fault": f"fiber {cell['fiber']}: {cell['what']} at {cell['pc']:#x}, address {cell['address']:#x}",
            "kernel": "by the kernel",
            "heartbeat": f"fiber {cell['fiber']}: no heartbeat",
        }[cell["end"]]
        since = f"; {(answer['uptime_ns'] - cell['ended_ns']) / _NS:.1f} s ago" if how else ""
        lines.append(f"{cells.LETTERS[cell['window']]:<6} {cell['restarts']:>9}  {'lives' if cell['lives'] else 'ended' if how else 'waits':<8}  "
                     f"{cell['name']:<15}  {how}{since}".rstrip())
    return lines


def _counted(answer):
    """For how long times are counted."""
    return answer["uptime_ns"] - max((fiber["counted_since_ns"] for fiber in answer["fibers"]), default=0)


def _who(fiber):
    return fiber["id"], fiber["name"] if fiber["kernel"] else ""


def _screen(lines, everything):
    """The terminal's whole screen anew."""
    width, height = (given or usual for given, usual in zip(os.get_terminal_size(sys.stdout.fileno()), (80, 24)))
    if not everything and len(lines) > height - 1 > 2:
        hidden = len(lines) - (height - 2)
        lines = lines[: height - 2] + [f"... and {hidden} more; --all shows them"]
    return ["\x1b[H\x1b[2J" + lines[0][:width]] + [line[:width] for line in lines[1:]]


class _Keys:
    """The terminal gives single keys while this lives."""

    def __init__(self, enabled):
        self.enabled = enabled
        self._settings = None

    def __enter__(self):
        if self.enabled and sys.stdin.isatty():
            import termios
            import tty

            self._settings = termios.tcgetattr(0)
            tty.setcbreak(0)
        return self

    def __exit__(self, *_):
        if self._settings:
            import termios

            termios.tcsetattr(0, termios.TCSADRAIN, self._settings)

    def quit_within(self, seconds):
        """Waits so long; True at once when q was pressed."""
        limit = time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            if not self._settings:
                time.sleep(left)
            elif select.select([0], [], [], left)[0]:
                key = os.read(0, 1)
                if key in (b"q", b"Q", b""):
                    return True
        return False
