# SPDX-License-Identifier: Apache-2.0
"""cell.toml: what an application asks for. Read on the host; the kernel gets numbers."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

from . import common

PAGE = 4096
TIERS = ("photon", "matter", "gravity", "void")  # index: enum rumpk_tier of abi/call.h

# A window's layout, abi/image.h: program and heap below MAP, then what `map` hands out, then
# stacks, then rings of spawned fibers.
WINDOW_MAP = 0x04000000
WINDOW_STACKS = 0x06000000
WINDOW_RINGS = 0x07000000
WINDOW_BOOT_RINGS = 0x07F00000
MAX_MAP = 32 << 20
MAX_FIBERS = 16384
FIBER_STACKS = (1024, 2048, PAGE)
NAME_MAX = 31
MAX_BUDGETS = 16
BUDGET_NAME_MAX = 15
MAX_CORES = 64
MAX_WINDOW = 3600 * 10**6  # us
TIME_UNITS = {"us": 1, "ms": 10**3, "s": 10**6}


class ManifestError(Exception):
    """The text names the key and what would be right."""


class Budget(NamedTuple):
    """Run time in each window, for so many fibers at once; times in us."""

    name: str
    run: int
    window: int
    fibers: int


class Supervisor(NamedTuple):
    """What becomes of a cell that has ended; times in us."""

    policy: str = "never"  # of POLICIES
    limit: int = 0  # restarts within a window
    window: int = 0
    backoff: int = 0  # before the first one; doubles with each further one in the window
    backoff_limit: int = 0
    heartbeat: int = 0  # longest that its fibers may run without a call; 0: for ever


class Device(NamedTuple):
    """One that the cell drives."""

    name: str  # the cell's for it
    virtio: int  # device id of virtio 1.2, 5; 0: none of them
    memory: int  # bytes that it and its driver share
    compatible: str = ""  # what it is called in a device tree, if it is not virtio's


class Cell(NamedTuple):
    name: str
    memory: int  # bytes behind the start of the window: program and heap
    map: int  # bytes that `map` may hand out
    tier: int
    ceiling: int  # highest tier, lowest number, it may spawn in
    fibers: int  # at once, the first included
    stack: int  # bytes of the first fiber's stack
    fiber_stack: int  # bytes of a pooled stack; one of a page stands above a guard page
    fiber_rings: int  # bytes for the rings of each further fiber
    cores: int = 1  # that its fibers may run on
    trace: bool = False  # can its kernel record a trace?
    isolation: str | None = None  # one of ISOLATIONS; None: apart from the kernel where the machine can
    budgets: tuple[Budget, ...] = ()  # number 1 is the first
    first_budget: int = 0  # number of the first fiber's; 0: none
    supervisor: Supervisor = Supervisor()
    devices: tuple[Device, ...] = ()


DEFAULTS = {
    "memory": "8M", "map": "1M", "tier": "gravity", "ceiling": "photon",
    "fibers": 64, "stack": "64K", "fiber_stack": "4K",
    "fiber_rings": "8K", "cores": 1, "trace": False, "isolation": None, "first_budget": "", "budget": (),
    "supervisor": {}, "device": (),
}
ISOLATIONS = ("fused", "cells")
POLICIES = ("never", "on-fault", "always")  # index: enum rumpk_restart_policy of abi/image.h
SUPERVISOR = {"policy": "never", "limit": 3, "window": "60s", "backoff": "10ms", "backoff_limit": "1s", "heartbeat": "0s"}
MAX_RESTARTS = 1000
MIN_HEARTBEAT = 1000  # us
BUDGET_KEYS = ("name", "run", "window", "fibers")
DEVICE_KEYS = ("name", "virtio", "compatible", "memory")
DEVICE_NAME_MAX = 15
MAX_VIRTIO = 63
MAX_DEVICE_MEMORY = 256 << 10


def pages(key: str, value: object, least: int, most: int) -> int:
    """A size that is whole pages and inside its bounds."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ManifestError(f'{key} is a size, like "64K"')
    try:
        count = common.size(value)
    except ValueError as error:
        raise ManifestError(f"{key}: {error}") from error
    if count % PAGE:
        raise ManifestError(f"{key} = {value} is not a multiple of {PAGE}")
    if not least <= count <= most:
        raise ManifestError(f"{key} = {value} is outside {common.size_text(least)} to {common.size_text(most)}")
    return count


def tier(key: str, value: object) -> int:
    if value not in TIERS:
        raise ManifestError(f"{key} = {value!r} is no tier; there are: {', '.join(TIERS)}")
    return TIERS.index(value)


def fiber_stack(value: object) -> int:
    try:
        size = common.size(value)
    except (ValueError, TypeError, AttributeError):
        size = None
    if isinstance(value, bool) or size not in FIBER_STACKS:
        raise ManifestError(f'fiber_stack = {value!r} is none of "1K", "2K", "4K"')
    return size


def duration(key: str, value: object) -> int:
    """A length of time, in us."""
    found = re.fullmatch(r"([0-9]{1,15})(us|ms|s)", value) if isinstance(value, str) else None
    if not found:
        raise ManifestError(f'{key} = {value!r} is no time, like "500us" or "2ms"')
    return int(found[1]) * TIME_UNITS[found[2]]


def budget(given: object, number: int) -> Budget:
    """One [[budget]], the number-th."""
    where = f"budget {number}"
    if not isinstance(given, dict):
        raise ManifestError("budget is a table of its own for each: [[budget]]")
    unknown = sorted(set(given) - set(BUDGET_KEYS))
    if unknown:
        raise ManifestError(f"{where}: unknown key '{unknown[0]}'; there are: {', '.join(BUDGET_KEYS)}")
    missing = [key for key in ("name", "run", "window") if key not in given]
    if missing:
        raise ManifestError(f"{where} has no {missing[0]}")
    name, fibers = given["name"], given.get("fibers", 1)
    if not isinstance(name, str) or not re.fullmatch(rf"[A-Za-z0-9._-]{{1,{BUDGET_NAME_MAX}}}", name):
        raise ManifestError(f"{where}: name = {name!r} is not 1 to {BUDGET_NAME_MAX} letters, digits, '.', '_' or '-'")
    where = f"budget '{name}'"
    run, window = (duration(f"{where}: {key}", given[key]) for key in ("run", "window"))
    if run == 0:
        raise ManifestError(f"{where}: run = \"{given['run']}\" is nothing to run in")
    if window > MAX_WINDOW:
        raise ManifestError(f"{where}: window = \"{given['window']}\" is more than an hour, \"3600s\"")
    if run >= window:
        raise ManifestError(f"{where}: run = \"{given['run']}\" is not less than window = \"{given['window']}\": "
                            "it would never be used up")
    if not isinstance(fibers, int) or isinstance(fibers, bool) or not 1 <= fibers <= MAX_FIBERS:
        raise ManifestError(f"{where}: fibers = {fibers!r} is outside 1 to {MAX_FIBERS}")
    return Budget(name, run, window, fibers)


def budgets(given: object, first: object, fibers: int) -> tuple[tuple[Budget, ...], int]:
    """All of them, and the number of the first fiber's."""
    if not isinstance(given, (list, tuple)):
        raise ManifestError("budget is a table of its own for each: [[budget]]")
    if len(given) > MAX_BUDGETS:
        raise ManifestError(f"{len(given)} budgets, and a cell has {MAX_BUDGETS} at most")
    found = tuple(budget(one, number) for number, one in enumerate(given, 1))
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ManifestError(f"two budgets are called '{name}'")
    if sum(one.fibers for one in found) > fibers:
        raise ManifestError(f"the budgets are for {sum(one.fibers for one in found)} fibers, and fibers = {fibers}")
    if first == "":
        return found, 0
    if first not in names:
        raise ManifestError(f"first_budget = {first!r} is no budget; there are: {', '.join(names) or 'none'}")
    return found, names.index(first) + 1


def device(given: object, number: int) -> Device:
    """One [[device]], the number-th."""
    where = f"device {number}"
    if not isinstance(given, dict):
        raise ManifestError("device is a table of its own for each: [[device]]")
    if unknown := sorted(set(given) - set(DEVICE_KEYS)):
        raise ManifestError(f"{where}: unknown key '{unknown[0]}'; there are: {', '.join(DEVICE_KEYS)}")
    if "name" not in given:
        raise ManifestError(f"{where} has no name")
    if ("virtio" in given) == ("compatible" in given):
        raise ManifestError(f"{where} has either virtio or compatible, which say what it is")
    name, virtio, compatible = given["name"], given.get("virtio", 0), given.get("compatible", "")
    if not isinstance(name, str) or not re.fullmatch(rf"[A-Za-z0-9._-]{{1,{DEVICE_NAME_MAX}}}", name):
        raise ManifestError(f"{where}: name = {name!r} is not 1 to {DEVICE_NAME_MAX} letters, digits, '.', '_' or '-'")
    where = f"device '{name}'"
    if "virtio" in given and (not isinstance(virtio, int) or isinstance(virtio, bool) or not 1 <= virtio <= MAX_VIRTIO):
        raise ManifestError(f"{where}: virtio = {virtio!r} is no number of a kind of device, 1 to {MAX_VIRTIO}")
    if "compatible" in given and (not isinstance(compatible, str) or not re.fullmatch(r"[!-~]{1,15}", compatible)):
        raise ManifestError(f"{where}: compatible = {compatible!r} is not 1 to 15 printable characters")
    return Device(name, virtio, pages(f"{where}: memory", given.get("memory", 0), 0, MAX_DEVICE_MEMORY), compatible)


def devices(given: object) -> tuple[Device, ...]:
    if not isinstance(given, (list, tuple)):
        raise ManifestError("device is a table of its own for each: [[device]]")
    found = tuple(device(one, number) for number, one in enumerate(given, 1))
    names = [one.name for one in found]
    for one in names:
        if names.count(one) > 1:
            raise ManifestError(f"two devices are called '{one}'")
    return found


def supervisor(given: object) -> Supervisor:
    """[supervisor]."""
    if not isinstance(given, dict):
        raise ManifestError("supervisor is a table of its own: [supervisor]")
    unknown = sorted(set(given) - set(SUPERVISOR))
    if unknown:
        raise ManifestError(f"supervisor: unknown key '{unknown[0]}'; there are: {', '.join(SUPERVISOR)}")
    values = {**SUPERVISOR, **given}
    policy, limit = values["policy"], values["limit"]
    if policy not in POLICIES:
        raise ManifestError(f"supervisor: policy = {policy!r} is none of {', '.join(POLICIES)}")
    if policy == "never":
        further = sorted(set(given) - {"policy"})
        if further:
            raise ManifestError(f"supervisor: policy = \"never\", and {further[0]} says how to restart")
        return Supervisor()
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_RESTARTS:
        raise ManifestError(f"supervisor: limit = {limit!r} is outside 1 to {MAX_RESTARTS}")
    window, first, most, heartbeat = (duration(f"supervisor: {key}", values[key])
                                      for key in ("window", "backoff", "backoff_limit", "heartbeat"))
    for key, value in (("window", window), ("backoff_limit", most), ("heartbeat", heartbeat)):
        if value > MAX_WINDOW:
            raise ManifestError(f"supervisor: {key} = \"{values[key]}\" is more than an hour, \"3600s\"")
    if window == 0:
        raise ManifestError(f"supervisor: window = \"{values['window']}\" is no time to count restarts in")
    if first > most:
        raise ManifestError(f"supervisor: backoff = \"{values['backoff']}\" is more than "
                            f"backoff_limit = \"{values['backoff_limit']}\"")
    if 0 < heartbeat < MIN_HEARTBEAT:
        raise ManifestError(f"supervisor: heartbeat = \"{values['heartbeat']}\" is less than \"1ms\"")
    return Supervisor(policy, limit, window, first, most, heartbeat)


def name(value: object) -> str:
    """A cell's."""
    if not isinstance(value, str) or not re.fullmatch(rf"[A-Za-z0-9._-]{{1,{NAME_MAX}}}", value):
        raise ManifestError(f"name = {value!r} is not 1 to {NAME_MAX} letters, digits, '.', '_' or '-'")
    return value


def parse(text: str, default_name: str) -> Cell:
    """`default_name` is the cell's name where the text gives none."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(str(error)) from error
    unknown = sorted(set(given) - set(DEFAULTS) - {"name"})
    if unknown:
        raise ManifestError(f"unknown key '{unknown[0]}'; there are: {', '.join(['name', *DEFAULTS])}")
    values = {"name": default_name, **DEFAULTS, **given}
    fibers = values["fibers"]
    if not isinstance(fibers, int) or isinstance(fibers, bool) or not 1 <= fibers <= MAX_FIBERS:
        raise ManifestError(f"fibers = {fibers!r} is outside 1 to {MAX_FIBERS}")
    cores = values["cores"]
    if not isinstance(cores, int) or isinstance(cores, bool) or not 1 <= cores <= MAX_CORES:
        raise ManifestError(f"cores = {cores!r} is outside 1 to {MAX_CORES}")
    if not isinstance(values["trace"], bool):
        raise ManifestError(f"trace = {values['trace']!r} is neither true nor false")
    if values["isolation"] not in (None, *ISOLATIONS):
        raise ManifestError(f"isolation = {values['isolation']!r} is neither \"fused\" nor \"cells\"")
    all_budgets, first_budget = budgets(values["budget"], values["first_budget"], fibers)
    cell = Cell(
        name=name(values["name"]), memory=pages("memory", values["memory"], PAGE, WINDOW_MAP),
        map=pages("map", values["map"], 0, MAX_MAP), tier=tier("tier", values["tier"]),
        ceiling=tier("ceiling", values["ceiling"]), fibers=fibers,
        stack=pages("stack", values["stack"], PAGE, WINDOW_RINGS - WINDOW_STACKS - PAGE),
        fiber_stack=fiber_stack(values["fiber_stack"]),
        fiber_rings=pages("fiber_rings", values["fiber_rings"], 0, WINDOW_BOOT_RINGS - WINDOW_RINGS),
        cores=cores, trace=values["trace"], isolation=values["isolation"], budgets=all_budgets, first_budget=first_budget,
        supervisor=supervisor(values["supervisor"]), devices=devices(values["device"]),
    )
    if cell.supervisor.heartbeat and cell.cores > 1:
        raise ManifestError(f"supervisor: heartbeat of a cell with cores = {cell.cores}; one with a single core can have it")
    if cell.ceiling > cell.tier:
        raise ManifestError(f"ceiling = '{TIERS[cell.ceiling]}' is below tier = '{TIERS[cell.tier]}'")
    if cell.fiber_rings * cell.fibers > WINDOW_BOOT_RINGS - WINDOW_RINGS:
        raise ManifestError(f"fibers x fiber_rings is more than a window's {(WINDOW_BOOT_RINGS - WINDOW_RINGS) >> 20}M")
    # A guard page and the first fiber's stack, then the further ones, a page with a guard page each.
    further = 2 * PAGE if cell.fiber_stack == PAGE else cell.fiber_stack
    stacks = PAGE + cell.stack + (cell.fibers - 1) * further
    if stacks > WINDOW_RINGS - WINDOW_STACKS:
        raise ManifestError(f"{cell.fibers} fibers and a first stack of {common.size_text(cell.stack)} need "
                            f"{stacks >> 10}K of stacks, and a window has {(WINDOW_RINGS - WINDOW_STACKS) >> 20}M")
    return cell


def load(file: Path) -> Cell:
    """The folder's name is the default name."""
    try:
        return parse(file.read_text(), file.resolve().parent.name)
    except OSError as error:
        raise ManifestError(f"{common.relative(file)}: {error.strerror}") from error
    except (ManifestError, UnicodeDecodeError) as error:
        raise ManifestError(f"{common.relative(file)}: {error}") from error
