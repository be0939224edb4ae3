# SPDX-License-Identifier: Apache-2.0
"""`./rumpk bench`: figures, tables, and the count of instructions."""

import contextlib
import io
import json
import re
import struct
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import bare, bench, bench_boot, bench_fibers, bench_idle, bench_machines, bench_rings, framing, instructions, machines  # noqa: E402

KEYS = ["name", "machine", "value", "unit", "min", "max", "runs"]


class Figures(unittest.TestCase):
    def test_median_and_spread(self):
        figure = bench.of_runs("x.y", "m", [3.0, 1.0, 9.0], "s")
        self.assertEqual((figure.value, figure.min, figure.max, figure.runs), (3.0, 1.0, 9.0, 3))

    def test_json_keys(self):
        self.assertEqual(list(json.loads(bench.exact("x.y", "m", 7, "bytes").line())), KEYS)
        figure = bench.of_runs("x.y", "m", [2.0], "s", peer="other", peer_value=4.0)
        self.assertEqual(list(json.loads(figure.line())), KEYS + ["peer", "peer_value", "ratio"])
        self.assertEqual(json.loads(figure.line())["ratio"], 0.5)

    def test_whole_numbers_stay_whole(self):
        self.assertIn('"value": 12576646,', bench.exact("x.y", "m", 12576646, "instructions").line())

    def test_targets(self):
        self.assertFalse(bench.exact("x", "m", 5, "s", target=5).missed)
        self.assertTrue(bench.exact("x", "m", 6, "s", target=5).missed)
        self.assertTrue(bench.exact("x", "m", 6, "s", peer="p", peer_value=2, target=2.5).missed)
        self.assertFalse(bench.exact("x", "m", 6, "s").missed)
        for value, missed in ((0.04, False), (0.06, True)):  # whatever the peer's is
            for peer_value in (0.0, 1.0):
                figure = bench.exact("x", "m", value, "%", peer="p", peer_value=peer_value, target=0.05, by_value=True)
                self.assertEqual(figure.missed, missed)
                self.assertIn(f"p: {peer_value:.4g}", bench.table([figure]))
                self.assertEqual(json.loads(figure.line())["ratio"], value if peer_value else None)

    def test_table(self):
        text = bench.table([bench.exact("a.b", "m", 1234567, "bytes", target=10), bench.of_runs("c", "n", [1.5, 2.5], "s")])
        head, first, second = text.splitlines()
        self.assertTrue(head.startswith("figure"))
        self.assertRegex(first, r"^a\.b +m +1,234,567  bytes .* at most 10, missed$")
        self.assertRegex(second, r"^c +n +2  s +1\.5  2\.5 +2$")


    def test_met_and_not_measured(self):
        figures = [bench.exact("a", "m", 5, "s", target=5), bench.missing("b", "m", "ns", "no room")]
        _, met, none = bench.table(figures).splitlines()
        self.assertRegex(met, r" at most 5, met$")
        self.assertRegex(none, r"^b +m +-  ns .* not measured: no room$")
        self.assertEqual(json.loads(figures[1].line()), {
            "name": "b", "machine": "m", "value": None, "unit": "ns", "min": None, "max": None, "runs": 0, "why": "no room",
        })


class Fibers(unittest.TestCase):
    SAID = """fiber.switch 9 9
fiber.switch 2 4
fiber.yield.10000 none too many
fiber.yield.9 3 6
fiber.yield.9 3 6
task.bytes 98 -
fiber.switch 3 6
"""

    def test_lines_of_the_program(self):
        lines = [line.split() for line in self.SAID.splitlines()]
        names = ["fiber.switch", "fiber.yield.10000", "task.bytes"]
        with mock.patch.object(bench_fibers, "program"), mock.patch.object(bench_fibers, "lines_of", return_value=lines):
            figures = {figure.name: figure for figure in bench_fibers.on_host(2, names)}
        self.assertEqual((figures["fiber.switch"].value, figures["fiber.switch"].runs), (2.5, 2))  # not the first round
        self.assertEqual(figures["fiber.switch"].ratio, 0.5)
        self.assertEqual(figures["fiber.yield.10000"].why, "too many")
        self.assertEqual(figures["fiber.yield.9"].peer, "boost.fiber")
        self.assertEqual(figures["task.bytes"].value, 98)


class Command(unittest.TestCase):
    def refused(self, *arguments):
        return subprocess.run([sys.executable, ROOT / "rumpk", "bench", *arguments], capture_output=True, text=True, timeout=60)

    def test_list_names_every_figure(self):
        done = self.refused("--list")
        self.assertEqual(done.returncode, 0)
        for name in (*bench_boot.FIGURES, *bench_fibers.FIGURES, *bench_rings.FIGURES, *bench_machines.FIGURES):
            self.assertIn(f"    {name}\n", done.stdout)

    def test_every_figure_is_documented(self):
        page = (ROOT / "docs/benchmarks.md").read_text()
        for name in (*bench_boot.FIGURES, *bench_fibers.FIGURES):
            self.assertIn(f"`{name}`", page)
        for name in bench_rings.FIGURES:
            self.assertRegex(page, rf"`{re.escape(name)}[`/]")

    def test_wrong_arguments(self):
        for arguments in (["nosuchsuite"], ["boot", "--runs", "0"], ["boot", "--runs", "x"]):
            self.assertEqual(self.refused(*arguments).returncode, 127, arguments)

    def test_json_lines(self):
        figures = [bench.exact("image.kernel_hello_bytes", "m", 1, "bytes")]
        args = mock.Mock(list=False, suite="boot", runs=1, only=None, json=True)
        with mock.patch.object(bench_boot, "measure", return_value=iter(figures)):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                self.assertEqual(bench.main(args), 0)
        self.assertEqual(json.loads(out.getvalue())["name"], "image.kernel_hello_bytes")


class Rings(unittest.TestCase):
    def sample(self, who, ns, floors=(100, 101), **more):
        line = {"race": "throughput", "who": who, "payload": 64, "capacity": 1024, "batch": 16, "ns": ns}
        return {**line, "floors": floors, "undisturbed": True, **more}

    def test_distances_are_told_apart(self):
        self.assertEqual(bench_rings.classes([50, 52, 120, 560, 49]), [49 * 1.6, 120 * 1.6, 560 * 1.6])
        strayed = bench_rings.classes([100] * 150 + [200] + [560] * 150)
        self.assertEqual(strayed, [160, 560 * 1.6])
        cells, floors = bench_rings.grouped([
            self.sample("ion", 5), self.sample("ion", 50, (560, 561)), self.sample("ion", 7, (100, 560)),
            self.sample("ion", 9, undisturbed=False),
        ])
        self.assertEqual({key.near: by for key, by in cells.items()}, {"near": {"ion": [5]}, "far": {"ion": [50]}})
        self.assertEqual(floors, {"near": [100, 101], "far": [560, 561]})

    def test_neighbours_in_time_are_compared(self):
        """The host is slow in one pair, and quick in the others: no sample of ours is held against another pair's."""
        pairs = ((10, 20), (500, 900), (12, 20), (11, 10), (30, 40))
        lines = [self.sample(who, ns, race="park_wake") for pair in pairs for who, ns in zip(("ion", "futex"), pair)]
        lines[-1]["undisturbed"] = False
        lines.insert(2, self.sample("ion", 1))  # of another race
        taken = bench_rings.in_pairs(lines, "park_wake")
        self.assertEqual(taken, list(pairs[:-1]))
        figure = bench_rings.of_pairs("a", taken, "futex", 1.1)
        self.assertEqual((figure.value, figure.peer_value, figure.min, figure.max), (500, 900, 10, 500))
        self.assertFalse(figure.missed)
        self.assertIsNone(bench_rings.of_pairs("a", [], "futex", 1.1).value)

    def test_on_one_core_the_same_round_is_compared(self):
        """The host gives half a processor in two rounds of five, to ours or to the other one."""
        rounds = ((10, 8, 9), (20, 8, 9), (10, 16, 18), (11, 8, 30), (10, 9, 9))
        lines = [self.sample(who, ns, race="same_core", batch=1)
                 for each in rounds for who, ns in zip(("ion", "boost", "dpdk"), each)]
        lines[0]["undisturbed"] = False
        (figure,) = bench_rings.same_cores(lines)
        self.assertEqual((figure.name, figure.peer), ("ring.same_core/64B,1024", "boost"))
        self.assertEqual((figure.value, figure.peer_value, figure.missed), (10, 9, False))

    def test_best_of_the_others_and_what_is_behind(self):
        lines = [self.sample(who, ns) for who, ns in (("ion", 6), ("boost", 5), ("dpdk", 9)) for _ in range(3)]
        lines += [self.sample("moodycamel", 1)]  # too few samples to count
        cells, _ = bench_rings.grouped(lines)
        figures = {figure.name: figure for figure in bench_rings.throughputs(cells)}
        cell = figures["ring.throughput.2core/64B,1024,batch16,near"]
        self.assertEqual((cell.value, cell.peer, cell.peer_value, cell.missed), (6, "boost", 5, True))
        self.assertEqual(figures["ring.throughput.2core/cells_behind"].value, 100)
        self.assertTrue(figures["ring.throughput.2core/worst_ratio"].missed)

    def test_a_pipe_is_compared_where_ours_was_not_measured_at_every_distance(self):
        """The processors were far apart for one sample of somebody else's."""
        lines = [self.sample("ion", 300, race="round_trip", batch=1), self.sample("ion", 4, race="same_core", batch=1)]
        lines += [self.sample("boost", 900, (560, 561), race=race, batch=1) for race in ("round_trip", "same_core")]
        lines += [self.sample("pipe", 40_000, race=race) for race in ("pipe", "pipe_one_core")]
        cells, _ = bench_rings.grouped(lines)
        figures = {figure.name: figure for figure in bench_rings.pipes(cells)}
        self.assertEqual(figures["ring.vs_pipe/one_core"].ratio, 8 / 40_000)
        self.assertEqual(figures["ring.vs_pipe/2core"].ratio, 300 / 40_000)

    def test_what_is_behind_is_asked_where_most_cells_are(self):
        """The processors were near each other for one cell, where we are behind, and far apart for two."""
        lines = [self.sample("ion", 9), self.sample("boost", 5)]
        for payload in (8, 64):
            lines += [self.sample(who, ns, (560, 561), payload=payload) for who, ns in (("ion", 10), ("boost", 20))]
        cells, _ = bench_rings.grouped(lines * 3)
        figures = {figure.name: figure for figure in bench_rings.throughputs(cells)}
        self.assertEqual(len(figures), 5)
        self.assertEqual(figures["ring.throughput.2core/cells_behind"].value, 0)
        self.assertEqual(figures["ring.throughput.2core/worst_ratio"].value, 0.5)


def recording(*events, version=instructions.VERSION):
    return struct.pack(">IQ", version, 0) + b"".join(events)


def executed(count):
    return b"\x00" + struct.pack(">I", count)


SENT = b"\x16" + struct.pack(">ii", 1, 1)
END = b"\x27"


class Recordings(unittest.TestCase):
    def test_counts_at_each_byte(self):
        clock, random = b"\x1c" + bytes(8), b"\x1b" + struct.pack(">II", 0, 3) + b"abc"
        data = recording(b"\x25", clock, executed(100), SENT, random, executed(7), b"\x01\x02", SENT, b"\x0e", END)
        self.assertEqual(instructions.sent_bytes(data), [100, 107])

    def test_what_cannot_be_read(self):
        for data, words in (
            (b"", "another format"),
            (recording(END, version=0xE0200D), "another format"),
            (recording(executed(1)), "no end"),
            (recording(b"\x7f", END), "0x7f"),
        ):
            with self.assertRaisesRegex(instructions.RecordError, words):
                instructions.sent_bytes(data)

    def test_first_byte_and_end_of_first_line(self):
        line = b"firmware\r\n" + framing.encode_output("kernel", b"k\n") + framing.encode_output("stdout", b"ab\ncd\n")
        sent = list(range(100, 100 + len(line)))
        self.assertEqual(instructions.of_line(line, sent), (110, 100 + line.index(b"b\n") + 1))
        with self.assertRaisesRegex(instructions.RecordError, "no line"):
            instructions.of_line(line[:-6], sent[:-6])
        with self.assertRaisesRegex(instructions.RecordError, "bytes came"):
            instructions.of_line(line, sent[1:])


class Idle(unittest.TestCase):
    """What is watched from outside is the thread that executes: one that wakes is seen to."""

    def watched(self, source):
        machine = machines.load(bench_boot.EMULATED)
        with mock.patch.object(bench_idle, "IDLE_SECONDS", 1):
            return bench_idle.watched(bench_idle.emulated(machine, bare.image(source)), None)

    def test_who_waits_and_who_wakes(self):
        said, _, wakeups = self.watched(bare.IDLE)
        self.assertTrue(said.endswith(b"idle\n"))
        self.assertLess(wakeups, 3)
        self.assertGreater(self.watched(bare.TICKING)[2], 20)


class Emulated(unittest.TestCase):
    """The bare image's instructions are known: it has seven for each byte."""

    def test_the_count_is_the_programs(self):
        machine, image = machines.load(bench_boot.EMULATED), bare.image()
        first, line = instructions.counts(machine, image)
        text = b"\x10oHello from nowhere.\n"
        self.assertEqual(line - first, 7 * (len(text) - 1))
        self.assertEqual(instructions.counts(machine, image), (first, line))


class Machines(unittest.TestCase):
    """What is counted stands beside the first machine's, and is not much more anywhere; docs/benchmarks.md has the reasons for
    what is."""

    REASONED = ("image.kernel_hello_bytes",)

    def test_every_figure_on_every_machine(self):
        with mock.patch.multiple(bench_fibers, WAKES=1000, WAKES_OF_CALLS=50):
            figures = list(bench_machines.measure(1, None))
        emulated = [name for name in machines.names() if machines.load(name).kind == "qemu"]
        for name in bench_machines.FIGURES:
            self.assertEqual(sorted(figure.machine for figure in figures if figure.name == name), emulated, name)
        missed = [f"{figure.name} on {figure.machine}: {figure.ratio:.2f}" for figure in figures if figure.missed]
        self.assertEqual([line for line in missed if not line.startswith(self.REASONED)], [])


if __name__ == "__main__":
    unittest.main()
