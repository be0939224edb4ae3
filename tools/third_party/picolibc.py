# SPDX-License-Identifier: Apache-2.0
"""Builds picolibc with meson and clang-19, once an architecture.

Static, no start-up code, one global errno, no thread-local storage (a cell's fibers share one
tier and core), printf and scanf with doubles and 64-bit integers.
"""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .fetch import FetchError
from .parts import HOME, PICOLIBC

SYSROOT = HOME / "sysroot"


@dataclass(frozen=True)
class Arch:
    triple: str
    cpu: str
    flags: tuple[str, ...]


# The flags that change what code means are those of cells in hal/arch/<arch>/arch.cmake.
ARCHS = {
    "riscv64": Arch("riscv64-unknown-elf", "riscv64", ("-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany")),
    "aarch64": Arch("aarch64-unknown-elf", "aarch64", ("-march=armv8-a", "-mno-outline-atomics")),
    # For x86_64-unknown-elf clang would call gcc to link meson's probes: so Linux's triple, without its macros.
    "x86_64": Arch("x86_64-unknown-linux-gnu", "x86_64", ("-mno-red-zone", "-fno-pic", "-mcmodel=small", "-U__linux__",
                   "-U__linux", "-Ulinux", "-U__gnu_linux__", "-U__unix__", "-U__unix", "-Uunix")),
}

COMMON_FLAGS = ("-Os", "-g0", "-ffunction-sections", "-fdata-sections", "-fno-omit-frame-pointer",
                "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-w")

OPTIONS = (
    "-Dmultilib=false", "-Dtests=false", "-Dpicocrt=false", "-Dpicocrt-lib=false", "-Dsemihost=false",
    "-Dthread-local-storage=false", "-Dnewlib-global-errno=true", "-Dsingle-thread=true",
    "-Dtinystdio=true", "-Dposix-console=true", "-Dformat-default=double", "-Dio-long-long=true",
    "-Dio-c99-formats=true", "-Datomic-ungetc=false", "-Dfreestanding=false", "-Dspecsdir=none",
    "-Dbuildtype=plain",
)


def cross_file(arch: Arch) -> str:
    compiler = ["clang-19", f"--target={arch.triple}", *arch.flags, "-nostdlib"]
    return f"""[binaries]
c = {compiler!r}
ar = 'llvm-ar-19'
as = 'llvm-as-19'
nm = 'llvm-nm-19'
strip = 'llvm-strip-19'
c_ld = 'lld'

[host_machine]
system = 'none'
cpu_family = '{arch.cpu}'
cpu = '{arch.cpu}'
endian = 'little'

[built-in options]
c_args = {list(COMMON_FLAGS)!r}

[properties]
skip_sanity_check = true
has_link_defsym = true
"""


def stamp_text(arch: Arch) -> str:
    """Changes whenever the result would."""
    text = "\n".join([PICOLIBC.sha256, cross_file(arch), *OPTIONS])
    return hashlib.sha256(text.encode()).hexdigest()


def present(name: str) -> bool:
    try:
        return (SYSROOT / name / ".stamp").read_text() == stamp_text(ARCHS[name])
    except OSError:
        return False


def run(command: list[str], log: Path) -> None:
    with log.open("ab") as file:
        file.write((" ".join(command) + "\n").encode())
        file.flush()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise FetchError(f"picolibc did not build; the end of {log}:\n{tail}")


def build(name: str, jobs: int) -> None:
    """Installs headers and libc.a in build/third_party/sysroot/<name>."""
    if present(name):
        return
    arch = ARCHS[name]
    work, target = HOME / f"picolibc-build-{name}", SYSROOT / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / "cross.txt").write_text(cross_file(arch))
    log = HOME / f"picolibc-{name}.log"
    log.unlink(missing_ok=True)
    run(["meson", "setup", str(work / "meson"), str(PICOLIBC.folder), "--cross-file", str(work / "cross.txt"),
         f"--prefix={target}", "--libdir=lib", "--includedir=include", *OPTIONS], log)
    run(["ninja", "-C", str(work / "meson"), f"-j{jobs}"], log)
    run(["meson", "install", "-C", str(work / "meson"), "--no-rebuild", "--destdir", str(work / "root")], log)
    made = work / "root" / target.relative_to("/")
    check(made)
    (made / ".stamp").write_text(stamp_text(arch))
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(exist_ok=True)
    made.rename(target)
    shutil.rmtree(work)


def check(target: Path) -> None:
    """What the membrane counts on: errno is a variable, and nothing is thread-local."""
    symbols = subprocess.run(["llvm-nm-19", "--quiet", str(target / "lib" / "libc.a")],
                             capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1] for line in symbols.splitlines() if len(line.split()) >= 2}
    wrong = sorted(names & {"__errno", "__tls_get_addr", "__aeabi_read_tp"})
    relocations = subprocess.run(["llvm-readelf-19", "--relocs", str(target / "lib" / "libc.a")],
                                 capture_output=True, text=True, check=True).stdout
    wrong += sorted({word for line in relocations.splitlines() for word in line.split()
                     if word.startswith("R_") and ("TPREL" in word or "TPOFF" in word or "TLS" in word)})
    if wrong or "errno" not in names:
        raise FetchError(f"picolibc in {target} is not as asked for: {', '.join(wrong) or 'no errno'}")
