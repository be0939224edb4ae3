# SPDX-License-Identifier: Apache-2.0
"""The packer: what it makes, and each thing it refuses."""

import os
import re
import struct
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.cli import elf, image, machines, manifest, parts  # noqa: E402

WINDOW = image.WINDOW_A
CODE, RODATA, DATA = elf.PF_R | elf.PF_X, elf.PF_R, elf.PF_R | elf.PF_W


def make_elf(segments=((CODE, WINDOW, b"code", 4),), machine=243, kind=elf.ET_EXEC, entry=WINDOW, extra=()):
    """A small ELF64: segments are (flags, address, bytes, memory size); extra are (type, flags)."""
    count = len(segments) + len(extra)
    at = 64 + 56 * count
    headers, body = b"", b""
    for flags, address, content, memory in segments:
        headers += struct.pack("<IIQQQQQQ", elf.PT_LOAD, flags, at + len(body), address, address, len(content),
                               memory, 4096)
        body += content
    for what, flags in extra:
        headers += struct.pack("<IIQQQQQQ", what, flags, 0, 0, 0, 0, 8, 8)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", kind, machine, 1, entry, 64, 0, 0, 64, 56, count,
                         64, 0, 0)
    return header + headers + body


def cell(**keys):
    lines = [f"{key} = {value!r}".replace("'", '"') for key, value in keys.items()]
    return manifest.parse("\n".join(lines), "sample")


class Manifest(unittest.TestCase):
    def refused(self, text, pattern):
        with self.assertRaisesRegex(manifest.ManifestError, pattern):
            manifest.parse(text, "sample")

    def test_defaults(self):
        self.assertEqual(cell(), manifest.Cell("sample", 8 << 20, 1 << 20, 2, 0, 64, 64 << 10, 4096, 8 << 10))

    def test_all_keys(self):
        self.assertEqual(
            manifest.parse('name="a-1"\nmemory="64M"\nmap=0\ntier="void"\nceiling="matter"\nfibers=1\nstack=4096\n'
                           'fiber_stack="1K"\nfiber_rings="0"\ncores=64\ntrace=true', "sample"),
            manifest.Cell("a-1", 64 << 20, 0, 3, 1, 1, 4096, 1024, 0, 64, True))

    def test_unknown_key(self):
        self.refused('memroy = "8M"', "unknown key 'memroy'; there are: name, memory")

    def test_syntax(self):
        self.refused("memory = =", "line 1")

    def test_sizes(self):
        self.refused('memory = "8X"', "memory: '8X' is no size")
        self.refused('memory = ""', "is no size")
        self.refused('memory = "-4K"', "is no size")
        self.refused("memory = true", "memory is a size")
        self.refused("memory = 1.5", "memory is a size")
        self.refused("memory = 5000", "not a multiple of 4096")
        self.refused("memory = 0", "outside 4K to 64M")
        self.refused('memory = "65M"', "outside 4K to 64M")
        self.refused('map = "33M"', "outside 0 to 32M")
        self.refused("stack = 0", "stack = 0 is outside")

    def test_numbers(self):
        for value in ("0", "16385", '"64"', "true", "1.0"):
            self.refused(f"fibers = {value}", "outside 1 to 16384")
        for value in ("0", "65", '"2"', "true", "1.0"):
            self.refused(f"cores = {value}", "cores = .* is outside 1 to 64")
        for value in ("0", '"yes"', "[]"):
            self.refused(f"trace = {value}", "trace = .* is neither true nor false")
            self.refused(f"isolation = {value}", "isolation = .* is neither \"fused\" nor \"cells\"")
        for value in ("0", "512", '"3K"', '"8K"', "true", "1.5", "[]"):
            self.refused(f"fiber_stack = {value}", 'none of "1K", "2K", "4K"')
        self.refused('fibers = 16384\nfiber_stack = "1K"\nfiber_rings = 0', "a window has 16M")
        self.refused('fibers = 4096\nfiber_rings = "8K"', "fibers x fiber_rings is more than a window's 15M")

    def test_tiers(self):
        self.refused('tier = "fast"', "no tier; there are: photon, matter, gravity, void")
        self.refused("tier = 2", "no tier")
        self.refused('tier = "matter"\nceiling = "void"', "ceiling = 'void' is below tier = 'matter'")

    def test_names(self):
        for value in ('""', '"a b"', '"' + "x" * 32 + '"', "7", '"ä"'):
            self.refused(f"name = {value}", "is not 1 to 31 letters")

    def test_budgets(self):
        parsed = manifest.parse('first_budget = "b-2"\nfibers = 5\n[[budget]]\nname = "a"\nrun = "999ms"\nwindow = "1s"\n'
                                '[[budget]]\nname = "b-2"\nrun = "1us"\nwindow = "3600s"\nfibers = 4', "sample")
        self.assertEqual(parsed.budgets, (manifest.Budget("a", 999_000, 1_000_000, 1),
                                          manifest.Budget("b-2", 1, 3_600_000_000, 4)))
        self.assertEqual(parsed.first_budget, 2)
        self.assertEqual(manifest.parse('first_budget = ""', "sample").first_budget, 0)

    def budget_refused(self, pattern, before="", **changed):
        keys = {"name": '"v"', "run": '"2ms"', "window": '"10ms"'} | changed
        self.refused(before + "[[budget]]\n" + "\n".join(f"{key} = {keys[key]}" for key in keys if keys[key]), pattern)

    def test_budgets_that_are_none(self):
        self.refused('budget = "2ms"', r"a table of its own for each: \[\[budget\]\]")
        self.refused("budget = [1]", r"\[\[budget\]\]")
        self.refused("[budget]", r"\[\[budget\]\]")
        self.budget_refused("budget 1: unknown key 'runs'; there are: name, run, window, fibers", runs="1")
        for key in ("name", "run", "window"):
            self.budget_refused(f"budget 1 has no {key}", **{key: None})
        for value in ('""', '"a b"', '"' + "x" * 16 + '"', "7", '"ä"'):
            self.budget_refused("name = .* is not 1 to 15 letters", name=value)
        for value in ("2", "2.5", '"2"', '"2m"', '"2ns"', '"-2ms"', '"2 ms"', '"1.5ms"', '""', "true", '"1' + "0" * 15 + 's"'):
            self.budget_refused("budget 'v': run = .* is no time, like \"500us\"", run=value)
        self.budget_refused("window = .* is no time", window='"soon"')
        self.budget_refused('run = "0s" is nothing to run in', run='"0s"')
        self.budget_refused('window = "3601s" is more than an hour', window='"3601s"')
        self.budget_refused('run = "10ms" is not less than window = "10ms"', run='"10ms"')
        self.budget_refused('run = "1s" is not less than window = "10ms"', run='"1s"')
        for value in ("0", "16385", '"1"', "true", "1.0"):
            self.budget_refused("budget 'v': fibers = .* is outside 1 to 16384", fibers=value)

    def test_budgets_together(self):
        one = '[[budget]]\nname = "{}"\nrun = "1ms"\nwindow = "2ms"\n'
        self.budget_refused("two budgets are called 'v'", before=one.format("v"))
        self.refused("".join(one.format(f"b{i}") for i in range(17)), "17 budgets, and a cell has 16 at most")
        manifest.parse("".join(one.format(f"b{i}") for i in range(16)), "sample")
        self.refused("fibers = 2\n" + "".join(one.format(f"b{i}") for i in range(3)),
                     "the budgets are for 3 fibers, and fibers = 2")
        self.refused('first_budget = "w"\n' + one.format("v"), "first_budget = 'w' is no budget; there are: v")
        self.refused('first_budget = "w"', "is no budget; there are: none")
        self.refused("first_budget = 1\n" + one.format("v"), "first_budget = 1 is no budget")

    def test_supervisor(self):
        its = manifest.parse("", "sample").supervisor
        self.assertEqual(its, manifest.Supervisor())
        self.assertEqual(manifest.parse('supervisor.policy = "never"', "sample").supervisor, its)
        self.assertEqual(manifest.parse('[supervisor]\npolicy = "on-fault"', "sample").supervisor,
                         manifest.Supervisor("on-fault", 3, 60_000_000, 10_000, 1_000_000))
        self.assertEqual(manifest.parse('[supervisor]\npolicy = "always"\nlimit = 1000\nwindow = "3600s"\nbackoff = "0s"\n'
                                        'backoff_limit = "0ms"\nheartbeat = "1ms"', "sample").supervisor,
                         manifest.Supervisor("always", 1000, 3_600_000_000, 0, 0, 1000))

    def supervisor_refused(self, pattern, before="", **changed):
        keys = {"policy": '"on-fault"'} | changed
        self.refused(before + "[supervisor]\n" + "\n".join(f"{key} = {keys[key]}" for key in keys), pattern)

    def test_supervisors_that_are_none(self):
        self.refused('supervisor = "always"', r"a table of its own: \[supervisor\]")
        self.supervisor_refused("unknown key 'limits'; there are: policy, limit, window, backoff, backoff_limit, heartbeat", limits="1")
        for value in ('"sometimes"', "1", "true", '""'):
            self.supervisor_refused("policy = .* is none of never, on-fault, always", policy=value)
        self.supervisor_refused('policy = "never", and limit says how to restart', policy='"never"', limit="1")
        for value in ("0", "1001", '"1"', "true", "-1"):
            self.supervisor_refused("limit = .* is outside 1 to 1000", limit=value)
        for key in ("window", "backoff", "backoff_limit"):
            self.supervisor_refused(f"supervisor: {key} = 10 is no time", **{key: "10"})
        self.supervisor_refused('window = "0s" is no time to count restarts in', window='"0s"')
        self.supervisor_refused('window = "3601s" is more than an hour', window='"3601s"')
        self.supervisor_refused('backoff_limit = "3601s" is more than an hour', backoff_limit='"3601s"')
        self.supervisor_refused('backoff = "2s" is more than backoff_limit = "1s"', backoff='"2s"')
        self.supervisor_refused('heartbeat = "999us" is less than "1ms"', heartbeat='"999us"')
        self.supervisor_refused('heartbeat = "3601s" is more than an hour', heartbeat='"3601s"')
        self.supervisor_refused("heartbeat of a cell with cores = 2; one with a single core can have it", before="cores = 2\n", heartbeat='"1s"')

    def test_stacks_fit(self):
        self.refused('stack = "16M"', "outside")
        self.refused('fibers = 2048\nfiber_rings = 0\nstack = "64K"', "stacks")


class Cell(unittest.TestCase):
    def refused(self, data, pattern, arch="riscv64", **keys):
        with self.assertRaisesRegex(elf.ElfError, pattern):
            image.check_cell(data, arch, cell(**keys))

    def test_taken(self):
        image.check_cell(make_elf(), "riscv64", cell())
        image.check_cell(make_elf(machine=62), "x86_64", cell())
        image.check_cell(make_elf([(CODE, WINDOW, b"c", 1), (RODATA, WINDOW + 4096, b"r", 1),
                                   (DATA, WINDOW + 8192, b"d", 4096)]), "riscv64", cell(memory="12K"))

    def test_no_elf(self):
        self.refused(b"", "no ELF file")
        self.refused(b"#!/bin/sh\n" * 20, "no ELF file")

    def test_class(self):
        data = bytearray(make_elf())
        data[4] = 1
        self.refused(bytes(data), "not a 64-bit little-endian")

    def test_wrong_machine(self):
        self.refused(make_elf(machine=62), "for x86_64, not for riscv64")
        self.refused(make_elf(machine=8), "for machine 8, not for riscv64")

    def test_truncated(self):
        data = make_elf([(CODE, WINDOW, b"x" * 100, 100)])
        self.refused(data[:70], "truncated: its program headers")
        self.refused(data[:-1], "truncated: the segment at 0x8000000")

    def test_not_static(self):
        self.refused(make_elf(kind=elf.ET_DYN), "not linked to a fixed address")
        self.refused(make_elf(extra=[(elf.PT_DYNAMIC, 6)]), "dynamically linked")
        self.refused(make_elf(extra=[(elf.PT_INTERP, 4)]), "dynamically linked")

    def test_thread_local(self):
        self.refused(make_elf(extra=[(elf.PT_TLS, 4)]), "thread-local storage")

    def test_executable_stack(self):
        self.refused(make_elf(extra=[(elf.PT_GNU_STACK, 7)]), "executable stack")
        image.check_cell(make_elf(extra=[(elf.PT_GNU_STACK, 6)]), "riscv64", cell())

    def test_outside_window(self):
        self.refused(make_elf([(CODE, WINDOW - 4096, b"c", 1)]), "outside the window's 0x8000000..0xc000000")
        self.refused(make_elf([(CODE, 0x10000, b"c", 1)], entry=0x10000), "linked with membrane/cell.ld")
        self.refused(make_elf([(CODE, WINDOW, b"c", (64 << 20) + 1)]), "outside the window")

    def test_another_window(self):
        """Of a machine that translates no addresses."""
        there = 0x88000000
        image.check_cell(make_elf([(CODE, there, b"c", 1)], entry=there), "riscv64", cell(), there)
        with self.assertRaisesRegex(elf.ElfError, "outside the window's 0x88000000..0x8c000000"):
            image.check_cell(make_elf(), "riscv64", cell(), there)

    def test_memory_too_small(self):
        self.refused(make_elf([(CODE, WINDOW, b"c", 20000)]), 'does not fit in memory = "16K".*needs "20K"',
                     memory="16K")

    def test_writable_and_executable(self):
        self.refused(make_elf([(7, WINDOW, b"c", 1)]), "both writable and executable")

    def test_unreadable(self):
        self.refused(make_elf([(elf.PF_X, WINDOW, b"c", 1)]), "not readable")

    def test_shared_page(self):
        self.refused(make_elf([(CODE, WINDOW, b"c", 4095), (DATA, WINDOW + 4095, b"d", 1)]), "shares a page")
        self.refused(make_elf([(CODE, WINDOW, b"c", 8192), (DATA, WINDOW + 4096, b"d", 1)]), "shares a page")

    def test_file_larger_than_memory(self):
        self.refused(make_elf([(CODE, WINDOW, b"code", 2)]), "larger in the file than in memory")

    def test_segment_count(self):
        self.refused(make_elf([(CODE, WINDOW + i * 4096, b"c", 1) for i in range(9)]), "9 segments")

    def test_empty(self):
        self.refused(make_elf([]), "nothing to load")

    def test_entry(self):
        self.refused(make_elf(entry=WINDOW + 4), "entry 0x8000004 is in no executable segment")
        self.refused(make_elf([(CODE, WINDOW, b"c", 1), (DATA, WINDOW + 4096, b"d", 1)], entry=WINDOW + 4096),
                     "in no executable segment")


class Sections(unittest.TestCase):
    NAMES = b"\0.text\0"

    def with_sections(self, table=None, names=1):
        """An ELF file with the sections null, names and .text."""
        data = bytearray(make_elf())
        strings = len(data)
        data += self.NAMES
        at = len(data)
        for name, kind, flags, address, offset, size in (
                (0, 0, 0, 0, 0, 0), (0, 3, 0, 0, strings, len(self.NAMES)), (1, 1, 6, WINDOW, 120, 4)):
            data += struct.pack("<IIQQQQIIQQ", name, kind, flags, address, offset, size, 0, 0, 1, 0)
        struct.pack_into("<Q", data, 40, at if table is None else table)
        struct.pack_into("<HHH", data, 58, 64, 3, names)
        return elf.Elf(bytes(data))

    def test_read(self):
        self.assertEqual(self.with_sections().sections()[2], elf.Section(".text", 1, 6, WINDOW, 120, 4))

    def test_stripped_or_outside_the_file(self):
        self.assertEqual(elf.Elf(make_elf()).sections(), [])
        self.assertEqual(self.with_sections(table=1 << 40).sections(), [])
        self.assertEqual(self.with_sections(names=3).sections(), [])


class Pack(unittest.TestCase):
    def test_nothing_to_flatten(self):
        with self.assertRaisesRegex(elf.ElfError, "nothing to load"):
            elf.flatten(elf.Elf(make_elf([])))

    def test_strip_keeps_the_program(self):
        segments = [(CODE, WINDOW, b"code" * 9, 36), (DATA, WINDOW + 4096, b"data!", 9000)]
        before = elf.Elf(make_elf(segments, extra=[(elf.PT_GNU_STACK, 6)]))
        after = elf.Elf(elf.strip(before))
        self.assertEqual([(s.flags, s.address, s.memory_size, after.content(s)) for s in after.loads],
                         [(s.flags, s.address, s.memory_size, before.content(s)) for s in before.loads])
        self.assertEqual((after.entry, after.machine, after.type), (before.entry, before.machine, before.type))
        for segment in after.loads:
            self.assertEqual(segment.offset % 16, segment.address % 16)
        image.check_cell(after.data, "riscv64", cell())

    def test_flatten_has_zeroed_data(self):
        kernel = elf.Elf(make_elf([(CODE, 0x80200000, b"text", 4), (DATA, 0x80201000, b"data", 5000)]))
        memory = elf.flatten(kernel)
        self.assertEqual(len(memory), 3 * 4096)
        self.assertEqual(memory[:4] + memory[4096:4100], b"textdata")
        self.assertEqual(memory[4100:], bytes(len(memory) - 4100))

    def table(self, data):
        magic, version, size, checksum, flags, cells, *_ = image.TABLE.unpack_from(data)
        self.assertEqual((magic, version, flags, cells), (0x474D4952, 1, 1, 1))
        self.assertEqual(size % 4096, 0)
        self.assertEqual(checksum, zlib.crc32(data[64:size]))
        return size

    def test_raw(self):
        kernel = make_elf([(CODE, 0x80200000, b"text", 4)])
        program = image.Program(cell(name="a", fibers=7), b"ELF" * 100)
        data = image.pack("raw", kernel, [program])
        table = data[4096:]
        self.assertEqual(self.table(table), len(table))
        fields = image.ENTRY.unpack_from(table, 64)
        self.assertEqual(fields, (b"a".ljust(32, b"\0"), 4096, 300, 8 << 20, 1 << 20, 0, 2, 0, 1, 7,
                                  64 << 10, 8 << 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
        self.assertEqual(table[4096:4396], b"ELF" * 100)

    def test_budgets(self):
        budgets = (manifest.Budget("a", 1000, 2000, 3), manifest.Budget("b", 5, 6, 7))
        plain = image.Program(cell(), b"one")
        program = image.Program(cell()._replace(budgets=budgets, first_budget=2), b"two")
        table = image.boot_table([plain, program])
        self.assertEqual(image.ENTRY.unpack_from(table, 64)[13:16], (0, 0, 0))
        self.assertEqual(image.ENTRY.unpack_from(table, 64 + 128)[13:16], (64 + 2 * 128, 2, 2))
        self.assertEqual(image.BUDGET.unpack_from(table, 320), (32, 3, 1000, 2000, b"a".ljust(16, b"\0")))
        self.assertEqual(image.BUDGET.unpack_from(table, 352), (32, 7, 5, 6, b"b".ljust(16, b"\0")))
        offsets = [image.ENTRY.unpack_from(table, 64 + 128 * i)[1] for i in range(2)]
        self.assertEqual([table[at:at + 3] for at in offsets], [b"one", b"two"])

    def test_supervisor(self):
        its = manifest.Supervisor("always", 3, 4, 5, 6, 7)
        table = image.boot_table([image.Program(cell()._replace(supervisor=its), b"one")])
        self.assertEqual(struct.unpack_from("<HHIIII", table, 64 + 108), (2, 3, 4, 5, 6, 7))

    def test_process(self):
        data = image.pack("process", b"executable", [image.Program(cell(), b"ELF")])
        offset, magic, zero = image.TRAILER.unpack(data[-16:])
        self.assertEqual((offset, magic, zero), (4096, 0x474D4952, 0))
        self.assertEqual(data[:10], b"executable")
        self.assertEqual(self.table(data[offset:]), len(data) - 16 - offset)

    def test_which_machine_it_is_for(self):
        kernel = make_elf([(CODE, 0x80200000, b"text", 4)])
        for kind, number, window, name in (
            ("raw", 243, WINDOW, "qemu-riscv64"), ("raw", 243, 0x88000000, "qemu-riscv64-pmp"),
            ("raw", 183, WINDOW, "qemu-aarch64"), ("process", 62, WINDOW, "host"),
        ):
            program = make_elf([(CODE, window, b"code", 4)], machine=number, entry=window)
            data = image.pack(kind, kernel, [image.Program(cell(), program)])
            self.assertEqual([one.name for one in image.made_for(data)], [name])
            for cut in (0, 10, 4096, 4200, 8200):  # within the kernel, the table, the program
                self.assertEqual(image.made_for(data[:cut]), [], (name, cut))

    def test_build_replaces_whole_or_not_at_all(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "kernel.elf").write_bytes(make_elf([(CODE, 0x80200000, b"text", 4)]))
            (folder / "app.elf").write_bytes(make_elf())
            (folder / "cell.toml").write_text("")
            paths = [folder / "kernel.elf", folder / "app.elf", folder / "cell.toml", folder / "app.img"]
            image.build("raw", "riscv64", *paths)
            first = paths[3].read_bytes()
            (folder / "cell.toml").write_text("nonsense = 1")
            with self.assertRaisesRegex(image.ImageError, "cell.toml: unknown key 'nonsense'"):
                image.build("raw", "riscv64", *paths)
            (folder / "cell.toml").write_text("")
            (folder / "app.elf").write_bytes(b"no")
            with self.assertRaisesRegex(image.ImageError, "app.elf cannot be a cell: it is no ELF file"):
                image.build("raw", "riscv64", *paths)
            self.assertEqual(paths[3].read_bytes(), first)
            (folder / "app.elf").write_bytes(make_elf())
            (folder / "kernel.elf").write_bytes(b"no")
            with self.assertRaisesRegex(image.ImageError, "kernel.elf cannot be a kernel"):
                image.build("raw", "riscv64", *paths)


    def test_how_many_cores_an_image_runs_on(self):
        programs = [image.Program(cell()._replace(cores=cores), b"ELF") for cores in (1, 3, 2)]
        kernel = make_elf([(CODE, 0x80200000, b"text", 3 * 4096)])
        with tempfile.TemporaryDirectory() as name:
            file = Path(name, "a.img")
            for kind in ("raw", "process"):
                for given, most in ((programs, 3), (programs[:1], 1)):
                    file.write_bytes(image.pack(kind, kernel, given))
                    self.assertEqual(image.cores(file), most)
            packed = file.read_bytes()
            for data in (b"", b"x" * 9000, packed[:-4096], packed[:-16] + image.TRAILER.pack(1 << 60, image.MAGIC, 0), b"\x7fELF"):
                file.write_bytes(data)
                self.assertIsNone(image.cores(file))


class Parts(unittest.TestCase):
    def test_names_of_kernels(self):
        for count in range(1 << len(parts.PARTS)):
            chosen = tuple(part for bit, part in enumerate(parts.PARTS) if count >> bit & 1)
            self.assertEqual(parts.of_kernel(Path("x", parts.kernel(chosen) + ".elf")), chosen)
        self.assertEqual(parts.kernel(()), "kernel-plain")
        self.assertEqual(parts.kernel({"trace", "cores"}), "kernel-cores-trace")
        self.assertEqual(parts.kernel(parts.ALL), "kernel")
        self.assertEqual(parts.kernel(parts.PARTS), "kernel-cores-budgets-trace-cells-restart-views-shares-managers")

    def test_a_kernel_with_cells_gets_a_celled_image(self):
        with tempfile.TemporaryDirectory() as name:
            program, toml, output = Path(name, "a.elf"), Path(name, "cell.toml"), Path(name, "a.img")
            program.write_bytes(make_elf())
            for text, kernel, flags in (("", "kernel-plain", image.FUSED), ("", "kernel-cells", 0),
                                        ('isolation = "cells"', "kernel-cores-cells", 0)):
                toml.write_text(text)
                file = Path(name, kernel + ".elf")
                file.write_bytes(make_elf([(CODE, 0x80200000, b"text", 4096)]))
                image.build("raw", "riscv64", file, program, toml, output)
                self.assertEqual(struct.unpack_from("<I", output.read_bytes(), 4096 + 20)[0], flags, kernel)
            with self.assertRaisesRegex(image.ImageError, 'isolation = "cells", and this machine has no kernel that') as refused:
                image.build("raw", "riscv64", Path(name, "kernel-plain.elf"), program, toml, output)
            said = re.split("[ ,]+", str(refused.exception))
            self.assertEqual([one for one in machines.names() if one in said],
                             [one for one in machines.names() if machines.load(one).cells])

    def test_only_a_kernel_that_restarts_takes_who_wants_it(self):
        with tempfile.TemporaryDirectory() as name:
            program, toml, output = Path(name, "a.elf"), Path(name, "cell.toml"), Path(name, "a.img")
            program.write_bytes(make_elf())
            toml.write_text('supervisor.policy = "on-fault"')
            for kernel in ("kernel-plain", "kernel", "kernel-restart", "kernel-cells-restart"):
                file = Path(name, kernel + ".elf")
                file.write_bytes(make_elf([(CODE, 0x80200000, b"text", 4096)]))
                if kernel.endswith("restart"):
                    image.build("raw", "riscv64", file, program, toml, output)
                    continue
                with self.assertRaisesRegex(image.ImageError, "supervisor wants a kernel that restarts cells"):
                    image.build("raw", "riscv64", file, program, toml, output)

    def test_links_lead_from_an_image_to_its_symbols(self):
        with tempfile.TemporaryDirectory() as name:
            one, two = Path(name, "a.elf"), Path(name, "images", "b.kernel.elf")
            two.parent.mkdir()
            for _ in range(2):
                image.link(two, one)
                self.assertEqual(os.readlink(two), "../a.elf")
            one.touch()
            image.link(one, one)
            self.assertFalse(one.is_symlink())


class Contract(unittest.TestCase):
    """The numbers here are those of abi/."""

    def defines(self, header):
        text = (ROOT / "abi" / header).read_text()
        found = re.findall(r"#define (RUMPK_\w+) \(?(0[xX][0-9a-fA-F]+|\d+)(?:u|ull)?\b", text)
        return {name: int(value, 0) for name, value in found}

    def test_image(self):
        known = self.defines("image.h")
        self.assertEqual(known["RUMPK_BOOT_TABLE_MAGIC"], image.MAGIC)
        self.assertEqual(known["RUMPK_BOOT_TABLE_VERSION"], image.VERSION)
        for name in ("WINDOW_MAP", "WINDOW_STACKS", "WINDOW_RINGS", "WINDOW_BOOT_RINGS"):
            self.assertEqual(known[f"RUMPK_{name}"], getattr(manifest, name), name)
        self.assertEqual(known["RUMPK_BUDGETS_MAX"], manifest.MAX_BUDGETS)
        self.assertEqual(known["RUMPK_RESTARTS_MAX"], manifest.MAX_RESTARTS)
        for number, name in enumerate(manifest.POLICIES):
            self.assertIn(f"RUMPK_RESTART_{name.upper().replace('-', '_')} = {number}", (ROOT / "abi" / "image.h").read_text())
        self.assertEqual(self.defines("systable.h")["RUMPK_WINDOW_A"], image.WINDOW_A)

    def test_parts(self):
        for part in parts.PARTS:
            self.assertIn(f"extern const bool {part};", (ROOT / "core" / "parts.h").read_text())
        options = (ROOT / "cmake" / "RumpkOptions.cmake").read_text()
        self.assertIn(f"set(RUMPK_PARTS {' '.join(parts.PARTS)})", options)
        self.assertIn(f"set(RUMPK_ALL_PARTS {' '.join(parts.ALL)})", options)
        self.assertIn("max_cores = 64;", (ROOT / "core" / "boot_table.cpp").read_text())

    def test_sizes(self):
        text = (ROOT / "abi" / "image.h").read_text()
        self.assertIn(f"sizeof(struct rumpk_boot_table) == {image.TABLE.size})", text)
        self.assertIn(f"sizeof(struct rumpk_boot_cell) == {image.ENTRY.size})", text)
        self.assertIn(f"sizeof(struct rumpk_meta_budget) == {image.BUDGET.size})", (ROOT / "abi" / "call.h").read_text())

    def test_tiers(self):
        text = (ROOT / "abi" / "call.h").read_text()
        for number, name in enumerate(manifest.TIERS):
            self.assertRegex(text, rf"RUMPK_TIER_{name.upper()} = {number}\b")


if __name__ == "__main__":
    unittest.main()
