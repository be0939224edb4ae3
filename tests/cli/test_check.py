# SPDX-License-Identifier: Apache-2.0
"""Each check of `./rumpk check` finds what it is for in the sources, and lets clean files pass."""

import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_case import ROOT, Case  # noqa: E402  (found through the path above, as is what follows)

from tools.check import binary, cpp, edges, house, registry, style  # noqa: E402
from tools.check.base import read_list  # noqa: E402

HEAD = "// SPDX-License-Identifier: Apache-2.0\n"
# A word that the check forbids, in halves: this file is checked as well.
NOTE = "TO" + "DO"


class Format(Case):
    CONFIG = {".clang-format": "BasedOnStyle: LLVM\nIndentWidth: 4\n"}

    def test_finds(self):
        self.assert_finds(style.check_format, {**self.CONFIG, "core/a.cpp": "int  f( ){return 1;}\n"}, "core/a.cpp:1:")

    def test_clean(self):
        self.assert_clean(style.check_format, {**self.CONFIG, "core/a.cpp": "int f() { return 1; }\n"})

    def test_broken_configuration_is_no_pass(self):
        files = {".clang-format": "BasedOnStyle: Nobody\n", "core/a.cpp": "int f() { return 1; }\n"}
        self.assert_finds(style.check_format, files, ".clang-format:0:")


def body(lines):
    return "{\n" + "    work();\n" * (lines - 2) + "}\n"


class Length(Case):
    def test_long_function(self):
        self.assert_finds(style.check_length, {"core/a.cpp": "void f() " + body(71)}, "core/a.cpp:1: f has 71 lines")

    def test_longest_function_passes(self):
        self.assert_clean(style.check_length, {"core/a.cpp": "void f() " + body(70)})

    def test_member_with_braced_initialisers(self):
        text = "namespace n {\nclass A {\n    A() : a{1}, b{2} " + body(80) + "    int a, b;\n};\n}\n"
        self.assert_finds(style.check_length, {"core/a.h": text}, "core/a.h:3: A has 80 lines")

    def test_long_file(self):
        self.assert_finds(style.check_length, {"core/a.cpp": "int a;\n" * 501}, "501 lines")
        self.assert_clean(style.check_length, {"core/a.cpp": "int a;\n" * 500})

    def test_long_assembly_file(self):
        self.assert_finds(style.check_length, {"hal/a.S": "nop\n" * 501}, "501 lines")

    def test_unbalanced(self):
        self.assert_finds(style.check_length, {"core/a.cpp": "void f() {\n"}, "brace without its partner")


class BraceMatcher(unittest.TestCase):
    def names(self, text):
        return [function.name for function in cpp.functions(text)]

    def test_kinds(self):
        text = """
        #define BRACE {
        namespace a::b { struct S; }
        extern "C" { void c_function() { if (x) { y(); } } }
        enum class E : int { one, two };
        struct alignas(64) Aligned { int x = {}; bool operator()(int a) const { return a > 0; } };
        constexpr int table[] = {1, 2, 3};
        const Table second = { .f = [](int x) { return x; }, .g = nullptr };
        template <typename T = int> T generic(T a = T{}) { return a; }
        template <typename T> requires Number<T> T constrained(T a) { return a; }
        template <class T> concept C = requires(T t) { t.x(); };
        template <class T> requires requires(T t) { t.y(); } void nested() {}
        auto trailing() -> std::pair<int, int> { return {1, 2}; }
        Outer::Outer() : a(1), b{2} {}
        bool Outer::operator==(const Outer& o) const { return o.a == a; }
        char open = '{'; const char* text = "}"; // }
        int big = 1'000'000; /* { */
        const char* raw = R"(}})";
        [[nodiscard]] int attributed() { return 1; }
        """
        self.assertEqual(
            self.names(text),
            ["c_function", "operator", "generic", "constrained", "nested", "trailing", "Outer::Outer", "Outer::operator==",
             "attributed"],
        )

    def test_lines(self):
        (function,) = cpp.functions("int a;\n\nstatic int\nf(int x)\n{\n    return x;\n}\nint b;\n")
        self.assertEqual((function.first, function.last, function.length), (3, 7, 5))

    def test_unbalanced(self):
        for text in ("}", "void f() { {", "namespace n {"):
            with self.subTest(text), self.assertRaises(cpp.Unbalanced):
                cpp.functions(text)

    def test_includes(self):
        text = '#include <a.h>\n// #include <b.h>\n/*\n#include <c.h>\n*/\n  #  include "d/e.h"\n'
        self.assertEqual(cpp.includes(text), [(1, "<a.h>"), (6, '"d/e.h"')])


class Spdx(Case):
    def test_finds(self):
        files = {"core/a.cpp": "int a;\n", "tools/a.py": "import os\n", "CMakeLists.txt": "project(x)\n", "run": "#!/bin/sh\n"}
        self.assert_finds(style.check_spdx, files, "core/a.cpp:1", "tools/a.py:1", "CMakeLists.txt:1", "run:1")

    def test_clean(self):
        mark = "SPDX-License-Identifier: Apache-2.0"
        files = {
            "core/a.cpp": HEAD + "int a;\n",
            "abi/a.h": f"/* {mark} */\n",
            "tools/a.py": f"# {mark}\n",
            "run": f"#!/bin/sh\n# {mark}\n",
            "docs/a.md": "# Title\n",
            "notes": "plain text\n",
        }
        self.assert_clean(style.check_spdx, files)


class Words(Case):
    def test_finds(self):
        files = {
            "core/a.cpp": f"// {NOTE}: later\n",
            "docs/a.md": "good enough for" + " now\n",
            "tools/a.py": "path = '/ho" + "me/somebody/rumpk'\n",
            "cmake/a.cmake": "include(" + "../../elsewhere/x.cmake)\n",
        }
        self.assert_finds(style.check_words, files, "core/a.cpp:1", "docs/a.md:1", "tools/a.py:1", "cmake/a.cmake:1")

    def test_clean(self):
        files = {
            "core/a.cpp": "int todo = 0; // hacksaw, xxxl\n",
            "docs/a.md": "Make one beside the repository: ./rumpk new ../mine\n",
            "cmake/a.cmake": "include(../b.cmake) set(x ${HERE}/../../y)\n",
        }
        self.assert_clean(style.check_words, files)


class Python(Case):
    def test_finds(self):
        long_function = "def f():\n" + "    pass\n" * 70
        files = {"tools/a.py": "def f(:\n", "tools/b.py": long_function, "tools/c.py": "x = 1\n" * 501}
        self.assert_finds(style.check_python, files, "tools/a.py:1: does not compile", "f has 71 lines", "501 lines")

    def test_finds_in_script_without_suffix(self):
        self.assert_finds(style.check_python, {"rumpk": "#!/usr/bin/env python3\ndef f(:\n"}, "rumpk:2")
        shell = '#!/bin/sh\n""":"\nexec /usr/bin/python3 -IS "$0" "$@"\n"""\n'
        self.assert_finds(style.check_python, {"rumpk": shell + "def f(:\n"}, "rumpk:5")

    def test_clean(self):
        self.assert_clean(style.check_python, {"tools/a.py": "def f():\n" + "    pass\n" * 69, "sh": "#!/bin/sh\npython3\ndef f(:\n"})


class IncludeEdges(Case):
    HEADERS = {
        name: HEAD
        for name in (
            "abi/a.h", "ion/ring.h", "core/fiber.h", "hal/common/fdt.h", "hal/arch/one/csr.h", "hal/arch/two/csr.h",
            "hal/machine/m/facts.h", "hal/machine/n/facts.h", "membrane/inner.h", "regs/port.h",
        )
    }

    def one(self, name, line):
        return {**self.HEADERS, name: HEAD + line + "\n"}

    def test_finds(self):
        for name, line in (
            ("abi/b.h", "#include <string.h>"),
            ("abi/b.h", '#include "ion/ring.h"'),
            ("core/b.cpp", '#include "hal/common/fdt.h"'),
            ("core/b.cpp", "#include <string.h>"),
            ("core/b.cpp", "#include <vector>"),
            ("core/b.cpp", "#include <unistd.h>"),
            ("core/b.cpp", '#include "fiber.h"'),
            ("core/b.cpp", '#include "core/nowhere.h"'),
            ("ion/b.h", '#include "core/fiber.h"'),
            ("hal/common/b.cpp", '#include "core/fiber.h"'),
            ("hal/common/b.cpp", '#include "ion/ring.h"'),
            ("hal/arch/one/b.cpp", '#include "hal/machine/m/facts.h"'),
            ("hal/arch/one/b.cpp", '#include "hal/arch/two/csr.h"'),
            ("hal/machine/m/b.cpp", '#include "hal/machine/n/facts.h"'),
            ("hal/machine/m/b.cpp", "#include <unistd.h>"),
            ("membrane/b.cpp", '#include "core/fiber.h"'),
            ("drivers/b.cpp", '#include "core/fiber.h"'),
            ("regs/b.h", '#include "abi/a.h"'),
            ("regs/b.h", "#include <unistd.h>"),
            ("core/b.cpp", '#include "regs/port.h"'),
            ("apps/x/main.cpp", '#include "regs/port.h"'),
            ("apps/x/main.cpp", "#include <regs/port.h>"),
            ("apps/x/main.cpp", '#include "abi/a.h"'),
            ("apps/x/main.cpp", "#include <abi/a.h>"),
            ("tests/apps/x/main.cpp", '#include "core/fiber.h"'),
        ):
            with self.subTest(name=name, line=line):
                self.assert_finds(edges.check_include_edges, self.one(name, line), f"{name}:2:")
                (self.folder / name).unlink()

    def test_clean(self):
        files = {
            **self.HEADERS,
            "abi/b.h": '#include <stdint.h>\n#include "abi/a.h"\n',
            "core/b.cpp": '#include "core/fiber.h"\n#include "ion/ring.h"\n#include "abi/a.h"\n#include <span>\n',
            "ion/b.h": '#include "abi/a.h"\n#include <atomic>\n',
            "hal/arch/one/b.cpp": '#include "hal/arch/one/csr.h"\n#include "hal/common/fdt.h"\n#include "abi/a.h"\n',
            "hal/machine/m/b.cpp": '#include "hal/machine/m/facts.h"\n#include "hal/arch/one/csr.h"\n#include <libfdt.h>\n',
            "hal/machine/host/b.cpp": "#include <unistd.h>\n",
            "membrane/b.cpp": '#include "ion/ring.h"\n#include "membrane/inner.h"\n#include <stdio.h>\n',
            "drivers/b.cpp": '#include "membrane/inner.h"\n#include "regs/port.h"\n',
            "hal/device/b.h": '#include "regs/port.h"\n',
            "regs/b.h": '#include <cstdint>\n#include "regs/port.h"\n',
            "apps/x/part.h": "",
            "apps/x/main.cpp": '#include <nexus/fiber.h>\n#include <unistd.h>\n#include "part.h"\n',
            "tests/apps/check.h": "",
            "tests/apps/x/main.c": '#include "abi/a.h"\n#include "tests/apps/check.h"\n',
            "tests/unit/b.cpp": '#include "core/fiber.h"\n#include <vector>\n',
        }
        self.assert_clean(edges.check_include_edges, files)


class IsaNames(Case):
    def test_finds(self):
        files = {
            "core/a.cpp": "int riscv_thing;\n",
            "membrane/a.cpp": "#if defined(__x86_64__)\n#endif\n",
            "ion/a.h": "#ifdef __linux__\n#endif\n",
            "apps/x/a.c": '\nconst char* m = "aarch64";\n',
        }
        self.assert_finds(
            edges.check_isa_names, files, "core/a.cpp:1", "membrane/a.cpp:1", "ion/a.h:1", "apps/x/a.c:2"
        )

    def test_clean(self):
        files = {
            "core/a.cpp": "// on riscv64 this is cheap\nvoid arm();\nint harm = RUMPK_SYSTABLE_ADDRESS;\n",
            "hal/arch/riscv64/a.cpp": "#ifdef __riscv\nint riscv;\n#endif\n",
            "membrane/start_riscv64.S": "# riscv\n",
            "tools/check/allow/isa_names.txt": "abi/a.h # reason\nbench/bare/ # reason\n",
            "abi/a.h": "#define RISCV64 1\n",
            "bench/bare/b.c": "int riscv;\n",
        }
        self.assert_clean(edges.check_isa_names, files)


class CorePurity(Case):
    def test_finds(self):
        for line, what in (
            ('asm("wfi");', "assembly"),
            ('__asm__("wfi");', "assembly"),
            ("volatile int x;", "volatile"),
            ("std::mutex m;", "a lock"),
            ("spinlock_t lock;", "a lock"),
            ("count.fetch_add(1);", "read-modify-write"),
            ("flag->compare_exchange_strong(a, b);", "read-modify-write"),
            ("flag.exchange(1);", "read-modify-write"),
            ("__atomic_fetch_add(&x, 1, 5);", "read-modify-write"),
            ("std::atomic_flag f;", "read-modify-write"),
        ):
            with self.subTest(line):
                self.assert_finds(edges.check_core_purity, {"core/a.cpp": line + "\n"}, what)

    def test_clean(self):
        files = {
            "core/a.cpp": '// no volatile, no mutex\nauto old = std::exchange(x, 1); x.store(1); say("asm");\n',
            "hal/a.cpp": 'volatile int x; asm("wfi");\n',
        }
        self.assert_clean(edges.check_core_purity, files)

    def test_assembly_file(self):
        self.assert_finds(edges.check_core_purity, {"core/a.S": "wfi\n"}, "core/a.S:0")


class DeadFiles(Case):
    def test_finds(self):
        files = {
            "core/CMakeLists.txt": "add_library(core used.cpp) # dead.cpp\n",
            "core/used.cpp": '#include "core/used.h"\n',
            "core/used.h": "",
            "core/dead.cpp": "",
            "core/dead.h": "",
            "hal/arch/one/dead.cpp": "",
            "cmake/all.cmake": "file(GLOB X ${PROJECT_SOURCE_DIR}/hal/arch/${ARCH}/probe/* ${DIR}/*.cpp)\n",
            "tools/cli/lonely.py": "",
            "README.md": "[a](docs/a.md)\n",
            "docs/a.md": "[self](a.md)\n",
            "docs/dead.md": "[me](dead.md)\n",
        }
        self.assert_finds(
            house.check_dead_files, files, "core/dead.cpp", "core/dead.h", "hal/arch/one/dead.cpp", "tools/cli/lonely.py", "docs/dead.md"
        )

    def test_clean(self):
        files = {
            "CMakeLists.txt": "add_executable(x core/used.cpp)\n",
            "core/used.cpp": '#include "core/used.h"\n#include <nexus/api.h>\n',
            "core/used.h": "",
            "hal/arch/one/arch.cmake": "set(X devices/part.cpp)\n",
            "hal/devices/part.cpp": "",
            "hal/arch/one/probe/probe.cpp": "",
            "cmake/all.cmake": "file(GLOB X ${PROJECT_SOURCE_DIR}/hal/arch/${ARCH}/probe/*)\n",
            "membrane/include/nexus/api.h": "",
            "apps/x/cell.toml": "",
            "apps/x/main.cpp": '#include "part.h"\n',
            "apps/x/part.h": "",
            "rumpk": "#!/usr/bin/env python3\nfrom cli import run\n",
            "tools/cli/run.py": "",
            "tests/cli/test_run.py": "",
            "README.md": "[a](docs/a.md)\n",
            "docs/a.md": "",
        }
        self.assert_clean(house.check_dead_files, files)


class Docs(Case):
    CLI = {"tools/cli/run.py": 'subparsers.add_parser("run")\nparser.add_argument("--smp")\n'}

    def test_finds(self):
        page = (
            "[gone](gone.md) [out](../../x.md) [no heading](other.md#nowhere)\n"
            "\n```sh\n./rumpk fly hello\n./rumpk run hello --wings\n```\n"
        )
        files = {**self.CLI, "docs/a.md": page, "docs/other.md": "# Here\n"}
        self.assert_finds(
            house.check_docs,
            files,
            "docs/a.md:1: link to what is not there: gone.md",
            "leads out of the repository",
            "no heading for #nowhere",
            "docs/a.md:4: ./rumpk has no command 'fly'",
            "docs/a.md:5: no command of ours takes --wings",
        )

    def test_call_pages(self):
        files = {"abi/systable.h": "RUMPK_CALL_READ,\nRUMPK_CALL_COUNT\n", "docs/calls/write.md": ""}
        self.assert_finds(house.check_docs, files, "no page for read", "has no call write")

    def test_clean(self):
        page = (
            "[up](../README.md) [web](https://example.org) [here](#own-heading) [there](b.md#second-heading-1)\n"
            "# Own heading\n`[not](a-link.md)`\n"
            "Run `./rumpk run hello --smp 2 -- --own-option`.\n"
        )
        files = {
            **self.CLI,
            "README.md": "",
            "docs/a.md": page,
            "docs/b.md": "# Second `heading`\n# Second heading\n",
            "abi/systable.h": "RUMPK_CALL_READ, RUMPK_CALL_COUNT\n",
            "docs/calls/read.md": "",
        }
        self.assert_clean(house.check_docs, files)


class Registry(unittest.TestCase):
    def test_each_check_says_what_it_is(self):
        names = [check.name for check in registry.CHECKS]
        self.assertEqual(len(names), len(set(names)))
        for check in registry.CHECKS:
            with self.subTest(check.name):
                self.assertTrue(check.summary and check.advice)

    def test_allow_lists_give_reasons(self):
        for path in sorted((ROOT / binary.ALLOW).glob("*.txt")):
            for entry, reason in read_list(path).items():
                with self.subTest(listing=path.name, entry=entry):
                    self.assertTrue(reason, "an entry without its reason")


class CommandLine(unittest.TestCase):
    def run_main(self, *words):
        command = [sys.executable, str(ROOT / "rumpk"), "check", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def test_list(self):
        done = self.run_main("--list")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), len(registry.CHECKS))

    def test_unknown_check(self):
        done = self.run_main("--only", "nonsense")
        self.assertEqual(done.returncode, 127)
        self.assertIn("no check 'nonsense'", done.stderr)

    def test_one_check(self):
        done = self.run_main("--only", "spdx")
        clean = done.stdout.startswith("ok     spdx")
        self.assertTrue(clean or done.stdout.startswith("FAILED spdx"), done.stdout)
        self.assertEqual(done.returncode, 0 if clean else 1)


if __name__ == "__main__":
    unittest.main()
