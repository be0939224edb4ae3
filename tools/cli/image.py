# SPDX-License-Identifier: Apache-2.0
"""The packer: kernel + boot table + cells = one bootable file (abi/image.h).

A raw image is what firmware loads: the kernel's memory, zeroed data included, up to a page's
end, then the table. A process image is an executable of the host, padded to a page, the table,
and a trailer of 16 bytes that says where the table begins.

CMake calls it once an application: it is a program, too.
"""

import argparse
import os
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "tools.cli"

from . import cells, common, elf, machines, manifest, parts  # noqa: E402  (found through the path above)

PAGE = 4096
WINDOW_A = 0x08000000  # where addresses are translated
MAGIC = 0x474D4952  # "RIMG"
VERSION = 1
FUSED = 1
WAITS = 0x80  # RUMPK_CELL_WAITS
TABLE = struct.Struct("<IIQIIIIIIIIII8x")
ENTRY = struct.Struct("<32sQQQQIIIIIIIIIIIBBHIIII")
BUDGET = struct.Struct("<IIII16s")
CHANNEL = struct.Struct("<16sIIII")
DEVICE = struct.Struct("<16s16sIII4x")
SHARE = struct.Struct("<16sIII4x")
TRAILER = struct.Struct("<QII")
MAX_SEGMENTS = 8


class ImageError(Exception):
    """Which file, and what is wrong with it."""


class Program(NamedTuple):
    """A cell as it goes into an image."""

    cell: manifest.Cell
    elf: bytes
    window: int = 0  # index
    manager: int = 0  # as struct rumpk_boot_supervisor has it


def check_cell(data: bytes, arch: str, cell: manifest.Cell, window: int = WINDOW_A) -> elf.Elf:
    """The ELF of a cell, if a kernel would take it in the window at that address. elf.ElfError says why not."""
    program = elf.Elf(data)
    if program.machine != elf.MACHINES[arch]:
        known = {number: name for name, number in elf.MACHINES.items()}
        raise elf.ElfError(f"it is for {known.get(program.machine, f'machine {program.machine}')}, not for {arch}")
    if program.type != elf.ET_EXEC:
        raise elf.ElfError("it is not linked to a fixed address (no static executable)")
    for segment in program.segments:
        if segment.type in (elf.PT_DYNAMIC, elf.PT_INTERP):
            raise elf.ElfError("it is dynamically linked")
        if segment.type == elf.PT_TLS and segment.memory_size:
            raise elf.ElfError("it uses thread-local storage, which a cell does not have")
        if segment.type == elf.PT_GNU_STACK and segment.flags & elf.PF_X:
            raise elf.ElfError("it wants an executable stack")
    check_segments(program, cell, window)
    if not any(s.flags & elf.PF_X and s.address <= program.entry < s.end for s in program.loads):
        raise elf.ElfError(f"its entry {program.entry:#x} is in no executable segment")
    return program


def check_segments(program: elf.Elf, cell: manifest.Cell, window: int) -> None:
    """Inside the window, inside the cell's memory, never writable and executable, pages of their own."""
    if not program.loads:
        raise elf.ElfError("it has nothing to load")
    if len(program.loads) > MAX_SEGMENTS:
        raise elf.ElfError(f"it has {len(program.loads)} segments, and a kernel takes {MAX_SEGMENTS}")
    before, most = None, window + manifest.WINDOW_MAP
    for segment in sorted(program.loads, key=lambda one: one.address):
        where = f"its segment {segment.address:#x}..{segment.end:#x}"
        if segment.address < window or segment.end > most:
            raise elf.ElfError(f"{where} is outside the window's {window:#x}..{most:#x}: "
                               "cells are linked with membrane/cell.ld")
        if segment.end > window + cell.memory:
            need = -(-(segment.end - window) // PAGE) * PAGE
            raise elf.ElfError(f"{where} does not fit in memory = \"{common.size_text(cell.memory)}\": "
                               f"the program alone needs \"{common.size_text(need)}\"")
        if segment.flags & elf.PF_W and segment.flags & elf.PF_X:
            raise elf.ElfError(f"{where} is both writable and executable")
        if not segment.flags & elf.PF_R:
            raise elf.ElfError(f"{where} is not readable")
        if before and segment.address // PAGE <= (before.end - 1) // PAGE:
            raise elf.ElfError(f"{where} shares a page with the one before")
        before = segment


class Shared(NamedTuple):
    """A share as it goes into an image."""

    name: str
    data: bytes
    cells: tuple[int, ...]  # indices of those that read it


def boot_table(programs: list[Program], fused: bool = True, console: int = 0, channels=(), shared=(), flat_base=None) -> bytes:
    """The table and all that it points to; whole pages. `console`: index of the cell whose it is; `channels`:
    cells.Channel; `shared`: Shared; `flat_base`: where the table comes to lie, if windows are memory."""
    at = TABLE.size + ENTRY.size * len(programs)
    entries, body, budgets_at = bytearray(), bytearray(), []
    for cell, *_ in programs:
        budgets_at.append(at if cell.budgets else 0)
        body += b"".join(BUDGET.pack(BUDGET.size, one.fibers, one.run, one.window, one.name.encode())
                         for one in cell.budgets)
        at += BUDGET.size * len(cell.budgets)
    channels_at = at if channels else 0
    body += b"".join(CHANNEL.pack(one.name.encode(), *one[1:]) for one in channels)
    at += CHANNEL.size * len(channels)
    devices = [DEVICE.pack(one.name.encode(), one.compatible.encode(), index, one.virtio, one.memory)
               for index, (cell, *_) in enumerate(programs) for one in cell.devices]
    devices_at = at if devices else 0
    body += b"".join(devices)
    at += DEVICE.size * len(devices)
    shares_at, shares_in_body = at if shared else 0, len(body)
    body += bytes(SHARE.size * len(shared))
    at += SHARE.size * len(shared)
    for index, (cell, data, window, manager) in enumerate(programs):
        start = -(-at // PAGE) * PAGE
        body += bytes(start - at) + data
        at = start + len(data)
        entries += ENTRY.pack(cell.name.encode(), start, len(data), cell.memory, cell.map, window, cell.tier,
                              cell.ceiling, cell.cores, cell.fibers, cell.stack, cell.fiber_rings,
                              0 if cell.fiber_stack == PAGE else cell.fiber_stack, budgets_at[index],
                              len(cell.budgets), cell.first_budget, manifest.POLICIES.index(cell.supervisor.policy), manager,
                              *cell.supervisor[1:])
    for index, one in enumerate(shared):
        room = share_room(len(one.data), flat_base is not None)
        start = at + -((flat_base or 0) + at) % (PAGE if flat_base is None else room)
        body += bytes(start - at) + one.data + bytes(room - len(one.data))
        at = start + room
        SHARE.pack_into(body, shares_in_body + SHARE.size * index, one.name.encode(), start, len(one.data),
                        sum(1 << cell for cell in one.cells))
    rest = bytes(entries + body) + bytes(-at % PAGE)
    header = TABLE.pack(MAGIC, VERSION, TABLE.size + len(rest), zlib.crc32(rest), FUSED if fused else 0, len(programs),
                        console, channels_at, len(channels), devices_at, len(devices), shares_at, len(shared))
    return header + rest


def share_room(size: int, flat: bool) -> int:
    """Bytes of the image that are seen of a share: whole pages, and where windows are memory a power of two."""
    pages = -(-size // PAGE) * PAGE
    return 1 << (pages - 1).bit_length() if flat else pages


def pack(kind: str, kernel: bytes, programs: list[Program], *more, flat: bool = False) -> bytes:
    """The image's bytes; `kernel` is the kernel's ELF; more: as boot_table; `flat`: windows are memory."""
    if kind == "raw":
        program = elf.Elf(kernel)
        memory = elf.flatten(program)
        base = min(segment.physical for segment in program.loads) + len(memory)
        return memory + boot_table(programs, *more, flat_base=base if flat else None)
    table = boot_table(programs, *more)
    padded = kernel + bytes(-len(kernel) % PAGE)
    return padded + table + TRAILER.pack(len(padded), MAGIC, 0)


def table_at(data: bytes) -> int | None:
    """Where the boot table of an image begins, as far as its bytes say; struct.error if they are too few."""
    if data.startswith(b"\x7fELF"):
        places = [TRAILER.unpack_from(data, len(data) - TRAILER.size)[0]]
    else:
        places = range(0, len(data), PAGE)
    wanted = struct.pack("<II", MAGIC, VERSION)
    return next((at for at in places if data.startswith(wanted, at)), None)


def cores(image: Path) -> int | None:
    """How many cores the cells of an image run on, whatever the machine has; None: it is no image, or a damaged one."""
    data = image.read_bytes()
    try:
        if (at := table_at(data)) is None:
            return None
        count = TABLE.unpack_from(data, at)[5]
        return max(ENTRY.unpack_from(data, at + TABLE.size + i * ENTRY.size)[8] for i in range(count))
    except (struct.error, ValueError):
        return None


def windows(image: Path) -> int:
    """In how many windows its cells are, those between them included; 1 if it is no image, or a damaged one."""
    data = image.read_bytes()
    try:
        if (at := table_at(data)) is None:
            return 1
        count = TABLE.unpack_from(data, at)[5]
        return 1 + max(ENTRY.unpack_from(data, at + TABLE.size + i * ENTRY.size)[5] for i in range(count))
    except (struct.error, ValueError):
        return 1


def table_size(image: Path) -> int:
    """Bytes of its boot table and of the lists that belong to it: what stands before the first program."""
    data = image.read_bytes()
    fields = TABLE.unpack_from(data, at := table_at(data))
    count, channels, devices, shared = fields[5], fields[8], fields[10], fields[12]
    budgets = sum(ENTRY.unpack_from(data, at + TABLE.size + i * ENTRY.size)[14] for i in range(count))
    return TABLE.size + ENTRY.size * count + BUDGET.size * budgets + CHANNEL.size * channels + DEVICE.size * devices + \
        SHARE.size * shared


def shares(image: Path) -> list[tuple[str, int, int]]:
    """Each share's name, its bytes and how many cells read them."""
    data = image.read_bytes()
    fields = TABLE.unpack_from(data, at := table_at(data))
    found = [SHARE.unpack_from(data, at + fields[11] + i * SHARE.size) for i in range(fields[12])]
    return [(name.rstrip(b"\0").decode(), size, readers.bit_count()) for name, _, size, readers in found]


def memory_for(machine: machines.Machine, image: Path) -> int:
    """Bytes that a machine is given for it unless asked otherwise."""
    return max(machine.memory_default, machine.memory_for(windows(image)) if machine.flat else 0)


def build(kind: str, arch: str, kernel: Path, cell_elf: Path, cell_toml: Path, output: Path,
          window: int = WINDOW_A) -> None:
    """Reads, checks, packs and writes; the output is replaced whole or not at all. A kernel that has the part
    `cells`, by its name, gets a celled image."""
    apart = "cells" in parts.of_kernel(kernel)
    restarts = "restart" in parts.of_kernel(kernel)
    try:
        cell = manifest.load(cell_toml)
        if cell.devices:
            raise ImageError(f"{common.relative(cell_toml)}: a cell that drives a device is one of several: {cells.FILE}")
        program = check_cell(cell_elf.read_bytes(), arch, cell, window)
    except manifest.ManifestError as error:
        raise ImageError(str(error)) from error
    except elf.ElfError as error:
        raise ImageError(f"{common.relative(cell_elf)} cannot be a cell: {error}") from error
    if cell.isolation == "cells" and not apart:
        raise ImageError(f"{common.relative(cell_toml)}: isolation = \"cells\", and this machine has no kernel that keeps "
                         f"cells apart: {machines.that_have('cells')}")
    if cell.supervisor.policy != "never" and not restarts:
        raise ImageError(f"{common.relative(cell_toml)}: supervisor wants a kernel that restarts cells, and "
                         f"{common.relative(kernel)} is none")
    write(kind, kernel, [Program(cell, elf.strip(program))], output, not apart)


def build_several(kind: str, arch: str, kernel: Path, elfs: list[Path], rumpk_toml: Path, output: Path,
                  windows: int = WINDOW_A) -> None:
    """The same of several cells; their ELFs in rumpk.toml's order."""
    try:
        listed = cells.load(rumpk_toml)
    except manifest.ManifestError as error:
        raise ImageError(str(error)) from error
    if "views" not in parts.of_kernel(kernel):
        raise ImageError(f"{common.relative(rumpk_toml)}: this machine has no kernel for several cells: "
                         f"{machines.that_have('views')}")
    try:
        shared = [Shared(one.name, data, one.cells) for one, data in zip(listed.shares, cells.contents(listed.shares), strict=True)]
    except manifest.ManifestError as error:
        raise ImageError(f"{common.relative(rumpk_toml)}: {error}") from error
    drivers = [one.cell.name for one in listed.placed if one.cell.devices]
    if drivers and "cells" not in parts.of_kernel(kernel):
        raise ImageError(f"{common.relative(rumpk_toml)}: {drivers[0]} drives a device, and this machine has no kernel that keeps "
                         f"cells apart: {machines.that_have('cells')}")
    if windows != WINDOW_A:
        check_regions(listed, rumpk_toml)
    programs = []
    for one, file in zip(listed.placed, elfs, strict=True):
        try:
            program = check_cell(file.read_bytes(), arch, one.cell, one.address(windows))
        except elf.ElfError as error:
            raise ImageError(f"{common.relative(file)} cannot be cell {one.cell.name} in window {one.letter}: {error}") from error
        manager = 1 + [other.cell.name for other in listed.placed].index(one.manager) if one.manager else 0
        programs.append(Program(one.cell, elf.strip(program), one.window, manager | (0 if one.starts else WAITS)))
    write(kind, kernel, programs, output, False, listed.console, listed.channels, shared, flat=windows != WINDOW_A)


def check_regions(listed: cells.Cells, rumpk_toml: Path) -> None:
    """Where windows are memory, a processor has a few regions to spare: one for each device and each share of a cell's, and
    for each cell that sends to it."""
    for index, one in enumerate(listed.placed):
        wanted = len({channel.sender for channel in listed.channels if channel.receiver == index} - {cells.CONSOLE_END}) + len(one.cell.devices)
        wanted += sum(index in share.cells for share in listed.shares)
        if wanted > cells.FLAT_REGIONS:
            raise ImageError(f"{common.relative(rumpk_toml)}: {wanted} devices and shares of {one.cell.name} and cells that send to it, and this "
                             f"machine's processor has regions for {cells.FLAT_REGIONS}")


def write(kind: str, kernel: Path, programs: list[Program], output: Path, *more, flat: bool = False) -> None:
    try:
        data = pack(kind, kernel.read_bytes(), programs, *more, flat=flat)
    except elf.ElfError as error:
        raise ImageError(f"{common.relative(kernel)} cannot be a kernel: {error}") from error
    part = output.with_name(output.name + ".part")
    part.write_bytes(data)
    part.chmod(0o755 if kind == "process" else 0o644)
    os.replace(part, output)


def made_for(data: bytes) -> list[machines.Machine]:
    """The machines that an image's bytes can be for, by its kind and its first cell; none if it is no image, or one
    that is damaged there: what is wrong with it the kernel says."""
    kind = "process" if data.startswith(b"\x7fELF") else "qemu"
    try:
        if (at := table_at(data)) is None:
            return []
        _, start, size, _, _, window, *_ = ENTRY.unpack_from(data, at + TABLE.size)
        program = elf.Elf(data[at + start : at + start + size])
    except (struct.error, elf.ElfError):
        return []
    first = (program.entry // cells.WINDOW_SIZE - window) * cells.WINDOW_SIZE
    known = map(machines.load, machines.names())
    return [one for one in known if (one.kind, elf.MACHINES[one.arch], one.windows) == (kind, program.machine, first)]


def link(place: Path, file: Path) -> None:
    """Leads from one to the other wherever both are taken together."""
    if place != file:
        place.unlink(missing_ok=True)
        place.symlink_to(os.path.relpath(file, place.parent))


def write_depfile(output: Path, rumpk_toml: Path | None) -> None:
    """For the build: which files, besides those that it knows, an image is made of."""
    try:
        files = [one.file for one in cells.load(rumpk_toml).shares] if rumpk_toml else []
    except manifest.ManifestError:
        files = []  # said where the image is packed
    escaped = [re.sub(r"([ #])", r"\\\1", str(one)).replace("$", "$$") for one in (output, *files)]
    output.with_name(output.name + ".d").write_text(f"{escaped[0]}: {' '.join(escaped[1:])}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=("raw", "process"), required=True)
    parser.add_argument("--arch", choices=sorted(elf.MACHINES), required=True)
    for name in ("kernel", "manifest", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--cell", type=Path, action="append", default=[], help="of several, in the manifest's order")
    parser.add_argument("--symbols", type=Path, help="the kernel's ELF with symbols, if not --kernel")
    parser.add_argument("--windows", type=lambda text: int(text, 0), default=WINDOW_A, help="where window A is")
    args = parser.parse_args()
    try:
        args.output.parent.mkdir(exist_ok=True)
        several = args.manifest.name == cells.FILE
        write_depfile(args.output, args.manifest if several else None)
        (build_several if several else build)(args.kind, args.arch, args.kernel, args.cell if several else args.cell[0],
                                              args.manifest, args.output, args.windows)
        link(args.output.with_suffix(".kernel.elf"), args.symbols or args.kernel)
        link(args.output.with_suffix(".elf"), args.cell[0])
    except (ImageError, OSError) as error:
        common.say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
