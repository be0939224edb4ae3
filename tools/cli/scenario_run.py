# SPDX-License-Identifier: Apache-2.0
"""Executes a scenario's command: gives it its input, and takes what it prints as the scenario says."""

import os
import select
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

GRACE = 20  # seconds that the command itself may take beyond the machine's limit
STALL = 0.5  # seconds that a full pipe stays full until everything behind it is full as well


class Failure(Exception):
    """What was wrong, as shown under the test's name."""


class Run(NamedTuple):
    code: int
    stdout: Path
    stderr: Path
    seconds: float


def execute(command, facts, source, folder):
    """Executes it with `source` as its standard input, and keeps its output in `folder`; a Run."""
    out, err = folder / "stdout", folder / "stderr"
    delay = facts.get("input", {}).get("delay", 0)
    reads = facts.get("slow_reader") or "close_output_after" in facts
    begun = time.monotonic()
    with source.open("rb") as given, out.open("wb") as to, err.open("wb") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE if delay else given, stdout=subprocess.PIPE if reads else to, stderr=errors
        )
        try:
            if delay:
                time.sleep(delay)
                process.stdin.write(given.read())
                process.stdin.close()
            if facts.get("slow_reader"):
                _until_full(process)
            if reads:
                _read(process.stdout, to, facts)
            code = process.wait(facts["limit_seconds"] + GRACE)
        except BrokenPipeError:
            code = process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure(f"the command did not end within {facts['limit_seconds'] + GRACE} s") from None
        finally:
            process.kill()
            process.wait()
    return Run(code, out, err, time.monotonic() - begun)


def _until_full(process):
    """Until nothing more goes into its standard output, so that what writes there has to wait, or it has ended."""
    pipe = select.poll()
    end = os.open(f"/proc/self/fd/{process.stdout.fileno()}", os.O_WRONLY)
    pipe.register(end, select.POLLOUT)
    full = 0.0
    while full < STALL and process.poll() is None:
        time.sleep(0.01)
        full = 0.0 if pipe.poll(0) else full + 0.01
    os.close(end)


def _read(stream, to, facts):
    left = facts.get("close_output_after", 1 << 62)
    while left > 0:
        piece = os.read(stream.fileno(), min(1 << 15, left))
        if not piece:
            break
        to.write(piece)
        left -= len(piece)
        if facts.get("slow_reader"):
            time.sleep(0.01)
    stream.close()
