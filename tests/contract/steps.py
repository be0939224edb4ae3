# SPDX-License-Identifier: Apache-2.0
"""An interrupt between any two instructions of the host machine's windows: none is lost, no register changes.

Where a signal may fall between a look and what follows from it, chance finds the place once in a million tries.
Here the process is stepped there, and the message of another core is sent at each instruction in turn.

test_contract.py runs these with the preset host.
"""

import os
import signal
import unittest
from pathlib import Path

from tracer import Lost, Tracer

ROOT = Path(__file__).resolve().parents[2]
IMAGE = ROOT / "build/host/contract.elf"
PENDING_TIMER, PENDING_MESSAGE = 1 << 0, 1 << 1  # hal/machine/host/core.h


class Steps(unittest.TestCase):
    """The image goes round: a wait, an unmasking, a loop; each wants one message (modes.cpp, steps)."""

    def setUp(self):
        self.tracer = Tracer([str(IMAGE), "rumpk.contract=steps"])
        self.addCleanup(self.tracer.__exit__)
        self.to("rumpk_host_wait")
        self.pending = self.tracer.registers.rdi  # its argument: the word that others set
        self.bell()
        self.skip("unmask", "spin")

    def to(self, symbol):
        try:
            self.tracer.run_to(self.tracer.symbols[symbol])
        except Lost as lost:
            self.fail(f"on the way to {symbol}: {lost}, in {self.tracer.where()}")

    def step(self, count):
        for _ in range(count):
            self.tracer.step()

    def bell(self, reason=PENDING_MESSAGE):
        """What core_wake does on another core. False: one was pending already."""
        before = self.tracer.read(self.pending)
        self.tracer.write(self.pending, before | reason)
        self.tracer.send(signal.SIGUSR1)
        return before & reason == 0

    def skip(self, *parts):
        """Through these parts of a round, with their message sent at once."""
        for part in parts:
            self.to(f"rumpk_contract_before_{part}")
            self.bell()

    def timers(self):
        return self.tracer.read(self.tracer.symbols["_ZN8contract6countsE"])

    def messages(self):
        return self.tracer.read(self.tracer.symbols["_ZN8contract6countsE"] + 16)

    def test_a_wait_ends_wherever_the_bell_comes(self):
        system_call = self.tracer.symbols["rumpk_host_wait_end"] - 2  # one more step would not come back
        steps, last = 0, False
        while not last:
            self.to("rumpk_contract_before_wait")
            before = self.messages()
            self.step(steps)
            last = self.tracer.registers.rip == system_call
            self.bell()
            self.to("rumpk_contract_before_unmask")
            self.assertEqual(self.messages(), before + 1)
            self.bell()
            self.skip("spin")
            steps += 1
        self.assertGreater(steps, 5)

    def test_unmasking_takes_the_bell_wherever_it_comes(self):
        for steps in range(60):
            self.skip("wait")
            self.to("rumpk_contract_before_unmask")
            before = self.messages()
            self.step(steps)
            self.bell()
            self.to("rumpk_contract_before_spin")
            self.assertEqual(self.messages(), before + 1)
            self.bell()

    def test_an_interrupts_return_takes_the_bell_wherever_it_comes(self):
        steps, last = 0, False
        while not last:
            self.skip("wait", "unmask")
            self.to("rumpk_probe_waits")  # in the loop, every register filled
            before = self.messages()
            self.bell()
            self.to("rumpk_host_return_begin")
            self.assertEqual(self.messages(), before + 1)
            self.step(steps)
            # As far as IRETQ, which ptrace cannot step over: it takes the trace flag for the process's.
            last = self.tracer.read(self.tracer.registers.rip) & 0xFFFF == 0xCF48
            self.assertTrue(self.bell())
            self.to("rumpk_contract_before_wait")
            self.assertEqual(self.messages(), before + 2)
            self.bell()
            self.skip("unmask", "spin")
            steps += 1
        self.assertGreater(steps, 15)
        self.assertEqual(self.said(), b"")

    def test_a_timers_signal_that_comes_late_is_no_event(self):
        # Its deadline was taken away after the kernel had sent it.
        self.skip("wait")
        self.to("rumpk_contract_before_unmask")
        self.bell(PENDING_TIMER)
        self.bell()
        self.to("rumpk_contract_before_spin")
        self.assertEqual(self.timers(), 0)

    def said(self):
        """What it wrote so far: complaints."""
        output = self.tracer.process.stdout.fileno()
        os.set_blocking(output, False)
        try:
            return os.read(output, 1 << 16)
        except BlockingIOError:
            return b""
