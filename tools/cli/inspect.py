# SPDX-License-Identifier: Apache-2.0
"""`./rumpk inspect`: what is in an image, and how large each part is."""

import glob
import json
import re
from pathlib import Path
from typing import NamedTuple

from . import build, cells, common, elf, image, machines, parts as kernel_parts

SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHT_NOBITS = 8
BESIDE_VIEWS = {"shares", "managers"}
LIMITS = {("hello", "qemu-riscv64"): 49152}  # bytes that kernel and application may load


class Part(NamedTuple):
    name: str  # of the figure: image.<name>_bytes
    what: str
    size: int
    loaded: bool  # counts in what is loaded: not zeroed memory, not padding


class Choice(NamedTuple):
    """A part that a kernel has or could have (parts.py)."""

    name: str
    size: int  # what it adds to this kernel, or would add
    chosen: bool


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "inspect",
        help="say what is in an image, and how large its parts are",
        description="Builds the image and prints the size of its parts. Loaded bytes are those that carry content: "
        "zeroed memory and padding to whole pages are listed apart, and are in the size of the file.",
    )
    parser.add_argument("app", nargs="?", default="hello", help="an application of apps/, or a folder (default: hello)")
    parser.add_argument("--machine", default=machines.DEFAULT, metavar="M",
                        help=f"one of hal/machine, or all (default: {machines.DEFAULT})")
    parser.add_argument("--json", action="store_true", help="print JSON Lines, one figure a line")
    parser.set_defaults(main=main)


def main(args) -> int:
    for machine in machines.chosen(args.machine):
        built = build.application(args.app, machine.name)
        app = built.image.stem
        found = parts(built)
        choices = kernel_choices(built)
        file_size = built.image.stat().st_size
        if args.json:
            for line in figures(found, choices, app, machine.name, file_size):
                print(line)
        else:
            print(table(found, choices, app, built, file_size))
    return 0


def by_kind(program: elf.Elf, prefix: str, owner: str) -> list[Part]:
    """Sections that take memory, summed by what they may do. A section's zeros at its end, which
    linker scripts pad pages with, are not content."""
    sums = dict.fromkeys(("text", "rodata", "data", "zeroed"), 0)
    for section in program.sections():
        if not section.flags & SHF_ALLOC:
            continue
        content = b""
        if section.type != SHT_NOBITS:
            content = program.data[section.offset : section.offset + section.size].rstrip(b"\0")
        if section.flags & SHF_EXECINSTR:
            kind = "text"
        else:
            kind = "data" if section.flags & SHF_WRITE else "rodata"
        sums[kind] += len(content)
        sums["zeroed"] += section.size - len(content)
    return [Part(f"{prefix}_{kind}", f"{owner} {kind}", size, kind != "zeroed") for kind, size in sums.items()]


def cells_of(built: build.Built) -> list[tuple[str, str, Path]]:
    """Each cell's figure, what it is called, and its ELF; of several its window is in both (RumpkApplication.cmake)."""
    stem = built.image.stem
    if not built.app_elf.is_symlink():
        return [("cell", stem, built.app_elf)]
    files = sorted(built.image.parent.glob(f"{glob.escape(stem)}.[{cells.LETTERS}].elf"))
    listed = cells.LETTERS[: image.windows(built.image)]
    letters = [(file.suffixes[-2][1:], file) for file in files]
    return [(f"cell_{letter}", f"{stem} {letter}", file) for letter, file in letters if letter in listed]


def parts(built: build.Built) -> list[Part]:
    found = by_kind(elf.Elf(built.kernel_elf.read_bytes()), "kernel", "kernel")
    found.append(Part("boot_table", "boot table", image.table_size(built.image), True))
    for figure, owner, file in cells_of(built):
        found += by_kind(elf.Elf(file.read_bytes()), figure, owner)
    return found + [Part(f"share_{name}", f"share {name} (cells: {readers})", size, True) for name, size, readers in image.shares(built.image)]


def kernel_size(file) -> int:
    return loaded(by_kind(elf.Elf(file.read_bytes()), "kernel", "kernel"))


def kernel_choices(built: build.Built) -> list[Choice]:
    """Links what the image's kernel is compared with: itself with one part more or less."""
    kernel = built.kernel_elf.resolve()
    chosen = set(kernel_parts.of_kernel(kernel))
    names = {part: kernel_parts.kernel(chosen ^ {part}) for part in kernel_parts.PARTS
             if (part != "cells" or built.machine.cells)
             and (part != "views" or (built.machine.views and (not built.machine.cells or "cells" in chosen))) and (part not in BESIDE_VIEWS or "views" in chosen)
             and not (part == "cells" and "views" in chosen) and not (part == "views" and chosen & BESIDE_VIEWS)}
    build.target(kernel.parent.name, list(names.values()), "kernels to compare with", archs=(built.machine.arch,))
    size = kernel_size(kernel)
    others = {part: kernel_size(kernel.with_name(f"{name}.elf")) for part, name in names.items()}
    return [Choice(part, size - other if part in chosen else other - size, part in chosen)
            for part, other in others.items()]


def loaded(found: list[Part]) -> int:
    return sum(part.size for part in found if part.loaded)


def figures(found: list[Part], choices: list[Choice], app: str, machine: str, file_size: int) -> list[str]:
    """JSON Lines with the keys of every bench suite; a size has one run and no spread."""
    rows = [(f"image.{part.name}_bytes", part.size) for part in found]
    rows += [(f"image.part_{part.name}_bytes", part.size if part.chosen else 0) for part in choices]
    rows += [(f"image.kernel_{app}_bytes", loaded(found)), ("image.file_bytes", file_size)]
    return [json.dumps({"name": name, "machine": machine, "value": value, "unit": "bytes", "min": value, "max": value,
                        "runs": 1}) for name, value in rows]


def places(built: build.Built) -> list[tuple[str, str]]:
    """Addresses the image was built for. A process's kernel has none: it is position-independent."""
    facts = (machines.FOLDER / built.machine.name / "machine.cmake").read_text()
    rows = [("SysTable", re.search(r"RUMPK_SYSTABLE_ADDRESS (0x[0-9a-fA-F]+)", facts).group(1))]
    programs = [(owner, file) for _, owner, file in cells_of(built)]
    if built.machine.kind != "process":
        programs.insert(0, ("kernel", built.kernel_elf))
    for owner, file in programs:
        rows += [(f"{owner} {segment.rights}", f"{segment.address:#010x}..{segment.end:#010x}")
                 for segment in elf.Elf(file.read_bytes()).loads]
    return rows


def table(found: list[Part], choices: list[Choice], app: str, built: build.Built, file_size: int) -> str:
    width = max(len(part.what) for part in found) + 2
    lines = [f"{app} on {built.machine.name}: {common.relative(built.image)}", ""]
    for wanted, title in ((True, "loaded"), (False, "zeroed, or padding to whole pages")):
        lines += [f"  {title}"]
        lines += [f"    {part.what:<{width}}{part.size:>9,}" for part in found if part.loaded == wanted]
    lines += ["  parts of the kernel that not every image has"]
    for part in choices:
        lines += [f"    {part.name:<{width}}{part.size:>9,}   {'in it' if part.chosen else 'not in it: what it would add'}"]
    total = loaded(found)
    limit = LIMITS.get((app, built.machine.name))
    judged = f"   at most {limit:,}: {'held' if total <= limit else 'EXCEEDED'}" if limit else ""
    lines += ["", f"  {'loaded in all':<{width + 2}}{total:>9,} bytes{judged}",
              f"  {'the file':<{width + 2}}{file_size:>9,} bytes"]
    lines += ["", "  where"] + [f"    {what:<{width}}  {place}" for what, place in places(built)]
    return "\n".join(lines)
