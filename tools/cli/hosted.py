# SPDX-License-Identifier: Apache-2.0
"""Runs an image that is a program of this machine."""

import os
import select
import signal
import subprocess
import time

from . import backtrace, session
from .session import CHUNK, EXIT_EMULATOR, EXIT_PIPE, EXIT_TIMEOUT, EXIT_USAGE, PENDING_MAX, poll, say


class Process:
    """One run of an image that is a program of this machine. It has our stdin and stdout; its
    stderr comes by way of us, for backtraces."""

    def __init__(self, command, options, signals):
        self.options = options
        self.signals = signals
        # Only while it lives can be seen where it was loaded, which its backtrace needs: before it begins.
        try:
            self.process = session.start(command, held=True, stderr=subprocess.PIPE)
            self.base = backtrace.loaded_at(self.process.pid, command[0])
            session.release(self.process)
        except PermissionError:  # no tracing here, or no such right: the second start says which
            self.process = session.start(command, stderr=subprocess.PIPE)
            self.base = None
        self.errors = self.process.stderr.fileno()
        self.ended = os.pidfd_open(self.process.pid)
        self.text = backtrace.Filter(options.symbols._replace(kernel_base=lambda: self.base))
        self.output = session.Output()
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
        data = os.read(self.errors, CHUNK)
        self.output.put(2, self.text.feed(data) if data else self.text.flush())
        return bool(data)

    @staticmethod
    def _verdict(status):
        if status == -signal.SIGPIPE:
            return EXIT_PIPE
        if status < 0:
            say(f"the image {session.describe(status)} before it said how it ended")
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
