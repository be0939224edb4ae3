# SPDX-License-Identifier: Apache-2.0
"""The commands that the pages tell people to type name tests, checks and applications that are there."""

import re
import shlex
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.cli import build, scenarios, suites  # noqa: E402

COMMAND = re.compile(r"^    (\./rumpk .*)$|`(\./rumpk [^`]+)`", re.MULTILINE)


def commands():
    """(file, words) of each command in a page, without its comment."""
    for file in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "hal").rglob("*.md")]:
        for one, other in COMMAND.findall(file.read_text()):
            yield file.relative_to(ROOT), shlex.split(one or other, comments=True)


def listed(command):
    return subprocess.run(
        [sys.executable, str(ROOT / "rumpk"), command, "--list"], capture_output=True, text=True, check=True
    ).stdout.splitlines()


class Pages(unittest.TestCase):
    def test_patterns_match(self):
        for command, names in (("test", [*listed("test"), *suites.unit_titles()]), ("check", [line.split()[0] for line in listed("check")])):
            wanted = [(file, words) for file, words in commands() if words[1] == command and "--only" in words]
            self.assertGreater(len(wanted), 3)
            for file, words in wanted:
                pattern = words[words.index("--only") + 1]
                self.assertTrue(any(scenarios.wanted(name, pattern) for name in names), f"{file}: {shlex.join(words)}")

    def test_applications_are_there(self):
        names = {app.name for app in build.in_tree()}
        folders = {app.folder for app in build.in_tree()}
        named = 0
        for file, words in commands():
            if words[1] in ("run", "build", "inspect") and len(words) > 2 and re.fullmatch(r"[a-z-]*[a-z]", words[2]):
                self.assertIn(words[2], names, f"{file}: {shlex.join(words)}")
                named += 1
            elif words[1] in ("run", "build") and len(words) > 2 and re.fullmatch(r"(tests/)?apps/\S+", words[2]):
                self.assertIn(ROOT / words[2], folders, f"{file}: {shlex.join(words)}")
        self.assertGreater(named, 10)


if __name__ == "__main__":
    unittest.main()
