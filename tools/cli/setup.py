# SPDX-License-Identifier: Apache-2.0
"""`./rumpk setup`: packages of the system, third-party sources, and the C library."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

from . import common

# Debian 12's names. One list: a machine that can build can test.
PACKAGES = (
    "clang-19", "lld-19", "llvm-19", "libc++-19-dev", "libclang-rt-19-dev",  # the compiler
    "clang-format-19", "clang-tidy-19",  # check
    "cmake", "ninja-build", "meson",  # the build, and picolibc's
    "qemu-system-misc", "opensbi",  # the riscv64 machine and its firmware
    "qemu-system-arm",  # the aarch64 machine
    "libgtest-dev", "relacy-dev", "libc6-dev", "libstdc++-12-dev", "device-tree-compiler",  # unit tests
)
# Their programs: gone means that a package was removed after setup.
PROGRAMS = ("clang-19", "ld.lld-19", "llvm-nm-19", "clang-format-19", "clang-tidy-19", "cmake", "ninja", "meson",
            "qemu-system-riscv64", "qemu-system-aarch64", "dtc")
ARCHS = ("riscv64", "aarch64", "x86_64")  # of tools/third_party/picolibc.py
STAMP = common.BUILD / "third_party" / "setup.stamp"
LOG = common.BUILD / "setup.log"


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "setup",
        help="install what is missing and fetch third-party sources",
        description="Installs missing Debian packages, fetches pinned third-party sources from Debian's archive into "
        "build/third_party, and builds the C library. Other commands do the same when something is missing.",
    )
    parser.add_argument("--yes", action="store_true", help="install packages without asking")
    parser.set_defaults(main=main)


def main(args) -> int:
    ensure(args.yes)
    print("everything is there; go on with: ./rumpk run hello")
    return 0


def stamp_text() -> str:
    """Changes when a newer commit wants other packages or parts, and when the repository was moved. Imports no
    recipe: `run` reads this each time."""
    folder = common.ROOT / "tools" / "third_party"
    recipes = [f"{one.name} {zlib.crc32(one.read_bytes()):08x}" for one in sorted(folder.glob("*.py"))]
    return "\n".join([str(STAMP.parent.resolve()), *PACKAGES, *recipes])


def on_path(program: str) -> bool:
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in os.get_exec_path())


def ready(archs: tuple[str, ...]) -> bool:
    """Whether nothing is to do, by a stamp and a look for the programs: about a millisecond."""
    try:
        return (STAMP.read_text() == stamp_text() and all(map(on_path, PROGRAMS))
                and all((STAMP.parent / "sysroot" / arch / ".stamp").exists() for arch in archs))
    except OSError:
        return False


def ensure(yes: bool = False, archs: tuple[str, ...] = ARCHS) -> None:
    """Brings everything there, the C library for these architectures included, or ends the command
    with what to do."""
    if ready(archs):
        return
    with common.locked(STAMP.parent, "setup"):
        if not ready(archs):
            bring(yes, archs)


def bring(yes: bool, archs: tuple[str, ...]) -> None:
    from ..third_party import fetch, parts, paths, picolibc

    lacking = missing_packages()
    pending = [part for part in parts.PARTS if not fetch.present(part)]
    archs = [name for name in archs if not picolibc.present(name)]
    steps = common.Steps(2 * bool(lacking) + len(pending) + len(archs))
    if lacking:
        install(lacking, yes, steps)
    try:
        for part in pending:
            with steps.step(f"fetching {part.name} {part.version}"):
                fetch.fetch(part)
        for name in archs:
            with steps.step(f"building {parts.PICOLIBC.name} {parts.PICOLIBC.version} for {name}"):
                picolibc.build(name, os.cpu_count() or 1)
    except fetch.FetchError as error:
        common.fail(str(error))
    paths.write()
    STAMP.write_text(stamp_text())


def ensure_peers() -> None:
    """What `bench rings` measures besides our own, which nothing else needs."""
    from ..third_party import fetch, parts

    with common.locked(STAMP.parent, "setup"):
        pending = [part for part in parts.BENCH_PARTS if not fetch.present(part)]
        steps = common.Steps(len(pending))
        try:
            for part in pending:
                with steps.step(f"fetching {part.name} {part.version}"):
                    fetch.fetch(part)
        except fetch.FetchError as error:
            common.fail(str(error))


def ensure_packages(names: tuple[str, ...]) -> None:
    """Brings packages there that one command alone needs."""
    ensure()
    with common.locked(STAMP.parent, "setup"):
        if lacking := missing_packages(names):
            install(lacking, False, common.Steps(2))


def missing_packages(names: tuple[str, ...] = PACKAGES) -> list[str]:
    try:
        listed = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names],
            capture_output=True, text=True, check=False,
        ).stdout
    except OSError:
        return [program for program in PROGRAMS if not on_path(program)]
    there = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in there]


def privilege() -> list[str] | None:
    """What goes in front of apt-get; None: this user may not install."""
    if os.geteuid() == 0:
        return []
    try:
        allowed = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        allowed = False
    return ["sudo", "-n"] if allowed else None


def install(packages: list[str], yes: bool, steps: common.Steps) -> None:
    if not Path("/usr/bin/apt-get").exists():
        common.fail(f"this is not Debian 12; install what gives {', '.join(packages)}")
    command = ["apt-get", "install", "--no-install-recommends", *packages]
    prefix = privilege()
    if prefix is None:
        sudo = "sudo " if on_path("sudo") else ""  # which would ask for a password
        common.fail(f"packages are missing and this user may not install them. {'Run' if sudo else 'As root, run'} this, "
                    f"then the same command again:\n  {sudo}apt-get update && {sudo}{' '.join(command)}")
    if not yes and sys.stdin.isatty():
        common.say(f"to install: {' '.join(packages)}")
        sys.stderr.write("rumpk: install them now? [Y/n] ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
        if not answer:  # the end of input is no answer, and the question's line is still open
            sys.stderr.write("\n")
        if answer.strip().lower() not in ("", "y", "yes") or not answer:
            common.fail(f"nothing was installed. To do it by hand: {' '.join(command)}")
    prefix = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive"]
    LOG.unlink(missing_ok=True)
    with steps.step("reading the package lists"):
        logged([*prefix, "apt-get", "update"])
    with steps.step(f"installing {len(packages)} package{'s'[: len(packages) > 1]}"):
        logged([*prefix, *command, "--yes"])


def logged(command: list[str]) -> None:
    """Runs it with its output in build/setup.log; its last lines are shown when it fails."""
    with LOG.open("ab") as log:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
    if done.returncode != 0:
        sys.stderr.write("\n")
        tail = "\n  ".join(LOG.read_text(errors="replace").splitlines()[-12:])
        common.fail(f"{' '.join(command)} failed; the end of {common.relative(LOG)}:\n  {tail}")
