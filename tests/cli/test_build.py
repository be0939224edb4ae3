# SPDX-License-Identifier: Apache-2.0
"""Build, new and inspect: what they find, what they refuse, and when nothing is to do."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from argparse import Namespace
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.cli import build, common, inspect, machines, manifest, new, parts  # noqa: E402


class Command(unittest.TestCase):
    """A temporary folder, and what was said on stderr."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())).resolve()
        self.said = io.StringIO()
        self.enterContext(contextlib.redirect_stderr(self.said))
        self.enterContext(contextlib.redirect_stdout(io.StringIO()))

    def refused(self, pattern, function, *arguments):
        with self.assertRaises(SystemExit) as ended:
            function(*arguments)
        self.assertEqual(ended.exception.code, 127)
        self.assertRegex(self.said.getvalue(), pattern)


class Names(Command):
    def test_tree(self):
        self.assertEqual(build.find("hello"), build.Application("hello", ROOT / "apps/hello", False))
        self.assertEqual(build.find(str(ROOT / "apps/hello")), build.find("hello"))

    def test_unknown(self):
        self.refused("no application 'nope'; there are: count, hello, threads, those of tests/apps, or any folder", build.find, "nope")
        self.refused("no application 'helo', but 'hello'; there are: ", build.find, "helo")
        self.refused("no application 'yield-oder', but 'yield-order'; ", build.find, "yield-oder")
        self.refused("no machine 'vax'; there are: host, qemu-aarch64, qemu-riscv64", machines.load, "vax")
        self.refused("no machine '../host'", machines.load, "../host")

    def test_folders_that_are_no_application(self):
        self.refused("has no cell.toml", build.find, str(self.folder))
        (self.folder / "cell.toml").touch()
        self.refused(r"has no \*.c or \*.cpp", build.find, str(self.folder))

    def test_folder_names(self):
        odd = self.folder / "a b"
        odd.mkdir()
        (odd / "cell.toml").touch()
        (odd / "main.c").touch()
        self.refused("folder is named with letters", build.find, str(odd))

    def test_same_names_do_not_collide(self):
        one, two = (build.Application("x", Path(name), True).output("host") for name in ("/a/x", "/b/x"))
        self.assertNotEqual(one, two)


class Machines(unittest.TestCase):
    def test_each_has_its_facts(self):
        for name in machines.names():
            machine = machines.load(name)
            self.assertEqual(machine.name, name)
            self.assertIn(machine.kind, ("qemu", "process"))
            self.assertLessEqual(machine.memory_minimum, machine.memory_default)
            self.assertGreaterEqual(machine.max_cores, 1)
            self.assertTrue((ROOT / "hal/arch" / machine.arch).is_dir())

    def test_command(self):
        line = machines.load("qemu-riscv64").command(Path("x.img"), 64 << 20, 2)
        self.assertEqual(line[0], "qemu-system-riscv64")
        self.assertIn("x.img", line)
        self.assertIn("64M", line)
        self.assertNotIn("{", "".join(line))
        self.assertEqual(machines.load("host").command(Path("x.img")), ["x.img"])


class New(Command):
    def make(self, name):
        return new.main(Namespace(folder=str(self.folder / name)))

    def test_writes_an_application(self):
        self.assertEqual(self.make("sample"), 0)
        app = build.find(str(self.folder / "sample"))
        self.assertTrue(app.outside)
        self.assertEqual(manifest.load(app.folder / "cell.toml"), manifest.parse("", "sample"))
        page = re.search('^# (/.*), "(.*)"$', (app.folder / "cell.toml").read_text(), re.MULTILINE)
        self.assertIn(f"## {page[2]}\n", Path(page[1]).read_text())

    def test_overwrites_nothing(self):
        self.make("sample")
        (self.folder / "sample/main.cpp").write_text("mine")
        self.refused("already has main.cpp, cell.toml, README.md; nothing was written", self.make, "sample")
        self.assertEqual((self.folder / "sample/main.cpp").read_text(), "mine")

    def test_the_printed_line_works(self):
        """From the root, from a folder below it, and from outside; in a folder whose name needs quotes."""
        for number, place in enumerate((ROOT, ROOT / "docs", self.folder)):
            wanted = self.folder / "a folder" / f"sample{number}"
            done = subprocess.run(
                [sys.executable, str(ROOT / "rumpk"), "new", str(wanted)], cwd=place, capture_output=True, text=True, check=True
            )
            line = done.stdout.splitlines()[-1].removeprefix("now: ")
            again = subprocess.run(
                ["/bin/sh", "-c", f"{line} --machine pdp11; {line}/nowhere"], cwd=place, capture_output=True, text=True, check=False
            )
            self.assertEqual(again.returncode, 127, again)
            self.assertIn("no machine 'pdp11'", again.stderr)
            self.assertIn(f"no application '{wanted}/nowhere'", again.stderr)

    def test_bad_places(self):
        self.refused("cannot name an application", self.make, "a b")
        (self.folder / "file").touch()
        self.refused("File exists|Not a directory", self.make, "file")
        self.refused("Not a directory", self.make, "file/sub")


class Ninja(Command):
    """What of ninja's output is shown."""

    def setUp(self):
        super().setUp()
        self.enterContext(mock.patch.object(common, "BUILD", self.folder))

    def run_ninja(self, command, verbose=False):
        (self.folder / "p").mkdir(exist_ok=True)
        (self.folder / "p/build.ninja").write_text(f"rule r\n  command = {command}\nbuild out: r\n")
        build.ninja("p", ["out"], "the thing", verbose)

    def test_quiet_when_well(self):
        self.run_ninja("touch out")
        self.run_ninja("touch out")
        self.assertEqual(self.said.getvalue(), "")

    def test_warnings_are_shown(self):
        self.run_ninja("echo a.c:1: warning: unused; touch out")
        self.assertEqual(self.said.getvalue(), "a.c:1: warning: unused\n")

    def test_failure_shows_the_compilers_words_alone(self):
        self.refused("did not build", self.run_ninja, "echo a.c:1: error: no; false")
        self.assertEqual(self.said.getvalue(), "a.c:1: error: no\nrumpk: the thing did not build\n")

    def test_a_failure_without_words(self):
        self.refused("FAILED: out.*\n.*kill.*\n(.*\n)*rumpk: the thing did not build .ninja ended with 1", self.run_ninja,
                     "kill -9 $$$$")

    def test_verbose_shows_commands(self):
        self.run_ninja("touch out", verbose=True)
        self.assertIn("touch out", self.said.getvalue())

    def test_unknown_target(self):
        (self.folder / "p").mkdir()
        (self.folder / "p/build.ninja").write_text("")
        self.refused("ninja: error: unknown target 'out'", build.ninja, "p", ["out"], "the thing", False)

    def test_one_at_a_time(self):
        order = []

        def other():
            with common.locked(self.folder, "build of p"):
                order.append("other")

        with common.locked(self.folder, "build of p"):
            thread = threading.Thread(target=other)
            thread.start()
            while "waiting for another build of p" not in self.said.getvalue():
                time.sleep(0.01)
            order.append("first")
        thread.join()
        self.assertEqual(order, ["first", "other"])


class UpToDate(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "src/sub").mkdir(parents=True)
        (self.folder / "src/sub/a.h").write_text("a")
        (self.folder / "image").write_text("i")
        self.enterContext(mock.patch.object(common, "ROOT", self.folder))
        self.enterContext(mock.patch.object(build, "SOURCES", ("src",)))
        self.app = build.Application("app", self.folder / "app", True)
        self.app.folder.mkdir()

    def digest(self):
        return build.inputs_of(self.app, self.folder / "image")

    def changes(self, action):
        before = self.digest()
        action()
        return self.digest() != before

    def test_nothing(self):
        self.assertFalse(self.changes(lambda: None))
        self.assertFalse(self.changes((self.folder / "src/.swp").touch))

    def test_everything_that_counts(self):
        self.assertTrue(self.changes(lambda: (self.folder / "src/sub/a.h").write_text("longer")))
        self.assertTrue(self.changes(lambda: os.utime(self.folder / "src/sub/a.h", (1, 1))))
        self.assertTrue(self.changes((self.folder / "src/new.cpp").touch))
        self.assertTrue(self.changes((self.folder / "src/sub/a.h").unlink))
        self.assertTrue(self.changes((self.folder / "app/main.c").touch))
        self.assertTrue(self.changes(lambda: (self.folder / "image").write_text("other")))

    def test_no_image(self):
        (self.folder / "image").unlink()
        self.assertEqual(self.digest(), "")


class Sizes(unittest.TestCase):
    def test_size(self):
        for text, value in (("64K", 65536), ("8M", 8 << 20), ("1g", 1 << 30), ("512", 512), (" 4k ", 4096)):
            self.assertEqual(common.size(text), value)
        for text in ("", "K", "1.5M", "-1", "0x10", "1T", "1MB"):
            with self.assertRaises(ValueError):
                common.size(text)

    def test_size_text(self):
        for value in (0, 1, 4096, 65536, 1 << 20, 1 << 30, 5000):
            self.assertEqual(common.size(common.size_text(value)), value)


class Outside(Command):
    """Applications outside the repository, really built. Needs what ./rumpk setup installs."""

    def write(self, name, source, toml=""):
        folder = self.folder / name
        folder.mkdir()
        (folder / "main.cpp").write_text(source)
        (folder / "cell.toml").write_text(toml)
        return str(folder)

    def test_builds_and_rebuilds(self):
        spec = self.write("sample", "int main() { return 7; }\n")
        first = build.application(spec, "qemu-riscv64")
        stamp = first.image.stat().st_mtime_ns
        self.assertTrue(first.app_elf.exists() and first.kernel_elf.exists())
        with mock.patch.object(build, "ninja", side_effect=AssertionError("nothing was to do")):
            build.application(spec, "qemu-riscv64")
        Path(spec, "main.cpp").write_text("int main() { return 8; }\n")
        self.assertNotEqual(build.application(spec, "qemu-riscv64").image.stat().st_mtime_ns, stamp)

    def test_the_kernel_follows_the_manifest(self):
        spec = self.write("many", "int main() {}\n")
        toml = Path(spec, "cell.toml")
        self.assertEqual(build.application(spec, "qemu-riscv64").kernel_elf.resolve().name, "kernel-cells.elf")
        toml.write_text('isolation = "fused"\n')
        self.assertEqual(build.application(spec, "qemu-riscv64").kernel_elf.resolve().name, "kernel-plain.elf")
        toml.write_text('cores = 2\nisolation = "fused"\n')
        self.assertEqual(build.application(spec, "qemu-riscv64").kernel_elf.resolve().name, "kernel-cores.elf")
        traced = build.application(spec, "qemu-riscv64", trace=True)
        self.assertEqual(traced.kernel_elf.resolve().name, "kernel-cores-trace.elf")
        self.assertTrue(traced.app_elf.exists())

    def test_a_compilers_error_is_shown(self):
        self.refused(r"main.cpp:1:\d+: error: .*\n(.*\n)*rumpk: broken for qemu-riscv64 did not build",
                     build.application, self.write("broken", "int main( {}\n"), "qemu-riscv64")

    def test_linked_outside_its_window(self):
        spec = self.write("far", "char far[70 << 20];\nint main(int argc, char**) { return far[argc]; }\n")
        self.refused("far.elf cannot be a cell: .*outside the window", build.application, spec, "qemu-riscv64")

    def test_memory_too_small(self):
        spec = self.write("fat", "char big[100000] = {1};\nint main() { return big[1]; }\n", 'memory = "16K"\n')
        self.refused('does not fit in memory = "16K": the program alone needs', build.application, spec, "qemu-riscv64")

    def test_manifest(self):
        spec = self.write("typo", "int main() {}\n", "memroy = 1\n")
        self.refused("typo/cell.toml: unknown key 'memroy'", build.application, spec, "qemu-riscv64")


BESIDE_CELLS = {"views", "shares", "managers"}


class Inspect(Command):
    def test_figures(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(inspect.main(Namespace(app="hello", machine="qemu-riscv64", json=True)), 0)
        rows = [json.loads(line) for line in out.getvalue().splitlines()]
        for row in rows:
            self.assertEqual(list(row), ["name", "machine", "value", "unit", "min", "max", "runs"])
        values = {row["name"]: row["value"] for row in rows}
        loaded = sum(values[f"image.{name}_bytes"] for name in (
            "kernel_text", "kernel_rodata", "kernel_data", "boot_table", "cell_text", "cell_rodata", "cell_data"))
        self.assertEqual(values["image.kernel_hello_bytes"], loaded)
        self.assertEqual([values[f"image.part_{part}_bytes"] for part in parts.PARTS if part not in BESIDE_CELLS], [0] * (len(parts.PARTS) - 3))
        self.assertLess(loaded, values["image.file_bytes"])
        self.assertEqual(values["image.file_bytes"], (ROOT / "build/qemu-riscv64/images/hello.img").stat().st_size)

    def test_table(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            inspect.main(Namespace(app="hello", machine="qemu-riscv64", json=False))
        self.assertRegex(out.getvalue(), r"loaded in all +[\d,]+ bytes   at most 49,152: held\n")
        for part in set(parts.PARTS) - BESIDE_CELLS:
            self.assertRegex(out.getvalue(), rf"\n +{part} +[1-9][\d,]+   not in it: what it would add\n")

    def test_several_cells_and_shares(self):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            inspect.main(Namespace(app="share", machine="qemu-riscv64", json=True))
        values = {row["name"]: row["value"] for row in map(json.loads, out.getvalue().splitlines())}
        for kind, least in (("text", 100), ("rodata", 50)):  # some print nothing: their constants are few
            self.assertGreater(min(values[f"image.cell_{letter}_{kind}_bytes"] for letter in "ABC"), least)
        words, licence = 14, (ROOT / "LICENSE").stat().st_size
        self.assertEqual((values["image.share_words_bytes"], values["image.share_licence_bytes"]), (words, licence))
        self.assertEqual(values["image.boot_table_bytes"], 64 + 3 * 128 + 3 * 32 + 2 * 32)
        others = sum(value for name, value in values.items() if name.startswith(("image.kernel_", "image.boot", "image.cell"))
                     and "zeroed" not in name and name != "image.kernel_share_bytes")
        self.assertEqual(values["image.kernel_share_bytes"], others + words + licence)  # once each
        self.assertGreater(values["image.part_shares_bytes"], 100)

    def test_what_is_over_the_limit_is_said(self):
        with mock.patch.dict(inspect.LIMITS, {("hello", "qemu-riscv64"): 40000}), \
             contextlib.redirect_stdout(io.StringIO()) as out:
            inspect.main(Namespace(app="hello", machine="qemu-riscv64", json=False))
        self.assertIn("at most 40,000: EXCEEDED\n", out.getvalue())

    def test_parts_of_an_image_that_has_some(self):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            inspect.main(Namespace(app="budget", machine="qemu-riscv64", json=True))
        values = {row["name"]: row["value"] for row in map(json.loads, out.getvalue().splitlines())}
        self.assertGreater(values["image.part_cores_bytes"], 3000)
        self.assertGreater(values["image.part_budgets_bytes"], 500)
        self.assertEqual(values["image.part_trace_bytes"], 0)


if __name__ == "__main__":
    unittest.main()
