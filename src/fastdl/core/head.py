"""A response head, and what its fields say of the object and of the body behind it (RFC 9110, sections 8 and 14)."""

from __future__ import annotations

from fastdl.core.dates import http_date
from fastdl.core.plain import dataclass

_SPACE = " \t\n\r\f\v"
_MOST_BYTES = 2**63 - 1  # no file of any system is larger


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and header fields of a final (not 1xx) response; names are lower-case, values latin-1 text."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    version: str  # "HTTP/1.0", "HTTP/1.1", "HTTP/2"

    def get(self, name: str) -> str | None:
        """The first value of a field, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one version of an object from another (RFC 9110, section 8.8)."""

    etag: str | None = None
    last_modified: str | None = None
    dated: bool = False  # Last-Modified lies at least a second before Date, so it is a strong validator (8.8.2.2)

    @property
    def strong(self) -> str | None:
        """The value to send in If-Range (13.1.5): a strong ETag, else a Last-Modified known to be strong, else None."""
        if self.etag is not None:
            return self.etag if not self.etag.startswith("W/") else None
        return self.last_modified if self.dated else None

    def contradicts(self, other: Validators) -> bool:
        """Whether both cannot belong to one version: a field that both have differs."""
        if self.etag is not None and other.etag is not None:
            return self.etag.removeprefix("W/") != other.etag.removeprefix("W/")
        if self.last_modified is not None and other.last_modified is not None:
            return self.last_modified != other.last_modified
        return False


def validators_of(head: Head) -> Validators:
    """The validators of a response; malformed ETags count as absent."""
    etag = head.get("etag")
    if etag is not None:
        etag = etag.strip()
        opaque = etag.removeprefix("W/")
        if len(opaque) < 2 or opaque[0] + opaque[-1] != '""' or opaque.count('"') != 2 or len(etag) > 1024:
            etag = None
    modified = head.get("last-modified")
    if modified is not None and len(modified) > 64:
        modified = None
    return Validators(etag, modified, _dated(modified, head.get("date")))


def _dated(modified: str | None, date: str | None) -> bool:
    then, now = http_date(modified), http_date(date)
    return then is not None and now is not None and now - then >= 1


def content_length(head: Head) -> int | None:
    """The Content-Length, None if there is none.

    Raises ValueError where it is malformed or where several disagree (RFC 9112, section 6.3)."""
    values = {part.strip(" \t") for value in head.all("content-length") for part in value.split(",")}
    if not values:
        return None
    if len(values) > 1:
        raise ValueError("conflicting Content-Length fields")
    text = values.pop()
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > _MOST_BYTES:
        raise ValueError("malformed Content-Length")
    return int(text)


def content_range(head: Head) -> tuple[int, int, int | None] | None:
    """(start, end exclusive, size or None) of the one Content-Range; None if there is none. For the unsatisfied form
    `bytes */N` start and end are both -1. Raises ValueError where it is malformed or there are several."""
    values = set(head.all("content-range"))
    if not values:
        return None
    text = values.pop().strip(_SPACE) if len(values) == 1 else ""
    # By hand: to compile a pattern for it takes longer than all the rest of a small file's answer.
    if text[:5].lower() != "bytes" or text[5:6] not in tuple(_SPACE):
        raise ValueError("malformed Content-Range")
    place, slash, size = text[5:].partition("/")
    total = None if size.strip(_SPACE) == "*" else _number(size if slash else "")
    if place.strip(_SPACE) == "*":
        return -1, -1, total
    first, last = (_number(part) for part in (place.partition("-")[::2]))
    if last < first or last >= (_MOST_BYTES if total is None else min(total, _MOST_BYTES)):
        raise ValueError("impossible Content-Range")
    return first, last + 1, total


def _number(text: str) -> int:
    """Of a Content-Range. Raises ValueError."""
    digits = text.strip(_SPACE)
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        raise ValueError("malformed Content-Range")
    return int(digits)


def own_codings(path: str) -> frozenset[str]:
    """The content codings that say nothing but what the name of the file says already: many servers label `x.tar.gz`
    with `Content-Encoding: gzip`, and what the user wants is the .gz file."""
    ending = path.rpartition(".")[2].lower()
    table = {"gz": ("gzip", "x-gzip"), "tgz": ("gzip", "x-gzip"), "svgz": ("gzip", "x-gzip"), "br": ("br",)}
    return frozenset(table.get(ending, {"z": ("compress", "x-compress"), "zst": ("zstd",)}.get(ending, ())))
