"""Lists of checksums as text: SHA256SUMS and its kin, and side files with one digest.

The formats: bare hex; GNU "HEX  name", "HEX *name", "\\HEX  name" with escapes; BSD "SHA256 (name) = HEX";
OpenSSL's "SHA256(name)= HEX"; gpg's "name: HEX HEX ..." over several lines; Perl's CHECKSUMS; clear-signed or not.
An entry counts only under its exact name: never the first digest of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastdl.core.digests.base import (
    DigestNotFound,
    Found,
    Step,
    algorithm_named,
    found,
    from_hex,
    from_text,
    path_of_url,
    plain_name,
    target_name,
    target_path,
)
from fastdl.core.pattern import pattern
from fastdl.core.record import Record
from fastdl.core.verify import Digest

_GNU = pattern(r"(\\?)([0-9A-Fa-f]{32,128})[ \t]+\*?(.+)")
_BSD = pattern(r"([A-Za-z0-9-]{2,20})[ \t]?\((.+)\)[ \t]?=[ \t]*([0-9A-Fa-f]{32,128})")
_GPG = pattern(r"([^:]+):[ \t]*(?:([A-Za-z0-9-]{2,20})[ \t]*=[ \t]*)?([0-9A-Fa-f]{2}[0-9A-Fa-f \t]*)")
_HEX_GROUPS = pattern(r"[ \t]+([0-9A-Fa-f]{2}[0-9A-Fa-f \t]*)")
_PERL = pattern(r"[ \t]*'([^']+)'[ \t]*=>[ \t]*(?:'([^']*)'|(\{)|[0-9]+),?[ \t]*")
_ESCAPE = pattern(r"\\(.)")
_LETTERS = {"n": "\n", "r": "\r", "\\": "\\"}
MOST_LINE = 8192


class Entry(Record):
    """One line of a list. `name` is "" for bare hex; `label` the algorithm's name as written, "" if there is none."""

    name: str
    hex: str
    label: str = ""


def entries(text: str) -> Iterator[Entry]:
    """The entries of a list, in order; lines that are none are left out."""
    pending: Entry | None = None  # gpg's format goes on in the next line
    within = ""  # of which file a Perl hash speaks
    for line in text.split("\n"):
        line = line.rstrip("\r \t").removeprefix("- ")  # RFC 4880, 7.1: dash-escaped
        if len(line) > MOST_LINE:
            continue
        if pending is not None:
            if more := _HEX_GROUPS.fullmatch(line):
                pending = Entry(pending.name, (pending.hex + _joined(more[1]))[:256], pending.label)
                continue
            yield pending
            pending = None
        if perl := _PERL.fullmatch(line):
            within = perl[1] if perl[3] else within
            if perl[2] and within and algorithm_named(perl[1]):
                yield Entry(within, perl[2], perl[1])
            continue
        parsed = _entry(line)
        if parsed is not None and ":" in line and not _GNU.fullmatch(line) and not _BSD.fullmatch(line):
            pending = parsed
        elif parsed is not None:
            yield parsed
    if pending is not None:
        yield pending


def sums_file(look: Step, body: bytes, known_size: int | None = None) -> Found:
    """The digest of the file in a list. Raises DigestNotFound."""
    listed: dict[str, list[Entry]] = {}
    for entry in _readable(look, body):
        listed.setdefault(plain_name(_raw(entry.name)), []).append(entry)
    wanted = _names_in_list(look)
    name = next((name for name in wanted if name in listed), None)
    if name is None and set(listed) == {""} and target_name(look) in path_of_url(look.url):
        name = ""  # what is called a list here is a side file
    if name is not None and name != wanted[0]:
        _refuse_namesakes(listed, wanted[0])
    return found(_decoded(iter(listed.get(name, []) if name is not None else []), look))


def _refuse_namesakes(listed: dict[str, list[Entry]], path: str) -> None:
    """A bare name stands for a file in a folder only where no other folder has such a file."""
    name = path.rpartition("/")[2]
    if sum(other.rpartition("/")[2] == name for other in listed) > 1:
        raise DigestNotFound("it lists several files of this name")


def side_file(look: Step, body: bytes, known_size: int | None = None) -> Found:
    """The digest in a file of its own beside the file: bare, or as a list whose names fit. Raises DigestNotFound."""
    listed = list(_readable(look, body))
    name = target_name(look)
    named = [entry for entry in listed if plain_name(_raw(entry.name)).rpartition("/")[2] == name]
    if not named and len(listed) == 1 and not listed[0].name:
        named = listed
    if not named and listed and any(entry.name for entry in listed):
        raise DigestNotFound("it speaks of a file of another name")
    return found(_decoded(iter(named), look))


def text_of(body: bytes) -> str:
    """The text of a list. Raises DigestNotFound for a web page and for what is no text."""
    start = body[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        raise DigestNotFound("a web page came in its place")
    if b"\0" in body[:4096]:
        raise DigestNotFound("it is no text")
    return body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def _readable(look: Step, body: bytes) -> Iterator[Entry]:
    text = text_of(body)
    single = text.strip()
    if len(single) <= 200 and not re.search(r"\s", single) and (digest := from_text(single, look.algorithm)):
        return iter([Entry("", digest.hex, digest.algorithm)])  # an SRI string or "sha256:HEX" as well
    return entries(text)


def _entry(line: str) -> Entry | None:
    if gnu := _GNU.fullmatch(line):
        name = _ESCAPE.sub(lambda escape: _LETTERS.get(escape[1], escape[0]), gnu[3]) if gnu[1] else gnu[3]
        return Entry(name, gnu[2])
    if bsd := _BSD.fullmatch(line.removeprefix("\\")):
        return Entry(bsd[2], bsd[3], bsd[1])
    if re.fullmatch("[0-9A-Fa-f]{32,128}", line):
        return Entry("", line)
    if gpg := _GPG.fullmatch(line):
        return Entry(gpg[1].strip(), _joined(gpg[3]), gpg[2] or "")
    if re.fullmatch(r"[^:\s]+:", line):  # gpg puts a long digest into the lines below the name
        return Entry(line[:-1], "")
    return None


def _joined(groups: str) -> str:
    return re.sub(r"[ \t]+", "", groups)


def _decoded(listed: Iterator[Entry], look: Step) -> Iterator[Digest]:
    """Their digests. Without a label the number of digits decides, between those of one length the rule."""
    for entry in listed:
        if entry.label:
            named = algorithm_named(entry.label)
            digest = from_hex(entry.hex, named) if named else None
        else:
            digest = from_hex(entry.hex, look.algorithm) or from_hex(entry.hex)
        if digest:
            yield digest


def _raw(name: str) -> str:
    """A listed name is no URL: its "%" are kept from being decoded."""
    return name.replace("%", "%25")


def _names_in_list(look: Step) -> list[str]:
    """How the list may call the file, the best first: as the rule says with a path; its path below the folder of the
    list; its name alone, where the two stand in different trees."""
    if "/" in look.entry:
        return [plain_name(_raw(look.entry))]
    path = target_path(look).split("/")
    folder = path_of_url(look.url).split("/")[:-1]
    for count in range(len(path) - 1, 0, -1):
        if folder[-count:] == path[:count]:
            return list(dict.fromkeys(["/".join(path[count:]), path[-1]]))
    return list(dict.fromkeys(["/".join(path), path[-1]]))
