# SPDX-License-Identifier: Apache-2.0
"""rumpk.toml: the cells of one image, each with its folder and its window. Read on the host.

CMake asks which they are: it is a program, too.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "tools.cli"

from . import common, manifest  # noqa: E402  (found through the path above)

FILE = "rumpk.toml"
LETTERS = "ABCDEFG"  # windows, in their order: RUMPK_WINDOW_COUNT of abi/systable.h
WINDOW_SIZE = 0x08000000
KEYS = ("console", "cell", "channel", "share")
CELL_KEYS = ("name", "dir", "window", "manager", "start")
CHANNEL_KEYS = ("name", "from", "to", "slots", "message")
SHARE_KEYS = ("name", "file", "cells")
CHANNEL_NAME_MAX = 15
MAX_CHANNELS = 64  # RUMPK_CHANNELS_MAX of abi/image.h
CHANNEL_ROOM = 512 << 10  # of a window, for the channels on which its cell sends: RUMPK_WINDOW_CHANNELS
CELL_CHANNELS = 59  # slots of a cell that nothing else is in and that can be waited for
KERNEL = "kernel"  # who takes entropy for `random`
TO_KERNEL = 0xFFFFFFFF  # RUMPK_CHANNEL_KERNEL
ENTROPY = 32  # bytes of a message to it: RUMPK_ENTROPY_SIZE
CONSOLE = "console"  # of the kernel, if its driver is a cell
CONSOLE_END = 0xFFFFFFFE  # RUMPK_CHANNEL_KERNEL_CONSOLE
CONSOLE_OUTPUT, CONSOLE_INPUT = 32, 1  # bytes of a message from it, rumpk_console_output, and to it
KERNEL_ENDS = (TO_KERNEL, CONSOLE_END)
MAX_DEVICES = 32  # RUMPK_DEVICES_MAX
DEVICE_PAGES = 3  # of a window, besides its memory: its ring and its registers
FLAT_REGIONS = 4  # of a processor, for a cell's devices, its shares and those that send to it, on a machine whose windows are memory
MAX_SHARES = 16  # RUMPK_SHARES_MAX
SHARE_ROOM = 16 << 20  # of all of them, in pages: RUMPK_SHARES_SIZE
MAX_SLOTS, MAX_MESSAGE = 65536, 65520  # of a ring: abi/ring.h


class Placed(NamedTuple):
    """A cell in its window."""

    cell: manifest.Cell
    folder: Path
    window: int  # index
    manager: str = ""  # the cell that may end it, by name
    starts: bool = True  # with the image; else when its manager spawns it

    @property
    def letter(self) -> str:
        return LETTERS[self.window]

    def address(self, windows: int) -> int:
        return windows + self.window * WINDOW_SIZE


class Channel(NamedTuple):
    """A ring from one cell to another, each by its index."""

    name: str
    sender: int
    receiver: int
    slots: int
    slot_size: int  # bytes, header included

    @property
    def size(self) -> int:
        """Bytes of memory: its header and slots, in whole pages."""
        return -(-(128 + self.slots * self.slot_size) // manifest.PAGE) * manifest.PAGE


class Share(NamedTuple):
    """A file whose bytes some cells read."""

    name: str
    file: Path
    cells: tuple[int, ...]  # their indices


class Cells(NamedTuple):
    """Those of an image. It ends with the first."""

    placed: tuple[Placed, ...]
    console: int  # index of the one whose standard input and output the image's are
    channels: tuple[Channel, ...] = ()
    shares: tuple[Share, ...] = ()


def placed(given: object, number: int, base: Path) -> Placed:
    """One [[cell]], the number-th."""
    where = f"cell {number}"
    if not isinstance(given, dict):
        raise manifest.ManifestError("cell is a table of its own for each: [[cell]]")
    if unknown := sorted(set(given) - set(CELL_KEYS)):
        raise manifest.ManifestError(f"{where}: unknown key '{unknown[0]}'; there are: {', '.join(CELL_KEYS)}")
    for key in ("dir", "window"):
        if key not in given:
            raise manifest.ManifestError(f"{where} has no {key}")
    folder, window = given["dir"], given["window"]
    if not isinstance(folder, str) or not folder or re.search(r"[;|]", folder):
        raise manifest.ManifestError(f"{where}: dir = {folder!r} is no folder")
    if not isinstance(window, str) or len(window) != 1 or window not in LETTERS:
        raise manifest.ManifestError(f"{where}: window = {window!r} is none of {', '.join(LETTERS)}")
    folder = (base / folder).resolve()
    cell = manifest.load(folder / "cell.toml")
    if "name" in given:
        cell = cell._replace(name=manifest.name(given["name"]))
    if cell.cores > 1:
        raise manifest.ManifestError(f"{where}: {cell.name} has cores = {cell.cores}; beside others a cell has one")
    manager, starts = given.get("manager", ""), given.get("start", True)
    if not isinstance(starts, bool):
        raise manifest.ManifestError(f"{where}: start = {starts!r} is neither true nor false")
    return Placed(cell, folder, LETTERS.index(window), manager, starts)


def end_of(key: str, value: object, names: list[str], where: str) -> int:
    """A channel's: the index of a cell, or a number of the kernel's. A cell's name comes first."""
    if isinstance(value, str) and value not in names:
        if value == CONSOLE:
            return CONSOLE_END
        if value == KERNEL and key == "to":
            return TO_KERNEL
    if value not in names:
        raise manifest.ManifestError(f"{where}: {key} = {value!r} is no cell; there are: {', '.join(names)}")
    return names.index(value)


def message_of(given: dict, sender: int, receiver: int, where: str) -> int:
    """Bytes of its messages. Where the kernel is at one end it says how many."""
    fixed, what = (ENTROPY, f"the kernel takes entropy, {ENTROPY} bytes at a time") if receiver == TO_KERNEL else \
                  (CONSOLE_INPUT, "the console takes a byte at a time") if receiver == CONSOLE_END else \
                  (CONSOLE_OUTPUT, f"the console sends {CONSOLE_OUTPUT} bytes at a time") if sender == CONSOLE_END else (None, "")
    message = given.get("message", fixed or 64)
    if fixed and message != fixed:
        raise manifest.ManifestError(f"{where}: message = {message!r}, and {what}")
    if not isinstance(message, int) or isinstance(message, bool) or not 1 <= message <= MAX_MESSAGE:
        raise manifest.ManifestError(f"{where}: message = {message!r} is outside 1 to {MAX_MESSAGE} bytes")
    return message


def named(what: str, given: object, number: int, keys: tuple[str, ...], needed: tuple[str, ...]) -> dict:
    """The number-th table of its kind, which has a good name and all that it needs."""
    where = f"{what} {number}"
    if not isinstance(given, dict):
        raise manifest.ManifestError(f"{what} is a table of its own for each: [[{what}]]")
    if unknown := sorted(set(given) - set(keys)):
        raise manifest.ManifestError(f"{where}: unknown key '{unknown[0]}'; there are: {', '.join(keys)}")
    for key in needed:
        if key not in given:
            raise manifest.ManifestError(f"{where} has no {key}")
    name = given["name"]
    if not isinstance(name, str) or not re.fullmatch(rf"[A-Za-z0-9._-]{{1,{CHANNEL_NAME_MAX}}}", name):
        raise manifest.ManifestError(f"{where}: name = {name!r} is not 1 to {CHANNEL_NAME_MAX} letters, digits, '.', '_' or '-'")
    return given


def channel(given: object, number: int, names: list[str]) -> Channel:
    """One [[channel]], the number-th."""
    given = named("channel", given, number, CHANNEL_KEYS, ("name", "from", "to"))
    name, slots = given["name"], given.get("slots", 64)
    where = f"channel '{name}'"
    sender, receiver = (end_of(key, given[key], names, where) for key in ("from", "to"))
    if sender == receiver or (sender in KERNEL_ENDS and receiver in KERNEL_ENDS):
        raise manifest.ManifestError(f"{where} leads from {given['from']} to itself; between fibers of a cell there is nexus::channel")
    if not isinstance(slots, int) or isinstance(slots, bool) or not 1 <= slots <= MAX_SLOTS or slots & (slots - 1):
        raise manifest.ManifestError(f"{where}: slots = {slots!r} is no power of two from 1 to {MAX_SLOTS}")
    message = message_of(given, sender, receiver, where)
    return Channel(name, sender, receiver, slots, 16 + -(-message // 16) * 16)


def check_console(found: tuple[Channel, ...], console: int, names: list[str]) -> None:
    """Its driver, if it has one, is at both of its channels, and is not the cell whose console it is."""
    out = [one.receiver for one in found if one.sender == CONSOLE_END]
    into = [one.sender for one in found if one.receiver == CONSOLE_END]
    if not out and not into:
        return
    if len(out) != 1 or out != into:
        raise manifest.ManifestError('the console\'s driver has one channel with from = "console" and one with to = "console"')
    if out[0] == console:
        raise manifest.ManifestError(f"{names[console]} drives the console and has it: the console of an image is another cell's")


def room_of(found: tuple[Channel, ...], sender: int) -> int:
    """Bytes of a sender's window, as core/boot_table.h lays them out: for each receiver a block whose size is a power of
    two, at a multiple of it; then what leads to the kernel and from it."""
    end = 0
    own = [one for one in found if one.sender == sender]
    for receiver in sorted({one.receiver for one in own} - set(KERNEL_ENDS)):
        size = sum(one.size for one in own if one.receiver == receiver)
        block = 1 << (size - 1).bit_length()
        end = -(-end // block) * block + block
    return end + sum(one.size for one in found if (one.sender, one.receiver) in {(sender, TO_KERNEL), (sender, CONSOLE_END), (CONSOLE_END, sender)})


def share(given: object, number: int, names: list[str], base: Path) -> Share:
    """One [[share]], the number-th. Its file is read when the image is packed."""
    given = named("share", given, number, SHARE_KEYS, SHARE_KEYS)
    where, file, readers = f"share '{given['name']}'", given["file"], given["cells"]
    if not isinstance(file, str) or not file:
        raise manifest.ManifestError(f"{where}: file = {file!r} is no file")
    if not isinstance(readers, list) or not readers:
        raise manifest.ManifestError(f"{where}: cells = {readers!r} lists none; there are: {', '.join(names)}")
    for one in readers:
        if one not in names:
            raise manifest.ManifestError(f"{where}: cells has {one!r}, which is no cell; there are: {', '.join(names)}")
        if readers.count(one) > 1:
            raise manifest.ManifestError(f"{where}: cells has {one!r} twice")
    return Share(given["name"], (base / file).resolve(), tuple(names.index(one) for one in readers))


def shares(given: object, names: list[str], base: Path) -> tuple[Share, ...]:
    if not isinstance(given, list):
        raise manifest.ManifestError("share is a table of its own for each: [[share]]")
    if len(given) > MAX_SHARES:
        raise manifest.ManifestError(f"{len(given)} shares, and an image has {MAX_SHARES} at most")
    found = tuple(share(one, number, names, base) for number, one in enumerate(given, 1))
    for one in found:
        if [other.name for other in found].count(one.name) > 1:
            raise manifest.ManifestError(f"two shares are called '{one.name}'")
    return found


def contents(found: tuple[Share, ...]) -> list[bytes]:
    """What is in each one's file."""
    read, room = [], 0
    for one in found:
        try:
            size = one.file.stat().st_size
            room += -(-size // manifest.PAGE) * manifest.PAGE
            if room > SHARE_ROOM:
                raise manifest.ManifestError(f"share '{one.name}': with {common.relative(one.file)} they take {room >> 10}K, and there are {SHARE_ROOM >> 10}K")
            read.append(one.file.read_bytes())
        except OSError as error:
            raise manifest.ManifestError(f"share '{one.name}': {common.relative(one.file)}: {error.strerror}") from error
        if not read[-1]:
            raise manifest.ManifestError(f"share '{one.name}': {common.relative(one.file)} is empty")
    return read


def check_managers(found: tuple[Placed, ...], console: int, names: list[str]) -> None:
    for index, one in enumerate(found):
        name = one.cell.name
        if one.manager != "" and one.manager not in names:
            raise manifest.ManifestError(f"{name}: manager = {one.manager!r} is no cell; there are: {', '.join(names)}")
        if one.manager == name:
            raise manifest.ManifestError(f"{name}: manager = {name!r}, and no cell manages itself")
        if one.manager and index == 0:
            raise manifest.ManifestError(f"{name} is the first cell, with which the image ends: nobody manages it")
        if not one.starts and not one.manager:
            raise manifest.ManifestError(f"{name}: start = false, and no manager that could spawn it")
        if not one.starts and index == console:
            raise manifest.ManifestError(f"{name}: start = false, and the console is its own")


def check_slots(found: Cells) -> None:
    """Has each cell a slot for all that it is given?"""
    for index, one in enumerate(found.placed):
        held = [sum(index in (channel.sender, channel.receiver) for channel in found.channels), len(one.cell.devices),
                sum(index in share.cells for share in found.shares), sum(other.manager == one.cell.name for other in found.placed)]
        if sum(held) > CELL_CHANNELS:
            raise manifest.ManifestError(f"{one.cell.name} has {held[0]} ends of channels, {held[1]} devices, {held[2]} shares and {held[3]} cells to manage, "
                                         f"and a cell has room for {CELL_CHANNELS} in all")


def channels(given: object, listed: tuple[Placed, ...], console: int) -> tuple[Channel, ...]:
    if not isinstance(given, list):
        raise manifest.ManifestError("channel is a table of its own for each: [[channel]]")
    if len(given) > MAX_CHANNELS:
        raise manifest.ManifestError(f"{len(given)} channels, and an image has {MAX_CHANNELS} at most")
    names = [one.cell.name for one in listed]
    found = tuple(channel(one, number, names) for number, one in enumerate(given, 1))
    for one in found:
        if [other.name for other in found].count(one.name) > 1:
            raise manifest.ManifestError(f"two channels are called '{one.name}'")
    check_console(found, console, names)
    for index, name in enumerate(names):
        devices = listed[index].cell.devices
        room = room_of(found, index)
        room += sum(DEVICE_PAGES * manifest.PAGE + one.memory for one in devices)
        if room > CHANNEL_ROOM:
            raise manifest.ManifestError(f"the channels on which {name} sends and its devices take {room >> 10}K, "
                                         f"and there are {CHANNEL_ROOM >> 10}K")
    return found


def parse(text: str, base: Path) -> Cells:
    """`base` is the folder that others are named from."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise manifest.ManifestError(str(error)) from error
    if unknown := sorted(set(given) - set(KEYS)):
        raise manifest.ManifestError(f"unknown key '{unknown[0]}'; there are: {', '.join(KEYS)}")
    listed = given.get("cell", [])
    if not isinstance(listed, list) or not listed:
        raise manifest.ManifestError("it lists no cell: each is a table of its own, [[cell]]")
    found = tuple(placed(one, number, base) for number, one in enumerate(listed, 1))
    for what, of in (("are called '{}'", lambda one: one.cell.name), ("are in window {}", lambda one: one.letter)):
        every = [of(one) for one in found]
        for one in every:
            if every.count(one) > 1:
                raise manifest.ManifestError("two cells " + what.format(one))
    names = [one.cell.name for one in found]
    console = given.get("console", names[0])
    if console not in names:
        raise manifest.ManifestError(f"console = {console!r} is no cell; there are: {', '.join(names)}")
    if (count := sum(len(one.cell.devices) for one in found)) > MAX_DEVICES:
        raise manifest.ManifestError(f"{count} devices, and an image has {MAX_DEVICES} at most")
    whole = Cells(found, names.index(console), channels(given.get("channel", []), found, names.index(console)),
                  shares(given.get("share", []), names, base))
    check_managers(found, whole.console, names)
    check_slots(whole)
    return whole


def load(file: Path) -> Cells:
    try:
        return parse(file.read_text(), file.resolve().parent)
    except OSError as error:
        raise manifest.ManifestError(f"{common.relative(file)}: {error.strerror}") from error
    except (manifest.ManifestError, UnicodeDecodeError) as error:
        raise manifest.ManifestError(f"{common.relative(file)}: {error}") from error


def main() -> int:
    for file in sys.argv[1:]:
        try:
            for one in load(Path(file)).placed:
                print(f"{one.letter}|{one.window}|{one.folder}")
        except manifest.ManifestError:
            pass  # the packer says what is wrong, when this image is built
    return 0


if __name__ == "__main__":
    sys.exit(main())
