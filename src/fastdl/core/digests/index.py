"""Indexes of whole repositories, read as a stream: only the record of one file is ever kept.

apt's Packages, CRAN's PACKAGES and TeX Live's tlpdb are records between empty lines; conda's repodata is one huge JSON
object; pacman's database a tar of small texts; rpm's and Android's are XML. Each reader takes bytes that are unpacked
already and ends with what it found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from fastdl.core.digests.base import (
    DigestNotFound,
    Found,
    Step,
    found,
    from_hex,
    listed_path,
    target_name,
)
from fastdl.core.hints import Protocol
from fastdl.core.verify import Digest

MOST_RECORD = 1024 * 1024  # bytes
MOST_HITS = 64  # places where the name occurs


class Reader(Protocol):
    """Reads unpacked bytes of an index."""

    def feed(self, data: bytes) -> None:
        """Read on. Raises DigestNotFound."""

    def finish(self) -> Found:
        """What was found. Raises DigestNotFound."""


class Records:
    """Records of "Key: value" lines between empty lines. `needle` must be in a record that is looked at; `pick` gives
    its digest and size if it is that of the file."""

    def __init__(
        self, needle: str, pick: Callable[[dict[str, str]], tuple[Digest, int | None] | None], known_size: int | None
    ) -> None:
        self._needle = needle.encode()
        self._pick = pick
        self._known_size = known_size
        self._rest = b""
        self._hits: list[tuple[Digest, int | None]] = []
        self._looked = 0

    def feed(self, data: bytes) -> None:
        data = (self._rest + data).replace(b"\r\n", b"\n")
        cut = data.rfind(b"\n\n")
        if cut < 0:
            cut = 0
        self._rest = data[cut:]
        if len(self._rest) > MOST_RECORD:
            raise DigestNotFound("a record of the index is too large")
        self._search(data[:cut])

    def finish(self) -> Found:
        self._search(self._rest)
        sizes = {size for _, size in self._hits}
        size = sizes.pop() if len(sizes) == 1 else None
        return found((digest for digest, _ in self._hits), size=size, known_size=self._known_size)

    def _search(self, block: bytes) -> None:
        place = block.find(self._needle)
        while place >= 0:
            start = block.rfind(b"\n\n", 0, place) + 1
            end = block.find(b"\n\n", place)
            end = len(block) if end < 0 else end
            self._looked += 1
            if self._looked > 10_000:
                raise DigestNotFound("the index names the file too often")
            if hit := self._pick(_fields(block[start:end])):
                self._hits.append(hit)
            place = block.find(self._needle, end)


def _fields(record: bytes) -> dict[str, str]:
    """The fields of one record; continuation lines are of no interest. The first of equal keys counts."""
    fields: dict[str, str] = {}
    for line in record.decode("utf-8", "replace").split("\n"):
        key, space, value = line.partition(" ")
        if space and key:
            fields.setdefault(key.rstrip(":"), value.strip())
    return fields


def apt_packages(look: Step, known_size: int | None) -> Records:
    """apt's Packages: the SHA256 of the record whose Filename is the file."""
    path = listed_path(look)

    def pick(fields: dict[str, str]) -> tuple[Digest, int | None] | None:
        name = fields.get("Filename", "").removeprefix("./")
        if not name or not (path == name or path.endswith("/" + name)):
            return None
        for key, algorithm in (("SHA512", "sha512"), ("SHA256", "sha256"), ("SHA1", "sha1"), ("MD5sum", "md5")):
            if digest := from_hex(fields.get(key, ""), algorithm):
                return digest, _size(fields.get("Size"))
        return None

    return Records(path.rpartition("/")[2], pick, known_size)


def cran_packages(look: Step, known_size: int | None) -> Records:
    """CRAN's PACKAGES: an MD5 for each source package; its file is NAME_VERSION.tar.gz."""
    stem = re.sub(r"\.(?:tar\.gz|tgz|zip)$", "", target_name(look))
    package, _, version = stem.partition("_")

    def pick(fields: dict[str, str]) -> tuple[Digest, int | None] | None:
        if (fields.get("Package"), fields.get("Version")) != (package, version):
            return None
        digest = from_hex(fields.get("MD5sum", ""), "md5")
        return (digest, None) if digest else None

    return Records(f"Package: {package}\n", pick, known_size)


def tex_live(look: Step, known_size: int | None) -> Records:
    """TeX Live's tlpdb: SHA-512 of each container; the file is NAME.tar.xz, NAME.doc.tar.xz or NAME.source.tar.xz."""
    stem = re.sub(r"(?:\.r\d+)?\.tar\.xz$", "", target_name(look))
    kind = next((kind for kind in ("doc", "source") if stem.endswith(f".{kind}")), "")
    package = stem.removesuffix(f".{kind}") if kind else stem
    prefix = {"doc": "doc", "source": "src", "": ""}[kind]

    def pick(fields: dict[str, str]) -> tuple[Digest, int | None] | None:
        if fields.get("name") != package:
            return None
        digest = from_hex(fields.get(f"{prefix}containerchecksum", ""), "sha512")
        return (digest, _size(fields.get(f"{prefix}containersize"))) if digest else None

    return Records(f"name {package}\n", pick, known_size)


class CondaRepodata:
    """The one entry of a file in conda's repodata: searched as text, since as objects it would take gigabytes. In
    valid JSON a quote inside a text follows a backslash, so what is found is a key."""

    WINDOW = 64 * 1024  # bytes of one entry at most

    def __init__(self, look: Step, known_size: int | None) -> None:
        name = json.dumps(target_name(look)).encode()
        self._key = re.compile(rb"(?<=[{,\s])" + re.escape(name) + rb"\s{0,16}:\s{0,16}(?=\{)")
        self._tail = len(name) + 34  # bytes that may be the beginning of a key
        self._known_size = known_size
        self._rest = b""
        self._left = MOST_HITS
        self._digests: list[Digest] = []
        self._sizes: set[int] = set()

    def feed(self, data: bytes) -> None:
        self._search(self._rest + data, final=False)

    def finish(self) -> Found:
        self._search(self._rest, final=True)
        size = self._sizes.pop() if len(self._sizes) == 1 else None
        return found(self._digests, size=size, known_size=self._known_size)

    def _search(self, data: bytes, final: bool) -> None:
        done = 0
        for key in self._key.finditer(data):
            if not final and len(data) - key.end() < self.WINDOW:
                self._rest = data[key.start() - 1 :]
                return
            self._left -= 1
            if self._left < 0:
                raise DigestNotFound("the index names the file too often")
            self._entry(data[key.end() : key.end() + self.WINDOW])
            done = key.end()
        self._rest = data[max(done, len(data) - self._tail) :]

    def _entry(self, data: bytes) -> None:
        try:
            entry = json.JSONDecoder().raw_decode(data.decode("utf-8", "replace"))[0]
        except (ValueError, RecursionError):
            raise DigestNotFound("the index cannot be read") from None
        for key in ("sha256", "md5"):
            value = entry.get(key)
            if isinstance(value, str) and (digest := from_hex(value, key)):
                self._digests.append(digest)
        if isinstance(size := entry.get("size"), int):
            self._sizes.add(size)


class PacmanDatabase:
    """pacman's database: a tar with a file NAME-VERSION/desc for each package (POSIX ustar)."""

    def __init__(self, look: Step, known_size: int | None) -> None:
        self._name = target_name(look)
        self._known_size = known_size
        self._rest = b""
        self._skip = 0
        self._hits: list[tuple[Digest, int | None]] = []

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        place = min(self._skip, len(data))
        self._skip -= place
        while not self._skip and len(data) - place >= 512:
            header = data[place : place + 512]
            if not header.strip(b"\0"):
                place += 512
                continue
            size = _octal(header[124:136])
            whole = 512 + -(-size // 512) * 512
            if not header[:100].rstrip(b"\0").endswith(b"/desc") or size > MOST_RECORD:
                self._skip = max(0, whole - (len(data) - place))
                place = min(len(data), place + whole)
                continue
            if len(data) - place < whole:
                break
            self._describe(data[place + 512 : place + 512 + size])
            place += whole
        self._rest = data[place:]

    def _describe(self, text: bytes) -> None:
        if self._name.encode() not in text:
            return
        fields: dict[str, str] = {}
        for part in text.decode("utf-8", "replace").split("\n\n"):
            key, _, value = part.strip("\n").partition("\n")
            fields.setdefault(key, value)
        if fields.get("%FILENAME%") == self._name and (digest := from_hex(fields.get("%SHA256SUM%", ""), "sha256")):
            self._hits.append((digest, _size(fields.get("%CSIZE%"))))

    def finish(self) -> Found:
        sizes = {size for _, size in self._hits}
        size = sizes.pop() if len(sizes) == 1 else None
        return found((digest for digest, _ in self._hits), size=size, known_size=self._known_size)


def _octal(text: bytes) -> int:
    digits = text.strip(b" \0")
    if not re.fullmatch(rb"[0-7]{1,11}", digits):
        raise DigestNotFound("the index cannot be read")
    return int(digits, 8)


def _size(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[0-9]{1,18}", text) else None
