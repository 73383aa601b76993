"""Lists of checksums that a user checks files against: SHA256SUMS and its kin, read as sha256sum reads them.

Other than a publisher's list (core/digests/sums.py), where one file is looked for and all else passed over, every entry
counts here: a line that names a file but no usable digest is an entry that fails, never one that is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fastdl.core.digests.base import algorithm_named, from_base64, from_hex
from fastdl.core.pattern import pattern
from fastdl.core.record import Record
from fastdl.core.verify import Digest

_HEX = "[0-9A-Fa-f]{16,}"
_TAG = "[A-Za-z][A-Za-z0-9/-]{1,19}"
# sha256sum's two characters between digest and name; other tools write one space or tabs
_BETWEEN = r"(?: [ *]|[ \t]+\*?)"
_GNU = pattern(rf"(?s)(\\?)({_HEX}){_BETWEEN}(.+)")
_BSD = pattern(rf"(?s)(\\?)({_TAG}) ?\((.+)\) ?= ?([A-Za-z0-9+/=_-]+)[ \t]*")
_SRI_TEXT = r"((?:sha256|sha384|sha512|sha1|md5)-[A-Za-z0-9+/_-]{16,}={0,2})(?:\?\S*)?"
_SRI = pattern(rf"(?s){_SRI_TEXT}{_BETWEEN}(.+)")
_LABELLED = pattern(rf"(?s)({_TAG})[:=]({_HEX}){_BETWEEN}(.+)")
_BARE = pattern(rf"(?:({_TAG})[:=])?({_HEX})|{_SRI_TEXT}")
_SIZES = frozenset({"size", "length"})  # NetBSD's distinfo has such lines among the digests
_ESCAPE = pattern(r"(?s)\\(.)")
_LETTERS = {"n": "\n", "r": "\r", "\\": "\\"}
_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"


class Listed(Record):
    """One file of a list. `name` is "" where the list has a digest alone; without `digests`, `why` says in half a
    sentence why the file cannot be checked."""

    name: str
    digests: tuple[Digest, ...]
    why: str = ""


class Checklist(Record):
    """All files of a list in its order, each once, and how many lines were no entries at all."""

    files: tuple[Listed, ...]
    strange: int = 0

    def find(self, path: str, *, windows: bool = False) -> Listed | None:
        """The entry of a path: under this very name; else under its last part, if the list has it once. `windows`: a
        backslash parts folders."""
        wanted = _plain(path, windows)
        named = [(_plain(file.name, windows), file) for file in self.files if file.name]
        found = [file for name, file in named if name == wanted]
        if not found:
            last = wanted.rpartition("/")[2]
            found = [file for name, file in named if name.rpartition("/")[2] == last]
        if not found and len(self.files) == 1 and not self.files[0].name:
            found = list(self.files)  # a side file with nothing but the digest
        return found[0] if len(found) == 1 else None


def parse_list(text: str, list_name: str = "") -> Checklist:
    """The entries of a list: GNU, BSD, SRI and "sha256:HEX" lines, escaped names, clear-signed or not, CRLF or not,
    NUL instead of newline (sha256sum -z). What one file has in several lines is joined: all of it must agree.

    `list_name` tells digests of one length apart ("B2SUMS")."""
    hints = _hints(list_name)
    files: dict[str, list[Digest]] = {}
    reasons: dict[str, str] = {}
    strange = 0
    for line, plain in _lines(text):
        entry = _entry(line, hints, escaped=not plain)
        if entry is None:
            strange += 1
            continue
        name, digest, why = entry
        known = files.setdefault(name, [])
        if digest is not None and digest not in known:
            known.append(digest)
        reasons.setdefault(name, why)
        reasons[name] = reasons[name] or why
    return Checklist(tuple(_listed(name, digests, reasons[name]) for name, digests in files.items()), strange)


def _listed(name: str, digests: list[Digest], why: str) -> Listed:
    return Listed(name, tuple(digests), "" if digests else why)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Lines that may be entries, and whether their names stand there as they are, without escapes."""
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        yield from ((line, True) for line in text.split("\0") if line)
        return
    yield from ((line, False) for line in _unsigned(line.removesuffix("\r") for line in text.split("\n")))


def _unsigned(lines: Iterable[str]) -> Iterator[str]:
    """Without blank lines, comments and what a signature adds (RFC 4880, section 7)."""
    signed = heading = signature = False
    for line in lines:
        if line in (_SIGNED, _SIGNATURE):
            signed, heading, signature = True, line == _SIGNED, line == _SIGNATURE
        elif signature:
            signature = not line.startswith("-----END ")
        elif heading:
            heading = bool(line.strip())
        elif line.strip() and not line.startswith(("#", ";")):
            yield line.removeprefix("- ") if signed else line


def _hints(list_name: str) -> dict[int, str]:
    """What digests of so many hex digits are, where the name of the list tells it."""
    name = re.split(r"[/\\]", list_name)[-1].lower()
    if re.search(r"b2sum|blake2|\.b2\b", name):
        return {128: "blake2b", 64: "blake2b-256"}
    return {64: "blake3"} if re.search(r"b3sum|blake3|\.b3\b", name) else {}


def _entry(line: str, hints: dict[int, str], *, escaped: bool) -> tuple[str, Digest | None, str] | None:
    """Name, digest and why there is none; None for a line that is no entry."""

    def name_of(mark: str, name: str) -> str:
        return _ESCAPE.sub(lambda found: _LETTERS.get(found[1], found[0]), name) if mark and escaped else name

    if bsd := _BSD.fullmatch(line):
        if bsd[2].lower() in _SIZES:
            return None
        return name_of(bsd[1], bsd[3]), *_value(bsd[4], bsd[2])
    if gnu := _GNU.fullmatch(line):
        return name_of(gnu[1], gnu[3]), *_value(gnu[2], hints.get(len(gnu[2]), ""))
    if sri := _SRI.fullmatch(line):
        return sri[2], *_value(sri[1].partition("-")[2], sri[1].partition("-")[0])
    if labelled := _LABELLED.fullmatch(line):
        return labelled[3], *_value(labelled[2], labelled[1])
    bare = _BARE.fullmatch(line.strip())
    if bare is None:
        return None
    if bare[3]:
        return "", *_value(bare[3].partition("-")[2], bare[3].partition("-")[0])
    return "", *_value(bare[2], bare[1] or hints.get(len(bare[2]), ""))


def _value(text: str, label: str) -> tuple[Digest | None, str]:
    """The digest that a text stands for, by its label if there is one, else by its length."""
    named = algorithm_named(label) if label else ""
    if named is None:
        return None, f"its algorithm {label} is not known here"
    digest = from_hex(text, named) or (from_base64(text, named) if named else None)
    return (digest, "") if digest else (None, f"its {named or 'digest'} has a wrong length")


def _plain(name: str, windows: bool) -> str:
    """A path as it is compared: with slashes, without "./"."""
    return re.sub(r"^(?:\./+)+", "", name.replace("\\", "/") if windows else name)
