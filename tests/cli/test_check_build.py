# SPDX-License-Identifier: Apache-2.0
"""The checks of `./rumpk check` that look at what the build made: planted objects, kernels and databases."""

import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_case import ROOT, Case  # noqa: E402  (found through the path above, as is what follows)

from tools.check import binary, tidy  # noqa: E402
from tools.check.base import Finding, Tree  # noqa: E402

CLANG = "clang-19"


@unittest.skipUnless(shutil.which(CLANG), f"{CLANG} is not installed")
class Binary(Case):
    """Planted objects and kernels, compiled and linked for the occasion."""

    def compile(self, name, text, *flags):
        source = self.folder / f"{name}.S"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text, encoding="utf-8")
        target = self.folder / f"{name}.o"
        command = [CLANG, "--target=riscv64-unknown-elf", "-march=rv64gc", "-mabi=lp64", "-c", *flags]
        subprocess.run([*command, str(source), "-o", str(target)], check=True)
        return target

    def place(self, path, source):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def kernel(self, text, *flags, name="kernel"):
        target = self.folder / binary.KERNEL
        target.parent.mkdir(parents=True, exist_ok=True)
        script = ["-Wl,-Ttext=0x80200000", "-Wl,-e,entry", *flags]
        command = [CLANG, "--target=riscv64-unknown-elf", "-nostdlib", "-fuse-ld=lld", *script]
        subprocess.run([*command, str(self.compile(name, text, *(["-g"] if "/" in name else []))), "-o", str(target)], check=True)

    def allow(self, **lists):
        folder = self.folder / binary.ALLOW
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("core_symbols", "hal_symbols", "kernel_code"):
            (folder / f"{name}.txt").write_text(lists.get(name, ""), encoding="utf-8")

    USES = ".globl entry\nentry: call memcpy\ncall rumpk_secret\n"

    def test_core_symbols(self):
        self.allow(core_symbols="memcpy # compiler\n", hal_symbols="memcpy # compiler\nrumpk_secret # reason\n")
        self.place(binary.CORE, self.compile("a", self.USES))
        self.place(binary.HAL + "/deep/a.o", self.compile("b", self.USES))
        self.assert_finds(binary.check_core_symbols, {}, "needs rumpk_secret, which core_symbols.txt does not list")
        self.allow(core_symbols="memcpy\nrumpk_secret\n", hal_symbols="memcpy\n")
        self.assert_finds(binary.check_core_symbols, {}, "hal.dir:0: needs rumpk_secret")
        self.allow(core_symbols="memcpy\nrumpk_secret\n", hal_symbols="memcpy\nrumpk_secret\n")
        self.assert_clean(binary.check_core_symbols, {})

    def test_not_built_is_no_pass(self):
        self.allow()
        self.assert_finds(binary.check_core_symbols, {}, "not built", "not built")
        self.assert_finds(binary.check_kernel_code, {}, "not built")
        self.assert_finds(binary.check_no_allocation, {}, "not built")

    CLEAN = ".globl entry\nentry: addi sp, sp, -16\nsd s0, 0(sp)\nfence rw, rw\nfence.i\nret\n"

    def test_kernel_code(self):
        self.allow()
        self.kernel(self.CLEAN)
        self.assert_clean(binary.check_kernel_code, {})
        self.kernel(self.CLEAN + "floats: fld fa0, 0(sp)\nglobals: lw a0, 0(gp)\nthreads: mv a0, tp\n")
        self.assert_finds(
            binary.check_kernel_code,
            {},
            "floats uses floating point (1",
            "globals uses register gp (1",
            "threads uses register tp (1",
        )
        self.allow(kernel_code="fp floats # saves\ngp globals # saves\ntp threads # saves\n")
        self.assert_clean(binary.check_kernel_code, {})

    def test_atomic_update(self):
        self.allow()
        update = self.CLEAN + "adds: amoadd.d a0, a1, (a2)\nlr.d a0, (a1)\nsc.d a0, a2, (a1)\nret\n"
        self.kernel(update)
        texts = ["adds updates memory atomically, in a file that debug information does not name"] * 3
        self.assert_finds(binary.check_kernel_code, {}, *texts)
        self.kernel(update, name="core/adds")
        self.assert_finds(binary.check_kernel_code, {}, *["core/adds.S"] * 3)
        self.kernel(update, name="hal/adds")
        self.assert_clean(binary.check_kernel_code, {})

    def test_kernel_without_code_is_no_pass(self):
        self.allow()
        target = self.folder / binary.KERNEL
        target.parent.mkdir(parents=True)
        shutil.copy(self.compile("a", ".data\n.word 1\n"), target)
        self.assert_finds(binary.check_kernel_code, {}, "holds no code")

    def test_write_and_execute(self):
        self.allow()
        self.kernel(self.CLEAN + '.section .both, "awx"\n.word 1\n')
        self.assertTrue(any("written and executed" in text for text in self.found(binary.check_kernel_code, {})))

    def test_segments_on_one_page(self):
        read, write, execute = 4, 2, 1
        shared = [binary.Segment(1, read | execute, 0x1000, 0x80), binary.Segment(1, read | write, 0x1080, 0x80)]
        self.assertEqual(len(binary.judge_segments(shared)), 1)
        apart = [binary.Segment(1, read | execute, 0x1000, 0x1000), binary.Segment(1, read | write, 0x2000, 0x80)]
        self.assertEqual(binary.judge_segments(apart), [])
        self.assertEqual(len(binary.judge_segments([binary.Segment(binary.PT_GNU_STACK, 7, 0, 0)])), 1)
        self.assertEqual(len(binary.judge_segments([binary.Segment(binary.PT_TLS, read, 0, 8)])), 1)

    def test_no_allocation(self):
        self.kernel(self.CLEAN)
        self.assert_clean(binary.check_no_allocation, {})
        names = ("malloc", "_Znwm", "_ZnamRKSt9nothrow_t", "_ZdlPvm")
        self.kernel(self.CLEAN + "".join(f".globl {name}\n{name}: ret\n" for name in names))
        self.assert_finds(binary.check_no_allocation, {}, *(f"holds {name}" for name in names))


@unittest.skipUnless(shutil.which(tidy.TIDY), f"{tidy.TIDY} is not installed")
class Tidy(Case):
    def project(self, text):
        database = (
            '[{"directory": "%s", "command": "clang++-19 -c core/a.cpp", "file": "core/a.cpp"}]' % self.folder
        )
        files = {
            ".clang-tidy": "Checks: '-*,modernize-use-nullptr'\nWarningsAsErrors: '*'\nHeaderFilterRegex: 'core'\n",
            "build/host/compile_commands.json": database,
            "core/a.h": "inline int* h() { return nullptr; }\n",
            "core/a.cpp": '#include "a.h"\n' + text,
        }
        return self.plant(files)

    def test_finds_and_remembers(self):
        tree = self.project("int* f() {\n    return 0;\n}\n")
        first = tidy.check_tidy(tree)
        self.assertEqual([(f.path, f.line) for f in first], [("core/a.cpp", 3)])
        (remembered,) = (self.folder / tidy.CACHE).iterdir()
        remembered.write_text(f"{self.folder}/core/a.cpp:9:1: error: remembered\n", encoding="utf-8")
        self.assertEqual(tidy.check_tidy(Tree(self.folder)), [Finding("core/a.cpp", 9, "remembered")])

    def test_header_changes_the_key(self):
        tree = self.project("int* f() { return nullptr; }\n")
        self.assertEqual(tidy.check_tidy(tree), [])
        (self.folder / "core/a.h").write_text("inline int* h() { return 0; }\n", encoding="utf-8")
        self.assertEqual([(f.path, f.line) for f in tidy.check_tidy(Tree(self.folder))], [("core/a.h", 1)])

    def test_what_does_not_compile_is_no_pass(self):
        self.assertNotEqual(tidy.check_tidy(self.project("int f( {\n")), [])

    def test_what_was_stopped_is_no_pass_and_is_not_remembered(self):
        tree = self.project("int* f() { return nullptr; }\n")
        killed = subprocess.CompletedProcess([], -9, stdout="", stderr="")
        with mock.patch.object(tidy, "run_tool", return_value=killed):
            self.assertEqual([f.text for f in tidy.check_tidy(tree)], [f"{tidy.TIDY} ended with -9: "])
        self.assertEqual(tidy.check_tidy(Tree(self.folder)), [])

    def test_tests_are_looked_at_less_deeply(self):
        """What the analyzer alone sees is found there where it is asked to look deeply."""
        for name, usual, deep in (
            ("core/a.cpp", tidy.SHIPPED, ()), ("apps/a/main.cpp", tidy.SHIPPED, ()),
            ("tests/apps/a/main.cpp", (tidy.TESTS_CHECKS,), tidy.SHALLOW), ("tests/unit/a.cpp", (tidy.TESTS_CHECKS,), tidy.SHALLOW),
        ):
            unit = tidy.Unit(name, "host", "")
            self.assertEqual((tidy.arguments(unit, False), tidy.arguments(unit, True)), (usual, deep), name)
        tree = self.plant({
            ".clang-tidy": "Checks: '-*,modernize-use-nullptr,clang-analyzer-core.NullDereference'\nWarningsAsErrors: '*'\n",
            "build/tests/compile_commands.json":
                '[{"directory": "%s", "command": "clang++-19 -c tests/apps/a.cpp", "file": "tests/apps/a.cpp"}]' % self.folder,
            "tests/apps/a.cpp": "int f(int* p) {\n    if (p == nullptr) {\n        return *p;\n    }\n    return 0;\n}\n",
        })
        self.assertEqual(tidy.check_tidy(tree), [])
        tree.deep = True
        self.assertEqual([(f.path, f.line) for f in tidy.check_tidy(tree)], [("tests/apps/a.cpp", 3)])

    def test_a_file_is_looked_at_without_what_the_build_precompiles(self):
        precompiled = "-Winvalid-pch -Xclang -include-pch -Xclang /b/x.pch -Xclang -include -Xclang /b/x.hxx"
        unit = tidy.Unit("core/a.cpp", "host", f"clang++-19 -Dx='a b' -O1 {precompiled} -Xclang -foo -o a.o -c core/a.cpp")
        self.assertEqual(tidy.options(unit), ["-Dx=a b", "-O1", "-Winvalid-pch", "-Xclang", "-foo"])

    def test_but_for_tests_unless_deeply(self):
        precompiled = ["-Xclang", "-include-pch", "-Xclang", "/b/x.pch", "-Xclang", "-include", "-Xclang", "/b/x.hxx"]
        tree = self.plant({})
        for name, deep, wanted in (
            ("core/a.cpp", False, []), ("tests/unit/a.cpp", False, precompiled), ("bench/a.cpp", False, precompiled), ("tests/unit/a.cpp", True, []),
        ):
            unit = tidy.Unit(name, "host", " ".join(["clang++-19", *precompiled, "-o", "a.o", "-c", name]))
            with mock.patch.object(tree, "deep", deep):
                command = tidy.command(tree, unit)
            self.assertEqual(command[command.index("--") + 1 :], wanted, name)

    def test_no_database_is_no_pass(self):
        self.assert_finds(tidy.check_tidy, {"core/a.cpp": ""}, "run ./rumpk build")


if __name__ == "__main__":
    unittest.main()
