# SPDX-License-Identifier: Apache-2.0
"""What `./rumpk test` runs besides scenarios: unit tests, the command line's tests, fuzz targets,
the HAL's contract, golden programs, injected faults, checks. Each suite gives a list of tests."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, NamedTuple

from . import common, machines, parts
from .scenarios import CELLS, VARIANTS, Failure

UNIT_PRESETS = ("tests", "tests-tsan")
FUZZ_RUNS = 20_000
FUZZ_SECONDS_LONG = {"ring_fuzz": 3600}  # an hour with the peer as adversary
FUZZ_RUNS_LONG = 2_000_000
CHECK_SECONDS = 3600  # clang-tidy on a busy machine; what it has found is remembered, so the next run is short
GOLDEN = common.ROOT / "tests" / "abi"


class Test(NamedTuple):
    title: str
    run: Callable[[], None]  # raises Failure


def checked(command, seconds, code=0, **options):
    """Runs a program; Failure with its output if it does not end with `code` in time. Returns its output."""
    shown = shlex.join(str(word) for word in command)
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False,
            **{"stdin": subprocess.DEVNULL, "cwd": common.ROOT, **options},
        )
    except subprocess.TimeoutExpired as error:
        text = (error.stdout or b"").decode(errors="backslashreplace")
        raise Failure(f"{shown}\ndid not end within {seconds} s\n{text}") from None
    text = done.stdout.decode(errors="backslashreplace")
    if code is not None and done.returncode != code:
        raise Failure(f"{shown}\nended with {done.returncode}, not {code}\n{text}")
    return text


# --- Programs of the host -------------------------------------------------------------------------


def unit(long):
    """What ctest knows, once the presets are built; with --long the simulation's many seeds, and more of what is tried in
    every order."""
    out = [Test(f"unit/simulation_long {preset}", lambda p=preset: _simulation(p)) for preset in UNIT_PRESETS] if long else []
    for preset in UNIT_PRESETS:
        try:
            listed = subprocess.run(
                ["ctest", "--preset", preset, "-N"], cwd=common.ROOT, capture_output=True, text=True, check=False
            ).stdout
        except OSError:  # before setup
            listed = ""
        names = re.findall(r"^ *Test +#\d+: (\S+)$", listed, re.MULTILINE)
        out += [Test(f"unit/{name} {preset}", lambda p=preset, n=name: _ctest(p, n, long)) for name in names]
        if not names:
            out.append(Test(f"unit {preset}", lambda p=preset: _no_tests(p)))
    return out


def unit_titles():
    """What unit() may give once everything is built."""
    out = []
    for file in sorted((common.ROOT / "tests/unit").rglob("CMakeLists.txt")):
        names = re.findall(r"rumpk_unit_test\(\s*(\w+)", file.read_text())
        out += [f"unit/{name} {preset}" for name in names for preset in UNIT_PRESETS]
    return out


def _simulation(preset):
    print(checked([common.BUILD / preset / "simulation_test", "--long"], 7200).strip(), flush=True)


def _no_tests(preset):
    raise Failure(f"ctest knows no test of the preset {preset}")


def _ctest(preset, name, long):
    more = ["env", "RUMPK_LONG=1"] if long else []  # tests/unit/ion/death_test.cpp
    text = checked([*more, "ctest", "--preset", preset, "--output-on-failure", "-R", f"^{re.escape(name)}$"], 1200 if long else 300)
    if "100% tests passed" not in text or "No tests were found" in text or "Skipped" in text:
        raise Failure(text)


def command_line(_long):
    return [
        Test(f"cli/{file.stem}", lambda f=file: _unittest(f)) for file in sorted((common.ROOT / "tests/cli").glob("test_*.py"))
    ]


def _unittest(file):
    text = checked([sys.executable, "-m", "unittest", str(file)], 600)
    if "skipped=" in text or not re.search(r"^Ran [1-9]", text, re.MULTILINE):
        raise Failure(f"tests were skipped, or there were none\n{text}")


def fuzz(long):
    """A fixed number of runs each, from the seeds that are kept and from a fixed random seed."""
    out = []
    for file in sorted((common.ROOT / "tests/fuzz").rglob("CMakeLists.txt")):
        for name in re.findall(r"rumpk_fuzz_target\(\s*(\w+)", file.read_text()):
            out.append(Test(f"fuzz/{name}", lambda n=name: _fuzz(n, FUZZ_RUNS_LONG if long else FUZZ_RUNS,
                                                                  FUZZ_SECONDS_LONG.get(n, 0) if long else 0)))
    return out


def _fuzz(name, runs, seconds):
    program = common.BUILD / "fuzz" / name
    if not program.is_file():
        raise Failure(f"there is no {common.relative(program)}: it was not built")
    seeds = common.ROOT / "tests/fuzz/corpus" / name
    with tempfile.TemporaryDirectory(prefix="rumpk-fuzz-") as folder:
        found = Path(folder, "corpus")
        found.mkdir()
        limit = [f"-max_total_time={seconds}"] if seconds else [f"-runs={runs}"]
        text = checked(
            [program, *limit, "-seed=1", "-timeout=10", f"-print_final_stats={int(bool(seconds))}",
             f"-artifact_prefix={folder}/", found] + ([seeds] if seeds.is_dir() else []),
            max(3600, 2 * seconds), cwd=folder,
        )
        figures = re.findall(r"^stat::(number_of_executed_units|average_exec_per_sec): *(\d+)", text, re.MULTILINE)
        if figures:
            print(f"fuzz/{name}: {', '.join(f'{key} {value}' for key, value in figures)}", flush=True)


# --- Memory models --------------------------------------------------------------------------------

LITMUS = common.ROOT / "tests" / "litmus"


def litmus(long):
    """What herd7 says of the rings' orderings by the machines' and C11's memory models. It is in no package of Debian
    12, so only the long tests ask it."""
    if not long:
        return []
    files = sorted(LITMUS.glob("*/*.litmus"))
    return [Test(f"litmus/{file.parent.name}/{file.stem}", lambda f=file: _litmus(f)) for file in files]


def herd7():
    """The command, run with the libraries that it was built for."""
    from ..third_party import fetch, parts

    try:
        with common.locked(parts.HOME, "setup"):
            for part in parts.LITMUS_PARTS:
                fetch.fetch(part)
    except fetch.FetchError as error:
        raise Failure(f"herd7 cannot be had: {error}") from None
    libraries = [part.folder / "usr/lib/x86_64-linux-gnu" for part in (parts.HERD7_LIBC, parts.HERD7_GMP)]
    herd = parts.HERD7.folder
    return [libraries[0] / "ld-linux-x86-64.so.2", "--library-path", ":".join(map(str, libraries)), herd / "usr/bin/herd7",
            "-set-libdir", herd / "usr/share/herdtools7/herd"]


def _litmus(file):
    """The second line says whether what is asked for must be seen never or sometimes."""
    expected = re.match(r'"(Never|Sometimes): ', file.read_text().splitlines()[1])
    text = checked([*herd7(), file], 120)
    seen = re.search(rf"^Observation {re.escape(file.stem)} (\w+) ", text, re.MULTILINE)
    if not expected or not seen or seen[1] != expected[1]:
        raise Failure(text)


# --- Broken on purpose ----------------------------------------------------------------------------


def mutants(long):
    """Each required ordering weakened, each rule of the rings broken: the named tests have to fail."""
    from . import mutants as known

    return [Test(one.title, lambda m=one: known.run(m)) for one in known.MUTANTS] if long else []


# --- The HAL's contract ---------------------------------------------------------------------------

# What tests/contract does not run everywhere: preset -> reasons that it may give.
_SKIPS = {
    "host": (),
    "host-asan": ("sanitizers want to be loaded first, and all address space",),
}
_SKIPS_EMULATED = ("of machines that are processes", "of machines that translate addresses",
                   "sanitizers want to be loaded first, and all address space")


def contract(_long):
    """tests/contract/test_contract.py with each build of the contract's image."""
    presets = [preset for name in machines.names() for preset in (name, *VARIANTS.get(name, ()))]
    return [Test(f"contract {preset}", lambda p=preset: _contract(p)) for preset in presets]


def _contract(preset):
    text = checked(
        [sys.executable, "-m", "unittest", "-v", "tests/contract/test_contract.py"], 900,
        env={**os.environ, "RUMPK_CONTRACT": preset},
    )
    skips = set(re.findall(r"skipped ['\"](.*)['\"]$", text, re.MULTILINE))
    if skips - set(_SKIPS.get(preset, _SKIPS_EMULATED)) or not re.search(r" \.\.\. ok$", text, re.MULTILINE):
        raise Failure(f"tests were skipped, or there were none\n{text}")


# --- Golden programs ------------------------------------------------------------------------------


def golden(_long):
    """Programs that were built once against the frozen ABI: tests/abi/<name>-<arch>.elf with <name>.toml."""
    out = []
    for name in machines.names():
        machine = machines.load(name)
        files = sorted(GOLDEN.glob(f"*-{_built_for(machine)}.elf"))
        if not files:
            out.append(Test(f"golden {name}", lambda m=machine: _no_golden(m)))
        for file in files:
            out.append(Test(f"golden/{file.stem} {name}", lambda m=machine, f=file: _golden(m, f)))
            if machine.cells:
                out.append(Test(f"golden/{file.stem} {name}{CELLS}", lambda m=machine, f=file: _golden(m, f, celled=True)))
    return out


def _built_for(machine):
    """How tests/abi/build.py calls what a golden program depends on: one is linked for the place of its window."""
    return machine.arch + "-flat" * machine.flat


def _no_golden(machine):
    raise Failure(f"tests/abi has no golden program for {_built_for(machine)}")


def _golden(machine, file, celled=False):
    manifest = GOLDEN / (file.stem.removesuffix(f"-{_built_for(machine)}") + ".toml")
    kind = "process" if machine.kind == "process" else "raw"
    name = parts.kernel(parts.ALL_OF_A_CELL if celled else parts.ALL)
    kernel = common.BUILD / machine.name / (f"{name}.stripped" if kind == "process" else f"{name}.elf")
    image = common.BUILD / machine.name / f"{file.stem}{CELLS if celled else ''}.img"
    checked(
        [sys.executable, common.ROOT / "tools/cli/image.py", "--kind", kind, "--arch", machine.arch, "--kernel", kernel,
         "--windows", hex(machine.windows),
         "--cell", file, "--manifest", manifest, "--output", image],
        60,
    )
    text = checked(
        [sys.executable, common.ROOT / "rumpk", "run", image, "--machine", machine.name, "--timeout", "30"], 60
    )
    if "FAILED" in text or not re.search(r"^ok ", text, re.MULTILINE):
        raise Failure(text)


# --- Injected faults ------------------------------------------------------------------------------

# preset -> faults: what every run injects, and what --long does, more than 100,000 in all.
_INJECTED = {
    "host": (400, 40_000), "host-asan": (200, 20_000), "qemu-riscv64": (60, 5_000), "qemu-riscv64-cells": (100, 15_000),
    "qemu-riscv64-pmp": (40, 3_000), "qemu-riscv64-pmp-cells": (60, 8_000), "qemu-aarch64": (40, 3_000),
    "qemu-aarch64-cells": (60, 8_000), "qemu-riscv64-driver": (60, 5_000), "qemu-aarch64-driver": (60, 2_000),
    "qemu-riscv64-console": (20, 2_000), "qemu-riscv64-pmp-console": (20, 1_000), "qemu-aarch64-console": (20, 1_000),
}


def injections(long):
    """A cell that ends again and again (inject.py). The seed is another each time with --long, and said."""
    return [Test(f"inject {preset}", lambda p=preset, n=counts[long]: _inject(p, n, long)) for preset, counts in _INJECTED.items()]


def _inject(preset, faults, long):
    from . import inject

    seed = time.time_ns() % (1 << 32) if long else 1
    outcome = inject.run(preset, faults, seed)
    if outcome.wrong:
        raise Failure(f"seed {seed}: {outcome.line()}\n{outcome.wrong}")
    if long:
        print(f"inject {preset}: seed {seed}, {outcome.line()}", flush=True)


# --- Checks ---------------------------------------------------------------------------------------


def checks(long):
    listed = subprocess.run(
        [sys.executable, common.ROOT / "rumpk", "check", "--list"], capture_output=True, text=True, check=False
    ).stdout
    names = [line.split()[0] for line in listed.splitlines() if line.strip()]
    command = [sys.executable, str(common.ROOT / "rumpk"), "check"]
    command += ["--deep"] if long else []
    if not names:
        return [Test("check", lambda: checked(command, CHECK_SECONDS))]
    return [Test(f"check/{name}", lambda n=name: checked([*command, "--only", n], CHECK_SECONDS)) for name in names]
