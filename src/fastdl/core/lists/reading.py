"""From the bytes of a list to its entries: the encoding, the format and the lines, one piece at a time.

A list may come through a pipe and have no end in sight, so nothing waits for more than it needs: the format is known
from the first line that says something, and an entry is given as soon as it is whole. Only a Metalink is read as one.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from fastdl.core.lists.entry import Broken, Entry
from fastdl.core.pattern import pattern
from fastdl.errors import UsageError

Line = tuple[int, str, str]  # number from 1, text without its end, what is wrong with it ("": nothing)

WINDOW = 64 * 1024  # bytes that are looked at for the format
MOST_LINE = 256 * 1024  # characters
MOST_METALINK = 64 * 1024 * 1024  # bytes

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SAYS_NOTHING = pattern(r"(?:[ \t\r\f]*(?:#[^\n]*)?\n)*[ \t\r\f]*")
_NOTHING_YET = pattern(_SAYS_NOTHING.pattern + r"(?:#[^\n]*)?")
_JUNK = pattern("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_UNDECODED = pattern("[\udc80-\udcff]")
_DECLARATION = pattern(r"\s*<\?xml[^>]*\?>")
_FORMATS = "It is a text with one URL a line, JSON Lines, or a Metalink."


def read_list(chunks: Iterable[bytes], *, windows: bool) -> Iterator[Entry | Broken]:
    """The entries of a list that comes in `chunks`, in their order. Reads as far as it has to for the format before it
    returns. `windows`: names are for its file systems. Raises UsageError, which does not name the list, for what is
    none."""
    rest = iter(chunks)
    encoding, head = _head(rest)
    text, pieces = _decoded(encoding, head, rest)
    start = _SAYS_NOTHING.sub("", text, count=1)
    if text.lstrip().startswith("<"):
        return _metalink(encoding, head, rest, windows)
    if junk := _JUNK.search(text):
        line = text.count("\n", 0, junk.start()) + 1
        raise UsageError(f"line {line}: this is no list", "it holds binary data", _FORMATS)
    lines = _lines(text, pieces)
    if start.startswith("{"):
        from fastdl.core.lists.jsonl import parse_jsonl

        return parse_jsonl(lines)
    if start.startswith("["):
        why = "a JSON array is not JSON Lines"
        raise UsageError(f"line {_line_at(text, start)}: this is no list", why, "Write one object a line.")
    from fastdl.core.lists.text import parse_text

    return parse_text(lines)


def _line_at(text: str, rest: str) -> int:
    return text.count("\n", 0, len(text) - len(rest)) + 1


# --- encoding --------------------------------------------------------------------------------------------


def _head(chunks: Iterator[bytes]) -> tuple[str, bytes]:
    """The encoding, and the first bytes after the mark of it: as many as the format needs, where there are so many."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= WINDOW:
            break
        encoding, data = _unmarked(head)
        text = data.decode(encoding, "ignore")
        if len(head) > 3 and _NOTHING_YET.fullmatch(text) is None:
            break
    return _unmarked(head)


def _unmarked(data: bytes) -> tuple[str, bytes]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, data[len(mark) :]
    return "utf-8", data


def _decoded(encoding: str, head: bytes, rest: Iterator[bytes]) -> tuple[str, Iterator[str]]:
    """The text of the head and of what follows. Bytes that are no text of the encoding become lone surrogates."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape" if encoding == "utf-8" else _SURROGATE)

    def pieces() -> Iterator[str]:
        for chunk in rest:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", True)

    return decoder.decode(head), pieces()


def _as_surrogate(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\udc80", error.end


_SURROGATE = "fastdl-surrogate"
codecs.register_error(_SURROGATE, _as_surrogate)


# --- lines -----------------------------------------------------------------------------------------------


def _lines(text: str, pieces: Iterator[str]) -> Iterator[Line]:
    """Lines that end with LF or CRLF. Of one that is too long only the beginning is kept."""
    number, start, skipping = 1, "", False
    while True:
        *whole, start = (start + text).split("\n")
        for each in whole:
            if skipping:
                skipping = False  # the end of a line that was reported already
            else:
                yield _line(number, each)
            number += 1
        if len(start) > MOST_LINE:
            if not skipping:
                yield _line(number, start)
            skipping, start = True, ""
        following = next(pieces, None)
        if following is None:
            break
        text = following
    if start and not skipping:
        yield _line(number, start)


def _line(number: int, text: str) -> Line:
    if len(text) > MOST_LINE:
        return number, text[:1], f"it is longer than {MOST_LINE} characters"
    text = text.removesuffix("\r")
    if _UNDECODED.search(text):
        return number, text, "it is not UTF-8"
    if _JUNK.search(text):
        return number, text, "it holds a control character"
    return number, text, ""


# --- Metalink --------------------------------------------------------------------------------------------


def _metalink(encoding: str, head: bytes, rest: Iterator[bytes], windows: bool) -> Iterator[Entry | Broken]:
    from fastdl.core.lists.metalink import parse_document

    body = bytearray(head)
    for chunk in rest:
        body += chunk
        if len(body) > MOST_METALINK:
            raise UsageError("this is no list", f"a Metalink has at most {MOST_METALINK} bytes", _FORMATS)
    if encoding == "utf-8":
        return parse_document(bytes(body), windows=windows)
    # In UTF-8 like any other, without a declaration that would be wrong now.
    text = body.decode(encoding, "replace")
    return parse_document(_DECLARATION.sub("", text, count=1).encode(), windows=windows)
