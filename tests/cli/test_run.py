# SPDX-License-Identifier: Apache-2.0
"""`./rumpk run`, with stand-ins for the emulator and for a hosted image."""

import fcntl
import hashlib
import os
import pty
import random
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import backtrace  # noqa: E402

FAKE = [sys.executable, str(ROOT / "tests/cli/fake_emulator.py")]
KERNEL_LINE = b"rumpk: 0.1 fake ready in 1.0 ms (1 core, 100 MiB free)\n"

# Runs a command as `./rumpk run` would, in a process of its own.
DRIVER = """
import sys, pathlib
sys.path.insert(0, {root!r})
from tools.cli import backtrace, emulator, hosted, session
emulator.BOOT_SECONDS = {boot}
emulator.END_SECONDS = {end}
symbols = backtrace.Symbols(*[pathlib.Path(p) if p else None for p in {symbols!r}])
options = session.Options({timeout}, {verbose}, False, symbols)
sys.exit(session.guarded({runner}, {command!r}, options))
"""


def driver(*behaviour, timeout=None, verbose=False, boot=20.0, end=5.0, symbols=(None, None), command=None, runner="emulator.emulate"):
    text = DRIVER.format(
        root=str(ROOT), boot=boot, end=end, symbols=symbols, timeout=timeout, verbose=verbose, runner=runner,
        command=command or FAKE + [str(word) for word in behaviour],
    )
    return [sys.executable, "-c", text]


def play(*behaviour, input=b"", **options):
    return subprocess.run(driver(*behaviour, **options), input=input, capture_output=True, timeout=120)


def host(script, input=b"", **options):
    return play(command=["/bin/sh", "-c", script], runner="hosted.execute", input=input, **options)


def ends_soon(pid):
    """A process that is gone, or a zombie nobody waits for."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def setUpModule():
    """A shell that starts the tests in the background ignores SIGINT, nohup SIGHUP, and so would all they start."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


class PassThrough(unittest.TestCase):
    def test_all_byte_values_both_ways(self):
        data = bytes(range(256)) * 3 + b"\x10\x04\x10\x10\x04" + bytes(reversed(range(256)))
        done = play("echo", input=data)
        self.assertEqual((done.returncode, done.stdout), (0, data))
        self.assertEqual(done.stderr, KERNEL_LINE)

    def test_every_byte_cut_alone(self):
        done = play("every_byte")
        self.assertEqual((done.returncode, done.stdout), (7, bytes(range(256))))

    def test_empty_input_ends(self):
        self.assertEqual(play("digest").stdout, b"0 " + hashlib.sha256().hexdigest().encode() + b"\n")

    def test_closed_standard_input(self):
        done = subprocess.run(["/bin/sh", "-c", '"$@" <&-', "sh", *driver("digest")], capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout[:2]), (0, b"0 "))

    def test_exit_codes(self):
        for code in (0, 1, 16, 123):
            self.assertEqual(play("code", code).returncode, code)

    def test_codes_that_are_no_applications(self):
        for code in (124, 125, 127, 200):
            done = play("code", code)
            self.assertEqual(done.returncode, 125)
            self.assertIn(f"code {code}".encode(), done.stderr)

    def test_streams_are_kept_apart(self):
        done = play("mixed")
        self.assertEqual((done.stdout, done.stderr), (b"one\nfour\n", KERNEL_LINE + b"two\nrumpk: three\n"))

    def test_order_is_kept_on_one_descriptor(self):
        done = subprocess.run(driver("mixed"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.stdout, KERNEL_LINE + b"one\ntwo\nrumpk: three\nfour\n")

    def test_firmware_is_shown_when_asked(self):
        self.assertNotIn(b"OpenSBI", play("code", 0).stderr)
        self.assertIn(b"OpenSBI v1.1\n", play("code", 0, verbose=True).stderr)

    def test_input_waits_for_the_first_frame(self):
        done = play("early", input=b"typed at once")
        self.assertEqual((done.returncode, done.stdout), (0, b"typed at once"), done.stderr)

    def test_input_waits_until_it_is_wanted(self):
        done = play("unwanted_input", input=b"typed at once")
        self.assertEqual((done.returncode, done.stdout), (0, b"typed at once"), done.stderr)

    def test_input_that_nobody_reads(self):
        done = play("ignores_input", input=bytes(10 << 20))
        self.assertEqual(done.returncode, 3)


class Bulk(unittest.TestCase):
    SIZE = 24 << 20

    def test_24_mb_in(self):
        data = random.Random(3).randbytes(self.SIZE)
        begun = time.monotonic()
        done = play("digest", input=data)
        self.assertEqual(done.stdout.decode(), f"{self.SIZE} {hashlib.sha256(data).hexdigest()}\n")
        self.assertLess(time.monotonic() - begun, 20)

    def test_24_mb_out_to_a_slow_reader(self):
        data = random.Random(4).randbytes(self.SIZE)
        total, count = hashlib.sha256(), 0
        with subprocess.Popen(driver("source", self.SIZE, 4), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            time.sleep(1.0)
            peak = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096
            self.assertLess(peak, 64 << 20)  # it does not hoard what we do not take
            for piece in iter(lambda: os.read(process.stdout.fileno(), 1 << 16), b""):
                total.update(piece)
                count += len(piece)
                if count < 4 << 20:
                    time.sleep(0.002)
        self.assertEqual((count, total.digest()), (self.SIZE, hashlib.sha256(data).digest()))
        self.assertEqual(process.returncode, 0)

    def test_24_mb_both_ways_at_once(self):
        data = random.Random(5).randbytes(self.SIZE)
        done = play("echo", input=data)
        self.assertTrue(done.stdout == data)

    def test_a_reader_that_first_writes_all(self):
        """Someone who writes everything before reading anything: neither side may wait for the other
        as long as what is on its way fits the pipes."""
        with subprocess.Popen(driver("echo"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            process.stdin.write(b"x" * (1 << 20))
            process.stdin.close()
            self.assertEqual(len(process.stdout.read()), 1 << 20)


class Failures(unittest.TestCase):
    def test_dies_before_the_image(self):
        done = play("die", 1)
        self.assertEqual(done.returncode, 125)
        for text in (b"ended with status 1", b"Boot HART ID : 0", b"cannot set up guest memory"):
            self.assertIn(text, done.stderr)

    def test_dies_after_the_image_came_up(self):
        done = play("die_later", 0)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"ended with status 0 before the image said how it ended", done.stderr)

    def test_killed(self):
        done = play("killed")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"SIGKILL", done.stderr)

    def test_prints_nothing(self):
        done = play("silent", boot=0.5)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"said nothing within 0.5 s", done.stderr)

    def test_firmware_alone(self):
        done = play("stuck_firmware", boot=3)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"    OpenSBI v1.1\n", done.stderr)

    def test_time_out(self):
        begun = time.monotonic()
        done = play("hang", timeout=3)
        self.assertEqual(done.returncode, 124)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual(done.stderr, KERNEL_LINE + b"rumpk: time-out: no end within 3 s; the machine was stopped\n")

    def test_time_out_before_the_image(self):
        done = play("stuck_firmware", timeout=3)
        self.assertEqual(done.returncode, 124)
        self.assertIn(b"did not come up", done.stderr)

    def test_refusal_before_there_are_frames(self):
        for kernel in ("refusing_kernel", "refusing_by_the_line"):
            with self.subTest(kernel):
                done = play(kernel)
                self.assertEqual(done.returncode, 126)
                self.assertEqual(done.stderr, b"rumpk: device tree: /: no memory\n")
                loud = play(kernel, verbose=True)
                self.assertEqual(loud.returncode, 126)
                self.assertEqual(loud.stderr.count(b"rumpk: device tree: /: no memory\n"), 1)

    def test_time_out_with_a_reader_that_does_not_read(self):
        with subprocess.Popen(driver("endless", timeout=1.0), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            self.assertEqual(process.wait(10), 124)
            process.stdout.close()

    def test_unknown_frame(self):
        done = play("bad_frame")
        self.assertEqual((done.returncode, done.stdout), (125, b"before\n"))
        self.assertIn(b"unknown frame 0x10 0x71", done.stderr)

    def test_emulator_that_does_not_end(self):
        begun = time.monotonic()
        done = play("linger", end=0.5)
        self.assertEqual((done.returncode, done.stdout), (5, b"done\n"))
        self.assertLess(time.monotonic() - begun, 5)

    def test_panic_that_does_not_end(self):
        done = play("panic_without_end", end=0.5)
        self.assertEqual(done.returncode, 126)
        self.assertIn(b"and then nothing", done.stderr)

    def test_not_installed(self):
        done = play(command=["qemu-system-of-nobody"])
        self.assertEqual(done.returncode, 127)
        self.assertEqual(done.stderr, b"rumpk: qemu-system-of-nobody is not installed; ./rumpk setup installs it\n")

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(driver("mixed"), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"cannot write standard output: No space left on device", done.stderr)

    def test_reader_goes_away(self):
        done = subprocess.run(
            ["/bin/bash", "-c", '"$@" | head -1; echo "${PIPESTATUS[0]}"', "bash", *driver("endless")],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        )
        self.assertEqual(done.stdout, b"again\n141\n")
        self.assertEqual(done.stderr, KERNEL_LINE)


class Signals(unittest.TestCase):
    def start(self, *behaviour, **options):
        process = subprocess.Popen(
            driver(*behaviour, **options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, int(process.stdout.readline())

    def test_signals_end_the_emulator(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            process, pid = self.start("process_id")
            process.send_signal(number)
            self.assertEqual(process.wait(10), code)
            self.assertTrue(ends_soon(pid))

    def test_no_emulator_stays_behind_a_killed_runner(self):
        process, pid = self.start("process_id")
        process.kill()
        process.wait()
        self.assertTrue(ends_soon(pid))

    def test_killed_emulator_is_reported(self):
        process, pid = self.start("process_id")
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(process.wait(10), 125)

    def test_host_image_ends_with_us(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
            process, pid = self.start(command=["/bin/sh", "-c", "echo $$; exec sleep 600"], runner="hosted.execute")
            process.send_signal(number)
            self.assertEqual(process.wait(30), code)
            self.assertTrue(ends_soon(pid))


class OnATerminal(unittest.TestCase):
    def run_on_terminal(self, command, act):
        """Starts command in a session of its own on a terminal; act(process, master) makes it end.
        Returns its exit code, its output, and whether the terminal is as it was."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        settings = termios.tcgetattr(slave)
        settings[3] &= ~termios.ECHO  # not what a new terminal has, so that a reset to that shows, too
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        before = (termios.tcgetattr(slave), fcntl.fcntl(slave, fcntl.F_GETFL))

        def own_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal)
        self.addCleanup(process.kill)
        said = act(process, master)
        code = process.wait(20)
        after = (termios.tcgetattr(slave), fcntl.fcntl(slave, fcntl.F_GETFL))
        return code, said, before == after

    @staticmethod
    def read_until(master, text):
        said = b""
        while text not in said:
            if not select.select([master], [], [], 20)[0]:
                raise AssertionError(f"{text!r} did not come; this did: {said!r}")
            said += os.read(master, 4096)
        return said

    def test_the_emulator_gets_no_terminal(self):
        code, said, same = self.run_on_terminal(driver("terminal"), lambda _, m: self.read_until(m, b"]"))
        self.assertIn(b"no controlling terminal, [False, False, False]", said)
        self.assertEqual((code, same), (0, True))

    def test_ctrl_d_ends_the_input(self):
        def act(_, master):
            self.read_until(master, b"ready")
            os.write(master, b"line\n\x04")
            return self.read_until(master, hashlib.sha256(b"line\n").hexdigest().encode())

        code, said, same = self.run_on_terminal(driver("digest"), act)
        self.assertIn(b"5 ", said)
        self.assertEqual((code, same), (0, True))

    def test_ctrl_c(self):
        def act(_, master):
            self.read_until(master, b"ready")
            os.write(master, b"\x03")

        for command in (driver("hang"), driver(command=["/bin/sh", "-c", "echo ready; sleep 60"], runner="hosted.execute")):
            code, _, same = self.run_on_terminal(command, act)
            self.assertEqual((code, same), (130, True))

    def test_sigterm_and_killed_emulator(self):
        def terminate(process, master):
            self.read_until(master, b"ready")
            process.terminate()

        def kill_emulator(_, master):
            said = self.read_until(master, b"free)\r\n")
            said = said.split(b"free)\r\n")[1] or self.read_until(master, b"\n")
            os.kill(int(said), signal.SIGKILL)

        code, _, same = self.run_on_terminal(driver("hang"), terminate)
        self.assertEqual((code, same), (143, True))
        code, _, same = self.run_on_terminal(driver("process_id"), kill_emulator)
        self.assertEqual((code, same), (125, True))

    def test_an_image_that_changes_the_terminal(self):
        script = "stty raw -echo -isig; echo changed"
        code, _, same = self.run_on_terminal(
            driver(command=["/bin/sh", "-c", script], runner="hosted.execute"), lambda _, m: self.read_until(m, b"changed")
        )
        self.assertEqual((code, same), (0, True))


class HostedImage(unittest.TestCase):
    def test_streams_and_code(self):
        data = bytes(range(256)) * 100
        done = host("cat; echo two >&2; exit 9", input=data)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (9, data, b"two\n"))

    def test_codes_of_its_own(self):
        for code in (0, 123, 126, 127):
            self.assertEqual(host(f"exit {code}").returncode, code)

    def test_death_by_signal(self):
        done = host("kill -SEGV $$")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"SIGSEGV", done.stderr)

    def test_time_out(self):
        for script in ("exec sleep 60", "exec 2>&-; exec sleep 60"):
            done = host(script, timeout=0.5)
            self.assertEqual(done.returncode, 124)
            self.assertIn(b"time-out", done.stderr)

    def test_reader_goes_away(self):
        command = driver(command=["/usr/bin/yes"], runner="hosted.execute")
        done = subprocess.run(
            ["/bin/bash", "-c", '"$@" | head -1; echo "${PIPESTATUS[0]}"', "bash", *command],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        )
        self.assertEqual((done.stdout, done.stderr), (b"y\n141\n", b""))

    def test_no_such_image(self):
        self.assertEqual(play(command=["/nowhere/image"], runner="hosted.execute").returncode, 127)


class Backtraces(unittest.TestCase):
    SOURCE = (
        "__attribute__((noinline)) int inner(volatile int* p) {\n    return *p;\n}\n"
        "int main(void) {\n    return inner(0) + 1;\n}\n"
    )

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="rumpk-run-")
        cls.addClassCleanup(folder.cleanup)
        cls.source = Path(folder.name, "prog.c")
        cls.source.write_text(cls.SOURCE)
        cls.elf = Path(folder.name, "prog.elf")
        subprocess.run(
            ["clang-19", "-g", "-O1", "-fno-pie", "-no-pie", "-o", cls.elf, cls.source], check=True, capture_output=True
        )
        names = subprocess.run(["llvm-nm-19", cls.elf], check=True, capture_output=True, text=True).stdout
        cls.at = {line.split()[2]: int(line.split()[0], 16) for line in names.splitlines() if len(line.split()) == 3}

    def test_kernel_lines_are_completed(self):
        inner, call = self.at["inner"], self.at["main"] + 8  # the last byte of the call
        done = play("panic", f"0x{inner:016x}", f"0x{call:016x}", symbols=(str(self.elf), None))
        self.assertEqual(done.returncode, 126)
        self.assertRegex(done.stderr.decode(), rf"rumpk:   #0 0x{inner:016x} inner .*prog\.c:[12]\n")
        self.assertRegex(done.stderr.decode(), rf"rumpk:   #1 0x{call:016x} main .*prog\.c:5\n")

    def test_unknown_addresses_stay(self):
        done = play("panic", "0x0000000000000001", symbols=(str(self.elf), None))
        self.assertIn(b"rumpk:   #0 0x0000000000000001\n", done.stderr)

    def test_without_symbols(self):
        done = play("panic", "0x0000000080201234", "0x0000000008001234")
        self.assertIn(b"rumpk:   #0 0x0000000080201234\nrumpk:   #1 0x0000000008001234\n", done.stderr)

    def test_addresses_choose_the_file(self):
        lines = [b"rumpk:   #0 0x%016x" % self.at["inner"], b"rumpk:   #1 0x0000000008001234"]
        swapped = backtrace.complete(lines, backtrace.Symbols(None, self.elf))
        self.assertEqual(swapped, lines)  # the first is no application's, the second is unknown to it

    def test_loaded_executable(self):
        """The address of a position-independent image in a process is taken off before asking."""
        symbols = backtrace.Symbols(self.elf, None, lambda: 0x1000000)
        line = b"rumpk:   #0 0x%016x" % (self.at["inner"] + 0x1000000)
        self.assertIn(b" inner ", backtrace.complete([line], symbols)[0])
        with subprocess.Popen(["sleep", "60"]) as process:
            time.sleep(0.1)
            base = backtrace.loaded_at(process.pid, "/bin/sleep")
            process.kill()
        self.assertEqual(base % 4096, 0)
        self.assertGreater(base, 0)

    def test_hosted_image_that_ends_at_once(self):
        """Where it was loaded is known even if it is gone before anyone looks."""
        program = self.source.with_name("address")
        text = '#include <stdio.h>\nint main(void) {\n    fprintf(stderr, "rumpk:   #0 %p\\n", (void*)main);\n}\n'
        subprocess.run(
            ["clang-19", "-g", "-fPIE", "-pie", "-x", "c", "-", "-o", program], input=text.encode(), check=True
        )
        for _ in range(20):
            done = play(command=[str(program)], runner="hosted.execute", symbols=(str(program), None))
            self.assertRegex(done.stderr.decode(), r"\Arumpk:   #0 0x[0-9a-f]+ main .*<stdin>:2\n\Z")

    def test_a_trap_says_in_a_line_what_it_is(self):
        where = "/usr/lib/llvm-19/include/c++/v1/span"
        for name, text in (
            (f"libc++${where}:516: assertion __idx < size() failed: span: index out of range\n",
             f"trap of libc++: span: index out of range {where}:516"),
            ("Undefined Behavior Sanitizer$Integer addition\noverflowed", "trap of Undefined Behavior Sanitizer: Integer addition overflowed"),
        ):
            self.assertEqual(backtrace._call({"FunctionName": f"__clang_trap_msg${name}", "FileName": where}), text)

    def test_other_text_is_not_held_back(self):
        text = backtrace.Filter(backtrace.Symbols(None, None))
        for data in (b"a prompt: ", b"\xff\x00\n", b"run", b"rumpk", b"\n"):
            self.assertEqual(text.feed(data) + text.flush(), data)
        whole = b"x\nrumpk: line\nrumpk:   #0 0x12\nrumpk:   #1 0x34\nend"
        for cut in range(len(whole)):
            text = backtrace.Filter(backtrace.Symbols(None, None))
            self.assertEqual(text.feed(whole[:cut]) + text.feed(whole[cut:]) + text.flush(), whole)


if __name__ == "__main__":
    unittest.main()
