# SPDX-License-Identifier: Apache-2.0
"""rumpk.toml: what it says of the cells of an image, and each thing that is refused."""

import contextlib
import io
import re
import struct
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests" / "cli"))

from test_image import CODE, WINDOW, make_elf  # noqa: E402
from tools.cli import backtrace, build, cells, image, machines, manifest, parts  # noqa: E402

TWO = '[[cell]]\ndir = "one"\nwindow = "A"\n[[cell]]\ndir = "two"\nwindow = "C"\n'


class Files(unittest.TestCase):
    """Two folders of cells in one of its own."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in ("one", "two"):
            (self.folder / name).mkdir()
            self.cell(name, "")

    def cell(self, name, text):
        (self.folder / name / "cell.toml").write_text(text)

    def parse(self, text):
        return cells.parse(text, self.folder)


class Manifest(Files):
    def refused(self, text, pattern):
        with self.assertRaisesRegex(manifest.ManifestError, pattern):
            self.parse(text)

    def test_two(self):
        found = self.parse(TWO)
        self.assertEqual([(one.cell.name, one.folder.name, one.window, one.letter) for one in found.placed],
                         [("one", "one", 0, "A"), ("two", "two", 2, "C")])
        self.assertEqual(found.console, 0)
        self.assertEqual(found.placed[1].address(WINDOW), 0x18000000)

    def test_names(self):
        self.cell("two", 'name = "second"')
        self.assertEqual([one.cell.name for one in self.parse(TWO).placed], ["one", "second"])
        twice = '[[cell]]\ndir = "one"\nwindow = "A"\n[[cell]]\ndir = "one"\nwindow = "B"\n'
        self.refused(twice, "two cells are called 'one'")
        found = self.parse(twice + 'name = "again"')
        self.assertEqual([one.cell.name for one in found.placed], ["one", "again"])
        self.refused(twice + 'name = "a b"', "name = 'a b' is not 1 to 31 letters")

    def test_console(self):
        self.assertEqual(self.parse('console = "two"\n' + TWO).console, 1)
        self.refused('console = "three"\n' + TWO, "console = 'three' is no cell; there are: one, two")

    def test_windows(self):
        self.refused(TWO.replace('"C"', '"A"'), "two cells are in window A")
        for window in ('"H"', '"AB"', '""', "1", '"a"'):
            self.refused(TWO.replace('"C"', window), "cell 2: window = .* is none of A, B, C, D, E, F, G")
        self.refused('[[cell]]\ndir = "one"\n', "cell 1 has no window")

    def test_keys(self):
        self.refused("cells = 1\n" + TWO, "unknown key 'cells'; there are: console, cell, channel, share")
        self.refused(TWO + "memory = 4096", "cell 2: unknown key 'memory'; there are: name, dir, window, manager, start")
        self.refused('[[cell]]\nwindow = "A"\n', "cell 1 has no dir")
        for folder in ('""', "3", '"a;b"'):
            self.refused(f'[[cell]]\nwindow = "A"\ndir = {folder}\n', "cell 1: dir = .* is no folder")
        self.refused("", "it lists no cell")
        self.refused("[cell]", "it lists no cell")
        self.refused("cell = [1]", r"\[\[cell\]\]")
        self.refused("cell = ", "Invalid value")

    def test_cells_of_their_own(self):
        self.cell("two", "cores = 2")
        self.refused(TWO, "cell 2: two has cores = 2; beside others a cell has one")
        self.cell("two", "nonsense = 2")
        self.refused(TWO, "two/cell.toml: unknown key 'nonsense'")
        (self.folder / "two" / "cell.toml").unlink()
        self.refused(TWO, "two/cell.toml: No such file")

    def channel_refused(self, pattern, **changed):
        keys = {"name": '"c"', "from": '"one"', "to": '"two"'} | changed
        self.refused(TWO + "[[channel]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value), pattern)

    def test_channels(self):
        one = '[[channel]]\nname = "{}"\nfrom = "one"\nto = "two"\n'
        found = self.parse(TWO + one.format("a") + one.format("b") + "slots = 2\nmessage = 17\n").channels
        self.assertEqual(found, (cells.Channel("a", 0, 1, 64, 80), cells.Channel("b", 0, 1, 2, 48)))
        self.assertEqual([each.size for each in found], [8192, 4096])
        self.refused(TWO + one.format("a") * 2, "two channels are called 'a'")
        self.refused(TWO + "".join(one.format(i) for i in range(65)), "65 channels, and an image has 64 at most")
        self.refused(TWO + "".join(one.format(i) for i in range(60)), "one has 60 ends of channels, 0 devices, 0 shares and 0 cells to manage, and a cell has room for 59 in all")
        self.refused(TWO + one.format("a") + "slots = 1024\nmessage = 512\n", "on which one sends and its devices take 1024K, and there are 512K")
        self.refused("channel = 1\n" + TWO, r"\[\[channel\]\]")

    def test_blocks_of_channels(self):
        """As tests/unit/core/boot_table_test.cpp has them; and what goes to the kernel behind them."""
        found = tuple(cells.Channel("c", sender, receiver, slots, 256)
                      for sender, receiver, slots in ((0, 3, 16), (0, 1, 64), (0, 3, 16), (2, 0, 32), (0, 2, 16)))
        self.assertEqual([cells.room_of(found, sender) // 4096 for sender in range(3)], [16, 0, 4])
        self.assertEqual(cells.room_of((*found, cells.Channel("e", 2, cells.TO_KERNEL, 4, 48)), 2) // 4096, 5)

    def test_channels_to_the_kernel(self):
        one = '[[channel]]\nname = "entropy"\nfrom = "two"\nto = "kernel"\n'
        wanted = (cells.Channel("entropy", 1, 0xFFFFFFFF, 4, 48),)
        for text in ("slots = 4\n", "slots = 4\nmessage = 32\n"):
            self.assertEqual(self.parse(TWO + one + text).channels, wanted)
        self.channel_refused("channel 'c': message = 33, and the kernel takes entropy, 32 bytes at a time", to='"kernel"', message="33")
        self.channel_refused("channel 'c': from = 'kernel' is no cell", **{"from": '"kernel"'})
        named = TWO.replace('window = "A"', 'window = "A"\nname = "kernel"')  # a cell may be called so
        self.assertEqual(self.parse(named + one).channels, (cells.Channel("entropy", 1, 0, 64, 80),))

    def test_channels_of_the_console(self):
        out = '[[channel]]\nname = "out"\nfrom = "console"\nto = "two"\nslots = 512\n'
        into = '[[channel]]\nname = "in"\nfrom = "two"\nto = "console"\n'
        wanted = (cells.Channel("out", cells.CONSOLE_END, 1, 512, 48), cells.Channel("in", 1, cells.CONSOLE_END, 64, 32))
        self.assertEqual(self.parse(TWO + out + into).channels, wanted)
        self.assertEqual(cells.room_of(wanted, 1), 8 << 12)
        self.assertEqual(cells.room_of(wanted, 0), 0)
        for text in (out, into, out + into + into.replace("in", "more"), out + into.replace('"two"', '"one"')):
            self.refused(TWO + text, 'has one channel with from = "console" and one with to = "console"')
        self.refused('console = "two"\n' + TWO + out + into, "two drives the console and has it")
        self.refused(TWO + out + "message = 31\n" + into, "message = 31, and the console sends 32 bytes at a time")
        self.refused(TWO + out + into + "message = 2\n", "message = 2, and the console takes a byte at a time")
        self.refused(TWO + out.replace('"two"', '"console"') + into, "channel 'out' leads from console to itself")

    def test_devices(self):
        device = '[[device]]\nname = "{}"\nvirtio = 4\nmemory = "{}"\n'
        self.cell("one", device.format("a", "4K") + device.format("b", "8K"))
        self.assertEqual(self.parse(TWO).placed[0].cell.devices, (manifest.Device("a", 4, 4096), manifest.Device("b", 4, 8192)))
        self.cell("one", device.format("a", "256K") + device.format("b", "256K"))
        self.refused(TWO, "the channels on which one sends and its devices take 536K, and there are 512K")
        self.cell("one", "".join(device.format(i, 0) for i in range(33)))
        self.refused(TWO, "33 devices, and an image has 32 at most")

    def test_channels_that_are_none(self):
        self.channel_refused("channel 1: unknown key 'size'; there are: name, from, to, slots, message", size="1")
        for key in ("name", "from", "to"):
            self.channel_refused(f"channel 1 has no {key}", **{key: None})
        for value in ('""', '"a b"', '"' + "x" * 16 + '"', "7"):
            self.channel_refused("name = .* is not 1 to 15 letters", name=value)
        self.channel_refused("channel 'c': to = 'three' is no cell; there are: one, two", to='"three"')
        self.channel_refused("channel 'c' leads from one to itself", to='"one"')
        for value in ("0", "3", "131072", '"2"', "true", "-2"):
            self.channel_refused("slots = .* is no power of two", slots=value)
        for value in ("0", "65521", '"2"', "true"):
            self.channel_refused("message = .* is outside 1 to 65520 bytes", message=value)

    def share_refused(self, pattern, **changed):
        keys = {"name": '"s"', "file": '"words"', "cells": '["one", "two"]'} | changed
        self.refused(TWO + "[[share]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value), pattern)

    def test_shares(self):
        one = '[[share]]\nname = "{}"\nfile = "one/../words"\ncells = ["two", "one"]\n'
        self.assertEqual(self.parse(TWO + one.format("a")).shares, (cells.Share("a", (self.folder / "words").resolve(), (1, 0)),))
        self.assertEqual(self.parse(TWO).shares, ())
        self.refused(TWO + one.format("a") * 2, "two shares are called 'a'")
        self.refused(TWO + "".join(one.format(i) for i in range(17)), "17 shares, and an image has 16 at most")
        self.refused("share = 1\n" + TWO, r"\[\[share\]\]")
        self.refused("share = [1]\n" + TWO, r"\[\[share\]\]")
        self.share_refused("share 1: unknown key 'size'; there are: name, file, cells", size="1")
        for key in ("name", "file", "cells"):
            self.share_refused(f"share 1 has no {key}", **{key: None})
        for value in ('""', '"a b"', '"' + "x" * 16 + '"', "7"):
            self.share_refused("share 1: name = .* is not 1 to 15 letters", name=value)
        for value in ('""', "7"):
            self.share_refused("share 's': file = .* is no file", file=value)
        for value in ("[]", '"one"', "7"):
            self.share_refused("share 's': cells = .* lists none; there are: one, two", cells=value)
        self.share_refused("share 's': cells has 'three', which is no cell; there are: one, two", cells='["one", "three"]')
        self.share_refused("share 's': cells has 'one' twice", cells='["one", "one"]')
        channel = '[[channel]]\nname = "{}"\nfrom = "one"\nto = "two"\n'
        self.refused(TWO + "".join(channel.format(i) for i in range(59)) + one.format("a"),
                     "one has 59 ends of channels, 0 devices, 1 shares and 0 cells to manage, and a cell has room for 59 in all")

    def test_contents_of_shares(self):
        files = [self.folder / name for name in ("a", "b")]
        shares = tuple(cells.Share(file.name, file, (0,)) for file in files)
        files[0].write_bytes(b"some")
        with self.assertRaisesRegex(manifest.ManifestError, "share 'b': .*/b: No such file"):
            cells.contents(shares)
        files[1].write_bytes(b"")
        with self.assertRaisesRegex(manifest.ManifestError, "share 'b': .*/b is empty"):
            cells.contents(shares)
        files[1].write_bytes(bytes((16 << 20) - 4096))
        self.assertEqual([len(one) for one in cells.contents(shares)], [4, (16 << 20) - 4096])
        files[1].write_bytes(bytes((16 << 20) - 4095))
        with self.assertRaisesRegex(manifest.ManifestError, "share 'b': with .*/b they take 16388K, and there are 16384K"):
            cells.contents(shares)
        files[1].unlink()
        files[1].mkdir()
        with self.assertRaisesRegex(manifest.ManifestError, "share 'b': .*/b: Is a directory"):
            cells.contents(shares)

    def test_managers(self):
        found = self.parse(TWO + 'manager = "one"\nstart = false\n').placed
        self.assertEqual([(one.manager, one.starts) for one in found], [("", True), ("one", False)])
        self.refused(TWO + 'manager = "three"', "two: manager = 'three' is no cell; there are: one, two")
        self.refused(TWO + 'manager = "two"', "two: manager = 'two', and no cell manages itself")
        self.refused(TWO + "start = false", "two: start = false, and no manager that could spawn it")
        self.refused(TWO + "start = 1", "cell 2: start = 1 is neither true nor false")
        self.refused('console = "two"\n' + TWO + 'manager = "one"\nstart = false', "two: start = false, and the console is its own")
        self.refused(TWO.replace('window = "A"', 'window = "A"\nmanager = "two"'), "one is the first cell, with which the image ends: nobody manages it")

    def test_file(self):
        file = self.folder / cells.FILE
        with self.assertRaisesRegex(manifest.ManifestError, "rumpk.toml: No such file"):
            cells.load(file)
        file.write_text("colour = 1")
        with self.assertRaisesRegex(manifest.ManifestError, "rumpk.toml: unknown key 'colour'"):
            cells.load(file)

    def test_what_cmake_is_told(self):
        file = self.folder / cells.FILE
        for text, lines in ((TWO, [f"A|0|{self.folder}/one", f"C|2|{self.folder}/two"]), ("nonsense", [])):
            file.write_text(text)
            with mock.patch.object(sys, "argv", ["cells.py", str(file)]), \
                 contextlib.redirect_stdout(io.StringIO()) as out:
                self.assertEqual(cells.main(), 0)
            self.assertEqual(out.getvalue().splitlines(), lines)

    def test_numbers_of_the_abi(self):
        header = (ROOT / "abi" / "systable.h").read_text()
        self.assertIn(f"#define RUMPK_WINDOW_COUNT {len(cells.LETTERS)}u", header)
        self.assertIn(f"#define RUMPK_WINDOW_SIZE 0x{cells.WINDOW_SIZE:08x}ull", header)
        header = (ROOT / "abi" / "image.h").read_text()
        self.assertIn(f"#define RUMPK_CHANNELS_MAX {cells.MAX_CHANNELS}u", header)
        self.assertIn(f"#define RUMPK_CHANNEL_KERNEL {cells.TO_KERNEL:#x}u", header)
        self.assertIn(f"#define RUMPK_CHANNEL_KERNEL_CONSOLE {cells.CONSOLE_END:#x}u", header)
        self.assertIn(f"sizeof(struct rumpk_console_output) == {cells.CONSOLE_OUTPUT})", (ROOT / "abi" / "call.h").read_text())
        self.assertIn(f"#define RUMPK_ENTROPY_SIZE {cells.ENTROPY}u", header)
        self.assertIn(f"#define RUMPK_CELL_WAITS {image.WAITS:#x}u", header)
        self.assertIn(f"#define RUMPK_DEVICES_MAX {cells.MAX_DEVICES}u", header)
        self.assertIn(f"sizeof(struct rumpk_boot_device) == {image.DEVICE.size})", header)
        self.assertIn(f"sizeof(struct rumpk_boot_share) == {image.SHARE.size})", header)
        self.assertIn(f"#define RUMPK_SHARES_MAX {cells.MAX_SHARES}u", header)
        self.assertIn(f"#define RUMPK_SHARES_SIZE 0x{cells.SHARE_ROOM:08x}ull", header)
        self.assertIn(f"#define RUMPK_WINDOW_CHANNELS 0x{cells.WINDOW_SIZE - cells.CHANNEL_ROOM:08x}ull", header)
        self.assertIn(f"sizeof(struct rumpk_boot_channel) == {image.CHANNEL.size})", header)


class Needs(unittest.TestCase):
    def test_the_table_is_what_the_scenario_walks(self):
        page = (ROOT / "docs" / "decisions" / "several.md").read_text()
        table = page.split("## What needs a capability")[1].split("\n## ")[0]
        rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
        documented = [(what.replace("`", ""), answer.strip("`")) for what, _, answer in rows]
        source = (ROOT / "tests" / "apps" / "relay" / "needs.h").read_text()
        walked = re.findall(r'Need\{\s*"([^"]+)",.*?-RUMPK_(\w+)\}', source, re.DOTALL)
        self.assertEqual(documented, walked)
        self.assertEqual(len(walked), 11)


class Parts(Files):
    def test_follow_from_the_manifest(self):
        budget = '[[budget]]\nname="a"\nrun="1ms"\nwindow="2ms"\n'
        for text, wanted in (("", ()), ("cores = 2", ("cores",)), ("cores = 1", ()), ("trace = true", ("trace",)),
                             (budget, ("budgets",)), ("trace = true\ncores = 3\n" + budget, parts.ALL),
                             ('isolation = "fused"', ()), ('cores = 2\nisolation = "cells"', ("cores", "cells")),
                             ('supervisor.policy = "never"', ()), ('supervisor.policy = "always"', ("restart",))):
            for apart in (False, True):
                more = {"cells"} if apart and "isolation" not in text else set()
                self.assertEqual(set(parts.of(manifest.parse(text, "sample"), apart)), {*wanted, *more}, text)

    def test_follow_from_all_cells(self):
        self.assertEqual(parts.of_several(self.parse(TWO)), ("cells", "views"))
        self.assertEqual(parts.of_several(self.parse(TWO), False), ("views",))  # where nothing is kept apart
        self.cell("one", '[[device]]\nname = "d"\nvirtio = 4\n')
        self.assertEqual(parts.of_several(self.parse(TWO), False), ("cells", "views"))  # but drivers
        self.cell("one", "trace = true")
        self.cell("two", 'supervisor.policy = "always"')
        self.assertEqual(parts.of_several(self.parse(TWO)), ("trace", "cells", "restart", "views"))
        share = '[[share]]\nname = "s"\nfile = "s"\ncells = ["one"]\n'
        self.assertEqual(parts.of_several(self.parse(TWO + share)), ("trace", "cells", "restart", "views", "shares"))
        managed = TWO.replace('dir = "two"', 'dir = "two"\nmanager = "one"')
        self.assertEqual(parts.of_several(self.parse(managed)), ("trace", "cells", "restart", "views", "managers"))


class Image(Files):
    def setUp(self):
        super().setUp()
        self.toml, self.output = self.folder / cells.FILE, self.folder / "x.img"
        self.toml.write_text('console = "two"\n' + TWO)
        self.kernel = self.folder / "kernel-cells-views.elf"
        self.kernel.write_bytes(make_elf([(CODE, 0x80200000, b"text", 4096)]))
        self.elfs = [self.folder / "one.elf", self.folder / "two.elf"]
        for file, at in zip(self.elfs, (WINDOW, 0x18000000)):
            file.write_bytes(make_elf([(CODE, at, b"code", 4)], entry=at))

    def build(self, kernel=None):
        image.build_several("raw", "riscv64", kernel or self.kernel, self.elfs, self.toml, self.output)

    def test_table(self):
        self.build()
        table = self.output.read_bytes()[4096:]
        flags, count, console = struct.unpack_from("<III", table, 20)
        self.assertEqual((flags, count, console), (0, 2, 1))
        found = [(table[64 + 128 * at:][:3], struct.unpack_from("<I", table, 64 + 128 * at + 64)[0]) for at in (0, 1)]
        self.assertEqual(found, [(b"one", 0), (b"two", 2)])

    def test_channels(self):
        self.toml.write_text(TWO + '[[channel]]\nname = "c"\nfrom = "two"\nto = "one"\nslots = 4\nmessage = 32\n')
        self.build()
        table = self.output.read_bytes()[4096:]
        at, count = struct.unpack_from("<II", table, 32)
        self.assertEqual((at, count), (64 + 2 * 128, 1))
        self.assertEqual(image.CHANNEL.unpack_from(table, at), (b"c".ljust(16, b"\0"), 1, 0, 4, 48))

    def test_shares(self):
        """Once in the image, whoever reads them; a page behind each other, or, where windows are memory, at a multiple of their size."""
        (self.folder / "a").write_bytes(b"a" * 5000)
        (self.folder / "b").write_bytes(b"b" * 9000)
        share = '[[share]]\nname = "{0}"\nfile = "{0}"\ncells = {1}\n'
        for windows, rooms in ((WINDOW, (2, 3)), (0x88000000, (2, 4))):
            sizes = []
            for readers, mask in (('["two"]', 2), ('["one", "two"]', 3)):
                self.toml.write_text(TWO + share.format("a", '["one"]') + share.format("b", readers))
                for file, at in zip(self.elfs, (windows, windows + 0x10000000)):
                    file.write_bytes(make_elf([(CODE, at, b"code", 4)], entry=at))
                image.build_several("raw", "riscv64", self.kernel, self.elfs, self.toml, self.output, windows)
                data = self.output.read_bytes()
                at, count = struct.unpack_from("<II", data, 4096 + 48)
                self.assertEqual((at, count), (64 + 2 * 128, 2))
                found = [image.SHARE.unpack_from(data, 4096 + at + 32 * one) for one in (0, 1)]
                self.assertEqual([(name[:1], size, cells) for name, _, size, cells in found], [(b"a", 5000, 1), (b"b", 9000, mask)])
                for (name, start, size, _), room in zip(found, rooms):
                    seen = data[4096 + start : 4096 + start + room * 4096]
                    self.assertEqual(seen, name[:1] * size + bytes(room * 4096 - size))
                    self.assertEqual((0x80201000 + start) % (4096 if windows == WINDOW else room * 4096), 0)
                self.assertEqual(image.shares(self.output), [("a", 5000, 1), ("b", 9000, mask.bit_count())])
                self.assertEqual(image.table_size(self.output), 64 + 2 * 128 + 2 * 32)
                sizes.append(len(data))
            self.assertEqual(*sizes)
        (self.folder / "b").unlink()
        with self.assertRaisesRegex(image.ImageError, "rumpk.toml: share 'b': .*/b: No such file"):
            self.build()

    def test_what_the_build_is_told(self):
        self.toml.write_text(TWO + '[[share]]\nname = "s"\nfile = "a $#b"\ncells = ["one"]\n')
        place = str(self.folder.resolve())
        for manifest_, wanted in ((self.toml, f" {place}/a\\ $$\\#b\n"), (None, " \n"), (self.folder / "none", " \n")):
            image.write_depfile(self.output, manifest_)
            self.assertEqual(self.output.with_name("x.img.d").read_text(), f"{self.output}:{wanted}")

    def test_managers(self):
        for text, wanted in (("", 0), ('manager = "one"\n', 1), ('manager = "one"\nstart = false\n', 0x81)):
            self.toml.write_text(TWO + text)
            self.build()
            self.assertEqual(struct.unpack_from("<BB", self.output.read_bytes(), 4096 + 64 + 128 + 108), (0, wanted))

    def test_regions_where_windows_are_memory(self):
        """One processor's regions do for four cells that send to one."""
        self.toml.write_text(TWO)
        self.cell("one", '[[device]]\nname = "d"\nvirtio = 4\nmemory = "4K"\n')
        listed = cells.load(self.toml)
        for senders in (3, 4):
            listed = listed._replace(channels=tuple(cells.Channel(f"c{one}", one, 0, 4, 48) for one in range(1, 1 + senders)) * 2)
            with self.assertRaisesRegex(image.ImageError, "rumpk.toml: 5 devices and shares of one and cells that send to it, .* has regions for 4") \
                 if senders > 3 else contextlib.nullcontext():
                image.check_regions(listed, self.toml)
        listed = listed._replace(channels=(), shares=tuple(cells.Share(f"s{one}", self.toml, (0,)) for one in range(3)))
        image.check_regions(listed, self.toml)
        with self.assertRaisesRegex(image.ImageError, "5 devices and shares of one"):
            image.check_regions(listed._replace(shares=(*listed.shares, cells.Share("s", self.toml, (1, 0)))), self.toml)
        with mock.patch.object(image, "check_regions", side_effect=image.ImageError("asked")), \
             self.assertRaisesRegex(image.ImageError, "asked"):
            image.build_several("raw", "riscv64", self.kernel, self.elfs, self.toml, self.output, 0x88000000)

    def test_windows_that_an_image_has(self):
        self.build()
        self.assertEqual(image.windows(self.output), 3)
        flat = machines.load("qemu-riscv64-pmp")
        self.assertEqual(image.memory_for(flat, self.output), 512 << 20)
        self.assertEqual(image.memory_for(machines.load("qemu-riscv64"), self.output), 128 << 20)
        self.elfs[1].write_bytes(b"x" * 5000)
        self.assertEqual((image.windows(self.elfs[1]), image.memory_for(flat, self.elfs[1])), (1, 256 << 20))

    def test_devices(self):
        self.cell("two", '[[device]]\nname = "d"\nvirtio = 4\nmemory = "8K"\n')
        self.build()
        table = self.output.read_bytes()[4096:]
        at, count = struct.unpack_from("<II", table, 40)
        self.assertEqual((at, count), (64 + 2 * 128, 1))
        self.assertEqual(image.DEVICE.unpack_from(table, at), (b"d".ljust(16, b"\0"), bytes(16), 1, 4, 8192))

    def test_a_cell_outside_its_window(self):
        self.elfs[1] = self.elfs[0]
        with self.assertRaisesRegex(image.ImageError, "one.elf cannot be cell two in window C: its segment 0x8000000.* is "
                                                      "outside the window's 0x18000000"):
            self.build()

    def test_another_kernel(self):
        other = self.folder / "kernel-cells.elf"
        other.write_bytes(self.kernel.read_bytes())
        with self.assertRaisesRegex(image.ImageError, "rumpk.toml: this machine has no kernel for several cells"):
            self.build(other)
        alike = self.folder / "kernel-views.elf"  # where nothing is kept apart
        alike.write_bytes(self.kernel.read_bytes())
        self.build(alike)
        self.cell("two", '[[device]]\nname = "d"\nvirtio = 4\n')
        with self.assertRaisesRegex(image.ImageError, "rumpk.toml: two drives a device, and this machine has no kernel that keeps cells apart: "):
            self.build(alike)

    def test_a_manifest_that_is_none(self):
        self.toml.write_text("colour = 1")
        with self.assertRaisesRegex(image.ImageError, "rumpk.toml: unknown key 'colour'"):
            self.build()


class Found(Files):
    def test_by_the_command(self):
        (self.folder / cells.FILE).write_text(TWO)
        for name in ("one", "two"):
            with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit):
                build.find(str(self.folder))
            self.assertIn(f"{name} is no application: it has no *.c or *.cpp", said.getvalue())
            (self.folder / name / "main.c").touch()
        self.assertEqual(build.find(str(self.folder)), build.Application(self.folder.name, self.folder.resolve(), True))
        (self.folder / cells.FILE).write_text("colour = 1")
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit):
            build.find(str(self.folder))
        self.assertIn("rumpk.toml: unknown key 'colour'", said.getvalue())

    def test_symbols_of_each_window(self):
        first, link = self.folder / "pair.A.elf", self.folder / "pair.elf"
        first.touch()
        link.symlink_to(first)
        symbols = backtrace.Symbols(None, link)
        self.assertEqual([symbols.of_window(at).name for at in (WINDOW, 0x0FFFFFFF, 0x10000000, 0x3FFFFFFF)],
                         ["pair.A.elf", "pair.A.elf", "pair.B.elf", "pair.G.elf"])
        self.assertEqual(backtrace.Symbols(None, self.folder / "hello.elf").of_window(0x10000000).name, "hello.elf")
        self.assertIsNone(backtrace.Symbols(None, None).of_window(WINDOW))

    def test_machines_that_have_kernels_for_several(self):
        self.assertEqual([name for name in machines.names() if machines.load(name).views], ["host", "qemu-aarch64", "qemu-riscv64", "qemu-riscv64-pmp"])


if __name__ == "__main__":
    unittest.main()
