# SPDX-License-Identifier: Apache-2.0
"""The side of a run that others ask: it passes `./rumpk top`'s questions to the machine and its answers back,
and keeps the trace.

A run listens on a socket in a folder of the user's own. Who connects sends one letter a question and gets a
line of JSON for each.
"""

import os
import select
import socket
import stat
from pathlib import Path

from . import telemetry

ASKERS_MAX = 8


def folder():
    """Where runs listen: nobody else's, and nobody else can look in. None: there is no such place."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    for path in ([Path(runtime, "rumpk")] if runtime else []) + [Path("/tmp", f"rumpk-{os.getuid()}")]:
        try:
            path.mkdir(mode=0o700, exist_ok=True)
            found = path.lstat()
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return path
    return None


def as_json(name, machine, report):
    return {
        "application": name, "machine": machine, "pid": os.getpid(), "cores": report.system.cores,
        "uptime_ns": report.system.uptime_ns, "memory_unused": report.system.memory_unused,
        "fibers": [{key: value for key, value in fiber._asdict().items() if key != "number"} for fiber in report.fibers],
        "cells": [cell._asdict() for cell in report.cells],
    }


class Monitor:
    """Beside a run's loop, which polls what interest() says and calls handle() with what is ready. `requests` holds
    letters for the machine; the loop takes them."""

    def __init__(self, name="", machine="", events=0):
        self.name, self.machine = name, machine
        self.events = events  # that the machine keeps for the trace; 0: none is wanted
        self.trace = None  # the report that came with the traces
        self.broken = None  # what is wrong with what the machine said
        self.requests = b""
        self._parser = telemetry.Parser()
        self._askers = {}  # descriptor -> (socket, bytes to send)
        self._waiting = set()  # descriptors whose question is with the machine
        self._listener = self._path = None

    def listen(self):
        """Where it cannot be listened nobody can ask, and the run goes on."""
        place = folder()
        if place is None:
            return
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        path = place / f"{os.getpid()}.socket"
        try:
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            listener.listen(ASKERS_MAX)
        except OSError:
            listener.close()
            return
        self._listener, self._path = listener, path

    def close(self):
        for asker, _ in self._askers.values():
            asker.close()
        if self._listener:
            self._listener.close()
            self._path.unlink(missing_ok=True)
        self._askers, self._listener = {}, None

    def feed(self, piece):
        """Telemetry from the machine. False: it made no sense, and nothing more is taken."""
        if self.broken:
            return False
        try:
            for report in self._parser.feed(piece):
                self._answer(report)
        except telemetry.TelemetryError as error:
            self.broken = f"the machine reports {error}"
        return not self.broken

    def what_is_missing(self):
        """Why there is no trace, for people."""
        if self.broken:
            return self.broken
        return "it was cut off on its way" if self._parser.unfinished() else "the machine did not send it"

    def _answer(self, report):
        if report.traces:
            self.trace = report
            return
        import json  # no run needs it that nobody asks

        line = json.dumps(as_json(self.name, self.machine, report)).encode() + b"\n"
        for fd in self._waiting & self._askers.keys():
            asker, pending = self._askers[fd]
            self._askers[fd] = (asker, pending + line)
        self._waiting.clear()

    # --- Those who ask ------------------------------------------------------------------------

    def interest(self):
        wanted = {fd: select.POLLIN | (select.POLLOUT if pending else 0) for fd, (_, pending) in self._askers.items()}
        if self._listener and len(self._askers) < ASKERS_MAX:
            wanted[self._listener.fileno()] = select.POLLIN
        return wanted

    def handle(self, ready):
        if self._listener and self._listener.fileno() in ready:
            try:
                asker, _ = self._listener.accept()
                asker.setblocking(False)
                self._askers[asker.fileno()] = (asker, b"")
            except OSError:
                pass  # gone again
        for fd in [fd for fd in self._askers if fd in ready]:
            self._serve(fd)

    def _serve(self, fd):
        asker, pending = self._askers[fd]
        try:
            if pending:
                pending = pending[asker.send(pending) :]
                self._askers[fd] = (asker, pending)
            asked = asker.recv(64)
        except BlockingIOError:
            return
        except OSError:
            asked = b""
        if not asked:
            asker.close()
            del self._askers[fd]
            self._waiting.discard(fd)
        elif not self._waiting:
            self.requests += telemetry.REPORT
        if asked:
            self._waiting.add(fd)
