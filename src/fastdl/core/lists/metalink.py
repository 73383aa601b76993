"""A Metalink as a list: each of its files with its sources, its size and its digests.

Who wrote the document is not known, so its names are a server's names: they stay below the folder, hide nothing and
are no device. What only looks strange is made harmless, what would lead elsewhere refuses the file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from fastdl.core.digests.base import DigestNotFound
from fastdl.core.digests.metalink import MetalinkFile, each_file
from fastdl.core.lists.entry import Broken, Entry
from fastdl.core.naming import is_device, safe_name
from fastdl.core.pattern import pattern
from fastdl.errors import BadName, FastdlError, UsageError

MOST_SOURCES = 64  # of one file: more would not be asked
MOST_FOLDERS = 16

_DRIVE = pattern(r"[A-Za-z]:")


def parse_document(body: bytes, *, windows: bool) -> Iterator[Entry | Broken]:
    """The files of a Metalink of version 3 or 4. Raises UsageError for what is none, and for a DOCTYPE."""
    try:
        files = each_file(body)
        first = next(files, None)
    except DigestNotFound as error:
        why = re.sub("^its (?:answer|XML) ", "it ", error.why).replace("it is no XML", "it is no valid XML")
        raise UsageError("this is no Metalink", why, "A list in XML is a Metalink, version 3 or 4.") from None
    if first is None:
        raise UsageError("the Metalink names no file", "", "")
    return (_entry(number, file, windows) for number, file in enumerate(itertools.chain([first], files), 1))


def _entry(number: int, file: MetalinkFile, windows: bool) -> Entry | Broken:
    sources = tuple(dict.fromkeys(file.mirrors))[:MOST_SOURCES]
    urls = tuple(dict.fromkeys(source.url for source in sources))
    error: FastdlError
    if not urls:
        error = UsageError("the Metalink has no source for the file", "none is http or https", "")
        return Broken(number, error, kind="metalink")
    try:
        name = safe_path(file.name, windows=windows)
    except BadName as refused:
        return Broken(number, refused, urls[0], "metalink")
    return Entry(
        number,
        urls[0],
        urls[1:],
        size=file.size,
        digests=file.digests,
        pieces=file.pieces,
        kind="metalink",
        name=name,
        sources=sources,
    )


def safe_path(name: str, *, windows: bool) -> str:
    """The name of a file in a Metalink (RFC 5854, 4.1.2.1) as a relative path with /, each part of it a safe name.

    Raises BadName for one that is absolute, leads upwards, or names a device of any system."""
    parts = name.split("/")
    if "\\" in name or _DRIVE.match(name) or any(part.strip(" ") in ("", ".", "..") for part in parts):
        raise BadName("the Metalink gives the file an unsafe name", "it may lead out of the folder", _UNSAFE)
    if any(is_device(part) for part in parts):
        raise BadName("the Metalink gives the file an unsafe name", "it is that of a device", _UNSAFE)
    safe = [safe_name(part, windows=windows) for part in parts]
    if None in safe or len(safe) > MOST_FOLDERS:
        raise BadName("the Metalink gives the file an unsafe name", "it cannot be used on a disk", _UNSAFE)
    return "/".join(part for part in safe if part)


_UNSAFE = "Download it by its URL, with a name of your own."
