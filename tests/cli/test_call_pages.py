# SPDX-License-Identifier: Apache-2.0
"""Every page in docs/calls/ has the parts that its readers look for, and its examples compile."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_case import ROOT  # noqa: E402  (found through the path above)

PAGES = sorted(path for path in (ROOT / "docs/calls").glob("*.md") if path.stem != "README")
SYSROOT = ROOT / "build/third_party/sysroot/riscv64"
FLAGS = """--target=riscv64-unknown-elf -march=rv64gc -mabi=lp64d -mcmodel=medany -std=c++23 -fsyntax-only -Wall
    -Werror -Wno-unused-variable -Wno-unused-but-set-variable -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -nostdinc++ -nostdlibinc -DRUMPK_SYSTABLE_ADDRESS=0x83000000""".split()


def example_of(page):
    """The fenced block as a program: includes in front, the rest inside main."""
    (code,) = re.findall(r"^```cpp\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = code.splitlines()
    includes = [line for line in lines if line.startswith("#include")]
    body = [line for line in lines if not line.startswith("#include")]
    return "\n".join([*includes, "int main() {", *body, "return 0;", "}", ""])


class CallPages(unittest.TestCase):
    def test_errors_are_those_of_the_abi(self):
        known = set(re.findall(r"RUMPK_(E\w+) =", (ROOT / "abi/errno.h").read_text(encoding="utf-8")))
        for page in PAGES:
            text = page.read_text(encoding="utf-8")
            for name in re.findall(r"^\| `(E[A-Z0-9]+)` \|", text, re.MULTILINE):
                with self.subTest(page=page.name, error=name):
                    self.assertIn(name, known)

    def test_each_page_says_result_and_promise(self):
        self.assertTrue(PAGES)
        for page in PAGES:
            text = page.read_text(encoding="utf-8")
            with self.subTest(page=page.name):
                self.assertTrue("**Promise:**" in text)
                self.assertTrue("**Result:**" in text or page.stem in ("halt", "yield"))
                self.assertTrue(text.startswith(f"# {page.stem}\n\n    int64_t {page.stem}("))

    def test_examples_compile(self):
        self.assertTrue(SYSROOT.exists(), "./rumpk setup has not been run")
        includes = ["cmake/libcxx", "/usr/lib/llvm-19/include/c++/v1", SYSROOT / "include"]
        with tempfile.TemporaryDirectory() as folder:
            for page in PAGES:
                source = Path(folder, page.stem + ".cpp")
                source.write_text(example_of(page), encoding="utf-8")
                command = ["clang++-19", *FLAGS, f"-I{ROOT}", f"-I{ROOT}/membrane/include"]
                command += [f"-isystem{ROOT / include}" for include in includes]
                done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
                with self.subTest(page=page.name):
                    self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
