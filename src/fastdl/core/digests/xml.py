"""XML without its traps: no DOCTYPE, so no entities; bounded depth, text and number of elements.

expat itself is linear; what makes XML dangerous is what a document may declare, and that is refused as soon as it
begins to.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from fastdl.core.digests.base import DigestNotFound

MOST_DEPTH = 64
MOST_TEXT = 64 * 1024  # characters of one element's own text
MOST_ELEMENTS = 2_000_000

Visitor = Callable[[tuple[str, ...], dict[str, str], str], None]


class XmlReader:
    """Feeds a document in pieces to `visit(path, attributes, text)`, called where an element ends; `path` holds the
    names from the root down, without their namespaces' prefixes. `begin` is called where one begins, with "".

    Everything raises DigestNotFound."""

    def __init__(self, visit: Visitor, begin: Visitor | None = None) -> None:
        self._visit = visit
        self._begin = begin
        self._path: list[str] = []
        self._open: list[tuple[dict[str, str], list[str]]] = []
        self._sizes: list[int] = []
        self._left = MOST_ELEMENTS
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.EntityDeclHandler = _refuse
        self._parser.ExternalEntityRefHandler = _refuse
        self._parser.SkippedEntityHandler = _refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, data: bytes, last: bool = False) -> None:
        """Read a piece of the document."""
        try:
            self._parser.Parse(data, last)
        except (expat.ExpatError, ValueError, LookupError):
            raise DigestNotFound("its answer is no XML") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._left -= 1
        if len(self._path) >= MOST_DEPTH or self._left < 0:
            raise DigestNotFound("its XML is too deep or too large")
        self._path.append(name.rpartition(":")[2])
        self._open.append((attributes, []))
        self._sizes.append(0)
        if self._begin is not None:
            self._begin(tuple(self._path), attributes, "")

    def _text(self, text: str) -> None:
        if self._open and self._sizes[-1] <= MOST_TEXT:
            self._open[-1][1].append(text)
            self._sizes[-1] += len(text)

    def _end(self, name: str) -> None:
        attributes, pieces = self._open.pop()
        self._sizes.pop()
        self._visit(tuple(self._path), attributes, "".join(pieces).strip())
        self._path.pop()


def _refuse(*_: object) -> int:
    raise DigestNotFound("its XML declares a DOCTYPE, which is refused")
