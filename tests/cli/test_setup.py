# SPDX-License-Identifier: Apache-2.0
"""Setup and third-party fetching: what is missing is found, and every failure is named."""

import contextlib
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.cli import common, setup  # noqa: E402
from tools.third_party import fetch, parts, paths, picolibc  # noqa: E402


def archive_of(files: dict, mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def package_of(files: dict) -> bytes:
    """A .deb: an `ar` archive with an odd-sized member before data.tar.xz."""
    out = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0"), ("data.tar.xz", archive_of(files, "w:xz"))):
        out += f"{name + '/':<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) & 1)
    return out


class Fetching(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.home = self.folder / "third_party"
        self.enterContext(mock.patch.object(parts, "HOME", self.home))
        self.enterContext(mock.patch.object(fetch, "HOME", self.home))
        self.enterContext(mock.patch.object(fetch, "mirrors", lambda: [f"file://{self.folder}/mirror/"]))
        self.data = archive_of({"thing-1.0/src/a.c": b"int a;", "thing-1.0/doc/b.txt": b"b"}, "w:xz")

    def offer(self, data, name="thing_1.0.orig.tar.xz", **more):
        file = self.folder / "mirror/pool/main/t" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return parts.Part("thing", "1.0", f"t/{name}", hashlib.sha256(data).hexdigest(), "MIT", **more)

    def test_archive(self):
        part = self.offer(self.data)
        self.assertFalse(fetch.present(part))
        fetch.fetch(part)
        self.assertTrue(fetch.present(part))
        self.assertEqual((part.folder / "src/a.c").read_text(), "int a;")
        self.assertEqual((part.folder / "doc/b.txt").read_text(), "b")

    def test_only_what_is_kept(self):
        part = self.offer(self.data, keep=("src/",))
        fetch.fetch(part)
        self.assertTrue((part.folder / "src/a.c").exists())
        self.assertFalse((part.folder / "doc").exists())

    def test_package(self):
        part = self.offer(package_of({"./usr/lib/x.a": b"x"}), "thing_1.0_all.deb")
        fetch.fetch(part)
        self.assertEqual((part.folder / "usr/lib/x.a").read_text(), "x")

    def test_no_package(self):
        with self.assertRaisesRegex(fetch.FetchError, "is not a Debian package"):
            fetch.fetch(self.offer(b"junk", "thing_1.0_all.deb"))

    def test_gone(self):
        part = self.offer(self.data)
        (self.folder / "mirror/pool/main/t" / part.file).unlink()
        with self.assertRaisesRegex(fetch.FetchError, r"(?s)thing 1.0 could not be fetched:.*pool/main/t/thing_1.0"
                                    rf".*SHA-256 {part.sha256}"):
            fetch.fetch(part)
        self.assertFalse(fetch.present(part))

    def test_other_hash(self):
        part = self.offer(self.data)._replace(sha256="0" * 64)
        with self.assertRaisesRegex(fetch.FetchError, "another SHA-256 than the pinned one"):
            fetch.fetch(part)
        self.assertEqual([file.name for file in (self.home / "archives").iterdir()], [])

    def test_damaged_copy_is_fetched_again(self):
        part = self.offer(self.data)
        (self.home / "archives").mkdir(parents=True)
        (self.home / "archives" / part.file).write_bytes(b"damaged")
        fetch.fetch(part)
        self.assertTrue(fetch.present(part))

    def test_no_network_needed_when_the_archive_is_there(self):
        part = self.offer(self.data)
        (self.home / "archives").mkdir(parents=True)
        (self.home / "archives" / part.file).write_bytes(self.data)
        with mock.patch.object(fetch, "mirrors", side_effect=AssertionError):
            fetch.fetch(part)

    def test_no_helper(self):
        part = self.offer(self.data)
        with mock.patch.object(fetch, "HELPER", "/nonexistent/apt-helper"):
            with self.assertRaisesRegex(fetch.FetchError, "cannot run /nonexistent/apt-helper: No such file"):
                fetch.fetch(part)

    def test_next_mirror(self):
        part = self.offer(self.data)
        both = [f"file://{self.folder}/nothing/", f"file://{self.folder}/mirror/"]
        with mock.patch.object(fetch, "mirrors", lambda: both):
            fetch.fetch(part)
        self.assertTrue(fetch.present(part))


class Pins(unittest.TestCase):
    def test_every_part_is_pinned(self):
        for part in parts.PARTS:
            self.assertRegex(part.sha256, r"^[0-9a-f]{64}$")
            self.assertIn(part.version, part.pool)

    def test_mirrors_end_with_debians_own(self):
        self.assertEqual(fetch.mirrors()[-1], fetch.ARCHIVE)

    def test_cmake_gets_each_part(self):
        for part in parts.PARTS:
            self.assertIn(str(part.folder), paths.TEXT)


class CLibrary(unittest.TestCase):
    """The built library, if setup has run: what the membrane counts on."""

    def test_stamp_follows_the_options(self):
        before = picolibc.stamp_text(picolibc.ARCHS["riscv64"])
        with mock.patch.object(picolibc, "OPTIONS", (*picolibc.OPTIONS, "-Dx=y")):
            self.assertNotEqual(before, picolibc.stamp_text(picolibc.ARCHS["riscv64"]))

    def test_built_as_asked(self):
        for name in picolibc.ARCHS:
            self.assertTrue(picolibc.present(name), f"run ./rumpk setup: {name}")
            picolibc.check(picolibc.SYSROOT / name)

    def test_a_library_with_thread_local_errno_is_refused(self):
        with tempfile.TemporaryDirectory() as name:
            lib = Path(name) / "lib"
            lib.mkdir()
            picolibc.run(["sh", "-c", f"cd {lib} && echo 'thread_local int errno; int* f(void) {{ return &errno; }}' | "
                          "clang-19 --target=riscv64-unknown-elf -std=c2x -x c -c -o a.o - && "
                          "llvm-ar-19 rc libc.a a.o"], lib / "log")
            with self.assertRaisesRegex(fetch.FetchError, "TPREL"):
                picolibc.check(Path(name))


class Packages(unittest.TestCase):
    def setUp(self):
        self.said = io.StringIO()
        self.enterContext(contextlib.redirect_stderr(self.said))

    def dpkg(self, output):
        return mock.patch.object(setup.subprocess, "run", return_value=mock.Mock(stdout=output, returncode=0))

    def test_missing_are_found(self):
        there = [f"{name} installed" for name in setup.PACKAGES if name not in ("cmake", "meson")]
        with self.dpkg("\n".join([*there, "cmake config-files"])):
            self.assertEqual(setup.missing_packages(), ["cmake", "meson"])

    def test_without_rights_the_command_is_printed(self):
        for sudo, words in ((False, "As root, run this, then the same command again:\n  apt-get update && apt-get install "
                             "--no-install-recommends cmake meson\n"),
                            (True, "Run this, then the same command again:\n  sudo apt-get update && sudo apt-get install "
                             "--no-install-recommends cmake meson\n")):
            with (mock.patch.object(setup, "privilege", return_value=None), self.assertRaises(SystemExit) as ended,
                  mock.patch.object(setup, "on_path", return_value=sudo)):
                setup.install(["cmake", "meson"], True, common.Steps(2))
            self.assertEqual(ended.exception.code, 127)
            self.assertIn(words, self.said.getvalue())

    def answered(self, line):
        answer = mock.Mock(isatty=lambda: True, readline=lambda: line)
        with (mock.patch.object(setup, "privilege", return_value=[]), mock.patch.object(setup.sys, "stdin", answer),
              mock.patch.object(setup, "logged") as logged):
            try:
                setup.install(["cmake"], False, common.Steps(2))
            finally:
                self.installed = logged.called

    def test_no_is_no_and_so_is_no_answer(self):
        for line in ("n\n", "what?\n", ""):
            with self.assertRaises(SystemExit) as ended:
                self.answered(line)
            self.assertEqual(ended.exception.code, 127)
            self.assertIn("\nrumpk: nothing was installed" if not line else "nothing was installed", self.said.getvalue())
            self.assertFalse(self.installed)

    def test_yes_is_yes(self):
        for line in ("\n", "y\n", "Yes\n"):
            self.answered(line)
            self.assertTrue(self.installed)

    def test_not_asked_without_a_terminal(self):
        with (mock.patch.object(setup, "privilege", return_value=["sudo", "-n"]),
              mock.patch.object(setup.sys, "stdin", mock.Mock(isatty=lambda: False)),
              mock.patch.object(setup, "logged") as logged):
            setup.install(["cmake"], False, common.Steps(2))
        self.assertEqual([call.args[0][:5] for call in logged.call_args_list],
                         [["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]] * 2)
        self.assertIn("[2/2] installing 1 package ... done", self.said.getvalue())

    def test_a_failing_command_shows_its_end(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(setup, "LOG", Path(name) / "log"):
            with self.assertRaises(SystemExit) as ended:
                setup.logged(["sh", "-c", "echo E: no such package; exit 100"])
        self.assertEqual(ended.exception.code, 127)
        self.assertIn("E: no such package", self.said.getvalue())

    def test_ready_needs_programs_and_stamp(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(setup, "STAMP", Path(name) / "stamp"):
            self.assertFalse(setup.ready(()))
            setup.STAMP.write_text(setup.stamp_text())
            self.assertTrue(setup.ready(()))
            self.assertFalse(setup.ready(("riscv64",)))
            with mock.patch.object(setup, "PROGRAMS", ("no-such-program",)):
                self.assertFalse(setup.ready(()))
            setup.STAMP.write_text("of another commit")
            self.assertFalse(setup.ready(()))

    def test_two_at_once(self):
        """The second one waits for the first, and finds everything there."""
        code = f"""if True:
            import pathlib, sys, time
            sys.path.insert(0, {str(ROOT)!r})
            from tools.cli import setup
            home = pathlib.Path(sys.argv[1])
            setup.STAMP, setup.PROGRAMS = home / "third_party/setup.stamp", ()
            def bring(yes, archs):
                (home / "busy").mkdir()
                time.sleep(1)
                setup.STAMP.write_text(setup.stamp_text())
                with (home / "log").open("a") as log:
                    log.write("brought ")
                (home / "busy").rmdir()
            setup.bring = bring
            setup.ensure(archs=())
            """
        with tempfile.TemporaryDirectory() as name:
            both = [subprocess.Popen([sys.executable, "-c", code, name], stderr=subprocess.PIPE) for _ in range(2)]
            said = b"".join(each.communicate(timeout=60)[1] for each in both)
            self.assertEqual([each.returncode for each in both], [0, 0], said)
            self.assertEqual(Path(name, "log").read_text(), "brought ")
        self.assertEqual(said, b"rumpk: waiting for another setup\n")

    def test_architectures(self):
        self.assertEqual(setup.ARCHS, tuple(picolibc.ARCHS))


if __name__ == "__main__":
    unittest.main()
