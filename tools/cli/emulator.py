# SPDX-License-Identifier: Apache-2.0
"""Runs one image: in an emulator, behind a framed serial line, or as a process.

The emulator gets three pipes and a session of its own: it never sees the
terminal, so it cannot change it, and Ctrl-C reaches us alone. A pipe, because
one byte a write costs a stream socket a whole buffer each; what our reader does
not take stays in the pipe, then in the emulator's UART, then in the guest.

It dies with us, even when we are killed: the kernel sends it SIGKILL.
"""

import os
import select
import signal
import stat
import subprocess
import time
from collections import deque
from typing import NamedTuple

from . import backtrace, framing

# enum rumpk_exit of abi/console.h.
EXIT_APPLICATION_MAX = 123
EXIT_TIMEOUT = 124
EXIT_EMULATOR = 125
EXIT_PANIC = 126
EXIT_USAGE = 127
EXIT_PIPE = 128 + signal.SIGPIPE

CHUNK = 1 << 18
BOOT_SECONDS = 20.0  # until the first frame; ten times what the slowest host took
END_SECONDS = 5.0  # from the exit frame, or the last word of a panic, to the emulator's end
PENDING_MAX = 1 << 20  # bytes that wait for our readers; above it the line is not read
TAIL = 4096  # bytes of firmware and emulator text kept for a failure's message
TAIL_LINES = 12


class Options(NamedTuple):
    timeout: float | None = None  # seconds
    verbose: bool = False
    debugged: bool = False  # a debugger holds the machine: no limit on the boot
    symbols: backtrace.Symbols = backtrace.Symbols(None, None)


class Stopped(BaseException):
    """A signal asked us to end."""

    def __init__(self, number):
        self.number = number


class Signals:
    """SIGINT, SIGTERM and SIGHUP, noted where poll sees them and the loops are in order; a second
    one, should a write be stuck, raises Stopped wherever we are."""

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __enter__(self):
        self.number = None
        self.fd, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._before = {}
        for number in self.NUMBERS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup, or a background job of a plain shell
                self._before[number] = signal.signal(number, self._note)
        self._wakeup_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        return self

    def _note(self, number, _frame):
        if self.number is not None:
            for each in self._before:
                signal.signal(each, signal.SIG_IGN)
            raise Stopped(number)
        self.number = number

    def check(self):
        if self.number is not None:
            raise Stopped(self.number)

    def __exit__(self, *_):
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.fd)
        os.close(self._wake)


def poll(wanted, seconds):
    """Which of the descriptors have what is wanted of them (or an error); waits `seconds`, None: for ever."""
    poller = select.poll()
    for fd, events in wanted.items():
        poller.register(fd, events)
    return {fd for fd, _ in poller.poll(None if seconds is None else int(seconds * 1000) + 1)}


class Terminal:
    """Puts the terminal's settings and our descriptors' flags back, whoever changed them."""

    def __enter__(self):
        import fcntl
        import termios

        self._settings, self._flags = {}, {}
        for fd in (0, 1, 2):
            try:
                self._flags[fd] = fcntl.fcntl(fd, fcntl.F_GETFL)
                if os.isatty(fd):
                    self._settings[fd] = termios.tcgetattr(fd)
            except OSError:
                pass
        return self

    def __exit__(self, *_):
        import fcntl
        import termios

        for fd, flags in self._flags.items():
            if fcntl.fcntl(fd, fcntl.F_GETFL) != flags:
                fcntl.fcntl(fd, fcntl.F_SETFL, flags)
        for fd, settings in self._settings.items():
            try:
                if termios.tcgetattr(fd) != settings:
                    # A background process that sets the terminal is stopped by SIGTTOU.
                    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                    termios.tcsetattr(fd, termios.TCSANOW, settings)
                    signal.signal(signal.SIGTTOU, before)
            except (OSError, termios.error):
                pass  # the terminal has gone


def start(command, **streams):
    """Starts a program that the kernel kills when this process ends."""
    import ctypes

    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def dies_with_us():
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # we were killed before the call
            os._exit(1)

    return subprocess.Popen(command, preexec_fn=dies_with_us, **streams)


def last_lines(data):
    lines = [line.rstrip() for line in data.replace(b"\r", b"").split(b"\n")]
    return [line for line in lines if line][-TAIL_LINES:]


class Output:
    """What waits for our stdout and stderr, in the order it came."""

    def __init__(self):
        self._pending = deque()
        self.bytes = 0
        self._at_once = {}
        self._gone = set()

    def put(self, fd, data):
        if data and fd not in self._gone:
            self._pending.append((fd, memoryview(data)))
            self.bytes += len(data)

    def say(self, text):
        self.put(2, b"rumpk: " + (text if isinstance(text, bytes) else os.fsencode(text)) + b"\n")

    def waits_for(self):
        """The descriptor that must become writable next, or None."""
        return self._pending[0][0] if self._pending else None

    def _limit(self, fd):
        """Bytes that a blocking descriptor takes without blocking once poll called it writable:
        a page in a pipe or a terminal, anything in a file."""
        if fd not in self._at_once:
            self._at_once[fd] = CHUNK if stat.S_ISREG(os.fstat(fd).st_mode) else select.PIPE_BUF
        return self._at_once[fd]

    def write(self):
        """Writes a piece; the descriptor is writable. Raises OSError when stdout fails."""
        fd, data = self._pending.popleft()
        try:
            written = os.write(fd, data[: self._limit(fd)])
        except BlockingIOError:  # someone made it non-blocking
            written = 0
        except OSError:
            self.bytes -= len(data)
            if fd == 1:
                raise
            self._drop(fd)
            return
        self.bytes -= written
        if written < len(data):
            self._pending.appendleft((fd, data[written:]))

    def _drop(self, fd):
        """Nobody reads it any more, and it is not what the run is for."""
        self._gone.add(fd)
        self._pending = deque(item for item in self._pending if item[0] != fd)
        self.bytes = sum(len(data) for _, data in self._pending)


class Line:
    """One run in an emulator."""

    def __init__(self, command, options, signals):
        self.options = options
        self.signals = signals
        self.output = Output()
        self.decoder = framing.Decoder()
        self.text = backtrace.Filter(options.symbols)
        self.firmware = b""  # the last of it
        self.emulator_text = b""
        self.input = memoryview(b"")  # encoded, not yet in the pipe
        self.input_open = True  # our stdin may hold more
        self.broken = None  # what is wrong with the line
        self.process = start(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self.to, self.line, self.errors = (
            stream.fileno() for stream in (self.process.stdin, self.process.stdout, self.process.stderr)
        )
        for fd in (self.to, self.line, self.errors):
            os.set_blocking(fd, False)
        now = time.monotonic()
        self.deadline = now + options.timeout if options.timeout else None
        self.boot_deadline = None if options.debugged else now + BOOT_SECONDS
        self.end_deadline = None
        self.open = {self.line, self.errors}

    # --- The loop -----------------------------------------------------------------------------

    def run(self):
        """Until the emulator has ended and everything is written; the exit code."""
        while self.line in self.open or self.output.bytes:
            ready = poll(self._interest(), self._wait())
            self.signals.check()
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
        wanted = {self.signals.fd: select.POLLIN}
        if self.output.bytes < PENDING_MAX:
            for fd in self.open:
                wanted[fd] = select.POLLIN
        waiting = self.output.waits_for()
        if waiting is not None:
            wanted[waiting] = select.POLLOUT
        if self.decoder.framed and self.decoder.exit_code is None and self.line in self.open:
            if self.input:
                wanted[self.to] = select.POLLOUT
            elif self.input_open:
                wanted[0] = select.POLLIN
        return wanted

    def _wait(self):
        deadlines = [at for at in (self.deadline, self.boot_deadline, self.end_deadline) if at is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _limits(self):
        now = time.monotonic()
        if self.deadline is not None and now >= self.deadline:
            return self._timed_out()
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
        if channel == framing.KERNEL:
            self.output.put(2, self.text.feed(piece))
            return
        self.output.put(2, self.text.flush())
        if channel == framing.STDOUT:
            self.output.put(1, piece)
        elif channel == framing.STDERR:
            self.output.put(2, piece)
        elif self.options.verbose:
            self.output.put(2, piece.replace(b"\r", b""))
        else:
            self.firmware = (self.firmware + piece)[-TAIL:]

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

    def _timed_out(self):
        self.kill()
        self.output.put(2, self.text.flush())
        limit = f"time-out: no end within {self.options.timeout:g} s"
        if not self.decoder.framed:
            self._did_not_boot(limit + ", and the image did not come up")
        else:
            self.output.say(limit + "; the machine was stopped")
        return EXIT_TIMEOUT

    def _did_not_boot(self, what):
        """Says it with the last lines that anyone else said."""
        self.output.say(what)
        for title, data in (("firmware", self.firmware), ("emulator", self.emulator_text)):
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
        if self.broken:
            self.output.say(f"{self.broken}; the machine was stopped")
            return EXIT_EMULATOR
        if self.decoder.panicked or code == EXIT_PANIC:
            return EXIT_PANIC
        if code is not None and code <= EXIT_APPLICATION_MAX:
            return code
        if code is not None:
            self.output.say(f"the image ended with code {code}, which means nothing (abi/console.h)")
            return EXIT_EMULATOR
        status = self._ended()
        if self.errors in self.open:
            self._read_errors()
        if self.decoder.framed:
            return self._did_not_boot(f"the emulator {status} before the image said how it ended")
        return self._did_not_boot(f"the emulator {status}, and the image did not come up")

    def _ended(self):
        try:
            return describe(self.process.wait(END_SECONDS))
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


def describe(status):
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


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


class Process:
    """One run of an image that is a program of this machine. It has our stdin and stdout; its
    stderr comes by way of us, for backtraces."""

    def __init__(self, command, options, signals):
        self.options = options
        self.signals = signals
        self.process = start(command, stderr=subprocess.PIPE)
        self.errors = self.process.stderr.fileno()
        self.ended = os.pidfd_open(self.process.pid)
        self.image = command[0]
        self.base = None
        self.text = backtrace.Filter(options.symbols._replace(kernel_base=lambda: self.base))
        self.output = Output()
        self.deadline = time.monotonic() + options.timeout if options.timeout else None

    def run(self):
        """Until it has ended and its stderr is written; the exit code."""
        reading, running = True, True
        while reading or running or self.output.bytes:
            wanted = {self.signals.fd: select.POLLIN}
            if reading and self.output.bytes < PENDING_MAX:
                wanted[self.errors] = select.POLLIN
            if running:
                wanted[self.ended] = select.POLLIN
            if self.output.bytes:
                wanted[2] = select.POLLOUT
            left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
            ready = poll(wanted, left)
            self.signals.check()
            if self.errors in ready:
                reading = self._read()
            if 2 in ready:
                self.output.write()
            if self.ended in ready:
                running = False
            if left == 0.0:
                say(f"time-out: no end within {self.options.timeout:g} s; the machine was stopped")
                return EXIT_TIMEOUT
        return self._verdict(self.process.wait())

    def _read(self):
        if self.base is None:
            self.base = backtrace.loaded_at(self.process.pid, self.image)
        data = os.read(self.errors, CHUNK)
        self.output.put(2, self.text.feed(data) if data else self.text.flush())
        return bool(data)

    @staticmethod
    def _verdict(status):
        if status == -signal.SIGPIPE:
            return EXIT_PIPE
        if status < 0:
            say(f"the image {describe(status)} before it said how it ended")
            return EXIT_EMULATOR
        return status

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.ended)


def execute(command, options, signals):
    """Executes an image that is a program of this machine; the exit code of `rumpk run`."""
    try:
        run = Process(command, options, signals)
    except OSError as error:
        say(f"cannot start {command[0]}: {error.strerror}")
        return EXIT_USAGE
    try:
        return run.run()
    finally:
        run.close()


def say(text):
    try:
        os.write(2, b"rumpk: " + os.fsencode(text) + b"\n")
    except OSError:
        pass


def hold_standard_descriptors():
    """A descriptor that the shell closed would else be given to the next file we open."""
    while True:
        fd = os.open(os.devnull, os.O_RDONLY)
        if fd > 2:
            os.close(fd)
            return


def guarded(runner, command, options):
    """Runs emulate or execute with the signals and the terminal in order."""
    hold_standard_descriptors()
    with Terminal(), Signals() as signals:
        try:
            return runner(command, options, signals)
        except Stopped as stop:
            return 128 + stop.number
