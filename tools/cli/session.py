# SPDX-License-Identifier: Apache-2.0
"""What every run has, emulated or not: exit codes, signals, the terminal, and our own outputs."""

import os
import select
import signal
import stat
import subprocess
import time
from collections import deque
from typing import NamedTuple

from . import backtrace, telemetry
from .monitor import Monitor

# enum rumpk_exit of abi/console.h.
EXIT_APPLICATION_MAX = 123
EXIT_TIMEOUT = 124
EXIT_EMULATOR = 125
EXIT_PANIC = 126
EXIT_USAGE = 127
EXIT_PIPE = 128 + signal.SIGPIPE

_PR_SET_PDEATHSIG = 1  # prctl(2)
_PTRACE_TRACEME, _PTRACE_DETACH = 0, 17  # ptrace(2)

CHUNK = 1 << 18
STOP_SECONDS = 5.0  # for a machine that was asked to end, to send its trace
PENDING_MAX = 1 << 20  # bytes that wait for our readers; above it the line is not read


class Options(NamedTuple):
    timeout: float | None = None  # seconds
    verbose: bool = False
    debugged: bool = False  # a debugger holds the machine: no limit on the boot
    symbols: backtrace.Symbols = backtrace.Symbols(None, None)
    monitor: Monitor | None = None  # of those who look at the run


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


def start(command, held=False, **streams):
    """Starts a program that the kernel kills when this process ends. `held`: it stands still once its memory is
    laid out and before its first instruction, until release() is called; OSError where that is not allowed."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def dies_with_us():
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # we were killed before the call
            os._exit(1)
        if held and libc.ptrace(_PTRACE_TRACEME, 0, 0, 0) != 0:
            raise OSError

    try:
        process = subprocess.Popen(command, preexec_fn=dies_with_us, **streams)
    except subprocess.SubprocessError as error:  # what preexec_fn raises
        raise PermissionError("it cannot be traced") from error
    if held:
        # A traced program stops at the end of exec. One that was killed instead is left for Popen to wait for.
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return process


def release(process):
    """Lets a held program go."""
    import ctypes

    if os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG):
        ctypes.CDLL(None).ptrace(_PTRACE_DETACH, process.pid, 0, 0)


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


class Run:
    """What a run has, whatever its image is: who looks at it, its time, and how it is asked to end."""

    def __init__(self, options, signals):
        self.options = options
        self.signals = signals
        self.monitor = options.monitor or Monitor()
        self.output = Output()
        self.stopping = None  # the exit code, once the machine was asked to end
        self.deadline = time.monotonic() + options.timeout if options.timeout else None

    def listens(self):
        """Whether the machine can still be asked for something."""
        return True

    def stop(self, code):
        """Asks the machine to end, if its trace is wanted and it can send it. False: it has to be killed."""
        if not self.monitor.events or self.stopping is not None or not self.listens():
            return False
        self.stopping = code
        self.monitor.requests += telemetry.STOP
        self.deadline = time.monotonic() + STOP_SECONDS
        return True

    def check_signals(self):
        if self.signals.number is not None and self.stopping is None and not self.stop(128 + self.signals.number):
            self.signals.check()


def describe(status):
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


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
