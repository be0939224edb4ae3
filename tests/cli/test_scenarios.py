# SPDX-License-Identifier: Apache-2.0
"""Scenarios and the test command: what is read, and that what is wrong is seen."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import machines, scenario_run, scenarios, testing  # noqa: E402

MACHINE = machines.Machine("qemu-x", "riscv64", "qemu", "qemu", (), 128 << 20, 64 << 20, 4)
PROCESS = machines.Machine("host", "x86_64", "process", "", (), 128 << 20, 64 << 20, 4)


class Reading(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="rumpk-scenarios-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def load(self, text, **options):
        (self.folder / "one.toml").write_text(text)
        return scenarios.load(folder=self.folder, **options)

    def refused(self, text):
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit):
            self.load(text)
        return said.getvalue()

    MINIMAL = 'about = "x"\napp = "hello"\nlimit_seconds = 5\n'

    def test_every_machine_and_variant(self):
        titles = {one.title for one in self.load(self.MINIMAL + "[expect]\ncode = 0\n", long=True)}
        self.assertEqual(titles, {f"one {name}" for name in [*machines.names(), "host-asan"]})

    def test_machines_that_differ_in_little(self):
        """A test of all machines leaves out what their `tested` does not name; who asks for it gets it."""
        text = self.MINIMAL + "[expect]\ncode = 0\n"
        self.assertNotIn("one qemu-riscv64-pmp", {one.title for one in self.load(text)})
        for options in ({"machine": "qemu-riscv64-pmp"}, {"only": "one *"}, {"long": True}):
            self.assertIn("one qemu-riscv64-pmp", {one.title for one in self.load(text, **options)})
        (self.folder / "one.toml").rename(self.folder / "hello.toml")
        self.assertIn("hello qemu-riscv64-pmp", {one.title for one in scenarios.load(folder=self.folder)})

    def test_celled_images(self):
        expect = "[expect]\ncode = 0\n[on.qemu-riscv64-cells.expect]\ncode = 3\n"
        plain = {one.title for one in self.load(self.MINIMAL + expect)}
        self.assertNotIn("one qemu-riscv64-cells", plain)
        both = self.load(self.MINIMAL + "cells = true\nbuild = true\n" + expect)
        self.assertEqual({one.title for one in both} - plain, {"one qemu-aarch64-cells", "one qemu-riscv64-cells"})
        (_, celled) = self.load(self.MINIMAL + 'cells = "only"\n' + expect)
        self.assertEqual((celled.title, celled.facts["expect"]["code"]), ("one qemu-riscv64-cells", 3))
        self.assertEqual(celled.image, ROOT / "build/qemu-riscv64/images/hello.img")
        self.assertEqual(self.load(self.MINIMAL + expect, machine="qemu-riscv64-cells"), [])
        text = self.MINIMAL + 'cells = "only"\n[on.cells.expect]\ncode = 4\n' + expect
        codes = {one.title: one.facts["expect"]["code"] for one in self.load(text)}
        self.assertEqual(codes, {"one qemu-aarch64-cells": 4, "one qemu-riscv64-cells": 3})

    def test_a_machine_that_there_is_not(self):
        self.assertIn("on: unknown key 'qemu-riscv46'", self.refused(self.MINIMAL + "[expect]\ncode = 0\n[on.qemu-riscv46]\nsmp = 2\n"))

    def test_cases_machines_and_long(self):
        text = (
            self.MINIMAL + 'args = ["a"]\n[expect]\ncode = 0\nstdout = "s"\n'
            '[[case]]\nname = "x"\nargs = ["b"]\nexpect = { code = 3 }\nmachines = ["host"]\n'
            '[case.long]\nlimit_seconds = 50\n[case.on.host]\nmemory = "64M"\n'
        )
        (one, _) = self.load(text)
        self.assertEqual(one.title, "one/x host")
        self.assertEqual(one.facts["args"], ["b"])
        self.assertEqual(one.facts["expect"], {"code": 3, "stdout": "s"})
        self.assertEqual((one.facts["memory"], one.facts["limit_seconds"]), ("64M", 5))
        self.assertEqual(self.load(text, long=True)[0].facts["limit_seconds"], 50)
        self.assertEqual([one.title for one in self.load(text, only="*asan")], ["one/x host-asan"])
        self.assertEqual(self.load(text, only="two"), [])

    def test_mistakes_are_named(self):
        self.assertIn("'aap'", self.refused(self.MINIMAL + 'aap = 1\n[expect]\ncode = 0\n'))
        self.assertIn("'stdotu'", self.refused(self.MINIMAL + '[expect]\ncode = 0\nstdotu = ""\n'))
        self.assertIn("'txet'", self.refused(self.MINIMAL + '[input]\ntxet = ""\n[expect]\ncode = 0\n'))
        self.assertIn("'code' is missing", self.refused(self.MINIMAL + "[expect]\n"))
        self.assertIn("'app' is missing", self.refused('about = "x"\nlimit_seconds = 1\n[expect]\ncode = 0\n'))
        self.assertIn("one.toml", self.refused("=\n"))

    def test_those_of_the_project_can_be_read(self):
        self.assertGreater(len(scenarios.load()), 100)
        self.assertEqual(len(scenarios.load()), len({one.title for one in scenarios.load()}))


class Expectations(unittest.TestCase):
    """Each way in which a run can be wrong is seen, and nothing else is said."""

    def wrong(self, expect, code=0, stdout=b"", stderr=b"", given=b"", seconds=1.0):
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, name) for name in ("in", "out", "err")]
            for path, data in zip(paths, (given, stdout, stderr)):
                path.write_bytes(data)
            done = scenario_run.Run(code, paths[1], paths[2], seconds)
            return list(scenarios._wrong({"expect": {"code": 0, **expect}, "limit_seconds": 5}, done, paths[0]))

    def test_right(self):
        expect = {"stdout": "a\n", "stdout_regex": "a.", "stdout_equals": "cat", "stdout_is_input": True}
        expect |= {"stderr": ["^two$"], "stderr_lacks": ["^three$"]}
        expect["stdout_sha256"] = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"
        self.assertEqual(self.wrong(expect, 0, b"a\n", b"one\ntwo\n", b"a\n"), [])
        self.assertEqual(self.wrong({"stdout_wall": True}, stdout=b"a\nwall %d\n" % time.time()), [])

    def test_wrong(self):
        for expect, given in (
            ({}, {"code": 1}),
            ({}, {"seconds": 6.0}),
            ({"stdout": "a"}, {"stdout": b"b"}),
            ({"stdout": ""}, {"stdout": b"b"}),
            ({"stdout_regex": "a"}, {"stdout": b"ab"}),
            ({"stdout_is_input": True}, {"stdout": b"ab", "given": b"ac"}),
            ({"stdout_is_input": True}, {"stdout": b"ab", "given": b"abc"}),
            ({"stdout_sha256": "00"}, {}),
            ({"stdout_equals": "cat | LC_ALL=C wc"}, {"stdout": b"      1       1       2\n", "given": b"a\nb\n"}),
            ({"stdout_wall": True}, {"stdout": b"a\n"}),
            ({"stdout_wall": True}, {"stdout": b"wall %d\n" % (time.time() - 60)}),
            ({"stdout_wall": True}, {"stdout": b"wall %d\n" % (time.time() + 60)}),
            ({"stderr": ["^two$"]}, {"stderr": b"twofold\n"}),
            ({"stderr_lacks": ["two"]}, {"stderr": b"twofold\n"}),
        ):
            self.assertEqual(len(self.wrong(expect, **given)), 1, expect)


class SlowReaders(unittest.TestCase):
    """A slow reader has its writer wait, however slow that one is itself."""

    WRITER = """
import os, time
os.set_blocking(1, False)
waits = 0
for piece in range(24):
    time.sleep(0.02)
    while True:
        try:
            os.write(1, bytes(4096))
            break
        except BlockingIOError:
            waits += 1
            time.sleep(0.02)
os._exit(waits > 0)
"""

    def test_a_slow_writer_waits(self):
        facts = {"slow_reader": True, "limit_seconds": 20}
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", self.WRITER]
            done = scenario_run.execute(command, facts, Path(os.devnull), Path(folder))
            self.assertEqual((done.code, done.stdout.stat().st_size), (1, 24 * 4096))


class Inputs(unittest.TestCase):
    def bytes_of(self, **given):
        return scenarios.input_file({"input": given}).read_bytes()

    def test_kinds(self):
        self.assertEqual(scenarios.input_file({}), Path(os.devnull))
        self.assertEqual(self.bytes_of(text="ä"), "ä".encode())
        self.assertEqual(self.bytes_of(all_bytes=True), bytes(range(256)))
        self.assertEqual(self.bytes_of(zeros="4K"), bytes(4096))
        self.assertEqual(self.bytes_of(random={"size": "1K", "seed": 1})[:4].hex(), "f5b16522")

    def test_package_text_is_text_and_large_enough(self):
        data = scenarios.package_text(1 << 20)
        self.assertGreaterEqual(len(data), 1 << 20)
        self.assertEqual(data, scenarios.package_text(1 << 20))
        with self.assertRaises(scenarios.Failure):
            scenarios.package_text(1 << 50)


class DamagedImages(unittest.TestCase):
    def image(self, machine):
        """A kernel of a page, a table with one cell, and its ELF."""
        cell = struct.pack("<32sQ", b"x", 4096) + bytes(88)
        body = cell + bytes(4096 - 64 - 128) + b"\x7fELF" + bytes(4092)
        table = struct.pack("<IIQIII36x", 0x474D4952, 1, 64 + len(body), zlib.crc32(body), 1, 1)
        data = b"K" * 4096 + table + body
        return data + (struct.pack("<QII", 4096, 0x474D4952, 0) if machine.kind == "process" else b"")

    def damaged(self, machine, change):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "image")
            path.write_bytes(self.image(machine))
            return scenarios.damaged(path, machine, change, folder).read_bytes()

    def test_changes(self):
        for machine in (MACHINE, PROCESS):
            whole = self.image(machine)
            self.assertEqual(scenarios.table_offset(whole, machine), 4096)
            self.assertEqual(self.damaged(machine, {"keep": 5}), whole[:5])
            self.assertEqual(self.damaged(machine, {"table_byte": [0, 1]})[4096], 1)
            changed = self.damaged(machine, {"cell_byte": [1, 0x66]})
            self.assertEqual(changed[8192:8196], b"\x7ffLF")
            size = struct.unpack_from("<Q", changed, 4096 + 8)[0]
            sum_ = struct.unpack_from("<I", changed, 4096 + 16)[0]
            self.assertEqual(sum_, zlib.crc32(changed[4096 + 64 : 4096 + size]))

    def test_no_table(self):
        with self.assertRaises(scenarios.Failure):
            scenarios.table_offset(bytes(8192), MACHINE)


class TestCommand(unittest.TestCase):
    def test_report(self):
        from tools.cli.suites import Test

        def fails():
            raise scenarios.Failure("why\nand what")

        def breaks():
            raise OSError("broken")

        def leaves():
            sys.exit("left")

        report = testing.Report()
        with contextlib.redirect_stdout(io.StringIO()) as out:
            for title, run in (("a m", lambda: None), ("b m", fails), ("c m", breaks), ("d m", leaves)):
                report.run(Test(title, run))
        self.assertRegex(
            out.getvalue(),
            r"\Aok 1 a m 0\.\d\d s\nFAILED 2 b m 0\.\d\d s\n    why\n    and what\nFAILED 3 c m .*\n    OSError: broken\n"
            r"FAILED 4 d m .*\n    SystemExit: left\n\Z",
        )
        self.assertEqual((report.passed, report.failed), (1, 3))

    def test_what_has_to_be_built(self):
        def built(only, machine=None):
            args = mock.Mock(list=False, long=False, only=only, machine=machine)
            return [test.title.split()[1] for test in testing._builds(args)]

        self.assertEqual(built("unit/abi_test"), ["tests", "tests-tsan"])
        self.assertEqual(built("unit/abi_test tests"), ["tests", "tests-tsan"])  # a part of the other's name as well
        self.assertEqual(built("fuzz/elf*"), ["fuzz"])
        self.assertEqual(built("count/nothing *"), ["host", "host-asan", "qemu-aarch64", "qemu-riscv64", "qemu-riscv64-pmp"])
        self.assertEqual(built("count/nothing host"), ["host", "host-asan"])
        self.assertEqual(built("count/nothing *", "host"), ["host"])
        self.assertEqual(built("attack/break qemu-aarch64-cells"), ["qemu-aarch64"])
        self.assertIn("qemu-riscv64", built("check/tidy"))
        self.assertEqual(built("no such test"), [])

    def test_no_such_test(self):
        """That is said at once, without building anything."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "rumpk"), "test", "--only", "no such test"], capture_output=True, text=True, timeout=60
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no test has such a name: no such test", done.stderr)

    def test_a_terminal_shows_what_runs(self):
        from tools.cli.suites import Test

        with mock.patch("sys.stderr", mock.Mock(isatty=lambda: True)) as error, contextlib.redirect_stdout(io.StringIO()):
            testing.Report().run(Test("a m", lambda: None))
            said = "".join(call.args[0] for call in error.write.call_args_list)
        self.assertEqual(said, "\r\x1b[Krumpk: running a m ...\r\x1b[K\r\x1b[K")

    def run_with(self, tests):
        args = mock.Mock(list=False, long=False, only=None, machine=None)
        with mock.patch.object(testing, "chosen", return_value=tests), mock.patch.object(testing, "_builds", return_value=[]):
            with mock.patch("tools.cli.setup.ensure"), contextlib.redirect_stdout(io.StringIO()) as out:
                with contextlib.redirect_stderr(io.StringIO()):
                    code = testing.main(args)
        return code, out.getvalue().splitlines()[-1]

    def test_last_line_and_code(self):
        from tools.cli.suites import Test

        def fails():
            raise scenarios.Failure("x")

        good, bad = Test("a m", lambda: None), Test("b m", fails)
        self.assertEqual(self.run_with([good, good]), (0, "2 passed, 0 failed"))
        self.assertEqual(self.run_with([good, bad]), (1, "1 passed, 1 failed"))
        self.assertEqual(self.run_with([]), (1, "0 passed, 0 failed"))

    def most_at_once(self, idle):
        """How many of twelve tests, each of which waits a little, ran at the same time."""
        from tools.cli.suites import Test

        running, most, ended = set(), [], []

        def test(number):
            running.add(number)
            most.append(len(running))
            time.sleep(0.1)
            running.remove(number)
            ended.append(number)

        def measure(_seconds):
            time.sleep(0.01)
            return idle

        tests = [Test(f"{number} m", lambda n=number: test(n)) for number in range(12)]
        with mock.patch.object(testing, "_idle_processors", measure), contextlib.redirect_stdout(io.StringIO()):
            testing._run_all(tests, testing.Report())
        self.assertEqual(sorted(ended), list(range(12)))
        return max(most)

    def test_how_many_run_at_once(self):
        self.assertEqual(self.most_at_once(idle=0.0), testing.WORKERS)
        self.assertEqual(self.most_at_once(idle=2.0), testing.WORKERS + testing.SPARE)

    def test_idle_processors(self):
        self.assertTrue(0.0 <= testing._idle_processors(0.1) <= (os.cpu_count() or 1) + 1.0)

    def test_what_was_not_built_has_failed(self):
        one = scenarios.Scenario("x", MACHINE, "nowhere", {"app": "hello", "limit_seconds": 1, "expect": {"code": 0}})
        with self.assertRaisesRegex(scenarios.Failure, "was not built"):
            scenarios.run(one)

    def test_list(self):
        done = subprocess.run(
            [sys.executable, ROOT / "rumpk", "test", "--list", "--machine", "host", "--only", "hello"],
            capture_output=True, text=True, timeout=60,
        )
        self.assertEqual((done.returncode, done.stdout), (0, "hello host\n"))


if __name__ == "__main__":
    unittest.main()
