"""Digests on web pages made for people: package indexes with #sha256= links (PEP 503), SourceForge's lists, tables.

A page says least clearly what a digest belongs to. So it counts only where the name of the file and its digest stand
in one link, in one object or in one row.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator

from fastdl.core.digests.base import (
    DigestNotFound,
    Found,
    Step,
    algorithm_named,
    found,
    from_hex,
    plain_name,
    target_name,
)
from fastdl.core.digests.xml import XmlReader
from fastdl.core.pattern import pattern
from fastdl.core.verify import Digest

MOST_ROW = 16 * 1024  # characters of one row
MOST_ROWS = 64  # that link to the file
_HREF = pattern(r"(?i)href\s*=\s*(?:\"([^\"<>]{1,4000})\"|'([^'<>]{1,4000})')")
_HEX = pattern(r"(?i)(?<![0-9A-Za-z])(?:[0-9a-f]{128}|[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9A-Za-z])")
_LISTED = pattern(r"net\.sf\.files\s*=\s*(?=\{)")
_SCRIPT_KEYS = ("sha256", "sha1", "md5")


def html_page(look: Step, body: bytes, known_size: int | None = None) -> Found:
    """The digest of the file on a page. Raises DigestNotFound."""
    name = target_name(look)
    start = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<?xml") or start.startswith(b"<rss"):
        return found(_feed(body, name), known_size=known_size)
    text = body.decode("utf-8", "replace")
    listed = _script(text, name)
    if listed is not None:
        return found(listed[0], size=listed[1], known_size=known_size)
    digests = list(_links(text, name)) or list(_rows(text, name, look.algorithm)) or list(_only(text, look))
    return found(digests, known_size=known_size)


def _links(text: str, name: str) -> Iterator[Digest]:
    """PEP 503: <a href="…/NAME#sha256=HEX">."""
    for link in _HREF.finditer(text):
        path, mark, fragment = html.unescape(link[1] or link[2]).partition("#")
        if not mark or plain_name(path.partition("?")[0]).rpartition("/")[2] != name:
            continue
        label, _, value = fragment.partition("&")[0].partition("=")
        named = algorithm_named(label)
        if named and (digest := from_hex(value, named)):
            yield digest


def _rows(text: str, name: str, algorithm: str) -> Iterator[Digest]:
    """The one digest in the table's row that holds a link to the file."""
    rows = 0
    for link in _HREF.finditer(text):
        path = html.unescape(link[1] or link[2]).partition("#")[0].partition("?")[0]
        if plain_name(path).rpartition("/")[2] != name:
            continue
        rows += 1
        if rows > MOST_ROWS:
            raise DigestNotFound("it names the file too often")
        end = text.find("</tr", link.end(), link.end() + MOST_ROW)
        if end < 0:
            continue
        digests = {digest for hex_ in _HEX.findall(text, link.end(), end) if (digest := from_hex(hex_, algorithm))}
        if len(digests) == 1:
            yield digests.pop()


def _only(text: str, look: Step) -> Iterator[Digest]:
    """The page of one file (its own URL begins with the file's): the one digest of the rule's kind on it."""
    if not look.url.endswith(".mirrorlist"):
        return
    digests = {digest for hex_ in _HEX.findall(text) if (digest := from_hex(hex_, look.algorithm))}
    if len(digests) == 1:
        yield digests.pop()


def _script(text: str, name: str) -> tuple[list[Digest], int | None] | None:
    """SourceForge's list of a folder: an object in a script, by name. None where there is no such list."""
    place = _LISTED.search(text)
    if place is None:
        return None
    try:
        listed = json.JSONDecoder().raw_decode(text, place.end())[0]
    except (ValueError, RecursionError):
        raise DigestNotFound("its list of files cannot be read") from None
    entry = listed.get(name)
    if not isinstance(entry, dict):
        raise DigestNotFound("it does not list the file")
    values = [(key, entry.get(key)) for key in _SCRIPT_KEYS]
    digests = [digest for key, value in values if isinstance(value, str) and (digest := from_hex(value, key))]
    size = entry.get("size")
    return digests, size if isinstance(size, int) and not isinstance(size, bool) else None


def _feed(body: bytes, name: str) -> list[Digest]:
    """SourceForge's RSS: <media:hash algo="md5"> in the item of the file."""
    digests: list[Digest] = []
    hashes: list[Digest] = []

    def visit(path: tuple[str, ...], attributes: dict[str, str], text: str) -> None:
        if path[-1] == "hash" and "item" in path:
            named = algorithm_named(attributes.get("algo", ""))
            if named and (digest := from_hex(text, named)) and len(hashes) < 16:
                hashes.append(digest)
        elif path[-2:] == ("item", "title"):
            titles.append(text)
        elif path[-1] == "item":
            if any(title.rpartition("/")[2] == name for title in titles):
                digests.extend(hashes)
            hashes.clear()
            titles.clear()

    titles: list[str] = []
    XmlReader(visit).feed(body, True)
    return digests
