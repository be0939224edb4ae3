# SPDX-License-Identifier: Apache-2.0
"""Scenarios: one file in tests/scenarios/ says what to run and what must come of it, on every machine.

    about = "..."                     one line: what would be broken if this failed
    app = "cat"                       an application by name (apps/ or tests/apps/)
    machines = "all"                  or a list of names
    cells = true                      also as a celled image, where the machine keeps cells apart; named MACHINE-cells.
                                      "only": nowhere else
    variants = false                  not with the other builds of a machine's images (host-asan)
    args = ["a b", ""]                the application's
    options = ["--verbose"]           further ones of `./rumpk run`
    memory = "64M"                    or "minimum", or "below" (one MiB less)
    smp = 2                           or "maximum", or "above" (one more)
    timeout = 2                       `--timeout`, where that is what is tested
    limit_seconds = 20                for the whole run; passing it is a failure
    emulator = ["-cpu", "..."]        further words for the emulator
    build = true                      let `./rumpk run` build it by name; else the built image is run
    parts = ["cores"]                 with a kernel that has exactly these parts (core/parts.h)
    [manifest]                        with these keys in place of its cell.toml's
    slow_reader = true                take standard output slowly, and none until its writer waits
    close_output_after = 100          read so many bytes of it, then close it
    [input]                           standard input; without it /dev/null. One of:
    text / file / all_bytes = true / random = { size, seed } / package_text = size / zeros = size
    delay = 3                         seconds before it is sent
    [image]                           a damaged copy of the application's image:
    keep = 5000 / keep_fraction = 0.5 / table_byte = [offset, value] / cell_byte = [offset, value]
    [tree]                            a damaged copy of the emulated machine's device tree:
    edit = [["regex", "text"], ...]   of its source; each must match / pad = 1000 further nodes /
    keep = 2000 / byte = [offset, value]
    [expect]
    code = 0
    stdout = "exact" / stdout_regex = "..." / stdout_is_input = true / stdout_sha256 = "..." /
    stdout_equals = "LC_ALL=C wc"     a shell command with the same input
    stdout_wall = true                has a line `wall N`, the seconds since 1970 when it ran
    stderr = ["regex", ...]           each must be found
    stderr_lacks = ["regex", ...]     none may be found
    trace = ["regex", ...]            the run writes a trace, which is one, and has a track or event named so
    [[case]] name = "..."             a variant: what it has replaces the file's; tables are merged
    [on.NAME]                         what differs on one machine, in all celled images (`cells`), or on MACHINE-cells
    [long]                            what differs with --long
"""

import fnmatch
import hashlib
import json
import os
import random
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

from . import common, device_tree, image, machines, manifest, parts, scenario_run, trace_check
from .scenario_run import Failure

FOLDER = common.ROOT / "tests" / "scenarios"
INPUTS = common.BUILD / "tests-input"
TRACE = "trace.json"
SHOWN = 2000  # bytes of each stream in a failure's report

# Other builds of a machine's images (CMakePresets.json) that every scenario runs with as well.
VARIANTS = {"host": ("host-asan",)}
CELLS = "-cells"

_KEYS = {
    "about", "app", "machines", "variants", "args", "options", "memory", "smp", "timeout", "limit_seconds", "build", "parts",
    "cells", "manifest",
    "slow_reader", "close_output_after", "emulator", "input", "image", "tree", "expect", "case", "on", "long", "name",
}
_INPUT_KEYS = {"text", "file", "all_bytes", "random", "package_text", "zeros", "delay"}
_IMAGE_KEYS = {"keep", "keep_fraction", "table_byte", "cell_byte"}
_EXPECT_KEYS = {
    "code", "stdout", "stdout_regex", "stdout_is_input", "stdout_sha256", "stdout_equals", "stdout_wall", "stderr",
    "stderr_lacks", "trace",
}


class Scenario(NamedTuple):
    name: str  # file, or file/case
    machine: machines.Machine
    preset: str  # the build folder of the image: the machine's own, or one of VARIANTS; or the machine's name and CELLS
    facts: dict

    @property
    def title(self):
        return f"{self.name} {self.preset}"

    @property
    def celled(self):
        return self.preset.endswith(CELLS)

    @property
    def folder(self):
        return common.BUILD / self.preset.removesuffix(CELLS)

    @property
    def image(self):
        return self.folder / "images" / f"{self.facts['app']}.img"


# --- Reading --------------------------------------------------------------------------------------


def merged(base, over):
    """Tables are merged, everything else is replaced. An input, image or tree replaces the other as a whole."""
    out = dict(base)
    for key, value in over.items():
        whole = key in ("input", "image", "tree")
        out[key] = merged(out[key], value) if isinstance(value, dict) and not whole and key in out else value
    return out


def load(long=False, only=None, machine=None, folder=None):
    """Every scenario on every machine it is for. `only`: see wanted(). `machine` may be a variant's name."""
    builds = [(machines.load(name), preset) for name in machines.names() for preset in (name, *VARIANTS.get(name, ()))]
    builds += [(one, one.name + CELLS) for one, preset in builds if one.cells and one.name == preset]
    if machine:
        builds = [pair for pair in builds if pair[1] == machine] or [(machines.load(machine), machine)]
    out = []
    for file in sorted((folder or FOLDER).glob("*.toml")):
        try:
            text = tomllib.loads(file.read_text())
        except tomllib.TOMLDecodeError as error:
            common.fail(f"{common.relative(file)}: {error}")
        out += _of_file(file, text, builds, long)
    chosen = machine or long or only
    return [one for one in out if wanted(one.title, only) and (chosen or wanted(one.title, one.machine.tested))]


def wanted(title, only):
    """A pattern is a shell pattern for the whole name, or a part of it. Of a list of patterns one is enough."""
    patterns = [only] if isinstance(only, str) else only
    return patterns is None or any(pattern in title or fnmatch.fnmatchcase(title, pattern) for pattern in patterns)


def _of_file(file, text, builds, long):
    cases = text.pop("case", [{}])
    out = []
    for case in cases:
        title = file.stem + (f"/{case['name']}" if "name" in case else "")
        for machine, preset in builds:
            facts = merged(text, case)
            facts = merged(facts, facts.get("on", {}).get(machine.name, {}))
            if preset.endswith(CELLS):
                if not facts.get("cells"):
                    continue
                for name in ("cells", preset):
                    facts = merged(facts, facts.get("on", {}).get(name, {}))
                facts["build"] = False
            elif facts.get("cells") == "only":
                continue
            if long:
                facts = merged(facts, facts.get("long", {}))
            _check(file, facts)
            if preset in VARIANTS.get(machine.name, ()) and (facts.get("build") or not facts.get("variants", True)):
                continue  # built by name, that is as the machine's own
            if facts.get("machines", "all") == "all" or machine.name in facts["machines"]:
                out.append(Scenario(title, machine, preset, facts))
    return out


def _check(file, facts):
    def known(table, keys, where):
        for key in table:
            if key not in keys:
                common.fail(f"{common.relative(file)}: {where}unknown key '{key}'; there are: {', '.join(sorted(keys))}")

    known(facts, _KEYS, "")
    known(facts.get("input", {}), _INPUT_KEYS, "input: ")
    known(facts.get("image", {}), _IMAGE_KEYS, "image: ")
    known(facts.get("tree", {}), device_tree.KEYS, "tree: ")
    known(facts.get("expect", {}), _EXPECT_KEYS, "expect: ")
    names = machines.names()
    known(facts.get("on", {}), {"cells", *names, *(name + CELLS for name in names)}, "on: ")
    for key in ("about", "app", "limit_seconds", "expect"):
        if key not in facts:
            common.fail(f"{common.relative(file)}: '{key}' is missing")
    if "code" not in facts["expect"]:
        common.fail(f"{common.relative(file)}: expect: 'code' is missing")


# --- Input ----------------------------------------------------------------------------------------


def input_file(facts):
    """The file that becomes standard input; made once, for the same facts give the same bytes."""
    given = {key: value for key, value in facts.get("input", {}).items() if key != "delay"}
    if not given:
        return Path(os.devnull)
    if "file" in given:
        return common.ROOT / given["file"]
    path = INPUTS / hashlib.sha256(repr(sorted(given.items())).encode()).hexdigest()[:16]
    if not path.exists():
        INPUTS.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=INPUTS, delete=False) as file:
            file.write(_input_bytes(given))
        os.replace(file.name, path)
    return path


def _input_bytes(given):
    if "text" in given:
        return given["text"].encode()
    if "all_bytes" in given:
        return bytes(range(256))
    if "zeros" in given:
        return bytes(common.size(given["zeros"]))
    if "random" in given:
        return random.Random(given["random"]["seed"]).randbytes(common.size(given["random"]["size"]))
    return package_text(common.size(given["package_text"]))


def package_text(size):
    """Real text of at least `size` bytes, whole files: what Debian's packages brought."""
    files = sorted(Path("/usr/share/common-licenses").glob("*"))
    for folder in sorted(Path("/usr/lib").glob("python3*")):
        files += sorted(folder.rglob("*.py"))
    out, total = [], 0
    for file in files:
        if total >= size:
            break
        if file.is_file():
            out.append(file.read_bytes())
            total += len(out[-1])
    if total < size:
        raise Failure(f"the system's packages have only {total} bytes of text, {size} are needed")
    return b"".join(out)


# --- Damaged images -------------------------------------------------------------------------------


def damaged(image, machine, change, folder):
    """A copy of an image with one thing wrong, as `[image]` says."""
    data = bytearray(image.read_bytes())
    table = table_offset(data, machine)
    if "keep" in change:
        del data[change["keep"] :]
    if "keep_fraction" in change:
        # Of the table: less than that is not the kernel's to notice.
        del data[table + int((len(data) - table) * change["keep_fraction"]) :]
    if "table_byte" in change:
        offset, value = change["table_byte"]
        data[table + offset] = value
    if "cell_byte" in change:
        offset, value = change["cell_byte"]
        data[table + struct.unpack_from("<Q", data, table + 64 + 32)[0] + offset] = value
        _seal(data, table)
    path = Path(folder, "damaged.img")
    path.write_bytes(data)
    path.chmod(0o755)
    return path


def cell_toml(scenario, folder):
    """The application's, or a copy with what the scenario has in place of some keys."""
    app, instead = scenario.facts["app"], scenario.facts.get("manifest")
    (file,) = (file for parent in ("apps", "tests/apps") for file in (common.ROOT / parent).glob(f"{app}/cell.toml"))
    if instead is None:
        return file
    keys = {"name": file.parent.name, **tomllib.loads(file.read_text()), **instead}
    copy = Path(folder, "cell.toml")
    copy.write_text("".join(f"{key} = {toml(value)}\n" for key, value in keys.items()))
    return copy


def toml(value):
    """A value as TOML has it, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return json.dumps(value)


def repacked(scenario, folder):
    """The application with another kernel: one that has the scenario's parts, or besides its own can record a
    trace; or keeps cells apart and has all."""
    app, machine, built = scenario.facts["app"], scenario.machine, scenario.folder
    cell = cell_toml(scenario, folder)
    its = parts.of(manifest.load(cell), machine.cells)
    if scenario.celled:
        wanted = parts.ALL_OF_A_CELL
    elif "manifest" in scenario.facts:
        wanted = {*parts.ALL, *its}  # a kernel that is there whatever the application's own has
    else:
        wanted = {*its, "trace"}
    name = parts.kernel(scenario.facts.get("parts", wanted))
    stripped = built / f"{name}.stripped"
    path = Path(folder, f"{app}.img")
    image.build("process" if machine.kind == "process" else "raw", machine.arch,
                stripped if stripped.is_file() else built / f"{name}.elf", scenario.image.with_suffix(".elf"), cell, path,
                machine.windows)
    image.link(path.with_suffix(".kernel.elf"), built / f"{name}.elf")
    image.link(path.with_suffix(".elf"), scenario.image.with_suffix(".elf"))
    return path


def table_offset(data, machine):
    """Where the boot table begins (abi/image.h)."""
    if machine.kind == "process":
        return struct.unpack_from("<Q", data, len(data) - 16)[0]
    at = -1
    while True:
        at = data.find(struct.pack("<II", 0x474D4952, 1), at + 1)
        if at < 0:
            raise Failure("the image has no boot table")
        if at % 4096 == 0 and struct.unpack_from("<Q", data, at + 8)[0] == len(data) - at:
            return at


def _seal(data, table):
    """The checksum again, so that not it but what was changed is noticed."""
    import zlib

    size = struct.unpack_from("<Q", data, table + 8)[0]
    struct.pack_into("<I", data, table + 16, zlib.crc32(data[table + 64 : table + size]))


# --- Running --------------------------------------------------------------------------------------


def command_of(scenario, folder):
    """`./rumpk run` as one would type it."""
    facts, machine = scenario.facts, scenario.machine
    what = facts["app"] if facts.get("build") else str(scenario.image)
    if "parts" in facts or "manifest" in facts or scenario.celled or ("trace" in facts["expect"] and not facts.get("build")):
        what = str(repacked(scenario, folder))
    if "image" in facts:
        what = str(damaged(scenario.image, machine, facts["image"], folder))
    command = [sys.executable, str(common.ROOT / "rumpk"), "run", what, "--machine", machine.name]
    memory, cores = machine.memory_default, 1
    if "memory" in facts:
        exact = {"minimum": machine.memory_minimum, "below": machine.memory_minimum - (1 << 20)}
        memory = exact.get(facts["memory"]) or common.size(facts["memory"])
        command += ["--memory", common.size_text(memory)]
    if "smp" in facts:
        exact = {"maximum": machine.max_cores, "above": machine.max_cores + 1}
        cores = exact.get(facts["smp"], facts["smp"])
        command += ["--smp", str(cores)]
    command += ["--timeout", str(facts.get("timeout", facts["limit_seconds"]))]
    emulator = list(facts.get("emulator", []))
    if "tree" in facts:
        try:
            emulator += ["-dtb", str(device_tree.damaged(machine, what, memory, cores, facts["tree"], folder))]
        except (device_tree.TreeError, subprocess.TimeoutExpired) as error:
            raise Failure(str(error)) from None
    if emulator:
        command += [f"--emulator-args={shlex.join(emulator)}"]
    if "trace" in facts["expect"]:
        command += ["--trace", str(Path(folder, TRACE))]
    return command + facts.get("options", []) + ["--"] + facts.get("args", [])


def run(scenario):
    """Runs it; raises Failure with all that is wrong."""
    facts = scenario.facts
    if not facts.get("build") and not scenario.image.is_file():
        raise Failure(f"there is no {common.relative(scenario.image)}: it was not built")
    with tempfile.TemporaryDirectory(prefix="rumpk-scenario-") as folder:
        source = input_file(facts)
        command = command_of(scenario, folder)
        done = scenario_run.execute(command, facts, source, Path(folder))
        wrong = list(_wrong(facts, done, source))
        if wrong:
            raise Failure("\n".join([*wrong, "", *_report(command, done, source)]))


def _wrong(facts, done, source):
    """Each thing that is not as expected, in a line."""
    expect = facts["expect"]
    stdout, stderr = done.stdout.read_bytes(), done.stderr.read_bytes().decode(errors="replace")
    if done.code != expect["code"]:
        yield f"the exit code is {done.code}, not {expect['code']}"
    if done.seconds > facts["limit_seconds"]:
        yield f"it took {done.seconds:.1f} s, more than {facts['limit_seconds']} s"
    if "stdout" in expect and stdout != expect["stdout"].encode():
        yield f"standard output is not {expect['stdout']!r}"
    if "stdout_regex" in expect and not re.fullmatch(expect["stdout_regex"], stdout.decode(errors="replace"), re.DOTALL):
        yield f"standard output does not match /{expect['stdout_regex']}/"
    if expect.get("stdout_is_input") and stdout != source.read_bytes():
        yield f"standard output is not the input: {_difference(stdout, source.read_bytes())}"
    if "stdout_sha256" in expect and hashlib.sha256(stdout).hexdigest() != expect["stdout_sha256"]:
        yield f"standard output has not the SHA-256 {expect['stdout_sha256']}"
    if "stdout_equals" in expect:
        with source.open("rb") as given:
            want = subprocess.run(["/bin/sh", "-c", expect["stdout_equals"]], stdin=given, capture_output=True, check=False)
        if stdout != want.stdout:
            yield f"standard output is not that of `{expect['stdout_equals']}`: {want.stdout[:SHOWN]!r}"
    if expect.get("stdout_wall"):
        said, now = re.search(rb"^wall (\d+)$", stdout, re.MULTILINE), time.time()
        if not said or not now - done.seconds - 1 <= int(said[1]) <= now:
            yield f"standard output does not say `wall N` with the time, {now:.0f}"
    for pattern in expect.get("stderr", []):
        if not re.search(pattern, stderr, re.MULTILINE):
            yield f"standard error has no match of /{pattern}/"
    for pattern in expect.get("stderr_lacks", []):
        if re.search(pattern, stderr, re.MULTILINE):
            yield f"standard error has a match of /{pattern}/"
    if "trace" in expect:
        yield from _wrong_trace(done.stdout.with_name(TRACE), expect["trace"])


def _wrong_trace(file, patterns):
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        yield f"the trace: {error}"
        return
    yield from (f"the trace: {text}" for text in trace_check.problems(document)[:10])
    names = {event["name"] for event in document["traceEvents"]} | {
        str(event["args"].get("name")) for event in document["traceEvents"] if event["ph"] == "M"
    }
    for pattern in patterns:
        if not any(re.fullmatch(pattern, name) for name in names):
            yield f"the trace has no track or event named /{pattern}/"


def _difference(got, want):
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    return f"{len(got)} bytes for {len(want)}, different from byte {at} on ({got[at:at + 8]!r} for {want[at:at + 8]!r})"


def _report(command, done, source):
    yield f"command: {shlex.join(command)} < {source}"
    for title, path in (("standard output", done.stdout), ("standard error", done.stderr)):
        data = path.read_bytes()
        yield f"{title} ({len(data)} bytes{', the last of them' if len(data) > SHOWN else ''}):"
        yield from ("  " + line for line in data[-SHOWN:].decode(errors="backslashreplace").splitlines())
