"""The text of a lock file: which bytes each file of a list has.

    {"fastdl-lock": 1}
    {"url": "https://example.org/a.iso", "name": "a.iso", "size": 1024, "sha256": "..."}
    {"url": "https://example.org/b.iso", "out": "images/b.iso", "size": 2048, "sha256": "..."}

One entry a line, in the order of the list, every line ended by LF on every system, so that two runs give the same bytes
and a difference can be read. A file is known by its URL, its folder and the name that the list gives it; a URL with a
secret in its query stands there masked, beside the beginning of its hash.
"""

from __future__ import annotations

import json
import re

from fastdl.core.hints import Any
from fastdl.core.record import Record
from fastdl.core.shown import is_masked, mask
from fastdl.core.urls import parse_url, url_key
from fastdl.errors import UsageError

VERSION = 1
_VERSION_KEY = "fastdl-lock"
HEADER = json.dumps({_VERSION_KEY: VERSION}) + "\n"
MOST_LINE = 256 * 1024  # bytes

_KEYS = frozenset({"url", "key", "dir", "out", "name", "size", "sha256"})
_SHA256 = re.compile("[0-9a-f]{64}")
_KEY = re.compile("[0-9a-f]{16}")
_RESTORE = "Restore the file from a copy, or remove it and the next run writes a new one."


class Wanted(Record):
    """What a list says that a file is known by. `url` is masked, `key` tells URLs apart that are masked to one text
    ("" where nothing is masked). `dir` and `out` are as the list has them, with '/', "" where it says nothing."""

    url: str
    key: str = ""
    dir: str = ""
    out: str = ""


class Locked(Record):
    """One entry: the file, the name that it got where the list says none (relative to its folder; "" after `-o -`), its
    size in bytes and its SHA-256 in hex."""

    wanted: Wanted
    name: str
    size: int
    sha256: str


def wanted_of(url: str, dir_: str = "", out: str = "") -> Wanted:
    """How the lock knows the file of a URL. Raises UsageError as `parse_url`."""
    if not is_masked(url):
        return Wanted(url, "", dir_, out)
    # A login has no part in the key: passwords can be guessed, and a lock is published with its list.
    plain = parse_url(url).text
    return Wanted(mask(url), url_key(plain)[:16] if is_masked(plain) else "", dir_, out)


def line_of(entry: Locked) -> str:
    """The line of an entry, with its end."""
    wanted = entry.wanted
    fields: dict[str, Any] = {"url": wanted.url}
    fields |= {
        key: text
        for key, text in (("key", wanted.key), ("dir", wanted.dir), ("out", wanted.out), ("name", entry.name))
        if text
    }
    fields |= {"size": entry.size, "sha256": entry.sha256}
    return json.dumps(fields, ensure_ascii=not _is_text(fields)) + "\n"


def _is_text(fields: dict[str, Any]) -> bool:
    """Whether UTF-8 can write it: a name on a disk may be of another encoding."""
    return all(_encodable(value) for value in fields.values() if isinstance(value, str))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    # Line ends of other kinds than LF would part the line in some editors.
    return not any(mark in text for mark in "\x85\u2028\u2029")


def check_header(line: bytes) -> None:
    """Whether the first line is that of a lock which this version reads. Raises UsageError that names the line."""
    fields = _object(line, 1)
    version = fields.get(_VERSION_KEY)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _broken(1, f'it begins with {{"{_VERSION_KEY}": {VERSION}}}')
    if version > VERSION:
        what = f"line 1: the lock is of version {version}"
        raise UsageError(what, f"this fastdl knows version {VERSION}", "Get a newer one with: fastdl upgrade")
    if set(fields) != {_VERSION_KEY}:
        raise _broken(1, "its header has more than the version")


def parse_line(line: bytes, number: int) -> Locked:
    """The entry of a line that is not the first one. Raises UsageError that names the line by its `number`."""
    fields = _object(line, number)
    unknown = sorted(set(fields) - _KEYS)
    if unknown:
        raise _broken(number, "it holds a key that is not known")
    for key in ("url", "key", "dir", "out", "name", "sha256"):
        if not isinstance(fields.get(key, ""), str):
            raise _broken(number, f"its {key} is no text")
    size = fields.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 1 << 63:
        raise _broken(number, "its size is no number of bytes")
    if not _SHA256.fullmatch(fields.get("sha256", "")):
        raise _broken(number, "its sha256 is not 64 digits of hex")
    if not fields.get("url"):
        raise _broken(number, "it has no url")
    if not _KEY.fullmatch(fields.get("key", "0" * 16)):
        raise _broken(number, "its key is not 16 digits of hex")
    wanted = Wanted(fields["url"], fields.get("key", ""), fields.get("dir", ""), fields.get("out", ""))
    return Locked(wanted, fields.get("name", ""), size, fields["sha256"])


def _object(line: bytes, number: int) -> dict[str, Any]:
    if len(line) > MOST_LINE:
        raise _broken(number, f"it is longer than {MOST_LINE} bytes")
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        fields = json.loads(text, object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        raise _broken(number, "it is no JSON object") from None
    if not isinstance(fields, dict):
        raise _broken(number, "it is no JSON object")
    return fields


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _broken(number: int, why: str) -> UsageError:
    return UsageError(
        f"line {number}: this is no entry of a lock" if number > 1 else "line 1: this is no lock", why, _RESTORE
    )


def stands_twice(number: int) -> UsageError:
    """Two lines say different things of one file."""
    return UsageError(
        f"line {number}: the file stands twice in the lock", "with different facts", "Remove one of the two."
    )


def empty_line(number: int) -> UsageError:
    """A line in between says nothing."""
    return _broken(number, "it is empty")
