"""JSON Lines: one object a line, whose keys are `url` and the options of the file.

{"url": "https://example.org/f", "out": "f", "checksum": "sha256:...", "mirrors": ["..."], "headers": {"K": "V"}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from fastdl.core.hints import Any
from fastdl.core.lists.entry import Broken, Entry, Written
from fastdl.core.lists.keys import meaning, with_option
from fastdl.core.lists.reading import Line
from fastdl.errors import UsageError

_EXAMPLE = 'A line looks like {"url": "https://example.org/f", "out": "f"}.'


def parse_jsonl(lines: Iterable[Line]) -> Iterator[Entry | Broken]:
    """The entries of a list in JSON Lines. Blank lines and those that begin with # are left out."""
    for number, text, wrong in lines:
        content = text.strip()
        if not wrong and (not content or content.startswith("#")):
            continue
        url = ""
        try:
            if wrong:
                raise UsageError("the line cannot be read", wrong, "")
            fields = _object(content)
            url = _url(fields)
            yield _entry(number, url, fields)
        except UsageError as error:
            yield Broken(number, error, url, "jsonl")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_pairs, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise UsageError("this is not valid JSON", f"column {error.colno}", _EXAMPLE) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets without end
        raise UsageError("this is not valid JSON", "", _EXAMPLE) from None
    if "\\u" in text and not _encodable(found):
        raise UsageError("a text of the object cannot be encoded", "it holds half a character", _EXAMPLE)
    if not isinstance(found, dict):
        raise UsageError("this is no JSON object", "", _EXAMPLE)
    return found


def _encodable(found: Any) -> bool:
    """Whether no escape of JSON stands for half of a surrogate pair: no name on a disk can hold that."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise UsageError("a key stands twice in the object", "", "Remove one of the two.")
    return dict(pairs)


def _no_number(_: str) -> Any:
    raise ValueError


def _url(fields: dict[str, Any]) -> str:
    url = fields.pop("url", None)
    if not isinstance(url, str) or not url.strip():
        why = "its url is no text" if url is not None else "it has no url"
        raise UsageError("the object names no file", why, _EXAMPLE)
    return url


def _entry(number: int, url: str, fields: dict[str, Any]) -> Entry:
    options: dict[str, tuple[Written, ...]] = {}
    for name, value in fields.items():
        key, negated = meaning(name)
        if value is None:
            continue  # not given
        if key == "header" and isinstance(value, dict):
            value = _header_lines(value)
        options = with_option(options, key, Written(name, value, number, negated))
    return Entry(number, url, (), options, kind="jsonl")


def _header_lines(fields: dict[str, Any]) -> list[str]:
    """Headers as an object, in the form in which the command line has them."""
    lines = []
    for name, value in fields.items():
        if not isinstance(value, str) or ":" in name:
            raise UsageError("the headers are not valid", "an object of names and texts is expected", _EXAMPLE)
        lines.append(f"{name}: {value}" if value.strip() else f"{name};")
    return lines
