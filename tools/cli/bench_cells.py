# SPDX-License-Identifier: Apache-2.0
"""The suite `cells`: what it costs that a cell is kept apart. docs/benchmarks.md says what each figure means."""

import subprocess
import time

from . import build, common, framing, image, inject, machines, manifest, parts, run, scenarios
from .bench import exact

EMULATED = "qemu-riscv64"
SECONDS = 120
PRICE = "price"  # tests/apps/price
SUBMIT = "submit"
SUBMITTED = 160_000  # messages that tests/apps/submit sends

# figure -> (application, what it says, kept apart, target)
COUNTED = {
    "gate.null_call.instructions": (PRICE, "null_call", True, 200),
    "fused.null_call.instructions": (PRICE, "null_call", False, 10),
    "gate.time.instructions": (PRICE, "time", True, 30),
    "fused.time.instructions": (PRICE, "time", False, None),
    "cell.submit.instructions": (SUBMIT, SUBMIT, True, 10),
}
RELAY = "relay"  # tests/apps/relay
# figure -> what it says of a message to another cell and back, target
BETWEEN = {"cell.pingpong.instructions": ("pingpong", "instructions", None), "cell.switch.tlb_flushes": ("flushes", "flushes", 0)}
STEADY = "steady"  # tests/apps/steady
# figure -> what it says of two cells beside a third that faults all the time, against one that does nothing
UNDISTURBED = {"fault.throughput": ("messages", "messages per million instructions"),
               "fault.throughput.own": ("own", "messages per million instructions of the sender's own"),
               "fault.throughput.lives": ("lives", "lives of the third")}
RESTART = "restart"  # tests/apps/restart
RESTARTED = "cell.restart.instructions"
RESTARTED_TARGET = 200_000
# preset -> faults that are injected there
INJECTED = {"host": 10_000, "qemu-riscv64-cells": 1_000, "qemu-riscv64-pmp-cells": 1_000, "qemu-aarch64-cells": 1_000,
            "qemu-riscv64-driver": 1_000, "qemu-aarch64-driver": 1_000,
            "qemu-riscv64-console": 1_000, "qemu-aarch64-console": 300}
FAULTS = ("fault.injected", "fault.kernel_faults", "fault.lost_messages")
FUZZER = "any-arguments"  # tests/apps/any-arguments
FUZZED = "syscall.fuzz_calls"
FUZZ_CALLS = 300_000
FIGURES = (*COUNTED, *BETWEEN, *UNDISTURBED, RESTARTED, *FAULTS, FUZZED)


def measure(_runs, only):
    """Each figure as it is measured, on the first machine and on the others that keep cells apart. The same each time: by
    instructions."""
    first = machines.load(EMULATED)
    others = [machine for machine in map(machines.load, machines.names()) if machine.cells and machine != first]
    said = {}
    for name, (application, what, apart, target) in COUNTED.items():
        if not scenarios.wanted(name, only):
            continue
        for machine in (first, *others):
            if (machine, application, apart) not in said:
                said[machine, application, apart] = counts(machine, application, apart)
            yield exact(name, machine.name, said[machine, application, apart][what], "instructions", target=target)
    for machine in (one for one in (first, *others) if one.views and any(scenarios.wanted(name, only) for name in BETWEEN)):
        said = counts(machine, RELAY, False, ("measure",))
        for name, (what, unit, target) in BETWEEN.items():
            if scenarios.wanted(name, only):
                yield exact(name, machine.name, said[what], unit, target=target)
    if any(scenarios.wanted(name, only) for name in UNDISTURBED):
        for machine in (one for one in (first, *others) if one.views):
            faulty, quiet = (counts(machine, STEADY, False, (what,)) for what in ("faults", "quiet"))
            for name, (what, unit) in UNDISTURBED.items():
                if scenarios.wanted(name, only):
                    peer = {} if what == "lives" else {"peer": "quiet", "peer_value": quiet[what]}
                    yield exact(name, machine.name, faulty[what], unit, **peer)
    if scenarios.wanted(RESTARTED, only):
        at = counts(first, RESTART, True, ("measure", "1"))
        yield exact(RESTARTED, first.name, at["begun"] - at["fault"], "instructions", target=RESTARTED_TARGET)
    if any(scenarios.wanted(name, only) for name in FAULTS):
        for preset, faults in INJECTED.items():
            yield from injected(preset, faults, only)
    if scenarios.wanted(FUZZED, only):
        yield exact(FUZZED, first.name, fuzzed(first), "calls")


def injected(preset, faults, only):
    """What came of so many faults: each run from another seed, which is said if it goes wrong."""
    seed = time.time_ns() % (1 << 32)
    build.target(inject.built(preset), ["kernels", f"images/{inject.application(preset)}.img"], "an application that ends again and again")
    outcome = inject.run(preset, faults, seed)
    if outcome.wrong:
        tell = common.say if outcome.kernel_faults or outcome.lost else common.fail  # a figure says so, or none does
        tell(f"{preset}, seed {seed}: {outcome.wrong}")
    for name, value, unit, target in zip(FAULTS, (outcome.injected, outcome.kernel_faults, outcome.lost),
                                         ("faults", "faults", "messages"), (None, 0, 0)):
        if scenarios.wanted(name, only):
            yield exact(name, preset, value, unit, target=target)


def fuzzed(machine):
    """Calls with any arguments that a cell which is kept apart has made, all of them answered."""
    command = run.emulator_command(machine, packed(FUZZER, machine), machine.memory_default, 1, (str(FUZZ_CALLS),))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10 * SECONDS, check=False)
    decoder = framing.Decoder()
    text = b"".join(data for _, data in decoder.feed(done.stdout)).decode(errors="replace")
    if decoder.panicked or decoder.exit_code != 0 or "FAILED" in text:
        common.fail(f"{FUZZER} on {machine.name}: {text}")
    return FUZZ_CALLS


def counts(machine, application, apart, arguments=()):
    """What the application says of itself, where an emulated machine executes an instruction a nanosecond."""
    path = packed(application, machine) if apart else build.application(application, machine.name).image
    command = run.emulator_command(machine, path, image.memory_for(machine, path), 1, arguments)
    command += ["-seed", "1", "-icount", "shift=0,sleep=off"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    text = b"".join(data for channel, data in framing.Decoder().feed(done.stdout) if channel == framing.STDOUT).decode()
    words = [line.split() for line in text.splitlines()]
    try:
        if application == SUBMIT:
            return {SUBMIT: int(words[0][0]) / SUBMITTED}
        return {name: float(value) for name, value in words}
    except (ValueError, IndexError):
        common.fail(f"{application} on {machine.name} did not say what it counted: {done.stderr.decode(errors='replace')}")


def packed(application, machine):
    """The application's celled image."""
    built = build.application(application, machine.name)
    cell = build.find(application).folder / "cell.toml"
    kernel = parts.kernel({"cells", *parts.of(manifest.load(cell), True)})
    folder = build.target(machine.name, [kernel], "the kernel that keeps cells apart")
    output = common.BUILD / "bench" / f"{application}-{machine.name}.img"
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        image.build("raw", machine.arch, folder / f"{kernel}.elf", built.app_elf, cell, output, machine.windows)
    except image.ImageError as error:
        common.fail(str(error))
    return output
