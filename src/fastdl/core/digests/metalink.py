"""Metalink 3.0 and 4 (RFC 5854): digests, piece digests and mirrors of files.

Only what stands where the format has it counts: Fedora's documents, for one, hold digests of former versions of a
file in elements of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastdl.core.digests.base import (
    DigestNotFound,
    Found,
    ListedMirror,
    Pieces,
    Step,
    algorithm_named,
    found,
    from_hex,
    plain_name,
    target_name,
)
from fastdl.core.digests.fields import country
from fastdl.core.digests.sums import side_file
from fastdl.core.digests.xml import XmlReader
from fastdl.core.plain import dataclass, field
from fastdl.core.record import Record
from fastdl.core.urls import parse_url
from fastdl.core.verify import LENGTHS, Digest
from fastdl.errors import UsageError

MOST_FILES = 10_000
MOST_LISTED = 1_000_000  # the same of a list
MOST_MIRRORS = 1_000  # of one file
MOST_PIECES = 1_000_000  # of all files
_CHUNK = 64 * 1024  # bytes


class MetalinkFile(Record):
    """One file of a Metalink. `name` is as the document has it: not safe as a name on a disk. `digests` may contradict
    each other; `pieces` cover the whole file or are None; `mirrors` come best first."""

    name: str
    size: int | None
    digests: tuple[Digest, ...]
    pieces: Pieces | None
    mirrors: tuple[ListedMirror, ...]


def parse_metalink(body: bytes) -> tuple[MetalinkFile, ...]:
    """The files of a Metalink of either version, in order. Raises DigestNotFound for what is none, or too large, and
    for a DOCTYPE."""
    if re.search(rb"<!DOCTYPE", body, re.IGNORECASE):
        raise DigestNotFound("its XML declares a DOCTYPE, which is refused")
    return tuple(file for files in _read(body, MOST_FILES) for file in files)


def each_file(body: bytes) -> Iterator[MetalinkFile]:
    """The files of a long document, one after the other: it is read once before this returns, so that all of it is
    known to be good, and once more while they are taken. Raises as `parse_metalink`."""
    for _ in _read(body, MOST_LISTED):
        pass  # not kept
    return (file for files in _read(body, MOST_LISTED) for file in files)


def _read(body: bytes, most: int) -> Iterator[list[MetalinkFile]]:
    if re.search(rb"<!DOCTYPE", body, re.IGNORECASE):
        raise DigestNotFound("its XML declares a DOCTYPE, which is refused")
    document = _Document(most)
    reader = XmlReader(document.visit, document.begin)
    for at in range(0, len(body) + 1, _CHUNK):
        reader.feed(body[at : at + _CHUNK], at + _CHUNK > len(body))
        yield document.take()
    if not document.is_metalink:
        raise DigestNotFound("it is no Metalink")


def metalink(look: Step, body: bytes, known_size: int | None = None) -> Found:
    """What a Metalink says about the file. Some servers answer with the line of a side file instead: that is read as
    well. Raises DigestNotFound."""
    if not body[:256].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"\0" not in body[:16]:
        return side_file(look, body, known_size)
    files = parse_metalink(body)
    name = target_name(look)
    named = [file for file in files if plain_name(file.name.replace("%", "%25")).rpartition("/")[2] == name]
    if len(named) != 1:
        raise DigestNotFound("it does not speak of this file" if not named else "it names the file twice")
    file = named[0]
    if not file.digests:
        raise DigestNotFound("it lists the file without a digest")
    return found(file.digests, size=file.size, pieces=file.pieces, mirrors=file.mirrors, known_size=known_size)


@dataclass(slots=True)
class _Pieces:
    algorithm: str | None
    length: int
    values: list[tuple[int, bytes]] = field(default_factory=list)
    broken: bool = False


@dataclass(slots=True)
class _File:
    name: str
    size: int | None = None
    digests: list[Digest] = field(default_factory=list)
    pieces: list[_Pieces] = field(default_factory=list)
    mirrors: list[ListedMirror] = field(default_factory=list)


class _Document:
    """Collects the files while the document is read. In version 3 a file's parts stand one level deeper, in
    `verification` and `resources`."""

    def __init__(self, most: int) -> None:
        self._files: list[MetalinkFile] = []
        self._left = most
        self.is_metalink = False
        self._file: _File | None = None
        self._pieces_left = MOST_PIECES

    def begin(self, path: tuple[str, ...], attributes: dict[str, str], _: str) -> None:
        if path == ("metalink",):
            self.is_metalink = True
        elif path in (("metalink", "file"), ("metalink", "files", "file")):
            self._left -= 1
            if self._left < 0:
                raise DigestNotFound("it lists too many files")
            self._file = _File(attributes.get("name", ""))
        elif self._file is not None and _part(path) == ("pieces",):
            length = _number(attributes.get("length", ""))
            self._file.pieces.append(_Pieces(algorithm_named(attributes.get("type", "")), length or 0))

    def take(self) -> list[MetalinkFile]:
        """The files that have ended since the last call."""
        taken, self._files = self._files, []
        return taken

    def visit(self, path: tuple[str, ...], attributes: dict[str, str], text: str) -> None:
        if self._file is None:
            return
        part = _part(path)
        if part == () and path[-1] == "file":
            self._files.append(_finished(self._file))
            self._file = None
        elif part == ("size",):
            self._file.size = _number(text)
        elif part == ("hash",):
            named = algorithm_named(attributes.get("type", ""))
            if named and (digest := from_hex(text, named)) and len(self._file.digests) < 64:
                self._file.digests.append(digest)
        elif part == ("pieces", "hash"):
            self._piece(attributes, text)
        elif part == ("url",) and len(self._file.mirrors) < MOST_MIRRORS:
            self._mirror(attributes, text)

    def _piece(self, attributes: dict[str, str], text: str) -> None:
        assert self._file is not None
        pieces = self._file.pieces[-1]
        self._pieces_left -= 1
        if self._pieces_left < 0:
            raise DigestNotFound("it lists too many pieces")
        digest = from_hex(text, pieces.algorithm) if pieces.algorithm else None
        place = _number(attributes["piece"]) if "piece" in attributes else len(pieces.values)
        if digest is None or place is None:
            pieces.broken = True
        else:
            pieces.values.append((place, digest.value))

    def _mirror(self, attributes: dict[str, str], text: str) -> None:
        assert self._file is not None
        if not re.match("https?://", text, re.IGNORECASE):
            return  # ftp, rsync, torrents
        try:
            url = parse_url(text)
        except UsageError:
            return
        if url.username is not None:
            return
        priority = _number(attributes.get("priority", ""))
        if "preference" in attributes:  # version 3: 100 is the best
            preference = _number(attributes["preference"])
            priority = None if preference is None or preference > 100 else 101 - preference
        self._file.mirrors.append(ListedMirror(url.text, priority or None, country(attributes.get("location"))))


def _part(path: tuple[str, ...]) -> tuple[str, ...] | None:
    """What an element is of its file, () for the file itself; None for what does not belong to one."""
    if path[:2] == ("metalink", "file"):
        return path[2:]
    if path[:3] != ("metalink", "files", "file"):
        return None
    rest = path[3:]
    if rest[:1] in (("verification",), ("resources",)):
        return rest[1:] if len(rest) > 1 else None
    return rest if rest in ((), ("size",)) else None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _finished(file: _File) -> MetalinkFile:
    digests = tuple(dict.fromkeys(file.digests))
    pieces = [whole for part in file.pieces if (whole := _whole(part, file.size))]
    order = list(LENGTHS)
    best = min(pieces, key=lambda part: order.index(part.algorithm), default=None)
    mirrors = tuple(sorted(file.mirrors, key=lambda mirror: mirror.priority or 1_000_000))
    return MetalinkFile(file.name, file.size, digests, best, mirrors)


def _whole(part: _Pieces, size: int | None) -> Pieces | None:
    """Pieces that are complete, in order; None where they cannot be used."""
    if part.broken or not part.algorithm or part.length <= 0 or not part.values:
        return None
    values = sorted(part.values)
    if [place for place, _ in values] != list(range(len(values))):
        return None
    if size is None or len(values) != -(-size // part.length):
        return None  # without the size the end of the last piece is not known
    return Pieces(part.algorithm, part.length, tuple(value for _, value in values))
