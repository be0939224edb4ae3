# SPDX-License-Identifier: Apache-2.0
"""The example of docs/tasks.md is the program that the scenario `tasks-page` runs."""

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_case import ROOT  # noqa: E402  (found through the path above)


class TaskPage(unittest.TestCase):
    def test_example_is_the_program(self):
        page = (ROOT / "docs/tasks.md").read_text(encoding="utf-8")
        program = (ROOT / "tests/apps/tasks-page/main.cpp").read_text(encoding="utf-8")
        (shown,) = re.findall(r"^```cpp\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        self.assertEqual(shown, program.split("\n", 1)[1])


if __name__ == "__main__":
    unittest.main()
