# SPDX-License-Identifier: Apache-2.0
"""`./rumpk build`, and what the other commands use of it: from an application's folder to its image."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from . import cells, common, machines, manifest, setup

# Folders whose files can change what comes out; applications have theirs besides.
SOURCES = ("abi", "regs", "hal", "core", "ion", "drivers", "membrane", "cmake", "tools/cli", "CMakeLists.txt", "CMakePresets.json")
IN_TREE = ("apps", "tests/apps")


class Built(NamedTuple):
    image: Path
    app_elf: Path  # with symbols
    kernel_elf: Path  # a link to the kernel in it, with symbols; its name says which parts it has (parts.py)
    machine: machines.Machine


class Application(NamedTuple):
    name: str
    folder: Path
    outside: bool

    def output(self, preset: str) -> Path:
        """Where its ELF and image go; as RumpkApplication.cmake has it."""
        if not self.outside:
            return common.BUILD / preset / "images"
        import hashlib

        return common.BUILD / preset / "outside" / hashlib.md5(str(self.folder).encode()).hexdigest()[:8]


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "build",
        help="build applications into bootable images",
        description="Builds images and prints, for each, its path and the command that boots it by hand.",
    )
    parser.add_argument("app", nargs="*", help="an application of apps/, or a folder; all of apps/ if none is named")
    parser.add_argument("--machine", default=machines.DEFAULT, metavar="M",
                        help=f"one of hal/machine, or all (default: {machines.DEFAULT})")
    parser.add_argument("--verbose", action="store_true", help="show the compiler's commands")
    parser.set_defaults(main=main)


def main(args) -> int:
    from . import image

    for machine in machines.chosen(args.machine):
        for spec in args.app or [one.name for one in in_tree() if one.folder.parent == common.ROOT / "apps"]:
            built = application(spec, machine.name, verbose=args.verbose)
            print(common.relative(built.image))
            memory = image.memory_for(machine, Path(built.image))
            print("    " + shlex.join(machine.command(Path(common.relative(built.image)), memory)))
    return 0


# ---- which application ----------------------------------------------------------------------------------


def in_tree() -> list[Application]:
    return [Application(file.parent.name, file.parent, False)
            for parent in IN_TREE for file in sorted((common.ROOT / parent).glob("*/*.toml"))
            if file.name in ("cell.toml", cells.FILE)]


def find(spec: str) -> Application:
    """A name of the tree or a folder; ends the command when it is neither."""
    known = in_tree()
    for one in known:
        if spec == one.name or Path(spec).resolve() == one.folder:
            return with_sources(one)
    folder = Path(spec).resolve()
    if not folder.is_dir():
        examples = ", ".join(one.name for one in known if one.folder.parent == common.ROOT / IN_TREE[0])
        common.fail(f"no application '{spec}'{nearest(spec, known)}; there are: {examples}, those of {IN_TREE[1]}, or any folder "
                    "with a cell.toml (./rumpk new DIR writes one)")
    if not (folder / "cell.toml").is_file() and not (folder / cells.FILE).is_file():
        common.fail(f"{spec} is no application: it has no cell.toml (./rumpk new DIR writes one to start from)")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", folder.name) or ";" in str(folder):
        common.fail(f"{folder}: an application's folder is named with letters, digits, '.', '_' and '-'")
    return with_sources(Application(folder.name, folder, True))


def nearest(spec: str, known: list[Application]) -> str:
    import difflib

    found = difflib.get_close_matches(spec, [one.name for one in known], 1)
    return f", but '{found[0]}'" if found else ""


def with_sources(app: Application) -> Application:
    try:
        folders = folders_of(app)
    except manifest.ManifestError as error:
        common.fail(str(error))
    for folder in folders:
        if not any(folder.glob("*.c")) and not any(folder.glob("*.cpp")):
            common.fail(f"{common.relative(folder)} is no application: it has no *.c or *.cpp")
    return app


def folders_of(app: Application) -> list[Path]:
    """Where its sources are: of several cells one each."""
    several = app.folder / cells.FILE
    return [one.folder for one in cells.load(several).placed] if several.is_file() else [app.folder]


# ---- building -------------------------------------------------------------------------------------------


def application(spec: str, machine: str, verbose: bool = False, preset: str = "", trace: bool = False) -> Built:
    """Builds what is not up to date. `preset` is the machine's own unless another one of
    CMakePresets.json for the same machine is asked for (host-asan). `trace`: the image is to be able
    to record one, whatever its cell.toml says."""
    facts = machines.load(machine)
    app = find(spec)
    preset = preset or facts.name
    output = app.output(preset) / ("trace" if trace else "")
    built = Built(*(output / f"{app.name}.{kind}" for kind in ("img", "elf", "kernel.elf")), facts)
    stamp = output / f"{app.name}.inputs"
    setup.ensure(archs=(facts.arch,))
    inputs = inputs_of(app, built.image)
    if inputs and same(stamp, inputs):
        return built
    with common.locked(common.BUILD / preset, f"build of {preset}"):
        configure(preset, [app.folder] if app.outside else [])
        ninja(preset, [str(built.image.relative_to(common.BUILD / preset))], f"{app.name} for {preset}", verbose)
    stamp.write_text(inputs_of(app, built.image))
    return built


def target(preset: str, targets: list[str], what: str, verbose: bool = False,
           archs: tuple[str, ...] = setup.ARCHS) -> Path:
    """Builds targets of a preset (none: all), for which these architectures' C library is needed, and returns
    its build folder."""
    setup.ensure(archs=archs)
    with common.locked(common.BUILD / preset, f"build of {preset}"):
        configure(preset, [])
        ninja(preset, targets, what, verbose)
    return common.BUILD / preset


def same(stamp: Path, text: str) -> bool:
    try:
        return stamp.read_text() == text
    except OSError:
        return False


def inputs_of(app: Application, image: Path) -> str:
    """Names, sizes and times of all that goes into an image, and of the image: while they stay, there is
    nothing to build and ninja need not be asked. Empty where there is no image."""
    if not image.exists():
        return ""
    tops = [image, setup.STAMP, app.folder, *folders_of(app), *(common.ROOT / name for name in SOURCES)]
    return "".join(line for top in tops for line in listing(str(top)))


def listing(top: str) -> list[str]:
    try:
        entries = sorted(os.scandir(top), key=lambda entry: entry.name)
    except NotADirectoryError:
        status = os.stat(top)
        return [f"{top} {status.st_size} {status.st_mtime_ns}\n"]
    except FileNotFoundError:
        return []
    lines = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            lines += listing(entry.path)
        else:
            status = entry.stat()
            lines.append(f"{entry.path} {status.st_size} {status.st_mtime_ns}\n")
    return lines


def cached(cache: Path, name: str) -> str:
    """A variable of CMakeCache.txt; empty where there is none."""
    try:
        found = re.search(rf"^{name}:\w+=(.*)$", cache.read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found.group(1) if found else ""


def configure(preset: str, outside: list[Path]) -> None:
    """CMake's first run, and another one when a folder outside the repository is new to it."""
    folder = common.BUILD / preset
    cache = folder / "CMakeCache.txt"
    if cache.exists() and cached(cache, "CMAKE_HOME_DIRECTORY") != str(common.ROOT):
        import shutil

        shutil.rmtree(folder / "CMakeFiles", ignore_errors=True)  # the repository was moved
        cache.unlink()
    known = [one for one in cached(cache, "RUMPK_APPLICATIONS").split(";")
             if one and (Path(one, "cell.toml").exists() or Path(one, cells.FILE).exists())]
    fresh = [str(one) for one in outside if str(one) not in known]
    if (folder / "build.ninja").exists() and cache.exists() and not fresh:
        return
    done = subprocess.run(
        ["cmake", "--preset", preset, f"-DRUMPK_APPLICATIONS={';'.join(known + fresh)}"],
        cwd=common.ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )
    if done.returncode != 0:
        (folder / "build.ninja").unlink(missing_ok=True)
        sys.stderr.write(done.stderr)
        common.fail(f"cmake --preset {preset} failed")


def ninja(preset: str, targets: list[str], what: str, verbose: bool) -> None:
    """Runs ninja; shows one line of progress on a terminal, and of the output only what compilers say.
    When it fails and nobody has said why, all of it."""
    begun = time.monotonic()
    live = sys.stderr.isatty() and not verbose
    with subprocess.Popen(
        ["ninja", "-C", str(common.BUILD / preset), *(["-v"] if verbose else []), *targets],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        env={**os.environ, "NINJA_STATUS": "[%f/%t] "},
    ) as process:
        skip = False  # the line after "FAILED: x" is its command
        held = []  # shown if ninja fails and no compiler has said why
        for line in process.stdout:
            status = re.match(r"\[\d+/\d+\] ", line)
            if status and live:
                sys.stderr.write(f"\r\033[Krumpk: building {what} {status.group()}")
                sys.stderr.flush()
            elif not skip and not line.startswith(("FAILED: ", "ninja: ", "-- ")) and (verbose or not status):
                sys.stderr.write(("\r\033[K" if live else "") + line)
                held = None
            elif line.startswith("ninja: error:"):
                sys.stderr.write(line)
                held = None
            if held is not None and not status:
                held.append(line)
            skip = line.startswith("FAILED: ") and not verbose
    seconds = time.monotonic() - begun
    if live:
        sys.stderr.write("\r\033[K")
    if process.returncode != 0:
        sys.stderr.writelines(held or ())
        ended = f" (ninja ended with {process.returncode})" if held is not None else ""
        common.fail(f"{what} did not build{ended}")
    if seconds >= 1:
        common.say(f"built {what} in {seconds:.0f} s")
