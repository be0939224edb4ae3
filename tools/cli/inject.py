# SPDX-License-Identifier: Apache-2.0
"""Faults by the thousand: the end of tests/apps/inject that is outside of the machine. It feeds a cell that ends again and
again, and holds it to what its messages say: nothing that was released is lost or comes twice, every end is reported as
what it was, and followed by one restart.

    python3 tools/cli/inject.py --machine qemu-riscv64-cells --faults 1000000 --seed 7

With -driver behind a machine's name it is a driver that ends (tests/apps/rng-bad), and the application beside it looks
after its messages itself. With -console it is the console's (tests/apps/uart-bad), and what comes back is held to be what
was sent.
"""

import argparse
import os
import random
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter, deque
from pathlib import Path
from typing import NamedTuple

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "tools.cli"

from . import common, image, machines, scenarios

APP = "inject"
DRIVER, DRIVERS_APP = "-driver", "rng-bad"
CONSOLE, CONSOLES_APP = "-console", "uart-bad"
CONSOLES_OTHER_APP = {"qemu-aarch64": "uart-bad-arm"}  # it has another port
CONSOLES_BYTES = 2500  # of input for each life, so that all come to their ends
DRIVERS_EMULATOR = "-device virtio-rng-device"
WINDOW = 4096  # bytes under way at most: what is dropped after a life that spoils its rings
LONGEST = 300  # bytes written at once
SILENCE = 60  # seconds without a word are a hang
STEPS = 4  # of a message: looked at, said, released, said

# A life's kind -> what the kernel has to say of its end; "": nothing.
REPORTS = {
    "load": r"fiber inject: .*; the cell ends",
    "store": r"fiber inject: .*; the cell ends",
    "jump": r"fiber inject: .*; the cell ends",
    "illegal": r"fiber inject: .*; the cell ends",
    "privileged": r"fiber inject: .*; the cell ends",
    "misaligned": r"fiber inject: .*; the cell ends",
    "stack": r"fiber inject: stack overflow, .*; the cell ends",
    "pledge": r"fiber inject broke its pledge with random; the fiber ends",
    "budget": r"fiber runaway used up three times its budget runaway, \d+ us; the fiber ends",
    "hang": r"fiber inject: no call for 250 ms; the cell ends",
    "other-hang": r"fiber other: no call for 250 ms; the cell ends",
    "exit": "",
    "other-load": r"fiber other: .*; the cell ends",
    "other-stack": r"fiber other: stack overflow, .*; the cell ends",
    "other-halt": "",
    "rings": r"fiber inject: .*; the cell ends",
    "any-time": r"(fiber killer: .*; the cell ends)?",
}
# Where this machine stops the emulated one for long, time passes there and nothing runs: the heartbeat is first.
_STOPPED = r"fiber runaway: no call for 250 ms; the cell ends"
_SAID = re.compile(rb"\x01([BTRCYSX]) (\d+)(?: ([^\n\x01]*))?\n")
_REPORT = re.compile(r"rumpk: cell inject: (.*)")
_RESTART = re.compile(r"restart 1 of \d+, after 0 us")


class Wrong(Exception):
    """What must not happen did."""


class Lost(Wrong):
    """To a message."""


class Panicked(Wrong):
    """The kernel did."""


class Checker:
    """What was sent, what the cell says, and what must be so. Knows no pipes."""

    def __init__(self, lives, noise):
        self.lives = lives
        self.noise = noise
        self.life, self.kind, self.steps = 0, None, 0
        self.taken = Counter()  # T and R of this life
        self.said = 0  # bytes of the message that is said to be looked at and not to be released
        self.owed = b""  # bytes that were sent and may come
        self.at = {0}  # where in them the next message may begin: two places, where nobody saw whether one was released
        self.spoilt = False  # this life says nothing that counts any more
        self.mark = None  # the life that has to find its mark before it is sent anything else
        self.known = None  # what the first survey found
        self.kinds, self.exempt, self.dropped, self.messages = Counter(), 0, 0, 0
        self.restarts = 0
        self.stopped = 0  # lives that the heartbeat has ended in place of their budget
        self.ended, self.reports, self.report = deque(), deque(), []
        self._text, self._errors = b"", ""

    # --- What it is sent ------------------------------------------------------------------------

    def more(self):
        """Input to be sent now; b"": none."""
        if self.mark is not None or len(self.owed) >= WINDOW:
            return b""
        data = self.noise.randbytes(self.noise.randint(1, LONGEST))
        self.owed += data
        return data

    # --- What it says ---------------------------------------------------------------------------

    def output(self, data):
        """Takes standard output. Returns input that has to be sent at once."""
        self._text += data
        answer = b""
        at = 0
        while True:
            if self.spoilt:  # all is noise up to the next life's first word
                found = self._text.find(b"\x01B %d " % (self.life + 1), at)
                if found < 0:
                    kept = max(at, len(self._text) - 32)
                    self.exempt += kept - at
                    at = kept
                    break
                self.exempt += found - at
                at = found
            end = self._text.find(b"\n", at)
            if end < 0:
                break
            line = self._text[at : end + 1]
            said = _SAID.fullmatch(line)
            if not said:
                raise Wrong(f"life {self.life} ({self.kind}) said {line!r}")
            at = end + 1
            answer += self._line(said[1].decode(), int(said[2]), (said[3] or b"").decode().split())
        self._text = self._text[at:]
        return answer

    def _line(self, letter, life, words):
        if letter == "B":
            return self._begin(life, words)
        if life != self.life:
            raise Wrong(f"life {life} speaks in life {self.life}")
        if letter == "T":
            self._take(int(words[0]), int(words[1]))
        elif letter == "R":
            if not self.said:
                raise Wrong(f"life {life} released what it did not take")
            self.taken["R"] += 1
            self.messages += 1
            self._go_to({at + self.said for at in self.at})
            self.said = 0
        elif letter == "C":
            self._reached()
            self.spoilt = True
        elif letter == "Y":
            if self.mark != life:
                raise Wrong(f"life {life} found a mark that nobody sent")
            self.mark = None
            self.dropped += int(words[0])
        elif letter == "S":
            self.known = self.known or words
            if words != self.known:
                raise Wrong(f"life {life} has {words} of fibers, pages, memory, allocations, and an earlier one had {self.known}")
        else:
            raise Wrong(f"life {life} ({self.kind}): {' '.join(words)}")
        return b""

    def _begin(self, life, words):
        if life != self.life + 1:
            raise Wrong(f"life {life} follows life {self.life}")
        spoilt = False
        if self.life:
            self._end()
            spoilt = self.kind == "rings"
        self.life, self.kind, self.steps = life, words[0], int(words[1])
        if (life > self.lives) != (self.kind == "last"):
            raise Wrong(f"life {life} of {self.lives} is {self.kind}")
        self.taken.clear()
        self.said = 0
        self.spoilt = False
        if not spoilt:
            return b""
        self.owed, self.at = b"", {0}
        self.mark = life
        return b"<%014d>" % life

    def _take(self, length, crc):
        if self.said:
            raise Wrong(f"life {self.life} took a message and had not released one")
        places = {at for at in self.at if zlib.crc32(self.owed[at : at + length]) == crc}
        if not places:
            elsewhere = [at for at in range(len(self.owed)) if zlib.crc32(self.owed[at : at + length]) == crc]
            raise Lost(f"life {self.life} took {length} bytes that are not at {sorted(self.at)} but at {elsewhere} of "
                       f"the {len(self.owed)} that it had not released: lost or repeated")
        self._go_to(places)
        self.taken["T"] += 1
        self.said = length

    def _go_to(self, places):
        first = min(places)
        self.owed = self.owed[first:]
        self.at = {at - first for at in places}

    def _reached(self):
        """A life that ends after so many steps has said just that of them."""
        whole, further = divmod(self.steps, STEPS)
        wanted = Counter(T=whole + (further > 1), R=whole)
        if +wanted != +self.taken:
            raise Lost(f"life {self.life} ({self.kind}) was to end after {self.steps} steps, and said {dict(self.taken)}")
        return further

    def _end(self):
        self.kinds[self.kind] += 1
        self.ended.append((self.life, self.kind))
        self._match()
        if self.spoilt:
            return
        if self.kind == "rings":
            raise Wrong(f"life {self.life} ended before it could spoil its rings")
        if self.kind == "any-time":
            if self.said:
                self.at |= {at + self.said for at in self.at}
        elif self._reached() == STEPS - 1:  # released, and nothing said of it
            self._go_to({at + self.said for at in self.at})

    # --- What the kernel says of it -------------------------------------------------------------

    def errors(self, data):
        self._errors += data.decode(errors="replace")
        *lines, self._errors = self._errors.split("\n")
        for line in lines:
            if "panic" in line:
                raise Panicked(f"the kernel: {line}")
            found = _REPORT.search(line)
            if not found:
                continue
            if _RESTART.fullmatch(found[1]):
                self.restarts += 1
                self.reports.append("; ".join(self.report))
                self.report = []
                self._match()
            else:
                self.report.append(found[1])

    def _match(self):
        """Each end with what was said of it, whichever came first."""
        while self.ended and self.reports:
            (life, kind), report = self.ended.popleft(), self.reports.popleft()
            if kind == "budget" and re.fullmatch(_STOPPED, report):
                self.stopped += 1
            elif not re.fullmatch(REPORTS[kind], report):
                raise Wrong(f"of life {life} ({kind}) the kernel says {report!r}")

    def finish(self, code):
        if self.stopped > 2 + self.kinds["budget"] // 10:
            raise Wrong(f"{self.stopped} of {self.kinds['budget']} used up their budget and went on until their heartbeat")
        if code != 0 or self.kind != "last":
            raise Wrong(f"the machine ended with {code} in life {self.life} ({self.kind})")
        injected = sum(self.kinds.values())
        if (injected, self.restarts) != (self.lives, self.lives) or self.ended or self.reports or self.report:
            raise Wrong(f"{injected} ends and {self.restarts} restarts in {self.lives} lives; left: {self.report}")


class Outcome(NamedTuple):
    injected: int
    messages: int
    dropped: int  # bytes of input that a life had under way when it spoilt its rings
    exempt: int  # bytes of output that such a life wrote
    kinds: dict
    seconds: float
    kernel_faults: int
    lost: int  # messages, or repeated: 1 is the first, at which the run ends
    wrong: str | None

    def line(self):
        return (f"{self.injected} faults in {self.seconds:.0f} s, {self.messages} messages; of lives that spoilt their rings "
                f"{self.exempt} bytes of output and {self.dropped} of input do not count; "
                + ", ".join(f"{kind} {count}" for kind, count in sorted(self.kinds.items())))


def packed(preset, folder):
    """The image, with a kernel that a scenario would have; without symbols, which nobody asks for a hundred thousand times."""
    machine = machines.load(preset.removesuffix(scenarios.CELLS).removesuffix("-asan"))
    scenario = scenarios.Scenario(APP, machine, preset, {"app": APP, "manifest": {}, "expect": {}})
    try:
        path = scenarios.repacked(scenario, folder)
    except (OSError, image.ImageError) as error:
        raise scenarios.Failure(f"{APP} for {preset}: {error}") from None
    for suffix in (".elf", ".kernel.elf"):
        path.with_suffix(suffix).unlink()
    return machine, path


def application(preset):
    """Whose image is needed."""
    if preset.endswith(CONSOLE):
        return CONSOLES_OTHER_APP.get(preset.removesuffix(CONSOLE), CONSOLES_APP)
    return DRIVERS_APP if preset.endswith(DRIVER) else APP


def built(preset):
    """The folder in build/ where that image is."""
    return preset.removesuffix(scenarios.CELLS).removesuffix(DRIVER).removesuffix(CONSOLE)


def run_whole(preset, lives, options, arguments, **given):
    """The image of `preset`, to its end."""
    name = built(preset)
    with tempfile.TemporaryDirectory(prefix="rumpk-inject-") as folder:
        path = shutil.copy(common.BUILD / name / "images" / f"{application(preset)}.img", folder)  # without symbols: as in packed
        command = [sys.executable, str(common.ROOT / "rumpk"), "run", path, "--machine", name, *options,
                   "--timeout", str(SILENCE + lives), "--", *arguments]
        return subprocess.run(command, capture_output=True, check=False, **given)


def run_driver(preset, lives, seed):
    """The same of a driver: its client counts its answers, and says so at its end."""
    begun = time.monotonic()
    done = run_whole(preset, lives, ["--emulator-args", DRIVERS_EMULATOR], ["lives", str(lives), str(seed)], stdin=subprocess.DEVNULL)
    return driver_outcome(lives, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"),
                          time.monotonic() - begun)


def run_console(preset, lives, seed):
    """The same of the console's driver."""
    begun = time.monotonic()
    sent = random.Random(seed).randbytes(CONSOLES_BYTES * lives)
    done = run_whole(preset, lives, [], ["echo", "0", str(lives), str(seed)], input=sent)
    return console_outcome(lives, done.returncode, sent, done.stdout, done.stderr.decode(errors="replace"), time.monotonic() - begun)


def console_outcome(lives, code, sent, came, errors, seconds=0.0):
    restarts = len(re.findall(r"^rumpk: cell bad: restart 1 of \d+, after 0 us$", errors, re.MULTILINE))
    kinds = Counter(re.findall(r"^rumpk: cell bad: fiber [^:]+: (.*); the cell ends$", errors, re.MULTILINE))
    panicked, lost = int("panic" in errors), int(came != sent)
    wrong = None
    if panicked or lost or code != 7 or restarts != lives or "were lost" in errors:
        same = next((at for at, (one, other) in enumerate(zip(sent, came)) if one != other), min(len(sent), len(came)))
        wrong = (f"{restarts} restarts in {lives} lives, code {code}; {len(came)} of {len(sent)} bytes, the same up to {same}\n"
                 f"{errors[-_Last.KEPT:]}")
    return Outcome(restarts, len(came), 0, 0, dict(kinds), seconds, panicked, lost, wrong)


def driver_outcome(lives, code, output, errors, seconds=0.0):
    answers = re.search(r"^(\d+) answers, \d+ twice$", output, re.MULTILINE)
    restarts = len(re.findall(r"^rumpk: cell virtio-rng: restart 1 of \d+, after 0 us$", errors, re.MULTILINE))
    kinds = Counter(re.findall(r"^rumpk: cell virtio-rng: fiber [^:]+: (.*); the cell ends$", errors, re.MULTILINE))
    panicked, lost = int("panic" in errors), int("FAILED" in output)
    wrong = None
    if panicked or lost or code != 0 or not answers or restarts != lives:
        wrong = f"{restarts} restarts in {lives} lives, code {code}\nstandard output: {output[-600:]!r}\n{errors[-_Last.KEPT:]}"
    return Outcome(restarts, int(answers[1]) if answers else 0, 0, 0, dict(kinds), seconds, panicked, lost, wrong)


def run(preset, lives, seed):
    """On one machine, `lives` ends."""
    if preset.endswith(DRIVER):
        return run_driver(preset, lives, seed)
    if preset.endswith(CONSOLE):
        return run_console(preset, lives, seed)
    with tempfile.TemporaryDirectory(prefix="rumpk-inject-") as folder:
        machine, path = packed(preset, folder)
        checker = Checker(lives, random.Random(seed))
        command = [sys.executable, str(common.ROOT / "rumpk"), "run", str(path), "--machine", machine.name, "--", str(seed), str(lives)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        begun, wrong, last = time.monotonic(), None, _Last()
        try:
            _talk(process, checker, last)
            checker.finish(process.wait(SILENCE))
        except (Wrong, subprocess.TimeoutExpired) as error:
            wrong = error
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        return Outcome(sum(checker.kinds.values()), checker.messages, checker.dropped, checker.exempt, dict(checker.kinds),
                       time.monotonic() - begun, int(isinstance(wrong, Panicked)), int(isinstance(wrong, Lost)),
                       f"{wrong}\n{last}" if wrong else None)


class _Last:
    """The end of what was said, for a failure."""

    KEPT = 4000

    def __init__(self):
        self.output = self.errors = b""

    def __str__(self):
        return f"standard output: {self.output[-600:]!r}\n{self.errors.decode(errors='replace')}"


def _talk(process, checker, last):
    to, out, err = (stream.fileno() for stream in (process.stdin, process.stdout, process.stderr))
    for fd in (to, out, err):
        os.set_blocking(fd, False)
    waiting, reading = b"", {out, err}
    while reading:
        if not waiting and checker.kind != "last":
            waiting = checker.more()
        ready = select.select(reading, [to] if waiting and out in reading else [], [], SILENCE)
        if not any(ready):
            raise Wrong(f"nothing came for {SILENCE} s")
        if ready[1]:
            try:
                waiting = waiting[os.write(to, waiting) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                waiting = b""
        for fd in ready[0]:
            data = os.read(fd, 1 << 16)
            if not data:
                reading.discard(fd)
            elif fd == out:
                last.output = (last.output + data)[-last.KEPT :]
                waiting += checker.output(data)
            else:
                last.errors = (last.errors + data)[-last.KEPT :]
                checker.errors(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machine", default="qemu-riscv64-cells")
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    outcome = run(args.machine, args.faults, args.seed)
    print(outcome.line())
    if outcome.wrong:
        print(outcome.wrong)
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
