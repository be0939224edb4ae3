# SPDX-License-Identifier: Apache-2.0
"""The HAL's contract on every machine, and what the machine that is a process owes to its surroundings.

    ninja -C build/<preset> contract
    RUMPK_CONTRACT=<preset> python3 -m unittest discover -s tests/contract

Presets: qemu-riscv64, qemu-riscv64-pmp, qemu-aarch64, host (the one without RUMPK_CONTRACT), host-asan.
"""

import fcntl
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import machines  # noqa: E402

PRESET = os.environ.get("RUMPK_CONTRACT", "host")
BUILD = ROOT / "build" / PRESET
MACHINE = machines.load(PRESET.removesuffix("-asan"))
IMAGE = BUILD / ("contract.elf" if MACHINE.kind == "process" else "contract.bin")
LIMIT = 120
# The contract has at least so many; a shorter list means that it ended early.
FLAT = MACHINE.flat  # nothing is translated
TESTS = 50 if FLAT else 60


def command(*words, cores=1):
    """The contract image with boot arguments."""
    if MACHINE.kind == "process":
        return [str(IMAGE), f"rumpk.cores={cores}", *words]
    line = MACHINE.command(IMAGE, MACHINE.memory_for(7) if FLAT else None, cores)
    return [*line, "-append", " ".join(words)] if words else line


def run(*words, cores=1, **options):
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": LIMIT} | options
    if "input" in options:
        del options["stdin"]
    return subprocess.run(command(*words, cores=cores), **options)


def setUpModule():
    """A shell that starts the tests in the background ignores SIGINT, and so would all they start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not IMAGE.exists():
        raise FileNotFoundError(f"{IMAGE} is not built: ninja -C {BUILD} contract")


# Processors besides the one that the machine has without further words.
OTHERS = {
    "qemu-aarch64": ("cortex-a72", "max"),
    "qemu-riscv64": ("rv64,sstc=off",),
    "qemu-riscv64-pmp": ("rv64,mmu=off,s=off,h=off",),
}


class Contract(unittest.TestCase):
    def holds(self, cores, further=()):
        done = subprocess.run(command(cores=cores) + list(further), stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
        lines = done.stdout.decode(errors="replace").splitlines()
        wrong = [line for line in lines if "FAILED" in line or "rumpk:" in line]
        self.assertEqual(wrong, [])
        self.assertIn("the contract holds", lines)
        self.assertGreaterEqual(sum(line.startswith("ok ") for line in lines), TESTS)
        self.assertEqual(done.returncode, 0)
        # What console_write gave arrived, in order.
        numbers = [int(line[:6]) for line in lines if re.fullmatch(r"[0-9]{6}[a-z]{57}", line)]
        self.assertEqual(numbers, list(range(768)))
        self.assertIn("written, put", lines)

    def test_one_core(self):
        self.holds(1)

    def test_two_cores(self):
        self.holds(2)

    def test_all_cores(self):
        # By instructions counted, where there are any: OpenSBI 1.1 parks harts with their software interrupt left pending,
        # so the six that the contract does not start spin in its WFI loop, on processors that the tests need.
        self.holds(MACHINE.max_cores, () if MACHINE.kind == "process" else ("-icount", "shift=0,sleep=off"))

    if PROCESSORS := OTHERS.get(MACHINE.name):

        def test_other_processors(self):
            for processor in self.PROCESSORS:
                with self.subTest(processor):
                    self.holds(2, ("-cpu", processor))

    def test_the_code_comes_out(self):
        self.assertEqual(run("rumpk.contract=code").returncode, 77 if MACHINE.carries_code else 0)

    @unittest.skipIf(FLAT, "of machines that translate addresses")
    def test_a_stack_overflow_is_a_fault(self):
        done = run("rumpk.contract=overflow")
        self.assertIn(b"store page fault", done.stdout)
        self.assertEqual(done.returncode, 3 if MACHINE.carries_code else 0)


def processor_time_and_waits(words, seconds):
    """CPU seconds of one run, and how often it went to sleep."""
    with subprocess.Popen(command(*words), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_nvcsw


@unittest.skipIf(MACHINE.kind != "process", "of machines that are processes")
class Process(unittest.TestCase):
    def test_echo_is_transparent(self):
        data = os.urandom(20 << 20)
        done = run("rumpk.contract=echo", input=data)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(done.stdout == data)

    def test_echo_of_little(self):
        for data in (b"", b"x", bytes(range(256)), b"y" * 4096, b"z" * 4097, b"w" * 65536):
            for _ in range(20):
                self.assertTrue(run("rumpk.contract=echo", input=data).stdout == data)

    def test_echo_waits_for_a_slow_writer_and_a_slow_reader(self):
        pieces = [os.urandom(size) for size in (1, 300, 100_000, 7, 70_000)]
        with subprocess.Popen(command("rumpk.contract=echo"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            for piece in pieces:
                process.stdin.write(piece)
                process.stdin.flush()
                got = b""
                while len(got) < len(piece):
                    time.sleep(0.01)
                    more = os.read(process.stdout.fileno(), 4000)
                    self.assertNotEqual(more, b"", "the image ended early")
                    got += more
                self.assertTrue(got == piece)
            process.stdin.close()
            self.assertEqual(process.stdout.read(), b"")
            self.assertEqual(process.wait(LIMIT), 0)

    def test_channels_keep_their_order(self):
        done = run("rumpk.contract=channels", capture_output=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual([int(line[:6]) for line in done.stdout.splitlines()], list(range(1000)))
        done = run("rumpk.contract=channels")
        self.assertEqual([int(line[:6]) for line in done.stdout.splitlines()], list(range(0, 1000, 2)))
        self.assertEqual([int(line[:6]) for line in done.stderr.splitlines()], list(range(1, 1000, 2)))

    def test_a_reader_that_leaves_ends_it_quietly(self):
        for restore in (True, False):  # Python ignores SIGPIPE; without restoring, the image inherits that
            with subprocess.Popen(
                command("rumpk.contract=flood"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, restore_signals=restore,
            ) as process:
                process.stdout.read(1000)
                process.stdout.close()
                self.assertEqual(process.wait(LIMIT), -signal.SIGPIPE)
                self.assertEqual(process.stderr.read(), b"")

    def test_a_full_disk_is_said(self):
        with open("/dev/full", "wb") as full:
            done = run("rumpk.contract=flood", capture_output=False, stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"standard output cannot be written: No space left on device", done.stderr)

    def test_flags_of_open_files_stay(self):
        ours_in, theirs_in = os.pipe()[::-1]
        theirs_out, ours_out = os.pipe()[::-1]
        for nonblocking in (False, True):
            for file in (theirs_in, theirs_out):
                os.set_blocking(file, not nonblocking)
            before = [fcntl.fcntl(file, fcntl.F_GETFL) for file in (theirs_in, theirs_out)]
            with subprocess.Popen(command("rumpk.contract=echo"), stdin=theirs_in, stdout=theirs_out) as process:
                os.write(ours_in, b"some bytes")
                self.assertEqual(os.read(ours_out, 100), b"some bytes")
                after = [fcntl.fcntl(file, fcntl.F_GETFL) for file in (theirs_in, theirs_out)]
                process.kill()
            self.assertEqual(before, after)
        for file in (ours_in, theirs_in, ours_out, theirs_out):
            os.close(file)

    def test_closed_descriptors_do_no_harm(self):
        line = f"{IMAGE} rumpk.contract=code <&- >&- 2>&-"
        self.assertEqual(subprocess.run(["/bin/sh", "-c", line], timeout=LIMIT).returncode, 77)
        line = f"{IMAGE} rumpk.contract=echo <&-"
        done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, timeout=LIMIT)
        self.assertEqual((done.returncode, done.stdout), (0, b""))

    def test_arguments(self):
        mode = "rumpk.contract=arguments"
        self.assertEqual(run(mode).stdout, f"{mode} --\n".encode())
        done = run(mode, "rumpk.x=1", "rumpk.memory=67108864", "--", "a b", "", "é\n%", "--", "rumpk.y", "Az09._/:=,@+-")
        self.assertEqual(done.stdout, f"{mode} rumpk.x=1 -- a%20b % %C3%A9%0A%25 -- rumpk.y Az09._/:=,@+-\n".encode())
        self.assertEqual(run(mode, "word", "rumpk.z=1").stdout, f"{mode} -- word rumpk.z=1\n".encode())
        many = ["%" * 1000] * 100
        self.assertEqual(len(run(mode, "--", *many).stdout), len(mode) + 3 + 100 * 3001 + 1)

    def test_wrong_options_are_named(self):
        wrong = ["memory=", "memory=x", "memory=4097", "memory=0", "memory=99999999999999999999999", "memory=-1",
                 "memory=1125899906842624", "cores=0", "cores=9", "cores=", "cores=1x"]  # fmt: skip
        for option in wrong:
            done = run(f"rumpk.{option}")
            self.assertEqual(done.returncode, 127)
            takes = "from 1048576 to 1099511627776" if option.startswith("memory") else "from 1 to 8"
            self.assertRegex(done.stderr.decode(), rf"(?m)^rumpk: rumpk\.{option}: it takes .* {takes}$")
        self.assertIn(b"rumpk: rumpk.telemetry=99: it takes the number of an open descriptor\n", run("rumpk.telemetry=99").stderr)

    def test_a_fault_within_a_fault_ends_it(self):
        done = run("rumpk.contract=double")
        self.assertEqual(done.returncode, 126)
        self.assertIn(b"the first fault", done.stdout)
        self.assertIn(b"rumpk: panic: load page fault", done.stderr)
        self.assertIn(b"0x0000000000000008", done.stderr)

    def test_a_signal_from_outside_kills(self):
        for number in (signal.SIGSEGV, signal.SIGTERM, signal.SIGINT):
            with subprocess.Popen(command("rumpk.contract=echo"), stdin=subprocess.PIPE) as process:
                time.sleep(0.2)
                process.send_signal(number)
                self.assertEqual(process.wait(LIMIT), -number)

    def test_strange_signals_do_no_harm(self):
        with subprocess.Popen(command("rumpk.contract=echo"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            time.sleep(0.2)
            for _ in range(200):
                process.send_signal(signal.SIGUSR1)
                process.send_signal(signal.SIGALRM)
            process.stdin.write(b"alive")
            process.stdin.close()
            self.assertEqual(process.stdout.read(), b"alive")
            self.assertEqual(process.wait(LIMIT), 0)

    def test_idle_takes_nothing(self):
        idle, idle_waits = processor_time_and_waits(["rumpk.contract=idle"], 2)
        base, base_waits = processor_time_and_waits(["rumpk.contract=code"], 0)
        self.assertLess(idle - base, 0.01)
        self.assertLess(idle_waits - base_waits, 10)


@unittest.skipIf(MACHINE.kind != "process", "of machines that are processes")
class Image(unittest.TestCase):
    def with_trailer(self, trailer, keep=None):
        """A run of an image that ends so."""
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder, "image")
            data = IMAGE.read_bytes()
            image.write_bytes(data[:keep] + trailer)
            image.chmod(0o755)
            return subprocess.run([image, "rumpk.contract=code"], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)

    def test_a_sound_trailer(self):
        size = (IMAGE.stat().st_size + 4095) // 4096 * 4096
        padding = bytes(size - IMAGE.stat().st_size)
        done = self.with_trailer(padding + bytes(4096) + struct.pack("<QII", size, 0x474D4952, 0))
        self.assertEqual((done.returncode, done.stderr), (77, b""))

    def test_a_trailer_that_points_nowhere(self):
        for offset in (0, 1, 4095, 1 << 40, 1 << 63, (1 << 64) - 4096, (1 << 64) - 1):
            done = self.with_trailer(struct.pack("<QII", offset, 0x474D4952, 0))
            self.assertEqual(done.returncode, 127, offset)
            self.assertIn(b"rumpk: the image is damaged", done.stderr)
        done = self.with_trailer(struct.pack("<QII", 4096, 0x474D4952, 1))
        self.assertEqual(done.returncode, 127)

    def test_something_else_at_the_end_is_no_image(self):
        self.assertEqual(self.with_trailer(b"x" * 16).returncode, 77)


@unittest.skipIf(PRESET != "host", "sanitizers want to be loaded first, and all address space")
class Surroundings(unittest.TestCase):
    """What the process finds when it starts."""

    OCCUPIER = """
        #include <stdlib.h>
        #include <sys/mman.h>
        __attribute__((constructor)) static void occupy(void) {
            mmap((void*)strtoull(getenv("OCCUPY"), 0, 0), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        }
    """

    def occupied(self, address):
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder, "occupier.so")
            subprocess.run(["clang-19", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=self.OCCUPIER.encode(), check=True)
            return run(env={"LD_PRELOAD": str(library), "OCCUPY": hex(address)})

    def test_an_occupied_window_is_said(self):
        done = self.occupied(0x08010000)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"rumpk: something of this process already stands at 0x0000000008010000", done.stderr)

    def test_an_occupied_view_of_memory_is_said(self):
        done = self.occupied(0x2000_0000_1000)
        self.assertEqual(done.returncode, 127)
        self.assertIn(b"rumpk: memory cannot stand at 0x200000000000: File exists", done.stderr)

    def test_too_little_address_space_is_said(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))  # noqa: E731
        done = run(preexec_fn=limit)
        self.assertEqual(done.returncode, 127)
        self.assertIn(b"Cannot allocate memory", done.stderr)


def load_tests(loader, tests, _pattern):
    """With the plain host machine, also what steps through it."""
    if PRESET == "host":
        sys.path.insert(0, str(Path(__file__).parent))
        tests.addTests(loader.loadTestsFromName("steps"))
    return tests


if __name__ == "__main__":
    unittest.main()
