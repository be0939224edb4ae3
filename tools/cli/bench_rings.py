# SPDX-License-Identifier: Apache-2.0
"""The suite `rings`: our ring beside those that packages have, in one program and one run."""

import bisect
import json
import math
import os
import re
import statistics
import subprocess
from typing import NamedTuple

from . import bare, build, common, framing, machines, meter, run, scenarios, setup
from .bench import exact, missing, of_runs

# figure -> the races that bench/rings/rings.cpp runs for it
FIGURES = {
    "ring.floor.2core": ("round_trip",),
    "ring.round_trip.2core": ("round_trip",),
    "ring.throughput.2core": ("throughput",),
    "ring.same_core": ("same_core",),
    "ring.submit.instructions": ("facts",),
    "ring.memory": ("facts",),
    "ring.park_wake.host": ("park_wake",),
    "ring.park_wake.instructions": (),
    "ring.vs_pipe": ("pipe", "round_trip", "same_core"),
}
SOURCES = [common.ROOT / "bench" / "rings" / name for name in ("rings.cpp", "duel.cpp")]
HOST = "host"
EMULATED = "qemu-riscv64"
CLASSES = ("near", "far", "farther", "farthest")
APART = 1.6  # floors this much above the least of their class begin the next one
LEAST = 3  # samples of a contestant that make a figure
SUBMITTED = 160_000  # messages that tests/apps/submit sends
BARE_SAMPLE = re.compile(rb"[0-9a-f]{16}")  # a line of bench/bare/ipi.S
BARE_SAMPLES = 1000

FLOOR_TARGET = 1.35
PEER_TARGET = 0.9
THROUGHPUT_TARGET = 1.0
THROUGHPUT_WORST = 1.15
SAME_CORE_TARGET = 1.15
SUBMIT_TARGET = 10
MEMORY_TARGET = 128 + 512
PARK_TARGET = 1.1
WAKE_TARGET = 1.5
PIPE_TARGETS = {"one_core": 1 / 100, "2core": 1 / 300}


class Key(NamedTuple):
    race: str
    payload: int
    capacity: int
    batch: int
    near: str  # how far apart the two processors were: one of CLASSES

    def cell(self):
        many = f",batch{self.batch}" if self.batch > 1 else ""
        return f"{self.payload}B,{self.capacity}{many}"


def measure(runs, only):
    """Each figure once all samples are there: contestants run in turns, in one program."""
    wants = [name for name in FIGURES if only is None or scenarios.wanted(name, only) or only.startswith(name)]
    races = sorted({race for name in wants for race in FIGURES[name]})
    if "ring.park_wake.instructions" in wants:
        yield from park_wakes()
    if not races:
        return
    samples = take(build_program(), runs, races)
    facts = {line["race"]: line for line in samples if line["race"] in ("submit", "memory")}
    cells, floors = grouped([line for line in samples if "floors" in line])
    for figure in figures(wants, cells, floors, facts, samples):
        if only is None or scenarios.wanted(figure.name, only):
            yield figure


def figures(wants, cells, floors, facts, samples):
    if "ring.floor.2core" in wants:
        for near, values in floors.items():
            yield of_runs(f"ring.floor.2core/{near}", HOST, values, "ns")
    if "ring.round_trip.2core" in wants:
        yield from round_trips(cells, floors)
    if "ring.throughput.2core" in wants:
        yield from throughputs(cells)
    if "ring.same_core" in wants:
        yield from same_cores(samples)
    if "ring.submit.instructions" in wants:
        yield from submits(facts["submit"]["instructions"])
    if "ring.memory" in wants:
        yield exact("ring.memory", HOST, facts["memory"]["bytes"], "bytes", target=MEMORY_TARGET)
    if "ring.park_wake.host" in wants:
        yield of_pairs("ring.park_wake.host", in_pairs(samples, "park_wake"), "futex", PARK_TARGET)
    if "ring.vs_pipe" in wants:
        yield from pipes(cells)


# --- Taking samples -------------------------------------------------------------------------------


def build_program():
    """bench/rings, built as an application of the host would be."""
    setup.ensure_peers()
    from ..third_party import parts

    folder = common.BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "rings"
    inputs = [*SOURCES, *(common.ROOT / "bench/rings").glob("*.h"), *(common.ROOT / "ion").glob("*.h"),
              *(common.ROOT / "abi").glob("*.h")]
    inputs.append(common.ROOT / "tools/cli/bench_rings.py")
    if program.exists() and all(file.stat().st_mtime < program.stat().st_mtime for file in inputs):
        return program
    includes = [parts.BOOST.folder / "usr/include", parts.READERWRITERQUEUE.folder / "usr/include",
                parts.DPDK.folder / "usr/include/dpdk", parts.DPDK.folder / "usr/include/x86_64-linux-gnu/dpdk"]
    # Messages are written and added up in words of eight bytes. Made vectors of, some contestant's are written in one
    # width and read in another, which no store buffer forwards: three times the time, and not the ring's.
    # And each loop begins with a line of code: where one lies by chance is worth a tenth.
    command = ["clang++-19", "-std=c++23", "-O2", "-fno-vectorize", "-fno-slp-vectorize", "-falign-loops=64", "-g"]
    command += ["-mprfchw", "-DRUMPK_ASKS_FOR_LINES", f"-I{common.ROOT}"]
    command += [word for folder in includes for word in ("-isystem", str(folder))]
    command += ["-fuse-ld=lld", "-o", str(program), *map(str, SOURCES), "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        common.fail(f"bench/rings did not build:\n{done.stderr}")
    return program


def take(program, runs, races):
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        common.fail("the suite `rings` needs two processors")
    command = [str(program), str(runs), str(processors[0]), str(processors[-1]), *races]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        common.fail(f"bench/rings ended with {done.returncode}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def classes(values):
    """Upper ends of the classes that round trips of a bare cache line fall into: a virtual machine's processors
    move about, and two that share a cache are not comparable with two that do not."""
    values = sorted(values)
    ends = []
    least = None
    for at, value in enumerate(values):
        if least is not None and value <= APART * least:
            continue
        company = bisect.bisect_right(values, APART * value) - at
        if company * 100 >= len(values):  # or it is a stray, and no place where processors stay
            least = value
            ends.append(APART * least)
    return ends


def grouped(samples):
    """{Key: {contestant: [ns]}} and {class: [floors]}. Samples that were disturbed each time, or between whose two
    floors the processors moved, are left out."""
    ends = classes([floor for line in samples for floor in line["floors"] if floor > 0])
    cells, floors = {}, {}
    for line in samples:
        near = [sum(floor > end for end in ends) for floor in line["floors"]]
        if not line["undisturbed"] or near[0] != near[1]:
            continue
        name = CLASSES[min(near[0], len(CLASSES) - 1)]
        key = Key(line["race"], line["payload"], line["capacity"], line["batch"], name)
        cells.setdefault(key, {}).setdefault(line["who"], []).append(line["ns"])
        if line["floors"][0] > 0:
            floors.setdefault(name, []).extend(line["floors"])
    return cells, dict(sorted(floors.items(), key=lambda one: CLASSES.index(one[0])))


# --- Figures --------------------------------------------------------------------------------------


def beside(name, ours, peer, theirs, target, unit="ns"):
    figure = of_runs(name, HOST, ours, unit, target=target)
    return figure._replace(peer=peer, peer_value=statistics.median(theirs))


def in_pairs(samples, race):
    """(ours, theirs) of samples that were taken one right after the other, where neither was disturbed."""
    lines = [line for line in samples if line["race"] == race]
    return [(ours["ns"], theirs["ns"]) for ours, theirs in zip(lines[::2], lines[1::2])
            if ours["undisturbed"] and theirs["undisturbed"]]


def of_pairs(name, pairs, peer, target):
    """The pair whose ratio is the middle one: what the host does meanwhile changes, and two neighbours have it in common."""
    if not pairs:
        return missing(name, HOST, "ns", "the host took a processor away in each pair of samples")
    ours, theirs = sorted(pairs, key=lambda pair: pair[0] / pair[1])[(len(pairs) - 1) // 2]
    figure = of_runs(name, HOST, [each for each, _ in pairs], "ns", target=target)
    return figure._replace(value=ours, peer=peer, peer_value=theirs)


def of_race(cells, race):
    """Cells of a race in which ours and somebody else's have enough samples, with the best of the others."""
    for key in sorted(key for key in cells if key.race == race):
        enough = {who: values for who, values in cells[key].items() if len(values) >= LEAST}
        if "ion" in enough and len(enough) > 1:
            peer = min((who for who in enough if who != "ion"), key=lambda who: statistics.median(enough[who]))
            yield key, enough["ion"], peer, enough[peer]


def merged(cells, race, who):
    """All samples of a race whose waits are the host's, wherever the processors were."""
    return [ns for key, by in cells.items() if key.race == race for ns in by.get(who, [])]


def round_trips(cells, floors):
    for key, ours, peer, theirs in of_race(cells, "round_trip"):
        name = f"ring.round_trip.2core/{key.cell()},{key.near}"
        yield beside(name, ours, peer, theirs, PEER_TARGET)
        yield beside(f"{name},floor", ours, "ping-pong", floors[key.near], FLOOR_TARGET)


def throughputs(cells):
    """Every cell, and how many are behind in the class that has most of them, the nearest if two have as many."""
    ratios = {name: [] for name in CLASSES}
    for key, ours, peer, theirs in of_race(cells, "throughput"):
        figure = beside(f"ring.throughput.2core/{key.cell()},{key.near}", ours, peer, theirs, THROUGHPUT_TARGET)
        ratios[key.near].append(figure.ratio)
        yield figure
    most = max(ratios.values(), key=len)
    if most:
        behind = sum(ratio > THROUGHPUT_TARGET for ratio in most) / len(most)
        yield exact("ring.throughput.2core/cells_behind", HOST, 100 * behind, "%", target=10)
        yield exact("ring.throughput.2core/worst_ratio", HOST, max(most), "ratio", target=THROUGHPUT_WORST)


def same_cores(samples):
    """Ours beside the best of the others in the same round: how much of a processor the host gives changes from one to
    the next. Where the other processor is does not matter."""
    rounds = {}
    for line in samples:
        if line["race"] == "same_core":
            by = rounds.setdefault((line["payload"], line["capacity"]), {})
            by.setdefault(line["who"], []).append(line["ns"] if line["undisturbed"] else math.inf)
    for (payload, capacity), by in sorted(rounds.items()):
        peer = min((who for who in by if who != "ion"), key=lambda who: statistics.median(by[who]))
        pairs = [pair for pair in zip(by["ion"], by[peer]) if math.inf not in pair]
        yield of_pairs(f"ring.same_core/{payload}B,{capacity}", pairs, peer, SAME_CORE_TARGET)


def submits(on_host):
    if on_host < 0:
        common.say("ring.submit.instructions: this host lets no process be stepped (ptrace)")
    else:
        yield exact("ring.submit.instructions", HOST, on_host, "instructions", target=SUBMIT_TARGET)
    yield exact("ring.submit.instructions", EMULATED, submit_emulated(machines.load(EMULATED)), "instructions", target=SUBMIT_TARGET)


def emulated(machine, image, cores):
    """Output of a run under -icount, where an instruction takes one nanosecond of the machine's own time."""
    command = run.emulator_command(machine, image, machine.memory_default, cores)
    command += ["-seed", "1", "-icount", "shift=0,sleep=off"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    if done.returncode != 0:
        common.fail(f"{image} on {machine.name} did not run: {done.stdout.decode(errors='replace')}")
    return done.stdout


def words_of(machine, application, cores):
    line = emulated(machine, build.application(application, machine.name).image, cores)
    return b"".join(data for channel, data in framing.Decoder().feed(line) if channel == framing.STDOUT).split()


def submit_emulated(machine):
    words = words_of(machine, "submit", 1)
    if len(words) != 2 or words[1] != b"ns":
        common.fail(f"submit on {machine.name} did not say how long it took")
    return int(words[0]) / SUBMITTED


def park_emulated(machine):
    """Average, median and worst from a publish to the first instruction of the consumer that is parked on another core."""
    said = [float(word) for word in words_of(machine, "park", 2)]
    if len(said) != 3:
        common.fail(f"park on {machine.name} did not say how long it took")
    return said


def park_path(machine):
    """The same, but only what lies on the way: on the one core from the publish to the store that rings the other,
    there from the end of its wait to the consumer."""
    built = build.application("park", machine.name)
    report, _ = meter.of_application(machine, built, (), "park_mark", 2, send="park_publish")
    return report.across


def bare_path(machine):
    image = bare.image("ipi.S")
    handler, send = (meter.symbol(image.with_suffix(".elf"), name) for name in ("handler", "send"))
    command = run.emulator_command(machine, image, machine.memory_default, 2)
    report, _ = meter.count(machine, command, 0, handler, send=send)
    return report.across


def without_bells(machine):
    """The same machine without the device by which supervisor mode rings harts: firmware does, as for the bare image."""
    return machine._replace(arguments=(*machine.arguments, "-machine", "aclint=off"))


def park_wakes():
    """From a publish to the first instruction of the consumer that is parked on another core, beside the firmware's
    interrupt from one parked hart to the other with no kernel at all (bench/bare/ipi.S)."""
    machine = machines.load(EMULATED)
    firmware = [int(line, 16) for line in emulated(machine, bare.image("ipi.S"), 2).split() if BARE_SAMPLE.fullmatch(line)]
    if len(firmware) != BARE_SAMPLES:
        common.fail(f"the bare image on {EMULATED} did not say how long it took")
    peers = (statistics.mean(firmware), statistics.median(firmware), max(firmware))
    path = bare_path(machine).median
    for one, how, target in ((machine, "", WAKE_TARGET), (without_bells(machine), ",by_firmware", None)):
        for what, value, peer in zip(("", "/median", "/worst"), park_emulated(one), peers):
            yield exact(f"ring.park_wake.instructions{what}{how}", EMULATED, value, "instructions", peer="bare IPI",
                        peer_value=peer)
        yield exact(f"ring.park_wake.instructions/path{how}", EMULATED, park_path(one).median, "instructions",
                    peer="bare IPI", peer_value=path, target=target)


def pipes(cells):
    """Round trips of 64 bytes. On one core the ring's is two messages pushed and popped: what else a switch between
    fibers costs is another suite's."""
    one = [2 * ns for key, by in cells.items() if key[:3] == ("same_core", 64, 1024) for ns in by.get("ion", ())]
    two = [ns for key, by in cells.items() if key[:3] == ("round_trip", 64, 1024) for ns in by.get("ion", ())]
    pipe_one, pipe_two = merged(cells, "pipe_one_core", "pipe"), merged(cells, "pipe", "pipe")
    yield beside("ring.vs_pipe/one_core", one, "pipe", pipe_one, PIPE_TARGETS["one_core"])
    yield beside("ring.vs_pipe/2core", two, "pipe", pipe_two, PIPE_TARGETS["2core"])
