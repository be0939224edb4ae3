# SPDX-License-Identifier: Apache-2.0
"""`./rumpk run`: build an application, boot it, and hand its output and exit code back to the shell."""

import os
import shlex
from pathlib import Path
from typing import NamedTuple

from . import backtrace, common, machines, monitor, session, trace

MIB = 1 << 20
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/:=,@+-")

_HELP = """\
Standard input, standard output and the exit code are the application's. What the
kernel and the application say on standard error goes to standard error; the
firmware's text is shown with --verbose, or when the boot failed.

exit codes: 0-123 the application's, 124 time-out, 125 the emulator failed, 126 panic,
127 nothing was started, 130 Ctrl-C (128 + the signal's number for others)
"""


class Target(NamedTuple):
    """What to boot, and where its symbols are."""

    image: Path
    application: Path | None
    kernel: Path | None


def register(subparsers):
    import argparse

    parser = subparsers.add_parser(
        "run",
        help="build an application, boot it, pass its input, output and exit code through",
        description="Builds an application and boots it.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="./rumpk run [options] [APP|DIR|IMAGE] [-- ARGS...]",
    )
    parser.add_argument(
        "application",
        nargs="?",
        metavar="APP|DIR|IMAGE",
        help="an application of the project by name, a folder with one, or a built image (.img); "
        "without it the current folder, if it is an application, else hello",
    )
    parser.add_argument("--machine", default=machines.DEFAULT, help=f"default: {machines.DEFAULT}")
    parser.add_argument("--smp", default="1", metavar="N", help="cores (default 1)")
    parser.add_argument("--memory", metavar="SIZE", help=f"as 128M or 1G; at least {_least_memory()}")
    parser.add_argument("--timeout", metavar="SECONDS", help="stop the machine after so long, with code 124")
    parser.add_argument("--gdb", action="store_true", help="start stopped, and say how to attach a debugger")
    parser.add_argument("--gdb-port", metavar="PORT", help="for --gdb; default: a free one")
    parser.add_argument(
        "--emulator-args", metavar="WORDS", help="further words for the emulator, as --emulator-args='-cpu rv64,sstc=off -dtb FILE'; "
        "for a single one the = cannot be left out: --emulator-args=-s"
    )
    parser.add_argument(
        "--trace", metavar="FILE", help="write what the machine's cores did as a trace for ui.perfetto.dev or chrome://tracing"
    )
    parser.add_argument(
        "--trace-events", metavar="N", help=f"for --trace: how many of the last events each core keeps (default {trace.EVENTS_DEFAULT})"
    )
    parser.add_argument("--verbose", action="store_true", help="show the firmware's text and the kernel's log")
    parser.set_defaults(arguments=[])
    keep_arguments_apart(parser)


def _least_memory():
    """In words; machines that need as much stand together."""
    by_size = {}
    for machine in map(machines.load, machines.names()):
        by_size.setdefault(machine.memory_minimum, []).append(machine.name)
    return "; ".join(f"{common.size_text(size)} on {', '.join(names)}" for size, names in sorted(by_size.items()))


def keep_arguments_apart(parser):
    """What stands behind `--` is the application's, whatever it looks like."""
    parse = parser.parse_known_args

    def parse_known_args(args=None, namespace=None):
        args = list(args or [])
        at = args.index("--") if "--" in args else len(args)
        namespace, rest = parse(args[:at], namespace)
        if rest:
            words = shlex.join(rest)
            parser.error(f"unknown arguments: {words}; the application's own stand behind --: "
                         f"{parser.prog} {namespace.application or 'hello'} -- {words}")
        namespace.arguments = args[at + 1 :]
        return namespace, rest

    parser.parse_known_args = parse_known_args


def main(args) -> int:
    session.hold_standard_descriptors()
    machine = machines.load(args.machine)
    memory = memory_of(args.memory, machine)
    cores = cores_of(args.smp, machine)
    timeout = seconds_of(args.timeout)
    further = words_of(args.emulator_args, machine)
    port = port_of(args.gdb_port) if args.gdb else None
    events, file = trace_of(args, machine, cores)
    target = target_of(args.application, machine, events > 0)
    memory = enough_for(target.image, memory, machine, args.memory)
    if cores > 1:
        _say_what_stays_off(cores, target.image)
    symbols = backtrace.Symbols(target.kernel, target.application, windows=machine.windows)
    watch = monitor.Monitor(target.image.stem, machine.name, events)
    options = session.Options(timeout, args.verbose, port is not None, symbols, watch)
    try:
        watch.listen()
        code = _boot(args, machine, target, options, (memory, cores), further, port)
    finally:
        watch.close()
    return file.finish(watch, code) if file else code


def _say_what_stays_off(cores, file):
    from . import image

    used = image.cores(file)
    if used is not None and used < cores:
        common.say(f"{cores - used} of {cores} cores stay off: {file.stem} runs on {used}, by `cores` in its cell.toml")


def _boot(args, machine, target, options, size, further, port):
    """Starts the machine and stays with it until its end; the exit code."""
    events = options.monitor.events
    if machine.kind == "process":
        command = process_command(target.image, *size, args.arguments, args.verbose, events)
        if args.gdb:
            from . import debug

            debug.process(machine, target, command)
            return 0
        from . import hosted

        return session.guarded(hosted.execute, command, options)
    command = emulator_command(machine, target.image, *size, args.arguments, args.verbose, events) + further
    if port is not None:
        command += ["-S", "-gdb", f"tcp:127.0.0.1:{port}"]
        from . import debug

        debug.emulated(machine, target, port)
    if args.verbose:
        common.say(shlex.join(command))
    from . import emulator

    return session.guarded(emulator.emulate, command, options)


# --- What was asked for ---------------------------------------------------------------------------


def memory_of(text, machine):
    """Bytes; ends the command when the size is none, or none for this machine."""
    if text is None:
        return machine.memory_default
    try:
        memory = common.size(text)
    except ValueError as error:
        common.fail(f"--memory: {error}")
    if memory % MIB:
        common.fail(f"--memory {text}: machines come in whole MiB; say for example --memory {memory // MIB + 1}M")
    if memory < machine.memory_minimum:
        least = common.size_text(machine.memory_minimum)
        common.fail(f"--memory {text}: {machine.name} needs at least {least}; say --memory {least} or more")
    return memory


def enough_for(file, memory, machine, asked):
    """Where windows are memory, cells in more than one need more than their machine has unless asked otherwise."""
    from . import image

    if asked is None:
        return image.memory_for(machine, file)
    least = machine.memory_for(image.windows(file)) if machine.flat else 0
    if memory < least:
        text = common.size_text(least)
        common.fail(f"--memory {asked}: {file.stem} has cells in {image.windows(file)} windows, which on {machine.name} are "
                    f"memory; say --memory {text} or more")
    return memory


def cores_of(text, machine):
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        common.fail(f"--smp {text}: not a number of cores; say for example --smp 2")
    if int(text) > machine.max_cores:
        common.fail(f"--smp {text}: {machine.name} has at most {machine.max_cores}; say --smp {machine.max_cores} or less")
    return int(text)


def seconds_of(text):
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        common.fail(f"--timeout {text}: not a number of seconds; say for example --timeout 10")
    return seconds


def words_of(text, machine):
    if text is None:
        return []
    if machine.kind == "process":
        common.fail(f"--emulator-args: {machine.name} has no emulator")
    try:
        return shlex.split(text)
    except ValueError as error:
        common.fail(f"--emulator-args: {error}")


def port_of(text):
    import socket

    if text is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return free.getsockname()[1]
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        common.fail(f"--gdb-port {text}: not a port; say for example --gdb-port 1234")
    with socket.socket() as wanted:
        wanted.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the emulator does
        try:
            wanted.bind(("127.0.0.1", int(text)))
        except OSError as error:
            common.fail(f"--gdb-port {text}: {error.strerror}; without it a free one is taken")
    return int(text)


def trace_of(args, machine, cores):
    """How many events each core keeps, and the file that takes them; 0, None: no trace."""
    if args.trace is None:
        if args.trace_events is not None:
            common.fail("--trace-events: for --trace FILE")
        return 0, None
    if args.gdb and machine.kind == "process":
        common.fail(f"--trace with --gdb: on {machine.name} the debugger takes the place of what would write the trace")
    events = trace.events_of(args.trace_events)
    return events, trace.File(args.trace, events, cores)


def target_of(what, machine, trace=False):
    """Builds it, if it is not an image already."""
    if what is not None and what.endswith(".img"):
        return _image(Path(what), machine, trace)
    from . import build

    if what is None:
        what = "." if Path("cell.toml").is_file() or Path("rumpk.toml").is_file() else "hello"
    built = build.application(what, machine.name, trace=trace)
    return Target(Path(built.image), Path(built.app_elf), Path(built.kernel_elf))


def _image(image, machine, trace):
    if not image.is_file():
        common.fail(f"no image '{image}'; ./rumpk build builds one and prints its path")
    _made_for(image, machine)
    application, kernel = image.with_suffix(".elf"), image.with_suffix(".kernel.elf")
    if trace:
        from . import parts

        if kernel.is_file() and "trace" not in parts.of_kernel(kernel.resolve()):
            common.fail(f"--trace: the kernel of {image} records none; name the application instead, or say trace = true "
                        "in its cell.toml and build it again")
    return Target(
        image.resolve(), application if application.is_file() else None, kernel if kernel.is_file() else None
    )


def _made_for(image, machine):
    """Ends the command if another machine's image was named, which could only wait for a time-out there."""
    from . import image as images

    data = image.read_bytes()
    names = [one.name for one in images.made_for(data)]
    if names and machine.name not in names:
        common.fail(f"{image} is an image for {' and '.join(names)}, not for {machine.name}; say --machine {names[0]}")
    if not names and machine.kind == "process" and not data.startswith(b"\x7fELF"):
        common.fail(f"{image} is no image for {machine.name}; ./rumpk build APP --machine {machine.name} builds one")
    if not names:
        common.say(f"{image}: what machine it was built for cannot be seen; is it a whole image?")


# --- Command lines --------------------------------------------------------------------------------


def percent(argument):
    """One argument as the boot arguments carry it: every other byte as %XX, an empty one as %."""
    data = os.fsencode(argument)
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data) or "%"


def boot_arguments(arguments, verbose=False, framed=True, events=0):
    options = ["rumpk.console=framed"] if framed else []
    if verbose:
        options.append("rumpk.log=verbose")
    if events:
        options.append(trace.boot_option(events))
    return " ".join(options + ["--"] + [percent(argument) for argument in arguments])


def emulator_command(machine, image, memory, cores, arguments=(), verbose=False, events=0):
    """The machine's own line with the console on our pipes instead of a terminal."""
    plain = machine.command(image, memory, cores)
    command = []
    skip = False
    for word in plain:
        if skip:
            skip = False
        elif word in ("-serial", "-monitor", "-display", "-append"):
            skip = True
        elif word != "-nographic":
            command.append(word)
    command += ["-display", "none", "-monitor", "none"]
    command += ["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"]
    return command + ["-append", boot_arguments(arguments, verbose, events=events)]


def process_command(image, memory, cores, arguments=(), verbose=False, events=0):
    command = [str(image), f"rumpk.memory={memory}", f"rumpk.cores={cores}"]
    if verbose:
        command.append("rumpk.log=verbose")
    if events:
        command.append(trace.boot_option(events))
    return command + ["--"] + list(arguments)
