# SPDX-License-Identifier: Apache-2.0
"""What a running image tells about itself (abi/telemetry.h), taken apart. What comes from the machine is
believed in nothing: a length, a number or an order that cannot be is an error with a plain text."""

import struct
from typing import NamedTuple

REPORT, STOP = b"r", b"s"  # requests

_SYSTEM, _FIBER, _END, _TRACE, _CELL = 1, 2, 3, 4, 5
_HEADER = struct.Struct("<II")
_SYSTEM_FORM = struct.Struct("<II11Q")
_FIBER_FORM = struct.Struct("<II IIII QQQ 16s QQ II")
_TRACE_FORM = struct.Struct("<II 4Q")
_CELL_FORM = struct.Struct("<IIQQqQQ32s16s32s")
_LENGTHS = {_SYSTEM: _SYSTEM_FORM.size, _FIBER: _FIBER_FORM.size, _CELL: _CELL_FORM.size, _END: 0}
EVENT = struct.Struct("<QIHBB")
NAME = struct.Struct("<15sB")

CORES_MAX = 8
CELLS_MAX = 7
FIBERS_MAX = 1 << 17  # of one report; the kernel has at most 16,384 of a cell
EVENTS_MAX = 1 << 22  # of one core
TIERS = ("photon", "matter", "gravity", "void")
STATES = ("free", "ready", "running", "waiting")
ENDS = ("", "itself", "fault", "kernel", "heartbeat")  # how a cell has ended last; "": never


_OWNERS = {1, *range(0, 2 * CELLS_MAX, 2)}  # of a fiber: the kernel, or twice its cell's window


class TelemetryError(Exception):
    """What is wrong with what the machine sent."""


class System(NamedTuple):
    cores: int
    uptime_ns: int
    idle_ns: int  # of the boot core, as all that follows
    switches: int
    preemptions: int
    timer_interrupts: int
    timer_empty: int
    device_interrupts: int
    wakes: int
    memory_total: int
    memory_unused: int


class Fiber(NamedTuple):
    number: int  # what trace events call its control block
    kernel: bool
    window: int  # index of its cell's; 0 of the kernel's
    id: int  # 0: the kernel's, or ended
    tier: str
    core: int
    state: str
    switches: int
    run_ns: int  # since times are counted
    name: str
    wake_max_ns: int  # likewise: longest from being woken to running
    counted_since_ns: int
    budget: int  # number of the cell's; 0: none
    strikes: int


class Cell(NamedTuple):
    """One with a supervisor: what became of it."""

    window: int
    name: str
    lives: bool  # false: it has ended, and perhaps begins anew
    restarts: int
    end: str  # of ENDS: the last one, and what follows about it
    ended_ns: int
    code: int  # by itself: with which
    pc: int  # by a fault
    address: int
    what: str
    fiber: str  # who made it end


class CoreTrace(NamedTuple):
    core: int
    sender: bool  # it met the end of the machine
    recorded: int  # events since boot; the rest was overwritten
    raw: int  # raw time when this was sent ...
    ns: int  # ... in nanoseconds since reset
    unit_ns: int  # of 2^32 of raw time
    events: bytes  # whole ones, oldest first


class Report(NamedTuple):
    system: System
    fibers: list
    traces: list  # of CoreTrace; empty: a report that was asked for
    cells: list  # those with a supervisor


class Parser:
    """Takes bytes in pieces of any size; gives whole reports."""

    def __init__(self):
        self._data = bytearray()
        self._system = None
        self._fibers = []
        self._traces = []
        self._cells = []

    def feed(self, piece):
        """The reports that this piece completes. Raises TelemetryError."""
        self._data += piece
        out = []
        at = 0
        while len(self._data) - at >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._data, at)
            self._check(kind, length)
            end = at + _HEADER.size + length
            if len(self._data) < end:
                break
            report = self._message(kind, bytes(self._data[at + _HEADER.size : end]))
            if report:
                out.append(report)
            at = end
        del self._data[:at]
        return out

    def unfinished(self):
        """Something came and what belongs to it did not."""
        return bool(self._data or self._system or self._fibers or self._traces or self._cells)

    def _check(self, kind, length):
        if kind == _TRACE:
            events = length - _TRACE_FORM.size
            if events < 0 or events % EVENT.size or events > EVENTS_MAX * EVENT.size:
                raise TelemetryError(f"a trace of {length} bytes, which cannot be")
        elif kind not in _LENGTHS:
            raise TelemetryError(f"a message of kind {kind}, which there is none of")
        elif length != _LENGTHS[kind]:
            raise TelemetryError(f"a message of kind {kind} with {length} bytes instead of {_LENGTHS[kind]}")

    def _message(self, kind, body):
        if kind == _SYSTEM:
            if self._system:
                raise TelemetryError("a report inside a report")
            size, cores, *rest = _SYSTEM_FORM.unpack(body)
            if size != _SYSTEM_FORM.size or not 1 <= cores <= CORES_MAX:
                raise TelemetryError(f"a machine of {cores} cores")
            self._system = System(cores, *rest[:-1])
        elif kind == _FIBER:
            if not self._system or len(self._fibers) >= FIBERS_MAX:
                raise TelemetryError("a fiber outside of a report, or too many of them")
            self._fibers.append(_fiber(body))
        elif kind == _CELL:
            if not self._system or len(self._cells) >= CELLS_MAX:
                raise TelemetryError("a cell outside of a report, or too many of them")
            self._cells.append(_cell(body))
        elif kind == _TRACE:
            self._traces.append(_trace(body, {trace.core for trace in self._traces}))
        else:
            if not self._system:
                raise TelemetryError("the end of a report that did not begin")
            report = Report(self._system, self._fibers, self._traces, self._cells)
            self._system, self._fibers, self._traces, self._cells = None, [], [], []
            return report
        return None


def text(data):
    """A name as it may be shown: no control characters, whatever the bytes."""
    name = data.split(b"\0")[0].decode(errors="replace")
    return "".join(character if character.isprintable() else "?" for character in name)


def _fiber(body):
    number, owner, size, tier, core, state, identity, switches, run_ns, name, *more = _FIBER_FORM.unpack(body)
    if size != _FIBER_FORM.size - 8 or tier >= len(TIERS) or core >= CORES_MAX or state >= len(STATES) or owner not in _OWNERS:
        raise TelemetryError(f"a fiber of tier {tier} and state {state} on core {core}")
    return Fiber(number, owner == 1, owner // 2, identity, TIERS[tier], core, STATES[state], switches, run_ns, text(name), *more)


def _cell(body):
    window, how, restarts, ended_ns, code, pc, address, what, fiber, name = _CELL_FORM.unpack(body)
    end = how >> 1
    if window >= CELLS_MAX or end >= len(ENDS):
        raise TelemetryError(f"a cell in window {window} that ended in way {end}")
    return Cell(window, text(name), bool(how & 1), restarts, ENDS[end], ended_ns, code, pc, address, text(what), text(fiber))


def _trace(body, known):
    core, sender, recorded, raw, ns, unit_ns = _TRACE_FORM.unpack_from(body)
    events = body[_TRACE_FORM.size :]
    if core >= CORES_MAX or core in known or sender > 1:
        raise TelemetryError(f"a trace of core {core}, or a second one")
    if recorded < len(events) // EVENT.size or not unit_ns:
        raise TelemetryError(f"a trace of core {core} whose numbers contradict each other")
    oldest = recorded % (len(events) // EVENT.size) * EVENT.size if events else 0
    return CoreTrace(core, bool(sender), recorded, raw, ns, unit_ns, events[oldest:] + events[:oldest])
