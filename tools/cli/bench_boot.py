# SPDX-License-Identifier: Apache-2.0
"""The suite `boot`: from an image's size to an idle machine."""

import os
import subprocess
import sys
import time
from pathlib import Path

from . import bare, bench_idle, build, common, inspect, instructions, machines, run, scenarios
from .bench import exact, of_runs

FIGURES = (
    "image.kernel_hello_bytes",
    "image.kernel_all_parts_bytes",
    "boot.instructions",
    "boot.kernel_instructions",
    "boot.wall",
    "boot.command_overhead",
    "count.bytes_per_second",
    *bench_idle.FIGURES,
)
EMULATED = "qemu-riscv64"
BARE_FIRST_BYTE = 10  # instructions of bare.S up to and with the store of its first byte
COUNT_TEXT = {"host": "64M"}
COUNT_TEXT_EMULATED = "2M"
COUNT_RUNS = 3
SECONDS = 120

IMAGE_TARGET = 49152
WALL_TARGET = 1.3
OVERHEAD_TARGET = 0.3


def measure(runs, only):
    """Each figure as it is measured."""
    wants = {name for name in FIGURES if scenarios.wanted(name, only)}
    emulated = machines.load(EMULATED)
    hello = build.application("hello", EMULATED)
    if "image.kernel_hello_bytes" in wants:
        size = inspect.loaded(inspect.parts(hello))
        yield exact("image.kernel_hello_bytes", EMULATED, size, "bytes", target=IMAGE_TARGET)
    if "image.kernel_all_parts_bytes" in wants:
        whole = build.target(EMULATED, ["kernel"], "kernel with all parts", archs=(emulated.arch,)) / "kernel.elf"
        yield exact("image.kernel_all_parts_bytes", EMULATED, inspect.kernel_size(whole), "bytes")
    if wants & {"boot.instructions", "boot.kernel_instructions"}:
        yield from boot_instructions(emulated, hello.image, wants)
    if wants & {"boot.wall", "boot.command_overhead"}:
        yield from boot_wall(emulated, hello.image, runs, wants)
    if "count.bytes_per_second" in wants:
        for name in machines.names():
            yield count_speed(machines.load(name), min(runs, COUNT_RUNS))
    yield from bench_idle.measure(wants)


# --- Boot -----------------------------------------------------------------------------------------


def boot_counts(machine, image):
    """Instructions until the end of the first line of the image and of the bare one, and those of the firmware. Only one
    machine has any: elsewhere there is nothing to compare with, and the few that the emulator puts before an image count
    as the image's."""
    try:
        _, line = instructions.counts(machine, image)
        if machine.name != EMULATED:
            return line, None, 0
        first, bare_line = instructions.counts(machine, bare.image())
    except instructions.RecordError as error:
        common.fail(f"boot.instructions: {error}")
    return line, bare_line, first - BARE_FIRST_BYTE


def boot_instructions(machine, image, wants):
    line, bare_line, firmware = boot_counts(machine, image)
    if "boot.instructions" in wants:
        yield exact("boot.instructions", machine.name, line, "instructions", peer="bare image", peer_value=bare_line)
    if "boot.kernel_instructions" in wants:
        yield exact("boot.kernel_instructions", machine.name, line - firmware, "instructions")


def pinned(command, cpu, **options):
    """Seconds from the start of a program to its end, on one processor."""
    begun = time.perf_counter()
    done = subprocess.run(
        ["taskset", "-c", str(cpu), *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS,
        check=False, **{"stdin": subprocess.DEVNULL, **options},
    )
    seconds = time.perf_counter() - begun
    return seconds, done


def boot_wall(machine, image, runs, wants):
    """In turns, so that whatever else the machine does meets all of them."""
    cpu = max(os.sched_getaffinity(0))
    least = bare.image()
    commands = {
        "hello": run.emulator_command(machine, image, machine.memory_default, 1),
        "bare": run.emulator_command(machine, least, machine.memory_default, 1),
        "command": [sys.executable, str(common.ROOT / "rumpk"), "run", "hello", "--machine", machine.name],
    }
    seconds = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            took, done = pinned(command, cpu)
            if done.returncode != 0 or b"Hello from" not in done.stdout:
                common.fail(f"{name} did not run: {done.stderr.decode(errors='replace')}")
            if number:  # the first round warms the caches
                seconds[name].append(took)
    if "boot.wall" in wants:
        wall = of_runs("boot.wall", machine.name, seconds["hello"], "s", target=WALL_TARGET)
        bare_wall = of_runs("", machine.name, seconds["bare"], "s").value
        yield wall._replace(peer="bare image", peer_value=bare_wall)
    if "boot.command_overhead" in wants:
        added = [command - hello for command, hello in zip(seconds["command"], seconds["hello"])]
        yield of_runs("boot.command_overhead", machine.name, added, "s", target=OVERHEAD_TARGET)


# --- The console's throughput ---------------------------------------------------------------------


def count_text(size):
    """Text of packages, repeated up to the size."""
    kept = scenarios.input_file({"input": {"package_text": "2M"}}).read_bytes()
    path = scenarios.INPUTS / f"count-{size}"
    if not path.exists() or path.stat().st_size != common.size(size):
        path.write_bytes((kept * (common.size(size) // len(kept) + 1))[: common.size(size)])
    return path


def count_speed(machine, runs):
    """The whole way, runner included; what starting and ending takes is measured apart and taken off."""
    image = build.application("count", machine.name).image
    path = count_text(COUNT_TEXT.get(machine.name, COUNT_TEXT_EMULATED))
    want = subprocess.run("cat | LC_ALL=C wc", shell=True, stdin=path.open("rb"), capture_output=True, check=True).stdout
    command = [sys.executable, str(common.ROOT / "rumpk"), "run", str(image), "--machine", machine.name]
    speeds = []
    for _ in range(runs):
        empty, _ = timed(command, None)
        seconds, said = timed(command, path)
        if said != want:
            common.fail(f"count on {machine.name} says {said!r}, wc says {want!r}")
        speeds.append(path.stat().st_size / (seconds - empty))
    return of_runs("count.bytes_per_second", machine.name, speeds, "bytes/s")


def timed(command, path):
    with open(path or os.devnull, "rb") as given:
        begun = time.perf_counter()
        done = subprocess.run(command, stdin=given, capture_output=True, timeout=SECONDS, check=False)
        seconds = time.perf_counter() - begun
    if done.returncode != 0:
        common.fail(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return seconds, done.stdout
