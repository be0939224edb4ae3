# SPDX-License-Identifier: Apache-2.0
"""Stands in for an emulator with an image in it: speaks the framing of abi/console.h on its
standard streams. Run as `fake_emulator.py BEHAVIOUR [ARGUMENT...]`; it ends with status 0
unless the behaviour says otherwise."""

import hashlib
import os
import random
import select
import signal
import struct
import sys
import time

DLE = b"\x10"
BOOT = b"OpenSBI v1.1\r\nBoot HART ID : 0\r\n"
READY = b"\x10krumpk: 0.1 fake ready in 1.0 ms (1 core, 100 MiB free)\n"


def send(data):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def output(letter, data):
    send(DLE + letter + data.replace(DLE, b"\x10\x10"))


def leave(code):
    send(b"\x10x" + bytes([code]))


def boot():
    send(BOOT + READY)


def want_input():
    send(DLE + b"i")


def received():
    """What the runner sends, decoded, in chunks, until the end of input."""
    want_input()
    kept = b""
    while True:
        data = os.read(0, 1 << 16)
        if not data:
            sys.exit("the runner closed the line without the end of input")
        data = kept + data
        kept = b""
        # A doubled DLE may be cut by the chunk's end.
        parts = data.split(b"\x10\x10")
        if parts[-1].endswith(DLE):
            parts[-1], kept = parts[-1][:-1], DLE
        for part in parts[:-1]:
            if DLE in part:
                sys.exit("the runner sent an unknown frame")
        last, end, rest = parts[-1].partition(b"\x10\x04")
        parts[-1] = last
        yield DLE.join(parts)
        if end:
            if rest:
                sys.exit("the runner sent something behind the end of input")
            return


def echo():
    boot()
    for data in received():
        output(b"o", data)
    leave(0)


def digest():
    """Says how many bytes came, and their SHA-256."""
    boot()
    total, count = hashlib.sha256(), 0
    for data in received():
        total.update(data)
        count += len(data)
    output(b"o", f"{count} {total.hexdigest()}\n".encode())
    leave(0)


def source(size, seed):
    boot()
    data = random.Random(int(seed)).randbytes(int(size))
    for at in range(0, len(data), 50000):
        output(b"o", data[at : at + 50000])
    leave(0)


def code(number):
    boot()
    leave(int(number))


def every_byte():
    """Each frame and each byte on its own, so that the reader sees every cut."""
    boot()
    for byte in range(256):
        for piece in (DLE + b"o" + bytes([byte]).replace(DLE, b"\x10\x10")):
            send(bytes([piece]))
            time.sleep(0.0002)
    leave(7)


def mixed():
    boot()
    output(b"o", b"one\n")
    output(b"e", b"two\n")
    output(b"k", b"rumpk: three\n")
    output(b"o", b"four\n")
    leave(0)


def panic(*addresses):
    boot()
    send(b"\x10prumpk: panic: load from 0x0 is not allowed\n")
    for number, address in enumerate(addresses):
        send(f"rumpk:   #{number} {address}\n".encode())
    leave(126)


def panic_without_end():
    boot()
    send(b"\x10prumpk: panic: and then nothing\n")
    time.sleep(600)


def silent():
    time.sleep(600)


def refusing_kernel():
    send(BOOT + b"rumpk: device tree: /: no memory\n")
    sys.exit(126)


def refusing_by_the_line():
    """As on a machine that carries no exit code."""
    send(BOOT + b"rumpk: device tree: /: no memory\n\x10x\x7e")
    sys.exit(0)


def stuck_firmware():
    send(BOOT)
    time.sleep(600)


def hang():
    boot()
    time.sleep(600)


def endless():
    boot()
    while True:
        output(b"o", b"again\n" * 1000)


def die(status):
    send(BOOT)
    os.write(2, b"fake: cannot set up guest memory\n")
    sys.exit(int(status))


def die_later(status):
    boot()
    sys.exit(int(status))


def killed():
    boot()
    os.kill(os.getpid(), signal.SIGKILL)


def bad_frame():
    boot()
    output(b"o", b"before\n")
    send(b"\x10qafter\n")
    time.sleep(600)


def linger():
    """The exit frame, and an emulator that does not end."""
    boot()
    output(b"o", b"done\n")
    leave(5)
    time.sleep(600)


def early():
    """Nothing is sent to a UART that firmware may still be setting up: not before the first frame."""
    send(BOOT)
    if select.select([0], [], [], 0.5)[0]:
        sys.exit("the runner sent input before the first frame")
    send(READY)
    for data in received():
        output(b"o", data)
    leave(0)


def ignores_input():
    boot()
    want_input()
    time.sleep(0.2)
    leave(3)


def unwanted_input():
    """Nothing is sent to an application that does not read, and then all of it."""
    boot()
    if select.select([0], [], [], 0.5)[0]:
        sys.exit("the runner sent input before it was wanted")
    for data in received():
        output(b"o", data)
    leave(0)


def message(kind, body=b""):
    """Of abi/telemetry.h."""
    output(b"t", struct.pack("<II", kind, len(body)) + body)


def system(cores=1):
    message(1, struct.pack("<II11Q", 96, cores, 5_000_000_000, *range(10)))


def fiber(number, tier, name, identity, kernel=0, run_ns=0, size=80):
    message(2, struct.pack("<II IIII QQQ 16s QQ II", number, kernel, size, tier, 0, 3, identity, 7, run_ns, name, 2500, 0, 0, 0))


def trace(events, core=0, recorded=None):
    body = struct.pack("<II 4Q", core, 0, len(events) if recorded is None else recorded, 1000, 1000, 1 << 32)
    message(4, body + b"".join(struct.pack("<QIHBB", *event) for event in events))


def wait_for_request(letter):
    """The runner's next request, which has to be this one."""
    got = os.read(0, 2)
    if not got:
        sys.exit(0)
    if got != DLE + letter:
        sys.exit(f"the runner sent {got!r} instead of a request")


def watched():
    """A machine of two fibers that answers as often as it is asked; the second time some time has passed."""
    boot()
    for time_used in (1_000_000_000, 3_000_000_000, 3_000_000_000, 3_000_000_000):
        wait_for_request(b"r")
        message(1, struct.pack("<II11Q", 96, 1, 2 * time_used, *range(10)))
        fiber(16, 1, b"console", 0, kernel=1, run_ns=1000)
        fiber(32, 2, b"main\x1b[2J", 1 << 32, run_ns=time_used)
        message(3)
    leave(0)


def cell(window, state, restarts, name, ended_ns=0, code=0, pc=0, address=0, what=b"", who=b""):
    message(5, struct.pack("<IIQQqQQ32s16s32s", window, state, restarts, ended_ns, code, pc, address, what, who, name))


def watched_cells():
    """Five cells, of which each has ended in another way."""
    boot()
    while True:
        wait_for_request(b"r")
        system()
        cell(0, 1, 0, b"near")
        cell(1, 5, 3, b"driver", 4_000_000_000, 0, 0x10000542, 0x486, b"load page fault", b"bad")
        cell(2, 2, 0, b"short", 1_000_000_000, -3)
        cell(3, 6, 2, b"by-kernel", 1_000_000_000)
        cell(6, 9, 1, b"slow\x1b", 1_000_000_000, who=b"sixteen-letters!")
        fiber(16, 1, b"console", 0, kernel=1)
        fiber(32, 2, b"main", 1 << 32)
        fiber(48, 2, b"main", 1 << 32, kernel=2)
        message(3)


def watched_for_ever():
    boot()
    while True:
        wait_for_request(b"r")
        system()
        fiber(32, 2, b"main\x1b[2J", 1 << 32)
        message(3)


def lying_when_asked():
    boot()
    wait_for_request(b"r")
    system()
    fiber(1, 77, b"", 1)
    time.sleep(600)


def never_answers():
    boot()
    wait_for_request(b"r")
    time.sleep(600)


def traced(ending="leave"):
    """A trace of one fiber that is woken and runs; how it ends."""
    boot()
    if ending == "stop":
        wait_for_request(b"s")
    if ending == "never":
        time.sleep(600)
    trace([(100, 32, 0, 2, 3), (0x6E69616D, 0, 0, 0, 4), (200, 32, 0, 0, 1), (300, 0, 0, 0, 1), (400, 0, 9, 1, 6),
           (410, 32, 0, 0, 2), (420, 0, 0, 0, 7), (430, 32, 0, 0, 1)], recorded=10)
    system()
    fiber(32, 2, b"main", 1 << 32)
    message(3)
    leave(0)


def lying(how):
    """Telemetry that cannot be."""
    boot()
    if how == "length":
        message(2, bytes(3))
    elif how == "kind":
        message(99)
    elif how == "endless":
        output(b"t", struct.pack("<II", 4, 0xFFFFFFF0) + bytes(100))
    elif how == "tier":
        system()
        fiber(1, 77, b"", 1)
    elif how == "order":
        message(3)
    elif how == "cores":
        system(cores=0)
    elif how == "numbers":
        trace([(1, 2, 3, 4, 5)], recorded=0)
    elif how == "twice":
        trace([])
        trace([])
    elif how == "cut":
        output(b"t", struct.pack("<II", 1, 96) + bytes(50))
        leave(0)
    time.sleep(600)


def process_id():
    """For those who kill it or look whether it is still there."""
    boot()
    output(b"o", f"{os.getpid()}\n".encode())
    time.sleep(600)


def terminal():
    """Whether the emulator could reach a terminal."""
    boot()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
        found = "a controlling terminal"
    except OSError:
        found = "no controlling terminal"
    output(b"o", f"{found}, {[os.isatty(fd) for fd in (0, 1, 2)]}\n".encode())
    leave(0)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    globals()[sys.argv[1]](*sys.argv[2:])
