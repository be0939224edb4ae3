# SPDX-License-Identifier: Apache-2.0
"""64-bit Arm before its MMU is on: memory is a device's there, and what the emulator lets pass faults on hardware. So
it is looked at from outside: each access, and each function that runs."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import backtrace, bare, build, machines, meter, run  # noqa: E402

MACHINE = machines.load("qemu-aarch64")
TURNS_OFF = "<drop_to_el1>"
# The HAL, labels of its entry.S, and what the linker made of it.
OURS = "rumpk::hal::", "hal_", "__text_start", "begin", "drop_to_el1", "use_core", "OUTLINED_FUNCTION_"
FIRMWARE = range(0x40000000, 0x40001000)  # QEMU's own loader: a few instructions before the kernel's first


def early(image, until, cores):
    """By core: (on, instructions, accesses, unaligned, forbidden); and the addresses that were executed."""
    plugin = build.target("host", ["bench-early"], "the plugin") / "bench/meter/libbench-early.so"
    with tempfile.TemporaryDirectory(prefix="rumpk-early-") as folder:
        out = Path(folder, "report")
        options = ",".join([f"out={out}", *(f"until={address:x}" for address in until)])
        command = [*run.emulator_command(MACHINE, image, MACHINE.memory_default, cores), "-plugin", f"{plugin},{options}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0 and out.is_file(), (done.returncode, done.stdout[-500:], done.stderr)
        lines = out.read_text().splitlines()
    counts = {words[1]: tuple(map(int, words[2:])) for words in map(str.split, lines) if words[0] == "core"}
    return counts, [int(word, 16) for word in lines[-1].split()[1:]]


def turning_on(elf):
    """The instructions that write SCTLR_EL1, but those that a core begins with, which turn the MMU off."""
    command = ["llvm-objdump-19", "-d", "--no-show-raw-insn", str(elf)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    function, out = "", []
    for line in listing.splitlines():
        if line.endswith(">:"):
            function = line
        elif "msr\tSCTLR_EL1" in line and TURNS_OFF not in function:
            out.append(int(line.split(":")[0], 16))
    return out


class Planted(unittest.TestCase):
    def test_what_may_not_be_is_counted(self):
        image = bare.image(bare.EARLY_ARM)
        counts, _ = early(image, [meter.symbol(image.with_suffix(".elf"), "on")], 1)
        on, _, accesses, unaligned, forbidden = counts["0"]
        self.assertEqual(on, 1)
        self.assertEqual((unaligned, forbidden), (3, 2))
        self.assertGreaterEqual(accesses, 9)


class Kernel(unittest.TestCase):
    def test_four_cores(self):
        built = build.application("rings", MACHINE.name)
        until = turning_on(built.kernel_elf)
        self.assertEqual(len(until), 2)  # of the core that boots, of the others
        counts, executed = early(built.image, until, 4)
        self.assertEqual(sorted(counts), ["0", "1", "2", "3"])
        for core, (on, instructions, accesses, unaligned, forbidden) in counts.items():
            with self.subTest(core):
                self.assertEqual((on, unaligned, forbidden), (1, 0, 0))
                self.assertGreaterEqual(min(instructions, accesses), 4)
        # No library's code: neither the C library's nor that which reads the tree.
        addresses = [address for address in executed if address not in FIRMWARE]
        ran = {name for name in backtrace.functions(built.kernel_elf, addresses) if name}
        self.assertTrue(ran)
        foreign = {name for name in ran if not name.startswith(OURS)}
        self.assertEqual(foreign, set())


if __name__ == "__main__":
    unittest.main()
