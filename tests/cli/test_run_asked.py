# SPDX-License-Identifier: Apache-2.0
"""What `./rumpk run` is asked for, and how it tells the machine."""

import os
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import common, machines, run  # noqa: E402


class Asked(unittest.TestCase):
    """What is asked for, checked before anything is started or built."""

    MACHINE = machines.Machine("qemu-x", "riscv64", "qemu", "qemu-system-x", ("-m", "{memory}", "-nographic", "-serial", "stdio", "-kernel", "{image}"), 128 << 20, 64 << 20, 4)

    def refused(self, *arguments):
        done = subprocess.run(
            [sys.executable, str(ROOT / "rumpk"), "run", *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=60
        )
        self.assertEqual(done.returncode, 127, arguments)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith(b"rumpk: "), done.stderr)
        return done.stderr.decode()

    def test_refusals(self):
        for arguments, words in (
            (["--machine", "pdp11"], "no machine 'pdp11'; there are:"),
            (["--bogus"], "--help"),
            (["--smp", "0"], "--smp 2"),
            (["--smp", "many"], "--smp 2"),
            (["--smp", "9999"], "at most"),
            (["--memory", "32M"], "at least"),
            (["--memory", "lots"], "is no size"),
            (["--memory", "100000001"], "whole MiB"),
            (["--timeout", "never"], "number of seconds"),
            (["--timeout", "-1"], "number of seconds"),
            (["--gdb", "--gdb-port", "x"], "not a port"),
            (["--machine", "host", "--emulator-args", "-cpu max"], "host has no emulator"),
            (["--emulator-args", "'"], "--emulator-args: No closing quotation"),
            (["nowhere/nothing.img"], "no image"),
            (["nosuchapp"], "nosuchapp"),
            (["hello", "two words", "--extra"], "behind --: ./rumpk run hello -- 'two words' --extra; ./rumpk run --help says more"),
        ):
            self.assertIn(words, self.refused(*arguments))

    def test_memory_for_cells_whose_windows_are_memory(self):
        words = ["tests/apps/pair", "--machine", "qemu-riscv64-pmp"]
        subprocess.run([sys.executable, str(ROOT / "rumpk"), "build", *words], capture_output=True, check=True)
        self.assertIn("pair has cells in 2 windows, which on qemu-riscv64-pmp are memory; say --memory 384M or more",
                      self.refused(*words, "--memory", "256M"))

    def test_images_of_another_machine(self):
        for machine in ("host", "qemu-aarch64", "qemu-riscv64"):
            subprocess.run([sys.executable, str(ROOT / "rumpk"), "build", "hello", "--machine", machine], capture_output=True, check=True)
        for built in ("host", "qemu-aarch64"):
            name = common.BUILD / built / "images" / "hello.img"
            self.assertIn(f"hello.img is an image for {built}, not for qemu-riscv64; say --machine {built}", self.refused(str(name)))
        name = common.BUILD / "qemu-riscv64" / "images" / "hello.img"
        self.assertIn("say --machine qemu-riscv64", self.refused(str(name), "--machine", "host"))
        with tempfile.NamedTemporaryFile(suffix=".img") as file:
            file.write(b"nothing")
            file.flush()
            self.assertIn("no image for host", self.refused(file.name, "--machine", "host"))

    def test_a_port_that_is_taken(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            self.assertIn(": Address already in use; without it a free one is taken",
                          self.refused("--gdb", "--gdb-port", str(other.getsockname()[1])))

    def test_a_folder_as_standard_input(self):
        folder = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        done = subprocess.run([ROOT / "rumpk", "run", "count"], stdin=folder, capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (127, b"", b"rumpk: standard input is a folder\n"))

    def test_help_names_each_machines_least_memory(self):
        done = subprocess.run([sys.executable, str(ROOT / "rumpk"), "run", "--help"], capture_output=True, text=True, timeout=60)
        said = " ".join(done.stdout.split())
        for name in machines.names():
            least = common.size_text(machines.load(name).memory_minimum)
            self.assertRegex(said, rf"(at least |; ){least} on [^;]*\b{name}[,; ]")

    def test_sizes(self):
        self.assertEqual(run.memory_of(None, self.MACHINE), 128 << 20)
        self.assertEqual(run.memory_of("64M", self.MACHINE), 64 << 20)
        self.assertEqual(run.memory_of("1G", self.MACHINE), 1 << 30)
        self.assertEqual(run.cores_of("4", self.MACHINE), 4)
        self.assertEqual(run.seconds_of("0.5"), 0.5)

    def test_words_for_the_emulator(self):
        self.assertEqual(run.words_of(None, self.MACHINE), [])
        self.assertEqual(run.words_of("-cpu 'a b' -dtb x", self.MACHINE), ["-cpu", "a b", "-dtb", "x"])

    def test_percent(self):
        self.assertEqual(run.percent("a.b_c/d:e=f,g@h+i-j"), "a.b_c/d:e=f,g@h+i-j")
        self.assertEqual(run.percent(""), "%")
        self.assertEqual(run.percent("a b%\xff"), "a%20b%25%C3%BF")
        self.assertEqual(run.percent(os.fsdecode(b"\xff\n")), "%FF%0A")

    def test_boot_arguments(self):
        self.assertEqual(run.boot_arguments([]), "rumpk.console=framed --")
        self.assertEqual(
            run.boot_arguments(["--", "x y", ""], verbose=True), "rumpk.console=framed rumpk.log=verbose -- -- x%20y %"
        )

    def test_emulator_command(self):
        command = run.emulator_command(self.MACHINE, Path("i.img"), 64 << 20, 2, ["a"])
        self.assertEqual(
            command,
            ["qemu-system-x", "-m", "64M", "-kernel", "i.img", "-display", "none", "-monitor", "none"]
            + ["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"]
            + ["-append", "rumpk.console=framed -- a"],
        )

    def test_everything_behind_the_dashes_is_the_applications(self):
        import argparse

        for line, app, arguments in (
            ("run hello --smp 2 -- --smp -- x", "hello", ["--smp", "--", "x"]),
            ("run -- hello", None, ["hello"]),
            ("run hello --", "hello", []),
            ("run hello", "hello", []),
        ):
            parser = argparse.ArgumentParser()
            run.register(parser.add_subparsers())
            args = parser.parse_args(line.split())
            self.assertEqual((args.application, args.arguments), (app, arguments), line)


if __name__ == "__main__":
    unittest.main()
