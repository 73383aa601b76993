"""Text that is safe and fits: everything that comes from outside passes here before a person or a log sees it."""

from __future__ import annotations

from fastdl.core.shown import clean, mask
from fastdl.errors import FastdlError

LONGEST = 4000  # characters of a line; a URL may be long, a hostile header longer


def safe(text: str) -> str:
    """`text` without control characters and without secrets, as one line."""
    return clean(mask(text), LONGEST)


def error_line(error: FastdlError, about: str = "") -> str:
    """`fastdl: error: WHAT (WHY). HINT`; `about` names the file where there are several."""
    return "fastdl: error: " + safe(f"{about}: {error}" if about else str(error))


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def columns(text: str) -> int:
    """How many terminal cells `text` takes at most: wide characters two, combining ones none. Where terminals differ
    (emoji that are made of several characters) the larger number, so that no line is ever too long."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


_EMOJI_LOOK = "\ufe0f"  # asks for the picture of the character before it, which is wide then
_SOFT_HYPHEN = "\u00ad"  # terminals show it


def _cells(char: str) -> int:
    import unicodedata

    if char in (_EMOJI_LOOK, _SOFT_HYPHEN):
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf") or "\u1160" <= char <= "\u11ff":
        return 0  # the last are the vowels and ends of Korean syllables, which stand in the cell of their beginning
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shorten(text: str, width: int, dots: str = "...") -> str:
    """`text` in at most `width` cells; the middle is left out, because the end of a file's name tells most."""
    if columns(text) <= width:
        return text
    if width <= columns(dots) + 2:
        return _take(text, width)
    room = width - len(dots)
    head = _take(text, (room + 1) // 2)
    tail = _take(text[::-1], room - columns(head))[::-1]
    while tail and not _cells(tail[0]):
        tail = tail[1:]  # an accent whose letter was left out
    return head + dots + tail


def _take(text: str, width: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += _cells(char)
        if used > width:
            return text[:index]
    return text


def pad(text: str, width: int) -> str:
    """`text` filled with spaces up to `width` cells."""
    return text + " " * max(0, width - columns(text))


def encodable(text: str, encoding: str | None) -> str:
    """`text` with what the terminal's encoding cannot show replaced by `?`, so that its width stays right."""
    name = encoding or "ascii"
    try:
        return text.encode(name, "replace").decode(name, "replace")
    except LookupError:
        return text.encode("ascii", "replace").decode("ascii")
