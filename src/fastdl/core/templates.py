"""The small language of templates: `{name|filter|filter}` in a URL stands for a part of another URL.

Parts are put in verbatim, still percent-encoded, unless a filter says else, and what was put in is never read as a
template again: no part of a URL can name a host, another part or a filter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

QUOTED_LENGTH = 200  # longest value that a mirror's metadata may put into a URL


def template_authority(template: str) -> str:
    """The literal host and port of a template; "" where it has none."""
    scheme, mark, rest = template.partition("://")
    authority, slash, _ = rest.partition("/")
    return authority if mark and slash and scheme in ("https", "http") and "{" not in authority else ""


def template_host(template: str) -> str:
    """The literal host of a template; "" where it has none."""
    return template_authority(template).partition(":")[0]


def expand(template: str, names: Mapping[str, str | None]) -> str | None:
    """The template with its `{name|filter|filter}` replaced, verbatim unless a filter says else; None where a name is
    not known. What is put in is never read as a template again."""
    pieces = template.split("{")
    texts = [pieces[0]]
    for piece in pieces[1:]:
        expression, mark, rest = piece.partition("}")
        value = _value(expression, names) if mark else None
        if value is None:
            return None
        texts += (value, rest)
    return "".join(texts)


def _value(expression: str, names: Mapping[str, str | None]) -> str | None:
    name, *filters = expression.split("|")
    if name not in names:
        return None
    value = names[name] or ""
    for text in filters:
        word, _, argument = text.partition(":")
        value = _filtered(value, word, argument)
    return value


def _filtered(value: str, word: str, argument: str) -> str:
    head, slash, tail = value.partition("/")
    if word in ("before", "slash"):  # in front of, or a slash behind, what is not empty
        return value and (argument + value if word == "before" else value + "/")
    if word == "strip_prefix":
        return value[len(argument) :] if value.startswith(argument) else value
    simple = {
        "basename": value.rpartition("/")[2],
        "default": value or argument,
        "digits": "".join(letter for letter in value if letter in "0123456789"),
        "dirname": value.rpartition("/")[0],
        "first_segment": head,
        "lower": value.lower(),
        "strip_v": value[1:] if value[:1] in ("v", "V") else value,
        "tail": tail if slash else value,
    }
    return simple[word] if word in simple else _ENCODED[word](value)


def _index_prefix(crate: str) -> str:
    """Where an index in Cargo's layout keeps a name: 1/, 2/, 3/a/ or ab/cd/."""
    name = crate.lower()
    return {1: "1", 2: "2", 3: f"3/{name[:1]}"}.get(len(name), f"{name[:2]}/{name[2:4]}")


def unquoted(text: str) -> str:
    """Percent-decoded; what is no UTF-8 becomes U+FFFD and so equals nothing."""
    if "%" not in text:
        return text
    first, *rest = text.encode("utf-8", "replace").split(b"%")
    pieces = [first]
    for piece in rest:
        try:
            pieces.append(bytes.fromhex(piece[:2].decode("ascii")) + piece[2:])
        except ValueError:
            pieces.append(b"%" + piece)
    return b"".join(pieces).decode("utf-8", "replace")


_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quoted(text: str) -> str:
    """One path segment, percent-encoded (RFC 3986, 2.3)."""
    encoded = text[:QUOTED_LENGTH].encode("utf-8", "replace")
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in encoded)


_ENCODED = {
    "index_prefix": _index_prefix,
    "npm_escape": lambda text: text.replace("/", "%2F"),
    "project": lambda text: re.sub(r"[-_.]+", "-", text).lower(),  # a Python project's normal name
    "quote": quoted,
    "unquote": unquoted,
}
