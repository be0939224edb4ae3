# SPDX-License-Identifier: Apache-2.0
"""Devices in a cell.toml."""

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.cli import image, manifest  # noqa: E402


class Devices(unittest.TestCase):
    def refused(self, text, pattern):
        with self.assertRaisesRegex(manifest.ManifestError, pattern):
            manifest.parse(text, "sample")

    def test_all(self):
        parsed = manifest.parse('[[device]]\nname = "rng"\nvirtio = 4\nmemory = "4K"\n[[device]]\nname = "b"\nvirtio = 1', "sample")
        self.assertEqual(parsed.devices, (manifest.Device("rng", 4, 4096), manifest.Device("b", 1, 0)))
        parsed = manifest.parse('[[device]]\nname = "uart"\ncompatible = "arm,pl011"', "sample")
        self.assertEqual(parsed.devices, (manifest.Device("uart", 0, 0, "arm,pl011"),))

    def device_refused(self, pattern, **changed):
        keys = {"name": '"d"', "virtio": "4"} | changed
        self.refused("[[device]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value), pattern)

    def test_none(self):
        self.refused("device = 4", r"\[\[device\]\]")
        self.refused("device = [4]", r"\[\[device\]\]")
        self.device_refused("device 1: unknown key 'line'; there are: name, virtio, compatible, memory", line="1")
        self.device_refused("device 1 has no name", name=None)
        self.device_refused("device 1 has either virtio or compatible", virtio=None)
        self.device_refused("device 1 has either virtio or compatible", compatible='"x"')
        for value in ('""', '"a b"', '"' + "x" * 16 + '"', "7"):
            self.device_refused("device 'd': compatible = .* is not 1 to 15 printable characters", virtio=None, compatible=value)
        for value in ('""', '"a b"', '"' + "x" * 16 + '"', "7"):
            self.device_refused("name = .* is not 1 to 15 letters", name=value)
        for value in ("0", "64", '"rng"', "true"):
            self.device_refused("device 'd': virtio = .* is no number of a kind of device, 1 to 63", virtio=value)
        self.device_refused("device 'd': memory = 4095 is not a multiple of 4096", memory="4095")
        self.device_refused("device 'd': memory = 260K is outside 0", memory='"260K"')
        self.refused(2 * '[[device]]\nname = "d"\nvirtio = 4\n', "two devices are called 'd'")

    def test_alone(self):
        """One is granted beside others; the packer says so before it looks at any file but the cell.toml."""
        with tempfile.TemporaryDirectory() as folder:
            toml = Path(folder, "cell.toml")
            for text, error in (('[[device]]\nname = "d"\nvirtio = 4\n', "drives a device is one of several: rumpk.toml"),
                                ("", "cell.elf")):
                toml.write_text(text)
                with self.assertRaisesRegex((image.ImageError, OSError), error):
                    image.build("raw", "riscv64", Path(folder, "kernel.elf"), Path(folder, "cell.elf"), toml, Path(folder, "x"))


if __name__ == "__main__":
    unittest.main()
