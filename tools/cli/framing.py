# SPDX-License-Identifier: Apache-2.0
"""The serial line's framing, as abi/console.h defines it, from the runner's side.

The decoder turns what the emulated UART sends into pieces (channel, bytes); the
encoder turns standard input into what the console driver expects. Both work on
whole chunks with the regular-expression engine and bytes.replace: no Python
code runs per byte, only per frame.
"""

import re

DLE = b"\x10"
END_OF_INPUT = b"\x10\x04"

# Channels of the pieces that Decoder.feed returns.
FIRMWARE = "firmware"  # before the first frame
KERNEL = "kernel"
STDOUT = "stdout"
STDERR = "stderr"
TELEMETRY = "telemetry"  # of abi/telemetry.h

_CHANNEL_OF_FRAME = {ord("k"): KERNEL, ord("o"): STDOUT, ord("e"): STDERR, ord("p"): KERNEL, ord("t"): TELEMETRY}
_EXIT = ord("x")
_PANIC = ord("p")
_INPUT = ord("i")

# The longest run of data: bytes that are no DLE, and doubled DLEs. Possessive, so
# that it neither backtracks nor remembers where it could have stopped.
_DATA = re.compile(rb"(?:[^\x10]++|(?:\x10\x10)++)*+")


class LineError(Exception):
    """The line carried a frame that abi/console.h does not know."""


class Decoder:
    """Splits the line into channels.

    framed     a frame was seen: the console driver is up and takes input
    wanted     the application takes standard input from now on
    panicked   the image announced a panic
    exit_code  the image's exit code, None until it came
    """

    def __init__(self):
        self.framed = False
        self.wanted = False
        self.panicked = False
        self.exit_code = None
        self._channel = FIRMWARE
        self._rest = b""

    def feed(self, chunk):
        """Decodes one chunk; returns a list of (channel, bytes), none of them empty.

        What follows the exit frame is dropped. A frame cut by the chunk's end is
        kept for the next call. Raises LineError on an unknown frame; pieces before it
        are in the exception's `pieces`."""
        runs = []
        try:
            self._scan(chunk, runs)
        except LineError as error:
            error.pieces = _joined(runs)
            raise
        return _joined(runs)

    def _scan(self, chunk, runs):
        if self.exit_code is not None:
            return
        data = self._rest + chunk if self._rest else chunk
        self._rest = b""
        at = 0
        end = len(data)
        while at < end:
            stop = _DATA.match(data, at).end()
            if stop > at:
                runs.append((self._channel, data[at:stop].replace(b"\x10\x10", DLE)))
            at = stop
            if at == end:
                break
            taken = self._frame(data, at, runs)
            if taken == 0:
                self._rest = data[at:]
                break
            at += taken
            if self.exit_code is not None:
                break

    def _frame(self, data, at, runs):
        """Takes the frame at `at`, which is a DLE not followed by one. Returns its
        length, or 0 when the chunk ends inside it."""
        if at + 1 == len(data):
            return 0
        kind = data[at + 1]
        if kind in _CHANNEL_OF_FRAME:
            self.framed = True
            self._channel = _CHANNEL_OF_FRAME[kind]
            if kind == _PANIC:
                self.panicked = True
            return 2
        if kind == _INPUT:
            self.framed = self.wanted = True
            return 2
        if kind == _EXIT:
            if at + 2 == len(data):
                return 0
            self.framed = True
            self.exit_code = data[at + 2]
            return 3
        if not self.framed:
            # Firmware text may hold any byte: a DLE there starts a frame only if it is one we know.
            runs.append((self._channel, data[at : at + 2]))
            return 2
        raise LineError(f"unknown frame 0x10 0x{kind:02x} on the serial line")


def _joined(runs):
    """Neighbouring runs of one channel as one piece: each byte is copied once."""
    pieces = []
    first = 0
    for i in range(1, len(runs) + 1):
        if i == len(runs) or runs[i][0] != runs[first][0]:
            pieces.append((runs[first][0], b"".join([data for _, data in runs[first:i]])))
            first = i
    return pieces


def encode(data):
    """Standard input's bytes as the console driver expects them."""
    return data.replace(DLE, b"\x10\x10")


def encode_request(letters):
    """Requests of abi/telemetry.h, for between two pieces of encoded input."""
    return b"".join(DLE + bytes([letter]) for letter in letters)


def encode_output(channel, data):
    """What the image sends for `data` on `channel`: for stand-ins in tests."""
    letter = {KERNEL: b"k", STDOUT: b"o", STDERR: b"e", TELEMETRY: b"t"}[channel]
    return DLE + letter + data.replace(DLE, b"\x10\x10")


def encode_exit(code):
    """What the image sends as its last word."""
    return b"\x10x" + bytes([code])
