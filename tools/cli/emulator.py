# SPDX-License-Identifier: Apache-2.0
"""Runs one image in an emulator, behind a framed serial line.

The emulator gets three pipes and a session of its own: it never sees the
terminal, so it cannot change it, and Ctrl-C reaches us alone. A pipe, because
one byte a write costs a stream socket a whole buffer each; what our reader does
not take stays in the pipe, then in the emulator's UART, then in the guest.

It dies with us, even when we are killed: the kernel sends it SIGKILL.
"""

import os
import select
import subprocess
import time

from . import backtrace, framing, session
from .session import CHUNK, EXIT_EMULATOR, EXIT_PANIC, EXIT_PIPE, EXIT_TIMEOUT, EXIT_USAGE, PENDING_MAX, poll, say

BOOT_SECONDS = 20.0  # until the first frame
END_SECONDS = 5.0  # from the exit frame, or the last word of a panic, to the emulator's end
TAIL = 4096  # bytes of firmware and emulator text kept for a failure's message
TAIL_LINES = 12


def last_lines(data):
    lines = [line.rstrip() for line in data.replace(b"\r", b"").split(b"\n")]
    return [line for line in lines if line][-TAIL_LINES:]


class Line(session.Run):
    """One run in an emulator."""

    def __init__(self, command, options, signals):
        super().__init__(options, signals)
        self.decoder = framing.Decoder()
        self.text = backtrace.Filter(options.symbols)
        self.firmware = b""  # the last of it
        self.emulator_text = b""
        self.input = memoryview(b"")  # encoded, not yet in the pipe
        self.input_open = True  # our stdin may hold more
        self.broken = None  # what is wrong with the line
        self.process = session.start(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self.to, self.line, self.errors = (
            stream.fileno() for stream in (self.process.stdin, self.process.stdout, self.process.stderr)
        )
        for fd in (self.to, self.line, self.errors):
            os.set_blocking(fd, False)
        self.boot_deadline = None if options.debugged else time.monotonic() + BOOT_SECONDS
        self.end_deadline = None
        self.open = {self.line, self.errors}

    # --- The loop -----------------------------------------------------------------------------

    def run(self):
        """Until the emulator has ended and everything is written; the exit code."""
        while self.line in self.open or self.output.bytes:
            ready = poll(self._interest(), self._wait())
            self.check_signals()
            self.monitor.handle(ready)
            if self.errors in ready:
                self._read_errors()
            if self.line in ready:
                self._read_line()
            if 0 in ready:
                self._read_input()
            if self.to in ready:
                self._write_input()
            if self.output.waits_for() in ready:
                self.output.write()
            code = self._limits()
            if code is not None:
                return code
        return self._verdict()

    def _interest(self):
        """descriptor -> events"""
        wanted = self.monitor.interest()
        if self.stopping is None:
            wanted[self.signals.fd] = select.POLLIN
        if self.output.bytes < PENDING_MAX:
            for fd in self.open:
                wanted[fd] = select.POLLIN
        waiting = self.output.waits_for()
        if waiting is not None:
            wanted[waiting] = select.POLLOUT
        if self.decoder.framed and self.decoder.exit_code is None and self.line in self.open:
            if not self.input and self.monitor.requests:
                self.input = memoryview(framing.encode_request(self.monitor.requests))
                self.monitor.requests = b""
            if self.input:
                wanted[self.to] = select.POLLOUT
            elif self.input_open and self.decoder.wanted and self.stopping is None:
                wanted[0] = select.POLLIN
        return wanted

    def _wait(self):
        deadlines = [at for at in (self.deadline, self.boot_deadline, self.end_deadline) if at is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _limits(self):
        now = time.monotonic()
        if self.deadline is not None and now >= self.deadline:
            return None if self.stop(EXIT_TIMEOUT) else self._timed_out()
        if self.boot_deadline is not None and now >= self.boot_deadline:
            self.kill()
            return self._did_not_boot(f"the image said nothing within {BOOT_SECONDS:g} s of its start")
        if self.end_deadline is not None and now >= self.end_deadline and self.line in self.open:
            self.kill()
            self.open.clear()
        return None

    # --- The line -----------------------------------------------------------------------------

    def _read_line(self):
        try:
            data = os.read(self.line, CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.open.discard(self.line)
            return
        try:
            pieces = self.decoder.feed(data)
        except framing.LineError as error:
            self.broken = str(error)
            pieces = error.pieces
        for channel, piece in pieces:
            self._show(channel, piece)
        if self.decoder.framed:
            self.boot_deadline = None
        if self.decoder.exit_code is not None or self.decoder.panicked:
            self.end_deadline = time.monotonic() + END_SECONDS
        if self.broken:
            self.kill()
            self.open.clear()

    def _show(self, channel, piece):
        if channel == framing.TELEMETRY:
            if not self.monitor.feed(piece):
                self.broken = self.broken or self.monitor.broken
            return
        if channel == framing.KERNEL:
            self.output.put(2, self.text.feed(piece))
            return
        self.output.put(2, self.text.flush())
        if channel == framing.STDOUT:
            self.output.put(1, piece)
        elif channel == framing.STDERR:
            self.output.put(2, piece)
        else:
            self.firmware = (self.firmware + piece)[-TAIL:]
            if self.options.verbose:
                self.output.put(2, piece.replace(b"\r", b""))

    def _read_errors(self):
        try:
            data = os.read(self.errors, CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.open.discard(self.errors)
        elif self.options.verbose:
            self.output.put(2, data)
        else:
            self.emulator_text = (self.emulator_text + data)[-TAIL:]

    def _read_input(self):
        try:
            data = os.read(0, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # no standard input at all
            data = b""
        if data:
            self.input = memoryview(framing.encode(data))
        else:
            self.input_open = False
            self.input = memoryview(framing.END_OF_INPUT)

    def _write_input(self):
        try:
            self.input = self.input[os.write(self.to, self.input) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # it has ended; the line's end says the rest
            self.input, self.input_open = memoryview(b""), False

    # --- The end ------------------------------------------------------------------------------

    def kill(self):
        self.process.kill()

    def listens(self):
        return self.decoder.framed and self.decoder.exit_code is None and not self.decoder.panicked

    def _timed_out(self):
        self.kill()
        self.output.put(2, self.text.flush())
        if self.stopping not in (None, EXIT_TIMEOUT):
            return self.stopping
        limit = f"time-out: no end within {self.options.timeout:g} s"
        if not self.decoder.framed:
            self._did_not_boot(limit + ", and the image did not come up")
        else:
            self.output.say(limit + "; the machine was stopped")
        return EXIT_TIMEOUT

    def _did_not_boot(self, what):
        """Says it with the last lines that anyone else said."""
        self.output.say(what)
        firmware = b"" if self.options.verbose else self.firmware
        for title, data in (("firmware", firmware), ("emulator", self.emulator_text)):
            lines = last_lines(data)
            if lines:
                self.output.say(f"the last lines of the {title}:")
            for line in lines:
                self.output.put(2, b"    " + line + b"\n")
        return EXIT_EMULATOR

    def _verdict(self):
        """The line has ended, or was ended."""
        self.output.put(2, self.text.flush())
        code = self.decoder.exit_code
        if self.stopping is not None:
            return self._timed_out()
        if self.broken:
            self.output.say(f"{self.broken}; the machine was stopped")
            return EXIT_EMULATOR
        if self.decoder.panicked or code == EXIT_PANIC:
            self._show_refusal()
            return EXIT_PANIC
        if code is not None and code <= session.EXIT_APPLICATION_MAX:
            return code
        if code is not None:
            self.output.say(f"the image ended with code {code}, which means nothing (abi/console.h)")
            return EXIT_EMULATOR
        status = self._ended()
        if self.errors in self.open:
            self._read_errors()
        if self.decoder.framed:
            return self._did_not_boot(f"the emulator {status} before the image said how it ended")
        if self.process.returncode == EXIT_PANIC and self._show_refusal():
            return EXIT_PANIC
        return self._did_not_boot(f"the emulator {status}, and the image did not come up")

    def _show_refusal(self):
        """What is wrong before there are frames, a kernel says in plain lines behind the firmware's. Where the machine
        carries no exit code, a frame of it follows."""
        lines = [line for line in last_lines(self.firmware) if line.startswith(b"rumpk: ")]
        if not self.options.verbose:
            self.output.put(2, b"".join(line + b"\n" for line in lines))
        return bool(lines)

    def _ended(self):
        try:
            return session.describe(self.process.wait(END_SECONDS))
        except subprocess.TimeoutExpired:
            self.kill()
            return "closed the serial line"

    def close(self):
        """No emulator stays behind, and what was still to be said is said, if anyone listens."""
        if self.process.poll() is None and self.decoder.exit_code is not None:
            try:
                self.process.wait(0.5)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        limit = time.monotonic() + 1
        try:
            while self.output.bytes and time.monotonic() < limit:
                if poll({self.output.waits_for(): select.POLLOUT}, 0.1):
                    self.output.write()
        except OSError:
            pass


def emulate(command, options, signals):
    """Boots an image in an emulator; the exit code of `rumpk run`."""
    line = None
    try:
        line = Line(command, options, signals)
        return line.run()
    except FileNotFoundError:
        say(f"{command[0]} is not installed; ./rumpk setup installs it")
        return EXIT_USAGE
    except BrokenPipeError:
        return EXIT_PIPE
    except OSError as error:
        say(f"cannot write standard output: {error.strerror}")
        return EXIT_EMULATOR
    finally:
        if line:
            line.close()
