# SPDX-License-Identifier: Apache-2.0
"""The serial line's framing, from the runner's side."""

import random
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import framing  # noqa: E402

FRAMES = b"text\r\n" + framing.encode_output("kernel", b"rumpk: ready\n") + framing.encode_output("stdout", b"a\x10b")
FRAMES += framing.encode_output("stderr", b"\x10\x10e") + framing.encode_exit(16)
PIECES = [("firmware", b"text\r\n"), ("kernel", b"rumpk: ready\n"), ("stdout", b"a\x10b"), ("stderr", b"\x10\x10e")]


def joined(pieces):
    out = []
    for channel, data in pieces:
        if out and out[-1][0] == channel:
            out[-1] = (channel, out[-1][1] + data)
        else:
            out.append((channel, data))
    return out


def decoded(data, size=1 << 30):
    decoder = framing.Decoder()
    pieces = []
    for at in range(0, len(data), size):
        pieces += decoder.feed(data[at : at + size])
    return decoder, joined(pieces)


class Decoding(unittest.TestCase):
    def test_channels_and_exit(self):
        decoder, pieces = decoded(FRAMES)
        self.assertEqual(pieces, PIECES)
        self.assertEqual(decoder.exit_code, 16)
        self.assertTrue(decoder.framed)
        self.assertFalse(decoder.panicked)

    def test_every_cut_gives_the_same(self):
        for size in range(1, len(FRAMES) + 1):
            decoder, pieces = decoded(FRAMES, size)
            self.assertEqual(pieces, PIECES, size)
            self.assertEqual(decoder.exit_code, 16, size)

    def test_every_exit_code(self):
        for code in range(256):
            for size in (1, 2, 3):
                self.assertEqual(decoded(framing.encode_exit(code), size)[0].exit_code, code)

    def test_nothing_is_believed_behind_the_exit(self):
        decoder, pieces = decoded(framing.encode_exit(1) + b"\x10obehind" + framing.encode_exit(2))
        self.assertEqual((decoder.exit_code, pieces), (1, []))
        self.assertEqual(decoder.feed(b"\x10omore"), [])

    def test_panic_is_noted_and_its_text_is_the_kernels(self):
        decoder, pieces = decoded(b"\x10prumpk: panic: x\n\x10x\x7e")
        self.assertTrue(decoder.panicked)
        self.assertEqual(pieces, [("kernel", b"rumpk: panic: x\n")])
        self.assertEqual(decoder.exit_code, 126)

    def test_firmware_may_say_anything(self):
        text = bytes(byte for byte in range(256) if byte != 0x10) + b"\x10\x00\x10\xff"
        decoder, pieces = decoded(text)
        self.assertFalse(decoder.framed)
        self.assertEqual(pieces, [("firmware", text)])

    def test_unknown_frame(self):
        decoder = framing.Decoder()
        with self.assertRaises(framing.LineError) as caught:
            decoder.feed(b"\x10obefore\x10zafter")
        self.assertEqual(caught.exception.pieces, [("stdout", b"before")])
        self.assertIn("0x7a", str(caught.exception))

    def test_channel_changes_inside_a_run_of_escapes(self):
        # Escapes pair from the left: DLE DLE, then the frame DLE e.
        self.assertEqual(decoded(b"\x10o\x10\x10\x10e\x10\x10o")[1], [("stdout", b"\x10"), ("stderr", b"\x10o")])

    def test_random_streams(self):
        source = random.Random(1)
        for _ in range(300):
            line, expected = b"", []
            for _ in range(source.randrange(1, 20)):
                channel = source.choice(("kernel", "stdout", "stderr"))
                data = bytes(source.choices(b"\x10oekxp\x04a\x00\xff", k=source.randrange(1, 30)))
                line += framing.encode_output(channel, data)
                expected.append((channel, data))
            decoder, pieces = decoded(line + framing.encode_exit(3), source.randrange(1, 40))
            self.assertEqual(pieces, joined(expected))
            self.assertEqual(decoder.exit_code, 3)


class Encoding(unittest.TestCase):
    def test_all_byte_values(self):
        data = bytes(range(256))
        self.assertEqual(framing.encode(data), data[:17] + b"\x10" + data[17:])

    def test_end_of_input_cannot_appear_in_data(self):
        for data in (b"\x10\x04", b"\x10\x10\x04", b"\x04", b"\x10" * 7 + b"\x04"):
            encoded = framing.encode(data)
            self.assertNotIn(framing.END_OF_INPUT, encoded.replace(b"\x10\x10", b""))


class Speed(unittest.TestCase):
    def test_bulk(self):
        """20 MB of the worst data: a frame decoder with a loop a byte needs seconds for each."""
        size = 20 << 20
        for data in (b"a" * size, b"\x10" * size, b"a\x10" * (size // 2), random.Random(2).randbytes(size)):
            line = framing.encode_output("stdout", data)
            begun = time.process_time()
            decoder = framing.Decoder()
            out = b"".join(
                piece for at in range(0, len(line), 1 << 18) for _, piece in decoder.feed(line[at : at + (1 << 18)])
            )
            self.assertLess(time.process_time() - begun, 2.0)
            self.assertTrue(out == data)


if __name__ == "__main__":
    unittest.main()
