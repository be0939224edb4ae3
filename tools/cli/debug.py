# SPDX-License-Identifier: Apache-2.0
"""`./rumpk run --gdb`: writes down what a debugger needs to know, and says how to start one."""

import shlex

from . import common

FOLDER = common.BUILD / "debug"

# arch -> the debugger's program, and what it calls the architecture
_GDB = {"riscv64": ("gdb-multiarch", "riscv:rv64"), "x86_64": ("gdb", "i386:x86-64"), "aarch64": ("gdb-multiarch", "aarch64")}
_LLDB = "lldb-19"
# What a process machine takes for its interrupts: no reason to stop.
_INTERRUPTS = "SIGUSR1 SIGALRM"


def emulated(machine, target, port):
    """Prints the commands that attach to an emulator which waits on that port."""
    gdb, architecture = _GDB[machine.arch]
    script = [f"set architecture {architecture}", *_gdb_symbols(target, "file"), f"target remote 127.0.0.1:{port}"]
    other = [f"target create {target.kernel}"] if target.kernel else []
    other += [f'settings set target.source-map "{_compiled(target)}" "{common.ROOT}"'] if target.kernel else []
    other += [f"target modules add {target.application}"] if target.application else []
    other += [f"gdb-remote 127.0.0.1:{port}"]
    common.say("the machine waits for a debugger. In another terminal, either of:")
    common.say(f"    {gdb} -x {_written(target, 'gdb', script)}")
    common.say(f"    {_LLDB} -s {_written(target, 'lldb', other)}")
    common.say("and there, for example: break main, then continue")


def process(machine, target, command):
    """Prints the command that starts a process under a debugger. What stands in the application's text is copied there
    as it boots, over any breakpoint but a hardware one: so it stops first where these can be set."""
    gdb, _ = _GDB[machine.arch]
    script = [f"file {command[0]}", *_gdb_symbols(target, "symbol-file"), f"handle {_INTERRUPTS} nostop noprint pass"]
    script += [f"set args {shlex.join(command[1:])}", "starti"]
    common.say(f"{machine.name} is a process: start it under a debugger, with")
    common.say(f"    {gdb} -x {_written(target, 'gdb', script)}")
    common.say("and there, for example: hbreak main, then continue (the first main is the kernel's)")


def _gdb_symbols(target, kernel):
    lines = [f"{kernel} {target.kernel}", f"set substitute-path {_compiled(target)} {common.ROOT}"] if target.kernel else []
    return lines + ([f"add-symbol-file {target.application}"] if target.application else [])


def _compiled(target):
    """The folder that the sources' names are relative to, as the compiler wrote it down: see cmake/RumpkOptions.cmake."""
    folder = target.kernel.parent
    return folder.relative_to(common.ROOT) if folder.is_relative_to(common.ROOT) else folder


def _written(target, kind, lines):
    if kind == "gdb":
        lines = ["set confirm off", *lines, "set confirm on"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{target.image.stem}.{kind}"
    file.write_text("\n".join(lines) + "\n")
    return shlex.quote(str(file))
