# SPDX-License-Identifier: Apache-2.0
"""The checker of injected faults, against a cell that is made up: a good one, and ones that lose, repeat or hide something."""

import random
import sys
import unittest
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.cli import inject  # noqa: E402

FAULT = b"rumpk: cell inject: fiber inject: load page fault; the cell ends\nrumpk:   at 0x0\n"
RESTART = b"rumpk: cell inject: restart 1 of 2, after 0 us\n"


class Cell:
    """Says what tests/apps/inject would."""

    def __init__(self, checker):
        self.checker = checker
        self.input = b""

    def say(self, text):
        self.input += self.checker.output(text)

    def begin(self, life, kind, steps=0):
        self.say(b"\x01B %d %s %d\n" % (life, kind, steps))

    def feed(self):
        self.input += self.checker.more()

    def take(self, life, size):
        """The next message, so long."""
        while len(self.input) < size:
            self.feed()
        self.say(b"\x01T %d %d %d\n" % (life, size, zlib.crc32(self.input[:size])))

    def release(self, life, size):
        self.input = self.input[size:]
        self.say(b"\x01R %d\n" % life)

    def message(self, life, size):
        self.take(life, size)
        self.release(life, size)

    def ends(self, report=FAULT):
        self.checker.errors(report + RESTART)


class Checked(unittest.TestCase):
    def setUp(self):
        self.checker = inject.Checker(3, random.Random(1))
        self.cell = Cell(self.checker)

    def wrong(self, text, function, *arguments):
        with self.assertRaisesRegex(inject.Wrong, text):
            function(*arguments)

    def last(self, life):
        self.cell.begin(life, b"last")
        self.cell.say(b"\x01S %d 3 4 1000 0\n" % life)


class Stopped(Checked):
    """A machine that stood still: the heartbeat is before the budget. Now and then, and of no other kind."""

    HEARTBEAT = b"rumpk: cell inject: fiber runaway: no call for 250 ms; the cell ends\n"

    def lives(self, kinds):
        self.checker = inject.Checker(len(kinds), random.Random(1))
        self.cell = Cell(self.checker)
        for life, kind in enumerate(kinds, 1):
            self.cell.begin(life, kind)
            if life == 1:
                self.cell.say(b"\x01S 1 3 4 1000 0\n")
            self.cell.ends(self.HEARTBEAT)
        self.last(len(kinds) + 1)
        self.checker.finish(0)

    def test_now_and_then(self):
        self.lives([b"budget"] * 2)
        self.wrong("3 of 3 used up their budget", self.lives, [b"budget"] * 3)
        self.wrong(r"of life 1 \(exit\)", self.lives, [b"exit"])


class Good(Checked):
    def test_all_that_may_be(self):
        cell = self.cell
        cell.begin(1, b"load", 6)  # after the second message was said
        cell.say(b"\x01S 1 3 4 1000 0\n")
        cell.message(1, 10)
        cell.take(1, 20)
        cell.ends()
        cell.begin(2, b"any-time")
        cell.take(2, 20)
        cell.release(2, 20)
        cell.take(2, 30)
        cell.input = cell.input[30:]  # released, and nothing said
        cell.ends(b"")
        cell.begin(3, b"rings", 0)
        cell.say(b"\x01C 3\nnoise \x01T 3 4")
        cell.ends()
        self.last(4)
        self.assertTrue(cell.input.endswith(b"<%014d>" % 4))
        self.assertEqual(self.checker.more(), b"")
        cell.say(b"\x01Y 4 100\n")
        self.checker.finish(0)
        self.assertEqual(self.checker.exempt, len("noise \x01T 3 4"))
        self.assertEqual(sum(self.checker.kinds.values()), 3)

    def test_any_time_may_also_end_before_the_release(self):
        self.cell.begin(1, b"any-time")
        self.cell.take(1, 30)
        self.cell.ends(b"")
        self.cell.begin(2, b"exit", 4)
        self.cell.message(2, 30)

    def test_released_as_the_last_step(self):
        self.cell.begin(1, b"exit", 3)
        self.cell.take(1, 30)
        self.cell.input = self.cell.input[30:]
        self.cell.ends(b"")
        self.cell.begin(2, b"exit", 4)
        self.cell.message(2, 40)


class Bad(Checked):
    def test_a_message_is_lost(self):
        self.cell.begin(1, b"load", 4)
        self.cell.message(1, 10)
        self.cell.input += self.checker.more()
        self.cell.input = self.cell.input[20:]
        self.cell.begin(2, b"load", 4)
        self.wrong("lost or repeated", self.cell.take, 2, 20)

    def test_a_message_comes_again(self):
        self.cell.begin(1, b"load", 4)
        self.cell.feed()
        before = self.cell.input
        self.cell.message(1, 10)
        self.cell.input = before
        self.cell.begin(2, b"load", 4)
        self.wrong("lost or repeated", self.cell.take, 2, 10)

    def test_output_is_lost(self):
        self.cell.begin(1, b"load", 8)
        self.cell.message(1, 10)
        self.wrong("was to end after 8 steps", self.cell.begin, 2, b"load")

    def test_a_life_is_lost(self):
        self.cell.begin(1, b"load", 0)
        self.wrong("life 3 follows life 1", self.cell.begin, 3, b"load")

    def test_a_life_comes_again(self):
        self.cell.begin(1, b"load", 0)
        self.wrong("life 1 follows life 1", self.cell.begin, 1, b"load")

    def test_noise_of_a_life_that_spoilt_nothing(self):
        self.cell.begin(1, b"load", 0)
        self.wrong("said", self.cell.say, b"noise\n")

    def test_a_fault_is_reported_as_another(self):
        self.cell.begin(1, b"pledge", 0)
        self.cell.ends()
        self.wrong("the kernel says", self.cell.begin, 2, b"load")

    def test_a_fault_is_not_reported(self):
        self.cell.begin(1, b"load", 0)
        self.cell.ends(b"")
        self.wrong("the kernel says ''", self.cell.begin, 2, b"load")

    def test_the_kernel_panics(self):
        self.wrong("panic", self.checker.errors, b"rumpk: panic: what\n")

    def test_something_is_used_up(self):
        self.cell.begin(1, b"load", 0)
        self.cell.say(b"\x01S 1 3 4 1000 0\n")
        self.wrong("had", self.cell.say, b"\x01S 1 3 3 1000 0\n")

    def test_a_restart_too_many(self):
        for life in (1, 2, 3):
            self.cell.begin(life, b"load", 0)
            self.cell.ends()
        self.cell.ends()
        self.last(4)
        self.wrong("4 restarts", self.checker.finish, 0)

    def test_an_end_in_between(self):
        self.cell.begin(1, b"load", 0)
        self.wrong("in life 1", self.checker.finish, 0)

    def test_the_exit_code(self):
        for life in (1, 2, 3):
            self.cell.begin(life, b"load", 0)
            self.cell.ends()
        self.last(4)
        self.wrong("ended with 126", self.checker.finish, 126)


class Driver(unittest.TestCase):
    """What is made of the run of a driver that ends."""

    OUTPUT = "ok the channels are there\n7 answers, 1 twice\n"
    ERRORS = "rumpk: cell virtio-rng: fiber bad: load page fault; the cell ends\nrumpk: cell virtio-rng: restart 1 of 2, after 0 us\n"

    def outcome(self, lives=2, code=0, output=OUTPUT, errors=2 * ERRORS):
        return inject.driver_outcome(lives, code, output, errors)

    def test_good(self):
        done = self.outcome()
        self.assertEqual((done.injected, done.messages, done.kinds, done.kernel_faults, done.lost, done.wrong),
                         (2, 7, {"load page fault": 2}, 0, 0, None))

    def test_what_is_wrong(self):
        self.assertIn("2 restarts in 3 lives", self.outcome(lives=3).wrong)
        self.assertIn("code 1", self.outcome(code=1).wrong)
        self.assertIsNotNone(self.outcome(output="ok the channels are there\n").wrong)
        lost = self.outcome(output="FAILED in life 2\n" + self.OUTPUT)
        self.assertEqual((lost.lost, lost.wrong is None), (1, False))
        panicked = self.outcome(errors=2 * self.ERRORS + "rumpk: panic: fault\n")
        self.assertEqual((panicked.kernel_faults, panicked.wrong is None), (1, False))


class Console(unittest.TestCase):
    """The same of the console's driver."""

    ERRORS = "rumpk: cell bad: fiber bad: load page fault; the cell ends\nrumpk: cell bad: restart 1 of 2, after 0 us\n"

    def outcome(self, lives=2, code=7, came=b"all of it", errors=2 * ERRORS):
        return inject.console_outcome(lives, code, b"all of it", came, errors)

    def test_good(self):
        done = self.outcome()
        self.assertEqual((done.injected, done.messages, done.kinds, done.kernel_faults, done.lost, done.wrong),
                         (2, 9, {"load page fault": 2}, 0, 0, None))

    def test_what_is_wrong(self):
        self.assertIn("2 restarts in 3 lives", self.outcome(lives=3).wrong)
        self.assertIn("code 0", self.outcome(code=0).wrong)
        for came, same in ((b"all of i", 8), (b"all off it", 6), (b"all of it ", 9)):
            lost = self.outcome(came=came)
            self.assertEqual(lost.lost, 1)
            self.assertIn(f"the same up to {same}", lost.wrong)
        self.assertEqual(self.outcome(errors=2 * self.ERRORS + "rumpk: panic: fault\n").kernel_faults, 1)
        self.assertIsNotNone(self.outcome(errors=2 * self.ERRORS + "rumpk: 80 bytes of the kernel's own were lost: x\n").wrong)


if __name__ == "__main__":
    unittest.main()
