# SPDX-License-Identifier: Apache-2.0
"""The meter of masked stretches and wake-ups: against an image whose instructions are known, and the promised
latency, which fails here when a path of the kernel becomes too long."""

import re
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import backtrace, bare, bench_boot, bench_fibers, bench_rings, build, machines, meter, run, scenarios  # noqa: E402


class Known:
    """What the image says that there is to count."""

    MACHINE, IMAGE = "", ""

    @classmethod
    def setUpClass(cls):
        machine, image = machines.load(cls.MACHINE), bare.image(cls.IMAGE)
        cls.elf = image.with_suffix(".elf")
        command = run.emulator_command(machine, image, machine.memory_default, 1)
        places = [meter.symbol(cls.elf, name) for name in ("known_entry", "known_mark")]
        cls.entry, cls.mark = places
        cls.report, _ = meter.count(machine, command, *places)

    def test_stretches(self):
        lengths = sorted((stretch.length, stretch.times) for stretch in self.report.stretches)
        self.assertEqual(lengths, [(12, 1), (20, 2), (25, 1), (42, 1), (60, 1), (300, 1)])

    def test_the_caller_is_where_a_stretch_begins(self):
        (by_function,) = [stretch for stretch in self.report.stretches if stretch.length == 42]
        self.assertEqual(by_function.path[2], by_function.begin)  # behind csrci and ret
        self.assertEqual(len(by_function.path), 42)
        (trap,) = [stretch for stretch in self.report.stretches if stretch.length == 20]
        self.assertEqual(trap.begin, self.entry)

    def test_wakes(self):
        self.assertEqual(self.report.wake, (3, 20, 20, 20, 26))

    def test_the_way_of_the_longest(self):
        self.assertEqual((len(self.report.way), self.report.way[0], self.report.way[-1]), (27, self.entry, self.mark))


class KnownOfRiscv(Known, unittest.TestCase):
    MACHINE, IMAGE = "qemu-riscv64", bare.KNOWN


class KnownOfArm(Known, unittest.TestCase):
    MACHINE, IMAGE = "qemu-aarch64", bare.KNOWN_ARM


class AcrossCores(unittest.TestCase):
    """Two harts that wake each other through the firmware and do nothing else (bench/bare/ipi.S)."""

    def test_both_parts(self):
        machine, image = machines.load("qemu-riscv64"), bare.image("ipi.S")
        elf = image.with_suffix(".elf")
        handler, send = (meter.symbol(elf, name) for name in ("handler", "send"))
        report, line = meter.count(machine, run.emulator_command(machine, image, machine.memory_default, 2), 0, handler, send=send)
        samples = [int(word, 16) for word in re.findall(rb"^[0-9a-f]{16}$", line.replace(b"\r", b""), re.MULTILINE)]
        self.assertIn(report.across.count - len(samples), (0, 1))  # the last wakes the hart that prints, or not
        self.assertEqual(report.across.most, len(report.sender) + len(report.sleeper))
        in_firmware = [address in range(*machine.firmware) for address in report.sender]
        self.assertEqual(report.sender[0], send)
        self.assertEqual(in_firmware.index(True), 9)  # `send` up to its ecall
        self.assertTrue(all(in_firmware[9:]))  # and not what follows the firmware's return
        # From the wait, up to and without the handler, there is the firmware's way to hand the interrupt on, and nothing else.
        self.assertTrue(all(address in range(*machine.firmware) for address in report.sleeper))
        self.assertGreater(len(report.sleeper), 100)


class Parked(unittest.TestCase):
    """From a publish to the first instruction of the consumer that is parked on another core."""

    def test_the_kernel_rings_itself_where_the_machine_has_bells(self):
        machine = machines.load("qemu-riscv64")
        for one, rings in ((machine, False), (bench_rings.without_bells(machine), True)):
            built = build.application("park", one.name)
            report, _ = meter.of_application(one, built, (), "park_mark", 2, send="park_publish")
            in_firmware = any(address in range(*machine.firmware) for address in (*report.sender, *report.sleeper))
            self.assertEqual(in_firmware, rings)
            self.assertGreaterEqual(report.across.count, 1000)
            self.assertLessEqual(report.across.median, 1500 if rings else 800)


class Promised(unittest.TestCase):
    """A short run of what `bench fibers` measures, with what the kernel keeps to: these only ever go down."""

    machine = machines.load(bench_fibers.EMULATED)

    def check(self, load, wakes, **most):
        report, late, symbols = bench_fibers.wake(self.machine, load, wakes)
        self.assertGreaterEqual(report.wake.count, wakes)
        found = {"wake": report.wake.most, "median": report.wake.median, "masked": report.masked, "late": late}
        for name, limit in most.items():
            self.assertLessEqual(found[name], limit, "\n".join([str(report.wake), *meter.describe(report, self.machine, symbols)]))

    def test_under_load(self):
        self.check("load", 3000, wake=640, median=440, masked=495, late=1200)

    def test_while_a_void_fiber_makes_every_call(self):
        self.check("calls", 100, wake=640, median=440, masked=495, late=1100)


class BeginningAnew(unittest.TestCase):
    """A cell faults and begins anew: in the fault and in all that its supervisor does then, interrupts come as promised."""

    MOST = 500

    def test_a_fault(self):
        machine = machines.load(bench_fibers.EMULATED)
        built = build.application("restart", machine.name)
        report, said = meter.of_application(machine, built, ("null", "3"))
        self.assertEqual(said, b"life 1\nlife 2\nlife 3\nlife 4\n")
        symbols = backtrace.Symbols(built.kernel_elf, built.app_elf, windows=machine.windows)
        self.assertLessEqual(report.masked, self.MOST, "\n".join(meter.describe(report, machine, symbols)))


def of_scenario(name, arguments, cores):
    """A scenario of qemu-riscv64. Returns (report, its standard output, symbols)."""
    (scenario,) = (one for one in scenarios.load(only=[name]) if one.preset == "qemu-riscv64")
    build.target(scenario.preset, ["kernels", f"images/{scenario.facts['app']}.img"], name)
    with tempfile.TemporaryDirectory() as folder:
        path = scenarios.repacked(scenario, folder)
        built = build.Built(path, path.with_suffix(".elf"), path.with_suffix(".kernel.elf"), scenario.machine)
        report, said = meter.of_application(scenario.machine, built, arguments, cores=cores)
        return report, said, backtrace.Symbols(built.kernel_elf, built.app_elf, windows=scenario.machine.windows)


class Crowded(unittest.TestCase):
    """Hundreds of fibers of one core spawn, end, sleep, ring and kill each other: many deadlines are due, of short queues."""

    MOST = 560

    def test_soak(self):
        report, said, symbols = of_scenario("soak/1", ("300", "300", "1"), cores=1)
        self.assertIn(b"ok memory is as it was", said)
        self.assertLessEqual(report.masked, self.MOST, "\n".join(meter.describe(report, Promised.machine, symbols)))


class BeginningAnewOnManyCores(unittest.TestCase):
    """The same of a cell on four cores, that spawns and kills across them: messages do their work one at a time."""

    MOST = 1250

    def test_a_fault(self):
        report, said, symbols = of_scenario("restart/four-cores", ("cores", "1"), cores=4)
        self.assertEqual(said.split(b"\nok")[0], b"life 1\nlife 2")
        self.assertLessEqual(report.masked, self.MOST, "\n".join(meter.describe(report, Promised.machine, symbols)))


class BesideACellThatEnds(unittest.TestCase):
    """Another cell of 2,000 fibers faults and begins anew, again and again: nobody else notices."""

    def test_wakes_meanwhile(self):
        said = []
        found = {name: values[0] for name, values in
                 bench_fibers.latency_in("crowd", machines.load(bench_fibers.EMULATED), said.append, wakes=4000).items()}
        self.assertGreaterEqual(found["wake.crowd.lives"], 3)
        for name, most in (("wake.crowd.instructions.max", 640), ("irq_off.crowd.instructions.max", 500), ("wake.crowd.late.max", 1400)):
            self.assertLessEqual(found[name], most, "\n".join(said))


class Parsing(unittest.TestCase):
    WAKE = "wake 0 0 0 0 0\n"

    def test_what_cannot_be_seen(self):
        with self.assertRaisesRegex(meter.MeterError, "by a register"):
            meter.parse(self.WAKE + "unclear 1\n")
        self.assertEqual(meter.parse(self.WAKE + "unclear 0\n").masked, 0)

    def test_names(self):
        for name, short in (
            ("rumpk::(anonymous namespace)::end(rumpk::Fiber&, rumpk::AnswerKind, long)", "end"),
            ("rumpk::Cell::range(unsigned long, unsigned long) const", "Cell::range"),
            ("long rumpk::Scheduler::on_kernel_stack<void f<g()::$_1>(x&)::'lambda'()>(y&)::'lambda'(void*)::__invoke(void*)",
             "Scheduler::on_kernel_stack"),
            ("memcpy", "memcpy"),
        ):
            self.assertEqual(meter.short(name), short)


if __name__ == "__main__":
    unittest.main()
