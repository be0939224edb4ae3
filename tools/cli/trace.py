# SPDX-License-Identifier: Apache-2.0
"""`./rumpk run --trace FILE`: the machine's events as a trace in the Trace Event Format, which ui.perfetto.dev and
chrome://tracing open. One process a machine; a track for each core and for each fiber."""

import os
import stat

from . import common, telemetry

EVENTS_DEFAULT = 16384  # that each core keeps, 16 bytes each
EVENTS_LEAST = 16
EVENTS_MOST = 1 << 20
LAST_LINES = 16  # of a panic
_JSON_BYTES = 160  # that an event takes at least, for the space that is reserved

_SWITCH, _WAKE, _SPAWN, _NAME, _END, _INTERRUPT, _RETURN, _MESSAGE = range(1, 9)
_LEFT = ("yielded", "waits", "overtaken", "interrupted", "ended")
_WOKEN = ("bell", "deadline", "answer")
_SOURCES = ("timer", "device", "message")
_LATE_UNIT = 64  # RUMPK_TRACE_UNIT of abi/telemetry.h
_LATE_MOST = 65535

_PID = 1
_FIBER_TRACKS = 16  # track ids below are the cores'


def events_of(value):
    """--trace-events; ends the command when it is none."""
    if value is None:
        return EVENTS_DEFAULT
    number = int(value) if value.isascii() and value.isdigit() else 0
    if not EVENTS_LEAST <= number <= EVENTS_MOST or number & (number - 1):
        common.fail(f"--trace-events {value}: a power of two from {EVENTS_LEAST} to {EVENTS_MOST}, as {EVENTS_DEFAULT}")
    return number


def boot_option(number):
    return f"rumpk.trace={number.bit_length() - 1:02}"


class File:
    """Where a trace goes. Whether it can be written is found out before anything is started."""

    def __init__(self, path, events, cores):
        self.path = path
        try:
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115
            if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                os.posix_fallocate(self._file.fileno(), 0, events * cores * _JSON_BYTES)
            else:
                self._file.write(b" ")  # which JSON may begin with
        except OSError as error:
            common.fail(f"--trace {path}: {error.strerror}")

    def finish(self, monitor, code):
        """Writes the trace, or why there is none; the exit code of the run."""
        if monitor.trace:
            document = convert(monitor.trace, monitor.name, monitor.machine)
        else:
            common.say(f"no trace in {self.path}: {monitor.what_is_missing()}")
            document = {"traceEvents": [], "otherData": {"error": monitor.what_is_missing()}}
        try:
            view = memoryview(_text(document))
            size = len(view)
            while view:
                view = view[self._file.write(view) :]
            if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                self._file.truncate(size)
            self._file.close()
        except OSError as error:
            common.say(f"the trace cannot be written to {self.path}: {error.strerror}")
            return code or common.EXIT_EMULATOR
        if monitor.trace:
            for line in [*lost_lines(monitor.trace), *(last_lines(monitor.trace) if code == common.EXIT_PANIC else ())]:
                common.say(line)
        return code


def _text(document):
    """JSON with an event a line."""
    import json

    events = ",\n".join(json.dumps(event, separators=(",", ":")) for event in document["traceEvents"])
    rest = {key: value for key, value in document.items() if key != "traceEvents"}
    return ('{"traceEvents":[\n' + events + "\n]," + json.dumps(rest)[1:] + "\n").encode()


def lost_lines(report):
    for trace in report.traces:
        kept = len(trace.events) // telemetry.EVENT.size
        if trace.recorded > kept:
            yield (f"the trace has the last {kept} of {trace.recorded} events of core {trace.core}; "
                   "--trace-events N keeps more")


def last_lines(report):
    """What the core did that met its end, for people."""
    for trace in report.traces:
        if not trace.sender:
            continue
        lives = _Lives(report.fibers)
        yield f"the last events of core {trace.core}:"
        lines = []
        for time, fiber, value, detail, kind in events(trace):
            if kind == _SPAWN:
                lives.spawn(fiber, detail)
            if kind == _NAME:
                lives.all[-1].name = fiber if lives.all else ""
            elif what := _said(kind, lives.of(fiber).name or "a fiber" if fiber else "", value, detail):
                lines.append(f"  {(trace.ns - time) / 1000:10.3f} us before: {what}")
        yield from lines[-LAST_LINES:]


def _said(kind, name, value, detail):
    return {
        _SWITCH: f"switch to {name}" if name else "idle", _WAKE: f"wake of {name} by {_of(_WOKEN, detail)}", _SPAWN: "spawn",
        _END: f"end of {name}", _INTERRUPT: f"interrupt: {_of(_SOURCES, detail)}", _RETURN: "return from the interrupt",
        _MESSAGE: f"message to core {value}",
    }.get(kind)


# --- Conversion -----------------------------------------------------------------------------------


class _Life:
    """One fiber, of those that use a control block one after the other."""

    def __init__(self, track, name, tier, kernel):
        self.track, self.name, self.tier, self.kernel = track, name, tier, kernel


class _Lives:
    """Who is meant by a number in an event: known from SPAWN, or at the end from the report."""

    def __init__(self, fibers):
        self._last = {fiber.number: fiber for fiber in fibers}
        self._now = {}
        self.all = []

    def _add(self, number, name, tier, kernel):
        life = self._now[number] = _Life(_FIBER_TRACKS + len(self.all), name, tier, kernel)
        self.all.append(life)
        return life

    def _is_kernels(self, number):
        """A control block is the kernel's or a cell's for ever."""
        return number in self._last and self._last[number].kernel

    def spawn(self, number, tier):
        return self._add(number, "", telemetry.TIERS[tier] if tier < len(telemetry.TIERS) else "", self._is_kernels(number))

    def of(self, number):
        if number not in self._now:
            last = self._last.get(number)
            # Not spawned within the trace, so the first that is seen here; who uses the block at the end may be another.
            self._add(number, last.name if last else "", last.tier if last else "", self._is_kernels(number))
        return self._now[number]


def events(trace):
    """(time in ns since reset, fiber, value, detail, kind) of each; a NAME's bytes stand in the place of its fiber."""
    for at in range(0, len(trace.events), telemetry.EVENT.size):
        time, fiber, value, detail, kind = telemetry.EVENT.unpack_from(trace.events, at)
        if kind == _NAME:
            yield None, telemetry.text(telemetry.NAME.unpack_from(trace.events, at)[0]), 0, 0, kind
        else:
            yield max(0, trace.ns - ((trace.raw - time) * trace.unit_ns >> 32)), fiber, value, detail, kind


def convert(report, name, machine):
    """The document of a whole report. Events of kinds that this command does not know are counted."""
    lives = _Lives(report.fibers)
    out, other = [], {"machine": machine, "application": name, "unknown_events": 0}
    merged = []
    for trace in report.traces:
        last = 0
        for event in events(trace):
            # A name follows what it belongs to; time never goes back on a core.
            last = max(last, event[0]) if event[0] is not None else last
            merged.append((last, trace.core, event))
    merged.sort(key=lambda item: item[0])  # stable: the order on each core is kept
    cores = {trace.core: _Core(trace.core, lives, out, other) for trace in report.traces}
    for time, core, event in merged:
        cores[core].take(time, *event[1:])
    for core in cores.values():
        core.finish(max((item[0] for item in merged), default=0))
    for trace in report.traces:
        other[f"core_{trace.core}_recorded"] = trace.recorded
        other[f"core_{trace.core}_overwritten"] = trace.recorded - len(trace.events) // telemetry.EVENT.size
    out.sort(key=lambda event: (event["ts"], -event.get("dur", 0)))
    return {"traceEvents": _metadata(name, machine, report, lives) + out, "displayTimeUnit": "ns", "otherData": other}


def _metadata(name, machine, report, lives):
    def named(kind, tid, args):
        return {"ph": "M", "name": kind, "pid": _PID, "tid": tid, "args": args}

    out = [named("process_name", 0, {"name": f"{name or 'image'} on {machine or 'a machine'}"})]
    tracks = [(trace.core, f"core {trace.core}", trace.core) for trace in report.traces]
    order = {tier: (number + 1) << 20 for number, tier in enumerate(telemetry.TIERS)}
    for life in lives.all:
        title = f"{'kernel' if life.kernel else life.tier or 'fiber'}: {life.name or life.track - _FIBER_TRACKS}"
        tracks.append((life.track, title, order.get(life.tier, 0) + life.track))
    for tid, title, index in tracks:
        out.append(named("thread_name", tid, {"name": title}))
        out.append(named("thread_sort_index", tid, {"sort_index": index}))
    return out


class _Core:
    """Turns one core's events into slices, instants and flows."""

    def __init__(self, core, lives, out, other):
        self._core, self._lives, self._out, self._other = core, lives, out, other
        self._running = None  # (life, since)
        self._interrupt = None  # (name, since, args)
        self._woken = {}  # life -> (time, reason, flow id)
        self._spawned = None

    def _emit(self, phase, time, track, name, **more):
        self._out.append({"ph": phase, "name": name, "cat": "rumpk", "pid": _PID, "tid": track, "ts": time / 1000, **more})

    def _slice(self, begin, end, track, name, args):
        self._emit("X", begin, track, name, dur=max(0, end - begin) / 1000, args=args)

    def take(self, time, fiber, value, detail, kind):
        if kind == _NAME:
            if self._spawned:
                self._spawned.name = fiber
            return
        if kind == _SWITCH:
            self._switch(time, fiber, _of(_LEFT, detail))
        elif kind == _WAKE:
            self._wake(time, self._lives.of(fiber), _of(_WOKEN, detail))
        elif kind == _SPAWN:
            self._spawned = self._lives.spawn(fiber, detail)
            self._instant(time, self._spawned.track, "spawn", {"core": self._core})
        elif kind == _END:
            self._instant(time, self._lives.of(fiber).track, "end", {"core": self._core})
        elif kind == _INTERRUPT:
            self._return(time)
            args = ({"late_us": value * _LATE_UNIT / 1000, "or_more": value == _LATE_MOST}, {"line": value})
            self._interrupt = (_of(_SOURCES, detail), time, args[detail] if detail < len(args) else {})
        elif kind == _RETURN:
            self._return(time)
        elif kind == _MESSAGE:
            self._instant(time, self._core, "message", {"to_core": value})
        else:
            self._other["unknown_events"] += 1

    def finish(self, time):
        self._return(time)
        self._leave(time, "the end of the trace")

    def _instant(self, time, track, name, args):
        self._emit("i", time, track, name, s="t", args=args)

    def _return(self, time):
        if self._interrupt:
            name, since, args = self._interrupt
            self._slice(since, time, self._core, f"interrupt: {name}", args)
            self._interrupt = None

    def _leave(self, time, why):
        if self._running:
            life, since, args = self._running
            self._slice(since, time, self._core, life.name or f"fiber {life.track - _FIBER_TRACKS}", {**args, "then": why})
            self._slice(since, time, life.track, "running", {"core": self._core, **args, "then": why})
            self._running = None

    def _switch(self, time, fiber, why):
        self._return(time)
        self._leave(time, why)
        if not fiber:
            return
        life = self._lives.of(fiber)
        args = {}
        if life in self._woken:
            woken, reason, flow = self._woken.pop(life)
            args = {"woken_by": reason, "waited_us": (time - woken) / 1000}
            self._emit("f", time, life.track, "wake", id=flow, bp="e")
        self._running = (life, time, args)

    def _wake(self, time, life, reason):
        args = {"by": reason, "core": self._core}
        if reason == "deadline":
            self._instant(time, self._core, "deadline", args)
        self._instant(time, life.track, "wake", args)
        if life in self._woken:
            return  # the one before was lost with what was overwritten: there is one arrow a run
        if not self._running and not self._interrupt:
            return  # what ran then was overwritten
        waker = self._running[0].track if self._running and not self._interrupt else self._core
        flow = f"{self._core}.{len(self._out)}"
        self._emit("s", time, waker, "wake", id=flow)
        self._woken[life] = (time, reason, flow)


def _of(names, number):
    return names[number] if number < len(names) else str(number)
