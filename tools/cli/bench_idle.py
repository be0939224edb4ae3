# SPDX-License-Identifier: Apache-2.0
"""An idle machine, for the suites `boot` and `fibers`: what the kernel counted, and what it costs its host."""

import os
import subprocess
import time
from pathlib import Path

from . import bare, build, common, framing, machines, run, session
from .bench import exact

FIGURES = (
    "idle.timer_interrupts",
    "idle.host_cpu",
    "idle.vmm_wakeups",
    "idle.bare.host_cpu",
    "idle.bare.vmm_wakeups",
)
IDLE_SECONDS = 25
SETTLED = 1.0  # seconds between the line that says so and the beginning of the idle time
SECONDS = 120
HOST_CPU = 0.05  # percent: less is 0.0
PROCESSOR = "CPU 0/TCG"  # what the emulator calls the thread that executes


def measure(wants):
    ours = {name for name in wants if name in FIGURES and not name.startswith("idle.bare")}
    beside = {}
    if "idle.host_cpu" in ours or any(name.startswith("idle.bare") for name in wants):
        machine = machines.load("qemu-riscv64")
        _, used, wakeups = watched(emulated(machine, bare.image(bare.IDLE)), None)
        beside = {"peer": "bare image", "peer_value": used}
    if ours:
        for name in machines.names():
            yield from application(machines.load(name), ours, beside)
    if any(name.startswith("idle.bare") for name in wants):
        if "idle.bare.host_cpu" in wants:
            yield exact("idle.bare.host_cpu", machine.name, used, "%")
        if "idle.bare.vmm_wakeups" in wants:
            yield exact("idle.bare.vmm_wakeups", machine.name, wakeups, "per second")


def emulated(machine, image):
    return run.emulator_command(machine, image, machine.memory_default, 1) + ["-name", "idle,debug-threads=on"]


def application(machine, wants, beside):
    """It sleeps on its input; woken by a byte, it prints the kernel's counters. `beside` an emulator's use of the host:
    a bare image's."""
    image = build.application("idle", machine.name).image
    hosted = machine.kind == "process"
    command = run.process_command(image, machine.memory_default, 1) if hosted else emulated(machine, image)
    text, used, wakeups = watched(command, b"x" + framing.END_OF_INPUT)
    if not hosted:
        text = b"".join(data for channel, data in framing.Decoder().feed(text) if channel == framing.STDOUT)
    counters = dict(line.split() for line in text.decode().splitlines() if line.count(" ") == 1)
    if "idle.timer_interrupts" in wants:
        yield exact("idle.timer_interrupts", machine.name, int(counters["timer_interrupts"]), "interrupts", target=0)
    if "idle.host_cpu" in wants:
        yield exact("idle.host_cpu", machine.name, used, "%", target=HOST_CPU, by_value=True, **({} if hosted else beside))
    if "idle.vmm_wakeups" in wants and not hosted:
        yield exact("idle.vmm_wakeups", machine.name, wakeups, "per second", target=0)


def watched(command, wake):
    """Runs it until it has said that it is idle, and watches it from outside. Returns (what it said, processor time
    in percent, wake-ups of the emulated processor's thread a second); `wake` ends it, or it is ended."""
    process = session.start(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        said = b""
        while b"idle\n" not in said:
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                common.fail(f"{command[0]} ended before it was idle")
            said += piece
        time.sleep(SETTLED)
        before = cpu_seconds(process.pid), processor_waits(process.pid)
        time.sleep(IDLE_SECONDS)
        used, waits = cpu_seconds(process.pid) - before[0], processor_waits(process.pid) - before[1]
        rest = process.communicate(wake, timeout=SECONDS)[0] if wake else b""
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    return said + rest, round(100 * used / IDLE_SECONDS, 4), waits / IDLE_SECONDS


def tasks(pid):
    return list(Path(f"/proc/{pid}/task").iterdir())


def cpu_seconds(pid):
    """What all threads of a process have run, to the nanosecond."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks(pid)) / 1e9


def processor_waits(pid):
    """How often the emulated processor's thread has gone to sleep, which it does after each time it was woken."""
    for task in tasks(pid):
        if (task / "comm").read_text().rstrip("\n") == PROCESSOR:
            status = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
            return int(status["voluntary_ctxt_switches"])
    return 0
