# SPDX-License-Identifier: Apache-2.0
"""`./rumpk top`: who is asked, what is shown, on a pipe and on a terminal, and what happens when nobody answers."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import common, top  # noqa: E402

FAKE = [sys.executable, str(ROOT / "tests/cli/fake_emulator.py")]

# A run that listens, with a stand-in for the emulator.
DRIVER = """
import sys
sys.path.insert(0, {root!r})
from tools.cli import emulator, monitor, session
watch = monitor.Monitor({name!r}, "fake")
watch.listen()
try:
    sys.exit(session.guarded(emulator.emulate, {command!r}, session.Options(monitor=watch)))
finally:
    watch.close()
"""


def setUpModule():
    """As in test_run.py."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="rumpk-top-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": folder.name, "TERM": "xterm"}

    def start(self, *behaviour, name="app"):
        text = DRIVER.format(root=str(ROOT), name=name, command=FAKE + list(behaviour))
        process = subprocess.Popen(
            [sys.executable, "-c", text], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.environment
        )
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIn(b"ready", process.stderr.readline())
        return process

    def top(self, *arguments):
        return subprocess.run(
            [sys.executable, str(ROOT / "rumpk"), "top", *arguments], stdin=subprocess.DEVNULL, capture_output=True, env=self.environment, timeout=60
        )


class Asking(Case):
    def test_once(self):
        process = self.start("watched")
        done = self.top("--once")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout.decode().splitlines(), [
            f"app on fake, run {process.pid}: up 2.0 s, 2 fibers;  core 0 50.0 %",
            "TIER     CORE  STATE     SHARE        TIME    SWITCHES        WAKE  FIBER      NAME",
            "matter      0  waiting    0.0 %     0.000 s           7      2.5 us  kernel     console",
            "gravity     0  waiting   50.0 %     1.000 s           7      2.5 us  0.1        main?[2J",
        ])

    def test_shares_are_since_the_last_look_and_the_end_is_clean(self):
        process = self.start("watched")
        done = self.top("--interval", "0.1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, b"rumpk: the run has ended\n")
        shares = [line.split()[3] for line in done.stdout.decode().splitlines() if line.startswith("gravity")]
        self.assertEqual(shares, ["50.0", "50.0", "0.0", "0.0"])
        self.assertNotIn(b"\x1b", done.stdout)
        self.assertEqual(process.wait(10), 0)
        self.assertEqual(list(self.folder.glob("rumpk/*")), [])

    def test_json(self):
        self.start("watched")
        done = self.top("--once", "--json")
        answer = json.loads(done.stdout)
        self.assertEqual((answer["application"], answer["cores"], answer["uptime_ns"]), ("app", 1, 2_000_000_000))
        self.assertEqual(answer["fibers"][1], {
            "kernel": False, "window": 0, "id": 1 << 32, "tier": "gravity", "core": 0, "state": "waiting", "switches": 7, "run_ns": 1_000_000_000,
            "name": "main?[2J", "wake_max_ns": 2500, "counted_since_ns": 0, "budget": 0, "strikes": 0,
        })

    def test_cells(self):
        self.start("watched_cells")
        lines = self.top("--once", "--interval", "0.05").stdout.decode().splitlines()
        self.assertEqual([line.split()[-2:] for line in lines[2:5]], [["kernel", "console"], ["A:0.1", "main"], ["B:0.1", "main"]])
        self.assertEqual(lines[5:], [
            "WINDOW  RESTARTS  STATE     CELL             LAST END",
            "A              0  lives     near",
            "B              3  lives     driver           fiber bad: load page fault at 0x10000542, address 0x486; 1.0 s ago",
            "C              0  ended     short            by itself with -3; 4.0 s ago",
            "D              2  ended     by-kernel        by the kernel; 4.0 s ago",
            "G              1  lives     slow?            fiber sixteen-letters!: no heartbeat; 4.0 s ago",
        ])
        answer = json.loads(self.top("--once", "--json").stdout)
        self.assertEqual(answer["cells"][1], {
            "window": 1, "name": "driver", "lives": True, "restarts": 3, "end": "fault", "ended_ns": 4_000_000_000, "code": 0,
            "pc": 0x10000542, "address": 0x486, "what": "load page fault", "fiber": "bad",
        })

    def test_cells_of_a_real_machine(self):
        """A driver that ends again and again. Without its symbols, which a runner takes longer to look up than a life lasts."""
        subprocess.run([sys.executable, str(ROOT / "rumpk"), "build", "rng-bad", "--machine", "qemu-riscv64"], capture_output=True, check=True)
        image = shutil.copy(common.BUILD / "qemu-riscv64" / "images" / "rng-bad.img", self.folder)
        command = [sys.executable, str(ROOT / "rumpk"), "run", image, "--machine", "qemu-riscv64",
                   "--emulator-args", "-device virtio-rng-device", "--", "lives", "1000000", "7"]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=self.environment)
            try:
                limit, near, driver = time.monotonic() + 60, None, {"restarts": 0}
                while driver["restarts"] < 3 and time.monotonic() < limit and process.poll() is None:
                    time.sleep(0.2)
                    done = self.top("--once", "--json", "--interval", "0.05")
                    if done.stdout:
                        near, driver = json.loads(done.stdout)["cells"]
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)
            said.seek(0)
            self.assertGreaterEqual(driver["restarts"], 3, said.read()[-2000:])
        self.assertEqual((near["name"], near["window"], near["lives"], near["restarts"], near["end"], near["ended_ns"]), ("near", 0, True, 0, "", 0))
        self.assertEqual((driver["name"], driver["window"]), ("virtio-rng", 1))
        self.assertIn(driver["end"], ("fault", "itself", "heartbeat"))
        self.assertGreater(driver["ended_ns"], 0)
        if driver["end"] == "fault":
            self.assertEqual((driver["fiber"], driver["code"]), ("bad", 0))
            self.assertRegex(driver["what"], "page fault|illegal instruction")

    def test_two_ask_at_once(self):
        self.start("watched")
        tops = [subprocess.Popen([sys.executable, str(ROOT / "rumpk"), "top", "--once"], stdout=subprocess.PIPE, env=self.environment) for _ in range(2)]
        for one in tops:
            out, _ = one.communicate(timeout=30)
            self.assertEqual((one.returncode, out.count(b"\n")), (0, 4))

    def test_who_is_meant(self):
        first = self.start("watched", name="first")
        self.start("watched", name="second")
        self.assertTrue(self.top("--once").stdout.startswith(b"second on"))
        self.assertTrue(self.top("--once", "first").stdout.startswith(b"first on"))
        self.assertTrue(self.top("--once", str(first.pid)).stdout.startswith(b"first on"))
        done = self.top("--once", "third")
        self.assertEqual(done.returncode, 127)
        self.assertEqual(done.stderr, b"rumpk: no run of 'third', and no such application; there are runs: second, first\n")

    def test_nobody(self):
        done = self.top("--once")
        self.assertEqual((done.returncode, done.stderr), (127, b"rumpk: no image is running; ./rumpk run starts one\n"))
        process = self.start("watched")
        process.kill()
        process.wait()
        self.assertEqual(self.top("--once").returncode, 127)
        self.assertEqual(list(self.folder.glob("rumpk/*")), [])  # what it left behind

    def test_no_answer(self):
        self.start("never_answers")
        done = self.top("--once")
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"no answer: the image", done.stderr)

    def test_a_newer_run_that_is_silent_is_passed_over(self):
        self.start("watched_for_ever", name="old")
        silent = self.start("never_answers", name="new")
        self.assertTrue(self.top("--once", "old").stdout.startswith(b"old on"))
        done = self.top("--once", "third")
        self.assertEqual((done.returncode, done.stderr.decode()),
                         (127, f"rumpk: no run of 'third', and no such application; there are runs: {silent.pid} (no answer), old\n"))

    def test_machine_that_lies(self):
        process = self.start("lying_when_asked")
        done = self.top("--once")
        self.assertEqual((done.returncode, done.stderr), (0, b"rumpk: the run has ended\n"))
        self.assertEqual(process.wait(10), 125)
        self.assertIn(b"the machine reports a fiber of tier 77", process.stderr.read())

    def test_interval(self):
        for text in ("0", "x", "-1", "nan", "1e9"):
            done = self.top("--interval=" + text)
            self.assertEqual(done.returncode, 127)
            self.assertIn(b"say for example --interval 2", done.stderr)

    def test_answers_that_are_none(self):
        class Asked:
            def __init__(self, line):
                self.line = line

            def sendall(self, _):
                pass

            def recv(self, _):
                return self.line

        for line in (b"[]\n", b"{}\n", b"\xff\n", b'{"application": 3}\n'):
            with self.assertRaises(top.NoAnswer) as none:
                top._ask(Asked(line))
            self.assertEqual(none.exception.code, 127)


class Starting(Case):
    """The application is started by top itself."""

    def test_until_its_end(self):
        done = self.top("soak", "--machine", "host", "--smp", "2", "--json", "--interval", "0.1", "--", "40", "1500", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        looks = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertGreater(len(looks), 3)
        self.assertEqual({(look["application"], look["machine"], look["cores"]) for look in looks}, {("soak", "host", 2)})
        self.assertGreater(max(len(look["fibers"]) for look in looks), 20)
        self.assertIn(b"ok all have ended\n", done.stderr)
        self.assertEqual(list(self.folder.glob("rumpk/*")), [])

    def test_its_exit_code_and_what_it_says(self):
        done = self.top("exit", "--machine", "host", "--interval", "0.1", "--", "77")
        self.assertEqual(done.returncode, 77, done.stderr)
        done = self.top("args", "--machine", "host", "--interval", "0.1", "--", "one", "two words")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b'"one"\n"two\\x20words"\n', done.stderr)

    def test_it_ends_with_top(self):
        done = self.top("soak", "--once", "--machine", "host", "--interval", "0.1", "--", "40", "100000", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"soak on host, run ", done.stdout)
        pid = int(done.stdout.split(b"run ")[1].split(b":")[0])
        self.assertFalse(Path(f"/proc/{pid}").exists())
        self.assertEqual(list(self.folder.glob("rumpk/*")), [])

    def test_without_a_machine(self):
        """One that runs is shown; one of that name that does not is started."""
        process = self.start("watched_for_ever", name="soak")
        done = self.top("soak", "--once")
        self.assertIn(f"soak on fake, run {process.pid}:".encode(), done.stdout)
        process.kill()
        process.wait()
        with unittest.mock.patch.object(top, "_Started") as started, unittest.mock.patch.object(top.monitor, "folder", return_value=self.folder):
            args = unittest.mock.Mock(interval="1", application="soak", machine=None, smp=None, memory=None, arguments=[])
            top.main(args)
            started.assert_called_once_with(args, [])

    def test_what_cannot_be_started(self):
        for words, said in (
            (["--machine", "host"], b"which application is to be started?"),
            (["nothing-such", "--machine", "host"], b"no application 'nothing-such'"),
            (["nothing-such"], b"no run of 'nothing-such', and no such application; nothing is running"),
            (["soak", "--machine", "pdp11"], b"pdp11"),
            (["soak", "--machine", "host", "--smp", "x"], b"--smp x: not a number of cores"),
        ):
            done = self.top("--once", *words)
            self.assertEqual(done.returncode, 127, done.stderr)
            self.assertIn(said, done.stderr)


class OnATerminal(Case):
    def test_q_and_ctrl_c(self):
        for key, code in ((b"q", 0), (b"\x03", 130)):
            process = self.start("watched_for_ever")
            master, slave = pty.openpty()
            shown = subprocess.Popen(
                [sys.executable, str(ROOT / "rumpk"), "top", "--interval", "0.2"], stdin=slave, stdout=slave, stderr=slave,
                env=self.environment, preexec_fn=lambda s=slave: own_terminal(s),
            )
            said = b""
            limit = time.monotonic() + 30
            while said.count(b"\x1b[H\x1b[2J") < 3 and time.monotonic() < limit:
                if select.select([master], [], [], 1)[0]:
                    said += os.read(master, 4096)
            self.assertGreaterEqual(said.count(b"\x1b[H\x1b[2J"), 3, said)
            self.assertIn(b"gravity", said)
            self.assertNotIn(b"main\x1b", said)
            os.write(master, key)
            while shown.poll() is None and time.monotonic() < limit + 20:
                if select.select([master], [], [], 0.1)[0]:
                    os.read(master, 4096)  # a terminal takes what it is given: who writes to it is not held up
            self.assertEqual(shown.wait(10), code)
            process.kill()
            process.wait()
            os.close(master)
            os.close(slave)


def own_terminal(slave):
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


class Screen(unittest.TestCase):
    def test_what_does_not_fit_is_counted(self):
        lines = [str(number) for number in range(100)]
        with unittest.mock.patch("os.get_terminal_size", return_value=os.terminal_size((80, 24))), unittest.mock.patch.object(sys, "stdout"):
            shown = top._screen(lines, False)
            self.assertEqual((len(shown), shown[-1]), (23, "... and 78 more; --all shows them"))
            self.assertEqual(len(top._screen(lines, True)), 100)


if __name__ == "__main__":
    unittest.main()
