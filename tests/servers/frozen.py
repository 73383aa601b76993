"""A packed program that says another version: what an upgrade needs, without packing everything twice.

PyInstaller's executable ends with an archive (its cookie says where), which holds another one with the modules. In that
the one string with the version is replaced by one of the same length. Works for programs of any system.
"""

from __future__ import annotations

import marshal
import re
import struct
import zlib
from pathlib import Path

_COOKIE = b"MEI\014\013\012\013\016"
_COOKIE_FORM = "!8sIIII64s"
_ENTRY_FORM = "!IIIIBc"


def other_version(version: str) -> str:
    """A newer version that takes as many letters."""
    return re.sub(r"\d", "9", version)


def pretend(program: Path, old: str, new: str) -> None:
    """Makes the executable say `new` in place of `old`, and take its parts from the folder of that version. Raises
    ValueError where that cannot be done."""
    data = bytearray(program.read_bytes())
    start, length = _module(bytes(data), "fastdl")
    code = zlib.decompress(data[start : start + length])
    if len(old) != len(new) or code.count(old.encode()) != 1:
        raise ValueError(f"{program.name} does not say {old} once")
    changed = code.replace(old.encode(), new.encode())
    packed = min((zlib.compress(changed, level) for level in range(1, 10)), key=len)
    if len(packed) > length:
        raise ValueError("no room for the other version")
    data[start : start + length] = packed.ljust(length, b"\0")  # what follows the end of the stream is not read
    before, after = (f"_fastdl-{version}" for version in (old, new))  # an option of PyInstaller's loader
    if data.count(before.encode()) != 1:
        raise ValueError(f"{program.name} does not name {before} once")
    program.write_bytes(data.replace(before.encode(), after.encode()))
    (program.parent / before).rename(program.parent / after)


def _module(data: bytes, name: str) -> tuple[int, int]:
    """Where the packed code of a module lies."""
    place = data.rfind(_COOKIE)
    _, size, toc, toc_size, _, _ = struct.unpack_from(_COOKIE_FORM, data, place)
    start = place + struct.calcsize(_COOKIE_FORM) - size
    modules = _modules(data, start, start + toc, toc_size)
    begins = int.from_bytes(data[modules + 8 : modules + 12], "big")
    for found, (_, offset, length) in marshal.loads(data[modules + begins :]):
        if found == name:
            return modules + offset, length
    raise ValueError(f"there is no module {name}")


def _modules(data: bytes, start: int, at: int, size: int) -> int:
    """Where the archive of the modules begins."""
    end = at + size
    while at < end:
        length, offset, _, _, _, kind = struct.unpack_from(_ENTRY_FORM, data, at)
        if kind == b"z":
            return start + int(offset)
        at += length
    raise ValueError("there is no archive of modules")
