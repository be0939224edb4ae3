# SPDX-License-Identifier: Apache-2.0
"""Each change that breaks the rings on purpose is one of a place that is there. Whether it is noticed says `./rumpk test --long`."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import mutants  # noqa: E402


class Mutants(unittest.TestCase):
    def test_each_has_its_place(self):
        for mutant in mutants.MUTANTS:
            with self.subTest(mutant.title):
                self.assertEqual((ROOT / "ion" / mutant.file).read_text().count(mutant.old), 1)
                self.assertNotEqual(mutant.old, mutant.new)


if __name__ == "__main__":
    unittest.main()
