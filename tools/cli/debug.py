# SPDX-License-Identifier: Apache-2.0
"""`./rumpk run --gdb`: writes down what a debugger needs to know, and says how to start one."""

import shlex
import shutil

from . import common

FOLDER = common.BUILD / "debug"

# What gdb calls an architecture.
_ARCHITECTURES = {"riscv64": "riscv:rv64", "x86_64": "i386:x86-64", "aarch64": "aarch64"}
GDB, _LLDB = "gdb-multiarch", "lldb-19"  # the programs, and Debian's packages
# What a process machine takes for its interrupts: no reason to stop.
_INTERRUPTS = "SIGUSR1 SIGALRM"


def emulated(machine, target, port):
    """Prints the commands that attach to an emulator which waits on that port."""
    script = [f"set architecture {_ARCHITECTURES[machine.arch]}", *_gdb_symbols(target, "file"), f"target remote 127.0.0.1:{port}"]
    other = [f"target create {target.kernel}"] if target.kernel else []
    other += [f'settings set target.source-map "{_compiled(target)}" "{common.ROOT}"'] if target.kernel else []
    other += [f"target modules add {target.application}"] if target.application else []
    other += [f"gdb-remote 127.0.0.1:{port}"]
    common.say("the machine waits for a debugger. In another terminal, either of:")
    common.say(f"    {GDB} -x {_written(target, 'gdb', script)}")
    common.say(f"    {_LLDB} -s {_written(target, 'lldb', other)}")
    if not shutil.which(GDB) and not shutil.which(_LLDB):
        common.say(f"neither is installed: sudo apt-get install {GDB}")
    common.say("and there, for example: break main, then continue")


def process(machine, target, command):
    """Prints the command that starts a process under a debugger. What stands in the application's text is copied there
    as it boots, over any breakpoint but a hardware one: so it stops first where these can be set."""
    script = [f"file {command[0]}", *_gdb_symbols(target, "symbol-file"), f"handle {_INTERRUPTS} nostop noprint pass"]
    script += [f"set args {shlex.join(command[1:])}", "starti"]
    common.say(f"{machine.name} is a process: start it under a debugger, with")
    common.say(f"    {GDB} -x {_written(target, 'gdb', script)}")
    if not shutil.which(GDB):
        common.say(f"it is not installed: sudo apt-get install {GDB}")
    common.say("and there, for example: hbreak main, then continue (the first main is the kernel's)")


def _gdb_symbols(target, kernel):
    lines = [f"{kernel} {target.kernel}", f"set substitute-path {_compiled(target)} {common.ROOT}"] if target.kernel else []
    return lines + ([f"add-symbol-file {target.application}"] if target.application else [])


def _compiled(target):
    """The folder that the sources' names are relative to, as the compiler wrote it down: see cmake/RumpkOptions.cmake.
    It is the preset's; what stands beside an image is a link to the kernel there."""
    folder = target.kernel.resolve().parent
    return folder.relative_to(common.ROOT) if folder.is_relative_to(common.ROOT) else folder


def _written(target, kind, lines):
    if kind == "gdb":
        lines = ["set confirm off", *lines, "set confirm on"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{target.image.stem}.{kind}"
    file.write_text("\n".join(lines) + "\n")
    return shlex.quote(str(file))
