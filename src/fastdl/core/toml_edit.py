"""Changes one key of a TOML text and leaves all the rest of it as a person wrote it.

Dumping what was parsed would lose comments, order and spelling. So the text is cut into statements, and one of them is
replaced, added or taken out. Only top-level keys are touched, which TOML has before the first table. The text must be
valid TOML; who calls this parses the result once more, and so a mistake here can spoil no file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from fastdl.core.hints import Any
from fastdl.core.pattern import pattern
from fastdl.core.record import Record

_BLANK = pattern(r"[ \t]*")
_LINE = pattern(r"[^\n]*\n?")
_BARE = pattern(r"[^#\r\n]*")
_BASIC = pattern(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = pattern(r"'[^'\n]*'")
_LONG_BASIC = pattern(r'(?s)"""(?:[^\\]|\\.)*?"{3,5}')
_LONG_LITERAL = pattern(r"(?s)'''.*?'{3,5}")
_REMARK = pattern(r"#[^\n]*")
_KEY = pattern(r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^"'=#\n])*""")

Same = Callable[[str], bool]


class Statement(Record):
    """One statement with its line breaks: `kind` is "pair" (KEY = VALUE), "table" ([NAME]) or "remark" (a comment or an
    empty line). `name` is the first part of its key, `dotted` whether a pair's has more. All others are
    offsets."""

    kind: str
    start: int
    end: int
    name: str = ""
    dotted: bool = False
    key_end: int = 0
    value: int = 0
    value_end: int = 0


def loads(text: str) -> dict[str, Any]:
    """The library's parser. Raises ValueError (its TOMLDecodeError)."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def statements(text: str) -> list[Statement]:
    """The statements of a valid TOML text, in order."""
    found: list[Statement] = []
    at = 0
    while at < len(text):
        statement = _statement(text, at)
        found.append(statement)
        at = statement.end
    return found


def line_of(text: str, name: str) -> int:
    """The number of the line where the top-level key or table `name` first stands; 1 if it does not."""
    for statement in statements(text):
        if statement.name == name:
            return text.count("\n", 0, statement.start) + 1
    return 1


def with_key(text: str, name: str, value: str, same: Same) -> str:
    """The text with `name = value` at top level. `value` is TOML. `same` says which keys are spellings of this one:
    the first of these is replaced where it stands, others go. A new key comes below the comment that shows it, or
    behind the last one."""
    before = [statement for statement in _pairs(text) if same(statement.name) and not statement.dotted]
    if not before:
        return _added(text, name, value)
    first, *others = before
    for statement in reversed(others):
        text = text[: statement.start] + text[statement.end :]
    if first.name.replace("-", "_") == name.replace("-", "_"):
        return text[: first.value] + value + text[first.value_end :]
    return f"{text[: first.start]}{name} = {value}{text[first.value_end :]}"


def without_key(text: str, same: Same) -> str:
    """The text without the top-level keys that `same` says yes to, whatever the number of their lines."""
    for statement in reversed([statement for statement in _pairs(text) if same(statement.name)]):
        behind = text[statement.end :]
        if statement.start == 0:  # no text begins with an empty line; `_added` may have made this one
            behind = re.sub(r"\A\r?\n", "", behind)
        text = text[: statement.start] + behind
    return text


def quoted(text: str) -> str:
    """A text as TOML writes it. Raises ValueError for what no TOML file can hold (lone surrogates)."""
    import json

    text.encode("utf-8")
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"  # a path of Windows stays readable
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


# --- inside ----------------------------------------------------------------------------------------------


def _pairs(text: str) -> list[Statement]:
    """The top-level pairs."""
    pairs = []
    for statement in statements(text):
        if statement.kind == "table":
            break
        if statement.kind == "pair":
            pairs.append(statement)
    return pairs


def _end_of_line(text: str, at: int) -> int:
    found = _LINE.match(text, at)
    return found.end() if found is not None else len(text)


def _after(found: re.Match[str] | None, at: int) -> int:
    return found.end() if found is not None else at


def _statement(text: str, start: int) -> Statement:
    at = _after(_BLANK.match(text, start), start)
    if text[at : at + 1] in ("", "#", "\r", "\n"):
        return Statement("remark", start, _end_of_line(text, at))
    if text[at] == "[":
        opened = 2 if text.startswith("[[", at) else 1
        name, _ = _named(text[at + opened : _end_of_line(text, at)].split("]", 1)[0], text, at)
        return Statement("table", start, _end_of_line(text, at), name)
    equals = _after(_KEY.match(text, at), at)
    name, dotted = _named(text[at:equals], text, at)
    value = _after(_BLANK.match(text, equals + 1), equals + 1)
    value_end = _end_of_value(text, value)
    return Statement("pair", start, _end_of_line(text, value_end), name, dotted, equals, value, value_end)


def _named(key: str, text: str, at: int) -> tuple[str, bool]:
    """The first part of a key, and whether more follow."""
    try:
        (name, inner), *_ = loads(f"{key.strip()} = 0").items()
    except ValueError:  # a table's name with a bracket in quotes
        found = re.match(r"\[+\s*(\"(?:[^\"\\]|\\.)*\"|'[^']*'|[\w-]+)", text[at:])
        if found is None:
            return "", False
        (name, inner), *_ = loads(f"{found[1]} = 0").items()
    return name, inner != 0


def _end_of_value(text: str, at: int) -> int:
    """Behind the value that begins at `at`."""
    opening = text[at : at + 1]
    if opening in ("[", "{"):
        return _end_of_brackets(text, at)
    if opening in ('"', "'"):
        return _end_of_text(text, at)
    return at + len(text[at : _after(_BARE.match(text, at), at)].rstrip())


def _end_of_text(text: str, at: int) -> int:
    """Behind a string; the long ones may end in up to five quotes, the first two of which belong to them."""
    for opening, shape in (('"""', _LONG_BASIC), ("'''", _LONG_LITERAL), ('"', _BASIC), ("'", _LITERAL)):
        if text.startswith(opening, at):
            return _after(shape.match(text, at), len(text))
    return len(text)


def _end_of_brackets(text: str, at: int) -> int:
    """Behind an array or an inline table, whatever lines, comments and texts are in it."""
    depth = 0
    while at < len(text):
        sign = text[at]
        if sign in "\"'":
            at = _end_of_text(text, at)
            continue
        if sign == "#":
            at = _after(_REMARK.match(text, at), at)
            continue
        depth += (sign in "[{") - (sign in "]}")
        at += 1
        if depth == 0:
            return at
    return len(text)


def _added(text: str, name: str, value: str) -> str:
    """The text with a line more."""
    end = "\r\n" if "\r\n" in text else "\n"
    at, gap = _place(text, name)
    ahead, behind = text[:at], text[at:]
    if ahead and not ahead.endswith("\n"):
        ahead += end
    return f"{ahead}{name} = {value}{end}{end if gap else ''}{behind}"


def _shows(line: str, name: str) -> bool:
    """Whether a comment shows the key: `# name = ...`."""
    found = re.match(r"\s*#+\s*([\w-]+)\s*=", line)
    return found is not None and found[1].replace("-", "_") == name.replace("-", "_")


def _place(text: str, name: str) -> tuple[int, bool]:
    """Where a new key goes: below the comment that shows it; behind the last pair; before the first table, the comments
    right above it and the empty lines above those; at the end. And whether an empty line has to follow it."""
    last = 0
    above: int | None = None  # where the comments begin that stand right above, or the empty lines before them
    bare = False  # whether an empty line is the last of what stands above
    for statement in statements(text):
        if statement.kind == "table":
            return (last, False) if last else (statement.start, True) if above is None else (above, above == 0)
        written = text[statement.start : statement.end]
        if statement.kind == "pair":
            last, above, bare = statement.end, None, False
        elif _shows(written, name):
            return statement.end, False
        elif not written.strip():
            above = above if bare else statement.start
            bare = True
        else:
            above, bare = (statement.start if above is None else above), False
    return last or len(text), False
