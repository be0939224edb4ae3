# SPDX-License-Identifier: Apache-2.0
"""The suite `machines`: each figure that is the same every time, on every emulated machine, beside the first one's."""

from . import bench_boot, bench_cells, bench_fibers, bench_rings, build, inspect, machines, scenarios
from .bench import exact

FIRST = "qemu-riscv64"
TARGET = 1.3  # of the ratio to the first machine's
PINGPONG = "cell.pingpong.instructions"


def boot(machine):
    hello = build.application("hello", machine.name)
    line, _, firmware = bench_boot.boot_counts(machine, hello.image)
    return {
        "image.kernel_hello_bytes": inspect.loaded(inspect.parts(hello)),
        "boot.kernel_instructions": line - firmware,
    }


def calls(machine):
    said = bench_cells.counts(machine, bench_cells.PRICE, apart=False)
    return {"fused.null_call.instructions": said["null_call"], "fused.time.instructions": said["time"]}


def gates(machine):
    said = bench_cells.counts(machine, bench_cells.PRICE, apart=True) | bench_cells.counts(machine, bench_cells.SUBMIT, apart=True)
    return {name: said[what] for name, (_, what, apart, _) in bench_cells.COUNTED.items() if apart}


def cells(machine):
    there_and_back = bench_cells.counts(machine, bench_cells.RELAY, False, ("measure",))
    anew = bench_cells.counts(machine, bench_cells.RESTART, True, ("measure", "1"))
    return {PINGPONG: there_and_back[bench_cells.BETWEEN[PINGPONG][0]], bench_cells.RESTARTED: anew["begun"] - anew["fault"]}


def latency(machine):
    return {name: value for name, (value, *_) in bench_fibers.latency(machine).items()}


def submit(machine):
    return {"ring.submit.instructions": bench_rings.submit_emulated(machine)}


def park(machine):
    average, median, worst = bench_rings.park_emulated(machine)
    name = "ring.park_wake.instructions"
    return {name: average, f"{name}/median": median, f"{name}/worst": worst}


# what measures -> the figures that it gives
MEASURED = {
    boot: ("image.kernel_hello_bytes", "boot.kernel_instructions"),
    calls: ("fused.null_call.instructions", "fused.time.instructions"),
    gates: tuple(name for name, (_, _, apart, _) in bench_cells.COUNTED.items() if apart),
    cells: (PINGPONG, bench_cells.RESTARTED),
    bench_fibers.counted: tuple(bench_fibers.COUNTED),
    latency: ("wake.instructions.max", "wake.instructions.median", "wake.masked.instructions.max", "irq_off.instructions.max"),
    submit: ("ring.submit.instructions",),
    park: tuple(f"ring.park_wake.instructions{what}" for what in ("", "/median", "/worst")),
}
FIGURES = tuple(name for names in MEASURED.values() for name in names)


def measure(_runs, only):
    """Each figure as it is measured: the first machine's, then the others' beside it."""
    first = machines.load(FIRST)
    others = [machine for machine in map(machines.load, machines.names()) if machine.kind == "qemu" and machine != first]
    for measured, names in MEASURED.items():
        wanted = [name for name in names if scenarios.wanted(name, only)]
        if not wanted:
            continue
        ours = measured(first)
        by_machine = {machine.name: measured(machine) for machine in others}
        for name in wanted:
            unit = "bytes" if name.endswith("bytes") else "instructions"
            yield exact(name, FIRST, ours[name], unit)
            for machine, values in by_machine.items():
                yield exact(name, machine, values[name], unit, peer=FIRST, peer_value=ours[name], target=TARGET)
