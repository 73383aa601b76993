"""Text for man(7): what the formatter would take for its own is escaped.

A hyphen becomes a minus sign, so that an option can be copied from the page and searched in it; quotes and accents stay
what a shell understands; no line of text begins with a control character.
"""

from __future__ import annotations

from collections.abc import Iterable

_ESCAPES = {
    "\\": "\\e",
    "-": "\\-",
    "'": "\\(aq",
    '"': "\\(dq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
}
WIDTH = 79  # of a line in the source, as its linter wants it; where it breaks means nothing to the reader


def escaped(text: str) -> str:
    """`text`, in one line, to be read as it stands. Raises ValueError for what is not printable ASCII."""
    if not text.isascii() or not text.isprintable():
        raise ValueError(f"not printable ASCII: {text!r}")
    line = "".join(_ESCAPES.get(char, char) for char in text)
    return "\\&" + line if line[:1] == "." else line


def bold(text: str) -> str:
    """The same, in bold."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """The same, in italics: what is to be replaced by a value."""
    return f"\\fI{escaped(text)}\\fR"


def request(name: str, *words: str) -> str:
    """A macro with its arguments, which are texts."""
    return " ".join([f".{name}", *(f'"{escaped(word)}"' for word in words)])


def paragraph(text: str) -> list[str]:
    """Source lines of running text."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and len(escaped(longer)) > WIDTH:
            lines.append(word)
        else:
            lines[-1] = longer
    return [escaped(line) for line in lines]


def tagged(tag: str, text: str) -> list[str]:
    """A term, which is escaped already, and its explanation."""
    return [".TP", tag, *paragraph(text)]


def verbatim(lines: Iterable[str]) -> list[str]:
    """Lines that are shown as they stand, indented."""
    return [".PP", ".in +4n", ".nf", *(escaped(line) for line in lines), ".fi", ".in"]
