# SPDX-License-Identifier: Apache-2.0
"""A process stopped between any two instructions: ptrace(2) for x86-64 Linux, as little of it as a test needs."""

import ctypes
import os
import re
import signal
import subprocess
import time

TRACEME, CONT, GETREGS, SETREGS, SINGLESTEP = 0, 7, 12, 13, 9
REGISTERS = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
    "fs_base gs_base ds es fs gs"
).split()  # struct user_regs_struct
BREAKPOINT = b"\xcc"
SYS_TGKILL = 234

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
libc.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in REGISTERS]


class Lost(Exception):
    """The process did not get where it should."""


class Tracer:
    """The first thread of one process. It is stopped whenever a method returns."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: libc.ptrace(TRACEME, 0, None, None),
        )
        self.pid = self.process.pid
        self._stopped()  # at exec
        self.memory = open(f"/proc/{self.pid}/mem", "r+b", buffering=0)  # noqa: SIM115
        self.symbols = self._symbols(command[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        os.waitpid(self.pid, 0)
        self.process.returncode = -signal.SIGKILL
        self.memory.close()
        self.process.stdout.close()
        self.process.stderr.close()

    def _symbols(self, image):
        """Where each one stands in this process."""
        with open(f"/proc/{self.pid}/maps") as maps:
            base = next(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(image))
        listing = subprocess.run(["llvm-nm-19", image], capture_output=True, text=True, check=True).stdout
        return {name: base + int(at, 16) for at, name in re.findall(r"^([0-9a-f]+) \S (\S+)$", listing, re.MULTILINE)}

    def _call(self, request, data=None):
        if libc.ptrace(request, self.pid, None, data) < 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request}")
        if request in (CONT, SINGLESTEP):
            self.running = True

    def _stopped(self):
        """Waits until it stops; the signal."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                if not os.WIFSTOPPED(status):
                    raise Lost(f"the process ended: {status:#x}")
                self.running = False
                return os.WSTOPSIG(status)
            time.sleep(0 if end - time.monotonic() > 9.9 else 0.001)
        raise Lost("the process stands still")

    def where(self):
        """In words, also where a process is that does not stop by itself."""
        if self.running:
            os.kill(self.pid, signal.SIGSTOP)
            os.waitpid(self.pid, 0)
            self.running = False
        pc = self.registers.rip
        at, name = max((address, name) for name, address in self.symbols.items() if address <= pc)
        return f"{name}+{pc - at:#x}"

    @property
    def registers(self):
        values = Registers()
        self._call(GETREGS, ctypes.byref(values))
        return values

    def read(self, address):
        return int.from_bytes(os.pread(self.memory.fileno(), 4, address), "little")

    def write(self, address, value):
        os.pwrite(self.memory.fileno(), value.to_bytes(4, "little"), address)

    def send(self, number):
        libc.syscall(SYS_TGKILL, self.pid, self.pid, number)

    def step(self):
        """One instruction; signals that come are delivered, which is a step of its own. The pc then."""
        self._call(SINGLESTEP)
        stop = self._stopped()
        while stop != signal.SIGTRAP:
            self._call(SINGLESTEP, stop)
            stop = self._stopped()
        return self.registers.rip

    def run_to(self, address):
        """Until it is about to execute that instruction."""
        if self.registers.rip == address:
            self.step()
        original = os.pread(self.memory.fileno(), 1, address)
        os.pwrite(self.memory.fileno(), BREAKPOINT, address)
        try:
            self._call(CONT)
            stop = self._stopped()
            while stop != signal.SIGTRAP:
                self._call(CONT, stop)
                stop = self._stopped()
        finally:
            os.pwrite(self.memory.fileno(), original, address)
        values = self.registers
        if values.rip != address + 1:
            raise Lost(f"stopped at {values.rip:#x}, not {address:#x}")
        values.rip = address
        self._call(SETREGS, ctypes.byref(values))
