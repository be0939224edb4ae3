# SPDX-License-Identifier: Apache-2.0
"""What the tests of `./rumpk check` share: a temporary tree with planted files."""

import shutil
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.check.base import Tree  # noqa: E402


class Case(unittest.TestCase):
    """A tree of planted files in a temporary folder."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="rumpk-check-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def plant(self, files):
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Tree(self.folder)

    def found(self, check, files):
        return [str(finding) for finding in check(self.plant(files))]

    def assert_finds(self, check, files, *expected):
        """Each expected text is part of one finding, and there are no more findings than those."""
        found = self.found(check, files)
        self.assertEqual(len(found), len(expected), found)
        for text in expected:
            self.assertTrue(any(text in finding for finding in found), f"{text!r} not in {found}")

    def assert_clean(self, check, files):
        self.assertEqual(self.found(check, files), [])
