# SPDX-License-Identifier: Apache-2.0
"""The suite `fibers`: switching, talking, beginning and ending, waiting; on the host beside what a program
of the host would use, in the same process (bench/fibers), and in instructions on the emulated machine."""

import os
import re
import subprocess
from typing import NamedTuple

from . import backtrace, bench_idle, build, common, framing, image, machines, meter, run, scenarios, setup
from .bench import Figure, exact, missing, of_runs

PACKAGES = ("libboost-context-dev", "libboost-fiber-dev")  # the peers
HOST = "host"
EMULATED = "qemu-riscv64"
FOLDER = common.ROOT / "bench" / "fibers"
MEMORY = 256 << 20
SECONDS = 600
INSTRUCTIONS = "instructions"  # the application of tests/apps
MORE_FIBERS = 1024  # that the second image of fiber.bytes has room for: whole pages of everything


class Row(NamedTuple):
    unit: str = "ns"
    peer: str | None = None
    target: float | None = None  # of the ratio where there is a peer


FCONTEXT, FIBER, MAP = "boost jump_fcontext", "boost.fiber", "std::multimap"
DEADLINES = {
    f"deadline.{what}.{count}": Row(peer=MAP, target=target if count == 1_000_000 else None)
    for count in (10_000, 1_000_000)
    for what, target in (("insert", 0.1), ("cancel_insert", 0.1), ("expire", None), ("worst", None))
}
COUNTED_YIELD = "fiber.yield.2.counted"  # in a process of its own: who counts times goes on with it
SPINNING, PARKED = "smp.message.spinning", "smp.message.parked"  # two cores, on two processors
HOSTED = {
    "fiber.switch": Row(peer=FCONTEXT, target=0.5),
    "fiber.switch.fpcw": Row(peer=FCONTEXT, target=1.0),
    "fiber.switch.flags": Row(peer=FCONTEXT),
    "fiber.yield.2": Row(peer=FIBER, target=0.12),
    COUNTED_YIELD: Row(peer=FIBER),
    "fiber.yield.10000": Row(peer=FIBER, target=0.55),
    "fiber.pingpong": Row(peer="pipe", target=0.01),
    "fiber.spawn_end": Row(peer=FIBER, target=0.2),
    SPINNING: Row(peer="cache line", target=1.5),
    PARKED: Row(peer="pipe"),
    "task.resume": Row(peer="bare coroutine", target=1.5),
    "task.bytes": Row(unit="bytes", target=256),
    **DEADLINES,
}
BYTES = {"fiber.bytes.1k": 1088, "fiber.bytes.4k": 4224, "fiber.bytes.rings": None}
COUNTED = {
    "switch.instructions": 100,
    "switch.instructions.float": 100,
    "pingpong.instructions": 220,
    "pingpong.instructions.four": 220,
    "pingpong.instructions.asleep": None,
    "pingpong.instructions.higher": None,
    "pingpong.instructions.lower": None,
    "spawn_end.instructions": 300,
}
WAKE = "wake"  # the application of tests/apps
WAKES = 100_000
WAKES_OF_CALLS = 20_000
METERED = {
    "wake.instructions.max": 1000,
    "wake.instructions.median": None,
    "wake.instructions.spread": 1.5,
    "wake.masked.instructions.max": None,
    "irq_off.instructions.max": 500,
}
# Beside cells that are kept apart, one of which begins anew all the time: the application of tests/apps, so many wake-ups,
# and the machine's memory. The second takes much of that: only where it is asked for by name.
CROWDS = {"crowd": (WAKES, 128 << 20), "crowds": (WAKES, 512 << 20)}
CROWDED = {
    f"{name}.{crowd}.{what}": target
    for crowd in CROWDS
    for name, what, target in (
        ("wake", "instructions.max", 1000), ("wake", "instructions.median", None), ("wake", "instructions.spread", 1.5),
        ("wake", "late.max", None), ("wake", "lives", None), ("irq_off", "instructions.max", 500))
}
FIGURES = (*HOSTED, *BYTES, *COUNTED, *METERED, *CROWDED, *bench_idle.FIGURES)


def measure(runs, only):
    """Each figure as it is measured."""
    wants = [name for name in FIGURES if scenarios.wanted(name, only)]
    hosted = [name for name in wants if name in HOSTED]
    if hosted:
        yield from on_host(runs, hosted)
    if any(name in BYTES for name in wants):
        yield from fiber_bytes(wants)
    if any(name in COUNTED for name in wants):
        yield from instructions(wants)
    if any(name in METERED for name in wants):
        yield from metered(wants)
    for crowd in CROWDS:
        if any(f".{crowd}." in name for name in wants) and (crowd == "crowd" or only):
            yield from crowded(crowd, wants)
    yield from bench_idle.measure(wants)


# --- On the host ----------------------------------------------------------------------------------


def program(cell_toml):
    """The image of bench/fibers with this manifest."""
    setup.ensure_packages(PACKAGES)
    folder = build.target(HOST, ["bench-fibers", "bench-fibers-trampoline"], "the bench of fibers") / "bench" / "fibers"
    output = folder / "fibers.img"
    try:
        image.build("process", machines.load(HOST).arch, folder / "bench-fibers", folder / "bench-fibers-trampoline",
                    cell_toml, output)
    except image.ImageError as error:
        common.fail(str(error))
    return output


def lines_of(path, figures, runs, cores=1):
    """What the program says, each line in words. With one core it is pinned to one processor, peers and all."""
    cpu = str(max(os.sched_getaffinity(0)))
    pinned = ["taskset", "-c", cpu] if cores == 1 else []
    command = [*pinned, *run.process_command(path, MEMORY, cores)]
    environment = {**os.environ, "BENCH_RUNS": str(runs), "BENCH_FIGURES": ",".join(figures)}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=SECONDS, check=False)
    if done.returncode != 0:
        common.fail(f"the bench of fibers ended with {done.returncode}:\n{done.stderr}")
    return [line.split() for line in done.stdout.splitlines()]


def on_host(runs, names):
    ours, peers, reasons = {}, {}, {}
    across = [name for name in names if name in (SPINNING, PARKED)]
    counted = [name for name in names if name == COUNTED_YIELD]
    rest = [name for name in names if name not in (*across, *counted)]
    lines = []
    for figures, manifest, cores in ((rest, "cell.toml", 1), (counted, "cell.toml", 1), (across, "cores.toml", 2)):
        if figures:
            lines += lines_of(program(FOLDER / manifest), figures, runs + 1, cores)
    for name, *rest in lines:
        if rest[0] == "none":
            reasons[name] = " ".join(rest[1:])
            continue
        ours.setdefault(name, []).append(float(rest[0]))
        if rest[1] != "-":
            peers.setdefault(name, []).append(float(rest[1]))
    for name in [*names, *(extra for extra in ours if extra not in names)]:
        row = HOSTED.get(name) or Row(peer=FIBER)
        if name in reasons:
            yield missing(name, HOST, row.unit, reasons[name])
        elif name not in peers:
            yield exact(name, HOST, ours[name][0], row.unit, target=row.target)
        else:
            # The first round warms the caches.
            peer = of_runs(name, HOST, peers[name][1:], row.unit).value
            yield of_runs(name, HOST, ours[name][1:], row.unit, peer=row.peer, peer_value=peer, target=row.target)


def fiber_bytes(wants):
    """What boot takes for so many more fibers, by the kernel's own account of memory."""
    def unused(fibers, stack, rings):
        toml = common.BUILD / "bench" / "fibers.toml"
        toml.parent.mkdir(parents=True, exist_ok=True)
        toml.write_text(f'name = "bench"\nfibers = {fibers}\nfiber_stack = "{stack}"\nfiber_rings = "{rings}"\n')
        (line,) = lines_of(program(toml), ["memory.unused"], 0)
        return int(line[1]) - int(line[2])  # the deadlines' storage is not seen in the first

    def each(stack, rings):
        few = 64
        return (unused(few, stack, rings) - unused(few + MORE_FIBERS, stack, rings)) / MORE_FIBERS

    large = each("4K", "0")
    values = {"fiber.bytes.1k": each("1K", "0"), "fiber.bytes.4k": large, "fiber.bytes.rings": each("4K", "4K") - large}
    for name, target in BYTES.items():
        if name in wants:
            yield exact(name, HOST, values[name], "bytes", target=target)


# --- In instructions ------------------------------------------------------------------------------


def instructions(wants):
    counts = counted(machines.load(EMULATED))
    for name, target in COUNTED.items():
        if name in wants:
            yield exact(name, EMULATED, counts[name], "instructions", target=target)


def counted(machine):
    """Figure -> instructions. An emulated machine executes one a nanosecond, so its clock counts them."""
    path = build.application(INSTRUCTIONS, machine.name).image
    command = run.emulator_command(machine, path, machine.memory_default, 1)
    command += ["-seed", "1", "-icount", "shift=0,sleep=off"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    text = b"".join(data for channel, data in framing.Decoder().feed(done.stdout) if channel == framing.STDOUT)
    counts = dict(line.split() for line in text.decode().splitlines())
    for name in COUNTED:
        if name not in counts:
            common.fail(f"{INSTRUCTIONS} on {machine.name} did not say {name}: {done.stderr.decode(errors='replace')}")
    return {name: float(counts[name]) for name in COUNTED}


# --- From an interrupt to the fiber, and without interrupts --------------------------------------


def wake(machine, load, wakes):
    """Of tests/apps/wake: the meter's report, how late a wake-up was at most, and the symbols that name places."""
    built = build.application(WAKE, machine.name)
    given = scenarios.input_file({"input": {"zeros": "64K"}})  # for read(0), which takes so much
    try:
        with given.open("rb") as file:
            report, said = meter.of_application(machine, built, [load, str(wakes)], "wake_mark", given=file)
    except meter.MeterError as error:
        common.fail(f"{WAKE} {load} on {machine.name}: {error}")
    late = re.search(rb"^late (\d+)$", said, re.MULTILINE)
    return report, int(late[1]), backtrace.Symbols(built.kernel_elf, built.app_elf, windows=machine.windows)


def latency(machine, say=lambda _line: None):
    """Figure -> (value, least, most, runs), of both loads; what is longest is said in words."""
    reports = [wake(machine, "load", WAKES), wake(machine, "calls", WAKES_OF_CALLS)]
    for report, _, symbols in reports:
        for line in meter.describe(report, machine, symbols):
            say(line)
    wakes = reports[0][0].wake
    late = max(late for _, late, _ in reports)
    masked = max(report.masked for report, _, _ in reports)
    return {
        "wake.instructions.max": (wakes.most, wakes.least, wakes.most, wakes.count),
        "wake.instructions.median": (wakes.median, wakes.least, wakes.most, wakes.count),
        "wake.instructions.spread": (wakes.ratio, wakes.ratio, wakes.ratio, 1),
        "wake.masked.instructions.max": (late, late, late, 1),
        "irq_off.instructions.max": (masked, masked, masked, 1),
    }


def metered(wants):
    for name, values in latency(machines.load(EMULATED), common.say).items():
        if name in wants:
            unit = "" if name.endswith("spread") else "instructions"
            yield Figure(name, EMULATED, values[0], unit, *values[1:], target=METERED[name])


def crowded(crowd, wants):
    machine = machines.load(EMULATED)
    for name, values in latency_in(crowd, machine, common.say).items():
        if name in wants:
            unit = "" if name.endswith(("spread", "lives")) else "instructions"
            yield Figure(name, EMULATED, values[0], unit, *values[1:], target=CROWDED[name])


def latency_in(crowd, machine, say=lambda _line: None, wakes=None):
    """As latency(), of that image."""
    usual, memory = CROWDS[crowd]
    built = build.application(crowd, machine.name)
    try:
        report, said = meter.of_application(machine, built, [str(wakes or usual)], "wake_mark", memory=memory)
    except meter.MeterError as error:
        common.fail(f"{crowd} on {machine.name}: {error}")
    for line in meter.describe(report, machine, backtrace.Symbols(built.kernel_elf, built.app_elf, windows=machine.windows)):
        say(line)
    late, lives = (int(re.search(rb"^%s (\d+)$" % word, said, re.MULTILINE)[1]) for word in (b"late", b"lives"))
    wake = report.wake
    return {
        f"wake.{crowd}.instructions.max": (wake.most, wake.least, wake.most, wake.count),
        f"wake.{crowd}.instructions.median": (wake.median, wake.least, wake.most, wake.count),
        f"wake.{crowd}.instructions.spread": (wake.ratio, wake.ratio, wake.ratio, 1),
        f"wake.{crowd}.late.max": (late, late, late, 1),
        f"wake.{crowd}.lives": (lives, lives, lives, 1),
        f"irq_off.{crowd}.instructions.max": (report.masked, report.masked, report.masked, 1),
    }
