# SPDX-License-Identifier: Apache-2.0
"""Counts guest instructions from outside, with no code for it in the guest.

QEMU records a run (`-icount shift=0,sleep=off,rr=record`) so that it could be replayed: each event from
outside, with the number of instructions since the last one. Each byte that leaves the serial line is an
event, so the recording says after exactly how many instructions since reset each byte was sent. Time spent
waiting is no instruction. The format is that of QEMU 7.2 (replay/replay-internal.h there).
"""

import struct
import subprocess
import tempfile
from pathlib import Path

from . import framing, run, session

VERSION = 0xE0200C  # of the recording's format
SECONDS = 120

_INSTRUCTIONS = 0
_BH, _BH_ONESHOT, _CHAR_READ, _BLOCK = 3, 4, 7, 8
_CHAR_WRITE, _CHAR_READ_ALL, _CHAR_READ_ALL_ERROR, _RANDOM = 0x16, 0x17, 0x18, 0x1B
_CLOCKS = range(0x1C, 0x1E)
_END = 0x27
# Events without anything behind them: interrupt, exception, how the run ended, checkpoints.
_PLAIN = {1, 2, 6, *range(0x0A, 0x16), *range(0x1E, 0x27)}
_SIZES = {_BH: 8, _BH_ONESHOT: 8, _BLOCK: 8, _CHAR_WRITE: 8, _CHAR_READ_ALL_ERROR: 4} | dict.fromkeys(_CLOCKS, 8)


class RecordError(Exception):
    """What is wrong with the recording."""


def sent_bytes(recording):
    """For each byte that the serial line sent, the instructions executed since reset."""
    if len(recording) < 12 or struct.unpack_from(">I", recording)[0] != VERSION:
        raise RecordError("this emulator records in another format than QEMU 7.2's; the count cannot be read")
    at, count, out = 12, 0, []
    while at < len(recording):
        event = recording[at]
        at += 1
        if event == _INSTRUCTIONS:
            count += struct.unpack_from(">I", recording, at)[0]
            at += 4
        elif event == _END:
            return out
        elif event in _PLAIN:
            pass
        elif event in _SIZES:
            if event == _CHAR_WRITE:
                out += [count] * struct.unpack_from(">i", recording, at)[0]
            at += _SIZES[event]
        elif event in (_CHAR_READ, _CHAR_READ_ALL):
            at += 1 if event == _CHAR_READ else 0
            at += 4 + struct.unpack_from(">I", recording, at)[0]
        elif event == _RANDOM:
            at += 8 + struct.unpack_from(">I", recording, at + 4)[0]
        else:
            raise RecordError(f"the recording has an event 0x{event:02x} at {at - 1} that is not known here")
    raise RecordError("the recording has no end")


def counts(machine, image):
    """Boots an image with no input. Returns (instructions at its first byte, at the end of the
    first line of standard output)."""
    with tempfile.TemporaryDirectory(prefix="rumpk-record-") as folder:
        recording = Path(folder, "recording")
        command = run.emulator_command(machine, image, machine.memory_default, 1)
        # The seed: what the guest draws at random is the same each time.
        command += ["-seed", "1", "-icount", f"shift=0,sleep=off,rr=record,rrfile={recording}"]
        process = session.start(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            line, said = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise RecordError(f"no end within {SECONDS} s") from None
        if process.returncode != 0:
            raise RecordError(f"the emulator {session.describe(process.returncode)}: {said.decode(errors='replace')}")
        return of_line(line, sent_bytes(recording.read_bytes()))


def of_line(line, sent):
    """The same of what came over the line and of when each of its bytes was sent."""
    if len(line) != len(sent):
        raise RecordError(f"{len(line)} bytes came over the line, {len(sent)} are in the recording")
    decoder, first = framing.Decoder(), None
    for byte, count in zip(line, sent):
        # A frame's byte is the image's, not the firmware's: the first one is a DLE.
        if first is None and byte == framing.DLE[0]:
            first = count
        for channel, data in decoder.feed(bytes([byte])):
            if channel == framing.STDOUT and b"\n" in data:
                return first, count
    raise RecordError("the image printed no line")
