# SPDX-License-Identifier: Apache-2.0
"""`./rumpk run --gdb`: the emulator waits, a debugger stops it in the application's main, and it goes on to its end."""

import re
import select
import shlex
import socket
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELLO = b"Hello from Rumpk on qemu-riscv64\n"
SECONDS = 60


class Remote:
    """As much of gdb's remote protocol as a test needs: packets, acknowledged, each with its answer."""

    def __init__(self, port):
        self.line = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self.data = b""

    def ask(self, text):
        body = text.encode()
        self.line.sendall(b"$" + body + b"#%02x" % (sum(body) & 0xFF))
        return self.answer()

    def answer(self):
        while not (found := re.match(rb"\+*\$([^#]*)#..", self.data)):
            piece = self.line.recv(4096)
            if not piece:
                return None
            self.data += piece
        self.data = self.data[found.end() :]
        self.line.sendall(b"+")
        return found[1].decode()


def address_of_main(machine):
    symbols = subprocess.run(
        ["llvm-nm-19", str(ROOT / "build" / machine / "images/hello.elf")], capture_output=True, text=True, check=True
    ).stdout
    return int(re.search(r"^([0-9a-f]+) T main$", symbols, re.MULTILINE)[1], 16)


class Waiting(unittest.TestCase):
    """One that waits for its debugger."""

    APP, ARGUMENTS = "hello", ()

    def setUp(self):
        subprocess.run([sys.executable, str(ROOT / "rumpk"), "build", self.APP], capture_output=True, check=True)
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "rumpk"), "run", self.APP, "--gdb", *self.ARGUMENTS], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        self.addCleanup(self.end)
        self.said = [self.process.stderr.readline().decode() for _ in range(4)]
        self.gdb = shlex.split(self.said[1].removeprefix("rumpk: "))
        self.port = int(re.search(r"^target remote 127\.0\.0\.1:(\d+)$", Path(self.gdb[-1]).read_text(), re.MULTILINE)[1])

    def end(self):
        self.process.kill()
        self.process.communicate()

    def ended_well(self):
        out, error = self.process.communicate(timeout=SECONDS)
        self.assertEqual((self.process.returncode, out), (0, HELLO), error)

    def connect(self):
        """Once it listens, which is not at once."""
        for _ in range(SECONDS * 10):
            try:
                return Remote(self.port)
            except ConnectionRefusedError:
                select.select([], [], [], 0.1)
        self.fail("nobody listens")

    def test_stops_in_main(self):
        main = address_of_main("qemu-riscv64")
        remote = self.connect()
        self.addCleanup(remote.line.close)
        self.assertRegex(remote.ask("?"), "^T05")
        self.assertEqual(remote.ask(f"Z0,{main:x},4"), "OK")
        self.assertRegex(remote.ask("c"), "^T05")
        pc = bytes.fromhex(remote.ask("g"))[32 * 8 : 33 * 8]  # behind x0 to x31
        self.assertEqual(int.from_bytes(pc, "little"), main)
        self.assertEqual(remote.ask(f"z0,{main:x},4"), "OK")
        remote.ask("c")
        self.ended_well()

    def test_the_printed_command(self):
        self.assertIn("in another terminal", self.said[0].lower())
        self.assertEqual(self.gdb[:2], ["gdb-multiarch", "-x"])
        words = ["break main", "continue", "backtrace", "frame 1", "list rumpk::panic", "continue"]
        done = subprocess.run(
            [*self.gdb, "-batch", *(word for each in words for word in ("-ex", each))], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS, cwd="/",
        )
        self.assertRegex(done.stdout, r"(?m)^#0 .*main \(.*\) at .*apps/hello/main\.cpp:\d+$")
        self.assertRegex(done.stdout, r"(?m)^\d+\t.*nexus::machine")  # lines of the sources: the application's
        self.assertRegex(done.stdout, r"(?m)^\d+\t.*void panic\(")  # and the kernel's
        self.ended_well()

    def test_a_panic_names_who_panics(self):
        """That one does not return: what follows its call is another function."""
        source = (ROOT / "core/memory.cpp").read_text().splitlines()
        (line,) = [number for number, text in enumerate(source, 1) if "panic(" in text]
        words = ["break rumpk::BootMemory::take", "continue", f"jump core/memory.cpp:{line}"]
        subprocess.run(
            [*self.gdb, "-batch", *(word for each in words for word in ("-ex", each))], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS, cwd="/", check=False,
        )
        _, error = self.process.communicate(timeout=SECONDS)
        self.assertEqual(self.process.returncode, 126, error)
        text = error.decode()
        self.assertRegex(text, r"(?m)^rumpk: panic: .*, in no fiber$")  # it jumped past what says why
        self.assertRegex(text, r"(?m)^rumpk:   #0 0x[0-9a-f]{16} rumpk::BootMemory::take\(.*core/memory\.cpp:\d+$")


class LateCore(Waiting):
    """Firmware starts a core by the address where the first one came in."""

    APP, ARGUMENTS = "tests/apps/cores", ("--smp", "2", "--", "first")
    test_stops_in_main = test_the_printed_command = test_a_panic_names_who_panics = None

    def test_it_comes_up(self):
        words = ["hbreak *hal_secondary_entry", "continue", "set $a1 = 0", "delete", "jump *0x80200000"]
        done = subprocess.run(
            [*self.gdb, "-batch", *(word for each in words for word in ("-ex", each))], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS, cwd="/",
        )
        self.assertIn("hal_secondary_entry ()", done.stdout)
        out, error = self.process.communicate(timeout=SECONDS)
        self.assertEqual(self.process.returncode, 0, error)
        self.assertRegex(out, rb"^(ok [^\n]*\n)+$")


class DrivenConsole(Waiting):
    """The console's port is a cell's, and the kernel panics."""

    APP, ARGUMENTS = "tests/apps/uart", ("--", "direct", "1000")
    test_stops_in_main = test_the_printed_command = test_a_panic_names_who_panics = None

    def test_a_panic_is_readable(self):
        words = ["break rumpk::ConsolePort::push", "ignore 1 500", "continue", "jump *0x10"]
        subprocess.run(
            [*self.gdb, "-batch", *(word for each in words for word in ("-ex", each))], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS, cwd="/", check=False,
        )
        out, error = self.process.communicate(timeout=SECONDS)
        self.assertEqual(self.process.returncode, 126, error)
        self.assertRegex(error.decode(), r"(?m)^rumpk: panic: instruction page fault in fiber near of cell near$")
        self.assertRegex(error.decode(), r"(?m)^rumpk: backtrace:$")
        lines = b"".join(b"line %06d of 001000\n" % i for i in range(1000))
        self.assertGreater(len(out), 1000)  # what was in the ring comes before it
        self.assertEqual(out, lines[: len(out)])


class Process(unittest.TestCase):
    def test_a_process_is_started_by_the_debugger(self):
        done = subprocess.run(
            [sys.executable, str(ROOT / "rumpk"), "run", "hello", "--machine", "host", "--gdb", "--", "a b"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        )
        lines = [line for line in done.stderr.splitlines() if ": built" not in line]
        command = shlex.split(lines[1].removeprefix("rumpk: "))
        self.assertEqual(command[:2], ["gdb-multiarch", "-x"])
        words = [f"hbreak *{address_of_main('host'):#x}", "continue", "backtrace", "list",
                 "list rumpk::panic", "delete", "continue"]
        done = subprocess.run(
            [*command, "-batch", *(word for each in words for word in ("-ex", each))], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS, cwd="/",
        )
        self.assertIn("apps/hello/main.cpp", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^\d+\t.*nexus::machine")
        self.assertRegex(done.stdout, r"(?m)^\d+\t.*void panic\(")
        self.assertIn("Hello from Rumpk on host", done.stdout)


if __name__ == "__main__":
    unittest.main()
