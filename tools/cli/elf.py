# SPDX-License-Identifier: Apache-2.0
"""Just enough of ELF64 (System V gABI, chapters 4 and 5) to check, pack and measure images."""

import struct
from typing import NamedTuple

PAGE = 4096
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_TLS, PT_GNU_STACK = 1, 2, 3, 7, 0x6474E551
PF_X, PF_W, PF_R = 1, 2, 4
ET_EXEC, ET_DYN = 2, 3
MACHINES = {"x86_64": 62, "riscv64": 243, "aarch64": 183}

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")


class ElfError(Exception):
    """What is wrong with the file, for a person."""


class Segment(NamedTuple):
    type: int
    flags: int
    offset: int
    address: int  # virtual
    physical: int
    file_size: int
    memory_size: int
    align: int

    @property
    def end(self) -> int:
        return self.address + self.memory_size

    @property
    def rights(self) -> str:
        return "".join(letter if self.flags & bit else "-" for letter, bit in (("R", PF_R), ("W", PF_W), ("X", PF_X)))


class Section(NamedTuple):
    name: str
    type: int
    flags: int
    address: int
    offset: int
    size: int


class Elf:
    """A little-endian ELF64 file whose tables lie inside it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        if len(data) < _HEADER.size or data[:4] != b"\x7fELF":
            raise ElfError("it is no ELF file")
        header = _HEADER.unpack_from(data)
        if data[4:6] != b"\x02\x01":
            raise ElfError("it is not a 64-bit little-endian ELF file")
        self.type, self.machine, self.entry = header[1], header[2], header[4]
        self.flags = header[7]
        at, size, count = header[5], header[9], header[10]
        if size != _SEGMENT.size or at + size * count > len(data):
            raise ElfError("it is truncated: its program headers are not all there")
        self.segments = [Segment(*_SEGMENT.unpack_from(data, at + size * i)) for i in range(count)]
        for segment in self.segments:
            if segment.type == PT_LOAD and segment.offset + segment.file_size > len(data):
                raise ElfError(f"it is truncated: the segment at {segment.address:#x} is not all there")
            if segment.type == PT_LOAD and segment.file_size > segment.memory_size:
                raise ElfError(f"the segment at {segment.address:#x} is larger in the file than in memory")
        self._sections = header[6], header[11], header[12], header[13]

    @property
    def loads(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.type == PT_LOAD and segment.memory_size]

    def content(self, segment: Segment) -> bytes:
        return self.data[segment.offset : segment.offset + segment.file_size]

    def sections(self) -> list[Section]:
        """Empty where the file is stripped of them."""
        at, size, count, names = self._sections
        if not at or size != _SECTION.size or at + size * count > len(self.data) or names >= count:
            return []
        raw = [_SECTION.unpack_from(self.data, at + size * i) for i in range(count)]
        strings = raw[names][4]
        return [Section(self._string(strings + s[0]), *s[1:6]) for s in raw]

    def _string(self, at: int) -> str:
        return self.data[at : self.data.find(b"\0", at)].decode(errors="replace")




def strip(elf: Elf) -> bytes:
    """The same program without sections and with its segments one behind the other: what a
    loader needs and nothing else. Offsets stay congruent to addresses modulo 16."""
    loads = elf.loads
    at = _HEADER.size + _SEGMENT.size * len(loads)
    headers, body = [], bytearray()
    for segment in loads:
        gap = (segment.address - at) % 16  # of a segment without content, too: the reader holds it to its word
        body += bytes(gap)
        at += gap
        headers.append(_SEGMENT.pack(PT_LOAD, segment.flags, at, segment.address, segment.physical,
                                     segment.file_size, segment.memory_size, 16))
        body += elf.content(segment)
        at += segment.file_size
    header = _HEADER.pack(elf.data[:16], elf.type, elf.machine, 1, elf.entry, _HEADER.size, 0, elf.flags,
                          _HEADER.size, _SEGMENT.size, len(loads), _SECTION.size, 0, 0)
    return header + b"".join(headers) + bytes(body)


def flatten(elf: Elf) -> bytes:
    """Memory from the lowest segment to the end of the last page, as firmware finds it loaded:
    zeroed data included."""
    loads = elf.loads
    if not loads:
        raise ElfError("it has nothing to load")
    base = min(segment.physical for segment in loads)
    end = max(segment.physical + segment.memory_size for segment in loads)
    memory = bytearray(-(-(end - base) // PAGE) * PAGE)
    for segment in loads:
        at = segment.physical - base
        memory[at : at + segment.file_size] = elf.content(segment)
    return bytes(memory)
