# SPDX-License-Identifier: Apache-2.0
"""`./rumpk run --trace`: what a machine tells about itself, believed in nothing, and the file that comes of it."""

import contextlib
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import monitor, telemetry, trace, trace_check  # noqa: E402

FAKE = [sys.executable, str(ROOT / "tests/cli/fake_emulator.py")]

# `./rumpk run --trace FILE` with a stand-in for the emulator, in a process of its own.
DRIVER = """
import sys
sys.path.insert(0, {root!r})
from tools.cli import emulator, monitor, session, trace
session.STOP_SECONDS = 1.0
watch = monitor.Monitor("app", "fake", 64)
file = trace.File({path!r}, 64, 1)
code = session.guarded(emulator.emulate, {command!r}, session.Options({timeout}, monitor=watch))
sys.exit(file.finish(watch, code))
"""


def driver(path, *behaviour, timeout=None):
    text = DRIVER.format(root=str(ROOT), path=str(path), command=FAKE + list(behaviour), timeout=timeout)
    return [sys.executable, "-c", text]


def message(kind, body=b""):
    return struct.pack("<II", kind, len(body)) + body


def system(cores=2):
    return message(1, struct.pack("<II11Q", 96, cores, *range(11)))


def fiber(number, tier=2, name=b"main", identity=1 << 32, kernel=0):
    return message(2, struct.pack("<II IIII QQQ 16s QQ II", number, kernel, 80, tier, 0, 3, identity, 7, 8, name, 0, 0, 0, 0))


def core_trace(events, core=0, recorded=None, clock=(1000, 1000, 1 << 32)):
    body = struct.pack("<II 4Q", core, 0, len(events) if recorded is None else recorded, *clock)
    return message(4, body + b"".join(struct.pack("<QIHBB", *event) for event in events))


def cell(window=1, state=5):
    return message(5, struct.pack("<IIQQqQQ32s16s32s", window, state, 3, 4, 0, 5, 6, b"fault", b"bad", b"driver"))


END = message(3)
SWITCH, WAKE, SPAWN, NAME, ENDED, INTERRUPT, RETURN, MESSAGE = range(1, 9)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="rumpk-trace-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class Parsing(unittest.TestCase):
    def test_pieces_of_any_size(self):
        data = core_trace([(1, 2, 3, 0, SWITCH)]) + system() + cell() + fiber(2) + END + system() + END
        for size in (1, 3, 7, 8, 1000):
            parser, reports = telemetry.Parser(), []
            for at in range(0, len(data), size):
                reports += parser.feed(data[at : at + size])
            self.assertEqual([(len(one.traces), len(one.cells), len(one.fibers)) for one in reports], [(1, 1, 1), (0, 0, 0)], size)
            self.assertFalse(parser.unfinished())

    def test_the_ring_is_turned(self):
        """Event i stands at i modulo the size."""
        events = [(4, 0, 0, 0, SWITCH), (5, 0, 0, 0, SWITCH), (2, 0, 0, 0, SWITCH), (3, 0, 0, 0, SWITCH)]
        (report,) = telemetry.Parser().feed(core_trace(events, recorded=6) + system() + END)
        self.assertEqual([event[0] for event in trace.events(report.traces[0])], [2, 3, 4, 5])

    def test_what_cannot_be(self):
        for data in (
            message(2, bytes(3)), message(99), struct.pack("<II", 4, 0xFFFFFFF0), struct.pack("<II", 4, 39), struct.pack("<II", 4, 50),
            END, fiber(1), system() + system(), system(0), system(9), system() + fiber(1, tier=4), system() + fiber(1, kernel=3),
            system() + fiber(1, kernel=14), cell(), system() + cell(7), system() + cell(1, 10), system() + 8 * cell(), message(5, bytes(127)),
            core_trace([(1, 2, 3, 4, 5)], recorded=0), core_trace([], core=8), core_trace([]) * 2,
            core_trace([], clock=(5, 4, 0)),
        ):
            with self.assertRaises(telemetry.TelemetryError, msg=data):
                telemetry.Parser().feed(data)

    def test_random_bytes_end_in_an_error_or_wait(self):
        draw = random.Random(1)
        good = core_trace([(1, 2, 3, 0, SWITCH)]) + system() + cell() + fiber(2, kernel=2) + END
        for _ in range(3000):
            data = bytearray(good)
            for _ in range(draw.randrange(1, 5)):
                data[draw.randrange(len(data))] = draw.randrange(256)
            with contextlib.suppress(telemetry.TelemetryError):
                for report in telemetry.Parser().feed(bytes(data)):
                    if report.traces:
                        document = trace.convert(report, "a", "m")
                        self.assertEqual(trace_check.problems(json.loads(json.dumps(document))), [], data)

    def test_names_are_harmless(self):
        (report,) = telemetry.Parser().feed(system() + fiber(1, name=b"a\x1b[2J\xff\n") + END)
        self.assertEqual(report.fibers[0].name, "a?[2J\ufffd?")


class Conversion(unittest.TestCase):
    def convert(self, *messages):
        (report,) = telemetry.Parser().feed(b"".join(messages) + END)
        document = trace.convert(report, "app", "machine")
        self.assertEqual(trace_check.problems(document), [])
        return document

    def named(self, document, phase, name):
        return [event for event in document["traceEvents"] if event["ph"] == phase and event["name"] == name]

    def test_slices_and_the_wake_that_led_to_one(self):
        document = self.convert(
            core_trace([(100, 7, 0, 0, SWITCH), (150, 8, 0, 0, WAKE), (200, 8, 0, 0, SWITCH), (300, 0, 0, 0, SWITCH)]),
            system(), fiber(7, name=b"one"), fiber(8, tier=0, name=b"two"),
        )
        (two,) = self.named(document, "X", "two")
        self.assertEqual((two["ts"], two["dur"], two["tid"]), (0.2, 0.1, 0))
        self.assertEqual(two["args"], {"woken_by": "bell", "waited_us": 0.05, "then": "yielded"})
        (begin,), (end,) = self.named(document, "s", "wake"), self.named(document, "f", "wake")
        self.assertEqual((begin["ts"], end["ts"], begin["id"] == end["id"]), (0.15, 0.2, True))
        names = {event["args"]["name"] for event in self.named(document, "M", "thread_name")}
        self.assertEqual(names, {"core 0", "gravity: one", "photon: two"})

    def test_an_interrupt_and_its_deadline(self):
        document = self.convert(
            core_trace([(100, 7, 0, 0, SWITCH), (150, 0, 10, 0, INTERRUPT), (160, 8, 0, 1, WAKE), (170, 0, 0, 0, RETURN),
                        (171, 8, 0, 2, SWITCH)]),
            system(), fiber(7), fiber(8),
        )
        (interrupt,) = self.named(document, "X", "interrupt: timer")
        self.assertEqual((interrupt["ts"], interrupt["dur"], interrupt["args"]["late_us"]), (0.15, 0.02, 0.64))
        self.assertEqual(len(self.named(document, "i", "deadline")), 1)

    def test_one_block_two_lives(self):
        def life(name, begin):
            raw, number, value, detail = struct.unpack("<QIHB", name.ljust(15, b"\0"))
            return [(begin, 7, 0, 3, SPAWN), (raw, number, value, detail, NAME), (begin + 10, 7, 0, 0, SWITCH),
                    (begin + 20, 7, 0, 0, ENDED), (begin + 21, 0, 0, 4, SWITCH)]

        document = self.convert(core_trace(life(b"first", 100) + life(b"second", 200)), system(), fiber(7, name=b"second"))
        self.assertEqual([event["ts"] for event in self.named(document, "X", "first")], [0.11])
        self.assertEqual([event["ts"] for event in self.named(document, "X", "second")], [0.21])
        self.assertEqual(self.named(document, "X", "first")[0]["args"]["then"], "ended")

    def test_raw_time_is_in_proportion(self):
        document = self.convert(
            core_trace([(1000, 7, 0, 0, SWITCH), (1500, 0, 0, 0, SWITCH)], clock=(2000, 105000, 100 << 32)), system(), fiber(7)
        )
        (one,) = self.named(document, "X", "main")
        self.assertEqual((one["ts"], one["dur"]), (5.0, 50.0))

    def test_what_the_check_sees(self):
        """Each rule of the check, broken once."""
        good = self.convert(
            core_trace([(100, 7, 0, 0, SWITCH), (150, 8, 0, 0, WAKE), (200, 8, 0, 0, SWITCH), (300, 0, 0, 0, SWITCH)]),
            system(), fiber(7), fiber(8),
        )
        events = good["traceEvents"]
        first = next(i for i, event in enumerate(events) if event["ph"] == "X")
        flow = next(i for i, event in enumerate(events) if event["ph"] == "f")

        def broken(at, **change):
            return {"traceEvents": events[:at] + [{**events[at], **change}] + events[at + 1 :]}

        for document in (
            [], {"traceEvents": 3}, broken(first, ph="B"), broken(first, name=3), broken(first, tid="x"), broken(first, ts=-1),
            broken(first, dur="1"), broken(first, ts=10.0), broken(first, dur=0.15), broken(first, tid=99), broken(flow, bp=""),
            broken(flow, id="x"), broken(flow, ts=0.01), broken(0, args={}), {"traceEvents": events[1:]},
            {"traceEvents": [event for event in events if event["ph"] != "s"]},
        ):
            self.assertNotEqual(trace_check.problems(document), [], document)


class Files(Case):
    def run_it(self, *behaviour, path=None, **options):
        path = path or self.folder / "out.json"
        return subprocess.run(driver(path, *behaviour, **options), stdin=subprocess.DEVNULL, capture_output=True, timeout=60), path

    def test_a_trace_at_the_end(self):
        done, path = self.run_it("traced")
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(path.read_bytes())
        self.assertEqual(trace_check.problems(document), [])
        self.assertEqual((document["otherData"]["core_0_recorded"], document["otherData"]["core_0_overwritten"]), (10, 2))
        self.assertIn(b"rumpk: the trace has the last 8 of 10 events of core 0; --trace-events N keeps more\n", done.stderr)

    def test_a_machine_that_is_stopped_sends_it(self):
        done, path = self.run_it("traced", "stop", timeout=3)
        self.assertEqual(done.returncode, 124, done.stderr)
        self.assertIn(b"time-out: no end within 3 s", done.stderr)
        self.assertGreater(len(json.loads(path.read_bytes())["traceEvents"]), 4)

    def test_a_machine_that_does_not_answer(self):
        done, path = self.run_it("traced", "never", timeout=0.5)
        self.assertEqual(done.returncode, 124)
        self.assertIn(b"the machine did not send it", done.stderr)
        self.assertEqual(json.loads(path.read_bytes())["traceEvents"], [])

    def test_lies(self):
        for how in ("length", "kind", "endless", "tier", "order", "cores", "numbers", "twice"):
            done, path = self.run_it("lying", how)
            self.assertEqual(done.returncode, 125, how)
            self.assertRegex(done.stderr.decode(), r"rumpk: the machine reports [^\n]+; the machine was stopped\n")
            self.assertNotIn(b"Traceback", done.stderr)
            self.assertIn("error", json.loads(path.read_bytes())["otherData"])

    def test_cut_off(self):
        done, path = self.run_it("lying", "cut")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"it was cut off on its way", done.stderr)

    def test_no_file(self):
        for path, text in ((self.folder / "none" / "x", b"No such file"), (self.folder, b"Is a directory"), (Path("/dev/full"), b"No space left")):
            done, _ = self.run_it("hang", path=path)
            self.assertEqual(done.returncode, 127, path)
            self.assertIn(text, done.stderr)

    def test_full_disk_before_the_boot(self):
        """The space is taken first: a limit of the file size stands for a disk that is full."""
        done = subprocess.run(
            ["/bin/bash", "-c", 'trap "" XFSZ; ulimit -f 1; exec "$@"', "bash", *driver(self.folder / "x", "hang")],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        )
        self.assertEqual(done.returncode, 127, done.stderr)
        self.assertIn(b"File too large", done.stderr)

    def test_a_pipe_takes_it(self):
        done, _ = self.run_it("traced", path=Path("/dev/stdout"))
        self.assertEqual(trace_check.problems(json.loads(done.stdout)), [])


class Arguments(Case):
    def refused(self, *arguments):
        done = subprocess.run([sys.executable, str(ROOT / "rumpk"), "run", *arguments, "hello"], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 127)
        return done.stderr.decode()

    def test_what_makes_no_sense(self):
        out = str(self.folder / "x")
        for number in ("0", "15", "x", "-16", "2097152", "48"):
            self.assertIn("a power of two", self.refused("--trace", out, f"--trace-events={number}"))
        self.assertIn("for --trace FILE", self.refused("--trace-events", "64"))
        self.assertIn("--trace with --gdb", self.refused("--trace", out, "--gdb", "--machine", "host"))

    def test_boot_option(self):
        self.assertEqual([trace.boot_option(n) for n in (16, 16384, 1 << 20)], ["rumpk.trace=04", "rumpk.trace=14", "rumpk.trace=20"])


class LastLines(unittest.TestCase):
    def test_of_the_core_that_met_the_end(self):
        body = struct.pack("<II 4Q", 1, 1, 2, 1000, 1000, 1 << 32)
        events = struct.pack("<QIHBB", 100, 7, 0, 0, SWITCH) + struct.pack("<QIHBB", 900, 0, 0, 0, INTERRUPT)
        data = core_trace([(1, 7, 0, 0, SWITCH)]) + message(4, body + events) + system() + fiber(7) + END
        (report,) = telemetry.Parser().feed(data)
        self.assertEqual(list(trace.last_lines(report)), [
            "the last events of core 1:", "       0.900 us before: switch to main", "       0.100 us before: interrupt: timer",
        ])


class Monitors(Case):
    def test_folder_that_others_can_see_is_not_used(self):
        (self.folder / "rumpk").mkdir(mode=0o755)
        with unittest.mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": str(self.folder)}):
            self.assertNotEqual(monitor.folder(), self.folder / "rumpk")
            (self.folder / "rumpk").chmod(0o700)
            self.assertEqual(monitor.folder(), self.folder / "rumpk")


if __name__ == "__main__":
    unittest.main()
