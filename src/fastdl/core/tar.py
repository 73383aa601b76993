"""Reads the members of a tar archive (POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU's long names) from a stream.

The standard library's reader ends without a word at a header that it does not understand, takes extended headers of any
size into memory, and has been led outside again and again. This one knows what tar archives are made of today; all else
is an error: a header that means two things to two programs is how one of them is deceived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fastdl.core import sparse
from fastdl.core.archive import Head, Kind
from fastdl.core.record import Record
from fastdl.errors import UnsafeArchive

BLOCK = 512
RECORD = 10_240  # bytes that tar writes at a time; what stands behind the end within the last of them means nothing
MOST_EXTENDED = 1024 * 1024  # bytes of one extended header
_KINDS: dict[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"5": "folder",
    b"2": "symlink",
    b"1": "hardlink",
}
_NEVER = {
    b"3": "a device",
    b"4": "a device",
    b"6": "a named pipe",
    b"M": "the rest of a file of another volume",
    b"D": "a list of GNU's incremental backups",
}
_DECIDING = {"path", "linkpath", "size", *sparse.KEYS}
_TAKEN = {"mtime", *_DECIDING}  # others are not kept: there may be any number of them


class Header(Record):
    """One block of 512 bytes. `kind` is its type flag; texts are decoded, `size` is the bytes that follow it."""

    name: str
    kind: bytes
    size: int
    mode: int
    modified: float
    target: str
    block: bytes


def parse_header(block: bytes) -> Header | None:
    """The header in a block, None where its checksum or a number in it is wrong."""
    number = _number(block[148:156])
    plain = sum(block) - sum(block[148:156]) + 8 * 0x20
    if number != plain:
        return None
    size, mode, modified = _number(block[124:136]), _number(block[100:108]), _number(block[136:148])
    if size is None or mode is None:
        return None
    name = _cut(block[:100])
    prefix = _cut(block[345:500]) if block[257:265] == b"ustar\x0000" else b""
    whole = prefix + b"/" + name if prefix else name
    moment = float(modified) if modified is not None else -1.0
    return Header(text_of(whole), block[156:157], size, mode, moment, text_of(_cut(block[157:257])), block)


def text_of(raw: bytes) -> str:
    """Bytes of a name as text; those that are no UTF-8 come out again as they were."""
    return raw.decode("utf-8", "surrogateescape")


def _cut(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _number(raw: bytes) -> int | None:
    """Octal digits, or GNU's numbers to the base of 256. Negative ones are none."""
    if raw[0] == 0x80:
        return int.from_bytes(raw[1:], "big")
    digits = raw.strip(b" \0")
    if not digits:
        return 0
    return int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else None


def pax_records(data: bytes) -> dict[str, bytes]:
    """The records of an extended header that mean anything here: `LENGTH KEY=VALUE` and a line end, each. Raises
    UnsafeArchive."""
    found: dict[str, bytes] = {}
    pairs: list[bytes] = []
    at = 0
    while at < len(data):
        length, _, _ = data[at : at + 20].partition(b" ")
        end = at + int(length) if length.isdigit() and len(length) < 8 else -1
        record = data[at + len(length) + 1 : max(end, 0)]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(data) or not equals or not key or record[-1:] != b"\n":
            raise _damaged("an extended header is not valid")
        name = text_of(key)
        if name in sparse.PAIRS:
            pairs.append(value)
        elif name in _TAKEN:
            found[name] = value
        at = end
    if pairs:
        found["GNU.sparse.map"] = b",".join(pairs)
    return found


class TarReader:
    """The members in their order. What was not taken of a member's bytes is skipped."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        """`read` gives so many bytes, fewer only at the end of the stream."""
        self._read = read
        self._at = 0
        self._left = 0  # bytes of the current member that the archive still has
        self._holes: sparse.Holes | None = None
        self._padding = 0

    def take(self, count: int) -> bytes:
        """The next bytes of the current member, at most `count`; none at its end."""
        return self._stored(count) if self._holes is None else self._holes.take(count)

    def _stored(self, count: int) -> bytes:
        data = self._exactly(min(count, self._left))
        self._left -= len(data)
        return data

    def heads(self) -> Iterator[Head]:
        """What each member is. Raises UnsafeArchive."""
        extended: dict[str, bytes] = {}
        pending = False
        while (header := self._header()) is not None:
            self._left, self._padding = header.size, -header.size % BLOCK
            if header.kind in (b"x", b"X", b"g", b"L", b"K"):
                extended.update(self._extended(header))
                pending = pending or header.kind != b"g"
            elif header.kind != b"V":  # a volume's label
                head = self._head(header, extended)
                yield head
                extended, pending = {}, False
            self._skip()
        if pending:
            raise _damaged("it ends within a member")
        self._end()

    # --- headers -----------------------------------------------------------------------------------------

    def _header(self) -> Header | None:
        """The next one, None at the end: a block of zeros, which is followed by another or by nothing."""
        block = self._exactly(BLOCK)
        if any(block):
            header = parse_header(block)
            if header is None:
                raise _damaged(f"there is no header at byte {self._at - BLOCK}")
            return header
        second = self._some(BLOCK)
        if any(second):
            raise _damaged("something follows its end")
        return None

    def _extended(self, header: Header) -> dict[str, bytes]:
        """What an extended header says of the next member."""
        if header.size > MOST_EXTENDED:
            raise _damaged("an extended header is too large")
        data = self._stored(header.size)
        if header.kind == b"L":
            return {"path": _cut(data)}
        if header.kind == b"K":
            return {"linkpath": _cut(data)}
        records = pax_records(data)
        if header.kind == b"g":
            if records.keys() & _DECIDING:
                raise UnsafeArchive("the archive is not safe", "it gives all its members one name or size")
            return {}
        return records

    def _head(self, header: Header, extended: dict[str, bytes]) -> Head:
        """The member, with what extended headers say of it."""
        name = text_of(extended["path"]) if "path" in extended else header.name
        size = _decimal(extended["size"]) if "size" in extended else header.size
        if header.kind in _NEVER:
            raise UnsafeArchive(f"the archive is not safe: its member '{name[:200]}'", f"it is {_NEVER[header.kind]}")
        kind = _KINDS.get(header.kind)
        if kind is None:
            raise UnsafeArchive(f"the archive has a member of unknown kind: '{name[:200]}'")
        if kind == "file" and name.endswith("/"):  # how the first tars wrote folders
            kind = "folder"
        self._left, self._padding = size, -size % BLOCK
        if header.kind == b"S" or sparse.is_sparse(extended):
            name = text_of(extended["GNU.sparse.name"]) if "GNU.sparse.name" in extended else name
            size = self._open_holes(header, extended)
        target = text_of(extended["linkpath"]) if "linkpath" in extended else header.target
        modified = _seconds(extended["mtime"]) if "mtime" in extended else header.modified
        return Head(name, kind, size, header.mode, modified, target if kind in ("symlink", "hardlink") else "")

    def _open_holes(self, header: Header, extended: dict[str, bytes]) -> int:
        """The size of a file with holes, which `take` then gives."""
        if header.kind == b"S":
            size, segments = sparse.old_map(header.block, lambda: self._exactly(BLOCK), _number)
        else:
            size, segments = sparse.pax_map(extended, self._stored)
        self._holes = sparse.Holes(size, segments, self._left, self._stored)
        return size

    # --- bytes -------------------------------------------------------------------------------------------

    def _some(self, count: int) -> bytes:
        data = self._read(count)
        self._at += len(data)
        return data

    def _exactly(self, count: int) -> bytes:
        data = self._some(count)
        if len(data) != count:
            raise _damaged("it is cut off")
        return data

    def _skip(self) -> None:
        """To the next header."""
        self._holes = None
        while self._left:
            self._stored(64 * 1024)
        self._exactly(self._padding)

    def _end(self) -> None:
        """Nothing but zeros may follow, or what was left in the writer's memory in the last record."""
        self._some(-self._at % RECORD)
        while data := self._some(64 * 1024):
            if data.strip(b"\0"):
                raise _damaged("something follows its end")


def _decimal(raw: bytes) -> int:
    if not raw.isdigit() or len(raw) > 18:
        raise _damaged("a size is not valid")
    return int(raw)


def _seconds(raw: bytes) -> float:
    try:
        return float(raw[:40])
    except ValueError:
        return -1.0


def _damaged(why: str) -> UnsafeArchive:
    return UnsafeArchive("the archive is damaged", why)
