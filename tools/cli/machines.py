# SPDX-License-Identifier: Apache-2.0
"""The machines: facts for the command, from hal/machine/<name>/machine.toml."""

import tomllib
from pathlib import Path
from typing import NamedTuple

from . import common

FOLDER = common.ROOT / "hal" / "machine"
DEFAULT = "qemu-riscv64"
WINDOWS = 0x08000000  # where window A is if addresses are translated (abi/systable.h)
WINDOW_SIZE = 0x08000000


class Machine(NamedTuple):
    name: str
    arch: str
    kind: str  # "qemu": an emulator boots the image; "process": the image is executed
    emulator: str  # "" for a process
    arguments: tuple[str, ...]  # the emulator's, with {image} {memory} {cores}
    memory_default: int  # bytes
    memory_minimum: int  # bytes
    max_cores: int
    cells: bool = False  # it has kernels that keep cells apart
    views: bool = False  # and such for several cells
    windows: int = WINDOWS  # where window A is; anywhere else it is memory, and nothing is translated
    tested: tuple[str, ...] = ("*",)  # scenarios that a test of all machines runs on it; --machine and --long run every one
    firmware: tuple[int, int] = (0, 0)  # addresses of what runs below the kernel, from and to
    carries_code: bool = True  # the emulator ends with power_off's code; else only the console's framing has it

    @property
    def flat(self) -> bool:
        """Nothing translates addresses: windows are memory."""
        return self.windows != WINDOWS

    def memory_for(self, windows: int) -> int:
        """Bytes that an image needs at least with cells in the first so many windows, or with holes between them."""
        return self.memory_minimum + (windows - 1) * WINDOW_SIZE * self.flat

    def command(self, image: Path, memory: int | None = None, cores: int = 1) -> list[str]:
        """What boots the image by hand: the emulator's line, or the image itself."""
        if self.kind == "process":
            return [str(image)]
        values = {"image": str(image), "memory": common.size_text(memory or self.memory_default), "cores": str(cores)}
        return [self.emulator] + [argument.format(**values) for argument in self.arguments]


def names() -> list[str]:
    return sorted(file.parent.name for file in FOLDER.glob("*/machine.toml"))


def that_have(fact: str) -> str:
    """Which machines there are with `cells` or `views`, in words."""
    having = [name for name in names() if getattr(load(name), fact)]
    return " and ".join(filter(None, [", ".join(having[:-1]), having[-1]])) + (" has" if len(having) == 1 else " have")


def load(name: str) -> Machine:
    """Ends the command with the list of machines when there is none of that name."""
    file = FOLDER / name / "machine.toml"
    if "/" in name or not file.is_file():
        common.fail(f"no machine '{name}'; there are: {', '.join(names())}")
    try:
        facts = tomllib.loads(file.read_text())
        memory = facts["memory"]
        return Machine(
            name=facts["name"], arch=facts["arch"], kind=facts["kind"], emulator=facts.get("emulator", ""),
            arguments=tuple(facts.get("arguments", ())), memory_default=common.size(memory["default"]),
            memory_minimum=common.size(memory["minimum"]), max_cores=facts["cores"]["maximum"],
            cells=facts.get("cells", False), views=facts.get("views", False),
            windows=facts.get("windows", WINDOWS), tested=tuple(facts.get("tested", ["*"])),
            firmware=tuple(facts.get("firmware", (0, 0))), carries_code=facts.get("carries_code", True),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        common.fail(f"{common.relative(file)}: {type(error).__name__}: {error}")


def chosen(name: str) -> list[Machine]:
    """The machines that --machine NAME means; `all` is every one."""
    return [load(one) for one in (names() if name == "all" else [name])]
